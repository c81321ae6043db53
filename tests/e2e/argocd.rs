//! Tags that stand in the Application itself, or in the file that overrides its source.

use crate::remote::BareRemote;
use crate::table::{self, PLAIN, Row, fill, outcome, outcomes, verdict};
use crate::world::World;

const AUTO: &str = "repin.dev/image-list: app=IMAGE";
const LEGACY: &str =
    "argocd-image-updater.argoproj.io/image-list: app=IMAGE\nargocd-image-updater.argoproj.io/write-back-method: git";
const CHART: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 0.1.0\n");
const KUSTOMIZATION: (&str, &str) = ("kustomization.yaml", "resources: [pod.yaml]\n");
const POD: (&str, &str) = (
    "pod.yaml",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: app\n    image: IMAGE:1.0.0\n",
);

/// `file#key verdict` of every outcome of each Application.
fn check(cases: &[(Row<'_>, &str)]) {
    let world = table::world(&table::rows(cases));
    world.configure(&world.standard_config().replace("path: \"apps/**\"", "path: \"{apps,argocd}/**\""));
    table::check(&world, cases);
}

fn row<'a>(name: &'a str, annotations: &'a str, source: &'a str, files: &'a [(&'a str, &'a str)]) -> Row<'a> {
    Row { source, files, ..Row::new(name, annotations) }
}

#[test]
fn the_last_layer_that_sets_the_key_is_the_place() {
    let parameter = "helm:\n  valueFiles: [prod.yaml]\n  valuesObject: {image: {tag: 1.0.0}}\n  parameters: [{name: image.tag, value: 1.0.0}]";
    let object = "helm:\n  valueFiles: [prod.yaml]\n  valuesObject: {image: {repository: IMAGE, tag: 1.0.0}}";
    let other =
        "helm:\n  valueFiles: [prod.yaml]\n  valuesObject: {replicas: 2}\n  parameters: [{name: replicas, value: '3'}]";
    let prod = ("prod.yaml", "image:\n  tag: 1.0.0\n");
    let renamed = "helm: {valuesObject: {image: {repository: nginx}}}";
    check(&[
        (
            row("parameter", AUTO, parameter, &[CHART, prod]),
            "argocd/parameter.yaml#spec.source.helm.parameters[name=image.tag].value pending pending",
        ),
        (
            row("parameter-by-key", PLAIN, parameter, &[CHART, prod]),
            "argocd/parameter-by-key.yaml#spec.source.helm.parameters[name=image.tag].value pending pending",
        ),
        (row("object", AUTO, &object.replace("IMAGE", "x"), &[CHART, prod]), "values.yaml#null held target/not-found"),
        (
            row(
                "text",
                AUTO,
                "helm:\n  valueFiles: [prod.yaml]\n  values: |\n    image:\n      # kept\n      tag: 1.0.0",
                &[CHART, prod],
            ),
            "argocd/text.yaml#spec.source.helm.values.image.tag pending pending",
        ),
        (row("files-below", AUTO, other, &[CHART, prod]), "prod.yaml#image.tag pending pending"),
        (
            row(
                "file-by-name",
                "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/write-back-target: helmvalues:prod.yaml",
                parameter,
                &[CHART, prod],
            ),
            "prod.yaml#image.tag pending pending",
        ),
        (row("renamed", AUTO, renamed, &[CHART]), "values.yaml#null held target/not-found"),
        (
            row(
                "of-a-list",
                AUTO,
                "helm:\n  parameters:\n  - {name: 'sidecars[0].tag', value: 1.0.0}",
                &[CHART, ("values.yaml", "sidecars:\n- repository: IMAGE\n  tag: 0.9.0\n")],
            ),
            "argocd/of-a-list.yaml#spec.source.helm.parameters[name=sidecars\\[0\\].tag].value pending pending",
        ),
        // A digest in another layer beats the tag, so writing the tag would change nothing.
        (
            row(
                "pinned-below",
                AUTO,
                "helm: {valuesObject: {image: {tag: 1.0.0}}}",
                &[
                    CHART,
                    ("values.yaml", &format!("image:\n  repository: IMAGE\n  digest: sha256:{}\n", "0a".repeat(32))),
                ],
            ),
            "argocd/pinned-below.yaml#spec.source.helm.valuesObject.image.tag held target/ambiguous",
        ),
    ]);
}

#[test]
fn values_in_the_application_are_reached_and_nothing_else_of_its_file() {
    let source = "helm:\n  valuesObject:\n    image:   # kept\n      repository: IMAGE\n      tag: '1.0.0'";
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    let source = fill(&world, source);
    let manifest = table::manifest(&world, "web", AUTO, &format!("path: apps/web\n{source}"));
    let other = table::manifest(&world, "other", AUTO, "path: apps/other");
    let outside = format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:/apps/../argocd/web.yaml",)
        .replace("image.tag", "spec.source.helm.valuesObject.image.tag");
    let outside = table::manifest(&world, "outside", &outside, "path: apps/outside");
    world.remote.commit(
        &[
            ("argocd/web.yaml", &format!("{manifest}---\n{other}")),
            ("argocd/outside.yaml", &outside),
            ("apps/web/Chart.yaml", CHART.1),
        ],
        "Add Applications",
    );
    let config = world.standard_config().replace("path: \"apps/**\"", "path: \"{apps,argocd}/**\"");
    world.configure(&config);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "delivered delivered", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "other")), "held target/not-found", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "outside")), "held target/outside", "{said:#?}");
    let expected = format!("{}---\n{other}", manifest.replace("'1.0.0'", "'2.0.0'"));
    assert_eq!(world.remote.show("argocd/web.yaml"), expected);
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "web")), "current current");
}

