//! Commits that the forge makes on branches that are written directly, so that it shows them as verified: one for each
//! branch and cycle, on top of the head that was planned on.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::forge::ForgeError;
use crate::model::change::ChangeSet;
use crate::model::history::CommitId;
use crate::model::names::Branch;
use crate::plan::Failure;
use crate::reconcile::act::refuse;
use crate::reconcile::propose::{forge_file, is_by_forge};
use crate::reconcile::pulls::failure;
use crate::reconcile::repository::{Repository, failure_of, not_open};
use crate::reconcile::retry::Tries;
use crate::reconcile::stop::hold_back;
use crate::reconcile::workers::on_each;
use crate::reconcile::{CycleReport, Reconciler, failpoint};

impl Reconciler {
    /// Has the forges make commits. Gives those of each repository whose forge does so; what was not made is said in the
    /// report, or noted in `tries`.
    pub(super) async fn made_by_forges(
        &mut self,
        pieces: &[Arc<Vec<ChangeSet>>],
        report: &mut CycleReport,
        tries: &mut Tries,
    ) -> Vec<Option<BTreeMap<Branch, CommitId>>> {
        let by_forge: Vec<bool> = self.repositories.iter().map(is_by_forge).collect();
        let mut made: Vec<_> = by_forge.iter().map(|by_forge| by_forge.then(BTreeMap::new)).collect();
        if !pieces.iter().zip(&by_forge).any(|(piece, by_forge)| *by_forge && !piece.is_empty()) {
            return made;
        }
        if let Some(reason) = self.stop().reason() {
            let held = pieces.iter().zip(&by_forge).filter(|(_, by_forge)| **by_forge);
            held.flat_map(|(piece, _)| piece.iter()).for_each(|set| hold_back(report, set, &reason));
            return made;
        }
        let work = pieces.iter().cloned().zip(by_forge).collect();
        let begun =
            on_each(&mut self.repositories, work, |repository, (sets, by_forge): (Arc<Vec<ChangeSet>>, bool)| {
                sets.iter().map(|set| if by_forge { begin(repository, set) } else { Ok(()) }).collect::<Vec<_>>()
            })
            .await;
        let names: Vec<String> = self.repositories.iter().map(|repository| repository.options.name.clone()).collect();
        for (((name, piece), begun), made) in names.iter().zip(pieces).zip(begun).zip(&mut made) {
            let (Some(made), Some(held)) = (made, self.forges.of_repository(name)) else { continue };
            for (set, begun) in piece.iter().zip(begun.unwrap_or_default()) {
                let Some(planned) = set.commits.first() else { continue };
                if let Some(reason) = self.stop().reason() {
                    hold_back(report, set, &reason);
                    continue;
                }
                let files: Vec<_> = planned.files.iter().map(forge_file).collect();
                let result = match begun {
                    Ok(()) => {
                        let commit =
                            held.forge.commit(&held.project, &set.branch, &set.head, &planned.message, &files).await;
                        commit.map_err(|error| (matches!(error, ForgeError::Moved { .. }), failure(name, &error)))
                    }
                    Err((is_moved, failure)) => Err((is_moved, failure)),
                };
                failpoint::reach("push");
                match result {
                    Ok(commit) => drop(made.insert(set.branch.clone(), commit)),
                    Err((true, _)) if tries.lost(set) => {}
                    Err((_, failure)) => {
                        tries.settle(set, failure.clone());
                        refuse(report, set, failure);
                    }
                }
            }
        }
        made
    }
}

/// Makes the branch that is to be written, if it is a new one.
fn begin(repository: &mut Repository, set: &ChangeSet) -> Result<(), (bool, Failure)> {
    if set.branch == set.base {
        return Ok(());
    }
    let (url, name) = (repository.options.url.clone(), repository.options.name.clone());
    let mirror = repository.mirror().ok_or_else(|| not_open(&url));
    let made = mirror.and_then(|mirror| mirror.create_branch(&set.branch, &set.head));
    made.map_err(|error| (matches!(error, crate::git::GitError::Moved { .. }), failure_of(&name, &error)))
}
