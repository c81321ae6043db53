//! Which URL a registry may send us to (SECURITY row 2).
//!
//! - The next page and a redirect stay at scheme, host and port of the API. The exceptions are written down per public
//!   registry ([`super::public`]) and are followed without credentials.
//! - A blob may also be fetched from the storage of a public cloud or the content network of a public registry, over
//!   https at its own port and without credentials: whoever answers there, its bytes must have the digest that was asked
//!   for. No such name can mean a machine of a private network.
//! - A token realm is https, or http if the realm is the registry's own host and that is `insecure` or this machine. It is the
//!   registry's own host (any port), or has a name that belongs to the same family: the realm is the parent of the
//!   registry's name or a name below that parent. The parent has two labels at least, and three if the last two are such
//!   as `co.uk`. Addresses and single names such as `localhost` have no family, and neither have names under a domain that
//!   gives one to each of its customers ([`RENTED`]). Any other token service must be named by the operator.

use url::Host;
use url::Url;

use crate::http;

/// Tells whether two URLs have the same scheme, host and port.
pub(crate) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && host(a) == host(b) && a.port_or_known_default() == b.port_or_known_default()
}

/// Ends of the names of hosts that keep blobs for registries: object stores, and content networks of public registries.
const STORAGE: &[&str] = &[
    ".blob.core.windows.net",
    ".cloudfront.net",
    ".data.mcr.microsoft.com",
    ".digitaloceanspaces.com",
    ".r2.cloudflarestorage.com",
    "cdn.quay.io",
    "cdn01.quay.io",
    "cdn02.quay.io",
    "cdn03.quay.io",
    "cdn.registry.gitlab-static.net",
    "pkg-containers.githubusercontent.com",
    "production.cloudflare.docker.com",
    "production.cloudfront.docker.com",
    "storage.googleapis.com",
];

/// Domains under which every customer of a cloud gets a name: next to a registry there stand strangers. Registries that
/// are rented there have their token service at their own host.
const RENTED: &[&str] = &[
    "amazonaws.com",
    "amazonaws.com.cn",
    "appspot.com",
    "azure-api.net",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "azurewebsites.net",
    "cloudapp.azure.com",
    "cloudapp.net",
    "cloudflarestorage.com",
    "cloudfront.net",
    "core.windows.net",
    "digitaloceanspaces.com",
    "duckdns.org",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "jfrog.io",
    "netlify.app",
    "ngrok.app",
    "ngrok.dev",
    "ngrok.io",
    "ngrok-free.app",
    "ngrok-free.dev",
    "nip.io",
    "on.aws",
    "ondigitalocean.app",
    "onrender.com",
    "pages.dev",
    "pkg.dev",
    "run.app",
    "sslip.io",
    "trafficmanager.net",
    "vercel.app",
    "workers.dev",
];

/// Tells whether a URL leads to a storage of blobs.
pub(crate) fn is_storage(url: &Url) -> bool {
    let (Some(Host::Domain(_)), Some(host)) = (url.host(), host(url)) else { return false };
    let is_known = |end: &&str| host.strip_suffix(*end).is_some_and(|rest| end.starts_with('.') != rest.is_empty());
    // S3 has its region in the name: `<bucket>.s3.eu-west-1.amazonaws.com`, `s3.amazonaws.com`, `s3-accelerate`. Its
    // endpoints in private networks (`vpce`) are named there too.
    let is_s3 = host.strip_suffix(".amazonaws.com").is_some_and(|rest| {
        let has = |wanted: &[&str]| rest.split('.').any(|label| wanted.contains(&label));
        has(&["s3", "s3-accelerate"]) && !has(&["vpce", "elb"])
    });
    url.scheme() == "https" && url.port().is_none() && (is_s3 || STORAGE.iter().any(is_known))
}

/// A registry, as far as it says which realm is its own.
pub(crate) struct Registry<'a> {
    /// Where its API is.
    pub(crate) api: &'a Url,
    /// The host in image names.
    pub(crate) name: &'a str,
    /// It speaks plain HTTP.
    pub(crate) is_insecure: bool,
    /// The token service that the operator named.
    pub(crate) token_service: Option<&'a Url>,
}

