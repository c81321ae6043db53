//! Files as people write them, and as an attacker would: refused by name, or edited to the byte.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::world::{App, Said, World};

fn outcome<'a>(said: &'a Said, name: &str) -> &'a Value {
    let wanted = format!("argocd/{name}");
    let found: Vec<&Value> =
        said.json["outcomes"].as_array().unwrap().iter().filter(|one| one["application"] == *wanted).collect();
    assert_eq!(found.len(), 1, "{name} in {said:#?}");
    found[0]
}

fn problem<'a>(said: &'a Said, outcome: &Value) -> &'a Value {
    let found = said.json["problems"].as_array().unwrap().iter().find(|one| one["message"] == outcome["message"]);
    found.unwrap_or_else(|| panic!("no problem for {outcome:#} in {said:#?}"))
}

/// Changes the work clone by hand and pushes it as one commit.
fn commit_by_hand(world: &World, change: impl FnOnce(&Path)) {
    world.remote.checkout("main");
    change(&world.remote.work_tree());
    world.remote.work(&["add", "--all"]);
    world.remote.work(&["commit", "--quiet", "--allow-empty", "-m", "By hand"]);
    world.remote.push_work("main");
}

fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

/// Adds an Application per case, and a good one; runs `once`; the good one must be delivered whatever the others are.
fn run_cases(world: &World, cases: &[&str], change: impl FnOnce(&Path)) -> Said {
    for name in cases.iter().chain(&["good"]) {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
    }
    commit_by_hand(world, |root| {
        for name in cases.iter().chain(&["good"]) {
            write(
                root,
                &format!("argocd/{name}.yaml"),
                world.application(&App { name, constraint: "", annotations: &[] }),
            );
        }
        write(root, "apps/good/values.yaml", world.values("good", "1.0.0"));
        change(root);
    });
    let said = world.repin(&["once"]);
    assert_eq!(said.json["outcomes"].as_array().unwrap().len(), cases.len() + 1, "{said:#?}");
    assert_eq!(outcome(&said, "good")["result"], "delivered", "{said:#?}");
    said
}

