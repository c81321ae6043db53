//! Where a tag is written: repositories, sources, value files, key paths, and what annotations may not reach.

use serde_json::json;

use crate::table::{self, PLAIN, Row, codes, outcome, problems, verdict};
use crate::world::{App, World};

/// One Application with these files beside or instead of the usual values: `file#key` of the place and its verdict.
fn check(cases: &[(Row<'_>, &str)]) {
    let world = table::world(&table::rows(cases));
    table::check(&world, cases);
}

fn with<'a>(name: &'a str, source: &'a str, files: &'a [(&'a str, &'a str)]) -> Row<'a> {
    Row { source, files, ..Row::new(name, PLAIN) }
}

#[test]
fn the_last_value_file_that_holds_the_key_is_written() {
    const TAG: &str = "image:\n  tag: 1.0.0\n";
    const PINNED: &str =
        "image: {tag: 'v1.0.0@sha256:0000000000000000000000000000000000000000000000000000000000000000'}\n";
    check(&[
        (with("plain", "", &[]), "values.yaml#image.tag pending pending"),
        (
            with("later", "helm:\n  valueFiles:\n    - values.yaml\n    - prod.yaml", &[("prod.yaml", TAG)]),
            "prod.yaml#image.tag pending pending",
        ),
        (
            with("order", "helm: {valueFiles: [b.yaml, a.yaml]}", &[("a.yaml", TAG), ("b.yaml", TAG)]),
            "a.yaml#image.tag pending pending",
        ),
        (
            with("without", "helm: {valueFiles: [values.yaml, prod.yaml]}", &[("prod.yaml", "replicas: 3\n")]),
            "values.yaml#image.tag pending pending",
        ),
        // Helm reads the chart's values.yaml first, listed or not.
        (
            with("chart-default", "helm: {valueFiles: [prod.yaml]}", &[("prod.yaml", "replicas: 3\n")]),
            "values.yaml#image.tag pending pending",
        ),
        (
            with("missing-file", "helm: {valueFiles: [values.yaml, absent.yaml]}", &[]),
            "values.yaml#image.tag pending pending",
        ),
        (
            with(
                "sibling-only",
                "helm: {valueFiles: [prod.yaml]}",
                &[("values.yaml", TAG), ("prod.yaml", "image: {repository: x}\n")],
            ),
            "values.yaml#image.tag pending pending",
        ),
        (
            with("null-holds", "helm: {valueFiles: [prod.yaml]}", &[("prod.yaml", "image:\n  tag: ~\n")]),
            "prod.yaml#image.tag pending pending",
        ),
        (
            with("up", "helm: {valueFiles: [../../shared/up.yaml]}", &[("/shared/up.yaml", TAG)]),
            "shared/up.yaml#image.tag held rule/none",
        ),
        (
            with("root", "helm: {valueFiles: [/shared/root.yaml]}", &[("/shared/root.yaml", TAG)]),
            "shared/root.yaml#image.tag held rule/none",
        ),
        (
            with("foreign", "helm: {valueFiles: [$values/x.yaml, 'https://x.example/v.yaml']}", &[]),
            "values.yaml#image.tag pending pending",
        ),
        (
            with("broken", "helm: {valueFiles: [values.yaml, bad.yaml]}", &[("bad.yaml", "a: [\n")]),
            "bad.yaml#image.tag failed edit/invalid-yaml",
        ),
        (with("no-values", "", &[("values.yaml", "-")]), "values.yaml#image.tag failed edit/no-such-file"),
        (with("no-key", "", &[("values.yaml", "img: {tag: 1}\n")]), "values.yaml#image.tag failed edit/no-such-key"),
        (
            with("inserted", "", &[("values.yaml", "image:\n  repository: IMAGE\n")]),
            "values.yaml#image.tag pending pending",
        ),
        (with("empty", "", &[("values.yaml", "image: {tag: ''}\n")]), "values.yaml#image.tag pending pending"),
        (with("scheme", "", &[("values.yaml", "image: {tag: dev}\n")]), "values.yaml#image.tag pending pending"),
        (
            with("template", "", &[("values.yaml", "image: {tag: '{{ .tag }}'}\n")]),
            "values.yaml#image.tag failed edit/template",
        ),
        (with("pinned", "", &[("values.yaml", PINNED)]), "values.yaml#image.tag held guard/pinned"),
    ]);
}

