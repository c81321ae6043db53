//! `repin policy test`: policies held against tags that are written down. No configuration, no network.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{Said, said};

/// A directory with these files, where the commands run.
fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    directory
}

/// Runs `policy test` where there is nothing but these files.
fn run(directory: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
    command.args(["policy", "test"]).args(arguments).current_dir(directory.path()).stdin(Stdio::null());
    command.env_clear().output().unwrap()
}

fn tested(files: &[(&str, &str)], arguments: &[&str]) -> Said {
    said(&run(&directory(files), &[arguments, &["--output", "json"]].concat()))
}

/// The one case of a file with these lines: what was found.
fn found(lines: &str) -> Value {
    let text = format!("cases:\n  - name: it\n{lines}    expect: {{code: nothing/such}}\n");
    let said = tested(&[("cases.yaml", &text)], &["cases.yaml"]);
    assert_eq!((said.code, &said.json["failed"], &said.json["problems"]), (1, &json!(1), &json!([])), "{said:#?}");
    said.json["cases"][0]["found"].clone()
}

const CASES: &str = r#"policies:
  releases: {range: 1.x, ignore-tags: "*-debug"}
cases:
  - name: staging takes tagged releases
    policy: releases
    current: 1.2.0
    tags: [1.2.0, 1.3.0, 2.0.0, latest, 1.4.0-debug]
    expect:
      chosen: 1.3.0
      code: pending
      rejected: {2.0.0: out-of-range, latest: not-a-version, 1.4.0-debug: ignore-tags}
  - name: production is old enough
    policy: {range: 1.x, min-age: 3d}
    current: 1.2.0
    now: 2026-01-05T10:00:00Z
    tags: [1.2.0, {tag: 1.3.0, seen: 2026-01-05T09:00:00Z}]
    expect: {chosen: 1.3.0, rejected: {1.3.0: prerelease}}
"#;

#[test]
fn the_document_is_whole() {
    let said = tested(&[("cases.yaml", CASES)], &["cases.yaml"]);
    assert_eq!(said.code, 1);
    assert_eq!(
        said.json,
        json!({
            "version": 1, "passed": 1, "failed": 1, "problems": [],
            "cases": [
                {
                    "name": "staging takes tagged releases", "file": "cases.yaml", "line": 4, "result": "ok",
                    "expected": {
                        "chosen": "1.3.0", "code": "pending",
                        "rejected": {"2.0.0": "out-of-range", "latest": "not-a-version", "1.4.0-debug": "ignore-tags"},
                    },
                    "found": {
                        "chosen": "1.3.0", "code": "pending",
                        "rejected": {"2.0.0": "out-of-range", "latest": "not-a-version", "1.4.0-debug": "ignore-tags"},
                    },
                    "message": "1.2.0 becomes 1.3.0, the newest that semver 1.x allows",
                },
                {
                    "name": "production is old enough", "file": "cases.yaml", "line": 12, "result": "failed",
                    "expected": {"chosen": "1.3.0", "rejected": {"1.3.0": "prerelease"}},
                    "found": {"chosen": null, "code": "guard/min-age", "rejected": {"1.3.0": "too-young"}},
                    "message": "1.3.0 is 1h old, the policy waits 3d (until 2026-01-08 09:00 UTC)",
                },
            ],
        })
    );
}

#[test]
fn the_text_names_what_is_not_as_expected_and_why() {
    let directory = directory(&[("cases.yaml", CASES)]);
    let output = run(&directory, &["cases.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "\
cases.yaml:4   ok      staging takes tagged releases
cases.yaml:12  FAILED  production is old enough
    chosen: expected 1.3.0, found nothing
    1.3.0: expected prerelease, found too-young (`1.3.0` is 1h old, the policy waits 3d (until 2026-01-08 09:00 UTC))
    guard/min-age: 1.3.0 is 1h old, the policy waits 3d (until 2026-01-08 09:00 UTC)
"
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "1 passed, 1 failed\n");
    let good =
        CASES.replace("chosen: 1.3.0, rejected: {1.3.0: prerelease}", "chosen: null, rejected: {1.3.0: too-young}");
    std::fs::write(directory.path().join("cases.yaml"), good).unwrap();
    let output = run(&directory, &["cases.yaml"]);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b"2 passed, 0 failed\n"[..]));
}