#[test]
fn a_file_that_cannot_be_edited_is_refused_with_its_place_and_stops_no_other() {
    let world = World::create();
    let bomb = {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(9);
            text.push_str(&format!("a{level}: &a{level} [{}]\n", below.trim_end_matches(", ")));
        }
        text + "image: {tag: 1.0.0}\n"
    };
    let deep = format!("image:\n  tag: 1.0.0\ndeep: {}{}\n", "[".repeat(20_000), "]".repeat(20_000));
    let large = format!("image:\n  tag: 1.0.0\n{}", "# padding line\n".repeat(5 * 1024 * 1024 / 15 + 1));
    let sops = "image:\n  tag: 1.0.0\nsecret: ENC[AES256_GCM,data:x,type:str]\nsops:\n  mac: ENC[AES256_GCM,data:y]\n  version: 3.9.0\n";
    let cases: Vec<(&str, &[u8], &str, &str, &str)> = vec![
        ("broken", b"image:\n  tag: 1.0.0\n bad: [\n", "edit/invalid-yaml", "line 3", "correct line"),
        ("typo", b"image:\n  tags: 1.0.0\n", "edit/no-such-key", "image.tag", "`image.tags`"),
        (
            "elsewhere",
            b"frontend:\n  image:\n    tag: 1.0.0\n",
            "edit/no-such-key",
            "image.tag",
            "`frontend.image.tag`",
        ),
        ("mapping", b"image:\n  tag: {a: 1}\n", "edit/not-a-scalar", "mapping", "image.tag.tag"),
        ("listed", b"image:\n  tag: [1.0.0]\n", "edit/not-a-scalar", "sequence", ""),
        ("sops", sops.as_bytes(), "edit/sops", "SOPS", "not encrypted"),
        ("bomb", bomb.as_bytes(), "edit/too-large", "limit", "file"),
        ("deep", deep.as_bytes(), "edit/", "limit", ""),
        ("large", large.as_bytes(), "edit/too-large", "5242", "file"),
        ("latin", b"# caf\xe9\nimage:\n  tag: 1.0.0\n", "edit/encoding", "not UTF-8 at line 1", "UTF-8"),
        ("binary", b"\x00\x01\xff\xfe", "edit/", "", ""),
        ("anchored", b"base: &tag 1.0.0\nimage:\n  tag: *tag\n", "edit/shared", "lines 1, 3", "alias at line 3"),
        ("anchor", b"image:\n  tag: &tag 1.0.0\nother: *tag\n", "edit/shared", "lines 2, 3", "line 3"),
        (
            "merged",
            b"base: &base\n  tag: 1.0.0\nimage:\n  <<: *base\n",
            "edit/shared",
            "`<<` at line 4",
            "add `tag: 1.1.0`",
        ),
        (
            "twice",
            b"image:\n  tag: 1.0.0\n  tag: 1.0.0\n",
            "edit/duplicate-key",
            "line 2 and again at line 3",
            "remove line",
        ),
        ("twice-above", b"image:\n  tag: 1.0.0\nimage:\n  tag: 1.0.0\n", "edit/duplicate-key", "image", "remove line"),
        ("template", b"image:\n  tag: \"{{ .Chart.AppVersion }}\"\n", "edit/template", "template", "template takes"),
        ("sealed", b"kind: SealedSecret\nimage:\n  tag: 1.0.0\n", "edit/sealed", "SealedSecret", "another file"),
    ];
    let names: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let said = run_cases(&world, &names, |root| {
        cases.iter().for_each(|(name, bytes, ..)| write(root, &format!("apps/{name}/values.yaml"), bytes));
    });
    assert_eq!(said.code, 1);
    for (name, _, code, words, hint) in &cases {
        let outcome = outcome(&said, name);
        assert_eq!(outcome["result"], "failed", "{outcome:#}");
        let found = outcome["code"].as_str().unwrap();
        assert!(found == *code || (code.ends_with('/') && found.starts_with(code)), "{name}: {outcome:#}");
        let file = format!("apps/{name}/values.yaml");
        assert_eq!(outcome["file"], *file);
        let message = outcome["message"].as_str().unwrap();
        assert!(message.contains(words) && message.contains(&file), "{name}: {message}");
        let problem = problem(&said, outcome);
        assert_eq!((&problem["file"], &problem["severity"]), (&Value::from(file), &Value::from("error")));
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{name}: {problem:#}");
    }
    for (name, bytes, ..) in &cases {
        let oid = world.remote.git(&["rev-parse", &format!("main:apps/{name}/values.yaml")]);
        let first = world.remote.git(&["rev-parse", &format!("main~1:apps/{name}/values.yaml")]);
        assert_eq!(oid, first, "{name} ({} bytes) is as it was", bytes.len());
    }
    // `check` says the same without asking a registry; what only an edit would meet is left to `plan`.
    let checked = world.repin(&["check"]);
    assert_eq!(checked.code, 1);
    let only_by_editing = ["edit/shared", "edit/sops", "edit/sealed"];
    for (name, _, code, ..) in cases.iter().filter(|case| !only_by_editing.contains(&case.2)) {
        let file = format!("apps/{name}/values.yaml");
        let found = checked.json["problems"].as_array().unwrap().iter().find(|one| one["file"] == *file);
        let found = found.unwrap_or_else(|| panic!("{name} in {checked:#?}"));
        assert!(found["code"].as_str().unwrap().starts_with(code), "{found:#}");
    }
}

