//! Bare repositories of a wanted size, made with `git fast-import`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::measure::{git, git_command};

/// A stream of commits for `git fast-import`.
pub struct Stream {
    text: String,
    commits: u64,
}

impl Stream {
    pub fn new() -> Self {
        Self { text: String::new(), commits: 0 }
    }

    /// Begins a commit on `main`; its files follow.
    pub fn commit(&mut self, message: &str) {
        self.commits += 1;
        // A minute apart, the first one in 2026.
        let time = 1_767_225_600 + 60 * self.commits;
        let _ = write!(
            self.text,
            "commit refs/heads/main\ncommitter A Person <person@example.com> {time} +0000\ndata {}\n{message}\n",
            message.len()
        );
    }

    /// Begins a commit on the head that `main` has in the repository.
    pub fn commit_on_top(&mut self, message: &str) {
        self.commits = 1_000_000;
        self.commit(message);
        self.text.push_str("from refs/heads/main^0\n");
    }

    pub fn file(&mut self, path: &str, text: &str) {
        let _ = write!(self.text, "M 100644 inline {path}\ndata {}\n{text}\n", text.len());
    }

    /// Makes the bare repository.
    pub fn import(self, directory: &Path) -> PathBuf {
        git(
            directory.parent().unwrap(),
            &["init", "--quiet", "--bare", "-b", "main", &directory.display().to_string()],
        );
        self.append(directory);
        directory.to_owned()
    }

    /// Adds the commits to a bare repository.
    pub fn append(self, directory: &Path) {
        let mut command = git_command(directory, &["fast-import", "--quiet", "--force"]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(self.text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// The manifest of an Application with Helm values.
pub fn application(name: &str, image: &str, url: &str, path: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  namespace: argocd\n  annotations:\n    \
         repin.dev/image-list: \"app={image}:1.x\"\n    repin.dev/app.helm.image-tag: image.tag\nspec:\n  project: default\n  \
         source:\n    repoURL: {url}\n    path: {path}\n    targetRevision: main\n    helm:\n      valueFiles: [values.yaml]\n  \
         destination:\n    server: https://kubernetes.default.svc\n    namespace: {name}\n  syncPolicy:\n    automated: {{prune: true}}\n"
    )
}

/// A values file as charts have them.
pub fn values(image: &str, tag: &str) -> String {
    format!(
        "# Values of one service.\nreplicaCount: 2\n\nimage:\n  repository: {image}   # do not touch\n  tag: \"{tag}\"\n  pullPolicy: IfNotPresent\n\n\
         service:\n  type: ClusterIP\n  port: 8080\n\ningress:\n  enabled: true\n  hosts:\n    - host: service.example.com\n      paths: [\"/\"]\n\n\
         resources:\n  requests: {{cpu: 100m, memory: 128Mi}}\n  limits: {{memory: 256Mi}}\n\nenv:\n  - name: LOG_LEVEL\n    value: info\n  \
         - name: FEATURE\n    value: 'on'\n\nnodeSelector: {{}}\ntolerations: []\naffinity: {{}}\n"
    )
}
