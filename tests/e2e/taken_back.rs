//! Somebody went back, by squashed and picked commits, by other tools, and by force; who did not goes on.

use serde_json::Value;

use crate::remote::{BareRemote, NewCommit};
use crate::table::{PLAIN, Row, commit, outcome, verdict};
use crate::world::{Said, World};

const ROLLED_BACK: &str = "held guard/rolled-back";
const NAMES: [&str; 3] = ["web", "api", "job"];

/// Three services of one image, all taken to 1.2.0 by repin; gives the commit of each.
fn updated() -> (World, Vec<String>) {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "1.2.0"]);
    commit(&world, &NAMES.map(|name| Row::new(name, PLAIN)));
    let said = world.repin(&["once"]);
    let commits = NAMES.map(|name| outcome(&said, name)["commit"].as_str().unwrap().to_owned());
    (world, commits.to_vec())
}

fn verdicts(said: &Said) -> Vec<String> {
    NAMES.iter().map(|name| verdict(outcome(said, name))).collect()
}

/// These are held, by the word of this commit, with and without the cache; the others are current, and all take the next one.
fn only(world: &World, held: &[&str], by: &str) {
    for drop_cache in [false, true] {
        if drop_cache {
            world.drop_cache();
        }
        let said = world.repin(&["once"]);
        for name in NAMES {
            let one = outcome(&said, name);
            let expected = if held.contains(&name) { ROLLED_BACK } else { "current current" };
            assert_eq!(verdict(one), expected, "{one:#}");
            let message = one["message"].as_str().unwrap();
            assert!(!held.contains(&name) || message.contains(&by[..7]), "{by}: {message}");
        }
    }
    world.registry.publish("acme/web", &["1.3.0"]);
    let said = world.repin(&["once"]);
    assert!(NAMES.iter().all(|name| outcome(&said, name)["to"] == "1.3.0"), "{said:#?}");
}

fn values(name: &str) -> String {
    format!("apps/{name}/values.yaml")
}

fn set(world: &World, tags: &[(&str, &str)], message: &str) -> String {
    let files: Vec<(String, String)> =
        tags.iter().map(|(name, tag)| (values(name), world.values("web", tag))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, message)
}

#[test]
fn a_reverted_squash_merge_takes_back_all_that_it_brought() {
    let (world, commits) = updated();
    // The branch is set back to before the updates of `web` and `api`, which come again as one squashed pull request.
    let body: String =
        commits[..2].iter().map(|id| world.remote.git(&["log", "-1", "--format=%B", id]) + "\n\n").collect();
    world.remote.checkout("main");
    world.remote.work(&["reset", "--quiet", "--hard", &format!("{}~1", oldest(&world.remote, &commits))]);
    for name in NAMES {
        std::fs::write(world.remote.work_tree().join(values(name)), world.values("web", "1.2.0")).unwrap();
    }
    let message = format!("Update all (#12)\n\n{body}---------\n\nCo-authored-by: repin <repin@localhost>");
    world.remote.work(&["commit", "--quiet", "-am", &message]);
    let squash = world.remote.push_work("main");
    assert_eq!(verdicts(&world.repin(&["once"])), ["current current"; 3]);
    // Of each service the squashed message says what repin wrote.
    for (name, by) in [("web", "repin"), ("api", "repin"), ("job", "person")] {
        let said = world.repin(&["history", name, "--limit", "1"]);
        assert_eq!(said.json["entries"][0]["by"], by, "{name}: {said:#?}");
        assert_eq!(said.json["entries"][0]["digest"].is_string(), by == "repin", "{name}");
    }
    let back = world.remote.revert(&squash);
    only(&world, &NAMES, &back);
}

fn oldest(remote: &BareRemote, commits: &[String]) -> String {
    let line = remote.git(&["rev-list", "--first-parent", "main"]);
    line.lines().rfind(|id| commits.iter().any(|commit| commit == id)).unwrap().to_owned()
}

#[test]
fn several_reverts_in_one_commit_hold_those_and_no_other() {
    let (world, commits) = updated();
    world.remote.checkout("main");
    world.remote.work(&["revert", "--no-commit", &commits[2], &commits[0]]);
    world.remote.work(&["commit", "--quiet", "-m", "Undo two"]);
    let back = world.remote.push_work("main");
    only(&world, &["web", "job"], &back);
}

