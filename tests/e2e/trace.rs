//! What runs where, how it got there, and where something is now: `repin trace`, as far as Git alone says it.

use serde_json::{Value, json};

use crate::registry::Image;
use crate::remote::{BareRemote, NewCommit};
use crate::world::{App, Said, World};

const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

/// A service `web` in dev and staging, and in production, which has a repository of its own.
struct Fleet {
    world: World,
    locked: BareRemote,
}

impl Fleet {
    /// All of them at 1.0.0, which nobody says the source of.
    fn create() -> Self {
        let fleet = Self { world: World::create(), locked: BareRemote::create() };
        let (world, locked) = (&fleet.world, &fleet.locked);
        let rules: String = ["dev", "staging", "production"]
            .map(|name| {
                format!("  - match: {{path: \"apps/web-{name}/**\"}}\n    environment: {name}\n    delivery: commit\n")
            })
            .concat();
        let config = world.standard_config();
        let (head, _) = config.split_once("rules:\n").unwrap();
        let head = head
            .replace(
                "registries:\n",
                &format!(
                    "  - name: locked\n    url: {}\n    branch: main\n    also: [\"https://gitlab.example.com/ops/locked.git\"]\nregistries:\n",
                    locked.url()
                ),
            )
            .replacen("    branch: main\n", "    branch: main\n    also: [\"https://github.com/acme/gitops\"]\n", 1);
        world.configure(&format!("{head}rules:\n{rules}"));
        for (environment, hour) in [("dev", 8), ("staging", 9), ("production", 10)] {
            let name = format!("web-{environment}");
            let app = App { name: &name, constraint: "", annotations: &[] };
            let remote = fleet.remote(environment);
            let manifest = world
                .application(&app)
                .replace(&format!("acme/{name}"), "acme/web")
                .replace(&world.remote.url(), &remote.url());
            let (at, values) = (format!("argocd/{name}.yaml"), world.values("web", "1.0.0"));
            let files = [(at.as_str(), manifest.as_str()), (&values_of(environment), &values)];
            let commit = NewCommit::new(&files, "Add web");
            remote.make(&NewCommit { date: Some(format!("2026-01-01T{hour:02}:00:00Z")), ..commit });
        }
        fleet
    }

    fn remote(&self, environment: &str) -> &BareRemote {
        if environment == "production" { &self.locked } else { &self.world.remote }
    }

    /// Commits a release as repin does.
    fn release(
        &self,
        environment: &str,
        subject: &str,
        (old, new): (&str, &str),
        revision: &str,
        date: &str,
    ) -> String {
        let message = format!(
            "{subject}\n\nRepin-Format: 1\nRepin-Change: {file}#image.tag {image} {old} {new} {digest}\n\
             Repin-Application: argocd/web-{environment} ({environment})\nRepin-Reason: semver; {new} is the newest\n\
             Repin-Source: https://github.com/acme/web@{revision}\n",
            file = values_of(environment),
            image = self.world.image("web"),
            digest = digest(new),
        );
        self.set(environment, new, &message, date)
    }

    fn set(&self, environment: &str, tag: &str, message: &str, date: &str) -> String {
        let (file, values) = (values_of(environment), self.world.values("web", tag));
        let commit = NewCommit::new(&[(&file, &values)], message);
        self.remote(environment).make(&NewCommit { date: Some(date.to_owned()), ..commit })
    }

    /// dev: 1.1.0 and 1.2.0; staging: 1.1.0 by hand; production: 1.1.0 by a pull request, taken back.
    fn grown() -> Self {
        let fleet = Self::create();
        fleet.release("dev", "Update web-dev to 1.1.0", ("1.0.0", "1.1.0"), B, "2026-01-02T08:00:00Z");
        fleet.set("staging", "1.1.0", "Take it by hand", "2026-01-03T08:00:00Z");
        fleet.release("production", "Update web (#7)", ("1.0.0", "1.1.0"), B, "2026-01-04T08:00:00Z");
        fleet.set("production", "1.0.0", "Revert \"Update web (#7)\"", "2026-01-04T09:00:00Z");
        fleet.release("dev", "Update web-dev to 1.2.0", ("1.1.0", "1.2.0"), C, "2026-01-05T08:00:00Z");
        fleet
    }

    fn trace(&self, what: &str) -> Said {
        self.world.repin(&["trace", what, "--now", "2026-01-06T08:00:00Z"])
    }

