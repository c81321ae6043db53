//! A repin.yaml to start with: the repositories and registries that were met, and rules guessed from where images stand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::cli::migrate::annotations::Ground;
use crate::cli::migrate::checkout::Checkout;
use crate::cli::migrate::findings::FoundPlace;
use crate::cli::migrate::registries::texts;
use crate::manifest::image_updater::Peer;
use crate::model::interval;
use crate::model::names::RepoPath;
use crate::model::remote_url::{RemoteUrl, Transport};
use crate::registry::PUBLIC_REGISTRIES;
use crate::yaml::{self, Node};

/// Words that name environments.
const ENVIRONMENTS: [&str; 17] = [
    "dev",
    "development",
    "int",
    "integration",
    "live",
    "pre",
    "preprod",
    "prd",
    "prod",
    "production",
    "qa",
    "sandbox",
    "stage",
    "staging",
    "stg",
    "test",
    "uat",
];

/// Writes the configuration.
pub(super) fn configuration(checkouts: &[Checkout], grounds: &[(Ground, BTreeMap<RepoPath, Peer>)]) -> String {
    let mut text = String::from(
        "# What repin reads of the configuration of argocd-image-updater, to start with. `repin check` and `repin plan`\n\
         # write nothing; with `observe: false` repin writes.\n\
         observe: true\n",
    );
    settings(&mut text, grounds);
    repositories(&mut text, grounds);
    registries(&mut text, checkouts, grounds);
    rules(&mut text, grounds);
    text
}

/// What the ConfigMap says.
fn settings(text: &mut String, grounds: &[(Ground, BTreeMap<RepoPath, Peer>)]) {
    let all = || grounds.iter().flat_map(|(_, peers)| peers.values()).flat_map(|peer| &peer.settings);
    let find = |key: &str| all().find(|setting| setting.key == key).map(|setting| setting.value.trim());
    if let Some(interval) = find("interval").filter(|value| interval::parse(value).is_ok()) {
        let _ = writeln!(text, "schedule: {interval}");
    }
    let author = find("git.user").zip(find("git.email"));
    let is_signed_off = find("git.commit-sign-off") == Some("true");
    let is_by_argocd = |place: &FoundPlace| place.code.as_deref() == Some("unsupported/write-back-method");
    if grounds.iter().flat_map(|(ground, _)| &ground.places).any(is_by_argocd) {
        text.push_str(
            "# Takes `write-back-method: argocd`, which is also meant where nothing is said, for `git`:\n\
             # legacy_argocd_method: as-git\n",
        );
    }
    if author.is_some() || is_signed_off {
        text.push_str("commit:\n");
    }
    if let Some((name, email)) = author {
        let _ = writeln!(text, "  author: {{name: {}, email: {}}}", quoted(name), quoted(email));
    }
    if is_signed_off {
        text.push_str("  sign_off: true\n");
    }
}

fn repositories(text: &mut String, grounds: &[(Ground, BTreeMap<RepoPath, Peer>)]) {
    text.push_str("repositories:\n");
    let mut seen = BTreeSet::new();
    for (known, written) in grounds.iter().flat_map(|(ground, _)| &ground.repositories) {
        if !seen.insert(known.urls.first().cloned().unwrap_or_default()) {
            continue;
        }
        let _ = writeln!(text, "  - name: {}", quoted(&known.name));
        match written.parse::<RemoteUrl>() {
            Ok(url) => {
                let _ = writeln!(text, "    url: {}", quoted(url.as_str()));
                let _ = writeln!(text, "    branch: {}", quoted(known.branch.as_str()));
                let credentials = match url.transport() {
                    Transport::Http | Transport::Https => "credentials: {token: {env: REPIN_GIT_TOKEN}}",
                    Transport::Ssh => "credentials: {ssh_key: {file: <path of a private key>}}",
                    Transport::Local => continue,
                };
                let _ = writeln!(text, "    # {credentials}");
            }
            Err(_) => {
                text.push_str("    # No Application says where this repository is.\n");
                text.push_str("    url: https://git.example.com/acme/gitops.git\n");
            }
        }
    }
}

fn registries(text: &mut String, checkouts: &[Checkout], grounds: &[(Ground, BTreeMap<RepoPath, Peer>)]) {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (checkout, (_, peers)) in checkouts.iter().zip(grounds) {
        for conf in texts(checkout, peers) {
            for document in yaml::parse(conf.text).unwrap_or_default() {
                for entry in document.root().get("registries").map(Node::items).unwrap_or_default() {
                    if let Some((host, own)) = registry(entry) {
                        lines.entry(host).or_insert(own);
                    }
                }
            }
        }
    }
    let images = grounds.iter().flat_map(|(ground, _)| &ground.images).filter_map(|image| image.image.as_ref());
    for image in images {
        let host = image.registry();
        if !PUBLIC_REGISTRIES.iter().any(|public| public.host == host) {
            lines.entry(host.to_owned()).or_default();
        }
    }
    let mut secrets: BTreeSet<String> = BTreeSet::new();
    for (application, _) in grounds.iter().flat_map(|(ground, _)| &ground.applications) {
        let own = application.annotations.iter().filter(|one| one.key.ends_with("pull-secret"));
        secrets.extend(own.filter_map(|one| one.value.as_deref()).map(|value| value.trim().to_owned()));
    }
    if !lines.is_empty() {
        text.push_str("registries:\n");
    }
    for (host, own) in &lines {
        let _ = writeln!(text, "  - host: {}", quoted(host));
        own.iter().for_each(|line| {
            let _ = writeln!(text, "    {line}");
        });
    }
    if !secrets.is_empty() {
        text.push_str(
            "# Annotations name these; give each its registries and where its credentials are:\n# pull_secrets:\n",
        );
        for name in secrets {
            let _ = writeln!(
                text,
                "#   - {{name: {}, registries: [<host>], credentials: {{docker_config: <path>}}, match: {{}}}}",
                quoted(&name)
            );
        }
    }
}

