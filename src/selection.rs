//! Which tag: holds a policy against the tags of a listing and says of each one whether it is eligible and, if not, why.
//!
//! Knows filters and orders only; what stands in Git, how old an image is and who took a value back is for
//! `plan`. Never fails: a policy that allows nothing is an answer. The answer depends on the set of tags and not
//! on their order or on repetitions.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use crate::model::constraint::{Constraint, Fit};
use crate::model::names::Tag;
use crate::model::policy::{Policy, Strategy};
use crate::model::version::Version;

/// The most tags that [`Choice::nearest`] holds.
pub const NEAREST: usize = 20;

/// From how many digits on a tag that is one number is no version under `strict`: a date, a build number, a hash.
pub const STRICT_DIGITS: usize = 6;

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
    /// It does not read as a version.
    NotAVersion,
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
            Self::NotAVersion => "not-a-version",
            Self::Strict => "strict",
            Self::OutOfRange => "out-of-range",
            Self::Prerelease => "prerelease",
        }
    }

    /// Says in words why this policy rejects this tag.
    pub fn reason(self, policy: &Policy, tag: &Tag) -> String {
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
            Self::NotAVersion => match tag.as_str().parse::<Version>() {
                Err(error) => error.to_string(),
                Ok(_) => format!("`{tag}` is no version"),
            },
            Self::Strict => {
                let digits = tag.as_str().trim_start_matches('v').len();
                format!(
                    "`{tag}` is one number of {digits} digits, not a version; set strict: \"false\" or filter it with \
                     allow-tags or ignore-tags"
                )
            }
            Self::OutOfRange => format!("`{tag}` is outside `{}`", range(policy)),
            Self::Prerelease => "pre-release, and the range names none".to_owned(),
        }
    }
}

/// What a policy makes of a listing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Choice {
    /// The best eligible tag that the caller keeps.
    pub chosen: Option<Tag>,
    /// How many tags are eligible, whether the caller keeps them or not.
    pub eligible: usize,
    /// How many tags are rejected, by [`Rejection::code`].
    pub rejected: BTreeMap<&'static str, usize>,
    /// The first [`NEAREST`] of what [`explain`] gives.
    pub nearest: Vec<(Tag, Verdict)>,
}

/// Judges one tag. The filters stand in this order: not-a-candidate, ignore-tags, allow-tags; then, for semver,
/// not-a-version, strict, the constraint.
pub fn judge(policy: &Policy, tag: &Tag) -> Verdict {
    Judge::new(policy).judge(tag).verdict
}

/// Orders two values by the policy: `Greater` if `a` is the newer one, `Equal` for two spellings of one version. `None`
/// if one of them has no place in the order: no legal tag, and for semver no version or a number that `strict` rejects.
/// Filters do not count.
pub fn compare(policy: &Policy, a: &str, b: &str) -> Option<Ordering> {
    let (a, b): (Tag, Tag) = (a.parse().ok()?, b.parse().ok()?);
    match policy.strategy {
        Strategy::Alphabetical => Some(a.cmp(&b)),
        Strategy::Semver => {
            let judge = Judge::new(policy);
            Some(judge.version(&a)?.precedence(&judge.version(&b)?))
        }
    }
}

/// Chooses the best eligible tag. Of equal versions the one with more written numbers wins, then the one without `v`,
/// then the one with the higher bytes.
pub fn choose(policy: &Policy, tags: &[Tag]) -> Choice {
    choose_where(policy, tags, |_| true)
}

/// Chooses the best eligible tag that `keep` takes, such as one above what stands in Git. `keep` is asked about eligible
/// tags only, and changes neither the counts nor [`Choice::nearest`].
pub fn choose_where(policy: &Policy, tags: &[Tag], keep: impl Fn(&Tag) -> bool) -> Choice {
    let mut judged = judge_all(policy, tags);
    let mut choice = Choice::default();
    let mut best: Option<&Judged<'_>> = None;
    for candidate in &judged {
        match candidate.verdict {
            Verdict::Rejected(rejection) => *choice.rejected.entry(rejection.code()).or_default() += 1,
            Verdict::Eligible => {
                choice.eligible += 1;
                let is_better = best.is_none_or(|best| candidate.best_first(best) == Ordering::Less);
                if is_better && keep(candidate.tag) {
                    best = Some(candidate);
                }
            }
        }
    }
    choice.chosen = best.map(|best| best.tag.clone());
    if judged.len() > NEAREST {
        judged.select_nth_unstable_by(NEAREST, Judged::best_first);
        judged.truncate(NEAREST);
    }
    choice.nearest = sorted(judged);
    choice
}

