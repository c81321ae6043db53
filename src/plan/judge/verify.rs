//! The filter that is asked last, because it costs most: whether a candidate is signed with the keys that are demanded.
//!
//! What is verified is a digest, and the same digest is written ([`crate::plan::judge::write`]): a tag that moves between
//! two cycles is another candidate.

use std::collections::BTreeSet;

use crate::model::names::{Digest, Tag};
use crate::model::policy::Pin;
use crate::model::problem::{Problem, Severity};
use crate::model::verification::{KeyName, Verification, keys_in_words};
use crate::plan::judge::walk::{Sieve, mention};
use crate::plan::judge::{Judge, Judgement, PassedOver};
use crate::plan::{Question, Snapshot};

/// Candidates without the demanded signatures that are looked into in one cycle.
pub(super) const MAX_UNVERIFIED: usize = 32;
/// Their standing.
pub(super) const UNVERIFIED: &str = "unverified";

impl Judge<'_> {
    /// Holds one candidate against the keys that must have signed it.
    pub(super) fn verified(&self, tag: &Tag, digest: &Digest) -> Sieve {
        let Some(keys) = self.demands.keys else { return Sieve::Passes };
        let known = self.snapshot.verifications.get(&(self.image.clone(), digest.clone()));
        let answer = |key: &KeyName| known.and_then(|known| known.get(key));
        let missing: BTreeSet<KeyName> = keys.iter().filter(|key| answer(key).is_none()).cloned().collect();
        if !missing.is_empty() {
            return Sieve::Asks(Question::Verification(self.image.clone(), digest.clone(), missing));
        }
        let answers: Vec<_> = keys.iter().filter_map(|key| Some((key, answer(key)?))).collect();
        // One signature that is not there is enough, whatever is known of the others.
        let refused = answers.iter().find_map(|(key, answer)| match answer {
            Ok(Verification::Unverified(why)) => Some(why.reason(key)),
            Ok(Verification::Verified) | Err(_) => None,
        });
        if let Some(reason) = refused {
            return Sieve::PassedOver(PassedOver { tag: tag.clone(), standing: UNVERIFIED, reason, until: None });
        }
        match answers.into_iter().find_map(|(_, answer)| answer.as_ref().err()) {
            Some(failure) => Sieve::Unknown(failure.clone()),
            None => Sieve::Passes,
        }
    }

    /// Holds for what the filters kept out and that may pass later: what gets old enough, else what may be signed yet.
    pub(super) fn kept_out(&self, passed_over: &[PassedOver]) -> Option<Judgement> {
        self.waits(passed_over).or_else(|| self.unverified(passed_over))
    }

    fn unverified(&self, passed_over: &[PassedOver]) -> Option<Judgement> {
        let best = passed_over.iter().find(|one| one.standing == UNVERIFIED)?;
        let count = passed_over.iter().filter(|one| one.standing == UNVERIFIED).count();
        let cut = if count >= MAX_UNVERIFIED { ", and no more are looked into" } else { "" };
        let message = format!("{} {}{}{cut}", best.tag, best.reason, mention(passed_over, Some(&best.tag)));
        let digest = self.digest(&best.tag).and_then(Result::ok).flatten();
        Some(Judgement::held("guard/unverified", message).with(Some(self.to(&best.tag, digest)), None))
    }
}

/// Reports where a rule demands signatures and annotations have only the tag written, which may move after it was
/// verified. Where the annotations demand them too it was reported with them.
pub fn unpinned(snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = Vec::new();
    for subject in &snapshot.subjects {
        let (image, Some(rule)) = (&subject.tracked, &subject.rule) else { continue };
        let is_loose = image.policy.pin == Some(Pin::Tag) && image.policy.verify.is_empty();
        if !is_loose || rule.keys().is_empty() || image.refusal.is_some() {
            continue;
        }
        let application = &image.application;
        problems.push(Problem {
            severity: Severity::Warning,
            code: "annotation/unpinned".to_owned(),
            repository: application.file.as_ref().map(|_| application.repository.clone()),
            file: application.file.as_ref().map(ToString::to_string),
            line: Some(image.line),
            message: format!(
                "{}: `pin: tag` of `{}` writes a tag that may move after it was verified with {}, which the rules demand",
                application.label(),
                image.alias,
                keys_in_words(&rule.keys())
            ),
            hint: Some("remove `pin`: with `verify` it is `tag+digest`".to_owned()),
        });
    }
    problems
}
