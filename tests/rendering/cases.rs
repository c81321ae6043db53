//! Trees of kustomizations by hand: what is found, and the whole of what is written.

use repin::manifest::place::Wanted;

use crate::{IMAGE, Tree, told};

/// A Deployment `web` with one container.
fn deployment(image: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          image: {image}\n"
    )
}

/// Files of a base at `bases/web` whose Deployment runs this image.
fn base(image: &str, more: &str) -> Vec<(&'static str, String)> {
    vec![
        ("/bases/web/kustomization.yaml", format!("resources:\n  - web.yaml\n{more}")),
        ("/bases/web/web.yaml", deployment(image)),
    ]
}

const ON_BASE: &str = "resources:\n  - ../../bases/web\n";
/// `ENTRY` and `FIELD` in what is found.
const ENTRY: &str = "kustomization.yaml images[name=ghcr.io/acme/web].newTag";
const FIELD: &str = "spec.template.spec.containers[name=app].image";

struct Case {
    name: &'static str,
    files: Vec<(&'static str, String)>,
    annotations: &'static [(&'static str, &'static str)],
    found: &'static str,
}

fn case(name: &'static str, overlay: &str, files: Vec<(&'static str, String)>, found: &'static str) -> Case {
    let mut files = files;
    files.push(("kustomization.yaml", overlay.to_owned()));
    Case { name, files, annotations: &[], found }
}

