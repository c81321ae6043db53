//! Unix cron expressions in a time zone (crontab(5), as Vixie's cron reads them).
//!
//! The crate `cron` finds the next date and time of a calendar without zones; what differs is done here: its fields have
//! seconds in front, count Sunday as 1 and must all match, and it knows nothing of a job that falls into a gap.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use ::cron::Schedule as Calendar;
use chrono::{Datelike, TimeZone as _, Timelike, Utc};
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::model::schedule::fields::{Field, KINDS};

/// Longest expression, in bytes.
const MAX_BYTES: usize = 256;

/// An expression in a time zone. Equal if written the same.
#[derive(Clone, Debug)]
pub struct Cron {
    source: String,
    zone: TimeZone,
    /// A time must be in one of them.
    calendars: Vec<Calendar>,
    /// The minutes of a day at which a job runs, of the days on which it does; sorted.
    minutes: Vec<u32>,
    /// Minute or hour begin with `*`: the job goes by what passes, so it skips a gap and runs in both of two equal hours.
    follows_clock: bool,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{rule}")]
pub struct CronError {
    /// The rule it breaks.
    pub rule: String,
}

impl Cron {
    /// Reads an expression of five fields, or one of the words `@hourly`, `@daily`, `@midnight`, `@weekly`, `@monthly`,
    /// `@yearly` and `@annually`.
    ///
    /// # Errors
    /// The rule that it breaks; also if no day ever matches.
    pub fn new(text: &str, zone: TimeZone) -> Result<Self, CronError> {
        let fail = |rule: String| CronError { rule };
        if text.len() > MAX_BYTES {
            return Err(fail(format!("an expression has at most {MAX_BYTES} bytes")));
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let fields: Vec<&str> = match words.as_slice() {
            [word] if word.starts_with('@') => expand(word).map_err(fail)?.split(' ').collect(),
            _ => words.clone(),
        };
        if fields.len() != KINDS.len() {
            let rule = "an expression has five fields: minute, hour, day of month, month, day of week";
            return Err(fail(format!("{rule}; this one has {}", fields.len())));
        }
        let read: Result<Vec<Field>, String> = KINDS.iter().zip(fields).map(|(kind, text)| kind.read(text)).collect();
        let read = read.map_err(fail)?;
        let [minute, hour, day, month, weekday] = read.as_slice() else {
            return Err(fail("an expression has five fields".to_owned()));
        };
        // Two fields that say something about the day: either is enough.
        let pairs: Vec<[BTreeSet<u32>; 2]> = if day.is_star || weekday.is_star {
            vec![[day.numbers.clone(), weekday.numbers.clone()]]
        } else {
            vec![[day.numbers.clone(), KINDS[4].all()], [KINDS[2].all(), weekday.numbers.clone()]]
        };
        let calendar = |[day, weekday]: &[BTreeSet<u32>; 2]| {
            let weekday: BTreeSet<u32> = weekday.iter().map(|number| number + 1).collect();
            let weekday = if weekday.len() == 7 { "*".to_owned() } else { list(&weekday) };
            let minute = list(&minute.numbers);
            let (hour, month, day) = (list(&hour.numbers), list(&month.numbers), list(day));
            Calendar::from_str(&format!("0 {minute} {hour} {day} {month} {weekday}"))
        };
        let calendars: Result<Vec<Calendar>, _> = pairs.iter().map(calendar).collect();
        let calendars = calendars.map_err(|error| fail(format!("the expression cannot be used: {error}")))?;
        let source = words.join(" ");
        let follows_clock = minute.is_star || hour.is_star;
        let of_hour = |hour: &u32| {
            let start = hour * 60;
            minute.numbers.iter().map(move |minute| start + minute)
        };
        let minutes = hour.numbers.iter().flat_map(of_hour).collect();
        let cron = Self { source, zone, calendars, minutes, follows_clock };
        if cron.next_civil(DateTime::constant(1999, 12, 31, 23, 59, 59, 0)).is_none() {
            return Err(fail("no day ever matches: these months do not have these days".to_owned()));
        }
        Ok(cron)
    }

    /// Gives the next run after this instant, none if there is none before the year 2100.
    ///
    /// A run at a fixed time that daylight saving time skips takes place once, right after the gap; one in an hour that
    /// comes twice takes place in the first. Where minute or hour begin with `*`, runs go by the clock on the wall.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        if self.follows_clock { self.next_on_clock(after) } else { self.next_fixed(after) }
    }

