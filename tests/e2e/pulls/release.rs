//! A release comes: one pull request for each group, updated in place, made anew on top of its base, and merged.

use jiff::SignedDuration;
use repin::model::forge::MergeMethod;

use crate::pulls::{Shop, Wishes, on_all_forges, outcome};
use crate::world::App;

on_all_forges!(
    a_release_opens_one_pull_request_with_one_commit_on_its_base,
    a_newer_release_updates_the_same_pull_request,
    a_branch_is_made_anew_when_its_base_moved,
    a_branch_that_may_stay_is_made_anew_only_for_a_conflict,
    a_conflict_with_the_base_is_gone_after_the_next_cycle,
    a_merge_ends_it_by_whatever_method,
    production_waits_is_merged_is_reverted_stays_reverted_and_moves_on,
    a_group_has_one_pull_request_and_one_commit,
    applications_without_a_group_have_one_pull_request_each,
    a_group_that_is_called_otherwise_moves_to_another_pull_request,
    plan_shows_what_a_pull_request_would_bring_and_writes_nothing,
    a_direct_commit_and_a_pull_request_go_out_in_one_cycle,
    many_open_pull_requests_cost_lists_only,
    the_cache_is_not_needed,
    a_tag_that_is_pushed_anew_changes_the_branch_once,
    the_forge_makes_the_commits_where_the_operator_wants_that,
);

fn a_release_opens_one_pull_request_with_one_commit_on_its_base(shop: &Shop) {
    shop.add_web(&["1.0.0", "1.1.0", "2.0.0-rc.1"]);
    let outcome = shop.expect("delivered", "delivered");
    let pull = shop.only();
    assert_eq!(outcome["pull_request"], shop.forge.pull_url(pull.number).as_str());
    assert_eq!(outcome["commit"], pull.head_commit.as_str());
    assert!(pull.head.starts_with("repin/web-production-"), "{}", pull.head);
    assert_eq!((pull.base.as_str(), pull.draft), ("main", false));
    assert!(pull.title.contains("web") && pull.title.contains("1.1.0"), "{}", pull.title);
    assert!(pull.body.contains("1.0.0") && pull.body.contains("<!-- repin:"), "{}", pull.body);
    shop.holds_one_commit(&pull, "1.1.0");
    assert_eq!(shop.tag_on("main"), "1.0.0");
    let message = shop.world.remote.git(&["log", "-1", "--format=%B", &pull.head]);
    assert!(message.contains("Repin-Change: apps/web/values.yaml#image.tag "), "{message}");
    let outcome = shop.expect("held", "pull-request/open");
    assert_eq!(outcome["pull_request"], shop.forge.pull_url(pull.number).as_str());
    assert_eq!(outcome["to"], "1.1.0");
    for _ in 0..2 {
        shop.is_quiet();
    }
}

fn a_newer_release_updates_the_same_pull_request(shop: &Shop) {
    let first = shop.proposed(&["1.0.0", "1.1.0"]);
    for tag in ["1.2.0", "1.3.0"] {
        shop.publish("web", &[tag]);
        let outcome = shop.expect("delivered", "delivered");
        let pull = shop.only();
        assert_eq!((pull.number, &pull.head), (first.number, &first.head));
        assert_eq!(outcome["pull_request"], shop.forge.pull_url(first.number).as_str());
        assert!(pull.title.contains(tag) && pull.body.contains(tag) && !pull.title.contains("1.1.0"), "{pull:#?}");
        assert_eq!(pull.comments, [], "nobody took part");
        shop.holds_one_commit(&pull, tag);
    }
    assert_eq!(shop.forge.pulls().len(), 1);
    shop.is_quiet();
}

fn a_branch_is_made_anew_when_its_base_moved(shop: &Shop) {
    let first = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.world.remote.commit(&[("NOTES", "something else\n")], "Something else");
    shop.expect("delivered", "delivered");
    let pull = shop.only();
    assert_eq!(pull.number, first.number);
    assert_ne!(pull.head_commit, first.head_commit);
    shop.holds_one_commit(&pull, "1.1.0");
    shop.is_quiet();
}

fn a_branch_that_may_stay_is_made_anew_only_for_a_conflict(shop: &Shop) {
    shop.wish(&Wishes { repository: &["pull_requests: {rebase: conflict}"], ..Wishes::default() });
    let first = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.world.remote.commit(&[("NOTES", "something else\n")], "Something else");
    shop.expect("held", "pull-request/open");
    assert_eq!(shop.only().head_commit, first.head_commit);
    let text = shop.world.remote.show("apps/web/values.yaml").replace("tag: \"1.0.0\"", "tag:   \"1.0.0\"");
    shop.world.remote.commit(&[("apps/web/values.yaml", &text)], "Move");
    shop.expect("delivered", "delivered");
    let pull = shop.only();
    assert_eq!(pull.number, first.number);
    shop.holds_one_commit(&pull, "1.1.0");
}