fn with(mut files: Vec<(&'static str, String)>, more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    files.extend(more.iter().map(|(path, text)| (*path, (*text).to_owned())));
    files
}

fn check(cases: Vec<Case>) {
    let mut wrong = Vec::new();
    for case in cases {
        let files: Vec<(&str, &str)> = case.files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let tree = Tree::of(&files);
        let located = tree.locate(IMAGE, case.annotations);
        let found = told(&located);
        let expected = case.found.replace("ENTRY", ENTRY).replace("FIELD", FIELD);
        if found != expected {
            wrong.push(format!("{}: {found}\n   {located:?}\nexpected {expected}", case.name));
            continue;
        }
        if located.iter().all(|one| one.site.is_ok()) {
            let mut after = tree.clone();
            let wanted = Wanted { tag: Some("9.9.9".to_owned()), digest: None };
            if let Err(why) = after.write(IMAGE, &located, &wanted) {
                wrong.push(format!("{}: {why}", case.name));
            } else {
                let again = told(&after.locate(IMAGE, case.annotations));
                if !again.split("; ").all(|one| one.ends_with(" 9.9.9")) {
                    wrong.push(format!("{}: then {again}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_overlay_is_written_and_not_the_base() {
    check(vec![
        case("base", ON_BASE, base("ghcr.io/acme/web:1.0.0", ""), "ENTRY 1.0.0"),
        case(
            "base-that-is-deprecated",
            "bases: [../../bases/web]\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "ENTRY 1.0.0",
        ),
        case(
            "base-below",
            "resources: [base]\n",
            with(
                vec![],
                &[
                    ("base/kustomization.yml", "resources: [web.yaml]\n"),
                    ("base/web.yaml", &deployment("ghcr.io/acme/web:1.0.0")),
                ],
            ),
            "ENTRY 1.0.0",
        ),
        case(
            "entry-of-the-base",
            ON_BASE,
            base("web:dev", "images:\n- {name: web, newName: ghcr.io/acme/web, newTag: 1.1.0}\n"),
            "ENTRY 1.1.0",
        ),
        case(
            "entry-that-renames",
            "resources: [../../bases/web]\nimages:\n- name: web\n  newName: ghcr.io/acme/web\n",
            base("web:1.0.0", ""),
            "kustomization.yaml images[name=web].newTag 1.0.0",
        ),
        case(
            "entry-of-its-own",
            "resources: [../../bases/web]\nimages:\n- name: ghcr.io/acme/web\n  newTag: 2.0.0\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "ENTRY 2.0.0",
        ),
        case(
            "resource-that-is-renamed",
            "resources: [web.yaml]\nimages:\n- name: web\n  newName: ghcr.io/acme/web\n",
            vec![("web.yaml", deployment("web:1.0.0"))],
            "kustomization.yaml images[name=web].newTag 1.0.0",
        ),
        case(
            "two-levels",
            "resources: [../../envs/prod]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[(
                    "/envs/prod/kustomization.yaml",
                    "resources: [../../bases/web]\nimages: [{name: ghcr.io/acme/web, newTag: '1.2'}]\n",
                )],
            ),
            "ENTRY 1.2",
        ),
        case(
            "component-with-an-entry",
            "resources: [../../bases/web]\ncomponents: [../../components/canary]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[(
                    "/components/canary/kustomization.yaml",
                    "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nimages: [{name: ghcr.io/acme/web, newTag: 1.5.0}]\n",
                )],
            ),
            "ENTRY 1.5.0",
        ),
        case(
            "component-with-a-patch",
            "resources: [../../bases/web]\ncomponents: [../../components/sidecar]\n",
            with(
                base("redis:7", ""),
                &[
                    ("/components/sidecar/kustomization.yaml", "kind: Component\npatches: [{path: patch.yaml}]\n"),
                    ("/components/sidecar/patch.yaml", &deployment("ghcr.io/acme/web:1.3.0")),
                ],
            ),
            "ENTRY 1.3.0",
        ),
        // What the component changes is the overlay's own resource, but not by its own file.
        case(
            "component-over-an-own-resource",
            "resources: [web.yaml]\ncomponents: [../../components/canary]\n",
            with(
                vec![("web.yaml", deployment("ghcr.io/acme/web:1.0.0"))],
                &[(
                    "/components/canary/kustomization.yaml",
                    "kind: Component\nimages: [{name: ghcr.io/acme/web, newTag: 1.5.0}]\n",
                )],
            ),
            "ENTRY 1.5.0",
        ),
        case(
            "digest-in-the-base",
            ON_BASE,
            base(&format!("ghcr.io/acme/web@sha256:{}", "0a".repeat(32)), ""),
            "ENTRY sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a",
        ),
        case("no-tag-in-the-base", ON_BASE, base("ghcr.io/acme/web", ""), "kustomization.yaml target/not-found"),
        case("another-image", ON_BASE, base("ghcr.io/acme/webhook:1.0.0", ""), "kustomization.yaml target/not-found"),
        case(
            "renamed-away",
            "resources: [../../bases/web]\nimages: [{name: ghcr.io/acme/web, newName: mirror.example/web}]\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "kustomization.yaml edit/other-image",
        ),
        case(
            "list",
            ON_BASE,
            with(
                vec![],
                &[
                    ("/bases/web/kustomization.yaml", "resources: [all.yaml]\n"),
                    (
                        "/bases/web/all.yaml",
                        &format!(
                            "apiVersion: v1\nkind: List\nitems:\n- {}",
                            deployment("ghcr.io/acme/web:1.0.0").trim_end().replace('\n', "\n  ")
                        ),
                    ),
                ],
            ),
            "ENTRY 1.0.0",
        ),
        case(
            "not-referenced",
            "resources: []\n",
            vec![("web.yaml", deployment("ghcr.io/acme/web:1.0.0"))],
            "kustomization.yaml target/not-found",
        ),
    ]);
}

#[test]
fn what_the_overlay_names_itself_is_written_where_it_stands() {
    let patch = deployment("ghcr.io/acme/web:1.4.0");
    check(vec![
        case(
            "resource",
            "resources: [web.yaml]\n",
            vec![("web.yaml", deployment("ghcr.io/acme/web:1.0.0"))],
            "web.yaml FIELD 1.0.0",
        ),
        case(
            "patch",
            "resources: [../../bases/web]\npatches: [{path: image.yaml}]\n",
            with(base("ghcr.io/acme/web:1.0.0", ""), &[("image.yaml", &patch)]),
            "image.yaml FIELD 1.4.0",
        ),
        case(
            "patch-by-the-old-way",
            "resources: [../../bases/web]\npatchesStrategicMerge: [image.yaml]\n",
            with(base("ghcr.io/acme/web:1.0.0", ""), &[("image.yaml", &patch)]),
            "image.yaml FIELD 1.4.0",
        ),
        case(
            "patch-under-the-new-name",
            "resources: [../../envs/prod]\npatches: [{path: image.yaml}]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[
                    (
                        "/envs/prod/kustomization.yaml",
                        "resources: [../../bases/web]\nnamePrefix: prod-\nnamespace: prod\n",
                    ),
                    ("image.yaml", &patch.replace("name: web", "name: prod-web\n  namespace: prod")),
                ],
            ),
            "image.yaml FIELD 1.4.0",
        ),
        case(
            "patch-with-a-target",
            "resources: [../../bases/web]\npatches:\n- path: image.yaml\n  target: {kind: Deployment, name: w.*}\n",
            with(base("ghcr.io/acme/web:1.0.0", ""), &[("image.yaml", &patch.replace("name: web", "name: whatever"))]),
            "image.yaml FIELD 1.4.0",
        ),
        // A patch for others changes nothing here.
        case(
            "patch-that-misses",
            "resources: [../../bases/web]\npatches:\n- path: image.yaml\n  target: {kind: StatefulSet}\n",
            with(base("ghcr.io/acme/web:1.0.0", ""), &[("image.yaml", &patch)]),
            "ENTRY 1.0.0",
        ),
        case(
            "patch-over-a-resource",
            "resources: [web.yaml]\npatches: [{path: image.yaml}]\n",
            with(vec![("web.yaml", deployment("ghcr.io/acme/web:1.0.0"))], &[("image.yaml", &patch)]),
            "image.yaml FIELD 1.4.0",
        ),
        case(
            "entry-over-a-patch",
            "resources: [../../bases/web]\npatches: [{path: image.yaml}]\nimages: [{name: ghcr.io/acme/web, newTag: 3.0.0}]\n",
            with(base("ghcr.io/acme/web:1.0.0", ""), &[("image.yaml", &patch)]),
            "ENTRY 3.0.0",
        ),
        case(
            "patch-without-an-image",
            "resources: [../../bases/web]\npatches: [{path: env.yaml}]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[(
                    "env.yaml",
                    "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: app, env: [{name: A, value: b}]}]}}}\n",
                )],
            ),
            "ENTRY 1.0.0",
        ),
        case(
            "patch-that-takes-it-out",
            "resources: [../../bases/web]\npatches: [{path: drop.yaml}]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[("drop.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n$patch: delete\n")],
            ),
            "kustomization.yaml target/not-found",
        ),
        case(
            "sidecar",
            "resources: [../../bases/web]\npatches: [{path: side.yaml}]\n",
            with(base("redis:7", ""), &[("side.yaml", &patch.replace("name: app", "name: side"))]),
            "side.yaml spec.template.spec.containers[name=side].image 1.4.0",
        ),
        case(
            "json-patch-in-place",
            "resources: [../../bases/web]\npatches:\n- target: {kind: Deployment}\n  patch: |-\n    - op: replace\n      path: /spec/template/spec/containers/0/image\n      value: ghcr.io/acme/web:1.6.0\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "kustomization.yaml patches[0].patch[0].value 1.6.0",
        ),
        case(
            "patch-in-place",
            "resources: [../../bases/web]\npatches:\n- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {name: web}\n    spec: {template: {spec: {containers: [{name: app, image: 'ghcr.io/acme/web:1.6.0'}]}}}\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "kustomization.yaml patches[0].patch.FIELD 1.6.0",
        ),
        case(
            "json-patch",
            "resources: [../../bases/web]\npatches:\n- path: image.json\n  target: {kind: Deployment, name: web}\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[(
                    "image.json",
                    "[\n  {\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/image\", \"value\": \"ghcr.io/acme/web:1.6.0\"}\n]\n",
                )],
            ),
            "image.json [0].value 1.6.0",
        ),
        case(
            "json-patch-by-the-old-way",
            "resources: [../../bases/web]\npatchesJson6902:\n- path: image.yaml\n  target: {group: apps, version: v1, kind: Deployment, name: web}\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[(
                    "image.yaml",
                    "- op: add\n  path: /spec/template/spec/containers/-\n  value:\n    name: side\n    image: ghcr.io/acme/web:1.0.0\n- op: remove\n  path: /spec/template/spec/containers/0\n",
                )],
            ),
            "image.yaml [0].value.image 1.0.0",
        ),
        // One entry sets both, so the field of its own follows by itself.
        case(
            "resource-beside-a-base",
            "resources: [../../bases/web, job.yaml]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[("job.yaml", &deployment("ghcr.io/acme/web:1.0.0").replace("name: web", "name: job"))],
            ),
            "ENTRY 1.0.0",
        ),
        case(
            "resource-that-differs-from-the-base",
            "resources: [../../bases/web, job.yaml]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[("job.yaml", &deployment("ghcr.io/acme/web:1.1.0").replace("name: web", "name: job"))],
            ),
            "kustomization.yaml target/ambiguous",
        ),
        case(
            "two-resources-alike",
            "resources: [web.yaml, job.yaml]\n",
            with(
                vec![("web.yaml", deployment("ghcr.io/acme/web:1.0.0"))],
                &[("job.yaml", &deployment("ghcr.io/acme/web:1.0.0").replace("name: web", "name: job"))],
            ),
            "web.yaml FIELD 1.0.0; job.yaml FIELD 1.0.0",
        ),
    ]);
}

