//! Google: a metadata server, a token endpoint that verifies assertions, and the Security Token Service.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use repin::registry::{GoogleOptions, Login, Source};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::cloud::{Asked, Cloud, Fault, Told};
use super::{assert_failed, basic, source_at};
use crate::CANARY;

const EMAIL: &str = "repin@acme.iam.gserviceaccount.com";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k8s";

struct Google {
    /// Where the model is: the audience of assertions.
    url: String,
    lasts: u64,
    given: u32,
    /// The token of a workload that is good now.
    subject: String,
    is_google: bool,
    /// Its code for an error is the token that it was sent.
    echoes: bool,
}

impl Google {
    async fn start() -> Cloud<Self> {
        let model =
            Self { url: String::new(), lasts: 3599, given: 0, subject: String::new(), is_google: true, echoes: false };
        let cloud = Cloud::start(model, answer).await;
        let url = cloud.url.clone();
        cloud.change(|google| google.url = url);
        cloud
    }

    fn give(&mut self) -> Told {
        self.given += 1;
        let token = format!("ya29.{}", self.given);
        Told::json(&json!({"access_token": token, "expires_in": self.lasts, "token_type": "Bearer"}))
    }
}

fn answer(google: &mut Google, asked: &Asked) -> Told {
    let form = asked.form();
    let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    let refused = |code: &str| Told::refused(400, json!({"error": code, "error_description": CANARY}).to_string());
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", path) if path.starts_with("/computeMetadata/v1/instance/service-accounts/") => {
            if asked.header("metadata-flavor") != "Google" {
                return Told::refused(403, "");
            }
            let known = ["default/token", &format!("{EMAIL}/token")].iter().any(|end| path.ends_with(end));
            let Told(status, mut headers, body) = if known { google.give() } else { Told::refused(404, "") };
            if google.is_google {
                headers.push(("metadata-flavor", "Google".to_owned()));
            }
            Told(status, headers, body)
        }
        ("POST", "/token") => {
            if !is("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer") {
                return refused("unsupported_grant_type");
            }
            match verify(form.get("assertion").map_or("", String::as_str), &format!("{}/token", google.url)) {
                Ok(()) => google.give(),
                Err(_) => refused("invalid_grant"),
            }
        }
        ("POST", "/v1/token") => {
            let good = is("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
                && is("audience", AUDIENCE)
                && is("scope", SCOPE)
                && is("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
                && is("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
                && is("subject_token", &google.subject);
            if google.echoes {
                return refused(&form["subject_token"]);
            }
            if good { google.give() } else { refused("invalid_grant") }
        }
        ("POST", "/v1/projects/-/serviceAccounts/repin@acme.iam.gserviceaccount.com:generateAccessToken") => {
            let body: Value = serde_json::from_slice(&asked.body).unwrap();
            if asked.header("authorization") != "Bearer ya29.1" || body["scope"] != json!([SCOPE]) {
                return Told::refused(
                    403,
                    json!({"error": {"status": "PERMISSION_DENIED", "message": CANARY}}).to_string(),
                );
            }
            let ends = Timestamp::now() + jiff::SignedDuration::from_secs(3600);
            Told::json(&json!({"accessToken": "ya29.impersonated", "expireTime": ends.to_string()}))
        }
        _ => Told::refused(404, ""),
    }
}

/// Verifies signature and claims of an assertion, as the token endpoint does.
fn verify(assertion: &str, audience: &str) -> Result<(), &'static str> {
    let (text, signature) = assertion.rsplit_once('.').ok_or("no JWT")?;
    let key = fs::read("tests/data/google/public.der").unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "no base64")?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    key.verify(text.as_bytes(), &signature).map_err(|_| "signature")?;
    let part = |index: usize| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.split('.').nth(index).unwrap()).unwrap()).unwrap()
    };
    let (header, claims) = (part(0), part(1));
    if header != json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"}) {
        return Err("header");
    }
    let now = Timestamp::now().as_second();
    let (iat, exp) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    if (now - iat).abs() > 60 || exp <= now || exp - iat > 3600 {
        return Err("time");
    }
    let is_whole = claims["iss"] == EMAIL && claims["scope"] == SCOPE && claims["aud"] == audience;
    if is_whole { Ok(()) } else { Err("claims") }
}

fn google(options: GoogleOptions, variables: &[(&str, &str)]) -> Source {
    source_at(Login::Google(options), "europe-docker.pkg.dev", "https://europe-docker.pkg.dev", variables)
}