#[test]
fn an_application_may_stand_in_another_repository_than_its_chart() {
    let charts = BareRemote::create();
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    charts.commit(
        &[("charts/web/Chart.yaml", CHART.1), ("charts/web/values.yaml", &world.values("web", "0.9.0"))],
        "Add the chart",
    );
    let make = |name: &str, annotations: &str, helm: &str| {
        let text = table::manifest(&world, name, annotations, &format!("path: charts/web\n{helm}"));
        text.replace(&world.remote.url(), &charts.url())
    };
    let parameter = "helm:\n  parameters:\n  - name: image.tag\n    value: 1.0.0   # by repin\n";
    let strange = make("strange", PLAIN, parameter).replace(&charts.url(), "https://git.example/acme/charts.git");
    let tagged = make("tagged", PLAIN, parameter).replace("targetRevision: main", "targetRevision: v1.2.0");
    world.remote.commit(
        &[
            ("argocd/own.yaml", &make("own", PLAIN, parameter)),
            ("argocd/file.yaml", &make("file", PLAIN, "helm: {parameters: [{name: replicas, value: '2'}]}\n")),
            ("argocd/strange.yaml", &strange),
            ("argocd/tagged.yaml", &tagged),
        ],
        "Add Applications",
    );
    let entry = format!("repositories:\n  - name: charts\n    url: {}\n    branch: main\n", charts.url());
    let config = world.standard_config().replace("repositories:\n", &entry);
    world.configure(&config.replace("path: \"apps/**\"", "path: \"{charts,argocd}/**\""));
    let before = world.remote.show("argocd/own.yaml");
    let said = world.repin(&["once"]);
    for name in ["own", "file", "strange", "tagged"] {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{name}: {said:#?}");
    }
    assert_eq!(world.remote.show("argocd/own.yaml"), before.replace("1.0.0 ", "2.0.0 "));
    assert_eq!(charts.show("charts/web/values.yaml"), world.values("web", "2.0.0"), "written for `file` alone");
    assert_eq!(outcome(&said, "strange")["repository"], "gitops");
    assert!(world.remote.show("argocd/tagged.yaml").contains("value: 2.0.0"));
}

#[test]
fn files_of_another_repository_are_left_alone_where_the_application_overrides_them() {
    let charts = BareRemote::create();
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let values = world.values("web", "0.1.0");
    charts.commit(&[("charts/web/Chart.yaml", CHART.1), ("charts/web/values.yaml", &values)], "Add the chart");
    let object = "helm: {valuesObject: {image: {tag: 1.0.0}}}\n";
    let key = "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: image.tag";
    let make = |name: &str, annotations: &str, helm: &str| {
        let text = table::manifest(&world, name, annotations, &format!("path: charts/web\n{helm}"));
        text.replace(&world.remote.url(), &charts.url())
    };
    let several = make("several", AUTO, "").replace("  source:\n", "  sources:\n  - ref: values\n");
    let several = several.replace("path: charts/web", "path: ''");
    let chart = "  - repoURL: https://charts.example\n    chart: web\n    targetRevision: 1.0.0\n    helm:\n      \
                 valueFiles: [$values/charts/web/values.yaml]\n      valuesObject: {image: {tag: 1.0.0}}\n";
    let several = format!("{several}{chart}");
    let set = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: sets, namespace: argocd}}\nspec:\n  \
         generators: [{{list: {{elements: [{{name: made, tag: 1.0.0}}]}}}}]\n  template:\n    metadata:\n      \
         name: '{{{{name}}}}'\n      annotations: {{repin.dev/image-list: app={}/acme/web:1.x}}\n    spec:\n      \
         project: default\n      destination: {{name: in-cluster, namespace: web}}\n      source:\n        \
         repoURL: {}\n        targetRevision: main\n        path: charts/web\n        \
         helm: {{valuesObject: {{image: {{tag: '{{{{tag}}}}'}}}}}}\n",
        world.registry.host(),
        charts.url()
    );
    let written = [
        ("object", make("object", AUTO, object)),
        ("text", make("text", AUTO, "helm:\n  values: |\n    image: {tag: 1.0.0}\n")),
        ("parameters", make("parameters", AUTO, "helm: {parameters: [{name: image.tag, value: 1.0.0}]}\n")),
        ("pin", make("pin", AUTO, "helm: {valuesObject: {image: {digest: 'sha256:00'}}}\n")),
        ("whole", make("whole", AUTO, "helm: {parameters: [{name: image, value: x}]}\n")),
        ("whole-by-key", make("whole-by-key", key, "helm: {parameters: [{name: image, value: x}]}\n")),
        ("several", several),
        ("sets", set),
        ("by-key", make("by-key", key, object)),
        ("other", make("other", AUTO, "helm: {valuesObject: {image: {pullPolicy: Always}}}\n")),
    ];
    let texts: Vec<(String, String)> =
        written.into_iter().map(|(name, text)| (format!("argocd/{name}.yaml"), fill(&world, &text))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(file, text)| (file.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add Applications");
    let entry = format!("repositories:\n  - name: charts\n    url: {}\n    branch: main\n", charts.url());
    let config = world.standard_config().replace("repositories:\n", &entry);
    world.configure(&config.replace("path: \"apps/**\"", "path: \"{charts,argocd}/**\""));
    let said = world.repin(&["plan"]);
    for (name, sets) in [
        ("object", "image.tag"),
        ("text", "image.tag"),
        ("parameters", "image.tag"),
        ("pin", "image.digest"),
        ("whole", "image"),
        ("whole-by-key", "image"),
        ("several", "image.tag"),
        ("made", "image.tag"),
    ] {
        let one = outcome(&said, name);
        assert_eq!(verdict(one), "held target/ambiguous", "{name}: {one:#?}");
        let message = one["message"].as_str().unwrap();
        assert!(message.contains(&format!("sets `{sets}`")), "{name}: {message}");
        let problems = said.json["problems"].as_array().unwrap();
        let problem = problems.iter().find(|one| one["message"].as_str().unwrap().contains(message));
        let hint = problem.unwrap_or_else(|| panic!("{name}: {problems:#?}"))["hint"].as_str().unwrap();
        let settled = hint.contains("`repin.dev/app.helm.image-tag: image.tag`");
        assert_eq!(settled, sets == "image.tag", "{name}: {one:#?}");
    }
    assert_eq!(outcome(&said, "by-key")["key"], "spec.source.helm.valuesObject.image.tag", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "by-key")), "pending pending");
    assert_eq!(outcome(&said, "other")["key"], "image.tag");
    assert_eq!(verdict(outcome(&said, "other")), "pending pending");
}

