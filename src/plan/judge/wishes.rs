//! What annotations wish of pull requests and the operator does not allow.

use crate::model::problem::{Problem, Severity};
use crate::model::rule::Delivery;
use crate::plan::Snapshot;
use crate::plan::judge::delivery;

/// Reports where annotations wish that the forge merges by itself, and no rule leaves that to them.
pub fn not_allowed(snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = Vec::new();
    for subject in &snapshot.subjects {
        let (image, Some(rule)) = (&subject.tracked, &subject.rule) else { continue };
        let is_proposed = delivery(subject) == Delivery::PullRequest && image.refusal.is_none();
        if !is_proposed || rule.pull_request.is_auto_merged(image.pull_request.auto_merge).is_some() {
            continue;
        }
        let application = &image.application;
        problems.push(Problem {
            severity: Severity::Warning,
            code: "annotation/not-allowed".to_owned(),
            repository: application.file.as_ref().map(|_| application.repository.clone()),
            file: application.file.as_ref().map(ToString::to_string),
            line: Some(image.line),
            message: format!(
                "{}: `pull-request.auto-merge: true` wishes what the rules do not leave to annotations; nothing is merged by itself",
                application.label()
            ),
            hint: Some("remove it, or let the operator allow it: `pull_request: {auto_merge: optional}`".to_owned()),
        });
    }
    problems
}
