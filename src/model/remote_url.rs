//! URLs of Git remotes: which are allowed, and when two of them name one repository.
//!
//! Forms: those of git-clone(1), "Git URLs", without `git://` (nothing proves who answers) and `<helper>::<address>`
//! (runs a program). Nothing here connects.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// Longest URL, in bytes.
const MAX_BYTES: usize = 2048;
/// What is allowed, for messages.
const ALLOWED: &str = "allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path";

/// How a remote is reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Transport {
    /// `https://`
    Https,
    /// `http://`, without protection on the way.
    Http,
    /// `ssh://` or `user@host:path`.
    Ssh,
    /// `file:///path` or an absolute path.
    Local,
}

impl Transport {
    fn default_port(self) -> Option<u16> {
        match self {
            Self::Https => Some(443),
            Self::Http => Some(80),
            Self::Ssh => Some(22),
            Self::Local => None,
        }
    }
}

/// The URL of a Git remote. It never holds a password; `Display` and `Debug` show no user of an http(s) URL, which may
/// be a token. Equal only if written the same: compare [`RemoteUrl::normalised`] to ask for the same repository.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct RemoteUrl {
    transport: Transport,
    user: Option<String>,
    /// Lower case; empty for a local path.
    host: String,
    port: Option<u16>,
    /// Decoded; for a local path what the file system is asked for.
    path: String,
    /// As written, without the user if it is http(s).
    text: String,
}

/// Why a text is no URL of a remote. The text is not part of it: it may hold a password.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{rule}; {ALLOWED}")]
pub struct RemoteUrlError {
    /// The rule it breaks.
    pub rule: &'static str,
}

impl RemoteUrl {
    /// Gives how it is reached.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Gives the host in lower case; none for a local path.
    pub fn host(&self) -> Option<&str> {
        (!self.host.is_empty()).then_some(&self.host)
    }

    /// Gives the user of an ssh URL, or the one that an http(s) URL was written with. Not for messages.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Gives the port, with the default of its scheme; none for a local path.
    pub fn port(&self) -> Option<u16> {
        self.port.or(self.transport.default_port())
    }

    /// Gives the path, decoded: without the slash after the host of a URL, as written for `git@host:path`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Tells whether it is written `git@host:path`, whose path starts at the home of the user.
    pub fn is_scp_like(&self) -> bool {
        self.transport == Transport::Ssh && !self.text.contains("://")
    }

    /// Gives the path of a local repository, absolute.
    pub fn local_path(&self) -> Option<&Path> {
        (self.transport == Transport::Local).then(|| Path::new(&self.path))
    }

    /// Gives the URL to connect to, as written but without the user of http(s).
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Gives one spelling for all URLs of one repository: `host/path` without scheme, user, default port, `.git` and
    /// outer slashes, the host in lower case; a local path keeps its leading `/`. Paths keep their case.
    pub fn normalised(&self) -> String {
        let path: Vec<&str> = self.path.split('/').filter(|part| !part.is_empty()).collect();
        let path = path.join("/");
        let path = path.strip_suffix(".git").unwrap_or(&path).trim_end_matches('/');
        match self.port.filter(|port| Some(*port) != self.transport.default_port()) {
            Some(port) => format!("{}:{port}/{path}", self.host),
            None => format!("{}/{path}", self.host),
        }
    }
}

impl FromStr for RemoteUrl {
    type Err = RemoteUrlError;

    fn from_str(text: &str) -> Result<Self, RemoteUrlError> {
        if text.is_empty() || text.len() > MAX_BYTES {
            return fail("a URL has 1 to 2048 bytes");
        }
        if text.contains(char::is_control) || text.contains('\\') {
            return fail("a URL holds no control characters and no backslash");
        }
        if text.starts_with('/') {
            return local(text, text.to_owned());
        }
        match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "https" => with_authority(Transport::Https, "https://", rest),
                "http" => with_authority(Transport::Http, "http://", rest),
                "ssh" | "git+ssh" | "ssh+git" => with_authority(Transport::Ssh, "ssh://", rest),
                "file" => match rest.strip_prefix("localhost").unwrap_or(rest) {
                    path if path.starts_with('/') => local(text, decoded(path)?),
                    _ => fail("a file URL names no other host: file:///path"),
                },
                _ => fail("this scheme is not allowed"),
            },
            None if text.contains("::") => fail("a URL that runs a remote helper is not allowed"),
            None => scp_like(text),
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteUrl({:?})", self.text)
    }
}

