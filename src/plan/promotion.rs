//! Promotion: what the environments upstream hold, for every image that takes its values from there (DELIVERY
//! "Environments and promotion").
//!
//! Found before anything is judged, from Git alone: the value that stands upstream, since when without a break, and whether
//! that is long enough. What the registry says of it, and whether it may go to the place, is for `judge`.

mod circle;
mod quorum;
mod words;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::model::names::Digest;
use crate::model::promotion::{Promotion, Quorum, Upstream};
use crate::plan::past::service::Service;
use crate::plan::promotion::circle::{circles, in_a_circle};
use crate::plan::promotion::quorum::{all_hold, any_holds, other_than_first};
use crate::plan::promotion::words::place_in_words;
pub(in crate::plan) use crate::plan::promotion::words::soaking;
use crate::plan::rollback::{Standing, Stood, tag_of};
use crate::plan::{Snapshot, Subject};

/// How many places upstream a message names.
const NAMED: usize = 5;
/// How many messages name the service that is called most like the one that is missing.
const TOLD: usize = 20;

/// What one place upstream holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Holding {
    /// As the promotion names it.
    pub upstream: Upstream,
    /// Position among the subjects.
    pub index: usize,
    /// The tag.
    pub tag: String,
    /// The digest, from the file or as the commit says it.
    pub digest: Option<Digest>,
    /// Since when, without a break.
    pub since: Timestamp,
    /// When that is long enough.
    pub soaked_at: Timestamp,
}

/// Why it cannot be said what to take.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Obstacle {
    /// The outcome's code.
    pub code: &'static str,
    /// The outcome's message.
    pub message: String,
}

/// From where an image takes its values, and what is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Promoted {
    /// As rules or annotations say it.
    pub promotion: Promotion,
    /// What the places upstream hold that could be read.
    pub holdings: Vec<Holding>,
    /// The one that counts, or why there is none.
    pub chosen: Result<Holding, Obstacle>,
}

impl Promoted {
    /// Tells whether a value still stands upstream: wherever one counts, and everywhere where all do. None if that cannot
    /// be said in this cycle.
    pub(super) fn still_holds(&self, tag: &str, digest: Option<&str>) -> Option<bool> {
        let is_it = |held: &Holding| {
            let is_other = |(one, other): (&Digest, &str)| one.as_str() != other;
            held.tag == tag && !held.digest.as_ref().zip(digest).is_some_and(is_other)
        };
        let is_known = self.holdings.len() >= self.promotion.upstreams.len();
        let gone = self.holdings.iter().filter(|held| !is_it(held)).count();
        match self.promotion.quorum {
            Quorum::All if gone > 0 => Some(false),
            Quorum::All => is_known.then_some(true),
            Quorum::Any if gone < self.holdings.len() => Some(true),
            Quorum::Any => is_known.then_some(false),
        }
    }
}

/// Places by environment, service and alias.
type Streams<'a> = HashMap<(&'a str, &'a str, &'a str), Vec<usize>>;

/// Gives what is upstream of every image that is promoted, by position. For those that are `lifted` a person lets through what
/// was not there for long enough.
pub(super) fn promoted(snapshot: &Snapshot, lifted: &BTreeMap<usize, String>) -> BTreeMap<usize, Promoted> {
    promoted_of(snapshot, lifted, &|_| true)
}

/// Gives what stands upstream of one image, one for each environment that could be read.
pub fn holdings_of(snapshot: &Snapshot, subject: &Subject) -> Vec<Holding> {
    let found = promoted_of(snapshot, &BTreeMap::new(), &|other| std::ptr::eq(other, subject));
    found.into_values().flat_map(|promoted| promoted.holdings).collect()
}

