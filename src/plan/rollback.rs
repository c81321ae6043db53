//! Guard 3 of SELECTION: somebody went back.
//!
//! A place's timeline is what stood there along first parents, newest first, read from Git by others. The mark is the
//! highest value that today's policy allows and that stood there since the place came into being. A current value below
//! the mark was taken back by a person, and only values above the mark, or released ones, may follow. Without an order
//! (`digest`) there is no mark: see [`values`].

pub mod promoted;
pub mod values;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::message::trailers::{Change, Resume};
use crate::model::history::CommitInfo;
use crate::model::names::{ApplicationKey, Digest, ImageName, RepoPath, Tag};
use crate::model::policy::{AfterRollback, Policy, Strategy};
use crate::plan::locate::shown;
use crate::selection::{self, Builds};

/// What stood at a place after a commit.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Stood {
    /// A tag, empty where a digest stands alone and no commit says for which tag, and the digest that pinned it. Texts that
    /// name another image are [`Stood::Other`].
    Tag {
        /// The tag.
        tag: String,
        /// The digest beside it.
        digest: Option<String>,
    },
    /// Something that is no tag of the image: a null, an empty text, another image.
    Other,
    /// The file was there, the key was not.
    NoKey,
    /// The file was not there.
    NoFile,
    /// The file could not be read as it stood.
    Unreadable,
}

impl Stood {
    /// Gives the tag, if one stood.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Tag { tag, .. } => Some(tag.as_str()).filter(|tag| !tag.is_empty()),
            Self::Other | Self::NoKey | Self::NoFile | Self::Unreadable => None,
        }
    }

    /// Gives tag and digest as one text, if either stood.
    pub fn shown(&self) -> Option<String> {
        match self {
            Self::Tag { tag, digest } => Some(shown(Some(tag), digest.as_deref())),
            Self::Other | Self::NoKey | Self::NoFile | Self::Unreadable => None,
        }
    }
}

/// One state of a place, from its commit on.
#[derive(Clone, Debug)]
pub struct Standing {
    /// Position of the commit on the first-parent line; larger is newer.
    pub at: u64,
    /// The commit that brought it.
    pub commit: Arc<CommitInfo>,
    /// When it came to the branch: the latest date on the line up to its commit, since clocks of committers differ.
    pub since: Timestamp,
    /// What stood there.
    pub stood: Stood,
    /// The change to this very value, at this very place, that the trailers of its commit claim, or those of what it merged.
    pub claimed: Option<Arc<Change>>,
}

/// A commit that releases what was taken back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Release {
    /// Position of the commit on the first-parent line; larger is newer.
    pub at: u64,
    /// When its author wrote it.
    pub time: Timestamp,
    /// What it releases.
    pub resume: Resume,
}

/// When a tag was first seen with a digest.
pub type FirstSeen = BTreeMap<(ImageName, Tag, Digest), Timestamp>;

/// What stood at one place, and the releases that may concern it.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// States, newest first. The first one is today's.
    pub standings: Vec<Standing>,
    /// Releases in the same repository and branch, in any order.
    pub releases: Arc<Vec<Release>>,
    /// When repin first saw tags, as its commits in the same repository and branch say. Who writes there could as well
    /// write the tag itself, so they are believed for places there, and for no others.
    pub first_seen: Arc<FirstSeen>,
    /// What the place's file was called before the commit at a position on the first-parent line, newest first.
    pub moves: Vec<(u64, RepoPath)>,
    /// Older history exists and was not read.
    pub is_cut: bool,
}

impl Timeline {
    /// Gives what the place's file was called after the commit at a position, and what it was called before that, newest
    /// first; `now` is what it is called today.
    pub fn names_at<'t>(&'t self, at: u64, now: &'t RepoPath) -> impl Iterator<Item = &'t RepoPath> {
        let gone = self.moves.iter().take_while(|(moved, _)| at < *moved).count();
        std::iter::once(now).chain(self.moves.iter().map(|(_, path)| path)).skip(gone)
    }
}

