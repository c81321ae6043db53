//! `repin policy test <cases.yaml>`: policies held against tags that are written down, for a repository's own CI.
//!
//! No network and no configuration. What decides is what decides in a cycle.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cli::document::{CaseResult, CasesDocument, VERSION};
use crate::cli::render::{self, Paint, Palette, clean};
use crate::cli::{FAILED, FINE, Global, USAGE};
use crate::config::cases::{self, Case};
use crate::model::problem::{Problem, Severity};
use crate::plan::trial::cases::{Difference, Finding, settle};
use crate::plan::trial::{Answer, Trial};

/// Exit 0 if every case is as expected, 1 if one is not or annotations of a manifest are wrong, 2 if a file cannot be read.
pub(super) fn run(global: &Global, files: &[PathBuf]) -> u8 {
    let (mut results, mut problems, mut is_unreadable) = (Vec::new(), Vec::new(), false);
    for file in files {
        let cases = match cases::load(file) {
            Ok((read, warnings)) => {
                problems.extend(warnings.into_iter().chain(read.of_manifests));
                read.cases
            }
            Err(found) => {
                problems.extend(found);
                is_unreadable = true;
                continue;
            }
        };
        for case in cases {
            match try_case(file, case) {
                Ok(result) => results.push(result),
                Err(undated) => {
                    problems.extend(undated);
                    is_unreadable = true;
                }
            }
        }
    }
    if is_unreadable {
        global.refuse("policy", &problems);
        return USAGE;
    }
    let failed = results.iter().filter(|(_, differences)| !differences.is_empty()).count();
    let passed = results.len() - failed;
    if global.is_json() {
        let cases: Vec<CaseResult> = results.into_iter().map(|(result, _)| result).collect();
        render::json(&CasesDocument { version: VERSION, cases: &cases, passed, failed, problems: &problems });
    } else {
        render::out(&text(&results, Palette::of_stdout()));
        render::talk(&render::problems(&problems, Palette::plain()));
        render::talk(&format!("{passed} passed, {failed} failed\n"));
    }
    let is_wrong = problems.iter().any(|problem| problem.severity == Severity::Error);
    if failed > 0 || is_wrong { FAILED } else { FINE }
}

/// Decides a case. What cannot be decided is a problem at the tag that lacks something.
fn try_case(file: &Path, case: Case) -> Result<(CaseResult, Vec<Difference>), Vec<Problem>> {
    // Without `now` nothing of the case says when something was seen, and every tag is old enough.
    let now = case.now.unwrap_or(Timestamp::UNIX_EPOCH);
    let (current, stood) = (case.current.as_deref(), case.stood.as_slice());
    let request = &case.request;
    let trial = Trial { request, asked: request.image.as_ref(), current, stood, now };
    let (snapshot, decision) = settle(trial.snapshot(), &case.tags).map_err(|undated| {
        let of_tag = |tag| {
            let line = case.lines.get(tag).copied().unwrap_or(case.line);
            let message = format!("`{tag}` has no `created`, and newest-build compares it");
            let hint = "write when it was built, or `created: null` if the image does not say".to_owned();
            Problem {
                severity: Severity::Error,
                code: "config/missing-key".to_owned(),
                repository: None,
                file: Some(file.display().to_string()),
                line: Some(line),
                message,
                hint: Some(hint),
            }
        };
        undated.iter().map(of_tag).collect::<Vec<_>>()
    })?;
    let Some(answer) = Answer::of(&snapshot, &decision) else { return Err(Vec::new()) };
    let found = Finding::of(&answer);
    let differences = case.expect.differences(&answer, &found);
    let result = CaseResult {
        name: case.name,
        file: file.display().to_string(),
        line: case.line,
        result: if differences.is_empty() { "ok" } else { "failed" },
        expected: case.expect,
        found,
        message: answer.message,
    };
    Ok((result, differences))
}

fn text(results: &[(CaseResult, Vec<Difference>)], palette: Palette) -> String {
    let mut text = String::new();
    let places: Vec<String> =
        results.iter().map(|(result, _)| clean(&format!("{}:{}", result.file, result.line))).collect();
    let width = places.iter().map(|place| place.chars().count()).max().unwrap_or(0);
    for ((result, differences), place) in results.iter().zip(&places) {
        let (word, paint) = if differences.is_empty() { ("ok", Paint::Green) } else { ("FAILED", Paint::Red) };
        let pad = " ".repeat(width.saturating_sub(place.chars().count()));
        let word = palette.paint(paint, &format!("{word:<6}"));
        let _ = writeln!(text, "{place}{pad}  {word}  {}", clean(&result.name));
        for Difference { what, expected, found, reason } in differences {
            let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
            let _ = writeln!(text, "    {}", clean(&format!("{what}: expected {expected}, found {found}{reason}")));
        }
        if !differences.is_empty() {
            let _ = writeln!(text, "    {}", clean(&format!("{}: {}", result.found.code, result.message)));
        }
    }
    text
}
