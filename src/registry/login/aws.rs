//! Keys of AWS: who we are to it, by the settings, else in the order of its own tools: variables, web identity, container or
//! pod identity, instance metadata. Profiles (`~/.aws`) are not read.
//!
//! Documents: AWS SDKs and Tools Reference Guide, "Standardized credential providers"; STS API Reference,
//! "AssumeRoleWithWebIdentity"; EC2 User Guide, "Use the Instance Metadata Service" (version 2 only).

use std::path::PathBuf;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;
use url::Url;

use crate::registry::login::sigv4::Keys;
use crate::registry::login::web::{self, Web};
use crate::registry::login::{LoginError, Variables, files};
use crate::registry::trust;
use crate::secret::Secret;

const INSTANCE: &str = "http://169.254.169.254";
const CONTAINER: &str = "http://169.254.170.2";
/// Hosts of container and pod identity that AWS's own tools take over plain HTTP, besides loopback.
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
/// Longest life of a token of the instance metadata service, in seconds; one is used at once.
const TOKEN_SECONDS: &str = "60";

/// An access key of AWS.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StaticKeys {
    /// The access key ID.
    pub id: Secret,
    /// The secret access key.
    pub secret: Secret,
    /// The session token of a temporary key.
    pub session: Option<Secret>,
}

/// Who we are to AWS by the settings.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Identity<'a> {
    pub(super) keys: Option<&'a StaticKeys>,
    pub(super) role: Option<&'a str>,
    pub(super) web_identity_token_file: Option<&'a PathBuf>,
    pub(super) sts_endpoint: Option<&'a Url>,
    pub(super) metadata_url: Option<&'a Url>,
}

/// Where keys come from.
#[derive(Debug, Eq, PartialEq)]
enum Provider {
    Static { keys: StaticKeys, from: &'static str },
    WebIdentity { role: String, token_file: PathBuf, session: String },
    Container { url: String, token: Option<ContainerToken> },
    Instance { url: String },
}

#[derive(Debug, Eq, PartialEq)]
enum ContainerToken {
    File(PathBuf),
    Value(Secret),
}

/// Gives keys, and says in words without secrets whose they are.
///
/// # Errors
/// There are none, or who was asked gives none.
pub(super) async fn keys(
    identity: &Identity<'_>,
    region: &str,
    variables: &Variables,
    web: &Web,
) -> Result<(Keys, String), LoginError> {
    match provider(identity, variables)? {
        Provider::Static { keys, from } => {
            let id = keys.id.expose().to_owned();
            let what = format!("{from} {}", shown(&id));
            Ok((Keys { id, secret: keys.secret, session: keys.session }, what))
        }
        Provider::WebIdentity { role, token_file, session } => {
            let token = files::read_line(&token_file).await?;
            let url = match identity.sts_endpoint {
                Some(url) => url.clone(),
                None => web::endpoint(&format!("https://sts.{region}.{}/", suffix(region)), "the region of STS")?,
            };
            let keys = assume(&url, &role, &session, &token, web).await?;
            Ok((keys, format!("web identity as {role}")))
        }
        Provider::Container { url, token } => {
            let url = container_url(&url)?;
            let token = match token {
                Some(ContainerToken::File(path)) => Some(files::read_line(&path).await?),
                Some(ContainerToken::Value(token)) => Some(token.expose().to_owned()),
                None => None,
            };
            let keys = of_container(&url, token.as_deref(), web).await?;
            Ok((keys, format!("container identity of {}", trust::place(&url))))
        }
        Provider::Instance { url } => of_instance(&web::endpoint(&url, "`metadata_url`")?, web).await,
    }
}

/// Gives the end of the names of AWS's hosts in a region.
pub(super) fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
}

