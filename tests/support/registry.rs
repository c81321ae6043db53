//! A registry for tests: a model of repositories behind real HTTP, which can misbehave per repository.
//!
//! It runs in a thread of its own, so that synchronous tests can drive it, and stops when it is dropped. Include it with
//! `#[path = "support/registry.rs"] mod …`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

#[path = "registry/behaviour.rs"]
mod behaviour;
#[path = "registry/images.rs"]
mod images;
#[path = "registry/signing.rs"]
pub mod signing;

pub use behaviour::{Behaviour, Link};
pub use images::{Image, Part};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// One request as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Seen {
    pub method: String,
    /// Path and query.
    pub path: String,
    pub authorization: Option<String>,
    pub user_agent: String,
    pub body: String,
}

/// The running registry.
pub struct FakeRegistry {
    addr: SocketAddr,
    world: Arc<Mutex<World>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct World {
    addr: String,
    repositories: BTreeMap<String, Repository>,
    seen: Vec<Seen>,
    tokens: BTreeMap<String, (String, Instant)>,
    tokens_given: usize,
    /// How often repositories refused to answer for now.
    refused: BTreeMap<String, usize>,
}

#[derive(Clone, Default)]
struct Repository {
    tags: BTreeSet<String>,
    behaviours: Vec<Behaviour>,
    /// What tags name whose images say something of themselves: the digest.
    images: BTreeMap<String, String>,
    /// Manifests and blobs by digest, with their media types.
    parts: BTreeMap<String, Part>,
    /// What refers to digests: entries of lists.
    referrers: BTreeMap<String, Vec<serde_json::Value>>,
}

impl FakeRegistry {
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let world = Arc::new(Mutex::new(World { addr: addr.to_string(), ..World::default() }));
        let router = Router::new().fallback(answer).with_state(world.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { addr, world, stop: Some(stop), thread: Some(thread) }
    }

    /// The host in image names.
    pub fn host(&self) -> String {
        self.addr.to_string()
    }

    /// Adds tags; the repository is made if it is new.
    pub fn publish(&self, repository: &str, tags: &[&str]) {
        let mut world = self.world();
        let repository = world.repositories.entry(repository.to_owned()).or_default();
        repository.tags.extend(tags.iter().map(|tag| (*tag).to_owned()));
    }

    /// Adds or moves a tag, with an image that says what it is.
    pub fn push(&self, repository: &str, tag: &str, image: &Image) {
        let mut world = self.world();
        let repository = world.repositories.entry(repository.to_owned()).or_default();
        let (digest, parts) = image.parts();
        repository.tags.insert(tag.to_owned());
        repository.images.insert(tag.to_owned(), digest);
        repository.parts.extend(parts);
    }

    /// Removes one tag.
    pub fn remove(&self, repository: &str, tag: &str) {
        self.world().repositories.get_mut(repository).expect("a repository").tags.remove(tag);
    }

    /// Adds a behaviour; the repository is made if it is new. The one without a name is the base of the API, `/v2/`.
    pub fn set(&self, repository: &str, behaviour: Behaviour) {
        self.world().repositories.entry(repository.to_owned()).or_default().behaviours.push(behaviour);
    }

    /// Makes the repository well-behaved again.
    pub fn clear(&self, repository: &str) {
        self.world().repositories.get_mut(repository).expect("a repository").behaviours.clear();
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.world().seen.clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.world().seen.clear();
    }

    /// Refuses all tokens that were given.
    pub fn revoke_tokens(&self) {
        self.world().tokens.clear();
    }

