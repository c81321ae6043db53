//! Where an Application's changes go: the configured repository, the branch that is read, the one that is written, and
//! the files that its sources own and list there.
//!
//! An Application with several sources has one home: the source of the last value file named by `$<ref>/…`, with those of
//! `write-back-target` before those of the sources; else the first Git source with value files; else the first one of a
//! configured repository. Its repository is written, relative targets start at its path, and what the sources list in
//! other repositories or on other branches is passed over. `git-repository` puts another configured repository in its place, with the same
//! paths.

mod branch;
mod home;
mod own;

use std::sync::Arc;

use crate::annotations::{ImageRequest, WriteBack};
use crate::model::application::{Application, ApplicationSource, Parameter};
use crate::model::image_field::ImageField;
use crate::model::manifest_files::ManifestFiles;
use crate::model::names::{Branch, RepoPath};
use crate::model::overriding::Overriding;
use crate::model::problem::{Problem, Severity};
use crate::model::tracked::{Layer, MadeBranch, Refusal, RemoteBranch, Search, Target, Tool, VALUES};
use crate::resolve::ground::branch::{branch, entries};
use crate::resolve::ground::home::{Home, owns_its_path};
pub(super) use crate::resolve::ground::own::{Own, search_in};
use crate::resolve::{Configured, KnownRepository, problem, source_line};

/// The repository, branches and files that an Application means.
pub(super) struct Ground<'a> {
    /// The repository that is written.
    pub(super) repository: &'a KnownRepository,
    /// The branch that is read.
    pub(super) base: Branch,
    /// The branch that is made for a change.
    pub(super) made: Option<MadeBranch>,
    /// Where relative targets start: the home source's path.
    pub(super) path: RepoPath,
    /// Paths of all sources in the repository.
    pub(super) own: Vec<RepoPath>,
    /// Value files in the repository, in Helm's order.
    pub(super) listed: Vec<RepoPath>,
    /// Patterns among the value files, whose files are not known here.
    pub(super) patterns: Vec<String>,
    /// The other sources that own a path in the repository.
    pub(super) others: Vec<Part>,
    /// Values that stand in the Application itself and count over these files, where it is defined on the branch.
    pub(super) inline: Vec<Layer>,
    /// The same of sources that have no files here, each by itself.
    pub(super) alone: Vec<Vec<Layer>>,
    /// The same values one by one, wherever the Application is defined.
    pub(super) overriding: Vec<Overriding>,
    /// The chart's own values, if the chart stands in the repository.
    default: Option<RepoPath>,
    /// Several charts have value files of their own there, and any of them may hold the key.
    pub(super) is_ambiguous: bool,
    /// The object that defines the Application.
    pub(super) own_object: Option<Own<'a>>,
    /// Where objects of some kinds name an image, as the operator declares it.
    pub(super) declared: Arc<[ImageField]>,
    sources: &'a [ApplicationSource],
    home: Home<'a>,
}

/// A source beside the home one.
pub(super) struct Part {
    /// Its path.
    pub(super) path: RepoPath,
    /// Its values in Helm's order, the chart's own file first.
    pub(super) values: Vec<Layer>,
    /// The values among them that stand in the Application, one by one, wherever that is defined.
    pub(super) overriding: Vec<Overriding>,
    /// What it is rendered with, where it says so.
    pub(super) tool: Option<Tool>,
    /// Which files are part of it, where it is a directory of manifests.
    pub(super) manifests: ManifestFiles,
}

/// Why nothing can be written for an Application.
#[derive(Debug)]
pub(super) struct Stop {
    pub(super) refusal: Refusal,
    pub(super) hint: String,
    /// The annotation that says so; none if it is the source.
    pub(super) annotation: Option<&'static str>,
}

fn stop(code: &str, message: String, hint: String) -> Stop {
    Stop { refusal: Refusal { code: code.to_owned(), message }, hint, annotation: None }
}

