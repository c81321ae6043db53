//! One request to an endpoint of a cloud: capped, in time, over https, or plain only where nobody is in between.
//!
//! An error names scheme, host and port, the status, and the endpoint's own code where it is a plain word that is no part of
//! anything that was sent.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use tokio::time::Instant;
use url::{Host, Url};

use crate::http;
use crate::http::ClientOptions;
use crate::registry::login::LoginError;
use crate::registry::trust;

/// Largest answer, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Time for one request.
const LIMIT: Duration = Duration::from_secs(10);
/// Time to reach a metadata service, which is one step away or not there.
const NEAR: Duration = Duration::from_secs(2);
/// Where clouds keep their metadata services, besides this machine. They speak plain HTTP by design and cannot be reached
/// through a proxy.
const METADATA: [&str; 6] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "[fd00:ec2::254]",
    "[fd00:ec2::23]",
    "metadata.google.internal",
];

/// The clients of one source.
#[derive(Default)]
pub(super) struct Web {
    far: OnceLock<Client>,
    near: OnceLock<Client>,
    registry: OnceLock<Client>,
}

/// An answer that was read to its end.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Tells whether an endpoint may be asked: https, or http on this machine or at a cloud's metadata service.
pub fn is_endpoint(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_near(url),
        _ => false,
    }
}

fn is_near(url: &Url) -> bool {
    url.host_str().is_some_and(|host| METADATA.contains(&host) || http::is_loopback(host))
}

/// Reads the URL of an endpoint.
///
/// # Errors
/// Why it cannot be asked.
pub(super) fn endpoint(text: &str, what: &str) -> Result<Url, LoginError> {
    let url = Url::parse(text).ok().filter(is_endpoint).filter(|url| {
        url.username().is_empty() && url.password().is_none() && !matches!(url.host(), None | Some(Host::Domain("")))
    });
    url.ok_or_else(|| {
        let rule = "it is no https:// URL, and http:// is for this machine and for metadata services of clouds";
        LoginError::lasting(what, rule)
    })
}

impl Web {
    /// Starts a request to an endpoint of a cloud.
    ///
    /// # Errors
    /// The URL may not be asked, or no client can be made.
    pub(super) fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, LoginError> {
        if !is_endpoint(url) {
            let rule = "plain http:// is for this machine and for metadata services of clouds";
            return Err(LoginError::lasting(trust::place(url), rule));
        }
        let (slot, options) = if url.scheme() == "http" {
            let near =
                ClientOptions { connect_timeout: NEAR, insecure: true, direct: true, ..ClientOptions::default() };
            (&self.near, near)
        } else {
            (&self.far, ClientOptions::default())
        };
        Ok(client(slot, &options, url)?.request(method, url.clone()))
    }

    /// Starts a request to the registry itself, which is reached as its settings say.
    ///
    /// # Errors
    /// No client can be made.
    pub(super) fn to_registry(
        &self,
        method: Method,
        url: &Url,
        options: &ClientOptions,
    ) -> Result<RequestBuilder, LoginError> {
        Ok(client(&self.registry, options, url)?.request(method, url.clone()))
    }
}

