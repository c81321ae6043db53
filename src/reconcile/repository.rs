//! One repository: its mirror, what was discovered in it and what stood at its places, kept by blob id between cycles.
//!
//! Blocking; `gather` and `act` call it from a blocking thread. Nothing is read, parsed or fetched twice that cannot have
//! changed.

mod discovery;
pub(super) mod files;
mod index;
mod kept;
pub(super) mod line;
pub(super) mod made;
mod options;
pub(super) mod places;
mod said;
pub(super) mod sets;
mod words;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::credentials::Credentials;
use crate::diagnostic::Diagnostic;
use crate::git::{self, GitError, Head, Mirror, Trees};
use crate::manifest::argocd::applicationset::ApplicationSet;
use crate::manifest::place::Place;
use crate::model::application::Application;
use crate::model::history::{BlobId, CommitId};
use crate::model::names::{Branch, ImageName, RepoPath};
use crate::model::problem::Problem;
use crate::model::remote_url::RemoteUrl;
use crate::plan::Failure;
use crate::plan::locate::FileState;
use crate::plan::rollback::Stood;
use crate::reconcile::repository::discovery::Survey;
use crate::reconcile::repository::files::parsed;
use crate::reconcile::repository::index::Index;
use crate::reconcile::repository::line::{Line, Met};
use crate::reconcile::repository::places::Placed;

pub use crate::reconcile::repository::options::RepositoryOptions;
pub(super) use crate::reconcile::repository::places::Ground;

/// What stood at one place in one version of a file, memoised.
pub(super) type StoodKey = (BlobId, Place, ImageName);

/// A repository with everything that is kept between cycles.
pub struct Repository {
    /// Its options.
    pub options: RepositoryOptions,
    pub(super) mirror: Option<Mirror>,
    /// The head that defines the Applications.
    pub(super) head: Option<Head>,
    /// The branches that are in use.
    pub(super) lines: BTreeMap<Branch, Line>,
    /// Branches beside that of the head that cannot be read, each with the commit that cannot.
    pub(super) unread: BTreeMap<Branch, (CommitId, Failure)>,
    /// Every branch that the remote had at the last look.
    advertised: Arc<BTreeMap<Branch, CommitId>>,
    /// The directories of all branches.
    trees: Trees,
    /// What discovery found at the head.
    survey: Option<Survey>,
    /// What ApplicationSets generate.
    expanded: sets::Memory,
    pub(super) sources: RefCell<HashMap<BlobId, FileState>>,
    /// What the files of searched directories may name.
    index: RefCell<Index>,
    pub(super) stood: HashMap<StoodKey, Stood>,
    /// Which moved files went over to another image; none where their contents do not say.
    pub(super) turned: HashMap<(BlobId, BlobId, ImageName), Option<bool>>,
    /// What was found for each image, by the address of the image, which is kept with it.
    placed: HashMap<usize, Placed>,
    /// What earlier processes found.
    pub(super) kept: kept::Kept,
    /// The last reading that went well.
    last: Option<Arc<Reading>>,
    /// The last look went well, and we pushed nothing since.
    may_rest: bool,
    /// When the remote was looked at last.
    pub(super) looked: Option<Timestamp>,
    /// Credentials in the place of the configured ones.
    lent: Option<Credentials>,
    /// The heads of the branches of pull requests.
    made: HashMap<CommitId, crate::plan::pulls::Head>,
}

/// What a repository holds at its head.
#[derive(Debug)]
pub struct Reading {
    /// The head.
    pub head: Head,
    /// Its annotated Applications, by file.
    pub applications: Vec<Arc<Application>>,
    /// Its annotated ApplicationSets.
    pub sets: Vec<Arc<ApplicationSet>>,
    /// What is wrong in the files.
    pub problems: Vec<Problem>,
    /// Chart templates that are no YAML and were passed over.
    pub unparsed_templates: usize,
}

impl Repository {
    /// Takes the options; nothing is opened before the first cycle.
    pub fn new(options: RepositoryOptions) -> Self {
        Self {
            options,
            mirror: None,
            head: None,
            lines: BTreeMap::new(),
            unread: BTreeMap::new(),
            advertised: Arc::default(),
            trees: Trees::default(),
            survey: None,
            expanded: sets::Memory::new(),
            sources: RefCell::default(),
            index: RefCell::default(),
            stood: HashMap::new(),
            turned: HashMap::new(),
            placed: HashMap::new(),
            kept: kept::Kept::default(),
            last: None,
            may_rest: false,
            looked: None,
            lent: None,
            made: HashMap::new(),
        }
    }

