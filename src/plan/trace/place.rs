//! One place of a trace: what stands there and how it came, and whether that is what was asked for.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::model::forge::Course;
use crate::model::history::CommitId;
use crate::model::text::plain;
use crate::plan::past::entry::{PullShown, Web, commit, word};
use crate::plan::past::{By, Stay};
use crate::plan::shown_key;
use crate::plan::trace::facts::{Answer, Question};
use crate::plan::trace::shown::{CommitTrace, PlaceTrace, PullTrace, SourceTrace, pull};
use crate::plan::trace::wanted::{Obstacle, Sought, Thing, approvals, unanswered};
use crate::plan::trace::{Line, Scene};
use crate::selection::{self, Builds};

/// Of how many pull requests of one revision it is asked who approves.
const APPROVED: usize = 2;

/// Whether a stay holds what was asked for.
enum Holds {
    Yes,
    No,
    /// Nobody says so, and why.
    Unknown(String),
}

/// What became of what was asked for at a place.
struct State {
    word: &'static str,
    reached: Option<Timestamp>,
    left: Option<Timestamp>,
    taken_back: bool,
    message: String,
}

/// Traces one place.
pub(super) fn trace_place(scene: &Scene<'_>, line: &Line<'_>, sought: &Sought) -> PlaceTrace {
    let tracked = &line.subject.tracked;
    let base = tracked.target.as_ref().map(|target| &target.base);
    let repository = base.map_or(&tracked.application.repository, |base| &base.repository);
    let state = match &sought.thing {
        None => standing(line),
        Some(thing) => state(scene, line, thing),
    };
    let now = line.stays.first();
    let (commit, source) = if scene.is_open() {
        // Who it came from is asked when it is known where it is.
        (None, None)
    } else {
        let commit = now.map(|stay| commit_of(scene, stay, scene.webs.get(repository)));
        (commit, now.and_then(|stay| source_of(scene, line, stay)))
    };
    PlaceTrace {
        application: tracked.application.label(),
        environment: line.subject.environment().map(str::to_owned),
        repository: repository.clone(),
        branch: base.map(|base| base.branch.to_string()).unwrap_or_default(),
        file: line.subject.located.as_ref().map(|located| located.file.to_string()),
        key: shown_key(line.subject),
        image: tracked.image_text.clone(),
        tag: now.and_then(Stay::tag).map(str::to_owned),
        digest: now.and_then(Stay::digest).map(str::to_owned),
        since: now.map(|stay| stay.since),
        by: now.map(|stay| word(stay.by)),
        took_back: now.map(|stay| stay.took_back.clone()).unwrap_or_default(),
        commit,
        source,
        state: state.word,
        reached: state.reached,
        left: state.left,
        taken_back: state.taken_back,
        message: state.message,
    }
}

fn commit_of(scene: &Scene<'_>, stay: &Stay, web: Option<&Web>) -> CommitTrace {
    let mut shown = commit(stay, web);
    let url = web.and_then(|web| web.url.clone());
    let number = shown.pull_request.as_ref().map(|pull| pull.number);
    let Some(url) = url else { return CommitTrace { commit: shown, approved_by: Vec::new() } };
    let number = number.or_else(|| {
        // The commit that a forge rebased does not say which pull request brought it.
        let question = Question::PullsOf { url: url.clone(), id: stay.commit.id.to_string(), is_own: true };
        let is_own = stay.by == By::Repin;
        let Some(Answer::Pulls(pulls)) = is_own.then(|| scene.ask(question)).flatten() else { return None };
        let pull = pulls.first()?;
        let (number, url) = (pull.number, Some(plain(&pull.url)));
        shown.pull_request = Some(PullShown { number, text: format!("#{number}"), url });
        Some(number)
    });
    let approved_by = number.map(|number| {
        let question = Question::Approvals { url: url.clone(), number, is_own: true };
        match scene.ask(question) {
            Some(Answer::Approvals(all)) => all.iter().map(|one| plain(&one.login)).collect(),
            _ => Vec::new(),
        }
    });
    CommitTrace { commit: shown, approved_by: approved_by.unwrap_or_default() }
}

