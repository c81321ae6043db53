//! All eligible tags of a listing, best first, worked out once however many images share listing and policy.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::model::names::Tag;
use crate::model::policy::{Policy, Strategy};
use crate::model::tags::Tags;
use crate::model::version::Version;
use crate::selection::verdict::{Rejection, Verdict};
use crate::selection::{Judge, Judged};

/// How many rejected tags [`Ranking::nearest`] names.
const NEAREST: usize = 3;

/// What was made of the tags of one listing. It belongs to exactly these tags; a copy starts empty.
#[derive(Default)]
pub struct Memo {
    /// All positions, as versions highest first: the part of a ranking that costs most and depends on no policy.
    highest_first: OnceLock<Box<[u32]>>,
    rankings: Mutex<HashMap<String, Arc<Ranking>>>,
}

/// The eligible tags of a listing under one policy.
#[derive(Debug, Default)]
pub struct Ranking {
    /// Positions in the listing, best first.
    best_first: Box<[u32]>,
    /// How many tags are rejected, by [`Rejection::code`].
    rejected: BTreeMap<&'static str, usize>,
    nearest: OnceLock<Vec<(Tag, Rejection)>>,
}

/// Gives the positions of all tags, highest first, from what they read as.
fn highest_first(tags: &Tags, read: &[Option<Version<&str>>]) -> Box<[u32]> {
    let whole = |at: u32| (read.get(at as usize).and_then(Option::as_ref), tags.get(at as usize));
    let mut order: Vec<(u64, u32)> = (0..).zip(read).map(|(at, version)| (quick(version.as_ref()), at)).collect();
    order.sort_unstable_by_key(|(quick, _)| Reverse(*quick));
    for alike in order.chunk_by_mut(|(a, _), (b, _)| a == b) {
        alike.sort_unstable_by(|(_, a), (_, b)| whole(*b).cmp(&whole(*a)));
    }
    order.into_iter().map(|(_, at)| at).collect()
}

/// Gives a number that is lower only where the version is. Such numbers are compared quickly, and nearly always tell which
/// version is higher.
fn quick(version: Option<&Version<&str>>) -> u64 {
    const BITS: u32 = 20;
    const MOST: u64 = (1 << BITS) - 1;
    let Some(version) = version else { return 0 };
    let (semver, mut key, mut is_capped) = (version.semver(), 1, false);
    for number in [semver.major, semver.minor, semver.patch] {
        // Behind a number that does not fit nothing counts: higher ones look the same.
        is_capped |= number >= MOST;
        key = key << BITS | if is_capped { MOST } else { number };
    }
    key << 1 | u64::from(is_capped || !version.is_prerelease())
}

impl Memo {
    /// Gives the eligible tags under a policy; the memo must have been used with no other tags.
    pub fn ranking(&self, policy: &Policy, tags: &Tags) -> Arc<Ranking> {
        let key = key(policy);
        let known = self.rankings.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let ranking = Arc::new(self.rank(policy, tags));
            self.rankings.lock().unwrap_or_else(PoisonError::into_inner).insert(key, ranking.clone());
            ranking
        })
    }

    fn rank(&self, policy: &Policy, tags: &Tags) -> Ranking {
        let judge = Judge::new(policy);
        let mut ranking = Ranking::default();
        let mut eligible = Vec::new();
        let mut count = |at: u32, verdict: Verdict| match verdict {
            Verdict::Eligible => eligible.push(at),
            Verdict::Rejected(rejection) => *ranking.rejected.entry(rejection.code()).or_default() += 1,
        };
        if policy.strategy == Strategy::Semver && policy.extract.is_none() {
            // Read again for each policy: kept, they would be most of what a cycle holds in memory.
            let read: Vec<Option<Version<&str>>> = tags.iter().map(Version::borrowed).collect();
            for at in self.highest_first.get_or_init(|| highest_first(tags, &read)) {
                let (Some(tag), Some(version)) = (tags.get(*at as usize), read.get(*at as usize)) else {
                    continue;
                };
                count(*at, judge.judge_version(tag, version.as_ref()));
            }
        } else {
            let mut judged: Vec<(u32, Judged<'_>)> = (0..).zip(tags.iter().map(|tag| judge.judge(tag))).collect();
            judged.sort_unstable_by(|(_, a), (_, b)| a.best_first(b));
            judged.iter().for_each(|(at, judged)| count(*at, judged.verdict));
        }
        ranking.best_first = eligible.into_boxed_slice();
        ranking
    }
}

