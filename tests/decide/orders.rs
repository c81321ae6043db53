//! Orders, filters after them, ages and pins, as a pure function.

use std::sync::Arc;

use proptest::prelude::*;
use repin::model::metadata::{Build, Created, Described, Metadata};
use repin::plan::explain::explain;
use repin::plan::{Failure, decide};

use crate::{World, annotation, digest, values};

const DAY: i64 = 86_400;

/// An image from words: `day` of its build (`0` is 1970, `?` says nothing), then its platforms; `gone`, `chart`, `503`.
fn image(text: &str) -> Result<Option<Described>, Failure> {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    let metadata = match first {
        "gone" => return Ok(None),
        "503" => {
            let (code, message) = ("registry/server-error".to_owned(), "registry r.example failed: 503".to_owned());
            return Err(Failure { code, message, hint: None, line: None });
        }
        "chart" => Metadata::Foreign("application/vnd.cncf.helm.config.v1+json".into()),
        day => {
            let created = match day.parse::<i64>() {
                Ok(day) => Created::At(jiff::Timestamp::from_second(day * DAY).unwrap()),
                Err(_) => Created::Unsaid,
            };
            let platforms: Vec<&str> = words.collect();
            let platforms = if platforms.is_empty() { vec!["linux/amd64"] } else { platforms };
            let build = |name: &&str| Build { created, ..Build::unasked(name.parse().ok(), &digest("f")) };
            Metadata::Image(platforms.iter().map(build).collect())
        }
    };
    Ok(Some(Described { digest: digest("a"), metadata: Arc::new(metadata) }))
}

/// A world whose images are these: `tag: words` separated by commas.
fn built(now: &str, images: &'static str) -> World {
    let rows = || images.split(", ").filter_map(|row| row.split_once(": "));
    let tags: Vec<&'static str> = rows().map(|(tag, _)| tag).collect();
    let mut world = World::web("", now, &tags).with("update-strategy", "newest-build");
    world.images = rows().map(|(tag, words)| (tag, image(words))).collect();
    world
}

fn message(world: &World) -> String {
    world.decide().outcomes[0].message.clone()
}

/// The same with what is remembered: `tag: words` separated by commas.
fn recalled(now: &str, images: &'static str, remembered: &'static str) -> World {
    let mut world = built(now, images);
    let rows = remembered.split(", ").filter_map(|row| row.split_once(": "));
    world.remembered = rows.map(|(tag, words)| (tag, image(words).unwrap().unwrap())).collect();
    world
}

#[test]
fn what_is_remembered_orders_and_what_is_taken_was_looked_at() {
    for (now, images, remembered, expected, looks) in [
        // Nothing moved: what stands is looked at, and nothing else where it is the newest.
        ("b", "a: 1, b: 3, c: 2", "a: 1, b: 3, c: 2", "current current b", "b"),
        ("a", "a: 1, b: 3, c: 2", "a: 1, b: 3, c: 2", "pending pending b", "a b"),
        // A new tag is not remembered.
        ("b", "a: 1, b: 3, d: 4", "a: 1, b: 3", "pending pending d", "b d"),
        // One that is remembered as the newest was moved to an older build, is gone, is no image, cannot be looked at.
        ("a", "a: 1, b: 1, c: 2", "a: 1, b: 3, c: 2", "pending pending c", "a b c"),
        ("a", "a: 1, b: gone, c: 2", "a: 1, b: 3, c: 2", "pending pending c", "a b c"),
        ("a", "a: 1, b: chart, c: 2", "a: 1, b: 3, c: 2", "pending pending c", "a b c"),
        ("a", "a: 1, b: 503, c: 2", "a: 1, b: 3, c: 2", "failed registry/server-error -", "a b"),
        ("a", "a: 503, b: 3, c: 2", "a: 1, b: 3, c: 2", "failed registry/server-error -", "a"),
        // What stands was moved to a newer build: nothing follows that is older than it.
        ("a", "a: 9, b: 3, c: 2", "a: 1, b: 3, c: 2", "current current a", "a"),
        // Equal dates are looked at together before they hold.
        ("a", "a: 1, b: 3, c: 3", "a: 1, b: 3, c: 3", "held created/unusable -", "a b c"),
        ("a", "a: 1, b: 3, c: 4", "a: 1, b: 3, c: 3", "pending pending c", "a b c"),
    ] {
        let world = recalled(now, images, remembered);
        assert_eq!(world.outcomes(), [expected], "{now} {images} {remembered}");
        assert_eq!(world.looks.take().join(" "), looks, "{now} {images} {remembered}");
    }
}

