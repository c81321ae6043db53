//! The kept copy of a remote: a bare repository below the cache directory, for one process at a time.
//!
//! It is a cache: what is broken is deleted and made again. Who finds it taken works in a private repository that
//! borrows its objects, so nobody waits.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{Commit, ErrorCode, Oid, Repository, RepositoryInitOptions};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::git::access::Access;
use crate::git::address::Address;
use crate::git::error::{GitError, Remote, plain};
use crate::git::process::Limits;
use crate::git::tidy;
use crate::git::transport::{self, Route, Session};
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// References of the mirror itself, one per branch that was asked for.
const REFERENCES: &str = "refs/repin/";
/// Private repositories stand here, in the cache directory.
const PRIVATE: &str = "private";
/// Extension of the lock beside the kept repository.
const LOCK: &str = "lock";
/// The repository inside a private place, beside the lock.
const PRIVATE_REPOSITORY: &str = "repository.git";

/// How often and how far apart the lock of a mirror is tried.
const LOCK_TRIES: usize = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// What a mirror is made for.
#[derive(Clone)]
pub struct Options {
    /// The cache directory; made if it is missing.
    pub cache: PathBuf,
    /// The remote, as `git clone` takes it; `http://` for this machine only.
    pub url: String,
    /// Tells several kept mirrors of one remote apart; empty for the only one.
    pub part: String,
    /// What is needed to get in, beside the address.
    pub access: Access,
    /// Longest time to connect to another machine and to log in.
    pub connect_timeout: Duration,
    /// Longest wait for the next byte of the remote; hooks may be slow.
    pub idle_timeout: Duration,
    /// Longest conversation with the remote: one fetch, one push.
    pub total_timeout: Duration,
    /// The git program, for repositories on this machine.
    pub program: PathBuf,
}

impl Options {
    /// Fills in the defaults: anonymous, 20 seconds to connect, 10 minutes without a byte, 30 minutes in all, `git` on the PATH.
    pub fn new(cache: impl Into<PathBuf>, url: impl Into<String>) -> Self {
        Self {
            cache: cache.into(),
            url: url.into(),
            part: String::new(),
            access: Access::default(),
            connect_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(600),
            total_timeout: Duration::from_secs(1_800),
            program: PathBuf::from("git"),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        write!(f, "Options {{ cache: {:?}, url: {} }}", self.cache, Remote::shown(&self.url))
    }
}

/// A bare repository that follows a remote. It can be sent to another thread, not shared.
pub struct Mirror {
    pub(in crate::git) repo: Repository,
    pub(in crate::git) remote: Remote,
    route: Route,
    options: Options,
    limits: Limits,
    place: Place,
    /// An object was missing or damaged: made again at the next `sync`, or deleted at the end.
    broken: Cell<bool>,
    fresh: bool,
    remade: bool,
}

/// Where a mirror stands.
enum Place {
    /// The kept one; the open file holds the lock.
    Kept { directory: PathBuf, lock: File },
    /// A private one, removed at the end, beside the kept one that another holds.
    Private { directory: TempDir, lock: File, kept: PathBuf },
}

impl Mirror {
    /// Opens the mirror of a remote, or makes an empty one; the remote itself is not asked.
    ///
    /// If another process (or another `Mirror` of this one) holds it, the mirror is private: see
    /// [`Mirror::is_private`].
    pub fn open(options: &Options) -> Result<Self, GitError> {
        transport::prepare();
        let address = Address::parse(&options.url)?;
        let remote = Remote::shown(&options.url);
        let route = Route::new(&address, &remote, options)?;
        let cache = std::path::absolute(&options.cache).map_err(|error| disk(&remote, &options.cache, &error))?;
        fs::create_dir_all(&cache).map_err(|error| disk(&remote, &cache, &error))?;
        // A NUL is in no address.
        let part = if options.part.is_empty() { String::new() } else { format!("\0{}", options.part) };
        let hash = hex::encode(Sha256::digest(format!("{}{part}", address.normalized())));
        let name = format!("{}-{}", address.readable(), hash.get(..16).unwrap_or_default());
        let kept = cache.join(format!("{name}.git"));
        let lock = kept.with_extension(LOCK);
        let lock = lock_file(&lock).map_err(|error| disk(&remote, &lock, &error))?;
        let (place, (repo, fresh, remade)) = if let Some(lock) = lock {
            tidy::remove_abandoned(&cache.join(PRIVATE));
            let opened = open_kept(&kept, &remote)?;
            (Place::Kept { directory: kept, lock }, opened)
        } else {
            let (directory, lock) = private_place(&cache).map_err(|error| disk(&remote, &cache, &error))?;
            let repo = borrow(&directory.path().join(PRIVATE_REPOSITORY), &kept, &remote)?;
            (Place::Private { directory, lock, kept }, (repo, false, false))
        };
        let broken = Cell::new(false);
        let limits =
            Limits { connect: options.connect_timeout, idle: options.idle_timeout, total: options.total_timeout };
        let options = options.clone();
        Ok(Self { repo, remote, route, options, limits, place, broken, fresh, remade })
    }

