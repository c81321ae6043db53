//! What stood where, and who brought it: `repin history`, from Git alone.

use serde_json::{Value, json};

use crate::remote::{BareRemote, NewCommit};
use crate::world::{App, Said, World};

/// Each entry as one line: `old -> new by [took back …] [#pull]`.
fn lines(said: &Said) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |one: &Value| {
        let took: Vec<String> = one["took_back"].as_array().unwrap().iter().map(&word).collect();
        let took = if took.is_empty() { String::new() } else { format!(" took back {}", took.join(",")) };
        let pull = one["commit"]["pull_request"]["text"].as_str().map(|text| format!(" {text}")).unwrap_or_default();
        format!("{} -> {} {}{took}{pull}", word(&one["old"]), word(&one["new"]), word(&one["by"]))
    };
    said.json["entries"].as_array().unwrap_or_else(|| panic!("{said:#?}")).iter().map(line).collect()
}

fn entries(said: &Said) -> &Vec<Value> {
    said.json["entries"].as_array().unwrap()
}

/// Commits the values of `web` at a time.
fn set_at(remote: &BareRemote, values: &str, message: &str, date: &str) -> String {
    let commit = NewCommit::new(&[("apps/web/values.yaml", values)], message);
    remote.make(&NewCommit { date: Some(date.to_owned()), ..commit })
}

