//! The keys of registries.

use crate::config::keys::{CREDENTIALS, PLAIN, Shape, Table, optional, required};

/// `registries[]`.
pub const REGISTRY: Table = Table {
    keys: &[
        required("host", Shape::Text, "Host and port as in image names, such as ghcr.io or 127.0.0.1:5000."),
        optional("api_url", Shape::Text, "Where its API is, if not at the host itself."),
        optional("insecure", Shape::Bool, "Plain HTTP. Default false. Unverified TLS does not exist: give `ca`."),
        optional("credentials", Shape::Map(&CREDENTIALS), "One source. Default `docker_config`, else anonymous."),
        optional("ca", Shape::Text, "PEM file with the certificates of its own authority."),
        optional(
            "token_service",
            Shape::Text,
            "Origin of its token service, if that is not in the registry's own domain.",
        ),
        optional("requests_per_second", Shape::Rate, "Most requests per second, from 0.001 to 1000."),
        optional(
            "requests_per_cycle",
            Shape::Count,
            "Most requests in one cycle, from 2; images take turns. Default: no limit.",
        ),
        optional("concurrency", Shape::Count, "Most requests under way at once, up to 256. Default 8."),
        optional("limits", Shape::Map(&REGISTRY_LIMITS), "Instead of `registry_limits`, key by key."),
        optional("schedule", Shape::Schedule, "When it is asked. Default: the `schedule` of the file."),
    ],
    ..PLAIN
};

/// `registry_limits` and `registries[].limits`.
pub const REGISTRY_LIMITS: Table = Table {
    keys: &[
        optional("page_size", Shape::Count, "Tags asked for in one page. Default 1000."),
        optional("page_bytes", Shape::Count, "Bytes of one page, decompressed. Default 8388608."),
        optional("manifest_bytes", Shape::Count, "Bytes of one manifest, decompressed. Default 4194304."),
        optional("pages", Shape::Count, "Pages of one listing. Default 500."),
        optional("tags", Shape::Count, "Tags of one listing. Default 200000."),
        optional("listing_time", Shape::Interval, "For one listing, pauses left out: 1s to 1h. Default 2m."),
        optional("request_timeout", Shape::Interval, "For one request with its body: 1s to 1h. Default 30s."),
        optional("connect_timeout", Shape::Interval, "To connect, TLS included: 1s to 1h. Default 10s."),
        optional("longest_pause", Shape::Interval, "The longest pause that is waited for, up to 1h. Default 10s."),
    ],
    ..PLAIN
};
