//! The way of `digest`: one mutable tag, whatever it names. It needs no listing, and has no order.

use crate::model::names::Tag;
use crate::model::outcome::OutcomeResult;
use crate::model::policy::Pin;
use crate::plan::Question;
use crate::plan::judge::walk::Sieve;
use crate::plan::judge::{Judge, Judgement};
use crate::plan::rollback::values;
use crate::selection::{self, Rejection};

impl Judge<'_> {
    pub(super) fn follow(&self) -> Result<Judgement, Vec<Question>> {
        let policy = &self.tracked.policy;
        let Some(tag) = policy.followed() else {
            return Ok(Judgement::held("selection/none", "no tag is followed".to_owned()));
        };
        if let Some(rejection) = selection::judge(policy, &tag).rejection() {
            let message = format!("the followed tag is none that the filters allow: {}", self.reason(rejection, &tag));
            return Ok(Judgement::held("selection/none", message));
        }
        let digest = match self.digest(&tag) {
            // What platforms need tells the digest too.
            None if !policy.platforms.is_empty() && self.snapshot.described_now(self.image, &tag).is_none() => {
                return Err(vec![Question::Metadata(self.image.clone(), tag)]);
            }
            None => match self.snapshot.described_now(self.image, &tag) {
                Some(Err(failure)) => return Ok(Judgement::failed(failure)),
                Some(Ok(_)) => return Ok(self.missing(&tag)),
                None => return Err(vec![Question::Manifest(self.image.clone(), tag)]),
            },
            Some(Err(failure)) => return Ok(Judgement::failed(failure)),
            Some(Ok(None)) => return Ok(self.missing(&tag)),
            Some(Ok(Some(digest))) => digest,
        };
        let (application, alias) = (&self.tracked.application, &self.tracked.alias);
        let back = values::look_back(policy, application, alias, &self.subject.timeline);
        let is_same_tag = self.pin() == Pin::Digest || self.now() == tag.as_str();
        let value = crate::plan::locate::shown(Some(tag.as_str()), Some(digest.as_str()));
        let judgement = if is_same_tag && self.site.held.digest.as_deref() == Some(digest.as_str()) {
            let message = format!("{tag} names what stands there");
            Judgement::new(OutcomeResult::Current, "current", message).with(self.site.shown(), None)
        } else if !back.allows_value(policy, &value, tag.as_str(), digest.as_str()) {
            self.refused(&value, &back)
        } else {
            match self.sieve(&tag) {
                Sieve::Passes if back.is_cut => self.history_unknown(&tag),
                Sieve::Passes => self.take(&tag, "")?,
                Sieve::PassedOver(one) => {
                    let mut passed = self.kept_out(std::slice::from_ref(&one)).unwrap_or_else(|| {
                        Judgement::held("selection/none", format!("{tag} {}", one.reason)).with(None, None)
                    });
                    passed.passed_over.push(one);
                    passed
                }
                Sieve::Gone => self.missing(&tag),
                Sieve::Unknown(failure) => Judgement::failed(&failure).with(Some(value), None),
                Sieve::Asks(question) => return Err(vec![question]),
            }
        };
        let to = judgement.to.clone();
        Ok(judgement.with(to, Some(back)))
    }

    fn reason(&self, rejection: Rejection, tag: &Tag) -> String {
        rejection.reason(&self.tracked.policy, tag)
    }

    fn missing(&self, tag: &Tag) -> Judgement {
        Judgement::held("selection/none", format!("{} has no tag {tag} (404)", self.image))
    }

    /// Guard 3: somebody replaced this value, or put another one over what repin wrote.
    fn refused(&self, value: &str, back: &crate::plan::rollback::LookBack) -> Judgement {
        if back.taken_back_by.is_some() {
            return self.rolled_back(back);
        }
        let message = format!(
            "{value} stood there and a person replaced it; it comes back with a commit with the trailer `Repin-Resume: {}`",
            self.tracked.application.label()
        );
        Judgement::held("guard/rolled-back", message)
    }
}
