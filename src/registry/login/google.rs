//! Google Artifact Registry and Container Registry: an access token is the password of the user `oauth2accesstoken`.
//!
//! Documents: Artifact Registry, "Configure authentication to Artifact Registry for Docker"; Identity, "Using OAuth 2.0 for
//! Server to Server Applications"; IAM, "Workload Identity Federation" and the Security Token Service API; Compute Engine,
//! "About VM metadata".

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::credentials::{Credentials, jwt};
use crate::registry::login::web::{self, Web};
use crate::registry::login::{Lease, LoginError, Target, files};
use crate::registry::trust;
use crate::secret::Secret;

const METADATA: &str = "http://metadata.google.internal";
const TOKEN: &str = "https://oauth2.googleapis.com/token";
const STS: &str = "https://sts.googleapis.com/v1/token";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// How long an assertion is good; the longest that Google takes.
const HOUR: i64 = 3600;

/// Google Artifact Registry and Container Registry; all of it empty is `GOOGLE_APPLICATION_CREDENTIALS`, else the metadata
/// server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct GoogleOptions {
    /// The key of a service account or the configuration of a workload identity, as Google's tools write it; read at each
    /// use.
    pub credentials_file: Option<PathBuf>,
    /// The service account of the machine that is asked for; default its own.
    pub service_account: Option<String>,
    /// Where the metadata server is; set, it is asked instead of the default chain.
    pub metadata_url: Option<Url>,
}

/// A file of credentials as Google's tools write it, in the forms for machines.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum File {
    ServiceAccount {
        client_email: String,
        private_key: String,
        #[serde(default)]
        private_key_id: String,
        token_uri: Option<String>,
    },
    ExternalAccount {
        audience: String,
        subject_token_type: String,
        token_url: Option<String>,
        service_account_impersonation_url: Option<String>,
        credential_source: SubjectSource,
    },
    #[serde(other)]
    Other,
}

/// Where the token of a workload comes from; only a file is read, no program is run and no URL is asked.
#[derive(Deserialize)]
struct SubjectSource {
    file: Option<PathBuf>,
    #[serde(default)]
    format: SubjectFormat,
}

#[derive(Default, Deserialize)]
struct SubjectFormat {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    subject_token_field_name: String,
}

/// An access token and how long it lasts.
type Token = (Secret, Duration);

pub(super) async fn lease(options: &GoogleOptions, target: &Target, web: &Web) -> Result<Lease, LoginError> {
    let named = target.variables.get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from);
    let file = match (&options.credentials_file, &options.metadata_url) {
        (Some(file), _) => Some(file.clone()),
        (None, Some(_)) => None,
        (None, None) => named,
    };
    let ((password, lasts), who) = match file {
        Some(path) => of_file(&path, web).await?,
        None => of_machine(options, web).await?,
    };
    let credentials = Credentials::Basic { username: "oauth2accesstoken".to_owned(), password };
    Ok(Lease::of(credentials, format!("Google, {who}"), lasts))
}

async fn of_machine(options: &GoogleOptions, web: &Web) -> Result<(Token, String), LoginError> {
    let base = options.metadata_url.as_ref().map_or(METADATA, Url::as_str).trim_end_matches('/');
    let account = options.service_account.as_deref().unwrap_or("default");
    let path = format!("{base}/computeMetadata/v1/instance/service-accounts/{account}/token");
    let url = web::endpoint(&path, "`metadata_url`")?;
    let request = web.request(Method::GET, &url)?.header("metadata-flavor", "Google");
    let reply = web::send(request, &url).await?;
    // Anything else that answers there is none of Google's (Compute Engine, "Verify that requests are answered").
    if reply.headers.get("metadata-flavor").is_none_or(|flavor| flavor != "Google") {
        return Err(LoginError::lasting(trust::place(&url), "what answers there is no metadata server of Google"));
    }
    let json = reply.json(&url, &[])?;
    let token = access_token(&json).ok_or_else(|| reply.without(&url, "an access token"))?;
    Ok((token, format!("the service account {account} of this machine")))
}

