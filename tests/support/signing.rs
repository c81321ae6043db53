//! Keys of ssh-keygen that sign commits, and `git verify-commit` with a file of allowed signers.
//!
//! Include it with `#[path = "support/signing.rs"] mod …`, beside `git_http` and `remote`.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::git_http::find;
use crate::remote::BareRemote;

/// Who the allowed signers file says the key belongs to.
pub const PRINCIPAL: &str = "bot@example.com";

/// A key, and the file that allows it.
pub struct SigningKey {
    directory: TempDir,
}

impl SigningKey {
    /// Makes a key; `None`, said by name, where ssh-keygen is not installed.
    pub fn make(kind: &str, passphrase: &str) -> Option<Self> {
        if find("ssh-keygen").is_none() {
            let why = "ssh-keygen is not installed (Debian package openssh-client)";
            assert!(env::var("REPIN_REQUIRE_SERVERS").as_deref() != Ok("1"), "REPIN_REQUIRE_SERVERS=1, and {why}");
            std::io::stderr().write_all(format!("left out: signed commits: {why}\n").as_bytes()).unwrap();
            return None;
        }
        let key = Self { directory: tempfile::tempdir().unwrap() };
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f"]).arg(key.file()).stdin(Stdio::null());
        if kind == "rsa" {
            command.args(["-b", "2048"]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let public = std::fs::read_to_string(key.file().with_extension("pub")).unwrap();
        std::fs::write(key.allowed(), format!("{PRINCIPAL} namespaces=\"git\" {public}")).unwrap();
        Some(key)
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    /// Asks git whether a commit carries a good signature of this key, and panics if not.
    pub fn verify(&self, remote: &BareRemote, revision: &str) {
        let allowed = format!("gpg.ssh.allowedSignersFile={}", self.allowed().display());
        let said = remote.git(&["-c", &allowed, "log", "-1", "--format=%G? %GS %GF", revision]);
        let public = Command::new("ssh-keygen").arg("-lf").arg(self.file()).output().unwrap();
        let fingerprint = String::from_utf8(public.stdout).unwrap().split(' ').nth(1).unwrap().to_owned();
        assert_eq!(said, format!("G {PRINCIPAL} {fingerprint}"));
        remote.git(&["-c", &allowed, "verify-commit", revision]);
    }

    fn allowed(&self) -> PathBuf {
        self.directory.path().join("allowed")
    }
}
