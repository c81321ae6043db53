//! Pull requests as forges hold them: plain values, the same for every forge.
//!
//! "Pull request" is the word for all of them, also where a forge says merge request. Reading and writing them is in `forge`,
//! what becomes of them is decided in `plan`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::history::CommitId;
use crate::model::names::Branch;
use crate::model::text::is_invisible;

/// What the branches of pull requests begin with.
pub const BRANCH_PREFIX: &str = "repin/";
/// Has a branch made anew from the head of the base, whoever committed to it.
pub const LABEL_REBASE: &str = "repin/rebase";
/// Takes back that a closed pull request refuses what it held.
pub const LABEL_RETRY: &str = "repin/retry";

/// Among reviewers: whoever the file CODEOWNERS of the base names for the changed files.
pub const CODEOWNERS: &str = "codeowners";

/// The kinds of forges that are spoken to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ForgeKind {
    /// GitHub and GitHub Enterprise Server.
    GitHub,
    /// GitLab, in the cloud and self-managed.
    GitLab,
    /// Gitea, and Forgejo, whose API is the same in all that is used.
    Gitea,
}

impl ForgeKind {
    /// Gives the forge's own name, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::GitHub => "GitHub",
            Self::GitLab => "GitLab",
            Self::Gitea => "Gitea",
        }
    }
}

/// Who makes the commits of pull requests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CommitsBy {
    /// We do, and push them.
    #[default]
    Git,
    /// The forge does, through its API, and shows them as verified.
    Api,
}

/// When the branch of a pull request is made anew from the head of the base.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RebaseWhen {
    /// Whenever the base moved.
    #[default]
    Always,
    /// When it cannot be merged as it is, or its changes are others.
    Conflict,
}

/// How many pull requests a repository takes, and when their branches follow the base.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PullLimits {
    /// At most this many are open at once; none = no limit.
    pub max_open: Option<u64>,
    /// At most this many are opened within an hour; none = no limit.
    pub max_new_per_hour: Option<u64>,
    /// When their branches follow the base.
    pub rebase: RebaseWhen,
}

/// Reads the login of an account as people write it, with or without `@` before it.
///
/// # Errors
/// The rule that the text breaks.
pub fn login(text: &str) -> Result<String, &'static str> {
    let login = text.strip_prefix('@').unwrap_or(text);
    // GitHub's Apps are `name[bot]`.
    if is_name(login.strip_suffix("[bot]").unwrap_or(login)) {
        return Ok(login.to_owned());
    }
    Err("a login is up to 100 letters, digits and . _ - (and may end in [bot])")
}

/// Reads whom a review is asked of: a login, a team as `organisation/team`, or [`CODEOWNERS`].
///
/// # Errors
/// The rule that the text breaks.
pub fn reviewer(text: &str) -> Result<String, &'static str> {
    let team = text.strip_prefix('@').unwrap_or(text);
    if !team.contains('/') {
        return login(text);
    }
    if (2..=20).contains(&team.split('/').count()) && team.split('/').all(is_name) {
        return Ok(team.to_owned());
    }
    Err("a team is organisation/team, of letters, digits and . _ -")
}

/// Reads a label. Those by which people tell repin what to do are none that it sets.
///
/// # Errors
/// The rule that the text breaks.
pub fn label(text: &str) -> Result<String, &'static str> {
    let is_unseen = |c: char| c.is_control() || is_invisible(c);
    // GitHub's limit; GitLab separates labels by commas.
    if !(1..=50).contains(&text.chars().count()) || text.trim() != text || text.contains(|c| c == ',' || is_unseen(c)) {
        return Err("a label is 1 to 50 characters, without commas, control characters and blanks at its ends");
    }
    if [LABEL_REBASE, LABEL_RETRY].iter().any(|own| own.eq_ignore_ascii_case(text)) {
        return Err("repin/rebase and repin/retry are for people, who tell repin by them what to do");
    }
    Ok(text.to_owned())
}