#[test]
fn a_target_is_relative_to_the_source_path_and_stays_inside_what_annotations_may_reach() {
    const TAG: &str = "image: {tag: 1.0.0}\n";
    let text = |target: &str| format!("{PLAIN}\nrepin.dev/write-back-target: {target}");
    let alias = format!(
        "{PLAIN}\nrepin.dev/app.write-back-target: helmvalues:x.yaml\nrepin.dev/write-back-target: helmvalues:y.yaml"
    );
    // Name, annotations, files, what is expected.
    type Case<'a> = (&'a str, String, &'a [(&'a str, &'a str)], &'a str);
    let cases: Vec<Case<'_>> = vec![
        ("bare", text("helmvalues"), &[], "values.yaml#image.tag pending pending"),
        ("file", text("helmvalues:x.yaml"), &[("x.yaml", TAG)], "x.yaml#image.tag pending pending"),
        ("dot", text("helmvalues:./x.yaml"), &[("x.yaml", TAG)], "x.yaml#image.tag pending pending"),
        ("deep", text("helmvalues:a/b/x.yaml"), &[("a/b/x.yaml", TAG)], "a/b/x.yaml#image.tag pending pending"),
        ("around", text("helmvalues:../around/x.yaml"), &[("x.yaml", TAG)], "x.yaml#image.tag pending pending"),
        ("slash", text("helmvalues:/apps/slash/x.yaml"), &[("x.yaml", TAG)], "x.yaml#image.tag pending pending"),
        (
            "outside",
            text("helmvalues:../../values/prod.yaml"),
            &[("/values/prod.yaml", TAG)],
            "values/prod.yaml#image.tag held target/outside",
        ),
        (
            "rooted",
            text("helmvalues:/values/o.yaml"),
            &[("/values/o.yaml", TAG)],
            "values/o.yaml#image.tag held target/outside",
        ),
        ("neighbour", text("helmvalues:../file/x.yaml"), &[], "apps/file/x.yaml#image.tag held target/outside"),
        (
            "prefix",
            text("helmvalues:../prefixed/x.yaml"),
            &[("/apps/prefixed/x.yaml", TAG)],
            "apps/prefixed/x.yaml#image.tag held target/outside",
        ),
        ("escape", text("helmvalues:../../../etc/passwd"), &[], "null#image.tag held target/outside"),
        ("dot-git", text("helmvalues:/.git/config"), &[], "null#image.tag held target/outside"),
        ("by-alias", alias, &[("x.yaml", TAG), ("y.yaml", TAG)], "x.yaml#image.tag pending pending"),
        (
            "two",
            text("\"helmvalues:x.yaml, helmvalues:y.yaml\""),
            &[("x.yaml", TAG), ("y.yaml", TAG)],
            "x.yaml#image.tag pending pending; y.yaml#image.tag pending pending",
        ),
        ("same-twice", text("helmvalues,helmvalues:values.yaml"), &[], "values.yaml#image.tag pending pending"),
        ("absent", text("helmvalues:absent.yaml"), &[], "absent.yaml#image.tag failed edit/no-such-file"),
        ("no-key", text("helmvalues:x.yaml"), &[("x.yaml", "a: 1\n")], "x.yaml#image.tag failed edit/no-such-key"),
        (
            "mixed",
            text("helmvalues:x.yaml,kustomization"),
            &[("x.yaml", TAG)],
            "x.yaml#image.tag pending pending; apps/mixed#null failed edit/no-such-file",
        ),
    ];
    let rows: Vec<(Row<'_>, &str)> =
        cases.iter().map(|(name, text, files, expected)| (Row { files, ..Row::new(name, text) }, *expected)).collect();
    check(&rows);
}

#[test]
fn a_rule_may_open_files_outside_the_source_paths() {
    let text = format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:/values/web.yaml");
    let row = Row { files: &[("/values/web.yaml", "image: {tag: 1.0.0}\n")], ..Row::new("web", &text) };
    let world = table::world(&[row]);
    let said = world.repin(&["plan"]);
    assert_eq!(verdict(outcome(&said, "web")), "held target/outside");
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("may_write"), "{said:#?}");
    for (glob, expected) in [("other/**", "held target/outside"), ("values/*.yaml", "pending pending")] {
        let rules = format!(
            "rules:\n  - match: {{application: web}}\n    environment: dev\n    delivery: commit\n    may_write: [\"{glob}\"]\n"
        );
        let config = world.standard_config();
        world.configure(&format!("{}{rules}", config.split_once("rules:").unwrap().0));
        assert_eq!(verdict(outcome(&world.repin(&["plan"]), "web")), expected, "{glob}");
    }
}

