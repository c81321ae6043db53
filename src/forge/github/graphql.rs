//! GitHub: what only GraphQL can do, or does in one request for many.
//!
//! GraphQL answers 200 to nearly all; what went wrong stands in the body.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::forge::answer::Answer;
use crate::forge::error::ForgeError;
use crate::forge::github::GitHub;
use crate::forge::json::{commit, link, list, number, owned, text, time};
use crate::model::forge::{ForgeFile, ForgeIdentity, MergeMethod, Project, PullRequest, SourcePull};
use crate::model::history::CommitId;
use crate::model::names::Branch;

/// Commits of one question.
const BATCH: usize = 50;

const VIEWER: &str = "query { viewer { login databaseId } }";
const AUTO_MERGE: &str = "mutation($input: EnablePullRequestAutoMergeInput!) { \
    enablePullRequestAutoMerge(input: $input) { clientMutationId } }";
const STOP_AUTO_MERGE: &str = "mutation($input: DisablePullRequestAutoMergeInput!) { \
    disablePullRequestAutoMerge(input: $input) { clientMutationId } }";
const COMMIT: &str =
    "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }";
const PULL: &str = "number title url mergedAt mergeCommit { oid } author { login } baseRepository { nameWithOwner }";

impl GitHub {
    pub(super) async fn viewer(&self, project: &Project) -> Result<ForgeIdentity, ForgeError> {
        let answer = self.client.graphql(project, self.graphql.clone(), &json!({"query": VIEWER}), false).await?;
        let data = data(&answer)?;
        let login = text(&data, "/viewer/login").ok_or_else(|| answer.bad("the viewer has no login"))?;
        Ok(self.identity_of(login.to_owned(), number(&data, "/viewer/databaseId"), None))
    }

    pub(in crate::forge) async fn auto_merge(
        &self,
        project: &Project,
        pull: &PullRequest,
        method: MergeMethod,
    ) -> Result<(), ForgeError> {
        let url = self.at(project, &["pulls", &pull.number.to_string()], &[]);
        let answer = self.client.get(project, url).await?;
        let found = answer.ok()?;
        if found.get("auto_merge").is_some_and(Value::is_object) {
            return Ok(());
        }
        let id = text(&found, "/node_id").ok_or_else(|| answer.bad("a pull request has no node id"))?;
        let method = match method {
            MergeMethod::Merge => "MERGE",
            MergeMethod::Squash => "SQUASH",
            MergeMethod::Rebase => "REBASE",
        };
        let mut input = json!({"pullRequestId": id, "mergeMethod": method});
        // What somebody pushed since is nothing that was asked to be merged.
        if let (Some(input), Some(head)) = (input.as_object_mut(), pull.head_commit) {
            input.insert("expectedHeadOid".to_owned(), json!(head.to_string()));
        }
        let body = json!({"query": AUTO_MERGE, "variables": {"input": input}});
        let answer = self.client.graphql(project, self.graphql.clone(), &body, true).await?;
        match data(&answer) {
            // GitHub has its own merge wait for something, and takes no order to wait for nothing.
            Err(ForgeError::Refused { place, status, reason }) if reason.contains("clean status") => {
                let reason =
                    format!("{reason}; nothing is left to wait for: protect the base with required checks or reviews");
                Err(ForgeError::Refused { place, status, reason })
            }
            other => other.map(drop),
        }
    }

    pub(in crate::forge) async fn stop_auto_merge(&self, project: &Project, number: u64) -> Result<(), ForgeError> {
        let Some(id) = self.auto_merged(project, number).await? else { return Ok(()) };
        let body = json!({"query": STOP_AUTO_MERGE, "variables": {"input": {"pullRequestId": id}}});
        let answer = self.client.graphql(project, self.graphql.clone(), &body, true).await?;
        let done = data(&answer).map(drop);
        // It may have been merged since, or somebody else was faster.
        if matches!(done, Err(ForgeError::Refused { .. })) && self.auto_merged(project, number).await?.is_none() {
            return Ok(());
        }
        done
    }

    /// Gives the node id of a pull request that GitHub will merge by itself; none if it will not.
    async fn auto_merged(&self, project: &Project, number: u64) -> Result<Option<String>, ForgeError> {
        let answer = self.client.get(project, self.at(project, &["pulls", &number.to_string()], &[])).await?;
        let found = answer.ok()?;
        if text(&found, "/state") != Some("open") || !found.get("auto_merge").is_some_and(Value::is_object) {
            return Ok(None);
        }
        let id = text(&found, "/node_id").ok_or_else(|| answer.bad("a pull request has no node id"))?;
        Ok(Some(id.to_owned()))
    }

