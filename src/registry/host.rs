//! One registry: how it is reached, how fast, and with what proof.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Client, Method, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::credentials::CredentialStore;
use crate::credentials::Credentials;
use crate::http;
use crate::http::HttpError;
use crate::model::names::ImageName;
use crate::registry::answer::Answer;
use crate::registry::challenge::Challenge;
use crate::registry::error::RegistryError;
use crate::registry::login::Login;
use crate::registry::options::{Checked, Limits};
use crate::registry::token::{Slot, Token, Tokens};
use crate::registry::trust;

/// Requests in flight per registry.
const CONCURRENCY: usize = 8;
const MAX_REDIRECTS: usize = 3;
const MAX_TOKEN_BYTES: usize = 256 * 1024;
const MAX_ERROR_BYTES: usize = 16 * 1024;

/// One registry with its connections, tokens and limits.
pub(crate) struct Host {
    checked: Checked,
    limits: Limits,
    credentials: CredentialStore,
    client: OnceLock<Client>,
    tokens: Tokens,
    slots: Arc<Semaphore>,
    next_start: Arc<Mutex<Option<Instant>>>,
    requests: Arc<AtomicU64>,
}

/// What is asked of a registry.
pub(crate) struct Question<'a> {
    pub(crate) image: &'a ImageName,
    pub(crate) method: Method,
    pub(crate) accept: &'static str,
    /// Cap of the body in bytes.
    pub(crate) cap: usize,
    /// Whether it asks for a blob, which many registries keep elsewhere.
    pub(crate) is_blob: bool,
}

/// The time left for one listing. Waiting for a free place or for the rate limit does not count.
pub(crate) struct Budget(Duration);

impl Budget {
    pub(crate) fn new(time: Duration) -> Self {
        Self(time)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0.is_zero()
    }
}

impl Host {
    pub(crate) fn new(checked: Checked, limits: Limits) -> Result<Self, RegistryError> {
        let mut credentials = CredentialStore::default();
        let settings = |rule: String| RegistryError::Settings { registry: checked.name.clone(), rule };
        let Login::Fixed(fixed) = &checked.login;
        credentials.bind(&checked.api, fixed.clone()).map_err(|error| settings(error.to_string()))?;
        let client = OnceLock::new();
        if checked.client.ca.is_some() {
            // Only these can be wrong by themselves; the others are made when they are needed first.
            drop(client.set(http::client(&checked.client).map_err(|error| settings(error.to_string()))?));
        }
        Ok(Self {
            checked,
            limits,
            credentials,
            client,
            tokens: Tokens::default(),
            slots: Arc::new(Semaphore::new(CONCURRENCY)),
            next_start: Arc::default(),
            requests: Arc::default(),
        })
    }

    /// Makes a way to the same registry with other credentials: it has tokens of its own, and one pace with the first.
    pub(crate) fn beside(&self, checked: Checked) -> Result<Self, RegistryError> {
        let other = Self::new(checked, self.limits.clone())?;
        let (slots, next_start) = (self.slots.clone(), self.next_start.clone());
        Ok(Self { slots, next_start, requests: self.requests.clone(), ..other })
    }

    /// Gives a URL of the API below `/v2/`.
    pub(crate) fn url(&self, image: &ImageName, rest: &str) -> Result<Url, RegistryError> {
        let text = format!("{}/v2/{}/{rest}", self.checked.api.as_str().trim_end_matches('/'), image.repository());
        Url::parse(&text).map_err(|error| RegistryError::Settings {
            registry: self.checked.name.clone(),
            rule: format!("`api_url` gives no URL: {error}"),
        })
    }

