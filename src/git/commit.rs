//! Own commits: new blobs, trees and a commit in the object database, without a work tree.

use std::fmt;
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Signature, Time, Tree};
use jiff::Timestamp;

use crate::git::error::{GitError, plain};
use crate::git::mirror::{Mirror, commit_id};
use crate::git::signature::Signer;
use crate::git::tree::EntryKind;
use crate::model::history::CommitId;
use crate::model::names::RepoPath;

/// A person or a program, as Git holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// The name; not empty, without `<`, `>` and line breaks.
    pub name: String,
    /// The address; not empty, without `<`, `>` and line breaks.
    pub email: String,
}

impl Identity {
    /// Reads a name as Git would hold it: without the blanks, quotes and dots around it that Git drops.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn name(text: &str) -> Result<String, &'static str> {
        held(text, "a name is not empty, and holds no < and > and no control characters")
    }

    /// Reads an address, as [`Identity::name`].
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn email(text: &str) -> Result<String, &'static str> {
        const RULE: &str = "an address is not empty, and holds no blanks, no < and > and no control characters";
        held(text, RULE).and_then(|email| if email.contains(char::is_whitespace) { Err(RULE) } else { Ok(email) })
    }
}

impl Default for Identity {
    /// The product's own name, as long as the operator gives none.
    fn default() -> Self {
        Self { name: "repin".to_owned(), email: "repin@localhost".to_owned() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} <{}>", self.name, self.email)
    }
}

/// Who own commits are by, and the key that proves it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Authorship {
    /// Who wrote the change.
    pub author: Identity,
    /// Who made the commit.
    pub committer: Identity,
    /// Signs each commit; none = they are not signed.
    pub signer: Option<Signer>,
}

impl Mirror {
    /// Makes a commit on top of `parent` with new contents for files; nothing is sent. Each commit may be the parent of
    /// the next.
    ///
    /// Modes are kept. Files that are not there yet are named in the second list: one that is there all the same is
    /// [`GitError::BadCommit`], since what it holds was not looked at. Any other path that is no regular file in `parent`
    /// is [`GitError::NotRegular`]; a commit that would change nothing is [`GitError::BadCommit`].
    pub fn commit(
        &self,
        parent: &CommitId,
        (changes, new): (&[(RepoPath, Vec<u8>)], &[RepoPath]),
        message: &str,
        by: &Authorship,
        time: Timestamp,
    ) -> Result<CommitId, GitError> {
        if changes.is_empty() {
            return Err(GitError::BadCommit { remote: self.remote.clone(), reason: "nothing changes".to_owned() });
        }
        self.commit_any(parent, (changes, new), message, by, time)
    }

    /// Makes a commit that changes no file, for what its message says; nothing is sent.
    ///
    /// # Errors
    /// Those of [`Mirror::commit`] about people and messages.
    pub fn note(
        &self,
        parent: &CommitId,
        message: &str,
        by: &Authorship,
        time: Timestamp,
    ) -> Result<CommitId, GitError> {
        self.commit_any(parent, (&[], &[]), message, by, time)
    }

    fn commit_any(
        &self,
        parent: &CommitId,
        (changes, new): (&[(RepoPath, Vec<u8>)], &[RepoPath]),
        message: &str,
        by: &Authorship,
        time: Timestamp,
    ) -> Result<CommitId, GitError> {
        let bad = |reason: String| GitError::BadCommit { remote: self.remote.clone(), reason };
        if message.contains('\0') || message.trim().is_empty() {
            return Err(bad("the message is empty or holds a NUL".to_owned()));
        }
        let person = |identity: &Identity| {
            for (what, text) in [("name", &identity.name), ("address", &identity.email)] {
                if text.trim().is_empty() || text.contains(|c: char| c.is_control() || matches!(c, '<' | '>')) {
                    return Err(bad(format!("`{}` is no {what} of an author", plain(text, 100))));
                }
            }
            Signature::new(&identity.name, &identity.email, &Time::new(time.as_second(), 0))
                .map_err(|error| bad(plain(error.message(), 300)))
        };
        let (author, committer) = (person(&by.author)?, person(&by.committer)?);
        let base = self.root(parent)?;
        let tree = self.tree(parent, &base, changes, new)?;
        if tree == base.id() && !changes.is_empty() {
            return Err(bad("nothing changes".to_owned()));
        }
        let tree = self.subtree(tree)?;
        let parent = self.named_commit(parent)?;
        let buffer = self
            .repo
            .commit_create_buffer(&author, &committer, message, &tree, &[&parent])
            .map_err(|error| self.damaged(&error))?;
        let content = match &by.signer {
            None => buffer.to_vec(),
            Some(signer) => signed(&buffer, &signer.sign(&buffer, time).map_err(bad)?),
        };
        let id = self
            .repo
            .odb()
            .and_then(|odb| odb.write(ObjectType::Commit, &content))
            .map_err(|error| self.damaged(&error))?;
        commit_id(id, &self.remote)
    }

