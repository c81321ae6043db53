//! Git over ssh: connecting, believing the host, logging in, and starting the service.
//!
//! Nothing is sent to a host whose key is not known. What flows afterwards stands in `ssh_stream.rs`.
//!
//! Specs: RFC 4251 to 4254; gitprotocol-pack(5), "SSH Transport".

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git2::transport::Service;
use russh::client::{self, Handle, Handler, Msg};
use russh::keys::{Algorithm, HashAlg, PublicKeyOrCertificate};
use russh::{Channel, Preferred};

use crate::credentials::Credentials;
use crate::git::error::{GitError, Remote, plain};
use crate::git::known_hosts::{self, KnownHosts, Refusal};
use crate::git::mirror::Options;
use crate::git::network::Conversation;
use crate::git::ssh_login::Proof;
use crate::git::ssh_stream::SshStream;
use crate::model::remote_url::RemoteUrl;

/// How often a silent connection is asked for a sign of life, and how many may stay away.
const KEEPALIVE: Duration = Duration::from_secs(30);
const MISSED_KEEPALIVES: usize = 4;
/// Largest file of host keys, in bytes.
const MAX_KNOWN_HOSTS: u64 = 1 << 20;
/// Longest text of a server in a message, in characters.
const MAX_TEXT: usize = 500;

/// A repository behind ssh.
pub(in crate::git) struct SshRemote {
    user: String,
    host: String,
    port: u16,
    path: String,
    credentials: Credentials,
    known_hosts: Vec<PathBuf>,
}

impl SshRemote {
    /// Takes an address apart; connects nowhere.
    pub(in crate::git) fn new(url: &RemoteUrl, options: &Options) -> Self {
        let path = url.path();
        // A path of a URL starts at the root, but for `/~user`; one of `git@host:path` starts where the user is.
        let path = if url.is_scp_like() || path.starts_with('~') { path.to_owned() } else { format!("/{path}") };
        Self {
            user: url.user().unwrap_or("git").to_owned(),
            host: url.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(22),
            path,
            credentials: options.access.credentials.clone(),
            known_hosts: options.access.known_hosts.clone(),
        }
    }

    /// Connects, logs in and starts a service. Blocks.
    pub(in crate::git) fn open(&self, conversation: &Arc<Conversation>, service: Service) -> io::Result<SshStream> {
        let program = match service {
            Service::UploadPackLs | Service::UploadPack => "git-upload-pack",
            Service::ReceivePackLs | Service::ReceivePack => "git-receive-pack",
        };
        let opened = conversation.wait_at_most(conversation.connect_limit(), self.start(&conversation.remote, program));
        match opened? {
            Ok((session, channel)) => Ok(SshStream::new(Arc::clone(conversation), session, channel)),
            Err(error) => Err(conversation.fail(error.into_git(&conversation.remote))),
        }
    }

    async fn start(&self, remote: &Remote, program: &str) -> Result<(Handle<Guard>, Channel<Msg>), SshError> {
        // Before anything is sent: without a key there is nothing to ask for.
        let proof = Proof::new(&self.credentials)?;
        let files = self.known_hosts.iter().filter_map(|path| Some((path.display().to_string(), read(path)?)));
        let known = KnownHosts::parse(&files.collect::<Vec<_>>());
        let mut algorithms = known.order(&self.host, self.port, &Preferred::DEFAULT.key);
        // Keys of hosts that this build cannot check must not be agreed on.
        algorithms.retain(|algorithm| !matches!(algorithm, Algorithm::Rsa { .. } | Algorithm::Dsa));
        let preferred =
            Preferred { key: Cow::Owned(algorithms), host_key_certificates: Cow::Borrowed(&[]), ..Preferred::DEFAULT };
        let config = client::Config {
            preferred,
            nodelay: true,
            keepalive_interval: Some(KEEPALIVE),
            keepalive_max: MISSED_KEEPALIVES,
            ..client::Config::default()
        };
        let guard = Guard {
            remote: remote.clone(),
            host: self.host.clone(),
            port: self.port,
            known,
            files: self.known_hosts.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or "),
        };
        let mut session = client::connect(Arc::new(config), (self.host.as_str(), self.port), guard).await?;
        proof.present(&mut session, &self.user).await?;
        let channel = session.channel_open_session().await?;
        channel.exec(true, format!("{program} {}", quoted(&self.path))).await?;
        Ok((session, channel))
    }
}

