//! "Why was this tag not taken?": every tag with verdict and standing, the choice, the gates, the place, the next look.

use serde_json::{Value, json};

use crate::registry::Behaviour;
use crate::table::{self, PLAIN, Row, codes, problems};
use crate::world::{App, World};

/// `tag code standing` of every candidate; `-` for null.
fn lines(image: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    image["candidates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let eligible = one["verdict"] == "eligible";
            assert_eq!(eligible, one["code"].is_null(), "{one:#}");
            assert!(eligible || one["verdict"] == "rejected");
            assert!(!one["reason"].as_str().unwrap().is_empty());
            assert_eq!(one.as_object().unwrap().len(), 5, "{one:#}");
            format!("{} {} {}", text(&one["tag"]), text(&one["code"]), text(&one["standing"]))
        })
        .collect()
}

fn only(world: &World, arguments: &[&str]) -> Value {
    let said = world.repin(arguments);
    assert_eq!((said.code, said.json["images"].as_array().unwrap().len()), (0, 1), "{said:#?}");
    said.json["images"][0].clone()
}

fn gates(image: &Value) -> Vec<&str> {
    image["gates"].as_array().unwrap().iter().map(|gate| gate["code"].as_str().unwrap()).collect()
}

#[test]
fn the_document_is_whole() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "1.2.0-rc.1"]);
    world.add_app(&App { name: "web", constraint: "1.x", annotations: &[] }, "1.0.0");
    let said = world.repin(&["explain", "web", "--now", "2026-03-01T10:00:00Z"]);
    assert_eq!(said.code, 0);
    let image = &said.json["images"][0];
    let reason = |index: usize| image["candidates"][index]["reason"].clone();
    assert_eq!(
        said.json,
        json!({"version": 1, "application": "argocd/web", "problems": [], "images": [{
            "alias": "app", "image": world.image("web"), "current": "1.0.0", "chosen": "1.1.0", "policy": "semver 1.x",
            "candidates": [
                {"tag": "1.2.0-rc.1", "verdict": "rejected", "code": "prerelease", "reason": "pre-release, and the range names none", "standing": null},
                {"tag": "1.1.0", "verdict": "eligible", "code": null, "reason": reason(1), "standing": "chosen"},
                {"tag": "1.0.0", "verdict": "eligible", "code": null, "reason": reason(2), "standing": "current"},
            ],
            "gates": [], "target": {"file": "apps/web/values.yaml", "key": "image.tag", "line": 5, "shared_with": []}, "next": "2026-03-01T10:00:01Z",
        }]})
    );
    world.configure(&world.standard_config().replace("schedule: 1s", "schedule: 2h30m"));
    let image = only(&world, &["--now", "2026-03-01T10:00:00+01:00", "explain", "argocd/web", "app"]);
    assert_eq!(image["next"], "2026-03-01T11:30:00Z");
}

#[test]
fn the_next_look_is_that_of_the_schedule_of_the_registry_and_of_the_interval_of_the_application() {
    let rows: &[(&str, &str)] =
        &[("plain", ""), ("rare", "\nrepin.dev/interval: 6h"), ("capped", "\nrepin.dev/interval: 1m")];
    let texts: Vec<(&str, String)> = rows.iter().map(|(name, more)| (*name, format!("{PLAIN}{more}"))).collect();
    let next = |config: &dyn Fn(String) -> String, alone: &str| {
        let rows: Vec<Row<'_>> =
            texts.iter().filter(|(name, _)| *name == alone).map(|(name, text)| Row::new(name, text)).collect();
        let world = table::world(&rows);
        world.configure(&config(world.standard_config().replace("schedule: 1s", "schedule: 2h")));
        only(&world, &["--now", "2026-03-01T10:00:00Z", "explain", alone])["next"].as_str().unwrap().to_owned()
    };
    let own = |text: &str, schedule: &str| {
        text.replace("    insecure: true\n", &format!("    insecure: true\n    schedule: {schedule}\n"))
    };
    let (plain, daily) = (|text: String| text, |text: String| own(&text, "\"0 9 * * *\""));
    let allowed = |text: String| format!("shortest_interval: 10s\n{}", own(&text, "30m"));
    for (config, application, expected) in [
        (&plain as &dyn Fn(String) -> String, "plain", "2026-03-01T12:00:00Z"),
        (&plain, "rare", "2026-03-01T16:00:00Z"),
        (&plain, "capped", "2026-03-01T12:00:00Z"),
        (&daily, "plain", "2026-03-02T09:00:00Z"),
        (&daily, "rare", "2026-03-02T09:00:00Z"),
        (&allowed, "plain", "2026-03-01T10:30:00Z"),
        (&allowed, "rare", "2026-03-01T16:00:00Z"),
        (&allowed, "capped", "2026-03-01T10:01:00Z"),
    ] {
        assert_eq!(next(config, application), expected, "{application}");
    }
    // Of several Applications of one image the shortest counts, also for who is explained alone.
    let rows: Vec<Row<'_>> = texts.iter().map(|(name, text)| Row::new(name, text)).collect();
    let world = table::world(&rows);
    world.configure(&world.standard_config().replace("schedule: 1s", "schedule: 2h"));
    let image = only(&world, &["--now", "2026-03-01T10:00:00Z", "explain", "rare"]);
    assert_eq!(image["next"], "2026-03-01T12:00:00Z");
}

