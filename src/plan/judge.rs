//! One tracked image at a time: obstacles, guards and the choice -> a judgement, or a question that stands in its way.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::manifest::place::{Current, Wanted};
use crate::model::names::{ImageName, RepoPath, Tag};
use crate::model::outcome::OutcomeResult;
use crate::model::policy::{AfterRollback, Strategy};
use crate::model::rule::Delivery;
use crate::model::tracked::{Target, TrackedImage};
use crate::plan::locate::{Failure, Located, Site};
use crate::plan::rollback::{LookBack, look_back};
use crate::plan::{Listed, Question, Snapshot, Subject};
use crate::rules::EffectiveRule;
use crate::selection::{self, Choice};

/// What one image gets this cycle, before its place is compared with others.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Current, pending, held or failed.
    pub result: OutcomeResult,
    /// The outcome's code.
    pub code: String,
    /// The outcome's message.
    pub message: String,
    /// What to do about a failure, for the list of problems.
    pub failure: Option<Failure>,
    /// The value that the policy wants, if one was chosen.
    pub to: Option<String>,
    /// What is to be written, if anything is.
    pub wanted: Option<Wanted>,
    /// The digest that the chosen tag had.
    pub digest: Option<String>,
    /// When the hold ends, if known.
    pub until: Option<Timestamp>,
    /// What looking back showed, for `explain`.
    pub look_back: Option<LookBack>,
}

impl Judgement {
    pub(super) fn new(result: OutcomeResult, code: &str, message: String) -> Self {
        Self {
            result,
            code: code.to_owned(),
            message,
            failure: None,
            to: None,
            wanted: None,
            digest: None,
            until: None,
            look_back: None,
        }
    }

    pub(super) fn held(code: &str, message: String) -> Self {
        Self::new(OutcomeResult::Held, code, message)
    }

    /// Makes a failure of what stood in the way.
    pub fn failed(failure: &Failure) -> Self {
        let mut judgement = Self::new(OutcomeResult::Failed, &failure.code, failure.message.clone());
        judgement.failure = Some(failure.clone());
        judgement
    }

    pub(super) fn with(mut self, to: Option<String>, look_back: Option<LookBack>) -> Self {
        self.to = to;
        self.look_back = look_back;
        self
    }
}

/// Says why an image is held or failed before any registry is asked; `None` if the registry is worth asking.
pub fn before_scan(snapshot: &Snapshot, subject: &Subject) -> Option<Judgement> {
    let image = &subject.tracked;
    if let Some(refusal) = &image.refusal {
        return Some(Judgement::held(&refusal.code, refusal.message.clone()));
    }
    let Some(target) = &image.target else {
        return Some(Judgement::held("annotation/invalid", "no target could be resolved".to_owned()));
    };
    if let Some(failure) = snapshot.repository_failures.get(&target.base.repository) {
        return Some(Judgement::failed(failure));
    }
    let (Some(located), Some(rule)) = (&subject.located, &subject.rule) else {
        let failure = Failure {
            code: "git/unreachable".to_owned(),
            message: format!("the repository `{}` was not read", target.base.repository),
            hint: None,
            line: None,
        };
        return Some(Judgement::failed(&failure));
    };
    if !is_within_reach(subject) {
        let message = format!(
            "{} is neither below the source path {} nor one of its value files, and no rule's `may_write` allows it",
            located.file,
            own_paths(target)
        );
        return Some(Judgement::held("target/outside", message));
    }
    if let Some(hold) = rule_hold(rule, &located.file) {
        return Some(hold);
    }
    if let Some(name) = image.image.as_ref().filter(|name| snapshot.unconfigured.contains(*name)) {
        let message = format!("the registry `{}` is not configured, so nothing is sent to it", name.registry());
        return Some(Judgement::held("registry/unconfigured", message));
    }
    match &located.site {
        Err(failure) => Some(Judgement::failed(failure)),
        Ok(site) if site.held.digest.is_some() => {
            let message = format!(
                "`{}` in {} is pinned to a digest, and this version writes tags only",
                located.key.as_deref().unwrap_or_default(),
                located.file
            );
            Some(Judgement::held("unsupported/pin", message))
        }
        Ok(_) => None,
    }
}

/// Says how the rules hold what would be written to a file, if they do.
pub(super) fn rule_hold(rule: &EffectiveRule, file: &RepoPath) -> Option<Judgement> {
    let held = |code: &str, message: String| Some(Judgement::held(code, message));
    match rule.delivery {
        Delivery::None if !rule.matched => {
            return held("rule/none", format!("no rule matches {file}, so nothing is written there"));
        }
        Delivery::None => return held("rule/none", format!("the rules say `delivery: none` for {file}")),
        Delivery::PullRequest => {
            let message =
                format!("the rules say `delivery: pull-request` for {file}, which this version does not carry out");
            return held("unsupported/delivery", message);
        }
        Delivery::Commit => {}
    }
    let setting = rule.unsupported.first()?;
    let message = format!("the rules set `{setting}` for {file}, which this version does not carry out");
    held(&format!("unsupported/{setting}"), message)
}