#[test]
fn a_chart_of_a_helm_repository_may_have_its_values_in_the_application() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    let make = |name: &str, annotations: &str, helm: &str| {
        let helm = fill(&world, helm);
        let text = table::manifest(&world, name, annotations, &format!("chart: web\n{helm}"));
        text.replace(&world.remote.url(), "https://charts.example/stable")
            .replace("targetRevision: main", "targetRevision: 4.2.0")
    };
    let named = "helm:\n  valuesObject:\n    image: {repository: IMAGE, tag: 1.0.0}\n";
    let tag = "helm:\n  valuesObject:\n    image: {tag: 1.0.0}\n    worker: {imageTag: '1'}\n";
    world.remote.commit(
        &[
            ("argocd/named.yaml", &make("named", AUTO, named)),
            ("argocd/by-key.yaml", &make("by-key", PLAIN, tag)),
            ("argocd/silent.yaml", &make("silent", AUTO, tag)),
            ("argocd/nothing.yaml", &make("nothing", AUTO, "")),
        ],
        "Add Applications",
    );
    world.configure(&world.standard_config().replace("path: \"apps/**\"", "path: \"argocd/**\""));
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "named")), "delivered delivered", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "by-key")), "delivered delivered", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "nothing")), "held repository/unknown", "{said:#?}");
    let silent = outcome(&said, "silent");
    assert_eq!(verdict(silent), "held target/not-found", "{said:#?}");
    assert!(silent["message"].as_str().unwrap().contains("image.tag 1.0.0; "), "{silent:#}");
    let hint = table::problems(&said, "silent.yaml")[0]["hint"].as_str().unwrap().to_owned();
    assert!(
        hint.contains("`repin.dev/app.helm.image-tag: image.tag`, `repin.dev/app.helm.image-tag: worker.imageTag`"),
        "{hint}"
    );
    assert_eq!(world.remote.show("argocd/named.yaml"), make("named", AUTO, named).replace("1.0.0", "2.0.0"));
}

