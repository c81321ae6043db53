//! One request as a forge reads it, and one answer as it is sent: what the three kinds have in common.

use axum::http::request::Parts;
use jiff::Timestamp;
use repin::model::forge::ForgeKind;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::state::{Access, State};

/// One request.
pub struct Call {
    pub method: String,
    /// Path and query below the API's prefix, as sent.
    pub target: String,
    /// The prefix: `/api/v3`, empty for `/graphql` and what lies elsewhere.
    pub prefix: String,
    /// The parts of the path, decoded.
    pub path: Vec<String>,
    pub query: Vec<(String, String)>,
    pub body: Value,
    pub body_text: String,
    pub has_bad_body: bool,
    pub authorization: Option<String>,
    /// `PRIVATE-TOKEN` of GitLab.
    pub private_token: Option<String>,
    /// `If-None-Match`.
    pub known: Option<String>,
    pub user_agent: Option<String>,
    pub content_type: Option<String>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
    /// Sent instead of a body of JSON.
    pub raw: Option<String>,
    /// The server answers so, and the vendor's document does not say it.
    pub is_untold: bool,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    pub login: String,
    pub access: Access,
    pub owner: Option<String>,
    pub is_anonymous: bool,
}

impl Call {
    pub fn read(parts: &Parts, body: &[u8]) -> Self {
        let whole = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let known =
            ["/api/v3", "/api/v4", "/api/v1"].into_iter().find(|prefix| whole.starts_with(&format!("{prefix}/")));
        let prefix = known.unwrap_or_default();
        let target = &whole[prefix.len()..];
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body_text = String::from_utf8_lossy(body).into_owned();
        let read = serde_json::from_slice(body);
        Self {
            method: parts.method.to_string(),
            target: target.to_owned(),
            prefix: prefix.to_owned(),
            path: path.trim_start_matches('/').split('/').map(decode).collect(),
            query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            has_bad_body: !body.is_empty() && read.is_err(),
            body: read.unwrap_or(Value::Null),
            body_text,
            authorization: header("authorization"),
            private_token: header("private-token"),
            known: header("if-none-match"),
            user_agent: header("user-agent"),
            content_type: header("content-type"),
        }
    }

    pub fn parts(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    pub fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.body[name].as_str()
    }

    pub fn list(&self, name: &str) -> Vec<String> {
        let items = self.body[name].as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    }
}

impl Answer {
    pub fn json(status: u16, body: Value) -> Self {
        let headers = vec![("content-type".to_owned(), "application/json; charset=utf-8".to_owned())];
        Self { status, headers, body: Some(body), raw: None, is_untold: false }
    }

    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, raw: None, is_untold: false }
    }

    pub fn raw(status: u16, text: &str) -> Self {
        Self { raw: Some(text.to_owned()), ..Self::empty(status) }
    }

    /// An error as the kind of forge words it.
    pub fn error(kind: ForgeKind, status: u16, message: &str) -> Self {
        let body = match kind {
            ForgeKind::GitHub => json!({
                "message": message,
                "documentation_url": "https://docs.github.com/rest",
                "status": status.to_string(),
            }),
            ForgeKind::GitLab => json!({"message": message}),
            ForgeKind::Gitea => json!({"message": message, "url": "https://gitea.example/api/swagger"}),
        };
        Self::json(status, body)
    }

    /// Marks what the vendor's document does not say.
    pub fn untold(self) -> Self {
        Self { is_untold: true, ..self }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn text(&self) -> String {
        self.raw.clone().or_else(|| self.body.as_ref().map(Value::to_string)).unwrap_or_default()
    }
}

