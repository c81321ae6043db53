//! Failures and gaps as problems, with what to do about them.

use std::collections::BTreeSet;

use crate::model::outcome::OutcomeResult;
use crate::model::problem::{Problem, Severity};
use crate::plan::judge::Judgement;
use crate::plan::limits::PER_PUSH;
use crate::plan::{Snapshot, Subject};

/// Failures and the operator's gaps, each once, so that their hints reach a person.
pub(super) fn problems(snapshot: &Snapshot, judgements: &[Judgement]) -> Vec<Problem> {
    let mut found = BTreeSet::new();
    let mut said = BTreeSet::new();
    for (subject, judgement) in snapshot.subjects.iter().zip(judgements) {
        let image = &subject.tracked;
        let repository = subject.repository();
        let Some(hint) = hint(subject, judgement) else { continue };
        let (is_registry, is_push) = (judgement.code.starts_with("registry/"), judgement.code == PER_PUSH);
        let message = judgement.waits_for.as_ref().filter(|_| is_push).unwrap_or(&judgement.message);
        // However many Applications track the image, and however many places a push has: the first one is the place.
        if (is_registry || is_push) && !said.insert(message) {
            continue;
        }
        let is_defined_wrong = is_registry || is_of_definition(subject, judgement);
        let definition = image.application.file.as_ref().filter(|_| is_defined_wrong);
        let is_repository = judgement.code.starts_with("forge/")
            || snapshot.repository_failures.get(repository).is_some_and(|failure| failure.message == judgement.message);
        let file = subject.located.as_ref().map(|located| located.file.to_string());
        found.insert(Problem {
            severity: Severity::Error,
            code: judgement.code.clone(),
            repository: Some(if is_defined_wrong { &image.application.repository } else { repository }.to_owned()),
            file: if is_defined_wrong || is_repository { definition.map(ToString::to_string) } else { file },
            line: definition.map(|_| image.line).or(judgement.failure.as_ref().and_then(|failure| failure.line)),
            message: message.clone(),
            hint: Some(hint).filter(|hint| !hint.is_empty()),
        });
    }
    found.into_iter().collect()
}

/// Tells whether a problem is one of what the Application's manifest asks for, and no line of another file shows it.
pub fn is_of_definition(subject: &Subject, judgement: &Judgement) -> bool {
    let has_line = judgement.failure.as_ref().is_some_and(|failure| failure.line.is_some());
    let is_asked_for = matches!(judgement.code.as_str(), "target/not-found" | "target/ambiguous");
    is_asked_for && !has_line && subject.tracked.application.file.is_some()
}

/// Says what a person can do about a judgement that is a problem, empty if nothing is known; `None` if it is no problem
/// or one that was reported with the annotation.
pub fn hint(subject: &Subject, judgement: &Judgement) -> Option<String> {
    let image = &subject.tracked;
    match (judgement.result, judgement.code.as_str()) {
        (OutcomeResult::Failed, _) => {
            Some(judgement.failure.as_ref().and_then(|failure| failure.hint.clone()).unwrap_or_default())
        }
        (_, "target/ambiguous" | "target/not-found") => judgement.failure.as_ref().and_then(|one| one.hint.clone()),
        _ if image.refusal.is_some() => None,
        (OutcomeResult::Held, _) if judgement.failure.is_some() => {
            judgement.failure.as_ref().and_then(|failure| failure.hint.clone())
        }
        (_, "registry/unconfigured") => {
            let registry = image.image.as_ref().map_or("", |name| name.registry());
            Some(format!(
                "add to `registries:` of repin.yaml the line `- host: {registry}`, with `insecure: true` if it speaks plain HTTP"
            ))
        }
        (_, "target/outside") => {
            Some("name a file below the source path, or let a rule allow it: `may_write: [<glob>]`".to_owned())
        }
        (_, "guard/pinned") => Some(pinned_hint(subject)),
        (_, "created/unusable") => Some(
            "let the builds write their date, filter these tags with `allow-tags` or `ignore-tags`, or order by the name: `numerical` or `semver` with `extract`"
                .to_owned(),
        ),
        (_, "selection/too-many") => {
            Some("narrow the candidates with `allow-tags`, or order by the name with `extract`".to_owned())
        }
        (OutcomeResult::Held, "promotion/no-upstream") => Some(
            "give the place upstream the same service and alias (a rule's `service` or the capture `{service}`), or name the Application: `promote-from: <environment>/<application>`".to_owned(),
        ),
        (OutcomeResult::Held, "promotion/ambiguous") => {
            Some("name one of them: `promote-from: <environment>/<application>`".to_owned())
        }
        (OutcomeResult::Held, "promotion/circle") => {
            Some("take one `promote_from` (of a rule) or `promote-from` (of an annotation) out of the circle".to_owned())
        }
        (OutcomeResult::Held, "promotion/moved") => Some(
            "push a new tag and let it go the same way, or copy the image with the digest that upstream runs".to_owned(),
        ),
        (OutcomeResult::Held, "limit/per-push") => Some(
            "look at what `repin plan` would write; if it is meant, raise `max_changes_per_push`, or lift it once with `repin override`".to_owned(),
        ),
        (OutcomeResult::Held, "rule/registry") => {
            Some("use an image of an allowed registry, or let the operator add this one to `registries` of the rule".to_owned())
        }
        (OutcomeResult::Held, code) if code.starts_with("unsupported/") => {
            Some("remove the setting for this path, or wait for a version that carries it out".to_owned())
        }
        (OutcomeResult::Held, "guard/unverified") => Some(
            "sign the image with `cosign sign --key`, or let the operator correct the key in `cosign_keys`".to_owned(),
        ),
        _ => None,
    }
}

/// Says how to go on where a digest stands that nobody asked for.
fn pinned_hint(subject: &Subject) -> String {
    let alias = &subject.tracked.alias;
    format!("add `{alias}.pin: tag+digest` to keep a digest there, or `{alias}.pin: tag` to write the tag alone")
}