fn promoted_of(
    snapshot: &Snapshot,
    lifted: &BTreeMap<usize, String>,
    is_meant: &dyn Fn(&Subject) -> bool,
) -> BTreeMap<usize, Promoted> {
    let subjects = || snapshot.subjects.iter().map(AsRef::as_ref).enumerate();
    let meant = subjects().filter(|(_, subject)| is_meant(subject));
    let promotion = |(index, subject): (usize, _)| {
        let subject: &Subject = subject;
        Some((index, subject, subject.terms().promote_from.as_ref()?))
    };
    let wanted: Vec<(usize, &Subject, &Promotion)> = meant.filter_map(promotion).collect();
    if wanted.is_empty() {
        return BTreeMap::new();
    }
    let (mut streams, mut by_alias) = (Streams::new(), HashMap::<_, Vec<usize>>::new());
    let services: Vec<Service> = subjects().map(|(_, subject)| Service::of(subject)).collect();
    for ((index, subject), service) in subjects().zip(&services) {
        let Some(environment) = subject.environment() else { continue };
        let alias = subject.tracked.alias.as_str();
        streams.entry((environment, service.name.as_str(), alias)).or_default().push(index);
        by_alias.entry((environment, alias)).or_default().push(index);
    }
    let (services, streams, by_alias) = (&services, &streams, &by_alias);
    let view = View { snapshot, services, streams, by_alias, lifted, told: Cell::new(0) };
    let mut all: BTreeMap<usize, Promoted> =
        wanted.iter().map(|(index, subject, promotion)| (*index, view.promoted(*index, subject, promotion))).collect();
    let upstream = wanted.iter().map(|(index, subject, promotion)| (*index, view.bound_to(*index, subject, promotion)));
    for (index, way) in circles(&upstream.collect()) {
        if let Some(promoted) = all.get_mut(&index) {
            promoted.chosen = Err(in_a_circle(snapshot, &way));
        }
    }
    all
}

struct View<'a> {
    snapshot: &'a Snapshot,
    /// What service each place is of.
    services: &'a [Service],
    streams: &'a Streams<'a>,
    /// Places by environment and alias.
    by_alias: &'a HashMap<(&'a str, &'a str), Vec<usize>>,
    lifted: &'a BTreeMap<usize, String>,
    /// How many were told what is called alike.
    told: Cell<usize>,
}

