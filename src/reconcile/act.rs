//! Act: commits in the object database, one push per branch, and the ref read back. Chooses nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::git::{GitError, Identity};
use crate::model::change::ChangeSet;
use crate::model::history::CommitId;
use crate::model::names::RepoPath;
use crate::model::outcome::{Outcome, OutcomeResult};
use crate::model::problem::{Problem, Severity};
use crate::reconcile::repository::{Repository, failure_of, not_open};
use crate::reconcile::{CycleReport, Reconciler, failpoint, lost_worker};

/// What became of one change set: the id of each commit, or why nothing of it was written.
type Delivered = (usize, Repository, Vec<(ChangeSet, Result<Vec<CommitId>, GitError>)>);

impl Reconciler {
    /// Delivers the change sets into the report's outcomes. Tells whether a head moved, so that the caller starts over;
    /// on the last try a moved head is a failure. Keeps in `sets` what was written.
    pub(super) async fn act(
        &mut self,
        sets: &mut Vec<ChangeSet>,
        report: &mut CycleReport,
        delivered: &mut BTreeMap<String, Outcome>,
        is_last: bool,
    ) -> bool {
        let mut tasks: JoinSet<Delivered> = JoinSet::new();
        for (at, mut repository) in std::mem::take(&mut self.repositories).into_iter().enumerate() {
            let mine: Vec<ChangeSet> = sets.extract_if(.., |set| set.repository == repository.options.name).collect();
            let identity = self.options.identity.clone();
            tasks.spawn_blocking(move || {
                let done = mine.into_iter().map(|set| {
                    let result = deliver(&mut repository, &set, &identity);
                    (set, result)
                });
                let done = done.collect();
                (at, repository, done)
            });
        }
        let mut moved = false;
        let mut repositories = Vec::new();
        while let Some(result) = tasks.join_next().await {
            let Ok((at, repository, done)) = result else {
                lost_worker("delivers to a repository");
                continue;
            };
            for (set, result) in done {
                match result {
                    Ok(commits) => {
                        record(report, delivered, &set, &commits);
                        sets.push(set);
                    }
                    Err(error) if matches!(error, GitError::Moved { .. }) && !is_last => moved = true,
                    Err(error) => refuse(report, &set, &repository.options.name, &error),
                }
            }
            repositories.push((at, repository));
        }
        repositories.sort_by_key(|(at, _)| *at);
        self.repositories = repositories.into_iter().map(|(_, repository)| repository).collect();
        moved
    }
}

fn deliver(repository: &mut Repository, set: &ChangeSet, identity: &Identity) -> Result<Vec<CommitId>, GitError> {
    let url = repository.options.url.clone();
    let mirror = repository.mirror().ok_or_else(|| not_open(&url))?;
    let mut parent = set.head;
    let mut commits = Vec::new();
    for commit in &set.commits {
        let files: Vec<(RepoPath, Vec<u8>)> =
            commit.files.iter().map(|file| (file.path.clone(), file.after.clone().into_bytes())).collect();
        parent = mirror.commit(&parent, &files, &commit.message, identity, Timestamp::now())?;
        commits.push(parent);
    }
    failpoint::reach("objects");
    mirror.push(&set.branch, &set.head, &parent)?;
    failpoint::reach("push");
    mirror.read_back(&set.branch, &parent)?;
    failpoint::reach("read-back");
    Ok(commits)
}

fn record(report: &mut CycleReport, delivered: &mut BTreeMap<String, Outcome>, set: &ChangeSet, commits: &[CommitId]) {
    for (planned, commit) in set.commits.iter().zip(commits) {
        for subject in &planned.subjects {
            let Some(outcome) = report.outcomes.get_mut(*subject) else { continue };
            outcome.result = OutcomeResult::Delivered;
            outcome.code = "delivered".to_owned();
            outcome.commit = Some(commit.to_string());
            delivered.insert(outcome.id.clone(), outcome.clone());
            info!(
                application = outcome.application,
                repository = outcome.repository,
                image = outcome.image,
                tag = outcome.to.as_deref().unwrap_or_default(),
                commit = %commit,
                "wrote {} for {}", outcome.to.as_deref().unwrap_or_default(), outcome.application
            );
        }
    }
}

fn refuse(report: &mut CycleReport, set: &ChangeSet, repository: &str, error: &GitError) {
    let failure = failure_of(repository, error);
    warn!(repository, code = failure.code, "{}", failure.message);
    for subject in set.commits.iter().flat_map(|commit| &commit.subjects) {
        if let Some(outcome) = report.outcomes.get_mut(*subject) {
            outcome.result = OutcomeResult::Failed;
            outcome.code = failure.code.clone();
            outcome.message = failure.message.clone();
        }
    }
    report.problems.push(Problem {
        severity: Severity::Error,
        code: failure.code,
        repository: Some(repository.to_owned()),
        file: None,
        line: None,
        message: failure.message,
        hint: failure.hint,
    });
}
