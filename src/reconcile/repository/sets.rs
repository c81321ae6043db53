//! The Applications that ApplicationSets generate, expanded again only if something changed that the last expansion met:
//! the set's own file, the names below a directory, or the content of a file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::git::{Directory, DirectoryId, GitError, Head, Mirror, Node};
use crate::manifest::argocd::applicationset::{ApplicationSet, expand};
use crate::manifest::argocd::generator::Files;
use crate::model::application::Application;
use crate::model::history::BlobId;
use crate::model::names::RepoPath;
use crate::model::problem::Problem;
use crate::model::remote_url::RemoteUrl;
use crate::model::tracked::RemoteBranch;
use crate::reconcile::repository::RepositoryOptions;
use crate::reconcile::repository::files::{defect, guarded};
use crate::reconcile::repository::line::Line;
use crate::yaml::MAX_BYTES;

/// What was last expanded, by the file and name of the set, and how many of that name come before it there.
pub(super) type Memory = HashMap<(RepoPath, String, usize), Expanded>;

/// What a set generates.
pub(super) struct Expanded {
    /// The set, by whose address it is known to be the same.
    set: Arc<ApplicationSet>,
    applications: Vec<Arc<Application>>,
    problems: Vec<Problem>,
    met: Vec<Met>,
}

/// What an expansion depends on besides the set.
#[derive(Debug, Eq, PartialEq)]
enum Met {
    /// A directory with what is in it, and the names of all files below it as a hash.
    Names(RepoPath, Option<DirectoryId>, u64),
    /// The content of a file; none if it is no regular one.
    Content(RepoPath, Option<BlobId>),
}

/// A repository at the head that defines its Applications.
pub(super) struct Defining<'a> {
    pub(super) options: &'a RepositoryOptions,
    pub(super) mirror: &'a Mirror,
    pub(super) head: &'a Head,
    pub(super) line: &'a Line,
}

impl Defining<'_> {
    /// Adds what all sets generate, and keeps it in `memory`.
    ///
    /// # Errors
    /// A file that the mirror lost: its parameters may not be taken for absent.
    pub(super) fn expand_all(
        &self,
        sets: Vec<Arc<ApplicationSet>>,
        memory: &mut Memory,
        applications: &mut Vec<Arc<Application>>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), GitError> {
        let mut old = std::mem::take(memory);
        for set in sets {
            let mut key = (set.file().clone(), set.name().to_owned(), 0);
            while memory.contains_key(&key) {
                key.2 += 1;
            }
            let last = old.remove(&key);
            let is_same =
                |last: &Expanded| Arc::ptr_eq(&last.set, &set) && last.met.iter().all(|met| self.is_same(met));
            let found = match last {
                Some(last) if is_same(&last) => last,
                last => self.expand(set, last)?,
            };
            applications.extend(found.applications.iter().cloned());
            problems.extend(found.problems.iter().cloned());
            memory.insert(key, found);
        }
        Ok(())
    }

    fn expand(&self, set: Arc<ApplicationSet>, last: Option<Expanded>) -> Result<Expanded, GitError> {
        let (met, lost) = (RefCell::new(Vec::new()), RefCell::new(None));
        let note = |one: Met| {
            let mut met = met.borrow_mut();
            if !met.contains(&one) {
                met.push(one);
            }
        };
        let below = |_: Option<&RemoteBranch>, directory: &RepoPath| {
            let files = self.files(directory);
            note(Met::Names(directory.clone(), self.directory(directory), hash(&files)));
            files
        };
        let read = |_: Option<&RemoteBranch>, path: &RepoPath| {
            let blob = self.line.file(path).ok().flatten();
            note(Met::Content(path.clone(), blob));
            let Some(blob) = blob else { return Err("it is no regular file".to_owned()) };
            match self.mirror.read(&blob, MAX_BYTES as u64) {
                Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()),
                Err(error @ GitError::TooLarge { .. }) => Err(error.to_string()),
                Err(error) => {
                    let why = error.to_string();
                    lost.borrow_mut().get_or_insert(error);
                    Err(why)
                }
            }
        };
        let find = |url: &str, revision: &str| self.find(url, revision).map(|()| None);
        let files = Files { find: &find, below: &below, read: &read };
        let found = guarded(|| expand(&set, files));
        let (applications, problems) =
            found.unwrap_or_else(|| (Vec::new(), vec![defect(&self.options.name, set.file())]));
        if let Some(error) = lost.into_inner() {
            return Err(error);
        }
        // What is the same as before stays the same: what it means is known by its address.
        let known = last.map(|last| last.applications).unwrap_or_default();
        let known: HashMap<_, _> = known.iter().map(|one| (&one.key, one)).collect();
        let kept = |one: Application| match known.get(&one.key) {
            Some(same) if ***same == one => (*same).clone(),
            _ => Arc::new(one),
        };
        let applications = applications.into_iter().map(kept).collect();
        Ok(Expanded { set, applications, problems, met: met.into_inner() })
    }

    fn is_same(&self, met: &Met) -> bool {
        match met {
            Met::Names(directory, id, names) => {
                (id.is_some() && self.directory(directory) == *id) || hash(&self.files(directory)) == *names
            }
            Met::Content(path, blob) => self.line.file(path).ok().flatten() == *blob,
        }
    }

    fn directory(&self, path: &RepoPath) -> Option<DirectoryId> {
        self.line.directory(path).map(|directory| directory.id())
    }

    /// Gives the regular files below a directory, or the file of that name, sorted.
    fn files(&self, path: &RepoPath) -> Vec<RepoPath> {
        let mut files = Vec::new();
        match self.line.directory(path) {
            Some(directory) => add(directory, path, &mut files),
            None => files.extend(self.line.file(path).ok().flatten().map(|_| path.clone())),
        }
        files.sort_unstable();
        files
    }

    /// Tells whether a git generator means this repository at this head, or says what it means instead.
    fn find(&self, url: &str, revision: &str) -> Result<(), String> {
        let spelling = url.parse::<RemoteUrl>().map(|url| url.normalised());
        let mut own = std::iter::once(&self.options.url).chain(&self.options.also).map(RemoteUrl::normalised);
        if !spelling.is_ok_and(|spelling| own.any(|one| one == spelling)) {
            return Err(format!(
                "the generator `git` reads another repository than the one that defines it, `{}`",
                self.options.name
            ));
        }
        let branch = self.head.branch.as_str();
        let default = self.head.default.as_ref().map_or(branch, |default| default.as_str());
        let named = revision.strip_prefix("refs/heads/").unwrap_or(revision);
        let named = if matches!(named, "" | "HEAD") { default } else { named };
        if named == branch {
            return Ok(());
        }
        Err(format!("the generator `git` reads the revision `{named}`, and the ApplicationSet is read on `{branch}`"))
    }
}

fn add(directory: &Directory, path: &RepoPath, files: &mut Vec<RepoPath>) {
    for child in directory.children() {
        let Some(path) = path.join(&child.name) else { continue };
        match &child.node {
            Node::Entry(entry) if entry.kind.is_file() => files.push(path),
            Node::Entry(_) => {}
            Node::Directory(below) => add(below, &path, files),
        }
    }
}

fn hash(files: &[RepoPath]) -> u64 {
    let mut hash = DefaultHasher::new();
    files.hash(&mut hash);
    hash.finish()
}
