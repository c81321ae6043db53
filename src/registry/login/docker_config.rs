//! Docker's `config.json`, podman's `auth.json` and Kubernetes' pull secrets: which entry is meant for a repository.
//!
//! Rules of keys: docker (a host, Docker Hub as `https://index.docker.io/v1/`), containers-auth.json(5) (host and path, the
//! longest wins), Kubernetes ("Images", "Interpretation of config.json": globs in the parts of the host, paths by prefix).
//! A path counts part by part everywhere: `acme` does not mean `acmeevil`.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::credentials::Credentials;
use crate::model::rule::Glob;
use crate::secret::Secret;

/// Whoever writes these files by hand leaves out the padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Names of Docker Hub, all of which have stood in such files.
const HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// A file that was read.
#[derive(Debug, Default)]
pub(super) struct Config {
    auths: Vec<(Key, Entry)>,
    helpers: Vec<(Key, String)>,
    store: Option<String>,
}

/// The key of an entry.
#[derive(Clone, Debug)]
struct Key {
    /// As it is written.
    written: String,
    host: Host,
    /// Without slashes at its ends; empty = the whole registry.
    path: String,
}

#[derive(Clone, Debug)]
enum Host {
    Name(String),
    /// One glob for each part between dots, and the port.
    Parts(Vec<Glob>, Option<String>),
}

/// One entry of `auths`.
#[derive(Debug)]
struct Entry(Result<Option<Credentials>, &'static str>);

/// What a file says about a repository.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Answer<'a> {
    /// The credentials, and the key under which they stand, such as `auths["ghcr.io"]`.
    Entry(&'a Credentials, String),
    /// The entry is meant, and cannot be used.
    Broken(String, &'static str),
    /// A helper has them: its name, what it is asked for, and the key that names it.
    Helper { name: &'a str, server: String, key: String },
    /// Nothing.
    Nothing,
}

impl Config {
    /// Reads a file. One bad entry does not hide the others.
    ///
    /// # Errors
    /// What it is instead, without any of its text.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
            true => "it is JSON that ends too early".to_owned(),
            false => format!("it is no JSON (line {}, column {})", error.line(), error.column()),
        })?;
        let Value::Object(top) = value else { return Err("it is JSON, and no object".to_owned()) };
        let map = |name: &str| match top.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(format!("its `{name}` is no object")),
        };
        let (auths, helpers) = (map("auths")?, map("credHelpers")?);
        let store = top.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty());
        // A `.dockercfg` of old has the entries at its top.
        let is_old = auths.is_none() && helpers.is_none() && store.is_none();
        let entries = if is_old { Some(&top) } else { auths };
        Ok(Self {
            auths: entries.map(|entries| read_entries(entries, is_old)).unwrap_or_default(),
            helpers: helpers
                .into_iter()
                .flatten()
                .filter_map(|(key, name)| Some((Key::new(key)?, name.as_str()?.to_owned())))
                .collect(),
            store: store.map(str::to_owned),
        })
    }

    /// Finds what is meant for a repository of a host as image names have it.
    pub(super) fn find(&self, host: &str, repository: &str) -> Answer<'_> {
        // A helper is named for a host, and stands above everything that the file itself holds.
        let helper = best(&self.helpers, host, "");
        if let Some((key, name)) = helper {
            return Answer::Helper { name, server: server(host), key: format!("credHelpers[\"{}\"]", key.shown()) };
        }
        let filled: Vec<_> = self.auths.iter().filter(|(_, entry)| !matches!(entry.0, Ok(None))).collect();
        if let Some((key, entry)) = best(filled.iter().copied(), host, repository) {
            let shown = format!("auths[\"{}\"]", key.shown());
            return match &entry.0 {
                Ok(Some(credentials)) => Answer::Entry(credentials, shown),
                Ok(None) => Answer::Nothing,
                Err(reason) => Answer::Broken(shown, reason),
            };
        }
        match &self.store {
            // An empty entry is what docker leaves behind: its key is what the store was given.
            Some(name) => {
                let written = best(&self.auths, host, "").map(|(key, _)| key.written.clone());
                let server = written.unwrap_or_else(|| server(host));
                Answer::Helper { name, server, key: "credsStore".to_owned() }
            }
            None => Answer::Nothing,
        }
    }

    /// Tells whether some entry holds these credentials.
    pub(super) fn holds(&self, credentials: &Credentials) -> bool {
        self.auths.iter().any(|(_, entry)| matches!(&entry.0, Ok(Some(own)) if own == credentials))
    }
}

