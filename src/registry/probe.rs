//! Whether a registry takes the credentials that are used for it: its base is asked (OCI Distribution 1.1, "Determining
//! support"), and if an image is named, one page of one tag of it.

use jiff::Timestamp;
use reqwest::{Method, StatusCode};
use url::Url;

use crate::credentials::Credentials;
use crate::model::names::ImageName;
use crate::registry::answer::Answer;
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::login::{Description, LoginError};
use crate::registry::pace::Share;
use crate::registry::proof::Proof;

/// Cap of an answer in bytes; registries that take no notice of `n` list all tags.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a registry says to the credentials that are used for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// Scheme, host and port of its API, with the path before `/v2/`.
    pub api: String,
    /// Which credentials are used, in words that hold no secret.
    pub credential: String,
    /// When they end, if that is known.
    pub expires: Option<Timestamp>,
    /// What it answered, in words, or what stands in the way.
    pub answer: Result<String, RegistryError>,
}

impl Host {
    /// Asks the registry itself, or for an image of it.
    pub(crate) async fn probe(&self, image: &ImageName) -> Probe {
        let repository = image.repository();
        let described = async {
            let credentials = self.source.credentials(repository).await?;
            let description = self.source.describe(repository).await?;
            Ok::<_, LoginError>((description, credentials == Credentials::Anonymous))
        };
        let (credential, expires, answer) = match described.await {
            Ok((Description { what, until }, is_anonymous)) => (what, until, self.answer(image, is_anonymous).await),
            Err(error) => {
                let (is_passing, reason) = (error.is_passing, error.to_string());
                ("none".to_owned(), None, Err(RegistryError::Login { image: image.clone(), is_passing, reason }))
            }
        };
        Probe { api: self.api().as_str().trim_end_matches('/').to_owned(), credential, expires, answer }
    }

    async fn answer(&self, image: &ImageName, is_anonymous: bool) -> Result<String, RegistryError> {
        let registry = image.of_registry();
        let mut budget = Budget::new(self.limits().request_timeout);
        if image.repository().is_empty() && is_anonymous {
            return self.knock(&registry, &mut budget).await;
        }
        let mut said = Vec::new();
        // An anonymous token is one for an image; the registry itself may give none.
        if !is_anonymous {
            said.push(self.base(&registry, &mut budget).await?);
        }
        if !image.repository().is_empty() {
            let question = question(image);
            let answer = self.ask(&question, self.url(image, "tags/list?n=1")?, &mut budget).await?;
            if answer.status != StatusCode::OK {
                return Err(self.refusal(image, &answer));
            }
            if answer.is_html() {
                let reason = "it is a web page (HTML), not JSON".to_owned();
                return Err(RegistryError::BadListing { image: image.clone(), reason });
            }
            said.push(format!("lists tags of {}", image.repository()));
        }
        Ok(said.join(", "))
    }

    /// Asks for the base of the API with the credentials.
    async fn base(&self, registry: &ImageName, budget: &mut Budget) -> Result<String, RegistryError> {
        let answer = self.ask(&question(registry), self.base_url(registry)?, budget).await?;
        self.read_base(registry, &answer)
    }

    /// Asks for the base of the API as nobody. Who wants a token tells where to get it, and gives it for an image.
    async fn knock(&self, registry: &ImageName, budget: &mut Budget) -> Result<String, RegistryError> {
        let (question, url) = (question(registry), self.base_url(registry)?);
        let answer = self.follow(&question, url, &Proof::Nothing, &Credentials::Anonymous, budget).await?;
        let wants_token = answer.challenges().iter().any(|challenge| challenge.is("bearer"));
        if answer.status == StatusCode::UNAUTHORIZED && wants_token {
            return Ok("answers 401 and gives tokens for images: name one to try it".to_owned());
        }
        self.read_base(registry, &answer)
    }

    fn read_base(&self, registry: &ImageName, answer: &Answer) -> Result<String, RegistryError> {
        match answer.status {
            StatusCode::OK if !answer.is_html() => Ok("answers 200".to_owned()),
            StatusCode::OK | StatusCode::NOT_FOUND => {
                let detail = ", as no registry answers".to_owned();
                let (image, status) = (registry.clone(), answer.status.as_u16());
                Err(RegistryError::ServerError { image, place: "registry", status, detail })
            }
            _ => Err(self.refusal(registry, answer)),
        }
    }

    fn base_url(&self, registry: &ImageName) -> Result<Url, RegistryError> {
        let text = format!("{}/v2/", self.api().as_str().trim_end_matches('/'));
        Url::parse(&text).map_err(|error| RegistryError::Settings {
            registry: registry.registry().to_owned(),
            rule: format!("`api_url` gives no URL: {error}"),
        })
    }
}

fn question(image: &ImageName) -> Question<'_> {
    Question {
        image,
        method: Method::GET,
        accept: "application/json",
        cap: MAX_BYTES,
        is_blob: false,
        if_none_match: None,
        share: Share::All,
    }
}
