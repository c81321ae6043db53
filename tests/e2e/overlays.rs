//! Overlays: the image stands in a base or a component that others share, and the overlay's own file is written.

use crate::table::{self, Row, fill, outcome, outcomes, problems, verdict};
use crate::world::World;

const AUTO: &str = "repin.dev/image-list: app=IMAGE";
const BASE: &str = "resources:\n  - web.yaml\n  - jobs\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          image: IMAGE:1.0.0 # what every overlay starts from\n";
const JOBS: &str = "resources: [job.yaml]\n";
const JOB: &str = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: clean}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: job, image: 'busybox:1.36'}]}}}}}\n";
const COMPONENT: &str =
    "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages:\n  - name: IMAGE\n    newTag: 1.1.0\n";

/// A base, a component, and overlays that use them; `stage` has the component, `prod` a list of images of its own.
fn overlays() -> World {
    let stage = [
        ("/bases/web/kustomization.yaml", BASE),
        ("/bases/web/web.yaml", WEB),
        ("/bases/web/jobs/kustomization.yaml", JOBS),
        ("/bases/web/jobs/job.yaml", JOB),
        ("/components/canary/kustomization.yaml", COMPONENT),
        ("values.yaml", "-"),
        (
            "kustomization.yaml",
            "resources:\n- ../../bases/web\ncomponents:\n- ../../components/canary\nnamespace: stage\n# end of stage\n",
        ),
    ];
    let prod = [
        ("values.yaml", "-"),
        (
            "kustomization.yaml",
            "resources:\n  - ../../bases/web\nnamePrefix: prod-\nimages:\n  - name: busybox\n    newTag: \"1.37\"\n",
        ),
    ];
    table::world(&[Row { files: &stage, ..Row::new("stage", AUTO) }, Row { files: &prod, ..Row::new("prod", AUTO) }])
}

#[test]
fn each_overlay_is_written_and_neither_the_base_nor_the_component() {
    let world = overlays();
    let said = world.repin(&["once"]);
    let told = |name: &str| {
        let one = outcome(&said, name);
        format!("{} {} {} {}", verdict(one), one["file"].as_str().unwrap(), one["from"], one["to"])
    };
    assert_eq!(told("stage"), "delivered delivered apps/stage/kustomization.yaml \"1.1.0\" \"2.0.0\"");
    assert_eq!(told("prod"), "delivered delivered apps/prod/kustomization.yaml \"1.0.0\" \"2.0.0\"");
    let show = |path: &str| world.remote.show(path);
    assert_eq!(
        show("apps/stage/kustomization.yaml"),
        fill(
            &world,
            "resources:\n- ../../bases/web\ncomponents:\n- ../../components/canary\nnamespace: stage\nimages:\n- name: IMAGE\n  newTag: 2.0.0\n# end of stage\n"
        )
    );
    assert_eq!(
        show("apps/prod/kustomization.yaml"),
        fill(
            &world,
            "resources:\n  - ../../bases/web\nnamePrefix: prod-\nimages:\n  - name: busybox\n    newTag: \"1.37\"\n  - name: IMAGE\n    newTag: \"2.0.0\"\n"
        )
    );
    assert_eq!(show("bases/web/web.yaml"), fill(&world, WEB));
    assert_eq!(show("components/canary/kustomization.yaml"), fill(&world, COMPONENT));
    let messages = world.remote.git(&["log", "-2", "--format=%B", "main"]);
    for ran in ["1.0.0", "1.1.0"] {
        assert!(messages.contains(ran), "it says what ran before: {messages}");
    }
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "stage")), "current current");
}

#[test]
fn a_base_that_has_the_tag_already_leaves_nothing_to_write() {
    let world = overlays();
    world.remote.commit(&[("bases/web/web.yaml", &fill(&world, &WEB.replace("1.0.0", "2.0.0")))], "Raise the base");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "prod")), "current current");
    assert_eq!(outcome(&said, "stage")["from"], "1.1.0", "the component goes back below the base");
    // The base is what runs, so what is above everything that is allowed stays.
    world.remote.commit(&[("bases/web/web.yaml", &fill(&world, &WEB.replace("1.0.0", "3.0.0")))], "Raise it by hand");
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "prod")), "held guard/downgrade");
}

#[test]
fn a_base_that_a_person_took_back_is_not_overtaken_by_an_entry() {
    let world = overlays();
    let raise = world.remote.commit(&[("bases/web/web.yaml", &fill(&world, &WEB.replace("1.0.0", "2.0.0")))], "Raise");
    world.remote.revert(&raise);
    let said = world.repin(&["once"]);
    let one = outcome(&said, "prod");
    assert_eq!(verdict(one), "held guard/rolled-back", "{one:#}");
    assert!(one["message"].as_str().unwrap().contains("took 2.0.0 back to 1.0.0"), "{one:#}");
    assert!(!world.remote.show("apps/prod/kustomization.yaml").contains("2.0.0"));
    world.registry.publish("acme/web", &["2.1.0"]);
    let said = world.repin(&["once"]);
    assert_eq!(outcome(&said, "prod")["to"], "2.1.0");
}

