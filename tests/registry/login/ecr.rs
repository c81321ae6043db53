//! Amazon ECR, STS, instance and container identity: models that check what AWS checks.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use repin::registry::{EcrOptions, Login, Source, StaticKeys};
use repin::secret::Secret;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::cloud::{Asked, Cloud, Fault, Told};
use super::{assert_failed, basic, source_at};
use crate::CANARY;

const HOST: &str = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
const SECRET: &str = "canary-PASSWORD-7f3a/of+an+access+key";

/// AWS as far as it matters here.
struct Aws {
    /// Key ID, secret and session that are good now.
    keys: (String, String, Option<String>),
    region: &'static str,
    service: &'static str,
    /// Seconds for which a token is good.
    lasts: f64,
    given: u32,
    /// The token of a web identity that is good now.
    web_identity: String,
    role: Option<&'static str>,
    container_token: Option<String>,
}

impl Aws {
    fn new() -> Self {
        Self {
            keys: ("AKIDEXAMPLEKEYXYZ".to_owned(), SECRET.to_owned(), None),
            region: "eu-west-1",
            service: "ecr",
            lasts: 43_200.0,
            given: 0,
            web_identity: String::new(),
            role: Some("repin-role"),
            container_token: None,
        }
    }

    fn temporary() -> Self {
        let session = Some(format!("{CANARY}/session=="));
        Self { keys: ("ASIATEMPORARYKEY1".to_owned(), SECRET.to_owned(), session), ..Self::new() }
    }

    async fn start(self) -> Cloud<Self> {
        Cloud::start(self, answer).await
    }
}

fn answer(aws: &mut Aws, asked: &Asked) -> Told {
    let keys = || {
        let (id, secret, session) = aws.keys.clone();
        json!({"Code": "Success", "AccessKeyId": id, "SecretAccessKey": secret, "Token": session, "Expiration": "2030-01-01T00:00:00Z"})
    };
    match (asked.method.as_str(), asked.path.as_str()) {
        ("PUT", "/latest/api/token") => match asked.header("x-aws-ec2-metadata-token-ttl-seconds").parse::<u32>() {
            Ok(1..=21_600) => Told(200, vec![], "imds-v2-token==".to_owned()),
            _ => Told::refused(400, ""),
        },
        ("GET", path) if path.starts_with("/latest/meta-data/iam/security-credentials/") => {
            if asked.header("x-aws-ec2-metadata-token") != "imds-v2-token==" {
                return Told::refused(401, "");
            }
            match (path.rsplit('/').next().unwrap(), aws.role) {
                (_, None) => Told::refused(404, "none"),
                ("", Some(role)) => Told(200, vec![], role.to_owned()),
                (name, Some(role)) if name == role => Told::json(&keys()),
                _ => Told::refused(404, ""),
            }
        }
        ("GET", "/v1/credentials") => match &aws.container_token {
            Some(token) if asked.header("authorization") != token => Told::refused(403, ""),
            _ => Told::json(&keys()),
        },
        ("POST", "/sts") => assume(aws, asked),
        ("POST", "/") => match check(aws, asked) {
            Ok(()) => give(aws, asked),
            Err(code) => {
                Told::refused(400, json!({"__type": format!("com.amazonaws#{code}"), "message": CANARY}).to_string())
            }
        },
        _ => Told::refused(404, ""),
    }
}

/// STS: `AssumeRoleWithWebIdentity` is not signed, the token is the proof.
fn assume(aws: &Aws, asked: &Asked) -> Told {
    let form = asked.form();
    let is = |name: &str, value: &str| form.get(name).is_some_and(|given| given == value);
    let error = |code: &str| {
        Told::refused(
            400,
            format!("<ErrorResponse><Error><Code>{code}</Code><Message>{CANARY}</Message></Error></ErrorResponse>"),
        )
    };
    if !is("Action", "AssumeRoleWithWebIdentity")
        || !is("Version", "2011-06-15")
        || !asked.header("authorization").is_empty()
    {
        return error("InvalidAction");
    }
    if !is("RoleArn", "arn:aws:iam::123456789012:role/repin") || !form.contains_key("RoleSessionName") {
        return error("AccessDenied");
    }
    if !is("WebIdentityToken", &aws.web_identity) {
        return error("InvalidIdentityToken");
    }
    let (id, secret, session) = &aws.keys;
    let text = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleWithWebIdentityResult>\
         <Credentials><SessionToken>{}</SessionToken><SecretAccessKey>{secret}</SecretAccessKey>\
         <Expiration>2030-01-01T00:00:00Z</Expiration><AccessKeyId>{id}</AccessKeyId></Credentials>\
         </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>",
        session.as_ref().unwrap()
    );
    Told(200, vec![("content-type", "text/xml".to_owned())], text)
}

