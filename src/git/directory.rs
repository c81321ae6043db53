//! Directories as they stand in commits, each read once.
//!
//! A tree object never changes, so what was read of one serves all commits, branches and directories that name it: after a
//! commit only the trees on the way to what it changed are read. Names that could mean another place (`..`, `.git`) are
//! left out and counted (`SECURITY.md`, row 1).

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use git2::Oid;
use serde::{Deserialize, Serialize};

use crate::git::error::GitError;
use crate::git::mirror::Mirror;
use crate::git::tree::{EntryKind, MAX_DEPTH, MAX_ENTRIES, mode_is_tree, path_below};
use crate::model::history::{BlobId, CommitId};

/// Longest path that is read, in bytes: as long as one may be.
const MAX_PATH: usize = 4_096;

/// Which directory it is, by what stands in it: two with the same id hold the same, wherever they are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct DirectoryId {
    #[serde(with = "tree_id")]
    tree: Oid,
    /// Where it stands, if something in it is left out because of that.
    cut: Option<Spot>,
}

/// How far a directory is from the root.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
struct Spot {
    /// Directories above it.
    depth: usize,
    /// Bytes of its path.
    path: usize,
}

/// An id as its hexadecimal digits.
mod tree_id {
    use super::{Deserialize, Oid};

    pub(super) fn serialize<S: serde::Serializer>(id: &Oid, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Oid, D::Error> {
        let text = String::deserialize(from)?;
        let bytes = hex::decode(&text).map_err(serde::de::Error::custom)?;
        Oid::from_bytes(&bytes).map_err(serde::de::Error::custom)
    }
}

impl Spot {
    fn below(self, name: &str) -> Self {
        Self { depth: self.depth + 1, path: self.prefix() + name.len() }
    }

    /// Bytes in front of the names in it.
    fn prefix(self) -> usize {
        if self.path == 0 { 0 } else { self.path + 1 }
    }
}

/// A directory of a commit with everything below it.
#[derive(Debug)]
pub struct Directory {
    id: DirectoryId,
    children: Box<[Child]>,
    skipped: usize,
    /// All names in it and below, counted as often as they unfold.
    names: usize,
    /// Directories below each other, itself included.
    levels: usize,
    /// Bytes of the longest path below it.
    longest: usize,
}

/// A name in a directory.
#[derive(Debug)]
pub struct Child {
    /// The name, which is a part of a path.
    pub name: Box<str>,
    /// What it stands for.
    pub node: Node,
}

/// What a name in a directory stands for.
#[derive(Debug)]
pub enum Node {
    /// A file, a link or a submodule.
    Entry(Entry),
    /// Another directory.
    Directory(Arc<Directory>),
}

/// Something that is no directory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its content; for a submodule the other repository's commit, which is not here.
    pub blob: BlobId,
    /// What it is.
    pub kind: EntryKind,
}

impl Child {
    fn is_directory(&self) -> bool {
        matches!(self.node, Node::Directory(_))
    }
}

impl Directory {
    /// Gives its id.
    pub fn id(&self) -> DirectoryId {
        self.id
    }

    /// Gives what stands in it, sorted so that all paths come in their order.
    pub fn children(&self) -> &[Child] {
        &self.children
    }

    /// Gives the number of a name among the children. A file and a directory may have the same name in a damaged tree.
    pub fn position(&self, name: &str, is_directory: bool) -> Option<usize> {
        let found = self
            .children
            .binary_search_by(|child| sort_key(&child.name, child.is_directory()).cmp(sort_key(name, is_directory)));
        found.ok()
    }

    /// Gives the file, link or submodule of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        match &self.children.get(self.position(name, false)?)?.node {
            Node::Entry(entry) => Some(entry),
            Node::Directory(_) => None,
        }
    }

    /// Gives the directory of this name.
    pub fn directory(&self, name: &str) -> Option<&Arc<Directory>> {
        match &self.children.get(self.position(name, true)?)?.node {
            Node::Entry(_) => None,
            Node::Directory(directory) => Some(directory),
        }
    }

    /// Counts the names in it and below that were left out: not UTF-8, no part of a path, too deep or too long.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Tells whether nothing more of it would be left out there.
    fn fits(&self, spot: Spot) -> bool {
        spot.depth + self.levels <= MAX_DEPTH && (self.longest == 0 || spot.prefix() + self.longest <= MAX_PATH)
    }
}

/// The directories that were read and are still in use.
#[derive(Debug, Default)]
pub struct Trees {
    known: HashMap<DirectoryId, Weak<Directory>>,
}

