//! Settings of registries, and their check.

use std::time::Duration;

use url::Url;

use crate::credentials::Credentials;
use crate::http;
use crate::http::ClientOptions;
use crate::model::names::ImageName;
use crate::registry::error::RegistryError;
use crate::registry::login::Login;
use crate::registry::public;

/// All registries that may be asked besides the public ones, and what an answer may cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// The configured registries; each host once.
    pub registries: Vec<RegistryOptions>,
    /// Other credentials for some of them, used only for images that name them.
    pub pull_secrets: Vec<PullSecretOptions>,
    /// Where the credentials of public registries come from that are not configured.
    pub login: Login,
    /// Limits for each of them.
    pub limits: Limits,
}

/// Credentials that are used for images that name them ([`ImageName::pull_secret`]).
#[derive(Clone, Debug, PartialEq)]
pub struct PullSecretOptions {
    /// Their name.
    pub name: String,
    /// The hosts, as in image names, to which they are sent.
    pub registries: Vec<String>,
    /// Where the credentials come from.
    pub login: Login,
}

/// One configured registry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistryOptions {
    /// The host as it stands in image names, with its port: `ghcr.io`, `127.0.0.1:5000`.
    pub host: String,
    /// Where its API is, without `/v2`; default `https://<host>`, or `http://<host>` if `insecure`.
    pub api_url: Option<Url>,
    /// Plain HTTP is spoken. Certificates are verified wherever TLS is, whatever stands here.
    pub insecure: bool,
    /// More certificate authorities for this registry, PEM.
    pub ca: Option<Vec<u8>>,
    /// Where the credentials come from. They are sent to scheme, host and port of the API, and to its token service.
    pub login: Login,
    /// Where its token service is, if that does not belong to the registry's own domain: scheme, host and port count.
    pub token_service: Option<Url>,
    /// At most so many requests start in a second; default no limit.
    pub requests_per_second: Option<f64>,
    /// At most so many requests are under way at once; default [`CONCURRENCY`].
    pub concurrency: Option<usize>,
    /// At most so many requests are sent in one cycle; default no limit.
    pub requests_per_cycle: Option<u64>,
    /// Limits for this registry instead of those for all.
    pub limits: Option<Limits>,
}

/// Requests under way at one registry, unless its settings say otherwise.
pub const CONCURRENCY: usize = 8;
/// The most that settings may allow.
const MAX_CONCURRENCY: usize = 256;

/// What one answer may cost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Tags asked for per page. Registries may ignore it.
    pub page_size: u32,
    /// Bytes of one page, decompressed.
    pub bytes_per_page: usize,
    /// Bytes of one manifest, decompressed.
    pub bytes_per_manifest: usize,
    /// Pages of one listing.
    pub pages: usize,
    /// Tags of one listing.
    pub tags: usize,
    /// Time for one listing without waiting for the rate limit.
    pub listing_time: Duration,
    /// Time for one request, its body included.
    pub request_timeout: Duration,
    /// Time to connect, TLS included.
    pub connect_timeout: Duration,
    /// How long a registry is left alone after its first 429 or 503 that says no time; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause that a question waits for; longer ones fail it for this cycle.
    pub longest_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            page_size: 1000,
            bytes_per_page: 8 * 1024 * 1024,
            bytes_per_manifest: 4 * 1024 * 1024,
            pages: 500,
            tags: 200_000,
            listing_time: Duration::from_secs(120),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// The checked settings of one registry.
pub(crate) struct Checked {
    /// The host in image names.
    pub(crate) name: String,
    /// Where the API is, without `/v2` and trailing slash.
    pub(crate) api: Url,
    pub(crate) login: Login,
    /// Where its token service is, if the operator says so.
    pub(crate) token_service: Option<Url>,
    pub(crate) client: ClientOptions,
    /// Time between the starts of two requests.
    pub(crate) interval: Option<Duration>,
    pub(crate) concurrency: usize,
    pub(crate) requests_per_cycle: Option<u64>,
    pub(crate) redirects_to: &'static [&'static str],
}

