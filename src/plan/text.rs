//! The messages of planned commits. What is written is decided before.

use crate::message;
use crate::model::change::ChangeSet;
use crate::model::problem::{Problem, Severity};
use crate::plan::Snapshot;

/// Writes the message of every commit; gives a warning for each one that the operator's template failed on.
pub(super) fn write(snapshot: &Snapshot, changes: &mut [ChangeSet]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for set in changes {
        for commit in &mut set.commits {
            let written = message::commit(&commit.text, &snapshot.wording);
            commit.message = written.text;
            problems.extend(written.stand_in.map(|reason| problem(&set.repository, &commit.message, &reason)));
        }
    }
    problems
}

fn problem(repository: &str, message: &str, reason: &str) -> Problem {
    let subject = message.lines().next().unwrap_or_default();
    Problem {
        severity: Severity::Warning,
        code: "config/message".to_owned(),
        repository: Some(repository.to_owned()),
        file: None,
        line: None,
        message: format!(
            "`commit.message` cannot be rendered for \"{subject}\": {reason}; the default message stands in"
        ),
        hint: Some("change `commit.message` in repin.yaml so that it also works for this commit".to_owned()),
    }
}
