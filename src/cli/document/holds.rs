//! The document of the commands that write `.repin/holds.yaml`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::hold::Hold;
use crate::model::problem::Problem;

/// The document of `freeze`, `thaw`, `hold`, `resume` and `override`.
#[derive(Debug, Serialize)]
pub struct HoldsDocument<'a> {
    /// Always [`VERSION`](super::VERSION).
    pub version: u32,
    /// The command.
    pub command: &'a str,
    /// The entry that is put in; null where entries are taken out.
    pub entry: Option<&'a EntryShown>,
    /// What became of each repository.
    pub repositories: &'a [HeldRepository<'a>],
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// An entry of the file of holds, with the keys that it has there.
#[derive(Debug, Serialize)]
pub struct EntryShown {
    /// `freeze`, `hold` or `override`.
    pub kind: &'static str,
    /// The conditions.
    #[serde(flatten)]
    pub scope: BTreeMap<&'static str, String>,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// From when on.
    pub since: Timestamp,
    /// Until when; null = until it is taken out.
    pub until: Option<Timestamp>,
}

impl EntryShown {
    /// Gives an entry as it is shown.
    pub fn of(hold: &Hold) -> Self {
        let given = hold.scope.conditions().into_iter().filter_map(|(key, glob)| Some((key, glob?.to_string())));
        Self {
            kind: hold.kind.as_str(),
            scope: given.collect(),
            reason: hold.reason.clone(),
            by: hold.actor.clone(),
            since: hold.since,
            until: hold.until,
        }
    }
}

/// What became of the file of one repository.
#[derive(Debug, Default, Serialize)]
pub struct HeldRepository<'a> {
    /// Its name.
    pub repository: &'a str,
    /// Its own branch, if it was read.
    pub branch: Option<String>,
    /// `written`, `unchanged`, `planned` or `failed`.
    pub result: &'static str,
    /// The commit that wrote it.
    pub commit: Option<String>,
    /// Code of what failed.
    pub code: Option<&'a str>,
    /// What was done, or why not.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The file before and after, if it changed.
    pub diff: Option<HoldsDiff<'a>>,
}

/// The file before and after.
#[derive(Debug, Serialize)]
pub struct HoldsDiff<'a> {
    /// Before; null = it was not there.
    pub before: Option<&'a str>,
    /// After.
    pub after: &'a str,
}
