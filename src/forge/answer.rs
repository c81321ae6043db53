//! What a forge answered, apart from what the question was.

use bytes::Bytes;
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::credentials::masking;
use crate::forge::error::ForgeError;

/// An answer that was read to its end.
pub(super) struct Answer {
    /// The URL that answered, after redirects.
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    /// Target of the link to the next page, as written.
    pub(super) next: Option<String>,
    /// The forge's host and the project, for errors.
    pub(super) place: String,
    /// What must not be repeated.
    pub(super) forms: Vec<String>,
}

impl Answer {
    /// Gives the body of a good answer.
    ///
    /// # Errors
    /// Any status but a good one, and what is no JSON.
    pub(super) fn ok(&self) -> Result<Value, ForgeError> {
        if self.status.is_success() { self.json() } else { Err(self.error()) }
    }

    /// Gives the body of a good answer; none if there is no such thing.
    ///
    /// # Errors
    /// As for [`Answer::ok`].
    pub(super) fn found(&self) -> Result<Option<Value>, ForgeError> {
        if matches!(self.status, StatusCode::NOT_FOUND | StatusCode::GONE) { Ok(None) } else { self.ok().map(Some) }
    }

    /// Tells whether it was done, whatever the body.
    ///
    /// # Errors
    /// Any status but a good one.
    pub(super) fn done(&self) -> Result<(), ForgeError> {
        if self.status.is_success() { Ok(()) } else { Err(self.error()) }
    }

    /// Gives the body.
    ///
    /// # Errors
    /// It is no JSON.
    pub(super) fn json(&self) -> Result<Value, ForgeError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            let is_page = self.body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<');
            self.bad(if is_page { "it is a web page and no JSON" } else { "it is no JSON" })
        })
    }

    /// Gives the error for an answer that cannot be used.
    pub(super) fn bad(&self, reason: impl Into<String>) -> ForgeError {
        ForgeError::BadAnswer { place: self.place.clone(), reason: reason.into() }
    }

    /// Gives the error for a refusal with words of our own.
    pub(super) fn refused(&self, reason: impl Into<String>) -> ForgeError {
        ForgeError::Refused { place: self.place.clone(), status: self.status.as_u16(), reason: reason.into() }
    }

    /// Gives the error for a status that answers no question.
    pub(super) fn error(&self) -> ForgeError {
        let (place, reason) = (self.place.clone(), self.words());
        match self.status.as_u16() {
            401 => ForgeError::Unauthorized { place, reason },
            403 => ForgeError::Forbidden { place, reason },
            404 | 410 => ForgeError::NotFound { place, reason },
            status @ 400..=499 => ForgeError::Refused { place, status, reason },
            status => ForgeError::Failed { place, status, reason },
        }
    }

    /// Gives what the forge says to people, fit to be shown.
    pub(super) fn words(&self) -> String {
        self.clean(&said(&serde_json::from_slice(&self.body).unwrap_or_default()))
    }

    /// Makes a text of the forge fit for people.
    pub(super) fn clean(&self, text: &str) -> String {
        masking::clean(text, &self.forms).trim().to_owned()
    }
}

/// Collects what an error says: GitHub's `message` and `errors`, GitLab's `message` (a text, a list, or lists by field) and
/// `error`, Gitea's `message`, GraphQL's `errors`.
fn said(body: &Value) -> String {
    let mut words = Vec::new();
    for at in ["/message", "/error", "/error_description", "/errors"] {
        if let Some(value) = body.pointer(at) {
            collect(value, None, 0, &mut words);
        }
    }
    words.dedup();
    words.join("; ")
}

fn collect(value: &Value, field: Option<&str>, depth: usize, words: &mut Vec<String>) {
    if words.len() >= 8 || depth > 3 {
        return;
    }
    match value {
        Value::String(text) if text.trim().is_empty() => {}
        Value::String(text) => words.push(field.map_or(text.clone(), |field| format!("{field}: {text}"))),
        Value::Array(items) => items.iter().for_each(|item| collect(item, field, depth + 1, words)),
        Value::Object(members) => match members.get("message").filter(|message| message.is_string()) {
            Some(message) => collect(message, field, depth + 1, words),
            None => members.iter().for_each(|(name, value)| collect(value, Some(name), depth + 1, words)),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            url: "https://api.example.com/x".parse().unwrap(),
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            next: None,
            place: "api.example.com acme/gitops".to_owned(),
            forms: vec!["hunter2".to_owned()],
        }
    }

    #[test]
    fn what_a_forge_says_is_shown_in_every_dialect_and_never_what_it_was_sent() {
        for (body, expected) in [
            (r#"{"message":"Bad credentials","documentation_url":"https://x"}"#, "Bad credentials"),
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","code":"custom","message":"A pull request already exists for acme:repin/web."}]}"#,
                "Validation Failed; A pull request already exists for acme:repin/web.",
            ),
            (
                r#"{"message":"Validation Failed","errors":[{"resource":"Label","code":"invalid","field":"name"}]}"#,
                "Validation Failed; code: invalid; field: name; resource: Label",
            ),
            (
                r#"{"message":["Another open merge request already exists"]}"#,
                "Another open merge request already exists",
            ),
            (r#"{"message":{"title":["is too long","is odd"]}}"#, "title: is too long; title: is odd"),
            (r#"{"error":"insufficient_scope","error_description":"needs api"}"#, "insufficient_scope; needs api"),
            (r#"{"errors":[{"type":"STALE_DATA","message":"Expected head"}]}"#, "Expected head"),
            ("{\"message\":\"your token hunter2\\nis\\u0007 bad\\u202e\"}", "your token *** is  bad"),
            ("<html>hunter2", ""),
            ("", ""),
        ] {
            assert_eq!(answer(400, body).words(), expected, "{body}");
        }
        assert_eq!(answer(400, &format!(r#"{{"message":"{}"}}"#, "x".repeat(500))).words().len(), 200);
    }

    #[test]
    fn each_status_has_its_code() {
        for (status, code) in [
            (302, "forge/failed"),
            (400, "forge/refused"),
            (401, "forge/unauthorized"),
            (403, "forge/forbidden"),
            (404, "forge/not-found"),
            (422, "forge/refused"),
            (502, "forge/failed"),
        ] {
            assert_eq!(answer(status, "{}").ok().unwrap_err().code(), code, "{status}");
        }
        assert_eq!(answer(200, "<p>").ok().unwrap_err().code(), "forge/bad-answer");
        assert_eq!(answer(404, "{}").found().unwrap(), None);
    }
}
