//! The filters after the order: candidates are walked best first until one passes, and no more is asked than that needs.

use jiff::{SignedDuration, Timestamp};

use crate::model::interval;
use crate::model::names::{Digest, ImageName, Tag};
use crate::plan::judge::newest::platforms;
use crate::plan::judge::verify::{MAX_UNVERIFIED, UNVERIFIED};
use crate::plan::judge::{Judge, Judgement, PassedOver, Wait};
use crate::plan::{Failure, Question};

/// Candidates that are looked into.
const MAX_CANDIDATES: usize = 1_000;
/// Candidates that are asked about at first; with each round as many more as were asked about before.
const BATCH: usize = 4;

/// What the filters say of one candidate.
pub(super) enum Sieve {
    Passes,
    PassedOver(PassedOver),
    /// It does not answer.
    Gone,
    /// It cannot be said in this cycle.
    Unknown(Failure),
    Asks(Question),
}

/// Where a walk ended.
pub(super) enum Walk<'t> {
    /// These pass, and are equal in the order; one, but for dates of builds.
    Found(Vec<&'t Tag>),
    /// None passes.
    Empty,
    /// Nothing can be said of the best one that could pass.
    Stopped(Box<Judgement>),
}

impl Judge<'_> {
    /// Walks candidates that are better than what stands, in groups of equal ones, best first.
    pub(super) fn walk<'t>(
        &self,
        groups: &[Vec<&'t Tag>],
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Walk<'t>, Vec<Question>> {
        let mut answered = 0;
        for (at, group) in groups.iter().enumerate() {
            let unverified = passed_over.iter().filter(|one| one.standing == UNVERIFIED).count();
            if answered >= MAX_CANDIDATES || unverified >= MAX_UNVERIFIED {
                return Ok(Walk::Stopped(Box::new(
                    self.kept_out(passed_over).unwrap_or_else(|| self.too_many(passed_over)),
                )));
            }
            let mut passing = Vec::new();
            let mut is_open = false;
            for tag in group {
                match self.sieve(tag) {
                    Sieve::Passes => passing.push(*tag),
                    Sieve::PassedOver(one) => passed_over.push(one),
                    Sieve::Gone => return Ok(Walk::Stopped(Box::new(self.gone(tag)))),
                    Sieve::Unknown(failure) => {
                        let stopped = Judgement::failed(&failure).with(Some(tag.to_string()), None);
                        return Ok(Walk::Stopped(Box::new(stopped)));
                    }
                    Sieve::Asks(_) => is_open = true,
                }
            }
            if is_open {
                let asks = |tag: &&Tag| match self.sieve(tag) {
                    Sieve::Asks(question) => Some(question),
                    Sieve::Passes | Sieve::PassedOver(_) | Sieve::Gone | Sieve::Unknown(_) => None,
                };
                let mut asked: Vec<Question> = group.iter().filter_map(asks).collect();
                if self.looks_ahead() && !asked.iter().all(is_verification) {
                    let batch = answered.max(BATCH).min(MAX_CANDIDATES - answered);
                    // What is remembered is looked at again where it would be taken, and behind that as far as nobody knows.
                    let behind = groups.get(at + 1..).unwrap_or_default().iter().flatten();
                    let behind = behind.filter(|tag| !self.is_remembered(tag)).filter_map(asks);
                    asked.extend(
                        behind.filter(|question| !is_verification(question)).take(batch.saturating_sub(asked.len())),
                    );
                }
                return Err(asked);
            }
            answered += group.len();
            if !passing.is_empty() {
                return Ok(Walk::Found(passing));
            }
        }
        Ok(Walk::Empty)
    }

    /// Tells whether candidates behind the best one are asked about with it. Signatures are looked for only of what would
    /// be taken, and a digest is needed for nothing else.
    fn looks_ahead(&self) -> bool {
        !self.tracked.policy.platforms.is_empty() || self.demands.wait.is_some()
    }

    fn too_many(&self, passed_over: &[PassedOver]) -> Judgement {
        let message = format!(
            "none of the {MAX_CANDIDATES} best tags of {} passes, and no more are looked into{}",
            self.image,
            mention(passed_over, None)
        );
        Judgement::held("selection/too-many", message)
    }

    /// Holds one candidate against platforms, age and signatures, in this order: the dearest comes last.
    pub(super) fn sieve(&self, tag: &Tag) -> Sieve {
        let policy = &self.tracked.policy;
        if !policy.platforms.is_empty() {
            let wrong = |reason: String| {
                Sieve::PassedOver(PassedOver { tag: tag.clone(), standing: "wrong-platform", reason, until: None })
            };
            match self.described(tag) {
                None => return Sieve::Asks(Question::Remembered(self.image.clone(), tag.clone())),
                Some(Err(failure)) => return Sieve::Unknown(failure.clone()),
                Some(Ok(None)) => return wrong("does not answer, or not with all of its parts (404)".to_owned()),
                Some(Ok(Some(described))) => {
                    let lacking = described.metadata.lacks(&policy.platforms);
                    if !lacking.is_empty() {
                        return wrong(format!("lacks {}", platforms(&lacking)));
                    }
                }
            }
        }
        if self.is_remembered(tag) {
            // If it was moved since, it is younger still.
            let known = self.described(tag).and_then(Result::ok).flatten();
            let too_young = known.and_then(|known| self.too_young(tag, &known.digest));
            let now = || Sieve::Asks(Question::Metadata(self.image.clone(), tag.clone()));
            return too_young.map_or_else(now, Sieve::PassedOver);
        }
        if self.demands.wait.is_none() && self.demands.keys.is_none() {
            return Sieve::Passes;
        }
        match self.digest(tag) {
            None => Sieve::Asks(Question::Manifest(self.image.clone(), tag.clone())),
            Some(Err(failure)) => Sieve::Unknown(failure.clone()),
            Some(Ok(None)) => Sieve::Gone,
            Some(Ok(Some(digest))) => match self.too_young(tag, digest) {
                Some(young) => Sieve::PassedOver(young),
                None => self.verified(tag, digest),
            },
        }
    }

    /// Gives the digest that a tag has now, by whichever answer knows it.
    pub(super) fn digest(&self, tag: &Tag) -> Option<Result<Option<&Digest>, &Failure>> {
        if let Some(Ok(Some(described))) = self.snapshot.described_now(self.image, tag) {
            return Some(Ok(Some(&described.digest)));
        }
        let answer = self.snapshot.manifests.get(&(self.image.clone(), tag.clone()))?;
        Some(answer.as_ref().map(Option::as_ref))
    }

    /// Gives when a tag was first seen with this digest: by the cache or by Git's history, whichever is earlier. A clock
    /// that ran ahead counts for nothing.
    pub(super) fn first_seen(&self, tag: &Tag, digest: &Digest) -> Option<Timestamp> {
        let key = |image: &ImageName| (image.clone(), tag.clone(), digest.clone());
        let cached = self.snapshot.first_seen.get(&key(self.image));
        // Commits tell nothing of pull secrets.
        let told = self.tracked.image.as_ref().and_then(|image| self.subject.timeline.first_seen.get(&key(image)));
        cached.into_iter().chain(told).min().map(|time| (*time).min(self.snapshot.now))
    }

    /// Says how young a tag is, if it is younger than the policy waits. What nobody saw before is seen now.
    pub(super) fn too_young(&self, tag: &Tag, digest: &Digest) -> Option<PassedOver> {
        let Wait { age, asked_by } = self.demands.wait?;
        let seen = self.first_seen(tag, digest).unwrap_or(self.snapshot.now);
        let until = SignedDuration::try_from(*age).ok().and_then(|wait| seen.checked_add(wait).ok());
        let until = until.unwrap_or(Timestamp::MAX);
        if until <= self.snapshot.now {
            return None;
        }
        let waits = asked_by.as_ref().map_or_else(
            || "the policy waits".to_owned(),
            |owner| format!("the policy of {owner}, which shares the place, waits"),
        );
        let reason = format!(
            "is {} old, {waits} {} (until {})",
            interval::in_words(self.snapshot.now.duration_since(seen).unsigned_abs()),
            interval::in_words(*age),
            interval::to_the_minute(until)
        );
        Some(PassedOver { tag: tag.clone(), standing: "too-young", reason, until: Some(until) })
    }

    /// Holds for the candidate that gets old enough first; of several the best. None if nothing is too young.
    pub(super) fn waits(&self, passed_over: &[PassedOver]) -> Option<Judgement> {
        // `min_by_key` gives the first of equal ones, and these are best first.
        let first = passed_over.iter().filter(|one| one.until.is_some()).min_by_key(|one| one.until)?;
        let others = mention(passed_over, Some(&first.tag));
        let message = format!("{} {}{others}", first.tag, first.reason);
        let digest = self.digest(&first.tag).and_then(Result::ok).flatten();
        let to = self.to(&first.tag, digest);
        let mut judgement = Judgement::held("guard/min-age", message).with(Some(to), None);
        judgement.until = first.until;
        Some(judgement)
    }

    /// Guard 2: what is listed does not answer.
    pub(super) fn gone(&self, tag: &Tag) -> Judgement {
        let message =
            format!("{tag} is listed by {}, and its manifest does not answer: the list is not right", self.image);
        Judgement::held("guard/listing", message).with(Some(tag.to_string()), None)
    }
}

fn is_verification(question: &Question) -> bool {
    matches!(question, Question::Verification(..))
}

/// Names the best candidate that was passed over, besides the one that is named already.
pub(super) fn mention(passed_over: &[PassedOver], named: Option<&Tag>) -> String {
    let mut others = passed_over.iter().filter(|one| Some(&one.tag) != named);
    let Some(best) = others.next() else { return String::new() };
    let more = match others.count() {
        0 => String::new(),
        more => format!(", as {} more", are(more)),
    };
    format!("; {} is passed over{more}: it {}", best.tag, best.reason)
}

fn are(count: usize) -> String {
    if count == 1 { "is 1".to_owned() } else { format!("are {count}") }
}
