//! What scripts rely on: documents, identities, exit codes, streams.

use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::table::{self, PLAIN, Row, outcome, verdict};
use crate::world::{App, Said, World, said};

fn id(parts: [&str; 6]) -> String {
    let digest = Sha256::digest(parts.join("\0"));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A text, or null where that is allowed.
fn is_text(value: &Value, nullable: bool) -> bool {
    value.is_string() || (nullable && value.is_null())
}

fn check_problem(problem: &Value) {
    let fields = ["code", "file", "hint", "line", "message", "repository", "severity"];
    let mut found = keys(problem);
    found.sort_unstable();
    assert_eq!(found, fields, "{problem:#}");
    assert!(["error", "warning"].contains(&problem["severity"].as_str().unwrap()));
    assert!(!problem["message"].as_str().unwrap().is_empty() && !problem["code"].as_str().unwrap().is_empty());
    assert!(
        is_text(&problem["file"], true) && is_text(&problem["hint"], true) && is_text(&problem["repository"], true)
    );
    assert!(problem["line"].is_null() || problem["line"].as_u64().is_some_and(|line| line > 0));
}

fn check_cycle(document: &Value) {
    let mut found = keys(document);
    found.sort_unstable();
    assert_eq!(found, ["outcomes", "problems", "version"]);
    assert_eq!(document["version"], 1);
    document["problems"].as_array().unwrap().iter().for_each(check_problem);
    let mut ids = Vec::new();
    for one in document["outcomes"].as_array().unwrap() {
        let mut found = keys(one);
        found.sort_unstable();
        let all = [
            "alias",
            "application",
            "code",
            "commit",
            "environment",
            "file",
            "from",
            "id",
            "image",
            "key",
            "message",
            "pull_request",
            "repository",
            "result",
            "to",
            "until",
        ];
        assert_eq!(found, all, "{one:#}");
        for field in ["application", "repository", "alias", "image", "result", "code", "message"] {
            assert!(one[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {one:#}");
        }
        for field in ["file", "key", "from", "to", "environment", "until", "commit", "pull_request"] {
            assert!(is_text(&one[field], true), "{field}: {one:#}");
        }
        let id = one["id"].as_str().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f')), "{id}");
        ids.push(id);
    }
    ids.sort_unstable();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count, "{document:#}");
}

/// A command of its own with exactly these arguments.
fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
    command.args(arguments).env_remove("REPIN_CONFIG").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

/// Applications of every result: current, pending, held by a rule, unsupported, invalid, failed.
fn mixed() -> World {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.registry.publish("acme/api", &["1.0.0"]);
    world.add_app(&App { name: "web", constraint: "1.x", annotations: &[] }, "1.0.0");
    world.add_app(&App { name: "api", constraint: "", annotations: &[] }, "1.0.0");
    world.add_app(&App { name: "gone", constraint: "", annotations: &[] }, "1.0.0");
    world.add_app(&App { name: "unbuilt", constraint: "", annotations: &["repin.dev/notify: chat"] }, "1.0.0");
    let bad = Row::new("bad", "repin.dev/image-list: \"app=HOST/Acme/X\"");
    let null = Row { files: &[("values.yaml", "image: {tag: ~}\n")], ..Row::new("nil", PLAIN) };
    let unruled = table::manifest(&world, "unruled", PLAIN, "path: other");
    table::commit(&world, &[bad, null]);
    world
        .remote
        .commit(&[("argocd/unruled.yaml", &unruled), ("other/values.yaml", &world.values("web", "1.0.0"))], "More");
    world
}

#[test]
fn every_outcome_has_all_fields_and_an_id_that_anybody_can_compute() {
    let world = mixed();
    let plan = world.repin(&["plan"]);
    let once = world.repin(&["once"]);
    check_cycle(&plan.json);
    check_cycle(&once.json);
    for said in [&plan, &once] {
        for (name, file, key) in [
            ("web", "apps/web/values.yaml", "image.tag"),
            ("gone", "apps/gone/values.yaml", "image.tag"),
            ("unruled", "other/values.yaml", "image.tag"),
            ("bad", "", ""),
            ("nil", "apps/nil/values.yaml", "image.tag"),
        ] {
            let one = outcome(said, name);
            let label = format!("argocd/{name}");
            let defined = format!("argocd/{name}.yaml");
            assert_eq!(
                one["id"],
                id(["gitops", &defined, &label, one["alias"].as_str().unwrap(), file, key]),
                "{one:#}"
            );
        }
    }
    for (name, planned, done) in [
        ("web", "pending pending", "delivered delivered"),
        ("api", "current current", "current current"),
        ("gone", "failed registry/not-found", "failed registry/not-found"),
        ("unbuilt", "held unsupported/notify", "held unsupported/notify"),
        ("bad", "held annotation/invalid", "held annotation/invalid"),
        ("nil", "pending pending", "delivered delivered"),
        ("unruled", "held rule/none", "held rule/none"),
    ] {
        assert_eq!(
            (verdict(outcome(&plan, name)), verdict(outcome(&once, name))),
            (planned.into(), done.into()),
            "{name}"
        );
    }
    let (nil, web) = (outcome(&once, "nil"), outcome(&once, "web"));
    assert_eq!((&nil["from"], &nil["to"]), (&Value::Null, &json!("1.1.0")));
    assert_eq!((&web["from"], &web["to"]), (&json!("1.0.0"), &json!("1.1.0")));
    for hold in ["unbuilt", "bad", "unruled", "gone", "api"] {
        assert!(outcome(&once, hold)["commit"].is_null());
    }
    assert!(outcome(&plan, "web")["commit"].is_null());
    assert_eq!(outcome(&once, "unruled")["environment"], Value::Null);
    assert_eq!(outcome(&once, "api")["environment"], "dev");
}

#[test]
fn an_id_of_the_configuration_has_no_defining_file() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0"]);
    world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.0.0"))], "Add");
    world.configure(&format!(
        "{}applications:\n- {{name: web, repository: gitops, path: apps/web, annotations: {{image-list: 'app={}', app.helm.image-tag: image.tag}}}}\n",
        world.standard_config(),
        world.image("web")
    ));
    let said = world.repin(&["once"]);
    assert_eq!(
        outcome(&said, "web")["id"],
        id(["gitops", "", "argocd/web", "app", "apps/web/values.yaml", "image.tag"])
    );
}

#[test]
fn exit_codes_say_what_became_of_it() {
    let fine = World::with_web(&["1.0.0"]);
    for (command, code) in [("once", 0), ("plan", 0), ("check", 0)] {
        assert_eq!(fine.repin(&[command]).code, code, "{command}");
    }
    let pending = World::with_web(&["1.0.0", "1.1.0"]);
    assert_eq!((pending.repin(&["plan"]).code, pending.repin(&["check"]).code), (4, 0));
    // Held and problems alone are fine for a cycle; `check` is there to complain.
    let held = table::world(&[Row::new("web", &format!("{PLAIN}\nrepin.dev/pin: digest\nrepin.dev/nonsense: x"))]);
    for (command, code) in [("once", 0), ("plan", 0), ("check", 1)] {
        assert_eq!(held.repin(&[command]).code, code, "{command}");
    }
    // Failed beats pending, and does not stop the other one.
    let mixed = mixed();
    assert_eq!((mixed.repin(&["plan"]).code, mixed.repin(&["once"]).code, mixed.repin(&["check"]).code), (1, 1, 1));
    assert_eq!(mixed.tag("web"), "1.1.0");
    let warned =
        table::world(&[Row::new("web", &format!("{PLAIN}\nrepin.dev/strict: \"true\"\nrepin.dev/strict: \"true\""))]);
    let said = warned.repin(&["check"]);
    assert_eq!((said.code, &said.json["problems"][0]["severity"]), (0, &json!("warning")), "{said:#?}");
    assert_eq!(said.json["problems"].as_array().unwrap().len(), 1);
    let nothing = World::create();
    nothing.remote.commit(&[("README", "x\n")], "Start");
    for (command, code) in [("once", 0), ("plan", 0), ("check", 0)] {
        let said = nothing.repin(&[command]);
        assert_eq!(said.code, code, "{command}");
        assert_eq!(said.json["problems"], json!([]));
    }
}

#[test]
fn without_a_repository_to_read_everything_fails_and_says_so() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let config = world.standard_config().replace("remote.git", "nowhere.git");
    world.configure(&config);
    for command in ["once", "plan", "check"] {
        let said = world.repin(&[command]);
        assert_eq!(said.code, 1, "{command}: {said:#?}");
        let problem = &said.json["problems"][0];
        check_problem(problem);
        assert_eq!(problem["repository"], "gitops");
        assert!(problem["hint"].is_string(), "{problem:#}");
    }
    let said = world.repin(&["explain", "web"]);
    assert_eq!((said.code, &said.json["application"]), (1, &Value::Null), "{said:#?}");
}

/// The document of a command that was not run.
fn check_empty(command: &str, said: &Said) -> Value {
    let document = &said.json;
    let mut expected = Map::new();
    expected.insert("version".into(), json!(1));
    expected.insert("problems".into(), document["problems"].clone());
    match command {
        "once" | "plan" => drop(expected.insert("outcomes".into(), json!([]))),
        "explain" => {
            expected.insert("application".into(), Value::Null);
            expected.insert("images".into(), json!([]));
        }
        "history" => {
            expected.extend([("entries".into(), json!([])), ("left_out".into(), json!(0))]);
        }
        "trace" => {
            let query = json!({"kind": null, "text": null, "revision": null, "pull_request": null});
            expected.extend([("query".into(), query), ("services".into(), json!([]))]);
        }
        "pulls" => expected.extend([("pulls".into(), json!([])), ("waiting".into(), json!([]))]),
        "tags" => {
            for field in ["image", "policy", "current", "chosen", "digest", "message", "truncated"] {
                expected.insert(field.into(), Value::Null);
            }
            expected.extend([
                ("gates".into(), json!([])),
                ("candidates".into(), json!([])),
                ("dropped".into(), json!(0)),
            ]);
        }
        "login-check" => drop(expected.insert("registries".into(), json!([]))),
        "policy" => {
            expected.extend([("cases".into(), json!([])), ("passed".into(), json!(0)), ("failed".into(), json!(0))])
        }
        _ => {}
    }
    assert_eq!(*document, Value::Object(expected), "{command}");
    let problems = document["problems"].as_array().unwrap();
    assert!(!problems.is_empty());
    problems.iter().for_each(check_problem);
    problems[0].clone()
}

#[test]
fn a_wrong_command_line_is_exit_2_with_the_commands_document() {
    let world = World::with_web(&["1.0.0"]);
    let config = world.config().display().to_string();
    let cases: &[(&str, &[&str])] = &[
        ("once", &["once", "--bogus"]),
        ("once", &["once", "extra"]),
        ("once", &["once", "--now", "yesterday"]),
        ("once", &["--now", "2026-01-01", "once"]),
        ("once", &["once", "--now"]),
        ("plan", &["plan", "--now=12:00"]),
        ("plan", &["plan", "-x"]),
        ("explain", &["explain"]),
        ("explain", &["explain", "web", "app", "more"]),
        ("explain", &["explain", "web", "--keep"]),
        ("history", &["history", "web", "more"]),
        ("history", &["history", "--bogus"]),
        ("history", &["history", "--limit", "x"]),
        ("history", &["history", "--now", "tomorrow"]),
        ("trace", &["trace"]),
        ("trace", &["trace", "web", "more"]),
        ("trace", &["trace", "web", "--bogus"]),
        ("pulls", &["pulls", "web"]),
        ("check", &["check", "--now", "2026-01-01T00:00:00Z"]),
        ("check", &["check", "--keep"]),
        ("check", &["bogus"]),
        ("check", &[]),
        ("tags", &["tags"]),
        ("tags", &["tags", "nginx", "more"]),
        ("tags", &["tags", "nginx", "--limit", "x"]),
        ("tags", &["tags", "nginx", "--policy", "plan", "--bogus"]),
        ("tags", &["tags", "nginx", "--now", "tomorrow"]),
        ("login-check", &["login-check", "--bogus"]),
        ("login-check", &["login-check", "ghcr.io", "--image"]),
        ("login-check", &["login-check", "--now", "2026-01-01T00:00:00Z"]),
        ("policy", &["policy"]),
        ("policy", &["policy", "test"]),
        ("policy", &["policy", "bogus"]),
        ("policy", &["policy", "test", "x.yaml", "--now", "2026-01-01T00:00:00Z"]),
        ("run", &["run", "--now", "2026-01-01T00:00:00Z"]),
        // The name of a command as a value is none.
        ("once", &["--config", "plan", "once", "--bogus"]),
        ("plan", &["--config", "check", "plan", "--bogus"]),
        ("explain", &["--config=check", "explain"]),
    ];
    for (command, arguments) in cases {
        for json in [&["--output", "json"][..], &["--output=json"]] {
            for before in [true, false] {
                let all: Vec<&str> = if before {
                    json.iter().chain(*arguments).copied().collect()
                } else {
                    arguments.iter().chain(json).copied().collect()
                };
                // A flag that lost its value takes what follows, so that is no JSON.
                if !before && ["--now", "--image"].contains(arguments.last().unwrap_or(&"")) && json.len() == 2 {
                    continue;
                }
                let output = bare(&all).env("REPIN_CONFIG", &config).output().unwrap();
                let said = said(&output);
                assert_eq!(said.code, 2, "{all:?}: {said:#?}");
                assert!(!said.talk.is_empty(), "{all:?}");
                let problem = check_empty(command, &said);
                assert_eq!((&problem["severity"], &problem["repository"]), (&json!("error"), &Value::Null), "{all:?}");
            }
        }
        let output = bare(arguments).env("REPIN_CONFIG", &config).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let output = bare(&["once", "--output", "xml"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

#[test]
fn help_and_version_are_answers() {
    for arguments in [&["--help"][..], &["--version"], &["help"], &["once", "--help"], &["explain", "-h"]] {
        let output = bare(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
    let help = String::from_utf8(bare(&["--help"]).output().unwrap().stdout).unwrap();
    for word in [
        "run",
        "once",
        "plan",
        "status",
        "explain",
        "history",
        "trace",
        "pulls",
        "check",
        "tags",
        "policy",
        "login-check",
        "migrate",
        "freeze",
        "thaw",
        "hold",
        "resume",
        "override",
        "demo",
        "--config",
        "--output",
        "--now",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
}

#[test]
fn a_configuration_that_cannot_be_used_is_exit_3_with_the_commands_document() {
    let world = World::with_web(&["1.0.0"]);
    let good = world.standard_config();
    let broken = [
        "a: [\n".to_owned(),
        String::new(),
        "schedule: 2m\n".to_owned(),
        "- 1\n".to_owned(),
        good.replace("schedule: 1s", "schedule: soon"),
        good.replace("delivery: commit", "delivery: maybe"),
        format!("{good}bogus: 1\n"),
        format!("{good}schedule: 3s\n"),
        good.replace("insecure: true", "insecure: true\n    ca: /nowhere/ca.pem"),
        good.replace(
            "insecure: true",
            "insecure: true\n    credentials: {username: {env: REPIN_TEST_UNSET}, password: {file: /nowhere}}",
        ),
    ];
    for text in &broken {
        world.configure(text);
        for command in ["once", "plan", "check", "explain", "history", "trace", "pulls", "tags", "login-check"] {
            let arguments: &[&str] = match command {
                "explain" => &["explain", "web"],
                "trace" => &["trace", "web"],
                "tags" => &["tags", "nginx"],
                command => &[command],
            };
            let said = world.repin(arguments);
            assert_eq!(said.code, 3, "{text}: {said:#?}");
            let problem = check_empty(command, &said);
            assert!(problem["repository"].is_null() && problem["code"].as_str().unwrap().contains('/'), "{problem:#}");
        }
        let output = world.command(&["once"]).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(3), 0), "{text}");
        assert!(!output.stderr.is_empty());
    }
    std::fs::remove_file(world.config()).unwrap();
    for command in ["once", "plan", "check"] {
        let said = world.repin(&[command]);
        assert_eq!(said.code, 3);
        let problem = check_empty(command, &said);
        assert!(problem["hint"].is_string() && problem["file"] == world.config().display().to_string(), "{problem:#}");
    }
    assert_eq!(world.command(&["run"]).output().unwrap().status.code(), Some(3));
}

#[test]
fn a_broken_configuration_beats_broken_annotations() {
    let world = table::world(&[Row::new("web", "repin.dev/image-list: X=Y=Z")]);
    assert_eq!(world.repin(&["check"]).code, 1);
    let good = world.standard_config();
    world.configure(&format!("{good}bogus: 1\nschedul: 1\n"));
    let said = world.repin(&["check"]);
    assert_eq!(said.code, 3);
    // All problems at once, each with its line.
    let lines: Vec<&Value> = said.json["problems"].as_array().unwrap().iter().map(|one| &one["line"]).collect();
    let first = good.lines().count() + 1;
    assert_eq!(lines, [first, first + 1], "{said:#?}");
}

#[test]
fn explain_wants_one_application_and_a_known_alias() {
    let world = World::with_web(&["1.0.0"]);
    let twin = world.remote.show("argocd/web.yaml").replace("namespace: argocd", "namespace: team-a");
    let cluster = world.remote.show("argocd/web.yaml");
    world.remote.commit(&[("other/web.yaml", &twin), ("cluster-b/web.yaml", &cluster)], "Twins");
    for (arguments, hints) in [
        (&["explain", "nobody"][..], &["web"][..]),
        (&["explain", "argocd/nobody"], &[]),
        (&["explain", "team-b/web"], &[]),
        (&["explain", "web"], &["argocd/web.yaml", "other/web.yaml", "cluster-b/web.yaml", "team-a/web", "argocd/web"]),
        (&["explain", "argocd/web"], &["argocd/web.yaml", "cluster-b/web.yaml"]),
        (&["explain", "team-a/web", "nope"], &["app"]),
        (&["explain", ""], &[]),
    ] {
        let said = world.repin(arguments);
        assert_eq!(said.code, 2, "{arguments:?}: {said:#?}");
        let problem = check_empty("explain", &said);
        for hint in hints {
            assert!(problem["hint"].as_str().unwrap().contains(hint), "{hint}: {problem:#}");
        }
        let output = world.command(arguments).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
    }
    let said = world.repin(&["explain", "team-a/web"]);
    assert_eq!((said.code, &said.json["application"]), (0, &json!("team-a/web")));
    // Each name that the hint gives is one that the command takes.
    let ambiguous = world.repin(&["explain", "argocd/web"]);
    let hint = ambiguous.json["problems"][0]["hint"].as_str().unwrap().to_owned();
    for name in hint.trim_start_matches("write one of: ").split(", ") {
        assert_eq!(world.repin(&["explain", name]).code, 0, "{name}");
    }
}

#[test]
fn the_configuration_is_the_flag_else_the_variable_else_the_file_here() {
    let world = World::with_web(&["1.0.0"]);
    let place = world.remote.scratch();
    let run = |flag: bool, variable: Option<&str>, order: bool| {
        let config = world.config().display().to_string();
        let flags: Vec<&str> = if flag { vec!["--config", &config] } else { Vec::new() };
        let mut command = bare(&[]);
        if order {
            command.args(&flags).arg("once").args(["--output", "json"]);
        } else {
            command.args(["--output=json", "once"]).args(&flags);
        }
        command.current_dir(&place);
        if let Some(variable) = variable {
            command.env("REPIN_CONFIG", variable);
        }
        said(&command.output().unwrap()).code
    };
    let config = world.config().display().to_string();
    assert_eq!(run(false, None, true), 3);
    assert_eq!(run(true, Some("/nowhere.yaml"), true), 0);
    assert_eq!(run(true, Some("/nowhere.yaml"), false), 0);
    assert_eq!(run(false, Some(&config), true), 0);
    std::fs::write(place.join("repin.yaml"), world.standard_config()).unwrap();
    assert_eq!(run(false, None, true), 0);
    assert_eq!(run(false, Some(""), false), 0);
    assert_eq!(run(false, Some("/nowhere.yaml"), true), 3);
}

#[test]
fn text_is_readable_and_plain_where_nobody_paints() {
    let world = mixed();
    for no_color in [None, Some("1"), Some("")] {
        for arguments in [&["plan"][..], &["once"], &["check"], &["explain", "web"], &["history"], &["trace", "web"]] {
            let mut command = world.command(arguments);
            if let Some(value) = no_color {
                command.env("NO_COLOR", value);
            }
            let output = command.output().unwrap();
            let (out, talk) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
            assert!(!out.contains('\u{1b}') && !talk.contains('\u{1b}'), "{arguments:?}\n{out}\n{talk}");
            // After the cycle there is nothing left for a diff.
            assert_eq!(out.is_empty(), arguments == ["plan"] && no_color.is_some(), "{arguments:?}\n{talk}");
        }
    }
    let text = String::from_utf8(world.command(&["once"]).output().unwrap().stdout).unwrap();
    let line = |name: &str| text.lines().find(|line| line.contains(&format!("argocd/{name} "))).unwrap().to_owned();
    assert!(line("unbuilt").contains("held") && text.contains("not carried out"), "{text}");
    assert!(line("gone").contains("failed"), "{text}");
    assert!(line("web").contains("current"), "{text}");
}

#[test]
fn with_json_stdout_is_one_document_and_nothing_else() {
    let world = mixed();
    let image = world.image("web");
    for arguments in [
        &["plan"][..],
        &["once"],
        &["check"],
        &["explain", "web"],
        &["history"],
        &["trace", "web"],
        &["pulls"],
        &["tags", &image],
        &["login-check"],
    ] {
        let output = world.command(arguments).args(["--output", "json"]).output().unwrap();
        let mut stream = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
        assert!(stream.next().unwrap().is_ok() && stream.next().is_none(), "{arguments:?}");
        assert!(output.stdout.ends_with(b"\n"));
    }
}