impl Ranking {
    /// Gives the eligible tags, best first. Of equal ones the order is fixed: see [`crate::selection`].
    pub fn tags(&self, tags: &Tags) -> impl Iterator<Item = Tag> {
        self.best_first.iter().filter_map(|at| tags.get(*at as usize)?.parse().ok())
    }

    /// Counts the eligible tags.
    pub fn len(&self) -> usize {
        self.best_first.len()
    }

    /// Tells whether no tag is eligible.
    pub fn is_empty(&self) -> bool {
        self.best_first.is_empty()
    }

    /// Gives how many tags are rejected, by [`Rejection::code`].
    pub fn rejected(&self) -> &BTreeMap<&'static str, usize> {
        &self.rejected
    }

    /// Gives the highest rejected tags, three at most.
    pub fn nearest(&self, policy: &Policy, tags: &Tags) -> &[(Tag, Rejection)] {
        self.nearest.get_or_init(|| {
            let judge = Judge::new(policy);
            let mut judged: Vec<Judged<'_>> = tags.iter().map(|tag| judge.judge(tag)).collect();
            judged.retain(|judged| !judged.verdict.is_eligible());
            judged.sort_unstable_by(Judged::best_first);
            let named =
                judged.iter().filter_map(|judged| Some((judged.tag.parse().ok()?, judged.verdict.rejection()?)));
            named.take(NEAREST).collect()
        })
    }
}

/// Two policies with one key judge and order all tags alike.
fn key(policy: &Policy) -> String {
    use fmt::Write as _;
    let mut key = policy.strategy.as_str().to_owned();
    let mut part = |name: char, text: &str| {
        // Lengths keep a part from being read as the next one.
        let _ = write!(key, "\0{name}{}:{text}", text.len());
    };
    if let Some(constraint) = &policy.constraint {
        part('c', constraint.source());
    }
    if let Some(follow) = &policy.follow {
        part('f', follow.as_str());
    }
    if let Some(allow) = &policy.allow {
        part('a', &allow.source);
    }
    if let Some(extract) = &policy.extract {
        part('e', &extract.source);
    }
    policy.ignore.iter().for_each(|glob| part('i', &glob.source));
    part('s', if policy.strict { "strict" } else { "" });
    part('p', if policy.include_prereleases { "pre" } else { "" });
    key
}

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// What was worked out says nothing that the tags do not say.
impl PartialEq for Memo {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memo {}

impl fmt::Debug for Memo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memo")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_number_never_contradicts_the_order_of_versions() {
        let numbers = ["0", "1", "9", "1048574", "1048575", "1048576", "20260105", "18446744073709551615"];
        let mut texts = Vec::new();
        for major in numbers {
            for minor in numbers {
                for patch in ["0", "7", "1048575", "1048577"] {
                    texts.extend(["", "-rc.1", "-0", "+b"].map(|end| format!("{major}.{minor}.{patch}{end}")));
                }
            }
        }
        let mut versions: Vec<Version<&str>> = texts.iter().map(|text| Version::borrowed(text).unwrap()).collect();
        versions.sort();
        assert!(versions.iter().all(|version| quick(Some(version)) > quick(None)));
        for pair in versions.windows(2) {
            assert!(quick(Some(&pair[0])) <= quick(Some(&pair[1])), "{} {}", pair[0], pair[1]);
        }
        let tell =
            |low: &str, high: &str| quick(Version::borrowed(low).as_ref()) < quick(Version::borrowed(high).as_ref());
        assert!(tell("1.2.3", "1.2.4") && tell("1.2.3-rc.1", "1.2.3") && tell("1.9.9", "1.10.0"));
    }
}