fn is_name(text: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=100).contains(&text.len()) && text.chars().all(is_known) && !matches!(text, "." | "..")
}

/// A repository on a forge: `owner/name`, on GitLab with all groups above it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Project(String);

/// Why a text names no project.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a project is owner/name, of letters, digits and . _ -, without .git")]
pub struct ProjectError;

impl Project {
    /// Gives it as written: `owner/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Gives everything before the last part.
    pub fn owner(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(owner, _)| owner)
    }

    /// Gives the last part.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(_, name)| name)
    }
}

impl FromStr for Project {
    type Err = ProjectError;

    fn from_str(text: &str) -> Result<Self, ProjectError> {
        let is_legal = |part: &str| {
            let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            !part.is_empty() && part.len() <= 255 && part.chars().all(is_known) && !matches!(part, "." | "..")
        };
        let count = text.split('/').count();
        if !(2..=20).contains(&count) || !text.split('/').all(is_legal) || text.ends_with(".git") {
            return Err(ProjectError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What became of a pull request.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PullState {
    /// It waits.
    Open,
    /// Closed without a merge.
    Closed,
    /// Merged.
    Merged,
}

/// A pull request within one project (none from a fork).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PullRequest {
    /// Its number in the project.
    pub number: u64,
    /// Where people read it.
    pub url: String,
    /// Its title.
    pub title: String,
    /// Its body, hidden marker included.
    pub body: String,
    /// What became of it.
    pub state: PullState,
    /// The branch that it brings.
    pub head: Branch,
    /// The commit of that branch when the forge looked last, also after the branch is gone.
    pub head_commit: Option<CommitId>,
    /// The branch that it is for.
    pub base: Branch,
    /// It is not meant to be merged yet.
    pub is_draft: bool,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// Login of who opened it.
    pub author: String,
    /// When it was opened.
    pub created: Timestamp,
    /// When anything of it changed last.
    pub updated: Timestamp,
    /// When it was closed or merged.
    pub closed: Option<Timestamp>,
    /// The commit on the base that a merge made, where the forge says it.
    pub merge_commit: Option<CommitId>,
    /// The forge says that it cannot be merged as it is; none = it does not say in a list.
    pub has_conflict: Option<bool>,
    /// The forge merges it as soon as its conditions hold; none = it does not say in a list.
    pub is_auto_merged: Option<bool>,
}

/// How a forge merges.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum MergeMethod {
    /// A merge commit.
    #[default]
    Merge,
    /// One commit of all.
    Squash,
    /// The commits anew on the base.
    Rebase,
}

impl MergeMethod {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Squash, Self::Rebase];

    /// Gives the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

/// A pull request that is to be opened, from a branch that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewPullRequest {
    /// The branch that it brings.
    pub head: Branch,
    /// The branch that it is for.
    pub base: Branch,
    /// Its title.
    pub title: String,
    /// Its body.
    pub body: String,
    /// Not meant to be merged yet.
    pub is_draft: bool,
}

/// What changes of a pull request; none = it stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PullUpdate {
    /// The title.
    pub title: Option<String>,
    /// The body.
    pub body: Option<String>,
    /// True opens it again, false closes it.
    pub is_open: Option<bool>,
}

/// Whom a pull request asks, and what it is marked with.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PullPeople {
    /// Labels; made where the forge wants them made before.
    pub labels: BTreeSet<String>,
    /// Logins of those who are asked for a review, teams as `owner/team`.
    pub reviewers: BTreeSet<String>,
    /// Logins of those who it is assigned to.
    pub assignees: BTreeSet<String>,
}

impl PullPeople {
    /// Tells whether there is nobody and nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What annotations wish of the pull requests of an Application, beside what the rules say.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PullWishes {
    /// More labels.
    pub labels: BTreeSet<String>,
    /// More logins and teams that are asked for a review; [`CODEOWNERS`] stands for those of that file.
    pub reviewers: BTreeSet<String>,
    /// More logins that it is assigned to.
    pub assignees: BTreeSet<String>,
    /// Whether the forge merges it by itself; none = as the rules say.
    pub auto_merge: Option<bool>,
}

