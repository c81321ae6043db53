//! The answer to "why was this tag not taken?": every tag with its verdict and standing, the gates and the choice.
//!
//! A view of the same snapshot and decision that a cycle acts on, computed on demand (SELECTION "Explain").

use std::cmp::Ordering;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::outcome::OutcomeResult;
use crate::plan::judge::Judgement;
use crate::plan::rollback::LookBack;
use crate::plan::{Snapshot, Subject, shown_key};
use crate::selection::{self, Rejection, Verdict};

/// Unbuilt keys without which it cannot be said which tag is wanted.
const CHOOSING_KEYS: [&str; 8] =
    ["update-strategy", "extract", "platforms", "tag-match", "min-age", "promote-from", "soak", "verify"];

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
    /// The place that is or would be written.
    pub target: ExplainedTarget,
    /// When it is looked at next.
    pub next: Timestamp,
}

/// The place of an explained image.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExplainedTarget {
    /// The file.
    pub file: Option<String>,
    /// The key path.
    pub key: Option<String>,
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
    /// Null, or the first that holds of `current chosen rolled-back older`.
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
        image.image.as_ref().and_then(|name| snapshot.listings.get(name)).and_then(|listed| listed.as_ref().ok());
    let tags = listed.map(|listed| listed.tags.as_slice()).unwrap_or_default();
    // A held image has no judgement of the registry's answer; the policy's choice still says what it would want.
    let back = judgement.look_back.as_ref().filter(|back| back.taken_back_by.is_some());
    let rolled_back = back.is_some();
    let is_kept_out = |tag: &str| {
        let is_allowed = |back: &LookBack| tag.parse().is_ok_and(|tag| back.allows(&image.policy, &tag));
        back.is_some_and(|back| !is_allowed(back))
    };
    let chosen = judgement.to.clone().or_else(|| {
        let hides_choice = |code: &str| {
            code == "annotation/invalid"
                || code.strip_prefix("unsupported/").is_some_and(|key| CHOOSING_KEYS.contains(&key))
        };
        if image.refusal.as_ref().is_some_and(|refusal| hides_choice(&refusal.code)) {
            return None;
        }
        let choice = selection::choose(&image.policy, tags).chosen.map(|tag| tag.to_string());
        choice.filter(|_| !rolled_back)
    });
    let standing = |tag: &str, verdict: &Verdict| -> Option<&'static str> {
        let eligible = matches!(verdict, Verdict::Eligible);
        let order =
            |other: &Option<String>| other.as_deref().and_then(|other| selection::compare(&image.policy, tag, other));
        if current.as_deref() == Some(tag) {
            Some("current")
        } else if chosen.as_deref() == Some(tag) {
            Some("chosen")
        } else if !eligible {
            None
        } else if is_kept_out(tag) && !matches!(order(&current), Some(Ordering::Less | Ordering::Equal)) {
            Some("rolled-back")
        } else {
            let older = |other: &Option<String>| matches!(order(other), Some(Ordering::Less | Ordering::Equal));
            (older(&chosen) || older(&current)).then_some("older")
        }
    };
    let candidates = selection::explain(&image.policy, tags)
        .into_iter()
        .map(|(tag, verdict)| ExplainedTag {
            standing: standing(tag.as_str(), &verdict),
            verdict: if matches!(verdict, Verdict::Eligible) { "eligible" } else { "rejected" },
            code: verdict.rejection().map(Rejection::code),
            reason: match verdict.rejection() {
                Some(rejection) => rejection.reason(&image.policy, &tag),
                None => format!("{} allows it", selection::describe(&image.policy)),
            },
            tag: tag.to_string(),
        })
        .collect();
    let open = matches!(judgement.result, OutcomeResult::Held | OutcomeResult::Failed);
    let gate = Gate { code: judgement.code.clone(), message: judgement.message.clone(), until: judgement.until };
    ExplainedImage {
        alias: image.alias.clone(),
        image: image.image_text.clone(),
        current,
        chosen,
        policy: selection::describe(&image.policy),
        candidates,
        gates: open.then_some(gate).into_iter().collect(),
        target: ExplainedTarget {
            file: subject.located.as_ref().map(|located| located.file.to_string()),
            key: shown_key(subject),
        },
        next,
    }
}
