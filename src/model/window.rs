//! Windows: when something may be written, as an operator says it.
//!
//! A window begins at the times of a cron expression in its zone and lasts for a span of elapsed time. Nothing here reads a
//! clock: instants are arguments.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::interval::as_written;
use crate::model::schedule::cron::Cron;

/// How far ahead openings and closings are looked for: two years, with a day for a leap year.
pub const HORIZON: SignedDuration = SignedDuration::from_hours(731 * 24);
/// At how many instants it is looked whether sets of windows open or close: windows of minutes that never meet would be
/// walked for long. What is beyond is not known.
const MAX_STEPS: usize = 10_000;

/// Whether a window opens or closes.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum WindowKind {
    /// While it lasts something may be written.
    Allow,
    /// While it lasts nothing is written, whatever others allow.
    Deny,
}

impl WindowKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Allow, Self::Deny];

    /// Gives the word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

impl fmt::Display for WindowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One window of the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Window {
    /// Its name, unique.
    pub name: String,
    /// Whether it opens or closes.
    pub kind: WindowKind,
    /// When it begins.
    pub cron: Cron,
    /// How long it lasts, in elapsed time.
    pub duration: Duration,
    /// Why, for people.
    pub reason: Option<String>,
}

/// Whether something may be written now, and when that changes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WindowState {
    /// It may be written.
    pub is_open: bool,
    /// Which window closes it, or what none of the windows opens; none while it is open.
    pub reason: Option<String>,
    /// When it opens next, if that is known; none while it is open.
    pub next_open: Option<Timestamp>,
    /// When it closes next after that, or after now while it is open, if that is known.
    pub next_close: Option<Timestamp>,
}

/// Tells whether sets of windows are all open. A set is open while none of its deny windows lasts and one of its allow
/// windows does, or it has none. What opens or closes later than [`HORIZON`] counts as never.
pub fn state(sets: &[Vec<&Window>], now: Timestamp) -> WindowState {
    let mut walk = Walk::new(sets, now);
    let is_open = walk.is_open();
    let reason = (!is_open).then(|| walk.reason());
    let next_open = if is_open { None } else { walk.change() };
    let next_close = if is_open || next_open.is_some() { walk.change() } else { None };
    WindowState { is_open, reason, next_open, next_close }
}

/// Sets of windows at one instant after the other.
struct Walk<'w> {
    windows: Vec<(&'w Window, Phase)>,
    /// Each set as positions of its windows.
    sets: Vec<Vec<usize>>,
    at: Timestamp,
    until: Timestamp,
    left: usize,
}

/// Whether a window lasts, and when that changes; none = not before the walk ends.
#[derive(Clone, Copy, Debug)]
struct Phase {
    lasts: bool,
    changes: Option<Timestamp>,
}

