//! The files of one repository, parsed once.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use repin::manifest::{EditError, Source};
use repin::model::names::{ImageName, RepoPath};
use repin::model::tracked::CHART;
use repin::plan::locate::{FileState, Files, may_be_manifest};
use repin::yaml::MAX_BYTES;

/// The files of a repository that repin may read.
pub(crate) struct Tree {
    texts: BTreeMap<RepoPath, Vec<u8>>,
    states: RefCell<BTreeMap<RepoPath, FileState>>,
}

impl Tree {
    /// Reads what may be a manifest, and what says which directory is what.
    pub(crate) fn read(root: &Path) -> Self {
        let mut texts = BTreeMap::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap().filter_map(Result::ok) {
                let kind = entry.file_type().unwrap();
                let name = entry.file_name();
                if kind.is_dir() && name != ".git" && name != "node_modules" {
                    folders.push(entry.path());
                } else if kind.is_file()
                    && let Some(file) = entry.path().strip_prefix(root).ok().and_then(Path::to_str)
                    && let Ok(file) = file.parse::<RepoPath>()
                    && (may_be_manifest(file.as_str()) || file.as_str().ends_with("Kustomization"))
                    && entry.metadata().is_ok_and(|data| data.len() <= MAX_BYTES as u64)
                {
                    texts.insert(file, fs::read(entry.path()).unwrap());
                }
            }
        }
        Self { texts, states: RefCell::default() }
    }

    /// Gives the files, sorted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &RepoPath> {
        self.texts.keys()
    }

    /// Tells whether there is such a file.
    pub(crate) fn has(&self, file: &RepoPath) -> bool {
        self.texts.contains_key(file)
    }

    /// Gives a parsed file, or why it cannot be read.
    pub(crate) fn source(&self, file: &RepoPath) -> Result<Arc<Source>, Option<Arc<EditError>>> {
        match self.state(file) {
            FileState::Parsed(source) => Ok(source),
            FileState::Unreadable(error) => Err(Some(error)),
            FileState::Missing | FileState::NotRegular(_) => Err(None),
        }
    }

    fn state(&self, file: &RepoPath) -> FileState {
        if let Some(known) = self.states.borrow().get(file) {
            return known.clone();
        }
        let state = match self.texts.get(file).map(|text| Source::from_bytes(text)) {
            Some(Ok(source)) => FileState::Parsed(Arc::new(source)),
            Some(Err(error)) => FileState::Unreadable(Arc::new(error)),
            None => FileState::Missing,
        };
        self.states.borrow_mut().insert(file.clone(), state.clone());
        state
    }

    /// Runs a search as a cycle would see the repository.
    pub(crate) fn searched<T>(&self, image: &ImageName, search: impl FnOnce(Files<'_>) -> T) -> T {
        let read = |file: &RepoPath| self.state(file);
        let below = |directory: &RepoPath, is_recursive: bool| {
            let is_there = |file: &&RepoPath| {
                file.is_within(directory)
                    && (is_recursive || file.parent() == *directory)
                    && may_be_manifest(file.as_str())
            };
            self.texts.keys().filter(is_there).cloned().collect::<Vec<_>>()
        };
        let holding = |directory: &RepoPath, is_recursive: bool, word: &str| {
            let holds = |file: &RepoPath| {
                let text = self.texts[file].to_ascii_lowercase();
                text.windows(word.len()).any(|part| part == word.as_bytes())
            };
            let mut files = below(directory, is_recursive);
            files.retain(|file| !self.is_template(file) && holds(file));
            files
        };
        let word = image.repository().rsplit('/').next().unwrap_or_default();
        let naming = |directory: &RepoPath, is_recursive: bool| holding(directory, is_recursive, word);
        let count = |directory: &RepoPath, is_recursive: bool| below(directory, is_recursive).len();
        search(Files { read: &read, count: &count, naming: &naming, holding: &holding })
    }

    /// Tells whether a file is a template of a chart.
    fn is_template(&self, file: &RepoPath) -> bool {
        let mut directory = file.parent();
        while !directory.as_str().is_empty() {
            let is_chart = directory.parent().join(CHART).is_some_and(|chart| self.has(&chart));
            if directory.parts().last() == Some("templates") && is_chart {
                return true;
            }
            directory = directory.parent();
        }
        false
    }

    /// Gives the nearest directory at or above a file that holds one of these names.
    pub(crate) fn above(&self, file: &RepoPath, names: &[&str]) -> Option<RepoPath> {
        let mut directory = file.parent();
        loop {
            if names.iter().any(|name| directory.join(name).is_some_and(|file| self.has(&file))) {
                return Some(directory);
            }
            if directory.as_str().is_empty() {
                return None;
            }
            directory = directory.parent();
        }
    }

    /// Gives the directories that hold one of these names.
    pub(crate) fn directories(&self, names: &[&str]) -> Vec<RepoPath> {
        let is_one = |file: &&RepoPath| file.parts().last().is_some_and(|last| names.contains(&last));
        let mut found: Vec<RepoPath> = self.texts.keys().filter(is_one).map(RepoPath::parent).collect();
        found.dedup();
        found
    }
}
