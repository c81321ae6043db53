//! What ApplicationSets generate: every generator and both template modes, as the documentation of Argo CD has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use repin::manifest::argocd::applicationset::expand;
use repin::manifest::argocd::generator::Files;
use repin::manifest::argocd::read_applications;
use repin::manifest::argocd::trace::{Trace, Traced};
use repin::model::application::Application;
use repin::model::names::RepoPath;
use repin::model::problem::Problem;
use repin::model::tracked::{Form, RemoteBranch};

/// The repository of the documentation's examples.
const FILES: &[(&str, &str)] = &[
    ("addons/argo-workflows/kustomization.yaml", "resources: []\n"),
    ("addons/prometheus_operator/Chart.yaml", "name: p\n"),
    ("addons/prometheus_operator/charts/sub/Chart.yaml", "name: s\n"),
    ("addons/.hidden/x.yaml", ""),
    (
        "clusters/engineering/dev/config.json",
        r#"{"aws": "123", "cluster": {"name": "dev", "address": "https://1.2.3.4"}, "replicas": 2, "tag": "1.0.0"}"#,
    ),
    (
        "clusters/engineering/prod/config.json",
        r#"{"aws": "456", "cluster": {"name": "prod", "address": "https://2.4.6.8"}, "replicas": 1000000, "tag": "2.0.0"}"#,
    ),
    ("apps/one.json", r#"{"appName": "app-one"}"#),
    ("apps/two.json", r#"{"appName": "app-two"}"#),
    ("targets/app-one/east.json", r#"{"region": "east"}"#),
    ("targets/app-one/west.json", r#"{"region": "west"}"#),
    ("targets/app-two/east.json", r#"{"region": "north"}"#),
    ("lists/all.yaml", "- name: a\n  tag: 1.0.0\n- name: b\n  tag: 2.0.0\n"),
    ("stages/test/stage.yaml", "stage: test\ncpu: 100m\ndebug: true\n"),
    ("stages/prod/stage.yaml", "stage: prod\nmemory: 512Mi\ndebug: false\n"),
    ("stages/global.yaml", "cpu: 200m\nmemory: 256Mi\n"),
    (
        "described/secrets.yaml",
        "# of Argo CD\napiVersion: v1\nkind: Secret\nmetadata:\n  name: dev\n  labels: {argocd.argoproj.io/secret-type: cluster, env: dev, staging: \"true\"}\n  annotations:\n    web-tag: 1.0.0\nstringData:\n  name: dev_01/west\n  server: https://dev.example\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: prod\n    labels: {argocd.argoproj.io/secret-type: cluster, env: prod}\n  data:\n    name: cHJvZA==\n    server: aHR0cHM6Ly9wcm9kLmV4YW1wbGU=\n    project: c2hvcA==\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: other}\n",
    ),
    (
        "described/plain.yaml",
        "- {name: edge, server: https://edge.example, labels: {env: prod, tier: 1.10}, annotations: {web-tag: 2.0.0}}\n- name: lab\n",
    ),
    (
        "sealed/one.yaml",
        "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: sealed}\nspec:\n  encryptedData: {server: AgBy3i, config: AgBy3i}\n  template:\n    metadata:\n      labels: {argocd.argoproj.io/secret-type: cluster, env: prod}\n    data: {name: sealed}\n",
    ),
    (
        "sealed/two.yaml",
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: pulled}\nspec:\n  target:\n    template:\n      metadata:\n        labels: {argocd.argoproj.io/secret-type: cluster, env: dev}\n        annotations: {region: eu}\n      data: {name: pulled, server: '{{ .server }}'}\n---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: dark}\nspec:\n  target:\n    template:\n      metadata:\n        labels: {argocd.argoproj.io/secret-type: cluster}\n      data: {name: '{{ .name }}'}\n",
    ),
    (
        "none/one.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: bad, labels: {argocd.argoproj.io/secret-type: cluster}}\ndata: {name: '%%%'}\n---\n{server: https://x.example}\n",
    ),
    ("none/two.yaml", "{name: fine, server: https://kubernetes.default.svc}\n---\n{name: fine}\n"),
    ("none/three.yaml", "a: [\n"),
    ("broken/a.yaml", "a: [\n"),
    ("broken/b.yaml", "name: fine\n"),
    ("broken/c.yaml", "just a text\n"),
];

/// A set with these generators, indented by four blanks, and a template of this name and path.
fn set(head: &str, generators: &str, name: &str, path: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: set, namespace: argo}}\nspec:\n{head}  generators:\n{generators}\n  template:\n    metadata:\n      name: '{name}'\n      annotations:\n        repin.dev/image-list: app=ghcr.io/acme/web\n    spec:\n      project: shop\n      source:\n        repoURL: https://git.example/acme/gitops.git\n        targetRevision: main\n        path: '{path}'\n"
    )
}

fn generated(text: &str) -> (Vec<Application>, Vec<Problem>) {
    generated_with(text, None)
}

/// As [`generated`], with the files below a directory as those that describe clusters.
fn generated_with(text: &str, clusters: Option<&str>) -> (Vec<Application>, Vec<Problem>) {
    let file: RepoPath = "sets/set.yaml".parse().unwrap();
    let definitions = read_applications("gitops", &file, text);
    assert!(definitions.problems.is_empty(), "{:?}", definitions.problems);
    let below = |_: Option<&RemoteBranch>, directory: &RepoPath| {
        let paths = FILES.iter().map(|(path, _)| path.parse::<RepoPath>().unwrap());
        let mut paths: Vec<RepoPath> = paths.filter(|path| path.is_within(directory)).collect();
        paths.sort();
        paths
    };
    let read = |_: Option<&RemoteBranch>, path: &RepoPath| {
        let found = FILES.iter().find(|(known, _)| *known == path.as_str());
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| "it is not there".to_owned())
    };
    let find = |url: &str, revision: &str| match (url, revision) {
        ("https://git.example/acme/gitops.git", "" | "HEAD" | "main") => Ok(None),
        _ => Err(format!("the generator `git` reads {url} at {revision}")),
    };
    let clusters = || {
        let directory = clusters.map(|directory| directory.parse().unwrap());
        Ok(directory.map(|directory| below(None, &directory).into_iter().map(|file| (None, file)).collect()))
    };
    expand(&definitions.sets[0], Files { find: &find, below: &below, read: &read, clusters: &clusters })
}