    /// Gives the name of the remote, safe to show.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Says anew what is needed to get in, such as a token that takes the place of one that ran out.
    ///
    /// # Errors
    /// What cannot be used, as at [`Mirror::open`]; then what was known before stays.
    pub fn set_access(&mut self, access: &Access) -> Result<(), GitError> {
        if self.options.access != *access {
            let options = Options { access: access.clone(), ..self.options.clone() };
            self.route = Route::new(&Address::parse(&options.url)?, &self.remote, &options)?;
            self.options = options;
        }
        Ok(())
    }

    /// Tells whether this mirror is a private one because another process holds the kept one.
    pub fn is_private(&self) -> bool {
        matches!(self.place, Place::Private { .. })
    }

    /// Tells whether the kept mirror could not be used and was made again.
    pub fn was_remade(&self) -> bool {
        self.remade
    }

    /// Tells whether somebody deleted it, or its lock, under us: then it must be opened again.
    pub fn is_gone(&self) -> bool {
        let (path, lock) = match &self.place {
            Place::Kept { directory, lock } => (directory.with_extension(LOCK), lock),
            Place::Private { directory, lock, .. } => (directory.path().join(tidy::OWNER), lock),
        };
        let identity = |data: fs::Metadata| (data.dev(), data.ino());
        let is_ours =
            fs::metadata(path).is_ok_and(|found| lock.metadata().is_ok_and(|ours| identity(ours) == identity(found)));
        !is_ours || !self.directory().join("objects").is_dir()
    }

    /// Gives the directory of the bare repository.
    pub fn directory(&self) -> PathBuf {
        match &self.place {
            Place::Kept { directory, .. } => directory.clone(),
            Place::Private { directory, .. } => directory.path().join(PRIVATE_REPOSITORY),
        }
    }

    /// Gives the directory of the kept mirror, which is another one if this is private.
    pub(in crate::git) fn kept_directory(&self) -> &Path {
        match &self.place {
            Place::Kept { directory, .. } => directory,
            Place::Private { kept, .. } => kept,
        }
    }

    /// Starts a conversation with the remote.
    pub(in crate::git) fn session(&self) -> Session {
        Session::new(&self.route, &self.remote, self.limits)
    }

    /// Tells whether it was just made, so that making it again cannot help.
    pub(in crate::git) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Says that the mirror holds what the remote has.
    pub(in crate::git) fn filled(&mut self) {
        self.fresh = false;
    }

    /// Tells whether an object was found missing or damaged.
    pub(in crate::git) fn is_broken(&self) -> bool {
        self.broken.get()
    }

    /// Turns an error about an object into ours, and remembers that this mirror cannot be trusted.
    pub(in crate::git) fn damaged(&self, error: &git2::Error) -> GitError {
        let error = transport::local_error(&self.remote, error);
        if matches!(error, GitError::Corrupt { .. }) {
            self.broken.set(true);
        }
        error
    }

    /// Finds a commit that the caller named. One that is not here says nothing about the mirror.
    pub(in crate::git) fn named_commit(&self, id: &CommitId) -> Result<Commit<'_>, GitError> {
        self.repo.find_commit(oid(id, &self.remote)?).map_err(|error| match error.code() {
            ErrorCode::NotFound => GitError::NoSuchCommit { remote: self.remote.clone(), commit: id.to_string() },
            _ => self.damaged(&error),
        })
    }

    /// Deletes everything and starts with an empty repository.
    pub(in crate::git) fn remake(&mut self) -> Result<(), GitError> {
        let directory = self.directory();
        tracing::warn!(remote = %self.remote, "the mirror of {} cannot be used and is made again", self.remote);
        self.repo = empty(&directory, &self.remote)?;
        self.broken.set(false);
        self.fresh = true;
        self.remade = true;
        Ok(())
    }

    /// Packs loose objects and small packs if there are many. What fails is left as it is.
    pub(in crate::git) fn tidy(&mut self) {
        if let Err(error) = tidy::pack(&self.repo, &self.directory()) {
            tracing::warn!(remote = %self.remote, error, "the mirror of {} cannot be packed: {error}", self.remote);
        }
    }

