//! One pull request on its way, and its commit.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::git::{Authorship, GitError, RefUpdate};
use crate::message::trailers::Trailers;
use crate::model::change::{ChangeSet, Proposal};
use crate::model::codeowners;
use crate::model::forge::PullRequest;
use crate::model::history::{CommitId, MadeHead};
use crate::plan::Failure;
use crate::reconcile::repository::{Repository, failure_of, not_open};

/// One pull request on its way.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) set: ChangeSet,
    pub(super) proposal: Proposal,
    /// The commit that the branch is to hold.
    pub(super) commit: Option<CommitId>,
    /// The branch has to be moved there.
    pub(super) is_pushed: bool,
    /// The pull request as it was when it was decided on.
    pub(super) pull: Option<PullRequest>,
    /// The logins and teams that own the changed files.
    pub(super) owners: BTreeSet<String>,
    pub(super) failure: Option<Trouble>,
}

/// Why it does not go on.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// A branch moved: everything is decided again.
    Moved,
    /// An emergency stop, with its reason.
    Stopped(String),
    /// Anything else.
    Failed(Failure),
}

impl Job {
    pub(super) fn new(set: ChangeSet, proposal: Proposal, pull: Option<PullRequest>) -> Self {
        Self { set, proposal, commit: None, is_pushed: false, pull, owners: BTreeSet::new(), failure: None }
    }

    /// Nothing went wrong yet.
    pub(super) fn is_good(&self) -> bool {
        self.failure.is_none()
    }

    /// Notes what Git did not do.
    pub(super) fn fail(&mut self, error: &GitError) {
        self.failure = Some(match error {
            GitError::Moved { .. } => Trouble::Moved,
            other => Trouble::Failed(failure_of(&self.set.repository, other)),
        });
    }

    /// Gives what is pushed.
    pub(super) fn update(&self) -> Option<RefUpdate> {
        let is_sent = self.is_good() && self.is_pushed;
        is_sent.then(|| RefUpdate {
            branch: self.set.branch.clone(),
            expected: self.proposal.expected,
            new: self.commit,
        })
    }
}

/// Makes the commit of one pull request, unless the branch holds the same already: two instances do not make each other's
/// work anew, so trees and parents are compared, not ids.
pub(super) fn commit(
    repository: &mut Repository,
    job: &mut Job,
    by: &Authorship,
    by_forge: bool,
) -> Result<(), GitError> {
    if job.proposal.is_written {
        job.commit = job.proposal.expected;
    }
    let Some(planned) = job.set.commits.first() else { return Ok(()) };
    let url = repository.options.url.clone();
    let owners = job.proposal.asks_owners.then(|| repository.owners_file(&job.set.head)).flatten();
    if let Some((text, syntax)) = owners {
        let paths: Vec<&str> = planned.files.iter().map(|file| file.path.as_str()).collect();
        job.owners = codeowners::owners(&text, syntax, &paths);
    }
    if job.commit.is_some() {
        return Ok(());
    }
    let mirror = repository.mirror().ok_or_else(|| not_open(&url))?;
    let files: Vec<_> = planned.files.iter().map(|file| (file.path.clone(), file.after.clone().into_bytes())).collect();
    let new: Vec<_> = planned.files.iter().filter(|file| file.is_new).map(|file| file.path.clone()).collect();
    if let Some(expected) = &job.proposal.expected {
        let tree = mirror.would_be_tree(&job.set.head, (&files, &new))?;
        // The trailers too: a tag that was pushed anew is the same text with another digest.
        let wanted = Trailers::parse(&planned.message).changes;
        let is_same = |made: MadeHead| {
            let is_told = Trailers::parse(&made.message).changes == wanted;
            made.tree == tree && made.parents == [job.set.head] && is_told
        };
        let is_forced = !job.proposal.spent_labels.is_empty();
        if !is_forced && mirror.made_head(expected).is_ok_and(is_same) {
            job.commit = Some(*expected);
            return Ok(());
        }
    }
    if !by_forge {
        job.commit = Some(mirror.commit(&job.set.head, (&files, &new), &planned.message, by, Timestamp::now())?);
        job.is_pushed = true;
    }
    Ok(())
}
