//! What must hold between the entries and sections of the file.

use std::collections::HashMap;

use crate::config::reader::Value;
use crate::config::settings::{ApplicationSettings, RegistrySettings, RepositorySettings};
use crate::model::rule::{AtLeast, Match, Rule};

/// Reports doubles, names that do not exist and rules that cannot match. An entry that was not readable is none.
pub(super) fn between_sections(
    repositories: &[(&Value<'_>, Option<RepositorySettings>)],
    registries: &[(&Value<'_>, Option<RegistrySettings>)],
    rules: &[(&Value<'_>, Rule)],
    applications: &[(&Value<'_>, Option<ApplicationSettings>)],
) {
    unique_names(repositories);
    unique_remotes(repositories);
    bound_by_manifests(rules);
    let mut hosts = HashMap::new();
    for (value, registry) in registries.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let what = format!("has the host `{}`", registry.host);
        report_double(value, &what, hosts.insert(&registry.host, value.line));
    }
    let mut keys = HashMap::new();
    for (value, application) in applications.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let what = format!("is the Application `{}/{}` of that repository", application.namespace, application.name);
        let key = (&application.repository, &application.namespace, &application.name);
        report_double(value, &what, keys.insert(key, value.line));
    }
    // A repository that could not be read may be the one that is named.
    let Some(names) =
        repositories.iter().map(|(_, read)| Some(read.as_ref()?.name.as_str())).collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let known = names.join(", ");
    for (value, application) in applications.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        if !names.contains(&application.repository.as_str()) {
            let message = format!("names the repository `{}`, which is not configured", application.repository);
            value.error("config/unknown-repository", message, format!("configured are: {known}"));
        }
    }
    for (value, rule) in rules {
        let Some(glob) = &rule.matches.repository else { continue };
        if !names.iter().any(|name| glob.is_match(name)) {
            let message = format!("matches no repository: `match.repository` is `{glob}`");
            value.warn("config/no-match", message, format!("configured are: {known}"));
        }
    }
}

/// Names, namespaces, projects and labels stand in the manifests that teams write: who may annotate an Application may
/// leave what goes by these alone.
fn bound_by_manifests(rules: &[(&Value<'_>, Rule)]) {
    let is_firm = |matches: &Match| {
        let by_place = matches.repository.is_some() || matches.branch.is_some() || matches.path.is_some();
        by_place || *matches == Match::default()
    };
    let gives = |rule: &Rule, name: &String| {
        let captured = rule.matches.path.as_ref().is_some_and(|path| path.as_str().contains("{environment}"));
        rule.environment.as_ref().map_or(captured, |given| given == name)
    };
    for (value, rule) in rules.iter().filter(|(_, rule)| !is_firm(&rule.matches)) {
        let is_sole_giver =
            |name: &String| !rules.iter().any(|(_, other)| is_firm(&other.matches) && gives(other, name));
        let what = if rule.at_least != AtLeast::default() {
            "demands `at_least`".to_owned()
        } else if let Some(name) = rule.environment.as_ref().filter(|name| is_sole_giver(name)) {
            format!("is the only one that gives the environment `{name}`")
        } else {
            continue;
        };
        let message = format!(
            "{what}, and matches by what stands in the manifests only: who may edit an Application may leave the rule"
        );
        let hint =
            "add `repository`, `branch` or `path` to its `match`, or let a rule that has one of them say the same";
        value.warn("config/loose-match", message, hint);
    }
}

fn unique_names(repositories: &[(&Value<'_>, Option<RepositorySettings>)]) {
    let mut names = HashMap::new();
    for (value, repository) in repositories.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let what = format!("has the name `{}`", repository.name);
        report_double(value, &what, names.insert(&repository.name, value.line));
    }
}

/// One branch has one writer: two entries for one remote need two branches, both named.
fn unique_remotes(repositories: &[(&Value<'_>, Option<RepositorySettings>)]) {
    let mut seen: Vec<(Vec<String>, &RepositorySettings)> = Vec::new();
    for (value, repository) in repositories.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let urls: Vec<String> =
            std::iter::once(&repository.url).chain(&repository.also).map(|url| url.normalised()).collect();
        let double = seen.iter().find_map(|(other_urls, other)| {
            let url = urls.iter().find(|url| other_urls.contains(url))?;
            let apart = repository.branch.is_some() && other.branch.is_some() && repository.branch != other.branch;
            (!apart).then_some((url, other))
        });
        if let Some((url, other)) = double {
            let message =
                format!("is `{url}`, the same repository and branch as `{}` in line {}", other.name, other.line);
            value.error("config/duplicate", message, "keep one of them, or give each its own `branch`");
        }
        seen.push((urls, repository));
    }
}

/// Reports that an entry has what an earlier one has, if there is one.
pub(super) fn report_double(value: &Value<'_>, what: &str, first: Option<u64>) {
    if let Some(line) = first {
        value.error("config/duplicate", format!("{what}, as the entry in line {line} has"), "keep one of them");
    }
}
