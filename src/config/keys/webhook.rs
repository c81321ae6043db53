//! The keys of `webhooks`.

use crate::config::keys::{PLAIN, Shape, Table, optional, required};
use crate::model::webhook::WebhookKind;

/// `webhooks[]`.
pub const WEBHOOK: Table = Table {
    keys: &[
        required("name", Shape::Text, "Last part of its path, unique: letters, digits and . _ -"),
        required("kind", Shape::Word(&KINDS), "Who sends."),
        required("secret", Shape::Secret, "What the sender proves to know; never empty."),
        optional(
            "registry",
            Shape::Text,
            "Host of the images it may tell of. Default: that of docker-hub, ghcr and quay; any for generic.",
        ),
        optional("requests_per_second", Shape::Rate, "Most requests per second, from 0.001 to 1000. Default 100."),
    ],
    ..PLAIN
};

const KINDS: [&str; WebhookKind::ALL.len()] = {
    let mut words = [""; WebhookKind::ALL.len()];
    let mut at = 0;
    while at < words.len() {
        words[at] = WebhookKind::ALL[at].as_str();
        at += 1;
    }
    words
};
