//! Where several places may be meant: the annotations that the hint prints, taken as they stand there, settle it.

use crate::table::{self, Row, fill, outcome, outcomes, verdict};
use crate::world::World;

const AUTO: &str = "repin.dev/image-list: app=IMAGE";
const CONTAINERS: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          image: IMAGE:1.0.0\n        - name: side\n          image: IMAGE:1.1.0\n";
const RELEASE: &str = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  values:\n    image: {repository: IMAGE, tag: 1.0.0}\n    worker: {repository: IMAGE, tag: 1.1.0}\n";

fn job(name: &str, tag: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{containers: [{{name: job, image: 'IMAGE:{tag}'}}]}}}}}}\n"
    )
}

/// The alternatives of a hint, each as whole lines of annotations.
fn alternatives(hint: &str) -> Vec<String> {
    let lines = |text: &str| -> Vec<String> {
        let quoted = text.split('`').skip(1).step_by(2);
        quoted.filter(|text| text.starts_with("repin.dev/")).map(|line| line.replacen(": ", ": '", 1) + "'").collect()
    };
    hint.split(", or ").map(|text| lines(text).join("\n")).filter(|lines| !lines.is_empty()).collect()
}

/// Asks for a plan, follows each alternative of the hint alone, and gives `file#key` of what is pending then.
fn followed(world: &World, name: &str, commit: &dyn Fn(&str)) -> Vec<String> {
    let said = world.repin(&["plan"]);
    let message = &outcome(&said, name)["message"];
    let problems = said.json["problems"].as_array().unwrap();
    let problem = problems.iter().find(|one| one["message"] == *message);
    let hint = problem.and_then(|one| one["hint"].as_str()).unwrap_or_default().to_owned();
    let settled = |lines: &String| {
        commit(&format!("{AUTO}\n{lines}"));
        let said = world.repin(&["plan"]);
        let all = outcomes(&said, name);
        let one = |one: &&serde_json::Value| match verdict(one).as_str() {
            "pending pending" => {
                format!("{}#{}", one["file"].as_str().unwrap(), one["key"].as_str().unwrap())
            }
            other => format!("{other} of {lines}: {one:#}"),
        };
        all.iter().map(one).collect::<Vec<_>>().join("; ")
    };
    alternatives(&hint).iter().map(settled).collect()
}

/// An Application by its name, its files, the code of its outcome, and the places that the alternatives name.
type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, Vec<String>);

