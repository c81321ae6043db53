//! What only a real registry shows: images for several platforms, deleted tags, its order, its passwords and its TLS.

use std::process::Command;

use serde_json::{Value, json};

use crate::docker_registry::{Access, Index, PASSWORD, USER, tls};
use crate::world::{App, Said, World, said};

const WEB: App<'_> = App { name: "web", constraint: "1.x", annotations: &[] };
/// Environment variable that holds the password in these stories.
const VARIABLE: &str = "REPIN_TEST_REGISTRY_PASSWORD";

fn judged(outcome: &Value) -> (&str, &str) {
    (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap())
}

#[test]
fn a_tag_for_several_platforms_is_taken_with_the_digest_of_its_index() {
    let Some(world) = World::with_docker(Access::Open) else { return };
    world.add_web(&["1.0.0"]);
    for (tag, kind) in [("1.1.0", Index::Oci), ("1.2.0", Index::Docker)] {
        world.registry.docker().publish_index("acme/web", tag, kind);
        let outcome = world.once();
        assert_eq!((judged(&outcome), outcome["to"].as_str()), (("delivered", "delivered"), Some(tag)), "{outcome:#}");
        let (_, _, body) = world.remote.log().remove(0);
        let change = body.lines().find(|line| line.starts_with("Repin-Change: ")).unwrap();
        assert!(change.ends_with(&format!(" {tag} {}", world.registry.digest("acme/web", tag))), "{change}");
    }
    assert_eq!(judged(&world.once()), ("current", "current"));
}

#[test]
fn a_deleted_tag_is_no_candidate_and_a_deleted_current_tag_stops_nothing() {
    let Some(world) = World::with_docker(Access::Open) else { return };
    world.add_web(&["1.0.0", "1.1.0"]);
    world.registry.remove("acme/web", "1.1.0");
    assert_eq!(judged(&world.once()), ("current", "current"));
    world.registry.publish("acme/web", &["1.2.0"]);
    world.registry.remove("acme/web", "1.0.0");
    assert_eq!(world.once()["to"], "1.2.0");
    world.registry.remove("acme/web", "1.2.0");
    let outcome = world.once();
    assert_eq!(judged(&outcome), ("held", "guard/listing"), "an empty list after a filled one: {outcome:#}");
    assert_eq!(world.tag("web"), "1.2.0");
}

#[test]
fn the_highest_of_sixty_unsorted_tags_is_taken_and_each_has_a_verdict() {
    let Some(world) = World::with_docker(Access::Open) else { return };
    // 7 is coprime to 60, so this is every number once, in no order.
    let tags: Vec<String> = (0..60).map(|at| at * 7 % 60).map(|n| format!("1.{}.{}", n / 10, n % 10 + 5)).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    world.add_web(&tags);
    let signature = format!("sha256-{}.sig", "ab".repeat(32));
    world.registry.publish("acme/web", &["latest", "2.0.0-rc.1", &signature]);
    let listed = world.registry.docker().tags("acme/web");
    assert_eq!(listed.len(), 63);
    let outcome = world.once();
    assert_eq!(outcome["to"], "1.5.14", "{outcome:#}");
    let explained = world.repin(&["explain", "web"]).json;
    let candidates = explained["images"][0]["candidates"].as_array().unwrap();
    let eligible: Vec<&Value> = candidates.iter().filter(|one| one["verdict"] == "eligible").collect();
    assert_eq!((eligible.len(), &eligible[0]["tag"], &eligible[59]["tag"]), (60, &json!("1.5.14"), &json!("1.0.5")));
    let mut named: Vec<&str> = candidates.iter().filter_map(|one| one["tag"].as_str()).collect();
    let code = |tag: &str| candidates.iter().find(|one| one["tag"] == tag).unwrap()["code"].clone();
    assert_eq!(
        [code("latest"), code("2.0.0-rc.1"), code(&signature), code("1.0.5")],
        ["not-a-version".into(), "prerelease".into(), "not-a-candidate".into(), Value::Null]
    );
    let mut expected: Vec<&str> = listed.iter().map(String::as_str).collect();
    named.sort_unstable();
    expected.sort_unstable();
    assert_eq!(named, expected);
}

#[test]
fn a_password_and_an_own_authority_open_a_registry_by_variable_and_by_file() {
    let Some(world) = guarded() else { return };
    world.add_app(&WEB, "1.0.0");
    for (reference, tag) in [(format!("env: {VARIABLE}"), "1.1.0"), (format!("file: {}", kept(&world)), "1.2.0")] {
        world.registry.publish("acme/web", &["1.0.0", tag]);
        log_in(&world, &format!("{{username: {USER}, password: {{{reference}}}}}"), "ca.pem");
        let outcome = &once(&world, PASSWORD).json["outcomes"][0];
        assert_eq!((judged(outcome), outcome["to"].as_str()), (("delivered", "delivered"), Some(tag)), "{outcome:#}");
    }
}

