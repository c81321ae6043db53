//! `repin login-check`: which credentials are used for each registry, and what it answers; never the credentials.

use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::docker_registry::{Access, PASSWORD, USER};
use crate::registry::{Behaviour, FakeRegistry};
use crate::world::{Said, World, said};

/// A password that must never be shown.
const CANARY: &str = "canary-PASSWORD-77f0";

fn basic(password: &str) -> Behaviour {
    Behaviour::Basic("robot".to_owned(), password.to_owned())
}

/// A world whose registry has the image `acme/web`, and these credentials in its entry.
fn with_credentials(credentials: &str) -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    std::fs::write(world.config().with_file_name("password"), CANARY).unwrap();
    std::fs::write(world.config().with_file_name("wrong"), format!("{CANARY}-wrong")).unwrap();
    let entry = world.registry.settings();
    world.configure(&world.standard_config().replace(&entry, &format!("{entry}    credentials: {credentials}\n")));
    world
}

const LOGIN: &str = "{username: robot, password: {file: password}}";

/// Runs it as JSON and as text; neither shows the password.
fn check(world: &World, arguments: &[&str]) -> (Said, String) {
    let all = [&["login-check"][..], arguments].concat();
    let output = world.command(&all).output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let said = world.repin(&all);
    assert_eq!(output.status.code(), Some(said.code), "{text}");
    let shown = format!("{text}{}{}", said.json, said.talk);
    for secret in [CANARY, "Basic ", "Bearer "] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
    (said, text)
}

fn codes(said: &Said) -> Vec<String> {
    let one =
        |check: &Value| format!("{} {}", check["result"].as_str().unwrap(), check["code"].as_str().unwrap_or("-"));
    said.json["registries"].as_array().unwrap().iter().map(one).collect()
}

#[test]
fn the_document_and_the_text_are_whole() {
    let world = with_credentials(LOGIN);
    let host = world.registry.host();
    world.registry.set("", basic(CANARY));
    world.registry.set("acme/web", basic(CANARY));
    let (said, text) = check(&world, &["--image", &world.image("web")]);
    assert_eq!(said.code, 0, "{text}");
    assert_eq!(
        said.json,
        json!({
            "version": 1, "problems": [],
            "registries": [{
                "host": host, "api": format!("http://{host}"),
                "credential": "the user and password of the configuration (registries[0].credentials)",
                "pull_secret": null, "image": world.image("web"), "result": "ok", "code": null,
                "message": "answers 200, lists tags of acme/web", "hint": null, "expires": null,
            }],
        })
    );
    assert_eq!(
        text,
        format!(
            "{host}  ok      the user and password of the configuration (registries[0].credentials)\n    \
             http://{host} answers 200, lists tags of acme/web\n1 ok, 0 failed\n"
        )
    );
    let asked: Vec<String> = world.registry.requests().iter().map(|seen| seen.path.clone()).collect();
    assert_eq!(asked, ["/v2/", "/v2/acme/web/tags/list?n=1", "/v2/", "/v2/acme/web/tags/list?n=1"]);
    // Without an image only the base is asked.
    world.registry.forget_requests();
    let (said, _) = check(&world, &[]);
    assert_eq!((said.code, &said.json["registries"][0]["message"]), (0, &json!("answers 200")));
    assert!(world.registry.requests().iter().all(|seen| seen.path == "/v2/"));
}

