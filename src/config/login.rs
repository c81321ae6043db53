//! Where the credentials of registries come from: `credentials` of a registry or a pull secret, `credential_helpers`.
//!
//! Files that are named here are read when they are used, not now: what is mounted later, or rotates, needs no reload.
//! No message here holds a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

use crate::config::access::{login, path, secret, text_or_secret};
use crate::config::keys;
use crate::config::reader::{Fields, Value};
use crate::config::settings::RegistryCredentials;
use crate::registry::{AzureOptions, EcrOptions, GoogleOptions, StaticKeys, is_endpoint};
use crate::secret::Secret;

const SOURCES: [&str; 4] = ["docker_config", "ecr", "google", "azure"];
const HINT: &str =
    "give one of `username` and `password`, `token`, `docker_config: <file>`, `ecr: {}`, `google: {}`, `azure: {}`";

/// Reads `credentials`, which names exactly one source.
pub(super) fn credentials(value: &Value<'_>) -> Option<RegistryCredentials> {
    let fields = value.fields(&keys::CREDENTIALS);
    let named: Vec<&str> = SOURCES.into_iter().filter(|name| fields.get(name).is_some()).collect();
    let is_fixed = ["username", "password", "token"].iter().any(|name| fields.get(name).is_some());
    match named.as_slice() {
        [] => login(&fields, HINT).map(RegistryCredentials::Fixed),
        [name] if !is_fixed => {
            let value = fields.get(name)?;
            let read = match *name {
                "docker_config" => path(value).map(RegistryCredentials::DockerConfig),
                "ecr" => ecr(value).map(RegistryCredentials::Ecr),
                "google" => google(value).map(RegistryCredentials::Google),
                _ => azure(value).map(RegistryCredentials::Azure),
            };
            read.filter(|_| fields.is_clean)
        }
        _ => {
            fields.whole().error("config/invalid-value", "names more than one source of credentials", HINT);
            None
        }
    }
}

/// Reads `credential_helpers`.
pub(super) fn helpers(value: &Value<'_>) -> BTreeMap<String, PathBuf> {
    let read = value.texts_by_key();
    let read = read.iter().filter_map(|(name, _, value)| {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        if name.is_empty() || !name.bytes().all(legal) {
            let message = "has a name that no file of docker can mean";
            value.error("config/invalid-value", message, "a name is letters, digits and . _ -, such as `ecr-login`");
            return None;
        }
        let path = PathBuf::from(value.text()?);
        if !path.is_absolute() {
            let rule = "it is the absolute path of a program: none is looked for";
            value.invalid(rule, format!("write such as /usr/local/bin/docker-credential-{name}"));
            return None;
        }
        Some(((*name).to_owned(), path))
    });
    read.collect()
}

fn ecr(value: &Value<'_>) -> Option<EcrOptions> {
    let fields = value.fields(&keys::ECR);
    let id = fields.get("access_key_id").map(|value| text_or_secret(value, key_id));
    let key = fields.get("secret_access_key").map(secret);
    let session = fields.get("session_token").map(secret);
    let region = checked(&fields, "region", "a region is such as eu-west-1", |text| {
        text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
    });
    let account = checked(&fields, "account", "an account is 12 digits", |text| {
        text.len() == 12 && text.bytes().all(|c| c.is_ascii_digit())
    });
    let role_arn = checked(&fields, "role_arn", "a role is such as arn:aws:iam::123456789012:role/repin", |text| {
        text.starts_with("arn:") && text.bytes().all(|c| c.is_ascii_graphic())
    });
    let file = fields.get("web_identity_token_file").map(path);
    let (endpoint, sts_endpoint) = (endpoint(&fields, "endpoint"), endpoint(&fields, "sts_endpoint"));
    let metadata_url = self::endpoint(&fields, "metadata_url");
    one_identity(
        &fields,
        &[
            ("a key", id.is_some() || key.is_some()),
            ("a web identity", fields.get("role_arn").is_some() || file.is_some()),
            ("`metadata_url`", fields.get("metadata_url").is_some()),
        ],
    );
    let keys = match (id, key) {
        (Some(id), Some(secret)) => {
            let session = match session {
                Some(read) => Some(read?),
                None => None,
            };
            Some(StaticKeys { id: id?, secret: secret?, session })
        }
        (None, None) if session.is_none() => None,
        (id, key) => {
            let missing = match (id, key) {
                (None, _) => "has no `access_key_id`",
                (Some(_), _) => "has no `secret_access_key`",
            };
            fields.whole().error("config/missing-key", missing, "a fixed key is both of them");
            return None;
        }
    };
    Some(EcrOptions {
        region: region?,
        account: account?,
        keys,
        role_arn: role_arn?,
        web_identity_token_file: flat(file)?,
        endpoint: endpoint?,
        sts_endpoint: sts_endpoint?,
        metadata_url: metadata_url?,
    })
    .filter(|_| fields.is_clean)
}

