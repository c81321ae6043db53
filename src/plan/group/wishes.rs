//! What rules and annotations wish of a group's pull request.

use crate::model::forge::{CODEOWNERS, MergeMethod, PullPeople};
use crate::plan::Subject;

/// What is wished of one pull request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::plan) struct Wishes {
    /// Whom it asks, and what it is marked with: of all whose changes it brings.
    pub(in crate::plan) people: PullPeople,
    /// Besides them the owners of the changed files.
    pub(in crate::plan) asks_owners: bool,
    /// One of them wants a draft.
    pub(in crate::plan) is_draft: bool,
    /// How the forge is to merge it by itself: only if nobody among them is against it.
    pub(in crate::plan) auto_merge: Option<MergeMethod>,
}

impl Wishes {
    /// Collects what is wished for the changes of these images.
    pub(in crate::plan) fn of<'s>(subjects: impl Iterator<Item = &'s Subject>) -> Self {
        let mut wishes = Self::default();
        let mut methods = Vec::new();
        for subject in subjects {
            let Some(rule) = subject.rule.as_ref().map(|rule| &rule.pull_request) else { continue };
            let asked = &subject.tracked.pull_request;
            let PullPeople { labels, reviewers, assignees } = rule.people(asked);
            wishes.people.labels.extend(labels);
            wishes.people.reviewers.extend(reviewers);
            wishes.people.assignees.extend(assignees);
            wishes.is_draft |= rule.is_draft;
            let is_merged = rule.is_auto_merged(asked.auto_merge).unwrap_or_default();
            methods.push(is_merged.then_some(rule.merge_method));
        }
        wishes.asks_owners = wishes.people.reviewers.remove(CODEOWNERS);
        let first = methods.first().copied().flatten();
        wishes.auto_merge = first.filter(|_| methods.iter().all(Option::is_some) && !wishes.is_draft);
        wishes
    }
}