    /// `environment tag state`, in the order of the answer.
    fn states(&self, what: &str) -> Vec<String> {
        let said = self.trace(what);
        assert_eq!(said.code, 0, "{what}: {said:#?}");
        places(&said).iter().map(state).collect()
    }
}

fn values_of(environment: &str) -> String {
    format!("apps/web-{environment}/values.yaml")
}

fn digest(tag: &str) -> String {
    let digit = tag.as_bytes()[2] as char;
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn places(said: &Said) -> Vec<Value> {
    let services = said.json["services"].as_array().unwrap();
    services.iter().flat_map(|service| service["environments"].as_array().unwrap().clone()).collect()
}

fn state(place: &Value) -> String {
    let word = |field: &str| place[field].as_str().unwrap_or("-");
    assert!(!word("message").is_empty());
    format!("{} {} {}", word("environment"), word("tag"), word("state"))
}

#[test]
fn a_service_is_told_with_all_its_environments_and_when_each_value_reached_them() {
    let fleet = Fleet::grown();
    fleet.world.registry.forget_requests();
    let said = fleet.trace("web");
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(fleet.world.registry.requests().len(), 0, "no registry is asked");
    assert_eq!(
        said.json["query"],
        json!({"kind": "application", "text": "web", "revision": null, "pull_request": null})
    );
    let all: Vec<String> = places(&said).iter().map(state).collect();
    assert_eq!(all, ["staging 1.1.0 runs", "production 1.0.0 runs", "dev 1.2.0 runs"]);
    let service = &said.json["services"][0];
    assert_eq!((&service["service"], &service["alias"]), (&json!("argocd/web"), &json!("app")));
    let reached: Vec<String> = service["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| {
            let at =
                |one: &Value| format!("{} {}", one["environment"].as_str().unwrap(), one["time"].as_str().unwrap());
            let places: Vec<String> = value["reached"].as_array().unwrap().iter().map(at).collect();
            format!("{}: {}", value["tag"].as_str().unwrap(), places.join(", "))
        })
        .collect();
    assert_eq!(
        reached,
        [
            "1.1.0: dev 2026-01-02T08:00:00Z, staging 2026-01-03T08:00:00Z, production 2026-01-04T08:00:00Z",
            "1.0.0: dev 2026-01-01T08:00:00Z, staging 2026-01-01T09:00:00Z, production 2026-01-01T10:00:00Z",
            "1.2.0: dev 2026-01-05T08:00:00Z",
        ]
    );
    let (staging, production, dev) = (&places(&said)[0], &places(&said)[1], &places(&said)[2]);
    assert_eq!(dev["digest"], digest("1.2.0"));
    let source = json!({"url": "https://github.com/acme/web", "revision": C, "said_by": "commit", "pull_requests": []});
    assert_eq!(dev["source"], source);
    assert_eq!((&dev["by"], &staging["by"], &staging["source"]), (&json!("repin"), &json!("person"), &Value::Null));
    assert_eq!((&production["took_back"], &production["repository"]), (&json!(["1.1.0"]), &json!("locked")));
    assert_eq!(production["commit"]["subject"], "Revert \"Update web (#7)\"");
    // Nobody was asked, and that is said.
    let problem = &said.json["problems"][0];
    assert_eq!(
        (&problem["code"], &problem["severity"]),
        (&json!("trace/unconfigured"), &json!("warning")),
        "{said:#?}"
    );
    assert!(problem["hint"].as_str().unwrap().contains("- url: https://github.com`"), "{problem:#}");
    assert_eq!(fleet.states("argocd/web-production"), ["production 1.0.0 runs"]);
    assert_eq!(fleet.states(&fleet.world.image("web")).len(), 3);
}

#[test]
fn a_revision_is_found_in_every_environment_by_what_git_says() {
    let fleet = Fleet::grown();
    for id in [B, &B[..7], &B.to_uppercase()] {
        assert_eq!(
            fleet.states(id),
            ["dev 1.2.0 was", "staging 1.1.0 runs", "production 1.0.0 was"],
            "{id}: in the order in which it came"
        );
    }
    let said = fleet.trace(B);
    let (dev, staging, production) = (&places(&said)[0], &places(&said)[1], &places(&said)[2]);
    assert_eq!(said.json["query"]["revision"], B);
    assert_eq!((&dev["reached"], &dev["left"]), (&json!("2026-01-02T08:00:00Z"), &json!("2026-01-05T08:00:00Z")));
    assert_eq!((&dev["taken_back"], &production["taken_back"]), (&json!(false), &json!(true)));
    assert_eq!(
        (&production["reached"], &production["left"]),
        (&json!("2026-01-04T08:00:00Z"), &json!("2026-01-04T09:00:00Z"))
    );
    assert!(production["message"].as_str().unwrap().contains("taken back to 1.0.0 by A Person"), "{production:#}");
    assert_eq!((&staging["reached"], &staging["left"]), (&json!("2026-01-03T08:00:00Z"), &Value::Null));
    // It never came to the others, and Git alone does not say what they were built from.
    let newest = fleet.states(&format!("https://github.com/acme/web/commit/{C}"));
    assert_eq!(newest, ["dev 1.2.0 runs", "staging 1.1.0 not-yet", "production 1.0.0 not-yet"]);
}

