//! Gitea: who a pull request asks, and what people say of it.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::forge::Comment;
use crate::forge::client::Until;
use crate::forge::error::ForgeError;
use crate::forge::gitea::{Gitea, PAGE};
use crate::forge::json::{flag, list, number, owned, same_login, text, time};
use crate::model::forge::{Approval, Project, PullPeople, PullRequest};

/// Colour of labels that are made; Gitea wants one.
const COLOUR: &str = "#ededed";
/// Reviewers who are asked apart, where all together are refused.
const MAX_APART: usize = 20;

impl Gitea {
    pub(in crate::forge) async fn ask(
        &self,
        project: &Project,
        pull: &PullRequest,
        people: &PullPeople,
    ) -> Result<Vec<String>, ForgeError> {
        let number = pull.number.to_string();
        let labels: Vec<&String> = people.labels.difference(&pull.labels).collect();
        let mut refused = Vec::new();
        if !labels.is_empty() {
            let (ids, unmade) = self.label_ids(project, &labels).await?;
            refused.extend(unmade);
            if !ids.is_empty() {
                let url = self.at(project, &["issues", &number, "labels"], &[]);
                self.client.write(project, Method::POST, url, Some(&json!({"labels": ids}))).await?.done()?;
            }
        }
        refused.extend(self.assign(project, pull.number, &people.assignees).await?);
        refused.extend(self.review(project, pull.number, &people.reviewers).await?);
        Ok(refused)
    }

