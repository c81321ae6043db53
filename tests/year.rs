//! A simulated year over the pure core: builds, releases, reverts, freezes, reviews and outages at random, with time as an
//! argument. Never is something written that a rule forbids, never a downgrade, never again what a person took away and
//! nobody released; and everything that is allowed happens at last.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "year/deliver.rs"]
mod deliver;
#[path = "year/estate.rs"]
mod estate;
#[path = "year/gather.rs"]
mod gather;
#[path = "year/law.rs"]
mod law;
#[path = "support/pure.rs"]
mod pure;
#[path = "year/world.rs"]
mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::estate::{ENVIRONMENTS, PARTS, REPOSITORIES};
use crate::world::World;

const DAY: Duration = Duration::from_secs(86_400);

/// What people and machines do; the first number is a part, the second one an environment.
#[derive(Clone, Debug)]
enum Act {
    /// A build of the next version.
    Build(usize),
    /// A release: a build gets its final version.
    Release(usize),
    /// All services are released at once.
    Rush,
    /// The tag that stands there is built again: another image has its name.
    Rebuild(usize, usize),
    /// The tag that stands there is deleted in the registry.
    Vanish(usize, usize),
    /// A person reverts the last change of a place.
    Revert(usize, usize),
    /// A person writes an older or a newer version by hand.
    Pin(usize, usize, bool),
    /// A person takes the new build of the tag that stands there, and may have it made first.
    Renew(usize, usize, bool),
    /// A person changes a comment or another key of the file.
    Tidy(usize, usize, bool),
    /// A person releases what was taken back there.
    Resume(usize, usize),
    /// A person freezes one environment, or all.
    Freeze(Option<usize>, u32),
    /// All freezes end.
    Thaw,
    /// What people hold in one repository cannot be read for a while.
    Garble(usize, u32),
    /// A person lets production of one service through.
    Override(usize, u32),
    /// A person merges what is open.
    Merge,
    /// A person closes what is open.
    Close(usize),
    /// A registry answers nothing for a while.
    Outage(usize, u32),
    /// A registry lists a part of its tags only for a while.
    Cut(usize, u32),
    /// Nothing but time.
    Wait,
}

fn act() -> impl Strategy<Value = (Act, u32)> {
    let part = || 0..PARTS.len();
    let place = || (0..PARTS.len(), 0..ENVIRONMENTS.len());
    let pinned = || place().prop_filter("pinned", |(part, _)| PARTS[*part].is_pinned);
    let act = prop_oneof![
        10 => part().prop_map(Act::Build),
        9 => part().prop_map(Act::Release),
        1 => Just(Act::Rush),
        1 => place().prop_map(|(one, at)| Act::Rebuild(one, at)),
        1 => place().prop_map(|(one, at)| Act::Vanish(one, at)),
        3 => place().prop_map(|(one, at)| Act::Revert(one, at)),
        2 => (place(), any::<bool>()).prop_map(|((one, at), up)| Act::Pin(one, at, up)),
        4 => (pinned(), any::<bool>()).prop_map(|((one, at), anew)| Act::Renew(one, at, anew)),
        2 => (place(), any::<bool>()).prop_map(|((one, at), comment)| Act::Tidy(one, at, comment)),
        2 => place().prop_map(|(one, at)| Act::Resume(one, at)),
        2 => (proptest::option::of(0..ENVIRONMENTS.len()), 1_u32..6_000).prop_map(|(at, long)| Act::Freeze(at, long)),
        2 => Just(Act::Thaw),
        1 => (0..REPOSITORIES.len(), 30_u32..6_000).prop_map(|(one, long)| Act::Garble(one, long)),
        1 => (part(), 60_u32..3_000).prop_map(|(one, long)| Act::Override(one, long)),
        6 => Just(Act::Merge),
        2 => part().prop_map(Act::Close),
        1 => (part(), 30_u32..4_000).prop_map(|(one, long)| Act::Outage(one, long)),
        1 => (part(), 30_u32..4_000).prop_map(|(one, long)| Act::Cut(one, long)),
        6 => Just(Act::Wait),
    ];
    (act, 5_u32..3_500)
}

