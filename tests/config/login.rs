//! Where the credentials of registries come from: what is accepted, and argocd-image-updater's `registries.conf`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use repin::config::options;
use repin::config::secrets::SecretRef;
use repin::config::settings::{Credentials, RegistryCredentials, RegistrySettings, Settings};
use repin::config::{Surroundings, parse};
use repin::model::problem::{Problem, Severity};
use repin::registry::{Absent, AzureOptions, EcrOptions, GoogleOptions, Login};
use repin::secret::Secret;

use crate::{CANARY, MINIMAL, check, settings};

const ERROR: &str = "config/invalid-value";

/// Asserts the problems of the `credentials` of one registry, and that none shows what may be a secret.
fn check_login(credentials: &str, expected: &[&str]) {
    let text = format!("registries: [{{host: r.example, credentials: {credentials}}}]");
    let expected: Vec<String> = expected.iter().map(|line| line.replace('@', "`registries[0].credentials")).collect();
    check(&text, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    let found = format!("{:?}", crate::read(&format!("{MINIMAL}{text}")));
    assert!(!found.contains(CANARY), "{found}");
}

fn login(credentials: &str) -> RegistryCredentials {
    let text = format!("{MINIMAL}registries: [{{host: r.example, credentials: {credentials}}}]");
    settings(&text).registries[0].credentials.clone().unwrap()
}

#[test]
fn credentials_name_one_source_and_an_empty_cloud_is_its_default_chain() {
    let secret = || Secret::new(CANARY);
    let basic = Credentials::Basic { username: Secret::new("robot"), password: secret() };
    for (text, expected) in [
        // GitHub and GitLab: a token is the password of a user.
        ("{username: robot, password: {file: token}}", basic.into()),
        ("{token: {file: token}}", Credentials::Token(secret()).into()),
        ("{docker_config: docker}", RegistryCredentials::DockerConfig("/etc/repin/docker".into())),
        ("{ecr: {}}", RegistryCredentials::Ecr(EcrOptions::default())),
        ("{google: {}}", RegistryCredentials::Google(GoogleOptions::default())),
        ("{azure: {}}", RegistryCredentials::Azure(AzureOptions::default())),
        ("{ecr: {}, token: null}", RegistryCredentials::Ecr(EcrOptions::default())),
    ] {
        assert_eq!(login(text), expected, "{text}");
        let pull =
            format!("{MINIMAL}pull_secrets: [{{name: a, registries: [ghcr.io], match: {{}}, credentials: {text}}}]");
        assert_eq!(settings(&pull).pull_secrets[0].credentials, expected, "{text}");
    }
    let several = "3 config/invalid-value: @` names more than one source of credentials";
    for (text, expected) in [
        ("{ecr: {}, google: {}}", several),
        ("{docker_config: a, token: {file: token}}", several),
        ("{azure: {}, username: robot, password: {file: p}}", several),
        ("{}", "3 config/missing-key: @` is empty"),
        ("{ecr: }", "3 config/missing-key: @` is empty"),
        ("{username: robot}", "3 config/missing-key: @` has no `password`"),
        ("{docker_config: ''}", "3 config/invalid-value: @.docker_config`: a path is not empty"),
        ("{ecr: hunter2-canary}", "3 config/invalid-value: @.ecr` is a single value, and a mapping is expected"),
        ("{google: {hunter2-canary: x}}", "3 config/unknown-key: @.google` has a key that is not known"),
    ] {
        check_login(text, &[expected]);
    }
}

#[test]
fn what_a_cloud_cannot_mean_is_found_at_the_start() {
    for (text, expected) in [
        ("{ecr: {region: 'evil.example/'}}", "@.ecr.region`: a region is such as eu-west-1"),
        ("{ecr: {account: '12'}}", "@.ecr.account`: an account is 12 digits"),
        ("{ecr: {role_arn: repin}}", "@.ecr.role_arn`: a role is such as arn:aws:iam::123456789012:role/repin"),
        (
            "{ecr: {access_key_id: 'A B', secret_access_key: {file: s}}}",
            "@.ecr.access_key_id`: an access key ID is letters and digits",
        ),
        (
            "{ecr: {metadata_url: 'http://10.0.0.1'}}",
            "@.ecr.metadata_url`: it is an https:// URL; http:// is for this machine and for metadata services of clouds",
        ),
        (
            "{ecr: {endpoint: 'https://me:hunter2-canary@x'}}",
            "@.ecr.endpoint`: it is an https:// URL; http:// is for this machine and for metadata services of clouds",
        ),
        (
            "{google: {service_account: '../x'}}",
            "@.google.service_account`: it is the address of a service account, or `default`",
        ),
        (
            "{azure: {tenant_id: 'a/b'}}",
            "@.azure.tenant_id`: it is an ID such as 00000000-0000-0000-0000-000000000000, or a domain",
        ),
        ("{azure: {audience: x}}", "@.azure.audience`: it is a URI such as https://containerregistry.azure.net"),
        (
            "{ecr: {role_arn: 'arn:aws:iam::1:role/x', metadata_url: 'http://127.0.0.1:1'}}",
            "@.ecr` names more than one identity: a web identity, `metadata_url`",
        ),
        (
            "{google: {credentials_file: a, service_account: default}}",
            "@.google` names more than one identity: `credentials_file`, this machine",
        ),
        (
            "{azure: {client_secret: {file: s}, federated_token_file: t}}",
            "@.azure` names more than one identity: `client_secret`, `federated_token_file`",
        ),
    ] {
        check_login(text, &[&format!("3 {ERROR}: {expected}")]);
    }
    for (text, expected) in [
        ("{ecr: {access_key_id: AKIA1}}", "config/missing-key: @.ecr` has no `secret_access_key`"),
        ("{ecr: {secret_access_key: {file: s}}}", "config/missing-key: @.ecr` has no `access_key_id`"),
        ("{ecr: {session_token: {file: s}}}", "config/missing-key: @.ecr` has no `access_key_id`"),
        (
            "{azure: {client_secret: hunter2-canary}}",
            "config/secret: @.azure.client_secret` holds the secret itself, and secrets are given by reference only",
        ),
    ] {
        check_login(text, &[&format!("3 {expected}")]);
    }
}

#[test]
fn helpers_are_listed_by_absolute_path() {
    let read = settings(&format!("{MINIMAL}credential_helpers: {{gcloud: /usr/bin/docker-credential-gcloud}}\n"));
    assert_eq!(read.credential_helpers["gcloud"], PathBuf::from("/usr/bin/docker-credential-gcloud"));
    check(
        "credential_helpers: {a: docker-credential-a, b/c: /usr/bin/b, d: ../e}",
        &[
            "3 config/invalid-value: `credential_helpers.a` is `docker-credential-a`: it is the absolute path of a program: none is looked for",
            "3 config/invalid-value: `credential_helpers.b/c` has a name that no file of docker can mean",
            "3 config/invalid-value: `credential_helpers.d` is `../e`: it is the absolute path of a program: none is looked for",
        ],
    );
}

#[test]
fn the_file_for_all_is_for_registries_without_credentials_of_their_own() {
    let text = format!(
        "{MINIMAL}docker_config: docker\ncredential_helpers: {{a: /bin/a}}\nregistries:\n- {{host: r.example}}\n\
         - {{host: s.example, credentials: {{docker_config: own}}}}\n- {{host: t.example, credentials: {{token: {{file: t}}}}}}\n"
    );
    let registry = options::reconcile(&settings(&text), Path::new("repin.yaml")).registry;
    let docker = |login: &Login| match login {
        Login::Docker(docker) => (docker.path.display().to_string(), docker.absent, docker.helpers.len()),
        other => panic!("{other:?}"),
    };
    let all = ("/etc/repin/docker".to_owned(), Absent::Anonymous, 1);
    assert_eq!(docker(&registry.login), all, "public registries without an entry");
    assert_eq!(docker(&registry.registries[0].login), all);
    assert_eq!(docker(&registry.registries[1].login), ("/etc/repin/own".to_owned(), Absent::Refused, 1));
    assert!(registry.registries[2].login.fixed().is_some());
    let none = options::reconcile(&settings(MINIMAL), Path::new("repin.yaml")).registry;
    assert_eq!(none.login, Login::default());
}

/// Reads a configuration whose `registries_conf` holds this.
fn with_peer(ours: &str, peer: &str) -> Result<(Settings, Vec<Problem>), Vec<Problem>> {
    let secrets = |reference: &SecretRef| match reference {
        SecretRef::Env(name) if name == "LOGIN" => Ok(Secret::new(format!("robot:{CANARY}:x"))),
        SecretRef::Env(name) if name == "BARE" => Ok(Secret::new(CANARY)),
        SecretRef::Env(_) => Err(format!("{reference} is not set")),
        SecretRef::File(_) => Ok(Secret::new(CANARY)),
    };
    let files = |path: &Path| match path.to_str() {
        Some("/etc/repin/registries.conf") => Ok(peer.as_bytes().to_vec()),
        Some("/etc/repin/ca.pem") => Ok(std::fs::read("tests/registry/tls/ca.pem").unwrap()),
        _ => Err("cannot be read".to_owned()),
    };
    let file = Path::new("/etc/repin/repin.yaml");
    let text = format!("{MINIMAL}registries_conf: registries.conf\n{ours}");
    parse(&text, &Surroundings { file, secrets: &secrets, files: &files, default_cache: Some("/cache".into()) })
}

/// Gives the registries and every problem with its file, severity, line, and hint.
fn peer(ours: &str, peer: &str) -> (Vec<RegistrySettings>, Vec<String>) {
    let (registries, problems) = match with_peer(ours, peer) {
        Ok((settings, problems)) => (settings.registries, problems),
        Err(problems) => (Vec::new(), problems),
    };
    let line = |problem: &Problem| {
        let name = problem.file.as_deref().unwrap().rsplit('/').next().unwrap().to_owned();
        let severity = if problem.severity == Severity::Error { "error" } else { "warning" };
        let hint = problem.hint.as_deref().unwrap();
        format!("{name}:{} {severity} {}: {} | {hint}", problem.line.unwrap(), problem.code, problem.message)
    };
    let shown: Vec<String> = problems.iter().map(line).collect();
    assert!(!shown.join("\n").contains(CANARY), "{shown:?}");
    (registries, shown)
}

#[test]
fn the_example_of_argocd_image_updater_is_read_as_it_is() {
    // Its manual, "Registry Configuration".
    let text = "\
registries:
- name: Docker Hub
  prefix: docker.io
  api_url: https://registry-1.docker.io
  credentials: secret:foo/bar#creds
  defaultns: library
  default: true
- name: RedHat Quay
  api_url: https://quay.io
  prefix: quay.io
  insecure: yes
  credentials: env:LOGIN
  limit: 10
- name: Local
  prefix: registry.example.com:5000
  api_url: https://api.example.com/hub
  ca_file: ca.pem
- name: Plain
  prefix: 127.0.0.1:5000
  api_url: http://127.0.0.1:5000
";
    let ours = "pull_secrets: [{name: 'secret:foo/bar#creds', registries: [docker.io], credentials: {token: {file: t}}, match: {}}]\n";
    let (registries, problems) = peer(ours, text);
    let registry = |host: &str, line: u64| crate::anonymous(host, line);
    let basic = Credentials::Basic { username: Secret::new("robot"), password: Secret::new(format!("{CANARY}:x")) };
    let expected = [
        RegistrySettings {
            credentials: Some(Credentials::Token(Secret::new(CANARY)).into()),
            ..registry("docker.io", 2)
        },
        RegistrySettings { credentials: Some(basic.into()), requests_per_second: Some(10.0), ..registry("quay.io", 8) },
        RegistrySettings {
            api_url: Some("https://api.example.com/hub".parse().unwrap()),
            ca: Some("/etc/repin/ca.pem".into()),
            ..registry("registry.example.com:5000", 14)
        },
        RegistrySettings {
            api_url: Some("http://127.0.0.1:5000".parse().unwrap()),
            insecure: true,
            ..registry("127.0.0.1:5000", 18)
        },
    ];
    assert_eq!(registries, expected);
    assert_eq!(
        problems,
        [
            "registries.conf:11 warning config/registries-conf: `registries[1].insecure` turns verification of the certificate off, and that does not exist here: it is verified | give the authority of quay.io as `ca_file`, or as `ca` in `registries`"
        ]
    );
}

#[test]
fn every_difference_is_reported_with_its_line_and_what_to_do() {
    let text = "\
registries:
- name: Harbor
  prefix: harbor.example.com
  ping: true
  default: true
  defaultns: apps
  tagsortmode: latest-first
  limit: 5000
  credentials: env:LOGIN
  credsexpire: 5h
";
    let (registries, problems) = peer("", text);
    assert_eq!(registries[0].requests_per_second, Some(1000.0));
    let expected = [
        "registries.conf:4 warning config/registries-conf: `registries[0].ping` is without effect: no request is spent on finding out whether a registry is there | remove it",
        "registries.conf:5 warning config/registries-conf: `registries[0].default` is without effect: an image without a host is at Docker Hub, as for every container runtime | write `harbor.example.com/` in front of the images that are meant",
        "registries.conf:6 warning config/registries-conf: `registries[0].defaultns` is without effect: only Docker Hub has a namespace of its own, `library` | write such as `harbor.example.com/apps/web` in full",
        "registries.conf:7 warning config/registries-conf: `registries[0].tagsortmode` is without effect: the order of a list is never believed, and dates are read from images | remove it",
        "registries.conf:8 warning config/registries-conf: `registries[0].limit` is above 1000, which is the most here | write a lower one",
        "registries.conf:10 warning config/registries-conf: `registries[0].credsexpire` is without effect: files are read again when they change, and the environment of a process does not | remove it",
    ];
    assert_eq!(problems, expected);
    // What says nothing else there either is no difference.
    let quiet = "registries: [{name: a, prefix: ghcr.io, ping: no, default: off, insecure: 'false', tagsortmode: none, limit: 0}]";
    let (registries, problems) = peer("", quiet);
    assert_eq!((registries[0].requests_per_second, problems), (None, vec![]));
    assert_eq!(peer("", "").1, [""; 0]);
}

#[test]
fn an_entry_of_our_own_counts_first_and_that_is_said() {
    let text = "registries:\n- {name: a, prefix: ghcr.io, limit: 5}\n- {name: b, prefix: quay.io}\n- {name: c, prefix: quay.io}\n";
    let (registries, problems) = peer("registries: [{host: ghcr.io, requests_per_second: 2}]\n", text);
    assert!(registries.is_empty());
    assert_eq!(
        problems,
        [
            "registries.conf:2 warning config/registries-conf: `registries[0]` is `ghcr.io`, which `registries` of /etc/repin/repin.yaml has in line 4: that entry counts | keep one of them",
            "registries.conf:4 error config/duplicate: `registries[2]` has the prefix `quay.io`, as the entry in line 3 has | keep one of them",
        ]
    );
    let (registries, _) = peer(
        "registries: [{host: ghcr.io, requests_per_second: 2}]\n",
        &text.replace("quay.io}\n- {name: c", "x.io}\n- {name: c"),
    );
    // What is wrong in an entry that does not count is not wrong.
    let lost = "registries: [{prefix: ghcr.io, credentials: 'pullsecret:argocd/gone', tagsortmode: up}]";
    let (_, problems) = peer("registries: [{host: ghcr.io}]\n", lost);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("that entry counts"), "{problems:?}");
    let hosts: Vec<_> = registries.iter().map(|one| (one.host.as_str(), one.requests_per_second)).collect();
    assert_eq!(hosts, [("ghcr.io", Some(2.0)), ("x.io", None), ("quay.io", None)]);
}

