//! HTTP in front of a model of a cloud, on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode};
use tokio::sync::oneshot;

/// One request, read to its end.
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The form in the body.
    pub(super) fn form(&self) -> std::collections::BTreeMap<String, String> {
        url::form_urlencoded::parse(&self.body).into_owned().collect()
    }
}

/// What a model answers: status, headers, body.
pub(super) struct Told(pub(super) u16, pub(super) Vec<(&'static str, String)>, pub(super) String);

impl Told {
    pub(super) fn json(value: &serde_json::Value) -> Self {
        Self(200, vec![("content-type", "application/json".to_owned())], value.to_string())
    }

    pub(super) fn refused(status: u16, body: impl Into<String>) -> Self {
        Self(status, vec![], body.into())
    }
}

/// How a model misbehaves.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Fault {
    #[default]
    None,
    /// It never answers.
    Silent,
    /// It answers with this status and a text that holds whatever it was sent.
    Status(u16),
    /// It answers without an end.
    Endless,
    /// It answers with a web page.
    Html,
    /// It sends us elsewhere.
    Redirect,
}

/// A model behind HTTP.
pub(super) struct Cloud<M> {
    pub(super) url: String,
    model: Arc<Shared<M>>,
    stop: Option<oneshot::Sender<()>>,
}

struct Shared<M> {
    model: Mutex<M>,
    fault: Mutex<Fault>,
    asked: Mutex<Vec<String>>,
    answer: fn(&mut M, &Asked) -> Told,
}

impl<M: Send + 'static> Cloud<M> {
    pub(super) async fn start(model: M, answer: fn(&mut M, &Asked) -> Told) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Shared { model: Mutex::new(model), fault: Mutex::default(), asked: Mutex::default(), answer };
        let model = Arc::new(shared);
        let router = Router::new().fallback(serve::<M>).with_state(model.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                _ = async { axum::serve(listener, router).await } => {}
                _ = stopped => {}
            }
        });
        Self { url, model, stop: Some(stop) }
    }

    pub(super) fn fault(&self, fault: Fault) {
        *self.model.fault.lock().unwrap() = fault;
    }

    /// Method and path of every request so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.model.asked.lock().unwrap().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut M)) {
        change(&mut self.model.model.lock().unwrap());
    }
}

impl<M> Drop for Cloud<M> {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

async fn serve<M: Send + 'static>(State(shared): State<Arc<Shared<M>>>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    shared.asked.lock().unwrap().push(format!("{} {path}", parts.method));
    let body = to_bytes(body, 1 << 20).await.unwrap().to_vec();
    let asked = Asked { method: parts.method.to_string(), path, headers: parts.headers, body };
    let fault = *shared.fault.lock().unwrap();
    let Told(status, headers, body) = match fault {
        Fault::None => (shared.answer)(&mut shared.model.lock().unwrap(), &asked),
        Fault::Silent => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Told::refused(500, "")
        }
        // As careless as a server can be: everything that it was sent is in its answer, also where its code should be.
        Fault::Status(status) => {
            let sent = format!("{:?} {}", asked.headers, String::from_utf8_lossy(&asked.body));
            Told::refused(status, serde_json::json!({"error": sent, "message": sent}).to_string())
        }
        Fault::Endless => {
            let chunks = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 65536]));
            return Response::new(Body::from_stream(chunks));
        }
        Fault::Html => Told(200, vec![("content-type", "text/html".to_owned())], "<html>log in</html>".to_owned()),
        Fault::Redirect => {
            let to = format!("http://{}/elsewhere", asked.header("host"));
            Told(307, vec![("location", to)], String::new())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
