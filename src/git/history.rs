//! The past of a branch: which commit brought which version of a file, along first parents.
//!
//! A merge counts as one commit with everything that it brought. Only regular files count, and a renamed file is a
//! removed and a new one. What is known is kept: only commits since then are read.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use git2::{Commit, Oid, Tree, TreeEntry};
use jiff::Timestamp;

use crate::git::error::GitError;
use crate::git::mirror::{Mirror, commit_id, oid};
use crate::git::traffic;
use crate::git::tree::{MAX_DEPTH, MAX_ENTRIES, mode_is_file, mode_is_tree, path_below};
use crate::model::history::{BlobId, CommitId, CommitInfo, FileVersion};
use crate::model::names::RepoPath;

/// Longest message that is kept, in bytes; the rest is cut off.
const MAX_MESSAGE: usize = 1 << 20;
const SECONDS_PER_DAY: i64 = 86_400;

/// The versions of all files along the first parents of a branch.
#[derive(Clone, Debug, Default)]
pub struct History {
    limits: HistoryLimits,
    head: Option<CommitId>,
    versions: HashMap<RepoPath, Vec<FileVersion>>,
    noted: Vec<(u64, Arc<CommitInfo>)>,
    commits: usize,
    cut: bool,
}

/// How far back history is read; without limits, to the first commit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HistoryLimits {
    /// At most so many commits.
    pub commits: Option<u64>,
    /// Only commits that were made within so many days.
    pub days: Option<u64>,
}

impl History {
    /// Starts an empty history.
    pub fn new(limits: HistoryLimits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Reads up to a new head. If the old head is not below it by first parents, everything is read again.
    ///
    /// An error leaves what was known before.
    pub fn advance(&mut self, mirror: &Mirror, head: &CommitId, now: Timestamp) -> Result<(), GitError> {
        if self.head == Some(*head) {
            return Ok(());
        }
        let oldest = self.limits.days.map(|days| {
            now.as_second().saturating_sub(i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(SECONDS_PER_DAY))
        });
        let known = self.head.map(|id| oid(&id, &mirror.remote)).transpose()?;
        let mut walk = Walk::new(mirror);
        let mut next = Some(mirror.named_commit(head)?);
        let (mut commits, mut cut, mut joined) = (0, false, false);
        while let Some(commit) = next {
            if known == Some(commit.id()) {
                joined = true;
                break;
            }
            let too_many = self.limits.commits.is_some_and(|limit| walk.visited >= limit);
            // The committer's time: an author's time survives a rebase and says nothing about the branch.
            if too_many || oldest.is_some_and(|oldest| commit.time().seconds() < oldest) {
                cut = true;
                break;
            }
            next = walk.step(&commit)?;
            commits += 1;
        }
        // Walked from the newest down; positions count from the oldest up.
        let newest = walk.visited + if joined { self.commits as u64 } else { 0 };
        walk.versions.values_mut().flatten().for_each(|version| version.at = newest.saturating_sub(version.at));
        walk.noted.iter_mut().for_each(|(at, _)| *at = newest.saturating_sub(*at));
        if joined {
            self.noted.append(&mut walk.noted);
            for (path, mut fresh) in walk.versions {
                let versions = self.versions.entry(path).or_default();
                fresh.append(versions);
                *versions = fresh;
            }
            self.commits += commits;
        } else {
            (self.versions, self.noted, self.commits, self.cut) = (walk.versions, walk.noted, commits, cut);
        }
        self.head = Some(*head);
        Ok(())
    }

    /// Gives the versions of a file, newest first; empty if it never existed in what was read.
    pub fn versions(&self, path: &RepoPath) -> &[FileVersion] {
        self.versions.get(path).map_or(&[], Vec::as_slice)
    }

    /// Gives the commits with trailers of repin, in no order, each with its position on the first-parent line as in
    /// [`FileVersion::at`].
    pub fn noted(&self) -> &[(u64, Arc<CommitInfo>)] {
        &self.noted
    }

    /// Gives all paths that had a version, in no order.
    pub fn paths(&self) -> impl Iterator<Item = &RepoPath> {
        self.versions.keys()
    }

    /// Gives the commit up to which history is known.
    pub fn head(&self) -> Option<&CommitId> {
        self.head.as_ref()
    }

    /// Counts the commits that were read.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// Tells whether older commits exist that were not read because of the limits.
    pub fn is_cut(&self) -> bool {
        self.cut
    }
}

/// One walk from a head downwards.
struct Walk<'a> {
    mirror: &'a Mirror,
    versions: HashMap<RepoPath, Vec<FileVersion>>,
    noted: Vec<(u64, Arc<CommitInfo>)>,
    /// Commits behind us: the distance from the head.
    visited: u64,
    /// The parent's trees that the last step opened: the next step compares them with its own parent's.
    opened: HashMap<Oid, Tree<'a>>,
}

