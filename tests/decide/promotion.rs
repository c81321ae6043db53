//! What goes from one environment to the next, when, and what keeps it back.

use std::sync::Arc;

use repin::model::rule::Delivery;
use repin::plan::rollback::Stood;
use repin::plan::{Subject, decide};

use crate::estate::{Estate, outcome, verdict};

/// Each row: what it is about, the estate, `<result> <code> <to>` of `production web`, and parts of the message.
type Row = (&'static str, Estate, &'static str, &'static [&'static str]);

fn hold(rows: Vec<Row>) {
    let mut wrong = Vec::new();
    for (name, estate, expected, parts) in rows {
        let found = estate.outcome("production web");
        let is_said = parts.iter().all(|part| found.message.contains(part));
        if verdict(&found) != expected || !is_said {
            wrong.push(format!("{name}: {}, not {expected}, {parts:?}: {}", verdict(&found), found.message));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Staging holds 1.1.0 since yesterday and production 1.0.0.
fn web(production: &str) -> Estate {
    Estate::web(production, "72:1.0.0 26:+1.1.0", "72:1.0.0")
}

#[test]
fn the_place_upstream_is_the_one_of_the_same_service_and_alias() {
    let with = |from: &str| Estate::with(&format!("promote_from: {from}")).place("production web", "72:1.0.0");
    hold(vec![
        (
            "by the path's capture",
            web(""),
            "pending pending 1.1.0",
            &["1.0.0 becomes 1.1.0, what `staging` holds since"],
        ),
        (
            "another service's value is not taken",
            with("staging").place("staging api", "9:1.1.0"),
            "held promotion/no-upstream -",
            &["service `web`", "alias `app`", "environment `staging`", "the nearest service there is `api`"],
        ),
        (
            "by the name of the Application",
            with("staging/shop-staging").place("staging shop", "9:2.0.0").place("staging web", "9:1.1.0"),
            "pending pending 2.0.0",
            &["`staging/shop-staging` holds"],
        ),
        (
            "a name that nobody has",
            with("staging/shop").place("staging web", "9:1.1.0"),
            "held promotion/no-upstream -",
            &["an Application called `shop`"],
        ),
        (
            "several Applications",
            with("staging").place("staging web:blue", "9:1.1.0").place("staging web:green", "9:1.1.0"),
            "held promotion/ambiguous -",
            &["argocd/web-blue-staging", "argocd/web-green-staging", "staging/<application>"],
        ),
        (
            "one of several, by its name",
            with("staging/web-green-staging")
                .place("staging web:blue", "9:1.1.0")
                .place("staging web:green", "9:1.2.0"),
            "pending pending 1.2.0",
            &[],
        ),
        (
            "an annotation that sends it round in a circle",
            Estate::with("")
                .place("production web", "72:1.0.0")
                .place("staging web", "26:+1.1.0")
                .note("promote-from: production"),
            "held promotion/circle -",
            &["in a circle: argocd/web-production (app, production)", "from argocd/web-staging (app, staging)"],
        ),
        (
            "a rule that does, by way of two",
            Estate::with("")
                .top("  - match: {path: \"services/web/staging/**\"}\n    promote_from: canary\n  - match: {path: \"services/web/canary/**\"}\n    promote_from: production\n")
                .place("production web", "72:1.0.0")
                .place("staging web", "72:1.0.0")
                .place("canary web", "72:1.0.0"),
            "held promotion/circle -",
            &["web-production (app, production) at", "from argocd/web-staging", "from argocd/web-canary"],
        ),
        (
            "what comes from a circle waits for nobody to break it",
            Estate::with("")
                .top("  - match: {path: \"services/web/staging/**\"}\n    promote_from: canary\n  - match: {path: \"services/web/canary/**\"}\n    promote_from: staging\n")
                .place("production web", "72:1.0.0")
                .place("staging web", "72:1.1.0")
                .place("canary web", "72:1.1.0"),
            "pending pending 1.1.0",
            &[],
        ),
        (
            "who takes from any of several is in none",
            Estate::with("")
                .top("  - match: {path: \"services/web/staging/**\"}\n    promote_from: {any: [dev, production]}\n")
                .place("production web", "72:1.0.0")
                .place("staging web", "26:1.1.0")
                .place("dev web", "26:1.1.0"),
            "pending pending 1.1.0",
            &[],
        ),
        (
            "no such alias",
            with("staging").place("staging web.proxy", "9:1.1.0").place("staging web.cache", "9:1.1.0"),
            "held promotion/no-upstream -",
            &["there it has the aliases cache, proxy"],
        ),
        (
            "an environment without places",
            with("canary").place("staging web", "9:1.1.0"),
            "held promotion/no-upstream -",
            &["no place has that environment"],
        ),
        (
            "the annotation beats the rule",
            web("").note("promote-from: dev").place("dev web", "9:1.3.0"),
            "pending pending 1.3.0",
            &["`dev` holds"],
        ),
    ]);
}

#[test]
fn an_image_that_says_none_takes_from_its_registry_unless_the_rules_demand_a_source() {
    let own = web("").note("promote-from: none");
    assert_eq!(own.verdict("production web"), "pending pending 1.1.0");
    let found = own.outcome("production web");
    assert!(found.message.contains("the newest that semver"), "{found:#?}");
    let demanded = web("at_least: {promote_from: staging}").note("promote-from: none");
    assert!(demanded.outcome("production web").message.contains("what `staging` holds"));
}

#[test]
fn exactly_the_tag_and_digest_of_upstream_arrive() {
    hold(vec![
        (
            "there already",
            Estate::web("", "26:1.1.0", "9:1.1.0"),
            "current current 1.1.0",
            &["is what `staging` holds"],
        ),
        (
            "the tag, and the digest that the commit tells",
            Estate::web("", "72:1.0.0 26:+1.1.0=b", "72:1.0.0").answer("web:1.1.0", "b"),
            "pending pending 1.1.0",
            &[],
        ),
        (
            "the digest in the file",
            Estate::web("", "26:1.1.0@b", "72:1.0.0").answer("web:1.1.0", "b"),
            "pending pending 1.1.0",
            &[],
        ),
        (
            "no digest that Git tells",
            Estate::web("", "26:1.1.0", "72:1.0.0"),
            "pending pending 1.1.0",
            &["which digest it has there Git does not say"],
        ),
        (
            "moved since, by the trailer",
            Estate::web("", "26:+1.1.0=b", "72:1.0.0").answer("web:1.1.0", "c"),
            "held promotion/moved 1.1.0",
            &["sha256:bbbb", "sha256:cccc"],
        ),
        (
            "moved since, by the file",
            Estate::web("", "26:1.1.0@b", "72:1.0.0"),
            "held promotion/moved 1.1.0",
            &["the tag was moved, or something else was copied"],
        ),
        (
            "vanished",
            Estate::web("", "26:1.1.0", "72:1.0.0").answer("web:1.1.0", "gone"),
            "held promotion/not-copied 1.1.0",
            &["r.example/web has no such tag (404)"],
        ),
        (
            "a registry that does not answer",
            Estate::web("", "26:1.1.0", "72:1.0.0").answer("web:1.1.0", "down"),
            "failed registry/unreachable 1.1.0",
            &[],
        ),
        (
            "a vanished tag that stands here already is no matter",
            Estate::web("", "26:1.1.0", "9:1.1.0").answer("web:1.1.0", "gone"),
            "current current 1.1.0",
            &[],
        ),
        (
            "pinned to both",
            Estate::web("", "26:+1.1.0=b", "72:1.0.0@a").note("app.pin: tag+digest").answer("web:1.1.0", "b"),
            "pending pending 1.1.0@b",
            &[],
        ),
        (
            "pinned to the digest",
            Estate::web("", "26:+1.1.0=b", "72:+1.0.0=a 50:@a").note("app.pin: digest").answer("web:1.1.0", "b"),
            "pending pending 1.1.0@b",
            &[],
        ),
        (
            "the same digest under another tag, pinned to the digest",
            Estate::web("", "26:1.1.0@b", "72:@b").note("app.pin: digest"),
            "current current sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
            &[],
        ),
        (
            "the digest is added where it is wanted and known",
            Estate::web("", "26:+1.1.0=b", "9:1.1.0").note("app.pin: tag+digest").answer("web:1.1.0", "b"),
            "pending pending 1.1.0@b",
            &[],
        ),
        (
            "a digest by hand that nobody asked for",
            Estate::web("", "26:1.1.0", "72:1.0.0@a"),
            "held guard/pinned 1.1.0",
            &[],
        ),
    ]);
}

#[test]
fn the_constraint_of_the_application_still_caps() {
    hold(vec![
        (
            "out of range",
            web("").constrained("~1.0"),
            "held promotion/not-allowed 1.1.0",
            &["`staging` holds 1.1.0", "the Application's own policy does not allow it"],
        ),
        ("in range", web("").constrained("^1"), "pending pending 1.1.0", &[]),
        ("a filter", web("").note("app.ignore-tags: 1.1.*"), "held promotion/not-allowed 1.1.0", &[]),
        (
            "a pre-release where no constraint stands",
            Estate::web("", "26:1.1.0-rc.1", "72:1.0.0"),
            "pending pending 1.1.0-rc.1",
            &[],
        ),
        (
            "a pre-release where one stands",
            Estate::web("", "26:1.1.0-rc.1", "72:1.0.0").constrained("^1"),
            "held promotion/not-allowed 1.1.0-rc.1",
            &[],
        ),
        (
            "what is no version",
            Estate::web("", "26:main-3f2a91c", "72:main-0aa1b2c"),
            "pending pending main-3f2a91c",
            &[],
        ),
        ("a number", Estate::web("", "26:20260309", "72:20260301"), "pending pending 20260309", &[]),
        (
            "what is no version, with a constraint",
            Estate::web("", "26:main-3f2a91c", "72:1.0.0").constrained("^1"),
            "held promotion/not-allowed main-3f2a91c",
            &[],
        ),
    ]);
}

#[test]
fn a_soak_counts_from_the_commit_that_brought_the_value_without_a_break() {
    let until = |estate: &Estate| estate.outcome("production web").until.map(|until| until.to_string());
    let soak = |staging| Estate::web("soak: 24h", staging, "90:1.0.0");
    let row =
        |name, staging, expected, parts: &'static [&'static str]| -> Row { (name, soak(staging), expected, parts) };
    hold(vec![
        row(
            "before",
            "90:1.0.0 23:+1.1.0",
            "held promotion/soak 1.1.0",
            &["`staging` holds 1.1.0 since 2026-03-09 13:00 UTC, and `soak` is 1d"],
        ),
        row("a minute before", "90:1.0.0 1439m:+1.1.0", "held promotion/soak 1.1.0", &[]),
        row("exactly", "90:1.0.0 24:+1.1.0", "pending pending 1.1.0", &[]),
        row("after", "90:1.0.0 25:+1.1.0", "pending pending 1.1.0", &[]),
        row(
            "a break",
            "90:1.0.0 80:+1.1.0 30:1.0.0 2:1.1.0",
            "held promotion/soak 1.1.0",
            &["since 2026-03-10 10:00 UTC"],
        ),
        row(
            "the file was gone in between",
            "80:1.1.0 30:x 2:1.1.0",
            "held promotion/soak 1.1.0",
            &["since 2026-03-10 10:00 UTC"],
        ),
        row("a digest was added in between", "80:1.1.0 2:1.1.0@a", "pending pending 1.1.0", &[]),
        row(
            "another digest came in between",
            "80:1.1.0@b 2:1.1.0@a",
            "held promotion/soak 1.1.0",
            &["since 2026-03-10 10:00 UTC"],
        ),
        row(
            "another one, behind none",
            "80:1.1.0@b 30:1.1.0@a 2:1.1.0",
            "pending pending 1.1.0",
            &["since 2026-03-09 06:00 UTC"],
        ),
        row(
            "the trailers tell another digest",
            "80:+1.1.0=b 2:1.1.0@a",
            "held promotion/soak 1.1.0",
            &["since 2026-03-10 10:00 UTC"],
        ),
        row("the trailers tell the same digest", "80:+1.1.0=a 2:1.1.0@a", "pending pending 1.1.0", &[]),
        row(
            "a clock that runs ahead",
            "90:1.0.0 -3:+1.1.0",
            "held promotion/soak 1.1.0",
            &["since 2026-03-10 12:00 UTC"],
        ),
        ("none", Estate::web("", "90:1.0.0 0:1.1.0", "90:1.0.0"), "pending pending 1.1.0", &[]),
        (
            "the annotation is longer",
            soak("90:1.0.0 25:1.1.0").note("soak: 2d"),
            "held promotion/soak 1.1.0",
            &["`soak` is 2d"],
        ),
        (
            "the annotation is shorter than the rules demand",
            Estate::web("at_least: {soak: 1d}", "90:1.0.0 2:1.1.0", "90:1.0.0").note("soak: 1h"),
            "held promotion/soak 1.1.0",
            &[],
        ),
        (
            "who takes the promotion away takes no demanded soak away",
            Estate::web("at_least: {soak: 1d}", "90:1.0.0 2:1.1.0", "90:1.0.0").note("promote-from: none"),
            "held promotion/soak 1.1.0",
            &[],
        ),
    ]);
    assert_eq!(until(&soak("90:1.0.0 23:+1.1.0")).as_deref(), Some("2026-03-10T13:00:00Z"));
    assert_eq!(until(&soak("90:1.0.0 -3:+1.1.0")).as_deref(), Some("2026-03-11T12:00:00Z"));
    // What cannot go anyway is said first: nobody waits a day to hear it.
    assert_eq!(soak("2:1.1.0").constrained("~1.0").verdict("production web"), "held promotion/not-allowed 1.1.0");
}

#[test]
fn of_several_environments_upstream_all_or_any_count() {
    let of = |quorum: &str, staging, canary| {
        Estate::with(&format!("promote_from: \"{quorum}staging,canary\"\nsoak: 24h"))
            .place("staging web", staging)
            .place("canary web", canary)
            .place("production web", "90:1.0.0")
    };
    hold(vec![
        ("all hold it", of("", "30:1.1.0", "26:1.1.0"), "pending pending 1.1.0", &[]),
        (
            "the last of them counts",
            of("all:", "30:1.1.0", "3:1.1.0"),
            "held promotion/soak 1.1.0",
            &["`canary`", "since 2026-03-10 09:00 UTC"],
        ),
        (
            "they disagree",
            of("all:", "30:1.1.0", "30:1.2.0"),
            "held promotion/disagree -",
            &["`staging` holds 1.1.0", "`canary` holds 1.2.0"],
        ),
        (
            "by their digests",
            of("all:", "30:1.1.0@a", "30:1.1.0@b"),
            "held promotion/disagree -",
            &["sha256:aaaa", "sha256:bbbb"],
        ),
        ("one knows the digest", of("all:", "30:1.1.0@b", "30:1.1.0"), "held promotion/moved 1.1.0", &[]),
        ("any, the highest that soaked", of("any:", "30:1.1.0", "30:1.2.0"), "pending pending 1.2.0", &["`canary`"]),
        ("any with one soaked", of("any:", "30:1.1.0", "2:1.2.0"), "pending pending 1.1.0", &["`staging`"]),
        (
            "any with none soaked",
            of("any:", "3:1.1.0", "2:1.2.0"),
            "held promotion/soak 1.1.0",
            &["since 2026-03-10 09:00 UTC"],
        ),
        (
            "any, one of them is not there",
            Estate::with("promote_from: \"any:staging,canary\"")
                .place("staging web", "2:1.1.0")
                .place("production web", "90:1.0.0"),
            "pending pending 1.1.0",
            &[],
        ),
        (
            "all, one of them is not there",
            Estate::with("promote_from: \"staging,canary\"")
                .place("staging web", "2:1.1.0")
                .place("production web", "90:1.0.0"),
            "held promotion/no-upstream -",
            &["`canary`"],
        ),
    ]);
    // What one of them has not got yet is nothing that upstream took back: the next value only soaks.
    let ahead = |canary| {
        Estate::with("promote_from: \"any:staging,canary\"\nsoak: 24h")
            .place("staging web", "80:1.1.0")
            .place("canary web", canary)
            .place("production web", "90:1.1.0 20:+1.2.0")
    };
    hold(vec![
        ("the first one is ahead", ahead("60:1.2.0"), "current current 1.2.0", &[]),
        (
            "the first one goes on",
            ahead("60:1.2.0 2:1.3.0"),
            "held promotion/soak 1.3.0",
            &["`canary`", "since 2026-03-10 10:00 UTC"],
        ),
        ("all are behind", ahead("60:1.2.0 2:1.1.0"), "held promotion/went-back 1.1.0", &[]),
    ]);
}

#[test]
fn a_repository_that_cannot_be_read_leaves_production_as_it_is() {
    let mut estate = web("");
    estate.broken.push("gitops");
    let found = estate.outcome("production web");
    assert_eq!(verdict(&found), "held promotion/unknown -", "{found:#?}");
    assert!(found.message.contains("gitops") && found.message.contains("nobody answers"), "{found:#?}");
    let mut estate = web("");
    estate.texts.insert("services/web/staging/values.yaml".to_owned(), "app: [\n".to_owned());
    let found = estate.outcome("production web");
    assert_eq!(verdict(&found), "held promotion/unknown -", "{found:#?}");
}

#[test]
fn what_upstream_took_back_is_not_taken_back_here_by_itself() {
    let went = "held promotion/went-back 1.0.0";
    hold(vec![
        (
            "by order",
            Estate::web("", "90:1.0.0 50:1.1.0 2:1.0.0", "90:1.0.0 20:+1.1.0"),
            went,
            &["`staging` holds 1.0.0 since 2026-03-10 10:00 UTC", "less than 1.1.0 here", "follow_rollback"],
        ),
        ("by order, whatever stood there", Estate::web("", "2:1.0.0", "90:1.0.0 20:+1.1.0"), went, &[]),
        (
            "without an order, by what came after what",
            Estate::web("", "90:aaa1111 50:bbb2222 2:aaa1111", "90:aaa1111 20:+bbb2222"),
            "held promotion/went-back aaa1111",
            &[],
        ),
        (
            "without an order, and taken up again",
            Estate::web("", "90:aaa1111 50:bbb2222 30:aaa1111 2:bbb2222", "90:aaa1111"),
            "pending pending bbb2222",
            &[],
        ),
        (
            "without an order, and gone on",
            Estate::web("", "90:aaa1111 50:bbb2222 2:ccc3333", "90:aaa1111 20:+bbb2222"),
            "pending pending ccc3333",
            &[],
        ),
        (
            "a person is ahead here",
            Estate::web("", "90:1.0.0 2:1.1.0", "90:1.0.0 1:1.2.0"),
            "held promotion/went-back 1.1.0",
            &[],
        ),
        (
            "only the operator lets it follow",
            Estate::web("", "90:1.0.0 50:1.1.0 2:1.0.0", "90:1.0.0 20:+1.1.0").note("app.allow-downgrade: true"),
            "held promotion/went-back 1.0.0",
            &[],
        ),
    ]);
}

#[test]
fn who_follows_rollbacks_gets_a_pull_request_whatever_the_delivery() {
    let estate = Estate::web("follow_rollback: pull-request", "90:1.0.0 50:1.1.0 2:1.0.0", "90:1.0.0 20:+1.1.0");
    let decision = estate.decide();
    assert_eq!(verdict(&outcome(&decision, "production web")), "pending pending 1.0.0");
    let [set] = decision.changes.as_slice() else { panic!("{:#?}", decision.changes) };
    assert!(set.proposal.is_some() && decision.judgements.iter().any(|one| one.delivery == Delivery::PullRequest));
    // What goes on is committed as ever.
    let on = Estate::web("follow_rollback: pull-request", "72:1.0.0 26:1.1.0", "72:1.0.0").decide();
    assert!(matches!(on.changes.as_slice(), [set] if set.proposal.is_none()), "{:#?}", on.changes);
    // A person who went ahead here is not set back.
    let ahead = Estate::web("follow_rollback: pull-request", "90:1.0.0 50:1.1.0", "90:1.0.0 60:+1.1.0 1:1.2.0");
    assert_eq!(ahead.verdict("production web"), "held guard/rolled-back 1.1.0");
}

#[test]
fn what_a_person_took_back_here_stays_away_until_somebody_releases_it() {
    let own = |staging, own| Estate::web("", staging, own);
    hold(vec![
        ("a revert", own("26:1.1.0", "90:1.0.0 20:+1.1.0 2:1.0.0"), "held guard/rolled-back 1.1.0", &["Paula"]),
        ("the next value goes", own("1:1.2.0", "90:1.0.0 20:+1.1.0 2:1.0.0"), "pending pending 1.2.0", &[]),
        (
            "the next value waits where that is wished",
            own("1:1.2.0", "90:1.0.0 20:+1.1.0 2:1.0.0").note("app.after-rollback: wait"),
            "held guard/rolled-back 1.2.0",
            &[],
        ),
        (
            "a value below it stays away",
            own("1:1.1.0", "90:1.0.0 20:+1.2.0 2:1.0.0"),
            "held guard/rolled-back 1.1.0",
            &[],
        ),
        ("released", own("26:1.1.0", "90:1.0.0 20:+1.1.0 2:1.0.0 1:!"), "pending pending 1.1.0", &[]),
        ("released by its tag", own("26:1.1.0", "90:1.0.0 20:+1.1.0 2:1.0.0 1:!1.1.0"), "pending pending 1.1.0", &[]),
        (
            "another tag is released",
            own("26:1.1.0", "90:1.0.0 20:+1.1.0 2:1.0.0 1:!1.3.0"),
            "held guard/rolled-back 1.1.0",
            &[],
        ),
        (
            "taken back again after the release",
            own("26:1.1.0", "90:1.0.0 20:+1.1.0 9:1.0.0 8:!1.1.0 7:+1.1.0 2:1.0.0"),
            "held guard/rolled-back 1.1.0",
            &[],
        ),
        ("a revert of the revert", own("26:1.1.0", "90:1.0.0 20:+1.1.0 9:1.0.0 2:1.1.0"), "current current 1.1.0", &[]),
        (
            "without an order",
            own("26:bbb2222", "90:aaa1111 20:+bbb2222 2:aaa1111"),
            "held guard/rolled-back bbb2222",
            &["Paula replaced bbb2222 here", "Repin-Resume: argocd/web-production"],
        ),
        (
            "without an order, the next value goes",
            own("90:bbb2222 1:ccc3333", "90:aaa1111 20:+bbb2222 2:aaa1111"),
            "pending pending ccc3333",
            &[],
        ),
        (
            "without an order, released",
            own("26:bbb2222", "90:aaa1111 20:+bbb2222 2:aaa1111 1:!bbb2222"),
            "pending pending bbb2222",
            &[],
        ),
        (
            "without an order, a tag with another digest is another value",
            own("1:main@b", "90:rc@a 20:+main@a 2:rc@a").note("app.pin: tag+digest").answer("web:main", "b"),
            "pending pending main@b",
            &[],
        ),
        (
            "what repin replaced may come back",
            own("90:aaa1111 50:bbb2222", "90:bbb2222 60:+aaa1111"),
            "pending pending bbb2222",
            &[],
        ),
        (
            "the application was taken out and came anew",
            own("26:bbb2222", "90:bbb2222 60:aaa1111 50:x 40:aaa1111"),
            "pending pending bbb2222",
            &[],
        ),
    ]);
    let mut cut = own("26:1.1.0", "90:1.0.0");
    cut.cut = true;
    assert_eq!(cut.verdict("production web"), "held history/unknown 1.1.0");
}

/// Two images of one Application upstream and here.
fn pair(own: &'static str) -> Estate {
    Estate::with("soak: 24h")
        .place("staging web", "90:1.0.0 30:1.1.0")
        .place("staging web.side", "90:2.0.0 30:2.1.0")
        .place("production web", "90:1.0.0")
        .place("production web.side", own)
}

fn both(estate: &Estate, one: &'static str, other: &'static str) -> (String, String, usize) {
    let decision = estate.decide();
    (verdict(&outcome(&decision, one)), verdict(&outcome(&decision, other)), decision.changes.len())
}

#[test]
fn images_of_one_application_arrive_together() {
    let two = |estate: &Estate| both(estate, "production web", "production web.side");
    let is = |found: (String, String, usize), one: &str, other: &str, sets: usize| {
        assert_eq!((found.0.as_str(), found.1.as_str(), found.2), (one, other, sets));
    };
    is(two(&pair("90:2.0.0")), "pending pending 1.1.0", "pending pending 2.1.0", 1);
    assert_eq!(pair("90:2.0.0").decide().changes[0].commits.len(), 1, "one commit");
    is(two(&pair("90:2.1.0")), "pending pending 1.1.0", "current current 2.1.0", 1);
    // What a person took away does not come along by itself, so the other one does not wait for it.
    is(two(&pair("90:2.0.0 20:+2.1.0 2:2.0.0")), "pending pending 1.1.0", "held guard/rolled-back 2.1.0", 1);
    is(
        two(&pair("90:2.0.0").answer("web:2.1.0", "gone")),
        "held promotion/group 1.1.0",
        "held promotion/not-copied 2.1.0",
        0,
    );
    let late = Estate::with("soak: 24h")
        .place("staging web", "90:1.0.0 30:1.1.0")
        .place("staging web.side", "90:2.0.0 3:2.1.0")
        .place("production web", "90:1.0.0")
        .place("production web.side", "90:2.0.0");
    is(two(&late), "held promotion/group 1.1.0", "held promotion/soak 2.1.0", 0);
    let found = late.outcome("production web");
    assert!(found.message.contains("argocd/web-production (side)") && found.message.contains("(promotion/soak)"));
    assert_eq!(found.until.map(|until| until.to_string()).as_deref(), Some("2026-03-11T09:00:00Z"));
    // Whoever is late on one alone does not hold others.
    let others = late.place("staging api", "90:1.0.0 30:1.1.0").place("production api", "90:1.0.0");
    assert_eq!(others.verdict("production api"), "pending pending 1.1.0");
}

/// Two Applications of one group.
fn shop(production: &str, staging: &'static str) -> Estate {
    Estate::with(production)
        .place("staging web", "90:1.0.0 30:1.1.0")
        .place("staging api", staging)
        .place("production web", "90:1.0.0")
        .note("group: shop")
        .place("production api", "90:1.0.0")
        .note("group: shop")
}

#[test]
fn applications_of_one_group_arrive_together() {
    let two = |estate: &Estate| both(estate, "production web", "production api");
    let ready = "90:1.0.0 30:1.1.0";
    for per in ["group", "application", "environment", "repository"] {
        let rule = format!("soak: 24h\nper: {per}");
        let wanted = "pending pending 1.1.0".to_owned();
        assert_eq!(two(&shop(&rule, ready)), (wanted.clone(), wanted, 1), "{per}");
        let late = two(&shop(&rule, "90:1.0.0 3:1.1.0"));
        assert_eq!(late, ("held promotion/group 1.1.0".into(), "held promotion/soak 1.1.0".into(), 0), "{per}");
    }
}

#[test]
fn an_edit_that_is_refused_keeps_its_group_back_and_nobody_else() {
    for per in ["group", "application", "environment", "repository"] {
        let mut estate = shop(&format!("per: {per}"), "90:1.0.0 30:1.1.0")
            .place("staging other", "90:1.0.0 30:1.1.0")
            .place("production other", "90:1.0.0");
        estate.texts.insert(
            "services/api/production/values.yaml".to_owned(),
            "app:\n  tag: \"1.0.0\"\nsops:\n  mac: x\n".to_owned(),
        );
        let decision = estate.decide();
        assert_eq!(verdict(&outcome(&decision, "production web")), "held promotion/group 1.1.0", "{per}");
        assert_eq!(verdict(&outcome(&decision, "production api")), "failed edit/sops 1.1.0", "{per}");
        assert_eq!(verdict(&outcome(&decision, "production other")), "pending pending 1.1.0", "{per}");
        let files: Vec<String> = decision
            .changes
            .iter()
            .flat_map(|set| set.commits.iter().flat_map(|commit| &commit.files))
            .map(|file| file.path.to_string())
            .collect();
        assert_eq!(files, ["services/other/production/values.yaml"], "{per}");
    }
}

#[test]
fn age_and_signatures_are_demanded_of_what_is_promoted_too() {
    let mut young = web("min_age: 2d");
    young.seen.insert("1.1.0", 26);
    let found = young.outcome("production web");
    assert_eq!(verdict(&found), "held guard/min-age 1.1.0", "{found:#?}");
    assert_eq!(found.until.map(|until| until.to_string()).as_deref(), Some("2026-03-11T10:00:00Z"));
    young.seen.insert("1.1.0", 48);
    assert_eq!(young.verdict("production web"), "pending pending 1.1.0");
    let unsigned = web("").note("app.verify: cosign:release").outcome("production web");
    assert_eq!((unsigned.code.as_str(), unsigned.to.is_some()), ("guard/unverified", true), "{unsigned:#?}");
}

#[test]
fn one_owner_of_a_shared_place_that_waits_holds_all() {
    let shared = |note: &str| {
        let file = "services/web/production/values.yaml";
        web("").place("production web:twin", "72:1.0.0").at(file).note(note)
    };
    let two = |estate: &Estate| both(estate, "production web", "production web:twin");
    let is = |note: &str, one: &str, other: &str| {
        let found = two(&shared(note));
        assert_eq!((found.0.as_str(), found.1.as_str()), (one, other), "{note}");
    };
    is("group: shop", "pending pending 1.1.0", "pending pending 1.1.0");
    is("hold: it leaks", "held gate/hold 1.1.0", "held gate/hold 1.1.0");
    is("hold: it leaked until=2026-03-10T11:00:00Z", "pending pending 1.1.0", "pending pending 1.1.0");
    is("soak: 2d", "held place/contested 1.1.0", "held promotion/soak 1.1.0");
    is("promote-from: dev", "held place/contested 1.1.0", "held promotion/no-upstream -");
}

#[test]
fn a_circle_is_one_whatever_its_places_hold() {
    let estate = Estate::with("")
        .top("  - match: {path: \"services/web/staging/**\"}\n    promote_from: production\n    delivery: commit\n")
        .place("production web", "72:1.1.0")
        .place("staging web", "72:1.0.0");
    let mut snapshot = estate.snapshot();
    // Its image stands at a second place, which holds another value since another time.
    let of_staging = |subject: &&Arc<Subject>| subject.environment() == Some("staging");
    let mut second = (**snapshot.subjects.iter().find(of_staging).unwrap()).clone();
    let located = second.located.as_mut().unwrap();
    located.file = "services/web/staging/more.yaml".parse().unwrap();
    located.site.as_mut().unwrap().held.tag = Some("1.2.0".to_owned());
    second.timeline.standings[0].stood = Stood::Tag { tag: "1.2.0".to_owned(), digest: None };
    snapshot.subjects.push(Arc::new(second));
    let decision = decide(&snapshot);
    assert!(decision.questions.is_empty(), "{:?}", decision.questions);
    let codes: Vec<&str> = decision.outcomes.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, ["promotion/circle"; 3], "{:#?}", decision.outcomes);
}
