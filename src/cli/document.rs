//! The JSON documents on stdout: a contract, documented in the README, `"version": 1`.

mod holds;

use jiff::Timestamp;
use serde::Serialize;

pub use crate::cli::document::holds::{EntryShown, HeldRepository, HoldsDiff, HoldsDocument};
use crate::cli::migrate::findings::{FoundPlace, MigratedKey};
use crate::model::outcome::Outcome;
use crate::model::problem::Problem;
use crate::plan::explain::{ExplainedImage, ExplainedTag, Gate};
use crate::plan::past::entry::Entry;
use crate::plan::settings::SettingShown;
use crate::plan::status::{HoldShown, ServiceStatus};
use crate::plan::trace::shown::{ServiceTrace, Target};
use crate::plan::trial::cases::{Expectation, Finding};
use crate::plan::waiting::{OpenPull, WaitingPlace};

/// Version of the documents; grows only when a reader of the old ones would be misled.
pub const VERSION: u32 = 1;

/// The document of `once` and `plan`.
#[derive(Debug, Serialize)]
pub struct CycleDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// One for each (application, alias, place).
    pub outcomes: &'a [Outcome],
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `check`, and of any command before it is known which.
#[derive(Debug, Serialize)]
pub struct CheckDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `check` for one Application.
#[derive(Debug, Serialize)]
pub struct SettingsDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
    /// What counts at each of its places, and who says so.
    pub settings: &'a [SettingShown],
}

/// The document of `explain`.
#[derive(Debug, Serialize)]
pub struct ExplainDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// `namespace/name`; null if none or several are meant.
    pub application: Option<String>,
    /// Its images.
    pub images: &'a [ExplainedImage],
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `history`.
#[derive(Debug, Serialize)]
pub struct HistoryDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// One for each value that stood at a place, newest first.
    pub entries: &'a [Entry],
    /// How many more there are than were asked for.
    pub left_out: usize,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `trace`.
#[derive(Debug, Serialize)]
pub struct TraceDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// What was asked for.
    pub query: QueryShown<'a>,
    /// One for each service and alias.
    pub services: &'a [ServiceTrace],
    /// What is wrong, and what was not asked, with hints.
    pub problems: &'a [Problem],
}

/// What `trace` was asked for.
#[derive(Debug, Serialize)]
pub struct QueryShown<'a> {
    /// `application`, `image`, `commit` or `pull-request`.
    pub kind: Option<&'static str>,
    /// As it was written.
    pub text: Option<&'a str>,
    /// What is known of it.
    #[serde(flatten)]
    pub target: &'a Target,
}

/// The document of `status`.
#[derive(Debug, Default, Serialize)]
pub struct StatusDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// One for each service.
    pub services: &'a [ServiceStatus],
    /// The freezes in force.
    pub freezes: &'a [HoldShown],
    /// The overrides in force.
    pub overrides: &'a [HoldShown],
    /// Why the operator stopped everything; null if nobody did.
    pub stopped: Option<&'a str>,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `migrate`.
#[derive(Debug, Default, Serialize)]
pub struct MigrateDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// One for each key.
    pub findings: &'a [MigratedKey],
    /// One for each image of an Application.
    pub places: &'a [FoundPlace],
    /// A repin.yaml to start with.
    pub configuration: &'a str,
    /// What is wrong besides, with hints.
    pub problems: &'a [Problem],
}

/// The document of `pulls`.
#[derive(Debug, Serialize)]
pub struct PullsDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// The open ones, oldest first.
    pub pulls: &'a [OpenPull],
    /// The places whose change is brought by none of them.
    pub waiting: &'a [WaitingPlace],
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `tags`.
#[derive(Debug, Default, Serialize)]
pub struct TagsDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// The image without tag; null if the command line names none.
    pub image: Option<&'a str>,
    /// The policy in words.
    pub policy: Option<&'a str>,
    /// What stands, as it was given.
    pub current: Option<&'a str>,
    /// The tag that a cycle would have there; null if something stands in the way.
    pub chosen: Option<&'a str>,
    /// The digest of the chosen tag.
    pub digest: Option<&'a str>,
    /// Why, in one sentence.
    pub message: Option<&'a str>,
    /// What stands in the way, if anything does.
    pub gates: &'a [Gate],
    /// Every tag, best first.
    pub candidates: &'a [ExplainedTag],
    /// How many entries of the list are no legal tags and were left out.
    pub dropped: usize,
    /// Why the list was cut, if it was.
    pub truncated: Option<&'a str>,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `policy test`.
