//! Gitea and Forgejo: pull requests over their REST API, version 1, as far as both have it.
//!
//! A draft is a title that begins with `WIP:`. Lists cannot be filtered by branch, and answers have no entity tags.
//! Documents: the OpenAPI documents of Gitea 1.22 and Forgejo 11.

mod people;
mod source;

use std::collections::BTreeSet;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value, json};
use url::Url;

use crate::forge::Options;
use crate::forge::answer::Answer;
use crate::forge::client::{Client, Dialect, Until};
use crate::forge::draft::Drafts;
use crate::forge::error::ForgeError;
use crate::forge::json::{branch, commit, flag, link, list, number, owned, text, time};
use crate::model::forge::{ForgeIdentity, MergeMethod, NewPullRequest, Project, PullRequest, PullState, PullUpdate};
use crate::model::names::Branch;

const DIALECT: Dialect = Dialect { accept: "application/json", headers: &[], scheme: "token", takes_basic: true };
/// Entries of a page; the most that a server gives unless it is told otherwise.
const PAGE: (&str, &str) = ("limit", "50");
/// Pages that are read for the closed pull requests of one branch: the lists know no branches.
const CLOSED_PAGES: usize = 200;
const DRAFTS: Drafts = Drafts { own: "WIP:", known: &["wip:", "[wip]"] };

/// One Gitea or Forgejo as one account sees it.
#[derive(Debug)]
pub(super) struct Gitea {
    client: Client,
}

impl Gitea {
    pub(super) fn new(options: &Options) -> Result<Self, ForgeError> {
        Ok(Self { client: Client::new(options, &DIALECT)? })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) async fn identity(&self, project: &Project) -> Result<ForgeIdentity, ForgeError> {
        let answer = self.client.get(project, self.client.url(&["user"], &[])).await?;
        let user = answer.ok()?;
        let login = text(&user, "/login").ok_or_else(|| answer.bad("the user has no login"))?;
        // Who keeps an address private has this one, on servers that were not told otherwise.
        let mut emails = BTreeSet::from([format!("{login}@noreply.{}", self.client.web_host())]);
        emails.extend(text(&user, "/email").filter(|email| email.contains('@')).map(str::to_owned));
        Ok(ForgeIdentity { login: login.to_owned(), emails })
    }

    pub(super) async fn open_pulls(&self, project: &Project, prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let url = self.at(project, &["pulls"], &[("state", "open"), PAGE]);
        let found = self.client.pages(project, url, Until::End).await?;
        self.own_pulls(project, &found, prefix)
    }

    pub(super) async fn closed_pulls(
        &self,
        project: &Project,
        prefix: &str,
        since: Timestamp,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let found = self.client.pages(project, self.closed(project), Until::Changed("/updated_at", since)).await?;
        self.own_pulls(project, &found, prefix)
    }

    pub(super) async fn closed_pulls_of(
        &self,
        project: &Project,
        head: &Branch,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let found = self.client.pages(project, self.closed(project), Until::Pages(CLOSED_PAGES)).await?;
        self.own_pulls(project, &found, head.as_str())
    }

    fn closed(&self, project: &Project) -> Url {
        self.at(project, &["pulls"], &[("state", "closed"), ("sort", "recentupdate"), PAGE])
    }

    pub(super) async fn pull(&self, project: &Project, number: u64) -> Result<Option<PullRequest>, ForgeError> {
        let answer = self.client.get(project, self.one(project, number, &[])).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        if !is_own(&found) {
            return Ok(None);
        }
        self.read(project, &found).map(Some).ok_or_else(|| answer.bad("a pull request lacks fields"))
    }

    pub(super) async fn open(&self, project: &Project, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        let body = json!({
            "title": DRAFTS.titled(&new.title, new.is_draft), "head": new.head.as_str(), "base": new.base.as_str(),
            "body": new.body,
        });
        let answer = self.client.write(project, Method::POST, self.at(project, &["pulls"], &[]), Some(&body)).await?;
        self.written(project, &answer)
    }

    pub(super) async fn update(
        &self,
        project: &Project,
        number: u64,
        update: &PullUpdate,
    ) -> Result<PullRequest, ForgeError> {
        let mut body = Map::new();
        if let Some(title) = &update.title {
            // Whether it is a draft is part of the title, and stays as it is.
            let found = self.client.get(project, self.one(project, number, &[])).await?.ok()?;
            let is_draft = DRAFTS.is_draft(text(&found, "/title").unwrap_or_default());
            body.insert("title".to_owned(), json!(DRAFTS.titled(title, is_draft)));
        }
        body.extend(update.body.as_ref().map(|text| ("body".to_owned(), json!(text))));
        let state = |is_open| if is_open { "open" } else { "closed" };
        body.extend(update.is_open.map(|is_open| ("state".to_owned(), json!(state(is_open)))));
        let url = self.one(project, number, &[]);
        let answer = self.client.write(project, Method::PATCH, url, Some(&Value::Object(body))).await?;
        self.written(project, &answer)
    }

