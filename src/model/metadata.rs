//! What an image says of itself: for which platforms it was built, and when.
//!
//! Immutable by digest, so it is kept as long as anybody likes. Reading it is in `registry`. Specs: OCI Image 1.1
//! (index, manifest, config); platform names as in Go's `GOOS` and `GOARCH`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::as_text::written_as_text;
use crate::model::names::Digest;
use crate::model::text::is_invisible;

/// The longest label that is kept, in bytes.
const MAX_LABEL: usize = 256;

/// What an image is built for: `linux/amd64`, `linux/arm/v7`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Why a text is no platform.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a platform is os/architecture or os/architecture/variant in lower case, such as linux/amd64 or linux/arm/v7")]
pub struct PlatformError;

impl Platform {
    /// Makes a platform of what a manifest says; none if a part is missing or odd, or it is `unknown`, as attestations
    /// have it.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Option<Self> {
        let legal = |part: &str| {
            !part.is_empty()
                && part.len() <= 40
                && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'-'))
        };
        let variant = variant.filter(|variant| !variant.is_empty());
        if !legal(os) || !legal(architecture) || !variant.is_none_or(legal) || os == "unknown" {
            return None;
        }
        // Two names of one machine (containerd normalises them so).
        let architecture = match architecture {
            "aarch64" => "arm64",
            "x86_64" | "x86-64" => "amd64",
            other => other,
        };
        let variant = match (architecture, variant) {
            ("arm64", Some("v8" | "8")) => None,
            ("arm", None | Some("7")) => Some("v7"),
            ("arm", Some("6")) => Some("v6"),
            ("amd64", Some("v1")) => None,
            (_, variant) => variant,
        };
        Some(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let platform = match parts.as_slice() {
            [os, architecture] => Self::new(os, architecture, None),
            [os, architecture, variant] if !variant.is_empty() => Self::new(os, architecture, Some(variant)),
            _ => None,
        };
        platform.ok_or(PlatformError)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

written_as_text!(Platform);

/// When a build was made, by its own word.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Created {
    /// Nobody needed it yet.
    Unasked,
    /// It does not say.
    Unsaid,
    /// Then.
    At(Timestamp),
}

/// Where an image comes from, by the labels of its configuration (OCI Image 1.1, "Pre-Defined Annotation Keys"). Claims of
/// whoever built it, made fit for a line of text.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Labels {
    /// `org.opencontainers.image.source`: the URL of the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Box<str>>,
    /// `org.opencontainers.image.revision`: the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Box<str>>,
    /// `org.opencontainers.image.version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Box<str>>,
    /// `org.opencontainers.image.url`: where people read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<Box<str>>,
}

impl Labels {
    /// Keeps the labels that are of use, given by key. Control characters are taken out; one that is empty or longer than
    /// 256 bytes is left out, for a part of a URL leads elsewhere.
    pub fn of<'l>(label: impl Fn(&str) -> Option<&'l str>) -> Self {
        let kept = |name: &str| {
            let text = label(&format!("org.opencontainers.image.{name}"))?;
            let text: String = text.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect();
            let text = text.trim();
            (!text.is_empty() && text.len() <= MAX_LABEL).then(|| text.into())
        };
        Self { source: kept("source"), revision: kept("revision"), version: kept("version"), url: kept("url") }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The image of one platform.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Build {
    /// Its platform; none where it does not say.
    pub platform: Option<Platform>,
    /// Its manifest, as text.
    pub manifest: Box<str>,
    /// When it was made.
    pub created: Created,
    /// Where it comes from; empty as long as its date is not asked for.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

impl Build {
    /// Makes a build of which nothing was read but its name.
    pub fn unasked(platform: Option<Platform>, manifest: &Digest) -> Self {
        let manifest = manifest.as_str().into();
        Self { platform, manifest, created: Created::Unasked, labels: Labels::default() }
    }
}

/// What stands behind a digest.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Metadata {
    /// An image: its builds, one for each platform.
    Image(Vec<Build>),
    /// Something else, such as a chart: its media type.
    Foreign(String),
}

/// A tag's digest now, and what stands behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Described {
    /// The digest.
    pub digest: Digest,
    /// What stands behind it.
    pub metadata: Arc<Metadata>,
}

/// What somebody wants to know of an image.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// Whether dates are needed.
    pub created: bool,
    /// Of which platforms dates are needed; empty = of all.
    pub platforms: Vec<Platform>,
}

impl Needs {
    /// Tells whether this build must be looked at for its date, or for its platform where the index does not name one.
    pub fn dates(&self, build: &Build) -> bool {
        let Some(platform) = &build.platform else { return true };
        self.created && (self.platforms.is_empty() || self.platforms.contains(platform))
    }
}

/// When an image was made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Built {
    /// Then.
    At(Timestamp),
    /// At a date that tools write where they want none: 1970-01-01 or before.
    Unusable(Timestamp),
    /// It does not say.
    Unsaid,
}

impl Metadata {
    /// Tells whether everything that is needed is known.
    pub fn is_enough(&self, needs: &Needs) -> bool {
        match self {
            Self::Foreign(_) => true,
            Self::Image(builds) => {
                !builds.iter().any(|build| needs.dates(build) && matches!(build.created, Created::Unasked))
            }
        }
    }

