//! When the daemon looks at what: the next time of every schedule. Clock and dice are arguments.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::options;
use crate::config::settings::Settings;
use crate::model::asking::{Asking, Wish};
use crate::model::names::ImageName;
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

/// An image that is looked at as somebody wishes.
#[derive(Debug)]
struct Spaced {
    wish: Wish,
    span: Duration,
    next: Timestamp,
}

/// The next time of every schedule.
#[derive(Debug)]
pub(super) struct Agenda {
    asking: Asking,
    schedules: BTreeMap<Whose, Schedule>,
    images: BTreeMap<ImageName, Spaced>,
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
        Self {
            asking: options::asking(settings),
            schedules,
            images: BTreeMap::new(),
            next: BTreeMap::new(),
            last: None,
        }
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
        for (image, Spaced { wish, next, .. }) in &self.images {
            let is_due = *next <= now || (wish.or_by_schedule && due.is_registry(image.registry()));
            due.images.insert(image.clone(), is_due);
        }
        due
    }

    /// Takes over what is wished of the images that registries were asked for in the cycle that began at this time. What
    /// is new was looked at in it, as what was never looked at always is.
    pub(super) fn wish(
        &mut self,
        wishes: &BTreeMap<ImageName, Wish>,
        is_asked: impl Fn(&ImageName) -> bool,
        began: Timestamp,
        random: impl FnOnce() -> u32,
    ) {
        let mut old = std::mem::take(&mut self.images);
        if wishes.is_empty() {
            return;
        }
        // One for all, so that what is looked at together stays together.
        let random = random();
        for (image, wish) in wishes.iter().filter(|(image, _)| is_asked(image)) {
            let Some(span) = self.asking.spacing(image.registry(), wish) else { continue };
            let schedule = self.asking.schedule(image.registry());
            let next = match old.remove(image).filter(|known| known.span == span) {
                Some(known) if known.next > began => known.next,
                known => {
                    let last = known.map_or(began, |known| counted_from(schedule, known.next, began, span));
                    schedule.next_spaced(last, span, random).unwrap_or(Timestamp::MAX)
                }
            };
            self.images.insert(image.clone(), Spaced { wish: *wish, span, next });
        }
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
        for (image, Spaced { span, next, .. }) in &mut self.images {
            if let Schedule::Every(_) = self.asking.schedule(image.registry()) {
                let longest = SignedDuration::try_from(*span + *span / 10).unwrap_or(SignedDuration::MAX);
                *next = now.checked_add(longest).map_or(*next, |latest| latest.min(*next));
            }
            rest = rest.min(Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO));
        }
        rest
    }
}

/// Gives the time that an interval counts from: the beginning of the cycle. Times of a cron expression are the same for
/// everybody, so there it is the time itself, unless the cycle came much later.
fn counted_from(schedule: &Schedule, due: Timestamp, began: Timestamp, span: Duration) -> Timestamp {
    let late = SignedDuration::try_from(span / 10).unwrap_or(SignedDuration::MAX);
    match schedule {
        Schedule::Cron(_) if began.duration_since(due) <= late => due,
        Schedule::Cron(_) | Schedule::Every(_) => began,
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

    /// An image with what is wished of it, in seconds.
    fn wish(image: &str, every: u64, or_by_schedule: bool) -> (ImageName, Wish) {
        (image.parse().unwrap(), Wish { every: Duration::from_secs(every), or_by_schedule })
    }

    #[test]
    fn an_image_has_its_own_times_and_nobody_is_woken_for_one_that_nobody_asks_for() {
        let mut agenda = Agenda::new(&settings(&format!("shortest_interval: 1s\n{OWN}")));
        let wishes = BTreeMap::from([
            wish("x.example/rare", 300, false),
            wish("x.example/eager", 10, false),
            wish("x.example/shared", 300, true),
            wish("x.example/both", 20, true),
            wish("x.example/held", 10, false),
            wish("r.example/cron", 7_200, false),
        ]);
        let names = ["rare", "eager", "shared", "both"].map(|name| format!("x.example/{name}"));
        let due = |agenda: &Agenda, now: &str| {
            let due = agenda.due(at(now));
            let found: Vec<bool> = names.iter().map(|name| due.is_image(&name.parse().unwrap())).collect();
            (found, due.is_image(&"r.example/cron".parse().unwrap()))
        };
        let ran = |agenda: &mut Agenda, now: &str| {
            agenda.ran(at(now), false, || 0);
            agenda.wish(&wishes, |image| image.repository() != "held", at(now), || 0);
            agenda.rest(at(now)).as_secs()
        };
        assert_eq!(due(&agenda, "10:00:00"), (vec![true; 4], true), "what was never looked at is looked at");
        assert_eq!(ran(&mut agenda, "10:00:00"), 10);
        for (now, expected, rest) in [
            ("10:00:09", [false, false, false, false], 1),
            ("10:00:10", [false, true, false, false], 10),
            ("10:00:20", [false, true, false, true], 10),
            ("10:00:30", [false, true, false, false], 10),
            // The schedule: whoever wishes nothing has it.
            ("10:02:00", [false, true, true, true], 10),
            ("10:05:00", [true, true, true, true], 10),
        ] {
            assert_eq!(due(&agenda, now), (expected.to_vec(), false), "{now}");
            assert_eq!(ran(&mut agenda, now), rest, "{now}");
        }
        // Beside cron only its own times count, and a cycle that begins a little late moves none of them.
        for (now, expected) in
            [("11:00:00", false), ("12:00:00", true), ("12:00:03", false), ("13:00:00", false), ("14:00:00", true)]
        {
            assert_eq!(due(&agenda, now).1, expected, "{now}");
            ran(&mut agenda, &now.replace(":00:00", ":00:02"));
        }
        // A clock that was set back, and wishes that are gone.
        agenda.rest(at("08:00:00"));
        assert_eq!(due(&agenda, "08:00:11").0, [false, true, false, false]);
        agenda.wish(&BTreeMap::new(), |_| true, at("08:00:11"), || 0);
        assert!(agenda.due(at("08:00:11")).images.is_empty());
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