impl RegistryOptions {
    /// Checks the settings.
    ///
    /// # Errors
    /// `Settings` with the rule that is broken.
    pub(crate) fn check(self, limits: &Limits) -> Result<Checked, RegistryError> {
        // What stands before an `@` may be a password that was put in the wrong place.
        let shown = self.host.rsplit('@').next().unwrap_or_default();
        let registry: String = shown.chars().filter(|c| !c.is_control()).take(140).collect();
        let fail = |rule: &str| RegistryError::Settings { registry: registry.clone(), rule: rule.to_owned() };
        let image: ImageName = format!("{}/x", self.host)
            .parse()
            .map_err(|_| fail("`host` is a host name as in image names, with its port, without scheme and path"))?;
        // Without a dot or a port the text would be read as a part of a name at Docker Hub.
        if image.repository() != "x" && image.repository() != "library/x" {
            return Err(fail(
                "`host` holds a dot or a port, or is `localhost`; an image name cannot mean it otherwise",
            ));
        }
        let name = image.registry().to_owned();
        let public = public::find(&name);
        let api = match &self.api_url {
            Some(url) => api_url(url).map_err(fail)?,
            None => {
                let scheme = if self.insecure { "http" } else { "https" };
                let host = public.map_or(name.as_str(), |public| public.api_host);
                Url::parse(&format!("{scheme}://{host}")).map_err(|_| fail("`host` gives no URL"))?
            }
        };
        if api.scheme() == "http" && !self.insecure {
            return Err(fail("`api_url` is https, or `insecure: true` allows plain HTTP"));
        }
        let interval = match self.requests_per_second {
            None => None,
            Some(rate) if (0.001..=1e6).contains(&rate) => Some(Duration::from_secs_f64(1.0 / rate)),
            Some(_) => return Err(fail("`requests_per_second` is a number from 0.001 to 1000000")),
        };
        let concurrency = self.concurrency.unwrap_or(CONCURRENCY);
        if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            return Err(fail("`concurrency` is a whole number from 1 to 256"));
        }
        if self.requests_per_cycle.is_some_and(|most| most < 2) {
            // One for a list, and one for what it brings about.
            return Err(fail("`requests_per_cycle` is a whole number from 2"));
        }
        let token_service = self.token_service.as_ref().map(|url| token_service(url, self.insecure)).transpose();
        let token_service = token_service.map_err(fail)?;
        if !self.credentials_are_sendable() {
            return Err(fail("`credentials` hold a character that no HTTP header can hold, or a user with a colon"));
        }
        let direct = api.host_str().is_some_and(http::is_loopback);
        let (connect_timeout, total_timeout) = (limits.connect_timeout, limits.request_timeout);
        Ok(Checked {
            name,
            client: ClientOptions {
                connect_timeout,
                total_timeout,
                // On this machine a token service may speak plain HTTP even if the registry does not, see `trust`.
                insecure: self.insecure || direct,
                ca: self.ca,
                direct,
                ..ClientOptions::default()
            },
            redirects_to: if self.api_url.is_none() { public.map_or(&[], |public| public.redirects_to) } else { &[] },
            api,
            login: self.login,
            token_service,
            interval,
            concurrency,
            requests_per_cycle: self.requests_per_cycle,
        })
    }

    fn credentials_are_sendable(&self) -> bool {
        // What a source gives is checked when it gives it.
        match self.login.fixed().unwrap_or(&Credentials::Anonymous) {
            Credentials::Anonymous => true,
            // RFC 7617: the first colon ends the user.
            Credentials::Basic { username, .. } => !username.contains(':'),
            Credentials::Token(token) | Credentials::IdentityToken(token) => {
                token.expose().bytes().all(|c| c.is_ascii_graphic())
            }
            Credentials::SshKey { .. } | Credentials::SshAgent { .. } => false,
        }
    }
}

