//! Branches that repin makes, and what people point to: their heads, and what was pushed to them read back.

use std::collections::BTreeSet;

use git2::Oid;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::git::error::GitError;
use crate::git::history::lossy_message;
use crate::git::mirror::{Mirror, commit_id, oid};
use crate::git::push::RefUpdate;
use crate::model::forge::BRANCH_PREFIX;
use crate::model::history::{CommitId, MadeHead};
use crate::model::names::Branch;

/// References of the mirror for branches that repin made; those of branches that are gone are removed.
const REFERENCES: &str = "refs/repin/made/";
/// Conversations in which heads are fetched apart from each other, in one look.
const MAX_PARTS: usize = 20;

impl Mirror {
    /// Tells what a commit says of itself.
    ///
    /// # Errors
    /// [`GitError::NoSuchCommit`] if it is not in the mirror.
    pub fn made_head(&self, id: &CommitId) -> Result<MadeHead, GitError> {
        let commit = self.named_commit(id)?;
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (author, committer) = (commit.author(), commit.committer());
        let parents = commit.parent_ids().map(|parent| commit_id(parent, &self.remote)).collect::<Result<_, _>>()?;
        Ok(MadeHead {
            id: *id,
            parents,
            tree: commit.tree_id().to_string(),
            committer_email: lossy(committer.email_bytes()),
            author_name: lossy(author.name_bytes()),
            author_email: lossy(author.email_bytes()),
            subject: lossy(commit.summary_bytes().unwrap_or_default()),
            message: lossy_message(&commit),
            time: Timestamp::from_second(committer.when().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
        })
    }

    /// Tells whether a commit is on a branch already.
    ///
    /// # Errors
    /// [`GitError::NoSuchCommit`] if one of them is not in the mirror.
    pub fn contains(&self, head: &CommitId, commit: &CommitId) -> Result<bool, GitError> {
        let (head, commit) = (self.named_commit(head)?.id(), self.named_commit(commit)?.id());
        let is_below = self.repo.graph_descendant_of(head, commit).map_err(|error| self.damaged(&error))?;
        Ok(head == commit || is_below)
    }

    /// Tells whether a branch cannot be merged into its base without somebody deciding; nothing is written.
    ///
    /// # Errors
    /// [`GitError::NoSuchCommit`] if one of them is not in the mirror, [`GitError::Corrupt`] if what they hold is not.
    pub fn conflicts(&self, base: &CommitId, head: &CommitId) -> Result<bool, GitError> {
        let (base, head) = (self.named_commit(base)?, self.named_commit(head)?);
        let merged = self.repo.merge_commits(&base, &head, None).map_err(|error| self.damaged(&error))?;
        Ok(merged.has_conflicts())
    }

    /// Reads branches back after a push, with one look at the remote: each must be where it was sent, or hold that
    /// commit below what somebody put on top; one that was deleted must be gone. Else it is [`GitError::NotWritten`].
    ///
    /// # Errors
    /// What stands in the way of asking.
    pub fn read_back_all(&self, updates: &[RefUpdate]) -> Result<Vec<Result<(), GitError>>, GitError> {
        let session = self.session();
        let mut remote = self.repo.remote_anonymous(&session.url()).map_err(|error| self.damaged(&error))?;
        let advertised = self.ask(&session, &mut remote)?.branches;
        let place = |branch: &Branch| advertised.iter().find(|(name, _)| name == branch.as_str()).map(|(_, at)| *at);
        let wanted: Vec<(Option<Oid>, Option<Oid>, &Branch)> = updates
            .iter()
            .map(|update| {
                let new = update.new.as_ref().map(|new| oid(new, &self.remote)).transpose()?;
                Ok((place(&update.branch), new, &update.branch))
            })
            .collect::<Result<_, GitError>>()?;
        let missing: Vec<String> = wanted
            .iter()
            .filter(|(at, new, _)| new.is_some() && at != new && at.is_some_and(|at| !self.has(at)))
            .map(|(_, _, branch)| made_refspec(branch))
            .collect();
        if !missing.is_empty() && self.fetch(&session, &mut remote, &missing).is_err() {
            drop((remote, session));
            self.fetch_in_parts(&missing);
        }
        let holds = |at: Oid, new: Oid| {
            at == new || self.has(at) && self.repo.graph_descendant_of(at, new).is_ok_and(|is_below| is_below)
        };
        let verdict = |((at, new, branch), update): (&(Option<Oid>, Option<Oid>, &Branch), &RefUpdate)| {
            let is_done = match (at, new) {
                (None, None) => true,
                (Some(at), Some(new)) => holds(*at, *new),
                _ => false,
            };
            let commit = update.new.as_ref().map(CommitId::short);
            let not_written =
                || GitError::NotWritten { remote: self.remote.clone(), branch: branch.to_string(), commit };
            if is_done { Ok(()) } else { Err(not_written()) }
        };
        Ok(wanted.iter().zip(updates).map(verdict).collect())
    }

    /// Brings a commit from a reference that is no branch, such as `refs/pull/7/head`, unless it is here. Tells whether it
    /// is here now.
    ///
    /// # Errors
    /// What stands in the way of asking the remote; a reference that it does not have is none.
    pub fn fetch_ref(&mut self, reference: &str, commit: &CommitId) -> Result<bool, GitError> {
        let id = oid(commit, &self.remote)?;
        if self.has(id) {
            return Ok(true);
        }
        let session = self.session();
        let mut remote = self.repo.remote_anonymous(&session.url()).map_err(|error| self.damaged(&error))?;
        let seen = self.ask(&session, &mut remote)?;
        let is_branch = |name: &str| reference.strip_prefix("refs/heads/") == Some(name);
        let is_there = seen.others.iter().any(|(name, _)| name == reference)
            || seen.branches.iter().any(|(name, _)| is_branch(name));
        if !is_there {
            return Ok(false);
        }
        let hash = hex::encode(Sha256::digest(reference.as_bytes()));
        let refspec = format!("+{reference}:{REFERENCES}{}", hash.get(..32).unwrap_or_default());
        self.fetch(&session, &mut remote, &[refspec])?;
        Ok(self.has(id))
    }

    /// Fetches references apart from each other as far as that is needed to get all that can be got.
    pub(in crate::git) fn fetch_in_parts(&self, refspecs: &[String]) {
        let mut parts: Vec<&[String]> = halves(refspecs);
        let mut left = MAX_PARTS;
        while let (Some(part), true) = (parts.pop(), left > 0) {
            left -= 1;
            let session = self.session();
            let fetched = self.repo.remote_anonymous(&session.url()).map_err(|error| self.damaged(&error)).and_then(
                |mut remote| {
                    self.ask(&session, &mut remote)?;
                    self.fetch(&session, &mut remote, part)
                },
            );
            match fetched {
                Ok(()) => {}
                Err(GitError::Timeout { .. }) => return,
                Err(error) if part.len() < 2 => {
                    let refspec = part.first().map(String::as_str).unwrap_or_default();
                    let branch = refspec.trim_start_matches("+refs/heads/").split(':').next().unwrap_or_default();
                    tracing::warn!(
                        remote = %self.remote, branch, error = %error,
                        "branch {branch} of {} cannot be fetched: {error}", self.remote
                    );
                }
                Err(_) => parts.extend(halves(part)),
            }
        }
    }

    /// Removes the mirror's references for made branches that the remote does not have any more.
    pub(in crate::git) fn forget_made(&self, advertised: &[(String, Oid)]) {
        let kept: BTreeSet<String> =
            made_branches(advertised).iter().map(|(branch, _)| made_reference(branch)).collect();
        for found in self.repo.references_glob(&format!("{REFERENCES}*")).into_iter().flatten().flatten() {
            if !found.name().is_ok_and(|name| kept.contains(name)) {
                let mut found = found;
                // It only tells the next fetch what is here already.
                let _ = found.delete();
            }
        }
    }
}

/// Gives the branches that repin made.
pub(in crate::git) fn made_branches(advertised: &[(String, Oid)]) -> Vec<(Branch, Oid)> {
    let made = advertised.iter().filter(|(name, _)| name.starts_with(BRANCH_PREFIX));
    made.filter_map(|(name, head)| Some((name.parse().ok()?, *head))).collect()
}

/// Says that a branch is fetched, and under which name of the mirror.
pub(in crate::git) fn made_refspec(branch: &Branch) -> String {
    format!("+refs/heads/{branch}:{}", made_reference(branch))
}

fn made_reference(branch: &Branch) -> String {
    let hash = hex::encode(Sha256::digest(branch.as_str().as_bytes()));
    format!("{REFERENCES}{}", hash.get(..32).unwrap_or_default())
}

fn halves(all: &[String]) -> Vec<&[String]> {
    let (one, other) = all.split_at(all.len() / 2);
    [one, other].into_iter().filter(|part| !part.is_empty()).collect()
}
