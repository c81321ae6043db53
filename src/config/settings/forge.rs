//! Forges, and the projects on them.

use url::Url;

use crate::config::settings::{AccessSettings, Credentials};
use crate::model::forge::{CommitsBy, ForgeKind, Project};
use crate::secret::Secret;

/// One forge.
#[derive(Clone, Debug, PartialEq)]
pub struct ForgeSettings {
    /// Where people read it; what is below is meant.
    pub url: Url,
    /// Which kind it is.
    pub kind: ForgeKind,
    /// Where its API is.
    pub api_url: Url,
    /// What proves who asks; none = it is asked anonymously.
    pub credentials: Option<ForgeCredentials>,
    /// Whom to believe, and the way there; without host keys.
    pub access: AccessSettings,
    /// Most requests per second; none = only what the forge itself declares.
    pub requests_per_second: Option<f64>,
    /// Line in the file, from 1.
    pub line: u64,
}

/// What proves to a forge who asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ForgeCredentials {
    /// A token, or what the repository is read with.
    Fixed(Credentials),
    /// A GitHub App.
    App {
        /// Its client or application id.
        id: String,
        /// Its private key, PEM.
        key: Secret,
    },
}

/// Where the pull requests of a repository are.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositoryForgeSettings {
    /// The forge, with what the repository says of it.
    pub forge: ForgeSettings,
    /// The project.
    pub project: Project,
    /// Who makes the commits.
    pub commits: CommitsBy,
}
