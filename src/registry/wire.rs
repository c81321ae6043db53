//! One registry's connection: sends a request when its pace allows it, and reads the whole answer within limits.
//!
//! It knows nothing of tokens, redirects and what an answer means for the question. A request that the registry wants to
//! be asked again after a short pause is asked again here, so that no question fails for a second's wait.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_NONE_MATCH};
use reqwest::{Client, Method};
use tokio::time::Instant;
use url::Url;

use crate::http;
use crate::http::{ClientOptions, HttpError};
use crate::model::names::ImageName;
use crate::registry::answer::Answer;
use crate::registry::error::RegistryError;
use crate::registry::options::{Checked, Limits};
use crate::registry::pace::{Advice, Pace, Refusal, Share, Traffic};

const MAX_ERROR_BYTES: usize = 16 * 1024;
/// How often one request is sent at most.
const TRIES: u32 = 3;

/// The connection to one registry.
pub(crate) struct Wire {
    options: ClientOptions,
    client: OnceLock<Client>,
    pace: Pace,
    limits: Limits,
}

/// One request.
pub(crate) struct Request<'a> {
    /// What it is asked for, for errors.
    pub(crate) image: &'a ImageName,
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) accept: &'static str,
    /// Cap of the body in bytes.
    pub(crate) cap: usize,
    pub(crate) authorization: Option<HeaderValue>,
    /// Sent as `application/x-www-form-urlencoded`.
    pub(crate) form: Option<String>,
    /// The `ETag` of what is known already.
    pub(crate) if_none_match: Option<&'a str>,
    pub(crate) share: Share,
}

/// The time left for one question. Waiting for a free place, a pause or the rate limit does not count.
pub(crate) struct Budget(Duration);

impl Budget {
    pub(crate) fn new(time: Duration) -> Self {
        Self(time)
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0.is_zero()
    }
}

impl Wire {
    /// Makes the connection; nothing is sent yet.
    ///
    /// # Errors
    /// The extra certificate authorities cannot be used.
    pub(crate) fn new(checked: &Checked, limits: &Limits) -> Result<Self, HttpError> {
        let client = OnceLock::new();
        if checked.client.ca.is_some() {
            // Only these can be wrong by themselves; the others are made when they are needed first.
            drop(client.set(http::client(&checked.client)?));
        }
        let pace = Pace::new(
            checked.concurrency,
            checked.interval,
            checked.requests_per_cycle,
            limits.first_pause,
            limits.longest_pause,
        );
        Ok(Self { options: checked.client.clone(), client, pace, limits: limits.clone() })
    }

    /// Begins a cycle.
    pub(crate) fn begin(&self) {
        self.pace.begin();
    }

    /// Gives what was asked so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.pace.traffic()
    }

    /// Sends one request, when there is room, and reads the whole answer. `clean` makes a text fit for people.
    ///
    /// # Errors
    /// No whole answer came, or none may be asked for now.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
        budget: &mut Budget,
        clean: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<Answer, RegistryError> {
        let (mut tries, mut share) = (1, request.share);
        loop {
            let place = self.pace.admit(share).await.map_err(|refusal| match refusal {
                Refusal::Paused(left) => RegistryError::Paused { image: request.image.clone(), left },
                Refusal::Spent(most) => RegistryError::OverBudget { image: request.image.clone(), most },
            })?;
            let answer = self.send_once(request, budget, clean).await?;
            let pause = match self.pace.note(&answer) {
                Advice::Again(pause) if tries < TRIES => {
                    tries += 1;
                    pause
                }
                Advice::Again(_) | Advice::Take => return Ok(answer),
            };
            drop(place);
            share = Share::Begun;
            tokio::time::sleep(pause).await;
        }
    }

    async fn send_once(
        &self,
        asked: &Request<'_>,
        budget: &mut Budget,
        clean: &(dyn Fn(&str) -> String + Sync),
    ) -> Result<Answer, RegistryError> {
        let image = asked.image;
        let limit = self.limits.request_timeout.min(budget.0);
        let started = Instant::now();
        let mut request = self.client(image)?.request(asked.method.clone(), asked.url.clone()).timeout(limit);
        request = request.header(ACCEPT, asked.accept);
        if let Some(authorization) = &asked.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(etag) = asked.if_none_match {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(form) = &asked.form {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.clone());
        }
        let result = match request.send().await {
            Ok(response) => {
                let (status, headers) = (response.status(), response.headers().clone());
                let deadline = started + limit;
                let body = if status.is_success() {
                    http::read_capped(response, asked.cap, deadline).await
                } else {
                    let soon = deadline.min(Instant::now() + Duration::from_secs(2));
                    Ok(http::read_capped(response, MAX_ERROR_BYTES, soon).await.unwrap_or_default())
                };
                Ok(Answer { url: asked.url.clone(), status, headers, body })
            }
            Err(error) => Err(match http::tls_failure(&error) {
                Some(reason) => RegistryError::Tls { image: image.clone(), reason: clean(&reason) },
                None if error.is_timeout() && !error.is_connect() => {
                    RegistryError::Timeout { image: image.clone(), limit }
                }
                None => RegistryError::Unreachable { image: image.clone(), reason: clean(&http::root_cause(&error)) },
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
        let made = http::client(&self.options)
            .map_err(|error| RegistryError::Tls { image: image.clone(), reason: error.to_string() })?;
        Ok(self.client.get_or_init(|| made))
    }
}
