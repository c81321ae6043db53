//! Annotated ApplicationSets: what they generate is updated where its tag stands.

use crate::remote::BareRemote;
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
fn what_generated_applications_leave_out_of_their_directories_is_no_place() {
    let pod =
        |tag: &str| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{image: 'IMAGE:{tag}'}}\n");
    let world = world(&[
        ("apps/all/dev.yaml", pod("1.0.0")),
        ("apps/all/prod.yaml", pod("0.9.0")),
        ("apps/all/old/dev.yaml", pod("0.8.0")),
    ]);
    let list = format!(
        "generators:\n- list:\n    elements:\n    - {{env: dev, not: '{{prod.yaml,old/*}}'}}\n    - {{env: prod, not: ''}}\n{}",
        template(
            "{{env}}",
            "path: apps/all\ndirectory:\n  recurse: true\n  include: '*{{env}}.yaml'\n  exclude: '{{not}}'"
        )
    );
    add(&world, &[("list", list)]);
    let said = world.repin(&["once"]);
    for name in ["dev", "prod"] {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{name}: {said:#?}");
    }
    assert_eq!(world.remote.show("apps/all/dev.yaml"), fill(&world, &pod("1.1.0")));
    assert_eq!(world.remote.show("apps/all/prod.yaml"), fill(&world, &pod("1.1.0")));
    assert_eq!(world.remote.show("apps/all/old/dev.yaml"), fill(&world, &pod("0.8.0")));
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

/// Runs once: these Applications are delivered, and there is no problem.
fn delivered(world: &World, names: &[&str]) -> crate::world::Said {
    let said = world.repin(&["once"]);
    for name in names {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{name}: {said:#?}");
    }
    assert_eq!(said.json["problems"].as_array().unwrap().len(), 0, "{said:#?}");
    said
}

#[test]
fn a_tag_is_written_where_a_generated_application_has_it_from() {
    let config =
        "{\n  \"cluster\": {\"name\": \"NAME\"},\n  \"image\": {\"repository\": \"IMAGE\", \"tag\": \"1.0.0\"}\n}\n";
    let world = world(&[
        ("clusters/eu/config.json", config.replace("NAME", "eu")),
        ("clusters/us/config.json", config.replace("NAME", "us")),
        ("chart/Chart.yaml", CHART.to_owned()),
        ("chart/values.yaml", "image:\n  repository: IMAGE\n  tag: ''\n".to_owned()),
        ("overlay/kustomization.yaml", "resources: []\n".to_owned()),
    ]);
    world.configure(&world.standard_config().replace("path: \"apps/**\"", "path: \"**\""));
    // The fields of a file, with the name beside the tag.
    let files = format!(
        "goTemplate: true\ngoTemplateOptions: [missingkey=error]\ngenerators:\n- git:\n    repoURL: GIT\n    revision: main\n    files:\n    - path: clusters/*/config.json\n{}",
        template(
            "{{ .cluster.name }}-files",
            "path: chart\nhelm:\n  valuesObject:\n    image:\n      repository: '{{ .image.repository }}'\n      tag: '{{ .image.tag }}'"
        )
    );
    // Elements of a list, with the name in the values of the chart.
    let list = format!(
        "generators:\n- list:\n    elements:\n    - env: dev   # first\n      tag: \"1.0.0\"\n    - {{env: prod, tag: 1.0.0}}\n{}",
        template("{{env}}-list", "path: chart\nhelm:\n  parameters:\n  - name: image.tag\n    value: '{{tag}}'")
    );
    // A matrix, an image string of kustomize, and YAML in a text.
    let matrix = format!(
        "generators:\n- matrix:\n    generators:\n    - list: {{elements: [{{region: eu}}, {{region: us}}]}}\n    - list:\n        elements:\n        - app: web\n          version: 1.0.0\n{}",
        template("{{region}}-{{app}}-matrix", "path: overlay\nkustomize:\n  images:\n  - 'IMAGE:{{version}}'")
    );
    let text = format!(
        "goTemplate: true\ngenerators:\n- list:\n    elements:\n    - env: dev\n      full: IMAGE:1.0.0\n{}",
        template(
            "{{ .env }}-text",
            "chart: web\nhelm:\n  values: |\n    # values of {{ .env }}\n    sidecar:\n      image: {{ .full }}"
        )
        .replace("repoURL: GIT", "repoURL: https://charts.example")
    );
    // A literal of the template, which all clusters share.
    let literal = format!(
        "generators:\n- list: {{elements: [{{c: a}}, {{c: b}}]}}\n{}",
        template(
            "{{c}}-literal",
            "path: chart\nhelm:\n  valuesObject:\n    cluster: '{{c}}'\n    image: {repository: IMAGE, tag: 1.0.0}   # everywhere"
        )
    );
    add(&world, &[("files", files), ("list", list), ("matrix", matrix), ("text", text), ("literal", literal)]);
    let sets = ["files", "list", "matrix", "text", "literal"];
    let before: Vec<String> = sets.iter().map(|name| world.remote.show(&format!("argocd/{name}.yaml"))).collect();
    let said = delivered(
        &world,
        &[
            "eu-files",
            "us-files",
            "dev-list",
            "prod-list",
            "eu-web-matrix",
            "us-web-matrix",
            "dev-text",
            "a-literal",
            "b-literal",
        ],
    );
    let place = |name: &str| {
        let one = outcome(&said, name);
        format!("{} {}", one["file"].as_str().unwrap(), one["key"].as_str().unwrap())
    };
    assert_eq!(place("eu-files"), "clusters/eu/config.json image.tag");
    assert_eq!(place("prod-list"), "argocd/list.yaml spec.generators[0].list.elements[env=prod].tag");
    assert_eq!(
        place("us-web-matrix"),
        "argocd/matrix.yaml spec.generators[0].matrix.generators[1].list.elements[app=web].version"
    );
    assert_eq!(place("dev-text"), "argocd/text.yaml spec.generators[0].list.elements[env=dev].full");
    assert_eq!(place("b-literal"), "argocd/literal.yaml spec.template.spec.source.helm.valuesObject.image.tag");
    assert_eq!(
        world.remote.show("clusters/us/config.json"),
        fill(&world, &config.replace("NAME", "us").replace("1.0.0", "1.1.0"))
    );
    for (name, before) in sets.iter().zip(before) {
        let expected = if *name == "files" { before } else { before.replace("1.0.0", "1.1.0") };
        assert_eq!(world.remote.show(&format!("argocd/{name}.yaml")), expected, "{name}");
    }
    // A second cycle finds nothing to do.
    let again = world.repin(&["once"]);
    assert!(again.json["outcomes"].as_array().unwrap().iter().all(|one| one["result"] == "current"), "{again:#?}");
}

#[test]
fn a_tag_that_a_template_puts_together_is_said_and_not_written() {
    let world = world(&[
        ("chart/Chart.yaml", CHART.to_owned()),
        ("chart/values.yaml", "image: {repository: IMAGE, tag: ''}\n".to_owned()),
    ]);
    world.configure(&world.standard_config().replace("path: \"apps/**\"", "path: \"**\""));
    let list = format!(
        "generators:\n- list: {{elements: [{{env: dev, minor: '0'}}]}}\n{}",
        template("{{env}}-made", "path: chart\nhelm:\n  parameters:\n  - name: image.tag\n    value: '1.{{minor}}.0'")
    );
    add(&world, &[("made", list)]);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "dev-made")), "failed edit/template", "{said:#?}");
}

