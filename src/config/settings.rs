//! The checked settings: plain types, every reference resolved, every default filled in.
//!
//! They are made by [`crate::config::load`] only; nothing here reads. `Debug` shows no secret.

mod forge;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::annotations::ArgocdMethod;
pub use crate::config::settings::forge::{ForgeCredentials, ForgeSettings, RepositoryForgeSettings};
use crate::git::Authorship;
use crate::message::Wording;
use crate::model::forge::PullLimits;
use crate::model::image_field::ImageField;
use crate::model::names::{Branch, RepoPath};
use crate::model::remote_url::RemoteUrl;
use crate::model::rule::{Glob, PullSecret, Rule};
use crate::model::schedule::Schedule;
use crate::model::verification::KeyName;
use crate::model::webhook::Webhook;
use crate::model::window::Window;
use crate::registry::{AzureOptions, EcrOptions, GoogleOptions, Limits, PublicKey};
use crate::secret::Secret;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// When is looked at what has no schedule of its own.
    pub schedule: Schedule,
    /// The shortest interval that an annotation may wish; none = that of the schedule that it is about.
    pub shortest_interval: Option<Duration>,
    /// Decide and report, write nothing, whatever rules say.
    pub observe: bool,
    /// At least one; names are unique, and so is (repository, branch).
    pub repositories: Vec<RepositorySettings>,
    /// URLs are unique.
    pub forges: Vec<ForgeSettings>,
    /// Logins, in lower case, of those whose closing of a pull request refuses nothing.
    pub ignore_closed_by: BTreeSet<String>,
    /// Hosts are unique.
    pub registries: Vec<RegistrySettings>,
    /// What one answer may cost at registries without limits of their own.
    pub registry_limits: Limits,
    /// Names are unique.
    pub pull_secrets: Vec<PullSecretSettings>,
    /// The file of docker for every registry without credentials of its own.
    pub docker_config: Option<PathBuf>,
    /// The programs that files of docker and a `registries.conf` may name: name to absolute path.
    pub credential_helpers: BTreeMap<String, PathBuf>,
    /// Names are unique.
    pub cosign_keys: Vec<CosignKeySettings>,
    /// Where objects of some kinds name an image.
    pub image_fields: Vec<ImageField>,
    /// What `environments` says of each, in file order; names are unique.
    pub environments: Vec<Rule>,
    /// In file order.
    pub rules: Vec<Rule>,
    /// By name.
    pub windows: BTreeMap<String, Window>,
    /// The most changes of one push, whatever rules say.
    pub max_changes_per_push: Option<u32>,
    /// While this file exists nothing is written.
    pub emergency_stop: Option<PathBuf>,
    /// Who commits are by, and what they say.
    pub commit: CommitSettings,
    /// What `write-back-method: argocd` means.
    pub argocd: ArgocdMethod,
    /// Applications that no manifest defines.
    pub applications: Vec<ApplicationSettings>,
    /// Who may tell of pushes; names are unique.
    pub webhooks: Vec<Webhook>,
    /// The cache.
    pub cache: CacheSettings,
    /// The HTTP server.
    pub server: ServerSettings,
    /// What is logged, and how.
    pub log: LogSettings,
}

impl Settings {
    /// Gives the repository of that name.
    pub fn repository(&self, name: &str) -> Option<&RepositorySettings> {
        self.repositories.iter().find(|repository| repository.name == name)
    }

    /// Gives the settings of a registry by its host as [`crate::model::names::ImageName::registry`] gives it.
    pub fn registry(&self, host: &str) -> Option<&RegistrySettings> {
        self.registries.iter().find(|registry| registry.host == host)
    }
}

/// One GitOps repository.
#[derive(Clone, Debug, PartialEq)]
pub struct RepositorySettings {
    /// Unique name: letters, digits and `.` `_` `-`.
    pub name: String,
    /// Where it is.
    pub url: RemoteUrl,
    /// The branch that is read and written; none = the remote's default branch.
    pub branch: Option<Branch>,
    /// Other branches that annotations may name and make.
    pub branches: Vec<Glob>,
    /// Other URLs under which Applications name it.
    pub also: Vec<RemoteUrl>,
    /// Files in which Applications are looked for; default `**/*.yaml` and `**/*.yml`.
    pub discover: Vec<Glob>,
    /// Credentials for its host.
    pub credentials: Option<Credentials>,
    /// Whom to believe, and the way there.
    pub access: AccessSettings,
    /// Where its pull requests are; none = it has none.
    pub forge: Option<RepositoryForgeSettings>,
    /// How many pull requests it takes.
    pub pull_requests: PullLimits,
    /// Files outside the Applications' source paths that may be written.
    pub may_write: Vec<Glob>,
    /// How much history is read.
    pub history: HistorySettings,
    /// Files that say which clusters there are.
    pub clusters: Vec<Glob>,
    /// When it is looked at; none = as the file says for all.
    pub schedule: Option<Schedule>,
    /// Line in the file, from 1.
    pub line: u64,
}

impl RepositorySettings {
    /// Tells whether this URL names it, by `url` or `also`, after normalising.
    pub fn is_at(&self, url: &RemoteUrl) -> bool {
        let wanted = url.normalised();
        std::iter::once(&self.url).chain(&self.also).any(|own| own.normalised() == wanted)
    }
}

