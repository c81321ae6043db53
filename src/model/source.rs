//! Where the sources of an image are, by its labels: one revision of one repository.
//!
//! A label is a claim of whoever built the image, in whatever form of URL they like. Here it becomes one spelling, fit for
//! a trailer, a link and a comparison; nothing connects. Labels: OCI Image 1.1, "Pre-Defined Annotation Keys".

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::model::forge::{ForgeKind, Project};
use crate::model::metadata::Labels;

/// Longest URL and longest revision, in bytes.
const MAX_URL: usize = 400;
const MAX_REVISION: usize = 100;

/// One revision of an application's sources.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Source {
    url: String,
    revision: String,
}

/// Why a text names no source.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a source is <https URL>@<revision>")]
pub struct SourceError;

impl Source {
    /// Reads the labels of an image; none where they name no repository or no revision that could be found again.
    pub fn of(labels: &Labels) -> Option<Self> {
        let (url, revision) = (source_url(labels.source.as_deref()?)?, labels.revision.as_deref()?);
        is_revision(revision).then(|| Self { url, revision: revision.to_owned() })
    }

    /// Gives the URL: https (http only where the label says so), without `.git`, user, query and fragment.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives the revision, mostly the id of a commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Tells whether it is at or below a URL, and how well that fits: with the same port before another one, which a URL
    /// of ssh does not tell, and then with the longer path. Owners have no case on any forge.
    pub fn depth_below(&self, url: &Url) -> Option<(bool, usize)> {
        let own = Url::parse(&self.url).ok()?;
        let is_same_port = own.port_or_known_default() == url.port_or_known_default();
        let is_there = own.host_str() == url.host_str() && (is_same_port || own.port().is_none());
        let (parts, above) = (parts(own.path()), parts(url.path()));
        let begins =
            parts.len() >= above.len() && parts.iter().zip(&above).all(|(one, two)| one.eq_ignore_ascii_case(two));
        (is_there && begins).then_some((is_same_port, above.len()))
    }

    /// Gives its project on a forge whose projects are below a URL; none if its URL names none there.
    pub fn project(&self, kind: ForgeKind, web_url: &Url) -> Option<Project> {
        let (_, depth) = self.depth_below(web_url)?;
        let own = Url::parse(&self.url).ok()?;
        let path = parts(own.path());
        let path = path.get(depth..)?;
        let named = match kind {
            ForgeKind::GitHub | ForgeKind::Gitea => path.get(..2)?,
            // Groups within groups.
            ForgeKind::GitLab => path,
        };
        named.join("/").parse().ok()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.url, self.revision)
    }
}

impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let (url, revision) = text.rsplit_once('@').ok_or(SourceError)?;
        let is_ours = source_url(url).as_deref() == Some(url) && is_revision(revision);
        if is_ours { Ok(Self { url: url.to_owned(), revision: revision.to_owned() }) } else { Err(SourceError) }
    }
}

/// Tells whether a text may be a revision: the id of a commit or the name of a branch or tag, which is no option and holds
/// nothing that a URL, a trailer or a shell would take for something else.
fn is_revision(text: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '+' | '-');
    let is_path =
        text.starts_with(['-', '/', '.']) || text.ends_with('/') || text.contains("..") || text.contains("//");
    !text.is_empty() && text.len() <= MAX_REVISION && text.chars().all(legal) && !is_path
}

/// Gives one spelling of the URL of a repository: `git@host:owner/name.git`, `ssh://git@host/owner/name`,
/// `git+https://…`, `host/owner/name` and pages below a repository become `https://host/owner/name`. None for what names
/// no repository.
pub fn source_url(label: &str) -> Option<String> {
    let text = label.trim();
    if text.is_empty() || text.len() > MAX_URL || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let text = text.strip_prefix("scm:git:").or_else(|| text.strip_prefix("scm:")).unwrap_or(text);
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "https" | "git+https" => ("https", rest.to_owned()),
            "http" | "git+http" => ("http", rest.to_owned()),
            // The port is that of another service.
            "ssh" | "git+ssh" | "ssh+git" | "git" => ("https", without_port(rest)),
            _ => return None,
        },
        None => ("https", without_scheme(text)?),
    };
    let mut url = Url::parse(&format!("{scheme}://{rest}")).ok()?;
    // Hosts that serve ssh alone.
    match url.host_str()? {
        "ssh.github.com" => url.set_host(Some("github.com")).ok()?,
        "altssh.gitlab.com" => url.set_host(Some("gitlab.com")).ok()?,
        _ => {}
    }
    let host = url.host_str()?;
    if !host.contains(['.', ':']) && host != "localhost" {
        return None;
    }
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    let path = repository_path(&parts(url.path())).join("/");
    let path = path.strip_suffix(".git").unwrap_or(&path).replace('@', "%40");
    if path.split('/').count() < 2 || path.split('/').any(|part| part.is_empty() || part == ".git") {
        return None;
    }
    url.set_path(&path);
    let text = url.to_string();
    (text.len() <= MAX_URL && text.is_ascii()).then_some(text)
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

