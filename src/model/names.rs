//! Names: OCI registries, repositories, tags and digests; paths and branches in Git; Applications.
//!
//! Specs: OCI Distribution 1.1 (names, tags), the Docker reference grammar (short names), `git check-ref-format`.

use std::fmt;
use std::str::FromStr;

use crate::model::as_text::written_as_text;

/// Why a text is not a name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is no {kind}: {rule}")]
pub struct NameError {
    /// What was expected, such as `tag`.
    pub kind: &'static str,
    /// The text, shortened if long.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

impl NameError {
    pub(in crate::model) fn new(kind: &'static str, text: &str, rule: &'static str) -> Self {
        let text: String = text.chars().filter(|c| !c.is_control()).take(140).collect();
        Self { kind, text, rule }
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            /// Gives the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// An image tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}` (OCI Distribution 1.1, "Pulling manifests").
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag(String);
text_newtype!(Tag);

impl Tag {
    /// Tells whether a text is a tag.
    pub fn is_legal(text: &str) -> bool {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
        let first = text.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_');
        first && text.len() <= 128 && text.bytes().all(legal)
    }
}

impl FromStr for Tag {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if Self::is_legal(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new("tag", text, "a tag is [A-Za-z0-9_][A-Za-z0-9._-]{0,127}"))
        }
    }
}

/// A content digest, `sha256:` and 64 hex digits or `sha512:` and 128.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest(String);
text_newtype!(Digest);

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let hex = |s: &str| s.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        match text.split_once(':') {
            Some(("sha256", rest)) if rest.len() == 64 && hex(rest) => Ok(Self(text.to_owned())),
            Some(("sha512", rest)) if rest.len() == 128 && hex(rest) => Ok(Self(text.to_owned())),
            _ => Err(NameError::new("digest", text, "a digest is sha256:<64 hex digits> or sha512:<128 hex digits>")),
        }
    }
}

/// An image without tag and digest, with the short names of Docker Hub spelled out: `nginx` is
/// `docker.io/library/nginx`. As its registry is asked for it, it may carry the name of a pull secret: who asks with one
/// sees other tags than who asks without, so these are two names.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ImageName {
    registry: Box<str>,
    repository: Box<str>,
    pull_secret: Option<Box<str>>,
}

impl ImageName {
    /// Gives the registry's host, with its port if it has one: `ghcr.io`, `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Gives the repository's path in the registry: `library/nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Gives the name of the pull secret that it is asked for with; none = what the registry's own settings say.
    pub fn pull_secret(&self) -> Option<&str> {
        self.pull_secret.as_deref()
    }

    /// Gives the same image, asked for as the registry's own settings say.
    pub fn without_pull_secret(&self) -> Self {
        Self { pull_secret: None, ..self.clone() }
    }

    /// Gives the registry itself, asked with the same pull secret: a name without a repository.
    pub fn of_registry(&self) -> Self {
        Self { repository: "".into(), ..self.clone() }
    }

    /// Gives the same image, asked for with this pull secret.
    pub fn with_pull_secret(&self, name: &str) -> Self {
        Self { pull_secret: Some(name.into()), ..self.clone() }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        match &self.pull_secret {
            Some(name) => write!(f, " (pull secret `{name}`)"),
            None => Ok(()),
        }
    }
}

impl FromStr for ImageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let fail = |rule| NameError::new("image", text, rule);
        let (host, path) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("docker.io", text),
        };
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-');
        if name.is_empty() || !name.bytes().all(legal) || name.starts_with(['.', '-']) {
            return Err(fail("the part before the first / is no host name"));
        }
        if port.is_some_and(|p| p.parse::<u16>().is_err()) {
            return Err(fail("the port of the registry is no number up to 65535"));
        }
        let part = |p: &str| {
            !p.is_empty()
                && p.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-'))
                && p.starts_with(|c: char| c.is_ascii_alphanumeric())
                && p.ends_with(|c: char| c.is_ascii_alphanumeric())
        };
        if path.len() > 255 || !path.split('/').all(part) {
            return Err(fail(
                "a repository is lower case letters, digits, and . _ - between them, in parts joined by /",
            ));
        }
        let registry = match host.to_ascii_lowercase().as_str() {
            "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
            other => other.to_owned(),
        };
        let repository =
            if registry == "docker.io" && !path.contains('/') { format!("library/{path}") } else { path.to_owned() };
        Ok(Self { registry: registry.into(), repository: repository.into(), pull_secret: None })
    }
}

/// A path of a file or directory inside a repository: relative, `/` between parts, no empty part, no `.`, `..` or `.git`.
/// The empty path is the repository's root.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RepoPath(String);
text_newtype!(RepoPath);
written_as_text!(RepoPath);

impl RepoPath {
    /// Resolves `relative` from this directory; a leading `/` means the repository's root. `None` if it leaves the
    /// repository or names `.git`.
    pub fn join(&self, relative: &str) -> Option<Self> {
        let mut parts: Vec<&str> = if relative.starts_with('/') { Vec::new() } else { self.parts().collect() };
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                other => parts.push(other),
            }
        }
        parts.join("/").parse().ok()
    }

    /// Tells whether this is `directory` or lies below it.
    pub fn is_within(&self, directory: &RepoPath) -> bool {
        directory.0.is_empty()
            || self.0 == directory.0
            || self.0.strip_prefix(&directory.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Gives the directory that holds this path; the root's is the root.
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned())
    }

    /// Gives the parts between the slashes.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }
}