#[test]
fn an_entry_that_a_person_took_out_is_not_added_again() {
    let world = overlays();
    let said = world.repin(&["once"]);
    let commit = outcome(&said, "prod")["commit"].as_str().unwrap().to_owned();
    let head = world.remote.revert(&commit);
    for _ in 0..2 {
        assert_eq!(verdict(outcome(&world.repin(&["once"]), "prod")), "held guard/rolled-back");
        world.drop_cache();
    }
    assert_eq!(world.remote.git(&["rev-list", "-1", "main", "--", "apps/prod"]).trim(), head);
    // Who moves the tag into the base took nothing back.
    world.remote.commit(&[("bases/web/web.yaml", &fill(&world, &WEB.replace("1.0.0", "2.0.0")))], "Raise the base");
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "prod")), "current current");
}

#[test]
fn an_annotation_names_the_base_and_a_rule_allows_it() {
    let world = overlays();
    let target = format!("{AUTO}\nrepin.dev/write-back-target: kustomization:../../bases/web");
    table::commit(&world, &[Row { files: &[("values.yaml", "-")], ..Row::new("prod", &target) }]);
    let said = world.repin(&["plan"]);
    let one = outcome(&said, "prod");
    assert_eq!(
        (verdict(one).as_str(), one["file"].as_str()),
        ("held target/outside", Some("bases/web/kustomization.yaml"))
    );
    let rules = "rules:\n  - match: {application: prod}\n    environment: dev\n    delivery: commit\n    may_write: [\"bases/**\"]\n";
    let config = world.standard_config();
    world.configure(&format!("{}{rules}", config.split_once("rules:").unwrap().0));
    let before = world.remote.show("apps/prod/kustomization.yaml");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "prod")), "delivered delivered", "{said:#?}");
    let base = fill(&world, &format!("{BASE}images:\n  - name: IMAGE\n    newTag: 2.0.0\n"));
    assert_eq!(world.remote.show("bases/web/kustomization.yaml"), base);
    assert_eq!(world.remote.show("apps/prod/kustomization.yaml"), before);
}

#[test]
fn patches_in_place_and_in_files_are_written_where_they_stand() {
    let patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          image: \"IMAGE:1.0.0\" # canary\n";
    let rows = [
        Row {
            files: &[
                ("/bases/web/kustomization.yaml", "resources: [web.yaml]\n"),
                ("/bases/web/web.yaml", WEB),
                ("values.yaml", "-"),
                ("kustomization.yaml", "resources: [../../bases/web]\npatches:\n- path: image.yaml\n"),
                ("image.yaml", patch),
            ],
            ..Row::new("file", AUTO)
        },
        Row {
            files: &[
                ("values.yaml", "-"),
                (
                    "kustomization.yaml",
                    "resources: [../../bases/web]\npatches:\n- path: image.json\n  target: {kind: Deployment}\n",
                ),
                (
                    "image.json",
                    "[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/image\", \"value\": \"IMAGE:1.1.0\"}]\n",
                ),
            ],
            ..Row::new("json", AUTO)
        },
    ];
    let world = table::world(&rows);
    let said = world.repin(&["once"]);
    for name in ["file", "json"] {
        assert_eq!(outcomes(&said, name).len(), 1, "{said:#?}");
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered");
    }
    assert_eq!(world.remote.show("apps/file/image.yaml"), fill(&world, &patch.replace("1.0.0", "2.0.0")));
    assert_eq!(
        world.remote.show("apps/json/image.json"),
        fill(
            &world,
            "[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/image\", \"value\": \"IMAGE:2.0.0\"}]\n"
        )
    );
    assert_eq!(world.remote.show("bases/web/web.yaml"), fill(&world, WEB));
}

#[test]
fn what_is_in_the_way_is_told_with_its_file() {
    let row = |name, files| Row { files, ..Row::new(name, AUTO) };
    let world = table::world(&[
        row("gone", &[("values.yaml", "-"), ("kustomization.yaml", "resources: [../base]\n")]),
        row(
            "remote",
            &[("values.yaml", "-"), ("kustomization.yaml", "resources: ['https://git.example/base?ref=v1']\n")],
        ),
    ]);
    let said = world.repin(&["plan"]);
    let gone = outcome(&said, "gone");
    assert_eq!(
        (verdict(gone).as_str(), gone["file"].as_str()),
        ("failed edit/no-such-file", Some("apps/gone/kustomization.yaml"))
    );
    assert!(gone["message"].as_str().unwrap().contains("names `../base`"), "{gone:#}");
    let problem = problems(&said, "remote.yaml")[0];
    assert!(
        problem["message"].as_str().unwrap().contains("not followed: `https://git.example/base?ref=v1`"),
        "{problem:#}"
    );
}
