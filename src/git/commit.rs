//! Own commits: new blobs, trees and a commit in the object database, without a work tree.

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Signature, Time};
use jiff::Timestamp;

use crate::git::error::{GitError, plain};
use crate::git::mirror::{Mirror, commit_id};
use crate::git::tree::EntryKind;
use crate::model::history::CommitId;
use crate::model::names::RepoPath;

/// Who a commit is by: author and committer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The name; not empty, without `<`, `>` and line breaks.
    pub name: String,
    /// The address; not empty, without `<`, `>` and line breaks.
    pub email: String,
}

impl Default for Identity {
    /// The product's own name, as long as the operator gives none.
    fn default() -> Self {
        Self { name: "repin".to_owned(), email: "repin@localhost".to_owned() }
    }
}

impl Mirror {
    /// Makes a commit on top of `parent` with new contents for files that exist; nothing is sent. Each commit may be
    /// the parent of the next.
    ///
    /// Modes are kept. A path that is no regular file in `parent` is [`GitError::NotRegular`]; a commit that would
    /// change nothing is [`GitError::BadCommit`].
    pub fn commit(
        &self,
        parent: &CommitId,
        changes: &[(RepoPath, Vec<u8>)],
        message: &str,
        author: &Identity,
        time: Timestamp,
    ) -> Result<CommitId, GitError> {
        let bad = |reason: String| GitError::BadCommit { remote: self.remote.clone(), reason };
        if message.contains('\0') || message.trim().is_empty() {
            return Err(bad("the message is empty or holds a NUL".to_owned()));
        }
        for (what, text) in [("name", &author.name), ("address", &author.email)] {
            if text.trim().is_empty() || text.contains(|c: char| c.is_control() || matches!(c, '<' | '>')) {
                return Err(bad(format!("`{}` is no {what} of an author", plain(text, 100))));
            }
        }
        let signature = Signature::new(&author.name, &author.email, &Time::new(time.as_second(), 0))
            .map_err(|error| bad(plain(error.message(), 300)))?;
        let mut paths: Vec<&RepoPath> = changes.iter().map(|(path, _)| path).collect();
        paths.sort_unstable();
        if let Some(path) = paths.iter().zip(paths.iter().skip(1)).find_map(|(one, next)| (one == next).then_some(one))
        {
            return Err(bad(format!("`{path}` is written twice")));
        }
        let base = self.root(parent)?;
        let mut update = TreeUpdateBuilder::new();
        for (path, content) in changes {
            let mode = match self.entry(parent, path)?.map(|entry| entry.kind) {
                Some(EntryKind::Regular) => FileMode::Blob,
                Some(EntryKind::Executable) => FileMode::BlobExecutable,
                Some(kind) => return Err(self.not_regular(path.as_str(), kind)),
                None => {
                    let (remote, path) = (self.remote.clone(), path.to_string());
                    return Err(GitError::NotRegular { remote, path, found: "missing" });
                }
            };
            let blob = self.repo.blob(content).map_err(|error| self.damaged(&error))?;
            update.upsert(path.as_str(), blob, mode);
        }
        let tree = update.create_updated(&self.repo, &base).map_err(|error| self.damaged(&error))?;
        if tree == base.id() {
            return Err(bad("nothing changes".to_owned()));
        }
        let tree = self.subtree(tree)?;
        let parent = self.named_commit(parent)?;
        let id = self
            .repo
            .commit_create_buffer(&signature, &signature, message, &tree, &[&parent])
            .and_then(|buffer| self.repo.odb()?.write(ObjectType::Commit, &buffer))
            .map_err(|error| self.damaged(&error))?;
        commit_id(id, &self.remote)
    }
}
