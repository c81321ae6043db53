//! The configuration file: what is accepted, and every problem with its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "config/forges.rs"]
mod forges;
#[path = "config/login.rs"]
mod login;
#[path = "config/rules.rs"]
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use repin::annotations::ArgocdMethod;
use repin::config::secrets::SecretRef;
use repin::config::settings::{
    AccessSettings, AnnotationSetting, ApplicationSettings, CacheSettings, ClientCertificateSettings, CommitSettings,
    CosignKeySettings, Credentials, ForgeCredentials, ForgeSettings, HistorySettings, LogFormat, LogLevel, LogSettings,
    PullSecretSettings, RegistryCredentials, RegistrySettings, RepositoryForgeSettings, RepositorySettings,
    ServerSettings, Settings,
};
use repin::config::{Surroundings, interval, keys, load, parse, schema};
use repin::git::{Authorship, Identity, Signer};
use repin::message::template::Template;
use repin::message::{self, Wording};
use repin::model::change::{CommitText, WrittenPlace};
use repin::model::forge::{CommitsBy, ForgeKind, MergeMethod, PullLimits, RebaseWhen};
use repin::model::image_field::{FieldPlace, ImageField};
use repin::model::problem::{Problem, Severity};
use repin::model::promotion::Promotion;
use repin::model::remote_url::{RemoteUrl, Transport};
use repin::model::rule::{AtLeast, AutoMerge, Delivery, Glob, Match, Per, PullRules, PullSecret, RegistryPrefix, Rule};
use repin::model::schedule::cron::Cron;
use repin::model::schedule::{Interval, Schedule};
use repin::model::webhook::{Webhook, WebhookKind};
use repin::model::window::{Window, WindowKind};
use repin::registry::{AzureOptions, EcrOptions, GoogleOptions, Limits, PublicKey, StaticKeys};
use repin::secret::Secret;
use repin::yaml::{self, Node};

const CANARY: &str = "hunter2-canary";
/// The template of the example.
const MESSAGE: &str = "\
Update {{ applications[0].name }}{% if images|length == 1 %} to {{ images[0].new }}{% else %}:
{%- for image in images %} {{ image.alias }} {{ image.new }}{{ ',' if not loop.last }}{% endfor %}{% endif %}

{% for image in images -%}
{{ image.image }}: {{ '(none)' if image.old is none else image.old or '(empty)' }} -> {{ image.new }}
{% endfor %}
";
const MINIMAL: &str = "repositories:\n  - {name: gitops, url: /srv/git/gitops.git}\n";

/// A registry about which nothing is said but its host.
fn anonymous(host: &str, line: u64) -> RegistrySettings {
    RegistrySettings {
        host: host.to_owned(),
        api_url: None,
        insecure: false,
        credentials: None,
        ca: None,
        ca_data: None,
        token_service: None,
        requests_per_second: None,
        requests_per_cycle: None,
        concurrency: None,
        limits: None,
        schedule: None,
        line,
    }
}

fn read(text: &str) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
    let secrets = |reference: &SecretRef| match reference {
        SecretRef::Env(name) if name == "UNSET" => Err(format!("{reference} is not set")),
        SecretRef::Env(name) if name == "EMPTY" => Ok(Secret::new("")),
        SecretRef::Env(name) if name == "BLANK" => Ok(Secret::new("  ")),
        SecretRef::Env(name) if name == "LINES" => Ok(Secret::new("a\nb")),
        SecretRef::Env(name) if name == "PROXY" => Ok(Secret::new(format!("http://me:{CANARY}@proxy.example:3128"))),
        SecretRef::Env(name) if name == "SSH_AUTH_SOCK" => Ok(Secret::new("/run/agent")),
        SecretRef::Env(name) if name == "KEY" => Ok(private_key()),
        SecretRef::Env(name) if name == "LOCKED" => Ok(locked_key()),
        SecretRef::Env(name) if name == "PGP" => {
            Ok(Secret::new("-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAA\n-----END PGP PRIVATE KEY BLOCK-----\n"))
        }
        SecretRef::Env(name) if name == "CUT" => {
            Ok(Secret::new("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"))
        }
        SecretRef::File(path) if path.ends_with("github-app.pem") => Ok(app_key()),
        SecretRef::File(path) if path.ends_with("platform-key") => Ok(locked_key()),
        SecretRef::File(path) if path.ends_with("signing-key") => Ok(open_key()),
        SecretRef::File(path) if path.to_string_lossy().contains("key") => Ok(private_key()),
        SecretRef::Env(_) | SecretRef::File(_) => Ok(Secret::new(CANARY)),
    };
    let files = |path: &Path| match path.file_name().and_then(|name| name.to_str()) {
        Some("missing.pem") => Err("cannot be read".to_owned()),
        Some("repin.pem") => Ok(std::fs::read("tests/registry/tls/server.pem").unwrap()),
        Some("text.pem") => Ok(b"hello".to_vec()),
        Some("registries.conf") => Ok(b"registries: [{name: Harbor, prefix: harbor.example.com, limit: 5}]".to_vec()),
        Some("cosign.pub" | "qa-2026.pub") => Ok(std::fs::read("tests/data/cosign/p256.pub").unwrap()),
        Some("qa-2025.pub") => Ok(std::fs::read("tests/data/cosign/ed25519.pub").unwrap()),
        Some("cosign.key") => {
            Ok(format!("-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n").into_bytes())
        }
        _ => Ok(std::fs::read("tests/registry/tls/ca.pem").unwrap()),
    };
    let file = Path::new("/etc/repin/repin.yaml");
    let default_cache = Some(PathBuf::from("/home/me/.cache/repin"));
    parse(text, &Surroundings { file, secrets: &secrets, files: &files, default_cache })
}

/// A key whose passphrase is [`CANARY`].
fn locked_key() -> Secret {
    Secret::new(std::fs::read_to_string("tests/data/ssh/locked").unwrap())
}

/// A key without a passphrase: opening one costs time by design.
fn open_key() -> Secret {
    Secret::new(std::fs::read_to_string("tests/data/ssh/open").unwrap())
}

/// A key as GitHub makes it for an App.
fn app_key() -> Secret {
    Secret::new(std::fs::read_to_string("tests/data/google/key.pkcs1.pem").unwrap())
}

fn public_key(name: &str) -> PublicKey {
    PublicKey::from_pem(&std::fs::read(format!("tests/data/cosign/{name}.pub")).unwrap()).unwrap()
}

fn private_key() -> Secret {
    Secret::new(std::fs::read_to_string("tests/registry/tls/server.key.pem").unwrap())
}

fn settings(text: &str) -> Settings {
    let (settings, problems) = read(text).unwrap_or_else(|problems| panic!("{text}\n{}", shown(&problems)));
    assert!(problems.is_empty(), "{text}\n{}", shown(&problems));
    settings
}

