//! All eligible tags of a listing, best first, worked out once however many images share listing and policy.

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
fn highest_first(tags: &Tags, read: &[Option<Version>]) -> Box<[u32]> {
    let mut order: Box<[u32]> = (0..u32::try_from(tags.len()).unwrap_or(u32::MAX)).collect();
    // Numbers alone nearly always tell which one is higher, and side by side they are compared quickly.
    let numbers = |version: &Version| [version.semver().major, version.semver().minor, version.semver().patch];
    let quick: Vec<Option<[u64; 3]>> = read.iter().map(|version| version.as_ref().map(numbers)).collect();
    let quick = |at: &u32| quick.get(*at as usize);
    let whole = |at: &u32| (read.get(*at as usize).and_then(Option::as_ref), tags.get(*at as usize));
    order.sort_unstable_by(|a, b| quick(b).cmp(&quick(a)).then_with(|| whole(b).cmp(&whole(a))));
    order
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
            let read: Vec<Option<Version>> = tags.iter().map(|tag| tag.parse().ok()).collect();
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
