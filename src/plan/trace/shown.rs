//! The answers of `trace` as its document has them.

use jiff::Timestamp;
use serde::Serialize;

use crate::model::forge::SourcePull;
use crate::model::text::plain;
use crate::plan::past::entry::CommitShown;

/// What is known of what was asked for.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Target {
    /// The revision of an application's sources, where there is one.
    pub revision: Option<String>,
    /// The pull request of an application's sources, where it was asked for and its forge knows it.
    pub pull_request: Option<PullTrace>,
}

/// One image of one service in all its environments.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ServiceTrace {
    /// `namespace/name` without the environment.
    pub service: String,
    /// The alias.
    pub alias: String,
    /// Its places, in the order in which they were reached.
    pub environments: Vec<PlaceTrace>,
    /// Each value that stands at one of them.
    pub values: Vec<ValueTrace>,
}

/// One place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PlaceTrace {
    /// `namespace/name`.
    pub application: String,
    /// Environment that the rules give to the place.
    pub environment: Option<String>,
    /// Name of the configured repository.
    pub repository: String,
    /// The branch.
    pub branch: String,
    /// The file.
    pub file: Option<String>,
    /// The key path.
    pub key: Option<String>,
    /// The image without tag.
    pub image: String,
    /// The tag that stands there.
    pub tag: Option<String>,
    /// Its digest, from the file or as the commit says it.
    pub digest: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// `repin`, `person` or `tool`.
    pub by: Option<&'static str>,
    /// The values that it took back, newest first.
    pub took_back: Vec<String>,
    /// The commit that brought it.
    pub commit: Option<CommitTrace>,
    /// Where the image comes from; none where nobody says so.
    pub source: Option<SourceTrace>,
    /// `runs`, `not-yet`, `was`, `skipped` or `unknown`.
    pub state: &'static str,
    /// When what was asked for came here first.
    pub reached: Option<Timestamp>,
    /// When it went, if it did.
    pub left: Option<Timestamp>,
    /// Whether somebody went back for that.
    pub taken_back: bool,
    /// The same in one sentence.
    pub message: String,
}

/// A commit of a configured repository.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CommitTrace {
    /// The commit.
    #[serde(flatten)]
    pub commit: CommitShown,
    /// Who approves of its pull request.
    pub approved_by: Vec<String>,
}

/// A revision of an application's sources.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SourceTrace {
    /// The URL.
    pub url: String,
    /// The commit.
    pub revision: String,
    /// Who says so: the `commit` that brought the image, or the `registry`.
    pub said_by: &'static str,
    /// The pull requests that brought it.
    pub pull_requests: Vec<PullTrace>,
}

/// A pull request of an application's sources.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PullTrace {
    /// Its number.
    pub number: u64,
    /// Where people read it.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Login of its author.
    pub author: String,
    /// When it was merged.
    pub merged: Option<Timestamp>,
    /// Who approves of it.
    pub approved_by: Vec<String>,
}

/// A value, and when it came where.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ValueTrace {
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
    /// When each place held it first, in the order of time.
    pub reached: Vec<ReachedPlace>,
}

/// When a value came to a place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ReachedPlace {
    /// Its environment.
    pub environment: Option<String>,
    /// `namespace/name`.
    pub application: String,
    /// Then.
    pub time: Timestamp,
}

/// Shows a pull request.
pub fn pull(pull: &SourcePull, approved_by: Vec<String>) -> PullTrace {
    PullTrace {
        number: pull.number,
        url: plain(&pull.url),
        title: plain(&pull.title),
        author: plain(&pull.author),
        merged: pull.merged,
        approved_by,
    }
}
