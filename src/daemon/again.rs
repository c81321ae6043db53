//! Another look at what was pushed where the first one failed: the next one of the schedule may be an hour away. Clock is an
//! argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::event::Pushed;

/// The pause before the second look; it doubles with each.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
/// After so many looks in a row the schedule is enough.
const MOST: u32 = 10;

/// What is looked at again, and when.
#[derive(Debug, Default)]
pub(super) struct Again {
    pushed: Pushed,
    tries: u32,
    time: Option<Instant>,
}

impl Again {
    /// Notes what of a cycle's pushed images could not be looked at, if anything.
    pub(super) fn note(&mut self, failed: Pushed, now: Instant) {
        if failed.is_empty() {
            if self.pushed.is_empty() {
                *self = Self::default();
            }
            return;
        }
        if self.tries >= MOST {
            *self = Self::default();
            return;
        }
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(LONGEST);
        self.tries += 1;
        self.pushed.merge(failed);
        self.time = Some(now + pause);
    }

    /// Gives how long nothing is to be looked at again.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        self.time.map_or(Duration::MAX, |time| time.saturating_duration_since(now))
    }

    /// Takes what is to be looked at now.
    pub(super) fn take(&mut self, now: Instant) -> Pushed {
        if !self.rest(now).is_zero() {
            return Pushed::default();
        }
        self.time = None;
        std::mem::take(&mut self.pushed)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::event::Event;

    fn pushed(names: &[&str]) -> Pushed {
        let mut pushed = Pushed::default();
        for name in names {
            pushed.add(Event::RegistryPush { image: name.parse().unwrap(), tag: "1.0.0".parse().ok() });
        }
        pushed
    }

    #[test]
    fn what_failed_is_looked_at_again_later_and_later_until_it_is_well_or_the_schedule_is_enough() {
        let (mut again, mut now) = (Again::default(), Instant::now());
        assert_eq!((again.rest(now), again.take(now)), (Duration::MAX, Pushed::default()));
        let mut pauses = Vec::new();
        loop {
            again.note(pushed(&["acme/a"]), now);
            let rest = again.rest(now);
            if rest == Duration::MAX {
                break;
            }
            pauses.push(rest.as_secs());
            assert!(again.take(now).is_empty());
            now += rest;
            assert_eq!(again.take(now), pushed(&["acme/a"]));
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        again.note(pushed(&["acme/a"]), now);
        again.note(pushed(&["acme/b"]), now);
        now += Duration::from_secs(10);
        assert_eq!(again.take(now), pushed(&["acme/a", "acme/b"]));
        again.note(Pushed::default(), now);
        again.note(pushed(&["acme/a"]), now);
        assert_eq!(again.rest(now), FIRST, "what went well in between begins anew");
    }
}
