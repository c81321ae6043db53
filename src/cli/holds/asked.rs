//! What the command lines of `freeze`, `thaw`, `hold`, `resume` and `override` take.

use clap::Args;
use jiff::Timestamp;

use crate::model::rule::Glob;

/// Flags of all five.
#[derive(Debug, Args)]
pub(in crate::cli) struct Writing {
    /// The repository whose file is written; may be repeated [default: all that are concerned]
    #[arg(long = "in", value_name = "REPOSITORY")]
    pub(super) repositories: Vec<String>,
    /// Who does it, as `name` or `name <address>` [default: $GIT_AUTHOR_NAME, else $USER]
    #[arg(long, value_name = "NAME")]
    pub(super) by: Option<String>,
    /// Shows the change as a unified diff and writes nothing; exit 4 if there is one
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// When it ends.
#[derive(Debug, Args)]
pub(in crate::cli) struct Expiry {
    /// When it ends (RFC 3339)
    #[arg(long, value_name = "TIME", conflicts_with = "span")]
    pub(super) until: Option<Timestamp>,
    /// After how long it ends, such as 2h or 3d
    #[arg(long = "for", value_name = "SPAN", id = "span")]
    pub(super) span: Option<String>,
}

/// Where it is.
#[derive(Debug, Args)]
pub(in crate::cli) struct Area {
    /// Only what the rules put into this environment (glob)
    #[arg(long, value_name = "GLOB")]
    pub(super) environment: Option<Glob>,
    /// Only what stands in this repository (glob)
    #[arg(long, value_name = "GLOB")]
    pub(super) repository: Option<Glob>,
}

/// What an entry says of itself, and where it goes.
#[derive(Debug, Args)]
pub(in crate::cli) struct NewEntry {
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: String,
    #[command(flatten)]
    pub(super) expiry: Expiry,
    #[command(flatten)]
    pub(super) writing: Writing,
}

/// Which of several Applications of one name is meant.
#[derive(Debug, Args)]
pub(in crate::cli) struct Which {
    #[command(flatten)]
    pub(super) area: Area,
    /// Every Application of this name, where several bear it
    #[arg(long, requires = "application")]
    pub(super) all: bool,
}

/// `freeze`
#[derive(Debug, Args)]
pub(in crate::cli) struct Freeze {
    #[command(flatten)]
    pub(super) area: Area,
    #[command(flatten)]
    pub(super) entry: NewEntry,
}

/// `thaw`
#[derive(Debug, Args)]
pub(in crate::cli) struct Thaw {
    /// Only the freezes of exactly this environment
    #[arg(long, value_name = "GLOB")]
    pub(super) environment: Option<Glob>,
    /// Only the freezes of exactly this repository
    #[arg(long, value_name = "GLOB")]
    pub(super) repository: Option<Glob>,
    /// Ends overrides, and no freeze
    #[arg(long)]
    pub(super) overrides: bool,
    #[command(flatten)]
    pub(super) writing: Writing,
}

/// `hold`
#[derive(Debug, Args)]
pub(in crate::cli) struct HoldAsked {
    /// `name` or `namespace/name`
    pub(super) application: String,
    /// Only this image
    pub(super) alias: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) entry: NewEntry,
}

/// `resume`
#[derive(Debug, Args)]
pub(in crate::cli) struct ResumeAsked {
    /// `name` or `namespace/name`
    pub(super) application: String,
    /// Only this image
    pub(super) alias: Option<String>,
    /// With --taken-back, only this tag
    #[arg(requires = "taken_back")]
    pub(super) tag: Option<String>,
    /// Releases what a person took back too: the commit says so
    #[arg(long)]
    pub(super) taken_back: bool,
    /// Ends the overrides of it, and no hold
    #[arg(long, conflicts_with = "taken_back")]
    pub(super) overrides: bool,
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) writing: Writing,
}

/// `override`
#[derive(Debug, Args)]
pub(in crate::cli) struct OverrideAsked {
    /// Only this Application: `name` or `namespace/name`
    pub(super) application: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) entry: NewEntry,
}
