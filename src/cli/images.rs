//! `repin images <path>…`: every image location of files, with the key path by which `set` and annotations name it.
//!
//! No configuration and no network. A file says where it names images; what is rendered of it is not asked here.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::document::{FoundImage, ImagesDocument, VERSION};
use crate::cli::render::{self, Palette, clean};
use crate::cli::text_file::{FileError, Purpose, TextFile, defect, list_to_stdout, problem, unanswered};
use crate::cli::{FAILED, FINE, Global};
use crate::diagnostic::Diagnostic;
use crate::manifest::survey::{Surveyed, survey};
use crate::manifest::{EditError, Source};
use crate::model::problem::Problem;
use crate::model::tracked::KUSTOMIZATIONS;
use crate::plan::locate::may_be_manifest;

/// Directories below each other that are looked into.
const MAX_DEPTH: usize = 64;

/// What is looked into.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Files, folders with all that may be manifests below them, or `-` for stdin
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// Exit 0 if everything could be read, 1 if something could not; what could be is listed all the same.
pub(super) fn run(global: &Global, asked: &Asked) -> u8 {
    let mut search = Search::default();
    asked.paths.iter().for_each(|path| search.look(path));
    let Search { found, problems, .. } = search;
    let answered = if global.is_json() {
        let document = ImagesDocument { version: VERSION, images: &found, problems: &problems };
        list_to_stdout(&render::json_text(&document))
    } else {
        render::talk(&render::problems(&problems, Palette::plain()));
        list_to_stdout(&found.iter().map(line).collect::<String>())
    };
    if let Err(error) = answered {
        return unanswered(&error);
    }
    if problems.is_empty() { FINE } else { FAILED }
}

/// Prints the document of a command that is refused.
pub(super) fn refuse(problems: &[Problem]) {
    render::json(&ImagesDocument { version: VERSION, images: &[], problems });
}

/// `file:line  key  image  tag`.
fn line(found: &FoundImage) -> String {
    let at = found.line.map_or_else(|| found.file.clone(), |line| format!("{}:{line}", found.file));
    let tag = match (&found.tag, &found.digest, found.code) {
        (_, _, Some(code)) => format!("({code})"),
        (Some(tag), Some(digest), None) => format!("{tag}@{digest}"),
        (Some(text), None, None) | (None, Some(text), None) => text.clone(),
        (None, None, None) => "(no tag)".to_owned(),
    };
    format!("{}  {}  {}  {}\n", clean(&at), clean(&found.key), found.image, clean(&tag))
}

#[derive(Default)]
struct Search {
    found: Vec<FoundImage>,
    problems: Vec<Problem>,
    /// A path that is named twice is looked into once.
    seen: BTreeSet<PathBuf>,
}

impl Search {
    /// Looks into what was named, whatever it is called.
    fn look(&mut self, path: &Path) {
        if fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir()) {
            self.folder(path, 0);
        } else {
            self.file(path, true);
        }
    }

    /// Looks into what may be manifests below a folder; links lead elsewhere, and hidden folders are of tools.
    fn folder(&mut self, path: &Path, depth: usize) {
        if depth > MAX_DEPTH {
            let why = format!("it stands below {MAX_DEPTH} other folders, and no further one is looked into");
            return self.problems.push(problem(path, &FileError::Unreadable(why), None));
        }
        let entries = fs::read_dir(path).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<PathBuf>, _>>()
        });
        let mut paths = match entries {
            Ok(paths) => paths,
            Err(error) => return self.problems.push(unreadable(path, &error)),
        };
        paths.sort();
        for path in paths {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let metadata = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata,
                Err(error) => {
                    self.problems.push(unreadable(&path, &error));
                    continue;
                }
            };
            if metadata.is_dir() {
                if !name.starts_with('.') {
                    self.folder(&path, depth + 1);
                }
            } else if metadata.is_file() && (may_be_manifest(&name) || KUSTOMIZATIONS.contains(&name.as_str())) {
                self.file(&path, false);
            }
        }
    }

    fn file(&mut self, path: &Path, is_named: bool) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        let bytes = match TextFile::open(path, Purpose::Read).and_then(|file| file.read()) {
            Ok(bytes) => bytes,
            Err(error) => return self.problems.push(problem(path, &error, None)),
        };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let read = || Source::from_bytes(&bytes).map(|source| survey(&source, &name));
        match catch_unwind(AssertUnwindSafe(read)) {
            Ok(Ok(all)) => {
                let shown = path.display().to_string();
                self.found.extend(all.into_iter().map(|one| image(&shown, one)));
            }
            // Templates of charts are no YAML, and nobody named this one.
            Ok(Err(EditError::InvalidYaml { template: true, .. })) if !is_named => {}
            Ok(Err(error)) => self.problems.push(problem(path, &error, error.line())),
            Err(_) => self.problems.push(defect(path)),
        }
    }
}

fn image(file: &str, surveyed: Surveyed) -> FoundImage {
    let (key, image) = (surveyed.place.key(), surveyed.image.to_string());
    let base = FoundImage { file: file.to_owned(), line: None, key, image, tag: None, digest: None, code: None };
    match surveyed.held {
        Ok(held) => {
            FoundImage { line: held.line, tag: held.tag.filter(|tag| !tag.is_empty()), digest: held.digest, ..base }
        }
        Err(error) => FoundImage { line: error.line(), code: Some(error.code()), ..base },
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    problem(path, &FileError::Unreadable(error.to_string()), None)
}