#[test]
fn every_verdict_code_is_said() {
    let signature = format!("sha256-{}.sig", "ab".repeat(32));
    let tags = [
        "1.0.0",
        "1.1.0",
        "1.2.0",
        "1.3.0-rc.1",
        "2.0.0",
        "0.9.0",
        "dev",
        "20240115",
        "1.1.1-debug",
        "1.9.9",
        &signature,
    ];
    let world = World::create();
    world.registry.publish("acme/web", &tags);
    let text = "repin.dev/image-list: \"app=IMAGE:1.x\"\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/ignore-tags: \"*-debug, 1.9.*\"\nrepin.dev/allow-tags: \"regexp:^([0-9d]|sha)\"";
    table::commit(&world, &[Row::new("web", &text.replace("([0-9d]|sha)", "([0-9]|dev|sha)"))]);
    let image = only(&world, &["explain", "web"]);
    let mut found = lines(&image);
    found.sort();
    let mut expected = [
        "1.0.0 - current".to_owned(),
        "1.1.0 - older".into(),
        "1.2.0 - chosen".into(),
        "1.3.0-rc.1 prerelease -".into(),
        "2.0.0 out-of-range -".into(),
        "0.9.0 out-of-range -".into(),
        "dev not-a-version -".into(),
        "20240115 strict -".into(),
        "1.1.1-debug ignore-tags -".into(),
        "1.9.9 ignore-tags -".into(),
        format!("{signature} not-a-candidate -"),
    ];
    expected.sort();
    assert_eq!(found, expected);
    let text =
        "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/allow-tags: regexp:^1[.]";
    let world = table::world(&[Row::new("web", text)]);
    assert_eq!(lines(&only(&world, &["explain", "web"])), ["2.0.0 allow-tags -", "1.1.0 - chosen", "1.0.0 - current"]);
}

