//! What a registry may do wrong: named, hinted, and no reason to stop for any other image. No credential goes astray.

use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::registry::{Behaviour, FakeRegistry, Link};
use crate::world::{App, Said, World, said};

/// Stands for a password; no output may hold it, in any form.
const CANARY: &str = "canary-s3cr3t-9f2";

fn outcome<'a>(said: &'a Said, name: &str) -> &'a Value {
    let wanted = format!("argocd/{name}");
    let found: Vec<&Value> =
        said.json["outcomes"].as_array().unwrap().iter().filter(|one| one["application"] == *wanted).collect();
    assert_eq!(found.len(), 1, "{name} in {said:#?}");
    found[0]
}

/// The problem with the same code whose message is that of the outcome, and its hint.
fn hint(said: &Said, outcome: &Value) -> String {
    let found = said.json["problems"].as_array().unwrap().iter().find(|one| {
        one["code"] == outcome["code"] && one["message"] == outcome["message"] && one["severity"] == "error"
    });
    found.unwrap_or_else(|| panic!("no problem for {outcome:#} in {said:#?}"))["hint"].as_str().unwrap().to_owned()
}

fn add_apps(world: &World, names: &[&str], host: &str) {
    let mut files = Vec::new();
    for name in names {
        let own = world.registry.host();
        let app = App { name, constraint: "1.x", annotations: &[] };
        files.push((format!("argocd/{name}.yaml"), world.application(&app).replace(&own, host)));
        files.push((format!("apps/{name}/values.yaml"), world.values(name, "1.0.0").replace(&own, host)));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add Applications");
}

/// The standard configuration, with these lines in the entry of the registry.
fn with_registry_lines(world: &World, lines: &str) -> String {
    world.standard_config().replace("    insecure: true\n", &format!("    insecure: true\n{lines}"))
}

const CREDENTIALS: &str = "    credentials: {username: robot, password: {env: CANARY}}\n";

fn once_with_canary(world: &World, value: &str) -> (Said, Output) {
    let output = world.command(&["once", "--output", "json"]).env("CANARY", value).output().unwrap();
    (said(&output), output)
}

#[test]
fn every_fault_of_a_registry_is_named_and_all_other_images_are_delivered() {
    let world = World::create();
    let elsewhere = FakeRegistry::start();
    let other = |path: &str| format!("http://{}{path}", elsewhere.host());
    let list = |body: &str| Behaviour::List(200, vec![("content-type", "application/json".into())], body.into());
    let cases: Vec<(&str, Behaviour, &str, &str, &str)> = vec![
        ("denied", Behaviour::Basic("u".into(), "p".into()), "registry/unauthorized", "401", "set `credentials`"),
        ("forbidden", Behaviour::Status(403, "DENIED"), "registry/forbidden", "403 DENIED", "account that may pull"),
        ("missing", Behaviour::Status(404, "NAME_UNKNOWN"), "registry/not-found", "404", "image-list"),
        ("broken", Behaviour::Status(500, "UNKNOWN"), "registry/server-error", "500", "next cycle"),
        ("gateway", Behaviour::Status(502, "UNKNOWN"), "registry/server-error", "502", "next cycle"),
        ("html", Behaviour::Html, "registry/bad-listing", "HTML", "login page"),
        ("endless", Behaviour::Endless, "registry/too-large", "bytes", "pages"),
        ("truncated", Behaviour::Truncated, "registry/bad-listing", "", "registry"),
        ("cut", Behaviour::Cut, "registry/bad-listing", "", "registry"),
        ("array", list("[\"1.1.0\"]"), "registry/bad-listing", "", "registry"),
        ("nolist", list("{\"name\":\"x\"}"), "registry/bad-listing", "", "registry"),
        ("empty", list(""), "registry/bad-listing", "", "registry"),
        (
            "leads-away",
            Behaviour::Link(Link::To(other("/v2/acme/x/tags/list"))),
            "registry/untrusted-url",
            "",
            "api_url",
        ),
        (
            "to-metadata",
            Behaviour::Link(Link::To("http://169.254.169.254/latest".into())),
            "registry/untrusted-url",
            "",
            "api_url",
        ),
        ("looping", Behaviour::Link(Link::Loop), "registry/bad-listing", "", "registry"),
        (
            "redirected",
            Behaviour::Redirect(format!("http://{}/moved", elsewhere.host())),
            "registry/untrusted-url",
            "redirect",
            "api_url",
        ),
        (
            "realm",
            Behaviour::Bearer(Some(other("/token?kept=yes").replace("127.0.0.1", "localhost"))),
            "registry/untrusted-url",
            "",
            "token_service",
        ),
        ("token-fails", Behaviour::TokenAnswer(500, "{}".into()), "registry/server-error", "token", "next cycle"),
    ];
    let good = ["good-a", "good-m", "good-z"];
    for (name, behaviour, ..) in &cases {
        let repository = format!("acme/{name}");
        world.registry.publish(&repository, &["1.0.0", "1.1.0"]);
        if matches!(behaviour, Behaviour::TokenAnswer(..)) {
            world.registry.set(&repository, Behaviour::Bearer(None));
        }
        if matches!(behaviour, Behaviour::Link(_)) {
            world.registry.set(&repository, Behaviour::PageSize(1));
        }
        world.registry.set(&repository, behaviour.clone());
    }
    for name in good {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
    }
    let names: Vec<&str> = cases.iter().map(|case| case.0).chain(good).collect();
    add_apps(&world, &names, &world.registry.host());
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert_eq!(said.json["outcomes"].as_array().unwrap().len(), names.len());
    for (name, _, code, message, advice) in &cases {
        let outcome = outcome(&said, name);
        assert_eq!(
            (outcome["result"].as_str(), outcome["code"].as_str()),
            (Some("failed"), Some(*code)),
            "{outcome:#}"
        );
        let text = outcome["message"].as_str().unwrap();
        assert!(text.contains(message) && text.contains(&format!("acme/{name}")), "{name}: {text}");
        assert!(text.contains(&world.registry.host()), "{name}: {text}");
        assert!(!text.contains(char::is_control), "{text:?}");
        let hint = hint(&said, outcome);
        assert!(hint.contains(advice), "{name}: {hint}");
        assert_eq!(world.tag(name), "1.0.0");
    }
    for name in good {
        assert_eq!(outcome(&said, name)["result"], "delivered", "{said:#?}");
        assert_eq!(world.tag(name), "1.1.0");
    }
    assert_eq!(elsewhere.requests(), [], "nothing was sent to a host that nobody named");
    // The same is true of `plan`: failed beats pending.
    world.registry.publish("acme/good-a", &["1.2.0"]);
    let said = world.repin(&["plan"]);
    assert_eq!((said.code, outcome(&said, "good-a")["result"].as_str()), (1, Some("pending")));
}

#[test]
fn a_registry_that_wants_a_long_pause_gets_it_and_costs_no_other_registry_anything() {
    let world = World::create();
    let other = FakeRegistry::start();
    world.configure(
        &world.standard_config().replace("rules:", &format!("  - host: {}\n    insecure: true\nrules:", other.host())),
    );
    let names = ["limited", "beside-a", "beside-b", "beside-c"];
    for name in names {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
        world.registry.set(&format!("acme/{name}"), Behaviour::RateLimited("17"));
    }
    other.publish("acme/good", &["1.0.0", "1.1.0"]);
    add_apps(&world, &names, &world.registry.host());
    add_apps(&world, &["good"], &other.host());
    let said = world.repin(&["once"]);
    for name in names {
        let failed = outcome(&said, name);
        assert_eq!(failed["code"], "registry/rate-limited", "{failed:#}");
        // Who was not asked any more is told the pause with its spread, a tenth at most.
        let message = failed["message"].as_str().unwrap();
        assert!(["17 s", "18 s", "19 s"].iter().any(|pause| message.contains(pause)), "{failed:#}");
        assert!(hint(&said, failed).contains("requests_per_second"), "{said:#?}");
    }
    assert_eq!(outcome(&said, "good")["result"], "delivered");
    assert!(world.registry.requests().len() <= names.len(), "nobody asked again");
}

#[test]
fn a_registry_that_does_not_listen_is_named_and_another_one_is_read() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    // A port that was free a moment ago.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    world.configure(
        &world.standard_config().replace("rules:", &format!("  - host: {gone}\n    insecure: true\nrules:")),
    );
    add_apps(&world, &["lost"], &gone);
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 1);
    let lost = outcome(&said, "lost");
    assert_eq!((lost["result"].as_str(), lost["code"].as_str()), (Some("failed"), Some("registry/unreachable")));
    let text = lost["message"].as_str().unwrap();
    assert!(text.contains(&gone) && text.contains("refused"), "{text}");
    assert!(hint(&said, lost).contains("network"), "{said:#?}");
    assert_eq!(outcome(&said, "web")["result"], "delivered");
}

