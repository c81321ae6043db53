//! A simulated year over the pure core: builds, releases, reverts, freezes, reviews and outages at random, with time as an
//! argument. Never is something written that a rule forbids, never a downgrade, never again what a person took away and
//! nobody released; and everything that is allowed happens at last.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "year/world.rs"]
mod world;

use std::time::Duration;

use proptest::prelude::*;
use repin::model::version::Version;

use crate::world::{ENVIRONMENTS, SERVICES, World};

/// What people and machines do.
#[derive(Clone, Debug)]
enum Act {
    /// A build of the next version.
    Build(usize),
    /// A release: a build gets its final version.
    Release(usize),
    /// A person reverts the last change of a place.
    Revert(usize, usize),
    /// A person writes an older or a newer version by hand.
    Pin(usize, usize, bool),
    /// A person releases what was taken back there.
    Resume(usize, usize),
    /// A person freezes one environment, or all.
    Freeze(Option<usize>, u32),
    /// All freezes end.
    Thaw,
    /// A person lets production of one service through.
    Override(usize, u32),
    /// A person merges what is open.
    Merge,
    /// A person closes what is open.
    Close(usize),
    /// A registry answers nothing for a while.
    Outage(usize, u32),
    /// Nothing but time.
    Wait,
}

fn act() -> impl Strategy<Value = (Act, u32)> {
    let service = 0..SERVICES.len();
    let environment = 0..ENVIRONMENTS.len();
    let act = prop_oneof![
        8 => service.clone().prop_map(Act::Build),
        6 => service.clone().prop_map(Act::Release),
        3 => (service.clone(), environment.clone()).prop_map(|(one, at)| Act::Revert(one, at)),
        2 => (service.clone(), environment.clone(), any::<bool>()).prop_map(|(one, at, up)| Act::Pin(one, at, up)),
        2 => (service.clone(), environment.clone()).prop_map(|(one, at)| Act::Resume(one, at)),
        2 => (proptest::option::of(environment), 1_u32..6_000).prop_map(|(at, long)| Act::Freeze(at, long)),
        2 => Just(Act::Thaw),
        1 => (service.clone(), 60_u32..3_000).prop_map(|(one, long)| Act::Override(one, long)),
        6 => Just(Act::Merge),
        1 => service.clone().prop_map(Act::Close),
        1 => (service, 30_u32..4_000).prop_map(|(one, long)| Act::Outage(one, long)),
        6 => Just(Act::Wait),
    ];
    (act, 5_u32..3_500)
}

fn do_it(world: &mut World, act: &Act) {
    match *act {
        Act::Build(service) => world.build(service),
        Act::Release(service) => world.release(service),
        Act::Revert(service, environment) => world.revert(service, environment),
        Act::Pin(service, environment, is_up) => world.pin(service, environment, is_up),
        Act::Resume(service, environment) => world.resume(service, environment),
        Act::Freeze(environment, minutes) => world.freeze(environment, minutes),
        Act::Thaw => world.thaw(),
        Act::Override(service, minutes) => world.lift(service, minutes),
        Act::Merge => world.merge_all(),
        Act::Close(service) => world.close(service),
        Act::Outage(service, minutes) => world.outage(service, minutes),
        Act::Wait => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, max_shrink_iters: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_year_of_everything(acts in proptest::collection::vec(act(), 150..250)) {
        let mut world = World::new();
        for (act, minutes) in &acts {
            world.pass(Duration::from_secs(u64::from(*minutes) * 60));
            world.log(format!("{act:?}"));
            do_it(&mut world, act);
            // What was decided is looked at by `World`: each write is held against what rules and people allow.
            world.cycle();
            // What one environment got may change what another one is proposed; then there is nothing left to do.
            world.cycle();
            world.cycle();
            let before = world.writes();
            world.cycle();
            prop_assert_eq!(world.writes(), before, "cycles at one time do not come to an end");
        }
        // Everybody goes home: no freeze, no outage, reviewers merge.
        world.thaw();
        for _ in 0..80 {
            world.pass(Duration::from_secs(5 * 3_600));
            world.cycle();
            world.merge_all();
        }
        for service in 0..SERVICES.len() {
            for environment in 0..ENVIRONMENTS.len() {
                world.assert_arrived(service, environment);
            }
        }
    }
}

/// The acts by which a year is told by hand: what is tested above is reached at all.
#[test]
fn a_quiet_month_brings_a_release_to_production() {
    let mut world = World::new();
    let day = Duration::from_secs(86_400);
    for act in [Act::Build(0), Act::Release(0), Act::Wait, Act::Wait, Act::Merge, Act::Wait] {
        do_it(&mut world, &act);
        world.cycle();
        world.pass(day);
    }
    world.cycle();
    world.merge_all();
    world.cycle();
    assert_eq!(world.value(0, 2), world.value(0, 1));
    assert!("1.0.1".parse::<Version>().is_ok() && world.value(0, 2) == "1.0.1", "{}", world.value(0, 2));
}
