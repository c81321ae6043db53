//! One group: what there is for its branch, and what becomes of its pull request.

use jiff::{SignedDuration, Timestamp};

use crate::message::pull_request::{self, Marker};
use crate::message::trailers::Change;
use crate::model::change::{Chore, Notice, Proposal, PullText, Request, WrittenPlace};
use crate::model::forge::{LABEL_REBASE, LABEL_RETRY, PullRequest, PullState, RebaseWhen};
use crate::model::names::Branch;
use crate::model::tracked::RemoteBranch;
use crate::plan::group::Proposed;
use crate::plan::judge::Gate;
use crate::plan::limits::Hours;
use crate::plan::pulls::limits::Counts;
use crate::plan::pulls::obsolete::Places;
use crate::plan::pulls::upstream::Upstream;
use crate::plan::pulls::{AUTO_MERGE, Head, MERGE_STOPPED, Pulls, REOPENED_WITHIN, by_people, refusal, stop_merge};

use crate::plan::{Question, Snapshot};

/// How long the base may lag behind a merge that the forge tells of.
const MERGED_MOMENTS_AGO: SignedDuration = SignedDuration::from_mins(10);
/// How long what belongs to a new pull request is added where it is missing: the process may have died in between.
const FINISHED_WITHIN: SignedDuration = SignedDuration::from_mins(10);

/// What became of one group.
pub(super) enum Verdict<'a> {
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
    /// Nobody wants the open one as it is, and what is to come in its place cannot be said now: it is closed.
    Stale { message: String },
    /// Something is written.
    Write { proposal: Box<Proposal>, pull: Option<&'a PullRequest> },
}

/// One group, and what there is for its branch.
pub(super) struct Case<'a, 'p> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) pulls: &'a Pulls,
    /// The open one of the branch.
    pub(super) open: Option<&'a PullRequest>,
    /// Places of which nobody knows what they want.
    pub(super) unsettled: &'p Places<'a>,
    pub(super) upstream: &'p Upstream<'a>,
    /// The open one brings a value that upstream does not hold any more.
    pub(super) is_stale: bool,
    pub(super) branch: &'p Branch,
    pub(super) one: &'p Proposed<'a>,
}

