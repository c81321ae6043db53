//! GitHub: who a pull request asks, and what people say of it.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::forge::Comment;
use crate::forge::client::Until;
use crate::forge::error::ForgeError;
use crate::forge::github::{GitHub, PAGE};
use crate::forge::json::{list, owned, same_login, text, time};
use crate::model::forge::{Approval, Project, PullPeople, PullRequest};

/// Reviewers who are asked apart, where all together are refused; GitHub takes 15.
const MAX_APART: usize = 20;

impl GitHub {
    pub(in crate::forge) async fn ask(
        &self,
        project: &Project,
        pull: &PullRequest,
        people: &PullPeople,
    ) -> Result<Vec<String>, ForgeError> {
        let number = pull.number.to_string();
        let labels: Vec<&String> = people.labels.difference(&pull.labels).collect();
        if !labels.is_empty() {
            let url = self.at(project, &["issues", &number, "labels"], &[]);
            self.client.write(project, Method::POST, url, Some(&json!({"labels": labels}))).await?.done()?;
        }
        let mut refused = self.assign(project, &number, &people.assignees).await?;
        refused.extend(self.review(project, &number, &people.reviewers).await?);
        Ok(refused)
    }

    /// Assigns people; GitHub passes over in silence whom it does not take.
    async fn assign(
        &self,
        project: &Project,
        number: &str,
        logins: &BTreeSet<String>,
    ) -> Result<Vec<String>, ForgeError> {
        if logins.is_empty() {
            return Ok(Vec::new());
        }
        let url = self.at(project, &["issues", number, "assignees"], &[]);
        let answer = self.client.write(project, Method::POST, url, Some(&json!({"assignees": logins}))).await?;
        let issue = answer.ok()?;
        let is_there = |login: &&String| {
            list(&issue, "/assignees").iter().any(|user| text(user, "/login").is_some_and(|one| same_login(one, login)))
        };
        Ok(logins.iter().filter(|login| !is_there(login)).cloned().collect())
    }

    /// Asks for reviews: all at once, and where GitHub refuses all for the sake of one, each apart.
    async fn review(
        &self,
        project: &Project,
        number: &str,
        reviewers: &BTreeSet<String>,
    ) -> Result<Vec<String>, ForgeError> {
        let is_askable =
            |name: &&String| name.split_once('/').is_none_or(|(owner, _)| same_login(owner, project.owner()));
        let (asked, strangers): (Vec<&String>, Vec<&String>) = reviewers.iter().partition(is_askable);
        let mut refused: Vec<String> = strangers.into_iter().cloned().collect();
        if asked.is_empty() || self.request(project, number, &asked).await? {
            return Ok(refused);
        }
        if let [only] = asked.as_slice() {
            refused.push((*only).clone());
            return Ok(refused);
        }
        for (at, name) in asked.into_iter().enumerate() {
            if at >= MAX_APART || !self.request(project, number, &[name]).await? {
                refused.push(name.clone());
            }
        }
        Ok(refused)
    }

    /// Asks for reviews; tells whether GitHub took them.
    async fn request(&self, project: &Project, number: &str, names: &[&String]) -> Result<bool, ForgeError> {
        let (teams, people): (Vec<&str>, Vec<&str>) =
            names.iter().map(|name| name.as_str()).partition(|name| name.contains('/'));
        let teams: Vec<&str> = teams.into_iter().filter_map(|team| team.rsplit('/').next()).collect();
        let body = json!({"reviewers": people, "team_reviewers": teams});
        let url = self.at(project, &["pulls", number, "requested_reviewers"], &[]);
        let answer = self.client.write(project, Method::POST, url, Some(&body)).await?;
        if answer.status.as_u16() == 422 {
            return Ok(false);
        }
        answer.done().map(|()| true)
    }

    pub(in crate::forge) async fn remove_label(
        &self,
        project: &Project,
        number: u64,
        label: &str,
    ) -> Result<(), ForgeError> {
        let url = self.at(project, &["issues", &number.to_string(), "labels", label], &[]);
        let answer = self.client.write(project, Method::DELETE, url, None).await?;
        if answer.status.as_u16() == 404 { Ok(()) } else { answer.done() }
    }

    pub(in crate::forge) async fn comments(&self, project: &Project, number: u64) -> Result<Vec<Comment>, ForgeError> {
        let url = self.at(project, &["issues", &number.to_string(), "comments"], &[PAGE]);
        let found = self.client.pages(project, url, Until::End).await?;
        Ok(found.iter().map(comment).collect())
    }

    pub(in crate::forge) async fn comment(&self, project: &Project, number: u64, text: &str) -> Result<(), ForgeError> {
        let url = self.at(project, &["issues", &number.to_string(), "comments"], &[]);
        self.client.write(project, Method::POST, url, Some(&json!({"body": text}))).await?.done()
    }

    /// Gives what was said in reviews; comments on lines belong to one.
    pub(in crate::forge) async fn reviews(&self, project: &Project, number: u64) -> Result<Vec<Comment>, ForgeError> {
        Ok(self.review_list(project, number).await?.iter().map(comment).collect())
    }

    pub(in crate::forge) async fn closed_by(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Option<String>, ForgeError> {
        let answer = self.client.get(project, self.at(project, &["issues", &number.to_string()], &[])).await?;
        Ok(answer.found()?.and_then(|issue| text(&issue, "/closed_by/login").map(str::to_owned)))
    }

    pub(in crate::forge) async fn approvals(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Vec<Approval>, ForgeError> {
        Ok(standing(&self.review_list(project, number).await?))
    }

    async fn review_list(&self, project: &Project, number: u64) -> Result<Vec<Value>, ForgeError> {
        let url = self.at(project, &["pulls", &number.to_string(), "reviews"], &[PAGE]);
        self.client.pages(project, url, Until::End).await
    }
}

fn comment(said: &Value) -> Comment {
    let author = owned(said, "/user/login");
    let is_bot = text(said, "/user/type") == Some("Bot");
    Comment { is_person: !is_bot && !author.is_empty(), author, body: owned(said, "/body") }
}

/// Gives who approves at last. Reviews come oldest first; a comment takes no verdict back.
fn standing(reviews: &[Value]) -> Vec<Approval> {
    let mut last = BTreeMap::new();
    for review in reviews {
        let Some(login) = text(review, "/user/login") else { continue };
        match text(review, "/state") {
            Some("APPROVED") => last.insert(login.to_owned(), time(review, "/submitted_at")),
            Some("CHANGES_REQUESTED" | "DISMISSED") => last.remove(login),
            _ => None,
        };
    }
    last.into_iter().map(|(login, time)| Approval { login, time }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_verdict_of_each_counts() {
        let review = |login: &str, state: &str| json!({"user": {"login": login}, "state": state});
        let reviews = [
            review("alice", "APPROVED"),
            review("alice", "COMMENTED"),
            review("bob", "APPROVED"),
            review("bob", "CHANGES_REQUESTED"),
            review("carol", "CHANGES_REQUESTED"),
            review("carol", "APPROVED"),
            review("dave", "DISMISSED"),
            json!({"user": null, "state": "APPROVED"}),
        ];
        let logins: Vec<String> = standing(&reviews).into_iter().map(|approval| approval.login).collect();
        assert_eq!(logins, ["alice", "carol"]);
    }
}
