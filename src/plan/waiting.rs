//! The open pull requests of repin and what each waits for, and what waits for a pull request: what `pulls` shows.
//!
//! A view of the snapshot and of the decision of a cycle that writes nothing.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use crate::message::pull_request::Marker;
use crate::message::trailers::Change;
use crate::model::change::{ChangeSet, Chore, Request};
use crate::model::forge::{BRANCH_PREFIX, PullRequest};
use crate::model::outcome::Outcome;
use crate::model::text::plain;
use crate::plan::Snapshot;
use crate::plan::pulls::Head;

/// An open pull request of repin.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct OpenPull {
    /// Name of the configured repository.
    pub repository: String,
    /// Its number.
    pub number: u64,
    /// Where people read it.
    pub url: String,
    /// Its title.
    pub title: String,
    /// What is changed together.
    pub group: String,
    /// The branch that it brings.
    pub branch: String,
    /// The branch that it is for.
    pub base: String,
    /// When it was opened.
    pub opened: Timestamp,
    /// How long ago that was.
    pub seconds: i64,
    /// When anything of it changed last.
    pub updated: Timestamp,
    /// Login of who opened it.
    pub author: String,
    /// It is not meant to be merged yet.
    pub draft: bool,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// What it changes.
    pub changes: Vec<PulledChange>,
    /// What it waits for; never empty.
    pub waits_for: Vec<Wait>,
}

/// One value that a pull request changes.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PulledChange {
    /// The file.
    pub file: String,
    /// The key path.
    pub key: String,
    /// The image without tag.
    pub image: String,
    /// What stands there.
    pub old: Option<String>,
    /// What comes there.
    pub new: String,
    /// The digest that it had.
    pub digest: Option<String>,
}

/// What a pull request waits for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Wait {
    /// `review`, `checks`, `draft`, `conflict`, `foreign-commits`, `next-cycle` or `hold`.
    pub what: &'static str,
    /// The code of the outcome that says so.
    pub code: Option<String>,
    /// The same in words.
    pub message: String,
}

/// A place whose change is brought by no open pull request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct WaitingPlace {
    /// `namespace/name`.
    pub application: String,
    /// The alias.
    pub alias: String,
    /// Environment that the rules give to the place.
    pub environment: Option<String>,
    /// Name of the configured repository.
    pub repository: String,
    /// The file.
    pub file: Option<String>,
    /// The key path.
    pub key: Option<String>,
    /// What stands there.
    pub from: Option<String>,
    /// What the policy wants there.
    pub to: Option<String>,
    /// The code of the outcome; `pending` where the next cycle opens one.
    pub code: String,
    /// Why, in one sentence.
    pub message: String,
    /// When it ends, if that is known.
    pub until: Option<Timestamp>,
}

/// What a cycle decided about pull requests.
pub struct Decided<'a> {
    /// One outcome for each subject of the snapshot.
    pub outcomes: &'a [Outcome],
    /// What would be written.
    pub changes: &'a [ChangeSet],
    /// What would be done besides.
    pub chores: &'a [Chore],
}

/// Tells of open pull requests, oldest first, and of the places that wait for one.
pub fn waiting(snapshot: &Snapshot, decided: &Decided<'_>) -> (Vec<OpenPull>, Vec<WaitingPlace>) {
    let mut by_url: HashMap<&str, Vec<&Outcome>> = HashMap::new();
    for outcome in decided.outcomes {
        if let Some(url) = &outcome.pull_request {
            by_url.entry(url).or_default().push(outcome);
        }
    }
    let mut open = Vec::new();
    for (repository, pulls) in &snapshot.pulls {
        let Ok(pulls) = pulls else { continue };
        for pull in &pulls.open {
            let head = pulls.heads.get(&pull.head);
            let marker = Marker::parse(&pull.body);
            // Anybody may call a branch so.
            if marker.is_none() && !head.is_some_and(|head| head.is_ours) {
                continue;
            }
            let outcomes = by_url.get(pull.url.as_str()).map(Vec::as_slice).unwrap_or_default();
            let case = Case { repository, pull, head, outcomes, decided };
            open.push(case.shown(snapshot.now, marker.as_ref()));
        }
    }
    open.sort_by(|one, other| {
        (one.opened, &one.repository, one.number).cmp(&(other.opened, &other.repository, other.number))
    });
    let urls: BTreeSet<&str> = open.iter().map(|pull| pull.url.as_str()).collect();
    let opened: BTreeSet<usize> = decided
        .changes
        .iter()
        .filter(|set| {
            set.proposal.as_ref().is_some_and(|one| matches!(one.request, Request::Open | Request::Reopen(..)))
        })
        .flat_map(|set| set.commits.iter().flat_map(|commit| &commit.subjects).copied())
        .collect();
    let waits = decided.outcomes.iter().enumerate().filter(|(index, outcome)| {
        let is_about_one = outcome.code.starts_with("pull-request/")
            || outcome.code.starts_with("forge/")
            || outcome.code == "guard/refused";
        let has_one = outcome.pull_request.as_deref().is_some_and(|url| urls.contains(url));
        (is_about_one && !has_one) || opened.contains(index)
    });
    let places = waits.map(|(_, outcome)| waiting_place(outcome)).collect();
    (open, places)
}

