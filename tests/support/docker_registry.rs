//! The real `docker-registry` of Debian on a free loopback port, filled by real pushes.
//!
//! Storage is in memory, so a registry ends with its process, which ends when this is dropped. Include it with
//! `#[path = "support/docker_registry.rs"] mod …`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

#[path = "token_server.rs"]
pub mod token_server;

use token_server::{ISSUER, SERVICE, TokenServer};

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// When images are built that need no other time.
const CREATED: &str = "2024-01-01T00:00:00Z";
/// Header with which a registry proves to be ours, and not another that took the port.
const MARK: &str = "x-world";
/// How often a port is chosen anew.
const TRIES: usize = 20;
/// How long a registry may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

pub const USER: &str = "robot";
/// A password that must never be seen in any text.
pub const PASSWORD: &str = "canary-PASSWORD-91c4";

/// Who may read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Anybody, over plain HTTP.
    Open,
    /// [`USER`] with [`PASSWORD`], over TLS with a certificate of an authority of its own.
    Guarded,
    /// The same, for a token of a token service over plain HTTP at another port; below `public/` everybody.
    Bearer,
}

/// Kind of a multi-platform image.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Index {
    Oci,
    Docker,
}

/// The running registry.
pub struct DockerRegistry {
    access: Access,
    port: u16,
    process: Child,
    directory: TempDir,
    tokens: Option<TokenServer>,
}

impl DockerRegistry {
    /// Starts an empty registry; `None`, said by name, where what it needs is not installed.
    pub fn start(access: Access) -> Option<Self> {
        Self::start_with(access, "")
    }

    /// Starts an open one that tells of what happens in it, there and with this `Authorization`.
    pub fn start_telling(url: &str, authorization: &str) -> Option<Self> {
        let notifications = format!(
            "notifications:\n  endpoints:\n    - name: repin\n      url: {url}\n      headers: {{Authorization: [\"{authorization}\"]}}\n      \
             timeout: 1s\n      threshold: 5\n      backoff: 1s\n      ignore: {{actions: [pull], mediatypes: [application/octet-stream]}}\n"
        );
        Self::start_with(Access::Open, &notifications)
    }

    #[allow(clippy::explicit_write, reason = "what eprintln says is hidden of a test that passes")]
    fn start_with(access: Access, more: &str) -> Option<Self> {
        let mut programs = vec![("docker-registry", "docker-registry")];
        if access == Access::Guarded {
            programs.push(("htpasswd", "apache2-utils"));
        }
        for (program, package) in programs {
            if find(program).is_none() {
                let why = format!("{program} is not installed (Debian package {package})");
                assert!(
                    env::var("REPIN_REQUIRE_REGISTRY").as_deref() != Ok("1"),
                    "REPIN_REQUIRE_REGISTRY=1, and {why}"
                );
                writeln!(std::io::stderr(), "left out: a story on docker-registry: {why}").unwrap();
                return None;
            }
        }
        repin::http::install_crypto_provider();
        for _ in 0..TRIES {
            let directory = tempfile::tempdir().unwrap();
            // The port is free again a moment before the registry takes it, so another process may be faster.
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let tokens = (access == Access::Bearer).then(|| TokenServer::start(&tls(""), USER, PASSWORD));
            write_settings(access, port, directory.path(), tokens.as_ref(), more);
            let process = spawn(directory.path());
            let mut registry = Self { access, port, process, directory, tokens };
            if registry.comes_up() {
                return Some(registry);
            }
        }
        panic!("docker-registry found no free port in {TRIES} tries");
    }

    /// The host in image names.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its entry in the list `registries` of a configuration, without credentials.
    pub fn settings(&self) -> String {
        match self.access {
            Access::Open => format!("  - host: {}\n    insecure: true\n", self.host()),
            Access::Guarded | Access::Bearer => {
                format!("  - host: {}\n    ca: {}\n", self.host(), tls("ca.pem").display())
            }
        }
    }

    /// Its token service.
    pub fn tokens(&self) -> &TokenServer {
        self.tokens.as_ref().expect("a registry with a token service")
    }

    /// The status with which it answers a list that is asked for with this token.
    pub fn status_with_token(&self, repository: &str, token: &str) -> u16 {
        let proof = format!("Bearer {token}");
        let headers = [(AUTHORIZATION, proof.as_str())];
        self.ask(Method::GET, &format!("/v2/{repository}/tags/list"), &headers, Vec::new()).status.as_u16()
    }

