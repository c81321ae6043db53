//! How people name a pull request: by its URL, or as `owner/name#12` and `group/name!12`.
//!
//! URLs are those of GitHub (`/pull/12`), GitLab (`/-/merge_requests/12`, and without `/-` before GitLab 12), Gitea and Forgejo
//! (`/pulls/12`), with whatever stands behind the number. Nothing here asks a forge.

use std::fmt;

use url::Url;

use crate::model::forge::{ForgeKind, Project};

/// Longest text that is looked at, in bytes.
const MAX_BYTES: usize = 2048;

/// A pull request, as far as a text names it.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct PullName {
    /// Where it is, `host/owner/name` as [`crate::model::remote_url::RemoteUrl::normalised`] writes a repository; without a
    /// URL only `owner/name`.
    pub project: String,
    /// Whether the host is part of [`Self::project`].
    pub has_host: bool,
    /// Its number.
    pub number: u64,
    /// `#`, or `!` as GitLab writes it.
    pub sign: char,
}

impl PullName {
    /// Reads the URL of a pull request, or its short form; none if the text is neither.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > MAX_BYTES || text.contains(char::is_control) {
            return None;
        }
        if text.contains("://") { Self::of_url(text) } else { Self::of_short_form(text) }
    }

    fn of_url(text: &str) -> Option<Self> {
        let parts = web_parts(text)?;
        let words: [(&[&str], char); 4] =
            [(&["-", "merge_requests"], '!'), (&["merge_requests"], '!'), (&["pull"], '#'), (&["pulls"], '#')];
        for (word, sign) in words {
            // A project of one part is none: `/pulls/12` itself may be somebody's repository.
            let at = (2..parts.path.len()).find(|at| {
                let rest = parts.path.get(*at..).unwrap_or_default();
                rest.starts_with(&word.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>())
                    && rest.get(word.len()).is_some_and(|number| read_number(number).is_some())
            });
            let Some(at) = at else { continue };
            let project = parts.path.get(..at)?.join("/").parse::<Project>().ok()?;
            let number = read_number(parts.path.get(at + word.len())?)?;
            return Some(Self { project: format!("{}/{project}", parts.host), has_host: true, number, sign });
        }
        None
    }

    fn of_short_form(text: &str) -> Option<Self> {
        let at = text.rfind(['#', '!'])?;
        let (project, rest) = text.split_at_checked(at)?;
        let sign = rest.chars().next()?;
        let number = read_number(rest.get(1..)?)?;
        let project = project.parse::<Project>().ok()?.to_string();
        Some(Self { project, has_host: false, number, sign })
    }

    /// Tells whether it belongs to a repository, given as [`crate::model::remote_url::RemoteUrl::normalised`] writes it.
    pub fn is_of(&self, normalised: &str) -> bool {
        if self.has_host {
            return self.project.eq_ignore_ascii_case(normalised);
        }
        let path = normalised.split_once('/').map_or("", |(_, path)| path);
        path.eq_ignore_ascii_case(&self.project)
    }

    /// Gives `owner/name`.
    pub fn path(&self) -> &str {
        if self.has_host { self.project.split_once('/').map_or("", |(_, path)| path) } else { &self.project }
    }
}

impl fmt::Display for PullName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.project, self.sign, self.number)
    }
}

/// Gives the URL of a pull request of a project at `https://host/owner/name`.
pub fn url(kind: ForgeKind, repository: &str, number: u64) -> String {
    let part = match kind {
        ForgeKind::GitHub => "pull",
        ForgeKind::GitLab => "-/merge_requests",
        ForgeKind::Gitea => "pulls",
    };
    format!("{repository}/{part}/{number}")
}

/// The parts of the URL of a commit: the repository as [`PullName::project`] has it, and the id.
pub fn commit_of_url(text: &str) -> Option<(String, String)> {
    let parts = web_parts(text)?;
    for word in [&["-", "commit"][..], &["commit"]] {
        let is_it = |rest: &[String]| rest.iter().zip(word).all(|(one, other)| one == other) && rest.len() > word.len();
        let Some(at) = (2..parts.path.len()).find(|at| is_it(parts.path.get(*at..).unwrap_or_default())) else {
            continue;
        };
        let project = parts.path.get(..at)?.join("/").parse::<Project>().ok()?;
        let id = parts.path.get(at + word.len())?.clone();
        return Some((format!("{}/{project}", parts.host), id));
    }
    None
}

