//! When the daemon looks at what: the next time of every schedule. Clock and dice are arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::settings::Settings;
use crate::model::schedule::{Interval, Schedule};
use crate::reconcile::Due;

/// How long ticks of rules stay due after cycles in which something failed.
const SECOND_CHANCE: SignedDuration = SignedDuration::from_hours(1);

/// Whose schedule it is.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Whose {
    /// What has none of its own.
    Others,
    /// A repository, by name.
    Repository(String),
    /// A registry, by host.
    Registry(String),
    /// A rule, by position.
    Rule(usize),
}

/// The next time of every schedule.
#[derive(Debug)]
pub(super) struct Agenda {
    schedules: BTreeMap<Whose, Schedule>,
    /// What is missing here is due.
    next: BTreeMap<Whose, Timestamp>,
    /// The clock of the last cycle, or of an earlier one if what was due may not have been written since.
    last: Option<Timestamp>,
}

impl Agenda {
    /// Everything is due.
    pub(super) fn new(settings: &Settings) -> Self {
        let mut schedules = BTreeMap::from([(Whose::Others, settings.schedule.clone())]);
        let mut add = |whose: Whose, schedule: &Option<Schedule>| {
            if let Some(schedule) = schedule {
                schedules.insert(whose, schedule.clone());
            }
        };
        for repository in &settings.repositories {
            add(Whose::Repository(repository.name.clone()), &repository.schedule);
        }
        for registry in &settings.registries {
            add(Whose::Registry(registry.host.clone()), &registry.schedule);
        }
        for (position, rule) in settings.rules.iter().enumerate() {
            add(Whose::Rule(position), &rule.schedule);
        }
        Self { schedules, next: BTreeMap::new(), last: None }
    }

    /// Takes changed settings over: everything is looked at, and rules keep waiting for their ticks.
    pub(super) fn replace(&mut self, settings: &Settings) {
        *self = Self { last: self.last, ..Self::new(settings) };
    }

    /// Gives what is due. The start is no tick of a rule: a restart at night must not write what waits for the morning.
    pub(super) fn due(&self, now: Timestamp) -> Due {
        let mut due = Due::all_since(Some(self.last.unwrap_or(now)));
        for whose in self.schedules.keys() {
            let is_due = self.next.get(whose).is_none_or(|next| *next <= now);
            match whose {
                Whose::Others => due.others = is_due,
                Whose::Repository(name) => drop(due.repositories.insert(name.clone(), is_due)),
                Whose::Registry(host) => drop(due.registries.insert(host.clone(), is_due)),
                Whose::Rule(_) => {}
            }
        }
        due
    }

    /// Notes a cycle that began at this time. After one in which something failed the ticks of rules stay due for a
    /// while: a registry that is away for a minute must not cost a rule its only tick of the week.
    pub(super) fn ran(&mut self, began: Timestamp, has_failed: bool, mut random: impl FnMut() -> u32) {
        for (whose, schedule) in &self.schedules {
            if self.next.get(whose).is_some_and(|next| *next > began) {
                continue;
            }
            let next = match whose {
                Whose::Rule(_) => schedule.next_tick(began),
                _ => schedule.next_after(began, random()),
            };
            self.next.insert(whose.clone(), next.unwrap_or(Timestamp::MAX));
        }
        let is_recent = |last: &Timestamp| (SignedDuration::ZERO..SECOND_CHANCE).contains(&began.duration_since(*last));
        self.last = self.last.filter(|last| has_failed && is_recent(last)).or(Some(began));
    }

