//! GitLab: what it knows of the source of applications, and commits that it makes itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::forge::error::ForgeError;
use crate::forge::gitlab::{DRAFTS, GitLab, merge_commit};
use crate::forge::json::{commit, link, list, newest_first, number, owned, text, time};
use crate::model::forge::{Comparison, Course, ForgeFile, Project, SourceCommit, SourcePull};
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// Requests for the merge requests of commits: each is asked for apart.
const MAX_REQUESTS: usize = 30;

impl GitLab {
    /// GitLab has no word for the head of a branch that must be: it is looked at before, each file must be as in the
    /// expected commit, and the parent of the new commit tells whether somebody was faster.
    pub(in crate::forge) async fn commit(
        &self,
        project: &Project,
        branch: &Branch,
        expected: &CommitId,
        message: &str,
        files: &[ForgeFile],
    ) -> Result<CommitId, ForgeError> {
        let moved = |place: &str, reason: String| ForgeError::Moved { place: place.to_owned(), reason };
        let url = self.at(project, &["repository", "branches", branch.as_str()], &[]);
        let answer = self.client.get(project, url).await?;
        let head = answer.found()?.and_then(|found| commit(&found, "/commit/id"));
        if head != Some(*expected) {
            return Err(moved(&answer.place, format!("`{branch}` is not at {expected}")));
        }
        let mut actions = Vec::new();
        for file in files {
            actions.push(self.action(project, file, expected).await?);
        }
        let body = json!({"branch": branch.as_str(), "commit_message": message, "actions": actions, "stats": false});
        let url = self.at(project, &["repository", "commits"], &[]);
        let answer = self.client.write(project, Method::POST, url, Some(&body)).await?;
        if answer.status.as_u16() == 400 && answer.words().contains("changed since you started editing") {
            return Err(moved(&answer.place, answer.words()));
        }
        let made = answer.ok()?;
        let id = commit(&made, "/id").ok_or_else(|| answer.bad("the new commit has no id"))?;
        if commit(&made, "/parent_ids/0") != Some(*expected) {
            return Err(moved(&answer.place, format!("somebody was faster, and {id} follows another commit")));
        }
        Ok(id)
    }

    /// Gives what is done to one file; one that is there must have been changed last by the commit that changed it last
    /// below the expected head.
    async fn action(&self, project: &Project, file: &ForgeFile, expected: &CommitId) -> Result<Value, ForgeError> {
        let mut action = Map::from_iter([
            ("file_path".to_owned(), json!(file.path)),
            ("content".to_owned(), json!(STANDARD.encode(&file.content))),
            ("encoding".to_owned(), json!("base64")),
        ]);
        if file.is_new {
            action.insert("action".to_owned(), json!("create"));
            return Ok(Value::Object(action));
        }
        let rest = ["repository", "files", file.path.as_str()];
        let url = self.at(project, &rest, &[("ref", &expected.to_string())]);
        let answer = self.client.get(project, url).await?;
        let last = commit(&answer.ok()?, "/last_commit_id").ok_or_else(|| answer.bad("a file has no last commit"))?;
        action.insert("action".to_owned(), json!("update"));
        action.insert("last_commit_id".to_owned(), json!(last.to_string()));
        Ok(Value::Object(action))
    }

    pub(in crate::forge) async fn compare(
        &self,
        project: &Project,
        old: &str,
        new: &str,
        limit: usize,
    ) -> Result<Option<Comparison>, ForgeError> {
        let url = self.at(project, &["repository", "compare"], &[("from", old), ("to", new)]);
        let answer = self.client.get(project, url).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        let commits = list(&found, "/commits").iter().filter_map(|one| self.source(project, one)).collect();
        let mut commits = newest_first(commits, new, true);
        let Some(course) = self.course(project, old, new).await? else { return Ok(None) };
        let total = u64::try_from(commits.len()).unwrap_or(u64::MAX);
        commits.truncate(limit);
        let url = link(&found, "/web_url", self.client.page(project, &format!("-/compare/{old}...{new}")));
        Ok(Some(Comparison { course, commits, total, url }))
    }

    /// Tells how two revisions lie by the commit from which both come; none if one is not there.
    async fn course(&self, project: &Project, old: &str, new: &str) -> Result<Option<Course>, ForgeError> {
        let (Some(from), Some(to)) = (self.resolved(project, old).await?, self.resolved(project, new).await?) else {
            return Ok(None);
        };
        if from == to {
            return Ok(Some(Course::Same));
        }
        let refs = [("refs[]", from.to_string()), ("refs[]", to.to_string())];
        let url =
            self.at(project, &["repository", "merge_base"], &refs.each_ref().map(|(key, id)| (*key, id.as_str())));
        let base = self.client.get(project, url).await?.found()?.and_then(|base| commit(&base, "/id"));
        Ok(Some(match base {
            Some(base) if base == from => Course::Ahead,
            Some(base) if base == to => Course::Behind,
            // Without a common commit each has its own, too.
            _ => Course::Diverged,
        }))
    }

    async fn resolved(&self, project: &Project, revision: &str) -> Result<Option<CommitId>, ForgeError> {
        match revision.parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => Ok(self.source_commit(project, revision).await?.map(|found| found.id)),
        }
    }

    fn source(&self, project: &Project, one: &Value) -> Option<SourceCommit> {
        let id = commit(one, "/id")?;
        Some(SourceCommit {
            id,
            subject: text(one, "/title")?.to_owned(),
            author: owned(one, "/author_name"),
            email: owned(one, "/author_email"),
            time: time(one, "/authored_date"),
            url: link(one, "/web_url", self.client.page(project, &format!("-/commit/{id}"))),
        })
    }

    pub(in crate::forge) async fn source_commit(
        &self,
        project: &Project,
        id: &str,
    ) -> Result<Option<SourceCommit>, ForgeError> {
        let url = self.at(project, &["repository", "commits", id], &[("stats", "false")]);
        let answer = self.client.get(project, url).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        self.source(project, &found).map(Some).ok_or_else(|| answer.bad("a commit lacks fields"))
    }

    pub(in crate::forge) async fn pulls_of_commits(
        &self,
        project: &Project,
        commits: &[CommitId],
    ) -> Result<Vec<SourcePull>, ForgeError> {
        let mut found = Vec::new();
        for id in commits.iter().take(MAX_REQUESTS) {
            let url = self.at(project, &["repository", "commits", &id.to_string(), "merge_requests"], &[]);
            let pulls = self.client.get(project, url).await?.found()?.unwrap_or_default();
            let merged = list(&pulls, "").iter().filter(|pull| text(pull, "/state") == Some("merged"));
            found.extend(merged.filter_map(|pull| self.source_of(project, pull)));
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
        if text(&found, "/state") == Some("closed") {
            return Ok(None);
        }
        self.source_of(project, &found).map(Some).ok_or_else(|| answer.bad("a merge request lacks fields"))
    }

    fn source_of(&self, project: &Project, pull: &Value) -> Option<SourcePull> {
        let number = number(pull, "/iid")?;
        let merged = time(pull, "/merged_at");
        Some(SourcePull {
            number,
            title: DRAFTS.untitled(text(pull, "/title")?).to_owned(),
            author: owned(pull, "/author/username"),
            url: link(pull, "/web_url", self.client.page(project, &format!("-/merge_requests/{number}"))),
            merged,
            merge_commit: merged.and_then(|_| merge_commit(pull)),
        })
    }
}