/// Recomputes the signature from what came over the wire, as the service does.
fn check(aws: &Aws, asked: &Asked) -> Result<(), &'static str> {
    let sent =
        asked.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").ok_or("MissingAuthenticationTokenException")?;
    let part = |name: &str| sent.split(", ").find_map(|part| part.strip_prefix(name)).unwrap_or_default();
    let (id, secret, session) = &aws.keys;
    let date = asked.header("x-amz-date");
    let when: Timestamp = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC))
        .map_err(|_| "IncompleteSignatureException")?
        .timestamp();
    if (Timestamp::now().as_second() - when.as_second()).abs() > 300 {
        return Err("InvalidSignatureException");
    }
    let scope = format!("{}/{}/{}/aws4_request", &date[..8], aws.region, aws.service);
    if part("Credential=") != format!("{id}/{scope}") {
        return Err("UnrecognizedClientException");
    }
    if asked.header("x-amz-security-token") != session.as_deref().unwrap_or_default() {
        return Err("ExpiredTokenException");
    }
    let signed = part("SignedHeaders=");
    for needed in
        ["host", "x-amz-date", "x-amz-target"].into_iter().chain(session.as_ref().map(|_| "x-amz-security-token"))
    {
        if !signed.split(';').any(|name| name == needed) {
            return Err("IncompleteSignatureException");
        }
    }
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", asked.header(name))).collect();
    let body = hex::encode(Sha256::digest(&asked.body));
    let canonical = format!("{}\n{}\n\n{headers}\n{signed}\n{body}", asked.method, asked.path);
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let key = scope.split('/').fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    if hex::encode(mac(&key, &text)) == part("Signature=") { Ok(()) } else { Err("InvalidSignatureException") }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

fn give(aws: &mut Aws, asked: &Asked) -> Told {
    let body: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
    aws.given += 1;
    let ends = Timestamp::now().as_second() as f64 + aws.lasts;
    let data = json!({"authorizationToken": STANDARD.encode(format!("AWS:token-{}", aws.given)), "expiresAt": ends});
    match (asked.header("x-amz-target"), aws.service) {
        ("AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken", "ecr") => {
            assert_eq!(body, json!({"registryIds": ["123456789012"]}));
            Told::json(&json!({"authorizationData": [data]}))
        }
        ("SpencerFrontendService.GetAuthorizationToken", "ecr-public") => {
            Told::json(&json!({"authorizationData": data}))
        }
        _ => Told::refused(400, json!({"__type": "UnknownOperationException"}).to_string()),
    }
}

fn fixed(id: &str, secret: &str) -> Option<StaticKeys> {
    Some(StaticKeys { id: Secret::new(id), secret: Secret::new(secret), session: None })
}

fn options(cloud: &Cloud<Aws>) -> EcrOptions {
    EcrOptions { endpoint: Some(cloud.url.parse().unwrap()), ..EcrOptions::default() }
}

fn ecr(options: EcrOptions, variables: &[(&str, &str)]) -> Source {
    source_at(Login::Ecr(options), HOST, "https://registry.example.com", variables)
}

