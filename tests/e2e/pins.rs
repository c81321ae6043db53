//! Digests: what is written, what stays, and what does not come back.

use serde_json::json;

use crate::registry::Image;
use crate::table::{self, Row, verdict};
use crate::world::{App, World};

fn world(annotations: &[&str], tags: &[&str], now: &str) -> World {
    let world = World::create();
    world.registry.publish("acme/web", tags);
    world.add_app(&App { name: "web", constraint: "", annotations }, now);
    world
}

fn named(world: &World, tag: &str) -> String {
    format!("{tag}@{}", world.registry.digest("acme/web", tag))
}

#[test]
fn tag_and_digest_are_written_together_and_the_next_cycle_changes_nothing() {
    let world = world(&["repin.dev/pin: tag+digest"], &["1.0.0", "1.1.0"], "1.0.0");
    let outcome = world.once();
    assert_eq!((&outcome["from"], &outcome["to"]), (&json!("1.0.0"), &json!(named(&world, "1.1.0"))));
    assert_eq!(world.tag("web"), named(&world, "1.1.0"));
    let head = world.remote.head();
    assert_eq!(verdict(&world.once()), "current current");
    // The tag was moved: for an order that is no other version.
    world.registry.fake().push("acme/web", "1.1.0", &Image::built("2026-01-01T00:00:00Z"));
    assert_eq!(verdict(&world.once()), "current current");
    assert_eq!(world.remote.head(), head);
    world.registry.publish("acme/web", &["1.2.0"]);
    world.takes(&named(&world, "1.2.0"));
}

#[test]
fn a_digest_that_a_person_wrote_stays_until_an_annotation_says_more() {
    let pinned = format!("1.0.0@sha256:{}", "0".repeat(64));
    let held = world(&[], &["1.0.0", "1.1.0"], &pinned);
    let said = held.repin(&["once"]);
    let outcome = &said.json["outcomes"][0];
    assert_eq!((verdict(outcome).as_str(), &outcome["to"]), ("held guard/pinned", &json!("1.1.0")), "{said:#?}");
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("app.pin: tag+digest"), "{said:#?}");
    assert_eq!(held.tag("web"), pinned);
    let unpinned = world(&["repin.dev/pin: tag"], &["1.0.0", "1.1.0"], &pinned);
    unpinned.takes("1.1.0");
    assert_eq!(unpinned.tag("web"), "1.1.0");
    // Nothing newer: nothing is to be said.
    assert_eq!(verdict(&world(&[], &["1.0.0"], &pinned).once()), "current current");
}

fn spec(world: &World, text: &str) {
    let annotations = &["repin.dev/app.helm.image-spec: image", "repin.dev/pin: digest"];
    let manifest = world
        .application(&App { name: "web", constraint: "", annotations })
        .replace("    repin.dev/app.helm.image-tag: image.tag\n", "");
    let values = format!("image: {}{text}\n", world.image("web"));
    world.remote.commit(&[("argocd/web.yaml", &manifest), ("apps/web/values.yaml", &values)], "Set");
}

#[test]
fn a_digest_alone_is_written_and_its_tag_is_known_from_the_commit() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    spec(&world, ":1.0.0");
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    let digest = world.registry.digest("acme/web", "1.1.0");
    let stands = || world.remote.show("apps/web/values.yaml");
    assert_eq!(stands(), format!("image: {}@{digest}\n", world.image("web")));
    world.drop_cache();
    assert_eq!(verdict(&world.once()), "current current");
    // Deleted: what stands is still 1.1.0, and nothing goes below it.
    world.registry.remove("acme/web", "1.1.0");
    assert_eq!(verdict(&world.once()), "held guard/downgrade");
    world.registry.publish("acme/web", &["1.1.0"]);
    world.remote.revert(&commit);
    assert_eq!(verdict(&world.once()), "held guard/rolled-back");
    world.registry.publish("acme/web", &["1.2.0"]);
    world.takes(&named(&world, "1.2.0"));
    assert_eq!(stands(), format!("image: {}@{}\n", world.image("web"), world.registry.digest("acme/web", "1.2.0")));
}

#[test]
fn a_digest_that_took_the_place_of_a_tag_in_a_kustomization_is_known_by_its_commit_too() {
    let text = "repin.dev/image-list: app=IMAGE\nrepin.dev/write-back-target: kustomization\nrepin.dev/pin: digest";
    let before = "images:\n  - name: IMAGE\n    newTag: 1.0.0\n";
    let files = [("values.yaml", "-"), ("kustomization.yaml", before)];
    let world = table::world(&[Row { files: &files, ..Row::new("web", text) }]);
    let stands = || world.remote.show("apps/web/kustomization.yaml");
    world.takes(&named(&world, "2.0.0"));
    let digest = world.registry.digest("acme/web", "2.0.0");
    assert_eq!(stands(), table::fill(&world, &format!("images:\n  - name: IMAGE\n    digest: {digest}\n")));
    assert_eq!(verdict(&world.once()), "current current");
    world.registry.remove("acme/web", "2.0.0");
    assert_eq!(verdict(&world.once()), "held guard/downgrade");
}

#[test]
fn a_mutable_tag_is_followed_without_a_listing_and_what_a_person_replaced_stays_away() {
    let world = World::create();
    let push =
        |mark: &str| world.registry.fake().push("acme/web", "dev", &Image::built("2026-01-01T00:00:00Z").marked(mark));
    push("one");
    let follow = App { name: "web", constraint: "dev", annotations: &["repin.dev/update-strategy: digest"] };
    world.add_app(&follow, "dev");
    let one = named(&world, "dev");
    world.takes(&one);
    assert_eq!(world.tag("web"), one);
    world.registry.forget_requests();
    assert_eq!(verdict(&world.once()), "current current");
    assert_eq!(world.registry.requests().len(), 1);
    push("two");
    let two = named(&world, "dev");
    let outcome = world.once();
    assert_eq!((&outcome["from"], &outcome["to"]), (&json!(one), &json!(two)), "{outcome:#}");
    world.remote.revert(outcome["commit"].as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(verdict(&world.once()), "held guard/rolled-back");
        world.drop_cache();
    }
    // The next build comes in minutes: it waits too.
    push("three");
    assert_eq!(verdict(&world.once()), "held guard/rolled-back");
    world.remote.commit(&[], "Go on\n\nRepin-Resume: web");
    world.takes(&named(&world, "dev"));
    // What repin itself replaced may come back.
    push("one");
    world.takes(&one);
}
