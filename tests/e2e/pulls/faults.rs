//! What breaks in between: processes that die, instances that meet, forges that do not answer.

use jiff::{SignedDuration, Timestamp};
use repin::model::forge::MergeMethod;

use crate::forge::{Access, Trouble};
use crate::pulls::{Shop, Wishes, ended, on_all_forges, outcome};

on_all_forges!(
    two_instances_do_not_make_each_others_work_anew,
    two_instances_at_once_open_one_pull_request,
    a_forge_that_is_gone_fails_what_it_is_needed_for_and_nothing_else,
    a_forge_that_answers_nothing_to_a_request_that_it_did_gets_no_second_one,
    a_forge_that_limits_the_rate_is_left_alone,
    a_token_that_is_refused_is_named,
    a_repository_without_a_forge_is_named,
    a_merge_that_the_base_does_not_show_yet_opens_nothing,
);

#[cfg(feature = "failpoints")]
mod killed {
    use crate::pulls::{Shop, Wishes, on_all_forges};

    on_all_forges!(
        a_process_that_dies_before_the_pull_request_is_finished_by_the_next,
        a_process_that_dies_before_the_labels_is_finished_by_the_next,
        a_process_that_dies_before_a_branch_is_deleted_is_finished_by_the_next,
        a_process_that_dies_while_it_opens_again_is_finished_by_the_next,
    );

    fn a_process_that_dies_before_the_pull_request_is_finished_by_the_next(shop: &Shop) {
        shop.add_web(&["1.0.0", "1.1.0"]);
        shop.killed_at("pulls-objects");
        assert_eq!((shop.branches().len(), shop.forge.pulls().len()), (0, 0));
        shop.killed_at("pulls-pushed");
        assert_eq!((shop.branches().len(), shop.forge.pulls().len()), (1, 0));
        let branch = shop.world.remote.git(&["rev-parse", &shop.branches()[0]]);
        shop.expect("delivered", "delivered");
        let pull = shop.only();
        assert_eq!(pull.head_commit, branch, "the branch is not made anew");
        shop.is_quiet();
    }

    fn a_process_that_dies_before_the_labels_is_finished_by_the_next(shop: &Shop) {
        shop.wish(&Wishes { rule: &["labels: [deps]", "reviewers: [alice]"], ..Wishes::default() });
        shop.add_web(&["1.0.0", "1.1.0"]);
        shop.killed_at("pulls-opened");
        assert_eq!(shop.forge.pulls().len(), 1);
        shop.expect("delivered", "delivered");
        let pull = shop.only();
        assert_eq!((&pull.labels[..], &pull.reviewers[..]), (&["deps".to_owned()][..], &["alice".to_owned()][..]));
        shop.is_quiet();
    }

    fn a_process_that_dies_before_a_branch_is_deleted_is_finished_by_the_next(shop: &Shop) {
        let pull = shop.proposed(&["1.0.0", "1.1.0"]);
        let text = shop.world.values("web", "1.1.0");
        shop.world.remote.commit(&[("apps/web/values.yaml", &text)], "Take 1.1.0 by hand");
        shop.killed_at("pulls-closed");
        assert_eq!((shop.forge.open_pulls().len(), shop.branches().len()), (0, 1));
        shop.expect("current", "current");
        assert_eq!(shop.branches(), [""; 0]);
        assert_eq!(shop.forge.pull(pull.number).comments.len(), 1);
        // And it is no refusal.
        let text = shop.world.values("web", "1.0.0");
        shop.publish("web", &["1.2.0"]);
        drop(text);
        shop.expect("delivered", "delivered");
    }

    fn a_process_that_dies_while_it_opens_again_is_finished_by_the_next(shop: &Shop) {
        let pull = shop.proposed(&["1.0.0", "1.1.0"]);
        let app = |constraint| crate::world::App { name: "web", constraint, annotations: &[] };
        shop.world.remote.commit(&[("argocd/web.yaml", &shop.world.application(&app("1.0.x")))], "Constrain");
        shop.expect("current", "current");
        shop.world.remote.commit(&[("argocd/web.yaml", &shop.world.application(&app("")))], "Free");
        shop.killed_at("pulls-pushed");
        shop.cycle();
        let again = shop.only();
        assert_eq!(again.number, pull.number);
        shop.holds_one_commit(&again, "1.1.0");
        shop.cycle();
        shop.is_quiet();
    }
}

fn two_instances_do_not_make_each_others_work_anew(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    for _ in 0..2 {
        let other = ended(shop.spawn("other"));
        assert_eq!(outcome(&other, "web")["code"], "pull-request/open", "{other:#?}");
        shop.expect("held", "pull-request/open");
        assert_eq!(shop.only().head_commit, pull.head_commit);
    }
    shop.publish("web", &["1.2.0"]);
    let other = ended(shop.spawn("other"));
    assert_eq!(outcome(&other, "web")["result"], "delivered");
    let updated = shop.only();
    shop.is_quiet();
    assert_eq!(shop.only(), updated);
}

