//! GitHub and GitHub Enterprise Server: pull requests over REST, version 2022-11-28.
//!
//! Documents: GitHub REST API, "Pulls", "Issues", "Commits"; GraphQL API where REST has no word for it (`graphql`).

mod graphql;
mod people;
mod source;

use std::collections::BTreeSet;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::credentials::Credentials;
use crate::forge::Options;
use crate::forge::answer::Answer;
use crate::forge::client::{Client, Dialect, Until};
use crate::forge::error::ForgeError;
use crate::forge::json::{branch, commit, flag, link, list, number, owned, text, time};
use crate::model::forge::{ForgeIdentity, NewPullRequest, Project, PullRequest, PullState, PullUpdate};
use crate::model::names::Branch;

const DIALECT: Dialect = Dialect {
    accept: "application/vnd.github+json",
    headers: &[("x-github-api-version", "2022-11-28")],
    scheme: "Bearer",
    takes_basic: true,
};
/// Entries of a page; the most that GitHub gives.
const PAGE: (&str, &str) = ("per_page", "100");
/// Pages that are read of the closed pull requests of one branch.
const CLOSED_PAGES: usize = 5;

/// One GitHub as one account, or one App, sees it.
#[derive(Debug)]
pub(super) struct GitHub {
    client: Client,
    graphql: Url,
}

impl GitHub {
    pub(super) fn new(options: &Options) -> Result<Self, ForgeError> {
        Ok(Self { client: Client::new(options, &DIALECT)?, graphql: graphql_url(&options.api_url) })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) async fn identity(&self, project: &Project) -> Result<ForgeIdentity, ForgeError> {
        if self.client.is_app() {
            let answer = self.client.get_as_app(project, self.client.url(&["app"], &[])).await?;
            let app = answer.ok()?;
            let slug = text(&app, "/slug").ok_or_else(|| answer.bad("the App has no slug"))?;
            let login = format!("{slug}[bot]");
            // The user behind the App has the number that its addresses are made of.
            let answer = self.client.get(project, self.client.url(&["users", &login], &[])).await?;
            let id = answer.found()?.and_then(|user| number(&user, "/id"));
            return Ok(self.identity_of(login, id, None));
        }
        let answer = self.client.get(project, self.client.url(&["user"], &[])).await?;
        // A token of an installation, as workflows have one, may not ask for its user; GraphQL tells it all the same.
        if answer.status.as_u16() == 403 {
            return self.viewer(project).await;
        }
        let user = answer.ok()?;
        let login = text(&user, "/login").ok_or_else(|| answer.bad("the user has no login"))?;
        Ok(self.identity_of(login.to_owned(), number(&user, "/id"), text(&user, "/email")))
    }

    fn identity_of(&self, login: String, id: Option<u64>, email: Option<&str>) -> ForgeIdentity {
        let host = format!("users.noreply.{}", self.client.web_host());
        let mut emails = BTreeSet::from([format!("{login}@{host}")]);
        emails.extend(id.map(|id| format!("{id}+{login}@{host}")));
        emails.extend(email.filter(|email| email.contains('@')).map(str::to_owned));
        ForgeIdentity { login, emails }
    }

    pub(super) async fn git_credentials(&self, project: &Project) -> Result<Option<Credentials>, ForgeError> {
        Ok(self.client.installation_token(project).await?.map(Credentials::Token))
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
        let query = [("state", "closed"), ("sort", "updated"), ("direction", "desc"), PAGE];
        let url = self.at(project, &["pulls"], &query);
        let found = self.client.pages(project, url, Until::Changed("/updated_at", since)).await?;
        self.own_pulls(project, &found, prefix)
    }

    pub(super) async fn closed_pulls_of(
        &self,
        project: &Project,
        head: &Branch,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let full = format!("{}:{head}", project.owner());
        let url = self.at(project, &["pulls"], &[("state", "closed"), ("head", &full), PAGE]);
        let found = self.client.pages(project, url, Until::Pages(CLOSED_PAGES)).await?;
        self.own_pulls(project, &found, head.as_str())
    }

    pub(super) async fn pull(&self, project: &Project, number: u64) -> Result<Option<PullRequest>, ForgeError> {
        let answer = self.client.get(project, self.at(project, &["pulls", &number.to_string()], &[])).await?;
        let Some(found) = answer.found()? else { return Ok(None) };
        if !is_own(&found) {
            return Ok(None);
        }
        self.read(project, &found).map(Some).ok_or_else(|| answer.bad("a pull request lacks fields"))
    }

