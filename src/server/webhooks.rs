//! `POST /webhooks/<name>`: takes what registries tell, and hands on which images to look at.
//!
//! Nothing is done for a sender that has not proven to know the secret. An event can only cause a look: it names no
//! commit, no value and no place.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::body::BodyDataStream;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::{debug, info, warn};

use crate::model::event::Event;
use crate::model::webhook::Webhook;
use crate::server::Status;
use crate::server::events::Events;
use crate::server::limit::Allowance;
use crate::server::{payload, proof};
use crate::telemetry::WebhookResult;

/// Largest body, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// Most bytes that are read of a body only to throw them away, so that its sender gets to read the answer.
const MAX_DRAINED: usize = 8 * MAX_BYTES;
/// How long a body may take.
const BODY_TIME: Duration = Duration::from_secs(5);
/// What bodies of one webhook that are under way may hold at once, in KiB. A body that stalls holds what came of it.
const MAX_HELD: usize = 32 * 1024;

/// The webhooks, and the queue that they fill.
#[derive(Debug, Default)]
pub struct Webhooks {
    entries: RwLock<BTreeMap<String, Arc<Entry>>>,
    /// What waits for the next cycle.
    pub events: Events,
}

/// A webhook with what is left of its limits.
#[derive(Debug)]
struct Entry {
    webhook: Webhook,
    proven: Mutex<Allowance>,
    /// Of its own, so that strangers use up nothing of what the sender has.
    refused: Mutex<Allowance>,
    held: Semaphore,
    /// The last sender was a stranger, which was logged.
    is_refusing: AtomicBool,
}

/// What comes of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Accepted,
    Ignored,
    Unauthorized,
    Malformed(&'static str),
    Broken,
    TooLarge,
    TooSlow,
    Limited(Duration),
    Busy,
    Full,
}

impl Webhooks {
    /// Takes a list of webhooks in place of the one before. One that did not change keeps what is left of its limits.
    pub fn replace(&self, webhooks: &[Webhook]) {
        let now = Instant::now();
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *entries);
        *entries = webhooks
            .iter()
            .map(|webhook| {
                let kept = old.remove(&webhook.name).filter(|entry| entry.webhook == *webhook);
                (webhook.name.clone(), kept.unwrap_or_else(|| Arc::new(Entry::new(webhook.clone(), now))))
            })
            .collect();
    }

    fn get(&self, name: &str) -> Option<Arc<Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Answers one request.
pub(super) async fn receive(
    State((status, webhooks)): State<(Arc<Status>, Arc<Webhooks>)>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let Some(entry) = name.ok().and_then(|Path(name)| webhooks.get(&name)) else {
        return (StatusCode::NOT_FOUND, "there is no webhook of this name\n").into_response();
    };
    let answer = entry.answer(request, &webhooks.events).await;
    status.metrics.webhook(answer.result());
    answer.into_response()
}

impl Entry {
    fn new(webhook: Webhook, now: Instant) -> Self {
        let allowance = || Mutex::new(Allowance::new(webhook.requests_per_second, now));
        let (proven, refused, held) = (allowance(), allowance(), Semaphore::new(MAX_HELD));
        Self { webhook, proven, refused, held, is_refusing: AtomicBool::new(false) }
    }

    async fn answer(&self, request: Request, events: &Events) -> Answer {
        let (parts, body) = request.into_parts();
        let mut body = body.into_data_stream();
        let query = parts.uri.query();
        let is_in_body = proof::needs_body(&self.webhook);
        if !is_in_body && !proof::is_proven(&self.webhook, &parts.headers, query, &[]) {
            drain(&mut body).await;
            return self.refuse();
        }
        if announced(&parts.headers).is_some_and(|length| length > MAX_BYTES as u64) {
            drain(&mut body).await;
            return Answer::TooLarge;
        }
        let (bytes, _held) = match tokio::time::timeout(BODY_TIME, read(&mut body, &self.held)).await {
            Ok(Ok(read)) => read,
            Ok(Err(answer)) => {
                drain(&mut body).await;
                return answer;
            }
            Err(_) => return Answer::TooSlow,
        };
        if is_in_body && !proof::is_proven(&self.webhook, &parts.headers, query, &bytes) {
            return self.refuse();
        }
        if let Err(wait) = take(&self.proven) {
            debug!(webhook = self.webhook.name, "a webhook gets more requests than it takes");
            return Answer::Limited(wait);
        }
        self.is_refusing.store(false, Ordering::Relaxed);
        let kind_of_event = parts.headers.get("x-github-event").and_then(|value| value.to_str().ok());
        self.act(payload::read(&self.webhook, kind_of_event, &bytes), events)
    }