/// `name path` of every Application, then `code:line` of every problem.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    check_with(text, None, expected);
}

#[track_caller]
fn check_with(text: &str, clusters: Option<&str>, expected: &[&str]) {
    let (applications, problems) = generated_with(text, clusters);
    let mut found: Vec<String> =
        applications.iter().map(|one| format!("{} {}", one.key.name, one.sources[0].path)).collect();
    found.extend(problems.iter().map(|one| format!("{}:{} {}", one.code, one.line.unwrap_or(0), one.message)));
    let is_same = found.len() == expected.len() && found.iter().zip(expected).all(|(one, other)| one.contains(other));
    assert!(is_same, "{found:#?}\nexpected {expected:#?}\n{text}");
}

const GO: &str = "  goTemplate: true\n";
const STRICT: &str = "  goTemplate: true\n  goTemplateOptions: [missingkey=error]\n";
const GIT: &str = "repoURL: https://git.example/acme/gitops.git";

#[test]
fn a_list_gives_its_elements_in_both_modes() {
    let list = "  - list:\n      elements:\n      - {cluster: dev, url: https://1.2.3.4}\n      - {cluster: prod, url: https://2.4.6.8, values: {x: y}}";
    check(
        &set("", list, "{{cluster}}-guestbook", "guestbook/{{ cluster }}"),
        &["dev-guestbook guestbook/dev", "prod-guestbook guestbook/prod"],
    );
    check(&set(STRICT, list, "{{.cluster}}", "{{ dig \"values\" \"x\" \"none\" . }}"), &["dev none", "prod y"]);
    // Without Go templates, `{{ values.x }}` of the first stays as it is, in the path too.
    check(&set("", list, "{{cluster}}", "{{values.x}}"), &["dev {{values.x}}", "prod y"]);
    let yaml = "  - list:\n      elements: []\n      elementsYaml: |\n        - cluster: dev\n        - cluster: prod";
    check(&set(GO, yaml, "{{.cluster}}", "x"), &["dev x", "prod x"]);
    let number = "  - list:\n      elements:\n      - {cluster: dev, replicas: 2}";
    check(
        &set("", number, "{{cluster}}", "x"),
        &["manifest/invalid-generator:6 the ApplicationSet `set`: `replicas` of an element of `list` is a number"],
    );
    check(&set(GO, number, "{{.cluster}}-{{.replicas}}", "x"), &["dev-2 x"]);
}

#[test]
fn a_git_generator_gives_directories() {
    let git = format!(
        "  - git:\n      {GIT}\n      revision: HEAD\n      directories:\n      - path: addons/*\n      values: {{app: '{{{{path.basename}}}}-x'}}"
    );
    check(
        &set("", &git, "{{path.basenameNormalized}}-{{path[0]}}", "{{path}}"),
        &["argo-workflows-addons addons/argo-workflows", "prometheus-operator-addons addons/prometheus_operator"],
    );
    check(
        &set("", &git, "{{path.basenameNormalized}}", "{{values.app}}"),
        &["argo-workflows argo-workflows-x", "prometheus-operator prometheus_operator-x"],
    );
    let go = git.replace("{{path.basename}}", "{{.path.basename}}");
    check(
        &set(STRICT, &go, "{{.path.basenameNormalized}}-{{index .path.segments 0}}", "{{.path.path}} {{.values.app}}"),
        &[
            "argo-workflows-addons addons/argo-workflows argo-workflows-x",
            "prometheus-operator-addons addons/prometheus_operator",
        ],
    );
    let without = git.replace("      values", "      - {path: addons/prom*, exclude: true}\n      values");
    check(&set("", &without, "{{path.basename}}", "x"), &["argo-workflows x"]);
    let top = format!(
        "  - git:\n      {GIT}\n      directories: [{{path: '*'}}, {{path: 'lists', exclude: true}}, {{path: '[b-t]*', exclude: true}}]"
    );
    check(&set("", &top, "{{path}}", "{{path}}"), &["addons addons", "apps apps"]);
    let prefixed = git.replace("      values: {app: '{{path.basename}}-x'}", "      pathParamPrefix: my");
    check(
        &set("", &prefixed, "{{my.path.basenameNormalized}}", "{{my.path[1]}}"),
        &["argo-workflows argo-workflows", "prometheus-operator prometheus_operator"],
    );
    check(
        &set(STRICT, &prefixed, "{{.my.path.basenameNormalized}}", "x"),
        &["argo-workflows x", "prometheus-operator x"],
    );
}

