//! The main story over the transports that people use: nginx with `git http-backend`, and sshd.

use serde_json::Value;

use crate::docker_registry::Access;
use crate::git_http::{GitHttp, PASSWORD, USER, tls};
use crate::proxy::{Kind, Proxy};
use crate::sshd::Sshd;
use crate::world::{Said, World, said};

/// Environment variable that holds the password in these stories.
const VARIABLE: &str = "REPIN_TEST_GIT_PASSWORD";
const PASSPHRASE: &str = "canary-PASSPHRASE-3c11";

/// Runs a command; nothing that it says holds a secret.
fn run(world: &World, arguments: &[&str], password: &str) -> Said {
    let output = world.command(arguments).args(["--output", "json"]).env(VARIABLE, password).output().unwrap();
    let said = said(&output);
    let all = format!("{} {}", said.json, said.talk);
    assert!(!all.contains("canary") && !all.contains("PRIVATE KEY"), "{all}");
    said
}

fn outcome(said: &Said) -> (&str, &str) {
    let outcomes = said.json["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 1, "{said:#?}");
    (outcomes[0]["result"].as_str().unwrap(), outcomes[0]["code"].as_str().unwrap())
}

fn problem_codes(said: &Said) -> Vec<&str> {
    said.json["problems"].as_array().unwrap().iter().map(|problem: &Value| problem["code"].as_str().unwrap()).collect()
}

/// A new tag is delivered, nothing follows, a revert is left alone, and the next release is taken.
fn story(world: &World) {
    assert_eq!(outcome(&run(world, &["plan"], PASSWORD)).0, "pending");
    assert_eq!(world.tag("web"), "1.0.0");
    assert_eq!(outcome(&run(world, &["once"], PASSWORD)), ("delivered", "delivered"));
    assert_eq!(world.tag("web"), "1.1.0");
    assert_eq!(outcome(&run(world, &["once"], PASSWORD)), ("current", "current"));
    world.remote.revert("main");
    assert_eq!(outcome(&run(world, &["once"], PASSWORD)).0, "held");
    world.registry.publish("acme/web", &["1.2.0"]);
    assert_eq!(outcome(&run(world, &["once"], PASSWORD)), ("delivered", "delivered"));
    assert_eq!(world.tag("web"), "1.2.0");
    world.remote.install_hook("pre-receive", "echo 'only on weekdays' >&2\nexit 1");
    world.registry.publish("acme/web", &["1.3.0"]);
    let refused = run(world, &["once"], PASSWORD);
    assert_eq!(refused.code, 1, "{refused:#?}");
    assert!(refused.json.to_string().contains("only on weekdays"), "{refused:#?}");
    world.remote.remove_hook("pre-receive");
    assert_eq!(outcome(&run(world, &["once"], PASSWORD)), ("delivered", "delivered"));
    world.remote.fsck();
}

/// A world on the real registry if it is there, else on the fake one.
fn world() -> World {
    let world = World::with_docker(Access::Open).unwrap_or_else(World::create);
    world.add_web(&["1.0.0", "1.1.0"]);
    world
}

/// Puts another URL and more keys into the entry of the repository. Applications name it by its old URL.
fn reconfigure(world: &World, url: &str, keys: &str) {
    let own = format!("    url: {}\n", world.remote.url());
    let new = format!("    url: {url}\n    also: [\"{}\"]\n{keys}", world.remote.url());
    let config = world.standard_config();
    assert!(config.contains(&own), "{config}");
    world.configure(&config.replace(&own, &new));
}

#[test]
fn the_main_story_goes_over_https() {
    let world = world();
    let Some(server) = GitHttp::start(world.remote.path().parent().unwrap()) else { return };
    let proxy = Proxy::start(Kind::Socks5, None);
    let keys = |ca: &str| {
        format!(
            "    ca: {}\n    proxy: \"{}\"\n    credentials: {{username: {USER}, password: {{env: {VARIABLE}}}}}\n",
            tls(ca).display(),
            proxy.url("")
        )
    };
    reconfigure(&world, &server.url("git/remote.git"), &keys("ca.pem"));
    let wrong = run(&world, &["once"], "canary-wrong");
    assert_eq!((wrong.code, problem_codes(&wrong)), (1, vec!["git/unauthorized"]), "{wrong:#?}");
    story(&world);
    assert!(proxy.seen().iter().all(|target| *target == format!("127.0.0.1:{}", server.port())));
    assert!(!proxy.seen().is_empty());
    world.drop_cache();
    reconfigure(&world, &server.url("git/remote.git"), &keys("other-ca.pem"));
    let stranger = run(&world, &["once"], PASSWORD);
    assert_eq!((stranger.code, problem_codes(&stranger)), (1, vec!["git/tls"]), "{stranger:#?}");
}

#[test]
fn the_main_story_goes_over_ssh() {
    let Some(server) = Sshd::start() else { return };
    let world = world();
    let key = server.key("ed25519", PASSPHRASE);
    let url = server.url(&world.remote.path());
    let keys = |known: &std::path::Path| {
        format!(
            "    known_hosts: {}\n    credentials: {{ssh_key: {{file: {}}}, passphrase: {{env: {VARIABLE}}}}}\n",
            known.display(),
            key.display()
        )
    };
    reconfigure(&world, &url, &keys(&server.write_known_hosts("")));
    let unknown = run(&world, &["once"], PASSPHRASE);
    assert_eq!((unknown.code, problem_codes(&unknown)), (1, vec!["git/host-key-unknown"]), "{unknown:#?}");
    assert!(unknown.json.to_string().contains(&server.fingerprint("ed25519")), "{unknown:#?}");
    reconfigure(&world, &url, &keys(&server.known_hosts(&server.name(), "ed25519")));
    let wrong = run(&world, &["once"], "canary-wrong");
    assert_eq!((wrong.code, problem_codes(&wrong)), (1, vec!["git/unauthorized"]), "{wrong:#?}");
    let unlocked = server.key("rsa", "");
    let credentials = format!(
        "    known_hosts: {}\n    credentials: {{ssh_key: {{file: {}}}}}\n",
        server.known_hosts(&server.name(), "ecdsa").display(),
        unlocked.display()
    );
    assert_eq!(outcome(&run(&world, &["plan"], PASSPHRASE)).0, "pending");
    reconfigure(&world, &url, &credentials);
    story(&world);
}