/// Leaves out what names a page of the repository and not the repository: GitLab's `/-/…`, `/tree/<branch>` and
/// `/blob/<branch>` behind owner and name, Gitea's `/src/branch/…`.
fn repository_path<'a>(segments: &[&'a str]) -> Vec<&'a str> {
    let is_page = |at: usize| {
        let next = segments.get(at + 1);
        match segments.get(at) {
            Some(&"-") => at >= 2,
            Some(&("tree" | "blob" | "commit")) => at == 2 && next.is_some(),
            Some(&"src") => at == 2 && matches!(next, Some(&("branch" | "commit" | "tag"))),
            _ => false,
        }
    };
    let end = (0..segments.len()).find(|at| is_page(*at)).unwrap_or(segments.len());
    segments.get(..end).unwrap_or_default().to_vec()
}

/// `user@host:path` of ssh, and `host/path`, as many write it.
fn without_scheme(text: &str) -> Option<String> {
    if text.contains("::") || text.starts_with(['/', '.', '-']) {
        return None;
    }
    match text.split_once('@') {
        Some((_, rest)) => {
            let (host, path) = rest.split_once(':')?;
            Some(format!("{host}/{}", path.trim_start_matches('/')))
        }
        None => {
            let (host, path) = text.split_once('/')?;
            let is_host = host.contains('.') && !host.contains(':') && !path.is_empty();
            is_host.then(|| text.to_owned())
        }
    }
}

