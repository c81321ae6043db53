//! Stories on the real `docker-registry` behind a token service.

use repin::credentials::Credentials;
use repin::model::names::{ImageName, Tag};
use repin::registry::{Login, Options, Registries, RegistryOptions};
use repin::secret::Secret;
use serde_json::{Value, json};

use crate::docker_registry::token_server::TokenRequest;
use crate::docker_registry::{Access, DockerRegistry, PASSWORD, USER, tls};
use crate::running::{Daemon, wait};
use crate::world::{App, Said, World, said};

const WEB: App<'_> = App { name: "web", constraint: "1.x", annotations: &[] };
const VARIABLE: &str = "REPIN_TEST_REGISTRY_PASSWORD";

fn bearer() -> Option<World> {
    let world = World::with_docker(Access::Bearer)?;
    log_in(&world, "");
    Some(world)
}

/// Configures the registry with its account, and with more settings.
fn log_in(world: &World, more: &str) {
    let settings = world.registry.settings();
    let credentials = format!("    credentials: {{username: {USER}, password: {{env: {VARIABLE}}}}}\n");
    world.configure(&world.standard_config().replace(&settings, &format!("{settings}{credentials}{more}")));
}

fn once(world: &World, password: &str) -> Said {
    said(&world.command(&["once", "--output", "json"]).env(VARIABLE, password).output().unwrap())
}

