//! One branch of a repository as it was last read: its files, and its past.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Bound;
use std::sync::Arc;

use crate::git::{EntryKind, GitError, History, HistoryLimits, Mirror, TreeEntry};
use crate::model::history::{BlobId, CommitId};
use crate::model::names::RepoPath;
use crate::plan::rollback::{FirstSeen, Release};

/// A branch at the head that was last read.
pub(in crate::reconcile) struct Line {
    /// The head.
    pub(in crate::reconcile) head: CommitId,
    /// Everything in its tree that is no directory.
    pub(super) entries: BTreeMap<RepoPath, TreeEntry>,
    /// What came by which commit, as far as it was asked for.
    pub(in crate::reconcile) history: History,
    /// Commits that release what was taken back.
    pub(in crate::reconcile) releases: Arc<Vec<Release>>,
    /// When tags were first seen, as commits say.
    pub(in crate::reconcile) first_seen: Arc<FirstSeen>,
    /// The head up to which these are known.
    pub(in crate::reconcile) released_at: Option<CommitId>,
}

/// What a search met on its way: if all of it is the same, so is what the search finds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Met {
    /// Nothing at this path.
    Missing,
    /// Something that is no regular file.
    NotRegular(&'static str),
    /// This content.
    Content(BlobId),
    /// The paths below a directory and their contents, as a hash.
    Listing(u64),
}

impl Line {
    /// Reads the files of a head.
    pub(super) fn read(mirror: &Mirror, head: CommitId, limits: HistoryLimits) -> Result<Self, GitError> {
        Ok(Self {
            head,
            entries: entries(mirror, &head)?,
            history: History::new(limits),
            releases: Arc::default(),
            first_seen: Arc::default(),
            released_at: None,
        })
    }

    /// Goes on to another head of the same branch; what is known of the past is kept.
    pub(super) fn advance(&mut self, mirror: &Mirror, head: CommitId) -> Result<(), GitError> {
        if self.head != head {
            self.entries = entries(mirror, &head)?;
            self.head = head;
        }
        Ok(())
    }

    /// Finds a regular file; what stands in its way is named.
    pub(super) fn entry(&self, path: &RepoPath) -> Result<Option<&TreeEntry>, &'static str> {
        // Where the file itself is there, so are the directories above it.
        match self.entries.get(path) {
            Some(entry) if entry.kind.is_file() => return Ok(Some(entry)),
            Some(entry) if entry.kind == EntryKind::Symlink => return Err("a symlink"),
            Some(_) => return Err("in a submodule"),
            None => {}
        }
        let mut ancestor = path.parent();
        while !ancestor.as_str().is_empty() {
            match self.entries.get(&ancestor).map(|entry| entry.kind) {
                Some(EntryKind::Symlink) => return Err("behind a symlink"),
                Some(EntryKind::Submodule) => return Err("in a submodule"),
                _ => ancestor = ancestor.parent(),
            }
        }
        Ok(None)
    }

    /// Gives the regular files below a directory, by path; the empty path is the root.
    pub(super) fn below<'a>(&'a self, directory: &RepoPath) -> impl Iterator<Item = (&'a RepoPath, &'a TreeEntry)> {
        let directory = directory.clone();
        // Names such as `a-b` sort between `a` and `a/b`: what only shares the beginning is passed over, not the end.
        let prefix = directory.as_str().to_owned();
        self.entries
            .range((Bound::Included(directory.clone()), Bound::Unbounded))
            .take_while(move |(path, _)| path.as_str().starts_with(&prefix))
            .filter(move |(path, entry)| path.is_within(&directory) && entry.kind.is_file())
    }

    /// Tells whether a file stands in the `templates` directory of a chart.
    pub(super) fn is_chart_template(&self, path: &RepoPath) -> bool {
        let mut directory = path.parent();
        while !directory.as_str().is_empty() {
            let chart = directory.parent().join("Chart.yaml");
            let is_templates = directory.parts().last() == Some("templates");
            if is_templates && chart.is_some_and(|chart| self.entries.contains_key(&chart)) {
                return true;
            }
            directory = directory.parent();
        }
        false
    }

    /// Tells what stands at a path.
    pub(super) fn meet(&self, path: &RepoPath) -> Met {
        match self.entry(path) {
            Ok(None) => Met::Missing,
            Ok(Some(entry)) => Met::Content(entry.blob),
            Err(what) => Met::NotRegular(what),
        }
    }

    /// Tells what stands below a directory.
    pub(super) fn meet_below(&self, directory: &RepoPath) -> Met {
        let mut hash = DefaultHasher::new();
        self.below(directory).for_each(|(path, entry)| (path, entry.blob).hash(&mut hash));
        Met::Listing(hash.finish())
    }
}

fn entries(mirror: &Mirror, head: &CommitId) -> Result<BTreeMap<RepoPath, TreeEntry>, GitError> {
    Ok(mirror.tree(head)?.entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
}
