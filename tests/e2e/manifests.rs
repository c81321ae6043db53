//! Plain manifests: every `image:` field that names the image, in any object and document, and what is never touched.

use crate::table::{self, Row, fill, outcome, outcomes, verdict};
use crate::world::World;

const TARGET: &str = "repin.dev/image-list: app=IMAGE\nrepin.dev/write-back-target: deploy/web.yaml";

/// A Deployment with comments, and containers of this image and of another one.
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      \
     initContainers:\n        - name: migrate\n          image: IMAGE:1.0.0\n      containers:\n        - name: app   # ours\n          \
     image: \"IMAGE:1.0.0\"\n        - name: proxy\n          image: nginx:1.0.0\n";
const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}\n";
const CRON: &str = "apiVersion: batch/v1\nkind: CronJob\nmetadata:\n  name: nightly\nspec:\n  jobTemplate:\n    spec:\n      \
     template:\n        spec:\n          containers:\n            - image: IMAGE:1.0.0\n              name: job\n";

fn world_of(text: &str, files: &[(&str, &str)]) -> World {
    let mut all = vec![("values.yaml", "-")];
    all.extend(files);
    table::world(&[Row { files: &all, ..Row::new("web", text) }])
}

/// `key verdict` of every outcome.
fn said(world: &World, command: &str) -> Vec<String> {
    let said = world.repin(&[command]);
    let shown = |one: &serde_json::Value| format!("{} {}", one["key"].as_str().unwrap_or("null"), verdict(one));
    outcomes(&said, "web").into_iter().map(shown).collect()
}

#[test]
fn every_field_of_the_image_is_written_in_one_commit() {
    let world = world_of(TARGET, &[("deploy/web.yaml", DEPLOYMENT)]);
    let key = |list: &str, name: &str| format!("spec.template.spec.{list}[name={name}].image delivered delivered");
    assert_eq!(said(&world, "once"), [key("initContainers", "migrate"), key("containers", "app")]);
    let after = fill(&world, &DEPLOYMENT.replace("IMAGE:1.0.0", "IMAGE:2.0.0"));
    assert_eq!(world.remote.show("apps/web/deploy/web.yaml"), after);
    assert_eq!(world.remote.log().len(), 2);
}

#[test]
fn any_document_of_a_file_is_reached_and_named() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: one}\n  spec:\n    ephemeralContainers:\n    - {name: debug, image: IMAGE:1.0.0}\n";
    let custom = "apiVersion: acme.io/v1\nkind: Site\nmetadata: {name: shop}\nspec: {deep: [{image: 'IMAGE:1.0.0'}]}\n";
    let text = [SERVICE, DEPLOYMENT, CRON, list, custom].join("---\n");
    let world = world_of(TARGET, &[("deploy/web.yaml", &text)]);
    assert_eq!(
        said(&world, "once"),
        [
            "Deployment/web#spec.template.spec.initContainers[name=migrate].image delivered delivered",
            "Deployment/web#spec.template.spec.containers[name=app].image delivered delivered",
            "CronJob/nightly#spec.jobTemplate.spec.template.spec.containers[name=job].image delivered delivered",
            "Pod/one#spec.ephemeralContainers[name=debug].image delivered delivered",
            "Site/shop#spec.deep[0].image delivered delivered",
        ]
    );
    let after = fill(&world, &text.replace("IMAGE:1.0.0", "IMAGE:2.0.0"));
    assert_eq!(world.remote.show("apps/web/deploy/web.yaml"), after);
}

#[test]
fn what_is_no_image_field_of_an_object_stays() {
    let data = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  image: IMAGE:1.0.0\n";
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: d}\nspec: {image: IMAGE:1.0.0}\n";
    let sealed =
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: s}\nspec: {image: IMAGE:1.0.0}\n";
    let values = "image: IMAGE:1.0.0\n";
    let text = [data, definition, sealed, values, CRON].join("---\n");
    let world = world_of(TARGET, &[("deploy/web.yaml", &text)]);
    let key = "CronJob/nightly#spec.jobTemplate.spec.template.spec.containers[name=job].image";
    assert_eq!(said(&world, "once"), [format!("{key} delivered delivered")]);
    let after = fill(&world, &text.replace(CRON, &CRON.replace("1.0.0", "2.0.0")));
    assert_eq!(world.remote.show("apps/web/deploy/web.yaml"), after);
}