#[test]
fn every_tag_is_listed_however_many_there_are() {
    let tags: Vec<String> = (0..300).map(|patch| format!("1.0.{patch}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    let world = World::with_web(&tags);
    let found = lines(&only(&world, &["explain", "web"]));
    assert_eq!((found.len(), found[0].as_str(), found[299].as_str()), (300, "1.0.299 - chosen", "1.0.0 - current"));
    assert!(found[1..299].iter().all(|line| line.ends_with(" - older")));
}

#[test]
fn after_a_step_back_the_standing_is_rolled_back_up_to_the_mark() {
    let world = World::with_web(&["0.9.0", "1.0.0", "1.1.0", "1.2.0"]);
    let commit = world.once()["commit"].as_str().unwrap().to_owned();
    assert_eq!(
        lines(&only(&world, &["explain", "web"])),
        ["1.2.0 - current", "1.1.0 - older", "1.0.0 - older", "0.9.0 - older"]
    );
    world.remote.revert(&commit);
    let image = only(&world, &["explain", "web"]);
    assert_eq!(lines(&image), ["1.2.0 - rolled-back", "1.1.0 - rolled-back", "1.0.0 - current", "0.9.0 - older"]);
    assert_eq!(
        (gates(&image), &image["chosen"], &image["current"]),
        (vec!["guard/rolled-back"], &Value::Null, &json!("1.0.0"))
    );
    assert!(image["gates"][0]["until"].is_null() && image["gates"][0]["message"].as_str().unwrap().contains("1.2.0"));
    world.registry.publish("acme/web", &["1.3.0", "1.4.0"]);
    let image = only(&world, &["explain", "web"]);
    assert_eq!(
        lines(&image),
        [
            "1.4.0 - chosen",
            "1.3.0 - older",
            "1.2.0 - rolled-back",
            "1.1.0 - rolled-back",
            "1.0.0 - current",
            "0.9.0 - older"
        ]
    );
    assert_eq!((gates(&image), &image["chosen"]), (vec![], &json!("1.4.0")));
}

#[test]
fn chosen_is_what_the_policy_wants_in_every_situation() {
    let hold = |text: &str| format!("{PLAIN}\n{text}");
    let rows: Vec<(&str, String, &str, &str, &str, &str)> = vec![
        // name, annotations, what stands, current, chosen, gate
        ("pending", PLAIN.into(), "1.0.0", "1.0.0", "2.0.0", ""),
        ("current", PLAIN.into(), "2.0.0", "2.0.0", "2.0.0", ""),
        ("equal", PLAIN.into(), "v2.0.0", "v2.0.0", "v2.0.0", ""),
        ("down", PLAIN.into(), "3.0.0", "3.0.0", "2.0.0", "guard/downgrade"),
        (
            "none",
            PLAIN.replace("IMAGE", "\"IMAGE:7.x\"").replace("app=\"", "\"app="),
            "1.0.0",
            "1.0.0",
            "null",
            "selection/none",
        ),
        ("unbuilt", hold("repin.dev/notify: chat"), "1.0.0", "1.0.0", "2.0.0", "unsupported/notify"),
        ("quiet", hold("repin.dev/delivery: none"), "1.0.0", "1.0.0", "2.0.0", "rule/none"),
        ("bad", hold("repin.dev/strict: x"), "1.0.0", "1.0.0", "null", "annotation/invalid"),
        ("auto", "repin.dev/image-list: app=IMAGE".into(), "1.0.0", "1.0.0", "2.0.0", ""),
        ("empty", PLAIN.into(), "", "", "2.0.0", ""),
        ("text", PLAIN.into(), "dev", "dev", "2.0.0", ""),
        ("strange", "repin.dev/image-list: app=HOST/Acme/X".into(), "1.0.0", "null", "null", "annotation/invalid"),
    ];
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "2.0.0"]);
    let values: Vec<String> = rows.iter().map(|(_, _, tag, ..)| world.values("web", tag)).collect();
    let files: Vec<[(&str, &str); 1]> = values.iter().map(|text| [("values.yaml", text.as_str())]).collect();
    let all: Vec<Row<'_>> =
        rows.iter().zip(&files).map(|((name, text, ..), files)| Row { files, ..Row::new(name, text) }).collect();
    table::commit(&world, &all);
    for (name, _, _, current, chosen, gate) in &rows {
        let image = only(&world, &["explain", name]);
        let text = |value: &Value| value.as_str().map_or("null".to_owned(), str::to_owned);
        assert_eq!(
            (text(&image["current"]), text(&image["chosen"])),
            ((*current).into(), (*chosen).into()),
            "{name}: {image:#}"
        );
        assert_eq!(gates(&image).join(" "), *gate, "{name}");
        let is_readable = *name != "strange";
        assert_eq!(image["candidates"].as_array().unwrap().len(), if is_readable { 3 } else { 0 }, "{name}: {image:#}");
        let has_place = *name != "strange";
        assert_eq!(image["target"]["key"].is_string(), has_place, "{name}: {image:#}");
        assert_eq!(image["target"]["file"].is_string(), has_place, "{name}: {image:#}");
        assert!(image["next"].is_string());
    }
}

