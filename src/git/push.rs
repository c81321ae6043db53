//! Sending own commits: one push, and the server's answer sorted.
//!
//! A branch is replaced or deleted only if it is one that repin made, and nothing is sent for a branch that is not where it
//! was planned on. All others are only ever moved forward.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;

use git2::{Direction, ErrorCode, Oid, PushOptions, PushUpdate, RemoteCallbacks};

use crate::git::error::{GitError, plain};
use crate::git::mirror::{Mirror, oid};
use crate::git::sync::advertisement;
use crate::git::traffic;
use crate::git::transport::Session;
use crate::model::forge::BRANCH_PREFIX;
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// Bytes of the server's messages that are kept.
const MAX_SIDE_BAND: usize = 64 << 10;
/// Longest reason in an error, in characters.
const MAX_REASON: usize = 2_000;
/// Where branches stand.
const BRANCHES: &str = "refs/heads/";

/// What becomes of one branch that repin makes; not for any other branch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefUpdate {
    /// The branch; it begins with [`BRANCH_PREFIX`].
    pub branch: Branch,
    /// Where it must be; none = the remote must not have it.
    pub expected: Option<CommitId>,
    /// Where it is then, whatever it held; none = it is deleted.
    pub new: Option<CommitId>,
}

/// One reference of a push. Zero stands for a branch that is not there.
struct Step {
    branch: Branch,
    expected: Oid,
    new: Oid,
    is_forced: bool,
}

/// What was seen during a push.
#[derive(Default)]
struct Answer {
    /// What hooks and the server wrote.
    messages: Vec<u8>,
    /// The server's verdict on each reference that it refused.
    refusals: BTreeMap<String, String>,
}

impl Mirror {
    /// Sends `new` as the head of a branch that must be at `expected`, the head that the change was planned on.
    ///
    /// If the branch is elsewhere nothing is sent: [`GitError::Moved`]. Servers that say ok may still not have done
    /// it: call [`Mirror::read_back`] after it. After [`GitError::Unreachable`] and [`GitError::Timeout`] the push may
    /// have happened.
    pub fn push(&self, branch: &Branch, expected: &CommitId, new: &CommitId) -> Result<(), GitError> {
        let (expected, new) = (oid(expected, &self.remote)?, oid(new, &self.remote)?);
        self.send_one(Step { branch: branch.clone(), expected, new, is_forced: false })
    }

    /// Sends `new` as the head of a branch that the remote must not have.
    ///
    /// As [`Mirror::push`]: a branch that is there by now is [`GitError::Moved`], and stays as it is.
    pub fn create_branch(&self, branch: &Branch, new: &CommitId) -> Result<(), GitError> {
        let new = oid(new, &self.remote)?;
        self.send_one(Step { branch: branch.clone(), expected: Oid::ZERO_SHA1, new, is_forced: false })
    }

    /// Makes, replaces and deletes branches of repin in one push; each only if the remote has it exactly where it is
    /// expected. The answers are in the order of the updates.
    ///
    /// One that is elsewhere is [`GitError::Moved`] and is left as it is, one that the server refuses is
    /// [`GitError::Rejected`], and the others go on. Servers that say ok may still not have done it: call
    /// [`Mirror::read_back_all`] after it. Any other branch than those that begin with [`BRANCH_PREFIX`], the remote's
    /// default branch, and a branch that is named twice are [`GitError::BadCommit`], and nothing is sent for them.
    ///
    /// # Errors
    /// What stands in the way of the whole push. After [`GitError::Unreachable`] and [`GitError::Timeout`] any of the
    /// updates may have happened.
    pub fn push_all(&self, updates: &[RefUpdate]) -> Result<Vec<Result<(), GitError>>, GitError> {
        let at = |id: Option<&CommitId>| id.map_or(Ok(Oid::ZERO_SHA1), |id| oid(id, &self.remote));
        let default = self.known_default();
        let mut named = BTreeSet::new();
        let mut steps = Vec::new();
        for update in updates {
            let rule = if !update.branch.as_str().starts_with(BRANCH_PREFIX) {
                Some("is not one that repin makes")
            } else if default.as_ref() == Some(&update.branch) {
                Some("is the default branch")
            } else {
                (!named.insert(&update.branch)).then_some("is written twice in one push")
            };
            steps.push(match rule {
                Some(rule) => {
                    let reason = format!("branch `{}` {rule}", update.branch);
                    Err(GitError::BadCommit { remote: self.remote.clone(), reason })
                }
                None => {
                    let (branch, is_forced) = (update.branch.clone(), true);
                    let (expected, new) = (at(update.expected.as_ref())?, at(update.new.as_ref())?);
                    Ok(Step { branch, expected, new, is_forced })
                }
            });
        }
        let sent: Vec<&Step> = steps.iter().filter_map(|step| step.as_ref().ok()).collect();
        let mut answers = if sent.is_empty() { Vec::new() } else { self.send(&sent)? }.into_iter();
        Ok(steps.into_iter().map(|step| step.and_then(|_| answers.next().unwrap_or(Ok(())))).collect())
    }

