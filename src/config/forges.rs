//! The entries of `forges`, and `forge` and `pull_requests` of a repository.
//!
//! What a repository does not say of its forge is that of its entry in `forges`. What proves who asks is for one place: a
//! forge gets the repository's own credentials only if it is on the same host, and those of an entry only at its own API.
//! No message here holds a value of a secret.

mod place;

use std::collections::{BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::RsaKeyPair;
use url::Url;

use crate::config::access::{authorities, private_key, secret};
pub(super) use crate::config::forges::place::root_of;
use crate::config::forges::place::{
    api_url, holds, is_below, is_own_api, is_same_host, kind_of, parts, project_of, web_url_of, without_slash,
};
use crate::config::git_access::{client_certificate, proxy};
use crate::config::keys;
use crate::config::reader::{Fields, Value};
use crate::config::remotes::rate;
use crate::config::settings::{AccessSettings, Credentials, ForgeCredentials, ForgeSettings, RepositoryForgeSettings};
use crate::http::is_loopback;
use crate::model::forge::{self, CommitsBy, ForgeKind, Project, PullLimits, RebaseWhen};
use crate::model::remote_url::RemoteUrl;

/// The words for each kind.
const KINDS: [(&str, ForgeKind); 4] = [
    ("github", ForgeKind::GitHub),
    ("gitlab", ForgeKind::GitLab),
    ("gitea", ForgeKind::Gitea),
    ("forgejo", ForgeKind::Gitea),
];

/// The entries of `forges`, those that were readable.
pub(super) struct Known<'k> {
    pub(super) forges: Vec<&'k ForgeSettings>,
    /// Each entry was readable: what is missing is missing.
    pub(super) is_complete: bool,
}

/// What stands at one place; none of a key that is not there.
#[derive(Default)]
struct Written {
    url: Option<Url>,
    kind: Option<ForgeKind>,
    api_url: Option<Url>,
    credentials: Option<ForgeCredentials>,
    access: AccessSettings,
    requests_per_second: Option<f64>,
    /// Everything that was written could be read.
    is_whole: bool,
}

/// The repository that a forge is for.
pub(super) struct Origin<'o> {
    pub(super) url: &'o RemoteUrl,
    pub(super) credentials: Option<&'o Credentials>,
    pub(super) access: &'o AccessSettings,
}

/// Reads all entries of `forges` and reports doubles.
pub(super) fn forges<'v>(items: &'v [Value<'v>]) -> Vec<(&'v Value<'v>, Option<ForgeSettings>)> {
    let read: Vec<_> = items.iter().map(|value| (value, entry(value))).collect();
    let mut urls = HashMap::new();
    for (value, forge) in read.iter().filter_map(|(value, read)| Some((value, read.as_ref()?))) {
        let url = forge.url.as_str().trim_end_matches('/').to_ascii_lowercase();
        if let Some(line) = urls.insert(url, value.line) {
            let message = format!("has the URL of the entry in line {line}");
            value.error("config/duplicate", message, "keep one of them");
        }
    }
    read
}

fn entry(value: &Value<'_>) -> Option<ForgeSettings> {
    let fields = value.fields(&keys::FORGE);
    let written = written(&fields);
    // What is missing was reported.
    let url = written.url.clone()?;
    assemble(value, written, url, None, None)
}

/// Reads `forge` of a repository, or takes what `forges` says of it. The inner none = it has no forge; the outer one =
/// what is written cannot be used, which was reported.
pub(super) fn of_repository(
    fields: &Fields<'_>,
    origin: &Origin<'_>,
    known: &Known<'_>,
) -> Option<Option<RepositoryForgeSettings>> {
    let Some(value) = fields.get("forge") else {
        return Some(implied(fields.whole(), origin, known));
    };
    let fields = value.fields(&keys::REPOSITORY_FORGE);
    let written = written(&fields);
    let commits = match fields.get("commits").map(|value| value.word(&["git", "api"])) {
        None | Some(Some("git")) => CommitsBy::Git,
        Some(_) => CommitsBy::Api,
    };
    let project = fields.get("project").map(|value| (value, project(value)));
    if !written.is_whole {
        return None;
    }
    let base = match &written.url {
        Some(url) => longest(known, |entry| is_below(url, &entry.url)),
        None => longest(known, |entry| holds(&entry.url, origin.url)),
    };
    let url = written.url.clone().or_else(|| base.map(|base| base.url.clone())).or_else(|| web_url_of(origin.url));
    let Some(url) = url else {
        let hint = "add `url`: where people read the repository, such as https://git.example.com";
        value.error("config/missing-key", "has no `url`, and that of the repository names no host", hint);
        return None;
    };
    if base.is_none() && !known.is_complete && written.kind.is_none() && kind_of(&url).is_none() {
        return None;
    }
    let forge = assemble(value, written, url, base, Some(origin))?;
    let project = match project {
        Some((_, read)) => read?,
        None => match project_of(origin.url, &forge) {
            Some(project) => project,
            None => {
                let message = "has no `project`, and the URL of the repository ends in no owner/name";
                value.error("config/missing-key", message, "add `project: owner/name`");
                return None;
            }
        },
    };
    if forge.credentials.is_none() {
        let message = "has no credentials, and nobody may open pull requests without";
        let hint = "add `credentials: {token: {env: NAME}}`, here or to its entry of `forges`";
        value.error("config/missing-key", message, hint);
        return None;
    }
    Some(Some(RepositoryForgeSettings { forge, project, commits }))
}

