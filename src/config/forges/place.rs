//! What is seen from URLs of forges and of repositories: what kind, where the API is, which project.
//!
//! Nothing here reads the file.

use url::Url;

use crate::config::settings::ForgeSettings;
use crate::model::forge::{ForgeKind, Project};
use crate::model::remote_url::{RemoteUrl, Transport};

/// Hosts of which everybody knows what they are.
const KNOWN: [(&str, ForgeKind); 4] = [
    ("github.com", ForgeKind::GitHub),
    ("gitlab.com", ForgeKind::GitLab),
    ("gitea.com", ForgeKind::Gitea),
    ("codeberg.org", ForgeKind::Gitea),
];
/// Hosts that serve ssh alone, with the one that people read.
const SSH_HOSTS: [(&str, &str); 2] = [("ssh.github.com", "github.com"), ("altssh.gitlab.com", "gitlab.com")];
/// GitHub Enterprise Cloud with data residency: `acme.ghe.com`, its API at `api.acme.ghe.com`.
const RESIDENCY: &str = ".ghe.com";

/// Tells whether a remote is below a URL, whether it is reached by https or by ssh.
pub(super) fn holds(prefix: &Url, remote: &RemoteUrl) -> bool {
    let is_there = match remote.transport() {
        Transport::Https | Transport::Http => is_same_host(remote, prefix),
        Transport::Ssh => prefix.host_str() == remote.host().map(ssh_host),
        Transport::Local => false,
    };
    is_there && begins(&parts(remote.path()), &parts(prefix.path()))
}

/// Tells whether a URL is at or below another one.
pub(super) fn is_below(url: &Url, prefix: &Url) -> bool {
    url.origin() == prefix.origin() && begins(&parts(url.path()), &parts(prefix.path()))
}

/// Owners have no case on any forge.
fn begins(path: &[&str], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && path.iter().zip(prefix).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

pub(super) fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

/// Tells whether a remote is reached at a URL's scheme, host and port.
pub(super) fn is_same_host(remote: &RemoteUrl, url: &Url) -> bool {
    let scheme = match remote.transport() {
        Transport::Https => "https",
        Transport::Http => "http",
        Transport::Ssh | Transport::Local => return false,
    };
    url.scheme() == scheme && url.host_str() == remote.host() && url.port_or_known_default() == remote.port()
}

/// Tells whether an API belongs to the forge at a URL: at the same place, or where GitHub has it.
pub(super) fn is_own_api(url: &Url, api: &Url) -> bool {
    url.origin() == api.origin() || cloud_api(url).is_some_and(|own| own.origin() == api.origin())
}

pub(super) fn kind_of(url: &Url) -> Option<ForgeKind> {
    let host = url.host_str()?;
    let known = KNOWN.iter().find(|(known, _)| *known == host).map(|(_, kind)| *kind);
    known.or_else(|| host.ends_with(RESIDENCY).then_some(ForgeKind::GitHub))
}

/// Where GitHub's own clouds have their API.
fn cloud_api(url: &Url) -> Option<Url> {
    let host = url.host_str().filter(|host| *host == "github.com" || host.ends_with(RESIDENCY))?;
    Url::parse(&format!("https://api.{host}")).ok()
}

pub(super) fn api_url(kind: ForgeKind, url: &Url) -> Option<Url> {
    let path = match kind {
        ForgeKind::GitHub => {
            if let Some(api) = cloud_api(url) {
                return Some(api);
            }
            "/api/v3"
        }
        ForgeKind::GitLab => "/api/v4",
        ForgeKind::Gitea => "/api/v1",
    };
    let mut api = url.clone();
    api.set_path(path);
    Some(api)
}

/// Gives where people read a remote, as far as its URL shows it.
pub(super) fn web_url_of(remote: &RemoteUrl) -> Option<Url> {
    let host = remote.host()?;
    let port = remote.port().map(|port| format!(":{port}")).unwrap_or_default();
    let text = match remote.transport() {
        Transport::Https => format!("https://{host}{port}"),
        Transport::Http => format!("http://{host}{port}"),
        Transport::Ssh => format!("https://{}", ssh_host(host)),
        Transport::Local => return None,
    };
    Url::parse(&text).ok()
}

fn ssh_host(host: &str) -> &str {
    SSH_HOSTS.iter().find(|(ssh, _)| *ssh == host).map_or(host, |(_, web)| web)
}

/// Gives the root of a forge, which may be below a path: where its API is, without what every API is called.
pub(in crate::config) fn root_of(forge: &ForgeSettings) -> Url {
    let mut root = forge.url.clone();
    let api = forge.api_url.path().trim_end_matches('/');
    let mount = ["/api/v3", "/api/v4", "/api/v1"].iter().find_map(|end| api.strip_suffix(end));
    let is_mounted =
        |mount: &&str| forge.url.origin() == forge.api_url.origin() && begins(&parts(forge.url.path()), &parts(mount));
    root.set_path(mount.filter(is_mounted).unwrap_or_default());
    root
}

/// Gives the project that a remote's URL names, below the forge's root.
pub(super) fn project_of(remote: &RemoteUrl, forge: &ForgeSettings) -> Option<Project> {
    if remote.transport() == Transport::Local {
        return None;
    }
    let root = root_of(forge);
    let path = remote.path().trim_matches('/').trim_end_matches(".git").trim_matches('/');
    let (path, root) = (parts(path), parts(root.path()));
    // Over ssh the path has no such part.
    let below = if remote.transport() != Transport::Ssh && begins(&path, &root) { root.len() } else { 0 };
    path.get(below..)?.join("/").parse().ok()
}

pub(super) fn without_slash(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    url
}
