//! From a source to the registry that wants its credentials.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use repin::diagnostic::{Diagnostic, Retry};
use repin::registry::{Absent, DockerOptions, Limits, Login, Registries, RegistryOptions};
use serde_json::json;

use super::cloud::{Asked, Cloud, Told};
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

/// As Gitea: one scope for everything, and whoever may not see a repository is told that there is none.
fn one_scope_for_all(_: &mut (), asked: &Asked) -> Told {
    let user = |sent: &str| {
        let decoded = STANDARD.decode(sent.strip_prefix("Basic ")?).ok()?;
        String::from_utf8(decoded).ok()?.split_once(':').map(|(user, _)| user.to_owned())
    };
    let sent = asked.header("authorization");
    if asked.path.starts_with("/token?") {
        return Told::json(&json!({"token": user(sent).unwrap_or_default(), "expires_in": 300}));
    }
    let Some(token) = sent.strip_prefix("Bearer ") else {
        let realm = format!("Bearer realm=\"http://{}/token\",service=\"all\",scope=\"*\"", asked.header("host"));
        return Told(401, vec![("www-authenticate", realm)], String::new());
    };
    match asked.path.starts_with(&format!("/v2/{token}/")) {
        true => Told::json(&json!({"tags": ["1.0.0"]})),
        false => Told::refused(404, ""),
    }
}

#[tokio::test]
async fn a_token_of_one_entry_is_not_used_for_the_repositories_of_another() {
    let cloud = Cloud::start((), one_scope_for_all).await;
    let host = cloud.url.strip_prefix("http://").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let entry = |user: &str| (format!("{host}/{user}"), json!({"username": user, "password": CANARY}));
    let auths: serde_json::Map<_, _> = [entry("acme"), entry("corp")].into_iter().collect();
    fs::write(&file, json!({ "auths": auths }).to_string()).unwrap();
    let options =
        RegistryOptions { host: host.to_owned(), insecure: true, login: docker(&file), ..RegistryOptions::default() };
    let registries = with_limits(options, Limits::default());
    for repository in ["acme/web", "corp/web", "acme/api", "corp/api"] {
        let image = format!("{host}/{repository}").parse().unwrap();
        assert_eq!(tags(&registries.list_tags(&image).await.unwrap()), ["1.0.0"], "{repository}");
    }
    assert_eq!(cloud.asked().iter().filter(|asked| asked.contains("/token?")).count(), 2, "one for each entry");
}
