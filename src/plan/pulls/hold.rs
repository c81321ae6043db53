//! What a group waits for, said to all whose places it writes.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::model::change::PlannedCommit;
use crate::model::forge::PullRequest;
use crate::model::outcome::OutcomeResult;
use crate::plan::Failure;
use crate::plan::group::Proposed;
use crate::plan::judge::Judgement;

impl Proposed<'_> {
    /// Changes the judgements of all whose places it writes; no other is looked at, for there are as many groups as
    /// Applications.
    pub(super) fn on_its(&self, judgements: &mut [Judgement], mut change: impl FnMut(&mut Judgement)) {
        let subjects: BTreeSet<usize> = self.commit.subjects.iter().copied().collect();
        for index in subjects {
            if let Some(judgement) = judgements.get_mut(index) {
                change(judgement);
            }
        }
    }

    /// Holds all of them.
    pub(super) fn hold(
        &self,
        judgements: &mut [Judgement],
        pull: Option<&PullRequest>,
        code: &str,
        message: &str,
        until: Option<Timestamp>,
    ) {
        self.on_its(judgements, |judgement| {
            judgement.result = OutcomeResult::Held;
            judgement.code = code.to_owned();
            judgement.message = format!("{}; {message}", judgement.message);
            judgement.until = until;
            judgement.pull_request = pull.map(|pull| pull.url.clone());
        });
    }
}

/// Says that pull requests are wanted where no forge is known.
pub(super) fn unconfigured(repository: &str) -> String {
    format!("the rules say `delivery: pull-request`, and the repository `{repository}` has no `forge`")
}

/// Turns all that a commit would write into failures.
pub(super) fn fail(judgements: &mut [Judgement], commit: &PlannedCommit, failure: &Failure) {
    for index in &commit.subjects {
        let Some(judgement) = judgements.get_mut(*index) else { continue };
        let (to, back) = (judgement.to.take(), judgement.look_back.take());
        *judgement = Judgement::failed(failure).with(to, back);
    }
}