#[tokio::test]
async fn a_static_key_signs_for_a_token_that_is_asked_for_once() {
    let cloud = Aws::new().start().await;
    let source = ecr(EcrOptions { keys: fixed("AKIDEXAMPLEKEYXYZ", SECRET), ..options(&cloud) }, &[]);
    let (one, two) = tokio::join!(source.credentials("acme/web"), source.credentials("acme/api"));
    assert_eq!((one, two), (Ok(basic("AWS", "token-1")), Ok(basic("AWS", "token-1"))));
    assert_eq!(source.credentials("acme/db").await, Ok(basic("AWS", "token-1")));
    assert_eq!(cloud.asked(), ["POST /"]);
    let description = source.describe("acme/web").await.unwrap();
    assert_eq!(description.what, "Amazon ECR in eu-west-1, static key AKID…XYZ");
    let left = description.until.unwrap().as_second() - Timestamp::now().as_second();
    assert!((43_100..=43_200).contains(&left), "{left}");
}

#[tokio::test]
async fn a_token_that_is_about_to_end_is_asked_for_anew() {
    let cloud = Aws { lasts: 2.0, ..Aws::new() }.start().await;
    let source = ecr(EcrOptions { keys: fixed("AKIDEXAMPLEKEYXYZ", SECRET), ..options(&cloud) }, &[]);
    assert_eq!(source.credentials("acme/web").await, Ok(basic("AWS", "token-1")));
    assert_eq!(source.credentials("acme/web").await, Ok(basic("AWS", "token-1")));
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while source.credentials("acme/web").await == Ok(basic("AWS", "token-1")) {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(cloud.asked().len(), 2);
}

#[tokio::test]
async fn amazon_ecr_public_is_asked_in_its_own_words() {
    let cloud = Aws { service: "ecr-public", region: "us-east-1", ..Aws::new() }.start().await;
    let given = EcrOptions { keys: fixed("AKIDEXAMPLEKEYXYZ", SECRET), ..options(&cloud) };
    let source = source_at(Login::Ecr(given), "public.ecr.aws", "https://public.ecr.aws", &[]);
    assert_eq!(source.credentials("acme/web").await, Ok(basic("AWS", "token-1")));
}

#[tokio::test]
async fn a_wrong_key_is_told_by_aws_own_code_and_not_tried_again_at_once() {
    let cloud = Aws::new().start().await;
    for (id, secret, code) in [
        ("AKIDEXAMPLEKEYXYZ", CANARY, "it answered 400 InvalidSignatureException"),
        ("AKIDOTHER", SECRET, "it answered 400 UnrecognizedClientException"),
    ] {
        let source = ecr(EcrOptions { keys: fixed(id, secret), ..options(&cloud) }, &[]);
        let before = cloud.asked().len();
        for _ in 0..3 {
            assert_failed(source.credentials("acme/web").await, &[&cloud.url, code], false);
        }
        assert_eq!(cloud.asked().len(), before + 1, "the images of one cycle share it");
    }
}

#[tokio::test]
async fn a_web_identity_is_read_from_its_file_at_each_use() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    fs::write(&file, format!("{CANARY}.one\n")).unwrap();
    let cloud = Aws { web_identity: format!("{CANARY}.one"), lasts: 2.0, ..Aws::temporary() }.start().await;
    let by_settings = EcrOptions {
        role_arn: Some("arn:aws:iam::123456789012:role/repin".to_owned()),
        web_identity_token_file: Some(file.clone()),
        sts_endpoint: Some(format!("{}/sts", cloud.url).parse().unwrap()),
        ..options(&cloud)
    };
    let source = ecr(by_settings.clone(), &[]);
    assert_eq!(source.credentials("acme/web").await, Ok(basic("AWS", "token-1")));
    assert_eq!(
        source.describe("a").await.unwrap().what,
        "Amazon ECR in eu-west-1, web identity as arn:aws:iam::123456789012:role/repin"
    );
    // The platform rotates the token, and the old one is worth nothing.
    cloud.change(|aws| aws.web_identity = format!("{CANARY}.two"));
    assert_failed(
        ecr(by_settings.clone(), &[]).credentials("a").await,
        &[&cloud.url, "400 InvalidIdentityToken"],
        false,
    );
    fs::write(&file, format!("{CANARY}.two")).unwrap();
    assert_eq!(ecr(by_settings, &[]).credentials("a").await, Ok(basic("AWS", "token-2")));
    // The same by the variables that EKS sets.
    let variables = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/repin"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
    ];
    let chain = EcrOptions { sts_endpoint: Some(format!("{}/sts", cloud.url).parse().unwrap()), ..options(&cloud) };
    assert_eq!(ecr(chain.clone(), &variables).credentials("a").await, Ok(basic("AWS", "token-3")));
    let other = EcrOptions { role_arn: Some("arn:aws:iam::1:role/other".to_owned()), ..chain.clone() };
    assert_failed(ecr(other, &variables).credentials("a").await, &["400 AccessDenied"], false);
    fs::remove_file(&file).unwrap();
    assert_failed(ecr(chain, &variables).credentials("a").await, &["token", "it cannot be read: No such file"], true);
    let half = EcrOptions { role_arn: Some("arn:aws:iam::1:role/other".to_owned()), ..options(&cloud) };
    assert_failed(ecr(half, &[]).credentials("a").await, &["`role_arn` needs `web_identity_token_file`"], false);
}