impl Key {
    /// Reads a key in any spelling: `https://host:port/path/`, `host/v2/`, `*.host`. None if it can mean nothing.
    fn new(written: &str) -> Option<Self> {
        let lower = written.trim().to_ascii_lowercase();
        let (default_port, rest) = match (lower.strip_prefix("https://"), lower.strip_prefix("http://")) {
            (Some(rest), _) => (":443", rest),
            (_, Some(rest)) => (":80", rest),
            (None, None) => ("", lower.as_str()),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        // `/v1/` and `/v2/` are where the API was when docker wrote the key.
        let path = path.trim_matches('/');
        let path =
            ["v1", "v2"].iter().find_map(|version| path.strip_prefix(version)?.strip_prefix('/')).unwrap_or(path);
        let path = if matches!(path, "v1" | "v2") { "" } else { path };
        let host = if default_port.is_empty() { host } else { host.strip_suffix(default_port).unwrap_or(host) };
        if host.is_empty() || host.contains(['@', ' ']) {
            return None;
        }
        let host = if host.contains(['*', '?', '[']) && !is_address(host) {
            let (name, port) = match host.rsplit_once(':') {
                Some((name, port)) => (name, Some(port.to_owned())),
                None => (host, None),
            };
            Host::Parts(name.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?, port)
        } else {
            Host::Name(canonical(host).to_owned())
        };
        Some(Self { written: written.trim().to_owned(), host, path: path.to_owned() })
    }

    fn means(&self, host: &str, repository: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let is_host = match &self.host {
            Host::Name(name) => name == canonical(&host),
            Host::Parts(globs, port) => {
                let (name, own_port) = match host.rsplit_once(':') {
                    Some((name, port)) => (name, Some(port)),
                    None => (host.as_str(), None),
                };
                let parts: Vec<&str> = name.split('.').collect();
                own_port == port.as_deref()
                    && parts.len() == globs.len()
                    && globs.iter().zip(parts).all(|(glob, part)| glob.is_match(part))
            }
        };
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        is_host && (self.path.is_empty() || repository.strip_prefix(&self.path).is_some_and(below))
    }

    /// The longest path first, then a name before a glob, then what is spelt as in image names.
    fn rank(&self, host: &str) -> (usize, bool, bool) {
        let is_name = matches!(self.host, Host::Name(_));
        (self.path.len(), is_name, self.written.split('/').next() == Some(host))
    }

    /// The key as messages show it. One with an `@`, before which a secret could stand, was not read.
    fn shown(&self) -> String {
        self.written.chars().filter(|c| c.is_ascii_graphic() && *c != '"').take(120).collect()
    }
}

/// An address of IPv6 has brackets, which are no glob.
fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    inner.is_some_and(|(inner, _)| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

fn best<'a, T: 'a>(
    entries: impl IntoIterator<Item = &'a (Key, T)>,
    host: &str,
    repository: &str,
) -> Option<(&'a Key, &'a T)> {
    let meant = entries.into_iter().filter(|(key, _)| key.means(host, repository));
    // Of equals the first: keys of an object come sorted here.
    let first = |best: Option<&'a (Key, T)>, next: &'a (Key, T)| match best {
        Some(best) if best.0.rank(host) >= next.0.rank(host) => Some(best),
        _ => Some(next),
    };
    meant.fold(None, first).map(|(key, entry)| (key, entry))
}

fn canonical(host: &str) -> &str {
    if HUB.contains(&host) { "docker.io" } else { host }
}

/// What docker asks its helpers for.
fn server(host: &str) -> String {
    if host == "docker.io" { "https://index.docker.io/v1/".to_owned() } else { host.to_owned() }
}

fn read_entries(entries: &Map<String, Value>, is_old: bool) -> Vec<(Key, Entry)> {
    // Settings of docker such as `HttpHeaders` are objects too, and no entries.
    let is_entry = |value: &Value| !is_old || value.get("auth").or(value.get("username")).is_some();
    let read = entries.iter().filter(|(_, value)| is_entry(value));
    read.filter_map(|(key, value)| Some((Key::new(key)?, Entry(read_entry(value))))).collect()
}

fn read_entry(value: &Value) -> Result<Option<Credentials>, &'static str> {
    let Value::Object(fields) = value else { return Err("it is no object") };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credentials::Token(Secret::new(token))));
    }
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credentials::IdentityToken(Secret::new(token))));
    }
    let (username, password) = match text("auth") {
        Some(auth) => {
            let bytes = BASE64.decode(auth.trim()).map_err(|_| "its `auth` is no base64")?;
            let decoded = String::from_utf8(bytes).map_err(|_| "its `auth` is no text")?;
            let (user, password) = decoded.split_once(':').ok_or("its `auth` holds no user and password")?;
            // Docker pads with NUL.
            (user.to_owned(), password.trim_matches('\0').to_owned())
        }
        None => match (text("username"), text("password")) {
            (Some(user), Some(password)) => (user.to_owned(), password.to_owned()),
            (None, None) => return Ok(None),
            (Some(_), None) => return Err("it has a `username` and no `password`"),
            (None, Some(_)) => return Err("it has a `password` and no `username`"),
        },
    };
    credentials(username, password).map(Some)
}

