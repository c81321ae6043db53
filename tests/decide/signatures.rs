//! Verification of the candidate that would be chosen.

use std::collections::BTreeMap;

use repin::model::metadata::{Build, Described, Metadata};
use repin::model::outcome::OutcomeResult;
use repin::model::problem::Severity;
use repin::model::rule::{Glob, Match, Rule};
use repin::model::verification::{Unverified, Verification};
use repin::plan::explain::explain;
use repin::plan::judge::unpinned;
use repin::plan::{Decision, Failure, Question, Snapshot, decide};

use crate::{World, digest, values};

type Answers = BTreeMap<(&'static str, &'static str), Result<Verification, Failure>>;

/// Four tags with a digest each, of which Git holds the first.
fn web() -> World {
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0", "1.2.0", "1.3.0"]);
    world.digests = [("1.0.0", "0"), ("1.1.0", "1"), ("1.2.0", "2"), ("1.3.0", "3")].into();
    world.with("app.verify", "cosign:release")
}

fn signed(key: &'static str, digits: &[&'static str]) -> Answers {
    digits.iter().map(|digit| ((key, *digit), Ok(Verification::Verified))).collect()
}

fn unverified(key: &'static str, digit: &'static str, why: Unverified) -> Answers {
    [((key, digit), Ok(Verification::Unverified(why)))].into()
}

fn failed(key: &'static str, digit: &'static str) -> Answers {
    let failure =
        Failure { code: "registry/timeout".into(), message: "it did not answer".into(), hint: None, line: None };
    [((key, digit), Err(failure))].into()
}

fn all<const N: usize>(answers: [Answers; N]) -> Answers {
    answers.into_iter().flatten().collect()
}

/// A rule for everything that demands a key.
fn demanding(key: &str) -> Rule {
    Rule { verify: [key.parse().unwrap()].into(), ..Rule::default() }
}

/// Decides, and gives what was asked about signatures on the way, as `keys digit`.
fn watch(world: &World) -> (Snapshot, Decision, Vec<String>) {
    let mut snapshot = world.snapshot();
    let mut asked = Vec::new();
    for _ in 0..100 {
        let decision = decide(&snapshot);
        if decision.questions.is_empty() {
            return (snapshot, decision, asked);
        }
        for question in decision.questions {
            if let Question::Verification(_, digest, keys) = &question {
                let keys: Vec<&str> = keys.iter().map(|key| key.as_str()).collect();
                asked.push(format!("{} {}", keys.join("+"), &digest.as_str()[7..8]));
            }
            world.answer(question, &mut snapshot);
        }
    }
    panic!("questions without end");
}

fn pinned(tag: &str, digit: &str) -> String {
    format!("{tag}@{}", digest(digit))
}

#[test]
fn the_newest_signed_candidate_wins_and_no_more_is_asked_than_that_needs() {
    let (one, two, three) = (pinned("1.1.0", "1"), pinned("1.2.0", "2"), pinned("1.3.0", "3"));
    for (name, answers, expected, asked) in [
        ("the newest", signed("release", &["3", "2"]), format!("pending pending {three}"), "release 3"),
        ("the next", signed("release", &["2", "1"]), format!("pending pending {two}"), "release 3, release 2"),
        (
            "one by another key",
            all([unverified("release", "3", Unverified::OtherKey), signed("release", &["1"])]),
            format!("pending pending {one}"),
            "release 3, release 2, release 1",
        ),
        ("none", Answers::new(), format!("held guard/unverified {three}"), "release 3, release 2, release 1"),
        // What cannot be said of the best one is said of no older one.
        (
            "unknown",
            all([failed("release", "3"), signed("release", &["2"])]),
            "failed registry/timeout 1.3.0".into(),
            "release 3",
        ),
        (
            "unknown behind an unsigned one",
            all([failed("release", "2"), signed("release", &["1"])]),
            "failed registry/timeout 1.2.0".into(),
            "release 3, release 2",
        ),
    ] {
        let world = World { signatures: answers, ..web() };
        assert_eq!(world.outcomes(), [expected], "{name}");
        assert_eq!(watch(&world).2.join(", "), asked, "{name}");
    }
}

#[test]
fn what_stands_is_not_asked_about() {
    let mut world = web();
    world.files.insert("apps/web/values.yaml", values("1.3.0"));
    let (_, decision, asked) = watch(&world);
    assert_eq!((decision.outcomes[0].result, asked), (OutcomeResult::Current, vec![]));
    // Nor is what is rejected, lower, or older.
    world.files.insert("apps/web/values.yaml", values("2.0.0"));
    world.answers.insert(("r.example/web", "2.0.0"), false);
    assert_eq!((world.outcomes(), watch(&world).2), (vec!["held guard/downgrade 1.3.0".to_owned()], vec![]));
}

