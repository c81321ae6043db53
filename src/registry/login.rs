//! Where the credentials of a registry come from: fixed ones, or a source that gives them for a while.
//!
//! A [`Login`] is a setting, a [`Source`] what runs of it: it keeps what it was given until shortly before that ends, and
//! asks once, however many requests wait. What the credentials are then used for, and to whom they are sent, is decided in
//! `host`. Nothing here sends anything to the registry's own API but where a cloud's documents say so.

use std::time::Duration;

use tokio::time::Instant;

use crate::credentials::Credentials;

/// How long before their end credentials are asked for anew.
const MARGIN: Duration = Duration::from_secs(60);

/// Where the credentials of a registry come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Login {
    /// These, as they are; `Anonymous` too.
    Fixed(Credentials),
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

/// Credentials, and until when they can be used.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) credentials: Credentials,
    /// None = as long as nobody refuses them.
    pub(crate) until: Option<Instant>,
}

/// Why there are no credentials. The reason holds no secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place} gives no credentials: {reason}")]
pub(crate) struct LoginError {
    /// Who was asked: a file, a program, or an endpoint of a cloud (scheme, host and port only).
    pub(crate) place: String,
    /// What is wrong.
    pub(crate) reason: String,
    /// Whether asking again later may help.
    pub(crate) is_passing: bool,
}

/// A running source of credentials for one registry.
pub(crate) struct Source {
    login: Login,
    kept: tokio::sync::Mutex<Option<Lease>>,
}

impl Source {
    pub(crate) fn new(login: Login) -> Self {
        Self { login, kept: tokio::sync::Mutex::default() }
    }

    /// Gives credentials that can be used now. Callers that come at once wait for one answer.
    ///
    /// # Errors
    /// The source gives none.
    pub(crate) async fn credentials(&self) -> Result<Credentials, LoginError> {
        let Login::Fixed(fixed) = &self.login;
        if let Login::Fixed(_) = &self.login {
            return Ok(fixed.clone());
        }
        let mut kept = self.kept.lock().await;
        let is_good = |lease: &&Lease| lease.until.is_none_or(|until| Instant::now() + MARGIN < until);
        if let Some(lease) = kept.as_ref().filter(is_good) {
            return Ok(lease.credentials.clone());
        }
        let lease = self.ask().await?;
        let credentials = lease.credentials.clone();
        *kept = Some(lease);
        Ok(credentials)
    }

    /// Notes that a registry refused these. Gives whether asking again may give others: then they are forgotten.
    pub(crate) async fn refuse(&self, refused: &Credentials) -> bool {
        if let Login::Fixed(_) = self.login {
            return false;
        }
        let mut kept = self.kept.lock().await;
        if kept.as_ref().is_some_and(|lease| lease.credentials == *refused) {
            *kept = None;
        }
        true
    }

    async fn ask(&self) -> Result<Lease, LoginError> {
        match &self.login {
            Login::Fixed(credentials) => Ok(Lease { credentials: credentials.clone(), until: None }),
        }
    }
}
