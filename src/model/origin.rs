//! Where what a generated Application is made of stands in Git: in its ApplicationSet, or in a file that a generator read.

use std::ops::Range;
use std::sync::Arc;

use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::tracked::RemoteBranch;

/// A scalar of a file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Origin {
    /// The repository and branch; none = where the ApplicationSet is defined.
    pub base: Option<RemoteBranch>,
    /// The file.
    pub file: RepoPath,
    /// Where in the file.
    pub address: Address,
    /// Line, from 1.
    pub line: u64,
}

impl Origin {
    /// Tells whether it stands in what is read at `base`, for an ApplicationSet that this repository defines.
    pub fn is_of(&self, defining: &str, base: &RemoteBranch) -> bool {
        self.base.as_ref().map_or(base.repository == defining, |own| own == base)
    }
}

/// A part of a rendered text that is a whole scalar of a file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Piece {
    /// Its bytes in the rendered text.
    pub range: Range<usize>,
    /// Where it stands.
    pub origin: Arc<Origin>,
}

/// An Application as its ApplicationSet makes it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Rendered {
    /// The object, as JSON.
    pub text: String,
    /// Its texts that hold pieces, by their key paths.
    pub pieces: Vec<(KeyPath, Vec<Piece>)>,
}