    fn send_one(&self, step: Step) -> Result<(), GitError> {
        self.send(&[&step])?.pop().unwrap_or(Ok(()))
    }

    fn send(&self, steps: &[&Step]) -> Result<Vec<Result<(), GitError>>, GitError> {
        let session = self.session();
        let mut remote = self.repo.remote_anonymous(&session.url()).map_err(|error| self.damaged(&error))?;
        traffic::count_push();
        let advertised: BTreeMap<String, Oid> = session.run(AssertUnwindSafe(|| {
            remote.connect(Direction::Push)?;
            Ok(advertisement(&remote)?.branches.into_iter().collect())
        }))?;
        let place = |branch: &Branch| advertised.get(branch.as_str()).copied().unwrap_or(Oid::ZERO_SHA1);
        let is_due = |step: &&&Step| place(&step.branch) == step.expected && step.expected != step.new;
        let due: Vec<&Step> = steps.iter().filter(is_due).copied().collect();
        let answer = if due.is_empty() { Answer::default() } else { self.converse(&session, &mut remote, &due)? };
        let messages = String::from_utf8_lossy(&answer.messages);
        let verdict = |step: &&Step| {
            let at = place(&step.branch);
            if at != step.expected {
                return Err(self.moved(&step.branch, elsewhere(step.expected, at)));
            }
            let Some(verdict) = answer.refusals.get(&reference(&step.branch)) else { return Ok(()) };
            let messages = messages_for(&step.branch, &due, &messages);
            if is_race(verdict, &messages) {
                let reason = format!("{}: {}", plain(verdict, 200), plain(&messages, MAX_REASON));
                return Err(self.moved(&step.branch, reason));
            }
            Err(self.refusal(&step.branch, verdict, &messages))
        };
        Ok(steps.iter().map(verdict).collect())
    }