/// Looks at the host's key.
pub(in crate::git) struct Guard {
    remote: Remote,
    host: String,
    port: u16,
    known: KnownHosts,
    files: String,
}

impl Handler for Guard {
    type Error = SshError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let key = shown.public_key();
        let Err(refusal) = self.known.check(&self.host, self.port, &key) else { return Ok(true) };
        let (remote, host) = (self.remote.clone(), known_hosts::name(&self.host, self.port));
        let key = format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256));
        let files = if self.files.is_empty() { "known_hosts".to_owned() } else { self.files.clone() };
        Err(SshError::Host(Box::new(match refusal {
            Refusal::Unknown => GitError::HostKeyUnknown { remote, host, key, files },
            Refusal::Changed { place, known } => GitError::HostKeyChanged { remote, host, key, place, known },
            Refusal::Revoked { place } => GitError::HostKeyRevoked { remote, host, key, place },
        })))
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::git) enum SshError {
    /// The host's key is not believed.
    #[error(transparent)]
    Host(Box<GitError>),
    /// Who asks is not let in.
    #[error("{0}")]
    Refused(String),
    /// The connection broke.
    #[error("{0}")]
    Broken(String),
}

impl From<russh::Error> for SshError {
    fn from(error: russh::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<russh::SendError> for SshError {
    fn from(_: russh::SendError) -> Self {
        Self::Broken("the connection was closed".to_owned())
    }
}

impl SshError {
    /// Gives the error as the caller of Git sees it.
    pub(in crate::git) fn into_git(self, remote: &Remote) -> GitError {
        let remote = remote.clone();
        match self {
            Self::Host(error) => *error,
            Self::Refused(reason) => GitError::Unauthorized { remote, reason: plain(&reason, MAX_TEXT) },
            Self::Broken(reason) => GitError::Unreachable { remote, reason: plain(&reason, MAX_TEXT) },
        }
    }
}

/// Reads a file of host keys; one that cannot be read holds no key, so that nothing is believed because of it.
fn read(path: &PathBuf) -> Option<String> {
    let is_small = std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() <= MAX_KNOWN_HOSTS);
    if is_small { std::fs::read_to_string(path).ok() } else { None }
}

/// Quotes a path as git does for the shell of the server.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart_as_git_does() {
        for (text, expected) in [
            ("git@git.example.com:acme/web.git", ("git", "git.example.com", 22, "acme/web.git")),
            ("git@git.example.com:/srv/web.git", ("git", "git.example.com", 22, "/srv/web.git")),
            ("ssh://me@git.example.com:7999/acme/web.git", ("me", "git.example.com", 7999, "/acme/web.git")),
            ("ssh://git.example.com/~me/web", ("git", "git.example.com", 22, "~me/web")),
            ("ssh://[::1]:2222/web", ("git", "::1", 2222, "/web")),
        ] {
            let options = Options::new("/nonexistent", text);
            let remote = SshRemote::new(&text.parse().unwrap(), &options);
            assert_eq!((remote.user.as_str(), remote.host.as_str(), remote.port, remote.path.as_str()), expected);
        }
    }

    #[test]
    fn no_path_leaves_its_quotes() {
        assert_eq!(quoted("/srv/a b"), "'/srv/a b'");
        assert_eq!(quoted("/srv/'; touch x #!"), r"'/srv/'\''; touch x #'\!''");
    }
}
