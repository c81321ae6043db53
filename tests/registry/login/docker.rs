//! Docker configuration files: found, read again when they change, and no helper run that nobody listed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use repin::credentials::Credentials;
use repin::registry::{Absent, DockerOptions, Login};
use repin::secret::Secret;
use serde_json::json;

use super::{assert_failed, basic, script, source};
use crate::CANARY;

fn login(path: &Path, absent: Absent, helpers: &[(&str, &Path)]) -> Login {
    let helpers = helpers.iter().map(|(name, path)| ((*name).to_owned(), path.to_path_buf()));
    Login::Docker(DockerOptions { path: path.to_owned(), helpers: helpers.collect::<BTreeMap<_, _>>(), absent })
}

fn write(path: &Path, host: &str, user: &str, password: &str) {
    let auth = STANDARD.encode(format!("{user}:{password}"));
    fs::write(path, json!({"auths": {host: {"auth": auth}}}).to_string()).unwrap();
}

#[tokio::test]
async fn the_entry_of_a_repository_is_used_and_told_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let auth = |user: &str| json!({"auth": STANDARD.encode(format!("{user}:{CANARY}"))});
    let auths =
        json!({"ghcr.io": auth("robot"), "ghcr.io/acme/web": auth("web"), "x.example": {"identitytoken": CANARY}});
    fs::write(&file, json!({ "auths": auths }).to_string()).unwrap();
    let ghcr = source(login(&file, Absent::Refused, &[]), "ghcr.io");
    assert_eq!(ghcr.credentials("acme/api").await, Ok(basic("robot", CANARY)));
    assert_eq!(ghcr.credentials("acme/web").await, Ok(basic("web", CANARY)));
    let what = ghcr.describe("acme/web").await.unwrap().to_string();
    assert_eq!(what, format!("user web of auths[\"ghcr.io/acme/web\"] in {}", file.display()));
    let other = source(login(&file, Absent::Refused, &[]), "x.example");
    assert_eq!(other.credentials("acme/web").await, Ok(Credentials::IdentityToken(Secret::new(CANARY))));
    assert!(
        other.describe("a").await.unwrap().to_string().starts_with("an identity token of auths[\"x.example\"] in ")
    );
}

#[tokio::test]
async fn a_user_without_a_password_may_be_a_token_and_is_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    write(&file, "ghcr.io", CANARY, "x-oauth-basic");
    let what = source(login(&file, Absent::Refused, &[]), "ghcr.io").describe("acme/web").await.unwrap().to_string();
    assert!(what.starts_with("a user without a password of its own of auths[\"ghcr.io\"] in "), "{what}");
}

#[tokio::test]
async fn what_is_absent_is_anonymous_only_where_the_file_is_for_everything() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    write(&file, "ghcr.io", "robot", CANARY);
    let all = source(login(&file, Absent::Anonymous, &[]), "quay.io");
    assert_eq!(all.credentials("acme/web").await, Ok(Credentials::Anonymous));
    let expected = format!("nothing, it is asked anonymously: the file {} has no entry for it", file.display());
    assert_eq!(all.describe("acme/web").await.unwrap().to_string(), expected);
    let own = source(login(&file, Absent::Refused, &[]), "quay.io");
    assert_failed(own.credentials("acme/web").await, &["no entry for quay.io or quay.io/acme/web"], false);
    // A file that cannot be read says nothing about what stands in it.
    for absent in [Absent::Anonymous, Absent::Refused] {
        let gone = source(login(&directory.path().join("gone.json"), absent, &[]), "ghcr.io");
        assert_failed(gone.credentials("acme/web").await, &["gone.json", "it cannot be read: No such file"], true);
    }
}

#[tokio::test]
async fn a_file_that_changes_is_read_again_however_it_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let file = at("config.json");
    write(&file, "ghcr.io", "robot", "one");
    let ghcr = source(login(&file, Absent::Refused, &[]), "ghcr.io");
    let given = async || ghcr.credentials("acme/web").await;
    assert_eq!(given().await, Ok(basic("robot", "one")));
    assert!(!ghcr.refuse(&basic("robot", "one")).await, "the file still says so");
    // In place, with the same length.
    write(&file, "ghcr.io", "robot", "two");
    assert!(ghcr.refuse(&basic("robot", "one")).await, "the file has others now");
    assert_eq!(given().await, Ok(basic("robot", "two")));
    // By a rename over it, as docker does.
    write(&at("new.json"), "ghcr.io", "robot", "three");
    fs::rename(at("new.json"), &file).unwrap();
    assert_eq!(given().await, Ok(basic("robot", "three")));
    // Half written, and whole again at once.
    fs::write(&file, "{\"auths\": {\"ghcr.io").unwrap();
    assert_failed(given().await, &["config.json", "it is JSON that ends too early"], true);
    write(&file, "ghcr.io", "robot", "four");
    assert_eq!(given().await, Ok(basic("robot", "four")));
    fs::remove_file(&file).unwrap();
    assert_failed(given().await, &["it cannot be read"], true);
}