    /// Gives how many requests were sent, those to its token service included.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Asks, with the configured credentials or an anonymous token if the registry wants one.
    ///
    /// # Errors
    /// All but what the status and the body mean for the question; 401 is an error here.
    pub(crate) async fn ask(
        &self,
        question: &Question<'_>,
        url: Url,
        budget: &mut Budget,
    ) -> Result<Answer, RegistryError> {
        let image = question.image;
        let used = self.tokens.usable(image.repository(), Instant::now());
        let answer = self.follow(question, url.clone(), used.as_ref(), budget).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        let challenges = answer.challenges();
        let bearer = challenges.iter().find(|challenge| challenge.is("bearer"));
        if *self.credentials.for_url(&answer.url) != Credentials::Anonymous {
            let is_basic = challenges.iter().any(|challenge| challenge.is("basic"));
            return Err(match bearer {
                Some(_) if !is_basic => RegistryError::BearerUnsupported { image: image.clone() },
                _ => self.refusal(image, &answer),
            });
        }
        let (Some(bearer), true) = (bearer, trust::same_origin(&answer.url, &self.checked.api)) else {
            return Err(self.refusal(image, &answer));
        };
        let slot = self.tokens.renew(image.repository(), used.as_ref(), Instant::now());
        slot.get_or_try_init(|| self.fetch_token(image, bearer, budget)).await?;
        let answer = self.follow(question, url, Some(&slot), budget).await?;
        if answer.status == StatusCode::UNAUTHORIZED { Err(self.refusal(image, &answer)) } else { Ok(answer) }
    }

    /// Gives the error for a status that answers no question.
    pub(crate) fn refusal(&self, image: &ImageName, answer: &Answer) -> RegistryError {
        self.status_error(image, "registry", answer)
    }

