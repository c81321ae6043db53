//! How many pull requests an operator wants to see at once, and within an hour.

use jiff::{SignedDuration, Timestamp};

use crate::model::forge::PullLimits;
use crate::plan::pulls::Pulls;

/// How many pull requests there are.
pub(super) struct Counts {
    open: u64,
    opened: Vec<Timestamp>,
}

impl Counts {
    /// Counts what there is.
    pub(super) fn of(pulls: &Pulls, now: Timestamp) -> Self {
        let is_lately = |at: &&Timestamp| now.duration_since(**at) < SignedDuration::from_hours(1);
        let mut opened: Vec<Timestamp> = pulls.opened.iter().filter(is_lately).copied().collect();
        opened.sort();
        Self { open: pulls.open.len() as u64, opened }
    }

    /// Counts one more, if the limits let it.
    pub(super) fn take(&mut self, limits: &PullLimits, now: Timestamp) -> Result<(), (String, Option<Timestamp>)> {
        if let Some(most) = limits.max_open.filter(|most| self.open >= *most) {
            let message = format!("{} pull requests are open, and `max_open` is {most}", self.open);
            return Err((message, None));
        }
        let opened = self.opened.len() as u64;
        if let Some(most) = limits.max_new_per_hour.filter(|most| opened >= *most) {
            let oldest = self.opened.first().and_then(|at| at.checked_add(SignedDuration::from_hours(1)).ok());
            let message =
                format!("{opened} pull requests were opened within an hour, and `max_new_per_hour` is {most}");
            return Err((message, oldest));
        }
        self.open += 1;
        self.opened.push(now);
        Ok(())
    }
}