/// Tells whether an Application may have its place written at all (CONFIGURATION "What annotations may reach"). Who may
/// not is no owner of the place, whatever else holds it.
pub fn is_within_reach(subject: &Subject) -> bool {
    let (Some(target), Some(located)) = (&subject.tracked.target, &subject.located) else { return false };
    let is_own =
        target.own_paths.iter().any(|path| located.file.is_within(path)) || target.listed.contains(&located.file);
    let is_allowed = |rule: &EffectiveRule| rule.may_write.iter().any(|glob| glob.is_match(located.file.as_str()));
    is_own || subject.rule.as_ref().is_some_and(is_allowed)
}

fn own_paths(target: &Target) -> String {
    let paths: Vec<String> = target.own_paths.iter().map(|path| format!("`{path}`")).collect();
    paths.join(", ")
}

/// Judges one image. A question means that the snapshot lacks an answer.
pub fn judge(snapshot: &Snapshot, subject: &Subject) -> Result<Judgement, Question> {
    if let Some(judgement) = before_scan(snapshot, subject) {
        return Ok(judgement);
    }
    let (Some(image), Some(Located { site: Ok(site), .. })) = (&subject.tracked.image, &subject.located) else {
        return Ok(Judgement::held("annotation/invalid", "the image or its place could not be read".to_owned()));
    };
    Judge { snapshot, subject, tracked: &subject.tracked, image, site }.judge()
}

struct Judge<'a> {
    snapshot: &'a Snapshot,
    subject: &'a Subject,
    tracked: &'a TrackedImage,
    image: &'a ImageName,
    site: &'a Site,
}

