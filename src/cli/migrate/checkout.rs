//! The texts of one repository: of a directory, or of the head of a configured one.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::manifest::Source;
use crate::model::names::{Branch, RepoPath};
use crate::plan::locate::{FileState, may_be_manifest};
use crate::yaml::MAX_BYTES;

/// Directories below each other that are looked into.
const MAX_DEPTH: usize = 64;
/// Files that hold manifests, values or settings of argocd-image-updater.
const ENDINGS: [&str; 4] = [".yaml", ".yml", ".json", ".conf"];

/// The texts of one repository.
#[derive(Debug, Default)]
pub(super) struct Checkout {
    /// What it is called.
    pub(super) name: String,
    /// Its URL, where that is known.
    pub(super) url: Option<String>,
    /// The branch that is read, where that is known.
    pub(super) branch: Option<Branch>,
    texts: BTreeMap<RepoPath, String>,
    parsed: RefCell<HashMap<RepoPath, FileState>>,
}

impl Checkout {
    /// Reads a directory; links lead elsewhere, and hidden directories are of tools.
    pub(super) fn of_directory(path: &Path) -> Result<Self, String> {
        if !path.is_dir() {
            return Err("is no directory".to_owned());
        }
        let mut found = Self { name: name_of(path), ..Self::default() };
        let root = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        if found.name.is_empty() {
            found.name = name_of(&root);
        }
        found.folder(&root, &RepoPath::default(), 0)?;
        found.url = fs::read_to_string(root.join(".git/config")).ok().and_then(|text| origin(&text));
        let head = fs::read_to_string(root.join(".git/HEAD")).ok();
        found.branch = head.and_then(|text| text.trim().strip_prefix("ref: refs/heads/")?.parse().ok());
        Ok(found)
    }

    /// Takes the texts of a head.
    pub(super) fn of_head(name: &str, url: &str, branch: Branch, texts: BTreeMap<RepoPath, String>) -> Self {
        Self {
            name: name.to_owned(),
            url: Some(url.to_owned()),
            branch: Some(branch),
            texts: texts.into_iter().filter(|(path, _)| is_read(path.as_str())).collect(),
            parsed: RefCell::default(),
        }
    }

    fn folder(&mut self, at: &Path, path: &RepoPath, depth: usize) -> Result<(), String> {
        let entries = fs::read_dir(at).map_err(|error| format!("cannot be read: {error}"))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            let (Some(path), Ok(kind)) = (path.join(&name), entry.file_type()) else { continue };
            if kind.is_dir() && !name.starts_with('.') && depth < MAX_DEPTH {
                self.folder(&entry.path(), &path, depth + 1)?;
            } else if kind.is_file()
                && is_read(&name)
                && entry.metadata().is_ok_and(|data| data.len() <= MAX_BYTES as u64)
                && let Ok(text) = fs::read_to_string(entry.path())
            {
                self.texts.insert(path, text);
            }
        }
        Ok(())
    }

    /// Gives all texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&RepoPath, &str)> {
        self.texts.iter().map(|(path, text)| (path, text.as_str()))
    }

    /// Gives one text.
    pub(super) fn text(&self, path: &RepoPath) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Gives a file as it is parsed.
    pub(super) fn state(&self, path: &RepoPath) -> FileState {
        let Some(text) = self.texts.get(path) else { return FileState::Missing };
        let parse = || match Source::parse(text) {
            Ok(source) => FileState::Parsed(Arc::new(source)),
            Err(error) => FileState::Unreadable(Arc::new(error)),
        };
        self.parsed.borrow_mut().entry(path.clone()).or_insert_with(parse).clone()
    }

    /// Gives the files of a directory that may be manifests, or all below it; templates of charts are none.
    pub(super) fn manifests(&self, directory: &RepoPath, is_recursive: bool) -> Vec<RepoPath> {
        let is_there =
            |path: &RepoPath| if is_recursive { path.is_within(directory) } else { path.parent() == *directory };
        let is_template = |path: &RepoPath| path.parts().any(|part| part == "templates");
        self.texts
            .keys()
            .filter(|path| is_there(path) && may_be_manifest(path.as_str()) && !is_template(path))
            .cloned()
            .collect()
    }
}

fn is_read(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Gives a name that configurations take.
fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let legal = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
    name.chars().map(legal).collect::<String>().trim_matches('-').to_owned()
}

/// Finds the URL of the remote `origin` in the text of Git's own configuration.
fn origin(text: &str) -> Option<String> {
    let section = text.split("[remote \"origin\"]").nth(1)?;
    let own = section.lines().skip(1).take_while(|line| !line.trim_start().starts_with('['));
    own.filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == "url")
        .map(|(_, url)| url.trim().to_owned())
}
