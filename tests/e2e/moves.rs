//! Files move: what stood there before goes on to count, for each file its own past.

use serde_json::{Value, json};

use crate::registry::Image;
use crate::remote::BareRemote;
use crate::table::{PLAIN, Row, commit, outcome, verdict};
use crate::world::{App, World};

const ROLLED_BACK: &str = "held guard/rolled-back";

/// `web` at 1.2.0 by repin, with more files beside its values; every path may be written.
fn updated() -> (World, String) {
    let world = World::create();
    world.configure(&world.standard_config().replace("apps/**", "**"));
    world.add_web(&["1.0.0", "1.1.0", "1.2.0"]);
    let (chart, notes) = (("apps/web/Chart.yaml", "name: web\nversion: 1.0.0\n"), ("apps/web/NOTES.md", "of web\n"));
    world.remote.commit(&[chart, notes], "Add more");
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    (world, commit)
}

/// What a person does in the work clone of `main` before one commit.
fn change(remote: &BareRemote, message: &str, work: impl FnOnce(&BareRemote)) -> String {
    remote.checkout("main");
    work(remote);
    remote.work(&["add", "--all"]);
    remote.work(&["commit", "--quiet", "-m", message]);
    remote.push_work("main")
}

fn rewrite(remote: &BareRemote, path: &str, from: &str, to: &str) {
    let file = remote.work_tree().join(path);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{path}: {text}");
    std::fs::write(file, text.replace(from, to)).unwrap();
}

/// Moves the directory of `web`, with its Application.
fn move_web(remote: &BareRemote, from: &str, to: &str) {
    std::fs::create_dir_all(remote.work_tree().join(to).parent().unwrap()).unwrap();
    remote.work(&["mv", from, to]);
    rewrite(remote, "argocd/web.yaml", &format!("path: {from}\n"), &format!("path: {to}\n"));
}

/// Held with and without the cache, and only until the next release.
fn stays_taken_back(world: &World, file: &str, by: &str) {
    for drop_cache in [false, true] {
        if drop_cache {
            world.drop_cache();
        }
        let one = world.once();
        assert_eq!((verdict(&one).as_str(), &one["file"], &one["from"]), (ROLLED_BACK, &json!(file), &json!("1.0.0")));
        let message = one["message"].as_str().unwrap();
        assert!(message.contains("1.2.0") && message.contains(&by[..7]), "{by}: {message}");
    }
    world.registry.publish("acme/web", &["1.2.1"]);
    world.takes("1.2.1");
}

#[test]
fn what_was_taken_back_before_a_move_stays_taken_back() {
    let (world, update) = updated();
    let back = world.remote.revert(&update);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    change(&world.remote, "Move web", |remote| move_web(remote, "apps/web", "clusters/a/apps/web"));
    stays_taken_back(&world, "clusters/a/apps/web/values.yaml", &back);
    // Who looks back sees one story, and what repin said of the file under its old name.
    let said = world.repin(&["history", "web"]);
    let told: Vec<String> = said.json["entries"].as_array().unwrap().iter().map(line).collect();
    assert_eq!(
        told,
        [
            "1.0.0 -> 1.2.1 by repin",
            "1.2.0 -> 1.0.0 by person took back [\"1.2.0\"]",
            "1.0.0 -> 1.2.0 by repin",
            "- -> 1.0.0 by person"
        ]
    );
    assert_eq!(said.json["entries"][2]["digest"], world.registry.digest("acme/web", "1.2.0").as_str());
    let traced = world.repin(&["trace", &format!("{}:1.2.0", world.image("web"))]);
    let text = traced.json.to_string();
    assert!(text.contains("clusters/a/apps/web/values.yaml") && text.contains("taken back to 1.0.0"), "{traced:#?}");
}

fn line(one: &Value) -> String {
    let word = |field: &str| one[field].as_str().unwrap_or("-").to_owned();
    let took = if one["took_back"] == json!([]) { String::new() } else { format!(" took back {}", one["took_back"]) };
    format!("{} -> {} by {}{took}", word("old"), word("new"), word("by"))
}

#[test]
fn a_move_that_takes_a_value_back_is_a_step_back() {
    let (world, _) = updated();
    let by = change(&world.remote, "Move and undo", |remote| {
        move_web(remote, "apps/web", "services/web");
        rewrite(remote, "services/web/values.yaml", "1.2.0", "1.0.0");
    });
    stays_taken_back(&world, "services/web/values.yaml", &by);
}

#[test]
fn several_moves_and_one_back_go_on() {
    let (world, update) = updated();
    change(&world.remote, "Move", |remote| move_web(remote, "apps/web", "a/web"));
    let back = change(&world.remote, "Undo", |remote| rewrite(remote, "a/web/values.yaml", "1.2.0", "1.0.0"));
    change(&world.remote, "Move on", |remote| move_web(remote, "a/web", "b/more/web"));
    change(&world.remote, "Write more", |remote| rewrite(remote, "b/more/web/values.yaml", "list:", "more: 1\nlist:"));
    change(&world.remote, "Move back", |remote| move_web(remote, "b/more/web", "apps/web"));
    stays_taken_back(&world, "apps/web/values.yaml", &back);
    assert_ne!(update, back);
}

