//! A policy by itself decides as it does for an Application: the same choice with the same code.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;
use repin::annotations::bare::{self, Setting};
use repin::model::metadata::{Build, Created, Described, Labels, Metadata};
use repin::model::outcome::OutcomeResult;
use repin::plan::trial::cases::{Offer, settle};
use repin::plan::trial::{Answer, Trial};

use crate::{World, digest};

const TAGS: [&str; 8] = ["1.0.0", "v1.0.0", "1.1.0", "1.2.0-rc.1", "2.0.0", "20240115", "main-7", "main-12"];
const RANGES: [&str; 4] = ["", ":1.x", ":>=1.1 <3", ":1.x-0"];
/// Keys that go together, one policy a line.
const POLICIES: [&[(&str, &str)]; 12] = [
    &[],
    &[("strict", "false")],
    &[("include-prereleases", "true")],
    &[("ignore-tags", "2.*, v*")],
    &[("update-strategy", "alphabetical")],
    &[("update-strategy", "numerical"), ("allow-tags", "regexp:^main-([0-9]+)$"), ("extract", "$1")],
    &[("update-strategy", "newest-build")],
    &[("update-strategy", "newest-build"), ("platforms", "linux/arm64")],
    &[("platforms", "linux/amd64")],
    &[("min-age", "2d")],
    &[("update-strategy", "digest")],
    &[("pin", "tag+digest")],
];

/// What an image says of itself, if it is there.
fn image(day: Option<i64>, platforms: &[&str]) -> Described {
    let created = day.map_or(Created::Unsaid, |day| Created::At(Timestamp::from_second(day * 86_400).unwrap()));
    let build = |platform: &&str| Build {
        platform: platform.parse().ok(),
        manifest: "".into(),
        created,
        labels: Labels::default(),
    };
    Described { digest: digest("a"), metadata: Arc::new(Metadata::Image(platforms.iter().map(build).collect())) }
}

/// One tag of the registry: which, its day, its platforms, how many days ago it was seen.
type Listed = (usize, Option<i64>, usize, i64);

fn listed() -> impl Strategy<Value = Vec<Listed>> {
    let day = prop_oneof![Just(None), (1_i64..4).prop_map(Some)];
    proptest::collection::vec((0..TAGS.len(), day, 0..3_usize, 0_i64..4), 0..6)
}

proptest! {
    #[test]
    fn a_policy_by_itself_decides_as_it_does_for_an_application(
        listed in listed(),
        range in 0..RANGES.len(),
        policy in 0..POLICIES.len(),
        current in 0..TAGS.len(),
        past in proptest::collection::vec(0..TAGS.len(), 0..3),
        downgrade in any::<bool>(),
    ) {
        let mut listed = listed;
        let mut seen = std::collections::BTreeSet::new();
        listed.retain(|(tag, ..)| seen.insert(*tag));
        let platforms = |choice: usize| &["linux/amd64", "linux/arm64"][..choice];
        let mut keys = POLICIES[policy].to_vec();
        if downgrade {
            keys.push(("allow-downgrade", "true"));
        }
        // Only semver has a range, and the others would warn.
        let range = if keys.iter().any(|(key, _)| *key == "update-strategy") { "" } else { RANGES[range] };

        let tags: Vec<&'static str> = listed.iter().map(|(tag, ..)| TAGS[*tag]).collect();
        let mut world = World::web(range, TAGS[current], &tags);
        world.past = past.iter().map(|tag| TAGS[*tag]).collect();
        for (tag, day, choice, ago) in &listed {
            world.images.insert(TAGS[*tag], Ok(Some(image(*day, platforms(*choice)))));
            world.seen.insert(TAGS[*tag], ago * 86_400);
        }
        let world = keys.iter().fold(world, |world, (key, value)| world.with(key, value));
        let outcome = world.decide().outcomes.remove(0);

        let setting = |(key, value): &(&str, &str)| Setting { key: (*key).into(), value: (*value).into(), line: 1 };
        let settings: Vec<Setting> = keys.iter().map(setting).collect();
        let (request, problems) = bare::read(&format!("r.example/web{range}"), 1, &settings).unwrap();
        prop_assert_eq!(problems, []);
        let offers: Vec<Offer> = listed
            .iter()
            .map(|(tag, day, choice, ago)| Offer {
                tag: TAGS[*tag].parse().unwrap(),
                digest: Some(digest("a")),
                created: Some(day.map(|day| Timestamp::from_second(day * 86_400).unwrap())),
                platforms: Some(platforms(*choice).iter().map(|one| one.parse().unwrap()).collect()),
                seen: Some(Timestamp::from_second(-ago * 86_400).unwrap()),
                is_signed: true,
            })
            .collect();
        let stood: Vec<String> = past.iter().map(|tag| TAGS[*tag].to_owned()).collect();
        let trial = Trial {
            request: &request,
            asked: request.image.as_ref(),
            current: Some(TAGS[current]),
            stood: &stood,
            now: Timestamp::UNIX_EPOCH,
        };
        let (snapshot, decision) = settle(trial.snapshot(), &offers).unwrap();
        let answer = Answer::of(&snapshot, &decision).unwrap();
        prop_assert_eq!((answer.result, &answer.code), (outcome.result, &outcome.code), "{:?} {:?}", &answer, &outcome);
        let is_taken = matches!(outcome.result, OutcomeResult::Pending | OutcomeResult::Current);
        prop_assert_eq!(answer.value, outcome.to.filter(|_| is_taken));
    }
}