impl View<'_> {
    fn promoted(&self, index: usize, subject: &Subject, promotion: &Promotion) -> Promoted {
        let soak = subject.terms().soak.and_then(|soak| SignedDuration::try_from(soak).ok()).unwrap_or_default();
        let (mut holdings, mut obstacles) = (Vec::new(), Vec::new());
        for upstream in &promotion.upstreams {
            match self.holding(index, subject, upstream, soak) {
                Ok(held) => holdings.push(held),
                Err(obstacle) => obstacles.push(obstacle),
            }
        }
        let chosen = match promotion.quorum {
            Quorum::All => match obstacles.into_iter().next() {
                Some(obstacle) => Err(obstacle),
                None => all_hold(&holdings),
            },
            Quorum::Any => {
                let is_lifted = self.lifted.contains_key(&index);
                any_holds(subject, &holdings, self.snapshot.now, is_lifted)
                    .ok_or_else(|| obstacles.into_iter().next().unwrap_or_else(nothing))
            }
        };
        Promoted { promotion: promotion.clone(), holdings, chosen }
    }

    /// Gives all places without which this one gets nothing, whatever can be read of them. Who takes from any of several is not
    /// bound to one of them.
    fn bound_to(&self, index: usize, subject: &Subject, promotion: &Promotion) -> Vec<usize> {
        let is_bound = promotion.quorum == Quorum::All || promotion.upstreams.len() == 1;
        let upstreams = promotion.upstreams.iter().filter(|upstream| is_bound && !is_own(subject, upstream));
        let found = upstreams.map(|upstream| self.find(index, subject, upstream));
        found.filter(|found| self.is_of_one_application(found)).flatten().collect()
    }

    /// Gives what one environment holds for the same service and alias.
    fn holding(
        &self,
        own: usize,
        subject: &Subject,
        upstream: &Upstream,
        soak: SignedDuration,
    ) -> Result<Holding, Obstacle> {
        let found = self.find(own, subject, upstream);
        let (alias, service) = (&subject.tracked.alias, self.service(own));
        let wanted = || match &upstream.application {
            None => format!("the service `{service}`"),
            Some(application) => format!("an Application called `{application}`"),
        };
        let stop = |code, message| Err(Obstacle { code, message });
        if is_own(subject, upstream) {
            let message = format!("`promote-from: {upstream}` names the environment that the place itself is in");
            return stop("promotion/no-upstream", message);
        }
        if found.is_empty() {
            // It may stand in what could not be read.
            if let Some((repository, failure)) = self.snapshot.repository_failures.iter().next() {
                let message = format!(
                    "`promote-from: {upstream}` finds no place of {} with the alias `{alias}` in what could be read, and `{repository}` could not: {}",
                    wanted(),
                    failure.message
                );
                return stop("promotion/unknown", message);
            }
            let elsewhere = self.elsewhere(upstream, alias, service);
            let message = format!(
                "`promote-from: {upstream}` finds no place of {} with the alias `{alias}` in the environment `{}`{elsewhere}",
                wanted(),
                upstream.environment
            );
            return stop("promotion/no-upstream", message);
        };
        let names = |found: &[usize]| {
            let named = found.iter().filter_map(|index| self.snapshot.subjects.get(*index));
            let mut names: Vec<String> = named.map(|subject| place_in_words(subject)).collect();
            let more = names.len().saturating_sub(NAMED);
            names.truncate(NAMED);
            if more > 0 {
                names.push(format!("{more} more"));
            }
            names.join("; ")
        };
        if !self.is_of_one_application(&found) {
            let message = format!(
                "`promote-from: {upstream}` finds several Applications of {} with the alias `{alias}`: {}; name one of them as `{}/<application>`",
                wanted(),
                names(&found),
                upstream.environment
            );
            return stop("promotion/ambiguous", message);
        }
        let mut held: Vec<Holding> = Vec::new();
        for index in &found {
            let other = self.snapshot.subjects.get(*index).ok_or_else(nothing)?;
            held.push(self.held(*index, other, upstream, soak)?);
        }
        let first = held.first().cloned().ok_or_else(nothing)?;
        if other_than_first(&held).is_some() {
            let message = format!(
                "the places of {} in `{}` hold different values: {}",
                wanted(),
                upstream.environment,
                names(&found)
            );
            return stop("promotion/ambiguous", message);
        }
        // All of its places must have held it.
        let latest = held.iter().max_by_key(|one| one.since).cloned().unwrap_or(first);
        let digest = held.into_iter().find_map(|one| one.digest);
        Ok(Holding { digest, ..latest })
    }

    fn service(&self, index: usize) -> &str {
        self.services.get(index).map_or("", |service| &service.name)
    }

    fn is_of_one_application(&self, found: &[usize]) -> bool {
        let mut keys = found.iter().filter_map(|index| Some(&self.snapshot.subjects.get(*index)?.tracked.application));
        let first = keys.next();
        keys.all(|key| Some(key) == first)
    }

    fn find(&self, own: usize, subject: &Subject, upstream: &Upstream) -> Vec<usize> {
        let (environment, alias) = (upstream.environment.as_str(), subject.tracked.alias.as_str());
        let get = |index: &usize| self.snapshot.subjects.get(*index);
        if let Some(name) = &upstream.application {
            let is_named = |index: &usize| get(index).is_some_and(|other| other.tracked.application.is_named(name));
            let all = self.by_alias.get(&(environment, alias)).into_iter().flatten().copied();
            return all.filter(|index| *index != own && is_named(index)).collect();
        }
        let all = self.streams.get(&(environment, self.service(own), alias));
        let found: Vec<usize> = all.into_iter().flatten().copied().filter(|index| *index != own).collect();
        // Teams may call their services the same, each in namespaces of its own.
        let namespace = |index: usize| self.services.get(index).map(|service| &service.namespace);
        let near: Vec<usize> = found.iter().copied().filter(|index| namespace(*index) == namespace(own)).collect();
        if near.is_empty() { found } else { near }
    }

    /// Says what is called alike, so that a person sees what is missing.
    fn elsewhere(&self, upstream: &Upstream, alias: &str, service: &str) -> String {
        let in_it = self.streams.keys().filter(|(environment, ..)| *environment == upstream.environment);
        let mut aliases: Vec<&str> =
            in_it.clone().filter(|(_, name, _)| *name == service).map(|(_, _, other)| *other).collect();
        aliases.sort_unstable();
        aliases.dedup();
        if in_it.clone().next().is_none() {
            return "; no place has that environment: a rule gives it (`environment`)".to_owned();
        }
        if !aliases.is_empty() && !aliases.contains(&alias) {
            return format!("; there it has the aliases {}", aliases.join(", "));
        }
        // A rule that is wrong for all is understood after a few.
        if self.told.replace(self.told.get() + 1) >= TOLD {
            return String::new();
        }
        let nearest = in_it.map(|(_, name, _)| *name).max_by(|one, other| {
            let like = |name: &str| strsim::jaro_winkler(name, service);
            like(one).total_cmp(&like(other)).then_with(|| other.cmp(one))
        });
        nearest.map(|name| format!("; the nearest service there is `{name}`")).unwrap_or_default()
    }

    /// Gives what one place holds, and since when.
    fn held(
        &self,
        index: usize,
        subject: &Subject,
        upstream: &Upstream,
        soak: SignedDuration,
    ) -> Result<Holding, Obstacle> {
        let unknown = |why: String| Obstacle {
            code: "promotion/unknown",
            message: format!("what `{upstream}` holds cannot be said now: {} {why}", place_in_words(subject)),
        };
        let target = subject.tracked.target.as_ref().ok_or_else(|| unknown("has no target".to_owned()))?;
        let failure = self.snapshot.repository_failures.get(&target.base.repository);
        if let Some(failure) = failure.or_else(|| self.snapshot.branch_failures.get(&target.base)) {
            return Err(unknown(format!("could not be read: {}", failure.message)));
        }
        let located = subject.located.as_ref().ok_or_else(|| unknown("was not found".to_owned()))?;
        let site =
            located.site.as_ref().map_err(|failure| unknown(format!("could not be read: {}", failure.message)))?;
        let standings = &subject.timeline.standings;
        let newest = standings.first();
        let named = || newest.and_then(|standing| standing.stood.tag()).map(str::to_owned);
        let tag = site.tag().filter(|tag| !tag.is_empty()).map(str::to_owned).or_else(named);
        let tag = tag.ok_or_else(|| unknown("holds no tag".to_owned()))?;
        let newest = newest.ok_or_else(|| unknown("has no history".to_owned()))?;
        let run = run(standings);
        // The file may have changed around the value since repin wrote it.
        let claimed = || {
            let changes = run.iter().filter_map(|standing| standing.claimed.as_ref());
            changes.filter(|change| tag_of(&change.new) == tag).find_map(|change| change.digest.clone())
        };
        let digest = site.held.digest.clone().or_else(claimed);
        let digest = digest.and_then(|digest| digest.parse::<Digest>().ok());
        let since = run.last().map(|standing| standing.since).unwrap_or(newest.since).min(self.snapshot.now);
        let soaked_at = since.checked_add(soak).unwrap_or(Timestamp::MAX);
        Ok(Holding { upstream: upstream.clone(), index, tag, digest, since, soaked_at })
    }
}