/// What an entry of registries.conf says, for the host of its prefix.
fn registry(entry: Node<'_>) -> Option<(String, Vec<String>)> {
    let word = |key: &str| entry.get(key).and_then(Node::as_str).map(str::trim).filter(|value| !value.is_empty());
    let host = word("prefix")?.to_ascii_lowercase();
    let mut lines = Vec::new();
    if word("api_url").is_some_and(|url| url.starts_with("http://")) {
        lines.push("insecure: true".to_owned());
    }
    let is_public = PUBLIC_REGISTRIES.iter().any(|public| public.host == host);
    let usual = [format!("https://{host}"), format!("http://{host}")];
    if let Some(url) =
        word("api_url").filter(|url| !is_public && !usual.contains(&url.trim_end_matches('/').to_owned()))
    {
        lines.push(format!("api_url: {}", quoted(url)));
    }
    if let Some(limit) = word("limit").and_then(|limit| limit.parse::<u16>().ok()).filter(|limit| *limit > 0) {
        lines.push(format!("requests_per_second: {}", limit.min(1000)));
    }
    if let Some(credentials) = word("credentials") {
        // What it names is of the cluster, and nothing is read from there.
        let shown: String = credentials.chars().filter(|c| !c.is_control()).collect();
        lines.push(format!("# was {shown}"));
        lines.push("# credentials: {docker_config: <path>}".to_owned());
    }
    Some((host, lines))
}

/// Rules by where images stand. What is delivered today as a commit is one here too.
fn rules(text: &mut String, grounds: &[(Ground, BTreeMap<RepoPath, Peer>)]) {
    text.push_str("rules:\n  - match: {}\n    delivery: commit\n");
    let mut patterns: BTreeSet<String> = BTreeSet::new();
    for (ground, _) in grounds {
        for place in &ground.places {
            let name = place.application.rsplit('/').next().unwrap_or_default();
            patterns.extend(place.file.as_deref().and_then(|file| pattern(file, name)));
        }
    }
    if patterns.is_empty() {
        return;
    }
    text.push_str("  # Guessed from the paths: `{environment}` and `{service}` are what stands there.\n");
    for pattern in patterns {
        let _ = writeln!(text, "  - match: {{path: {}}}", quoted(&pattern));
    }
}

/// Finds the environment, and the service, in the path of a file.
fn pattern(file: &str, application: &str) -> Option<String> {
    let parts: Vec<&str> = file.split('/').collect();
    let (name, directories) = parts.split_last()?;
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let at = directories.iter().position(|part| is_environment(part));
    let in_name = ["values-", "values.", "values_", ""].into_iter().find_map(|start| {
        let rest = stem.strip_prefix(start)?;
        is_environment(rest).then(|| (rest, format!("{start}{{environment}}.{ending}")))
    });
    let environment = match (at, &in_name) {
        (Some(at), _) => *directories.get(at)?,
        (None, Some((environment, _))) => environment,
        (None, None) => return None,
    };
    let service = application
        .strip_suffix(environment)
        .and_then(|rest| rest.strip_suffix('-'))
        .or(application.strip_prefix(environment).and_then(|rest| rest.strip_prefix('-')))
        .unwrap_or(application);
    let mut last = at;
    let mut shown: Vec<String> = Vec::new();
    for (index, part) in directories.iter().enumerate() {
        if Some(index) == at {
            shown.push("{environment}".to_owned());
        } else if *part == service && !shown.iter().any(|one| one == "{service}") {
            shown.push("{service}".to_owned());
            last = last.max(Some(index));
        } else {
            shown.push(escaped(part));
        }
    }
    match (at, in_name) {
        (None, Some((_, name))) => shown.push(name),
        _ => {
            shown.truncate(last? + 1);
            shown.push("**".to_owned());
        }
    }
    Some(shown.join("/"))
}

/// Tells whether a part of a path names an environment: by such a word, or by one with something before or after it.
fn is_environment(part: &str) -> bool {
    part.split(['-', '_']).any(|word| ENVIRONMENTS.contains(&word))
}

/// Takes their meaning from characters that globs know.
fn escaped(part: &str) -> String {
    part.chars().flat_map(|c| if "*?[]{}\\".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", yaml::scalar::in_double_quotes(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environment_and_service_are_found_in_paths() {
        for (file, application, expected) in [
            ("services/web/values-prod.yaml", "web-prod", Some("services/{service}/values-{environment}.yaml")),
            ("services/web/values.staging.yaml", "web", Some("services/{service}/values.{environment}.yaml")),
            ("clusters/prod-eu/apps/web/deployment.yaml", "web", Some("clusters/{environment}/apps/{service}/**")),
            ("apps/web/overlays/dev/kustomization.yaml", "web-dev", Some("apps/{service}/overlays/{environment}/**")),
            ("envs/production/values.yaml", "shop", Some("envs/{environment}/**")),
            ("envs/dev.yaml", "shop", Some("envs/{environment}.yaml")),
            ("apps/web/values.yaml", "web", None),
            ("apps/product/values.yaml", "product", None),
        ] {
            assert_eq!(pattern(file, application).as_deref(), expected, "{file}");
        }
    }
}
