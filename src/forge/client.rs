//! The one way to speak to a forge's API: proves who asks, keeps the pace, follows pages, and asks conditionally.
//!
//! Requests and credentials go below `api_url` (and to GraphQL beside it) and nowhere else: of a link to the next page only
//! the query is taken, and a redirect is followed for reading only, and only within the API. What writes is sent once.

use std::collections::HashSet;
use std::fmt;

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::credentials::Credentials;
use crate::forge::answer::Answer;
use crate::forge::app::{App, Slot, Token};
use crate::forge::error::ForgeError;
use crate::forge::json;
pub(super) use crate::forge::wire::Dialect;
use crate::forge::wire::{Ask, Who, Wire};
use crate::forge::{ForgeLogin, Options, Traffic};
use crate::model::forge::{Project, PullRequest};
use crate::secret::Secret;

/// Pages of a list that must be whole.
const MAX_PAGES: usize = 100;
/// Entries of a list that is read back to a time.
const MAX_CHANGED: usize = 1000;

/// One forge's connection.
pub(super) struct Client {
    wire: Wire,
    /// An App, where one asks.
    app: Option<App>,
    web: String,
    is_anonymous: bool,
}

/// How far pages are followed.
#[derive(Clone, Copy)]
pub(super) enum Until<'a> {
    /// To the end; a list longer than can be is an error.
    End,
    /// To the first entry whose time at this pointer is earlier: the list is sorted, newest first. One that goes on after
    /// 1,000 entries is an error, since nobody could tell what is missing.
    Changed(&'a str, Timestamp),
    /// So many pages at most.
    Pages(usize),
}

impl Client {
    /// Makes the connection; nothing is sent yet.
    ///
    /// # Errors
    /// Settings that cannot be used.
    pub(super) fn new(options: &Options, dialect: &'static Dialect) -> Result<Self, ForgeError> {
        let place = options.api_url.host_str().unwrap_or_default();
        let settings = |reason: String| ForgeError::Settings { place: place.to_owned(), reason };
        let (credentials, app) = match &options.login {
            ForgeLogin::Fixed(credentials) => (credentials.clone(), None),
            ForgeLogin::App { id, key } => {
                let app = App::new(id.clone(), key.clone()).map_err(|rule| settings(format!("the App: {rule}")))?;
                (Credentials::Anonymous, Some(app))
            }
        };
        Ok(Self {
            is_anonymous: app.is_none() && credentials == Credentials::Anonymous,
            wire: Wire::new(options, dialect, credentials).map_err(settings)?,
            app,
            web: options.web_url.as_str().trim_end_matches('/').to_owned(),
        })
    }

    /// Gives what was asked so far.
    pub(super) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    /// Names the forge and the project, for errors.
    pub(super) fn place(&self, project: &Project) -> String {
        self.wire.place(project)
    }

    /// Gives a URL that people read, below the project.
    pub(super) fn page(&self, project: &Project, rest: &str) -> String {
        format!("{}/{project}/{rest}", self.web)
    }

