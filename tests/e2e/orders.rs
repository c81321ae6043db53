//! The orders that look into images or into parts of tags, through the whole way, and what they cost.

use serde_json::{Value, json};

use crate::docker_registry::Access;
use crate::registry::{Behaviour, Image};
use crate::table::verdict;
use crate::world::{App, World};

const NEWEST: &str = "repin.dev/update-strategy: newest-build";

fn on(day: u32) -> Image {
    Image::built(&format!("2026-01-{day:02}T10:00:00Z"))
}

/// A world with one Application `web` at tag `a`, built on these days.
fn built(annotations: &[&str], images: &[(&str, u32)]) -> World {
    let world = World::create();
    for (tag, day) in images {
        world.registry.fake().push("acme/web", tag, &on(*day).marked(tag));
    }
    world.add_app(&App { name: "web", constraint: "", annotations }, "a");
    world
}

fn requests(world: &World) -> usize {
    let all = world.registry.requests().len();
    world.registry.forget_requests();
    all
}

#[test]
fn the_newest_build_is_taken_and_what_an_image_says_is_read_once() {
    let world = built(&[NEWEST], &[("a", 1), ("b", 3), ("c", 2)]);
    world.takes("b");
    // One listing; for each tag manifest and configuration.
    assert_eq!(requests(&world), 1 + 3 * 2);
    assert_eq!(world.once()["result"], "current");
    assert_eq!(requests(&world), 1 + 1, "what stands is looked at, and what the others named is remembered");
    world.registry.fake().push("acme/web", "d", &on(4));
    world.takes("d");
    assert_eq!(requests(&world), 1 + 1 + 2);
    world.drop_cache();
    assert_eq!(world.once()["result"], "current");
    assert_eq!(requests(&world), 1 + 4 * 2);
}

#[test]
fn what_cannot_be_read_in_this_cycle_lets_nothing_older_win() {
    for fault in [
        Behaviour::ManifestFails("c".into(), 503),
        Behaviour::ManifestFails("c".into(), 429),
        Behaviour::BlobsFail(500),
        Behaviour::BlobsFail(401),
    ] {
        let world = built(&[NEWEST], &[("a", 1), ("b", 2), ("c", 3)]);
        world.registry.set("acme/web", fault.clone());
        let outcome = world.once();
        assert_eq!(outcome["result"], "failed", "{fault:?}: {outcome:#}");
        assert!(outcome["code"].as_str().unwrap().starts_with("registry/"), "{outcome:#}");
        assert_eq!(world.tag("web"), "a", "{fault:?}");
        world.registry.clear("acme/web");
        world.takes("c");
    }
}

#[test]
fn what_is_gone_says_no_date_or_is_no_image_is_rejected_with_its_verdict() {
    let world = built(&[NEWEST], &[("a", 1), ("b", 2)]);
    let fake = world.registry.fake();
    fake.push("acme/web", "gone", &on(9));
    fake.set("acme/web", Behaviour::ManifestMissing("gone".into()));
    fake.push("acme/web", "undated", &Image::index(&["linux/amd64"]));
    let helm = "application/vnd.cncf.helm.config.v1+json".to_owned();
    fake.push("acme/web", "chart", &Image { config: helm, ..on(8) });
    let explained = world.repin(&["explain", "web"]).json["images"][0].clone();
    let rows: Vec<String> = explained["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {} {} {}", one["tag"], one["verdict"], one["code"], one["standing"]).replace('"', ""))
        .collect();
    assert_eq!(
        rows,
        [
            "b eligible null chosen",
            "a eligible null current",
            "undated rejected no-created null",
            "gone rejected gone null",
            "chart rejected not-an-image null",
        ],
        "{explained:#}"
    );
    world.takes("b");
}

#[test]
fn equal_dates_and_dates_that_say_nothing_are_never_decided_by_the_name() {
    let world = built(&[NEWEST], &[("a", 1), ("b", 2), ("c", 2)]);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(&said.json["outcomes"][0]), "held created/unusable");
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("allow-tags"), "{said:#?}");
    let world = built(&[NEWEST], &[("a", 1)]);
    for tag in ["b", "c"] {
        world.registry.fake().push("acme/web", tag, &Image::built("1970-01-01T00:00:00Z").marked(tag));
    }
    assert_eq!(verdict(&world.once()), "held created/unusable");
    assert_eq!(world.tag("web"), "a");
}

