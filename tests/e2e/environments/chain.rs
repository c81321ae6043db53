//! A chain of environments: forty applications, one block of rules, and no text of any application but its image.

use jiff::{SignedDuration, Timestamp};

use crate::table::verdict;
use crate::world::World;

const CHAIN: [&str; 4] = ["dev", "staging", "eu", "us"];
const SERVICES: [&str; 10] =
    ["basket", "billing", "catalog", "checkout", "gateway", "invoices", "orders", "payments", "search", "shipping"];

const ENVIRONMENTS: &str = "environments:
  - name: dev
    delivery: commit
  - name: staging
    delivery: commit
    promote_from: dev
    soak: 1h
  - name: eu
    delivery: commit
    promote_from: staging
    soak: 24h
  - name: us
    delivery: commit
    promote_from: eu
    soak: 24h
rules:
  - match: {path: \"clusters/{environment}/apps/{service}/**\"}
";

const SET: &str = "apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: everything
  namespace: argocd
spec:
  goTemplate: true
  goTemplateOptions: [missingkey=error]
  generators:
    - git:
        repoURL: GIT
        revision: HEAD
        directories: [{path: clusters/*/apps/*}]
  template:
    metadata:
      name: '{{ index .path.segments 1 }}-{{ .path.basename }}'
      annotations:
        repin.dev/image-list: 'app=HOST/acme/{{ .path.basename }}'
    spec:
      project: default
      source: {repoURL: GIT, targetRevision: main, path: '{{ .path.path }}'}
";

fn path(environment: &str, service: &str) -> String {
    format!("clusters/{environment}/apps/{service}/deployment.yaml")
}

fn deployment(image: &str, tag: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: app}}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        image: {image}:{tag}\n"
    )
}

/// The tag that all services have in each environment.
fn tags(world: &World) -> [String; 4] {
    CHAIN.map(|environment| {
        let tag = |service: &&str| {
            let text = world.remote.show(&path(environment, service));
            text.trim_end().rsplit_once(':').unwrap().1.to_owned()
        };
        let mut found: Vec<String> = SERVICES.iter().map(tag).collect();
        found.dedup();
        found.join(" ")
    })
}

#[test]
fn forty_applications_follow_each_other_with_one_block_of_rules() {
    let world = World::create();
    let standard = world.standard_config();
    let config = format!("{}{ENVIRONMENTS}", standard.split_once("rules:\n").unwrap().0);
    assert!(SERVICES.iter().all(|service| !config.contains(service)), "{config}");
    world.configure(&config);
    let set = SET.replace("GIT", &world.remote.url()).replace("HOST", &world.registry.host());
    let mut files = vec![("argocd/everything.yaml".to_owned(), set)];
    for service in SERVICES {
        world.registry.publish(&format!("acme/{service}"), &["1.0.0", "2.0.0"]);
        for environment in CHAIN {
            let directory = format!("clusters/{environment}/apps/{service}");
            files.push((path(environment, service), deployment(&world.image(service), "1.0.0")));
            files.push((format!("{directory}/kustomization.yaml"), "resources: [deployment.yaml]\n".to_owned()));
        }
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add forty applications");

    let begin = Timestamp::now();
    let once = |hours: i64| {
        let now = (begin + SignedDuration::from_hours(hours)).max(Timestamp::now());
        world.repin(&["once", "--now", &now.to_string()])
    };
    // Each step: how long after the beginning, how many are written, and what stands then.
    for (hours, written, standing) in [
        (0, 10, ["2.0.0", "1.0.0", "1.0.0", "1.0.0"]),
        (0, 0, ["2.0.0", "1.0.0", "1.0.0", "1.0.0"]),
        (2, 10, ["2.0.0", "2.0.0", "1.0.0", "1.0.0"]),
        (3, 0, ["2.0.0", "2.0.0", "1.0.0", "1.0.0"]),
        (26, 10, ["2.0.0", "2.0.0", "2.0.0", "1.0.0"]),
        (52, 10, ["2.0.0", "2.0.0", "2.0.0", "2.0.0"]),
        (53, 0, ["2.0.0", "2.0.0", "2.0.0", "2.0.0"]),
    ] {
        let said = once(hours);
        let outcomes = said.json["outcomes"].as_array().unwrap();
        assert_eq!(outcomes.len(), 40, "{said:#?}");
        let count = |of: &str| outcomes.iter().filter(|one| verdict(one).starts_with(of)).count();
        assert_eq!((count("delivered"), count("failed")), (written, 0), "after {hours} hours: {said:#?}");
        assert_eq!(tags(&world), standing, "after {hours} hours");
    }

    // Who takes it back in one place holds that one, and what follows it; all others go on.
    let commit = world.remote.git(&["log", "-1", "--format=%H", "main", "--", &path("eu", "search")]);
    world.remote.revert(&commit);
    let said = once(54);
    let held: Vec<String> = said.json["outcomes"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| verdict(one) != "current current")
        .map(|one| format!("{} {}", one["application"].as_str().unwrap(), verdict(one)))
        .collect();
    assert_eq!(
        held,
        ["argocd/eu-search held guard/rolled-back", "argocd/us-search held promotion/went-back"],
        "{said:#?}"
    );
}