    /// Reads it if it is due; else gives what it held at the last look, if that went well.
    pub fn look(&mut self, is_due: bool) -> (Option<Arc<Reading>>, Option<Failure>) {
        let is_open = self.mirror.as_ref().is_some_and(|mirror| !mirror.is_gone());
        if !is_due && self.may_rest && is_open {
            return (self.last.clone(), None);
        }
        let found = self.read();
        self.may_rest = found.1.is_none();
        found
    }

    /// Has it reached with other credentials than the configured ones, such as a token that takes the place of one that
    /// ran out.
    pub fn lend(&mut self, credentials: Credentials) {
        self.lent = Some(credentials);
        let access = self.access();
        // What cannot be used is said by the next look, which opens the mirror anew.
        if self.mirror.as_mut().is_some_and(|mirror| mirror.set_access(&access).is_err()) {
            self.mirror = None;
        }
    }

    fn access(&self) -> git::Access {
        let credentials = self.lent.clone().unwrap_or_else(|| self.options.access.credentials.clone());
        git::Access { credentials, ..self.options.access.clone() }
    }

    /// Has it looked at in the next cycle, whatever is due: what it holds changes.
    pub fn expire(&mut self) {
        self.may_rest = false;
    }

    /// Brings the mirror to the remote's heads and reads what changed. On failure the last head that was read, if any,
    /// still tells which Applications there are.
    pub fn read(&mut self) -> (Option<Arc<Reading>>, Option<Failure>) {
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

    /// Reads branches that no image meant before; one that the remote does not have stays unread.
    ///
    /// # Errors
    /// Whatever stands in the way of asking the remote.
    pub fn open(&mut self, branches: &[Branch]) -> Result<(), GitError> {
        let is_tried = |branch: &Branch| {
            self.unread.get(branch).is_some_and(|(tried, _)| self.advertised.get(branch) == Some(tried))
        };
        let is_new = |branch: &&Branch| !self.lines.contains_key(branch) && !is_tried(branch);
        let new: Vec<Branch> = branches.iter().filter(is_new).cloned().collect();
        let Some(mirror) = self.mirror.as_mut().filter(|_| new.iter().any(|one| self.advertised.contains_key(one)))
        else {
            return Ok(());
        };
        let look = mirror.look_at(self.head.as_ref().map(|head| &head.branch), &new)?;
        for (branch, head) in look.others {
            match Line::read(mirror, &mut self.trees, &branch, head, self.options.history) {
                Ok(line) => drop(self.lines.insert(branch, line)),
                Err(error) => note_unread(&mut self.unread, &self.options.name, branch, head, error)?,
            }
        }
        self.advertised = Arc::new(look.advertised);
        Ok(())
    }

    /// Gives a file at the head of a branch as of the last look; it is fetched if it is not here yet.
    ///
    /// # Errors
    /// Whatever stands in the way of asking the remote, or of reading the mirror.
    pub fn file_at(&mut self, branch: &Branch, path: &RepoPath) -> Result<FileState, GitError> {
        if let Some(line) = self.lines.get(branch) {
            return self.state_in(line, path);
        }
        let Some(head) = self.advertised.get(branch) else { return Ok(FileState::Missing) };
        let Some(mirror) = self.mirror.as_mut() else { return Err(not_open(&self.options.url)) };
        let found = match mirror.entry(head, path) {
            Err(GitError::NoSuchCommit { .. }) => {
                let look = mirror.look_at(self.head.as_ref().map(|head| &head.branch), std::slice::from_ref(branch))?;
                let Some(head) = look.others.get(branch) else { return Ok(FileState::Missing) };
                mirror.entry(head, path)
            }
            found => found,
        };
        match found {
            Ok(Some(entry)) if entry.kind.is_file() => parsed(mirror, &entry.blob),
            Ok(Some(_)) => Ok(FileState::NotRegular("no regular file")),
            Ok(None) => Ok(FileState::Missing),
            Err(GitError::NotRegular { found, .. }) => Ok(FileState::NotRegular(found)),
            Err(error) => Err(error),
        }
    }

    /// Gives every branch that the remote had at the last look.
    pub fn advertised(&self) -> Arc<BTreeMap<Branch, CommitId>> {
        self.advertised.clone()
    }

    /// Gives the heads of the branches in use.
    pub fn heads(&self) -> impl Iterator<Item = (&Branch, CommitId)> {
        self.lines.iter().map(|(branch, line)| (branch, line.head))
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
                let (access, part) = (self.access(), self.options.part.clone());
                Mirror::open(&git::Options { access, part, ..options })?
            }
        };
        let mirror = self.mirror.insert(mirror);
        let started = Timestamp::now();
        let others: Vec<Branch> = self.lines.keys().cloned().collect();
        let branch = self.options.branch.as_ref();
        let looked = match &self.options.forge {
            Some(_) => mirror.look_with_made(branch, &others),
            None => mirror.look_at(branch, &others),
        };
        let look = match looked {
            Ok(look) => look,
            Err(error) => {
                if self.head.is_none() {
                    let known = mirror.known_head(self.options.branch.as_ref());
                    // What is wrong with the remote is told, whatever the mirror is worth.
                    let (trees, limits) = (&mut self.trees, self.options.history);
                    let read = |head: Head| {
                        Line::read(mirror, trees, &head.branch, head.commit, limits).map(|line| (head, line))
                    };
                    if let Some(Ok((head, line))) = known.map(read) {
                        self.lines.insert(head.branch.clone(), line);
                        self.head = Some(head);
                    }
                }
                return Err(error);
            }
        };
        self.unread.retain(|branch, (head, _)| look.advertised.get(branch) == Some(head));
        for (branch, head) in look.others {
            let Some(line) = self.lines.get_mut(&branch) else { continue };
            if let Err(error) = line.advance(mirror, &mut self.trees, head) {
                self.lines.remove(&branch);
                note_unread(&mut self.unread, &self.options.name, branch, head, error)?;
            }
        }
        match self.lines.get_mut(&look.head.branch) {
            Some(line) => line.advance(mirror, &mut self.trees, look.head.commit)?,
            None => {
                let (branch, limits) = (&look.head.branch, self.options.history);
                let line = Line::read(mirror, &mut self.trees, branch, look.head.commit, limits)?;
                self.lines.insert(look.head.branch.clone(), line);
            }
        }
        self.lines.retain(|branch, _| look.advertised.contains_key(branch));
        if *self.advertised != look.advertised {
            self.advertised = Arc::new(look.advertised);
        }
        self.head = Some(look.head);
        self.looked = Some(started);
        Ok(())
    }

    /// Gives a file as it stands at the head of a branch in use.
    pub fn state(&self, branch: &Branch, path: &RepoPath) -> FileState {
        let state = self.lines.get(branch).map(|line| self.state_in(line, path));
        // A file that the mirror lost was an error when its place was looked for.
        state.and_then(Result::ok).unwrap_or(FileState::Missing)
    }

    fn state_in(&self, line: &Line, path: &RepoPath) -> Result<FileState, GitError> {
        let blob = match line.file(path) {
            Ok(Some(blob)) => blob,
            Ok(None) => return Ok(FileState::Missing),
            Err(what) => return Ok(FileState::NotRegular(what)),
        };
        if let Some(state) = self.sources.borrow().get(&blob) {
            return Ok(state.clone());
        }
        let mirror = self.mirror.as_ref().ok_or_else(|| not_open(&self.options.url))?;
        let state = parsed(mirror, &blob)?;
        self.sources.borrow_mut().insert(blob, state.clone());
        Ok(state)
    }

    /// Forgets branches that no image means any more, and what no search needs.
    pub fn keep_only(&mut self, branches: &HashSet<&Branch>) {
        let primary = self.head.as_ref().map(|head| head.branch.clone());
        self.lines.retain(|branch, _| Some(branch) == primary.as_ref() || branches.contains(branch));
        self.unread.retain(|branch, _| branches.contains(branch));
        let met = self.placed.values().flat_map(|placed| &placed.met);
        let content = |(_, met): &(RepoPath, Met)| if let Met::Content(blob) = met { Some(*blob) } else { None };
        let alive: HashSet<BlobId> = met.filter_map(content).collect();
        self.sources.get_mut().retain(|blob, _| alive.contains(blob));
        self.index.get_mut().forget();
    }

    /// Closes the mirror; whoever waits for it may have it.
    pub fn close(&mut self) {
        self.mirror = None;
    }

    /// Gives the open mirror.
    pub fn mirror(&mut self) -> Option<&mut Mirror> {
        self.mirror.as_mut()
    }
}

/// Notes a branch whose content is beyond what is read: that is nothing of the other branches. Whatever else went wrong
/// concerns all of them.
pub(super) fn note_unread(
    unread: &mut BTreeMap<Branch, (CommitId, Failure)>,
    repository: &str,
    branch: Branch,
    head: CommitId,
    error: GitError,
) -> Result<(), GitError> {
    if !matches!(error, GitError::TooLarge { .. }) {
        return Err(error);
    }
    let message = format!("repository `{repository}`, branch `{branch}`: {error}");
    unread.insert(branch, (head, Failure { message, ..failure_of(repository, &error) }));
    Ok(())
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