    pub(in crate::forge) async fn commit(
        &self,
        project: &Project,
        branch: &Branch,
        expected: &CommitId,
        message: &str,
        files: &[ForgeFile],
    ) -> Result<CommitId, ForgeError> {
        let (headline, body) = message.split_once('\n').unwrap_or((message, ""));
        let additions: Vec<Value> =
            files.iter().map(|file| json!({"path": file.path, "contents": STANDARD.encode(&file.content)})).collect();
        let input = json!({
            "branch": {"repositoryNameWithOwner": project.as_str(), "branchName": branch.as_str()},
            "expectedHeadOid": expected.to_string(),
            "message": {"headline": headline, "body": body.trim_start_matches('\n')},
            "fileChanges": {"additions": additions},
        });
        let body = json!({"query": COMMIT, "variables": {"input": input}});
        let answer = self.client.graphql(project, self.graphql.clone(), &body, true).await?;
        let data = data(&answer)?;
        commit(&data, "/createCommitOnBranch/commit/oid").ok_or_else(|| answer.bad("the new commit has no id"))
    }

    pub(super) async fn pulls_by_graphql(
        &self,
        project: &Project,
        commits: &[CommitId],
    ) -> Result<Vec<SourcePull>, ForgeError> {
        let mut found = Vec::new();
        for batch in commits.chunks(BATCH).take(super::source::MAX_REQUESTS) {
            // Ids are hexadecimal digits, so nothing can be smuggled into the question.
            let objects: String = batch
                .iter()
                .enumerate()
                .map(|(at, id)| {
                    format!(
                        "c{at}: object(oid: \"{id}\") {{ ... on Commit {{ associatedPullRequests(first: 10) {{ nodes {{ {PULL} }} }} }} }} "
                    )
                })
                .collect();
            let query = format!(
                "query($owner: String!, $name: String!) {{ repository(owner: $owner, name: $name) {{ {objects}}} }}"
            );
            let body = json!({"query": query, "variables": {"owner": project.owner(), "name": project.name()}});
            let answer = self.client.graphql(project, self.graphql.clone(), &body, false).await?;
            let data = data(&answer)?;
            for at in 0..batch.len() {
                let nodes = list(&data, &format!("/repository/c{at}/associatedPullRequests/nodes"));
                found.extend(nodes.iter().filter_map(|node| self.merged_pull(project, node)));
            }
        }
        Ok(found)
    }

    fn merged_pull(&self, project: &Project, node: &Value) -> Option<SourcePull> {
        if !text(node, "/baseRepository/nameWithOwner")?.eq_ignore_ascii_case(project.as_str()) {
            return None;
        }
        let number = number(node, "/number")?;
        Some(SourcePull {
            number,
            title: text(node, "/title")?.to_owned(),
            author: owned(node, "/author/login"),
            url: link(node, "/url", self.client.page(project, &format!("pull/{number}"))),
            merged: Some(time(node, "/mergedAt")?),
            merge_commit: commit(node, "/mergeCommit/oid"),
        })
    }
}

/// Gives the data of an answer.
fn data(answer: &Answer) -> Result<Value, ForgeError> {
    let mut body = answer.ok()?;
    let Some(error) = list(&body, "/errors").first() else {
        return body
            .get_mut("data")
            .filter(|data| data.is_object())
            .map(Value::take)
            .ok_or_else(|| answer.bad("it holds no data"));
    };
    let (place, reason) = (answer.place.clone(), answer.words());
    Err(match text(error, "/type") {
        Some("RATE_LIMITED") => ForgeError::Throttled { place, after: None },
        Some("STALE_DATA") => ForgeError::Moved { place, reason },
        Some("NOT_FOUND") => ForgeError::NotFound { place, reason },
        Some("FORBIDDEN" | "INSUFFICIENT_SCOPES") => ForgeError::Forbidden { place, reason },
        // Older servers name no type.
        _ if reason.starts_with("Expected branch to point to") => ForgeError::Moved { place, reason },
        _ => ForgeError::Refused { place, status: answer.status.as_u16(), reason },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    #[test]
    fn what_went_wrong_is_read_from_the_body() {
        for (body, code) in [
            (
                json!({"errors": [{"type": "STALE_DATA", "message": "Expected branch to point to \"1\" but it did not."}]}),
                "forge/moved",
            ),
            (
                json!({"errors": [{"message": "Expected branch to point to \"1\" but it did not."}], "data": null}),
                "forge/moved",
            ),
            (json!({"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}), "forge/throttled"),
            (json!({"errors": [{"type": "NOT_FOUND", "message": "Could not resolve"}]}), "forge/not-found"),
            (json!({"errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]}), "forge/forbidden"),
            (
                json!({"errors": [{"type": "UNPROCESSABLE", "message": "Pull request is in clean status"}]}),
                "forge/refused",
            ),
            (json!({"data": null}), "forge/bad-answer"),
            (json!([]), "forge/bad-answer"),
        ] {
            let answer = Answer {
                url: "https://api.example.com/graphql".parse().unwrap(),
                status: reqwest::StatusCode::OK,
                body: body.to_string().into(),
                next: None,
                place: "api.example.com acme/gitops".to_owned(),
                forms: Vec::new(),
            };
            assert_eq!(data(&answer).unwrap_err().code(), code, "{body}");
        }
    }
}