    /// Gives the last run of the same day that is reached from a run by going on to the next one as long as that is at most
    /// so far away. Where clocks change in between it may be an earlier one, down to the run itself: ask again from the run
    /// after it. So a walk over years takes steps of days, also where a job runs every minute.
    pub fn reach(&self, run: Timestamp, distance: Duration) -> Timestamp {
        let civil = self.zone.to_datetime(run);
        let (Ok(hour), Ok(minute)) = (u32::try_from(civil.hour()), u32::try_from(civil.minute())) else { return run };
        let from = hour * 60 + minute;
        let mut last = from;
        let later = self.minutes.get(self.minutes.partition_point(|minute| *minute <= from)..).unwrap_or_default();
        for minute in later {
            if u64::from(minute - last) * 60 > distance.as_secs() {
                break;
            }
            last = *minute;
        }
        let Ok(reached) = run.checked_add(SignedDuration::from_mins(i64::from(last - from))) else { return run };
        let changes = self.zone.following(run).next().is_some_and(|change| change.timestamp() <= reached);
        if changes || civil.second() != 0 { run } else { reached }
    }

    /// From change to change of the zone's offset: between two of them the calendar is that of the offset.
    fn next_on_clock(&self, after: Timestamp) -> Option<Timestamp> {
        let (mut start, mut before) = (after, self.zone.to_datetime(after));
        loop {
            let found = self.zone.to_offset(start).to_timestamp(self.next_civil(before)?).ok()?;
            let change = self.zone.following(start).next().map(|change| change.timestamp());
            match change.filter(|change| *change <= found) {
                None => return Some(found),
                Some(change) => {
                    start = change;
                    // The instant of the change itself may match.
                    before = self.zone.to_datetime(change).checked_sub(1.second()).ok()?;
                }
            }
        }
    }

    fn next_fixed(&self, after: Timestamp) -> Option<Timestamp> {
        let mut civil = self.zone.to_datetime(after);
        loop {
            civil = self.next_civil(civil)?;
            let found = match self.zone.to_ambiguous_timestamp(civil).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok()?,
                AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok()?,
                AmbiguousOffset::Gap { before, .. } => {
                    // Read with the old offset it lies in or behind the change, which is the last one up to there.
                    let skipped = before.to_timestamp(civil).ok()?.checked_add(1.second()).ok()?;
                    self.zone.preceding(skipped).next()?.timestamp()
                }
            };
            if found > after {
                return Some(found);
            }
        }
    }

    /// The next matching time of the calendar, whatever clocks do.
    fn next_civil(&self, after: DateTime) -> Option<DateTime> {
        let part = |number: i8| u32::try_from(number).ok();
        let start = Utc
            .with_ymd_and_hms(
                i32::from(after.year()),
                part(after.month())?,
                part(after.day())?,
                part(after.hour())?,
                part(after.minute())?,
                part(after.second())?,
            )
            .single()?;
        let next = self.calendars.iter().filter_map(|calendar| calendar.after(&start).next()).min()?;
        let part = |number: u32| i8::try_from(number).ok();
        DateTime::new(
            i16::try_from(next.year()).ok()?,
            part(next.month())?,
            part(next.day())?,
            part(next.hour())?,
            part(next.minute())?,
            part(next.second())?,
            0,
        )
        .ok()
    }
}

/// Splits the name of a time zone off: `CRON_TZ=Europe/Berlin 0 9 * * 1-5`, or the same with `TZ=`.
pub fn split_zone(text: &str) -> (Option<&str>, &str) {
    let text = text.trim();
    let named = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
    match named {
        Some(rest) => {
            let (zone, rest) = rest.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((rest, ""));
            (Some(zone), rest.trim_start())
        }
        None => (None, text),
    }
}

