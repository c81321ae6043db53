//! Azure: Microsoft Entra ID, the instance metadata service, and the exchange at the registry.

use std::collections::BTreeMap;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use repin::credentials::Credentials;
use repin::registry::{AzureOptions, Login, Source};
use repin::secret::Secret;
use serde_json::json;

use super::cloud::{Asked, Cloud, Fault, Told};
use super::{assert_failed, source_at};
use crate::CANARY;

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT: &str = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
const HOST: &str = "acme.azurecr.io";

struct Azure {
    /// The assertion of a workload that is good now.
    assertion: String,
    /// The audience that tokens must be asked for.
    audience: &'static str,
    /// Seconds for which a refresh token is good; none = it does not say.
    lasts: Option<i64>,
    given: u32,
    /// The tenant with which the exchange was asked.
    tenant: Option<String>,
}

impl Azure {
    async fn start() -> Cloud<Self> {
        let audience = "https://containerregistry.azure.net";
        let model = Self { assertion: String::new(), audience, lasts: Some(10_800), given: 0, tenant: None };
        Cloud::start(model, answer).await
    }
}

fn answer(azure: &mut Azure, asked: &Asked) -> Told {
    let form = asked.form();
    let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    let refused = |code: &str| Told::refused(401, json!({"error": code, "error_description": CANARY}).to_string());
    let access = || Told::json(&json!({"access_token": format!("{CANARY}.access"), "expires_in": "3599"}));
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    match (asked.method.as_str(), path) {
        ("POST", path) if path == format!("/{TENANT}/oauth2/v2.0/token") => {
            if !is("grant_type", "client_credentials") || !is("scope", &format!("{}/.default", azure.audience)) {
                return refused("invalid_request");
            }
            let federated = is("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
                && is("client_assertion", &azure.assertion);
            if is("client_id", CLIENT) && (is("client_secret", CANARY) || federated) {
                access()
            } else {
                refused("invalid_client")
            }
        }
        ("GET", "/metadata/identity/oauth2/token") => {
            let query: BTreeMap<_, _> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let good = query["api-version"] == "2018-02-01"
                && query["resource"] == azure.audience
                && query.get("client_id").is_none_or(|client| client == CLIENT);
            if asked.header("metadata") != "true" || !good {
                Told::refused(400, json!({"error": "invalid_request"}).to_string())
            } else {
                access()
            }
        }
        ("POST", "/oauth2/exchange") => {
            let errors = |status| {
                Told::refused(status, json!({"errors": [{"code": "UNAUTHORIZED", "message": CANARY}]}).to_string())
            };
            if !is("grant_type", "access_token")
                || !is("service", HOST)
                || !is("access_token", &format!("{CANARY}.access"))
            {
                return errors(401);
            }
            azure.tenant = form.get("tenant").cloned();
            azure.given += 1;
            Told::json(&json!({"refresh_token": refresh(azure.given, azure.lasts)}))
        }
        _ => Told::refused(404, ""),
    }
}

fn refresh(number: u32, lasts: Option<i64>) -> String {
    let claims = match lasts {
        Some(seconds) => json!({"jti": number, "exp": Timestamp::now().as_second() + seconds}),
        None => json!({ "jti": number }),
    };
    format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// The number of the refresh token.
fn number(given: &Credentials) -> u64 {
    let Credentials::IdentityToken(token) = given else { panic!("{given:?}") };
    let claims = URL_SAFE_NO_PAD.decode(token.expose().split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<serde_json::Value>(&claims).unwrap()["jti"].as_u64().unwrap()
}

fn azure(cloud: &Cloud<Azure>, options: AzureOptions, variables: &[(&str, &str)]) -> Source {
    source_at(Login::Azure(options), HOST, &cloud.url, variables)
}

fn principal(cloud: &Cloud<Azure>) -> AzureOptions {
    AzureOptions {
        tenant_id: Some(TENANT.to_owned()),
        client_id: Some(CLIENT.to_owned()),
        client_secret: Some(Secret::new(CANARY)),
        authority: Some(cloud.url.parse().unwrap()),
        ..AzureOptions::default()
    }
}

#[tokio::test]
async fn a_service_principal_gets_a_refresh_token_of_the_registry_once() {
    let cloud = Azure::start().await;
    let source = azure(&cloud, principal(&cloud), &[]);
    let (one, two) = tokio::join!(source.credentials("web"), source.credentials("api"));
    assert_eq!((number(&one.unwrap()), number(&two.unwrap())), (1, 1));
    assert_eq!(cloud.asked(), [format!("POST /{TENANT}/oauth2/v2.0/token"), "POST /oauth2/exchange".to_owned()]);
    cloud.change(|azure| assert_eq!(azure.tenant.as_deref(), Some(TENANT)));
    let description = source.describe("web").await.unwrap();
    assert_eq!(description.what, format!("Azure, service principal {CLIENT}"));
    let left = description.until.unwrap().as_second() - Timestamp::now().as_second();
    assert!((10_700..=10_800).contains(&left), "{left}");
    let wrong = AzureOptions { client_secret: Some(Secret::new(format!("{CANARY}x"))), ..principal(&cloud) };
    assert_failed(
        azure(&cloud, wrong, &[]).credentials("web").await,
        &[&cloud.url, "it answered 401 invalid_client"],
        false,
    );
}

#[tokio::test]
async fn a_refresh_token_is_renewed_before_its_own_end() {
    let cloud = Azure::start().await;
    cloud.change(|azure| azure.lasts = Some(1));
    let source = azure(&cloud, principal(&cloud), &[]);
    assert_eq!(number(&source.credentials("web").await.unwrap()), 1);
    cloud.change(|azure| azure.lasts = None);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while number(&source.credentials("web").await.unwrap()) == 1 {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // One that does not say when it ends is used for half an hour.
    let left = source.describe("web").await.unwrap().until.unwrap().as_second() - Timestamp::now().as_second();
    assert!((1700..=1800).contains(&left), "{left}");
    cloud.change(|azure| azure.lasts = Some(-5));
    let ended = azure(&cloud, principal(&cloud), &[]).credentials("web").await;
    assert_failed(ended, &["it gave a token that has ended"], true);
}

#[tokio::test]
async fn a_workload_proves_itself_by_the_token_of_its_file() {
    let cloud = Azure::start().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, format!("{CANARY}.one")).unwrap();
    cloud.change(|azure| azure.assertion = format!("{CANARY}.one"));
    let by_settings =
        AzureOptions { client_secret: None, federated_token_file: Some(file.clone()), ..principal(&cloud) };
    let source = azure(&cloud, by_settings.clone(), &[]);
    assert_eq!(number(&source.credentials("web").await.unwrap()), 1);
    assert_eq!(source.describe("web").await.unwrap().what, format!("Azure, workload identity {CLIENT}"));
    // By the variables that Azure's webhook sets, after the platform rotated the token.
    let variables = [
        ("AZURE_TENANT_ID", TENANT),
        ("AZURE_CLIENT_ID", CLIENT),
        ("AZURE_FEDERATED_TOKEN_FILE", file.to_str().unwrap()),
        ("AZURE_AUTHORITY_HOST", &cloud.url),
    ];
    cloud.change(|azure| azure.assertion = format!("{CANARY}.two"));
    let chain = AzureOptions::default;
    assert_failed(azure(&cloud, chain(), &variables).credentials("web").await, &["401 invalid_client"], false);
    fs::write(&file, format!("{CANARY}.two\n")).unwrap();
    assert_eq!(number(&azure(&cloud, chain(), &variables).credentials("web").await.unwrap()), 2);
    fs::write(&file, "").unwrap();
    assert_failed(
        azure(&cloud, by_settings, &[]).credentials("web").await,
        &["token gives no credentials: it is empty"],
        true,
    );
}

#[tokio::test]
async fn a_machine_asks_for_its_own_identity_or_an_assigned_one() {
    let cloud = Azure::start().await;
    let given = AzureOptions { metadata_url: Some(cloud.url.parse().unwrap()), ..AzureOptions::default() };
    let source = azure(&cloud, given.clone(), &[]);
    assert_eq!(number(&source.credentials("web").await.unwrap()), 1);
    assert_eq!(source.describe("web").await.unwrap().what, "Azure, managed identity of this machine");
    cloud.change(|azure| assert_eq!(azure.tenant, None));
    let assigned = AzureOptions { client_id: Some(CLIENT.to_owned()), ..given.clone() };
    let source = azure(&cloud, assigned, &[]);
    assert_eq!(number(&source.credentials("web").await.unwrap()), 2);
    assert_eq!(source.describe("web").await.unwrap().what, format!("Azure, managed identity {CLIENT}"));
    let unknown = AzureOptions { client_id: Some("ffff".to_owned()), ..given.clone() };
    assert_failed(azure(&cloud, unknown, &[]).credentials("web").await, &["it answered 400 invalid_request"], false);
    cloud.change(|azure| azure.audience = "https://containerregistry.example");
    let audience = AzureOptions { audience: Some("https://containerregistry.example/".to_owned()), ..given };
    assert_eq!(number(&azure(&cloud, audience, &[]).credentials("web").await.unwrap()), 3);
}

#[tokio::test]
async fn every_fault_of_azure_is_named_and_shows_nothing_that_was_sent() {
    let (entra, registry) = (Azure::start().await, Azure::start().await);
    for (fault, expected, is_passing) in [
        (Fault::Status(500), "it answered 500", true),
        (Fault::Status(401), "it answered 401", false),
        (Fault::Endless, "longer than 262144 bytes", true),
        (Fault::Html, "without an answer that is JSON", true),
        (Fault::Redirect, "it answered 307", false),
    ] {
        for failing in [&entra, &registry] {
            failing.fault(fault);
            let failed = source_at(Login::Azure(principal(&entra)), HOST, &registry.url, &[]).credentials("web").await;
            assert_failed(failed, &[&failing.url, expected], is_passing);
            failing.fault(Fault::None);
        }
    }
    assert!(
        registry.asked().iter().all(|path| path == "POST /oauth2/exchange"),
        "no proof but the access token goes there"
    );
}
