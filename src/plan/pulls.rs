//! Pull requests: one open one for each group, whatever happens (DELIVERY "Pull requests").
//!
//! The state is the forge's and the branch's alone: a pull request is found again by its branch, what it brings stands in
//! the trailers of the branch's commit, and what repin did about it in a marker that nobody sees in its body. So nothing has
//! to be remembered, and two instances come to the same end.

mod branch;
mod case;
mod hold;
mod limits;
mod obsolete;
mod refusal;
mod state;
mod upstream;

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::message::pull_request::Marker;
use crate::model::change::{ChangeSet, Chore};
use crate::model::forge::{PullRequest, PullState};
use crate::model::names::Branch;
use crate::model::tracked::RemoteBranch;
use crate::plan::group::Proposed;
use crate::plan::judge::Judgement;
use crate::plan::limits::Hours;
use crate::plan::promotion::Promoted;
use crate::plan::pulls::case::{Case, Verdict};
use crate::plan::pulls::hold::{fail, unconfigured};
use crate::plan::pulls::limits::Counts;
pub use crate::plan::pulls::refusal::values;
pub use crate::plan::pulls::state::{Head, Pulls};
use crate::plan::pulls::upstream::Upstream;
use crate::plan::{Question, Snapshot};

/// How long after repin closed it a pull request is opened again instead of a new one.
pub const REOPENED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Of how many closed ones of a branch it is asked who closed them.
const CLOSERS: usize = 3;

/// What a marker tells of a pull request that the forge was asked to merge by itself.
pub const AUTO_MERGE: &str = "auto-merge";
/// What it tells of one that the forge was asked not to merge for a while.
pub const MERGE_STOPPED: &str = "auto-merge-stopped";

/// Gives those of a branch's closed pull requests that people closed without merging them: the newest, which are the ones
/// that may refuse something.
pub fn by_people(closed: &[PullRequest]) -> impl Iterator<Item = &PullRequest> {
    let is_own = |pull: &PullRequest| Marker::parse(&pull.body).is_some_and(|marker| marker.closed.is_some());
    closed.iter().filter(move |pull| pull.state == PullState::Closed && !is_own(pull)).take(CLOSERS)
}

/// What is done about pull requests.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// What is written, each with its proposal.
    pub(super) sets: Vec<ChangeSet>,
    /// What is done besides.
    pub(super) chores: Vec<Chore>,
    /// What must be answered first.
    pub(super) questions: Vec<Question>,
}

/// Decides what becomes of each group's pull request, and holds what waits for one.
pub(super) fn settle<'a>(
    snapshot: &'a Snapshot,
    promoted: &BTreeMap<usize, Promoted>,
    hours: &mut Hours<'_>,
    judgements: &mut [Judgement],
    proposed: Vec<Proposed<'a>>,
) -> Settled {
    let mut settled = Settled::default();
    let mut open: BTreeMap<(&str, &Branch), Vec<&'a PullRequest>> = BTreeMap::new();
    for (repository, pulls) in &snapshot.pulls {
        for pull in pulls.iter().flat_map(|pulls| &pulls.open) {
            open.entry((repository, &pull.head)).or_default().push(pull);
        }
    }
    let unsettled = obsolete::unsettled(snapshot, judgements);
    let upstream = LazyCell::new(|| Upstream::of(snapshot, promoted));
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut wanted: BTreeSet<(&str, Branch)> = BTreeSet::new();
    // Those whose open pull request nobody wants as it is, whatever keeps the new value back.
    let mut stale: BTreeSet<(&str, Branch)> = BTreeSet::new();
    for mut one in proposed {
        let repository = one.base.repository.as_str();
        let pulls = match snapshot.pulls.get(repository) {
            Some(Ok(pulls)) => pulls,
            Some(Err(failure)) => {
                fail(judgements, &one.commit, failure);
                continue;
            }
            None => {
                one.hold(judgements, None, "forge/unconfigured", &unconfigured(repository), None);
                continue;
            }
        };
        let is_free = |branch: &Branch| !wanted.contains(&(repository, branch.clone()));
        let Some(branch) = branch::name(&one.unit, one.base, pulls.main.as_ref().filter(|_| !pulls.is_shared), is_free)
        else {
            let message = format!("the group `{}` gives no name of a branch", one.unit.title());
            one.hold(judgements, None, "annotation/invalid", &message, None);
            continue;
        };
        wanted.insert((repository, branch.clone()));
        one.commit.text.branch = branch.to_string();
        let counts = counts.entry(repository).or_insert_with(|| Counts::of(pulls, snapshot.now));
        // People may open a second one for another base.
        let own = open.get(&(repository, &branch)).into_iter().flatten();
        let open = own.min_by_key(|pull| (pull.base != one.base.branch, pull.number)).copied();
        let head = pulls.heads.get(&branch);
        let is_stale = open.is_some_and(|pull| upstream.is_stale(repository, pull, head));
        if let Some(gate) = one.gate(judgements) {
            if is_stale && head.is_none_or(|head| head.is_ours) {
                stale.insert((repository, branch));
                one.hold(judgements, None, gate.code, &gate.message, gate.until);
            } else {
                settled.chores.extend(open.and_then(|pull| stop_merge(repository, pull)));
                one.hold(judgements, open, gate.code, &gate.message, gate.until);
            }
            continue;
        }
        let (unsettled, upstream) = (&unsettled, &*upstream);
        let case = Case { snapshot, pulls, open, unsettled, upstream, is_stale, branch: &branch, one: &one };
        let is_lifted = one.is_lifted(judgements);
        match case.verdict(counts, Some(&mut *hours).filter(|_| !is_lifted)) {
            Verdict::Ask(question) => settled.questions.push(question),
            Verdict::Hold { pull, code, message, until, chores } => {
                one.hold(judgements, pull, code, &message, until);
                settled.chores.extend(chores);
            }
            Verdict::Stale { message } => {
                one.hold(judgements, None, "pull-request/open", &message, None);
                stale.insert((repository, branch));
            }
            Verdict::Write { proposal, pull } => {
                one.on_its(judgements, |judgement| {
                    judgement.pull_request = pull.map(|pull| pull.url.clone());
                    judgement.message = format!("{}, by a pull request", judgement.message);
                });
                let RemoteBranch { repository, branch: base } = one.base.clone();
                settled.sets.push(ChangeSet {
                    repository,
                    base,
                    branch,
                    head: one.head,
                    commits: vec![one.commit],
                    proposal: Some(*proposal),
                });
            }
        }
    }
    let is_any = !snapshot.pulls.is_empty();
    if is_any && settled.questions.is_empty() && !snapshot.observe && snapshot.stop.is_none() {
        wanted.retain(|branch| !stale.contains(branch));
        settled.chores.extend(obsolete::chores(snapshot, &upstream, judgements, &wanted));
    }
    settled
}

/// Has the forge not merge by itself what a gate keeps back, if repin asked it to.
fn stop_merge(repository: &str, pull: &PullRequest) -> Option<Chore> {
    let is_asked = Marker::parse(&pull.body).is_some_and(|marker| marker.told.contains(AUTO_MERGE));
    (is_asked && pull.is_auto_merged != Some(false))
        .then(|| Chore::StopMerge { repository: repository.to_owned(), pull: Box::new(pull.clone()) })
}
