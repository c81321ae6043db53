//! What Renovate needs of a Gitea and the model of the tests does not have, in front of that model, where every request is
//! counted: the version, the statuses of commits, the list of issues, and where the repository is cloned from.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::forge::PROJECT;

/// The version of Gitea whose API it is asked for.
const VERSION: &str = "1.24.0";

/// A running front.
pub struct Front {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
    stop: Option<oneshot::Sender<()>>,
}

struct Behind {
    client: reqwest::Client,
    /// Where the model is.
    origin: String,
    clone_url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Front {
    /// Stands in front of a model; the repository is cloned from this URL.
    pub fn start(origin: String, clone_url: String) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}/", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<Vec<String>>>::default();
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let behind = Arc::new(Behind { client, origin, clone_url, seen: seen.clone() });
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let served = axum::serve(listener, Router::new().fallback(respond).with_state(behind));
                tokio::select! {
                    served = served => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, seen, stop: Some(stop) }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// The requests since the last time, each as method, path and query.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

async fn respond(State(behind): State<Arc<Behind>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    behind.seen.lock().unwrap().push(format!("{} {target}", parts.method));
    let json = |status: StatusCode, text: &str| {
        (status, [("content-type", "application/json")], text.to_owned()).into_response()
    };
    let project = format!("/api/v1/repos/{PROJECT}");
    let path = parts.uri.path();
    let rest = path.strip_prefix(&project);
    match (&parts.method, rest) {
        (&Method::GET, None) if path == "/api/v1/version" => {
            return json(StatusCode::OK, &format!("{{\"version\":\"{VERSION}\"}}"));
        }
        (&Method::GET, Some(rest)) if rest.starts_with("/commits/") && rest.ends_with("/statuses") => {
            return json(StatusCode::OK, "[]");
        }
        (&Method::POST, Some(rest)) if rest.starts_with("/statuses/") => return json(StatusCode::CREATED, "{}"),
        (&Method::GET, Some("/issues")) => return json(StatusCode::OK, "[]"),
        _ => {}
    }
    let body = to_bytes(body, 16 << 20).await.unwrap();
    let mut sent = behind.client.request(parts.method.clone(), format!("{}{target}", behind.origin)).body(body);
    for name in ["authorization", "content-type", "accept", "user-agent"] {
        if let Some(value) = parts.headers.get(name) {
            sent = sent.header(name, value);
        }
    }
    let answer = sent.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for name in ["content-type", "link", "x-total-count"] {
        if let Some(value) = answer.headers().get(name) {
            response = response.header(name, value);
        }
    }
    let text = answer.bytes().await.unwrap();
    let Ok(mut read) = serde_json::from_slice::<Value>(&text) else { return response.body(Body::from(text)).unwrap() };
    if rest == Some("") {
        read["clone_url"] = behind.clone_url.as_str().into();
    }
    name_users(&mut read);
    response.body(Body::from(read.to_string())).unwrap()
}

/// Gitea says the login of a user twice, and its document knows of one.
fn name_users(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(login) = fields.get("login").cloned() {
                fields.insert("username".to_owned(), login);
            }
            fields.values_mut().for_each(name_users);
        }
        Value::Array(items) => items.iter_mut().for_each(name_users),
        _ => {}
    }
}