#[test]
fn a_registry_that_stays_silent_is_given_up_for_the_cycle() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    world.configure(
        &world.standard_config().replace("rules:", &format!("  - host: {gone}\n    insecure: true\nrules:")),
    );
    let names: Vec<String> = (0..40).map(|at| format!("lost{at}")).collect();
    add_apps(&world, &names.iter().map(String::as_str).collect::<Vec<_>>(), &gone);
    let said = world.repin(&["once"]);
    let lost: Vec<&str> = names.iter().map(|name| outcome(&said, name)["message"].as_str().unwrap()).collect();
    let given_up = lost.iter().filter(|message| message.contains("given up for this cycle after")).count();
    // Those that were under way at once were asked; every other one was spared, and says what happened.
    assert!((20..40).contains(&given_up), "{given_up} of {lost:#?}");
    assert!(names.iter().all(|name| outcome(&said, name)["code"] == "registry/unreachable"));
    assert_eq!(outcome(&said, "web")["result"], "delivered");
}

#[test]
fn a_registry_that_nobody_configured_is_not_asked() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let stranger = FakeRegistry::start();
    stranger.publish("acme/stray", &["1.0.0", "1.1.0"]);
    add_apps(&world, &["stray"], &stranger.host());
    let said = world.repin(&["once"]);
    let stray = outcome(&said, "stray");
    assert_eq!((stray["result"].as_str(), stray["code"].as_str()), (Some("held"), Some("registry/unconfigured")));
    assert!(hint(&said, stray).contains(&format!("host: {}", stranger.host())), "{said:#?}");
    assert_eq!(said.code, 0, "a hold is no failure");
    assert_eq!(stranger.requests(), []);
}

