//! A real Pulp with its container plugin, started by `tests/install/pulp.sh`; for the heavy tier.
//!
//! Include it with `#[path = "support/pulp.rs"] mod …`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub const USER: &str = "admin";
pub const PASSWORD: &str = "canary-PASSWORD-40d7";

/// The running Pulp; it ends when this is dropped, with everything that it kept.
pub struct Pulp {
    port: u16,
    process: Child,
    images: TempDir,
}

impl Pulp {
    /// Starts an empty one; `None`, said by name, outside of the heavy tier and where it is not installed.
    #[allow(clippy::explicit_write, reason = "what eprintln says is hidden of a test that passes")]
    pub fn start() -> Option<Self> {
        let left_out = |why: &str| {
            writeln!(std::io::stderr(), "left out: the story on Pulp: {why}").unwrap();
            None
        };
        if env::var("REPIN_HEAVY").as_deref() != Ok("1") {
            return left_out("it is for make test-heavy");
        }
        let installed = script().arg("version").stdout(Stdio::null()).status().unwrap();
        let has_skopeo = Command::new("skopeo").arg("--version").stdout(Stdio::null()).status().is_ok();
        if !installed.success() || !has_skopeo {
            let why = "Pulp, PostgreSQL or skopeo is not installed (tests/install/pulp.sh)";
            assert!(env::var("REPIN_REQUIRE_PULP").as_deref() != Ok("1"), "REPIN_REQUIRE_PULP=1, and {why}");
            return left_out(why);
        }
        let port = free_ports();
        let mut process = script()
            .args(["serve", &port.to_string()])
            .env("REPIN_PULP_PASSWORD", PASSWORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "Pulp did not start; see above");
        Some(Self { port, process, images: tempfile::tempdir().unwrap() })
    }

    /// The host in image names.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Pushes one image for each tag, all of them different, as people do: with skopeo.
    pub fn publish(&self, repository: &str, tags: &[&str]) {
        for tag in tags {
            let layout = self.images.path().join(tag);
            write_layout(&layout, repository, tag);
            let output = Command::new("skopeo")
                .args(["copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", &format!("{USER}:{PASSWORD}")])
                .arg(format!("oci:{}:{tag}", layout.display()))
                .arg(format!("docker://{}/{repository}:{tag}", self.host()))
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

impl Drop for Pulp {
    fn drop(&mut self) {
        // The end of its stdin is the script's sign to stop its servers.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn script() -> Command {
    let mut command = Command::new("bash");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/install/pulp.sh"));
    command
}

/// A free port with a free one after it.
fn free_ports() -> u16 {
    (0..100)
        .find_map(|_| {
            let first = TcpListener::bind("127.0.0.1:0").ok()?;
            let port = first.local_addr().ok()?.port();
            TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|_| port)
        })
        .expect("two free ports")
}

/// Writes an image of one layer as an OCI image layout.
fn write_layout(directory: &Path, repository: &str, tag: &str) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let write = |kind: &str, bytes: &[u8]| {
        let digest = hex::encode(Sha256::digest(bytes));
        fs::write(blobs.join(&digest), bytes).unwrap();
        json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    };
    let layer = format!("layer of {repository}:{tag}").into_bytes();
    let diff = format!("sha256:{}", hex::encode(Sha256::digest(&layer)));
    let layer = write("application/vnd.oci.image.layer.v1.tar", &layer);
    let config = json!({
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff]}, "history": [],
    });
    let config = write("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let mut entry: Value = write(kind, manifest.to_string().as_bytes());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(directory.join("index.json"), index.to_string()).unwrap();
    fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}
