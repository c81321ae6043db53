//! `repin migrate [directory]`: what repin makes of a repository that is configured for argocd-image-updater, key by key, and
//! a repin.yaml to start with. Reads files alone, and writes none but the configuration that is asked for.

mod annotations;
mod checkout;
mod configuration;
pub mod findings;
mod registries;
mod text;
mod updaters;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use crate::cli::document::{MigrateDocument, VERSION};
use crate::cli::migrate::annotations::{Ground, ground};
use crate::cli::migrate::checkout::Checkout;
use crate::cli::migrate::configuration::configuration;
use crate::cli::migrate::findings::{FoundPlace, MigratedKey, Verdict};
use crate::cli::render::{self, Palette};
use crate::cli::{FAILED, FINE, Global, USAGE, usage_problem};
use crate::manifest::image_updater::{Peer, read};
use crate::model::names::RepoPath;
use crate::model::problem::{Problem, Severity};
use crate::reconcile::Mode;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// A checkout; without one, the repositories of the configuration are read
    directory: Option<PathBuf>,
    /// Only this repository of the configuration
    #[arg(long, value_name = "NAME", conflicts_with = "directory")]
    repository: Option<String>,
    /// Writes the repin.yaml to start with into this file, which must not be there yet [default: it is printed]
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,
}

/// Everything that is reported.
#[derive(Debug, Default)]
struct Report {
    findings: Vec<MigratedKey>,
    places: Vec<FoundPlace>,
    problems: Vec<Problem>,
    configuration: String,
}

/// Exit 0 if everything is carried over, 1 if something is not, 2 if there is no such directory or repository.
pub(super) async fn run(global: &Global, asked: &Asked) -> u8 {
    let checkouts = match checkouts(global, asked).await {
        Ok(checkouts) => checkouts,
        Err(code) => return code,
    };
    let mut report = examine(&checkouts);
    if let Some(path) = &asked.write_config
        && let Err(error) = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| file.write_all(report.configuration.as_bytes()))
    {
        let message = format!("{} cannot be written: {error}", path.display());
        let hint = Some("name a file that is not there yet".to_owned());
        report.problems.push(usage_problem("usage/unwritable", message, hint));
    }
    let count = |verdict: Verdict| report.findings.iter().filter(|one| one.verdict == verdict).count();
    let lacking = report.findings.iter().filter(|one| !one.verdict.is_carried()).count();
    let errors = report.problems.iter().any(|problem| problem.severity == Severity::Error);
    if global.is_json() {
        render::json(&MigrateDocument {
            version: VERSION,
            findings: &report.findings,
            places: &report.places,
            configuration: &report.configuration,
            problems: &report.problems,
        });
    } else {
        let mut text = text::report(&report.findings, &report.places, Palette::of_stdout());
        if asked.write_config.is_none() {
            text.push_str("\n# repin.yaml\n");
            text.push_str(&report.configuration);
        }
        render::out(&text);
        render::talk(&render::problems(&report.problems, Palette::plain()));
        let counts: Vec<String> = Verdict::ALL.iter().map(|one| format!("{} {}", count(*one), one.as_str())).collect();
        render::talk(&format!("{}\n", counts.join(", ")));
    }
    let has_no_place = report.places.iter().any(|place| place.code.is_some());
    if lacking == 0 && !errors && !has_no_place { FINE } else { FAILED }
}

/// Reads what is asked for.
async fn checkouts(global: &Global, asked: &Asked) -> Result<Vec<Checkout>, u8> {
    if let Some(directory) = &asked.directory {
        return match Checkout::of_directory(directory) {
            Ok(checkout) => Ok(vec![checkout]),
            Err(reason) => {
                let message = format!("`{}` {reason}", directory.display());
                let hint = Some("name the directory of a checkout".to_owned());
                global.refuse("migrate", &[usage_problem("usage/invalid", message, hint)]);
                Err(USAGE)
            }
        };
    }
    let (report, settings, reconciler) = global.looked("migrate", &Mode::Check).await?;
    let is_asked = |name: &str| asked.repository.as_deref().is_none_or(|wanted| wanted == name);
    let names: Vec<&str> = settings.repositories.iter().map(|one| one.name.as_str()).collect();
    if let Some(wanted) = asked.repository.as_deref().filter(|wanted| !names.contains(wanted)) {
        let message = format!("no repository is called `{}`", render::clean(wanted));
        let hint = Some(format!("there are: {}", names.join(", ")));
        global.refuse("migrate", &[usage_problem("repository/unknown", message, hint)]);
        return Err(USAGE);
    }
    let mut found = Vec::new();
    for one in settings.repositories.iter().filter(|one| is_asked(&one.name)) {
        match reconciler.texts(&one.name) {
            Some(head) => found.push(Checkout::of_head(&one.name, one.url.as_str(), head.0, head.1)),
            None => {
                global.refuse("migrate", &report.problems);
                return Err(FAILED);
            }
        }
    }
    Ok(found)
}

/// Looks at every file.
fn examine(checkouts: &[Checkout]) -> Report {
    let mut report = Report::default();
    let mut grounds: Vec<(Ground, BTreeMap<RepoPath, Peer>)> = Vec::new();
    for checkout in checkouts {
        let mut peers: BTreeMap<RepoPath, Peer> = BTreeMap::new();
        for (path, text) in checkout.texts() {
            let peer = read(text);
            if !(peer.updaters.is_empty() && peer.settings.is_empty() && peer.applications.is_empty()) {
                peers.insert(path.clone(), peer);
            }
        }
        let ground = ground(checkout);
        report.findings.extend(annotations::findings(&ground));
        report.findings.extend(annotations::overrides(checkout, &ground));
        report.findings.extend(updaters::findings(&peers, &ground));
        report.findings.extend(registries::findings(checkout, &peers));
        report.places.extend(ground.places.iter().cloned());
        report.problems.extend(ground.problems.iter().cloned());
        grounds.push((ground, peers));
    }
    report.configuration = configuration(checkouts, &grounds);
    report
}
