//! Where the credentials of a registry come from: fixed ones, or a source that gives them for a while.
//!
//! A [`Login`] is a setting, a [`Source`] what runs of it: it keeps what it was given until shortly before that ends, and
//! asks once, however many requests wait; what failed is not tried again at once. What the credentials are then used for,
//! and to whom they are sent, is decided in `host`. Nothing here sends anything to the registry's own API but where a
//! cloud's documents say so, and no source ever gives way to anonymous access that nobody configured.

mod aws;
mod azure;
mod docker;
mod docker_config;
mod ecr;
mod files;
mod google;
mod program;
mod sigv4;
mod variables;
mod web;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

pub use self::aws::StaticKeys;
pub use self::azure::AzureOptions;
pub use self::docker::{Absent, DockerOptions};
pub use self::ecr::EcrOptions;
pub use self::google::GoogleOptions;
pub use self::variables::Variables;
pub use self::web::is_endpoint;
use crate::credentials::Credentials;
use crate::http::ClientOptions;

/// How long before their end credentials are asked for anew, at most; of short leases it is a quarter.
const MARGIN: Duration = Duration::from_secs(60);
/// How long a failure stands before the source is asked again: the images of one cycle share it.
const PAUSE: Duration = Duration::from_secs(10);
/// Younger credentials that a registry refuses are not asked for again: the answer would be the same.
const YOUNG: Duration = Duration::from_secs(10);

/// Where the credentials of a registry come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Login {
    /// These, as they are; `Anonymous` too.
    Fixed(Credentials),
    /// A file as docker, podman and Kubernetes keep them, and the credential helpers that it names.
    Docker(DockerOptions),
    /// A program that prints `user:password` (`ext:` of argocd-image-updater).
    Program {
        /// Its absolute path.
        path: PathBuf,
        /// How long what it prints is used; none = until a registry refuses it.
        expires: Option<Duration>,
    },
    /// Amazon ECR, private or public.
    Ecr(EcrOptions),
    /// Google Artifact Registry and Container Registry.
    Google(GoogleOptions),
    /// Azure Container Registry.
    Azure(AzureOptions),
}

impl Login {
    /// Gives the credentials that are fixed; none if a source is to be asked.
    pub fn fixed(&self) -> Option<&Credentials> {
        match self {
            Self::Fixed(credentials) => Some(credentials),
            Self::Docker(_) | Self::Program { .. } | Self::Ecr(_) | Self::Google(_) | Self::Azure(_) => None,
        }
    }
}

impl Default for Login {
    fn default() -> Self {
        Self::Fixed(Credentials::Anonymous)
    }
}

impl From<Credentials> for Login {
    fn from(credentials: Credentials) -> Self {
        Self::Fixed(credentials)
    }
}

/// Why there are no credentials. The reason holds no secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place} gives no credentials: {reason}")]
pub struct LoginError {
    /// Who was asked: a file, a program, or an endpoint of a cloud (scheme, host and port only).
    pub place: String,
    /// What is wrong.
    pub reason: String,
    /// Whether asking again later may help.
    pub is_passing: bool,
}

impl LoginError {
    /// What only a person can change.
    fn lasting(place: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self { place: place.to_string(), reason: reason.into(), is_passing: false }
    }

    /// What may be over at the next try.
    fn passing(place: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self { place: place.to_string(), reason: reason.into(), is_passing: true }
    }
}

/// Which credentials are used, in words that hold no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Description {
    /// Where they come from, and whose they are.
    pub what: String,
    /// When they end; none = not known, or never.
    pub until: Option<Timestamp>,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.until {
            Some(until) => write!(f, "{}, until {}", self.what, until.strftime("%Y-%m-%dT%H:%M:%SZ")),
            None => f.write_str(&self.what),
        }
    }
}

/// The registry that a source is for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The host as in image names.
    pub host: String,
    /// Where the API is, without `/v2`.
    pub api: Url,
    /// How the API is reached.
    pub client: ClientOptions,
    /// What the environment says of clouds.
    pub variables: Variables,
}

/// Credentials, and until when they can be used.
#[derive(Clone, Debug)]
struct Lease {
    credentials: Credentials,
    /// In words, without secrets.
    what: String,
    /// None = as long as nobody refuses them.
    until: Option<Instant>,
}

impl Lease {
    /// A lease that ends after a time.
    fn of(credentials: Credentials, what: String, lasts: Duration) -> Self {
        // Far ends overflow a clock; a day is longer than any cloud's lease.
        Self { credentials, what, until: Some(Instant::now() + lasts.min(Duration::from_secs(24 * 3600))) }
    }
}

/// What is kept of one answer.
#[derive(Default)]
struct Kept {
    lease: Option<(Instant, Lease)>,
    failure: Option<(Instant, LoginError)>,
}

impl Kept {
    /// Gives the lease, if there is no need to ask for another one yet.
    fn usable(&self, now: Instant) -> Option<&Lease> {
        let (since, lease) = self.lease.as_ref()?;
        let is_good = |until: Instant| now + MARGIN.min(until.saturating_duration_since(*since) / 4) < until;
        lease.until.is_none_or(is_good).then_some(lease)
    }

