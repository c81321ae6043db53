//! Repositories without Argo CD: annotations on a HelmRelease, a Kustomization of Flux and plain workloads.

use serde_json::Value;

use crate::table::{codes, fill, problems, verdict};
use crate::world::{Said, World};

const RELEASE: &str = "# the shop
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata:
  name: web
  namespace: shop
  annotations:
    repin.dev/image-list: web=IMAGE:~1.0   # patches
spec:
  interval: 5m
  chart:
    spec: {chart: web, version: 3.x, sourceRef: {kind: HelmRepository, name: acme}}
  values:
    image:
      repository: IMAGE
      tag: \"1.0.0\"
";
const KUSTOMIZATION: &str = "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: web
  annotations: {repin.dev/image-list: \"web=IMAGE:1.x\"}
spec:
  path: ./base
  images:
    - name: IMAGE
      newTag: 1.0.0
";
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  annotations:
    argocd-image-updater.argoproj.io/image-list: web=IMAGE
spec:
  template:
    metadata:
      annotations: {repin.dev/image-list: other=IMAGE}
    spec:
      initContainers: [{name: migrate, image: 'IMAGE:1.0.0'}]
      containers:
        - name: web
          image: IMAGE:1.0.0 # web
        - {name: proxy, image: nginx:1.27}
";

/// A world with the tags 1.0.0, 1.0.1, 1.1.0 and 2.0.0 and these files.
fn world(files: &[(&str, &str)]) -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.0.1", "1.1.0", "2.0.0"]);
    commit(&world, files);
    world
}

fn commit(world: &World, files: &[(&str, &str)]) {
    let files: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, fill(world, text))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    world.remote.commit(&files, "Add files");
}

/// `application file key verdict` of every outcome, sorted.
fn lines(said: &Said) -> Vec<String> {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or("null").to_owned();
    let line = |one: &Value| {
        format!("{} {} {} {}", text(one, "application"), text(one, "file"), text(one, "key"), verdict(one))
    };
    let mut lines: Vec<String> = said.json["outcomes"].as_array().unwrap().iter().map(line).collect();
    lines.sort();
    lines
}

#[test]
fn the_object_that_carries_the_annotations_is_what_is_written() {
    let world = world(&[
        ("apps/release.yaml", RELEASE),
        ("apps/flux/kustomization.yaml", KUSTOMIZATION),
        ("apps/web/deployment.yaml", DEPLOYMENT),
    ]);
    let said = world.repin(&["once"]);
    assert_eq!(
        lines(&said),
        [
            "Deployment/default/web apps/web/deployment.yaml spec.template.spec.containers[name=web].image delivered delivered",
            "Deployment/default/web apps/web/deployment.yaml spec.template.spec.initContainers[name=migrate].image delivered delivered",
            "HelmRelease/shop/web apps/release.yaml spec.values.image.tag delivered delivered",
            "Kustomization/default/web apps/flux/kustomization.yaml spec.images[name=IMAGE].newTag delivered delivered",
        ]
        .map(|line| fill(&world, line)),
    );
    let shown = |path: &str| world.remote.show(path);
    assert_eq!(shown("apps/release.yaml"), fill(&world, &RELEASE.replace("\"1.0.0\"", "\"1.0.1\"")));
    assert_eq!(shown("apps/flux/kustomization.yaml"), fill(&world, &KUSTOMIZATION.replace("1.0.0", "1.1.0")));
    assert_eq!(shown("apps/web/deployment.yaml"), fill(&world, &DEPLOYMENT.replace(":1.0.0", ":2.0.0")));
    let head = world.remote.head();
    world.repin(&["once"]);
    assert_eq!(world.remote.head(), head, "a second cycle changes nothing");
}

#[test]
fn commands_take_the_object_by_its_kind_and_name() {
    let world = world(&[("apps/release.yaml", RELEASE), ("apps/web.yaml", DEPLOYMENT)]);
    for (name, expected) in [
        ("HelmRelease/web", "HelmRelease/shop/web"),
        ("shop/web", "HelmRelease/shop/web"),
        ("Deployment/default/web", "Deployment/default/web"),
    ] {
        let said = world.repin(&["explain", name]);
        assert_eq!(said.json["application"].as_str(), Some(expected), "{said:#?}");
    }
    let said = world.repin(&["explain", "web"]);
    assert_eq!(said.code, 2, "{said:#?}");
    let said = world.repin(&["check"]);
    assert_eq!(said.code, 0, "{said:#?}");
}