/// The result of looking back.
#[derive(Clone, Debug)]
pub struct LookBack {
    /// The highest allowed value.
    pub mark: Option<String>,
    /// When the mark came to stand there, where its image is gone and with it its date: it was built before that.
    pub mark_came: Option<Timestamp>,
    /// The commit that went below the mark, if one did.
    pub taken_back_by: Option<Arc<CommitInfo>>,
    /// Tags that a commit released by name since something was taken back.
    pub released: Vec<String>,
    /// The place's beginning was not reached.
    pub is_cut: bool,
    /// Values that a person replaced, and that nobody released; only where there is no order.
    pub refused: Vec<String>,
}

impl LookBack {
    /// Tells whether a tag may follow although something was taken back.
    pub fn allows(&self, policy: &Policy, builds: &Builds, tag: &Tag) -> bool {
        let is_above = |mark: &str| match selection::compare(policy, builds, tag.as_str(), mark) {
            Some(order) => order == Ordering::Greater,
            None => self.mark_came.zip(builds.get(tag)).is_some_and(|(came, built)| *built > came),
        };
        let above = policy.after_rollback == AfterRollback::Next && self.mark.as_deref().is_none_or(is_above);
        above || self.released.iter().any(|released| released == tag.as_str())
    }
}

/// Looks back from today's value of one image's place, by the policy's order.
pub fn look_back(
    policy: &Policy,
    builds: &Builds,
    application: &ApplicationKey,
    alias: &str,
    timeline: &Timeline,
) -> LookBack {
    let mine = releases(application, alias, timeline);
    let released_all = released_all(&mine);
    let mut values: Vec<(usize, &str)> = Vec::new();
    let mut reached_start = false;
    let mut looked_at = 0;
    for (index, standing) in timeline.standings.iter().enumerate() {
        looked_at = index + 1;
        match &standing.stood {
            // What is absent today may have been taken out by a person, with its file where the place makes that; absent
            // earlier, the place began later.
            Stood::NoFile | Stood::NoKey if index == 0 => {}
            Stood::NoFile | Stood::NoKey => {
                reached_start = true;
                break;
            }
            Stood::Tag { tag, .. } if is_allowed(policy, tag) && !is_released(&mine, standing) => {
                values.push((index, tag))
            }
            Stood::Tag { .. } | Stood::Other | Stood::Unreadable => {}
        }
        // The value that stood at the release is where counting begins again.
        let released = released_all.is_some_and(|at| standing.at <= at);
        if released || is_own_downgrade(policy, builds, standing, before(timeline, index)) {
            reached_start = true;
            break;
        }
    }
    let order = |a: &str, b: &str| selection::compare(policy, builds, a, b);
    // An image that is gone has no date: it is a mark only if what stands now stood before it as well.
    let (dated, undated): (Vec<_>, Vec<_>) =
        values.into_iter().partition(|(_, value)| policy.strategy != Strategy::NewestBuild || is_dated(builds, value));
    let mut mark: Option<(usize, &str)> = None;
    for (index, value) in dated {
        // Of equal values the newest standing counts.
        if mark.is_none_or(|(_, highest)| order(value, highest) == Some(Ordering::Greater)) {
            mark = Some((index, value));
        }
    }
    let is_below = |at: usize, highest: &str| match timeline.standings.first().map(|now| &now.stood) {
        Some(now @ Stood::Tag { tag, .. }) => match order(tag, highest) {
            Some(order) => order == Ordering::Less,
            None if policy.strategy == Strategy::NewestBuild => {
                // An image that is gone is older than none, but for what came after it.
                let before = timeline.standings.get(at + 1..looked_at).unwrap_or_default();
                before.iter().any(|standing| standing.stood == *now)
            }
            // What is no version is below every version.
            None => true,
        },
        Some(_) => true,
        None => false,
    };
    let now = timeline.standings.first().map(|standing| &standing.stood);
    let stood_before = |index: usize| {
        let before = timeline.standings.get(index + 1..looked_at).unwrap_or_default();
        before.iter().any(|standing| Some(&standing.stood) == now)
    };
    let taken = mark.filter(|(index, highest)| *index > 0 && is_below(*index, highest));
    let gone = undated.into_iter().find(|(index, _)| *index > 0 && stood_before(*index));
    let came = gone.filter(|_| taken.is_none()).and_then(|(index, _)| timeline.standings.get(index));
    let taken = taken.or(gone);
    let taker = taken.and_then(|(index, _)| taker(timeline, index));
    LookBack {
        mark: taken.or(mark).map(|(_, tag)| tag.to_owned()),
        mark_came: came.map(|standing| standing.commit.time),
        released: open_releases(&mine, taker, timeline),
        taken_back_by: taker.map(|taker| taker.commit.clone()),
        is_cut: timeline.is_cut && !reached_start,
        refused: Vec::new(),
    }
}

