//! One file of a repository: its Applications, its values. What stands in it never costs another file its cycle: too large,
//! not UTF-8, no YAML, or a defect of the reader are answers like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::git::{GitError, Mirror};
use crate::manifest::argocd::applicationset::ApplicationSet;
use crate::manifest::argocd::{Definitions, may_hold_applications, read_applications};
use crate::manifest::place::{Current, Place};
use crate::manifest::{EditError, Source};
use crate::model::application::Application;
use crate::model::history::BlobId;
use crate::model::names::{ImageName, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::plan::locate::FileState;
use crate::plan::rollback::Stood;
use crate::reconcile::repository::{Repository, not_open};
use crate::yaml::MAX_BYTES;

/// A file that is too large to be read as YAML is of interest only if it holds this.
const IMAGE_LIST: &[u8] = b"/image-list";
/// How large such a file may be, in bytes.
const SEARCHED_BYTES: u64 = 64 << 20;

/// What one file gave to discovery.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    pub(super) applications: Vec<Arc<Application>>,
    /// ApplicationSets, whose Applications depend on other files too.
    pub(super) sets: Vec<Arc<ApplicationSet>>,
    pub(super) problems: Vec<Problem>,
}

impl Discovered {
    pub(super) fn is_empty(&self) -> bool {
        self.applications.is_empty() && self.sets.is_empty() && self.problems.is_empty()
    }
}

impl Repository {
    /// Finds a regular file at the head of the repository's own branch; what stands in its way is named.
    pub(in crate::reconcile) fn own_file(&self, path: &RepoPath) -> Result<Option<BlobId>, &'static str> {
        let line = self.head.as_ref().and_then(|head| self.lines.get(&head.branch));
        line.map_or(Ok(None), |line| line.file(path))
    }

    /// Reads a file that was found.
    pub(in crate::reconcile) fn content(&self, blob: &BlobId, limit: u64) -> Result<Vec<u8>, GitError> {
        self.mirror.as_ref().ok_or_else(|| not_open(&self.options.url))?.read(blob, limit)
    }
}

/// Reads the Applications of a file; its content is shown to `note` too. None if it holds nothing, wherever it stands.
pub(super) fn discover_file(
    mirror: &Mirror,
    repository: &str,
    file: &RepoPath,
    blob: &BlobId,
    note: impl FnOnce(&[u8]),
) -> Result<Option<Discovered>, GitError> {
    let bytes = match mirror.read(blob, MAX_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(GitError::TooLarge { size, limit, .. }) => {
            let problems = mirror
                .read(blob, SEARCHED_BYTES)
                .is_ok_and(|bytes| bytes.windows(IMAGE_LIST.len()).any(|found| found == IMAGE_LIST))
                .then(|| too_large(repository, file, &size, &limit));
            return Ok(Some(Discovered { problems: problems.into_iter().collect(), ..Discovered::default() }));
        }
        Err(error) => return Err(error),
    };
    note(&bytes);
    if !may_hold_applications(&bytes) {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(Some(guarded(|| read_applications(repository, file, &text)).map_or_else(
        || Discovered { problems: vec![defect(repository, file)], ..Discovered::default() },
        |Definitions { applications, sets, problems }| Discovered {
            applications: applications.into_iter().map(Arc::new).collect(),
            sets: sets.into_iter().map(Arc::new).collect(),
            problems,
        },
    )))
}

/// Reads a blob as YAML. What the mirror lost is an error and never taken for an absent file.
pub(in crate::reconcile) fn parsed(mirror: &Mirror, blob: &BlobId) -> Result<FileState, GitError> {
    let bytes = match mirror.read(blob, MAX_BYTES as u64) {
        Ok(bytes) => bytes,
        Err(GitError::TooLarge { size, limit, .. }) => {
            return Ok(FileState::Unreadable(Arc::new(EditError::TooLarge { found: size, limit })));
        }
        Err(error) => return Err(error),
    };
    let parsed = guarded(|| Source::from_bytes(&bytes)).unwrap_or_else(|| {
        Err(EditError::InvalidYaml { line: 1, message: "reading it met a defect of repin".to_owned(), template: false })
    });
    Ok(match parsed {
        Ok(source) => FileState::Parsed(Arc::new(source)),
        Err(error) => FileState::Unreadable(Arc::new(error)),
    })
}

/// Tells what stands at a place of a file.
pub(in crate::reconcile) fn stood(state: &FileState, place: &Place, image: &ImageName) -> Stood {
    let FileState::Parsed(source) = state else { return Stood::Unreadable };
    match place.read(source, image) {
        Ok(held) => match (held.current, held.tag) {
            (Current::Absent, _) => Stood::NoKey,
            (Current::Text(_), tag) if held.digest.is_some() => {
                Stood::Tag { tag: tag.unwrap_or_default(), digest: held.digest }
            }
            (Current::Text(_), Some(tag)) if !tag.is_empty() => Stood::Tag { tag, digest: None },
            _ => Stood::Other,
        },
        Err(EditError::NoSuchKey { .. }) => Stood::NoKey,
        Err(EditError::OtherImage { .. } | EditError::Template { .. }) => Stood::Other,
        Err(_) => Stood::Unreadable,
    }
}

/// Runs a reader of bytes that others wrote. Its panic is an answer about these bytes, not the end of the cycle.
pub(super) fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(read)).ok()
}

fn too_large(repository: &str, file: &RepoPath, size: &str, limit: &str) -> Problem {
    let error = EditError::TooLarge { found: size.to_owned(), limit: limit.to_owned() };
    Problem {
        severity: Severity::Error,
        code: error.code().to_owned(),
        repository: Some(repository.to_owned()),
        file: Some(file.to_string()),
        line: None,
        message: format!("{file} holds annotations, and nothing in it is known: {error}"),
        hint: error.hint(),
    }
}

pub(super) fn defect(repository: &str, file: &RepoPath) -> Problem {
    Problem {
        severity: Severity::Error,
        code: "internal/defect".to_owned(),
        repository: Some(repository.to_owned()),
        file: Some(file.to_string()),
        line: None,
        message: format!("{file}: reading it met a defect of repin, so nothing in it is known"),
        hint: Some("report it with this file; what is in the other files goes on".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_a_reader_is_an_answer() {
        assert_eq!(guarded(|| 1), Some(1));
        assert_eq!(guarded(|| panic_on(true)), None);
    }

    fn panic_on(yes: bool) -> u8 {
        assert!(!yes, "on purpose");
        0
    }
}