impl Judge<'_> {
    fn judge(&self) -> Result<Judgement, Question> {
        let listed = match self.snapshot.listings.get(self.image) {
            None => return Err(Question::Listing(self.image.clone())),
            Some(Err(failure)) => return Ok(Judgement::failed(failure)),
            Some(Ok(listed)) => listed,
        };
        let policy = &self.tracked.policy;
        let back = look_back(policy, &self.tracked.application, &self.tracked.alias, &self.subject.timeline);
        let is_taken_back = back.taken_back_by.is_some();
        let next = is_taken_back.then(|| self.next_after_rollback(listed, &back));
        if next == Some(None) {
            // Whatever the listing is worth: there is nothing in it that could follow.
            return Ok(self.rolled_back(back));
        }
        if let Some(suspicion) = self.suspicion(listed)? {
            return Ok(suspicion);
        }
        if let Some(Some(chosen)) = next {
            // A higher mark may stand in what was not read; what a person named needs none.
            let is_named = back.released.iter().any(|tag| tag == chosen.as_str());
            return if back.is_cut && !is_named {
                Ok(history_unknown(&chosen, back))
            } else {
                self.take(&chosen, back)
            };
        }
        let choice = selection::choose(policy, &listed.tags);
        let Some(chosen) = choice.chosen.clone() else {
            return Ok(Judgement::held("selection/none", self.nothing_chosen(&choice, listed)).with(None, Some(back)));
        };
        let now = self.site.tag().unwrap_or("");
        let order = if now == chosen.as_str() {
            Some(Ordering::Equal)
        } else {
            selection::compare(policy, chosen.as_str(), now)
        };
        match order {
            Some(Ordering::Equal) => {
                let message = format!("{now} is the newest that {} allows", selection::describe(policy));
                Ok(Judgement::new(OutcomeResult::Current, "current", message).with(Some(now.to_owned()), Some(back)))
            }
            Some(Ordering::Less) if !policy.allow_downgrade => {
                let message = format!(
                    "{now} stands in Git and is higher than {chosen}, the newest that {} allows; it stays",
                    selection::describe(policy)
                );
                Ok(Judgement::held("guard/downgrade", message).with(Some(chosen.to_string()), Some(back)))
            }
            _ if back.is_cut => Ok(history_unknown(&chosen, back)),
            _ => self.take(&chosen, back),
        }
    }

    /// Guard 2: the listing is cut, or lacks the current tag although that one still answers.
    fn suspicion(&self, listed: &Listed) -> Result<Option<Judgement>, Question> {
        if let Some(cut) = &listed.truncated {
            let message = format!("the tag list of {} was cut: {cut}; nothing is decided on a part of it", self.image);
            return Ok(Some(Judgement::held("guard/listing", message)));
        }
        if let Some(tag) = self
            .site
            .tag()
            .and_then(|tag| tag.parse::<Tag>().ok())
            .filter(|tag| listed.tags.binary_search(tag).is_err())
        {
            match self.snapshot.manifests.get(&(self.image.clone(), tag.clone())) {
                None => return Err(Question::Manifest(self.image.clone(), tag)),
                Some(Err(failure)) => return Ok(Some(Judgement::failed(failure))),
                Some(Ok(Some(_))) => {
                    let message = format!(
                        "the tag list of {} lacks {tag}, which stands in Git and still answers: the list is not whole",
                        self.image
                    );
                    return Ok(Some(Judgement::held("guard/listing", message)));
                }
                Some(Ok(None)) => {}
            }
        }
        if listed.tags.is_empty() && listed.was_filled {
            let message = format!("the tag list of {} is empty, and was not before", self.image);
            return Ok(Some(Judgement::held("guard/listing", message)));
        }
        Ok(None)
    }

    /// Guard 3: only what is above the mark, or was released, may follow, and it does not go further down.
    fn next_after_rollback(&self, listed: &Listed, back: &LookBack) -> Option<Tag> {
        let policy = &self.tracked.policy;
        let now = self.site.tag().unwrap_or("");
        let is_up = |tag: &Tag| {
            !matches!(selection::compare(policy, tag.as_str(), now), Some(Ordering::Less | Ordering::Equal))
        };
        selection::choose_where(policy, &listed.tags, |tag| is_up(tag) && back.allows(policy, tag)).chosen
    }

    fn rolled_back(&self, back: LookBack) -> Judgement {
        let (Some(commit), Some(mark)) = (&back.taken_back_by, &back.mark) else {
            return Judgement::held("guard/rolled-back", "a person took a value back".to_owned());
        };
        let next = match self.tracked.policy.after_rollback {
            AfterRollback::Next => format!("only a tag above {mark} is taken"),
            AfterRollback::Wait => "nothing is taken until a person goes on".to_owned(),
        };
        let now = self.site.tag().filter(|tag| !tag.is_empty()).unwrap_or("none");
        let message = format!(
            "{} took {mark} back to {now} in {} on {} (\"{}\"); {next}, or what a commit with the trailer `Repin-Resume: {}` releases",
            commit.author_name,
            commit.id.short(),
            commit.time.strftime("%Y-%m-%d"),
            commit.subject,
            self.tracked.application.label(),
        );
        Judgement::held("guard/rolled-back", message).with(None, Some(back))
    }

    /// Takes a tag whose manifest answers.
    fn take(&self, chosen: &Tag, back: LookBack) -> Result<Judgement, Question> {
        let to = Some(chosen.to_string());
        let digest = match self.snapshot.manifests.get(&(self.image.clone(), chosen.clone())) {
            None => return Err(Question::Manifest(self.image.clone(), chosen.clone())),
            Some(Err(failure)) => return Ok(Judgement::failed(failure).with(to, Some(back))),
            Some(Ok(None)) => {
                let message = format!(
                    "{chosen} is listed by {}, and its manifest does not answer: the list is not right",
                    self.image
                );
                return Ok(Judgement::held("guard/listing", message).with(to, Some(back)));
            }
            Some(Ok(Some(digest))) => digest.clone(),
        };
        let now = match &self.site.held.current {
            Current::Absent => "nothing".to_owned(),
            Current::Null => "null".to_owned(),
            Current::Text(text) if text.is_empty() => "\"\"".to_owned(),
            Current::Text(_) => self.site.tag().map(str::to_owned).unwrap_or_else(|| "no tag".to_owned()),
        };
        let message =
            format!("{now} becomes {chosen}, the newest that {} allows", selection::describe(&self.tracked.policy));
        let mut judgement = Judgement::new(OutcomeResult::Pending, "pending", message).with(to, Some(back));
        judgement.wanted = Some(Wanted { tag: Some(chosen.to_string()), digest: None });
        judgement.digest = Some(digest.to_string());
        Ok(judgement)
    }

    fn nothing_chosen(&self, choice: &Choice, listed: &Listed) -> String {
        let policy = selection::describe(&self.tracked.policy);
        if listed.tags.is_empty() {
            return format!("{} has no tags", self.image);
        }
        let counts: Vec<String> = choice.rejected.iter().map(|(code, count)| format!("{count} {code}")).collect();
        let order = match self.tracked.policy.strategy {
            Strategy::Semver => policy,
            Strategy::Alphabetical => "the filters".to_owned(),
        };
        let nearest = choice.nearest.iter().filter_map(|(tag, verdict)| Some((tag, verdict.rejection()?)));
        let nearest: Vec<String> =
            nearest.take(3).map(|(tag, rejection)| format!("{tag} ({})", rejection.code())).collect();
        format!(
            "none of the {} tags of {} passes {order}: {}; the highest are {}",
            listed.tags.len(),
            self.image,
            counts.join(", "),
            nearest.join(", ")
        )
    }
}

fn history_unknown(chosen: &Tag, back: LookBack) -> Judgement {
    let message = format!(
        "{chosen} is allowed, but history is read only in part (`history:`), and whether somebody went back from a higher one cannot be said"
    );
    Judgement::held("history/unknown", message).with(Some(chosen.to_string()), Some(back))
}
