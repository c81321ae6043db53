//! What operators say: rules, observation, registries, and places with several owners.

use serde_json::{Value, json};

use crate::table::{self, PLAIN, Row, outcome, outcomes, verdict};
use crate::world::{Said, World};

/// The standard configuration with other rules; `more` stands before them.
fn configure(world: &World, more: &str, rules: &str) {
    let config = world.standard_config();
    let head = config.split_once("rules:\n").unwrap().0;
    world.configure(&format!("{head}{more}{rules}"));
}

fn rules(world: &World, rules: &[&str]) {
    let lines: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
    configure(world, "", &if rules.is_empty() { String::new() } else { format!("rules:\n{lines}") });
}

fn line(said: &Said, name: &str) -> String {
    let one = outcome(said, name);
    format!("{} {}", verdict(one), one["environment"].as_str().unwrap_or("null"))
}

const DEV: &str = "{match: {path: 'apps/**'}, environment: dev, delivery: commit}";

#[test]
fn rules_are_read_in_order_and_override_field_by_field() {
    let world = table::world(&[Row::new("web", PLAIN)]);
    for (list, expected) in [
        (&[][..], "held rule/none null"),
        (&["{match: {path: 'other/**'}, environment: dev, delivery: commit}"], "held rule/none null"),
        (&["{match: {path: 'apps/*'}, environment: dev, delivery: commit}"], "held rule/none null"),
        (&[DEV], "pending pending dev"),
        (&["{environment: all, delivery: commit}"], "pending pending all"),
        (&["{match: {path: 'apps/**'}, environment: dev}"], "held rule/none dev"),
        (&["{match: {path: 'apps/**'}, delivery: commit}"], "pending pending null"),
        (&[DEV, "{match: {path: '**'}, delivery: none}"], "held rule/none dev"),
        (&["{match: {path: '**'}, delivery: none}", DEV], "pending pending dev"),
        (&[DEV, "{match: {path: 'apps/web/**'}, environment: prod}"], "pending pending prod"),
        (&[DEV, "{delivery: pull-request}"], "held forge/unconfigured dev"),
        (&["{delivery: pull-request}", DEV], "pending pending dev"),
        (&[DEV, "{match: {repository: gitops}, environment: a}"], "pending pending a"),
        (&[DEV, "{match: {repository: other}, environment: a}"], "pending pending dev"),
        (&[DEV, "{match: {branch: main}, environment: a}"], "pending pending a"),
        (&[DEV, "{match: {branch: 'release/*'}, environment: a}"], "pending pending dev"),
        (&[DEV, "{match: {application: 'w*'}, environment: a}"], "pending pending a"),
        (&[DEV, "{match: {application: 'argocd/web'}, environment: a}"], "pending pending a"),
        (&[DEV, "{match: {application: api}, environment: a}"], "pending pending dev"),
        (&[DEV, "{match: {namespace: argocd}, environment: a}"], "pending pending a"),
        (&[DEV, "{match: {project: default}, environment: a}"], "pending pending a"),
        (&[DEV, "{match: {project: shop}, environment: a}"], "pending pending dev"),
        (&[DEV, "{match: {label: {team: a}}, environment: a}"], "pending pending dev"),
        (&[DEV, "{match: {namespace: argocd, project: shop}, environment: a}"], "pending pending dev"),
    ] {
        rules(&world, list);
        let said = world.repin(&["plan"]);
        assert_eq!(line(&said, "web"), expected, "{list:?}: {said:#?}");
        assert_eq!(said.code, if expected.starts_with("pending") { 4 } else { 0 }, "{list:?}");
    }
}

#[test]
fn an_explicit_none_is_said_by_rule_and_by_annotation() {
    let quiet = format!("{PLAIN}\nrepin.dev/delivery: none");
    let world = table::world(&[Row::new("web", PLAIN), Row::new("quiet", &quiet)]);
    let said = world.repin(&["once"]);
    assert_eq!(
        (verdict(outcome(&said, "web")), verdict(outcome(&said, "quiet"))),
        ("delivered delivered".into(), "held rule/none".into())
    );
    assert_eq!(said.json["problems"], json!([]));
    assert_eq!((said.code, world.repin(&["check"]).code), (0, 0));
    assert_eq!(world.tag("quiet"), "1.0.0");
}