#[test]
fn the_name_of_an_image_may_stand_in_a_chart_that_is_depended_on() {
    let umbrella = (
        "Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 0.1.0\ndependencies:\n- {name: web, version: 0.1.0, alias: front}\n- {name: api, repository: 'file://../../charts/api'}\n",
    );
    let sub = ("charts/web/values.yaml", "image:\n  repository: IMAGE\n  tag: 0.9.0\n");
    check(&[
        (
            row("umbrella", AUTO, "", &[umbrella, sub, ("values.yaml", "front:\n  image:\n    tag: 1.0.0\n")]),
            "values.yaml#front.image.tag pending pending",
        ),
        (
            row(
                "by-file",
                AUTO,
                "",
                &[
                    umbrella,
                    ("/charts/api/values.yaml", "image: {repository: IMAGE, tag: 0.9.0}\n"),
                    ("values.yaml", "api: {image: {tag: 1.0.0}}\n"),
                ],
            ),
            "values.yaml#api.image.tag pending pending",
        ),
        // What only the other chart sets is not the parent's to change without a word.
        (
            row(
                "silent",
                AUTO,
                "",
                &[("Chart.yaml", "name: shop\ndependencies: [{name: web}]\n"), sub, ("values.yaml", "a: 1\n")],
            ),
            "values.yaml#null held target/not-found",
        ),
    ]);
}

