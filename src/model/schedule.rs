//! When something is due: every so often, or at the times of a Unix cron expression in a time zone.
//!
//! Nothing here reads a clock or rolls dice: instants and random numbers are arguments. The expressions are in [`cron`].

pub mod cron;
mod fields;

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::schedule::cron::Cron;

/// When something is due.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Schedule {
    /// Every so often.
    Every(Interval),
    /// At the times of a cron expression.
    Cron(Cron),
}

/// A span of time, and by how much it may grow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Interval {
    /// The span; at least a second.
    pub span: Duration,
    /// At most this much is added, so that many instances do not ask at once.
    pub jitter: Duration,
}

impl Interval {
    /// Gives a span that grows by a tenth at most.
    pub fn new(span: Duration) -> Self {
        Self { span, jitter: span / 10 }
    }
}

impl Schedule {
    /// Gives the next time after this one, none if there is none before the year 2100. `random` is any number: it says how
    /// much of the jitter is added.
    pub fn next_after(&self, after: Timestamp, random: u32) -> Option<Timestamp> {
        match self {
            Self::Every(Interval { span, jitter }) => {
                let most = u64::try_from(jitter.as_millis()).unwrap_or(u64::MAX);
                let more = u128::from(most) * u128::from(random) / u128::from(u32::MAX);
                let more = Duration::from_millis(u64::try_from(more).unwrap_or(most));
                after.checked_add(SignedDuration::try_from(span.saturating_add(more)).ok()?).ok()
            }
            Self::Cron(cron) => cron.next_after(after),
        }
    }

    /// Gives when something is due that wants so much time between two looks and was due at this instant: an interval of its
    /// own, with the jitter of one, or the first time of the expression by which that much has passed.
    pub fn next_spaced(&self, last: Timestamp, span: Duration, random: u32) -> Option<Timestamp> {
        match self {
            Self::Every(_) => Self::Every(Interval::new(span)).next_after(last, random),
            Self::Cron(cron) => {
                // A second is how much later than its time a cycle begins.
                let wait = SignedDuration::try_from(span.saturating_sub(Duration::from_secs(1))).ok()?;
                cron.next_after(last.checked_add(wait).ok()?)
            }
        }
    }

    /// Gives the next tick after this instant. All ask for the same ticks: those of an interval are its multiples since
    /// the beginning of 1970 (UTC), without jitter.
    pub fn next_tick(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(Interval { span, .. }) => {
                let span = i64::try_from(span.as_secs()).ok()?.max(1);
                let ticks = after.as_second().div_euclid(span).checked_add(1)?;
                Timestamp::from_second(ticks.checked_mul(span)?).ok()
            }
            Self::Cron(cron) => cron.next_after(after),
        }
    }

    /// Tells whether there is a tick after the first instant, up to and with the second one.
    pub fn has_tick(&self, after: Timestamp, until: Timestamp) -> bool {
        self.next_tick(after).is_some_and(|tick| tick <= until)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every(interval) => {
                write!(f, "every {:#}", SignedDuration::try_from(interval.span).unwrap_or_default())
            }
            Self::Cron(cron) => cron.fmt(f),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn jitter_makes_an_interval_longer_and_never_shorter() {
        let now = at("2026-01-05T10:00:00Z");
        let next = |jitter: Option<u64>, random: u32| {
            let mut interval = Interval::new(Duration::from_secs(120));
            if let Some(jitter) = jitter {
                interval.jitter = Duration::from_secs(jitter);
            }
            Schedule::Every(interval).next_after(now, random).unwrap().duration_since(now).as_secs()
        };
        for (jitter, random, expected) in
            [(None, 0, 120), (None, u32::MAX, 132), (Some(0), u32::MAX, 120), (Some(60), u32::MAX / 2 + 1, 150)]
        {
            assert_eq!(next(jitter, random), expected, "{jitter:?} {random}");
        }
        let longest = Interval { span: Duration::MAX, jitter: Duration::MAX };
        assert_eq!(Schedule::Every(longest).next_after(now, 1), None);
    }

    #[test]
    fn what_is_wanted_more_rarely_waits_for_the_first_time_by_which_that_much_has_passed() {
        let schedule = |text: &str| match text {
            "every" => Schedule::Every(Interval::new(Duration::from_secs(120))),
            cron => Schedule::Cron(Cron::new(cron, jiff::tz::TimeZone::UTC).unwrap()),
        };
        for (text, last, span, expected) in [
            ("every", "10:00:00", 3_600, "11:00:00"),
            ("every", "10:00:00", 1, "10:00:01"),
            ("0 * * * *", "10:00:00", 3_600, "11:00:00"),
            ("0 * * * *", "10:00:00", 3_601, "12:00:00"),
            ("0 * * * *", "10:23:00", 3_600, "12:00:00"),
            ("*/5 * * * *", "10:00:00", 3_600, "11:00:00"),
            ("*/5 * * * *", "10:00:00", 1, "10:05:00"),
        ] {
            let found = schedule(text).next_spaced(at(&format!("2026-01-05T{last}Z")), Duration::from_secs(span), 0);
            assert_eq!(found, Some(at(&format!("2026-01-05T{expected}Z"))), "{text} {last} {span}");
        }
        assert_eq!(schedule("every").next_spaced(at("2026-01-05T10:00:00Z"), Duration::MAX, 0), None);
        assert_eq!(schedule("* * * * *").next_spaced(at("2026-01-05T10:00:00Z"), Duration::MAX, 0), None);
    }

    #[test]
    fn ticks_of_an_interval_are_the_same_for_everybody() {
        let hourly = Schedule::Every(Interval::new(Duration::from_secs(3_600)));
        for (after, until, expected) in [
            ("2026-01-05T10:00:00Z", "2026-01-05T10:59:59Z", false),
            ("2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", true),
            ("2026-01-05T10:59:59Z", "2026-01-05T11:00:00Z", true),
            ("2026-01-05T10:58:00Z", "2026-01-05T10:59:00Z", false),
            ("2026-01-05T10:00:00Z", "2026-01-06T10:30:00Z", true),
            ("2026-01-05T10:00:00Z", "2026-01-05T09:00:00Z", false),
        ] {
            assert_eq!(hourly.has_tick(at(after), at(until)), expected, "{after} {until}");
        }
        assert_eq!(hourly.to_string(), "every 1h");
    }
}