#[test]
fn twenty_thousand_builds_are_ordered_and_not_one_more() {
    let tags: Vec<&'static str> = (0..20_001).map(|at| &*Box::leak(format!("t{at}").into_boxed_str())).collect();
    let mut world = World::web("", "t0", &tags[..20_000]).with("update-strategy", "newest-build");
    let day = |at: usize| image(&(1_000 + at % 20_000).to_string());
    world.images = tags.iter().enumerate().map(|(at, tag)| (*tag, day(at))).collect();
    assert_eq!(world.outcomes(), ["pending pending t19999"]);
    world.tags.insert("r.example/web", tags);
    assert_eq!(world.outcomes(), ["held selection/too-many -"]);
    let said = "20001 tags of r.example/web pass the filters, and newest-build looks into 20000 at most";
    assert_eq!(message(&world), said);
}

#[test]
fn what_is_remembered_to_lack_a_platform_is_passed_over_without_a_look() {
    let images = "1.0.0: 1, 1.1.0: 2, 1.2.0: 3 linux/arm64, 1.3.0: 4 linux/arm64";
    for order in ["newest-build", "semver"] {
        let world = |remembered| {
            let mut world = recalled("1.0.0", images, remembered).with("platforms", "linux/amd64");
            let strategy = world.applications[0].1.iter_mut().find(|(key, _)| *key == "update-strategy").unwrap();
            strategy.1 = annotation("update-strategy", order).1;
            world
        };
        let one = world(images);
        assert_eq!(one.outcomes(), ["pending pending 1.1.0"], "{order}");
        let looks = one.looks.take();
        assert_eq!(looks.iter().filter(|tag| *tag != "1.0.0").collect::<Vec<_>>(), ["1.1.0"], "{order}");
        // A tag that is remembered to carry it is looked at again, and then does not.
        let one = world("1.0.0: 1, 1.1.0: 2, 1.2.0: 3, 1.3.0: 4 linux/arm64");
        assert_eq!(one.outcomes(), ["pending pending 1.1.0"], "{order}");
        let looks = one.looks.take();
        assert_eq!(looks.iter().filter(|tag| *tag != "1.0.0").collect::<Vec<_>>(), ["1.2.0", "1.1.0"], "{order}");
    }
}

#[test]
fn a_tag_that_is_remembered_as_too_young_is_not_looked_at() {
    let images = "a: 1, b: 2, c: 3";
    let mut world = recalled("a", images, images).with("min-age", "1d");
    world.seen = [("b", DAY), ("c", DAY - 60)].into();
    assert_eq!(world.outcomes(), ["pending pending b"]);
    assert_eq!(world.looks.take(), ["a", "b"]);
}

#[test]
fn the_newest_build_is_taken_and_nothing_is_guessed() {
    for (now, images, expected) in [
        ("a", "a: 1, b: 3, c: 2", "pending pending b"),
        ("b", "a: 1, b: 3, c: 2", "current current b"),
        // 404, no date, no image: rejected, and the next one wins.
        ("a", "a: 1, b: gone, c: 2", "pending pending c"),
        ("a", "a: 1, b: ?, c: 2", "pending pending c"),
        ("a", "a: 1, b: chart, c: 2", "pending pending c"),
        ("a", "a: gone, b: ?, c: chart", "held selection/none -"),
        // Unknown in this cycle: never an older one.
        ("a", "a: 1, b: 503, c: 2", "failed registry/server-error -"),
        ("c", "a: 1, b: 503, c: 2", "failed registry/server-error -"),
        // Equal dates.
        ("a", "a: 1, b: 2, c: 2", "held created/unusable -"),
        ("b", "a: 1, b: 2, c: 2", "current current b"),
        ("a", "a: 1, b: 1, c: 2", "pending pending c"),
        // Dates that say nothing.
        ("a", "a: 0, b: 0, c: 0", "held created/unusable -"),
        ("c", "a: 0, b: 0, c: 0", "held created/unusable -"),
        ("a", "a: 1, b: 0, c: 2", "held created/unusable -"),
        ("a", "a: 0, c: 2", "held created/unusable -"),
        ("a", "a: 0", "current current a"),
        ("a", "a: -700000, b: 2", "held created/unusable -"),
        // What stands is the floor by its date, whether it is listed or not; what has none can be left.
        ("latest", "a: 1, latest: 5", "current current latest"),
        ("x", "a: 1, b: 2", "pending pending b"),
    ] {
        assert_eq!(built(now, images).outcomes(), [expected], "{now} of {images}");
    }
    let said = message(&built("a", "a: 1, b: 0, c: 0"));
    assert!(said.contains("b (and 1 more like it)") && said.contains("1970-01-01"), "{said}");
    let said = message(&built("a", "a: 1, b: 2, c: 2"));
    assert!(said.contains("b and c say that they were built at the same time"), "{said}");
    let said = message(&built("x", "a: gone, b: ?"));
    assert!(said.contains("1 gone, 1 no-created"), "{said}");
}

