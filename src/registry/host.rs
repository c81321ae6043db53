//! One registry: what is asked of it, with what proof, and where it may send us.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::header::{HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use crate::credentials::{Binding, Credentials};
use crate::model::names::ImageName;
use crate::registry::answer::Answer;
use crate::registry::error::RegistryError;
use crate::registry::login::{Login, Source, Target, Variables};
use crate::registry::options::{Checked, Limits, RegistryOptions};
use crate::registry::pace::{Share, Traffic};
use crate::registry::proof::{Proof, clean};
use crate::registry::standing::Standing;
use crate::registry::token::{Grant, Slot, Tokens};
use crate::registry::trust;
pub(crate) use crate::registry::wire::Budget;
use crate::registry::wire::{Request, Wire};

const MAX_REDIRECTS: usize = 3;

/// One registry with its connections, tokens and limits.
pub(crate) struct Host {
    pub(super) settings: RegistryOptions,
    pub(super) checked: Checked,
    limits: Limits,
    pub(super) source: Source,
    binding: Binding,
    pub(super) wire: Arc<Wire>,
    pub(super) tokens: Tokens,
    standing: Standing,
    page: Mutex<PageHabits>,
}

/// What is asked of a registry.
#[derive(Clone)]
pub(crate) struct Question<'a> {
    pub(crate) image: &'a ImageName,
    pub(crate) method: Method,
    pub(crate) accept: &'static str,
    /// Cap of the body in bytes.
    pub(crate) cap: usize,
    /// Whether it asks for a blob, which many registries keep elsewhere.
    pub(crate) is_blob: bool,
    /// The `ETag` of what is known already (RFC 9110, section 13.1.2). Unchanged, it is answered 304.
    pub(crate) if_none_match: Option<&'a str>,
    pub(crate) share: Share,
}

/// How a registry pages, as far as it showed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct PageHabits {
    /// How often it refused the number of tags that was asked for.
    pub(crate) refusals: u8,
    /// It links the next page, or takes no notice of `last`: a page without a link is the last one.
    pub(crate) is_told_whole: bool,
}

/// How one attempt ended.
enum Attempt {
    Answered(Answer),
    /// Nobody may see it with these credentials.
    Refused(RegistryError),
}

impl Host {
    /// Makes the way to a registry. Nothing is sent yet.
    ///
    /// # Errors
    /// `Settings` with the rule that is broken.
    pub(crate) fn new(settings: RegistryOptions, limits: &Limits) -> Result<Self, RegistryError> {
        let limits = settings.limits.clone().unwrap_or_else(|| limits.clone());
        let checked = settings.clone().check(&limits)?;
        let wire = Wire::new(&checked, &limits)
            .map_err(|error| RegistryError::Settings { registry: checked.name.clone(), rule: error.to_string() })?;
        Self::with(settings, checked, limits, Arc::new(wire))
    }

    /// Makes a way to the same registry with other credentials: it has tokens of its own, and one pace with the first.
    pub(crate) fn beside(&self, settings: RegistryOptions) -> Result<Self, RegistryError> {
        let checked = settings.clone().check(&self.limits)?;
        Self::with(settings, checked, self.limits.clone(), self.wire.clone())
    }

    fn with(
        settings: RegistryOptions,
        checked: Checked,
        limits: Limits,
        wire: Arc<Wire>,
    ) -> Result<Self, RegistryError> {
        let binding = Binding::new(&checked.api)
            .map_err(|error| RegistryError::Settings { registry: checked.name.clone(), rule: error.to_string() })?;
        let target = Target {
            host: checked.name.clone(),
            api: checked.api.clone(),
            client: checked.client.clone(),
            variables: Variables::of_process(),
        };
        Ok(Self {
            source: Source::new(checked.login.clone(), target),
            settings,
            checked,
            limits,
            binding,
            wire,
            tokens: Tokens::default(),
            standing: Standing::default(),
            page: Mutex::default(),
        })
    }

    /// Tells whether this is what these settings would make; then its tokens and its pace can be kept.
    pub(crate) fn is_made_of(&self, settings: &RegistryOptions, limits: &Limits) -> bool {
        self.settings == *settings && self.limits == *settings.limits.as_ref().unwrap_or(limits)
    }

    /// Gives the host in image names.
    pub(crate) fn name(&self) -> &str {
        &self.checked.name
    }

    /// Gives the settings with another source of credentials.
    pub(crate) fn with_login(&self, login: Login) -> RegistryOptions {
        RegistryOptions { login, ..self.settings.clone() }
    }

