//! One tracked image at a time: obstacles, guards and the choice -> a judgement, or questions that stand in its way.

mod follow;
mod newest;
mod order;
mod promote;
mod verify;
mod walk;
mod wishes;
mod write;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::manifest::place::{Place, Wanted};
use crate::model::address::{Address, ObjectName};
use crate::model::key_path::KeyPath;
use crate::model::names::{ImageName, RepoPath, Tag};
use crate::model::origin::Origin;
use crate::model::outcome::OutcomeResult;
use crate::model::policy::Strategy;
use crate::model::rule::Delivery;
use crate::model::tracked::{RemoteBranch, Target, TrackedImage};
use crate::model::verification::KeyName;
pub use crate::plan::judge::newest::{builds, platforms, unfit};
pub(super) use crate::plan::judge::promote::is_capped;
pub use crate::plan::judge::verify::unpinned;
pub use crate::plan::judge::wishes::not_allowed;
use crate::plan::locate::{Failure, Located, Site};
use crate::plan::promotion::Promoted;
use crate::plan::rollback::LookBack;
use crate::plan::{Question, Snapshot, Subject};
use crate::rules::EffectiveRule;

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
    /// When that tag was first seen with that digest; known of images for which somebody sets a `min-age`.
    pub first_seen: Option<Timestamp>,
    /// Keys with which the chosen digest is signed, of those that must have signed it.
    pub verified: BTreeSet<KeyName>,
    /// When the hold ends, if known.
    pub until: Option<Timestamp>,
    /// How a change is delivered: the strictest of all owners of the place.
    pub delivery: Delivery,
    /// Where people read the pull request that brings it, or refuses it.
    pub pull_request: Option<String>,
    /// Candidates that a filter after the order kept out, best first.
    pub passed_over: Vec<PassedOver>,
    /// What looking back showed, for `explain`.
    pub look_back: Option<LookBack>,
    /// What keeps a pull request from being opened, changed or merged for now; what is committed is held by it at once.
    pub gate: Option<Gate>,
    /// What a wanted change waits for, by itself: the message begins with what is wanted.
    pub waits_for: Option<String>,
    /// Who let it through what would hold it, in words, for the log.
    pub let_through: Option<String>,
    /// It follows an upstream that went back.
    pub goes_back: bool,
    /// A person lifted gates and limits for it, whether or not one stands in the way.
    pub is_lifted: bool,
    /// Why it was chosen, for the commit; none = it is the newest that the policy allows.
    pub reason: Option<String>,
    /// It comes from upstream: its group arrives together, or not yet.
    pub is_promoted: bool,
}

/// What stands in the way of a change for a while.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Gate {
    /// The outcome's code.
    pub code: &'static str,
    /// The reason, after what is wanted: `1.4 becomes 1.5; …`.
    pub message: String,
    /// When it ends, if known.
    pub until: Option<Timestamp>,
}

/// A candidate that a filter after the order kept out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PassedOver {
    /// The tag.
    pub tag: Tag,
    /// `too-young`, `wrong-platform` or `unverified`.
    pub standing: &'static str,
    /// The same in words, after the tag: `is 2h old, the policy waits 24h`.
    pub reason: String,
    /// When it passes, if that is known.
    pub until: Option<Timestamp>,
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
            first_seen: None,
            verified: BTreeSet::new(),
            until: None,
            delivery: Delivery::Commit,
            pull_request: None,
            passed_over: Vec::new(),
            look_back: None,
            gate: None,
            waits_for: None,
            let_through: None,
            goes_back: false,
            is_lifted: false,
            reason: None,
            is_promoted: false,
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
    if let Some(failure) = snapshot.branch_failures.get(&target.base) {
        return Some(Judgement::failed(failure));
    }
    if !snapshot.heads.contains_key(&target.base) {
        return Some(Judgement::failed(&no_such_branch(&target.base)));
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
    if let Some(hold) = rule_hold(rule, delivery(subject), &located.file) {
        return Some(hold);
    }
    if let Some(hold) = registry_hold(subject, image, &located.file) {
        return Some(hold);
    }
    if let Some(name) = image.asked.as_ref().filter(|name| snapshot.unconfigured.contains(*name)) {
        let message = format!("the registry `{}` is not configured, so nothing is sent to it", name.registry());
        return Some(Judgement::held("registry/unconfigured", message));
    }
    match &located.site {
        // A person says which place is meant; nothing is broken.
        Err(failure) if failure.code.starts_with("target/") => {
            let held = Judgement::held(&failure.code, failure.message.clone());
            Some(Judgement { failure: Some(failure.clone()), ..held })
        }
        Err(failure) => Some(Judgement::failed(failure)),
        Ok(_) => None,
    }
}

