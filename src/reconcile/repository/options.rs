//! What a repository needs to be read and written.

use std::path::PathBuf;

use crate::forge::ForgeTarget;
use crate::git::{Access, HistoryLimits};
use crate::model::forge::PullLimits;
use crate::model::names::Branch;
use crate::model::remote_url::RemoteUrl;
use crate::model::rule::Glob;

/// What a repository needs to be read and written.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositoryOptions {
    /// Its configured name.
    pub name: String,
    /// Where it is.
    pub url: RemoteUrl,
    /// Tells its mirror from those of other entries with the same remote; empty for the first of them.
    pub part: String,
    /// The branch; none = the remote's default branch.
    pub branch: Option<Branch>,
    /// Other branches that annotations may reach.
    pub branches: Vec<Glob>,
    /// Other URLs that mean it.
    pub also: Vec<RemoteUrl>,
    /// Files in which Applications are looked for.
    pub discover: Vec<Glob>,
    /// Files outside the source paths that may be written.
    pub may_write: Vec<Glob>,
    /// How much history is read.
    pub history: HistoryLimits,
    /// Files that say which clusters there are, for ApplicationSets.
    pub clusters: Vec<Glob>,
    /// Directory of the mirrors.
    pub cache: PathBuf,
    /// What is needed to get in.
    pub access: Access,
    /// Where its pull requests are; none = it has none.
    pub forge: Option<ForgeTarget>,
    /// How many pull requests it takes.
    pub pull_requests: PullLimits,
}
