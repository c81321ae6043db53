//! Atomic groups: what is promoted together arrives together, or not yet.

use std::collections::HashMap;

use crate::model::outcome::OutcomeResult;
use crate::plan::group::{Unit, Way, way};
use crate::plan::judge::{Gate, Judgement};
use crate::plan::{Snapshot, Subject};

/// Another one of the group waits.
pub const GROUP: &str = "promotion/group";

/// What is promoted together: where it goes, the group, the environment, and the Argo CD project, for a text that strangers
/// write too is no reason to wait for them.
type Group<'a> = (Way<'a>, Unit<'a>, Option<&'a str>, &'a str);

fn group(subject: &Subject) -> Option<Group<'_>> {
    Some((way(subject)?, Unit::together(subject), subject.environment(), subject.tracked.project.as_str()))
}

/// Finds one that is promoted and whose edit was refused although others of its group would be written.
pub(super) fn broken(snapshot: &Snapshot, indexes: &[usize], judgements: &[Judgement]) -> Option<usize> {
    let is_failed = |index: &&usize| {
        judgements.get(**index).is_some_and(|one| one.is_promoted && one.result == OutcomeResult::Failed)
    };
    let waits_too = |broken: &&usize| indexes.iter().any(|index| is_fellow(snapshot, judgements, **broken, *index));
    indexes.iter().filter(is_failed).find(waits_too).copied()
}

/// Tells whether one is promoted together with another one and would be written.
fn is_fellow(snapshot: &Snapshot, judgements: &[Judgement], one: usize, other: usize) -> bool {
    let group = |index: usize| group(snapshot.subjects.get(index)?);
    let is_wanted = judgements.get(other).is_some_and(|judgement| {
        judgement.is_promoted
            && matches!(judgement.result, OutcomeResult::Pending | OutcomeResult::Current)
            && judgement.wanted.is_some()
    });
    one != other && is_wanted && group(one).is_some() && group(one) == group(other)
}

/// Has all wait that are promoted together with one whose edit was refused; gives the others, without it.
pub(super) fn without(
    snapshot: &Snapshot,
    broken: usize,
    indexes: &[usize],
    judgements: &mut [Judgement],
) -> Vec<usize> {
    let fellows: Vec<usize> =
        indexes.iter().copied().filter(|index| is_fellow(snapshot, judgements, broken, *index)).collect();
    let message = snapshot.subjects.get(broken).map(|subject| {
        let (application, alias) = (subject.tracked.application.label(), &subject.tracked.alias);
        format!("it waits for {application} ({alias}), which is promoted together with it and cannot be written")
    });
    for index in &fellows {
        if let Some(judgement) = judgements.get_mut(*index) {
            judgement.wait(Gate { code: GROUP, message: message.clone().unwrap_or_default(), until: None });
        }
    }
    indexes.iter().copied().filter(|index| *index != broken && !fellows.contains(index)).collect()
}

/// Tells whether one that is promoted keeps back the others of its group. Whoever names a group wants all or nothing of it;
/// what one Application has in one environment waits only for what comes along by itself sooner or later.
fn blocks(judgement: &Judgement, is_named: bool) -> bool {
    const PASSING: [&str; 7] = [
        "guard/listing",
        "guard/min-age",
        "promotion/disagree",
        "promotion/moved",
        "promotion/not-copied",
        "promotion/soak",
        "promotion/unknown",
    ];
    let passes = || {
        let code = judgement.code.as_str();
        PASSING.contains(&code) || ["gate/", "limit/", "rule/schedule"].iter().any(|family| code.starts_with(family))
    };
    match judgement.result {
        OutcomeResult::Failed => true,
        OutcomeResult::Held => is_named || passes(),
        OutcomeResult::Current | OutcomeResult::Pending | OutcomeResult::Delivered => judgement.gate.is_some(),
    }
}

/// Holds what is promoted as long as another member of its group wants to come along and may not.
pub(super) fn wait(snapshot: &Snapshot, judgements: &mut [Judgement]) {
    let mut groups: HashMap<_, Vec<usize>> = HashMap::with_capacity(snapshot.subjects.len());
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        if let Some(group) = group(subject).filter(|_| subject.terms().promote_from.is_some()) {
            groups.entry(group).or_default().push(index);
        }
    }
    // Nothing of one group depends on another one.
    for members in groups.into_values().filter(|members| members.len() > 1) {
        let is_named = members
            .iter()
            .any(|index| snapshot.subjects.get(*index).is_some_and(|subject| subject.tracked.group.is_some()));
        let blocks = |index: &&usize| judgements.get(**index).is_some_and(|one| blocks(one, is_named));
        let Some(blocking) = members.iter().find(blocks).copied() else { continue };
        let (Some(subject), Some(judgement)) = (snapshot.subjects.get(blocking), judgements.get(blocking)) else {
            continue;
        };
        let code = judgement.gate.as_ref().map_or(judgement.code.as_str(), |gate| gate.code).to_owned();
        let until = judgement.gate.as_ref().map_or(judgement.until, |gate| gate.until);
        let message = format!(
            "it waits for {} ({}), which is promoted together with it and is held ({code})",
            subject.tracked.application.label(),
            subject.tracked.alias,
        );
        for index in members {
            let Some(judgement) = judgements.get_mut(index) else { continue };
            if judgement.result == OutcomeResult::Pending && judgement.gate.is_none() {
                judgement.wait(Gate { code: GROUP, message: message.clone(), until });
            }
        }
    }
}