/// One commit of an application's source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourceCommit {
    /// Its id.
    pub id: CommitId,
    /// The first line of its message.
    pub subject: String,
    /// Name of its author.
    pub author: String,
    /// Address of its author; empty where the forge does not say.
    pub email: String,
    /// When the author wrote it.
    pub time: Option<Timestamp>,
    /// Where people read it.
    pub url: String,
}

/// One pull request of an application's source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SourcePull {
    /// Its number.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Login of its author.
    pub author: String,
    /// Where people read it.
    pub url: String,
    /// When it was merged.
    pub merged: Option<Timestamp>,
    /// The commit that a merge made, where the forge says it.
    pub merge_commit: Option<CommitId>,
}

/// How one revision follows another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Course {
    /// They are the same.
    Same,
    /// The new one is above the old one.
    Ahead,
    /// The new one is below the old one: it goes back.
    Behind,
    /// Each has commits of its own.
    Diverged,
}

/// What lies between two revisions of an application's source.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Comparison {
    /// How the new one follows the old one.
    pub course: Course,
    /// The commits that the new one has and the old one has not, newest first; capped.
    pub commits: Vec<SourceCommit>,
    /// How many there are in all.
    pub total: u64,
    /// Where people read the comparison.
    pub url: String,
}

/// Somebody's verdict on a pull request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Approval {
    /// Login.
    pub login: String,
    /// When, where the forge says it.
    pub time: Option<Timestamp>,
}

/// Who the forge takes us for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ForgeIdentity {
    /// Login, on GitHub with `[bot]` for an App.
    pub login: String,
    /// Addresses that the forge gives to commits of this account, as far as they are known.
    pub emails: BTreeSet<String>,
}

/// One file of a commit that the forge makes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForgeFile {
    /// The path in the repository.
    pub path: String,
    /// The whole content.
    pub content: Vec<u8>,
    /// The commit brings the file.
    pub is_new: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_logins_and_teams_are_what_forges_take() {
        let ok = |read: fn(&str) -> Result<String, &'static str>, text: &str| read(text).ok();
        for (text, expected) in [
            ("deps", Some("deps")),
            ("kind/update", Some("kind/update")),
            ("scope::deps", Some("scope::deps")),
            ("needs review", Some("needs review")),
            ("größe", Some("größe")),
            ("", None),
            (" deps", None),
            ("a,b", None),
            ("a\nb", None),
            ("a\u{202e}b", None),
            ("repin/rebase", None),
            ("Repin/Retry", None),
        ] {
            assert_eq!(ok(label, text).as_deref(), expected, "{text:?}");
        }
        assert!(label(&"ä".repeat(50)).is_ok() && label(&"ä".repeat(51)).is_err());
        for (text, as_login, as_reviewer) in [
            ("alice", Some("alice"), Some("alice")),
            ("@alice", Some("alice"), Some("alice")),
            ("alice_acme", Some("alice_acme"), Some("alice_acme")),
            ("renovate[bot]", Some("renovate[bot]"), Some("renovate[bot]")),
            ("codeowners", Some("codeowners"), Some("codeowners")),
            ("acme/platform", None, Some("acme/platform")),
            ("@acme/platform", None, Some("acme/platform")),
            ("acme/sub/platform", None, Some("acme/sub/platform")),
            ("", None, None),
            ("@", None, None),
            ("@@alice", None, None),
            ("a b", None, None),
            ("alice@example.com", None, None),
            ("acme/", None, None),
            ("/acme", None, None),
            ("acme/../x", None, None),
            ("[bot]", None, None),
        ] {
            assert_eq!(ok(login, text).as_deref(), as_login, "{text:?}");
            assert_eq!(ok(reviewer, text).as_deref(), as_reviewer, "{text:?}");
        }
    }
}
