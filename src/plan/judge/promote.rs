//! The way of `promote-from`: the one candidate is what stands upstream, and it needs no listing.

use std::cmp::Ordering;

use crate::model::interval::to_the_minute;
use crate::model::names::{Digest, Tag};
use crate::model::outcome::OutcomeResult;
use crate::model::policy::{AfterRollback, Pin, Policy};
use crate::model::rule::Delivery;
use crate::model::tracked::TrackedImage;
use crate::plan::judge::walk::Sieve;
use crate::plan::judge::{Judge, Judgement};
use crate::plan::promotion::{Holding, Promoted, soaking};
use crate::plan::rollback::promoted::{came_before, refusal};
use crate::plan::rollback::{LookBack, look_back};
use crate::plan::{Question, Subject};
use crate::selection::{self, Builds, Rejection};

impl Judge<'_> {
    pub(super) fn promote(&self, promoted: &Promoted) -> Result<Judgement, Vec<Question>> {
        let held = match &promoted.chosen {
            Ok(held) => held,
            Err(obstacle) => return Ok(Judgement::held(obstacle.code, obstacle.message.clone())),
        };
        let Ok(tag) = held.tag.parse::<Tag>() else {
            let message = format!("`{}` holds `{}`, which is no tag", held.upstream, held.tag);
            return Ok(Judgement::held("promotion/not-allowed", message));
        };
        let policy = self.promotion_policy();
        let back =
            look_back(&policy, &Builds::new(), &self.tracked.application, &self.tracked.alias, &self.subject.timeline);
        let judgement = self.promote_tag(&policy, held, &tag, &back)?;
        let to = judgement.to.clone();
        Ok(judgement.with(to, Some(back)))
    }

    fn promote_tag(
        &self,
        policy: &Policy,
        held: &Holding,
        tag: &Tag,
        back: &LookBack,
    ) -> Result<Judgement, Vec<Question>> {
        let upstream = &held.upstream;
        if self.is_promoted(held) {
            let message = format!("{} is what `{upstream}` holds", self.now_shown());
            return Ok(Judgement::new(OutcomeResult::Current, "current", message).with(self.site.shown(), None));
        }
        let to = Some(self.to(tag, held.digest.as_ref()));
        if let Some(rejection) = capped(policy, tag) {
            let message = format!(
                "`{upstream}` holds {tag}, and the Application's own policy does not allow it: {}",
                rejection.reason(policy, tag)
            );
            return Ok(Judgement::held("promotion/not-allowed", message).with(to, None));
        }
        let goes_back = self.went_back(policy, held, tag);
        if goes_back {
            if !self.demands.follows_rollback {
                let since = to_the_minute(held.since);
                let message = format!(
                    "`{upstream}` holds {tag} since {since}, which is less than {} here; it stays, for a person to decide (`follow_rollback: pull-request` of a rule would propose it)",
                    self.now_shown()
                );
                return Ok(Judgement::held("promotion/went-back", message).with(to, None));
            }
        } else if back.taken_back_by.is_some() && !back.allows(policy, &Builds::new(), tag) {
            return Ok(self.rolled_back(back).with(to, None));
        }
        let digest = held.digest.as_ref().map(Digest::as_str);
        let (application, alias) = (&self.tracked.application, &self.tracked.alias);
        if let Some(refusal) = refusal(application, alias, &self.subject.timeline, tag.as_str(), digest) {
            let message = format!(
                "{} replaced {tag} here in {}; only another value is taken, or what a commit with the trailer `Repin-Resume: {}` releases",
                refusal.author_name,
                refusal.in_words(),
                application.label(),
            );
            return Ok(Judgement::held("guard/rolled-back", message).with(to, None));
        }
        let is_named = back.released.iter().any(|released| released == tag.as_str());
        if back.is_cut && !is_named {
            return Ok(self.history_unknown(tag));
        }
        let is_soaking = held.soaked_at > self.snapshot.now;
        if is_soaking && self.demands.let_through.is_none() {
            let soak = held.soaked_at.duration_since(held.since);
            return Ok(soaking(held, soak).with(to, None));
        }
        let mut judgement = self.promote_checked(held, tag, to)?;
        // A person decides whether what upstream took back is taken back here.
        if goes_back && judgement.result == OutcomeResult::Pending {
            judgement.delivery = Delivery::PullRequest;
            judgement.goes_back = true;
        }
        if let Some(lift) = self.demands.let_through.filter(|_| is_soaking) {
            judgement.lift(lift, "promotion/soak");
        }
        Ok(judgement)
    }

    /// What the registry of the place says of the tag: the filters, and whether it is the same image.
    fn promote_checked(&self, held: &Holding, tag: &Tag, to: Option<String>) -> Result<Judgement, Vec<Question>> {
        let upstream = &held.upstream;
        let found = match self.digest(tag) {
            None => return Err(vec![Question::Manifest(self.image.clone(), tag.clone())]),
            Some(Err(failure)) => return Ok(Judgement::failed(failure).with(to, None)),
            Some(Ok(None)) => {
                let message =
                    format!("`{upstream}` holds {tag}, and {} has no such tag (404): copy it there", self.image);
                return Ok(Judgement::held("promotion/not-copied", message).with(to, None));
            }
            Some(Ok(Some(found))) => found,
        };
        if let Some(wanted) = held.digest.as_ref().filter(|wanted| *wanted != found) {
            let message = format!(
                "`{upstream}` holds {tag} with {wanted}, and {} has {found} for it now: the tag was moved, or something else was copied",
                self.image
            );
            return Ok(Judgement::held("promotion/moved", message).with(to, None));
        }
        match self.sieve(tag) {
            Sieve::Passes => {}
            Sieve::PassedOver(one) => {
                let mut passed = self
                    .kept_out(std::slice::from_ref(&one))
                    .unwrap_or_else(|| Judgement::held("promotion/not-allowed", format!("{tag} {}", one.reason)));
                passed.to = to;
                passed.passed_over.push(one);
                return Ok(passed);
            }
            Sieve::Gone => {
                let message = format!("{} has {tag} no more (404)", self.image);
                return Ok(Judgement::held("promotion/not-copied", message).with(to, None));
            }
            Sieve::Unknown(failure) => return Ok(Judgement::failed(&failure).with(to, None)),
            Sieve::Asks(question) => return Err(vec![question]),
        }
        let digest = if held.digest.is_some() { "" } else { "; which digest it has there Git does not say" };
        let what = format!("what `{upstream}` holds since {}{digest}", to_the_minute(held.since));
        let mut judgement = self.take_as(tag, &what, "")?;
        let since = held.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        judgement.reason = Some(format!("promoted from `{upstream}`, which holds {} since {since}", held.tag));
        Ok(judgement)
    }

    /// Tells whether the very value stands here: the tag, and the digest where one is to be written.
    fn is_promoted(&self, held: &Holding) -> bool {
        let pinned = self.site.held.digest.as_deref();
        let wanted = held.digest.as_ref().map(Digest::as_str);
        let is_same_tag = self.now() == held.tag;
        match (pinned, wanted) {
            (Some(pinned), Some(wanted)) => pinned == wanted && (is_same_tag || self.pin() == Pin::Digest),
            (None, Some(_)) => is_same_tag && self.pin() == Pin::Tag,
            (_, None) => is_same_tag,
        }
    }

    /// Tells whether upstream holds less than what stands here: by the policy's order, else by what came after what there.
    fn went_back(&self, policy: &Policy, held: &Holding, tag: &Tag) -> bool {
        let now = self.now();
        if now.is_empty() {
            return false;
        }
        match selection::compare(policy, &Builds::new(), tag.as_str(), now) {
            Some(order) if now != tag.as_str() => order == Ordering::Less,
            _ => {
                let wanted = (tag.as_str(), held.digest.as_ref().map(Digest::as_str));
                let here = (now, self.site.held.digest.as_deref());
                let above = self.snapshot.subjects.get(held.index);
                // Of one tag only digests tell what came first.
                let is_told = wanted.0 != here.0 || (wanted.1.is_some() && here.1.is_some());
                is_told && above.is_some_and(|above| came_before(&above.timeline, wanted, here))
            }
        }
    }

    fn promotion_policy(&self) -> Policy {
        let policy = promotion_policy(self.tracked);
        // What went back with upstream was taken away by nobody.
        Policy { allow_downgrade: policy.allow_downgrade || self.demands.follows_rollback, ..policy }
    }
}

