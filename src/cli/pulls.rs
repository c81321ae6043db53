//! `repin pulls`: the open pull requests of repin and what each waits for, and what waits for a pull request.

use std::fmt::Write as _;
use std::time::Duration;

use crate::cli::document::{PullsDocument, VERSION};
use crate::cli::render::{self, Paint, Palette};
use crate::cli::{FAILED, FINE, Global};
use crate::model::interval;
use crate::model::problem::Problem;
use crate::model::text::plain;
use crate::plan::waiting::{Decided, OpenPull, WaitingPlace, waiting};
use crate::reconcile::Mode;

/// Exit 1 if a repository could not be read, or its forge gave no list.
pub(super) async fn run(global: &Global) -> u8 {
    let (report, _) = match global.cycle("pulls", &Mode::Plan).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    let decided = Decided { outcomes: &report.outcomes, changes: &report.changes, chores: &report.chores };
    let (pulls, places) = waiting(&report.snapshot, &decided);
    // What is wrong in files has nothing to do with pull requests.
    let problems: Vec<Problem> = report.problems.iter().filter(|problem| problem.file.is_none()).cloned().collect();
    let failures = report.snapshot.pulls.values().filter(|pulls| pulls.is_err()).count();
    if global.is_json() {
        render::json(&PullsDocument { version: VERSION, pulls: &pulls, waiting: &places, problems: &problems });
    } else {
        render::out(&text(&pulls, &places, Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
        render::talk(&format!("{} open, {} places wait for a pull request\n", pulls.len(), places.len()));
    }
    if report.unread_repositories > 0 || failures > 0 { FAILED } else { FINE }
}

fn text(pulls: &[OpenPull], places: &[WaitingPlace], palette: Palette) -> String {
    let mut text = String::new();
    let span = |seconds: i64| interval::in_words(Duration::from_secs(seconds.unsigned_abs()));
    let value = |value: &Option<String>| value.as_deref().map_or_else(|| "(none)".to_owned(), plain);
    for pull in pulls {
        let _ = writeln!(
            text,
            "{}  {}  open for {}  {}",
            palette.paint(Paint::Bold, &plain(&format!("{} #{}", pull.repository, pull.number))),
            pull.title,
            span(pull.seconds),
            pull.url
        );
        let _ = writeln!(text, "    {}", plain(&format!("{} -> {}", pull.branch, pull.base)));
        for change in &pull.changes {
            let place = palette.paint(Paint::Cyan, &format!("{}#{}", change.file, change.key));
            let _ = writeln!(text, "    {place}  {} -> {}", value(&change.old), change.new);
        }
        for wait in &pull.waits_for {
            let code = wait.code.as_deref().map(|code| format!("{code} ")).unwrap_or_default();
            let _ = writeln!(text, "    waits for {}: {code}{}", palette.paint(Paint::Yellow, wait.what), wait.message);
        }
    }
    for place in places {
        let at = match (&place.file, &place.key) {
            (Some(file), Some(key)) => plain(&format!("{file}#{key}")),
            _ => "(unknown)".to_owned(),
        };
        let until = place.until.map(|until| format!(" (until {until})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{}  {}  {} -> {}  {}\n    {}{until}",
            plain(&format!("{} {}", place.application, place.alias)),
            palette.paint(Paint::Yellow, &place.code),
            value(&place.from),
            value(&place.to),
            palette.paint(Paint::Cyan, &at),
            place.message
        );
    }
    text
}