#[test]
fn what_stands_is_a_floor_by_its_date_though_a_filter_excludes_it() {
    let mut world = built("dev", "a: 1, b: 3, dev: 2").with("ignore-tags", "dev");
    assert_eq!(world.outcomes(), ["pending pending b"]);
    world.images.insert("dev", image("5"));
    assert_eq!(world.outcomes(), ["held guard/downgrade b"]);
    world.images.insert("dev", image("503"));
    assert_eq!(world.outcomes(), ["failed registry/server-error -"]);
    world.images.insert("dev", image("gone"));
    assert_eq!(world.outcomes(), ["pending pending b"]);
}

#[test]
fn a_build_that_was_taken_back_waits_by_default_also_when_it_is_gone() {
    let mut world = built("a", "a: 1, b: 2, c: 3");
    world.past = vec!["a", "b"];
    assert_eq!(world.outcomes(), ["held guard/rolled-back -"]);
    let next = World { past: vec!["a", "b"], ..built("a", "a: 1, b: 2, c: 3").with("after-rollback", "next") };
    assert_eq!(next.outcomes(), ["pending pending c"]);
    let nothing = World { past: vec!["a", "c"], ..built("a", "a: 1, b: 2, c: 3").with("after-rollback", "next") };
    assert_eq!(nothing.outcomes(), ["held guard/rolled-back -"]);
    // `z` is gone, as a bad build is deleted: it was newer than what stood before it.
    let gone = World { past: vec!["a", "z"], ..built("a", "a: 1, b: 2") };
    assert_eq!(gone.outcomes(), ["held guard/rolled-back -"]);
    let undated = World { past: vec!["a", "z"], ..built("a", "a: 1, b: 2, z: ?") };
    assert_eq!(undated.outcomes(), ["held guard/rolled-back -"]);
    // It was built before it came to stand there, which the commit dates: here on the first day of 1970.
    let next = World { past: vec!["a", "z"], ..built("a", "a: 1, b: 2").with("after-rollback", "next") };
    assert_eq!(next.outcomes(), ["pending pending b"]);
    let mut unlisted = World { past: vec!["a", "z"], ..built("a", "a: 1, b: 2") };
    unlisted.images.insert("z", image("9"));
    assert_eq!(unlisted.outcomes(), ["held guard/rolled-back -"]);
    // Nor can it be said while the registry does not answer: nothing is written over a rollback that cannot be seen.
    unlisted.images.insert("z", image("503"));
    assert_eq!(unlisted.outcomes(), ["failed registry/server-error -"]);
    // What has no date and stood before the mark was gone back to, whether it is gone or was never a build.
    let back = World { past: vec!["x", "b"], ..built("x", "a: 1, b: 2, c: 3") };
    assert_eq!(back.outcomes(), ["held guard/rolled-back -"]);
    let first = World { past: vec!["b"], ..built("x", "a: 1, b: 2, c: 3") };
    assert_eq!(first.outcomes(), ["pending pending c"]);
    // However long the past is, no more of it is asked for than can matter: the newest thousand.
    let past: Vec<&'static str> = (0..1_500).map(|n| &*format!("p{n}").leak()).collect();
    let mut snapshot = World { past, ..built("a", "a: 1, b: 2") }.snapshot();
    let asked = std::iter::from_fn(|| {
        let questions = decide(&snapshot).questions;
        questions.iter().for_each(|question| built("a", "a: 1, b: 2").answer(question.clone(), &mut snapshot));
        Some(questions.len()).filter(|count| *count > 0)
    });
    assert_eq!(asked.collect::<Vec<_>>(), [1, 2, 999, 1], "and what is written is asked for its sources");
    // A hand-written step forward is no rollback.
    assert_eq!(World { past: vec!["a"], ..built("b", "a: 1, b: 2, c: 3") }.outcomes(), ["pending pending c"]);
}

