//! One file of the working directory, or stdin and stdout: read whole, and replaced in one step or not at all.
//!
//! Knows files and nothing of what stands in them. A file is replaced by another one beside it, so that whoever reads it
//! meanwhile, or a crash, finds the old text or the new one. Only regular files, as in a repository.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::cli::FAILED;
use crate::cli::render::{self, Palette};
use crate::diagnostic::Diagnostic;
use crate::model::problem::{Problem, Severity};
use crate::yaml::MAX_BYTES;

/// What stands for stdin and stdout.
const STANDARD: &str = "-";
/// How long another program may hold a lock on the file.
const LONGEST_LOCK: Duration = Duration::from_secs(10);
/// How often a lock is tried.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// How often a file is opened again that others replace.
const MAX_OPENED: usize = 100;

/// Why a file was not read or replaced; it is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// Something else than a regular file.
    #[error("it is {0}, and only regular files are read and written")]
    NotRegular(&'static str),
    /// It is over the limit.
    #[error("the file has {found}, the limit is {MAX_BYTES} bytes")]
    TooLarge {
        /// What was found.
        found: String,
    },
    /// The system does not let it be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// It may be read and not written.
    #[error("it may not be written: {0}")]
    ReadOnly(String),
    /// Somebody works on it.
    #[error("another program has kept it locked for {} seconds", LONGEST_LOCK.as_secs())]
    Locked,
    /// Somebody wrote it meanwhile.
    #[error("it was changed by another program meanwhile")]
    Changed,
    /// The new file cannot be made.
    #[error("no file can be made in {directory}, which then takes its place: {reason}")]
    NoNeighbour {
        /// The folder.
        directory: String,
        /// What the system says.
        reason: String,
    },
    /// Stdout takes no more.
    #[error("stdout does not take the text: {0}")]
    Stdout(String),
}

impl Diagnostic for FileError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing => "edit/no-such-file",
            Self::NotRegular(_) => "edit/not-regular",
            Self::TooLarge { .. } => "edit/too-large",
            Self::Unreadable(_) => "edit/unreadable",
            Self::Changed => "edit/moved",
            Self::ReadOnly(_) | Self::Locked | Self::NoNeighbour { .. } | Self::Stdout(_) => "edit/not-written",
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::Missing => "correct the path; `-` is stdin and stdout, `./-` a file of that name",
                Self::NotRegular("a symlink") => "name the file that it points to",
                Self::NotRegular(_) => "name a file; `-` is stdin and stdout",
                Self::TooLarge { .. } => "split the file, or name another one",
                Self::Unreadable(_) => "run it as somebody who may read the file",
                Self::ReadOnly(_) => "run it as somebody who may write the file; `--dry-run` needs to read it only",
                Self::Locked => "wait for the other program, or end it",
                Self::Changed => "run the command again: it edits what stands there now",
                Self::NoNeighbour { .. } => {
                    "give write access to the folder, or use stdin and stdout: `repin set - … <old >new`"
                }
                Self::Stdout(_) => "look at what reads stdout, and at the space where it is written",
            }
            .to_owned(),
        )
    }
}

/// What a command reads and may replace.
#[derive(Debug)]
pub(super) enum TextFile {
    /// Stdin, and stdout for the new text.
    Standard,
    /// A regular file.
    Regular {
        /// Its path as it was given.
        path: PathBuf,
        /// The open file; with a lock if it is to be replaced.
        file: File,
    },
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// To be read.
    Read,
    /// To be replaced: it must be writable, and others that do so wait.
    Replace,
}

impl TextFile {
    /// Opens the file of a command line; `-` is stdin and stdout.
    pub(super) fn open(path: &Path, purpose: Purpose) -> Result<Self, FileError> {
        if path.as_os_str() == STANDARD {
            return Ok(Self::Standard);
        }
        let file = if purpose == Purpose::Read { opened(path, purpose)? } else { locked(path)? };
        Ok(Self::Regular { path: path.to_owned(), file })
    }

    /// Tells whether it is stdin and stdout.
    pub(super) fn is_standard(&self) -> bool {
        matches!(self, Self::Standard)
    }

    /// Reads all of it, once.
    pub(super) fn read(&self) -> Result<Vec<u8>, FileError> {
        match self {
            Self::Standard => whole(io::stdin().lock(), None),
            Self::Regular { file, .. } => whole(file, file.metadata().ok().map(|metadata| metadata.len())),
        }
    }