#[test]
fn an_image_is_found_by_tag_and_by_digest() {
    let fleet = Fleet::grown();
    let image = fleet.world.image("web");
    let tag = |tag: &str| fleet.states(&format!("{image}:{tag}"));
    assert_eq!(tag("1.1.0"), ["dev 1.2.0 was", "staging 1.1.0 runs", "production 1.0.0 was"]);
    assert_eq!(tag("1.3.0"), ["staging 1.1.0 not-yet", "production 1.0.0 not-yet", "dev 1.2.0 not-yet"]);
    assert_eq!(tag("1.1.5"), ["staging 1.1.0 not-yet", "production 1.0.0 not-yet", "dev 1.2.0 skipped"]);
    // What a person wrote has no digest in Git.
    for what in [format!("{image}@{}", digest("1.1.0")), digest("1.1.0")] {
        assert_eq!(fleet.states(&what), ["dev 1.2.0 was", "production 1.0.0 was", "staging 1.1.0 not-yet"], "{what}");
    }
    let both = format!("{image}:1.1.0@{}", digest("1.2.0"));
    assert_eq!(fleet.states(&both), ["staging 1.1.0 runs", "dev 1.2.0 runs", "production 1.0.0 not-yet"]);
}

#[test]
fn a_commit_and_a_pull_request_of_the_gitops_repository_are_followed_on() {
    let fleet = Fleet::create();
    let update = fleet.release("dev", "Update web-dev to 1.1.0 (#4)", ("1.0.0", "1.1.0"), B, "2026-01-02T08:00:00Z");
    fleet.release("production", "Update web", ("1.0.0", "1.1.0"), B, "2026-01-03T08:00:00Z");
    let expected = ["dev 1.1.0 runs", "production 1.1.0 runs", "staging 1.0.0 not-yet"];
    for what in [
        update.as_str(),
        &update[..9],
        "acme/gitops#4",
        "https://github.com/acme/gitops/pull/4",
        &format!("https://github.com/acme/gitops/commit/{update}"),
    ] {
        assert_eq!(fleet.states(what), expected, "{what}");
    }
    let said = fleet.trace("acme/gitops#4");
    let pull = &places(&said)[0]["commit"]["pull_request"];
    assert_eq!(*pull, json!({"number": 4, "text": "#4", "url": "https://github.com/acme/gitops/pull/4"}));
    // The same number of another repository is another pull request.
    for what in ["ops/locked!4", "https://gitlab.example.com/ops/locked/-/merge_requests/4", "acme/gitops#5"] {
        let said = fleet.trace(what);
        assert_eq!((said.code, &said.json["problems"][0]["code"]), (2, &json!("trace/unknown")), "{what}: {said:#?}");
    }
}

#[test]
fn a_merge_of_a_pull_request_and_the_commit_that_it_brought_are_the_same_to_trace() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let base = world.remote.head();
    let update = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.work(&["fetch", "--quiet", "origin"]);
    world.remote.work(&["checkout", "--quiet", "-B", "main", &base]);
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge pull request #12 from acme/repin/web", &update]);
    let merge = world.remote.push_work("main");
    for what in [&merge[..12], &update[..12]] {
        let said = world.repin(&["trace", what]);
        let place = &places(&said)[0];
        assert_eq!(state(place), "dev 1.1.0 runs", "{said:#?}");
        let commit = &place["commit"];
        assert_eq!((&commit["id"], &commit["merged_by"]), (&json!(merge), &json!("A Person")));
        assert_eq!((&commit["pull_request"]["number"], &commit["approved_by"]), (&json!(12), &json!([])));
    }
}

