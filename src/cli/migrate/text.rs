//! The report for people: by file, each key with what becomes of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::cli::migrate::findings::{FoundPlace, MigratedKey, Verdict};
use crate::cli::render::{Paint, Palette, clean};

/// How many Applications are named for one key.
const NAMED: usize = 3;

/// Writes the report.
pub(super) fn report(findings: &[MigratedKey], places: &[FoundPlace], palette: Palette) -> String {
    let mut text = String::new();
    let mut last = None;
    for finding in findings {
        if last != Some(&finding.file) {
            let _ = writeln!(text, "{}", palette.paint(Paint::Bold, &clean(&finding.file)));
            last = Some(&finding.file);
        }
        let line = finding.line.map(|line| format!("{line}: ")).unwrap_or_default();
        let value = finding.value.as_deref().map(|value| format!(" = {}", one_line(value))).unwrap_or_default();
        let of = named(&finding.applications);
        let _ = writeln!(text, "  {line}{}{value}{of}", clean(&finding.key));
        let verdict = palette.paint(paint(finding.verdict), &format!("{:<11}", finding.verdict.as_str()));
        let _ = writeln!(text, "    {verdict} {}", one_line(&finding.reading));
        if let Some(instead) = &finding.instead {
            let _ = writeln!(text, "    instead     {}", one_line(instead));
        }
    }
    if !places.is_empty() {
        let _ = writeln!(text, "{}", palette.paint(Paint::Bold, "images"));
    }
    for place in places {
        let at = match (&place.file, &place.key) {
            (Some(file), Some(key)) => format!("{file}#{key}"),
            (Some(file), None) => file.clone(),
            _ => "(no place)".to_owned(),
        };
        let tag = place.tag.as_deref().map(|tag| format!("  {}", clean(tag))).unwrap_or_default();
        let at = palette.paint(Paint::Cyan, &clean(&at));
        let name = format!("{} {}", place.application, place.alias);
        let _ = writeln!(text, "  {}  {}  {}  {at}{tag}", clean(&name), clean(&place.image), clean(&place.policy));
        if let Some(message) = &place.message {
            let code = place.code.as_deref().map(|code| format!("{}: ", palette.paint(Paint::Yellow, code)));
            let _ = writeln!(text, "    {}{}", code.unwrap_or_default(), one_line(message));
        }
    }
    text
}

fn paint(verdict: Verdict) -> Paint {
    match verdict {
        Verdict::Carried => Paint::Green,
        Verdict::Differs => Paint::Cyan,
        Verdict::Rewrite => Paint::Yellow,
        Verdict::Unsupported => Paint::Red,
    }
}

fn one_line(text: &str) -> String {
    clean(&text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" "))
}

fn named(applications: &BTreeSet<String>) -> String {
    let shown: Vec<String> = applications.iter().take(NAMED).map(|name| clean(name)).collect();
    match (shown.as_slice(), applications.len().saturating_sub(NAMED)) {
        ([], _) => String::new(),
        (shown, 0) => format!("  ({})", shown.join(", ")),
        (shown, more) => format!("  ({} and {more} more)", shown.join(", ")),
    }
}