#[test]
fn what_images_do_not_reach_or_others_write_is_left_alone() {
    let rollout = "apiVersion: acme.example/v1\nkind: Engine\nmetadata: {name: e}\nspec:\n  runtime:\n    image: ghcr.io/acme/web:1.0.0\n";
    let engine = |more: &str| {
        with(
            vec![],
            &[
                ("/bases/web/kustomization.yaml", &format!("resources: [e.yaml]\n{more}") as &str),
                ("/bases/web/e.yaml", rollout),
                ("fields.yaml", "images:\n- path: spec/runtime/image\n  kind: Engine\n"),
            ],
        )
    };
    check(vec![
        case("custom-field", ON_BASE, engine(""), "kustomization.yaml target/not-found"),
        case(
            "custom-field-that-is-configured",
            "resources: [../../bases/web]\nconfigurations: [fields.yaml]\n",
            engine(""),
            "ENTRY 1.0.0",
        ),
        case(
            "custom-field-of-its-own",
            "resources: [e.yaml]\n",
            with(vec![], &[("e.yaml", rollout)]),
            "e.yaml spec.runtime.image 1.0.0",
        ),
        case(
            "replacement",
            "resources: [../../bases/web]\nreplacements:\n- source: {kind: ConfigMap, name: v}\n  targets:\n  - select: {kind: Deployment}\n    fieldPaths: ['spec.template.spec.containers.[name=app].image']\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "kustomization.yaml target/not-found",
        ),
        case(
            "transformer",
            "resources: [../../bases/web]\ntransformers: [tag.yaml]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[(
                    "tag.yaml",
                    "apiVersion: builtin\nkind: ImageTagTransformer\nmetadata: {name: t}\nimageTag: {name: ghcr.io/acme/web, newTag: 7.0.0}\n",
                )],
            ),
            "kustomization.yaml target/not-found",
        ),
        case(
            "transformer-of-labels",
            "resources: [../../bases/web]\ntransformers: [labels.yaml]\n",
            with(
                base("ghcr.io/acme/web:1.0.0", ""),
                &[(
                    "labels.yaml",
                    "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: t}\nlabels: {a: b}\n",
                )],
            ),
            "ENTRY 1.0.0",
        ),
        case(
            "suffix",
            "resources: [../../bases/web]\nimages: [{name: ghcr.io/acme/web, tagSuffix: -arm}]\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "kustomization.yaml edit/unproven",
        ),
        case(
            "differ-in-the-base",
            ON_BASE,
            base("ghcr.io/acme/web:1.0.0\n        - name: side\n          image: ghcr.io/acme/web:1.1.0", ""),
            "kustomization.yaml target/ambiguous",
        ),
    ]);
}

