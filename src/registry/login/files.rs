//! Small files that other programs write and rotate: tokens, keys, docker's configuration.
//!
//! They are read at each use, off the threads that serve requests. A pipe or a device would block, and is refused.

use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::registry::login::LoginError;

/// Largest file, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// How long reading may take: a file on a network may never come.
const LIMIT: Duration = Duration::from_secs(10);

/// Tells one state of a file from the next: what replaces it has another inode, what rewrites it another time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What was found at a path.
pub(super) enum Seen {
    /// It is as it was.
    Same,
    /// The path that was read, its state and its content.
    Read(PathBuf, Stamp, Vec<u8>),
}

/// Reads a file; in a directory, the first of some names that is there.
///
/// # Errors
/// Why it cannot be read.
pub(super) async fn read(path: &Path, names: &'static [&'static str], last: Option<Stamp>) -> Result<Seen, LoginError> {
    let place = shown(path);
    let path = path.to_owned();
    let read = tokio::time::timeout(LIMIT, tokio::task::spawn_blocking(move || read_now(&path, names, last))).await;
    let read = match read {
        Ok(read) => read.unwrap_or_else(|_| Err("reading it was given up".to_owned())),
        Err(_) => Err(format!("it could not be read within {} s", LIMIT.as_secs())),
    };
    // Whoever rotates a file may be in the middle of it.
    read.map_err(|reason| LoginError::passing(place, reason))
}

/// Reads a text of one line, such as a token, without the white space around it.
///
/// # Errors
/// Why there is none.
pub(super) async fn read_line(path: &Path) -> Result<String, LoginError> {
    let text = read_text(path).await?;
    let line = text.trim();
    if line.is_empty() || line.contains(char::is_control) {
        let reason = if line.is_empty() { "it is empty" } else { "it holds more than one line" };
        return Err(LoginError::passing(shown(path), reason));
    }
    Ok(line.to_owned())
}

/// Reads a text.
///
/// # Errors
/// Why it cannot be read.
pub(super) async fn read_text(path: &Path) -> Result<String, LoginError> {
    match read(path, &[], None).await? {
        Seen::Read(_, _, bytes) => {
            String::from_utf8(bytes).map_err(|_| LoginError::lasting(shown(path), "it is not UTF-8"))
        }
        Seen::Same => Err(LoginError::passing(shown(path), "it was not read")),
    }
}

/// Names a file in a message.
pub(super) fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    format!("the file {}", text.replace(char::is_control, " "))
}

fn read_now(path: &Path, names: &[&str], last: Option<Stamp>) -> Result<Seen, String> {
    let failed = |error: std::io::Error| format!("it cannot be read: {error}");
    let mut data = std::fs::metadata(path).map_err(failed)?;
    let mut path = path.to_owned();
    if data.is_dir() && !names.is_empty() {
        let found = names.iter().map(|name| path.join(name)).find(|path| path.exists());
        path = found.ok_or_else(|| format!("it is a directory without {}", names.join(", ")))?;
        data = std::fs::metadata(&path).map_err(failed)?;
    }
    if !data.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if last == Some(stamp(&data)) {
        return Ok(Seen::Same);
    }
    let file = std::fs::File::open(&path).map_err(failed)?;
    // What was opened may be newer than what was looked at.
    let stamp = stamp(&file.metadata().map_err(failed)?);
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    Ok(Seen::Read(path, stamp, bytes))
}

fn stamp(data: &Metadata) -> Stamp {
    Stamp {
        device: data.dev(),
        inode: data.ino(),
        size: data.size(),
        modified: (data.mtime(), data.mtime_nsec()),
        changed: (data.ctime(), data.ctime_nsec()),
    }
}
