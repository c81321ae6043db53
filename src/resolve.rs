//! Applications and their annotations -> tracked images: which configured repository, branch and files each one means.
//!
//! Pure. Reads no file: that the key stands in one of the candidate files is found out by `plan::locate`.

mod targets;

use crate::annotations;
use crate::model::application::{Application, ApplicationSource};
use crate::model::names::{Branch, RepoPath};
use crate::model::problem::{Problem, Severity};
use crate::model::remote_url::RemoteUrl;
use crate::model::tracked::{Refusal, TrackedImage};
use crate::resolve::targets::{image, targeted};

/// A configured repository, as far as an Application can mean it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownRepository {
    /// Its configured name.
    pub name: String,
    /// The branch that is read and written.
    pub branch: Branch,
    /// The remote's default branch, which an Application without `targetRevision` follows; none if it is not known.
    pub default: Option<Branch>,
    /// Its `url` and `also`, normalised.
    pub urls: Vec<String>,
}

/// Resolves one Application against the configured repositories.
pub fn resolve(application: &Application, known: &[KnownRepository]) -> (Vec<TrackedImage>, Vec<Problem>) {
    let (requests, mut problems) = annotations::read(application);
    let ground = ground(application, known);
    if let Ok(ground) = &ground {
        problems.extend(unused_value_files(application, &ground.path));
    }
    let mut tracked = Vec::new();
    let mut reported = false;
    for request in requests {
        match &ground {
            Ok(ground) if request.targets.is_empty() || request.key.is_none() => {
                tracked.push(image(application, &request, Some(ground), None))
            }
            Ok(ground) => {
                for target in &request.targets {
                    tracked.push(targeted(application, &request, ground, target, &mut problems));
                }
            }
            Err(stop) => {
                // One problem for the Application, and one outcome for each image.
                if !std::mem::replace(&mut reported, true) {
                    problems.push(problem(application, source_line(application), &stop.refusal, stop.hint.clone()));
                }
                let mut image = image(application, &request, None, None);
                image.refusal.get_or_insert(stop.refusal.clone());
                tracked.push(image);
            }
        }
    }
    (tracked, problems)
}

/// The repository and directory that an Application's source means.
struct Ground<'a> {
    repository: &'a KnownRepository,
    path: RepoPath,
    listed: Vec<RepoPath>,
}

struct Stop {
    refusal: Refusal,
    hint: String,
}

fn stop(code: &str, message: String, hint: String) -> Stop {
    Stop { refusal: Refusal { code: code.to_owned(), message }, hint }
}

fn ground<'a>(application: &Application, known: &'a [KnownRepository]) -> Result<Ground<'a>, Stop> {
    let source = match application.sources.as_slice() {
        [one] => one,
        [] => {
            let message = "the Application has no `spec.source`".to_owned();
            return Err(stop("repository/unknown", message, "add `spec.source` with `repoURL` and `path`".to_owned()));
        }
        more => {
            let message = format!(
                "Applications with several sources are not carried out by this version; this one has {}",
                more.len()
            );
            return Err(stop(
                "unsupported/sources",
                message,
                "use one source, or wait for a version that reads several".to_owned(),
            ));
        }
    };
    let repository = match &application.key.file {
        Some(_) => repository(source, known)?,
        // Applications of repin.yaml name the repository itself.
        None => known.iter().find(|one| one.name == application.key.repository).ok_or_else(|| {
            let message = format!("the repository `{}` is not configured", application.key.repository);
            stop("repository/unknown", message, "name one of `repositories:`".to_owned())
        })?,
    };
    let root = RepoPath::default();
    let Some(path) = root.join(source.path.trim_start_matches('/')) else {
        let message = format!("the source path `{}` leaves the repository", source.path);
        return Err(stop("target/outside", message, "write a path below the repository's root".to_owned()));
    };
    // `$ref/…` and URLs are not files of this source.
    let local = |file: &&String| !file.starts_with('$') && !file.contains("://");
    let listed = source.value_files.iter().filter(local).filter_map(|file| path.join(file)).collect();
    Ok(Ground { repository, path, listed })
}

