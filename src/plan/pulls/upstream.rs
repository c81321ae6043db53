//! What upstream holds no more of what pull requests bring.

use std::collections::BTreeMap;

use crate::message::pull_request::Marker;
use crate::message::trailers::Change;
use crate::model::forge::PullRequest;
use crate::model::names::Branch;
use crate::plan::judge::is_within_reach;
use crate::plan::promotion::Promoted;
use crate::plan::pulls::Head;
use crate::plan::rollback::tag_of;
use crate::plan::{Snapshot, shown_key};

/// Places by repository, file and key path, with the positions of those who want them.
type Owners<'a> = BTreeMap<(&'a str, &'a str, String), Vec<usize>>;

/// What is upstream of every place.
pub(super) struct Upstream<'a> {
    snapshot: &'a Snapshot,
    promoted: &'a BTreeMap<usize, Promoted>,
    owners: Owners<'a>,
}

impl<'a> Upstream<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, promoted: &'a BTreeMap<usize, Promoted>) -> Self {
        let mut owners = Owners::new();
        for (index, subject) in snapshot.subjects.iter().enumerate().filter(|(_, subject)| is_within_reach(subject)) {
            let (Some(target), Some(located), Some(key)) =
                (&subject.tracked.target, &subject.located, shown_key(subject))
            else {
                continue;
            };
            let place = (target.base.repository.as_str(), located.file.as_str(), key);
            owners.entry(place).or_default().push(index);
        }
        Self { snapshot, promoted, owners }
    }

    /// Gives the positions of those who want the place of a change to a base, and may write it.
    pub(super) fn owners_of(&self, repository: &str, base: &Branch, change: &Change) -> Vec<usize> {
        let key = (repository, change.file.as_str(), change.key.clone());
        let is_on_base = |index: &&usize| {
            let subject = self.snapshot.subjects.get(**index);
            let target = subject.and_then(|subject| subject.tracked.target.as_ref());
            target.is_some_and(|target| target.base.branch == *base)
        };
        self.owners.get(&key).into_iter().flatten().filter(is_on_base).copied().collect()
    }

    /// Says that upstream does not hold a change's value any more, if that is known.
    pub(super) fn withdrawn(&self, repository: &str, base: &Branch, change: &Change) -> Option<String> {
        let pinned = change.digest.as_deref().or_else(|| change.new.split_once('@').map(|(_, digest)| digest));
        self.owners_of(repository, base, change).into_iter().find_map(|index| {
            let promoted = self.promoted.get(&index)?;
            if promoted.still_holds(tag_of(&change.new), pinned) != Some(false) {
                return None;
            }
            let tracked = &self.snapshot.subjects.get(index)?.tracked;
            let (application, alias) = (tracked.application.label(), &tracked.alias);
            Some(format!("{application} ({alias}): `{}` holds {} no more", promoted.promotion, tag_of(&change.new)))
        })
    }

    /// Tells whether an open pull request brings a value that upstream does not hold any more, be it of a place that now
    /// waits.
    pub(super) fn is_stale(&self, repository: &str, pull: &PullRequest, head: Option<&Head>) -> bool {
        brought(pull, head).iter().any(|change| self.withdrawn(repository, &pull.base, change).is_some())
    }
}

/// Gives what a pull request brings: as the commit on its branch says, or, where somebody else committed there, as it was when
/// we wrote it.
pub(super) fn brought(pull: &PullRequest, head: Option<&Head>) -> Vec<Change> {
    let own = head.filter(|head| head.is_ours).map(|head| head.changes.clone());
    let marker = || Marker::parse(&pull.body).map(|marker| marker.changes);
    own.or_else(marker).unwrap_or_default()
}
