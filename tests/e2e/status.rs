//! The screen for whoever is on call: `repin status`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{App, Said, World};

/// Each place as one line: `service environment tag next code`.
fn lines(said: &Said) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let services = said.json["services"].as_array().unwrap_or_else(|| panic!("{said:#?}"));
    let of_service = |service: &Value| -> Vec<String> {
        let places = service["environments"].as_array().unwrap().iter();
        places
            .map(|place| {
                let parts = [
                    &service["service"],
                    &place["environment"],
                    &place["tag"],
                    &place["next"]["tag"],
                    &place["held"]["code"],
                ];
                parts.map(&word).join(" ")
            })
            .collect()
    };
    services.iter().flat_map(of_service).collect()
}

/// Three services in two environments, told apart by the values file.
fn shop() -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.registry.publish("acme/api", &["2.0.0"]);
    world.add_app(&App { name: "web-staging", constraint: "", annotations: &[] }, "1.0.0");
    world.add_app(&App { name: "web-prod", constraint: "", annotations: &[] }, "1.0.0");
    world.add_app(&App { name: "api-staging", constraint: "", annotations: &[] }, "2.0.0");
    // One image for both environments.
    for name in ["web-staging", "web-prod", "api-staging"] {
        let service = name.split('-').next().unwrap();
        for file in [format!("argocd/{name}.yaml"), format!("apps/{name}/values.yaml")] {
            let text = world.remote.show(&file).replace(&world.image(name), &world.image(service));
            world.remote.commit(&[(&file, &text)], "Name the image");
        }
    }
    let rules = "rules:\n  - match: {path: \"apps/*-staging/**\"}\n    environment: staging\n    delivery: commit\n  \
                 - match: {path: \"apps/*-prod/**\"}\n    environment: prod\n    delivery: commit\n    observe: true\n";
    let config = world.standard_config();
    world.configure(&format!("{}{rules}", config.split("rules:").next().unwrap()));
    world
}

#[test]
fn status_says_what_stands_who_brought_it_and_what_comes_next() {
    let world = shop();
    let said = world.repin(&["status"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(
        lines(&said),
        ["api staging 2.0.0 - -", "web prod 1.0.0 1.1.0 rule/observe", "web staging 1.0.0 1.1.0 -"]
    );
    assert_eq!(world.tag("web-staging"), "1.0.0", "nothing is written");
    world.repin(&["once"]);
    let said = world.repin(&["status", "web", "--environment", "staging"]);
    assert_eq!(lines(&said), ["web staging 1.1.0 - -"], "{said:#?}");
    let place = &said.json["services"][0]["environments"][0];
    assert_eq!((&place["by"], &place["window"], &place["pull_request"]), (&json!("repin"), &Value::Null, &Value::Null));
    assert_eq!(place["digest"], world.registry.digest("acme/web", "1.1.0").as_str());
    assert_eq!(place["commit"].as_str().unwrap().len(), 40);
    assert!(place["since"].is_string(), "{place:#}");
    assert_eq!((&place["file"], &place["key"]), (&json!("apps/web-staging/values.yaml"), &json!("image.tag")));
    let prod = &world.repin(&["status", "web", "--environment", "prod"]).json["services"][0]["environments"][0];
    assert_eq!((&prod["by"], &prod["held"]["until"]), (&json!("A Person"), &Value::Null), "{prod:#}");
    for field in ["freezes", "overrides", "problems"] {
        assert_eq!(said.json[field], json!([]), "{field}");
    }
    assert_eq!((&said.json["stopped"], &said.json["version"]), (&Value::Null, &json!(1)));
    let output = world.command(&["status"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("api"), "{text}");
    assert!(text.contains("next 1.1.0; rule/observe: "), "{text}");
    assert!(text.ends_with("1 held, 2 current in 2 services; `--all` shows every place\n"), "{text}");
    let output = world.command(&["status", "--all"]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("api "));
}

#[test]
fn offline_status_asks_no_registry_and_says_nothing_of_what_comes() {
    let world = shop();
    let said = world.repin(&["status", "--offline"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(lines(&said), ["api staging 2.0.0 - -", "web prod 1.0.0 - -", "web staging 1.0.0 - -"]);
    assert_eq!(world.registry.requests().len(), 0, "no registry is asked");
    let service = world.repin(&["status", "web", "--offline"]);
    assert_eq!(lines(&service).len(), 2, "{service:#?}");
}

#[test]
fn a_name_that_is_not_there_is_answered_with_the_nearest() {
    let world = shop();
    let said = world.repin(&["status", "wbe", "--offline"]);
    assert_eq!(said.code, 2, "{said:#?}");
    assert!(said.talk.is_empty());
    let problem = &said.json["problems"][0];
    assert_eq!(problem["code"], "application/unknown");
    assert!(problem["hint"].as_str().unwrap().contains("did you mean `web`?"), "{problem:#}");
    let said = world.repin(&["status", "--environment", "dev", "--offline"]);
    assert_eq!((said.code, &said.json["problems"][0]["code"]), (2, &json!("usage/invalid")), "{said:#?}");
    world.configure("repositories: 1\n");
    assert_eq!(world.repin(&["status"]).code, 3);
}

#[test]
fn what_cannot_be_read_is_failed_and_the_rest_is_shown() {
    let world = shop();
    let config = std::fs::read_to_string(world.config()).unwrap();
    let gone = world.cache().join("gone.git");
    world.configure(
        &config.replace("registries:", &format!("  - name: gone\n    url: file://{}\nregistries:", gone.display())),
    );
    let said = world.repin(&["status"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert_eq!(lines(&said).len(), 3);
    assert!(said.json["problems"].as_array().unwrap().iter().any(|one| one["repository"] == "gone"), "{said:#?}");
    // A name that is not known may be in what was not read.
    assert_eq!(world.repin(&["status", "other", "--offline"]).code, 1);
}

#[test]
fn since_is_counted_by_the_clock_of_the_question() {
    let world = shop();
    let later = jiff::Timestamp::now() + Duration::from_secs(3 * 86_400 + 3_600);
    let output = world.command(&["status", "web", "--offline", "--now", &later.to_string()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("  3d "), "{text}");
}