    /// Ends the registry, as a machine that goes down does.
    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Pushes one image for each tag, all of them different.
    pub fn publish(&self, repository: &str, tags: &[&str]) {
        for tag in tags {
            let manifest = self.push_image(repository, tag, "amd64", CREATED, OCI_MANIFEST);
            self.push_manifest(repository, tag, &manifest, OCI_MANIFEST);
        }
    }

    /// Pushes a tag that names an image for two platforms.
    pub fn publish_index(&self, repository: &str, tag: &str, kind: Index) {
        let (index, manifest) = match kind {
            Index::Oci => (OCI_INDEX, OCI_MANIFEST),
            Index::Docker => (DOCKER_LIST, DOCKER_MANIFEST),
        };
        let images: Vec<Value> = ["amd64", "arm64"]
            .map(|architecture| {
                let image = self.push_image(repository, tag, architecture, CREATED, manifest);
                self.push_manifest(repository, &digest(&image), &image, manifest);
                let platform = json!({"architecture": architecture, "os": "linux"});
                let mut entry = descriptor(manifest, &image);
                entry["platform"] = platform;
                entry
            })
            .into();
        let body = json!({"schemaVersion": 2, "mediaType": index, "manifests": images}).to_string();
        self.push_manifest(repository, tag, body.as_bytes(), index);
    }

    /// Pushes a tag that names an image for two platforms, built at this time, and an attestation.
    pub fn publish_built(&self, repository: &str, tag: &str, created: &str) {
        let entry = |architecture: &str, os: &str| {
            let image = self.push_image(repository, tag, architecture, created, OCI_MANIFEST);
            self.push_manifest(repository, &digest(&image), &image, OCI_MANIFEST);
            let mut entry = descriptor(OCI_MANIFEST, &image);
            entry["platform"] = json!({"architecture": architecture, "os": os});
            entry
        };
        let entries = [entry("amd64", "linux"), entry("arm64", "linux"), entry("unknown", "unknown")];
        let body = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
        self.push_manifest(repository, tag, body.as_bytes(), OCI_INDEX);
    }

    /// Removes one tag, with the image that it names.
    pub fn remove(&self, repository: &str, tag: &str) {
        let place = format!("/v2/{repository}/manifests/{}", self.digest(repository, tag));
        assert_eq!(self.ask(Method::DELETE, &place, &[], Vec::new()).status, StatusCode::ACCEPTED);
    }