impl<'w> Walk<'w> {
    fn new(sets: &[Vec<&'w Window>], now: Timestamp) -> Self {
        let until = now.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let mut windows: Vec<(&'w Window, Phase)> = Vec::new();
        let mut position = |window: &'w Window| {
            let known = windows.iter().position(|(known, _)| std::ptr::eq(*known, window) || *known == window);
            known.unwrap_or_else(|| {
                windows.push((window, window.phase(now, until)));
                windows.len() - 1
            })
        };
        let sets = sets.iter().map(|set| set.iter().map(|window| position(window)).collect()).collect();
        Self { windows, sets, at: now, until, left: MAX_STEPS }
    }

    fn of<'s>(&'s self, set: &'s [usize], kind: WindowKind) -> impl Iterator<Item = (&'w Window, Phase)> + Clone + 's {
        set.iter().filter_map(|position| self.windows.get(*position).copied()).filter(move |(one, _)| one.kind == kind)
    }

    fn is_set_open(&self, set: &[usize]) -> bool {
        let mut allowing = self.of(set, WindowKind::Allow).peekable();
        let is_allowed = allowing.peek().is_none() || allowing.any(|(_, phase)| phase.lasts);
        is_allowed && !self.of(set, WindowKind::Deny).any(|(_, phase)| phase.lasts)
    }

    fn is_open(&self) -> bool {
        self.sets.iter().all(|set| self.is_set_open(set))
    }

    /// Goes on to where open becomes closed or closed becomes open.
    fn change(&mut self) -> Option<Timestamp> {
        let was_open = self.is_open();
        while self.is_open() == was_open {
            self.left = self.left.checked_sub(1)?;
            // Before that instant nothing changes, whatever single windows do.
            let next = if was_open { self.earliest_close() } else { self.earliest_open() };
            self.at = next.filter(|next| *next > self.at && *next <= self.until)?;
            for (window, phase) in &mut self.windows {
                if phase.changes.is_some_and(|changes| changes <= self.at) {
                    *phase = window.phase(self.at, self.until);
                }
            }
        }
        Some(self.at)
    }

    /// The first instant at which all sets may be open; none if one of them stays closed.
    fn earliest_open(&self) -> Option<Timestamp> {
        let closed = self.sets.iter().filter(|set| !self.is_set_open(set));
        let earliest = closed.map(|set| {
            let mut denying = self.of(set, WindowKind::Deny).filter(|(_, phase)| phase.lasts).peekable();
            if denying.peek().is_some() {
                // All of them must have ended. One that never does leaves no instant.
                return denying.map(|(_, phase)| phase.changes).try_fold(self.at, |most, end| Some(most.max(end?)));
            }
            self.of(set, WindowKind::Allow).filter_map(|(_, phase)| phase.changes).min()
        });
        earliest.into_iter().try_fold(self.at, |most, earliest| Some(most.max(earliest?)))
    }

    /// The first instant at which one of the open sets may be closed; none if all stay open.
    fn earliest_close(&self) -> Option<Timestamp> {
        let starts = self.sets.iter().flat_map(|set| self.of(set, WindowKind::Deny)).filter_map(|(_, one)| one.changes);
        let ends = self.sets.iter().filter_map(|set| {
            let mut lasting = self.of(set, WindowKind::Allow).filter(|(_, phase)| phase.lasts).peekable();
            lasting.peek()?;
            lasting.map(|(_, phase)| phase.changes).try_fold(self.at, |most, end| Some(most.max(end?)))
        });
        starts.chain(ends).min()
    }

    fn reason(&self) -> String {
        let mut reasons: Vec<String> = Vec::new();
        for set in self.sets.iter().filter(|set| !self.is_set_open(set)) {
            let denying = self.of(set, WindowKind::Deny).filter(|(_, phase)| phase.lasts);
            let mut said: Vec<String> = denying.map(|(window, _)| format!("closed by window {window}")).collect();
            if said.is_empty() {
                let windows: Vec<String> =
                    self.of(set, WindowKind::Allow).map(|(window, _)| window.to_string()).collect();
                let noun = if windows.len() == 1 { "window" } else { "windows" };
                said.push(format!("outside of {noun} {}", windows.join(", ")));
            }
            for one in said {
                if !reasons.contains(&one) {
                    reasons.push(one);
                }
            }
        }
        reasons.join("; ")
    }
}

impl Window {
    /// Tells whether it lasts at an instant and when that changes, as far as it is before another instant. Occurrences that
    /// overlap or adjoin are one.
    fn phase(&self, at: Timestamp, until: Timestamp) -> Phase {
        let span = SignedDuration::try_from(self.duration).unwrap_or(SignedDuration::MAX);
        // What began before that is over.
        let over = at.checked_sub(span).unwrap_or(Timestamp::MIN);
        match self.cron.next_after(over) {
            Some(start) if start <= at => Phase { lasts: true, changes: self.end(start, span, until) },
            start => Phase { lasts: false, changes: start.filter(|start| *start <= until) },
        }
    }

    fn end(&self, start: Timestamp, span: SignedDuration, until: Timestamp) -> Option<Timestamp> {
        let mut start = start;
        loop {
            start = self.cron.reach(start, self.duration);
            let end = start.checked_add(span).ok().filter(|end| *end <= until)?;
            match self.cron.next_after(start) {
                Some(next) if next <= end => start = next,
                _ => return Some(end),
            }
        }
    }
}

