//! Settings -> the `Options` of the modules below, so that none of them knows the configuration.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::forges;
use crate::config::settings::{
    ApplicationSettings, ClientCertificateSettings, Credentials as Given, ForgeCredentials, ForgeSettings,
    PullSecretSettings, RegistryCredentials, RegistrySettings, RepositorySettings, Settings,
};
use crate::credentials::Credentials;
use crate::forge::{self, ForgeLogin, ForgeTarget};
use crate::git::{Access, HistoryLimits};
use crate::http::ClientCertificate;
use crate::model::application::{Annotation, Application, ApplicationSource, PREFIX};
use crate::model::asking::Asking;
use crate::model::forge::ForgeKind;
use crate::model::names::{APPLICATION, ApplicationKey};
use crate::model::remote_url::RemoteUrl;
use crate::model::verification::KeyName;
use crate::plan::past::entry::{Web, Webs};
use crate::reconcile::Options;
use crate::reconcile::repository::RepositoryOptions;
use crate::registry::{Absent, DockerOptions, Login, PublicKey, PullSecretOptions, RegistryOptions};

/// Gives what a reconciler needs; `file` is where the settings stand.
pub fn reconcile(settings: &Settings, file: &Path) -> Options {
    Options {
        repositories: repositories(settings),
        registry: registries(settings),
        rules: settings.environments.iter().chain(&settings.rules).cloned().collect(),
        windows: Arc::new(settings.windows.clone()),
        max_changes_per_push: settings.max_changes_per_push,
        emergency_stop: settings.emergency_stop.clone(),
        observe: settings.observe,
        pull_secrets: settings.pull_secrets.iter().map(|one| one.secret.clone()).collect(),
        cosign_keys: cosign_keys(settings),
        argocd: settings.argocd,
        image_fields: settings.image_fields.clone().into(),
        applications: settings.applications.iter().map(application).collect(),
        cache: settings.cache.path.clone(),
        asking: asking(settings),
        configuration: file.display().to_string(),
        authorship: settings.commit.authorship.clone(),
        own_emails: own_emails(settings),
        forges: settings.forges.iter().map(|one| (one.url.clone(), forge(one))).collect(),
        ignore_closed_by: settings.ignore_closed_by.clone(),
        wording: Arc::new(settings.commit.wording.clone()),
    }
}

/// Gives where people read the repositories, and all their names.
pub fn webs(settings: &Settings) -> Webs {
    let mut webs = Webs::new();
    for repository in &settings.repositories {
        let urls = std::iter::once(&repository.url).chain(&repository.also);
        let mut names: Vec<String> = urls.clone().map(RemoteUrl::normalised).collect();
        let (url, kind) = match &repository.forge {
            Some(forge) => {
                let root = forges::root_of(&forge.forge);
                let url = format!("{}/{}", root.as_str().trim_end_matches('/'), forge.project);
                names.extend(url.split_once("://").map(|(_, name)| name.to_ascii_lowercase()));
                (Some(url), Some(forge.forge.kind))
            }
            None => {
                let url = urls.into_iter().find(|url| url.host().is_some());
                let kind = match url.and_then(RemoteUrl::host) {
                    Some("github.com") => Some(ForgeKind::GitHub),
                    Some("gitlab.com") => Some(ForgeKind::GitLab),
                    Some("codeberg.org" | "gitea.com") => Some(ForgeKind::Gitea),
                    _ => None,
                };
                (url.map(|url| format!("https://{}", url.normalised())), kind)
            }
        };
        webs.insert(repository.name.clone(), Web { url, kind, names });
    }
    webs
}

/// Gives when registries are asked.
pub fn asking(settings: &Settings) -> Asking {
    let own = |registry: &RegistrySettings| Some((registry.host.clone(), registry.schedule.clone()?));
    Asking {
        schedule: settings.schedule.clone(),
        registries: settings.registries.iter().filter_map(own).collect(),
        shortest_interval: settings.shortest_interval,
    }
}

