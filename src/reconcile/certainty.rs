//! How sure it is that what is not in a snapshot is nowhere: who closes what nobody asks for must know that nobody does.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::model::application::Application;
use crate::model::names::{ApplicationKey, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::model::rule::Glob;
use crate::plan::Snapshot;
use crate::reconcile::propose::is_by_forge;
use crate::reconcile::repository::RepositoryOptions;
use crate::reconcile::{CycleReport, Mode, Reconciler};

impl Reconciler {
    /// Notes which configuration this is, what it writes at all, and what of its Applications is not sure.
    pub(super) fn note_certainty(
        &self,
        snapshot: &mut Snapshot,
        applications: &[Arc<Application>],
        mode: &Mode,
        report: &CycleReport,
    ) {
        let by_forge = self.repositories.iter().filter(|repository| is_by_forge(repository));
        snapshot.by_forge = by_forge.map(|repository| repository.options.name.clone()).collect();
        let wrong: BTreeSet<(&Option<String>, &str)> = report
            .problems
            .iter()
            .filter(|problem| problem.severity == Severity::Error)
            .filter_map(|problem| Some((&problem.repository, problem.file.as_deref()?)))
            .collect();
        let is_wrong = |key: &ApplicationKey| {
            let file = key.file.as_ref().map(RepoPath::as_str);
            file.is_some_and(|file| wrong.contains(&(&Some(key.repository.clone()), file)))
        };
        let unsure = applications.iter().map(|application| &application.key).filter(|key| is_wrong(key));
        snapshot.unsure = unsure.map(ApplicationKey::label).collect();
        snapshot.instance = instance(&self.options.repositories);
        snapshot.observe = self.options.observe;
        // Who made a manifest unreadable did not mean to take its Applications away.
        let is_unread = |problem: &Problem| {
            problem.severity == Severity::Error
                && matches!(problem.code.split('/').next(), Some("manifest" | "unsupported"))
        };
        snapshot.is_whole = !report.problems.iter().any(is_unread)
            && snapshot.repository_failures.is_empty()
            && snapshot.branch_failures.is_empty()
            && !matches!(mode, Mode::Explain(_));
    }
}

/// The globs of files that describe clusters, as one text, if there are any.
fn clusters_of(repository: &RepositoryOptions) -> Option<String> {
    let clusters: Vec<&str> = repository.clusters.iter().map(Glob::as_str).collect();
    (!clusters.is_empty()).then(|| clusters.join("\0"))
}

/// What is read, in short: another configuration that reads something else does not know what is missing here.
fn instance(repositories: &[RepositoryOptions]) -> String {
    let mut hash = Sha256::new();
    for repository in repositories {
        let branch = repository.branch.as_ref().map(ToString::to_string).unwrap_or_default();
        let discover: Vec<&str> = repository.discover.iter().map(Glob::as_str).collect();
        let parts = [&repository.name, &repository.url.normalised(), &branch, &discover.join("\0")];
        // Where there are none, it is what it was before they could be named.
        parts.into_iter().chain(&clusters_of(repository)).for_each(|part| hash.update(format!("{part}\0")));
    }
    hex::encode(hash.finalize().get(..4).unwrap_or_default())
}