#[test]
fn history_tells_releases_reverts_and_hand_made_changes() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let update = world.once()["commit"].as_str().unwrap().to_owned();
    let revert = world.remote.revert(&update);
    // What changes something else of the file is no entry.
    let other = world.values("web", "1.0.0").replace("list:", "more: 1\nlist:");
    world.remote.commit(&[("apps/web/values.yaml", &other)], "Add more");
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.1.0"))], "Go on (#7)");
    world.registry.publish("acme/web", &["1.2.0"]);
    world.takes("1.2.0");
    world.registry.forget_requests();
    let said = world.repin(&["history", "web"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(
        lines(&said),
        [
            "1.1.0 -> 1.2.0 repin",
            "1.0.0 -> 1.1.0 person #7",
            "1.1.0 -> 1.0.0 person took back 1.1.0",
            "1.0.0 -> 1.1.0 repin",
            "- -> 1.0.0 person",
        ]
    );
    assert_eq!(world.registry.requests().len(), 0, "no registry is asked");
    let (newest, back, first) = (&entries(&said)[0], &entries(&said)[2], &entries(&said)[3]);
    assert_eq!((&newest["until"], &back["until"].is_string()), (&Value::Null, &true));
    assert_eq!(back["commit"]["id"], revert.as_str());
    assert_eq!(back["since"], first["until"]);
    assert_eq!((&first["tag"], &first["commit"]["id"]), (&json!("1.1.0"), &json!(update)));
    assert_eq!(first["digest"], world.registry.digest("acme/web", "1.1.0").as_str());
    assert_eq!(back["digest"], Value::Null);
    assert!(first["reason"].as_str().unwrap().contains("1.1.0 is the newest"), "{first:#}");
    let place = |one: &Value| {
        ["application", "alias", "environment", "repository", "branch", "file", "key"].map(|field| one[field].clone())
    };
    assert_eq!(place(first), ["argocd/web", "app", "dev", "gitops", "main", "apps/web/values.yaml", "image.tag"]);
    assert_eq!(said.json["problems"], json!([]));
    assert_eq!((&said.json["left_out"], &said.json["version"]), (&json!(0), &json!(1)));
    let limited = world.repin(&["history", "--limit", "2"]);
    assert_eq!((lines(&limited).len(), &limited.json["left_out"]), (2, &json!(3)));
    let output = world.command(&["history", "web", "--limit", "3"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("1.0.0 -> 1.1.0  stood "), "{text}");
    assert!(text.contains(&format!("{} by A Person, took back 1.1.0: Revert \"Update web to 1.1.0\"", &revert[..10])));
    assert!(text.ends_with("… and 2 more\n"), "{text}");
}

#[test]
fn a_merge_and_a_squash_of_a_pull_request_are_told_with_its_number_and_who_merged() {
    for (squash, message, pull, merged_by) in [
        (false, "Merge pull request #12 from acme/repin/web\n\nUpdate web to 1.1.0", "#12", json!("A Person")),
        (
            false,
            "Merge branch 'repin/web' into 'main'\n\nUpdate web\n\nSee merge request acme/gitops!12",
            "!12",
            json!("A Person"),
        ),
        (true, "Update web to 1.1.0 (#12)", "#12", Value::Null),
    ] {
        let world = World::with_web(&["1.0.0", "1.1.0"]);
        let base = world.remote.head();
        let update = world.once()["commit"].as_str().unwrap().to_owned();
        world.remote.work(&["fetch", "--quiet", "origin"]);
        world.remote.work(&["checkout", "--quiet", "-B", "main", &base]);
        if squash {
            // As forges do: the message of the commit, and who took part in a paragraph of its own.
            let body = world.remote.git(&["log", "-1", "--format=%b", &update]);
            world.remote.work(&["merge", "--quiet", "--squash", &update]);
            let message = format!("{message}\n\n{body}\n\nCo-authored-by: repin <repin@localhost>");
            world.remote.work(&["commit", "--quiet", "-m", &message]);
        } else {
            world.remote.work(&["merge", "--quiet", "--no-ff", "-m", message, &update]);
        }
        let merge = world.remote.push_work("main");
        let said = world.repin(&["history", "argocd/web"]);
        assert_eq!(lines(&said), [format!("1.0.0 -> 1.1.0 repin {pull}"), "- -> 1.0.0 person".to_owned()]);
        let newest = &entries(&said)[0];
        assert_eq!((&newest["commit"]["id"], &newest["commit"]["merged_by"]), (&json!(merge), &merged_by), "{message}");
        assert!(newest["reason"].is_string() && newest["digest"].is_string(), "{newest:#}");
        // The merge is taken back.
        world.remote.checkout("main");
        let parent: &[&str] = if squash { &[] } else { &["-m", "1"] };
        world.remote.work(&[&["revert", "--no-edit"], parent, &[merge.as_str()]].concat());
        world.remote.push_work("main");
        assert_eq!(lines(&world.repin(&["history"]))[0], "1.1.0 -> 1.0.0 person took back 1.1.0", "{message}");
    }
}

#[test]
fn a_step_back_over_several_releases_names_all_that_it_took_back() {
    let world = World::with_web(&["1.0.0"]);
    for tag in ["1.1.0", "1.2.0", "1.0.5"] {
        world.remote.commit(&[("apps/web/values.yaml", &world.values("web", tag))], &format!("Take {tag}"));
    }
    world.remote.commit(&[("apps/web/values.yaml", "image:\n  tag:\n")], "Empty");
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.2.0"))], "Take 1.2.0 again");
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.0.0"))], "Back to the start");
    assert_eq!(
        lines(&world.repin(&["history", "web"])),
        [
            "1.2.0 -> 1.0.0 person took back 1.2.0,1.0.5,1.1.0",
            "- -> 1.2.0 person",
            "1.0.5 -> - person",
            "1.2.0 -> 1.0.5 person took back 1.2.0,1.1.0",
            "1.1.0 -> 1.2.0 person",
            "1.0.0 -> 1.1.0 person",
            "- -> 1.0.0 person",
        ]
    );
}

#[test]
fn other_tools_are_told_from_people() {
    let world = World::with_web(&["1.0.0"]);
    for (tag, author, by) in [
        ("1.1.0", ("renovate[bot]", "29139614+renovate[bot]@users.noreply.github.com"), "tool"),
        ("1.2.0", ("argocd-image-updater", "noreply@argoproj.io"), "tool"),
        ("1.3.0", ("fluxcdbot", "fluxcdbot@users.noreply.github.com"), "tool"),
        ("1.4.0", ("CI Bot", "ci@example.com"), "tool"),
        ("1.5.0", ("Abbot", "1234+abbot-smith@users.noreply.github.com"), "person"),
        ("1.6.0", ("Robo Bottomley", "bottom@example.com"), "person"),
    ] {
        let values = world.values("web", tag);
        let commit = NewCommit::new(&[("apps/web/values.yaml", &values)], "Take it");
        world.remote.make(&NewCommit { author, ..commit });
        assert_eq!(entries(&world.repin(&["history", "--limit", "1"]))[0]["by"], by, "{author:?}");
    }
}

#[test]
fn since_environment_and_service_choose_what_is_told() {
    let world = World::create();
    world.registry.publish("acme/web-dev", &["1.0.0"]);
    world.registry.publish("acme/web-prod", &["1.0.0"]);
    world.configure(&world.standard_config().replace(
        "rules:\n  - match: {path: \"apps/**\"}\n    environment: dev\n    delivery: commit\n",
        "rules:\n  - match: {path: \"apps/web-dev/**\"}\n    environment: dev\n    delivery: commit\n  - match: {path: \"apps/web-prod/**\"}\n    environment: prod\n",
    ));
    for (name, date) in [("web-dev", "2026-01-01T10:00:00Z"), ("web-prod", "2026-01-01T12:00:00Z")] {
        let manifest = world.application(&App { name, constraint: "", annotations: &[] });
        let values = world.values(name, "1.0.0");
        let (at, values_at) = (format!("argocd/{name}.yaml"), format!("apps/{name}/values.yaml"));
        let commit = NewCommit::new(&[(&at, &manifest), (&values_at, &values)], "Add");
        world.remote.make(&NewCommit { date: Some(date.to_owned()), ..commit });
    }
    for (name, tag, date) in [
        ("web-dev", "1.1.0", "2026-01-02T10:00:00Z"),
        ("web-dev", "1.2.0", "2026-01-03T10:00:00Z"),
        // A clock that is behind: what came later did not come earlier.
        ("web-prod", "1.1.0", "2025-01-01T00:00:00Z"),
    ] {
        let (at, values) = (format!("apps/{name}/values.yaml"), world.values(name, tag));
        let commit = NewCommit::new(&[(&at, &values)], "Take it");
        world.remote.make(&NewCommit { date: Some(date.to_owned()), ..commit });
    }
    let told = |arguments: &[&str]| -> Vec<String> {
        let said = world.repin(&[&["history"], arguments, &["--now", "2026-01-05T10:00:00Z"]].concat());
        assert_eq!(said.code, 0, "{said:#?}");
        let line = |one: &Value| {
            let field = |field: &str| one[field].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}", field("environment"), field("new"), field("since"), one["seconds"])
        };
        entries(&said).iter().map(line).collect()
    };
    let all = [
        "prod 1.1.0 2026-01-03T10:00:00Z 172800",
        "dev 1.2.0 2026-01-03T10:00:00Z 172800",
        "dev 1.1.0 2026-01-02T10:00:00Z 86400",
        "prod 1.0.0 2026-01-01T12:00:00Z 165600",
        "dev 1.0.0 2026-01-01T10:00:00Z 86400",
    ];
    assert_eq!(told(&[]), all);
    assert_eq!(told(&["web"]), all);
    assert_eq!(told(&["argocd/web"]), all);
    assert_eq!(told(&["web", "--environment", "prod"]), [all[0], all[3]]);
    assert_eq!(told(&["web-prod"]), [all[0], all[3]]);
    assert_eq!(told(&["web-dev", "--since", "3d"]), [all[1], all[2]]);
    // What stood then is part of the answer.
    assert_eq!(told(&["web-dev", "--since", "2026-01-04"]), [all[1]]);
    for (arguments, code, hint) in [
        (&["history", "wep-dev"][..], "application/unknown", "did you mean `argocd/web-dev`?"),
        (&["history", "--environment", "production"], "usage/invalid", "the rules give: dev, prod"),
        (&["history", "--since", "soon"], "usage/invalid", "a span such as 7d"),
    ] {
        let said = world.repin(arguments);
        let problem = &said.json["problems"][0];
        assert_eq!((said.code, &problem["code"], &said.json["entries"]), (2, &json!(code), &json!([])), "{said:#?}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem:#}");
    }
}

#[test]
fn applications_of_one_name_are_told_apart_and_several_repositories_are_told_in_one_order() {
    let world = World::with_web(&["1.0.0"]);
    let other = BareRemote::create();
    world.configure(
        &world.standard_config().replace(
            "registries:",
            &format!("  - name: locked\n    url: {}\n    branch: main\nregistries:", other.url()),
        ),
    );
    let manifest = world
        .application(&App { name: "web", constraint: "", annotations: &[] })
        .replace(&world.remote.url(), &other.url());
    let values = world.values("web", "0.9.0");
    let commit = NewCommit::new(&[("argocd/web.yaml", &manifest), ("apps/web/values.yaml", &values)], "Add web");
    other.make(&NewCommit { date: Some("2026-01-01T10:00:00Z".to_owned()), ..commit });
    set_at(&other, &world.values("web", "1.0.0"), "Take 1.0.0", "2026-01-02T10:00:00Z");
    let said = world.repin(&["history"]);
    let told: Vec<&str> = entries(&said).iter().map(|one| one["repository"].as_str().unwrap()).collect();
    assert_eq!(told, ["gitops", "locked", "locked"], "newest first");
    let ambiguous = world.repin(&["history", "web"]);
    assert_eq!((ambiguous.code, &ambiguous.json["problems"][0]["code"]), (2, &json!("application/ambiguous")));
    let hint = ambiguous.json["problems"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("gitops:argocd/web.yaml:argocd/web") && hint.contains("locked:"), "{hint}");
    assert_eq!(lines(&world.repin(&["history", "locked:argocd/web.yaml:argocd/web"])).len(), 2);
    // A repository that cannot be read is a failure, and the others are told all the same.
    world.configure(&std::fs::read_to_string(world.config()).unwrap().replace(&other.url(), "file:///nowhere.git"));
    world.drop_cache();
    let said = world.repin(&["history"]);
    assert_eq!((said.code, lines(&said).len()), (1, 1), "{said:#?}");
    assert_eq!(said.json["problems"][0]["repository"], "locked");
    assert_eq!(world.repin(&["history", "nothing"]).code, 1);
}

#[test]
fn texts_of_strangers_are_shown_without_what_moves_the_cursor() {
    let world = World::with_web(&["1.0.0"]);
    let values = world.values("web", "1.1.0\\e[2J\\u202E");
    let commit = NewCommit::new(
        &[("apps/web/values.yaml", &values)],
        "Take\u{1b}[31m it \u{202e}evil (#9)\n\nRepin-Change: forged",
    );
    world.remote.make(&NewCommit { author: ("Mallory\u{202e}\u{7}", "m@example.com"), ..commit });
    let output = world.command(&["history"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("1.0.0 -> (none)") && text.contains("Take [31m it evil (#9)"), "{text:?}");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    let said = world.repin(&["history"]);
    assert_eq!(entries(&said)[0]["commit"]["author"], "Mallory");
    assert_eq!(entries(&said)[0]["by"], "person");
}

#[test]
fn a_place_that_cannot_be_found_is_a_problem_of_its_application_alone() {
    let world = World::with_web(&["1.0.0"]);
    let lost =
        App { name: "lost", constraint: "", annotations: &["repin.dev/write-back-target: helmvalues:nothing.yaml"] };
    world.remote.commit(&[("argocd/lost.yaml", &world.application(&lost))], "Add lost");
    let (all, web) = (world.repin(&["history"]), world.repin(&["history", "web"]));
    assert_eq!((all.code, lines(&all).len(), all.json["problems"].as_array().unwrap().len()), (0, 1, 1), "{all:#?}");
    assert_eq!((web.code, &web.json["problems"]), (0, &json!([])));
}

#[test]
fn history_that_is_cut_says_so() {
    let world = World::with_web(&["1.0.0"]);
    for tag in ["1.1.0", "1.2.0"] {
        world.remote.commit(&[("apps/web/values.yaml", &world.values("web", tag))], "Take it");
    }
    world.configure(
        &world.standard_config().replace("    branch: main\n", "    branch: main\n    history: {commits: 1}\n"),
    );
    let said = world.repin(&["history"]);
    let one = &entries(&said)[0];
    assert_eq!((entries(&said).len(), &one["new"], &one["is_cut"]), (1, &json!("1.2.0"), &json!(true)), "{said:#?}");
    let output = world.command(&["history"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("stands for at least "));
}