#[test]
fn a_git_generator_gives_the_fields_of_files() {
    let git =
        format!("  - git:\n      {GIT}\n      revision: main\n      files:\n      - path: clusters/**/config.json");
    check(
        &set("", &git, "{{cluster.name}}-{{aws}}", "{{path}} {{path.filename}} {{path[2]}} {{replicas}}"),
        &[
            "dev-123 clusters/engineering/dev config.json dev 2",
            "prod-456 clusters/engineering/prod config.json prod 1e+06",
        ],
    );
    check(
        &set(STRICT, &git, "{{.cluster.name}}", "{{.path.path}}/{{.path.filename}} {{.path.filenameNormalized}}"),
        &["dev clusters/engineering/dev/config.json config.json", "prod clusters/engineering/prod/config.json"],
    );
    // A `*` crosses directories unless the controller is told otherwise.
    let greedy = git.replace("clusters/**/config.json", "clusters/*.json");
    check(&set("", &greedy, "{{cluster.name}}", "x"), &["dev x", "prod x"]);
    let all = git.replace("clusters/**/config.json", "lists/all.yaml");
    check(&set(GO, &all, "{{.name}}", "{{.tag}}"), &["a 1.0.0", "b 2.0.0"]);
    let excluded = format!("{git}\n      - {{path: clusters/*/prod/*, exclude: true}}");
    check(&set("", &excluded, "{{cluster.name}}", "x"), &["dev x"]);
    let broken = git.replace("clusters/**/config.json", "broken/*");
    check(
        &set(GO, &broken, "{{.name}}", "x"),
        &[
            "fine x",
            "manifest/invalid-generator:1 the ApplicationSet `set`: broken/a.yaml gives no parameters: it is neither JSON nor YAML",
            "broken/c.yaml gives no parameters: it holds a text",
        ],
    );
}

#[test]
fn a_matrix_combines_two_generators() {
    let matrix = format!(
        "  - matrix:\n      generators:\n      - git:\n          {GIT}\n          directories: [{{path: addons/*}}]\n      - list:\n          elements:\n          - {{env: dev}}\n          - {{env: prod}}"
    );
    check(
        &set("", &matrix, "{{path.basenameNormalized}}-{{env}}", "{{path}}"),
        &[
            "argo-workflows-dev addons/argo",
            "argo-workflows-prod addons/argo",
            "prometheus-operator-dev addons/p",
            "prometheus-operator-prod addons/p",
        ],
    );
    // The second one reads what the first one gives.
    let two = format!(
        "  - matrix:\n      generators:\n      - git:\n          {GIT}\n          files: [{{path: 'apps/*.json'}}]\n          pathParamPrefix: app\n      - git:\n          {GIT}\n          files: [{{path: 'targets/{{{{.appName}}}}/*.json'}}]\n          pathParamPrefix: target"
    );
    check(
        &set(STRICT, &two, "{{.appName}}-{{.region}}", "{{.target.path.path}} {{.app.path.filename}}"),
        &[
            "app-one-east targets/app-one one.json",
            "app-one-west targets/app-one one.json",
            "app-two-north targets/app-two two.json",
        ],
    );
    // With Go templates the first one wins over the second.
    let over = format!(
        "  - matrix:\n      generators:\n      - git:\n          {GIT}\n          files: [{{path: 'stages/**/stage.yaml'}}]\n      - git:\n          {GIT}\n          files: [{{path: stages/global.yaml}}]"
    );
    check(
        &set(GO, &over, "{{.stage}}", "{{.cpu}} {{.memory}} {{.debug}}"),
        &["prod 200m 512Mi false", "test 100m 256Mi true"],
    );
    check(
        &set("", &over, "{{stage}}", "x"),
        &["manifest/invalid-generator:6 the ApplicationSet `set`: both generators of a `matrix` give `"],
    );
    let components = "  - matrix:\n      generators:\n      - list:\n          elements:\n          - {app: a, parts: [{part: x}, {part: y}]}\n          - {app: b, parts: [{part: z}]}\n      - list:\n          elements: []\n          elementsYaml: '{{ .parts | toJson }}'";
    check(&set(GO, components, "{{.app}}-{{.part}}", "x"), &["a-x x", "a-y x", "b-z x"]);
    let three = "  - matrix:\n      generators:\n      - matrix:\n          generators:\n          - list: {elements: [{a: '1'}]}\n          - list: {elements: [{b: '2'}, {b: '3'}]}\n      - list: {elements: [{c: '4'}]}";
    check(&set("", three, "x{{a}}{{b}}{{c}}", "x"), &["x124 x", "x134 x"]);
    check(
        &set("", "  - matrix:\n      generators:\n      - list: {elements: [{a: '1'}]}", "x{{a}}", "x"),
        &["manifest/invalid-generator:6 the ApplicationSet `set`: `matrix` has 1 generators"],
    );
    let deep = "  - matrix: {generators: [{matrix: {generators: [{matrix: {generators: [{list: {}}, {list: {}}]}}, {list: {}}]}}, {list: {}}]}";
    check(
        &set("", deep, "x", "x"),
        &["manifest/invalid-generator:6 the ApplicationSet `set`: `matrix` stands in two others"],
    );
}

#[test]
fn a_merge_lays_generators_over_each_other() {
    let merge = "  - merge:\n      mergeKeys: [server]\n      generators:\n      - list:\n          elements:\n          - {server: a, kafka: 'true', redis: 'false'}\n          - {server: b, kafka: 'true', redis: 'false'}\n      - list: {elements: [{server: b, redis: 'true'}, {server: c, redis: 'x'}]}\n      - list: {elements: [{server: a, kafka: 'false'}]}";
    check(&set("", merge, "{{server}}", "{{kafka}} {{redis}}"), &["a false false", "b true true"]);
    check(&set(STRICT, merge, "{{.server}}", "{{.kafka}} {{.redis}}"), &["a false false", "b true true"]);
    let values = "  - merge:\n      mergeKeys: [values.key]\n      generators:\n      - list: {elements: [{name: a, values: {key: k}}]}\n      - list: {elements: [{values: {key: k}, path: found}]}";
    check(&set("", values, "{{name}}", "{{path}}"), &["a found"]);
    check(&set(GO, values, "{{.name}}", "{{.path}}"), &["a found"]);
    let twice = "  - merge:\n      mergeKeys: [a]\n      generators:\n      - list: {elements: [{a: '1'}, {a: '1'}]}\n      - list: {elements: [{a: '1'}]}";
    check(
        &set("", twice, "x{{a}}", "x"),
        &[
            "manifest/invalid-generator:6 the ApplicationSet `set`: two parameter sets of one generator of `merge` have the same `a`",
        ],
    );
}

