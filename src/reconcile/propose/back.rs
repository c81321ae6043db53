//! Pull requests that are opened again.

use std::collections::BTreeMap;

use crate::forge::ForgeError;
use crate::git::RefUpdate;
use crate::model::change::Request;
use crate::model::forge::PullUpdate;
use crate::reconcile::Reconciler;
use crate::reconcile::propose::job::{Job, Trouble};
use crate::reconcile::propose::{fetch, push};
use crate::reconcile::pulls::failure;
use crate::reconcile::workers::on_each;

impl Reconciler {
    /// Brings branches back to where they were when their pull request was closed, and opens those again. Where that does
    /// not go a new one is opened.
    pub(super) async fn bring_back(&mut self, mut jobs: Vec<Vec<Job>>) -> Vec<Vec<Job>> {
        let is_reopened = |job: &&mut Job| job.is_good() && matches!(job.proposal.request, Request::Reopen(..));
        if !jobs.iter().flatten().any(|job| matches!(job.proposal.request, Request::Reopen(..))) {
            return jobs;
        }
        let pieces: Vec<Vec<(u64, RefUpdate)>> = jobs
            .iter()
            .map(|jobs| {
                let update = |job: &Job| match job.proposal.request {
                    Request::Reopen(number, Some(commit)) if job.is_good() && job.proposal.expected != Some(commit) => {
                        let (branch, expected) = (job.set.branch.clone(), job.proposal.expected);
                        Some((number, RefUpdate { branch, expected, new: Some(commit) }))
                    }
                    _ => None,
                };
                jobs.iter().filter_map(update).collect()
            })
            .collect();
        let answers = on_each(&mut self.repositories, pieces, |repository, updates| {
            let mut here = Vec::new();
            for (number, update) in updates {
                let Some(commit) = update.new else { continue };
                let references = [format!("refs/pull/{number}/head"), format!("refs/merge-requests/{number}/head")];
                let is_here = references.iter().any(|name| fetch(repository, name, &commit).unwrap_or(false));
                if is_here {
                    here.push(update);
                }
            }
            let results = push(repository, &here);
            let good = here.into_iter().zip(results).filter(|(_, result)| result.is_ok());
            good.map(|(update, _)| (update.branch, update.new)).collect::<BTreeMap<_, _>>()
        })
        .await;
        let names: Vec<String> = self.repositories.iter().map(|repository| repository.options.name.clone()).collect();
        for ((name, jobs), moved) in names.iter().zip(jobs.iter_mut()).zip(answers) {
            let moved = moved.unwrap_or_default();
            let held = self.forges.of_repository(name).cloned();
            for job in jobs.iter_mut().filter(is_reopened) {
                if let Some(now) = moved.get(&job.set.branch) {
                    job.proposal.expected = *now;
                    job.is_pushed |= job.commit != *now;
                }
                let (Request::Reopen(number, _), Some(held)) = (&job.proposal.request, &held) else { continue };
                let open = PullUpdate { is_open: Some(true), ..PullUpdate::default() };
                match held.forge.update(&held.project, *number, &open).await {
                    Ok(_) => job.proposal.request = Request::Update(*number),
                    // The branch is gone for good, or stood elsewhere since then.
                    Err(ForgeError::Refused { .. } | ForgeError::NotFound { .. }) => {
                        (job.proposal.request, job.pull) = (Request::Open, None);
                    }
                    Err(error) => {
                        job.failure = Some(Trouble::Failed(failure(&job.set.repository, &error)));
                    }
                }
            }
        }
        jobs
    }
}
