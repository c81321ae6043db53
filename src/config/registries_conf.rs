//! argocd-image-updater's `registries.conf`, read as it is: what it says of each registry in our own settings.
//!
//! Whatever means something else here is reported with its file, line and key: a difference that is harmless is a warning,
//! and one that would ask a registry with other credentials than its file says is an error. Format: its manual, "Registry
//! Configuration", and its loader, which refuses unknown keys and reads booleans of YAML 1.1.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use crate::config::Surroundings;
use crate::config::access::{authorities, path, warn_plain};
use crate::config::keys;
use crate::config::reader::{Fields, Reader, Value};
use crate::config::remotes::{MOST_REQUESTS_PER_SECOND, host};
use crate::config::secrets::SecretRef;
use crate::config::settings::{Credentials, PullSecretSettings, RegistryCredentials, RegistrySettings};
use crate::http::check_authorities;
use crate::registry::PUBLIC_REGISTRIES;
use crate::secret::Secret;

const DIFFERENCE: &str = "config/registries-conf";

/// What the configuration itself says.
pub(super) struct Known<'k> {
    pub(super) registries: &'k [(&'k Value<'k>, Option<RegistrySettings>)],
    pub(super) secrets: &'k [(&'k Value<'k>, Option<PullSecretSettings>)],
    pub(super) helpers: &'k BTreeMap<String, PathBuf>,
}

/// Reads the file that `registries_conf` names; gives the registries that `registries` does not have.
pub(super) fn read(value: &Value<'_>, known: &Known<'_>) -> Vec<RegistrySettings> {
    let Some(path) = path(value) else { return Vec::new() };
    let ours = value.reader.around;
    let unreadable = |message: String| {
        let hint = "name argocd-image-updater's registries.conf, as its ConfigMap has it under `registries.conf`";
        value.error("config/unreadable", message, hint);
        Vec::new()
    };
    let Ok(bytes) = (ours.files)(&path) else {
        return unreadable(format!("names {}, which is no readable file", path.display()));
    };
    let documents = match std::str::from_utf8(&bytes).map(crate::yaml::parse) {
        Ok(Ok(documents)) => documents,
        Ok(Err(error)) => {
            return unreadable(format!("names {}, which is no YAML (line {})", path.display(), error.line));
        }
        Err(_) => return unreadable(format!("names {}, which is not UTF-8", path.display())),
    };
    let around = Surroundings { file: &path, secrets: ours.secrets, files: ours.files, default_cache: None };
    let reader = Reader::new(&around);
    let mut found: Vec<RegistrySettings> = Vec::new();
    let mut lines = HashMap::new();
    for document in &documents {
        let fields = reader.root(document.root()).fields(&keys::PEER_FILE);
        for entry in fields.get("registries").map(Value::items).unwrap_or_default() {
            let fields = entry.fields(&keys::PEER_REGISTRY);
            let Some(host) = prefix(&entry, &fields) else { continue };
            if let Some(first) = lines.insert(host.clone(), entry.line) {
                let message = format!("has the prefix `{host}`, as the entry in line {first} has");
                entry.error("config/duplicate", message, "keep one of them");
            } else if let Some(line) = known.line_of(&host) {
                // Nothing else of it counts, and so nothing else of it is wrong.
                let ours = shown(ours.file);
                let message =
                    format!("is `{host}`, which `registries` of {ours} has in line {line}: that entry counts");
                entry.warn(DIFFERENCE, message, "keep one of them");
            } else {
                found.push(registry(&entry, &fields, host, known));
            }
        }
    }
    value.reader.take_over(reader.into_problems());
    found
}

impl Known<'_> {
    fn line_of(&self, host: &str) -> Option<u64> {
        let read = self.registries.iter().filter_map(|(_, read)| read.as_ref());
        read.into_iter().find(|registry| registry.host == host).map(|registry| registry.line)
    }
}

fn prefix(value: &Value<'_>, fields: &Fields<'_>) -> Option<String> {
    let Some(prefix) = fields.get("prefix") else {
        let message = "has no `prefix`: it is for images without a host, and those are at Docker Hub here";
        value.error(DIFFERENCE, message, "give it its host as `prefix`, and write that host in the images' names");
        return None;
    };
    host(prefix)
}

fn registry(value: &Value<'_>, fields: &Fields<'_>, host: String, known: &Known<'_>) -> RegistrySettings {
    without_effect(fields, &host);
    let (api_url, is_plain) = api_url(fields, &host);
    unverified(fields, &host, is_plain);
    let credentials = fields.get("credentials").map(|value| (value, credentials(value, fields, &host, known)));
    if let Some((value, _)) = credentials.as_ref().filter(|_| is_plain) {
        warn_plain(value, Some(&host));
    }
    let ca = fields.get("ca_file").filter(|_| !is_plain).and_then(authorities);
    RegistrySettings {
        api_url,
        insecure: is_plain,
        credentials: credentials.and_then(|(_, read)| read),
        ca,
        ca_data: fields.get("ca_data").filter(|_| !is_plain).and_then(certificates),
        token_service: None,
        requests_per_second: fields.get("limit").and_then(limit),
        requests_per_cycle: None,
        concurrency: None,
        limits: None,
        schedule: None,
        line: value.line,
        host,
    }
}

