//! Who may be told which secret.
//!
//! Secrets are bound to a place when they are configured, and given out only for a URL inside that place: same scheme,
//! same host, same port, path below the same prefix. Reading them from files or variables is the configuration's task.

pub(crate) mod jwt;
pub(crate) mod masking;

use std::fmt;
use std::path::PathBuf;

use url::Url;

use crate::secret::Secret;

/// What proves who asks. `Debug` shows no secret.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    Anonymous,
    /// A user and a password, as HTTP Basic (RFC 7617).
    Basic {
        /// The user.
        username: String,
        /// The password, or the token used as one.
        password: Secret,
    },
    /// A token, as HTTP Bearer (RFC 6750); for Git as the password of a user, see [`Credentials::for_git`].
    Token(Secret),
    /// A refresh token of a registry's token service (`identitytoken` of docker's `config.json`); for registries only.
    IdentityToken(Secret),
    /// A private key for ssh.
    SshKey {
        /// The key as OpenSSH writes it, PEM.
        key: Secret,
        /// What it is encrypted with.
        passphrase: Option<Secret>,
    },
    /// The keys of an ssh agent.
    SshAgent {
        /// Its socket.
        socket: PathBuf,
    },
}

impl Credentials {
    /// Gives user and password for Git over HTTP, if these are credentials for it.
    ///
    /// Servers of Git take tokens as passwords. GitHub wants the user `x-access-token` for the tokens of Apps and
    /// ignores it otherwise; GitLab (personal, group and project access tokens), Gitea, Forgejo and Azure DevOps take
    /// any user. Deploy tokens of GitLab and tokens of Bitbucket want a user of their own: those are
    /// [`Credentials::Basic`].
    pub fn for_git(&self) -> Option<(&str, &Secret)> {
        match self {
            Self::Basic { username, password } => Some((username, password)),
            Self::Token(token) => Some(("x-access-token", token)),
            Self::Anonymous | Self::IdentityToken(_) | Self::SshKey { .. } | Self::SshAgent { .. } => None,
        }
    }
}

/// Why credentials cannot be bound to a place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("credentials cannot be bound to `{place}`: {rule}")]
pub struct PlaceError {
    /// The place, without user, password and query.
    pub place: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// A place that credentials are bound to, whichever they are.
#[derive(Clone, Debug)]
pub struct Binding(Place);

impl Binding {
    /// Binds to scheme, host, port and path prefix of a URL.
    ///
    /// # Errors
    /// If the URL has no host, no known port, or an ambiguous path.
    pub fn new(place: &Url) -> Result<Self, PlaceError> {
        Place::of(place).map(Self).map_err(|rule| PlaceError { place: without_secrets(place), rule })
    }

    /// Tells whether a URL is inside the place.
    pub fn covers(&self, url: &Url) -> bool {
        Place::of(url).is_ok_and(|asked| self.0.holds(&asked))
    }
}

/// Credentials by the place they were configured for.
#[derive(Clone, Default)]
pub struct CredentialStore {
    entries: Vec<(Place, Credentials)>,
}

impl CredentialStore {
    /// Binds credentials to scheme, host, port and path prefix of a URL; the same place again replaces them.
    ///
    /// # Errors
    /// If the URL has no host, no known port, or an ambiguous path.
    pub fn bind(&mut self, place: &Url, credentials: Credentials) -> Result<(), PlaceError> {
        let place = Place::of(place).map_err(|rule| PlaceError { place: without_secrets(place), rule })?;
        self.entries.retain(|(other, _)| *other != place);
        self.entries.push((place, credentials));
        Ok(())
    }

    /// Gives the credentials for a URL: those of the longest prefix that holds it, else `Anonymous`.
    pub fn for_url(&self, url: &Url) -> &Credentials {
        const NONE: &Credentials = &Credentials::Anonymous;
        let Ok(asked) = Place::of(url) else { return NONE };
        self.entries
            .iter()
            .filter(|(place, _)| place.holds(&asked))
            .max_by_key(|(place, _)| place.path.len())
            .map_or(NONE, |(_, credentials)| credentials)
    }
}

impl fmt::Debug for CredentialStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(place, _)| place)).finish()
    }
}

