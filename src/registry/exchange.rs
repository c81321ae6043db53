//! Credentials for a token: one request to the token service that a registry names.
//!
//! A user and a password go there by Basic (Docker's token specification, "Requesting a Token"), an identity token by
//! OAuth 2 (`grant_type=refresh_token`), nobody without anything. A realm is checked first: it belongs to the registry,
//! or the operator named it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use crate::credentials::Credentials;
use crate::model::names::ImageName;
use crate::registry::challenge::Challenge;
use crate::registry::error::RegistryError;
use crate::registry::host::{Budget, Host, Question};
use crate::registry::proof::{clean, header};
use crate::registry::token::{Grant, Token, pull_scope};
use crate::registry::trust;
use crate::registry::wire::Request;

const MAX_TOKEN_BYTES: usize = 256 * 1024;
const PLACE: &str = "the token service of registry";
/// How repin calls itself where OAuth 2 wants a name.
const CLIENT: &str = "repin";

impl Host {
    /// Asks for a token.
    ///
    /// # Errors
    /// What the token service answers instead; `Unauthorized` if it refuses the credentials.
    pub(super) async fn exchange(
        &self,
        question: &Question<'_>,
        grant: &Grant,
        credentials: &Credentials,
        budget: &mut Budget,
    ) -> Result<Token, RegistryError> {
        let image = question.image;
        let request = request(question, grant, credentials, &self.checked.name);
        let answer = self.wire.send(&request, budget, &|text| clean(text, credentials)).await?;
        if answer.status != StatusCode::OK {
            return Err(self.status_error(image, PLACE, &answer, credentials));
        }
        let body = answer.body.as_ref().ok();
        body.and_then(|body| Token::parse(body, Instant::now())).ok_or_else(|| RegistryError::ServerError {
            image: image.clone(),
            place: PLACE,
            status: answer.status.as_u16(),
            detail: " without a token".to_owned(),
        })
    }

    /// Reads what a token is to be asked for, once its realm is trusted.
    pub(super) fn read_grant(
        &self,
        image: &ImageName,
        bearer: &Challenge,
        credentials: &Credentials,
    ) -> Result<Grant, RegistryError> {
        let unauthorized = |detail: &str| RegistryError::Unauthorized {
            image: image.clone(),
            with_credentials: *credentials != Credentials::Anonymous,
            detail: detail.to_owned(),
        };
        let text = bearer.parameter("realm").ok_or_else(|| unauthorized(" with a Bearer challenge without a realm"))?;
        let mut realm = Url::parse(text).map_err(|_| unauthorized(" with a Bearer challenge whose realm is no URL"))?;
        let checked = &self.checked;
        let known = trust::Registry {
            api: &checked.api,
            name: &checked.name,
            is_insecure: checked.client.insecure,
            token_service: checked.token_service.as_ref(),
        };
        trust::check_realm(&realm, &known).map_err(|rule| RegistryError::UntrustedUrl {
            image: image.clone(),
            what: "token realm",
            url: clean(&trust::place(&realm), credentials),
            rule,
        })?;
        realm.set_fragment(None);
        let scope = bearer.parameter("scope").filter(|scope| !scope.is_empty()).map(str::to_owned);
        let scope = scope.filter(|_| !image.repository().is_empty()).unwrap_or_else(|| pull_scope(image.repository()));
        Ok(Grant { realm, service: bearer.parameter("service").map(str::to_owned), scope })
    }
}

fn request<'a>(question: &Question<'a>, grant: &Grant, credentials: &Credentials, registry: &str) -> Request<'a> {
    let mut request = Request {
        image: question.image,
        method: Method::GET,
        url: grant.realm.clone(),
        accept: "application/json",
        cap: MAX_TOKEN_BYTES,
        authorization: None,
        form: None,
        if_none_match: None,
        share: question.share,
    };
    if let Credentials::IdentityToken(token) = credentials {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT);
        form.append_pair("service", grant.service.as_deref().unwrap_or(registry));
        form.append_pair("scope", &grant.scope).append_pair("refresh_token", token.expose());
        return Request { method: Method::POST, form: Some(form.finish()), ..request };
    }
    request.authorization = match credentials {
        Credentials::Token(token) => basic(token_user(registry), token.expose()),
        other => header(other),
    };
    let mut query = request.url.query_pairs_mut();
    if let Some(service) = &grant.service {
        query.append_pair("service", service);
    }
    // Several scopes in one challenge are sent as several parameters.
    for scope in grant.scope.split(' ').filter(|scope| !scope.is_empty()) {
        query.append_pair("scope", scope);
    }
    drop(query);
    request
}

/// The user beside a token that is sent as a password. GitHub and GitLab take any; Quay takes this one for its OAuth tokens
/// (Quay's manual, "Using OAuth tokens with Docker").
fn token_user(registry: &str) -> &'static str {
    if registry == "quay.io" { "$oauthtoken" } else { "x-access-token" }
}

fn basic(user: &str, password: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::registry::pace::Share;
    use crate::secret::Secret;

    fn check(credentials: &Credentials, registry: &str) -> String {
        let grant = Grant {
            realm: "https://auth.example.com/token?kept=yes".parse().unwrap(),
            service: Some("r & s".to_owned()),
            scope: "repository:a:pull repository:b:pull".to_owned(),
        };
        let image = "r.example.com/a".parse().unwrap();
        let question = Question {
            image: &image,
            method: Method::GET,
            accept: "",
            cap: 0,
            is_blob: false,
            if_none_match: None,
            share: Share::List,
        };
        let request = request(&question, &grant, credentials, registry);
        assert_eq!(request.share, Share::List);
        let header = request.authorization.map(|value| value.to_str().unwrap().to_owned());
        format!("{} {} {header:?} {:?}", request.method, request.url, request.form)
    }

    #[test]
    fn each_kind_of_credentials_is_exchanged_in_its_own_way() {
        let asked = "https://auth.example.com/token?kept=yes&service=r+%26+s&scope=repository%3Aa%3Apull&scope=repository%3Ab%3Apull";
        let secret = || Secret::new("p&w");
        let sent = |text: &str| format!("Some(\"Basic {}\")", STANDARD.encode(text));
        for (credentials, registry, expected) in [
            (Credentials::Anonymous, "r.example.com", format!("GET {asked} None None")),
            (
                Credentials::Basic { username: "robot".to_owned(), password: secret() },
                "r.example.com",
                format!("GET {asked} {} None", sent("robot:p&w")),
            ),
            (Credentials::Token(secret()), "ghcr.io", format!("GET {asked} {} None", sent("x-access-token:p&w"))),
            (Credentials::Token(secret()), "quay.io", format!("GET {asked} {} None", sent("$oauthtoken:p&w"))),
            (
                Credentials::IdentityToken(secret()),
                "r.example.com",
                "POST https://auth.example.com/token?kept=yes None Some(\"grant_type=refresh_token&client_id=repin&service=r+%26+s&scope=repository%3Aa%3Apull+repository%3Ab%3Apull&refresh_token=p%26w\")".to_owned(),
            ),
        ] {
            assert_eq!(check(&credentials, registry), expected);
        }
    }
}