fn is_dated(builds: &Builds, tag: &str) -> bool {
    tag.parse::<Tag>().is_ok_and(|tag| builds.contains_key(&tag))
}

/// Gives the first readable state after the one at `index`.
fn taker(timeline: &Timeline, index: usize) -> Option<&Standing> {
    timeline.standings.get(..index)?.iter().rev().find(|standing| standing.stood != Stood::Unreadable)
}

/// The releases that concern an image of an Application.
fn releases<'t>(application: &ApplicationKey, alias: &str, timeline: &'t Timeline) -> Vec<&'t Release> {
    // A release of the very tag that stands when it is made says nothing about taking that tag back later.
    let stands_then = |release: &Release| {
        let then = timeline.standings.iter().find(|standing| standing.at <= release.at).map(|standing| &standing.stood);
        then.zip(release.resume.tag.as_deref()).is_some_and(|(then, tag)| is_meant(tag, then))
    };
    let is_mine = |release: &&Release| concerns(&release.resume, application, alias) && !stands_then(release);
    timeline.releases.iter().filter(is_mine).collect()
}

fn released_all(releases: &[&Release]) -> Option<u64> {
    releases.iter().filter(|release| release.resume.tag.is_none()).map(|release| release.at).max()
}

/// Releases by name since something was taken back. One is spent once its tag stood there: who takes that back means it.
fn open_releases(releases: &[&Release], taker: Option<&Standing>, timeline: &Timeline) -> Vec<String> {
    let stood_since = |release: &Release, tag: &str| {
        let mut newer = timeline.standings.iter().take_while(|standing| standing.at > release.at);
        newer.any(|standing| is_meant(tag, &standing.stood))
    };
    let is_open = |release: &&&Release| {
        let is_newer = taker.is_some_and(|taker| release.at >= taker.at);
        is_newer && release.resume.tag.as_deref().is_some_and(|tag| !stood_since(release, tag))
    };
    releases.iter().filter(is_open).filter_map(|release| release.resume.tag.clone()).collect()
}

/// Tells whether what a release names is what stood: its tag, its digest, or both as they are shown.
fn is_meant(named: &str, stood: &Stood) -> bool {
    match stood {
        Stood::Tag { tag, digest } => {
            named == tag || digest.as_deref() == Some(named) || stood.shown().as_deref() == Some(named)
        }
        Stood::Other | Stood::NoKey | Stood::NoFile | Stood::Unreadable => false,
    }
}

pub(super) fn concerns(resume: &Resume, application: &ApplicationKey, alias: &str) -> bool {
    application.is_named(&resume.application) && resume.alias.as_deref().is_none_or(|wanted| wanted == alias)
}

fn is_released(releases: &[&Release], standing: &Standing) -> bool {
    let is_named =
        |release: &&&Release| release.resume.tag.as_deref().is_some_and(|tag| is_meant(tag, &standing.stood));
    releases.iter().filter(is_named).any(|release| release.at >= standing.at)
}