#[test]
fn basic_credentials_are_sent_right_wrong_and_missing() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.registry.set("acme/web", Behaviour::Basic("robot".into(), CANARY.into()));
    world.configure(&with_registry_lines(&world, CREDENTIALS));
    // Wrong.
    let (said, _) = once_with_canary(&world, "not-the-canary");
    let failed = outcome(&said, "web");
    assert_eq!((said.code, failed["code"].as_str()), (1, Some("registry/unauthorized")));
    assert!(failed["message"].as_str().unwrap().contains("401"), "{failed:#}");
    assert!(hint(&said, failed).contains("correct `credentials`"), "{said:#?}");
    assert!(!format!("{said:?}").contains("not-the-canary"));
    // Not set at all: the configuration cannot be used.
    let unset = world.repin(&["once"]);
    assert_eq!((unset.code, unset.json["outcomes"].as_array().unwrap().len()), (3, 0));
    assert!(unset.json["problems"][0]["message"].as_str().unwrap().contains("CANARY"), "{unset:#?}");
    // Right.
    let (said, _) = once_with_canary(&world, CANARY);
    assert_eq!((said.code, outcome(&said, "web")["result"].as_str()), (0, Some("delivered")), "{said:#?}");
}

#[test]
fn a_token_is_fetched_for_anybody_and_for_who_has_a_password() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.registry.set("acme/web", Behaviour::Bearer(None));
    let outcome_now = world.once();
    assert_eq!(outcome_now["result"], "delivered", "{outcome_now:#}");
    world.registry.publish("acme/web", &["1.2.0"]);
    world.registry.set("acme/web", Behaviour::TokenLogin("robot".into(), CANARY.into()));
    world.configure(&with_registry_lines(&world, CREDENTIALS));
    let (said, output) = once_with_canary(&world, "not-the-canary");
    let failed = outcome(&said, "web");
    assert_eq!((said.code, failed["code"].as_str()), (1, Some("registry/unauthorized")));
    assert!(failed["message"].as_str().unwrap().contains("incorrect username or password"), "{failed:#}");
    no_canary("stderr", &output.stderr);
    let (said, output) = once_with_canary(&world, CANARY);
    assert_eq!((said.code, outcome(&said, "web")["to"].as_str()), (0, Some("1.2.0")), "{said:#?}");
    no_canary("stdout", &output.stdout);
    no_canary("stderr", &output.stderr);
}

