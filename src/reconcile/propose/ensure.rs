//! What the forge has to do for one pull request: each step leaves what is done already as it is.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{info, warn};

use crate::forge::{Forge, ForgeError};
use crate::message::pull_request::{self, Comment, FORMAT, Marker, Rendered};
use crate::message::trailers::Change;
use crate::model::change::{Notice, PullText, Request};
use crate::model::forge::{NewPullRequest, Project, PullPeople, PullRequest, PullState, PullUpdate};
use crate::model::names::Branch;
use crate::plan::pulls::{AUTO_MERGE, MERGE_STOPPED, REOPENED_WITHIN, values};
use crate::reconcile::failpoint;
use crate::reconcile::propose::job::Job;

/// What came of one pull request.
pub(super) struct Ensured {
    pub(super) url: String,
    /// What the forge did not take.
    pub(super) warnings: Vec<String>,
}

/// A project on its forge.
pub(super) struct At<'a> {
    pub(super) forge: &'a Forge,
    pub(super) project: &'a Project,
    pub(super) repository: &'a str,
    /// Which configuration this is.
    pub(super) instance: &'a str,
}

impl At<'_> {
    /// Has the pull request be there, with everything that belongs to it.
    pub(super) async fn ensure(&self, job: &Job) -> Result<Ensured, ForgeError> {
        let (set, proposal) = (&job.set, &job.proposal);
        let mut warnings = Vec::new();
        let pull = match proposal.request {
            Request::Keep(number) | Request::Finish(number) => match &job.pull {
                Some(pull) => pull.clone(),
                None => self.known(number).await?,
            },
            Request::Update(number) | Request::Reopen(number, _) => {
                let before = job.pull.as_ref().and_then(|pull| Marker::parse(&pull.body));
                // What people were told of the state before counts no more.
                let told = before.as_ref().filter(|_| !job.is_pushed).map(|marker| marker.told.clone());
                let Rendered { title, body, .. } = self.render(job, told.unwrap_or_default());
                let update = PullUpdate { title: Some(title), body: Some(body), is_open: None };
                let pull = self.forge.update(self.project, number, &update).await?;
                let old = before.map(|marker| marker.changes).unwrap_or_default();
                if job.is_pushed && values(&old) != values(&pull_request::changes(&proposal.text)) {
                    self.tell_of_update(number, &proposal.text, &old).await;
                }
                pull
            }
            Request::Open => {
                let Rendered { title, body, .. } = self.render(job, BTreeSet::new());
                let (head, base) = (set.branch.clone(), set.base.clone());
                let new = NewPullRequest { head, base, title, body, is_draft: proposal.is_draft };
                match self.forge.open(self.project, &new).await {
                    Ok(pull) => pull,
                    // Another instance was faster, or the answer to us was lost.
                    Err(ForgeError::Exists { place }) => {
                        let open = self.forge.open_pulls(self.project, set.branch.as_str()).await?;
                        let found = open.into_iter().find(|pull| pull.head == set.branch);
                        found.ok_or(ForgeError::Exists { place })?
                    }
                    Err(error) => return Err(error),
                }
            }
        };
        failpoint::reach("pulls-opened");
        if pull.state != PullState::Open {
            // Somebody merged or closed it meanwhile: everything is decided again.
            let reason = format!("pull request #{} is open no more", pull.number);
            return Err(ForgeError::Moved { place: self.place(), reason });
        }
        let is_first = !matches!(proposal.request, Request::Update(_) | Request::Keep(_));
        if is_first {
            warnings.extend(self.ask(job, &pull).await?);
        }
        for (number, label) in &proposal.spent_labels {
            self.forge.remove_label(self.project, *number, label).await?;
        }
        warnings.extend(self.have_merged(job, &pull).await?);
        if is_first {
            warnings.extend(self.label(job, &pull).await?);
        }
        info!(
            repository = self.repository,
            number = pull.number,
            url = pull.url,
            "pull request #{} holds it",
            pull.number
        );
        Ok(Ensured { url: pull.url, warnings })
    }

    /// Has the forge merge it by itself, where that is wished. A person who switched it off meant it, as long as the change
    /// is the same.
    async fn have_merged(&self, job: &Job, pull: &PullRequest) -> Result<Option<String>, ForgeError> {
        let was = job.pull.as_ref().and_then(|pull| pull.is_auto_merged);
        let is_wished = match job.proposal.request {
            // Some forges forget it with each push.
            Request::Keep(_) => job.is_pushed && was != Some(false),
            Request::Finish(_) => was != Some(true),
            Request::Open | Request::Reopen(..) | Request::Update(_) => true,
        };
        let Some(method) = job.proposal.auto_merge.filter(|_| is_wished) else { return Ok(None) };
        match self.forge.auto_merge(self.project, pull, method).await {
            Ok(()) => Ok(None),
            Err(error @ ForgeError::Refused { .. }) => {
                Ok(Some(format!("pull request #{} is not merged by itself: {error}", pull.number)))
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&self, job: &Job, pull: &PullRequest) -> Result<Vec<String>, ForgeError> {
        let mut people = PullPeople { labels: BTreeSet::new(), ..job.proposal.people.clone() };
        people.reviewers.extend(job.owners.iter().cloned());
        people.reviewers.retain(|login| !login.eq_ignore_ascii_case(&pull.author));
        self.add(pull, &people).await
    }

    /// Labels come last: they say that all of it was done.
    async fn label(&self, job: &Job, pull: &PullRequest) -> Result<Vec<String>, ForgeError> {
        let labels = job.proposal.people.labels.clone();
        self.add(pull, &PullPeople { labels, ..PullPeople::default() }).await
    }

    async fn add(&self, pull: &PullRequest, people: &PullPeople) -> Result<Vec<String>, ForgeError> {
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let said = |name: String| format!("pull request #{}: the forge does not take `{name}`", pull.number);
        Ok(self.forge.ask(self.project, pull, people).await?.into_iter().map(said).collect())
    }

    fn place(&self) -> String {
        format!("{} {}", self.forge.options().api_url.host_str().unwrap_or_default(), self.project)
    }

    async fn known(&self, number: u64) -> Result<PullRequest, ForgeError> {
        let gone = ForgeError::BadAnswer { place: self.place(), reason: format!("pull request #{number} is gone") };
        self.forge.pull(self.project, number).await?.ok_or(gone)
    }

    fn render(&self, job: &Job, mut told: BTreeSet<String>) -> Rendered {
        told.remove(AUTO_MERGE);
        told.remove(MERGE_STOPPED);
        if job.proposal.auto_merge.is_some() {
            told.insert(AUTO_MERGE.to_owned());
        }
        let text = &job.proposal.text;
        let marker = Marker {
            format: FORMAT,
            branch: job.set.branch.to_string(),
            changes: pull_request::changes(text),
            more: 0,
            text: pull_request::key(text),
            closed: None,
            told,
            by: self.instance.to_owned(),
        };
        pull_request::render(text, &marker)
    }

    /// Tells people who have taken part what became of what they looked at. That it fails undoes nothing.
    async fn tell_of_update(&self, number: u64, text: &PullText, old: &[Change]) {
        let comment = async {
            if self.forge.is_discussed(self.project, number).await? {
                let Comment { mark, text } = pull_request::updated(text, old);
                self.forge.comment_once(self.project, number, &mark, &text).await?;
            }
            Ok::<(), ForgeError>(())
        };
        if let Err(error) = comment.await {
            warn!("pull request #{number} is updated, and nobody was told: {error}");
        }
    }

    /// Closes a pull request, and says why: in its body for repin itself, in a comment for people.
    pub(super) async fn close(&self, number: u64, branch: &Branch, body: &str, reason: &str) -> Result<(), ForgeError> {
        let within = Duration::try_from(REOPENED_WITHIN).unwrap_or_default();
        let Comment { mark, text } = pull_request::closed(reason, within);
        let mut marker = Marker::parse(body).unwrap_or_else(|| empty(branch));
        marker.closed = Some(reason.to_owned());
        let body = Some(pull_request::replace(body, &marker));
        let update = PullUpdate { title: None, body, is_open: Some(false) };
        self.forge.update(self.project, number, &update).await?;
        self.forge.comment_once(self.project, number, &mark, &text).await
    }

    /// Says something in a comment, once, and remembers in the body that it was said.
    pub(super) async fn tell(
        &self,
        number: u64,
        branch: &Branch,
        body: &str,
        notice: &Notice,
    ) -> Result<(), ForgeError> {
        let Comment { mark, text } = pull_request::notice(notice);
        self.forge.comment_once(self.project, number, &mark, &text).await?;
        let what = match notice {
            Notice::Foreign { .. } => "foreign",
            Notice::Refused { .. } => "refused",
        };
        self.note(number, branch, body, what).await
    }

    /// Has the forge not merge it by itself, and remembers in the body that it is to be asked again.
    pub(super) async fn stop_merge(&self, pull: &PullRequest) -> Result<(), ForgeError> {
        self.forge.stop_auto_merge(self.project, pull).await?;
        let mut marker = Marker::parse(&pull.body).unwrap_or_else(|| empty(&pull.head));
        marker.told.remove(AUTO_MERGE);
        marker.told.insert(MERGE_STOPPED.to_owned());
        let body = Some(pull_request::replace(&pull.body, &marker));
        self.forge.update(self.project, pull.number, &PullUpdate { title: None, body, is_open: None }).await.map(drop)
    }

    /// Notes in the body that something was said or tried, so that it is not again.
    async fn note(&self, number: u64, branch: &Branch, body: &str, what: &str) -> Result<(), ForgeError> {
        let mut marker = Marker::parse(body).unwrap_or_else(|| empty(branch));
        if !marker.told.insert(what.to_owned()) {
            return Ok(());
        }
        let body = Some(pull_request::replace(body, &marker));
        self.forge.update(self.project, number, &PullUpdate { title: None, body, is_open: None }).await.map(drop)
    }
}

fn empty(branch: &Branch) -> Marker {
    Marker {
        format: FORMAT,
        branch: branch.to_string(),
        changes: Vec::new(),
        more: 0,
        text: String::new(),
        closed: None,
        told: BTreeSet::new(),
        by: String::new(),
    }
}