fn is_allowed(policy: &Policy, tag: &str) -> bool {
    tag.parse::<Tag>().is_ok_and(|tag| selection::judge(policy, &tag).is_eligible())
}

/// A lower value that repin itself wrote while downgrades were allowed was not taken back by anybody.
fn is_own_downgrade(policy: &Policy, builds: &Builds, standing: &Standing, before: Option<&Standing>) -> bool {
    let (Some(change), Some(now)) = (&standing.claimed, standing.stood.tag()) else { return false };
    let lower = |old: &str| selection::compare(policy, builds, now, tag_of(old)) == Some(Ordering::Less);
    policy.allow_downgrade && is_written(standing, before) && change.old.as_deref().is_some_and(lower)
}

/// Gives the newest readable state before the one at `index`.
pub(in crate::plan) fn before(timeline: &Timeline, index: usize) -> Option<&Standing> {
    timeline.standings.get(index + 1..)?.iter().find(|standing| standing.stood != Stood::Unreadable)
}

/// Tells whether repin wrote what stood there, by the word of the commit's trailers about this place. A commit of repin that
/// a person picks again, over another value than it was made for, is that person's.
pub(in crate::plan) fn is_written(standing: &Standing, before: Option<&Standing>) -> bool {
    let Some(change) = &standing.claimed else { return false };
    Some(&change.new) == standing.stood.shown().as_ref() && before.is_none_or(|before| replaces(change, &before.stood))
}

/// Tells whether a change was made for a place where this stood.
pub(in crate::plan) fn replaces(change: &Change, before: &Stood) -> bool {
    let (Some(old), Some(shown)) = (&change.old, before.shown()) else { return true };
    // A digest that stands alone may have got the name of its tag since.
    old.is_empty() || *old == shown || shown.split_once('@').is_some_and(|(_, digest)| digest == old)
}