#[test]
fn a_script_is_taken_only_if_it_is_listed() {
    let text =
        "registries: [{name: ecr, prefix: ecr.example.com, credentials: 'ext:/scripts/auth.sh', credsexpire: 10h30m}]";
    let (registries, problems) = peer("credential_helpers: {auth: /scripts/auth.sh}\n", text);
    assert_eq!(problems, [""; 0]);
    let expires = Some(Duration::from_secs(37_800));
    let expected = RegistryCredentials::Program { path: "/scripts/auth.sh".into(), expires };
    assert_eq!(registries[0].credentials, Some(expected));
    let refused = "registries.conf:1 error config/registries-conf: `registries[0].credentials` names the program /scripts/auth.sh, and only listed programs are run | add to repin.yaml `credential_helpers: {auth: /scripts/auth.sh}`";
    assert_eq!(peer("credential_helpers: {auth: /scripts/other.sh}\n", text).1, [refused]);
}

#[test]
fn credentials_that_cannot_be_had_refuse_the_file_instead_of_asking_anonymously() {
    let check = |credentials: &str, ours: &str, expected: &str| {
        let (registries, problems) =
            peer(ours, &format!("registries: [{{name: a, prefix: ghcr.io, credentials: '{credentials}'}}]"));
        assert!(registries.is_empty(), "{credentials}");
        assert_eq!(problems.len(), 1, "{problems:?}");
        let found =
            problems[0].strip_prefix("registries.conf:1 error ").unwrap().replace("`registries[0].credentials` ", "");
        assert!(found.starts_with(expected), "{credentials}: {found}");
    };
    let secret = "config/registries-conf: names a Secret of a cluster, and nothing is read from one here | mount the Secret, and add to `pull_secrets:` of repin.yaml `- {name: \"pullsecret:argocd/ghcr\", registries: [ghcr.io], credentials: {docker_config: <where it is mounted>}, match: {}}`";
    check("pullsecret:argocd/ghcr", "", secret);
    check("ghcr.io=pullsecret:argocd/ghcr", "", secret);
    let elsewhere = "pull_secrets: [{name: 'pullsecret:argocd/ghcr', registries: [quay.io], credentials: {token: {file: t}}, match: {}}]\n";
    check(
        "pullsecret:argocd/ghcr",
        elsewhere,
        "config/registries-conf: names the entry of `pull_secrets` in line 4 of repin.yaml, which is not for ghcr.io | add `ghcr.io` to its `registries`",
    );
    check("env:UNSET", "", "config/secret: has no value: the environment variable UNSET is not set");
    check(
        "env:BARE",
        "",
        "config/secret: has no value that can be used: the environment variable BARE is no `user:password`",
    );
    check("ext:auth.sh", "", "config/invalid-value: names a program without its full path");
    for bad in ["hunter2-canary", "vault:x", "env:", "secret:a:b", ":x"] {
        check(bad, "", "config/invalid-value: is no source of credentials: it is env:NAME, ext:/path");
    }
}