#[test]
fn rules_registries_and_files_are_gates() {
    let outside = format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:/other/values.yaml");
    let rows = [
        Row::new("web", PLAIN),
        Row { files: &[("/other/values.yaml", "image: {tag: 1.0.0}\n")], ..Row::new("outside", &outside) },
        Row { files: &[("values.yaml", "a: 1\n")], ..Row::new("nokey", PLAIN) },
        Row { files: &[("values.yaml", "-")], ..Row::new("nofile", PLAIN) },
    ];
    let world = table::world(&rows);
    for (name, gate) in [("outside", "target/outside"), ("nokey", "edit/no-such-key"), ("nofile", "edit/no-such-file")]
    {
        let image = only(&world, &["explain", name]);
        assert_eq!((gates(&image), image["candidates"].as_array().unwrap().len()), (vec![gate], 3), "{image:#}");
    }
    let config = world.standard_config();
    for (text, gate) in [
        (config.replace("delivery: commit", "delivery: none"), "rule/none"),
        (config.replace("delivery: commit", "delivery: pull-request"), "forge/unconfigured"),
        (config.replace("delivery: commit", "delivery: commit\n    notify: [chat]"), "unsupported/notify"),
        (format!("{config}observe: true\n"), "rule/observe"),
    ] {
        world.configure(&text);
        let image = only(&world, &["explain", "web"]);
        assert_eq!((gates(&image), &image["chosen"]), (vec![gate], &json!("2.0.0")));
        assert_eq!(lines(&image), ["2.0.0 - chosen", "1.1.0 - older", "1.0.0 - current"]);
    }
    world.configure(&config.replace(&world.registry.host(), "other.example"));
    let image = only(&world, &["explain", "web"]);
    assert_eq!(
        (gates(&image), &image["chosen"], &image["current"]),
        (vec!["registry/unconfigured"], &Value::Null, &json!("1.0.0"))
    );
    world.configure(&config);
    world.registry.set("acme/web", Behaviour::Status(503, "UNAVAILABLE"));
    let image = only(&world, &["explain", "web"]);
    assert_eq!((image["candidates"].as_array().unwrap().len(), &image["chosen"]), (0, &Value::Null));
    assert!(gates(&image)[0].starts_with("registry/"), "{image:#}");
}

#[test]
fn a_contested_place_names_the_others_also_when_one_is_explained() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0", "2.0.0"]);
    let range = |constraint: &str| PLAIN.replace("app=IMAGE", &format!("\"app=IMAGE:{constraint}\""));
    let (a, b) = (
        table::manifest(&world, "a", &range("1.x"), "path: apps/web"),
        table::manifest(&world, "b", &range("2.x"), "path: apps/web"),
    );
    world.remote.commit(
        &[("argocd/a.yaml", &a), ("argocd/b.yaml", &b), ("apps/web/values.yaml", &world.values("web", "1.0.0"))],
        "Add",
    );
    let image = only(&world, &["explain", "a"]);
    assert_eq!((gates(&image), &image["chosen"]), (vec!["place/contested"], &json!("1.1.0")));
    assert!(image["gates"][0]["message"].as_str().unwrap().contains("argocd/b"));
}

#[test]
fn an_alias_narrows_the_answer_and_problems_are_those_of_the_application() {
    let text = "repin.dev/image-list: \"app=IMAGE,job=IMAGE:1.x\"\nrepin.dev/app.helm.image-tag: app.tag\nrepin.dev/job.helm.image-tag: job.tag\nrepin.dev/nonsense: x";
    let other = format!("{PLAIN}\nrepin.dev/rubbish: x");
    let row = Row { files: &[("values.yaml", "app: {tag: 1.0.0}\njob: {tag: 1.0.0}\n")], ..Row::new("web", text) };
    let world = table::world(&[row, Row::new("other", &other)]);
    let said = world.repin(&["explain", "web"]);
    let aliases: Vec<&Value> = said.json["images"].as_array().unwrap().iter().map(|one| &one["alias"]).collect();
    assert_eq!(aliases, ["app", "job"]);
    assert_eq!(codes(&problems(&said, "argocd/web.yaml")), ["annotation/unknown-key"]);
    assert!(problems(&said, "argocd/other.yaml").is_empty(), "{said:#?}");
    let image = only(&world, &["explain", "web", "job"]);
    assert_eq!(
        (&image["alias"], &image["chosen"], &image["target"]),
        (
            &json!("job"),
            &json!("1.1.0"),
            &json!({"file": "apps/web/values.yaml", "key": "job.tag", "line": 2, "shared_with": []})
        )
    );
    // Nothing of it writes.
    assert_eq!(world.remote.show("apps/web/values.yaml"), "app: {tag: 1.0.0}\njob: {tag: 1.0.0}\n");
    let text = String::from_utf8(world.command(&["explain", "web", "job"]).output().unwrap().stdout).unwrap();
    for part in
        ["argocd/web job", "apps/web/values.yaml#job.tag", "semver 1.x", "1.1.0", "out-of-range", "chosen", "current"]
    {
        assert!(text.contains(part) || (part == "out-of-range" && text.contains("outside")), "{part}: {text}");
    }
}