fn fail<T>(rule: &'static str) -> Result<T, RemoteUrlError> {
    Err(RemoteUrlError { rule })
}

fn local(text: &str, path: String) -> Result<RemoteUrl, RemoteUrlError> {
    let path = checked_path(path)?;
    let (user, host) = (None, String::new());
    Ok(RemoteUrl { transport: Transport::Local, user, host, port: None, path, text: text.to_owned() })
}

fn with_authority(transport: Transport, scheme: &str, rest: &str) -> Result<RemoteUrl, RemoteUrlError> {
    if rest.contains(['?', '#']) || rest.contains(char::is_whitespace) {
        return fail("the URL of a remote has no query, no fragment and no spaces");
    }
    let Some((authority, path)) = rest.split_once('/') else {
        return fail("a path to the repository is missing after the host");
    };
    let (user, place) = match authority.rsplit_once('@') {
        Some((user, place)) => (Some(checked_user(user)?), place),
        None => (None, authority),
    };
    let (host, port) = match place.rsplit_once(':') {
        // The colons of an IPv6 address stand in brackets.
        Some((host, port)) if !port.ends_with(']') => match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|c| c.is_ascii_digit()) => (host, Some(number)),
            _ => return fail("the port is no number from 1 to 65535"),
        },
        _ => (place, None),
    };
    let host = checked_host(host)?;
    let text = match (&user, transport) {
        (Some(user), Transport::Ssh) => format!("{scheme}{user}@{place}/{path}"),
        _ => format!("{scheme}{place}/{path}"),
    };
    let path = checked_path(decoded(path)?)?;
    Ok(RemoteUrl { transport, user, host, port, path, text })
}

fn scp_like(text: &str) -> Result<RemoteUrl, RemoteUrlError> {
    let parts = text.split_once('@').and_then(|(user, rest)| Some((user, rest.split_once(':')?)));
    let Some((user, (host, path))) = parts else {
        return fail("it is neither a URL nor an absolute path");
    };
    let (user, host) = (checked_user(user)?, checked_host(host)?);
    if path.contains('@') || path.contains(char::is_whitespace) {
        return fail("the path of git@host:path holds no @ and no spaces");
    }
    let path = checked_path(path.to_owned())?;
    let port = None;
    Ok(RemoteUrl { transport: Transport::Ssh, user: Some(user), host, port, path, text: text.to_owned() })
}

fn checked_user(user: &str) -> Result<String, RemoteUrlError> {
    if user.contains(':') {
        return fail("a URL holds no password: give it in `credentials`");
    }
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b'%' | b'+' | b'~');
    if user.is_empty() || user.starts_with('-') || !user.bytes().all(legal) {
        return fail("the user before @ is letters, digits and . _ - + and does not start with -");
    }
    Ok(user.to_owned())
}

fn checked_host(host: &str) -> Result<String, RemoteUrlError> {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let legal = match address {
        Some(address) => address.contains(':') && address.bytes().all(|c| c.is_ascii_hexdigit() || c == b':'),
        None => {
            let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
            host.starts_with(|c: char| c.is_ascii_alphanumeric()) && host.bytes().all(legal)
        }
    };
    if legal { Ok(host.to_ascii_lowercase()) } else { fail("the host is no host name") }
}

fn checked_path(path: String) -> Result<String, RemoteUrlError> {
    if path.contains(char::is_control) || path.split('/').any(|part| part == "..") {
        return fail("the path holds no `..` and no control characters");
    }
    if path.starts_with('-') {
        return fail("the path does not start with -");
    }
    if path.split('/').all(|part| part.is_empty() || part == ".git") {
        return fail("a path to the repository is missing");
    }
    Ok(path)
}