#[test]
fn a_move_in_a_merge_and_one_of_a_single_file_go_on() {
    for merged in [false, true] {
        let (world, update) = updated();
        let back = world.remote.revert(&update);
        world.remote.checkout("main");
        if merged {
            world.remote.work(&["checkout", "--quiet", "-b", "move"]);
        }
        world.remote.work(&["mv", "apps/web/values.yaml", "apps/web/values-prod.yaml"]);
        rewrite(
            &world.remote,
            "argocd/web.yaml",
            "path: apps/web\n",
            "path: apps/web\n    helm: {valueFiles: [values-prod.yaml]}\n",
        );
        world.remote.work(&["commit", "--quiet", "-am", "Rename"]);
        if merged {
            // In two steps, of which the merge makes one.
            rewrite(&world.remote, "apps/web/values-prod.yaml", "list:", "more: 1\nlist:");
            world.remote.work(&["commit", "--quiet", "-am", "More"]);
            world.remote.work(&["checkout", "--quiet", "main"]);
            world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge", "move"]);
        }
        world.remote.push_work("main");
        stays_taken_back(&world, "apps/web/values-prod.yaml", &back);
    }
}

#[test]
fn an_update_that_was_made_before_a_move_and_merged_after_it_is_repins() {
    let (world, update) = updated();
    world.remote.checkout("main");
    world.remote.work(&["reset", "--quiet", "--hard", &format!("{update}~1")]);
    move_web(&world.remote, "apps/web", "services/web");
    world.remote.work(&["commit", "--quiet", "-am", "Move web"]);
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge the update", &update]);
    world.remote.push_work("main");
    let said = world.repin(&["history", "web", "--limit", "1"]);
    assert_eq!(line(&said.json["entries"][0]), "1.0.0 -> 1.2.0 by repin");
    assert_eq!(said.json["entries"][0]["digest"], world.registry.digest("acme/web", "1.2.0").as_str());
    assert_eq!(verdict(&world.once()), "current current");
}

#[test]
fn a_copy_and_a_file_that_was_away_begin_anew() {
    let (world, update) = updated();
    world.remote.revert(&update);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    // A copy is a place of its own, and the copied one keeps its past.
    let manifest = world.remote.show("argocd/web.yaml").replace("name: web\n", "name: copy\n");
    let (manifest, values) = (manifest.replace("apps/web", "apps/copy"), world.remote.show("apps/web/values.yaml"));
    world.remote.commit(&[("argocd/copy.yaml", &manifest), ("apps/copy/values.yaml", &values)], "Copy");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), ROLLED_BACK);
    assert_eq!(outcome(&said, "copy")["to"], "1.2.0", "{said:#?}");
    // So is a file that goes in one commit and comes elsewhere in the next.
    world.remote.remove(&["apps/web/values.yaml"], "Away");
    change(&world.remote, "Here", |remote| {
        move_web(remote, "apps/web", "services/web");
        std::fs::write(remote.work_tree().join("services/web/values.yaml"), &values).unwrap();
    });
    let said = world.repin(&["once"]);
    assert_eq!(outcome(&said, "web")["to"], "1.2.0", "{said:#?}");
}

