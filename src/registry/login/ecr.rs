//! Amazon ECR: `GetAuthorizationToken`, whose token is the password of the user `AWS` for twelve hours.
//!
//! Documents: Amazon ECR API Reference, "GetAuthorizationToken"; Amazon ECR User Guide, "Making requests to Amazon ECR
//! registries"; for `public.ecr.aws` the same action of Amazon ECR Public, which is in us-east-1 only.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use url::Url;

use crate::credentials::Credentials;
use crate::registry::login::aws::{self, Identity, StaticKeys};
use crate::registry::login::sigv4::{self, Keys};
use crate::registry::login::web::{self, Web};
use crate::registry::login::{Lease, LoginError, Target, Variables};
use crate::registry::trust;
use crate::secret::Secret;

const PUBLIC_HOST: &str = "public.ecr.aws";
const JSON: &str = "application/x-amz-json-1.1";

/// Amazon ECR; all of it empty is the default chain of AWS, with account and region from the host.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct EcrOptions {
    /// The region, if the host does not name it.
    pub region: Option<String>,
    /// The account whose registry it is, if the host does not name it.
    pub account: Option<String>,
    /// A fixed key.
    pub keys: Option<StaticKeys>,
    /// The role of a web identity.
    pub role_arn: Option<String>,
    /// The file with the token of a web identity; read at each use.
    pub web_identity_token_file: Option<PathBuf>,
    /// Where the API of ECR is.
    pub endpoint: Option<Url>,
    /// Where STS is.
    pub sts_endpoint: Option<Url>,
    /// Where the instance metadata service is; set, it is asked instead of the default chain.
    pub metadata_url: Option<Url>,
}

/// What the host of a registry says.
#[derive(Debug, Default, Eq, PartialEq)]
struct Place<'a> {
    account: Option<&'a str>,
    region: Option<&'a str>,
    is_fips: bool,
    is_dual_stack: bool,
    is_public: bool,
}

/// What is asked, and where.
struct Call {
    url: Url,
    region: String,
    service: &'static str,
    target: &'static str,
    body: String,
}

pub(super) async fn lease(options: &EcrOptions, target: &Target, web: &Web) -> Result<Lease, LoginError> {
    let call = call(options, &target.host, &target.variables)?;
    let identity = Identity {
        keys: options.keys.as_ref(),
        role: options.role_arn.as_deref(),
        web_identity_token_file: options.web_identity_token_file.as_ref(),
        sts_endpoint: options.sts_endpoint.as_ref(),
        metadata_url: options.metadata_url.as_ref(),
    };
    let (keys, who) = aws::keys(&identity, &call.region, &target.variables, web).await?;
    let reply = web::send(sign(&call, &keys, Timestamp::now(), web)?, &call.url).await?;
    let session = keys.session.as_ref().map(Secret::expose).unwrap_or_default();
    let json = reply.json(&call.url, &[keys.secret.expose(), session, &keys.id])?;
    let (password, lasts) =
        token(&json, Timestamp::now()).ok_or_else(|| reply.without(&call.url, "a token that can be used"))?;
    let credentials = Credentials::Basic { username: "AWS".to_owned(), password };
    Ok(Lease::of(credentials, format!("Amazon ECR in {}, {who}", call.region), lasts))
}

