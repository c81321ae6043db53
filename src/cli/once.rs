//! `repin once`: one cycle.

use crate::cli::render::{self, Palette};
use crate::cli::{FAILED, FINE, Global};
use crate::model::outcome::OutcomeResult;
use crate::reconcile::Mode;

/// Exit 0 also with held images and problems, 1 if something failed.
pub(super) async fn run(global: &Global, emergency: Option<String>) -> u8 {
    let (report, ..) = match global.run_cycle("once", &Mode::Deliver, emergency).await {
        Ok(done) => done,
        Err(code) => return code,
    };
    global.print(&report);
    if !global.is_json() {
        let palette = Palette::of_stdout();
        render::out(&render::outcomes(report.outcomes.iter(), palette));
        render::talk(&render::problems(&report.problems, Palette::plain()));
        render::talk(&render::counts(&report.outcomes, OutcomeResult::Delivered, &report.problems));
    }
    if report.has_failed() { FAILED } else { FINE }
}
