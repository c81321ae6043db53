//! Version constraints as Masterminds/semver v3.4 reads them: the language of both Argo CD and Flux. Parses and
//! matches; which tags are candidates at all is decided in `selection`.
//!
//! `||` is or; a space or a comma is and; `= != > >= => < <= =< ~ ~> ^` or no operator before a bound; `1.0 - 1.2` is
//! a range with both ends; `x`, `X` and `*` are wildcards; an empty text is `*`. A bound with fewer than three numbers
//! stands for all versions that start with them. Pre-releases match only where a bound of the same and-group names
//! one, or where the caller includes them.
//!
//! Four readings differ on purpose. `~0.0.0` is 0.0.x and not everything. An operator before a bare wildcard follows
//! what the wildcard stands for: `^*` and `<=*` are everything, `!=*` and `>*` nothing. An empty text is taken. A range
//! with a hyphen may follow another bound after a space.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::model::version::{self, Pieces, Version};

/// The longest constraint that is read, in bytes. Each tag is held against every comparator.
pub const MAX_LENGTH: usize = 1024;

/// A parsed constraint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Constraint {
    source: String,
    alternatives: Vec<Conjunction>,
    longest_major: usize,
}

/// How a version stands to a constraint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fit {
    /// The version matches.
    Matches,
    /// It, or the release it precedes, is in range; it is a pre-release and the range names none.
    Prerelease,
    /// It is not in range.
    OutOfRange,
}

impl Constraint {
    /// Gives the constraint `*`: every release.
    pub fn any() -> Self {
        Self { source: "*".to_owned(), alternatives: vec![Conjunction::any()], longest_major: 0 }
    }

    /// Gives the text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Tells whether the version matches.
    pub fn matches<T: AsRef<str>>(&self, version: &Version<T>, include_prereleases: bool) -> bool {
        self.check(version, include_prereleases) == Fit::Matches
    }

    /// Tells whether the version matches, and if not, why.
    pub fn check<T: AsRef<str>>(&self, version: &Version<T>, include_prereleases: bool) -> Fit {
        let semver = version.semver();
        let mut fit = Fit::OutOfRange;
        for conjunction in &self.alternatives {
            if !version.is_prerelease() || include_prereleases || conjunction.names_prerelease {
                if conjunction.holds(semver) {
                    return Fit::Matches;
                }
            } else if fit == Fit::OutOfRange {
                // `1.0.0-rc.1` is below `1.x`, and still it is the missing `-0` that keeps it out.
                let release = semver::Version::new(semver.major, semver.minor, semver.patch);
                if conjunction.holds(semver) || conjunction.holds(&release) {
                    fit = Fit::Prerelease;
                }
            }
        }
        fit
    }

    /// Gives the digits, as written, of the longest first number of a bound; 0 if there is none.
    pub fn longest_major(&self) -> usize {
        self.longest_major
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)
    }
}

impl FromStr for Constraint {
    type Err = ConstraintError;

    fn from_str(text: &str) -> Result<Self, ConstraintError> {
        let fail = |fault: Fault<'_>| ConstraintError {
            text: version::shown(text),
            part: version::shown(fault.part),
            rule: fault.rule,
        };
        if text.len() > MAX_LENGTH {
            return Err(fail(Fault { part: text, rule: "a constraint is at most 1024 bytes long" }));
        }
        if text.trim_ascii().is_empty() {
            return Ok(Self { source: text.to_owned(), ..Self::any() });
        }
        let mut constraint = Self { source: text.to_owned(), alternatives: Vec::new(), longest_major: 0 };
        for alternative in text.split("||") {
            if alternative.trim_ascii().is_empty() {
                return Err(fail(Fault { part: text.trim_ascii(), rule: "a version stands on both sides of ||" }));
            }
            let mut conjunction = Conjunction { comparators: Vec::new(), names_prerelease: false };
            for part in alternative.split(',') {
                if part.trim_ascii().is_empty() {
                    let part = alternative.trim_ascii();
                    return Err(fail(Fault { part, rule: "a version stands on both sides of a comma" }));
                }
                constraint.longest_major = constraint.longest_major.max(conjunction.read(part).map_err(fail)?);
            }
            constraint.alternatives.push(conjunction);
        }
        Ok(constraint)
    }
}