#[test]
fn what_is_broken_or_elsewhere_is_named() {
    check(vec![
        case("missing", ON_BASE, vec![], "kustomization.yaml edit/no-such-file"),
        case(
            "no-kustomization",
            ON_BASE,
            with(vec![], &[("/bases/web/web.yaml", "a: b\n")]),
            "kustomization.yaml edit/no-such-file",
        ),
        case(
            "missing-patch",
            "resources: [../../bases/web]\npatches: [{path: gone.yaml}]\n",
            base("ghcr.io/acme/web:1.0.0", ""),
            "kustomization.yaml edit/no-such-file",
        ),
        case(
            "circle",
            ON_BASE,
            with(vec![], &[("/bases/web/kustomization.yaml", "resources: [../../apps/web]\n")]),
            "kustomization.yaml edit/no-such-file",
        ),
        case(
            "two-files",
            ON_BASE,
            with(base("ghcr.io/acme/web:1.0.0", ""), &[("/bases/web/kustomization.yml", "resources: []\n")]),
            "kustomization.yaml edit/duplicate-key",
        ),
        case(
            "broken-base",
            ON_BASE,
            with(base("x", ""), &[("/bases/web/web.yaml", "a: [\n")]),
            "kustomization.yaml edit/invalid-yaml",
        ),
        case(
            "remote",
            "resources: ['https://github.com/acme/base//deploy?ref=v1']\n",
            vec![],
            "kustomization.yaml target/not-found",
        ),
        case(
            "entry-over-a-remote",
            "resources: ['github.com/acme/base?ref=v1']\nimages: [{name: ghcr.io/acme/web, newTag: 1.0.0}]\n",
            vec![],
            "ENTRY 1.0.0",
        ),
        // Nothing is known of the object that it changes, but what it puts there.
        case(
            "patch-over-a-remote",
            "resources: ['github.com/acme/base?ref=v1']\npatches: [{path: image.yaml}]\n",
            vec![("image.yaml", deployment("ghcr.io/acme/web:1.4.0"))],
            "image.yaml FIELD 1.4.0",
        ),
        case(
            "entry-that-stays-in-spite-of-a-missing-base",
            "resources: [gone]\nimages: [{name: ghcr.io/acme/web, newTag: 1.0.0}]\n",
            vec![],
            "ENTRY 1.0.0",
        ),
    ]);
}