fn do_it(world: &mut World, act: &Act) {
    match *act {
        Act::Build(part) => world.build(part),
        Act::Release(part) => world.release(part),
        Act::Rush => world.rush(),
        Act::Rebuild(part, environment) => world.rebuild(part, environment),
        Act::Vanish(part, environment) => world.vanish(part, environment),
        Act::Revert(part, environment) => world.revert(part, environment),
        Act::Pin(part, environment, is_up) => world.pin(part, environment, is_up),
        Act::Renew(part, environment, is_made) => world.renew(part, environment, is_made),
        Act::Tidy(part, environment, is_comment) => world.tidy(part, environment, is_comment),
        Act::Resume(part, environment) => world.resume(part, environment),
        Act::Freeze(environment, minutes) => world.freeze(environment, minutes),
        Act::Thaw => world.thaw(),
        Act::Garble(repository, minutes) => world.garble(repository, minutes),
        Act::Override(part, minutes) => world.lift(part, minutes),
        Act::Merge => world.merge_all(),
        Act::Close(part) => world.close(part),
        Act::Outage(part, minutes) => world.outage(part, minutes),
        Act::Cut(part, minutes) => world.cut(part, minutes),
        Act::Wait => {}
    }
}

/// What one environment got may change what another one is proposed; then there is nothing left to do.
fn settle(world: &mut World) {
    let is_settled = (0..4).any(|_| !world.cycle());
    assert!(is_settled, "cycles at one time do not come to an end: {}", world.told());
}

/// Lives through a year, and some days after it in which everybody goes home.
fn live(acts: &[(Act, u32)]) -> World {
    let mut world = World::new();
    let begin = world.now;
    for (act, minutes) in acts {
        world.pass(Duration::from_secs(u64::from(*minutes) * 60));
        world.log(format!("{act:?}"));
        do_it(&mut world, act);
        // What was decided is looked at by `World`: each write is held against what rules and people allow.
        settle(&mut world);
    }
    // No freeze, no outage, reviewers merge.
    world.calm();
    let last = world.now;
    let goes_on = |world: &World| {
        let year = world.now.duration_since(begin) < SignedDuration::from_hours(365 * 24);
        year || world.now.duration_since(last) < SignedDuration::from_hours(16 * 24)
    };
    while goes_on(&world) {
        world.pass(Duration::from_secs(5 * 3_600));
        world.cycle();
        world.merge_all();
    }
    world.assert_arrived();
    world
}

/// What must have come up, in whatever story of a run.
const REACHED: &[&str] = &[
    "changed",
    "closed",
    "current",
    "gate/frozen",
    "gate/holds-unreadable",
    "gate/window",
    "guard/downgrade",
    "guard/listing",
    "guard/refused",
    "guard/rolled-back",
    "let through",
    "limit/per-hour",
    "merged",
    "opened",
    "opened again",
    "pending",
    "promotion/group",
    "promotion/moved",
    "promotion/not-copied",
    "promotion/soak",
    "promotion/went-back",
    "pull-request/open",
    "pushed",
    "registry/unreachable",
    "result Current",
    "result Failed",
    "result Held",
    "result Pending",
    "told",
];

#[test]
fn a_year_of_everything() {
    let is_heavy = std::env::var("REPIN_HEAVY").as_deref() == Ok("1");
    // A failure tells its seed; with REPIN_YEAR=<seed> it comes again.
    let given = std::env::var("REPIN_YEAR").ok().map(|seed| seed.parse::<u64>().unwrap());
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let seed = given.unwrap_or_else(|| if is_heavy { clock() } else { 2026 });
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = if is_heavy { 60 } else { 3 };
    let config = ProptestConfig { cases, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let reached = RefCell::new(BTreeMap::<String, usize>::new());
    let result = runner.run(&proptest::collection::vec(act(), 270..310), |acts| {
        for (what, times) in live(&acts).reached {
            *reached.borrow_mut().entry(what).or_default() += times;
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("seed {seed}: {error}");
    }
    let reached = reached.into_inner();
    let missing: Vec<&&str> = REACHED.iter().filter(|what| !reached.contains_key(**what)).collect();
    assert!(missing.is_empty(), "seed {seed}: {missing:?} never came up in {reached:#?}");
}

/// The acts by which a year is told by hand: what is tested above is reached at all.
#[test]
fn a_quiet_month_brings_a_release_to_production() {
    let mut world = World::new();
    for act in [Act::Build(0), Act::Release(0), Act::Wait, Act::Wait, Act::Merge, Act::Wait] {
        do_it(&mut world, &act);
        world.cycle();
        world.pass(DAY);
    }
    world.cycle();
    world.merge_all();
    world.cycle();
    assert_eq!(world.value(0, 2).to_string(), "1.0.1");
}