/// Why a text is not a constraint.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{text}` is no version constraint: in `{part}`, {rule}")]
pub struct ConstraintError {
    /// The text, shortened if long.
    pub text: String,
    /// The part of it that cannot be read.
    pub part: String,
    /// The rule it breaks.
    pub rule: &'static str,
}

struct Fault<'a> {
    part: &'a str,
    rule: &'static str,
}

/// Comparators that all hold.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Conjunction {
    comparators: Vec<Comparator>,
    names_prerelease: bool,
}

impl Conjunction {
    fn any() -> Self {
        let bound = Bound { precision: Precision::Any, at: semver::Version::new(0, 0, 0), major_digits: 0 };
        Self { comparators: vec![Comparator { operator: Operator::Equal, bound }], names_prerelease: false }
    }

    fn holds(&self, version: &semver::Version) -> bool {
        self.comparators.iter().all(|comparator| comparator.holds(version))
    }

    /// Reads comparators separated by spaces; gives the longest first number.
    fn read<'a>(&mut self, text: &'a str) -> Result<usize, Fault<'a>> {
        let mut longest = 0;
        let mut words = text.split_ascii_whitespace().peekable();
        while let Some(word) = words.next() {
            let bound = word.trim_start_matches(['=', '!', '<', '>', '~', '^']);
            let sign = word.strip_suffix(bound).unwrap_or_default();
            let operator = Operator::read(sign)
                .ok_or(Fault { part: word, rule: "the operator is none of = != > >= => < <= =< ~ ~> ^" })?;
            let (part, bound) = if bound.is_empty() {
                let next = words.next().ok_or(Fault { part: word, rule: "a version is missing after the operator" })?;
                (next, next)
            } else {
                (word, bound)
            };
            let bound = Bound::read(bound).map_err(|rule| Fault { part, rule })?;
            longest = longest.max(bound.major_digits);
            if words.next_if_eq(&"-").is_none() {
                self.push(operator, bound);
                continue;
            }
            if !sign.is_empty() {
                return Err(Fault { part: text.trim_ascii(), rule: "a range such as `1.0 - 1.2` has no operator" });
            }
            let upper =
                words.next().ok_or(Fault { part: text.trim_ascii(), rule: "a version is missing after the hyphen" })?;
            self.push(Operator::GreaterOrEqual, bound);
            let bound = Bound::read(upper).map_err(|rule| Fault { part: upper, rule })?;
            longest = longest.max(bound.major_digits);
            self.push(Operator::LessOrEqual, bound);
        }
        Ok(longest)
    }

    fn push(&mut self, operator: Operator, bound: Bound) {
        self.names_prerelease |= !bound.at.pre.is_empty();
        self.comparators.push(Comparator { operator, bound });
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Tilde,
    Caret,
}

impl Operator {
    fn read(sign: &str) -> Option<Self> {
        Some(match sign {
            "" | "=" => Self::Equal,
            "!=" => Self::NotEqual,
            ">" => Self::Greater,
            ">=" | "=>" => Self::GreaterOrEqual,
            "<" => Self::Less,
            "<=" | "=<" => Self::LessOrEqual,
            "~" | "~>" => Self::Tilde,
            "^" => Self::Caret,
            _ => return None,
        })
    }
}

/// How many numbers of a bound are written before it ends or a wildcard stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Precision {
    Any,
    Major,
    Minor,
    Patch,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Bound {
    precision: Precision,
    at: semver::Version,
    major_digits: usize,
}

