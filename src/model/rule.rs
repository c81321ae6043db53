//! What operators allow: rules over the places that would be written, parsed and ready to match.
//!
//! Merging the rules of one place is in [`crate::rules`].

mod glob;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::model::forge::MergeMethod;
use crate::model::promotion::Promotion;
pub use crate::model::rule::glob::{Captured, Glob, GlobError, TooManyReadings};
use crate::model::schedule::Schedule;
use crate::model::verification::KeyName;

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
    /// The service of what it matches; none = as a capture of the path says, else the Application's name without the
    /// environment.
    pub service: Option<String>,
    /// Names of windows, one set.
    pub windows: Option<BTreeSet<String>>,
    /// How long a tag must have been seen with one digest.
    pub min_age: Option<Duration>,
    /// From where values come.
    pub promote_from: Option<Promotion>,
    /// How long the upstream must have held a value.
    pub soak: Option<Duration>,
    /// Whether a value that the upstream took back is taken back here too, by a pull request.
    pub follow_rollback: Option<bool>,
    /// The registries whose images may be written.
    pub registries: Option<BTreeSet<RegistryPrefix>>,
    /// The most changes of an environment within an hour.
    pub max_changes_per_hour: Option<u32>,
    /// The most changes of one push.
    pub max_changes_per_push: Option<u32>,
    /// What neither annotations nor other rules loosen.
    pub at_least: AtLeast,
    /// This holds what `environments` says of an environment: it comes before all rules, whatever it stands behind.
    pub of_environment: Option<String>,
    /// Known keys of this rule that this build does not carry out, each once, in the manual's order.
    pub unsupported: Vec<&'static str>,
    /// Line in the configuration, from 1; 0 if it does not come from a file.
    pub line: u64,
}

impl Rule {
    /// Gives the keys with which it demands signatures, one way or the other.
    pub fn keys(&self) -> BTreeSet<KeyName> {
        self.verify.union(&self.at_least.verify).cloned().collect()
    }
}

/// What nothing loosens, of one rule or of all that match: those of several add up to the strictest.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AtLeast {
    /// This delivery or a stricter one.
    pub delivery: Option<Delivery>,
    /// Sets of windows that must be open too.
    pub windows: Vec<BTreeSet<String>>,
    /// This age or more.
    pub min_age: Option<Duration>,
    /// This promotion.
    pub promote_from: Option<Promotion>,
    /// This soak or more.
    pub soak: Option<Duration>,
    /// Registries: what is in all of these sets.
    pub registries: Vec<BTreeSet<RegistryPrefix>>,
    /// These keys too.
    pub verify: BTreeSet<KeyName>,
    /// So many changes of an environment within an hour, or fewer.
    pub max_changes_per_hour: Option<u32>,
    /// So many changes of one push, or fewer.
    pub max_changes_per_push: Option<u32>,
}

impl AtLeast {
    /// Adds what another rule demands. Of two promotions the later one counts.
    pub fn add(&mut self, other: &Self) {
        let fewer = |one: Option<u32>, other: Option<u32>| one.into_iter().chain(other).min();
        self.delivery = self.delivery.max(other.delivery);
        self.windows.extend(other.windows.iter().cloned());
        self.min_age = self.min_age.max(other.min_age);
        self.promote_from = other.promote_from.clone().or_else(|| self.promote_from.take());
        self.soak = self.soak.max(other.soak);
        self.registries.extend(other.registries.iter().cloned());
        self.verify.extend(other.verify.iter().cloned());
        self.max_changes_per_hour = fewer(self.max_changes_per_hour, other.max_changes_per_hour);
        self.max_changes_per_push = fewer(self.max_changes_per_push, other.max_changes_per_push);
    }
}

/// A registry, or a part of its repositories: `ghcr.io` or `ghcr.io/acme`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RegistryPrefix(String);

impl RegistryPrefix {
    /// Reads a host, or a host and the first parts of a path.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-_:/[]".contains(c);
        let text = text.trim_end_matches('/');
        if text.is_empty() || !text.chars().all(legal) || text.split('/').any(str::is_empty) {
            return Err("it is a host such as `ghcr.io`, or one with a path such as `ghcr.io/acme`");
        }
        Ok(Self(text.to_owned()))
    }

    /// Tells whether an image, as `registry/repository`, is below it.
    pub fn holds(&self, image: &str) -> bool {
        image.strip_prefix(self.0.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Gives the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_are_ordered_by_strictness() {
        assert!(Delivery::None > Delivery::PullRequest && Delivery::PullRequest > Delivery::Commit);
    }
}
