//! Gitea: what it knows of the source of applications, and commits that it makes itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::forge::error::ForgeError;
use crate::forge::gitea::{DRAFTS, Gitea};
use crate::forge::json::{commit, flag, link, list, newest_first, number, owned, subject, text, time};
use crate::model::forge::{Comparison, Course, ForgeFile, Project, SourceCommit, SourcePull};
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// Requests for the pull requests of commits: each is asked for apart.
const MAX_REQUESTS: usize = 30;

impl Gitea {
    /// Shown as verified where the server signs what it makes. Gitea has no word for the head of a branch that must be: it
    /// is looked at before, each file must have the content that it has there, and the parent of the new commit tells
    /// whether somebody was faster.
    pub(in crate::forge) async fn commit(
        &self,
        project: &Project,
        branch: &Branch,
        expected: &CommitId,
        message: &str,
        files: &[ForgeFile],
    ) -> Result<CommitId, ForgeError> {
        let moved = |place: &str, reason: String| ForgeError::Moved { place: place.to_owned(), reason };
        let answer = self.client.get(project, self.at(project, &["branches", branch.as_str()], &[])).await?;
        let head = answer.found()?.and_then(|found| commit(&found, "/commit/id"));
        if head != Some(*expected) {
            return Err(moved(&answer.place, format!("`{branch}` is not at {expected}")));
        }
        let mut changes = Vec::new();
        for file in files {
            changes.push(self.change(project, file, expected).await?);
        }
        let body = json!({"branch": branch.as_str(), "message": message, "files": changes});
        let url = self.at(project, &["contents"], &[]);
        let answer = self.client.write(project, Method::POST, url, Some(&body)).await?;
        // The content of a file is another one than was given, or the branch was locked by somebody else's push.
        if answer.status.as_u16() == 409
            || answer.status.as_u16() == 422 && answer.words().contains("sha does not match")
        {
            return Err(moved(&answer.place, answer.words()));
        }
        let made = answer.ok()?;
        let id = commit(&made, "/commit/sha").ok_or_else(|| answer.bad("the new commit has no id"))?;
        if commit(&made, "/commit/parents/0/sha") != Some(*expected) {
            return Err(moved(&answer.place, format!("somebody was faster, and {id} follows another commit")));
        }
        Ok(id)
    }

    async fn change(&self, project: &Project, file: &ForgeFile, expected: &CommitId) -> Result<Value, ForgeError> {
        let mut change = Map::from_iter([
            ("operation".to_owned(), json!(if file.is_new { "create" } else { "update" })),
            ("path".to_owned(), json!(file.path)),
            ("content".to_owned(), json!(STANDARD.encode(&file.content))),
        ]);
        if !file.is_new {
            let parts: Vec<&str> = std::iter::once("contents").chain(file.path.split('/')).collect();
            let answer = self.client.get(project, self.at(project, &parts, &[("ref", &expected.to_string())])).await?;
            let found = answer.ok()?;
            let id = text(&found, "/sha").ok_or_else(|| answer.bad("a file has no id"))?;
            change.insert("sha".to_owned(), json!(id));
        }
        Ok(Value::Object(change))
    }

    /// Gitea tells what one revision has and another has not; asked both ways, that is how they lie.
    pub(in crate::forge) async fn compare(
        &self,
        project: &Project,
        old: &str,
        new: &str,
        limit: usize,
    ) -> Result<Option<Comparison>, ForgeError> {
        let at = |from: &str, to: &str| self.at(project, &["compare", &format!("{from}...{to}")], &[]);
        let answer = self.client.get(project, at(old, new)).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        let total = number(&found, "/total_commits").ok_or_else(|| answer.bad("a comparison has no number"))?;
        let answer = self.client.get(project, at(new, old)).await?;
        let back = answer.found()?.and_then(|back| number(&back, "/total_commits"));
        let back = back.ok_or_else(|| answer.bad("a comparison has no number"))?;
        let course = match (total, back) {
            (0, 0) => Course::Same,
            (_, 0) => Course::Ahead,
            (0, _) => Course::Behind,
            (_, _) => Course::Diverged,
        };
        let commits = list(&found, "/commits").iter().filter_map(|one| self.source(project, one)).collect();
        let mut commits = newest_first(commits, new, false);
        commits.truncate(limit);
        let url = self.client.page(project, &format!("compare/{old}...{new}"));
        Ok(Some(Comparison { course, commits, total, url }))
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
        let query = [("stat", "false"), ("verification", "false"), ("files", "false")];
        let answer = self.client.get(project, self.at(project, &["git", "commits", id], &query)).await?;
        if answer.status.as_u16() == 422 {
            return Ok(None);
        }
        let Some(found) = answer.found()? else { return Ok(None) };
        self.source(project, &found).map(Some).ok_or_else(|| answer.bad("a commit lacks fields"))
    }

    /// Gitea knows a pull request by the commit that its merge left on the base.
    pub(in crate::forge) async fn pulls_of_commits(
        &self,
        project: &Project,
        commits: &[CommitId],
    ) -> Result<Vec<SourcePull>, ForgeError> {
        let mut found = Vec::new();
        for id in commits.iter().take(MAX_REQUESTS) {
            let url = self.at(project, &["commits", &id.to_string(), "pull"], &[]);
            let pull = self.client.get(project, url).await?.found()?;
            found.extend(pull.and_then(|pull| self.source_of(project, &pull)));
        }
        Ok(found)
    }

    pub(in crate::forge) async fn source_pull(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Option<SourcePull>, ForgeError> {
        let answer = self.client.get(project, self.one(project, number, &[])).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        if text(&found, "/state") != Some("open") && flag(&found, "/merged") != Some(true) {
            return Ok(None);
        }
        self.source_of(project, &found).map(Some).ok_or_else(|| answer.bad("a pull request lacks fields"))
    }

    fn source_of(&self, project: &Project, pull: &Value) -> Option<SourcePull> {
        let number = number(pull, "/number")?;
        let merged = time(pull, "/merged_at").filter(|_| flag(pull, "/merged") == Some(true));
        Some(SourcePull {
            number,
            title: DRAFTS.untitled(text(pull, "/title")?).to_owned(),
            author: owned(pull, "/user/login"),
            url: link(pull, "/html_url", self.client.page(project, &format!("pulls/{number}"))),
            merged,
            merge_commit: merged.and_then(|_| commit(pull, "/merge_commit_sha")),
        })
    }
}
