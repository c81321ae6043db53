//! What people, windows and limits keep back, and what break-glass lets through.

use repin::model::change::{Chore, Request};
use repin::model::forge::PullState;
use repin::model::outcome::OutcomeResult;

use crate::estate::{Estate, outcome, verdict};

/// Staging holds 1.1.0 since two hours, production 1.0.0.
fn web(production: &str) -> Estate {
    Estate::web(production, "90:1.0.0 2:+1.1.0", "90:1.0.0")
}

fn until(estate: &Estate) -> Option<String> {
    estate.outcome("production web").until.map(|until| until.to_string())
}

const GO: &str = "pending pending 1.1.0";
const HELD: &str = "held gate/hold 1.1.0";
const FROZEN: &str = "held gate/frozen 1.1.0";
const SINCE: &str = "since: 2026-03-10T08:00:00Z";

#[test]
fn the_annotation_hold_holds_until_its_end() {
    for (note, expected, end, part) in [
        ("hold: memory leak", HELD, None, "the annotation `hold` holds it: memory leak"),
        (
            "hold: memory leak until=2026-03-10T12:00:01Z",
            HELD,
            Some("2026-03-10T12:00:01Z"),
            "the annotation `hold` holds it until 2026-03-10 12:00 UTC: memory leak",
        ),
        ("hold: memory leak until=2026-03-10T12:00:00Z", GO, None, "becomes 1.1.0"),
    ] {
        let estate = web("").note(note);
        let found = estate.outcome("production web");
        assert_eq!((verdict(&found).as_str(), until(&estate).as_deref()), (expected, end), "{note}: {found:#?}");
        assert!(found.message.contains(part), "{note}: {}", found.message);
        assert!(found.message.contains("1.0.0 becomes 1.1.0"), "what waits is said: {}", found.message);
    }
    // Who has what is wanted is held by nothing.
    assert_eq!(
        Estate::web("", "9:1.1.0", "9:1.1.0").note("hold: leak").verdict("production web"),
        "current current 1.1.0"
    );
}

#[test]
fn an_entry_stops_what_its_scope_names_whichever_repository_it_is_in() {
    let rest = format!("reason: end of quarter, by: paula, {SINCE}, until: 2026-03-11T08:00:00Z");
    let said = "by paula since 2026-03-10 08:00 UTC until 2026-03-11 08:00 UTC: end of quarter";
    for (entry, expected) in [
        ("kind: freeze", FROZEN),
        ("kind: freeze, environment: production", FROZEN),
        ("kind: freeze, environment: prod*", FROZEN),
        ("kind: freeze, environment: staging", GO),
        ("kind: freeze, repository: locked", FROZEN),
        ("kind: freeze, repository: gitops", GO),
        ("kind: freeze, service: web", FROZEN),
        ("kind: freeze, service: api", GO),
        ("kind: freeze, application: web-production", FROZEN),
        ("kind: freeze, application: argocd/web-production", FROZEN),
        ("kind: freeze, application: web-staging", GO),
        ("kind: freeze, alias: app", FROZEN),
        ("kind: freeze, alias: side", GO),
        ("kind: freeze, service: web, environment: staging", GO),
        ("kind: hold, service: web", HELD),
        ("kind: hold, service: web, environment: production", HELD),
        ("kind: hold, application: web-production, alias: app", HELD),
        ("kind: hold, application: web-production, alias: side", GO),
        ("kind: hold, application: other", GO),
    ] {
        for repository in ["gitops", "locked"] {
            let estate = web("").held(repository, &format!("{entry}, {rest}"));
            let found = estate.outcome("production web");
            assert_eq!(verdict(&found), expected, "{entry} in {repository}: {found:#?}");
            let is_stopped = expected != GO;
            assert_eq!(until(&estate).as_deref(), is_stopped.then_some("2026-03-11T08:00:00Z"), "{entry}");
            let kind = if expected == HELD { "hold" } else { "freeze" };
            assert_eq!(found.message.contains(&format!("{kind} {said}")), is_stopped, "{entry}: {}", found.message);
        }
    }
}

