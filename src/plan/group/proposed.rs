//! What goes to its branch by a pull request: one commit for each group.

use std::collections::BTreeMap;

use crate::model::change::PlannedCommit;
use crate::model::history::CommitId;
use crate::model::tracked::RemoteBranch;
use crate::plan::Snapshot;
use crate::plan::group::unit::Unit;
use crate::plan::group::wishes::Wishes;
use crate::plan::group::{Editor, Units, join};
use crate::plan::judge::{Judgement, no_such_branch};
use crate::plan::owners::{Place, place};

/// The commit of one group that a pull request is to bring.
#[derive(Debug)]
pub(in crate::plan) struct Proposed<'a> {
    /// The branch that it is for.
    pub(in crate::plan) base: &'a RemoteBranch,
    /// Its head.
    pub(in crate::plan) head: CommitId,
    /// What is changed together.
    pub(in crate::plan) unit: Unit<'a>,
    /// The commit.
    pub(in crate::plan) commit: PlannedCommit,
    /// What rules and annotations wish of the pull request.
    pub(in crate::plan) wishes: Wishes,
}

/// Makes one commit for each group, every one from the head of the base. A place that several groups want is written by
/// the first of them, for all.
pub(super) fn propose<'a>(
    snapshot: &'a Snapshot,
    judgements: &mut [Judgement],
    by_pull: BTreeMap<&'a RemoteBranch, Units<'a>>,
) -> Vec<Proposed<'a>> {
    let mut proposed: Vec<Proposed<'a>> = Vec::new();
    for (base, units) in by_pull {
        let Some(head) = snapshot.heads.get(base) else {
            let failure = no_such_branch(base);
            for index in units.into_values().flatten() {
                judgements[index] = Judgement::failed(&failure).with(judgements[index].to.take(), None);
            }
            continue;
        };
        let mut taken: BTreeMap<Place<'_>, usize> = BTreeMap::new();
        for (unit, mut indexes) in units {
            indexes.sort_by_key(|index| &snapshot.subjects[*index].tracked.application);
            let mut own = Vec::new();
            for index in indexes {
                let subject = &snapshot.subjects[index];
                match place(subject).and_then(|place| taken.get(&place)).and_then(|at| proposed.get_mut(*at)) {
                    Some(other) => join(&mut other.commit, index, subject),
                    None => own.push(index),
                }
            }
            let mut editor =
                Editor { snapshot, base, branch: &base.branch, texts: BTreeMap::new(), done: BTreeMap::new() };
            let Some(commit) = editor.commit(&own, judgements) else { continue };
            let mut commits = [commit];
            editor.share(&mut commits, judgements, &own.iter().copied().collect());
            let [commit] = commits;
            taken.extend(editor.done.into_keys().map(|place| (place, proposed.len())));
            proposed.push(Proposed { base, head: *head, unit, commit, wishes: Wishes::default() });
        }
    }
    // Of all owners of its places, whatever group they are in.
    for one in &mut proposed {
        let subjects = one.commit.subjects.iter().filter_map(|index| snapshot.subjects.get(*index));
        one.wishes = Wishes::of(subjects.map(AsRef::as_ref));
        // A person decides whether to go back.
        if one.commit.subjects.iter().any(|index| judgements.get(*index).is_some_and(|judgement| judgement.goes_back)) {
            one.wishes.auto_merge = None;
        }
    }
    proposed
}
