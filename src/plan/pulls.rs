//! Pull requests: one open one for each group, whatever happens (DELIVERY "Pull requests").
//!
//! The state is the forge's and the branch's alone: a pull request is found again by its branch, what it brings stands in
//! the trailers of the branch's commit, and what repin did about it in a marker that nobody sees in its body. So nothing has
//! to be remembered, and two instances come to the same end.

mod branch;
mod hold;
mod limits;
mod obsolete;
mod refusal;
mod state;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::message::pull_request::{self, Marker};
use crate::message::trailers::Change;
use crate::model::change::{ChangeSet, Chore, Notice, Proposal, PullText, Request, WrittenPlace};
use crate::model::forge::{LABEL_REBASE, LABEL_RETRY, PullRequest, PullState, RebaseWhen};
use crate::model::names::Branch;
use crate::model::tracked::RemoteBranch;
use crate::plan::group::Proposed;
use crate::plan::judge::Judgement;
use crate::plan::pulls::hold::{fail, unconfigured};
use crate::plan::pulls::limits::Counts;
use crate::plan::pulls::obsolete::Places;
pub use crate::plan::pulls::refusal::values;
pub use crate::plan::pulls::state::{Head, Pulls};
use crate::plan::{Question, Snapshot};

/// How long after repin closed it a pull request is opened again instead of a new one.
pub const REOPENED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the base may lag behind a merge that the forge tells of.
const MERGED_MOMENTS_AGO: SignedDuration = SignedDuration::from_mins(10);
/// Of how many closed ones of a branch it is asked who closed them.
const CLOSERS: usize = 3;
/// How long what belongs to a new pull request is added where it is missing: the process may have died in between.
const FINISHED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What a marker tells of a pull request that the forge was asked to merge by itself.
pub const AUTO_MERGE: &str = "auto-merge";

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
pub(super) fn settle<'a>(snapshot: &'a Snapshot, judgements: &mut [Judgement], proposed: Vec<Proposed<'a>>) -> Settled {
    let mut settled = Settled::default();
    let mut open: BTreeMap<(&str, &Branch), Vec<&'a PullRequest>> = BTreeMap::new();
    for (repository, pulls) in &snapshot.pulls {
        for pull in pulls.iter().flat_map(|pulls| &pulls.open) {
            open.entry((repository, &pull.head)).or_default().push(pull);
        }
    }
    let unsettled = obsolete::unsettled(snapshot, judgements);
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
        let case = Case { snapshot, pulls, open, unsettled: &unsettled, branch: &branch, one: &one };
        match case.verdict(counts) {
            Verdict::Ask(question) => settled.questions.push(question),
            Verdict::Hold { pull, code, message, until, chores } => {
                one.hold(judgements, pull, code, &message, until);
                settled.chores.extend(chores);
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
    if settled.questions.is_empty() && !snapshot.observe {
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
    /// The open one of the branch.
    open: Option<&'a PullRequest>,
    /// Places of which nobody knows what they want.
    unsettled: &'p Places<'a>,
    branch: &'p Branch,
    one: &'p Proposed<'a>,
}

impl<'a> Case<'a, '_> {
    fn verdict(&self, counts: &mut Counts) -> Verdict<'a> {
        let head = self.pulls.heads.get(self.branch);
        let Some(pull) = self.open else { return self.without_open(head, counts) };
        let is_forced = pull.labels.contains(LABEL_REBASE);
        match head.filter(|head| !head.is_ours && !is_forced) {
            Some(head) => self.foreign(Some(pull), head),
            None => self.with_open(pull, head, is_forced),
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
        let told = open.filter(|_| head.is_known).and_then(|pull| self.tell(pull, "foreign", notice));
        let chores = told.into_iter().collect();
        Verdict::Hold { pull: open, code: "pull-request/foreign-commits", message, until: None, chores }
    }

    fn with_open(&self, pull: &'a PullRequest, head: Option<&Head>, is_forced: bool) -> Verdict<'a> {
        if let Some(place) = head.filter(|_| !is_forced).and_then(|head| self.lost(head)) {
            let message = format!(
                "pull request #{} stays as it is, for what {place} wants cannot be said now: {}",
                pull.number, pull.url
            );
            let code = "pull-request/open";
            return Verdict::Hold { pull: Some(pull), code, message, until: None, chores: Vec::new() };
        }
        let is_written = !is_forced && head.is_some_and(|head| self.is_up_to_date(head, pull));
        let text = self.text();
        // One that was opened again still says why it was closed.
        let is_told = Marker::parse(&pull.body)
            .is_some_and(|marker| marker.text == pull_request::key(&text) && marker.closed.is_none());
        if is_written && is_told && !self.is_unfinished(pull) && !self.stops_merge(pull) {
            let message = format!("pull request #{} of {} waits to be merged: {}", pull.number, pull.author, pull.url);
            return Verdict::Hold {
                pull: Some(pull),
                code: "pull-request/open",
                message,
                until: None,
                chores: Vec::new(),
            };
        }
        let stops_merge = self.stops_merge(pull);
        // What people wrote into title and body stays as long as the change is the same.
        let request = match (is_told && !stops_merge, self.is_unfinished(pull)) {
            (false, _) => Request::Update(pull.number),
            (true, true) => Request::Finish(pull.number),
            (true, false) => Request::Keep(pull.number),
        };
        let spent = if is_forced { vec![(pull.number, LABEL_REBASE)] } else { Vec::new() };
        let proposal = Proposal { stops_merge, ..self.proposal(head, is_written, request, spent) };
        Verdict::Write { proposal: Box::new(proposal), pull: Some(pull) }
    }

    /// The forge was asked to merge it by itself, and what it brings now must not be.
    fn stops_merge(&self, pull: &PullRequest) -> bool {
        let is_asked = || Marker::parse(&pull.body).is_some_and(|marker| marker.told.contains(AUTO_MERGE));
        self.one.wishes.auto_merge.is_none() && pull.is_auto_merged != Some(false) && is_asked()
    }

    fn without_open(&self, head: Option<&Head>, counts: &mut Counts) -> Verdict<'a> {
        let ask = || Verdict::Ask(Question::Closed(self.one.base.repository.clone(), self.branch.clone()));
        let closed = match self.pulls.closed.get(self.branch) {
            Some(closed) => closed.as_slice(),
            None if self.pulls.has_all_closed => &[],
            None => return ask(),
        };
        if by_people(closed).any(|pull| !self.pulls.closers.contains_key(&pull.number)) {
            return ask();
        }
        let now = self.snapshot.now;
        let merged = closed.iter().find(|pull| pull.state == PullState::Merged);
        let is_fresh = |pull: &&PullRequest| {
            let looked = self.pulls.looked.unwrap_or(now);
            pull.closed.is_some_and(|at| looked.duration_since(at) < MERGED_MOMENTS_AGO) && self.brings_the_same(pull)
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
        // What was merged is on the base, whoever committed it.
        let newest = closed.first();
        let is_free = |head: &&Head| {
            let is_merged =
                |pull: &PullRequest| pull.state == PullState::Merged && pull.head_commit == Some(head.commit);
            let is_forced = newest.is_some_and(|pull| pull.labels.contains(LABEL_REBASE));
            head.is_ours || is_forced || closed.iter().any(is_merged)
        };
        if let Some(head) = head.filter(|head| !is_free(head)) {
            return self.foreign(None, head);
        }
        if let Err((message, until)) = counts.take(&self.pulls.limits, now) {
            return Verdict::Hold { pull: None, code: "pull-request/limit", message, until, chores: Vec::new() };
        }
        let newest = newest.filter(|pull| pull.state == PullState::Closed);
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
            stops_merge: false,
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
        self.holds(head) && (is_on_base || may_stay)
    }

    /// Finds a place that the branch changes and that would be lost because nobody knows what it wants.
    fn lost(&self, head: &Head) -> Option<String> {
        let wanted = self.changes();
        let is_wanted = |change: &Change| wanted.iter().any(|one| one.file == change.file && one.key == change.key);
        let is_unsettled =
            |change: &&Change| self.unsettled.contains(&(self.one.base, change.file.as_str(), change.key.clone()));
        let lost = head.changes.iter().filter(|change| !is_wanted(change)).find(is_unsettled)?;
        Some(format!("`{}` of {}", lost.key, lost.file))
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
        let is_of_one =
            places.iter().all(|place| Some(&place.application) == places.first().map(|one| &one.application));
        let value = |place: &WrittenPlace| {
            let of = if is_of_one { String::new() } else { format!("{} ", place.application.0) };
            format!("{of}{} {}", place.alias, place.new)
        };
        places.iter().map(value).collect()
    }

    /// Something that belongs to a new pull request is not there yet, and nobody had time to take it away on purpose.
    fn is_unfinished(&self, pull: &PullRequest) -> bool {
        let is_new = self.snapshot.now.duration_since(pull.created) < FINISHED_WITHIN;
        let wishes = &self.one.wishes;
        // Forges take two spellings of a label for one.
        let has = |label: &String| pull.labels.iter().any(|known| known.eq_ignore_ascii_case(label));
        is_new && !wishes.people.labels.iter().all(has)
    }

    fn tell(&self, pull: &PullRequest, what: &str, notice: Notice) -> Option<Chore> {
        let is_told = Marker::parse(&pull.body).is_some_and(|marker| marker.told.contains(what));
        let repository = self.one.base.repository.clone();
        (!is_told).then(|| Chore::Tell {
            repository,
            number: pull.number,
            branch: pull.head.clone(),
            body: pull.body.clone(),
            notice,
        })
    }
}

fn sorted(changes: &[Change]) -> Vec<&Change> {
    let mut all: Vec<&Change> = changes.iter().collect();
    all.sort();
    all.dedup();
    all
}