#[test]
fn an_entry_counts_from_its_time_to_its_end() {
    for (times, expected, end) in [
        ("since: 2026-03-10T08:00:00Z", FROZEN, None),
        ("since: 2026-03-10T12:00:00Z", FROZEN, None),
        // Clocks of people differ; what is written now counts now.
        ("since: 2026-03-10T12:10:00Z", FROZEN, None),
        ("since: 2026-03-10T12:10:01Z", GO, None),
        ("since: 2026-03-10T08:00:00Z, until: 2026-03-10T12:00:00Z", GO, None),
        ("since: 2026-03-10T08:00:00Z, until: 2026-03-10T12:00:01Z", FROZEN, Some("2026-03-10T12:00:01Z")),
    ] {
        let estate = web("").held("gitops", &format!("kind: freeze, reason: r, by: p, {times}"));
        assert_eq!((estate.verdict("production web").as_str(), until(&estate).as_deref()), (expected, end), "{times}");
    }
    // Of several the one that lasts longest says when it ends; one without an end does not end.
    let several = |more: &str| {
        let first = "kind: freeze, reason: first, by: p, since: 2026-03-10T08:00:00Z, until: 2026-03-10T13:00:00Z";
        web("")
            .held("gitops", &format!("{first}\nkind: freeze, reason: second, by: q, since: 2026-03-10T08:00:00Z{more}"))
    };
    let later = several(", until: 2026-03-12T13:00:00Z");
    assert_eq!(until(&later).as_deref(), Some("2026-03-12T13:00:00Z"));
    assert!(later.outcome("production web").message.contains("freeze by q"));
    assert_eq!(until(&several("")), None);
    assert_eq!(several("").verdict("production web"), FROZEN);
}

#[test]
fn a_file_that_cannot_be_read_freezes_all_for_what_it_froze_is_not_known() {
    let found = web("").held_badly("locked").outcome("production web");
    assert_eq!(verdict(&found), "held gate/holds-unreadable 1.1.0", "{found:#?}");
    assert!(found.message.contains("frost"), "{}", found.message);
    assert_eq!(web("").held_badly("gitops").verdict("production web"), "held gate/holds-unreadable 1.1.0");
    // What another repository's file says counts all the same.
    let both =
        web("").held_badly("locked").held("gitops", &format!("kind: hold, service: web, reason: r, by: p, {SINCE}"));
    assert_eq!(both.verdict("production web"), HELD);
}