#[test]
fn elements_in_a_text_are_written_and_an_alias_is_said_with_its_lines() {
    let clusters = "x-tag: &t 1.0.0\nclusters: [{name: eu}]\nname: eu\ntag: *t\nother: *t\n";
    let world = world(&[
        ("chart/Chart.yaml", CHART.to_owned()),
        ("chart/values.yaml", "image: {repository: IMAGE, tag: ''}\n".to_owned()),
        ("clusters/eu.yaml", clusters.to_owned()),
    ]);
    world.configure(&world.standard_config().replace("path: \"apps/**\"", "path: \"**\""));
    let source = |tag: &str| format!("path: chart\nhelm:\n  parameters:\n  - name: image.tag\n    value: '{tag}'");
    let text = format!(
        "goTemplate: true\ngenerators:\n- list:\n    elements: []\n    elementsYaml: |\n      # one a line\n      - {{env: dev, tag: 1.0.0}} # here\n      - env: prod\n        tag: \"1.1.0\"\n{}",
        template("{{ .env }}-text", &source("{{ .tag }}"))
    );
    let shared = format!(
        "generators:\n- git: {{repoURL: GIT, revision: main, files: [{{path: clusters/*.yaml}}]}}\n{}",
        template("{{name}}-shared", &source("{{tag}}"))
    );
    add(&world, &[("text", text), ("shared", shared)]);
    let before = world.remote.show("argocd/text.yaml");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "dev-text")), "delivered delivered", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "prod-text")), "current current", "{said:#?}");
    assert_eq!(world.remote.show("argocd/text.yaml"), before.replacen("tag: 1.0.0", "tag: 1.1.0", 1));
    let one = outcome(&said, "eu-shared");
    assert_eq!(verdict(one), "failed edit/shared", "{one:#}");
    assert_eq!((&one["file"], &one["key"]), (&"clusters/eu.yaml".into(), &"tag".into()), "{one:#}");
    let message = one["message"].as_str().unwrap();
    assert!(message.contains("`tag` is shared by lines 1, 4, 5"), "{message}");
    assert_eq!(world.remote.show("clusters/eu.yaml"), clusters);
}

