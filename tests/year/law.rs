//! What is allowed, by another way of reckoning than the program's, and what must have happened in the end.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use repin::model::outcome::Outcome;
use repin::model::rule::Glob;
use repin::plan::Decision;

use crate::estate::{ENVIRONMENTS, PARTS, PER_HOUR, SOAK, Value, fellows};
use crate::world::{Refused, Stand, World};

/// One value that is written.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) part: usize,
    pub(crate) environment: usize,
    pub(crate) old: Value,
    pub(crate) new: Value,
    /// The digest that the commit tells.
    pub(crate) digest: Option<String>,
}

/// How one part of production stands to what staging holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Want {
    /// Production holds it.
    Arrived,
    /// Staging went back, or a person took it away here.
    Never,
    /// The registry has it no more, or another image under its name.
    Gone,
    Wanted,
}

impl World {
    pub(crate) fn look_at_staging(&mut self) {
        let look = |part| {
            let stand: Stand = self.stands[&(part, 1)].clone();
            let is_soaked = self.now.duration_since(stand.since) >= SOAK;
            (stand, is_soaked)
        };
        self.proven = (0..PARTS.len()).map(look).collect();
    }

    /// Holds one write against what people and rules allow.
    pub(crate) fn check_write(&self, write: &Write) {
        let Write { part, environment, old, new, digest } = write;
        let (part, environment) = (*part, *environment);
        let told = || format!("{write:?}\n{}", self.told());
        let is_lifted = environment == 2 && self.is_lifted(part);
        assert!(!self.is_garbled(), "nobody knows what is frozen: {}", told());
        assert!(!self.is_down(part), "the registry does not answer: {}", told());
        let is_other_build = environment == 2 && new.tag == old.tag && new != old;
        assert!(is_other_build || new.order(old) == Ordering::Greater, "a downgrade: {}", told());
        let taken = self.taken.get(&(part, environment));
        assert!(!taken.is_some_and(|taken| taken.contains(new)), "a person took it away: {}", told());
        assert!(is_lifted || !self.is_frozen(environment), "a freeze: {}", told());
        let published = self.tags[part].get(&new.tag);
        assert_eq!(digest.as_ref(), published, "not what the registry has: {}", told());
        assert_eq!(new.digest.as_ref(), published.filter(|_| PARTS[part].is_pinned), "the pin: {}", told());
        match environment {
            0 => {}
            1 => assert!(!new.tag.contains("-rc."), "no release: {}", told()),
            _ => {
                let (proven, is_soaked) = &self.proven[part];
                assert_eq!(new.tag, proven.tag, "not what staging holds: {}", told());
                assert!(
                    proven.digest.is_none() || proven.digest == *digest,
                    "another image than in staging: {}",
                    told()
                );
                assert!(is_lifted || *is_soaked, "not long enough in staging: {}", told());
                assert!(is_lifted || self.is_office(), "outside its window: {}", told());
            }
        }
    }

    fn is_garbled(&self) -> bool {
        self.repositories.values().any(|own| own.garbled > Some(self.now))
    }

    fn is_frozen(&self, environment: usize) -> bool {
        self.repositories["gitops"].holds.iter().any(|hold| {
            let is_it = |glob: &Glob| glob.as_str() == ENVIRONMENTS[environment];
            hold.until > Some(self.now) && hold.scope.environment.as_ref().is_none_or(is_it)
        })
    }

    fn is_lifted(&self, part: usize) -> bool {
        let name = format!("{}-production", PARTS[part].service);
        let locked = &self.repositories["locked"];
        let is_read = locked.garbled <= Some(self.now);
        is_read
            && locked.holds.iter().any(|hold| {
                hold.until > Some(self.now) && hold.scope.application.as_ref().is_some_and(|glob| glob.as_str() == name)
            })
    }

    fn is_office(&self) -> bool {
        let local = self.now.to_zoned(TimeZone::get("Europe/Berlin").unwrap());
        let is_weekday = local.weekday().to_monday_one_offset() <= 5;
        is_weekday && (9..17).contains(&local.hour()) && local.hour() != 12
    }

    pub(crate) fn check_pace(&self) {
        let is_late = |time| self.now.duration_since(time) < SignedDuration::from_hours(1);
        let lately = self.repositories["gitops"].line.iter().rev().take_while(|commit| is_late(commit.time));
        let count = lately.flat_map(|commit| &commit.changed).filter(|(_, environment)| *environment == 1).count();
        assert!(count <= usize::try_from(PER_HOUR).unwrap(), "{count} changes within an hour: {}", self.told());
    }

    /// What is promoted together is written whole: whoever is left out holds it already, or never gets it, and who names a
    /// group wants it all.
    pub(crate) fn check_whole(&self, writes: &[Write]) {
        let written: BTreeSet<usize> = writes.iter().map(|write| write.part).collect();
        for write in writes {
            for other in fellows(write.part).filter(|other| !written.contains(other)) {
                let want = self.want(other, &self.proven[other].0);
                let may_stay = want == Want::Arrived || (want == Want::Never && PARTS[other].group.is_none());
                assert!(may_stay, "{write:?} without {} ({want:?}): {}", PARTS[other].image, self.told());
            }
        }
        let group = |part: usize| fellows(part).min();
        let groups: BTreeSet<_> = written.iter().map(|part| group(*part)).collect();
        assert_eq!(groups.len(), 1, "strangers in one pull request: {writes:?}\n{}", self.told());
    }