const WINDOWS: &str = "windows:
  - {name: office, kind: allow, cron: \"0 9 * * 1-5\", duration: 4h, time_zone: UTC}
  - {name: evening, kind: allow, cron: \"0 18 * * *\", duration: 2h, time_zone: UTC, reason: few people}
  - {name: noon, kind: deny, cron: \"30 11 * * *\", duration: 1h, time_zone: UTC, reason: lunch}
";

#[test]
fn a_window_opens_and_closes() {
    for (rule, now, expected, end, parts) in [
        ("windows: [office]", "2026-03-10T12:00:00Z", GO, None, &[][..]),
        (
            "windows: [office]",
            "2026-03-10T13:00:00Z",
            "held gate/window 1.1.0",
            Some("2026-03-11T09:00:00Z"),
            &["closed: ", "opens 2026-03-11 09:00 UTC", "closes 2026-03-11 13:00 UTC"][..],
        ),
        // On Friday afternoon it opens on Monday.
        ("windows: [office]", "2026-03-13T13:00:00Z", "held gate/window 1.1.0", Some("2026-03-16T09:00:00Z"), &[]),
        (
            "windows: [office, noon]",
            "2026-03-10T12:00:00Z",
            "held gate/window 1.1.0",
            Some("2026-03-10T12:30:00Z"),
            &["lunch", "opens 2026-03-10 12:30 UTC", "closes 2026-03-10 13:00 UTC"],
        ),
        ("windows: [noon]", "2026-03-10T20:00:00Z", GO, None, &[]),
        ("windows: [office, evening]", "2026-03-10T18:00:00Z", GO, None, &[]),
        // What is demanded must be open as well: they never are at the same time.
        (
            "windows: [evening]\nat_least: {windows: [office]}",
            "2026-03-10T12:00:00Z",
            "held gate/window 1.1.0",
            None,
            &["does not open within two years"],
        ),
    ] {
        let estate = web(rule).top(WINDOWS).at_time(now);
        let found = estate.outcome("production web");
        assert_eq!((verdict(&found).as_str(), until(&estate).as_deref()), (expected, end), "{rule} {now}: {found:#?}");
        for part in parts {
            assert!(found.message.contains(part), "{rule} {now}: no `{part}` in {}", found.message);
        }
    }
    let wish = web("windows: [office]").top(WINDOWS).note("window: evening");
    assert_eq!(wish.verdict("production web"), "held gate/window 1.1.0");
    assert_eq!(until(&wish).as_deref(), Some("2026-03-10T18:00:00Z"));
}

const LIFT: &str = "kind: override, service: web, reason: data is lost, by: paula, since: 2026-03-10T11:00:00Z, until: 2026-03-10T14:00:00Z";
const LIFTED: &str = "break-glass by paula since 2026-03-10 11:00 UTC until 2026-03-10 14:00 UTC: data is lost";

#[test]
fn the_emergency_stop_beats_all() {
    let freeze = format!("kind: freeze, reason: r, by: p, {SINCE}");
    for mut estate in [
        web(""),
        web("").note("hold: leak"),
        web("").held("gitops", &freeze),
        web("").held_badly("locked"),
        web("").held("locked", LIFT),
        web("windows: [evening]").top(WINDOWS),
    ] {
        estate.stop = Some("registry was broken into".to_owned());
        let decision = estate.decide();
        let found = outcome(&decision, "production web");
        assert_eq!((verdict(&found).as_str(), found.until), ("held gate/stopped 1.1.0", None), "{found:#?}");
        assert!(found.message.contains("everything is stopped: registry was broken into"), "{}", found.message);
        assert!(decision.changes.is_empty() && decision.chores.is_empty());
    }
}

#[test]
fn the_stricter_of_several_gates_is_told() {
    let freeze = format!("kind: freeze, reason: r, by: p, {SINCE}");
    let hold = format!("kind: hold, service: web, reason: r, by: p, {SINCE}");
    let closed = || web("windows: [evening]").top(WINDOWS);
    assert_eq!(closed().held("gitops", &freeze).verdict("production web"), FROZEN);
    assert_eq!(closed().held("gitops", &format!("{freeze}\n{hold}")).verdict("production web"), HELD);
    assert_eq!(closed().held("gitops", &freeze).note("hold: leak").verdict("production web"), HELD);
}

/// What lifted something, as it goes into the log.
fn lifted(estate: &Estate) -> Vec<String> {
    estate.decide().judgements.iter().filter_map(|one| one.let_through.clone()).collect()
}

#[test]
fn break_glass_lifts_gates_soak_and_limits_and_says_so() {
    let freeze = format!("kind: freeze, environment: production, reason: r, by: p, {SINCE}");
    let others = "90:1.0.0 30m:+1.1.0";
    for (name, estate, held, lifts) in [
        ("a window", web("windows: [evening]").top(WINDOWS), "gate/window", "gate/window"),
        ("a freeze", web("").held("gitops", &freeze), "gate/frozen", "gate/frozen"),
        ("a hold", web("").note("hold: leak"), "gate/hold", "gate/hold"),
        ("a soak", web("soak: 24h"), "promotion/soak", "promotion/soak"),
        ("a soak that is demanded", web("at_least: {soak: 24h}"), "promotion/soak", "promotion/soak"),
        (
            "the limit of the hour",
            web("max_changes_per_hour: 1").place("staging api", others).place("production api", others),
            "limit/per-hour",
            "limit/per-hour",
        ),
        (
            "the limit of a push",
            web("max_changes_per_push: 1")
                .place("staging api", "90:1.0.0 30m:+1.1.0")
                .place("production api", "90:1.0.0")
                .place("staging shop", "90:1.0.0 30m:+1.1.0")
                .place("production shop", "90:1.0.0"),
            "limit/per-push",
            "limit/per-push",
        ),
    ] {
        assert_eq!(estate.verdict("production web"), format!("held {held} 1.1.0"), "{name}");
        assert_eq!(lifted(&estate), [""; 0], "{name}");
        let broken = estate.clone().held("locked", LIFT);
        let decision = broken.decide();
        assert_eq!(verdict(&outcome(&decision, "production web")), GO, "{name}");
        assert_eq!(lifted(&broken), [format!("{LIFTED} (lifts {lifts})")], "{name}");
        let message = &decision.changes[0].commits.iter().find(|one| one.message.contains("web")).unwrap().message;
        assert!(message.contains("break-glass by paula"), "{name}: the commit says it: {message}");
        assert!(outcome(&decision, "production web").message.contains(LIFTED), "{name}");
        // It counts for places of its own repository only, for those that it names, and while it lasts.
        if name != "a freeze" {
            let elsewhere = estate.clone().held("gitops", LIFT);
            assert_eq!(elsewhere.verdict("production web"), format!("held {held} 1.1.0"), "{name}");
        }
        for other in [LIFT.replace("service: web", "service: shop"), LIFT.replace("T14", "T12")] {
            let other = estate.clone().held("locked", &other);
            assert_eq!(other.verdict("production web"), format!("held {held} 1.1.0"), "{name}");
        }
    }
    // Where nothing stands in the way nothing is lifted.
    assert_eq!(lifted(&web("").held("locked", LIFT)), [""; 0]);
}

#[test]
fn break_glass_lifts_no_guard() {
    for (name, estate, expected) in [
        (
            "taken back here",
            Estate::web("soak: 24h", "90:1.0.0 2:1.1.0", "90:1.0.0 20:+1.1.0 2:1.0.0"),
            "held guard/rolled-back 1.1.0",
        ),
        (
            "less than what stands here",
            Estate::web("soak: 24h", "90:1.1.0 2:1.0.0", "90:1.0.0 20:+1.1.0"),
            "held promotion/went-back 1.0.0",
        ),
        ("another image", web("soak: 24h").answer("web:1.1.0", "gone"), "held promotion/not-copied 1.1.0"),
        ("out of range", web("soak: 24h").constrained("~1.0"), "held promotion/not-allowed 1.1.0"),
        ("too young", web("soak: 24h\nmin_age: 2d"), "held guard/min-age 1.1.0"),
        ("a registry", web("registries: [ghcr.io]"), "held rule/registry -"),
    ] {
        let estate = estate.held("locked", LIFT);
        assert_eq!(estate.verdict("production web"), expected, "{name}");
    }
}

/// So many services, each ready to go on.
fn fleet(production: &str, services: &[&'static str]) -> Estate {
    services.iter().fold(Estate::with(production), |estate, service| {
        let staging: &'static str = format!("staging {service}").leak();
        let own: &'static str = format!("production {service}").leak();
        estate.place(staging, "90:1.0.0 2:+1.1.0").place(own, "90:1.0.0")
    })
}

/// Who goes, and who is held by a code.
fn going(estate: &Estate, code: &str) -> (Vec<String>, Vec<String>) {
    let decision = estate.decide();
    let own = decision.outcomes.iter().filter(|one| one.environment.as_deref() == Some("production"));
    let name = |one: &&repin::model::outcome::Outcome| {
        one.application.trim_start_matches("argocd/").trim_end_matches("-production").to_owned()
    };
    let goes = own.clone().filter(|one| one.result == OutcomeResult::Pending).map(|one| name(&one)).collect();
    let held = own.filter(|one| one.code == code).map(|one| name(&one)).collect();
    (goes, held)
}

#[test]
fn an_environment_takes_so_many_changes_within_an_hour() {
    let per_hour = |estate: &Estate| {
        let (goes, held) = going(estate, "limit/per-hour");
        (goes.join(" "), held.join(" "))
    };
    let is = |estate: &Estate, goes: &str, held: &str| {
        assert_eq!(per_hour(estate), (goes.to_owned(), held.to_owned()));
    };
    let limited = || fleet("max_changes_per_hour: 2", &["a", "b", "c"]);
    is(&limited(), "a b", "c");
    let found = limited().outcome("production c");
    assert_eq!(found.until.map(|until| until.to_string()).as_deref(), Some("2026-03-10T13:00:00Z"));
    assert!(
        found
            .message
            .contains("`max_changes_per_hour` of `production` is 2: there were 0 within the last hour, and 2 are"),
        "{}",
        found.message
    );
    // What stands in Git counts: written by repin, within the hour, in this environment.
    let with = |story: &'static str| limited().place("staging z", "90:1.0.0").place("production z", story);
    is(&with("90:0.9.0 59m:+1.0.0"), "a", "b c");
    is(&with("90:0.9.0 60m:+1.0.0"), "a b", "c");
    is(&with("90:0.9.0 59m:1.0.0"), "a b", "c");
    is(&with("90:0.8.0 50m:+0.9.0 20m:+1.0.0"), "", "a b c");
    let found = with("90:0.8.0 50m:+0.9.0 20m:+1.0.0").outcome("production a");
    assert_eq!(found.until.map(|until| until.to_string()).as_deref(), Some("2026-03-10T12:10:00Z"));
    is(&limited().place("staging z", "90:0.9.0 5m:+1.0.0"), "a b", "c");
    // The smaller counts, whoever demands it.
    is(&fleet("max_changes_per_hour: 3\nat_least: {max_changes_per_hour: 1}", &["a", "b"]), "a", "b");
    is(&fleet("max_changes_per_hour: 1\nat_least: {max_changes_per_hour: 3}", &["a", "b"]), "a", "b");
}

/// Applications of one group, behind one of its own.
fn grouped(production: &str) -> Estate {
    let of = |estate: Estate, staging, own| estate.place(staging, "90:1.0.0 2:+1.1.0").place(own, "90:1.0.0");
    let estate = of(Estate::with(production), "staging a", "production a");
    let estate = of(estate, "staging b", "production b").note("group: shop");
    of(estate, "staging c", "production c").note("group: shop")
}

#[test]
fn what_goes_together_goes_whole_within_the_hour() {
    for per in ["group", "application"] {
        let of = |most: u32| going(&grouped(&format!("max_changes_per_hour: {most}\nper: {per}")), "limit/per-hour");
        let names = |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).to_owned()).collect() };
        assert_eq!(of(3), (names(&["a", "b", "c"]), names(&[])), "{per}");
        assert_eq!(of(2), (names(&["a"]), names(&["b", "c"])), "{per}");
        // What is larger than the limit goes alone, once nothing else went.
        let alone = |story| {
            let estate = Estate::with(&format!("max_changes_per_hour: 1\nper: {per}"))
                .place("staging b", "90:1.0.0 2:+1.1.0")
                .place("production b", "90:1.0.0")
                .note("group: shop")
                .place("staging c", "90:1.0.0 2:+1.1.0")
                .place("production c", "90:1.0.0")
                .note("group: shop")
                .place("staging z", "90:1.0.0")
                .place("production z", story);
            going(&estate, "limit/per-hour")
        };
        assert_eq!(alone("90:1.0.0"), (names(&["b", "c"]), names(&[])), "{per}");
        assert_eq!(alone("90:0.9.0 10m:+1.0.0"), (names(&[]), names(&["b", "c"])), "{per}");
    }
}

#[test]
fn pull_requests_that_wait_for_people_take_no_room_of_later_hours() {
    let limited = "delivery: pull-request\nmax_changes_per_hour: 1";
    let mut estate = fleet(limited, &["a", "b", "c"]);
    let opened = |estate: &Estate| {
        let decision = estate.decide();
        let groups = |set: &repin::model::change::ChangeSet| {
            let proposal = set.proposal.as_ref().unwrap();
            assert!(matches!(proposal.request, Request::Open), "{:?}", proposal.request);
            proposal.group.clone()
        };
        (decision.changes.iter().map(groups).collect::<Vec<_>>(), decision)
    };
    let (groups, decision) = opened(&estate);
    assert_eq!(groups, ["a-production in production"]);
    // Within the hour no other one is opened, later the next one is, whoever has not looked at the first.
    let mut soon = estate.clone();
    soon.proposes(&decision, 0);
    assert_eq!(opened(&soon).0, [""; 0]);
    estate.proposes(&decision, 2);
    let (groups, decision) = opened(&estate);
    assert_eq!(groups, ["b-production in production"]);
    assert_eq!(outcome(&decision, "production a").code, "pull-request/open");
    assert_eq!(outcome(&decision, "production c").code, "limit/per-hour");
}

#[test]
fn a_push_brings_so_many_changes_or_none() {
    let all = ["a", "b", "c"];
    for (estate, goes) in [
        (fleet("max_changes_per_push: 3", &all), true),
        (fleet("max_changes_per_push: 2", &all), false),
        (fleet("at_least: {max_changes_per_push: 2}", &all), false),
        (fleet("max_changes_per_push: 5\nat_least: {max_changes_per_push: 2}", &all), false),
        (fleet("max_changes_per_push: 5", &all).top("max_changes_per_push: 2\n"), false),
        (fleet("", &all).top("max_changes_per_push: 3\n"), true),
    ] {
        let (goes_now, held) = going(&estate, "limit/per-push");
        let expected = if goes { (3, 0) } else { (0, 3) };
        assert_eq!((goes_now.len(), held.len()), expected);
        let decision = estate.decide();
        assert_eq!(decision.changes.is_empty(), !goes);
        if !goes {
            let found = outcome(&decision, "production a");
            assert!(
                found.message.contains("would change 3 places")
                    && found.message.contains("`max_changes_per_push` is 2"),
                "{found:#?}"
            );
            assert_eq!(found.until, None);
            assert!(decision.problems.iter().any(|one| one.code == "limit/per-push" && one.hint.is_some()));
        }
    }
    // A pull request is a push of its own.
    let pulls = |per: &str| fleet(&format!("delivery: pull-request\nmax_changes_per_push: 2\nper: {per}"), &all);
    assert_eq!(going(&pulls("application"), "limit/per-push"), (all.map(str::to_owned).to_vec(), vec![]));
    assert_eq!(going(&pulls("environment"), "limit/per-push"), (vec![], all.map(str::to_owned).to_vec()));
    let found = pulls("environment").outcome("production a");
    assert!(found.message.contains("the pull request of `production`"), "{}", found.message);
}

/// An open pull request of production, which the forge was asked to merge by itself.
fn proposed(mut estate: Estate) -> Estate {
    let decision = estate.decide();
    assert_eq!(decision.changes.len(), 1, "{:#?}", decision.outcomes);
    estate.proposes(&decision, 1);
    estate
}

fn is_stopped(chores: &[Chore]) -> bool {
    matches!(chores, [Chore::StopMerge { .. }])
}

fn closing(chores: &[Chore]) -> Option<&str> {
    match chores {
        [Chore::Close { reason, .. }] => Some(reason),
        [] => None,
        other => panic!("{other:#?}"),
    }
}

const MERGED: &str = "delivery: pull-request\npull_request: {auto_merge: \"on\"}";

#[test]
fn what_keeps_a_commit_back_keeps_a_pull_request_from_being_merged() {
    let open = proposed(web(MERGED));
    let quiet = open.decide();
    assert_eq!(verdict(&outcome(&quiet, "production web")), "held pull-request/open 1.1.0");
    assert!(quiet.changes.is_empty() && quiet.chores.is_empty());
    let freeze = format!("kind: freeze, reason: r, by: p, {SINCE}");
    let hold = format!("kind: hold, service: web, reason: leak, by: p, {SINCE}");
    for (estate, code) in [
        (open.clone().held("gitops", &freeze), "gate/frozen"),
        (open.clone().note("window: evening").top(WINDOWS), "gate/window"),
        (open.clone().held_badly("locked"), "gate/holds-unreadable"),
    ] {
        let decision = estate.decide();
        let found = outcome(&decision, "production web");
        assert_eq!(found.code, code);
        assert_eq!(found.pull_request.as_deref(), Some("https://git.example/acme/locked/pulls/1"), "{code}");
        assert!(decision.changes.is_empty() && is_stopped(&decision.chores), "{code}: {:#?}", decision.chores);
    }
    for estate in [open.clone().held("gitops", &hold), open.clone().note("hold: leak")] {
        let decision = estate.decide();
        assert_eq!(outcome(&decision, "production web").code, "gate/hold");
        assert!(closing(&decision.chores).unwrap().contains("leak"));
    }
}

#[test]
fn a_gate_has_nothing_merged_also_where_nobody_can_say_what_is_wanted() {
    let freeze = format!("kind: freeze, environment: production, reason: r, by: p, {SINCE}");
    let hold = format!("kind: hold, service: web, reason: leak, by: p, {SINCE}");
    let down = proposed(web(MERGED)).answer("web:1.1.0", "down");
    assert!(down.decide().chores.is_empty());
    let mut unread = proposed(web(MERGED));
    unread.broken.push("gitops");
    for estate in [&down, &unread] {
        for entry in [&freeze, &hold] {
            let decision = estate.clone().held("locked", entry).decide();
            assert!(is_stopped(&decision.chores), "{:#?} {:#?}", decision.chores, decision.outcomes);
        }
    }
    let lifted = down.held("locked", &format!("{freeze}\n{LIFT}"));
    assert!(lifted.decide().chores.is_empty());
    // Once it is stopped there is nothing to stop.
    let mut told = proposed(web(MERGED)).answer("web:1.1.0", "down").held("locked", &freeze);
    told.open[0].0.is_auto_merged = Some(false);
    assert!(told.decide().chores.is_empty());
}

#[test]
fn a_hold_on_one_of_an_environment_takes_it_out_of_its_pull_request() {
    let rule = format!("{MERGED}\nper: environment");
    let hold = format!("kind: hold, service: a, reason: leak, by: p, {SINCE}");
    let decision = proposed(fleet(&rule, &["a", "b"])).held("gitops", &hold).decide();
    assert_eq!(outcome(&decision, "production a").code, "gate/hold");
    assert_eq!(verdict(&outcome(&decision, "production b")), GO);
    let [set] = decision.changes.as_slice() else { panic!("{:#?}", decision.changes) };
    assert!(matches!(set.proposal.as_ref().unwrap().request, Request::Update(1)));
    let files: Vec<&str> = set.commits[0].files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["services/b/production/values.yaml"]);
}