    /// Remembers the head of a branch, so that the next fetch can say what is here already.
    pub(in crate::git) fn remember(&self, branch: &Branch, head: Oid) -> Result<(), GitError> {
        let made = self.repo.reference(&reference(branch), head, true, "repin");
        made.map(|_| ()).map_err(|error| self.damaged(&error))
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        if let (true, Place::Kept { directory, .. }) = (self.broken.get() && !self.is_gone(), &self.place) {
            // The lock is still held: the next process starts with an empty mirror.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// Gives the reference of the mirror for a branch. It is a hash, because `a` and `a/b` may both have been branches.
pub(in crate::git) fn reference(branch: &Branch) -> String {
    format!("{REFERENCES}{}", branch_name(branch))
}

/// Gives a name for what belongs to a branch.
pub(in crate::git) fn branch_name(branch: &Branch) -> String {
    let mut hash = hex::encode(Sha256::digest(branch.as_str().as_bytes()));
    hash.truncate(32);
    hash
}

/// Gives libgit2's form of a commit id.
pub(in crate::git) fn oid(id: &CommitId, remote: &Remote) -> Result<Oid, GitError> {
    Oid::from_bytes(id.as_bytes()).map_err(|error| transport::local_error(remote, &error))
}

/// Gives our form of an id.
pub(in crate::git) fn commit_id(id: Oid, remote: &Remote) -> Result<CommitId, GitError> {
    CommitId::from_bytes(id.as_bytes())
        .ok_or_else(|| GitError::Corrupt { remote: remote.clone(), reason: format!("`{id}` is no commit id") })
}

/// Takes a lock; nothing if another holds it.
///
/// A child process that is being started holds copies of all our files until its program begins, also of a lock that
/// was just released; so this looks a few times before it believes that the lock is taken.
fn lock_file(path: &Path) -> std::io::Result<Option<File>> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

fn private_place(cache: &Path) -> std::io::Result<(TempDir, File)> {
    let parent = cache.join(PRIVATE);
    fs::create_dir_all(&parent)?;
    let directory = tempfile::Builder::new().prefix("mirror-").tempdir_in(parent)?;
    let lock = File::create(directory.path().join(tidy::OWNER))?;
    lock.try_lock().map_err(std::io::Error::from)?;
    Ok((directory, lock))
}

/// Opens the kept repository: it, whether it is empty, and whether it was made again.
fn open_kept(directory: &Path, remote: &Remote) -> Result<(Repository, bool, bool), GitError> {
    if !directory.exists() {
        return Ok((empty(directory, remote)?, true, false));
    }
    tidy::remove_leftovers(directory);
    match Repository::open_bare(directory).and_then(|repo| check(&repo).map(|()| repo)) {
        Ok(repo) => Ok((repo, false, false)),
        Err(error) => {
            tracing::warn!(
                %remote,
                error = error.message(),
                "the mirror of {remote} cannot be used and is made again: {}",
                error.message()
            );
            Ok((empty(directory, remote)?, true, true))
        }
    }
}

/// Reads what every use begins with: the commits that were heads, and their trees.
fn check(repo: &Repository) -> Result<(), git2::Error> {
    for reference in repo.references_glob(&format!("{REFERENCES}*"))? {
        reference?.peel_to_commit()?.tree()?;
    }
    Ok(())
}

/// Makes an empty bare repository, in the place of whatever is there.
fn empty(directory: &Path, remote: &Remote) -> Result<Repository, GitError> {
    if directory.exists() {
        fs::remove_dir_all(directory).map_err(|error| disk(remote, directory, &error))?;
    }
    init(directory, remote)
}

fn init(directory: &Path, remote: &Remote) -> Result<Repository, GitError> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).no_reinit(true).external_template(false).mkpath(true);
    Repository::init_opts(directory, &options).map_err(|error| GitError::Cache {
        remote: remote.clone(),
        reason: format!("{}: {}", directory.display(), plain(error.message(), 300)),
    })
}

/// Makes a private repository that borrows the objects of the kept one, and knows the heads that it knows.
fn borrow(own: &Path, kept: &Path, remote: &Remote) -> Result<Repository, GitError> {
    let repo = init(own, remote)?;
    let objects = kept.join("objects");
    if !objects.is_dir() || objects.to_string_lossy().contains('\n') {
        return Ok(repo);
    }
    let file = own.join("objects").join("info").join("alternates");
    let text = format!("{}\n", objects.display());
    fs::create_dir_all(own.join("objects").join("info"))
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| disk(remote, &file, &error))?;
    drop(repo);
    let repo = Repository::open_bare(own).map_err(|error| transport::local_error(remote, &error))?;
    // The owner may change its mirror at any time: what cannot be borrowed now is fetched.
    if let Ok(kept) = Repository::open_bare(kept)
        && let Ok(references) = kept.references_glob(&format!("{REFERENCES}*"))
    {
        for reference in references.flatten() {
            if let (Ok(name), Some(target)) = (reference.name(), reference.target())
                && repo.find_commit(target).and_then(|commit| commit.tree()).is_ok()
            {
                let _ = repo.reference(name, target, true, "repin");
            }
        }
        if let Ok(head) = kept.find_reference("HEAD")
            && let Ok(Some(default)) = head.symbolic_target()
        {
            let _ = repo.set_head(default);
        }
    }
    Ok(repo)
}

pub(in crate::git) fn disk(remote: &Remote, path: &Path, error: &std::io::Error) -> GitError {
    GitError::Cache { remote: remote.clone(), reason: format!("{}: {error}", path.display()) }
}