fn of_file(path: &Path) -> Source {
    google(GoogleOptions { credentials_file: Some(path.to_owned()), ..GoogleOptions::default() }, &[])
}

fn write_key(directory: &Path, cloud: &Cloud<Google>, key: &str) -> PathBuf {
    let path = directory.join("key.json");
    let key = fs::read_to_string(format!("tests/data/google/{key}")).unwrap();
    let json = json!({
        "type": "service_account", "project_id": "acme", "private_key_id": "key-1", "private_key": key,
        "client_email": EMAIL, "token_uri": format!("{}/token", cloud.url), "universe_domain": "googleapis.com",
    });
    fs::write(&path, json.to_string()).unwrap();
    path
}

/// A configuration of a workload identity whose token is in a file.
fn write_workload(directory: &Path, cloud: &Cloud<Google>, source: Value, impersonates: bool) -> PathBuf {
    let path = directory.join("workload.json");
    let mut json = json!({
        "type": "external_account", "audience": AUDIENCE, "token_url": format!("{}/v1/token", cloud.url),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": source,
    });
    if impersonates {
        let url = format!("{}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken", cloud.url);
        json["service_account_impersonation_url"] = json!(url);
    }
    fs::write(&path, json.to_string()).unwrap();
    path
}

#[tokio::test]
async fn the_machine_gives_a_token_for_its_account_or_a_named_one() {
    let cloud = Google::start().await;
    let given = GoogleOptions { metadata_url: Some(cloud.url.parse().unwrap()), ..GoogleOptions::default() };
    let source = google(given.clone(), &[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere")]);
    let (one, two) = tokio::join!(source.credentials("a/b"), source.credentials("a/c"));
    assert_eq!((one, two), (Ok(basic("oauth2accesstoken", "ya29.1")), Ok(basic("oauth2accesstoken", "ya29.1"))));
    assert_eq!(cloud.asked(), ["GET /computeMetadata/v1/instance/service-accounts/default/token"]);
    let description = source.describe("a/b").await.unwrap();
    assert_eq!(description.what, "Google, the service account default of this machine");
    let left = description.until.unwrap().as_second() - Timestamp::now().as_second();
    assert!((3500..3600).contains(&left), "{left}");
    let named = google(GoogleOptions { service_account: Some(EMAIL.to_owned()), ..given.clone() }, &[]);
    assert_eq!(named.credentials("a/b").await, Ok(basic("oauth2accesstoken", "ya29.2")));
    let unknown = google(GoogleOptions { service_account: Some("x@y".to_owned()), ..given.clone() }, &[]);
    assert_failed(unknown.credentials("a/b").await, &["it answered 404"], false);
    cloud.change(|google| google.is_google = false);
    let expected = "what answers there is no metadata server of Google";
    assert_failed(google(given, &[]).credentials("a/b").await, &[&cloud.url, expected], false);
}

#[tokio::test]
async fn a_service_account_signs_an_assertion_that_verifies() {
    let cloud = Google::start().await;
    let directory = tempfile::tempdir().unwrap();
    for key in ["key.pem", "key.pkcs1.pem"] {
        let path = write_key(directory.path(), &cloud, key);
        let source = of_file(&path);
        assert!(source.credentials("a/b").await.is_ok(), "{key}");
        assert_eq!(source.describe("a/b").await.unwrap().what, format!("Google, service account {EMAIL}"));
    }
    // The variable of Google's own tools.
    let path = write_key(directory.path(), &cloud, "key.pem");
    let source = google(GoogleOptions::default(), &[("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())]);
    assert_eq!(source.credentials("a/b").await, Ok(basic("oauth2accesstoken", "ya29.3")));
    // Another audience than the endpoint that is asked: the model refuses, and nothing of the key is told.
    cloud.change(|google| google.url = "http://elsewhere".to_owned());
    assert_failed(of_file(&path).credentials("a/b").await, &[&cloud.url, "it answered 400 invalid_grant"], false);
}

#[tokio::test]
async fn a_key_that_is_replaced_counts_from_the_next_token_on() {
    let cloud = Google::start().await;
    cloud.change(|google| google.lasts = 1);
    let directory = tempfile::tempdir().unwrap();
    let path = write_key(directory.path(), &cloud, "key.pem");
    let good = fs::read_to_string(&path).unwrap();
    fs::write(&path, good.replace("key-1", "key-0")).unwrap();
    assert_failed(of_file(&path).credentials("a/b").await, &["400 invalid_grant"], false);
    fs::write(&path, good).unwrap();
    assert_eq!(of_file(&path).credentials("a/b").await, Ok(basic("oauth2accesstoken", "ya29.1")));
}

#[tokio::test]
async fn a_workload_exchanges_the_token_of_its_file() {
    let cloud = Google::start().await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    let subject = format!("{CANARY}.subject");
    cloud.change(|google| google.subject = subject.clone());
    fs::write(&token, &subject).unwrap();
    let direct = write_workload(directory.path(), &cloud, json!({"file": token}), false);
    let source = of_file(&direct);
    assert_eq!(source.credentials("a/b").await, Ok(basic("oauth2accesstoken", "ya29.1")));
    assert_eq!(source.describe("a/b").await.unwrap().what, format!("Google, workload identity {AUDIENCE}"));
    // In a field of JSON, and as a service account.
    cloud.change(|google| google.given = 0);
    fs::write(&token, json!({"access_token": subject}).to_string()).unwrap();
    let format = json!({"type": "json", "subject_token_field_name": "access_token"});
    let path = write_workload(directory.path(), &cloud, json!({"file": token, "format": format}), true);
    let source = of_file(&path);
    assert_eq!(source.credentials("a/b").await, Ok(basic("oauth2accesstoken", "ya29.impersonated")));
    assert_eq!(source.describe("a/b").await.unwrap().what, format!("Google, workload identity as {EMAIL}"));
    // The second exchange gives another federated token, which may not impersonate.
    assert_failed(of_file(&path).credentials("a/b").await, &["it answered 403 PERMISSION_DENIED"], false);
    fs::write(&token, json!({"other": subject}).to_string()).unwrap();
    assert_failed(of_file(&path).credentials("a/b").await, &["it is no JSON with a text `access_token`"], true);
    let path = write_workload(directory.path(), &cloud, json!({"file": token}), false);
    fs::write(&token, format!("{CANARY}.old")).unwrap();
    assert_failed(of_file(&path).credentials("a/b").await, &["it answered 400 invalid_grant"], false);
    for source in [json!({"url": "http://169.254.169.254/"}), json!({"executable": {"command": "touch /tmp/x"}})] {
        let path = write_workload(directory.path(), &cloud, source, false);
        assert_failed(of_file(&path).credentials("a/b").await, &["its `credential_source` is no `file`"], false);
    }
}

#[tokio::test]
async fn a_file_that_is_none_of_google_s_is_told_without_a_word_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key.json");
    let key = json!({"type": "service_account", "client_email": EMAIL, "private_key": CANARY});
    for (text, expected) in [
        (CANARY.to_owned(), "it is no key of a service account"),
        (json!({"type": "service_account", "private_key": [CANARY]}).to_string(), "it is no key of a service account"),
        (json!({"type": "authorized_user", "refresh_token": CANARY}).to_string(), "its `type` is for people"),
        (key.to_string(), "its private key is no RSA key"),
    ] {
        fs::write(&path, text).unwrap();
        assert_failed(of_file(&path).credentials("a/b").await, &["key.json", expected], false);
    }
    let mut plain = key;
    plain["token_uri"] = json!("http://oauth2.example.com/token");
    fs::write(&path, plain.to_string()).unwrap();
    assert_failed(
        of_file(&path).credentials("a/b").await,
        &["`token_uri` in the file", "it is no https:// URL"],
        false,
    );
}

#[tokio::test]
async fn every_fault_of_google_is_named_and_shows_nothing_that_was_sent() {
    let cloud = Google::start().await;
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    // A single word, as codes are.
    let word = CANARY.replace('-', "");
    fs::write(&token, &word).unwrap();
    let path = write_workload(directory.path(), &cloud, json!({"file": token}), false);
    for (fault, expected, is_passing) in [
        (Fault::Status(503), "it answered 503", true),
        (Fault::Status(400), "it answered 400", false),
        (Fault::Endless, "longer than 262144 bytes", true),
        (Fault::Html, "without an answer that is JSON", true),
        (Fault::Redirect, "it answered 307", false),
    ] {
        cloud.fault(fault);
        let failed = of_file(&path).credentials("a/b").await;
        assert_failed(failed, &[&cloud.url, expected], is_passing);
    }
    cloud.fault(Fault::None);
    cloud.change(|google| google.echoes = true);
    let error = of_file(&path).credentials("a/b").await.unwrap_err().to_string();
    assert_eq!(error, format!("{} gives no credentials: it answered 400", cloud.url));
    cloud.change(|google| (google.echoes, google.lasts, google.subject) = (false, 0, word));
    assert_failed(of_file(&path).credentials("a/b").await, &["it answered 200 without an access token"], true);
}
