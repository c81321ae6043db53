//! Freezes, holds and overrides as people write them, and the emergency stop.

use std::fs;

use serde_json::Value;

use crate::running::{Daemon, wait_for_tag};
use crate::world::{App, World, said};

const FILE: &str = ".repin/holds.yaml";
const BY: [&str; 2] = ["--by", "Paula <paula@example.com>"];

fn run(world: &World, arguments: &[&str]) -> (i32, Value) {
    let said = world.repin(&[arguments, &BY].concat());
    assert_eq!(said.json["version"], 1, "{said:#?}");
    (said.code, said.json)
}

/// What became of the single repository.
fn result(json: &Value) -> &str {
    json["repositories"][0]["result"].as_str().unwrap_or_else(|| panic!("{json:#}"))
}

fn git(world: &World, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new("git");
    let output = command.arg("-C").arg(world.remote.path()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_freeze_is_a_commit_that_says_who_why_and_until_when() {
    let world = World::with_web(&["1.0.0"]);
    let until = "2099-04-02T08:00:00Z";
    let freeze = ["freeze", "--environment", "dev", "--reason", "end of: quarter", "--until", until];
    let before = world.remote.log().len();

    let (code, json) = run(&world, &[&freeze[..], &["--dry-run"]].concat());
    assert_eq!((code, result(&json), world.remote.log().len()), (4, "planned", before), "{json:#}");

    let (code, json) = run(&world, &freeze);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    assert_eq!((&json["entry"]["kind"], &json["entry"]["environment"]), (&"freeze".into(), &"dev".into()));
    let since = json["entry"]["since"].as_str().unwrap();
    let text = world.remote.show(FILE);
    let entry = format!(
        "holds:\n  - kind: freeze\n    environment: dev\n    reason: \"end of: quarter\"\n    by: Paula\n    since: {since}\n    until: {until}\n"
    );
    assert!(text.starts_with("# What people stop") && text.ends_with(&entry), "{text}");
    assert_eq!(
        git(&world, &["log", "-1", "--format=%an <%ae> %cn%n%B", "main"]).trim_end(),
        format!(
            "Paula <paula@example.com> repin\nFreeze environment dev until {until}\n\nend of: quarter\n\nBy Paula, with `repin freeze`."
        )
    );

    let (code, json) = run(&world, &freeze);
    assert_eq!((code, result(&json), world.remote.log().len()), (0, "unchanged", before + 1), "{json:#}");

    // One that lasts longer is another one, and a shorter one says nothing new.
    for (until, expected) in [("2099-04-03T08:00:00Z", "written"), ("2099-03-01T08:00:00Z", "unchanged")] {
        let (code, json) = run(&world, &["freeze", "--environment", "dev", "--reason", "it grows", "--until", until]);
        assert_eq!((code, result(&json)), (0, expected), "{until}: {json:#}");
    }
    let without_end = ["freeze", "--environment", "dev", "--reason", "for good"];
    assert_eq!(result(&run(&world, &without_end).1), "written");
    assert_eq!(result(&run(&world, &without_end).1), "unchanged");
    assert_eq!(world.remote.show(FILE).matches("kind: freeze").count(), 3);

    // One of another environment stays.
    let other = ["freeze", "--environment", "production", "--in", "gitops", "--reason", "r"];
    assert_eq!(run(&world, &other).0, 0);
    let (code, json) = run(&world, &["thaw", "--environment", "dev"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    let text = world.remote.show(FILE);
    assert!(text.contains("environment: production") && !text.contains("environment: dev"), "{text}");
    assert_eq!(run(&world, &["thaw"]).0, 0);
    assert!(world.remote.show(FILE).ends_with("holds: []\n"));
    let (code, json) = run(&world, &["thaw"]);
    assert_eq!((code, result(&json)), (0, "unchanged"), "{json:#}");
}

#[test]
fn a_hold_names_an_application_that_is_there() {
    let world = World::with_web(&["1.0.0"]);
    world.remote.commit(&[(FILE, "# Ask first.\nholds:\n  # Why: #12.\n  - {kind: hold, application: other, reason: r, by: b, since: 2026-01-01T00:00:00Z}\n")], "Hold other");
    let (code, json) = run(&world, &["hold", "wbe", "--reason", "r"]);
    assert_eq!((code, json["problems"][0]["hint"].as_str()), (2, Some("did you mean `argocd/web`?")), "{json:#}");
    let (code, json) = run(&world, &["hold", "web", "db", "--reason", "r"]);
    assert_eq!((code, json["problems"][0]["hint"].as_str()), (2, Some("its aliases are app")), "{json:#}");
    assert_eq!(run(&world, &["hold", "web", "app", "--reason", "leaks", "--for", "2h"]).0, 0);
    assert_eq!(run(&world, &["hold", "argocd/web", "--reason", "leaks"]).0, 0);
    let text = world.remote.show(FILE);
    assert!(text.starts_with("# Ask first.\nholds:\n  # Why: #12.\n  - {kind: hold, application: other,"), "{text}");
    assert!(
        text.contains("application: web\n    alias: app\n") && text.contains("application: argocd/web\n"),
        "{text}"
    );
    let (code, json) = run(&world, &["resume", "web"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    let rest = world.remote.show(FILE);
    assert!(rest.contains("other") && !rest.contains("web"), "{rest}");
}

#[test]
fn what_is_released_is_said_in_a_trailer_also_where_nothing_was_held() {
    let world = World::with_web(&["1.0.0"]);
    let (code, json) = run(&world, &["resume", "web", "app", "1.1.0", "--taken-back"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    let message = git(&world, &["log", "-1", "--format=%B", "main"]);
    assert!(message.trim_end().ends_with("\n\nRepin-Resume: web app 1.1.0"), "{message}");
}

#[test]
fn a_command_line_that_means_nothing_writes_nothing() {
    let world = World::with_web(&["1.0.0"]);
    let before = world.remote.log();
    for arguments in [
        &["freeze"][..],
        &["freeze", "--reason", " "],
        &["freeze", "--reason", "a\nb"],
        &["freeze", "--reason", "r", "--until", "2020-01-01T00:00:00Z"],
        &["freeze", "--reason", "r", "--for", "0s"],
        &["freeze", "--reason", "r", "--for", "2"],
        &["freeze", "--reason", "r", "--environment", "prd"],
        &["freeze", "--reason", "r", "--environment", "[a"],
        &["freeze", "--reason", "r", "--in", "nowhere"],
        &["override", "web", "--reason", "r"],
        &["override", "nobody", "--reason", "r", "--for", "1h"],
        &["hold", "web"],
        &["resume", "web", "app", "1.0.0"],
    ] {
        let (code, json) = run(&world, arguments);
        assert_eq!(code, 2, "{arguments:?} {json:#}");
        assert_eq!(json["problems"].as_array().unwrap().len(), 1, "{arguments:?} {json:#}");
    }
    assert_eq!(world.remote.log(), before);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_and_is_not_written() {
    let world = World::with_web(&["1.0.0"]);
    world.remote.commit(&[(FILE, "holds:\n  - kind: frost\n    by: b\n    since: 2026-01-01T00:00:00Z\n")], "Freeze");
    let said = world.repin(&["check"]);
    let problems = said.json["problems"].as_array().unwrap();
    let found: Vec<_> = problems
        .iter()
        .filter(|problem| problem["code"] == "holds/invalid")
        .map(|problem| (problem["line"].as_u64(), problem["file"].as_str(), problem["message"].as_str()))
        .collect();
    let rest = "; until it can be read nothing is written, for freezes count for all repositories";
    let [kind, reason] =
        ["the kind `frost` is not known", "an entry has no `reason`"].map(|message| format!("{FILE}: {message}{rest}"));
    assert_eq!((said.code, found.len()), (1, 2), "{said:#?}");
    assert!(found.contains(&(Some(2), Some(FILE), Some(&kind))), "{found:?}");
    assert!(found.contains(&(Some(2), Some(FILE), Some(&reason))), "{found:?}");
    let before = world.remote.log();
    let (code, json) = run(&world, &["freeze", "--reason", "r"]);
    assert_eq!((code, result(&json)), (1, "failed"), "{json:#}");
    assert_eq!(json["repositories"][0]["code"], "holds/invalid");
    assert_eq!(world.remote.log(), before);
}

#[test]
fn a_branch_that_takes_no_commits_gives_a_way_out() {
    let world = World::with_web(&["1.0.0"]);
    let hook = world.remote.path().join("hooks/pre-receive");
    fs::write(&hook, "#!/bin/sh\necho protected >&2\nexit 1\n").unwrap();
    fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (code, json) = run(&world, &["freeze", "--reason", "r"]);
    assert_eq!((code, result(&json)), (1, "failed"), "{json:#}");
    let hint = json["repositories"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("pull request of your own") && hint.contains("--in"), "{hint}");
}

#[test]
fn freezes_of_several_people_at_once_are_all_kept() {
    let world = World::with_web(&["1.0.0"]);
    let children: Vec<_> = (0..4)
        .map(|n| {
            let environment = format!("env-{n}");
            let arguments = ["freeze", "--environment", &environment, "--in", "gitops", "--reason", "r", "--by", "p"];
            world.command(&arguments).args(["--output", "json"]).stdout(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert_eq!(said(&output).code, 0, "{output:?}");
    }
    let text = world.remote.show(FILE);
    for n in 0..4 {
        assert!(text.contains(&format!("environment: env-{n}\n")), "{text}");
    }
}

#[test]
fn an_emergency_stop_that_comes_before_the_push_holds_it_back() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let stop = world.remote.scratch().join("stop");
    let config = format!("emergency_stop: {}\n{}", stop.display(), world.standard_config());
    world.configure(&config);
    let before = world.remote.log();
    let output = world
        .command(&["once", "--output", "json"])
        .env("REPIN_FAILPOINT", "objects")
        .env("REPIN_FAILPOINT_FILE", &stop)
        .output()
        .unwrap();
    let said = said(&output);
    let outcome = &said.json["outcomes"][0];
    assert_eq!(
        (outcome["result"].as_str(), outcome["code"].as_str()),
        (Some("held"), Some("gate/stopped")),
        "{said:#?}"
    );
    assert_eq!(outcome["message"], format!("emergency stop: objects ({})", stop.display()));
    assert_eq!(world.remote.log(), before);
    fs::remove_file(&stop).unwrap();
    world.takes("1.1.0");
}

#[test]
fn a_flag_or_a_variable_stops_everything() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let before = world.remote.log();
    for (flag, variable, message) in [
        (Some("--emergency-stop=registry is broken"), None, "registry is broken"),
        (Some("--emergency-stop"), None, "--emergency-stop"),
        (None, Some("by hand"), "by hand"),
    ] {
        let mut command = world.command(&["once", "--output", "json"]);
        command.args(flag);
        if let Some(variable) = variable {
            command.env("REPIN_EMERGENCY_STOP", variable);
        }
        let said = said(&command.output().unwrap());
        let outcome = &said.json["outcomes"][0];
        assert_eq!(outcome["code"], "gate/stopped", "{said:#?}");
        assert!(outcome["message"].as_str().unwrap().contains(message), "{said:#?}");
    }
    assert_eq!(world.remote.log(), before);
    let mut command = world.command(&["once", "--output", "json"]);
    assert_eq!(
        said(&command.env("REPIN_EMERGENCY_STOP", "").output().unwrap()).json["outcomes"][0]["code"],
        "delivered"
    );
}

#[test]
fn what_break_glass_let_through_is_told_with_actor_reason_and_end() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    assert_eq!(run(&world, &["freeze", "--environment", "dev", "--reason", "end of quarter"]).0, 0);
    let frozen = world.repin(&["once"]);
    assert_eq!(frozen.json["outcomes"][0]["code"], "gate/frozen", "{frozen:#?}");
    assert!(!frozen.talk.contains("override"), "{}", frozen.talk);
    let until = "2099-04-02T08:00:00Z";
    assert_eq!(run(&world, &["override", "web", "--reason", "data is lost", "--until", until]).0, 0);
    let said = world.repin(&["once"]);
    assert_eq!(said.json["outcomes"][0]["result"], "delivered", "{said:#?}");
    let told: Vec<&str> = said.talk.lines().filter(|line| line.contains("an override let through")).collect();
    let [line] = told.as_slice() else { panic!("{said:#?}") };
    for part in [
        "WARN",
        "1.1.0 for argocd/web",
        "break-glass by Paula since ",
        " until 2099-04-02 08:00 UTC: data is lost",
        "(lifts gate/frozen)",
    ] {
        assert!(line.contains(part), "no `{part}` in {line}");
    }
    let message = git(&world, &["log", "-1", "--format=%B", "main"]);
    assert!(message.contains("break-glass by Paula") && message.contains("data is lost"), "{message}");
    // Once it is written there is nothing to tell.
    assert!(!world.repin(&["once"]).talk.contains("override let through"));
}

#[test]
fn a_running_daemon_obeys_in_its_next_cycle() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let daemon = Daemon::start(&world);
    wait_for_tag(&world, &daemon, "web", "1.1.0");
    assert_eq!(run(&world, &["freeze", "--environment", "dev", "--reason", "incident 7"]).0, 0);
    let frozen = world.remote.head();
    world.registry.publish("acme/web", &["1.2.0"]);
    // The first one may have begun before.
    daemon.cycles(3);
    assert_eq!(world.remote.head(), frozen, "{}", daemon.log());
    assert!(world.once()["message"].as_str().unwrap().contains("freeze by Paula"));
    assert_eq!(run(&world, &["thaw", "--environment", "dev"]).0, 0);
    wait_for_tag(&world, &daemon, "web", "1.2.0");
}

/// The world of [`several`]: one name in the folders of three clusters, two of them in one environment.
const CLUSTERS: [(&str, &str); 3] = [("dev", "dev"), ("eu", "production"), ("us", "production")];

/// Several Applications `argocd/web`, as a folder for each cluster makes them.
fn several(tags: &[&str]) -> World {
    let world = World::create();
    let rules = "rules:\n  - match: {path: \"clusters/dev/**\"}\n    environment: dev\n    delivery: commit\n  \
                 - match: {path: \"clusters/{eu,us}/**\"}\n    environment: production\n    delivery: commit\n";
    let config = world.standard_config();
    world.configure(&format!("{}{rules}", &config[..config.find("rules:").unwrap()]));
    world.registry.publish("acme/web", tags);
    let manifest = world.application(&App { name: "web", constraint: "", annotations: &[] });
    for (cluster, _) in CLUSTERS {
        let folder = format!("clusters/{cluster}/apps/web");
        let manifest = manifest.replace("apps/web", &folder);
        let files = [
            (format!("clusters/{cluster}/web.yaml"), manifest),
            (format!("{folder}/values.yaml"), world.values("web", "1.0.0")),
        ];
        world.remote.commit(&files.each_ref().map(|(path, text)| (path.as_str(), text.as_str())), "Add web");
    }
    world
}

fn file_of(cluster: &str) -> String {
    format!("clusters/{cluster}/apps/web/values.yaml")
}

#[test]
fn a_name_that_several_applications_bear_is_narrowed_or_refused_with_all_of_them() {
    let world = several(&["1.0.0"]);
    let before = world.remote.log();
    let full = |cluster: &str| format!("gitops:clusters/{cluster}/web.yaml:argocd/web");
    let (dev, eu, us) = (full("dev"), full("eu"), full("us"));
    let three = format!("3 Applications: {dev} (dev), {eu} (production), {us} (production)");
    let two = format!("2 Applications: {eu} (production), {us} (production)");
    for (arguments, expected) in [
        (&["hold", "web", "--reason", "r"][..], &three),
        (&["hold", "argocd/web", "--reason", "r"], &three),
        (&["resume", "web"], &three),
        (&["resume", "web", "--taken-back"], &three),
        (&["override", "web", "--reason", "r", "--for", "1h"], &three),
        (&["hold", "web", "--environment", "prod*", "--reason", "r"], &two),
        (&["hold", "web", "--repository", "gitops", "--reason", "r"], &three),
        (&["hold", "web", "--environment", "staging", "--reason", "r"], &"nothing of `web`".to_owned()),
        // An entry cannot tell files apart.
        (&["hold", &eu, "--reason", "r"], &format!("about others too: {dev} (dev), {us} (production)")),
    ] {
        let (code, json) = run(&world, arguments);
        let message = json["problems"][0]["message"].as_str().unwrap_or_default();
        assert!(code == 2 && message.contains(expected.as_str()), "{arguments:?} {json:#}");
    }
    assert_eq!(world.remote.log(), before);

    let hold = ["hold", "web", "--environment", "dev", "--reason", "r"];
    let (code, json) = run(&world, &hold);
    assert_eq!((code, &json["entry"]["environment"]), (0, &"dev".into()), "{json:#}");
    assert!(
        world.remote.show(FILE).contains("environment: dev\n    application: web\n"),
        "{}",
        world.remote.show(FILE)
    );
    let (code, json) = run(&world, &["hold", "web", "--all", "--reason", "all of it"]);
    assert_eq!((code, &json["entry"]["application"]), (0, &"web".into()), "{json:#}");

    // What is about others as well stays, and that is said.
    let (code, json) = run(&world, &["resume", "web", "--environment", "dev"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    let kept = &json["problems"][0];
    assert_eq!((&kept["code"], &kept["repository"]), (&"holds/kept".into(), &"gitops".into()), "{json:#}");
    assert_eq!(kept["message"], "the hold on application web by Paula counts for it as well, and stays: all of it");
    let text = world.remote.show(FILE);
    assert!(text.contains("all of it") && !text.contains("environment: dev"), "{text}");
    let (code, json) = run(&world, &["resume", "web", "--all"]);
    assert_eq!((code, result(&json), json["problems"].as_array().unwrap().len()), (0, "written", 0), "{json:#}");
    assert!(world.remote.show(FILE).ends_with("holds: []\n"));
}

#[test]
fn what_was_taken_back_in_one_environment_is_released_in_no_other() {
    let world = several(&["1.0.0", "1.1.0"]);
    assert_eq!(world.repin(&["once"]).code, 0);
    let back = world.values("web", "1.0.0");
    let files = CLUSTERS.map(|(cluster, _)| file_of(cluster));
    world.remote.commit(&files.each_ref().map(|path| (path.as_str(), back.as_str())), "Undo");
    let tags = |world: &World| {
        world.repin(&["once"]);
        files.each_ref().map(|path| world.remote.show(path).contains("1.1.0"))
    };
    assert_eq!(tags(&world), [false; 3]);
    let (code, json) = run(&world, &["resume", "web", "--environment", "dev", "--taken-back"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    let message = git(&world, &["log", "-1", "--format=%B", "main"]);
    assert!(message.trim_end().ends_with("\n\nRepin-Resume: gitops:clusters/dev/web.yaml:argocd/web"), "{message}");
    assert_eq!(tags(&world), [true, false, false]);
    // A full name means one, too.
    let us = "gitops:clusters/us/web.yaml:argocd/web";
    let (code, json) = run(&world, &["resume", us, "app", "1.1.0", "--taken-back"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    assert_eq!(tags(&world), [true, false, true]);
    assert_eq!(run(&world, &["resume", "web", "--all", "--taken-back"]).0, 0);
    assert_eq!(tags(&world), [true; 3]);
}

#[test]
fn a_hold_on_all_of_an_application_is_not_lifted_for_one_image_and_that_is_said() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0"]);
    let images = format!("repin.dev/image-list: \"app={0}, proxy={0}\"", world.image("web"));
    let app = App { name: "web", constraint: "", annotations: &["repin.dev/proxy.helm.image-tag: proxy.tag"] };
    let manifest = world.application(&app);
    let listed = manifest.lines().find(|line| line.contains("image-list")).unwrap().trim().to_owned();
    let values = format!("{}proxy:\n    tag: \"1.0.0\"\n", world.values("web", "1.0.0"));
    let files = [("argocd/web.yaml", &*manifest.replace(&listed, &images)), ("apps/web/values.yaml", &*values)];
    world.remote.commit(&files, "Add web");
    assert_eq!(run(&world, &["hold", "web", "--reason", "leaks"]).0, 0);
    assert_eq!(run(&world, &["hold", "web", "app", "--reason", "more"]).0, 0);
    let (code, json) = run(&world, &["resume", "web", "app"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    let message = json["problems"][0]["message"].as_str().unwrap();
    assert!(message.contains("hold on application web by Paula") && message.ends_with("leaks"), "{json:#}");
    let (code, json) = run(&world, &["resume", "web", "app"]);
    assert_eq!((code, result(&json), &json["problems"][0]["code"]), (0, "unchanged", &"holds/kept".into()), "{json:#}");
    let output = world.command(&["resume", "web", "app", BY[0], BY[1]]).output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(talk.contains("holds/kept") && talk.contains("leaks"), "{talk}");
    let (code, json) = run(&world, &["resume", "web"]);
    assert_eq!((code, result(&json), json["problems"].as_array().unwrap().len()), (0, "written", 0), "{json:#}");
    // A trailer knows no alias without a tag.
    assert_eq!(run(&world, &["resume", "web", "app", "--taken-back"]).0, 2);
}

#[test]
fn an_override_is_taken_out_by_the_commands_that_end_the_others() {
    let world = World::with_web(&["1.0.0"]);
    let add =
        |arguments: &[&str]| assert_eq!(run(&world, &[arguments, &["--reason", "r", "--for", "1h"]].concat()).0, 0);
    add(&["override", "web", "--environment", "dev"]);
    add(&["override", "--environment", "dev"]);
    add(&["freeze"]);
    add(&["hold", "web"]);
    let kinds = || {
        let text = world.remote.show(FILE);
        ["override", "freeze", "hold"].map(|kind| text.matches(&format!("kind: {kind}\n")).count())
    };
    assert_eq!(kinds(), [2, 1, 1]);
    let (code, json) = run(&world, &["resume", "web", "--overrides"]);
    assert_eq!((code, result(&json)), (0, "written"), "{json:#}");
    assert_eq!(
        json["problems"][0]["message"],
        "the override on environment dev by Paula counts for it as well, and stays: r"
    );
    assert_eq!(kinds(), [1, 1, 1]);
    assert_eq!(run(&world, &["thaw", "--environment", "dev", "--overrides"]).0, 0);
    assert_eq!(kinds(), [0, 1, 1]);
    assert!(git(&world, &["log", "-1", "--format=%s", "main"]).starts_with("End overrides of environment dev"));
    assert_eq!(run(&world, &["resume", "web", "--overrides", "--taken-back"]).0, 2);
}

#[test]
fn the_reason_of_an_annotation_is_shown_as_plain_text() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let annotations = &["repin.dev/hold: \"leaks\\e[31m \\u202Eesrever\""];
    world.add_app(&App { name: "web", constraint: "", annotations }, "1.0.0");
    let outcome = world.once();
    assert_eq!(outcome["code"], "gate/hold", "{outcome:#}");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.ends_with("the annotation `hold` holds it: leaks [31m esrever"), "{message:?}");
}

#[cfg(feature = "failpoints")]
mod overtaken {
    use std::fs;
    use std::process::Stdio;
    use std::time::{Duration, Instant};

    use repin::model::forge::ForgeKind;
    use serde_json::Value;

    use super::run;
    use crate::pulls::Shop;
    use crate::remote::BareRemote;
    use crate::world::{World, said};

    /// Runs `once` up to a point, has something happen a few seconds after it began, and lets it go on.
    fn meanwhile(world: &World, point: &str, happen: impl FnOnce()) -> Value {
        let file = world.remote.scratch().join("reached");
        let mut command = world.command(&["once", "--output", "json"]);
        command.env("REPIN_FAILPOINT", point).env("REPIN_FAILPOINT_FILE", &file).env("REPIN_FAILPOINT_WAIT", "1");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !file.exists() {
            assert!(Instant::now() < deadline, "{point} was not reached");
            std::thread::sleep(Duration::from_millis(20));
        }
        happen();
        std::thread::sleep(Duration::from_millis(2_100));
        // A decision that is made again gets there again.
        while child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it does not end");
            let _ = fs::remove_file(&file);
            std::thread::sleep(Duration::from_millis(20));
        }
        let said = said(&child.wait_with_output().unwrap());
        said.json
    }

    #[test]
    fn a_freeze_in_another_repository_that_comes_after_the_decision_holds_it() {
        let world = World::with_web(&["1.0.0", "1.1.0"]);
        let ops = BareRemote::create();
        ops.commit(&[("README.md", "Freezes are here.\n")], "Begin");
        let config = world.standard_config();
        let repository = format!("  - name: ops\n    url: {}\n    branch: main\nregistries:\n", ops.url());
        world.configure(&config.replacen("registries:\n", &repository, 1));
        let before = world.remote.log();
        let freeze = || assert_eq!(run(&world, &["freeze", "--in", "ops", "--reason", "incident"]).0, 0);
        let json = meanwhile(&world, "gather", freeze);
        let outcome = &json["outcomes"][0];
        assert_eq!((&outcome["result"], &outcome["code"]), (&"held".into(), &"gate/frozen".into()), "{json:#}");
        assert_eq!(world.remote.log(), before);
        // What else is committed there holds nothing back.
        assert_eq!(run(&world, &["thaw"]).0, 0);
        let json = meanwhile(&world, "gather", || drop(ops.commit(&[("README.md", "And holds.\n")], "Say more")));
        assert_eq!((&json["outcomes"][0]["code"], &*world.tag("web")), (&"delivered".into(), "1.1.0"), "{json:#}");
    }

    #[test]
    fn a_freeze_that_comes_before_the_pull_request_opens_none() {
        let shop = Shop::open(ForgeKind::Gitea);
        shop.add_web(&["1.0.0", "1.1.0"]);
        let freeze = || assert_eq!(run(&shop.world, &["freeze", "--reason", "incident"]).0, 0);
        let json = meanwhile(&shop.world, "pulls-pushed", freeze);
        assert_eq!(json["outcomes"][0]["code"], "gate/frozen", "{json:#}");
        assert_eq!(shop.forge.pulls().len(), 0);
        assert_eq!(run(&shop.world, &["thaw"]).0, 0);
        shop.expect("delivered", "delivered");
        assert_eq!(shop.forge.pulls().len(), 1);
    }
}
