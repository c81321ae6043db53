//! `repin migrate` over repositories as people have them: the whole report, and a configuration that `repin check` takes.
//! `REPIN_UPDATE=1` writes the expected reports anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/remote.rs"]
mod remote;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use remote::BareRemote;
use serde_json::Value;
use tempfile::TempDir;

/// The URL in the files of the cases.
const URL: &str = "https://git.example.com/acme/gitops.git";

fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/migrate").join(name)
}

fn repin(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
    command.args(arguments).current_dir(directory).stdin(Stdio::null());
    command.env("XDG_CACHE_HOME", directory.join("cache"));
    for name in ["REPIN_CONFIG", "REPIN_LOG", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// All files of a case, by their path in it.
fn files(name: &str) -> Vec<(String, String)> {
    let root = case(name);
    let (mut found, mut open) = (Vec::new(), vec![root.clone()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Compares the whole report of a case with the one that is kept.
fn check(name: &str, code: i32) {
    let work = tempfile::tempdir().unwrap();
    let said = repin(work.path(), &["migrate", case(name).to_str().unwrap()]);
    let report = format!("{}---\n{}", text(&said.stdout), text(&said.stderr));
    let kept = case("").join(format!("{name}.txt"));
    if std::env::var_os("REPIN_UPDATE").is_some() {
        fs::write(&kept, &report).unwrap();
    }
    assert_eq!(report, fs::read_to_string(&kept).unwrap_or_default(), "{name}");
    assert_eq!(said.status.code(), Some(code), "{report}");
}

#[test]
fn annotations_and_the_config_map_are_told_key_by_key() {
    check("annotations", 1);
}

#[test]
fn an_image_updater_is_told_as_annotations() {
    check("custom-resources", 1);
}

#[test]
fn what_is_carried_over_needs_nothing() {
    check("carried", 0);
}

/// Puts the files of a case on a remote, and into a directory beside it.
fn checkout(name: &str) -> (BareRemote, TempDir) {
    let (remote, directory) = (BareRemote::create(), tempfile::tempdir().unwrap());
    let files: Vec<(String, String)> =
        files(name).into_iter().map(|(path, text)| (path, text.replace(URL, &remote.url()))).collect();
    for (path, text) in &files {
        let path = directory.path().join("gitops").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let all: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    remote.commit(&all, "Add everything");
    (remote, directory)
}

#[test]
fn the_configuration_passes_check_and_reads_the_same() {
    let (_remote, directory) = checkout("carried");
    let at = directory.path();
    let said = repin(at, &["migrate", "gitops", "--write-config", "repin.yaml", "--output", "json"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stdout));
    let document: Value = serde_json::from_slice(&said.stdout).unwrap();
    let written = fs::read_to_string(at.join("repin.yaml")).unwrap();
    assert_eq!(document["configuration"], written.as_str());
    let checked = repin(at, &["check"]);
    let talk = text(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{}{talk}\n{written}", text(&checked.stdout));
    assert!(talk.contains("2 applications, 2 images, 0 errors, 0 warnings"), "{talk}");
    // The rules that were guessed give service and environment.
    let status = repin(at, &["status", "--offline", "--output", "json"]);
    let status: Value = serde_json::from_slice(&status.stdout).unwrap();
    let services = status["services"].as_array().unwrap();
    assert_eq!((services.len(), &services[0]["service"]), (1, &"web".into()), "{status:#}");
    let shown = |place: &Value| format!("{} {}", place["environment"], place["tag"]);
    let places: Vec<String> = services[0]["environments"].as_array().unwrap().iter().map(shown).collect();
    assert_eq!(places, ["\"dev\" \"1.3.0\"", "\"prod\" \"1.2.0\""]);
    // Nothing is written over what is there.
    let again = repin(at, &["migrate", "gitops", "--write-config", "repin.yaml"]);
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    assert!(text(&again.stderr).contains("usage/unwritable"), "{}", text(&again.stderr));
    // The repositories of that configuration say the same as the directory did.
    let configured = repin(at, &["migrate", "--output", "json"]);
    assert_eq!(configured.status.code(), Some(0), "{}", text(&configured.stderr));
    let configured: Value = serde_json::from_slice(&configured.stdout).unwrap();
    assert_eq!((&configured["findings"], &configured["places"]), (&document["findings"], &document["places"]));
    let unknown = repin(at, &["migrate", "--repository", "other"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", text(&unknown.stderr));
}

#[test]
fn a_directory_that_is_not_there_is_a_wrong_command_line() {
    let work = tempfile::tempdir().unwrap();
    let said = repin(work.path(), &["migrate", "nowhere", "--output", "json"]);
    assert_eq!(said.status.code(), Some(2));
    let document: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(document["problems"][0]["code"], "usage/invalid");
    let empty = repin(work.path(), &["migrate", "."]);
    assert_eq!(empty.status.code(), Some(0), "{}", text(&empty.stderr));
}
