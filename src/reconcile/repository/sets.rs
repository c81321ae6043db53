//! The Applications that ApplicationSets generate, expanded again only if something changed that the last expansion met:
//! the set's own file, the names below a directory, or the content of a file.

use std::cell::RefCell;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::git::{Directory, DirectoryId, GitError, Mirror, Node};
use crate::manifest::argocd::applicationset::{ApplicationSet, expand};
use crate::manifest::argocd::generator::{ClusterFiles, Files};
use crate::model::application::Application;
use crate::model::history::BlobId;
use crate::model::names::{Branch, RepoPath};
use crate::model::problem::Problem;
use crate::model::remote_url::RemoteUrl;
use crate::model::tracked::RemoteBranch;
use crate::reconcile::repository::Repository;
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
    met: HashSet<Met>,
}

/// What an expansion depends on besides the set, each in a repository: none = the one that defines the set.
#[derive(Debug, Eq, Hash, PartialEq)]
enum Met {
    /// Whose files describe the clusters, and the branch that is read there, if any.
    Clusters(Vec<(String, Option<Branch>)>),
    /// What a `repoURL` and a `revision` mean.
    Tree(String, String, Result<Option<RemoteBranch>, String>),
    /// A directory with what is in it, and the names of all files below it as a hash.
    Names(Option<RemoteBranch>, RepoPath, Option<DirectoryId>, u64),
    /// The content of a file; none if it is no regular one.
    Content(Option<RemoteBranch>, RepoPath, Option<BlobId>),
}

/// The repository that defines sets, among all that are configured: a generator may read any of them.
struct Ground<'a> {
    own: &'a Repository,
    all: &'a [Repository],
}

/// What sets generate, and what stood in the way of it.
#[derive(Debug, Default)]
pub(in crate::reconcile) struct Generated {
    pub(in crate::reconcile) applications: Vec<Arc<Application>>,
    pub(in crate::reconcile) problems: Vec<Problem>,
    /// A file that a mirror lost: its parameters are not taken for absent.
    pub(in crate::reconcile) lost: Option<GitError>,
}

/// Expands the sets of a repository, by its number, as far as something changed.
pub(in crate::reconcile) fn generate(
    repositories: &mut [Repository],
    number: usize,
    sets: &[Arc<ApplicationSet>],
) -> Generated {
    let mut old = repositories.get_mut(number).map(|own| std::mem::take(&mut own.expanded)).unwrap_or_default();
    let (mut generated, mut memory) = (Generated::default(), Memory::new());
    let Some(own) = repositories.get(number).filter(|_| !sets.is_empty()) else { return generated };
    let ground = Ground { own, all: repositories };
    for set in sets {
        let mut key = (set.file().clone(), set.name().to_owned(), 0);
        while memory.contains_key(&key) {
            key.2 += 1;
        }
        let last = old.remove(&key);
        let is_same = |last: &Expanded| Arc::ptr_eq(&last.set, set) && last.met.iter().all(|met| ground.is_same(met));
        let found = match last {
            Some(last) if is_same(&last) => last,
            last => match ground.expand(set, last.as_ref()) {
                Ok(found) => found,
                Err(error) => {
                    generated.applications.extend(last.into_iter().flat_map(|last| last.applications));
                    generated.lost.get_or_insert(error);
                    continue;
                }
            },
        };
        generated.applications.extend(found.applications.iter().cloned());
        generated.problems.extend(found.problems.iter().cloned());
        memory.insert(key, found);
    }
    if let Some(own) = repositories.get_mut(number) {
        own.expanded = memory;
    }
    generated
}

/// Gives the files below a directory.
type Below<'a> = &'a dyn Fn(Option<&RemoteBranch>, &RepoPath) -> Vec<RepoPath>;

