//! All eligible tags of a listing, best first, worked out once however many images share listing and policy.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::model::names::Tag;
use crate::model::policy::{Policy, Strategy};
use crate::model::version::Version;
use crate::selection::verdict::{Rejection, Verdict};
use crate::selection::{Judge, Judged};

/// How many rejected tags [`Ranking::nearest`] names.
const NEAREST: usize = 3;

/// What was made of the tags of one listing. It belongs to exactly these tags; a copy starts empty.
#[derive(Default)]
pub struct Memo {
    versions: OnceLock<Versions>,
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

/// Every tag read as a version, and the positions of all tags, highest first.
struct Versions {
    read: Vec<Option<Version>>,
    highest_first: Vec<u32>,
}

impl Versions {
    fn of(tags: &[Tag]) -> Self {
        let read: Vec<Option<Version>> = tags.iter().map(|tag| tag.as_str().parse().ok()).collect();
        let mut highest_first: Vec<u32> = (0..u32::try_from(tags.len()).unwrap_or(u32::MAX)).collect();
        let key = |at: &u32| (read.get(*at as usize).and_then(Option::as_ref), tags.get(*at as usize));
        highest_first.sort_unstable_by(|a, b| key(b).cmp(&key(a)));
        Self { read, highest_first }
    }
}

impl Memo {
    /// Gives the eligible tags under a policy; the memo must have been used with no other tags.
    pub fn ranking(&self, policy: &Policy, tags: &[Tag]) -> Arc<Ranking> {
        let key = key(policy);
        let known = self.rankings.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        known.unwrap_or_else(|| {
            let ranking = Arc::new(self.rank(policy, tags));
            self.rankings.lock().unwrap_or_else(PoisonError::into_inner).insert(key, ranking.clone());
            ranking
        })
    }

    fn rank(&self, policy: &Policy, tags: &[Tag]) -> Ranking {
        let judge = Judge::new(policy);
        let mut ranking = Ranking::default();
        let mut eligible = Vec::new();
        let mut count = |at: u32, verdict: Verdict| match verdict {
            Verdict::Eligible => eligible.push(at),
            Verdict::Rejected(rejection) => *ranking.rejected.entry(rejection.code()).or_default() += 1,
        };
        if policy.strategy == Strategy::Semver && policy.extract.is_none() {
            let versions = self.versions.get_or_init(|| Versions::of(tags));
            for at in &versions.highest_first {
                let (Some(tag), Some(version)) = (tags.get(*at as usize), versions.read.get(*at as usize)) else {
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
    pub fn tags<'t>(&self, tags: &'t [Tag]) -> impl Iterator<Item = &'t Tag> {
        self.best_first.iter().filter_map(|at| tags.get(*at as usize))
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
    pub fn nearest(&self, policy: &Policy, tags: &[Tag]) -> &[(Tag, Rejection)] {
        self.nearest.get_or_init(|| {
            let judge = Judge::new(policy);
            let mut judged: Vec<Judged<'_>> = tags.iter().map(|tag| judge.judge(tag)).collect();
            judged.retain(|judged| !judged.verdict.is_eligible());
            judged.sort_unstable_by(Judged::best_first);
            let named = judged.iter().filter_map(|judged| Some((judged.tag.clone(), judged.verdict.rejection()?)));
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