    /// Gives what it says of its sources: by the first build that was read and says anything. None if no build was read.
    pub fn labels(&self) -> Option<&Labels> {
        let Self::Image(builds) = self else { return None };
        let mut read = builds.iter().filter(|build| build.created != Created::Unasked).map(|build| &build.labels);
        read.clone().find(|labels| !labels.is_empty()).or_else(|| read.next())
    }

    /// Gives the wanted platforms that it lacks.
    pub fn lacks(&self, wanted: &[Platform]) -> Vec<Platform> {
        let carries = |platform: &&Platform| match self {
            Self::Foreign(_) => false,
            Self::Image(builds) => builds.iter().any(|build| build.platform.as_ref() == Some(*platform)),
        };
        wanted.iter().filter(|platform| !carries(platform)).cloned().collect()
    }

    /// Gives the newest date over the wanted platforms; none wanted = over all.
    pub fn built(&self, wanted: &[Platform]) -> Built {
        let Self::Image(builds) = self else { return Built::Unsaid };
        let is_wanted = |build: &&Build| {
            wanted.is_empty() || build.platform.as_ref().is_some_and(|platform| wanted.contains(platform))
        };
        let dates = builds.iter().filter(is_wanted).filter_map(|build| match build.created {
            Created::At(time) => Some(time),
            Created::Unasked | Created::Unsaid => None,
        });
        match dates.max() {
            None => Built::Unsaid,
            Some(time) if time <= Timestamp::UNIX_EPOCH => Built::Unusable(time),
            Some(time) => Built::At(time),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_is_read_in_all_its_spellings() {
        for (text, expected) in [
            ("linux/amd64", Some("linux/amd64")),
            ("linux/arm64/v8", Some("linux/arm64")),
            ("linux/aarch64", Some("linux/arm64")),
            ("linux/arm", Some("linux/arm/v7")),
            ("linux/arm/v6", Some("linux/arm/v6")),
            ("windows/amd64", Some("windows/amd64")),
            ("linux/amd64/v3", Some("linux/amd64/v3")),
            ("linux", None),
            ("linux/", None),
            ("/amd64", None),
            ("linux/amd64/", None),
            ("linux/amd64/v2/x", None),
            ("Linux/amd64", None),
            ("linux /amd64", None),
            ("unknown/unknown", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<Platform>().ok().map(|one| one.to_string()).as_deref(), expected, "{text}");
        }
    }

    fn build(platform: &str, created: Created) -> Build {
        Build { platform: platform.parse().ok(), manifest: "".into(), created, labels: Labels::default() }
    }

    fn at(text: &str) -> Created {
        Created::At(text.parse().unwrap())
    }

    #[test]
    fn the_date_is_the_newest_of_the_wanted_platforms() {
        let image = Metadata::Image(vec![
            build("linux/amd64", at("2026-01-01T00:00:00Z")),
            build("linux/arm64", at("2026-01-02T00:00:00Z")),
            build("linux/arm/v7", at("1970-01-01T00:00:00Z")),
            build("linux/s390x", Created::Unsaid),
            build("windows/amd64", at("0001-01-01T00:00:00Z")),
        ]);
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        for (wanted, expected) in [
            ("", Built::At(time("2026-01-02T00:00:00Z"))),
            ("linux/amd64", Built::At(time("2026-01-01T00:00:00Z"))),
            ("linux/amd64 linux/arm", Built::At(time("2026-01-01T00:00:00Z"))),
            ("linux/arm", Built::Unusable(Timestamp::UNIX_EPOCH)),
            ("windows/amd64", Built::Unusable(time("0001-01-01T00:00:00Z"))),
            ("linux/s390x", Built::Unsaid),
            ("linux/386", Built::Unsaid),
        ] {
            let wanted: Vec<Platform> = wanted.split_whitespace().map(|one| one.parse().unwrap()).collect();
            assert_eq!(image.built(&wanted), expected, "{wanted:?}");
        }
        assert_eq!(Metadata::Foreign("application/x".into()).built(&[]), Built::Unsaid);
    }

    #[test]
    fn labels_are_kept_as_one_line_and_not_in_part() {
        let long = "x".repeat(257);
        let labels = Labels::of(|key| match key {
            "org.opencontainers.image.source" => Some(" https://git.example\n/acme/\u{202e}web\u{1b}[31m "),
            "org.opencontainers.image.revision" => Some(&long),
            "org.opencontainers.image.version" => Some("\t"),
            _ => None,
        });
        let source = Some("https://git.example/acme/web[31m".into());
        assert_eq!(labels, Labels { source, ..Labels::default() });
        let longest = "x".repeat(256);
        assert_eq!(Labels::of(|_| Some(&longest)).revision.as_deref(), Some(longest.as_str()));
        assert_eq!(serde_json::from_str::<Labels>("{}").unwrap(), Labels::of(|_| None));
    }

    #[test]
    fn what_is_lacking_is_named() {
        let image = Metadata::Image(vec![build("linux/amd64", Created::Unasked)]);
        let wanted: Vec<Platform> = ["linux/amd64", "linux/arm64"].map(|one| one.parse().unwrap()).into();
        assert_eq!(image.lacks(&wanted), wanted[1..]);
        assert_eq!(Metadata::Foreign(String::new()).lacks(&wanted), wanted);
        assert!(image.is_enough(&Needs { created: false, platforms: vec![] }));
        assert!(!image.is_enough(&Needs { created: true, platforms: vec![] }));
        assert!(image.is_enough(&Needs { created: true, platforms: wanted[1..].to_vec() }));
    }
}