fn shown(problems: &[Problem]) -> String {
    let line = |p: &Problem| {
        let severity = if p.severity == Severity::Error { "" } else { "warning " };
        format!("{severity}{} {}: {} | {}", p.line.unwrap_or(0), p.code, p.message, p.hint.as_deref().unwrap_or("-"))
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn two_minutes() -> Schedule {
    Schedule::Every(Interval::new(Duration::from_secs(120)))
}

fn identity(name: &str, email: &str) -> Identity {
    Identity { name: name.into(), email: email.into() }
}

fn of_environment(name: &str, line: u64) -> Rule {
    Rule { of_environment: Some(name.into()), line, ..Rule::default() }
}

fn promotion(text: &str) -> Option<Promotion> {
    Some(text.parse().unwrap())
}

fn hours(count: u64) -> Option<Duration> {
    Some(Duration::from_secs(count * 3_600))
}

fn prefixes(texts: &[&str]) -> BTreeSet<RegistryPrefix> {
    texts.iter().map(|text| RegistryPrefix::new(text).unwrap()).collect()
}

fn globs(texts: &[&str]) -> Vec<Glob> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Asserts all problems, warnings included, of a text after the lines of `MINIMAL`: `<line> <code>: <message>`.
fn check(text: &str, expected: &[&str]) {
    check_whole(&format!("{MINIMAL}{text}"), expected);
}

fn check_whole(text: &str, expected: &[&str]) {
    let (is_ok, problems) = match read(text) {
        Ok((_, problems)) => (true, problems),
        Err(problems) => (false, problems),
    };
    assert_eq!(is_ok, problems.iter().all(|problem| problem.severity == Severity::Warning), "{text}");
    for problem in &problems {
        assert_eq!((problem.file.as_deref(), problem.repository.as_deref()), (Some("/etc/repin/repin.yaml"), None));
        assert!(problem.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{text}\n{problem:?}");
        assert!(problem.line.is_some(), "{text}\n{problem:?}");
    }
    let shown = shown(&problems);
    let without_hints: Vec<&str> = shown.lines().filter_map(|line| line.split(" | ").next()).collect();
    assert_eq!(without_hints, expected, "\n--- for:\n{text}");
}

fn check_credentials(text: &str, expected: &[&str]) {
    let text = format!("repositories: [{{name: a, url: https://x/y, credentials: {text}}}]\n");
    check_whole(&text, expected);
    let found = format!("{:?}", read(&text));
    assert!(!found.contains(CANARY), "{found}");
}

#[test]
fn the_smallest_useful_file_works_as_written() {
    let text = r#"schedule: 2m
repositories:
  - name: gitops
    url: file:///srv/git/gitops.git      # a local path only because the operator names it here
    branch: main
    discover: ["**/*.yaml"]
registries:
  - host: 127.0.0.1:5100
    insecure: true
rules:
  - match: {path: "apps/**"}             # the file that would be written
    environment: dev
    delivery: commit
"#;
    let expected = Settings {
        schedule: two_minutes(),
        shortest_interval: None,
        observe: false,
        argocd: ArgocdMethod::Held,
        repositories: vec![RepositorySettings {
            name: "gitops".into(),
            url: "file:///srv/git/gitops.git".parse().unwrap(),
            branch: Some("main".parse().unwrap()),
            branches: vec![],
            also: vec![],
            discover: globs(&["**/*.yaml"]),
            credentials: None,
            access: AccessSettings::default(),
            forge: None,
            pull_requests: PullLimits::default(),
            may_write: vec![],
            history: HistorySettings::default(),
            clusters: vec![],
            schedule: None,
            line: 3,
        }],
        forges: vec![],
        ignore_closed_by: BTreeSet::new(),
        registries: vec![RegistrySettings { insecure: true, ..anonymous("127.0.0.1:5100", 8) }],
        registry_limits: Limits::default(),
        pull_secrets: vec![],
        docker_config: None,
        credential_helpers: BTreeMap::new(),
        cosign_keys: vec![],
        image_fields: vec![],
        environments: vec![],
        windows: BTreeMap::new(),
        max_changes_per_push: None,
        emergency_stop: None,
        rules: vec![Rule {
            matches: Match { path: Some("apps/**".parse().unwrap()), ..Match::default() },
            environment: Some("dev".into()),
            delivery: Some(Delivery::Commit),
            line: 11,
            ..Rule::default()
        }],
        commit: CommitSettings::default(),
        applications: vec![],
        webhooks: vec![],
        cache: CacheSettings { path: "/home/me/.cache/repin".into() },
        server: ServerSettings { listen: Some("127.0.0.1:8080".parse().unwrap()) },
        log: LogSettings { format: LogFormat::Text, level: LogLevel::Info },
    };
    assert_eq!(settings(text), expected);
}

#[test]
fn what_is_not_written_has_its_default() {
    let read = settings(MINIMAL);
    assert_eq!((read.schedule, read.observe), (two_minutes(), false));
    assert_eq!(read.repositories[0].discover, globs(&["**/*.yaml", "**/*.yml"]));
    assert_eq!((read.repositories[0].branch.as_ref(), read.rules.len()), (None, 0));
}

#[test]
fn every_setting_of_the_example_is_read() {
    let text = std::fs::read_to_string("config/repin.example.yaml").unwrap();
    let read = settings(&text);
    let secret = || Secret::new(CANARY);
    let line = |needle: &str| text.lines().position(|line| line.contains(needle)).unwrap() as u64 + 1;
    let url = |text: &str| Some(text.parse().unwrap());
    let registry = |host: &str, credentials: Option<RegistryCredentials>| {
        let line = text.lines().position(|line| line.trim_end().ends_with(&format!("- host: {host}")));
        RegistrySettings { credentials, ..anonymous(host, line.unwrap_or_default() as u64 + 1) }
    };
    let ecr = |options: EcrOptions| Some(RegistryCredentials::Ecr(options));
    let forge_access = || AccessSettings {
        known_hosts: None,
        ca: Some("/etc/repin/certs/example-ca.pem".into()),
        proxy: Some(Secret::new("http://proxy.example.com:3128")),
        client_certificate: Some(ClientCertificateSettings {
            cert: "/etc/repin/certs/repin.pem".into(),
            key: private_key(),
        }),
    };
    let google = |options: GoogleOptions| Some(RegistryCredentials::Google(options));
    let azure = |options: AzureOptions| Some(RegistryCredentials::Azure(options));
    let ids = || AzureOptions {
        tenant_id: Some("11111111-2222-3333-4444-555555555555".into()),
        client_id: Some("66666666-7777-8888-9999-000000000000".into()),
        ..AzureOptions::default()
    };
    let expected = Settings {
        schedule: two_minutes(),
        shortest_interval: Some(Duration::from_secs(30)),
        observe: false,
        docker_config: Some("/var/run/secrets/registries".into()),
        credential_helpers: [("ecr-login".to_owned(), "/usr/local/bin/docker-credential-ecr-login".into())].into(),
        argocd: ArgocdMethod::AsGit,
        repositories: vec![
            RepositorySettings {
                name: "gitops".into(),
                url: "https://git.example.com/acme/gitops.git".parse().unwrap(),
                branch: Some("main".parse().unwrap()),
                branches: vec!["release/*".parse().unwrap(), "auto/**".parse().unwrap()],
                also: vec!["ssh://git@git.internal:7999/acme/gitops.git".parse().unwrap()],
                discover: globs(&["apps/**/*.yaml", "clusters/**/*.yaml"]),
                credentials: Some(Credentials::Basic { username: Secret::new("repin"), password: secret() }),
                access: AccessSettings {
                    known_hosts: None,
                    ca: Some("/etc/repin/certs/example-ca.pem".into()),
                    proxy: Some(Secret::new("http://proxy.example.com:3128")),
                    client_certificate: Some(ClientCertificateSettings {
                        cert: "/etc/repin/certs/repin.pem".into(),
                        key: private_key(),
                    }),
                },
                forge: Some(RepositoryForgeSettings {
                    forge: ForgeSettings {
                        url: "https://git.example.com".parse().unwrap(),
                        kind: ForgeKind::GitLab,
                        api_url: "https://git.example.com/api/v4".parse().unwrap(),
                        credentials: Some(ForgeCredentials::Fixed(Credentials::Token(secret()))),
                        // That of the repository, which is on the same host.
                        access: forge_access(),
                        requests_per_second: Some(5.0),
                        line: line("      url: https://git.example.com  "),
                    },
                    project: "acme/gitops".parse().unwrap(),
                    commits: CommitsBy::Api,
                }),
                pull_requests: PullLimits {
                    max_open: Some(10),
                    max_new_per_hour: Some(5),
                    rebase: RebaseWhen::Conflict,
                },
                may_write: globs(&["environments/*/versions.yaml"]),
                history: HistorySettings { commits: Some(50_000), days: Some(730) },
                clusters: globs(&["clusters/*.yaml"]),
                schedule: Some(Schedule::Every(Interval {
                    span: Duration::from_secs(300),
                    jitter: Duration::from_secs(30),
                })),
                line: line("- name: gitops"),
            },
            RepositorySettings {
                name: "platform".into(),
                url: "ssh://git@git.example.com:7999/acme/platform.git".parse().unwrap(),
                branch: None,
                branches: vec![],
                also: vec![],
                discover: globs(&["**/*.yaml", "**/*.yml"]),
                credentials: Some(Credentials::SshKey { key: locked_key(), passphrase: Some(secret()) }),
                access: AccessSettings {
                    known_hosts: Some("/etc/repin/ssh/known_hosts".into()),
                    ..AccessSettings::default()
                },
                forge: None,
                pull_requests: PullLimits::default(),
                may_write: vec![],
                history: HistorySettings::default(),
                clusters: vec![],
                schedule: None,
                line: line("- name: platform"),
            },
            RepositorySettings {
                name: "lab".into(),
                url: "file:///srv/git/lab.git".parse().unwrap(),
                branch: None,
                branches: vec![],
                also: vec![],
                discover: globs(&["**/*.yaml", "**/*.yml"]),
                credentials: None,
                access: AccessSettings::default(),
                forge: None,
                pull_requests: PullLimits::default(),
                may_write: vec![],
                history: HistorySettings::default(),
                clusters: vec![],
                schedule: None,
                line: line("- name: lab"),
            },
        ],
        forges: vec![
            ForgeSettings {
                url: "https://github.com/acme".parse().unwrap(),
                kind: ForgeKind::GitHub,
                api_url: "https://api.github.com".parse().unwrap(),
                credentials: Some(ForgeCredentials::App { id: "Iv23liAbCdEf01234567".into(), key: app_key() }),
                access: AccessSettings::default(),
                requests_per_second: None,
                line: line("- url: https://github.com/acme"),
            },
            ForgeSettings {
                url: "https://code.example.com/git".parse().unwrap(),
                kind: ForgeKind::Gitea,
                api_url: "https://code.example.com/git/api/v1".parse().unwrap(),
                credentials: Some(ForgeCredentials::Fixed(Credentials::Token(secret()))),
                access: forge_access(),
                requests_per_second: Some(5.0),
                line: line("- url: https://code.example.com/git"),
            },
        ],
        ignore_closed_by: ["stale[bot]".to_owned()].into(),
        registries: vec![
            RegistrySettings {
                credentials: Some(Credentials::Token(secret()).into()),
                requests_per_second: Some(10.0),
                requests_per_cycle: Some(2000),
                concurrency: Some(4),
                schedule: Some(Schedule::Cron(Cron::new("@hourly", TimeZone::UTC).unwrap())),
                ..anonymous("ghcr.io", line("- host: ghcr.io"))
            },
            RegistrySettings {
                api_url: Some("https://registry-api.example.com".parse().unwrap()),
                credentials: Some(Credentials::Basic { username: secret(), password: secret() }.into()),
                ca: Some("/etc/repin/certs/example-ca.pem".into()),
                token_service: Some("https://login.example.net".parse().unwrap()),
                limits: Some(Limits { page_size: 100, request_timeout: Duration::from_secs(60), ..Limits::default() }),
                ..anonymous("registry.example.com:5000", line("- host: registry.example.com"))
            },
            RegistrySettings { insecure: true, ..registry("127.0.0.1:5100", None) },
            registry("quay.io", Some(RegistryCredentials::DockerConfig("/var/run/secrets/quay".into()))),
            registry("123456789012.dkr.ecr.eu-west-1.amazonaws.com", ecr(EcrOptions::default())),
            registry(
                "123456789012.dkr.ecr.eu-central-1.amazonaws.com",
                ecr(EcrOptions {
                    role_arn: Some("arn:aws:iam::123456789012:role/repin".into()),
                    web_identity_token_file: Some("/var/run/secrets/eks.amazonaws.com/serviceaccount/token".into()),
                    sts_endpoint: url("https://sts.eu-central-1.amazonaws.com/"),
                    ..EcrOptions::default()
                }),
            ),
            registry(
                "ecr.example.com",
                ecr(EcrOptions {
                    region: Some("eu-west-1".into()),
                    account: Some("123456789012".into()),
                    keys: Some(StaticKeys {
                        id: Secret::new("AKIAIOSFODNN7EXAMPLE"),
                        secret: secret(),
                        session: Some(secret()),
                    }),
                    endpoint: url("https://api.ecr.eu-west-1.amazonaws.com/"),
                    ..EcrOptions::default()
                }),
            ),
            registry(
                "public.ecr.aws",
                ecr(EcrOptions { metadata_url: url("http://169.254.169.254"), ..EcrOptions::default() }),
            ),
            registry(
                "europe-docker.pkg.dev",
                google(GoogleOptions {
                    credentials_file: Some("/etc/repin/secrets/google.json".into()),
                    ..GoogleOptions::default()
                }),
            ),
            registry(
                "gcr.io",
                google(GoogleOptions {
                    credentials_file: None,
                    service_account: Some("repin@acme.iam.gserviceaccount.com".into()),
                    metadata_url: url("http://metadata.google.internal"),
                }),
            ),
            registry(
                "acme.azurecr.io",
                azure(AzureOptions {
                    client_secret: Some(secret()),
                    authority: url("https://login.microsoftonline.com"),
                    audience: Some("https://containerregistry.azure.net".into()),
                    ..ids()
                }),
            ),
            registry(
                "apps.azurecr.io",
                azure(AzureOptions {
                    federated_token_file: Some("/var/run/secrets/azure/tokens/azure-identity-token".into()),
                    ..ids()
                }),
            ),
            registry(
                "lab.azurecr.io",
                azure(AzureOptions { metadata_url: url("http://169.254.169.254"), ..AzureOptions::default() }),
            ),
            // Of registries.conf, whose line it has.
            RegistrySettings { requests_per_second: Some(5.0), line: 1, ..registry("harbor.example.com", None) },
        ],
        registry_limits: Limits::default(),
        pull_secrets: vec![
            PullSecretSettings {
                secret: PullSecret {
                    name: "harbor".into(),
                    registries: vec!["registry.example.com:5000".into()],
                    matches: Match {
                        repository: Some("gitops".parse().unwrap()),
                        branch: None,
                        path: Some("clusters/**".parse().unwrap()),
                        application: Some("web-*".parse().unwrap()),
                        namespace: Some("argocd".parse().unwrap()),
                        project: Some("team-*".parse().unwrap()),
                        labels: vec![("team".into(), "web".into())],
                    },
                },
                credentials: Credentials::Basic { username: secret(), password: secret() }.into(),
                line: line("- name: harbor"),
            },
            PullSecretSettings {
                secret: PullSecret {
                    name: "pullsecret:ci/harbor".into(),
                    registries: vec!["registry.example.com:5000".into()],
                    matches: Match::default(),
                },
                credentials: Credentials::Token(secret()).into(),
                line: line("- name: \"pullsecret:ci/harbor\""),
            },
        ],
        cosign_keys: vec![
            CosignKeySettings {
                name: "release".parse().unwrap(),
                keys: vec![public_key("p256")],
                line: line("- name: release"),
            },
            CosignKeySettings {
                name: "qa".parse().unwrap(),
                keys: vec![public_key("p256"), public_key("ed25519")],
                line: line("- name: qa"),
            },
        ],
        image_fields: vec![
            ImageField {
                kind: "Cluster".into(),
                group: Some("postgresql.cnpg.io".into()),
                place: FieldPlace::Whole("spec.imageName".parse().unwrap()),
            },
            ImageField {
                kind: "Broker".into(),
                group: None,
                place: FieldPlace::Parts {
                    name: "spec.nodes[*].imageName".parse().unwrap(),
                    tag: "spec.nodes[*].imageTag".parse().unwrap(),
                    digest: Some("spec.nodes[*].imageDigest".parse().unwrap()),
                },
            },
        ],
        environments: vec![
            Rule { delivery: Some(Delivery::Commit), ..of_environment("dev", line("- name: dev")) },
            Rule { promote_from: promotion("dev"), ..of_environment("perf", line("- name: perf")) },
            Rule {
                promote_from: promotion("dev"),
                soak: hours(1),
                ..of_environment("staging", line("- name: staging"))
            },
            Rule {
                promote_from: promotion("any:perf,staging"),
                at_least: AtLeast {
                    delivery: Some(Delivery::PullRequest),
                    windows: vec![["office".to_owned()].into()],
                    ..AtLeast::default()
                },
                ..of_environment("production", line("- name: production"))
            },
        ],
        windows: [
            Window {
                name: "office".into(),
                kind: WindowKind::Allow,
                cron: Cron::new("0 9 * * 1-5", TimeZone::get("Europe/Berlin").unwrap()).unwrap(),
                duration: Duration::from_secs(8 * 3_600),
                reason: Some("people are there".into()),
            },
            Window {
                name: "year-end".into(),
                kind: WindowKind::Deny,
                cron: Cron::new("0 0 20 12 *", TimeZone::UTC).unwrap(),
                duration: Duration::from_secs(14 * 86_400),
                reason: None,
            },
        ]
        .map(|window| (window.name.clone(), window))
        .into(),
        max_changes_per_push: Some(50),
        emergency_stop: Some("/etc/repin/stop".into()),
        rules: vec![
            Rule {
                matches: Match {
                    repository: Some("gitops".parse().unwrap()),
                    branch: Some("main".parse().unwrap()),
                    path: Some("apps/**".parse().unwrap()),
                    application: Some("web-*".parse().unwrap()),
                    namespace: Some("argocd".parse().unwrap()),
                    project: Some("team-*".parse().unwrap()),
                    labels: vec![("team".into(), "web".into())],
                },
                environment: Some("dev".into()),
                delivery: Some(Delivery::Commit),
                observe: None,
                may_write: globs(&["shared/dev/*.yaml"]),
                per: Some(Per::Group),
                schedule: None,
                verify: BTreeSet::new(),
                pull_request: PullRules::default(),
                unsupported: vec![],
                line: line("- match:  "),
                ..Rule::default()
            },
            Rule {
                matches: Match { path: Some("apps/*/production/**".parse().unwrap()), ..Match::default() },
                environment: Some("production".into()),
                delivery: Some(Delivery::PullRequest),
                observe: Some(true),
                may_write: vec![],
                per: None,
                schedule: Some(Schedule::Cron(
                    Cron::new("0 9 * * 1-5", TimeZone::get("Europe/Berlin").unwrap()).unwrap(),
                )),
                verify: ["release".parse().unwrap()].into(),
                pull_request: PullRules {
                    labels: Some(["dependencies", "production"].map(str::to_owned).into()),
                    reviewers: Some(["alice", "acme/platform", "codeowners"].map(str::to_owned).into()),
                    assignees: Some(["bob".to_owned()].into()),
                    draft: Some(false),
                    auto_merge: Some(AutoMerge::Optional),
                    merge_method: Some(MergeMethod::Squash),
                },
                windows: Some(["office", "year-end"].map(str::to_owned).into()),
                min_age: hours(72),
                promote_from: promotion("staging"),
                soak: hours(24),
                follow_rollback: Some(true),
                registries: Some(prefixes(&["ghcr.io/acme", "registry.example.com:5000"])),
                max_changes_per_hour: Some(5),
                max_changes_per_push: Some(20),
                at_least: AtLeast {
                    delivery: Some(Delivery::PullRequest),
                    windows: vec![["year-end".to_owned()].into()],
                    min_age: hours(24),
                    promote_from: promotion("any:perf,staging"),
                    soak: hours(4),
                    registries: vec![prefixes(&["ghcr.io"])],
                    verify: ["release".parse().unwrap()].into(),
                    max_changes_per_hour: Some(10),
                    max_changes_per_push: Some(30),
                },
                unsupported: vec![],
                line: line("- match: {path: \"apps/*/production"),
                ..Rule::default()
            },
            Rule {
                matches: Match {
                    path: Some(Glob::of_captures("services/shop-{environment}/**").unwrap()),
                    ..Match::default()
                },
                service: Some("shop".into()),
                line: line("- match: {path: \"services/shop"),
                ..Rule::default()
            },
        ],
        commit: CommitSettings {
            authorship: Authorship {
                author: identity("Update Bot", "updates@example.com"),
                committer: identity("Release Bot", "releases@example.com"),
                signer: Some(Signer::new(&open_key(), None).unwrap()),
            },
            own_emails: ["old-bot@example.com".to_owned()].into(),
            wording: Wording {
                template: Some(Template::new(MESSAGE).unwrap()),
                sign_off: Some("Release Bot <releases@example.com>".into()),
            },
        },
        applications: vec![ApplicationSettings {
            name: "batch".into(),
            namespace: "jobs".into(),
            repository: "lab".into(),
            path: "batch".parse().unwrap(),
            annotations: [
                ("image-list", "app=ghcr.io/acme/batch:~1.4"),
                ("app.helm.image-tag", "image.tag"),
                ("write-back-target", "helmvalues:values.yaml"),
            ]
            .map(|(key, value)| AnnotationSetting { key: key.into(), value: value.into(), line: line(value) })
            .to_vec(),
            line: line("- name: batch"),
        }],
        webhooks: vec![Webhook {
            name: "hub".into(),
            kind: WebhookKind::DockerHub,
            secret: secret(),
            registry: Some("docker.io".into()),
            requests_per_second: 100.0,
        }],
        cache: CacheSettings { path: "/var/cache/repin".into() },
        server: ServerSettings { listen: Some("127.0.0.1:8080".parse().unwrap()) },
        log: LogSettings { format: LogFormat::Text, level: LogLevel::Info },
    };
    assert_eq!(read, expected);
}

#[test]
fn the_example_shows_every_key() {
    let text = std::fs::read_to_string("config/repin.example.yaml").unwrap();
    let documents = yaml::parse(&text).unwrap();
    let mut shown = BTreeSet::new();
    collect(documents[0].root(), "", &mut shown);
    // The sources of credentials are shown at `registries`.
    let elsewhere =
        ["docker_config", "ecr", "google", "azure"].map(|name| format!("pull_secrets[].credentials.{name}"));
    // The settings of environments are shown at `rules`.
    let is_of_rules = |key: &String| {
        let of_rules = key.strip_prefix("environments[].").map(|rest| format!("rules[].{rest}"));
        of_rules.is_some_and(|of_rules| keys::all().contains(&of_rules))
    };
    let is_elsewhere = |key: &String| elsewhere.iter().any(|start| key.starts_with(start)) || is_of_rules(key);
    let missing = keys::all().into_iter().filter(|key| !shown.contains(key) && !is_elsewhere(key));
    let missing: Vec<String> = missing.collect();
    let expected = [
        // A schedule is shown in each form somewhere.
        "schedule.cron",
        "schedule.time_zone",
        "schedule.interval",
        "schedule.jitter",
        // Shown once each: `{env}` for a password, `{file}` for all others.
        "repositories[].credentials.username.env",
        "repositories[].credentials.username.file",
        "repositories[].credentials.password.file",
        "repositories[].credentials.token",
        "repositories[].credentials.token.env",
        "repositories[].credentials.token.file",
        "repositories[].credentials.ssh_key.env",
        "repositories[].credentials.passphrase.file",
        "repositories[].credentials.ssh_agent",
        "repositories[].proxy.env",
        "repositories[].proxy.file",
        "repositories[].client_certificate.key.env",
        "repositories[].forge.credentials.token.env",
        "repositories[].forge.credentials.app",
        "repositories[].forge.credentials.app.id",
        "repositories[].forge.credentials.app.key",
        "repositories[].forge.credentials.app.key.env",
        "repositories[].forge.credentials.app.key.file",
        // As at `forges`.
        "repositories[].forge.ca",
        "repositories[].forge.proxy",
        "repositories[].forge.proxy.env",
        "repositories[].forge.proxy.file",
        "repositories[].forge.client_certificate",
        "repositories[].forge.client_certificate.cert",
        "repositories[].forge.client_certificate.key",
        "repositories[].forge.client_certificate.key.env",
        "repositories[].forge.client_certificate.key.file",
        "repositories[].schedule.cron",
        "repositories[].schedule.time_zone",
        "forges[].credentials.token.file",
        "forges[].credentials.app.key.env",
        "forges[].proxy.env",
        "forges[].proxy.file",
        "forges[].client_certificate.key.env",
        "registries[].credentials.username.env",
        "registries[].credentials.password.env",
        "registries[].credentials.token.env",
        "registries[].credentials.ecr.access_key_id.env",
        "registries[].credentials.ecr.access_key_id.file",
        "registries[].credentials.ecr.secret_access_key.env",
        "registries[].credentials.ecr.session_token.env",
        "registries[].credentials.azure.client_secret.env",
        "registries[].limits.page_bytes",
        "registries[].limits.manifest_bytes",
        "registries[].limits.pages",
        "registries[].limits.tags",
        "registries[].limits.listing_time",
        "registries[].limits.connect_timeout",
        "registries[].limits.longest_pause",
        "registries[].schedule.cron",
        "registries[].schedule.time_zone",
        "registries[].schedule.interval",
        "registries[].schedule.jitter",
        "rules[].schedule.interval",
        "rules[].schedule.jitter",
        "rules[].promote_from.all",
        "rules[].promote_from.any",
        "rules[].at_least.promote_from.all",
        "commit.signing.ssh_key.env",
        "commit.signing.openpgp_key",
        "commit.signing.openpgp_key.env",
        "commit.signing.openpgp_key.file",
        "commit.signing.passphrase.file",
        "pull_secrets[].credentials.username.env",
        "pull_secrets[].credentials.password.env",
        "pull_secrets[].credentials.token.env",
        "webhooks[].secret.env",
    ];
    assert_eq!(missing, expected, "add a commented line to config/repin.example.yaml");
    let known: BTreeSet<String> = keys::all().into_iter().collect();
    let free = |key: &&String| {
        ["applications[].annotations.", "credential_helpers.", "rules[].match.label.", "pull_secrets[].match.label."]
            .iter()
            .any(|free| key.starts_with(free))
    };
    let unknown: Vec<&String> = shown.iter().filter(|key| !known.contains(*key) && !free(key)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn collect(node: Node<'_>, prefix: &str, into: &mut BTreeSet<String>) {
    for (key, value) in node.entries() {
        let path = format!("{prefix}{}", key.as_str().unwrap());
        collect(value, &format!("{path}."), into);
        value.items().into_iter().for_each(|item| collect(item, &format!("{path}[]."), into));
        into.insert(path);
    }
}

/// Asserts the problems of the keys that tell how a repository is reached.
fn check_access(url: &str, keys: &str, expected: &[&str]) {
    check_whole(&format!("repositories: [{{name: a, url: \"{url}\", {keys}}}]\n"), expected);
}

#[test]
fn limits_of_registries_are_read_and_out_of_range_is_named() {
    let text = |more: &str| format!("{MINIMAL}{more}");
    let (settings, _) = read(&text(
        "registry_limits: {tags: 50000, page_bytes: 1000, longest_pause: 0s}\nregistries:\n  - host: a.example\n    limits: {pages: 3}\n",
    ))
    .unwrap();
    let all = Limits { tags: 50_000, bytes_per_page: 1000, longest_pause: Duration::ZERO, ..Limits::default() };
    assert_eq!(settings.registry_limits, all);
    assert_eq!(settings.registries[0].limits, Some(Limits { pages: 3, ..all }));
    check_whole(
        &text(
            "registry_limits: {tags: 0, pages: 2000000000, listing_time: 0s, connect_timeout: 2h, longest_pause: 2h, page_size: x}\n",
        ),
        &[
            "3 config/invalid-value: `registry_limits.pages` is `2000000000`: it is at most 1073741824",
            "3 config/invalid-value: `registry_limits.tags` is `0`: it is a whole number from 1",
            "3 config/invalid-value: `registry_limits.page_size` is `x`: it is a whole number from 1",
            "3 config/invalid-value: `registry_limits.listing_time` is `0s`: it is at least 1s and at most 1h",
            "3 config/invalid-value: `registry_limits.connect_timeout` is `2h`: it is at least 1s and at most 1h",
            "3 config/invalid-value: `registry_limits.longest_pause` is `2h`: it is at most 1h",
        ],
    );
    check_whole(
        &text(
            "registries:\n  - {host: a.example, concurrency: 257, requests_per_cycle: 0, token_service: \"http://x.example\"}\n",
        ),
        &[
            "4 config/invalid-value: `registries[0].requests_per_cycle` is `0`: it is a whole number from 2",
            "4 config/invalid-value: `registries[0].concurrency` is `257`: it is a whole number from 1 to 256",
            "4 config/invalid-value: `registries[0].token_service` is no URL of a service: http:// needs `insecure: true`",
        ],
    );
}

#[test]
fn what_is_for_https_and_what_is_for_ssh_are_not_mixed() {
    let (https, ssh) = ("https://git.example/a", "git@git.example:a");
    for keys in [
        "credentials: {token: {env: T}}",
        "ca: ca.pem",
        "proxy: \"socks5://127.0.0.1:1080\"",
        "proxy: {env: PROXY}",
        "client_certificate: {cert: repin.pem, key: {file: key.pem}}",
    ] {
        check_access(https, keys, &[]);
        let (key, _) = keys.split_once(':').unwrap();
        let only = if matches!(key, "credentials" | "proxy") { "http(s)" } else { "https" };
        let problem = format!("1 config/invalid-value: `repositories[0].{key}` is for {only} URLs, and `url` is none");
        check_access(ssh, keys, &[&problem]);
    }
    for keys in [
        "credentials: {ssh_key: {env: KEY}}",
        "credentials: {ssh_key: {env: LOCKED}, passphrase: {env: T}}",
        "credentials: {ssh_agent: true}",
        "known_hosts: hosts",
    ] {
        check_access(ssh, keys, &[]);
        let (key, _) = keys.split_once(':').unwrap();
        let problem = format!("1 config/invalid-value: `repositories[0].{key}` is for ssh URLs, and `url` is none");
        check_access(https, keys, &[&problem]);
    }
}

#[test]
fn what_cannot_reach_a_repository_is_found_at_the_start() {
    let (https, ssh) = ("https://git.example/a", "git@git.example:a");
    for (url, keys, problem) in [
        (
            https,
            "ca: missing.pem",
            "unreadable: `repositories[0].ca` names /etc/repin/missing.pem, which is no readable file",
        ),
        (
            https,
            "ca: text.pem",
            "unreadable: `repositories[0].ca` names /etc/repin/text.pem, and the certificate authorities given are no PEM certificates: there is no certificate in it",
        ),
        (
            https,
            "proxy: \"ftp://proxy.example\"",
            "invalid-value: `repositories[0].proxy` is no http, https, socks5 or socks5h URL",
        ),
        (https, "proxy: {env: T}", "invalid-value: `repositories[0].proxy` is no http, https, socks5 or socks5h URL"),
        (
            https,
            "proxy: \"http://me:hunter2-canary@proxy.example\"",
            "secret: `repositories[0].proxy` holds a user or a password, and secrets are given by reference only",
        ),
        (
            https,
            "client_certificate: {cert: missing.pem, key: {file: key.pem}}",
            "unreadable: `repositories[0].client_certificate.cert` names /etc/repin/missing.pem, which is no readable file",
        ),
        (
            https,
            "client_certificate: {cert: repin.pem, key: {env: T}}",
            "secret: `repositories[0].client_certificate.key` is no private key in PEM form",
        ),
        (
            https,
            "client_certificate: {cert: repin.pem}",
            "missing-key: `repositories[0].client_certificate.key` is missing, and it is required",
        ),
        (
            https,
            "credentials: {token: {env: LINES}}",
            "secret: `repositories[0].credentials.token` has no value that can be sent: it holds control characters or more than one line",
        ),
        (
            ssh,
            "known_hosts: missing.pem",
            "unreadable: `repositories[0].known_hosts` names /etc/repin/missing.pem, which is no readable file",
        ),
        (
            ssh,
            "credentials: {ssh_key: {env: T}}",
            "secret: `repositories[0].credentials.ssh_key` is no private key in PEM form",
        ),
        (
            ssh,
            "credentials: {ssh_key: {env: LOCKED}}",
            "missing-key: `repositories[0].credentials` has a key that is encrypted, and no `passphrase`",
        ),
        (ssh, "credentials: {passphrase: {env: T}}", "missing-key: `repositories[0].credentials` has no `ssh_key`"),
        (
            ssh,
            "credentials: {ssh_agent: false}",
            "invalid-value: `repositories[0].credentials.ssh_agent` is false, which says nothing",
        ),
        (
            ssh,
            "credentials: {ssh_agent: true, ssh_key: {env: KEY}}",
            "invalid-value: `repositories[0].credentials` has `ssh_agent` beside a key",
        ),
        (
            ssh,
            "credentials: {ssh_key: {env: KEY}, token: {env: T}}",
            "invalid-value: `repositories[0].credentials` mixes what is for https with what is for ssh",
        ),
    ] {
        check_access(url, keys, &[&format!("1 config/{problem}")]);
    }
}

#[test]
fn a_key_that_is_cut_is_found_at_the_start() {
    let text = "repositories: [{name: a, url: 'git@git.example:a', credentials: {ssh_key: {env: CUT}}}]\n";
    let problems = read(text).unwrap_err();
    assert_eq!(problems.len(), 1, "{}", shown(&problems));
    assert!(problems[0].message.contains("has a key that cannot be read: "), "{}", shown(&problems));
}

#[test]
fn the_template_of_the_example_gives_the_default_message() {
    let place = |alias: &str, old: Option<&str>| WrittenPlace {
        file: "apps/web/values.yaml".into(),
        key: format!("{alias}.tag"),
        application: ("argocd/web".into(), None),
        alias: alias.into(),
        image: "ghcr.io/acme/web".into(),
        old: old.map(str::to_owned),
        new: "1.1.0".into(),
        digest: None,
        first_seen: None,
        reason: "semver 1.x".into(),
        labels: None,
        passed_over: Vec::new(),
    };
    let wording = Wording { template: Some(Template::new(MESSAGE).unwrap()), sign_off: None };
    for places in
        [vec![place("app", Some("1.0.0"))], vec![place("app", None), place("job", Some("")), place("x", Some("1"))]]
    {
        let text = CommitText {
            repository: "gitops".into(),
            branch: "main".into(),
            applications: vec![("argocd/web".into(), None)],
            places,
        };
        assert_eq!(message::commit(&text, &wording), message::commit(&text, &Wording::default()));
    }
}

#[test]
fn commits_are_read_with_their_defaults_and_every_problem() {
    let read = settings(&format!(
        "{MINIMAL}commit:\n  author: {{name: \" Bot. \", email: bot@example.com}}\n  sign_off: true\n"
    ))
    .commit;
    assert_eq!(read.authorship.author, identity("Bot", "bot@example.com"));
    assert_eq!(read.authorship.committer, read.authorship.author);
    assert_eq!((read.authorship.signer, read.wording.template), (None, None));
    assert_eq!(read.wording.sign_off.as_deref(), Some("Bot <bot@example.com>"));
    for (text, expected) in [
        ("author: {name: Bot}", "missing-key: `commit.author.email` is missing, and it is required"),
        (
            "author: {name: Bot, email: \"a b@c\"}",
            "invalid-value: `commit.author.email` is `a b@c`: an address is not empty, and holds no blanks, no < and > and no control characters",
        ),
        (
            "committer: {name: \" \", email: a@b}",
            "invalid-value: `commit.committer.name` is ` `: a name is not empty, and holds no < and > and no control characters",
        ),
        ("message: \"\"", "invalid-value: `commit.message` does not work: the subject, its first line, is empty"),
        (
            "signing: {ssh_key: {env: LOCKED}}",
            "secret: `commit.signing` cannot sign: the key is encrypted, and there is no passphrase",
        ),
        ("signing: {passphrase: {env: T}}", "missing-key: `commit.signing` has no `ssh_key` and no `openpgp_key`"),
        (
            "signing: {ssh_key: {env: KEY}, openpgp_key: {env: PGP}}",
            "invalid-value: `commit.signing` has `ssh_key` beside `openpgp_key`",
        ),
        (
            "signing: {openpgp_key: {env: KEY}}",
            "secret: `commit.signing.openpgp_key` is no armoured private key of OpenPGP",
        ),
        (
            "signing: {openpgp_key: {env: PGP}}",
            "secret: `commit.signing` cannot sign: the key is no armoured PGP private key, or is damaged",
        ),
        ("signing: {ssh_key: {env: T}}", "secret: `commit.signing.ssh_key` is no private key in PEM form"),
        ("sign_off: yes", "invalid-value: `commit.sign_off` is `yes`: it is true or false"),
    ] {
        check(&format!("commit: {{{text}}}"), &[&format!("3 config/{expected}")]);
    }
    let own = settings(&format!("{MINIMAL}commit: {{own_emails: [Old@Example.com, old@example.com]}}\n")).commit;
    assert_eq!(own.own_emails, ["old@example.com".to_owned()].into());
    check(
        "commit: {own_emails: [\"a b\", \"\"]}",
        &["a b", ""]
            .map(|text| {
                let rule = "an address is not empty, and holds no blanks, no < and > and no control characters";
                let at = usize::from(text.is_empty());
                format!("3 config/invalid-value: `commit.own_emails[{at}]` is `{text}`: {rule}")
            })
            .each_ref()
            .map(String::as_str),
    );
    let shown = format!(
        "{:?}",
        settings(&format!("{MINIMAL}commit: {{signing: {{ssh_key: {{env: LOCKED}}, passphrase: {{env: T}}}}}}"))
    );
    assert!(!shown.contains(CANARY) && shown.contains("Signer(SHA256:"), "{shown}");
}

#[test]
fn a_pull_secret_is_bound_to_hosts_and_applications() {
    let one = |text: &str| format!("pull_secrets: [{{{text}}}]");
    let login = "credentials: {token: {env: T}}";
    check(&one(&format!("name: a, registries: [ghcr.io], {login}, match: {{}}")), &[]);
    check(
        &one("name: a"),
        &[
            "3 config/missing-key: `pull_secrets[0].registries` is missing, and it is required",
            "3 config/missing-key: `pull_secrets[0].credentials` is missing, and it is required",
            "3 config/missing-key: `pull_secrets[0].match` is missing, and it is required",
        ],
    );
    check(
        &one(&format!("name: a, registries: [], {login}, match: {{branch: x}}")),
        &[
            "3 config/invalid-value: `pull_secrets[0].registries` is empty, and names the hosts that it is sent to",
            "3 config/unknown-key: `pull_secrets[0].match.branch` is not a known key",
        ],
    );
    check(
        &one(&format!("name: ' a', registries: [\"https://ghcr.io\", ghcr.io/acme], {login}, match: {{}}")),
        &[
            "3 config/invalid-value: `pull_secrets[0].name` is ` a`: it is one line of 1 to 200 characters, without blanks at its ends",
            "3 config/invalid-value: `pull_secrets[0].registries[0]` is `https://ghcr.io`: it is a host without a scheme",
            "3 unsupported/prefix: `pull_secrets[0].registries[1]` is a prefix with a path, and this build reads hosts only",
        ],
    );
    let two = format!("{{name: a, registries: [ghcr.io], {login}, match: {{}}}}");
    check(
        &format!("pull_secrets:\n- {two}\n- {two}"),
        &["5 config/duplicate: `pull_secrets[1]` has the name `a`, as the entry in line 4 has"],
    );
    check(
        &one(&format!("name: a, registries: [r.example], {login}, match: {{}}")),
        &[
            "warning 3 config/no-match: `pull_secrets[0]` is bound to `r.example`, which is not configured and never asked",
        ],
    );
    check(
        &format!(
            "registries: [{{host: r.example, insecure: true}}]\n{}",
            one(&format!("name: a, registries: [r.example], {login}, match: {{}}"))
        ),
        &[
            "warning 4 config/plain-credentials: `pull_secrets[0]` is sent over plain HTTP: everybody on the way can read it",
        ],
    );
}

#[test]
fn a_webhook_has_a_name_a_kind_a_secret_and_knows_its_registry() {
    let one = |text: &str| format!("webhooks: [{{{text}}}]");
    let good = "name: hub, secret: {env: T}, kind";
    for (text, host) in [
        ("docker-hub", Some("docker.io")),
        ("docker-hub, registry: index.docker.io", Some("docker.io")),
        ("ghcr", Some("ghcr.io")),
        ("quay", Some("quay.io")),
        ("generic", None),
        ("generic, registry: GHCR.io", Some("ghcr.io")),
        ("harbor, registry: ghcr.io", Some("ghcr.io")),
    ] {
        let read = settings(&format!("{MINIMAL}{}", one(&format!("{good}: {text}")))).webhooks.remove(0);
        assert_eq!((read.registry.as_deref(), read.requests_per_second), (host, 100.0), "{text}");
    }
    for kind in ["harbor", "gitlab", "distribution"] {
        let missing = format!(
            "3 config/missing-key: `webhooks[0]` has no `registry`, and a sender of kind {kind} does not say how images name it"
        );
        check(&one(&format!("{good}: {kind}")), &[&missing]);
    }
    check(
        &one("name: a/b, kind: github"),
        &[
            "3 config/missing-key: `webhooks[0].secret` is missing, and it is required",
            "3 config/invalid-value: `webhooks[0].name` is `a/b`: it is up to 100 letters, digits and . _ - and starts with a letter or a digit",
            "3 config/invalid-value: `webhooks[0].kind` is `github`: it is one of docker-hub, ghcr, harbor, quay, gitlab, distribution, generic",
        ],
    );
    check(
        &one(&format!("{good}: quay, registry: r.example, requests_per_second: 0")),
        &["3 config/invalid-value: `webhooks[0].requests_per_second` is `0`: it is a number from 0.001 to 1000"],
    );
    check(
        &one(&format!("{good}: quay, registry: r.example")),
        &[
            "warning 3 config/no-match: `webhooks[0]` tells of images of `r.example`, which is not configured and never asked",
        ],
    );
    check(
        &format!("server: null\nwebhooks:\n- {{{good}: ghcr}}\n- {{{good}: quay}}"),
        &[
            "warning 5 config/unused: `webhooks` are there, and `server` is off, so nobody can send to them",
            "6 config/duplicate: `webhooks[1]` has the name `hub`, as the entry in line 5 has",
        ],
    );
}

#[test]
fn an_empty_secret_of_a_webhook_is_refused_with_its_line() {
    for (secret, message) in [
        ("{env: EMPTY}", "has no value: the environment variable EMPTY is empty"),
        ("{env: UNSET}", "has no value: the environment variable UNSET is not set"),
        ("{env: BLANK}", "begins or ends with a blank, or holds nothing else, which no sender's header carries"),
        ("hunter2-canary", "holds the secret itself, and secrets are given by reference only"),
    ] {
        let text = format!("webhooks:\n  - name: hub\n    kind: ghcr\n    secret: {secret}\n");
        check(&text, &[&format!("6 config/secret: `webhooks[0].secret` {message}")]);
        assert!(!format!("{:?}", read(&format!("{MINIMAL}{text}"))).contains(CANARY));
    }
    for secret in ["", "null", "{}"] {
        let text = format!("{MINIMAL}webhooks: [{{name: hub, kind: ghcr, secret: {secret}}}]\n");
        let problems = read(&text).unwrap_err();
        assert_eq!((problems[0].code.as_str(), problems[0].line), ("config/missing-key", Some(3)), "{secret}");
    }
}

#[test]
fn the_schema_file_is_the_generated_one() {
    let path = "config/schema.json";
    let generated = schema::json();
    if std::env::var_os("REPIN_UPDATE").is_some() {
        std::fs::write(path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == generated, "run `REPIN_UPDATE=1 cargo test --test config` and commit {path}");
}

#[test]
fn the_file_is_one_mapping_with_repositories() {
    check_whole("", &["1 config/missing-key: the configuration is empty, and `repositories` is required"]);
    check_whole("", &["1 config/missing-key: the configuration is empty, and `repositories` is required"]);
    check_whole("# nothing", &["1 config/missing-key: the configuration is empty, and `repositories` is required"]);
    check_whole("---\n---", &["2 config/yaml: the configuration holds 2 YAML documents, and must hold one"]);
    check_whole("{}", &["1 config/missing-key: `repositories` is missing, and it is required"]);
    check_whole("[]", &["1 config/invalid-value: the file is a list, and a mapping is expected"]);
    check_whole("text", &["1 config/invalid-value: the file is a single value, and a mapping is expected"]);
    check_whole("repositories:", &["1 config/missing-key: `repositories` has no value, and it is required"]);
    check_whole(
        "repositories: []",
        &["1 config/missing-key: `repositories` is empty, and at least one repository is required"],
    );
    check_whole(
        "repositories: {name: x}",
        &["1 config/invalid-value: `repositories` is a mapping, and a list is expected"],
    );
    check_whole(
        "repositories: &a [*a]",
        &["1 config/invalid-value: `repositories[0]` is an alias of itself, and a mapping is expected"],
    );
}

#[test]
fn what_is_no_yaml_is_reported_with_its_line() {
    check("a: *x", &["3 config/yaml: the configuration is no YAML: while parsing node, found unknown anchor"]);
    check("a: [", &["3 config/yaml: the configuration is no YAML: unclosed bracket '['"]);
    check(
        "\tx: 1",
        &["3 config/yaml: the configuration is no YAML: tabs disallowed within this context (block indentation)"],
    );
    check("a: 'x", &["3 config/yaml: the configuration is no YAML: unclosed quote"]);
}

#[test]
fn unknown_unbuilt_and_doubled_keys_are_named() {
    check("scheduel: 2m", &["3 config/unknown-key: `scheduel` is not a known key"]);
    check("Schedule: 2m", &["3 config/unknown-key: `Schedule` is not a known key"]);
    check(
        "notifications: []\nkubernetes: {}",
        &[
            "3 unsupported/notifications: `notifications` is known, and this build does not carry it out",
            "4 unsupported/kubernetes: `kubernetes` is known, and this build does not carry it out",
        ],
    );
    check("zzz: 1", &["3 config/unknown-key: `zzz` is not a known key"]);
    check(
        "1: 2\n[a]: 3",
        &[
            "3 config/unknown-key: `1` is not a known key",
            "4 config/invalid-value: the file has a key that is not text",
        ],
    );
    check("repositories2: 1", &["3 config/unknown-key: `repositories2` is not a known key"]);
    check("repositories: []", &["3 config/duplicate: `repositories` is there twice, first in line 1"]);
}

#[test]
fn a_schedule_is_read_in_every_form() {
    let every = |span: u64, jitter: u64| {
        Schedule::Every(Interval { span: Duration::from_secs(span), jitter: Duration::from_secs(jitter) })
    };
    let cron = |text: &str, zone: &str| Schedule::Cron(Cron::new(text, TimeZone::get(zone).unwrap()).unwrap());
    for (text, expected) in [
        ("2m", every(120, 12)),
        ("{interval: 2m}", every(120, 12)),
        ("{interval: 2m, jitter: 20s}", every(120, 20)),
        ("{interval: 2m, jitter: 0s}", every(120, 0)),
        ("'*/5 * * * *'", cron("*/5 * * * *", "UTC")),
        ("'@hourly'", cron("@hourly", "UTC")),
        ("CRON_TZ=Europe/Berlin 0 9 * * 1-5", cron("0 9 * * 1-5", "Europe/Berlin")),
        ("TZ=America/New_York @daily", cron("@daily", "America/New_York")),
        ("{cron: 0 9 * * 1-5, time_zone: Europe/Berlin}", cron("0 9 * * 1-5", "Europe/Berlin")),
        ("{cron: TZ=Europe/Berlin 0 9 * * 1-5}", cron("0 9 * * 1-5", "Europe/Berlin")),
    ] {
        assert_eq!(settings(&format!("{MINIMAL}schedule: {text}")).schedule, expected, "{text}");
        let of = format!(
            "repositories: [{{name: a, url: /a, schedule: {text}}}]\nregistries: [{{host: r.example, schedule: {text}}}]"
        );
        if !text.starts_with("CRON_TZ") && !text.starts_with("TZ") {
            let read = settings(&of);
            assert_eq!(read.repositories[0].schedule.as_ref(), Some(&expected), "{text}");
            assert_eq!(read.registries[0].schedule.as_ref(), Some(&expected), "{text}");
        }
    }
    let rule = |text: &str| settings(&format!("{MINIMAL}rules: [{{schedule: {text}}}]")).rules[0].schedule.clone();
    assert_eq!(rule("{cron: 0 9 * * *}"), Some(cron("0 9 * * *", "UTC")));
    assert_eq!(rule("1h"), Some(every(3600, 360)));
    for (text, expected) in [
        (
            "'* * * *'",
            "`schedule` is `* * * *`: an expression has five fields: minute, hour, day of month, month, day of week; this one has 4",
        ),
        ("'0 0 31 2 *'", "`schedule` is `0 0 31 2 *`: no day ever matches: these months do not have these days"),
        ("'@reboot'", "`schedule` is `@reboot`: `@reboot` names no time: the first look is always at the start"),
        (
            "TZ=Nowhere/Town @daily",
            "`schedule` is `TZ=Nowhere/Town @daily`: the time zone is none of the IANA database",
        ),
        (
            "{cron: '@daily', time_zone: Nowhere}",
            "`schedule.time_zone` is `Nowhere`: the time zone is none of the IANA database",
        ),
        (
            "{cron: TZ=UTC @daily, time_zone: UTC}",
            "`schedule.time_zone` is there, and the expression names a time zone too",
        ),
        ("{cron: '@daily', interval: 2m}", "`schedule` has both `cron` and `interval`"),
        ("{cron: '@daily', jitter: 2m}", "`schedule.jitter` stands beside `cron`, and is for an `interval`"),
        ("{interval: 2m, time_zone: UTC}", "`schedule.time_zone` stands beside `interval`, and is for `cron`"),
        ("{interval: 2m, jitter: 3m}", "`schedule.jitter` is `3m`: it is at most the interval"),
        ("{interval: 0s}", "`schedule.interval` is `0s`: it is at least 1s and at most 7d"),
    ] {
        check(&format!("schedule: {text}"), &[&format!("3 config/invalid-value: {expected}")]);
    }
    check("schedule: {time_zone: UTC}", &["3 config/missing-key: `schedule` has neither `cron` nor `interval`"]);
    check(
        "rules: [{schedule: {interval: 1h, jitter: 1m}}]",
        &["3 config/invalid-value: `rules[0].schedule.jitter` is there, and the ticks of a rule have no jitter"],
    );
}

#[test]
fn a_schedule_is_an_interval_with_units() {
    check("schedule: 2", &["3 config/invalid-value: `schedule` is `2`: a number has no unit: d, h, m or s"]);
    check(
        r#"schedule: """#,
        &[
            "3 config/invalid-value: `schedule` is ``: it is written as numbers with a unit of d, h, m or s, the larger first, such as 2m or 1h30m",
        ],
    );
    check(
        "schedule: 500ms",
        &[
            "3 config/invalid-value: `schedule` is `500ms`: it is written as numbers with a unit of d, h, m or s, the larger first, such as 2m or 1h30m",
        ],
    );
    check("schedule: 0s", &["3 config/invalid-value: `schedule` is `0s`: it is at least 1s and at most 7d"]);
    check("schedule: 8d", &["3 config/invalid-value: `schedule` is `8d`: it is at least 1s and at most 7d"]);
    check("schedule: {every: 2m}", &["3 config/unknown-key: `schedule.every` is not a known key"]);
    check("schedule: !!int 2m", &[]);
    check("schedule: !vault 2m", &["3 config/invalid-value: `schedule` carries a YAML tag, and tags are not read"]);
}

#[test]
fn switches_and_addresses_are_not_guessed() {
    check("observe: yes", &["3 config/invalid-value: `observe` is `yes`: it is true or false"]);
    check(r#"observe: "true""#, &["3 config/invalid-value: `observe` is quoted text, and true or false is expected"]);
    check("observe:", &["3 config/invalid-value: `observe` is empty, and true or false is expected"]);
    check("observe: [true]", &["3 config/invalid-value: `observe` is a list, and true or false is expected"]);
    check("observe: true\nobserve: false", &["4 config/duplicate: `observe` is there twice, first in line 3"]);
    check("cache: {path: ~/x}", &["3 config/invalid-value: `cache.path` is `~/x`: no shell expands ~ here"]);
    check("cache: x", &["3 config/invalid-value: `cache` is a single value, and a mapping is expected"]);
    check(
        "server: {listen: localhost:8080}",
        &["3 config/invalid-value: `server.listen` is `localhost:8080`: it is an IP address and a port"],
    );
    check(
        "server: {listen: 8080}",
        &["3 config/invalid-value: `server.listen` is `8080`: it is an IP address and a port"],
    );
    check(
        r#"server: {listen: ":8080"}"#,
        &["3 config/invalid-value: `server.listen` is `:8080`: it is an IP address and a port"],
    );
    check(
        r#"server: {listen: "127.0.0.1:99999"}"#,
        &["3 config/invalid-value: `server.listen` is `127.0.0.1:99999`: it is an IP address and a port"],
    );
    check("server: false", &["3 config/invalid-value: `server` is a single value, and a mapping is expected"]);
    check("server: {listen: [a]}", &["3 config/invalid-value: `server.listen` is a list, and text is expected"]);
    check("server: {port: 80}", &["3 config/unknown-key: `server.port` is not a known key"]);
    check(
        "log: {format: yaml, level: INFO}",
        &[
            "3 config/invalid-value: `log.format` is `yaml`: it is one of text, json",
            "3 config/invalid-value: `log.level` is `INFO`: it is one of error, warn, info, debug, trace",
        ],
    );
    check(
        "log: {level: inof}",
        &["3 config/invalid-value: `log.level` is `inof`: it is one of error, warn, info, debug, trace"],
    );
}

#[test]
fn a_repository_has_one_name_one_safe_url_and_one_writer() {
    check_whole(
        "repositories: [{name: a, url: /a}]\n---\nb: 1",
        &["3 config/yaml: the configuration holds 2 YAML documents, and must hold one"],
    );
    check_whole(
        r#"repositories: [{name: "a/b", url: ./x}]"#,
        &[
            "1 config/invalid-value: `repositories[0].name` is `a/b`: it is up to 100 letters, digits and . _ - and starts with a letter or a digit",
            "1 config/invalid-value: `repositories[0].url` is no URL of a remote: it is neither a URL nor an absolute path; allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path",
        ],
    );
    check_whole(
        r#"repositories: [{name: a, url: "ext::sh -c x"}, {name: b, url: "git://x/y"}, {name: c, url: "ssh://-oProxyCommand=x/y"}]"#,
        &[
            "1 config/invalid-value: `repositories[0].url` is no URL of a remote: a URL that runs a remote helper is not allowed; allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path",
            "1 config/invalid-value: `repositories[1].url` is no URL of a remote: this scheme is not allowed; allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path",
            "1 config/invalid-value: `repositories[2].url` is no URL of a remote: the host is no host name; allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path",
        ],
    );
    check_whole(
        r#"repositories: [{name: a, url: "https://me:hunter2-canary@x/y"}, {name: b, url: "https://hunter2-canary@x/y"}, {name: c, url: /c, also: ["https://hunter2-canary@x/y", "https://a:hunter2-canary@x/y"]}]"#,
        &[
            "1 config/invalid-value: `repositories[0].url` is no URL of a remote: a URL holds no password: give it in `credentials`; allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path",
            "1 config/secret: `repositories[1].url` holds a user, which may be a token",
            "1 config/invalid-value: `repositories[2].also[1]` is no URL of a remote: a URL holds no password: give it in `credentials`; allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path",
        ],
    );
    check_whole(
        "repositories: [{name: a, url: /a, branch: a..b}, {name: b, url: /b, branch: 1.10}]",
        &["1 config/invalid-value: `repositories[0].branch` is `a..b`: it follows the rules of git check-ref-format"],
    );
    check_whole(
        "repositories:\n- {name: a, url: /a}\n- {name: a, url: /b}",
        &["3 config/duplicate: `repositories[1]` has the name `a`, as the entry in line 2 has"],
    );
    check_whole(
        "repositories:\n- {name: a, url: \"https://x/y.git\", branch: main}\n- {name: b, url: \"git@X:y\", branch: main}",
        &["3 config/duplicate: `repositories[1]` is `x/y`, the same repository and branch as `a` in line 2"],
    );
    check_whole(
        "repositories:\n- {name: a, url: \"https://x/y.git\", branch: main}\n- {name: b, url: \"git@X:y\", branch: other}",
        &[],
    );
    check_whole(
        "repositories:\n- {name: a, url: \"https://x/y.git\", branch: main}\n- {name: b, url: /b, also: [\"git@X:y\"]}",
        &["3 config/duplicate: `repositories[1]` is `x/y`, the same repository and branch as `a` in line 2"],
    );
    check_whole(
        "repositories: [{name: a, url: /a, discover: [], history: {commits: 0, days: x, hours: 1}}]",
        &[
            "1 config/unknown-key: `repositories[0].history.hours` is not a known key",
            "1 config/invalid-value: `repositories[0].history.commits` is `0`: it is a whole number from 1",
            "1 config/invalid-value: `repositories[0].history.days` is `x`: it is a whole number from 1",
        ],
    );
    check_whole(
        r#"repositories: [{name: a, url: /a, discover: "*.yaml", may_write: ["/x"]}]"#,
        &[
            "1 config/invalid-value: `repositories[0].discover` is quoted text, and a list is expected",
            "1 config/invalid-value: `repositories[0].may_write[0]` is `/x`: paths are relative to the repository's root, without a leading / or ./",
        ],
    );
    check_whole(
        "repositories: [{name: a, url: /a, credentials: {token: {env: T}}}]",
        &["1 config/invalid-value: `repositories[0].credentials` is for http(s) URLs, and `url` is none"],
    );
    check_whole(
        r#"repositories: [{name: a, url: "http://git.example/a", credentials: {token: {env: T}}}]"#,
        &[
            "1 config/invalid-value: `repositories[0].url` is plain http:// to another machine: everybody on the way could change what is deployed",
        ],
    );
    check_whole(r#"repositories: [{name: a, url: "http://127.0.0.1:3000/a", credentials: {token: {env: T}}}]"#, &[]);
    check_whole(
        "repositories: [{name: a, url: /a, forge: github}]",
        &["1 config/invalid-value: `repositories[0].forge` is a single value, and a mapping is expected"],
    );
    check_whole(
        "repositories: [{name: a, name: b, url: /a}]",
        &["1 config/duplicate: `repositories[0].name` is there twice, first in line 1"],
    );
    check_whole("x: &r {name: a, url: /a}\nrepositories: [*r]", &["1 config/unknown-key: `x` is not a known key"]);
    check_whole(
        "repositories: [{url: /a, name: &a [*a]}]",
        &["1 config/invalid-value: `repositories[0].name` is a list, and text is expected"],
    );
    check_whole("repositories: [{url: /a, <<: {name: b, url: /b}}]", &[]);
    check_whole(
        "repositories: [{url: /a, <<: x}]",
        &[
            "1 config/invalid-value: `repositories[0]` has a `<<` that names no mapping",
            "1 config/missing-key: `repositories[0].name` is missing, and it is required",
        ],
    );
    check_whole(
        "repositories: [{name: a, url: !!binary aaaa}]",
        &["1 config/invalid-value: `repositories[0].url` carries a YAML tag, and tags are not read"],
    );
}

#[test]
fn a_registry_is_a_host_with_consistent_settings() {
    check("registries: ghcr.io", &["3 config/invalid-value: `registries` is a single value, and a list is expected"]);
    check("registries:", &[]);
    check(
        "registries: [ghcr.io, null, []]",
        &[
            "3 config/invalid-value: `registries[0]` is a single value, and a mapping is expected",
            "3 config/missing-key: `registries[1].host` is missing, and it is required",
            "3 config/invalid-value: `registries[2]` is a list, and a mapping is expected",
        ],
    );
    check("registries: [{}]", &["3 config/missing-key: `registries[0].host` is missing, and it is required"]);
    check(
        "registries: [{host: null}]",
        &["3 config/missing-key: `registries[0].host` has no value, and it is required"],
    );
    check(
        "registries: [{host: https://ghcr.io}]",
        &["3 config/invalid-value: `registries[0].host` is `https://ghcr.io`: it is a host without a scheme"],
    );
    check(
        "registries: [{host: ghcr.io/acme}]",
        &["3 unsupported/prefix: `registries[0].host` is a prefix with a path, and this build reads hosts only"],
    );
    check(
        "registries: [{host: registry}]",
        &[
            "3 config/invalid-value: `registries[0].host` is `registry`: in an image name, a first part without `.` or `:` is no host but for localhost",
        ],
    );
    check(
        r#"registries: [{host: "gh cr.io"}]"#,
        &["3 config/invalid-value: `registries[0].host` is `gh cr.io`: the part before the first / is no host name"],
    );
    check(
        r#"registries: [{host: "ghcr.io:99999"}]"#,
        &[
            "3 config/invalid-value: `registries[0].host` is `ghcr.io:99999`: the port of the registry is no number up to 65535",
        ],
    );
    check(
        "registries: [{host: ghcr.io}, {host: GHCR.io}]",
        &["3 config/duplicate: `registries[1]` has the host `ghcr.io`, as the entry in line 3 has"],
    );
    check(
        "registries: [{host: docker.io}, {host: index.docker.io}]",
        &["3 config/duplicate: `registries[1]` has the host `docker.io`, as the entry in line 3 has"],
    );
    check(
        "registries:\n- host: ghcr.io\n  insecure: true\n  ca: ca.pem",
        &[
            "6 config/invalid-value: `registries[0].ca` is there, and `insecure: true` means plain HTTP, which has no certificates",
        ],
    );
    check(
        "registries: [{host: ghcr.io, ca: missing.pem}]",
        &["3 config/unreadable: `registries[0].ca` names /etc/repin/missing.pem, which is no readable file"],
    );
    check(
        "registries: [{host: ghcr.io, ca: ~/ca.pem}]",
        &["3 config/invalid-value: `registries[0].ca` is `~/ca.pem`: no shell expands ~ here"],
    );
    check(
        r#"registries: [{host: ghcr.io, ca: ""}]"#,
        &["3 config/invalid-value: `registries[0].ca` is ``: a path is not empty"],
    );
    check(
        "registries: [{host: ghcr.io, requests_per_second: 0}, {host: a.b, requests_per_second: fast}, {host: a.c, requests_per_second: inf}, {host: a.d, requests_per_second: -1}, {host: a.e, requests_per_second: nan}, {host: a.f, requests_per_second: 0.0001}]",
        &[
            "3 config/invalid-value: `registries[0].requests_per_second` is `0`: it is a number from 0.001 to 1000",
            "3 config/invalid-value: `registries[1].requests_per_second` is `fast`: it is a number from 0.001 to 1000",
            "3 config/invalid-value: `registries[2].requests_per_second` is `inf`: it is a number from 0.001 to 1000",
            "3 config/invalid-value: `registries[3].requests_per_second` is `-1`: it is a number from 0.001 to 1000",
            "3 config/invalid-value: `registries[4].requests_per_second` is `nan`: it is a number from 0.001 to 1000",
            "3 config/invalid-value: `registries[5].requests_per_second` is `0.0001`: it is a number from 0.001 to 1000",
        ],
    );
    check(
        r#"registries: [{host: ghcr.io, api_url: "http://ghcr.io"}, {host: a.b, insecure: true, api_url: "https://a.b"}, {host: a.c, api_url: "ftp://x"}, {host: a.d, api_url: x}, {host: a.e, api_url: "https://x/?a=b"}]"#,
        &[
            "3 config/invalid-value: `registries[0].api_url` is no URL of a service: http:// needs `insecure: true`",
            "3 config/invalid-value: `registries[1].api_url` is no URL of a service: https:// contradicts `insecure: true`",
            "3 config/invalid-value: `registries[2].api_url` is no URL of a service: it starts with https://, or with http:// where `insecure: true` is set",
            "3 config/invalid-value: `registries[3].api_url` is no URL of a service: relative URL without a base",
            "3 config/invalid-value: `registries[4].api_url` is no URL of a service: it has no query and no fragment",
        ],
    );
    check(
        "registries: [{host: ghcr.io, prefix: x}]",
        &["3 config/unknown-key: `registries[0].prefix` is not a known key"],
    );
    check(
        r#"registries: [{host: ghcr.io, insecure: true, credentials: {token: {env: T}}}, {host: "127.0.0.1:5000", insecure: true, credentials: {token: {env: T}}}]"#,
        &[
            "warning 3 config/plain-credentials: `registries[0].credentials` is sent over plain HTTP: everybody on the way can read it",
        ],
    );
}

#[test]
fn a_rule_that_could_not_match_or_is_not_carried_out_is_reported() {
    check(
        "rules: [{match: {path: /apps/**}}]",
        &[
            "3 config/invalid-value: `rules[0].match.path` is `/apps/**`: paths are relative to the repository's root, without a leading / or ./",
        ],
    );
    check(
        r#"rules: [{match: {path: "apps/"}}]"#,
        &[
            "3 config/invalid-value: `rules[0].match.path` is `apps/`: a glob over paths names files: end it with /** for all below a directory",
        ],
    );
    check(
        r#"rules: [{match: {path: "apps/["}}]"#,
        &["3 config/invalid-value: `rules[0].match.path` is `apps/[`: unclosed character class; missing ']'"],
    );
    check(
        r#"rules: [{match: {path: "../**"}}]"#,
        &["3 config/invalid-value: `rules[0].match.path` is `../**`: a path in a repository holds no `..`"],
    );
    check(
        "rules: [{match: {paht: x, label: {a: [b]}}}]",
        &[
            "3 config/unknown-key: `rules[0].match.paht` is not a known key",
            "3 config/invalid-value: `rules[0].match.label.a` is a list, and text is expected",
        ],
    );
    check(
        "rules: [{match: {repository: other}}]",
        &["warning 3 config/no-match: `rules[0]` matches no repository: `match.repository` is `other`"],
    );
    check(
        "rules: [{delivery: pullrequest}, {delivery: push}, {delivery: PR}]",
        &[
            "3 config/invalid-value: `rules[0].delivery` is `pullrequest`: it is one of commit, pull-request, none",
            "3 config/invalid-value: `rules[1].delivery` is `push`: it is one of commit, pull-request, none",
            "3 config/invalid-value: `rules[2].delivery` is `PR`: it is one of commit, pull-request, none",
        ],
    );
    check(
        r#"rules: [{environment: "a b"}, {environment: ""}]"#,
        &[
            "3 config/invalid-value: `rules[0].environment` is `a b`: it is up to 100 letters, digits and . _ - and starts with a letter or a digit",
            "3 config/invalid-value: `rules[1].environment` is ``: it is up to 100 letters, digits and . _ - and starts with a letter or a digit",
        ],
    );
    check(
        r#"rules: [{may_write: "x"}, {may_write: [/x, {}]}]"#,
        &[
            "3 config/invalid-value: `rules[0].may_write` is quoted text, and a list is expected",
            "3 config/invalid-value: `rules[1].may_write[0]` is `/x`: paths are relative to the repository's root, without a leading / or ./",
            "3 config/invalid-value: `rules[1].may_write[1]` is a mapping, and text is expected",
        ],
    );
    check(
        "rules: [{observe: }]",
        &["3 config/invalid-value: `rules[0].observe` is empty, and true or false is expected"],
    );
}

#[test]
fn an_application_has_the_names_of_kubernetes_and_plain_annotations() {
    check(
        "applications: [{}]",
        &[
            "3 config/missing-key: `applications[0].name` is missing, and it is required",
            "3 config/missing-key: `applications[0].repository` is missing, and it is required",
            "3 config/missing-key: `applications[0].path` is missing, and it is required",
            "3 config/missing-key: `applications[0].annotations` is missing, and it is required",
        ],
    );
    check(
        "applications: [{name: Web, namespace: a.b, repository: gitops, path: ../x, annotations: {}}]",
        &[
            "3 config/invalid-value: `applications[0].name` is `Web`: a name is up to 253 lower case letters, digits and - (RFC 1123)",
            "3 config/invalid-value: `applications[0].namespace` is `a.b`: a name is up to 63 lower case letters, digits and - (RFC 1123)",
            "3 config/invalid-value: `applications[0].path` is `../x`: it is a directory in the repository, relative, without .. and .git",
        ],
    );
    check(
        "applications: [{name: web, repository: other, path: /abs, annotations: {repin.dev/image-list: x, argocd-image-updater.argoproj.io/a.b: c, d: [e], f: }}]",
        &[
            "3 config/invalid-value: `applications[0].path` is `/abs`: it is a directory in the repository, relative, without .. and .git",
            "3 config/invalid-value: `applications[0].annotations.d` is a list, and text is expected",
            "3 config/invalid-value: `applications[0].annotations.f` is empty, and text is expected",
            "3 config/invalid-value: `applications[0].annotations.repin.dev/image-list` is prefixed, and keys stand here without `repin.dev/`",
            "3 config/invalid-value: `applications[0].annotations.argocd-image-updater.argoproj.io/a.b` is prefixed, and keys stand here without `argocd-image-updater.argoproj.io/`",
        ],
    );
    check(
        "applications:\n- {name: web, repository: gitops, path: ., annotations: {}}\n- {name: web, namespace: argocd, repository: gitops, path: x, annotations: {}}",
        &[
            "5 config/duplicate: `applications[1]` is the Application `argocd/web` of that repository, as the entry in line 4 has",
        ],
    );
    check(
        "applications: [{name: web, repository: other, path: ., annotations: {a: 1, a: 2}}]",
        &[
            "3 config/duplicate: `applications[0].annotations.a` is there twice, first in line 3",
            "3 config/unknown-repository: `applications[0]` names the repository `other`, which is not configured",
        ],
    );
}

#[test]
fn secrets_are_given_by_reference_and_never_shown() {
    check_credentials(
        "hunter2-canary",
        &["1 config/invalid-value: `repositories[0].credentials` is a single value, and a mapping is expected"],
    );
    check_credentials(
        "[hunter2-canary]",
        &["1 config/invalid-value: `repositories[0].credentials` is a list, and a mapping is expected"],
    );
    check_credentials(
        "{hunter2-canary}",
        &["1 config/unknown-key: `repositories[0].credentials` has a key that is not known"],
    );
    check_credentials(
        "{hunter2-canary: x}",
        &["1 config/unknown-key: `repositories[0].credentials` has a key that is not known"],
    );
    check_credentials(
        "{tokne: hunter2-canary}",
        &["1 config/unknown-key: `repositories[0].credentials` has a key that is not known"],
    );
    check_credentials(
        "{token: hunter2-canary}",
        &[
            "1 config/secret: `repositories[0].credentials.token` holds the secret itself, and secrets are given by reference only",
        ],
    );
    check_credentials(
        "{token: [hunter2-canary]}",
        &["1 config/invalid-value: `repositories[0].credentials.token` is a list, and a mapping is expected"],
    );
    check_credentials(
        "{token: {hunter2-canary: }}",
        &["1 config/unknown-key: `repositories[0].credentials.token` has a key that is not known"],
    );
    check_credentials(
        "{token: {env: hunter2-canary}}",
        &[
            "1 config/invalid-value: `repositories[0].credentials.token.env`: a name is letters, digits and _, and starts with no digit",
        ],
    );
    check_credentials(
        "{token: {env: [hunter2-canary]}}",
        &["1 config/invalid-value: `repositories[0].credentials.token.env` is a list, and text is expected"],
    );
    check_credentials(
        "{token: {env: UNSET}}",
        &[
            "1 config/secret: `repositories[0].credentials.token` has no value: the environment variable UNSET is not set",
        ],
    );
    check_credentials(
        "{token: {env: EMPTY}}",
        &["1 config/secret: `repositories[0].credentials.token` has no value: the environment variable EMPTY is empty"],
    );
    check_credentials(
        "{token: {}}",
        &["1 config/missing-key: `repositories[0].credentials.token` names neither `env` nor `file`"],
    );
    check_credentials("{token: }", &["1 config/missing-key: `repositories[0].credentials` is empty"]);
    check_credentials(
        "{token: {env: A, file: b}}",
        &["1 config/invalid-value: `repositories[0].credentials.token` names both `env` and `file`"],
    );
    check_credentials(
        r#"{token: {file: ""}}"#,
        &["1 config/invalid-value: `repositories[0].credentials.token.file`: a path is not empty"],
    );
    check_credentials(
        "{token: {file: ~/hunter2-canary}}",
        &["1 config/invalid-value: `repositories[0].credentials.token.file`: no shell expands ~ here"],
    );
    check_credentials(
        "{token: {env: A}, token: hunter2-canary}",
        &["1 config/duplicate: a key is there twice, first in line 1"],
    );
    check_credentials(
        "{token: {env: A}, username: a}",
        &["1 config/invalid-value: `repositories[0].credentials` has a token beside a username or password"],
    );
    check_credentials(
        "{token: {env: A}, password: hunter2-canary}",
        &[
            "1 config/secret: `repositories[0].credentials.password` holds the secret itself, and secrets are given by reference only",
            "1 config/invalid-value: `repositories[0].credentials` has a token beside a username or password",
        ],
    );
    check_credentials("{username: a}", &["1 config/missing-key: `repositories[0].credentials` has no `password`"]);
    check_credentials(
        r#"{username: "a:hunter2-canary", password: {env: A}}"#,
        &[
            "1 config/invalid-value: `repositories[0].credentials.username`: a username is not empty and holds no : and no control characters",
        ],
    );
    check_credentials(
        "{username: , password: {env: A}}",
        &["1 config/missing-key: `repositories[0].credentials` has no `username`"],
    );
    check_credentials(
        "{username: [hunter2-canary], password: hunter2-canary}",
        &[
            "1 config/invalid-value: `repositories[0].credentials.username` is a list, and a mapping is expected",
            "1 config/secret: `repositories[0].credentials.password` holds the secret itself, and secrets are given by reference only",
        ],
    );
    check_credentials(
        "{password: {env: A}}",
        &["1 config/missing-key: `repositories[0].credentials` has no `username`"],
    );
    check_credentials(
        "{token: !hunter2-canary x}",
        &[
            "1 config/secret: `repositories[0].credentials.token` holds the secret itself, and secrets are given by reference only",
        ],
    );
    check_credentials(
        "{token: &hunter2-canary x}",
        &[
            "1 config/secret: `repositories[0].credentials.token` holds the secret itself, and secrets are given by reference only",
        ],
    );
    check_credentials(
        "{token: *hunter2-canary}",
        &["1 config/yaml: the configuration is no YAML: while parsing node, found unknown anchor"],
    );
    check_credentials(r#"{token: "hunter2-canary"#, &["1 config/yaml: the configuration is no YAML: unclosed quote"]);
    check_credentials("{}", &["1 config/missing-key: `repositories[0].credentials` is empty"]);
}

#[test]
fn a_hint_names_the_nearest_key_or_word() {
    for (text, expected) in [
        ("registry: []", "did you mean `registries`?"),
        ("registries: [{host: a.b, requests-per-second: 1}]", "did you mean `requests_per_second`?"),
        ("registries: [{host: a.b, apiUrl: x}]", "did you mean `api_url`?"),
        ("rules: [{enviroment: dev}]", "did you mean `environment`?"),
        ("rules: [{atleast: {}}]", "did you mean `at_least`?"),
        ("rules: [{delivery: pull_request}]", "did you mean `pull-request`?"),
        ("rules: [{delivery: merge}]", "write one of commit, pull-request, none"),
        ("log: {x: 1}", "known here: format, level"),
        ("may_write: []", "it stands at `repositories[].may_write` or `rules[].may_write`"),
        ("rules: [{path: x}]", "it stands at `rules[].match.path` or `applications[].path`"),
        (
            "registries: [{host: https://ghcr.io}]",
            "write the part of the image names before the first /, such as `ghcr.io` or `127.0.0.1:5000`; `insecure: true` means http",
        ),
        ("registries: [{host: ghcr.io/acme}]", "write `host: ghcr.io`"),
    ] {
        let problems = read(&format!("{MINIMAL}{text}\n")).unwrap_err();
        assert_eq!(problems.iter().map(|p| p.hint.as_deref()).collect::<Vec<_>>(), [Some(expected)], "{text}");
    }
}

#[test]
fn all_problems_are_found_at_once_in_the_order_of_the_file() {
    let text = "\
schedule: often
repositories:
  - name: gitops
    url: ext::sh
    brunch: main
registries:
  - insecure: maybe
    credentials:
      password: hunter2-canary
rules:
  - match: {path: /x}
    delivery: push
    windows: [night]
server:
  listen: here
environments: {}
";
    check_whole(
        text,
        &[
            "1 config/invalid-value: `schedule` is `often`: it is written as numbers with a unit of d, h, m or s, the larger first, such as 2m or 1h30m",
            "4 config/invalid-value: `repositories[0].url` is no URL of a remote: a URL that runs a remote helper is not allowed; allowed are https://, http://, ssh://, git@host:path, file:///path and an absolute path",
            "5 config/unknown-key: `repositories[0].brunch` is not a known key",
            "7 config/missing-key: `registries[0].host` is missing, and it is required",
            "7 config/invalid-value: `registries[0].insecure` is `maybe`: it is true or false",
            "9 config/secret: `registries[0].credentials.password` holds the secret itself, and secrets are given by reference only",
            "9 config/missing-key: `registries[0].credentials` has no `username`",
            "11 config/invalid-value: `rules[0].match.path` is `/x`: paths are relative to the repository's root, without a leading / or ./",
            "12 config/invalid-value: `rules[0].delivery` is `push`: it is one of commit, pull-request, none",
            "13 config/invalid-value: `rules[0].windows[0]` is `night`: it is no name of `windows`",
            "15 config/invalid-value: `server.listen` is `here`: it is an IP address and a port",
            "16 config/invalid-value: `environments` is a mapping, and a list is expected",
        ],
    );
}

#[test]
fn a_declared_image_field_says_which_kind_and_where() {
    let field = |text: &str| format!("image_fields:\n- {text}\n");
    for text in [
        "{kind: Cluster, image: spec.imageName}",
        "{kind: Pod, group: '', image: 'spec.volumes[*].image.reference'}",
        "{kind: Prometheus, group: monitoring.coreos.com, name: spec.baseImage, tag: spec.version, digest: spec.sha}",
        "{kind: Broker, name: spec.imageName, tag: 'spec.nodes[*].tag'}",
    ] {
        check(&field(text), &[]);
    }
    let at = "`image_fields[0]`";
    for (text, expected) in [
        ("{image: a}", "4 config/missing-key: `image_fields[0].kind` is missing, and it is required".to_owned()),
        ("{kind: Cluster}", format!("4 config/missing-key: {at} does not say where the image stands")),
        ("{kind: Cluster, name: a}", format!("4 config/missing-key: {at} does not say where the image stands")),
        ("{kind: Cluster, tag: a}", format!("4 config/missing-key: {at} does not say where the image stands")),
        ("{kind: Cluster, image: a, tag: b}", format!("4 config/invalid-value: {at} has `image`, which is the whole, and a part of it as well")),
        ("{kind: Cluster, image: a, digest: b}", format!("4 config/invalid-value: {at} has `image`, which is the whole, and a part of it as well")),
        ("{kind: apps/Cluster, image: a}", "4 config/invalid-value: `image_fields[0].kind` is `apps/Cluster`: it is no kind: letters and digits".to_owned()),
        ("{kind: A, group: acme.io/v1, image: a}", "4 config/invalid-value: `image_fields[0].group` is `acme.io/v1`: it is no API group".to_owned()),
        ("{kind: A, image: 'a[*'}", "4 config/invalid-value: `image_fields[0].image` is `a[*`: `a[*` is no key path, at character 2: `[` is closed by `]`".to_owned()),
        ("{kind: A, name: 'a[*].b', tag: c}", format!("4 config/invalid-value: {at} has its `tag` in other lists than its `name`: `c` and `a[*].b`")),
        ("{kind: A, name: 'a[*].b', tag: 'd[*].c'}", format!("4 config/invalid-value: {at} has its `tag` in other lists than its `name`: `d[*].c` and `a[*].b`")),
        ("{kind: A, name: n, tag: 'a[*].t', digest: d}", format!("4 config/invalid-value: {at} has its `digest` in other lists than its `tag`: `d` and `a[*].t`")),
        ("{kind: A, path: a}", "4 config/unknown-key: `image_fields[0].path` is not a known key".to_owned()),
    ] {
        check(&field(text), &[&expected]);
    }
}

#[test]
fn keys_that_verify_are_read_from_pem_files_and_what_is_none_is_named_by_its_line() {
    let key = |text: &str| format!("cosign_keys:\n- {text}\n");
    check(&key("{name: release, key: cosign.pub}"), &[]);
    check(&key("{name: release, key: [cosign.pub, qa-2025.pub]}"), &[]);
    let is = "`cosign_keys[0].key` names /etc/repin";
    for (text, expected) in [
        ("{name: release}", "4 config/missing-key: `cosign_keys[0].key` is missing, and it is required".to_owned()),
        ("{key: cosign.pub}", "4 config/missing-key: `cosign_keys[0].name` is missing, and it is required".to_owned()),
        ("{name: a b, key: cosign.pub}", "4 config/invalid-value: `cosign_keys[0].name` is `a b`: `a b` is no name of a key: it is 1 to 63 letters, digits and . _ -, and starts with none of . -".to_owned()),
        ("{name: release, key: []}", "4 config/invalid-value: `cosign_keys[0].key` is empty, and an entry has at least one key".to_owned()),
        ("{name: release, key: missing.pem}", format!("4 config/unreadable: {is}/missing.pem, which is no readable file")),
        ("{name: release, key: text.pem}", format!("4 config/unreadable: {is}/text.pem, and it is no public key in PEM form")),
        ("{name: release, key: ca.pem}", format!("4 config/unreadable: {is}/ca.pem, and it holds no `PUBLIC KEY` but another kind of PEM")),
        ("{name: release, key: cosign.key}", format!("4 config/unreadable: {is}/cosign.key, and it is a private key, and signatures are verified with the public one")),
        ("{name: release, key: [cosign.pub, text.pem]}", "4 config/unreadable: `cosign_keys[0].key[1]` names /etc/repin/text.pem, and it is no public key in PEM form".to_owned()),
        ("{name: a, key: cosign.pub}\n- {name: a, key: cosign.pub}", "5 config/duplicate: `cosign_keys[1]` has the name `a`, as the entry in line 4 has".to_owned()),
        ("{name: a, key: cosign.pub, keyless: x}", "4 config/unknown-key: `cosign_keys[0].keyless` is not a known key".to_owned()),
    ] {
        check(&key(text), &[&expected]);
    }
    let found = format!("{:?}", read(&format!("{MINIMAL}{}", key("{name: release, key: cosign.key}"))));
    assert!(!found.contains(CANARY), "{found}");
}

#[test]
fn verify_of_a_rule_names_keys_that_are_there() {
    let keys = "cosign_keys: [{name: release, key: cosign.pub}, {name: qa, key: cosign.pub}]\n";
    let rule = |verify: &str| format!("{keys}rules:\n- verify: {verify}\n");
    for (verify, names) in
        [("cosign:release", &["release"][..]), ("[\"cosign:release\", \"cosign:qa\"]", &["qa", "release"])]
    {
        let read = settings(&format!("{MINIMAL}{}", rule(verify)));
        let found: Vec<&str> = read.rules[0].verify.iter().map(|name| name.as_str()).collect();
        assert_eq!(found, names);
    }
    let first = "`rules[0].verify`";
    for (verify, expected) in [
        ("cosign:other", "5 config/invalid-value: `rules[0]` demands signatures with the key `other`, which `cosign_keys` does not have".to_owned()),
        ("release", format!("5 config/invalid-value: {first} is `release`: an entry is cosign:<name of a key>")),
        ("[]", format!("5 config/invalid-value: {first} is empty, and demands nothing")),
        ("{a: b}", format!("5 config/invalid-value: {first} is a mapping, and a list is expected")),
        ("keyless:x", format!("warning 5 unsupported/verify: {first} is keyless, and this build does not carry it out: what it applies to is held")),
    ] {
        check(&rule(verify), &[&expected]);
    }
    // A key that could not be read may be the one that is named: one problem, not two.
    let broken = "cosign_keys: [{name: release, key: text.pem}]\nrules:\n- verify: cosign:release\n";
    check(
        broken,
        &["3 config/unreadable: `cosign_keys[0].key` names /etc/repin/text.pem, and it is no public key in PEM form"],
    );
}

#[test]
fn unbuilt_settings_of_a_rule_are_kept_in_the_manuals_order() {
    let text = "rules:\n- {notify: x, verify: keyless:x}\nenvironments:\n- {name: dev, notify: [a]}\n";
    let (read, _) = read(&format!("{MINIMAL}{text}")).unwrap();
    assert_eq!(read.rules[0].unsupported, ["verify", "notify"]);
    assert_eq!(read.environments[0].unsupported, ["notify"]);
}

#[test]
fn the_server_can_be_turned_off_and_take_any_port() {
    for (text, expected) in [
        ("", Some("127.0.0.1:8080")),
        ("server: {}", Some("127.0.0.1:8080")),
        ("server: {listen: 127.0.0.1:0}", Some("127.0.0.1:0")),
        ("server: {listen: \"[::1]:80\"}", Some("[::1]:80")),
        ("server: null", None),
        ("server:", None),
        ("server: {listen: null}", None),
        ("server: {listen: }", None),
    ] {
        let listen = settings(&format!("{MINIMAL}{text}\n")).server.listen;
        assert_eq!(listen, expected.map(|text| text.parse().unwrap()), "{text}");
    }
}

#[test]
fn a_repository_over_plain_http_is_refused_unless_it_is_on_this_machine() {
    for (host, refused) in [
        ("127.0.0.1", false),
        ("127.0.0.1:5000", false),
        ("localhost:5000", false),
        ("[::1]:5000", false),
        ("[::1]", false),
        ("127.example.com:5000", true),
        ("10.0.0.1", true),
        ("git.example.com", true),
    ] {
        let text = format!("repositories: [{{name: a, url: 'http://{host}/x', credentials: {{token: {{env: T}}}}}}]\n");
        let problems = read(&text).map_or_else(|problems| problems, |(_, problems)| problems);
        let codes: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, if refused { vec!["config/invalid-value"] } else { vec![] }, "{host}");
    }
}

#[test]
fn a_switch_that_is_given_is_taken() {
    let text = "observe: true\nschedule: 1h30m\nlog: {format: json, level: trace}\nrules: [{observe: false}]\n";
    let read = settings(&format!("{MINIMAL}{text}"));
    assert_eq!(
        (read.observe, read.schedule.to_string(), read.rules[0].observe),
        (true, "every 1h 30m".to_owned(), Some(false))
    );
    assert_eq!(read.log, LogSettings { format: LogFormat::Json, level: LogLevel::Trace });
}

#[test]
fn annotation_values_are_texts_as_written() {
    let text = "applications:
- name: web
  repository: gitops
  path: ./apps/web/
  annotations:
    image-list: |
      a=ghcr.io/a
      b=ghcr.io/b:1.10
    strict: false
    a.number: 1.10
    a/b.helm.image-tag: \"x\"
";
    let read = settings(&format!("{MINIMAL}{text}"));
    let annotations: Vec<_> =
        read.applications[0].annotations.iter().map(|a| (a.key.as_str(), a.value.as_str(), a.line)).collect();
    let expected = [
        ("image-list", "a=ghcr.io/a\nb=ghcr.io/b:1.10\n", 8),
        ("strict", "false", 11),
        ("a.number", "1.10", 12),
        ("a/b.helm.image-tag", "x", 13),
    ];
    assert_eq!(annotations, expected);
    assert_eq!((read.applications[0].path.as_str(), read.applications[0].namespace.as_str()), ("apps/web", "argocd"));
}

#[test]
fn aliases_and_merge_keys_are_followed_within_limits() {
    let text = "registries:
- &base {host: a.example, requests_per_second: 5, credentials: &c {token: {env: T}}}
- {<<: *base, host: b.example, requests_per_second: 7}
- {<<: [{host: c.example}, *base]}
";
    let read_settings = settings(&format!("{MINIMAL}{text}"));
    let registries: Vec<_> = read_settings
        .registries
        .iter()
        .map(|r| (r.host.as_str(), r.requests_per_second, r.credentials.is_some()))
        .collect();
    let expected = [("a.example", Some(5.0), true), ("b.example", Some(7.0), true), ("c.example", Some(5.0), true)];
    assert_eq!(registries, expected);

    let many = |what: &str| vec![what; 2000].join(", ");
    let bomb = format!(
        "repositories:\n- &r {{name: a, url: /a, discover: &d [{}]}}\nrules: [{}]\n",
        many("'*'"),
        many("{may_write: *d}")
    );
    let problems = read(&bomb).unwrap_err();
    assert_eq!(problems[0].message, "the file has more than 50000 values, aliases followed");
}

#[test]
fn two_entries_for_one_remote_need_two_named_branches() {
    for (first, second, is_ok) in [
        ("branch: main", "branch: other", true),
        ("branch: main", "branch: main", false),
        ("branch: main", "discover: []", false),
        ("discover: []", "discover: []", false),
    ] {
        let text =
            format!("repositories:\n- {{name: a, url: /x, {first}}}\n- {{name: b, url: 'file:///x.git', {second}}}\n");
        assert_eq!(read(&text).is_ok(), is_ok, "{text}");
    }
}

#[test]
fn a_repository_is_found_by_every_spelling_of_its_urls() {
    let text = "repositories: [{name: a, url: https://git.example/x/y.git, also: ['git@other.example:x/y']}]\n";
    let read = settings(text);
    for (url, expected) in [
        ("ssh://git@git.example/x/y", true),
        ("https://other.example/x/y.git/", true),
        ("https://git.example/x/z", false),
    ] {
        assert_eq!(read.repository("a").unwrap().is_at(&url.parse().unwrap()), expected, "{url}");
    }
    assert!(read.repository("b").is_none() && read.registry("ghcr.io").is_none());
}

#[test]
fn a_damaged_file_never_breaks_the_reader_or_shows_a_secret() {
    let text = std::fs::read_to_string("config/repin.example.yaml").unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut damaged: Vec<String> =
        (0..text.len()).step_by(11).filter_map(|end| text.get(..end).map(str::to_owned)).collect();
    for index in 0..lines.len() {
        for new in [vec![], vec![lines[index]; 2], vec!["  - x: [}"], vec!["      ? {a: b}"], vec!["    \u{0}: \u{7}"]]
        {
            damaged.push([&lines[..index], new.as_slice(), &lines[index + 1..]].concat().join("\n"));
        }
        let (key, _) = lines[index].split_once(':').unwrap_or((lines[index], ""));
        for value in [
            "",
            " null",
            " []",
            " {}",
            " hunter2-x",
            " [hunter2-x]",
            " {a: {b: c}}",
            " -1",
            " *a",
            " !!x y",
            " '\u{202e}'",
        ] {
            damaged
                .push([&lines[..index], &[format!("{key}:{value}").as_str()], &lines[index + 1..]].concat().join("\n"));
        }
    }
    assert!(damaged.len() > 1000);
    for text in damaged {
        let (found, problems) = match read(&text) {
            Ok((settings, problems)) => (format!("{settings:?}"), problems),
            Err(problems) => {
                assert!(problems.iter().any(|problem| problem.severity == Severity::Error), "{text}");
                (String::new(), problems)
            }
        };
        for problem in &problems {
            let line = problem.line.unwrap_or(0);
            assert!(line >= 1 && line <= text.lines().count() as u64 + 1, "{problem:?}\n{text}");
            assert!(!problem.message.contains(|c: char| c.is_control() || c == '\u{202e}'), "{problem:?}");
        }
        assert!(!format!("{found}{problems:?}").contains(CANARY), "{text}");
    }
}

#[test]
fn a_file_is_loaded_with_its_secrets_from_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("repin.yaml");
    std::fs::write(directory.path().join("token"), format!("{CANARY}\n")).unwrap();
    std::fs::write(directory.path().join("empty"), "\n").unwrap();
    std::fs::copy("tests/registry/tls/ca.pem", directory.path().join("ca.pem")).unwrap();
    let write = |token: &str, ca: &str| {
        let registry = format!("{{host: ghcr.io, ca: {ca}, credentials: {{token: {{file: {token}}}}}}}");
        std::fs::write(&path, format!("{MINIMAL}registries: [{registry}]\ncache: {{path: here}}\n")).unwrap();
    };
    write("token", "ca.pem");
    let (read, problems) = load(&path).unwrap();
    assert_eq!(problems, []);
    assert_eq!(read.registries[0].credentials, Some(Credentials::Token(Secret::new(CANARY)).into()));
    assert_eq!(read.registries[0].ca, Some(directory.path().join("ca.pem")));
    assert_eq!(read.cache.path, directory.path().join("here"));
    assert!(!format!("{read:?}").contains(CANARY));

    let messages = |path: &Path| {
        let shown = shown(&load(path).unwrap_err()).replace(&directory.path().display().to_string(), "D");
        shown.lines().map(|line| line.split(" | ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    write("empty", "nowhere.pem");
    let expected = [
        "3 config/secret: `registries[0].credentials.token` has no value: the file D/empty is empty",
        "3 config/unreadable: `registries[0].ca` names D/nowhere.pem, which is no readable file",
    ];
    assert_eq!(messages(&path), expected);
    let absent = "0 config/unreadable: the configuration cannot be read: No such file or directory (os error 2)";
    assert_eq!(messages(&directory.path().join("absent.yaml")), [absent]);
    assert_eq!(messages(directory.path()), ["0 config/unreadable: the configuration is a directory"]);
    std::fs::write(&path, b"a: \xff").unwrap();
    assert_eq!(messages(&path), ["0 config/unreadable: the configuration is not UTF-8 from byte 3 on"]);
    std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    assert_eq!(messages(&path), ["0 config/unreadable: the configuration is larger than 1048576 bytes"]);
}

proptest::proptest! {
    #[test]
    fn no_text_breaks_a_parser(text in "\\PC{0,60}|[-a-z0-9:/@.%\\[\\]{}*~ ]{0,40}") {
        let _ = interval::parse(&text);
        let _ = Glob::of_paths(&text).map(|glob| glob.is_match("a/b"));
        let _ = read(&text);
        let _ = read(&format!("{MINIMAL}rules: [{text}]\n"));
        for cases in [
            text.clone(),
            format!("cases: [{text}]\n"),
            format!("policies: {{a: {{range: 1.x, {text}}}}}\ncases: [{{name: x, policy: a, tags: [{text}], expect: {{chosen: 1}}}}]\n"),
        ] {
            let read = repin::config::cases::parse(&cases, Path::new("c.yaml"), &|_| Ok(text.clone().into_bytes()));
            // What cannot be read says why, and a file without cases is no test.
            assert!(read.map_or_else(|problems| !problems.is_empty(), |(read, _)| !read.cases.is_empty()), "{cases}");
        }
    }

    #[test]
    fn an_accepted_url_is_stable_and_cannot_be_an_option(
        text in "(https?://|ssh://|file://|git@|)[-a-zA-Z0-9.@]{0,8}[:/]{0,2}[-a-zA-Z0-9:/@.%~]{0,24}",
    ) {
        if let Ok(url) = text.parse::<RemoteUrl>() {
            let again: RemoteUrl = url.as_str().parse().unwrap();
            proptest::prop_assert_eq!(again.normalised(), url.normalised());
            proptest::prop_assert_eq!(again.transport(), url.transport());
            let is_http = matches!(url.transport(), Transport::Http | Transport::Https);
            let authority = url.to_string().split_once("://").map(|(_, rest)| rest.split('/').next().unwrap().to_owned());
            proptest::prop_assert!(!is_http || !authority.unwrap().contains('@'));
            proptest::prop_assert!(!url.host().is_some_and(|host| host.starts_with('-')));
            proptest::prop_assert!(url.local_path().is_none_or(Path::is_absolute));
        }
    }
}
