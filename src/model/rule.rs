//! What operators allow: rules over the places that would be written, parsed and ready to match.
//!
//! Merging the rules of one place is in [`crate::rules`]. Globs are those of `globset`: `*` and `?` stay within one part
//! of a path, `**` crosses `/`, `{a,b}` is either.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use crate::model::forge::MergeMethod;
use crate::model::schedule::Schedule;
use crate::model::verification::KeyName;

/// Longest glob, in bytes.
const MAX_GLOB_BYTES: usize = 1024;

/// How a change gets to its branch, from the loosest to the strictest.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Delivery {
    /// A commit, pushed to the branch.
    Commit,
    /// A pull request against the branch.
    PullRequest,
    /// Nothing is written.
    #[default]
    None,
}

impl Delivery {
    /// All of them, from the loosest to the strictest.
    pub const ALL: [Self; 3] = [Self::Commit, Self::PullRequest, Self::None];

    /// Gives the word of the configuration: `commit`, `pull-request` or `none`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::PullRequest => "pull-request",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one commit holds, from the smallest to the largest.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Per {
    /// The changes of one Application.
    Application,
    /// The changes of one group: those with the same annotation `group`, else of one Application in one environment.
    Group,
    /// The changes of one environment; what has none is committed by Application.
    Environment,
    /// All changes of the branch.
    Repository,
}

impl Per {
    /// All of them, from the smallest to the largest.
    pub const ALL: [Self; 4] = [Self::Application, Self::Group, Self::Environment, Self::Repository];

    /// Gives the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Group => "group",
            Self::Environment => "environment",
            Self::Repository => "repository",
        }
    }
}

/// Whether a forge merges pull requests by itself, as soon as its own conditions hold.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AutoMerge {
    /// It does not.
    #[default]
    Off,
    /// It does where annotations wish it.
    Optional,
    /// It does, unless annotations wish that it does not.
    On,
}

impl AutoMerge {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Off, Self::Optional, Self::On];

    /// Gives the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Optional => "optional",
            Self::On => "on",
        }
    }
}

/// What a rule says of pull requests; none = what an earlier one says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PullRules {
    /// Their labels.
    pub labels: Option<BTreeSet<String>>,
    /// Logins and teams that are asked for a review, and [`CODEOWNERS`](crate::model::forge::CODEOWNERS).
    pub reviewers: Option<BTreeSet<String>>,
    /// Logins that they are assigned to.
    pub assignees: Option<BTreeSet<String>>,
    /// Not meant to be merged yet.
    pub draft: Option<bool>,
    /// Whether the forge merges them by itself.
    pub auto_merge: Option<AutoMerge>,
    /// How the forge merges them then.
    pub merge_method: Option<MergeMethod>,
}

/// One rule of the configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rule {
    /// What it applies to; an empty match is everything.
    pub matches: Match,
    /// The environment of what it matches.
    pub environment: Option<String>,
    /// How changes are delivered.
    pub delivery: Option<Delivery>,
    /// Decide and report, write nothing.
    pub observe: Option<bool>,
    /// Files outside the Application's source paths that may be written.
    pub may_write: Vec<Glob>,
    /// What one commit holds.
    pub per: Option<Per>,
    /// Writes only when this has had a tick since the last cycle.
    pub schedule: Option<Schedule>,
    /// Keys with which an image must be signed, beside those of its annotations.
    pub verify: BTreeSet<KeyName>,
    /// What pull requests are like.
    pub pull_request: PullRules,
    /// Known keys of this rule that this build does not carry out, each once, in the manual's order.
    pub unsupported: Vec<&'static str>,
    /// Line in the configuration, from 1; 0 if it does not come from a file.
    pub line: u64,
}

/// Who may use which credentials of a registry, without the credentials.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PullSecret {
    /// The name by which annotations mean it.
    pub name: String,
    /// The hosts, as image names give them, to which it is sent.
    pub registries: Vec<String>,
    /// The Applications that may use it; `repository` and `path` are those of the file that defines the Application.
    pub matches: Match,
}