/// Judges every distinct tag, best first by the policy's order, eligible or not. What has no place in the order comes
/// last, by descending bytes.
pub fn explain(policy: &Policy, tags: &[Tag]) -> Vec<(Tag, Verdict)> {
    sorted(judge_all(policy, tags))
}

/// Names the order and the range: `semver 1.x`, `semver *`, `alphabetical`.
pub fn describe(policy: &Policy) -> String {
    match policy.strategy {
        Strategy::Semver => format!("semver {}", range(policy)),
        Strategy::Alphabetical => "alphabetical".to_owned(),
    }
}

/// A policy made ready for many tags.
struct Judge<'p> {
    policy: &'p Policy,
    constraint: Cow<'p, Constraint>,
}

/// A tag with its verdict and its place in the order.
struct Judged<'t> {
    tag: &'t Tag,
    verdict: Verdict,
    place: Place,
}

/// Where a tag stands, lowest first. Tags in one place are ordered by their bytes.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Place {
    /// Outside the order.
    None,
    /// By its bytes alone.
    Bytes,
    /// By its version.
    Version(Version),
}

impl<'p> Judge<'p> {
    fn new(policy: &'p Policy) -> Self {
        let constraint = policy.constraint.as_ref().map_or_else(|| Cow::Owned(Constraint::any()), Cow::Borrowed);
        Self { policy, constraint }
    }

    fn judge<'t>(&self, tag: &'t Tag) -> Judged<'t> {
        if is_artifact_of_an_image(tag.as_str()) {
            return Judged { tag, verdict: Verdict::Rejected(Rejection::NotACandidate), place: Place::None };
        }
        // A filtered tag keeps its place in the order: `explain` shows it between its neighbours.
        let filtered = self.filter(tag);
        let (rejection, place) = match self.policy.strategy {
            Strategy::Alphabetical => (filtered, Place::Bytes),
            Strategy::Semver => match tag.as_str().parse::<Version>() {
                Err(_) => (filtered.or(Some(Rejection::NotAVersion)), Place::None),
                Ok(version) if self.is_strictly_a_number(&version) => {
                    (filtered.or(Some(Rejection::Strict)), Place::None)
                }
                Ok(version) => (filtered.or_else(|| self.fit(&version)), Place::Version(version)),
            },
        };
        Judged { tag, verdict: rejection.map_or(Verdict::Eligible, Verdict::Rejected), place }
    }

    fn version(&self, tag: &Tag) -> Option<Version> {
        tag.as_str().parse().ok().filter(|version| !self.is_strictly_a_number(version))
    }

    fn filter(&self, tag: &Tag) -> Option<Rejection> {
        if self.policy.ignore.iter().any(|glob| glob.glob.is_match(tag.as_str())) {
            return Some(Rejection::IgnoreTags);
        }
        let is_allowed = self.policy.allow.as_ref().is_none_or(|pattern| pattern.regex.is_match(tag.as_str()));
        (!is_allowed).then_some(Rejection::AllowTags)
    }

    fn is_strictly_a_number(&self, version: &Version) -> bool {
        let is_long = |digits| digits >= STRICT_DIGITS && digits > self.constraint.longest_major();
        self.policy.strict && version.single_number_digits().is_some_and(is_long)
    }

    fn fit(&self, version: &Version) -> Option<Rejection> {
        match self.constraint.check(version, self.policy.include_prereleases) {
            Fit::Matches => None,
            Fit::Prerelease => Some(Rejection::Prerelease),
            Fit::OutOfRange => Some(Rejection::OutOfRange),
        }
    }
}