/// Host, with a port that is not the scheme's, and the parts of the path.
struct WebParts {
    host: String,
    path: Vec<String>,
}

fn web_parts(text: &str) -> Option<WebParts> {
    if text.len() > MAX_BYTES || text.contains(char::is_control) {
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = format!("{}{port}", url.host_str()?.to_ascii_lowercase());
    let path = url.path_segments()?.filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Some(WebParts { host, path })
}

/// Reads a number as forges give them: from 1, digits only.
pub fn read_number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_request_is_named_as_its_forge_shows_it() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(PullName::read(text).map(|name| name.to_string()).as_deref(), expected, "{text:?}");
        };
        for (text, expected) in [
            ("https://github.com/acme/web/pull/123", "github.com/acme/web#123"),
            ("https://github.com/acme/web/pull/123/files?w=1#diff-1", "github.com/acme/web#123"),
            ("HTTPS://GitHub.com/acme/web/pull/123/", "github.com/acme/web#123"),
            ("https://user:secret@github.com/acme/web/pull/1", "github.com/acme/web#1"),
            ("https://ghe.example.com:8443/acme/web/pull/9", "ghe.example.com:8443/acme/web#9"),
            ("https://gitlab.com/acme/team/web/-/merge_requests/3", "gitlab.com/acme/team/web!3"),
            ("https://gitlab.com/acme/web/-/merge_requests/3/diffs", "gitlab.com/acme/web!3"),
            ("https://gitlab.example.com/acme/web/merge_requests/3", "gitlab.example.com/acme/web!3"),
            ("https://git.example.com/gitlab/acme/web/-/merge_requests/3", "git.example.com/gitlab/acme/web!3"),
            ("http://127.0.0.1:3000/acme/web/pulls/5", "127.0.0.1:3000/acme/web#5"),
            ("https://codeberg.org/acme/web/pulls/5/files", "codeberg.org/acme/web#5"),
            ("https://github.com/acme/pull/pull/7", "github.com/acme/pull#7"),
            ("acme/web#123", "acme/web#123"),
            ("acme/team/web!3", "acme/team/web!3"),
        ] {
            check(text, Some(expected));
        }
        for text in [
            "",
            "web",
            "acme/web",
            "web#1",
            "#1",
            "acme/web#",
            "acme/web#0",
            "acme/web#01",
            "acme/web#1x",
            "acme/web#-1",
            "acme/web#99999999999999999999",
            "acme/../web#1",
            "acme/we b#1",
            "acme/web\n#1",
            "acme/web#1\u{1b}[2J",
            "ghcr.io/acme/web:1.0.0",
            "https://github.com/acme/web",
            "https://github.com/acme/web/issues/123",
            "https://github.com/acme/web/pull/new",
            "https://github.com/pull/123",
            "https://github.com/acme/web/tree/pull/x",
            "ftp://github.com/acme/web/pull/1",
            "file:///acme/web/pull/1",
            "https://github.com/acme/%2e%2e/pull/1",
            "https://github.com/acme/w%20b/pull/1",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_short_form_is_of_every_host_and_a_url_of_one() {
        for (text, repository, is_of) in [
            ("acme/web#1", "github.com/acme/web", true),
            ("acme/web#1", "git.example.com:8443/Acme/Web", true),
            ("acme/web#1", "gitlab.com/other/acme/web", false),
            ("https://github.com/acme/web/pull/1", "github.com/acme/web", true),
            ("https://github.com/acme/web/pull/1", "gitlab.com/acme/web", false),
            ("acme/web#1", "/srv/git/acme/web", false),
        ] {
            assert_eq!(PullName::read(text).map(|name| name.is_of(repository)), Some(is_of), "{text} {repository}");
        }
    }

    #[test]
    fn the_url_of_a_commit_names_repository_and_id() {
        for (text, expected) in [
            ("https://github.com/acme/web/commit/0123abc", Some(("github.com/acme/web", "0123abc"))),
            ("https://gitlab.com/a/b/web/-/commit/0123abc", Some(("gitlab.com/a/b/web", "0123abc"))),
            ("https://github.com/acme/web/commit", None),
            ("https://github.com/acme/web/pull/1", None),
        ] {
            let found = commit_of_url(text);
            assert_eq!(found.as_ref().map(|(project, id)| (project.as_str(), id.as_str())), expected, "{text}");
        }
    }
}