#[test]
fn links_and_submodules_are_never_followed() {
    let world = World::create();
    let secret = world.remote.scratch().join("outside.yaml");
    fs::write(&secret, "image:\n  tag: 1.0.0\n").unwrap();
    let cases = ["link", "outward", "behind", "submodule", "missing", "folder"];
    let said = run_cases(&world, &cases, |root| {
        write(root, "real/values.yaml", world.values("link", "1.0.0"));
        fs::create_dir_all(root.join("apps/link")).unwrap();
        symlink("../../real/values.yaml", root.join("apps/link/values.yaml")).unwrap();
        fs::create_dir_all(root.join("apps/outward")).unwrap();
        symlink(&secret, root.join("apps/outward/values.yaml")).unwrap();
        symlink("../real", root.join("apps/behind")).unwrap();
        write(root, "apps/folder/values.yaml/file", "a directory in the file's place\n");
    });
    // A submodule is an entry without a file.
    world.remote.work(&[
        "update-index",
        "--add",
        "--cacheinfo",
        &format!("160000,{},apps/submodule", world.remote.head()),
    ]);
    world.remote.work(&["commit", "--quiet", "-m", "Submodule"]);
    world.remote.push_work("main");
    let said_again = world.repin(&["once"]);
    for (name, code, words) in [
        ("link", "git/not-regular", "a symlink"),
        ("outward", "git/not-regular", "a symlink"),
        ("behind", "git/not-regular", "behind a symlink"),
        ("submodule", "git/not-regular", "in a submodule"),
        ("missing", "edit/no-such-file", "apps/missing/values.yaml"),
        ("folder", "", "apps/folder/values.yaml"),
    ] {
        let outcome = outcome(&said_again, name);
        assert_eq!(outcome["result"], "failed", "{outcome:#}");
        assert!(outcome["code"].as_str().unwrap().starts_with(code), "{outcome:#}");
        assert!(outcome["message"].as_str().unwrap().contains(words), "{outcome:#}");
        assert!(problem(&said_again, outcome)["hint"].is_string());
    }
    assert_eq!((said.code, said_again.code), (1, 1));
    assert_eq!(fs::read_to_string(secret).unwrap(), "image:\n  tag: 1.0.0\n");
    assert!(world.remote.show("real/values.yaml").contains("1.0.0"));
}

#[test]
fn a_broken_application_file_is_a_problem_and_the_others_go_on() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    commit_by_hand(&world, |root| {
        write(
            root,
            "argocd/broken.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: [unclosed\n",
        );
        write(
            root,
            "argocd/latin.yaml",
            b"apiVersion: argoproj.io/v1alpha1\nkind: Application # \xff\nmetadata:\n  name: latin\n",
        );
        write(root, "notes/unrelated.yaml", "this: [is broken and nobody asked\n");
        write(root, "charts/web/Chart.yaml", "name: web\n");
        write(
            root,
            "charts/web/templates/app.yaml",
            "apiVersion: argoproj.io/v1alpha1\nkind: {{ .Values.kind }}\n{{- if x }}\n",
        );
        symlink("web.yaml", root.join("argocd/linked.yaml")).unwrap();
    });
    for command in ["once", "check"] {
        let said = world.repin(&[command]);
        let problems = said.json["problems"].as_array().unwrap();
        let broken: Vec<&Value> = problems.iter().filter(|one| one["file"] == "argocd/broken.yaml").collect();
        assert_eq!(broken.len(), 1, "{said:#?}");
        assert!(broken[0]["line"].as_u64().is_some_and(|line| line >= 4), "{broken:#?}");
        assert_eq!((&broken[0]["severity"], &broken[0]["repository"]), (&"error".into(), &"gitops".into()));
        assert!(broken[0]["hint"].is_string(), "{broken:#?}");
        assert!(problems.iter().all(|one| one["file"] != "notes/unrelated.yaml"), "{said:#?}");
        assert!(problems.iter().all(|one| !one["file"].as_str().unwrap_or("").contains("templates")), "{said:#?}");
        if command == "once" {
            assert_eq!((said.code, &outcome(&said, "web")["result"]), (0, &"delivered".into()), "{said:#?}");
        }
    }
}