/// Whom to believe on the way to a repository, and the way there.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AccessSettings {
    /// File with the host keys that ssh may believe; none = those of the user and of the machine.
    pub known_hosts: Option<PathBuf>,
    /// File with the certificates (PEM) of the server's own authority.
    pub ca: Option<PathBuf>,
    /// URL of a proxy; it may hold a user and a password.
    pub proxy: Option<Secret>,
    /// Our own certificate.
    pub client_certificate: Option<ClientCertificateSettings>,
}

/// A certificate of our own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificateSettings {
    /// File with the certificate and those up to its authority, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: Secret,
}

/// Limits on the history that is read to find values that somebody took back; none = all of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct HistorySettings {
    /// At most this many commits along first parents.
    pub commits: Option<u64>,
    /// No commits older than this many days.
    pub days: Option<u64>,
}

/// One registry.
#[derive(Clone, Debug, PartialEq)]
pub struct RegistrySettings {
    /// Host and port as in image names, lower case, Docker Hub as `docker.io`.
    pub host: String,
    /// Where its API is, if not at `https://<host>` (`http://` if insecure).
    pub api_url: Option<url::Url>,
    /// Plain HTTP.
    pub insecure: bool,
    /// Where its credentials come from; without any, from `docker_config`, else it is asked anonymously.
    pub credentials: Option<RegistryCredentials>,
    /// File with the certificates (PEM) of its own authority; absolute or relative to the working directory.
    pub ca: Option<PathBuf>,
    /// The certificates (PEM) themselves, beside `ca`; in a `registries.conf` only.
    pub ca_data: Option<String>,
    /// Origin of its token service, if that is not in the registry's own domain.
    pub token_service: Option<url::Url>,
    /// Most requests per second; above 0.
    pub requests_per_second: Option<f64>,
    /// Most requests in one cycle; none = no limit.
    pub requests_per_cycle: Option<u64>,
    /// Most requests under way at once; none = the default.
    pub concurrency: Option<usize>,
    /// Its own limits; none = those for all.
    pub limits: Option<Limits>,
    /// When it is asked; none = as the file says for all.
    pub schedule: Option<Schedule>,
    /// Line in the file, from 1.
    pub line: u64,
}

/// Credentials that annotations may name.
#[derive(Clone, Debug, PartialEq)]
pub struct PullSecretSettings {
    /// Its name, its hosts, and who may name it.
    pub secret: PullSecret,
    /// Where what is sent comes from.
    pub credentials: RegistryCredentials,
    /// Line in the file, from 1.
    pub line: u64,
}

/// Public keys under one name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CosignKeySettings {
    /// The name.
    pub name: KeyName,
    /// The keys, at least one; any of them is enough.
    pub keys: Vec<PublicKey>,
    /// Line in the file, from 1.
    pub line: u64,
}

/// Where the credentials of a registry come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RegistryCredentials {
    /// These.
    Fixed(Credentials),
    /// A configuration file of docker, a pull secret, or a directory with one.
    DockerConfig(PathBuf),
    /// A listed program that prints `user:password`; in a `registries.conf` only.
    Program {
        /// Its absolute path.
        path: PathBuf,
        /// How long what it prints is used; none = until a registry refuses it.
        expires: Option<Duration>,
    },
    /// Amazon ECR.
    Ecr(EcrOptions),
    /// Google Artifact Registry and Container Registry.
    Google(GoogleOptions),
    /// Azure Container Registry.
    Azure(AzureOptions),
}

impl From<Credentials> for RegistryCredentials {
    fn from(credentials: Credentials) -> Self {
        Self::Fixed(credentials)
    }
}

/// What proves who we are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Credentials {
    /// A user and a password.
    Basic {
        /// The user; a secret too where it is given by reference.
        username: Secret,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
    /// A private key for ssh; for repositories only.
    SshKey {
        /// The key, PEM.
        key: Secret,
        /// What it is encrypted with.
        passphrase: Option<Secret>,
    },
    /// The agent at this socket, for ssh; for repositories only.
    SshAgent {
        /// The socket.
        socket: PathBuf,
    },
}

/// Commits.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CommitSettings {
    /// Author, committer and key.
    pub authorship: Authorship,
    /// Addresses of committers whose commits are ours, in lower case; the committer's is not among them unless it was
    /// written.
    pub own_emails: BTreeSet<String>,
    /// Template and sign-off.
    pub wording: Wording,
}

/// An Application for a repository that has no manifest of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApplicationSettings {
    /// Its name.
    pub name: String,
    /// Its namespace; default `argocd`.
    pub namespace: String,
    /// Name of a configured repository.
    pub repository: String,
    /// Source path in the repository; empty = the root.
    pub path: RepoPath,
    /// Annotations, in file order, keys unique.
    pub annotations: Vec<AnnotationSetting>,
    /// Line in the file, from 1.
    pub line: u64,
}

/// One annotation, its key without prefix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AnnotationSetting {
    /// Key without prefix, such as `image-list`.
    pub key: String,
    /// Value as text.
    pub value: String,
    /// Line of the key, from 1.
    pub line: u64,
}

/// The cache.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CacheSettings {
    /// Its directory; default `$XDG_CACHE_HOME/repin`, else `~/.cache/repin`.
    pub path: PathBuf,
}

/// The HTTP server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerSettings {
    /// Where it listens, port 0 = any; none = off. Default 127.0.0.1:8080.
    pub listen: Option<SocketAddr>,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LogSettings {
    /// The form of a line.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: LogLevel,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Levels, most severe first.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Somebody must look.
    Error,
    /// It went on, degraded.
    Warn,
    /// One line per change.
    #[default]
    Info,
    /// Why nothing was done.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Gives the word: `error`, `warn`, `info`, `debug` or `trace`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
