//! The entries of `repositories` and `registries`.

use crate::config::access::{authorities, path, warn_plain};
use crate::config::forges::{self, Known, Origin, pull_limits};
use crate::config::git_access::access;
use crate::config::keys;
use crate::config::limits::limits;
use crate::config::login::credentials;
use crate::config::reader::Value;
use crate::config::schedule::schedule;
use crate::config::settings::{HistorySettings, RegistrySettings, RepositorySettings};
use crate::http::is_loopback;
use crate::model::forge::BRANCH_PREFIX;
use crate::model::names::{Branch, ImageName, NameError};
use crate::model::remote_url::{RemoteUrl, Transport};
use crate::registry::Limits;

/// One request in about a quarter of an hour; what is rarer is a schedule.
const LEAST_REQUESTS_PER_SECOND: f64 = 0.001;
pub(super) const MOST_REQUESTS_PER_SECOND: f64 = 1000.0;
const MOST_AT_ONCE: usize = 256;

pub(super) fn repository(value: &Value<'_>, known: &Known<'_>) -> Option<RepositorySettings> {
    let fields = value.fields(&keys::REPOSITORY);
    let name = fields.get("name").and_then(name);
    let url = fields.get("url").and_then(|value| remote_url(value, true));
    let branch = fields.get("branch").map(|value| {
        let error = |error: NameError| value.invalid(error.rule, "write the name of a branch, without refs/heads/");
        let branch = value.text()?.parse::<Branch>().map_err(error).ok()?;
        if branch.as_str().starts_with(BRANCH_PREFIX) {
            let rule = "branches that begin with repin/ are those of pull requests, and are replaced and deleted";
            value.invalid(rule, "give the branch another name");
            return None;
        }
        Some(branch)
    });
    let branches = fields.get("branches").map(Value::items).unwrap_or_default();
    let branches = branches.iter().filter_map(|value| value.glob(str::parse)).collect();
    let also = fields.get("also").map(Value::items).unwrap_or_default();
    let also = also.iter().filter_map(|value| remote_url(value, false)).collect();
    let discover = match fields.get("discover") {
        Some(value) => value.path_globs(),
        None => ["**/*.yaml", "**/*.yml"].iter().filter_map(|glob| glob.parse().ok()).collect(),
    };
    let (credentials, access) = access(&fields, url.as_ref());
    let origin = url.as_ref().map(|url| Origin { url, credentials: credentials.as_ref(), access: &access });
    let forge = origin.map(|origin| forges::of_repository(&fields, &origin, known));
    let pull_requests = fields.get("pull_requests").map(pull_limits).unwrap_or_default();
    let history = fields.get("history").map(history).unwrap_or_default();
    let may_write = fields.get("may_write").map(Value::path_globs).unwrap_or_default();
    Some(RepositorySettings {
        name: name?,
        url: url?,
        branch: branch.unwrap_or_default(),
        branches,
        also,
        discover,
        credentials,
        access,
        forge: forge??,
        pull_requests,
        may_write,
        history,
        clusters: fields.get("clusters").map(Value::path_globs).unwrap_or_default(),
        schedule: fields.get("schedule").and_then(schedule),
        line: value.line,
    })
}

pub(super) fn name(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    if text.len() <= 100 && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(legal) {
        return Some(text.to_owned());
    }
    let rule = "it is up to 100 letters, digits and . _ - and starts with a letter or a digit";
    value.invalid(rule, "give a short name");
    None
}

/// The message never holds the text: it may hold a password.
fn remote_url(value: &Value<'_>, connects: bool) -> Option<RemoteUrl> {
    let text = value.text()?;
    let hint = "write it as `git clone` takes it, without a password";
    let url: RemoteUrl = match text.parse() {
        Ok(url) => url,
        Err(rule) => {
            value.error("config/invalid-value", format!("is no URL of a remote: {rule}"), hint);
            return None;
        }
    };
    if connects && url.user().is_some() && matches!(url.transport(), Transport::Http | Transport::Https) {
        let hint = "leave out what stands before the @, and give it by reference in `credentials`";
        value.error("config/secret", "holds a user, which may be a token", hint);
        return None;
    }
    if connects && url.transport() == Transport::Http && !url.host().is_some_and(is_loopback) {
        let message = "is plain http:// to another machine: everybody on the way could change what is deployed";
        value.error("config/invalid-value", message, "use https://, with `ca` if the authority is your own");
        return None;
    }
    Some(url)
}

fn history(value: &Value<'_>) -> HistorySettings {
    let fields = value.fields(&keys::HISTORY);
    let count = |name| fields.get(name).and_then(Value::count);
    HistorySettings { commits: count("commits"), days: count("days") }
}