#[test]
fn a_revert_on_a_branch_counts_once_it_is_merged() {
    let (world, commits) = updated();
    world.remote.checkout("main");
    world.remote.work(&["checkout", "--quiet", "-b", "undo"]);
    world.remote.work(&["revert", "--no-edit", &commits[1]]);
    world.remote.push_work("undo");
    assert_eq!(verdicts(&world.repin(&["once"])), ["current current"; 3]);
    set(&world, &[("web", "1.2.0")], "Nothing new");
    world.remote.commit(&[("NOTES", "main goes on\n")], "Go on");
    world.remote.checkout("main");
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge undo", "origin/undo"]);
    let merge = world.remote.push_work("main");
    only(&world, &["api"], &merge);
}

#[test]
fn a_revert_of_the_revert_and_a_newer_value_by_hand_go_on() {
    let (world, commits) = updated();
    let back = world.remote.revert(&commits[0]);
    let other = world.remote.revert(&commits[1]);
    assert_eq!(verdicts(&world.repin(&["once"])), [ROLLED_BACK, ROLLED_BACK, "current current"]);
    world.remote.revert(&back);
    // Newer than all that is published, by hand: nothing goes below it.
    set(&world, &[("job", "1.2.5")], "Take 1.2.5");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "current current");
    assert_eq!(outcome(&said, "job")["from"], "1.2.5");
    assert_ne!(outcome(&said, "job")["result"], "delivered");
    assert!(outcome(&said, "api")["message"].as_str().unwrap().contains(&other[..7]));
    world.registry.publish("acme/web", &["1.3.0"]);
    let said = world.repin(&["once"]);
    assert!(NAMES.iter().all(|name| outcome(&said, name)["to"] == "1.3.0"), "{said:#?}");
}

#[test]
fn an_older_update_that_a_person_picks_again_is_a_step_back() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    commit(&world, &NAMES.map(|name| Row::new(name, PLAIN)));
    let said = world.repin(&["once"]);
    let first = outcome(&said, "web")["commit"].as_str().unwrap().to_owned();
    world.registry.publish("acme/web", &["1.2.0"]);
    assert_eq!(outcome(&world.repin(&["once"]), "web")["to"], "1.2.0");
    world.remote.checkout("main");
    world.remote.work(&["cherry-pick", "-x", "--strategy-option", "theirs", &first]);
    let picked = world.remote.push_work("main");
    assert!(
        world.remote.git(&["log", "-1", "--format=%B", "main"]).contains("Repin-Change:"),
        "it claims to be repin's"
    );
    let said = world.repin(&["history", "web", "--limit", "1"]);
    assert_eq!(said.json["entries"][0]["took_back"][0], "1.2.0", "{said:#?}");
    only(&world, &["web"], &picked);
}

#[test]
fn what_other_tools_write_counts_like_what_people_write() {
    let (world, _) = updated();
    let tools = [
        ("web", ("argocd-image-updater", "noreply@argoproj.io"), "build: automatic update of web"),
        ("api", ("fluxcdbot", "fluxcdbot@users.noreply.github.com"), "Update from image update automation"),
        ("job", ("renovate[bot]", "29139614+renovate[bot]@users.noreply.github.com"), "chore(deps): update acme/web"),
    ];
    let write = |name: &str, author, tag: &str, message| {
        let (path, text) = (values(name), world.values("web", tag));
        world.remote.make(&NewCommit { author, ..NewCommit::new(&[(&path, &text)], message) })
    };
    // They bring what is not published yet; that is a mark like any other.
    for (name, author, message) in tools {
        write(name, author, "1.2.7", message);
    }
    let said = world.repin(&["once"]);
    assert!(NAMES.iter().all(|name| outcome(&said, name)["from"] == "1.2.7"), "{said:#?}");
    set(&world, &[("web", "1.2.0")], "Undo");
    write("api", tools[1].1, "1.2.0", "Update from image update automation");
    world.registry.publish("acme/web", &["1.2.5", "1.2.7"]);
    assert_eq!(verdicts(&world.repin(&["once"])), [ROLLED_BACK, ROLLED_BACK, "current current"]);
    world.registry.publish("acme/web", &["1.2.8"]);
    let said = world.repin(&["once"]);
    assert!(NAMES.iter().all(|name| outcome(&said, name)["to"] == "1.2.8"), "{said:#?}");
}

