//! Without a key path or a target: the image is found where the Application's own files name it now.

use crate::table::{self, Row, fill, outcome, problems, verdict};

const AUTO: &str = "repin.dev/image-list: app=IMAGE";
const POD: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: app\n    image: IMAGE:1.0.0\n";
const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n");

/// `file#key verdict` of every outcome of one Application with these files.
fn check(cases: &[(Row<'_>, &str)]) {
    let world = table::world(&table::rows(cases));
    table::check(&world, cases);
}

fn row<'a>(name: &'a str, source: &'a str, files: &'a [(&'a str, &'a str)]) -> Row<'a> {
    Row { source, files, ..Row::new(name, AUTO) }
}

#[test]
fn values_that_name_the_image_are_found_in_every_usual_form() {
    check(&[
        (row("whole", "", &[CHART]), "values.yaml#image.tag pending pending"),
        (
            row(
                "apart",
                "",
                &[CHART, ("values.yaml", "image: {registry: 'HOST', repository: acme/web, tag: 1.0.0}\n")],
            ),
            "values.yaml#image.tag pending pending",
        ),
        (
            row(
                "global",
                "",
                &[
                    CHART,
                    (
                        "values.yaml",
                        "global: {imageRegistry: 'HOST'}\nweb:\n  image:\n    repository: acme/web\n    tag: 1.0.0\n",
                    ),
                ],
            ),
            "values.yaml#web.image.tag pending pending",
        ),
        (
            row(
                "spec",
                "",
                &[CHART, ("values.yaml", "jobs:\n- name: a\n  image: 'IMAGE:1.0.0'\n- {name: b, image: 'x:1'}\n")],
            ),
            "values.yaml#jobs[name=a].image pending pending",
        ),
        (row("beside", "", &[CHART, ("values.yaml", "image: IMAGE\ntag: 1.0.0\n")]), "values.yaml#tag pending pending"),
        (
            row("top", "", &[CHART, ("values.yaml", "list:\n- repository: IMAGE\n  tag: 1.0.0\n")]),
            "values.yaml#list[0].tag pending pending",
        ),
        // The tag of the last file that sets it, with the repository of another one.
        (
            row("laid-over", "helm: {valueFiles: [prod.yaml]}", &[CHART, ("prod.yaml", "image:\n  tag: 1.1.0\n")]),
            "prod.yaml#image.tag pending pending",
        ),
        // Another file gives the key another image.
        (
            row(
                "replaced",
                "helm: {valueFiles: [prod.yaml]}",
                &[CHART, ("prod.yaml", "image:\n  repository: nginx\n")],
            ),
            "values.yaml#null held target/not-found",
        ),
        (
            row(
                "list-replaced",
                "helm: {valueFiles: [prod.yaml]}",
                &[
                    CHART,
                    ("values.yaml", "list: [{repository: IMAGE, tag: 1.0.0}]\n"),
                    ("prod.yaml", "list: [{repository: x, tag: 1.0.0}]\n"),
                ],
            ),
            "values.yaml#null held target/not-found",
        ),
        (
            row(
                "same",
                "",
                &[CHART, ("values.yaml", "a: {image: 'IMAGE:1.0.0'}\nb: {repository: IMAGE, tag: 1.0.0}\n")],
            ),
            "values.yaml#a.image pending pending; values.yaml#b.tag pending pending",
        ),
        // What others merge in says nothing of a tag itself.
        (
            row(
                "merged",
                "",
                &[CHART, ("values.yaml", "base: &b {repository: IMAGE}\nweb:\n  <<: *b\n  tag: 1.0.0\n")],
            ),
            "values.yaml#web.tag pending pending",
        ),
        // A digest says what runs as well.
        (
            row("pinned", "", &[CHART, ("values.yaml", &format!("image: IMAGE@sha256:{}\n", "0a".repeat(32)))]),
            "values.yaml#image held guard/pinned",
        ),
        (
            row(
                "several",
                "",
                &[CHART, ("values.yaml", "a: {image: 'IMAGE:1.0.0'}\nb: {repository: IMAGE, tag: 1.1.0}\n")],
            ),
            "values.yaml#null held target/ambiguous",
        ),
        (
            row("empty", "", &[CHART, ("values.yaml", "image:\n  repository: IMAGE\n  tag: \"\"\n")]),
            "values.yaml#null held target/not-found",
        ),
        (row("nothing", "", &[CHART, ("values.yaml", "a: 1\n")]), "values.yaml#null held target/not-found"),
        (row("broken", "", &[CHART, ("values.yaml", "a: [\n")]), "values.yaml#null failed edit/invalid-yaml"),
        (
            row("template", "", &[CHART, ("values.yaml", "image:\n  repository: IMAGE\n  tag: '{{ .tag }}'\n")]),
            "values.yaml#image.tag failed edit/template",
        ),
    ]);
}