#[test]
fn platforms_are_a_filter_after_the_order_whatever_the_order_is() {
    let web = |strategy: &str, now: &str| {
        let mut world = World::web("", now, &["1.0.0", "1.1.0", "1.2.0"])
            .with("update-strategy", strategy)
            .with("platforms", "linux/amd64, linux/arm64");
        world.images.insert("1.0.0", image("1 linux/amd64 linux/arm64"));
        world.images.insert("1.1.0", image("2 linux/amd64 linux/arm64/v8 windows/amd64"));
        world.images.insert("1.2.0", image("3 linux/amd64"));
        world
    };
    for strategy in ["semver", "alphabetical", "newest-build"] {
        let world = web(strategy, "1.0.0");
        assert_eq!(world.outcomes(), ["pending pending 1.1.0"], "{strategy}");
        assert!(message(&world).contains("1.2.0 is passed over: it lacks linux/arm64"), "{}", message(&world));
        assert_eq!(web(strategy, "1.1.0").outcomes(), ["current current 1.1.0"], "{strategy}");
        let mut unknown = web(strategy, "1.0.0");
        unknown.images.insert("1.2.0", image("503"));
        assert!(unknown.outcomes()[0].starts_with("failed registry/server-error"), "{strategy}");
        // Below what passes nothing matters, but for an order that needs every date.
        let mut unknown = web(strategy, "1.0.0");
        unknown.images.insert("1.0.0", image("503"));
        let expected = if strategy == "newest-build" { "failed" } else { "pending" };
        assert!(unknown.outcomes()[0].starts_with(expected), "{strategy}");
    }
    let mut none = web("semver", "latest");
    none.images.clear();
    assert_eq!(none.outcomes(), ["held selection/none -"]);
    assert!(message(&none).contains("carries linux/amd64 and linux/arm64"), "{}", message(&none));
}

#[test]
fn only_what_is_needed_is_asked_in_batches_that_grow() {
    let tags: Vec<String> = (0..40).map(|n| format!("1.{n}.0")).collect();
    let tags: Vec<&'static str> = tags.into_iter().map(|tag| &*tag.leak()).collect();
    let mut world = World::web("", "1.0.0", &tags).with("platforms", "linux/arm64");
    for tag in &tags {
        world.images.insert(tag, image(if *tag == "1.20.0" { "1 linux/arm64" } else { "1" }));
    }
    let mut snapshot = world.snapshot();
    let mut asked = Vec::new();
    loop {
        let decision = decide(&snapshot);
        if decision.questions.is_empty() {
            assert_eq!(decision.outcomes[0].to.as_deref(), Some("1.20.0"));
            break;
        }
        asked.push(decision.questions.len());
        decision.questions.into_iter().for_each(|question| world.answer(question, &mut snapshot));
    }
    // The list, then candidates from the best down to the one that passes, and what that one says of its sources.
    assert_eq!(asked, [1, 4, 4, 8, 16, 1]);
}

#[test]
fn no_more_candidates_are_looked_into_than_a_registry_bears() {
    let tags: Vec<&'static str> = (1..=1_500).map(|n| &*format!("1.{n}.0").leak()).collect();
    for (key, value, expected) in
        [("min-age", "1d", "held guard/min-age 1.1500.0"), ("platforms", "linux/arm64", "held selection/too-many -")]
    {
        let mut world = World::web("", "1.0.0", &tags).with(key, value);
        world.images = tags.iter().map(|tag| (*tag, image("1"))).collect();
        let mut snapshot = world.snapshot();
        let mut asked = 0;
        let decision = loop {
            let decision = decide(&snapshot);
            if decision.questions.is_empty() {
                break decision;
            }
            asked += decision.questions.len();
            decision.questions.into_iter().for_each(|question| world.answer(question, &mut snapshot));
        };
        let outcome = &decision.outcomes[0];
        let found = format!("held {} {}", outcome.code, outcome.to.as_deref().unwrap_or("-"));
        // The list, what stands, and the candidates.
        assert_eq!((found.as_str(), asked), (expected, 1_002), "{}", outcome.message);
        let hint = decision.problems.first().and_then(|problem| problem.hint.as_deref());
        assert_eq!(hint.is_some(), key == "platforms", "{hint:?}");
    }
}

