//! What is reported of each key.

use std::collections::BTreeSet;

use serde::Serialize;

/// What becomes of a key.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is read, and means the same.
    Carried,
    /// It is read, and means something else, or nothing is lost without it.
    Differs,
    /// It is not read where it stands: something else says the same.
    Rewrite,
    /// It is wrong, or nothing says the same.
    Unsupported,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Carried, Self::Differs, Self::Rewrite, Self::Unsupported];

    /// Gives its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Carried => "carried",
            Self::Differs => "differs",
            Self::Rewrite => "rewrite",
            Self::Unsupported => "unsupported",
        }
    }

    /// Tells whether nothing has to be done for it.
    pub fn is_carried(self) -> bool {
        matches!(self, Self::Carried | Self::Differs)
    }
}

/// One key of the peer's configuration.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct MigratedKey {
    /// `annotation`, `image-updater`, `config-map`, `registries` or `write-back-file`.
    pub source: &'static str,
    /// The Applications that it is about, as `namespace/name`.
    pub applications: BTreeSet<String>,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The key.
    pub key: String,
    /// Its value as written.
    pub value: Option<String>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// How repin reads it, or why it does not.
    pub reading: String,
    /// What to write instead.
    pub instead: Option<String>,
}

/// One image of an Application, and the place where it stands.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct FoundPlace {
    /// `namespace/name`.
    pub application: String,
    /// The alias.
    pub alias: String,
    /// The image without tag.
    pub image: String,
    /// The policy in words.
    pub policy: String,
    /// The file that would be written.
    pub file: Option<String>,
    /// The key path.
    pub key: Option<String>,
    /// The tag that stands there.
    pub tag: Option<String>,
    /// Why it would not be written; null if it would.
    pub code: Option<String>,
    /// The same in words.
    pub message: Option<String>,
}
