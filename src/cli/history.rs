//! `repin history [application]`: what stood at the places of Applications, and who brought it. From Git alone.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cli::document::{HistoryDocument, VERSION};
use crate::cli::render::{self, Paint, Palette};
use crate::cli::{FAILED, FINE, Global, USAGE, usage_problem};
use crate::config::options::webs;
use crate::model::interval;
use crate::model::names::ApplicationKey;
use crate::model::problem::Problem;
use crate::model::text::plain;
use crate::plan::past::entry::{Entry, Wish, entries};
use crate::plan::past::service::{Meant, meant};
use crate::plan::status::environments;
use crate::plan::{Snapshot, Subject};
use crate::reconcile::{CycleReport, Mode, place_problems};

/// What the command line asks for.
#[derive(Debug, clap::Args)]
pub(super) struct Asked {
    /// `name`, `namespace/name`, `repository:file:namespace/name`, or a service: the name without its environment
    application: Option<String>,
    /// Only places in this environment
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Only what stood since then: a time (RFC 3339), a date, or a span such as 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// At most so many entries [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

/// Exit 1 if a repository could not be read; 2 if no Application or several bear the name, no rule gives the environment, or
/// the time is none.
pub(super) async fn run(global: &Global, asked: &Asked) -> u8 {
    let since = match asked.since.as_deref().map(|text| time(text, global.clock())).transpose() {
        Ok(since) => since,
        Err(problem) => {
            global.refuse("history", &[*problem]);
            return USAGE;
        }
    };
    let (report, settings) = match global.cycle("history", &Mode::Past(asked.application.clone())).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    if let Some(problem) = asked.environment.as_deref().and_then(|name| unknown_environment(name, &report.snapshot)) {
        return refuse(global, &report, problem);
    }
    let these = match asked.application.as_deref().map(|name| named(&report, name)).transpose() {
        Ok(these) => these,
        Err(None) => {
            global.refuse("history", &report.problems);
            return FAILED;
        }
        Err(Some(problem)) => return refuse(global, &report, *problem),
    };
    let is_meant = |subject: &Subject| these.as_ref().is_none_or(|these| these.contains(&subject.tracked.application));
    let wish = Wish { since, environment: asked.environment.clone(), limit: asked.limit };
    let (entries, left_out) = entries(&report.snapshot, &report.past, &webs(&settings), &wish, &is_meant);
    let mut problems = report.problems.clone();
    problems.extend(place_problems(&report.snapshot, &is_meant));
    if global.is_json() {
        render::json(&HistoryDocument { version: VERSION, entries: &entries, left_out, problems: &problems });
    } else {
        render::out(&text(&entries, left_out, Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
    }
    if report.unread_repositories > 0 { FAILED } else { FINE }
}

/// Gives the Applications that a name means; without a problem if it cannot be said, since not all could be read.
fn named(report: &CycleReport, name: &str) -> Result<BTreeSet<ApplicationKey>, Option<Box<Problem>>> {
    let exact: Vec<String> =
        report.applications.iter().filter(|key| key.is_named(name)).map(ApplicationKey::full_name).collect();
    if exact.len() > 1 {
        let message = format!("`{}` is the name of {} Applications", plain(name), exact.len());
        let hint = format!("write one of: {}", exact.join(", "));
        return Err(Some(Box::new(usage_problem("application/ambiguous", message, Some(hint)))));
    }
    match meant(&report.snapshot, &report.applications, name, false) {
        Meant::These(these) => Ok(these),
        Meant::None { .. } if report.unread_repositories > 0 => Err(None),
        Meant::None { nearest } => Err(Some(Box::new(unknown(name, nearest.as_deref(), report.applications.len())))),
    }
}

/// Says that no Application bears a name.
pub(super) fn unknown(name: &str, nearest: Option<&str>, count: usize) -> Problem {
    let hint = nearest.map_or_else(
        || "no annotated Application was found: see `repin check`".to_owned(),
        |nearest| format!("did you mean `{nearest}`? {count} annotated Applications were found"),
    );
    usage_problem("application/unknown", format!("no annotated Application is called `{}`", plain(name)), Some(hint))
}

/// Complains about an environment that neither a rule gives nor a place has.
pub(super) fn unknown_environment(name: &str, snapshot: &Snapshot) -> Option<Problem> {
    let known = environments(snapshot);
    if known.contains(name) {
        return None;
    }
    let names: Vec<&str> = known.into_iter().collect();
    let hint = match names.as_slice() {
        [] => "no rule gives an environment".to_owned(),
        names => format!("the rules give: {}", names.join(", ")),
    };
    Some(usage_problem("usage/invalid", format!("no rule gives the environment `{}`", plain(name)), Some(hint)))
}

fn refuse(global: &Global, report: &CycleReport, problem: Problem) -> u8 {
    let mut problems = vec![problem];
    problems.extend(report.problems.iter().cloned());
    global.refuse("history", &problems);
    USAGE
}

/// Reads a time, a date (its beginning, UTC), or a span before now.
fn time(text: &str, now: Timestamp) -> Result<Timestamp, Box<Problem>> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    if let Ok(date) = text.parse::<Date>()
        && let Ok(zoned) = date.to_zoned(TimeZone::UTC)
    {
        return Ok(zoned.timestamp());
    }
    let span = interval::parse(text).ok().and_then(|span| SignedDuration::try_from(span).ok());
    span.and_then(|span| now.checked_sub(span).ok()).ok_or_else(|| {
        let message = format!("`--since {}` is no time", plain(text));
        let hint = "write a time such as 2026-01-05T10:00:00Z, a date, or a span such as 7d or 12h".to_owned();
        Box::new(usage_problem("usage/invalid", message, Some(hint)))
    })
}

fn text(entries: &[Entry], left_out: usize, palette: Palette) -> String {
    let mut text = String::new();
    for entry in entries {
        let value = |value: &Option<String>| value.as_deref().map_or_else(|| "(none)".to_owned(), plain);
        let change = match &entry.old {
            None => value(&entry.new),
            old => format!("{} -> {}", value(old), value(&entry.new)),
        };
        let span = interval::in_words(Duration::from_secs(entry.seconds.unsigned_abs()));
        let least = if entry.is_cut { "at least " } else { "" };
        let stood =
            if entry.until.is_some() { format!("stood {least}{span}") } else { format!("stands for {least}{span}") };
        let name = plain(&format!("{} {}", entry.application, entry.alias));
        let place = entry.key.as_ref().map_or_else(|| entry.file.clone(), |key| format!("{}#{key}", entry.file));
        let environment = entry.environment.as_deref().map(|name| format!("  {}", plain(name))).unwrap_or_default();
        let _ = writeln!(
            text,
            "{}  {}  {}  {stood}{environment}  {}",
            entry.since,
            palette.paint(Paint::Bold, &name),
            palette.paint(if entry.took_back.is_empty() { Paint::Green } else { Paint::Yellow }, &change),
            palette.paint(Paint::Cyan, &plain(&place)),
        );
        let _ = writeln!(text, "    {}", brought(entry));
        if let Some(reason) = &entry.reason {
            let _ = writeln!(text, "    {reason}");
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "… and {left_out} more");
    }
    text
}

/// The commit, who it is by, and what it took back.
fn brought(entry: &Entry) -> String {
    let commit = &entry.commit;
    let id = commit.id.get(..10).unwrap_or(&commit.id);
    let by = match (entry.by, &commit.merged_by) {
        ("repin", Some(person)) => format!("repin, merged by {person}"),
        ("repin", None) => "repin".to_owned(),
        _ => commit.author.clone(),
    };
    let pull = commit.pull_request.as_ref();
    let pull = pull.map(|pull| format!(" in {}", pull.url.as_deref().unwrap_or(&pull.text))).unwrap_or_default();
    let took_back: Vec<String> = entry.took_back.iter().map(|value| plain(value)).collect();
    let took_back = if took_back.is_empty() { String::new() } else { format!(", took back {}", took_back.join(", ")) };
    format!("{id} by {by}{pull}{took_back}: {}", commit.subject)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_a_date_or_a_span() {
        let now: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-01-04T00:00:00Z", Some("2026-01-04T00:00:00Z")),
            ("2026-01-04T01:00:00+01:00", Some("2026-01-04T00:00:00Z")),
            ("2026-01-04", Some("2026-01-04T00:00:00Z")),
            ("1d", Some("2026-01-04T10:00:00Z")),
            ("1h30m", Some("2026-01-05T08:30:00Z")),
            ("", None),
            ("7", None),
            ("yesterday", None),
            ("2026-13-01", None),
            ("-1d", None),
            ("99999999999d", None),
        ] {
            assert_eq!(time(text, now).ok().map(|time| time.to_string()).as_deref(), expected, "{text}");
        }
    }
}