#[test]
fn a_candidate_waits_until_it_was_seen_for_long_enough() {
    let aged = |now: &str, seen: &[(&'static str, i64)]| {
        let mut world = World::web("", now, &["1.0.0", "1.1.0", "1.2.0", "1.3.0"]).with("min-age", "1d");
        world.seen = seen.iter().copied().collect();
        world
    };
    let hour = 3_600;
    for (seen, expected) in [
        (&[][..], "held guard/min-age 1.3.0"),
        (&[("1.3.0", DAY)], "pending pending 1.3.0"),
        (&[("1.3.0", DAY - 1)], "held guard/min-age 1.3.0"),
        (&[("1.3.0", 2 * hour), ("1.2.0", DAY)], "pending pending 1.2.0"),
        (&[("1.3.0", 2 * hour), ("1.2.0", 20 * hour)], "held guard/min-age 1.2.0"),
        // Older than what stands: never taken, however old.
        (&[("1.0.0", 9 * DAY)], "held guard/min-age 1.3.0"),
        // Clocks that run ahead count for nothing.
        (&[("1.3.0", -9 * DAY)], "held guard/min-age 1.3.0"),
    ] {
        assert_eq!(aged("1.1.0", seen).outcomes(), [expected], "{seen:?}");
    }
    let decision = aged("1.1.0", &[("1.3.0", 2 * hour)]).decide();
    let outcome = &decision.outcomes[0];
    assert_eq!(
        outcome.message,
        "1.3.0 is 2h old, the policy waits 1d (until 1970-01-01 22:00 UTC); 1.2.0 is passed over: it is 0s old, the policy \
         waits 1d (until 1970-01-02 00:00 UTC)"
    );
    assert_eq!(outcome.until, "1970-01-01T22:00:00Z".parse().ok());
    let taken = aged("1.1.0", &[("1.3.0", 2 * hour), ("1.2.0", DAY)]).decide();
    assert!(taken.outcomes[0].message.contains("1.3.0 is passed over: it is 2h old"), "{}", taken.outcomes[0].message);
    let message = &taken.changes[0].commits[0].message;
    let line = format!("Repin-First-Seen: r.example/web:1.2.0@{} 1969-12-31T00:00:00Z\n", digest("a"));
    assert!(message.contains(&line), "{message}");
    // The highest stands: nothing to wait for.
    assert_eq!(aged("1.3.0", &[]).outcomes(), ["current current 1.3.0"]);
    assert_eq!(World::web("", "1.0.0", &["1.1.0"]).with("min-age", "0").outcomes(), ["pending pending 1.1.0"]);
}

#[test]
fn the_age_is_that_of_the_tag_with_its_digest_and_git_remembers_it() {
    let world = |digit: &'static str| {
        let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]).with("min-age", "1d");
        world.digests.insert("1.1.0", digit);
        world
    };
    let seen = World { seen: [("1.1.0", DAY)].into(), ..world("a") };
    assert_eq!(seen.outcomes(), ["pending pending 1.1.0"]);
    // The tag was moved: another image, another clock.
    let moved = World { seen: [("1.1.0", DAY)].into(), ..world("b") };
    assert_eq!(moved.outcomes(), ["held guard/min-age 1.1.0"]);
    let in_history = World { trailers: [("1.1.0", DAY)].into(), ..world("a") };
    assert_eq!(in_history.outcomes(), ["pending pending 1.1.0"]);
    let earlier = World { trailers: [("1.1.0", DAY)].into(), seen: [("1.1.0", 1)].into(), ..world("a") };
    assert_eq!(earlier.outcomes(), ["pending pending 1.1.0"]);
    let of_the_future = World { trailers: [("1.1.0", -DAY)].into(), ..world("a") };
    assert_eq!(of_the_future.outcomes(), ["held guard/min-age 1.1.0"]);
}

#[test]
fn after_a_rollback_the_next_candidate_waits_for_its_age_too() {
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.3.0", "1.3.1"]).with("min-age", "1d");
    world.past = vec!["1.0.0", "1.3.0"];
    world.seen = [("1.3.0", 9 * DAY)].into();
    assert_eq!(world.outcomes(), ["held guard/min-age 1.3.1"]);
    world.seen.insert("1.3.1", DAY);
    assert_eq!(world.outcomes(), ["pending pending 1.3.1"]);
}

/// What the file holds after the decision.
fn written(world: &World) -> String {
    let decision = world.decide();
    let text = &decision.changes[0].commits[0].files[0].after;
    text.lines().find(|line| line.contains("tag:")).unwrap().trim().replace(" # c", "")
}

