//! The contract proxy between repin and the model of GitHub: prism holds every request and every answer against GitHub's own
//! document, and what does not fit is an error that fails the story. In `make test-heavy`, for it takes seconds to start.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use repin::model::forge::ForgeKind;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::forge::{FakeForge, contract};

/// A running proxy.
pub struct Proxy {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Proxy {
    /// Starts one before GitHub's model, where the tests are to run so.
    pub fn before(forge: &FakeForge) -> Option<Self> {
        let is_wanted = std::env::var("REPIN_THROUGH_PROXY").is_ok_and(|value| value == "1");
        if forge.kind() != ForgeKind::GitHub || !is_wanted {
            return None;
        }
        let program = std::env::var_os("REPIN_PRISM").expect("REPIN_PRISM names the proxy");
        let document = contract::of(ForgeKind::GitHub).expect("REPIN_GITHUB_OPENAPI names GitHub's document");
        let mut spec: Value = serde_json::from_str(&document.text()).unwrap();
        // What REST has no word for goes beside it, and is no part of the document.
        let any = json!({"content": {"application/json": {"schema": {"type": "object"}}}});
        let answer = json!({"description": "any", "content": {"application/json": {"schema": {"type": "object"}}}});
        spec["paths"]["/graphql"] = json!({"post": {"requestBody": any, "responses": {"200": answer}}});
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("github.json");
        std::fs::write(&path, spec.to_string()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("node");
        command.arg(program).args(["proxy", "--errors", "--multiprocess", "false", "--port", &port.to_string()]);
        command.arg(&path).arg(forge.web_url()).current_dir(directory.path());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let limit = Instant::now() + Duration::from_secs(120);
        let proxy = Self { child, port, _directory: directory };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < limit, "the proxy does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(proxy)
    }

    /// Where it is, in the place of the API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
