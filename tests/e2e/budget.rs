//! A registry that may be sent so many requests only in one cycle: images take turns, and all come to their end.

use crate::running::{Daemon, wait_for_tag};
use crate::world::{App, World};

const NAMES: [&str; 12] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];

fn world(most: usize) -> World {
    let world = World::create();
    for name in NAMES {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
        world.add_app(&App { name, constraint: "", annotations: &[] }, "1.0.0");
    }
    let more = format!("    insecure: true\n    requests_per_cycle: {most}\n");
    world.configure(&world.standard_config().replace("    insecure: true\n", &more));
    world
}

#[test]
fn images_take_turns_until_all_are_written_and_no_cycle_asks_for_more() {
    let most = 4;
    let world = world(most);
    let daemon = Daemon::start(&world);
    for name in NAMES {
        wait_for_tag(&world, &daemon, name, "1.1.0");
    }
    let (requests, cycles) = (world.registry.requests().len(), daemon.log().matches("cycle ended").count());
    // The cycle that is under way asks too.
    assert!(requests <= most * (cycles + 1), "{requests} in {cycles} cycles");
    assert!(cycles >= NAMES.len() * 2 / most, "{cycles}");
}

#[test]
fn runs_of_one_cycle_come_to_their_end_too_and_say_what_waits() {
    let world = world(4);
    let first = world.repin(&["once"]);
    let outcomes = first.json["outcomes"].as_array().unwrap();
    let waiting: Vec<&str> = outcomes
        .iter()
        .filter(|one| one["code"] == "registry/over-budget")
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert!(waiting.len() >= 8 && waiting[0].contains("4 requests of this cycle"), "{waiting:#?}");
    for hour in 0..200 {
        let now = format!("2026-01-{:02}T{:02}:00:00Z", 5 + hour / 24, hour % 24);
        world.repin(&["once", "--now", &now]);
        if NAMES.iter().all(|name| world.tag(name) == "1.1.0") {
            return;
        }
    }
    panic!("some were never written");
}
