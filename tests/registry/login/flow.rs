//! From a source to the registry that wants its credentials.

use std::fs;

use repin::diagnostic::{Diagnostic, Retry};
use repin::registry::{Absent, DockerOptions, Limits, Login, Registries, RegistryOptions};
use serde_json::json;

use super::script;
use crate::fake::{Behaviour, FakeRegistry};
use crate::{CANARY, assert_error, image, settings, tags, with_limits};

fn registries(fake: &FakeRegistry, login: Login) -> Registries {
    with_limits(RegistryOptions { login, ..settings(fake) }, Limits::default())
}

fn docker(path: &std::path::Path) -> Login {
    Login::Docker(DockerOptions { path: path.to_owned(), helpers: [].into(), absent: Absent::Refused })
}

fn guarded() -> FakeRegistry {
    let fake = FakeRegistry::start();
    for (repository, user) in [("acme/web", "web"), ("acme/api", "robot")] {
        fake.publish(repository, &["1.0.0"]);
        fake.set(repository, Behaviour::Basic(user.to_owned(), CANARY.to_owned()));
    }
    fake
}

#[tokio::test]
async fn each_repository_is_asked_with_the_entry_that_is_meant_for_it() {
    let fake = guarded();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let auth = |user: &str| json!({"username": user, "password": CANARY});
    let host = fake.host();
    fs::write(
        &file,
        json!({"auths": {host.clone(): auth("robot"), format!("{host}/acme/web"): auth("web")}}).to_string(),
    )
    .unwrap();
    let registries = registries(&fake, docker(&file));
    for repository in ["acme/web", "acme/api", "acme/web"] {
        assert_eq!(tags(&registries.list_tags(&image(&fake, repository)).await.unwrap()), ["1.0.0"], "{repository}");
    }
}

#[tokio::test]
async fn a_password_that_is_rotated_counts_at_once() {
    let fake = guarded();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let write = |password: &str| {
        let auths = json!({fake.host(): {"username": "robot", "password": password}});
        fs::write(&file, json!({ "auths": auths }).to_string()).unwrap();
    };
    write("old");
    let registries = registries(&fake, docker(&file));
    let api = image(&fake, "acme/api");
    let error = registries.list_tags(&api).await.unwrap_err();
    assert_eq!(error.code(), "registry/unauthorized", "{error}");
    write(CANARY);
    assert_eq!(tags(&registries.list_tags(&api).await.unwrap()), ["1.0.0"]);
}

#[tokio::test]
async fn a_source_that_gives_nothing_fails_the_image_and_nothing_is_sent() {
    let fake = guarded();
    let directory = tempfile::tempdir().unwrap();
    let program = script(directory.path(), "auth.sh", &format!("echo {CANARY}; exit 1"));
    let failing = registries(&fake, Login::Program { path: program, expires: None });
    let error = failing.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    let hint = format!("check `credentials` of `{}` in `registries`", fake.host());
    assert_error(&error, "registry/login", &["acme/web", "auth.sh", "it ended with exit status: 1"], &hint);
    assert_eq!(error.retry(), Retry::Later);
    let lasting = registries(&fake, Login::Program { path: directory.path().join("gone"), expires: None });
    let error = lasting.list_tags(&image(&fake, "acme/web")).await.unwrap_err();
    assert_error(&error, "registry/login", &["gone", "it cannot be started"], &hint);
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(fake.requests(), []);
}
