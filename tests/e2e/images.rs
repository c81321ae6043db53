//! What looking into images costs: each request that is sent, cold, warm, after a push, and when looks grow old.

use serde_json::Value;

use crate::docker_registry::Access;
use crate::registry::{Behaviour, Image};
use crate::table::verdict;
use crate::world::{App, World};

const NEWEST: &str = "repin.dev/update-strategy: newest-build";
const BOTH: [&str; 2] = ["linux/amd64 2026-01-01T00:00:00Z", "linux/arm64 2026-01-02T00:00:00Z"];

fn on(day: usize) -> Image {
    Image::built(&format!("2026-01-{day:02}T10:00:00Z"))
}

/// A world with one Application `web` by newest-build, and ten tags from `t0` to `t9`, each built on the day after the one
/// before.
fn ten(now: &str) -> World {
    let world = World::create();
    for day in 0..10 {
        world.registry.fake().push("acme/web", &format!("t{day}"), &on(day + 1).marked(&day.to_string()));
    }
    world.add_app(&App { name: "web", constraint: "", annotations: &[NEWEST] }, now);
    world
}

/// Runs `once` at an hour of January 2026 and gives the outcome.
fn at(world: &World, hour: usize) -> Value {
    let now = format!("2026-01-{:02}T{:02}:00:00Z", 20 + hour / 24, hour % 24);
    world.repin(&["once", "--now", &now]).json["outcomes"][0].clone()
}

/// How many requests were sent, as `lists HEADs manifests blobs`.
fn sent(world: &World) -> String {
    let seen = world.registry.requests();
    world.registry.forget_requests();
    let mut counts = [0; 4];
    for one in seen {
        let kind = match (one.method.as_str(), one.path.as_str()) {
            (_, path) if path.contains("/tags/list") => 0,
            ("HEAD", _) => 1,
            (_, path) if path.contains("/manifests/") => 2,
            _ => 3,
        };
        counts[kind] += 1;
    }
    counts.map(|count| count.to_string()).join(" ")
}

#[test]
fn a_new_tag_costs_two_requests_and_a_known_one_none() {
    let world = ten("t9");
    assert_eq!(verdict(&at(&world, 0)), "current current");
    assert_eq!(sent(&world), "1 0 10 10");
    assert_eq!(verdict(&at(&world, 1)), "current current");
    assert_eq!(sent(&world), "1 1 0 0", "what stands");
    world.registry.fake().push("acme/web", "u", &on(15));
    assert_eq!(verdict(&at(&world, 2)), "delivered delivered");
    assert_eq!(sent(&world), "1 1 1 1");
    // A second name of the same image.
    world.registry.fake().push("acme/web", "t3-again", &on(4).marked("3"));
    assert_eq!(verdict(&at(&world, 3)), "current current");
    assert_eq!(sent(&world), "1 1 1 0");
    world.drop_cache();
    assert_eq!(verdict(&at(&world, 4)), "current current");
    assert_eq!(sent(&world), "1 0 12 11", "what stands behind a digest is read once");
}

#[test]
fn a_tag_that_becomes_the_newest_by_what_is_remembered_is_looked_at_before_it_is_written() {
    let world = ten("t8");
    assert_eq!(world.repin(&["plan"]).json["outcomes"][0]["to"], "t9");
    assert_eq!(sent(&world), "1 0 10 10");
    world.registry.fake().push("acme/web", "t9", &on(2).marked("moved"));
    let outcome = world.once();
    assert_eq!((verdict(&outcome).as_str(), &outcome["to"]), ("current current", &Value::from("t8")), "{outcome:#}");
    assert_eq!(sent(&world), "1 2 1 1", "what stands, and what would have won, which is another image now");
}

#[test]
fn a_tag_that_was_moved_is_found_when_its_look_grows_old() {
    let world = ten("t9");
    at(&world, 0);
    world.registry.fake().push("acme/web", "t0", &on(19));
    for hour in [1, 11] {
        assert_eq!(verdict(&at(&world, hour)), "current current");
    }
    world.registry.forget_requests();
    let outcome = at(&world, 24);
    assert_eq!(
        (verdict(&outcome).as_str(), &outcome["to"]),
        ("delivered delivered", &Value::from("t0")),
        "{outcome:#}"
    );
    assert_eq!(sent(&world), "1 10 1 1");
    assert_eq!(verdict(&at(&world, 25)), "current current");
    assert_eq!(sent(&world), "1 1 0 0", "they are young again");
}

