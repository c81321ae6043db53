//! Generate: the ApplicationSets of all repositories -> their Applications, with what generators read in any of them.

use std::sync::Arc;

use crate::model::application::Application;
use crate::model::problem::{Problem, Severity};
use crate::plan::{Failure, Snapshot};
use crate::reconcile::gather::Read;
use crate::reconcile::repository::failure_of;
use crate::reconcile::repository::sets::{Generated, generate};
use crate::reconcile::{CycleReport, Reconciler};

impl Reconciler {
    /// Adds the Applications that ApplicationSets generate, once all repositories were read.
    pub(super) fn generate(
        &mut self,
        readings: &[Read],
        applications: &mut Vec<Arc<Application>>,
        snapshot: &mut Snapshot,
        report: &mut CycleReport,
    ) {
        for (number, (reading, _)) in readings.iter().enumerate() {
            let sets = reading.as_ref().map(|reading| reading.sets.as_slice()).unwrap_or_default();
            let Generated { applications: found, problems, lost } = generate(&mut self.repositories, number, sets);
            applications.extend(found);
            report.problems.extend(problems);
            if let (Some(error), Some(repository)) = (lost, self.repositories.get(number)) {
                let name = &repository.options.name;
                let failure = failure_of(name, &error);
                report.problems.push(repository_problem(name, &failure));
                snapshot.repository_failures.entry(name.clone()).or_insert(failure);
            }
        }
    }
}

/// Turns a failure of a repository into a problem.
pub(super) fn repository_problem(name: &str, failure: &Failure) -> Problem {
    Problem {
        severity: Severity::Error,
        code: failure.code.clone(),
        repository: Some(name.to_owned()),
        file: None,
        line: None,
        message: failure.message.clone(),
        hint: failure.hint.clone(),
    }
}