    /// Gives the lease, if it has not ended.
    fn alive(&self, now: Instant) -> Option<&Lease> {
        self.lease.as_ref().map(|(_, lease)| lease).filter(|lease| lease.until.is_none_or(|until| now < until))
    }
}

/// A running source of credentials for one registry.
pub struct Source {
    login: Login,
    target: Target,
    web: web::Web,
    docker: docker::Reader,
    /// Empty name but for helpers, of which a file may name several.
    kept: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Kept>>>>,
}

impl Source {
    /// Makes a source. Nothing is read and nobody is asked yet.
    pub fn new(login: Login, target: Target) -> Self {
        Self { login, target, web: web::Web::default(), docker: docker::Reader::default(), kept: Mutex::default() }
    }

    /// Gives credentials that can be used now for a repository of the registry. Callers that come at once wait for one
    /// answer.
    ///
    /// # Errors
    /// The source gives none.
    pub async fn credentials(&self, repository: &str) -> Result<Credentials, LoginError> {
        Ok(self.lease(repository).await?.credentials)
    }

    /// Says which credentials are used for a repository, in words without secrets, and until when.
    ///
    /// # Errors
    /// As [`Source::credentials`], which it asks.
    pub async fn describe(&self, repository: &str) -> Result<Description, LoginError> {
        let lease = self.lease(repository).await?;
        let left = lease.until.map(|until| until.saturating_duration_since(Instant::now()));
        let until = left.and_then(|left| Timestamp::now().checked_add(left).ok());
        Ok(Description { what: lease.what, until })
    }

    /// Notes that a registry refused these. Gives whether asking again may give others: then they are forgotten.
    pub async fn refuse(&self, refused: &Credentials) -> bool {
        if self.login.fixed().is_some() {
            return false;
        }
        let all: Vec<_> = self.lock().values().cloned().collect();
        for kept in all {
            let mut kept = kept.lock().await;
            if let Some((since, _)) = kept.lease.as_ref().filter(|(_, lease)| lease.credentials == *refused) {
                let is_old = since.elapsed() >= YOUNG;
                if is_old {
                    kept.lease = None;
                }
                return is_old;
            }
        }
        match &self.login {
            // What stands in the file itself is not kept.
            Login::Docker(options) => !self.docker.holds(options, refused).await,
            _ => true,
        }
    }

    async fn lease(&self, repository: &str) -> Result<Lease, LoginError> {
        let (target, host, web) = (&self.target, self.target.host.as_str(), &self.web);
        match &self.login {
            Login::Fixed(credentials) => Ok(fixed(credentials)),
            Login::Docker(options) => match self.docker.find(options, host, repository).await? {
                docker::Found::Lease(lease) => Ok(lease),
                docker::Found::Helper(helper) => {
                    let lease = self.keep(&helper.name(), helper.ask()).await?;
                    match lease.credentials {
                        Credentials::Anonymous => options.nothing(host, repository),
                        _ => Ok(lease),
                    }
                }
            },
            Login::Program { path, expires } => self.keep("", program::printed(path, *expires)).await,
            Login::Ecr(options) => self.keep("", ecr::lease(options, target, web)).await,
            Login::Google(options) => self.keep("", google::lease(options, target, web)).await,
            Login::Azure(options) => self.keep("", azure::lease(options, target, web)).await,
        }
    }

