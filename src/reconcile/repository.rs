//! One repository: its mirror, what was discovered in it and what stood at its places, kept by blob id between cycles.
//!
//! Blocking; `gather` and `act` call it from a blocking thread. Nothing is read, parsed or fetched twice that cannot have
//! changed.

pub(super) mod files;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::git::{self, EntryKind, GitError, Head, History, HistoryLimits, Mirror, TreeEntry};
use crate::manifest::place::Place;
use crate::model::application::Application;
use crate::model::history::{BlobId, CommitId};
use crate::model::names::{Branch, ImageName, RepoPath};
use crate::model::problem::Problem;
use crate::model::remote_url::RemoteUrl;
use crate::model::rule::Glob;
use crate::model::tracked::TrackedImage;
use crate::plan::Failure;
use crate::plan::locate::{FileState, Located, locate};
use crate::plan::rollback::{Release, Stood};
use crate::reconcile::repository::files::{Discovered, discover_file, parsed};

/// What a repository needs to be read and written.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositoryOptions {
    /// Its configured name.
    pub name: String,
    /// Where it is.
    pub url: RemoteUrl,
    /// The branch; none = the remote's default branch.
    pub branch: Option<Branch>,
    /// Other URLs that mean it.
    pub also: Vec<RemoteUrl>,
    /// Files in which Applications are looked for.
    pub discover: Vec<Glob>,
    /// Files outside the source paths that may be written.
    pub may_write: Vec<Glob>,
    /// How much history is read.
    pub history: HistoryLimits,
    /// Directory of the mirrors.
    pub cache: PathBuf,
    /// What is needed to get in.
    pub access: git::Access,
}

/// The tag at one key of one blob, memoised.
pub(super) type ValueKey = (BlobId, Place, ImageName);

/// A repository with everything that is kept between cycles.
pub struct Repository {
    /// Its options.
    pub options: RepositoryOptions,
    pub(super) mirror: Option<Mirror>,
    pub(super) head: Option<Head>,
    entries: HashMap<RepoPath, TreeEntry>,
    discovered: HashMap<(RepoPath, BlobId), Arc<Discovered>>,
    pub(super) sources: HashMap<BlobId, FileState>,
    pub(super) history: History,
    pub(super) stood: HashMap<ValueKey, Stood>,
    pub(super) releases: Arc<Vec<Release>>,
    pub(super) released_at: Option<CommitId>,
    unparsed_templates: usize,
    /// The last reading that went well.
    last: Option<Reading>,
}

/// What a repository holds at its head.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The head.
    pub head: Head,
    /// Its annotated Applications, by file.
    pub applications: Vec<Application>,
    /// What is wrong in the files.
    pub problems: Vec<Problem>,
    /// Chart templates that are no YAML and were passed over.
    pub unparsed_templates: usize,
}

impl Repository {
    /// Takes the options; nothing is opened before the first cycle.
    pub fn new(options: RepositoryOptions) -> Self {
        let history = History::new(options.history);
        Self {
            options,
            mirror: None,
            head: None,
            entries: HashMap::new(),
            discovered: HashMap::new(),
            sources: HashMap::new(),
            history,
            stood: HashMap::new(),
            releases: Arc::default(),
            released_at: None,
            unparsed_templates: 0,
            last: None,
        }
    }

    /// Brings the mirror to the remote's head and reads what changed. On failure the last head that was read, if any,
    /// still tells which Applications there are.
    pub fn read(&mut self) -> (Option<Reading>, Option<Failure>) {
        let failure = match self.sync() {
            Ok(()) => None,
            Err(error) => Some(failure_of(&self.options.name, &error)),
        };
        if failure.is_some() && self.head.is_none() {
            return (None, failure);
        }
        match self.discover() {
            Ok(reading) => {
                self.last = Some(reading.clone());
                (Some(reading), failure)
            }
            // Its Applications are still known, and each of them fails.
            Err(error) => (self.last.clone(), failure.or_else(|| Some(failure_of(&self.options.name, &error)))),
        }
    }

    /// Tells whether a head was ever read.
    pub fn is_known(&self) -> bool {
        self.head.is_some()
    }

    fn sync(&mut self) -> Result<(), GitError> {
        // The cache may be deleted at any time, also under a running process.
        let mirror = match self.mirror.take().filter(|mirror| !mirror.is_gone()) {
            Some(mirror) => mirror,
            None => {
                let options = git::Options::new(self.options.cache.clone(), self.options.url.to_string());
                Mirror::open(&git::Options { access: self.options.access.clone(), ..options })?
            }
        };
        let mirror = self.mirror.insert(mirror);
        let head = mirror.sync(self.options.branch.as_ref());
        let head = match head {
            Ok(head) => head,
            Err(error) => {
                if self.head.is_none() {
                    let known = mirror.known_head(self.options.branch.as_ref());
                    // What is wrong with the remote is told, whatever the mirror is worth.
                    if let Some((head, found)) =
                        known.and_then(|head| entries(mirror, &head.commit).ok().map(|found| (head, found)))
                    {
                        (self.head, self.entries) = (Some(head), found);
                    }
                }
                return Err(error);
            }
        };
        if self.head.as_ref().is_none_or(|known| known.commit != head.commit) {
            self.entries = entries(mirror, &head.commit)?;
        }
        self.head = Some(head);
        Ok(())
    }