/// Gives the policy by which values from upstream are compared. Without a constraint of its own an Application takes what
/// upstream has, pre-releases and names that are no versions included. Whoever reverts one value does not want to wait with
/// the next one that upstream proves, unless that is what the annotations say.
fn promotion_policy(image: &TrackedImage) -> Policy {
    let own = &image.policy;
    Policy {
        include_prereleases: own.include_prereleases || own.constraint.is_none(),
        after_rollback: image.wishes.after_rollback.unwrap_or(AfterRollback::Next),
        ..own.clone()
    }
}

/// Tells whether an image's own constraint and filters refuse what stands upstream.
pub(in crate::plan) fn is_capped(subject: &Subject, tag: &str) -> bool {
    tag.parse::<Tag>().is_ok_and(|tag| capped(&promotion_policy(&subject.tracked), &tag).is_some())
}

/// Says why the Application's own constraint and filters refuse a tag; what only has no order in them is no reason.
fn capped(policy: &Policy, tag: &Tag) -> Option<Rejection> {
    let rejection = selection::judge(policy, tag).rejection()?;
    let is_free = match rejection {
        Rejection::NotAVersion | Rejection::Strict | Rejection::Prerelease => policy.constraint.is_none(),
        Rejection::NotANumber | Rejection::NoExtract => true,
        Rejection::NotFollowed => policy.follow.is_none(),
        Rejection::NotACandidate | Rejection::IgnoreTags | Rejection::AllowTags | Rejection::OutOfRange => false,
    };
    (!is_free).then_some(rejection)
}
