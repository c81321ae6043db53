//! GitLab: who a merge request asks, and what people say of it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::forge::Comment;
use crate::forge::client::Until;
use crate::forge::error::ForgeError;
use crate::forge::gitlab::{GitLab, PAGE};
use crate::forge::json::{flag, list, number, owned, same_login, text, time};
use crate::model::forge::{Approval, Project, PullPeople, PullRequest};

impl GitLab {
    /// Labels, reviewers and assignees leave in one request. The last two replace who is there, so those are named again.
    pub(in crate::forge) async fn ask(
        &self,
        project: &Project,
        pull: &PullRequest,
        people: &PullPeople,
    ) -> Result<Vec<String>, ForgeError> {
        let mut body = Map::new();
        // A comma parts labels; GitLab has none with one.
        let (labels, odd): (Vec<&str>, Vec<&str>) =
            people.labels.difference(&pull.labels).map(String::as_str).partition(|label| !label.contains(','));
        let mut refused: Vec<String> = odd.into_iter().map(str::to_owned).collect();
        if !labels.is_empty() {
            body.insert("add_labels".to_owned(), json!(labels.join(",")));
        }
        let wanted = [("reviewer", &people.reviewers), ("assignee", &people.assignees)];
        if wanted.iter().any(|(_, logins)| !logins.is_empty()) {
            let found = self.client.get(project, self.one(project, pull.number, &[])).await?.ok()?;
            for (role, logins) in wanted {
                let there = list(&found, &format!("/{role}s"));
                let (mut ids, before) = (ids(there), there.len());
                for login in logins {
                    match self.user(project, login).await? {
                        Some(id) if ids.contains(&id) => {}
                        Some(id) => ids.push(id),
                        None => refused.push(login.clone()),
                    }
                }
                if ids.len() > before {
                    body.insert(format!("{role}_ids"), json!(ids));
                }
            }
        }
        if body.is_empty() {
            return Ok(refused);
        }
        let has_people = body.keys().any(|key| key.ends_with("_ids"));
        let url = self.one(project, pull.number, &[]);
        let answer = self.client.write(project, Method::PUT, url, Some(&Value::Object(body))).await?;
        let done = answer.ok()?;
        if has_people {
            // Whom GitLab does not take, because the tier allows one only, it passes over in silence.
            for (role, logins) in wanted {
                refused
                    .extend(logins.iter().filter(|login| !is_among(list(&done, &format!("/{role}s")), login)).cloned());
            }
        }
        let mut seen = BTreeSet::new();
        refused.retain(|name| seen.insert(name.clone()));
        Ok(refused)
    }

    /// Gives the number of a user who can be asked; groups are none.
    async fn user(&self, project: &Project, login: &str) -> Result<Option<u64>, ForgeError> {
        if login.contains('/') {
            return Ok(None);
        }
        let url = self.client.url(&["users"], &[("username", login)]);
        let found = self.client.get(project, url).await?.ok()?;
        let is_asked = |user: &&Value| text(user, "/username").is_some_and(|name| same_login(name, login));
        let is_active = |user: &&Value| text(user, "/state").is_none_or(|state| state == "active");
        Ok(list(&found, "").iter().find(|user| is_asked(user) && is_active(user)).and_then(|user| number(user, "/id")))
    }

    pub(in crate::forge) async fn remove_label(
        &self,
        project: &Project,
        number: u64,
        label: &str,
    ) -> Result<(), ForgeError> {
        let url = self.one(project, number, &[]);
        self.client.write(project, Method::PUT, url, Some(&json!({"remove_labels": label}))).await?.done()
    }

    /// Gives what was said, on lines too, without what GitLab itself notes.
    pub(in crate::forge) async fn comments(&self, project: &Project, number: u64) -> Result<Vec<Comment>, ForgeError> {
        let rest = ["merge_requests", &number.to_string(), "notes"];
        let url = self.at(project, &rest, &[("sort", "asc"), ("order_by", "created_at"), PAGE]);
        let found = self.client.pages(project, url, Until::End).await?;
        Ok(found.iter().filter(|note| flag(note, "/system") != Some(true)).map(comment).collect())
    }

    pub(in crate::forge) async fn comment(&self, project: &Project, number: u64, text: &str) -> Result<(), ForgeError> {
        let url = self.one(project, number, &["notes"]);
        self.client.write(project, Method::POST, url, Some(&json!({"body": text}))).await?.done()
    }

    /// Reviews are notes.
    pub(in crate::forge) async fn reviews(&self, _: &Project, _: u64) -> Result<Vec<Comment>, ForgeError> {
        Ok(Vec::new())
    }

    pub(in crate::forge) async fn closed_by(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Option<String>, ForgeError> {
        let found = self.client.get(project, self.one(project, number, &[])).await?.found()?;
        Ok(found.and_then(|pull| text(&pull, "/closed_by/username").map(str::to_owned)))
    }

    pub(in crate::forge) async fn approvals(
        &self,
        project: &Project,
        number: u64,
    ) -> Result<Vec<Approval>, ForgeError> {
        let found = self.client.get(project, self.one(project, number, &["approvals"])).await?.found()?;
        let found = found.unwrap_or_default();
        let read = |approval: &Value| {
            let login = text(approval, "/user/username")?.to_owned();
            Some(Approval { login, time: time(approval, "/approved_at") })
        };
        Ok(list(&found, "/approved_by").iter().filter_map(read).collect())
    }
}

fn ids(users: &[Value]) -> Vec<u64> {
    users.iter().filter_map(|user| number(user, "/id")).collect()
}

fn is_among(users: &[Value], login: &str) -> bool {
    users.iter().any(|user| text(user, "/username").is_some_and(|name| same_login(name, login)))
}

fn comment(note: &Value) -> Comment {
    let author = owned(note, "/author/username");
    Comment { is_person: !author.is_empty() && !is_token_user(&author), author, body: owned(note, "/body") }
}

/// Tells whether a user stands for a project's or group's token: `project_42_bot_0a1b`, `group_42_bot`.
fn is_token_user(login: &str) -> bool {
    let rest = login.strip_prefix("project_").or_else(|| login.strip_prefix("group_"));
    let Some((id, kind)) = rest.and_then(|rest| rest.split_once('_')) else { return false };
    !id.is_empty()
        && id.bytes().all(|c| c.is_ascii_digit())
        && (kind == "bot" || kind.starts_with("bot_") || kind.starts_with("bot"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_tokens_are_no_people() {
        for (login, expected) in [
            ("project_42_bot", true),
            ("project_42_bot_0a1b2c", true),
            ("group_7_bot_ff", true),
            ("project_42_bot3", true),
            ("project_x_bot", false),
            ("project_manager", false),
            ("alice", false),
        ] {
            assert_eq!(is_token_user(login), expected, "{login}");
        }
    }
}