/// Settings come before variables; of variables the first complete group counts.
fn provider(identity: &Identity<'_>, variables: &Variables) -> Result<Provider, LoginError> {
    let session = |given: Option<&str>| given.unwrap_or("repin").to_owned();
    if let Some(keys) = identity.keys {
        return Ok(Provider::Static { keys: keys.clone(), from: "static key" });
    }
    if identity.role.is_some() || identity.web_identity_token_file.is_some() {
        let role = identity.role.or(variables.get("AWS_ROLE_ARN"));
        let file = identity.web_identity_token_file.cloned();
        let file = file.or(variables.get("AWS_WEB_IDENTITY_TOKEN_FILE").map(PathBuf::from));
        return match (role, file) {
            (Some(role), Some(token_file)) => Ok(Provider::WebIdentity {
                role: role.to_owned(),
                token_file,
                session: session(variables.get("AWS_ROLE_SESSION_NAME")),
            }),
            (Some(_), None) => {
                Err(missing("`role_arn` needs `web_identity_token_file` or AWS_WEB_IDENTITY_TOKEN_FILE"))
            }
            (None, _) => Err(missing("`web_identity_token_file` needs `role_arn` or AWS_ROLE_ARN")),
        };
    }
    if let Some(url) = identity.metadata_url {
        return Ok(Provider::Instance { url: url.to_string() });
    }
    if let (Some(id), Some(secret)) = (variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")) {
        let session = variables.get("AWS_SESSION_TOKEN").map(Secret::new);
        let keys = StaticKeys { id: Secret::new(id), secret: Secret::new(secret), session };
        return Ok(Provider::Static { keys, from: "key of AWS_ACCESS_KEY_ID" });
    }
    if let (Some(role), Some(file)) = (variables.get("AWS_ROLE_ARN"), variables.get("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        let session = session(variables.get("AWS_ROLE_SESSION_NAME"));
        return Ok(Provider::WebIdentity { role: role.to_owned(), token_file: file.into(), session });
    }
    let container = match variables.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        Some(path) => Some(format!("{CONTAINER}/{}", path.trim_start_matches('/'))),
        None => variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI").map(str::to_owned),
    };
    if let Some(url) = container {
        let file =
            variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|path| ContainerToken::File(path.into()));
        let value =
            variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|token| ContainerToken::Value(Secret::new(token)));
        return Ok(Provider::Container { url, token: file.or(value) });
    }
    if variables.get("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(missing("no variable of AWS gives keys, and AWS_EC2_METADATA_DISABLED turns the last source off"));
    }
    let url = variables.get("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(INSTANCE);
    Ok(Provider::Instance { url: url.to_owned() })
}

fn missing(reason: &str) -> LoginError {
    LoginError::lasting("the identity for AWS", reason)
}

async fn assume(url: &Url, role: &str, session: &str, token: &str, web: &Web) -> Result<Keys, LoginError> {
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session),
        ("WebIdentityToken", token),
        ("DurationSeconds", "900"),
    ];
    let request = web.request(Method::POST, url)?.header("accept", "text/xml");
    let reply = web::send(web::form(request, &form), url).await?;
    reply.good(url, &[token])?;
    let text = String::from_utf8_lossy(&reply.body);
    let part = |name: &str| web::element(&text, name).filter(|part| !part.is_empty());
    match (part("AccessKeyId"), part("SecretAccessKey"), part("SessionToken")) {
        (Some(id), Some(secret), Some(session)) => {
            usable(url, Keys { id: id.to_owned(), secret: Secret::new(secret), session: Some(Secret::new(session)) })
        }
        _ => Err(reply.without(url, "keys")),
    }
}

/// The rule of AWS's own tools: https, or http to loopback and to the addresses of ECS and EKS.
fn container_url(text: &str) -> Result<Url, LoginError> {
    let url = web::endpoint(text, "AWS_CONTAINER_CREDENTIALS_FULL_URI")?;
    let host = url.host_str().unwrap_or_default();
    if url.scheme() == "https" || CONTAINER_HOSTS.contains(&host) || crate::http::is_loopback(host) {
        return Ok(url);
    }
    let rule = "plain http:// is for loopback and for the addresses of ECS and EKS";
    Err(LoginError::lasting("AWS_CONTAINER_CREDENTIALS_FULL_URI", rule))
}

