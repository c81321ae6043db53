//! What stood at the places of a snapshot, when, and who brought it: what `history` and `trace` show.
//!
//! Pure: timelines are read by others, and what a merge brought is handed in as [`Notes`]. Each commit is read once, however
//! many places it changed.

pub mod entry;
pub mod service;

use std::cell::{OnceCell, RefCell};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;

use crate::message::merged::{self, MergedPull};
use crate::message::trailers::{Change, Trailers};
use crate::model::history::{CommitId, CommitInfo};
use crate::model::policy::Policy;
use crate::model::source::Source;
use crate::model::tracked::RemoteBranch;
use crate::plan::rollback::{Standing, Stood, replaces, tag_of};
use crate::plan::{Snapshot, Subject};
use crate::selection::{self, Builds};

/// How many values are told that one commit took back.
const MAX_TAKEN: usize = 20;
/// Names by which tools commit that call themselves no bot.
const TOOLS: [&str; 10] = [
    "argocd-image-updater",
    "dependabot",
    "flux",
    "fluxcd",
    "github-actions",
    "gitlab-ci",
    "image-automation-controller",
    "jenkins",
    "kargo",
    "renovate",
];

/// What is known of the past besides the timelines of places.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The branches whose past was read.
    pub branches: BTreeMap<RemoteBranch, Notes>,
    /// Addresses of repin's own commits, in lower case.
    pub own_emails: BTreeSet<String>,
}

/// What is known of the first-parent line of a branch, by position.
#[derive(Clone, Debug, Default)]
pub struct Notes {
    /// Commits with trailers of repin; what a merge brought stands at the merge.
    pub noted: BTreeMap<u64, Vec<Arc<CommitInfo>>>,
}

/// One value at one place, from the commit that brought it to the one that replaced it.
#[derive(Clone, Debug)]
pub struct Stay {
    /// Position of the commit on the first-parent line; larger is newer.
    pub at: u64,
    /// The commit that brought it; for what came by a merge, the merge.
    pub commit: Arc<CommitInfo>,
    /// What stood there; never unreadable.
    pub stood: Stood,
    /// What stood there before; none where the place began.
    pub before: Option<Stood>,
    /// From when on.
    pub since: Timestamp,
    /// Until when; none = it stands.
    pub until: Option<Timestamp>,
    /// What repin says of it, if repin wrote it.
    pub note: Option<Note>,
    /// Who brought it.
    pub by: By,
    /// The pull request that brought it, where Git says so.
    pub pull: Option<MergedPull>,
    /// The values that it took back, newest first; empty if nobody went back.
    pub took_back: Vec<String>,
    /// It may have stood longer: older history was not read.
    pub is_cut: bool,
}

/// Who brought a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum By {
    /// repin, by the word of its trailers or by its address.
    Repin,
    /// Another tool.
    Tool,
    /// A person.
    Person,
}

/// What repin's trailers say of one value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    /// The change.
    pub change: Change,
    /// Why it was chosen.
    pub reason: Option<String>,
    /// Where the image comes from.
    pub source: Option<Source>,
    /// Who merged it, where it came by a merge.
    pub merged_by: Option<String>,
    /// The commit that says so: the one that brought it, or one that this merged.
    pub commit: CommitId,
}

impl Stay {
    /// Gives the tag that stood there.
    pub fn tag(&self) -> Option<&str> {
        self.stood.tag()
    }

    /// Gives the digest that stood there, or that the tag had when repin wrote it.
    pub fn digest(&self) -> Option<&str> {
        let written = || self.note.as_ref().and_then(|note| note.change.digest.as_deref());
        match &self.stood {
            Stood::Tag { digest, .. } => digest.as_deref().or_else(written),
            Stood::Other | Stood::NoKey | Stood::NoFile | Stood::Unreadable => None,
        }
    }
}