    /// Gives the time until something is due. A clock that was set back makes no interval longer.
    pub(super) fn rest(&mut self, now: Timestamp) -> Duration {
        let mut rest = Duration::MAX;
        for (whose, schedule) in &self.schedules {
            let Some(next) = self.next.get_mut(whose) else { return Duration::ZERO };
            if let Schedule::Every(Interval { span, jitter }) = schedule {
                let longest = SignedDuration::try_from(*span + *jitter).unwrap_or(SignedDuration::MAX);
                *next = now.checked_add(longest).map_or(*next, |latest| latest.min(*next));
            }
            rest = rest.min(Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO));
        }
        rest
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Surroundings, parse};
    use crate::secret::Secret;

    fn settings(text: &str) -> Settings {
        let around = Surroundings {
            file: Path::new("repin.yaml"),
            secrets: &|_| Ok(Secret::new("x")),
            files: &|_| Ok(Vec::new()),
            default_cache: Some("/cache".into()),
        };
        parse(text, &around).unwrap().0
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-01-05T{text}Z").parse().unwrap()
    }

    const OWN: &str = "schedule: {interval: 2m, jitter: 0s}\n\
        repositories:\n  - {name: a, url: /a}\n  - {name: b, url: /b, schedule: {interval: 30s, jitter: 0s}}\n\
        registries: [{host: r.example, schedule: '@hourly'}]\nrules: [{schedule: '15 10 * * *'}]\n";

    #[test]
    fn each_is_due_by_its_own_schedule_and_the_rest_by_that_of_the_file() {
        let mut agenda = Agenda::new(&settings(OWN));
        let due = agenda.due(at("10:00:10"));
        assert!(
            due.is_repository("a") && due.is_repository("b") && due.is_registry("r.example") && due.is_registry("x")
        );
        assert_eq!((due.since, agenda.rest(at("10:00:10"))), (Some(at("10:00:10")), Duration::ZERO));
        agenda.ran(at("10:00:10"), false, || 0);
        for (now, a, b, own, other, rest) in [
            ("10:00:39", false, false, false, false, 1),
            ("10:00:40", false, true, false, false, 0),
            ("10:02:10", true, true, false, true, 0),
            ("11:00:00", true, true, true, true, 0),
        ] {
            let due = agenda.due(at(now));
            let found =
                (due.is_repository("a"), due.is_repository("b"), due.is_registry("r.example"), due.is_registry("x"));
            assert_eq!((found, agenda.rest(at(now)).as_secs()), ((a, b, own, other), rest), "{now}");
            assert_eq!(due.since, Some(at("10:00:10")));
        }
        // The tick of the rule wakes, and makes nothing due that is not.
        for now in ["10:14:00", "10:14:35"] {
            agenda.ran(at(now), false, || 0);
        }
        agenda.ran(at("10:14:59"), false, || 0);
        assert_eq!(agenda.rest(at("10:14:59")), Duration::from_secs(1));
        let due = agenda.due(at("10:15:00"));
        assert!(!due.is_repository("a") && !due.is_repository("b") && !due.is_registry("r.example"));
    }

    #[test]
    fn a_clock_that_is_set_back_puts_nothing_off_and_a_change_makes_all_due() {
        let mut agenda = Agenda::new(&settings(OWN));
        agenda.ran(at("10:00:00"), false, || 0);
        assert_eq!(agenda.rest(at("08:00:00")), Duration::from_secs(30));
        assert!(agenda.rest(at("08:00:31")).is_zero() && agenda.due(at("08:00:31")).is_repository("b"));
        agenda.replace(&settings(OWN));
        let due = agenda.due(at("08:00:32"));
        assert_eq!((due.is_repository("a"), due.since), (true, Some(at("10:00:00"))));
    }

    #[test]
    fn a_tick_stays_due_for_a_while_if_something_failed() {
        let mut agenda = Agenda::new(&settings(OWN));
        for (began, has_failed, since) in [
            ("08:58:00", false, "08:58:00"),
            ("09:00:00", true, "08:58:00"),
            ("09:57:59", true, "08:58:00"),
            ("09:58:00", true, "09:58:00"),
            ("09:59:00", false, "09:59:00"),
            ("08:00:00", true, "08:00:00"),
        ] {
            agenda.ran(at(began), has_failed, || 0);
            assert_eq!(agenda.due(at(began)).since, Some(at(since)), "{began}");
        }
    }
}
