//! People take part: they commit to the branch, edit texts, comment and label.

use repin::model::forge::MergeMethod;

use crate::forge::BOT;
use crate::pulls::{Shop, on_all_forges};
use crate::remote::NewCommit;

on_all_forges!(
    a_commit_by_somebody_else_is_never_overwritten_and_said_once,
    the_label_rebase_makes_the_branch_anew_whoever_committed,
    a_foreign_commit_keeps_what_is_obsolete_open,
    a_title_and_a_body_that_people_edit_stay_until_the_change_is_another_one,
    who_took_part_is_told_of_an_update_and_nobody_else,
    pull_requests_of_others_are_left_alone,
    a_branch_of_a_person_with_our_name_is_left_alone,
    what_people_added_and_merged_holds_up_nothing,
);

fn commit_to(shop: &Shop, branch: &str) -> String {
    let commit = NewCommit { branch, ..NewCommit::new(&[("apps/web/extra.yaml", "a: 1\n")], "Add what it needs") };
    shop.world.remote.make(&commit)
}

fn a_commit_by_somebody_else_is_never_overwritten_and_said_once(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    let commit = commit_to(shop, &pull.head);
    shop.publish("web", &["1.2.0"]);
    shop.world.remote.commit(&[("NOTES", "moved\n")], "Move the base");
    for cycle in 0..3 {
        if cycle == 1 {
            shop.world.drop_cache();
        }
        let outcome = shop.expect("held", "pull-request/foreign-commits");
        assert!(outcome["message"].as_str().unwrap().contains("A Person"), "{outcome:#}");
        assert_eq!(outcome["pull_request"], shop.forge.pull_url(pull.number).as_str());
        let seen = shop.only();
        assert_eq!((seen.number, &seen.head_commit), (pull.number, &commit));
        assert_eq!(seen.comments.len(), 1, "{seen:#?}");
    }
    shop.is_quiet();
}

fn the_label_rebase_makes_the_branch_anew_whoever_committed(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    commit_to(shop, &pull.head);
    shop.expect("held", "pull-request/foreign-commits");
    shop.forge.label(pull.number, "repin/rebase");
    shop.expect("delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    assert!(!again.labels.contains(&"repin/rebase".to_owned()), "{again:#?}");
    shop.holds_one_commit(&again, "1.1.0");
    shop.is_quiet();
}

fn a_foreign_commit_keeps_what_is_obsolete_open(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    let commit = commit_to(shop, &pull.head);
    let text = shop.world.values("web", "1.1.0");
    shop.world.remote.commit(&[("apps/web/values.yaml", &text)], "Take 1.1.0 by hand");
    shop.expect("current", "current");
    assert_eq!(shop.only().head_commit, commit);
}

fn a_title_and_a_body_that_people_edit_stay_until_the_change_is_another_one(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.forge.edit_title(pull.number, "[urgent] web");
    shop.forge.edit_body(pull.number, &format!("Please look.\n\n{}", pull.body));
    shop.is_quiet();
    assert_eq!(shop.only().title, "[urgent] web");
    shop.world.remote.commit(&[("NOTES", "moved\n")], "Move the base");
    shop.expect("delivered", "delivered");
    shop.holds_one_commit(&shop.only(), "1.1.0");
    assert_eq!(shop.only().title, "[urgent] web", "the change is the same");
    assert!(shop.only().body.starts_with("Please look."));
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    assert!(shop.only().title.contains("1.2.0"));
    // Without its marker it is still the pull request of its branch.
    shop.forge.edit_body(pull.number, "nothing");
    shop.expect("delivered", "delivered");
    assert!(shop.only().body.contains("<!-- repin:"));
    assert_eq!(shop.only().number, pull.number);
    shop.is_quiet();
}

fn who_took_part_is_told_of_an_update_and_nobody_else(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    shop.publish("web", &["1.2.0"]);
    shop.expect("delivered", "delivered");
    assert_eq!(shop.only().comments, []);
    shop.forge.comment(pull.number, "alice", "On it.");
    shop.publish("web", &["1.3.0"]);
    shop.expect("delivered", "delivered");
    let comments = shop.only().comments;
    assert!(matches!(&comments[..], [_, (by, text)] if by == BOT && text.contains("1.3.0")), "{comments:#?}");
}

fn pull_requests_of_others_are_left_alone(shop: &Shop) {
    let change = NewCommit { branch: "feature", ..NewCommit::new(&[("x", "1\n")], "Feature") };
    shop.add_web(&["1.0.0", "1.1.0"]);
    shop.world.remote.git(&["branch", "feature", "main"]);
    shop.world.remote.make(&change);
    let own = shop.forge.open("feature", "A feature", "alice");
    let fork = shop.forge.open_from_fork("mallory", "repin/web", "Evil");
    let before = (shop.forge.pull(own), shop.forge.pull(fork));
    shop.expect("delivered", "delivered");
    shop.once();
    assert_eq!((shop.forge.pull(own), shop.forge.pull(fork)), before);
}

fn a_branch_of_a_person_with_our_name_is_left_alone(shop: &Shop) {
    shop.add_web(&["1.0.0"]);
    shop.world.remote.git(&["branch", "repin/experiment", "main"]);
    let commit = commit_to(shop, "repin/experiment");
    let number = shop.forge.open("repin/experiment", "An experiment", "alice");
    let before = shop.forge.pull(number);
    shop.publish("web", &["1.1.0"]);
    shop.expect("delivered", "delivered");
    shop.once();
    assert_eq!(shop.forge.pull(number), before);
    assert_eq!(shop.world.remote.git(&["rev-parse", "repin/experiment"]), commit);
}

fn what_people_added_and_merged_holds_up_nothing(shop: &Shop) {
    shop.add_web(&["1.0.0"]);
    for (tag, method) in [("1.1.0", MergeMethod::Merge), ("1.2.0", MergeMethod::Squash)] {
        shop.publish("web", &[tag]);
        shop.expect("delivered", "delivered");
        let pull = shop.only();
        commit_to(shop, &pull.head);
        shop.expect("held", "pull-request/foreign-commits");
        shop.forge.merge(pull.number, method, "alice");
        shop.expect("current", "current");
    }
    shop.publish("web", &["1.3.0"]);
    shop.expect("delivered", "delivered");
    shop.holds_one_commit(&shop.only(), "1.3.0");
}