#[tokio::test]
async fn an_instance_is_asked_in_version_2_of_its_metadata_service_only() {
    let cloud = Aws::temporary().start().await;
    let given = EcrOptions { metadata_url: Some(cloud.url.parse().unwrap()), ..options(&cloud) };
    // Named in the settings, it comes before what the environment says.
    let source = ecr(given.clone(), &[("AWS_ACCESS_KEY_ID", "AKIDOTHER"), ("AWS_SECRET_ACCESS_KEY", CANARY)]);
    assert_eq!(source.credentials("acme/web").await, Ok(basic("AWS", "token-1")));
    assert_eq!(source.describe("a").await.unwrap().what, "Amazon ECR in eu-west-1, instance role repin-role");
    assert_eq!(
        cloud.asked(),
        [
            "PUT /latest/api/token",
            "GET /latest/meta-data/iam/security-credentials/",
            "GET /latest/meta-data/iam/security-credentials/repin-role",
            "POST /",
        ]
    );
    cloud.change(|aws| aws.role = None);
    assert_failed(ecr(given.clone(), &[]).credentials("a").await, &["this instance has no role"], false);
    cloud.change(|aws| aws.role = Some("../../x"));
    assert_failed(ecr(given, &[]).credentials("a").await, &["without the name of a role"], true);
}

#[tokio::test]
async fn a_container_is_asked_with_the_token_of_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let cloud = Aws { container_token: Some(format!("{CANARY}-pod")), ..Aws::temporary() }.start().await;
    fs::write(&file, format!("{CANARY}-pod")).unwrap();
    let url = format!("{}/v1/credentials", cloud.url);
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str());
    let token = ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().unwrap());
    let source = ecr(options(&cloud), &[full, token]);
    assert_eq!(source.credentials("acme/web").await, Ok(basic("AWS", "token-1")));
    assert_eq!(
        source.describe("a").await.unwrap().what,
        format!("Amazon ECR in eu-west-1, container identity of {}", cloud.url)
    );
    let value = format!("{CANARY}-pod");
    let by_value = ecr(options(&cloud), &[full, ("AWS_CONTAINER_AUTHORIZATION_TOKEN", &value)]);
    assert_eq!(by_value.credentials("acme/web").await, Ok(basic("AWS", "token-2")));
    fs::write(&file, "old").unwrap();
    assert_failed(ecr(options(&cloud), &[full, token]).credentials("a").await, &[&cloud.url, "it answered 403"], false);
    // Whoever sets the variable must not make us send the token over the network in the clear.
    for elsewhere in
        ["http://10.0.0.1/v1", "http://169.254.169.254/v1", "ftp://127.0.0.1/", "http://evil.example/", "x"]
    {
        let variables = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", elsewhere), token];
        let refused = ecr(options(&cloud), &variables).credentials("a").await;
        assert_failed(refused, &["AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://"], false);
    }
}