#[test]
fn what_is_pinned_is_written_as_the_annotation_says() {
    let a = digest("a");
    let old = format!("1.0.0@{}", digest("0"));
    let web = |now: &str| World::web("", now, &["1.0.0", "1.1.0"]);
    for (now, pin, expected) in [
        ("1.0.0", "tag", "tag: 1.1.0".to_owned()),
        ("1.0.0", "tag+digest", format!("tag: 1.1.0@{a}")),
        (&old, "tag+digest", format!("tag: 1.1.0@{a}")),
        (&old, "tag", "tag: 1.1.0".to_owned()),
    ] {
        assert_eq!(written(&web(now).with("pin", pin)), expected, "{now} {pin}");
    }
    let pinned = web("1.0.0").with("pin", "tag+digest");
    assert_eq!(pinned.outcomes(), [format!("pending pending 1.1.0@{a}")]);
    // A digest that a person wrote is not taken away without a word.
    let held = web(&old);
    assert_eq!(held.outcomes(), ["held guard/pinned 1.1.0"]);
    let hint = held.decide().problems[0].hint.clone().unwrap();
    assert_eq!(hint, "add `app.pin: tag+digest` to keep a digest there, or `app.pin: tag` to write the tag alone");
    // The same tag is the same value for an order, whatever the registry has for it now.
    let moved = web(&format!("1.1.0@{}", digest("0"))).with("pin", "tag+digest").with("platforms", "linux/amd64");
    assert_eq!(moved.outcomes(), [format!("current current 1.1.0@{}", digest("0"))]);
    for pin in ["tag", "tag+digest"] {
        assert_eq!(web("1.1.0").with("pin", pin).outcomes(), ["current current 1.1.0"], "{pin}");
    }
}

#[test]
fn a_digest_beside_the_tag_is_not_left_to_count_for_another_tag() {
    let beside = |tag: &str, digest: &str| format!("image:\n  tag: {tag}\n  digest: {digest}\n");
    let (a, old) = (digest("a").to_string(), digest("0").to_string());
    let web = |pin: Option<&str>, digest: &str| {
        let world = World::web("", "1.0.0", &["1.0.0", "1.1.0"]);
        let mut world = pin.map_or_else(|| world.clone(), |pin| world.clone().with("pin", pin));
        world.files.insert("apps/web/values.yaml", beside("1.0.0", digest));
        world
    };
    for (pin, before, after) in [
        ("tag", &*old, "\"\""),
        ("tag+digest", &*old, &*a),
        ("tag+digest", "\"\"", &*format!("\"{a}\"")),
        ("tag", "\"\"", "\"\""),
    ] {
        let decision = web(Some(pin), before).decide();
        assert_eq!(decision.changes[0].commits[0].files[0].after, beside("1.1.0", after), "{pin} over {before}");
    }
    let held = web(None, &old);
    assert_eq!(held.outcomes(), ["held guard/pinned 1.1.0"]);
    let hint = held.decide().problems[0].hint.clone().unwrap();
    assert!(hint.contains("`app.pin: tag+digest`"), "{hint}");
}

fn spec(now: &str) -> World {
    let mut world = World::web("", "1.0.0", &["1.0.0", "1.1.0", "1.2.0"]).with("pin", "digest");
    world.applications[0].1[1] = crate::annotation("app.helm.image-spec", "image");
    world.files.insert("apps/web/values.yaml", format!("image: r.example/web{now}\n"));
    world
}

#[test]
fn a_digest_that_stands_alone_keeps_the_tag_for_which_it_was_written() {
    let (a, old) = (digest("a"), digest("0"));
    let world = spec(":1.0.0");
    assert_eq!(world.outcomes(), [format!("pending pending 1.2.0@{a}")]);
    let commit = &world.decide().changes[0].commits[0];
    assert_eq!(commit.files[0].after, format!("image: r.example/web@{a}\n"));
    assert!(commit.message.contains(&format!(" 1.0.0 1.2.0%40{a} {a}\n")), "{}", commit.message);
    // The tag is known from the trailers: 1.2.0 stands, and is a floor and a mark.
    let mut stands = spec(&format!("@{old}"));
    stands.named = Some("1.2.0");
    assert_eq!(stands.outcomes(), [format!("current current {old}")]);
    stands.tags.insert("r.example/web", vec!["1.0.0", "1.1.0"]);
    assert_eq!(stands.outcomes(), ["held guard/downgrade 1.1.0"]);
    // Nobody says which tag it was: it cannot be compared, and moving is allowed.
    assert_eq!(spec(&format!("@{old}")).outcomes(), [format!("pending pending 1.2.0@{a}")]);
}