impl Ground<'_> {
    /// Gives the target of a search in the repository.
    pub(super) fn target(&self, search: Search) -> Target {
        Target {
            base: RemoteBranch { repository: self.repository.name.clone(), branch: self.base.clone() },
            made: self.made.clone(),
            own_paths: self.own.clone(),
            listed: self.listed.clone(),
            search,
            declared: self.declared.clone(),
        }
    }

    /// Gives the values files in Helm's order, and the one that counts if none holds the key.
    pub(super) fn values(&self) -> (Vec<RepoPath>, RepoPath) {
        let mut values: Vec<RepoPath> = self.default.iter().cloned().collect();
        for file in &self.listed {
            values.retain(|other| other != file);
            values.push(file.clone());
        }
        let fallback = self.default.as_ref().or(values.last()).cloned();
        (values, fallback.or_else(|| self.path.join(VALUES)).unwrap_or_default())
    }

    /// Finds a target: relative to the home source's path, `/` = the repository's root, `$<ref>/` = that source's root.
    pub(super) fn file(&self, file: &str) -> Result<RepoPath, String> {
        match referenced(file) {
            None => self.path.join(file).ok_or_else(|| "it leaves the repository".to_owned()),
            Some((name, rest)) => in_reference(self.sources, self.home, name, rest),
        }
    }

    /// Tells what the home source is rendered with, where it says so. A source that only lends its files to others has
    /// nothing but their values.
    pub(super) fn tool(&self) -> Option<Tool> {
        let says = self.home.source.tool.filter(|_| owns_its_path(self.home.source));
        says.or_else(|| (!owns_its_path(self.home.source)).then_some(Tool::Helm))
    }

    /// Gives the parameters and image strings of the home source.
    pub(super) fn overridden(&self) -> (Vec<Parameter>, Vec<String>) {
        let source = self.home.source;
        let parameters = source.inline.iter().flat_map(|inline| &inline.parameters).cloned().collect();
        (parameters, source.kustomize_images.clone())
    }

    /// Tells which files are part of the home source, where it is a directory of manifests.
    pub(super) fn manifests(&self) -> ManifestFiles {
        self.home.source.manifests.clone()
    }

    /// Says whose value files may hold the key.
    pub(super) fn ambiguity(&self) -> String {
        let files: Vec<String> = self.listed.iter().map(|file| format!("`{file}`")).collect();
        format!("several sources have value files that may hold the tag: {}", files.join(", "))
    }
}