#[test]
fn every_way_of_a_decision_can_be_expected() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let followed = format!(
        "    policy: {{update-strategy: digest, range: dev}}\n    tags: [{{tag: dev, digest: \"{digest}\"}}]\n"
    );
    for (lines, chosen, code, rejected) in [
        (
            "    policy: {range: 1.x}\n    tags: [1.0.0, 1.1.0]\n    current: 1.1.0\n",
            Some("1.1.0"),
            "current",
            json!({"1.0.0": "older"}),
        ),
        (
            "    policy: {range: 1.x}\n    tags: [1.0.0]\n    current: 2.0.0\n",
            None,
            "guard/downgrade",
            json!({"1.0.0": "older"}),
        ),
        (
            "    policy: {range: 1.x, allow-downgrade: true}\n    tags: [1.0.0]\n    current: 2.0.0\n",
            Some("1.0.0"),
            "pending",
            json!({}),
        ),
        (
            "    policy: {}\n    tags: [20240115, latest]\n",
            None,
            "selection/none",
            json!({"20240115": "strict", "latest": "not-a-version"}),
        ),
        (
            "    policy: {strict: false}\n    tags: [20240115, 1.20]\n",
            Some("20240115"),
            "pending",
            json!({"1.20": "older"}),
        ),
        ("    policy: {}\n    tags: []\n", None, "selection/none", json!({})),
        // Somebody went back, and what is above follows or waits.
        (
            "    policy: {}\n    tags: [1.0.0, 1.1.0]\n    stood: [1.0.0, 1.1.0]\n    current: 1.0.0\n",
            None,
            "guard/rolled-back",
            json!({"1.1.0": "rolled-back"}),
        ),
        (
            "    policy: {}\n    tags: [1.0.0, 1.1.0, 1.2.0]\n    stood: [1.1.0]\n    current: 1.0.0\n",
            Some("1.2.0"),
            "pending",
            json!({"1.1.0": "rolled-back"}),
        ),
        (
            "    policy: {after-rollback: wait}\n    tags: [1.0.0, 1.1.0, 1.2.0]\n    stood: [1.1.0]\n    current: 1.0.0\n",
            None,
            "guard/rolled-back",
            json!({"1.1.0": "rolled-back", "1.2.0": "rolled-back"}),
        ),
        // What a case does not say of a tag stands in nobody's way.
        (
            "    policy: {min-age: 30d, platforms: linux/arm64}\n    tags: [1.0.0]\n",
            Some("1.0.0"),
            "pending",
            json!({}),
        ),
        (
            "    policy: {platforms: \"linux/amd64,linux/arm64\"}\n    tags: [1.0.0, {tag: 1.1.0, platforms: [linux/amd64]}]\n",
            Some("1.0.0"),
            "pending",
            json!({"1.1.0": "wrong-platform"}),
        ),
        (
            "    policy: {update-strategy: newest-build}\n    tags: [{tag: b, created: 2026-01-01T00:00:00Z}, {tag: a, created: 2026-01-02T00:00:00Z}, {tag: c, created: null}]\n",
            Some("a"),
            "pending",
            json!({"b": "older", "c": "no-created"}),
        ),
        (
            "    policy: {update-strategy: newest-build}\n    tags: [{tag: b, created: 2026-01-01T00:00:00Z}, {tag: a, created: 2026-01-01T00:00:00Z}]\n",
            None,
            "created/unusable",
            json!({}),
        ),
        (
            "    policy: {update-strategy: numerical, allow-tags: 'regexp:^b([0-9]+)$', extract: $1}\n    tags: [b9, b10, c11]\n",
            Some("b10"),
            "pending",
            json!({"b9": "older", "c11": "allow-tags"}),
        ),
        (&followed, Some("dev"), "pending", json!({})),
        (&format!("{followed}    current: dev@{digest}\n"), Some("dev"), "current", json!({})),
        (&format!("{followed}    current: dev@{}\n", digest.replace("ab", "cd")), Some("dev"), "pending", json!({})),
    ] {
        assert_eq!(found(lines), json!({"chosen": chosen, "code": code, "rejected": rejected}), "{lines}");
    }
    // With a digest it is looked at too.
    for (expected, code) in [(format!("dev@{digest}"), 0), (format!("dev@{}", digest.replace("ab", "cd")), 1)] {
        let text = format!("cases:\n  - name: it\n{followed}    expect: {{chosen: \"{expected}\"}}\n");
        assert_eq!(tested(&[("cases.yaml", &text)], &["cases.yaml"]).code, code, "{expected}");
    }
}

