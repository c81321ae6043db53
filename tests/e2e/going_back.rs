//! Somebody went back, in every way people and their tools do it.

use serde_json::{Value, json};

use crate::table::{PLAIN, Row, commit, outcomes, verdict};
use crate::world::{App, World};

const ROLLED_BACK: &str = "held guard/rolled-back";

/// 1.0.0 became 1.2.0 by repin; gives that commit.
fn updated() -> (World, String) {
    let world = World::with_web(&["1.0.0", "1.1.0", "1.2.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    assert_eq!(world.tag("web"), "1.2.0");
    (world, commit)
}

/// Held now, without the cache, and until the next release; `from` is what stands.
fn stays_until_the_next_release(world: &World, from: Option<&str>) {
    let head = world.remote.head();
    for drop_cache in [false, true] {
        if drop_cache {
            world.drop_cache();
        }
        let one = world.once();
        assert_eq!((verdict(&one).as_str(), one["from"].as_str()), (ROLLED_BACK, from), "{one:#}");
        assert_eq!(world.remote.head(), head);
    }
    world.registry.publish("acme/web", &["1.2.1"]);
    world.takes("1.2.1");
    assert_eq!(world.once()["code"], "current");
}

fn set(world: &World, values: &str, message: &str) {
    world.remote.commit(&[("apps/web/values.yaml", values)], message);
}

#[test]
fn a_value_set_by_hand_in_another_style_is_a_step_back() {
    for (values, from) in [
        ("image: {repository: x, tag: '1.0.0'}\n", Some("1.0.0")),
        ("# new\r\nimage:\r\n  tag: 1.1.0\r\n", Some("1.1.0")),
        ("image:\n  tag: \"v1.0.0\" # by hand\n", Some("v1.0.0")),
        ("{\"image\": {\"tag\": \"0.9\"}}\n", Some("0.9")),
        ("image:\n  tag: latest\n", Some("latest")),
        ("image:\n  tag: \"\"\n", Some("")),
        ("image:\n  tag:\n", None),
    ] {
        let (world, _) = updated();
        set(&world, values, "By hand");
        stays_until_the_next_release(&world, from);
    }
}

#[test]
fn a_revert_in_one_commit_with_other_changes_is_a_step_back() {
    let (world, _) = updated();
    let other =
        world.remote.show("apps/web/values.yaml").replace("1.2.0", "1.0.0").replace("list:", "replicas: 3\nlist:");
    world
        .remote
        .commit(&[("apps/web/values.yaml", &other), ("apps/web/more.yaml", "a: 1\n"), ("NOTES", "x\n")], "Tidy up");
    stays_until_the_next_release(&world, Some("1.0.0"));
}

#[test]
fn a_revert_that_takes_the_key_out_is_a_step_back() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.2.0"]);
    commit(&world, &[Row { files: &[("values.yaml", "image:\n  repository: IMAGE\n")], ..Row::new("web", PLAIN) }]);
    let one = world.once();
    assert_eq!((verdict(&one).as_str(), &one["from"]), ("delivered delivered", &Value::Null), "{one:#}");
    world.remote.revert(one["commit"].as_str().unwrap());
    stays_until_the_next_release(&world, None);
}

#[test]
fn a_revert_of_the_revert_goes_on() {
    let (world, commit) = updated();
    let back = world.remote.revert(&commit);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    world.remote.revert(&back);
    assert_eq!((verdict(&world.once()).as_str(), world.tag("web").as_str()), ("current current", "1.2.0"));
    world.registry.publish("acme/web", &["1.3.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    // And back again, further down.
    world.remote.revert(&commit);
    let one = world.once();
    assert_eq!((verdict(&one).as_str(), one["from"].as_str()), (ROLLED_BACK, Some("1.2.0")));
}

#[test]
fn a_merge_that_takes_an_update_back_is_a_step_back() {
    for squash in [false, true] {
        let (world, commit) = updated();
        world.remote.checkout("main");
        world.remote.work(&["checkout", "--quiet", "-b", "undo"]);
        world.remote.work(&["revert", "--no-edit", &commit]);
        world.remote.work(&["checkout", "--quiet", "main"]);
        if squash {
            world.remote.work(&["merge", "--quiet", "--squash", "undo"]);
            world.remote.work(&["commit", "--quiet", "-m", "Undo (#7)"]);
        } else {
            world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge undo", "undo"]);
        }
        world.remote.push_work("main");
        let one = world.once();
        let message = one["message"].as_str().unwrap();
        assert!(message.contains(&world.remote.head()[..7]), "the merge brought it: {message}");
        stays_until_the_next_release(&world, Some("1.0.0"));
    }
}

#[test]
fn a_reverted_merge_commit_that_brought_a_value_is_a_step_back() {
    let world = World::with_web(&["1.0.0", "1.1.0", "1.2.0"]);
    world.remote.checkout("main");
    world.remote.work(&["checkout", "--quiet", "-b", "up"]);
    let file = world.remote.work_tree().join("apps/web/values.yaml");
    for tag in ["1.1.0", "1.2.0"] {
        std::fs::write(&file, world.values("web", tag)).unwrap();
        world.remote.work(&["commit", "--quiet", "-am", &format!("Take {tag} by hand")]);
    }
    world.remote.work(&["checkout", "--quiet", "main"]);
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge up", "up"]);
    let merge = world.remote.push_work("main");
    assert_eq!(verdict(&world.once()), "current current");
    world.remote.checkout("main");
    world.remote.work(&["revert", "--no-edit", "-m", "1", &merge]);
    world.remote.push_work("main");
    stays_until_the_next_release(&world, Some("1.0.0"));
}

#[test]
fn what_stood_only_on_a_side_branch_was_never_there() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.remote.checkout("main");
    world.remote.work(&["checkout", "--quiet", "-b", "try"]);
    let file = world.remote.work_tree().join("apps/web/values.yaml");
    for tag in ["1.1.0", "1.0.0"] {
        std::fs::write(&file, format!("# tried\n{}", world.values("web", tag))).unwrap();
        world.remote.work(&["commit", "--quiet", "-am", &format!("Try {tag}")]);
    }
    world.remote.work(&["checkout", "--quiet", "main"]);
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge try", "try"]);
    world.remote.push_work("main");
    world.takes("1.1.0");
}

#[test]
fn what_a_person_or_another_tool_wrote_and_took_back_counts_like_our_own() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    set(&world, &world.values("web", "1.1.0"), "Bump");
    set(&world, &world.values("web", "1.0.0"), "Unbump");
    let one = world.once();
    assert_eq!(verdict(&one), ROLLED_BACK);
    let message = one["message"].as_str().unwrap();
    for part in ["A Person", "1.1.0", "Unbump", &world.remote.head()[..7]] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_file_that_was_away_begins_anew() {
    let (world, _) = updated();
    world.remote.remove(&["apps/web/values.yaml"], "Away");
    assert_eq!(world.once()["code"], "edit/no-such-file");
    set(&world, &world.values("web", "1.0.0"), "Here again");
    world.takes("1.2.0");
}

#[test]
fn a_key_that_was_away_begins_anew() {
    let (world, _) = updated();
    set(&world, "image: {repository: x}\n", "Key away");
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    set(&world, &world.values("web", "1.0.0"), "Key here again");
    world.takes("1.2.0");
}

#[test]
fn of_two_aliases_in_one_file_only_the_reverted_one_is_held() {
    let text = "repin.dev/image-list: app=IMAGE,job=IMAGE\nrepin.dev/app.helm.image-tag: app.tag\nrepin.dev/job.helm.image-tag: job.tag";
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    commit(
        &world,
        &[Row { files: &[("values.yaml", "app: {tag: 1.0.0}\njob: {tag: 1.0.0}\n")], ..Row::new("web", text) }],
    );
    let verdicts = |world: &World| -> Vec<String> {
        let said = world.repin(&["once"]);
        outcomes(&said, "web")
            .iter()
            .map(|one| format!("{} {}", one["alias"].as_str().unwrap(), verdict(one)))
            .collect()
    };
    assert_eq!(verdicts(&world), ["app delivered delivered", "job delivered delivered"]);
    set(&world, "app: {tag: 1.1.0}\njob: {tag: 1.0.0}\n", "Job back");
    assert_eq!(verdicts(&world), ["app current current", &format!("job {ROLLED_BACK}")]);
    world.registry.publish("acme/web", &["1.2.0"]);
    assert_eq!(verdicts(&world), ["app delivered delivered", "job delivered delivered"]);
    assert_eq!(world.remote.show("apps/web/values.yaml"), "app: {tag: 1.2.0}\njob: {tag: 1.2.0}\n");
}

#[test]
fn every_form_of_the_resume_trailer_releases_what_it_names_and_nothing_else() {
    for (trailer, expected) in [
        ("Repin-Resume: web", "delivered 1.2.0"),
        ("Repin-Resume: argocd/web", "delivered 1.2.0"),
        ("repin-resume: web", "delivered 1.2.0"),
        ("Repin-Resume: argocd/web app 1.2.0", "delivered 1.2.0"),
        ("Repin-Resume: web app 1.1.0", "delivered 1.1.0"),
        ("Signed-off-by: A <a@b.c>\nRepin-Resume: web\nReviewed-by: B <b@b.c>", "delivered 1.2.0"),
        ("Repin-Resume: other", "guard/rolled-back null"),
        ("Repin-Resume: team-a/web", "guard/rolled-back null"),
        ("Repin-Resume: web job 1.2.0", "guard/rolled-back null"),
        // Alias and tag come together; half of it may be a slip, and a slip releases nothing.
        ("Repin-Resume: web app", "guard/rolled-back null"),
        ("Repin-Resume: web 1.2.0", "guard/rolled-back null"),
        ("Repin-Resume: web app 9.9.9", "guard/rolled-back null"),
        ("Repin-Resume:", "guard/rolled-back null"),
        ("go on with Repin-Resume: web please", "guard/rolled-back null"),
    ] {
        let (world, commit) = updated();
        world.remote.revert(&commit);
        world.remote.commit(&[], &format!("Go on\n\n{trailer}\n"));
        let one = world.once();
        let found = format!("{} {}", one["code"].as_str().unwrap(), one["to"].as_str().unwrap_or("null"));
        assert_eq!(found, expected, "{trailer}: {one:#}");
    }
}

#[test]
fn a_release_is_spent_once_its_tag_stood_there() {
    let (world, commit) = updated();
    world.remote.revert(&commit);
    world.remote.commit(&[], "Go on\n\nRepin-Resume: web app 1.2.0\n");
    let one = world.once();
    assert_eq!(one["to"], "1.2.0");
    // Whoever takes it back a second time means it.
    world.remote.revert(one["commit"].as_str().unwrap());
    for drop_cache in [false, true] {
        if drop_cache {
            world.drop_cache();
        }
        assert_eq!(verdict(&world.once()), ROLLED_BACK);
    }
    world.remote.commit(&[], "Go on again\n\nRepin-Resume: web app 1.1.0\n");
    world.takes("1.1.0");
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    assert_eq!(world.tag("web"), "1.1.0");
}

#[test]
fn after_rollback_wait_takes_what_a_trailer_names_and_nothing_above_it() {
    for (trailer, expected) in [
        ("Repin-Resume: web app 1.1.0", "1.1.0"),
        ("Repin-Resume: web app 1.3.0", "1.3.0"),
        ("Repin-Resume: web", "1.3.0"),
    ] {
        let world = World::create();
        world.registry.publish("acme/web", &["1.0.0", "1.1.0", "1.2.0"]);
        world.add_app(
            &App { name: "web", constraint: "", annotations: &["repin.dev/app.after-rollback: wait"] },
            "1.0.0",
        );
        let commit = world.once()["commit"].as_str().unwrap().to_owned();
        world.remote.revert(&commit);
        world.registry.publish("acme/web", &["1.3.0"]);
        assert_eq!(verdict(&world.once()), ROLLED_BACK);
        world.remote.commit(&[], &format!("Go on\n\n{trailer}\n"));
        world.takes(expected);
    }
}

#[test]
fn a_resume_before_the_step_back_does_not_count() {
    let (world, commit) = updated();
    world.remote.commit(&[], "Go on\n\nRepin-Resume: web\n");
    world.remote.revert(&commit);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
}

#[test]
fn a_downgrade_that_repin_was_allowed_to_make_is_no_step_back() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "1.2.0"]);
    world.add_app(&App { name: "web", constraint: "", annotations: &["repin.dev/allow-downgrade: \"true\""] }, "1.0.0");
    world.takes("1.2.0");
    world.registry.remove("acme/web", "1.2.0");
    let one = world.once();
    assert_eq!((verdict(&one).as_str(), &one["to"]), ("delivered delivered", &json!("1.1.0")), "{one:#}");
    world.registry.publish("acme/web", &["1.2.0"]);
    for drop_cache in [false, true] {
        if drop_cache {
            world.drop_cache();
        }
        let said = world.repin(&["plan"]);
        assert_eq!(said.json["outcomes"][0]["to"], "1.2.0", "{said:#?}");
    }
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    // A person's step back still is one.
    world.remote.revert(&commit);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
}