#[test]
fn charts_that_a_kustomization_inflates_are_looked_into() {
    let values = "image:\n  repository: ghcr.io/acme/web\n  tag: 1.0.0\n";
    let chart = "helmCharts:\n- name: web\n  repo: https://charts.example\n  valuesFile: values.yaml\n";
    check(vec![
        case("chart", chart, with(vec![], &[("values.yaml", values)]), "values.yaml image.tag 1.0.0"),
        case(
            "chart-of-a-base",
            ON_BASE,
            with(vec![], &[("/bases/web/kustomization.yaml", chart), ("/bases/web/values.yaml", values)]),
            "ENTRY 1.0.0",
        ),
        case(
            "more-values",
            "helmCharts:\n- name: web\n  valuesFile: values.yaml\n  additionalValuesFiles: [prod.yaml]\n",
            with(vec![], &[("values.yaml", values), ("prod.yaml", "image: {tag: 1.2.0}\n")]),
            "prod.yaml image.tag 1.2.0",
        ),
        case(
            "values-in-place",
            "helmCharts:\n- name: web\n  valuesFile: values.yaml\n  valuesInline:\n    image:\n      tag: 1.3.0\n",
            with(vec![], &[("values.yaml", values)]),
            "kustomization.yaml helmCharts[0].valuesInline.image.tag 1.3.0",
        ),
        case(
            "generator",
            "generators: [chart.yaml]\n",
            with(
                vec![],
                &[
                    (
                        "chart.yaml",
                        "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: web}\nname: web\nvaluesFile: values.yaml\n",
                    ),
                    ("values.yaml", values),
                ],
            ),
            "values.yaml image.tag 1.0.0",
        ),
    ]);
}

#[test]
fn messages_say_what_was_looked_into_and_what_settles_it() {
    let said = |overlay: &str, files: Vec<(&'static str, String)>, image: &str| {
        let files = with(files, &[("kustomization.yaml", overlay)]);
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let located = Tree::of(&files).locate(image, &[]);
        let failure = located[0].site.clone().unwrap_err();
        format!("{}\n{}", failure.message, failure.hint.unwrap_or_default())
    };
    let remote = "resources: ['https://github.com/acme/base//deploy?ref=v1', ../../bases/web]\n";
    assert_eq!(
        said(remote, base("redis:7", ""), IMAGE).lines().next().unwrap(),
        "nothing names `ghcr.io/acme/web`: looked into `images:`, resources and patches of apps/web/kustomization.yaml, and of \
         bases/web/kustomization.yaml; resources of other repositories are not followed: `https://github.com/acme/base//deploy?ref=v1`"
    );
    assert_eq!(
        said(ON_BASE, base("ghcr.io/acme/web", ""), IMAGE),
        "`ghcr.io/acme/web` is named without a tag, so nothing says what runs: apps/web/kustomization.yaml \
         images[name=ghcr.io/acme/web].newTag (no tag)\n\
         to have the tag written there, add `repin.dev/app.kustomize.image-name: ghcr.io/acme/web`"
    );
    // For kustomize these are two images.
    let twin = "resources: [../../bases/web]\nimages: [{name: docker.io/library/nginx, newTag: '1.25'}]\n";
    let told = said(twin, base("nginx:1.24", ""), "nginx");
    assert!(told.contains("has an entry for `docker.io/library/nginx`, which does not meet `nginx`"), "{told}");
    let circle = with(vec![], &[("/bases/web/kustomization.yaml", "resources: [../../apps/web]\n")]);
    assert!(said(ON_BASE, circle, IMAGE).contains("they go round in a circle"));
}

