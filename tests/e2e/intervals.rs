//! How often a registry is asked for an image, where its Application says so.

use crate::running::{Daemon, wait_for_tag};
use crate::world::{App, World};

fn app<'a>(name: &'a str, annotations: &'a [&'a str]) -> App<'a> {
    App { name, constraint: "", annotations }
}

fn listings(world: &World, name: &str) -> usize {
    let part = format!("acme/{name}/tags/list");
    world.registry.requests().iter().filter(|one| one.path.contains(&part)).count()
}

#[test]
fn an_application_that_wants_it_rarely_is_asked_for_once_while_others_go_on() {
    let world = World::create();
    for name in ["web", "rare", "shared"] {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0"]);
    }
    world.add_app(&app("web", &[]), "1.0.0");
    world.add_app(&app("rare", &["repin.dev/interval: 6h"]), "1.0.0");
    world.add_app(&app("shared", &["repin.dev/app.interval: 6h"]), "1.0.0");
    // Of several Applications of one image the shortest counts, and that is the schedule for who says nothing.
    let other = world.application(&app("shared", &[])).replace("name: shared", "name: other");
    world.remote.commit(&[("argocd/other.yaml", &other)], "Another one of the same image");
    let daemon = Daemon::start(&world);
    daemon.cycles(1);
    for name in ["web", "rare", "shared"] {
        world.registry.publish(&format!("acme/{name}"), &["1.1.0"]);
    }
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    wait_for_tag(&world, &daemon, "shared", "1.1.0");
    daemon.cycles(2);
    assert_eq!((listings(&world, "rare"), world.tag("rare")), (1, "1.0.0".to_owned()), "{}", daemon.log());
    assert!(listings(&world, "web") >= 3 && listings(&world, "shared") >= 3);
    // A person who asks does not wait.
    let said = world.repin(&["once"]);
    assert_eq!((said.code, world.tag("rare")), (0, "1.1.0".to_owned()), "{said:#?}");
}

#[test]
fn an_application_is_asked_for_more_often_than_others_only_if_the_operator_allows_it() {
    let world = World::create();
    for name in ["web", "eager"] {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0"]);
    }
    world.add_app(&app("web", &[]), "1.0.0");
    world.add_app(&app("eager", &["repin.dev/interval: 1s"]), "1.0.0");
    let config = world.standard_config().replace("schedule: 1s", "schedule: 6h");
    world.configure(&config);
    let daemon = Daemon::start(&world);
    let capped = daemon.said("annotation/capped");
    assert!(capped.contains("the operator allows 6h") && capped.contains("argocd/eager.yaml"), "{capped}");
    daemon.cycles(0);
    for name in ["web", "eager"] {
        world.registry.publish(&format!("acme/{name}"), &["1.1.0"]);
    }
    world.configure(&config.replace("schedule: 6h", "schedule: 6h\nshortest_interval: 1s"));
    // The reload looks at all; what comes after it is found by the interval alone.
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    wait_for_tag(&world, &daemon, "eager", "1.1.0");
    let asked = listings(&world, "web");
    for name in ["web", "eager"] {
        world.registry.publish(&format!("acme/{name}"), &["1.2.0"]);
    }
    wait_for_tag(&world, &daemon, "eager", "1.2.0");
    assert_eq!((listings(&world, "web"), world.tag("web")), (asked, "1.1.0".to_owned()), "{}", daemon.log());
}
