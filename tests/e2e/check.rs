//! `check`: every problem of configuration, annotations and files, each with its place and what to do.

use serde_json::{Value, json};

use crate::table::{self, PLAIN, Row};
use crate::world::{Said, World};

/// `file:line code`, sorted; every problem has a hint.
fn places(said: &Said) -> Vec<String> {
    let mut found: Vec<String> = said.json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(one["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{one:#}");
            assert!(!one["message"].as_str().unwrap().is_empty());
            let line = one["line"].as_u64().map_or("-".to_owned(), |line| line.to_string());
            format!("{}:{line} {}", one["file"].as_str().unwrap_or("-"), one["code"].as_str().unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn annotations_that_are_wrong_are_named_with_their_line() {
    let rows = [
        Row::new("fine", PLAIN),
        Row::new("list", "repin.dev/app.helm.image-tag: image.tag\nrepin.dev/image-list: app=HOST/Acme/X"),
        Row::new("nolist", "repin.dev/app.helm.image-tag: image.tag"),
        Row::new("empty", "repin.dev/app.helm.image-tag: image.tag\nrepin.dev/image-list: ' , '"),
        Row::new(
            "value",
            "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: image.tag\n# a comment\nrepin.dev/strict: x\nrepin.dev/typo: x",
        ),
        Row::new("auto", "repin.dev/image-list: app=IMAGE"),
        Row::new(
            "unbuilt",
            "repin.dev/image-list: app=IMAGE\nrepin.dev/require-healthy: 'true'\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/notify: chat",
        ),
    ];
    let world = table::world(&rows);
    let said = world.repin(&["check"]);
    assert_eq!(said.code, 1);
    assert_eq!(
        places(&said),
        [
            "argocd/empty.yaml:7 annotation/orphan-key",
            "argocd/empty.yaml:8 annotation/invalid",
            "argocd/list.yaml:8 annotation/invalid",
            "argocd/nolist.yaml:1 annotation/no-image-list",
            "argocd/unbuilt.yaml:10 unsupported/notify",
            "argocd/unbuilt.yaml:8 unsupported/require-healthy",
            "argocd/value.yaml:10 annotation/invalid",
            "argocd/value.yaml:11 annotation/unknown-key",
        ],
        "{said:#?}"
    );
    assert!(
        said.json["problems"]
            .as_array()
            .unwrap()
            .iter()
            .all(|one| one["repository"] == "gitops" && one["severity"] == "error")
    );
    assert_eq!(said.json.as_object().unwrap().len(), 2, "{said:#?}");
    // It asks no registry and writes nothing.
    assert!(world.registry.requests().is_empty());
    assert_eq!(world.remote.log().len(), 1);
}

#[test]
fn files_that_cannot_be_written_are_named() {
    let files =
        |name: &'static str, files: &'static [(&'static str, &'static str)]| Row { files, ..Row::new(name, PLAIN) };
    let outside = format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:/other/values.yaml");
    let escape = format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:../../../x.yaml");
    let name = format!("{PLAIN}\nrepin.dev/app.helm.image-name: image.repository");
    let rows = [
        files("nokey", &[("values.yaml", "a: 1\nimages:\n  tag: 1\n")]),
        files("nofile", &[("values.yaml", "-")]),
        files("broken", &[("values.yaml", "# x\nimage:\n  tag: [\n")]),
        files("twice", &[("values.yaml", "image:\n  tag: 1.0.0\n  tag: 1.0.0\n")]),
        files(
            "sops",
            &[("values.yaml", "image:\n  tag: ENC[AES256_GCM,data:x]\nsops:\n  mac: ENC[x]\n  version: 3.9.0\n")],
        ),
        files("template", &[("values.yaml", "\nimage:\n  tag: '{{ .tag }}'\n")]),
        files("map", &[("values.yaml", "image:\n  tag: {a: 1}\n")]),
        Row { files: &[("/other/values.yaml", "image: {tag: 1.0.0}\n")], ..Row::new("outside", &outside) },
        Row::new("escape", &escape),
        Row { files: &[("values.yaml", "image:\n  repository: nginx\n  tag: 1.0.0\n")], ..Row::new("name", &name) },
    ];
    let world = table::world(&rows);
    let said = world.repin(&["check"]);
    assert_eq!(said.code, 1);
    let found = places(&said);
    for expected in [
        "apps/nokey/values.yaml:- edit/no-such-key",
        "apps/nofile/values.yaml:- edit/no-such-file",
        "apps/broken/values.yaml:",
        "apps/twice/values.yaml:",
        "apps/sops/values.yaml:",
        "apps/template/values.yaml:3 edit/template",
        "apps/map/values.yaml:",
        "other/values.yaml:- target/outside",
        "argocd/escape.yaml:9 target/outside",
        "apps/name/values.yaml:2 edit/other-image",
    ] {
        assert_eq!(found.iter().filter(|one| one.starts_with(expected)).count(), 1, "{expected}: {found:#?}");
    }
    assert_eq!(found.len(), rows.len(), "{found:#?}");
    // The name of the Application, for two may share a file.
    for one in said.json["problems"].as_array().unwrap() {
        assert!(one["message"].as_str().unwrap().contains("argocd/"), "{one:#}");
    }
    // `once` says the same of the same files.
    let once = world.repin(&["once"]);
    assert_eq!(once.code, 1);
    for row in &rows {
        let one = table::outcome(&once, row.name);
        let held = ["outside", "escape"].contains(&row.name);
        assert_eq!(one["result"], if held { "held" } else { "failed" }, "{one:#}");
    }
}

#[test]
fn manifests_that_cannot_be_read_are_named_and_the_rest_goes_on() {
    let world = table::world(&[Row::new("web", PLAIN)]);
    let good = world.remote.show("argocd/web.yaml");
    let second = good.replace("name: web", "name: second");
    let files = [
        ("bad/syntax.yaml", format!("a: [\n---\n{second}")),
        (
            "bad/twice.yaml",
            format!("{}---\n{}", good.replace("name: web", "name: t"), good.replace("name: web", "name: t")),
        ),
        ("bad/name.yaml", good.replace("name: web", "name: \"{{ x }}\"")),
        ("bad/set.yaml", good.replace("kind: Application", "kind: ApplicationSet")),
        ("bad/value.yaml", good.replace("image-list: app=", "image-list: [x] #")),
        ("chart/Chart.yaml", "name: c\n".to_owned()),
        ("chart/templates/app.yaml", format!("{{{{- if .Values.x }}}}\n{good}{{{{ end }}}}\n")),
        ("fine/other.yaml", "a: [\n".to_owned()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    world.remote.commit(&files, "Add bad ones");
    let said = world.repin(&["check"]);
    let found = places(&said);
    for expected in [
        "bad/syntax.yaml:1 manifest/invalid-yaml",
        "bad/twice.yaml:",
        "bad/name.yaml:1 manifest/no-name",
        "bad/set.yaml:1 unsupported/applicationset",
        "bad/value.yaml:7 annotation/invalid",
    ] {
        assert_eq!(found.iter().filter(|one| one.starts_with(expected)).count(), 1, "{expected}: {found:#?}");
    }
    assert!(!found.iter().any(|one| one.starts_with("chart/") || one.starts_with("fine/")), "{found:#?}");
    let plan = world.repin(&["plan"]);
    for name in ["web", "second", "t"] {
        assert_eq!(table::outcome(&plan, name)["result"], "pending", "{plan:#?}");
    }
}

#[test]
fn problems_of_the_configuration_come_all_at_once_with_line_and_key() {
    let world = World::create();
    world.configure(
        "schedule: never\nbogus: 1\nrepositories:\n  - name: a b\n    url: ftp://x\n    branch: ../x\n  - url: https://git.example/a.git\nregistries:\n  - insecure: maybe\nrules:\n  - match: {paths: x}\n    delivery: fast\nserver: {listen: here}\n",
    );
    let said = world.repin(&["check"]);
    assert_eq!(said.code, 3);
    let lines: Vec<u64> =
        said.json["problems"].as_array().unwrap().iter().filter_map(|one| one["line"].as_u64()).collect();
    for line in [1, 2, 4, 5, 6, 7, 9, 11, 12, 13] {
        assert!(lines.contains(&line), "{line}: {said:#?}");
    }
    for one in said.json["problems"].as_array().unwrap() {
        assert_eq!((&one["repository"], &one["file"]), (&Value::Null, &json!(world.config().display().to_string())));
        assert!(one["hint"].is_string() && one["code"].as_str().unwrap().starts_with("config/"), "{one:#}");
    }
}

#[test]
fn warnings_alone_are_fine_and_stand_beside_errors() {
    let unused = PLAIN.replace("app=IMAGE", "app=IMAGE:1.x");
    let unused = format!("{unused}\nrepin.dev/update-strategy: name");
    let world = table::world(&[Row::new("web", &unused)]);
    let said = world.repin(&["check"]);
    assert_eq!((said.code, &said.json["problems"][0]["severity"]), (0, &json!("warning")), "{said:#?}");
    assert_eq!(places(&said), ["argocd/web.yaml:7 annotation/unused"]);
    table::commit(&world, &[Row::new("bad", &format!("{PLAIN}\nrepin.dev/strict: x"))]);
    let said = world.repin(&["check"]);
    assert_eq!((said.code, said.json["problems"].as_array().unwrap().len()), (1, 2));
}

#[test]
fn text_names_place_problem_and_hint() {
    let world = table::world(&[Row::new("web", &format!("{PLAIN}\nrepin.dev/update-interval: 5m"))]);
    let output = world.command(&["check"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for part in
        ["argocd/web.yaml:9", "`update-interval`", "hint: did you mean `interval`?", "error", "annotation/unknown-key"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(String::from_utf8(output.stderr).unwrap().contains("1 errors, 0 warnings"));
}
