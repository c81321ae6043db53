//! The demo's surroundings: registry, bare repository, configuration, and the git program of a person.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

use crate::cli::render::{self, Palette};
use crate::config::{self, options};
use crate::demo_registry::DemoRegistry;
use crate::model::application::PREFIX;
use crate::plan::explain::explain;
use crate::reconcile::{Due, Mode, Reconciler};

/// A service of the demo: name, version at the start, constraint.
const SERVICES: [(&str, &str, &str); 3] =
    [("web", "1.0.0", "1.x"), ("api", "2.3.1", "~2.3"), ("worker", "0.9.0", "^0.9")];

/// Everything that the demo runs on.
pub(super) struct World {
    directory: TempDir,
    registry: DemoRegistry,
}

impl World {
    /// Starts the registry and makes the repository.
    pub(super) async fn create() -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let registry =
            DemoRegistry::start().await.map_err(|error| format!("the registry cannot be started: {error}"))?;
        let world = Self { directory, registry };
        for (service, version, _) in SERVICES {
            world.publish(&format!("acme/{service}"), version)?;
        }
        world.git_in(world.root(), &["init", "--quiet", "--bare", "--initial-branch=main", "gitops.git"]).await?;
        world.git_in(world.root(), &["clone", "--quiet", "gitops.git", "person"]).await?;
        for (service, version, constraint) in SERVICES {
            world.write(&format!("argocd/{service}.yaml"), &world.application(service, constraint))?;
            world.write(
                &format!("apps/{service}/Chart.yaml"),
                &format!("apiVersion: v2\nname: {service}\nversion: 1.0.0\n"),
            )?;
            world.write(&format!("apps/{service}/values.yaml"), &world.values(service, version))?;
        }
        world.git(&["add", "--all"]).await?;
        world.git(&["commit", "--quiet", "--message", "Three services"]).await?;
        world.git(&["push", "--quiet", "origin", "HEAD:main"]).await?;
        let settings = format!(
            "schedule: 1s\nserver: null\nlog: {{level: error}}\ncache: {{path: cache}}\nrepositories:\n  - name: gitops\n    url: {}\n    branch: main\n    discover: [\"argocd/*.yaml\"]\n\
             registries:\n  - host: {}\n    insecure: true\nrules:\n  - match: {{path: \"apps/**\"}}\n    environment: dev\n    delivery: commit\n",
            world.remote(),
            world.registry()
        );
        std::fs::write(world.config_path(), settings).map_err(|error| error.to_string())?;
        Ok(world)
    }

    pub(super) fn config_path(&self) -> PathBuf {
        self.root().join("repin.yaml")
    }

    pub(super) fn registry(&self) -> String {
        self.registry.addr().to_string()
    }

    pub(super) fn remote(&self) -> String {
        format!("file://{}", self.root().join("gitops.git").display())
    }

    /// Publishes a tag.
    pub(super) fn publish(&self, repository: &str, tag: &str) -> Result<(), String> {
        self.registry.publish(repository, tag).map(drop).map_err(|error| error.to_string())
    }

    /// Gives the remote's head.
    pub(super) async fn head(&self) -> Result<String, String> {
        self.git_bare(&["rev-parse", "main"]).await.map(|text| text.trim().to_owned())
    }

    /// Waits until the remote's head is another one, and gives it.
    pub(super) async fn moved_from(&self, old: &str, patience: Duration) -> Result<String, String> {
        let deadline = Instant::now() + patience;
        loop {
            let head = self.head().await?;
            if head != old {
                return Ok(head);
            }
            if Instant::now() > deadline {
                return Err(format!("nothing was committed within {patience:?}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Lists the services: Application, image, what is allowed and what Git holds at the start.
    pub(super) fn overview(&self) -> String {
        let mut text = format!(
            "{:<15}  {:<28}  {:<7}  {:<6}  file that holds the tag\n",
            "Application", "image", "allowed", "in Git"
        );
        for (service, version, constraint) in SERVICES {
            let image = format!("{}/acme/{service}", self.registry());
            let name = format!("argocd/{service}");
            let _ =
                writeln!(text, "{name:<15}  {image:<28}  {constraint:<7}  {version:<6}  apps/{service}/values.yaml");
        }
        text
    }

    /// Gives the annotations of a service's Application that are for repin.
    pub(super) fn annotations(&self, service: &str) -> String {
        let constraint = SERVICES.iter().find(|(name, ..)| *name == service).map_or("", |(.., constraint)| constraint);
        let manifest = self.application(service, constraint);
        let lines: Vec<&str> = manifest.lines().map(str::trim_start).filter(|line| line.starts_with(PREFIX)).collect();
        lines.iter().map(|line| format!("    {line}\n")).collect()
    }

    /// Says what can be tried while the demo stays.
    pub(super) fn invitation(&self) -> String {
        let config = self.config_path();
        let config = config.display();
        let root = self.root().display();
        format!(
            "The daemon goes on until Ctrl-C. In another terminal:\n\n    repin explain web --config {config}\n    \
             repin check --config {config}\n    git -C {root}/gitops.git log\n\n\
             {root}/person is a clone: change something, `git push origin HEAD:main`, and watch."
        )
    }

    /// Shows a file at the head.
    pub(super) async fn show(&self, path: &str) -> Result<String, String> {
        self.git_bare(&["show", &format!("main:{path}")]).await
    }

    /// Shows a commit with its diff.
    pub(super) async fn commit(&self, id: &str) -> Result<String, String> {
        self.git_bare(&["show", "--no-color", id]).await
    }

    /// Lists the commits, newest first.
    pub(super) async fn log(&self) -> Result<String, String> {
        self.git_bare(&["log", "--format=%h  %an: %s", "main"]).await
    }

    /// Reverts a commit as a person does, and gives the new head.
    pub(super) async fn revert(&self, id: &str) -> Result<String, String> {
        self.git(&["pull", "--quiet", "origin", "main"]).await?;
        self.git(&["revert", "--no-edit", id]).await?;
        self.git(&["push", "--quiet", "origin", "HEAD:main"]).await?;
        self.head().await
    }

    /// Says why each tag of an Application is taken or not, as `repin explain` does.
    pub(super) async fn explain(&self, application: &str) -> Result<String, String> {
        let (settings, _) =
            config::load(&self.config_path()).map_err(|problems| render::problems(&problems, Palette::plain()))?;
        let mut reconciler =
            Reconciler::new(options::reconcile(&settings, &self.config_path())).map_err(|error| error.to_string())?;
        let now = Timestamp::now();
        let mode = Mode::Explain(application.to_owned());
        let report = reconciler.cycle(now, &mode, &Due::everything(), &CancellationToken::new()).await;
        let next = settings.schedule.next_after(now, 0).unwrap_or(now);
        let images: Vec<_> = report
            .snapshot
            .subjects
            .iter()
            .zip(&report.judgements)
            .map(|(subject, judgement)| explain(&report.snapshot, subject, judgement, next))
            .collect();
        Ok(render::explained(application, &images, Palette::of_stdout()))
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn application(&self, service: &str, constraint: &str) -> String {
        let image = format!("{}/acme/{service}", self.registry());
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {service}\n  namespace: argocd\n  annotations:\n    \
             repin.dev/image-list: \"app={image}:{constraint}\"\n    repin.dev/app.helm.image-name: image.repository\n    \
             repin.dev/app.helm.image-tag: image.tag\nspec:\n  project: default\n  source:\n    repoURL: {}\n    path: apps/{service}\n    \
             targetRevision: main\n  destination:\n    server: https://kubernetes.default.svc\n    namespace: {service}\n",
            self.remote()
        )
    }

    fn values(&self, service: &str, version: &str) -> String {
        format!(
            "# Values of {service} in dev.\nreplicaCount: 2   # two are enough in dev\n\n\
             image:\n  repository: {}/acme/{service}\n  pullPolicy: IfNotPresent\n  tag: \"{version}\"    # see CHANGELOG before going up a major\n\n\
             resources:\n  limits:   {{cpu: 500m, memory: '256Mi'}}\n\nenv:\n    - name: LOG_LEVEL\n      value: 'info'\n",
            self.registry()
        )
    }

    fn write(&self, path: &str, text: &str) -> Result<(), String> {
        let path = self.root().join("person").join(path);
        let parent = path.parent().unwrap_or(self.root());
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Runs git in the person's clone.
    async fn git(&self, arguments: &[&str]) -> Result<String, String> {
        self.git_in(&self.root().join("person"), arguments).await
    }

    async fn git_bare(&self, arguments: &[&str]) -> Result<String, String> {
        self.git_in(&self.root().join("gitops.git"), arguments).await
    }

    async fn git_in(&self, directory: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(directory)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "Paula Person"), ("GIT_AUTHOR_EMAIL", "paula@example.com")])
            .envs([("GIT_COMMITTER_NAME", "Paula Person"), ("GIT_COMMITTER_EMAIL", "paula@example.com")])
            .output()
            .await
            .map_err(|error| format!("git cannot be run: {error}; the demo needs git"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }
}