    /// The digest that a tag's manifest has.
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        let world = self.world();
        let pushed = world.repositories.get(repository).and_then(|repository| repository.images.get(tag));
        pushed.cloned().unwrap_or_else(|| digest(manifest(repository, tag).as_bytes()))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn answer(State(world): State<Arc<Mutex<World>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 * 1024).await.unwrap_or_default();
    let (decided, delay) = decide(&world, &parts, &String::from_utf8_lossy(&body));
    if let Some(delay) = delay {
        tokio::time::sleep(delay).await;
    }
    decided
}

fn decide(world: &Mutex<World>, request: &Parts, body: &str) -> (Response, Option<Duration>) {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let authorization = header("authorization");
    let mut world = world.lock().unwrap();
    world.seen.push(Seen {
        method: request.method.to_string(),
        path: path.to_owned(),
        authorization: authorization.clone(),
        user_agent: header("user-agent").unwrap_or_default(),
        body: body.to_owned(),
    });
    let (response, delay) = world.decide(&request.method, path, authorization.as_deref(), body);
    let is_known =
        header("if-none-match").is_some_and(|known| response.headers().get("etag").is_some_and(|e| *e == known));
    (if is_known { raw(304, &[], b"") } else { response }, delay)
}

impl World {
    fn decide(
        &mut self,
        method: &Method,
        path: &str,
        authorization: Option<&str>,
        body: &str,
    ) -> (Response, Option<Duration>) {
        let url = url::Url::parse("http://fake").unwrap().join(path).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        if url.path() == "/token" {
            let form = url::form_urlencoded::parse(body.as_bytes()).into_owned();
            return (self.token(method, &query.into_iter().chain(form).collect(), authorization), None);
        }
        let moved = url.path().starts_with("/moved");
        let rest = url.path().trim_start_matches("/moved").trim_start_matches("/v2/");
        let (name, kind, last) = match rest.rsplitn(3, '/').collect::<Vec<_>>()[..] {
            [last, kind, name] => (name, kind, last),
            _ => return (self.base(authorization, path, moved), None),
        };
        let Some(repository) = self.repositories.get(name).cloned() else {
            return (error(404, "NAME_UNKNOWN"), None);
        };
        let delay = repository.behaviours.iter().find_map(|b| match b {
            Behaviour::Delay(delay) => Some(*delay),
            _ => None,
        });
        if let Some(early) = self.put_off(&repository, name) {
            return (early, delay);
        }
        if let Some(early) = self.gate(&repository, name, authorization, path, moved) {
            return (early, delay);
        }
        let response = match kind {
            "tags" => self.list(&repository, name, &url, &query),
            "referrers" => repository.list_of_referrers(last, &url, &query),
            "blobs" => repository.part(last, false),
            _ => repository.manifest(name, last, method),
        };
        if let Some(moved) = repository.moved(last) {
            self.repositories.get_mut(name).unwrap().images.insert(last.to_owned(), moved);
        }
        (response, delay)
    }

    /// The base of the API. It behaves as the repository without a name.
    fn base(&self, authorization: Option<&str>, path: &str, moved: bool) -> Response {
        let Some(base) = self.repositories.get("") else { return json_answer(200, "{}") };
        if let Some(early) = self.gate(base, "", authorization, path, moved) {
            return early;
        }
        if base.behaviours.iter().any(|behaviour| matches!(behaviour, Behaviour::Html)) {
            return with(json_answer(200, "<!DOCTYPE html><p>log in"), "content-type", "text/html");
        }
        json_answer(200, "{}")
    }

    /// Refuses to answer for now, as often as was said.
    fn put_off(&mut self, repository: &Repository, name: &str) -> Option<Response> {
        let refused = self.refused.entry(name.to_owned()).or_default();
        let (answer, most) = repository.behaviours.iter().find_map(|behaviour| match behaviour {
            Behaviour::Throttled(most, after) => {
                Some((with(error(429, "TOOMANYREQUESTS"), "retry-after", after), *most))
            }
            Behaviour::Busy(most) => Some((error(503, "UNAVAILABLE"), *most)),
            _ => None,
        })?;
        *refused += 1;
        (*refused <= most).then_some(answer)
    }

