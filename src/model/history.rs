//! What Git's past says: commits, and the versions that a file had along a branch.
//!
//! Plain values; `git` reads them. Object ids follow git's object format (SHA-1 or SHA-256, in hexadecimal).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::as_text::written_as_text;

/// Why a text is not the id of a Git object.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is no {kind} id: it is 40 or 64 lower case hexadecimal digits")]
pub struct IdError {
    kind: &'static str,
    text: String,
}

/// One version of a file along the first parents of a branch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FileVersion {
    /// The commit that brought this version; for a change that came by a merge, the merge.
    pub commit: Arc<CommitInfo>,
    /// The content after that commit; none if the commit removed the file.
    pub blob: Option<BlobId>,
    /// Position of the commit on the first-parent line: larger is newer.
    pub at: u64,
}

/// What a commit says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CommitInfo {
    /// Its id.
    pub id: CommitId,
    /// Name of the author.
    pub author_name: String,
    /// Address of the author.
    pub author_email: String,
    /// When the author wrote it.
    pub time: Timestamp,
    /// Name of the committer.
    pub committer_name: String,
    /// Address of the committer.
    pub committer_email: String,
    /// When it was committed, which is when it came to its branch unless it was pushed there later.
    pub committed: Timestamp,
    /// The first paragraph of the message, on one line.
    pub subject: String,
    /// The whole message, trailers included.
    pub message: String,
}

impl CommitInfo {
    /// Names it for people: `7157aaa3c6 on 2026-11-27 ("Update web")`.
    pub fn in_words(&self) -> String {
        format!("{} on {} (\"{}\")", self.id.short(), self.time.strftime("%Y-%m-%d"), self.subject)
    }
}

/// The head of a branch that repin made, or that somebody committed to since.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MadeHead {
    /// Its id.
    pub id: CommitId,
    /// The commits that it stands on, first parent first.
    pub parents: Vec<CommitId>,
    /// The id of its tree, to be compared with another.
    pub tree: String,
    /// Address of who made the commit.
    pub committer_email: String,
    /// Name of the author.
    pub author_name: String,
    /// Address of the author.
    pub author_email: String,
    /// The first paragraph of the message, on one line.
    pub subject: String,
    /// The whole message, trailers included.
    pub message: String,
    /// When the commit was made.
    pub time: Timestamp,
}

const MAX_BYTES: usize = 32;

/// An object id without its meaning: 20 or 32 bytes, the rest zero.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
struct ObjectId {
    bytes: [u8; MAX_BYTES],
    len: usize,
}

impl ObjectId {
    fn from_hex(text: &str) -> Option<Self> {
        if !matches!(text.len(), 40 | 64) || text.bytes().any(|c| c.is_ascii_uppercase()) {
            return None;
        }
        let (mut bytes, len) = ([0; MAX_BYTES], text.len() / 2);
        hex::decode_to_slice(text, bytes.get_mut(..len)?).ok()?;
        Some(Self { bytes, len })
    }

    fn from_bytes(raw: &[u8]) -> Option<Self> {
        if !matches!(raw.len(), 20 | 32) {
            return None;
        }
        let mut bytes = [0; MAX_BYTES];
        for (to, from) in bytes.iter_mut().zip(raw) {
            *to = *from;
        }
        Some(Self { bytes, len: raw.len() })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}

macro_rules! object_id {
    ($name:ident, $kind:literal) => {
        impl $name {
            /// Reads an id from its 20 or 32 bytes.
            pub fn from_bytes(raw: &[u8]) -> Option<Self> {
                ObjectId::from_bytes(raw).map(Self)
            }

            /// Gives the 20 or 32 bytes.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }

            /// Gives the first ten digits, for people.
            pub fn short(&self) -> String {
                hex::encode(self.0.as_bytes().iter().take(5).copied().collect::<Vec<u8>>())
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let text_shown = || text.chars().filter(|c| !c.is_control()).take(80).collect();
                ObjectId::from_hex(text).map(Self).ok_or_else(|| IdError { kind: $kind, text: text_shown() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0.as_bytes()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

/// The id of a commit.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CommitId(ObjectId);
object_id!(CommitId, "commit");
written_as_text!(CommitId);

/// The id of a file's content.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BlobId(ObjectId);
object_id!(BlobId, "blob");
written_as_text!(BlobId);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_40_or_64_lower_case_digits() {
        for (text, legal) in [
            ("a".repeat(40), true),
            ("0".repeat(64), true),
            ("a".repeat(39), false),
            ("a".repeat(41), false),
            ("A".repeat(40), false),
            ("g".repeat(40), false),
            (String::new(), false),
        ] {
            assert_eq!(text.parse::<CommitId>().map(|id| id.to_string()).ok(), legal.then(|| text.clone()), "{text}");
            assert_eq!(text.parse::<BlobId>().is_ok(), legal, "{text}");
        }
    }

    #[test]
    fn an_id_goes_through_bytes_unchanged() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        let id: CommitId = text.parse().unwrap();
        assert_eq!(CommitId::from_bytes(id.as_bytes()), Some(id));
        assert_eq!(CommitId::from_bytes(&[1; 19]), None);
        assert_eq!(id.short(), "0123456789");
        assert_eq!(
            "x\u{1b}".parse::<CommitId>().unwrap_err().to_string(),
            "`x` is no commit id: it is 40 or 64 lower case hexadecimal digits"
        );
    }
}
