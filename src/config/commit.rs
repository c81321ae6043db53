//! Commits as they stand in the file: author, committer, message, sign-off, signing key.
//!
//! Templates and keys are tried here, so that what cannot work is a problem at the start. No message holds a value of a
//! secret.

use std::collections::BTreeSet;

use crate::config::access::{any_secret, private_key, secret};
use crate::config::keys;
use crate::config::reader::Value;
use crate::config::settings::CommitSettings;
use crate::git::{Authorship, Identity, Signer};
use crate::message::Wording;
use crate::message::template::Template;
use crate::secret::Secret;

/// Reads `commit`.
pub(super) fn commit(value: &Value<'_>) -> CommitSettings {
    let fields = value.fields(&keys::COMMIT);
    let author = fields.get("author").and_then(identity).unwrap_or_default();
    let committer = fields.get("committer").and_then(identity).unwrap_or_else(|| author.clone());
    let template = fields.get("message").and_then(template);
    let is_signed_off = fields.written("sign_off").and_then(Value::boolean).unwrap_or(false);
    let signer = fields.get("signing").and_then(signer);
    let sign_off = is_signed_off.then(|| committer.to_string());
    let own_emails = fields.get("own_emails").map(own_emails).unwrap_or_default();
    CommitSettings {
        authorship: Authorship { author, committer, signer },
        own_emails,
        wording: Wording { template, sign_off },
    }
}

fn identity(value: &Value<'_>) -> Option<Identity> {
    let fields = value.fields(&keys::IDENTITY);
    let read = |name: &str, read: fn(&str) -> Result<String, &'static str>| {
        let value = fields.get(name)?;
        let held = read(value.text()?);
        held.map_err(|rule| value.invalid(rule, "Git holds such as `Update Bot` and `bot@example.com`")).ok()
    };
    let (name, email) = (read("name", Identity::name), read("email", Identity::email));
    Some(Identity { name: name?, email: email? })
}

/// Addresses, in lower case.
fn own_emails(value: &Value<'_>) -> BTreeSet<String> {
    let items = value.items();
    let read = items.iter().filter_map(|item| {
        let email = Identity::email(item.text()?);
        email.map_err(|rule| item.invalid(rule, "Git holds such as `bot@example.com`")).ok()
    });
    read.map(|email| email.to_lowercase()).collect()
}

fn template(value: &Value<'_>) -> Option<Template> {
    let hint = "a template sees `applications`, `images`, `environments`, `repository` and `branch`; see the manual";
    Template::new(value.text()?)
        .map_err(|error| value.error("config/invalid-value", format!("does not work: {error}"), hint))
        .ok()
}

fn signer(value: &Value<'_>) -> Option<Signer> {
    let fields = value.fields(&keys::SIGNING);
    let ssh = fields.get("ssh_key").map(private_key);
    let open_pgp = fields.get("openpgp_key").map(open_pgp_key);
    let passphrase = fields.get("passphrase").map(secret);
    let hint = "give `ssh_key` or `openpgp_key`, and its `passphrase` if it has one";
    if !fields.is_clean {
        return None;
    }
    let (key, is_ssh) = match (ssh, open_pgp) {
        (Some(key), None) => (key, true),
        (None, Some(key)) => (key, false),
        (Some(_), Some(_)) => {
            fields.whole().error("config/invalid-value", "has `ssh_key` beside `openpgp_key`", hint);
            return None;
        }
        (None, None) => {
            fields.whole().error("config/missing-key", "has no `ssh_key` and no `openpgp_key`", hint);
            return None;
        }
    };
    let passphrase = match passphrase {
        Some(read) => Some(read?),
        None => None,
    };
    // What is missing was reported.
    let key = key?;
    let (signer, hint) = if is_ssh {
        let hint = "give an ed25519, ecdsa or RSA key of ssh-keygen, and its `passphrase` if it has one";
        (Signer::new(&key, passphrase.as_ref()), hint)
    } else {
        let hint = "give an Ed25519 or RSA key of gpg that may sign, and its `passphrase` if it has one";
        (Signer::open_pgp(&key, passphrase.as_ref()), hint)
    };
    signer.map_err(|reason| fields.whole().error("config/secret", format!("cannot sign: {reason}"), hint)).ok()
}

fn open_pgp_key(value: &Value<'_>) -> Option<Secret> {
    let key = any_secret(value)?;
    if !key.expose().trim_start().starts_with("-----BEGIN PGP PRIVATE KEY BLOCK-----") {
        let hint = "give what `gpg --armor --export-secret-keys` writes";
        value.error("config/secret", "is no armoured private key of OpenPGP", hint);
        return None;
    }
    Some(key)
}
