//! How a repository is reached: credentials, host keys, authorities, proxy, client certificate.
//!
//! No message here holds a value of a secret.

use std::path::PathBuf;

use crate::config::access::{authorities, file, login, private_key, secret};
use crate::config::keys;
use crate::config::reader::{Fields, Value};
use crate::config::secrets::SecretRef;
use crate::config::settings::{AccessSettings, ClientCertificateSettings, Credentials};
use crate::git::is_encrypted_key;
use crate::http::{ClientCertificate, check_client_certificate, is_proxy};
use crate::model::remote_url::{RemoteUrl, Transport};
use crate::secret::Secret;

/// Reads what stands beside `url`, and tells what does not go with it.
pub(super) fn access(fields: &Fields<'_>, url: Option<&RemoteUrl>) -> (Option<Credentials>, AccessSettings) {
    let credentials = fields.get("credentials").and_then(|value| {
        let read = credentials(value)?;
        let (fits, only) = match read {
            Credentials::Basic { .. } | Credentials::Token(_) => (is_http(url), "is for http(s) URLs"),
            Credentials::SshKey { .. } | Credentials::SshAgent { .. } => (is_ssh(url), "is for ssh URLs"),
        };
        report_unfit(value, fits, only);
        Some(read)
    });
    let known_hosts = fields.get("known_hosts").and_then(|value| {
        report_unfit(value, is_ssh(url), "is for ssh URLs");
        file(value).map(|(path, _)| path)
    });
    let ca = fields.get("ca").and_then(|value| {
        report_unfit(value, is_https(url), "is for https URLs");
        authorities(value)
    });
    let proxy = fields.get("proxy").and_then(|value| {
        report_unfit(value, is_http(url), "is for http(s) URLs");
        proxy(value)
    });
    let client_certificate = fields.get("client_certificate").and_then(|value| {
        report_unfit(value, is_https(url), "is for https URLs");
        client_certificate(value)
    });
    (credentials, AccessSettings { known_hosts, ca, proxy, client_certificate })
}

fn credentials(value: &Value<'_>) -> Option<Credentials> {
    let hint = "give `username` and `password`, `token`, `ssh_key`, or `ssh_agent: true`";
    let fields = value.fields(&keys::GIT_CREDENTIALS);
    let agent = fields.get("ssh_agent").map(|value| (value, value.boolean()));
    if fields.get("ssh_key").is_none() && fields.get("passphrase").is_none() && agent.is_none() {
        return login(&fields, hint);
    }
    if !fields.is_clean {
        return None;
    }
    if ["username", "password", "token"].iter().any(|name| fields.get(name).is_some()) {
        fields.whole().error("config/invalid-value", "mixes what is for https with what is for ssh", hint);
        return None;
    }
    let key = fields.get("ssh_key").map(private_key);
    let passphrase = fields.get("passphrase").map(secret);
    match (key, passphrase, agent) {
        (Some(key), passphrase, None) => {
            let passphrase = match passphrase {
                Some(read) => Some(read?),
                None => None,
            };
            let key = key?;
            match is_encrypted_key(&key) {
                Ok(true) if passphrase.is_none() => {
                    let message = "has a key that is encrypted, and no `passphrase`";
                    fields.whole().error("config/missing-key", message, "give the `passphrase` that it was made with");
                }
                Ok(_) => {}
                Err(reason) => {
                    let message = format!("has a key that cannot be read: {reason}");
                    fields.whole().error("config/secret", message, "`ssh-keygen -y -f FILE` tells whether it is whole");
                }
            }
            Some(Credentials::SshKey { key, passphrase })
        }
        (None, None, Some((value, is_on))) => match is_on? {
            true => socket(value).map(|socket| Credentials::SshAgent { socket }),
            false => {
                value.error("config/invalid-value", "is false, which says nothing", "remove it, or write true");
                None
            }
        },
        (None, Some(_), None) => {
            fields.whole().error("config/missing-key", "has no `ssh_key`", hint);
            None
        }
        (_, _, Some(_)) => {
            fields.whole().error("config/invalid-value", "has `ssh_agent` beside a key", hint);
            None
        }
        (None, None, None) => None,
    }
}

fn socket(value: &Value<'_>) -> Option<PathBuf> {
    match (value.reader.around.secrets)(&SecretRef::Env("SSH_AUTH_SOCK".to_owned())) {
        Ok(path) if path.expose().starts_with('/') => Some(PathBuf::from(path.expose())),
        _ => {
            let message = "asks for the agent, and the environment variable SSH_AUTH_SOCK names no socket";
            value.error(
                "config/secret",
                message,
                "start an agent and pass SSH_AUTH_SOCK on to repin, or use `ssh_key`",
            );
            None
        }
    }
}

pub(super) fn proxy(value: &Value<'_>) -> Option<Secret> {
    let hint = "write such as http://proxy.example.com:3128 or socks5://127.0.0.1:1080";
    let url = if value.is_scalar() {
        let text = value.text()?;
        if text.contains('@') {
            let message = "holds a user or a password, and secrets are given by reference only";
            value.error("config/secret", message, "put the whole URL into a variable or a file: `proxy: {env: NAME}`");
            return None;
        }
        Secret::new(text)
    } else {
        secret(value)?
    };
    if is_proxy(url.expose()) {
        return Some(url);
    }
    value.error("config/invalid-value", "is no http, https, socks5 or socks5h URL", hint);
    None
}

pub(super) fn client_certificate(value: &Value<'_>) -> Option<ClientCertificateSettings> {
    let fields = value.fields(&keys::CLIENT_CERTIFICATE);
    let cert = fields.get("cert").and_then(file);
    let key = fields.get("key").and_then(private_key);
    let (cert, content) = cert?;
    let key = key?;
    if let Some(chain) = content {
        let given = ClientCertificate { chain, key: key.clone() };
        if let Err(error) = check_client_certificate(&given) {
            let hint = "give a PEM certificate and the key that belongs to it, not encrypted";
            fields.whole().error("config/unreadable", format!("does not work: {error}"), hint);
        }
    }
    Some(ClientCertificateSettings { cert, key })
}

fn report_unfit(value: &Value<'_>, fits: bool, only: &str) {
    if !fits {
        let message = format!("{only}, and `url` is none");
        value.error("config/invalid-value", message, "remove it, or change `url`");
    }
}

/// A URL that could not be read may be anything.
fn is_http(url: Option<&RemoteUrl>) -> bool {
    url.is_none_or(|url| matches!(url.transport(), Transport::Http | Transport::Https))
}

fn is_https(url: Option<&RemoteUrl>) -> bool {
    url.is_none_or(|url| url.transport() == Transport::Https)
}

fn is_ssh(url: Option<&RemoteUrl>) -> bool {
    url.is_none_or(|url| url.transport() == Transport::Ssh)
}
