//! `repin check`: the configuration, every annotation and every place, with line and hint.

use crate::cli::document::{CheckDocument, VERSION};
use crate::cli::render::{self, Palette};
use crate::cli::{FAILED, FINE, Global};
use crate::model::problem::Severity;
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
    let is_bad = report.problems.iter().any(|problem| problem.severity == Severity::Error);
    if is_bad { FAILED } else { FINE }
}