    /// Puts a new text in the place of the old one; stdout gets it instead of stdin.
    pub(super) fn replace(&self, old: &[u8], new: &str) -> Result<(), FileError> {
        let Self::Regular { path, file } = self else { return to_stdout(new) };
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let refused = |error: io::Error| FileError::NoNeighbour {
            directory: directory.display().to_string(),
            reason: reason(&error),
        };
        let metadata = file.metadata().map_err(refused)?;
        let mut next = tempfile::Builder::new().prefix(".repin-").tempfile_in(directory).map_err(refused)?;
        next.write_all(new.as_bytes()).map_err(refused)?;
        // Who may not give files away leaves them to themselves, as every editor does that replaces a file.
        let _ = fchown(next.as_file(), Some(metadata.uid()), Some(metadata.gid()));
        next.as_file().set_permissions(metadata.permissions()).map_err(refused)?;
        next.as_file().sync_all().map_err(refused)?;
        // Programs that know no locks are noticed up to here.
        let now = opened(path, Purpose::Read).map_err(|_| FileError::Changed)?;
        if !is_same(&now.metadata().map_err(refused)?, &metadata) || whole(&now, None)? != old {
            return Err(FileError::Changed);
        }
        next.persist(path).map_err(|error| refused(error.error))?;
        // The new name is on the disk when its folder is; not every system lets folders be synced.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }
}

/// Writes a text to stdout, where what is not written counts: the disk behind it may be full.
pub(super) fn to_stdout(text: &str) -> Result<(), FileError> {
    print(text).map_err(|error| FileError::Stdout(reason(&error)))
}

/// The same for a list, of which a reader that goes away has seen enough.
pub(super) fn list_to_stdout(text: &str) -> Result<(), FileError> {
    match print(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(FileError::Stdout(reason(&error))),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
}

/// Says on stderr that the answer did not get through, and gives the exit code.
pub(super) fn unanswered(error: &FileError) -> u8 {
    let problem = Problem { file: None, ..problem(Path::new(STANDARD), error, None) };
    render::talk(&render::problems(&[problem], Palette::plain()));
    FAILED
}

/// Says what is wrong with a file, or with what stands in this line of it.
pub(super) fn problem(path: &Path, error: &dyn Diagnostic, line: Option<u64>) -> Problem {
    Problem {
        severity: Severity::Error,
        code: error.code().to_owned(),
        repository: None,
        file: Some(path.display().to_string()),
        line,
        message: error.to_string(),
        hint: error.hint(),
    }
}

/// Says that what stands in a file made repin fail.
pub(super) fn defect(path: &Path) -> Problem {
    Problem {
        severity: Severity::Error,
        code: "internal/defect".to_owned(),
        repository: None,
        file: Some(path.display().to_string()),
        line: None,
        message: "what stands in the file met a defect of repin; the file is as it was".to_owned(),
        hint: Some("report it with this file".to_owned()),
    }
}

/// Gives what the system says, without its number.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_lowercase()
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Opens a regular file. A pipe or a device is not opened at all: that alone may have an effect, or never end.
fn opened(path: &Path, purpose: Purpose) -> Result<File, FileError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => FileError::Missing,
        _ => FileError::Unreadable(reason(&error)),
    };
    for _ in 0..MAX_OPENED {
        let found = fs::symlink_metadata(path).map_err(failed)?;
        if let Some(what) = irregular(&found) {
            return Err(FileError::NotRegular(what));
        }
        let file = File::open(path).map_err(failed)?;
        if purpose == Purpose::Replace {
            OpenOptions::new().append(true).open(path).map_err(|error| FileError::ReadOnly(reason(&error)))?;
        }
        // What was opened is what was looked at, unless it was replaced between the two.
        if is_same(&file.metadata().map_err(failed)?, &found) {
            return Ok(file);
        }
    }
    Err(FileError::Changed)
}

fn irregular(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    match () {
        () if kind.is_file() => None,
        () if kind.is_symlink() => Some("a symlink"),
        () if kind.is_dir() => Some("a directory"),
        () if kind.is_fifo() => Some("a named pipe"),
        () if kind.is_socket() => Some("a socket"),
        () => Some("a device"),
    }
}

/// Opens a file and keeps others that do so waiting until it is closed; what they made of it is what is opened.
fn locked(path: &Path) -> Result<File, FileError> {
    let start = Instant::now();
    while start.elapsed() < LONGEST_LOCK {
        let file = opened(path, Purpose::Replace)?;
        match file.try_lock() {
            // A file system without locks has nobody who holds one.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => {
                sleep(BETWEEN_TRIES);
                continue;
            }
        }
        let is_current = file
            .metadata()
            .and_then(|own| Ok(is_same(&own, &fs::symlink_metadata(path)?)))
            .map_err(|error| FileError::Unreadable(reason(&error)))?;
        if is_current {
            return Ok(file);
        }
    }
    Err(FileError::Locked)
}

/// Reads up to the limit.
fn whole(from: impl Read, size: Option<u64>) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let limit = MAX_BYTES as u64;
    from.take(limit + 1).read_to_end(&mut bytes).map_err(|error| FileError::Unreadable(reason(&error)))?;
    if bytes.len() > MAX_BYTES {
        let found = size.map_or_else(|| format!("more than {limit} bytes"), |size| format!("{size} bytes"));
        return Err(FileError::TooLarge { found });
    }
    Ok(bytes)
}
