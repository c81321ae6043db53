//! GitLab: merge requests over its REST API, version 4.
//!
//! A draft is a title that begins with `Draft:`; the prefix is taken off what is given back and put on what is written.
//! Documents: GitLab, "Merge requests API", "Notes API", "Merge request approvals API", "Commits API", "Repositories API".

mod people;
mod source;

use std::collections::BTreeSet;

use jiff::{Timestamp, ToSpan};
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
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// Personal, project, group and OAuth tokens are all taken as bearer tokens; passwords are not taken at all.
const DIALECT: Dialect = Dialect { accept: "application/json", headers: &[], scheme: "Bearer", takes_basic: false };
/// Entries of a page; the most that GitLab gives.
const PAGE: (&str, &str) = ("per_page", "100");
/// Pages that are read of the closed merge requests of one branch.
const CLOSED_PAGES: usize = 5;
/// The last ones are those of old servers.
const DRAFTS: Drafts = Drafts { own: "Draft:", known: &["draft:", "[draft]", "(draft)", "wip:", "[wip]"] };

/// One GitLab as one account sees it.
#[derive(Debug)]
pub(super) struct GitLab {
    client: Client,
}

impl GitLab {
    pub(super) fn new(options: &Options) -> Result<Self, ForgeError> {
        Ok(Self { client: Client::new(options, &DIALECT)? })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) async fn identity(&self, project: &Project) -> Result<ForgeIdentity, ForgeError> {
        let answer = self.client.get(project, self.client.url(&["user"], &[])).await?;
        let user = answer.ok()?;
        let login = text(&user, "/username").ok_or_else(|| answer.bad("the user has no name"))?;
        let said = ["/commit_email", "/email", "/public_email"].iter().filter_map(|at| text(&user, at));
        let mut emails: BTreeSet<String> = said.filter(|email| email.contains('@')).map(str::to_owned).collect();
        let host = self.client.web_host();
        emails.extend(number(&user, "/id").map(|id| format!("{id}-{login}@users.noreply.{host}")));
        Ok(ForgeIdentity { login: login.to_owned(), emails })
    }

    pub(super) async fn open_pulls(&self, project: &Project, prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let url = self.at(project, &["merge_requests"], &[("state", "opened"), PAGE]);
        let found = self.client.pages(project, url, Until::End).await?;
        self.own_pulls(project, &found, prefix)
    }

    pub(super) async fn closed_pulls(
        &self,
        project: &Project,
        prefix: &str,
        since: Timestamp,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        // Closed and merged ones are two states, so all are asked for. From the day before on, so that the question stays
        // the same for a day and can be answered with "not modified".
        let day = (since - 24.hours()).strftime("%Y-%m-%dT00:00:00Z").to_string();
        let query = [("state", "all"), ("order_by", "updated_at"), ("sort", "desc"), ("updated_after", &day), PAGE];
        let url = self.at(project, &["merge_requests"], &query);
        let found = self.client.pages(project, url, Until::Changed("/updated_at", since)).await?;
        self.own_pulls(project, &found, prefix)
    }

    pub(super) async fn closed_pulls_of(
        &self,
        project: &Project,
        head: &Branch,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let url = self.at(project, &["merge_requests"], &[("state", "all"), ("source_branch", head.as_str()), PAGE]);
        let found = self.client.pages(project, url, Until::Pages(CLOSED_PAGES)).await?;
        self.own_pulls(project, &found, head.as_str())
    }

    pub(super) async fn pull(&self, project: &Project, number: u64) -> Result<Option<PullRequest>, ForgeError> {
        let answer = self.client.get(project, self.one(project, number, &[])).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        if !is_own(&found) {
            return Ok(None);
        }
        self.read(project, &found).map(Some).ok_or_else(|| answer.bad("a merge request lacks fields"))
    }

