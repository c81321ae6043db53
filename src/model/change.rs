//! What is about to be written: change sets, their commits and files.

use jiff::Timestamp;

use crate::model::history::CommitId;
use crate::model::names::{Branch, RepoPath};

/// One file of a commit, before and after it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileChange {
    /// The file.
    pub path: RepoPath,
    /// Its text before this commit, empty for a new file.
    pub before: String,
    /// The commit brings the file.
    pub is_new: bool,
    /// Its text after this commit.
    pub after: String,
}

/// One written place, as the commit message tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WrittenPlace {
    /// The file.
    pub file: String,
    /// The key path.
    pub key: String,
    /// `namespace/name` and environment of the Application that it is written for.
    pub application: (String, Option<String>),
    /// The alias.
    pub alias: String,
    /// The image without tag.
    pub image: String,
    /// The tag that stood there.
    pub old: Option<String>,
    /// The tag that stands there now.
    pub new: String,
    /// Its digest when it was chosen.
    pub digest: Option<String>,
    /// When repin first saw the tag with this digest; known of images for which somebody sets a `min-age`.
    pub first_seen: Option<Timestamp>,
    /// Why it was chosen.
    pub reason: String,
}

/// What a commit message tells.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CommitText {
    /// Name of the configured repository.
    pub repository: String,
    /// The branch that is written.
    pub branch: String,
    /// `namespace/name` and environment of every Application that owns a place of it.
    pub applications: Vec<(String, Option<String>)>,
    /// The places.
    pub places: Vec<WrittenPlace>,
}

/// One commit that is to be made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedCommit {
    /// Positions of the snapshot's subjects that it delivers.
    pub subjects: Vec<usize>,
    /// What its message tells.
    pub text: CommitText,
    /// Its message.
    pub message: String,
    /// Its files.
    pub files: Vec<FileChange>,
}

/// All commits for one branch, in order, made by one push.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChangeSet {
    /// Name of the configured repository.
    pub repository: String,
    /// The branch that is written.
    pub branch: Branch,
    /// The branch that was read; if it is another one, the written one is created from it.
    pub base: Branch,
    /// The head of the base that it was planned on.
    pub head: CommitId,
    /// The commits, oldest first.
    pub commits: Vec<PlannedCommit>,
}
