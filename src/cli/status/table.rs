//! The table of `status`, in lines of 100 characters: what stops everything first, then what waits, then how much does not.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::render::{Paint, Palette};
use crate::cli::status::lines::{cut, fold, pad, width};
use crate::model::interval::in_words;
use crate::model::text::plain;
use crate::plan::status::{ClosedWindow, HoldShown, PlaceStatus, State, Status, place_in_words};

/// The columns: name, and the most characters.
const COLUMNS: [(&str, usize); 6] =
    [("SERVICE", 24), ("ENVIRONMENT", 14), ("TAG", 26), ("SINCE", 5), ("BY", 13), ("STATE", 8)];
/// Where the reasons of a place stand.
const MARGIN: usize = 4;
/// Where the lines of what is above the table go on.
const TOP_MARGIN: usize = 10;
/// From here on places that wait for the same are one entry.
const FOLDED: usize = 6;
/// Lines of names of such an entry.
const NAME_LINES: usize = 4;
/// Lines of a reason, where many places are shown.
const REASON_LINES: usize = 2;

/// How much is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// What a person may have to do something about; the rest is counted.
    Open,
    /// Every place.
    All,
    /// Every place, with whole reasons.
    Whole,
}

/// Writes the screen.
pub(super) fn table(status: &Status, extent: Extent, now: Timestamp, palette: Palette) -> String {
    let mut text = top(status, now, palette);
    let is_shown = |place: &PlaceStatus| extent != Extent::Open || !place.state.is_quiet();
    let places: Vec<(&str, &PlaceStatus)> = status
        .services
        .iter()
        .flat_map(|service| service.environments.iter().map(|place| (service.service.as_str(), place)))
        .collect();
    let shown: Vec<(&str, &PlaceStatus)> = places.iter().copied().filter(|(_, place)| is_shown(place)).collect();
    let groups = if extent == Extent::Open { groups(&shown) } else { Vec::new() };
    let folded: BTreeSet<*const PlaceStatus> =
        groups.iter().flat_map(|group| group.iter().map(|(_, place)| std::ptr::from_ref(*place))).collect();
    let single: Vec<(&str, &PlaceStatus)> =
        shown.iter().copied().filter(|(_, place)| !folded.contains(&std::ptr::from_ref(*place))).collect();
    for group in &groups {
        group_text(&mut text, group, now, palette);
    }
    let ambiguous = ambiguous(&places);
    let rows: Vec<Row<'_>> = single.iter().map(|(service, place)| row(service, place, &ambiguous, now)).collect();
    if !rows.is_empty() {
        rows_text(&mut text, &rows, extent, now, palette);
    }
    text.push_str(&counts(&places, extent));
    text
}

