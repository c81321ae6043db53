//! One branch of a repository as it was last read: its files, and its past.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::git::{Directory, DirectoryId, EntryKind, GitError, History, HistoryLimits, Mirror, Trees};
use crate::model::history::{BlobId, CommitId};
use crate::model::names::{Branch, RepoPath};
use crate::reconcile::repository::said::Said;
use crate::reconcile::repository::words::Word;

/// A branch at the head that was last read.
pub(in crate::reconcile) struct Line {
    /// The head.
    pub(in crate::reconcile) head: CommitId,
    /// Everything in its tree.
    pub(super) root: Arc<Directory>,
    /// What came by which commit, as far as it was asked for.
    pub(in crate::reconcile) history: History,
    /// What its commits say in their trailers.
    pub(in crate::reconcile) said: Said,
}

/// What a search met on its way: if all of it is the same, so is what the search finds.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) enum Met {
    /// Nothing at this path.
    Missing,
    /// Something that is no regular file.
    NotRegular(Cow<'static, str>),
    /// This content.
    Content(BlobId),
    /// What a directory answered; none = there is no directory.
    Below(Option<DirectoryId>, Question, u64),
}

/// What a search asks of the files below a directory.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Question {
    /// With those in its directories.
    pub(super) is_recursive: bool,
    /// In which ones this word may stand; none = how many there are.
    pub(super) word: Option<Word>,
}

impl Line {
    /// Reads the files of a head.
    pub(super) fn read(
        mirror: &Mirror,
        trees: &mut Trees,
        branch: &Branch,
        head: CommitId,
        limits: HistoryLimits,
    ) -> Result<Self, GitError> {
        let history = History::kept(limits, branch);
        Ok(Self { head, root: trees.read(mirror, &head)?, history, said: Said::default() })
    }

    /// Goes on to another head of the same branch; what is known of the past is kept.
    pub(super) fn advance(&mut self, mirror: &Mirror, trees: &mut Trees, head: CommitId) -> Result<(), GitError> {
        if self.head != head {
            self.root = trees.read(mirror, &head)?;
            self.head = head;
        }
        Ok(())
    }

    /// Finds a regular file; what stands in its way is named.
    pub(super) fn file(&self, path: &RepoPath) -> Result<Option<BlobId>, &'static str> {
        let mut directory = &self.root;
        let mut parts = path.parts().peekable();
        while let Some(part) = parts.next() {
            let is_last = parts.peek().is_none();
            match directory.entry(part) {
                Some(entry) if is_last && entry.kind.is_file() => return Ok(Some(entry.blob)),
                Some(entry) if entry.kind == EntryKind::Symlink => {
                    return Err(if is_last { "a symlink" } else { "behind a symlink" });
                }
                Some(entry) if entry.kind == EntryKind::Submodule => return Err("in a submodule"),
                _ => {}
            }
            match directory.directory(part) {
                Some(below) => directory = below,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// Finds a directory; the empty path is the root.
    pub(in crate::reconcile) fn directory(&self, path: &RepoPath) -> Option<&Arc<Directory>> {
        path.parts().try_fold(&self.root, |directory, part| directory.directory(part))
    }

    /// Tells what stands at a path.
    pub(super) fn meet(&self, path: &RepoPath) -> Met {
        match self.file(path) {
            Ok(None) => Met::Missing,
            Ok(Some(blob)) => Met::Content(blob),
            Err(what) => Met::NotRegular(Cow::Borrowed(what)),
        }
    }
}