impl Ground<'_> {
    fn expand(&self, set: &Arc<ApplicationSet>, last: Option<&Expanded>) -> Result<Expanded, GitError> {
        // A `matrix` meets the same files once for each of its parameter sets.
        let (met, lost) = (RefCell::new(HashSet::new()), RefCell::new(None));
        let note = |one: Met| {
            met.borrow_mut().insert(one);
        };
        let find = |url: &str, revision: &str| {
            let found = self.find(url, revision);
            note(Met::Tree(url.to_owned(), revision.to_owned(), found.clone()));
            found
        };
        let below = |base: Option<&RemoteBranch>, directory: &RepoPath| {
            let files = self.files(base, directory);
            note(Met::Names(base.cloned(), directory.clone(), self.directory(base, directory), hash(&files)));
            files
        };
        let read = |base: Option<&RemoteBranch>, path: &RepoPath| {
            let blob = self.blob(base, path);
            note(Met::Content(base.cloned(), path.clone(), blob));
            let (Some(blob), Some((mirror, _))) = (blob, self.at(base)) else {
                return Err("it is no regular file".to_owned());
            };
            match mirror.read(&blob, MAX_BYTES as u64) {
                Ok(bytes) => String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()),
                Err(error @ GitError::TooLarge { .. }) => Err(error.to_string()),
                Err(error) => {
                    let why = error.to_string();
                    lost.borrow_mut().get_or_insert(error);
                    Err(why)
                }
            }
        };
        let clusters = || {
            note(Met::Clusters(self.of_clusters()));
            self.cluster_files(&below)
        };
        let found = guarded(|| expand(set, Files { find: &find, below: &below, read: &read, clusters: &clusters }));
        let (applications, problems) =
            found.unwrap_or_else(|| (Vec::new(), vec![defect(&self.own.options.name, set.file())]));
        if let Some(error) = lost.into_inner() {
            return Err(error);
        }
        // What is the same as before stays the same: what it means is known by its address.
        let known = last.map(|last| last.applications.as_slice()).unwrap_or_default();
        let known: HashMap<_, _> = known.iter().map(|one| (&one.key, one)).collect();
        let kept = |one: Application| match known.get(&one.key) {
            Some(same) if ***same == one => (*same).clone(),
            _ => Arc::new(one),
        };
        let applications = applications.into_iter().map(kept).collect();
        Ok(Expanded { set: set.clone(), applications, problems, met: met.into_inner() })
    }

    fn is_same(&self, met: &Met) -> bool {
        match met {
            Met::Clusters(found) => self.of_clusters() == *found,
            Met::Tree(url, revision, found) => self.find(url, revision) == *found,
            Met::Names(base, directory, id, names) => {
                let base = base.as_ref();
                (id.is_some() && self.directory(base, directory) == *id) || hash(&self.files(base, directory)) == *names
            }
            Met::Content(base, path, blob) => self.blob(base.as_ref(), path) == *blob,
        }
    }

    /// Gives the repositories whose files describe the clusters: the own one where it names any, else all that do.
    fn of_clusters(&self) -> Vec<(String, Option<Branch>)> {
        let is_naming = |one: &&Repository| !one.options.clusters.is_empty();
        let own = Some(self.own).filter(is_naming);
        let all = self.all.iter().filter(|one| own.is_none() && is_naming(one));
        let branch = |one: &Repository| self.at_name(&one.options.name).map(|(_, branch)| branch.clone());
        own.into_iter().chain(all).map(|one| (one.options.name.clone(), branch(one))).collect()
    }

    /// Gives the files that describe clusters, sorted within each repository; none if nobody named any.
    fn cluster_files(&self, below: Below<'_>) -> Result<ClusterFiles, String> {
        let (mut files, mut named) = (Vec::new(), Vec::new());
        for (repository, branch) in self.of_clusters() {
            let Some(branch) = branch else {
                return Err(format!(
                    "the generator `clusters` reads files of the repository `{repository}`, which could not be read yet"
                ));
            };
            let Some(one) = self.all.iter().find(|one| one.options.name == repository) else { continue };
            let base = Some(RemoteBranch { repository, branch }).filter(|_| !std::ptr::eq(one, self.own));
            let mut found = BTreeSet::new();
            for glob in &one.options.clusters {
                named.push(format!("`{glob}`"));
                let Ok(directory) = fixed_directory(glob.as_str()).parse::<RepoPath>() else { continue };
                let is_match = |file: &RepoPath| glob.is_match(file.as_str());
                found.extend(below(base.as_ref(), &directory).into_iter().filter(is_match));
            }
            files.extend(found.into_iter().map(|file| (base.clone(), file)));
        }
        match (files.is_empty(), named.is_empty()) {
            (_, true) => Ok(None),
            (true, _) => Err(format!(
                "the generator `clusters` reads the files that `clusters` of repin.yaml names, and there is none: {}",
                named.join(", ")
            )),
            (false, _) => Ok(Some(files)),
        }
    }

    fn at_name(&self, name: &str) -> Option<(&Repository, &Branch)> {
        let one = self.all.iter().find(|one| one.options.name == name)?;
        let branch = &one.head.as_ref()?.branch;
        one.lines.contains_key(branch).then_some((one, branch))
    }

    /// Gives a repository at the head that is read.
    fn at(&self, base: Option<&RemoteBranch>) -> Option<(&Mirror, &Line)> {
        let named = |base: &RemoteBranch| self.all.iter().find(|one| one.options.name == base.repository);
        let repository = base.map_or(Some(self.own), named)?;
        Some((repository.mirror.as_ref()?, repository.lines.get(&repository.head.as_ref()?.branch)?))
    }

    fn directory(&self, base: Option<&RemoteBranch>, path: &RepoPath) -> Option<DirectoryId> {
        self.at(base)?.1.directory(path).map(|directory| directory.id())
    }

    fn blob(&self, base: Option<&RemoteBranch>, path: &RepoPath) -> Option<BlobId> {
        self.at(base)?.1.file(path).ok().flatten()
    }

    /// Gives the regular files below a directory, or the file of that name, sorted.
    fn files(&self, base: Option<&RemoteBranch>, path: &RepoPath) -> Vec<RepoPath> {
        let mut files = Vec::new();
        match self.at(base).and_then(|(_, line)| line.directory(path)) {
            Some(directory) => add(directory, path, &mut files),
            None => files.extend(self.blob(base, path).map(|_| path.clone())),
        }
        files.sort_unstable();
        files
    }

    /// Finds the repository that a git generator means, at the head that is read, or says what it means instead.
    fn find(&self, url: &str, revision: &str) -> Result<Option<RemoteBranch>, String> {
        let spelling = url.parse::<RemoteUrl>().map(|url| url.normalised());
        let is_meant = |one: &&Repository| {
            let mut urls = std::iter::once(&one.options.url).chain(&one.options.also).map(RemoteUrl::normalised);
            spelling.as_ref().is_ok_and(|spelling| urls.any(|own| own == *spelling))
        };
        let named = revision.strip_prefix("refs/heads/").unwrap_or(revision);
        let mut read = Vec::new();
        let mut is_configured = false;
        for one in std::iter::once(self.own).chain(self.all).filter(is_meant) {
            is_configured = true;
            let Some(head) = &one.head else { continue };
            let default = head.default.as_ref().unwrap_or(&head.branch);
            let wanted = if matches!(named, "" | "HEAD") { default.as_str() } else { named };
            if head.branch.as_str() == wanted {
                let base = RemoteBranch { repository: one.options.name.clone(), branch: head.branch.clone() };
                return Ok(Some(base).filter(|_| !std::ptr::eq(one, self.own)));
            }
            read.push(format!("`{}`", head.branch));
        }
        read.dedup();
        let shown = spelling.map_or_else(|_| "a `repoURL` that is none".to_owned(), |spelling| spelling.to_string());
        Err(match (is_configured, read.as_slice()) {
            (false, _) => format!("the generator `git` reads {shown}, and no configured repository has this url"),
            (true, []) => format!("the generator `git` reads {shown}, which could not be read yet"),
            (true, read) => format!(
                "the generator `git` reads the revision `{named}` of {shown}, and of that repin reads {}; another branch needs an entry of `repositories:` of its own",
                read.join(", ")
            ),
        })
    }
}

/// Gives the directory in front of the first part of a glob that is a pattern; a glob without one is a file.
fn fixed_directory(glob: &str) -> &str {
    let Some(special) = glob.find(['*', '?', '[', '{', '\\']) else { return glob };
    glob.get(..special).and_then(|fixed| Some(fixed.rsplit_once('/')?.0)).unwrap_or_default()
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