#[test]
fn a_mutable_tag_is_followed_by_its_digest() {
    let (a, b) = (digest("a"), digest("b"));
    let dev = |now: &str| {
        let mut world = World::web(":dev", now, &[]).with("update-strategy", "digest");
        world.answers.insert(("r.example/web", "dev"), true);
        world
    };
    assert_eq!(dev("dev").outcomes(), [format!("pending pending dev@{a}")], "no listing is needed");
    assert_eq!(written(&dev("dev")), format!("tag: dev@{a}"));
    assert_eq!(dev(&format!("dev@{a}")).outcomes(), [format!("current current dev@{a}")]);
    assert_eq!(dev(&format!("dev@{b}")).outcomes(), [format!("pending pending dev@{a}")]);
    assert_eq!(dev("1.0.0").outcomes(), [format!("pending pending dev@{a}")]);
    let missing = World { answers: [(("r.example/web", "dev"), false)].into(), ..dev("dev") };
    assert_eq!(missing.outcomes(), ["held selection/none -"]);
    let latest = World::web("", "dev", &["latest"]).with("update-strategy", "digest");
    assert_eq!(latest.outcomes(), [format!("pending pending latest@{a}")]);
    assert_eq!(dev("dev").with("ignore-tags", "dev").outcomes(), ["held selection/none -"]);
    assert_eq!(dev("dev").with("pin", "tag").outcomes(), ["held annotation/invalid -"]);
    assert_eq!(dev("dev").with("min-age", "1h").outcomes(), [format!("held guard/min-age dev@{a}")]);
    let old = World { seen: [("dev", DAY)].into(), ..dev("dev").with("min-age", "1h") };
    assert_eq!(old.outcomes(), [format!("pending pending dev@{a}")]);
    let mut wrong = dev("dev").with("platforms", "linux/arm64");
    wrong.images.insert("dev", image("1"));
    assert_eq!(wrong.outcomes(), ["held selection/none -"]);
    wrong.images.insert("dev", image("1 linux/arm64"));
    assert_eq!(wrong.outcomes(), [format!("pending pending dev@{a}")]);
}

#[test]
fn a_digest_that_a_person_replaced_does_not_come_back() {
    let (a, b, c) = (digest("a"), digest("b"), digest("c"));
    let leak = |text: String| -> &'static str { text.leak() };
    let dev = |past: &[&'static str], now: &str, after: &str| {
        let mut world =
            World::web(":dev", now, &["dev"]).with("update-strategy", "digest").with("after-rollback", after);
        world.past = past.to_vec();
        world.outcomes().remove(0)
    };
    let (own_a, own_b) = (leak(format!("+dev@{a}")), leak(format!("+dev@{b}")));
    let taken = format!("pending pending dev@{a}");
    let held = "held guard/rolled-back -";
    let (now_b, now_c) = (format!("dev@{b}"), format!("dev@{c}"));
    // The registry has A.
    assert_eq!(dev(&["dev"], &now_b, "next"), taken);
    assert_eq!(dev(&["dev", own_a], &now_b, "next"), held);
    assert_eq!(dev(&["dev", own_b], &now_c, "next"), taken);
    assert_eq!(dev(&["dev", own_b], &now_c, "wait"), held);
    assert_eq!(dev(&[own_a, own_b], &now_b, "wait"), taken, "what repin itself replaced may come back");
}

#[test]
fn numbers_and_extracted_parts_are_compared() {
    let tags = &["main-9-aaa", "main-10-bbb", "dev-99-ccc", "latest"];
    let world = |now: &str| {
        World::web("", now, tags)
            .with("update-strategy", "numerical")
            .with("allow-tags", "regexp:^main-(?P<ts>[0-9]+)-")
            .with("extract", "$ts")
    };
    assert_eq!(world("main-9-aaa").outcomes(), ["pending pending main-10-bbb"]);
    assert_eq!(world("main-10-zzz").outcomes(), ["current current main-10-zzz"], "equal is current");
    assert_eq!(world("main-11-zzz").outcomes(), ["held guard/downgrade main-10-bbb"]);
    let back = World { past: vec!["main-9-aaa", "main-10-bbb"], ..world("main-9-aaa") };
    assert_eq!(back.outcomes(), ["held guard/rolled-back -"]);
    let list = World::web("", "1", &["2", "10", "1e5", "latest"]).with("update-strategy", "numerical");
    assert_eq!(list.outcomes(), ["pending pending 10"]);
}

