//! Commits that the forge makes, so that it shows them as verified.

use tracing::warn;

use crate::forge::ForgeError;
use crate::git::RefUpdate;
use crate::model::forge::ForgeFile;
use crate::model::history::CommitId;
use crate::model::names::Branch;
use crate::reconcile::Reconciler;
use crate::reconcile::propose::job::{Job, Trouble};
use crate::reconcile::propose::{fetch, forge_file, push, workshop};
use crate::reconcile::pulls::failure;
use crate::reconcile::workers::{defect, on_each};

impl Reconciler {
    /// Has forges make commits: on a branch of their own at the head of the base, because a branch that a pull request is
    /// for must never stand where its base stands, which closes it.
    /// The jobs get their commits; whose branch is where it was gets it later.
    pub(super) async fn commit_by_forges(&mut self, jobs: &mut [Vec<Job>]) {
        let is_left = |job: &Job| job.is_good() && job.commit.is_none();
        if !jobs.iter().flatten().any(is_left) {
            return;
        }
        let workshops = |jobs: &Vec<Job>, end: bool| -> Vec<RefUpdate> {
            let update = |job: &Job| {
                let branch: Branch = workshop(&job.set.branch)?;
                let new = (!end).then_some(job.set.head);
                Some(RefUpdate { branch, expected: None, new })
            };
            jobs.iter().filter(|job| is_left(job)).filter_map(update).collect()
        };
        let pieces: Vec<Vec<RefUpdate>> = jobs.iter().map(|jobs| workshops(jobs, false)).collect();
        let answers = on_each(&mut self.repositories, pieces, |repository, updates| {
            let advertised = repository.advertised();
            let at = |update: RefUpdate| RefUpdate { expected: advertised.get(&update.branch).copied(), ..update };
            push(repository, &updates.into_iter().map(at).collect::<Vec<_>>())
        })
        .await;
        let mut made: Vec<Vec<(Branch, CommitId)>> = Vec::new();
        let names: Vec<String> = self.repositories.iter().map(|repository| repository.options.name.clone()).collect();
        for ((name, jobs), answer) in names.iter().zip(jobs.iter_mut()).zip(answers) {
            let held = self.forges.of_repository(name).cloned();
            let mut results = answer.unwrap_or_default().into_iter();
            let mut here = Vec::new();
            for job in jobs.iter_mut().filter(|job| is_left(job)) {
                let (Some(held), Some(branch)) = (&held, workshop(&job.set.branch)) else { continue };
                if let Some(Err(error)) = results.next() {
                    job.fail(&error);
                    continue;
                }
                let Some(planned) = job.set.commits.first() else { continue };
                let files: Vec<ForgeFile> = planned.files.iter().map(forge_file).collect();
                let result = held.forge.commit(&held.project, &branch, &job.set.head, &planned.message, &files).await;
                match result {
                    Ok(commit) => {
                        (job.commit, job.is_pushed) = (Some(commit), true);
                        here.push((branch, commit));
                    }
                    Err(ForgeError::Moved { .. }) => job.failure = Some(Trouble::Moved),
                    Err(error) => job.failure = Some(Trouble::Failed(failure(name, &error))),
                }
            }
            made.push(here);
        }
        // Their objects are needed here, and their branches no more.
        let answers = on_each(&mut self.repositories, made.clone(), |repository, made| {
            for (branch, commit) in &made {
                fetch(repository, &format!("refs/heads/{branch}"), commit)?;
            }
            let delete = |(branch, commit): (Branch, CommitId)| RefUpdate { branch, expected: Some(commit), new: None };
            push(repository, &made.into_iter().map(delete).collect::<Vec<_>>())
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
        })
        .await;
        for ((jobs, answer), name) in jobs.iter_mut().zip(answers).zip(&names) {
            match answer {
                Some(Ok(_)) => {}
                Some(Err(error)) => warn!("a branch on which the forge made a commit is left over: {error}"),
                None => jobs.iter_mut().for_each(|job| {
                    job.failure = Some(Trouble::Failed(defect(name)));
                }),
            }
        }
    }
}
