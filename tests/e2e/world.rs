//! A world of its own for each story: registry, remote, configuration and cache below one temporary directory.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::any_registry::AnyRegistry;
use crate::docker_registry::Access;
use crate::git_http::{GitHttp, PASSWORD, USER, tls};
use crate::registry::FakeRegistry;
use crate::remote::{BareRemote, holds_no_secret};
use crate::sshd::Sshd;

/// Registry, remote and a directory for configuration and cache.
pub struct World {
    /// The registry.
    pub registry: AnyRegistry,
    /// The GitOps repository.
    pub remote: BareRemote,
    directory: TempDir,
    way: Way,
}

/// How the remote is reached.
enum Way {
    /// On this machine.
    Local,
    /// Through sshd.
    Ssh(Sshd),
    /// Through nginx and `git http-backend`.
    Https(GitHttp),
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    /// Exit code.
    pub code: i32,
    /// The JSON document on stdout.
    pub json: Value,
    /// stderr.
    pub talk: String,
}

/// An Application with Helm values at `apps/<name>/values.yaml`.
pub struct App<'a> {
    /// Its name; also the last part of the image.
    pub name: &'a str,
    /// Constraint behind the image, such as `1.x`; empty = none.
    pub constraint: &'a str,
    /// More annotations, as whole lines `key: value`.
    pub annotations: &'a [&'a str],
}

impl World {
    /// Starts the registry, makes the repository and writes the configuration of the issue.
    pub fn create() -> Self {
        Self::around(AnyRegistry::Fake(FakeRegistry::start()))
    }

    /// The same around the real docker-registry; `None`, said by name, where that is not installed.
    pub fn with_docker(access: Access) -> Option<Self> {
        AnyRegistry::start_docker(access).map(Self::around)
    }

