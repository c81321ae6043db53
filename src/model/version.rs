//! Versions as Masterminds/semver v3.4 reads them with `NewVersion`: looser than SemVer 2.0.0 in what it takes, the
//! same in how it orders. Holds no ranges; those are in `model::constraint`.
//!
//! Read: an optional `v`, one to three numbers joined by dots (missing ones are 0, leading zeros allowed, each within
//! u64), `-` and a pre-release, `+` and build metadata (both as SemVer 2.0.0 section 9 and 10 say).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease};

/// A version with its original text. `Ord` is total and agrees with [`Version::precedence`]; versions of equal
/// precedence are ordered by [`Version`]'s tie order: more written numbers are higher, then the one without `v`, then
/// the text with the higher bytes. `T` holds the text: a `String`, or a `&str` where many versions are read for a moment.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Version<T = String> {
    semver: semver::Version,
    parts: u8,
    has_v: bool,
    text: T,
}

impl<'t> Version<&'t str> {
    /// Reads a version that borrows its text; none if it is no version.
    pub fn borrowed(text: &'t str) -> Option<Self> {
        read(text).ok()
    }
}

impl<T: AsRef<str>> Version<T> {
    /// Gives the text as written.
    pub fn as_str(&self) -> &str {
        self.text.as_ref()
    }

    /// Gives the parsed version, with missing numbers as 0.
    pub fn semver(&self) -> &semver::Version {
        &self.semver
    }

    /// Gives how many numbers are written, one to three.
    pub fn parts(&self) -> u8 {
        self.parts
    }

    /// Tells whether the text starts with `v`.
    pub fn has_v(&self) -> bool {
        self.has_v
    }

    /// Tells whether this is a pre-release.
    pub fn is_prerelease(&self) -> bool {
        !self.semver.pre.is_empty()
    }

    /// Gives the count of digits, leading zeros included, if the text is one number and nothing else but a `v`.
    pub fn single_number_digits(&self) -> Option<usize> {
        let is_bare = self.parts == 1 && !self.is_prerelease() && self.semver.build.is_empty();
        is_bare.then(|| self.as_str().len() - usize::from(self.has_v))
    }

    /// Orders by SemVer 2.0.0 section 11; build metadata and spelling do not count.
    pub fn precedence(&self, other: &Self) -> Ordering {
        self.semver.cmp_precedence(&other.semver)
    }
}

impl<T: AsRef<str> + Eq> Ord for Version<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.precedence(other)
            .then_with(|| self.parts.cmp(&other.parts))
            .then_with(|| other.has_v.cmp(&self.has_v))
            .then_with(|| self.as_str().cmp(other.as_str()))
    }
}

impl<T: AsRef<str> + Eq> PartialOrd for Version<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: AsRef<str>> fmt::Display for Version<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let Version { semver, parts, has_v, text } =
            read(text).map_err(|rule| VersionError { text: shown(text), rule })?;
        Ok(Self { semver, parts, has_v, text: text.to_owned() })
    }
}

/// Why a text is not a version.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is no version: {rule}")]
pub struct VersionError {
    /// The text, shortened if long.
    pub text: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

/// What a version and the bound of a constraint have in common: everything but the numbers.
pub(super) struct Pieces<'a> {
    /// Whether the text starts with `v`.
    pub(super) has_v: bool,
    /// What stands before the pre-release.
    pub(super) core: &'a str,
    /// Empty if there is none.
    pub(super) pre: Prerelease,
    /// Empty if there is none.
    pub(super) build: BuildMetadata,
}

impl<'a> Pieces<'a> {
    /// Splits a text; the core is left unchecked.
    pub(super) fn split(text: &'a str) -> Result<Self, &'static str> {
        let (has_v, rest) = text.strip_prefix('v').map_or((false, text), |rest| (true, rest));
        let (rest, build) = match rest.split_once('+') {
            None => (rest, BuildMetadata::EMPTY),
            Some((rest, build)) => (rest, build_metadata(build).ok_or(BUILD_RULE)?),
        };
        let (core, pre) = match rest.split_once('-') {
            None => (rest, Prerelease::EMPTY),
            Some((core, pre)) => (core, prerelease(pre).ok_or(PRERELEASE_RULE)?),
        };
        Ok(Self { has_v, core, pre, build })
    }
}

/// Reads one number of a version or a bound.
pub(super) fn number(text: &str) -> Result<u64, &'static str> {
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_digit()) {
        return Err(NUMBERS_RULE);
    }
    text.parse().map_err(|_| "a number of it is above 18446744073709551615")
}

/// Shortens a text for a message and drops what a terminal could take for a command.
pub(super) fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(140).collect()
}

const NUMBERS_RULE: &str = "it starts with one to three numbers joined by dots, after an optional v";
const PRERELEASE_RULE: &str = "a pre-release (after -) is parts of A-Z a-z 0-9 - joined by dots, none empty, \
                               and no number in it has a leading zero";
const BUILD_RULE: &str = "build metadata (after +) is parts of A-Z a-z 0-9 - joined by dots, none empty";

fn prerelease(text: &str) -> Option<Prerelease> {
    if text.is_empty() { None } else { Prerelease::new(text).ok() }
}

fn build_metadata(text: &str) -> Option<BuildMetadata> {
    if text.is_empty() { None } else { BuildMetadata::new(text).ok() }
}