#[test]
fn a_service_in_the_place_of_another_one_begins_anew() {
    let (world, _) = updated();
    world.registry.publish("acme/api", &["0.1.0", "0.2.0"]);
    // The same template, the same commit: what stood there was never of this image.
    let manifest = world.remote.show("argocd/web.yaml").replace("/web", "/api").replace("name: web", "name: api");
    change(&world.remote, "Replace web by api", |remote| {
        remote.work(&["rm", "--quiet", "-r", "apps/web", "argocd/web.yaml"]);
        for (path, text) in [("argocd/api.yaml", &manifest), ("apps/api/values.yaml", &world.values("api", "0.1.0"))] {
            let file = remote.work_tree().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
    });
    world.takes("0.2.0");
}

#[test]
fn of_many_services_that_move_at_once_each_keeps_its_own_past() {
    let world = World::create();
    world.configure(&world.standard_config().replace("apps/**", "**"));
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let names: Vec<String> = (0..60).map(|at| format!("s{at}")).collect();
    // Nothing in these files tells them apart but where they are, and what they hold.
    let files = [("values.yaml", "image:\n  tag: 1.0.0\n")];
    let rows: Vec<Row<'_>> = names.iter().map(|name| Row { files: &files, ..Row::new(name, PLAIN) }).collect();
    commit(&world, &rows);
    let said = world.repin(&["once"]);
    assert!(said.json["outcomes"].as_array().unwrap().iter().all(|one| one["to"] == "1.1.0"), "{said:#?}");
    change(&world.remote, "Take two back", |remote| {
        for name in ["s7", "s42"] {
            rewrite(remote, &format!("apps/{name}/values.yaml"), "1.1.0", "1.0.0");
        }
    });
    change(&world.remote, "Move all", |remote| {
        std::fs::create_dir_all(remote.work_tree().join("clusters/a")).unwrap();
        remote.work(&["mv", "apps", "clusters/a/apps"]);
        for name in &names {
            rewrite(remote, &format!("argocd/{name}.yaml"), "path: apps/", "path: clusters/a/apps/");
        }
        // One that goes back on the way, and gets the content of others.
        rewrite(remote, "clusters/a/apps/s13/values.yaml", "1.1.0", "1.0.0");
    });
    let said = world.repin(&["once"]);
    for name in &names {
        let expected = if ["s7", "s13", "s42"].contains(&name.as_str()) { ROLLED_BACK } else { "current current" };
        assert_eq!(verdict(outcome(&said, name)), expected, "{name}");
    }
    world.registry.publish("acme/web", &["1.2.0"]);
    let said = world.repin(&["once"]);
    assert!(said.json["outcomes"].as_array().unwrap().iter().all(|one| one["to"] == "1.2.0"), "{said:#?}");
}

#[test]
fn a_digest_that_was_taken_back_stays_away_after_a_move() {
    let world = World::create();
    world.configure(&world.standard_config().replace("apps/**", "**"));
    world.registry.fake().push("acme/web", "dev", &Image::built("2026-01-01T10:00:00Z"));
    let text = "repin.dev/image-list: app=IMAGE:dev\nrepin.dev/app.update-strategy: digest\n\
                repin.dev/app.helm.image-tag: image.tag\nrepin.dev/app.after-rollback: next";
    commit(&world, &[Row { files: &[("values.yaml", "image:\n  tag: dev\n")], ..Row::new("web", text) }]);
    assert_eq!(world.once()["result"], "delivered");
    let first = world.remote.show("apps/web/values.yaml");
    world.registry.fake().push("acme/web", "dev", &Image::built("2026-02-01T10:00:00Z"));
    let update = world.once()["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&update);
    assert_eq!(world.remote.show("apps/web/values.yaml"), first);
    assert_eq!(verdict(&world.once()), ROLLED_BACK);
    change(&world.remote, "Move web", |remote| move_web(remote, "apps/web", "services/web"));
    for drop_cache in [false, true] {
        if drop_cache {
            world.drop_cache();
        }
        assert_eq!(verdict(&world.once()), ROLLED_BACK);
    }
}

#[test]
fn a_new_service_from_the_template_of_a_removed_one_begins_anew_and_moves_go_on() {
    let captured = "**/{service}/values-{environment}.yaml\"}\n";
    for rule in [captured, "**\"}\n    environment: dev\n"] {
        let world = World::create();
        let standard = world.standard_config().replace("apps/**\"}\n    environment: dev\n", rule);
        world.configure(&standard);
        world.registry.publish("acme/old", &["5.0.0"]);
        world.registry.publish("acme/new", &["1.0.0", "1.1.0"]);
        // Nothing in the values says of which image they are.
        let files = |name: &str, tag: &str| {
            let more = format!("path: services/{name}\n    helm: {{valueFiles: [values-dev.yaml]}}\n");
            let application = world.application(&App { name, constraint: "", annotations: &[] });
            [
                (format!("argocd/{name}.yaml"), application.replace(&format!("path: apps/{name}\n"), &more)),
                (format!("services/{name}/values-dev.yaml"), format!("image:\n  tag: {tag}\nreplicas: 2\n")),
            ]
        };
        let write = |remote: &BareRemote, name: &str, tag: &str| {
            for (path, text) in files(name, tag) {
                let file = remote.work_tree().join(path);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
        };
        world.remote.commit(&[("README.md", "of services\n")], "Begin");
        change(&world.remote, "Add old", |remote| write(remote, "old", "5.0.0"));
        assert_eq!(verdict(&world.once()), "current current", "{rule}");
        change(&world.remote, "Replace old by new", |remote| {
            remote.work(&["rm", "--quiet", "-r", "services/old", "argocd/old.yaml"]);
            write(remote, "new", "1.0.0");
        });
        world.takes("1.1.0");
        change(&world.remote, "Undo", |remote| rewrite(remote, "services/new/values-dev.yaml", "1.1.0", "1.0.0"));
        assert_eq!(verdict(&world.once()), ROLLED_BACK, "{rule}");
        // The same service elsewhere, and then with another name of its environment.
        change(&world.remote, "Move", |remote| {
            std::fs::create_dir_all(remote.work_tree().join("clusters/a/services")).unwrap();
            remote.work(&["mv", "services/new", "clusters/a/services/new"]);
            rewrite(remote, "argocd/new.yaml", "path: services/", "path: clusters/a/services/");
        });
        assert_eq!(verdict(&world.once()), ROLLED_BACK, "{rule}");
        change(&world.remote, "Rename the environment", |remote| {
            let file = "clusters/a/services/new/values-dev.yaml";
            remote.work(&["mv", file, "clusters/a/services/new/values-development.yaml"]);
            rewrite(remote, "argocd/new.yaml", "values-dev.yaml", "values-development.yaml");
        });
        world.drop_cache();
        let one = world.once();
        assert_eq!(verdict(&one), ROLLED_BACK, "{rule}");
        assert_eq!(one["file"], "clusters/a/services/new/values-development.yaml");
    }
}