#[test]
fn wrong_credentials_are_told_with_the_setting_to_correct() {
    let world = with_credentials("{username: robot, password: {file: wrong}}");
    let host = world.registry.host();
    world.registry.set("", basic(CANARY));
    let (said, text) = check(&world, &[&host]);
    assert_eq!((said.code, codes(&said)), (1, vec!["failed registry/unauthorized".to_owned()]), "{text}");
    assert_eq!(
        text,
        format!(
            "{host}  failed  the user and password of the configuration (registries[0].credentials)\n    \
             registry/unauthorized: registry {host} refused the credentials: 401 UNAUTHORIZED\n    \
             hint: correct `credentials` of `{host}` in `registries`\n0 ok, 1 failed\n"
        )
    );
    // The registry may take them, and not for every image.
    world.registry.clear("");
    world.registry.set("acme/web", Behaviour::Status(403, "DENIED"));
    let (said, text) = check(&world, &["--image", &world.image("web")]);
    assert_eq!((said.code, codes(&said)), (1, vec!["failed registry/forbidden".to_owned()]), "{text}");
    assert!(text.contains("to read `acme/web`"), "{text}");
    for (behaviour, code) in [
        (Behaviour::Status(404, "UNKNOWN"), "failed registry/server-error"),
        (Behaviour::Status(500, "UNKNOWN"), "failed registry/server-error"),
        (Behaviour::Html, "failed registry/server-error"),
        (Behaviour::Redirect("https://evil.example".to_owned()), "failed registry/untrusted-url"),
    ] {
        world.registry.set("", behaviour);
        let (said, text) = check(&world, &[]);
        world.registry.clear("");
        assert_eq!((said.code, codes(&said)), (1, vec![code.to_owned()]), "{text}");
        assert!(said.json["registries"][0]["hint"].is_string(), "{text}");
    }
}

#[test]
fn credentials_are_exchanged_for_a_token_that_is_good_for_nothing_else() {
    let world = with_credentials(LOGIN);
    for name in ["", "acme/web"] {
        world.registry.set(name, Behaviour::Bearer(None));
        world.registry.set(name, Behaviour::TokenLogin("robot".to_owned(), CANARY.to_owned()));
    }
    let (said, text) = check(&world, &[]);
    assert_eq!((said.code, codes(&said)), (0, vec!["ok -".to_owned()]), "{text}");
    let tokens = world.registry.requests().into_iter().filter(|seen| seen.path.starts_with("/token"));
    assert!(tokens.into_iter().all(|seen| !seen.path.contains("scope")), "as `docker login` asks");
    let (said, text) = check(&world, &["--image", &world.image("web")]);
    assert_eq!((said.code, codes(&said)), (0, vec!["ok -".to_owned()]), "{text}");
    world.registry.clear("");
    world.registry.set("", Behaviour::Bearer(None));
    world.registry.set("", Behaviour::TokenLogin("robot".to_owned(), "another".to_owned()));
    let (said, text) = check(&world, &[]);
    assert_eq!((said.code, codes(&said)), (1, vec!["failed registry/unauthorized".to_owned()]), "{text}");
}

#[test]
fn each_pull_secret_of_a_host_is_tried_and_so_is_nobody() {
    let world = World::create();
    let host = world.registry.host();
    world.registry.publish("acme/web", &["1.0.0"]);
    world.registry.set("acme/web", basic(CANARY));
    for (name, text) in [("password", CANARY.to_owned()), ("wrong", format!("{CANARY}-wrong"))] {
        std::fs::write(world.config().with_file_name(name), text).unwrap();
    }
    let secret = |name: &str, file: &str, host: &str| {
        format!(
            "  - name: {name}\n    registries: [\"{host}\"]\n    credentials: {{username: robot, password: {{file: {file}}}}}\n    match: {{}}\n"
        )
    };
    world.configure(&format!(
        "{}pull_secrets:\n{}{}{}",
        world.standard_config(),
        secret("good", "password", &host),
        secret("elsewhere", "password", "nowhere.example.com"),
        secret("bad", "wrong", &host),
    ));
    let (said, text) = check(&world, &["--image", &world.image("web")]);
    assert_eq!(
        (said.code, codes(&said)),
        (1, ["failed registry/unauthorized", "ok -", "failed registry/unauthorized"].map(str::to_owned).to_vec()),
        "{text}"
    );
    let shown = |field: &str| {
        said.json["registries"].as_array().unwrap().iter().map(|one| one[field].clone()).collect::<Vec<_>>()
    };
    assert_eq!(shown("pull_secret"), [Value::Null, json!("good"), json!("bad")]);
    assert_eq!(
        shown("credential"),
        [
            json!("nothing, it is asked anonymously"),
            json!("the user and password of the configuration (pull_secrets[0].credentials)"),
            json!("the user and password of the configuration (pull_secrets[2].credentials)"),
        ]
    );
    assert!(text.contains(&format!("{host} (good)  ok")), "{text}");
    assert!(said.json["registries"][2]["hint"].as_str().unwrap().contains("the pull secret `bad`"), "{text}");
    // The host that nobody configured is a warning, and is not asked.
    assert_eq!(said.json["problems"][0]["code"], "config/no-match", "{text}");
}