    pub(super) async fn open(&self, project: &Project, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        let body = json!({
            "source_branch": new.head.as_str(), "target_branch": new.base.as_str(),
            "title": DRAFTS.titled(&new.title, new.is_draft), "description": new.body,
        });
        let url = self.at(project, &["merge_requests"], &[]);
        let answer = self.client.write(project, Method::POST, url, Some(&body)).await?;
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
            body.insert("title".to_owned(), json!(DRAFTS.titled(title, is_draft(&found))));
        }
        body.extend(update.body.as_ref().map(|text| ("description".to_owned(), json!(text))));
        let event = |is_open| if is_open { "reopen" } else { "close" };
        body.extend(update.is_open.map(|is_open| ("state_event".to_owned(), json!(event(is_open)))));
        let url = self.one(project, number, &[]);
        let answer = self.client.write(project, Method::PUT, url, Some(&Value::Object(body))).await?;
        self.written(project, &answer)
    }

    pub(super) async fn auto_merge(
        &self,
        project: &Project,
        pull: &PullRequest,
        method: MergeMethod,
    ) -> Result<(), ForgeError> {
        let answer = self.client.get(project, self.one(project, pull.number, &[])).await?;
        let found = answer.ok()?;
        if flag(&found, "/merge_when_pipeline_succeeds") == Some(true) {
            return Ok(());
        }
        // GitLab merges at once what waits for nothing, also where the pipeline has not been made yet.
        if !found.get("head_pipeline").is_some_and(Value::is_object) {
            match text(&found, "/detailed_merge_status").or_else(|| text(&found, "/merge_status")) {
                Some("mergeable" | "can_be_merged") => {
                    return Err(
                        answer.refused("it has no pipeline and needs no approval, so nothing is left to wait for")
                    );
                }
                Some(status) if !is_unchecked(status) => {}
                _ => return Err(answer.refused("GitLab has not looked yet whether it can be merged")),
            }
        }
        if method == MergeMethod::Rebase {
            let set = self.client.get(project, self.at(project, &[], &[])).await?;
            let set = owned(&set.ok()?, "/merge_method");
            if !matches!(set.as_str(), "ff" | "rebase_merge") {
                return Err(
                    answer.refused("the project merges with merge commits; its merge method is set in the project")
                );
            }
        }
        let mut body = json!({
            // The second is the name that servers before 17.11 know.
            "auto_merge": true, "merge_when_pipeline_succeeds": true, "squash": method == MergeMethod::Squash,
        });
        if let (Some(body), Some(head)) = (body.as_object_mut(), pull.head_commit) {
            body.insert("sha".to_owned(), json!(head.to_string()));
        }
        let url = self.one(project, pull.number, &["merge"]);
        let answer = self.client.write(project, Method::PUT, url, Some(&body)).await?;
        if answer.status.as_u16() == 409 {
            return Err(ForgeError::Moved { place: answer.place.clone(), reason: answer.words() });
        }
        // GitLab says 401 to who may not merge.
        if answer.status.as_u16() == 401 {
            return Err(answer.refused(format!("the account may not merge it ({})", answer.words())));
        }
        answer.done()
    }

    pub(super) async fn stop_auto_merge(&self, project: &Project, number: u64) -> Result<(), ForgeError> {
        let url = self.one(project, number, &["cancel_merge_when_pipeline_succeeds"]);
        let answer = self.client.write(project, Method::POST, url, None).await?;
        // Servers give what they document as 406 within an answer of 201.
        let is_declined = match answer.status.as_u16() {
            401 | 405 | 406 => true,
            _ => answer.json().is_ok_and(|body| text(&body, "/status") == Some("error")),
        };
        if !is_declined {
            return answer.done();
        }
        // In the same words GitLab says that there is nothing to cancel, and that it could not be cancelled.
        let found = self.client.get(project, self.one(project, number, &[])).await?.ok()?;
        let is_open = matches!(text(&found, "/state"), Some("opened" | "locked"));
        if !is_open || flag(&found, "/merge_when_pipeline_succeeds") != Some(true) {
            return Ok(());
        }
        Err(match answer.status.as_u16() {
            401 => answer.refused(format!("the account may not stop the merge ({})", answer.words())),
            _ => answer.refused(format!("it will still be merged ({})", answer.words())),
        })
    }

    fn written(&self, project: &Project, answer: &Answer) -> Result<PullRequest, ForgeError> {
        if answer.status.as_u16() == 409 {
            return Err(ForgeError::Exists { place: answer.place.clone() });
        }
        self.read(project, &answer.ok()?).ok_or_else(|| answer.bad("a merge request lacks fields"))
    }

    /// Gives a URL below a project; GitLab takes its path as one part.
    fn at(&self, project: &Project, rest: &[&str], query: &[(&str, &str)]) -> Url {
        self.client.url(&[&["projects", project.as_str()], rest].concat(), query)
    }

    /// Gives the URL of a merge request, or below it.
    fn one(&self, project: &Project, number: u64, rest: &[&str]) -> Url {
        self.at(project, &[&["merge_requests", &number.to_string()], rest].concat(), &[])
    }

    /// Reads those of a list that are within the project and have such a head.
    fn own_pulls(&self, project: &Project, found: &[Value], prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let is_ours =
            |pull: &Value| text(pull, "/source_branch").is_some_and(|head| head.starts_with(prefix)) && is_own(pull);
        self.client.read_all(project, found, is_ours, |pull| self.read(project, pull))
    }

    fn read(&self, project: &Project, pull: &Value) -> Option<PullRequest> {
        let number = number(pull, "/iid")?;
        let merged = time(pull, "/merged_at");
        let state = match text(pull, "/state")? {
            // A merge is under way.
            "opened" | "locked" => PullState::Open,
            "merged" => PullState::Merged,
            "closed" => PullState::Closed,
            _ => return None,
        };
        Some(PullRequest {
            number,
            url: link(pull, "/web_url", self.client.page(project, &format!("-/merge_requests/{number}"))),
            title: DRAFTS.untitled(text(pull, "/title").unwrap_or_default()).to_owned(),
            body: owned(pull, "/description"),
            state,
            head: branch(pull, "/source_branch")?,
            head_commit: commit(pull, "/sha"),
            base: branch(pull, "/target_branch")?,
            is_draft: is_draft(pull),
            labels: list(pull, "/labels").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            author: owned(pull, "/author/username"),
            created: time(pull, "/created_at")?,
            updated: time(pull, "/updated_at")?,
            closed: time(pull, "/closed_at").or(merged),
            merge_commit: (state == PullState::Merged).then(|| merge_commit(pull)).flatten(),
            has_conflict: has_conflict(pull),
            is_auto_merged: flag(pull, "/merge_when_pipeline_succeeds"),
        })
    }
}