    /// Makes a text of the server fit for people: short, one line, without what the server was told.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let Login::Fixed(fixed) = &self.checked.login;
        for secret in secrets(fixed) {
            text = text.replace(&secret, "***");
        }
        text.chars().map(|c| if c.is_control() || is_invisible(c) { ' ' } else { c }).take(200).collect()
    }

    /// Sends, and follows redirects that stay with the registry.
    async fn follow(
        &self,
        question: &Question<'_>,
        mut url: Url,
        token: Option<&Slot>,
        budget: &mut Budget,
    ) -> Result<Answer, RegistryError> {
        let image = question.image;
        for _ in 0..=MAX_REDIRECTS {
            let authorization = self.authorization(&url, token);
            let answer = self.send(question, url.clone(), authorization, budget).await?;
            if !matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(answer);
            }
            let redirect = |reason| RegistryError::Redirect { image: image.clone(), reason };
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            let target = location.and_then(|location| url.join(location).ok()).ok_or(redirect("to no URL"))?;
            let is_storage = question.is_blob && trust::is_storage(&target);
            if !trust::same_origin(&target, &url) && !self.is_companion(&target) && !is_storage {
                return Err(RegistryError::UntrustedUrl {
                    image: image.clone(),
                    what: "redirect",
                    url: self.clean(&trust::place(&target)),
                    rule: "a redirect stays at the scheme, host and port of the registry's API",
                });
            }
            url = target;
        }
        Err(RegistryError::Redirect { image: image.clone(), reason: "more than 3 times" })
    }

    fn is_companion(&self, target: &Url) -> bool {
        let host = target.host_str().unwrap_or_default();
        let known = self.checked.redirects_to.iter().any(|suffix| host.ends_with(suffix));
        known && target.scheme() == "https" && target.port().is_none()
    }

    fn authorization(&self, url: &Url, token: Option<&Slot>) -> Option<HeaderValue> {
        let text = match self.credentials.for_url(url) {
            Credentials::Anonymous => {
                let token = token.and_then(|slot| slot.get())?;
                return trust::same_origin(url, &self.checked.api).then(|| token.header.clone());
            }
            Credentials::Basic { username, password } => {
                format!("Basic {}", STANDARD.encode(format!("{username}:{}", password.expose())))
            }
            Credentials::Token(token) => format!("Bearer {}", token.expose()),
            // Not for a registry; nothing is sent.
            Credentials::IdentityToken(_) | Credentials::SshKey { .. } | Credentials::SshAgent { .. } => return None,
        };
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }

    async fn fetch_token(
        &self,
        image: &ImageName,
        bearer: &Challenge,
        budget: &mut Budget,
    ) -> Result<Token, RegistryError> {
        let place = "the token service of registry";
        let realm = self.token_url(image, bearer)?;
        let question =
            Question { image, method: Method::GET, accept: "application/json", cap: MAX_TOKEN_BYTES, is_blob: false };
        let answer = self.send(&question, realm, None, budget).await?;
        if answer.status != StatusCode::OK {
            return Err(self.status_error(image, place, &answer));
        }
        let body = answer.body.as_ref().ok();
        body.and_then(|body| Token::parse(body, Instant::now())).ok_or_else(|| RegistryError::ServerError {
            image: image.clone(),
            place,
            status: answer.status.as_u16(),
            detail: " without a token".to_owned(),
        })
    }

    /// Gives the URL to ask for an anonymous token, once its realm is trusted.
    fn token_url(&self, image: &ImageName, bearer: &Challenge) -> Result<Url, RegistryError> {
        let unauthorized = |detail: &str| RegistryError::Unauthorized {
            image: image.clone(),
            with_credentials: false,
            detail: detail.to_owned(),
        };
        let text = bearer.parameter("realm").ok_or_else(|| unauthorized(" with a Bearer challenge without a realm"))?;
        let mut realm = Url::parse(text).map_err(|_| unauthorized(" with a Bearer challenge whose realm is no URL"))?;
        trust::check_realm(&realm, &self.checked.api, &self.checked.name, self.checked.client.insecure).map_err(
            |rule| RegistryError::UntrustedUrl {
                image: image.clone(),
                what: "token realm",
                url: self.clean(&trust::place(&realm)),
                rule,
            },
        )?;
        realm.set_fragment(None);
        let own_scope = format!("repository:{}:pull", image.repository());
        let scope = bearer.parameter("scope").filter(|scope| !scope.is_empty()).unwrap_or(&own_scope);
        let mut query = realm.query_pairs_mut();
        if let Some(service) = bearer.parameter("service") {
            query.append_pair("service", service);
        }
        query.append_pair("scope", scope);
        drop(query);
        Ok(realm)
    }

    /// Sends one request, when there is room, and reads the whole answer.
    async fn send(
        &self,
        question: &Question<'_>,
        url: Url,
        authorization: Option<HeaderValue>,
        budget: &mut Budget,
    ) -> Result<Answer, RegistryError> {
        let image = question.image;
        let unreachable = |reason: String| RegistryError::Unreachable { image: image.clone(), reason };
        let client = self.client(image)?;
        let _place = self.slots.acquire().await.map_err(|error| unreachable(error.to_string()))?;
        self.wait_for_turn().await;
        self.requests.fetch_add(1, Ordering::Relaxed);

        let limit = self.limits.request_timeout.min(budget.0);
        let started = Instant::now();
        let mut request = client.request(question.method.clone(), url.clone()).timeout(limit);
        request = request.header(ACCEPT, question.accept);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let sent = request.send().await;
        let result = match sent {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                let deadline = started + limit;
                let body = if status.is_success() {
                    http::read_capped(response, question.cap, deadline).await
                } else {
                    let soon = deadline.min(Instant::now() + Duration::from_secs(2));
                    Ok(http::read_capped(response, MAX_ERROR_BYTES, soon).await.unwrap_or_default())
                };
                Ok(Answer { url, status, headers, body })
            }
            Err(error) => Err(match http::tls_failure(&error) {
                Some(reason) => RegistryError::Tls { image: image.clone(), reason: self.clean(&reason) },
                None if error.is_timeout() && !error.is_connect() => {
                    RegistryError::Timeout { image: image.clone(), limit }
                }
                None => unreachable(self.clean(&http::root_cause(&error))),
            }),
        };
        budget.0 = budget.0.saturating_sub(started.elapsed());
        let answer = result?;
        match answer.body {
            Err(HttpError::Timeout) => Err(RegistryError::Timeout { image: image.clone(), limit }),
            Err(HttpError::TooLarge { cap }) => Err(RegistryError::TooLarge { image: image.clone(), limit: cap }),
            _ => Ok(answer),
        }
    }

    fn client(&self, image: &ImageName) -> Result<&Client, RegistryError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = http::client(&self.checked.client)
            .map_err(|error| RegistryError::Tls { image: image.clone(), reason: error.to_string() })?;
        Ok(self.client.get_or_init(|| made))
    }

    /// Waits until the rate limit allows the next request to start.
    async fn wait_for_turn(&self) {
        let Some(interval) = self.checked.interval else { return };
        let start = {
            let mut next = self.next_start.lock().unwrap_or_else(PoisonError::into_inner);
            let start = next.unwrap_or_else(Instant::now).max(Instant::now());
            *next = Some(start + interval);
            start
        };
        sleep_until(start).await;
    }

    fn status_error(&self, image: &ImageName, place: &'static str, answer: &Answer) -> RegistryError {
        let image = image.clone();
        let with_credentials = *self.credentials.for_url(&answer.url) != Credentials::Anonymous;
        let detail = answer.error_code();
        match answer.status.as_u16() {
            401 => RegistryError::Unauthorized { image, with_credentials, detail },
            403 => RegistryError::Forbidden { image, with_credentials, detail },
            404 if place == "registry" => RegistryError::NotFound { image, detail },
            429 => RegistryError::RateLimited { image, retry_after: answer.retry_after(jiff::Timestamp::now()) },
            status => RegistryError::ServerError { image, place, status, detail },
        }
    }
}

