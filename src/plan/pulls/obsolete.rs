//! Pull requests and branches that nobody wants any more.
//!
//! Closed is only what is known to be of no use: every place that it changes was judged in this cycle and wants nothing from
//! it. Whatever failed, waits or could not be read leaves a pull request as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::message::pull_request::Marker;
use crate::message::trailers::Change;
use crate::model::change::Chore;
use crate::model::names::{Branch, RepoPath};
use crate::model::outcome::OutcomeResult;
use crate::model::rule::Delivery;
use crate::model::tracked::RemoteBranch;
use crate::plan::gates::{HOLD, is_closed};
use crate::plan::judge::Judgement;
use crate::plan::pulls::upstream::{Upstream, brought};
use crate::plan::pulls::{Head, Pulls, stop_merge};
use crate::plan::together::GROUP;
use crate::plan::{Snapshot, Subject, shown_key};
use crate::rules;

/// Holds that say for good that a place wants nothing.
const SETTLED: [&str; 11] = [
    "guard/downgrade",
    "guard/pinned",
    "guard/rolled-back",
    "guard/unverified",
    "promotion/moved",
    "promotion/not-allowed",
    "promotion/not-copied",
    "promotion/went-back",
    "rule/none",
    "rule/registry",
    "selection/none",
];
/// Another pull request has it: the group is another one now.
const ELSEWHERE: &str = "pull-request/open";
/// How many reasons are given.
const MAX_REASONS: usize = 3;

/// Places of branches: the base, the file and the key path.
pub(super) type Places<'a> = BTreeSet<(&'a RemoteBranch, &'a str, String)>;

/// Gives the places of which it cannot be said in this cycle what they want.
pub(super) fn unsettled<'a>(snapshot: &'a Snapshot, judgements: &[Judgement]) -> Places<'a> {
    let place = |subject: &'a Subject| {
        let (target, located) = (subject.tracked.target.as_ref()?, subject.located.as_ref()?);
        Some((&target.base, located.file.as_str(), shown_key(subject)?))
    };
    let all = snapshot.subjects.iter().zip(judgements);
    let unsettled = all.filter(|(_, judgement)| match judgement.result {
        OutcomeResult::Failed => true,
        OutcomeResult::Held => !is_settled(&judgement.code),
        OutcomeResult::Current | OutcomeResult::Pending | OutcomeResult::Delivered => false,
    });
    unsettled.filter_map(|(subject, _)| place(subject)).collect()
}

/// Tells whether a hold says for good that a place wants nothing.
fn is_settled(code: &str) -> bool {
    // A person holds it; nothing is to be merged meanwhile.
    SETTLED.contains(&code) || code.ends_with("/hold")
}

/// Gives what is to be closed and deleted, given the branches that somebody wants.
pub(super) fn chores(
    snapshot: &Snapshot,
    upstream: &Upstream<'_>,
    judgements: &[Judgement],
    wanted: &BTreeSet<(&str, Branch)>,
) -> Vec<Chore> {
    let mut chores = Vec::new();
    for (repository, pulls) in &snapshot.pulls {
        let Ok(pulls) = pulls else { continue };
        if snapshot.repository_failures.contains_key(repository) {
            continue;
        }
        let is_wanted = |branch: &Branch| wanted.contains(&(repository.as_str(), branch.clone()));
        let view = View { snapshot, upstream, judgements, repository };
        for pull in pulls.open.iter().filter(|pull| !is_wanted(&pull.head)) {
            let head = pulls.heads.get(&pull.head);
            let marker = Marker::parse(&pull.body);
            let base = RemoteBranch { repository: repository.clone(), branch: pull.base.clone() };
            // Somebody may have committed since Git was looked at.
            let is_seen = head.is_none_or(|head| pull.head_commit.is_none_or(|at| at == head.commit));
            if !is_seen || !snapshot.heads.contains_key(&base) {
                continue;
            }
            let is_own = marker.as_ref().is_some_and(|marker| marker.by == snapshot.instance);
            // Without one of them nobody knows what it brings; that may be nothing.
            if head.is_none() && marker.is_none() {
                continue;
            }
            let changes = brought(pull, head);
            // What somebody else committed to is left to people, but for what the forge would do by itself.
            let is_foreign = head.is_some_and(|head| !head.is_ours);
            let reason = view.reason(&pull.base, &changes, applications(head), is_own).filter(|_| !is_foreign);
            if let Some(reason) = reason {
                chores.push(Chore::Close {
                    repository: repository.clone(),
                    number: pull.number,
                    branch: pull.head.clone(),
                    head: head.map(|head| head.commit),
                    body: pull.body.clone(),
                    reason,
                });
            } else if view.is_kept_back(&pull.base, &changes) || upstream.is_stale(repository, pull, head) {
                chores.extend(stop_merge(repository, pull));
            }
        }
        let base = |branch: &Branch| RemoteBranch { repository: repository.clone(), branch: branch.clone() };
        let is_free = |branch: &Branch| !is_wanted(branch) && !snapshot.heads.contains_key(&base(branch));
        chores.extend(left_over(pulls, &view, is_free));
    }
    chores
}