    /// Gives what is kept under a name, or asks for it. Who waits while somebody asks shares the answer, a failure too.
    async fn keep(
        &self,
        name: &str,
        ask: impl Future<Output = Result<Lease, LoginError>>,
    ) -> Result<Lease, LoginError> {
        let came = Instant::now();
        let kept = self.lock().entry(name.to_owned()).or_default().clone();
        let mut kept = kept.lock().await;
        if let Some(lease) = kept.usable(Instant::now()) {
            return Ok(lease.clone());
        }
        let is_shared = |(since, _): &&(Instant, LoginError)| *since >= came || since.elapsed() < PAUSE;
        let error = match kept.failure.as_ref().filter(is_shared) {
            Some((_, error)) => error.clone(),
            None => match ask.await.and_then(sendable) {
                Ok(lease) => {
                    *kept = Kept { lease: Some((Instant::now(), lease.clone())), failure: None };
                    return Ok(lease);
                }
                Err(error) => {
                    kept.failure = Some((Instant::now(), error.clone()));
                    error
                }
            },
        };
        // What is about to end has not ended: an outage of the source that is shorter than that is no outage of ours.
        kept.alive(Instant::now()).cloned().ok_or(error)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<tokio::sync::Mutex<Kept>>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fixed(credentials: &Credentials) -> Lease {
    // The user is not told: it may have been given by reference, and be half of a secret.
    let what = match credentials {
        Credentials::Anonymous => "nothing, it is asked anonymously",
        Credentials::Basic { .. } => "the user and password of the configuration",
        Credentials::Token(_) => "the token of the configuration",
        Credentials::IdentityToken(_) => "the identity token of the configuration",
        Credentials::SshKey { .. } | Credentials::SshAgent { .. } => "a key for ssh, which no registry takes",
    };
    Lease { credentials: credentials.clone(), what: what.to_owned(), until: None }
}

/// Refuses what no HTTP header can hold.
fn sendable(lease: Lease) -> Result<Lease, LoginError> {
    let fits = match &lease.credentials {
        Credentials::Anonymous => true,
        // RFC 7617: the first colon ends the user.
        Credentials::Basic { username, password } => {
            !username.contains(':') && !format!("{username}{}", password.expose()).contains(char::is_control)
        }
        Credentials::Token(token) | Credentials::IdentityToken(token) => {
            !token.expose().is_empty() && token.expose().bytes().all(|c| c.is_ascii_graphic())
        }
        Credentials::SshKey { .. } | Credentials::SshAgent { .. } => false,
    };
    if fits {
        return Ok(lease);
    }
    Err(LoginError::lasting(lease.what, "what it gave holds a character that no HTTP header can hold"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::secret::Secret;

    fn lease(token: &str, until: Option<Instant>) -> Lease {
        Lease { credentials: Credentials::Token(Secret::new(token)), what: "a test".to_owned(), until }
    }

    fn kept(since: Instant, lasts: u64) -> Kept {
        Kept { lease: Some((since, lease("x", Some(since + Duration::from_secs(lasts))))), failure: None }
    }

    #[test]
    fn a_lease_is_renewed_a_minute_before_its_end_and_a_short_one_at_three_quarters() {
        let since = Instant::now();
        for (lasts, after, is_usable, is_alive) in [
            (3600, 0, true, true),
            (3600, 3539, true, true),
            (3600, 3541, false, true),
            (3600, 3600, false, false),
            (40, 29, true, true),
            (40, 31, false, true),
            (40, 41, false, false),
            (0, 0, false, false),
        ] {
            let (kept, now) = (kept(since, lasts), since + Duration::from_secs(after));
            assert_eq!(
                (kept.usable(now).is_some(), kept.alive(now).is_some()),
                (is_usable, is_alive),
                "{lasts} {after}"
            );
        }
        let endless = Kept { lease: Some((since, lease("x", None))), failure: None };
        assert!(endless.usable(since + Duration::from_secs(1 << 30)).is_some());
    }

    fn source() -> Source {
        let target = Target {
            host: "r.example".to_owned(),
            api: Url::parse("https://r.example").unwrap(),
            client: ClientOptions::default(),
            variables: Variables::default(),
        };
        Source::new(Login::Program { path: "/nowhere".into(), expires: None }, target)
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_fails_is_left_alone_and_what_has_not_ended_is_used_meanwhile() {
        let source = source();
        let until = Some(Instant::now() + Duration::from_secs(100));
        let give = async |asked: Result<Lease, LoginError>| {
            let mut is_asked = false;
            let given = source
                .keep("", async {
                    is_asked = true;
                    asked
                })
                .await;
            (given.map(|lease| lease.credentials).ok(), is_asked)
        };
        let token = |text: &str| Some(Credentials::Token(Secret::new(text)));
        let failure = || Err(LoginError::passing("it", "is down"));
        assert_eq!(give(Ok(lease("one", until))).await, (token("one"), true));
        tokio::time::advance(Duration::from_secs(70)).await;
        assert_eq!(give(failure()).await, (token("one"), false));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(give(failure()).await, (token("one"), true), "about to end, and it cannot be renewed");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(give(Ok(lease("two", None))).await, (token("one"), false), "it is left alone for a while");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(give(failure()).await, (token("one"), true));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(give(failure()).await, (None, false), "now it has ended");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(give(Ok(lease("two", None))).await, (token("two"), true));
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_registry_refuses_is_forgotten_unless_it_was_just_given() {
        let source = source();
        let given = source.keep("", async { Ok(lease("one", None)) }).await.unwrap();
        assert!(!source.refuse(&given.credentials).await);
        tokio::time::advance(YOUNG).await;
        assert!(source.refuse(&given.credentials).await);
        let given = source.keep("", async { Ok(lease("two", None)) }).await.unwrap();
        assert_eq!(given.credentials, Credentials::Token(Secret::new("two")));
    }

    #[tokio::test]
    async fn what_no_header_can_hold_is_no_lease() {
        let basic = |username: &str, password: &str| Credentials::Basic {
            username: username.to_owned(),
            password: Secret::new(password),
        };
        for (credentials, expected) in [
            (basic("a", "b c"), true),
            (basic("a:b", "c"), false),
            (basic("a", "b\r\nHost: evil"), false),
            (Credentials::IdentityToken(Secret::new("a b")), false),
            (Credentials::Token(Secret::new("")), false),
        ] {
            let lease = Lease { credentials, ..lease("", None) };
            assert_eq!(source().keep("", async { Ok(lease) }).await.is_ok(), expected);
        }
    }
}