impl Judged<'_> {
    fn best_first(&self, other: &Self) -> Ordering {
        other.place.cmp(&self.place).then_with(|| other.tag.cmp(self.tag))
    }
}

/// Judges each distinct tag once.
fn judge_all<'t>(policy: &Policy, tags: &'t [Tag]) -> Vec<Judged<'t>> {
    let judge = Judge::new(policy);
    let mut seen = HashSet::with_capacity(tags.len());
    tags.iter().filter(|tag| seen.insert(*tag)).map(|tag| judge.judge(tag)).collect()
}

fn sorted(mut judged: Vec<Judged<'_>>) -> Vec<(Tag, Verdict)> {
    judged.sort_unstable_by(Judged::best_first);
    judged.into_iter().map(|judged| (judged.tag.clone(), judged.verdict)).collect()
}

fn range(policy: &Policy) -> &str {
    match policy.constraint.as_ref().map(|constraint| constraint.source().trim_ascii()) {
        None | Some("") => "*",
        Some(source) => source,
    }
}

/// Tells tags that cosign and the referrers tag schema (OCI Distribution 1.1) make: an algorithm and the first 64 hex
/// digits of a digest, and what is stored for it.
fn is_artifact_of_an_image(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix("sha256-").or_else(|| tag.strip_prefix("sha512-")) else { return false };
    let hex = [".sig", ".att", ".sbom"].iter().find_map(|suffix| rest.strip_suffix(suffix)).unwrap_or(rest);
    hex.len() == 64 && hex.bytes().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::policy::{TagGlob, TagPattern};
    use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
    use proptest::strategy::Strategy as _;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn tags(text: &str) -> Vec<Tag> {
        text.split_ascii_whitespace().map(tag).collect()
    }

    fn semver(constraint: &str) -> Policy {
        Policy { constraint: Some(constraint.parse().unwrap()), ..Policy::default() }
    }

    fn alphabetical() -> Policy {
        Policy { strategy: Strategy::Alphabetical, ..Policy::default() }
    }

    fn allow(source: &str) -> Option<TagPattern> {
        Some(TagPattern { source: source.to_owned(), regex: regex::Regex::new(source).unwrap() })
    }

    fn ignore(sources: &[&str]) -> Vec<TagGlob> {
        let glob = |source: &str| globset::Glob::new(source).unwrap().compile_matcher();
        sources.iter().map(|source| TagGlob { source: (*source).to_owned(), glob: glob(source) }).collect()
    }

    fn code(policy: &Policy, text: &str) -> &'static str {
        judge(policy, &tag(text)).rejection().map_or("eligible", Rejection::code)
    }

    fn chosen(policy: &Policy, text: &str) -> Option<String> {
        choose(policy, &tags(text)).chosen.map(|tag| tag.to_string())
    }

    fn reason(policy: &Policy, text: &str) -> String {
        judge(policy, &tag(text)).rejection().unwrap().reason(policy, &tag(text))
    }

    fn signature() -> String {
        format!("sha256-{}", "0a".repeat(32))
    }

    #[test]
    fn every_tag_has_its_verdict() {
        let signature = signature();
        let long = "1".repeat(128);
        let long_prerelease = format!("1.2.3-{}", "a".repeat(122));
        for (constraint, text, expected) in [
            ("1.x", "1.2.3", "eligible"),
            ("1.x", "v1.2.3", "eligible"),
            ("1.x", "1.2", "eligible"),
            ("1.x", "1", "eligible"),
            ("1.x", "2.0.0", "out-of-range"),
            ("1.x", "1.2.0-rc.1", "prerelease"),
            ("1.x", "2.0.0-rc.1", "out-of-range"),
            ("1.x-0", "1.2.0-rc.1", "eligible"),
            ("1.x", &long_prerelease, "prerelease"),
            ("*", "latest", "not-a-version"),
            ("*", "v", "not-a-version"),
            ("*", "1.2.3.4", "not-a-version"),
            ("*", "1.2.3_1", "not-a-version"),
            ("*", "main-3f2a1b9", "not-a-version"),
            ("*", "develop-v1.2.3", "not-a-version"),
            ("*", "12345678e9", "not-a-version"),
            ("*", "1e5", "not-a-version"),
            ("*", "18446744073709551616", "not-a-version"),
            ("*", &long, "not-a-version"),
            ("*", "20240115", "strict"),
            ("*", "v20240115", "strict"),
            ("*", "1234567", "strict"),
            ("*", "0012345", "strict"),
            ("*", "123456", "strict"),
            ("*", "12345", "eligible"),
            ("*", "123456.0", "eligible"),
            ("*", "2026.01.05", "eligible"),
            ("*", "20240115-rc1", "prerelease"),
            (">=20240101", "20240115", "eligible"),
            (">=20240101", "v20240115", "eligible"),
            (">=20240101", "1234567", "out-of-range"),
            (">=100000", "20240115", "strict"),
            ("1.20240101.x", "20240115", "strict"),
            ("*", &signature, "not-a-candidate"),
            ("*", &format!("{signature}.sig"), "not-a-candidate"),
            ("*", &format!("{signature}.att"), "not-a-candidate"),
            ("*", &format!("{signature}.sbom"), "not-a-candidate"),
            ("*", &format!("{signature}.other"), "not-a-version"),
            ("*", &format!("{signature}."), "not-a-version"),
            ("*", &format!("{signature}0"), "not-a-version"),
            ("*", "sha256-0a0a", "not-a-version"),
        ] {
            assert_eq!(code(&semver(constraint), text), expected, "{text} under `{constraint}`");
        }
    }

    #[test]
    fn no_constraint_is_every_release() {
        let policy = Policy::default();
        assert_eq!(code(&policy, "9.9.9"), "eligible");
        assert_eq!(code(&policy, "9.9.9-rc.1"), "prerelease");
        assert_eq!(code(&Policy { include_prereleases: true, ..policy }, "9.9.9-rc.1"), "eligible");
    }

    #[test]
    fn without_strict_a_long_number_is_a_version() {
        let policy = Policy { strict: false, ..Policy::default() };
        assert_eq!(code(&policy, "20240115"), "eligible");
        assert_eq!(chosen(&policy, "1.2.3 20240115").as_deref(), Some("20240115"));
        assert_eq!(chosen(&Policy::default(), "1.2.3 20240115").as_deref(), Some("1.2.3"));
    }

    #[test]
    fn filters_are_asked_in_their_order() {
        let mut policy = semver("1.x");
        policy.ignore = ignore(&["sha256-*", "*-debug", "9*", "l?test"]);
        policy.allow = allow("^[0-9.]+$");
        for (text, expected) in [
            (signature().as_str(), "not-a-candidate"),
            ("1.0.0-debug", "ignore-tags"),
            ("9.0.0", "ignore-tags"),
            ("latest", "ignore-tags"),
            ("main", "allow-tags"),
            ("v1.0.0", "allow-tags"),
            ("1.0.0.0", "not-a-version"),
            ("2000000", "strict"),
            ("2.0.0", "out-of-range"),
            ("1.0.0", "eligible"),
        ] {
            assert_eq!(code(&policy, text), expected, "{text}");
        }
        policy.allow = allow("-rc");
        assert_eq!(code(&policy, "1.1.0-rc.1"), "prerelease");
    }

    #[test]
    fn alphabetical_filters_and_knows_no_versions() {
        let mut policy = Policy { constraint: Some("1.x".parse().unwrap()), ..alphabetical() };
        for text in ["20240115", "main", "2.0.0", "1.0.0-rc.1", "1.2.3.4"] {
            assert_eq!(code(&policy, text), "eligible", "{text}");
        }
        assert_eq!(code(&policy, &signature()), "not-a-candidate");
        let listing = format!("2026.01.05-9 2026.01.05-10 dev {}", signature());
        assert_eq!(chosen(&policy, &listing).as_deref(), Some("dev"));
        policy.ignore = ignore(&["dev"]);
        assert_eq!(chosen(&policy, &listing).as_deref(), Some("2026.01.05-9"));
        policy.allow = allow("^2026.*0$");
        assert_eq!(chosen(&policy, &listing).as_deref(), Some("2026.01.05-10"));
    }

    #[test]
    fn a_rejection_says_why_in_words() {
        let mut policy = semver(" 1.4.x ");
        policy.ignore = ignore(&["x*", "*-debug"]);
        policy.allow = allow("^[0-9a-z]");
        for (text, expected) in [
            ("1.4.0-rc.1", "pre-release, and the range names none".to_owned()),
            ("1.5.0", "`1.5.0` is outside `1.4.x`".to_owned()),
            (
                "v20240115",
                "`v20240115` is one number of 8 digits, not a version; set strict: \"false\" or filter it with \
                 allow-tags or ignore-tags"
                    .to_owned(),
            ),
            (
                "latest",
                "`latest` is no version: it starts with one to three numbers joined by dots, after an optional v"
                    .to_owned(),
            ),
            ("1.4.0-debug", "`1.4.0-debug` matches `*-debug` of ignore-tags".to_owned()),
            ("V1", "`V1` does not match `^[0-9a-z]` of allow-tags".to_owned()),
            (
                &signature(),
                format!(
                    "`{}` belongs to another image: a signature, an attestation, an SBOM or a list of these",
                    signature()
                ),
            ),
        ] {
            assert_eq!(reason(&policy, text), expected, "{text}");
        }
        assert_eq!(
            reason(&Policy { include_prereleases: true, ..Policy::default() }, "0.0.0-a"),
            "`0.0.0-a` is outside `*`"
        );
    }

    #[test]
    fn values_are_compared_by_the_order_of_the_policy() {
        use Ordering::{Equal, Greater, Less};
        for (policy, a, b, expected) in [
            (semver("1.x"), "1.2.3", "1.10.0", Some(Less)),
            (semver("1.x"), "9.0.0", "1.0.0-rc.1", Some(Greater)),
            (semver("1.x"), "v1.2.3", "1.2.3", Some(Equal)),
            (semver("1.x"), "1.2", "1.2.0", Some(Equal)),
            (semver("1.x"), "latest", "1.2.0", None),
            (semver("1.x"), "1.2.0", "", None),
            (semver("1.x"), "1.2.0+build", "1.2.0", None),
            (semver("1.x"), " 1.2.0", "1.2.0", None),
            (semver("1.x"), "20240115", "1.2.0", None),
            (semver(">=20240101"), "20240115", "20240114", Some(Greater)),
            (Policy { strict: false, ..semver("1.x") }, "20240115", "1.2.0", Some(Greater)),
            (Policy { ignore: ignore(&["*"]), ..semver("1.x") }, "1.0.0", "2.0.0", Some(Less)),
            (alphabetical(), "1.9", "1.10", Some(Greater)),
            (alphabetical(), "v1.2.3", "1.2.3", Some(Greater)),
            (alphabetical(), "dev", "dev", Some(Equal)),
            (alphabetical(), "20240115", "20240116", Some(Less)),
            (alphabetical(), "dev", "", None),
            (alphabetical(), "dev", "a b", None),
        ] {
            assert_eq!(compare(&policy, a, b), expected, "{a} {b} by {}", describe(&policy));
            assert_eq!(compare(&policy, b, a), expected.map(Ordering::reverse), "{b} {a} by {}", describe(&policy));
        }
    }

    #[test]
    fn the_best_eligible_tag_is_chosen_and_all_are_counted_once() {
        let listing = tags("1.0.0 1.2.0 1.10.0 1.10.0 v1.10.0 1.10 2.0.0 2.0.0 1.11.0-rc.1 latest main 20240115");
        let choice = choose(&semver("1.x"), &listing);
        assert_eq!(choice.chosen, Some(tag("1.10.0")));
        assert_eq!(choice.eligible, 5);
        let rejected = [("not-a-version", 2), ("out-of-range", 1), ("prerelease", 1), ("strict", 1)];
        assert_eq!(choice.rejected, BTreeMap::from(rejected));
        let none = choose(&semver("3.x"), &listing);
        assert_eq!((none.chosen, none.eligible), (None, 0));
        assert_eq!(choose(&semver("1.x"), &[]), Choice::default());
    }

    #[test]
    fn only_what_the_caller_keeps_is_chosen() {
        let policy = semver("1.x");
        let listing = tags("1.0.0 1.1.0 1.2.0 1.3.0 2.0.0");
        let above = |mark: &'static str| {
            let keep = move |tag: &Tag| compare(&semver("1.x"), tag.as_str(), mark) == Some(Ordering::Greater);
            choose_where(&policy, &listing, keep)
        };
        assert_eq!(above("1.2.0").chosen, Some(tag("1.3.0")));
        assert_eq!(above("1.3.0"), Choice { chosen: None, ..choose(&policy, &listing) });
        let below = choose_where(&policy, &listing, |tag| tag.as_str() != "1.3.0");
        assert_eq!(below, Choice { chosen: Some(tag("1.2.0")), ..choose(&policy, &listing) });
    }

    #[test]
    fn explain_gives_every_tag_once_best_first() {
        let mut policy = semver("1.x");
        policy.ignore = ignore(&["1.3.0"]);
        let listing = format!("main 1.0.0 v1.0.0 1.0 2.0.0 1.3.0 1.1.0-rc.1 20240115 latest 1.0.0 {}", signature());
        let explained = explain(&policy, &tags(&listing));
        let rows: Vec<(&str, &str)> = explained
            .iter()
            .map(|(tag, verdict)| (tag.as_str(), verdict.rejection().map_or("", Rejection::code)))
            .collect();
        assert_eq!(
            rows,
            [
                ("2.0.0", "out-of-range"),
                ("1.3.0", "ignore-tags"),
                ("1.1.0-rc.1", "prerelease"),
                ("1.0.0", ""),
                ("v1.0.0", ""),
                ("1.0", ""),
                (signature().as_str(), "not-a-candidate"),
                ("main", "not-a-version"),
                ("latest", "not-a-version"),
                ("20240115", "strict"),
            ]
        );
    }

    #[test]
    fn the_nearest_are_the_first_twenty_of_explain() {
        let listing: Vec<Tag> = (0..300).map(|n| tag(&format!("1.{}.0", n * 7 % 300))).collect();
        let policy = semver("<1.290.0");
        let choice = choose(&policy, &listing);
        assert_eq!(choice.nearest.len(), 20);
        assert_eq!(choice.nearest, explain(&policy, &listing)[..20]);
        assert_eq!(choice.nearest[0], (tag("1.299.0"), Verdict::Rejected(Rejection::OutOfRange)));
        assert_eq!(choice.nearest[10], (tag("1.289.0"), Verdict::Eligible));
    }

    #[test]
    fn a_policy_is_described_by_its_order_and_range() {
        for (policy, expected) in [
            (semver("1.x"), "semver 1.x"),
            (semver(" >=1.0 <2.0\n"), "semver >=1.0 <2.0"),
            (semver(""), "semver *"),
            (Policy::default(), "semver *"),
            (alphabetical(), "alphabetical"),
        ] {
            assert_eq!(describe(&policy), expected);
        }
    }

    fn any_tag() -> impl proptest::strategy::Strategy<Value = Tag> {
        let text = prop_oneof![
            4 => "v?[0-3](\\.0?[0-3]){0,2}",
            2 => "v?[0-3](\\.[0-3]){0,2}-(rc|alpha)?\\.?[0-9]{1,2}",
            1 => "[0-9]{5,9}",
            1 => "[A-Za-z0-9_][A-Za-z0-9._-]{0,12}",
        ];
        text.prop_filter_map("a tag", |text| text.parse().ok())
    }

    fn any_policy() -> impl proptest::strategy::Strategy<Value = Policy> {
        let constraint = prop::sample::select(vec!["*", "1.x", ">=1.1 <3", "^0.1 || 2.x-0", "~1.2", ">=10000000"]);
        (constraint, any::<[bool; 5]>()).prop_map(|(constraint, [bytes, strict, prereleases, filters, ranged])| {
            Policy {
                strategy: if bytes { Strategy::Alphabetical } else { Strategy::Semver },
                constraint: ranged.then(|| constraint.parse().unwrap()),
                allow: if filters { allow("^v?[0-2]") } else { None },
                ignore: if filters { ignore(&["*-rc*"]) } else { Vec::new() },
                strict,
                include_prereleases: prereleases,
                ..Policy::default()
            }
        })
    }

    proptest! {
        #[test]
        fn the_choice_depends_on_the_set_of_tags_alone(
            policy in any_policy(),
            (listing, shuffled) in prop::collection::vec(any_tag(), 0..60).prop_flat_map(|tags| {
                let doubled: Vec<Tag> = tags.iter().chain(&tags).cloned().collect();
                (Just(tags), Just(doubled).prop_shuffle())
            }),
        ) {
            prop_assert_eq!(choose(&policy, &listing), choose(&policy, &shuffled));
            prop_assert_eq!(explain(&policy, &listing), explain(&policy, &shuffled));
        }

        #[test]
        fn the_chosen_tag_is_eligible_and_none_eligible_is_newer(
            policy in any_policy(),
            listing in prop::collection::vec(any_tag(), 0..60),
        ) {
            let choice = choose(&policy, &listing);
            let eligible: Vec<&Tag> = listing.iter().filter(|tag| judge(&policy, tag).is_eligible()).collect();
            prop_assert_eq!(choice.chosen.is_some(), !eligible.is_empty());
            let explained = explain(&policy, &listing);
            let first = explained.iter().find(|(_, verdict)| verdict.is_eligible()).map(|(tag, _)| tag);
            prop_assert_eq!(choice.chosen.as_ref(), first);
            prop_assert_eq!(choice.eligible + choice.rejected.values().sum::<usize>(), explained.len());
            prop_assert_eq!(&choice.nearest[..], &explained[..explained.len().min(NEAREST)]);
            for (tag, verdict) in &explained {
                prop_assert_eq!(judge(&policy, tag), *verdict);
            }
            if let Some(chosen) = choice.chosen {
                prop_assert!(eligible.contains(&&chosen));
                for tag in eligible {
                    prop_assert!(matches!(
                        compare(&policy, chosen.as_str(), tag.as_str()),
                        Some(Ordering::Greater | Ordering::Equal)
                    ), "{} {}", chosen, tag);
                }
            }
        }

        #[test]
        fn compare_is_an_order(policy in any_policy(), a in any_tag(), b in any_tag(), c in any_tag()) {
            let order = |a: &Tag, b: &Tag| compare(&policy, a.as_str(), b.as_str());
            prop_assert_eq!(order(&a, &b), order(&b, &a).map(Ordering::reverse));
            if let Some(itself) = order(&a, &a) {
                prop_assert_eq!(itself, Ordering::Equal);
            }
            if let (Some(ab), Some(bc)) = (order(&a, &b), order(&b, &c)) {
                let ac = order(&a, &c);
                if ab == bc {
                    prop_assert_eq!(ac, Some(ab));
                } else if ab == Ordering::Equal {
                    prop_assert_eq!(ac, Some(bc));
                } else if bc == Ordering::Equal {
                    prop_assert_eq!(ac, Some(ab));
                }
            }
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC{0,40}", digits in "[0-9vxX*.<>=~^!|,+ -]{0,20}") {
            for text in [&text, &digits] {
                let _ = text.parse::<Version>();
                if let Ok(constraint) = text.parse::<Constraint>() {
                    let policy = Policy { constraint: Some(constraint), ..Policy::default() };
                    prop_assert!(judge(&policy, &tag("latest")) == Verdict::Rejected(Rejection::NotAVersion));
                    let _ = judge(&policy, &tag("1.2.3"));
                }
                prop_assert_eq!(compare(&Policy::default(), text, "latest"), None);
            }
        }
    }
}
