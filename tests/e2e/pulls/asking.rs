//! Whom a pull request asks, what it is marked with, how many there may be, and who merges it.

use jiff::{SignedDuration, Timestamp};
use repin::model::forge::{ForgeKind, MergeMethod};

use crate::forge::TEAM;
use crate::pulls::{Shop, Wishes, on_all_forges, outcome};

on_all_forges!(
    labels_reviewers_and_assignees_are_asked_once,
    whom_the_forge_does_not_know_is_said_and_the_others_are_asked,
    annotations_add_labels_and_people,
    the_owners_of_the_changed_files_are_asked,
    a_draft_is_a_draft,
    the_forge_merges_by_itself_where_the_operator_wants_that,
    an_annotation_alone_has_nothing_merged,
    what_must_not_be_merged_by_itself_any_more_is_not,
    no_more_are_open_at_once_than_the_operator_allows,
    no_more_are_opened_in_an_hour_than_the_operator_allows,
);

fn labels_reviewers_and_assignees_are_asked_once(shop: &Shop) {
    let rule = &["labels: [deps, production]", "reviewers: [alice, bob]", "assignees: [carol]"];
    shop.wish(&Wishes { rule, ..Wishes::default() });
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    assert_eq!(pull.labels, ["deps", "production"]);
    assert_eq!(pull.reviewers, ["alice", "bob"]);
    assert_eq!(pull.assignees, ["carol"]);
    shop.is_quiet();
    // What people take away later stays away.
    let later = Timestamp::now() + SignedDuration::from_hours(2);
    shop.forge.unlabel(pull.number, "deps");
    let outcome = shop.cycle_at(&later.to_string());
    assert_eq!(outcome["code"], "pull-request/open", "{outcome:#}");
    assert_eq!(shop.only().labels, ["production"]);
}

fn whom_the_forge_does_not_know_is_said_and_the_others_are_asked(shop: &Shop) {
    shop.wish(&Wishes { rule: &["reviewers: [alice, nobody-here]"], ..Wishes::default() });
    shop.add_web(&["1.0.0", "1.1.0"]);
    let said = shop.once();
    assert_eq!(said.code, 0, "{said:#?}");
    let problems = said.json["problems"].as_array().unwrap();
    let is_named = |problem: &serde_json::Value| problem["message"].as_str().unwrap().contains("nobody-here");
    assert!(problems.iter().any(is_named), "{said:#?}");
    assert_eq!(shop.only().reviewers, ["alice"]);
}

fn annotations_add_labels_and_people(shop: &Shop) {
    shop.wish(&Wishes { rule: &["labels: [deps]", "reviewers: [alice]"], ..Wishes::default() });
    let annotations = &[
        "repin.dev/pull-request.labels: team-web",
        "repin.dev/pull-request.reviewers: bob",
        "repin.dev/pull-request.assignees: dave",
    ];
    shop.add("web", &["1.0.0", "1.1.0"], annotations);
    shop.expect("delivered", "delivered");
    let pull = shop.only();
    assert_eq!((pull.labels.len(), pull.reviewers.len()), (2, 2), "{pull:#?}");
    assert_eq!(pull.assignees, ["dave"]);
}

fn the_owners_of_the_changed_files_are_asked(shop: &Shop) {
    shop.wish(&Wishes { rule: &["reviewers: [codeowners]"], ..Wishes::default() });
    let text = if shop.forge.kind() == ForgeKind::Gitea {
        "apps/web/.* @alice\n".to_owned()
    } else {
        format!("* @dave\n/apps/ @{TEAM}\n/apps/web/ @alice\n")
    };
    shop.world.remote.commit(&[("CODEOWNERS", &text)], "Owners");
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    assert_eq!(pull.reviewers, ["alice"]);
}

fn a_draft_is_a_draft(shop: &Shop) {
    shop.wish(&Wishes { rule: &["draft: true"], ..Wishes::default() });
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    assert!(pull.draft, "{pull:#?}");
    shop.is_quiet();
}