#[test]
fn every_demanded_key_must_have_signed() {
    for (name, annotation, rule, answers, expected) in [
        (
            "both",
            "cosign:qa, cosign:release",
            None,
            all([signed("release", &["3"]), signed("qa", &["3"])]),
            "pending 1.3.0",
        ),
        (
            "one of two",
            "cosign:qa, cosign:release",
            None,
            all([signed("release", &["3", "2"]), signed("qa", &["2"])]),
            "pending 1.2.0",
        ),
        // A rule adds to what the annotation says, and the annotation cannot take from it.
        (
            "rule and annotation",
            "cosign:release",
            Some("qa"),
            signed("release", &["3", "2", "1"]),
            "held guard/unverified",
        ),
        (
            "rule and annotation, signed",
            "cosign:release",
            Some("qa"),
            all([signed("release", &["3"]), signed("qa", &["3"])]),
            "pending 1.3.0",
        ),
        ("rule alone", "", Some("qa"), signed("qa", &["2"]), "pending 1.2.0"),
        ("rule alone, unsigned", "", Some("qa"), signed("release", &["3"]), "held guard/unverified"),
        // A missing signature is enough, whatever is not known of the other key.
        (
            "unknown and missing",
            "cosign:qa,cosign:release",
            None,
            all([failed("release", "3"), signed("qa", &["2"]), signed("release", &["2"])]),
            "pending 1.2.0",
        ),
    ] {
        let mut world = web();
        world.applications[0].1.retain(|(key, _)| *key != "app.verify");
        if !annotation.is_empty() {
            world = world.with("app.verify", annotation);
        }
        world.rules.extend(rule.map(demanding));
        world.signatures = answers;
        let outcome = world.outcomes().remove(0);
        let (expected, tag) = expected.split_once(' ').unwrap();
        assert!(outcome.starts_with(expected) && outcome.contains(tag), "{name}: {outcome}");
    }
}

#[test]
fn what_is_verified_is_what_is_written() {
    let text = |world: &World| {
        let decision = world.decide();
        (decision.changes[0].commits[0].files[0].after.clone(), decision.changes[0].commits[0].message.clone())
    };
    let world = World { signatures: signed("release", &["3"]), ..web() };
    let (after, message) = text(&world);
    assert_eq!(after, values(&pinned("1.3.0", "3")));
    assert!(message.contains(&format!(" 1.0.0 1.3.0%40{digest} {digest}\n", digest = digest("3"))), "{message}");
    assert!(message.contains("Repin-Reason: semver *; "), "{message}");
    assert!(message.contains("; verified with the cosign key release\n"), "{message}");
    // A rule's demand pins as well.
    let mut ruled = World { signatures: signed("release", &["3"]), ..web() };
    ruled.applications[0].1.retain(|(key, _)| *key != "app.verify");
    ruled.rules.push(demanding("release"));
    assert_eq!(text(&ruled).0, values(&pinned("1.3.0", "3")));
    // The tag alone is what somebody asked for, and it is said what that means.
    let loose = ruled.with("app.pin", "tag");
    assert_eq!(text(&loose).0, values("1.3.0"));
    let problems = unpinned(&loose.snapshot());
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].severity, problems[0].code.as_str()), (Severity::Warning, "annotation/unpinned"));
    assert!(problems[0].message.contains("may move after it was verified with the cosign key release"));
    assert_eq!(unpinned(&world.snapshot()), []);
}

#[test]
fn signatures_are_asked_for_after_platforms_and_age() {
    let image = |digit: &str, platform: &str| {
        let builds = vec![Build::unasked(platform.parse().ok(), &digest(digit))];
        Ok(Some(Described { digest: digest(digit), metadata: std::sync::Arc::new(Metadata::Image(builds)) }))
    };
    let mut world = web().with("app.platforms", "linux/amd64");
    world.images = [
        ("1.3.0", image("3", "linux/arm64")),
        ("1.2.0", image("2", "linux/amd64")),
        ("1.1.0", image("1", "linux/amd64")),
    ]
    .into();
    world.signatures = signed("release", &["3", "1"]);
    assert_eq!(world.outcomes(), [format!("pending pending {}", pinned("1.1.0", "1"))]);
    assert_eq!(watch(&world).2, ["release 2", "release 1"]);
    // Too young is said before anybody asks who signed it; it may be signed until then.
    let mut aged = web().with("app.min-age", "1h");
    aged.signatures = signed("release", &["3", "2", "1"]);
    assert_eq!(aged.outcomes(), [format!("held guard/min-age {}", pinned("1.3.0", "3"))]);
    assert_eq!(watch(&aged).2, Vec::<String>::new());
}