#[test]
fn what_a_source_is_made_of_is_told_as_argo_cd_does() {
    let entry = "images:\n- name: IMAGE\n  newTag: 1.0.0\n";
    let two = "images:\n- {name: web, newName: IMAGE, newTag: 1.0.0}\n- {name: job, newName: IMAGE, newTag: 1.0.0}\n";
    check(&[
        (
            row("kustomized", "", &[("values.yaml", "-"), ("kustomization.yaml", entry)]),
            "kustomization.yaml#images[name=IMAGE].newTag pending pending",
        ),
        (
            row(
                "resource",
                "",
                &[("values.yaml", "-"), ("kustomization.yaml", "resources: [pod.yaml]\n"), ("pod.yaml", POD)],
            ),
            "pod.yaml#spec.containers[name=app].image pending pending",
        ),
        (
            row("unnamed", "", &[("values.yaml", "-"), ("kustomization.yaml", "resources: [../base]\n")]),
            "kustomization.yaml#null failed edit/no-such-file",
        ),
        (row("chart-first", "", &[CHART, ("kustomization.yaml", entry)]), "values.yaml#image.tag pending pending"),
        (
            row("said", "kustomize: {namePrefix: x}", &[CHART, ("kustomization.yaml", entry)]),
            "kustomization.yaml#images[name=IMAGE].newTag pending pending",
        ),
        // An entry without a tag leaves it to the manifests.
        (
            row(
                "renames",
                "",
                &[
                    ("values.yaml", "-"),
                    ("kustomization.yaml", "resources: [pod.yaml]\nimages: [{name: IMAGE}]\n"),
                    ("pod.yaml", POD),
                ],
            ),
            "pod.yaml#spec.containers[name=app].image pending pending",
        ),
        (
            row("only-renames", "", &[("values.yaml", "-"), ("kustomization.yaml", "images: [{name: IMAGE}]\n")]),
            "kustomization.yaml#null held target/not-found",
        ),
        (
            row("two-entries", "", &[("values.yaml", "-"), ("kustomization.yaml", two)]),
            "kustomization.yaml#images[name=web].newTag pending pending; kustomization.yaml#images[name=job].newTag pending pending",
        ),
        (
            row("differ", "", &[("values.yaml", "-"), ("kustomization.yaml", &two.replacen("1.0.0", "1.1.0", 1))]),
            "kustomization.yaml#null held target/ambiguous",
        ),
        (
            row("plain", "", &[("values.yaml", "-"), ("pod.yaml", POD)]),
            "pod.yaml#spec.containers[name=app].image pending pending",
        ),
        // The values of a directory that is no chart are nobody's, broken or not.
        (row("no-chart", "", &[("pod.yaml", POD)]), "pod.yaml#spec.containers[name=app].image pending pending"),
        (
            row("no-chart-broken", "", &[("values.yaml", "a: [\n"), ("pod.yaml", POD)]),
            "pod.yaml#spec.containers[name=app].image pending pending",
        ),
        (
            row("broken-beside", "", &[("values.yaml", "-"), ("pod.yaml", POD), ("web.yaml", "image: [IMAGE\n")]),
            "pod.yaml#spec.containers[name=app].image pending pending",
        ),
        (
            row("flat", "", &[("values.yaml", "-"), ("deep/pod.yaml", POD), ("x.yaml", "a: 1\n")]),
            "values.yaml#null held target/not-found",
        ),
        (
            row("recursive", "directory: {recurse: true}", &[("values.yaml", "-"), ("deep/pod.yaml", POD)]),
            "deep/pod.yaml#spec.containers[name=app].image pending pending",
        ),
    ]);
}

#[test]
fn a_value_file_as_target_without_a_key_path_must_set_the_tag() {
    let target = format!("{AUTO}\nrepin.dev/write-back-target: helmvalues:prod.yaml");
    let named = format!("{AUTO}\nrepin.dev/app.helm.image-name: b.repository");
    let two = [("values.yaml", "a: {repository: IMAGE, tag: 1.0.0}\nb: {repository: IMAGE, tag: 1.1.0}\n")];
    let sets = [("prod.yaml", "image:\n  tag: 1.0.0\n")];
    let sets_not = [("prod.yaml", "replicas: 2\n")];
    check(&[
        (Row { files: &sets, ..Row::new("sets", &target) }, "prod.yaml#image.tag pending pending"),
        (Row { files: &sets_not, ..Row::new("sets-not", &target) }, "prod.yaml#null held target/not-found"),
        (Row { files: &[], ..Row::new("absent", &target) }, "prod.yaml#null failed edit/no-such-file"),
        (Row { files: &two, ..Row::new("named", &named) }, "values.yaml#b.tag pending pending"),
    ]);
}