    pub(super) async fn open(&self, project: &Project, new: &NewPullRequest) -> Result<PullRequest, ForgeError> {
        let body = json!({
            "title": new.title, "head": new.head.as_str(), "base": new.base.as_str(), "body": new.body,
            "draft": new.is_draft,
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
        let mut body = serde_json::Map::new();
        body.extend(update.title.as_ref().map(|title| ("title".to_owned(), json!(title))));
        body.extend(update.body.as_ref().map(|text| ("body".to_owned(), json!(text))));
        let state = |is_open| if is_open { "open" } else { "closed" };
        body.extend(update.is_open.map(|is_open| ("state".to_owned(), json!(state(is_open)))));
        let url = self.at(project, &["pulls", &number.to_string()], &[]);
        let answer = self.client.write(project, Method::PATCH, url, Some(&Value::Object(body))).await?;
        self.written(project, &answer)
    }

    fn written(&self, project: &Project, answer: &Answer) -> Result<PullRequest, ForgeError> {
        if answer.status.as_u16() == 422 && answer.words().contains("A pull request already exists") {
            return Err(ForgeError::Exists { place: answer.place.clone() });
        }
        self.read(project, &answer.ok()?).ok_or_else(|| answer.bad("a pull request lacks fields"))
    }

    /// Gives a URL below a project.
    fn at(&self, project: &Project, rest: &[&str], query: &[(&str, &str)]) -> Url {
        self.client.url(&[&["repos", project.owner(), project.name()], rest].concat(), query)
    }

    /// Reads those of a list that are within the project and have such a head.
    fn own_pulls(&self, project: &Project, found: &[Value], prefix: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let is_ours =
            |pull: &Value| text(pull, "/head/ref").is_some_and(|head| head.starts_with(prefix)) && is_own(pull);
        self.client.read_all(project, found, is_ours, |pull| self.read(project, pull))
    }

    fn read(&self, project: &Project, pull: &Value) -> Option<PullRequest> {
        let number = number(pull, "/number")?;
        let merged = time(pull, "/merged_at");
        let state = match (text(pull, "/state")?, merged) {
            ("open", _) => PullState::Open,
            (_, Some(_)) => PullState::Merged,
            (_, None) => PullState::Closed,
        };
        Some(PullRequest {
            number,
            url: link(pull, "/html_url", self.client.page(project, &format!("pull/{number}"))),
            title: owned(pull, "/title"),
            body: owned(pull, "/body"),
            state,
            head: branch(pull, "/head/ref")?,
            head_commit: commit(pull, "/head/sha"),
            base: branch(pull, "/base/ref")?,
            is_draft: flag(pull, "/draft").unwrap_or(false),
            labels: list(pull, "/labels").iter().filter_map(|label| text(label, "/name")).map(str::to_owned).collect(),
            author: owned(pull, "/user/login"),
            created: time(pull, "/created_at")?,
            updated: time(pull, "/updated_at")?,
            closed: time(pull, "/closed_at").or(merged),
            // Of an open one this is a merge that GitHub made to try.
            merge_commit: (state == PullState::Merged).then(|| commit(pull, "/merge_commit_sha")).flatten(),
            // Lists do not say; while GitHub has not tried yet it says null.
            has_conflict: flag(pull, "/mergeable").map(|is_mergeable| !is_mergeable),
            is_auto_merged: pull.get("auto_merge").map(Value::is_object),
        })
    }
}

/// Tells whether a pull request comes from the project that it is for.
fn is_own(pull: &Value) -> bool {
    match (number(pull, "/head/repo/id"), number(pull, "/base/repo/id")) {
        (Some(head), Some(base)) => head == base,
        // The fork is gone.
        _ => false,
    }
}

/// Gives where GraphQL is: beside `/api/v3` of a server, below the API of github.com.
fn graphql_url(api: &Url) -> Url {
    let mut url = api.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty();
        if api.path().trim_end_matches('/').ends_with("/v3") {
            path.pop();
        }
        path.push("graphql");
    }
    url
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn graphql_is_beside_the_third_version_of_rest() {
        for (api, expected) in [
            ("https://api.github.com", "https://api.github.com/graphql"),
            ("https://api.github.com/", "https://api.github.com/graphql"),
            ("https://git.example.com/api/v3", "https://git.example.com/api/graphql"),
            ("https://git.example.com/api/v3/", "https://git.example.com/api/graphql"),
            ("https://api.acme.ghe.com", "https://api.acme.ghe.com/graphql"),
        ] {
            assert_eq!(graphql_url(&api.parse().unwrap()).as_str(), expected, "{api}");
        }
    }
}