    /// Sends what is due on a connection that has told where the branches are.
    fn converse(&self, session: &Session, remote: &mut git2::Remote<'_>, due: &[&Step]) -> Result<Answer, GitError> {
        let answer = RefCell::new(Answer::default());
        let moved = RefCell::new(None);
        let step_of = |name: &str| due.iter().find(|step| name.strip_prefix(BRANCHES) == Some(step.branch.as_str()));
        let mut callbacks = RemoteCallbacks::new();
        // libgit2 sends as the old id what it takes for the branch's place, whatever we planned on.
        callbacks.push_negotiation(|updates| {
            let step = |update: &PushUpdate<'_>| update.dst_refname().ok().and_then(step_of).map(|step| step.expected);
            match updates.iter().find(|update| step(update) != Some(update.src())) {
                None => Ok(()),
                Some(update) => {
                    let step = update.dst_refname().ok().and_then(step_of);
                    *moved.borrow_mut() =
                        step.map(|step| self.moved(&step.branch, elsewhere(step.expected, update.src())));
                    Err(git2::Error::from_str("the branch has moved"))
                }
            }
        });
        callbacks.sideband_progress(|text| {
            let messages = &mut answer.borrow_mut().messages;
            let room = MAX_SIDE_BAND.saturating_sub(messages.len());
            messages.extend(text.iter().take(room));
            true
        });
        callbacks.push_update_reference(|name, refusal| {
            if let Some(refusal) = refusal {
                answer.borrow_mut().refusals.insert(name.to_owned(), refusal.to_owned());
            }
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks);
        // Deleted first: `repin/a` makes room for `repin/a/b`.
        let (deleted, written): (Vec<&&Step>, Vec<&&Step>) = due.iter().partition(|step| step.new.is_zero());
        let refspecs: Vec<String> = deleted.into_iter().chain(written).map(|step| refspec(step)).collect();
        // The inner result is libgit2's, the outer one says that its answer could not be read at all.
        let sent = session.run(AssertUnwindSafe(|| Ok(remote.push(&refspecs, Some(&mut options)))))?;
        drop(options);
        let mut answer = answer.into_inner();
        if let Some(error) = moved.into_inner() {
            return Err(error);
        }
        match sent {
            Ok(()) => {}
            Err(error) if error.code() == ErrorCode::NotFastForward => {
                let branch = due.iter().find(|step| !step.is_forced).map(|step| &step.branch);
                return Err(branch.map_or_else(
                    || session.explain(&error),
                    |branch| self.moved(branch, "it has other commits".to_owned()),
                ));
            }
            Err(error) if error.message().contains("unpacking the sent packfile failed") => {
                let verdict = "the server could not take the objects";
                answer.refusals = due.iter().map(|step| (reference(&step.branch), verdict.to_owned())).collect();
            }
            Err(error) => return Err(session.explain(&error)),
        }
        Ok(answer)
    }

    fn moved(&self, branch: &Branch, reason: String) -> GitError {
        GitError::Moved { remote: self.remote.clone(), branch: branch.to_string(), reason }
    }

    fn refusal(&self, branch: &Branch, verdict: &str, messages: &str) -> GitError {
        let (verdict, messages) = (plain(verdict, 200), plain(messages, MAX_REASON));
        let reason = if messages.is_empty() { verdict } else { format!("{verdict}: {messages}") };
        GitError::Rejected { remote: self.remote.clone(), branch: branch.to_string(), reason }
    }
}

fn reference(branch: &Branch) -> String {
    format!("{BRANCHES}{branch}")
}

fn refspec(step: &Step) -> String {
    match (step.new.is_zero(), step.is_forced) {
        (true, _) => format!(":{BRANCHES}{}", step.branch),
        (false, true) => format!("+{}:{BRANCHES}{}", step.new, step.branch),
        (false, false) => format!("{}:{BRANCHES}{}", step.new, step.branch),
    }
}

/// Says where a branch was expected, and where it is.
fn elsewhere(expected: Oid, at: Oid) -> String {
    let now = if at.is_zero() { "it is gone".to_owned() } else { format!("it is at {at:.10}") };
    if expected.is_zero() {
        format!("planned as a new branch, {now}")
    } else {
        format!("planned on {expected:.10}, {now}")
    }
}

/// Leaves out the lines that speak of another branch of the same push.
fn messages_for(branch: &Branch, due: &[&Step], messages: &str) -> String {
    if due.len() < 2 {
        return messages.to_owned();
    }
    let others: BTreeSet<&str> =
        due.iter().map(|step| step.branch.as_str()).filter(|other| *other != branch.as_str()).collect();
    let named = |line: &str, is_meant: &dyn Fn(&str) -> bool| {
        let words = line.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '`' | ',' | ';' | '(' | ')'));
        let names = words.filter_map(|word| word.trim_end_matches([':', '.']).strip_prefix(BRANCHES));
        names.into_iter().any(is_meant)
    };
    let is_told =
        |line: &&str| named(line, &|name| name == branch.as_str()) || !named(line, &|name| others.contains(name));
    messages.split(['\n', '\r']).filter(is_told).collect::<Vec<_>>().join("\n")
}

/// Tells whether a refusal means that somebody else was faster. A server that compares under its own lock says so in
/// words of its own, and what trying again cannot help reads almost the same.
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
    // The last one: a branch `a` stands in the way of a branch `a/b`.
    const STAYS: [&str; 4] = ["Permission denied", "No space left", "Read-only file system", "exists; cannot create"];
    RACES.iter().any(|words| verdict.contains(words))
        && !STAYS.iter().any(|words| verdict.contains(words) || messages.contains(words))
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
            ("failed to update ref", "'refs/heads/a' exists; cannot create 'refs/heads/a/b'", false),
            ("pre-receive hook declined", "somebody said fetch first", false),
            ("hook declined", "", false),
            ("protected branch hook declined", "", false),
        ] {
            assert_eq!(is_race(verdict, messages), race, "{verdict} {messages}");
        }
    }
}
