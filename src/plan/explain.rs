//! The answer to "why was this tag not taken?": every tag with its verdict and standing, the gates and the choice.
//!
//! A view of the same snapshot and decision that a cycle acts on, computed on demand (SELECTION "Explain").

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::metadata::{Built, Described, Platform};
use crate::model::names::Tag;
use crate::model::outcome::OutcomeResult;
use crate::model::policy::Strategy;
use crate::model::tracked::TrackedImage;
use crate::model::window::WindowState;
use crate::plan::gates::window_state;
use crate::plan::judge::{Judgement, PassedOver, builds, platforms, unfit};
use crate::plan::owners::sharers;
use crate::plan::promotion::{Holding, holdings_of};
use crate::plan::rollback::tag_of;
use crate::plan::{Listed, Sharer, Snapshot, Subject, shown_key};
use crate::rules::terms::Terms;
use crate::selection::{self, Builds, Verdict};

/// Unbuilt keys without which it cannot be said which tag is wanted.
const CHOOSING_KEYS: [&str; 1] = ["verify"];

/// One image of the explained Application.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExplainedImage {
    /// The alias.
    pub alias: String,
    /// The image without tag.
    pub image: String,
    /// The tag that stands in Git.
    pub current: Option<String>,
    /// The tag that the policy wants there.
    pub chosen: Option<String>,
    /// The policy in words.
    pub policy: String,
    /// Every tag, best first.
    pub candidates: Vec<ExplainedTag>,
    /// What stands in the way, if anything.
    pub gates: Vec<Gate>,
    /// What stands upstream, where values come from there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<ExplainedUpstream>,
    /// How its windows stand, where it has any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<ExplainedWindows>,
    /// The place that is or would be written.
    pub target: ExplainedTarget,
    /// When its registry is asked for it next.
    pub next: Timestamp,
}

/// What an environment upstream holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExplainedUpstream {
    /// The environment.
    pub environment: String,
    /// `namespace/name` of the Application there.
    pub application: String,
    /// The tag.
    pub tag: String,
    /// Its digest, from the file or as the commit says it.
    pub digest: Option<String>,
    /// Since when it stands there without a break.
    pub since: Timestamp,
    /// When that is as long as `soak` says.
    pub soaked_at: Timestamp,
}

/// How the windows of a place stand.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExplainedWindows {
    /// Their names.
    pub names: Vec<String>,
    /// It may be written.
    pub open: bool,
    /// Why not; null if open.
    pub reason: Option<String>,
    /// When they open next; null if open, or not known.
    pub next_open: Option<Timestamp>,
    /// When they close next.
    pub next_close: Option<Timestamp>,
}

/// The place of an explained image.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExplainedTarget {
    /// The file.
    pub file: Option<String>,
    /// The key path.
    pub key: Option<String>,
    /// The line, from 1, where something stands.
    pub line: Option<u64>,
    /// Who else writes there.
    pub shared_with: Vec<Sharer>,
}

/// One tag.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExplainedTag {
    /// The tag.
    pub tag: String,
    /// `eligible` or `rejected`: filters and constraint only.
    pub verdict: &'static str,
    /// Why it was rejected; null if eligible.
    pub code: Option<&'static str>,
    /// The same in words.
    pub reason: String,
    /// Null, or the first that holds of `current too-young wrong-platform unverified chosen rolled-back older`.
    pub standing: Option<&'static str>,
}

/// One thing that stands in the way.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Gate {
    /// The outcome's code.
    pub code: String,
    /// The reason.
    pub message: String,
    /// When it ends, if known.
    pub until: Option<Timestamp>,
}

/// Explains one subject of a decided snapshot.
pub fn explain(snapshot: &Snapshot, subject: &Subject, judgement: &Judgement, next: Timestamp) -> ExplainedImage {
    let image = &subject.tracked;
    let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
    let current = site.and_then(|site| site.tag().map(str::to_owned));
    let listed =
        image.asked.as_ref().and_then(|name| snapshot.listings.get(name)).and_then(|listed| listed.as_ref().ok());
    let back = judgement.look_back.as_ref().filter(|back| back.taken_back_by.is_some());
    let chosen = judgement.to.clone().or_else(|| wanted(subject, listed).filter(|_| back.is_none()));
    let candidates = candidates(snapshot, subject, judgement, chosen.as_deref().map(tag_of));
    ExplainedImage {
        alias: image.alias.clone(),
        image: image.image_text.clone(),
        current,
        chosen,
        policy: policy(subject),
        candidates,
        gates: gates(judgement),
        upstream: upstream(snapshot, subject),
        windows: windows(snapshot, subject.terms()),
        target: ExplainedTarget {
            file: subject.located.as_ref().map(|located| located.file.to_string()),
            key: shown_key(subject),
            line: site.and_then(|site| site.held.line),
            shared_with: sharers(snapshot, subject),
        },
        next,
    }
}