/// Sends a request, and reads its answer.
///
/// # Errors
/// Nobody answers, or not in time, or too much.
pub(super) async fn send(request: RequestBuilder, url: &Url) -> Result<Reply, LoginError> {
    let place = trust::place(url);
    let deadline = Instant::now() + LIMIT;
    let late = || LoginError::passing(&place, format!("it did not answer within {} s", LIMIT.as_secs()));
    let response = request.timeout(LIMIT).send().await.map_err(|error| {
        if error.is_timeout() && !error.is_connect() {
            return late();
        }
        let reason = http::tls_failure(&error).unwrap_or_else(|| http::root_cause(&error));
        LoginError::passing(&place, format!("it cannot be reached: {}", clean(&reason)))
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = http::read_capped(response, MAX_BYTES, deadline).await.map_err(|error| match error {
        http::HttpError::Timeout => late(),
        other => LoginError::passing(&place, other.to_string()),
    })?;
    Ok(Reply { status, headers, body: body.to_vec() })
}

impl Reply {
    /// Reads a good answer as JSON; `sent` is what must not come back in an error.
    ///
    /// # Errors
    /// Any other status with the endpoint's code, or a body that is none.
    pub(super) fn json(&self, url: &Url, sent: &[&str]) -> Result<Value, LoginError> {
        self.good(url, sent)?;
        serde_json::from_slice(&self.body).map_err(|_| self.without(url, "an answer that is JSON"))
    }

    /// Refuses any status but 200 (and 201, which some give to a new token).
    ///
    /// # Errors
    /// The status with the endpoint's code.
    pub(super) fn good(&self, url: &Url, sent: &[&str]) -> Result<(), LoginError> {
        let status = self.status.as_u16();
        if matches!(status, 200 | 201) {
            return Ok(());
        }
        let is_sent = |code: &str| {
            let of = |secret: &&str| !secret.is_empty() && (secret.contains(code) || code.contains(*secret));
            sent.iter().any(of)
        };
        let code = self.code().filter(|code| is_word(code) && !is_sent(code));
        let code = code.map(|code| format!(" {code}")).unwrap_or_default();
        let reason = format!("it answered {status}{code}");
        let place = trust::place(url);
        // What the operator must change stays as it is; what limits and outages cause does not.
        Err(if status == 429 || status >= 500 {
            LoginError::passing(place, reason)
        } else {
            LoginError::lasting(place, reason)
        })
    }

    /// The error for a good status without what was asked for.
    pub(super) fn without(&self, url: &Url, what: &str) -> LoginError {
        LoginError::passing(trust::place(url), format!("it answered {} without {what}", self.status.as_u16()))
    }

    /// The endpoint's own code: `__type` of AWS, `<Code>` of STS, `error` of OAuth 2.0 and Azure, `error.status` of Google.
    fn code(&self) -> Option<String> {
        if let Ok(json) = serde_json::from_slice::<Value>(&self.body) {
            let found = ["/__type", "/error/status", "/error", "/errors/0/code", "/code", "/Code"];
            let text = found.iter().find_map(|at| json.pointer(at).and_then(Value::as_str))?;
            return Some(text.rsplit('#').next().unwrap_or(text).to_owned());
        }
        element(&String::from_utf8_lossy(&self.body), "Code").map(str::to_owned)
    }
}

/// Gives the text of the first XML element of that name. One with markup or entities inside is none.
pub(super) fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inner, _) = rest.split_once(&format!("</{name}>"))?;
    (!inner.contains(['<', '&'])).then_some(inner.trim())
}

/// Gives a text of a JSON object, if it is there and not empty.
pub(super) fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}

fn is_word(text: &str) -> bool {
    (3..=60).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.'))
}

fn client<'c>(slot: &'c OnceLock<Client>, options: &ClientOptions, url: &Url) -> Result<&'c Client, LoginError> {
    if let Some(client) = slot.get() {
        return Ok(client);
    }
    let made = http::client(options).map_err(|error| LoginError::lasting(trust::place(url), error.to_string()))?;
    Ok(slot.get_or_init(|| made))
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect()
}

/// Puts a form into a request (`application/x-www-form-urlencoded`).
pub(super) fn form(request: RequestBuilder, fields: &[(&str, &str)]) -> RequestBuilder {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(fields);
    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.finish())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_holds_what_was_sent_or_a_part_of_it_is_not_shown() {
        let url = Url::parse("https://login.example/x?hunter2").unwrap();
        for (code, expected) in [
            ("invalid_client", "it answered 401 invalid_client"),
            ("hunter2", "it answered 401"),
            ("hunter", "it answered 401"),
            ("bad_hunter2_of_you", "it answered 401"),
            ("in words", "it answered 401"),
        ] {
            let body = serde_json::json!({"error": code}).to_string().into_bytes();
            let reply = Reply { status: StatusCode::UNAUTHORIZED, headers: HeaderMap::new(), body };
            assert_eq!(reply.good(&url, &["hunter2", ""]).unwrap_err().reason, expected, "{code}");
        }
    }
}
