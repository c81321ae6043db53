//! Nobody wants it any more, or somebody said no.

use jiff::{SignedDuration, Timestamp};
use repin::model::forge::PullState;

use crate::pulls::{Shop, Wishes, ended, on_all_forges};
use crate::world::App;

on_all_forges!(
    what_the_base_holds_already_is_closed_with_the_reason_and_its_branch_deleted,
    what_the_policy_allows_no_more_is_closed,
    what_is_wanted_again_within_seven_days_is_opened_again,
    what_is_wanted_again_later_is_a_new_pull_request,
    what_a_person_closed_is_refused_until_something_higher_comes,
    what_a_person_opens_again_goes_on,
    the_label_retry_takes_a_refusal_back,
    a_commit_that_resumes_takes_a_refusal_back,
    who_is_ignored_refuses_nothing,
    an_application_that_is_gone_takes_its_pull_request_along,
    observing_closes_and_opens_nothing,
    a_registry_that_fails_closes_nothing,
    a_deleted_branch_comes_back_only_with_what_is_wanted,
    a_lower_value_than_the_refused_one_is_refused_too,
    a_refusal_holds_whatever_the_group_is_called,
    observing_leaves_what_nobody_asks_for_any_more,
    a_manifest_that_cannot_be_read_closes_nothing,
    a_registry_that_fails_for_one_keeps_the_pull_request_of_the_group_whole,
    configurations_that_differ_leave_each_others_pull_requests_alone,
    what_repin_closed_and_a_person_opened_is_refused_once_a_person_closes_it,
);

/// Somebody writes a tag on the base.
fn write(shop: &Shop, tag: &str) {
    let text = shop.world.values("web", tag);
    shop.world.remote.commit(&[("apps/web/values.yaml", &text)], &format!("Take {tag} by hand"));
}

fn constrain(shop: &Shop, constraint: &str) {
    let app = App { name: "web", constraint, annotations: &[] };
    shop.world.remote.commit(&[("argocd/web.yaml", &shop.world.application(&app))], "Constrain");
}

fn what_the_base_holds_already_is_closed_with_the_reason_and_its_branch_deleted(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    write(shop, "1.1.0");
    shop.expect("current", "current");
    let closed = shop.forge.pull(pull.number);
    assert_eq!(closed.state, PullState::Closed);
    assert!(closed.comments.iter().any(|(_, text)| text.contains("holds 1.1.0")), "{closed:#?}");
    assert_eq!(shop.branches(), [""; 0]);
    shop.is_quiet();
}

fn what_the_policy_allows_no_more_is_closed(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    constrain(shop, "1.0.x");
    shop.expect("current", "current");
    assert_eq!(shop.forge.pull(pull.number).state, PullState::Closed);
    assert_eq!(shop.branches(), [""; 0]);
}