    /// Gives the id of the tree that [`Mirror::commit`] would make on top of `parent`, as [`MadeHead::tree`] has it. What
    /// would change nothing gives the tree of `parent`.
    ///
    /// [`MadeHead::tree`]: crate::model::history::MadeHead::tree
    ///
    /// # Errors
    /// Those of [`Mirror::commit`] about files.
    pub fn would_be_tree(
        &self,
        parent: &CommitId,
        (changes, new): (&[(RepoPath, Vec<u8>)], &[RepoPath]),
    ) -> Result<String, GitError> {
        Ok(self.tree(parent, &self.root(parent)?, changes, new)?.to_string())
    }

    /// Writes the tree of `parent` with new contents for files.
    fn tree(
        &self,
        parent: &CommitId,
        base: &Tree<'_>,
        changes: &[(RepoPath, Vec<u8>)],
        new: &[RepoPath],
    ) -> Result<Oid, GitError> {
        let bad = |reason: String| GitError::BadCommit { remote: self.remote.clone(), reason };
        let mut paths: Vec<&RepoPath> = changes.iter().map(|(path, _)| path).collect();
        paths.sort_unstable();
        if let Some(path) = paths.iter().zip(paths.iter().skip(1)).find_map(|(one, next)| (one == next).then_some(one))
        {
            return Err(bad(format!("`{path}` is written twice")));
        }
        let mut update = TreeUpdateBuilder::new();
        for (path, content) in changes {
            let mode = match self.entry(parent, path)?.map(|entry| entry.kind) {
                None if new.contains(path) && is_free(base, path) => FileMode::Blob,
                _ if new.contains(path) => return Err(bad(format!("`{path}` is there already, or is below a file"))),
                Some(EntryKind::Regular) => FileMode::Blob,
                Some(EntryKind::Executable) => FileMode::BlobExecutable,
                Some(kind) => return Err(self.not_regular(path.as_str(), kind)),
                None => {
                    let (remote, path) = (self.remote.clone(), path.to_string());
                    return Err(GitError::NotRegular { remote, path, found: "missing" });
                }
            };
            let blob = self.repo.blob(content).map_err(|error| self.damaged(&error))?;
            update.upsert(path.as_str(), blob, mode);
        }
        update.create_updated(&self.repo, base).map_err(|error| self.damaged(&error))
    }
}

/// Tells whether nothing stands at a path, and only directories above it.
fn is_free(tree: &Tree<'_>, path: &RepoPath) -> bool {
    let kind = |path: &str| tree.get_path(Path::new(path)).ok().map(|entry| entry.kind());
    let above = path.as_str().match_indices('/').filter_map(|(at, _)| path.as_str().get(..at));
    kind(path.as_str()).is_none() && above.filter_map(kind).all(|kind| kind == Some(ObjectType::Tree))
}

/// Puts a signature into a commit: the last header, its further lines behind a blank each (gitformat-signature(5)).
fn signed(commit: &[u8], signature: &str) -> Vec<u8> {
    let headers = commit.windows(2).position(|pair| pair == b"\n\n").map_or(commit.len(), |at| at + 1);
    let (headers, message) = commit.split_at(headers);
    let header = format!("gpgsig {}\n", signature.replace('\n', "\n "));
    [headers, header.as_bytes(), message].concat()
}

/// What is left of a name or an address when Git has dropped what it drops at both ends.
fn held(text: &str, rule: &'static str) -> Result<String, &'static str> {
    let is_dropped = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '.' | ',' | ':' | ';' | '<' | '>' | '"' | '\\' | '\'')
    };
    if text.contains(|c: char| c.is_control() || matches!(c, '<' | '>')) {
        return Err(rule);
    }
    let held = text.trim_matches(is_dropped);
    if held.is_empty() { Err(rule) } else { Ok(held.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_those_that_git_holds() {
        for (text, name, email) in [
            ("Bot", Some("Bot"), Some("Bot")),
            (" Acme Inc. ", Some("Acme Inc"), None),
            ("bot@example.com", Some("bot@example.com"), Some("bot@example.com")),
            ("'bot'", Some("bot"), Some("bot")),
            ("Jos\u{e9}", Some("Jos\u{e9}"), Some("Jos\u{e9}")),
            ("", None, None),
            (" .,;", None, None),
            ("a\nb", None, None),
            ("a <b", None, None),
            ("a\0", None, None),
        ] {
            assert_eq!(Identity::name(text).ok().as_deref(), name, "{text:?}");
            assert_eq!(Identity::email(text).ok().as_deref(), email, "{text:?}");
        }
    }
}