#[test]
fn of_a_branch_that_was_rewritten_counts_what_is_there_now() {
    let (world, commits) = updated();
    let (before, oldest) = (world.remote.head(), oldest(&world.remote, &commits));
    set(&world, &[("web", "1.0.0")], "Undo web");
    assert_eq!(verdicts(&world.repin(&["once"])), [ROLLED_BACK, "current current", "current current"]);
    // As if nothing had ever been updated: nobody took anything back.
    world.remote.checkout("main");
    world.remote.work(&["reset", "--quiet", "--hard", &format!("{oldest}~1")]);
    world.remote.push_work("main");
    let said = world.repin(&["once"]);
    assert!(NAMES.iter().all(|name| outcome(&said, name)["to"] == "1.2.0"), "{said:#?}");
    // The old line again, with another step back on it: that one counts.
    world.remote.checkout("main");
    world.remote.work(&["reset", "--quiet", "--hard", &before]);
    world.remote.push_work("main");
    let back = set(&world, &[("api", "1.1.0")], "Undo api");
    only(&world, &["api"], &back);
}

#[test]
fn an_application_that_was_deleted_and_made_again_begins_anew() {
    let (world, commits) = updated();
    world.remote.revert(&commits[0]);
    world.remote.revert(&commits[1]);
    assert_eq!(verdicts(&world.repin(&["once"])), [ROLLED_BACK, ROLLED_BACK, "current current"]);
    // `api` loses only its Application: its place was never away.
    let manifests = ["web", "api"].map(|name| (name, world.remote.show(&format!("argocd/{name}.yaml"))));
    world.remote.remove(&["argocd/web.yaml", "apps/web/values.yaml", "argocd/api.yaml"], "Delete");
    assert_eq!(world.repin(&["once"]).json["outcomes"].as_array().unwrap().len(), 1);
    for (name, manifest) in &manifests {
        world.remote.commit(
            &[(&format!("argocd/{name}.yaml"), manifest), (&values(name), &world.values("web", "1.0.0"))],
            "Make it again",
        );
    }
    let said = world.repin(&["once"]);
    assert_eq!(outcome(&said, "web")["to"], "1.2.0", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "api")), ROLLED_BACK);
}

#[test]
fn an_entry_that_moves_in_its_list_stays_itself_and_a_key_of_another_name_begins_anew() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.2.0"]);
    let list = "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: \"services[name=b].tag\"";
    let entry = |name: &str, tag: &str| format!("- name: {name}\n  tag: {tag}\n");
    let services = |entries: &[(&str, &str)]| -> String {
        "services:\n".to_owned() + &entries.iter().map(|(name, tag)| entry(name, tag)).collect::<String>()
    };
    commit(
        &world,
        &[
            Row { files: &[("values.yaml", &services(&[("a", "x"), ("b", "1.0.0")]))], ..Row::new("list", list) },
            Row::new("web", PLAIN),
        ],
    );
    let said = world.repin(&["once"]);
    for name in ["list", "web"] {
        world.remote.revert(outcome(&said, name)["commit"].as_str().unwrap());
    }
    let text = services(&[("b", "1.0.0"), ("c", "y"), ("a", "x")]);
    world.remote.commit(&[("apps/list/values.yaml", &text)], "Sort the list");
    let manifest = world.remote.show("argocd/web.yaml").replace("image.tag", "main.image.tag");
    let renamed = "main:\n  image:\n    tag: 1.0.0\n";
    world.remote.commit(&[("argocd/web.yaml", &manifest), ("apps/web/values.yaml", renamed)], "Rename the key");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "list")), ROLLED_BACK);
    let web: &Value = outcome(&said, "web");
    assert_eq!((web["to"].as_str(), web["key"].as_str()), (Some("1.2.0"), Some("main.image.tag")), "{web:#}");
}
