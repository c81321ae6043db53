//! How forges are spoken to: what goes over the wire, and what becomes of answers, good and bad ones.
//!
//! Each test scripts a small server; what becomes of pull requests over time is told elsewhere, on models that keep state.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "forge_client/apps.rs"]
mod apps;
#[path = "forge_client/gitea.rs"]
mod gitea;
#[path = "forge_client/github.rs"]
mod github;
#[path = "forge_client/gitlab.rs"]
mod gitlab;
#[path = "forge_client/pace.rs"]
mod pace;
#[path = "forge_client/pages.rs"]
mod pages;
#[path = "forge_client/places.rs"]
mod places;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "forge_client/tls.rs"]
mod tls;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use repin::credentials::Credentials;
use repin::forge::{Forge, ForgeLogin, Options};
use repin::model::forge::{ForgeKind, Project};
use repin::secret::Secret;
use serde_json::Value;

/// A token that must never be seen in any text.
const CANARY: &str = "canary-TOKEN-5b1e";

/// One request as it came.
#[derive(Clone, Debug)]
struct Seen {
    method: String,
    /// Path and query, as sent.
    target: String,
    headers: BTreeMap<String, String>,
    /// Null where there was none.
    body: Value,
}

impl Seen {
    /// Gives method and target, for a look at the whole.
    fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What a server answers.
#[derive(Clone, Debug)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn reply(status: u16, body: impl ToString) -> Reply {
    Reply { status, headers: Vec::new(), body: body.to_string() }
}

impl Reply {
    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// A server on loopback that answers as a function says, and remembers what it was asked.
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let (seen, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log: Arc<Mutex<Vec<Seen>>> = seen.clone();
        let app = Router::new().fallback(move |request: Request| {
            let (log, answer) = (log.clone(), answer.clone());
            async move {
                let asked = read(request).await;
                log.lock().unwrap().push(asked.clone());
                let reply = answer(&asked);
                let mut response = Response::builder().status(reply.status);
                for (name, value) in reply.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(reply.body)).unwrap()
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }

    /// Gives the body of the only request with this method.
    fn sent(&self, method: &str) -> Value {
        let seen = self.seen();
        let mut found = seen.iter().filter(|one| one.method == method);
        let body = found.next().expect("no such request").body.clone();
        assert!(found.next().is_none(), "{seen:#?}");
        body
    }
}

async fn read(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    Seen {
        method: parts.method.to_string(),
        target: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

fn options(kind: ForgeKind, server: &Server) -> Options {
    let path = match kind {
        ForgeKind::GitHub => "/api/v3",
        ForgeKind::GitLab => "/api/v4",
        ForgeKind::Gitea => "/api/v1",
    };
    Options {
        kind,
        api_url: format!("{}{path}", server.url).parse().unwrap(),
        web_url: "https://git.example.com".parse().unwrap(),
        login: ForgeLogin::Fixed(Credentials::Token(Secret::new(CANARY))),
        ca: None,
        proxy: None,
        client_certificate: None,
        requests_per_second: None,
    }
}

fn forge(kind: ForgeKind, server: &Server) -> Forge {
    Forge::new(options(kind, server)).unwrap()
}

fn project() -> Project {
    "acme/gitops".parse().unwrap()
}

/// The id of a commit, made of one digit.
fn id(digit: char) -> String {
    digit.to_string().repeat(40)
}
