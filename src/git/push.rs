//! Sending own commits: one push, never by force, and the server's answer sorted.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;

use git2::{ErrorCode, Oid, PushOptions, RemoteCallbacks};

use crate::git::error::{GitError, plain};
use crate::git::mirror::{Mirror, oid};
use crate::git::traffic;
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// Bytes of the server's messages that are kept.
const MAX_SIDE_BAND: usize = 8 << 10;
/// Longest reason in an error, in characters.
const MAX_REASON: usize = 2_000;

/// What was seen during a push.
#[derive(Default)]
struct Answer {
    /// Where the branch was when the connection was made.
    advertised: Option<Oid>,
    /// What hooks and the server wrote.
    messages: Vec<u8>,
    /// The server's verdict on the branch, if it refused.
    refusal: Option<String>,
}

impl Mirror {
    /// Sends `new` as the head of a branch that must be at `expected`, the head that the change was planned on.
    ///
    /// If the branch is elsewhere nothing is sent: [`GitError::Moved`]. Servers that say ok may still not have done
    /// it: call [`Mirror::read_back`] after it. After [`GitError::Unreachable`] and [`GitError::Timeout`] the push may
    /// have happened.
    pub fn push(&self, branch: &Branch, expected: &CommitId, new: &CommitId) -> Result<(), GitError> {
        self.send(branch, oid(expected, &self.remote)?, oid(new, &self.remote)?)
    }

    /// Sends `new` as the head of a branch that the remote must not have.
    ///
    /// As [`Mirror::push`]: a branch that is there by now is [`GitError::Moved`], and stays as it is.
    pub fn create_branch(&self, branch: &Branch, new: &CommitId) -> Result<(), GitError> {
        self.send(branch, Oid::ZERO_SHA1, oid(new, &self.remote)?)
    }

    fn send(&self, branch: &Branch, expected: Oid, new: Oid) -> Result<(), GitError> {
        let session = self.session();
        let mut remote = self.repo.remote_anonymous(&session.url()).map_err(|error| self.damaged(&error))?;
        let answer = RefCell::new(Answer::default());
        let mut callbacks = RemoteCallbacks::new();
        // libgit2 sends as the old id what was advertised on this connection, whatever we planned on.
        callbacks.push_negotiation(|updates| {
            let at = updates.first().map_or(Oid::ZERO_SHA1, |update| update.src());
            answer.borrow_mut().advertised = Some(at);
            if at == expected { Ok(()) } else { Err(git2::Error::from_str("the branch has moved")) }
        });
        callbacks.sideband_progress(|text| {
            let messages = &mut answer.borrow_mut().messages;
            let room = MAX_SIDE_BAND.saturating_sub(messages.len());
            messages.extend(text.iter().take(room));
            true
        });
        callbacks.push_update_reference(|_, refusal| {
            answer.borrow_mut().refusal = refusal.map(str::to_owned);
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks);
        let refspec = format!("{new}:refs/heads/{branch}");
        traffic::count_push();
        // The inner result is libgit2's, the outer one says that its answer could not be read at all.
        let sent = session.run(AssertUnwindSafe(|| Ok(remote.push(&[refspec.as_str()], Some(&mut options)))))?;
        drop(options);
        let answer = answer.into_inner();
        let moved =
            |reason: String| GitError::Moved { remote: self.remote.clone(), branch: branch.to_string(), reason };
        if let Some(at) = answer.advertised.filter(|at| *at != expected) {
            let now = if at.is_zero() { "it is gone".to_owned() } else { format!("it is at {at:.10}") };
            let planned = if expected.is_zero() {
                "planned as a new branch".to_owned()
            } else {
                format!("planned on {expected:.10}")
            };
            return Err(moved(format!("{planned}, {now}")));
        }
        let messages = String::from_utf8_lossy(&answer.messages);
        match (sent, answer.refusal) {
            (Ok(()), None) => Ok(()),
            (Err(error), _) if error.code() == ErrorCode::NotFastForward => {
                Err(moved("it has other commits".to_owned()))
            }
            (Err(error), _) if error.message().contains("unpacking the sent packfile failed") => {
                Err(self.refusal(branch, "the server could not take the objects", &messages))
            }
            (Err(error), _) => Err(session.explain(&error)),
            (Ok(()), Some(verdict)) if is_race(&verdict, &messages) => {
                Err(moved(format!("{}: {}", plain(&verdict, 200), plain(&messages, MAX_REASON))))
            }
            (Ok(()), Some(verdict)) => Err(self.refusal(branch, &verdict, &messages)),
        }
    }

    fn refusal(&self, branch: &Branch, verdict: &str, messages: &str) -> GitError {
        let (verdict, messages) = (plain(verdict, 200), plain(messages, MAX_REASON));
        let reason = if messages.is_empty() { verdict } else { format!("{verdict}: {messages}") };
        GitError::Rejected { remote: self.remote.clone(), branch: branch.to_string(), reason }
    }
}

/// Tells whether a refusal means that somebody else was faster. A server that compares under its own lock says so in
/// words of its own, and a disk that cannot be written reads almost the same.
fn is_race(verdict: &str, messages: &str) -> bool {
    const RACES: [&str; 8] = [
        "non-fast-forward",
        "fetch first",
        "stale info",
        "failed to update ref",
        "failed to lock",
        "cannot lock ref",
        "reference already exists",
        "is at ",
    ];
    const DISK: [&str; 3] = ["Permission denied", "No space left", "Read-only file system"];
    RACES.iter().any(|words| verdict.contains(words))
        && !DISK.iter().any(|words| verdict.contains(words) || messages.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_race_is_told_from_a_refusal() {
        for (verdict, messages, race) in [
            ("failed to update ref", "error: cannot lock ref 'refs/heads/main': is at a but expected b", true),
            ("cannot lock ref 'refs/heads/main': is at a but expected b", "", true),
            ("non-fast-forward", "", true),
            ("fetch first", "", true),
            ("failed to update ref", "error: unable to create 'main.lock': Permission denied", false),
            ("failed to update ref", "fatal: No space left on device", false),
            ("pre-receive hook declined", "somebody said fetch first", false),
            ("hook declined", "", false),
            ("protected branch hook declined", "", false),
        ] {
            assert_eq!(is_race(verdict, messages), race, "{verdict} {messages}");
        }
    }
}