#[test]
fn a_followed_tag_is_taken_when_what_it_names_is_signed() {
    let follow = |answers| {
        let mut world = World::web(":dev", "dev", &["dev"]);
        world.digests = [("dev", "3")].into();
        World {
            signatures: answers,
            ..world.with("app.update-strategy", "digest").with("app.verify", "cosign:release")
        }
    };
    let three = pinned("dev", "3");
    assert_eq!(follow(signed("release", &["3"])).outcomes(), [format!("pending pending {three}")]);
    assert_eq!(follow(Answers::new()).outcomes(), [format!("held guard/unverified {three}")]);
    assert_eq!(follow(failed("release", "3")).outcomes(), [format!("failed registry/timeout {three}")]);
    // What stands is not asked about.
    let mut stands = follow(Answers::new());
    stands.files.insert("apps/web/values.yaml", values(&three));
    assert_eq!((stands.outcomes(), watch(&stands).2), (vec![format!("current current {three}")], vec![]));
}

#[test]
fn who_shares_a_place_demands_signatures_of_it_together() {
    let mut world = web();
    world.applications[0].1.retain(|(key, _)| *key != "app.verify");
    world.add("other", "apps/web/values.yaml", "");
    world.applications[1].1.push(("app.verify", "cosign:release".to_owned()));
    world.rules.push(Rule { may_write: vec![Glob::of_paths("apps/**").unwrap()], ..Rule::default() });
    world.signatures = signed("release", &["2"]);
    let two = pinned("1.2.0", "2");
    assert_eq!(world.outcomes(), [format!("pending pending {two}"), format!("pending pending {two}")]);
}

#[test]
fn a_rule_for_a_made_branch_demands_signatures_too() {
    let mut world = web();
    world.applications[0].1.retain(|(key, _)| *key != "app.verify");
    world.branches = vec!["repin/**"];
    let world = world.with("git-branch", "main:repin/{{range .Images}}{{.NewTag}}{{end}}");
    let matches = Match { branch: Some("repin/1.3.0".parse().unwrap()), ..Match::default() };
    let mut held = World { signatures: signed("release", &["3"]), ..world.clone() };
    held.rules.push(Rule { matches, ..demanding("release") });
    assert_eq!(held.outcomes(), ["held guard/unverified 1.3.0"]);
    let mut all = World { signatures: signed("release", &["3"]), ..world };
    all.rules.push(demanding("release"));
    assert_eq!(all.outcomes(), [format!("pending pending {}", pinned("1.3.0", "3"))]);
}

#[test]
fn explain_and_the_message_say_why_a_candidate_is_not_taken() {
    let mut world = web();
    world.signatures = all([unverified("release", "3", Unverified::OtherDigest), signed("release", &["1"])]);
    let (snapshot, decision, _) = watch(&world);
    let message = &decision.outcomes[0].message;
    let reason = "carries a signature with the cosign key release that is of another digest";
    let expected = format!(
        "1.0.0 becomes {}, the newest that semver * allows, verified with the cosign key release; 1.3.0 is passed over, as is 1 more: it {reason}",
        pinned("1.1.0", "1")
    );
    assert_eq!(*message, expected);
    let explained = explain(&snapshot, &snapshot.subjects[0], &decision.judgements[0], snapshot.now);
    let standings: Vec<(&str, Option<&str>, &str)> =
        explained.candidates.iter().map(|one| (one.tag.as_str(), one.standing, one.verdict)).collect();
    assert_eq!(
        standings,
        [
            ("1.3.0", Some("unverified"), "eligible"),
            ("1.2.0", Some("unverified"), "eligible"),
            ("1.1.0", Some("chosen"), "eligible"),
            ("1.0.0", Some("current"), "eligible"),
        ]
    );
    assert_eq!(explained.candidates[0].reason, format!("`1.3.0` {reason}"));
    // Held: the best one is named with its reason, and a hint says what to do.
    let (_, held, _) = watch(&web());
    assert_eq!(
        held.outcomes[0].message,
        "1.3.0 has no signature, and must be signed with the cosign key release; 1.2.0 is passed over, as is 1 more: it has no signature, and must be signed with the cosign key release"
    );
    assert!(held.problems[0].hint.as_ref().unwrap().contains("cosign sign"), "{:?}", held.problems);
}

#[test]
fn candidates_without_end_are_not_looked_into_without_end() {
    let mut world = web();
    let tags: Vec<&'static str> = (0..50).map(|n| &*format!("2.0.{n}").leak()).collect();
    world.tags.insert("r.example/web", tags.iter().copied().chain(["1.0.0"]).collect());
    // Each with a digest of its own would be the same: these share one, which is asked about once.
    let (_, decision, asked) = watch(&world);
    assert_eq!(asked, ["release a"]);
    let outcome = &decision.outcomes[0];
    assert_eq!((outcome.code.as_str(), decision.judgements[0].passed_over.len()), ("guard/unverified", 32));
    assert!(outcome.message.ends_with(", and no more are looked into"), "{}", outcome.message);
}
