//! What a policy says of one tag, in codes and in words.

use crate::model::names::Tag;
use crate::model::policy::{Extract, Policy};
use crate::model::version::Version;
use crate::selection::{range, reading};

/// What a policy says of one tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It passes every filter.
    Eligible,
    /// It does not, for this reason.
    Rejected(Rejection),
}

impl Verdict {
    /// Tells whether the tag passes every filter.
    pub fn is_eligible(self) -> bool {
        self.rejection().is_none()
    }

    /// Gives why the tag is rejected, if it is.
    pub fn rejection(self) -> Option<Rejection> {
        match self {
            Self::Eligible => None,
            Self::Rejected(rejection) => Some(rejection),
        }
    }
}

/// The first filter that a tag does not pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// A signature, an attestation, an SBOM or an index of referrers, stored under a tag.
    NotACandidate,
    /// `ignore-tags` names it.
    IgnoreTags,
    /// `allow-tags` does not match it.
    AllowTags,
    /// Another tag is followed (`digest`).
    NotFollowed,
    /// The groups of `extract` caught nothing in it.
    NoExtract,
    /// What is compared does not read as a version.
    NotAVersion,
    /// What is compared does not read as a whole number.
    NotANumber,
    /// It is one long number (`strict`).
    Strict,
    /// It is outside the constraint.
    OutOfRange,
    /// It is a pre-release, and the constraint names none.
    Prerelease,
}

impl Rejection {
    /// Gives the stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotACandidate => "not-a-candidate",
            Self::IgnoreTags => "ignore-tags",
            Self::AllowTags => "allow-tags",
            Self::NotFollowed => "not-followed",
            Self::NoExtract => "no-extract",
            Self::NotAVersion => "not-a-version",
            Self::NotANumber => "not-a-number",
            Self::Strict => "strict",
            Self::OutOfRange => "out-of-range",
            Self::Prerelease => "prerelease",
        }
    }

    /// Says in words why this policy rejects this tag.
    pub fn reason(self, policy: &Policy, tag: &Tag) -> String {
        let compared = || reading(policy, tag.as_str()).unwrap_or_default();
        match self {
            Self::NotACandidate => {
                format!("`{tag}` belongs to another image: a signature, an attestation, an SBOM or a list of these")
            }
            Self::IgnoreTags => match policy.ignore.iter().find(|glob| glob.glob.is_match(tag.as_str())) {
                Some(glob) => format!("`{tag}` matches `{}` of ignore-tags", glob.source),
                None => format!("`{tag}` matches ignore-tags"),
            },
            Self::AllowTags => match &policy.allow {
                Some(pattern) => format!("`{tag}` does not match `{}` of allow-tags", pattern.source),
                None => format!("`{tag}` does not match allow-tags"),
            },
            Self::NotFollowed => match policy.followed() {
                Some(followed) => format!("`{followed}` is followed, and no other tag"),
                None => "another tag is followed".to_owned(),
            },
            Self::NoExtract => format!("`{}` of extract catches nothing in `{tag}`", extract(policy)),
            Self::NotAVersion => {
                let compared = compared();
                let why = match compared.parse::<Version>() {
                    Err(error) => error.to_string(),
                    Ok(_) => format!("`{compared}` is no version"),
                };
                of_tag(policy, tag, why)
            }
            Self::NotANumber => {
                let why = format!("`{}` is no whole number: it is made of the digits 0 to 9 alone", compared());
                of_tag(policy, tag, why)
            }
            Self::Strict => {
                let compared = compared();
                let digits = compared.trim_start_matches('v').len();
                format!(
                    "`{compared}` is one number of {digits} digits, not a version; set strict: \"false\" or filter it with \
                     allow-tags or ignore-tags"
                )
            }
            Self::OutOfRange => format!("`{}` is outside `{}`", compared(), range(policy)),
            Self::Prerelease => "pre-release, and the range names none".to_owned(),
        }
    }
}

/// Names the tag beside what was extracted of it.
fn of_tag(policy: &Policy, tag: &Tag, why: String) -> String {
    match &policy.extract {
        Some(extract) => format!("{why} (`{}` of `{tag}`)", extract.source),
        None => why,
    }
}

fn extract(policy: &Policy) -> &str {
    policy.extract.as_ref().map_or("", |Extract { source }| source)
}
