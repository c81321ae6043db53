//! Guard 5, what comes before it: which images want one place, how long the strictest of them waits, which signatures
//! they demand, and what people are told of who shares it.
//!
//! Knows places and who may write there; what becomes of owners that do not agree is for `group`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::model::names::RepoPath;
use crate::model::outcome::OutcomeResult;
use crate::model::tracked::RemoteBranch;
use crate::model::verification::KeyName;
use crate::plan::judge::{Judgement, Wait, is_within_reach};
use crate::plan::{Snapshot, Subject, shown_key};

/// How many of those who share a place an outcome names.
const NAMED: usize = 4;

/// What is guarded: one scalar of one file on one branch of one repository.
pub(super) type Place<'a> = (&'a RemoteBranch, &'a RepoPath, &'a str);

/// A place that several images want.
pub(super) struct Shared<'a> {
    pub(super) place: Place<'a>,
    /// The positions of its owners among the subjects.
    pub(super) owners: Vec<usize>,
}

/// Gives the place of an image, if it is known.
pub(super) fn place(subject: &Subject) -> Option<Place<'_>> {
    let target = subject.tracked.target.as_ref()?;
    let located = subject.located.as_ref()?;
    // What has no effect in a file owns nothing there.
    located.place.as_ref()?;
    Some((&target.base, &located.file, &located.spot))
}

/// Places that several images want. Who may not write there is no owner, and holds nobody.
pub(super) fn shared(snapshot: &Snapshot) -> Vec<Shared<'_>> {
    let mut places: HashMap<Place<'_>, Vec<usize>> = HashMap::with_capacity(snapshot.subjects.len());
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        if let Some(place) = place(subject) {
            places.entry(place).or_default().push(index);
        }
    }
    let may_write = |index: &usize| snapshot.subjects.get(*index).is_some_and(|subject| is_within_reach(subject));
    // Nearly every place is of one image.
    let of_several = places.into_iter().filter(|(_, images)| images.len() > 1);
    let owners =
        |(place, images): (_, Vec<usize>)| Shared { place, owners: images.into_iter().filter(may_write).collect() };
    let mut shared: Vec<Shared<'_>> = of_several.map(owners).filter(|shared| shared.owners.len() > 1).collect();
    shared.sort_unstable_by_key(|shared| shared.place);
    shared
}

/// Another image whose place is the same, be it at another key path: anchors and merge keys show one value at several.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Sharer {
    /// `namespace/name`.
    pub application: String,
    /// The alias.
    pub alias: String,
    /// What the rules say.
    pub environment: Option<String>,
    /// The key path by which it means the place.
    pub key: Option<String>,
    /// The line, from 1, where something stands.
    pub line: Option<u64>,
}

impl Sharer {
    fn of(subject: &Subject) -> Self {
        let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
        Self {
            application: subject.tracked.application.label(),
            alias: subject.tracked.alias.clone(),
            environment: subject.rule.as_ref().and_then(|rule| rule.environment.clone()),
            key: shown_key(subject),
            line: site.and_then(|site| site.held.line),
        }
    }

    /// Names it as outcomes do, with its key path if that is another one.
    pub fn named(&self, key: Option<&str>) -> String {
        let environment = self.environment.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
        let name = format!("{} ({}{environment})", self.application, self.alias);
        match &self.key {
            Some(own) if Some(own.as_str()) != key => {
                let line = self.line.map(|line| format!(" in line {line}")).unwrap_or_default();
                format!("{name} at `{own}`{line}")
            }
            _ => name,
        }
    }
}

/// Gives the others who want the place of an image and may write there.
pub(super) fn sharers(snapshot: &Snapshot, subject: &Subject) -> Vec<Sharer> {
    let Some(own) = place(subject).filter(|_| is_within_reach(subject)) else { return Vec::new() };
    let others = snapshot.subjects.iter().map(AsRef::as_ref).filter(|other| !std::ptr::eq(*other, subject));
    others.filter(|other| is_within_reach(other) && place(other) == Some(own)).map(Sharer::of).collect()
}

/// Says of what is pending who shares its place.
pub(super) fn tell(snapshot: &Snapshot, shared: &[Shared<'_>], judgements: &mut [Judgement]) {
    for Shared { owners, .. } in shared {
        let all: Vec<(usize, Sharer)> =
            owners.iter().filter_map(|index| Some((*index, Sharer::of(snapshot.subjects.get(*index)?)))).collect();
        for (index, own) in &all {
            let Some(judgement) = judgements.get_mut(*index).filter(|one| one.result == OutcomeResult::Pending) else {
                continue;
            };
            let others = all.iter().filter(|(other, _)| other != index);
            let mut names: Vec<String> = others.map(|(_, other)| other.named(own.key.as_deref())).collect();
            if names.len() > NAMED {
                let more = names.len() - NAMED;
                names.truncate(NAMED);
                names.push(format!("{more} more"));
            }
            judgement.message = format!("{}; the place is shared with {}", judgement.message, names.join(", "));
        }
    }
}

/// Gives how long images wait for a tag: as long as they say, or as long as another owner of their place, if that is
/// longer. By position among the subjects.
pub(super) fn waits(snapshot: &Snapshot, shared: &[Shared<'_>]) -> BTreeMap<usize, Wait> {
    let ages: Vec<Option<Duration>> = snapshot.subjects.iter().map(|subject| own_age(subject)).collect();
    let own = |index: usize| -> Option<Duration> { *ages.get(index)? };
    let mut waits: BTreeMap<usize, Wait> = (0..snapshot.subjects.len())
        .filter_map(|index| Some((index, Wait { age: own(index)?, asked_by: None })))
        .collect();
    if waits.is_empty() {
        return waits;
    }
    for Shared { owners, .. } in shared {
        // Of owners that wait equally long the first one is named.
        let longest = owners.iter().rev().copied().max_by_key(|index| own(*index));
        let Some((longest, age)) = longest.and_then(|index| Some((index, own(index)?))) else { continue };
        let name = snapshot.subjects.get(longest).map(|subject| subject.tracked.application.label());
        for index in owners.iter().copied().filter(|index| own(*index) < Some(age)) {
            waits.insert(index, Wait { age, asked_by: name.clone() });
        }
    }
    waits
}

/// Gives how long an image waits by itself; where its place is not known, as its annotations say.
fn own_age(subject: &Subject) -> Option<Duration> {
    if subject.rule.is_some() { subject.terms().min_age } else { subject.tracked.policy.min_age }
}

fn own_keys(subject: &Subject) -> BTreeSet<KeyName> {
    if subject.rule.is_some() { subject.terms().verify.clone() } else { subject.tracked.policy.verify.clone() }
}

/// Gives the keys with which images must be signed: those of their annotations and rules, and those of every other owner
/// of their place. By position among the subjects; who demands none is left out.
pub(super) fn keys(snapshot: &Snapshot, shared: &[Shared<'_>]) -> BTreeMap<usize, BTreeSet<KeyName>> {
    let all = snapshot.subjects.iter().enumerate().map(|(index, subject)| (index, own_keys(subject)));
    let mut keys: BTreeMap<usize, BTreeSet<KeyName>> = all.filter(|(_, keys)| !keys.is_empty()).collect();
    if keys.is_empty() {
        return keys;
    }
    for Shared { owners, .. } in shared {
        let union: BTreeSet<KeyName> = owners.iter().filter_map(|index| keys.get(index)).flatten().cloned().collect();
        if !union.is_empty() {
            keys.extend(owners.iter().map(|index| (*index, union.clone())));
        }
    }
    keys
}
