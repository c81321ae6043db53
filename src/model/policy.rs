//! What a team allows for one image: the order of candidates and the filters before it.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::model::constraint::Constraint;
use crate::model::metadata::Platform;
use crate::model::names::Tag;
use crate::model::verification::KeyName;

/// The tag that `digest` follows where none is named.
const FOLLOWED: &str = "latest";

/// How candidates are ordered (SELECTION "Orders").
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Strategy {
    /// Semantic versions within a constraint.
    #[default]
    Semver,
    /// By the date that the image itself says it was built.
    NewestBuild,
    /// By the bytes of the tag.
    Alphabetical,
    /// By whole numbers of any size.
    Numerical,
    /// One mutable tag, whatever it names.
    Digest,
}

impl Strategy {
    /// Gives the word of the annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Semver => "semver",
            Self::NewestBuild => "newest-build",
            Self::Alphabetical => "alphabetical",
            Self::Numerical => "numerical",
            Self::Digest => "digest",
        }
    }

    /// Gives what happens after a rollback unless the annotations say: where the next build comes in minutes, it is no
    /// release that somebody waits for.
    pub fn after_rollback(self) -> AfterRollback {
        match self {
            Self::Semver | Self::Alphabetical => AfterRollback::Next,
            Self::NewestBuild | Self::Numerical | Self::Digest => AfterRollback::Wait,
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What of a chosen image is written.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Pin {
    /// The tag.
    #[default]
    Tag,
    /// The digest alone.
    Digest,
    /// Both.
    TagAndDigest,
}

/// What happens after somebody took a value back (SELECTION guard 3).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum AfterRollback {
    /// The next candidate above the one taken back is taken.
    #[default]
    Next,
    /// Nothing is taken until a person resumes.
    Wait,
}

/// A regular expression over tags, compiled with a size limit. Unanchored, as in argocd-image-updater.
#[derive(Clone, Debug)]
pub struct TagPattern {
    /// The text after `regexp:`.
    pub source: String,
    /// The compiled expression.
    pub regex: regex::Regex,
}

/// What of a tag is compared: a text with `$1` or `${name}` for the groups of `allow-tags`, as in Flux.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Extract {
    /// The text as written.
    pub source: String,
}

impl Extract {
    /// Gives the names and numbers of the groups that a text names; `$$` is a dollar.
    pub fn groups(text: &str) -> Vec<&str> {
        let mut groups = Vec::new();
        let mut rest = text;
        while let Some((_, after)) = rest.split_once('$') {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            rest = if let Some(after) = after.strip_prefix('$') {
                after
            } else if let Some((name, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
                groups.push(name);
                after
            } else {
                let (name, after) = after.split_at(after.find(|c| !word(c)).unwrap_or(after.len()));
                groups.push(name);
                after
            };
        }
        groups
    }

    /// Gives what a tag gives; none where the expression does not match.
    pub fn of(&self, pattern: &TagPattern, tag: &str) -> Option<String> {
        let captures = pattern.regex.captures(tag)?;
        let mut text = String::new();
        captures.expand(&self.source, &mut text);
        Some(text)
    }
}

/// A glob over tags (`ignore-tags`): `*`, `?`, `[…]`.
#[derive(Clone, Debug)]
pub struct TagGlob {
    /// The text as written.
    pub source: String,
    /// The compiled glob.
    pub glob: globset::GlobMatcher,
}

/// What is allowed, and which candidate is best.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The order.
    pub strategy: Strategy,
    /// The version constraint of the image list; used by semver only.
    pub constraint: Option<Constraint>,
    /// The mutable tag of the image list; used by digest only.
    pub follow: Option<Tag>,
    /// `allow-tags`; none = any.
    pub allow: Option<TagPattern>,
    /// `extract`; none = the tag itself is compared. Only beside `allow`.
    pub extract: Option<Extract>,
    /// `ignore-tags`.
    pub ignore: Vec<TagGlob>,
    /// Rejects tags that are one all-digit part of six or more digits. Default true.
    pub strict: bool,
    /// Lets pre-releases match ranges that name none.
    pub include_prereleases: bool,
    /// Lifts guard 1.
    pub allow_downgrade: bool,
    /// Guard 3's mode.
    pub after_rollback: AfterRollback,
    /// Platforms that an image must carry, all of them.
    pub platforms: Vec<Platform>,
    /// `pin`; none = the strategy's own, and a digest that a person wrote stays.
    pub pin: Option<Pin>,
    /// How long a tag must have been seen with one digest; none = not at all.
    pub min_age: Option<Duration>,
    /// Keys with which an image must be signed, all of them.
    pub verify: BTreeSet<KeyName>,
}

impl Policy {
    /// Gives what is written; `is_verified` = signatures are demanded, by the policy or by a rule. What was verified is a
    /// digest, so that is what is written then.
    pub fn pin(&self, is_verified: bool) -> Pin {
        let own = match self.strategy {
            Strategy::Digest => Pin::TagAndDigest,
            Strategy::Semver | Strategy::NewestBuild | Strategy::Alphabetical | Strategy::Numerical if is_verified => {
                Pin::TagAndDigest
            }
            Strategy::Semver | Strategy::NewestBuild | Strategy::Alphabetical | Strategy::Numerical => Pin::Tag,
        };
        self.pin.unwrap_or(own)
    }

    /// Gives the tag that `digest` follows.
    pub fn followed(&self) -> Option<Tag> {
        self.follow.clone().or_else(|| FOLLOWED.parse().ok())
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            strategy: Strategy::default(),
            constraint: None,
            follow: None,
            allow: None,
            extract: None,
            ignore: Vec::new(),
            strict: true,
            include_prereleases: false,
            allow_downgrade: false,
            after_rollback: AfterRollback::default(),
            platforms: Vec::new(),
            pin: None,
            min_age: None,
            verify: BTreeSet::new(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_groups_of_an_extract_are_found() {
        for (text, expected) in [
            ("$ts", &["ts"][..]),
            ("${ts}", &["ts"]),
            ("$1.$2-${b_3}x", &["1", "2", "b_3"]),
            ("$1x", &["1x"]),
            ("$$1", &[]),
            ("$", &[""]),
            ("${ts", &[""]),
            ("${}", &[""]),
            ("ts", &[]),
        ] {
            assert_eq!(Extract::groups(text), expected, "{text}");
        }
    }

    #[test]
    fn an_extract_gives_what_its_groups_caught() {
        let regex = regex::Regex::new("^(?P<branch>[a-z]+)-(?P<ts>[0-9]+)(-rc)?$").unwrap();
        let pattern = TagPattern { source: String::new(), regex };
        for (extract, tag, expected) in [
            ("$ts", "main-42", Some("42")),
            ("${ts}.0.0", "main-42", Some("42.0.0")),
            ("$2", "main-42", Some("42")),
            ("$3", "main-42", Some("")),
            ("$ts", "42", None),
        ] {
            let extract = Extract { source: extract.to_owned() };
            assert_eq!(extract.of(&pattern, tag).as_deref(), expected, "{tag}");
        }
    }
}
