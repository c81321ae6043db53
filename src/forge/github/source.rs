//! GitHub: what it knows of the source of applications.

use serde_json::Value;

use crate::forge::error::ForgeError;
use crate::forge::github::GitHub;
use crate::forge::json::{commit, link, list, newest_first, number, owned, subject, text, time};
use crate::model::forge::{Comparison, Course, Project, SourceCommit, SourcePull};
use crate::model::history::CommitId;

/// Commits on a page of a comparison.
const COMMITS: u64 = 100;
/// Requests for the pull requests of commits, where each is asked for apart.
pub(super) const MAX_REQUESTS: usize = 30;

impl GitHub {
    pub(in crate::forge) async fn compare(
        &self,
        project: &Project,
        old: &str,
        new: &str,
        limit: usize,
    ) -> Result<Option<Comparison>, ForgeError> {
        let range = format!("{old}...{new}");
        let at = |page: u64| {
            let (size, page) = (COMMITS.to_string(), page.to_string());
            self.at(project, &["compare", &range], &[("per_page", &size), ("page", &page)])
        };
        let answer = self.client.get(project, at(1)).await?;
        let Some(first) = answer.found()? else { return Ok(None) };
        let course = match text(&first, "/status") {
            Some("identical") => Course::Same,
            Some("ahead") => Course::Ahead,
            Some("behind") => Course::Behind,
            Some("diverged") => Course::Diverged,
            _ => return Err(answer.bad("a comparison does not say how it went")),
        };
        let total = number(&first, "/total_commits").ok_or_else(|| answer.bad("a comparison has no number"))?;
        let url = link(&first, "/html_url", self.client.page(project, &format!("compare/{range}")));
        // Pages are oldest first, so the newest commits are on the last ones.
        let mut commits: Vec<SourceCommit> = Vec::new();
        let mut page = total.div_ceil(COMMITS).max(1);
        while page > 0 && commits.len() < limit {
            let found = if page == 1 {
                self.commits(project, &first)
            } else {
                self.commits(project, &self.client.get(project, at(page)).await?.ok()?)
            };
            commits.extend(if total > COMMITS {
                found.into_iter().rev().collect()
            } else {
                newest_first(found, new, true)
            });
            page -= 1;
        }
        commits.truncate(limit);
        Ok(Some(Comparison { course, commits, total, url }))
    }

    fn commits(&self, project: &Project, comparison: &Value) -> Vec<SourceCommit> {
        list(comparison, "/commits").iter().filter_map(|one| self.source(project, one)).collect()
    }

    fn source(&self, project: &Project, one: &Value) -> Option<SourceCommit> {
        let id = commit(one, "/sha")?;
        Some(SourceCommit {
            id,
            subject: subject(text(one, "/commit/message")?),
            author: owned(one, "/commit/author/name"),
            email: owned(one, "/commit/author/email"),
            time: time(one, "/commit/author/date"),
            url: link(one, "/html_url", self.client.page(project, &format!("commit/{id}"))),
        })
    }

    pub(in crate::forge) async fn source_commit(
        &self,
        project: &Project,
        id: &str,
    ) -> Result<Option<SourceCommit>, ForgeError> {
        let answer = self.client.get(project, self.at(project, &["commits", id], &[])).await?;
        // What is no commit, such as a tree or an id that is too short, is 422 and 409 in an empty repository.
        if matches!(answer.status.as_u16(), 409 | 422) {
            return Ok(None);
        }
        let Some(found) = answer.found()? else { return Ok(None) };
        self.source(project, &found).map(Some).ok_or_else(|| answer.bad("a commit lacks fields"))
    }

    pub(in crate::forge) async fn pulls_of_commits(
        &self,
        project: &Project,
        commits: &[CommitId],
    ) -> Result<Vec<SourcePull>, ForgeError> {
        if !self.client.is_anonymous() {
            return self.pulls_by_graphql(project, commits).await;
        }
        // GraphQL answers nobody without a name.
        let mut found = Vec::new();
        for id in commits.iter().take(MAX_REQUESTS) {
            let url = self.at(project, &["commits", &id.to_string(), "pulls"], &[]);
            let answer = self.client.get(project, url).await?;
            if answer.status.as_u16() == 422 {
                continue;
            }
            let pulls = answer.found()?.unwrap_or_default();
            let merged = list(&pulls, "").iter().filter(|pull| time(pull, "/merged_at").is_some());
            found.extend(merged.filter_map(|pull| self.source_of(project, pull)));
        }
        Ok(found)
    }

    pub(in crate::forge) async fn source_pull(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Option<SourcePull>, ForgeError> {
        let answer = self.client.get(project, self.at(project, &["pulls", &number.to_string()], &[])).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        if text(&found, "/state") != Some("open") && time(&found, "/merged_at").is_none() {
            return Ok(None);
        }
        self.source_of(project, &found).map(Some).ok_or_else(|| answer.bad("a pull request lacks fields"))
    }

    fn source_of(&self, project: &Project, pull: &Value) -> Option<SourcePull> {
        let number = number(pull, "/number")?;
        let merged = time(pull, "/merged_at");
        Some(SourcePull {
            number,
            title: text(pull, "/title")?.to_owned(),
            author: owned(pull, "/user/login"),
            url: link(pull, "/html_url", self.client.page(project, &format!("pull/{number}"))),
            merged,
            merge_commit: merged.and_then(|_| commit(pull, "/merge_commit_sha")),
        })
    }
}
