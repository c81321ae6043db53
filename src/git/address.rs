//! Addresses of remotes: which are allowed, one spelling for all spellings, and a name for a directory.
//!
//! It connects nowhere.

use std::path::PathBuf;

use url::Url;

use crate::git::error::{GitError, Remote};
use crate::http::is_loopback;
use crate::model::remote_url::{RemoteUrl, Transport};

/// The address of a remote, checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::git) enum Address {
    /// A repository on this machine.
    Local(PathBuf),
    /// A repository behind HTTPS, or behind HTTP on this machine.
    Http(Url),
    /// A repository behind ssh.
    Ssh(RemoteUrl),
}

impl Address {
    /// Reads an address as `git clone` takes it. Refused are other schemes than those of [`RemoteUrl`], `http://` to
    /// any other machine (everybody on the way could change what is deployed), and the root of the file system.
    pub(in crate::git) fn parse(text: &str) -> Result<Self, GitError> {
        let refuse = |reason: String| GitError::TransportUnsupported { remote: Remote::shown(text), reason };
        let url: RemoteUrl =
            text.parse().map_err(|error: crate::model::remote_url::RemoteUrlError| refuse(error.to_string()))?;
        match url.transport() {
            Transport::Local => {
                let parts: Vec<&str> = url.path().split('/').filter(|part| !matches!(*part, "" | ".")).collect();
                if parts.is_empty() {
                    return Err(refuse("the path is the root of the file system".to_owned()));
                }
                Ok(Self::Local(PathBuf::from(format!("/{}", parts.join("/")))))
            }
            Transport::Http if !url.host().is_some_and(is_loopback) => {
                Err(refuse("plain http:// is for this machine only: use https://".to_owned()))
            }
            Transport::Http | Transport::Https => {
                // Without a slash at its end, so that the services are put behind it.
                let url = Url::parse(url.as_str().trim_end_matches('/')).map_err(|error| refuse(error.to_string()))?;
                Ok(Self::Http(url))
            }
            Transport::Ssh => Ok(Self::Ssh(url)),
        }
    }

    /// Gives one spelling for all spellings of this address.
    pub(in crate::git) fn normalized(&self) -> String {
        match self {
            Self::Local(path) => format!("file://{}", path.display()),
            Self::Http(url) => url.to_string(),
            Self::Ssh(url) => format!("ssh://{}@{}", url.user().unwrap_or("git"), url.normalised()),
        }
    }

    /// Gives a short readable name for a directory: letters, digits, `.`, `_` and `-` of the last two parts.
    pub(in crate::git) fn readable(&self) -> String {
        let text = match self {
            Self::Local(path) => path.display().to_string(),
            Self::Http(url) => url.path().to_owned(),
            Self::Ssh(url) => url.path().to_owned(),
        };
        let mut parts: Vec<&str> = text.rsplit('/').filter(|part| !part.is_empty()).take(2).collect();
        parts.reverse();
        let name = parts.join("-");
        let name = name.strip_suffix(".git").unwrap_or(&name);
        let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
        name.chars().map(legal).take(60).collect::<String>().trim_start_matches(['.', '-']).to_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_addresses_are_remotes() {
        for (text, expected) in [
            ("/srv/git/web.git", Ok("file:///srv/git/web.git")),
            ("file:///srv/git/web.git", Ok("file:///srv/git/web.git")),
            ("file://localhost/srv//git/./web.git/", Ok("file:///srv/git/web.git")),
            ("file:///srv/a%20b", Ok("file:///srv/a b")),
            ("https://git.example.com/acme/web.git/", Ok("https://git.example.com/acme/web.git")),
            ("https://user@GIT.example.com:443/acme/web", Ok("https://git.example.com/acme/web")),
            ("http://127.0.0.1:3000/web", Ok("http://127.0.0.1:3000/web")),
            ("http://[::1]:3000/web", Ok("http://[::1]:3000/web")),
            ("git@example.com:acme/web.git", Ok("ssh://git@example.com/acme/web")),
            ("ssh://git@example.com:22/acme/web", Ok("ssh://git@example.com/acme/web")),
            ("file:///srv/a%0ab", Err("the path holds no `..` and no control characters")),
            ("file://host/srv", Err("a file URL names no other host: file:///path")),
            ("/srv/\n", Err("a URL holds no control characters and no backslash")),
            ("/.", Err("the path is the root of the file system")),
            ("http://git.example.com/web", Err("plain http:// is for this machine only: use https://")),
            ("http://127.0.0.1.example.com/web", Err("plain http:// is for this machine only: use https://")),
            ("https://user:canary@example.com/web", Err("a URL holds no password: give it in `credentials`")),
            ("ssh://-oProxyCommand=x/web", Err("the host is no host name")),
            ("ext::sh -c touch% /tmp/x", Err("a URL that runs a remote helper is not allowed")),
            ("--upload-pack=x", Err("it is neither a URL nor an absolute path")),
            ("repin-session://0", Err("this scheme is not allowed")),
        ] {
            match (Address::parse(text), expected) {
                (Ok(address), Ok(normal)) => assert_eq!(address.normalized(), normal, "{text}"),
                (Err(GitError::TransportUnsupported { reason, remote }), Err(rule)) => {
                    assert!(reason.starts_with(rule), "{text}: {reason}");
                    assert!(!remote.to_string().contains("canary"), "{remote}");
                }
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_name_of_a_mirror_is_readable_and_harmless() {
        for (address, name) in [
            ("/srv/git/web.git", "git-web"),
            ("/x", "x"),
            ("/srv/a b/..c", "a_b-..c"),
            ("/-x", "x"),
            ("https://git.example.com/acme/web.git", "acme-web"),
            ("git@git.example.com:acme/web.git", "acme-web"),
        ] {
            assert_eq!(Address::parse(address).unwrap().readable(), name);
        }
    }
}
