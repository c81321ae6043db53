//! The whole file, section by section, read into [`Settings`]; what holds between sections is in `checks`.
//!
//! Each function reads all of its section before it gives up, so that no problem hides another.

use std::net::SocketAddr;
use std::time::Duration;

use crate::annotations::ArgocdMethod;
use crate::config::access::path;
use crate::config::checks;
use crate::config::commit::commit;
use crate::config::cosign_keys;
use crate::config::forges;
use crate::config::image_fields;
use crate::config::keys;
use crate::config::limits::limits;
use crate::config::login;
use crate::config::pull_secrets::{self, pull_secret};
use crate::config::reader::{Fields, Value};
use crate::config::registries_conf;
use crate::config::remotes::{registry, repository};
use crate::config::rules::{Known, check_environments, environment, most, names_of, rule};
use crate::config::schedule::{schedule, shortest_interval};
use crate::config::settings::{
    AnnotationSetting, ApplicationSettings, CacheSettings, LogFormat, LogLevel, LogSettings, ServerSettings, Settings,
};
use crate::config::webhooks;
use crate::config::windows::{self, window};
use crate::model::names::RepoPath;
use crate::model::schedule::{Interval, Schedule};
use crate::registry::Limits;

const DEFAULT_SCHEDULE: Duration = Duration::from_secs(120);
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const PREFIXES: [&str; 2] = ["repin.dev/", "argocd-image-updater.argoproj.io/"];

/// Reads the whole file; none if a part without which there are no settings is missing, which then was reported.
pub(super) fn settings(root: &Value<'_>) -> Option<Settings> {
    let top = root.fields(&keys::TOP);
    let list = |name: &str| top.get(name).map(Value::items).unwrap_or_default();
    let schedule = top.get("schedule").and_then(schedule).unwrap_or(Schedule::Every(Interval::new(DEFAULT_SCHEDULE)));
    let shortest_interval = top.get("shortest_interval").and_then(shortest_interval);
    let observe = top.written("observe").and_then(Value::boolean).unwrap_or(false);
    let argocd = match top.get("legacy_argocd_method").and_then(|value| value.word(&["as-git"])) {
        Some(_) => ArgocdMethod::AsGit,
        None => ArgocdMethod::Held,
    };
    let repositories = list("repositories");
    if let Some(value) = top.get("repositories").filter(|value| value.is_empty_list()) {
        value.error(
            "config/missing-key",
            "is empty, and at least one repository is required",
            "add `name` and `url` of one",
        );
    }
    let registries = list("registries");
    let (environments, rules, windows) = (list("environments"), list("rules"), list("windows"));
    let applications = list("applications");
    let forges = list("forges");
    let forges = forges::forges(&forges);
    let known = forges::Known {
        forges: forges.iter().filter_map(|(_, read)| read.as_ref()).collect(),
        is_complete: forges.iter().all(|(_, read)| read.is_some()),
    };
    let repositories: Vec<_> = repositories.iter().map(|value| (value, repository(value, &known))).collect();
    let ignore_closed_by = top.get("ignore_closed_by").map(forges::logins).unwrap_or_default();
    let default = Limits::default();
    let registry_limits = top.get("registry_limits").map_or(default.clone(), |value| limits(value, &default));
    let registries: Vec<_> = registries.iter().map(|value| (value, registry(value, &registry_limits))).collect();
    let names = |name: &str, entries: &[Value<'_>]| {
        top.get(name).is_none_or(Value::is_list).then(|| names_of(entries)).flatten()
    };
    let known_names = Known { windows: names("windows", &windows), environments: names("environments", &environments) };
    let windows = windows::by_name(windows.iter().map(|value| (value, window(value))).collect());
    let environments: Vec<_> = environments.iter().map(|value| (value, environment(value, &known_names))).collect();
    check_environments(&environments);
    let rules: Vec<_> = rules.iter().map(|value| (value, rule(value, &known_names))).collect();
    let applications: Vec<_> = applications.iter().map(|value| (value, application(value))).collect();
    let pull_secrets = list("pull_secrets");
    let pull_secrets: Vec<_> = pull_secrets.iter().map(|value| (value, pull_secret(value))).collect();
    let credential_helpers = top.get("credential_helpers").map(login::helpers).unwrap_or_default();
    let docker_config = top.get("docker_config").and_then(path);
    let peers = top.get("registries_conf").map(|value| {
        registries_conf::read(
            value,
            &registries_conf::Known { registries: &registries, secrets: &pull_secrets, helpers: &credential_helpers },
        )
    });
    let peers = peers.unwrap_or_default();
    pull_secrets::check(&pull_secrets, &registries, &peers);
    let cosign_keys = list("cosign_keys");
    let cosign_keys: Vec<_> = cosign_keys.iter().map(|value| (value, cosign_keys::entry(value))).collect();
    let demanding = environments.iter().filter_map(|(value, read)| Some((*value, read.as_ref()?)));
    let demanding: Vec<_> = demanding.chain(rules.iter().map(|(value, rule)| (*value, rule))).collect();
    cosign_keys::check(&cosign_keys, &demanding);
    checks::between_sections(&repositories, &registries, &rules, &applications);
    let image_fields: Vec<_> = list("image_fields").iter().map(image_fields::entry).collect();
    let commit = top.get("commit").map(commit).unwrap_or_default();
    let server = server(&top);
    let webhooks = top.get("webhooks").map(|value| webhooks::webhooks(value, server, &registries, &peers));
    let log = top.get("log").map(log).unwrap_or_default();
    let cache = cache(root, &top);
    let max_changes_per_push = top.get("max_changes_per_push").and_then(most);
    let emergency_stop = top.get("emergency_stop").and_then(path);
    Some(Settings {
        schedule,
        shortest_interval,
        observe,
        argocd,
        repositories: repositories.into_iter().map(|(_, read)| read).collect::<Option<_>>()?,
        forges: forges.into_iter().map(|(_, read)| read).collect::<Option<_>>()?,
        ignore_closed_by,
        registries: registries
            .into_iter()
            .map(|(_, read)| read)
            .chain(peers.into_iter().map(Some))
            .collect::<Option<_>>()?,
        registry_limits,
        pull_secrets: pull_secrets.into_iter().map(|(_, read)| read).collect::<Option<_>>()?,
        docker_config,
        credential_helpers,
        cosign_keys: cosign_keys.into_iter().map(|(_, read)| read).collect::<Option<_>>()?,
        image_fields: image_fields.into_iter().collect::<Option<_>>()?,
        environments: environments.into_iter().map(|(_, read)| read).collect::<Option<_>>()?,
        windows: windows?,
        max_changes_per_push,
        emergency_stop,
        rules: rules.into_iter().map(|(_, read)| read).collect(),
        commit,
        applications: applications.into_iter().map(|(_, read)| read).collect::<Option<_>>()?,
        webhooks: webhooks.unwrap_or(Some(Vec::new()))?,
        cache: cache?,
        server,
        log,
    })
}

