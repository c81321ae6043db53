//! Signed commits, against git's own verification.

use std::time::{Duration, Instant};

use repin::git::{Authorship, Identity, Signer};
use repin::secret::Secret;

use crate::signing::SigningKey;
use crate::{World, bot, path, time};

fn signer(key: &SigningKey, passphrase: &str) -> Result<Signer, String> {
    let passphrase = Some(Secret::new(passphrase)).filter(|secret| !secret.expose().is_empty());
    Signer::new(&Secret::new(std::fs::read_to_string(key.file()).unwrap()), passphrase.as_ref())
}

#[test]
fn git_accepts_the_signature_of_every_kind_of_key() {
    for (kind, passphrase) in
        [("ed25519", ""), ("ed25519", "canary phrase"), ("ecdsa", ""), ("rsa", ""), ("rsa", "canary")]
    {
        let Some(key) = SigningKey::make(kind, passphrase) else { return };
        let world = World::with_files(&[("a", "1\n")]);
        let (mirror, head) = world.synced();
        let committer = Identity { name: "Ma\u{e4} Bot".to_owned(), email: "committer@example.com".to_owned() };
        let by = Authorship { committer, signer: Some(signer(&key, passphrase).unwrap()), ..bot() };
        // The message holds what looks like the end of the headers.
        let message = "Update web\n\nbody\n\n\nRepin-Format: 1\n";
        let changes = [(path("a"), b"2\n".to_vec())];
        let new = mirror.commit(&head.commit, (&changes, &[]), message, &by, time()).unwrap();
        mirror.push(&head.branch, &head.commit, &new).unwrap();
        key.verify(&world.remote, "main");
        world.remote.fsck();
        assert_eq!(
            world.remote.git(&["log", "-1", "--format=%an %cn %B"]),
            format!("Bot Ma\u{e4} Bot {}", message.trim_end())
        );
        // A stranger's key is none of ours, and the same commit without a signature is another one.
        let stranger = SigningKey::make(kind, "").unwrap();
        let refused = std::panic::catch_unwind(|| stranger.verify(&world.remote, "main"));
        assert!(refused.is_err());
        let plain = mirror.commit(&head.commit, (&changes, &[]), message, &bot(), time()).unwrap();
        assert_ne!(plain, new);
    }
}

#[test]
fn a_key_that_cannot_sign_is_told_without_a_word_of_it() {
    let Some(key) = SigningKey::make("ed25519", "canary phrase") else { return };
    for (passphrase, part) in [("", "is encrypted"), ("canary wrong", "cannot be opened with the passphrase")] {
        let error = signer(&key, passphrase).unwrap_err();
        assert!(error.contains(part) && !error.contains("canary"), "{error}");
    }
    let shown = format!("{:?}", signer(&key, "canary phrase").unwrap());
    assert!(shown.starts_with("Signer(SHA256:"), "{shown}");
    let broken = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    assert!(Signer::new(&Secret::new(broken), None).unwrap_err().contains("cannot be read"));
}

#[test]
fn three_hundred_signatures_open_the_key_once() {
    let Some(key) = SigningKey::make("ed25519", "canary phrase") else { return };
    let begin = Instant::now();
    let signer = signer(&key, "canary phrase").unwrap();
    let opened = begin.elapsed();
    let begin = Instant::now();
    for number in 0..300 {
        signer.sign(format!("commit {number}").as_bytes(), time()).unwrap();
    }
    // Opening costs time by design; three hundred times of it would be far more than this.
    assert!(begin.elapsed() < opened * 100 + Duration::from_secs(1), "{:?} after {opened:?}", begin.elapsed());
}
