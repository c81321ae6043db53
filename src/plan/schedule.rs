//! Schedules of rules: what they match is written only in a cycle in which they have a tick.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::outcome::OutcomeResult;
use crate::model::schedule::Schedule;
use crate::plan::Snapshot;
use crate::plan::judge::{Judgement, is_within_reach};
use crate::plan::owners::{Place, place};

/// Holds what is pending under a rule whose schedule has had no tick since the last cycle; one such owner of a place holds
/// all of them. Without a last cycle everything is due: a person asked.
pub(super) fn wait(snapshot: &Snapshot, judgements: &mut [Judgement]) {
    let Some(since) = snapshot.since else { return };
    let mut waiting: BTreeMap<Place<'_>, (&Schedule, Option<Timestamp>)> = BTreeMap::new();
    for subject in snapshot.subjects.iter().filter(|subject| is_within_reach(subject)) {
        let schedule = subject.rule.as_ref().and_then(|rule| rule.schedule.as_ref());
        let Some((place, schedule)) = place(subject).zip(schedule) else { continue };
        if schedule.has_tick(since, snapshot.now) {
            continue;
        }
        let next = schedule.next_tick(snapshot.now);
        let entry = waiting.entry(place).or_insert((schedule, next));
        if next > entry.1 {
            *entry = (schedule, next);
        }
    }
    for (subject, judgement) in snapshot.subjects.iter().zip(judgements) {
        if judgement.result != OutcomeResult::Pending {
            continue;
        }
        let Some((schedule, next)) = place(subject).and_then(|place| waiting.get(&place)) else { continue };
        judgement.result = OutcomeResult::Held;
        judgement.code = "rule/schedule".to_owned();
        judgement.until = *next;
        judgement.message = format!("{}; the rules write on the schedule {schedule}, so it waits", judgement.message);
    }
}