/// Scheme, host, port and path prefix without a trailing slash.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Place {
    scheme: String,
    host: String,
    port: u16,
    path: String,
}

impl Place {
    fn of(url: &Url) -> Result<Self, &'static str> {
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it has no host")?;
        let known = match url.scheme() {
            "ssh" => Some(22),
            _ => None,
        };
        let port = url.port_or_known_default().or(known).ok_or("it names no port, and its scheme has none")?;
        let path = url.path();
        // A server may decode these and so leave the prefix that was compared here.
        let lower = path.to_ascii_lowercase();
        if ["%2f", "%5c", "%2e", "\\", "/../"].iter().any(|part| lower.contains(part)) || lower.ends_with("/..") {
            return Err("its path holds an encoded slash or dot");
        }
        Ok(Self {
            scheme: url.scheme().to_owned(),
            host: host.trim_end_matches('.').to_ascii_lowercase(),
            port,
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    fn holds(&self, asked: &Place) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        self.scheme == asked.scheme
            && self.host == asked.host
            && self.port == asked.port
            && asked.path.strip_prefix(&self.path).is_some_and(below)
    }
}

fn without_secrets(url: &Url) -> String {
    let mut parts = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    if let Some(port) = url.port() {
        parts.push_str(&format!(":{port}"));
    }
    parts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn token(text: &str) -> Credentials {
        Credentials::Token(Secret::new(text))
    }

    #[test]
    fn credentials_are_given_only_inside_the_place_they_were_bound_to() {
        let mut store = CredentialStore::default();
        store.bind(&url("https://git.example.com/acme/"), token("acme")).unwrap();
        store.bind(&url("https://git.example.com/acme/secret"), token("deep")).unwrap();
        store.bind(&url("ssh://git@git.example.com/acme"), token("ssh")).unwrap();
        for (asked, expected) in [
            ("https://git.example.com/acme/web.git/info/refs?service=git-upload-pack", Some("acme")),
            ("https://git.example.com:443/acme", Some("acme")),
            ("https://GIT.example.com./acme/x", Some("acme")),
            ("https://git.example.com/acme/secret/x", Some("deep")),
            ("https://git.example.com/acme/secrets", Some("acme")),
            ("ssh://git@git.example.com:22/acme/web.git", Some("ssh")),
            ("https://git.example.com/acmeevil/web", None),
            ("https://git.example.com/", None),
            ("https://git.example.com/acme/../other", None),
            ("https://git.example.com/acme/%2e%2e/other", None),
            ("https://git.example.com/acme/..%2fother", None),
            ("https://git.example.com:8443/acme/web", None),
            ("http://git.example.com/acme/web", None),
            ("https://git.example.com.evil.com/acme/web", None),
            ("https://evil.com/@git.example.com/acme/web", None),
            ("https://git.example.com@evil.com/acme/web", None),
            ("https://sub.git.example.com/acme/web", None),
        ] {
            let expected = expected.map_or(Credentials::Anonymous, token);
            assert_eq!(*store.for_url(&url(asked)), expected, "{asked}");
        }
    }

    #[test]
    fn binding_the_same_place_again_rotates_the_credentials() {
        let mut store = CredentialStore::default();
        store.bind(&url("https://ghcr.io"), token("old")).unwrap();
        store.bind(&url("https://ghcr.io/"), token("new")).unwrap();
        assert_eq!(*store.for_url(&url("https://ghcr.io/v2/")), token("new"));
    }

    #[test]
    fn a_place_without_a_host_is_refused_without_showing_what_it_holds() {
        let mut store = CredentialStore::default();
        let error = store.bind(&url("file:///srv/hunter2"), token("hunter2")).unwrap_err();
        assert_eq!(error.to_string(), "credentials cannot be bound to `file://`: it has no host");
        store.bind(&url("https://x.example.com"), token("hunter2")).unwrap();
        assert!(!format!("{store:?}").contains("hunter2"));
    }
}