pub(super) fn registry(value: &Value<'_>, base: &Limits) -> Option<RegistrySettings> {
    let fields = value.fields(&keys::REGISTRY);
    let host = fields.get("host").and_then(host);
    let insecure = fields.written("insecure").and_then(Value::boolean).unwrap_or(false);
    let api_url = fields.get("api_url").map(|value| service_url(value, insecure));
    let credentials = fields.get("credentials").map(|value| (value, credentials(value)));
    if let Some((value, _)) = credentials.as_ref().filter(|_| insecure) {
        warn_plain(value, host.as_deref());
    }
    let ca = fields.get("ca").and_then(|value| {
        if insecure {
            let message = "is there, and `insecure: true` means plain HTTP, which has no certificates";
            value.error("config/invalid-value", message, "remove one of them; to trust an own authority, keep `ca`");
            return path(value);
        }
        authorities(value)
    });
    let requests_per_second = fields.get("requests_per_second").and_then(rate);
    let requests_per_cycle = fields.get("requests_per_cycle").and_then(|value| {
        let number = value.text()?.parse().ok().filter(|number| *number >= 2);
        if number.is_none() {
            value.invalid("it is a whole number from 2", "leave the key out for no limit");
        }
        number
    });
    let concurrency = fields.get("concurrency").and_then(|value| {
        let number = usize::try_from(value.count()?).ok().filter(|number| *number <= MOST_AT_ONCE);
        if number.is_none() {
            value.invalid("it is a whole number from 1 to 256", "leave the key out for the default");
        }
        number
    });
    Some(RegistrySettings {
        host: host?,
        api_url: api_url.unwrap_or_default(),
        insecure,
        credentials: credentials.and_then(|(_, read)| read),
        ca,
        ca_data: None,
        token_service: fields.get("token_service").and_then(|value| service_url(value, insecure)),
        requests_per_second,
        requests_per_cycle,
        concurrency,
        limits: fields.get("limits").map(|value| limits(value, base)),
        schedule: fields.get("schedule").and_then(schedule),
        line: value.line,
    })
}

/// Requests per second.
pub(super) fn rate(value: &Value<'_>) -> Option<f64> {
    let number: Option<f64> = value.text()?.parse().ok();
    let number = number.filter(|number| (LEAST_REQUESTS_PER_SECOND..=MOST_REQUESTS_PER_SECOND).contains(number));
    if number.is_none() {
        value.invalid("it is a number from 0.001 to 1000", "leave the key out for the default");
    }
    number
}

/// The host as image names give it, so that the two can be compared.
pub(super) fn host(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let hint = "write the part of the image names before the first /, such as `ghcr.io` or `127.0.0.1:5000`";
    if text.contains("://") {
        value.invalid("it is a host without a scheme", format!("{hint}; `insecure: true` means http"));
        return None;
    }
    if let Some((host, _)) = text.split_once('/') {
        let hint = format!("write `host: {host}`");
        value.error("unsupported/prefix", "is a prefix with a path, and this build reads hosts only", hint);
        return None;
    }
    match format!("{text}/x/x").parse::<ImageName>() {
        Ok(name) if name.repository() == "x/x" => Some(name.registry().to_owned()),
        Ok(_) => {
            let rule = "in an image name, a first part without `.` or `:` is no host but for localhost";
            value.invalid(rule, format!("use the name with its port, such as `{text}:5000`, in image names too"));
            None
        }
        Err(error) => {
            value.invalid(error.rule, hint);
            None
        }
    }
}

/// Reads the URL of an API, or of a token service.
fn service_url(value: &Value<'_>, insecure: bool) -> Option<url::Url> {
    let text = value.text()?;
    let hint = "write where it is, such as `https://registry.example.com`; an API without /v2/";
    let fail = |rule: &str| value.error("config/invalid-value", format!("is no URL of a service: {rule}"), hint);
    let url = match url::Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            fail(&error.to_string());
            return None;
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "leave out what stands before the @, and give it by reference in `credentials`";
        value.error("config/secret", "holds a user or a password", hint);
    } else if url.query().is_some() || url.fragment().is_some() {
        fail("it has no query and no fragment");
    } else {
        match (url.scheme(), insecure) {
            ("https", false) | ("http", true) => return Some(url),
            ("http", false) => fail("http:// needs `insecure: true`"),
            ("https", true) => fail("https:// contradicts `insecure: true`"),
            _ => fail("it starts with https://, or with http:// where `insecure: true` is set"),
        }
    }
    None
}