/// Gives the tag of a value as it is shown.
pub fn tag_of(shown: &str) -> &str {
    shown.split_once('@').map_or(shown, |(tag, _)| tag)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    /// A timeline from words, oldest first: a tag, `-` no key, `x` no file, `?` unreadable, `~` something else,
    /// `!` a release of everything, `!tag` a release of one tag, `@new<old` a change that repin's trailers claim.
    fn timeline(words: &str) -> Timeline {
        let mut standings = Vec::new();
        let mut releases = Vec::new();
        for (at, word) in words.split(' ').enumerate() {
            let commit = Arc::new(CommitInfo {
                id: format!("{at:040x}").parse().unwrap(),
                author_name: "Paula".into(),
                author_email: "p@example.com".into(),
                time: Timestamp::UNIX_EPOCH,
                committer_name: "Paula".into(),
                committer_email: "p@example.com".into(),
                committed: Timestamp::UNIX_EPOCH,
                subject: format!("commit {at}"),
                message: String::new(),
            });
            let at = at as u64;
            if let Some(tag) = word.strip_prefix('!') {
                let tag = (!tag.is_empty()).then(|| tag.to_owned());
                let resume = Resume { application: "web".into(), alias: tag.as_ref().map(|_| "app".into()), tag };
                releases.push(Release { at, time: Timestamp::UNIX_EPOCH, resume });
                continue;
            }
            let mut claimed = None;
            let stood = match word {
                "-" => Stood::NoKey,
                "x" => Stood::NoFile,
                "?" => Stood::Unreadable,
                "~" => Stood::Other,
                tag => {
                    let tag = tag.strip_prefix('@').map_or(tag, |change| {
                        let (new, old) = change.split_once('<').unwrap();
                        claimed = Some(Arc::new(Change {
                            file: "f".into(),
                            key: "k".into(),
                            image: "i".into(),
                            old: Some(old.into()),
                            new: new.into(),
                            digest: None,
                        }));
                        new
                    });
                    Stood::Tag { tag: tag.to_owned(), digest: None }
                }
            };
            let since = Timestamp::UNIX_EPOCH;
            standings.insert(0, Standing { at, commit, since, stood, claimed });
        }
        Timeline { standings, releases: Arc::new(releases), ..Timeline::default() }
    }

    fn application() -> ApplicationKey {
        ApplicationKey {
            repository: "gitops".into(),
            file: None,
            kind: "Application".into(),
            namespace: "argocd".into(),
            name: "web".into(),
        }
    }

    fn policy(constraint: &str) -> Policy {
        Policy { constraint: Some(constraint.parse().unwrap()), ..Policy::default() }
    }

    #[test]
    fn the_mark_is_the_highest_allowed_value_and_the_one_who_went_below_it_is_named() {
        // (words, constraint, mark, position of the commit that took it back)
        for (words, constraint, mark, taker) in [
            ("1.0.0", "*", Some("1.0.0"), None),
            ("1.0.0 1.3.0", "*", Some("1.3.0"), None),
            ("1.0.0 1.3.0 1.0.0", "*", Some("1.3.0"), Some(2)),
            // Another change after the revert: still the one who reverted.
            ("1.0.0 1.3.0 1.0.0 1.1.0", "*", Some("1.3.0"), Some(2)),
            // A revert of the revert, or a hand-written value that reaches the mark, ends it.
            ("1.0.0 1.3.0 1.0.0 1.3.0", "*", Some("1.3.0"), None),
            ("1.0.0 1.3.0 1.0.0 1.4.0", "*", Some("1.4.0"), None),
            // What today's policy does not allow is no mark.
            ("1.0.0 2.0.0 1.0.0", "1.x", Some("1.0.0"), None),
            ("1.0.0 1.2.0 2.0.0 1.0.0", "1.x", Some("1.2.0"), Some(2)),
            // A place that was absent begins anew.
            ("1.0.0 1.3.0 x 1.0.0", "*", Some("1.0.0"), None),
            ("1.0.0 1.3.0 - 1.0.0", "*", Some("1.0.0"), None),
            // Absent today: a person took the key out.
            ("~ 1.3.0 -", "*", Some("1.3.0"), Some(2)),
            // So did who removed a file that only this place fills, also where nothing counts below it.
            ("x 1.3.0 x", "*", Some("1.3.0"), Some(2)),
            ("1.0.0 1.3.0 x", "2.x", None, None),
            ("1.0.0 1.3.0 x !", "*", None, None),
            // Below is also what cannot be compared.
            ("latest 1.3.0 latest", "*", Some("1.3.0"), Some(2)),
            ("~ 1.3.0 ~", "*", Some("1.3.0"), Some(2)),
            // A broken version in between hides nothing, and took nothing back.
            ("1.0.0 1.3.0 ? 1.0.0", "*", Some("1.3.0"), Some(3)),
            // A release starts counting at the value that stood then.
            ("1.0.0 1.3.0 1.0.0 !", "*", Some("1.0.0"), None),
            ("1.0.0 1.3.0 1.0.0 ! 1.3.0 1.0.0", "*", Some("1.3.0"), Some(5)),
            ("1.0.0 1.2.0 1.3.0 1.0.0 !1.3.0", "*", Some("1.2.0"), Some(2)),
            // Released while it stood: who takes it back afterwards means it.
            ("1.0.0 1.3.0 !1.3.0 1.0.0", "*", Some("1.3.0"), Some(3)),
        ] {
            let back = look_back(&policy(constraint), &Builds::new(), &application(), "app", &timeline(words));
            let taken_by = back.taken_back_by.map(|commit| commit.subject.clone());
            assert_eq!((back.mark.as_deref(), taken_by), (mark, taker.map(|at| format!("commit {at}"))), "{words}");
        }
    }

    #[test]
    fn the_newest_build_that_stood_is_the_mark_also_when_it_is_gone() {
        let policy = Policy { strategy: Strategy::NewestBuild, ..Policy::default() };
        let builds: Builds = [("a", 1), ("b", 2), ("c", 3)]
            .map(|(tag, day)| (tag.parse().unwrap(), Timestamp::from_second(day * 86_400).unwrap()))
            .into();
        for (words, mark, taker) in [
            ("a b", Some("b"), None),
            ("a c a", Some("c"), Some(2)),
            ("a c b", Some("c"), Some(2)),
            // `x` and `y` are gone from the registry.
            ("x a y", Some("a"), None),
            ("x c a", Some("c"), Some(2)),
            ("x y", None, None),
            ("a x a", Some("xx"), Some(2)),
            ("a b x b", Some("xx"), Some(3)),
            ("a x b", Some("b"), None),
            ("a x b a", Some("b"), Some(3)),
            ("c x a", Some("c"), Some(1)),
        ] {
            // Words of a timeline mean something else where they are `x`.
            let back = look_back(&policy, &builds, &application(), "app", &timeline(&words.replace('x', "xx")));
            let taken_by = back.taken_back_by.map(|commit| commit.subject.clone());
            assert_eq!((back.mark.as_deref(), taken_by), (mark, taker.map(|at| format!("commit {at}"))), "{words}");
        }
    }

    #[test]
    fn a_release_is_for_the_application_and_image_it_names() {
        let line = timeline("1.0.0 1.3.0 1.0.0 !1.3.0");
        assert!(look_back(&policy("*"), &Builds::new(), &application(), "app", &line).taken_back_by.is_none());
        assert!(look_back(&policy("*"), &Builds::new(), &application(), "sidecar", &line).taken_back_by.is_some());
        let other = ApplicationKey { name: "api".into(), ..application() };
        assert!(
            look_back(&policy("*"), &Builds::new(), &other, "app", &timeline("1.0.0 1.3.0 1.0.0 !"))
                .taken_back_by
                .is_some()
        );
    }

    #[test]
    fn a_release_of_one_tag_is_spent_once_that_tag_stood_there() {
        let released =
            |words: &str| look_back(&policy("*"), &Builds::new(), &application(), "app", &timeline(words)).released;
        assert_eq!(released("1.0.0 1.1.0 1.3.0 1.0.0 !1.1.0"), ["1.1.0"]);
        assert_eq!(released("1.0.0 1.1.0 1.3.0 1.0.0 !1.1.0 1.1.0 1.0.0"), [""; 0]);
    }

    #[test]
    fn a_downgrade_that_repin_wrote_is_taken_back_by_nobody_while_downgrades_are_allowed() {
        let line = timeline("1.0.0 1.3.0 @1.2.0<1.3.0");
        let allowing = Policy { allow_downgrade: true, ..policy("*") };
        assert!(look_back(&allowing, &Builds::new(), &application(), "app", &line).taken_back_by.is_none());
        assert!(look_back(&policy("*"), &Builds::new(), &application(), "app", &line).taken_back_by.is_some());
        // Picked again over another value, the same commit is that of a person.
        let picked = timeline("1.0.0 1.1.0 1.3.0 @1.1.0<1.2.0");
        assert!(look_back(&allowing, &Builds::new(), &application(), "app", &picked).taken_back_by.is_some());
        // A trailer that claims something else than what stands there proves nothing.
        assert!(
            look_back(&allowing, &Builds::new(), &application(), "app", &timeline("1.0.0 1.3.0 1.2.0"))
                .taken_back_by
                .is_some()
        );
    }

    #[test]
    fn a_cut_history_is_unknown_unless_the_beginning_was_seen() {
        let cut = |words: &str| Timeline { is_cut: true, ..timeline(words) };
        assert!(look_back(&policy("*"), &Builds::new(), &application(), "app", &cut("1.0.0 1.1.0")).is_cut);
        assert!(!look_back(&policy("*"), &Builds::new(), &application(), "app", &cut("x 1.0.0 1.1.0")).is_cut);
        assert!(!look_back(&policy("*"), &Builds::new(), &application(), "app", &cut("1.0.0 !")).is_cut);
    }
}