fn judged(said: &Said) -> (&str, &str) {
    let outcomes = said.json["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 1, "{said:#?}");
    (outcomes[0]["result"].as_str().unwrap(), outcomes[0]["code"].as_str().unwrap())
}

fn token_requests(world: &World) -> Vec<TokenRequest> {
    world.registry.docker().tokens().requests()
}

#[test]
fn a_release_is_taken_and_a_rollback_is_respected_behind_a_token_service() {
    let Some(world) = bearer() else { return };
    world.registry.publish("acme/web", &["1.0.0"]);
    world.add_app(&WEB, "1.0.0");
    assert_eq!(judged(&once(&world, PASSWORD)), ("current", "current"));
    world.registry.publish("acme/web", &["1.1.0", "2.0.0"]);
    let before = token_requests(&world).len();
    let delivered = once(&world, PASSWORD);
    assert_eq!(judged(&delivered), ("delivered", "delivered"), "{delivered:#?}");
    assert_eq!(world.tag("web"), "1.1.0");
    let scope = "repository:acme/web:pull".to_owned();
    let wanted = [TokenRequest { user: Some(USER.to_owned()), scope, status: 200 }];
    assert_eq!(token_requests(&world)[before..], wanted, "one token for the list and the digest");

    world.remote.revert(&world.remote.head());
    let head = world.remote.head();
    assert_eq!(judged(&once(&world, PASSWORD)), ("held", "guard/rolled-back"));
    assert_eq!(world.remote.head(), head);
    world.registry.publish("acme/web", &["1.2.0"]);
    assert_eq!(judged(&once(&world, PASSWORD)), ("delivered", "delivered"));
    assert_eq!(world.tag("web"), "1.2.0");
}

#[test]
fn a_wrong_password_is_told_with_the_words_of_the_token_service_and_never_shown() {
    let Some(world) = bearer() else { return };
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.add_app(&WEB, "1.0.0");
    let wrong = "canary-WRONG-77e0";
    let refused = once(&world, wrong);
    assert_eq!((refused.code, judged(&refused)), (1, ("failed", "registry/unauthorized")), "{refused:#?}");
    let problem = &refused.json["problems"][0];
    let (message, hint) = (problem["message"].as_str().unwrap(), problem["hint"].as_str().unwrap());
    assert!(message.contains("wrong user or password"), "{message}");
    assert!(hint.contains(&format!("`credentials` of `{}`", world.registry.host())), "{hint}");
    let all = format!("{refused:?}");
    assert!(!all.contains(wrong) && !all.contains(PASSWORD), "{all}");
    assert!(token_requests(&world).iter().all(|request| request.status == 401), "nothing was tried without it");
    assert_eq!(world.tag("web"), "1.0.0");
}

#[test]
fn everybody_reads_what_is_public_and_nobody_what_is_not() {
    let Some(world) = World::with_docker(Access::Bearer) else { return };
    let list = |repository: &str| {
        let image: ImageName = format!("{}/{repository}", world.registry.host()).parse().unwrap();
        let client = client(world.registry.docker(), Login::default());
        block_on(async move { client.list_tags(&image).await })
    };
    world.registry.publish("public/tool", &["1.0.0"]);
    world.registry.publish("acme/web", &["1.0.0"]);
    assert_eq!(list("public/tool").unwrap().tags.to_vec(), ["1.0.0".parse::<Tag>().unwrap()]);
    let error = list("acme/web").unwrap_err();
    use repin::diagnostic::Diagnostic;
    assert_eq!(error.code(), "registry/unauthorized", "{error}");
    assert!(error.hint().unwrap().contains("set `credentials`"), "{error}");
    assert!(token_requests(&world).iter().all(|request| request.user.is_none()));
}

#[test]
fn a_token_that_the_registry_no_longer_takes_is_renewed_once_between_two_questions() {
    let Some(registry) = DockerRegistry::start(Access::Bearer) else { return };
    registry.publish("acme/web", &["1.0.0"]);
    // It says that it lives for five minutes, and does so for some seconds.
    registry.tokens().set_lifetime(3);
    let password = Credentials::Basic { username: USER.to_owned(), password: Secret::new(PASSWORD) };
    let client = client(&registry, password.into());
    let image: ImageName = format!("{}/acme/web", registry.host()).parse().unwrap();
    let listing = block_on(client.list_tags(&image)).unwrap();
    let first = registry.tokens().last();
    let seen = registry.tokens().requests().len();
    wait("the end of the token", || (registry.status_with_token("acme/web", &first) == 401).then_some(()), String::new);
    let digest = block_on(client.resolve_tag(&image, &listing.tags.to_vec()[0])).unwrap().unwrap();
    assert_eq!(digest.as_str(), registry.digest("acme/web", "1.0.0"));
    assert_eq!(registry.tokens().requests().len(), seen + 1);
}

#[test]
fn a_daemon_outlives_its_tokens() {
    let Some(world) = bearer() else { return };
    world.registry.docker().tokens().set_lifetime(2);
    world.registry.publish("acme/web", &["1.0.0"]);
    world.add_app(&WEB, "1.0.0");
    let daemon = Daemon::start_with(&world, |command| {
        command.env(VARIABLE, PASSWORD);
    });
    let tokens = || token_requests(&world).len();
    wait("some tokens to end", || (tokens() >= 3).then_some(()), || daemon.log());
    world.registry.publish("acme/web", &["1.1.0"]);
    wait("the release", || (world.tag("web") == "1.1.0").then_some(()), || daemon.log());
    assert!(!daemon.log().contains("registry/"), "{}", daemon.log());
    assert!(!daemon.log().contains(PASSWORD), "{}", daemon.log());
}

#[test]
fn the_highest_of_three_hundred_unsorted_tags_is_taken_and_a_deleted_one_never() {
    let Some(world) = bearer() else { return };
    // 7 is coprime to 300, so this is every number once, in no order.
    let tags: Vec<String> = (0..300).map(|at| at * 7 % 300).map(|n| format!("1.{}.{}", n / 20, n % 20)).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    world.registry.publish("acme/web", &tags);
    world.add_app(&WEB, "1.0.0");
    let listed = world.registry.docker().tags("acme/web");
    assert_eq!(listed.len(), 300);
    for tag in ["1.14.19", "1.14.18"] {
        world.registry.remove("acme/web", tag);
    }
    let delivered = once(&world, PASSWORD);
    assert_eq!(judged(&delivered), ("delivered", "delivered"), "{delivered:#?}");
    assert_eq!(world.tag("web"), "1.14.17");
    let output = world.command(&["explain", "web", "--output", "json"]).env(VARIABLE, PASSWORD).output().unwrap();
    let candidates = said(&output).json["images"][0]["candidates"].clone();
    assert_eq!(candidates.as_array().map(Vec::len), Some(298));
    let first: &Value = &candidates[0];
    assert_eq!((&first["tag"], &first["standing"]), (&json!("1.14.17"), &json!("current")));
}

fn client(registry: &DockerRegistry, login: Login) -> Registries {
    let ca = std::fs::read(tls("ca.pem")).unwrap();
    let settings = RegistryOptions { host: registry.host(), ca: Some(ca), login, ..RegistryOptions::default() };
    Registries::new(Options { registries: vec![settings], ..Options::default() }).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