#[test]
fn a_file_beside_the_object_may_be_named_and_nothing_outside_its_directory() {
    let target = |path: &str| {
        RELEASE
            .replace("# patches", &format!("\n    repin.dev/write-back-target: helmvalues:{path}"))
            .replace("   \n", "\n")
    };
    let values = "image:\n  repository: IMAGE\n  tag: 1.0.0\n";
    let world = world(&[
        ("apps/a/release.yaml", &target("values.yaml")),
        ("apps/a/values.yaml", values),
        ("apps/b/release.yaml", &target("/apps/a/values.yaml")),
        ("clusters/release.yaml", &RELEASE.replace("name: web", "name: unmatched")),
        // The whole repository is nobody's folder.
        ("release.yaml", &target("/apps/a/values.yaml").replace("name: web", "name: root")),
    ]);
    assert_eq!(
        lines(&world.repin(&["plan"])),
        [
            "HelmRelease/shop/root apps/a/values.yaml image.tag held target/outside",
            "HelmRelease/shop/unmatched clusters/release.yaml spec.values.image.tag held rule/none",
            "HelmRelease/shop/web apps/a/values.yaml image.tag held target/outside",
            "HelmRelease/shop/web apps/a/values.yaml image.tag pending pending",
        ]
    );
}

#[test]
fn what_is_wrong_with_an_object_is_said_with_its_line() {
    let no_list = DEPLOYMENT.replace("argocd-image-updater.argoproj.io/image-list: web=IMAGE", "repin.dev/min-age: 1h");
    let nothing = DEPLOYMENT.replace("IMAGE:1.0.0", "nginx:1.0.0");
    let template = format!("{DEPLOYMENT}{{{{ if x }}}}\n");
    let world = world(&[
        ("apps/a.yaml", &no_list),
        ("apps/b.yaml", &nothing),
        ("apps/c.yaml", &format!("{DEPLOYMENT}---\n{DEPLOYMENT}")),
        ("charts/web/Chart.yaml", "name: web\n"),
        ("charts/web/templates/web.yaml", &template),
    ]);
    let said = world.repin(&["plan"]);
    assert_eq!(codes(&problems(&said, "apps/a.yaml")), ["annotation/no-image-list"]);
    let message = problems(&said, "apps/a.yaml")[0]["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "Deployment/default/web: the Deployment `default/web` has annotations of repin, and no `image-list`"
    );
    assert!(codes(&problems(&said, "apps/c.yaml")).contains(&"manifest/duplicate".to_owned()), "{said:#?}");
    assert!(problems(&said, "templates/web.yaml").is_empty(), "{said:#?}");
    let lines = lines(&said);
    assert!(
        lines.iter().any(|line| line.starts_with("Deployment/default/web apps/b.yaml null held target/not-found")),
        "{lines:#?}"
    );
}

#[test]
fn key_paths_lead_into_the_object_or_into_the_values_of_a_release() {
    let release = RELEASE
        .replace("   # patches", "\n    repin.dev/web.helm.image-tag: version")
        .replace("    image:\n      repository: IMAGE\n      tag: \"1.0.0\"\n", "    version: 1.0.0\n");
    let site = "apiVersion: acme.io/v1\nkind: Site\nmetadata:\n  name: shop\n  annotations:\n    repin.dev/image-list: web=IMAGE\n    \
                repin.dev/web.helm.image-tag: spec.version\n    repin.dev/web.helm.image-name: spec.server\nspec:\n  server: IMAGE\n  version: '1.0.0'\n";
    let other = site.replace("name: shop", "name: other").replace("server: IMAGE", "server: nginx");
    let world = world(&[("apps/release.yaml", &release), ("apps/site.yaml", site), ("apps/other.yaml", &other)]);
    assert_eq!(
        lines(&world.repin(&["once"])),
        [
            "HelmRelease/shop/web apps/release.yaml spec.values.version delivered delivered",
            "Site/default/other apps/other.yaml spec.version failed edit/other-image",
            "Site/default/shop apps/site.yaml spec.version delivered delivered",
        ]
    );
    assert_eq!(world.remote.show("apps/site.yaml"), fill(&world, &site.replace("'1.0.0'", "'2.0.0'")));
}

#[test]
fn declared_fields_are_found_and_a_reload_searches_again() {
    let cluster = "apiVersion: db.acme.io/v1\nkind: Cluster\nmetadata:\n  name: orders\n  annotations: {repin.dev/image-list: 'db=IMAGE'}\n\
                   spec:\n  imageName: IMAGE:1.0.0\n  nodes:\n  - {id: 0, server: 'IMAGE:1.0.0'}\n  - {id: 1, server: 'IMAGE:1.0.0'}\n";
    let world = world(&[("apps/db.yaml", cluster)]);
    assert_eq!(lines(&world.repin(&["plan"])), ["Cluster/default/orders apps/db.yaml null held target/not-found"]);
    let declared = "image_fields:\n  - {kind: Cluster, group: db.acme.io, image: spec.imageName}\n  - {kind: Cluster, image: 'spec.nodes[*].server'}\n  \
                    - {kind: Cluster, group: other.io, image: spec.never}\n";
    world.configure(&format!("{}{declared}", world.standard_config()));
    assert_eq!(
        lines(&world.repin(&["once"])),
        [
            "Cluster/default/orders apps/db.yaml spec.imageName delivered delivered",
            "Cluster/default/orders apps/db.yaml spec.nodes[0].server delivered delivered",
            "Cluster/default/orders apps/db.yaml spec.nodes[1].server delivered delivered",
        ]
    );
    assert_eq!(world.remote.show("apps/db.yaml"), fill(&world, &cluster.replace(":1.0.0", ":2.0.0")));
}