/// What `plan` and `explain` say of one Application, which must be the same: its code, and what is in the way.
fn same_as_planned(world: &World, name: &str) -> String {
    let planned = table::outcome(&world.repin(&["plan"]), name).clone();
    let image = only(world, &["explain", name]);
    let code = planned["code"].as_str().unwrap();
    let gate = image["gates"].as_array().unwrap().iter().find(|gate| gate["code"] == code);
    let gate = gate.unwrap_or_else(|| panic!("{planned:#}\n{image:#}"));
    assert_eq!(gate["message"], planned["message"], "{name}");
    code.to_owned()
}

#[test]
fn what_is_upstream_is_explained_as_it_is_decided() {
    let in_prod = |more: &str| format!("{PLAIN}\nrepin.dev/promote-from: {more}");
    let (one, two) = (in_prod("dev"), in_prod("dev/broken"));
    let rows = [
        Row::new("web-prod", &one),
        Row::new("broken-prod", &two),
        Row::new("late-prod", &one),
        // Both are the service `web` of dev, and none is called `late`.
        Row::new("web-dev", PLAIN),
        Row::new("dev-web", PLAIN),
        Row::new("lane-dev", PLAIN),
        Row { files: &[("values.yaml", "image: {tag: [\n")], ..Row::new("broken", PLAIN) },
    ];
    let world = table::world(&rows);
    world.configure(
        &world.standard_config().replace(
            "  - match: {path: \"apps/**\"}\n",
            "  - match: {path: \"apps/*-prod/**\"}\n    environment: prod\n    delivery: commit\n  - match: {path: \"apps/{dev-web,*-dev,broken}/**\"}\n",
        ),
    );
    for (name, code) in [
        ("web-prod", "promotion/ambiguous"),
        ("broken-prod", "promotion/unknown"),
        ("late-prod", "promotion/no-upstream"),
    ] {
        assert_eq!(same_as_planned(&world, name), code, "{name}");
    }
    // Which one is like it is said of all of the environment.
    let image = only(&world, &["explain", "late-prod"]);
    let message = image["gates"][0]["message"].as_str().unwrap();
    assert!(message.contains("the nearest service there is `lane`"), "{message}");
}

#[test]
fn limits_count_what_others_change_when_one_is_explained() {
    // Which one is the first within an hour is another one each hour.
    for (limit, code, held) in
        [("max_changes_per_hour", "limit/per-hour", 1), ("max_changes_per_push", "limit/per-push", 2)]
    {
        let rows = [Row::new("api", PLAIN), Row::new("web", PLAIN)];
        let world = table::world(&rows);
        world.configure(&format!("{}    {limit}: 1\n", world.standard_config()));
        let planned = world.repin(&["plan"]);
        let is_held = |name: &&str| table::outcome(&planned, name)["code"] == code;
        let limited: Vec<&str> = ["api", "web"].into_iter().filter(is_held).collect();
        assert_eq!(limited.len(), held, "{limit}: {planned:#?}");
        limited.into_iter().for_each(|name| assert_eq!(same_as_planned(&world, name), code));
    }
    // The one of the whole configuration as well.
    let world = table::world(&[Row::new("api", PLAIN), Row::new("web", PLAIN)]);
    world.configure(&format!("max_changes_per_push: 1\n{}", world.standard_config()));
    assert_eq!(same_as_planned(&world, "web"), "limit/per-push");
}
