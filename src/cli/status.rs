//! `repin status [service]`: per service and environment what stands there, since when, who brought it, what comes next, and
//! what holds it until when.

mod lines;
mod table;

use std::collections::BTreeSet;

use crate::cli::document::{StatusDocument, VERSION};
use crate::cli::history::unknown_environment;
use crate::cli::render::{self, Palette};
use crate::cli::status::table::{Extent, table};
use crate::cli::{FAILED, FINE, Global, USAGE, usage_problem};
use crate::model::problem::Problem;
use crate::model::text::plain;
use crate::plan::status::{Decided, State, Status, Wish, services, status};
use crate::plan::{Snapshot, Subject};
use crate::reconcile::{CycleReport, Mode, place_problems};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// Only this service, with everything that is known of it
    service: Option<String>,
    /// Only places in this environment
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Shows every place, also where nothing is to be done
    #[arg(long)]
    all: bool,
    /// Asks neither registries nor forges: what comes next is not known then
    #[arg(long)]
    offline: bool,
}

/// Exit 1 if something failed; 2 if there is no such service or environment.
pub(super) async fn run(global: &Global, asked: &Asked) -> u8 {
    let mode = if asked.offline { Mode::Past(None) } else { Mode::Status };
    let (report, _) = match global.cycle("status", &mode).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    let snapshot = &report.snapshot;
    if let Some(problem) = unknown(snapshot, asked) {
        // It may be in what could not be read.
        if report.unread_repositories > 0 {
            global.refuse("status", &report.problems);
            return FAILED;
        }
        let mut problems = vec![problem];
        problems.extend(report.problems.iter().cloned());
        global.refuse("status", &problems);
        return USAGE;
    }
    let wish = Wish { service: asked.service.as_deref(), environment: asked.environment.as_deref() };
    let decided = Decided { outcomes: &report.outcomes, judgements: &report.judgements };
    let shown = status(snapshot, &report.past, (!asked.offline).then_some(decided), wish);
    let problems = problems(&report, asked, &shown);
    if global.is_json() {
        render::json(&StatusDocument {
            version: VERSION,
            services: &shown.services,
            freezes: &shown.freezes,
            overrides: &shown.overrides,
            stopped: shown.stopped.as_deref(),
            problems: &problems,
        });
    } else {
        let extent = match (&asked.service, asked.all) {
            (Some(_), _) => Extent::Whole,
            (None, true) => Extent::All,
            (None, false) => Extent::Open,
        };
        render::out(&table(&shown, extent, snapshot.now, Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
    }
    let places = shown.services.iter().flat_map(|service| &service.environments);
    let has_failed = places.into_iter().any(|place| place.state == State::Failed);
    let is_unasked = snapshot.pulls.values().any(Result::is_err);
    if has_failed || is_unasked || report.unread_repositories > 0 { FAILED } else { FINE }
}

/// Says that nothing is called so.
fn unknown(snapshot: &Snapshot, asked: &Asked) -> Option<Problem> {
    if let Some(problem) = asked.environment.as_deref().and_then(|name| unknown_environment(name, snapshot)) {
        return Some(problem);
    }
    let name = asked.service.as_deref()?;
    let known = services(snapshot);
    if known.contains(name) {
        return None;
    }
    let likeness = |known: &str| strsim::jaro_winkler(known, name);
    let nearest = known.iter().max_by(|one, other| likeness(one).total_cmp(&likeness(other)));
    let hint = nearest.map_or_else(
        || "no annotated Application was found: see `repin check`".to_owned(),
        |nearest| {
            format!("did you mean `{nearest}`? There are {} services; `repin status --all` lists them", known.len())
        },
    );
    Some(usage_problem("application/unknown", format!("no service is called `{}`", plain(name)), Some(hint)))
}

/// Leaves out what is wrong in files of services that are not shown.
fn problems(report: &CycleReport, asked: &Asked, shown: &Status) -> Vec<Problem> {
    let mut problems = report.problems.clone();
    if asked.offline {
        problems.extend(place_problems(&report.snapshot, &|_: &Subject| true));
    }
    if asked.service.is_some() || asked.environment.is_some() {
        let places = || shown.services.iter().flat_map(|service| &service.environments);
        let applications: BTreeSet<&str> = places().map(|place| place.application.as_str()).collect();
        let mut files: BTreeSet<&str> = places().filter_map(|place| place.file.as_deref()).collect();
        let subjects = report.snapshot.subjects.iter().map(|subject| &subject.tracked.application);
        let of_shown = subjects.filter(|key| applications.contains(key.label().as_str()));
        files.extend(of_shown.filter_map(|key| key.file.as_ref()).map(|file| file.as_str()));
        problems.retain(|problem| {
            problem.file.as_deref().is_none_or(|file| problem.repository.is_none() || files.contains(file))
        });
    }
    problems
}