impl Trees {
    /// Gives the root directory of a commit. Only trees that nobody holds any more, or never read, are read.
    ///
    /// # Errors
    /// What the mirror lost; more than a million names, however few objects they unfold from. Directories more than 64
    /// below each other are left out.
    pub fn read(&mut self, mirror: &Mirror, commit: &CommitId) -> Result<Arc<Directory>, GitError> {
        let tree = mirror.named_commit(commit)?.tree_id();
        let root = Opening { mirror, known: &mut self.known, visited: 0 }.open(tree, Spot::default());
        self.known.retain(|_, directory| directory.strong_count() > 0);
        if let Some(root) = root.as_ref().ok().filter(|root| root.skipped > 0) {
            let remote = mirror.remote();
            tracing::debug!(%remote, %commit, skipped = root.skipped, "names of {remote} are left out");
        }
        root
    }
}

/// One reading.
struct Opening<'a> {
    mirror: &'a Mirror,
    known: &'a mut HashMap<DirectoryId, Weak<Directory>>,
    /// Names that were read.
    visited: usize,
}

impl Opening<'_> {
    fn open(&mut self, tree: Oid, spot: Spot) -> Result<Arc<Directory>, GitError> {
        let [whole, cut] = [None, Some(spot)].map(|cut| DirectoryId { tree, cut });
        let known = |id: &DirectoryId| self.known.get(id).and_then(Weak::upgrade);
        if let Some(directory) = known(&whole).filter(|known| known.fits(spot)).or_else(|| known(&cut)) {
            return Ok(directory);
        }
        let read = self.mirror.subtree(tree)?;
        let mut directory =
            Directory { id: whole, children: Box::default(), skipped: 0, names: 0, levels: 1, longest: 0 };
        let mut children = Vec::with_capacity(read.len());
        for entry in read.iter() {
            self.visited += 1;
            directory.names = directory.names.saturating_add(1);
            if self.visited.max(directory.names) > MAX_ENTRIES {
                return Err(self.mirror.too_many_entries());
            }
            let name = entry.name().ok().filter(|name| path_below("", name).is_some());
            let mode = entry.filemode_raw();
            let kind = EntryKind::from_mode(mode);
            let Some(name) = name.filter(|_| kind.is_some() || mode_is_tree(mode)) else {
                directory.skipped += 1;
                continue;
            };
            let below = spot.below(name);
            if below.path > MAX_PATH || (kind.is_none() && below.depth >= MAX_DEPTH) {
                directory.id = cut;
                directory.skipped += 1;
                continue;
            }
            let (mut length, node) = (
                name.len(),
                match kind {
                    Some(kind) => Node::Entry(Entry { blob: self.mirror.blob_id(entry.id())?, kind }),
                    None => Node::Directory(self.open(entry.id(), below)?),
                },
            );
            if let Node::Directory(child) = &node {
                if child.id.cut.is_some() {
                    directory.id = cut;
                }
                if child.longest > 0 {
                    length += 1 + child.longest;
                }
                directory.skipped = directory.skipped.saturating_add(child.skipped);
                directory.names = directory.names.saturating_add(child.names);
                directory.levels = directory.levels.max(1 + child.levels);
            }
            directory.longest = directory.longest.max(length);
            children.push(Child { name: name.into(), node });
        }
        if directory.names > MAX_ENTRIES {
            return Err(self.mirror.too_many_entries());
        }
        directory.skipped += sort(&mut children);
        directory.children = children.into();
        let directory = Arc::new(directory);
        self.known.insert(directory.id, Arc::downgrade(&directory));
        Ok(directory)
    }
}

/// Sorts as git does, where a damaged tree is not, and counts what is there twice, of which the last one stays.
fn sort(children: &mut Vec<Child>) -> usize {
    let key = |child: &Child| -> Vec<u8> { sort_key(&child.name, child.is_directory()).collect() };
    let is_sorted = children.is_sorted_by(|one, other| {
        sort_key(&one.name, one.is_directory()).lt(sort_key(&other.name, other.is_directory()))
    });
    if is_sorted {
        return 0;
    }
    let all = children.len();
    children.sort_by_cached_key(key);
    children.dedup_by(|later, earlier| {
        let is_same = key(later) == key(earlier);
        if is_same {
            std::mem::swap(later, earlier);
        }
        is_same
    });
    all - children.len()
}

/// Gives the bytes by which git sorts a name: a directory as if it ended in a slash, so that paths come in order.
fn sort_key(name: &str, is_directory: bool) -> impl Iterator<Item = u8> + '_ {
    name.bytes().chain(is_directory.then_some(b'/'))
}
