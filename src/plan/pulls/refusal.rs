//! Guard 4 of SELECTION: somebody closed the pull request without merging it.
//!
//! What it held is refused, by whomever and whenever it was closed, until something higher comes, or a person says otherwise:
//! by opening it again, by a label, or by `Repin-Resume`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::message::pull_request::Marker;
use crate::message::trailers::Change;
use crate::model::forge::{LABEL_RETRY, PullRequest, PullState};
use crate::plan::group::Proposed;
use crate::plan::judge::builds;
use crate::plan::pulls::{Pulls, by_people};
use crate::plan::rollback::concerns;
use crate::plan::{Snapshot, Subject, shown_key};
use crate::selection;

/// A closed pull request that refuses what is wanted.
pub(super) struct Refusal<'a> {
    pub(super) pull: &'a PullRequest,
    /// Who closed it, where the forge says it.
    pub(super) closed_by: Option<String>,
    is_known: bool,
}

impl Refusal<'_> {
    /// Says who refused it, and what ends that.
    pub(super) fn message(&self) -> String {
        let who = self.closed_by.as_deref().unwrap_or("somebody");
        let when = self.pull.closed.map(|at| format!(" on {}", at.strftime("%Y-%m-%d"))).unwrap_or_default();
        let number = self.pull.number;
        let until = if self.is_known {
            "something higher is proposed again, or the same once it is"
        } else {
            "its body does not tell what it held, so nothing is proposed before it is"
        };
        format!(
            "{who} closed pull request #{number} without merging it{when}; {until} opened again or has the label `{LABEL_RETRY}`: {}",
            self.pull.url
        )
    }
}

/// Finds the newest closed pull request that refuses what is wanted: one of the branch, or of a branch that the same places
/// had before their group was called otherwise.
pub(super) fn refusal<'a>(
    snapshot: &Snapshot,
    pulls: &'a Pulls,
    closed: &'a [PullRequest],
    one: &Proposed<'_>,
) -> Option<Refusal<'a>> {
    let own = closed.iter().filter(|pull| pull.state == PullState::Closed);
    own.chain(elsewhere(pulls, one)).find_map(|pull| {
        let marker = Marker::parse(&pull.body);
        if marker.as_ref().is_some_and(|marker| marker.closed.is_some()) || pull.labels.contains(LABEL_RETRY) {
            return None;
        }
        let closed_by = pulls.closers.get(&pull.number).cloned().flatten();
        if closed_by.as_ref().is_some_and(|login| pulls.ignored.contains(&login.to_lowercase())) {
            return None;
        }
        let is_higher = marker.as_ref().is_some_and(|marker| is_higher(snapshot, marker, one));
        let is_refused = !is_higher && !is_released(snapshot, pull, one);
        is_refused.then_some(Refusal { pull, closed_by, is_known: marker.is_some() })
    })
}

/// Gives what people closed of other branches for the same base that has a place in common, as far as all are known.
fn elsewhere<'a>(pulls: &'a Pulls, one: &Proposed<'_>) -> impl Iterator<Item = &'a PullRequest> {
    let places: BTreeSet<(String, String)> =
        one.commit.text.places.iter().map(|place| (place.file.clone(), place.key.clone())).collect();
    let (base, branch) = (one.base.branch.clone(), one.commit.text.branch.clone());
    let others = pulls.closed.iter().filter(move |(head, _)| pulls.has_all_closed && head.as_str() != branch);
    let is_about = move |pull: &&PullRequest| {
        let marker = Marker::parse(&pull.body).filter(|_| pull.base == base);
        let mut changes = marker.into_iter().flat_map(|marker| marker.changes);
        changes.any(|change| places.contains(&(change.file, change.key)))
    };
    others.flat_map(|(_, closed)| by_people(closed)).filter(is_about)
}

/// Tells whether what is wanted may come in a pull request that was closed: repin closed it, or it is what a person
/// refused, and somebody takes that back. What is above it gets one of its own.
pub(super) fn is_meant_again(snapshot: &Snapshot, pull: &PullRequest, one: &Proposed<'_>) -> bool {
    let Some(marker) = Marker::parse(&pull.body) else { return false };
    marker.closed.is_some() || !is_higher(snapshot, &marker, one)
}

/// The values by place.
pub fn values(changes: &[Change]) -> BTreeMap<(&str, &str), &str> {
    changes.iter().map(|change| ((change.file.as_str(), change.key.as_str()), change.new.as_str())).collect()
}

/// Tells whether something that is wanted is above what was refused, or was not there.
fn is_higher(snapshot: &Snapshot, marker: &Marker, one: &Proposed<'_>) -> bool {
    let refused = values(&marker.changes);
    let subjects = one.commit.subjects.iter().filter_map(|index| snapshot.subjects.get(*index));
    one.commit.text.places.iter().any(|place| {
        let Some(before) = refused.get(&(place.file.as_str(), place.key.as_str())) else {
            // What the marker had no room for may have been there.
            return marker.more == 0;
        };
        let subject = subjects.clone().find(|subject| {
            subject.located.as_ref().is_some_and(|located| located.file.as_str() == place.file)
                && shown_key(subject).as_deref() == Some(place.key.as_str())
        });
        subject.is_some_and(|subject| is_above(snapshot, subject, &place.new, before))
    })
}

fn is_above(snapshot: &Snapshot, subject: &Subject, new: &str, refused: &str) -> bool {
    if new == refused {
        return false;
    }
    let tag = |text: &str| text.split('@').next().unwrap_or_default().to_owned();
    let (new, refused) = (tag(new), tag(refused));
    let image = subject.tracked.asked.as_ref();
    let known = image.map(|image| builds(snapshot, image, &subject.tracked.policy)).unwrap_or_default();
    match selection::compare(&subject.tracked.policy, &known, &new, &refused) {
        Some(Ordering::Less) => false,
        // The same tag with another digest, or no order at all: something else.
        Some(Ordering::Equal | Ordering::Greater) | None => true,
    }
}

/// Tells whether a commit since then releases what is wanted.
fn is_released(snapshot: &Snapshot, pull: &PullRequest, one: &Proposed<'_>) -> bool {
    let Some(closed) = pull.closed else { return false };
    let subjects = one.commit.subjects.iter().filter_map(|index| snapshot.subjects.get(*index));
    subjects.into_iter().any(|subject| {
        let tracked = &subject.tracked;
        let wanted = one.commit.text.places.iter().find(|place| place.alias == tracked.alias).map(|place| &place.new);
        let is_wanted = |tag: &str| wanted.is_some_and(|wanted| wanted == tag || wanted.split('@').next() == Some(tag));
        subject.timeline.releases.iter().any(|release| {
            release.time > closed
                && concerns(&release.resume, &tracked.application, &tracked.alias)
                && release.resume.tag.as_deref().is_none_or(is_wanted)
        })
    })
}
