//! Files that are kept in a mirror between runs: what was made of its objects. They are a cache as the mirror is, and go with
//! it. Its holder writes them; who has a private mirror beside it reads them.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::git::mirror::Mirror;

/// Names the program: what another one made of contents it may have made by other rules.
pub(in crate::git) const PROGRAM: &str = concat!("repin ", env!("CARGO_PKG_VERSION"), " ", env!("REPIN_SOURCES"));

/// Where the files are, inside the mirror.
const DIRECTORY: &str = "repin";

impl Mirror {
    /// Gives what this program kept under a name, if it is as it was kept.
    pub fn recall(&self, name: &str) -> Option<String> {
        let text = String::from_utf8(self.read_kept(name)?).ok()?;
        let (head, content) = text.split_once('\n')?;
        (head == seal(content)).then(|| content.to_owned())
    }

    /// Keeps something under a name for the same program, in the place of what was kept there. Whoever reads it meanwhile meets
    /// the old or the new.
    ///
    /// # Errors
    /// What stands in the way of writing it; a mirror that keeps nothing, see [`Mirror::keeps`].
    pub fn keep(&self, name: &str, content: &str) -> io::Result<()> {
        self.write_kept(name, format!("{}\n{content}", seal(content)).as_bytes())
    }

    /// Tells whether files can be kept in it: it is the kept one, and still ours.
    pub fn keeps(&self) -> bool {
        !self.is_private() && !self.is_gone()
    }

    /// Reads a file that says itself whether it is whole.
    pub(in crate::git) fn read_kept(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.kept_file(name)).ok()
    }

    /// Writes a file that says itself whether it is whole.
    ///
    /// # Errors
    /// As [`Mirror::keep`].
    pub(in crate::git) fn write_kept(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let path = self.kept_file(name);
        let directory = self.own_directory()?;
        // What a process that was killed leaves of it is removed with other leftovers of the mirror.
        let mut file = tempfile::Builder::new().prefix("tmp_").tempfile_in(directory)?;
        file.write_all(content)?;
        file.persist(path)?;
        Ok(())
    }

    /// Removes the files of whose name this says that nobody reads them any more.
    pub(in crate::git) fn forget_kept(&self, is_over: impl Fn(&str) -> bool) {
        let directory = self.kept_directory().join(DIRECTORY);
        let entries = self.keeps().then(|| fs::read_dir(directory));
        for entry in entries.into_iter().flatten().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(&is_over) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Gives the file of a name.
    pub(in crate::git) fn kept_file(&self, name: &str) -> PathBuf {
        self.kept_directory().join(DIRECTORY).join(name)
    }

    /// Gives the directory of the files, made if it is missing, where they may be written.
    fn own_directory(&self) -> io::Result<PathBuf> {
        let directory = self.kept_directory().join(DIRECTORY);
        if !self.keeps() {
            return Err(io::Error::other("the mirror is another process's, or was deleted"));
        }
        made(&directory)?;
        Ok(directory)
    }
}

/// The first line of what is kept: who made it, and its hash.
fn seal(content: &str) -> String {
    format!("{PROGRAM} {}", hex::encode(Sha256::digest(content)))
}

/// Makes one directory; those above it must be there.
fn made(directory: &Path) -> io::Result<()> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}