#[test]
fn an_application_file_that_is_a_bomb_is_named_and_the_others_go_on() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let application = |name: &str| world.application(&App { name, constraint: "", annotations: &[] });
    let mut bomb = application("bomb") + "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let deep = application("deep") + "deep: " + &"[".repeat(50_000) + &"]".repeat(50_000) + "\n";
    let large = application("large") + &"# padding line\n".repeat(5 * 1024 * 1024 / 15);
    let unrelated = "# padding line\n".repeat(5 * 1024 * 1024 / 15);
    let twice = application("twice").replace("kind: Application\n", "kind: Application\nkind: Application\n");
    let second = application("first") + "---\nbroken: [\n";
    commit_by_hand(&world, |root| {
        for (name, text) in [
            ("bomb", &bomb),
            ("deep", &deep),
            ("large", &large),
            ("none", &unrelated),
            ("twice", &twice),
            ("second", &second),
        ] {
            write(root, &format!("argocd/{name}.yaml"), text);
        }
    });
    let said = world.repin(&["once"]);
    assert_eq!(outcome(&said, "web")["result"], "delivered", "{said:#?}");
    let problems = said.json["problems"].as_array().unwrap();
    let of = |name: &str| problems.iter().find(|one| one["file"] == format!("argocd/{name}.yaml"));
    for name in ["deep", "large", "second"] {
        let found = of(name).unwrap_or_else(|| panic!("{name} in {said:#?}"));
        assert_eq!((&found["severity"], found["hint"].is_string()), (&"error".into(), true), "{found:#}");
    }
    assert_eq!(of("large").unwrap()["code"], "edit/too-large");
    assert_eq!(of("none"), None);
    // Aliases cost nothing that nobody asks for, and a broken document takes no other one with it.
    for name in ["bomb", "first", "twice"] {
        assert_eq!(outcome(&said, name)["code"], "edit/no-such-file", "{said:#?}");
    }
}

#[test]
fn a_path_that_leaves_the_application_or_the_repository_is_held() {
    let world = World::create();
    let targets = [
        ("up", "helmvalues:../../../etc/values.yaml"),
        ("sideways", "helmvalues:../other/values.yaml"),
        ("root", "helmvalues:/apps/other/values.yaml"),
        ("dot-git", "helmvalues:.git/config"),
        ("encoded", "helmvalues:..%2f..%2fvalues.yaml"),
        ("nul", "helmvalues:a\\0b.yaml"),
    ];
    world.registry.publish("acme/other", &["1.0.0", "1.1.0"]);
    for (name, target) in targets {
        world.registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
        let line = format!("repin.dev/write-back-target: \"{target}\"");
        world.add_app(&App { name, constraint: "", annotations: &[&line] }, "1.0.0");
    }
    world.remote.commit(&[("apps/other/values.yaml", &world.values("other", "1.0.0"))], "Other");
    let head = world.remote.head();
    let said = world.repin(&["once"]);
    for (name, target) in targets {
        let outcome = outcome(&said, name);
        assert!(["held", "failed"].contains(&outcome["result"].as_str().unwrap()), "{target}: {outcome:#}");
        if ["up", "sideways", "root", "dot-git"].contains(&name) {
            assert_eq!(outcome["result"], "held", "{outcome:#}");
            let code = outcome["code"].as_str().unwrap();
            assert!(["target/outside", "annotation/invalid"].contains(&code), "{outcome:#}");
        }
    }
    assert_eq!(outcome(&said, "sideways")["code"], "target/outside");
    assert_eq!(outcome(&said, "root")["code"], "target/outside");
    assert_eq!(world.remote.head(), head);
}

