//! What the models of hosted registries share: two doors, a journal of everything that came in, repositories, accounts
//! and tokens. What a vendor does in its own way stands in `models`.
//!
//! A model runs in a thread of its own and stops when it is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A registry as its vendor runs it.
pub trait Model: Send + 'static {
    /// Answers what came in by one of the doors.
    fn answer(&self, state: &mut State, asked: &Asked) -> Answer;
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Door {
    /// The registry's API, and a token service at the same host and port.
    Api,
    /// A token service at a host of its own. On loopback that is another port.
    Service,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub door: Door,
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub authorization: Option<String>,
    pub accept: String,
    pub form: BTreeMap<String, String>,
    /// Everything of it as one text, to be searched for secrets.
    pub whole: String,
}

/// What a request to the API is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum About<'a> {
    Tags(&'a str),
    Manifest(&'a str, &'a str),
    Other,
}

impl Asked {
    /// User and password, if they were sent as HTTP Basic.
    pub fn basic(&self) -> Option<(String, String)> {
        let sent = self.authorization.as_ref()?.strip_prefix("Basic ")?;
        let text = String::from_utf8(STANDARD.decode(sent).ok()?).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    pub fn bearer(&self) -> Option<&str> {
        self.authorization.as_ref()?.strip_prefix("Bearer ")
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// `n`, if it is a number.
    pub fn n(&self) -> Option<usize> {
        self.parameter("n")?.parse().ok()
    }

    pub fn about(&self) -> About<'_> {
        let Some(rest) = self.path.strip_prefix("/v2/") else { return About::Other };
        match rest.rsplitn(3, '/').collect::<Vec<_>>()[..] {
            ["list", "tags", name] => About::Tags(name),
            [reference, "manifests", name] => About::Manifest(name, reference),
            _ => About::Other,
        }
    }

    /// The scope that a token request names: `repository:<name>:pull` gives the name.
    pub fn scope(&self) -> Option<&str> {
        self.parameter("scope")?.strip_prefix("repository:")?.strip_suffix(":pull")
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Answer {
    pub fn new(status: u16, kind: &str, body: impl Into<String>) -> Self {
        Self { status, headers: vec![("content-type".to_owned(), kind.to_owned())], body: body.into() }
    }

    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    /// An error as OCI Distribution writes it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, &json!({"errors": [{"code": code, "message": message}]}))
    }

    pub fn tags(repository: &str, tags: &[String]) -> Self {
        Self::json(200, &json!({"name": repository, "tags": tags}))
    }

    pub fn token(token: &str) -> Self {
        Self::json(200, &json!({"token": token, "expires_in": 300}))
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With the page that follows.
    pub fn with_next(self, next: Option<String>) -> Self {
        match next {
            Some(next) => self.with("link", &format!("<{next}>; rel=\"next\"")),
            None => self,
        }
    }

    fn into_response(self) -> Response {
        let mut response = (StatusCode::from_u16(self.status).unwrap(), self.body).into_response();
        response.headers_mut().remove("content-type");
        for (name, value) in &self.headers {
            response
                .headers_mut()
                .append(axum::http::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        response
    }
}

/// A repository: its tags in the order of their pushes. A tag that is moved is pushed again.
#[derive(Clone, Debug, Default)]
pub struct Repository {
    pub is_public: bool,
    tags: Vec<(u64, String)>,
    pushes: u64,
}

/// Some tags, and whether there are more.
#[derive(Clone, Debug)]
pub struct Page {
    pub tags: Vec<String>,
    pub has_more: bool,
}

impl Page {
    fn cut(mut tags: Vec<String>, n: usize) -> Self {
        let has_more = tags.len() > n;
        tags.truncate(n);
        Self { tags, has_more }
    }

    pub fn last(&self) -> &str {
        self.tags.last().map_or("", String::as_str)
    }
}

impl Repository {
    pub fn push(&mut self, tag: &str) {
        self.tags.retain(|(_, other)| other != tag);
        self.pushes += 1;
        self.tags.push((self.pushes, tag.to_owned()));
    }

    /// All tags, in the order of their pushes.
    pub fn by_age(&self) -> Vec<String> {
        self.tags.iter().map(|(_, tag)| tag.clone()).collect()
    }

    /// All tags by bytes.
    pub fn by_name(&self) -> Vec<String> {
        let mut tags = self.by_age();
        tags.sort();
        tags
    }

    /// A page of the tags by bytes, after this one.
    pub fn after_name(&self, last: Option<&str>, n: usize) -> Page {
        Page::cut(self.by_name().into_iter().filter(|tag| last.is_none_or(|last| tag.as_str() > last)).collect(), n)
    }

    /// A page of the tags by their pushes, after this one; and the number of the last push in it.
    pub fn after_push(&self, last: u64, n: usize) -> (Page, u64) {
        let rest: Vec<_> = self.tags.iter().filter(|(push, _)| *push > last).collect();
        let end = rest.get(..n).unwrap_or(&rest).last().map_or(last, |(push, _)| *push);
        (Page::cut(rest.into_iter().map(|(_, tag)| tag.clone()).collect(), n), end)
    }

    fn manifest(&self, name: &str, reference: &str) -> Option<String> {
        let text = |(push, tag): &(u64, String)| {
            let annotations = json!({"test.repository": name, "test.tag": tag, "test.push": push});
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [], "annotations": annotations})
                .to_string()
        };
        self.tags
            .iter()
            .find(|(_, tag)| tag == reference)
            .map(text)
            .or_else(|| self.tags.iter().map(text).find(|text| reference.contains(':') && digest(text) == reference))
    }
}

/// What happens by itself while pages are read.
#[derive(Clone, Debug)]
pub enum Event {
    /// A tag is pushed or moved.
    Push(&'static str, &'static str),
    /// All tokens end.
    TokensEnd,
}

/// Whether a request may read a repository.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// A token for it was sent.
    Granted,
    /// A token was sent that is for something else.
    Insufficient,
    /// A token was sent that ended, or that nobody gave.
    Ended,
    /// No token was sent.
    Nothing,
}

/// Who may read what is private.
#[derive(Clone, Debug)]
pub struct Account {
    pub password: String,
    pub may_read: bool,
}

/// Everything that a running model knows.
#[derive(Default)]
pub struct State {
    /// Host and port of the API and of the token service.
    pub api: String,
    pub service: String,
    pub repositories: BTreeMap<String, Repository>,
    pub accounts: BTreeMap<String, Account>,
    /// The place that stands in answers instead of the registry's own, for stories about strangers.
    pub stranger: Option<String>,
    /// Lists are redirected to the stranger.
    pub redirects: bool,
    /// Manifests that were pulled, as a registry with a limit counts them.
    pub pulls: usize,
    tokens: BTreeMap<String, String>,
    given: usize,
    pages: usize,
    events: Vec<(usize, Event)>,
    journal: Vec<Asked>,
}

impl State {
    /// Gives a token that can read this repository, or nothing at all if the name is empty.
    pub fn grant(&mut self, repository: &str) -> String {
        self.given += 1;
        let token = format!("canary-TOKEN-{}", self.given);
        self.tokens.insert(token.clone(), repository.to_owned());
        token
    }

    /// Tells what the token of a request is good for.
    pub fn access(&self, asked: &Asked, repository: &str) -> Access {
        let Some(token) = asked.bearer() else { return Access::Nothing };
        match self.tokens.get(token) {
            None => Access::Ended,
            Some(granted) if granted == repository => Access::Granted,
            Some(_) => Access::Insufficient,
        }
    }

    /// Tells who sent a request: `None` = nobody, `Err` = somebody with a wrong password.
    pub fn who(&self, asked: &Asked) -> Result<Option<&Account>, ()> {
        let Some((user, password)) = asked.basic() else {
            return if asked.authorization.is_none() { Ok(None) } else { Err(()) };
        };
        self.accounts.get(&user).filter(|account| account.password == password).map(Some).ok_or(())
    }

    pub fn may_read(&self, account: Option<&Account>, repository: &str) -> bool {
        let known = self.repositories.get(repository);
        known.is_some_and(|known| known.is_public || account.is_some_and(|account| account.may_read))
    }

    /// The origin of what the registry names: its own, unless a story says otherwise.
    pub fn origin(&self) -> String {
        format!("http://{}", self.stranger.as_ref().unwrap_or(&self.api))
    }

    pub fn service_origin(&self) -> String {
        format!("http://{}", self.stranger.as_ref().unwrap_or(&self.service))
    }

    /// A manifest, with what all registries have in common.
    ///
    /// A request that does not accept its media type is answered 404, as Distribution does: "OCI manifest found, but
    /// accept header does not support OCI manifests" (distribution/distribution, `registry/handlers/manifests.go`).
    pub fn manifest(&mut self, asked: &Asked, name: &str, reference: &str) -> Answer {
        let unknown = || Answer::error(404, "MANIFEST_UNKNOWN", "manifest unknown");
        if !matches!(asked.method.as_str(), "GET" | "HEAD") {
            return Answer::error(405, "UNSUPPORTED", "the operation is unsupported");
        }
        let Some(body) = self.repositories.get(name).and_then(|known| known.manifest(name, reference)) else {
            return unknown();
        };
        if !asked.accept.contains(OCI_MANIFEST) {
            return unknown();
        }
        if asked.method == "GET" {
            self.pulls += 1;
        }
        let digest = digest(&body);
        Answer::new(200, OCI_MANIFEST, body).with("docker-content-digest", &digest)
    }

    fn page_served(&mut self) {
        self.pages += 1;
        let due: Vec<Event> =
            self.events.iter().filter(|(page, _)| *page == self.pages).map(|(_, e)| e.clone()).collect();
        for event in due {
            match event {
                Event::Push(repository, tag) => self.repositories.get_mut(repository).unwrap().push(tag),
                Event::TokensEnd => self.tokens.clear(),
            }
        }
    }
}

/// A running model.
pub struct Hosted {
    state: Arc<Mutex<State>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Hosted {
    pub fn start(model: Box<dyn Model>) -> Self {
        let (api, service) = (Listening::bind(), Listening::bind());
        let state = State { api: api.at.to_string(), service: service.at.to_string(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let model = Arc::new(Mutex::new(model));
        let (stop, stopped) = oneshot::channel::<()>();
        let doors = [(Door::Api, api), (Door::Service, service)]
            .map(|(door, listening)| (listening.socket, router(door, model.clone(), state.clone())));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                for (socket, router) in doors {
                    let listener = tokio::net::TcpListener::from_std(socket).unwrap();
                    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
                }
                let _ = stopped.await;
            });
        });
        Self { state, stop: Some(stop), thread: Some(thread) }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The URL of the API.
    pub fn url(&self) -> url::Url {
        format!("http://{}", self.state().api).parse().unwrap()
    }

    pub fn publish<'a>(&self, repository: &str, is_public: bool, tags: impl IntoIterator<Item = &'a str>) {
        let mut state = self.state();
        let repository = state.repositories.entry(repository.to_owned()).or_default();
        repository.is_public = is_public;
        tags.into_iter().for_each(|tag| repository.push(tag));
    }

    /// The digest that a tag has now.
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        digest(&self.state().repositories[repository].manifest(repository, tag).unwrap())
    }