#[test]
fn an_added_tag_replaces_the_one_that_counts_below() {
    let target = format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:d.yaml");
    let listed = "helm: {valueFiles: [d.yaml]}";
    let named = ("d.yaml", "image: {repository: IMAGE}\n");
    let below = |tag: &str| format!("image: {{repository: IMAGE, tag: {tag}}}\n");
    let (newer, older, same) = (below("3.0.0"), below("1.0.0"), below("2.0.0"));
    let umbrella = "apiVersion: v2\nname: all\nversion: 0.1.0\ndependencies: [{name: web, version: 0.1.0}]\n";
    let umbrella = [
        ("Chart.yaml", umbrella),
        ("values.yaml", "web: {image: {repository: IMAGE}}\n"),
        ("charts/web/Chart.yaml", CHART.1),
        ("charts/web/values.yaml", newer.as_str()),
    ];
    let of_web = "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: web.image.tag";
    check(&[
        (
            row("newer", &target, listed, &[CHART, ("values.yaml", &newer), named]),
            "d.yaml#image.tag held guard/downgrade",
        ),
        (row("older", &target, listed, &[CHART, ("values.yaml", &older), named]), "d.yaml#image.tag pending pending"),
        (row("same", &target, listed, &[CHART, ("values.yaml", &same), named]), "d.yaml#image.tag current current"),
        (row("umbrella", of_web, "", &umbrella), "values.yaml#web.image.tag held guard/downgrade"),
    ]);
}

#[test]
fn a_pattern_among_the_value_files_is_no_reason_to_write_a_lower_one() {
    let (listed, env) =
        ("helm: {valueFiles: ['env-*.yaml']}", ("env-a.yaml", "image: {repository: IMAGE, tag: 1.0.0}\n"));
    let target = format!("{AUTO}\nrepin.dev/write-back-target: helmvalues:env-a.yaml");
    let own = "helm: {valueFiles: ['env-*.yaml'], parameters: [{name: image.tag, value: 1.0.0}]}";
    check(&[
        (row("by-name", AUTO, listed, &[CHART, env]), "null#null held target/ambiguous"),
        (row("by-key", PLAIN, listed, &[CHART, env]), "null#image.tag held target/ambiguous"),
        (row("settled", &target, listed, &[CHART, env]), "env-a.yaml#image.tag pending pending"),
        (
            row("own", PLAIN, own, &[CHART, env]),
            "argocd/own.yaml#spec.source.helm.parameters[name=image.tag].value pending pending",
        ),
    ]);
}

#[test]
fn image_strings_of_the_application_win_over_the_kustomization() {
    let entry = ("kustomization.yaml", "resources: [pod.yaml]\nimages:\n- name: IMAGE\n  newTag: 1.0.0\n");
    check(&[
        (
            row("string", AUTO, "kustomize: {images: ['nginx:1.25', 'IMAGE:1.0.0']}", &[entry, POD]),
            "argocd/string.yaml#spec.source.kustomize.images[image=IMAGE] pending pending",
        ),
        (
            row("renamed", AUTO, "kustomize: {images: ['web=IMAGE:1.0.0']}", &[KUSTOMIZATION, POD]),
            "argocd/renamed.yaml#spec.source.kustomize.images[image=web] pending pending",
        ),
        (
            row("others-only", AUTO, "kustomize: {images: ['nginx:1.25']}", &[entry, POD]),
            "kustomization.yaml#images[name=IMAGE].newTag pending pending",
        ),
    ]);
}