#[test]
fn key_paths_reach_every_depth_and_an_image_spec_is_written_whole() {
    let text = |key: &str, path: &str| format!("repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.{key}: \"{path}\"");
    let name = |path: &str| format!("{PLAIN}\nrepin.dev/app.helm.image-name: {path}");
    let spec_and_name = format!("{}\nrepin.dev/app.helm.image-name: other", text("image-spec", "image"));
    let cases: Vec<(&str, String, &str, &str, &str)> = vec![
        ("top", text("image-tag", "tag"), "tag: 1.0.0 # c\n", "tag: 2.0.0 # c\n", "delivered delivered"),
        (
            "deep",
            text("image-tag", "a.b.c.d"),
            "a: {b: {c: {d: '1.0.0'}}}\n",
            "a: {b: {c: {d: '2.0.0'}}}\n",
            "delivered delivered",
        ),
        (
            "index",
            text("image-tag", "list[1].tag"),
            "list:\n- tag: 9\n- tag: 1.0.0\n",
            "list:\n- tag: 9\n- tag: 2.0.0\n",
            "delivered delivered",
        ),
        (
            "named",
            text("image-tag", "list[name=app].tag"),
            "list:\n- name: x\n  tag: 9\n- name: app\n  tag: 1.0.0\n",
            "list:\n- name: x\n  tag: 9\n- name: app\n  tag: 2.0.0\n",
            "delivered delivered",
        ),
        (
            "dotted",
            text("image-tag", "a\\\\.b.tag"),
            "a.b:\n  tag: \"1.0.0\"\n",
            "a.b:\n  tag: \"2.0.0\"\n",
            "delivered delivered",
        ),
        ("spec", text("image-spec", "image"), "image: IMAGE:1.0.0\n", "image: IMAGE:2.0.0\n", "delivered delivered"),
        (
            "spec-quoted",
            text("image-spec", "a.image"),
            "a:\n  image: 'IMAGE:1.0.0' # c\n",
            "a:\n  image: 'IMAGE:2.0.0' # c\n",
            "delivered delivered",
        ),
        ("spec-no-tag", text("image-spec", "image"), "image: IMAGE\n", "image: IMAGE:2.0.0\n", "delivered delivered"),
        ("spec-null", text("image-spec", "image"), "image:\n", "image: IMAGE:2.0.0\n", "delivered delivered"),
        (
            "spec-beats-name",
            spec_and_name,
            "image: IMAGE:1.0.0\nother: x\n",
            "image: IMAGE:2.0.0\nother: x\n",
            "delivered delivered",
        ),
        (
            "spec-misused",
            text("image-spec", "image.tag"),
            "image: {tag: 1.0.0}\n",
            "image: {tag: 1.0.0}\n",
            "failed edit/other-image",
        ),
        (
            "spec-other",
            text("image-spec", "image"),
            "image: nginx:1.0.0\n",
            "image: nginx:1.0.0\n",
            "failed edit/other-image",
        ),
        (
            "name-same",
            name("image.repository"),
            "image: {repository: IMAGE, tag: 1.0.0}\n",
            "image: {repository: IMAGE, tag: 2.0.0}\n",
            "delivered delivered",
        ),
        (
            "name-other",
            name("image.repository"),
            "image: {repository: nginx, tag: 1.0.0}\n",
            "image: {repository: nginx, tag: 1.0.0}\n",
            "failed edit/other-image",
        ),
        (
            "name-absent",
            name("image.repository"),
            "image:\n  tag: 1.0.0\n",
            "image:\n  tag: 2.0.0\n  repository: IMAGE\n",
            "delivered delivered",
        ),
        (
            "name-null",
            name("image.repository"),
            "image:\n  repository:\n  tag: 1.0.0\n",
            "image:\n  repository: IMAGE\n  tag: 2.0.0\n",
            "delivered delivered",
        ),
        (
            "name-registry",
            name("image.repository"),
            "image: {registry: 'HOST', repository: acme/web, tag: 1.0.0}\n",
            "image: {registry: 'HOST', repository: acme/web, tag: 2.0.0}\n",
            "delivered delivered",
        ),
        ("not-a-map", text("image-tag", "image.tag"), "image: x\n", "image: x\n", "failed edit/no-such-key"),
        (
            "a-map",
            text("image-tag", "image"),
            "image: {tag: 1.0.0}\n",
            "image: {tag: 1.0.0}\n",
            "failed edit/not-a-scalar",
        ),
    ];
    let files: Vec<[(&str, &str); 1]> = cases.iter().map(|(_, _, before, ..)| [("values.yaml", *before)]).collect();
    let rows: Vec<Row<'_>> =
        cases.iter().zip(&files).map(|((name, text, ..), files)| Row { files, ..Row::new(name, text) }).collect();
    let world = table::world(&rows);
    let said = world.repin(&["once"]);
    let mut wrong = Vec::new();
    for (name, _, _, after, expected) in &cases {
        let found = verdict(outcome(&said, name));
        let text = world.remote.show(&format!("apps/{name}/values.yaml"));
        if found != *expected || text != table::fill(&world, after) {
            wrong.push(format!("{name}: {found}\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{said:#?}", wrong.join("\n"));
    assert_eq!(said.code, 1);
}

#[test]
fn spellings_of_the_repository_are_one_and_also_adds_the_rest() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let path = world.remote.path().display().to_string();
    let same = [
        world.remote.url(),
        format!("{}/", world.remote.url()),
        world.remote.url().replace(".git", ""),
        path.clone(),
        format!("file://localhost{path}"),
    ];
    let also = [
        "https://git.example/acme/gitops.git",
        "https://git.example/acme/gitops",
        "git@git.example:acme/gitops.git",
        "ssh://git@git.example:22/acme/gitops",
        "https://git.example:443/acme/gitops/",
        "https://user@git.example/acme/gitops.git",
        "https://GIT.example/acme/gitops.git",
        "ssh://git@git.example/acme/gitops.git",
    ];
    let other = [
        "https://git.example/acme/other",
        "https://other.example/acme/gitops.git",
        "",
        "https://user:secret@h.example/x",
    ];
    let all: Vec<&str> = same.iter().map(String::as_str).chain(also).chain(other).collect();
    let mut files = vec![("apps/web/values.yaml".to_owned(), world.values("web", "1.0.0"))];
    for (index, url) in all.iter().enumerate() {
        let text = table::manifest(&world, &format!("app{index}"), PLAIN, "path: apps/web")
            .replace(&format!("repoURL: {}\n", world.remote.url()), &format!("repoURL: \"{url}\"\n"));
        files.push((format!("argocd/{index}.yaml"), text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add all");
    let said = world.repin(&["plan"]);
    for (index, url) in all.iter().enumerate() {
        let expected = if index < same.len() { "pending pending" } else { "held repository/unknown" };
        let found = outcome(&said, &format!("app{index}"));
        assert_eq!(verdict(found), expected, "{url}");
        if index >= same.len() {
            let problem = problems(&said, &format!("argocd/{index}.yaml"))[0];
            assert_eq!(problem["code"], "repository/unknown");
            let hint = problem["hint"].as_str().unwrap();
            assert!(!hint.contains("secret"), "{hint}");
            let shown = url.replace("user:secret@", "").replace("user@", "");
            assert!(
                url.is_empty() || hint.contains(&format!("also: [\"{shown}\"]")) || url.starts_with("ssh://git@"),
                "{hint}"
            );
            assert!(["file", "from", "to", "environment"].iter().all(|field| found[field].is_null()), "{found:#}");
        }
    }
    let config = world
        .standard_config()
        .replace("    branch: main\n", "    branch: main\n    also: [\"https://git.example/acme/gitops\"]\n");
    world.configure(&config);
    let said = world.repin(&["plan"]);
    for (index, url) in all.iter().enumerate() {
        let expected = if index < same.len() + also.len() { "pending pending" } else { "held repository/unknown" };
        assert_eq!(verdict(outcome(&said, &format!("app{index}"))), expected, "{url}");
    }
}

#[test]
fn the_line_that_a_hint_prints_makes_the_repository_known() {
    for url in
        ["git@git.example:acme/gitops.git", "https://git.example:8443/a/b.git", "ssh://deploy@git.example:7999/a/b.git"]
    {
        let world = World::create();
        world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
        let text = table::manifest(&world, "web", PLAIN, "path: apps/web").replace(&world.remote.url(), url);
        world
            .remote
            .commit(&[("argocd/web.yaml", &text), ("apps/web/values.yaml", &world.values("web", "1.0.0"))], "Add");
        let said = world.repin(&["check"]);
        let hint = said.json["problems"][0]["hint"].as_str().unwrap().to_owned();
        let line =
            hint.split('`').find(|part| part.starts_with("also: ")).unwrap_or_else(|| panic!("{hint}")).to_owned();
        world.configure(
            &world.standard_config().replace("    branch: main\n", &format!("    branch: main\n    {line}\n")),
        );
        assert_eq!(world.repin(&["check"]).json, json!({"version": 1, "problems": []}), "{line}");
        assert_eq!(world.once()["result"], "delivered");
    }
}

#[test]
fn the_revision_of_the_source_must_be_the_branch_that_is_written() {
    let revisions = [
        ("targetRevision: main", "pending pending"),
        ("targetRevision: HEAD", "pending pending"),
        ("targetRevision: refs/heads/main", "pending pending"),
        ("targetRevision: ''", "pending pending"),
        ("", "pending pending"),
        ("targetRevision: release", "held target/outside"),
        ("targetRevision: v1.0.0", "held target/outside"),
        ("targetRevision: 0123456789abcdef0123456789abcdef01234567", "held target/outside"),
    ];
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let mut files = vec![("apps/web/values.yaml".to_owned(), world.values("web", "1.0.0"))];
    for (index, (line, _)) in revisions.iter().enumerate() {
        let text = table::manifest(&world, &format!("app{index}"), PLAIN, "path: apps/web")
            .replace("targetRevision: main", line);
        files.push((format!("argocd/{index}.yaml"), text));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add all");
    let said = world.repin(&["plan"]);
    for (index, (line, expected)) in revisions.iter().enumerate() {
        assert_eq!(verdict(outcome(&said, &format!("app{index}"))), *expected, "{line}: {said:#?}");
    }
}

#[test]
fn sources_that_are_not_one_directory_in_git_are_held_with_a_problem() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let url = world.remote.url();
    let make = |name: &str, spec: &str| {
        let text = table::manifest(&world, name, PLAIN, "path: apps/web");
        format!("{}spec:\n{spec}", text.split_once("spec:\n").unwrap().0)
    };
    let chart = make("chart", "  source: {repoURL: https://charts.example, chart: web, targetRevision: 1.0.0}\n");
    let multi = make(
        "multi",
        &format!(
            "  sources:\n  - {{repoURL: https://charts.example, chart: web, helm: {{valueFiles: [$values/apps/web/values.yaml]}}}}\n  - {{repoURL: '{url}', ref: values}}\n"
        ),
    );
    let none = make("none", "  project: x\n");
    let one = make("one", &format!("  sources:\n  - {{repoURL: '{url}', path: apps/web}}\n"));
    let outside = make("outside", &format!("  source: {{repoURL: '{url}', path: ../x}}\n"));
    let root = make("root", &format!("  source: {{repoURL: '{url}', path: .}}\n"));
    world.remote.commit(
        &[
            ("argocd/chart.yaml", &chart),
            ("argocd/multi.yaml", &multi),
            ("argocd/none.yaml", &none),
            ("argocd/one.yaml", &one),
            ("argocd/outside.yaml", &outside),
            ("argocd/root.yaml", &root),
            ("apps/web/values.yaml", &world.values("web", "1.0.0")),
            ("values.yaml", &world.values("web", "1.0.0")),
        ],
        "Add all",
    );
    let said = world.repin(&["plan"]);
    for (name, expected) in [
        ("chart", "held repository/unknown"),
        ("multi", "pending pending"),
        ("none", "held repository/unknown"),
        ("one", "pending pending"),
        ("outside", "held target/outside"),
        ("root", "held rule/none"),
    ] {
        assert_eq!(verdict(outcome(&said, name)), expected, "{name}: {said:#?}");
        let found = codes(&problems(&said, &format!("argocd/{name}.yaml")));
        let problem = expected.strip_prefix("held ").filter(|code| *code != "rule/none");
        assert_eq!(found, problem.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{name}: {said:#?}");
    }
}

#[test]
fn applications_of_the_configuration_need_no_manifest() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.0.0"))], "Add values");
    let applications = format!(
        "applications:\n  - name: web\n    repository: gitops\n    path: apps/web\n    annotations:\n      image-list: app={image}:1.x\n      \
         app.helm.image-tag: image.tag\n  - name: api\n    namespace: team-a\n    repository: gitops\n    path: apps/api\n    annotations: {{image-list: app={image}, notify: ops, update-interval: x}}\n",
        image = world.image("web"),
    );
    world.configure(&format!("{}{applications}", world.standard_config()));
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "delivered delivered", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "team-a/api")), "held unsupported/notify", "{said:#?}");
    assert_eq!(outcome(&said, "web")["repository"], "gitops");
    // The configuration is no repository.
    for problem in said.json["problems"].as_array().unwrap() {
        assert!(problem["repository"].is_null(), "{problem:#}");
        assert_eq!(problem["file"], world.config().display().to_string(), "{problem:#}");
        assert!(problem["line"].as_u64().is_some_and(|line| line > 15), "{problem:#}");
    }
    assert_eq!(said.json["problems"].as_array().unwrap().len(), 2, "{said:#?}");
    assert_eq!(world.tag("web"), "1.1.0");
}

#[test]
fn the_name_of_the_image_may_stand_in_another_value_file() {
    let name = |more: &str| format!("{PLAIN}\nrepin.dev/app.helm.image-name: image.repository\n{more}");
    let explicit = name("repin.dev/write-back-target: helmvalues:prod.yaml");
    let bare = name("");
    let tag = "image:\n  tag: 1.0.0\n";
    // Name, annotations, files, the file that holds the tag afterwards.
    type Case<'a> = (&'a str, &'a str, [(&'a str, &'a str); 2], &'a str);
    let cases: Vec<Case<'_>> = vec![
        (
            "default",
            &bare,
            [("values.yaml", "image:\n  repository: IMAGE\n"), ("prod.yaml", tag)],
            "image:\n  tag: 2.0.0\n",
        ),
        (
            "explicit",
            &explicit,
            [("values.yaml", "image:\n  repository: IMAGE\n"), ("prod.yaml", tag)],
            "image:\n  tag: 2.0.0\n",
        ),
        (
            "registry",
            &bare,
            [("values.yaml", "image:\n  registry: 'HOST'\n  repository: acme/web\n"), ("prod.yaml", tag)],
            "image:\n  tag: 2.0.0\n",
        ),
        ("other", &bare, [("values.yaml", "image:\n  repository: nginx\n"), ("prod.yaml", tag)], tag),
        (
            "nowhere",
            &bare,
            [("values.yaml", "a: 1\n"), ("prod.yaml", tag)],
            "image:\n  tag: 2.0.0\n  repository: IMAGE\n",
        ),
        // The later file wins in Helm, so it is the one that is checked.
        (
            "overridden",
            &bare,
            [
                ("values.yaml", "image:\n  repository: nginx\n"),
                ("prod.yaml", "image:\n  repository: IMAGE\n  tag: 1.0.0\n"),
            ],
            "image:\n  repository: IMAGE\n  tag: 2.0.0\n",
        ),
    ];
    let rows: Vec<Row<'_>> = cases
        .iter()
        .map(|(name, text, files, _)| Row {
            source: "helm: {valueFiles: [values.yaml, prod.yaml]}",
            files,
            ..Row::new(name, text)
        })
        .collect();
    let world = table::world(&rows);
    let said = world.repin(&["once"]);
    for (name, _, _, after) in &cases {
        let expected = if *name == "other" { "failed edit/other-image" } else { "delivered delivered" };
        let text = world.remote.show(&format!("apps/{name}/prod.yaml"));
        assert_eq!(
            (verdict(outcome(&said, name)).as_str(), text),
            (expected, table::fill(&world, after)),
            "{name}: {said:#?}"
        );
    }
}

#[test]
fn a_refused_edit_still_says_what_was_chosen() {
    let shared = "x: &t 1.0.0\nimage:\n  tag: *t\n";
    let world = table::world(&[with("web", "", &[("values.yaml", shared)])]);
    let said = world.repin(&["once"]);
    let one = outcome(&said, "web");
    assert_eq!(
        (verdict(one).as_str(), &one["from"], &one["to"], said.code),
        ("failed edit/shared", &json!("1.0.0"), &json!("2.0.0"), 1)
    );
    assert_eq!(world.remote.show("apps/web/values.yaml"), shared);
}

#[test]
fn a_manifest_may_share_annotations_by_anchor_and_merge_key() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let text = [
        "kind: List",
        "apiVersion: v1",
        "items:",
        "- &first",
        "  apiVersion: argoproj.io/v1alpha1",
        "  kind: Application",
        "  metadata:",
        "    name: a",
        "    annotations: &common",
        "      repin.dev/image-list: app=IMAGE",
        "      repin.dev/app.helm.image-tag: image.tag",
        "      repin.dev/strict: \"true\"",
        "  spec: &spec",
        "    source: {repoURL: 'ADDRESS', path: apps/web}",
        "- {apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: b, annotations: *common}, spec: *spec}",
        "- <<: *first",
        "  metadata:",
        "    name: c",
        "    annotations:",
        "      repin.dev/strict: \"false\"",
        "      <<: [*common, {repin.dev/strict: x, repin.dev/allow-tags: any}]",
        "",
    ];
    let text = table::fill(&world, &text.join("\n")).replace("ADDRESS", &world.remote.url());
    world.remote.commit(&[("argocd/all.yaml", &text), ("apps/web/values.yaml", &world.values("web", "1.0.0"))], "Add");
    let said = world.repin(&["once"]);
    for name in ["a", "b", "c"] {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{said:#?}");
    }
    assert_eq!(said.json["problems"], json!([]));
}

#[test]
fn values_may_live_in_another_repository_than_the_application() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let other = crate::remote::BareRemote::create();
    other.commit(&[("apps/web/values.yaml", &world.values("web", "1.0.0"))], "Add values");
    let text = table::manifest(&world, "web", PLAIN, "path: apps/web").replace(&world.remote.url(), &other.url());
    world.remote.commit(&[("argocd/web.yaml", &text)], "Add web");
    let entry = format!("repositories:\n  - name: values\n    url: {}\n    branch: main\n", other.url());
    world.configure(&world.standard_config().replace("repositories:\n", &entry));
    let head = world.remote.head();
    let said = world.repin(&["once"]);
    let one = outcome(&said, "web");
    assert_eq!(
        (verdict(one).as_str(), &one["repository"], &one["commit"]),
        ("delivered delivered", &json!("values"), &json!(other.head()))
    );
    assert!(other.show("apps/web/values.yaml").contains("\"1.1.0\""));
    assert_eq!(world.remote.head(), head);
}