#[test]
fn who_is_asked_as_nobody_may_want_a_token_for_an_image() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0"]);
    for name in ["", "acme/web"] {
        world.registry.set(name, Behaviour::Bearer(None));
    }
    let (said, _) = check(&world, &[]);
    let message = &said.json["registries"][0]["message"];
    assert_eq!((said.code, message), (0, &json!("answers 401 and gives tokens for images: name one to try it")));
    assert!(world.registry.requests().iter().all(|seen| seen.path == "/v2/" && seen.authorization.is_none()));
    let (said, _) = check(&world, &["--image", &world.image("web")]);
    assert_eq!((said.code, &said.json["registries"][0]["message"]), (0, &json!("lists tags of acme/web")));
    world.registry.set("", basic(CANARY));
    let (said, _) = check(&world, &[]);
    assert_eq!((said.code, codes(&said)), (1, vec!["failed registry/unauthorized".to_owned()]));
}

#[test]
fn every_registry_is_asked_and_one_that_is_silent_stops_no_other() {
    let world = World::create();
    let (other, mut gone) = (FakeRegistry::start(), FakeRegistry::start());
    let hosts = [world.registry.host(), other.host(), gone.host()];
    gone = FakeRegistry::start();
    drop(gone);
    let more: String = hosts[1..].iter().map(|host| format!("  - host: {host}\n    insecure: true\n")).collect();
    let entry = world.registry.settings();
    world.configure(&world.standard_config().replace(&entry, &format!("{entry}{more}")));
    let (said, text) = check(&world, &[]);
    assert_eq!(
        (said.code, codes(&said)),
        (1, ["ok -", "ok -", "failed registry/unreachable"].map(str::to_owned).to_vec()),
        "{text}"
    );
    let named: Vec<&Value> = said.json["registries"].as_array().unwrap().iter().map(|one| &one["host"]).collect();
    assert_eq!(named, [&json!(hosts[0]), &json!(hosts[1]), &json!(hosts[2])]);
    let (said, _) = check(&world, &[&hosts[1], &hosts[0], &hosts[1]]);
    let named: Vec<&Value> = said.json["registries"].as_array().unwrap().iter().map(|one| &one["host"]).collect();
    assert_eq!((said.code, named), (0, vec![&json!(hosts[1]), &json!(hosts[0])]));
}

