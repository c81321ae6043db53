//! `repin tags`: what a policy would choose, and why, without an Application; nothing is written and no clock is started.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::registry::{Behaviour, Image};
use crate::world::{App, Said, World, said};

/// A password that must never be shown.
const CANARY: &str = "canary-PASSWORD-5d1e";

/// A world whose registry has these tags of `acme/web`, and no Application.
fn tagged(tags: &[&str]) -> World {
    let world = World::create();
    world.registry.publish("acme/web", tags);
    world
}

/// `tag code standing` of every candidate; `-` for null.
fn lines(said: &Said) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let candidates = said.json["candidates"].as_array().unwrap();
    candidates.iter().map(|one| [&one["tag"], &one["code"], &one["standing"]].map(text).join(" ")).collect()
}

fn codes(said: &Said) -> Vec<&str> {
    said.json["problems"].as_array().unwrap().iter().map(|one| one["code"].as_str().unwrap()).collect()
}

/// Everything below a directory, with its bytes.
fn files(directory: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                open.push(entry);
            } else {
                let bytes = std::fs::read(&entry).unwrap();
                found.push((entry, bytes));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_document_is_whole() {
    let world = tagged(&["1.0.0", "1.1.0", "2.0.0"]);
    let raw = vec!["not a tag".to_owned(), "../../etc".to_owned(), "a\nb".to_owned()];
    world.registry.set("acme/web", Behaviour::RawTags(raw));
    let image = world.image("web");
    let said = world.repin(&["tags", &format!("app={image}:1.x")]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(
        said.json,
        json!({
            "version": 1, "image": image, "policy": "semver 1.x", "current": null, "chosen": "1.1.0",
            "digest": world.registry.digest("acme/web", "1.1.0"),
            "message": "1.1.0 is the newest that semver 1.x allows", "gates": [],
            "candidates": [
                {"tag": "2.0.0", "verdict": "rejected", "code": "out-of-range", "reason": "`2.0.0` is outside `1.x`", "standing": null},
                {"tag": "1.1.0", "verdict": "eligible", "code": null, "reason": "semver 1.x allows it", "standing": "chosen"},
                {"tag": "1.0.0", "verdict": "eligible", "code": null, "reason": "semver 1.x allows it", "standing": "older"},
            ],
            "dropped": 3, "truncated": null, "problems": [],
        })
    );
    // One listing, and one look at what is chosen.
    let asked: Vec<String> = world.registry.requests().iter().map(|seen| seen.method.clone()).collect();
    assert_eq!(asked, ["GET", "HEAD"]);
}

#[test]
fn the_text_reads_like_an_answer() {
    let world = tagged(&["1.0.0", "1.1.0", "2.0.0", "latest"]);
    world.registry.set("acme/web", Behaviour::RawTags(vec!["not a tag".to_owned()]));
    let image = world.image("web");
    let run = |arguments: &[&str]| {
        let output = world.command(&[&["tags", &image][..], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (text, talk) = run(&["--policy", "1.x", "--current", "1.0.0"]);
    let digest = world.registry.digest("acme/web", "1.1.0");
    assert_eq!(
        text,
        format!(
            "{image}
  policy   semver 1.x
  current  1.0.0
  chosen   1.1.0  {digest}
  why      1.0.0 becomes 1.1.0, the newest that semver 1.x allows
  dropped  1 entry of the list: no legal tag
    2.0.0   rejected               `2.0.0` is outside `1.x`
    1.1.0   eligible  chosen       semver 1.x allows it
    1.0.0   eligible  current      semver 1.x allows it
    latest  rejected               `latest` is no version: it starts with one to three numbers joined by dots, after an optional v
"
        )
    );
    assert_eq!(talk, "");
    let (text, _) = run(&["--policy", "1.x", "--current", "2.0.0", "--limit", "1"]);
    assert_eq!(
        text,
        format!(
            "{image}
  policy   semver 1.x
  current  2.0.0
  chosen   (none)
  gate     guard/downgrade 2.0.0 stands in Git and is higher than 1.1.0, the newest that semver 1.x allows; it stays
  dropped  1 entry of the list: no legal tag
    2.0.0  rejected  current      `2.0.0` is outside `1.x`
    … and 3 more
"
        )
    );
}

#[test]
fn a_policy_is_written_in_long_and_in_short() {
    let world = tagged(&["1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "main-7", "main-12", "20260105", "dev"]);
    let image = world.image("web");
    for (policy, chosen, words) in [
        (&[][..], Some("2.0.0"), "semver *"),
        (&["~1.0"], Some("1.0.0"), "semver ~1.0"),
        (&["semver:>=1 <2"], Some("1.1.0"), "semver >=1 <2"),
        (&["semver:1.x", "include-prereleases=true"], Some("1.2.0-rc.1"), "semver 1.x"),
        (&["1.x", "ignore-tags=1.1.*, 2.*"], Some("1.0.0"), "semver 1.x"),
        (&["strict=false"], Some("20260105"), "semver *"),
        (&["alphabetical"], Some("main-7"), "alphabetical"),
        (&["numerical", "allow-tags=regexp:^main-([0-9]+)$", "extract=$1"], Some("main-12"), "numerical"),
        (
            &["update-strategy=numerical", "repin.dev/tag-match=regexp:^main-(?P<n>[0-9]+)$", "extract=$n"],
            Some("main-12"),
            "numerical",
        ),
        (&["digest:dev"], Some("dev"), "digest of dev"),
        (&["digest"], None, "digest of latest"),
        (&["allow-tags=regexp:^none$"], None, "semver *"),
    ] {
        let flags: Vec<&str> = policy.iter().flat_map(|policy| ["--policy", policy]).collect();
        let said = world.repin(&[&["tags", &image][..], &flags].concat());
        assert_eq!(
            (said.code, said.json["chosen"].as_str(), said.json["policy"].as_str()),
            (0, chosen, Some(words)),
            "{policy:?} {said:#?}"
        );
        assert_eq!(chosen.is_some(), said.json["digest"].is_string(), "{policy:?} {said:#?}");
        // Somebody who gets nothing is told why.
        assert_eq!(chosen.is_none(), said.json["gates"][0]["code"] == "selection/none", "{policy:?} {said:#?}");
        assert_eq!(lines(&said).len(), 8, "{policy:?}");
    }
}

#[test]
fn what_a_person_pastes_is_understood_or_explained() {
    let world = tagged(&["1.0.0", "1.1.0", "dev"]);
    let image = world.image("web");
    let digest = world.registry.digest("acme/web", "1.0.0");
    let said = world.repin(&["tags", &format!("{image}:1.0.0")]);
    assert_eq!(
        (said.code, &said.json["chosen"], codes(&said)),
        (0, &json!("1.0.0"), vec!["usage/one-version"]),
        "{said:#?}"
    );
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("--current 1.0.0"), "{said:#?}");
    let said = world.repin(&["tags", &format!("{image}:1.0.0@{digest}")]);
    assert_eq!((said.code, codes(&said)), (0, vec!["annotation/unused", "usage/one-version"]), "{said:#?}");
    let said = world.repin(&["tags", &format!("{image}@{digest}")]);
    assert_eq!((said.code, &said.json["chosen"], codes(&said)), (0, &json!("1.1.0"), vec!["annotation/unused"]));
    let said = world.repin(&["tags", &format!("{image}:dev")]);
    assert_eq!((said.code, codes(&said)), (2, vec!["usage/invalid"]), "{said:#?}");
    assert!(said.json["problems"][0]["hint"].as_str().unwrap().contains("--policy digest"), "{said:#?}");
    let said = world.repin(&["tags", &format!("{image}:dev"), "--policy", "digest"]);
    assert_eq!((said.code, &said.json["chosen"]), (0, &json!("dev")), "{said:#?}");
    let said = world.repin(&["tags", &image, "--policy", "digest:dev", "--current", &format!("dev@{digest}")]);
    assert_eq!(said.json["message"].as_str().unwrap().split(' ').next(), Some(format!("dev@{digest}").as_str()));
}

#[test]
fn what_cannot_be_meant_is_exit_2_with_a_hint_and_nothing_is_asked() {
    let world = tagged(&["1.0.0"]);
    let image = world.image("web");
    for (arguments, message, hint) in [
        (&["--policy", "platform=linux/amd64"][..], "`platform` is no key of a policy", "did you mean `platforms`?"),
        (&["--policy", "newest-biuld"], "neither `key=value` nor an order nor a range", "did you mean `newest-build`?"),
        (&["--policy", "git-branch=main"], "does not say which tag is taken", "remove it"),
        (&["--policy", "image-list=x"], "does not say which tag is taken", "beside the policy"),
        (&["--policy", "min-age=soon"], "`min-age: soon` is no span of time", "min-age: 3d"),
        (&["--policy", "min-age=1d", "--policy", "min-age=2d"], "`min-age` is given twice", "keep one"),
        (&["--policy", "1.x", "--policy", "2.x"], "two ranges are given", "keep one"),
        (&["--policy", "soak=1h"], "does not say which tag is taken", "remove"),
        (&["--policy", "allow-tags=regexp:("], "no usable regular expression", "docs.rs/regex"),
        (&["--policy", "pull-secret=nobody"], "`pull_secrets:` has no such name", "pull_secrets"),
        (&["--current", "${TAG}"], "`--current ${TAG}` is no tag", "1.2.0"),
        (&["--limit", "many"], "invalid value 'many'", "--help"),
        (&["--bogus"], "--bogus", "--help"),
    ] {
        let said = world.repin(&[&["tags", &image][..], arguments].concat());
        let problem = &said.json["problems"][0];
        assert_eq!(
            (said.code, &said.json["candidates"], &said.json["image"]),
            (2, &json!([]), &Value::Null),
            "{said:#?}"
        );
        assert!(problem["message"].as_str().unwrap().contains(message), "{arguments:?} {problem:#}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{arguments:?} {problem:#}");
        assert!(problem["file"].is_null() && problem["line"].is_null(), "{problem:#}");
        let output = world.command(&[&["tags", &image][..], arguments].concat()).output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    for image in ["", "ghcr.io/Acme/Web", "a=r.io/a, b=r.io/b", "r.io/a:1.x, 2.x"] {
        let said = world.repin(&["tags", image]);
        assert_eq!((said.code, said.json["problems"].as_array().unwrap().len()), (2, 1), "{image} {said:#?}");
    }
    let said = world.repin(&["tags", &format!("{image}:1.x"), "--policy", "2.x"]);
    assert_eq!((said.code, codes(&said)), (2, vec!["usage/invalid"]), "{said:#?}");
    // All of it at once.
    let said =
        world.repin(&["tags", &image, "--policy", "zzz", "--policy", "zz=1", "--policy", "pin=x", "--current", "-"]);
    assert_eq!(said.json["problems"].as_array().unwrap().len(), 4, "{said:#?}");
    assert_eq!(world.registry.requests(), []);
}

#[test]
fn a_registry_that_gives_no_answer_is_exit_1_with_its_code() {
    let world = tagged(&["1.0.0", "1.1.0"]);
    let image = world.image("web");
    for (behaviour, code) in [
        (Behaviour::Status(500, "UNKNOWN"), "registry/server-error"),
        (Behaviour::Status(403, "DENIED"), "registry/forbidden"),
        (Behaviour::Truncated, "registry/bad-listing"),
        (Behaviour::ManifestFails("1.1.0".to_owned(), 500), "registry/server-error"),
    ] {
        world.registry.set("acme/web", behaviour);
        let said = world.repin(&["tags", &image]);
        world.registry.clear("acme/web");
        assert_eq!((said.code, codes(&said), &said.json["chosen"]), (1, vec![code], &Value::Null), "{said:#?}");
        assert_eq!(said.json["gates"][0]["code"], code);
        let problem = &said.json["problems"][0];
        assert!(problem["hint"].is_string() && problem["file"].is_null() && problem["repository"].is_null());
    }
    // What `digest` follows needs no list, and somebody who asks for it misses it.
    world.registry.publish("acme/web", &["dev"]);
    world.registry.set("acme/web", Behaviour::Truncated);
    let said = world.repin(&["tags", &image, "--policy", "digest:dev"]);
    assert_eq!(
        (said.code, codes(&said), &said.json["chosen"]),
        (1, vec!["registry/bad-listing"], &json!("dev")),
        "{said:#?}"
    );
    world.registry.clear("acme/web");
    let said = world.repin(&["tags", &world.image("nothing")]);
    assert_eq!((said.code, codes(&said)), (1, vec!["registry/not-found"]), "{said:#?}");
    // What is listed and does not answer is no choice, and no failure either.
    world.registry.set("acme/web", Behaviour::ManifestMissing("1.1.0".to_owned()));
    let said = world.repin(&["tags", &image]);
    assert_eq!(
        (said.code, &said.json["chosen"], &said.json["gates"][0]["code"]),
        (0, &Value::Null, &json!("guard/listing"))
    );
}

#[test]
fn a_list_that_was_cut_is_told_and_nothing_is_chosen_from_it() {
    let tags: Vec<String> = (0..502).map(|patch| format!("1.0.{patch}")).collect();
    let world = tagged(&tags.iter().map(String::as_str).collect::<Vec<_>>());
    world.registry.set("acme/web", Behaviour::PageSize(1));
    let output = world.command(&["tags", &world.image("web"), "--limit", "0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    let cut = "it has more pages than are read";
    for line in [
        "  chosen   (none)".to_owned(),
        format!(
            "  gate     guard/listing the tag list of {} was cut: {cut}; nothing is decided on a part of it",
            world.image("web")
        ),
        format!("  cut      the list is not whole: {cut}"),
        "    … and 500 more".to_owned(),
    ] {
        assert!(text.lines().any(|one| one == line), "{line}: {text}");
    }
}

#[test]
fn the_date_of_builds_platforms_and_what_stands_count_as_in_a_cycle() {
    let world = World::create();
    let registry = world.registry.fake();
    registry.push(
        "acme/web",
        "main-1",
        &Image::index(&["linux/amd64 2026-01-01T00:00:00Z", "linux/arm64 2026-01-01T00:00:00Z"]),
    );
    registry.push("acme/web", "main-2", &Image::index(&["linux/amd64 2026-01-03T00:00:00Z"]));
    registry.push("acme/web", "main-3", &Image::index(&["linux/amd64", "linux/arm64"]));
    let image = world.image("web");
    let said = world.repin(&["tags", &image, "--policy", "newest-build"]);
    assert_eq!((said.code, &said.json["chosen"]), (0, &json!("main-2")), "{said:#?}");
    assert_eq!(lines(&said), ["main-2 - chosen", "main-1 - older", "main-3 no-created -"]);
    let said =
        world.repin(&["tags", &image, "--policy", "newest-build", "--policy", "platforms=linux/amd64,linux/arm64"]);
    assert_eq!(said.json["chosen"], "main-1", "{said:#?}");
    assert_eq!(lines(&said), ["main-2 - wrong-platform", "main-1 - chosen", "main-3 no-created -"]);
    let said = world.repin(&["tags", &image, "--policy", "newest-build", "--current", "main-2"]);
    assert_eq!((&said.json["chosen"], &said.json["current"]), (&json!("main-2"), &json!("main-2")), "{said:#?}");
    assert_eq!(lines(&said), ["main-2 - current", "main-1 - older", "main-3 no-created -"]);
    assert_eq!(said.json["digest"], registry.digest("acme/web", "main-2"));
}

#[test]
fn clocks_of_min_age_are_read_and_none_is_started() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    world.add_app(&App { name: "web", constraint: "", annotations: &["repin.dev/min-age: 1d"] }, "1.0.0");
    let image = world.image("web");
    let ask = |time: &str| {
        world.repin(&["tags", &image, "--policy", "min-age=1d", "--now", &format!("2026-01-{time}:00:00Z")])
    };
    let first = ask("01T10");
    assert_eq!((first.code, &first.json["chosen"]), (0, &Value::Null), "{first:#?}");
    let gate = &first.json["gates"][0];
    assert_eq!((&gate["code"], &gate["until"]), (&json!("guard/min-age"), &json!("2026-01-02T10:00:00Z")));
    assert!(!world.cache().exists(), "a question makes no cache");
    assert_eq!(lines(&ask("03T10")), ["1.1.0 - too-young", "1.0.0 - too-young"]);
    // A daemon or `once` saw it first on the 5th.
    world.repin(&["once", "--now", "2026-01-05T10:00:00Z"]);
    let before = files(&world.cache());
    let head = world.remote.head();
    let young = ask("06T09");
    assert_eq!(young.json["gates"][0]["until"], "2026-01-06T10:00:00Z", "{young:#?}");
    assert_eq!(ask("06T10").json["chosen"], "1.1.0");
    assert_eq!(files(&world.cache()), before);
    assert_eq!(world.remote.head(), head);
}

#[test]
fn a_pull_secret_of_the_host_may_be_named_by_who_runs_the_command() {
    let world = tagged(&["1.0.0"]);
    world.registry.set("acme/web", Behaviour::Basic("puller".to_owned(), CANARY.to_owned()));
    let password = world.config().with_file_name("password");
    std::fs::write(&password, CANARY).unwrap();
    world.configure(&format!(
        "{}pull_secrets:\n  - name: harbor\n    registries: [\"{}\"]\n    credentials: {{username: puller, password: {{file: {}}}}}\n    match: {{project: nobody}}\n  \
         - name: elsewhere\n    registries: [quay.io]\n    credentials: {{username: puller, password: {{file: {}}}}}\n    match: {{}}\n",
        world.standard_config(),
        world.registry.host(),
        password.display(),
        password.display(),
    ));
    let image = world.image("web");
    let refused = world.repin(&["tags", &image]);
    assert_eq!((refused.code, codes(&refused)), (1, vec!["registry/unauthorized"]), "{refused:#?}");
    let said = world.repin(&["tags", &image, "--policy", "pull-secret=harbor"]);
    assert_eq!((said.code, &said.json["chosen"]), (0, &json!("1.0.0")), "{said:#?}");
    world.registry.forget_requests();
    for (name, why, hint) in
        [("elsewhere", "bound to other registries", "are harbor"), ("harbour", "has no such name", "are harbor")]
    {
        let said = world.repin(&["tags", &image, "--policy", &format!("pull-secret={name}")]);
        assert_eq!((said.code, codes(&said)), (2, vec!["annotation/pull-secret"]), "{said:#?}");
        let problem = &said.json["problems"][0];
        assert!(problem["message"].as_str().unwrap().contains(why), "{problem:#}");
        assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem:#}");
    }
    assert_eq!(world.registry.requests(), []);
    // Whatever the registry says of the password: it is not shown.
    world.registry.set(
        "acme/web",
        Behaviour::List(401, vec![("www-authenticate", format!("Basic realm=\"{CANARY}\""))], CANARY.into()),
    );
    for output in ["text", "json"] {
        let output =
            world.command(&["tags", &image, "--policy", "pull-secret=harbor", "--output", output]).output().unwrap();
        let shown = [output.stdout, output.stderr].concat();
        assert!(!shown.is_empty() && !String::from_utf8_lossy(&shown).contains(CANARY));
    }
}

#[test]
fn without_a_configuration_other_registries_than_the_public_ones_are_not_asked() {
    let world = tagged(&["1.0.0"]);
    let place = world.remote.scratch();
    let bare = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repin"));
        command.args(arguments).current_dir(&place).env_remove("REPIN_CONFIG").env("HOME", &place).stdin(Stdio::null());
        command.env_remove("XDG_CACHE_HOME");
        said(&command.args(["--output", "json"]).output().unwrap())
    };
    let image = world.image("web");
    let alone = bare(&["tags", &image]);
    assert_eq!((alone.code, codes(&alone)), (1, vec!["registry/unconfigured"]), "{alone:#?}");
    let hint = alone.json["problems"][0]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains(&format!("- host: {}", world.registry.host())), "{hint}");
    assert_eq!(world.registry.requests(), []);
    let alone = bare(&["tags", &image, "--policy", "pull-secret=x"]);
    assert_eq!((alone.code, codes(&alone)), (2, vec!["annotation/pull-secret"]), "{alone:#?}");
    assert_eq!(files(&place), [], "nothing is written");
    // One that is named must be there, and one that is there must be good.
    assert_eq!(bare(&["tags", &image, "--config", "nowhere.yaml"]).code, 3);
    std::fs::write(place.join("repin.yaml"), "bogus: 1\n").unwrap();
    let said = bare(&["tags", &image]);
    assert_eq!(
        (said.code, &said.json["image"], said.json["problems"][0]["code"].as_str()),
        (3, &Value::Null, Some("config/unknown-key")),
        "{said:#?}"
    );
    std::fs::write(place.join("repin.yaml"), world.standard_config()).unwrap();
    assert_eq!(bare(&["tags", &image]).json["chosen"], "1.0.0");
}
