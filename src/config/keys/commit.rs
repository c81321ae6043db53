//! The keys of `commit`.

use crate::config::keys::{PLAIN, Shape, Table, optional, required};

/// `commit`.
pub const COMMIT: Table = Table {
    keys: &[
        optional("author", Shape::Map(&IDENTITY), "Who wrote the change. Default repin <repin@localhost>."),
        optional("committer", Shape::Map(&IDENTITY), "Who made the commit. Default: the author."),
        optional("message", Shape::Text, "Template of subject and body; the trailers follow by themselves."),
        optional("sign_off", Shape::Bool, "Adds Signed-off-by of the committer as the last trailer. Default false."),
        optional(
            "signing",
            Shape::Map(&SIGNING),
            "Signs commits as git verify-commit reads it. Default: they are not.",
        ),
        optional(
            "own_emails",
            Shape::Texts,
            "Committers whose commits on branches of pull requests are ours, beside the committer.",
        ),
    ],
    ..PLAIN
};

/// `commit.author` and `commit.committer`.
pub const IDENTITY: Table = Table {
    keys: &[required("name", Shape::Text, "The name."), required("email", Shape::Text, "The address.")],
    ..PLAIN
};

/// `commit.signing`.
pub const SIGNING: Table = Table {
    keys: &[
        optional("ssh_key", Shape::Secret, "Private key, as ssh-keygen writes it: ed25519, ecdsa or RSA."),
        optional(
            "openpgp_key",
            Shape::Secret,
            "Instead of it: an armoured private key of OpenPGP, as gpg --export-secret-keys writes it: Ed25519 or RSA.",
        ),
        optional("passphrase", Shape::Secret, "If the key is encrypted."),
    ],
    hides: true,
    ..PLAIN
};
