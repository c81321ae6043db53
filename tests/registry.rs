//! Registries that behave and registries that do not, over real HTTP on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/registry.rs"]
mod fake;

#[path = "registry/authentication.rs"]
mod authentication;
#[path = "registry/demo.rs"]
mod demo;
#[path = "registry/exchange.rs"]
mod exchange;
#[path = "registry/limits.rs"]
mod limits;
#[path = "registry/listing.rs"]
mod listing;
#[path = "registry/login.rs"]
mod login;
#[path = "registry/manifest.rs"]
mod manifest;
#[path = "registry/metadata.rs"]
mod metadata;
#[path = "registry/pace.rs"]
mod pace;
#[path = "registry/paging.rs"]
mod paging;
#[path = "registry/signatures.rs"]
mod signatures;
#[path = "registry/tls.rs"]
mod tls;

use std::time::Duration;

use fake::FakeRegistry;
use repin::credentials::Credentials;
use repin::diagnostic::Diagnostic;
use repin::model::names::ImageName;
use repin::registry::{Limits, Listing, Options, Registries, RegistryError, RegistryOptions};
use repin::secret::Secret;

/// A password that must never be seen in any text.
const CANARY: &str = "canary-PASSWORD-7f3a";

fn settings(fake: &FakeRegistry) -> RegistryOptions {
    RegistryOptions { host: fake.host(), insecure: true, ..RegistryOptions::default() }
}

fn with_limits(registry: RegistryOptions, limits: Limits) -> Registries {
    Registries::new(Options { registries: vec![registry], limits, ..Options::default() }).unwrap()
}

fn registries(fake: &FakeRegistry) -> Registries {
    with_limits(settings(fake), Limits::default())
}

fn with_password(fake: &FakeRegistry) -> Registries {
    let credentials = Credentials::Basic { username: "robot".to_owned(), password: Secret::new(CANARY) };
    with_limits(RegistryOptions { login: credentials.into(), ..settings(fake) }, Limits::default())
}

fn image(fake: &FakeRegistry, repository: &str) -> ImageName {
    format!("{}/{repository}", fake.host()).parse().unwrap()
}

fn tags(listing: &Listing) -> Vec<&str> {
    listing.tags.iter().collect()
}

/// Asserts the code, and that message and hint hold what a person needs and nothing that was secret or hostile.
fn assert_error(error: &RegistryError, code: &str, message: &[&str], hint: &str) {
    let text = error.to_string();
    let hinted = error.hint().unwrap_or_default();
    assert_eq!(error.code(), code, "{text}");
    for part in message {
        assert!(text.contains(part), "`{part}` is not in `{text}`");
    }
    assert!(hinted.contains(hint), "`{hint}` is not in `{hinted}`");
    for said in [&text, &hinted, &format!("{error:?}")] {
        assert!(!said.contains(CANARY) && !said.contains("words of"), "{said}");
        assert!(!said.chars().any(char::is_control), "{said:?}");
    }
    assert!(!text.ends_with('.') && text.len() < 500, "{text}");
}

/// Limits with which no pause is waited for.
fn impatient() -> Limits {
    Limits { longest_pause: Duration::ZERO, ..Limits::default() }
}

fn short_timeouts() -> Limits {
    Limits { request_timeout: Duration::from_millis(300), ..Limits::default() }
}