/// Reports what nothing here needs.
fn without_effect(fields: &Fields<'_>, host: &str) {
    let is_hub = host == "docker.io";
    if let Some(value) = fields.get("ping").filter(|value| truth(value) == Some(true)) {
        let message = "is without effect: no request is spent on finding out whether a registry is there";
        value.warn(DIFFERENCE, message, "remove it");
    }
    if let Some(value) = fields.get("default").filter(|value| truth(value) == Some(true) && !is_hub) {
        let message = "is without effect: an image without a host is at Docker Hub, as for every container runtime";
        value.warn(DIFFERENCE, message, format!("write `{host}/` in front of the images that are meant"));
    }
    if let Some(value) = fields.get("defaultns") {
        match value.text() {
            Some("library") if is_hub => {}
            Some("") | None => {}
            Some(text) => {
                let message = "is without effect: only Docker Hub has a namespace of its own, `library`";
                value.warn(DIFFERENCE, message, format!("write such as `{host}/{text}/web` in full"));
            }
        }
    }
    if let Some(value) = fields.get("tagsortmode") {
        match value.text().map(str::to_ascii_lowercase).as_deref() {
            None | Some("" | "none") => {}
            Some("latest-first" | "latest-last") => {
                let message =
                    "is without effect: the order of a list is never believed, and dates are read from images";
                value.warn(DIFFERENCE, message, "remove it");
            }
            Some(_) => value.invalid("it is latest-first, latest-last or none", "remove it: it is without effect"),
        }
    }
}

/// Reads where the API is. One that is at the usual place is none; http:// means plain HTTP, as there.
fn api_url(fields: &Fields<'_>, host: &str) -> (Option<Url>, bool) {
    let Some(value) = fields.get("api_url") else { return (None, false) };
    let Some(text) = value.text() else { return (None, false) };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url.filter(|url| url.query().is_none() && url.fragment().is_none()) else {
        value.error("config/invalid-value", "is no URL of an API", "write such as https://registry.example.com");
        return (None, false);
    };
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "leave out what stands before the @, and give it as `credentials`";
        value.error("config/secret", "holds a user or a password", hint);
        return (None, false);
    }
    let usual = PUBLIC_REGISTRIES.iter().find(|public| public.host == host).map_or(host, |public| public.api_host);
    let is_usual = Url::parse(&format!("https://{usual}/"))
        .is_ok_and(|usual| usual == url || format!("{usual}v2") == url.as_str().trim_end_matches('/'));
    let is_plain = url.scheme() == "http";
    (Some(url).filter(|_| !is_usual), is_plain)
}

fn unverified(fields: &Fields<'_>, host: &str, is_plain: bool) {
    if let Some(value) = fields.get("insecure").filter(|value| truth(value) == Some(true) && !is_plain) {
        let message = "turns verification of the certificate off, and that does not exist here: it is verified";
        value.warn(
            DIFFERENCE,
            message,
            format!("give the authority of {host} as `ca_file`, or as `ca` in `registries`"),
        );
    }
}

fn certificates(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if let Err(error) = check_authorities(text.as_bytes()) {
        let hint = "give PEM, which begins with -----BEGIN CERTIFICATE-----";
        value.error("config/invalid-value", format!("cannot be used: {error}"), hint);
        return None;
    }
    Some(text.to_owned())
}

fn limit(value: &Value<'_>) -> Option<f64> {
    let number: Option<i64> = value.text()?.parse().ok();
    match number {
        // As there: no limit.
        Some(..=0) => None,
        Some(number) if number as f64 <= MOST_REQUESTS_PER_SECOND => Some(number as f64),
        Some(_) => {
            let message = format!("is above {MOST_REQUESTS_PER_SECOND}, which is the most here");
            value.warn(DIFFERENCE, message, "write a lower one");
            Some(MOST_REQUESTS_PER_SECOND)
        }
        None => {
            value.invalid("it is a whole number", "write how many requests may be sent in a second");
            None
        }
    }
}

