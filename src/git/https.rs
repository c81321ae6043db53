//! Git over HTTP: one request for the references, one for each exchange after it.
//!
//! Requests go to the repository's own place only. A redirect of the first request is followed within the same scheme,
//! host and port, and only where the same credentials are given; any other is an error that names where it leads.
//! How bodies become streams stands in `http_stream.rs`.
//!
//! Spec: gitprotocol-http(5), the smart protocol, version 0.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use url::Url;

use crate::credentials::{CredentialStore, Credentials};
use crate::git::error::{GitError, Remote, plain};
use crate::git::mirror::Options;
use crate::git::network::{self, Conversation};
use crate::http::{self, ClientOptions, HttpError};

/// Redirects of one request that are followed.
const MAX_REDIRECTS: usize = 5;
/// Bytes of a refusal that are read for its text.
const MAX_REFUSAL: usize = 8 << 10;
/// Time for the text of a refusal.
const REFUSAL_TIME: Duration = Duration::from_secs(5);
/// Longest text of a refusal in a message, in characters.
const MAX_TEXT: usize = 500;

/// A repository behind HTTP: what is kept between conversations.
pub(in crate::git) struct HttpRemote {
    client: Client,
    url: Url,
    credentials: CredentialStore,
    has_proxy: bool,
}

impl HttpRemote {
    /// Makes the client; connects nowhere.
    pub(in crate::git) fn new(url: &Url, remote: &Remote, options: &Options) -> Result<Self, GitError> {
        let host = url.host_str().unwrap_or_default();
        let client = ClientOptions {
            connect_timeout: options.connect_timeout,
            total_timeout: options.total_timeout,
            insecure: url.scheme() == "http",
            ca: options.access.ca.clone(),
            direct: http::is_loopback(host),
            proxy: options.access.proxy.clone(),
            client_certificate: options.access.client_certificate.clone(),
            // Packs are compressed already, and what is not opened cannot be a bomb.
            decompress: false,
        };
        let remote = remote.clone();
        let client = http::client(&client).map_err(|error| match error {
            HttpError::Authorities { .. } | HttpError::ClientCertificate { .. } => {
                GitError::Tls { remote: remote.clone(), reason: error.to_string() }
            }
            other => GitError::Unreachable { remote: remote.clone(), reason: other.to_string() },
        })?;
        let mut credentials = CredentialStore::default();
        // Servers redirect from `web` to `web.git`: one repository, one place.
        let bare = url.as_str().strip_suffix(".git").unwrap_or(url.as_str());
        for place in [bare.to_owned(), format!("{bare}.git")] {
            let bound = place.parse().map_err(|error: url::ParseError| error.to_string()).and_then(|place| {
                credentials.bind(&place, options.access.credentials.clone()).map_err(|error| error.to_string())
            });
            bound.map_err(|reason| GitError::TransportUnsupported { remote: remote.clone(), reason })?;
        }
        let has_proxy = options.access.proxy.is_some();
        Ok(Self { client, url: url.clone(), credentials, has_proxy })
    }
}

/// One conversation: the requests of one fetch or one push.
pub(in crate::git) struct HttpExchange {
    remote: Arc<HttpRemote>,
    pub(in crate::git) conversation: Arc<Conversation>,
    /// Where the repository is, after redirects of the first request.
    base: Mutex<Url>,
}

impl HttpExchange {
    pub(in crate::git) fn new(remote: Arc<HttpRemote>, conversation: Arc<Conversation>) -> Arc<Self> {
        let base = Mutex::new(remote.url.clone());
        Arc::new(Self { remote, conversation, base })
    }

    /// Asks for the references, through redirects within the repository's place.
    pub(in crate::git) fn ask(&self, service: &str) -> io::Result<Response> {
        let tail = "/info/refs";
        let mut url = self.base();
        url.set_path(&format!("{}{tail}", url.path()));
        url.set_query(Some(&format!("service={service}")));
        for _ in 0..=MAX_REDIRECTS {
            let request = self.request(Method::GET, &url);
            let response = self.answer(self.conversation.wait_for_answer(async { request.send().await })?)?;
            if !response.status().is_redirection() {
                self.check(&response, &format!("application/x-{service}-advertisement"), &url)?;
                let mut base = url;
                base.set_query(None);
                let path = base.path().strip_suffix(tail).unwrap_or_default().to_owned();
                base.set_path(&path);
                *self.base.lock().unwrap_or_else(PoisonError::into_inner) = base;
                return Ok(response);
            }
            let next = location(&url, response.headers());
            let Some(next) = next else {
                return Err(self.conversation.broken(&format!("it answered {} without a place", response.status())));
            };
            let same = url.origin() == next.origin() && self.credentials(&url) == self.credentials(&next);
            if !same || !next.path().ends_with(tail) || next.query() != url.query() {
                return Err(self.redirected(&next));
            }
            url = next;
        }
        Err(self.conversation.broken("its redirects do not end"))
    }

    /// Begins a request to a service.
    pub(in crate::git) fn post(&self, service: &str) -> RequestBuilder {
        let mut url = self.base();
        url.set_path(&format!("{}/{service}", url.path()));
        let header = |kind: &str| HeaderValue::from_str(&format!("application/x-{service}-{kind}"));
        let mut request = self.request(Method::POST, &url);
        if let (Ok(content), Ok(accept)) = (header("request"), header("result")) {
            request = request.header(CONTENT_TYPE, content).header(ACCEPT, accept);
        }
        request
    }

