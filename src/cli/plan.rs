//! `repin plan`: what a cycle would write, and what keeps it from writing more.

use crate::cli::render::{self, Palette};
use crate::cli::{FAILED, FINE, Global, PENDING};
use crate::model::outcome::OutcomeResult;
use crate::reconcile::Mode;

/// Exit 0 if nothing would change, 4 if something would, 1 if something failed. The diff is stdout, the rest stderr.
pub(super) async fn run(global: &Global) -> u8 {
    let (report, _) = match global.cycle("plan", &Mode::Plan).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    global.print(&report);
    if !global.is_json() {
        render::out(&render::diff(&report.changes, Palette::of_stdout()));
        // What stays as it is is counted: nobody looks for it among a thousand lines.
        let news = report.outcomes.iter().filter(|outcome| outcome.result != OutcomeResult::Current);
        render::talk(&render::outcomes(news, Palette::plain()));
        render::talk(&render::problems(&report.problems, Palette::plain()));
        render::talk(&render::counts(&report.outcomes, OutcomeResult::Pending, &report.problems));
    }
    if report.has_failed() {
        FAILED
    } else if report.outcomes.iter().any(|outcome| outcome.result == OutcomeResult::Pending) {
        PENDING
    } else {
        FINE
    }
}