/// Tells whether a commit calls its author a program.
fn is_tool(commit: &CommitInfo) -> bool {
    let account = commit.author_email.split('@').next().unwrap_or_default();
    [commit.author_name.as_str(), account].into_iter().any(|name| {
        let name = name.trim().to_ascii_lowercase();
        let name = name.rsplit_once('+').map_or(name.as_str(), |(_, name)| name);
        let is_bot = name == "bot"
            || name.ends_with("[bot]")
            || ["-bot", "_bot", " bot", "cdbot"].iter().any(|end| name.ends_with(end));
        is_bot || TOOLS.contains(&name)
    })
}

/// A commit as it was read.
struct Read {
    trailers: Trailers,
    /// Positions of the changes, by file.
    by_file: HashMap<String, Vec<usize>>,
    /// The source of each change.
    sources: Vec<Option<Source>>,
}

/// When the value of a place turned into another one, oldest first.
struct Turns<'t> {
    all: Vec<Turn<'t>>,
    /// What was there before the first of them, if it was seen.
    began: Option<&'t Stood>,
}

struct Turn<'t> {
    standing: &'t Standing,
    /// The turn that brought this value the last time.
    stood_at: Option<usize>,
}

/// Everything that was read of the past of a snapshot's places.
pub struct Book<'s> {
    past: &'s Past,
    now: Timestamp,
    read: RefCell<HashMap<CommitId, Rc<Read>>>,
    pulls: RefCell<HashMap<CommitId, Option<MergedPull>>>,
}

impl<'s> Book<'s> {
    /// Opens the past of a snapshot.
    pub fn open(snapshot: &Snapshot, past: &'s Past) -> Self {
        Self { past, now: snapshot.now, read: RefCell::default(), pulls: RefCell::default() }
    }

    /// Gives the decision's clock.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Gives what stood at a place, newest first; states that could not be read are passed over.
    pub fn stays(&self, subject: &Subject) -> Vec<Stay> {
        let turns = Self::turns(subject);
        (0..turns.all.len()).rev().filter_map(|number| self.stay(subject, &turns, number)).collect()
    }

    /// Gives the first of them alone.
    pub fn newest(&self, subject: &Subject) -> Option<Stay> {
        let turns = Self::turns(subject);
        self.stay(subject, &turns, turns.all.len().checked_sub(1)?)
    }

    /// Finds out when the value of a place turned into another one.
    fn turns(subject: &Subject) -> Turns<'_> {
        let is_absent = |stood: &Stood| matches!(stood, Stood::NoFile | Stood::NoKey);
        let mut turns = Turns { all: Vec::new(), began: None };
        // Where each value stood last.
        let mut last_at: HashMap<&Stood, usize> = HashMap::new();
        let is_read = |standing: &&Standing| standing.stood != Stood::Unreadable;
        for standing in subject.timeline.standings.iter().rev().filter(is_read) {
            let before = turns.all.last().map(|turn: &Turn<'_>| &turn.standing.stood).or(turns.began);
            if before == Some(&standing.stood) {
                continue;
            }
            if turns.all.is_empty() && is_absent(&standing.stood) {
                turns.began = Some(&standing.stood);
                continue;
            }
            let stood_at = last_at.insert(&standing.stood, turns.all.len());
            turns.all.push(Turn { standing, stood_at });
        }
        turns
    }

    /// Tells of the stay that one turn began.
    fn stay(&self, subject: &Subject, turns: &Turns<'_>, number: usize) -> Option<Stay> {
        let base = &subject.tracked.target.as_ref()?.base;
        let Turn { standing, stood_at } = turns.all.get(number)?;
        let before = number.checked_sub(1).and_then(|at| Some(&turns.all.get(at)?.standing.stood)).or(turns.began);
        let note = self.note(subject, base, standing.at, &standing.commit, &standing.stood);
        // What repin wrote over this very value took nothing back; a commit of it that somebody picked again may have.
        let is_own = |note: &Note| before.is_none_or(|before| replaces(&note.change, before));
        let took_back = match &note {
            Some(note) if is_own(note) => Vec::new(),
            _ => {
                let past = turns.all.get(..number).unwrap_or_default();
                took_back(&subject.tracked.policy, past, *stood_at, turns.began, &standing.stood)
            }
        };
        Some(Stay {
            at: standing.at,
            commit: standing.commit.clone(),
            stood: standing.stood.clone(),
            before: before.cloned(),
            since: standing.since.min(self.now),
            until: turns.all.get(number + 1).map(|next| next.standing.since.min(self.now)),
            by: self.by(&standing.commit, note.is_some()),
            note,
            pull: self.pull(&standing.commit),
            took_back,
            is_cut: number == 0 && turns.began.is_none() && subject.timeline.is_cut,
        })
    }

