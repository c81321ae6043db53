//! How often a registry is asked for an image: the operator's schedules, and what annotations wish.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::names::ImageName;
use crate::model::schedule::{Interval, Schedule};
use crate::model::tracked::TrackedImage;

/// What the operator says.
#[derive(Clone, Debug, PartialEq)]
pub struct Asking {
    /// When registries are asked that have no schedule of their own.
    pub schedule: Schedule,
    /// Registries with a schedule of their own, by host.
    pub registries: BTreeMap<String, Schedule>,
    /// The shortest interval that an annotation may wish; none = that of the schedule.
    pub shortest_interval: Option<Duration>,
}

/// What those who track one image wish; at least one of them wishes an interval.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wish {
    /// The shortest interval.
    pub every: Duration,
    /// Somebody wishes none, so the schedule of the registry counts as well.
    pub or_by_schedule: bool,
}

impl Asking {
    /// Gives when a registry is asked, by its host.
    pub fn schedule(&self, host: &str) -> &Schedule {
        self.registries.get(host).unwrap_or(&self.schedule)
    }

    /// Gives the interval that counts for a wish; none = the schedule's own.
    ///
    /// # Errors
    /// The wish is shorter than what is allowed; the shortest interval, which counts instead.
    pub fn interval(&self, host: &str, wish: Duration) -> Result<Option<Duration>, Duration> {
        // Beside a cron expression an interval can only make it rarer.
        let Schedule::Every(Interval { span, .. }) = self.schedule(host) else { return Ok(Some(wish)) };
        let shortest = self.shortest_interval.unwrap_or(*span).min(*span);
        if wish < shortest {
            return Err(shortest);
        }
        Ok(Some(wish).filter(|wish| wish != span))
    }

    /// Gives the interval at which an image is looked at beside its registry, or in its place; none if the schedule of
    /// the registry is all that counts.
    pub fn spacing(&self, host: &str, wish: &Wish) -> Option<Duration> {
        let is_shorter = match self.schedule(host) {
            Schedule::Every(Interval { span, .. }) => wish.every < *span,
            Schedule::Cron(_) => false,
        };
        (is_shorter || !wish.or_by_schedule).then_some(wish.every)
    }

    /// Gives when an image is looked at that was due at this time; none if that is never.
    pub fn next(&self, host: &str, wish: Option<&Wish>, last: Timestamp, random: u32) -> Option<Timestamp> {
        let schedule = self.schedule(host);
        let spaced = wish.and_then(|wish| Some((wish, self.spacing(host, wish)?)));
        match spaced.map(|(wish, span)| (wish, schedule.next_spaced(last, span, random))) {
            None => schedule.next_after(last, random),
            Some((Wish { or_by_schedule: false, .. }, spaced)) => spaced,
            Some((_, spaced)) => schedule.next_after(last, random).into_iter().chain(spaced).min(),
        }
    }
}

/// Gives the wishes of all who track an image, by the image as it is asked for. Images without a wish are missing.
pub fn wishes<'a>(images: impl Iterator<Item = &'a TrackedImage> + Clone) -> BTreeMap<ImageName, Wish> {
    let asked = images.filter(|image| image.refusal.is_none());
    let asked = asked.filter_map(|image| Some((image.asked.as_ref()?, image.interval)));
    let mut wishes: BTreeMap<ImageName, Wish> = BTreeMap::new();
    for (image, every) in asked.clone().filter_map(|(image, interval)| Some((image, interval?))) {
        let wish = wishes.entry(image.clone()).or_insert(Wish { every, or_by_schedule: false });
        wish.every = wish.every.min(every);
    }
    // Most have none, and then nobody is asked again.
    if wishes.is_empty() {
        return wishes;
    }
    for (image, _) in asked.filter(|(_, interval)| interval.is_none()) {
        if let Some(wish) = wishes.get_mut(image) {
            wish.or_by_schedule = true;
        }
    }
    wishes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::model::interval::parse;
    use crate::model::schedule::cron::Cron;

    const HOSTS: [&str; 3] = ["other.example", "own.example", "cron.example"];

    /// Two minutes, an hour at `own.example`, and every full hour at `cron.example`.
    fn asking(shortest: Option<&str>) -> Asking {
        let every =
            |text: &str| Schedule::Every(Interval { jitter: Duration::ZERO, ..Interval::new(parse(text).unwrap()) });
        Asking {
            schedule: every("2m"),
            registries: BTreeMap::from([
                ("own.example".to_owned(), every("1h")),
                ("cron.example".to_owned(), Schedule::Cron(Cron::new("0 * * * *", TimeZone::UTC).unwrap())),
            ]),
            shortest_interval: shortest.map(|text| parse(text).unwrap()),
        }
    }

    #[test]
    fn a_wish_is_for_less_than_the_schedule_unless_the_operator_allows_more() {
        let span = |text: &str| parse(text).unwrap();
        for (shortest, wish, expected) in [
            (None, "1m", [Err("2m"), Err("1h"), Ok(Some("1m"))]),
            (None, "2m", [Ok(None), Err("1h"), Ok(Some("2m"))]),
            (None, "1h", [Ok(Some("1h")), Ok(None), Ok(Some("1h"))]),
            (None, "1d", [Ok(Some("1d")); 3]),
            (Some("1m"), "30s", [Err("1m"), Err("1m"), Ok(Some("30s"))]),
            (Some("1m"), "1m", [Ok(Some("1m")); 3]),
            // What is longer than the schedule caps nothing that is rarer than that.
            (Some("10m"), "5m", [Ok(Some("5m")), Err("10m"), Ok(Some("5m"))]),
        ] {
            let asking = asking(shortest);
            for (host, expected) in HOSTS.iter().zip(expected) {
                let expected = expected.map(|text| text.map(span)).map_err(span);
                assert_eq!(asking.interval(host, span(wish)), expected, "{shortest:?} {wish} {host}");
            }
        }
    }

    #[test]
    fn who_wishes_nothing_beside_others_has_the_schedule() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let asking = asking(Some("1s"));
        for (wish, by_schedule, expected) in [
            (None, false, ["10:02:00", "11:00:00", "11:00:00"]),
            (Some("30s"), false, ["10:00:30", "10:00:30", "11:00:00"]),
            (Some("30s"), true, ["10:00:30", "10:00:30", "11:00:00"]),
            (Some("3h"), false, ["13:00:00", "13:00:00", "13:00:00"]),
            (Some("3h"), true, ["10:02:00", "11:00:00", "11:00:00"]),
        ] {
            let wish = wish.map(|text| Wish { every: parse(text).unwrap(), or_by_schedule: by_schedule });
            for (host, expected) in HOSTS.iter().zip(expected) {
                let next = asking.next(host, wish.as_ref(), now, 0);
                assert_eq!(next.unwrap().to_string(), format!("2026-01-05T{expected}Z"), "{wish:?} {host}");
            }
        }
    }
}