#[test]
fn a_wrong_password_fails_its_image_by_name_and_is_never_shown() {
    let Some(world) = guarded() else { return };
    world.add_app(&WEB, "1.0.0");
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let wrong = "canary-WRONG-5d20";
    log_in(&world, &format!("{{username: {USER}, password: {{env: {VARIABLE}}}}}"), "ca.pem");
    let said = once(&world, wrong);
    assert_eq!((said.code, judged(&said.json["outcomes"][0])), (1, ("failed", "registry/unauthorized")), "{said:#?}");
    let problem = &said.json["problems"][0];
    assert_eq!(problem["code"], "registry/unauthorized");
    assert!(problem["message"].as_str().unwrap().contains(&world.registry.host()), "{problem:#}");
    assert!(problem["hint"].as_str().unwrap().contains("credentials"), "{problem:#}");
    let all = format!("{said:?}");
    assert!(!all.contains(wrong) && !all.contains(PASSWORD), "{all}");
    // Nobody at all: another message, the same code.
    world.configure(&world.standard_config());
    let said = once(&world, PASSWORD);
    assert_eq!(judged(&said.json["outcomes"][0]), ("failed", "registry/unauthorized"), "{said:#?}");
    assert_eq!(world.tag("web"), "1.0.0");
}

#[test]
fn a_certificate_of_a_strange_authority_is_refused_with_the_setting_that_would_trust_it() {
    let Some(world) = guarded() else { return };
    world.add_app(&WEB, "1.0.0");
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let credentials = format!("{{username: {USER}, password: {{env: {VARIABLE}}}}}");
    let config = world.standard_config();
    let without = config.lines().filter(|line| !line.trim_start().starts_with("ca: ")).collect::<Vec<_>>().join("\n");
    log_in(&world, &credentials, "other-ca.pem");
    let wrong = std::fs::read_to_string(world.config()).unwrap();
    for config in [wrong, without] {
        world.configure(&config);
        let said = once(&world, PASSWORD);
        let outcome = &said.json["outcomes"][0];
        assert_eq!((said.code, judged(outcome)), (1, ("failed", "registry/tls")), "{said:#?}");
        let hint = said.json["problems"][0]["hint"].as_str().unwrap();
        assert!(hint.contains("`ca`") && hint.contains(&world.registry.host()), "{hint}");
    }
    assert_eq!(world.tag("web"), "1.0.0");
}

#[test]
fn http_and_https_taken_for_each_other_are_told_apart_with_the_setting_that_helps() {
    let Some(open) = World::with_docker(Access::Open) else { return };
    open.add_web(&["1.0.0", "1.1.0"]);
    let config = open.standard_config();
    open.configure(&config.replace("    insecure: true\n", ""));
    let said = once(&open, PASSWORD);
    assert_eq!(judged(&said.json["outcomes"][0]), ("failed", "registry/tls"), "{said:#?}");
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("`insecure: true`"), "{said:#?}");
    let Some(guarded) = guarded() else { return };
    guarded.add_app(&WEB, "1.0.0");
    let ca = format!("ca: {}", tls("ca.pem").display());
    guarded.configure(&guarded.standard_config().replace(&ca, "insecure: true"));
    let said = once(&guarded, PASSWORD);
    // A server that wants TLS answers plain HTTP with 400.
    assert_eq!(judged(&said.json["outcomes"][0]), ("failed", "registry/server-error"), "{said:#?}");
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("remove `insecure: true`"), "{said:#?}");
}

#[test]
fn a_repository_that_is_not_there_and_a_registry_that_went_down_fail_their_images_only() {
    let Some(mut world) = World::with_docker(Access::Open) else { return };
    world.add_web(&["1.0.0", "1.1.0"]);
    world.add_app(&App { name: "typo", constraint: "", annotations: &[] }, "1.0.0");
    let said = world.repin(&["once"]);
    let judgement = |said: &Said, application: &str| {
        let outcomes = said.json["outcomes"].as_array().unwrap();
        let outcome = outcomes.iter().find(|one| one["application"] == application).unwrap();
        (outcome["result"].as_str().unwrap().to_owned(), outcome["code"].as_str().unwrap().to_owned())
    };
    let pair = |result: &str, code: &str| (result.to_owned(), code.to_owned());
    assert_eq!(judgement(&said, "argocd/typo"), pair("failed", "registry/not-found"), "{said:#?}");
    assert_eq!(judgement(&said, "argocd/web"), pair("delivered", "delivered"), "{said:#?}");
    assert_eq!(said.code, 1);
    let head = world.remote.head();
    world.registry.docker_mut().stop();
    let said = world.repin(&["once"]);
    assert_eq!(judgement(&said, "argocd/web"), pair("failed", "registry/unreachable"), "{said:#?}");
    assert_eq!((said.code, world.remote.head()), (1, head));
}

fn guarded() -> Option<World> {
    World::with_docker(Access::Guarded)
}

/// Keeps the password in a file, as an editor would: with a line end.
fn kept(world: &World) -> String {
    let path = world.remote.scratch().join("password");
    std::fs::write(&path, format!("{PASSWORD}\n")).unwrap();
    path.display().to_string()
}

/// Configures the registry with credentials and an authority of the tests' certificates.
fn log_in(world: &World, credentials: &str, authority: &str) {
    let settings = world.registry.settings();
    let with = settings.replace(&tls("ca.pem").display().to_string(), &tls(authority).display().to_string());
    let with = format!("{with}    credentials: {credentials}\n");
    world.configure(&world.standard_config().replace(&settings, &with));
}

fn once(world: &World, password: &str) -> Said {
    let mut command: Command = world.command(&["once", "--output", "json"]);
    said(&command.env(VARIABLE, password).output().unwrap())
}
