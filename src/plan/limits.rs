//! Limits: how many changes an environment takes within an hour, and how many one push may bring.
//!
//! Both count places, from Git: what repin wrote there within the hour, by whatever instance. What is changed together goes
//! together.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::model::outcome::OutcomeResult;
use crate::model::rule::Delivery;
use crate::plan::group::{Unit, way};
use crate::plan::judge::{Gate, Judgement};
use crate::plan::locate::{FileState, refused_edit};
use crate::plan::owners::{Place, place};
use crate::plan::rollback::{before, is_written};
use crate::plan::{Snapshot, Subject};

/// Changes of an environment within an hour.
pub const PER_HOUR: &str = "limit/per-hour";
/// Changes of one push.
pub const PER_PUSH: &str = "limit/per-push";

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How much room environments have within this hour.
#[derive(Debug, Default)]
pub(super) struct Hours<'a>(BTreeMap<&'a str, Hour>);

/// The hour of one environment.
#[derive(Debug)]
struct Hour {
    most: usize,
    /// When it changed within the hour, or a change was proposed that is open.
    lately: Vec<Timestamp>,
    /// How many changes are on their way in this cycle.
    taken: usize,
    /// One had no room: what is smaller waits behind it, so that it comes to its turn.
    is_full: bool,
}

impl<'a> Hours<'a> {
    /// Counts what there was, for environments that have a limit: what repin wrote, and what it proposed and is still open.
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let mut hours: BTreeMap<&str, Hour> = BTreeMap::new();
        for subject in &snapshot.subjects {
            if let Some((environment, most)) = subject.environment().zip(subject.terms().max_changes_per_hour) {
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let hour =
                    hours.entry(environment).or_insert(Hour { most, lately: Vec::new(), taken: 0, is_full: false });
                hour.most = hour.most.min(most);
            }
        }
        for (environment, hour) in &mut hours {
            hour.lately = lately(snapshot, environment);
            hour.lately.extend(proposed_lately(snapshot, environment));
            hour.lately.sort();
        }
        Self(hours)
    }

    /// Counts the changes of a unit, if there is room; one that is larger than the limit goes alone, where nothing else went
    /// within the hour. Else gives what stands in the way.
    pub(super) fn take(&mut self, environment: Option<&str>, changes: usize, now: Timestamp) -> Result<(), Gate> {
        let Some((environment, hour)) = environment.and_then(|name| Some((name, self.0.get_mut(name)?))) else {
            return Ok(());
        };
        let had = hour.lately.len() + hour.taken;
        if had == 0 || (!hour.is_full && had.saturating_add(changes) <= hour.most) {
            hour.taken += changes;
            return Ok(());
        }
        hour.is_full = true;
        let until = hour.lately.first().copied().unwrap_or(now).checked_add(HOUR).ok();
        // In whole seconds, and not before there is room.
        let until = until.and_then(|until| {
            Timestamp::from_second(until.as_second() + i64::from(until.subsec_nanosecond() > 0)).ok()
        });
        let message = format!(
            "`max_changes_per_hour` of `{environment}` is {}: there were {} within the last hour, and {} are on their way",
            hour.most,
            hour.lately.len(),
            hour.taken
        );
        Err(Gate { code: PER_HOUR, message, until })
    }
}

/// Holds what is committed and has no room in its environment within this hour. Units go whole, in their order. What would
/// be proposed is counted where a pull request is opened.
pub(super) fn per_hour(
    snapshot: &Snapshot,
    hours: &mut Hours<'_>,
    lifted: &BTreeMap<usize, String>,
    judgements: &mut [Judgement],
) {
    if hours.0.is_empty() {
        return;
    }
    let mut units: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        let Some(judgement) = judgements.get(index) else { continue };
        let is_counted = judgement.result == OutcomeResult::Pending && judgement.delivery == Delivery::Commit;
        // What the editor refuses would use up the hour of those that can be written, again and again.
        if is_counted && !is_refused(snapshot, subject) {
            let unit = Unit::of_judged(subject, judgement);
            units.entry((subject.environment(), way(subject), unit)).or_default().push(index);
        }
    }
    // Each hour another one is the first: nobody is always behind the others.
    let mut units: Vec<_> = units.into_iter().collect();
    if let Some(turn) =
        usize::try_from(snapshot.now.as_second() / 3_600).ok().and_then(|hour| hour.checked_rem(units.len()))
    {
        units.rotate_left(turn);
    }
    for ((environment, ..), members) in units {
        let places: BTreeSet<Place<'_>> =
            members.iter().filter_map(|index| place(snapshot.subjects.get(*index)?)).collect();
        let Err(gate) = hours.take(environment, places.len(), snapshot.now) else { continue };
        hold_or_lift(&gate, &members, lifted, judgements);
    }
}

/// Holds the members of a unit, unless a person lifted limits for all of them.
fn hold_or_lift(gate: &Gate, members: &[usize], lifted: &BTreeMap<usize, String>, judgements: &mut [Judgement]) {
    let is_lifted = members.iter().all(|index| lifted.contains_key(index));
    for index in members {
        let Some(judgement) = judgements.get_mut(*index) else { continue };
        match lifted.get(index).filter(|_| is_lifted) {
            Some(lift) => judgement.lift(lift, gate.code),
            None => judgement.wait(gate.clone()),
        }
    }
}