#[test]
fn a_hold_on_one_of_a_group_closes_what_brings_all_of_it() {
    let pair = || {
        let of = |estate: Estate, staging, own| estate.place(staging, "90:1.0.0 2:+1.1.0").place(own, "90:1.0.0");
        let estate = of(Estate::with(MERGED), "staging b", "production b").note("group: shop");
        of(estate, "staging c", "production c").note("group: shop")
    };
    let hold = format!("kind: hold, service: c, reason: leak, by: p, {SINCE}");
    let decision = proposed(pair()).held("gitops", &hold).decide();
    assert_eq!(outcome(&decision, "production b").code, "promotion/group");
    assert_eq!(outcome(&decision, "production c").code, "gate/hold");
    assert!(closing(&decision.chores).unwrap().contains("leak"), "{:#?}", decision.chores);
}

#[test]
fn what_upstream_took_back_is_closed_with_its_group_whatever_keeps_the_others_back() {
    let pair = |staging: &'static str| {
        let rule = "delivery: pull-request\nsoak: 24h";
        let estate =
            Estate::with(rule).place("staging b", staging).place("production b", "90:1.0.0").note("group: shop");
        estate.place("staging c", "90:1.0.0 30:+1.1.0").place("production c", "90:1.0.0").note("group: shop")
    };
    let before = proposed(pair("90:1.0.0 30:+1.1.0"));
    let freeze = format!("kind: freeze, environment: production, reason: r, by: p, {SINCE}");
    for (staging, code) in [
        ("90:1.0.0 30:+1.1.0 2:+1.2.0", "promotion/soak"),
        ("90:1.0.0 30:+1.1.0 2:1.0.0", "current"),
        ("90:1.0.0 30:+1.1.0 2:0.9.0", "promotion/went-back"),
    ] {
        let mut estate = pair(staging).held("locked", &freeze);
        estate.open.clone_from(&before.open);
        let decision = estate.decide();
        assert_eq!(outcome(&decision, "production b").code, code);
        let reason = closing(&decision.chores).unwrap_or_else(|| panic!("{staging}: {:#?}", decision.outcomes));
        assert!(reason.contains("holds 1.1.0 no more"), "{staging}: {reason}");
    }
}