#[test]
fn a_selector_keeps_what_it_matches() {
    let list = |selector: &str| {
        format!(
            "  - list:\n      elements: [{{c: dev, env: staging}}, {{c: prod, env: prod}}, {{c: old}}]\n    selector: {selector}"
        )
    };
    for (selector, names) in [
        ("{matchLabels: {env: staging}}", vec!["dev x"]),
        ("{matchExpressions: [{key: env, operator: In, values: [prod, staging]}]}", vec!["dev x", "prod x"]),
        ("{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}", vec!["dev x", "old x"]),
        ("{matchExpressions: [{key: env, operator: Exists}]}", vec!["dev x", "prod x"]),
        ("{matchExpressions: [{key: env, operator: DoesNotExist}]}", vec!["old x"]),
        ("{matchLabels: {env: prod}, matchExpressions: [{key: c, operator: In, values: [dev]}]}", vec![]),
    ] {
        check(&set("", &list(selector), "{{c}}", "x"), &names);
        check(&set(GO, &list(selector), "{{.c}}", "x"), &names);
    }
}

#[test]
fn what_only_a_cluster_or_a_forge_knows_is_named_and_the_rest_goes_on() {
    for (name, body) in [
        ("clusters", "clusters: {}"),
        ("clusterDecisionResource", "clusterDecisionResource: {configMapRef: x}"),
        ("scmProvider", "scmProvider: {github: {organization: x}}"),
        ("pullRequest", "pullRequest: {github: {owner: x}}"),
        ("plugin", "plugin: {configMapRef: {name: x}}"),
    ] {
        let both = format!("  - {body}\n  - list: {{elements: [{{a: web}}]}}");
        let said = format!("unsupported/generator:6 the ApplicationSet `set`: the generator `{name}` gives ");
        check(&set("", &both, "{{a}}", "x"), &["web x", &said]);
        let matrix = format!(
            "  - list: {{elements: [{{a: web}}]}}\n  - matrix:\n      generators:\n      - list: {{elements: [{{a: y}}]}}\n      - {body}"
        );
        check(&set("", &matrix, "{{a}}", "x"), &["web x", &said.replace(":6", ":7")]);
        let merge = format!(
            "  - merge:\n      mergeKeys: [a]\n      generators:\n      - list: {{elements: [{{a: y}}]}}\n      - {body}"
        );
        check(&set("", &merge, "{{a}}", "x"), &[&said]);
    }
    let other = "  - git:\n      repoURL: https://git.example/other.git\n      revision: v1\n      files: [{path: x}]";
    check(
        &set("", other, "x", "x"),
        &[
            "unsupported/generator:6 the ApplicationSet `set`: the generator `git` reads https://git.example/other.git at v1",
        ],
    );
}

#[test]
fn clusters_are_those_that_files_describe() {
    let all = Some("described");
    // Those of files in their order, and the one that Argo CD runs on at last.
    check_with(
        &set("", "  - clusters: {}", "{{nameNormalized}}", "{{name}} {{server}} {{project}}."),
        all,
        &[
            "edge edge https://edge.example .",
            "lab lab {{server}} .",
            "dev-01-west dev_01/west https://dev.example .",
            "prod prod https://prod.example shop.",
            "in-cluster in-cluster https://kubernetes.default.svc .",
        ],
    );
    let go = "{{.name}} {{ dig \"metadata\" \"labels\" \"env\" \"-\" . }} {{ dig \"metadata\" \"annotations\" \"web-tag\" \"-\" . }}";
    check_with(
        &set(STRICT, "  - clusters: {}", "{{.nameNormalized}}", go),
        all,
        &[
            "edge edge prod 2.0.0",
            "lab lab - -",
            "dev-01-west dev_01/west dev 1.0.0",
            "prod prod prod -",
            "in-cluster in-cluster - -",
        ],
    );
    check_with(
        &set(STRICT, "  - clusters: {}", "{{.name | normalize}}", "{{.server}}"),
        all,
        &["edge https", "dev-01-west", "prod", "in-cluster", "there is no parameter `server`"],
    );
}

#[test]
fn clusters_are_selected_by_their_labels() {
    let all = Some("described");
    let secret = "argocd.argoproj.io/secret-type";
    for (selector, names) in [
        (format!("{{matchLabels: {{{secret}: cluster}}}}"), vec!["edge", "lab", "dev-01-west", "prod"]),
        ("{matchLabels: {env: prod}}".to_owned(), vec!["edge", "prod"]),
        ("{matchLabels: {staging: 'true'}}".to_owned(), vec!["dev-01-west"]),
        ("{matchLabels: {tier: '1.10'}}".to_owned(), vec!["edge"]),
        (
            "{matchLabels: {env: prod}, matchExpressions: [{key: tier, operator: DoesNotExist}]}".to_owned(),
            vec!["prod"],
        ),
        (
            "{matchExpressions: [{key: env, operator: In, values: [dev, prod]}]}".to_owned(),
            vec!["edge", "dev-01-west", "prod"],
        ),
        ("{matchExpressions: [{key: env, operator: NotIn, values: [prod]}]}".to_owned(), vec!["lab", "dev-01-west"]),
        ("{matchExpressions: [{key: env, operator: Exists}]}".to_owned(), vec!["edge", "dev-01-west", "prod"]),
        ("{}".to_owned(), vec!["edge", "lab", "dev-01-west", "prod", "in-cluster"]),
    ] {
        let generator = format!("  - clusters: {{selector: {selector}}}");
        check_with(&set("", &generator, "{{nameNormalized}}", "x"), all, &names);
        check_with(&set(STRICT, &generator, "{{.nameNormalized}}", "x"), all, &names);
    }
    let unknown = "  - clusters: {selector: {matchLabels: {argocd.argoproj.io/kubernetes-version: v1.28.1}}}";
    check_with(
        &set("", unknown, "{{name}}", "x"),
        all,
        &[
            "unsupported/generator:6 the ApplicationSet `set`: the generator `clusters` selects by `argocd.argoproj.io/kubernetes-version`, which",
        ],
    );
    let wrong = "  - clusters: {selector: {matchExpressions: [{key: env, operator: Is}]}}";
    check_with(
        &set("", wrong, "{{name}}", "x"),
        all,
        &["manifest/invalid-generator:6 the ApplicationSet `set`: the operator `Is`"],
    );
    check_with(
        &set("", "  - clusters:", "{{name}}", "x"),
        all,
        &["manifest/invalid-generator:6 the ApplicationSet `set`: `clusters` is null"],
    );
    // The selector beside the generator sees what it gives.
    let beside = "  - clusters: {}\n    selector: {matchLabels: {metadata.labels.env: prod}}";
    check_with(&set("", beside, "{{name}}", "x"), all, &["edge", "prod"]);
    check_with(&set(STRICT, beside, "{{.name}}", "x"), all, &["edge", "prod"]);
}