    /// Forges that squash may leave out the trailers, and keep the author.
    fn by(&self, commit: &CommitInfo, is_noted: bool) -> By {
        if is_noted || self.past.own_emails.contains(&commit.author_email.to_lowercase()) {
            By::Repin
        } else if is_tool(commit) {
            By::Tool
        } else {
            By::Person
        }
    }

    fn pull(&self, commit: &CommitInfo) -> Option<MergedPull> {
        self.pulls.borrow_mut().entry(commit.id).or_insert_with(|| merged::pull_request(&commit.message)).clone()
    }

    /// Finds what the trailers of a commit, or of what it merged, say of a value at a place.
    fn note(
        &self,
        subject: &Subject,
        base: &RemoteBranch,
        at: u64,
        commit: &Arc<CommitInfo>,
        stood: &Stood,
    ) -> Option<Note> {
        let located = subject.located.as_ref()?;
        let place = located.place.as_ref()?;
        let (shown, names_of_place) = (stood.shown()?, OnceCell::new());
        let brought = self.past.branches.get(base).and_then(|notes| notes.noted.get(&at));
        let commits = std::iter::once(commit).chain(brought.into_iter().flatten());
        commits.filter(|one| one.message.contains("Repin-Change:")).find_map(|one| {
            let read = self.read(one);
            let mut names = subject.timeline.names_at(at, &located.file);
            let of_file = names.find_map(|name| read.by_file.get(name.as_str()))?;
            let is_it = |index: &&usize| {
                read.trailers.changes.get(**index).is_some_and(|change| {
                    let is_value = change.new == shown || stood.tag().is_some_and(|tag| tag_of(&change.new) == tag);
                    is_value && names_of_place.get_or_init(|| place.names()).contains(&change.key)
                })
            };
            let index = *of_file.iter().find(is_it)?;
            let trailers = &read.trailers;
            // One reason for each change, in the same order.
            let is_whole = trailers.reasons.len() == trailers.changes.len();
            let merged_by = (one.id != commit.id).then(|| commit.author_name.clone());
            Some(Note {
                change: trailers.changes.get(index)?.clone(),
                reason: trailers.reasons.get(index).filter(|_| is_whole).cloned(),
                source: read.sources.get(index).cloned().flatten(),
                merged_by,
                commit: one.id,
            })
        })
    }

    fn read(&self, commit: &CommitInfo) -> Rc<Read> {
        let mut known = self.read.borrow_mut();
        let read = known.entry(commit.id).or_insert_with(|| {
            let trailers = Trailers::parse_squashed(&commit.message);
            let mut by_file: HashMap<String, Vec<usize>> = HashMap::new();
            for (index, change) in trailers.changes.iter().enumerate() {
                by_file.entry(change.file.clone()).or_default().push(index);
            }
            let sources = sources_of(&trailers, commit.message.contains("Argocd-reference-commit-sha:"));
            Rc::new(Read { trailers, by_file, sources })
        });
        read.clone()
    }
}

/// Finds the source of each change. Trailers name each source once, in the order of the changes, and Argo CD's own trailer says
/// that all images were built from one; what cannot be told apart is not guessed.
fn sources_of(trailers: &Trailers, is_of_one: bool) -> Vec<Option<Source>> {
    let sources = &trailers.sources;
    let mut images: HashMap<(&str, &str), usize> = HashMap::new();
    for change in &trailers.changes {
        let next = images.len();
        images.entry((&change.image, tag_of(&change.new))).or_insert(next);
    }
    let mut by_name: HashMap<&str, Vec<&Source>> = HashMap::new();
    for source in sources {
        by_name.entry(last_part(source.url())).or_default().push(source);
    }
    let of_change = |change: &Change| match sources.as_slice() {
        [one] if is_of_one => Some(one.clone()),
        several if several.len() == images.len() => {
            several.get(*images.get(&(change.image.as_str(), tag_of(&change.new)))?).cloned()
        }
        _ => match by_name.get(last_part(&change.image)).map(Vec::as_slice) {
            Some([one]) => Some((*one).clone()),
            _ => None,
        },
    };
    trailers.changes.iter().map(of_change).collect()
}

