//! `repin check [application]`: the configuration, every annotation and every place, with line and hint; for one
//! Application every setting that counts, and who says so.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::cli::document::{CheckDocument, SettingsDocument, VERSION};
use crate::cli::render::{self, Palette};
use crate::cli::{FAILED, FINE, Global, explain};
use crate::model::problem::{Problem, Severity};
use crate::plan::settings::{From, SettingShown, Shown, settings};
use crate::reconcile::Mode;

/// Exit 0 without errors, 1 with errors in annotations or files, 3 with errors in the configuration.
pub(super) async fn run(global: &Global) -> u8 {
    let (report, _) = match global.cycle("check", &Mode::Check).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    if global.is_json() {
        render::json(&CheckDocument { version: VERSION, problems: &report.problems });
    } else {
        render::out(&render::problems(&report.problems, Palette::of_stdout()));
        let errors = report.problems.iter().filter(|problem| problem.severity == Severity::Error).count();
        let images = report.snapshot.subjects.len();
        render::talk(&format!(
            "{} applications, {images} images, {errors} errors, {} warnings\n",
            report.applications.len(),
            report.problems.len() - errors
        ));
    }
    exit(&report.problems)
}

/// The same for one Application, with what counts at its places. Exit 2 if no Application or several bear the name.
pub(super) async fn of_one(global: &Global, application: &str) -> u8 {
    let (report, _) = match global.cycle("check", &Mode::Check).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    let key = match explain::the_one(global, "check", &report, application) {
        Ok(key) => key,
        Err(code) => return code,
    };
    let subjects: Vec<_> =
        report.snapshot.subjects.iter().filter(|subject| subject.tracked.application == *key).collect();
    let shown: Vec<SettingShown> = subjects.iter().flat_map(|subject| settings(&report.snapshot, subject)).collect();
    let located = subjects.iter().filter_map(|subject| subject.located.as_ref());
    let files: BTreeSet<&str> =
        located.map(|located| located.file.as_str()).chain(key.file.as_ref().map(|file| file.as_str())).collect();
    let problems = explain::part(&report.problems, &files);
    if global.is_json() {
        render::json(&SettingsDocument { version: VERSION, problems: &problems, settings: &shown });
    } else {
        render::out(&table(&key.label(), &shown));
        render::talk(&render::problems(&problems, Palette::plain()));
    }
    exit(&problems)
}

fn exit(problems: &[Problem]) -> u8 {
    let is_bad = problems.iter().any(|problem| problem.severity == Severity::Error);
    if is_bad { FAILED } else { FINE }
}

/// Lists the settings of each place, one a line.
fn table(application: &str, settings: &[SettingShown]) -> String {
    let mut text = String::new();
    let values: Vec<String> = settings.iter().map(|one| value(one.value.as_ref())).collect();
    let width = values.iter().map(|value| value.chars().count()).max().unwrap_or_default();
    let mut place = None;
    for (one, value) in settings.iter().zip(&values) {
        let own = (one.alias.as_str(), one.file.as_deref());
        if place != Some(own) {
            place = Some(own);
            let file = own.1.unwrap_or("(unknown)");
            let _ = writeln!(text, "{}", render::clean(&format!("{application} {}  {file}", one.alias)));
        }
        let cut = one.capped.as_ref().map(|cut| format!("; the annotation wishes {}", cut.wished)).unwrap_or_default();
        let line = format!("  {:<26} {value:<width$}  {}{cut}", one.setting, from(&one.from));
        let _ = writeln!(text, "{}", render::clean(&line));
    }
    text
}

fn value(value: Option<&Shown>) -> String {
    match value {
        None => "-".to_owned(),
        Some(Shown::Text(text)) => text.clone(),
        Some(Shown::Texts(texts)) if texts.is_empty() => "[]".to_owned(),
        Some(Shown::Texts(texts)) => texts.join(", "),
        Some(Shown::Number(number)) => number.to_string(),
        Some(Shown::Switch(is_on)) => is_on.to_string(),
    }
}

fn from(from: &From) -> String {
    let line = from.line.map(|line| format!(" in line {line}")).unwrap_or_default();
    let entry = match (from.rule, &from.key) {
        (Some(rule), _) => format!("rules[{rule}]{line}"),
        (None, Some(key)) if from.kind == "annotation" => format!("{key}{line}"),
        (None, Some(key)) if from.kind == "default" => key.clone(),
        (None, Some(key)) => format!("environment {key}{line}"),
        (None, None) => String::new(),
    };
    match from.kind {
        "at_least" => format!("at_least of {entry}"),
        _ if entry.is_empty() => from.kind.to_owned(),
        _ => entry,
    }
}
