//! What goes into the texts about a written image besides the decision: what it says of its sources, and which tags were
//! passed over for it. Nothing here changes what is written.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use crate::model::metadata::Labels;
use crate::model::names::{Digest, ImageName};
use crate::model::outcome::OutcomeResult;
use crate::plan::judge::{Judgement, builds};
use crate::plan::rollback::tag_of;
use crate::plan::{Question, Snapshot, Subject};
use crate::selection;

/// Tags that were not taken and are named, at most.
const NAMED: usize = 5;

/// Asks what the images say of themselves that are about to be written, each once. An answer may be that it is not known.
pub(super) fn ask(snapshot: &Snapshot, judgements: &[Judgement]) -> Vec<Question> {
    let open = snapshot.subjects.iter().zip(judgements).filter_map(|(subject, judgement)| {
        let (image, digest) = written(subject, judgement)?;
        (!snapshot.labels.contains_key(&(image.clone(), digest.clone()))).then(|| (image.clone(), digest))
    });
    let open: BTreeSet<(ImageName, Digest)> = open.collect();
    open.into_iter().map(|(image, digest)| Question::Labels(image, digest)).collect()
}

/// Gives what the image says of itself that is about to be written; none if that is not known.
pub(super) fn labels(snapshot: &Snapshot, subject: &Subject, judgement: &Judgement) -> Option<Labels> {
    let (image, digest) = written(subject, judgement)?;
    snapshot.labels.get(&(image.clone(), digest))?.clone()
}

/// Gives tags that are higher than the chosen one and were not taken, best first, and why not: those that a filter after
/// the order kept out, then the highest of those that the policy does not allow.
pub(super) fn passed_over(snapshot: &Snapshot, subject: &Subject, judgement: &Judgement) -> Vec<(String, String)> {
    let mut named: Vec<(String, String)> =
        judgement.passed_over.iter().take(NAMED).map(|one| (one.tag.to_string(), one.reason.clone())).collect();
    let (tracked, chosen) = (&subject.tracked, judgement.to.as_deref().map(tag_of).unwrap_or_default());
    let listing = tracked.asked.as_ref().and_then(|image| Some((image, snapshot.listings.get(image)?.as_ref().ok()?)));
    let Some((image, listed)) = listing else { return named };
    let (policy, builds) = (&tracked.policy, builds(snapshot, image, &tracked.policy));
    for (tag, rejection) in listed.memo.ranking(policy, &listed.tags).nearest(policy, &listed.tags) {
        let is_higher = selection::compare(policy, &builds, tag.as_str(), chosen) == Some(Ordering::Greater);
        if is_higher && named.len() < NAMED {
            let reason = rejection.reason(policy, tag);
            let reason = reason.strip_prefix(&format!("`{tag}` ")).unwrap_or(&reason);
            named.push((tag.to_string(), reason.to_owned()));
        }
    }
    named
}

fn written<'a>(subject: &'a Subject, judgement: &Judgement) -> Option<(&'a ImageName, Digest)> {
    let is_written = judgement.result == OutcomeResult::Pending;
    let digest = judgement.digest.as_ref().filter(|_| is_written)?.parse().ok()?;
    Some((subject.tracked.asked.as_ref()?, digest))
}