/// A manifest with two images.
const MANIFEST: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n    \
    repin.dev/image-list: app=ghcr.io/acme/web:1.x, db=ghcr.io/acme/db:~2.0\n    repin.dev/app.ignore-tags: \"*-debug\"\n    \
    repin.dev/app.helm.image-tag: image.tag\nspec:\n  source: {repoURL: https://git.example.com/gitops.git, path: apps/web}\n";

#[test]
fn the_annotations_of_a_manifest_are_tested_as_they_stand() {
    let cases = "cases:\n  - name: app\n    manifest: ../argocd/web.yaml\n    alias: app\n    tags: [1.0.0, 1.1.0, 1.2.0-debug, 2.0.0]\n    \
        expect: {chosen: 1.1.0, rejected: {1.2.0-debug: ignore-tags, 2.0.0: out-of-range}}\n  \
        - name: db\n    manifest: ../argocd/web.yaml\n    application: argocd/web\n    alias: db\n    current: 2.0.1\n    tags: [2.0.1, 2.1.0]\n    expect: {code: current}\n";
    let files = [("ci/cases.yaml", cases), ("argocd/web.yaml", MANIFEST)];
    let said = tested(&files, &["ci/cases.yaml"]);
    assert_eq!((said.code, &said.json["passed"], &said.json["problems"]), (0, &json!(2), &json!([])), "{said:#?}");
    // A key that nobody reads is told with the manifest's line, and the cases run.
    let misspelt = MANIFEST.replace("app.ignore-tags", "app.ignore-tag");
    let said = tested(&[("ci/cases.yaml", cases), ("argocd/web.yaml", &misspelt)], &["ci/cases.yaml"]);
    let problem = &said.json["problems"][0];
    assert_eq!((said.code, &said.json["passed"], &said.json["failed"]), (1, &json!(1), &json!(1)), "{said:#?}");
    assert_eq!(
        (&problem["code"], &problem["line"], &problem["repository"]),
        (&json!("annotation/unknown-key"), &json!(7), &Value::Null)
    );
    assert!(problem["file"].as_str().unwrap().ends_with("argocd/web.yaml"), "{problem:#}");
    assert_eq!(said.json["problems"].as_array().unwrap().len(), 1, "once, not for each case: {said:#?}");
    // What holds an image in a cycle holds it here.
    let legacy = MANIFEST.replace("repin.dev/", "argocd-image-updater.argoproj.io/");
    let held = "cases:\n  - {name: it, manifest: m.yaml, alias: app, tags: [1.0.0], expect: {chosen: null, code: unsupported/write-back-method}}\n";
    let said = tested(&[("c.yaml", held), ("m.yaml", &legacy)], &["c.yaml"]);
    assert_eq!((said.code, &said.json["passed"]), (1, &json!(1)), "{said:#?}");
    let allowed =
        legacy.replace("image-list", "write-back-target: helmvalues\n    argocd-image-updater.argoproj.io/image-list");
    let taken =
        format!("legacy_argocd_method: as-git\n{}", held.replace("null, code: unsupported/write-back-method", "1.0.0"));
    let said = tested(&[("c.yaml", &taken), ("m.yaml", &allowed)], &["c.yaml"]);
    assert_eq!((said.code, &said.json["problems"]), (0, &json!([])), "{said:#?}");
}