async fn of_file(path: &Path, web: &Web) -> Result<(Token, String), LoginError> {
    let text = files::read_text(path).await?;
    let file = files::shown(path);
    let bad = |reason: String| LoginError::lasting(&file, reason);
    // serde's own words may hold values.
    let read: File = serde_json::from_str(&text).map_err(|error| {
        bad(format!(
            "it is no key of a service account and no configuration of a workload identity (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    match read {
        File::ServiceAccount { client_email, private_key, private_key_id, token_uri } => {
            let url = web::endpoint(token_uri.as_deref().unwrap_or(TOKEN), &format!("`token_uri` in {file}"))?;
            let now = Timestamp::now().as_second();
            let claims = json!({
                "iss": client_email, "scope": SCOPE, "aud": url.as_str(), "iat": now, "exp": now + HOUR,
            });
            let assertion =
                jwt::sign(&claims, Some(&private_key_id), &private_key).map_err(|reason| bad(reason.to_owned()))?;
            let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &assertion)];
            let token = exchange(&url, &form, &assertion, web).await?;
            Ok((token, format!("service account {}", shown(&client_email))))
        }
        File::ExternalAccount {
            audience,
            subject_token_type,
            token_url,
            service_account_impersonation_url,
            credential_source,
        } => {
            let url = web::endpoint(token_url.as_deref().unwrap_or(STS), &format!("`token_url` in {file}"))?;
            let subject = subject(&credential_source, &file).await?;
            let form = [
                ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
                ("audience", &audience),
                ("scope", SCOPE),
                ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
                ("subject_token", &subject),
                ("subject_token_type", &subject_token_type),
            ];
            let token = exchange(&url, &form, &subject, web).await?;
            match service_account_impersonation_url {
                None => Ok((token, format!("workload identity {}", shown(&audience)))),
                Some(text) => {
                    let url = web::endpoint(&text, &format!("`service_account_impersonation_url` in {file}"))?;
                    let account = url.path().rsplit('/').next().unwrap_or_default();
                    let who = format!("workload identity as {}", shown(account.split(':').next().unwrap_or_default()));
                    Ok((impersonate(&url, &token.0, web).await?, who))
                }
            }
        }
        File::Other => Err(bad(
            "its `type` is for people or not known; `service_account` and `external_account` are read".to_owned(),
        )),
    }
}

async fn exchange(url: &Url, form: &[(&str, &str)], sent: &str, web: &Web) -> Result<Token, LoginError> {
    let request = web::form(web.request(Method::POST, url)?, form);
    let reply = web::send(request, url).await?;
    let json = reply.json(url, &[sent])?;
    access_token(&json).ok_or_else(|| reply.without(url, "an access token"))
}

async fn impersonate(url: &Url, token: &Secret, web: &Web) -> Result<Token, LoginError> {
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
        .map_err(|_| LoginError::lasting(trust::place(url), "the federated token cannot be sent"))?;
    bearer.set_sensitive(true);
    let body = json!({"scope": [SCOPE], "lifetime": format!("{HOUR}s")}).to_string();
    let request = web.request(Method::POST, url)?.header(AUTHORIZATION, bearer);
    let reply = web::send(request.header(CONTENT_TYPE, "application/json").body(body), url).await?;
    let json = reply.json(url, &[token.expose()])?;
    let read = || {
        let ends: Timestamp = web::text(&json, "expireTime")?.parse().ok()?;
        let lasts = u64::try_from(ends.as_second() - Timestamp::now().as_second()).ok()?;
        Some((Secret::new(web::text(&json, "accessToken")?), Duration::from_secs(lasts)))
    };
    read().filter(|(_, lasts)| !lasts.is_zero()).ok_or_else(|| reply.without(url, "an access token"))
}

/// Reads the token of the workload, which the platform rotates.
async fn subject(source: &SubjectSource, file: &str) -> Result<String, LoginError> {
    let Some(path) = &source.file else {
        return Err(LoginError::lasting(file, "its `credential_source` is no `file`, and nothing else is read"));
    };
    if source.format.kind != "json" {
        return files::read_line(path).await;
    }
    let json: Value = serde_json::from_str(&files::read_text(path).await?).unwrap_or_default();
    let field = &source.format.subject_token_field_name;
    let missing = || LoginError::passing(files::shown(path), format!("it is no JSON with a text `{}`", shown(field)));
    web::text(&json, field).map(str::to_owned).ok_or_else(missing)
}

/// Reads `access_token` and `expires_in`.
fn access_token(json: &Value) -> Option<Token> {
    let lasts = Duration::from_secs(json.get("expires_in")?.as_u64()?);
    (!lasts.is_zero()).then_some((Secret::new(web::text(json, "access_token")?), lasts))
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(120).collect()
}