    /// Lets this happen after so many pages from now on.
    pub fn plan(&self, page: usize, event: Event) {
        let mut state = self.state();
        let page = state.pages + page;
        state.events.push((page, event));
    }

    /// Every request since it was last asked.
    pub fn take_journal(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().journal)
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

struct Listening {
    at: SocketAddr,
    socket: TcpListener,
}

impl Listening {
    fn bind() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { at: socket.local_addr().unwrap(), socket }
    }
}

fn router(door: Door, model: Arc<Mutex<Box<dyn Model>>>, state: Arc<Mutex<State>>) -> Router {
    Router::new().fallback(move |request: Request| {
        let (model, state) = (model.clone(), state.clone());
        async move {
            let asked = read(door, request).await;
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.journal.push(asked.clone());
            let mut answer = model.lock().unwrap_or_else(PoisonError::into_inner).answer(&mut state, &asked);
            if state.redirects && answer.status == 200 && matches!(asked.about(), About::Tags(_)) {
                let there = format!("{}{}", state.origin(), asked.path);
                answer = Answer::new(307, "text/plain", "").with("location", &there);
            }
            if answer.status == 200 && matches!(asked.about(), About::Tags(_)) {
                state.page_served();
            }
            answer.into_response()
        }
    })
}

async fn read(door: Door, request: Request) -> Asked {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    let header =
        |name: &str| parts.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let pairs = |text: &str| url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let decoded = header("authorization").and_then(|sent| STANDARD.decode(sent.strip_prefix("Basic ")?).ok());
    Asked {
        door,
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: pairs(parts.uri.query().unwrap_or_default()),
        authorization: header("authorization"),
        accept: header("accept").unwrap_or_default(),
        form: pairs(&body),
        whole: format!(
            "{} {} {:?} {} {}",
            parts.method,
            parts.uri,
            parts.headers,
            String::from_utf8_lossy(&decoded.unwrap_or_default()),
            body
        ),
    }
}

pub fn digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}

/// All that a listing should hold.
pub fn set<'a>(tags: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    tags.into_iter().map(str::to_owned).collect()
}