async fn of_container(url: &Url, token: Option<&str>, web: &Web) -> Result<Keys, LoginError> {
    let mut request = web.request(Method::GET, url)?;
    if let Some(token) = token {
        let value = HeaderValue::from_str(token);
        let mut value = value.map_err(|_| missing("the token for the container's identity cannot be sent"))?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let reply = web::send(request, url).await?;
    let json = reply.json(url, &[token.unwrap_or_default()])?;
    of_json(&json).map_or_else(|| Err(reply.without(url, "keys")), |keys| usable(url, keys))
}

async fn of_instance(base: &Url, web: &Web) -> Result<(Keys, String), LoginError> {
    let at = |path: &str| {
        let text = format!("{}/latest/{path}", base.as_str().trim_end_matches('/'));
        web::endpoint(&text, "`metadata_url`")
    };
    let url = at("api/token")?;
    let request = web.request(Method::PUT, &url)?.header("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let reply = web::send(request, &url).await?;
    reply.good(&url, &[])?;
    let token = line(&reply.body).ok_or_else(|| reply.without(&url, "a token"))?;
    let list = "meta-data/iam/security-credentials/";
    let get = async |url: &Url| {
        let request = web.request(Method::GET, url)?.header("x-aws-ec2-metadata-token", &token);
        web::send(request, url).await
    };
    let url = at(list)?;
    let reply = get(&url).await?;
    if reply.status.as_u16() == 404 {
        return Err(LoginError::lasting(trust::place(&url), "this instance has no role"));
    }
    reply.good(&url, &[&token])?;
    let legal = |c: u8| c.is_ascii_alphanumeric() || b"+=,.@_-".contains(&c);
    let role = line(&reply.body).filter(|role| role.bytes().all(legal) && role.chars().any(|c| c != '.'));
    let role = role.ok_or_else(|| reply.without(&url, "the name of a role"))?;
    let url = at(&format!("{list}{role}"))?;
    let reply = get(&url).await?;
    let json = reply.json(&url, &[&token])?;
    let keys = of_json(&json).ok_or_else(|| reply.without(&url, "keys"))?;
    Ok((usable(&url, keys)?, format!("instance role {role}")))
}

fn line(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?.trim();
    (!text.is_empty() && text.bytes().all(|c| c.is_ascii_graphic())).then(|| text.to_owned())
}

fn of_json(json: &Value) -> Option<Keys> {
    Some(Keys {
        id: web::text(json, "AccessKeyId")?.to_owned(),
        secret: Secret::new(web::text(json, "SecretAccessKey")?),
        session: web::text(json, "Token").map(Secret::new),
    })
}

/// What is sent in a header holds nothing that breaks it.
fn usable(url: &Url, keys: Keys) -> Result<Keys, LoginError> {
    let plain = |text: &str| text.bytes().all(|c| c.is_ascii_graphic());
    if plain(&keys.id) && keys.session.as_ref().is_none_or(|session| plain(session.expose())) {
        return Ok(keys);
    }
    Err(LoginError::lasting(trust::place(url), "its keys hold characters that no header can hold"))
}

/// Shows the ends of an access key ID, which is no secret, but tells more than anybody needs.
fn shown(id: &str) -> String {
    let chars: Vec<char> = id.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    match chars.len() {
        12.. => {
            let end: String = chars.iter().skip(chars.len() - 3).collect();
            format!("{}…{end}", chars.iter().take(4).collect::<String>())
        }
        _ => "…".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn found(identity: &Identity<'_>, pairs: &[(&str, &str)]) -> String {
        let variables = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match provider(identity, &variables) {
            Ok(Provider::Static { keys, from }) => format!("{from} {}", keys.id.expose()),
            Ok(Provider::WebIdentity { role, token_file, session }) => {
                format!("{role} {} {session}", token_file.display())
            }
            Ok(Provider::Container { url, token }) => format!("{url} {token:?}"),
            Ok(Provider::Instance { url }) => url,
            Err(error) => error.reason,
        }
    }

    #[test]
    fn settings_come_first_then_the_order_of_aws() {
        let keys = StaticKeys { id: Secret::new("AKIA"), secret: Secret::new("s"), session: None };
        let (file, url) = (PathBuf::from("/own"), Url::parse("http://127.0.0.1:1").unwrap());
        let none = Identity::default;
        let own_keys = [("AWS_ACCESS_KEY_ID", "ASIA"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let web = [("AWS_ROLE_ARN", "role"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")];
        let relative = [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/1")];
        let full = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")];
        let token = [("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/pod"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "t")];
        let all = [&own_keys[..], &web, &relative, &full, &token].concat();
        for (identity, pairs, expected) in [
            (Identity { keys: Some(&keys), ..none() }, &all[..], "static key AKIA"),
            (Identity { role: Some("own"), web_identity_token_file: Some(&file), ..none() }, &all, "own /own repin"),
            (Identity { role: Some("own"), ..none() }, &all, "own /token repin"),
            (Identity { metadata_url: Some(&url), ..none() }, &all, "http://127.0.0.1:1/"),
            (none(), &all, "key of AWS_ACCESS_KEY_ID ASIA"),
            (none(), &all[1..], "role /token repin"),
            (none(), &[&web[..], &[("AWS_ROLE_SESSION_NAME", "me")]].concat(), "role /token me"),
            (none(), &all[3..], "http://169.254.170.2/v2/credentials/1 Some(File(\"/pod\"))"),
            (none(), &[full[0], token[1]], "http://169.254.170.23/v1/credentials Some(Value(***))"),
            (none(), &full, "http://169.254.170.23/v1/credentials None"),
            (none(), &[("AWS_ACCESS_KEY_ID", "half"), ("AWS_ROLE_ARN", "half")], "http://169.254.169.254"),
            (none(), &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://[fd00:ec2::254]")], "http://[fd00:ec2::254]"),
        ] {
            assert_eq!(found(&identity, pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn plain_http_reaches_the_addresses_of_ecs_and_eks_only() {
        for (url, expected) in [
            ("http://169.254.170.2/v2/credentials/1", true),
            ("http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1/credentials", true),
            ("http://localhost:8080/", true),
            ("https://credentials.example.com/", true),
            ("http://169.254.169.254/", false),
            ("http://credentials.example.com/", false),
            ("https://me:x@credentials.example.com/", false),
            ("file:///etc/passwd", false),
        ] {
            assert_eq!(container_url(url).is_ok(), expected, "{url}");
        }
    }

    #[test]
    fn only_the_ends_of_a_key_are_shown() {
        assert_eq!(shown("AKIAIOSFODNN7EXAMPLE"), "AKIA…PLE");
        assert_eq!(shown("short"), "…");
    }
}