#[test]
fn the_legacy_prefix_writes_the_file_of_overrides_and_goes_on_in_it() {
    let world = table::world(&[
        row("web", LEGACY, "helm:\n  parameters:\n  - {name: replicas, value: '2'}", &[CHART]),
        row("kustom", LEGACY, "", &[KUSTOMIZATION, POD]),
        row(
            "named",
            &format!("{LEGACY}\nrepin.dev/app.helm.image-name: web.name\nrepin.dev/app.helm.image-tag: web.tag"),
            "",
            &[CHART],
        ),
        row("same", LEGACY, "helm: {parameters: [{name: image.tag, value: 2.0.0}]}", &[CHART]),
        row("plain", LEGACY, "", &[POD]),
    ]);
    let values = world.remote.show("apps/web/values.yaml");
    let planned = String::from_utf8(world.command(&["plan"]).output().unwrap().stdout).unwrap();
    assert!(
        planned.contains("--- /dev/null") && planned.contains("+++ b/apps/web/.argocd-source-web.yaml"),
        "{planned}"
    );
    let said = world.repin(&["once"]);
    for (name, expected) in [
        ("web", "delivered delivered"),
        ("kustom", "delivered delivered"),
        ("named", "delivered delivered"),
        ("same", "current current"),
        ("plain", "held target/not-found"),
    ] {
        assert_eq!(verdict(outcome(&said, name)), expected, "{name}: {said:#?}");
    }
    assert_eq!(outcome(&said, "web")["from"], "1.0.0", "what the chart's values say runs");
    let image = world.image("web");
    let parameter = |name: &str, value: &str| format!("  - name: {name}\n    value: {value}\n    forcestring: true\n");
    let web =
        format!("helm:\n  parameters:\n  - name: replicas\n    value: \"2\"\n{}", parameter("image.tag", "2.0.0"));
    assert_eq!(world.remote.show("apps/web/.argocd-source-web.yaml"), web);
    assert_eq!(
        world.remote.show("apps/kustom/.argocd-source-kustom.yaml"),
        format!("kustomize:\n  images:\n  - {image}:2.0.0\n")
    );
    assert_eq!(
        world.remote.show("apps/named/.argocd-source-named.yaml"),
        format!("helm:\n  parameters:\n{}{}", parameter("web.name", &image), parameter("web.tag", "2.0.0"))
    );
    assert_eq!(world.remote.show("apps/web/values.yaml"), values, "nothing else is written");

    // The next one is one value of the file, and somebody who goes back is heard.
    world.registry.publish("acme/web", &["1.0.0", "2.0.0", "2.1.0"]);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "delivered delivered", "{said:#?}");
    assert_eq!(world.remote.show("apps/web/.argocd-source-web.yaml"), web.replace("2.0.0", "2.1.0"));
    world.remote.commit(&[("apps/web/.argocd-source-web.yaml", &web)], "Go back");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "held guard/rolled-back", "{said:#?}");
}

/// What repin made of nothing is taken back by whoever removes it: the entry, or the file with it.
#[test]
fn a_file_of_overrides_that_was_taken_out_again_stays_out_until_the_next_release() {
    let seeded = "helm:\n  parameters:\n  - {name: replicas, value: '2'}\n";
    let world = table::world(&[
        row("chart", LEGACY, "", &[CHART]),
        row("seeded", LEGACY, seeded, &[CHART]),
        row("untold", LEGACY, "", &[CHART, ("values.yaml", "a: 1\n")]),
        row("kustom", LEGACY, "", &[KUSTOMIZATION, POD]),
        row("emptied", LEGACY, "", &[CHART]),
        row("raised", LEGACY, "", &[CHART]),
    ]);
    let names = ["chart", "seeded", "untold", "kustom", "emptied", "raised"];
    let verdicts = |said: &crate::world::Said| names.map(|name| verdict(outcome(said, name)));
    let file = |name: &str| format!("apps/{name}/.argocd-source-{name}.yaml");
    let delivered = world.repin(&["once"]);
    assert_eq!(verdicts(&delivered), ["delivered delivered"; 6], "{delivered:#?}");
    for name in ["chart", "seeded", "untold", "kustom"] {
        world.remote.revert(outcome(&delivered, name)["commit"].as_str().unwrap());
    }
    world.remote.commit(&[(&file("emptied"), "helm:\n  parameters: []\n")], "Take the entry out");
    // Who raises the tag where it stands takes nothing back.
    world.remote.revert(outcome(&delivered, "raised")["commit"].as_str().unwrap());
    world.remote.commit(&[("apps/raised/values.yaml", &world.values("web", "2.0.0"))], "Raise the tag in the values");
    let head = world.remote.commit(&[("NOTES", "x\n")], "Note something");
    let said = world.repin(&["once"]);
    let held = "held guard/rolled-back";
    assert_eq!(verdicts(&said), [held, held, held, held, held, "current current"], "{said:#?}");
    assert_eq!(outcome(&said, "chart")["from"], "1.0.0", "what the chart's values say runs again");
    assert_eq!(world.remote.work(&["ls-remote", "origin", "main"]).split_whitespace().next(), Some(head.as_str()));

    // Above what was taken back it goes on, in a file that is made anew.
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "2.0.0", "2.1.0"]);
    let said = world.repin(&["once"]);
    assert_eq!(verdicts(&said), ["delivered delivered"; 6], "{said:#?}");
    assert!(world.remote.show(&file("chart")).contains("value: 2.1.0"));
}

