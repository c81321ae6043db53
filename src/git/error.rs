//! What can go wrong with a remote and its mirror, for the caller to tell apart.

use std::fmt;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, Retry};
use crate::model::text::is_invisible;

/// The name of a remote as it may be shown: its address without user, password and query.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Remote(String);

impl Remote {
    /// Takes everything out of an address that may be secret or that a terminal would act on.
    pub fn shown(address: &str) -> Self {
        let address = plain(address, 300);
        let address = address.split(['?', '#']).next().unwrap_or_default();
        Self(match address.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
            }
            None if address.starts_with('/') => address.to_owned(),
            None => address.rsplit_once('@').map_or(address, |(_, rest)| rest).to_owned(),
        })
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why Git could not be read or written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The remote does not answer, or the connection broke.
    #[error("cannot reach {remote}: {reason}")]
    Unreachable {
        /// The remote.
        remote: Remote,
        /// What the transport said.
        reason: String,
    },
    /// The remote refused who asked.
    #[error("{remote} refused access: {reason}")]
    Unauthorized {
        /// The remote.
        remote: Remote,
        /// What the remote said.
        reason: String,
    },
    /// There is no repository at the address.
    #[error("{remote} is no Git repository{}", because(reason))]
    NotARepository {
        /// The remote.
        remote: Remote,
        /// What the server said; may be empty.
        reason: String,
    },
    /// The remote cannot prove who it is, or wants a proof of us that it does not get.
    #[error("no protected connection to {remote}: {reason}")]
    Tls {
        /// The remote.
        remote: Remote,
        /// What the TLS library or the server said.
        reason: String,
    },
    /// The host shows a key, and none is known for it.
    #[error("the host key of {host} is not known: it shows {key}, and there is none for it in {files}")]
    HostKeyUnknown {
        /// The remote.
        remote: Remote,
        /// The host, as known_hosts names it.
        host: String,
        /// Algorithm and fingerprint.
        key: String,
        /// Where it was looked for.
        files: String,
    },
    /// The host shows another key than the one that is known.
    #[error("the host key of {host} has changed: it shows {key}, and {place} has {known}")]
    HostKeyChanged {
        /// The remote.
        remote: Remote,
        /// The host, as known_hosts names it.
        host: String,
        /// Algorithm and fingerprint of the key that it shows.
        key: String,
        /// File and line of the known one.
        place: String,
        /// Algorithm and fingerprint of the known one.
        known: String,
    },
    /// The host shows a key that is marked as revoked.
    #[error("the host key of {host} is revoked: it shows {key}, which {place} revokes")]
    HostKeyRevoked {
        /// The remote.
        remote: Remote,
        /// The host, as known_hosts names it.
        host: String,
        /// Algorithm and fingerprint.
        key: String,
        /// File and line.
        place: String,
    },
    /// The remote points to a place that the credentials are not for.
    #[error("{remote} points to {to}, where nothing was sent")]
    Redirected {
        /// The remote.
        remote: Remote,
        /// The place, safe to show.
        to: String,
    },
    /// The address is of a kind that cannot be used.
    #[error("{remote} cannot be used as a remote: {reason}")]
    TransportUnsupported {
        /// The remote.
        remote: Remote,
        /// What is wrong with the address.
        reason: String,
    },
    /// The remote has no such branch, or names no default branch.
    #[error("{remote} has no {}; it has {}", wanted(branch.as_deref()), listed(existing, *more))]
    NoSuchBranch {
        /// The remote.
        remote: Remote,
        /// The branch asked for; none for the default branch.
        branch: Option<String>,
        /// Up to ten branches that exist.
        existing: Vec<String>,
        /// How many more exist.
        more: usize,
    },
    /// The remote has no commit at all.
    #[error("{remote} has no commits")]
    EmptyRepository {
        /// The remote.
        remote: Remote,
    },
    /// A commit that was asked for is not on the branches that the mirror follows.
    #[error("commit {commit} of {remote} is not in the mirror")]
    NoSuchCommit {
        /// The remote.
        remote: Remote,
        /// The commit.
        commit: String,
    },
    /// The branch is not where it was when the change was planned: plan again on the new head.
    #[error("branch `{branch}` of {remote} has moved: {reason}")]
    Moved {
        /// The remote.
        remote: Remote,
        /// The branch.
        branch: String,
        /// What shows it.
        reason: String,
    },
    /// A hook or a rule of the server refused the push.
    #[error("{remote} refused the push to `{branch}`: {reason}")]
    Rejected {
        /// The remote.
        remote: Remote,
        /// The branch.
        branch: String,
        /// The server's words and the hook's own.
        reason: String,
    },
    /// The server said ok, and the branch does not hold the commit, or is still there.
    #[error("{remote} accepted the push to `{branch}`, but {}", left(commit.as_deref()))]
    NotWritten {
        /// The remote.
        remote: Remote,
        /// The branch.
        branch: String,
        /// The commit that is not there, shortened; none if the branch was to be deleted.
        commit: Option<String>,
    },
    /// The remote did not answer in time.
    #[error("{remote} did not answer within {} s", limit.as_secs())]
    Timeout {
        /// The remote.
        remote: Remote,
        /// The limit that was reached.
        limit: Duration,
    },
    /// The mirror's place on disk cannot be used.
    #[error("cannot use the mirror of {remote} on disk: {reason}")]
    Cache {
        /// The remote.
        remote: Remote,
        /// What the system said, with the path.
        reason: String,
    },
    /// A path is not a regular file.
    #[error("`{path}` in {remote} is {found}, not a regular file")]
    NotRegular {
        /// The remote.
        remote: Remote,
        /// The path, or the object.
        path: String,
        /// What is there.
        found: &'static str,
    },
    /// Something is larger than allowed.
    #[error("{what} in {remote} is too large: {size}, the limit is {limit}")]
    TooLarge {
        /// The remote.
        remote: Remote,
        /// What is too large.
        what: String,
        /// Its size, with the unit.
        size: String,
        /// The limit, with the unit.
        limit: String,
    },
    /// An object is missing or damaged, in the mirror or in what the remote sent.
    #[error("the objects of {remote} cannot be read: {reason}")]
    Corrupt {
        /// The remote.
        remote: Remote,
        /// What git said.
        reason: String,
    },
    /// A commit would change nothing, or cannot be written down as asked.
    #[error("cannot make a commit for {remote}: {reason}")]
    BadCommit {
        /// The remote.
        remote: Remote,
        /// What is wrong with the commit.
        reason: String,
    },
}