#[test]
fn an_open_pull_request_is_never_moved_to_what_a_person_refused() {
    let of = |staging| Estate::web("delivery: pull-request", staging, "90:1.0.0");
    let (mut closed, _) = proposed(of("90:1.0.0 40:+1.1.0")).open.remove(0);
    (closed.state, closed.closed) = (PullState::Closed, Some(closed.created));
    let mut open = proposed(of("90:1.0.0 40:+1.1.0 20:+1.2.0")).open;
    open[0].0.number = 2;
    let after = |staging| {
        let mut estate = of(staging);
        estate.open.clone_from(&open);
        estate.refused.push(closed.clone());
        estate.decide()
    };
    // Upstream went back to what was refused: nobody wants the open one any more, and nothing comes in its place.
    let decision = after("90:1.0.0 40:+1.1.0 20:+1.2.0 2:1.1.0");
    let found = outcome(&decision, "production web");
    assert_eq!((verdict(&found).as_str(), decision.changes.len()), ("held guard/refused 1.1.0", 0));
    let reason = closing(&decision.chores).unwrap();
    assert!(reason.contains("it would bring app 1.1.0") && reason.contains("ada closed"), "{reason}");
    // What was not refused moves it, be it lower than what it brought.
    for (staging, to) in [("90:1.0.0 20:+1.2.0 2:1.1.5", "1.1.5"), ("90:1.0.0 20:+1.2.0 2:+1.3.0", "1.3.0")] {
        let decision = after(staging);
        assert_eq!(verdict(&outcome(&decision, "production web")), format!("pending pending {to}"));
        let request = &decision.changes[0].proposal.as_ref().unwrap().request;
        assert!(matches!(request, Request::Update(2)), "{request:?}");
    }
}

