//! What runs where, how it got there, and where a revision or a pull request is now: what `trace` shows.
//!
//! A pure view of Git's past and of what forges and registries said. What it lacks are questions; they are answered into
//! [`Facts`] and it runs again, as the decision of a cycle does. Without any answer it still tells what Git alone says.

pub mod facts;
mod place;
pub mod query;
pub mod shown;
mod wanted;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::source::Source;
use crate::plan::past::entry::Webs;
use crate::plan::past::service::Service;
use crate::plan::past::{Book, Past, Stay};
use crate::plan::trace::facts::{Answer, Facts, Question};
use crate::plan::trace::place::trace_place;
use crate::plan::trace::query::Query;
use crate::plan::trace::shown::{PlaceTrace, ReachedPlace, ServiceTrace, Target, ValueTrace};
use crate::plan::trace::wanted::{Sought, seek};
use crate::plan::{Snapshot, Subject};

/// A place with everything that stood there.
pub struct Line<'s> {
    /// The place.
    pub subject: &'s Subject,
    /// What stood there, newest first.
    pub stays: Vec<Stay>,
    /// The service that it is a place of, and the alias.
    service: (Service, String),
}

/// Gives the past of every place.
pub fn lines<'s>(snapshot: &'s Snapshot, past: &Past) -> Vec<Line<'s>> {
    let book = Book::open(snapshot, past);
    let line = |subject: &'s std::sync::Arc<Subject>| {
        let tracked = &subject.tracked;
        let service = (Service::of(subject), tracked.alias.clone());
        Line { subject, stays: book.stays(subject), service }
    };
    snapshot.subjects.iter().map(line).collect()
}

/// An answer, and what it lacks.
#[derive(Clone, Debug, Default)]
pub struct Traced {
    /// What was found, by service and alias.
    pub services: Vec<ServiceTrace>,
    /// What is known of what was asked for.
    pub target: Target,
    /// What has to be answered first, the most important first; empty = this is the answer.
    pub questions: Vec<Question>,
}

/// Everything that an answer rests on.
struct Scene<'a> {
    lines: &'a [Line<'a>],
    webs: &'a Webs,
    facts: &'a Facts,
    /// What lacks, in order and by itself.
    open: RefCell<(Vec<Question>, BTreeSet<Question>)>,
}

impl Scene<'_> {
    /// Gives an answer; without one, the question is noted.
    fn ask(&self, question: Question) -> Option<&Answer> {
        let answer = self.facts.answers.get(&question);
        if answer.is_none() {
            let (order, known) = &mut *self.open.borrow_mut();
            if known.insert(question.clone()) {
                order.push(question);
            }
        }
        answer
    }

    fn is_open(&self) -> bool {
        !self.open.borrow().0.is_empty()
    }

    /// Gives where the image of a stay comes from, and whether the registry said so.
    fn source(&self, line: &Line<'_>, stay: &Stay) -> Option<(Source, bool)> {
        if let Some(source) = stay.note.as_ref().and_then(|note| note.source.clone()) {
            return Some((source, false));
        }
        let is_now = stay.until.is_none() && self.facts.asks_registries;
        let image = line.subject.tracked.asked.clone().filter(|_| is_now)?;
        let tag = stay.tag().and_then(|tag| tag.parse().ok());
        let digest = stay.digest().map(str::to_owned);
        if tag.is_none() && digest.is_none() {
            return None;
        }
        match self.ask(Question::Labels { image, tag, digest }) {
            Some(Answer::Labels(source)) => source.clone().map(|source| (source, true)),
            _ => None,
        }
    }
}