fn decoded(path: &str) -> Result<String, RemoteUrlError> {
    match percent_decode_str(path).decode_utf8() {
        Ok(path) => Ok(path.into_owned()),
        Err(_) => fail("the path is not UTF-8 after percent-decoding"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_repository_are_one() {
        for text in [
            "https://github.com/Acme/gitops",
            "https://github.com/Acme/gitops.git",
            "https://GitHub.com/Acme/gitops.git/",
            "HTTPS://github.com:443//Acme/gitops",
            "http://github.com:80/Acme/gitops",
            "https://x-access-token@github.com/Acme/gitops",
            "ssh://git@github.com/Acme/gitops.git",
            "ssh://github.com:22/Acme/gitops",
            "git@github.com:Acme/gitops.git",
            "deploy@github.com:/Acme/gitops",
            "https://github.com/%41cme/gitops",
        ] {
            assert_eq!(text.parse::<RemoteUrl>().unwrap().normalised(), "github.com/Acme/gitops", "{text}");
        }
    }

    #[test]
    fn other_repositories_stay_others() {
        for (text, expected) in [
            ("https://github.com/acme/gitops", "github.com/acme/gitops"),
            ("https://github.com:8443/Acme/gitops", "github.com:8443/Acme/gitops"),
            ("ssh://git@github.com:443/Acme/gitops", "github.com:443/Acme/gitops"),
            ("https://[::1]:3000/a/b.git", "[::1]:3000/a/b"),
            ("file:///srv/git/gitops.git", "/srv/git/gitops"),
            ("file://localhost/srv/git/gitops.git", "/srv/git/gitops"),
            ("/srv/git/gitops/", "/srv/git/gitops"),
            ("/srv/git/gitops/.git", "/srv/git/gitops"),
            ("/srv/My Files/x", "/srv/My Files/x"),
            ("file:///srv/My%20Files/x", "/srv/My Files/x"),
        ] {
            assert_eq!(text.parse::<RemoteUrl>().unwrap().normalised(), expected, "{text}");
        }
    }

    #[test]
    fn nothing_that_runs_a_program_or_hides_an_option_is_a_url() {
        for text in [
            "",
            "gitops",
            "./gitops",
            "../gitops",
            "C:/gitops",
            "github.com:acme/gitops",
            "ext::sh -c touch% /tmp/x",
            "ext::ssh://git@host/x",
            "git://github.com/acme/gitops",
            "ftp://host/x",
            "ssh://-oProxyCommand=touch/x",
            "ssh://git@-oProxyCommand=touch/x",
            "ssh://-l@host/x",
            "git@-oProxyCommand=x:path",
            "-u@host:path",
            "git@host:-path",
            "git@host:a/../../b",
            "https://host/a/%2e%2e/b",
            "https://host/a%0ab",
            "https://host/a?x=1",
            "https://host/a#x",
            "https://host",
            "https://host/",
            "https://host/.git",
            "https:///x",
            "https://host:0/x",
            "https://host:+1/x",
            "https://host:99999/x",
            "https://ho st/x",
            "https://[::1/x",
            "file://other/srv/x",
            "file://srv/x",
            "file://localhostile/x",
            "/",
            "/srv/../x",
            "/srv/\nx",
            "https:\\\\host\\x",
        ] {
            let error = text.parse::<RemoteUrl>().unwrap_err().to_string();
            assert!(error.ends_with(ALLOWED), "{text}: {error}");
        }
        assert!(format!("/{}", "a".repeat(MAX_BYTES)).parse::<RemoteUrl>().is_err());
    }

    #[test]
    fn credentials_are_never_shown() {
        for text in
            ["https://me:hunter2@host/x", "ssh://git:hunter2@host/x", "me:hunter2@host:x", "https://:hunter2@host/x"]
        {
            let error = text.parse::<RemoteUrl>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(error.to_string().starts_with("a URL holds no password"), "{text}: {error}");
        }
        let url: RemoteUrl = "https://hunter2@host/x.git".parse().unwrap();
        assert_eq!(format!("{url} {url:?} {}", url.as_str()).matches("hunter2").count(), 0);
        assert_eq!((url.as_str(), url.user()), ("https://host/x.git", Some("hunter2")));
        let url: RemoteUrl = "ssh://git@host/x.git".parse().unwrap();
        assert_eq!(url.as_str(), "ssh://git@host/x.git");
    }

    #[test]
    fn a_local_url_gives_the_path_of_the_file_system() {
        for (text, path) in [("file:///srv/a%20b.git", "/srv/a b.git"), ("/srv/a%20b.git", "/srv/a%20b.git")] {
            let url: RemoteUrl = text.parse().unwrap();
            assert_eq!((url.local_path(), url.host()), (Some(Path::new(path)), None));
        }
        assert_eq!("https://host/x".parse::<RemoteUrl>().unwrap().local_path(), None);
    }
}
