//! One forge's connection: sends a request when its pace allows it, and reads the whole answer within limits.
//!
//! It knows nothing of pages, and of tokens only how they are sent. What writes is sent once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use reqwest::header::{
    ACCEPT, AUTHORIZATION, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LINK,
    LOCATION,
};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use crate::credentials::{Credentials, masking};
use crate::forge::answer::Answer;
use crate::forge::cache::{Cache, Kept, Validator};
use crate::forge::error::ForgeError;
use crate::forge::pace::{PATIENCE, Pace, Payer, wish};
use crate::forge::{Options, Traffic};
use crate::http;
use crate::http::{ClientOptions, link};
use crate::model::forge::Project;
use crate::secret::Secret;

/// Time for one request, its body included.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Cap of a body.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Redirects that are followed.
const MAX_REDIRECTS: usize = 3;
/// How often a request that was refused for its rate is sent at most.
const TRIES: usize = 3;
/// Secrets that are remembered, so that they can be masked.
const MAX_FORMS: usize = 256;

/// How one kind of forge wants to be spoken to.
#[derive(Debug)]
pub(super) struct Dialect {
    /// The media type that is asked for.
    pub(super) accept: &'static str,
    /// Headers that go with every request.
    pub(super) headers: &'static [(&'static str, &'static str)],
    /// The scheme that a token is sent with.
    pub(super) scheme: &'static str,
    /// Takes user and password; else the password is sent as a token.
    pub(super) takes_basic: bool,
}

/// One forge's connection.
pub(super) struct Wire {
    pub(super) api: Url,
    dialect: &'static Dialect,
    credentials: Credentials,
    options: ClientOptions,
    http: OnceLock<reqwest::Client>,
    pace: Pace,
    cache: Cache,
    /// Every form of every secret that was sent.
    forms: Mutex<Vec<String>>,
    requests: AtomicU64,
    not_modified: AtomicU64,
    throttled: AtomicU64,
}

/// Who asks.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Who {
    /// The account, on an App's side the installation for the project's owner.
    Account,
    /// The App itself.
    App,
}

/// One request.
pub(super) struct Ask<'a> {
    pub(super) project: &'a Project,
    pub(super) who: Who,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) body: Option<&'a Value>,
    /// Whether it is counted against the allowance of GraphQL.
    pub(super) is_graphql: bool,
    /// Whether it changes something, and so is never sent again blindly.
    pub(super) is_write: bool,
}

impl<'a> Ask<'a> {
    /// Reads with what the account has.
    pub(super) fn get(project: &'a Project, url: Url) -> Self {
        Self { project, who: Who::Account, method: Method::GET, url, body: None, is_graphql: false, is_write: false }
    }
}

impl Wire {
    /// Makes the connection; nothing is sent yet. `credentials` are sent with every request that has no token of its own.
    ///
    /// # Errors
    /// What cannot be used, in words.
    pub(super) fn new(options: &Options, dialect: &'static Dialect, credentials: Credentials) -> Result<Self, String> {
        let api = &options.api_url;
        let host = api.host_str().unwrap_or_default();
        let is_local = http::is_loopback(host);
        if host.is_empty() || !(api.scheme() == "https" || api.scheme() == "http" && is_local) {
            return Err("`api_url` is no https:// URL with a host".to_owned());
        }
        let wire = Self {
            api: api.clone(),
            dialect,
            options: ClientOptions {
                total_timeout: TIMEOUT,
                insecure: api.scheme() == "http",
                ca: options.ca.clone(),
                direct: is_local,
                proxy: options.proxy.clone(),
                client_certificate: options.client_certificate.clone(),
                ..ClientOptions::default()
            },
            http: OnceLock::new(),
            pace: Pace::new(options.requests_per_second),
            cache: Cache::default(),
            forms: Mutex::new(masking::forms(&credentials)),
            credentials,
            requests: AtomicU64::new(0),
            not_modified: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
        };
        if options.ca.is_some() || options.client_certificate.is_some() || options.proxy.is_some() {
            // Only these can be wrong by themselves; other clients are made when they are needed first.
            wire.http()?;
        }
        Ok(wire)
    }

