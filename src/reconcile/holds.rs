//! What people hold in each repository, read from its own branch; a file that did not change is not read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::info;

use crate::diagnostic::Diagnostic;
use crate::git::GitError;
use crate::manifest::holds::{HoldsError, read};
use crate::model::history::BlobId;
use crate::model::hold::{HOLDS_FILE, Hold};
use crate::model::names::RepoPath;
use crate::model::problem::{Problem, Severity};
use crate::plan::{Failure, Snapshot};
use crate::reconcile::repository::Repository;
use crate::reconcile::workers::on_each;
use crate::reconcile::{CycleReport, Reconciler};

/// Code of a file that cannot be read.
const INVALID: &str = "holds/invalid";
/// Largest file that is read, in bytes.
pub(super) const MAX_HOLDS_BYTES: u64 = 1 << 20;

/// What is known of the files of all repositories, by name.
pub(super) type Memory = BTreeMap<String, (BlobId, Known)>;

/// What one file says.
#[derive(Clone, Debug)]
pub(super) struct Known {
    holds: Result<Arc<Vec<Hold>>, Failure>,
    problems: Vec<Problem>,
}

/// How long what people hold counts as known to what is about to be written.
const FRESH: Duration = Duration::from_secs(2);

impl Reconciler {
    /// Tells whether people held or released something in any repository since it was asked last; if that was a moment ago
    /// nobody is asked. A repository that cannot be reached now takes no freeze either.
    pub(super) async fn is_overtaken(&mut self, asked: &mut Instant) -> bool {
        if asked.elapsed() < FRESH {
            return false;
        }
        *asked = Instant::now();
        let Ok(path) = HOLDS_FILE.parse::<RepoPath>() else { return false };
        let pieces = self.repositories.iter().map(|_| path.clone()).collect();
        let answers = on_each(&mut self.repositories, pieces, |repository, path| {
            let before = repository.own_file(&path);
            // What was read is kept where it cannot be read now, and looked for again by the next cycle.
            repository.look(true);
            repository.own_file(&path) != before
        })
        .await;
        let changed = self.repositories.iter().zip(answers).filter(|(_, changed)| *changed == Some(true));
        let changed: Vec<&str> = changed.map(|(repository, _)| repository.options.name.as_str()).collect();
        if !changed.is_empty() {
            info!("what people hold changed in {} meanwhile: everything is decided again", changed.join(", "));
        }
        !changed.is_empty()
    }

    /// Puts what people hold into the snapshot, and what is wrong in their files into the report. A repository that cannot be
    /// read now tells what it said last.
    pub(super) fn read_holds(&mut self, snapshot: &mut Snapshot, report: &mut CycleReport) {
        let Ok(path) = HOLDS_FILE.parse::<RepoPath>() else { return };
        let mut kept = std::mem::take(&mut self.holds);
        for repository in &self.repositories {
            let name = &repository.options.name;
            let blob = match repository.own_file(&path) {
                Ok(None) => continue,
                Ok(Some(blob)) => blob,
                Err(what) => {
                    let hint = "put a regular file there, or take it away";
                    let error = HoldsError { line: 1, message: format!("it is {what}"), hint: Some(hint.to_owned()) };
                    take(unreadable(name, &[error]), name, snapshot, report);
                    continue;
                }
            };
            let known = match kept.remove(name).filter(|(read, _)| *read == blob) {
                Some((_, known)) => known,
                None => match look(repository, &blob) {
                    Ok(known) => known,
                    // The next cycle makes the mirror anew.
                    Err(error) => {
                        let failure = crate::reconcile::repository::failure_of(name, &error);
                        take(Known { holds: Err(failure), problems: Vec::new() }, name, snapshot, report);
                        continue;
                    }
                },
            };
            self.holds.insert(name.clone(), (blob, known.clone()));
            take(known, name, snapshot, report);
        }
    }
}

fn take(known: Known, name: &str, snapshot: &mut Snapshot, report: &mut CycleReport) {
    report.problems.extend(known.problems);
    snapshot.holds.insert(name.to_owned(), known.holds);
}

fn look(repository: &Repository, blob: &BlobId) -> Result<Known, GitError> {
    let name = &repository.options.name;
    let bytes = match repository.content(blob, MAX_HOLDS_BYTES) {
        Ok(bytes) => bytes,
        Err(error @ GitError::TooLarge { .. }) => {
            let error = HoldsError { line: 1, message: error.to_string(), hint: error.hint() };
            return Ok(unreadable(name, &[error]));
        }
        Err(error) => return Err(error),
    };
    let found = text_of(&bytes).and_then(read);
    Ok(match found {
        Ok(holds) => Known { holds: Ok(Arc::new(holds)), problems: Vec::new() },
        Err(errors) => unreadable(name, &errors),
    })
}

/// Gives the text of the file.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, Vec<HoldsError>> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
        let hint = Some("save it as UTF-8".to_owned());
        vec![HoldsError { line, message: "it is no UTF-8".to_owned(), hint }]
    })
}

fn unreadable(name: &str, errors: &[HoldsError]) -> Known {
    let problem = |error: &HoldsError| Problem {
        severity: Severity::Error,
        code: INVALID.to_owned(),
        repository: Some(name.to_owned()),
        file: Some(HOLDS_FILE.to_owned()),
        line: Some(error.line),
        message: format!(
            "{HOLDS_FILE}: {error}; until it can be read nothing is written, for freezes count for all repositories"
        ),
        hint: error.hint.clone(),
    };
    let first = errors.first();
    let failure = Failure {
        code: INVALID.to_owned(),
        message: format!(
            "repository `{name}`: {HOLDS_FILE}{}",
            first.map_or_else(String::new, |error| format!(", line {}: {error}", error.line))
        ),
        hint: first.and_then(|error| error.hint.clone()),
        line: first.map(|error| error.line),
    };
    Known { holds: Err(failure), problems: errors.iter().map(problem).collect() }
}
