//! Which tag: holds a policy against the tags of a listing and says of each one whether it is eligible and, if not, why.
//!
//! Knows filters and orders only; what stands in Git, how long an image is known and who took a value back is for
//! `plan`. Never fails: a policy that allows nothing is an answer. The answer depends on the set of tags and not
//! on their order or on repetitions.
//!
//! Of equal tags the better one is: for versions the one with more written numbers, then the one without `v`, then the
//! one whose compared text has the higher bytes; then, for all orders, the tag with the higher bytes. Dates of builds
//! are the exception: of equal ones none is better.

mod rank;
mod verdict;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use num_bigint::BigUint;

use crate::model::constraint::{Constraint, Fit};
use crate::model::names::Tag;
use crate::model::policy::{Policy, Strategy};
use crate::model::version::Version;
pub use crate::selection::rank::{Memo, Ranking};
pub use crate::selection::verdict::{Rejection, Verdict};

/// From how many digits on a tag that is one number is no version under `strict`: a date, a build number, a hash.
pub const STRICT_DIGITS: usize = 6;

/// When the images of tags were built, as far as it is known and of use; only `newest-build` looks at it.
pub type Builds = BTreeMap<Tag, Timestamp>;

/// Judges one tag. The filters stand in this order: not-a-candidate, ignore-tags, allow-tags; then, for digest,
/// not-followed, for numerical, not-a-number, and for semver not-a-version, strict, the constraint.
pub fn judge(policy: &Policy, tag: &Tag) -> Verdict {
    Judge::new(policy).judge(tag.as_str()).verdict
}

/// Orders two values by the policy: `Greater` if `a` is the newer one, `Equal` for two spellings of one version. `None`
/// if one of them has no place in the order: no legal tag; for semver no version or a number that `strict` rejects; for
/// newest-build no known date; for digest any other tag. Filters do not count.
pub fn compare(policy: &Policy, builds: &Builds, a: &str, b: &str) -> Option<Ordering> {
    let (a, b): (Tag, Tag) = (a.parse().ok()?, b.parse().ok()?);
    match policy.strategy {
        Strategy::NewestBuild if a != b => Some(builds.get(&a)?.cmp(builds.get(&b)?)),
        Strategy::NewestBuild | Strategy::Digest => (a == b).then_some(Ordering::Equal),
        Strategy::Semver | Strategy::Alphabetical | Strategy::Numerical => {
            let judge = Judge::new(policy);
            match (judge.place(a.as_str()), judge.place(b.as_str())) {
                (Place::None, _) | (_, Place::None) => None,
                (Place::Version(a), Place::Version(b)) => Some(a.precedence(&b)),
                (a, b) => Some(a.cmp(&b)),
            }
        }
    }
}

/// Judges every distinct tag, best first by the policy's order, eligible or not. What has no place in the order comes
/// last, by descending bytes.
pub fn explain(policy: &Policy, builds: &Builds, tags: &[Tag]) -> Vec<(Tag, Verdict)> {
    let judge = Judge::new(policy);
    let mut seen = HashSet::with_capacity(tags.len());
    let distinct = tags.iter().filter(|tag| seen.insert(*tag));
    let mut judged: Vec<(&Tag, Judged<'_>)> = distinct.map(|tag| (tag, judge.judge(tag.as_str()))).collect();
    if policy.strategy == Strategy::NewestBuild {
        for (tag, one) in &mut judged {
            one.place = builds.get(*tag).map_or(Place::None, |built| Place::Built(*built));
        }
    }
    judged.sort_unstable_by(|(_, a), (_, b)| a.best_first(b));
    judged.into_iter().map(|(tag, judged)| (tag.clone(), judged.verdict)).collect()
}

/// Names the order and the range: `semver 1.x`, `semver *`, `alphabetical`, `digest of dev`.
pub fn describe(policy: &Policy) -> String {
    match policy.strategy {
        Strategy::Semver => format!("semver {}", range(policy)),
        Strategy::Digest => match policy.followed() {
            Some(tag) => format!("digest of {tag}"),
            None => "digest".to_owned(),
        },
        Strategy::NewestBuild | Strategy::Alphabetical | Strategy::Numerical => policy.strategy.as_str().to_owned(),
    }
}

/// Gives the text that is compared in the order: what `extract` takes of the tag, or the tag; none where `allow-tags`
/// does not match.
pub fn reading<'t>(policy: &Policy, tag: &'t str) -> Option<Cow<'t, str>> {
    match (&policy.extract, &policy.allow) {
        (Some(extract), Some(pattern)) => extract.of(pattern, tag).map(Cow::Owned),
        _ => Some(Cow::Borrowed(tag)),
    }
}

