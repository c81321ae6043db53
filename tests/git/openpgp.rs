//! Commits that are signed with OpenPGP, against GnuPG and git's own verification.

use std::env;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use repin::git::{Authorship, Signer};
use repin::secret::Secret;
use tempfile::TempDir;

use crate::git_http::find;
use crate::remote::BareRemote;
use crate::{World, bot, path};

/// A home of GnuPG with keys. Its agent ends when this is dropped.
struct Gpg {
    home: TempDir,
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(self.home.path()).args(["--kill", "all"]).status();
    }
}

impl Gpg {
    /// Makes a key by the lines of a parameter file; `None`, said by name, where GnuPG is not installed.
    fn make(parameters: &str, passphrase: &str) -> Option<Self> {
        if find("gpg").is_none() || find("gpgconf").is_none() {
            let why = "gpg is not installed (Debian package gnupg)";
            assert!(env::var("REPIN_REQUIRE_SERVERS").as_deref() != Ok("1"), "REPIN_REQUIRE_SERVERS=1, and {why}");
            std::io::stderr().write_all(format!("left out: OpenPGP signatures: {why}\n").as_bytes()).unwrap();
            return None;
        }
        let gpg = Self { home: tempfile::tempdir().unwrap() };
        std::fs::set_permissions(gpg.home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let protection =
            if passphrase.is_empty() { "%no-protection".to_owned() } else { format!("Passphrase: {passphrase}") };
        let text = format!(
            "{parameters}\nName-Real: Bot\nName-Email: bot@example.com\nExpire-Date: 0\n{protection}\n%commit\n"
        );
        let file = gpg.home.path().join("parameters");
        std::fs::write(&file, text).unwrap();
        gpg.run(passphrase, &["--generate-key", file.to_str().unwrap()]);
        Some(gpg)
    }

    fn run(&self, passphrase: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(self.home.path()).args([
            "--batch",
            "--yes",
            "--quiet",
            "--pinentry-mode",
            "loopback",
        ]);
        command.args(["--passphrase", passphrase]).args(arguments).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "gpg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn exported(&self, passphrase: &str, how: &str) -> Secret {
        Secret::new(self.run(passphrase, &["--armor", how, "bot@example.com"]))
    }

    /// Asks git whether a commit carries a good signature of a key of this home; gives what git says of it.
    fn verify(&self, remote: &BareRemote, revision: &str) -> String {
        let program = format!("gpg.program={}", self.program().display());
        remote.git(&["-c", &program, "verify-commit", revision]);
        remote.git(&["-c", &program, "log", "-1", "--format=%G? %GS %GF", revision])
    }

    /// A program that is gpg with this home.
    fn program(&self) -> PathBuf {
        let file = self.home.path().join("gpg-here");
        std::fs::write(&file, format!("#!/bin/sh\nexec gpg --homedir '{}' \"$@\"\n", self.home.path().display()))
            .unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        file
    }
}

fn signed_with(signer: Signer) -> (World, String) {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let by = Authorship { signer: Some(signer), ..bot() };
    let changes = [(path("a"), b"2\n".to_vec())];
    // A signature from before the key was made is none.
    let message = "Update web\n\nbody\n\n\nRepin-Format: 1\n";
    let new = mirror.commit(&head.commit, (&changes, &[]), message, &by, Timestamp::now()).unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    world.remote.fsck();
    (world, new.to_string())
}

#[test]
fn git_accepts_the_openpgp_signature_of_every_kind_of_key() {
    const OLD: &str = "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign";
    const RSA: &str = "Key-Type: RSA\nKey-Length: 2048\nKey-Usage: sign,cert";
    for (parameters, passphrase) in [(OLD, ""), (OLD, "canary phrase"), (RSA, ""), (RSA, "canary")] {
        let Some(gpg) = Gpg::make(parameters, passphrase) else { return };
        let phrase = Some(Secret::new(passphrase)).filter(|phrase| !phrase.expose().is_empty());
        let key = gpg.exported(passphrase, "--export-secret-keys");
        let signer = Signer::open_pgp(&key, phrase.as_ref()).unwrap();
        let fingerprint = signer.fingerprint();
        let (world, _) = signed_with(signer);
        assert_eq!(gpg.verify(&world.remote, "main"), format!("G Bot <bot@example.com> {fingerprint}"), "{parameters}");
    }
}

#[test]
fn the_subkey_that_may_sign_is_taken_and_others_are_not() {
    let parameters = "Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: cert";
    let Some(gpg) = Gpg::make(parameters, "canary") else { return };
    let fingerprints = || {
        let listing = gpg.run("canary", &["--with-colons", "--list-secret-keys"]);
        let own = listing.lines().filter(|line| line.starts_with("fpr:"));
        own.map(|line| line.split(':').nth(9).unwrap().to_owned()).collect::<Vec<_>>()
    };
    let primary = fingerprints().remove(0);
    let only_primary = gpg.exported("canary", "--export-secret-keys");
    let error = Signer::open_pgp(&only_primary, Some(&Secret::new("canary"))).unwrap_err();
    assert_eq!(error, "none of its keys may sign, or their private parts are not in the file");
    for (kind, usage) in [("cv25519", "encr"), ("rsa2048", "sign"), ("rsa2048", "auth")] {
        gpg.run("canary", &["--quick-add-key", &primary, kind, usage]);
    }
    let signing = fingerprints().remove(2);
    // The whole key, and one whose primary part stays at home.
    for how in ["--export-secret-keys", "--export-secret-subkeys"] {
        let signer = Signer::open_pgp(&gpg.exported("canary", how), Some(&Secret::new("canary"))).unwrap();
        assert_eq!(signer.fingerprint(), signing, "{how}");
        let (world, _) = signed_with(signer);
        assert_eq!(gpg.verify(&world.remote, "main"), format!("G Bot <bot@example.com> {signing}"), "{how}");
    }
}

#[test]
fn an_openpgp_key_that_cannot_sign_is_told_without_a_word_of_it() {
    let Some(gpg) = Gpg::make("Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign", "canary phrase") else { return };
    let key = gpg.exported("canary phrase", "--export-secret-keys");
    for (passphrase, expected) in [
        (None, "the key is encrypted, and there is no passphrase"),
        (Some("canary wrong"), "the key cannot be opened with the passphrase"),
    ] {
        let error = Signer::open_pgp(&key, passphrase.map(Secret::new).as_ref()).unwrap_err();
        assert_eq!(error, expected);
    }
    let signer = Signer::open_pgp(&key, Some(&Secret::new("canary phrase"))).unwrap();
    let shown = format!("{signer:?}");
    assert_eq!(shown, format!("Signer({})", signer.fingerprint()));
    let public = Secret::new(gpg.run("", &["--armor", "--export", "bot@example.com"]));
    assert!(Signer::open_pgp(&public, None).unwrap_err().contains("is no armoured PGP private key"));
}

#[test]
fn a_damaged_openpgp_key_breaks_nothing() {
    let Some(gpg) = Gpg::make("Key-Type: EDDSA\nKey-Curve: ed25519\nKey-Usage: sign", "") else { return };
    let text = gpg.exported("", "--export-secret-keys").expose().to_owned();
    assert!(Signer::open_pgp(&Secret::new(text.as_str()), None).is_ok());
    let mut refused = 0;
    for at in 40..text.len() {
        let mut bent = text.clone().into_bytes();
        bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
        let bent = String::from_utf8(bent).unwrap();
        // Without the checksum, so that what is behind it is read.
        let bare: String = bent.lines().filter(|line| !line.starts_with('=')).map(|line| format!("{line}\n")).collect();
        for damaged in [text[..at].to_owned(), bent, bare] {
            refused += usize::from(Signer::open_pgp(&Secret::new(damaged), None).is_err());
        }
    }
    // What stands in names and in signatures about the key is not what signs.
    assert!(refused > text.len(), "{refused} of {}", 3 * text.len());
}
