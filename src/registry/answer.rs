//! What a registry answered, apart from what the question was.

use std::time::Duration;

use bytes::BytesMut;
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE};
use url::Url;

use crate::http::{HttpError, rate};
use crate::registry::challenge;
use crate::registry::challenge::Challenge;

/// An answer that was read to its end.
pub(crate) struct Answer {
    /// The URL that answered, after redirects.
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// Why the body of a good answer is not whole, if it is not.
    pub(crate) body: Result<BytesMut, HttpError>,
}

impl Answer {
    /// Gives what the registry wants to be shown on a 401.
    pub(crate) fn challenges(&self) -> Vec<Challenge> {
        let texts = self.headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        texts.flat_map(challenge::parse).collect()
    }

    /// Gives the first error code in the body with a space before it, or nothing. Only the codes of the specification
    /// (OCI Distribution 1.1, "Error codes") and of Docker's are repeated: the registry's own words may hold anything.
    pub(crate) fn error_code(&self) -> String {
        const KNOWN: &[&str] = &[
            "BLOB_UNKNOWN",
            "DENIED",
            "MANIFEST_UNKNOWN",
            "NAME_INVALID",
            "NAME_UNKNOWN",
            "PAGINATION_NUMBER_INVALID",
            "TOOMANYREQUESTS",
            "UNAUTHORIZED",
            "UNAVAILABLE",
            "UNKNOWN",
            "UNSUPPORTED",
        ];
        let body: serde_json::Value = match &self.body {
            Ok(body) => serde_json::from_slice(body).unwrap_or_default(),
            Err(_) => return String::new(),
        };
        let code = body.pointer("/errors/0/code").and_then(|code| code.as_str());
        let known = KNOWN.iter().find(|known| code == Some(**known));
        known.map(|known| format!(" {known}")).unwrap_or_default()
    }

    /// Tells whether it is the refusal of a registry that wants a token, and nothing but a token.
    pub(crate) fn wants_token(&self) -> bool {
        let challenges = self.challenges();
        let has = |scheme: &str| challenges.iter().any(|challenge| challenge.is(scheme));
        self.status == StatusCode::UNAUTHORIZED && has("bearer") && !has("basic")
    }

    /// Gives what a token service says in words (Docker's and OAuth 2's forms). They are somebody's words: clean them.
    pub(crate) fn words(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(self.body.as_ref().ok()?).ok()?;
        let places = ["/errors/0/message", "/error_description", "/details", "/detail", "/message", "/error"];
        let words = places.iter().find_map(|place| body.pointer(place).and_then(|words| words.as_str()));
        words.map(str::trim).filter(|words| !words.is_empty()).map(str::to_owned)
    }

    /// Gives how long the registry wants to be left alone, at most a day.
    pub(crate) fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        rate::retry_after(&self.headers, now)
    }

    /// Gives the media type without parameters, empty if none is named.
    pub(crate) fn media_type(&self) -> String {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim().to_owned()
    }

    /// Tells whether a whole body is a web page, by its type or its first character.
    pub(crate) fn is_html(&self) -> bool {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = self.body.as_ref().ok().and_then(|body| body.iter().find(|byte| !byte.is_ascii_whitespace()));
        kind.to_ascii_lowercase().contains("html") || first == Some(&b'<')
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn answer(headers: &[(&'static str, &str)], body: &str) -> Answer {
        Answer {
            url: "https://r.example".parse().unwrap(),
            status: StatusCode::OK,
            headers: headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            body: Ok(BytesMut::from(body)),
        }
    }

    #[test]
    fn only_known_error_codes_are_repeated() {
        for (body, expected) in [
            (r#"{"errors":[{"code":"DENIED","message":"hunter2"}]}"#, " DENIED"),
            (r#"{"errors":[{"code":"hunter2"}]}"#, ""),
            (r#"{"errors":[]}"#, ""),
            (r#"{"errors":{"code":"DENIED"}}"#, ""),
            ("<html>", ""),
            ("", ""),
        ] {
            assert_eq!(answer(&[], body).error_code(), expected, "{body}");
        }
    }

    #[test]
    fn a_web_page_is_known_by_its_type_or_its_beginning() {
        for (kind, body, expected) in [
            ("text/html; charset=utf-8", "{}", true),
            ("application/json", "\n <p>", true),
            ("application/json", "{}", false),
            ("text/plain", "", false),
        ] {
            assert_eq!(answer(&[("content-type", kind)], body).is_html(), expected, "{kind} {body}");
        }
    }
}
