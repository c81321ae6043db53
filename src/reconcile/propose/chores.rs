//! What is done about pull requests besides: closed, told, and their branches deleted.

use tracing::info;

use crate::git::{GitError, RefUpdate};
use crate::model::change::Chore;
use crate::model::problem::Severity;
use crate::reconcile::propose::ensure::At;
use crate::reconcile::propose::{problem, push};
use crate::reconcile::pulls::failure;
use crate::reconcile::repository::failure_of;
use crate::reconcile::workers::on_each;
use crate::reconcile::{CycleReport, Reconciler, failpoint};

impl Reconciler {
    /// Closes what nobody wants, says what is to be said, and deletes branches, each after its pull request was closed: a
    /// forge that closes by itself would not say why.
    pub(super) async fn do_chores(&mut self, chores: Vec<Chore>, report: &mut CycleReport) {
        let mut deleted: Vec<Vec<RefUpdate>> = self.repositories.iter().map(|_| Vec::new()).collect();
        for chore in chores {
            // The next cycle finds what is left to do.
            if self.stop().reason().is_some() {
                break;
            }
            let name = match &chore {
                Chore::Close { repository, .. }
                | Chore::Delete { repository, .. }
                | Chore::Tell { repository, .. }
                | Chore::StopMerge { repository, .. } => repository.clone(),
            };
            let at = self.repositories.iter().position(|repository| repository.options.name == name);
            let (Some(slot), Some(held)) =
                (at.and_then(|at| deleted.get_mut(at)), self.forges.of_repository(&name).cloned())
            else {
                continue;
            };
            let instance = &report.snapshot.instance;
            let at = At { forge: &held.forge, project: &held.project, repository: &name, instance };
            let result = match chore {
                Chore::Close { number, branch, head, body, reason, .. } => {
                    let closed = at.close(number, &branch, &body, &reason).await;
                    if closed.is_ok() {
                        info!(repository = name, number, "closed pull request #{number}: {reason}");
                        slot.extend(head.map(|head| RefUpdate { branch, expected: Some(head), new: None }));
                    }
                    closed
                }
                Chore::Delete { branch, head, .. } => {
                    slot.push(RefUpdate { branch, expected: Some(head), new: None });
                    Ok(())
                }
                Chore::StopMerge { pull, .. } => {
                    let stopped = at.stop_merge(&pull).await;
                    if stopped.is_ok() {
                        info!(
                            repository = name,
                            number = pull.number,
                            "pull request #{} waits to be merged",
                            pull.number
                        );
                    }
                    stopped
                }
                Chore::Tell { number, branch, body, notice, .. } => at.tell(number, &branch, &body, &notice).await,
            };
            if let Err(error) = result {
                report.problems.push(problem(Severity::Error, &name, failure(&name, &error)));
            }
        }
        failpoint::reach("pulls-closed");
        if deleted.iter().all(Vec::is_empty) || self.stop().reason().is_some() {
            return;
        }
        let answers = on_each(&mut self.repositories, deleted, |repository, updates| push(repository, &updates)).await;
        for (repository, answer) in self.repositories.iter().zip(answers) {
            let name = &repository.options.name;
            for error in answer.unwrap_or_default().into_iter().filter_map(Result::err) {
                // Whoever moved it may want it; the next cycle looks again.
                if !matches!(error, GitError::Moved { .. }) {
                    report.problems.push(problem(Severity::Warning, name, failure_of(name, &error)));
                }
            }
        }
    }
}
