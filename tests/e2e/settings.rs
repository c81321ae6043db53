//! `check <application>`: what counts at each place, who says so, and which annotation was cut.

use serde_json::{Value, json};

use crate::table::{self, PLAIN, Row};
use crate::world::World;

const TEXT: &str = "\
environments:
  - name: dev
    delivery: commit
  - {name: prod, promote_from: dev, soak: 1h}
windows:
  - {name: office, kind: allow, cron: \"0 9 * * 1-5\", duration: 8h}
  - {name: night, kind: allow, cron: \"0 22 * * *\", duration: 4h}
max_changes_per_push: 50
rules:
  - match: {path: \"apps/{service}/{environment}.yaml\"}
    delivery: commit
    min_age: 1h
    max_changes_per_push: 60
  - match: {path: \"apps/*/prod.yaml\"}
    at_least: {delivery: pull-request, min_age: 2d, windows: [office], soak: 30m}
";

fn world() -> World {
    let wishes = "repin.dev/write-back-target: helmvalues:prod.yaml\nrepin.dev/delivery: commit\nargocd-image-updater.argoproj.io/min-age: 1d\nrepin.dev/window: night\nrepin.dev/app.soak: 3h\nrepin.dev/hold: audit";
    let web = format!("{PLAIN}\n{wishes}");
    let plain = format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:dev.yaml");
    let values = "image: {tag: 1.0.0}\n";
    let world = table::world(&[
        Row { files: &[("prod.yaml", values), ("values.yaml", values)], ..Row::new("web", &web) },
        Row { files: &[("dev.yaml", values), ("values.yaml", values)], ..Row::new("api", &plain) },
    ]);
    let config = world.standard_config();
    world.configure(&format!("{}{TEXT}", config.split_once("rules:\n").unwrap().0));
    world
}

fn line_of(world: &World, needle: &str) -> usize {
    let text = std::fs::read_to_string(world.config()).unwrap();
    text.lines().position(|line| line.contains(needle)).unwrap() + 1
}

/// The rows of one setting: value, kind, rule, line, key, capped.
fn rows(said: &Value, setting: &str) -> Vec<Value> {
    let all = said["settings"].as_array().unwrap();
    let of_it = all.iter().filter(|one| one["setting"] == setting);
    of_it
        .map(|one| {
            let from = &one["from"];
            json!([one["value"], from["kind"], from["rule"], from["line"], from["key"], one["capped"]])
        })
        .collect()
}

#[test]
fn each_setting_is_shown_with_who_says_it_and_what_was_cut() {
    let world = world();
    let said = world.repin(&["check", "web"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(world.registry.requests().is_empty(), "it asks no registry");
    let (first, second) = (line_of(&world, "{service}"), line_of(&world, "apps/*/prod.yaml"));
    let prod = line_of(&world, "name: prod");
    for (setting, expected) in [
        ("environment", json!([["prod", "rule", 0, first, null, null]])),
        ("service", json!([["web", "rule", 0, first, null, null]])),
        (
            "delivery",
            json!([["pull-request", "at_least", 1, second, null, {"wished": "commit", "counts": "pull-request"}]]),
        ),
        (
            "windows",
            json!([
                [["night"], "annotation", null, 12, "repin.dev/window", {"wished": "night", "counts": "night and office"}],
                [["office"], "at_least", 1, second, null, null],
            ]),
        ),
        ("min_age", json!([["2d", "at_least", 1, second, null, {"wished": "1d", "counts": "2d"}]])),
        ("promote_from", json!([["dev", "environment", null, prod, "prod", null]])),
        ("soak", json!([["3h", "annotation", null, 13, "repin.dev/app.soak", null]])),
        ("follow_rollback", json!([["none", "default", null, null, null, null]])),
        ("hold", json!([["audit", "annotation", null, 14, "repin.dev/hold", null]])),
        ("registries", json!([[null, "default", null, null, null, null]])),
        ("verify", json!([[null, "default", null, null, null, null]])),
        ("max_changes_per_hour", json!([[null, "default", null, null, null, null]])),
        ("max_changes_per_push", json!([[50, "default", null, null, "max_changes_per_push", null]])),
        ("observe", json!([[false, "default", null, null, null, null]])),
        ("per", json!([["application", "default", null, null, null, null]])),
        ("schedule", json!([[null, "default", null, null, null, null]])),
        ("may_write", json!([[null, "default", null, null, null, null]])),
        ("pull_request.labels", json!([[null, "default", null, null, null, null]])),
        ("pull_request.merge_method", json!([["merge", "default", null, null, null, null]])),
    ] {
        assert_eq!(json!(rows(&said.json, setting)), expected, "{setting}: {said:#?}");
    }
    let all = said.json["settings"].as_array().unwrap();
    assert!(all.iter().all(|one| one["file"] == "apps/web/prod.yaml" && one["alias"] == "app"), "{said:#?}");
    // What was cut is a warning at the annotation, here and in the whole check, and once.
    let capped = |said: &Value| -> Vec<String> {
        let problems = said["problems"].as_array().unwrap();
        let of_it = problems.iter().filter(|one| one["code"] == "annotation/capped");
        of_it.map(|one| format!("{}:{} {}", one["file"].as_str().unwrap(), one["line"], one["severity"])).collect()
    };
    let expected = [10, 11, 12].map(|line| format!("argocd/web.yaml:{line} \"warning\""));
    assert_eq!(capped(&said.json), expected);
    let whole = world.repin(&["check"]);
    assert_eq!((whole.code, capped(&whole.json)), (0, expected.to_vec()));
    assert_eq!(capped(&world.repin(&["plan"]).json), expected);
    let text = String::from_utf8(world.command(&["check", "argocd/web"]).output().unwrap().stdout).unwrap();
    assert!(text.starts_with("argocd/web app  apps/web/prod.yaml\n  environment  "), "{text}");
    let delivery = text.lines().find(|line| line.contains("  delivery ")).unwrap();
    let end = format!("at_least of rules[1] in line {second}; the annotation wishes commit");
    assert!(delivery.contains(" pull-request ") && delivery.ends_with(&end), "{delivery}");
}

#[test]
fn an_application_without_wishes_has_what_the_rules_and_its_environment_say() {
    let world = world();
    let said = world.repin(&["check", "api"]);
    assert_eq!((said.code, said.json["problems"].clone()), (0, json!([])), "{said:#?}");
    let first = line_of(&world, "{service}");
    assert_eq!(rows(&said.json, "delivery"), [json!(["commit", "rule", 0, first, null, null])]);
    assert_eq!(rows(&said.json, "min_age"), [json!(["1h", "rule", 0, first, null, null])]);
    assert_eq!(rows(&said.json, "environment"), [json!(["dev", "rule", 0, first, null, null])]);
}

#[test]
fn names_that_mean_none_or_several_are_usage_and_errors_are_those_of_check() {
    let world = world();
    let said = world.repin(&["check", "wbe"]);
    assert_eq!((said.code, &said.json["problems"][0]["code"]), (2, &json!("application/unknown")));
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("argocd/web"), "{said:#?}");
    let manifest = Row::new("web", PLAIN).manifest(&world);
    world.remote.commit(&[("other/web.yaml", &manifest)], "Add another");
    let said = world.repin(&["check", "web"]);
    assert_eq!((said.code, &said.json["problems"][0]["code"]), (2, &json!("application/ambiguous")), "{said:#?}");
    let bad = Row::new("bad", "repin.dev/image-list: app=IMAGE\nrepin.dev/strict: x").manifest(&world);
    world.remote.commit(&[("argocd/bad.yaml", &bad)], "Add a bad one");
    let said = world.repin(&["check", "bad"]);
    let codes: Vec<&str> =
        said.json["problems"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!((said.code, codes.contains(&"annotation/invalid")), (1, true), "{said:#?}");
    assert_eq!(world.repin(&["check", "api"]).code, 0);
}