#[test]
fn an_annotation_that_names_the_base_is_obeyed() {
    let files = base("ghcr.io/acme/web:1.0.0", "images: [{name: ghcr.io/acme/web, newTag: 1.1.0}]\n");
    let files = with(files, &[("kustomization.yaml", ON_BASE)]);
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let tree = Tree::of(&files);
    let found = |target: &str| told(&tree.locate(IMAGE, &[("write-back-target", target)]));
    assert_eq!(
        found("kustomization:../../bases/web"),
        "bases/web/kustomization.yaml images[name=ghcr.io/acme/web].newTag 1.1.0"
    );
    assert_eq!(found("/bases/web/web.yaml"), "bases/web/web.yaml spec.template.spec.containers[name=app].image 1.0.0");
    // An entry that is asked for holds what comes from below until it is there.
    assert_eq!(found("kustomization"), format!("{ENTRY} 1.1.0"));
}

/// Files that ask for more than is rendered: nothing is written, and nobody else is kept waiting.
#[test]
fn kustomizations_that_grow_without_end_are_cut() {
    let web = deployment("ghcr.io/acme/web:1.0.0");
    let run = |overlay: &str, files: &[(&'static str, &str)]| {
        let mut files = files.to_vec();
        files.extend([("kustomization.yaml", overlay), ("web.yaml", web.as_str())]);
        let found = Tree::of(&files).locate(IMAGE, &[]);
        let failure = found[0].site.as_ref().expect_err("it is cut");
        format!("{} {}", failure.code, failure.message)
    };
    let copies =
        "      - {op: copy, from: /spec, path: /spec/a}\n      - {op: copy, from: /spec, path: /spec/b}\n".repeat(40);
    let patched = format!("resources: [web.yaml]\npatches:\n  - target: {{kind: Deployment}}\n    patch: |\n{copies}");
    assert!(run(&patched, &[]).starts_with("target/not-found what apps/web/kustomization.yaml renders takes more"));
    let entries: String = (0..3_000).map(|number| format!("  - {{name: '\\w{{80}}{number}', newTag: a}}\n")).collect();
    let named = format!("resources: [web.yaml]\nimages:\n{entries}");
    assert!(run(&named, &[]).contains("renders takes more"));
    let large = format!("{web}  note: {}\n", "x".repeat(1_000_000));
    let many = format!("resources:\n{}", "  - ../large.yaml\n".repeat(40));
    assert!(run(&many, &[("/apps/large.yaml", &large)]).contains("renders takes more"));
}

#[test]
fn bases_of_bases_end_at_the_limit() {
    let mut files = vec![("kustomization.yaml".to_owned(), "resources: [../../b/0]\n".to_owned())];
    files.extend(
        (0..20_000)
            .map(|number| (format!("/b/{number}/kustomization.yaml"), format!("resources: [../{}]\n", number + 1))),
    );
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let found = Tree::of(&files).locate(IMAGE, &[]);
    let failure = found[0].site.as_ref().expect_err("it is cut");
    assert!(failure.message.contains("64 kustomizations name each other"), "{}", failure.message);
}

#[test]
fn charts_that_depend_on_themselves_end_at_the_limit() {
    let dependencies: String =
        (0..300).map(|number| format!("  - {{name: a{number}, repository: 'file://../other'}}\n")).collect();
    let chart = format!("apiVersion: v2\nname: other\nversion: 1.0.0\ndependencies:\n{dependencies}");
    let own = chart.replace("../other", "../../charts/other");
    let values = "image: {repository: ghcr.io/acme/web, tag: 1.0.0}\n";
    let tree = Tree::of(&[("Chart.yaml", &own), ("values.yaml", values), ("/charts/other/Chart.yaml", &chart)]);
    assert_eq!(told(&tree.locate(IMAGE, &[])), "values.yaml image.tag 1.0.0");
}
