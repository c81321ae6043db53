//! Annotated ApplicationSets: what they generate is updated where its tag stands.

use crate::table::{self, fill, outcome, problems, verdict};
use crate::world::World;

/// An ApplicationSet; `spec` are whole lines below `spec`, with the template in it, and `GIT` is the repository.
fn set(world: &World, name: &str, spec: &str) -> String {
    let spec: String = fill(world, spec).lines().map(|line| format!("  {line}\n")).collect();
    format!("apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata:\n  name: {name}\n  namespace: argocd\nspec:\n{spec}")
        .replace("GIT", &world.remote.url())
}

/// A template with this name and source, which are whole lines below `source`.
fn template(name: &str, source: &str) -> String {
    let source: String = source.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "template:\n  metadata:\n    name: '{name}'\n    annotations:\n      repin.dev/image-list: app=IMAGE\n  spec:\n    project: default\n    source:\n      repoURL: GIT\n      targetRevision: main\n{source}"
    )
}

fn world(files: &[(&str, String)]) -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, fill(&world, text))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    world.remote.commit(&files, "Add files");
    world
}

fn add(world: &World, sets: &[(&str, String)]) {
    let files: Vec<(String, String)> =
        sets.iter().map(|(name, spec)| (format!("argocd/{name}.yaml"), set(world, name, spec))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add sets");
}

const VALUES: &str = "# of this chart\nimage:\n  repository: IMAGE\n  tag: \"1.0.0\" # here\n";
const CHART: &str = "apiVersion: v2\nname: web\nversion: 0.1.0\n";

#[test]
fn value_files_of_generated_applications_are_written() {
    let world = world(&[
        ("apps/a/Chart.yaml", CHART.to_owned()),
        ("apps/a/values.yaml", VALUES.to_owned()),
        ("apps/b/Chart.yaml", CHART.to_owned()),
        ("apps/b/values.yaml", VALUES.to_owned()),
        ("apps/chart/Chart.yaml", CHART.to_owned()),
        ("apps/chart/values.yaml", VALUES.replace("1.0.0", "")),
        ("apps/chart/values-dev.yaml", "image: {tag: 1.0.0}\n".to_owned()),
        ("apps/chart/values-prod.yaml", "image:\n  tag: '1.0.0'\n".to_owned()),
        ("clusters/eu/config.json", r#"{"cluster": {"name": "eu"}}"#.to_owned()),
        ("clusters/us/config.json", r#"{"cluster": {"name": "us"}}"#.to_owned()),
        ("apps/eu/kustomization.yaml", "images:\n- name: IMAGE\n  newTag: 1.0.0\n".to_owned()),
        ("apps/us/kustomization.yaml", "images:\n- name: IMAGE\n  newTag: 1.0.0\n".to_owned()),
    ]);
    let directories = format!(
        "generators:\n- git:\n    repoURL: GIT\n    revision: HEAD\n    directories:\n    - path: apps/?\n{}",
        template("{{path.basename}}", "path: '{{path}}'")
    );
    let list = format!(
        "goTemplate: true\ngoTemplateOptions: [missingkey=error]\ngenerators:\n- list:\n    elements:\n    - env: dev\n    - env: prod\n{}",
        template("chart-{{.env}}", "path: apps/chart\nhelm:\n  valueFiles:\n  - 'values-{{.env}}.yaml'")
    );
    let matrix = format!(
        "generators:\n- matrix:\n    generators:\n    - git:\n        repoURL: GIT\n        files:\n        - path: clusters/**/config.json\n    - list:\n        elements:\n        - kind: web\n{}",
        template("{{cluster.name}}-{{kind}}", "path: 'apps/{{cluster.name}}'")
    );
    add(&world, &[("directories", directories), ("list", list), ("matrix", matrix)]);
    let said = world.repin(&["once"]);
    for name in ["a", "b", "chart-dev", "chart-prod", "eu-web", "us-web"] {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{name}: {said:#?}");
    }
    assert_eq!(said.json["problems"].as_array().unwrap().len(), 0, "{said:#?}");
    assert_eq!(world.remote.show("apps/a/values.yaml"), fill(&world, &VALUES.replace("1.0.0", "1.1.0")));
    assert_eq!(world.remote.show("apps/chart/values-dev.yaml"), "image: {tag: 1.1.0}\n");
    assert_eq!(world.remote.show("apps/chart/values-prod.yaml"), "image:\n  tag: '1.1.0'\n");
    assert_eq!(
        world.remote.show("apps/us/kustomization.yaml"),
        fill(&world, "images:\n- name: IMAGE\n  newTag: 1.1.0\n")
    );
    // A new directory is a new Application, without a change of the set.
    world.remote.commit(&[("apps/c/Chart.yaml", CHART), ("apps/c/values.yaml", &fill(&world, VALUES))], "Add c");
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "c")), "delivered delivered");
}

#[test]
fn what_git_does_not_hold_is_named_and_the_rest_goes_on() {
    let world = world(&[("apps/a/Chart.yaml", CHART.to_owned()), ("apps/a/values.yaml", VALUES.to_owned())]);
    let mixed = format!(
        "generators:\n- clusters: {{}}\n- list:\n    elements:\n    - name: a\n- git:\n    repoURL: https://git.example/other.git\n    revision: HEAD\n    directories: [{{path: '*'}}]\n- git:\n    repoURL: GIT\n    revision: v2\n    directories: [{{path: '*'}}]\n{}",
        template("{{name}}", "path: 'apps/{{name}}'")
    );
    let faulty = format!(
        "goTemplate: true\ngenerators:\n- list:\n    elements:\n    - name: f\n{}",
        template("{{.name}}", "path: '{{ genUUID }}'")
    );
    add(&world, &[("mixed", mixed), ("faulty", faulty)]);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "a")), "delivered delivered", "{said:#?}");
    assert_eq!(
        table::codes(&problems(&said, "argocd/mixed.yaml")),
        ["unsupported/generator", "unsupported/generator", "unsupported/generator"]
    );
    let found = problems(&said, "argocd/faulty.yaml");
    assert_eq!(table::codes(&found), ["unsupported/template"]);
    assert_eq!(found[0]["line"], 22, "{found:#?}");
    assert!(found[0]["message"].as_str().unwrap().contains("`genUUID`"), "{found:#?}");
}