#[test]
fn a_target_is_a_file_or_a_directory_and_must_hold_the_image() {
    let text = |target: &str| format!("repin.dev/image-list: app=IMAGE\nrepin.dev/write-back-target: {target}");
    let differ = DEPLOYMENT.replace("\"IMAGE:1.0.0\"", "IMAGE:1.1.0");
    let template: &[(&str, &str)] = &[
        ("chart/Chart.yaml", "name: x\n"),
        ("chart/templates/web.yaml", CRON),
        ("chart/templates/bad.yaml", "a: {{ .x }}\n"),
    ];
    // Name, annotations, files, `file verdict`.
    type Case<'a> = (&'a str, String, Vec<(&'a str, &'a str)>, &'a str);
    let cases: Vec<Case<'_>> = vec![
        (
            "dir",
            text("deploy"),
            vec![("deploy/a/web.yaml", CRON), ("deploy/b.yml", SERVICE)],
            "apps/dir/deploy/a/web.yaml pending pending",
        ),
        ("dot", text("./deploy/"), vec![("deploy/web.yaml", CRON)], "apps/dot/deploy/web.yaml pending pending"),
        (
            "rooted",
            text("/apps/rooted/w.json"),
            vec![("w.json", "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"spec\": {\"image\": \"IMAGE:1.0.0\"}}\n")],
            "apps/rooted/w.json pending pending",
        ),
        ("outside", text("/elsewhere"), vec![("/elsewhere/w.yaml", CRON)], "elsewhere/w.yaml held target/outside"),
        ("absent", text("deploy/web.yaml"), vec![], "apps/absent/deploy/web.yaml failed edit/no-such-file"),
        (
            "nothing",
            text("deploy"),
            vec![("deploy/s.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n")],
            "apps/nothing/deploy held target/not-found",
        ),
        ("differ", text("web.yaml"), vec![("web.yaml", &differ)], "apps/differ/web.yaml held target/ambiguous"),
        ("chart", text("chart"), template.to_vec(), "apps/chart/chart held target/not-found"),
        ("broken", text("w.yaml"), vec![("w.yaml", "a: [\n")], "apps/broken/w.yaml failed edit/invalid-yaml"),
        ("template", text("'{{path}}/w.yaml'"), vec![], "null held annotation/invalid"),
        (
            "digest",
            text("w.yaml"),
            vec![("w.yaml", "apiVersion: v1\nkind: Pod\nspec: {image: IMAGE}\n")],
            "apps/digest/w.yaml pending pending",
        ),
    ];
    let rows: Vec<Row<'_>> = cases.iter().map(|(name, text, files, _)| Row { files, ..Row::new(name, text) }).collect();
    let world = table::world(&rows);
    let said = world.repin(&["plan"]);
    for (name, _, _, expected) in &cases {
        let one = outcome(&said, name);
        assert_eq!(format!("{} {}", one["file"].as_str().unwrap_or("null"), verdict(one)), *expected, "{name} {one:#}");
    }
    let message = outcome(&said, "differ")["message"].as_str().unwrap();
    for part in [
        "apps/differ/web.yaml:10 spec.template.spec.initContainers[name=migrate].image 1.0.0",
        "apps/differ/web.yaml:13 spec.template.spec.containers[name=app].image 1.1.0",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_reverted_manifest_is_not_written_again_even_when_other_documents_came_before_it() {
    let world = world_of(TARGET, &[("deploy/web.yaml", CRON)]);
    let delivered = world.once();
    assert_eq!(verdict(&delivered), "delivered delivered");
    world.remote.revert(delivered["commit"].as_str().unwrap());
    assert_eq!(verdict(&world.once()), "held guard/rolled-back");
    let more = format!("{SERVICE}---\n{}", fill(&world, CRON));
    world.remote.commit(&[("apps/web/deploy/web.yaml", &more)], "Add a Service");
    let held = world.once();
    assert_eq!(verdict(&held), "held guard/rolled-back");
    assert!(held["key"].as_str().unwrap().starts_with("CronJob/nightly#spec."), "{held:#}");
    world.registry.publish("acme/web", &["2.1.0"]);
    world.takes("2.1.0");
}

#[test]
fn a_reverted_object_is_not_written_again_whatever_stands_beside_it_then() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{image: 'IMAGE:1.0.0'}]}\n";
    let item = |text: &str| format!("- {}\n", text.trim_end().replace('\n', "\n  "));
    let list = |items: &[&str]| {
        format!("apiVersion: v1\nkind: List\nitems:\n{}", items.iter().map(|text| item(text)).collect::<String>())
    };
    let twin = pod.replace("name: web", "name: web, namespace: b").replace("IMAGE", "nginx");
    // What the file is at first, and after somebody took the new tag back.
    for (first, later, key) in [
        (list(&[pod]), list(&[SERVICE, pod]), "Pod/web#spec.containers[0].image"),
        (pod.to_owned(), [&twin, pod].join("---\n"), "Pod/web#spec.containers[0].image"),
        ([&twin, pod].join("---\n"), pod.to_owned(), "spec.containers[0].image"),
        (list(&[&twin, pod]), pod.to_owned(), "spec.containers[0].image"),
    ] {
        let world = world_of(TARGET, &[("deploy/web.yaml", &first)]);
        let delivered = world.once();
        assert_eq!(verdict(&delivered), "delivered delivered", "{first}");
        world.remote.revert(delivered["commit"].as_str().unwrap());
        assert_eq!(verdict(&world.once()), "held guard/rolled-back", "{first}");
        world.remote.commit(&[("apps/web/deploy/web.yaml", &fill(&world, &later))], "Change what stands beside it");
        let held = world.once();
        assert_eq!(
            (verdict(&held).as_str(), held["key"].as_str().unwrap()),
            ("held guard/rolled-back", key),
            "{later}"
        );
    }
}