#[test]
fn a_marker_is_a_place_in_values_and_its_policy_may_stand_elsewhere() {
    let policy = "apiVersion: image.toolkit.fluxcd.io/v1beta2\nkind: ImageRepository\nmetadata: {name: web, namespace: flux-system}\n\
                  spec: {image: IMAGE}\n---\napiVersion: image.toolkit.fluxcd.io/v1beta2\nkind: ImagePolicy\nmetadata: {name: shop, namespace: flux-system}\n\
                  spec: {imageRepositoryRef: {name: web}}\n";
    let values = "# {\"$imagepolicy\": \"flux-system:shop:tag\"}\nshop:\n  version: 1.0.0 # {\"$imagepolicy\": \"flux-system:shop:tag\"}\n  other: 1.0.0\n";
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    let manifest = crate::table::manifest(
        &world,
        "web",
        "repin.dev/image-list: app=IMAGE",
        "path: apps/web\nhelm: {valueFiles: [values.yaml]}\n",
    );
    commit(
        &world,
        &[
            ("argocd/web.yaml", &manifest),
            ("apps/web/Chart.yaml", "name: web\n"),
            ("apps/web/values.yaml", values),
            ("clusters/policies.yaml", policy),
        ],
    );
    assert_eq!(lines(&world.repin(&["once"])), ["argocd/web apps/web/values.yaml shop.version delivered delivered"]);
    assert_eq!(world.remote.show("apps/web/values.yaml"), values.replace("version: 1.0.0", "version: 2.0.0"));
}

#[test]
fn a_chart_and_an_artifact_of_a_registry_follow_their_tags() {
    let repository = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {name: acme, namespace: flux-system}\n\
                      spec: {type: oci, url: 'oci://HOST/acme'}\n";
    let release = RELEASE
        .replace("3.x", "1.0.0")
        .replace("name: acme}", "name: acme, namespace: flux-system}")
        .replace("      tag: \"1.0.0\"\n", "");
    let release = release.replace("    image:\n      repository: IMAGE\n", "    replicas: 1\n");
    let artifact = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: OCIRepository\nmetadata:\n  name: web\n  annotations: {repin.dev/image-list: 'web=IMAGE'}\n\
                    spec:\n  url: oci://IMAGE\n  ref: {tag: 1.0.0}\n";
    let range = artifact.replace("name: web", "name: range").replace("tag: 1.0.0", "semver: 1.x");
    let world = world(&[
        ("infrastructure/sources.yaml", repository),
        ("apps/release.yaml", &release),
        ("apps/artifact.yaml", artifact),
        ("apps/range.yaml", &range),
    ]);
    let said = world.repin(&["once"]);
    assert_eq!(
        lines(&said),
        [
            "HelmRelease/shop/web apps/release.yaml spec.chart.spec.version delivered delivered",
            "OCIRepository/default/range apps/range.yaml spec.ref.semver failed edit/unproven",
            "OCIRepository/default/web apps/artifact.yaml spec.ref.tag delivered delivered",
        ]
    );
    assert_eq!(
        world.remote.show("apps/release.yaml"),
        fill(&world, &release.replace("version: 1.0.0", "version: 1.0.1"))
    );
    assert_eq!(world.remote.show("apps/artifact.yaml"), fill(&world, &artifact.replace("tag: 1.0.0", "tag: 2.0.0")));
}

#[test]
fn values_from_a_config_map_are_those_of_the_namespace_of_the_release() {
    let release = RELEASE
        .replace("\"1.0.0\"", "\"\"")
        .replace("  interval: 5m\n", "  valuesFrom: [{kind: ConfigMap, name: web-values}]\n");
    let values = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web-values, namespace: {namespace}}}\ndata:\n  values.yaml: |\n    image:\n      repository: IMAGE\n      tag: 1.0.0\n"
        )
    };
    let release = release.replace("  values:\n    image:\n      repository: IMAGE\n      tag: \"\"\n", "");
    // The other one comes first by its path.
    let world = world(&[
        ("apps/shop/a.yaml", &values("dev")),
        ("apps/shop/release.yaml", &release),
        ("apps/shop/values.yaml", &values("shop")),
    ]);
    let said = world.repin(&["once"]);
    assert_eq!(said.json["outcomes"][0]["result"], "delivered", "{said:#?}");
    assert_eq!(world.remote.show("apps/shop/a.yaml"), fill(&world, &values("dev")));
    assert_eq!(world.remote.show("apps/shop/values.yaml"), fill(&world, &values("shop")).replace("1.0.0", "1.0.1"));
    // Two that may be meant are none.
    let nowhere = values("shop").replace(", namespace: shop", "");
    commit(&world, &[("apps/shop/values.yaml", &values("shop")), ("apps/shop/b.yaml", &nowhere)]);
    let said = world.repin(&["once"]);
    assert_ne!(said.json["outcomes"][0]["result"], "delivered", "{said:#?}");
    assert!(
        said.json["outcomes"][0]["message"].as_str().unwrap().contains("not into the ConfigMap `web-values`"),
        "{said:#?}"
    );
}