    /// Looks at the answer of a service.
    pub(in crate::git) fn result(&self, service: &str, sent: Result<Response, reqwest::Error>) -> io::Result<Response> {
        let response = self.answer(sent)?;
        let url = response.url().clone();
        if response.status().is_redirection() {
            // A second request elsewhere would carry objects to a place that nobody named.
            return Err(self.redirected(&location(&url, response.headers()).unwrap_or(url)));
        }
        self.check(&response, &format!("application/x-{service}-result"), &url)?;
        Ok(response)
    }

    fn request(&self, method: Method, url: &Url) -> RequestBuilder {
        let request = self.remote.client.request(method, url.clone());
        match self.credentials(url).for_git() {
            Some((user, password)) => request.basic_auth(user, Some(password.expose())),
            None => request,
        }
    }

    fn credentials(&self, url: &Url) -> &Credentials {
        self.remote.credentials.for_url(url)
    }

    fn base(&self) -> Url {
        self.base.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn redirected(&self, to: &Url) -> io::Error {
        let to = Remote::shown(to.as_str()).to_string();
        let to = to.strip_suffix("/info/refs").unwrap_or(&to).to_owned();
        self.conversation.fail(GitError::Redirected { remote: self.conversation.remote.clone(), to })
    }

    /// Sorts the ways in which no answer comes, and answers that are refusals.
    fn answer(&self, sent: Result<Response, reqwest::Error>) -> io::Result<Response> {
        let response = match sent {
            Ok(response) => response,
            Err(error) => return Err(self.failed(&error)),
        };
        let status = response.status();
        if status.is_success() || status.is_redirection() {
            return Ok(response);
        }
        let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = retry_after.map(|value| format!(", to be asked again after {}", plain(value, 40)));
        let is_anonymous = self.credentials(response.url()).for_git().is_none();
        let text = self.text(response);
        let said = if text.is_empty() { status.to_string() } else { format!("{status}: {text}") };
        let remote = self.conversation.remote.clone();
        let error = match status {
            StatusCode::UNAUTHORIZED if is_anonymous => {
                GitError::Unauthorized { remote, reason: "it wants credentials, and none are configured".to_owned() }
            }
            StatusCode::UNAUTHORIZED => {
                let reason = format!("the user and password or the token are wrong ({said})");
                GitError::Unauthorized { remote, reason }
            }
            StatusCode::FORBIDDEN => GitError::Unauthorized { remote, reason: said },
            StatusCode::NOT_FOUND | StatusCode::GONE => GitError::NotARepository { remote, reason: said },
            StatusCode::PAYLOAD_TOO_LARGE => {
                GitError::Unreachable { remote, reason: format!("the push is larger than it takes ({said})") }
            }
            // nginx and others tell a failed handshake with the certificate of the client as a bad request.
            StatusCode::BAD_REQUEST if said.to_ascii_lowercase().contains("certificate") => {
                GitError::Tls { remote, reason: said }
            }
            _ => GitError::Unreachable { remote, reason: format!("{said}{}", retry_after.unwrap_or_default()) },
        };
        Err(self.conversation.fail(error))
    }

    /// Sorts a request or a body that failed on the way.
    pub(in crate::git) fn failed(&self, error: &reqwest::Error) -> io::Error {
        if error.is_timeout() && error.is_connect() {
            return self.conversation.timed_out(self.conversation.connect_limit());
        }
        if error.is_timeout() {
            return self.conversation.timed_out(self.conversation.total_limit());
        }
        if let Some(reason) = http::tls_failure(error) {
            let remote = self.conversation.remote.clone();
            return self.conversation.fail(GitError::Tls { remote, reason: plain(&reason, MAX_TEXT) });
        }
        let cause = plain(&http::root_cause(error), MAX_TEXT);
        match (self.remote.has_proxy, error.is_connect()) {
            (true, true) => self.conversation.broken(&format!("through the proxy: {cause}")),
            _ => self.conversation.broken(&cause),
        }
    }

    fn check(&self, response: &Response, expected: &str, url: &Url) -> io::Result<()> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
        if kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(expected)) {
            return Ok(());
        }
        let reason = format!("{} answers with {}, which is not Git's smart protocol", url.path(), plain(kind, 80));
        let remote = self.conversation.remote.clone();
        Err(self.conversation.fail(GitError::NotARepository { remote, reason }))
    }

    /// Reads what a refusal says: a plain text, or the title of a page.
    fn text(&self, response: Response) -> String {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_page = kind.starts_with("text/html");
        if !is_page && !kind.starts_with("text/plain") {
            return String::new();
        }
        let Ok(runtime) = network::runtime() else { return String::new() };
        let text = runtime.block_on(async {
            let mut response = response;
            let mut body = BytesMut::new();
            let read = async {
                while let Ok(Some(chunk)) = response.chunk().await {
                    body.extend_from_slice(chunk.get(..MAX_REFUSAL.saturating_sub(body.len())).unwrap_or(&chunk));
                    if body.len() >= MAX_REFUSAL {
                        break;
                    }
                }
            };
            // What came in time is worth showing.
            let _ = tokio::time::timeout(REFUSAL_TIME, read).await;
            String::from_utf8_lossy(&body).into_owned()
        });
        let text = if is_page {
            text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map_or("", |(title, _)| title)
        } else {
            &text
        };
        plain(text, MAX_TEXT)
    }
}

/// Resolves where a redirect leads; `Location` may be relative (RFC 9110, 10.2.2).
fn location(from: &Url, headers: &HeaderMap) -> Option<Url> {
    let next = from.join(headers.get(LOCATION)?.to_str().ok()?).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}