    /// What stands before every answer of a repository.
    fn gate(&self, repo: &Repository, name: &str, sent: Option<&str>, path: &str, moved: bool) -> Option<Response> {
        for behaviour in repo.behaviours.iter().rev() {
            match behaviour {
                Behaviour::Status(status, code) => return Some(error(*status, code)),
                Behaviour::RateLimited(after) => {
                    return Some(with(error(429, "TOOMANYREQUESTS"), "retry-after", after));
                }
                Behaviour::Redirect(to) if !moved => {
                    return Some(with(error(307, "UNKNOWN"), "location", &format!("{to}{path}")));
                }
                Behaviour::Basic(user, password) => {
                    let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                    if sent != Some(wanted.as_str()) {
                        return Some(challenge("Basic realm=\"fake, with a comma\""));
                    }
                }
                Behaviour::Bearer(realm) => {
                    let token = sent.and_then(|sent| sent.strip_prefix("Bearer ")).unwrap_or_default();
                    let known = self.tokens.get(token).filter(|(_, ends)| Instant::now() < *ends);
                    if known.map(|(repository, _)| repository.as_str()) != Some(name) {
                        let own = format!("http://{}/token?kept=yes", self.addr);
                        let realm = realm.as_ref().unwrap_or(&own);
                        let scope =
                            if name.is_empty() { String::new() } else { format!(",scope=\"repository:{name}:pull\"") };
                        return Some(challenge(&format!("Bearer realm=\"{realm}\",service=\"fake\"{scope}")));
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn token(&mut self, method: &Method, query: &BTreeMap<String, String>, sent: Option<&str>) -> Response {
        let scope = query.get("scope").map(String::as_str).unwrap_or_default();
        let name = scope.strip_prefix("repository:").and_then(|rest| rest.strip_suffix(":pull")).unwrap_or_default();
        let Some(repository) = self.repositories.get(name) else { return error(400, "UNSUPPORTED") };
        if query.get("service").map(String::as_str) != Some("fake") || !query.contains_key("kept") {
            return error(400, "UNSUPPORTED");
        }
        for behaviour in repository.behaviours.iter().rev() {
            let is_let_in = match behaviour {
                Behaviour::TokenAnswer(status, body) => return json_answer(*status, body),
                Behaviour::TokenLogin(user, password) => {
                    let wanted = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
                    method == Method::GET && sent == Some(wanted.as_str())
                }
                Behaviour::TokenRefresh(token) => {
                    method == Method::POST
                        && query.get("grant_type").map(String::as_str) == Some("refresh_token")
                        && query.get("refresh_token") == Some(token)
                        && query.contains_key("client_id")
                }
                _ => true,
            };
            if !is_let_in {
                return json_answer(401, r#"{"details":"incorrect username\nor password"}"#);
            }
        }
        let life = repository.behaviours.iter().find_map(|behaviour| match behaviour {
            Behaviour::TokenLife(seconds) => Some(*seconds),
            _ => None,
        });
        let life = life.unwrap_or(300);
        self.tokens_given += 1;
        let token = format!("anonymous-{}", self.tokens_given);
        self.tokens.insert(token.clone(), (name.to_owned(), Instant::now() + Duration::from_secs(life)));
        json_answer(200, &json!({"token": token, "expires_in": life}).to_string())
    }

    fn list(&self, repo: &Repository, name: &str, url: &url::Url, query: &BTreeMap<String, String>) -> Response {
        let mut tags: Vec<String> = repo.tags.iter().filter(|tag| !repo.is_hidden(tag)).cloned().collect();
        let mut limit = query.get("n").and_then(|n| n.parse::<usize>().ok()).unwrap_or(usize::MAX);
        let mut link = Link::Relative;
        for behaviour in &repo.behaviours {
            match behaviour {
                Behaviour::PageSize(size) => limit = limit.min(*size),
                Behaviour::Link(style) => link = style.clone(),
                Behaviour::IgnoreN => limit = usize::MAX,
                Behaviour::RawTags(raw) => tags.extend(raw.iter().cloned()),
                Behaviour::Unsorted => {
                    tags.reverse();
                    tags.extend(tags.first().cloned());
                }
                Behaviour::NullTags => return json_answer(200, &json!({"name": name, "tags": null}).to_string()),
                Behaviour::Html => {
                    return with(json_answer(200, "<!DOCTYPE html><p>log in"), "content-type", "text/html");
                }
                Behaviour::Truncated => return json_answer(200, r#"{"name":"x","tags":["1.0.0","1.1."#),
                Behaviour::Endless => {
                    let chunk = || Ok(Bytes::from("\"1.0.0\",".repeat(4_096)));
                    return streamed(stream::repeat_with(chunk).boxed(), None);
                }
                Behaviour::Cut => {
                    // The pause lets the beginning out before the connection ends.
                    let gone = stream::once(async {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                        Err(io::Error::other("gone"))
                    });
                    let broken = stream::iter([ok(b"\"1.0.0\"]}")]).chain(gone);
                    return streamed(broken.boxed(), Some(1000));
                }
                Behaviour::Stalled => return streamed(stream::pending().boxed(), None),
                Behaviour::List(status, headers, body) => return raw(*status, headers, body),
                Behaviour::MostTags(most, code) if limit != usize::MAX && limit > *most => return error(400, code),
                Behaviour::MostTags(most, _) => limit = limit.min(*most),
                Behaviour::Unlinked => {
                    let last = query.get("last").map(String::as_str).unwrap_or_default();
                    let page: Vec<&String> = tags.iter().filter(|tag| tag.as_str() > last).take(limit).collect();
                    return json_answer(200, &json!({"name": name, "tags": page}).to_string());
                }
                _ => {}
            }
        }
        // The cursor is opaque on purpose: a client that builds its own `last` gets lost.
        let start = query.get("cursor").and_then(|at| at.parse::<usize>().ok()).unwrap_or(0);
        let end = start.saturating_add(limit).min(tags.len());
        let endless = matches!(link, Link::Endless);
        let page = if endless { &tags[..] } else { tags.get(start..end).unwrap_or_default() };
        let response = json_answer(200, &json!({"name": name, "tags": page}).to_string());
        if end >= tags.len() && !endless {
            return response;
        }
        let relative = format!("{}?n={limit}&cursor={}", url.path(), if endless { start + 1 } else { end });
        let value = match link {
            Link::Relative | Link::Endless => format!("<{relative}>; rel=\"next\""),
            Link::Absolute => format!("<http://{}{relative}>; rel=next", self.addr),
            Link::Decorated => {
                format!("<?first>; rel=\"first\"; title=\"a, <b>; rel=next\", <{relative}>; rel=\"next\"")
            }
            Link::Loop => format!("<{}?{}>; rel=\"next\"", url.path(), url.query().unwrap_or_default()),
            Link::To(url) => format!("<{url}>; rel=\"next\""),
        };
        with(response, "link", &value)
    }
}

impl Repository {
    /// What a tag names from now on, if it moves.
    fn moved(&self, tag: &str) -> Option<String> {
        self.behaviours.iter().find_map(|behaviour| match behaviour {
            Behaviour::MovesOnceSeen(moving, to) if moving == tag => Some(to.clone()),
            _ => None,
        })
    }

    /// A page of what refers to a digest (OCI Distribution 1.1, "Listing Referrers").
    fn list_of_referrers(&self, digest: &str, url: &url::Url, query: &BTreeMap<String, String>) -> Response {
        let mut size = usize::MAX;
        for behaviour in &self.behaviours {
            match behaviour {
                Behaviour::NoReferrers => return error(404, "NOT_FOUND"),
                Behaviour::Referrers(status, headers, body) => return raw(*status, headers, body),
                Behaviour::PageSize(most) => size = *most,
                _ => {}
            }
        }
        let entries = self.referrers.get(digest).map(Vec::as_slice).unwrap_or_default();
        let start = query.get("cursor").and_then(|at| at.parse::<usize>().ok()).unwrap_or(0);
        let end = start.saturating_add(size).min(entries.len());
        let page = signing::index(entries.get(start..end).unwrap_or_default());
        let response = raw(200, &[("content-type", OCI_INDEX.to_owned())], &page);
        if end >= entries.len() {
            return response;
        }
        with(response, "link", &format!("<{}?cursor={end}>; rel=\"next\"", url.path()))
    }

    fn is_hidden(&self, tag: &str) -> bool {
        self.behaviours.iter().any(|b| matches!(b, Behaviour::Hidden(hidden) if hidden == tag))
    }

    fn manifest(&self, name: &str, reference: &str, method: &Method) -> Response {
        let has = |wanted: fn(&Behaviour) -> bool| self.behaviours.iter().any(wanted);
        if has(|b| matches!(b, Behaviour::NoHead)) && method == Method::HEAD {
            return error(405, "UNSUPPORTED");
        }
        for behaviour in &self.behaviours {
            match behaviour {
                Behaviour::ManifestFails(tag, status) if tag == reference => return error(*status, "UNKNOWN"),
                Behaviour::ManifestMissing(tag) if tag == reference => return error(404, "MANIFEST_UNKNOWN"),
                Behaviour::Manifest(status, headers, body) => return raw(*status, headers, body),
                _ => {}
            }
        }
        if let Some(digest) = self.images.get(reference).filter(|_| self.tags.contains(reference)) {
            return self.part(digest, true);
        }
        if reference.contains(':') {
            return self.part(reference, true);
        }
        if !self.tags.contains(reference) {
            return error(404, "MANIFEST_UNKNOWN");
        }
        let body = manifest(name, reference);
        let response = with(json_answer(200, &body), "content-type", OCI_MANIFEST);
        if has(|b| matches!(b, Behaviour::NoDigestHeader)) {
            return response;
        }
        with(response, "docker-content-digest", &digest(body.as_bytes()))
    }

    /// A manifest or a blob by its digest.
    fn part(&self, digest: &str, is_manifest: bool) -> Response {
        let unknown = if is_manifest { "MANIFEST_UNKNOWN" } else { "BLOB_UNKNOWN" };
        for behaviour in &self.behaviours {
            match behaviour {
                Behaviour::BlobsRedirect(to) if !is_manifest => {
                    return with(error(307, "UNKNOWN"), "location", &format!("{to}/{digest}"));
                }
                Behaviour::BlobsFail(status) if !is_manifest => return error(*status, unknown),
                Behaviour::PartMissing(missing) if missing == digest => return error(404, unknown),
                Behaviour::PartChanged(changed, body) if changed == digest => return json_answer(200, body),
                _ => {}
            }
        }
        let Some(part) = self.parts.get(digest) else { return error(404, unknown) };
        let has = |wanted: fn(&Behaviour) -> bool| is_manifest && self.behaviours.iter().any(wanted);
        let mut headers = vec![("content-type", part.kind.clone())];
        if !has(|b| matches!(b, Behaviour::NoDigestHeader)) {
            headers.push(("docker-content-digest", digest.to_owned()));
        }
        if has(|b| matches!(b, Behaviour::ETag)) {
            headers.push(("etag", format!("\"of-{digest}\"")));
        }
        raw(200, &headers, &part.body)
    }
}

fn manifest(repository: &str, tag: &str) -> String {
    let annotations = json!({"test.repository": repository, "test.tag": tag});
    json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [], "annotations": annotations})
        .to_string()
}

fn digest(body: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(body)))
}

fn challenge(text: &str) -> Response {
    with(error(401, "UNAUTHORIZED"), "www-authenticate", text)
}

fn error(status: u16, code: &str) -> Response {
    json_answer(status, &json!({"errors": [{"code": code, "message": "words of\u{1b}[31m the\nregistry"}]}).to_string())
}

fn json_answer(status: u16, body: &str) -> Response {
    raw(status, &[("content-type", "application/json".to_owned())], body.as_bytes())
}

fn raw(status: u16, headers: &[(&'static str, String)], body: &[u8]) -> Response {
    let response = (StatusCode::from_u16(status).unwrap(), body.to_vec()).into_response();
    headers.iter().fold(response, |response, (name, value)| with(response, name, value))
}

fn with(mut response: Response, name: &'static str, value: &str) -> Response {
    response.headers_mut().insert(name, value.parse().unwrap());
    response
}

fn ok(text: &'static [u8]) -> io::Result<Bytes> {
    Ok(Bytes::from_static(text))
}

/// A list that begins well and goes on with these chunks.
fn streamed(rest: stream::BoxStream<'static, io::Result<Bytes>>, length: Option<usize>) -> Response {
    let start = stream::iter([ok(br#"{"name":"x","tags":["#)]);
    let response = Body::from_stream(start.chain(rest)).into_response();
    match length {
        Some(length) => with(response, "content-length", &length.to_string()),
        None => response,
    }
}