impl Bound {
    fn read(text: &str) -> Result<Self, &'static str> {
        let Pieces { core, pre, .. } = Pieces::split(text).map_err(|_| BOUND_RULE)?;
        let mut numbers = [0; 3];
        let mut precision = Precision::Any;
        let mut has_wildcard = false;
        let mut major_digits = 0;
        let mut parts = core.split('.');
        for (place, reached) in numbers.iter_mut().zip([Precision::Major, Precision::Minor, Precision::Patch]) {
            let Some(part) = parts.next() else { break };
            if matches!(part, "x" | "X" | "*") {
                has_wildcard = true;
                continue;
            }
            let number = version::number(part).map_err(|_| BOUND_RULE)?;
            // What follows a wildcard says nothing: `1.x.3` is `1.x`.
            if !has_wildcard {
                *place = number;
                precision = reached;
                if reached == Precision::Major {
                    major_digits = part.len();
                }
            }
        }
        if parts.next().is_some() {
            return Err(BOUND_RULE);
        }
        let [major, minor, patch] = numbers;
        let at = semver::Version { pre, ..semver::Version::new(major, minor, patch) };
        Ok(Self { precision, at, major_digits })
    }

    /// Tells whether the version starts with the first `count` numbers of the bound, at most as many as are written.
    fn shares(&self, version: &semver::Version, count: Precision) -> bool {
        let upto = self.precision.min(count);
        (upto < Precision::Major || version.major == self.at.major)
            && (upto < Precision::Minor || version.minor == self.at.minor)
            && (upto < Precision::Patch || version.patch == self.at.patch)
    }

    /// Orders the version against all versions that start with the numbers of a partial bound; a full one's by
    /// precedence.
    fn position(&self, version: &semver::Version) -> Ordering {
        match self.precision {
            Precision::Any => Ordering::Equal,
            Precision::Major => version.major.cmp(&self.at.major),
            Precision::Minor => (version.major, version.minor).cmp(&(self.at.major, self.at.minor)),
            Precision::Patch => version.cmp_precedence(&self.at),
        }
    }
}

const BOUND_RULE: &str = "a version is one to three numbers up to 18446744073709551615 or wildcards (x, X, *) joined by \
                          dots, then -pre-release if any; a space, a comma or || separates versions";

#[derive(Clone, Debug, Eq, PartialEq)]
struct Comparator {
    operator: Operator,
    bound: Bound,
}