#[test]
fn an_explanation_names_each_tag_with_its_age_date_and_platforms() {
    let rows = |world: &World| -> Vec<String> {
        let mut snapshot = world.snapshot();
        let decision = loop {
            let decision = decide(&snapshot);
            if decision.questions.is_empty() {
                break decision;
            }
            decision.questions.into_iter().for_each(|question| world.answer(question, &mut snapshot));
        };
        let told = explain(&snapshot, &snapshot.subjects[0], &decision.judgements[0], snapshot.now);
        let row = |one: &repin::plan::explain::ExplainedTag| {
            format!("{} {} {} {}", one.tag, one.code.unwrap_or("-"), one.standing.unwrap_or("-"), one.reason)
        };
        told.candidates.iter().map(row).collect()
    };
    let mut world =
        built("a", "a: 1, b: 3 linux/arm64, c: 2, d: ?, e: gone, f: chart, g: 2").with("platforms", "linux/amd64");
    world = world.with("ignore-tags", "g");
    assert_eq!(
        rows(&world),
        [
            "c - chosen newest-build allows it; built 1970-01-03T00:00:00Z",
            "a - current newest-build allows it; built 1970-01-02T00:00:00Z",
            "g ignore-tags - `g` matches `g` of ignore-tags",
            "f not-an-image - `f` is no image: its media type is `application/vnd.cncf.helm.config.v1+json`",
            "e gone - `e` does not answer, or not with all of its parts (404)",
            "d no-created - `d` does not say when it was built (`created`)",
            "b - wrong-platform `b` lacks linux/amd64",
        ]
    );
    let young = World::web("", "1.0.0", &["1.0.0", "1.1.0", "0.9.0"]).with("min-age", "1d");
    assert_eq!(
        rows(&young),
        [
            "1.1.0 - too-young `1.1.0` is 0s old, the policy waits 1d (until 1970-01-02 00:00 UTC)",
            "1.0.0 - current semver * allows it",
            "0.9.0 - older semver * allows it",
        ]
    );
}

#[test]
fn values_of_the_new_annotations_are_checked() {
    let web = || World::web("", "1.0.0", &["1.0.0", "1.1.0"]);
    for (key, value) in [
        ("platforms", "linux"),
        ("platforms", "linux/amd64,linux-arm64"),
        ("platforms", ""),
        ("pin", "sha"),
        ("pin", "digest"),
        ("min-age", "3"),
        ("min-age", "soon"),
        ("extract", "$1"),
        ("app.tag-match", "~1.0"),
    ] {
        assert_eq!(web().with(key, value).outcomes(), ["held annotation/invalid -"], "{key}: {value}");
    }
    assert_eq!(web().with("allow-tags", "any").with("extract", "$1").outcomes(), ["held annotation/invalid -"]);
    for extract in ["$2", "$ts", "${1x}", "$1x", "1", "$"] {
        let world = web().with("allow-tags", "regexp:^(1.*)$").with("extract", extract);
        assert_eq!(world.outcomes(), ["held annotation/invalid -"], "{extract}");
    }
    for extract in ["$0", "$1", "${1}", "${v}", "$v.0"] {
        let world = web().with("allow-tags", "regexp:^(?P<v>1[.][0-9.]*)$").with("extract", extract);
        assert_ne!(world.outcomes(), ["held annotation/invalid -"], "{extract}");
    }
    assert_eq!(web().with("app.tag-match", "regexp:^1[.]0").outcomes(), ["current current 1.0.0"]);
}

const TAGS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const IMAGES: [&str; 8] = ["1", "2", "3", "4", "gone", "?", "503", "chart"];

proptest! {
    /// Whatever the registry says of whichever tag: nothing older than what stands is taken, nothing at all while a
    /// candidate is unknown, and the answer does not depend on the order of the Applications.
    #[test]
    fn an_order_by_dates_never_takes_an_older_build(
        now in 0..TAGS.len(),
        said in proptest::collection::vec(0..IMAGES.len(), TAGS.len()),
        reversed: bool,
    ) {
        let mut world = World::web("", TAGS[now], &TAGS).with("update-strategy", "newest-build");
        world.images = TAGS.iter().zip(&said).map(|(tag, at)| (*tag, image(IMAGES[*at]))).collect();
        world.add("copy", "apps/copy/values.yaml", "");
        world.applications[1].1.push(crate::annotation("update-strategy", "newest-build"));
        world.files.insert("apps/copy/values.yaml", values(TAGS[now]));
        let outcomes = world.outcomes();
        prop_assert_eq!(&outcomes[0], &outcomes[1]);
        prop_assert_eq!(&World { reversed, ..world.clone() }.outcomes(), &outcomes);
        let day = |tag: &str| TAGS.iter().position(|one| *one == tag).and_then(|at| IMAGES[said[at]].parse::<i64>().ok());
        if said.iter().any(|at| IMAGES[*at] == "503") {
            prop_assert!(outcomes[0].starts_with("failed registry/server-error"), "{}", outcomes[0]);
        }
        if let Some(to) = outcomes[0].strip_prefix("pending pending ") {
            let to = day(to);
            prop_assert!(to.is_some());
            prop_assert!(TAGS.iter().filter_map(|tag| day(tag)).all(|other| Some(other) <= to));
            prop_assert!(day(TAGS[now]) < to);
        }
    }
}
