//! What teams write: every shape of an annotation, as the commands see it.

use serde_json::{Value, json};

use crate::table::{self, PLAIN, Row, codes, outcome, outcomes, problems, verdict};
use crate::world::World;

/// Rows of (name, annotations, verdict of the only outcome, codes of the manifest's problems); all in one repository.
fn check(rows: &[(&str, String, &str, &[&str])]) {
    let applications: Vec<Row<'_>> = rows.iter().map(|(name, text, ..)| Row::new(name, text)).collect();
    let world = table::world(&applications);
    let said = world.repin(&["plan"]);
    let mut wrong = Vec::new();
    for (name, text, expected, problem_codes) in rows {
        let found = outcomes(&said, name);
        let verdicts: Vec<String> = found.iter().map(|one| verdict(one)).collect();
        let found_problems = problems(&said, &format!("argocd/{name}.yaml"));
        let found_codes = codes(&found_problems);
        if verdicts != [*expected] || found_codes != *problem_codes {
            wrong.push(format!("{name}: {text}\n  {verdicts:?} {found_codes:?}\n  {expected} {problem_codes:?}"));
        }
        for problem in found_problems {
            let has_place = problem["line"].as_u64().is_some_and(|line| line > 0) && problem["repository"] == "gitops";
            if !has_place || problem["hint"].as_str().is_none_or(str::is_empty) {
                wrong.push(format!("{name}: without line, repository or hint: {problem}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{said:#?}", wrong.join("\n"));
}

fn plus(more: &str) -> String {
    format!("{PLAIN}\n{more}")
}

#[test]
fn every_known_key_that_is_not_built_holds_its_image_and_is_a_problem() {
    let keys = [
        ("require-healthy", "\"true\""),
        ("verify", "keyless:main"),
        ("notify", "chat"),
        ("app.verify", "keyless:x"),
        ("write-back-method", "argocd"),
    ];
    let mut texts = Vec::new();
    for prefix in ["repin.dev/", "argocd-image-updater.argoproj.io/"] {
        for (key, value) in keys {
            let name = format!("row{}", texts.len());
            let code = format!("unsupported/{}", key.strip_prefix("app.").unwrap_or(key));
            // Everything else is said, so that the key alone holds.
            let base = PLAIN.replace("repin.dev/", prefix);
            let method = if key == "write-back-method" { "" } else { "repin.dev/write-back-method: git\n" };
            let target = "repin.dev/write-back-target: helmvalues\n";
            texts.push((name, format!("{base}\n{method}{target}{prefix}{key}: {value}"), format!("held {code}"), code));
        }
    }
    let lists: Vec<[&str; 1]> = texts.iter().map(|(.., code)| [code.as_str()]).collect();
    let rows: Vec<(&str, String, &str, &[&str])> = texts
        .iter()
        .zip(&lists)
        .map(|((name, text, verdict, _), list)| (name.as_str(), text.clone(), verdict.as_str(), list.as_slice()))
        .collect();
    check(&rows);
}

#[test]
fn of_several_unbuilt_keys_the_first_of_the_manual_holds_and_each_one_is_a_problem() {
    check(&[
        (
            "two",
            plus("repin.dev/notify: chat\nargocd-image-updater.argoproj.io/require-healthy: \"true\""),
            "held unsupported/require-healthy",
            &["unsupported/notify", "unsupported/require-healthy"],
        ),
        (
            "verify-first",
            plus("repin.dev/verify: keyless:main\nrepin.dev/interval: 5m\nrepin.dev/notify: chat"),
            "held unsupported/verify",
            &["unsupported/notify", "unsupported/verify"],
        ),
        (
            "method-without-target",
            PLAIN.replace("repin.dev/", "argocd-image-updater.argoproj.io/"),
            "held unsupported/write-back-method",
            &["unsupported/write-back-method"],
        ),
        (
            "target-before-unbuilt",
            plus("repin.dev/notify: chat\nrepin.dev/write-back-target: kustomization"),
            "held annotation/invalid",
            &["annotation/invalid", "unsupported/notify"],
        ),
    ]);
}

#[test]
fn an_interval_is_a_span_of_time_and_one_that_is_too_short_is_capped_and_still_written() {
    // The schedule of these worlds is a second.
    for (value, verdict, codes) in [
        ("5m", "pending pending", &[][..]),
        ("1s", "pending pending", &[]),
        ("0s", "held annotation/invalid", &["annotation/invalid"]),
        ("5", "held annotation/invalid", &["annotation/invalid"]),
        ("hourly", "held annotation/invalid", &["annotation/invalid"]),
    ] {
        check(&[("web", plus(&format!("repin.dev/interval: \"{value}\"")), verdict, codes)]);
    }
    let world = table::world(&[Row::new("web", &plus("repin.dev/interval: 2h\nrepin.dev/app.interval: 90s"))]);
    let capped = |config: &str| {
        world.configure(config);
        let said = world.repin(&["check"]);
        assert_eq!(said.code, 0, "{said:#?}");
        said.json["problems"].as_array().unwrap().clone()
    };
    let config = world.standard_config().replace("schedule: 1s", "schedule: 5m");
    let problems = capped(&config);
    let problem = &problems[0];
    assert_eq!(
        (problems.len(), &problem["code"], &problem["severity"]),
        (1, &"annotation/capped".into(), &"warning".into())
    );
    assert_eq!(
        problem["message"],
        "argocd/web: `interval` of `app` is 1m 30s, the operator allows 5m, and that counts"
    );
    let manifest = world.remote.show("argocd/web.yaml");
    let line = 1 + manifest.lines().position(|line| line.contains("app.interval")).unwrap();
    assert_eq!((&problem["file"], &problem["line"]), (&"argocd/web.yaml".into(), &line.into()));
    assert!(problem["hint"].as_str().unwrap().contains("`shortest_interval`"), "{problem:#}");
    assert_eq!(world.repin(&["plan"]).json["outcomes"][0]["result"], "pending");
    for allowed in ["shortest_interval: 1m\n", "shortest_interval: 90s\n"] {
        assert_eq!(capped(&format!("{allowed}{config}")), [json!(null); 0], "{allowed}");
    }
    // A registry with a schedule of its own is what an interval is compared with.
    let own = config.replace("    insecure: true\n", "    insecure: true\n    schedule: 1m\n");
    assert_eq!(capped(&own), [json!(null); 0]);
    let cron = config.replace("    insecure: true\n", "    insecure: true\n    schedule: \"@daily\"\n");
    assert_eq!(capped(&cron), [json!(null); 0], "beside cron it can only be rarer");
}

#[test]
fn both_prefixes_are_one_map_in_which_the_own_one_wins_key_by_key() {
    const OLD: &str = "argocd-image-updater.argoproj.io/";
    let legacy = PLAIN.replace("repin.dev/", OLD);
    let rows: Vec<(&str, String, &str, &[&str])> = vec![
        ("own", PLAIN.into(), "pending pending", &[]),
        (
            "legacy",
            format!("{legacy}\n{OLD}write-back-method: git\n{OLD}write-back-target: helmvalues:values.yaml"),
            "pending pending",
            &[],
        ),
        (
            "legacy-bare-target",
            format!("{legacy}\n{OLD}write-back-method: git\n{OLD}write-back-target: helmvalues"),
            "pending pending",
            &[],
        ),
        (
            "legacy-without-method",
            format!("{legacy}\n{OLD}write-back-target: helmvalues"),
            "held unsupported/write-back-method",
            &["unsupported/write-back-method"],
        ),
        // It writes a file that Argo CD reads for charts and kustomizations only.
        (
            "legacy-without-target",
            format!("{legacy}\n{OLD}write-back-method: git"),
            "held target/not-found",
            &["target/not-found"],
        ),
        (
            "legacy-list-own-rest",
            format!(
                "{OLD}image-list: app=IMAGE\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/write-back-method: git\nrepin.dev/write-back-target: helmvalues"
            ),
            "pending pending",
            &[],
        ),
        (
            "own-list-legacy-key",
            format!("repin.dev/image-list: app=IMAGE\n{OLD}app.helm.image-tag: image.tag"),
            "pending pending",
            &[],
        ),
        // The own value stands, whichever of the two comes first.
        ("own-first", format!("{PLAIN}\nrepin.dev/strict: \"true\"\n{OLD}strict: maybe"), "pending pending", &[]),
        ("own-last", format!("{PLAIN}\n{OLD}strict: maybe\nrepin.dev/strict: \"true\""), "pending pending", &[]),
        (
            "own-method",
            format!("{PLAIN}\n{OLD}write-back-method: argocd\nrepin.dev/write-back-method: git"),
            "pending pending",
            &[],
        ),
        // Another key is another key: the one of the alias beats the one for all, whatever its prefix.
        (
            "alias-beats-all",
            format!("{PLAIN}\nrepin.dev/allow-tags: regexp:^9\n{OLD}app.allow-tags: any"),
            "pending pending",
            &[],
        ),
        (
            "force-update",
            format!("{PLAIN}\n{OLD}force-update: \"true\"\n{OLD}app.force-update: \"true\""),
            "pending pending",
            &[],
        ),
    ];
    check(&rows);
}

#[test]
fn every_shape_of_an_image_list_is_read_as_a_person_means_it() {
    let key = "repin.dev/app.helm.image-tag: image.tag";
    let web = "repin.dev/web.helm.image-tag: image.tag";
    let rows: Vec<(&str, String, &str, &[&str])> = vec![
        ("spaces", format!("repin.dev/image-list: \"  app = IMAGE  \"\n{key}"), "pending pending", &[]),
        ("no-alias", format!("repin.dev/image-list: IMAGE\n{web}"), "pending pending", &[]),
        ("no-alias-range", format!("repin.dev/image-list: IMAGE:~1.0\n{web}"), "current current", &[]),
        ("range", format!("repin.dev/image-list: \"app=IMAGE:>=1.0 <2.0\"\n{key}"), "pending pending", &[]),
        ("tilde", format!("repin.dev/image-list: app=IMAGE:~1.x\n{key}"), "pending pending", &[]),
        ("wild", format!("repin.dev/image-list: app=IMAGE:1.0.x\n{key}"), "current current", &[]),
        ("literal", format!("repin.dev/image-list: |\n  app=IMAGE:1.x  \n\n{key}"), "pending pending", &[]),
        ("folded", format!("repin.dev/image-list: >\n  app=IMAGE,\n{key}"), "pending pending", &[]),
        ("trailing", format!("repin.dev/image-list: \"app=IMAGE, ,\\n\"\n{key}"), "pending pending", &[]),
        (
            "slash-alias",
            "repin.dev/image-list: org/app=IMAGE\nrepin.dev/org_app.helm.image-tag: image.tag".into(),
            "pending pending",
            &[],
        ),
        (
            "camel",
            "repin.dev/image-list: myApp=IMAGE\nrepin.dev/myApp.helm.image-tag: image.tag".into(),
            "pending pending",
            &[],
        ),
        (
            "dotted",
            "repin.dev/image-list: my.app=IMAGE\nrepin.dev/my.app.helm.image-tag: image.tag".into(),
            "pending pending",
            &[],
        ),
        (
            "latest",
            format!("repin.dev/image-list: app=IMAGE:latest\n{key}"),
            "held annotation/invalid",
            &["annotation/invalid"],
        ),
        (
            "constraint",
            format!("repin.dev/image-list: \"app=IMAGE:>=1.0 ||| x\"\n{key}"),
            "held annotation/invalid",
            &["annotation/invalid"],
        ),
        (
            "upper",
            format!("repin.dev/image-list: app=HOST/Acme/Web\n{key}"),
            "held annotation/invalid",
            &["annotation/invalid"],
        ),
        (
            "at",
            format!("repin.dev/image-list: app=IMAGE@sha256:abc\n{key}"),
            "held annotation/invalid",
            &["annotation/invalid"],
        ),
        ("none", "repin.dev/image-list: app=IMAGE".into(), "pending pending", &[]),
        (
            "name-only",
            "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-name: image.repository".into(),
            "pending pending",
            &[],
        ),
        (
            "target-only",
            "repin.dev/image-list: app=IMAGE\nrepin.dev/write-back-target: helmvalues:values.yaml".into(),
            "pending pending",
            &[],
        ),
        (
            "unused",
            plus("repin.dev/app.update-strategy: name").replace("app=IMAGE", "app=IMAGE:~1.0"),
            "pending pending",
            &["annotation/unused"],
        ),
        (
            "unused-number",
            plus("repin.dev/app.update-strategy: numerical").replace("app=IMAGE", "app=IMAGE:~1.0"),
            "held selection/none",
            &["annotation/unused"],
        ),
        ("older-name", plus("repin.dev/app.tag-match: \"regexp:^1[.]1\""), "pending pending", &[]),
        (
            "both-names",
            plus("repin.dev/app.tag-match: \"regexp:^2\"\nrepin.dev/app.allow-tags: \"regexp:^1\""),
            "pending pending",
            &["annotation/unused"],
        ),
    ];
    check(&rows);
}

#[test]
fn an_entry_that_cannot_be_read_is_an_outcome_with_its_raw_text_and_the_others_go_on() {
    let text = "repin.dev/image-list: \"app=IMAGE, bad=HOST/Acme/X:1.x, Not An Image, <2.0\"\nrepin.dev/app.helm.image-tag: image.tag";
    let world = table::world(&[Row::new("web", text)]);
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 0, "{said:#?}");
    let found: Vec<Value> = outcomes(&said, "web")
        .iter()
        .map(|one| json!([one["alias"], one["image"], one["result"], one["code"]]))
        .collect();
    let raw = format!("bad={}/Acme/X:1.x", world.registry.host());
    assert_eq!(
        found,
        [
            json!(["app", world.image("web"), "delivered", "delivered"]),
            json!(["bad", raw, "held", "annotation/invalid"]),
            json!(["Not An Image", "Not An Image", "held", "annotation/invalid"]),
            json!(["<2.0", "<2.0", "held", "annotation/invalid"]),
        ]
    );
    for one in outcomes(&said, "web").into_iter().skip(1) {
        for field in ["file", "key", "from", "to", "environment", "until", "commit", "pull_request"] {
            assert!(one[field].is_null(), "{field}: {one:#}");
        }
    }
    let invalid = problems(&said, "argocd/web.yaml");
    assert_eq!(codes(&invalid), ["annotation/invalid"; 3]);
    assert!(invalid.iter().all(|one| one["line"] == 7), "{invalid:#?}");
}

#[test]
fn unknown_and_orphan_keys_are_errors_that_hold_nothing() {
    let cases = [
        ("update-interval", "interval"),
        ("platform", "platforms"),
        ("app.platform", "app.platforms"),
        ("app.update-strateggy", "app.update-strategy"),
        ("image-lists", "image-list"),
        ("app.helm.imagetag", "app.helm.image-tag"),
        ("git-credentials", "git-"),
        ("write-back-credentials", "write-back-"),
        ("digest.sort", ""),
        ("helm.image-tag", "<alias>.helm.image-tag"),
        ("", ""),
    ];
    for prefix in ["repin.dev/", "argocd-image-updater.argoproj.io/"] {
        let more: String = cases.iter().map(|(key, _)| format!("\n{prefix}{key}: x")).collect();
        let text = format!("{PLAIN}{more}\n{prefix}argocd.kustomize.image-name: x\n{prefix}other.pin: digest");
        let world = table::world(&[Row::new("web", &text)]);
        let said = world.repin(&["once"]);
        assert_eq!((said.code, verdict(outcome(&said, "web")).as_str()), (0, "delivered delivered"), "{said:#?}");
        let found = problems(&said, "argocd/web.yaml");
        assert_eq!(found.len(), cases.len() + 2, "{found:#?}");
        assert!(found.iter().all(|one| one["severity"] == "error"));
        for (index, (key, nearest)) in cases.iter().enumerate() {
            let line = 9 + index as u64;
            let problem = found.iter().find(|one| one["line"] == line).unwrap_or_else(|| panic!("{key}: {found:#?}"));
            assert_eq!(problem["code"], "annotation/unknown-key", "{problem:#}");
            assert!(problem["message"].as_str().unwrap().contains(&format!("`{key}`")), "{problem:#}");
            assert!(problem["hint"].as_str().unwrap().contains(nearest), "{key}: {problem:#}");
        }
        let orphans: Vec<_> = found.iter().filter(|one| one["code"] == "annotation/orphan-key").collect();
        assert_eq!(orphans.len(), 2);
        assert!(orphans.iter().all(|one| one["hint"].as_str().unwrap().contains("app")), "{orphans:#?}");
        assert_eq!(world.repin(&["check"]).code, 1);
    }
}

#[test]
fn values_that_no_grammar_takes_hold_their_image() {
    let invalid: &[&str] = &["annotation/invalid"];
    let rows: Vec<(&str, String, &str, &[&str])> = vec![
        ("strategy", plus("repin.dev/app.update-strategy: semver-patch"), "held annotation/invalid", invalid),
        ("allow", plus("repin.dev/app.allow-tags: \"~1.0\""), "held annotation/invalid", invalid),
        ("regex", plus("repin.dev/allow-tags: \"regexp:^(1\""), "held annotation/invalid", invalid),
        ("look-around", plus("repin.dev/allow-tags: \"regexp:^(?!x)\""), "held annotation/invalid", invalid),
        ("glob", plus("repin.dev/ignore-tags: \"[a\""), "held annotation/invalid", invalid),
        ("strict", plus("repin.dev/strict: yes please"), "held annotation/invalid", invalid),
        ("downgrade", plus("repin.dev/app.allow-downgrade: \"1\""), "held annotation/invalid", invalid),
        ("rollback", plus("repin.dev/after-rollback: never"), "held annotation/invalid", invalid),
        ("platforms", plus("repin.dev/platforms: linux/amd64, arm64"), "held annotation/invalid", invalid),
        ("pin", plus("repin.dev/app.pin: sha256"), "held annotation/invalid", invalid),
        ("pin-tag", plus("repin.dev/app.pin: tag\nrepin.dev/update-strategy: digest"), "held annotation/invalid", invalid),
        ("pin-alone", plus("repin.dev/app.pin: digest"), "held annotation/invalid", invalid),
        ("age", plus("repin.dev/min-age: 3 days"), "held annotation/invalid", invalid),
        ("extract", plus("repin.dev/extract: $1"), "held annotation/invalid", invalid),
        (
            "group",
            plus("repin.dev/allow-tags: \"regexp:^(?P<v>1.*)$\"\nrepin.dev/extract: ${w}"),
            "held annotation/invalid",
            invalid,
        ),
        ("any-extract", plus("repin.dev/allow-tags: any\nrepin.dev/extract: $1"), "held annotation/invalid", invalid),
        ("match", plus("repin.dev/app.tag-match: \"~1.0\""), "held annotation/invalid", invalid),
        (
            "follow",
            plus("repin.dev/update-strategy: digest").replace("app=IMAGE", "\"app=IMAGE:>=1.0 <2\""),
            "held annotation/invalid",
            invalid,
        ),
        ("method", plus("repin.dev/write-back-method: svn"), "held annotation/invalid", invalid),
        ("no-file", plus("repin.dev/write-back-target: \"helmvalues:\""), "held annotation/invalid", invalid),
        ("no-target", plus("repin.dev/write-back-target: \"\""), "held annotation/invalid", invalid),
        ("path", PLAIN.replace("image.tag", "image..tag"), "held annotation/invalid", invalid),
        (
            "spec-template",
            "repin.dev/image-list: app=IMAGE\nrepin.dev/app.helm.image-spec: |\n  {{- with .Values }}\n  {{ .image }}\n".into(),
            "held annotation/invalid",
            invalid,
        ),
        ("fine", plus("repin.dev/ignore-tags: latest, dev\nrepin.dev/allow-tags: \"regexp:^[0-9.]+$\""), "pending pending", &[]),
        ("any", plus("repin.dev/allow-tags: any"), "pending pending", &[]),
        ("bools", plus("repin.dev/strict: \"false\"\nrepin.dev/include-prereleases: \"true\""), "pending pending", &[]),
        ("twice", plus("repin.dev/strict: \"false\"\nrepin.dev/strict: \"true\""), "pending pending", &["annotation/duplicate-key"]),
        (
            "methods-twice",
            plus("repin.dev/write-back-method: argocd\nrepin.dev/write-back-method: git"),
            "pending pending",
            &["annotation/duplicate-key"],
        ),
        ("number", plus("repin.dev/strict: true"), "pending pending", &[]),
        ("two-keys", plus("repin.dev/app.helm.image-spec: spec"), "failed edit/no-such-key", &["annotation/unused"]),
        (
            "extract-of-nothing",
            plus("repin.dev/update-strategy: alphabetical\nrepin.dev/allow-tags: regexp:^(.*)$\nrepin.dev/extract: $1"),
            "pending pending",
            &[],
        ),
        (
            "extract-beside-digest",
            plus("repin.dev/update-strategy: newest-build\nrepin.dev/allow-tags: regexp:^(.*)$\nrepin.dev/extract: $1"),
            "held selection/none",
            &["annotation/unused"],
        ),
        ("nulled", plus("repin.dev/allow-tags:"), "held annotation/invalid", invalid),
        ("null-tilde", plus("repin.dev/app.ignore-tags: ~"), "held annotation/invalid", invalid),
        ("a-list", plus("repin.dev/ignore-tags: [latest]"), "held annotation/invalid", invalid),
        ("a-map", plus("repin.dev/delivery: {x: y}"), "held annotation/invalid", invalid),
        ("null-unbuilt", plus("repin.dev/hold:"), "held annotation/invalid", invalid),
        ("null-legacy", plus("argocd-image-updater.argoproj.io/strict:\nrepin.dev/strict: \"true\""), "pending pending", invalid),
        ("null-of-another", plus("repin.dev/other.strict:"), "pending pending", invalid),
        ("template", plus("repin.dev/write-back-target: \"helmvalues:/{{path}}/values.yaml\""), "held annotation/invalid", invalid),
        ("blank", plus("repin.dev/allow-tags: \"regexp: ^[0-9]\""), "pending pending", &[]),
        ("nothing", plus("repin.dev/delivery: none"), "held rule/none", &[]),
        ("as-the-rules", plus("repin.dev/delivery: commit"), "pending pending", &[]),
        ("stricter", plus("repin.dev/delivery: pull-request"), "held forge/unconfigured", &[]),
        ("no-delivery", plus("repin.dev/delivery: push"), "held annotation/invalid", invalid),
        ("no-window", plus("repin.dev/window: office"), "held annotation/invalid", invalid),
        ("empty-window", plus("repin.dev/window: ','"), "held annotation/invalid", invalid),
        ("no-soak", plus("repin.dev/app.soak: soon"), "held annotation/invalid", invalid),
        ("no-promotion", plus("repin.dev/promote-from: 'some:dev'"), "held annotation/invalid", invalid),
        ("none-of-two", plus("repin.dev/promote-from: dev,none"), "held annotation/invalid", invalid),
        ("no-reason", plus("repin.dev/hold: until=2026-04-01T08:00:00Z"), "held annotation/invalid", invalid),
        ("no-end", plus("repin.dev/hold: audit until=tomorrow"), "held annotation/invalid", invalid),
        ("no-promotion-at-all", plus("repin.dev/promote-from: none\nrepin.dev/soak: 0"), "pending pending", &[]),
        (
            "wishes",
            plus("repin.dev/pull-request.labels: deps,web\nrepin.dev/pull-request.reviewers: ann,acme/web"),
            "pending pending",
            &[],
        ),
        ("no-label", plus("repin.dev/pull-request.labels: repin/rebase"), "held annotation/invalid", invalid),
        ("no-login", plus("repin.dev/pull-request.assignees: acme/web"), "held annotation/invalid", invalid),
    ];
    check(&rows);
}

#[test]
fn two_aliases_on_one_repository_are_two_tracked_images() {
    let text = "repin.dev/image-list: app=IMAGE,migrator=IMAGE\nrepin.dev/app.helm.image-tag: image.tag\nrepin.dev/migrator.helm.image-tag: \
                migrator.tag\nrepin.dev/app.allow-tags: regexp:^1[.]\nrepin.dev/migrator.allow-tags: regexp:^2[.]";
    let row =
        Row { files: &[("values.yaml", "image: {tag: 1.0.0}\nmigrator: {tag: 1.0.0}\n")], ..Row::new("web", text) };
    let world = table::world(&[row]);
    let said = world.repin(&["once"]);
    assert_eq!(outcomes(&said, "web").iter().map(|one| verdict(one)).collect::<Vec<_>>(), ["delivered delivered"; 2]);
    assert_eq!(world.remote.show("apps/web/values.yaml"), "image: {tag: 1.1.0}\nmigrator: {tag: 2.0.0}\n");
    // One Application, one commit.
    assert_eq!(world.remote.log().iter().filter(|(_, subject, _)| subject.starts_with("Update")).count(), 1);
}

#[test]
fn an_alias_given_twice_is_held_as_one_outcome_for_nobody_can_say_which_is_meant() {
    for (list, key) in [
        ("app=IMAGE,app=IMAGE:1.x", "repin.dev/app.helm.image-tag: image.tag"),
        ("app=HOST/acme/other,app=IMAGE", "repin.dev/app.helm.image-tag: image.tag"),
        ("IMAGE,HOST/other/web", "repin.dev/web.helm.image-tag: image.tag"),
        ("a/b=IMAGE,a_b=IMAGE:1.x", "repin.dev/a_b.helm.image-tag: image.tag"),
    ] {
        let text = format!("repin.dev/image-list: \"{list}\"\n{key}");
        let world = table::world(&[Row::new("web", &text)]);
        let said = world.repin(&["plan"]);
        let found: Vec<String> = outcomes(&said, "web").iter().map(|one| verdict(one)).collect();
        let expected = if list.starts_with("a/b") { 2 } else { 1 };
        assert_eq!(found, vec!["held annotation/invalid"; expected], "{list}: {said:#?}");
        assert_eq!(codes(&problems(&said, "argocd/web.yaml")), ["annotation/invalid"], "{said:#?}");
    }
}

/// Applications in all the shapes in which files hold them.
#[test]
fn applications_are_found_in_every_shape_of_a_file() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "1.1.0"]);
    let make = |name: &str| table::manifest(&world, name, PLAIN, "path: apps/web");
    let nested = |name: &str| make(name).lines().map(|line| format!("    {line}\n")).collect::<String>();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n  -\n{}  -\n{}", nested("l1"), nested("l2"));
    let api_list = list.replace("kind: List", "kind: ApplicationList").replace("name: l", "name: al");
    let several = format!(
        "# two of them\n---\n{}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\n---\n{}...\n",
        make("m1"),
        make("m2")
    );
    let crlf = make("crlf").replace('\n', "\r\n");
    let no_namespace = make("bare").replace("  namespace: argocd\n", "");
    let other = make("bare").replace("namespace: argocd", "namespace: team-a");
    let json = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "json",
        "annotations": {"repin.dev/image-list": format!("app={}", world.image("web")), "repin.dev/app.helm.image-tag": "image.tag"}},
        "spec": {"source": {"repoURL": world.remote.url(), "path": "apps/web"}}});
    let set = make("set").replace("kind: Application", "kind: ApplicationSet");
    let template = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: tpl}}\nspec:\n  template:\n    metadata:\n      annotations: {{{}image-list: x}}\n",
        "argocd-image-updater.argoproj.io/"
    );
    let stranger = make("stranger").replace("argoproj.io/v1alpha1", "example.org/v1");
    let silent = "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: silent}\n";
    world.remote.commit(
        &[
            ("a/list.yaml", &list),
            ("a/api-list.yaml", &api_list),
            ("a/several.yaml", &several),
            ("a/crlf.yaml", &crlf),
            ("a/bare.yaml", &no_namespace),
            ("b/bare.yaml", &other),
            ("a/json.yaml", &json.to_string()),
            ("a/set.yaml", &set),
            ("a/template.yaml", &template),
            ("a/stranger.yaml", &stranger),
            ("a/silent.yaml", silent),
            ("a/notes.txt", &make("text")),
            ("apps/web/values.yaml", &world.values("web", "1.0.0")),
        ],
        "Add all",
    );
    let said = world.repin(&["plan"]);
    let mut names: Vec<&str> =
        said.json["outcomes"].as_array().unwrap().iter().map(|one| one["application"].as_str().unwrap()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "argocd/al1",
            "argocd/al2",
            "argocd/bare",
            "argocd/crlf",
            "argocd/json",
            "argocd/l1",
            "argocd/l2",
            "argocd/m1",
            "argocd/m2",
            "team-a/bare"
        ],
        "{said:#?}"
    );
    assert!(said.json["outcomes"].as_array().unwrap().iter().all(|one| one["result"] == "pending"), "{said:#?}");
    let found: Vec<(&str, &str)> = said.json["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["file"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [("a/template.yaml", "manifest/invalid-generator"), ("a/set.yaml", "unsupported/applicationset")]
    );
    // They share one place and agree: one change that names all of them.
    let said = world.repin(&["once"]);
    let commits: Vec<&Value> = said.json["outcomes"].as_array().unwrap().iter().map(|one| &one["commit"]).collect();
    assert!(commits.iter().all(|one| one.is_string() && *one == commits[0]), "{said:#?}");
    let (_, _, body) = world.remote.log().remove(0);
    assert_eq!(body.lines().filter(|line| line.starts_with("Repin-Application: ")).count(), 10, "{body}");
    assert_eq!(body.lines().filter(|line| line.starts_with("Repin-Change: ")).count(), 1, "{body}");
}