/// Says what is taken.
fn policy(subject: &Subject) -> String {
    let own = selection::describe(&subject.tracked.policy);
    match &subject.terms().promote_from {
        Some(promotion) => format!("what `{promotion}` holds, within {own}"),
        None => own,
    }
}

/// Tells what stands upstream of an image.
fn upstream(snapshot: &Snapshot, subject: &Subject) -> Vec<ExplainedUpstream> {
    let holding = |held: Holding| {
        let application = snapshot.subjects.get(held.index)?.tracked.application.label();
        Some(ExplainedUpstream {
            environment: held.upstream.environment,
            application,
            tag: held.tag,
            digest: held.digest.map(|digest| digest.to_string()),
            since: held.since,
            soaked_at: held.soaked_at,
        })
    };
    holdings_of(snapshot, subject).into_iter().filter_map(holding).collect()
}

/// Tells how the windows of a place stand.
pub fn windows(snapshot: &Snapshot, terms: &Terms) -> Option<ExplainedWindows> {
    let names: BTreeSet<&String> = terms.windows.iter().flatten().collect();
    if names.is_empty() {
        return None;
    }
    let WindowState { is_open, reason, next_open, next_close } = window_state(snapshot, terms);
    Some(ExplainedWindows { names: names.into_iter().cloned().collect(), open: is_open, reason, next_open, next_close })
}

/// Tells of every listed tag what became of it where this one is chosen, best first.
pub fn candidates(
    snapshot: &Snapshot,
    subject: &Subject,
    judgement: &Judgement,
    chosen: Option<&str>,
) -> Vec<ExplainedTag> {
    let image = &subject.tracked;
    let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
    let Some(name) = &image.asked else { return Vec::new() };
    let Some(Ok(listed)) = snapshot.listings.get(name) else { return Vec::new() };
    let builds = builds(snapshot, name, &image.policy);
    let current = site.and_then(|site| site.tag());
    let teller = Teller { snapshot, image, judgement, builds: &builds, current, chosen };
    let ranked = selection::explain(&image.policy, &builds, &listed.tags.to_vec());
    ranked.into_iter().map(|(tag, verdict)| teller.tell(tag, verdict)).collect()
}

/// Gives what stands in the way, if anything does.
pub fn gates(judgement: &Judgement) -> Vec<Gate> {
    let is_open = matches!(judgement.result, OutcomeResult::Held | OutcomeResult::Failed);
    let gate = Gate { code: judgement.code.clone(), message: judgement.message.clone(), until: judgement.until };
    is_open.then_some(gate).into_iter().collect()
}

/// The policy's choice for an image that is held before the registry's answer counts.
fn wanted(subject: &Subject, listed: Option<&Arc<Listed>>) -> Option<String> {
    let image = &subject.tracked;
    let hides_choice = |code: &str| {
        code == "annotation/invalid"
            || code.strip_prefix("unsupported/").is_some_and(|key| CHOOSING_KEYS.contains(&key))
    };
    let terms = subject.terms();
    // Who looks into images first knows no choice without that, and who takes values from elsewhere chooses none.
    let is_by_name = image.policy.strategy != Strategy::NewestBuild
        && image.policy.platforms.is_empty()
        && image.policy.verify.is_empty()
        && image.policy.min_age.is_none()
        && terms.min_age.is_none()
        && terms.verify.is_empty()
        && terms.promote_from.is_none();
    if !is_by_name || image.refusal.as_ref().is_some_and(|refusal| hides_choice(&refusal.code)) {
        return None;
    }
    let listed = listed?;
    let ranking = listed.memo.ranking(&image.policy, &listed.tags);
    let best = ranking.tags(&listed.tags).next()?;
    Some(best.to_string())
}

