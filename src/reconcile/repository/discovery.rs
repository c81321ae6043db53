//! The Applications of a whole repository: what discovery found in every directory, and again only in those that changed.

use std::sync::Arc;

use crate::git::{Directory, GitError, Node};
use crate::manifest::argocd::applicationset::ApplicationSet;
use crate::model::application::Application;
use crate::model::history::BlobId;
use crate::model::names::RepoPath;
use crate::model::problem::Problem;
use crate::plan::locate::may_be_manifest;
use crate::reconcile::repository::files::{Discovered, discover_file};
use crate::reconcile::repository::index::is_templates;
use crate::reconcile::repository::{Reading, Repository, not_open};

/// What was found in a directory and below it.
pub(super) struct Survey {
    directory: Arc<Directory>,
    /// One for each name.
    found: Vec<Found>,
}

/// What was found under a name.
enum Found {
    Nothing,
    File(Discovered),
    Below(Survey),
}

/// Everything that was found, in the order of the paths.
#[derive(Debug, Default)]
pub(super) struct Discoveries {
    /// The Applications.
    pub(super) applications: Vec<Arc<Application>>,
    /// The ApplicationSets whose Applications are annotated.
    pub(super) sets: Vec<Arc<ApplicationSet>>,
    /// What is wrong in the files.
    pub(super) problems: Vec<Problem>,
    /// Chart templates that are no YAML.
    pub(super) unparsed_templates: usize,
}

impl Repository {
    /// Finds the Applications at the head; only what changed is looked at.
    ///
    /// # Errors
    /// A file that the mirror lost.
    pub(super) fn discover(&mut self) -> Result<Arc<Reading>, GitError> {
        let (Some(mirror), Some(head)) = (&self.mirror, &self.head) else {
            return Err(not_open(&self.options.url));
        };
        if let Some(last) = self.last.as_ref().filter(|last| last.head == *head) {
            return Ok(last.clone());
        }
        let Some(line) = self.lines.get(&head.branch) else { return Err(not_open(&self.options.url)) };
        let (index, kept) = (self.index.get_mut(), &mut self.kept);
        kept.read(mirror);
        let mut discover = |path: &RepoPath, blob: &BlobId| {
            let is_meant = || self.options.discover.iter().any(|glob| glob.is_match(path.as_str()));
            if kept.is_nothing(blob) || !is_meant() {
                return Ok(Discovered::default());
            }
            let found = discover_file(mirror, &self.options.name, path, blob, |content| {
                if may_be_manifest(path.as_str()) {
                    index.note(*blob, content);
                }
            })?;
            Ok(found.unwrap_or_else(|| {
                kept.note_nothing(*blob);
                Discovered::default()
            }))
        };
        let survey = Survey::new(&line.root, &RepoPath::default(), self.survey.take(), &mut discover)?;
        let Discoveries { applications, sets, problems, unparsed_templates } = survey.discoveries();
        self.survey = Some(survey);
        self.kept.forget_nothing(&line.root);
        Ok(Arc::new(Reading { head: head.clone(), applications, sets, problems, unparsed_templates }))
    }
}

impl Survey {
    /// Looks into the files of a directory with `discover`, which may pass them over; what an older survey of the same place knows
    /// is taken over.
    pub(super) fn new(
        directory: &Arc<Directory>,
        path: &RepoPath,
        old: Option<Self>,
        discover: &mut dyn FnMut(&RepoPath, &BlobId) -> Result<Discovered, GitError>,
    ) -> Result<Self, GitError> {
        let mut old = match old {
            Some(old) if old.directory.id() == directory.id() => return Ok(old),
            other => other,
        };
        let mut found = Vec::with_capacity(directory.children().len());
        for child in directory.children() {
            let Some(path) = path.join(&child.name) else {
                found.push(Found::Nothing);
                continue;
            };
            let is_directory = matches!(child.node, Node::Directory(_));
            let known = old.as_mut().and_then(|old| old.take(&child.name, is_directory));
            found.push(match (&child.node, known) {
                (Node::Entry(entry), _) if !entry.kind.is_file() => Found::Nothing,
                (Node::Entry(entry), Some((Some(blob), known))) if blob == entry.blob => known,
                (Node::Entry(entry), _) => match discover(&path, &entry.blob)? {
                    nothing if nothing.is_empty() => Found::Nothing,
                    discovered => Found::File(discovered),
                },
                (Node::Directory(below), Some((_, Found::Below(known)))) => {
                    Found::Below(Self::new(below, &path, Some(known), discover)?)
                }
                (Node::Directory(below), _) => Found::Below(Self::new(below, &path, None, discover)?),
            });
        }
        Ok(Self { directory: directory.clone(), found })
    }

    /// Gives what is known of a name: of a file with its content, if it was one.
    fn take(&mut self, name: &str, is_directory: bool) -> Option<(Option<BlobId>, Found)> {
        let number = self.directory.position(name, is_directory)?;
        let blob = match &self.directory.children().get(number)?.node {
            Node::Entry(entry) if entry.kind.is_file() => Some(entry.blob),
            _ => None,
        };
        Some((blob, std::mem::replace(self.found.get_mut(number)?, Found::Nothing)))
    }

    /// Gives everything that was found.
    pub(super) fn discoveries(&self) -> Discoveries {
        let mut all = Discoveries::default();
        self.gather(false, &mut all);
        all
    }

    fn gather(&self, is_template: bool, all: &mut Discoveries) {
        for (child, found) in self.directory.children().iter().zip(&self.found) {
            match found {
                Found::Nothing => {}
                // A template seldom is YAML before it is rendered.
                Found::File(found) if is_template && found.applications.is_empty() && found.sets.is_empty() => {
                    all.unparsed_templates += 1
                }
                Found::File(found) => {
                    all.problems.extend(found.problems.iter().cloned());
                    all.applications.extend(found.applications.iter().cloned());
                    all.sets.extend(found.sets.iter().cloned());
                }
                Found::Below(below) => below.gather(is_template || is_templates(&self.directory, child), all),
            }
        }
    }
}
