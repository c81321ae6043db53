//! Where an Application's changes go: the configured repository, the branch that is read, the one that is written, and
//! the files that its sources own and list there.
//!
//! An Application with several sources has one home: the source of the last value file named by `$<ref>/…`, with those of
//! `write-back-target` before those of the sources; else the first Git source with value files; else the first one of a
//! configured repository. Its repository is written, relative targets start at its path, and what the sources list in
//! other repositories or on other branches is passed over. `git-repository` puts another configured repository in its place, with the same
//! paths.

mod home;

use crate::annotations::destination::BaseBranch;
use crate::annotations::{ImageRequest, WriteBack};
use crate::model::application::{Application, ApplicationSource};
use crate::model::names::{Branch, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::model::remote_url::RemoteUrl;
use crate::model::tracked::{MadeBranch, Refusal, Tool};
use crate::resolve::ground::home::{Home, owns_its_path, revision};
use crate::resolve::{KnownRepository, problem, source_line};

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
    /// The other sources that own a path in the repository.
    pub(super) others: Vec<Part>,
    /// The chart's own values, if the chart stands in the repository.
    default: Option<RepoPath>,
    /// Several charts have value files of their own there, and any of them may hold the key.
    pub(super) is_ambiguous: bool,
    sources: &'a [ApplicationSource],
    home: Home<'a>,
}

/// A source beside the home one.
pub(super) struct Part {
    /// Its path.
    pub(super) path: RepoPath,
    /// Its value files in Helm's order, the chart's own first.
    pub(super) values: Vec<RepoPath>,
    /// What it is rendered with, where it says so.
    pub(super) tool: Option<Tool>,
    /// Whether manifests below subdirectories are part of it.
    pub(super) is_recursive: bool,
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
    /// Gives the values files in Helm's order, and the one that counts if none holds the key.
    pub(super) fn values(&self) -> (Vec<RepoPath>, RepoPath) {
        let mut values: Vec<RepoPath> = self.default.iter().cloned().collect();
        for file in &self.listed {
            values.retain(|other| other != file);
            values.push(file.clone());
        }
        let fallback = self.default.as_ref().or(values.last()).cloned();
        (values, fallback.or_else(|| self.path.join("values.yaml")).unwrap_or_default())
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
        self.home.source.tool.or_else(|| (!owns_its_path(self.home.source)).then_some(Tool::Helm))
    }

    /// Tells whether manifests below subdirectories are part of the home source.
    pub(super) fn is_recursive(&self) -> bool {
        self.home.source.is_recursive
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
    known: &'a [KnownRepository],
    request: &ImageRequest,
) -> Result<Ground<'a>, Stop> {
    let sources = application.sources.as_slice();
    let Some(source) = home(application, known, &request.targets) else {
        let message = "the Application has no `spec.source`".to_owned();
        return Err(stop("repository/unknown", message, "add `spec.source` with `repoURL` and `path`".to_owned()));
    };
    let (repository, base) = branch(application, source, known, request)?;
    let home = Home { source, default: entries(source, known).into_iter().find_map(|one| one.default.as_ref()) };
    let made = match &request.destination.template {
        None => None,
        Some(_) if repository.branches.is_empty() => {
            let message = format!(
                "`git-branch` makes branches, and the operator allows none in the repository `{}`",
                repository.name
            );
            let hint = format!(
                "let the operator allow them in repin.yaml: `branches: [\"<glob>\"]` of the repository `{}`",
                repository.name
            );
            return Err(Stop { annotation: Some("/git-branch"), ..stop("target/outside", message, hint) });
        }
        Some(template) => Some(MadeBranch { template: template.clone(), allowed: repository.branches.clone() }),
    };
    let path = source_path(home.source)?;
    let (mut own, mut listed, mut charts, mut others) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for source in sources {
        let is_here = home.is_of(source);
        let directory = source_path(source)?;
        if is_here && owns_its_path(source) && !own.contains(&directory) {
            own.push(directory.clone());
        }
        let files: Vec<RepoPath> =
            source.value_files.iter().filter_map(|file| place(sources, home, source, file).ok()).collect();
        if is_here && owns_its_path(source) && !std::ptr::eq(source, home.source) && directory != path {
            let values = directory.join("values.yaml").into_iter().chain(files.iter().cloned()).collect();
            let (tool, is_recursive) = (source.tool, source.is_recursive);
            others.push(Part { path: directory.clone(), values, tool, is_recursive });
        }
        if !files.is_empty() {
            charts.push((is_here.then(|| directory.join("values.yaml")).flatten(), files.clone()));
            listed.extend(files);
        }
    }
    let mut lists: Vec<&Vec<RepoPath>> = charts.iter().map(|(_, files)| files).collect();
    lists.dedup();
    let default = match charts.as_slice() {
        [] => owns_its_path(home.source).then(|| path.join("values.yaml")).flatten(),
        [(default, _)] => default.clone(),
        _ => None,
    };
    let is_ambiguous = lists.len() > 1;
    Ok(Ground { repository, base, made, path, own, listed, others, default, is_ambiguous, sources, home })
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
        WriteBack::HelmValues | WriteBack::Kustomization(None) | WriteBack::Auto => None,
    });
    of_targets
        .or_else(|| sources.iter().flat_map(|source| &source.value_files).rev().find_map(meant))
        .or_else(|| sources.iter().filter(is_git).find(|source| source.value_files.iter().any(is_local)))
        .or_else(|| sources.iter().filter(is_git).find(is_known))
        .or_else(|| sources.iter().find(is_git))
        .or_else(|| sources.first())
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