/// Branches of ours without a pull request, such as those of merged ones.
fn left_over(pulls: &Pulls, view: &View<'_>, is_free: impl Fn(&Branch) -> bool) -> Vec<Chore> {
    let Some(main) = &pulls.main else { return Vec::new() };
    let open: BTreeSet<&Branch> = pulls.open.iter().map(|pull| &pull.head).collect();
    let has_pull = |branch: &Branch| open.contains(branch);
    let free = pulls.heads.iter().filter(|(branch, head)| head.is_ours && is_free(branch) && !has_pull(branch));
    // Of which instance it is, only a pull request says.
    let useless = free.filter(|(_, head)| view.reason(main, &head.changes, applications(Some(head)), false).is_some());
    useless
        .map(|(branch, head)| Chore::Delete {
            repository: view.repository.to_owned(),
            branch: branch.clone(),
            head: head.commit,
        })
        .collect()
}

fn applications(head: Option<&Head>) -> &[(String, Option<String>)] {
    head.map_or(&[], |head| &head.applications)
}

/// What the places of one repository want.
struct View<'a> {
    snapshot: &'a Snapshot,
    upstream: &'a Upstream<'a>,
    judgements: &'a [Judgement],
    repository: &'a str,
}

impl View<'_> {
    /// Says why nobody wants these changes; none if somebody may.
    fn reason(
        &self,
        base: &Branch,
        changes: &[Change],
        applications: &[(String, Option<String>)],
        is_own: bool,
    ) -> Option<String> {
        if changes.is_empty() {
            return None;
        }
        // One value that upstream took back is enough, whatever else waits.
        if let Some(reason) = changes.iter().find_map(|change| self.upstream.withdrawn(self.repository, base, change)) {
            return Some(reason);
        }
        // So is one that a person holds.
        let owners = changes.iter().flat_map(|change| self.owners_of(base, change));
        let is_held = |index: &usize| self.judgements.get(*index).is_some_and(|judgement| judgement.code == HOLD);
        if let Some(reason) = owners.into_iter().find(is_held).and_then(|index| self.settled(index)) {
            return Some(reason);
        }
        let mut reasons: Vec<String> = Vec::new();
        let (mut is_kept_out, mut waits) = (false, false);
        for change in changes {
            let owners = self.owners_of(base, change);
            if owners.is_empty() {
                reasons.push(self.orphaned(base, change, applications).filter(|_| is_own)?);
            }
            for index in owners {
                let judgement = self.judgements.get(index)?;
                // It comes with its group or not at all, so what keeps one of them out keeps out all.
                if judgement.result == OutcomeResult::Held && judgement.code == GROUP {
                    waits = true;
                    continue;
                }
                reasons.push(self.settled(index)?);
                is_kept_out |= judgement.result == OutcomeResult::Held;
            }
        }
        if waits && !is_kept_out {
            return None;
        }
        reasons.sort();
        reasons.dedup();
        let more = reasons.len().saturating_sub(MAX_REASONS);
        reasons.truncate(MAX_REASONS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        Some(reasons.join("; ") + &more)
    }

    /// Tells whether a gate, or what is promoted together, keeps back what a pull request brings.
    fn is_kept_back(&self, base: &Branch, changes: &[Change]) -> bool {
        let is_kept = |index: &usize| {
            let code = self.judgements.get(*index).map(|judgement| judgement.code.as_str()).unwrap_or_default();
            // Whatever else stands in the way, a registry that is down not least.
            let is_gated =
                || self.snapshot.subjects.get(*index).is_some_and(|subject| is_closed(self.snapshot, subject));
            ["gate/", "promotion/", "limit/"].iter().any(|family| code.starts_with(family)) || is_gated()
        };
        changes.iter().flat_map(|change| self.owners_of(base, change)).any(|index| is_kept(&index))
    }

    fn owners_of(&self, base: &Branch, change: &Change) -> Vec<usize> {
        self.upstream.owners_of(self.repository, base, change)
    }

    /// Says why one image wants nothing from a pull request.
    fn settled(&self, index: usize) -> Option<String> {
        let (subject, judgement) = (self.snapshot.subjects.get(index)?, self.judgements.get(index)?);
        if subject.rule.as_ref().is_some_and(|rule| rule.observe) {
            return None;
        }
        let name = format!("{} ({})", subject.tracked.application.label(), subject.tracked.alias);
        match judgement.result {
            OutcomeResult::Current => {
                let branch = subject.tracked.target.as_ref().map(|target| target.base.branch.to_string());
                let value = subject.located.as_ref().and_then(|located| located.site.as_ref().ok()?.shown());
                let (branch, value) = (branch.unwrap_or_default(), value.unwrap_or_default());
                Some(format!("{name}: `{branch}` holds {value} already"))
            }
            // Another instance may deliver what no rule of this one is about.
            OutcomeResult::Held if subject.rule.as_ref().is_none_or(|rule| !rule.matched) => None,
            OutcomeResult::Held if is_settled(&judgement.code) => Some(format!("{name}: {}", judgement.message)),
            OutcomeResult::Held if judgement.code == ELSEWHERE => {
                Some(format!("{name}: {} has it now", judgement.pull_request.as_deref().unwrap_or_default()))
            }
            OutcomeResult::Held | OutcomeResult::Failed | OutcomeResult::Pending | OutcomeResult::Delivered => None,
        }
    }

    /// Says that nothing asks for a place any more, if everything was read and the rules make the place ours.
    fn orphaned(&self, base: &Branch, change: &Change, applications: &[(String, Option<String>)]) -> Option<String> {
        let is_unsure = |(label, _): &(String, Option<String>)| self.snapshot.unsure.contains(label);
        if !self.snapshot.is_whole || applications.iter().any(is_unsure) {
            return None;
        }
        let file: RepoPath = change.file.parse().ok()?;
        // An Application that is still there may only not be found at its place.
        let is_asked = |subject: &Arc<Subject>| {
            let tracked = &subject.tracked;
            tracked.image_text == change.image
                && applications.iter().any(|(label, _)| *label == tracked.application.label())
        };
        if self.snapshot.subjects.iter().any(is_asked) {
            return None;
        }
        let mut asked =
            applications.iter().filter_map(|(label, _)| label.split_once('/')).map(|(namespace, application)| {
                let labels = BTreeMap::new();
                let subject = rules::Subject {
                    repository: self.repository,
                    branch: base.as_str(),
                    path: Some(&file),
                    application,
                    namespace,
                    project: "",
                    labels: &labels,
                };
                rules::effective(&self.snapshot.rules, false, &subject)
            });
        let is_ours = !applications.is_empty()
            && asked.all(|rule| rule.least_delivery() == Delivery::PullRequest && !rule.observe);
        is_ours.then(|| format!("nothing asks for `{}` in {} any more", change.key, change.file))
    }
}