#[tokio::test]
async fn keys_of_the_environment_come_before_every_service() {
    let cloud = Aws::temporary().start().await;
    let session = format!("{CANARY}/session==");
    let variables = [
        ("AWS_ACCESS_KEY_ID", "ASIATEMPORARYKEY1"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        ("AWS_SESSION_TOKEN", session.as_str()),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
        ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/"),
    ];
    let source = ecr(options(&cloud), &variables);
    assert_eq!(source.credentials("acme/web").await, Ok(basic("AWS", "token-1")));
    assert_eq!(source.describe("a").await.unwrap().what, "Amazon ECR in eu-west-1, key of AWS_ACCESS_KEY_ID ASIA…EY1");
    let none = ecr(options(&cloud), &[("AWS_EC2_METADATA_DISABLED", "true")]);
    assert_failed(none.credentials("a").await, &["no variable of AWS gives keys"], false);
}

#[tokio::test]
async fn a_region_may_come_from_the_settings_or_the_environment() {
    let cloud = Aws { region: "eu-north-1", ..Aws::new() }.start().await;
    let keys = fixed("AKIDEXAMPLEKEYXYZ", SECRET);
    let given = EcrOptions { keys, account: Some("123456789012".to_owned()), ..options(&cloud) };
    let at = |given: EcrOptions, variables: &[(&str, &str)]| {
        source_at(Login::Ecr(given), "registry.example.com", "https://registry.example.com", variables)
    };
    let by_setting = EcrOptions { region: Some("eu-north-1".to_owned()), ..given.clone() };
    assert!(at(by_setting, &[("AWS_REGION", "us-east-1")]).credentials("a").await.is_ok());
    assert!(at(given.clone(), &[("AWS_REGION", "eu-north-1")]).credentials("a").await.is_ok());
    assert!(at(given.clone(), &[("AWS_DEFAULT_REGION", "eu-north-1")]).credentials("a").await.is_ok());
    assert_failed(at(given, &[]).credentials("a").await, &["registry.example.com", "set `region`"], false);
}

#[tokio::test]
async fn every_fault_of_aws_is_named_and_shows_nothing_that_was_sent() {
    let cloud = Aws::temporary().start().await;
    for (fault, expected, is_passing) in [
        (Fault::Status(500), "it answered 500", true),
        (Fault::Status(429), "it answered 429", true),
        (Fault::Status(403), "it answered 403", false),
        (Fault::Endless, "longer than 262144 bytes", true),
        (Fault::Html, "it answered 200 without an answer that is JSON", true),
        (Fault::Redirect, "it answered 307", false),
    ] {
        cloud.fault(fault);
        let session = Some(Secret::new(format!("{CANARY}/session==")));
        let keys = StaticKeys { id: Secret::new("ASIATEMPORARYKEY1"), secret: Secret::new(SECRET), session };
        let source = ecr(EcrOptions { keys: Some(keys), ..options(&cloud) }, &[]);
        let before = cloud.asked().len();
        assert_failed(source.credentials("acme/web").await, &[&cloud.url, expected], is_passing);
        assert_eq!(cloud.asked().len(), before + 1, "no redirect is followed: {fault:?}");
    }
    let nobody = EcrOptions {
        endpoint: Some("http://127.0.0.1:1".parse().unwrap()),
        keys: fixed("a", SECRET),
        ..EcrOptions::default()
    };
    assert_failed(
        ecr(nobody, &[]).credentials("a").await,
        &["http://127.0.0.1:1 gives no credentials: it cannot be reached"],
        true,
    );
    let plain = EcrOptions {
        endpoint: Some("http://ecr.example.com".parse().unwrap()),
        keys: fixed("a", SECRET),
        ..EcrOptions::default()
    };
    assert_failed(
        ecr(plain, &[]).credentials("a").await,
        &["http://ecr.example.com", "plain http:// is for this machine"],
        false,
    );
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_left_at_the_limit() {
    let cloud = Aws::new().start().await;
    cloud.fault(Fault::Silent);
    let source = ecr(EcrOptions { keys: fixed("AKIDEXAMPLEKEYXYZ", SECRET), ..options(&cloud) }, &[]);
    assert_failed(source.credentials("acme/web").await, &[&cloud.url, "it did not answer within 10 s"], true);
}