#[test]
fn a_file_of_overrides_that_says_nothing_is_filled() {
    let file = |name: &str| format!("apps/{name}/.argocd-source-{name}.yaml");
    let lines = "helm:\n  parameters:\n  - name: image.tag\n    value: 2.0.0\n    forcestring: true\n";
    let flow = "[{name: image.tag, value: 2.0.0, forcestring: true}]";
    // (name, before, after)
    let cases = [
        ("braces", "{}\n", lines.to_owned()),
        ("no-end", "{}", lines.trim_end().to_owned()),
        ("spaced", "# by repin\n{ }\n\n", format!("# by repin\n{lines}\n")),
        ("marked", "--- {} # nothing\n", format!("--- {{helm: {{parameters: {flow}}}}} # nothing\n")),
        ("helm", "helm: {}\n", format!("helm: {{parameters: {flow}}}\n")),
        ("list", "helm:\n  parameters: []\n", format!("helm:\n  parameters: {flow}\n")),
        ("blank", "", lines.to_owned()),
    ];
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    let own: Vec<[(String, &str); 1]> =
        cases.iter().map(|(name, before, _)| [(format!(".argocd-source-{name}.yaml"), *before)]).collect();
    for ((name, ..), own) in cases.iter().zip(&own) {
        let [(path, before)] = own;
        table::commit(&world, &[row(name, LEGACY, "", &[CHART, (path, before)])]);
    }
    table::commit(&world, &[row("kustom", LEGACY, "", &[KUSTOMIZATION, POD, (".argocd-source-kustom.yaml", "{}\n")])]);
    let said = world.repin(&["once"]);
    for (name, _, after) in &cases {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{name}: {said:#?}");
        assert_eq!(world.remote.show(&file(name)).trim_end(), after.trim_end(), "{name}");
    }
    let expected = format!("kustomize:\n  images:\n  - {}:2.0.0", world.image("web"));
    assert_eq!(world.remote.show(&file("kustom")).trim_end(), expected);
}

/// Argo CD's globs, over paths below the source's: `*` crosses `/`.
#[test]
fn files_that_a_directory_leaves_out_are_no_places() {
    let pod = |tag: &str| POD.1.replace("1.0.0", tag);
    let (old, newer) = (pod("1.0.0"), pod("1.1.0"));
    let files = [("pod.yaml", old.as_str()), ("e.yaml", newer.as_str()), ("f.yaml", &newer), ("sub/e.yaml", &newer)];
    let only = "pod.yaml#spec.containers[name=app].image pending pending";
    let cases = [
        ("excluded", "directory: {exclude: '{e.yaml,f.yaml}'}", only),
        ("by-star", "directory: {exclude: '?.yaml'}", only),
        ("included", "directory: {include: 'p*.yaml', recurse: true}", only),
        ("both", "directory: {include: '*.yaml', exclude: '*{e,f}.yaml', recurse: true}", only),
        ("below", "directory: {exclude: '{e,f}.yaml', recurse: true}", "pod.yaml#null held target/ambiguous"),
        ("none", "directory: {include: x.yaml}", "values.yaml#null held target/not-found"),
        ("all", "directory: {exclude: ''}", "e.yaml#null held target/ambiguous"),
    ];
    let mut files = files.to_vec();
    files.push(("values.yaml", "a: 1\n"));
    let rows: Vec<(Row<'_>, &str)> =
        cases.iter().map(|(name, source, expected)| (row(name, AUTO, source, &files), *expected)).collect();
    check(&rows);
}

/// Nothing says what runs, as in values without a tag; the annotation of the hint has the tag written.
#[test]
fn an_image_without_a_tag_in_a_directory_of_manifests_is_asked_for() {
    let bare = POD.1.replace(":1.0.0", "");
    let (bare, tagged) = (("pod.yaml", bare.as_str()), ("tagged.yaml", POD.1));
    let blank = ("values.yaml", "a: 1\n");
    let world = table::world(&[
        row("bare", AUTO, "", &[bare, blank]),
        row("mixed", AUTO, "", &[bare, tagged, blank]),
        row("named", &format!("{AUTO}\nrepin.dev/write-back-target: /apps/named/pod.yaml"), "", &[bare, blank]),
    ]);
    let own = fill(&world, POD.1).replace(":1.0.0", "");
    let own = own.replace("{name: web}", &format!("{{name: own, annotations: {{{}}}}}", fill(&world, AUTO)));
    let settled = own.replace("}}", ", repin.dev/app.helm.image-spec: 'spec.containers[0].image'}}");
    let settled = settled.replace("name: own", "name: settled");
    world.remote.commit(&[("apps/own.yaml", &own), ("apps/settled.yaml", &settled)], "Add pods");
    let said = world.repin(&["plan"]);
    let told = |name: &str, file: &str| {
        let problems = table::problems(&said, file);
        let hint = problems.first().and_then(|problem| problem["hint"].as_str()).unwrap_or_default();
        format!("{} {}\n{hint}", verdict(outcome(&said, name)), outcome(&said, name)["message"].as_str().unwrap())
    };
    let asked = "held target/not-found `IMAGE` is named without a tag, so nothing says what runs: ";
    let of_bare = format!(
        "{asked}apps/bare/pod.yaml:7 spec.containers[name=app].image (no tag)\n\
         to have the tag written there, add `repin.dev/write-back-target: /apps/bare/pod.yaml`"
    );
    assert_eq!(told("bare", "argocd/bare.yaml"), fill(&world, &of_bare));
    let of_own = format!(
        "{asked}apps/own.yaml:7 spec.containers[name=app].image (no tag)\n\
         to have the tag written there, add `repin.dev/app.helm.image-spec: spec.containers[name=app].image`"
    );
    assert_eq!(told("Pod/default/own", "own.yaml"), fill(&world, &of_own));
    assert_eq!(verdict(outcome(&said, "mixed")), "held target/ambiguous");
    assert_eq!(verdict(outcome(&said, "named")), "pending pending");
    assert_eq!(verdict(outcome(&said, "Pod/default/settled")), "pending pending");
}

#[test]
fn two_images_share_one_file_of_overrides() {
    let text = format!(
        "{}\nrepin.dev/app.helm.image-tag: app.tag\nrepin.dev/job.helm.image-tag: job.tag\nrepin.dev/app.helm.image-name: app.image\nrepin.dev/job.helm.image-name: job.image",
        LEGACY.replace("app=IMAGE", "\"app=IMAGE,job=HOST/acme/job\"")
    );
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0"]);
    world.registry.publish("acme/job", &["3.0.0"]);
    table::commit(&world, &[row("web", &text, "", &[CHART, ("values.yaml", "a: 1\n")])]);
    let said = world.repin(&["once"]);
    let verdicts: Vec<String> = outcomes(&said, "web").into_iter().map(verdict).collect();
    assert_eq!(verdicts, ["delivered delivered", "delivered delivered"], "{said:#?}");
    let parameter = |name: &str, value: &str| format!("  - name: {name}\n    value: {value}\n    forcestring: true\n");
    let expected = format!(
        "helm:\n  parameters:\n{}{}{}{}",
        parameter("app.image", &world.image("web")),
        parameter("app.tag", "1.0.0"),
        parameter("job.image", &world.image("job")),
        parameter("job.tag", "3.0.0"),
    );
    assert_eq!(world.remote.show("apps/web/.argocd-source-web.yaml"), expected);
    assert_eq!(
        outcomes(&world.repin(&["once"]), "web").into_iter().map(verdict).collect::<Vec<_>>(),
        ["current current"; 2]
    );
}
