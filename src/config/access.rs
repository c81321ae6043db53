//! Credentials, references to secrets, and paths of files, as they stand in the file.
//!
//! No message here holds a value of a secret or of a username.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::config::keys;
use crate::config::reader::{Fields, Value};
use crate::config::secrets::SecretRef;
use crate::config::settings::Credentials;
use crate::http::check_authorities;
use crate::secret::Secret;

/// Reads a login or a token.
pub(super) fn login(fields: &Fields<'_>, hint: &str) -> Option<Credentials> {
    let username = fields.get("username").map(|value| (value, text_or_secret(value, username)));
    let password = fields.get("password").map(|value| (value, secret(value)));
    let token = fields.get("token").map(|value| (value, secret(value)));
    if !fields.is_clean {
        return None;
    }
    match (username, password, token) {
        (Some((_, username)), Some((_, password)), None) => {
            Some(Credentials::Basic { username: username?, password: password? })
        }
        (None, None, Some((_, token))) => token.map(Credentials::Token),
        (_, _, Some(_)) => {
            fields.whole().error("config/invalid-value", "has a token beside a username or password", hint);
            None
        }
        (username, password, None) => {
            let missing = match (username, password) {
                (Some(_), _) => "has no `password`",
                (None, Some(_)) => "has no `username`",
                (None, None) => "is empty",
            };
            fields.whole().error("config/missing-key", missing, hint);
            None
        }
    }
}

/// Reads a value that may be written as it is.
pub(super) fn text_or_secret(value: &Value<'_>, read: fn(&Value<'_>) -> Option<Secret>) -> Option<Secret> {
    if value.is_scalar() { read(value) } else { secret(value) }
}

fn username(value: &Value<'_>) -> Option<Secret> {
    let text = value.text()?;
    if text.is_empty() || text.contains(':') || text.contains(char::is_control) {
        value.invalid("a username is not empty and holds no : and no control characters", "check it");
        return None;
    }
    Some(Secret::new(text))
}

/// A secret of one line.
pub(super) fn secret(value: &Value<'_>) -> Option<Secret> {
    let secret = any_secret(value)?;
    if secret.expose().contains(char::is_control) {
        let message = "has no value that can be sent: it holds control characters or more than one line";
        value.error("config/secret", message, "check what the name or the file holds");
        return None;
    }
    Some(secret)
}

/// A private key, PEM.
pub(super) fn private_key(value: &Value<'_>) -> Option<Secret> {
    let secret = any_secret(value)?;
    let text = secret.expose().trim_start();
    if !text.starts_with("-----BEGIN ") || !text.contains("PRIVATE KEY-----") {
        let hint = "give the file that ssh-keygen or openssl wrote, not its public part";
        value.error("config/secret", "is no private key in PEM form", hint);
        return None;
    }
    Some(secret)
}

/// A secret that may have lines.
pub(super) fn any_secret(value: &Value<'_>) -> Option<Secret> {
    let by_reference = "write `{env: NAME}` or `{file: path}`";
    if value.is_scalar() {
        let hint = format!("{by_reference}, and replace a secret that was in a shared file");
        value.error("config/secret", "holds the secret itself, and secrets are given by reference only", hint);
        return None;
    }
    let fields = value.fields(&keys::SECRET);
    if !fields.is_clean {
        return None;
    }
    let reference = match (fields.get("env"), fields.get("file")) {
        (Some(name), None) => {
            let text = name.text()?;
            let legal = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
            if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.bytes().all(legal) {
                name.invalid("a name is letters, digits and _, and starts with no digit", "write the variable's name");
                return None;
            }
            SecretRef::Env(text.to_owned())
        }
        (None, Some(file)) => SecretRef::File(path(file)?),
        (Some(_), Some(_)) => {
            value.error("config/invalid-value", "names both `env` and `file`", by_reference);
            return None;
        }
        (None, None) => {
            value.error("config/missing-key", "names neither `env` nor `file`", by_reference);
            return None;
        }
    };
    match (value.reader.around.secrets)(&reference) {
        Ok(secret) if !secret.expose().is_empty() => Some(secret),
        Ok(_) => {
            value.error(
                "config/secret",
                format!("has no value: {reference} is empty"),
                "give it a value, or remove the key",
            );
            None
        }
        Err(reason) => {
            value.error(
                "config/secret",
                format!("has no value: {reason}"),
                "check the name, and that repin may read it",
            );
            None
        }
    }
}

/// A file that is there and can be read, with its content; one that is not is reported.
pub(super) fn file(value: &Value<'_>) -> Option<(PathBuf, Option<Vec<u8>>)> {
    let path = path(value)?;
    let content = (value.reader.around.files)(&path).ok();
    if content.is_none() {
        let message = format!("names {}, which is no readable file", path.display());
        value.error("config/unreadable", message, "check the path");
    }
    Some((path, content))
}

/// A file with certificates of authorities.
pub(super) fn authorities(value: &Value<'_>) -> Option<PathBuf> {
    let (path, content) = file(value)?;
    if let Some(Err(error)) = content.map(|pem| check_authorities(&pem)) {
        let message = format!("names {}, and {error}", path.display());
        value.error("config/unreadable", message, "give a PEM file, which begins with -----BEGIN CERTIFICATE-----");
    }
    Some(path)
}

/// A path of the file system; relative ones start at the configuration's directory.
pub(super) fn path(value: &Value<'_>) -> Option<PathBuf> {
    let text = value.text()?;
    if text.is_empty() || text.contains('\0') {
        value.invalid("a path is not empty", "write a path");
        return None;
    }
    if text.starts_with('~') {
        value.invalid("no shell expands ~ here", "write the path in full");
        return None;
    }
    Some(value.reader.around.file.parent().unwrap_or(Path::new("")).join(text))
}

pub(super) fn warn_plain(value: &Value<'_>, host: Option<&str>) {
    let port = |port: &str| port.bytes().all(|c| c.is_ascii_digit());
    let name = host.map(|host| host.rsplit_once(':').filter(|(_, last)| port(last)).map_or(host, |(name, _)| name));
    let address = name.and_then(|name| name.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    if name != Some("localhost") && !address.is_some_and(|address| address.is_loopback()) {
        let message = "is sent over plain HTTP: everybody on the way can read it";
        value.warn("config/plain-credentials", message, "use https, with `ca` if the authority is your own");
    }
}