impl Diagnostic for GitError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "git/unreachable",
            Self::Unauthorized { .. } => "git/unauthorized",
            Self::NotARepository { .. } => "git/not-a-repository",
            Self::Tls { .. } => "git/tls",
            Self::HostKeyUnknown { .. } => "git/host-key-unknown",
            Self::HostKeyChanged { .. } => "git/host-key-changed",
            Self::HostKeyRevoked { .. } => "git/host-key-revoked",
            Self::Redirected { .. } => "git/redirected",
            Self::TransportUnsupported { .. } => "git/transport-unsupported",
            Self::NoSuchBranch { .. } => "git/no-such-branch",
            Self::EmptyRepository { .. } => "git/empty-repository",
            Self::NoSuchCommit { .. } => "git/no-such-commit",
            Self::Moved { .. } => "git/moved",
            Self::Rejected { .. } => "git/push-rejected",
            Self::NotWritten { .. } => "git/not-written",
            Self::Timeout { .. } => "git/timeout",
            Self::Cache { .. } => "git/cache",
            Self::NotRegular { .. } => "git/not-regular",
            Self::TooLarge { .. } => "git/too-large",
            Self::Corrupt { .. } => "git/corrupt",
            Self::BadCommit { .. } => "git/bad-commit",
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { reason, .. } if reason.contains("is not installed") => {
                "install git, or put it on the PATH of repin"
            }
            Self::Unreachable { reason, .. } if reason.contains("through the proxy") => {
                "look at the proxy, and at `proxy` of the repository"
            }
            Self::Unreachable { reason, .. } if reason.contains("larger than it takes") => {
                "raise the server's limit on the size of a request (nginx: `client_max_body_size`)"
            }
            Self::Unreachable { .. } => "look at the server and the way to it; repin tries again",
            Self::Unauthorized { reason, .. } if reason.contains("dubious ownership") => {
                "let the repository belong to the user that runs repin, or add it to `safe.directory` of that user's git configuration"
            }
            Self::Unauthorized { reason, .. } if reason.contains("none are configured") => {
                "set `credentials` of the repository"
            }
            Self::Unauthorized { reason, .. } if reason.contains("private key cannot be used") => {
                "look at `ssh_key` and `passphrase` of the repository"
            }
            Self::Unauthorized { reason, .. } if reason.contains("is not accepted") => {
                "add the public part of the key to the account or to the deploy keys on the server"
            }
            Self::Unauthorized { reason, .. } if reason.contains("are wrong") => {
                "replace the secret that `credentials` of the repository names; it may have expired"
            }
            Self::Unauthorized { .. } => "give the account that repin uses the right to read and to push",
            Self::NotARepository { .. } => "check the address of the repository, and that repin may read it",
            Self::TransportUnsupported { .. } => {
                "use https://, ssh://, git@host:path, or the absolute path of a repository on this machine"
            }
            Self::Tls { reason, .. } if reason.contains("UnknownIssuer") => {
                "give the certificate of the server's own authority in `ca` of the repository"
            }
            Self::Tls { reason, .. } if reason.contains("ertificateRequired") || reason.contains("SSL certificate") => {
                "give `client_certificate` of the repository, from an authority that the server knows"
            }
            Self::Tls { .. } => "look at the server's certificate: its names, its dates, and who signed it",
            Self::HostKeyUnknown { .. } => {
                "compare the fingerprint with the one that the server's operator publishes; if it is the same, add the line of `ssh-keyscan` to `known_hosts` of the repository"
            }
            Self::HostKeyChanged { .. } => {
                "somebody may be in between: ask the server's operator, and replace the line only if the change is theirs"
            }
            Self::HostKeyRevoked { .. } => "do not go on: ask the server's operator for its new key",
            Self::Redirected { .. } => {
                "if you trust that place, make it the `url` of the repository; a login page means that `credentials` are missing or wrong"
            }
            Self::NoSuchBranch { branch: None, .. } => "set the branch, or give the remote a default branch",
            Self::NoSuchBranch { .. } => "correct the branch, or create it",
            Self::EmptyRepository { .. } => "push a first commit",
            Self::NoSuchCommit { .. } => "name a commit of a branch that repin follows",
            Self::Moved { .. } => "nothing: the change is planned again on the new head",
            Self::Rejected { reason, .. } if reason.contains("exists; cannot create") => {
                "delete or rename the branch that stands in the way: Git has no `a/b` beside `a`"
            }
            Self::Rejected { .. } => "let the account that repin uses push to the branch, or deliver by pull request",
            Self::NotWritten { .. } => "look at the server's hooks and at who rewrites the branch",
            Self::Timeout { .. } => "look for a slow hook on the server, or raise the time limit",
            Self::Cache { .. } => {
                "check the space, the owner and the mode of the cache directory; its content may be deleted"
            }
            Self::NotRegular { .. } => "point to the file itself: links and submodules are never followed",
            Self::TooLarge { .. } => "point to a smaller file, or make the repository smaller",
            Self::Corrupt { .. } => "nothing: the mirror is made again; if it stays, run `git fsck` on the server",
            Self::BadCommit { .. } => "report it with this message: it is a defect of repin",
        };
        Some(hint.to_owned())
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::Moved { .. }
            | Self::NotWritten { .. }
            | Self::Timeout { .. }
            | Self::Cache { .. }
            | Self::Corrupt { .. } => Retry::Later,
            Self::Unauthorized { .. }
            | Self::NotARepository { .. }
            | Self::Tls { .. }
            | Self::HostKeyUnknown { .. }
            | Self::HostKeyChanged { .. }
            | Self::HostKeyRevoked { .. }
            | Self::Redirected { .. }
            | Self::TransportUnsupported { .. }
            | Self::NoSuchBranch { .. }
            | Self::EmptyRepository { .. }
            | Self::NoSuchCommit { .. }
            | Self::Rejected { .. }
            | Self::NotRegular { .. }
            | Self::TooLarge { .. }
            | Self::BadCommit { .. } => Retry::Never,
        }
    }
}

