//! The way to a remote: how libgit2 talks to it, and what an error of libgit2 means.
//!
//! A repository on this machine is served by git's own `upload-pack` and `receive-pack` in a child process, because
//! libgit2's own local transport runs no hooks and does not compare before it sets a branch. No shell is involved and
//! nothing of our environment but a short list goes to the child, so no hook sees a secret of ours.
//! The ways over a network are written in Rust (`https.rs`, `ssh.rs`): libgit2 itself connects nowhere. Another way is
//! another variant of [`Route`] and another arm where a service starts.
//!
//! Spec: gitprotocol-pack(5), version 0 (libgit2 speaks no other).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ConfigLevel, ErrorClass, ObjectType};

use crate::git::address::Address;
use crate::git::error::{GitError, Remote, plain};
use crate::git::http_stream::HttpStream;
use crate::git::https::{HttpExchange, HttpRemote};
use crate::git::mirror::Options;
use crate::git::network::Conversation;
use crate::git::process::{Limits, Pipe, Process, Trouble};
use crate::git::ssh::SshRemote;

/// The scheme that libgit2 sees; the rest of the address is the number of a session.
const SCHEME: &str = "repin-session";
/// Longest text of a server in a message, in characters.
const MAX_REASON: usize = 2_000;
/// libgit2 keeps parsed objects up to this size, in bytes, for the whole process.
const OBJECT_CACHE: isize = 16 << 20;

/// How a remote is reached, with what is kept between conversations.
#[derive(Clone)]
pub(in crate::git) enum Route {
    /// Through git's own programs: the `git` to run, and the repository.
    Local { program: PathBuf, path: PathBuf },
    /// Over HTTP.
    Http(Arc<HttpRemote>),
    /// Over ssh.
    Ssh(Arc<SshRemote>),
}

impl Route {
    /// Prepares the way to an address; connects nowhere.
    pub(in crate::git) fn new(address: &Address, remote: &Remote, options: &Options) -> Result<Self, GitError> {
        match address {
            Address::Local(path) => Ok(Self::Local { program: options.program.clone(), path: path.clone() }),
            Address::Http(url) => Ok(Self::Http(Arc::new(HttpRemote::new(url, remote, options)?))),
            Address::Ssh(url) => Ok(Self::Ssh(Arc::new(SshRemote::new(url, options)))),
        }
    }
}

/// One conversation with a remote: its number is what libgit2 is given as address, and it keeps what went wrong.
pub(in crate::git) struct Session {
    number: u64,
    shared: Arc<Shared>,
    remote: Remote,
}

/// What the transport needs to know, and what it saw.
struct Shared {
    way: Way,
    limits: Limits,
    conversation: Arc<Conversation>,
    process: Mutex<Option<Arc<Process>>>,
    refused: Mutex<Option<Trouble>>,
}

/// The way of one conversation.
enum Way {
    Local { program: PathBuf, path: PathBuf },
    Http(Arc<HttpExchange>),
    Ssh(Arc<SshRemote>),
}

static SESSIONS: Mutex<BTreeMap<u64, Arc<Shared>>> = Mutex::new(BTreeMap::new());