/// What stops or lets through more than one place.
fn top(status: &Status, now: Timestamp, palette: Palette) -> String {
    let mut text = String::new();
    let mut entry = |word: &str, paint: Paint, what: String| {
        let lines = fold(&what, TOP_MARGIN, usize::MAX);
        for (number, line) in lines.iter().enumerate() {
            if number == 0 {
                let word = palette.paint(paint, &pad(word, TOP_MARGIN - 1));
                let _ = writeln!(text, "{word} {}", line.trim_start());
            } else {
                let _ = writeln!(text, "{line}");
            }
        }
    };
    if let Some(reason) = &status.stopped {
        entry("stopped", Paint::Red, format!("nothing is written anywhere: {reason}"));
    }
    for (repository, why) in &status.unread {
        entry("unread", Paint::Red, format!("repository {}: {why}", plain(repository)));
    }
    for freeze in &status.freezes {
        entry("frozen", Paint::Red, hold(freeze, now));
    }
    for one in &status.overrides {
        entry("override", Paint::Yellow, hold(one, now));
    }
    for window in &status.closed {
        entry("closed", Paint::Yellow, closed(window, now));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

fn hold(hold: &HoldShown, now: Timestamp) -> String {
    let until = hold.until.map_or_else(|| ", until somebody takes it out".to_owned(), |time| until(time, now));
    format!("{}: {} ({}, for {}{until})", place_in_words(hold), hold.reason, hold.by, span(hold.since, now))
}

fn closed(closed: &ClosedWindow, now: Timestamp) -> String {
    let name = |name: &Option<String>| name.as_deref().map_or_else(|| "without an environment".to_owned(), plain);
    let names: Vec<String> = closed.environments.iter().map(name).collect();
    let reason = closed.window.reason.as_deref().unwrap_or("no window is open");
    let opens = closed.window.next_open.map(|time| format!("; opens {}", at(time, now))).unwrap_or_default();
    let closes = closed.window.next_close.map(|time| format!(", closes {}", at(time, now))).unwrap_or_default();
    format!("{}: {reason}{opens}{closes}", names.join(", "))
}

/// Places that wait for the same, [`FOLDED`] of them or more.
fn groups<'p>(places: &[(&'p str, &'p PlaceStatus)]) -> Vec<Vec<(&'p str, &'p PlaceStatus)>> {
    let mut found: BTreeMap<_, Vec<(&str, &PlaceStatus)>> = BTreeMap::new();
    for (service, place) in places {
        let cause = place.held.as_ref().map(|held| (held.code.as_str(), held.until));
        found.entry((place.state, place.environment.as_deref(), cause)).or_default().push((service, place));
    }
    found.into_values().filter(|group| group.len() >= FOLDED).collect()
}

fn group_text(text: &mut String, group: &[(&str, &PlaceStatus)], now: Timestamp, palette: Palette) {
    let Some((_, first)) = group.first() else { return };
    let names: BTreeSet<&str> = group.iter().map(|(service, _)| *service).collect();
    let environment = first.environment.as_deref().map_or_else(|| "without an environment".to_owned(), plain);
    let heading = format!("{environment}: {} {}", counted(group.len(), "place"), counted_of(names.len()));
    let state = palette.paint(paint(first.state), first.state.as_str());
    let _ = writeln!(text, "{}  {state}", palette.paint(Paint::Bold, &heading));
    if let Some(held) = &first.held {
        let is_same = group.iter().all(|(_, place)| place.held.as_ref().is_some_and(|one| one.message == held.message));
        let why = if is_same { format!(": {}", held.message) } else { String::new() };
        let until = held.until.map(|time| until(time, now)).unwrap_or_default();
        write_lines(text, &fold(&format!("{}{until}{why}", held.code), MARGIN, REASON_LINES));
    }
    let list: Vec<String> = names.iter().map(|name| plain(name)).collect();
    write_lines(text, &fold(&list.join(", "), MARGIN, NAME_LINES));
}

/// One place as a line of the table, and what stands below it.
struct Row<'p> {
    cells: [String; 6],
    place: &'p PlaceStatus,
    /// Which of several it is.
    besides: Option<String>,
}

/// The services with several places in one environment.
fn ambiguous<'p>(places: &[(&'p str, &'p PlaceStatus)]) -> BTreeSet<(&'p str, Option<&'p str>)> {
    let mut seen = BTreeSet::new();
    let key = |(service, place): &(&'p str, &'p PlaceStatus)| (*service, place.environment.as_deref());
    places.iter().map(key).filter(|key| !seen.insert(*key)).collect()
}

fn row<'p>(
    service: &str,
    place: &'p PlaceStatus,
    ambiguous: &BTreeSet<(&str, Option<&str>)>,
    now: Timestamp,
) -> Row<'p> {
    let text = |value: &Option<String>| value.as_deref().map_or_else(|| "-".to_owned(), plain);
    let tag = place.tag.as_ref().or(place.digest.as_ref()).cloned();
    let cells = [
        plain(service),
        text(&place.environment),
        text(&tag),
        place.since.map_or_else(|| "-".to_owned(), |since| span(since, now)),
        text(&place.by),
        place.state.as_str().to_owned(),
    ];
    let is_one_of_several = ambiguous.contains(&(service, place.environment.as_deref()));
    let besides = is_one_of_several.then(|| {
        let at = match (&place.file, &place.key) {
            (Some(file), Some(key)) => format!("  {file}#{key}"),
            (Some(file), None) => format!("  {file}"),
            _ => String::new(),
        };
        plain(&format!("{} {}{at}", place.application, place.alias))
    });
    Row { cells, place, besides }
}

