//! Freezes and overrides as people read them.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::hold::{Hold, HoldKind, Scope};
use crate::model::rule::Glob;
use crate::model::text::plain;
use crate::plan::Snapshot;

/// A freeze or an override in force.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct HoldShown {
    /// Name of the configured repository whose file says it.
    #[serde(rename = "in")]
    pub of: String,
    /// Line of the file, from 1.
    pub line: u64,
    /// The repositories that it is about.
    pub repository: Option<String>,
    /// The environments.
    pub environment: Option<String>,
    /// The services.
    pub service: Option<String>,
    /// The Applications.
    pub application: Option<String>,
    /// The aliases.
    pub alias: Option<String>,
    /// Why.
    pub reason: String,
    /// Who did it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, if it ends by itself.
    pub until: Option<Timestamp>,
}

/// Gives the entries of a kind that count now.
pub(super) fn in_force(snapshot: &Snapshot, kind: HoldKind) -> Vec<HoldShown> {
    let of_files = snapshot.holds.iter().filter_map(|(repository, holds)| Some((repository, holds.as_ref().ok()?)));
    of_files
        .flat_map(|(repository, holds)| holds.iter().map(move |hold| (repository, hold)))
        .filter(|(_, hold)| hold.kind == kind && hold.is_in_force(snapshot.now))
        .map(|(repository, hold)| shown(repository, hold))
        .collect()
}

fn shown(repository: &str, hold: &Hold) -> HoldShown {
    let text = |glob: &Option<Glob>| glob.as_ref().map(|glob| plain(glob.as_str()));
    let Scope { repository: about, environment, service, application, alias } = &hold.scope;
    HoldShown {
        of: repository.to_owned(),
        line: hold.line,
        repository: text(about),
        environment: text(environment),
        service: text(service),
        application: text(application),
        alias: text(alias),
        reason: plain(&hold.reason),
        by: plain(&hold.actor),
        since: hold.since,
        until: hold.until,
    }
}

/// Says what an entry is about: `environment production, service web`, or `everything`.
pub fn place_in_words(hold: &HoldShown) -> String {
    let parts = [
        ("environment", &hold.environment),
        ("service", &hold.service),
        ("application", &hold.application),
        ("alias", &hold.alias),
        ("repository", &hold.repository),
    ];
    let named: Vec<String> =
        parts.into_iter().filter_map(|(word, value)| Some(format!("{word} {}", value.as_ref()?))).collect();
    if named.is_empty() { "everything".to_owned() } else { named.join(", ") }
}