    fn act(&self, told: Result<payload::Told, &'static str>, events: &Events) -> Answer {
        let name = self.webhook.name.as_str();
        let told = match told {
            Ok(told) => told,
            Err(reason) => {
                warn!(webhook = name, "the webhook `{name}` cannot read what it got: {reason}");
                return Answer::Malformed(reason);
            }
        };
        if told.elsewhere > 0 {
            let own = self.webhook.registry.as_deref().unwrap_or_default();
            info!(webhook = name, registry = own, "the webhook `{name}` was told of another registry than {own}");
        }
        if told.events.is_empty() {
            debug!(webhook = name, "the webhook `{name}` was told of no push");
            return Answer::Ignored;
        }
        let pushes = told.events.clone();
        if events.offer(told.events).is_err() {
            warn!(webhook = name, "the webhook `{name}` is told to try later: the queue is full");
            return Answer::Full;
        }
        for Event::RegistryPush { image, tag } in pushes {
            let tag = tag.as_ref().map_or("", |tag| tag.as_str());
            info!(webhook = name, %image, tag, "{image} was pushed, says the webhook `{name}`");
        }
        Answer::Accepted
    }

    /// Says the same whatever is wrong, and logs the first of a row.
    fn refuse(&self) -> Answer {
        let name = self.webhook.name.as_str();
        if !self.is_refusing.swap(true, Ordering::Relaxed) {
            warn!(webhook = name, "the webhook `{name}` got a request whose secret or signature is missing or wrong");
        }
        take(&self.refused).map_or_else(Answer::Limited, |()| Answer::Unauthorized)
    }
}

impl Answer {
    fn result(self) -> WebhookResult {
        match self {
            Self::Accepted => WebhookResult::Accepted,
            Self::Ignored => WebhookResult::Ignored,
            Self::Unauthorized => WebhookResult::Unauthorized,
            Self::Malformed(_) | Self::Broken | Self::TooLarge | Self::TooSlow => WebhookResult::Malformed,
            Self::Limited(_) | Self::Busy | Self::Full => WebhookResult::Limited,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Accepted => (StatusCode::ACCEPTED, "accepted"),
            Self::Ignored => (StatusCode::ACCEPTED, "nothing to look at"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "the secret or signature is missing or wrong"),
            Self::Malformed(reason) => (StatusCode::BAD_REQUEST, reason),
            Self::Broken => (StatusCode::BAD_REQUEST, "the body ended before its end"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the body has more than 1 MiB"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body took too long"),
            Self::Limited(_) => (StatusCode::TOO_MANY_REQUESTS, "too many requests"),
            Self::Busy | Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "busy, try again"),
        };
        let wait = match self {
            Self::Limited(wait) => Some(wait.as_secs().saturating_add(1)),
            Self::Busy | Self::Full => Some(1),
            _ => None,
        };
        let mut response = (status, format!("{text}\n")).into_response();
        if let Some(seconds) = wait {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

fn take(allowance: &Mutex<Allowance>) -> Result<(), Duration> {
    allowance.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads a body, and gives what it holds of what may be held.
async fn read<'h>(
    body: &mut BodyDataStream,
    held: &'h Semaphore,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'h>>), Answer> {
    let (mut bytes, mut holds) = (Vec::new(), None::<SemaphorePermit<'h>>);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| Answer::Broken)?;
        if bytes.len() + chunk.len() > MAX_BYTES {
            return Err(Answer::TooLarge);
        }
        let more = u32::try_from(chunk.len().div_ceil(1024)).unwrap_or(u32::MAX);
        let more = held.try_acquire_many(more).map_err(|_| Answer::Busy)?;
        match &mut holds {
            Some(holds) => holds.merge(more),
            None => holds = Some(more),
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((bytes, holds))
}

/// Reads on without keeping anything: a connection that is closed with bytes unread may lose the answer.
async fn drain(body: &mut BodyDataStream) {
    let rest = async {
        let mut seen = 0;
        while let Some(Ok(chunk)) = body.next().await {
            seen += chunk.len();
            if seen > MAX_DRAINED {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(BODY_TIME, rest).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[tokio::test]
    async fn what_bodies_hold_is_bounded_and_given_back() {
        let held = Semaphore::new(3);
        let body = |bytes: usize| Body::from(vec![b'x'; bytes]).into_data_stream();
        let (first, permit) = read(&mut body(2 * 1024), &held).await.unwrap();
        assert_eq!((first.len(), held.available_permits()), (2 * 1024, 1));
        assert_eq!(read(&mut body(1025), &held).await.unwrap_err(), Answer::Busy);
        assert_eq!(held.available_permits(), 1, "who is refused holds nothing");
        drop(permit);
        assert_eq!(read(&mut body(1025), &held).await.unwrap().0.len(), 1025);
        assert_eq!(read(&mut body(MAX_BYTES + 1), &Semaphore::new(MAX_HELD)).await.unwrap_err(), Answer::TooLarge);
    }
}