fn application(value: &Value<'_>) -> Option<ApplicationSettings> {
    let fields = value.fields(&keys::APPLICATION);
    let name = fields.get("name").and_then(|value| kubernetes_name(value, 253, true));
    let namespace = match fields.get("namespace") {
        Some(value) => kubernetes_name(value, 63, false),
        None => Some("argocd".to_owned()),
    };
    let repository = fields.get("repository").and_then(Value::text);
    let path = fields.get("path").and_then(|value| {
        let text = value.text()?;
        // As Argo CD reads a source path: `.` and `./x` start at the root, and so does nothing else.
        let path = if text.starts_with('/') { None } else { RepoPath::default().join(text) };
        if path.is_none() {
            let rule = "it is a directory in the repository, relative, without .. and .git";
            value.invalid(rule, "write a path such as `apps/web`, or . for the root");
        }
        path
    });
    let annotations = fields.get("annotations").map(annotations);
    Some(ApplicationSettings {
        name: name?,
        namespace: namespace?,
        repository: repository?.to_owned(),
        path: path?,
        annotations: annotations?,
        line: value.line,
    })
}

fn annotations(value: &Value<'_>) -> Vec<AnnotationSetting> {
    let texts = value.texts_by_key();
    let read = texts.iter().filter_map(|(key, line, text)| {
        if let Some(rest) = PREFIXES.iter().find_map(|prefix| key.strip_prefix(prefix)) {
            let message = format!("is prefixed, and keys stand here without `{}`", key.trim_end_matches(rest));
            text.error("config/invalid-value", message, format!("write `{rest}`"));
            return None;
        }
        Some(AnnotationSetting { key: (*key).to_owned(), value: text.text()?.to_owned(), line: *line })
    });
    read.collect()
}

/// A name of Kubernetes: RFC 1123 labels, joined by dots if that is allowed.
fn kubernetes_name(value: &Value<'_>, most: usize, dots: bool) -> Option<String> {
    let text = value.text()?;
    let label = |part: &str| {
        let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        !part.is_empty() && part.bytes().all(legal) && !part.starts_with('-') && !part.ends_with('-')
    };
    let legal = text.len() <= most && if dots { text.split('.').all(label) } else { label(text) };
    if !legal {
        let rule = format!("a name is up to {most} lower case letters, digits and - (RFC 1123)");
        value.invalid(rule, "write it as `metadata` has it");
    }
    legal.then(|| text.to_owned())
}

fn cache(root: &Value<'_>, top: &Fields<'_>) -> Option<CacheSettings> {
    let fields = top.get("cache").map(|value| value.fields(&keys::CACHE));
    let written = fields.as_ref().and_then(|fields| fields.get("path"));
    let path = match written {
        Some(value) => path(value)?,
        None => match &root.reader.around.default_cache {
            Some(path) => path.clone(),
            None => {
                let message = "`cache.path` is missing, and neither $XDG_CACHE_HOME nor $HOME names a directory";
                let hint = "add `cache: {path: <directory>}`, or set one of the two";
                root.reader.error("config/missing-key", Some(root.line), message.to_owned(), Some(hint.to_owned()));
                return None;
            }
        },
    };
    Some(CacheSettings { path })
}

fn server(top: &Fields<'_>) -> ServerSettings {
    let default = ServerSettings { listen: DEFAULT_LISTEN.parse().ok() };
    let Some(value) = top.written("server") else { return default };
    if value.is_null() {
        return ServerSettings { listen: None };
    }
    let fields = value.fields(&keys::SERVER);
    match fields.written("listen") {
        None => default,
        Some(value) if value.is_null() => ServerSettings { listen: None },
        Some(value) => {
            let hint = "write an IP address and a port, such as `127.0.0.1:8080` or `0.0.0.0:8080`; null turns it off";
            let listen = value.text().and_then(|text| text.parse::<SocketAddr>().ok());
            if listen.is_none() && value.is_scalar() {
                value.invalid("it is an IP address and a port", hint);
            }
            ServerSettings { listen }
        }
    }
}

fn log(value: &Value<'_>) -> LogSettings {
    let fields = value.fields(&keys::LOG);
    let levels = [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];
    let format = fields.get("format").and_then(|value| value.word(&["text", "json"]));
    let level = fields.get("level").and_then(|value| value.word(&levels.map(LogLevel::as_str)));
    LogSettings {
        format: if format == Some("json") { LogFormat::Json } else { LogFormat::Text },
        level: levels.into_iter().find(|known| Some(known.as_str()) == level).unwrap_or_default(),
    }
}