/// Reads `env:`, `ext:`, `secret:` and `pullsecret:`. None was reported: such a registry must not be asked anonymously.
fn credentials(value: &Value<'_>, fields: &Fields<'_>, host: &str, known: &Known<'_>) -> Option<RegistryCredentials> {
    let written = value.text()?;
    let expires = fields.get("credsexpire").map(|value| (value, expiry(value)));
    // A registry may stand before the source, as in annotations.
    let source = match written.split_once('=') {
        Some((registry, source)) if !registry.is_empty() && !source.is_empty() => source,
        _ => written,
    };
    let parts = source.split_once(':').filter(|(_, rest)| !rest.is_empty() && !rest.contains(':'));
    let kind = parts.map(|(kind, rest)| (kind.to_ascii_lowercase(), rest));
    if let Some((value, Some(_))) = expires.as_ref().filter(|_| kind.as_ref().is_none_or(|(kind, _)| kind != "ext")) {
        let message =
            "is without effect: files are read again when they change, and the environment of a process does not";
        value.warn(DIFFERENCE, message, "remove it");
    }
    match kind.as_ref().map(|(kind, rest)| (kind.as_str(), *rest)) {
        Some(("env", name)) => variable(value, name),
        Some(("ext", program)) => {
            let program = Path::new(program);
            if !program.is_absolute() {
                value.error("config/invalid-value", "names a program without its full path", "write `ext:/path/to/it`");
            } else if !known.helpers.values().any(|listed| listed == program) {
                let name = program.file_stem().and_then(|name| name.to_str()).unwrap_or("name");
                let message = format!("names the program {}, and only listed programs are run", shown(program));
                let hint = format!("add to repin.yaml `credential_helpers: {{{name}: {}}}`", shown(program));
                value.error(DIFFERENCE, message, hint);
            } else {
                let expires = expires.and_then(|(_, read)| read);
                return Some(RegistryCredentials::Program { path: program.to_owned(), expires });
            }
            None
        }
        Some(("secret" | "pullsecret", _)) => secret(value, [written, source], host, known),
        _ => {
            let rule = "it is env:NAME, ext:/path, secret:namespace/name#field or pullsecret:namespace/name";
            value.error("config/invalid-value", format!("is no source of credentials: {rule}"), "correct it");
            None
        }
    }
}

fn variable(value: &Value<'_>, name: &str) -> Option<RegistryCredentials> {
    let reference = SecretRef::Env(name.to_owned());
    let hint = "set it to `user:password`";
    match (value.reader.around.secrets)(&reference) {
        Err(reason) => value.error("config/secret", format!("has no value: {reason}"), hint),
        Ok(secret) => match secret.expose().split_once(':') {
            Some((user, password))
                if !user.is_empty() && !password.is_empty() && !secret.expose().contains(char::is_control) =>
            {
                let (username, password) = (Secret::new(user), Secret::new(password));
                return Some(Credentials::Basic { username, password }.into());
            }
            _ => value.error(
                "config/secret",
                format!("has no value that can be used: {reference} is no `user:password`"),
                hint,
            ),
        },
    }
    None
}

/// Nothing is read from a cluster: the name must be one of `pull_secrets`, and that one be for this host.
fn secret(value: &Value<'_>, names: [&str; 2], host: &str, known: &Known<'_>) -> Option<RegistryCredentials> {
    let all = || known.secrets.iter().filter_map(|(_, read)| read.as_ref());
    let found = names.iter().find_map(|name| all().find(|one| one.secret.name == **name));
    match found {
        Some(found) if found.secret.registries.iter().any(|own| own == host) => return Some(found.credentials.clone()),
        Some(found) => {
            let message = format!(
                "names the entry of `pull_secrets` in line {} of repin.yaml, which is not for {host}",
                found.line
            );
            value.error(DIFFERENCE, message, format!("add `{host}` to its `registries`"));
        }
        // One that could not be read may be the one that is named.
        None if known.secrets.iter().any(|(_, read)| read.is_none()) => {}
        None => {
            let message = "names a Secret of a cluster, and nothing is read from one here";
            let name = names.last().copied().unwrap_or_default();
            let hint = format!(
                "mount the Secret, and add to `pull_secrets:` of repin.yaml `- {{name: \"{name}\", registries: [{host}], \
                 credentials: {{docker_config: <where it is mounted>}}, match: {{}}}}`"
            );
            value.error(DIFFERENCE, message, hint);
        }
    }
    None
}

/// Reads a duration of Go, such as `12h` or `1h30m`.
fn expiry(value: &Value<'_>) -> Option<Duration> {
    let text = value.text()?;
    let read = duration(text);
    if read.is_none() {
        value.invalid("it is a duration such as 12h or 1h30m", "write numbers with h, m or s");
    }
    read
}

fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at_checked(end)?;
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit)?;
        let seconds = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(number.parse::<f64>().ok()? * seconds).ok()?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

/// Reads a boolean as YAML 1.1 has them, which is what the file is written for.
fn truth(value: &Value<'_>) -> Option<bool> {
    let text = value.text()?;
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => {
            value.invalid("it is true or false", "write true or false");
            None
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, expected) in [
            ("12h", Some(43_200)),
            ("1h30m", Some(5_400)),
            ("1.5h", Some(5_400)),
            ("90s", Some(90)),
            ("3600000ms", Some(3_600)),
            ("", None),
            ("12", None),
            ("h", None),
            ("12 h", None),
            ("1d", None),
            ("-1h", None),
            ("1e9h", None),
            ("99999999999999999999999h", None),
        ] {
            assert_eq!(duration(text), expected.map(Duration::from_secs), "{text}");
        }
    }
}