#[test]
fn values_of_clusters_may_speak_of_the_cluster() {
    let all = Some("described");
    let generators = "  - clusters:\n      selector: {matchLabels: {env: dev}}\n      values: {tag: '{{metadata.annotations.web-tag}}', on: 'at {{ server }}', none: '{{ nothing }}', twice: '{{values.tag}}'}\n  - clusters:\n      selector: {matchLabels: {env: prod}}\n      values: {tag: stable, on: x, none: y, twice: z}";
    let path = "{{values.tag}} {{values.on}} {{values.none}} {{values.twice}}";
    check_with(
        &set("", generators, "{{nameNormalized}}", path),
        all,
        &[
            "dev-01-west 1.0.0 at https://dev.example {{ nothing }} {{values.tag}}",
            "edge stable x y z",
            "prod stable x y z",
        ],
    );
    let go = "  - clusters:\n      selector: {matchLabels: {env: dev}}\n      values: {tag: '{{ index .metadata.annotations \"web-tag\" }}'}";
    check_with(&set(STRICT, go, "{{.nameNormalized}}", "{{.values.tag}}"), all, &["dev-01-west 1.0.0"]);
    // All in one Application.
    let flat = "  - clusters:\n      selector: {matchLabels: {env: prod}}\n      flatList: true\n      values: {x: 'of {{ .name }}'}";
    check_with(
        &set(STRICT, flat, "all", "{{ range .clusters }}{{ .name }} {{ .values.x }},{{ end }}"),
        all,
        &["all edge of edge,prod of prod,"],
    );
    check_with(&set("", flat, "all", "{{clusters}}"), all, &["all {{clusters}}"]);
}

#[test]
fn clusters_are_combined_with_other_generators() {
    let all = Some("described");
    let matrix = format!(
        "  - matrix:\n      generators:\n      - git:\n          {GIT}\n          directories: [{{path: addons/*}}]\n      - clusters: {{selector: {{matchLabels: {{env: prod}}}}}}"
    );
    check_with(
        &set(STRICT, &matrix, "{{.path.basenameNormalized}}-{{.name}}", "{{.path.path}}"),
        all,
        &[
            "argo-workflows-edge addons/argo",
            "argo-workflows-prod",
            "prometheus-operator-edge",
            "prometheus-operator-prod",
        ],
    );
    // The first one may say which are meant, and stand in the values beside what a cluster gives itself.
    let labelled = format!(
        "  - matrix:\n      generators:\n      - git:\n          {GIT}\n          files: [{{path: clusters/**/config.json}}]\n      - clusters:\n          selector: {{matchLabels: {{env: '{{{{.path.basename}}}}'}}}}\n          values: {{of: '{{{{.path.basename}}}}', own: '{{{{.name}}}}'}}"
    );
    check_with(
        &set(STRICT, &labelled, "{{.nameNormalized}}", "{{.values.of}} {{.values.own}} {{.tag}}"),
        all,
        &["dev-01-west dev dev_01/west 1.0.0", "edge prod edge 2.0.0", "prod prod prod 2.0.0"],
    );
    let merge = "  - merge:\n      mergeKeys: [name]\n      generators:\n      - clusters: {values: {kafka: 'true', redis: 'false'}}\n      - clusters: {selector: {matchLabels: {env: dev}}, values: {kafka: 'false'}}\n      - list: {elements: [{name: prod, values.redis: 'true'}]}";
    check_with(
        &set("", merge, "{{nameNormalized}}", "{{values.kafka}} {{values.redis}}"),
        all,
        &["edge true false", "lab true false", "dev-01-west false false", "prod true true", "in-cluster true false"],
    );
}

#[test]
fn clusters_whose_secrets_are_sealed_are_known_as_far_as_they_stand_in_git() {
    check_with(
        &set(
            "",
            "  - clusters: {selector: {matchExpressions: [{key: env, operator: Exists}]}}",
            "{{name}}",
            "{{metadata.labels.env}} {{metadata.annotations.region}} {{server}}",
        ),
        Some("sealed"),
        &[
            "sealed prod {{metadata.annotations.region}} {{server}}",
            "pulled dev eu {{server}}",
            "manifest/invalid-generator:1 the ApplicationSet `set`: sealed/two.yaml, line 12: the ExternalSecret `dark` does not say its `name` in the clear",
        ],
    );
    // The cluster that Argo CD runs on is there once, whatever it is called.
    check_with(
        &set("", "  - clusters: {}", "{{name}}", "x"),
        Some("none"),
        &[
            "fine x",
            "manifest/invalid-generator:1 the ApplicationSet `set`: none/one.yaml, line 1: the Secret `bad` has a `data.name` that is no base64",
            "manifest/invalid-generator:1 the ApplicationSet `set`: none/one.yaml, line 6: a cluster has no `name`",
            "manifest/invalid-generator:1 the ApplicationSet `set`: none/three.yaml gives no cluster: it is neither YAML nor JSON",
            "manifest/invalid-generator:1 the ApplicationSet `set`: none/two.yaml gives no cluster: the cluster `fine` was described before",
        ],
    );
    let (_, problems) = generated(&set("", "  - clusters: {}", "{{name}}", "x"));
    assert_eq!(problems[0].code, "unsupported/generator");
    assert_eq!(
        problems[0].hint.as_deref(),
        Some(
            "name the files that describe them: add `clusters: [\"clusters/*.yaml\"]` to `gitops` in `repositories:` of repin.yaml; the other generators of the set go on"
        )
    );
}

