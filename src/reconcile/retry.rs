//! Tries: how often a cycle starts over because a head moved under a push, and how long it waits before.
//!
//! Counted for each remote branch alone: one that moves all the time uses up its own tries, and makes no other one wait
//! for them. Nothing here pushes or decides.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use tracing::debug;

use crate::model::change::ChangeSet;
use crate::model::names::Branch;
use crate::plan::Failure;

/// How often one cycle pushes to one branch.
const TRIES: u32 = 6;
/// Longest pause after the first lost push; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(40);

/// The lost pushes of one cycle.
#[derive(Debug, Default)]
pub(super) struct Tries {
    lost: BTreeMap<(String, Branch), u32>,
    settled: BTreeMap<(String, Branch), Failure>,
    pause: Option<Duration>,
}

impl Tries {
    /// Notes that the head of a change set's branch moved under its push. Tells whether it may be tried again.
    pub(super) fn lost(&mut self, set: &ChangeSet) -> bool {
        let lost = self.lost.entry((set.repository.clone(), set.branch.clone())).or_default();
        *lost += 1;
        let (lost, is_left) = (*lost, *lost < TRIES);
        debug!(repository = set.repository, branch = %set.branch, lost, is_left, "a head moved under a push");
        if is_left {
            let pause = pause(lost, random());
            // The shortest one counts: who lost once does not wait for who lost five times.
            self.pause = Some(self.pause.map_or(pause, |known| known.min(pause)));
        }
        is_left
    }

    /// Has everything decided again at once: what people hold changed.
    pub(super) fn overtaken(&mut self) {
        self.pause = Some(Duration::ZERO);
    }

    /// Notes why a change set cannot be written in this cycle: another branch that is tried again does not take it along.
    pub(super) fn settle(&mut self, set: &ChangeSet, failure: Failure) {
        self.settled.insert((set.repository.clone(), set.branch.clone()), failure);
    }

    /// Gives why the branch of a change set cannot be written in this cycle, if that is known.
    pub(super) fn settled(&self, set: &ChangeSet) -> Option<&Failure> {
        self.settled.get(&(set.repository.clone(), set.branch.clone()))
    }

    /// Gives how long to wait before the next try, if one was lost since the last call that may be tried again.
    pub(super) fn next(&mut self) -> Option<Duration> {
        self.pause.take()
    }
}

/// A part of the longest pause, anywhere from nothing: whoever else lost the same race should not meet us again.
fn pause(lost: u32, random: u64) -> Duration {
    let longest = FIRST.saturating_mul(1 << lost.saturating_sub(1).min(TRIES));
    let parts = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX).saturating_add(1);
    Duration::from_micros(random % parts)
}

/// A number that two processes started at the same moment do not share: the keys come from the system's random source.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn set(repository: &str, branch: &str) -> ChangeSet {
        ChangeSet {
            repository: repository.to_owned(),
            branch: branch.parse().unwrap(),
            base: branch.parse().unwrap(),
            head: "1111111111111111111111111111111111111111".parse().unwrap(),
            commits: Vec::new(),
            proposal: None,
        }
    }

    #[test]
    fn each_branch_has_its_own_tries() {
        let mut tries = Tries::default();
        assert_eq!(tries.next(), None, "nothing was lost");
        for left in (0..TRIES).rev() {
            assert_eq!(tries.lost(&set("gitops", "main")), left > 0);
        }
        assert!(tries.lost(&set("gitops", "live")), "another branch");
        assert!(tries.lost(&set("other", "main")), "another repository");
        assert!(!tries.lost(&set("gitops", "main")));
        assert!(tries.next().is_some());
        assert_eq!(tries.next(), None, "said once");
    }

    #[test]
    fn who_lost_once_does_not_wait_for_who_lost_often() {
        for _ in 0..100 {
            let mut tries = Tries::default();
            (1..TRIES).for_each(|_| assert!(tries.lost(&set("busy", "main"))));
            assert!(tries.lost(&set("calm", "main")));
            assert!(tries.next().unwrap() <= FIRST);
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_differ_each_time() {
        for (lost, longest) in [(1, 40), (2, 80), (3, 160), (4, 320), (5, 640)] {
            let longest = Duration::from_millis(longest);
            assert_eq!(pause(lost, 0), Duration::ZERO);
            let micros = u64::try_from(longest.as_micros()).unwrap();
            assert_eq!((pause(lost, micros), pause(lost, micros + 1)), (longest, Duration::ZERO));
            assert!(pause(lost, u64::MAX) <= longest);
        }
        let drawn: BTreeSet<u64> = (0..100).map(|_| random()).collect();
        assert!(drawn.len() > 90, "{drawn:?}");
    }
}