    /// Gives what was asked so far.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.requests.load(Ordering::Relaxed),
            not_modified: self.not_modified.load(Ordering::Relaxed),
            throttled: self.throttled.load(Ordering::Relaxed),
        }
    }

    /// Names the forge and the project, for errors.
    pub(super) fn place(&self, project: &Project) -> String {
        format!("{} {project}", self.api.host_str().unwrap_or_default())
    }

    /// Sends a request, and follows redirects of what reads within the API. `token` proves who asks instead of the
    /// credentials.
    ///
    /// # Errors
    /// There is no answer, none may be asked for now, or it is at another place.
    pub(super) async fn send(&self, ask: &Ask<'_>, token: Option<&Secret>) -> Result<Answer, ForgeError> {
        let mut url = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let (answer, location) = self.paced(ask, &url, token).await?;
            let Some(location) = location else { return Ok(answer) };
            let target = url.join(&location).ok();
            match target.filter(|target| self.is_within(target) && ask.method == Method::GET) {
                Some(target) => url = target,
                None => {
                    let place = location.split(['?', '#']).next().unwrap_or_default();
                    let place = answer.clean(place.rsplit('@').next().unwrap_or_default());
                    return Err(answer.refused(format!("it is at {place} now; correct `project` or `api_url`")));
                }
            }
        }
        Err(ForgeError::BadAnswer {
            place: self.place(ask.project),
            reason: "it redirects more than 3 times".to_owned(),
        })
    }

    /// Tells whether a URL is below `api_url`.
    fn is_within(&self, url: &Url) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        let prefix = self.api.path().trim_end_matches('/');
        url.scheme() == self.api.scheme()
            && url.host_str() == self.api.host_str()
            && url.port_or_known_default() == self.api.port_or_known_default()
            && url.path().strip_prefix(prefix).is_some_and(below)
    }

    /// Sends one request when the pace allows it, again after a short pause. Gives where it is redirected to.
    async fn paced(
        &self,
        ask: &Ask<'_>,
        url: &Url,
        token: Option<&Secret>,
    ) -> Result<(Answer, Option<String>), ForgeError> {
        let owner = if token.is_some() && ask.who == Who::Account { ask.project.owner() } else { "" };
        let payer = Payer { owner: owner.to_ascii_lowercase(), is_graphql: ask.is_graphql };
        let throttled = |after| ForgeError::Throttled { place: self.place(ask.project), after: Some(after) };
        for last in (0..TRIES).rev() {
            let permit = self.pace.admit(&payer, ask.is_write).await.map_err(throttled)?;
            let (answer, headers) = self.once(ask, url, token).await?;
            drop(permit);
            let words = if answer.status == StatusCode::FORBIDDEN { answer.words() } else { String::new() };
            let wish = wish(answer.status, &headers, &words, Timestamp::now());
            match self.pace.note(&payer, wish, Instant::now()) {
                None => {
                    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
                    let is_moved = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
                    return Ok((answer, location.filter(|_| is_moved).map(str::to_owned)));
                }
                Some(pause) => {
                    self.throttled.fetch_add(1, Ordering::Relaxed);
                    if last == 0 || pause > PATIENCE {
                        return Err(throttled(pause));
                    }
                }
            }
        }
        Err(throttled(PATIENCE))
    }

    /// Sends one request; one that only reads is sent again if the connection broke.
    async fn once(&self, ask: &Ask<'_>, url: &Url, token: Option<&Secret>) -> Result<(Answer, HeaderMap), ForgeError> {
        let unreachable = |reason: String| ForgeError::Unreachable { place: self.place(ask.project), reason };
        let client = self.http().map_err(unreachable)?;
        let is_read = ask.method == Method::GET;
        let kept = is_read.then(|| self.cache.get(url.as_str())).flatten();
        let deadline = Instant::now() + TIMEOUT;
        let mut is_second = false;
        let response = loop {
            let mut request = client.request(ask.method.clone(), url.clone()).header(ACCEPT, self.dialect.accept);
            for (name, value) in self.dialect.headers {
                request = request.header(*name, *value);
            }
            if let Some(header) = self.authorization(token) {
                request = request.header(AUTHORIZATION, header);
            }
            request = match kept.as_ref().map(|kept| &kept.validator) {
                Some(Validator::Tag(tag)) => request.header(IF_NONE_MATCH, tag),
                Some(Validator::Date(date)) => request.header(IF_MODIFIED_SINCE, date),
                None => request,
            };
            if let Some(body) = ask.body {
                request = request.json(body);
            }
            self.requests.fetch_add(1, Ordering::Relaxed);
            match request.send().await {
                Ok(response) => break response,
                Err(error)
                    if !ask.is_write && !is_second && !error.is_timeout() && http::tls_failure(&error).is_none() =>
                {
                    is_second = true;
                }
                Err(error) => {
                    let reason = http::tls_failure(&error).unwrap_or_else(|| http::root_cause(&error));
                    return Err(unreachable(masking::clean(&reason, &self.forms(token))));
                }
            }
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let mut answer = Answer {
            url: url.clone(),
            status,
            body: Bytes::new(),
            next: next_link(&headers),
            place: self.place(ask.project),
            forms: self.forms(token),
        };
        if let (StatusCode::NOT_MODIFIED, Some(kept)) = (status, &kept) {
            self.not_modified.fetch_add(1, Ordering::Relaxed);
            (answer.status, answer.body, answer.next) = (StatusCode::OK, kept.body.clone(), kept.next.clone());
            return Ok((answer, headers));
        }
        answer.body = match http::read_capped(response, MAX_BYTES, deadline).await {
            Ok(body) => body.freeze(),
            // What an error says is of use only if it is there.
            Err(_) if !status.is_success() => Bytes::new(),
            Err(error) => return Err(answer.bad(error.to_string())),
        };
        if let Some(validator) = validator(&headers).filter(|_| is_read && status == StatusCode::OK) {
            let kept = Kept { validator, body: answer.body.clone(), next: answer.next.clone() };
            self.cache.put(url.as_str(), kept);
        }
        Ok((answer, headers))
    }

    fn authorization(&self, token: Option<&Secret>) -> Option<HeaderValue> {
        let scheme = self.dialect.scheme;
        let mut header = match (token, &self.credentials) {
            // Proofs and tokens of Apps are bearer tokens wherever there are Apps.
            (Some(token), _) => HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?,
            (None, Credentials::Basic { username, password }) if self.dialect.takes_basic => {
                HeaderValue::from_str(&format!("Basic {}", masking::basic(username, password))).ok()?
            }
            (None, Credentials::Token(secret) | Credentials::Basic { password: secret, .. }) => {
                HeaderValue::from_str(&format!("{scheme} {}", secret.expose())).ok()?
            }
            (None, _) => return None,
        };
        header.set_sensitive(true);
        Some(header)
    }

    fn http(&self) -> Result<&reqwest::Client, String> {
        if let Some(client) = self.http.get() {
            return Ok(client);
        }
        let made = http::client(&self.options).map_err(|error| error.to_string())?;
        Ok(self.http.get_or_init(|| made))
    }

    /// Keeps a secret in mind that is about to be sent, so that no text of the forge shows it.
    pub(super) fn remember(&self, secret: &Secret) {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        forms.push(secret.expose().to_owned());
        if forms.len() > MAX_FORMS {
            forms.remove(0);
        }
    }

    /// Gives what was sent so far, and the token that is sent now, however many others there were.
    fn forms(&self, token: Option<&Secret>) -> Vec<String> {
        let mut forms = self.forms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        forms.extend(token.map(|token| token.expose().to_owned()));
        forms
    }
}

fn validator(headers: &HeaderMap) -> Option<Validator> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    text(ETAG).map(Validator::Tag).or_else(|| text(LAST_MODIFIED).map(Validator::Date))
}

fn next_link(headers: &HeaderMap) -> Option<String> {
    let mut links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.find_map(link::next).map(str::to_owned)
}