fn read(text: &str) -> Result<Version<&str>, &'static str> {
    // Most tags that are no versions are branch names and hashes: tell those before anything is split.
    if !text.strip_prefix('v').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit()) {
        return Err(NUMBERS_RULE);
    }
    let Pieces { has_v, core, pre, build } = Pieces::split(text)?;
    let mut numbers = [0; 3];
    let mut parts = 0;
    let mut places = numbers.iter_mut();
    for part in core.split('.') {
        *places.next().ok_or(NUMBERS_RULE)? = number(part)?;
        parts += 1;
    }
    let [major, minor, patch] = numbers;
    let semver = semver::Version { major, minor, patch, pre, build };
    Ok(Version { semver, parts, has_v, text })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn a_version_keeps_its_text_and_how_it_was_written() {
        for (text, parts, has_v, semver) in [
            ("1.2.3", 3, false, "1.2.3"),
            ("v1.2.3", 3, true, "1.2.3"),
            ("v1", 1, true, "1.0.0"),
            ("1.2", 2, false, "1.2.0"),
            ("01.002.3", 3, false, "1.2.3"),
            ("1.2-5", 2, false, "1.2.0-5"),
            ("1-rc.1+b-c.007", 1, false, "1.0.0-rc.1+b-c.007"),
            ("1.2.3-0abc", 3, false, "1.2.3-0abc"),
            ("18446744073709551615", 1, false, "18446744073709551615.0.0"),
        ] {
            let version = version(text);
            assert_eq!((version.parts(), version.has_v()), (parts, has_v), "{text}");
            assert_eq!(version.semver().to_string(), semver, "{text}");
            assert_eq!((version.as_str(), version.to_string().as_str()), (text, text));
        }
    }

    #[test]
    fn what_is_no_version_is_told_with_its_rule() {
        let long = format!("1.2.3-{}", "0".repeat(122));
        for (text, rule) in [
            ("", NUMBERS_RULE),
            ("v", NUMBERS_RULE),
            ("V1.2.3", NUMBERS_RULE),
            ("vv1", NUMBERS_RULE),
            ("latest", NUMBERS_RULE),
            ("1.2.3.4", NUMBERS_RULE),
            ("1..2", NUMBERS_RULE),
            ("1.", NUMBERS_RULE),
            ("1.x", NUMBERS_RULE),
            ("1.+2", NUMBERS_RULE),
            ("12345678e9", NUMBERS_RULE),
            ("1e5", NUMBERS_RULE),
            (" 1.2.3", NUMBERS_RULE),
            ("1.2.3 ", NUMBERS_RULE),
            ("1.2.3\n", NUMBERS_RULE),
            ("١.٢.٣", NUMBERS_RULE),
            ("1.2.3-é", PRERELEASE_RULE),
            ("1.2.3-", PRERELEASE_RULE),
            ("1.2.3-a..b", PRERELEASE_RULE),
            ("1.2.3-rc.01", PRERELEASE_RULE),
            (long.as_str(), PRERELEASE_RULE),
            ("1.2.3+", BUILD_RULE),
            ("1.2.3+a+b", BUILD_RULE),
            ("18446744073709551616", "a number of it is above 18446744073709551615"),
            ("1.99999999999999999999999999.0", "a number of it is above 18446744073709551615"),
        ] {
            assert_eq!(text.parse::<Version>().unwrap_err().rule, rule, "{text:?}");
        }
        assert_eq!(
            "1.2.\u{1b}3".parse::<Version>().unwrap_err().to_string(),
            "`1.2.3` is no version: it starts with one to three numbers joined by dots, after an optional v"
        );
    }

    #[test]
    fn a_tag_of_128_characters_is_read() {
        let text = format!("1.2.3-{}", "a".repeat(122));
        assert_eq!(version(&text).as_str().len(), 128);
    }

    #[test]
    fn precedence_is_that_of_semver_and_ignores_spelling_and_build() {
        let ascending = [
            "0.9.9",
            "1.0.0-1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.9",
            "1.0.0-alpha.10",
            "1.0.0-alpha.99999999999999999999999",
            "1.0.0-alpha.beta",
            "1.0.0-rc.1",
            "1",
            "1.0.1",
            "1.2",
            "v1.10.0",
            "2",
        ];
        for pair in ascending.windows(2) {
            let [low, high] = pair else { continue };
            assert_eq!(version(low).precedence(&version(high)), Ordering::Less, "{low} {high}");
            assert!(version(low) < version(high), "{low} {high}");
        }
        for (a, b) in [("1.2.3", "v1.2.3"), ("1.2.3+a", "1.2.3+b"), ("1.2.0", "1.2"), ("1.2.3", "1.02.3")] {
            assert_eq!(version(a).precedence(&version(b)), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn equal_versions_are_ordered_by_parts_then_v_then_bytes() {
        let best_first = ["1.0.0", "01.0.0", "v1.0.0", "v01.0.0", "1.0", "01.0", "v1.0", "1", "v1"];
        let mut sorted = best_first.map(version);
        sorted.sort();
        sorted.reverse();
        assert_eq!(sorted.each_ref().map(Version::as_str), best_first);
    }

    #[test]
    fn one_bare_number_is_known_with_its_digits() {
        for (text, digits) in [
            ("20240115", Some(8)),
            ("v20240115", Some(8)),
            ("0012345", Some(7)),
            ("1", Some(1)),
            ("1.2", None),
            ("20240115-rc", None),
            ("20240115+b", None),
        ] {
            assert_eq!(version(text).single_number_digits(), digits, "{text}");
        }
    }
}
