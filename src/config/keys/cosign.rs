//! The keys of `cosign_keys`.

use crate::config::keys::{PLAIN, Shape, Table, required};

/// `cosign_keys[]`.
pub const COSIGN_KEY: Table = Table {
    keys: &[
        required("name", Shape::Text, "What `verify` says after `cosign:`; unique."),
        required("key", Shape::TextOrTexts, "PEM file of the public key, cosign.pub; several while keys change."),
    ],
    ..PLAIN
};