/// Gives the public keys of the operator, by name.
pub fn cosign_keys(settings: &Settings) -> BTreeMap<KeyName, Vec<PublicKey>> {
    settings.cosign_keys.iter().map(|one| (one.name.clone(), one.keys.clone())).collect()
}

/// Gives what the registries' clients need.
pub fn registries(settings: &Settings) -> crate::registry::Options {
    crate::registry::Options {
        registries: settings.registries.iter().map(|one| registry(one, settings)).collect(),
        pull_secrets: settings.pull_secrets.iter().map(|one| pull_secret(one, settings)).collect(),
        login: login(None, settings),
        limits: settings.registry_limits.clone(),
    }
}

/// The first entry of a remote has the mirror that it would have alone; a process holds each of them only once.
fn repositories(settings: &Settings) -> Vec<RepositoryOptions> {
    let mut known = HashSet::new();
    let one = |entry: &RepositorySettings| {
        let part = if known.insert(entry.url.normalised()) { String::new() } else { entry.name.clone() };
        RepositoryOptions { part, ..repository(entry, &settings.cache.path) }
    };
    settings.repositories.iter().map(one).collect()
}

fn repository(settings: &RepositorySettings, cache: &Path) -> RepositoryOptions {
    RepositoryOptions {
        name: settings.name.clone(),
        url: settings.url.clone(),
        part: String::new(),
        branch: settings.branch.clone(),
        branches: settings.branches.clone(),
        also: settings.also.clone(),
        discover: settings.discover.clone(),
        may_write: settings.may_write.clone(),
        history: HistoryLimits { commits: settings.history.commits, days: settings.history.days },
        clusters: settings.clusters.clone(),
        cache: cache.to_owned(),
        access: access(settings),
        forge: settings.forge.as_ref().map(|one| ForgeTarget {
            options: forge(&one.forge),
            project: one.project.clone(),
            commits: one.commits,
        }),
        pull_requests: settings.pull_requests,
    }
}

/// A commit of anybody else on a branch of ours is a person's.
fn own_emails(settings: &Settings) -> BTreeSet<String> {
    let committer = settings.commit.authorship.committer.email.to_lowercase();
    settings.commit.own_emails.iter().cloned().chain([committer]).collect()
}

fn forge(given: &ForgeSettings) -> forge::Options {
    let access = &given.access;
    forge::Options {
        kind: given.kind,
        api_url: given.api_url.clone(),
        web_url: forges::root_of(given),
        login: match &given.credentials {
            None => ForgeLogin::Fixed(Credentials::Anonymous),
            Some(ForgeCredentials::Fixed(given)) => ForgeLogin::Fixed(credentials(Some(given))),
            Some(ForgeCredentials::App { id, key }) => ForgeLogin::App { id: id.clone(), key: key.clone() },
        },
        ca: access.ca.as_ref().map(read),
        proxy: access.proxy.clone(),
        client_certificate: access.client_certificate.as_ref().map(certificate),
        requests_per_second: given.requests_per_second,
    }
}

/// A file that went away since the check is seen as no PEM, which the modules below refuse with their own errors.
fn read(path: &PathBuf) -> Vec<u8> {
    std::fs::read(path).unwrap_or_default()
}

fn access(settings: &RepositorySettings) -> Access {
    let given = &settings.access;
    let known_hosts = match &given.known_hosts {
        Some(path) => vec![path.clone()],
        None => {
            let own = std::env::var_os("HOME").map(|home| Path::new(&home).join(".ssh/known_hosts"));
            own.into_iter().chain([PathBuf::from("/etc/ssh/ssh_known_hosts")]).collect()
        }
    };
    Access {
        credentials: credentials(settings.credentials.as_ref()),
        ca: given.ca.as_ref().map(read),
        proxy: given.proxy.clone(),
        client_certificate: given.client_certificate.as_ref().map(certificate),
        known_hosts,
    }
}