#[test]
fn break_glass_lifts_nothing_that_nobody_can_read() {
    for rule in ["", "delivery: pull-request"] {
        let broken = web(rule).held_badly("gitops").held("locked", LIFT);
        assert_eq!(broken.verdict("production web"), "held gate/holds-unreadable 1.1.0", "{rule}");
        let behind_a_hold = broken.note("hold: leak");
        assert_eq!(behind_a_hold.verdict("production web"), "held gate/holds-unreadable 1.1.0", "{rule}");
    }
}

#[test]
fn what_upstream_took_back_leaves_a_pull_request_that_brings_other_services_too() {
    let of = |staging: &'static str| {
        Estate::with("delivery: pull-request\nper: environment\nsoak: 24h")
            .place("staging a", staging)
            .place("production a", "90:1.0.0")
            .place("staging b", "90:1.0.0 30:+1.1.0")
            .place("production b", "90:1.0.0")
    };
    let before = proposed(of("90:1.0.0 30:+1.1.0"));
    let mut estate = of("90:1.0.0 30:+1.1.0 2:+1.2.0");
    estate.open.clone_from(&before.open);
    let decision = estate.decide();
    assert_eq!(verdict(&outcome(&decision, "production a")), "held promotion/soak 1.2.0");
    assert_eq!(verdict(&outcome(&decision, "production b")), GO);
    let [set] = decision.changes.as_slice() else { panic!("{:#?}", decision.outcomes) };
    assert!(matches!(set.proposal.as_ref().unwrap().request, Request::Update(1)));
    let files: Vec<&str> = set.commits[0].files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(files, ["services/b/production/values.yaml"]);
}