/// Answers a question of a person, as far as the facts go.
pub fn trace(lines: &[Line<'_>], webs: &Webs, query: &Query, facts: &Facts) -> Traced {
    let scene = Scene { lines, webs, facts, open: RefCell::default() };
    let sought = seek(&scene, query);
    let places: Vec<(usize, PlaceTrace)> = chosen(lines, &sought)
        .into_iter()
        .filter_map(|index| Some((index, trace_place(&scene, lines.get(index)?, &sought))))
        .collect();
    let services = grouped(lines, places);
    Traced { services, target: sought.target, questions: scene.open.into_inner().0 }
}

/// Gives the places that are told of.
fn chosen(lines: &[Line<'_>], sought: &Sought) -> Vec<usize> {
    if !sought.with_siblings {
        return sought.places.iter().copied().collect();
    }
    let services: BTreeSet<&(Service, String)> =
        sought.places.iter().filter_map(|index| lines.get(*index)).map(|line| &line.service).collect();
    let is_it = |(_, line): &(usize, &Line<'_>)| services.contains(&line.service);
    lines.iter().enumerate().filter(is_it).map(|(index, _)| index).collect()
}

/// Puts places together by service and alias, those that were reached first first.
fn grouped(lines: &[Line<'_>], places: Vec<(usize, PlaceTrace)>) -> Vec<ServiceTrace> {
    let mut services: BTreeMap<&(Service, String), Vec<(usize, PlaceTrace)>> = BTreeMap::new();
    for (index, place) in places {
        let Some(line) = lines.get(index) else { continue };
        services.entry(&line.service).or_default().push((index, place));
    }
    let mut found = Vec::new();
    for ((service, alias), mut places) in services {
        let time = |place: &PlaceTrace| (place.reached.is_none(), place.reached.or(place.since));
        places.sort_by(|(_, one), (_, other)| {
            time(one)
                .cmp(&time(other))
                .then_with(|| (&one.environment, &one.file).cmp(&(&other.environment, &other.file)))
        });
        let values = values(lines, &places);
        let environments = places.into_iter().map(|(_, place)| place).collect();
        found.push(ServiceTrace { service: service.label(), alias: alias.clone(), environments, values });
    }
    found
}

/// Tells of each value that stands at one of the places when it reached each of them, in the order of time.
fn values(lines: &[Line<'_>], places: &[(usize, PlaceTrace)]) -> Vec<ValueTrace> {
    // The first time that each place held a value, by digest and by tag.
    let mut by_digest: HashMap<&str, Vec<(usize, &Stay)>> = HashMap::new();
    let mut by_tag: HashMap<&str, Vec<(usize, &Stay)>> = HashMap::new();
    let mut by_bare_tag: HashMap<&str, Vec<(usize, &Stay)>> = HashMap::new();
    for (at, (index, _)) in places.iter().enumerate() {
        for stay in lines.get(*index).into_iter().flat_map(|line| line.stays.iter().rev()) {
            if let Some(digest) = stay.digest() {
                by_digest.entry(digest).or_default().push((at, stay));
            }
            if let Some(tag) = stay.tag() {
                by_tag.entry(tag).or_default().push((at, stay));
                if stay.digest().is_none() {
                    by_bare_tag.entry(tag).or_default().push((at, stay));
                }
            }
        }
    }
    let mut told: BTreeSet<(Option<String>, Option<String>)> = BTreeSet::new();
    let mut found = Vec::new();
    for (_, place) in places {
        let is_new = told.insert((place.tag.clone(), place.digest.clone()));
        if !is_new || (place.tag.is_none() && place.digest.is_none()) {
            continue;
        }
        let tagged = |map: &HashMap<&str, Vec<(usize, &'_ Stay)>>| -> Vec<(usize, jiff::Timestamp)> {
            let of = place.tag.as_deref().and_then(|tag| map.get(tag));
            of.into_iter().flatten().map(|(at, stay)| (*at, stay.since)).collect()
        };
        let mut all = match place.digest.as_deref() {
            Some(digest) => {
                let mut all: Vec<(usize, jiff::Timestamp)> =
                    by_digest.get(digest).into_iter().flatten().map(|(at, stay)| (*at, stay.since)).collect();
                all.extend(tagged(&by_bare_tag));
                all
            }
            None => tagged(&by_tag),
        };
        all.sort_by_key(|(at, since)| (*since, *at));
        let mut seen = BTreeSet::new();
        let reached = all.into_iter().filter(|(at, _)| seen.insert(*at)).filter_map(|(at, since)| {
            let (_, place) = places.get(at)?;
            Some(ReachedPlace {
                environment: place.environment.clone(),
                application: place.application.clone(),
                time: since,
            })
        });
        found.push(ValueTrace { tag: place.tag.clone(), digest: place.digest.clone(), reached: reached.collect() });
    }
    found
}
