//! Push instead of poll: a schedule of an hour, so that only an event can have caused what is seen.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::any_registry::AnyRegistry;
use crate::docker_registry::{DockerRegistry, find};
use crate::registry::{Behaviour, Image};
use crate::running::{Daemon, PATIENCE, served, wait, wait_for_tag};
use crate::world::{App, World};

/// Never to be seen in a log.
const SECRET: &str = "canary-webhook-51d7";
const KINDS: [&str; 7] = ["docker-hub", "ghcr", "harbor", "quay", "gitlab", "distribution", "generic"];

/// What the server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// A request as one sender sends it.
#[derive(Clone)]
struct Sent {
    path: String,
    headers: Vec<String>,
    body: Vec<u8>,
}

impl Sent {
    fn to(&self, address: &str) -> Answer {
        let mut text = format!("POST {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", self.path);
        text.extend(self.headers.iter().map(|header| format!("{header}\r\n")));
        text.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        exchange(address, &[text.as_bytes(), &self.body].concat())
    }
}

fn exchange(address: &str, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap().chain_update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// What a sender of this kind says of a push to this host.
fn payload(kind: &str, host: &str, repository: &str, tag: &str) -> Value {
    match kind {
        "docker-hub" => json!({"push_data": {"tag": tag}, "repository": {"repo_name": repository}}),
        "ghcr" => json!({"action": "published", "registry_package": {
            "name": "x", "package_type": "CONTAINER", "owner": {"login": "acme"},
            "package_version": {"package_url": format!("{host}/{repository}:{tag}")},
        }}),
        "harbor" => json!({"type": "PUSH_ARTIFACT", "event_data": {
            "resources": [{"tag": tag, "resource_url": format!("{host}/{repository}:{tag}")}],
            "repository": {"repo_full_name": repository},
        }}),
        "quay" => json!({"docker_url": format!("{host}/{repository}"), "updated_tags": [tag]}),
        "gitlab" | "distribution" => json!({"events": [{
            "action": "push", "target": {"repository": repository, "tag": tag}, "request": {"host": host},
        }]}),
        _ => json!({"image": format!("{host}/{repository}:{tag}")}),
    }
}

/// The same with the proof that this kind wants, made with a secret; none = without.
fn sent(kind: &str, body: Vec<u8>, secret: Option<&str>) -> Sent {
    let mut sent =
        Sent { path: format!("/webhooks/{kind}"), headers: vec!["content-type: application/json".into()], body };
    let Some(secret) = secret else { return sent };
    match kind {
        "docker-hub" | "quay" => sent.path.push_str(&format!("?token={secret}")),
        "ghcr" => sent.headers.push(format!("X-Hub-Signature-256: {}", signature(secret, &sent.body))),
        "generic" => sent.headers.push(format!("X-Repin-Signature: {}", signature(secret, &sent.body))),
        "gitlab" => sent.headers.push(format!("X-Gitlab-Token: {secret}")),
        "harbor" => sent.headers.push(format!("Authorization: {secret}")),
        _ => sent.headers.push(format!("Authorization: Bearer {secret}")),
    }
    sent
}

fn is_signed(kind: &str) -> bool {
    matches!(kind, "ghcr" | "generic")
}

/// Writes a configuration with an hourly schedule and these webhooks, whose secret is [`SECRET`].
fn configure(world: &World, webhooks: &str) {
    let secret = world.remote.scratch().join("webhook-secret");
    if !secret.exists() {
        std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    }
    let config = served(&world.standard_config()).replace("schedule: 1s", "schedule: 1h");
    world.configure(&format!(
        "{config}webhooks:\n{}",
        webhooks.replace("SECRET", &format!("{{file: {}}}", secret.display()))
    ));
}

fn entry(world: &World, name: &str, kind: &str) -> String {
    format!("  - {{name: {name}, kind: {kind}, secret: SECRET, registry: \"{}\"}}\n", world.registry.host())
}

fn generic(world: &World) -> String {
    entry(world, "generic", "generic")
}

/// Tells of a push, signed.
fn tell(world: &World, daemon: &Daemon, name: &str, tag: &str) {
    let body = payload("generic", &world.registry.host(), &format!("acme/{name}"), tag).to_string().into_bytes();
    let answer = sent("generic", body, Some(SECRET)).to(&daemon.address());
    assert_eq!((answer.status, answer.body.as_str()), (202, "accepted\n"), "{answer:?}");
}

fn listings(world: &World, name: &str) -> usize {
    let part = format!("acme/{name}/tags/list");
    world.registry.requests().iter().filter(|one| one.path.contains(&part)).count()
}

fn cycles(daemon: &Daemon) -> usize {
    daemon.log().matches("cycle ended").count()
}

/// The value of a counter.
fn metric(daemon: &Daemon, name: &str) -> u64 {
    daemon.metric(name).unwrap_or_else(|| panic!("{name}: {}", daemon.metrics())) as u64
}

fn events(daemon: &Daemon, result: &str) -> u64 {
    metric(daemon, &format!("repin_webhook_events_total{{result=\"{result}\"}}"))
}

/// A world with these Applications at 1.0.0, and 1.1.0 in the registry for none of them yet.
fn world_of(names: &[&str]) -> World {
    let world = World::create();
    for name in names {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0"]);
        world.add_app(&App { name, constraint: "", annotations: &[] }, "1.0.0");
    }
    world
}

#[test]
fn what_is_pushed_to_docker_registry_is_in_git_within_a_second() {
    let mut world = World::create();
    configure(&world, &entry(&world, "registry", "distribution"));
    let daemon = Daemon::start(&world);
    let url = format!("http://{}/webhooks/registry", daemon.address());
    let Some(registry) = DockerRegistry::start_telling(&url, &format!("Bearer {SECRET}")) else { return };
    world.registry = AnyRegistry::Docker(registry);
    world.add_web(&["1.0.0"]);
    configure(&world, &entry(&world, "registry", "distribution"));
    daemon.said("current=1");
    let mut slowest = std::time::Duration::ZERO;
    for tag in ["1.1.0", "1.2.0", "1.3.0"] {
        push(&world, tag);
        let pushed = Instant::now();
        wait_for_tag(&world, &daemon, "web", tag);
        slowest = slowest.max(pushed.elapsed());
    }
    println!("from the push to the commit on the remote: {slowest:?} at most");
    assert!(slowest < std::time::Duration::from_secs(1), "{slowest:?}\n{}", daemon.log());
    assert!(!daemon.log().contains(SECRET), "{}", daemon.log());
    world.remote.fsck();
}

/// As people push: with skopeo where it is installed, else by the protocol.
fn push(world: &World, tag: &str) {
    let Some(skopeo) = find("skopeo") else {
        let is_required = std::env::var("REPIN_REQUIRE_SKOPEO").as_deref() == Ok("1");
        assert!(!is_required, "REPIN_REQUIRE_SKOPEO=1, and skopeo is not installed (Debian package skopeo)");
        return world.registry.publish("acme/web", &[tag]);
    };
    let host = world.registry.host();
    world.registry.publish("acme/source", &[tag]);
    let copied = Command::new(skopeo)
        .args(["copy", "--src-tls-verify=false", "--dest-tls-verify=false"])
        .args([format!("docker://{host}/acme/source:{tag}"), format!("docker://{host}/acme/web:{tag}")])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
}

#[test]
fn every_sender_is_believed_with_its_proof_only_and_causes_one_look_at_the_image_it_names() {
    let world = world_of(&KINDS);
    let host = world.registry.host();
    configure(&world, &KINDS.map(|kind| entry(&world, kind, kind)).concat());
    let daemon = Daemon::start_with(&world, |command| {
        command.env("REPIN_LOG", "trace");
    });
    let address = daemon.address();
    daemon.cycles(1);
    let head = world.remote.head();
    for kind in KINDS {
        world.registry.publish(&format!("acme/{kind}"), &["1.1.0"]);
    }
    world.registry.forget_requests();
    for kind in KINDS {
        let good = payload(kind, &host, &format!("acme/{kind}"), "1.1.0").to_string().into_bytes();
        let hostile = format!("\u{1b}[31m{kind} evil.example");
        let own = |status: u16, sent: &Sent, what: &str| {
            let answer = sent.to(&address);
            assert_eq!(answer.status, status, "{kind}, {what}: {answer:?}");
            assert!(!answer.body.contains("evil") && !answer.body.contains('\u{1b}'), "{kind}, {what}: {answer:?}");
            answer
        };
        // Neither the answer nor its length tells a wrong proof from a missing one.
        let wrong = own(401, &sent(kind, good.clone(), Some("wrong")), "wrong secret");
        let missing = own(401, &sent(kind, good.clone(), None), "missing");
        let near = own(401, &sent(kind, good.clone(), Some(&SECRET[..SECRET.len() - 1])), "nearly right");
        let lines = |answer: &Answer| {
            let kept: Vec<String> =
                answer.head.lines().filter(|line| !line.starts_with("date:")).map(str::to_owned).collect();
            (kept, answer.body.clone())
        };
        assert_eq!((lines(&wrong), lines(&missing)), (lines(&missing), lines(&near)), "{kind}");
        let mut tampered = sent(kind, good.clone(), Some(SECRET));
        if is_signed(kind) {
            tampered.body = String::from_utf8(good.clone()).unwrap().replace("1.1.0", "1.1.1").into_bytes();
            own(401, &tampered, "tampered body");
        }
        let large = [good.clone(), vec![b' '; 1024 * 1024 + 1]].concat();
        own(413, &sent(kind, large.clone(), Some(SECRET)), "oversize");
        let mut chunked = sent(kind, vec![], Some(SECRET));
        chunked.headers.push("transfer-encoding: chunked".into());
        own(413, &as_chunks(chunked, &large), "oversize without a length");
        own(400, &sent(kind, hostile.clone().into_bytes(), Some(SECRET)), "no JSON");
        own(400, &sent(kind, json!({"evil.example": hostile}).to_string().into_bytes(), Some(SECRET)), "other JSON");
        let named = payload(kind, &host, &format!("acme/{hostile}"), "1.1.0").to_string().into_bytes();
        own(400, &sent(kind, named, Some(SECRET)), "a name that is none");
        let elsewhere = payload(kind, "evil.example", &format!("acme/{kind}"), "1.1.0").to_string().into_bytes();
        // Hub and the registries themselves name no host that counts: theirs is the one of the configuration.
        if !matches!(kind, "docker-hub" | "gitlab" | "distribution") {
            let answer = own(202, &sent(kind, elsewhere, Some(SECRET)), "wrong host");
            assert_eq!(answer.body, "nothing to look at\n", "{kind}");
        }
    }
    assert_eq!((world.registry.requests().len(), cycles(&daemon)), (0, 1), "{:?}", world.registry.requests());
    assert_eq!(world.remote.head(), head);
    for (at, kind) in KINDS.iter().enumerate() {
        let good = payload(kind, &host, &format!("acme/{kind}"), "1.1.0").to_string().into_bytes();
        let good = sent(kind, good, Some(SECRET));
        assert_eq!(good.to(&address).status, 202, "{kind}");
        wait_for_tag(&world, &daemon, kind, "1.1.0");
        daemon.said(&format!("{host}/acme/{kind} was pushed, says the webhook `{kind}`"));
        wait("the cycle", || (cycles(&daemon) == at * 2 + 2).then_some(()), || daemon.log());
        // Said again, it costs one look more, and changes nothing.
        let head = world.remote.head();
        assert_eq!(good.to(&address).status, 202, "{kind}");
        wait("the cycle", || (cycles(&daemon) == at * 2 + 3).then_some(()), || daemon.log());
        assert_eq!((listings(&world, kind), world.remote.head()), (2, head), "{kind}");
    }
    let images = world.registry.requests();
    assert_eq!(images.iter().filter(|one| one.path.contains("tags/list")).count(), 2 * KINDS.len(), "{images:#?}");
    assert_eq!((events(&daemon, "accepted"), events(&daemon, "ignored")), (14, 4));
    assert_eq!(
        (events(&daemon, "unauthorized"), events(&daemon, "malformed"), events(&daemon, "limited")),
        (23, 35, 0)
    );
    let log = daemon.log();
    assert!(!log.contains(SECRET) && !log.contains("token="), "{log}");
    world.remote.fsck();
}

/// The same request with its body in one chunk.
fn as_chunks(sent: Sent, body: &[u8]) -> Sent {
    let body = [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    Sent { body, ..sent }
}

#[test]
fn other_paths_and_methods_are_none_and_a_slow_body_ends() {
    let world = world_of(&["web"]);
    configure(&world, &generic(&world));
    let daemon = Daemon::start(&world);
    let address = daemon.address();
    for path in
        ["/webhooks/other", "/webhooks/", "/webhooks", "/webhooks/generic/x", "/webhooks/%ff", "/webhooks/Generic"]
    {
        let request = Sent { path: path.into(), headers: vec![], body: b"{}".to_vec() };
        assert_eq!(request.to(&address).status, 404, "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"] {
        let text = format!("{method} /webhooks/generic HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answer = exchange(&address, text.as_bytes());
        assert_eq!((answer.status, answer.head.contains("allow: post")), (405, true), "{method}");
    }
    let half =
        "POST /webhooks/generic HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n{\"image\":";
    assert_eq!(exchange(&address, half.as_bytes()).status, 408);
    assert_eq!(events(&daemon, "malformed"), 1);
}

#[test]
fn too_many_requests_are_told_when_to_come_again_and_strangers_use_up_nothing() {
    let world = world_of(&["web"]);
    let slow = generic(&world).replace("kind:", "requests_per_second: 0.01, kind:");
    configure(&world, &slow);
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    let body = payload("generic", &world.registry.host(), "acme/web", "1.0.0").to_string().into_bytes();
    let (good, bad) = (sent("generic", body.clone(), Some(SECRET)), sent("generic", body, Some("guess")));
    let statuses = |sent: &Sent| [0; 3].map(|_| sent.to(&daemon.address()).status);
    assert_eq!(statuses(&bad), [401, 429, 429]);
    assert_eq!(statuses(&good), [202, 429, 429]);
    let answer = good.to(&daemon.address());
    let wait = answer.head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    assert!((1..=101).contains(&wait.parse::<u32>().unwrap()), "{answer:?}");
    assert_eq!((events(&daemon, "limited"), events(&daemon, "unauthorized")), (5, 1));
    assert_eq!(daemon.log().matches("secret or signature").count(), 1, "said once: {}", daemon.log());
}

#[test]
fn bodies_under_way_and_images_that_wait_are_bounded() {
    let world = world_of(&["web"]);
    world.registry.set("acme/web", Behaviour::Stalled);
    configure(&world, &generic(&world));
    let daemon = Daemon::start(&world);
    let address = daemon.address();
    wait("the first cycle", || (listings(&world, "web") == 1).then_some(()), || daemon.log());
    // It waits for the list, and what is told waits for it.
    let host = world.registry.host();
    let many = |from: usize| {
        let images: Vec<String> = (from..from + 500).map(|at| format!("{host}/acme/flood-{at}:1.0.0")).collect();
        sent("generic", json!({"images": images}).to_string().into_bytes(), Some(SECRET)).to(&address)
    };
    assert_eq!([many(0).status, many(500).status, many(0).status], [202; 3], "{}", daemon.log());
    let full = many(1_000);
    assert_eq!((full.status, full.head.contains("retry-after: 1")), (503, true), "{full:?}");
    // Bodies of strangers that never end: what has not come holds nothing.
    let half = |bytes: usize| {
        let head = format!("POST /webhooks/generic HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", bytes + 1);
        [head.into_bytes(), vec![b'x'; bytes]].concat()
    };
    let stalled: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(&half(1)).unwrap();
            stream
        })
        .collect();
    assert_eq!(many(0).status, 202, "{}", daemon.log());
    drop(stalled);
}

#[test]
fn an_event_of_an_image_that_nobody_tracks_does_nothing() {
    let world = world_of(&["web"]);
    configure(&world, &generic(&world));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.registry.publish("acme/stranger", &["1.0.0"]);
    world.registry.forget_requests();
    for tag in ["1.0.0", "1.1.0"] {
        tell(&world, &daemon, "stranger", tag);
    }
    world.registry.publish("acme/web", &["1.1.0"]);
    tell(&world, &daemon, "web", "1.1.0");
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    wait("the cycle", || (cycles(&daemon) >= 2).then_some(()), || daemon.log());
    assert_eq!((cycles(&daemon), listings(&world, "stranger"), listings(&world, "web")), (2, 0, 1), "{}", daemon.log());
}

#[test]
fn a_push_whose_look_fails_is_looked_at_again_long_before_the_schedule() {
    let world = world_of(&["web", "api"]);
    configure(&world, &generic(&world));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.registry.publish("acme/web", &["1.1.0"]);
    world.registry.set("acme/web", Behaviour::Status(500, "UNKNOWN"));
    tell(&world, &daemon, "web", "1.1.0");
    daemon.cycles(1);
    assert_eq!(world.tag("web"), "1.0.0");
    world.registry.clear("acme/web");
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    assert_eq!(listings(&world, "api"), 1, "only what was pushed is looked at again: {}", daemon.log());
}

#[test]
fn a_tag_that_is_moved_is_looked_into_again_at_once() {
    let world = World::create();
    let build = |day: u8| Image::built(&format!("2026-01-{day:02}T00:00:00Z"));
    for (tag, day) in [("1.0.0", 1), ("main", 2), ("old", 1)] {
        world.registry.fake().push("acme/web", tag, &build(day).marked(tag));
    }
    world.add_app(
        &App { name: "web", constraint: "", annotations: &["repin.dev/update-strategy: newest-build"] },
        "main",
    );
    configure(&world, &generic(&world));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.registry.forget_requests();
    // What was read of it is a day old at most, and the registry says today that it is out of date.
    world.registry.fake().push("acme/web", "old", &build(3).marked("moved"));
    tell(&world, &daemon, "web", "old");
    wait_for_tag(&world, &daemon, "web", "old");
    let into_others = world.registry.requests().iter().filter(|seen| seen.path.ends_with("/1.0.0")).count();
    assert_eq!(into_others, 0, "what was not pushed is remembered: {}", daemon.log());
}

#[test]
fn an_event_looks_at_no_repository_and_is_written_on_top_of_what_a_person_did_meanwhile() {
    let world = world_of(&["web", "api"]);
    configure(&world, &generic(&world));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    let looks = "repin_git_requests_total{kind=\"advertisement\"}";
    let before = metric(&daemon, looks);
    tell(&world, &daemon, "web", "1.0.0");
    daemon.cycles(1);
    assert_eq!((metric(&daemon, looks), listings(&world, "web"), listings(&world, "api")), (before, 2, 1));
    world.remote.commit(&[("NOTES", "by hand\n")], "A person");
    world.registry.publish("acme/web", &["1.1.0"]);
    world.registry.publish("acme/api", &["1.1.0"]);
    tell(&world, &daemon, "web", "1.1.0");
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    assert_eq!(world.remote.show("NOTES"), "by hand\n");
    assert_eq!((world.tag("api"), listings(&world, "api")), ("1.0.0".to_owned(), 1), "it rests: {}", daemon.log());
    world.remote.fsck();
}

#[test]
fn what_is_pushed_during_a_cycle_is_looked_at_in_one_more_right_after_it() {
    let world = world_of(&["web"]);
    configure(&world, &generic(&world));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.registry.forget_requests();
    world.registry.set("acme/web", Behaviour::Delay(std::time::Duration::from_millis(700)));
    tell(&world, &daemon, "web", "1.0.0");
    wait("the look", || (listings(&world, "web") == 1).then_some(()), || daemon.log());
    // A burst while the list is waited for: the tags are there after it was made.
    world.registry.publish("acme/web", &["1.1.0"]);
    for at in 0..30 {
        tell(&world, &daemon, "web", &format!("1.1.{at}"));
    }
    world.registry.clear("acme/web");
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    let said = || cycles(&daemon);
    wait("the cycles", || (said() >= 3).then_some(()), || daemon.log());
    assert_eq!((said(), listings(&world, "web")), (3, 2), "{}", daemon.log());
}

#[test]
fn a_rule_with_a_schedule_is_not_written_because_of_an_event() {
    let world = world_of(&["web"]);
    configure(&world, &generic(&world));
    let config = std::fs::read_to_string(world.config()).unwrap();
    world.configure(&config.replace("    delivery: commit\n", "    delivery: commit\n    schedule: \"30 2 29 2 *\"\n"));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    world.registry.publish("acme/web", &["1.1.0"]);
    tell(&world, &daemon, "web", "1.1.0");
    assert!(daemon.said("rule/schedule").contains("1.1.0"), "{}", daemon.log());
    assert_eq!(world.tag("web"), "1.0.0");
}

#[test]
fn events_without_end_do_not_keep_the_schedule_from_its_turn() {
    let world = world_of(&["web", "api"]);
    configure(&world, &generic(&world));
    let config = std::fs::read_to_string(world.config()).unwrap();
    world.configure(&config.replace("schedule: 1h", "schedule: 2s"));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    let (begin, before) = (Instant::now(), listings(&world, "web"));
    world.registry.publish("acme/api", &["1.1.0"]);
    let told = wait(
        "the schedule",
        || {
            tell(&world, &daemon, "web", "1.0.0");
            (world.tag("api") == "1.1.0").then(|| listings(&world, "web"))
        },
        || daemon.log(),
    );
    assert!(told > before, "no look was caused");
    // However fast they come: four looks a second, and those of the schedule.
    let most = 2 + begin.elapsed().as_millis() as usize / 250 + begin.elapsed().as_secs() as usize / 2;
    assert!(told - before <= most, "{told} looks in {:?}", begin.elapsed());
}

#[test]
fn webhooks_change_with_the_configuration_and_with_the_file_of_their_secret() {
    let world = world_of(&["web"]);
    configure(&world, "");
    let config = std::fs::read_to_string(world.config()).unwrap();
    world.configure(&config.replace("webhooks:\n", ""));
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    let body = payload("generic", &world.registry.host(), "acme/web", "1.0.0").to_string().into_bytes();
    let status = |secret: &str| sent("generic", body.clone(), Some(secret)).to(&daemon.address()).status;
    let becomes = |secret: &str, wanted: u16| {
        wait(secret, || (status(secret) == wanted).then_some(()), || daemon.log());
    };
    assert_eq!(status(SECRET), 404);
    configure(&world, &generic(&world));
    becomes(SECRET, 202);
    let file = world.remote.scratch().join("webhook-secret");
    std::fs::write(&file, "canary-webhook-next\n").unwrap();
    becomes("canary-webhook-next", 202);
    assert_eq!(status(SECRET), 401);
    // Emptied: refused with its line, and the running one stays.
    std::fs::write(&file, "\n").unwrap();
    let refusal = daemon.said("is empty");
    assert!(refusal.contains("config/secret") && refusal.contains("line="), "{refusal}");
    assert_eq!(status("canary-webhook-next"), 202);
    world.configure(&config.replace("webhooks:\n", ""));
    becomes("canary-webhook-next", 404);
    assert!(!daemon.log().contains("canary"), "{}", daemon.log());
}

#[test]
fn the_daemon_does_not_start_with_an_empty_secret() {
    let world = world_of(&["web"]);
    std::fs::write(world.remote.scratch().join("webhook-secret"), "\n").unwrap();
    configure(&world, &generic(&world));
    let mut daemon = Daemon::start(&world);
    assert_eq!(daemon.end().0.code(), Some(3));
    let (log, config) = (daemon.log(), std::fs::read_to_string(world.config()).unwrap());
    let line = 1 + config.lines().position(|line| line.contains("kind: generic")).unwrap();
    assert!(log.contains("`webhooks[0].secret` has no value") && log.contains(&format!(":{line}")), "{log}");
}