fn source_of(scene: &Scene<'_>, line: &Line<'_>, stay: &Stay) -> Option<SourceTrace> {
    let (source, is_of_registry) = scene.source(line, stay)?;
    let (url, revision) = (source.url().to_owned(), source.revision().to_owned());
    // A short id, or the name of a tag, is looked up first.
    let id = match revision.parse::<CommitId>() {
        Ok(_) => Some(revision.clone()),
        Err(_) => match scene.ask(Question::Commit { url: url.clone(), id: revision.clone() }) {
            Some(Answer::Commit(Some(commit))) => Some(commit.id.to_string()),
            _ => None,
        },
    };
    let pulls = id.and_then(|id| scene.ask(Question::PullsOf { url: url.clone(), id, is_own: false }));
    let pull_requests: Vec<PullTrace> = match pulls {
        Some(Answer::Pulls(pulls)) => {
            let approved = |index: usize, number: u64| {
                if index < APPROVED { approvals(scene, &url, number) } else { Vec::new() }
            };
            pulls.iter().enumerate().map(|(index, one)| pull(one, approved(index, one.number))).collect()
        }
        _ => Vec::new(),
    };
    let said_by = if is_of_registry { "registry" } else { "commit" };
    Some(SourceTrace { url: plain(&url), revision: plain(&revision), said_by, pull_requests })
}

/// What to say where whatever stands was asked for.
fn standing(line: &Line<'_>) -> State {
    let plain_state = |word, reached, message| State { word, reached, left: None, taken_back: false, message };
    match line.stays.first() {
        None => plain_state("unknown", None, "what stands there is not known".to_owned()),
        Some(stay) => match stay.stood.shown() {
            Some(value) => plain_state("runs", Some(stay.since), format!("{} since {}", plain(&value), stay.since)),
            None => plain_state("unknown", None, format!("no tag of the image since {}", stay.since)),
        },
    }
}

fn state(scene: &Scene<'_>, line: &Line<'_>, thing: &Thing) -> State {
    let plain_state = |word, message| State { word, reached: None, left: None, taken_back: false, message };
    let Some(now) = line.stays.first() else {
        return plain_state("unknown", "what stands there is not known".to_owned());
    };
    match &thing.obstacle {
        Some(Obstacle::Nowhere(why)) => return plain_state("not-yet", why.clone()),
        Some(Obstacle::Unknown(why)) => return plain_state("unknown", why.clone()),
        None => {}
    }
    let value = shown(now);
    let first = first(scene, line, thing);
    let reached = first.and_then(|at| line.stays.get(at)).map(|stay| stay.since);
    let holds = holds(scene, line, thing, now);
    if matches!(holds, Holds::Yes) {
        let since = reached.unwrap_or(now.since);
        let is_exact = thing.is_it(line, now, scene);
        let message = if is_exact {
            format!("runs it as {value} since {}", now.since)
        } else {
            format!("runs {value}, which contains it; it came at {since}")
        };
        return State { word: "runs", reached: Some(since), left: None, taken_back: false, message };
    }
    if let Some(first) = first {
        return was(scene, line, thing, first);
    }
    // What was not read may hold it.
    if matches!(holds, Holds::No) && line.stays.iter().any(|stay| stay.is_cut) {
        let message = format!(
            "runs {value}; whether {} stood there before is not known, for `history` limits what is read",
            thing.name
        );
        return plain_state("unknown", message);
    }
    match (holds, order(line, thing, now)) {
        (Holds::Unknown(_), Some((Ordering::Less, tag))) | (Holds::No, Some((Ordering::Less, tag))) => {
            plain_state("not-yet", format!("runs {value}, which is older than {tag}"))
        }
        (Holds::No, Some((Ordering::Greater, tag))) if thing.revisions.is_empty() => {
            plain_state("skipped", format!("runs {value}, which is newer; {tag} never stood there"))
        }
        (Holds::No, _) if thing.revisions.is_empty() => {
            plain_state("not-yet", format!("runs {value}; {} never stood there", thing.name))
        }
        (Holds::Unknown(why), _) => {
            plain_state("unknown", format!("runs {value}, and whether that contains it is not known: {why}"))
        }
        (Holds::No | Holds::Yes, _) => plain_state("not-yet", format!("runs {value}, which does not contain it")),
    }
}