impl Session {
    /// Prepares a conversation; nothing is started before libgit2 connects to [`Session::url`].
    pub(in crate::git) fn new(route: &Route, remote: &Remote, limits: Limits) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let conversation = Arc::new(Conversation::new(remote, limits));
        let way = match route {
            Route::Local { program, path } => Way::Local { program: program.clone(), path: path.clone() },
            Route::Http(http) => Way::Http(HttpExchange::new(Arc::clone(http), Arc::clone(&conversation))),
            Route::Ssh(ssh) => Way::Ssh(Arc::clone(ssh)),
        };
        let (process, refused) = (Mutex::new(None), Mutex::new(None));
        let shared = Arc::new(Shared { way, limits, conversation, process, refused });
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&shared));
        Self { number, shared, remote: remote.clone() }
    }

    /// Gives the address to give to libgit2.
    pub(in crate::git) fn url(&self) -> String {
        format!("{SCHEME}://{}", self.number)
    }

    /// Runs calls into libgit2 that read what a server sent. git2 panics on names that are not UTF-8; here that is an
    /// error like any other.
    pub(in crate::git) fn run<T>(&self, call: impl FnOnce() -> Result<T, git2::Error>) -> Result<T, GitError> {
        match catch_unwind(AssertUnwindSafe(call)) {
            Ok(result) => result.map_err(|error| self.explain(&error)),
            Err(_) => Err(self.unreachable("it sent names that are not UTF-8".to_owned())),
        }
    }

    /// Finds the cause of an error: what the transport saw comes before what libgit2 says.
    pub(in crate::git) fn explain(&self, error: &git2::Error) -> GitError {
        if let Some(trouble) = self.shared.conversation.trouble() {
            return trouble;
        }
        let process = self.shared.process.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let refused = self.shared.refused.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let remote = self.remote.clone();
        let said = plain(error.message(), MAX_REASON);
        match refused.or_else(|| process.and_then(|process| process.trouble())) {
            Some(Trouble::NotInstalled) => self.unreachable("the program `git` is not installed".to_owned()),
            Some(Trouble::NotStarted(reason)) => self.unreachable(format!("git cannot be started: {reason}")),
            Some(Trouble::TimedOut(limit)) => GitError::Timeout { remote, limit },
            Some(Trouble::Failed(text)) => {
                let text = plain(&text, MAX_REASON);
                let reason = if text.is_empty() { said } else { text };
                if reason.contains("does not appear to be a git repository") {
                    GitError::NotARepository { remote, reason: String::new() }
                } else if reason.contains("dubious ownership") || reason.contains("Permission denied") {
                    GitError::Unauthorized { remote, reason }
                } else {
                    GitError::Unreachable { remote, reason }
                }
            }
            None => local_error(&remote, error),
        }
    }

    fn unreachable(&self, reason: String) -> GitError {
        GitError::Unreachable { remote: self.remote.clone(), reason }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        SESSIONS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Sorts an error of libgit2 that has no cause outside: the disk, the wire, or damaged objects.
pub(in crate::git) fn local_error(remote: &Remote, error: &git2::Error) -> GitError {
    let reason = plain(error.message(), MAX_REASON);
    let remote = remote.clone();
    match error.class() {
        ErrorClass::Net | ErrorClass::Http | ErrorClass::Ssl | ErrorClass::Ssh => {
            GitError::Unreachable { remote, reason }
        }
        ErrorClass::Os | ErrorClass::Filesystem | ErrorClass::NoMemory => GitError::Cache { remote, reason },
        _ => GitError::Corrupt { remote, reason },
    }
}

/// Sets libgit2 up, once for the process: our transport, no configuration of this machine, a bounded cache.
#[allow(unsafe_code)]
pub(in crate::git) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: these calls change globals of libgit2 and must not race with its other calls. Every use of libgit2
        // starts with `Mirror::open`, which waits here for the one thread that runs this. The paths and numbers are
        // valid; the transport's factory is `Send + Sync` and is kept by git2 for ever.
        let result = unsafe {
            let levels = [ConfigLevel::ProgramData, ConfigLevel::System, ConfigLevel::XDG, ConfigLevel::Global];
            // `url.*.insteadOf` and the like of whoever runs this must not bend where we connect to.
            levels
                .into_iter()
                .try_for_each(|level| git2::opts::set_search_path(level, ""))
                .and_then(|()| git2::opts::set_cache_max_size(OBJECT_CACHE))
                // Reading the past opens each tree once; kept, they push everything else out.
                .and_then(|()| git2::opts::set_cache_object_limit(ObjectType::Tree, 0))
                .and_then(|()| git2::transport::register(SCHEME, connect))
        };
        if let Err(error) = result {
            tracing::error!(error = error.message(), "libgit2 cannot be set up: {}", error.message());
        }
    });
}

/// Makes the transport of a session from its address.
fn connect(remote: &git2::Remote<'_>) -> Result<Transport, git2::Error> {
    let number = remote.url().ok().and_then(|url| url.rsplit_once("://")?.1.parse().ok());
    let sessions = SESSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let shared = number.and_then(|number: u64| sessions.get(&number).cloned());
    let shared = shared.ok_or_else(|| git2::Error::from_str("the session has ended"))?;
    drop(sessions);
    let is_stateless = matches!(shared.way, Way::Http(_));
    Transport::smart(remote, is_stateless, Subtransport(shared))
}

/// What libgit2 asks for a stream to a service.
struct Subtransport(Arc<Shared>);

impl SmartSubtransport for Subtransport {
    fn action(&self, _url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match &self.0.way {
            Way::Local { program, path } => self.start(program, path, service),
            Way::Http(exchange) => Ok(Box::new(HttpStream::new(exchange, service))),
            Way::Ssh(remote) => match remote.open(&self.0.conversation, service) {
                Ok(stream) => Ok(Box::new(stream)),
                Err(error) => Err(git2::Error::from_str(&error.to_string())),
            },
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

impl Subtransport {
    /// Starts git's own program for a repository on this machine.
    fn start(
        &self,
        program: &Path,
        path: &Path,
        service: Service,
    ) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let service = match service {
            Service::UploadPackLs | Service::UploadPack => "upload-pack",
            Service::ReceivePackLs | Service::ReceivePack => "receive-pack",
        };
        match Process::start(program, service, path, self.0.limits) {
            Ok((process, pipe)) => {
                *self.0.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
                Ok(Box::new(Stream(pipe)))
            }
            Err(trouble) => {
                *self.0.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
                Err(git2::Error::from_str("git cannot be started"))
            }
        }
    }
}

/// The two ends of a child process as one stream.
struct Stream(Pipe);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer).map_err(printable)
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.write(buffer).map_err(printable)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush().map_err(printable)
    }
}

/// git2 aborts the process if the text of an error holds a NUL.
fn printable(error: std::io::Error) -> std::io::Error {
    std::io::Error::new(error.kind(), plain(&error.to_string(), MAX_REASON))
}