impl Comparator {
    fn holds(&self, version: &semver::Version) -> bool {
        let Self { operator, bound } = self;
        let from_bound = || version.cmp_precedence(&bound.at) != Ordering::Less;
        match operator {
            Operator::Equal if bound.precision == Precision::Patch => bound.position(version) == Ordering::Equal,
            Operator::Equal | Operator::Tilde => from_bound() && bound.shares(version, Precision::Minor),
            // A pre-release counts where two numbers are written: `!=4.1-alpha` leaves 4.1.0.
            Operator::NotEqual if bound.precision == Precision::Minor => {
                bound.position(version) != Ordering::Equal || version.pre != bound.at.pre
            }
            Operator::NotEqual => bound.position(version) != Ordering::Equal,
            Operator::Greater => bound.position(version) == Ordering::Greater,
            Operator::GreaterOrEqual => from_bound(),
            Operator::Less => !from_bound(),
            Operator::LessOrEqual => bound.position(version) != Ordering::Greater,
            Operator::Caret => {
                // The first number that is not 0 must stay; of `^0.0` and `^0` the last one written.
                let fixed = match (bound.at.major, bound.at.minor) {
                    (0, 0) => Precision::Patch,
                    (0, _) => Precision::Minor,
                    _ => Precision::Major,
                };
                from_bound() && bound.shares(version, fixed)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn constraint(text: &str) -> Constraint {
        text.parse().unwrap()
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_take_what_the_design_says() {
        for (text, takes, leaves) in [
            ("", "0.0.0 99.0.0", "1.0.0-rc.1"),
            (" \n", "0.0.0 99.0.0", "1.0.0-rc.1"),
            ("1", "1.0.0 1.9.9 v1", "0.9.9 2.0.0 1.1.0-rc.1"),
            ("1.2", "1.2.0 1.2.9", "1.1.9 1.3.0"),
            ("v1.2.3", "1.2.3 v1.2.3 1.2.3+b 01.2.3", "1.2.4"),
            ("=1.2.3+ignored", "1.2.3 1.2.3+other", "1.2.2"),
            ("1.X", "1.0.0", "2.0.0"),
            ("1.x.3", "1.0.0 1.9.0", "2.0.0"),
            ("1.25.x", "1.25.7", "1.26.0"),
            ("~1", "1.0.0 1.9.0", "2.0.0"),
            ("~>1.2", "1.2.0 1.2.9", "1.3.0 1.1.0"),
            ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
            ("~0.0.0", "0.0.0 0.0.9", "0.1.0 1.2.3"),
            ("~0.0", "0.0.9", "0.1.0"),
            ("~*", "0.0.0 9.0.0", "9.0.0-rc.1"),
            ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.2.3"),
            ("^0.0.3", "0.0.3", "0.0.2 0.0.4 0.1.3"),
            ("^0.0", "0.0.0 0.0.9", "0.1.0 1.0.0"),
            ("^0", "0.0.0 0.9.0", "1.0.0"),
            ("^1.0", "1.0.0 1.9.0", "0.9.0 2.0.0"),
            ("^*", "0.0.0 7.1.0", "1.0.0-rc.1"),
            ("<=*", "0.0.0 7.1.0", ""),
            (">=*", "0.0.0 7.1.0", ""),
            (">*", "", "0.0.0 7.1.0"),
            ("<*", "", "0.0.0 7.1.0"),
            ("!=*", "", "0.0.0 7.1.0"),
            (">1", "2.0.0", "1.0.0 1.9.9"),
            (">1.1", "1.2.0 2.0.0", "1.1.9"),
            ("=>1.1", "1.1.0", "1.0.9"),
            ("<=1", "0.1.0 1.9.9", "2.0.0"),
            ("=<1.1.0", "1.1.0", "1.1.1"),
            ("<1", "0.9.9", "1.0.0"),
            ("!=1.2.x", "1.1.0 1.3.0", "1.2.0 1.2.9"),
            ("!=1", "2.0.0", "1.2.0"),
            ("1.0 - 1.2", "1.0.0 1.2.9", "0.9.9 1.3.0"),
            ("1.0.0 - 1.2.0", "1.2.0", "1.2.1"),
            ("1.x - 2.x", "1.0.0 2.9.9", "0.9.0 3.0.0"),
            ("!=1.1.1 1.0 - 1.2", "1.1.0", "1.1.1"),
            (">=1.0 <2.0,!=1.5.0 || 3.x", "1.4.0 3.1.0", "1.5.0 2.0.0"),
            ("1||2", "1.0.0 2.0.0", "3.0.0"),
            (">=1.0\t<2.0", "1.0.0", "2.0.0"),
            ("1.x-0", "1.0.0-rc.1 1.9.0-a 1.2.3", "2.0.0-rc.1"),
            ("^1.2.3-rc.1", "1.2.3-rc.2 1.3.0-a 1.9.0", "1.2.3-beta 2.0.0"),
            ("1.x-0 || 2.x", "1.2.0-a 2.0.0", "2.1.0-a"),
            (">=020240101", "20240102", "20230101"),
        ] {
            let parsed = constraint(text);
            assert_eq!(parsed.source(), text);
            for tag in takes.split(' ').filter(|tag| !tag.is_empty()) {
                assert!(parsed.matches(&version(tag), false), "`{text}` takes {tag}");
            }
            for tag in leaves.split(' ').filter(|tag| !tag.is_empty()) {
                assert!(!parsed.matches(&version(tag), false), "`{text}` leaves {tag}");
            }
        }
    }

    #[test]
    fn a_version_that_does_not_match_is_told_why() {
        for (text, tag, without, with) in [
            ("1.x", "1.2.0-rc.1", Fit::Prerelease, Fit::Matches),
            ("1.x", "1.0.0-rc.1", Fit::Prerelease, Fit::OutOfRange),
            ("1.x", "2.0.0-rc.1", Fit::OutOfRange, Fit::OutOfRange),
            ("<2.0.0", "2.0.0-rc.1", Fit::Prerelease, Fit::Matches),
            ("^1.2.3-rc.2", "1.2.3-rc.1", Fit::OutOfRange, Fit::OutOfRange),
            ("1.x || 2.x-0", "1.5.0-a", Fit::Prerelease, Fit::Matches),
            ("3.x || 1.x", "1.5.0-a", Fit::Prerelease, Fit::Matches),
            ("1.x", "2.0.0", Fit::OutOfRange, Fit::OutOfRange),
            ("1.x", "1.0.0", Fit::Matches, Fit::Matches),
        ] {
            let (parsed, tag) = (constraint(text), version(tag));
            assert_eq!(parsed.check(&tag, false), without, "`{text}` {tag}");
            assert_eq!(parsed.check(&tag, true), with, "`{text}` {tag} with pre-releases");
        }
    }

    #[test]
    fn what_is_no_constraint_is_told_with_the_part_and_the_rule() {
        for (text, part, rule) in [
            ("latest", "latest", "a version is one to three"),
            (">=1.0 <banana", "<banana", "a version is one to three"),
            ("BAR >= 1.2.3", "BAR", "a version is one to three"),
            (">= bar", "bar", "a version is one to three"),
            ("1.2.3.4", "1.2.3.4", "a version is one to three"),
            (">=1.0<2.0", ">=1.0<2.0", "a version is one to three"),
            ("1.2.3-beta.01", "1.2.3-beta.01", "a version is one to three"),
            ("1.2.3-", "1.2.3-", "a version is one to three"),
            ("1x", "1x", "a version is one to three"),
            ("1.x.3x", "1.x.3x", "a version is one to three"),
            ("12.3.34~ 1.2.3", "12.3.34~", "a version is one to three"),
            ("18446744073709551616", "18446744073709551616", "a version is one to three"),
            ("1.0\u{a0}2.0", "1.0\u{a0}2.0", "a version is one to three"),
            ("1.0 -2.0", "-2.0", "a version is one to three"),
            ("1 | 2", "|", "a version is one to three"),
            ("==1.0", "==1.0", "the operator is none of"),
            ("!1.0", "!1.0", "the operator is none of"),
            (">= <1.0", "<1.0", "a version is one to three"),
            ("1.0 >=", ">=", "a version is missing after the operator"),
            ("1.0 -", "1.0 -", "a version is missing after the hyphen"),
            (">=1.0 - 2.0", ">=1.0 - 2.0", "a range such as"),
            ("1.0 - <2.0", "<2.0", "a version is one to three"),
            ("1.0 || ", "1.0 ||", "a version stands on both sides of ||"),
            ("|| 1.0", "|| 1.0", "a version stands on both sides of ||"),
            ("1.0,,2.0", "1.0,,2.0", "a version stands on both sides of a comma"),
            (",", ",", "a version stands on both sides of a comma"),
        ] {
            let error = text.parse::<Constraint>().unwrap_err();
            assert_eq!(error.part, part, "{text}");
            assert!(error.rule.starts_with(rule), "{text}: {}", error.rule);
        }
        let error = ">=1.0 ==2".parse::<Constraint>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`>=1.0 ==2` is no version constraint: in `==2`, the operator is none of = != > >= => < <= =< ~ ~> ^"
        );
    }

    #[test]
    fn a_constraint_longer_than_the_limit_is_refused() {
        let at_limit = format!("{}1", " ".repeat(MAX_LENGTH - 1));
        assert!(at_limit.parse::<Constraint>().is_ok());
        assert!(format!(" {at_limit}").parse::<Constraint>().unwrap_err().rule.contains("at most"));
    }

    #[test]
    fn the_longest_first_number_is_known_as_written() {
        for (text, digits) in [("*", 0), ("", 0), ("1.20240101", 1), (">=1 <20240101 || 2", 8), ("1 - 0000300", 7)] {
            assert_eq!(constraint(text).longest_major(), digits, "{text}");
        }
    }
}
