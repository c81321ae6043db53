//! Pull requests: one open one for each group, whatever happens (DELIVERY "Pull requests").
//!
//! The state is the forge's and the branch's alone: a pull request is found again by its branch, what it brings stands in
//! the trailers of the branch's commit, and what repin did about it in a marker that nobody sees in its body. So nothing has
//! to be remembered, and two instances come to the same end.

mod branch;
mod limits;
mod obsolete;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::message::pull_request::{self, Marker};
use crate::message::trailers::Change;
use crate::model::change::{ChangeSet, Chore, Notice, PlannedCommit, Proposal, PullText, Request};
use crate::model::forge::{LABEL_REBASE, LABEL_RETRY, PullLimits, PullRequest, PullState, RebaseWhen};
use crate::model::history::CommitId;
use crate::model::names::Branch;
use crate::model::outcome::OutcomeResult;
use crate::model::tracked::RemoteBranch;
use crate::plan::group::Proposed;
use crate::plan::judge::Judgement;
use crate::plan::pulls::limits::Counts;
use crate::plan::{Failure, Question, Snapshot};

/// How long after repin closed it a pull request is opened again instead of a new one.
pub const REOPENED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the base may lag behind a merge that the forge tells of.
const MERGED_MOMENTS_AGO: SignedDuration = SignedDuration::from_mins(10);
/// How long what belongs to a new pull request is added where it is missing: the process may have died in between.
const FINISHED_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// What the forge and the remote say of the pull requests of one repository.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pulls {
    /// The open ones.
    pub open: Vec<PullRequest>,
    /// The closed and merged ones of the branches that were asked for, newest first.
    pub closed: BTreeMap<Branch, Vec<PullRequest>>,
    /// Of branches that are not in [`Pulls::closed`] there are none.
    pub has_all_closed: bool,
    /// Who closed them, by number, where it was asked and the forge says it.
    pub closers: BTreeMap<u64, String>,
    /// When pull requests were opened lately.
    pub opened: Vec<Timestamp>,
    /// The branches that are there.
    pub heads: BTreeMap<Branch, Head>,
    /// The branch of the repository: groups for it need nothing in their branches that tells them from others.
    pub main: Option<Branch>,
    /// How many may be open.
    pub limits: PullLimits,
    /// Logins in lower case: what they closed refuses nothing.
    pub ignored: BTreeSet<String>,
}