#[test]
fn what_is_found_is_listed_with_the_line_that_settles_it() {
    let two = "a: {image: 'IMAGE:1.0.0'}\nb: {repository: IMAGE, tag: 1.1.0}\n";
    let several = [CHART, ("values.yaml", two)];
    let (broken, doubled) = (format!("{POD}x: [\n"), format!("{POD}---\n{POD}"));
    let unread = [("values.yaml", "-"), ("pod.yaml", broken.as_str())];
    let twice = [("values.yaml", "-"), ("pod.yaml", doubled.as_str())];
    let rows = [
        row("several", "", &several),
        row("empty", "", &[CHART, ("values.yaml", "image:\n  repository: IMAGE\n  tag: \"\"\n")]),
        row("nothing", "", &[CHART, ("values.yaml", "a: 1\n")]),
        row("off", "", &[CHART, ("values.yaml", "cloud:\n  enabled: false\n  web: {image: 'IMAGE:1.0.0'}\n")]),
        row("unread", "", &unread),
        row("twice", "", &twice),
    ];
    let world = table::world(&rows);
    let said = world.repin(&["plan"]);
    let told = |name: &str| {
        let problem = problems(&said, &format!("argocd/{name}.yaml"))[0];
        assert!(problem["line"].as_u64().is_some(), "{problem:#}");
        assert_eq!(problem["message"], outcome(&said, name)["message"]);
        format!("{}\n{}", problem["message"].as_str().unwrap(), problem["hint"].as_str().unwrap())
    };
    assert_eq!(
        told("several"),
        fill(
            &world,
            "`IMAGE` stands at several places that differ: apps/several/values.yaml:1 a.image 1.0.0; apps/several/values.yaml:2 b.tag 1.1.0\n\
             say which one is meant: `repin.dev/app.helm.image-spec: a.image`, or `repin.dev/app.helm.image-tag: b.tag`"
        )
    );
    assert_eq!(
        told("empty"),
        fill(
            &world,
            "`IMAGE` is named without a tag, so nothing says what runs: apps/empty/values.yaml:3 image.tag (no tag)\n\
             to have the tag written there, add `repin.dev/app.helm.image-tag: image.tag`"
        )
    );
    assert_eq!(
        told("off"),
        fill(
            &world,
            "`IMAGE` stands only where the values say `enabled: false`, so it may not be what runs: apps/off/values.yaml:3 \
             cloud.web.image 1.0.0\nto have the tag written there all the same, add `repin.dev/app.helm.image-spec: cloud.web.image`"
        )
    );
    assert!(told("nothing").contains("looked into `apps/nothing/values.yaml`"), "{}", told("nothing"));
    let of_pod = |name: &str| {
        let one = outcome(&said, name);
        let said = problems(&said, &format!("{name}/pod.yaml"));
        let hint = said.first().and_then(|problem| problem["hint"].as_str()).unwrap_or_default();
        format!("{}\n{hint}", one["message"].as_str().unwrap())
    };
    assert!(
        of_pod("unread").contains(", but not into apps/unread/pod.yaml: line 8 is no YAML"),
        "{}",
        of_pod("unread")
    );
    assert!(of_pod("twice").ends_with("remove line 1 or line 9"), "{}", of_pod("twice"));
    // The line that was named settles it.
    let settled = format!("{AUTO}\nrepin.dev/app.helm.image-tag: b.tag");
    table::commit(&world, &[Row { files: &several, ..Row::new("several", &settled) }]);
    assert_eq!(verdict(outcome(&world.repin(&["plan"]), "several")), "pending pending");
}

#[test]
fn check_and_explain_know_the_found_place() {
    let broken = "image:\n  repository: &r IMAGE\n  tag: &t 1.0.0\nother: *t\n";
    let world = table::world(&[row("good", "", &[CHART]), row("shared", "", &[CHART, ("values.yaml", broken)])]);
    let said = world.repin(&["check"]);
    assert_eq!(table::codes(&problems(&said, "values.yaml")), ["edit/shared"], "{said:#?}");
    let explained = world.repin(&["explain", "good"]);
    assert_eq!(explained.json["images"][0]["target"]["key"], "image.tag", "{explained:#?}");
    assert_eq!(explained.json["images"][0]["current"], "1.0.0");
}

#[test]
fn what_was_pinned_to_a_digest_alone_is_found_again() {
    let pinned = format!("{AUTO}\nrepin.dev/pin: digest");
    let kustomization = "images:\n- name: IMAGE\n  newTag: 1.0.0\n";
    let rows = [
        Row { files: &[CHART, ("values.yaml", "image: IMAGE:1.0.0\n")], ..Row::new("spec", &pinned) },
        Row { files: &[("values.yaml", "-"), ("kustomization.yaml", kustomization)], ..Row::new("entry", &pinned) },
        Row { files: &[("values.yaml", "-"), ("pod.yaml", POD)], ..Row::new("field", &pinned) },
    ];
    let world = table::world(&rows);
    world.repin(&["once"]);
    // The file gains a document, so that the same place has another key.
    let pod = world.remote.show("apps/field/pod.yaml");
    world.remote.commit(&[("apps/field/pod.yaml", &format!("{pod}---\napiVersion: v1\nkind: Service\n"))], "Grow");
    let said = world.repin(&["once"]);
    for row in &rows {
        let one = outcome(&said, row.name);
        // The commit says for which tag the digest was written.
        assert_eq!(verdict(one), "current current", "{one:#}");
        assert!(one["message"].as_str().unwrap().starts_with("2.0.0 is the newest"), "{one:#}");
    }
}