/// Gives every form in which credentials are sent.
fn secrets(credentials: &Credentials) -> Vec<String> {
    let mut forms = match credentials {
        Credentials::Anonymous | Credentials::SshKey { .. } | Credentials::SshAgent { .. } => Vec::new(),
        Credentials::Basic { username, password } => {
            let sent = STANDARD.encode(format!("{username}:{}", password.expose()));
            vec![sent, password.expose().to_owned(), password.expose().to_ascii_lowercase()]
        }
        Credentials::Token(token) | Credentials::IdentityToken(token) => {
            vec![token.expose().to_owned(), token.expose().to_ascii_lowercase()]
        }
    };
    forms.retain(|form| !form.is_empty());
    forms
}

/// Characters that change what a reader sees without being seen (bidirectional marks, zero widths).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::registry::options::RegistryOptions;
    use crate::secret::Secret;

    fn host(name: &str, credentials: Credentials) -> Host {
        let options =
            RegistryOptions { host: name.to_owned(), login: credentials.into(), ..RegistryOptions::default() };
        let limits = Limits::default();
        Host::new(options.check(&limits).unwrap(), limits).unwrap()
    }

    fn password() -> Credentials {
        Credentials::Basic { username: "robot".to_owned(), password: Secret::new("hunter2") }
    }

    #[test]
    fn a_proof_goes_to_scheme_host_and_port_of_the_api_only() {
        let slot = Slot::default();
        slot.set(Token::parse(br#"{"token":"x"}"#, Instant::now()).unwrap_or_else(|| unreachable!())).ok().unwrap();
        let hub = |credentials| host("docker.io", credentials);
        let named = [hub(password()), hub(Credentials::Token(Secret::new("hunter2"))), hub(Credentials::Anonymous)];
        for (url, expected) in [
            ("https://registry-1.docker.io/v2/library/nginx/tags/list", true),
            ("https://registry-1.docker.io:443/v2/", true),
            ("https://registry-1.docker.io:8443/v2/", false),
            ("http://registry-1.docker.io/v2/", false),
            ("https://auth.docker.io/token", false),
            ("https://docker.io/v2/", false),
            ("https://registry-1.docker.io.evil.example/v2/", false),
            ("https://evil.example/registry-1.docker.io/", false),
        ] {
            for host in &named {
                let header = host.authorization(&url.parse().unwrap(), Some(&slot));
                assert_eq!(header.is_some(), expected, "{url}");
                assert!(header.is_none_or(|header| header.is_sensitive()));
            }
        }
    }

    #[test]
    fn only_the_redirects_that_are_written_down_leave_a_registry() {
        let kubernetes = host("registry.k8s.io", Credentials::Anonymous);
        let github = host("ghcr.io", Credentials::Anonymous);
        for (url, expected) in [
            ("https://us-west1-docker.pkg.dev/v2/k8s-artifacts-prod/images/pause/tags/list", true),
            ("http://us-west1-docker.pkg.dev/v2/", false),
            ("https://us-west1-docker.pkg.dev:8443/v2/", false),
            ("https://us-west1-docker.pkg.dev.evil.example/v2/", false),
            ("https://evil.pkg.dev/v2/", false),
            ("https://169.254.169.254/-docker.pkg.dev", false),
        ] {
            assert_eq!(kubernetes.is_companion(&url.parse().unwrap()), expected, "{url}");
            assert!(!github.is_companion(&url.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn words_of_a_server_are_shown_short_on_one_line_and_without_the_password() {
        let host = host("ghcr.io", password());
        let sent = STANDARD.encode("robot:hunter2");
        let said = host.clean(&format!("a\n\u{1b}[31mb\u{202e} hunter2 {sent} {}", "x".repeat(500)));
        assert!(said.starts_with("a  [31mb  *** *** xxx"), "{said}");
        assert_eq!(said.chars().count(), 200);
    }
}