    /// Gives the numbers of labels of the project or its organisation; those that are missing are made. What cannot be made
    /// is given beside.
    async fn label_ids(&self, project: &Project, names: &[&String]) -> Result<(Vec<u64>, Vec<String>), ForgeError> {
        let mut known = BTreeMap::new();
        let url = self.client.url(&["orgs", project.owner(), "labels"], &[PAGE]);
        match self.client.pages(project, url, Until::End).await {
            Ok(found) => known.extend(found.iter().filter_map(label)),
            // A person's project has no organisation, and not all tokens may read one.
            Err(ForgeError::NotFound { .. } | ForgeError::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
        let found = self.client.pages(project, self.at(project, &["labels"], &[PAGE]), Until::End).await?;
        known.extend(found.iter().filter_map(label));
        let (mut ids, mut unmade) = (Vec::new(), Vec::new());
        for name in names {
            if let Some(id) = known.get(name.as_str()) {
                ids.push(*id);
                continue;
            }
            let body = json!({"name": name, "color": COLOUR});
            let url = self.at(project, &["labels"], &[]);
            let answer = self.client.write(project, Method::POST, url, Some(&body)).await?;
            match answer.status.as_u16() {
                403 | 404 | 422 => unmade.push((*name).clone()),
                _ => ids.push(label(&answer.ok()?).ok_or_else(|| answer.bad("a label has no number"))?.1),
            }
        }
        Ok((ids, unmade))
    }

    /// Assigns people. Gitea replaces who is there, so those are named again, and refuses all for the sake of one.
    async fn assign(
        &self,
        project: &Project,
        number: u64,
        logins: &BTreeSet<String>,
    ) -> Result<Vec<String>, ForgeError> {
        if logins.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.client.get(project, self.one(project, number, &[])).await?.ok()?;
        let there: Vec<String> =
            list(&found, "/assignees").iter().filter_map(|user| text(user, "/login")).map(str::to_owned).collect();
        let is_new = |login: &&String| !there.iter().any(|one| same_login(one, login));
        let new: Vec<String> = logins.iter().filter(is_new).cloned().collect();
        let all = [there.clone(), new.clone()].concat();
        if new.is_empty() || self.set_assignees(project, number, &all).await? {
            return Ok(Vec::new());
        }
        let (mut taken, mut refused) = (there, Vec::new());
        for login in new {
            taken.push(login);
            if !self.set_assignees(project, number, &taken).await? {
                refused.extend(taken.pop());
            }
        }
        Ok(refused)
    }

    async fn set_assignees(&self, project: &Project, number: u64, logins: &[String]) -> Result<bool, ForgeError> {
        let url = self.one(project, number, &[]);
        let answer = self.client.write(project, Method::PATCH, url, Some(&json!({"assignees": logins}))).await?;
        if answer.status.as_u16() == 422 {
            return Ok(false);
        }
        answer.done().map(|()| true)
    }

    /// Asks for reviews: all at once, and where Gitea refuses all for the sake of one, each apart.
    async fn review(
        &self,
        project: &Project,
        number: u64,
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

    async fn request(&self, project: &Project, number: u64, names: &[&String]) -> Result<bool, ForgeError> {
        let (teams, people): (Vec<&str>, Vec<&str>) =
            names.iter().map(|name| name.as_str()).partition(|name| name.contains('/'));
        let teams: Vec<&str> = teams.into_iter().filter_map(|team| team.rsplit('/').next()).collect();
        let body = json!({"reviewers": people, "team_reviewers": teams});
        let url = self.one(project, number, &["requested_reviewers"]);
        let answer = self.client.write(project, Method::POST, url, Some(&body)).await?;
        // Who is not there is 404 here, and who may not review 422.
        if matches!(answer.status.as_u16(), 404 | 422) {
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
        let rest = ["issues", &number.to_string(), "labels"];
        let found = self.client.get(project, self.at(project, &rest, &[])).await?.ok()?;
        let known = list(&found, "").iter().filter_map(self::label).find(|(name, _)| name == label);
        let Some((_, id)) = known else { return Ok(()) };
        let url = self.at(project, &[&rest[..], &[&id.to_string()]].concat(), &[]);
        let answer = self.client.write(project, Method::DELETE, url, None).await?;
        if answer.status.as_u16() == 404 { Ok(()) } else { answer.done() }
    }

    pub(in crate::forge) async fn comments(&self, project: &Project, number: u64) -> Result<Vec<Comment>, ForgeError> {
        let url = self.at(project, &["issues", &number.to_string(), "comments"], &[]);
        let found = self.client.pages(project, url, Until::End).await?;
        Ok(found.iter().map(comment).collect())
    }

    pub(in crate::forge) async fn comment(&self, project: &Project, number: u64, text: &str) -> Result<(), ForgeError> {
        let url = self.at(project, &["issues", &number.to_string(), "comments"], &[]);
        self.client.write(project, Method::POST, url, Some(&json!({"body": text}))).await?.done()
    }

    /// Gives what was said in reviews; a request for one is none.
    pub(in crate::forge) async fn reviews(&self, project: &Project, number: u64) -> Result<Vec<Comment>, ForgeError> {
        let found = self.review_list(project, number).await?;
        let is_said = |review: &&Value| !matches!(text(review, "/state"), Some("REQUEST_REVIEW" | "PENDING"));
        Ok(found.iter().filter(is_said).map(comment).collect())
    }

    /// Gives who closed it last, which only its timeline says.
    pub(in crate::forge) async fn closed_by(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Option<String>, ForgeError> {
        let url = self.at(project, &["issues", &number.to_string(), "timeline"], &[PAGE]);
        let found = self.client.pages(project, url, Until::End).await?;
        let last = found.iter().rev().find(|event| text(event, "/type") == Some("close"));
        Ok(last.and_then(|event| text(event, "/user/login")).map(str::to_owned))
    }

    pub(in crate::forge) async fn approvals(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Vec<Approval>, ForgeError> {
        Ok(standing(&self.review_list(project, number).await?))
    }

    async fn review_list(&self, project: &Project, number: u64) -> Result<Vec<Value>, ForgeError> {
        let rest = ["pulls", &number.to_string(), "reviews"];
        self.client.pages(project, self.at(project, &rest, &[PAGE]), Until::End).await
    }
}

fn label(value: &Value) -> Option<(String, u64)> {
    Some((text(value, "/name")?.to_owned(), number(value, "/id")?))
}

/// Gitea knows no programs among its users but those of its own, whose numbers are negative.
fn comment(said: &Value) -> Comment {
    let author = owned(said, "/user/login");
    let is_user = number(said, "/user/id").is_some();
    Comment { is_person: is_user && !author.is_empty(), author, body: owned(said, "/body") }
}

/// Gives who approves at last. Reviews come oldest first; a comment takes no verdict back.
fn standing(reviews: &[Value]) -> Vec<Approval> {
    let mut last = BTreeMap::new();
    for review in reviews {
        let Some(login) = text(review, "/user/login") else { continue };
        let is_dismissed = flag(review, "/dismissed") == Some(true);
        match text(review, "/state") {
            Some("APPROVED") if !is_dismissed => last.insert(login.to_owned(), time(review, "/submitted_at")),
            Some("APPROVED" | "REQUEST_CHANGES") => last.remove(login),
            _ => None,
        };
    }
    last.into_iter().map(|(login, time)| Approval { login, time }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_verdict_of_each_counts_unless_it_was_dismissed() {
        let review = |login: &str, state: &str, dismissed: bool| json!({"user": {"login": login}, "state": state, "dismissed": dismissed});
        let reviews = [
            review("alice", "REQUEST_REVIEW", false),
            review("alice", "APPROVED", false),
            review("alice", "COMMENT", false),
            review("bob", "APPROVED", false),
            review("bob", "REQUEST_CHANGES", false),
            review("carol", "APPROVED", true),
        ];
        let logins: Vec<String> = standing(&reviews).into_iter().map(|approval| approval.login).collect();
        assert_eq!(logins, ["alice"]);
    }
}
