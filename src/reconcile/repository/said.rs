//! What the commits of a branch say in their trailers. Each commit is read once, however many places it changed.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::git::History;
use crate::manifest::place::Place;
use crate::message::trailers::{Change, Trailers};
use crate::model::names::RepoPath;
use crate::plan::rollback::{FirstSeen, Release, Stood, tag_of};

/// The trailers along a branch.
#[derive(Default)]
pub(in crate::reconcile) struct Said {
    /// Commits that release what was taken back.
    pub(in crate::reconcile) releases: Arc<Vec<Release>>,
    /// When tags were first seen. The earliest of several counts.
    pub(in crate::reconcile) first_seen: Arc<FirstSeen>,
    /// Written places by file, oldest first, each with the position of its commit; what a merge brought stands at the merge.
    claims: HashMap<String, Vec<(u64, Arc<Change>)>>,
    /// Up to where history was read, and the how manieth reading of it that was.
    read: usize,
    reading: u64,
}

impl Said {
    /// Reads the commits that are new. What stays the same stays the same value, by which others see that nothing came.
    pub(in crate::reconcile) fn advance(&mut self, history: &History) {
        let is_new = history.readings() != self.reading;
        if is_new {
            (self.claims, self.read, self.reading) = (HashMap::new(), 0, history.readings());
        }
        let fresh = history.noted().get(self.read..).unwrap_or_default();
        self.read = history.noted().len();
        let (mut releases, mut seen, mut touched) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (at, commit) in fresh {
            let message = commit.message.to_ascii_lowercase();
            let says = |key: &str| message.contains(key);
            if says("repin-change:") {
                for change in Trailers::parse_squashed(&commit.message).changes {
                    touched.insert(change.file.clone());
                    self.claims.entry(change.file.clone()).or_default().push((*at, Arc::new(change)));
                }
            }
            if says("repin-resume:") || says("repin-first-seen:") {
                let trailers = Trailers::parse(&commit.message);
                let release = |resume| Release { at: *at, time: commit.time, resume };
                releases.extend(trailers.resumes.into_iter().map(release));
                seen.extend(trailers.first_seen);
            }
        }
        // History gives them in no order.
        for file in touched {
            self.claims.entry(file).or_default().sort_by_key(|(at, _)| *at);
        }
        if is_new || !releases.is_empty() {
            releases.extend(self.releases.iter().filter(|_| !is_new).cloned());
            releases.sort_by(|one, other| (one.at, &one.resume).cmp(&(other.at, &other.resume)));
            if *self.releases != releases {
                self.releases = Arc::new(releases);
            }
        }
        if is_new || !seen.is_empty() {
            let mut all = if is_new { FirstSeen::new() } else { (*self.first_seen).clone() };
            for seen in seen {
                let earliest = all.entry((seen.image, seen.tag, seen.digest)).or_insert(seen.time);
                *earliest = (*earliest).min(seen.time);
            }
            if *self.first_seen != all {
                self.first_seen = Arc::new(all);
            }
        }
    }

    /// Gives the changes of a place that commits claim for a file, or for a name that it had before: what was made ready
    /// before a file moved may come after it.
    pub(in crate::reconcile) fn of_place<'s, 'f>(
        &'s self,
        names: impl Iterator<Item = &'f RepoPath>,
        place: &Place,
    ) -> Claims<'s> {
        let called = LazyCell::new(|| place.names());
        let claims = names.filter_map(|name| self.claims.get(name.as_str())).flatten();
        let mut found: Vec<_> = claims.filter(|(_, change)| called.contains(&change.key)).collect();
        // Of one commit those for today's name stay first.
        found.sort_by_key(|(at, _)| *at);
        Claims(found)
    }
}

/// The changes of one place, oldest first.
pub(in crate::reconcile) struct Claims<'s>(Vec<&'s (u64, Arc<Change>)>);

impl Claims<'_> {
    /// Gives the change to what stood there since a commit, if that commit claims one.
    pub(in crate::reconcile) fn of(&self, at: u64, stood: &Stood) -> Option<Arc<Change>> {
        let Stood::Tag { tag, digest } = stood else { return None };
        let start = self.0.partition_point(|(claimed, _)| *claimed < at);
        let here = || self.0.iter().skip(start).take_while(|(claimed, _)| *claimed == at).map(|(_, change)| change);
        // A digest that stands alone is named by the change that gave it.
        let is_value = |change: &&Arc<Change>| match digest {
            Some(digest) if tag.is_empty() => change.digest.as_ref().or(Some(&change.new)) == Some(digest),
            _ => tag_of(&change.new) == tag,
        };
        let shown = stood.shown();
        let exact = here().find(|change| Some(&change.new) == shown.as_ref());
        let found = exact.or_else(|| here().find(is_value))?;
        // Several that came at once are one change, from what stood there before the first one.
        let first = |old: &Option<String>| here().find(|one| Some(&one.new) == old.as_ref() && one.old != *old);
        let mut old = &found.old;
        for _ in here() {
            old = first(old).map_or(old, |one| &one.old);
        }
        Some(if *old == found.old {
            found.clone()
        } else {
            Arc::new(Change { old: old.clone(), ..Change::clone(found) })
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_claimed_by_the_change_to_it_that_came_with_it() {
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let change = |old: &str, new: &str, letter: &str| {
            Arc::new(Change {
                file: "f".into(),
                key: "image.tag".into(),
                image: "acme/web".into(),
                old: (old != "-").then(|| old.to_owned()),
                new: new.into(),
                digest: Some(digest(letter)),
            })
        };
        // At 5 a merge brought two changes in no order, at 7 one that pins.
        let all = [
            (3, change("-", "1.0.0", "a")),
            (5, change("1.1.0", "1.2.0", "c")),
            (5, change("1.0.0", "1.1.0", "b")),
            (7, change("1.2.0", &format!("1.3.0@{}", digest("d")), "d")),
            (9, change("1.3.0", &digest("e"), "e")),
        ];
        let claims = Claims(all.iter().collect());
        let tag = |tag: &str, letter: Option<&str>| Stood::Tag { tag: tag.into(), digest: letter.map(digest) };
        let told = |at: u64, stood: Stood| {
            let change = claims.of(at, &stood)?;
            Some((change.old.clone().unwrap_or_default(), change.digest.clone().unwrap().chars().nth(7).unwrap()))
        };
        let expected = |old: &str, letter: char| Some((old.to_owned(), letter));
        for (at, stood, answer) in [
            (3, tag("1.0.0", None), expected("", 'a')),
            (4, tag("1.0.0", None), None),
            // Both are one change, from what stood before the first one.
            (5, tag("1.2.0", None), expected("1.0.0", 'c')),
            (5, tag("1.1.0", None), expected("1.0.0", 'b')),
            (5, tag("1.0.0", None), None),
            (7, tag("1.3.0", Some("d")), expected("1.2.0", 'd')),
            (7, tag("1.3.0", None), expected("1.2.0", 'd')),
            (9, tag("", Some("e")), expected("1.3.0", 'e')),
            (9, tag("", Some("a")), None),
            (9, Stood::NoKey, None),
        ] {
            assert_eq!(told(at, stood.clone()), answer, "{at} {stood:?}");
        }
    }
}