impl<'a> Case<'a, '_> {
    /// Gives what becomes of it; without `hours` they do not count.
    pub(super) fn verdict(&self, counts: &mut Counts, hours: Option<&mut Hours<'_>>) -> Verdict<'a> {
        let head = self.pulls.heads.get(self.branch);
        let Some(pull) = self.open else { return self.without_open(head, counts, hours) };
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
        // That the forge merges by itself what upstream took back is no work of whoever committed.
        let stopped = open.filter(|_| self.is_stale).and_then(|pull| stop_merge(&self.one.base.repository, pull));
        let chores = told.into_iter().chain(stopped).collect();
        Verdict::Hold { pull: open, code: "pull-request/foreign-commits", message, until: None, chores }
    }

    fn with_open(&self, pull: &'a PullRequest, head: Option<&Head>, is_forced: bool) -> Verdict<'a> {
        if let Some(place) = head.filter(|_| !is_forced).and_then(|head| self.lost(head)) {
            if self.is_stale {
                let message = format!(
                    "pull request #{} brings what upstream holds no more, and what {place} wants cannot be said now: it is closed, and the others follow",
                    pull.number
                );
                return Verdict::Stale { message };
            }
            let message = format!(
                "pull request #{} stays as it is, for what {place} wants cannot be said now: {}",
                pull.number, pull.url
            );
            let code = "pull-request/open";
            return Verdict::Hold { pull: Some(pull), code, message, until: None, chores: Vec::new() };
        }
        let brings = head.map_or_else(|| self.brings_the_same(pull), |head| self.holds(head));
        if let Some(verdict) = (!brings).then(|| self.refused_instead(pull, head)).flatten() {
            return verdict;
        }
        let is_written = !is_forced && head.is_some_and(|head| self.is_up_to_date(head, pull));
        let text = self.text();
        // One that was opened again still says why it was closed.
        let is_told = Marker::parse(&pull.body)
            .is_some_and(|marker| marker.text == pull_request::key(&text) && marker.closed.is_none());
        let is_told = is_told && !self.starts_merge(pull);
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

    /// What the open one would bring now is what a person refused before: then nobody wants it any more.
    fn refused_instead(&self, pull: &'a PullRequest, head: Option<&Head>) -> Option<Verdict<'a>> {
        let closed = match self.closed() {
            Ok(closed) => closed,
            Err(question) => return Some(Verdict::Ask(question)),
        };
        let refusal = refusal::refusal(self.snapshot, self.pulls, closed, self.one)?;
        let repository = self.one.base.repository.clone();
        let close = Chore::Close {
            repository,
            number: pull.number,
            branch: pull.head.clone(),
            head: head.map(|head| head.commit),
            body: pull.body.clone(),
            reason: format!("it would bring {}, and {}", self.values().join(", "), refusal.message()),
        };
        let (code, message) = ("guard/refused", refusal.message());
        Some(Verdict::Hold { pull: Some(refusal.pull), code, message, until: None, chores: vec![close] })
    }

    /// Gives the closed ones of the branch, as far as they refuse something with who closed them.
    fn closed(&self) -> Result<&'a [PullRequest], Question> {
        let ask = || Question::Closed(self.one.base.repository.clone(), self.branch.clone());
        let closed = match self.pulls.closed.get(self.branch) {
            Some(closed) => closed.as_slice(),
            None if self.pulls.has_all_closed => &[],
            None => return Err(ask()),
        };
        let is_unknown = by_people(closed).any(|pull| !self.pulls.closers.contains_key(&pull.number));
        if is_unknown { Err(ask()) } else { Ok(closed) }
    }

    /// The forge was asked to merge it by itself, and what it brings now must not be.
    fn stops_merge(&self, pull: &PullRequest) -> bool {
        let is_asked = || Marker::parse(&pull.body).is_some_and(|marker| marker.told.contains(AUTO_MERGE));
        self.one.wishes.auto_merge.is_none() && pull.is_auto_merged != Some(false) && is_asked()
    }

    /// A gate had the forge not merge it by itself, and that is over.
    fn starts_merge(&self, pull: &PullRequest) -> bool {
        let is_stopped = || Marker::parse(&pull.body).is_some_and(|marker| marker.told.contains(MERGE_STOPPED));
        self.one.wishes.auto_merge.is_some() && is_stopped()
    }

    fn without_open(&self, head: Option<&Head>, counts: &mut Counts, hours: Option<&mut Hours<'_>>) -> Verdict<'a> {
        let closed = match self.closed() {
            Ok(closed) => closed,
            Err(question) => return Verdict::Ask(question),
        };
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
        if let Some(Err(gate)) = hours.map(|hours| self.take_hour(hours)) {
            let (code, message, until) = (gate.code, gate.message, gate.until);
            return Verdict::Hold { pull: None, code, message, until, chores: Vec::new() };
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

    /// Counts its changes in the hour of their environment.
    fn take_hour(&self, hours: &mut Hours<'_>) -> Result<(), Gate> {
        let places = &self.one.commit.text.places;
        let environment = places.iter().find_map(|place| place.application.1.as_deref());
        hours.take(environment, places.len(), self.snapshot.now)
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

    /// Finds a place that the branch changes and that would be lost because nobody knows what it wants. What upstream took back
    /// is no loss.
    fn lost(&self, head: &Head) -> Option<String> {
        let wanted = self.changes();
        let RemoteBranch { repository, branch } = self.one.base;
        let is_gone = |change: &Change| self.upstream.withdrawn(repository, branch, change).is_some();
        let is_wanted = |change: &Change| wanted.iter().any(|one| one.file == change.file && one.key == change.key);
        let is_unsettled =
            |change: &&Change| self.unsettled.contains(&(self.one.base, change.file.as_str(), change.key.clone()));
        let lost = head.changes.iter().filter(|change| !is_wanted(change) && !is_gone(change)).find(is_unsettled)?;
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
