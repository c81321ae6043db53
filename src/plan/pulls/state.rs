//! What there is to decide on: plain values, read by others.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::message::trailers::Change;
use crate::model::forge::{PullLimits, PullRequest};
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// What the forge and the remote say of the pull requests of one repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulls {
    /// The open ones.
    pub open: Vec<PullRequest>,
    /// The closed and merged ones of the branches that were asked for, newest first.
    pub closed: BTreeMap<Branch, Vec<PullRequest>>,
    /// Of branches that are not in [`Pulls::closed`] there are none.
    pub has_all_closed: bool,
    /// Who closed them, by number, where it was asked; none where the forge does not say it.
    pub closers: BTreeMap<u64, Option<String>>,
    /// When pull requests were opened lately.
    pub opened: Vec<Timestamp>,
    /// The branches that are there.
    pub heads: BTreeMap<Branch, Head>,
    /// Another configured repository has its pull requests in the same project: no branch is called by a group alone.
    pub is_shared: bool,
    /// The branch of the repository: groups for it need nothing in their branches that tells them from others.
    pub main: Option<Branch>,
    /// How many may be open.
    pub limits: PullLimits,
    /// When Git was looked at: what the forge says may be newer.
    pub looked: Option<Timestamp>,
    /// Logins in lower case: what they closed refuses nothing.
    pub ignored: BTreeSet<String>,
}

/// A branch of a pull request on the remote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Its newest commit.
    pub commit: CommitId,
    /// What that stands on.
    pub parents: Vec<CommitId>,
    /// Who made it.
    pub author: String,
    /// It is a commit of repin's.
    pub is_ours: bool,
    /// It could be read.
    pub is_known: bool,
    /// What its trailers say that it changes.
    pub changes: Vec<Change>,
    /// Whose it is, by its trailers.
    pub applications: Vec<(String, Option<String>)>,
    /// It cannot be merged into the base as it is; none where nobody asked.
    pub has_conflict: Option<bool>,
}