/// Gives the commit on the base. A merge without a merge commit leaves the squashed one, or the head itself.
pub(super) fn merge_commit(pull: &Value) -> Option<CommitId> {
    ["/merge_commit_sha", "/squash_commit_sha", "/sha"].iter().find_map(|at| commit(pull, at))
}

fn is_own(pull: &Value) -> bool {
    let (source, target) = (number(pull, "/source_project_id"), number(pull, "/target_project_id"));
    source.is_some() && source == target
}

fn is_draft(pull: &Value) -> bool {
    let said = flag(pull, "/draft").or_else(|| flag(pull, "/work_in_progress"));
    said.unwrap_or_else(|| DRAFTS.is_draft(text(pull, "/title").unwrap_or_default()))
}

/// Tells whether it conflicts; nothing while GitLab has not looked.
fn has_conflict(pull: &Value) -> Option<bool> {
    let status = text(pull, "/detailed_merge_status").or_else(|| text(pull, "/merge_status"))?;
    if is_unchecked(status) { None } else { flag(pull, "/has_conflicts") }
}

fn is_unchecked(status: &str) -> bool {
    matches!(status, "unchecked" | "checking" | "preparing" | "cannot_be_merged_recheck")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_said_only_where_gitlab_has_looked() {
        for (pull, expected) in [
            (json!({"has_conflicts": false, "detailed_merge_status": "unchecked"}), None),
            (json!({"has_conflicts": false, "merge_status": "checking"}), None),
            (json!({"has_conflicts": false, "detailed_merge_status": "mergeable"}), Some(false)),
            (json!({"has_conflicts": true, "detailed_merge_status": "conflict"}), Some(true)),
            (json!({"has_conflicts": true}), None),
        ] {
            assert_eq!(has_conflict(&pull), expected, "{pull}");
        }
    }
}