    fn discover(&mut self) -> Result<Reading, GitError> {
        let (Some(mirror), Some(head)) = (&self.mirror, &self.head) else {
            return Err(not_open(&self.options.url));
        };
        let mut paths: Vec<&RepoPath> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.kind.is_file())
            .map(|(path, _)| path)
            .filter(|path| self.options.discover.iter().any(|glob| glob.is_match(path.as_str())))
            .collect();
        paths.sort();
        let (mut applications, mut problems) = (Vec::new(), Vec::new());
        let mut kept = HashMap::new();
        self.unparsed_templates = 0;
        for path in paths {
            let Some(entry) = self.entries.get(path) else { continue };
            let key = (path.clone(), entry.blob);
            let found = match self.discovered.remove(&key) {
                Some(found) => found,
                None => Arc::new(discover_file(mirror, &self.options.name, path, entry)?),
            };
            if found.problems.is_empty() || !(found.applications.is_empty() && is_chart_template(&self.entries, path)) {
                problems.extend(found.problems.iter().cloned());
            } else {
                self.unparsed_templates += 1;
            }
            applications.extend(found.applications.iter().cloned());
            kept.insert(key, found);
        }
        self.discovered = kept;
        Ok(Reading { head: head.clone(), applications, problems, unparsed_templates: self.unparsed_templates })
    }

    /// Finds where the tags of the images stand that target this repository.
    ///
    /// # Errors
    /// A file that the mirror lost: no other one may be taken for it.
    pub fn locate(&mut self, images: &[TrackedImage]) -> Result<Vec<Vec<Located>>, GitError> {
        let wanted: HashSet<&RepoPath> =
            images.iter().filter_map(|image| image.target.as_ref()).flat_map(|target| target.search.files()).collect();
        for path in wanted {
            self.load(path)?;
        }
        let this = &*self;
        let found = |image: &TrackedImage| {
            image.target.as_ref().map(|target| locate(image, target, &|path| this.state(path))).unwrap_or_default()
        };
        Ok(images.iter().map(found).collect())
    }

    /// Gives a file as it was found at the head.
    pub fn state(&self, path: &RepoPath) -> FileState {
        match self.entry(path) {
            Ok(None) => FileState::Missing,
            Ok(Some(entry)) => self.sources.get(&entry.blob).cloned().unwrap_or(FileState::Missing),
            Err(what) => FileState::NotRegular(what),
        }
    }

    /// Finds a regular file; what stands in its way is named.
    fn entry(&self, path: &RepoPath) -> Result<Option<&TreeEntry>, &'static str> {
        let mut ancestor = path.clone();
        loop {
            match self.entries.get(&ancestor).map(|entry| entry.kind) {
                Some(EntryKind::Symlink) if ancestor == *path => return Err("a symlink"),
                Some(EntryKind::Symlink) => return Err("behind a symlink"),
                Some(EntryKind::Submodule) => return Err("in a submodule"),
                _ => {}
            }
            if ancestor.as_str().is_empty() {
                break;
            }
            ancestor = ancestor.parent();
        }
        if let Some(entry) = self.entries.get(path) {
            return Ok(Some(entry));
        }
        Ok(None)
    }

    fn load(&mut self, path: &RepoPath) -> Result<(), GitError> {
        let Ok(Some(entry)) = self.entry(path).map(|entry| entry.cloned()) else { return Ok(()) };
        let (Some(mirror), false) = (&self.mirror, self.sources.contains_key(&entry.blob)) else { return Ok(()) };
        let state = parsed(mirror, &entry.blob)?;
        self.sources.insert(entry.blob, state);
        Ok(())
    }

    /// Forgets what no head of this cycle needs any more.
    pub fn forget(&mut self) {
        let alive: HashSet<BlobId> = self.entries.values().map(|entry| entry.blob).collect();
        self.sources.retain(|blob, _| alive.contains(blob));
    }

    /// Gives the open mirror.
    pub fn mirror(&mut self) -> Option<&mut Mirror> {
        self.mirror.as_mut()
    }
}

/// Turns an error of Git into a failure that names the repository.
pub fn failure_of(repository: &str, error: &GitError) -> Failure {
    Failure {
        code: error.code().to_owned(),
        message: format!("repository `{repository}`: {error}"),
        hint: error.hint(),
        line: None,
    }
}

/// Tells that a repository is used before it was read.
pub fn not_open(url: &RemoteUrl) -> GitError {
    GitError::Cache { remote: git::Remote::shown(&url.to_string()), reason: "the mirror is not open".to_owned() }
}

fn entries(mirror: &Mirror, head: &CommitId) -> Result<HashMap<RepoPath, TreeEntry>, GitError> {
    Ok(mirror.tree(head)?.entries.into_iter().map(|entry| (entry.path.clone(), entry)).collect())
}

/// Tells whether a file stands in the `templates` directory of a chart.
fn is_chart_template(entries: &HashMap<RepoPath, TreeEntry>, path: &RepoPath) -> bool {
    let mut directory = path.parent();
    while !directory.as_str().is_empty() {
        let chart = directory.parent().join("Chart.yaml");
        let is_templates = directory.parts().last() == Some("templates");
        if is_templates && chart.is_some_and(|chart| entries.contains_key(&chart)) {
            return true;
        }
        directory = directory.parent();
    }
    false
}