#[test]
fn what_brings_what_upstream_took_back_is_closed_also_where_another_one_cannot_be_said() {
    let of = |staging: &'static str| {
        let estate = Estate::with("delivery: pull-request\nper: environment\nsoak: 24h");
        let estate = estate.place("staging a", staging).place("production a", "90:1.0.0");
        estate.place("staging b", "90:1.0.0 30:+1.1.0").place("production b", "90:1.0.0")
    };
    let before = proposed(of("90:1.0.0 30:+1.1.0"));
    let after =
        of("90:1.0.0 30:+1.1.0 2:1.0.0").place("staging c", "90:1.0.0 30:+1.1.0").place("production c", "90:1.0.0");
    let mut after = after.answer("b:1.1.0", "down");
    after.open.clone_from(&before.open);
    let decision = after.decide();
    assert_eq!(outcome(&decision, "production b").result, OutcomeResult::Failed);
    let waits = outcome(&decision, "production c");
    assert_eq!((verdict(&waits).as_str(), decision.changes.len()), ("held pull-request/open 1.1.0", 0));
    assert!(waits.message.contains("it is closed, and the others follow"), "{}", waits.message);
    assert!(closing(&decision.chores).unwrap().contains("`staging` holds 1.1.0 no more"), "{:#?}", decision.chores);
}