#[test]
fn without_a_revision_an_application_follows_the_default_branch_of_the_remote() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let head = world.application(&App { name: "web", constraint: "", annotations: &[] });
    let head = head.replace("targetRevision: main", "targetRevision: HEAD");
    world.remote.commit(&[("argocd/web.yaml", &head)], "Follow the default branch");
    world.remote.git(&["branch", "prod", "main"]);
    world.configure(&world.standard_config().replace("branch: main", "branch: prod"));
    // The remote's default branch is `main`, so what Argo CD follows is not what may be written.
    let outcome = world.once();
    assert_eq!((outcome["result"].as_str(), outcome["code"].as_str()), (Some("held"), Some("target/outside")));
    assert!(outcome["message"].as_str().unwrap().contains("`main`"), "{outcome:#}");
    world.remote.git(&["symbolic-ref", "HEAD", "refs/heads/prod"]);
    assert_eq!(world.once()["result"], "delivered");
}

#[test]
fn a_value_file_that_is_none_of_the_repository_is_said() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let manifest = world.application(&App { name: "web", constraint: "", annotations: &[] })
        + "    helm:\n      valueFiles: [\"../../../x.yaml\", \"$values/a.yaml\", \"https://example.com/v.yaml\"]\n";
    world.remote.commit(&[("argocd/web.yaml", &manifest)], "List value files");
    let said = world.repin(&["once"]);
    assert_eq!(said.json["outcomes"][0]["result"], "delivered", "{said:#?}");
    let problems = said.json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3, "{problems:#?}");
    assert!(
        problems.iter().all(|one| one["severity"] == "warning" && one["code"] == "target/outside"),
        "{problems:#?}"
    );
}
