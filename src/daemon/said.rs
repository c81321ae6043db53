//! What the log says of outcomes and problems: each once, until it changes.

use std::collections::{HashMap, HashSet};

use tracing::{debug, info, warn};

use crate::model::outcome::OutcomeResult;
use crate::model::problem::{Problem, Severity};
use crate::reconcile::CycleReport;

/// What was last said of each place and problem, so that a line is logged when something changes, not in every cycle.
#[derive(Debug, Default)]
pub(super) struct Last {
    said: HashMap<String, (String, String)>,
    problems: Vec<Problem>,
}

impl Last {
    pub(super) fn log(&mut self, report: &CycleReport) {
        for outcome in &report.outcomes {
            let said = self.said.get(&outcome.id);
            if said.is_some_and(|(code, message)| *code == outcome.code && *message == outcome.message) {
                continue;
            }
            let (application, image) = (&outcome.application, &outcome.image);
            match outcome.result {
                OutcomeResult::Failed => {
                    warn!(application, image, code = outcome.code, "{application} failed: {}", outcome.message)
                }
                OutcomeResult::Held => {
                    info!(application, image, code = outcome.code, "{application} is held: {}", outcome.message)
                }
                _ => debug!(application, image, code = outcome.code, "{application}: {}", outcome.message),
            }
            self.said.insert(outcome.id.clone(), (outcome.code.clone(), outcome.message.clone()));
        }
        let fresh: Vec<Problem> =
            report.problems.iter().filter(|problem| self.problems.binary_search(problem).is_err()).cloned().collect();
        log_problems(&fresh);
        self.problems.clone_from(&report.problems);
        if self.said.len() > report.outcomes.len() {
            let known: HashSet<&str> = report.outcomes.iter().map(|outcome| outcome.id.as_str()).collect();
            self.said.retain(|id, _| known.contains(id.as_str()));
        }
    }
}

/// Logs problems, each with its place and hint.
pub fn log_problems(problems: &[Problem]) {
    for problem in problems {
        let (repository, file) = (problem.repository.as_deref().unwrap_or(""), problem.file.as_deref().unwrap_or(""));
        let (code, line) = (&problem.code, problem.line.unwrap_or(0));
        let hint = problem.hint.as_deref().unwrap_or("");
        match problem.severity {
            Severity::Error => warn!(repository, file, line, code, hint, "{}", problem.message),
            Severity::Warning => info!(repository, file, line, code, hint, "{}", problem.message),
        }
    }
}
