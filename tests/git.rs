//! Git at the edge, against real bare repositories behind git's own `upload-pack` and `receive-pack`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/git_http.rs"]
mod git_http;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/remote.rs"]
mod remote;
#[path = "support/signing.rs"]
mod signing;
#[path = "support/sshd.rs"]
mod sshd;

#[path = "git/history.rs"]
mod history;
#[path = "git/https.rs"]
mod https;
#[path = "git/kept.rs"]
mod kept;
#[path = "git/made.rs"]
mod made;
#[path = "git/mirror.rs"]
mod mirror;
#[path = "git/openpgp.rs"]
mod openpgp;
#[path = "git/push.rs"]
mod push;
#[path = "git/signature.rs"]
mod signature;
#[path = "git/ssh.rs"]
mod ssh;
#[path = "git/tree.rs"]
mod tree;

use jiff::Timestamp;
use remote::BareRemote;
use repin::git::{Authorship, Directory, Entry, GitError, Head, Identity, Mirror, Node, Options, Trees};
use repin::model::history::CommitId;
use repin::model::names::{Branch, RepoPath};
use tempfile::TempDir;

/// A remote and a cache directory.
struct World {
    remote: BareRemote,
    cache: TempDir,
}

impl World {
    fn new() -> Self {
        Self { remote: BareRemote::create(), cache: tempfile::tempdir().unwrap() }
    }

    fn with_files(files: &[(&str, &str)]) -> Self {
        let world = Self::new();
        world.remote.commit(files, "start");
        world
    }

    fn options(&self) -> Options {
        Options::new(self.cache.path(), self.remote.url())
    }

    fn open(&self) -> Mirror {
        Mirror::open(&self.options()).unwrap()
    }

    /// Opens the mirror and brings it to the head of the default branch.
    fn synced(&self) -> (Mirror, Head) {
        let mut mirror = self.open();
        let head = mirror.sync(None).unwrap();
        (mirror, head)
    }
}

fn path(text: &str) -> RepoPath {
    text.parse().unwrap()
}

fn branch(text: &str) -> Branch {
    text.parse().unwrap()
}

fn id(text: &str) -> CommitId {
    text.parse().unwrap()
}

fn bot() -> Authorship {
    let bot = Identity { name: "Bot".to_owned(), email: "bot@example.com".to_owned() };
    Authorship { author: bot.clone(), committer: bot, signer: None }
}

fn time() -> Timestamp {
    "2026-01-05T10:00:00Z".parse().unwrap()
}

/// Gives everything in a commit that is no directory, in its order, and how many names were left out.
fn listing(mirror: &Mirror, commit: &CommitId) -> Result<(Vec<(RepoPath, Entry)>, usize), GitError> {
    fn list(directory: &Directory, path: &RepoPath, found: &mut Vec<(RepoPath, Entry)>) {
        for child in directory.children() {
            let path = path.join(&child.name).unwrap();
            match &child.node {
                Node::Entry(entry) => found.push((path, *entry)),
                Node::Directory(below) => list(below, &path, found),
            }
        }
    }
    let root = Trees::default().read(mirror, commit)?;
    let mut found = Vec::new();
    list(&root, &RepoPath::default(), &mut found);
    Ok((found, root.skipped()))
}

/// Commits one file's new content on a parent.
fn commit_one(mirror: &Mirror, parent: &CommitId, file: &str, content: &str) -> Result<CommitId, GitError> {
    let changes = [(path(file), content.as_bytes().to_vec())];
    mirror.commit(parent, (&changes, &[]), &format!("write {content}\n"), &bot(), time())
}

/// Gives a file's content at a commit, through the mirror.
fn read(mirror: &Mirror, head: &CommitId, file: &str) -> String {
    let entry = mirror.entry(head, &path(file)).unwrap().unwrap();
    String::from_utf8(mirror.read(&entry.blob, 1 << 20).unwrap()).unwrap()
}