/// What `forges` says of a repository that says nothing itself. One that is for reading alone is none.
fn implied(value: &Value<'_>, origin: &Origin<'_>, known: &Known<'_>) -> Option<RepositoryForgeSettings> {
    let base = longest(known, |entry| holds(&entry.url, origin.url))?;
    let written = Written { is_whole: true, ..Written::default() };
    let forge = assemble(value, written, base.url.clone(), Some(base), Some(origin))?;
    let project = project_of(origin.url, &forge)?;
    forge.credentials.as_ref()?;
    Some(RepositoryForgeSettings { forge, project, commits: CommitsBy::Git })
}

/// Reads `pull_requests` of a repository.
pub(super) fn pull_limits(value: &Value<'_>) -> PullLimits {
    let fields = value.fields(&keys::PULL_REQUESTS);
    let count = |name| fields.get(name).and_then(Value::count);
    let rebase = match fields.get("rebase").and_then(|value| value.word(&["always", "conflict"])) {
        Some("conflict") => RebaseWhen::Conflict,
        _ => RebaseWhen::Always,
    };
    PullLimits { max_open: count("max_open"), max_new_per_hour: count("max_new_per_hour"), rebase }
}

/// Reads a list of logins, in lower case.
pub(super) fn logins(value: &Value<'_>) -> BTreeSet<String> {
    let items = value.items();
    let read = items.iter().filter_map(|item| {
        let login = forge::login(item.text()?);
        login.map_err(|rule| item.invalid(rule, "write it as the forge shows it, such as `renovate[bot]`")).ok()
    });
    read.map(|login| login.to_lowercase()).collect()
}

fn written(fields: &Fields<'_>) -> Written {
    let mut is_whole = fields.is_clean;
    let url = read(fields, "url", &mut is_whole, |value| service(value, "where people read it"));
    let kind = read(fields, "kind", &mut is_whole, |value| {
        let word = value.word(&KINDS.map(|(word, _)| word))?;
        KINDS.iter().find(|(known, _)| *known == word).map(|(_, kind)| *kind)
    });
    let api_url = read(fields, "api_url", &mut is_whole, |value| service(value, "where its API is"));
    let credentials = read(fields, "credentials", &mut is_whole, credentials);
    let access = AccessSettings {
        known_hosts: None,
        ca: read(fields, "ca", &mut is_whole, authorities),
        proxy: read(fields, "proxy", &mut is_whole, proxy),
        client_certificate: read(fields, "client_certificate", &mut is_whole, client_certificate),
    };
    let requests_per_second = read(fields, "requests_per_second", &mut is_whole, rate);
    Written { url, kind, api_url, credentials, access, requests_per_second, is_whole }
}