#[test]
fn a_tag_of_a_cluster_is_traced_to_where_it_is_described() {
    let source = "        chart: web\n        helm:\n          parameters:\n          - {name: tag, value: '{{ dig \"metadata\" \"annotations\" \"web-tag\" \"\" . }}'}\n          - {name: value, value: '{{ .values.tag }}'}\n          - {name: name, value: '{{ .name }}'}\n";
    let generator = "  - clusters:\n      selector: {matchExpressions: [{key: env, operator: In, values: [dev, prod]}]}\n      values: {tag: 3.0.0}";
    let text =
        set("  goTemplate: true\n", generator, "{{ .nameNormalized }}", "x").replace("        path: 'x'\n", source);
    let (applications, problems) = generated_with(&text, Some("described"));
    let found = |number: usize, key: &str| {
        let trace = Trace::of(applications[number].rendered.as_ref().unwrap());
        let Traced { origin, form } = trace.at(&key.parse().unwrap(), Form::Tag)?;
        Some(format!("{}:{} {} {form:?}", origin.file, origin.line, origin.address))
    };
    let tag = "spec.source.helm.parameters[name=tag].value";
    assert_eq!(found(0, tag).unwrap(), "described/plain.yaml:1 [0].annotations.web-tag Tag");
    assert_eq!(found(1, tag).unwrap(), "described/secrets.yaml:8 Secret/dev#metadata.annotations.web-tag Tag");
    // What a Secret holds packed stands nowhere as it is read.
    let name = "spec.source.helm.parameters[name=name].value";
    assert_eq!(found(1, name).unwrap(), "described/secrets.yaml:10 Secret/dev#stringData.name Tag");
    assert_eq!(found(2, name), None);
    let value = "spec.source.helm.parameters[name=value].value";
    assert_eq!(
        found(1, value).unwrap(),
        "sets/set.yaml:9 ApplicationSet/set#spec.generators[0].clusters.values.tag Tag"
    );
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn a_generator_may_have_a_template_of_its_own() {
    let list = "  - list:\n      elements: [{cluster: dev}]\n      template:\n        metadata: {}\n        spec:\n          project: ''\n          source: {path: 'over/{{cluster}}'}\n          destination: {}\n  - list: {elements: [{cluster: prod}]}";
    let text = set("", list, "{{cluster}}", "default");
    check(&text, &["dev over/dev", "prod default"]);
    let (applications, _) = generated(&text);
    assert_eq!(applications[0].project, "shop");
    assert_eq!(applications[0].sources[0].repo_url, "https://git.example/acme/gitops.git");
}

#[test]
fn a_template_patch_changes_what_was_rendered() {
    let list = "  - list:\n      elements:\n      - {cluster: dev, files: [a.yaml, b.yaml], tag: 1.0.0}\n      - {cluster: prod, tag: 2.0.0}";
    let merge = "  templatePatch: |\n    metadata:\n      labels: {env: '{{ .cluster }}'}\n    spec:\n      project: stolen\n      source:\n        {{- if hasKey . \"files\" }}\n        helm:\n          valueFiles:\n          {{- range $file := .files }}\n          - {{ $file }}\n          {{- end }}\n        {{- end }}\n        path: null\n";
    let (applications, problems) = generated(&format!("{}{merge}", set(STRICT, list, "{{.cluster}}", "x")));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(applications[0].sources[0].value_files, ["a.yaml", "b.yaml"]);
    assert_eq!((applications[0].sources[0].path.as_str(), applications[0].project.as_str()), ("", "shop"));
    assert_eq!((applications[1].labels["env"].as_str(), applications[1].sources[0].value_files.len()), ("prod", 0));
    let json = "  templatePatch: |\n    [{\"op\": \"replace\", \"path\": \"/spec/source/path\", \"value\": \"{{ .tag }}\"},\n     {\"op\": \"add\", \"path\": \"/metadata/annotations/repin.dev~1group\", \"value\": \"all\"}]\n";
    let text = format!("{}{json}", set(STRICT, list, "{{.cluster}}", "x"));
    check(&text, &["dev 1.0.0", "prod 2.0.0"]);
    assert_eq!(generated(&text).0[0].annotations.len(), 2);
    let bad = "  templatePatch: |\n    [{\"op\": \"move\", \"from\": \"/spec\", \"path\": \"/x\"}]\n";
    check(
        &format!("{}{bad}", set(STRICT, "  - list: {elements: [{cluster: dev}]}", "{{.cluster}}", "x")),
        &["unsupported/template:21 the ApplicationSet `set`: `templatePatch` with the operation `move`"],
    );
}

#[test]
fn what_a_set_does_not_apply_to_its_applications_is_said() {
    let list = "  - list: {elements: [{c: dev, tag: 1.0.0}]}";
    let inline = "        chart: web\n        helm: {parameters: [{name: tag, value: '{{tag}}'}]}\n";
    for (head, said) in [
        ("  ignoreApplicationDifferences:\n  - jsonPointers: [/spec/source/targetRevision]\n", None),
        ("  ignoreApplicationDifferences:\n  - jsonPointers: [/spec/sources/0]\n", Some(6)),
        (
            "  ignoreApplicationDifferences:\n  - jqPathExpressions: ['.spec.sources[] | select(.chart == \"web\").helm.values']\n",
            Some(6),
        ),
        (
            "  ignoreApplicationDifferences:\n  - name: dev\n    jqPathExpressions: ['.spec.source.helm.parameters']\n",
            Some(7),
        ),
        ("  ignoreApplicationDifferences:\n  - name: prod\n    jsonPointers: [/spec/source]\n", None),
        ("  ignoreApplicationDifferences:\n  - jsonPointers: [/spec/syncPolicy]\n", None),
        ("  syncPolicy: {applicationsSync: create-only}\n", Some(5)),
        ("  syncPolicy: {applicationsSync: create-update, preserveResourcesOnDeletion: true}\n", None),
        ("  preservedFields: {annotations: [x], labels: [y]}\n", None),
    ] {
        let text = set(head, list, "{{c}}", "x");
        assert!(generated(&text).1.is_empty(), "values are in files: {text}");
        let (applications, problems) = generated(&text.replace("        path: 'x'\n", inline));
        let found: Vec<_> = problems.iter().map(|one| (one.code.as_str(), one.line)).collect();
        assert_eq!(
            found,
            said.map(|line| ("manifest/not-applied", Some(line))).into_iter().collect::<Vec<_>>(),
            "{text}"
        );
        assert_eq!(applications.len(), 1);
    }
}

#[test]
fn a_template_that_cannot_be_rendered_holds_its_own_applications_only() {
    let list = "  - list:\n      elements: [{c: dev, x: y}, {c: prod}]";
    check(
        &set(STRICT, list, "{{.c}}", "{{.x}}"),
        &["dev y", "manifest/invalid-template:20 the ApplicationSet `set`: there is no parameter `x`"],
    );
    check(
        &set(GO, list, "{{.c}}", "{{ genSignedCert }}"),
        &["unsupported/template:19 the ApplicationSet `set`: the function `genSignedCert` is not evaluated"],
    );
    check(
        &set("", list, "{{.c}}", "x"),
        &["manifest/invalid-template:3 the ApplicationSet `set`: no generator gives what the name `{{.c}}` asks for"]
            .map(|one| one.replace(":3", ":1"))
            .each_ref()
            .map(String::as_str),
    );
    check(
        &set("", list, "{{c}}_A", "x"),
        &[
            "manifest/no-name:1 the ApplicationSet `set`: an annotated Application has no usable `metadata.name`",
            "manifest/no-name:1",
        ],
    );
    check(
        &set("", list, "same", "x"),
        &["same x", "manifest/duplicate:1 the ApplicationSet `set`: the Application `argo/same` is defined twice"],
    );
}

#[test]
fn an_expansion_that_grows_without_end_is_cut() {
    let elements: Vec<String> = (0..101).map(|number| format!("{{a: 'a{number}'}}")).collect();
    let many = elements.join(", ");
    let list = |key: &str| format!("- list: {{elements: [{}]}}", many.replace("{a:", &format!("{{{key}:")));
    let matrix = format!("  - matrix:\n      generators:\n      {}\n      {}", list("a"), list("b"));
    check(
        &set("", &matrix, "{{a}}-{{b}}", "x"),
        &["unsupported/generator:6 the ApplicationSet `set`: `matrix` gives more than 10000 parameter sets"],
    );
    let bomb = "  - list:\n      elements: [{c: dev}, {c: prod}]";
    check(
        &set(GO, bomb, "{{.c}}", "{{ range until 9999 }}{{ range until 9999 }}{{ end }}{{ end }}"),
        &[
            "unsupported/template:19 the ApplicationSet `set`: the templates of this ApplicationSet take more than 2000000 steps",
        ],
    );
}

#[test]
fn a_generated_application_is_read_as_one_that_stands_in_a_file() {
    let text = set("", "  - list: {elements: [{c: dev}]}", "{{c}}", "x").replace(
        "      annotations:\n",
        "      namespace: '{{c}}-apps'\n      labels: {env: '{{c}}'}\n      annotations:\n        other: x\n",
    );
    let (applications, problems) = generated(&text);
    let app = &applications[0];
    assert_eq!((app.key.label(), app.line, app.sources[0].line), ("dev-apps/dev".to_owned(), 1, 18), "{problems:?}");
    assert_eq!((app.labels["env"].as_str(), app.project.as_str()), ("dev", "shop"));
    assert_eq!(
        app.annotations.iter().map(|one| (one.key.as_str(), one.line)).collect::<Vec<_>>(),
        [("repin.dev/image-list", 14)]
    );
    // Its namespace is that of the set where the template names none.
    assert_eq!(generated(&text.replace("      namespace: '{{c}}-apps'\n", "")).0[0].key.label(), "argo/dev");
}

/// A set with Go templates whose source is this, and its Applications' traces: `file address form` or `-`.
fn traces(generators: &str, source: &str, keys: &[(&str, Form)]) -> Vec<String> {
    let text = set(STRICT, generators, "{{ .app }}", "x");
    let (applications, problems) = generated(&text.replace("        path: 'x'\n", source));
    assert!(problems.is_empty(), "{problems:?}");
    let mut found = Vec::new();
    for application in &applications {
        let trace = Trace::of(application.rendered.as_ref().unwrap());
        for (key, form) in keys {
            found.push(match trace.at(&key.parse().unwrap(), *form) {
                Some(Traced { origin, form }) => format!("{}:{} {} {form:?}", origin.file, origin.line, origin.address),
                None => "-".to_owned(),
            });
        }
    }
    found
}

#[test]
fn a_tag_is_traced_to_the_scalar_that_it_comes_from() {
    const HELM: &str = "        chart: web\n        helm:\n          parameters:\n          - name: image.tag\n            value: '{{ .tag }}'\n          - name: web.image\n            value: 'ghcr.io/acme/web:{{ .tag }}'\n          - name: literal\n            value: 1.0.0\n          - {name: made, value: 'v{{ .tag }}'}\n          valuesObject:\n            image: {repository: ghcr.io/acme/web, tag: '{{ .tag }}'}\n            sidecar: '{{ .full }}'\n          values: |\n            # values of {{ .app }}\n            image:\n              repository: ghcr.io/acme/web\n              tag: \"{{ .tag }}\" # here\n            other: {{ .full }}\n";
    let keys = [
        ("spec.source.helm.parameters[name=image.tag].value", Form::Tag),
        ("spec.source.helm.parameters[name=web\\.image].value", Form::Spec),
        ("spec.source.helm.parameters[2].value", Form::Tag),
        ("spec.source.helm.parameters[name=made].value", Form::Tag),
        ("spec.source.helm.valuesObject.image.tag", Form::Tag),
        ("spec.source.helm.valuesObject.sidecar", Form::Spec),
        ("spec.source.helm.values.image.tag", Form::Tag),
        ("spec.source.helm.values.other", Form::Spec),
        ("spec.source.helm.values.none", Form::Spec),
    ];
    let list = "  - list:\n      elements:\n      - app: a\n        tag: 1.0.0\n        full: ghcr.io/acme/side:2.0.0";
    let element = |key: &str, line: u64, form: &str| {
        format!("sets/set.yaml:{line} ApplicationSet/set#spec.generators[0].list.elements[app=a].{key} {form}")
    };
    assert_eq!(
        traces(list, HELM, &keys),
        [
            element("tag", 11, "Tag"),
            element("tag", 11, "Tag"),
            "sets/set.yaml:31 ApplicationSet/set#spec.template.spec.source.helm.parameters[name=literal].value Tag"
                .to_owned(),
            "-".to_owned(),
            element("tag", 11, "Tag"),
            element("full", 12, "Spec"),
            element("tag", 11, "Tag"),
            element("full", 12, "Spec"),
            "-".to_owned(),
        ]
    );
    // Through a matrix, functions that pass a value on, and YAML that was made of values.
    let matrix = "  - matrix:\n      generators:\n      - list:\n          elements:\n          - {part: web, image: {repository: ghcr.io/acme/web, tag: 1.0.0}}\n      - list:\n          elements:\n          - {env: dev}\n          - {env: prod, image: {tag: 9.9.9}}\n";
    let source = "        chart: web\n        helm:\n          parameters:\n          - {name: tag, value: '{{ .image.tag | default \"x\" }}'}\n          - {name: full, value: '{{ printf \"%s:%s\" .image.repository .image.tag }}'}\n          values: '{{ toYaml (dict \"image\" .image) }}'\n";
    let keys = [
        ("spec.source.helm.parameters[0].value", Form::Tag),
        ("spec.source.helm.parameters[1].value", Form::Spec),
        ("spec.source.helm.values.image.tag", Form::Tag),
    ];
    let text = set(STRICT, matrix, "{{ .part }}-{{ .env }}", "x").replace("        path: 'x'\n", source);
    let (applications, _) = generated(&text);
    let trace = Trace::of(applications[1].rendered.as_ref().unwrap());
    for (key, form) in keys {
        let found = trace.at(&key.parse().unwrap(), form).unwrap();
        assert_eq!(
            (found.origin.address.to_string().as_str(), found.form),
            ("ApplicationSet/set#spec.generators[0].matrix.generators[0].list.elements[0].image.tag", Form::Tag),
            "{key}"
        );
    }
    // Elements in a text, with and without Go templates.
    for (mode, tag) in [(STRICT, "{{ .tag }}"), ("", "{{tag}}")] {
        let list = "  - list:\n      elements: []\n      elementsYaml: |\n        - env: dev\n          tag: 1.0.0\n        - env: prod\n          tag: \"2.0.0\"\n";
        let source = format!("        chart: web\n        helm: {{parameters: [{{name: tag, value: '{tag}'}}]}}\n");
        let text = set(mode, list, if mode.is_empty() { "{{env}}" } else { "{{ .env }}" }, "x")
            .replace("        path: 'x'\n", &source);
        let (applications, problems) = generated(&text);
        assert!(problems.is_empty(), "{problems:#?}");
        let trace = Trace::of(applications[1].rendered.as_ref().unwrap());
        let found = trace.at(&"spec.source.helm.parameters[0].value".parse().unwrap(), Form::Tag).unwrap();
        assert_eq!(
            found.origin.address.to_string(),
            "ApplicationSet/set#spec.generators[0].list.elementsYaml[env=prod].tag"
        );
    }
    // A file that a generator reads, and the image strings of kustomize.
    let git = format!("  - git:\n      {GIT}\n      files: [{{path: clusters/**/config.json}}]");
    let text = set(STRICT, &git, "{{ .cluster.name }}", "x").replace(
        "        path: 'x'\n",
        "        kustomize:\n          images:\n          - 'ghcr.io/acme/web:{{ .tag }}'\n          - 'web=ghcr.io/acme/api:1.0.0'\n          - 'side={{ .cluster.address }}'\n",
    );
    let (applications, _) = generated(&text);
    let trace = Trace::of(applications[1].rendered.as_ref().unwrap());
    let list = "spec.source.kustomize.images".parse().unwrap();
    let found = |name: &str| {
        let Traced { origin, form } = trace.image_string(&list, name)?;
        Some(format!("{}:{} {} {form:?}", origin.file, origin.line, origin.address))
    };
    assert_eq!(found("ghcr.io/acme/web").unwrap(), "clusters/engineering/prod/config.json:1 tag Tag");
    assert_eq!(
        found("web").unwrap(),
        "sets/set.yaml:24 ApplicationSet/set#spec.template.spec.source.kustomize.images[1] Spec"
    );
    assert_eq!(found("side").unwrap(), "clusters/engineering/prod/config.json:1 cluster.address Spec");
    assert_eq!(found("none"), None);
}
