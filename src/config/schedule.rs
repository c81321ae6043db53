//! Schedules as they stand in the file: an interval, a cron expression, or a mapping of one of them.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::interval;
use crate::config::keys;
use crate::config::reader::{Fields, Value};
use crate::model::schedule::cron::{Cron, split_zone};
use crate::model::schedule::{Interval, Schedule};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
const INTERVAL_HINT: &str = "write an interval, such as `2m`";
const CRON_HINT: &str = "write minute, hour, day of month, month and day of week, such as `0 9 * * 1-5`";

/// Reads when something is looked at.
pub(super) fn schedule(value: &Value<'_>) -> Option<Schedule> {
    if value.is_scalar() {
        return of_text(value);
    }
    let fields = value.fields(&keys::SCHEDULE);
    if !fields.is_clean {
        return None;
    }
    match (fields.get("cron"), fields.get("interval")) {
        (Some(cron), None) => of_cron(cron, &fields),
        (None, Some(span)) => of_interval(span, &fields),
        (Some(_), Some(_)) => {
            value.error("config/invalid-value", "has both `cron` and `interval`", "keep one of them");
            None
        }
        (None, None) => {
            let hint = "write `{cron: \"0 9 * * 1-5\", time_zone: Europe/Berlin}` or `{interval: 2m}`";
            value.error("config/missing-key", "has neither `cron` nor `interval`", hint);
            None
        }
    }
}

/// Reads the shortest interval that an annotation may wish.
pub(super) fn shortest_interval(value: &Value<'_>) -> Option<Duration> {
    span(value, SHORTEST)
}

/// Reads when a rule lets something be written: its ticks are the same for everybody, and have no jitter.
pub(super) fn ticks(value: &Value<'_>) -> Option<Schedule> {
    if !value.is_scalar()
        && let Some(jitter) = value.fields(&keys::SCHEDULE).get("jitter")
    {
        let message = "is there, and the ticks of a rule have no jitter";
        jitter.error("config/invalid-value", message, "remove it");
        return None;
    }
    schedule(value)
}

fn of_text(value: &Value<'_>) -> Option<Schedule> {
    let text = value.text()?;
    if interval::is_cron(text) {
        let (zone, expression) = split_zone(text);
        return cron(value, expression, time_zone(value, zone)?).map(Schedule::Cron);
    }
    Some(Schedule::Every(Interval::new(span(value, SHORTEST)?)))
}

fn of_cron(value: &Value<'_>, fields: &Fields<'_>) -> Option<Schedule> {
    if let Some(jitter) = fields.get("jitter") {
        jitter.error("config/invalid-value", "stands beside `cron`, and is for an `interval`", "remove it");
        return None;
    }
    cron_in_zone(value, fields).map(Schedule::Cron)
}

/// Reads an expression with the `time_zone` that stands beside it.
pub(super) fn cron_in_zone(value: &Value<'_>, fields: &Fields<'_>) -> Option<Cron> {
    let (zone, expression) = split_zone(value.text()?);
    let zone = match (fields.get("time_zone"), zone) {
        (Some(named), Some(_)) => {
            named.error(
                "config/invalid-value",
                "is there, and the expression names a time zone too",
                "keep one of them",
            );
            return None;
        }
        (Some(named), None) => time_zone(named, Some(named.text()?))?,
        (None, zone) => time_zone(value, zone)?,
    };
    cron(value, expression, zone)
}

fn of_interval(value: &Value<'_>, fields: &Fields<'_>) -> Option<Schedule> {
    if let Some(zone) = fields.get("time_zone") {
        zone.error("config/invalid-value", "stands beside `interval`, and is for `cron`", "remove it");
        return None;
    }
    let mut read = Interval::new(span(value, SHORTEST)?);
    if let Some(jitter) = fields.get("jitter") {
        read.jitter = span(jitter, Duration::ZERO)?;
        if read.jitter > read.span {
            jitter.invalid("it is at most the interval", "write 0s for none");
            return None;
        }
    }
    Some(Schedule::Every(read))
}

fn span(value: &Value<'_>, least: Duration) -> Option<Duration> {
    match interval::parse(value.text()?) {
        Ok(span) if span < least || span > LONGEST => {
            value.invalid("it is at least 1s and at most 7d", INTERVAL_HINT);
            None
        }
        Ok(span) => Some(span),
        Err(rule) => {
            value.invalid(rule, INTERVAL_HINT);
            None
        }
    }
}

fn cron(value: &Value<'_>, expression: &str, zone: TimeZone) -> Option<Cron> {
    Cron::new(expression, zone).map_err(|error| value.invalid(error, CRON_HINT)).ok()
}

fn time_zone(value: &Value<'_>, name: Option<&str>) -> Option<TimeZone> {
    let Some(name) = name else { return Some(TimeZone::UTC) };
    let zone = TimeZone::get(name).ok().filter(|zone| !zone.is_unknown());
    if zone.is_none() {
        value.invalid("the time zone is none of the IANA database", "write such as Europe/Berlin or UTC");
    }
    zone
}