/// Who a token belongs to; 401 for one that is not known. GitLab takes it in a header of its own, too.
pub fn caller(state: &State, call: &Call) -> Result<Caller, Answer> {
    let sent = call.authorization.as_deref().map(|header| {
        let (scheme, token) = header.split_once(' ').unwrap_or(("", header));
        (scheme.to_ascii_lowercase(), token.trim())
    });
    let takes = |scheme: &str| match state.kind {
        ForgeKind::GitHub | ForgeKind::Gitea => matches!(scheme, "bearer" | "token"),
        ForgeKind::GitLab => scheme == "bearer",
    };
    let token = match (&sent, &call.private_token) {
        (Some((scheme, token)), _) if takes(scheme) => *token,
        (None, Some(token)) if state.kind == ForgeKind::GitLab => token,
        (None, None) => {
            let login = "anonymous".to_owned();
            return Ok(Caller { login, access: Access::Read, owner: None, is_anonymous: true });
        }
        _ => "",
    };
    let refused = match state.kind {
        ForgeKind::GitHub => "Bad credentials",
        ForgeKind::GitLab => "401 Unauthorized",
        ForgeKind::Gitea => "invalid username, password or token",
    };
    // Tokens of Apps end by the real time, since their holders count by it.
    let is_alive = |expires: &Option<Timestamp>| expires.is_none_or(|time| Timestamp::now() < time);
    let found = state.tokens.get(token).filter(|found| is_alive(&found.expires));
    let found = found.ok_or_else(|| Answer::error(state.kind, 401, refused))?;
    Ok(Caller { login: found.login.clone(), access: found.access, owner: found.owner.clone(), is_anonymous: false })
}

/// One page of items, with the links and counts that the kind of forge gives.
pub fn page(state: &State, call: &Call, items: Vec<Value>) -> Answer {
    page_of(state, call, items, Answer::json(200, Value::Null), |answer, items| answer.body = Some(items.into()))
}

/// One page; only what stands on it is made.
pub fn page_with<T>(
    state: &mut State,
    call: &Call,
    items: Vec<T>,
    mut make: impl FnMut(&mut State, T) -> Value,
) -> Answer {
    let (answer, start, size) = paged(state, call, items.len(), Answer::json(200, Value::Null));
    let made = items.into_iter().skip(start).take(size).map(|item| make(state, item)).collect();
    Answer { body: Some(made), ..answer }
}

/// One page of items that stand somewhere in an answer.
pub fn page_of(
    state: &State,
    call: &Call,
    items: Vec<Value>,
    answer: Answer,
    place: impl FnOnce(&mut Answer, Vec<Value>),
) -> Answer {
    let (mut answer, start, size) = paged(state, call, items.len(), answer);
    place(&mut answer, items.into_iter().skip(start).take(size).collect());
    answer
}

/// Adds links and counts to an answer; gives which item is the first of the page, and how many can stand on it.
fn paged(state: &State, call: &Call, total: usize, mut answer: Answer) -> (Answer, usize, usize) {
    let (key, usual, most) = match state.kind {
        ForgeKind::GitHub => ("per_page", 30, 100),
        ForgeKind::GitLab => ("per_page", 20, 100),
        ForgeKind::Gitea => ("limit", 30, 50),
    };
    let number = |name| call.asked(name).and_then(|text| text.parse::<usize>().ok()).filter(|number| *number > 0);
    let (size, page) = (number(key).unwrap_or(usual).min(most), number("page").unwrap_or(1));
    let last = total.div_ceil(size).max(1);
    let url = |page: usize| {
        let mut url = url::Url::parse(&format!("{}{}{}", state.origin, call.prefix, call.target)).unwrap();
        let mut query: Vec<_> = call.query.iter().filter(|(name, _)| name != "page").cloned().collect();
        query.push(("page".to_owned(), page.to_string()));
        url.query_pairs_mut().clear().extend_pairs(query);
        url
    };
    let mut links = Vec::new();
    if page > 1 {
        links.push(format!("<{}>; rel=\"prev\"", url(page - 1)));
    }
    if page < last {
        links.push(format!("<{}>; rel=\"next\"", url(page + 1)));
        links.push(format!("<{}>; rel=\"last\"", url(last)));
    }
    if page > 1 {
        links.push(format!("<{}>; rel=\"first\"", url(1)));
    }
    if !links.is_empty() {
        answer = answer.with("link", &links.join(", "));
    }
    match state.kind {
        ForgeKind::GitHub => {}
        ForgeKind::GitLab => {
            let next = if page < last { (page + 1).to_string() } else { String::new() };
            for (name, value) in [
                ("x-page", page.to_string()),
                ("x-per-page", size.to_string()),
                ("x-next-page", next),
                ("x-total", total.to_string()),
                ("x-total-pages", last.to_string()),
            ] {
                answer = answer.with(name, &value);
            }
        }
        ForgeKind::Gitea => answer = answer.with("x-total-count", &total.to_string()),
    }
    (answer, (page - 1) * size, size)
}