fn call(options: &EcrOptions, host: &str, variables: &Variables) -> Result<Call, LoginError> {
    let place = read_host(host);
    let bad = |what: &str| LoginError::lasting(format!("the `ecr` of {host}"), what.to_owned());
    let region = match (&options.region, place.region) {
        (Some(region), _) => region.as_str(),
        (None, Some(region)) => region,
        (None, None) => variables
            .get("AWS_REGION")
            .or(variables.get("AWS_DEFAULT_REGION"))
            .ok_or_else(|| bad("the host names no region, and neither does AWS_REGION: set `region`"))?,
    };
    let legal = |text: &str| {
        !text.is_empty() && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    };
    if !legal(region) {
        return Err(bad("its region is no name of one, such as eu-west-1"));
    }
    if place.is_public {
        return Ok(Call {
            url: match &options.endpoint {
                Some(url) => url.clone(),
                None => web::endpoint(&format!("https://api.ecr-public.{region}.amazonaws.com/"), "the region")?,
            },
            region: region.to_owned(),
            service: "ecr-public",
            target: "SpencerFrontendService.GetAuthorizationToken",
            body: "{}".to_owned(),
        });
    }
    let account = options.account.as_deref().or(place.account);
    let china = region.starts_with("cn-");
    let name = match (place.is_fips, place.is_dual_stack) {
        (false, false) => format!("api.ecr.{region}.{}", aws::suffix(region)),
        (true, false) => format!("ecr-fips.{region}.{}", aws::suffix(region)),
        (fips, true) => {
            let service = if fips { "ecr-fips" } else { "ecr" };
            format!("{service}.{region}.{}", if china { "api.amazonwebservices.com.cn" } else { "api.aws" })
        }
    };
    Ok(Call {
        url: match &options.endpoint {
            Some(url) => url.clone(),
            None => web::endpoint(&format!("https://{name}/"), "the region")?,
        },
        region: region.to_owned(),
        service: "ecr",
        target: "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
        body: match account {
            Some(account) => json!({ "registryIds": [account] }).to_string(),
            None => "{}".to_owned(),
        },
    })
}

/// Reads `<account>.dkr.ecr[-fips].<region>.amazonaws.com[.cn]`, `<account>.dkr-ecr[-fips].<region>.on.aws` and
/// `public.ecr.aws`.
fn read_host(host: &str) -> Place<'_> {
    if host == PUBLIC_HOST {
        return Place { is_public: true, region: Some("us-east-1"), ..Place::default() };
    }
    let parts: Vec<&str> = host.split('.').collect();
    let (account, service, region, end, is_dual_stack) = match parts.as_slice() {
        [account, "dkr", service, region, end @ ..] => (*account, *service, *region, end, false),
        [account, service, region, end @ ..] => match service.strip_prefix("dkr-") {
            Some(service) => (*account, service, *region, end, true),
            None => return Place::default(),
        },
        _ => return Place::default(),
    };
    let is_end = match is_dual_stack {
        false => matches!(end, ["amazonaws", "com"] | ["amazonaws", "com", "cn"]),
        true => matches!(end, ["on", "aws"] | ["on", "amazonwebservices", "com", "cn"]),
    };
    let is_account = account.len() == 12 && account.bytes().all(|c| c.is_ascii_digit());
    if !is_end || !is_account || !matches!(service, "ecr" | "ecr-fips") {
        return Place::default();
    }
    Place {
        account: Some(account),
        region: Some(region),
        is_fips: service == "ecr-fips",
        is_dual_stack,
        is_public: false,
    }
}

fn sign(call: &Call, keys: &Keys, now: Timestamp, web: &Web) -> Result<reqwest::RequestBuilder, LoginError> {
    let date = sigv4::date(now);
    let host = trust::place(&call.url);
    let host = host.split_once("://").map_or(host.as_str(), |(_, host)| host);
    let mut headers =
        vec![("host", host), ("content-type", JSON), ("x-amz-date", date.as_str()), ("x-amz-target", call.target)];
    if let Some(session) = &keys.session {
        headers.push(("x-amz-security-token", session.expose()));
    }
    let request = sigv4::Request {
        method: "POST",
        path: call.url.path(),
        query: "",
        headers: &headers,
        body: call.body.as_bytes(),
    };
    let authorization = sigv4::authorization(&request, keys, &date, &call.region, call.service);
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text)
            .map_err(|_| LoginError::lasting("the identity for AWS", "its key cannot be sent in a header"))?;
        value.set_sensitive(true);
        Ok(value)
    };
    let mut built = web
        .request(Method::POST, &call.url)?
        .header(CONTENT_TYPE, JSON)
        .header("x-amz-date", &date)
        .header("x-amz-target", call.target)
        .header(AUTHORIZATION, secret(&authorization)?)
        .body(call.body.clone());
    if let Some(session) = &keys.session {
        built = built.header("x-amz-security-token", secret(session.expose())?);
    }
    Ok(built)
}