/// A window in words: `` `office` (allow, from `0 9 * * 1-5` in Europe/Berlin for 8h: people are there) ``.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (cron, zone, span) = (self.cron.source(), self.cron.zone(), as_written(self.duration));
        write!(f, "`{}` ({}, from `{cron}` in {zone} for {span}", self.name, self.kind)?;
        match &self.reason {
            Some(reason) => write!(f, ": {reason})"),
            None => f.write_str(")"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::model::interval;

    /// `<name> <allow|deny> <duration> <zone> <cron>[ # <reason>]`
    fn window(text: &str) -> Window {
        let (text, reason) = text.split_once(" # ").map_or((text, None), |(text, reason)| (text, Some(reason)));
        let words: Vec<&str> = text.splitn(5, ' ').collect();
        let [name, kind, duration, zone, cron] = words[..] else { unreachable!("{text}") };
        Window {
            name: name.to_owned(),
            kind: WindowKind::ALL.into_iter().find(|known| known.as_str() == kind).unwrap(),
            cron: Cron::new(cron, TimeZone::get(zone).unwrap()).unwrap(),
            duration: interval::parse(duration).unwrap(),
            reason: reason.map(str::to_owned),
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// One set, at each instant: whether it is open, when it opens next and when it closes next; `-` = never.
    fn check(windows: &[&str], rows: &[(&str, bool, &str, &str)]) {
        let windows: Vec<Window> = windows.iter().map(|text| window(text)).collect();
        let set: Vec<&Window> = windows.iter().collect();
        for (now, is_open, opens, closes) in rows {
            let found = state(std::slice::from_ref(&set), at(now));
            let shown = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
            let found = (found.is_open, shown(found.next_open), shown(found.next_close), found.reason.is_none());
            assert_eq!(found, (*is_open, (*opens).to_owned(), (*closes).to_owned(), *is_open), "{windows:?} at {now}");
        }
    }

    #[test]
    fn an_allow_window_is_open_while_it_lasts() {
        check(
            &["office allow 8h Europe/Berlin 0 9 * * 1-5"],
            &[
                ("2026-01-05T07:59:59Z", false, "2026-01-05T08:00:00Z", "2026-01-05T16:00:00Z"),
                ("2026-01-05T08:00:00Z", true, "-", "2026-01-05T16:00:00Z"),
                ("2026-01-05T15:59:59.9Z", true, "-", "2026-01-05T16:00:00Z"),
                ("2026-01-05T16:00:00Z", false, "2026-01-06T08:00:00Z", "2026-01-06T16:00:00Z"),
                // Friday evening.
                ("2026-01-09T16:30:00Z", false, "2026-01-12T08:00:00Z", "2026-01-12T16:00:00Z"),
                ("2026-07-06T07:00:00Z", true, "-", "2026-07-06T15:00:00Z"),
            ],
        );
    }

    #[test]
    fn a_deny_window_closes_what_it_lasts_and_wins() {
        check(&[], &[("2026-01-05T00:00:00Z", true, "-", "-")]);
        check(
            &["weekend deny 2d UTC 0 0 * * 6"],
            &[
                ("2026-01-09T12:00:00Z", true, "-", "2026-01-10T00:00:00Z"),
                ("2026-01-10T00:00:00Z", false, "2026-01-12T00:00:00Z", "2026-01-17T00:00:00Z"),
            ],
        );
        let both = &["office allow 8h UTC 0 9 * * *", "lunch deny 1h UTC 0 12 * * *", "year deny 14d UTC 0 0 20 12 *"];
        check(
            both,
            &[
                ("2026-01-05T11:00:00Z", true, "-", "2026-01-05T12:00:00Z"),
                ("2026-01-05T12:30:00Z", false, "2026-01-05T13:00:00Z", "2026-01-05T17:00:00Z"),
                ("2026-12-19T13:00:00Z", true, "-", "2026-12-19T17:00:00Z"),
                ("2026-12-19T17:00:00Z", false, "2027-01-03T09:00:00Z", "2027-01-03T12:00:00Z"),
            ],
        );
    }

    #[test]
    fn occurrences_that_overlap_or_adjoin_are_one() {
        check(&["nights allow 14h UTC 0 20 * * 1-4"], &[("2026-01-06T09:59:00Z", true, "-", "2026-01-06T10:00:00Z")]);
        check(&["week allow 1d UTC 0 0 * * 1-5"], &[("2026-01-05T13:00:00Z", true, "-", "2026-01-10T00:00:00Z")]);
        check(
            &["hours allow 90m UTC 0 8-17 * * 1-5"],
            &[
                ("2026-01-05T08:10:00Z", true, "-", "2026-01-05T18:30:00Z"),
                ("2026-01-05T18:30:00Z", false, "2026-01-06T08:00:00Z", "2026-01-06T18:30:00Z"),
            ],
        );
        check(
            &["day allow 12h UTC 0 6 * * *", "night allow 12h UTC 0 18 * * *"],
            &[("2026-01-05T13:00:00Z", true, "-", "-")],
        );
    }

    #[test]
    fn what_never_opens_or_never_closes_has_no_time_for_it() {
        check(&["always allow 1d UTC 0 0 * * *"], &[("2026-01-05T13:00:00Z", true, "-", "-")]);
        check(&["minutes allow 1m Europe/Berlin * * * * *"], &[("2026-01-05T13:00:00Z", true, "-", "-")]);
        check(&["minutes deny 366d UTC * * * * *"], &[("2026-01-05T13:00:00Z", false, "-", "-")]);
        check(&["years deny 366d UTC 0 0 1 1 *"], &[("2026-01-05T13:00:00Z", false, "-", "-")]);
        check(
            &["night allow 1h UTC 0 1 * * *", "night-too deny 2h UTC 0 0 * * *", "mornings deny 2h UTC 0 1 * * *"],
            &[("2026-01-05T13:00:00Z", false, "-", "-")],
        );
        // In 2028, more than two years on.
        check(&["leap allow 1d UTC 0 0 29 2 *"], &[("2025-01-05T13:00:00Z", false, "-", "-")]);
        check(
            &["leap allow 1d UTC 0 0 29 2 *"],
            &[("2027-01-05T13:00:00Z", false, "2028-02-29T00:00:00Z", "2028-03-01T00:00:00Z")],
        );
    }

    #[test]
    fn clocks_that_change_move_the_beginning_and_not_how_long_it_takes() {
        // Spring: 02:00 to 03:00 does not exist, on 29 March in Berlin and 8 March in New York.
        check(
            &["gap allow 1h Europe/Berlin 30 2 * * *"],
            &[
                ("2026-03-28T12:00:00Z", false, "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z"),
                ("2026-03-29T01:30:00Z", true, "-", "2026-03-29T02:00:00Z"),
                ("2026-03-29T02:00:00Z", false, "2026-03-30T00:30:00Z", "2026-03-30T01:30:00Z"),
            ],
        );
        check(
            &["gap allow 4h America/New_York 15 2 * * *"],
            &[("2026-03-08T06:00:00Z", false, "2026-03-08T07:00:00Z", "2026-03-08T11:00:00Z")],
        );
        check(
            &["over allow 4h Europe/Berlin 0 1 * * *"],
            &[("2026-03-29T00:00:00Z", true, "-", "2026-03-29T04:00:00Z")],
        );
        // Autumn: 02:00 to 03:00 in Berlin and 01:00 to 02:00 in New York come twice, on 25 October and 1 November.
        check(
            &["fold allow 30m Europe/Berlin 30 2 * * *"],
            &[
                ("2026-10-25T00:00:00Z", false, "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"),
                ("2026-10-25T01:30:00Z", false, "2026-10-26T01:30:00Z", "2026-10-26T02:00:00Z"),
            ],
        );
        check(
            &["fold allow 2h America/New_York 30 1 * * *"],
            &[("2026-11-01T05:29:00Z", false, "2026-11-01T05:30:00Z", "2026-11-01T07:30:00Z")],
        );
        // By the clock on the wall: both hours.
        check(
            &["quarters allow 20m America/New_York */30 1 * * *"],
            &[
                ("2026-11-01T05:50:00Z", false, "2026-11-01T06:00:00Z", "2026-11-01T06:20:00Z"),
                ("2026-11-01T06:30:00Z", true, "-", "2026-11-01T06:50:00Z"),
            ],
        );
        // A day of 25 hours leaves an hour between windows of a day, one of 23 makes them overlap.
        check(
            &["day allow 1d Europe/Berlin 0 0 * * *"],
            &[
                ("2026-03-28T12:00:00Z", true, "-", "2026-10-25T22:00:00Z"),
                ("2026-10-25T22:00:00Z", false, "2026-10-25T23:00:00Z", "2027-10-31T22:00:00Z"),
            ],
        );
    }

    #[test]
    fn all_sets_must_be_open_and_each_one_that_is_not_is_named() {
        let office = window("office allow 8h Europe/Berlin 0 9 * * 1-5 # people are there");
        let night = window("night allow 4h UTC 0 1 * * *");
        let year = window("year deny 1d12h UTC 0 0 24 12 * # nobody is there");
        let say = |sets: &[Vec<&Window>], now: &str| state(sets, at(now));
        let found = say(&[vec![&office], vec![&year, &night], vec![&office]], "2026-12-24T18:00:00Z");
        let office_said =
            "outside of window `office` (allow, from `0 9 * * 1-5` in Europe/Berlin for 8h: people are there)";
        let year_said = "closed by window `year` (deny, from `0 0 24 12 *` in UTC for 1d12h: nobody is there)";
        assert_eq!(found.reason.as_deref(), Some(&*format!("{office_said}; {year_said}")));
        assert_eq!((found.next_open, found.next_close), (None, None));
        let found = say(&[vec![&office, &night]], "2026-12-24T18:00:00Z");
        let said = "outside of windows `office` (allow, from `0 9 * * 1-5` in Europe/Berlin for 8h: people are there), \
                    `night` (allow, from `0 1 * * *` in UTC for 4h)";
        assert_eq!(found.reason.as_deref(), Some(said));
        let early = window("early allow 4h UTC 0 6 * * *");
        let found = say(&[vec![&office], vec![&early], vec![&year]], "2026-01-09T10:00:00Z");
        assert_eq!(
            (found.next_open, found.next_close),
            (Some(at("2026-01-12T08:00:00Z")), Some(at("2026-01-12T10:00:00Z")))
        );
    }

    #[test]
    fn windows_of_minutes_that_never_meet_are_given_up() {
        let (even, odd) = (window("even allow 1m UTC */2 * * * *"), window("odd allow 1m UTC 1-59/2 * * * *"));
        let found = state(&[vec![&even], vec![&odd]], at("2026-01-05T00:00:00Z"));
        assert_eq!((found.is_open, found.next_open, found.next_close), (false, None, None));
        assert!(found.reason.unwrap().starts_with("outside of window `odd`"));
    }

    const MINUTES: i64 = 6 * 1_440;

    /// Whether a window lasts in each minute, by marking the minutes of every occurrence.
    fn minutes(window: &Window, from: Timestamp) -> Vec<bool> {
        let span = i64::try_from(window.duration.as_secs() / 60).unwrap();
        let mut marked = vec![false; usize::try_from(MINUTES).unwrap()];
        let mut run = from.checked_sub(SignedDuration::from_mins(span + 1)).unwrap();
        while let Some(next) =
            window.cron.next_after(run).filter(|next| *next < from + SignedDuration::from_mins(MINUTES))
        {
            let start = next.duration_since(from).as_mins();
            for minute in start.max(0)..(start + span).min(MINUTES) {
                marked[usize::try_from(minute).unwrap()] = true;
            }
            run = next;
        }
        marked
    }

    fn any_window() -> impl Strategy<Value = Window> {
        let minute =
            prop_oneof![Just("*"), Just("*/2"), Just("*/15"), Just("0"), Just("0,30"), Just("50-59"), Just("7")];
        let hour = prop_oneof![Just("*"), Just("*/3"), Just("1"), Just("2"), Just("2,3"), Just("9-17"), Just("22-23")];
        let day = prop_oneof![4 => Just("*"), 1 => Just("25-28"), 1 => Just("29"), 1 => Just("1-31/2")];
        let weekday = prop_oneof![4 => Just("*"), 1 => Just("1-5"), 1 => Just("0,6"), 1 => Just("0")];
        let zone =
            prop_oneof![Just("UTC"), Just("Europe/Berlin"), Just("America/New_York"), Just("Australia/Lord_Howe")];
        let span = prop_oneof![
            Just(1_u64),
            Just(2),
            Just(15),
            Just(31),
            Just(59),
            Just(60),
            Just(61),
            Just(90),
            1..3_000_u64,
            Just(1_440),
            Just(2 * 1_440)
        ];
        let kind = prop_oneof![3 => Just("allow"), 1 => Just("deny")];
        (minute, hour, day, weekday, zone, span, kind).prop_map(|(minute, hour, day, weekday, zone, span, kind)| {
            window(&format!("w {kind} {span}m {zone} {minute} {hour} {day} * {weekday}"))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_what_a_look_at_every_minute_finds(
            sets in prop::collection::vec(prop::collection::vec(any_window(), 1..4), 1..4),
            from in prop_oneof![
                Just("2026-03-06T00:00:00Z"), Just("2026-03-26T20:00:00Z"), Just("2026-04-03T00:00:00Z"),
                Just("2026-10-02T00:00:00Z"), Just("2026-10-22T20:00:00Z"), Just("2026-10-30T00:00:00Z"),
                Just("2026-06-14T00:00:00Z"),
            ],
            minute in 0..MINUTES / 2,
        ) {
            let from = at(from);
            let open: Vec<bool> = {
                let marked: Vec<Vec<(WindowKind, Vec<bool>)>> =
                    sets.iter().map(|set| set.iter().map(|one| (one.kind, minutes(one, from))).collect()).collect();
                let lasts = |set: &[(WindowKind, Vec<bool>)], kind: WindowKind, minute: usize| {
                    set.iter().any(|(one, marked)| *one == kind && marked[minute])
                };
                (0..usize::try_from(MINUTES).unwrap()).map(|minute| marked.iter().all(|set| {
                    let is_free = !set.iter().any(|(kind, _)| *kind == WindowKind::Allow);
                    !lasts(set, WindowKind::Deny, minute) && (is_free || lasts(set, WindowKind::Allow, minute))
                })).collect()
            };
            let refs: Vec<Vec<&Window>> = sets.iter().map(|set| set.iter().collect()).collect();
            let found = state(&refs, from + SignedDuration::from_secs(minute * 60 + 29));
            let start = usize::try_from(minute).unwrap();
            let find = |is_open: bool, after: usize| (after..open.len()).find(|minute| open[*minute] == is_open);
            let instant = |minute: usize| from + SignedDuration::from_mins(i64::try_from(minute).unwrap());
            prop_assert_eq!(found.is_open, open[start]);
            let opens = if open[start] { None } else { find(true, start) };
            let closes = if open[start] { find(false, start) } else { opens.and_then(|opens| find(false, opens)) };
            let end = instant(open.len());
            let within = |at: Option<Timestamp>| at.filter(|at| *at < end);
            prop_assert_eq!(within(found.next_open), opens.map(instant));
            prop_assert_eq!(within(found.next_close), closes.map(instant));
        }

        /// The steps of days give what steps of single runs give.
        #[test]
        fn a_walk_by_days_ends_where_a_walk_by_runs_ends(one in any_window(), minute in 0..200 * 1_440_i64) {
            let now = at("2026-01-20T00:00:00Z") + SignedDuration::from_mins(minute);
            let until = now + SignedDuration::from_hours(24 * 12);
            let phase = one.phase(now, until);
            let span = SignedDuration::try_from(one.duration).unwrap();
            let mut start = one.cron.next_after(now - span).unwrap();
            prop_assert_eq!(phase.lasts, start <= now);
            if phase.lasts {
                while let Some(next) = one.cron.next_after(start).filter(|next| *next <= start + span) {
                    start = next;
                    if start + span > until { break }
                }
                prop_assert_eq!(phase.changes, Some(start + span).filter(|end| *end <= until));
            } else {
                prop_assert_eq!(phase.changes, Some(start).filter(|start| *start <= until));
            }
        }
    }
}