/// The conditions of a rule; all that are given must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Match {
    /// Name of the configured repository that would be written.
    pub repository: Option<Glob>,
    /// Branch that would be written.
    pub branch: Option<Glob>,
    /// Path in the repository of the file that would be written.
    pub path: Option<Glob>,
    /// Application: its name, or `namespace/name` if the glob holds a `/`.
    pub application: Option<Glob>,
    /// The Application's namespace.
    pub namespace: Option<Glob>,
    /// The Application's `spec.project`.
    pub project: Option<Glob>,
    /// Labels of the Application that must have exactly these values.
    pub labels: Vec<(String, String)>,
}

/// A glob over paths or names. Equal if written the same.
#[derive(Clone)]
pub struct Glob {
    source: String,
    matcher: GlobMatcher,
}

/// Why a text is no glob.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{rule}")]
pub struct GlobError {
    /// The rule it breaks.
    pub rule: String,
}

impl Glob {
    /// Reads a glob over paths in a repository: as [`Glob::from_str`], and without a leading `/` or `./` and without
    /// `..`, which no such path has.
    ///
    /// # Errors
    /// The rule that the text breaks.
    pub fn of_paths(text: &str) -> Result<Self, GlobError> {
        let fail = |rule: &str| Err(GlobError { rule: rule.to_owned() });
        if text.starts_with('/') || text.starts_with("./") {
            return fail("paths are relative to the repository's root, without a leading / or ./");
        }
        if text.ends_with('/') {
            return fail("a glob over paths names files: end it with /** for all below a directory");
        }
        if text.split('/').any(|part| part == "..") {
            return fail("a path in a repository holds no `..`");
        }
        text.parse()
    }

    /// Gives the text as written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Tells whether it matches the whole text.
    pub fn is_match(&self, text: &str) -> bool {
        self.matcher.is_match(text)
    }
}

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let fail = |rule: &str| Err(GlobError { rule: rule.to_owned() });
        if text.is_empty() {
            return fail("a glob is not empty");
        }
        if text.len() > MAX_GLOB_BYTES || text.contains(char::is_control) {
            return fail("a glob has at most 1024 bytes and no control characters");
        }
        match GlobBuilder::new(text).literal_separator(true).backslash_escape(true).build() {
            Ok(glob) => Ok(Self { source: text.to_owned(), matcher: glob.compile_matcher() }),
            Err(error) => Err(GlobError { rule: error.kind().to_string() }),
        }
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({:?})", self.source)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl PartialEq for Glob {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Glob {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_in_its_part_and_two_cross_slashes() {
        for (glob, path, expected) in [
            ("apps/**", "apps/web/values.yaml", true),
            ("apps/**", "apps/values.yaml", true),
            ("apps/**", "apps2/values.yaml", false),
            ("apps/**", "x/apps/values.yaml", false),
            ("apps/*", "apps/values.yaml", true),
            ("apps/*", "apps/web/values.yaml", false),
            ("**/*.yaml", "values.yaml", true),
            ("**/*.yaml", "a/b/values.yaml", true),
            ("**/values-prod.yaml", "a/values-prod.yaml", true),
            ("apps/*/values-{dev,test}.yaml", "apps/web/values-test.yaml", true),
            ("apps/*/values-{dev,test}.yaml", "apps/web/values-prod.yaml", false),
            ("apps/we?", "apps/web", true),
            ("a?b", "a/b", false),
            ("apps/[a-m]*", "apps/web", false),
            (r"apps/\*", "apps/x", false),
            ("*", "", true),
            ("Apps/**", "apps/x", false),
        ] {
            assert_eq!(glob.parse::<Glob>().unwrap().is_match(path), expected, "{glob} {path}");
        }
    }

    #[test]
    fn a_glob_that_could_never_match_a_path_is_refused() {
        for text in ["", "/apps/**", "./apps/**", "../x", "a/../b", "apps/", "a\n", "a[", "a{b"] {
            assert!(Glob::of_paths(text).is_err(), "{text:?}");
        }
        assert!(Glob::of_paths(&"a".repeat(MAX_GLOB_BYTES + 1)).is_err());
        assert!(Glob::of_paths("apps/**/..x").is_ok());
    }

    #[test]
    fn deliveries_are_ordered_by_strictness() {
        assert!(Delivery::None > Delivery::PullRequest && Delivery::PullRequest > Delivery::Commit);
    }
}
