//! What stands in a commit: one file by its path, and its content.
//!
//! Only regular files are ever read. A link or a submodule is named as what it is and never followed (`SECURITY.md`,
//! row 1).

use git2::{ObjectType, Oid, Tree};

use crate::git::directory::Entry;
use crate::git::error::GitError;
use crate::git::mirror::Mirror;
use crate::git::traffic;
use crate::model::history::{BlobId, CommitId};
use crate::model::names::RepoPath;

/// Directories below each other that are read.
pub(in crate::git) const MAX_DEPTH: usize = 64;
/// Entries of one commit that are read: few objects can name the same tree again and again.
pub(in crate::git) const MAX_ENTRIES: usize = 1_000_000;

/// What a name in a commit stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EntryKind {
    /// A regular file.
    Regular,
    /// A regular file that may be executed.
    Executable,
    /// A symbolic link.
    Symlink,
    /// A commit of another repository.
    Submodule,
}

impl EntryKind {
    /// Tells whether it is a file that may be read and written.
    pub fn is_file(self) -> bool {
        matches!(self, Self::Regular | Self::Executable)
    }

    /// Reads the mode of a tree entry; nothing for a directory and for what git does not know.
    pub(in crate::git) fn from_mode(mode: i32) -> Option<Self> {
        match mode & 0o170_000 {
            0o100_000 if mode & 0o111 != 0 => Some(Self::Executable),
            0o100_000 => Some(Self::Regular),
            0o120_000 => Some(Self::Symlink),
            0o160_000 => Some(Self::Submodule),
            _ => None,
        }
    }

    /// Names it with its article.
    fn article(self) -> &'static str {
        match self {
            Self::Regular | Self::Executable => "a file",
            Self::Symlink => "a symbolic link",
            Self::Submodule => "a submodule",
        }
    }
}

impl Mirror {
    /// Finds one path in a commit without reading the rest. Nothing if there is no such path, or if it is a directory.
    ///
    /// A link or a submodule at the path is returned as what it is. One in the place of a directory on the way is
    /// [`GitError::NotRegular`].
    pub fn entry(&self, commit: &CommitId, path: &RepoPath) -> Result<Option<Entry>, GitError> {
        let mut tree = self.root(commit)?;
        let mut parts = path.parts().peekable();
        let mut walked = RepoPath::default();
        while let Some(part) = parts.next() {
            let found = tree.get_name(part).map(|entry| (entry.id(), entry.filemode_raw()));
            let Some((id, mode)) = found else { return Ok(None) };
            walked = walked.join(part).unwrap_or_default();
            if parts.peek().is_none() {
                let kind = EntryKind::from_mode(mode);
                return kind.map(|kind| Ok(Entry { blob: self.blob_id(id)?, kind })).transpose();
            }
            match EntryKind::from_mode(mode) {
                Some(kind) if !kind.is_file() => return Err(self.not_regular(walked.as_str(), kind)),
                None if mode_is_tree(mode) => {}
                _ => return Ok(None),
            }
            tree = self.subtree(id)?;
        }
        Ok(None)
    }

    /// Reads a content. More than `max_bytes` is an error, before it is read.
    pub fn read(&self, blob: &BlobId, max_bytes: u64) -> Result<Vec<u8>, GitError> {
        let id = Oid::from_bytes(blob.as_bytes()).map_err(|error| self.damaged(&error))?;
        let odb = self.repo.odb().map_err(|error| self.damaged(&error))?;
        let (size, kind) = odb.read_header(id).map_err(|error| self.damaged(&error))?;
        if kind != ObjectType::Blob {
            let found = "no blob";
            return Err(GitError::NotRegular { remote: self.remote.clone(), path: blob.to_string(), found });
        }
        if u64::try_from(size).unwrap_or(u64::MAX) > max_bytes {
            return Err(GitError::TooLarge {
                remote: self.remote.clone(),
                what: format!("blob {}", blob.short()),
                size: format!("{size} bytes"),
                limit: format!("{max_bytes} bytes"),
            });
        }
        traffic::count_blob();
        let object = odb.read(id).map_err(|error| self.damaged(&error))?;
        Ok(object.data().to_vec())
    }

    /// Gives the root tree of a commit.
    pub(in crate::git) fn root(&self, commit: &CommitId) -> Result<Tree<'_>, GitError> {
        traffic::count_tree();
        self.named_commit(commit)?.tree().map_err(|error| self.damaged(&error))
    }

    pub(in crate::git) fn subtree(&self, id: Oid) -> Result<Tree<'_>, GitError> {
        traffic::count_tree();
        self.repo.find_tree(id).map_err(|error| self.damaged(&error))
    }

    pub(in crate::git) fn blob_id(&self, id: Oid) -> Result<BlobId, GitError> {
        BlobId::from_bytes(id.as_bytes())
            .ok_or_else(|| GitError::Corrupt { remote: self.remote.clone(), reason: format!("`{id}` is no blob id") })
    }

    pub(in crate::git) fn not_regular(&self, path: &str, kind: EntryKind) -> GitError {
        GitError::NotRegular { remote: self.remote.clone(), path: path.to_owned(), found: kind.article() }
    }

    pub(in crate::git) fn too_many_entries(&self) -> GitError {
        GitError::TooLarge {
            remote: self.remote.clone(),
            what: "a commit's tree".to_owned(),
            size: format!("more than {MAX_ENTRIES} entries"),
            limit: format!("{MAX_ENTRIES} entries"),
        }
    }
}

/// Joins a name to its directory, if both are allowed.
pub(in crate::git) fn path_below(prefix: &str, name: &str) -> Option<RepoPath> {
    if name.contains('/') {
        return None;
    }
    if prefix.is_empty() { name.parse().ok() } else { format!("{prefix}/{name}").parse().ok() }
        .filter(|path: &RepoPath| !path.as_str().is_empty())
}

/// Tells whether a mode is a directory's.
pub(in crate::git) fn mode_is_tree(mode: i32) -> bool {
    mode & 0o170_000 == 0o040_000
}

/// Tells whether a mode is a regular file's.
pub(in crate::git) fn mode_is_file(mode: i32) -> bool {
    EntryKind::from_mode(mode).is_some_and(EntryKind::is_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_says_what_an_entry_is() {
        for (mode, kind) in [
            (0o100_644, Some(EntryKind::Regular)),
            (0o100_664, Some(EntryKind::Regular)),
            (0o100_755, Some(EntryKind::Executable)),
            (0o120_000, Some(EntryKind::Symlink)),
            (0o160_000, Some(EntryKind::Submodule)),
            (0o040_000, None),
            (0, None),
        ] {
            assert_eq!(EntryKind::from_mode(mode), kind, "{mode:o}");
        }
    }

    #[test]
    fn names_that_leave_the_repository_have_no_path() {
        for (prefix, name, expected) in [
            ("", "a", Some("a")),
            ("a/b", "c", Some("a/b/c")),
            ("a", "..", None),
            ("a", ".", None),
            ("a", "", None),
            ("", "", None),
            ("", ".GIT", None),
            ("a", "b/../../c", None),
            ("a", "b\nc", None),
        ] {
            assert_eq!(path_below(prefix, name).map(|p| p.to_string()).as_deref(), expected, "{prefix} {name}");
        }
    }
}