fn rows_text(text: &mut String, rows: &[Row<'_>], extent: Extent, now: Timestamp, palette: Palette) {
    let mut widths = [0; 6];
    for (index, (name, most)) in COLUMNS.iter().enumerate() {
        let longest = rows.iter().filter_map(|row| row.cells.get(index)).map(|cell| width(cell)).max();
        if let Some(slot) = widths.get_mut(index) {
            *slot = longest.unwrap_or_default().max(name.len()).min(*most);
        }
    }
    let line = |cells: [&str; 6]| -> Vec<String> {
        cells.iter().zip(widths).map(|(cell, width)| pad(&cut(cell, width), width)).collect()
    };
    let heading = line(COLUMNS.map(|(name, _)| name)).join("  ");
    let _ = writeln!(text, "{}", palette.paint(Paint::Bold, heading.trim_end()));
    let mut last: Option<&str> = None;
    for row in rows {
        let [service, environment, tag, since, by, state] = &row.cells;
        // A service is named once, with its environments below each other.
        let name = if last == Some(service.as_str()) { "" } else { service.as_str() };
        last = Some(service);
        let mut cells = line([name, environment, tag, since, by, ""]);
        cells.pop();
        let state = palette.paint(paint(row.place.state), state);
        let _ = writeln!(text, "{}  {state}", cells.join("  "));
        below(text, row, extent, now, palette);
    }
}

/// What comes next, why it does not come, and its pull request.
fn below(text: &mut String, row: &Row<'_>, extent: Extent, now: Timestamp, palette: Palette) {
    let place = row.place;
    let most = if extent == Extent::Whole { usize::MAX } else { REASON_LINES };
    if let Some(besides) = &row.besides {
        write_lines(text, &fold(besides, MARGIN, most));
    }
    let next = place.next.as_ref().and_then(|next| next.tag.as_deref().or(next.digest.as_deref()));
    let next = next.map(|next| format!("next {}", plain(next)));
    let why = place.held.as_ref().filter(|_| place.state != State::Review || extent == Extent::Whole).map(|held| {
        let until = held.until.map(|time| until(time, now)).unwrap_or_default();
        format!("{}{until}: {}", held.code, held.message)
    });
    let is_closed = place.window.as_ref().filter(|window| !window.open && place.state != State::Held);
    let window = is_closed.filter(|_| extent == Extent::Whole).map(|window| {
        let reason = window.reason.as_deref().unwrap_or("no window is open");
        let opens = window.next_open.map(|time| format!("; opens {}", at(time, now))).unwrap_or_default();
        let closes = window.next_close.map(|time| format!(", closes {}", at(time, now))).unwrap_or_default();
        format!("window closed: {reason}{opens}{closes}")
    });
    let parts: Vec<String> = [next, why].into_iter().flatten().collect();
    write_lines(text, &fold(&parts.join("; "), MARGIN, most));
    write_lines(text, &fold(&window.unwrap_or_default(), MARGIN, most));
    if let Some(url) = &place.pull_request {
        let _ = writeln!(text, "{}{}", " ".repeat(MARGIN), palette.paint(Paint::Cyan, &plain(url)));
    }
}

fn write_lines(text: &mut String, lines: &[String]) {
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
}

/// `2 failed, 40 held, 1458 current in 300 services`.
fn counts(places: &[(&str, &PlaceStatus)], extent: Extent) -> String {
    let of_state = |state: State| places.iter().filter(|(_, place)| place.state == state).count();
    let parts: Vec<String> = State::ALL
        .into_iter()
        .map(|state| (of_state(state), state.as_str()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let services: BTreeSet<&str> = places.iter().map(|(service, _)| *service).collect();
    let hidden = places.iter().any(|(_, place)| place.state.is_quiet()) && extent == Extent::Open;
    let hint = if hidden { "; `--all` shows every place" } else { "" };
    match parts.as_slice() {
        [] => "no place is known\n".to_owned(),
        parts => format!("{} {}{hint}\n", parts.join(", "), counted_of(services.len())),
    }
}

fn counted(count: usize, word: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {word}{ending}")
}

fn counted_of(services: usize) -> String {
    format!("in {}", counted(services, "service"))
}

fn paint(state: State) -> Paint {
    match state {
        State::Failed => Paint::Red,
        State::Held => Paint::Yellow,
        State::Review | State::Pending => Paint::Cyan,
        State::Stands | State::Current => Paint::Dim,
    }
}

/// How long ago something was, in its largest unit.
fn span(since: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    let words = in_words(Duration::from_secs(seconds.unsigned_abs()));
    words.split(' ').next().unwrap_or("0s").to_owned()
}

fn until(time: Timestamp, now: Timestamp) -> String {
    format!(", until {}", at(time, now))
}

/// A time of the clock, and how far it is.
fn at(time: Timestamp, now: Timestamp) -> String {
    let shown = time.strftime("%Y-%m-%d %H:%MZ");
    if time <= now { shown.to_string() } else { format!("{shown} (in {})", span(now, time)) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::plan::status::{Held, Next, ServiceStatus, WindowShown};

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "2026-04-01T10:00:00Z";

    fn place(environment: &str, tag: &str, since: &str, by: &str, state: State) -> PlaceStatus {
        PlaceStatus {
            environment: Some(environment.to_owned()),
            application: format!("argocd/web-{environment}"),
            alias: "app".to_owned(),
            repository: "gitops".to_owned(),
            file: Some(format!("apps/web/{environment}.yaml")),
            key: Some("image.tag".to_owned()),
            image: "ghcr.io/acme/web".to_owned(),
            tag: Some(tag.to_owned()),
            digest: None,
            since: Some(time(since)),
            by: Some(by.to_owned()),
            commit: Some("a".repeat(40)),
            next: None,
            held: None,
            pull_request: None,
            window: None,
            state,
        }
    }

    fn held(code: &str, message: &str, until: Option<&str>) -> Option<Held> {
        Some(Held { code: code.to_owned(), message: message.to_owned(), until: until.map(time) })
    }

    fn next(tag: &str) -> Option<Next> {
        Some(Next { tag: Some(tag.to_owned()), digest: None })
    }

    fn status() -> Status {
        let web = vec![
            place("dev", "1.4.0", "2026-04-01T07:00:00Z", "repin", State::Current),
            PlaceStatus {
                next: next("1.4.0"),
                held: held(
                    "promotion/soak",
                    "dev holds 1.4.0 for 3h, and 4h are asked for",
                    Some("2026-04-01T11:00:00Z"),
                ),
                ..place("staging", "1.3.0", "2026-03-29T09:00:00Z", "repin", State::Held)
            },
            PlaceStatus {
                next: next("1.3.0"),
                held: held("pull-request/open", "a person has to merge it", None),
                pull_request: Some("https://github.com/acme/gitops/pull/12".to_owned()),
                window: Some(WindowShown { open: false, reason: None, next_open: None, next_close: None }),
                ..place("production", "1.2.9", "2026-03-20T09:00:00Z", "Paula Person", State::Review)
            },
        ];
        let api = vec![PlaceStatus {
            tag: Some("20260105143000-3f2a1b9-arm64".to_owned()),
            next: next("20260106143000-4f2a1b9-arm64"),
            ..place("production", "", "2026-02-20T09:00:00Z", "a-very-long-name-of-somebody", State::Pending)
        }];
        let freeze = HoldShown {
            of: "gitops".to_owned(),
            line: 2,
            repository: None,
            environment: Some("production".to_owned()),
            service: None,
            application: None,
            alias: None,
            reason: "end of quarter".to_owned(),
            by: "paula".to_owned(),
            since: time("2026-03-30T08:00:00Z"),
            until: Some(time("2026-04-02T08:00:00Z")),
        };
        let window = WindowShown {
            open: false,
            reason: Some("`office` is not open: people are there".to_owned()),
            next_open: Some(time("2026-04-02T07:00:00Z")),
            next_close: Some(time("2026-04-02T15:00:00Z")),
        };
        let names = [Some("eu".to_owned()), Some("us".to_owned())];
        Status {
            services: vec![
                ServiceStatus { service: "api".to_owned(), environments: api },
                ServiceStatus { service: "web".to_owned(), environments: web },
            ],
            freezes: vec![freeze],
            overrides: Vec::new(),
            stopped: Some("the database moves".to_owned()),
            unread: vec![("charts".to_owned(), "git/unreachable: the server did not answer".to_owned())],
            closed: vec![ClosedWindow { window, environments: names.into_iter().collect(), places: 80 }],
        }
    }

    #[test]
    fn what_stops_comes_first_and_what_waits_says_why() {
        let expected = "\
stopped   nothing is written anywhere: the database moves
unread    repository charts: git/unreachable: the server did not answer
frozen    environment production: end of quarter (paula, for 2d, until 2026-04-02 08:00Z (in 22h))
closed    eu, us: `office` is not open: people are there; opens 2026-04-02 07:00Z (in 21h), closes
          2026-04-02 15:00Z (in 1d)

SERVICE  ENVIRONMENT  TAG                         SINCE  BY             STATE
api      production   2026010514300…f2a1b9-arm64  40d    a-very…mebody  pending
    next 20260106143000-4f2a1b9-arm64
web      staging      1.3.0                       3d     repin          held
    next 1.4.0; promotion/soak, until 2026-04-01 11:00Z (in 1h): dev holds 1.4.0 for 3h, and 4h are
    asked for
         production   1.2.9                       12d    Paula Person   review
    next 1.3.0
    https://github.com/acme/gitops/pull/12
1 held, 1 review, 1 pending, 1 current in 2 services; `--all` shows every place
";
        let shown = table(&status(), Extent::Open, time(NOW), Palette::plain());
        assert_eq!(shown, expected, "\n{shown}");
        let all = table(&status(), Extent::All, time(NOW), Palette::plain());
        assert!(all.contains("web      dev "), "{all}");
        assert!(all.ends_with("1 current in 2 services\n"), "{all}");
    }

    #[test]
    fn many_places_that_wait_for_the_same_are_one_entry() {
        let frozen = |number: usize| {
            let waiting = PlaceStatus {
                next: next(&format!("1.{number}.0")),
                held: held("gate/frozen", "end of quarter", Some("2026-04-02T08:00:00Z")),
                ..place("production", "1.0.0", NOW, "repin", State::Held)
            };
            ServiceStatus { service: format!("service-{number:03}"), environments: vec![waiting] }
        };
        let many = Status { services: (0..300).map(frozen).collect(), ..Status::default() };
        let shown = table(&many, Extent::Open, time(NOW), Palette::plain());
        assert_eq!(shown.lines().count(), 7, "{shown}");
        let head = "production: 300 places in 300 services  held\n    \
                    gate/frozen, until 2026-04-02 08:00Z (in 22h): end of quarter\n    service-000, service-001,";
        assert!(shown.starts_with(head), "{shown}");
        assert_eq!(table(&many, Extent::All, time(NOW), Palette::plain()).lines().count(), 602);
        let few = Status { services: (0..5).map(frozen).collect(), ..Status::default() };
        assert_eq!(table(&few, Extent::Open, time(NOW), Palette::plain()).lines().count(), 12);
    }

    #[test]
    fn no_line_is_wider_than_the_screen() {
        let long = "x".repeat(128);
        let mut wide = status();
        for service in &mut wide.services {
            service.service = long.clone();
            for one in &mut service.environments {
                one.tag = Some(long.clone());
                one.environment = Some(long.clone());
                one.by = Some(long.clone());
                one.state = State::Held;
                one.pull_request = None;
                one.held = held("gate/window", &"many words ".repeat(40), Some(NOW));
            }
        }
        let shown = table(&wide, Extent::Open, time(NOW), Palette::plain());
        assert!(shown.lines().all(|line| width(line) <= 100), "{shown}");
    }
}