/// Makes one printable line of what another program wrote: lines joined by `; `, no control and no direction-changing
/// characters, at most `limit` characters.
pub(in crate::git) fn plain(text: &str, limit: usize) -> String {
    let lines = text.split(['\n', '\r']).map(|line| {
        line.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect::<String>().trim().to_owned()
    });
    let joined = lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    if joined.chars().count() <= limit {
        return joined;
    }
    let mut cut: String = joined.chars().take(limit).collect();
    cut.push('…');
    cut
}

fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

fn left(commit: Option<&str>) -> String {
    commit.map_or_else(
        || "the branch is still there".to_owned(),
        |commit| format!("the branch does not hold commit {commit}"),
    )
}

fn wanted(branch: Option<&str>) -> String {
    branch.map_or_else(|| "default branch".to_owned(), |branch| format!("branch `{branch}`"))
}

fn listed(existing: &[String], more: usize) -> String {
    let names = existing.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_shown_without_its_secrets() {
        for (address, shown) in [
            ("https://user:canary@git.example.com/acme/web.git", "https://git.example.com/acme/web.git"),
            ("https://canary@git.example.com", "https://git.example.com"),
            ("https://git.example.com/web?token=canary#x", "https://git.example.com/web"),
            ("file:///srv/git/we@b", "file:///srv/git/we@b"),
            ("user:canary@git.example.com:acme/web", "git.example.com:acme/web"),
            ("/srv/git/web\u{1b}[2J", "/srv/git/web[2J"),
        ] {
            assert_eq!(Remote::shown(address).to_string(), shown);
        }
    }

    #[test]
    fn text_of_others_is_one_printable_line() {
        for (text, expected) in [
            ("a\r\n\n  b\0\u{1b}[31m\n", "a; b[31m"),
            ("\u{202e}evil", "evil"),
            ("0123456789abc", "0123456789…"),
            ("", ""),
        ] {
            assert_eq!(plain(text, 10), expected);
        }
    }

    #[test]
    fn a_missing_branch_names_those_that_exist() {
        let error = |branch: Option<&str>, more| GitError::NoSuchBranch {
            remote: Remote::shown("/r"),
            branch: branch.map(str::to_owned),
            existing: vec!["a".to_owned(), "b".to_owned()],
            more,
        };
        assert_eq!(error(Some("x"), 0).to_string(), "/r has no branch `x`; it has `a`, `b`");
        assert_eq!(error(None, 3).to_string(), "/r has no default branch; it has `a`, `b` and 3 more");
    }
}