    /// The digest that a tag has, as the registry says it.
    pub fn digest(&self, repository: &str, tag: &str) -> String {
        let kinds = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST].join(", ");
        let place = format!("/v2/{repository}/manifests/{tag}");
        let said = self.ask(Method::HEAD, &place, &[(ACCEPT, &kinds)], Vec::new());
        assert_eq!(said.status, StatusCode::OK, "{repository}:{tag}");
        said.header("docker-content-digest")
    }

    /// The tags as the registry lists them, in its order.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        let said = self.ask(Method::GET, &format!("/v2/{repository}/tags/list"), &[], Vec::new());
        let list: Value = serde_json::from_slice(&said.body).unwrap();
        list["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
    }

    /// Pushes layer and configuration of an image, and gives its manifest.
    fn push_image(&self, repository: &str, tag: &str, architecture: &str, created: &str, kind: &str) -> Vec<u8> {
        let (config_kind, layer_kind) = match kind {
            DOCKER_MANIFEST => {
                ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip")
            }
            _ => ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"),
        };
        // A registry does not look into layers.
        let layer = format!("layer of {repository}:{tag} for {architecture}").into_bytes();
        let config = json!({
            "architecture": architecture, "os": "linux", "created": created,
            "config": {"Labels": {"org.opencontainers.image.version": tag}},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]}, "history": [],
        });
        let config = config.to_string().into_bytes();
        self.push_blob(repository, &layer);
        self.push_blob(repository, &config);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": kind, "config": descriptor(config_kind, &config),
            "layers": [descriptor(layer_kind, &layer)],
        });
        manifest.to_string().into_bytes()
    }

    /// Pushes a blob.
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) {
        let begun = self.ask(Method::POST, &format!("/v2/{repository}/blobs/uploads/"), &[], Vec::new());
        assert_eq!(begun.status, StatusCode::ACCEPTED);
        let mut place: url::Url = begun.header(LOCATION.as_str()).parse().unwrap();
        place.query_pairs_mut().append_pair("digest", &digest(bytes));
        let place = format!("{}?{}", place.path(), place.query().unwrap());
        let kind = [(CONTENT_TYPE, "application/octet-stream")];
        assert_eq!(self.ask(Method::PUT, &place, &kind, bytes.to_vec()).status, StatusCode::CREATED);
    }

    /// Pushes a manifest under a tag or its digest.
    pub fn push_manifest(&self, repository: &str, reference: &str, manifest: &[u8], kind: &str) {
        let place = format!("/v2/{repository}/manifests/{reference}");
        let said = self.ask(Method::PUT, &place, &[(CONTENT_TYPE, kind)], manifest.to_vec());
        assert_eq!(said.status, StatusCode::CREATED, "{}", String::from_utf8_lossy(&said.body));
    }

    /// Waits until the registry answers; not so if another process has its port.
    fn comes_up(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.process.try_wait().unwrap().is_some() {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                assert!(log.contains("address already in use"), "docker-registry ended: {log}");
                return false;
            }
            if self.try_ask(Method::GET, "/v2/", &[], Vec::new()).is_ok_and(|said| said.header(MARK) == self.mark()) {
                return true;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("docker-registry did not answer within {PATIENCE:?}");
    }

    fn mark(&self) -> String {
        mark(self.directory.path())
    }

    fn ask(&self, method: Method, place: &str, headers: &[(HeaderName, &str)], body: Vec<u8>) -> Said {
        self.try_ask(method, place, headers, body).unwrap()
    }

    fn try_ask(
        &self,
        method: Method,
        place: &str,
        headers: &[(HeaderName, &str)],
        body: Vec<u8>,
    ) -> Result<Said, reqwest::Error> {
        let scheme = if self.access == Access::Open { "http" } else { "https" };
        let authority = Certificate::from_pem(&fs::read(tls("ca.pem")).unwrap()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::builder().no_proxy().tls_certs_only([authority]).timeout(PATIENCE).build()?;
            let mut request = client.request(method, format!("{scheme}://{}{place}", self.host())).body(body);
            for (name, value) in headers {
                request = request.header(name, *value);
            }
            if self.access == Access::Guarded {
                request = request.basic_auth(USER, Some(PASSWORD));
            }
            if let (Some(tokens), None) = (&self.tokens, headers.iter().find(|(name, _)| *name == AUTHORIZATION)) {
                let rest = place.trim_start_matches("/v2/");
                let repository = ["/tags/", "/manifests/", "/blobs/"].iter().find_map(|kind| rest.split_once(kind));
                request = request.bearer_auth(tokens.for_pushes(repository.map_or("", |(name, _)| name)));
            }
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok(Said { status, headers, body: response.bytes().await?.to_vec() })
        })
    }
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An answer of the registry.
struct Said {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Said {
    fn header(&self, name: &str) -> String {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    }
}

/// A file of the certificates that the tests of the registry client use too.
pub fn tls(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/registry/tls").join(name)
}

fn write_settings(access: Access, port: u16, directory: &Path, tokens: Option<&TokenServer>, more: &str) {
    let mut text = format!(
        "version: 0.1\nlog: {{level: warn, accesslog: {{disabled: true}}}}\n\
         storage: {{delete: {{enabled: true}}, inmemory: {{}}, maintenance: {{uploadpurging: {{enabled: false}}}}}}\n\
         http:\n  addr: 127.0.0.1:{port}\n  headers: {{{MARK}: [\"{}\"]}}\n",
        mark(directory)
    );
    if access != Access::Open {
        let (certificate, key) = (tls("server.pem"), tls("server.key.pem"));
        text.push_str(&format!("  tls: {{certificate: {}, key: {}}}\n", certificate.display(), key.display()));
    }
    if let Some(tokens) = tokens {
        text.push_str(&format!(
            "auth: {{token: {{realm: \"{}\", service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {}}}}}\n",
            tokens.realm(),
            tls("ca.pem").display()
        ));
    }
    if access == Access::Guarded {
        let hashed = Command::new(find("htpasswd").unwrap()).args(["-Bbn", USER, PASSWORD]).output().unwrap();
        assert!(hashed.status.success(), "{}", String::from_utf8_lossy(&hashed.stderr));
        let passwords = directory.join("htpasswd");
        fs::write(&passwords, hashed.stdout).unwrap();
        text.push_str(&format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", passwords.display()));
    }
    text.push_str(more);
    fs::write(directory.join("config.yml"), text).unwrap();
}

fn spawn(directory: &Path) -> Child {
    let log = File::create(directory.join("log")).unwrap();
    Command::new(find("docker-registry").unwrap())
        .args(["serve", "config.yml"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The directory's name is like no other of the machine.
fn mark(directory: &Path) -> String {
    directory.file_name().unwrap().to_string_lossy().into_owned()
}

/// Finds a program of the machine.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": digest(bytes), "size": bytes.len()})
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