/// Adds what stands on every answer: the rate, and on what is read an `ETag`, or 304 where the client knows it.
pub fn finish(state: &mut State, call: &Call, mut answer: Answer, is_scripted: bool) -> Answer {
    // Gitea's API knows no conditional requests.
    let has_tag = state.kind != ForgeKind::Gitea && call.method == "GET" && answer.status == 200 && !is_scripted;
    if has_tag {
        // The answer depends on who asks.
        let seen_by = format!("{:?} {}", call.authorization, answer.text());
        let tag = format!("W/\"{}\"", hex::encode(&Sha256::digest(seen_by.as_bytes())[..16]));
        if call.known.as_deref().is_some_and(|known| known.split(", ").any(|known| known == tag)) {
            // GitHub does not count these.
            if state.kind == ForgeKind::GitHub {
                state.rate.used = state.rate.used.saturating_sub(1);
            }
            answer = Answer::empty(304);
        }
        answer = answer.with("etag", &tag);
    }
    let rate = &state.rate;
    let (left, reset) = (rate.limit - rate.used.min(rate.limit), rate.reset.as_second());
    match state.kind {
        ForgeKind::GitHub => answer
            .with("x-ratelimit-limit", &rate.limit.to_string())
            .with("x-ratelimit-remaining", &left.to_string())
            .with("x-ratelimit-used", &rate.used.to_string())
            .with("x-ratelimit-reset", &reset.to_string())
            .with("x-ratelimit-resource", "core"),
        ForgeKind::GitLab => answer
            .with("ratelimit-limit", &rate.limit.to_string())
            .with("ratelimit-remaining", &left.to_string())
            .with("ratelimit-reset", &reset.to_string())
            .with("ratelimit-observed", &rate.used.to_string()),
        ForgeKind::Gitea => answer,
    }
}

/// No requests are left: 403 on GitHub, 429 on the others.
pub fn exhausted(state: &State) -> Answer {
    let seconds = (state.rate.reset.as_second() - state.now().as_second()).max(1).to_string();
    match state.kind {
        ForgeKind::GitHub => Answer::error(
            state.kind,
            403,
            "API rate limit exceeded for user ID 101. If you reach out to support, say so.",
        ),
        ForgeKind::GitLab => Answer::raw(429, "Retry later\n").with("retry-after", &seconds),
        ForgeKind::Gitea => Answer::raw(429, "Too Many Requests").with("retry-after", &seconds),
    }
}

/// Too much at once, whatever is left.
pub fn too_many(state: &State, seconds: u64) -> Answer {
    let seconds = seconds.to_string();
    match state.kind {
        ForgeKind::GitHub => {
            let message = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
            Answer::error(state.kind, 403, message).with("retry-after", &seconds)
        }
        ForgeKind::GitLab | ForgeKind::Gitea => Answer::raw(429, "Retry later\n").with("retry-after", &seconds),
    }
}

/// Where people read a pull request.
pub fn pull_url(state: &State, project: &str, number: u64) -> String {
    let part = match state.kind {
        ForgeKind::GitHub => "pull",
        ForgeKind::GitLab => "-/merge_requests",
        ForgeKind::Gitea => "pulls",
    };
    format!("{}/{project}/{part}/{number}", state.origin)
}

/// A number that always is the same for a text.
pub fn number_of(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest[..4].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Adds fields to an object; what is there already is replaced.
pub fn extend(body: &mut Value, more: Value) {
    let Value::Object(more) = more else { return };
    body.as_object_mut().unwrap().extend(more);
}
