//! What remotes on other machines have in common: the threads that carry connections, deadlines, and what was seen.

use std::future::Future;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::git::error::{GitError, Remote, plain};
use crate::git::process::Limits;

/// Longest text of a server in a message, in characters.
const MAX_TEXT: usize = 2_000;
/// Longest wait for the beginning of an answer that no hook delays.
const ANSWER: Duration = Duration::from_secs(60);

/// Gives the threads that carry all connections to remotes. Call [`Runtime::block_on`] of it only where blocking is
/// allowed: connections must go on while libgit2 is busy, so they cannot live on the thread that waits for them.
pub(in crate::git) fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        let builder = builder.worker_threads(2).thread_name("git-network").enable_all();
        builder.build().map_err(|error| error.to_string())
    });
    made.as_ref().map_err(Clone::clone)
}

/// One conversation with a remote: its limits, and the first thing that went wrong in it.
pub(in crate::git) struct Conversation {
    pub(in crate::git) remote: Remote,
    limits: Limits,
    started: Instant,
    trouble: Mutex<Option<GitError>>,
}

impl Conversation {
    /// Starts the clock.
    pub(in crate::git) fn new(remote: &Remote, limits: Limits) -> Self {
        Self { remote: remote.clone(), limits, started: Instant::now(), trouble: Mutex::new(None) }
    }

    /// Gives what went wrong first.
    pub(in crate::git) fn trouble(&self) -> Option<GitError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what went wrong, and gives a text of it that libgit2 can carry.
    pub(in crate::git) fn fail(&self, error: GitError) -> io::Error {
        // git2 aborts the process if the text of an error holds a NUL.
        let text = plain(&error.to_string(), MAX_TEXT);
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        io::Error::other(text)
    }

    /// As [`Conversation::fail`], for a connection that cannot be made or breaks.
    pub(in crate::git) fn broken(&self, reason: &str) -> io::Error {
        self.fail(GitError::Unreachable { remote: self.remote.clone(), reason: plain(reason, MAX_TEXT) })
    }

    /// Waits for a step, at most as long as the conversation allows. Blocks.
    pub(in crate::git) fn wait<T>(&self, step: impl Future<Output = T>) -> io::Result<T> {
        self.wait_at_most(self.limits.idle, step)
    }

    /// Waits for the beginning of an answer that no hook delays. Blocks.
    pub(in crate::git) fn wait_for_answer<T>(&self, step: impl Future<Output = T>) -> io::Result<T> {
        self.wait_at_most(self.limits.idle.min(ANSWER), step)
    }

    /// Waits for a step within a limit of its own. Blocks.
    pub(in crate::git) fn wait_at_most<T>(&self, limit: Duration, step: impl Future<Output = T>) -> io::Result<T> {
        let left = self.limits.total.saturating_sub(self.started.elapsed());
        let (pause, limit) = if left < limit { (left, self.limits.total) } else { (limit, limit) };
        let runtime = runtime().map_err(|reason| self.broken(&reason))?;
        let done = runtime.block_on(async { tokio::time::timeout(pause, step).await });
        done.map_err(|_| self.timed_out(limit))
    }

    /// Keeps that a limit was reached.
    pub(in crate::git) fn timed_out(&self, limit: Duration) -> io::Error {
        self.fail(GitError::Timeout { remote: self.remote.clone(), limit })
    }

    /// Gives how long the conversation may take.
    pub(in crate::git) fn total_limit(&self) -> Duration {
        self.limits.total
    }

    /// Gives how long a connection may take to be made.
    pub(in crate::git) fn connect_limit(&self) -> Duration {
        self.limits.connect
    }
}
