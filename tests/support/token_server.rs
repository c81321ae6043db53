//! A token service for the real `docker-registry`: user and password for a JWT that the registry verifies (the token
//! specification of Distribution), signed with the certificate of the tests' TLS server.
//!
//! Repositories below `public/` may be pulled by everybody. It is a part of `docker_registry.rs`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::json;
use tokio::sync::oneshot;

pub const ISSUER: &str = "tests of repin";
pub const SERVICE: &str = "registry.test";
/// How long docker-registry takes tokens beyond their end, in seconds (distribution/distribution `registry/auth/token`).
const LEEWAY: i64 = 60;

/// One token request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenRequest {
    /// Who logged in; `None` = nobody.
    pub user: Option<String>,
    pub scope: String,
    pub status: u16,
}

pub struct TokenServer {
    addr: SocketAddr,
    world: Arc<Mutex<World>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct World {
    signer: Signer,
    user: String,
    password: String,
    /// Seconds for which the registry takes a token.
    lifetime: i64,
    seen: Vec<TokenRequest>,
    last: String,
}

struct Signer {
    key: EcdsaKeyPair,
    certificate: String,
}

impl TokenServer {
    /// Starts with one account that may do everything.
    pub fn start(tls: &Path, user: &str, password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let world = Arc::new(Mutex::new(World {
            signer: Signer::read(tls),
            user: user.to_owned(),
            password: password.to_owned(),
            lifetime: 300,
            seen: Vec::new(),
            last: String::new(),
        }));
        let state = world.clone();
        let router = Router::new().fallback(move |request: Request| {
            let state = state.clone();
            async move { state.lock().unwrap_or_else(PoisonError::into_inner).answer(&request) }
        });
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

    pub fn realm(&self) -> String {
        format!("http://{}/token", self.addr)
    }

    /// Lets the registry take new tokens for so many seconds only, whatever is said of them.
    pub fn set_lifetime(&self, seconds: i64) {
        self.world().lifetime = seconds;
    }

    /// Every token request so far.
    pub fn requests(&self) -> Vec<TokenRequest> {
        self.world().seen.clone()
    }

    /// The token that was given last.
    pub fn last(&self) -> String {
        self.world().last.clone()
    }

    /// A token that may do everything with a repository, for those who fill it.
    pub fn for_pushes(&self, repository: &str) -> String {
        self.world().signer.sign("pusher", 300, &[(repository, &["pull", "push", "delete"])])
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl World {
    fn answer(&mut self, request: &Request) -> Response {
        let query: BTreeMap<String, String> =
            url::form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let scope = query.get("scope").cloned().unwrap_or_default();
        let sent = request.headers().get("authorization").map(|value| value.to_str().unwrap_or_default().to_owned());
        let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)));
        let user = sent.as_ref().map(|_| self.user.clone());
        let (status, body) = if sent.as_ref().is_some_and(|sent| *sent != expected) {
            (401, json!({"errors": [{"code": "UNAUTHORIZED", "message": "wrong user or password"}]}))
        } else if query.get("service").map(String::as_str) != Some(SERVICE) {
            (400, json!({"errors": [{"code": "UNSUPPORTED", "message": "another service"}]}))
        } else {
            let (name, actions) =
                scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':')).unwrap_or_default();
            let may = |action: &&str| user.is_some() || (*action == "pull" && name.starts_with("public/"));
            let granted: Vec<&str> = actions.split(',').filter(may).collect();
            self.last = self.signer.sign(&self.user, self.lifetime, &[(name, &granted)]);
            (200, json!({"token": self.last, "expires_in": 300}))
        };
        self.seen.push(TokenRequest { user, scope, status });
        let kind = [("content-type", "application/json")];
        (StatusCode::from_u16(status).unwrap(), kind, body.to_string()).into_response()
    }
}

impl Signer {
    fn read(tls: &Path) -> Self {
        let key = pem(&fs::read_to_string(tls.join("server.key.pem")).unwrap());
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &SystemRandom::new()).unwrap();
        let certificate = STANDARD.encode(pem(&fs::read_to_string(tls.join("server.pem")).unwrap()));
        Self { key, certificate }
    }

    /// Signs a token that docker-registry takes for so many seconds: what it adds by itself is taken off.
    fn sign(&self, subject: &str, lifetime: i64, access: &[(&str, &[&str])]) -> String {
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let entry = |(name, actions): &(&str, &[&str])| json!({"type": "repository", "name": name, "actions": actions});
        let header = json!({"typ": "JWT", "alg": "ES256", "x5c": [self.certificate]});
        let claims = json!({
            "iss": ISSUER, "sub": subject, "aud": SERVICE, "iat": now, "nbf": now - 3600, "exp": now + lifetime - LEEWAY,
            "jti": format!("{now}"), "access": access.iter().map(entry).collect::<Vec<_>>(),
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), text.as_bytes()).unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

/// The bytes of the first object of a PEM file.
fn pem(text: &str) -> Vec<u8> {
    let inner = text.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
    STANDARD.decode(inner.take_while(|line| !line.starts_with("-----END")).collect::<String>()).unwrap()
}