#[test]
fn a_generator_may_read_another_configured_repository() {
    let world = world(&[]);
    let other = BareRemote::create();
    let values = fill(&world, VALUES);
    other.commit(
        &[
            ("apps/a/Chart.yaml", CHART),
            ("apps/a/values.yaml", &values),
            ("apps/b/Chart.yaml", CHART),
            ("apps/b/values.yaml", &values),
        ],
        "Add values",
    );
    let entry = format!("repositories:\n  - name: apps\n    url: {}\n    branch: main\n", other.url());
    world.configure(&world.standard_config().replace("repositories:\n", &entry));
    let set = |revision: &str| {
        format!(
            "generators:\n- git:\n    repoURL: GIT\n    revision: {revision}\n    directories:\n    - path: apps/*\n{}",
            template("{{path.basename}}", "path: '{{path}}'")
        )
        .replace("GIT", &other.url())
    };
    add(&world, &[("apps", set("main"))]);
    delivered(&world, &["a", "b"]);
    assert_eq!(other.show("apps/b/values.yaml"), values.replace("1.0.0", "1.1.0"));
    // What comes there is a new Application, though nothing changed where the set stands.
    other.commit(&[("apps/c/Chart.yaml", CHART), ("apps/c/values.yaml", &values)], "Add c");
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "c")), "delivered delivered");
    add(&world, &[("apps", set("v2"))]);
    let said = world.repin(&["plan"]);
    let found = problems(&said, "argocd/apps.yaml");
    assert_eq!(table::codes(&found), ["unsupported/generator"]);
    assert!(found[0]["message"].as_str().unwrap().contains("reads the revision `v2`"), "{found:#?}");
}

#[test]
fn a_set_reaches_no_set_of_the_same_name_in_another_repository() {
    let other = BareRemote::create();
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let parameters = "path: apps/web\nhelm:\n  parameters:\n  - name: image.tag\n    value: '{{.tag}}'";
    let asks = "\n      repin.dev/git-repository: OTHER\n      repin.dev/write-back-target: /argocd/shop.yaml\n      repin.dev/app.helm.image-tag: 'Application/argocd/web#spec.source.helm.parameters[0].value'";
    let spec = |more: &str| {
        let template = template("web", parameters).replace("app=IMAGE", &format!("app=IMAGE{more}"));
        format!("goTemplate: true\ngenerators:\n- list:\n    elements:\n    - tag: 1.0.0\n{template}")
    };
    let theirs = set(&world, "shop", &spec(""));
    other.commit(&[("argocd/shop.yaml", &theirs)], "Add a set");
    let entry = format!("repositories:\n  - name: values\n    url: {}\n", other.url());
    world.configure(&world.standard_config().replace("repositories:\n", &entry));
    add(&world, &[("shop", spec(&asks.replace("OTHER", &other.url())))]);
    let said = world.repin(&["once"]);
    let found = said.json["outcomes"].as_array().unwrap().iter().filter(|one| one["file"] == "argocd/shop.yaml");
    let found: Vec<String> = found.map(|one| format!("{} {}", one["repository"], verdict(one))).collect();
    assert!(found.contains(&"\"values\" held target/outside".to_owned()), "{found:?} {said:#?}");
    assert_eq!(other.show("argocd/shop.yaml"), theirs);
}