#[test]
fn what_is_observed_is_decided_reported_and_not_written() {
    let world = table::world(&[Row::new("web", PLAIN), Row::new("api", PLAIN)]);
    let head = world.remote.head();
    for (more, list, api) in [
        ("observe: true\n", vec![DEV], "held rule/observe"),
        ("observe: true\n", vec![DEV, "{observe: false}"], "held rule/observe"),
        (
            "",
            vec![
                DEV,
                "{match: {path: 'apps/web/**'}, observe: true}",
                "{match: {path: 'apps/api/**'}, delivery: none}",
            ],
            "held rule/none",
        ),
        ("", vec!["{observe: true}", DEV], "held rule/observe"),
    ] {
        let lines: String = list.iter().map(|rule| format!("  - {rule}\n")).collect();
        configure(&world, more, &format!("rules:\n{lines}"));
        for command in ["plan", "once"] {
            let said = world.repin(&[command]);
            let one = outcome(&said, "web");
            assert_eq!((verdict(one).as_str(), said.code), ("held rule/observe", 0), "{said:#?}");
            assert_eq!((&one["from"], &one["to"], &one["commit"]), (&json!("1.0.0"), &json!("2.0.0"), &Value::Null));
            assert_eq!(verdict(outcome(&said, "api")), api, "{said:#?}");
        }
        assert_eq!(world.remote.head(), head);
        // The diff shows what would be written; nothing would.
        assert!(world.command(&["plan"]).output().unwrap().stdout.is_empty());
    }
    rules(&world, &[DEV, "{observe: true}", "{match: {path: 'apps/web/**'}, observe: false}"]);
    let said = world.repin(&["once"]);
    assert_eq!(
        (verdict(outcome(&said, "web")), verdict(outcome(&said, "api"))),
        ("delivered delivered".into(), "held rule/observe".into())
    );
}

#[test]
fn a_setting_of_a_rule_that_is_not_built_holds_what_it_matches() {
    let world = table::world(&[Row::new("web", PLAIN), Row::new("api", PLAIN)]);
    for (setting, code) in [
        ("verify: ['keyless:main']", "verify"),
        ("at_least: {verify: 'keyless:main'}", "verify"),
        ("notify: [chat]", "notify"),
        ("notify: [chat], verify: 'keyless:main', min_age: 1d", "verify"),
        ("delivery: pull-request, notify: [chat]", "notify"),
    ] {
        rules(&world, &[DEV, &format!("{{match: {{path: 'apps/web/**'}}, {setting}}}")]);
        let said = world.repin(&["plan"]);
        assert_eq!(line(&said, "web"), format!("held unsupported/{code} dev"), "{setting}: {said:#?}");
        assert_eq!(line(&said, "api"), "pending pending dev", "{setting}");
        let problems = said.json["problems"].as_array().unwrap();
        assert!(
            problems.iter().any(|one| one["code"] == format!("unsupported/{code}").as_str()),
            "{setting}: {said:#?}"
        );
    }
}

#[test]
fn a_registry_that_nobody_configured_is_asked_nothing_until_its_line_is_there() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    table::commit(&world, &[Row::new("web", PLAIN)]);
    let config = world.standard_config();
    let registry = format!("  - host: {}\n    insecure: true\n", world.registry.host());
    world.configure(&config.replace(&registry, "  - host: other.example\n"));
    for command in ["once", "plan", "check"] {
        let said = world.repin(&[command]);
        if command != "check" {
            assert_eq!(
                (verdict(outcome(&said, "web")).as_str(), said.code),
                ("held registry/unconfigured", 0),
                "{said:#?}"
            );
        }
        let problem = &said.json["problems"][0];
        assert_eq!(
            (&problem["code"], &problem["severity"]),
            (&json!("registry/unconfigured"), &json!("error")),
            "{command}: {said:#?}"
        );
        let hint = problem["hint"].as_str().unwrap();
        let line = hint.split('`').find(|part| part.starts_with("- host: ")).unwrap_or_else(|| panic!("{hint}"));
        assert_eq!(line, format!("- host: {}", world.registry.host()));
    }
    assert!(world.registry.requests().is_empty());
    world.configure(&config);
    assert_eq!(world.once()["result"], "delivered");
}