/// Gives what a user and a password are: the user `<token>` of docker's helpers means an identity token.
///
/// # Errors
/// What no HTTP header can hold.
pub(super) fn credentials(username: String, password: String) -> Result<Credentials, &'static str> {
    if username.contains(':') || username.is_empty() || format!("{username}{password}").contains(char::is_control) {
        return Err("its user or password is empty or holds a character that cannot be sent");
    }
    Ok(match username.as_str() {
        "<token>" => Credentials::IdentityToken(Secret::new(password)),
        _ => Credentials::Basic { username, password: Secret::new(password) },
    })
}

/// Says whose credentials these are. A user beside whom no password stands may be a token itself.
pub(super) fn whose(credentials: &Credentials) -> String {
    match credentials {
        Credentials::Basic { password, .. } if matches!(password.expose(), "" | "x-oauth-basic") => {
            "a user without a password of its own".to_owned()
        }
        Credentials::Basic { username, .. } => {
            let shown: String = username.chars().filter(|c| !c.is_control()).take(80).collect();
            format!("user {shown}")
        }
        Credentials::IdentityToken(_) => "an identity token".to_owned(),
        Credentials::Token(_) => "a registry token".to_owned(),
        Credentials::Anonymous | Credentials::SshKey { .. } | Credentials::SshAgent { .. } => "nothing".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;

    /// A file whose entries hold their own key as the user.
    fn config(keys: &[&str]) -> Config {
        let entry = |key: &&str| ((*key).to_owned(), json!({"username": key.replace(':', "_"), "password": "p"}));
        let auths: Map<String, Value> = keys.iter().map(entry).collect();
        Config::parse(json!({ "auths": auths }).to_string().as_bytes()).unwrap()
    }

    fn found(config: &Config, host: &str, repository: &str) -> Option<String> {
        match config.find(host, repository) {
            Answer::Entry(Credentials::Basic { username, .. }, _) => Some(username.clone()),
            Answer::Nothing => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_means_its_registry_in_every_spelling() {
        for (key, host, expected) in [
            ("https://index.docker.io/v1/", "docker.io", true),
            ("https://index.docker.io/v1", "docker.io", true),
            ("https://index.docker.io/v2/", "docker.io", true),
            ("index.docker.io", "docker.io", true),
            ("docker.io", "docker.io", true),
            ("docker.io/", "docker.io", true),
            ("https://registry-1.docker.io", "docker.io", true),
            ("auth.docker.io", "docker.io", false),
            ("ghcr.io", "ghcr.io", true),
            ("https://ghcr.io", "ghcr.io", true),
            ("http://ghcr.io/", "ghcr.io", true),
            ("https://ghcr.io/v1/", "ghcr.io", true),
            ("https://ghcr.io:443/v2/", "ghcr.io", true),
            ("http://ghcr.io:443", "ghcr.io", false),
            ("GHCR.io", "ghcr.io", true),
            (" ghcr.io ", "ghcr.io", true),
            ("ghcr.io", "ghcr.io.evil.example", false),
            ("ghcr.io", "my-ghcr.io", false),
            ("io", "ghcr.io", false),
            ("registry.example.com:5000", "registry.example.com:5000", true),
            ("https://registry.example.com:5000/v2/", "registry.example.com:5000", true),
            ("registry.example.com", "registry.example.com:5000", false),
            ("registry.example.com:5000", "registry.example.com", false),
            ("[::1]:5000", "[::1]:5000", true),
            ("https://me:hunter2@ghcr.io", "ghcr.io", false),
            ("", "ghcr.io", false),
            ("https://", "ghcr.io", false),
        ] {
            assert_eq!(found(&config(&[key]), host, "acme/web").is_some(), expected, "{key} for {host}");
        }
    }

    #[test]
    fn a_glob_means_hosts_with_as_many_parts() {
        for (key, host, expected) in [
            ("*.dkr.ecr.eu-west-1.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", true),
            ("*.dkr.ecr.*.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", true),
            ("https://*.dkr.ecr.*.amazonaws.com/v2/", "1.dkr.ecr.eu-west-1.amazonaws.com", true),
            ("*.amazonaws.com", "123456789012.dkr.ecr.eu-west-1.amazonaws.com", false),
            ("*.io", "ghcr.io", true),
            ("*.io", "a.ghcr.io", false),
            ("*", "ghcr.io", false),
            ("gh??.io", "ghcr.io", true),
            ("app*.example.com", "apple.example.com", true),
            ("*.example.com:5000", "r.example.com:5000", true),
            ("*.example.com", "r.example.com:5000", false),
            ("[a-h]hcr.io", "ghcr.io", true),
            ("*.example.com", "r.example.com.evil", false),
        ] {
            assert_eq!(found(&config(&[key]), host, "acme/web").is_some(), expected, "{key} for {host}");
        }
    }

    #[test]
    fn the_longest_path_wins_part_by_part_and_a_name_beats_a_glob() {
        let many = config(&[
            "*.example.com",
            "r.example.com",
            "r.example.com/acme",
            "r.example.com/acme/web",
            "*.example.com/acme/web/deep",
        ]);
        for (repository, expected) in [
            ("acme/web", "r.example.com/acme/web"),
            ("acme/web/x", "r.example.com/acme/web"),
            ("acme/web/deep", "*.example.com/acme/web/deep"),
            ("acme/website", "r.example.com/acme"),
            ("acmeevil/web", "r.example.com"),
            ("other", "r.example.com"),
        ] {
            assert_eq!(found(&many, "r.example.com", repository).as_deref(), Some(expected), "{repository}");
        }
        assert_eq!(found(&config(&["docker.io/acme"]), "docker.io", "library/nginx"), None);
        assert_eq!(
            found(&config(&["https://index.docker.io/v1/acme"]), "docker.io", "acme/web").as_deref(),
            Some("https_//index.docker.io/v1/acme")
        );
        // What is spelt as image names are comes before what has to be read as the same.
        let two = config(&["https://index.docker.io/v1/", "docker.io"]);
        assert_eq!(found(&two, "docker.io", "library/nginx").as_deref(), Some("docker.io"));
    }

    fn entry(fields: Value) -> String {
        let config = Config::parse(json!({"auths": {"ghcr.io": fields}}).to_string().as_bytes()).unwrap();
        match config.find("ghcr.io", "acme/web") {
            Answer::Entry(Credentials::Basic { username, password }, _) => format!("{username} {}", password.expose()),
            Answer::Entry(Credentials::IdentityToken(token), _) => format!("identity {}", token.expose()),
            Answer::Entry(Credentials::Token(token), _) => format!("token {}", token.expose()),
            Answer::Broken(key, reason) => format!("{key}: {reason}"),
            Answer::Nothing => "nothing".to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_entry_holds_what_docker_podman_and_kubernetes_write() {
        let auth = |text: &str| json!({"auth": STANDARD.encode(text)});
        for (fields, expected) in [
            (auth("robot:pass:word"), "robot pass:word"),
            (auth("robot:pass\0\0"), "robot pass"),
            (json!({"auth": STANDARD.encode("robot:pass").trim_end_matches('=')}), "robot pass"),
            (auth("<token>:refresh"), "identity refresh"),
            (json!({"username": "robot", "password": "pass", "email": "x@y"}), "robot pass"),
            (json!({"auth": STANDARD.encode("robot:new"), "username": "robot", "password": "old"}), "robot new"),
            (json!({"auth": STANDARD.encode("robot:"), "identitytoken": "refresh"}), "identity refresh"),
            (json!({"registrytoken": "bearer"}), "token bearer"),
            (json!({}), "nothing"),
            (json!({"auth": ""}), "nothing"),
            (json!({"auth": "%%%"}), "auths[\"ghcr.io\"]: its `auth` is no base64"),
            (auth("robot"), "auths[\"ghcr.io\"]: its `auth` holds no user and password"),
            (json!({"username": "robot"}), "auths[\"ghcr.io\"]: it has a `username` and no `password`"),
            (json!("hunter2"), "auths[\"ghcr.io\"]: it is no object"),
            (
                auth("robot:a\r\nHost: evil"),
                "auths[\"ghcr.io\"]: its user or password is empty or holds a character that cannot be sent",
            ),
        ] {
            assert_eq!(entry(fields.clone()), expected, "{fields}");
        }
    }

    #[test]
    fn a_file_of_old_has_its_entries_at_the_top() {
        let old = json!({"https://index.docker.io/v1/": {"auth": STANDARD.encode("robot:pass"), "email": "x"}, "HttpHeaders": {"A": "b"}});
        let old = Config::parse(old.to_string().as_bytes()).unwrap();
        assert_eq!(found(&old, "docker.io", "library/nginx").as_deref(), Some("robot"));
        assert_eq!(found(&old, "httpheaders", "x"), None);
    }

    #[test]
    fn helpers_are_found_by_host_and_stores_are_asked_for_what_docker_gave_them() {
        let file = json!({
            "auths": {"https://ghcr.io": {}, "quay.io": {"username": "robot", "password": "p"}, "gcr.io": {"username": "u", "password": "p"}},
            "credHelpers": {"gcr.io": "gcloud", "https://index.docker.io/v1/": "hub"},
            "credsStore": "pass",
        });
        let file = Config::parse(file.to_string().as_bytes()).unwrap();
        for (host, expected) in [
            ("gcr.io", Some(("gcloud", "gcr.io", "credHelpers[\"gcr.io\"]"))),
            ("docker.io", Some(("hub", "https://index.docker.io/v1/", "credHelpers[\"https://index.docker.io/v1/\"]"))),
            ("ghcr.io", Some(("pass", "https://ghcr.io", "credsStore"))),
            ("other.example", Some(("pass", "other.example", "credsStore"))),
            ("quay.io", None),
        ] {
            let expected = expected.map(|(name, server, key)| Answer::Helper {
                name,
                server: server.to_owned(),
                key: key.to_owned(),
            });
            match (file.find(host, "acme/web"), expected) {
                (Answer::Entry(..), None) => {}
                (found, expected) => assert_eq!(Some(found), expected, "{host}"),
            }
        }
    }

    #[test]
    fn what_is_no_such_file_is_told_without_a_word_of_it() {
        for (text, expected) in [
            ("", "it is JSON that ends too early"),
            ("{\"auths\": {\"hunter2", "it is JSON that ends too early"),
            ("hunter2", "it is no JSON (line 1, column 1)"),
            ("[\"hunter2\"]", "it is JSON, and no object"),
            ("{\"auths\": \"hunter2\"}", "its `auths` is no object"),
            ("{\"credHelpers\": []}", "its `credHelpers` is no object"),
        ] {
            assert_eq!(Config::parse(text.as_bytes()).unwrap_err(), expected, "{text}");
        }
    }
}