#[test]
fn the_printed_annotations_settle_what_is_ambiguous() {
    let jobs = [job("one", "1.0.0"), job("two", "1.1.0")];
    let objects = jobs.join("---\n");
    let (web, values) = (("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n"), ("values.yaml", "-"));
    let umbrella = (
        "Chart.yaml",
        "apiVersion: v2\nname: all\nversion: 0.1.0\ndependencies:\n- {name: web, version: 0.1.0, repository: 'file://charts/web'}\n",
    );
    let container = |name: &str| format!("spec.template.spec.containers[name={name}].image");
    let job_key = "spec.template.spec.containers[name=job].image";
    let cases: Vec<Case<'_>> = vec![
        (
            "containers",
            vec![values, ("d.yaml", CONTAINERS)],
            "target/ambiguous",
            vec![
                format!("apps/containers/d.yaml#{}", container("app")),
                format!("apps/containers/d.yaml#{}", container("side")),
            ],
        ),
        (
            "objects",
            vec![values, ("jobs.yaml", &objects)],
            "target/ambiguous",
            vec![
                format!("apps/objects/jobs.yaml#Job/one#{job_key}"),
                format!("apps/objects/jobs.yaml#Job/two#{job_key}"),
            ],
        ),
        (
            "files",
            vec![values, ("a.yaml", &jobs[0]), ("b.yaml", &jobs[1])],
            "target/ambiguous",
            vec![format!("apps/files/a.yaml#{job_key}"), format!("apps/files/b.yaml#{job_key}")],
        ),
        (
            "release",
            vec![values, ("release.yaml", RELEASE)],
            "target/ambiguous",
            vec![
                "apps/release/release.yaml#spec.values.image.tag".to_owned(),
                "apps/release/release.yaml#spec.values.worker.tag".to_owned(),
            ],
        ),
        (
            "keys",
            vec![
                web,
                ("values.yaml", "image: {repository: IMAGE, tag: 1.0.0}\nworker: {repository: IMAGE, tag: 1.1.0}\n"),
            ],
            "target/ambiguous",
            vec!["apps/keys/values.yaml#image.tag".to_owned(), "apps/keys/values.yaml#worker.tag".to_owned()],
        ),
        (
            "umbrella",
            vec![
                umbrella,
                ("values.yaml", "replicas: 1\n"),
                ("charts/web/Chart.yaml", web.1),
                ("charts/web/values.yaml", "image: {repository: IMAGE, tag: 1.0.0}\n"),
            ],
            "target/not-found",
            vec!["apps/umbrella/charts/web/values.yaml#image.tag".to_owned()],
        ),
    ];
    let rows: Vec<Row<'_>> = cases.iter().map(|(name, files, ..)| Row { files, ..Row::new(name, AUTO) }).collect();
    let world = table::world(&rows);
    let mut wrong = Vec::new();
    for (name, files, code, expected) in &cases {
        let before = verdict(outcome(&world.repin(&["plan"]), name));
        let commit = |text: &str| table::commit(&world, &[Row { files, ..Row::new(name, text) }]);
        let found = followed(&world, name, &commit);
        if before != format!("held {code}") || found != *expected {
            wrong.push(format!("{name}: {before} {found:#?}\nexpected {expected:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_printed_annotations_say_which_source_is_meant() {
    let world = table::world(&[]);
    let manifest = |text: &str| {
        let annotations: String = fill(&world, text).lines().map(|line| format!("    {line}\n")).collect();
        let source = |name: &str| {
            format!("  - repoURL: {}\n    targetRevision: main\n    path: apps/{name}\n", world.remote.url())
        };
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: two\n  namespace: argocd\n  annotations:\n{annotations}spec:\n  sources:\n{}{}",
            source("a"),
            source("b")
        )
    };
    let commit = |text: &str| {
        world.remote.commit(&[("argocd/two.yaml", &manifest(text))], "Change the annotations");
    };
    let chart = "apiVersion: v2\nname: web\nversion: 0.1.0\n";
    let values = |tag: &str| fill(&world, &format!("image: {{repository: IMAGE, tag: {tag}}}\n"));
    world.remote.commit(
        &[
            ("apps/a/Chart.yaml", chart),
            ("apps/a/values.yaml", &values("1.0.0")),
            ("apps/b/Chart.yaml", chart),
            ("apps/b/values.yaml", &values("1.1.0")),
        ],
        "Add charts",
    );
    commit(AUTO);
    assert_eq!(followed(&world, "two", &commit), ["apps/a/values.yaml#image.tag", "apps/b/values.yaml#image.tag"]);
}

#[test]
fn bases_that_differ_or_go_round_are_said_of_the_overlay() {
    let (one, two) = (job("one", "1.0.0"), job("two", "1.1.0"));
    let differ = [
        ("values.yaml", "-"),
        ("kustomization.yaml", "resources: [../../bases/one, ../../bases/two]\n"),
        ("/bases/one/kustomization.yaml", "resources: [job.yaml]\n"),
        ("/bases/one/job.yaml", &one),
        ("/bases/two/kustomization.yaml", "resources: [job.yaml]\n"),
        ("/bases/two/job.yaml", &two),
    ];
    let round = [
        ("values.yaml", "-"),
        ("kustomization.yaml", "resources: [../../round/one]\n"),
        ("/round/one/kustomization.yaml", "resources: [../two]\n"),
        ("/round/two/kustomization.yaml", "resources: [../one]\n"),
    ];
    let rows = [Row { files: &differ, ..Row::new("differ", AUTO) }, Row { files: &round, ..Row::new("round", AUTO) }];
    let said = table::world(&rows).repin(&["plan"]);
    let found = outcome(&said, "differ");
    assert_eq!(
        (verdict(found).as_str(), &found["file"]),
        ("held target/ambiguous", &"apps/differ/kustomization.yaml".into())
    );
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("bases/one/job.yaml:4") && message.contains("bases/two/job.yaml:4"), "{message}");
    let found = outcome(&said, "round");
    assert_eq!(verdict(found), "failed edit/no-such-file", "{found:#}");
    let message = found["message"].as_str().unwrap();
    assert!(message.contains("round/two/kustomization.yaml names `../one`") && message.contains("circle"), "{message}");
}
