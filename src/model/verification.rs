//! Who must have signed an image before it is written, and what looking for signatures showed.
//!
//! Looking is in `registry`, what follows from it in `plan`. Format of the setting: `cosign:<name of a key>`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::model::names::NameError;

/// Longest name of a key, in bytes.
const MAX_NAME: usize = 63;

/// The name that the operator gave to a public key: `[A-Za-z0-9_][A-Za-z0-9._-]{0,62}`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct KeyName(String);

impl KeyName {
    /// Gives the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
        let first = text.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == b'_');
        if first && text.len() <= MAX_NAME && text.bytes().all(legal) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new(
                "name of a key",
                text,
                "it is 1 to 63 letters, digits and . _ -, and starts with none of . -",
            ))
        }
    }
}

/// One entry of `verify`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verifier {
    /// `cosign:<name>`: a signature by a key of the operator.
    Cosign(KeyName),
    /// `keyless:<name>`: a signature by an identity. No version of repin looks for one yet.
    Keyless,
}

/// Why a text is no entry of `verify`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifierError {
    /// It does not begin with a known word.
    #[error("an entry is cosign:<name of a key>")]
    Form,
    /// What follows `cosign:` is no name.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, VerifierError> {
        match text.split_once(':') {
            Some(("cosign", name)) => Ok(Self::Cosign(name.parse()?)),
            Some(("keyless", name)) if !name.is_empty() => Ok(Self::Keyless),
            _ => Err(VerifierError::Form),
        }
    }
}

/// What the signatures of one digest are worth to one key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verification {
    /// One of them is by the key, and of this digest.
    Verified,
    /// None is.
    Unverified(Unverified),
}

/// Why an image does not count as signed by a key. The greater one says more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Unverified {
    /// Nothing that looks like a signature is there.
    Nothing,
    /// Only attestations are there: they say something of the image, and not that it is the one to run.
    Attestations,
    /// What is there cannot be read, for this reason.
    Unreadable(&'static str),
    /// It is signed by an identity and not by a key.
    Keyless,
    /// It is signed by another key.
    OtherKey,
    /// There are more signatures than this many, which were looked at.
    TooMany(usize),
    /// The key signed something that is no signature of an image.
    OtherStatement,
    /// The key signed another digest.
    OtherDigest,
}

impl Unverified {
    /// Says so in words, after the tag.
    pub fn reason(&self, key: &KeyName) -> String {
        match self {
            Self::Nothing => format!("has no signature, and must be signed with the cosign key {key}"),
            Self::Attestations => {
                format!("has attestations and no signature, and must be signed with the cosign key {key}")
            }
            Self::Unreadable(why) => {
                format!("has no signature that can be read ({why}), and must be signed with the cosign key {key}")
            }
            Self::Keyless => format!("is signed keyless, and must be signed with the cosign key {key}"),
            Self::OtherKey => format!("is signed, and not with the cosign key {key}"),
            Self::TooMany(most) => {
                format!("has more than {most} signatures, and none of the first {most} is with the cosign key {key}")
            }
            Self::OtherStatement => {
                format!("carries something else than a signature of an image, signed with the cosign key {key}")
            }
            Self::OtherDigest => {
                format!("carries a signature with the cosign key {key} that is of another digest")
            }
        }
    }
}

/// Names keys in words: `the cosign key release`, `the cosign keys qa and release`.
pub fn keys_in_words(keys: &BTreeSet<KeyName>) -> String {
    let names: Vec<&str> = keys.iter().map(KeyName::as_str).collect();
    let plural = if names.len() == 1 { "" } else { "s" };
    format!("the cosign key{plural} {}", names.join(" and "))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_a_key_of_the_operator() {
        let long = format!("cosign:{}", "a".repeat(64));
        for (text, expected) in [
            ("cosign:release", Some("release")),
            ("cosign:_2026.Q1-a", Some("_2026.Q1-a")),
            ("cosign:", None),
            ("cosign:-a", None),
            ("cosign:a b", None),
            ("cosign:a/b", None),
            ("cosign:a:b", None),
            ("cosign:é", None),
            (long.as_str(), None),
            ("release", None),
            ("Cosign:release", None),
            ("keyless:", None),
            ("", None),
        ] {
            let read = text.parse::<Verifier>().ok().map(|read| match read {
                Verifier::Cosign(name) => name.to_string(),
                Verifier::Keyless => String::new(),
            });
            assert_eq!(read.as_deref(), expected, "{text}");
        }
        assert_eq!("keyless:https://accounts.example".parse::<Verifier>(), Ok(Verifier::Keyless));
    }

    #[test]
    fn the_reason_that_says_most_is_the_greatest() {
        let mut all = [
            Unverified::OtherDigest,
            Unverified::Unreadable("x"),
            Unverified::Nothing,
            Unverified::OtherKey,
            Unverified::Attestations,
        ];
        all.sort();
        assert_eq!(all[0], Unverified::Nothing);
        assert_eq!(all[3..], [Unverified::OtherKey, Unverified::OtherDigest]);
    }

    #[test]
    fn keys_are_named_in_words() {
        let set = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(keys_in_words(&set(&["release"])), "the cosign key release");
        assert_eq!(keys_in_words(&set(&["release", "qa"])), "the cosign keys qa and release");
    }
}