fn api_url(url: &Url) -> Result<Url, &'static str> {
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("`api_url` is a https URL, or a http URL if `insecure`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`api_url` holds no user and no password; they belong to `credentials`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("`api_url` holds no query and no fragment");
    }
    let mut url = url.clone();
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/v2").unwrap_or(path).trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// A token service is named by its origin; paths come with each challenge.
fn token_service(url: &Url, is_insecure: bool) -> Result<Url, &'static str> {
    let is_known = url.scheme() == "https" || (url.scheme() == "http" && is_insecure);
    if !is_known || url.host_str().is_none() {
        return Err("`token_service` is a https URL, or a http URL if `insecure`");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("`token_service` holds no user and no password; they belong to `credentials`");
    }
    Ok(url.clone())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::secret::Secret;

    type Change = fn(&mut RegistryOptions);

    fn check(change: Change) -> Result<String, String> {
        let mut options = RegistryOptions { host: "registry.example.com".to_owned(), ..RegistryOptions::default() };
        change(&mut options);
        let checked = options.check(&Limits::default()).map_err(|error| error.to_string())?;
        Ok(format!("{} {}", checked.name, checked.api))
    }

    fn url(text: &str) -> Option<Url> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn the_api_is_found_from_the_host_or_from_its_own_setting() {
        let table: &[(&str, Change)] = &[
            ("registry.example.com https://registry.example.com/", |_| ()),
            ("docker.io https://registry-1.docker.io/", |o| o.host = "docker.io".to_owned()),
            ("docker.io https://registry-1.docker.io/", |o| o.host = "index.docker.io".to_owned()),
            ("localhost https://localhost/", |o| o.host = "localhost".to_owned()),
            ("registry.example.com http://registry.example.com/", |o| o.insecure = true),
            ("registry.example.com https://api.example.com:8443/hub", |o| {
                o.api_url = url("https://api.example.com:8443/hub/v2/");
            }),
        ];
        for (expected, change) in table {
            assert_eq!(check(*change).unwrap(), *expected);
        }
    }

    #[test]
    fn settings_that_cannot_be_meant_name_their_rule() {
        let table: &[(&str, Change)] = &[
            ("`host` is a host name", |o| o.host = "https://ghcr.io".to_owned()),
            ("`host` is a host name", |o| o.host = String::new()),
            ("`host` is a host name", |o| o.host = "robot:hunter2@registry.example.com".to_owned()),
            ("`host` holds a dot or a port", |o| o.host = "ghcr.io/acme".to_owned()),
            ("`host` holds a dot or a port", |o| o.host = "registry".to_owned()),
            ("`api_url` is https", |o| o.api_url = url("http://x.example.com")),
            ("`api_url` is a https URL", |o| o.api_url = url("ftp://x.example.com")),
            ("no user", |o| o.api_url = url("https://u:hunter2@x.example.com")),
            ("no query", |o| o.api_url = url("https://x.example.com/?a=hunter2")),
            ("`requests_per_second`", |o| o.requests_per_second = Some(0.0)),
            ("`requests_per_second`", |o| o.requests_per_second = Some(f64::NAN)),
            ("`concurrency`", |o| o.concurrency = Some(0)),
            ("`concurrency`", |o| o.concurrency = Some(257)),
            ("`requests_per_cycle`", |o| o.requests_per_cycle = Some(1)),
            ("`token_service` is a https", |o| o.token_service = url("http://auth.example.com")),
            ("`token_service` holds no user", |o| o.token_service = url("https://u:hunter2@auth.example.com")),
            ("`credentials`", |o| o.login = Credentials::Token(Secret::new("hunter2\n")).into()),
        ];
        for (expected, change) in table {
            let message = check(*change).unwrap_err();
            assert!(message.contains(expected), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}
