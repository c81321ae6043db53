//! Credentials of registries from files, programs and argocd-image-updater's `registries.conf`, by the built program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::registry::Behaviour;
use crate::world::{Said, World, said};

/// Stands for a password; no output may hold it, in any form.
const CANARY: &str = "canary-s3cr3t-9f2";

/// A world whose registry wants a user and a password, and a place for files beside it.
struct Guarded {
    world: World,
    directory: tempfile::TempDir,
}

impl Guarded {
    fn new() -> Self {
        let world = World::with_web(&["1.0.0", "1.1.0"]);
        world.registry.set("acme/web", Behaviour::Basic("robot".into(), CANARY.into()));
        Self { world, directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a docker file with an entry for a host.
    fn docker(&self, host: &str, password: &str) -> PathBuf {
        let auth = STANDARD.encode(format!("robot:{password}"));
        let path = self.path("config.json");
        fs::write(&path, serde_json::json!({"auths": {host: {"auth": auth}}}).to_string()).unwrap();
        path
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let (written, program) = (self.path(&format!("{name}.txt")), self.path(name));
        fs::write(&written, format!("#!/bin/sh\n{text}\n")).unwrap();
        assert!(Command::new("install").args(["-m", "755"]).args([&written, &program]).status().unwrap().success());
        program
    }

    fn once(&self) -> Said {
        let output = self.world.command(&["once", "--output", "json"]).env("LOGIN", format!("robot:{CANARY}")).output();
        let output = output.unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        for secret in [CANARY.to_owned(), STANDARD.encode(format!("robot:{CANARY}"))] {
            assert!(!text.contains(&secret), "{text}");
        }
        said(&output)
    }

    /// The result and the code of the one image.
    fn result(&self) -> (String, String) {
        let said = self.once();
        let outcome = &said.json["outcomes"][0];
        let text = |name: &str| outcome[name].as_str().unwrap_or_default().to_owned();
        (text("result"), text("code"))
    }

    fn failed_by(&self, expected: &[&str], hint: &str) {
        self.world.registry.forget_requests();
        let said = self.once();
        let outcome = &said.json["outcomes"][0];
        assert_eq!((&outcome["result"], &outcome["code"]), (&"failed".into(), &"registry/login".into()), "{said:?}");
        let message = outcome["message"].as_str().unwrap();
        for part in expected {
            assert!(message.contains(part), "`{part}` is not in `{message}`");
        }
        let problems = said.json["problems"].as_array().unwrap();
        let problem = problems.iter().find(|one| one["code"] == "registry/login").unwrap();
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem}");
        assert_eq!(self.world.registry.requests(), [], "nothing is asked, and nothing anonymously");
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

#[test]
fn a_docker_file_gives_the_credentials_and_a_bad_one_never_means_anonymous() {
    let guarded = Guarded::new();
    let host = guarded.world.registry.host();
    let file = guarded.docker(&host, CANARY);
    let configure = |line: &str| guarded.world.configure(&format!("{}{line}\n", guarded.world.standard_config()));
    configure("");
    assert_eq!(guarded.result(), ("failed".into(), "registry/unauthorized".into()), "it is guarded");
    configure(&format!("docker_config: {}", quoted(&file)));
    assert_eq!(guarded.result(), ("delivered".into(), "delivered".into()));
    let hint = format!("check `credentials` of `{host}` in `registries` or `docker_config`");
    fs::write(&file, "{\"auths\": ").unwrap();
    guarded.failed_by(&["config.json", "it is JSON that ends too early"], &hint);
    fs::remove_file(&file).unwrap();
    guarded.failed_by(&["config.json", "it cannot be read"], &hint);
    // Named for the registry itself, a file without an entry for it is an error; for all registries it is none.
    guarded.docker("other.example", CANARY);
    let lines = format!("    insecure: true\n    credentials: {{docker_config: {}}}\n", quoted(&file));
    let own = guarded.world.standard_config().replace("    insecure: true\n", &lines);
    configure(&format!("docker_config: {}", quoted(&file)));
    assert_eq!(guarded.result(), ("failed".into(), "registry/unauthorized".into()));
    guarded.world.configure(&own);
    guarded.failed_by(&[&format!("no entry for {host}")], &format!("check `credentials` of `{host}`"));
}

#[test]
fn a_helper_that_nobody_listed_is_not_run_and_a_listed_one_is() {
    let guarded = Guarded::new();
    let ran = guarded.path("ran");
    let text = format!(
        "echo x >> {}; cat > /dev/null; echo '{{\"Username\":\"robot\",\"Secret\":\"{CANARY}\"}}'",
        ran.display()
    );
    let program = guarded.script("docker-credential-own", &text);
    let file = guarded.path("config.json");
    fs::write(&file, "{\"credsStore\": \"own\"}").unwrap();
    let config = format!("{}docker_config: {}\n", guarded.world.standard_config(), quoted(&file));
    guarded.world.configure(&config);
    guarded
        .failed_by(&["the helper `own`", "credential_helpers: {own: /path/to/docker-credential-own}"], "docker_config");
    assert!(!ran.exists());
    guarded.world.configure(&format!("{config}credential_helpers: {{own: {}}}\n", quoted(&program)));
    assert_eq!(guarded.result(), ("delivered".into(), "delivered".into()));
    assert_eq!(fs::read_to_string(&ran).unwrap(), "x\n");
}

#[test]
fn the_registries_conf_of_argocd_image_updater_is_all_that_a_registry_needs() {
    let guarded = Guarded::new();
    let host = guarded.world.registry.host();
    let entry = format!("  - host: {host}\n    insecure: true\n");
    let config = guarded.world.standard_config();
    assert!(config.contains(&entry), "{config}");
    let config = config.replace("registries:\n", "").replace(&entry, "");
    let peer = guarded.path("registries.conf");
    let write = |credentials: &str| {
        let text = format!(
            "registries:\n- name: Own\n  prefix: {host}\n  api_url: http://{host}\n  credentials: {credentials}\n  ping: yes\n"
        );
        fs::write(&peer, text).unwrap();
    };
    let config = format!("{config}registries_conf: {}\n", quoted(&peer));
    guarded.world.configure(&config);
    write("env:LOGIN");
    let said = guarded.once();
    assert_eq!(said.json["outcomes"][0]["result"], "delivered", "{said:?}");
    let check = guarded.world.command(&["check", "--output", "json"]).env("LOGIN", "robot:x").output().unwrap();
    let problems = crate::world::said(&check).json["problems"].clone();
    assert_eq!(problems.as_array().unwrap().len(), 1, "{problems}");
    let problem = &problems[0];
    assert_eq!((&problem["code"], &problem["line"]), (&"config/registries-conf".into(), &6.into()), "{problem}");
    assert_eq!(problem["file"], peer.display().to_string());
    // A script, as its manual shows for Azure and ECR.
    guarded.world.registry.publish("acme/web", &["1.2.0"]);
    let script = guarded.script("auth.sh", &format!("echo robot:{CANARY}"));
    write(&format!("ext:{}", script.display()));
    let refused = guarded.world.command(&["once"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    guarded.world.configure(&format!("{config}credential_helpers: {{auth: {}}}\n", quoted(&script)));
    assert_eq!(guarded.result(), ("delivered".into(), "delivered".into()));
}
