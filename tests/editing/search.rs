//! What searches of manifests say where there is no single place, and key paths of a file with several objects.

use repin::model::address::Address;
use repin::model::names::ImageName;
use repin::model::tracked::{AddressSearch, Form, HelmSearch, Layer, ObjectSearch, Search};
use repin::plan::locate::Located;

use crate::golden::search;

const IMAGE: &str = "ghcr.io/acme/web";
const TWO: &str = "apiVersion: acme.io/v1
kind: Site
metadata: {name: one}
spec: {name: ghcr.io/acme/web, version: 1.0.0, only: 3.0.0}
---
apiVersion: acme.io/v1
kind: Site
metadata: {name: two, namespace: shop}
spec: {name: ghcr.io/acme/api, version: 2.0.0}
---
version: 4.0.0
";

fn image() -> ImageName {
    IMAGE.parse().unwrap()
}

/// `key value` of what was found, or the code and message of why nothing was.
fn said(located: &[Located]) -> Vec<String> {
    let one = |one: &Located| match &one.site {
        Ok(site) => format!("{} {}", one.key.as_deref().unwrap_or("-"), site.shown().unwrap_or_default()),
        Err(failure) => format!("{}: {}", failure.code, failure.message),
    };
    located.iter().map(one).collect()
}

fn at(text: &str, key: &str, name: Option<&str>) -> Vec<String> {
    let address = |text: &str| text.parse::<Address>().unwrap();
    let wanted = AddressSearch {
        file: "site.yaml".parse().unwrap(),
        address: address(key),
        form: Form::Tag,
        name: name.map(address),
    };
    said(&search(&[("site.yaml", text)], Search::Address(wanted), &image(), &[]))
}

#[test]
fn a_key_path_means_the_only_object_that_has_it() {
    for (key, name, expected) in [
        ("spec.only", None, "Site/one#spec.only 3.0.0"),
        ("Site/two#spec.version", None, "Site/two#spec.version 2.0.0"),
        ("Site/shop/two#spec.version", None, "Site/two#spec.version 2.0.0"),
        ("[2]#version", None, "[2]#version 4.0.0"),
        ("version", None, "[2]#version 4.0.0"),
        ("Site/one#spec.version", Some("spec.name"), "Site/one#spec.version 1.0.0"),
        ("Site/one#spec.version", Some("Site/one#spec.name"), "Site/one#spec.version 1.0.0"),
        (
            "Site/two#spec.version",
            Some("spec.name"),
            "edit/other-image: site.yaml: `Site/two#spec.name` holds `ghcr.io/acme/api`, which is not the image `ghcr.io/acme/web`",
        ),
        (
            "Site/one#spec.version",
            Some("spec.nothing"),
            "edit/no-such-key: site.yaml: there is no `Site/one#spec.nothing`",
        ),
        (
            "spec.version",
            None,
            "target/ambiguous: site.yaml: several objects have the key `spec.version`: `Site/one#spec.version`, `Site/two#spec.version`",
        ),
        (
            "spec.absent",
            None,
            "edit/no-such-key: site.yaml: no object has the key `spec.absent`; its objects are `Site/one`, `Site/two`",
        ),
        ("Site/three#spec.version", None, "edit/no-such-key: site.yaml: there is no `Site/three#spec.version`"),
    ] {
        assert_eq!(at(TWO, key, name), [expected], "{key}");
    }
    assert_eq!(at("a: [\n", "a", None)[0].split(':').next(), Some("edit/invalid-yaml"));
}

#[test]
fn a_named_tag_is_no_boolean_and_no_number_of_something_else() {
    let values = "enabled: true\non: false\nreplicas: 1\nquoted: '1'\nimageTag: 3\nversion: 2\nbuild: 77\nimage: {tag: 1.20, pullTag: yes}\n";
    for (key, expected) in [
        ("enabled", Err("true")),
        ("on", Err("false")),
        ("replicas", Err("1")),
        ("image.pullTag", Err("yes")),
        ("quoted", Ok("1")),
        ("imageTag", Ok("3")),
        ("version", Ok("2")),
        ("build", Ok("77")),
        ("image.tag", Ok("1.20")),
    ] {
        let layer = Layer::of("values.yaml".parse().unwrap());
        let wanted = HelmSearch {
            files: vec![layer.clone()],
            fallback: layer.clone(),
            values: vec![layer],
            key: key.parse().unwrap(),
            form: Form::Tag,
            overriding: Vec::new(),
            name_key: None,
        };
        let found = said(&search(&[("values.yaml", values)], Search::Helm(wanted), &image(), &[]));
        let object = format!("apiVersion: acme.io/v1\nkind: Site\nmetadata: {{name: one}}\n{values}");
        let shown = match expected {
            Ok(tag) => format!("{key} {tag}"),
            Err(value) => format!("edit/other-image: values.yaml: `{key}` holds `{value}`, which is no image tag"),
        };
        assert_eq!(at(&object, key, None), [shown.replace("values.yaml", "site.yaml")]);
        assert_eq!(found, [shown]);
    }
}