#[test]
fn platforms_keep_a_tag_out_and_the_next_one_is_taken() {
    let world = World::create();
    let fake = world.registry.fake();
    let both = Image::index(&["linux/amd64 2026-01-01T00:00:00Z", "linux/arm64 2026-01-01T00:00:00Z"]);
    fake.push("acme/web", "1.0.0", &both);
    fake.push("acme/web", "1.1.0", &both.clone().marked("1"));
    fake.push("acme/web", "1.2.0", &Image::index(&["linux/amd64 2026-01-01T00:00:00Z"]));
    let annotations = &["repin.dev/platforms: \"linux/amd64, linux/arm64\""];
    world.add_app(&App { name: "web", constraint: "", annotations }, "1.0.0");
    let explained = world.repin(&["explain", "web"]).json["images"][0].clone();
    assert_eq!(explained["candidates"][0]["standing"], "wrong-platform", "{explained:#}");
    assert_eq!(explained["candidates"][0]["reason"], "`1.2.0` lacks linux/arm64");
    world.takes("1.1.0");
    assert_eq!(world.once()["result"], "current");
}

#[test]
fn numbers_in_tags_are_compared_as_numbers() {
    let world = World::create();
    world.registry.publish("acme/web", &["main-9-aaa", "main-10-bbb", "dev-99-ccc", "latest", "main-1e5-ddd"]);
    let annotations = &[
        "repin.dev/update-strategy: numerical",
        "repin.dev/allow-tags: \"regexp:^main-(?P<build>[0-9a-z]+)-\"",
        "repin.dev/extract: ${build}",
    ];
    world.add_app(&App { name: "web", constraint: "", annotations }, "main-9-aaa");
    world.takes("main-10-bbb");
    let calver = World::create();
    calver.registry.publish("acme/web", &["2026.01.05-9", "2026.01.05-10", "2026.1.4-99"]);
    let annotations = &[
        "repin.dev/allow-tags: \"regexp:^([0-9]+)[.]([0-9]+)[.]([0-9]+)-([0-9]+)$\"",
        "repin.dev/extract: $1$2.$3.$4",
    ];
    calver.add_app(&App { name: "web", constraint: "", annotations }, "2026.01.05-9");
    calver.takes("2026.01.05-10");
}

#[test]
fn a_build_that_was_taken_back_waits_for_a_person() {
    let world = built(&[NEWEST], &[("a", 1), ("b", 2)]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    world.registry.fake().push("acme/web", "c", &on(3));
    for _ in 0..2 {
        assert_eq!(verdict(&world.once()), "held guard/rolled-back");
        world.drop_cache();
    }
    world.remote.commit(&[], "Go on\n\nRepin-Resume: web");
    world.takes("c");
}

#[test]
fn real_indexes_are_dated_and_a_real_mutable_tag_is_followed() {
    let Some(world) = World::with_docker(Access::Open) else { return };
    let docker = world.registry.docker();
    docker.publish_built("acme/web", "a", "2026-01-01T00:00:00Z");
    docker.publish_built("acme/web", "z", "2026-01-03T00:00:00Z");
    docker.publish_built("acme/web", "m", "2026-01-02T00:00:00Z");
    world.add_app(&App { name: "web", constraint: "", annotations: &[NEWEST] }, "a");
    world.takes("z");
    docker.publish_built("acme/web", "b", "2026-01-09T00:00:00Z");
    world.takes("b");
    assert_eq!(world.once()["result"], "current");

    docker.publish_built("acme/api", "dev", "2026-01-01T00:00:00Z");
    let follow = App { name: "api", constraint: "dev", annotations: &["repin.dev/update-strategy: digest"] };
    world.add_app(&follow, "dev");
    let api = |said: crate::world::Said| -> Value {
        let all = said.json["outcomes"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["application"] == "argocd/api").unwrap()
    };
    let first = docker.digest("acme/api", "dev");
    assert_eq!(api(world.repin(&["once"]))["to"], json!(format!("dev@{first}")));
    assert_eq!(api(world.repin(&["once"]))["result"], "current");
    docker.publish_built("acme/api", "dev", "2026-01-02T00:00:00Z");
    let second = docker.digest("acme/api", "dev");
    assert_ne!(first, second);
    let outcome = api(world.repin(&["once"]));
    assert_eq!((&outcome["from"], &outcome["to"]), (&json!(format!("dev@{first}")), &json!(format!("dev@{second}"))));
    assert_eq!(world.tag("api"), format!("dev@{second}"));
}