    /// Gives the host that people read the forge at.
    pub(super) fn web_host(&self) -> String {
        let url = Url::parse(&self.web).ok();
        url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Tells whether nothing proves who asks.
    pub(super) fn is_anonymous(&self) -> bool {
        self.is_anonymous
    }

    /// Tells whether an App asks.
    pub(super) fn is_app(&self) -> bool {
        self.app.is_some()
    }

    /// Gives a URL of the API; every part is encoded as one.
    pub(super) fn url(&self, parts: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.wire.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Reads, conditionally where the last answer allows it.
    pub(super) async fn get(&self, project: &Project, url: Url) -> Result<Answer, ForgeError> {
        self.send(Ask::get(project, url)).await
    }

    /// Reads as the App itself.
    pub(super) async fn get_as_app(&self, project: &Project, url: Url) -> Result<Answer, ForgeError> {
        self.send(Ask { who: Who::App, ..Ask::get(project, url) }).await
    }

    /// Writes: once, one after the other.
    pub(super) async fn write(
        &self,
        project: &Project,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer, ForgeError> {
        self.send(Ask { method, body, is_write: true, ..Ask::get(project, url) }).await
    }

    /// Asks GraphQL; a mutation is a write.
    pub(super) async fn graphql(
        &self,
        project: &Project,
        url: Url,
        body: &Value,
        is_write: bool,
    ) -> Result<Answer, ForgeError> {
        let ask = Ask { method: Method::POST, body: Some(body), is_graphql: true, is_write, ..Ask::get(project, url) };
        self.send(ask).await
    }

    /// Reads the pages of a list.
    ///
    /// # Errors
    /// Pages that go round, too many of them, and what [`Client::get`] may fail with.
    pub(super) async fn pages(
        &self,
        project: &Project,
        first: Url,
        until: Until<'_>,
    ) -> Result<Vec<Value>, ForgeError> {
        let (mut all, mut seen, mut url) = (Vec::new(), HashSet::new(), first);
        for page in 1.. {
            seen.insert(url.query().unwrap_or_default().to_owned());
            let answer = self.get(project, url).await?;
            let Value::Array(entries) = answer.ok()? else { return Err(answer.bad("it is no list")) };
            let is_empty = entries.is_empty();
            all.extend(entries);
            let Some(next) = answer.next.as_deref().filter(|_| !is_empty) else { break };
            let is_enough = match until {
                Until::End if page >= MAX_PAGES => {
                    return Err(answer.bad(format!("the list has more than {page} pages")));
                }
                Until::End => false,
                Until::Changed(at, since) => {
                    let is_past = all.last().and_then(|last| json::time(last, at)).is_none_or(|time| time < since);
                    if !is_past && all.len() >= MAX_CHANGED {
                        return Err(answer.bad(format!("more than {MAX_CHANGED} entries changed")));
                    }
                    is_past
                }
                Until::Pages(most) => page >= most,
            };
            if is_enough {
                break;
            }
            url = next_page(&answer.url, next).ok_or_else(|| answer.bad("the link to its next page is no URL"))?;
            if seen.contains(url.query().unwrap_or_default()) {
                return Err(answer.bad("its pages go round"));
            }
        }
        Ok(all)
    }

    /// Reads those pull requests of a list that are ours. One of ours that cannot be read is an error: passed over, it
    /// would be opened a second time.
    ///
    /// # Errors
    /// [`ForgeError::BadAnswer`].
    pub(super) fn read_all(
        &self,
        project: &Project,
        found: &[Value],
        is_ours: impl Fn(&Value) -> bool,
        read: impl Fn(&Value) -> Option<PullRequest>,
    ) -> Result<Vec<PullRequest>, ForgeError> {
        let lacking = |pull: &Value| {
            let number = json::number(pull, "/number").or_else(|| json::number(pull, "/iid"));
            let number = number.map_or_else(|| "without a number".to_owned(), |number| number.to_string());
            ForgeError::BadAnswer { place: self.place(project), reason: format!("pull request {number} lacks fields") }
        };
        found.iter().filter(|pull| is_ours(pull)).map(|pull| read(pull).ok_or_else(|| lacking(pull))).collect()
    }

    /// Gives the token of the installation for the project's owner; none where no App asks.
    pub(super) async fn installation_token(&self, project: &Project) -> Result<Option<Secret>, ForgeError> {
        let Some(app) = &self.app else { return Ok(None) };
        let slot = self.filled(app, project).await?;
        Ok(slot.get().map(|token| token.secret.clone()))
    }

    async fn send(&self, ask: Ask<'_>) -> Result<Answer, ForgeError> {
        let Some(app) = &self.app else { return self.wire.send(&ask, None).await };
        if ask.who == Who::App {
            return self.send_as_app(&ask, app).await;
        }
        let slot = self.filled(app, ask.project).await?;
        let answer = self.wire.send(&ask, slot.get().map(|token| &token.secret)).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // It was taken back before its end. Nothing was done, so also what writes may be sent again.
        app.forget(ask.project.owner(), &slot);
        let slot = self.filled(app, ask.project).await?;
        self.wire.send(&ask, slot.get().map(|token| &token.secret)).await
    }

    async fn send_as_app(&self, ask: &Ask<'_>, app: &App) -> Result<Answer, ForgeError> {
        let proof = app.proof(Timestamp::now()).map_err(|rule| ForgeError::Settings {
            place: self.place(ask.project),
            reason: format!("the App: {rule}"),
        })?;
        self.wire.remember(&proof);
        self.wire.send(ask, Some(&proof)).await
    }

    /// Gives a token of the installation for the project's owner, asked for once.
    async fn filled(&self, app: &App, project: &Project) -> Result<Slot, ForgeError> {
        let slot = app.slot(project.owner(), Instant::now());
        slot.get_or_try_init(|| self.install(app, project)).await?;
        Ok(slot)
    }

    async fn install(&self, app: &App, project: &Project) -> Result<Token, ForgeError> {
        let ask = |method: Method, url: Url| Ask { who: Who::App, method, ..Ask::get(project, url) };
        let url = self.url(&["repos", project.owner(), project.name(), "installation"], &[]);
        let answer = self.send_as_app(&ask(Method::GET, url), app).await?;
        if answer.status == StatusCode::NOT_FOUND {
            let reason = "the App is not installed for it".to_owned();
            return Err(ForgeError::NotFound { place: answer.place, reason });
        }
        let id = json::number(&answer.ok()?, "/id").ok_or_else(|| answer.bad("the installation has no id"))?;
        let url = self.url(&["app", "installations", &id.to_string(), "access_tokens"], &[]);
        let answer = self.send_as_app(&ask(Method::POST, url), app).await?;
        let token = Token::parse(&answer.ok()?, Timestamp::now(), Instant::now());
        let token = token.ok_or_else(|| answer.bad("it is no token of an installation that lasts"))?;
        self.wire.remember(&token.secret);
        Ok(token)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("api", &self.wire.api.as_str()).finish_non_exhaustive()
    }
}

/// Gives the next page: where this one is, with the query of the link. So a forge that is reached under another name than
/// it has itself is followed, and none can lead anywhere else.
fn next_page(current: &Url, link: &str) -> Option<Url> {
    let target = current.join(link).ok()?;
    let mut next = current.clone();
    next.set_query(Some(target.query()?));
    Some(next)
}
