//! What can go wrong with a forge, in words for the person who has to act.

use std::time::Duration;

use crate::diagnostic::{Diagnostic, Retry};

/// Why a forge gave no answer that can be used, or did not do it.
///
/// Texts that come from a server are shortened, hold no control characters and none of the credentials it was sent. `place`
/// is the forge's host and the project.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ForgeError {
    /// The settings cannot be used.
    #[error("forge {place} cannot be used: {reason}")]
    Settings {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// Nobody answers, TLS fails, or the answer did not come in time.
    #[error("forge {place} cannot be reached: {reason}")]
    Unreachable {
        /// Where.
        place: String,
        /// The cause in words.
        reason: String,
    },
    /// 401.
    #[error("forge {place} refused the credentials: 401{}", said(reason))]
    Unauthorized {
        /// Where.
        place: String,
        /// What it said.
        reason: String,
    },
    /// 403 that is no limit of rate.
    #[error("forge {place} forbids it: 403{}", said(reason))]
    Forbidden {
        /// Where.
        place: String,
        /// What it said.
        reason: String,
    },
    /// 404 for the project itself; forges say so where the account may not even know that there is one.
    #[error("forge {place} does not know the project, or the account may not see it: 404{}", said(reason))]
    NotFound {
        /// Where.
        place: String,
        /// What it said.
        reason: String,
    },
    /// The rate of requests is used up.
    #[error("forge {place} limits the rate of requests{}", after.map(|time| format!(", for {}s", time.as_secs())).unwrap_or_default())]
    Throttled {
        /// Where.
        place: String,
        /// How long it wants to be left alone.
        after: Option<Duration>,
    },
    /// A pull request is open for the same head and base.
    #[error("forge {place} has an open pull request for the branch already")]
    Exists {
        /// Where.
        place: String,
    },
    /// The head of a branch is another one than was planned on.
    #[error("forge {place}: the branch has moved{}", said(reason))]
    Moved {
        /// Where.
        place: String,
        /// What it said.
        reason: String,
    },
    /// It understood, and does not do it.
    #[error("forge {place} refused it: {status}{}", said(reason))]
    Refused {
        /// Where.
        place: String,
        /// The HTTP status, 200 where the refusal stands in the body (GraphQL).
        status: u16,
        /// What it said.
        reason: String,
    },
    /// 5xx.
    #[error("forge {place} failed: {status}{}", said(reason))]
    Failed {
        /// Where.
        place: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// The answer is none: no JSON, a field is missing, too large, pages that go round.
    #[error("forge {place} gave an answer that cannot be used: {reason}")]
    BadAnswer {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
    },
}

impl Diagnostic for ForgeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Settings { .. } => "forge/settings",
            Self::Unreachable { .. } => "forge/unreachable",
            Self::Unauthorized { .. } => "forge/unauthorized",
            Self::Forbidden { .. } => "forge/forbidden",
            Self::NotFound { .. } => "forge/not-found",
            Self::Throttled { .. } => "forge/throttled",
            Self::Exists { .. } => "forge/exists",
            Self::Moved { .. } => "forge/moved",
            Self::Refused { .. } => "forge/refused",
            Self::Failed { .. } => "forge/failed",
            Self::BadAnswer { .. } => "forge/bad-answer",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Settings { .. } => "see `forge` of the repository, and `forges`, in repin.yaml",
            Self::Unreachable { .. } => {
                "check `api_url`, `ca` and `proxy`, and that the forge can be reached from here"
            }
            Self::Unauthorized { .. } => "give `credentials` with a token that is valid",
            Self::Forbidden { .. } => "let the account read the project and write its pull requests",
            Self::NotFound { .. } => "check `project`, and that the account may see it",
            Self::Refused { .. } => "read what the forge says; it is tried again in the next cycle",
            Self::Throttled { .. }
            | Self::Exists { .. }
            | Self::Moved { .. }
            | Self::Failed { .. }
            | Self::BadAnswer { .. } => {
                return None;
            }
        };
        Some(hint.to_owned())
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Settings { .. } | Self::Unauthorized { .. } | Self::Forbidden { .. } | Self::NotFound { .. } => {
                Retry::Never
            }
            Self::Throttled { after: Some(after), .. } => Retry::After(*after),
            Self::Throttled { after: None, .. }
            | Self::Unreachable { .. }
            | Self::Exists { .. }
            | Self::Moved { .. }
            | Self::Refused { .. }
            | Self::Failed { .. }
            | Self::BadAnswer { .. } => Retry::Later,
        }
    }
}

fn said(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}
