//! `registries.conf` and the ConfigMap of argocd-image-updater.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::cli::migrate::checkout::Checkout;
use crate::cli::migrate::findings::{MigratedKey, Verdict};
use crate::config::{self, Surroundings};
use crate::manifest::image_updater::{Peer, REGISTRIES, Setting};
use crate::model::interval;
use crate::model::names::RepoPath;
use crate::model::problem::{Problem, Severity};
use crate::secret::Secret;
use crate::yaml::{self, Node};

/// A text of registries, and where it stands.
pub(super) struct Text<'t> {
    pub(super) file: &'t RepoPath,
    /// How many lines of the file stand before it.
    pub(super) before: u64,
    pub(super) text: &'t str,
}

/// Finds every text of registries.
pub(super) fn texts<'t>(checkout: &'t Checkout, peers: &'t BTreeMap<RepoPath, Peer>) -> Vec<Text<'t>> {
    let files = checkout.texts().filter(|(path, _)| path.parts().last() == Some(REGISTRIES));
    let mut all: Vec<Text<'_>> = files.map(|(file, text)| Text { file, before: 0, text }).collect();
    for (file, peer) in peers {
        let settings = peer.settings.iter().filter(|setting| setting.key == REGISTRIES);
        all.extend(settings.map(|setting| Text { file, before: setting.line, text: &setting.value }));
    }
    all
}

/// Tells of every entry of the ConfigMap, and of every key of every registry.
pub(super) fn findings(checkout: &Checkout, peers: &BTreeMap<RepoPath, Peer>) -> Vec<MigratedKey> {
    let mut found = Vec::new();
    for (file, peer) in peers {
        found.extend(peer.settings.iter().filter(|one| one.key != REGISTRIES).map(|setting| of_setting(file, setting)));
    }
    for text in texts(checkout, peers) {
        of_registries(&text, &mut found);
    }
    found
}

fn of_setting(file: &RepoPath, setting: &Setting) -> MigratedKey {
    let below = |what: &str| (Verdict::Carried, format!("{what} in the repin.yaml below"), None);
    let value = setting.value.trim();
    let (verdict, reading, instead) = match setting.key.as_str() {
        "git.user" => below("`commit.author.name`"),
        "git.email" => below("`commit.author.email`"),
        "git.commit-sign-off" => below("`commit.sign_off`"),
        "interval" if interval::parse(value).is_ok() => below("`schedule`"),
        "git.commit-message-template" => (
            Verdict::Rewrite,
            "a message here has fields of its own".to_owned(),
            Some("write it anew as `commit.message` of repin.yaml; without one it says what changed".to_owned()),
        ),
        "git.commit-signing-key" | "git.commit-signing-method" => (
            Verdict::Rewrite,
            "keys are given by reference".to_owned(),
            Some("`commit: {signing: {ssh_key: {file: <path>}}}` of repin.yaml, or `openpgp_key`".to_owned()),
        ),
        "log.level" => (
            Verdict::Rewrite,
            "logs have a section of their own".to_owned(),
            Some(format!("`log: {{level: {}}}` of repin.yaml", value.to_ascii_lowercase())),
        ),
        key if key.starts_with("argocd.") || ["applications_api", "kube.events", "events"].contains(&key) => (
            Verdict::Differs,
            "without effect: neither Argo CD nor a cluster is asked for anything".to_owned(),
            Some("leave it out".to_owned()),
        ),
        _ => (Verdict::Unsupported, "nothing here says the same".to_owned(), None),
    };
    MigratedKey {
        source: "config-map",
        applications: BTreeSet::new(),
        file: file.to_string(),
        line: Some(setting.line),
        key: setting.key.clone(),
        value: Some(value.to_owned()),
        verdict,
        reading,
        instead,
    }
}

/// Reads the registries as `registries_conf` does, and tells of each key what that says of it.
fn of_registries(text: &Text<'_>, found: &mut Vec<MigratedKey>) {
    let problems = problems(text.text);
    let documents = yaml::parse(text.text).unwrap_or_default();
    let entries =
        documents.iter().flat_map(|document| document.root().get("registries").map(Node::items).unwrap_or_default());
    let mut told = BTreeSet::new();
    for entry in entries {
        let host = entry.get("prefix").and_then(Node::as_str).unwrap_or("(without a prefix)");
        for (key, value) in entry.entries() {
            let word = key.as_str().unwrap_or_default();
            let mut mine: Vec<&Problem> = problems.iter().filter(|one| one.line == Some(key.line())).collect();
            mine.sort_by_key(|problem| problem.severity != Severity::Error);
            told.insert(key.line());
            let (verdict, reading, instead) = match mine.first() {
                None => (Verdict::Carried, "as it is, by `registries_conf`, or by `registries` below".to_owned(), None),
                Some(problem) => {
                    let is_error = problem.severity == Severity::Error;
                    let verdict = if is_error { Verdict::Rewrite } else { Verdict::Differs };
                    (verdict, problem.message.clone(), problem.hint.clone())
                }
            };
            // A secret never stands here, but only where one is.
            let value = value.as_str().map(str::to_owned);
            found.push(of_key(text, key.line(), format!("{host}: {word}"), value, (verdict, reading, instead)));
        }
    }
    for problem in problems.iter().filter(|one| one.line.is_none_or(|line| !told.contains(&line))) {
        let said = (Verdict::Unsupported, problem.message.clone(), problem.hint.clone());
        found.push(of_key(text, problem.line.unwrap_or(1), REGISTRIES.to_owned(), None, said));
    }
}

fn of_key(
    text: &Text<'_>,
    line: u64,
    key: String,
    value: Option<String>,
    (verdict, reading, instead): (Verdict, String, Option<String>),
) -> MigratedKey {
    MigratedKey {
        source: "registries",
        applications: BTreeSet::new(),
        file: text.file.to_string(),
        line: Some(text.before + line),
        key,
        value,
        verdict,
        reading,
        instead,
    }
}

/// Gives what `registries_conf` of repin.yaml reports of such a file; whatever it refers to is there.
fn problems(text: &str) -> Vec<Problem> {
    let configuration =
        format!("repositories: [{{name: x, url: https://git.example/x.git}}]\nregistries_conf: {REGISTRIES}\n");
    let bytes = text.as_bytes().to_vec();
    let around = Surroundings {
        file: Path::new("repin.yaml"),
        secrets: &|_| Ok(Secret::new("user:password")),
        files: &|path| {
            if path.ends_with(REGISTRIES) { Ok(bytes.clone()) } else { Err("was not looked at".to_owned()) }
        },
        default_cache: Some(PathBuf::from("cache")),
    };
    let problems = match config::parse(&configuration, &around) {
        Ok((_, warnings)) => warnings,
        Err(problems) => problems,
    };
    problems
        .into_iter()
        .filter(|problem| problem.file.as_deref().is_some_and(|file| file.ends_with(REGISTRIES)))
        .collect()
}