const RELEASE: &str = "apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web, namespace: shop}
spec:
";

/// Searches the object `HelmRelease/shop/web` of the first file.
fn of_release(files: &[(&str, &str)]) -> Vec<String> {
    let wanted = ObjectSearch {
        file: files[0].0.parse().unwrap(),
        object: "HelmRelease/shop/web#x".parse::<Address>().unwrap().object.unwrap(),
        key: None,
        name_key: None,
        entry: None,
    };
    said(&search(files, Search::Object(wanted), &image(), &[]))
}

#[test]
fn a_release_says_what_was_looked_into() {
    let values = "  valuesFrom:\n  - {kind: Secret, name: web-secret}\n  - {kind: ConfigMap, name: web-values}\n  \
                  - {kind: ConfigMap, name: single, valuesKey: tag, targetPath: image.tag}\n  values: {replicas: 1}\n";
    let text = format!("{RELEASE}{values}");
    assert_eq!(
        of_release(&[("apps/web.yaml", &text)]),
        [
            "target/not-found: nothing names `ghcr.io/acme/web`: looked into the values and the chart of the HelmRelease/web of apps/web.yaml, \
             but not into the Secret `web-secret`, the ConfigMap `web-values`, the ConfigMap `single` of its `valuesFrom`"
        ]
    );
    let tags = format!("{RELEASE}  values:\n    image: {{tag: 1.0.0}}\n    side: {{image: {{tag: 2.0.0}}}}\n");
    assert_eq!(
        of_release(&[("apps/web.yaml", &tags)]),
        [
            "target/not-found: nothing names `ghcr.io/acme/web`: looked into the values and the chart of the HelmRelease/web of apps/web.yaml; \
             these tags stand without an image beside them, whose name the chart may have: apps/web.yaml:6 image.tag 1.0.0; \
             apps/web.yaml:7 side.image.tag 2.0.0"
        ]
    );
    let other = format!(
        "{RELEASE}  values: {{image: {{repository: ghcr.io/acme/web, tag: 1.0.0}}, b: {{image: 'ghcr.io/acme/web:2.0.0'}}}}\n"
    );
    assert_eq!(
        of_release(&[("apps/web.yaml", &other)]),
        [
            "target/ambiguous: `ghcr.io/acme/web` stands at several places that differ: apps/web.yaml:5 spec.values.b.image 2.0.0; \
             apps/web.yaml:5 spec.values.image.tag 1.0.0"
        ]
    );
}

#[test]
fn a_chart_belongs_to_the_repository_of_its_namespace() {
    let repository = |namespace: &str, url: &str| {
        format!(
            "apiVersion: source.toolkit.fluxcd.io/v1\nkind: HelmRepository\nmetadata: {{name: acme{namespace}}}\nspec: {{url: {url}}}\n"
        )
    };
    let release = |reference: &str| {
        format!(
            "{RELEASE}  chart: {{spec: {{chart: web, version: 1.0.0, sourceRef: {{kind: HelmRepository, name: acme{reference}}}}}}}\n"
        )
    };
    let found = |release: &str, repositories: &[String]| {
        let all = repositories.join("---\n");
        of_release(&[("apps/web.yaml", release), ("sources/all.yaml", &all)]).remove(0)
    };
    let place = "spec.chart.spec.version 1.0.0";
    for (reference, repositories, expected) in [
        ("", vec![repository("", "oci://ghcr.io/acme")], place),
        ("", vec![repository(", namespace: shop", "oci://ghcr.io/acme")], place),
        (", namespace: flux", vec![repository(", namespace: flux", "oci://ghcr.io/acme")], place),
        (
            ", namespace: flux",
            vec![
                repository(", namespace: flux", "oci://ghcr.io/acme"),
                repository(", namespace: shop", "oci://ghcr.io/other"),
            ],
            place,
        ),
        (", namespace: flux", vec![repository(", namespace: shop", "oci://ghcr.io/acme")], "target/not-found"),
        ("", vec![repository("", "https://charts.acme.dev")], "target/not-found"),
        ("", vec![repository("", "oci://ghcr.io/other")], "target/not-found"),
        // Two clusters with one name each: nobody can tell which one is meant.
        ("", vec![repository("", "oci://ghcr.io/acme"), repository("", "oci://ghcr.io/other")], "target/not-found"),
    ] {
        let found = found(&release(reference), &repositories);
        assert!(found.starts_with(expected), "{reference} {repositories:?}\n{found}");
    }
}