#[test]
fn what_somebody_else_committed_to_is_left_to_people_and_merged_by_no_forge() {
    let rule = format!("{MERGED}\nsoak: 24h");
    let of = |staging: &'static str| Estate::web(&rule, staging, "90:1.0.0");
    let mut before = proposed(of("90:1.0.0 30:+1.1.0"));
    before.open[0].1.is_ours = false;
    let freeze = format!("kind: freeze, environment: production, reason: r, by: p, {SINCE}");
    for (staging, held, code) in [
        // Upstream went on, and what it holds now soaks, or waits for people.
        ("90:1.0.0 60:+1.1.0 2:+1.2.0", "", "promotion/soak"),
        ("90:1.0.0 60:+1.1.0 30:+1.2.0", "", "pull-request/foreign-commits"),
        ("90:1.0.0 60:+1.1.0 30:+1.2.0", &*freeze, "gate/frozen"),
        ("90:1.0.0 60:+1.1.0 2:1.0.0", "", "current"),
        ("90:1.0.0 30:+1.1.0", &*freeze, "gate/frozen"),
    ] {
        let mut estate = of(staging);
        if !held.is_empty() {
            estate = estate.held("locked", held);
        }
        estate.open.clone_from(&before.open);
        let decision = estate.decide();
        assert_eq!(
            (outcome(&decision, "production web").code.as_str(), decision.changes.len()),
            (code, 0),
            "{staging}"
        );
        let stops = decision.chores.iter().filter(|chore| matches!(chore, Chore::StopMerge { .. })).count();
        let closes = decision.chores.iter().filter(|chore| matches!(chore, Chore::Close { .. })).count();
        assert_eq!((stops, closes), (1, 0), "{staging} {held}: {:#?}", decision.chores);
    }
    // What upstream still holds waits for people alone.
    let decision = before.decide();
    assert!(!decision.chores.iter().any(|chore| matches!(chore, Chore::StopMerge { .. })), "{:#?}", decision.chores);
}