#[test]
fn what_cannot_be_meant_is_exit_2_and_a_bad_configuration_is_exit_3() {
    let world = with_credentials(LOGIN);
    let host = world.registry.host();
    for (arguments, message, hint) in [
        (
            &["nowhere.example.com"][..],
            "registry nowhere.example.com is not configured",
            "`- host: nowhere.example.com`",
        ),
        (&["ghcr.io/acme/web"], "`ghcr.io/acme/web` is no host of a registry", "--image"),
        (&["http://ghcr.io"], "no host of a registry", "ghcr.io"),
        (&["--image", "ghcr.io/acme/web:1.x"], "is no image", "without tag"),
        (&["--image", "nowhere.example.com/web"], "registry nowhere.example.com is not configured", "`- host:"),
        (&[&host, "--image", "ghcr.io/acme/web"], "none of the hosts", "leave the hosts out"),
        (&["--bogus"], "--bogus", "--help"),
        (&["--now", "2026-01-01T00:00:00Z"], "--now is for", "--help"),
    ] {
        let said = world.repin(&[&["login-check"][..], arguments].concat());
        let problem = &said.json["problems"][0];
        assert_eq!((said.code, &said.json["registries"]), (2, &json!([])), "{said:#?}");
        assert!(problem["message"].as_str().unwrap().contains(message), "{problem:#}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem:#}");
    }
    assert_eq!(world.registry.requests(), []);
    std::fs::remove_file(world.config().with_file_name("password")).unwrap();
    let said = world.repin(&["login-check"]);
    assert_eq!((said.code, &said.json["problems"][0]["code"]), (3, &json!("config/secret")), "{said:#?}");
    // Without a configuration there is nothing to check but what is named.
    let place = world.remote.scratch();
    let bare = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
        command.args(["login-check", "--output", "json"]).args(arguments).current_dir(&place).env_clear();
        said_of(command)
    };
    let alone = bare(&[]);
    assert_eq!(
        (alone.code, &alone.json["problems"][0]["message"]),
        (2, &json!("no registry is configured, and none is named"))
    );
    let alone = bare(&[&host]);
    assert_eq!((alone.code, &alone.json["problems"][0]["code"]), (2, &json!("registry/unconfigured")), "{alone:#?}");
    assert_eq!(bare(&["--config", "nowhere.yaml"]).code, 3);
}

fn said_of(mut command: Command) -> Said {
    said(&command.stdin(Stdio::null()).output().unwrap())
}

#[test]
fn where_the_credentials_come_from_is_told_and_a_source_that_gives_none_is_a_failure() {
    let world = World::create();
    let host = world.registry.host();
    world.registry.set("", basic(CANARY));
    let file = world.config().with_file_name("docker.json");
    world.configure(&format!("{}docker_config: docker.json\n", world.standard_config()));
    let write = |entries: &str| std::fs::write(&file, format!("{{\"auths\": {entries}")).unwrap();
    let check = |expected: &str, credential: &str| {
        let (said, text) = check(&world, &[]);
        assert_eq!(codes(&said), [expected.to_owned()], "{text}");
        let shown =
            said.json["registries"][0]["credential"].as_str().unwrap().replace(&file.display().to_string(), "FILE");
        assert_eq!(shown, credential, "{text}");
        text
    };
    let auth = STANDARD.encode(format!("robot:{CANARY}"));
    write(&format!("{{\"{host}\": {{\"auth\": \"{auth}\"}}}}}}"));
    let text = check("ok -", &format!("user robot of auths[\"{host}\"] in FILE"));
    assert!(!text.contains(&auth), "{text}");
    write("{}}");
    check("failed registry/unauthorized", "nothing, it is asked anonymously: the file FILE has no entry for it");
    world.registry.forget_requests();
    write("{");
    let text = check("failed registry/login", "none");
    assert!(text.contains("docker_config"), "{text}");
    assert_eq!(world.registry.requests(), []);
}

#[test]
fn a_real_registry_takes_its_user_and_refuses_another_password() {
    let Some(world) = World::with_docker(Access::Guarded) else { return };
    let (host, entry) = (world.registry.host(), world.registry.settings());
    let password = world.config().with_file_name("password");
    world.configure(&world.standard_config().replace(
        &entry,
        &format!("{entry}    credentials: {{username: {USER}, password: {{file: {}}}}}\n", password.display()),
    ));
    world.registry.publish("acme/web", &["1.0.0"]);
    for (text, code, result) in [(PASSWORD, 0, "ok -"), ("another", 1, "failed registry/unauthorized")] {
        std::fs::write(&password, text).unwrap();
        let (said, shown) = check(&world, &["--image", &world.image("web")]);
        assert_eq!((said.code, codes(&said)), (code, vec![result.to_owned()]), "{shown}");
        assert_eq!(said.json["registries"][0]["api"], format!("https://{host}"));
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
}