/// It stood there and does not any more.
fn was(scene: &Scene<'_>, line: &Line<'_>, thing: &Thing, first: usize) -> State {
    // The newest of the stays that held it.
    let last = (1..=first).find(|at| {
        let stay = line.stays.get(*at);
        stay.is_some_and(|stay| matches!(holds(scene, line, thing, stay), Holds::Yes))
    });
    let last = last.unwrap_or(first);
    let stay = |at: usize| line.stays.get(at);
    let reached = stay(first).map(|stay| stay.since);
    let (held, next) = (stay(last), last.checked_sub(1).and_then(stay));
    let left = next.map(|stay| stay.since);
    let taken_back = next.is_some_and(|stay| !stay.took_back.is_empty());
    let message = match (held, next) {
        (Some(held), Some(next)) => {
            let who = match next.by {
                By::Repin => "repin".to_owned(),
                By::Tool | By::Person => plain(&next.commit.author_name),
            };
            let commit = next.commit.id.short();
            let end = if taken_back {
                format!("taken back to {} by {who} in {commit} at {}", shown(next), next.since)
            } else {
                format!("until {} came by {who} in {commit} at {}", shown(next), next.since)
            };
            let now = line.stays.first().filter(|_| last > 1).map(|now| format!("; now {} runs", shown(now)));
            format!("stood there as {} from {}, {end}{}", shown(held), held.since, now.unwrap_or_default())
        }
        _ => "stood there".to_owned(),
    };
    State { word: "was", reached, left, taken_back, message }
}

/// Finds the oldest stay that held it.
fn first(scene: &Scene<'_>, line: &Line<'_>, thing: &Thing) -> Option<usize> {
    let is_early = |stay: &Stay| thing.since.is_none_or(|since| stay.since < since);
    let may_hold = |stay: &Stay| {
        let is_exact = thing.is_it(line, stay, scene);
        // Who is asked whether one revision contains another is not asked about what came before.
        is_exact || (!thing.revisions.is_empty() && !is_early(stay))
    };
    let stays = line.stays.iter().enumerate().rev().filter(|(_, stay)| may_hold(stay));
    let mut holding = stays.filter(|(_, stay)| matches!(holds(scene, line, thing, stay), Holds::Yes));
    holding.next().map(|(at, _)| at)
}

fn holds(scene: &Scene<'_>, line: &Line<'_>, thing: &Thing, stay: &Stay) -> Holds {
    if thing.is_it(line, stay, scene) {
        return Holds::Yes;
    }
    if stay.stood.shown().is_none() || thing.revisions.is_empty() {
        return Holds::No;
    }
    let Some((source, _)) = scene.source(line, stay) else {
        return Holds::Unknown("nothing says from which revision it was built".to_owned());
    };
    let Some(wanted) = thing.revisions.get(source.url()) else {
        return Holds::Unknown(format!("it was built from {}", plain(source.url())));
    };
    let mut unknown = None;
    for old in wanted {
        let (url, old, new) = (source.url().to_owned(), old.clone(), source.revision().to_owned());
        match scene.ask(Question::Course { url: url.clone(), old, new }) {
            Some(Answer::Course(Some(Course::Same | Course::Ahead))) => return Holds::Yes,
            Some(Answer::Course(Some(Course::Behind | Course::Diverged))) => {}
            Some(Answer::Course(None)) => unknown = Some(format!("{url} does not have one of the revisions")),
            answer => unknown = Some(unanswered(answer, &url)),
        }
    }
    unknown.map_or(Holds::No, Holds::Unknown)
}

/// Compares what stands with the tags that were asked for, by the policy.
fn order<'t>(line: &Line<'_>, thing: &'t Thing, now: &Stay) -> Option<(Ordering, &'t str)> {
    let tracked = &line.subject.tracked;
    let (image, tag) = (tracked.image.as_ref()?, now.tag()?);
    let tags = thing.tags_of(image);
    tags.into_iter().find_map(|wanted| {
        let order = selection::compare(&tracked.policy, &Builds::new(), tag, wanted)?;
        (order != Ordering::Equal).then_some((order, wanted))
    })
}

fn shown(stay: &Stay) -> String {
    match stay.stood.shown() {
        // A digest behind its tag says nothing to a person.
        Some(value) => plain(value.split_once('@').map_or(value.as_str(), |(tag, _)| tag)),
        None => "nothing".to_owned(),
    }
}