/// Finds out where one image's changes go.
pub(super) fn ground<'a>(
    application: &'a Application,
    configured: &Configured<'a>,
    request: &ImageRequest,
) -> Result<Ground<'a>, Stop> {
    let (known, declared) = (configured.repositories, configured.image_fields.cloned().unwrap_or_default());
    let sources = application.sources.as_slice();
    let Some(source) = home(application, known, &request.targets) else {
        let message = "the Application has no `spec.source`".to_owned();
        return Err(stop("repository/unknown", message, "add `spec.source` with `repoURL` and `path`".to_owned()));
    };
    let (repository, base) = branch(application, source, known, request)?;
    let home = Home { source, default: entries(source, known).into_iter().find_map(|one| one.default.as_ref()) };
    let made = made(request, repository)?;
    let anywhere = Own::of(application, known);
    let own = anywhere.filter(|own| own.repository.name == repository.name && own.repository.branch == base);
    let inline = |source: &ApplicationSource| own.map(|own| own.layers(source)).unwrap_or_default();
    let overriding = |source: &ApplicationSource| anywhere.map(|own| own.overriding(source)).unwrap_or_default();
    let path = source_path(home.source)?;
    let (mut own_paths, mut listed, mut charts, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut alone, mut patterns) = (Vec::new(), Vec::new());
    for source in sources {
        let is_here = home.is_of(source);
        let directory = source_path(source)?;
        if is_here && owns_its_path(source) && !own_paths.contains(&directory) {
            own_paths.push(directory.clone());
        }
        let known = source.value_files.iter().filter_map(|file| Some((file, place(sources, home, source, file).ok()?)));
        let (globs, files): (Vec<_>, Vec<_>) = known.partition(|(file, _)| is_pattern(file));
        patterns.extend(globs.into_iter().map(|(file, _)| file.clone()));
        let files: Vec<RepoPath> = files.into_iter().map(|(_, file)| file).collect();
        if is_here && owns_its_path(source) && !std::ptr::eq(source, home.source) && directory != path {
            let values = directory.join(VALUES).into_iter().chain(files.iter().cloned()).map(Layer::of);
            let (tool, manifests) = (source.tool, source.manifests.clone());
            let values = values.chain(inline(source)).collect();
            let overriding = overriding(source);
            others.push(Part { path: directory.clone(), values, overriding, tool, manifests });
        } else if files.is_empty() && !std::ptr::eq(source, home.source) {
            alone.push(inline(source));
        }
        if !files.is_empty() {
            charts.push((is_here.then(|| directory.join(VALUES)).flatten(), files.clone(), source));
            listed.extend(files);
        }
    }
    alone.retain(|layers| !layers.is_empty());
    let mut lists: Vec<&Vec<RepoPath>> = charts.iter().map(|(_, files, _)| files).collect();
    lists.dedup();
    let default = match charts.as_slice() {
        [] => owns_its_path(home.source).then(|| path.join(VALUES)).flatten(),
        [(default, ..)] => default.clone(),
        _ => None,
    };
    let overriding = match charts.as_slice() {
        [] => overriding(home.source),
        several => several.iter().flat_map(|(.., source)| overriding(source)).collect(),
    };
    // Values in the Application lie over the files of their own source.
    let inline = match charts.as_slice() {
        [] => inline(home.source),
        [(.., source)] => inline(source),
        several => {
            let all = several.iter().map(|(.., source)| *source).chain([home.source]);
            let sources = all.fold(Vec::new(), |mut known: Vec<&ApplicationSource>, source| {
                if !known.iter().any(|one| std::ptr::eq(*one, source)) {
                    known.push(source);
                }
                known
            });
            alone.extend(sources.into_iter().map(inline).filter(|layers| !layers.is_empty()));
            Vec::new()
        }
    };
    let is_ambiguous = lists.len() > 1;
    let own = match (application.own_object(), &application.key.file) {
        (Some(_), Some(file)) => reach_of_object(file, request),
        _ => own_paths,
    };
    Ok(Ground {
        repository,
        base,
        made,
        path,
        own,
        listed,
        patterns,
        others,
        inline,
        alone,
        overriding,
        default,
        is_ambiguous,
        own_object: anywhere,
        declared,
        sources,
        home,
    })
}

/// Gives what an object may reach that carries its annotations itself: its own file, and the folder of that unless it is
/// the whole repository. In another repository it owns nothing.
fn reach_of_object(file: &RepoPath, request: &ImageRequest) -> Vec<RepoPath> {
    let folder = file.parent();
    match &request.destination.repository {
        Some(_) => Vec::new(),
        None if folder.as_str().is_empty() => vec![file.clone()],
        None => vec![folder],
    }
}

/// Gives what branches that are made for changes are called, if annotations ask for them and the operator allows any.
pub(super) fn made(request: &ImageRequest, repository: &KnownRepository) -> Result<Option<MadeBranch>, Stop> {
    match &request.destination.template {
        None => Ok(None),
        Some(_) if repository.branches.is_empty() => {
            let message = format!(
                "`git-branch` makes branches, and the operator allows none in the repository `{}`",
                repository.name
            );
            let hint = format!(
                "let the operator allow them in repin.yaml: `branches: [\"<glob>\"]` of the repository `{}`",
                repository.name
            );
            Err(Stop { annotation: Some("/git-branch"), ..stop("target/outside", message, hint) })
        }
        Some(template) => Ok(Some(MadeBranch { template: template.clone(), allowed: repository.branches.clone() })),
    }
}

