//! The branches of pull requests as they are on the remote: whose they are, and what they bring.

use std::collections::{BTreeMap, BTreeSet};

use crate::git::{GitError, Mirror};
use crate::message::trailers::Trailers;
use crate::model::codeowners;
use crate::model::forge::{BRANCH_PREFIX, ForgeKind};
use crate::model::history::{CommitId, MadeHead};
use crate::model::names::Branch;
use crate::plan::pulls::Head;
use crate::reconcile::repository::{Repository, not_open};

/// What a branch ends with on which the forge makes a commit before it goes where it belongs.
pub(in crate::reconcile) const WORKSHOP: &str = "+new";
/// Largest file of owners that is read, in bytes, as on GitHub.
const MAX_OWNERS: u64 = 3 << 20;

impl Repository {
    /// Reads the branches of pull requests. `own` are the addresses of those whose commits are ours, in lower case; with
    /// `conflicts` it is found out which cannot be merged as they are.
    ///
    /// # Errors
    /// The mirror is not open.
    pub(in crate::reconcile) fn made(
        &mut self,
        own: &BTreeSet<String>,
        conflicts: bool,
    ) -> Result<BTreeMap<Branch, Head>, GitError> {
        let Some(mirror) = &self.mirror else { return Err(not_open(&self.options.url)) };
        let is_made =
            |branch: &&Branch| branch.as_str().starts_with(BRANCH_PREFIX) && !branch.as_str().ends_with(WORKSHOP);
        let all: Vec<(Branch, CommitId)> = self
            .advertised
            .iter()
            .filter(|(branch, _)| is_made(branch))
            .map(|(branch, commit)| (branch.clone(), *commit))
            .collect();
        let mut known = std::mem::take(&mut self.made);
        for (_, commit) in &all {
            // What could not be read may be by now.
            let known = known.remove(commit).filter(|head| head.is_known);
            self.made.insert(*commit, known.unwrap_or_else(|| head(mirror, commit, own)));
        }
        let base = self.head.as_ref().map(|head| head.commit);
        let on_base = |(branch, commit): (Branch, CommitId)| {
            let mut head = self.made.get(&commit)?.clone();
            // What is on the base is lost to nobody: a forge that rebases makes our commit anew, by whoever merged it, and
            // what people added is merged too.
            if !head.is_ours {
                head.is_ours = base.is_some_and(|base| mirror.contains(&base, &commit).unwrap_or_default());
            }
            if conflicts {
                head.has_conflict = base.and_then(|base| mirror.conflicts(&base, &commit).ok());
            }
            Some((branch, head))
        };
        Ok(all.into_iter().filter_map(on_base).collect())
    }

    /// Forgets whose branches are whose: what counts as ours may have changed.
    pub(in crate::reconcile) fn forget_made(&mut self) {
        self.made.clear();
    }

    /// Reads the forge's file of owners as it stands in a commit.
    pub(in crate::reconcile) fn owners_file(&mut self, commit: &CommitId) -> Option<(String, ForgeKind)> {
        let kind = self.options.forge.as_ref()?.options.kind;
        let mirror = self.mirror.as_ref()?;
        let text = |path: &&str| {
            let entry = mirror.entry(commit, &path.parse().ok()?).ok().flatten()?;
            let content = entry.kind.is_file().then(|| mirror.read(&entry.blob, MAX_OWNERS).ok()).flatten()?;
            String::from_utf8(content).ok()
        };
        let found = codeowners::paths(kind).iter().find_map(text)?;
        Some((found, kind))
    }
}

/// What cannot be read is nothing of ours.
fn head(mirror: &Mirror, commit: &CommitId, own: &BTreeSet<String>) -> Head {
    let unknown = || Head {
        commit: *commit,
        parents: Vec::new(),
        author: "somebody".to_owned(),
        is_ours: false,
        is_known: false,
        changes: Vec::new(),
        applications: Vec::new(),
        has_conflict: None,
    };
    let Ok(made) = mirror.made_head(commit) else { return unknown() };
    let mut trailers = Trailers::parse(&made.message);
    if trailers.format.is_none() {
        trailers.changes.clear();
    }
    let is_ours = !trailers.changes.is_empty() && is_own(&made, own);
    Head {
        is_ours,
        is_known: true,
        author: made.author_name,
        parents: made.parents,
        changes: trailers.changes,
        applications: trailers.applications,
        ..unknown()
    }
}

/// A commit that the forge makes for us has the forge as committer, and us as author.
fn is_own(made: &MadeHead, own: &BTreeSet<String>) -> bool {
    let is_known = |email: &str| own.contains(&email.to_lowercase());
    let is_by_forge = |email: &str| email.to_lowercase().starts_with("noreply@");
    is_known(&made.committer_email) || (is_by_forge(&made.committer_email) && is_known(&made.author_email))
}