#[test]
fn what_is_written_differs_in_one_scalar_only() {
    let world = World::create();
    let cases: Vec<(&str, &str, &str)> = vec![
        ("crlf", "# windows\r\nimage:\r\n  tag: \"1.0.0\"  # keep\r\n\r\nx: 1", "\"1.0.0\""),
        ("bom", "\u{feff}image:\n  tag: '1.0.0'\n", "'1.0.0'"),
        ("tabs", "image:\n  tag: 1.0.0\t# a tab\n...\n", "1.0.0"),
        ("flow", "{image: {repository: x, tag: 1.0.0}, z: [1,  2]}\n", "1.0.0"),
        ("marker", "---\nimage:\n  tag: 1.0.0\n---\nimage:\n  tag: 0.9.0\n", "1.0.0"),
        ("json", "{\"image\": {\"tag\": \"1.0.0\"}}", "\"1.0.0\""),
        ("quoted-key", "\"image\":\n  'tag': 1.0.0\n", "1.0.0"),
        ("float", "image:\n  tag: 1.0\n", "1.0"),
    ];
    let names: Vec<&str> = cases.iter().map(|case| case.0).collect();
    let said = run_cases(&world, &names, |root| {
        cases.iter().for_each(|(name, text, _)| write(root, &format!("apps/{name}/values.yaml"), text));
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(root.join("apps/flow/values.yaml"), executable).unwrap();
    });
    for (name, before, scalar) in &cases {
        assert_eq!(outcome(&said, name)["result"], "delivered", "{said:#?}");
        let new = scalar.replace("1.0.0", "1.1.0").replace("tag: 1.0\n", "1.1.0");
        let new = if *scalar == "1.0" { "1.1.0".to_owned() } else { new };
        let expected = before.replacen(scalar, &new, 1);
        assert_eq!(world.remote.show(&format!("apps/{name}/values.yaml")), expected, "{name}");
    }
    assert!(world.remote.git(&["ls-tree", "main", "apps/flow/values.yaml"]).starts_with("100755 blob"));
    assert!(world.remote.git(&["ls-tree", "main", "apps/crlf/values.yaml"]).starts_with("100644 blob"));
    world.remote.fsck();
}

#[test]
fn files_in_the_root_and_under_names_of_any_script_are_written() {
    let world = World::create();
    world.configure(&world.standard_config().replace("apps/**", "**"));
    world.registry.publish("acme/rooted", &["1.0.0", "1.1.0"]);
    world.registry.publish("acme/uni", &["1.0.0", "1.1.0"]);
    let rooted = world
        .application(&App { name: "rooted", constraint: "", annotations: &[] })
        .replace("path: apps/rooted", "path: .");
    let folder = "apps/überraschung 世界 # 1";
    let line = "repin.dev/write-back-target: \"helmvalues:werte-ä.yaml\"";
    let uni = world
        .application(&App { name: "uni", constraint: "", annotations: &[line] })
        .replace("path: apps/uni", &format!("path: \"{folder}\""));
    let file = format!("{folder}/werte-ä.yaml");
    world.remote.commit(
        &[
            ("rooted.yaml", &rooted),
            ("values.yaml", &world.values("rooted", "1.0.0")),
            ("argocd/uni.yaml", &uni),
            (&file, &world.values("uni", "1.0.0")),
        ],
        "Add",
    );
    let said = world.repin(&["once"]);
    for (name, path) in [("rooted", "values.yaml"), ("uni", file.as_str())] {
        assert_eq!(
            (&outcome(&said, name)["result"], &outcome(&said, name)["file"]),
            (&"delivered".into(), &path.into()),
            "{said:#?}"
        );
        assert!(world.remote.show(path).contains("\"1.1.0\""));
    }
    let bodies: String = world.remote.log().into_iter().map(|(_, _, body)| body).collect();
    assert!(bodies.contains("Repin-Change: apps/%C3%BCberraschung%20"), "{bodies}");
    // The trailers are read back: a revert of such a file stays.
    let commit = outcome(&said, "uni")["commit"].as_str().unwrap().to_owned();
    world.remote.revert(&commit);
    let said = world.repin(&["once"]);
    assert_eq!(outcome(&said, "uni")["code"], "guard/rolled-back", "{said:#?}");
}
