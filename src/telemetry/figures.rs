//! What a cycle tells the metrics: plain numbers.

use std::time::Duration;

/// How many places ended a cycle in each way.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Git holds what the policy wants.
    pub current: u64,
    /// Written in this cycle.
    pub delivered: u64,
    /// A rule or guard decided so.
    pub held: u64,
    /// Not allowed by registry, Git or file.
    pub failed: u64,
}

/// Conversations with Git remotes since the process began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GitFigures {
    /// Connections that asked where branches are.
    pub advertisements: u64,
    /// Packs that were fetched.
    pub fetches: u64,
    /// Connections that sent commits.
    pub pushes: u64,
    /// Directories of heads that were read.
    pub trees: u64,
    /// Directories of commits that were read to tell what came when.
    pub compared: u64,
    /// Contents of files that were read.
    pub blobs: u64,
}

/// What one cycle tells the metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CycleFigures {
    /// Outcomes.
    pub counts: Counts,
    /// Problems of severity error.
    pub problems: u64,
    /// Repositories that could not be read.
    pub unread_repositories: u64,
    /// Registry requests.
    pub registry_requests: u64,
    /// Conversations with Git remotes, and reading of their mirrors, since the process began.
    pub git: GitFigures,
    /// How long it took.
    pub duration: Duration,
    /// When it ended, in seconds since 1970.
    pub ended_seconds: i64,
}

/// What one registry wants of us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RegistryFigures {
    /// Its host, as configured or public.
    pub registry: String,
    /// Answers that asked for a pause, since the process began.
    pub throttled: u64,
    /// How long it is left alone from now on.
    pub backoff: Duration,
}

/// What the pull requests of one repository, and their forge, come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForgeFigures {
    /// Name of the configured repository.
    pub repository: String,
    /// Pull requests of ours that are open.
    pub open: u64,
    /// Requests to its forge, since the process began.
    pub requests: u64,
    /// Those of them that were answered with "not modified".
    pub not_modified: u64,
    /// Those that were refused for their rate.
    pub throttled: u64,
}