#[test]
fn the_mark_is_what_todays_policy_allows() {
    let (world, commit) = updated();
    world.remote.revert(&commit);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    // 1.2.0 is no longer allowed, so nothing that is was taken back.
    let manifest = world.remote.show("argocd/web.yaml").replace("/acme/web\"", "/acme/web:~1.1\"");
    world.remote.commit(&[("argocd/web.yaml", &manifest)], "Narrow");
    world.takes("1.1.0");
}

#[test]
fn an_image_spec_is_taken_back_like_a_tag() {
    let text = "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-spec: image";
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.2.0"]);
    commit(&world, &[Row { files: &[("values.yaml", "image: IMAGE:1.0.0\n")], ..Row::new("web", text) }]);
    let one = world.once();
    assert_eq!((&one["from"], &one["to"]), (&json!("1.0.0"), &json!("1.2.0")));
    world.remote.revert(one["commit"].as_str().unwrap());
    stays_until_the_next_release(&world, Some("1.0.0"));
    assert_eq!(world.remote.show("apps/web/values.yaml"), format!("image: {}:1.2.1\n", world.image("web")));
}

#[test]
fn alphabetical_order_has_a_mark_too() {
    let world = World::create();
    world.registry.publish("acme/web", &["dev-1", "dev-2"]);
    world.add_app(
        &App { name: "web", constraint: "", annotations: &["repin.dev/update-strategy: alphabetical"] },
        "dev-1",
    );
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    world.registry.publish("acme/web", &["dev-3"]);
    world.takes("dev-3");
}
