//! What keeps pull requests back for a while: windows, freezes, holds, the emergency stop, and what upstream took back.
//!
//! Commits have the real time; windows are looked at with a later clock.

use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp, Zoned};
use repin::model::forge::PullState;
use serde_json::Value;

use crate::pulls::{Shop, Wishes, on_all_forges, outcome};
use crate::remote::NewCommit;
use crate::world::{App, said};

on_all_forges!(
    a_closed_window_opens_nothing_and_has_nothing_merged,
    what_is_new_waits_for_the_window_and_takes_the_same_pull_request,
    a_freeze_leaves_an_open_one_as_it_is_until_the_thaw,
    what_upstream_took_back_is_closed_whatever_the_window_and_opened_again,
    what_upstream_moves_on_to_goes_into_the_same_pull_request,
    a_hold_closes_it_and_its_end_opens_it_again,
    an_emergency_stop_writes_nothing_to_the_forge,
    an_override_is_told_with_actor_reason_and_end,
);

/// From nine to five in UTC, every day.
const OFFICE: [&str; 2] = [
    "windows:",
    "  - {name: office, kind: allow, cron: \"0 9 * * *\", duration: 8h, time_zone: UTC, reason: people are there}",
];
const WINDOW: &str = "pull-request\n    windows: [office]";

/// An hour of a day after today, in UTC.
fn at(days: i64, hour: i8) -> String {
    let midnight = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date().to_datetime(Time::midnight());
    let midnight = midnight.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp();
    let time: Timestamp = midnight + SignedDuration::from_hours(days * 24 + i64::from(hour));
    time.to_string()
}

/// A cycle at a time of both clocks.
fn cycle(shop: &Shop, time: &str) -> Value {
    shop.forge.at(time);
    shop.cycle_at(time)
}

fn expect(shop: &Shop, time: &str, result: &str, code: &str) -> Value {
    let outcome = cycle(shop, time);
    assert_eq!((&outcome["result"], &outcome["code"]), (&result.into(), &code.into()), "{outcome:#}");
    outcome
}

/// A cycle at a time that changes nothing.
fn is_quiet(shop: &Shop, time: &str) {
    let refs = || shop.world.remote.git(&["for-each-ref", "refs/heads"]);
    let before = refs();
    shop.forge.clear_requests();
    cycle(shop, time);
    assert_eq!(shop.writes(), [], "a quiet cycle wrote");
    assert_eq!(refs(), before);
}

fn merged_by_the_forge(shop: &Shop, delivery: &str, top: &[&str]) {
    shop.forge.allow_auto_merge(true);
    shop.forge.require_checks(true);
    shop.wish(&Wishes { rule: &["auto_merge: \"on\""], delivery, top, ..Wishes::default() });
}

fn person(shop: &Shop, arguments: &[&str]) {
    let said = shop.world.repin(&[arguments, &["--by", "Paula <paula@example.com>"]].concat());
    assert_eq!(said.code, 0, "{said:#?}");
}

fn a_closed_window_opens_nothing_and_has_nothing_merged(shop: &Shop) {
    merged_by_the_forge(shop, WINDOW, &OFFICE);
    shop.add_web(&["1.0.0", "1.1.0"]);
    let held = expect(shop, &at(1, 20), "held", "gate/window");
    assert_eq!(held["until"], at(2, 9).as_str(), "{held:#}");
    assert_eq!(held["to"], "1.1.0");
    let message = held["message"].as_str().unwrap();
    assert!(message.contains("closed: ") && message.contains("; opens ") && message.contains(", closes "), "{message}");
    assert_eq!((shop.forge.pulls(), shop.branches()), (vec![], vec![]));

    expect(shop, &at(2, 10), "delivered", "delivered");
    let pull = shop.only();
    assert!(pull.auto_merge.is_some(), "{pull:#?}");
    is_quiet(shop, &at(2, 11));

    let held = expect(shop, &at(2, 17), "held", "gate/window");
    assert_eq!(held["pull_request"], shop.forge.pull_url(pull.number).as_str(), "{held:#}");
    let waiting = shop.only();
    assert_eq!((waiting.number, &waiting.head_commit, waiting.auto_merge), (pull.number, &pull.head_commit, None));
    is_quiet(shop, &at(2, 18));
    shop.world.drop_cache();
    is_quiet(shop, &at(2, 19));

    cycle(shop, &at(3, 9));
    let again = shop.only();
    assert_eq!((again.number, &again.head_commit), (pull.number, &pull.head_commit));
    assert!(again.auto_merge.is_some(), "{again:#?}");
    is_quiet(shop, &at(3, 10));
}