/// Two or more Applications that write `apps/shared/values.yaml`.
fn sharing(owners: &[(&str, String)], tag: &str) -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "2.0.0"]);
    let mut files = vec![("apps/shared/values.yaml".to_owned(), world.values("web", tag))];
    for (name, annotations) in owners {
        files.push((format!("argocd/{name}.yaml"), table::manifest(&world, name, annotations, "path: apps/shared")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add all");
    world
}

fn range(constraint: &str) -> String {
    PLAIN.replace("app=IMAGE", &format!("\"app=IMAGE:{constraint}\""))
}

#[test]
fn owners_that_disagree_are_all_held_and_each_one_is_named() {
    for (first, second, from) in [
        (range("1.x"), range("2.x"), "1.0.0"),
        (range("1.0.x"), range("1.x"), "1.0.0"),
        (range("1.0.x"), range("*"), "1.1.0"),
        (range(">=3"), range("1.x"), "1.0.0"),
        (format!("{PLAIN}\nrepin.dev/pin: digest"), range("1.x"), "1.0.0"),
    ] {
        let world = sharing(&[("a", first.clone()), ("b", second.clone()), ("c", second.clone())], from);
        let head = world.remote.head();
        let said = world.repin(&["once"]);
        assert_eq!(said.code, 0, "{said:#?}");
        for name in ["b", "c"] {
            let one = outcome(&said, name);
            assert_eq!(verdict(one), "held place/contested", "{first} {second}: {said:#?}");
            let message = one["message"].as_str().unwrap();
            assert!(
                ["argocd/a", "argocd/b", "argocd/c", "apps/shared/values.yaml"]
                    .iter()
                    .all(|part| message.contains(part)),
                "{message}"
            );
        }
        assert_eq!(outcome(&said, "a")["result"], "held");
        assert_eq!(world.remote.head(), head);
    }
    let text = "repin.dev/image-list: \"app=IMAGE:1.x,job=IMAGE:2.x\"\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/job.helm.image-tag: image.tag";
    let world = sharing(&[("a", text.into())], "1.0.0");
    let said = world.repin(&["once"]);
    let found: Vec<String> = outcomes(&said, "a").iter().map(|one| verdict(one)).collect();
    assert_eq!(found, ["held place/contested"; 2]);
    let message = outcomes(&said, "a")[0]["message"].as_str().unwrap();
    assert!(
        message.contains("app") && message.contains("job") && message.contains("1.1.0") && message.contains("2.0.0"),
        "{message}"
    );
}

#[test]
fn owners_that_agree_are_one_change_that_names_all() {
    let aliases = "repin.dev/image-list: \"app=IMAGE:1.x,job=IMAGE:~1\"\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/job.helm.image-tag: image.tag";
    let world = sharing(&[("a", range("1.x")), ("b", range(">=1 <2")), ("c", aliases.into())], "1.0.0");
    let said = world.repin(&["once"]);
    let head = world.remote.head();
    let found = said.json["outcomes"].as_array().unwrap();
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|one| one["result"] == "delivered" && one["commit"] == head.as_str()), "{said:#?}");
    let (_, _, body) = world.remote.log().remove(0);
    for name in ["a", "b", "c"] {
        assert!(body.contains(&format!("Repin-Application: argocd/{name} (dev)")), "{body}");
    }
    assert_eq!(world.tag("shared"), "1.1.0");
    assert!(world.repin(&["once"]).json["outcomes"].as_array().unwrap().iter().all(|one| one["result"] == "current"));
}