/// A policy made ready for many tags.
struct Judge<'p> {
    policy: &'p Policy,
    constraint: Cow<'p, Constraint>,
    followed: Option<Tag>,
}

/// A tag with its verdict and its place in the order.
struct Judged<'t> {
    tag: &'t str,
    verdict: Verdict,
    place: Place,
}

/// Where a tag stands, lowest first. Tags in one place are ordered by their bytes.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
enum Place {
    /// Outside the order.
    None,
    /// By its bytes, or those of what is extracted.
    Bytes(String),
    /// By its number.
    Number(BigUint),
    /// By its version.
    Version(Version),
    /// By the date of its build.
    Built(Timestamp),
}

impl<'p> Judge<'p> {
    fn new(policy: &'p Policy) -> Self {
        let constraint = policy.constraint.as_ref().map_or_else(|| Cow::Owned(Constraint::any()), Cow::Borrowed);
        let followed = if policy.strategy == Strategy::Digest { policy.followed() } else { None };
        Self { policy, constraint, followed }
    }

    fn judge<'t>(&self, tag: &'t str) -> Judged<'t> {
        if is_artifact_of_an_image(tag) {
            return Judged { tag, verdict: Verdict::Rejected(Rejection::NotACandidate), place: Place::None };
        }
        // A filtered tag keeps its place in the order: `explain` shows it between its neighbours.
        let filtered = self.filter(tag);
        let place = self.place(tag);
        let rejection = filtered.or_else(|| self.misplaced(tag, &place));
        Judged { tag, verdict: rejection.map_or(Verdict::Eligible, Verdict::Rejected), place }
    }

    /// As [`Self::judge`] where the tag itself is compared, and was read as a version before.
    fn judge_version(&self, tag: &str, version: Option<&Version<&str>>) -> Verdict {
        if is_artifact_of_an_image(tag) {
            return Verdict::Rejected(Rejection::NotACandidate);
        }
        let rejection = self.filter(tag).or_else(|| match version {
            None => Some(Rejection::NotAVersion),
            Some(version) if self.is_strictly_a_number(version) => Some(Rejection::Strict),
            Some(version) => self.fit(version),
        });
        rejection.map_or(Verdict::Eligible, Verdict::Rejected)
    }

    fn place(&self, tag: &str) -> Place {
        let Some(text) = reading(self.policy, tag) else { return Place::None };
        match self.policy.strategy {
            Strategy::Semver => {
                let version = text.parse::<Version>().ok().filter(|version| !self.is_strictly_a_number(version));
                version.map_or(Place::None, Place::Version)
            }
            Strategy::Alphabetical if text.is_empty() => Place::None,
            Strategy::Alphabetical => Place::Bytes(text.into_owned()),
            Strategy::Numerical => number(&text).map_or(Place::None, Place::Number),
            Strategy::NewestBuild | Strategy::Digest => Place::None,
        }
    }

    /// Says why a tag that passes the filters has no place among the candidates.
    fn misplaced(&self, tag: &str, place: &Place) -> Option<Rejection> {
        let nothing = || {
            let empty = self.policy.extract.is_some() && reading(self.policy, tag).is_some_and(|text| text.is_empty());
            empty.then_some(Rejection::NoExtract)
        };
        match (self.policy.strategy, place) {
            (Strategy::Digest, _) => {
                (self.followed.as_ref().map(Tag::as_str) != Some(tag)).then_some(Rejection::NotFollowed)
            }
            (Strategy::NewestBuild, _) => None,
            (Strategy::Semver, Place::Version(version)) => self.fit(version),
            (_, Place::None) => nothing().or_else(|| match self.policy.strategy {
                Strategy::Numerical => Some(Rejection::NotANumber),
                Strategy::Semver => {
                    let version = reading(self.policy, tag).and_then(|text| text.parse::<Version>().ok());
                    Some(version.map_or(Rejection::NotAVersion, |_| Rejection::Strict))
                }
                Strategy::Alphabetical | Strategy::NewestBuild | Strategy::Digest => Some(Rejection::NoExtract),
            }),
            _ => None,
        }
    }

    fn filter(&self, tag: &str) -> Option<Rejection> {
        if self.policy.ignore.iter().any(|glob| glob.glob.is_match(tag)) {
            return Some(Rejection::IgnoreTags);
        }
        let is_allowed = self.policy.allow.as_ref().is_none_or(|pattern| pattern.regex.is_match(tag));
        (!is_allowed).then_some(Rejection::AllowTags)
    }

    fn is_strictly_a_number<T: AsRef<str>>(&self, version: &Version<T>) -> bool {
        let is_long = |digits| digits >= STRICT_DIGITS && digits > self.constraint.longest_major();
        self.policy.strict && version.single_number_digits().is_some_and(is_long)
    }

    fn fit<T: AsRef<str>>(&self, version: &Version<T>) -> Option<Rejection> {
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

/// Reads a whole number of any size: digits alone, so that no rounding and no notation can change an order.
fn number(text: &str) -> Option<BigUint> {
    let is_whole = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    is_whole.then(|| BigUint::parse_bytes(text.as_bytes(), 10)).flatten()
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
    use crate::model::policy::{Extract, TagGlob, TagPattern};
    use crate::model::tags::Tags;
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

    /// The tags as a listing has them: sorted, each once.
    fn listing(text: &str) -> Tags {
        tags(text).into_iter().collect()
    }

    fn best_first(policy: &Policy, tags: &Tags) -> Vec<Tag> {
        Memo::default().ranking(policy, tags).tags(tags).collect()
    }

    fn chosen(policy: &Policy, text: &str) -> Option<String> {
        best_first(policy, &listing(text)).first().map(ToString::to_string)
    }

    fn numerical() -> Policy {
        Policy { strategy: Strategy::Numerical, ..Policy::default() }
    }

    fn extracting(policy: Policy, pattern: &str, extract: &str) -> Policy {
        let extract = Some(Extract { source: extract.to_owned() });
        Policy { allow: allow(pattern), extract, ..policy }
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
            assert_eq!(compare(&policy, &Builds::new(), a, b), expected, "{a} {b} by {}", describe(&policy));
            assert_eq!(
                compare(&policy, &Builds::new(), b, a),
                expected.map(Ordering::reverse),
                "{b} {a} by {}",
                describe(&policy)
            );
        }
    }

    #[test]
    fn the_eligible_tags_are_ranked_and_all_are_counted() {
        let listing = listing("1.0.0 1.2.0 1.10.0 v1.10.0 1.10 2.0.0 1.11.0-rc.1 latest main 20240115");
        let memo = Memo::default();
        let ranking = memo.ranking(&semver("1.x"), &listing);
        let ranked: Vec<String> = ranking.tags(&listing).map(|tag| tag.to_string()).collect();
        assert_eq!(ranked, ["1.10.0", "v1.10.0", "1.10", "1.2.0", "1.0.0"]);
        let rejected = [("not-a-version", 2), ("out-of-range", 1), ("prerelease", 1), ("strict", 1)];
        assert_eq!(*ranking.rejected(), BTreeMap::from(rejected));
        let none = memo.ranking(&semver("3.x"), &listing);
        assert!(none.is_empty());
        let nearest: Vec<String> =
            none.nearest(&semver("3.x"), &listing).iter().map(|(tag, why)| format!("{tag} {}", why.code())).collect();
        assert_eq!(nearest, ["2.0.0 out-of-range", "1.11.0-rc.1 out-of-range", "1.10.0 out-of-range"]);
    }

    #[test]
    fn policies_that_judge_otherwise_share_no_ranking() {
        let listing = listing("1.0.0 2.0.0 3.0.0-rc.1 20240115 x-7");
        let all = [
            semver("1.x"),
            semver("2.x"),
            Policy { include_prereleases: true, ..semver("*") },
            Policy { strict: false, ..semver("*") },
            Policy { allow: allow("^1"), ..semver("*") },
            Policy { ignore: ignore(&["2*"]), ..semver("*") },
            alphabetical(),
            numerical(),
            extracting(numerical(), "^x-(.*)$", "$1"),
            extracting(numerical(), "^x-(.*)$", "1$1"),
            Policy { strategy: Strategy::Digest, follow: Some(tag("x-7")), ..Policy::default() },
            Policy { strategy: Strategy::Digest, ..Policy::default() },
            Policy { strategy: Strategy::NewestBuild, ..Policy::default() },
        ];
        let memo = Memo::default();
        for policy in &all {
            let shared: Vec<Tag> = memo.ranking(policy, &listing).tags(&listing).collect();
            let alone = Memo::default().ranking(policy, &listing);
            assert_eq!(shared, alone.tags(&listing).collect::<Vec<_>>(), "{policy:?}");
        }
    }

    #[test]
    fn numbers_are_whole_and_of_any_size() {
        for (text, expected) in [
            ("1", "eligible"),
            ("007", "eligible"),
            ("99999999999999999999999999999999", "eligible"),
            ("20240115", "eligible"),
            ("1e5", "not-a-number"),
            ("nan", "not-a-number"),
            ("inf", "not-a-number"),
            ("1.5", "not-a-number"),
            ("1_000", "not-a-number"),
            ("0x10", "not-a-number"),
            ("v1", "not-a-number"),
            ("latest", "not-a-number"),
            (&signature(), "not-a-candidate"),
        ] {
            assert_eq!(code(&numerical(), text), expected, "{text}");
        }
        for (text, expected) in [
            ("9 10 8", "10"),
            ("9007199254740992 9007199254740993", "9007199254740993"),
            ("99999999999999999999999999999998 99999999999999999999999999999999", "99999999999999999999999999999999"),
            ("7 007 07", "7"),
            ("2 1e5", "2"),
        ] {
            assert_eq!(chosen(&numerical(), text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(reason(&numerical(), "1e5"), "`1e5` is no whole number: it is made of the digits 0 to 9 alone");
    }

    #[test]
    fn what_is_extracted_is_compared_and_the_tag_is_chosen() {
        let builds = "main-1704448800-3f2a1b9 main-1704448799-ffffff0 dev-9999999999-1 main--1 latest";
        let pattern = "^main-(?P<ts>[0-9]*)-";
        let by_number = extracting(numerical(), pattern, "$ts");
        assert_eq!(chosen(&by_number, builds).as_deref(), Some("main-1704448800-3f2a1b9"));
        assert_eq!(code(&by_number, "main--1"), "no-extract");
        assert_eq!(code(&by_number, "latest"), "allow-tags");
        assert_eq!(reason(&by_number, "main--1"), "`$ts` of extract catches nothing in `main--1`");
        let versions = extracting(semver("1.x"), "^develop-(.*)$", "$1");
        for (text, expected) in [
            ("develop-v1.2.3", "eligible"),
            ("develop-2.0.0", "out-of-range"),
            ("develop-1.3.0-rc.1", "prerelease"),
            ("develop-20240115", "strict"),
            ("develop-x", "not-a-version"),
            ("develop-", "no-extract"),
            ("1.2.3", "allow-tags"),
        ] {
            assert_eq!(code(&versions, text), expected, "{text}");
        }
        assert_eq!(
            reason(&versions, "develop-x"),
            "`x` is no version: it starts with one to three numbers joined by dots, after an optional v (`$1` of `develop-x`)"
        );
        assert_eq!(chosen(&versions, "develop-1.2.3 develop-1.10.0").as_deref(), Some("develop-1.10.0"));
        // Calendar versions whose last part counts up.
        let calver = extracting(Policy::default(), r"^(\d+)\.0?(\d+)\.0?(\d+)-(\d+)$", "$2.$3.$4");
        assert_eq!(chosen(&calver, "2026.01.05-9 2026.01.05-10").as_deref(), Some("2026.01.05-10"));
        let bytes = extracting(alphabetical(), "^[a-z]+-(.*)$", "$1");
        assert_eq!(chosen(&bytes, "z-1 a-2 latest").as_deref(), Some("a-2"));
        assert_eq!(code(&bytes, "z-"), "no-extract");
    }

    #[test]
    fn of_equal_extracted_values_the_tag_with_the_higher_bytes_is_chosen() {
        let by_number = extracting(numerical(), "-([0-9]+)$", "$1");
        assert_eq!(chosen(&by_number, "a-7 c-07 b-7").as_deref(), Some("c-07"));
        assert_eq!(compare(&by_number, &Builds::new(), "a-7", "c-07"), Some(Ordering::Equal));
        let versions = extracting(Policy::default(), "^[a-z]-(.*)$", "$1");
        assert_eq!(chosen(&versions, "a-1.2.0 b-1.2.0 c-1.2 d-v1.2.0").as_deref(), Some("b-1.2.0"));
    }

    #[test]
    fn digest_follows_one_tag() {
        let latest = Policy { strategy: Strategy::Digest, ..Policy::default() };
        let dev = Policy { follow: Some(tag("dev")), ..latest.clone() };
        let rows = |policy: &Policy| ["latest", "dev", "1.0.0"].map(|text| code(policy, text));
        assert_eq!(rows(&latest), ["eligible", "not-followed", "not-followed"]);
        assert_eq!(rows(&dev), ["not-followed", "eligible", "not-followed"]);
        assert_eq!(reason(&dev, "1.0.0"), "`dev` is followed, and no other tag");
        assert_eq!(describe(&dev), "digest of dev");
    }

    #[test]
    fn builds_are_ordered_by_their_dates_and_by_nothing_else() {
        use Ordering::{Equal, Greater};
        let policy = Policy { strategy: Strategy::NewestBuild, ignore: ignore(&["c"]), ..Policy::default() };
        let time = |second| Timestamp::from_second(second).unwrap();
        let builds = Builds::from([(tag("a"), time(3)), (tag("b"), time(2)), (tag("c"), time(4)), (tag("d"), time(2))]);
        for (a, b, expected) in [
            ("a", "b", Some(Greater)),
            ("c", "a", Some(Greater)),
            ("b", "d", Some(Equal)),
            ("a", "x", None),
            ("x", "y", None),
            ("x", "x", Some(Equal)),
            ("a", "", None),
        ] {
            assert_eq!(compare(&policy, &builds, a, b), expected, "{a} {b}");
            assert_eq!(compare(&policy, &builds, b, a), expected.map(Ordering::reverse), "{b} {a}");
        }
        let explained = explain(&policy, &builds, &tags("a b c d x"));
        let order: Vec<&str> = explained.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(order, ["c", "a", "d", "b", "x"]);
        assert_eq!(describe(&policy), "newest-build");
    }

    #[test]
    fn explain_gives_every_tag_once_best_first() {
        let mut policy = semver("1.x");
        policy.ignore = ignore(&["1.3.0"]);
        let listing = format!("main 1.0.0 v1.0.0 1.0 2.0.0 1.3.0 1.1.0-rc.1 20240115 latest 1.0.0 {}", signature());
        let explained = explain(&policy, &Builds::new(), &tags(&listing));
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
        let strategy = prop::sample::select(vec![Strategy::Semver, Strategy::Alphabetical, Strategy::Numerical]);
        let flags = any::<[bool; 5]>();
        (strategy, constraint, flags).prop_map(
            |(strategy, constraint, [extracts, strict, prereleases, filters, ranged])| Policy {
                strategy,
                constraint: ranged.then(|| constraint.parse().unwrap()),
                allow: if extracts {
                    allow("^v?([0-9.]*)")
                } else if filters {
                    allow("^v?[0-2]")
                } else {
                    None
                },
                extract: extracts.then(|| Extract { source: "$1".to_owned() }),
                ignore: if filters { ignore(&["*-rc*"]) } else { Vec::new() },
                strict,
                include_prereleases: prereleases,
                ..Policy::default()
            },
        )
    }

    proptest! {
        #[test]
        fn an_explanation_depends_on_the_set_of_tags_alone(
            policy in any_policy(),
            (listing, shuffled) in prop::collection::vec(any_tag(), 0..60).prop_flat_map(|tags| {
                let doubled: Vec<Tag> = tags.iter().chain(&tags).cloned().collect();
                (Just(tags), Just(doubled).prop_shuffle())
            }),
        ) {
            let builds = Builds::new();
            prop_assert_eq!(explain(&policy, &builds, &listing), explain(&policy, &builds, &shuffled));
        }

        #[test]
        fn a_ranking_is_what_is_eligible_and_nothing_behind_is_newer(
            policy in any_policy(),
            listing in prop::collection::btree_set(any_tag(), 0..60),
        ) {
            let listing: Tags = listing.into_iter().collect();
            let memo = Memo::default();
            let ranking = memo.ranking(&policy, &listing);
            let ranked: Vec<Tag> = ranking.tags(&listing).collect();
            let explained = explain(&policy, &Builds::new(), &listing.to_vec());
            let eligible: Vec<Tag> =
                explained.iter().filter(|(_, verdict)| verdict.is_eligible()).map(|(tag, _)| tag.clone()).collect();
            prop_assert_eq!(&ranked, &eligible);
            prop_assert_eq!(ranking.len() + ranking.rejected().values().sum::<usize>(), listing.len());
            for (tag, verdict) in &explained {
                prop_assert_eq!(judge(&policy, tag), *verdict);
            }
            for pair in ranked.windows(2) {
                let order = compare(&policy, &Builds::new(), pair[0].as_str(), pair[1].as_str());
                prop_assert!(matches!(order, Some(Ordering::Greater | Ordering::Equal)), "{:?}", pair);
            }
        }

        #[test]
        fn compare_is_an_order(policy in any_policy(), a in any_tag(), b in any_tag(), c in any_tag()) {
            let order = |a: &Tag, b: &Tag| compare(&policy, &Builds::new(), a.as_str(), b.as_str());
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
                prop_assert_eq!(compare(&Policy::default(), &Builds::new(), text, "latest"), None);
            }
        }
    }
}