#[tokio::test]
async fn a_mounted_secret_is_read_in_both_its_types_and_follows_its_rotation() {
    for (name, text) in [
        (".dockerconfigjson", json!({"auths": {"ghcr.io": {"auth": STANDARD.encode("robot:one")}}})),
        (".dockercfg", json!({"ghcr.io": {"username": "robot", "password": "one", "email": "x"}})),
        ("config.json", json!({"auths": {"https://ghcr.io/v2/": {"username": "robot", "password": "one"}}})),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        // Kubernetes: the file is a link through `..data`, which is moved to a new directory.
        fs::create_dir(at("..1")).unwrap();
        fs::write(at("..1").join(name), text.to_string()).unwrap();
        symlink("..1", at("..data")).unwrap();
        symlink(format!("..data/{name}"), at(name)).unwrap();
        let ghcr = source(login(directory.path(), Absent::Refused, &[]), "ghcr.io");
        assert_eq!(ghcr.credentials("acme/web").await, Ok(basic("robot", "one")), "{name}");
        fs::create_dir(at("..2")).unwrap();
        fs::write(
            at("..2").join(name),
            text.to_string()
                .replace("one", "two")
                .replace(&STANDARD.encode("robot:one"), &STANDARD.encode("robot:two")),
        )
        .unwrap();
        symlink("..2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert_eq!(ghcr.credentials("acme/web").await, Ok(basic("robot", "two")), "{name}");
    }
    let empty = tempfile::tempdir().unwrap();
    let ghcr = source(login(empty.path(), Absent::Anonymous, &[]), "ghcr.io");
    let expected = "it is a directory without .dockerconfigjson, .dockercfg, config.json";
    assert_failed(ghcr.credentials("acme/web").await, &[expected], true);
}

#[tokio::test]
async fn what_is_no_small_regular_file_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let large = directory.path().join("large.json");
    fs::write(&large, " ".repeat(1024 * 1024 + 1)).unwrap();
    let reading = |path: &Path| source(login(path, Absent::Anonymous, &[]), "ghcr.io");
    assert_failed(reading(&large).credentials("a").await, &["larger than 1048576 bytes"], true);
    assert_failed(reading(Path::new("/dev/zero")).credentials("a").await, &["it is no regular file"], true);
}

#[tokio::test]
async fn a_broken_entry_fails_its_registry_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.json");
    let auths = json!({"ghcr.io": {"auth": CANARY}, "quay.io": {"username": "robot", "password": CANARY}});
    fs::write(&file, json!({ "auths": auths }).to_string()).unwrap();
    let broken = source(login(&file, Absent::Anonymous, &[]), "ghcr.io");
    let expected = ["config.json", "auths[\"ghcr.io\"]: its `auth` is no"];
    assert_failed(broken.credentials("acme/web").await, &expected, false);
    let good = source(login(&file, Absent::Anonymous, &[]), "quay.io");
    assert_eq!(good.credentials("acme/web").await, Ok(basic("robot", CANARY)));
}

#[tokio::test]
async fn a_helper_is_run_only_if_it_is_listed_by_path() {
    let directory = tempfile::tempdir().unwrap();
    let ran = directory.path().join("ran");
    // Where docker would look for it, but for PATH.
    let text = format!("echo ran >> {}\necho '{{\"Username\":\"robot\",\"Secret\":\"{CANARY}\"}}'", ran.display());
    let program = script(directory.path(), "docker-credential-own", &text);
    for (key, value) in [("credHelpers", json!({"ghcr.io": "own"})), ("credsStore", json!("own"))] {
        let file = directory.path().join(format!("{key}.json"));
        fs::write(&file, json!({ key: value }).to_string()).unwrap();
        let line = "add to repin.yaml `credential_helpers: {own: /path/to/docker-credential-own}`";
        for absent in [Absent::Anonymous, Absent::Refused] {
            let unlisted = source(login(&file, absent, &[("other", &program)]), "ghcr.io");
            assert_failed(unlisted.credentials("acme/web").await, &[key, "the helper `own`", line], false);
        }
        assert!(!ran.exists());
        let listed = source(login(&file, Absent::Refused, &[("own", &program)]), "ghcr.io");
        assert_eq!(listed.credentials("acme/web").await, Ok(basic("robot", CANARY)));
        let what = listed.describe("acme/web").await.unwrap().to_string();
        assert!(what.starts_with("user robot of the helper own of cred") && !what.contains(CANARY), "{what}");
        assert_eq!(fs::read_to_string(&ran).unwrap(), "ran\n", "it is asked once for all images");
        fs::remove_file(&ran).unwrap();
    }
}