#[test]
fn an_anchor_that_two_environments_share_is_written_once_by_the_strictest_rule() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let text = format!(
        "# One build for both.\ndev: &image\n  repository: {}/acme/web\n  tag: 1.0.0   # by repin\nprod:\n  <<: *image\n  pullPolicy: Always\n",
        world.registry.host()
    );
    let at = |key: &str| PLAIN.replace("helm.image-tag: image.tag", &format!("helm.image-tag: {key}.tag"));
    let (dev, prod) = (
        table::manifest(&world, "web-dev", &at("dev"), "path: apps/web"),
        table::manifest(&world, "web-prod", &at("prod"), "path: apps/web"),
    );
    let files = [("argocd/dev.yaml", dev.as_str()), ("argocd/prod.yaml", &prod), ("apps/web/values.yaml", &text)];
    world.remote.commit(&files, "Add");
    let head = world.remote.head();
    rules(&world, &[DEV, "{match: {application: web-prod}, environment: prod, delivery: none}"]);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web-dev")), "held rule/none", "{said:#?}");
    let message = outcome(&said, "web-dev")["message"].as_str().unwrap();
    assert!(message.contains("argocd/web-prod (prod), which shares the place"), "{message}");
    assert_eq!(world.remote.head(), head);

    rules(&world, &[DEV, "{match: {application: web-prod}, environment: prod}"]);
    let explained = world.repin(&["explain", "web-dev"]);
    let target = &explained.json["images"][0]["target"];
    let sharer =
        json!({"application": "argocd/web-prod", "alias": "app", "environment": "prod", "key": "prod.tag", "line": 4});
    assert_eq!(
        target,
        &json!({"file": "apps/web/values.yaml", "key": "dev.tag", "line": 4, "shared_with": [sharer]}),
        "{explained:#?}"
    );
    let said = world.repin(&["once"]);
    assert!(said.json["outcomes"].as_array().unwrap().iter().all(|one| one["result"] == "delivered"), "{said:#?}");
    let message = outcome(&said, "web-prod")["message"].as_str().unwrap();
    assert!(
        message.ends_with("; the place is shared with argocd/web-dev (app, dev) at `dev.tag` in line 4"),
        "{message}"
    );
    assert_eq!(world.remote.show("apps/web/values.yaml"), text.replace("1.0.0", "1.1.0"));
    let (_, _, body) = world.remote.log().remove(0);
    for name in ["web-dev (dev)", "web-prod (prod)"] {
        assert!(body.contains(&format!("Repin-Application: argocd/{name}")), "{body}");
    }
    assert!(world.repin(&["once"]).json["outcomes"].as_array().unwrap().iter().all(|one| one["result"] == "current"));
}

#[test]
fn of_owners_that_agree_the_strictest_rule_counts() {
    let world = sharing(&[("a", range("1.x")), ("b", range("1.x"))], "1.0.0");
    let head = world.remote.head();
    for (rule, code) in [
        ("{match: {application: b}, delivery: none}", "rule/none"),
        ("{match: {application: a}, delivery: pull-request}", "forge/unconfigured"),
        ("{match: {application: b}, min_age: 3d}", "guard/min-age"),
        ("{match: {application: b}, at_least: {min_age: 3d}}", "guard/min-age"),
        ("{match: {application: a}, notify: [chat]}", "unsupported/notify"),
        ("{match: {application: a}, observe: true}", "rule/observe"),
    ] {
        rules(&world, &[DEV, rule]);
        let said = world.repin(&["once"]);
        for name in ["a", "b"] {
            assert_eq!(verdict(outcome(&said, name)), format!("held {code}"), "{rule}: {said:#?}");
        }
        assert_eq!(world.remote.head(), head);
    }
    rules(&world, &["{match: {application: a}, delivery: commit}"]);
    let said = world.repin(&["once"]);
    assert_eq!(
        (verdict(outcome(&said, "a")), verdict(outcome(&said, "b"))),
        ("held rule/none".into(), "held rule/none".into())
    );
    // Named, so that a person finds the rule that counts.
    assert!(outcome(&said, "a")["message"].as_str().unwrap().contains("argocd/b"));
}

#[test]
fn what_one_environment_may_push_holds_no_other_one_on_the_same_branch() {
    let world = table::world(&["api", "web", "job"].map(|name| Row::new(name, PLAIN)));
    let prod = "{match: {path: 'apps/{api,web}/**'}, environment: prod, max_changes_per_push: 1}";
    let held = ["held limit/per-push prod", "held limit/per-push prod", "pending pending dev"];
    let each = |said: &Said| ["api", "web", "job"].map(|name| line(said, name));
    rules(&world, &[DEV, prod]);
    assert_eq!(each(&world.repin(&["plan"])), held);
    // What is said for all of a push counts all of it.
    configure(&world, "max_changes_per_push: 2\n", &format!("rules:\n  - {DEV}\n"));
    assert_eq!(each(&world.repin(&["plan"])), ["held limit/per-push dev"; 3]);
    rules(&world, &[DEV, prod]);
    world.repin(&["once"]);
    assert_eq!(["api", "web", "job"].map(|name| world.tag(name)), ["1.0.0", "1.0.0", "2.0.0"]);
}
