//! Where annotations wish for less than `at_least` of the rules demands: warnings at their own lines.

use std::collections::BTreeSet;

use crate::model::problem::{Problem, Severity};
use crate::model::rule::Rule;
use crate::plan::{Snapshot, Subject};
use crate::rules::EffectiveRule;
use crate::rules::origin::Source;
use crate::rules::terms::{Capped, cuts, demanding};

/// Gives the wishes of one image that are cut at its place.
pub fn of(snapshot: &Snapshot, subject: &Subject) -> Vec<Capped> {
    let Some(rule) = &subject.rule else { return Vec::new() };
    cuts(subject.terms(), rule, &subject.tracked, &snapshot.windows)
}

/// Reports every wish that is cut, once for each annotation.
pub fn capped(snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = BTreeSet::new();
    for subject in &snapshot.subjects {
        let Some(rule) = &subject.rule else { continue };
        for capped in of(snapshot, subject) {
            problems.insert(problem(snapshot, subject, rule, &capped));
        }
    }
    problems.into_iter().collect()
}

fn problem(snapshot: &Snapshot, subject: &Subject, rule: &EffectiveRule, capped: &Capped) -> Problem {
    let (image, application) = (&subject.tracked, &subject.tracked.application);
    let written = image.wishes.written.get(capped.key);
    let name = |key: &str| key.rsplit('/').next().unwrap_or_default().to_owned();
    let key = written.map_or_else(|| capped.key.to_owned(), |written| name(&written.key));
    let message = format!(
        "{}: `{key}: {}` is less than the rules demand, and {} counts",
        application.label(),
        capped.wished,
        capped.counts
    );
    let from: Vec<String> =
        demanding(&snapshot.rules, rule, capped.key).iter().map(|(source, rule)| place(*source, rule)).collect();
    Problem {
        severity: Severity::Warning,
        code: "annotation/capped".to_owned(),
        repository: application.file.as_ref().map(|_| application.repository.clone()),
        file: application.file.as_ref().map(ToString::to_string),
        line: Some(written.map_or(image.line, |written| written.line)),
        message,
        hint: Some(format!("remove it, or wish for no less than `at_least` of {} of repin.yaml", from.join(" and "))),
    }
}

/// Names an entry of the configuration as its own problems do.
pub fn place(source: Source, rule: &Rule) -> String {
    let (list, at) = match source {
        Source::Environment(at) => ("environments", at),
        Source::Rule(at) => ("rules", at),
    };
    format!("`{list}[{at}]` in line {}", rule.line)
}