#[test]
fn no_credential_leaves_for_another_host() {
    let world = World::create();
    let elsewhere = FakeRegistry::start();
    let cases = [
        ("link", Behaviour::Link(Link::To(format!("http://{}/v2/acme/link/tags/list", elsewhere.host())))),
        ("redirect", Behaviour::Redirect(format!("http://{}/moved", elsewhere.host()))),
        // The same address under another name is another host.
        (
            "realm",
            Behaviour::Bearer(Some(
                format!("http://{}/token?kept=yes", elsewhere.host()).replace("127.0.0.1", "localhost"),
            )),
        ),
        (
            "alias",
            Behaviour::Redirect(format!("http://localhost:{}/moved", elsewhere.host().rsplit_once(':').unwrap().1)),
        ),
    ];
    for (name, behaviour) in &cases {
        let repository = format!("acme/{name}");
        world.registry.publish(&repository, &["1.0.0", "1.1.0"]);
        elsewhere.publish(&repository, &["1.0.0", "1.1.0"]);
        world.registry.set(&repository, Behaviour::PageSize(1));
        world.registry.set(&repository, behaviour.clone());
    }
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    add_apps(&world, &names, &world.registry.host());
    // The other host is configured too, with credentials of its own: ours for the first are still not for it.
    let second = format!(
        "    credentials: {{username: robot, password: {{env: CANARY}}}}\n  - host: {}\n    insecure: true\n",
        elsewhere.host()
    );
    world.configure(&with_registry_lines(&world, &second));
    let (said, _) = once_with_canary(&world, CANARY);
    for name in names {
        assert_eq!(outcome(&said, name)["result"], "failed", "{said:#?}");
    }
    assert!(
        world.registry.requests().iter().any(|seen| seen.authorization.is_some()),
        "they were sent where they belong"
    );
    let leaked: Vec<_> = elsewhere.requests().into_iter().filter(|seen| seen.authorization.is_some()).collect();
    assert_eq!(leaked, []);
}

#[test]
fn pages_are_followed_and_illegal_tags_never_come_through() {
    let world = World::create();
    let many: Vec<String> = (0..40).map(|minor| format!("1.{minor}.0")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (name, behaviours) in [
        ("relative", vec![Behaviour::PageSize(7)]),
        ("absolute", vec![Behaviour::PageSize(7), Behaviour::Link(Link::Absolute)]),
        ("decorated", vec![Behaviour::PageSize(13), Behaviour::Link(Link::Decorated)]),
        ("ignores-n", vec![Behaviour::IgnoreN, Behaviour::Unsorted]),
    ] {
        let repository = format!("acme/{name}");
        world.registry.publish(&repository, &many);
        behaviours.into_iter().for_each(|behaviour| world.registry.set(&repository, behaviour));
    }
    world.registry.publish("acme/illegal", &["1.0.0", "1.1.0"]);
    let forged =
        ["1.9.0\nRepin-Resume: argocd/web", "1.9.1 ", "../1.9.2", "1.9.3\u{1b}[31m", "", "-1.9.4", ".1.9.5", "1.9.6#x"];
    world.registry.set("acme/illegal", Behaviour::RawTags(forged.map(str::to_owned).to_vec()));
    let names = ["relative", "absolute", "decorated", "ignores-n", "illegal"];
    add_apps(&world, &names, &world.registry.host());
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 0, "{said:#?}");
    for name in &names[..4] {
        assert_eq!(outcome(&said, name)["to"], "1.39.0", "{said:#?}");
        assert_eq!(world.tag(name), "1.39.0");
    }
    assert_eq!(world.tag("illegal"), "1.1.0");
    let explained = world.repin(&["explain", "illegal"]);
    let text = format!("{}{}", said.json, explained.json);
    assert!(!text.contains("1.9."), "{text}");
}