/// Reads the token, which is base64 of `AWS:<password>`, and how long it lasts. ECR gives a list, ECR Public one object.
fn token(json: &Value, now: Timestamp) -> Option<(Secret, Duration)> {
    let data = json.get("authorizationData")?;
    let data = data.get(0).unwrap_or(data);
    let decoded = STANDARD.decode(web::text(data, "authorizationToken")?).ok()?;
    let password = String::from_utf8(decoded).ok()?.strip_prefix("AWS:")?.to_owned();
    let ends = data.get("expiresAt")?.as_f64()?;
    let lasts = Duration::try_from_secs_f64(ends - now.as_second() as f64).ok()?;
    (!password.is_empty() && !lasts.is_zero()).then_some((Secret::new(password), lasts))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked(host: &str, options: &EcrOptions) -> Result<String, String> {
        let call = call(options, host, &Variables::default()).map_err(|error| error.to_string())?;
        Ok(format!("{} {} {} {}", call.url, call.region, call.service, call.body))
    }

    #[test]
    fn account_and_region_come_from_the_host() {
        let own = r#"{"registryIds":["123456789012"]}"#;
        for (host, expected) in [
            (
                "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
                format!("https://api.ecr.eu-west-1.amazonaws.com/ eu-west-1 ecr {own}"),
            ),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                format!("https://api.ecr.cn-north-1.amazonaws.com.cn/ cn-north-1 ecr {own}"),
            ),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                format!("https://ecr-fips.us-gov-west-1.amazonaws.com/ us-gov-west-1 ecr {own}"),
            ),
            ("123456789012.dkr-ecr.us-east-2.on.aws", format!("https://ecr.us-east-2.api.aws/ us-east-2 ecr {own}")),
            (
                "123456789012.dkr-ecr-fips.us-east-2.on.aws",
                format!("https://ecr-fips.us-east-2.api.aws/ us-east-2 ecr {own}"),
            ),
            ("public.ecr.aws", "https://api.ecr-public.us-east-1.amazonaws.com/ us-east-1 ecr-public {}".to_owned()),
        ] {
            assert_eq!(asked(host, &EcrOptions::default()), Ok(expected), "{host}");
        }
        for host in [
            "registry.example.com",
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "a.dkr.s3.eu-west-1.amazonaws.com",
            "127.0.0.1:5000",
        ] {
            let error = asked(host, &EcrOptions::default()).unwrap_err();
            assert!(error.ends_with("the host names no region, and neither does AWS_REGION: set `region`"), "{error}");
        }
    }

    #[test]
    fn settings_beat_the_host_and_an_impossible_region_is_refused() {
        let given =
            EcrOptions { region: Some("eu-north-1".into()), account: Some("1".into()), ..EcrOptions::default() };
        let expected = r#"https://api.ecr.eu-north-1.amazonaws.com/ eu-north-1 ecr {"registryIds":["1"]}"#;
        assert_eq!(asked("123456789012.dkr.ecr.eu-west-1.amazonaws.com", &given), Ok(expected.to_owned()));
        for region in ["evil.example/", "eu west", "", "EU"] {
            let given = EcrOptions { region: Some(region.into()), ..EcrOptions::default() };
            assert!(asked("registry.example.com", &given).unwrap_err().contains("no name of one"), "{region}");
        }
    }

    #[test]
    fn a_token_is_the_password_of_aws_and_has_an_end() {
        let now = Timestamp::from_second(1_000).unwrap();
        let answer =
            |token: &str, ends: Value| json!({"authorizationToken": STANDARD.encode(token), "expiresAt": ends});
        let read = |data: Value| {
            token(&json!({ "authorizationData": data }), now).map(|(p, d)| (p.expose().to_owned(), d.as_secs()))
        };
        assert_eq!(read(json!([answer("AWS:pass", json!(4600.5))])), Some(("pass".to_owned(), 3600)));
        assert_eq!(read(answer("AWS:pass", json!(1060))), Some(("pass".to_owned(), 60)), "ECR Public gives no list");
        for bad in [
            json!([]),
            json!([answer("AWS:", json!(4600))]),
            json!([answer("someone:pass", json!(4600))]),
            json!([answer("AWS:pass", json!(900))]),
            json!([answer("AWS:pass", json!("soon"))]),
            json!([{"authorizationToken": "%%%", "expiresAt": 4600}]),
        ] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }
}