/// Tells whether an edit is refused in any case.
fn is_refused(snapshot: &Snapshot, subject: &Subject) -> bool {
    let refused = || {
        let (target, image) = (subject.tracked.target.as_ref()?, subject.tracked.image.as_ref()?);
        let located = subject.located.as_ref()?;
        match snapshot.files.get(&(target.base.clone(), located.file.clone()))? {
            FileState::Parsed(source) => refused_edit(image, located, source),
            _ => None,
        }
    };
    refused().is_some()
}

/// Gives when pull requests were opened within the last hour that are still open, once for each of their changes.
fn proposed_lately(snapshot: &Snapshot, environment: &str) -> Vec<Timestamp> {
    let mut found = Vec::new();
    for pulls in snapshot.pulls.values().filter_map(|pulls| pulls.as_ref().ok()) {
        for pull in pulls.open.iter().filter(|pull| snapshot.now.duration_since(pull.created) < HOUR) {
            let Some(head) = pulls.heads.get(&pull.head).filter(|head| head.is_ours) else { continue };
            if head.applications.iter().any(|(_, of)| of.as_deref() == Some(environment)) {
                found.extend(head.changes.iter().map(|_| pull.created));
            }
        }
    }
    found
}

/// Gives when repin wrote places of an environment within the last hour, each place and time once.
fn lately(snapshot: &Snapshot, environment: &str) -> Vec<Timestamp> {
    let mut found: BTreeSet<(Place<'_>, u64, Timestamp)> = BTreeSet::new();
    for subject in snapshot.subjects.iter().filter(|subject| subject.environment() == Some(environment)) {
        let Some(place) = place(subject) else { continue };
        let is_late = |time: Timestamp| snapshot.now.duration_since(time) < HOUR;
        let standings = subject.timeline.standings.iter().enumerate();
        for (index, standing) in standings.take_while(|(_, standing)| is_late(standing.since)) {
            if is_written(standing, before(&subject.timeline, index)) {
                found.insert((place, standing.at, standing.since));
            }
        }
    }
    found.into_iter().map(|(.., time)| time).collect()
}

/// Holds all that one push would bring of an environment, or at all, if that is more than it may: what wants to rewrite the
/// world is looked at by a person first.
pub(super) fn per_push(snapshot: &Snapshot, lifted: &BTreeMap<usize, String>, judgements: &mut [Judgement]) {
    let mut pushes: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        let Some(judgement) = judgements.get(index).filter(|one| one.result == OutcomeResult::Pending) else {
            continue;
        };
        let Some(way) = way(subject) else { continue };
        let unit = (judgement.delivery == Delivery::PullRequest).then(|| Unit::of_judged(subject, judgement));
        pushes.entry((way, unit)).or_default().push(index);
    }
    for ((way, unit), members) in pushes {
        let what = unit.map_or_else(|| "one push".to_owned(), |unit| format!("the pull request of `{}`", unit.title()));
        // What rules say of one environment holds no other one.
        let mut parts: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
        for index in &members {
            let environment = snapshot.subjects.get(*index).and_then(|subject| subject.environment());
            parts.entry(environment).or_default().push(*index);
        }
        let of_rule = |index: &usize| snapshot.subjects.get(*index)?.terms().max_changes_per_push;
        let of_rules = |part: &[usize]| part.iter().filter_map(of_rule).min();
        let limited = parts.into_iter().map(|(environment, part)| (environment, of_rules(&part), part));
        let whole = (None, snapshot.max_changes_per_push, members.clone());
        for (environment, most, part) in limited.chain([whole]) {
            let count = |all: &[usize]| -> usize {
                let places = all.iter().filter_map(|index| place(snapshot.subjects.get(*index)?));
                places.collect::<BTreeSet<Place<'_>>>().len()
            };
            let is_over = |found: usize, most: u32| found > usize::try_from(most).unwrap_or(usize::MAX);
            let Some(most) = most.filter(|most| is_over(count(&part), *most)) else { continue };
            for index in &part {
                if let Some((lift, judgement)) = lifted.get(index).zip(judgements.get_mut(*index)) {
                    judgement.lift(lift, PER_PUSH);
                }
            }
            // What a person lets through does not hold the others either.
            let rest: Vec<usize> = part.into_iter().filter(|index| !lifted.contains_key(index)).collect();
            if !is_over(count(&rest), most) {
                continue;
            }
            let of = environment.map(|environment| format!(" of `{environment}`")).unwrap_or_default();
            let message = format!(
                "{what} to `{}` would change {} places{of}, and `max_changes_per_push` is {most}: nothing of it is written until it is raised or fewer are wanted",
                way.0.branch,
                count(&rest),
            );
            let gate = Gate { code: PER_PUSH, message, until: None };
            for index in rest {
                if let Some(judgement) = judgements.get_mut(index).filter(|one| one.result == OutcomeResult::Pending) {
                    judgement.wait(gate.clone());
                }
            }
        }
    }
}
