//! What `check` says about files and rules without asking a registry: the places that cannot be read or may not be written.

use std::sync::Arc;

use crate::model::problem::{Problem, Severity};
use crate::plan::capped::capped;
use crate::plan::judge::{Judgement, before_scan};
use crate::plan::locate::{FileState, refused_edit};
use crate::plan::{Snapshot, Subject, hint, is_of_definition};

/// What `check` reports of files and rules: the places that cannot be read or may not be written.
pub(super) fn file_problems(snapshot: &Snapshot) -> Vec<Problem> {
    let mut problems = problems_of(snapshot, snapshot.subjects.iter());
    problems.extend(capped(snapshot));
    problems
}

/// Reports why it is not known what stood at the places that `is_meant` names.
pub fn place_problems(snapshot: &Snapshot, is_meant: &dyn Fn(&Subject) -> bool) -> Vec<Problem> {
    let is_unknown = |subject: &&Arc<Subject>| subject.timeline.standings.is_empty() && is_meant(subject);
    let mut problems = problems_of(snapshot, snapshot.subjects.iter().filter(is_unknown));
    problems.sort();
    problems.dedup();
    problems
}

fn problems_of<'s>(snapshot: &Snapshot, subjects: impl Iterator<Item = &'s Arc<Subject>>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for subject in subjects {
        let Some(judgement) = before_scan(snapshot, subject).or_else(|| refused(snapshot, subject)) else { continue };
        let (Some(located), Some(hint)) = (&subject.located, hint(subject, &judgement)) else { continue };
        let application = &subject.tracked.application;
        let definition = application.file.as_ref().filter(|_| is_of_definition(subject, &judgement));
        problems.push(Problem {
            severity: Severity::Error,
            code: judgement.code.clone(),
            repository: Some(
                if definition.is_some() { &application.repository } else { subject.repository() }.to_owned(),
            ),
            file: Some(definition.unwrap_or(&located.file).to_string()),
            line: definition
                .map(|_| subject.tracked.line)
                .or(judgement.failure.as_ref().and_then(|failure| failure.line)),
            message: format!(
                "{} ({}): {}",
                subject.tracked.application.label(),
                subject.tracked.alias,
                judgement.message
            ),
            hint: Some(hint).filter(|hint| !hint.is_empty()),
        });
    }
    problems
}

/// What the editor would refuse in any case.
fn refused(snapshot: &Snapshot, subject: &Subject) -> Option<Judgement> {
    let (target, image) = (subject.tracked.target.as_ref()?, subject.tracked.image.as_ref()?);
    let located = subject.located.as_ref().filter(|located| located.site.is_ok())?;
    let FileState::Parsed(source) = snapshot.files.get(&(target.base.clone(), located.file.clone()))? else {
        return None;
    };
    refused_edit(image, located, source).map(|failure| Judgement::failed(&failure))
}