#[test]
fn a_registries_conf_that_is_none_is_told_with_its_place() {
    for (text, expected) in [
        (
            "registries: [",
            "repin.yaml:3 error config/unreadable: `registries_conf` names /etc/repin/registries.conf, which is no YAML (line 1)",
        ),
        (
            "registries: {a: b}",
            "registries.conf:1 error config/invalid-value: `registries` is a mapping, and a list is expected",
        ),
        (
            "registries: [{prefix: ghcr.io, tls: x}]",
            "registries.conf:1 error config/unknown-key: `registries[0].tls` is not a known key",
        ),
        (
            "registries: [{prefix: ghcr.io/acme}]",
            "registries.conf:1 error unsupported/prefix: `registries[0].prefix` is a prefix with a path",
        ),
        (
            "registries: [{name: a, api_url: 'https://x.example'}]",
            "registries.conf:1 error config/registries-conf: `registries[0]` has no `prefix`",
        ),
        (
            "registries: [{prefix: ghcr.io, api_url: 'ftp://x'}]",
            "registries.conf:1 error config/invalid-value: `registries[0].api_url` is no URL of an API",
        ),
        (
            "registries: [{prefix: ghcr.io, api_url: 'https://a:hunter2-canary@x'}]",
            "registries.conf:1 error config/secret: `registries[0].api_url` holds a user or a password",
        ),
        (
            "registries: [{prefix: ghcr.io, ca_data: hello}]",
            "registries.conf:1 error config/invalid-value: `registries[0].ca_data` cannot be used",
        ),
        (
            "registries: [{prefix: ghcr.io, ca_file: gone.pem}]",
            "registries.conf:1 error config/unreadable: `registries[0].ca_file` names /etc/repin/gone.pem",
        ),
        (
            "registries: [{prefix: ghcr.io, credentials: 'env:LOGIN', credsexpire: soon}]",
            "registries.conf:1 error config/invalid-value: `registries[0].credsexpire` is `soon`",
        ),
        (
            "registries: [{prefix: ghcr.io, limit: many}]",
            "registries.conf:1 error config/invalid-value: `registries[0].limit` is `many`: it is a whole number",
        ),
        (
            "registries: [{prefix: ghcr.io, tagsortmode: up}]",
            "registries.conf:1 error config/invalid-value: `registries[0].tagsortmode` is `up`",
        ),
        (
            "registries: [{prefix: ghcr.io, ping: maybe}]",
            "registries.conf:1 error config/invalid-value: `registries[0].ping` is `maybe`: it is true or false",
        ),
        (
            "registries: [{prefix: plain.example, api_url: 'http://plain.example', credentials: 'env:LOGIN'}]",
            "registries.conf:1 warning config/plain-credentials: `registries[0].credentials` is sent over plain HTTP",
        ),
    ] {
        let (_, problems) = peer("", text);
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].starts_with(expected), "{text}: {}", problems[0]);
    }
    let (settings, problems) =
        with_peer("", "registries: [{prefix: 127.0.0.1:1, ca_data: \"PEM\", api_url: 'http://127.0.0.1:1'}]").unwrap();
    assert!(settings.registries[0].ca_data.is_none() && problems.is_empty(), "plain HTTP has no authorities");
    let pem = std::fs::read_to_string("tests/registry/tls/ca.pem").unwrap().replace('\n', "\\n");
    let both = format!("registries: [{{prefix: ghcr.io, ca_data: \"{pem}\", ca_file: ca.pem}}]");
    let (settings, _) = with_peer("", &both).unwrap();
    // The file is at another place on this machine.
    let mut settings = settings;
    settings.registries[0].ca = Some("tests/registry/tls/other-ca.pem".into());
    let registry = &options::reconcile(&settings, Path::new("repin.yaml")).registry.registries[0];
    let ca = String::from_utf8(registry.ca.clone().unwrap()).unwrap();
    assert_eq!(ca.matches("BEGIN CERTIFICATE").count(), 2, "both count, as there");
}

#[test]
fn a_pull_secret_may_be_for_a_registry_of_that_file() {
    let ours =
        "pull_secrets: [{name: a, registries: [r.example, s.example], credentials: {token: {file: t}}, match: {}}]\n";
    let (_, problems) = peer(ours, "registries: [{prefix: r.example}]");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("is bound to `s.example`, which is not configured"), "{problems:?}");
}