fn what_is_wanted_again_within_seven_days_is_opened_again(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    constrain(shop, "1.0.x");
    shop.expect("current", "current");
    shop.forge.later(SignedDuration::from_hours(1));
    constrain(shop, "");
    shop.expect("delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    shop.holds_one_commit(&again, "1.1.0");
    shop.is_quiet();
}

fn what_is_wanted_again_later_is_a_new_pull_request(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    constrain(shop, "1.0.x");
    shop.expect("current", "current");
    constrain(shop, "");
    let later = Timestamp::now() + SignedDuration::from_hours(8 * 24);
    shop.forge.at(&later.to_string());
    let outcome = shop.cycle_at(&later.to_string());
    assert_eq!(outcome["result"], "delivered", "{outcome:#}");
    assert_ne!(shop.only().number, pull.number);
}

fn what_a_person_closed_is_refused_until_something_higher_comes(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.close(pull.number, "alice");
    for cycle in 0..4 {
        if cycle == 2 {
            shop.world.drop_cache();
        }
        let outcome = shop.expect("held", "guard/refused");
        let message = outcome["message"].as_str().unwrap();
        assert!(message.contains(&format!("#{}", pull.number)) && message.contains("alice"), "{message}");
        assert_eq!(outcome["pull_request"], shop.forge.pull_url(pull.number).as_str());
        assert_eq!(shop.forge.open_pulls(), []);
        let seen = shop.forge.pull(pull.number);
        assert_eq!(seen.state, PullState::Closed);
        assert_eq!(seen.comments.len(), 1, "it is said once: {seen:#?}");
    }
    shop.is_quiet();
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    let next = shop.only();
    assert_ne!(next.number, pull.number);
    shop.holds_one_commit(&next, "1.2.0");
}

fn a_lower_value_than_the_refused_one_is_refused_too(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0", "1.2.0"]);
    assert_eq!(shop.tag_on(&pull.head), "1.2.0");
    shop.forge.close(pull.number, "alice");
    shop.expect("held", "guard/refused");
    shop.world.registry.remove("acme/web", "1.2.0");
    let outcome = shop.expect("held", "guard/refused");
    assert_eq!(outcome["to"], "1.1.0");
    assert_eq!(shop.forge.open_pulls(), []);
}

fn what_a_person_opens_again_goes_on(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.close(pull.number, "alice");
    shop.expect("held", "guard/refused");
    shop.forge.reopen(pull.number, "alice");
    shop.expect("held", "pull-request/open");
    assert_eq!(shop.only().number, pull.number);
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    assert_eq!(shop.only().number, pull.number);
}

fn the_label_retry_takes_a_refusal_back(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.close(pull.number, "alice");
    shop.expect("held", "guard/refused");
    shop.forge.label(pull.number, "repin/retry");
    shop.expect("delivered", "delivered");
    let again = shop.only();
    shop.holds_one_commit(&again, "1.1.0");
    assert!(!again.labels.contains(&"repin/retry".to_owned()), "{again:#?}");
    // Said no once more.
    shop.forge.close(again.number, "alice");
    shop.expect("held", "guard/refused");
}

fn a_commit_that_resumes_takes_a_refusal_back(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.close(pull.number, "alice");
    shop.expect("held", "guard/refused");
    // Commits have whole seconds.
    let later = Timestamp::now() + SignedDuration::from_secs(2);
    let mut commit = crate::remote::NewCommit::new(&[("NOTES", "go on\n")], "Go on\n\nRepin-Resume: argocd/web");
    commit.date = Some(format!("{} +0000", later.as_second()));
    shop.world.remote.make(&commit);
    shop.expect("delivered", "delivered");
    shop.holds_one_commit(&shop.only(), "1.1.0");
}

fn who_is_ignored_refuses_nothing(shop: &Shop) {
    shop.wish(&Wishes { top: &["ignore_closed_by: [Renovate-Bot]"], ..Wishes::default() });
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.close(pull.number, "renovate-bot");
    shop.expect("delivered", "delivered");
    shop.holds_one_commit(&shop.only(), "1.1.0");
    let number = shop.only().number;
    shop.forge.close(number, "alice");
    shop.expect("held", "guard/refused");
}

fn an_application_that_is_gone_takes_its_pull_request_along(shop: &Shop) {
    shop.add("api", &["1.0.0"], &[]);
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.world.remote.remove(&["argocd/web.yaml", "apps/web/values.yaml"], "Remove web");
    shop.once();
    assert_eq!(shop.forge.pull(pull.number).state, PullState::Closed);
    assert_eq!(shop.branches(), [""; 0]);
}

fn observing_closes_and_opens_nothing(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.wish(&Wishes { top: &["observe: true"], ..Wishes::default() });
    write(shop, "1.1.0");
    shop.is_quiet();
    shop.publish("web", &["1.2.0"]);
    shop.is_quiet();
    assert_eq!(shop.only().number, pull.number);
}

fn a_registry_that_fails_closes_nothing(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.world.registry.remove("acme/web", "1.0.0");
    shop.world.registry.remove("acme/web", "1.1.0");
    shop.is_quiet();
    assert_eq!(shop.only().number, pull.number);
}

fn a_deleted_branch_comes_back_only_with_what_is_wanted(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.delete_branch(&pull.head, "alice");
    // Where the forge closes a pull request with its branch, deleting the branch says no.
    let is_closed = shop.forge.pull(pull.number).state == PullState::Closed;
    let (result, code) = if is_closed { ("held", "guard/refused") } else { ("delivered", "delivered") };
    shop.expect(result, code);
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    shop.holds_one_commit(&shop.only(), "1.2.0");
}

fn observing_leaves_what_nobody_asks_for_any_more(shop: &Shop) {
    shop.add("api", &["1.0.0"], &[]);
    shop.proposed(&["1.0.0", "1.1.0"]);
    shop.wish(&Wishes { top: &["observe: true"], ..Wishes::default() });
    shop.world.remote.remove(&["argocd/web.yaml"], "Remove web");
    shop.is_quiet();
}

fn a_manifest_that_cannot_be_read_closes_nothing(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    let manifest = shop.world.remote.show("argocd/web.yaml");
    let misspelt = manifest.replace("repin.dev/image-list", "repin.dev/image-lisst");
    for broken in [format!("{manifest}\n  - : [\n"), misspelt] {
        shop.world.remote.commit(&[("argocd/web.yaml", &broken)], "Break");
        shop.once();
        assert_eq!(shop.only().number, pull.number);
    }
    shop.world.remote.commit(&[("argocd/web.yaml", &format!("{manifest}\n"))], "Mend");
    shop.once();
    assert_eq!(shop.forge.pulls().len(), 1);
}

fn a_registry_that_fails_for_one_keeps_the_pull_request_of_the_group_whole(shop: &Shop) {
    for name in ["web", "api"] {
        shop.add(name, &["1.0.0", "1.1.0"], &["repin.dev/group: shop"]);
    }
    shop.once();
    let pull = shop.only();
    shop.world.registry.fake().set("acme/web", crate::registry::Behaviour::Status(500, "broken"));
    shop.publish("api", &["1.2.0"]);
    shop.once();
    assert_eq!(shop.only().head_commit, pull.head_commit, "web's change is still in it");
    shop.world.registry.fake().clear("acme/web");
    shop.once();
    assert_eq!(shop.tag_on(&pull.head), "1.1.0");
    assert!(shop.world.remote.show_at(&pull.head, "apps/api/values.yaml").contains("1.2.0"));
    assert_eq!(shop.only().number, pull.number);
}

fn configurations_that_differ_leave_each_others_pull_requests_alone(shop: &Shop) {
    shop.add("api", &["1.0.0", "1.1.0"], &[]);
    shop.add_web(&["1.0.0", "1.1.0"]);
    let config = shop.configuration(&Wishes::default());
    let rules = ["apps/web/**", "apps/api/**"].map(|path| config.replace("apps/**", path));
    let discover = ["argocd/web.yaml", "argocd/api.yaml"]
        .map(|file| config.replace("discover: [\"**/*.yaml\"]", &format!("discover: [\"{file}\"]")));
    for [one, other] in [rules, discover] {
        for _ in 0..2 {
            ended(shop.spawn_with("one", &one));
            ended(shop.spawn_with("other", &other));
            let pulls = shop.forge.pulls();
            assert!(pulls.len() == 2 && pulls.iter().all(|pull| pull.state == PullState::Open), "{pulls:#?}");
        }
    }
}

fn what_repin_closed_and_a_person_opened_is_refused_once_a_person_closes_it(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    constrain(shop, "1.0.x");
    shop.expect("current", "current");
    // A person wants it all the same.
    shop.world.remote.git(&["branch", &pull.head, &pull.head_commit]);
    shop.forge.reopen(pull.number, "alice");
    constrain(shop, "");
    shop.expect("delivered", "delivered");
    shop.forge.close(pull.number, "alice");
    shop.expect("held", "guard/refused");
}

fn a_refusal_holds_whatever_the_group_is_called(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.close(pull.number, "alice");
    shop.expect("held", "guard/refused");
    let app = App { name: "web", constraint: "", annotations: &["repin.dev/group: shop"] };
    shop.world.remote.commit(&[("argocd/web.yaml", &shop.world.application(&app))], "Group");
    let outcome = shop.expect("held", "guard/refused");
    assert_eq!(outcome["pull_request"], shop.forge.pull_url(pull.number).as_str());
    assert_eq!(shop.forge.pulls().len(), 1);
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    assert_eq!(shop.only().head, "repin/shop");
}
