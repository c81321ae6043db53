//! min-age: how long a tag was seen with its digest, with and without the cache.

use serde_json::{Value, json};

use crate::registry::Image;
use crate::table::{outcome, verdict};
use crate::world::{App, Said, World};

const AGED: App<'_> = App { name: "web", constraint: "", annotations: &["repin.dev/min-age: 1d"] };

/// A command at a time of January 2026: `05T10`.
fn at(world: &World, command: &str, time: &str) -> Said {
    world.repin(&[command, "--now", &format!("2026-01-{time}:00:00Z")])
}

fn only(said: &Said) -> Value {
    said.json["outcomes"][0].clone()
}

fn aged() -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.add_app(&AGED, "1.0.0");
    world
}

#[test]
fn a_tag_waits_until_it_was_seen_for_a_day_and_says_until_when() {
    let world = aged();
    let first = only(&at(&world, "once", "05T10"));
    assert_eq!(verdict(&first), "held guard/min-age", "{first:#}");
    assert_eq!((&first["to"], &first["until"]), (&json!("1.1.0"), &json!("2026-01-06T10:00:00Z")));
    assert_eq!(first["message"], "1.1.0 is 0s old, the policy waits 1d (until 2026-01-06 10:00 UTC)");
    assert_eq!(verdict(&only(&at(&world, "once", "06T09"))), "held guard/min-age");
    // Another tag starts a clock of its own, and does not stop the first one.
    world.registry.publish("acme/web", &["1.2.0"]);
    let younger = only(&at(&world, "plan", "06T09"));
    assert_eq!((verdict(&younger).as_str(), &younger["to"]), ("held guard/min-age", &json!("1.1.0")));
    let taken = only(&at(&world, "once", "06T10"));
    assert_eq!((verdict(&taken).as_str(), &taken["to"]), ("delivered delivered", &json!("1.1.0")), "{taken:#}");
    assert!(taken["message"].as_str().unwrap().contains("1.2.0 is passed over: it is 0s old"), "{taken:#}");
    let (_, _, body) = world.remote.log().remove(0);
    let line = format!(
        "Repin-First-Seen: {}:1.1.0@{} 2026-01-05T10:00:00Z",
        world.image("web"),
        world.registry.digest("acme/web", "1.1.0")
    );
    assert!(body.lines().any(|one| one == line), "{body}");
    let explained = at(&world, "explain", "06T11");
    assert_eq!(explained.code, 2, "a name is missing");
    let explained = world.repin(&["explain", "web", "--now", "2026-01-06T11:00:00Z"]).json["images"][0].clone();
    assert_eq!(explained["candidates"][0]["standing"], "too-young", "{explained:#}");
    assert_eq!(explained["gates"][0]["until"], "2026-01-07T10:00:00Z");
}

#[test]
fn a_question_about_another_day_starts_no_clock() {
    let world = aged();
    for command in ["plan", "plan"] {
        assert_eq!(verdict(&only(&at(&world, command, "01T00"))), "held guard/min-age");
    }
    assert_eq!(verdict(&only(&at(&world, "once", "05T10"))), "held guard/min-age");
    assert_eq!(at(&world, "plan", "06T09").code, 0);
    assert_eq!(at(&world, "plan", "06T10").code, 4);
}

#[test]
fn a_moved_tag_is_another_image_with_another_clock() {
    let world = aged();
    world.registry.fake().push("acme/web", "1.1.0", &Image::built("2020-01-01T00:00:00Z"));
    at(&world, "once", "05T10");
    // Its own date, however old, says nothing.
    world.registry.fake().push("acme/web", "1.1.0", &Image::built("2019-01-01T00:00:00Z"));
    let moved = only(&at(&world, "once", "06T10"));
    assert_eq!((verdict(&moved).as_str(), &moved["until"]), ("held guard/min-age", &json!("2026-01-07T10:00:00Z")));
}

#[test]
fn without_the_cache_clocks_are_read_back_from_git_or_start_anew() {
    let world = aged();
    at(&world, "once", "05T10");
    world.drop_cache();
    let anew = only(&at(&world, "once", "06T10"));
    assert_eq!((verdict(&anew).as_str(), &anew["until"]), ("held guard/min-age", &json!("2026-01-07T10:00:00Z")));
    // Another environment without an age took it: its commit says when the tag was seen.
    world.drop_cache();
    let dev = World::values(&world, "web", "1.0.0");
    let manifest = world
        .application(&App { name: "web", constraint: "", annotations: &[] })
        .replace("name: web\n", "name: dev\n")
        .replace("path: apps/web", "path: apps/dev");
    world.remote.commit(&[("argocd/dev.yaml", &manifest), ("apps/dev/values.yaml", &dev)], "Add dev");
    assert_eq!(verdict(outcome(&at(&world, "once", "10T10"), "dev")), "delivered delivered");
    world.drop_cache();
    let said = at(&world, "once", "11T10");
    assert_eq!(verdict(outcome(&said, "web")), "delivered delivered", "{said:#?}");
    assert_eq!(world.tag("web"), "1.1.0");
}

#[test]
fn a_trailer_from_the_future_counts_for_nothing() {
    let world = aged();
    let digest = world.registry.digest("acme/web", "1.1.0");
    let trailer = format!("Repin-First-Seen: {}:1.1.0@{digest} 2026-02-01T00:00:00Z", world.image("web"));
    world.remote.commit(&[], &format!("Note\n\n{trailer}"));
    assert_eq!(verdict(&only(&at(&world, "once", "05T10"))), "held guard/min-age");
    assert_eq!(verdict(&only(&at(&world, "once", "06T10"))), "delivered delivered");
}