/// Says that the remote does not have a branch that is to be read.
pub(super) fn no_such_branch(base: &RemoteBranch) -> Failure {
    let hint = "create the branch, or name another one in `git-branch` or `targetRevision`; a tag or a commit cannot be written to";
    Failure {
        code: "git/no-such-branch".to_owned(),
        message: format!("the repository `{}` has no branch `{}`", base.repository, base.branch),
        hint: Some(hint.to_owned()),
        line: None,
    }
}

/// Gives how a change for an image is delivered.
pub fn delivery(subject: &Subject) -> Delivery {
    subject.terms().delivery
}

/// Says how the rules hold what would be written to a file, if they do.
pub(super) fn rule_hold(rule: &EffectiveRule, delivery: Delivery, file: &RepoPath) -> Option<Judgement> {
    let held = |code: &str, message: String| Some(Judgement::held(code, message));
    if let Some(glob) = &rule.unread {
        let message = format!(
            "the captures of `{glob}` can be read in too many ways for {file}, so whether that rule counts is not known: write a `path` with fewer `**` and `*` beside its captures, or rename the file"
        );
        return held("rule/invalid-path", message);
    }
    match delivery {
        Delivery::None if !rule.matched => {
            return held("rule/none", format!("no rule matches {file}, so nothing is written there"));
        }
        Delivery::None => return held("rule/none", format!("the rules say `delivery: none` for {file}")),
        Delivery::PullRequest | Delivery::Commit => {}
    }
    let setting = rule.unsupported.first()?;
    let message = format!("the rules set `{setting}` for {file}, which this version does not carry out");
    held(&format!("unsupported/{setting}"), message)
}

/// Says that the rules do not allow images of this registry at a place, if they do not.
fn registry_hold(subject: &Subject, image: &TrackedImage, file: &RepoPath) -> Option<Judgement> {
    let terms = subject.terms();
    if terms.registries.is_empty() {
        return None;
    }
    let name = image.image.as_ref()?.without_pull_secret().to_string();
    let refusing = terms.registries.iter().find(|set| !set.iter().any(|prefix| prefix.holds(&name)))?;
    let allowed: Vec<&str> = refusing.iter().map(|prefix| prefix.as_str()).collect();
    let message = format!("{name} is none of the `registries` that the rules allow for {file}: {}", allowed.join(", "));
    Some(Judgement::held("rule/registry", message))
}

/// Tells whether an Application may have its place written at all (CONFIGURATION "What annotations may reach"). Who may
/// not is no owner of the place, whatever else holds it.
pub fn is_within_reach(subject: &Subject) -> bool {
    let (Some(target), Some(located)) = (&subject.tracked.target, &subject.located) else { return false };
    let is_own =
        target.own_paths.iter().any(|path| located.file.is_within(path)) || target.listed.contains(&located.file);
    let is_own = is_own || is_part(target, located) || is_origin(subject, target, located);
    let is_allowed = |rule: &EffectiveRule| rule.may_write.iter().any(|glob| glob.is_match(located.file.as_str()));
    is_own || subject.rule.as_ref().is_some_and(is_allowed)
}

/// Tells whether a place stands in a part of the Application's own object that its sources read: who may write the
/// annotations may write that, and nothing else in its file.
fn is_part(target: &Target, located: &Located) -> bool {
    let holds = |(file, object, key): (&RepoPath, &ObjectName, &KeyPath)| {
        let Some(place) = &located.place else { return *file == located.file };
        let is_below = |address: &Address| {
            let is_there = address.key == *key || address.key.below(key).is_some();
            is_there && address.object.as_ref() == Some(object)
        };
        *file == located.file && place.address().is_some_and(is_below)
    };
    target.search.parts().into_iter().any(holds)
}