#[test]
fn a_manifest_that_gives_no_policy_is_named_with_what_to_do() {
    let twice = format!("{MANIFEST}---\n{}", MANIFEST.replace("name: web", "name: api"));
    let single = MANIFEST.replace(", db=ghcr.io/acme/db:~2.0", "");
    for (manifest, keys, message, hint) in [
        (MANIFEST, "", "argocd/web lists 2 images", "add `alias`, one of `app`, `db`"),
        (MANIFEST, ", alias: ap", "argocd/web has no alias `ap`", "`app`, `db`"),
        (MANIFEST, ", application: api", "no annotated Application `api`", "`argocd/web`"),
        (&twice, ", alias: app", "2 annotated Applications", "add `application`, one of `argocd/web`, `argocd/api`"),
        ("a: b\n", "", "no annotated Application", "`policy`"),
        ("a: [\n", "", "no annotated Application", "`policy`"),
        (&single, ", policy: {}", "stands beside `policy`", "keep one"),
    ] {
        let case =
            format!("cases:\n  - {{name: it, manifest: m.yaml{keys}, tags: [1.0.0], expect: {{chosen: 1.0.0}}}}\n");
        let said = tested(&[("c.yaml", &case), ("m.yaml", manifest)], &["c.yaml"]);
        let problem = &said.json["problems"][0];
        assert_eq!((said.code, &problem["line"], &problem["file"]), (2, &json!(2), &json!("c.yaml")), "{said:#?}");
        assert!(problem["message"].as_str().unwrap().contains(message), "{problem:#}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem:#}");
    }
    let case = "cases:\n  - {name: it, manifest: nowhere.yaml, tags: [1.0.0], expect: {chosen: 1.0.0}}\n";
    let said = tested(&[("c.yaml", case)], &["c.yaml"]);
    assert_eq!((said.code, &said.json["problems"][0]["code"]), (2, &json!("config/unreadable")), "{said:#?}");
}

#[test]
fn everything_that_is_wrong_with_a_file_is_told_at_once_with_its_line() {
    let text = "policies:\n  releases: {range: 1.x, platform: linux/amd64}\n  other: {git-branch: main, range: nonsense-}\ncases:\n  \
        - name: a\n    policy: relaeses\n    tags: [1.0.0, a b, 1.0.0]\n    expect: {chosen: 3.0.0}\n  \
        - name: a\n    policy: {range: 1.x}\n    polcy: x\n    current: \"${TAG}\"\n    tags: [{tag: 1.0.0, seen: yesterday, digset: x}]\n    expect: {}\n  \
        - tags: 1.0.0\n    alias: x\n    expect: {chosen: null, rejected: {9.9.9: out-of-rang}}\n";
    let said = tested(&[("c.yaml", text)], &["c.yaml"]);
    assert_eq!((said.code, &said.json["cases"], &said.json["passed"]), (2, &json!([]), &json!(0)));
    let problems = said.json["problems"].as_array().unwrap();
    let found: Vec<String> =
        problems.iter().map(|one| format!("{} {}", one["line"], one["code"].as_str().unwrap())).collect();
    assert_eq!(
        found,
        [
            "2 annotation/unknown-key",
            "3 annotation/unknown-key",
            "3 annotation/invalid",
            "6 config/invalid-value",
            "7 config/invalid-value",
            "7 config/duplicate",
            "11 config/unknown-key",
            "12 config/invalid-value",
            "13 config/unknown-key",
            "13 config/invalid-value",
            "14 config/missing-key",
            "15 config/missing-key",
            "15 config/missing-key",
            "15 config/invalid-value",
            "16 config/invalid-value",
            "17 config/invalid-value",
        ],
        "{said:#?}"
    );
    assert!(problems.iter().all(|one| one["hint"].is_string() && one["file"] == "c.yaml"), "{said:#?}");
    for (line, hint) in
        [(0, "`platforms`"), (3, "`releases`"), (6, "`policy`"), (8, "`digest`"), (15, "`out-of-range`")]
    {
        assert!(problems[line]["hint"].as_str().unwrap().contains(hint), "{hint}: {:#}", problems[line]);
    }
    let case = |policy: &str, rest: &str| format!("cases:\n  - name: it\n    policy: {policy}\n{rest}");
    for (text, line, message) in [
        ("cases: []\n".to_owned(), 1, "nothing would be tested"),
        ("{}\n".to_owned(), 1, "`cases` is missing"),
        (String::new(), 1, "is empty"),
        ("cases: [\n".to_owned(), 1, "is no YAML"),
        ("cases: []\n---\ncases: []\n".to_owned(), 3, "holds 2 YAML documents"),
        (case("{range: 1.x}", "    tags: [1.0.0]\n    expect: {chosen: 1.1.0}\n"), 5, "`tags` has no such tag"),
        (case("{range: 1.x}", "    tags: [1.0.0]\n    expect: {rejected: {1.1.0: older}}\n"), 5, "none of the `tags`"),
        (
            case("{min-age: 1d}", "    tags: [{tag: 1.0.0, seen: 2026-01-01T00:00:00Z}]\n    expect: {code: x}\n"),
            4,
            "does not say what time it is",
        ),
        (
            case("{update-strategy: newest-build}", "    tags: [{tag: a}]\n    expect: {chosen: a}\n"),
            4,
            "has no `created`",
        ),
        (
            case("{range: 1.x, soak: 1h}", "    tags: [1.0.0]\n    expect: {chosen: 1.0.0}\n"),
            3,
            "does not say which tag is taken",
        ),
    ] {
        let said = tested(&[("c.yaml", &text)], &["c.yaml"]);
        let problem = &said.json["problems"][0];
        assert_eq!(
            (said.code, &problem["line"], said.json["problems"].as_array().unwrap().len()),
            (2, &json!(line), 1),
            "{text}: {said:#?}"
        );
        assert!(problem["message"].as_str().unwrap().contains(message), "{problem:#}");
        assert!(problem["hint"].is_string(), "{problem:#}");
    }
}