#[test]
fn a_slow_registry_is_waited_for() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.registry.set("acme/web", Behaviour::Delay(Duration::from_millis(1_200)));
    assert_eq!(world.once()["result"], "delivered");
}

#[test]
fn a_listing_that_lacks_what_stands_in_git_or_was_emptied_is_not_believed() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    assert_eq!(world.once()["result"], "delivered");
    // The tag in Git is not listed any more, and still answers.
    world.registry.set("acme/web", Behaviour::Hidden("1.1.0".into()));
    let held = world.once();
    assert_eq!((held["result"].as_str(), held["code"].as_str()), (Some("held"), Some("guard/listing")), "{held:#}");
    // Empty after it was not, with nothing that answers.
    world.registry.remove("acme/web", "1.0.0");
    world.registry.remove("acme/web", "1.1.0");
    let held = world.once();
    assert_eq!((held["result"].as_str(), held["code"].as_str()), (Some("held"), Some("guard/listing")), "{held:#}");
    assert_eq!(world.tag("web"), "1.1.0");
}

fn no_canary(what: &str, bytes: &[u8]) {
    use base64::Engine;
    let text = String::from_utf8_lossy(bytes);
    let coded = base64::engine::general_purpose::STANDARD.encode(format!("robot:{CANARY}"));
    for secret in [CANARY, &coded, "file-canary-77"] {
        assert!(!text.contains(secret), "{what} holds {secret}: {text}");
    }
}

#[test]
fn no_secret_is_in_any_output_commit_or_cache() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let echoing = FakeRegistry::start();
    // A hostile registry says back what it was sent.
    let echo = format!("{{\"errors\":[{{\"code\":\"{CANARY}\",\"message\":\"file-canary-77\"}}]}}");
    echoing
        .set("acme/echo", Behaviour::List(500, vec![("content-type", "application/json".into())], echo.into_bytes()));
    add_apps(&world, &["echo"], &echoing.host());
    world.registry.set("acme/web", Behaviour::Basic("robot".into(), CANARY.into()));
    let secret_file = world.remote.scratch().join("token");
    std::fs::write(&secret_file, "file-canary-77\n").unwrap();
    let second = format!(
        "{CREDENTIALS}  - host: {}\n    insecure: true\n    credentials: {{username: robot, password: {{file: {}}}}}\n",
        echoing.host(),
        secret_file.display()
    );
    world.configure(&with_registry_lines(&world, &second));
    let with_url_password =
        world.standard_config().replace("url: file://", &format!("url: https://robot:{CANARY}@git.example.com"));
    for output_format in ["json", "text"] {
        for command in [&["once"][..], &["plan"], &["explain", "web"], &["explain", "echo"], &["check"]] {
            let output = world
                .command(command)
                .args(["--output", output_format])
                .env("CANARY", CANARY)
                .env("REPIN_LOG", "trace")
                .output()
                .unwrap();
            assert!(!output.stdout.is_empty() || !output.stderr.is_empty() || command == ["check"], "{command:?}");
            no_canary("stdout", &output.stdout);
            no_canary("stderr", &output.stderr);
        }
    }
    assert_eq!(world.tag("web"), "1.1.0", "the credentials were really used");
    for object in world.remote.git(&["rev-list", "--objects", "--no-object-names", "main"]).lines() {
        no_canary("the repository", world.remote.git(&["cat-file", "-p", object]).as_bytes());
    }
    let mut places = vec![world.cache()];
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(place).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => places.push(entry.path()),
                false => no_canary("the cache", &std::fs::read(entry.path()).unwrap()),
            }
        }
    }
    // A password in a URL is refused, and not repeated.
    world.configure(&with_url_password);
    let output = world.command(&["once", "--output", "json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    no_canary("stdout", &output.stdout);
    no_canary("stderr", &output.stderr);
}