fn a_conflict_with_the_base_is_gone_after_the_next_cycle(shop: &Shop) {
    let first = shop.proposed(&["1.0.0", "1.1.0"]);
    let text = shop.world.remote.show("apps/web/values.yaml").replace("tag: \"1.0.0\"", "tag: \"1.0.1\" # by hand");
    shop.publish("web", &["1.0.1"]);
    shop.world.remote.commit(&[("apps/web/values.yaml", &text)], "Take 1.0.1 by hand");
    shop.expect("delivered", "delivered");
    let pull = shop.only();
    assert_eq!(pull.number, first.number);
    assert!(pull.body.contains("1.0.1"), "{}", pull.body);
    shop.forge.merge(pull.number, MergeMethod::Merge, "alice");
    assert!(shop.world.remote.show("apps/web/values.yaml").contains("tag: \"1.1.0\" # by hand"));
}

fn a_merge_ends_it_by_whatever_method(shop: &Shop) {
    shop.add_web(&["1.0.0"]);
    for (tag, method) in [("1.1.0", MergeMethod::Merge), ("1.2.0", MergeMethod::Squash), ("1.3.0", MergeMethod::Rebase)]
    {
        shop.publish("web", &[tag]);
        shop.expect("delivered", "delivered");
        let pull = shop.only();
        shop.forge.merge(pull.number, method, "alice");
        assert_eq!(shop.tag_on("main"), tag);
        shop.expect("current", "current");
        assert_eq!(shop.forge.open_pulls(), []);
        assert_eq!(shop.branches(), [""; 0], "its branch is of no use any more, after {method:?}");
        shop.is_quiet();
    }
    assert_eq!(shop.forge.pulls().len(), 3);
}

fn production_waits_is_merged_is_reverted_stays_reverted_and_moves_on(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    for _ in 0..3 {
        shop.expect("held", "pull-request/open");
        assert_eq!(shop.tag_on("main"), "1.0.0", "it waits for a person");
    }
    shop.forge.approve(pull.number, "bob");
    let merged = shop.forge.merge(pull.number, MergeMethod::Merge, "alice");
    shop.expect("current", "current");
    shop.world.remote.checkout("main");
    shop.world.remote.work(&["revert", "--no-edit", "-m", "1", &merged]);
    shop.world.remote.push_work("main");
    for cycle in 0..4 {
        if cycle == 2 {
            shop.world.drop_cache();
        }
        shop.expect("held", "guard/rolled-back");
        assert_eq!(shop.forge.open_pulls(), [], "it stays reverted");
        assert_eq!(shop.tag_on("main"), "1.0.0");
    }
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    let next = shop.only();
    assert_ne!(next.number, pull.number);
    shop.holds_one_commit(&next, "1.2.0");
    shop.forge.merge(next.number, MergeMethod::Squash, "alice");
    shop.expect("current", "current");
    assert_eq!(shop.tag_on("main"), "1.2.0");
}

fn a_group_has_one_pull_request_and_one_commit(shop: &Shop) {
    for name in ["web", "api", "job"] {
        shop.add(name, &["1.0.0", "1.1.0"], &["repin.dev/group: payments"]);
    }
    let said = shop.once();
    let pull = shop.only();
    assert_eq!(pull.head, "repin/payments");
    assert_eq!(shop.world.remote.git(&["rev-list", "--count", "main..repin/payments"]), "1");
    for name in ["web", "api", "job"] {
        let outcome = outcome(&said, name);
        assert_eq!(outcome["pull_request"], shop.forge.pull_url(pull.number).as_str(), "{outcome:#}");
        assert!(pull.body.contains(name), "{}", pull.body);
        let text = shop.world.remote.show_at("repin/payments", &format!("apps/{name}/values.yaml"));
        assert_eq!(text, shop.world.values(name, "1.1.0"));
    }
    shop.publish("api", &["1.2.0"]);
    shop.once();
    assert_eq!(shop.only().number, pull.number);
    assert_eq!(shop.world.remote.git(&["rev-list", "--count", "main..repin/payments"]), "1");
    shop.is_quiet();
}

fn applications_without_a_group_have_one_pull_request_each(shop: &Shop) {
    for name in ["web", "api", "job"] {
        shop.add(name, &["1.0.0", "1.1.0"], &[]);
    }
    shop.once();
    let open = shop.forge.open_pulls();
    assert_eq!(open.len(), 3);
    for pull in &open {
        assert_eq!(shop.world.remote.git(&["rev-list", "--count", &format!("main..{}", pull.head)]), "1");
    }
    // One is merged; the others follow their base, and stay the same pull requests.
    shop.forge.merge(open[0].number, MergeMethod::Merge, "alice");
    shop.once();
    let left = shop.forge.open_pulls();
    assert_eq!(
        left.iter().map(|pull| pull.number).collect::<Vec<_>>(),
        open[1..].iter().map(|pull| pull.number).collect::<Vec<_>>()
    );
    for pull in &left {
        assert_eq!(
            shop.world.remote.git(&["rev-parse", &format!("{}~1", pull.head)]),
            shop.world.remote.head(),
            "on top of the base"
        );
    }
    shop.is_quiet();
}