fn google(value: &Value<'_>) -> Option<GoogleOptions> {
    let fields = value.fields(&keys::GOOGLE);
    let file = fields.get("credentials_file").map(path);
    // It becomes a part of a URL.
    let account = checked(&fields, "service_account", "it is the address of a service account, or `default`", |text| {
        text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'@' | b'.' | b'-' | b'_'))
            && !text.starts_with('.')
    });
    let metadata_url = endpoint(&fields, "metadata_url");
    let is_machine = fields.get("service_account").is_some() || fields.get("metadata_url").is_some();
    one_identity(&fields, &[("`credentials_file`", file.is_some()), ("this machine", is_machine)]);
    Some(GoogleOptions { credentials_file: flat(file)?, service_account: account?, metadata_url: metadata_url? })
        .filter(|_| fields.is_clean)
}

fn azure(value: &Value<'_>) -> Option<AzureOptions> {
    let fields = value.fields(&keys::AZURE);
    // Both become a part of a URL.
    let id = |name| {
        checked(&fields, name, "it is an ID such as 00000000-0000-0000-0000-000000000000, or a domain", |text| {
            text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.')) && !text.starts_with('.')
        })
    };
    let (tenant_id, client_id) = (id("tenant_id"), id("client_id"));
    let client_secret = fields.get("client_secret").map(secret);
    let file = fields.get("federated_token_file").map(path);
    let (authority, metadata_url) = (endpoint(&fields, "authority"), endpoint(&fields, "metadata_url"));
    let audience = checked(&fields, "audience", "it is a URI such as https://containerregistry.azure.net", |text| {
        text.contains(':') && text.bytes().all(|c| c.is_ascii_graphic())
    });
    one_identity(
        &fields,
        &[
            ("`client_secret`", client_secret.is_some()),
            ("`federated_token_file`", file.is_some()),
            ("`metadata_url`", fields.get("metadata_url").is_some()),
        ],
    );
    Some(AzureOptions {
        tenant_id: tenant_id?,
        client_id: client_id?,
        client_secret: flat(client_secret)?,
        federated_token_file: flat(file)?,
        authority: authority?,
        audience: audience?,
        metadata_url: metadata_url?,
    })
    .filter(|_| fields.is_clean)
}

/// The ID of an access key, which is no secret.
fn key_id(value: &Value<'_>) -> Option<Secret> {
    let text = value.text()?;
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_alphanumeric()) {
        value.invalid("an access key ID is letters and digits", "write it as AWS shows it");
        return None;
    }
    Some(Secret::new(text))
}

/// Reads a text by a rule; none is fine, and a bad one is reported and none at all.
fn checked(fields: &Fields<'_>, name: &str, rule: &str, is_good: fn(&str) -> bool) -> Option<Option<String>> {
    let Some(value) = fields.get(name) else { return Some(None) };
    let text = value.text()?;
    if text.is_empty() || !is_good(text) {
        value.invalid(rule, "check it, or leave the key out");
        return None;
    }
    Some(Some(text.to_owned()))
}

fn endpoint(fields: &Fields<'_>, name: &str) -> Option<Option<Url>> {
    let Some(value) = fields.get(name) else { return Some(None) };
    let url = Url::parse(value.text()?).ok();
    let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let Some(url) = url.filter(|url| is_endpoint(url) && is_plain(url)) else {
        let rule = "it is an https:// URL; http:// is for this machine and for metadata services of clouds";
        value.invalid(rule, "write scheme, host and port, and a path if there is one");
        return None;
    };
    Some(Some(url))
}

/// Reports two ways to say who we are.
fn one_identity(fields: &Fields<'_>, named: &[(&str, bool)]) {
    let named: Vec<&str> = named.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect();
    if named.len() > 1 {
        let message = format!("names more than one identity: {}", named.join(", "));
        fields.whole().error("config/invalid-value", message, "keep one of them");
    }
}

/// A value that was written must have been read.
fn flat<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(read) => read.map(Some),
        None => Some(None),
    }
}