/// Reads the value of a key, if it is there, and notes one that cannot be read.
fn read<T>(
    fields: &Fields<'_>,
    name: &str,
    is_whole: &mut bool,
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> Option<T> {
    let found = fields.get(name).map(read);
    *is_whole &= !matches!(found, Some(None));
    found.flatten()
}

/// Completes what is written with what is known, and says what cannot be known.
fn assemble(
    value: &Value<'_>,
    written: Written,
    url: Url,
    base: Option<&ForgeSettings>,
    origin: Option<&Origin<'_>>,
) -> Option<ForgeSettings> {
    if !written.is_whole {
        return None;
    }
    let kind = written.kind.or_else(|| base.map(|base| base.kind)).or_else(|| kind_of(&url));
    let Some(kind) = kind else {
        let host = url.host_str().unwrap_or_default();
        let message = format!("has no `kind`, and what `{host}` is cannot be seen from its name");
        value.error("config/missing-key", message, "add `kind`: github, gitlab, gitea or forgejo");
        return None;
    };
    let api_url = written.api_url.or_else(|| base.map(|base| base.api_url.clone())).or_else(|| api_url(kind, &url));
    let api_url = api_url?;
    let inherited = base.filter(|base| base.api_url.origin() == api_url.origin());
    // A key for ssh is for ssh.
    let own = origin.filter(|origin| is_same_host(origin.url, &url) && is_own_api(&url, &api_url));
    let credentials = written
        .credentials
        .or_else(|| inherited.and_then(|base| base.credentials.clone()))
        .or_else(|| own.and_then(|own| own.credentials.cloned()).map(ForgeCredentials::Fixed));
    if credentials.is_none()
        && let Some(other) = base.filter(|base| base.credentials.is_some())
    {
        let message = format!(
            "has another `api_url` than its entry of `forges`, whose credentials go to {} alone",
            other.api_url
        );
        value.error("config/invalid-value", message, "give `credentials` for it");
        return None;
    }
    if matches!(credentials, Some(ForgeCredentials::App { .. })) && kind != ForgeKind::GitHub {
        let message = format!("has the credentials of a GitHub App, and it is a {}", kind.title());
        value.error("config/invalid-value", message, "give `token`");
        return None;
    }
    let mut access = written.access;
    for other in [inherited.map(|base| &base.access), own.map(|own| own.access)].into_iter().flatten() {
        access.ca = access.ca.or_else(|| other.ca.clone());
        access.proxy = access.proxy.or_else(|| other.proxy.clone());
        access.client_certificate = access.client_certificate.or_else(|| other.client_certificate.clone());
    }
    let requests_per_second = written.requests_per_second.or(inherited.and_then(|base| base.requests_per_second));
    Some(ForgeSettings { url, kind, api_url, credentials, access, requests_per_second, line: value.line })
}

fn credentials(value: &Value<'_>) -> Option<ForgeCredentials> {
    let hint = "give `token`, or `app` with `id` and `key`";
    let fields = value.fields(&keys::FORGE_CREDENTIALS);
    if !fields.is_clean {
        return None;
    }
    match (fields.get("token"), fields.get("app")) {
        (Some(value), None) => Some(ForgeCredentials::Fixed(Credentials::Token(secret(value)?))),
        (None, Some(value)) => app(value),
        (Some(_), Some(_)) => {
            fields.whole().error("config/invalid-value", "has a token beside an App", hint);
            None
        }
        (None, None) => {
            fields.whole().error("config/missing-key", "is empty", hint);
            None
        }
    }
}

fn app(value: &Value<'_>) -> Option<ForgeCredentials> {
    let fields = value.fields(&keys::FORGE_APP);
    let id = fields.get("id").and_then(|value| {
        let id = value.text()?;
        let is_known = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
        if id.is_empty() || id.len() > 100 || !id.bytes().all(is_known) {
            let rule = "it is the client id or the number of the App: letters, digits and . _ -";
            value.invalid(rule, "the App's settings on GitHub show it");
            return None;
        }
        Some(id.to_owned())
    });
    let key = fields.get("key").and_then(|value| {
        let key = private_key(value)?;
        if !is_rsa_key(key.expose()) {
            let message = "is no RSA key of 2048 to 8192 bits in PEM form, or is cut or encrypted";
            value.error("config/secret", message, "give the file that GitHub made for the App");
            return None;
        }
        Some(key)
    });
    Some(ForgeCredentials::App { id: id?, key: key? }).filter(|_| fields.is_clean)
}

/// GitHub gives PKCS #1; what openssl makes of it is PKCS #8.
fn is_rsa_key(pem: &str) -> bool {
    let inner = |label: &str| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
    };
    let is_first = |der: Vec<u8>| RsaKeyPair::from_der(&der).is_ok();
    let is_eighth = |der: Vec<u8>| RsaKeyPair::from_pkcs8(&der).is_ok();
    inner("RSA PRIVATE KEY").is_some_and(is_first) || inner("PRIVATE KEY").is_some_and(is_eighth)
}

/// Reads the URL of a page or of an API.
fn service(value: &Value<'_>, what: &str) -> Option<Url> {
    let hint = format!("write {what}, such as `https://git.example.com`");
    let fail = |rule: &str| value.error("config/invalid-value", format!("is no URL of a forge: {rule}"), hint.clone());
    let url = match Url::parse(value.text()?) {
        Ok(url) => url,
        Err(error) => {
            fail(&error.to_string());
            return None;
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        let hint = "leave out what stands before the @, and give it by reference in `credentials`";
        value.error("config/secret", "holds a user or a password", hint);
        return None;
    }
    let is_here = url.host_str().is_some_and(is_loopback);
    match url.scheme() {
        "https" | "http" if url.query().is_some() || url.fragment().is_some() => {
            fail("it has no query and no fragment");
        }
        "http" if !is_here => fail("plain http:// is for this machine only"),
        "https" | "http" => return Some(without_slash(url)),
        _ => fail("it starts with https://"),
    }
    None
}

fn project(value: &Value<'_>) -> Option<Project> {
    let hint = "write it as in the URL of its page, such as `acme/gitops`; on GitLab with all groups";
    value.text()?.parse().map_err(|error| value.invalid(error, hint)).ok()
}

/// Gives the entry with the longest URL of those that are meant.
fn longest<'k>(known: &Known<'k>, is_meant: impl Fn(&ForgeSettings) -> bool) -> Option<&'k ForgeSettings> {
    known.forges.iter().copied().filter(|entry| is_meant(entry)).max_by_key(|entry| parts(entry.url.path()).len())
}
