//! The emergency stop: while it stands nothing is written, to Git or to forges. It is looked at before every write, so what
//! was decided just before it is not written either.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use tracing::{info, warn};

use crate::model::change::ChangeSet;
use crate::model::outcome::OutcomeResult;
use crate::model::text::plain;
use crate::reconcile::{CycleReport, Reconciler};

/// Code of what it holds back.
const STOPPED: &str = "gate/stopped";
/// Bytes of the file in which its reason is looked for.
const MAX_REASON_BYTES: u64 = 1_000;

/// What stops everything.
#[derive(Clone, Debug, Default)]
pub(super) struct Stop {
    /// The reason that the command line gave.
    pub(super) reason: Option<String>,
    /// The file that stops everything while it is there.
    pub(super) file: Option<PathBuf>,
}

impl Stop {
    /// Gives the reason for which nothing is written now; none = nothing stands in the way. A file that cannot be looked at
    /// is taken to be there.
    pub(super) fn reason(&self) -> Option<String> {
        if let Some(reason) = &self.reason {
            return Some(plain(reason));
        }
        let path = self.file.as_ref()?;
        let shown = path.display();
        match path.symlink_metadata() {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return None,
            Err(error) => return Some(format!("{shown} cannot be looked at: {error}")),
            Ok(_) => {}
        }
        let mut bytes = Vec::new();
        let is_file = path.metadata().is_ok_and(|found| found.is_file());
        if is_file {
            // What cannot be read stops all the same.
            let _ = File::open(path).and_then(|file| file.take(MAX_REASON_BYTES).read_to_end(&mut bytes));
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = plain(text.lines().next().unwrap_or_default().trim());
        Some(if line.is_empty() { format!("{shown} is there") } else { format!("{line} ({shown})") })
    }
}

impl Reconciler {
    /// Has nothing written from now on, whatever the configuration says; an empty reason stops nothing.
    pub fn stop_writing(&mut self, reason: Option<String>) {
        self.stop.reason = reason.filter(|reason| !reason.trim().is_empty());
    }

    /// Gives what stops everything, with the file of the configuration.
    pub(super) fn stop(&self) -> Stop {
        Stop { reason: self.stop.reason.clone(), file: self.options.emergency_stop.clone() }
    }

    /// Gives the reason for which nothing is written now, and says when that changed.
    pub(super) fn look_for_stop(&mut self) -> Option<String> {
        let reason = self.stop().reason();
        if reason != self.said_stop {
            match &reason {
                Some(reason) => warn!(reason, "emergency stop: nothing is written: {reason}"),
                None => info!("the emergency stop is over"),
            }
            self.said_stop.clone_from(&reason);
        }
        reason
    }
}

/// Notes that a change set was not written, and why.
pub(super) fn hold_back(report: &mut CycleReport, set: &ChangeSet, reason: &str) {
    for subject in set.commits.iter().flat_map(|commit| &commit.subjects) {
        if let Some(outcome) = report.outcomes.get_mut(*subject) {
            outcome.result = OutcomeResult::Held;
            outcome.code = STOPPED.to_owned();
            outcome.message = format!("emergency stop: {reason}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stops_with_its_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stop");
        let stop = Stop { reason: None, file: Some(path.clone()) };
        assert_eq!(stop.reason(), None);
        let shown = path.display();
        for (content, expected) in [
            (&b"registry broken\nsince 9\n"[..], format!("registry broken ({shown})")),
            (b"", format!("{shown} is there")),
            (b"\n\n", format!("{shown} is there")),
            (b"a\x1b[31mb\xff", format!("a [31mb\u{fffd} ({shown})")),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(stop.reason(), Some(expected));
        }
        let flagged = Stop { reason: Some("by hand".into()), ..stop.clone() };
        assert_eq!(flagged.reason().as_deref(), Some("by hand"));
        // A directory and a link that leads nowhere are there too.
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert_eq!(stop.reason(), Some(format!("{shown} is there")));
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(stop.reason(), Some(format!("{shown} is there")));
        assert_eq!(Stop { reason: None, file: Some(path.join("x/y")) }.reason(), None);
    }
}