fn waiting_place(outcome: &Outcome) -> WaitingPlace {
    WaitingPlace {
        application: outcome.application.clone(),
        alias: outcome.alias.clone(),
        environment: outcome.environment.clone(),
        repository: outcome.repository.clone(),
        file: outcome.file.clone(),
        key: outcome.key.clone(),
        from: outcome.from.clone(),
        to: outcome.to.clone(),
        code: outcome.code.clone(),
        message: plain(&outcome.message),
        until: outcome.until,
    }
}

/// One open pull request, and everything that is known of it.
struct Case<'a> {
    repository: &'a str,
    pull: &'a PullRequest,
    head: Option<&'a Head>,
    outcomes: &'a [&'a Outcome],
    decided: &'a Decided<'a>,
}

impl Case<'_> {
    fn shown(&self, now: Timestamp, marker: Option<&Marker>) -> OpenPull {
        let pull = self.pull;
        let of_branch = self.head.filter(|head| head.is_ours && !head.changes.is_empty()).map(|head| &head.changes);
        let changes = of_branch.or(marker.map(|marker| &marker.changes)).map(Vec::as_slice).unwrap_or_default();
        let group = self.set().and_then(|set| set.proposal.as_ref()).map(|proposal| proposal.group.clone());
        let branch = pull.head.to_string();
        OpenPull {
            repository: self.repository.to_owned(),
            number: pull.number,
            url: plain(&pull.url),
            title: plain(&pull.title),
            group: group.unwrap_or_else(|| branch.trim_start_matches(BRANCH_PREFIX).to_owned()),
            base: pull.base.to_string(),
            opened: pull.created,
            seconds: now.duration_since(pull.created).as_secs().max(0),
            updated: pull.updated,
            author: plain(&pull.author),
            draft: pull.is_draft,
            labels: pull.labels.iter().map(|label| plain(label)).collect(),
            changes: changes.iter().map(pulled).collect(),
            waits_for: self.waits(),
            branch,
        }
    }

    /// What would be written to its branch.
    fn set(&self) -> Option<&ChangeSet> {
        let is_it = |set: &&ChangeSet| {
            set.proposal.is_some() && set.repository == self.repository && set.branch == self.pull.head
        };
        self.decided.changes.iter().find(is_it)
    }

    fn waits(&self) -> Vec<Wait> {
        let pull = self.pull;
        let plain_wait = |what, message: &str| Wait { what, code: None, message: message.to_owned() };
        let mut waits = Vec::new();
        let mut seen = BTreeSet::new();
        for outcome in
            self.outcomes.iter().filter(|outcome| !matches!(outcome.code.as_str(), "pull-request/open" | "pending"))
        {
            if seen.insert((&outcome.code, &outcome.message)) {
                let what = if outcome.code == "pull-request/foreign-commits" { "foreign-commits" } else { "hold" };
                waits.push(Wait { what, code: Some(outcome.code.clone()), message: plain(&outcome.message) });
            }
        }
        let closing = self.decided.chores.iter().find_map(|chore| match chore {
            Chore::Close { repository, number, reason, .. }
                if repository == self.repository && *number == pull.number =>
            {
                Some(reason)
            }
            _ => None,
        });
        if let Some(reason) = closing {
            waits.push(plain_wait("next-cycle", &format!("it is closed: {}", plain(reason))));
            return waits;
        }
        if self.set().is_some() {
            waits.push(plain_wait("next-cycle", "its branch or its text is brought up to date"));
        }
        if let Some(head) = self.head.filter(|head| !head.is_ours)
            && !waits.iter().any(|wait| wait.what == "foreign-commits")
        {
            let message = format!("{} committed {} to its branch", plain(&head.author), head.commit.short());
            waits.push(plain_wait("foreign-commits", &message));
        }
        if self.head.and_then(|head| head.has_conflict).or(pull.has_conflict) == Some(true) {
            waits.push(plain_wait("conflict", "it cannot be merged into its base as it is"));
        }
        if pull.is_draft {
            waits.push(plain_wait("draft", "it is a draft: a person says when it is ready"));
        }
        if waits.is_empty() {
            waits.push(if pull.is_auto_merged == Some(true) {
                plain_wait("checks", "the forge merges it as soon as its conditions hold")
            } else {
                plain_wait("review", "a person has to review and merge it")
            });
        }
        waits
    }
}

fn pulled(change: &Change) -> PulledChange {
    PulledChange {
        file: plain(&change.file),
        key: plain(&change.key),
        image: plain(&change.image),
        old: change.old.as_deref().map(plain),
        new: plain(&change.new),
        digest: change.digest.as_deref().map(plain),
    }
}
