//! Secrets of the configuration: references, and reading what they name.
//!
//! No message here holds a value.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// Largest secret, in bytes.
const MAX_BYTES: u64 = 64 * 1024;
/// Largest other file, in bytes: a bundle of all public authorities is a quarter of it.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Where a secret is kept.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum SecretRef {
    /// `{env: NAME}`
    Env(String),
    /// `{file: path}`, relative paths already resolved from the configuration's directory.
    File(PathBuf),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// Reads a secret from the environment or from a file; line ends at its end are dropped.
///
/// # Errors
/// What is wrong with the place: not set, not readable, not UTF-8, empty, more than one line unless it is PEM, over 64 KiB.
pub fn read(reference: &SecretRef) -> Result<Secret, String> {
    let value = match reference {
        SecretRef::Env(name) => match std::env::var(name) {
            Ok(value) => value,
            Err(std::env::VarError::NotPresent) => return Err(format!("{reference} is not set")),
            Err(std::env::VarError::NotUnicode(_)) => return Err(format!("{reference} is not UTF-8")),
        },
        SecretRef::File(path) => read_file(path).map_err(|reason| format!("{reference} {reason}"))?,
    };
    let value = value.trim_end_matches(['\r', '\n']);
    if value.is_empty() {
        return Err(format!("{reference} is empty"));
    }
    // A private key has lines.
    let is_pem = value.trim_start().starts_with("-----BEGIN ");
    if value.contains(|c: char| c.is_control() && !(is_pem && matches!(c, '\n' | '\r'))) {
        return Err(format!("{reference} holds control characters or more than one line"));
    }
    Ok(Secret::new(value))
}

fn read_file(path: &Path) -> Result<String, String> {
    String::from_utf8(read_at_most(path, MAX_BYTES)?).map_err(|_| "is not UTF-8".to_owned())
}

/// Reads a file of at most 1 MiB that is no secret, such as certificates and host keys.
///
/// # Errors
/// Why it cannot be read.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    read_at_most(path, MAX_FILE_BYTES)
}

fn read_at_most(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let reason = |error: std::io::Error| format!("cannot be read: {error}");
    if !std::fs::metadata(path).map_err(reason)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(reason)?.take(most + 1).read_to_end(&mut bytes).map_err(reason)?;
    if bytes.len() as u64 > most {
        return Err(format!("is larger than {most} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read_bytes(bytes: &[u8]) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        std::fs::write(&path, bytes).unwrap();
        let shown = path.display().to_string();
        match read(&SecretRef::File(path)) {
            Ok(secret) => Ok(secret.expose().to_owned()),
            Err(message) => Err(message.replace(&shown, "X")),
        }
    }

    #[test]
    fn a_file_gives_its_text_without_the_line_end() {
        for (bytes, expected) in [
            (&b"hunter2\n"[..], Ok("hunter2")),
            (b"hunter2\r\n\n", Ok("hunter2")),
            (b" hunter2 ", Ok(" hunter2 ")),
            (b"", Err("the file X is empty")),
            (b"\n", Err("the file X is empty")),
            (b"hunter2\nhunter3", Err("the file X holds control characters or more than one line")),
            (b"hunter2\xff", Err("the file X is not UTF-8")),
        ] {
            assert_eq!(read_bytes(bytes), expected.map(str::to_owned).map_err(str::to_owned), "{bytes:?}");
        }
        assert_eq!(read_bytes(&vec![b'a'; 65 * 1024]).unwrap_err(), "the file X is larger than 65536 bytes");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let message = read(&SecretRef::File("/nonexistent/secret".into())).unwrap_err();
        assert!(message.starts_with("the file /nonexistent/secret cannot be read: "), "{message}");
        assert!(read(&SecretRef::File("/dev/zero".into())).unwrap_err().ends_with("is not a regular file"));
        let message = read(&SecretRef::Env("REPIN_TEST_NEVER_SET".into())).unwrap_err();
        assert_eq!(message, "the environment variable REPIN_TEST_NEVER_SET is not set");
    }
}
