//! What is about to be written: change sets, their commits and files.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::forge::{Comparison, MergeMethod, PullPeople, PullRequest, SourcePull};
use crate::model::history::CommitId;
use crate::model::metadata::Labels;
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
    /// What the new image says of its source; none where it was not looked at.
    pub labels: Option<Labels>,
    /// The best tags that were not taken, and why not, best first.
    pub passed_over: Vec<(String, String)>,
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
    /// How a pull request brings them; none = they are pushed to the branch.
    pub proposal: Option<Proposal>,
}

/// A pull request that is to bring one commit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposal {
    /// What its title and body tell.
    pub text: PullText,
    /// What is changed together: the group's name, for people.
    pub group: String,
    /// Where its branch is; none = it is made. It is written only if it is still there.
    pub expected: Option<CommitId>,
    /// The branch holds it already, on top of the head of the base.
    pub is_written: bool,
    /// What is done about the pull request.
    pub request: Request,
    /// Labels that are taken away once it is done.
    pub spent_labels: Vec<(u64, &'static str)>,
    /// Whom it asks.
    pub people: PullPeople,
    /// Besides them whoever the forge's file of owners names for the changed files.
    pub asks_owners: bool,
    /// Not meant to be merged yet.
    pub is_draft: bool,
    /// The forge is to merge it by itself.
    pub auto_merge: Option<MergeMethod>,
    /// The forge was asked to, and is asked not to any more before anything is pushed.
    pub stops_merge: bool,
}

/// What is done about a pull request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// It is opened.
    Open,
    /// An open one gets a new title and body.
    Update(u64),
    /// An open one stays as it is; its branch moves.
    Keep(u64),
    /// An open one gets what belongs to it and is not there yet: people, labels, the wish to be merged.
    Finish(u64),
    /// One that repin closed is opened again; its branch has to stand at this commit for that.
    Reopen(u64, Option<CommitId>),
}

/// Something that is done about a pull request or its branch, and brings no change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Chore {
    /// A pull request that nobody wants any more is closed, and its branch deleted if it stands there.
    Close {
        /// Name of the configured repository.
        repository: String,
        /// The pull request.
        number: u64,
        /// Its branch.
        branch: Branch,
        /// Where the branch is, if it is ours and there.
        head: Option<CommitId>,
        /// Its body, which remembers why.
        body: String,
        /// Why, in one sentence.
        reason: String,
    },
    /// A branch without a pull request that nobody wants any more is deleted.
    Delete {
        /// Name of the configured repository.
        repository: String,
        /// The branch.
        branch: Branch,
        /// Where it is.
        head: CommitId,
    },
    /// The forge does not merge a pull request by itself until it is asked again.
    StopMerge {
        /// Name of the configured repository.
        repository: String,
        /// The pull request.
        pull: Box<PullRequest>,
    },
    /// Something is said in a comment, once.
    Tell {
        /// Name of the configured repository.
        repository: String,
        /// The pull request.
        number: u64,
        /// Its branch.
        branch: Branch,
        /// Its body, which remembers that it was said.
        body: String,
        /// What.
        notice: Notice,
    },
}

/// What is said in a comment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Notice {
    /// Somebody else committed to the branch.
    Foreign {
        /// Who.
        author: String,
        /// What.
        commit: CommitId,
    },
    /// What it held is refused, since a person closed it.
    Refused {
        /// Who, where the forge says it.
        closed_by: Option<String>,
        /// The values, such as `app 1.3.0`.
        values: Vec<String>,
    },
}

/// What title and body of a pull request tell.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PullText {
    /// What is changed together: the group's name.
    pub group: String,
    /// The branch that it is for.
    pub base: String,
    /// The written places, and whose they are.
    pub commit: CommitText,
    /// What lies between the old and the new image, by image, old and new value as [`WrittenPlace`] has them.
    pub news: BTreeMap<(String, Option<String>, String), News>,
    /// How long one that was closed by repin may be opened again.
    pub reopened_within: Duration,
}

/// What lies between two images.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct News {
    /// What the old image says of its source.
    pub old: Option<Labels>,
    /// The comparison of their sources, where the forge that hosts them is known and answers.
    pub comparison: Option<Comparison>,
    /// The pull requests that brought its commits.
    pub pulls: Vec<SourcePull>,
    /// Why there is no comparison, in one sentence.
    pub missing: Option<String>,
}
