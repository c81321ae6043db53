//! Pulp: pages with `Link`, and a token server of its own.

use repin::credentials::Credentials;
use repin::diagnostic::Diagnostic;
use repin::model::names::{ImageName, Tag};
use repin::registry::{Limits, Options, Registries, RegistryOptions};
use repin::secret::Secret;

use crate::pulp::{PASSWORD, Pulp, USER};
use crate::world::{App, World};

#[test]
fn pulp_is_listed_page_by_page_with_its_own_tokens_and_a_release_is_taken_from_it() {
    let Some(pulp) = Pulp::start() else { return };
    let tags: Vec<String> = (0..5).map(|at| format!("1.{at}.0")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    // Each push is a task of Pulp's and takes seconds, so a few tags and small pages.
    pulp.publish("acme/web", &tags);
    let image: ImageName = format!("{}/acme/web", pulp.host()).parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    let right = client(&pulp, PASSWORD);
    let listing = runtime.block_on(right.list_tags(&image)).unwrap();
    let mut wanted: Vec<Tag> = tags.iter().map(|tag| tag.parse().unwrap()).collect();
    wanted.sort();
    assert_eq!((listing.tags.to_vec(), listing.truncated), (wanted, None));
    // The challenge, the token, and three pages; then three pages.
    let sent = |client: &Registries| client.traffic().values().map(|traffic| traffic.requests).sum::<u64>();
    assert_eq!(sent(&right), 5);
    runtime.block_on(right.list_tags(&image)).unwrap();
    assert_eq!(sent(&right), 8);

    let error = runtime.block_on(client(&pulp, "canary-WRONG-1f11").list_tags(&image)).unwrap_err();
    assert_eq!(error.code(), "registry/unauthorized", "{error}");
    assert!(error.to_string().contains("Invalid username/password"), "{error}");
    assert!(!error.to_string().contains("canary"), "{error}");

    let world = World::create();
    let host = world.registry.host();
    let app = App { name: "web", constraint: "1.x", annotations: &[] };
    let (values, manifest) = (world.values("web", "1.0.0"), world.application(&app));
    let at_pulp = |text: &str| text.replace(&host, &pulp.host());
    world.remote.commit(
        &[("argocd/web.yaml", &at_pulp(&manifest)), ("apps/web/values.yaml", &at_pulp(&values))],
        "Add web, from Pulp",
    );
    let password = world.remote.scratch().join("pulp-password");
    std::fs::write(&password, PASSWORD).unwrap();
    let credentials = format!("    credentials: {{username: {USER}, password: {{file: {}}}}}\n", password.display());
    let settings = format!("{}{credentials}", at_pulp(&world.registry.settings()));
    world.configure(&world.standard_config().replace(&world.registry.settings(), &settings));
    world.takes("1.4.0");
    world.remote.revert(&world.remote.head());
    assert_eq!(world.once()["code"], "guard/rolled-back");
    pulp.publish("acme/web", &["1.5.0"]);
    world.takes("1.5.0");
}

/// Asks for two tags a page.
fn client(pulp: &Pulp, password: &str) -> Registries {
    let login = Credentials::Basic { username: USER.to_owned(), password: Secret::new(password) };
    let settings =
        RegistryOptions { host: pulp.host(), insecure: true, login: login.into(), ..RegistryOptions::default() };
    let limits = Limits { page_size: 2, ..Limits::default() };
    Registries::new(Options { registries: vec![settings], limits, ..Options::default() }).unwrap()
}