/// Checks the realm of a Bearer challenge against what is known of the registry.
///
/// # Errors
/// The rule that the realm breaks.
pub(crate) fn check_realm(realm: &Url, registry: &Registry<'_>) -> Result<(), &'static str> {
    if !realm.username().is_empty() || realm.password().is_some() {
        return Err("a realm holds no user and no password");
    }
    let realm_host = host(realm).ok_or("a realm has a host")?;
    if registry.token_service.is_some_and(|service| same_origin(realm, service)) {
        return Ok(());
    }
    let api = registry.api;
    let api_host = host(api).unwrap_or_default();
    let name = registry.name.rsplit_once(':').map_or(registry.name, |(host, _)| host).to_ascii_lowercase();
    let own_host = realm_host == api_host || realm_host == name;
    // What goes to the same address of this machine crosses no network.
    let is_here = realm_host == api_host && http::is_loopback(&realm_host);
    match realm.scheme() {
        "https" => {}
        "http" if own_host && (registry.is_insecure || is_here) => {}
        "http" => return Err("a realm is https, or http at the host of a registry that is `insecure`"),
        _ => return Err("a realm is an https URL"),
    }
    if own_host {
        return Ok(());
    }
    if !matches!(realm.host(), Some(Host::Domain(_))) {
        return Err("a realm at an address is allowed only if the registry is configured with that address");
    }
    let is_family = |own: &str| family(own).is_some_and(|parent| is_within(&realm_host, parent));
    if is_family(&name) || (matches!(api.host(), Some(Host::Domain(_))) && is_family(&api_host)) {
        Ok(())
    } else {
        Err("a realm is at the registry's host or under the domain above it")
    }
}

/// Shows where a URL leads: scheme, host and port; never user, path or query, which may hold secrets.
pub(crate) fn place(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}", url.scheme(), url.host_str().unwrap_or_default())
}

/// Gives the domain above a name, if it is one that a registry may share with its token service.
fn family(name: &str) -> Option<&str> {
    if name.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let (_, parent) = name.split_once('.')?;
    let labels: Vec<&str> = parent.split('.').collect();
    let enough = match labels.as_slice() {
        [second, top] => !is_shared_suffix(second, top),
        more => more.len() > 2,
    };
    let is_rented = RENTED.iter().any(|domain| is_within(parent, domain));
    (enough && !is_rented).then_some(parent)
}

/// Tells whether `second.top` is sold to everybody, such as `co.uk` and `com.au`: two letters under which names of at
/// most three letters stand. `k8s.io` counts too; being too strict costs a registry its realm, never a secret.
fn is_shared_suffix(second: &str, top: &str) -> bool {
    top.len() == 2 && second.len() <= 3
}

fn is_within(host: &str, parent: &str) -> bool {
    host == parent || host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}

