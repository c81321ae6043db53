//! The way to a remote: which addresses are allowed, and how libgit2 talks to them.
//!
//! A repository on this machine is served by git's own `upload-pack` and `receive-pack` in a child process, because
//! libgit2's own local transport runs no hooks and does not compare before it sets a branch. No shell is involved and
//! nothing of our environment but a short list goes to the child, so no hook sees a secret of ours.
//! Another way to a remote is another variant of [`Address`] and another arm where a service starts.
//!
//! Spec: gitprotocol-pack(5), version 0 (libgit2 speaks no other).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use git2::{ConfigLevel, ErrorClass};

use crate::git::error::{GitError, Remote, plain};
use crate::git::process::{Limits, Pipe, Process, Trouble};

/// The scheme that libgit2 sees; the rest of the address is the number of a session.
const SCHEME: &str = "repin-session";
/// Longest text of a server in a message, in characters.
const MAX_REASON: usize = 2_000;
/// libgit2 keeps parsed objects up to this size, in bytes, for the whole process.
const OBJECT_CACHE: isize = 16 << 20;

/// The address of a remote, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::git) enum Address {
    /// A repository on this machine.
    Local(PathBuf),
}

impl Address {
    /// Reads an absolute path or a `file://` address. Anything else is refused by its kind.
    pub(in crate::git) fn parse(text: &str) -> Result<Self, GitError> {
        let refuse = |reason: String| GitError::TransportUnsupported { remote: Remote::shown(text), reason };
        if text.chars().any(char::is_control) {
            return Err(refuse("the address holds control characters".to_owned()));
        }
        let path = match text.split_once("://") {
            Some(("file", rest)) => {
                let rest = rest.strip_prefix("localhost").unwrap_or(rest);
                let decoded = percent_encoding::percent_decode_str(rest).decode_utf8();
                decoded.map_err(|_| refuse("the path is not UTF-8".to_owned()))?.into_owned()
            }
            Some((scheme, _)) => {
                return Err(refuse(format!("`{}://` is not supported yet", plain(scheme, 20))));
            }
            None if text.starts_with('/') => text.to_owned(),
            None if text.contains("::") => return Err(refuse("remote helpers (`name::`) are never run".to_owned())),
            None if text.contains(':') => return Err(refuse("ssh is not supported yet".to_owned())),
            None => return Err(refuse("the path is not absolute".to_owned())),
        };
        if !path.starts_with('/') {
            return Err(refuse("the path is not absolute".to_owned()));
        }
        if path.chars().any(char::is_control) {
            return Err(refuse("the path holds control characters".to_owned()));
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.is_empty() {
            return Err(refuse("the path is the root of the file system".to_owned()));
        }
        Ok(Self::Local(PathBuf::from(format!("/{}", parts.join("/")))))
    }

    /// Gives one spelling for all spellings of this address.
    pub(in crate::git) fn normalized(&self) -> String {
        match self {
            Self::Local(path) => format!("file://{}", path.display()),
        }
    }

    /// Gives a short readable name for a directory: letters, digits, `.`, `_` and `-` of the last two parts.
    pub(in crate::git) fn readable(&self) -> String {
        let Self::Local(path) = self;
        let text = path.display().to_string();
        let mut parts: Vec<&str> = text.rsplit('/').filter(|part| !part.is_empty()).take(2).collect();
        parts.reverse();
        let name = parts.join("-");
        let name = name.strip_suffix(".git").unwrap_or(&name);
        let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        name.chars().map(legal).take(60).collect::<String>().trim_start_matches(['.', '-']).to_owned()
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
    address: Address,
    program: PathBuf,
    limits: Limits,
    process: Mutex<Option<Arc<Process>>>,
    refused: Mutex<Option<Trouble>>,
}

static SESSIONS: Mutex<BTreeMap<u64, Arc<Shared>>> = Mutex::new(BTreeMap::new());

impl Session {
    /// Prepares a conversation; nothing is started before libgit2 connects to [`Session::url`].
    pub(in crate::git) fn new(address: &Address, remote: &Remote, program: &Path, limits: Limits) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::new(Shared {
            address: address.clone(),
            program: program.to_owned(),
            limits,
            process: Mutex::new(None),
            refused: Mutex::new(None),
        });
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
                    GitError::NotARepository { remote }
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
    Transport::smart(remote, false, Subtransport(shared))
}

/// What libgit2 asks for a stream to a service.
struct Subtransport(Arc<Shared>);

impl SmartSubtransport for Subtransport {
    fn action(&self, _url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let service = match service {
            Service::UploadPackLs | Service::UploadPack => "upload-pack",
            Service::ReceivePackLs | Service::ReceivePack => "receive-pack",
        };
        let Address::Local(path) = &self.0.address;
        match Process::start(&self.0.program, service, path, self.0.limits) {
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

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_local_repositories_are_remotes() {
        for (text, expected) in [
            ("/srv/git/web.git", Ok("file:///srv/git/web.git")),
            ("file:///srv/git/web.git", Ok("file:///srv/git/web.git")),
            ("file://localhost/srv//git/./web.git/", Ok("file:///srv/git/web.git")),
            ("file:///srv/a%20b", Ok("file:///srv/a b")),
            ("file:///srv/a%0ab", Err("the path holds control characters")),
            ("file://host/srv", Err("the path is not absolute")),
            ("/srv/\n", Err("the address holds control characters")),
            ("/", Err("the path is the root of the file system")),
            ("https://user:canary@example.com/web", Err("`https://` is not supported yet")),
            ("ssh://-oProxyCommand=x/web", Err("`ssh://` is not supported yet")),
            ("git@example.com:web", Err("ssh is not supported yet")),
            ("ext::sh -c touch% /tmp/x", Err("remote helpers (`name::`) are never run")),
            ("--upload-pack=x", Err("the path is not absolute")),
            ("repin-session://0", Err("`repin-session://` is not supported yet")),
        ] {
            match (Address::parse(text), expected) {
                (Ok(address), Ok(normal)) => assert_eq!(address.normalized(), normal, "{text}"),
                (Err(GitError::TransportUnsupported { reason, remote }), Err(rule)) => {
                    assert_eq!(reason, rule, "{text}");
                    assert!(!remote.to_string().contains("canary"), "{remote}");
                }
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_name_of_a_mirror_is_readable_and_harmless() {
        for (path, name) in [("/srv/git/web.git", "git-web"), ("/x", "x"), ("/srv/a b/..c", "a_b-..c"), ("/-x", "x")] {
            assert_eq!(Address::parse(path).unwrap().readable(), name);
        }
    }
}