    fn want(&self, part: usize, wanted: &Stand) -> Want {
        let here = self.value(part, 2);
        let wanted = Value { tag: wanted.tag.clone(), digest: wanted.digest.clone() };
        let is_pinned = PARTS[part].is_pinned;
        if wanted.tag == here.tag && (!is_pinned || wanted.digest == here.digest) {
            return Want::Arrived;
        }
        let stood = &self.stood[&(part, 1)];
        let first = |value: &Value| stood.iter().position(|stood| stood == value);
        let is_back = match wanted.order(&here) {
            Ordering::Less => true,
            Ordering::Equal => first(&wanted).zip(first(&here)).is_some_and(|(wanted, here)| wanted < here),
            Ordering::Greater => false,
        };
        let none = BTreeSet::new();
        let taken = self.taken.get(&(part, 2)).unwrap_or(&none);
        let is_taken = |gone: &Value| match (wanted.order(gone), here.order(gone)) {
            (Ordering::Less, _) | (Ordering::Equal, Ordering::Less) => true,
            (Ordering::Equal, _) => wanted.digest == gone.digest,
            (Ordering::Greater, _) => false,
        };
        if is_back || taken.iter().any(is_taken) {
            return Want::Never;
        }
        let published = self.tags[part].get(&wanted.tag);
        let is_there = published.is_some_and(|published| wanted.digest.is_none_or(|digest| digest == *published));
        if is_there { Want::Wanted } else { Want::Gone }
    }

    /// What a person closed comes again only with something higher, or once a person says so.
    pub(crate) fn check_refused(&self, writes: &[Write]) {
        let values = writes.iter().map(|write| (write.part, write.new.clone())).collect();
        let refused = self.refused.iter().find(|refused| refused.is_about(&values));
        assert!(refused.is_none(), "refused: {writes:?}\n{}", self.told());
    }

    /// Whatever windows and freezes say: what staging does not hold any more is proposed no more.
    pub(crate) fn assert_open_ones_are_wanted(&self, decision: &Decision) {
        for open in &self.open {
            for (part, (value, digest)) in &open.values {
                let told = || {
                    let of = |outcome: &&Outcome| outcome.environment.as_deref() == Some("production");
                    format!("{:?}\n{}", decision.outcomes.iter().filter(of).collect::<Vec<_>>(), self.told())
                };
                let proven = &self.proven[*part].0;
                assert_eq!(value.tag, proven.tag, "it is proposed on: {}", told());
                let is_other = digest.as_ref().zip(proven.digest.as_ref()).is_some_and(|(one, other)| one != other);
                assert!(!is_other, "{digest:?} is proposed on, and {:?} stands: {}", proven.digest, told());
            }
        }
    }

    /// Everything that is allowed happened.
    pub(crate) fn assert_arrived(&mut self) {
        self.look_at_staging();
        for part in 0..PARTS.len() {
            for environment in 0..2 {
                self.assert_newest(part, environment);
            }
            if fellows(part).min() == Some(part) {
                self.assert_promoted(part);
            }
        }
    }

    fn assert_newest(&self, part: usize, environment: usize) {
        let value = self.value(part, environment);
        let none = BTreeSet::new();
        let taken = self.taken.get(&(part, environment)).unwrap_or(&none);
        let fits = |tag: &&String| environment == 0 || !tag.contains("-rc.");
        let tags = self.tags[part].keys().filter(fits).map(|tag| Value::read(tag));
        let Some(newest) = tags.max_by(|one, other| one.order(other)) else { return };
        let is_kept_out = taken.iter().any(|gone| newest.order(gone) != Ordering::Greater);
        if newest.order(&value) == Ordering::Greater && !is_kept_out {
            let place = format!("{} in {}", PARTS[part].image, ENVIRONMENTS[environment]);
            panic!("{newest} did not arrive: {place} holds {value}, taken {taken:?}\n{}", self.told());
        }
    }

    /// The same for what is promoted together.
    fn assert_promoted(&self, first: usize) {
        let wants: Vec<(usize, Want)> =
            fellows(first).map(|part| (part, self.want(part, &self.proven[part].0))).collect();
        let is_named = PARTS[first].group.is_some();
        let blocks = |want: Want| want == Want::Gone || (is_named && want == Want::Never);
        let value = |part: usize| {
            let Stand { tag, digest, .. } = self.proven[part].0.clone();
            Value { tag, digest: digest.filter(|_| PARTS[part].is_pinned) }
        };
        let wanted: BTreeMap<usize, Value> =
            wants.iter().filter(|(_, want)| *want == Want::Wanted).map(|(part, _)| (*part, value(*part))).collect();
        let is_blocked = wants.iter().any(|(_, want)| blocks(*want));
        if wanted.is_empty() || is_blocked || self.refused.iter().any(|refused| refused.is_about(&wanted)) {
            return;
        }
        panic!("{wanted:?} of staging did not arrive: {wants:?}, taken {:?}\n{}", self.taken, self.told());
    }
}

impl Refused {
    /// Tells whether it refuses what is wanted together.
    fn is_about(&self, wanted: &BTreeMap<usize, Value>) -> bool {
        let is_refused = |(part, value): (&usize, &Value)| {
            self.values.get(part).is_some_and(|refused| match value.order(refused) {
                Ordering::Less => true,
                Ordering::Equal => value == refused,
                Ordering::Greater => false,
            })
        };
        !wanted.keys().any(|part| self.resumed.contains(part)) && wanted.iter().all(is_refused)
    }
}
