//! One walk along the first parents of a branch: what each commit made of files.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use git2::{Commit, Oid, Tree, TreeEntry};
use jiff::Timestamp;

use crate::git::error::GitError;
use crate::git::mirror::{Mirror, commit_id};
use crate::git::traffic;
use crate::git::tree::{MAX_DEPTH, MAX_ENTRIES, mode_is_file, mode_is_tree, path_below};
use crate::model::history::{BlobId, CommitId, CommitInfo};
use crate::model::names::RepoPath;

/// Longest message that is kept, in bytes; the rest is cut off.
const MAX_MESSAGE: usize = 1 << 20;

/// One walk from a head downwards.
pub(super) struct Walk<'a> {
    mirror: &'a Mirror,
    /// What each commit brought, newest first.
    pub(super) steps: Vec<Step>,
    /// The parent's trees that the last step opened: the next step compares them with its own parent's.
    opened: HashMap<Oid, Tree<'a>>,
}

/// What one commit of the line brought.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Step {
    /// When it was made, as its committer says, in seconds since 1970.
    pub(super) date: i64,
    /// What it says about itself; none if it neither changed files nor has trailers of repin.
    pub(super) info: Option<Arc<CommitInfo>>,
    /// It has trailers of repin.
    pub(super) is_noted: bool,
    /// What it made of files.
    pub(super) files: Vec<FileChange>,
    /// Commits with trailers that it brought as a merge: they count from here on.
    pub(super) merged: Vec<Arc<CommitInfo>>,
}

/// What one commit made of one file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct FileChange {
    pub(super) path: RepoPath,
    pub(super) old: Option<BlobId>,
    pub(super) new: Option<BlobId>,
}

/// The changes of one commit.
struct Changes<'a> {
    files: Vec<FileChange>,
    visited: usize,
    /// Trees of the parent that were opened.
    opened: HashMap<Oid, Tree<'a>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(mirror: &'a Mirror) -> Self {
        Self { mirror, steps: Vec::new(), opened: HashMap::new() }
    }

    /// Notes what a commit changed against its first parent, and gives that parent.
    pub(super) fn step(&mut self, commit: &Commit<'a>) -> Result<Option<Commit<'a>>, GitError> {
        let damaged = |error: git2::Error| self.mirror.damaged(&error);
        let parent = (commit.parent_count() > 0).then(|| commit.parent(0)).transpose().map_err(damaged)?;
        let (old, new) = (parent.as_ref().map(Commit::tree_id), commit.tree_id());
        let mut changes = Changes { files: Vec::new(), visited: 0, opened: HashMap::new() };
        self.compare(old, Some(new), "", 0, &mut changes)?;
        let (files, is_noted) = (changes.files, has_own_trailers(commit.message_bytes()));
        let is_told = is_noted || !files.is_empty();
        let info = is_told.then(|| commit_id(commit.id(), &self.mirror.remote).map(|id| Arc::new(info(commit, id))));
        let merged = if commit.parent_count() > 1 { self.merged(commit)? } else { Vec::new() };
        self.opened = changes.opened;
        self.steps.push(Step { date: commit.time().seconds(), info: info.transpose()?, is_noted, files, merged });
        Ok(parent)
    }

    /// Gives the commits with trailers that a merge brought: on a protected branch a person can say something only there.
    fn merged(&self, merge: &Commit<'_>) -> Result<Vec<Arc<CommitInfo>>, GitError> {
        let damaged = |error: git2::Error| self.mirror.damaged(&error);
        let mut walk = self.mirror.repo.revwalk().map_err(damaged)?;
        for parent in merge.parent_ids().skip(1) {
            walk.push(parent).map_err(damaged)?;
        }
        for parent in merge.parent_ids().take(1) {
            walk.hide(parent).map_err(damaged)?;
        }
        let mut merged = Vec::new();
        for id in walk {
            let commit = id.and_then(|id| self.mirror.repo.find_commit(id)).map_err(damaged)?;
            if has_own_trailers(commit.message_bytes()) {
                merged.push(Arc::new(info(&commit, commit_id(commit.id(), &self.mirror.remote)?)));
            }
        }
        Ok(merged)
    }

    fn read(&self, tree: Oid) -> Result<Tree<'a>, GitError> {
        traffic::count_compared();
        self.mirror.repo.find_tree(tree).map_err(|error| self.mirror.damaged(&error))
    }

    /// Compares two trees; equal ones are not opened. Trees are sorted, so this is one pass over both.
    ///
    /// Our own comparison and not libgit2's, because a few objects can unfold to more names than there is time for.
    fn compare(
        &self,
        old: Option<Oid>,
        new: Option<Oid>,
        prefix: &str,
        depth: usize,
        changes: &mut Changes<'a>,
    ) -> Result<(), GitError> {
        if old == new || depth >= MAX_DEPTH {
            return Ok(());
        }
        let open = |id: Oid| self.opened.get(&id).map_or_else(|| self.read(id), |tree| Ok(tree.clone()));
        let (old, new) = (old.map(open).transpose()?, new.map(open).transpose()?);
        changes.opened.extend(old.iter().map(|tree| (tree.id(), tree.clone())));
        let mut old = old.iter().flat_map(Tree::iter).peekable();
        let mut new = new.iter().flat_map(Tree::iter).peekable();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => sort_key(old).cmp(sort_key(new)),
            };
            let before = if order == Ordering::Greater { None } else { old.next() };
            let after = if order == Ordering::Less { None } else { new.next() };
            changes.visited += 1;
            if changes.visited > MAX_ENTRIES {
                return Err(self.mirror.too_many_entries());
            }
            self.compare_entries(before.as_ref(), after.as_ref(), prefix, depth, changes)?;
        }
    }

    fn compare_entries(
        &self,
        old: Option<&TreeEntry<'_>>,
        new: Option<&TreeEntry<'_>>,
        prefix: &str,
        depth: usize,
        changes: &mut Changes<'a>,
    ) -> Result<(), GitError> {
        let as_tree =
            |entry: Option<&TreeEntry<'_>>| entry.filter(|entry| mode_is_tree(entry.filemode_raw())).map(TreeEntry::id);
        let as_file =
            |entry: Option<&TreeEntry<'_>>| entry.filter(|entry| mode_is_file(entry.filemode_raw())).map(TreeEntry::id);
        let (old_tree, new_tree, old_file, new_file) = (as_tree(old), as_tree(new), as_file(old), as_file(new));
        if old_tree == new_tree && old_file == new_file {
            return Ok(());
        }
        let name = old.or(new).and_then(|entry| entry.name().ok());
        let Some(path) = name.and_then(|name| path_below(prefix, name)) else { return Ok(()) };
        if old_file != new_file {
            let blob = |file: Option<Oid>| file.map(|id| self.mirror.blob_id(id)).transpose();
            changes.files.push(FileChange { path: path.clone(), old: blob(old_file)?, new: blob(new_file)? });
        }
        self.compare(old_tree, new_tree, path.as_str(), depth + 1, changes)
    }
}