/// Finds the configured entries of a source's repository.
fn entries<'a>(source: &ApplicationSource, known: &'a [KnownRepository]) -> Vec<&'a KnownRepository> {
    if source.chart.is_some() { Vec::new() } else { at(&source.repo_url, known) }
}

fn at<'a>(url: &str, known: &'a [KnownRepository]) -> Vec<&'a KnownRepository> {
    let Ok(url) = url.parse::<RemoteUrl>() else { return Vec::new() };
    let spelling = url.normalised();
    known.iter().filter(|one| one.urls.contains(&spelling)).collect()
}

/// Finds the repository and the branch that is read: `git-branch`, else what the source follows. Both must be allowed.
fn branch<'a>(
    application: &Application,
    home: &ApplicationSource,
    known: &'a [KnownRepository],
    request: &ImageRequest,
) -> Result<(&'a KnownRepository, Branch), Stop> {
    let destination = &request.destination;
    let (same, shown) = repositories(application, home, known, destination.repository.as_deref())?;
    let default = || same.iter().find_map(|one| one.default.as_ref()).map(Branch::as_str);
    let follows_source = destination.repository.is_none() && application.key.file.is_some();
    let wanted = match &destination.base {
        Some(BaseBranch::Named(branch)) => Some(branch.as_str()),
        Some(BaseBranch::Default) => default(),
        // Without a revision the Application follows what the remote calls its default branch, as Argo CD does.
        None if follows_source => revision(home).or_else(default),
        None => None,
    };
    let is_commit = wanted
        .is_some_and(|wanted| matches!(wanted.len(), 40 | 64) && wanted.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let own = |one: &&&KnownRepository| wanted.is_none_or(|wanted| one.branch.as_str() == wanted);
    if let Some(found) = same.iter().find(own) {
        return Ok((found, found.branch.clone()));
    }
    let wanted = wanted.unwrap_or("HEAD");
    let allowing = same.iter().find(|one| one.branches.iter().any(|glob| glob.is_match(wanted)));
    if let (Some(found), Ok(branch), false) = (allowing, wanted.parse(), is_commit) {
        return Ok((found, branch));
    }
    let branches: Vec<&str> = same
        .iter()
        .flat_map(|one| std::iter::once(one.branch.as_str()).chain(one.branches.iter().map(|glob| glob.as_str())))
        .collect();
    let allowed = branches.join("`, `");
    let mut stop = if is_commit {
        let message = format!("the commit `{wanted}` of {shown} stays what it is, and only `{allowed}` may be written");
        let hint = "name a branch in `targetRevision`, or the one that holds the values in `git-branch`".to_owned();
        stop("target/outside", message, hint)
    } else if destination.base.is_some() {
        let message = format!("`git-branch` names the base `{wanted}` of {shown}, and only `{allowed}` may be reached");
        let hint = format!(
            "name one of these, or let the operator allow it in repin.yaml: `branches: [\"{wanted}\"]` of that repository"
        );
        stop("target/outside", message, hint)
    } else {
        let message = format!("the Application follows `{wanted}` of {shown}, and only `{allowed}` may be written");
        let hint = format!(
            "set `targetRevision: {}`, or let the operator allow it in repin.yaml: an entry of `repositories:` with `branch: {wanted}`, or `branches: [\"{wanted}\"]` of that repository",
            same.iter().map(|one| one.branch.as_str()).collect::<Vec<_>>().join(" or ")
        );
        stop("target/outside", message, hint)
    };
    stop.annotation = destination.base.as_ref().map(|_| "/git-branch");
    Err(stop)
}

/// Finds the configured entries that are meant, at least one, and how they are shown.
fn repositories<'a>(
    application: &Application,
    home: &ApplicationSource,
    known: &'a [KnownRepository],
    elsewhere: Option<&str>,
) -> Result<(Vec<&'a KnownRepository>, String), Stop> {
    let (same, url) = match (elsewhere, &application.key.file) {
        (Some(url), _) => (at(url, known), url),
        (None, Some(_)) => (entries(home, known), home.repo_url.as_str()),
        // Applications of repin.yaml name the repository itself.
        (None, None) => {
            let name = &application.key.repository;
            let Some(found) = known.iter().find(|one| one.name == *name) else {
                let message = format!("the repository `{name}` is not configured");
                return Err(stop("repository/unknown", message, "name one of `repositories:`".to_owned()));
            };
            return Ok((vec![found], format!("`{name}`")));
        }
    };
    let shown = shown_url(url);
    if !same.is_empty() {
        return Ok((same, shown));
    }
    let message = match (&home.chart, elsewhere) {
        (_, Some(_)) => format!("`git-repository` names {shown}, and no configured repository has this url"),
        (Some(chart), None) => format!("the source is the Helm chart `{chart}` of {shown}, and no Git repository"),
        (None, None) => format!("no configured repository has the url {shown}"),
    };
    let hint = if elsewhere.is_none() && home.chart.is_some() {
        "charts of Helm repositories are not written to; keep the values in a Git source with `ref`, or name a repository in `git-repository`".to_owned()
    } else {
        format!(
            "if it is another name of a configured repository, add to that entry of `repositories:` the line `also: [\"{shown}\"]`; otherwise add an entry for it"
        )
    };
    let annotation = elsewhere.map(|_| "/git-repository");
    Err(Stop { annotation, ..stop("repository/unknown", message, hint) })
}

/// Shows a URL without user information, in quotes only where it is empty.
fn shown_url(url: &str) -> String {
    if url.is_empty() {
        return "\"\"".to_owned();
    }
    let clean: String = url.chars().filter(|c| !c.is_control()).take(300).collect();
    match clean.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            let slash = if rest.contains('/') { "/" } else { "" };
            format!("{scheme}://{host}{slash}{path}")
        }
        None => clean,
    }
}