fn host(url: &Url) -> Option<String> {
    url.host_str().map(|host| host.trim_end_matches('.').to_ascii_lowercase()).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn realm(realm: &str, api: &str, name: &str, service: Option<&str>) -> bool {
        let (api, service): (Url, Option<Url>) = (api.parse().unwrap(), service.map(|url| url.parse().unwrap()));
        let is_insecure = api.scheme() == "http";
        let registry = Registry { api: &api, name, is_insecure, token_service: service.as_ref() };
        check_realm(&realm.parse().unwrap(), &registry).is_ok()
    }

    #[test]
    fn a_token_service_that_the_operator_named_is_believed_at_its_own_origin() {
        let named = Some("https://sso.other.example:8443");
        for (url, expected) in [
            ("https://sso.other.example:8443/token", true),
            ("https://sso.other.example/token", false),
            ("http://sso.other.example:8443/token", false),
            ("https://u:p@sso.other.example:8443/token", false),
            ("https://evil.example/token", false),
            ("https://registry.corp.example/token", true),
        ] {
            assert_eq!(realm(url, "https://registry.corp.example", "registry.corp.example", named), expected, "{url}");
        }
    }

    #[test]
    fn a_realm_is_at_the_registry_or_in_its_domain() {
        let hub = ("https://registry-1.docker.io", "docker.io");
        for (url, (api, name), expected) in [
            ("https://auth.docker.io/token", hub, true),
            ("https://docker.io/token", hub, true),
            ("http://auth.docker.io/token", hub, false),
            ("https://auth.docker.io.evil.com/token", hub, false),
            ("https://evildocker.io/token", hub, false),
            ("https://auth.docker.io@evil.com/token", hub, false),
            ("https://user:x@auth.docker.io/token", hub, false),
            ("https://169.254.169.254/latest", hub, false),
            ("https://2852039166/latest", hub, false),
            ("https://[::ffff:169.254.169.254]/", hub, false),
            ("https://localhost/token", hub, false),
            ("https://metadata/token", hub, false),
            ("file:///etc/passwd", hub, false),
            ("https://ghcr.io/token", ("https://ghcr.io", "ghcr.io"), true),
            ("https://GHCR.io./token", ("https://ghcr.io", "ghcr.io"), true),
            ("https://evil.io/token", ("https://ghcr.io", "ghcr.io"), false),
            ("https://io/token", ("https://ghcr.io", "ghcr.io"), false),
            ("https://gitlab.com/jwt/auth", ("https://registry.gitlab.com", "registry.gitlab.com"), true),
            ("https://git.corp.example:8443/jwt", ("https://git.corp.example:5050", "git.corp.example:5050"), true),
            ("https://evil.co.uk/t", ("https://registry.co.uk", "registry.co.uk"), false),
            ("https://auth.acme.co.uk/t", ("https://registry.acme.co.uk", "registry.acme.co.uk"), true),
            ("http://127.0.0.1:5001/token", ("http://127.0.0.1:5000", "127.0.0.1:5000"), true),
            ("http://127.0.0.2:5001/token", ("http://127.0.0.1:5000", "127.0.0.1:5000"), false),
            ("http://127.0.0.1:5001/token", ("https://127.0.0.1:5000", "127.0.0.1:5000"), true),
            ("http://10.0.0.1:5001/token", ("https://10.0.0.1:5000", "10.0.0.1:5000"), false),
            ("https://1.0.0.1/token", ("http://127.0.0.1:5000", "127.0.0.1:5000"), false),
            ("https://x.0.0.1.example.com/", ("http://127.0.0.1:5000", "127.0.0.1:5000"), false),
            ("http://auth.corp.example/token", ("http://registry.corp.example", "registry.corp.example"), false),
            // Anybody may have the name next to it.
            ("https://evil.azurecr.io/oauth2/token", ("https://acme.azurecr.io", "acme.azurecr.io"), false),
            ("https://acme.azurecr.io/oauth2/token", ("https://acme.azurecr.io", "acme.azurecr.io"), true),
            ("https://azurecr.io/oauth2/token", ("https://acme.azurecr.io", "acme.azurecr.io"), false),
            ("https://acme.azurecr.io/oauth2/token", ("https://acme.azurecr.io", "hub.corp.example"), true),
            ("https://auth.corp.example/token", ("https://acme.azurecr.io", "hub.corp.example"), true),
            (
                "https://2.dkr.ecr.eu-west-1.amazonaws.com/",
                ("https://1.dkr.ecr.eu-west-1.amazonaws.com", "1.dkr.ecr.eu-west-1.amazonaws.com"),
                false,
            ),
            (
                "https://evil.eu-west-1.elb.amazonaws.com/",
                ("https://hub.eu-west-1.elb.amazonaws.com", "hub.eu-west-1.elb.amazonaws.com"),
                false,
            ),
            ("https://evil-docker.pkg.dev/t", ("https://europe-docker.pkg.dev", "europe-docker.pkg.dev"), false),
            ("https://evil.jfrog.io/t", ("https://acme.jfrog.io", "acme.jfrog.io"), false),
            ("https://evil.azurewebsites.net/t", ("https://hub.azurewebsites.net", "hub.azurewebsites.net"), false),
        ] {
            assert_eq!(realm(url, api, name, None), expected, "{url} for {name}");
        }
    }

    #[test]
    fn a_storage_of_blobs_is_a_public_one_over_https() {
        for (url, expected) in [
            ("https://prod-bucket.s3.eu-west-1.amazonaws.com/x", true),
            ("https://prod-bucket.s3.amazonaws.com/x", true),
            ("https://s3.dualstack.us-east-1.amazonaws.com/x", true),
            ("https://internal-lb.elb.amazonaws.com/x", false),
            ("https://s3.internal-lb.eu-west-1.elb.amazonaws.com/x", false),
            ("https://bucket.vpce-0a1b-c2d3.s3.eu-west-1.vpce.amazonaws.com/x", false),
            ("https://s3.amazonaws.com.evil.example/x", false),
            ("https://acme.blob.core.windows.net/x", true),
            ("https://blob.core.windows.net/x", false),
            ("https://storage.googleapis.com/x", true),
            ("https://evilstorage.googleapis.com/x", false),
            ("https://pkg-containers.githubusercontent.com/x", true),
            ("https://raw.githubusercontent.com/x", false),
            ("http://storage.googleapis.com/x", false),
            ("https://storage.googleapis.com:8443/x", false),
            ("https://169.254.169.254/x", false),
            ("https://minio.corp.example/x", false),
        ] {
            assert_eq!(is_storage(&url.parse().unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn a_place_shows_neither_password_nor_query() {
        let url: Url = "https://user:hunter2@evil.com:8443/hunter2?hunter2#hunter2".parse().unwrap();
        assert_eq!(place(&url), "https://evil.com:8443");
    }
}