/// Gives the bytes by which git sorts an entry: a directory as if its name ended in a slash.
fn sort_key<'a>(entry: &'a TreeEntry<'_>) -> impl Iterator<Item = u8> + 'a {
    let slash = mode_is_tree(entry.filemode_raw()).then_some(b'/');
    entry.name_bytes().iter().copied().chain(slash)
}

impl Step {
    /// Gives the committer's date; one that no calendar knows is before or after all others.
    pub(super) fn date(&self) -> Timestamp {
        let beyond = if self.date < 0 { Timestamp::MIN } else { Timestamp::MAX };
        Timestamp::from_second(self.date).unwrap_or(beyond)
    }
}

/// Trailers of repin all start with the same word; reading them is not done here.
fn has_own_trailers(message: &[u8]) -> bool {
    message.windows(6).any(|word| word.eq_ignore_ascii_case(b"repin-"))
}

fn info(commit: &Commit<'_>, id: CommitId) -> CommitInfo {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (author, committer) = (commit.author(), commit.committer());
    CommitInfo {
        id,
        author_name: lossy(author.name_bytes()),
        author_email: lossy(author.email_bytes()),
        time: Timestamp::from_second(author.when().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
        committer_name: lossy(committer.name_bytes()),
        committer_email: lossy(committer.email_bytes()),
        committed: Timestamp::from_second(committer.when().seconds()).unwrap_or(Timestamp::UNIX_EPOCH),
        subject: lossy(commit.summary_bytes().unwrap_or_default()),
        message: lossy_message(commit),
    }
}

/// Gives a commit's message, up to a limit.
pub(in crate::git) fn lossy_message(commit: &Commit<'_>) -> String {
    let message = commit.message_bytes();
    String::from_utf8_lossy(message.get(..MAX_MESSAGE).unwrap_or(message)).into_owned()
}
