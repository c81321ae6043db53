//! A new tag reaches Git: decided, written to the byte, pushed, and said.

use serde_json::json;

use crate::any_registry::on_all_parts;
use crate::world::{App, World};

on_all_parts!(
    a_new_tag_becomes_one_commit_that_changes_one_scalar,
    a_second_cycle_changes_nothing,
    plan_shows_the_diff_and_writes_nothing,
    many_applications_are_one_push_with_one_commit_each,
);

fn a_new_tag_becomes_one_commit_that_changes_one_scalar(world: &World) {
    world.add_web(&["1.0.0", "1.1.0", "2.0.0-rc.1"]);
    let before = world.remote.show("apps/web/values.yaml");
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 0, "{said:#?}");
    let outcome = &said.json["outcomes"][0];
    let head = world.remote.head();
    assert_eq!(
        said.json,
        json!({"version": 1, "problems": [], "outcomes": [{
            "id": outcome["id"], "application": "argocd/web", "repository": "gitops", "environment": "dev", "alias": "app",
            "image": world.image("web"), "file": "apps/web/values.yaml", "key": "image.tag", "from": "1.0.0", "to": "1.1.0",
            "result": "delivered", "code": "delivered", "message": outcome["message"], "until": null, "commit": head, "pull_request": null,
        }]})
    );
    assert_eq!(world.remote.show("apps/web/values.yaml"), before.replace("\"1.0.0\"", "\"1.1.0\""));
    let (_, subject, body) = world.remote.log().remove(0);
    assert_eq!(subject, "Update web to 1.1.0");
    for line in [
        "Repin-Format: 1".to_owned(),
        format!(
            "Repin-Change: apps/web/values.yaml#image.tag {} 1.0.0 1.1.0 {}",
            world.image("web"),
            world.registry.digest("acme/web", "1.1.0")
        ),
        "Repin-Application: argocd/web (dev)".to_owned(),
    ] {
        assert!(body.lines().any(|found| found == line), "{line}\n{body}");
    }
}

fn a_second_cycle_changes_nothing(world: &World) {
    world.add_web(&["1.0.0", "1.1.0"]);
    world.once();
    let head = world.remote.head();
    let outcome = world.once();
    assert_eq!((outcome["result"].as_str(), outcome["code"].as_str()), (Some("current"), Some("current")));
    assert_eq!(world.remote.head(), head);
}

fn plan_shows_the_diff_and_writes_nothing(world: &World) {
    world.add_web(&["1.0.0", "1.1.0"]);
    let head = world.remote.head();
    let output = world.command(&["plan"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let diff = String::from_utf8(output.stdout).unwrap();
    assert!(diff.contains("--- a/apps/web/values.yaml\n+++ b/apps/web/values.yaml\n"), "{diff}");
    assert!(diff.contains("-    tag: \"1.0.0\"\n+    tag: \"1.1.0\"\n"), "{diff}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("argocd/web app  pending    1.0.0 -> 1.1.0"), "{told}");
    assert!(told.ends_with("\n1 pending, 0 current, 0 held, 0 failed; 0 problems\n"), "{told}");
    let said = world.repin(&["plan"]);
    assert_eq!((said.code, said.json["outcomes"][0]["result"].as_str()), (4, Some("pending")));
    assert_eq!(world.remote.head(), head);
    // What stays as it is is counted only; the document has it.
    world.once();
    let output = world.command(&["plan"]).output().unwrap();
    let told =
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let counted = "0 pending, 1 current, 0 held, 0 failed; 0 problems\n".to_owned();
    assert_eq!(told, (Some(0), String::new(), counted));
    assert_eq!(world.repin(&["plan"]).json["outcomes"][0]["result"], "current");
}

#[test]
fn an_image_of_two_applications_is_listed_once() {
    let world = World::create();
    many_applications_are_one_push_with_one_commit_each(&world);
    let listings = world.registry.requests().iter().filter(|seen| seen.path.contains("/acme/web/tags/list")).count();
    assert_eq!(listings, 1);
}

fn many_applications_are_one_push_with_one_commit_each(world: &World) {
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.registry.publish("acme/api", &["1.0.0", "1.2.0"]);
    world.add_app(&App { name: "web", constraint: "1.x", annotations: &[] }, "1.0.0");
    world.add_app(&App { name: "api", constraint: "1.x", annotations: &[] }, "1.0.0");
    // A third Application tracks the same image at its own place.
    let copy = world
        .application(&App { name: "web", constraint: "1.x", annotations: &[] })
        .replace("name: web", "name: web2")
        .replace("path: apps/web", "path: apps/web2");
    world
        .remote
        .commit(&[("argocd/web2.yaml", &copy), ("apps/web2/values.yaml", &world.values("web", "1.0.0"))], "Add web2");
    world.remote.install_hook("post-receive", "#!/bin/sh\ncat >/dev/null\necho push >> pushes\n");
    let said = world.repin(&["once"]);
    let results: Vec<&str> =
        said.json["outcomes"].as_array().unwrap().iter().filter_map(|o| o["result"].as_str()).collect();
    assert_eq!(results, ["delivered"; 3], "{said:#?}");
    assert_eq!(world.remote.log().iter().filter(|(_, subject, _)| subject.starts_with("Update ")).count(), 3);
    assert_eq!(std::fs::read_to_string(world.remote.path().join("pushes")).unwrap(), "push\n");
}
