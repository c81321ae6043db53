//! Act: commits in the object database, one push per branch, and the ref read back. Chooses nothing.

mod by_forge;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tracing::{info, warn};

use crate::git::{Authorship, GitError};
use crate::model::change::ChangeSet;
use crate::model::history::CommitId;
use crate::model::names::{Branch, RepoPath};
use crate::model::outcome::{Outcome, OutcomeResult};
use crate::model::problem::{Problem, Severity};
use crate::plan::Failure;
use crate::reconcile::repository::{Repository, failure_of, not_open};
use crate::reconcile::retry::Tries;
use crate::reconcile::stop::{Stop, hold_back};
use crate::reconcile::workers::{defect, on_each};
use crate::reconcile::{CycleReport, Reconciler, failpoint};

impl Reconciler {
    /// Delivers the change sets into the report's outcomes. A moved head is noted in `tries`, and without another try a
    /// failure. Keeps in `sets` what was written.
    pub(super) async fn act(
        &mut self,
        sets: &mut Vec<ChangeSet>,
        report: &mut CycleReport,
        delivered: &mut BTreeMap<String, Outcome>,
        tries: &mut Tries,
    ) {
        for set in sets.extract_if(.., |set| tries.settled(set).is_some()) {
            if let Some(failure) = tries.settled(&set) {
                refuse(report, &set, failure.clone());
            }
        }
        let pieces: Vec<Arc<Vec<ChangeSet>>> = self
            .repositories
            .iter()
            .map(|repository| Arc::new(sets.extract_if(.., |set| set.repository == repository.options.name).collect()))
            .collect();
        let made = self.made_by_forges(&pieces, report, tries).await;
        let (authorship, stop) = (self.options.authorship.clone(), self.stop());
        let work = pieces.iter().cloned().zip(made).collect();
        let answers = on_each(&mut self.repositories, work, move |repository, (sets, made): Work| {
            let commits = |set: &ChangeSet| match made.as_ref().map(|made| made.get(&set.branch)) {
                None => Some(deliver(repository, set, &authorship, &stop)),
                Some(commit) => commit.map(|commit| Ok(read_back(repository, set, commit)?)),
            };
            sets.iter().map(commits).collect::<Vec<_>>()
        })
        .await;
        for ((repository, piece), answer) in self.repositories.iter().zip(pieces).zip(answers) {
            let name = &repository.options.name;
            let Some(results) = answer else {
                piece.iter().for_each(|set| refuse(report, set, defect(name)));
                continue;
            };
            for (set, result) in piece.iter().zip(results) {
                // What the forge did not make was said where it was asked.
                let Some(result) = result else { continue };
                match result {
                    Ok(commits) => {
                        tell_of_override(report, set);
                        record(report, delivered, set, &commits, None);
                        sets.push(set.clone());
                    }
                    Err(Undelivered::Stopped(reason)) => hold_back(report, set, &reason),
                    Err(Undelivered::Git(GitError::Moved { .. })) if tries.lost(set) => {}
                    Err(Undelivered::Git(error)) => {
                        let failure = failure_of(name, &error);
                        tries.settle(set, failure.clone());
                        refuse(report, set, failure);
                    }
                }
            }
        }
    }
}

/// The change sets of one repository, and the commits that its forge made for them by branch, if it makes them.
type Work = (Arc<Vec<ChangeSet>>, Option<BTreeMap<Branch, CommitId>>);

/// Brings a commit that the forge made here, and makes sure of it.
fn read_back(repository: &mut Repository, set: &ChangeSet, commit: &CommitId) -> Result<Vec<CommitId>, GitError> {
    repository.expire();
    let url = repository.options.url.clone();
    repository.mirror().ok_or_else(|| not_open(&url))?.read_back(&set.branch, commit)?;
    Ok(vec![*commit])
}

/// Why a change set was not delivered.
enum Undelivered {
    /// An emergency stop, with its reason.
    Stopped(String),
    /// Git.
    Git(GitError),
}

impl From<GitError> for Undelivered {
    fn from(error: GitError) -> Self {
        Self::Git(error)
    }
}

fn deliver(
    repository: &mut Repository,
    set: &ChangeSet,
    authorship: &Authorship,
    stop: &Stop,
) -> Result<Vec<CommitId>, Undelivered> {
    repository.expire();
    let url = repository.options.url.clone();
    let mirror = repository.mirror().ok_or_else(|| not_open(&url))?;
    let mut parent = set.head;
    let mut commits = Vec::new();
    for commit in &set.commits {
        let files: Vec<(RepoPath, Vec<u8>)> =
            commit.files.iter().map(|file| (file.path.clone(), file.after.clone().into_bytes())).collect();
        let new: Vec<_> = commit.files.iter().filter(|file| file.is_new).map(|file| file.path.clone()).collect();
        parent = mirror.commit(&parent, (&files, &new), &commit.message, authorship, Timestamp::now())?;
        commits.push(parent);
    }
    failpoint::reach("objects");
    if let Some(reason) = stop.reason() {
        return Err(Undelivered::Stopped(reason));
    }
    if set.branch == set.base {
        mirror.push(&set.branch, &set.head, &parent)?;
    } else {
        mirror.create_branch(&set.branch, &parent)?;
    }
    failpoint::reach("push");
    mirror.read_back(&set.branch, &parent)?;
    failpoint::reach("read-back");
    Ok(commits)
}

/// The target of the log's lines on what an override let through.
pub const OVERRIDE_LOG: &str = "repin::override";

/// Says who let through what was written although something held it.
pub(super) fn tell_of_override(report: &CycleReport, set: &ChangeSet) {
    for subject in set.commits.iter().flat_map(|commit| &commit.subjects) {
        let lifted = report.judgements.get(*subject).and_then(|judgement| judgement.let_through.as_ref());
        if let (Some(lifted), Some(outcome)) = (lifted, report.outcomes.get(*subject)) {
            warn!(
                target: OVERRIDE_LOG,
                application = outcome.application,
                repository = outcome.repository,
                image = outcome.image,
                "an override let through {} for {}: {lifted}",
                outcome.to.as_deref().unwrap_or_default(),
                outcome.application
            );
        }
    }
}

/// Notes that commits brought what they were planned for, and the pull request that proposes them.
pub(super) fn record(
    report: &mut CycleReport,
    delivered: &mut BTreeMap<String, Outcome>,
    set: &ChangeSet,
    commits: &[CommitId],
    pull_request: Option<&str>,
) {
    for (planned, commit) in set.commits.iter().zip(commits) {
        for subject in &planned.subjects {
            let Some(outcome) = report.outcomes.get_mut(*subject) else { continue };
            outcome.result = OutcomeResult::Delivered;
            outcome.code = "delivered".to_owned();
            outcome.commit = Some(commit.to_string());
            outcome.pull_request = pull_request.map(str::to_owned);
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

pub(super) fn refuse(report: &mut CycleReport, set: &ChangeSet, failure: Failure) {
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
        repository: Some(set.repository.clone()),
        file: None,
        line: None,
        message: failure.message,
        hint: failure.hint,
    });
}