fn last_part(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    path.rsplit('/').next().unwrap_or(path)
}

/// Gives the values that a state took back, newest first: empty if it is no step back.
fn took_back(
    policy: &Policy,
    past: &[Turn<'_>],
    stood_at: Option<usize>,
    began: Option<&Stood>,
    now: &Stood,
) -> Vec<String> {
    let Some(last) = past.last().map(|turn| &turn.standing.stood) else { return Vec::new() };
    let order = |one: &str, other: &str| selection::compare(policy, &Builds::new(), one, other);
    let is_back = match (now, last.tag(), now.tag()) {
        (Stood::Tag { .. }, Some(old), Some(new)) => match order(new, old) {
            Some(Ordering::Less) => true,
            Some(Ordering::Greater) => false,
            // Without an order, only what stood there before.
            Some(Ordering::Equal) | None => stood_at.is_some(),
        },
        (Stood::NoKey | Stood::Other, Some(_), _) => stood_at.is_some() || began == Some(now),
        (Stood::Tag { .. }, ..) => matches!(last, Stood::Tag { .. }) && stood_at.is_some(),
        (Stood::NoKey | Stood::Other | Stood::NoFile | Stood::Unreadable, ..) => false,
    };
    if !is_back {
        return Vec::new();
    }
    let since = past.iter().enumerate().rev().take_while(|(index, turn)| match stood_at {
        Some(at) => *index > at,
        None => now
            .tag()
            .is_none_or(|new| turn.standing.stood.tag().is_some_and(|old| order(old, new) != Some(Ordering::Less))),
    });
    let mut seen = BTreeSet::new();
    let values = since.filter_map(|(_, turn)| turn.standing.stood.shown());
    values.filter(|value| seen.insert(value.clone())).take(MAX_TAKEN).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_source_belongs_to_the_change_whose_image_it_is() {
        let read = |is_of_one: bool, images: &[&str], sources: &[&str]| -> Vec<String> {
            let change = |image: &&str| Change {
                file: "f".into(),
                key: "k".into(),
                image: format!("ghcr.io/acme/{image}"),
                old: None,
                new: "1".into(),
                digest: None,
            };
            let source = |source: &&str| format!("https://github.com/acme/{source}").parse().unwrap();
            let trailers = Trailers {
                changes: images.iter().map(change).collect(),
                sources: sources.iter().map(source).collect(),
                ..Trailers::default()
            };
            let shown = |source: Option<Source>| source.map_or_else(|| "-".to_owned(), |one| one.revision().to_owned());
            sources_of(&trailers, is_of_one).into_iter().map(shown).collect()
        };
        assert_eq!(read(true, &["web"], &["web@a"]), ["a"]);
        assert_eq!(read(false, &["web"], &["other@a"]), ["a"]);
        assert_eq!(read(false, &["web", "web"], &["other@a"]), ["a", "a"], "two places of one image");
        assert_eq!(read(true, &["web", "api"], &["mono@a"]), ["a", "a"], "all were built from one commit");
        assert_eq!(read(false, &["web", "api"], &["mono@a"]), ["-", "-"], "one of them does not say");
        assert_eq!(read(false, &["web", "api", "web"], &["other@a", "else@b"]), ["a", "b", "a"]);
        assert_eq!(read(false, &["web", "api"], &["mono@a", "mono@b"]), ["a", "b"]);
        assert_eq!(read(false, &["web", "api", "job"], &["api@b"]), ["-", "b", "-"], "told by its name");
        assert_eq!(read(false, &["web", "api", "job"], &["x@a", "y@b"]), ["-", "-", "-"], "nothing is guessed");
        assert_eq!(read(true, &["web"], &[]), ["-"]);
    }
}