#[test]
fn a_pull_request_of_a_source_that_nobody_may_ask_is_unknown_and_says_why() {
    let fleet = Fleet::grown();
    for what in ["acme/web#12", "https://github.com/acme/web/pull/12/files"] {
        let said = fleet.trace(what);
        assert_eq!(said.code, 0, "{said:#?}");
        assert!(places(&said).iter().all(|place| place["state"] == "unknown"), "{said:#?}");
        let message = places(&said)[0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("no forge is configured for https://github.com/acme/web"), "{message}");
        assert_eq!(said.json["problems"][0]["code"], "trace/unconfigured");
    }
}

#[test]
fn what_is_nowhere_is_told_with_what_is_near() {
    let fleet = Fleet::grown();
    let image = fleet.world.image("wep");
    for (what, hint) in [
        ("wep", "did you mean `argocd/web-"),
        (image.as_str(), "acme/web`?"),
        ("ghcr.io/acme/web:1.0.0", "acme/web`?"),
        ("0123456789abcdef", "configure the forge"),
        ("012345", "a commit (7 hexadecimal digits or more)"),
        ("https://github.com/acme/web", "a pull request (its URL"),
        ("https://github.com/acme/nothing/pull/1", "Repin-Source"),
        ("nobody/nothing#1", "Repin-Source"),
        ("Not An Image", "write an Application"),
        ("", "write an Application"),
        ("web@sha256:123", "a digest is"),
        ("\u{1b}[2J\u{202e}", "write an Application"),
    ] {
        let said = fleet.trace(what);
        let problem = &said.json["problems"][0];
        assert_eq!((said.code, &problem["code"]), (2, &json!("trace/unknown")), "{what}: {said:#?}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{what}: {problem:#}");
        assert_eq!((&said.json["services"], &said.json["query"]["kind"]), (&json!([]), &Value::Null));
        assert!(!said.talk.contains(['\u{1b}', '\u{202e}']), "{:?}", said.talk);
    }
    // An Application may be called like a commit.
    let app = App { name: "deadbeef", constraint: "", annotations: &[] };
    fleet.world.add_app(&app, "1.0.0");
    assert_eq!(fleet.trace("deadbeef").json["query"]["kind"], "application");
    assert_eq!(fleet.trace("deadbee").code, 2);
}

#[test]
fn the_registry_says_where_an_image_comes_from_only_if_it_is_asked() {
    let world = World::with_web(&["1.0.0"]);
    let labels = json!({
        "org.opencontainers.image.source": "git@github.com:acme/web.git",
        "org.opencontainers.image.revision": C,
    });
    let image = Image { labels, ..Image::built("2026-01-01T00:00:00Z") };
    world.registry.fake().push("acme/web", "1.0.0", &image);
    let source =
        json!({"url": "https://github.com/acme/web", "revision": C, "said_by": "registry", "pull_requests": []});
    for (flag, expected) in [(None, Value::Null), (Some("--registry"), source)] {
        world.registry.forget_requests();
        let arguments: Vec<&str> = ["trace", "web"].into_iter().chain(flag).collect();
        let said = world.repin(&arguments);
        assert_eq!((said.code, world.registry.requests().is_empty()), (0, flag.is_none()), "{said:#?}");
        assert_eq!(places(&said)[0]["source"], expected);
    }
    // Nobody wrote in Git from which revision it was built; the registry did.
    assert_eq!(world.repin(&["trace", C]).code, 2);
    let said = world.repin(&["trace", "acme/web#1", "--registry"]);
    assert_eq!(places(&said)[0]["state"], "unknown", "{said:#?}");
}

#[test]
fn the_text_of_a_trace_reads_from_the_place_to_the_source() {
    let fleet = Fleet::grown();
    let output = fleet.world.command(&["trace", "web", "--now", "2026-01-06T08:00:00Z"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let image = fleet.world.image("web");
    for part in [
        "argocd/web app\n  staging  argocd/web-staging  runs  apps/web-staging/values.yaml#image.tag\n    1.1.0 since 2026-01-03T08:00:00Z\n".to_owned(),
        format!("    image    {image}:1.2.0  {}\n", digest("1.2.0")),
        format!("    source   https://github.com/acme/web@{C}\n"),
        " by A Person, took back 1.1.0: Revert \"Update web (#7)\"\n".to_owned(),
        "  1.1.0 reached dev 2026-01-02T08:00:00Z, staging 2026-01-03T08:00:00Z, production 2026-01-04T08:00:00Z\n".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}\n{text}");
    }
}