/// A configuration in which the repository names files that describe clusters.
fn with_clusters(world: &World, globs: &str) -> String {
    world.standard_config().replace("    branch: main\n", &format!("    branch: main\n    clusters: {globs}\n"))
}

#[test]
fn clusters_come_from_the_files_that_the_operator_names() {
    const CLUSTER: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: cluster-dev\n  labels:\n    argocd.argoproj.io/secret-type: cluster\n  annotations:\n    web-version: 1.0.0 # of this cluster\nstringData:\n  name: dev\n  server: https://dev.example\n";
    let world = world(&[
        ("apps/web/Chart.yaml", CHART.to_owned()),
        ("apps/web/values-dev.yaml", VALUES.to_owned()),
        ("apps/web/values-prod.yaml", VALUES.to_owned()),
        ("fleet/dev.yaml", CLUSTER.to_owned()),
    ]);
    let matrix = "goTemplate: true\ngoTemplateOptions: [missingkey=error]\ngenerators:\n- matrix:\n    generators:\n    - git: {repoURL: GIT, revision: main, directories: [{path: apps/*}]}\n    - clusters: {selector: {matchLabels: {argocd.argoproj.io/secret-type: cluster}}}\n";
    let files = "path: '{{.path.path}}'\nhelm: {valueFiles: ['values-{{.name}}.yaml']}";
    let of_cluster = "generators:\n- clusters: {selector: {matchLabels: {argocd.argoproj.io/secret-type: cluster}}}\n";
    let inline = "chart: web\nhelm:\n  parameters:\n  - {name: image.repository, value: IMAGE}\n  - {name: image.tag, value: '{{metadata.annotations.web-version}}'}";
    add(
        &world,
        &[
            ("files", format!("{matrix}{}", template("{{.path.basename}}-{{.name}}", files))),
            ("inline", format!("{of_cluster}{}", template("inline-{{name}}", inline))),
        ],
    );

    // Nobody says which files: it is said, with the line to add.
    let said = world.repin(&["plan"]);
    let found = problems(&said, "argocd/files.yaml");
    assert_eq!(found[0]["code"], "unsupported/generator", "{said:#?}");
    assert!(
        found[0]["hint"].as_str().unwrap().contains("add `clusters: [\"clusters/*.yaml\"]` to `gitops`"),
        "{found:#?}"
    );

    let config = with_clusters(&world, "[\"fleet/*.yaml\"]");
    let config = config.replace("  - match: {path: \"apps/**\"}", "  - match: {}\n    may_write: [\"fleet/*.yaml\"]");
    world.configure(&config);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web-dev")), "delivered delivered", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "inline-dev")), "delivered delivered", "{said:#?}");
    let written = fill(&world, VALUES).replace("1.0.0", "1.1.0");
    assert_eq!(world.remote.show("apps/web/values-dev.yaml"), written);
    // What stands in an annotation of the cluster is written there.
    assert_eq!(world.remote.show("fleet/dev.yaml"), CLUSTER.replace("1.0.0", "1.1.0"));

    // Another cluster is another Application, in a file of any form.
    world.remote.commit(&[("fleet/more.yaml", "- {name: prod, server: https://prod.example}\n")], "Add a cluster");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web-dev")), "current current", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "web-prod")), "delivered delivered", "{said:#?}");
    world.remote.remove(&["fleet/dev.yaml"], "Remove a cluster");
    let said = world.repin(&["plan"]);
    assert!(table::outcomes(&said, "web-dev").is_empty(), "{said:#?}");
    assert_eq!(verdict(outcome(&said, "web-prod")), "current current", "{said:#?}");

    world.configure(&with_clusters(&world, "[\"nothing/*.yaml\"]"));
    let said = world.repin(&["plan"]);
    let found = problems(&said, "argocd/files.yaml");
    assert!(found[0]["message"].as_str().unwrap().contains("there is none: `nothing/*.yaml`"), "{found:#?}");
}

#[test]
fn clusters_may_be_described_in_another_repository() {
    let world = world(&[("apps/web/Chart.yaml", CHART.to_owned()), ("apps/web/values-dev.yaml", VALUES.to_owned())]);
    let fleet = BareRemote::create();
    fleet.commit(
        &[("argocd/dev.yaml", "{name: dev, server: https://dev.example, labels: {tier: low}}\n")],
        "Add a cluster",
    );
    let generators = "generators:\n- clusters: {selector: {matchLabels: {tier: low}}}\n";
    let source = "path: apps/web\nhelm: {valueFiles: ['values-{{name}}.yaml']}";
    add(&world, &[("set", format!("{generators}{}", template("web-{{name}}", source)))]);
    let config = world.standard_config().replace(
        "registries:\n",
        &format!("  - name: fleet\n    url: {}\n    clusters: [\"argocd/**\"]\nregistries:\n", fleet.url()),
    );
    world.configure(&config);
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web-dev")), "delivered delivered", "{said:#?}");
    fleet.commit(&[("argocd/dev.yaml", "{name: dev, labels: {tier: high}}\n")], "Select it no more");
    let said = world.repin(&["plan"]);
    assert!(table::outcomes(&said, "web-dev").is_empty(), "{said:#?}");
}

#[test]
fn applications_of_applications_are_found_through_directories() {
    let app = |name: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  namespace: argocd\n  annotations:\n    repin.dev/image-list: app=IMAGE\nspec:\n  project: default\n  source: {{repoURL: GIT, targetRevision: main, path: apps/{name}}}\n"
        )
    };
    let pointing = |name: &str, path: &str| {
        app(name)
            .replace("  annotations:\n    repin.dev/image-list: app=IMAGE\n", "")
            .replace(&format!("apps/{name}"), path)
    };
    let world = world(&[]);
    let chart = "apiVersion: v2\nname: team-b\nversion: 1.0.0\n".to_owned();
    let templated = "{{- range .Values.apps }}\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {{ . }}\n  annotations:\n    repin.dev/image-list: app=IMAGE\n{{- end }}\n".to_owned();
    let files = [
        ("bootstrap/root.yaml", pointing("root", "argocd")),
        ("argocd/team-a.yaml", pointing("team-a", "teams/a")),
        ("argocd/team-b.yaml", pointing("team-b", "teams/b")),
        ("argocd/web.yaml", app("web")),
        // A directory with a kustomization, which points on once more, and a chart of Applications.
        ("teams/a/kustomization.yaml", "resources: [api.yaml, deeper.yaml]\n".to_owned()),
        ("teams/a/api.yaml", app("api")),
        ("teams/a/deeper.yaml", pointing("deeper", "teams/a/deeper")),
        ("teams/a/deeper/all.yaml", format!("{}---\n{}", app("cart"), app("pay"))),
        ("teams/b/Chart.yaml", chart),
        ("teams/b/templates/plain.yaml", app("search")),
        ("teams/b/templates/all.yaml", templated),
    ];
    let apps = ["web", "api", "cart", "pay", "search"];
    let mut all: Vec<(String, String)> = files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), fill(&world, text).replace("GIT", &world.remote.url())))
        .collect();
    all.extend(apps.iter().map(|name| (format!("apps/{name}/values.yaml"), fill(&world, VALUES))));
    all.extend(apps.iter().map(|name| (format!("apps/{name}/Chart.yaml"), CHART.to_owned())));
    let all: Vec<(&str, &str)> = all.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&all, "Add applications of applications");
    let said = world.repin(&["once"]);
    assert_eq!(said.json["outcomes"].as_array().unwrap().len(), apps.len(), "{said:#?}");
    for name in apps {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{said:#?}");
    }
    // What a chart makes of its values is not known without rendering it: its templates are counted.
    let checked = world.repin(&["check"]);
    assert!(problems(&checked, ".yaml").is_empty(), "{checked:#?}");
}