/// Value files that are none of the repository's: they are passed over, and that is said.
fn unused_value_files(application: &Application, path: &RepoPath) -> Vec<Problem> {
    let listed = application.sources.iter().flat_map(|source| &source.value_files);
    let reason = |file: &String| {
        if file.starts_with('$') {
            Some("it belongs to another source")
        } else if file.contains("://") {
            Some("it is no file of the repository")
        } else {
            path.join(file).is_none().then_some("it leaves the repository")
        }
    };
    listed
        .filter_map(|file| Some((file, reason(file)?)))
        .map(|(file, reason)| {
            let message = format!("the value file `{file}` is passed over: {reason}");
            let refusal = Refusal { code: "target/outside".to_owned(), message };
            let hint = "name the file that holds the tag in `write-back-target: helmvalues:<file>`".to_owned();
            Problem { severity: Severity::Warning, ..problem(application, source_line(application), &refusal, hint) }
        })
        .collect()
}

fn repository<'a>(source: &ApplicationSource, known: &'a [KnownRepository]) -> Result<&'a KnownRepository, Stop> {
    let shown = shown_url(&source.repo_url);
    let same: Vec<&KnownRepository> = match source.repo_url.parse::<RemoteUrl>() {
        Ok(url) if source.chart.is_none() => {
            let spelling = url.normalised();
            known.iter().filter(|one| one.urls.contains(&spelling)).collect()
        }
        _ => Vec::new(),
    };
    if same.is_empty() {
        let message = match &source.chart {
            Some(chart) => format!("the source is the Helm chart `{chart}` of {shown}, and no Git repository"),
            None => format!("no configured repository has the url {shown}"),
        };
        let hint = if source.chart.is_some() {
            "charts of Helm repositories are not written to; keep the values in a Git source, or wait for a version that reads several sources".to_owned()
        } else {
            format!(
                "if it is another name of a configured repository, add to that entry of `repositories:` the line `also: [\"{shown}\"]`; otherwise add an entry for it"
            )
        };
        return Err(stop("repository/unknown", message, hint));
    }
    let revision =
        source.target_revision.as_deref().map(|revision| revision.strip_prefix("refs/heads/").unwrap_or(revision));
    // Without a revision the Application follows what the remote calls its default branch, as Argo CD does.
    let default = same.iter().find_map(|one| one.default.as_ref()).map(Branch::as_str);
    let followed = revision.filter(|revision| *revision != "HEAD").or(default);
    let found = same.iter().find(|one| followed.is_none_or(|followed| one.branch.as_str() == followed));
    found.copied().ok_or_else(|| {
        let followed = followed.unwrap_or("HEAD");
        let branches: Vec<&str> = same.iter().map(|one| one.branch.as_str()).collect();
        let message = format!(
            "the Application follows `{followed}` of {shown}, and only `{}` may be written",
            branches.join("`, `")
        );
        let hint = format!(
            "set `targetRevision: {}`, or configure an entry of `repositories:` with `branch: {followed}`",
            branches.join(" or ")
        );
        stop("target/outside", message, hint)
    })
}

/// Gives the line of the first annotation whose key ends so.
fn annotation_line(application: &Application, end: &str) -> u64 {
    let found = application.annotations.iter().find(|annotation| annotation.key.ends_with(end));
    found.map_or(application.line, |annotation| annotation.line)
}

/// Gives the line of the source's `repoURL`.
fn source_line(application: &Application) -> u64 {
    application.sources.first().map_or(application.line, |source| source.line)
}

fn problem(application: &Application, line: u64, refusal: &Refusal, hint: String) -> Problem {
    let key = &application.key;
    Problem {
        severity: Severity::Error,
        code: refusal.code.clone(),
        repository: key.file.as_ref().map(|_| key.repository.clone()),
        file: key.file.as_ref().map(ToString::to_string),
        line: Some(line),
        message: format!("{}: {}", key.label(), refusal.message),
        hint: Some(hint),
    }
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