/// A branch of a pull request on the remote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Head {
    /// Its newest commit.
    pub commit: CommitId,
    /// What that stands on.
    pub parents: Vec<CommitId>,
    /// Who made it.
    pub author: String,
    /// It is a commit of repin's.
    pub is_ours: bool,
    /// What its trailers say that it changes.
    pub changes: Vec<Change>,
    /// Whose it is, by its trailers.
    pub applications: Vec<(String, Option<String>)>,
    /// It cannot be merged into the base as it is; none where nobody asked.
    pub has_conflict: Option<bool>,
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
pub(super) fn settle(snapshot: &Snapshot, judgements: &mut [Judgement], proposed: Vec<Proposed<'_>>) -> Settled {
    let mut settled = Settled::default();
    let mut counts: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut wanted: BTreeSet<(&str, Branch)> = BTreeSet::new();
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
        let Some(branch) = branch::name(&one.unit, one.base, pulls.main.as_ref(), is_free) else {
            let message = format!("the group `{}` gives no name of a branch", one.unit.title());
            one.hold(judgements, None, "annotation/invalid", &message, None);
            continue;
        };
        wanted.insert((repository, branch.clone()));
        one.commit.text.branch = branch.to_string();
        let counts = counts.entry(repository).or_insert_with(|| Counts::of(pulls, snapshot.now));
        let case = Case { snapshot, pulls, branch: &branch, one: &one };
        match case.verdict(counts) {
            Verdict::Ask(question) => settled.questions.push(question),
            Verdict::Hold { pull, code, message, until, chores } => {
                one.hold(judgements, pull, code, &message, until);
                settled.chores.extend(chores);
            }
            Verdict::Write { proposal, pull } => {
                for judgement in one.judgements(judgements) {
                    judgement.pull_request = pull.map(|pull| pull.url.clone());
                    judgement.message = format!("{}, by a pull request", judgement.message);
                }
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
    if settled.questions.is_empty() {
        settled.chores.extend(obsolete::chores(snapshot, judgements, &wanted));
    }
    settled
}

/// What became of one group.
enum Verdict<'a> {
    /// Something must be known first.
    Ask(Question),
    /// It waits.
    Hold {
        pull: Option<&'a PullRequest>,
        code: &'static str,
        message: String,
        until: Option<Timestamp>,
        chores: Vec<Chore>,
    },
    /// Something is written.
    Write { proposal: Box<Proposal>, pull: Option<&'a PullRequest> },
}

/// One group, and what there is for its branch.
struct Case<'a, 'p> {
    snapshot: &'a Snapshot,
    pulls: &'a Pulls,
    branch: &'p Branch,
    one: &'p Proposed<'a>,
}

impl<'a> Case<'a, '_> {
    fn verdict(&self, counts: &mut Counts) -> Verdict<'a> {
        let open = self.pulls.open.iter().find(|pull| pull.head == *self.branch);
        let head = self.pulls.heads.get(self.branch);
        let is_forced = open.is_some_and(|pull| pull.labels.contains(LABEL_REBASE));
        if let Some(head) = head.filter(|head| !head.is_ours && !is_forced) {
            return self.foreign(open, head);
        }
        match open {
            Some(pull) => self.with_open(pull, head, is_forced),
            None => self.without_open(head, counts),
        }
    }

    /// Hands off: somebody else committed to the branch.
    fn foreign(&self, open: Option<&'a PullRequest>, head: &Head) -> Verdict<'a> {
        let message = format!(
            "{} committed {} to `{}`, and repin writes there no more until the branch is gone or the pull request has the label `{LABEL_REBASE}`",
            head.author,
            head.commit.short(),
            self.branch
        );
        let notice = Notice::Foreign { author: head.author.clone(), commit: head.commit };
        let chores = open.and_then(|pull| self.tell(pull, "foreign", notice)).into_iter().collect();
        Verdict::Hold { pull: open, code: "pull-request/foreign-commits", message, until: None, chores }
    }

    fn with_open(&self, pull: &'a PullRequest, head: Option<&Head>, is_forced: bool) -> Verdict<'a> {
        let is_written = !is_forced && head.is_some_and(|head| self.is_up_to_date(head, pull));
        let text = self.text();
        let is_told = Marker::parse(&pull.body).is_some_and(|marker| marker.text == pull_request::key(&text));
        if is_written && is_told && !self.is_unfinished(pull) {
            let message = format!("pull request #{} of {} waits to be merged: {}", pull.number, pull.author, pull.url);
            return Verdict::Hold {
                pull: Some(pull),
                code: "pull-request/open",
                message,
                until: None,
                chores: Vec::new(),
            };
        }
        let request = if is_written && is_told { Request::Finish(pull.number) } else { Request::Update(pull.number) };
        let spent = if is_forced { vec![(pull.number, LABEL_REBASE)] } else { Vec::new() };
        Verdict::Write { proposal: Box::new(self.proposal(head, is_written, request, spent)), pull: Some(pull) }
    }

    fn without_open(&self, head: Option<&Head>, counts: &mut Counts) -> Verdict<'a> {
        let closed = match self.pulls.closed.get(self.branch) {
            Some(closed) => closed.as_slice(),
            None if self.pulls.has_all_closed => &[],
            None => return Verdict::Ask(Question::Closed(self.one.base.repository.clone(), self.branch.clone())),
        };
        let now = self.snapshot.now;
        let merged = closed.iter().find(|pull| pull.state == PullState::Merged);
        let is_fresh = |pull: &&PullRequest| {
            pull.closed.is_some_and(|at| now.duration_since(at) < MERGED_MOMENTS_AGO) && self.brings_the_same(pull)
        };
        if let Some(pull) = merged.filter(is_fresh) {
            let message = format!(
                "pull request #{} was merged a moment ago, and `{}` does not show it yet",
                pull.number, pull.base
            );
            return Verdict::Hold {
                pull: Some(pull),
                code: "pull-request/merged",
                message,
                until: None,
                chores: Vec::new(),
            };
        }
        if let Some(refusal) = refusal::refusal(self.snapshot, self.pulls, closed, self.one) {
            let notice = Notice::Refused { closed_by: refusal.closed_by.clone(), values: self.values() };
            let chores = self.tell(refusal.pull, "refused", notice).into_iter().collect();
            let message = refusal.message();
            return Verdict::Hold { pull: Some(refusal.pull), code: "guard/refused", message, until: None, chores };
        }
        if let Err((message, until)) = counts.take(&self.pulls.limits, now) {
            return Verdict::Hold { pull: None, code: "pull-request/limit", message, until, chores: Vec::new() };
        }
        let newest = closed.first().filter(|pull| pull.state == PullState::Closed);
        let spent = |pull: &PullRequest| {
            if pull.labels.contains(LABEL_RETRY) { vec![(pull.number, LABEL_RETRY)] } else { Vec::new() }
        };
        let is_recent = |pull: &&PullRequest| pull.closed.is_some_and(|at| now.duration_since(at) <= REOPENED_WITHIN);
        let may_come_back = |pull: &&PullRequest| refusal::is_meant_again(self.snapshot, pull, self.one);
        let (request, spent, pull) = match newest.filter(is_recent).filter(may_come_back) {
            Some(pull) => (Request::Reopen(pull.number, pull.head_commit), spent(pull), Some(pull)),
            None => (Request::Open, Vec::new(), None),
        };
        let is_written = head.is_some_and(|head| self.holds(head) && head.parents == [self.one.head]);
        Verdict::Write { proposal: Box::new(self.proposal(head, is_written, request, spent)), pull }
    }

    fn proposal(
        &self,
        head: Option<&Head>,
        is_written: bool,
        request: Request,
        spent_labels: Vec<(u64, &'static str)>,
    ) -> Proposal {
        let wishes = &self.one.wishes;
        Proposal {
            group: self.one.unit.title(),
            text: self.text(),
            expected: head.map(|head| head.commit),
            is_written,
            request,
            spent_labels,
            people: wishes.people.clone(),
            asks_owners: wishes.asks_owners,
            is_draft: wishes.is_draft,
            auto_merge: wishes.auto_merge,
        }
    }

    fn text(&self) -> PullText {
        PullText {
            group: self.one.unit.title(),
            base: self.one.base.branch.to_string(),
            commit: self.one.commit.text.clone(),
            reopened_within: std::time::Duration::try_from(REOPENED_WITHIN).unwrap_or_default(),
            ..PullText::default()
        }
    }

    /// The branch holds what is wanted, where it is wanted.
    fn is_up_to_date(&self, head: &Head, pull: &PullRequest) -> bool {
        let is_clean = || head.has_conflict.or(pull.has_conflict) == Some(false);
        let is_on_base = head.parents == [self.one.head];
        let may_stay = self.pulls.limits.rebase == RebaseWhen::Conflict && is_clean();
        pull.base == self.one.base.branch && self.holds(head) && (is_on_base || may_stay)
    }

    /// The branch holds exactly what is wanted.
    fn holds(&self, head: &Head) -> bool {
        sorted(&head.changes) == sorted(&self.changes())
    }

    fn brings_the_same(&self, pull: &PullRequest) -> bool {
        let marker = Marker::parse(&pull.body);
        marker.is_some_and(|marker| refusal::values(&marker.changes) == refusal::values(&self.changes()))
    }

    fn changes(&self) -> Vec<Change> {
        pull_request::changes(&self.text())
    }

    fn values(&self) -> Vec<String> {
        let places = &self.one.commit.text.places;
        places.iter().map(|place| format!("{} {}", place.alias, place.new)).collect()
    }

    /// Something that belongs to a new pull request is not there yet, and nobody had time to take it away on purpose.
    fn is_unfinished(&self, pull: &PullRequest) -> bool {
        let is_new = self.snapshot.now.duration_since(pull.created) < FINISHED_WITHIN;
        let wishes = &self.one.wishes;
        let lacks_label = wishes.people.labels.iter().any(|label| !pull.labels.contains(label));
        let lacks_merge = wishes.auto_merge.is_some() && pull.is_auto_merged == Some(false);
        is_new && (lacks_label || lacks_merge)
    }

    fn tell(&self, pull: &PullRequest, what: &str, notice: Notice) -> Option<Chore> {
        let is_told = Marker::parse(&pull.body).is_some_and(|marker| marker.told.contains(what));
        let repository = self.one.base.repository.clone();
        (!is_told).then(|| Chore::Tell { repository, number: pull.number, body: pull.body.clone(), notice })
    }
}

impl Proposed<'_> {
    fn judgements<'j>(&self, judgements: &'j mut [Judgement]) -> impl Iterator<Item = &'j mut Judgement> {
        let subjects: BTreeSet<usize> = self.commit.subjects.iter().copied().collect();
        let indexed = judgements.iter_mut().enumerate();
        indexed.filter(move |(index, _)| subjects.contains(index)).map(|(_, judgement)| judgement)
    }

    fn hold(
        &self,
        judgements: &mut [Judgement],
        pull: Option<&PullRequest>,
        code: &str,
        message: &str,
        until: Option<Timestamp>,
    ) {
        for judgement in self.judgements(judgements) {
            judgement.result = OutcomeResult::Held;
            judgement.code = code.to_owned();
            judgement.message = format!("{}; {message}", judgement.message);
            judgement.until = until;
            judgement.pull_request = pull.map(|pull| pull.url.clone());
        }
    }
}

/// Says that pull requests are wanted where no forge is known.
pub(super) fn unconfigured(repository: &str) -> String {
    format!("the rules say `delivery: pull-request`, and the repository `{repository}` has no `forge`")
}

fn fail(judgements: &mut [Judgement], commit: &PlannedCommit, failure: &Failure) {
    for index in &commit.subjects {
        let Some(judgement) = judgements.get_mut(*index) else { continue };
        let (to, back) = (judgement.to.take(), judgement.look_back.take());
        *judgement = Judgement::failed(failure).with(to, back);
    }
}

fn sorted(changes: &[Change]) -> Vec<&Change> {
    let mut all: Vec<&Change> = changes.iter().collect();
    all.sort();
    all.dedup();
    all
}