/// The changes of one commit.
struct Changes<'a> {
    files: Vec<(RepoPath, Option<BlobId>)>,
    visited: usize,
    /// Trees of the parent that were opened.
    opened: HashMap<Oid, Tree<'a>>,
}

impl<'a> Walk<'a> {
    fn new(mirror: &'a Mirror) -> Self {
        Self { mirror, versions: HashMap::new(), noted: Vec::new(), visited: 0, opened: HashMap::new() }
    }

    /// Notes what a commit changed against its first parent, and gives that parent.
    fn step(&mut self, commit: &Commit<'a>) -> Result<Option<Commit<'a>>, GitError> {
        let damaged = |error: git2::Error| self.mirror.damaged(&error);
        let parent = (commit.parent_count() > 0).then(|| commit.parent(0)).transpose().map_err(damaged)?;
        let (old, new) = (parent.as_ref().map(Commit::tree_id), commit.tree_id());
        let mut changes = Changes { files: Vec::new(), visited: 0, opened: HashMap::new() };
        self.compare(old, Some(new), "", 0, &mut changes)?;
        self.opened = changes.opened;
        let is_noted = has_own_trailers(commit.message_bytes());
        if is_noted || !changes.files.is_empty() {
            let info = Arc::new(info(commit, commit_id(commit.id(), &self.mirror.remote)?));
            for (path, blob) in changes.files {
                let version = FileVersion { commit: Arc::clone(&info), blob, at: self.visited };
                self.versions.entry(path).or_default().push(version);
            }
            if is_noted {
                self.noted.push((self.visited, info));
            }
        }
        if commit.parent_count() > 1 {
            self.note_merged(commit)?;
        }
        self.visited += 1;
        Ok(parent)
    }

    /// Notes the trailers of what a merge brought: on a protected branch a person can say something only there. They
    /// count from the merge on.
    fn note_merged(&mut self, merge: &Commit<'_>) -> Result<(), GitError> {
        let damaged = |error: git2::Error| self.mirror.damaged(&error);
        let mut walk = self.mirror.repo.revwalk().map_err(damaged)?;
        for parent in merge.parent_ids().skip(1) {
            walk.push(parent).map_err(damaged)?;
        }
        for parent in merge.parent_ids().take(1) {
            walk.hide(parent).map_err(damaged)?;
        }
        for id in walk {
            let commit = id.and_then(|id| self.mirror.repo.find_commit(id)).map_err(damaged)?;
            if has_own_trailers(commit.message_bytes()) {
                let info = Arc::new(info(&commit, commit_id(commit.id(), &self.mirror.remote)?));
                self.noted.push((self.visited, info));
            }
        }
        Ok(())
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
            let blob = new_file.map(|id| self.mirror.blob_id(id)).transpose()?;
            changes.files.push((path.clone(), blob));
        }
        self.compare(old_tree, new_tree, path.as_str(), depth + 1, changes)
    }
}

/// Gives the bytes by which git sorts an entry: a directory as if its name ended in a slash.
fn sort_key<'a>(entry: &'a TreeEntry<'_>) -> impl Iterator<Item = u8> + 'a {
    let slash = mode_is_tree(entry.filemode_raw()).then_some(b'/');
    entry.name_bytes().iter().copied().chain(slash)
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
