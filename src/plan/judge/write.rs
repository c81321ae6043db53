//! What is written for a chosen tag: the tag, its digest, or both.

use crate::manifest::place::Wanted;
use crate::model::names::{Digest, Tag};
use crate::model::outcome::OutcomeResult;
use crate::model::policy::{Pin, Strategy};
use crate::model::verification::keys_in_words;
use crate::plan::Question;
use crate::plan::judge::{Judge, Judgement};
use crate::plan::locate::shown;
use crate::selection;

impl Judge<'_> {
    /// Gives a chosen value as outcomes show it. A digest that is written alone is shown with its tag, so that the
    /// commit's trailers say which one it was.
    pub(super) fn to(&self, tag: &Tag, digest: Option<&Digest>) -> String {
        match self.pin() {
            Pin::Tag => tag.to_string(),
            Pin::Digest | Pin::TagAndDigest => shown(Some(tag.as_str()), digest.map(Digest::as_str)),
        }
    }

    /// Gives what is written.
    pub(super) fn pin(&self) -> Pin {
        self.tracked.policy.pin(self.demands.keys.is_some())
    }

    /// Takes a tag whose manifest answers, for it is what the policy wants.
    pub(super) fn take(&self, chosen: &Tag, besides: &str) -> Result<Judgement, Vec<Question>> {
        let policy = &self.tracked.policy;
        let what = match policy.strategy {
            Strategy::Digest => format!("what {chosen} names now"),
            Strategy::Semver | Strategy::NewestBuild | Strategy::Alphabetical | Strategy::Numerical => {
                format!("the newest that {} allows", selection::describe(policy))
            }
        };
        self.take_as(chosen, &what, besides)
    }

    /// The same, with what makes it the chosen one in words.
    pub(super) fn take_as(&self, chosen: &Tag, what: &str, besides: &str) -> Result<Judgement, Vec<Question>> {
        let digest = match self.digest(chosen) {
            None => return Err(vec![Question::Manifest(self.image.clone(), chosen.clone())]),
            Some(Err(failure)) => return Ok(Judgement::failed(failure).with(Some(chosen.to_string()), None)),
            Some(Ok(None)) => return Ok(self.gone(chosen)),
            Some(Ok(Some(digest))) => digest,
        };
        let to = self.to(chosen, Some(digest));
        if let Some(held) = self.pinned_by_hand() {
            return Ok(held.with(Some(to), None));
        }
        let (tag, pin) = (Some(chosen.to_string()), Some(digest.to_string()));
        let wanted = match self.pin() {
            Pin::Tag => Wanted { tag, digest: None },
            Pin::Digest => Wanted { tag: None, digest: pin },
            Pin::TagAndDigest => Wanted { tag, digest: pin },
        };
        let verified = self.demands.keys.map(keys_in_words).map(|keys| format!(", verified with {keys}"));
        let verified = verified.unwrap_or_default();
        let message = format!("{} becomes {to}, {what}{verified}{besides}", self.now_shown());
        let mut judgement = Judgement::new(OutcomeResult::Pending, "pending", message).with(Some(to), None);
        judgement.wanted = Some(wanted);
        judgement.first_seen = self.first_seen(chosen, digest);
        judgement.digest = Some(digest.to_string());
        judgement.verified = self.demands.keys.cloned().unwrap_or_default();
        Ok(judgement)
    }

    /// A digest that a person wrote goes only if the annotations say what shall stand there.
    fn pinned_by_hand(&self) -> Option<Judgement> {
        let policy = &self.tracked.policy;
        let is_asked = policy.pin.is_some() || policy.strategy == Strategy::Digest || self.demands.keys.is_some();
        if is_asked || self.site.held.digest.is_none() {
            return None;
        }
        let located = self.subject.located.as_ref();
        let key = located.and_then(|located| located.key.as_deref()).unwrap_or_default();
        let file = located.map(|located| located.file.to_string()).unwrap_or_default();
        let message =
            format!("`{key}` in {file} is pinned to a digest, and no annotation `pin` says what becomes of it");
        Some(Judgement::held("guard/pinned", message))
    }
}