impl FromStr for RepoPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad = |part: &str| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git");
        if !text.is_empty() && text.split('/').any(bad) {
            return Err(NameError::new(
                "path in a repository",
                text,
                "it is relative, without empty parts, `.`, `..` and `.git`",
            ));
        }
        if text.len() > 4096 || text.contains(|c: char| c.is_control() || c == '\\') {
            return Err(NameError::new(
                "path in a repository",
                text,
                "it holds no control characters and no backslash",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A branch name without `refs/heads/` (git-check-ref-format(1)).
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Branch(String);
text_newtype!(Branch);

impl FromStr for Branch {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let bad_part = |p: &str| p.is_empty() || p.starts_with('.') || p.ends_with(".lock");
        let bad_char = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        if text.is_empty()
            || text.len() > 244
            || text == "@"
            || text.starts_with('-')
            || text.ends_with('.')
            || text.contains("..")
            || text.contains("@{")
            || text.contains(bad_char)
            || text.split('/').any(bad_part)
        {
            return Err(NameError::new("branch", text, "it follows the rules of git check-ref-format"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Where an Application is defined: repository, file (none for one of repin.yaml), namespace and name.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ApplicationKey {
    /// Name of the configured repository that holds the definition.
    pub repository: String,
    /// The defining file.
    pub file: Option<RepoPath>,
    /// Kind of the defining object: `Application`, or that of another object with annotations.
    pub kind: String,
    /// Kubernetes namespace, `argocd` where the manifest names none.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// Kind of an Argo CD Application, and of what repin.yaml names.
pub const APPLICATION: &str = "Application";

impl ApplicationKey {
    /// Gives `namespace/name`, with the kind in front where it is no Application.
    pub fn label(&self) -> String {
        match self.kind.as_str() {
            APPLICATION => self.plain_label(),
            kind => format!("{kind}/{}", self.plain_label()),
        }
    }

    /// Gives `namespace/name`.
    fn plain_label(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// Gives the name that is unique: repository, defining file and [`Self::label`], joined by `:`.
    pub fn full_name(&self) -> String {
        let file = self.file.as_ref().map_or("repin.yaml", |file| file.as_str());
        format!("{}:{file}:{}", self.repository, self.label())
    }

    /// Tells whether a person who writes `name` means this Application: `web`, `argocd/web`, `HelmRelease/web`,
    /// `HelmRelease/shop/web`, or the full name.
    pub fn is_named(&self, name: &str) -> bool {
        let is_of_kind = |name: &str| self.name == name || self.plain_label() == name;
        let is_kind =
            |name: &str| name.split_once('/').is_some_and(|(kind, name)| kind == self.kind && is_of_kind(name));
        is_of_kind(name) || is_kind(name) || self.full_name() == name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> Option<String> {
        text.parse::<ImageName>().ok().map(|name| name.to_string())
    }

    #[test]
    fn short_names_mean_docker_hub() {
        for (text, expected) in [
            ("nginx", Some("docker.io/library/nginx")),
            ("bitnami/nginx", Some("docker.io/bitnami/nginx")),
            ("index.docker.io/nginx", Some("docker.io/library/nginx")),
            ("localhost/app", Some("localhost/app")),
            ("localhost:5000/org/app", Some("localhost:5000/org/app")),
            ("GHCR.io/acme/web", Some("ghcr.io/acme/web")),
            ("ghcr.io/Acme/web", None),
            ("ghcr.io//web", None),
            ("ghcr.io:99999/web", None),
            ("", None),
        ] {
            assert_eq!(image(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn an_image_asked_for_with_a_secret_is_another_name() {
        let plain: ImageName = "ghcr.io/acme/web".parse().unwrap_or_else(|_| unreachable!());
        let (one, other) = (plain.with_pull_secret("a"), plain.with_pull_secret("b"));
        assert!(plain != one && one != other && one == plain.with_pull_secret("a"));
        assert_eq!(one.to_string(), "ghcr.io/acme/web (pull secret `a`)");
        assert_eq!((one.registry(), one.repository()), (plain.registry(), plain.repository()));
    }

    #[test]
    fn a_tag_holds_only_legal_characters() {
        for (text, legal) in [
            ("1.0.0", true),
            ("_x", true),
            ("v1-rc.1_2", true),
            ("", false),
            (".x", false),
            ("a b", false),
            ("a\n", false),
        ] {
            assert_eq!(text.parse::<Tag>().is_ok(), legal, "{text:?}");
        }
        assert!("a".repeat(128).parse::<Tag>().is_ok());
        assert!("a".repeat(129).parse::<Tag>().is_err());
    }

    #[test]
    fn a_path_never_leaves_the_repository() {
        let base: RepoPath = "apps/web".parse().unwrap();
        for (relative, expected) in [
            ("values.yaml", Some("apps/web/values.yaml")),
            ("./values.yaml", Some("apps/web/values.yaml")),
            ("../../values/prod.yaml", Some("values/prod.yaml")),
            ("/abs/values.yaml", Some("abs/values.yaml")),
            ("../../../etc/passwd", None),
            ("../../.git/config", None),
            ("../../.GIT/config", None),
            ("/../x", None),
        ] {
            assert_eq!(base.join(relative).map(|p| p.to_string()).as_deref(), expected, "{relative}");
        }
        assert!("a/b".parse::<RepoPath>().unwrap().is_within(&"a".parse().unwrap()));
        assert!(!"ab/b".parse::<RepoPath>().unwrap().is_within(&"a".parse().unwrap()));
    }

    #[test]
    fn a_branch_is_what_git_allows() {
        for (text, legal) in [
            ("main", true),
            ("a/b", true),
            ("-x", false),
            ("a..b", false),
            ("a b", false),
            ("x.lock", false),
            ("@", false),
            ("a//b", false),
        ] {
            assert_eq!(text.parse::<Branch>().is_ok(), legal, "{text}");
        }
    }
}