/// Tells whether a generated Application is made of what stands at the place: an element of its ApplicationSet, a text of
/// the template, or a field of a file that a generator reads.
fn is_origin(subject: &Subject, target: &Target, located: &Located) -> bool {
    let (Some(rendered), Some(address)) = (&subject.tracked.rendered, located.place.as_ref().and_then(Place::address))
    else {
        return false;
    };
    let is_it = |origin: &Origin| {
        let key = &origin.address.key;
        // Around the scalar, or in its text.
        let is_there = key.below(&address.key).is_some() || address.key.below(key).is_some();
        (*key == address.key || is_there)
            && origin.address.object == address.object
            && origin.file == located.file
            && origin.is_of(&subject.tracked.application.repository, &target.base)
    };
    rendered.pieces.iter().flat_map(|(_, pieces)| pieces).any(|piece| is_it(&piece.origin))
}

fn own_paths(target: &Target) -> String {
    let paths: Vec<String> = target.own_paths.iter().map(|path| format!("`{path}`")).collect();
    paths.join(", ")
}

/// How long an image waits for a tag.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wait {
    /// How long a tag must have been seen with one digest.
    pub age: Duration,
    /// The Application that asks for it, if it is another one with the same place.
    pub asked_by: Option<String>,
}

/// What is demanded of the candidates of one image, by itself and by the other owners of its place.
#[derive(Clone, Copy, Debug, Default)]
pub struct Demands<'a> {
    /// How long they must have been seen.
    pub wait: Option<&'a Wait>,
    /// Keys with which they must be signed.
    pub keys: Option<&'a BTreeSet<KeyName>>,
    /// What stands upstream, where values come from there.
    pub promoted: Option<&'a Promoted>,
    /// A value that upstream took back is taken back here too.
    pub follows_rollback: bool,
    /// Who lifted windows, freezes, soak and limits for the place, in words.
    pub let_through: Option<&'a str>,
}

/// Judges one image. Questions mean that the snapshot lacks answers.
///
/// # Errors
/// The questions, at least one.
pub fn judge(snapshot: &Snapshot, subject: &Subject, demands: Demands<'_>) -> Result<Judgement, Vec<Question>> {
    if let Some(judgement) = before_scan(snapshot, subject) {
        return Ok(judgement);
    }
    let (Some(image), Some(Located { site: Ok(site), .. })) = (&subject.tracked.asked, &subject.located) else {
        return Ok(Judgement::held("annotation/invalid", "the image or its place could not be read".to_owned()));
    };
    let judge = Judge { snapshot, subject, tracked: &subject.tracked, image, site, demands };
    if let Some(promoted) = demands.promoted {
        return judge.promote(promoted);
    }
    match subject.tracked.policy.strategy {
        Strategy::Digest => judge.follow(),
        Strategy::Semver | Strategy::NewestBuild | Strategy::Alphabetical | Strategy::Numerical => judge.by_order(),
    }
}

/// One image whose registry is worth asking; each part of the way is a file of its own.
struct Judge<'a> {
    snapshot: &'a Snapshot,
    subject: &'a Subject,
    tracked: &'a TrackedImage,
    image: &'a ImageName,
    site: &'a Site,
    demands: Demands<'a>,
}

/// What stands at the place, as far as it can be compared.
impl Judge<'_> {
    /// Gives the tag that stands there; for a digest alone, the tag for which repin wrote it.
    fn now(&self) -> &str {
        let written = self.site.tag().filter(|tag| !tag.is_empty());
        let named = || {
            let newest = &self.subject.timeline.standings.first()?.stood;
            let is_today = matches!(newest, crate::plan::rollback::Stood::Tag { digest: Some(digest), .. }
                if self.site.held.digest.as_ref() == Some(digest));
            newest.tag().filter(|_| is_today)
        };
        written.or_else(named).unwrap_or_default()
    }

    /// Gives what stands there in words.
    fn now_shown(&self) -> String {
        match self.site.shown() {
            None if self.site.held.current == crate::manifest::place::Current::Absent => "nothing".to_owned(),
            None => "null".to_owned(),
            Some(text) if text.is_empty() => match &self.site.held.current {
                crate::manifest::place::Current::Text(text) if !text.is_empty() => "no tag".to_owned(),
                _ => "\"\"".to_owned(),
            },
            Some(text) => text,
        }
    }
}