#[test]
fn old_looks_are_renewed_a_part_at_a_time_and_count_on_where_that_fails() {
    let world = World::create();
    for at in 0..300 {
        let image = Image::built("2025-01-01T00:00:00Z").marked(&(at % 5).to_string());
        world.registry.fake().push("acme/web", &format!("t{at}"), &image);
    }
    world.registry.fake().push("acme/web", "newest", &on(1));
    world.add_app(&App { name: "web", constraint: "", annotations: &[NEWEST] }, "newest");
    at(&world, 0);
    assert_eq!(sent(&world), "1 0 301 6");
    at(&world, 24);
    assert_eq!(sent(&world), "1 251 0 0");
    at(&world, 25);
    assert_eq!(sent(&world), "1 51 0 0");
    for tag in ["t7", "t8"] {
        world.registry.set("acme/web", Behaviour::ManifestFails(tag.into(), 500));
    }
    at(&world, 72);
    at(&world, 73);
    world.registry.forget_requests();
    assert_eq!(verdict(&at(&world, 74)), "current current", "two looks are old, and count on");
    assert_eq!(sent(&world), "1 3 0 0");
    // What stands must be looked at.
    world.registry.set("acme/web", Behaviour::ManifestFails("newest".into(), 500));
    assert_eq!(verdict(&at(&world, 75)), "failed registry/server-error");
}

#[test]
fn a_cycle_that_did_not_get_through_is_gone_on_with() {
    let world = ten("t9");
    world.registry.fake().push("acme/web", "u", &on(15));
    world.registry.set("acme/web", Behaviour::ManifestFails("u".into(), 500));
    assert_eq!(verdict(&at(&world, 0)), "failed registry/server-error");
    assert_eq!(sent(&world), "1 0 11 10");
    assert_eq!(verdict(&at(&world, 1)), "failed registry/server-error");
    assert_eq!(sent(&world), "1 1 1 0");
    assert_eq!(world.tag("web"), "t9");
    world.registry.clear("acme/web");
    assert_eq!(verdict(&at(&world, 2)), "delivered delivered");
    assert_eq!(sent(&world), "1 1 1 1");
}

#[test]
fn what_a_budget_leaves_over_is_read_in_the_next_cycles_and_nothing_older_wins_meanwhile() {
    let world = World::create();
    for day in 0..30 {
        world.registry.fake().push("acme/web", &format!("t{day}"), &on(day % 9 + 1).marked(&day.to_string()));
    }
    world.registry.fake().push("acme/web", "newest", &on(20));
    world.add_app(&App { name: "web", constraint: "", annotations: &[NEWEST] }, "t0");
    let budget = "insecure: true\n    requests_per_cycle: 25";
    world.configure(&world.standard_config().replace("insecure: true", budget));
    let mut cycles = 0;
    while verdict(&at(&world, cycles)) != "delivered delivered" {
        // What was begun is finished: eight images may be under way, with their configurations still to come.
        let requests = world.registry.requests().len();
        assert!(world.tag("web") == "t0" && (25..=25 + 8).contains(&requests), "{requests}");
        world.registry.forget_requests();
        cycles += 1;
        assert!(cycles < 6, "no end");
    }
    assert_eq!(world.tag("web"), "newest");
}