    pub(super) async fn auto_merge(
        &self,
        project: &Project,
        pull: &PullRequest,
        method: MergeMethod,
    ) -> Result<(), ForgeError> {
        let head = pull.head_commit.map(|id| id.to_string());
        // Gitea merges at once what waits for nothing, also where no check has begun yet.
        let status = self.at(project, &["commits", head.as_deref().unwrap_or(pull.head.as_str()), "status"], &[]);
        let has_checks = self
            .client
            .get(project, status)
            .await?
            .found()?
            .is_some_and(|status| number(&status, "/total_count").is_some_and(|count| count > 0));
        if !has_checks {
            let answer = self.client.get(project, self.at(project, &["branches", pull.base.as_str()], &[])).await?;
            let base = answer.ok()?;
            let is_guarded = flag(&base, "/enable_status_check") == Some(true)
                || number(&base, "/required_approvals").is_some_and(|count| count > 0);
            if !is_guarded {
                return Err(answer.refused(format!(
                    "it has no checks and `{}` requires none, so nothing is left to wait for",
                    pull.base
                )));
            }
        }
        let style = match method {
            MergeMethod::Merge => "merge",
            MergeMethod::Squash => "squash",
            MergeMethod::Rebase => "rebase",
        };
        let mut body =
            Map::from_iter([("Do".to_owned(), json!(style)), ("merge_when_checks_succeed".to_owned(), json!(true))]);
        body.extend(head.map(|head| ("head_commit_id".to_owned(), json!(head))));
        let url = self.one(project, pull.number, &["merge"]);
        let answer = self.client.write(project, Method::POST, url, Some(&Value::Object(body))).await?;
        let words = answer.words();
        // That it waits already is what was asked for.
        if answer.status.as_u16() == 409 && words.contains("already scheduled") {
            return Ok(());
        }
        if answer.status.as_u16() == 409 && words.contains("head out of date") {
            return Err(ForgeError::Moved { place: answer.place.clone(), reason: words });
        }
        answer.done()
    }

    pub(super) async fn stop_auto_merge(&self, project: &Project, number: u64) -> Result<(), ForgeError> {
        let url = self.one(project, number, &["merge"]);
        let answer = self.client.write(project, Method::DELETE, url, None).await?;
        // Gitea says 404 where nothing is scheduled.
        if answer.status.as_u16() == 404 { Ok(()) } else { answer.done() }
    }

    fn written(&self, project: &Project, answer: &Answer) -> Result<PullRequest, ForgeError> {
        if answer.status.as_u16() == 409 {
            return Err(ForgeError::Exists { place: answer.place.clone() });
        }
        self.read(project, &answer.ok()?).ok_or_else(|| answer.bad("a pull request lacks fields"))
    }

    /// Gives a URL below a project.
    fn at(&self, project: &Project, rest: &[&str], query: &[(&str, &str)]) -> Url {
        self.client.url(&[&["repos", project.owner(), project.name()], rest].concat(), query)
    }

    /// Gives the URL of a pull request, or below it.
    fn one(&self, project: &Project, number: u64, rest: &[&str]) -> Url {
        self.at(project, &[&["pulls", &number.to_string()], rest].concat(), &[])
    }

    /// Reads those of a list that are within the project and have such a head.
    fn own_pulls(&self, project: &Project, found: &[Value], prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let is_ours = |pull: &Value| head(pull).is_some_and(|head| head.starts_with(prefix)) && is_own(pull);
        self.client.read_all(project, found, is_ours, |pull| self.read(project, pull))
    }

    fn read(&self, project: &Project, pull: &Value) -> Option<PullRequest> {
        let number = number(pull, "/number")?;
        let merged = time(pull, "/merged_at").filter(|_| flag(pull, "/merged") == Some(true));
        let state = match (text(pull, "/state")?, merged) {
            ("open", _) => PullState::Open,
            (_, Some(_)) => PullState::Merged,
            (_, None) => PullState::Closed,
        };
        let title = text(pull, "/title").unwrap_or_default();
        let is_draft = DRAFTS.is_draft(title) || flag(pull, "/draft") == Some(true);
        let is_mergeable = flag(pull, "/mergeable").filter(|_| state == PullState::Open);
        Some(PullRequest {
            number,
            url: link(pull, "/html_url", self.client.page(project, &format!("pulls/{number}"))),
            title: DRAFTS.untitled(title).to_owned(),
            body: owned(pull, "/body"),
            state,
            head: head(pull)?.parse().ok()?,
            head_commit: commit(pull, "/head/sha"),
            base: branch(pull, "/base/ref")?,
            is_draft,
            labels: list(pull, "/labels").iter().filter_map(|label| text(label, "/name")).map(str::to_owned).collect(),
            author: owned(pull, "/user/login"),
            created: time(pull, "/created_at")?,
            updated: time(pull, "/updated_at")?,
            closed: time(pull, "/closed_at").or(merged),
            merge_commit: merged.and_then(|_| commit(pull, "/merge_commit_sha")),
            // No draft is mergeable for Gitea, so of one it says nothing of conflicts.
            has_conflict: is_mergeable.filter(|_| !is_draft).map(|is_mergeable| !is_mergeable),
            is_auto_merged: None,
        })
    }
}

/// Gives the name of the head. Of a branch that is gone `ref` is the reference that Gitea keeps, and `label` the name.
fn head(pull: &Value) -> Option<&str> {
    text(pull, "/head/ref").filter(|kept| !kept.starts_with("refs/pull/")).or_else(|| text(pull, "/head/label"))
}

fn is_own(pull: &Value) -> bool {
    let (head, base) = (number(pull, "/head/repo_id"), number(pull, "/base/repo_id"));
    head.is_some() && head == base
}