    fn around(registry: AnyRegistry) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let world = Self { registry, remote: BareRemote::create(), directory, way: Way::Local };
        world.configure(&world.standard_config());
        world
    }

    /// On docker-registry, with the remote behind sshd; `None`, said by name, where one of them is not installed.
    pub fn over_ssh() -> Option<Self> {
        let server = Sshd::start()?;
        Some(Self::with_docker(Access::Open)?.by(Way::Ssh(server)))
    }

    /// On docker-registry, with the remote behind nginx; `None`, said by name, where one of them is not installed.
    pub fn over_https() -> Option<Self> {
        let world = Self::with_docker(Access::Open)?;
        let server = GitHttp::start(world.remote.path().parent().unwrap())?;
        Some(world.by(Way::Https(server)))
    }

    fn by(self, way: Way) -> Self {
        let world = Self { way, ..self };
        world.configure(&world.standard_config());
        world
    }

    /// The remote's entry in the configuration: its URL and what is needed to get in.
    fn remote_settings(&self) -> String {
        let own = self.remote.url();
        match &self.way {
            Way::Local => format!("    url: {own}\n"),
            Way::Ssh(server) => format!(
                "    url: {url}\n    also: [\"{own}\"]\n    known_hosts: {known}\n    credentials: {{ssh_key: {{file: {key}}}}}\n",
                url = server.url(&self.remote.path()),
                known = server.known_hosts(&server.name(), "ed25519").display(),
                key = server.key("ed25519", "").display(),
            ),
            Way::Https(server) => {
                let password = self.directory.path().join("git-password");
                std::fs::write(&password, PASSWORD).unwrap();
                format!(
                    "    url: {url}\n    also: [\"{own}\"]\n    ca: {ca}\n    credentials: {{username: {USER}, password: {{file: {password}}}}}\n",
                    url = server.url("git/remote.git"),
                    ca = tls("ca.pem").display(),
                    password = password.display(),
                )
            }
        }
    }

    /// A world with one Application `web`, image tag 1.0.0 in Git and these tags in the registry.
    pub fn with_web(tags: &[&str]) -> Self {
        let world = Self::create();
        world.add_web(tags);
        world
    }

    /// Adds one Application `web`, image tag 1.0.0 in Git and these tags in the registry.
    pub fn add_web(&self, tags: &[&str]) {
        self.registry.publish("acme/web", tags);
        self.add_app(&App { name: "web", constraint: "", annotations: &[] }, "1.0.0");
    }

    /// The configuration as the issue writes it, with this world's places.
    pub fn standard_config(&self) -> String {
        format!(
            "schedule: 1s\nserver: null\ncache: {{path: {cache}}}\nrepositories:\n  - name: gitops\n{remote}    branch: main\n    discover: [\"**/*.yaml\"]\n\
             registries:\n{registries}rules:\n  - match: {{path: \"apps/**\"}}\n    environment: dev\n    delivery: commit\n",
            cache = self.cache().display(),
            remote = self.remote_settings(),
            registries = self.registry.settings(),
        )
    }

    /// Writes the configuration.
    pub fn configure(&self, text: &str) {
        std::fs::write(self.config(), text).unwrap();
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("repin.yaml")
    }

    /// The cache directory.
    pub fn cache(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    /// Removes the cache.
    pub fn drop_cache(&self) {
        let _ = std::fs::remove_dir_all(self.cache());
    }

    /// The full name of an image in this world's registry.
    pub fn image(&self, name: &str) -> String {
        format!("{}/acme/{name}", self.registry.host())
    }

    /// The manifest of an Application.
    pub fn application(&self, app: &App<'_>) -> String {
        let colon = if app.constraint.is_empty() { "" } else { ":" };
        let more: String = app.annotations.iter().map(|line| format!("    {line}\n")).collect();
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  namespace: argocd\n  annotations:\n    \
             repin.dev/image-list: \"app={image}{colon}{constraint}\"\n    repin.dev/app.helm.image-tag: image.tag\n{more}spec:\n  project: default\n  \
             source:\n    repoURL: {url}\n    path: apps/{name}\n    targetRevision: main\n",
            name = app.name,
            image = self.image(app.name),
            constraint = app.constraint,
            url = self.remote.url(),
        )
    }

    /// Values with comments, quotes and blank lines.
    pub fn values(&self, name: &str, tag: &str) -> String {
        format!(
            "# values of {name}\n\nimage:\n    repository: {}   # do not touch\n    tag: \"{tag}\"\n\nlist: ['a',  \"b\"]\n",
            self.image(name)
        )
    }

    /// Commits an Application and its values.
    pub fn add_app(&self, app: &App<'_>, tag: &str) -> String {
        let values = self.values(app.name, tag);
        let manifest = self.application(app);
        self.remote.commit(
            &[(&format!("argocd/{}.yaml", app.name), &manifest), (&format!("apps/{}/values.yaml", app.name), &values)],
            &format!("Add {}", app.name),
        )
    }

    /// Runs a command with `--output json` and this world's configuration.
    pub fn repin(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).args(["--output", "json"]).output().unwrap();
        said(&output)
    }

    /// The command with this world's configuration and a clean environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
        command.args(arguments).arg("--config").arg(self.config());
        for name in [
            "REPIN_CONFIG",
            "REPIN_LOG",
            "REPIN_FAILPOINT",
            "REPIN_FAILPOINT_FILE",
            "REPIN_EMERGENCY_STOP",
            "NO_COLOR",
            "http_proxy",
            "https_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "all_proxy",
        ] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs `once` and gives the single outcome.
    pub fn once(&self) -> Value {
        let said = self.repin(&["once"]);
        let outcomes = said.json["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), 1, "{said:#?}");
        outcomes[0].clone()
    }

    /// Runs `once`, which must write this tag for the single image.
    pub fn takes(&self, tag: &str) {
        let outcome = self.once();
        assert_eq!((outcome["result"].as_str(), outcome["to"].as_str()), (Some("delivered"), Some(tag)), "{outcome:#}");
    }

    /// The tag that stands in an Application's values at the remote's head.
    pub fn tag(&self, name: &str) -> String {
        let text = self.remote.show(&format!("apps/{name}/values.yaml"));
        let line = text.lines().find(|line| line.trim_start().starts_with("tag:")).unwrap();
        line.split_once(':').unwrap().1.trim().trim_matches('"').to_owned()
    }
}

/// Reads what a command said; the document must be JSON whatever the exit code.
pub fn said(output: &Output) -> Said {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let talk = String::from_utf8_lossy(&output.stderr).into_owned();
    holds_no_secret("what a command said", &format!("{stdout}{talk}"));
    let json = serde_json::from_str(&stdout)
        .unwrap_or_else(|error| panic!("{error}: stdout is no JSON: {stdout}\nstderr: {talk}"));
    Said { code: output.status.code().unwrap_or(-1), json, talk }
}