fn what_is_new_waits_for_the_window_and_takes_the_same_pull_request(shop: &Shop) {
    shop.wish(&Wishes { delivery: WINDOW, top: &OFFICE, ..Wishes::default() });
    shop.add_web(&["1.0.0", "1.1.0"]);
    expect(shop, &at(1, 10), "delivered", "delivered");
    let pull = shop.only();
    shop.publish("web", &["1.2.0"]);
    expect(shop, &at(1, 18), "held", "gate/window");
    assert_eq!(shop.only().head_commit, pull.head_commit);
    expect(shop, &at(2, 10), "delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    shop.holds_one_commit(&again, "1.2.0");
}

fn a_freeze_leaves_an_open_one_as_it_is_until_the_thaw(shop: &Shop) {
    merged_by_the_forge(shop, "pull-request", &[]);
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    person(shop, &["freeze", "--environment", "production", "--reason", "end of quarter", "--for", "2h"]);
    shop.publish("web", &["1.2.0"]);
    let held = shop.expect("held", "gate/frozen");
    let message = held["message"].as_str().unwrap();
    assert!(message.contains("freeze by Paula since ") && message.contains(": end of quarter"), "{message}");
    assert!(held["until"].is_string() && message.contains(" until "), "{held:#}");
    let waiting = shop.only();
    assert_eq!((waiting.number, &waiting.head_commit, waiting.auto_merge), (pull.number, &pull.head_commit, None));
    shop.is_quiet();
    person(shop, &["thaw"]);
    shop.expect("delivered", "delivered");
    let again = shop.only();
    assert!(again.number == pull.number && again.auto_merge.is_some(), "{again:#?}");
    shop.holds_one_commit(&again, "1.2.0");
    shop.is_quiet();
}

/// `web` takes what the Application `web-staging` holds, in the same repository.
fn promoted(shop: &Shop, tags: &[&str], staging: &str) {
    let wishes = Wishes {
        delivery: "pull-request\n    promote_from: staging\n    windows: [office]",
        top: &OFFICE,
        ..Wishes::default()
    };
    let staged = "  - match: {path: \"staging/**\"}\n    environment: staging\n    delivery: none\n";
    shop.world.configure(&(shop.configuration(&wishes) + staged));
    let app = App { name: "web-staging", constraint: "", annotations: &[] };
    let manifest = shop.world.application(&app);
    let manifest = manifest.replace("acme/web-staging", "acme/web").replace("apps/web-staging", "staging/web");
    shop.world.remote.commit(&[("argocd/web-staging.yaml", &manifest)], "Add staging");
    stage(shop, staging);
    shop.add_web(tags);
}

fn stage(shop: &Shop, tag: &str) {
    let text = shop.world.values("web", tag);
    shop.world.remote.commit(&[("staging/web/values.yaml", &text)], &format!("Have {tag} in staging"));
}

fn what_upstream_took_back_is_closed_whatever_the_window_and_opened_again(shop: &Shop) {
    promoted(shop, &["1.0.0", "1.1.0"], "1.1.0");
    expect(shop, &at(1, 10), "delivered", "delivered");
    let pull = shop.only();
    shop.holds_one_commit(&pull, "1.1.0");
    stage(shop, "1.0.0");
    expect(shop, &at(1, 20), "current", "current");
    let closed = shop.forge.pull(pull.number);
    assert_eq!(closed.state, PullState::Closed);
    assert!(closed.comments.iter().any(|(_, text)| text.contains("`staging` holds 1.1.0 no more")), "{closed:#?}");
    assert_eq!(shop.branches(), [""; 0]);
    is_quiet(shop, &at(1, 21));
    stage(shop, "1.1.0");
    expect(shop, &at(1, 22), "held", "gate/window");
    assert_eq!(shop.forge.open_pulls(), []);
    expect(shop, &at(7, 10), "delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    shop.holds_one_commit(&again, "1.1.0");
    is_quiet(shop, &at(7, 11));
}

fn what_upstream_moves_on_to_goes_into_the_same_pull_request(shop: &Shop) {
    promoted(shop, &["1.0.0", "1.1.0", "1.2.0", "1.3.0"], "1.1.0");
    expect(shop, &at(1, 10), "delivered", "delivered");
    let pull = shop.only();
    stage(shop, "1.2.0");
    expect(shop, &at(1, 11), "delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    shop.holds_one_commit(&again, "1.2.0");
    // While the window is closed nobody may merge what is not there any more, and the next one is not proposed.
    stage(shop, "1.3.0");
    expect(shop, &at(1, 20), "held", "gate/window");
    assert_eq!(shop.forge.pull(pull.number).state, PullState::Closed);
    expect(shop, &at(2, 10), "delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    shop.holds_one_commit(&again, "1.3.0");
}

fn a_hold_closes_it_and_its_end_opens_it_again(shop: &Shop) {
    let pull = shop.proposed(&["1.0.0", "1.1.0"]);
    person(shop, &["hold", "web", "--reason", "memory leak"]);
    let held = shop.expect("held", "gate/hold");
    assert!(held["message"].as_str().unwrap().contains("hold by Paula"), "{held:#}");
    let closed = shop.forge.pull(pull.number);
    assert_eq!(closed.state, PullState::Closed);
    assert!(closed.comments.iter().any(|(_, text)| text.contains("memory leak")), "{closed:#?}");
    shop.is_quiet();
    person(shop, &["resume", "web"]);
    shop.expect("delivered", "delivered");
    let again = shop.only();
    assert_eq!(again.number, pull.number);
    shop.holds_one_commit(&again, "1.1.0");
}

fn an_emergency_stop_writes_nothing_to_the_forge(shop: &Shop) {
    let stopped = |arguments: &[&str]| {
        let refs = || shop.world.remote.git(&["for-each-ref"]);
        let (before, pulls) = (refs(), shop.forge.pulls());
        shop.forge.clear_requests();
        let found = outcome(&shop.world.repin(arguments), "web");
        assert_eq!(shop.writes(), [], "{arguments:?}");
        assert_eq!((refs(), shop.forge.pulls()), (before, pulls), "{arguments:?}");
        found
    };
    let stop = "--emergency-stop=registry was broken into";
    shop.add_web(&["1.0.0", "1.1.0"]);
    let held = stopped(&["once", stop]);
    assert_eq!(held["code"], "gate/stopped", "{held:#}");
    assert!(held["message"].as_str().unwrap().contains("registry was broken into"), "{held:#}");
    let pull = {
        shop.expect("delivered", "delivered");
        shop.only()
    };
    shop.publish("web", &["1.2.0"]);
    assert_eq!(stopped(&["once", stop])["code"], "gate/stopped");
    // What nobody wants any more stays open as well.
    let text = shop.world.values("web", "1.2.0");
    shop.world.remote.make(&NewCommit::new(&[("apps/web/values.yaml", &text)], "Take it by hand"));
    assert_eq!(stopped(&["once", stop])["code"], "current");
    shop.expect("current", "current");
    assert_eq!(shop.forge.pull(pull.number).state, PullState::Closed);

    // It may come when everything is made already.
    shop.publish("web", &["1.3.0"]);
    let file = shop.world.remote.scratch().join("stop");
    let path = format!("emergency_stop: {}", file.display());
    shop.wish(&Wishes { top: &[&path], ..Wishes::default() });
    shop.forge.clear_requests();
    let mut command = shop.world.command(&["once", "--output", "json"]);
    command.env("REPIN_FAILPOINT", "pulls-objects").env("REPIN_FAILPOINT_FILE", &file);
    let said = said(&command.output().unwrap());
    assert_eq!(outcome(&said, "web")["code"], "gate/stopped", "{said:#?}");
    assert_eq!((shop.writes(), shop.forge.open_pulls(), shop.branches()), (vec![], vec![], vec![]));
}

fn an_override_is_told_with_actor_reason_and_end(shop: &Shop) {
    shop.wish(&Wishes { delivery: WINDOW, top: &OFFICE, ..Wishes::default() });
    shop.add_web(&["1.0.0", "1.1.0"]);
    let until = at(3, 0);
    person(shop, &["override", "web", "--reason", "data is lost", "--until", &until]);
    let time = at(1, 20);
    shop.forge.at(&time);
    let said = shop.world.repin(&["once", "--now", &time]);
    assert_eq!(outcome(&said, "web")["result"], "delivered", "{said:#?}");
    let told: Vec<&str> = said.talk.lines().filter(|line| line.contains("an override let through")).collect();
    let [line] = told.as_slice() else { panic!("{said:#?}") };
    let end = format!("until {}", until.replace('T', " ").replace(":00Z", " UTC"));
    for part in ["1.1.0 for argocd/web", "break-glass by Paula", &end, "data is lost", "lifts gate/window"] {
        assert!(line.contains(part), "no `{part}` in {line}");
    }
    let pull = shop.only();
    let commit = shop.world.remote.git(&["log", "-1", "--format=%B", &pull.head]);
    assert!(commit.contains("break-glass by Paula") && commit.contains("data is lost"), "{commit}");
}