#[derive(Debug, Serialize)]
pub struct CasesDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// Every case, file by file.
    pub cases: &'a [CaseResult],
    /// How many cases are as expected.
    pub passed: usize,
    /// How many are not.
    pub failed: usize,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// One case of `policy test`.
#[derive(Debug, Serialize)]
pub struct CaseResult {
    /// Its name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// Its line, from 1.
    pub line: u64,
    /// `ok` or `failed`.
    pub result: &'static str,
    /// What is expected, as far as the case says.
    pub expected: Expectation,
    /// What was found.
    pub found: Finding,
    /// Why, in one sentence.
    pub message: String,
}

/// The document of `set`.
#[derive(Debug, Serialize)]
pub struct SetDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// The file as it was named.
    pub file: &'a str,
    /// Whether the new text differs from the old one.
    pub changed: bool,
    /// Whether the file holds the new text; false with `--dry-run`, for stdin, and where nothing changed.
    pub written: bool,
    /// One for each key path, in the order of the command line; none if anything was refused.
    pub changes: &'a [SetChange],
    /// The new text, if the file is stdin.
    pub text: Option<&'a str>,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// What `set` did at one key path.
#[derive(Debug, Serialize)]
pub struct SetChange {
    /// The key path.
    pub key: String,
    /// The line of the value in the new text, from 1.
    pub line: Option<u64>,
    /// What stood there; null if nothing did, or a null.
    pub old: Option<String>,
    /// What stands there now.
    pub new: String,
    /// Whether that is a change.
    pub changed: bool,
    /// The bytes that are replaced, in the text as the changes before left it.
    pub edits: Vec<SetEdit>,
}

/// One replacement of bytes.
#[derive(Debug, Serialize)]
pub struct SetEdit {
    /// Where it begins, in bytes from 0.
    pub start: usize,
    /// Where it ends, without the byte there.
    pub end: usize,
    /// What stands there.
    pub old: String,
    /// What comes there.
    pub new: String,
}

/// The document of `get`.
#[derive(Debug, Serialize)]
pub struct GetDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// The file as it was named.
    pub file: &'a str,
    /// The key path.
    pub key: &'a str,
    /// `text`, `null` or `absent`; null if that cannot be said.
    pub kind: Option<&'static str>,
    /// The text, unquoted, whatever type a reader would give it.
    pub value: Option<&'a str>,
    /// Its line, from 1.
    pub line: Option<u64>,
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// The document of `images`.
#[derive(Debug, Serialize)]
pub struct ImagesDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// One for each location, in the order of the files and of what is found in them.
    pub images: &'a [FoundImage],
    /// What could not be read, with hints.
    pub problems: &'a [Problem],
}

/// One location of an image.
#[derive(Debug, Serialize)]
pub struct FoundImage {
    /// The file as it was named, or found.
    pub file: String,
    /// The line of what stands there, from 1.
    pub line: Option<u64>,
    /// The key path of what says which tag or digest runs.
    pub key: String,
    /// The image without its tag.
    pub image: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
    /// Why it cannot be said what stands there, such as `edit/template`.
    pub code: Option<&'static str>,
}

/// The document of `login-check`.
#[derive(Debug, Serialize)]
pub struct LoginDocument<'a> {
    /// Always [`VERSION`].
    pub version: u32,
    /// One for each registry and each pull secret that is for it.
    pub registries: &'a [RegistryCheck],
    /// What is wrong, with hints.
    pub problems: &'a [Problem],
}

/// One registry, asked with one of its credentials.
#[derive(Debug, Serialize)]
pub struct RegistryCheck {
    /// The host as in image names.
    pub host: String,
    /// Where its API is.
    pub api: Option<String>,
    /// Which credentials are used, in words that hold no secret.
    pub credential: String,
    /// The pull secret that they belong to; null for the registry's own.
    pub pull_secret: Option<String>,
    /// The image that was asked for.
    pub image: Option<String>,
    /// `ok` or `failed`.
    pub result: &'static str,
    /// Why it failed.
    pub code: Option<String>,
    /// What it answered.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// When the credentials end, if that is known.
    pub expires: Option<Timestamp>,
}