impl Cron {
    /// Gives the expression as it is written, without the zone.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Gives the name of the zone.
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.source, self.zone())
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, &self.zone) == (&other.source, &other.zone)
    }
}

impl Eq for Cron {}

fn expand(word: &str) -> Result<&'static str, String> {
    Ok(match word {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@reboot" => return Err("`@reboot` names no time: the first look is always at the start".to_owned()),
        "@every" => return Err("`@every` is no Unix cron: write the interval by itself".to_owned()),
        _ => {
            return Err(format!(
                "`{word}` is none of @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"
            ));
        }
    })
}

fn list(numbers: &BTreeSet<u32>) -> String {
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    numbers.join(",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use croner::parser::CronParser;
    use proptest::prelude::*;

    use super::*;

    fn cron(text: &str, zone: &str) -> Cron {
        Cron::new(text, TimeZone::get(zone).unwrap()).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The runs after an instant, as local times with their offsets.
    fn check(zone: &str, text: &str, after: &str, expected: &[&str]) {
        let (cron, mut at) = (cron(text, zone), after.parse().unwrap());
        let mut found = Vec::new();
        for _ in expected {
            at = cron.next_after(at).unwrap();
            found.push(at.to_zoned(TimeZone::get(zone).unwrap()).strftime("%Y-%m-%dT%H:%M%:z").to_string());
        }
        assert_eq!(found, expected, "{zone} {text} after {after}");
    }

    #[test]
    fn fields_are_read_as_crontab_has_them() {
        for (text, after, expected) in [
            ("*/5 * * * *", "2026-01-05T10:03:20Z", &["2026-01-05T10:05+00:00", "2026-01-05T10:10+00:00"][..]),
            ("0 9 * * 1-5", "2026-01-02T09:00:00Z", &["2026-01-05T09:00+00:00", "2026-01-06T09:00+00:00"]),
            ("0 9 * * mon-FRI", "2026-01-02T08:59:59.5Z", &["2026-01-02T09:00+00:00", "2026-01-05T09:00+00:00"]),
            (
                "30 4 1,15 * 5",
                "2026-01-01T00:00:00Z",
                &[
                    "2026-01-01T04:30+00:00",
                    "2026-01-02T04:30+00:00",
                    "2026-01-09T04:30+00:00",
                    "2026-01-15T04:30+00:00",
                ],
            ),
            // A day of month that begins with a star narrows the other one.
            ("0 0 */2 * 1", "2026-01-01T00:00:00Z", &["2026-01-05T00:00+00:00", "2026-01-19T00:00+00:00"]),
            ("0 0 * * 0", "2026-01-01T00:00:00Z", &["2026-01-04T00:00+00:00"]),
            ("0 0 * * 7", "2026-01-01T00:00:00Z", &["2026-01-04T00:00+00:00"]),
            (
                "0 0 * * 5-7",
                "2026-01-01T00:00:00Z",
                &[
                    "2026-01-02T00:00+00:00",
                    "2026-01-03T00:00+00:00",
                    "2026-01-04T00:00+00:00",
                    "2026-01-09T00:00+00:00",
                ],
            ),
            (
                "10-40/15 8-18/4 * Jan,jun *",
                "2026-01-31T16:40:00Z",
                &["2026-06-01T08:10+00:00", "2026-06-01T08:25+00:00"],
            ),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", &["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
            ("@hourly", "2026-01-01T00:00:00Z", &["2026-01-01T01:00+00:00"]),
            ("@daily", "2026-01-01T00:00:00Z", &["2026-01-02T00:00+00:00"]),
            ("@midnight", "2026-01-01T00:00:00Z", &["2026-01-02T00:00+00:00"]),
            ("@weekly", "2026-01-01T00:00:00Z", &["2026-01-04T00:00+00:00"]),
            ("@monthly", "2026-01-01T00:00:00Z", &["2026-02-01T00:00+00:00"]),
            ("@yearly", "2026-01-01T00:00:00Z", &["2027-01-01T00:00+00:00"]),
            ("@annually", "2026-01-01T00:00:00Z", &["2027-01-01T00:00+00:00"]),
        ] {
            check("UTC", text, after, expected);
        }
    }

    #[test]
    fn a_fixed_time_that_is_skipped_is_made_up_once_and_one_that_comes_twice_runs_once() {
        for (zone, text, after, expected) in [
            // Spring: 02:00 to 03:00 does not exist.
            (
                "Europe/Berlin",
                "30 2 * * *",
                "2026-03-28T02:00:00Z",
                &["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"][..],
            ),
            (
                "Europe/Berlin",
                "0,30 2 * * *",
                "2026-03-29T00:00:00Z",
                &["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"],
            ),
            (
                "Europe/Berlin",
                "0 2,3 * * *",
                "2026-03-29T00:00:00Z",
                &["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"],
            ),
            (
                "Europe/Berlin",
                "30 2 29 3 *",
                "2026-01-01T00:00:00Z",
                &["2026-03-29T03:00+02:00", "2027-03-29T02:30+02:00"],
            ),
            (
                "America/New_York",
                "15 2 * * *",
                "2026-03-08T00:00:00Z",
                &["2026-03-08T03:00-04:00", "2026-03-09T02:15-04:00"],
            ),
            (
                "Australia/Lord_Howe",
                "15 2 * * *",
                "2026-10-02T20:00:00Z",
                &["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"],
            ),
            // Autumn: 02:00 to 03:00 comes twice.
            (
                "Europe/Berlin",
                "30 2 * * *",
                "2026-10-24T12:00:00Z",
                &["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"],
            ),
            ("Europe/Berlin", "30 2 * * *", "2026-10-25T01:10:00Z", &["2026-10-26T02:30+01:00"]),
            ("Europe/Berlin", "0 2,3 * * *", "2026-10-25T00:59:59Z", &["2026-10-25T03:00+01:00"]),
            (
                "America/New_York",
                "30 1 * * *",
                "2026-10-31T12:00:00Z",
                &["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"],
            ),
            (
                "Australia/Lord_Howe",
                "45 1 * * *",
                "2026-04-04T00:00:00Z",
                &["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"],
            ),
        ] {
            check(zone, text, after, expected);
        }
    }

    #[test]
    fn what_runs_by_the_clock_skips_a_gap_and_runs_in_both_of_two_equal_hours() {
        for (zone, text, after, expected) in [
            (
                "Europe/Berlin",
                "*/30 * * * *",
                "2026-03-29T00:20:00Z",
                &["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"][..],
            ),
            ("Europe/Berlin", "*/30 2 * * *", "2026-03-28T12:00:00Z", &["2026-03-30T02:00+02:00"]),
            (
                "Europe/Berlin",
                "15 * * * *",
                "2026-10-25T00:00:00Z",
                &["2026-10-25T02:15+02:00", "2026-10-25T02:15+01:00", "2026-10-25T03:15+01:00"],
            ),
            (
                "Europe/Berlin",
                "0 * * * *",
                "2026-10-24T23:30:00Z",
                &["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00"],
            ),
            (
                "Australia/Lord_Howe",
                "*/15 * * * *",
                "2026-04-04T14:40:00Z",
                &[
                    "2026-04-05T01:45+11:00",
                    "2026-04-05T01:30+10:30",
                    "2026-04-05T01:45+10:30",
                    "2026-04-05T02:00+10:30",
                ],
            ),
        ] {
            check(zone, text, after, expected);
        }
    }

    #[test]
    fn what_is_no_expression_is_told_by_its_rule() {
        for (text, part) in [
            ("", "five fields"),
            ("* * * *", "this one has 4"),
            ("0 * * * * *", "this one has 6"),
            ("60 * * * *", "`60` is no minute: those are 0 to 59"),
            ("* 24 * * *", "`24` is no hour"),
            ("* * 0 * *", "`0` is no day of month: those are 1 to 31"),
            ("* * * 13 *", "`13` is no month: those are 1 to 12, or jan to dec"),
            ("* * * * 8", "`8` is no day of week: those are 0 to 7, or sun to sat"),
            ("* * * * monday", "`monday` is no day of week"),
            ("* * L * *", "`L` is no day of month"),
            ("* * ? * *", "`?` is no day of month"),
            ("* * * * 1#2", "`1#2` is no day of week"),
            ("-1 * * * *", "`` is no minute"),
            ("+1 * * * *", "`+1` is no minute"),
            ("1, * * * *", "`` is no minute"),
            ("5/10 * * * *", "a step follows * or a range"),
            ("*/0 * * * *", "the step is no number from 1"),
            ("*/x * * * *", "the step is no number from 1"),
            ("40-10 * * * *", "the range ends before it begins"),
            ("* * * * sat-sun", "the range ends before it begins"),
            ("0 0 31 2 *", "no day ever matches"),
            ("0 0 30,31 2 *", "no day ever matches"),
            ("0 0 31 4,6,9,11 *", "no day ever matches"),
            ("@reboot", "names no time"),
            ("@every 5m", "five fields"),
            ("@often", "`@often` is none of"),
        ] {
            let error = Cron::new(text, TimeZone::UTC).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Cron::new(&format!("{} * * * *", "1,".repeat(200)), TimeZone::UTC).is_err());
    }

    #[test]
    fn the_zone_stands_in_front() {
        for (text, expected) in [
            ("0 9 * * *", (None, "0 9 * * *")),
            (" CRON_TZ=Europe/Berlin  0 9 * * *", (Some("Europe/Berlin"), "0 9 * * *")),
            ("TZ=UTC @daily", (Some("UTC"), "@daily")),
            ("TZ=", (Some(""), "")),
        ] {
            assert_eq!(split_zone(text), expected, "{text}");
        }
        assert_eq!(cron("0  9 * * 1-5", "Europe/Berlin").to_string(), "0 9 * * 1-5 (Europe/Berlin)");
        assert_eq!(cron("@daily", "UTC").to_string(), "@daily (UTC)");
    }

    /// A field of Unix cron that croner reads the same way: it knows a lone `*` as a star only, so days never begin with
    /// one that is followed by a step.
    fn field(least: u32, most: u32, may_step: bool) -> impl Strategy<Value = String> {
        let number = move || least..=most;
        let range = (number(), number(), 1_u32..6).prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b)));
        let star = if may_step {
            (1_u32..20).prop_map(|step| format!("*/{step}")).boxed()
        } else {
            Just("*".to_owned()).boxed()
        };
        prop_oneof![
            3 => Just("*".to_owned()),
            2 => star,
            3 => number().prop_map(|number| number.to_string()),
            2 => range,
            1 => (number(), number()).prop_map(|(a, b)| format!("{a},{b}")),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

        #[test]
        fn runs_are_those_of_another_reader(
            minute in field(0, 59, true), hour in field(0, 23, true), day in field(1, 31, false),
            month in field(1, 12, true), weekday in field(0, 6, false),
            zone in prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe"), Just("Asia/Kolkata")],
            // Half of the instants are near a change of daylight saving time.
            near in prop_oneof![Just(0_i64), Just(1_774_746_000), Just(1_792_890_000), Just(1_772_953_200), Just(1_793_512_800), Just(1_775_314_800)],
            offset in -90_000_i64..90_000, far in 1_700_000_000_i64..1_900_000_000,
        ) {
            // Lists and ranges of a time of day follow the wall clock for croner; for Vixie's cron only a `*` does.
            let is_told_alike = [&minute, &hour].iter().all(|field| field.starts_with('*') || !field.contains([',', '-']));
            let zone = if is_told_alike { zone } else { "UTC" };
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            let at = Timestamp::from_second(if near == 0 { far } else { near + offset }).unwrap();
            let Ok(own) = Cron::new(&text, TimeZone::get(zone).unwrap()) else {
                // Impossible dates only.
                prop_assert!(day != "*" && weekday == "*" && month != "*", "{}", text);
                return Ok(());
            };
            let other = CronParser::new().parse(&text).unwrap();
            let zoned = at.to_zoned(TimeZone::get(zone).unwrap());
            let mut next = (at, zoned);
            for _ in 0..3 {
                let found = own.next_after(next.0).unwrap();
                let expected = other.find_next_occurrence(&next.1, false).unwrap();
                prop_assert_eq!(found, expected.timestamp(), "{} {} after {}", text, zone, next.1);
                next = (found, expected);
            }
        }
    }
}