fn a_group_that_is_called_otherwise_moves_to_another_pull_request(shop: &Shop) {
    let first = shop.proposed(&["1.0.0", "1.1.0"]);
    let app = App { name: "web", constraint: "", annotations: &["repin.dev/group: shop"] };
    shop.world.remote.commit(&[("argocd/web.yaml", &shop.world.application(&app))], "Group");
    shop.expect("delivered", "delivered");
    shop.once();
    let pull = shop.only();
    assert_eq!(pull.head, "repin/shop");
    assert!(!shop.branches().contains(&first.head));
    shop.is_quiet();
}

fn plan_shows_what_a_pull_request_would_bring_and_writes_nothing(shop: &Shop) {
    shop.add_web(&["1.0.0", "1.1.0"]);
    let said = shop.world.repin(&["plan"]);
    assert_eq!(said.code, 4, "{said:#?}");
    assert_eq!(outcome(&said, "web")["result"], "pending");
    assert_eq!((shop.forge.pulls().len(), shop.branches().len()), (0, 0));
    assert_eq!(shop.writes(), []);
    shop.once();
    let said = shop.world.repin(&["plan"]);
    assert_eq!((said.code, outcome(&said, "web")["code"].as_str()), (0, Some("pull-request/open")));
}

fn a_direct_commit_and_a_pull_request_go_out_in_one_cycle(shop: &Shop) {
    shop.wish(&Wishes::default());
    let config = std::fs::read_to_string(shop.world.config()).unwrap();
    let rule = "  - match: {path: \"apps/api/**\"}\n    environment: dev\n    delivery: commit\n";
    shop.world.configure(&format!("{config}{rule}"));
    shop.add("web", &["1.0.0", "1.1.0"], &[]);
    shop.add("api", &["1.0.0", "1.1.0"], &[]);
    let said = shop.once();
    assert_eq!(outcome(&said, "api")["pull_request"], serde_json::Value::Null);
    assert_eq!(outcome(&said, "api")["result"], "delivered");
    assert_eq!(shop.world.tag("api"), "1.1.0");
    shop.once();
    let pull = shop.only();
    shop.holds_one_commit(&pull, "1.1.0");
}

fn many_open_pull_requests_cost_lists_only(shop: &Shop) {
    let names: Vec<String> = (0..12).map(|at| format!("app{at}")).collect();
    let mut files = Vec::new();
    for name in &names {
        shop.publish(name, &["1.0.0", "1.1.0"]);
        let app = App { name, constraint: "", annotations: &[] };
        files.push((format!("argocd/{name}.yaml"), shop.world.application(&app)));
        files.push((format!("apps/{name}/values.yaml"), shop.world.values(name, "1.0.0")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    shop.world.remote.commit(&files, "Add");
    shop.once();
    assert_eq!(shop.forge.open_pulls().len(), names.len());
    shop.forge.clear_requests();
    shop.once();
    let requests = shop.forge.requests();
    assert!(requests.len() <= 2 && requests.iter().all(|request| request.method == "GET"), "{requests:#?}");
}

fn the_cache_is_not_needed(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.world.drop_cache();
    shop.is_quiet();
    shop.world.drop_cache();
    shop.publish("web", &["1.2.0"]);
    shop.forge.later(SignedDuration::from_hours(1));
    shop.expect("delivered", "delivered");
    assert_eq!(shop.only().number, pull.number);
}

fn a_tag_that_is_pushed_anew_changes_the_branch_once(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.world.registry.fake().push("acme/web", "1.1.0", &crate::registry::Image::built("2026-01-02T00:00:00Z"));
    shop.expect("delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    assert_ne!(again.head_commit, pull.head_commit, "its trailers name the digest");
    for _ in 0..2 {
        shop.is_quiet();
    }
}

fn the_forge_makes_the_commits_where_the_operator_wants_that(shop: &Shop) {
    shop.wish(&Wishes { forge: &["commits: api"], ..Wishes::default() });
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.holds_one_commit(&pull, "1.1.0");
    assert_eq!(shop.branches(), std::slice::from_ref(&pull.head), "no other branch is left");
    let by = shop.world.remote.git(&["log", "-1", "--format=%cn %an", &pull.head]);
    assert!(!by.contains("repin repin"), "{by}");
    shop.is_quiet();
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    shop.holds_one_commit(&again, "1.2.0");
    assert_eq!(shop.branches(), std::slice::from_ref(&pull.head));
    shop.is_quiet();
    // And what is written directly: one commit for the branch and the cycle.
    shop.wish(&Wishes { forge: &["commits: api"], delivery: "commit", ..Wishes::default() });
    shop.add("api", &["1.0.0", "1.1.0"], &[]);
    let before = shop.world.remote.head();
    let said = shop.once();
    assert_eq!(outcome(&said, "api")["result"], "delivered", "{said:#?}");
    assert_eq!(shop.world.tag("web"), "1.2.0");
    assert_eq!(shop.world.remote.git(&["rev-list", "--count", &format!("{before}..main")]), "1");
}