/// Value files that are none of the repository's: they are passed over, and that is said.
pub(super) fn unused_value_files(application: &Application, ground: &Ground<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for source in ground.sources {
        for file in &source.value_files {
            let Err(reason) = place(ground.sources, ground.home, source, file) else { continue };
            let message = format!("the value file `{file}` is passed over: {reason}");
            let refusal = Refusal { code: "target/outside".to_owned(), message };
            let hint = "name the file that holds the tag in `write-back-target: helmvalues:<file>`".to_owned();
            let line = if ground.sources.len() > 1 { source.line } else { source_line(application) };
            problems.push(Problem { severity: Severity::Warning, ..problem(application, line, &refusal, hint) });
        }
    }
    problems
}

/// Finds the source whose repository is written.
fn home<'a>(
    application: &'a Application,
    known: &[KnownRepository],
    targets: &[WriteBack],
) -> Option<&'a ApplicationSource> {
    let sources = application.sources.as_slice();
    let meant = |file: &String| reference(sources, referenced(file)?.0);
    let is_git = |source: &&ApplicationSource| source.chart.is_none();
    let is_local = |file: &String| referenced(file).is_none() && !file.contains("://");
    let is_known = |source: &&ApplicationSource| !entries(source, known).is_empty();
    let of_targets = targets.iter().rev().find_map(|target| match target {
        WriteBack::HelmValuesFile(path) | WriteBack::Manifests(path) | WriteBack::Kustomization(Some(path)) => {
            meant(path)
        }
        WriteBack::HelmValues | WriteBack::Kustomization(None) | WriteBack::Overrides(_) | WriteBack::Auto => None,
    });
    of_targets
        .or_else(|| sources.iter().flat_map(|source| &source.value_files).rev().find_map(meant))
        .or_else(|| sources.iter().filter(is_git).find(|source| source.value_files.iter().any(is_local)))
        .or_else(|| sources.iter().filter(is_git).find(is_known))
        .or_else(|| sources.iter().find(is_git))
        .or_else(|| sources.first())
}

/// Tells whether a value file stands for all files that match it, as Argo CD has it.
fn is_pattern(file: &str) -> bool {
    file.contains(['*', '?', '['])
}

/// Splits `$<ref>/<path>`.
fn referenced(file: &str) -> Option<(&str, &str)> {
    let file = file.strip_prefix('$')?;
    Some(file.split_once('/').unwrap_or((file, "")))
}

fn reference<'a>(sources: &'a [ApplicationSource], name: &str) -> Option<&'a ApplicationSource> {
    sources.iter().find(|source| source.chart.is_none() && source.reference.as_deref() == Some(name))
}

/// Finds a value file of a source in the home's repository, or says why it is none of its files.
fn place(
    sources: &[ApplicationSource],
    home: Home<'_>,
    source: &ApplicationSource,
    file: &str,
) -> Result<RepoPath, String> {
    if let Some((name, rest)) = referenced(file) {
        return in_reference(sources, home, name, rest);
    }
    if file.contains("://") || source.chart.is_some() {
        return Err("it is no file of the repository".to_owned());
    }
    if !home.is_of(source) {
        return Err(home.elsewhere(source));
    }
    let path = RepoPath::default().join(source.path.trim_start_matches('/'));
    path.and_then(|path| path.join(file)).ok_or_else(|| "it leaves the repository".to_owned())
}

fn in_reference(sources: &[ApplicationSource], home: Home<'_>, name: &str, rest: &str) -> Result<RepoPath, String> {
    match reference(sources, name) {
        None => Err(format!("it belongs to another source, and none has `ref: {name}`")),
        Some(source) if !home.is_of(source) => Err(home.elsewhere(source)),
        // Argo CD starts at the root of the repository, whatever the source's own path is.
        Some(_) => RepoPath::default()
            .join(rest)
            .filter(|path| !path.as_str().is_empty())
            .ok_or_else(|| "it leaves the repository".to_owned()),
    }
}

fn source_path(source: &ApplicationSource) -> Result<RepoPath, Stop> {
    RepoPath::default().join(source.path.trim_start_matches('/')).ok_or_else(|| {
        let message = format!("the source path `{}` leaves the repository", source.path);
        stop("target/outside", message, "write a path below the repository's root".to_owned())
    })
}