    /// Tells whether both have one connection and one pace.
    pub(crate) fn shares_wire_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.wire, &other.wire)
    }

    /// Begins a cycle: its requests are there again, and refused credentials get one more try.
    pub(crate) fn begin(&self) {
        self.wire.begin();
        self.standing.begin();
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Gives a URL of the API below `/v2/`.
    pub(crate) fn url(&self, image: &ImageName, rest: &str) -> Result<Url, RegistryError> {
        let text = format!("{}/v2/{}/{rest}", self.checked.api.as_str().trim_end_matches('/'), image.repository());
        Url::parse(&text).map_err(|error| RegistryError::Settings {
            registry: self.checked.name.clone(),
            rule: format!("`api_url` gives no URL: {error}"),
        })
    }

    pub(crate) fn concurrency(&self) -> usize {
        self.checked.concurrency
    }

    pub(crate) fn is_rationed(&self) -> bool {
        self.checked.requests_per_cycle.is_some()
    }

    /// Gives where the API is, without `/v2` and trailing slash.
    pub(crate) fn api(&self) -> &Url {
        &self.checked.api
    }

    /// Gives what was asked so far, on all ways to the registry.
    pub(crate) fn traffic(&self) -> Traffic {
        self.wire.traffic()
    }

    pub(crate) fn page_habits(&self) -> PageHabits {
        *self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn learn_page_habits(&self, habits: PageHabits) {
        *self.page.lock().unwrap_or_else(PoisonError::into_inner) = habits;
    }

    /// Asks, with the credentials of the registry's settings, exchanged for a token where the registry wants one.
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
        let mut is_second = false;
        loop {
            let credentials = self.source.credentials(image.repository()).await.map_err(|error| {
                RegistryError::Login { image: image.clone(), is_passing: error.is_passing, reason: error.to_string() }
            })?;
            self.standing.check(image, &credentials)?;
            match self.attempt(question, url.clone(), &credentials, budget).await? {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Refused(error) => {
                    if is_second || !self.source.refuse(&credentials).await {
                        return Err(error);
                    }
                    is_second = true;
                    self.tokens.forget();
                }
            }
        }
    }

    async fn attempt(
        &self,
        question: &Question<'_>,
        url: Url,
        credentials: &Credentials,
        budget: &mut Budget,
    ) -> Result<Attempt, RegistryError> {
        let image = question.image;
        let begun = Question { share: Share::Begun, ..question.clone() };
        let mut used = None;
        if let Some(grant) = self.tokens.grant(image.repository()) {
            match self.token(question, &grant, None, credentials, budget).await? {
                Ok(slot) => used = Some(slot),
                Err(refused) => return Ok(Attempt::Refused(refused)),
            }
        }
        let proof = used.as_ref().map_or(Proof::direct(credentials), Proof::Bearer);
        let mut answer = self.follow(question, url.clone(), &proof, credentials, budget).await?;
        // GitHub's registry refuses a password at its API without a word of the token that it wants for it.
        if answer.status == StatusCode::FORBIDDEN
            && matches!(proof, Proof::Direct(_))
            && self.standing.is_open(credentials)
        {
            let open = self.follow(&begun, url.clone(), &Proof::Nothing, credentials, budget).await?;
            if open.wants_token() {
                answer = open;
            }
        }
        if answer.status != StatusCode::UNAUTHORIZED {
            // Some refuse a wrong password with 403.
            let is_taken = !matches!(proof, Proof::Nothing) && answer.status != StatusCode::FORBIDDEN;
            self.standing.note_answer(credentials, is_taken);
            return Ok(Attempt::Answered(answer));
        }
        let challenges = answer.challenges();
        let bearer = challenges.iter().find(|challenge| challenge.is("bearer"));
        // Who takes Basic and refused it would refuse the same user at its token service.
        let is_basic_refused = matches!(proof, Proof::Direct(Credentials::Basic { .. }))
            && challenges.iter().any(|challenge| challenge.is("basic"));
        let is_own = trust::same_origin(&answer.url, &self.checked.api);
        let known = self.tokens.grant(image.repository()).filter(|_| used.is_some());
        let grant = match (bearer.filter(|_| is_own && !is_basic_refused), known) {
            (Some(bearer), _) => self.tokens.learn(image.repository(), self.read_grant(image, bearer, credentials)?),
            // Harbor asks whoever sends a token that ended for a password. What the token was given for still holds.
            (None, Some(known)) if is_own => known,
            (None, _) => return Ok(self.refused(image, &answer, credentials)),
        };
        let slot = match self.token(&begun, &grant, used.as_ref(), credentials, budget).await? {
            Ok(slot) => slot,
            Err(refused) => return Ok(Attempt::Refused(refused)),
        };
        let answer = self.follow(&begun, url, &Proof::Bearer(&slot), credentials, budget).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            return Ok(self.refused(image, &answer, credentials));
        }
        Ok(Attempt::Answered(answer))
    }

    /// Gives a usable token, or why its service gives none to these credentials.
    async fn token(
        &self,
        question: &Question<'_>,
        grant: &Arc<Grant>,
        refused: Option<&Slot>,
        credentials: &Credentials,
        budget: &mut Budget,
    ) -> Result<Result<Slot, RegistryError>, RegistryError> {
        let slot = self.tokens.slot(grant, credentials, refused, Instant::now());
        match slot.get_or_try_init(|| self.exchange(question, grant, credentials, budget)).await {
            Ok(_) => {
                self.standing.note_answer(credentials, true);
                Ok(Ok(slot))
            }
            Err(error @ RegistryError::Unauthorized { .. }) => {
                self.standing.note_refusal(credentials);
                Ok(Err(error))
            }
            Err(error) => Err(error),
        }
    }

    fn refused(&self, image: &ImageName, answer: &Answer, credentials: &Credentials) -> Attempt {
        self.standing.note_refusal(credentials);
        Attempt::Refused(self.status_error(image, "registry", answer, credentials))
    }

    /// Gives the error for a status that answers no question.
    pub(crate) fn refusal(&self, image: &ImageName, answer: &Answer) -> RegistryError {
        // What was sent is not known here any more; whether something was, is.
        let credentials = self.standing.credentials();
        self.status_error(image, "registry", answer, &credentials)
    }

    /// Shows where a URL leads that a registry named.
    pub(crate) fn shown(&self, url: &Url) -> String {
        let credentials = self.standing.credentials();
        clean(&trust::place(url), &credentials)
    }

    /// Sends, and follows redirects that stay with the registry.
    pub(super) async fn follow(
        &self,
        question: &Question<'_>,
        mut url: Url,
        proof: &Proof<'_>,
        credentials: &Credentials,
        budget: &mut Budget,
    ) -> Result<Answer, RegistryError> {
        let (image, mut share) = (question.image, question.share);
        for _ in 0..=MAX_REDIRECTS {
            let request = Request {
                image,
                method: question.method.clone(),
                url: url.clone(),
                accept: question.accept,
                cap: question.cap,
                authorization: self.authorization(&url, proof),
                form: None,
                if_none_match: question.if_none_match,
                share,
            };
            let answer = self.wire.send(&request, budget, &|text| clean(text, credentials)).await?;
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
                    url: clean(&trust::place(&target), credentials),
                    rule: "a redirect stays at the scheme, host and port of the registry's API",
                });
            }
            (url, share) = (target, Share::Begun);
        }
        Err(RegistryError::Redirect { image: image.clone(), reason: "more than 3 times" })
    }

    fn is_companion(&self, target: &Url) -> bool {
        let host = target.host_str().unwrap_or_default();
        let known = self.checked.redirects_to.iter().any(|suffix| host.ends_with(suffix));
        known && target.scheme() == "https" && target.port().is_none()
    }

    fn authorization(&self, url: &Url, proof: &Proof<'_>) -> Option<HeaderValue> {
        if !self.binding.covers(url) {
            return None;
        }
        proof.header()
    }

    pub(super) fn status_error(
        &self,
        image: &ImageName,
        place: &'static str,
        answer: &Answer,
        credentials: &Credentials,
    ) -> RegistryError {
        let image = image.clone();
        let with_credentials = *credentials != Credentials::Anonymous;
        let mut detail = answer.error_code();
        if place != "registry"
            && let Some(words) = answer.words()
        {
            detail = format!(" (its token service says \"{}\")", clean(&words, credentials).trim());
        }
        match answer.status.as_u16() {
            401 => RegistryError::Unauthorized { image, with_credentials, detail },
            403 => RegistryError::Forbidden { image, with_credentials, detail },
            404 if place == "registry" => RegistryError::NotFound { image, detail },
            429 => RegistryError::RateLimited { image, retry_after: answer.retry_after(jiff::Timestamp::now()) },
            status => RegistryError::ServerError { image, place, status, detail },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::registry::token::Token;
    use crate::secret::Secret;

    fn host(name: &str, credentials: Credentials) -> Host {
        let options =
            RegistryOptions { host: name.to_owned(), login: credentials.into(), ..RegistryOptions::default() };
        Host::new(options, &Limits::default()).unwrap()
    }

    fn password() -> Credentials {
        Credentials::Basic { username: "robot".to_owned(), password: Secret::new("hunter2") }
    }

    #[test]
    fn a_proof_goes_to_scheme_host_and_port_of_the_api_only() {
        let slot = Slot::default();
        slot.set(Token::parse(br#"{"token":"x"}"#, Instant::now()).unwrap_or_else(|| unreachable!())).ok().unwrap();
        let (host, token) = (host("docker.io", password()), Credentials::Token(Secret::new("hunter2")));
        let (basic, identity) = (password(), Credentials::IdentityToken(Secret::new("hunter2")));
        let proofs = [Proof::direct(&basic), Proof::direct(&token), Proof::Bearer(&slot)];
        assert!(matches!(Proof::direct(&identity), Proof::Nothing));
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
            for proof in &proofs {
                let header = host.authorization(&url.parse().unwrap(), proof);
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
}