/// Gives the newest states in a row with one value: a digest that was added or dropped changes nothing, another one
/// does, also where only a commit's trailers tell it.
fn run(standings: &[Standing]) -> Vec<&Standing> {
    let Some((tag, _)) = standings.first().and_then(value) else { return Vec::new() };
    let mut known: Option<&str> = None;
    let mut found = Vec::new();
    for standing in standings {
        let Some((stood, digest)) = value(standing) else { break };
        if stood != tag || known.zip(digest).is_some_and(|(known, digest)| known != digest) {
            break;
        }
        known = known.or(digest);
        found.push(standing);
    }
    found
}

/// Gives the tag that stood, and the digest in the file, or as the commit tells it.
fn value(standing: &Standing) -> Option<(&str, Option<&str>)> {
    let Stood::Tag { tag, digest } = &standing.stood else { return None };
    let claimed = || {
        let change = standing.claimed.as_ref().filter(|change| tag_of(&change.new) == tag)?;
        change.digest.as_deref()
    };
    Some((tag, digest.as_deref().or_else(claimed)))
}

/// Tells whether an upstream is the environment that the place itself is in.
fn is_own(subject: &Subject, upstream: &Upstream) -> bool {
    upstream.application.is_none() && subject.environment() == Some(upstream.environment.as_str())
}

fn nothing() -> Obstacle {
    Obstacle { code: "promotion/no-upstream", message: "nothing is upstream".to_owned() }
}