/// Tells of each tag of one image what became of it.
struct Teller<'a> {
    snapshot: &'a Snapshot,
    image: &'a TrackedImage,
    judgement: &'a Judgement,
    builds: &'a Builds,
    current: Option<&'a str>,
    chosen: Option<&'a str>,
}

impl Teller<'_> {
    fn tell(&self, tag: Tag, verdict: Verdict) -> ExplainedTag {
        let policy = &self.image.policy;
        let unfit = self.image.asked.as_ref().and_then(|name| unfit(self.snapshot, name, policy, &tag));
        let rejected = match (verdict.rejection(), unfit) {
            (Some(rejection), _) => Some((rejection.code(), rejection.reason(policy, &tag))),
            (None, Some((code, reason))) => Some((code, format!("`{tag}` {reason}"))),
            (None, None) => None,
        };
        let is_eligible = rejected.is_none();
        let standing = self.standing(&tag, is_eligible);
        let (code, reason) = match rejected {
            Some((code, reason)) => (Some(code), reason),
            None => (None, self.reason(&tag)),
        };
        let verdict = if is_eligible { "eligible" } else { "rejected" };
        ExplainedTag { tag: tag.to_string(), verdict, code, reason, standing }
    }

    fn standing(&self, tag: &Tag, is_eligible: bool) -> Option<&'static str> {
        let text = tag.as_str();
        if self.is_current(text) {
            return Some("current");
        }
        if let Some(passed) = self.passed_over(tag) {
            return Some(passed.standing);
        }
        if self.chosen == Some(text) {
            return Some("chosen");
        }
        if !is_eligible {
            return None;
        }
        let is_older = |other: Option<&str>| {
            let order = other.and_then(|other| selection::compare(&self.image.policy, self.builds, text, other));
            matches!(order, Some(Ordering::Less | Ordering::Equal))
        };
        if self.is_kept_out(tag) && !is_older(self.current) {
            return Some("rolled-back");
        }
        if !self.lacks(tag).is_empty() {
            return Some("wrong-platform");
        }
        (is_older(self.chosen) || is_older(self.current)).then_some("older")
    }

    /// What a mutable tag named stands there, and may not be what it names now.
    fn is_current(&self, tag: &str) -> bool {
        let is_followed = self.image.policy.strategy == Strategy::Digest;
        self.current == Some(tag) && (!is_followed || self.judgement.result == OutcomeResult::Current)
    }

    fn is_kept_out(&self, tag: &Tag) -> bool {
        let back = self.judgement.look_back.as_ref();
        if self.image.policy.strategy == Strategy::Digest {
            return self.judgement.code == "guard/rolled-back";
        }
        let back = back.filter(|back| back.taken_back_by.is_some());
        back.is_some_and(|back| !back.allows(&self.image.policy, self.builds, tag))
    }

    fn passed_over(&self, tag: &Tag) -> Option<&PassedOver> {
        self.judgement.passed_over.iter().find(|one| one.tag == *tag)
    }

    fn described(&self, tag: &Tag) -> Option<&Described> {
        self.snapshot.described(self.image.asked.as_ref()?, tag)?.ok()?
    }

    /// Gives the wanted platforms that an image lacks, as far as somebody looked.
    fn lacks(&self, tag: &Tag) -> Vec<Platform> {
        let described = self.described(tag);
        described.map(|described| described.metadata.lacks(&self.image.policy.platforms)).unwrap_or_default()
    }

    fn reason(&self, tag: &Tag) -> String {
        let policy = &self.image.policy;
        if let Some(passed) = self.passed_over(tag) {
            return format!("`{tag}` {}", passed.reason);
        }
        let lacking = self.lacks(tag);
        if !lacking.is_empty() {
            return format!("`{tag}` lacks {}", platforms(&lacking));
        }
        let mut reason = format!("{} allows it", selection::describe(policy));
        if let Some(text) = policy.extract.as_ref().and_then(|_| selection::reading(policy, tag.as_str())) {
            reason.push_str(&format!("; `{text}` of it is compared"));
        }
        if policy.strategy == Strategy::NewestBuild {
            let described = self.described(tag);
            reason.push_str(&match described.map(|described| described.metadata.built(&policy.platforms)) {
                Some(Built::At(time)) => format!("; built {time}"),
                Some(Built::Unusable(time)) => format!("; built {time}, which says nothing"),
                Some(Built::Unsaid) | None => "; when it was built is not known".to_owned(),
            });
        }
        reason
    }
}
