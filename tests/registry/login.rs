//! Where credentials come from: files that rotate, programs, and clouds that check who asks.

#[path = "login/azure.rs"]
mod azure;
#[path = "login/cloud.rs"]
mod cloud;
#[path = "login/docker.rs"]
mod docker;
#[path = "login/ecr.rs"]
mod ecr;
#[path = "login/flow.rs"]
mod flow;
#[path = "login/google.rs"]
mod google;
#[path = "login/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::Command;

use repin::credentials::Credentials;
use repin::http::ClientOptions;
use repin::registry::{Login, LoginError, Source, Target, Variables};
use repin::secret::Secret;

use crate::CANARY;

/// A source for a registry whose API is at an address of this machine.
fn source_at(login: impl Into<Login>, host: &str, api: &str, variables: &[(&str, &str)]) -> Source {
    let client = ClientOptions { insecure: true, direct: true, ..ClientOptions::default() };
    let variables: Variables =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Source::new(login.into(), Target { host: host.to_owned(), api: api.parse().unwrap(), client, variables })
}

fn source(login: impl Into<Login>, host: &str) -> Source {
    source_at(login, host, "https://registry.example.com", &[])
}

/// Writes a program that is run by its path. Another process writes it: one that is open for writing here, or in a child
/// that another test just starts, could not be run.
fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
    let (text_file, program) = (directory.join(format!("{name}.txt")), directory.join(name));
    std::fs::write(&text_file, format!("#!/bin/sh\n{text}\n")).unwrap();
    let status = Command::new("install").args(["-m", "755"]).args([&text_file, &program]).status().unwrap();
    assert!(status.success());
    program
}

fn basic(username: &str, password: &str) -> Credentials {
    Credentials::Basic { username: username.to_owned(), password: Secret::new(password) }
}

/// Asserts that the error holds these words, says whether it passes, and holds nothing that is secret.
fn assert_failed(result: Result<Credentials, LoginError>, expected: &[&str], is_passing: bool) {
    let error = result.unwrap_err();
    let text = error.to_string();
    for part in expected {
        assert!(text.contains(part), "`{part}` is not in `{text}`");
    }
    assert_eq!(error.is_passing, is_passing, "{text}");
    assert!(!format!("{text}{error:?}").contains(CANARY), "{text}");
    assert!(!text.contains(char::is_control) && text.len() < 500, "{text}");
}

#[tokio::test]
async fn fixed_credentials_are_given_as_they_are_and_described_without_their_words() {
    for (credentials, what) in [
        (Credentials::Anonymous, "nothing, it is asked anonymously"),
        (basic(CANARY, CANARY), "the user and password of the configuration"),
        (Credentials::Token(Secret::new(CANARY)), "the token of the configuration"),
    ] {
        let source = source(credentials.clone(), "ghcr.io");
        assert_eq!(source.credentials("acme/web").await, Ok(credentials.clone()));
        assert_eq!(source.describe("acme/web").await.unwrap().to_string(), what);
        assert!(!source.refuse(&credentials).await, "there are no others");
    }
}