#[test]
fn of_an_index_only_what_is_needed_is_read() {
    for (annotations, cold) in [
        // Index, and of each platform manifest and configuration.
        (vec![NEWEST], "1 0 3 2"),
        (vec![NEWEST, "repin.dev/platforms: linux/arm64"], "1 0 2 1"),
        // The index names its platforms; the manifest and the configuration of one say what it was built from.
        (vec!["repin.dev/platforms: linux/arm64"], "1 0 2 1"),
    ] {
        let world = World::create();
        world.registry.fake().push("acme/web", "1.1.0", &Image::index(&BOTH));
        world.add_app(&App { name: "web", constraint: "", annotations: &annotations }, "");
        let outcome = at(&world, 0);
        assert_eq!(verdict(&outcome), "delivered delivered", "{annotations:?}: {outcome:#}");
        assert_eq!(sent(&world), cold, "{annotations:?}");
    }
    // What the best candidates lack is remembered too.
    let world = World::create();
    for minor in 1..6 {
        let builds = if minor == 1 { &BOTH[..] } else { &BOTH[..1] };
        world.registry.fake().push("acme/web", &format!("1.{minor}.0"), &Image::index(builds).marked("x"));
    }
    world.registry.fake().push("acme/web", "1.0.0", &Image::index(&BOTH));
    let app = App { name: "web", constraint: "", annotations: &["repin.dev/platforms: linux/arm64"] };
    world.add_app(&app, "1.0.0");
    assert_eq!(at(&world, 0)["to"], "1.1.0");
    assert_eq!(sent(&world), "1 0 6 1", "of the one that is written what it was built from, too");
    assert_eq!(verdict(&at(&world, 1)), "current current");
    assert_eq!(sent(&world), "1 0 0 0");
}

#[test]
fn registries_that_do_not_answer_head_or_name_no_digest_are_asked_in_another_way() {
    for (behaviours, warm) in [
        (vec![Behaviour::NoHead], "1 1 1 0"),
        (vec![Behaviour::NoDigestHeader], "1 1 1 0"),
        (vec![Behaviour::NoDigestHeader, Behaviour::ETag], "1 1 1 0"),
        (vec![Behaviour::ETag], "1 1 0 0"),
    ] {
        let world = ten("t9");
        behaviours.iter().for_each(|behaviour| world.registry.set("acme/web", behaviour.clone()));
        assert_eq!(verdict(&at(&world, 0)), "current current", "{behaviours:?}");
        assert_eq!(sent(&world), "1 0 10 10", "{behaviours:?}");
        assert_eq!(verdict(&at(&world, 1)), "current current", "{behaviours:?}");
        assert_eq!(sent(&world), warm, "{behaviours:?}");
    }
}

#[test]
fn a_question_about_another_day_makes_no_look_younger_or_older() {
    let world = ten("t9");
    at(&world, 0);
    let plan = |now: &str| drop(world.repin(&["plan", "--now", now]));
    plan("2026-01-20T01:00:00Z");
    world.registry.forget_requests();
    plan("2199-01-01T00:00:00Z");
    at(&world, 1);
    world.registry.forget_requests();
    at(&world, 2);
    assert_eq!(sent(&world), "1 1 0 0");
}

#[test]
fn on_the_real_registry_what_is_remembered_orders_and_what_is_written_was_looked_at() {
    let Some(world) = World::with_docker(Access::Open) else { return };
    let docker = world.registry.docker();
    for day in 1..=5 {
        docker.publish_built("acme/web", &format!("t{day}"), &format!("2026-01-0{day}T00:00:00Z"));
    }
    world.add_app(&App { name: "web", constraint: "", annotations: &[NEWEST] }, "t1");
    world.takes("t5");
    assert_eq!(world.once()["result"], "current");
    docker.publish_built("acme/web", "t6", "2026-01-06T00:00:00Z");
    world.takes("t6");
    // A tag that was moved since is looked at before it is written, whatever is remembered.
    docker.publish_built("acme/web", "t7", "2026-01-07T00:00:00Z");
    assert_eq!(world.repin(&["plan"]).json["outcomes"][0]["to"], "t7");
    docker.publish_built("acme/web", "t7", "2026-01-02T00:00:00Z");
    assert_eq!(world.once()["result"], "current");
    // One that was moved to the newest build is found when its look grows old.
    docker.publish_built("acme/web", "t2", "2026-01-09T00:00:00Z");
    assert_eq!(world.once()["result"], "current");
    let day_after = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(25);
    assert_eq!(world.repin(&["once", "--now", &day_after.to_string()]).json["outcomes"][0]["to"], "t2");
    assert_eq!(world.tag("web"), "t2");
}