fn certificate(given: &ClientCertificateSettings) -> ClientCertificate {
    ClientCertificate { chain: read(&given.cert), key: given.key.clone() }
}

fn credentials(given: Option<&Given>) -> Credentials {
    match given {
        None => Credentials::Anonymous,
        Some(Given::Basic { username, password }) => {
            Credentials::Basic { username: username.expose().to_owned(), password: password.clone() }
        }
        Some(Given::Token(token)) => Credentials::Token(token.clone()),
        Some(Given::SshKey { key, passphrase }) => {
            Credentials::SshKey { key: key.clone(), passphrase: passphrase.clone() }
        }
        Some(Given::SshAgent { socket }) => Credentials::SshAgent { socket: socket.clone() },
    }
}

fn registry(given: &RegistrySettings, settings: &Settings) -> RegistryOptions {
    // A file that went away since the check is seen as no PEM, which the registry module refuses with its own error.
    let file = given.ca.as_ref().map(|path| std::fs::read(path).unwrap_or_default());
    let data = given.ca_data.as_ref().map(|pem| format!("{pem}\n").into_bytes());
    RegistryOptions {
        host: given.host.clone(),
        api_url: given.api_url.clone(),
        insecure: given.insecure,
        ca: match (data, file) {
            (Some(data), Some(file)) => Some([data, file].concat()),
            (data, file) => data.or(file),
        },
        login: login(given.credentials.as_ref(), settings),
        token_service: given.token_service.clone(),
        requests_per_second: given.requests_per_second,
        concurrency: given.concurrency,
        requests_per_cycle: given.requests_per_cycle,
        limits: given.limits.clone(),
    }
}

fn pull_secret(given: &PullSecretSettings, settings: &Settings) -> PullSecretOptions {
    PullSecretOptions {
        name: given.secret.name.clone(),
        registries: given.secret.registries.clone(),
        login: login(Some(&given.credentials), settings),
    }
}

/// A registry without credentials of its own has those of the file for all, where that has some.
fn login(given: Option<&RegistryCredentials>, settings: &Settings) -> Login {
    let docker = |path: &Path, absent| {
        Login::Docker(DockerOptions { path: path.to_owned(), helpers: settings.credential_helpers.clone(), absent })
    };
    match given {
        None => match &settings.docker_config {
            Some(path) => docker(path, Absent::Anonymous),
            None => Login::default(),
        },
        Some(RegistryCredentials::Fixed(given)) => credentials(Some(given)).into(),
        Some(RegistryCredentials::DockerConfig(path)) => docker(path, Absent::Refused),
        Some(RegistryCredentials::Program { path, expires }) => {
            Login::Program { path: path.clone(), expires: *expires }
        }
        Some(RegistryCredentials::Ecr(options)) => Login::Ecr(options.clone()),
        Some(RegistryCredentials::Google(options)) => Login::Google(options.clone()),
        Some(RegistryCredentials::Azure(options)) => Login::Azure(options.clone()),
    }
}

fn application(settings: &ApplicationSettings) -> Application {
    let annotation = |given: &crate::config::settings::AnnotationSetting| Annotation {
        key: format!("{PREFIX}{}", given.key),
        value: Some(given.value.clone()),
        line: given.line,
    };
    Application {
        object: None,
        rendered: None,
        key: ApplicationKey {
            kind: APPLICATION.to_owned(),
            repository: settings.repository.clone(),
            file: None,
            namespace: settings.namespace.clone(),
            name: settings.name.clone(),
        },
        line: settings.line,
        project: "default".to_owned(),
        labels: std::collections::BTreeMap::new(),
        annotations: settings.annotations.iter().map(annotation).collect(),
        sources: vec![ApplicationSource { path: settings.path.to_string(), ..ApplicationSource::default() }],
    }
}
