//! What a cycle saw and decided, to be compared with what another one did.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::fmt::Write as _;

use repin::plan::locate::FileState;
use repin::reconcile::CycleReport;

/// Everything that a decision rests on and what was decided, as text.
pub fn seen(report: &CycleReport) -> String {
    let snapshot = &report.snapshot;
    let mut text = format!("{:#?}\n{:#?}\n{:#?}\n", snapshot.heads, snapshot.advertised, snapshot.repository_failures);
    writeln!(text, "{:#?}", snapshot.branch_failures).unwrap();
    for subject in &snapshot.subjects {
        writeln!(text, "{:#?}\n{:#?}\n{:#?}", subject.tracked, subject.located, subject.rule).unwrap();
        writeln!(text, "{:#?}", subject.timeline).unwrap();
    }
    for (place, state) in &snapshot.files {
        let content = match state {
            FileState::Parsed(source) => source.text().to_owned(),
            other => format!("{other:?}"),
        };
        writeln!(text, "{place:?}: {content}").unwrap();
    }
    writeln!(text, "{:#?}\n{:#?}\n{:#?}", report.problems, report.outcomes, report.unparsed_templates).unwrap();
    text
}

/// Shows how two of them differ.
pub fn difference(warm: &str, cold: &str) -> String {
    similar::TextDiff::from_lines(warm, cold).unified_diff().context_radius(4).header("warm", "cold").to_string()
}