fn two_instances_at_once_open_one_pull_request(shop: &Shop) {
    for name in ["web", "api", "job", "mail"] {
        shop.add(name, &["1.0.0", "1.1.0"], &[]);
    }
    for tag in ["1.2.0", "1.3.0"] {
        let children = ["one", "two", "three"].map(|cache| shop.spawn(cache));
        for child in children {
            let said = ended(child);
            assert!(matches!(said.code, 0 | 1), "{said:#?}");
        }
        shop.once();
        let open = shop.forge.open_pulls();
        let heads: std::collections::BTreeSet<_> = open.iter().map(|pull| pull.head.clone()).collect();
        assert_eq!((open.len(), heads.len(), shop.forge.pulls().len()), (4, 4, 4), "{open:#?}");
        for pull in &open {
            assert_eq!(shop.world.remote.git(&["rev-list", "--count", &format!("main..{}", pull.head)]), "1");
        }
        ["web", "api", "job", "mail"].iter().for_each(|name| shop.publish(name, &[tag]));
    }
}

fn a_forge_that_is_gone_fails_what_it_is_needed_for_and_nothing_else(shop: &Shop) {
    let config = std::fs::read_to_string(shop.world.config()).unwrap();
    let rule = "  - match: {path: \"apps/api/**\"}\n    environment: dev\n    delivery: commit\n";
    shop.world.configure(&format!("{config}{rule}"));
    shop.add("web", &["1.0.0", "1.1.0"], &[]);
    shop.add("api", &["1.0.0", "1.1.0"], &[]);
    shop.forge.trouble("GET", "", usize::MAX, Trouble::Status(503));
    let said = shop.once();
    assert_eq!(said.code, 1, "{said:#?}");
    let failed = outcome(&said, "web");
    assert_eq!(failed["result"], "failed", "{failed:#}");
    assert!(failed["code"].as_str().unwrap().starts_with("forge/"), "{failed:#}");
    assert_eq!(outcome(&said, "api")["result"], "delivered");
    shop.forge.no_trouble();
    shop.expect("delivered", "delivered");
    shop.holds_one_commit(&shop.only(), "1.1.0");
}

fn a_forge_that_answers_nothing_to_a_request_that_it_did_gets_no_second_one(shop: &Shop) {
    shop.add_web(&["1.0.0", "1.1.0"]);
    shop.forge.trouble("POST", "", 1, Trouble::DropAnswer);
    let outcome = shop.cycle();
    assert_eq!(outcome["result"], "failed", "{outcome:#}");
    shop.once();
    assert_eq!(shop.forge.pulls().len(), 1);
    shop.is_quiet();
}

fn a_forge_that_limits_the_rate_is_left_alone(shop: &Shop) {
    for name in ["api", "job", "web"] {
        shop.add(name, &["1.0.0", "1.1.0"], &[]);
    }
    shop.forge.leave_requests(4, Timestamp::now() + SignedDuration::from_hours(1));
    let said = shop.once();
    assert_eq!(said.code, 1, "{said:#?}");
    let codes: Vec<_> =
        ["api", "job", "web"].iter().map(|name| outcome(&said, name)["code"].as_str().unwrap().to_owned()).collect();
    assert!(codes.contains(&"forge/throttled".to_owned()), "{said:#?}");
    let asked = shop.forge.requests().len();
    assert!(asked <= 6, "{asked} requests, and it took four");
    shop.forge.leave_requests(5_000, Timestamp::now() + SignedDuration::from_hours(1));
    shop.once();
    assert_eq!(shop.forge.open_pulls().len(), 3);
}

fn a_token_that_is_refused_is_named(shop: &Shop) {
    shop.add_web(&["1.0.0", "1.1.0"]);
    let token = shop.forge.add_token("carol", Access::Read);
    let config = std::fs::read_to_string(shop.world.config()).unwrap();
    for (token, codes) in [("wrong", &["forge/unauthorized"][..]), (&token, &["forge/forbidden", "forge/not-found"])] {
        let file = shop.world.config().with_file_name("token");
        std::fs::write(&file, token).unwrap();
        let own = shop.forge.token_file().display().to_string();
        shop.world.configure(&config.replace(&own, &file.display().to_string()));
        let said = shop.once();
        let failed = outcome(&said, "web");
        assert!(codes.contains(&failed["code"].as_str().unwrap()), "{failed:#}");
        assert!(
            !format!("{said:?}").contains(&shop.forge.token().to_owned()) && !format!("{said:?}").contains(token)
                || token == "wrong"
        );
        assert!(said.json["problems"].to_string().contains("hint"), "{said:#?}");
    }
}

fn a_repository_without_a_forge_is_named(shop: &Shop) {
    let config = shop.configuration(&Wishes::default()).replace(&shop.forge.settings(), "");
    shop.world.configure(&config);
    shop.add_web(&["1.0.0", "1.1.0"]);
    let outcome = shop.expect("held", "forge/unconfigured");
    assert_eq!(outcome["to"], "1.1.0");
    assert!(outcome["message"].as_str().unwrap().contains("gitops"), "{outcome:#}");
}

fn a_merge_that_the_base_does_not_show_yet_opens_nothing(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    let before = shop.world.remote.head();
    shop.forge.merge(pull.number, MergeMethod::Squash, "alice");
    let after = shop.world.remote.head();
    // A replica that lags behind.
    shop.world.remote.git(&["update-ref", "refs/heads/main", &before]);
    shop.expect("held", "pull-request/merged");
    assert_eq!(shop.forge.open_pulls(), []);
    shop.world.remote.git(&["update-ref", "refs/heads/main", &after]);
    shop.expect("current", "current");
}