#[test]
fn several_files_are_one_test_and_one_that_is_broken_stops_all() {
    let case = |name: &str, chosen: &str| {
        format!(
            "cases:\n  - {{name: {name}, policy: {{range: 1.x}}, tags: [1.0.0, 2.0.0], expect: {{chosen: {chosen}}}}}\n"
        )
    };
    let (good, bad) = (case("good", "1.0.0"), case("bad", "2.0.0"));
    let files = [("a.yaml", good.as_str()), ("b.yaml", &bad), ("broken.yaml", "cases: 1\n")];
    let said = tested(&files, &["a.yaml", "b.yaml"]);
    let names: Vec<&Value> = said.json["cases"].as_array().unwrap().iter().map(|case| &case["file"]).collect();
    assert_eq!((said.code, names), (1, vec![&json!("a.yaml"), &json!("b.yaml")]));
    assert_eq!((&said.json["passed"], &said.json["failed"]), (&json!(1), &json!(1)));
    let said = tested(&files, &["a.yaml", "broken.yaml", "nowhere.yaml"]);
    let problems = said.json["problems"].as_array().unwrap();
    assert_eq!((said.code, &said.json["cases"], problems.len()), (2, &json!([]), 2), "{said:#?}");
    assert_eq!((&problems[0]["file"], &problems[1]["file"]), (&json!("broken.yaml"), &json!("nowhere.yaml")));
    // A bare command line is none, and there is no clock to set.
    for arguments in [&[][..], &["a.yaml", "--now", "2026-01-01T00:00:00Z"], &["a.yaml", "--bogus"]] {
        let said = tested(&files, arguments);
        assert_eq!(
            (said.code, &said.json["cases"], &said.json["failed"]),
            (2, &json!([]), &json!(0)),
            "{arguments:?} {said:#?}"
        );
    }
    assert!(!Path::new("cases.yaml").exists());
}

#[test]
fn a_case_says_which_tag_is_signed() {
    let lines = |tags: &str| {
        format!("    policy: {{range: 1.x, verify: 'cosign:any'}}\n    current: 1.0.0\n    tags: {tags}\n")
    };
    let found_of = |tags: &str| found(&lines(tags));
    let one = found_of("[1.0.0, 1.1.0, {tag: 1.2.0, signed: false}]");
    assert_eq!((&one["chosen"], &one["rejected"]["1.2.0"]), (&json!("1.1.0"), &json!("unverified")), "{one:#}");
    let none = found_of("[1.0.0, {tag: 1.1.0, signed: false}]");
    assert_eq!((&none["chosen"], &none["code"]), (&Value::Null, &json!("guard/unverified")), "{none:#}");
    let all = found_of("[1.0.0, {tag: 1.1.0, signed: true}]");
    assert_eq!(all["chosen"], "1.1.0", "{all:#}");
}
