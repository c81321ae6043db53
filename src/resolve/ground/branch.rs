//! The configured repository and the branch that an Application means, as far as the operator allows them.

use crate::annotations::ImageRequest;
use crate::annotations::destination::BaseBranch;
use crate::model::application::{Application, ApplicationSource};
use crate::model::names::Branch;
use crate::model::remote_url::RemoteUrl;
use crate::resolve::KnownRepository;
use crate::resolve::ground::home::revision;
use crate::resolve::ground::{Stop, stop};

/// Finds the configured entries of a source's repository.
pub(super) fn entries<'a>(source: &ApplicationSource, known: &'a [KnownRepository]) -> Vec<&'a KnownRepository> {
    if source.chart.is_some() { Vec::new() } else { at(&source.repo_url, known) }
}

fn at<'a>(url: &str, known: &'a [KnownRepository]) -> Vec<&'a KnownRepository> {
    let Ok(url) = url.parse::<RemoteUrl>() else { return Vec::new() };
    let spelling = url.normalised();
    known.iter().filter(|one| one.urls.contains(&spelling)).collect()
}

/// Finds the repository and the branch that is read: `git-branch`, else what the source follows. Both must be allowed.
pub(super) fn branch<'a>(
    application: &Application,
    home: &ApplicationSource,
    known: &'a [KnownRepository],
    request: &ImageRequest,
) -> Result<(&'a KnownRepository, Branch), Stop> {
    let destination = &request.destination;
    let (same, shown) = repositories(application, home, known, destination.repository.as_deref())?;
    let default = || same.iter().find_map(|one| one.default.as_ref()).map(Branch::as_str);
    let follows_source = destination.repository.is_none() && !home.is_at_home();
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
    let (same, url) = match (elsewhere, home.is_at_home()) {
        (Some(url), _) => (at(url, known), url),
        (None, false) => (entries(home, known), home.repo_url.as_str()),
        // Applications of repin.yaml name the repository itself, and other objects are what stands in it.
        (None, true) => {
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
        "charts of Helm repositories are not written to; keep the values in the Application itself or in a Git source with `ref`, or name a repository in `git-repository`".to_owned()
    } else {
        format!(
            "if it is another name of a configured repository, add to that entry of `repositories:` the line `also: [\"{shown}\"]`; otherwise add an entry for it"
        )
    };
    let annotation = elsewhere.map(|_| "/git-repository");
    Err(Stop { annotation, ..stop("repository/unknown", message, hint) })
}

/// Shows a URL without user information, in quotes only where it is empty.
pub(super) fn shown_url(url: &str) -> String {
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
