//! Somebody goes back: what a person took away stays away, with and without the cache.

use crate::any_registry::on_all_parts;
use crate::world::{App, World};

on_all_parts!(
    a_reverted_update_is_not_made_again_and_the_next_release_is_taken,
    a_resume_trailer_releases_what_was_taken_back,
    a_release_of_a_lower_tag_goes_no_further_back,
    after_rollback_wait_takes_nothing_until_a_person_goes_on,
);

fn held(outcome: &serde_json::Value) -> (&str, &str) {
    (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap())
}

fn a_reverted_update_is_not_made_again_and_the_next_release_is_taken(world: &World) {
    world.add_web(&["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    assert_eq!(world.tag("web"), "1.3.0");
    let head = world.remote.revert(&commit);
    for cycle in 0..4 {
        if cycle == 2 {
            world.drop_cache();
        }
        let outcome = world.once();
        assert_eq!(held(&outcome), ("held", "guard/rolled-back"), "{outcome:#}");
        let message = outcome["message"].as_str().unwrap();
        assert!(message.contains("1.3.0") && message.contains(&head[..7]), "{message}");
        assert_eq!(world.remote.head(), head);
    }
    // Also when the tag that was taken back is gone from the registry.
    world.registry.remove("acme/web", "1.3.0");
    world.registry.remove("acme/web", "1.2.0");
    world.registry.remove("acme/web", "1.1.0");
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
    world.registry.publish("acme/web", &["1.3.1"]);
    assert_eq!(world.once()["result"], "delivered");
    assert_eq!(world.tag("web"), "1.3.1");
    assert_eq!(held(&world.once()), ("current", "current"));
}

fn a_resume_trailer_releases_what_was_taken_back(world: &World) {
    world.add_web(&["1.0.0", "1.1.0", "1.2.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
    world.remote.commit(&[("NOTES", "go on\n")], "Go on\n\nRepin-Resume: argocd/web app 1.1.0");
    world.takes("1.1.0");
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
    world.remote.commit(&[("NOTES", "go on again\n")], "Go on\n\nRepin-Resume: web");
    world.takes("1.2.0");
    assert_eq!(held(&world.once()), ("current", "current"));
}

fn a_release_of_a_lower_tag_goes_no_further_back(world: &World) {
    world.add_web(&["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
    assert_eq!(world.once()["to"], "1.3.0");
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.2.0"))], "Back by hand");
    world.remote.commit(&[("NOTES", "go on\n")], "Go on\n\nRepin-Resume: argocd/web app 1.1.0");
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
    assert_eq!(world.tag("web"), "1.2.0");
}

fn after_rollback_wait_takes_nothing_until_a_person_goes_on(world: &World) {
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let app = App { name: "web", constraint: "", annotations: &["repin.dev/after-rollback: wait"] };
    world.add_app(&app, "1.0.0");
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    world.registry.publish("acme/web", &["1.2.0"]);
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
    // A value written by hand that reaches the mark ends it.
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.1.0"))], "Again by hand");
    world.takes("1.2.0");
}

#[test]
fn a_resume_trailer_counts_where_a_merge_brought_it() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
    world.remote.work(&["checkout", "--quiet", "-b", "go-on"]);
    world.remote.work(&["commit", "--quiet", "--allow-empty", "-m", "Go on\n\nRepin-Resume: argocd/web"]);
    world.remote.work(&["checkout", "--quiet", "main"]);
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge branch 'go-on'", "go-on"]);
    world.remote.push_work("main");
    world.takes("1.1.0");
}

#[test]
fn a_version_that_the_mirror_lost_hides_no_step_back() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    let blob = world.remote.git(&["rev-parse", &format!("{commit}:apps/web/values.yaml")]);
    let head = world.remote.revert(&commit);
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
    let (directory, file) = blob.trim().split_at(2);
    let lost = std::fs::read_dir(world.cache()).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path().join("objects").join(directory).join(file);
        std::fs::remove_file(path).ok()
    });
    assert_eq!(lost.count(), 1, "the mirror holds its own commit's blob as a loose object");
    for _ in 0..3 {
        let outcome = world.once();
        assert!(["failed", "held"].contains(&outcome["result"].as_str().unwrap()), "{outcome:#}");
        assert_eq!(world.remote.head(), head);
    }
    assert_eq!(held(&world.once()), ("held", "guard/rolled-back"));
}

#[test]
fn a_file_that_the_mirror_lost_is_not_taken_for_absent() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let app = App { name: "web", constraint: "", annotations: &[] };
    let manifest = world.application(&app) + "    helm: {valueFiles: [values-prod.yaml]}\n";
    let values = world.values("web", "1.0.0");
    // Outside `discover`, so that only the search for the key reads it.
    world.configure(&world.standard_config().replace("**/*.yaml", "argocd/*.yaml"));
    let files = [("argocd/web.yaml", &*manifest), ("apps/web/values.yaml", &*values)];
    world.remote.commit(&files, "Add");
    world.remote.commit(&[("apps/web/values-prod.yaml", &format!("# prod\n{values}"))], "Override");
    // A mirror whose objects stand alone, so that one can be lost.
    assert_eq!(world.repin(&["plan"]).json["outcomes"][0]["file"], "apps/web/values-prod.yaml");
    let mirror = std::fs::read_dir(world.cache()).unwrap().map(|entry| entry.unwrap().path());
    let mirror = mirror.into_iter().find(|path| path.extension().is_some_and(|end| end == "git")).unwrap();
    let git = |arguments: &[&str], input: std::process::Stdio| {
        let run = std::process::Command::new("git").arg("-C").arg(&mirror).args(arguments).stdin(input).output();
        let output = run.unwrap();
        assert!(output.status.success(), "{arguments:?} {output:?}");
    };
    let pack = mirror.join("objects/pack");
    let aside = world.remote.scratch();
    for entry in std::fs::read_dir(&pack).unwrap() {
        let path = entry.unwrap().path();
        std::fs::rename(&path, aside.join(path.file_name().unwrap())).unwrap();
    }
    let packs = std::fs::read_dir(&aside).unwrap().map(|entry| entry.unwrap().path());
    for path in packs.filter(|path| path.extension().is_some_and(|end| end == "pack")) {
        git(&["unpack-objects", "-q"], std::fs::File::open(path).unwrap().into());
    }
    let blob = world.remote.git(&["rev-parse", "main:apps/web/values-prod.yaml"]);
    let (directory, file) = blob.trim().split_at(2);
    std::fs::remove_file(mirror.join("objects").join(directory).join(file)).unwrap();
    let first = world.once();
    assert_eq!(first["result"], "failed", "{first:#}");
    assert_eq!(world.tag("web"), "1.0.0", "the earlier file is not written instead");
    // The mirror is made again, and the right file is written.
    let next = world.once();
    assert_eq!(
        (next["result"].as_str(), next["file"].as_str()),
        (Some("delivered"), Some("apps/web/values-prod.yaml"))
    );
}