fn the_forge_merges_by_itself_where_the_operator_wants_that(shop: &Shop) {
    shop.forge.allow_auto_merge(true);
    shop.forge.require_checks(true);
    shop.wish(&Wishes { rule: &["auto_merge: \"on\"", "merge_method: squash"], ..Wishes::default() });
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    assert_eq!(pull.auto_merge, Some(MergeMethod::Squash), "{pull:#?}");
    shop.is_quiet();
    shop.forge.checks_pass(pull.number);
    assert_eq!(shop.tag_on("main"), "1.1.0");
    shop.expect("current", "current");
}

fn an_annotation_alone_has_nothing_merged(shop: &Shop) {
    shop.forge.allow_auto_merge(true);
    shop.forge.require_checks(true);
    shop.add("web", &["1.0.0", "1.1.0"], &["repin.dev/pull-request.auto-merge: \"true\""]);
    let said = shop.once();
    assert_eq!(outcome(&said, "web")["result"], "delivered");
    assert!(said.json["problems"].to_string().contains("annotation/not-allowed"), "{said:#?}");
    assert_eq!(shop.only().auto_merge, None);
    let shop = Shop::open(shop.forge.kind());
    shop.forge.allow_auto_merge(true);
    shop.forge.require_checks(true);
    shop.wish(&Wishes { rule: &["auto_merge: optional"], ..Wishes::default() });
    shop.add("web", &["1.0.0", "1.1.0"], &["repin.dev/pull-request.auto-merge: \"true\""]);
    shop.expect("delivered", "delivered");
    assert_eq!(shop.only().auto_merge, Some(MergeMethod::Merge));
}

fn no_more_are_open_at_once_than_the_operator_allows(shop: &Shop) {
    shop.wish(&Wishes { repository: &["pull_requests: {max_open: 2}"], ..Wishes::default() });
    for name in ["api", "job", "web"] {
        shop.add(name, &["1.0.0", "1.1.0"], &[]);
    }
    let said = shop.once();
    let codes = |said: &crate::world::Said| -> Vec<String> {
        ["api", "job", "web"].iter().map(|name| outcome(said, name)["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(codes(&said), ["delivered", "delivered", "pull-request/limit"], "{said:#?}");
    assert_eq!(shop.forge.open_pulls().len(), 2);
    shop.is_quiet();
    let first = shop.forge.open_pulls()[0].number;
    shop.forge.merge(first, MergeMethod::Merge, "alice");
    shop.once();
    assert_eq!(shop.forge.open_pulls().len(), 2);
}

fn no_more_are_opened_in_an_hour_than_the_operator_allows(shop: &Shop) {
    shop.wish(&Wishes { repository: &["pull_requests: {max_new_per_hour: 1}"], ..Wishes::default() });
    for name in ["api", "web"] {
        shop.add(name, &["1.0.0", "1.1.0"], &[]);
    }
    let said = shop.once();
    let held = outcome(&said, "web");
    assert_eq!(held["code"], "pull-request/limit", "{said:#?}");
    assert_eq!(shop.forge.open_pulls().len(), 1);
    let held = shop.cycle();
    assert!(held["until"].is_string(), "{held:#}");
    let later = Timestamp::now() + SignedDuration::from_mins(61);
    shop.forge.at(&later.to_string());
    assert_eq!(shop.cycle_at(&later.to_string())["result"], "delivered");
    assert_eq!(shop.forge.open_pulls().len(), 2);
}

fn what_must_not_be_merged_by_itself_any_more_is_not(shop: &Shop) {
    shop.forge.allow_auto_merge(true);
    shop.forge.require_checks(true);
    shop.wish(&Wishes { rule: &["auto_merge: \"on\""], ..Wishes::default() });
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    assert!(pull.auto_merge.is_some());
    shop.wish(&Wishes { rule: &["auto_merge: \"off\""], ..Wishes::default() });
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    assert_eq!(shop.only().auto_merge, None);
    shop.is_quiet();
}