fn without_port(rest: &str) -> String {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
        _ => host,
    };
    format!("{host}/{path}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_one_spelling() {
        for (label, expected) in [
            ("https://github.com/acme/web", Some("https://github.com/acme/web")),
            ("https://GitHub.com/acme/web.git", Some("https://github.com/acme/web")),
            (" https://github.com/acme/web/ ", Some("https://github.com/acme/web")),
            ("https://me:hunter2@github.com/acme/web", Some("https://github.com/acme/web")),
            ("https://github.com:443/acme/web?x=1#readme", Some("https://github.com/acme/web")),
            ("https://github.com/acme/web/tree/main/services/web", Some("https://github.com/acme/web")),
            ("https://github.com/acme/web/blob/main/Dockerfile", Some("https://github.com/acme/web")),
            ("https://github.com/acme/tree", Some("https://github.com/acme/tree")),
            ("http://git.example:3000/acme/web/src/branch/main", Some("http://git.example:3000/acme/web")),
            ("https://gitlab.com/acme/team/web/-/tree/main", Some("https://gitlab.com/acme/team/web")),
            ("https://gitlab.com/acme/team/src/web", Some("https://gitlab.com/acme/team/src/web")),
            ("git@github.com:acme/web.git", Some("https://github.com/acme/web")),
            ("git@github.com:/acme/web.git", Some("https://github.com/acme/web")),
            ("ssh://git@git.example:2222/acme/web.git", Some("https://git.example/acme/web")),
            ("ssh://git@ssh.github.com:443/acme/web.git", Some("https://github.com/acme/web")),
            ("git@altssh.gitlab.com:acme/web.git", Some("https://gitlab.com/acme/web")),
            ("git://github.com/acme/web.git", Some("https://github.com/acme/web")),
            ("git+https://github.com/acme/web.git#main", Some("https://github.com/acme/web")),
            ("scm:git:https://github.com/acme/web.git", Some("https://github.com/acme/web")),
            ("github.com/acme/web", Some("https://github.com/acme/web")),
            ("https://127.0.0.1:3000/acme/web", Some("https://127.0.0.1:3000/acme/web")),
            ("https://git.example/acme/w@b", Some("https://git.example/acme/w%40b")),
            ("https://git.example/acme/../../etc/web", Some("https://git.example/etc/web")),
            ("https://git.example/acme/w|b`<x>", Some("https://git.example/acme/w|b%60%3Cx%3E")),
            ("https://github.com/acme", None),
            ("https://github.com", None),
            ("https://localhost.github.com", None),
            ("https://intern/acme/web", None),
            ("acme/web", None),
            ("./web", None),
            ("/srv/git/web", None),
            ("file:///srv/git/web", None),
            ("javascript://github.com/acme/web", None),
            ("ext::sh -c x", None),
            ("ftp://github.com/acme/web", None),
            ("https://github.com/acme/we b", None),
            ("https://github.com/acme/web\nRepin-Change: x", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(source_url(label).as_deref(), expected, "{label}");
        }
        assert_eq!(source_url(&format!("https://github.com/acme/{}", "x".repeat(400))), None);
    }

    #[test]
    fn a_source_names_a_project_of_the_forge_that_is_meant_for_it() {
        use ForgeKind::{GitHub, GitLab, Gitea};
        for (label, kind, place, depth, project) in [
            ("https://github.com/acme/web", GitHub, "https://github.com", Some((true, 0)), Some("acme/web")),
            ("git@github.com:acme/web.git", GitHub, "https://github.com/", Some((true, 0)), Some("acme/web")),
            ("https://github.com/Acme/web", GitHub, "https://github.com/acme", Some((true, 1)), None),
            ("https://github.com/acme/web/wiki/Home", GitHub, "https://github.com", Some((true, 0)), Some("acme/web")),
            ("https://github.com/acmecorp/web", GitHub, "https://github.com/acme", None, None),
            ("https://github.com.evil.example/acme/web", GitHub, "https://github.com", None, None),
            ("https://evil.example/github.com/acme/web", GitHub, "https://github.com", None, None),
            ("https://github.com:8443/acme/web", GitHub, "https://github.com", None, None),
            (
                "ssh://git@git.example:2222/acme/web",
                Gitea,
                "https://git.example:3000",
                Some((false, 0)),
                Some("acme/web"),
            ),
            ("http://git.example:3000/acme/web", Gitea, "http://git.example:3000", Some((true, 0)), Some("acme/web")),
            ("https://gitlab.com/acme/team/web", GitLab, "https://gitlab.com", Some((true, 0)), Some("acme/team/web")),
            (
                "https://gitlab.com/acme/team/web/-/tree/x",
                GitLab,
                "https://gitlab.com",
                Some((true, 0)),
                Some("acme/team/web"),
            ),
            (
                "https://host.example/gitlab/acme/web",
                GitLab,
                "https://host.example/gitlab",
                Some((true, 1)),
                Some("acme/web"),
            ),
            ("https://host.example/gitlab", GitLab, "https://host.example/gitlab", None, None),
            ("https://github.com/acme/we%20b", GitHub, "https://github.com", Some((true, 0)), None),
            ("https://github.com/acme/%2e%2e/web", GitHub, "https://github.com", None, None),
        ] {
            let labels = Labels { source: Some(label.into()), revision: Some("1a2b3c4".into()), ..Labels::default() };
            let (source, url) = (Source::of(&labels), Url::parse(place).unwrap());
            assert_eq!(source.as_ref().and_then(|source| source.depth_below(&url)), depth, "{label} below {place}");
            let found = source.and_then(|source| source.project(kind, &url));
            assert_eq!(found.as_ref().map(Project::as_str), project, "{label} at {place}");
        }
    }

    #[test]
    fn a_source_is_read_back_as_it_is_written() {
        let labels = |source: &str, revision: &str| Labels {
            source: Some(source.into()),
            revision: Some(revision.into()),
            ..Labels::default()
        };
        let source = Source::of(&labels("git@github.com:acme/web.git", "1a2b3c4")).unwrap();
        assert_eq!(source.to_string(), "https://github.com/acme/web@1a2b3c4");
        assert_eq!(source.to_string().parse(), Ok(source));
        for revision in ["", "-x", "a b", "a\nb", "a..b", "../x", "a@b", "a//b", "$(x)", "#1", &"a".repeat(101)] {
            assert_eq!(Source::of(&labels("https://github.com/acme/web", revision)), None, "{revision}");
            assert!(format!("https://github.com/acme/web@{revision}").parse::<Source>().is_err(), "{revision}");
        }
        for text in ["git@github.com:acme/web@1", "https://github.com/acme/web.git@1", "https://github.com/acme/web"] {
            assert_eq!(text.parse::<Source>(), Err(SourceError), "{text}");
        }
    }
}
