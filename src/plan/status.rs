//! What runs where, what comes next and what holds it: the one screen for whoever is on call, shown by `status`.
//!
//! A view of the snapshot and, where registries and forges were asked, of the decision of a cycle that writes nothing. From
//! Git alone it says the same, but for what comes next. Who brought a value is told as `history` tells it.

mod hold;
mod order;
mod window;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::model::hold::HoldKind;
use crate::model::outcome::{Outcome, OutcomeResult};
use crate::model::text::plain;
use crate::plan::gates::{HOLD, hold_of};
use crate::plan::judge::{Judgement, before_scan};
use crate::plan::locate::Site;
use crate::plan::past::service::service_of;
use crate::plan::past::{Book, By, Past, Stay};
use crate::plan::rollback::tag_of;
use crate::plan::status::hold::in_force;
pub use crate::plan::status::hold::{HoldShown, place_in_words};
use crate::plan::status::order::{Order, order};
pub use crate::plan::status::window::{ClosedWindow, WindowShown};
use crate::plan::status::window::{Windows, closed};
use crate::plan::{Snapshot, Subject, shown_key};

/// Everything that `status` shows.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Status {
    /// The services by name, each with its places, upstream environments first.
    pub services: Vec<ServiceStatus>,
    /// The freezes in force, in the order of their repositories and lines.
    pub freezes: Vec<HoldShown>,
    /// The overrides in force.
    pub overrides: Vec<HoldShown>,
    /// Why the operator stopped everything.
    pub stopped: Option<String>,
    /// The windows that are closed for places that are shown.
    pub closed: Vec<ClosedWindow>,
    /// Why repositories, or what people hold in them, could not be read, by name.
    pub unread: Vec<(String, String)>,
}

/// One service.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ServiceStatus {
    /// Its name.
    pub service: String,
    /// Its places.
    pub environments: Vec<PlaceStatus>,
}

/// One place of a service.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PlaceStatus {
    /// Environment that the rules give to the place.
    pub environment: Option<String>,
    /// `namespace/name`.
    pub application: String,
    /// The alias.
    pub alias: String,
    /// Name of the configured repository.
    pub repository: String,
    /// The file.
    pub file: Option<String>,
    /// The key path.
    pub key: Option<String>,
    /// The image without tag.
    pub image: String,
    /// The tag that stands there.
    pub tag: Option<String>,
    /// Its digest, from the file or as the commit says it.
    pub digest: Option<String>,
    /// Since when it stands there.
    pub since: Option<Timestamp>,
    /// Who brought it: `repin`, or the name of the author.
    pub by: Option<String>,
    /// The commit that brought it.
    pub commit: Option<String>,
    /// What the policy wants there instead; none where it wants what stands there, or that is not known.
    pub next: Option<Next>,
    /// What stands in the way.
    pub held: Option<Held>,
    /// Where people read its pull request.
    pub pull_request: Option<String>,
    /// Whether its windows are open; none where it has none.
    pub window: Option<WindowShown>,
    /// What became of it, for texts.
    #[serde(skip)]
    pub state: State,
}

/// A value that is to come.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Next {
    /// Its tag.
    pub tag: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
}

/// What stands in the way.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Held {
    /// The outcome's code.
    pub code: String,
    /// The reason.
    pub message: String,
    /// When it ends, if known.
    pub until: Option<Timestamp>,
}

/// What became of a place, from what a person must look at first to what nobody has to look at.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// It could not be read, or who was asked gave no answer.
    Failed,
    /// Something holds it.
    Held,
    /// A pull request is open, and a person has to merge it.
    Review,
    /// The next cycle writes it.
    Pending,
    /// What stands there was read, and nobody was asked what comes next.
    Stands,
    /// Git holds what the policy wants.
    #[default]
    Current,
}

impl State {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 6] = [Self::Failed, Self::Held, Self::Review, Self::Pending, Self::Stands, Self::Current];

    /// Gives its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Held => "held",
            Self::Review => "review",
            Self::Pending => "pending",
            Self::Stands => "stands",
            Self::Current => "current",
        }
    }

    /// Tells whether there is nothing that a person has to know of it.
    pub fn is_quiet(self) -> bool {
        match self {
            Self::Failed | Self::Held | Self::Review | Self::Pending => false,
            Self::Stands | Self::Current => true,
        }
    }

    fn of(outcome: &Outcome) -> Self {
        match outcome.result {
            OutcomeResult::Failed => Self::Failed,
            OutcomeResult::Held if outcome.code == "pull-request/open" => Self::Review,
            OutcomeResult::Held => Self::Held,
            OutcomeResult::Pending => Self::Pending,
            OutcomeResult::Current | OutcomeResult::Delivered => Self::Current,
        }
    }
}

/// What a cycle decided, one for each subject of the snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Decided<'a> {
    /// The outcomes.
    pub outcomes: &'a [Outcome],
    /// The judgements behind them.
    pub judgements: &'a [Judgement],
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// Only this service.
    pub service: Option<&'a str>,
    /// Only this environment.
    pub environment: Option<&'a str>,
}

/// Shows the places that are asked for; without a decision, what comes next is not known.
pub fn status(snapshot: &Snapshot, past: &Past, decided: Option<Decided<'_>>, wish: Wish<'_>) -> Status {
    let book = Book::open(snapshot, past);
    let order = order(snapshot);
    let is_asked = |subject: &Subject, service: &str| {
        wish.service.is_none_or(|wanted| wanted == service)
            && wish.environment.is_none_or(|wanted| subject.environment() == Some(wanted))
    };
    let mut windows = Windows::default();
    let mut services: BTreeMap<String, Vec<PlaceStatus>> = BTreeMap::new();
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        let service = service_of(subject);
        if is_asked(subject, &service) {
            let found = decided.and_then(|all| Some((all.outcomes.get(index)?, all.judgements.get(index)?)));
            services.entry(service).or_default().push(PlaceStatus {
                window: windows.state(snapshot, subject),
                ..place(snapshot, &book, subject, found)
            });
        }
    }
    let in_order = |(service, mut environments): (String, Vec<PlaceStatus>)| {
        environments.sort_by(|one, other| key(&order, one).cmp(&key(&order, other)));
        ServiceStatus { service, environments }
    };
    let services: Vec<ServiceStatus> = services.into_iter().map(in_order).collect();
    Status {
        closed: closed(&services),
        services,
        freezes: in_force(snapshot, HoldKind::Freeze),
        overrides: in_force(snapshot, HoldKind::Override),
        stopped: snapshot.stop.as_deref().map(plain),
        unread: unread(snapshot),
    }
}

fn unread(snapshot: &Snapshot) -> Vec<(String, String)> {
    let of_holds = snapshot.holds.iter().filter_map(|(name, holds)| Some((name, holds.as_ref().err()?)));
    let all = snapshot.repository_failures.iter().chain(of_holds);
    all.map(|(name, failure)| (name.clone(), plain(&format!("{}: {}", failure.code, failure.message)))).collect()
}

/// Gives the names of all services.
pub fn services(snapshot: &Snapshot) -> BTreeSet<String> {
    snapshot.subjects.iter().map(|subject| service_of(subject)).collect()
}

/// Gives the environments that rules give, and those that places are in.
pub fn environments(snapshot: &Snapshot) -> BTreeSet<&str> {
    let of_rules = snapshot.rules.iter().flat_map(|rule| [&rule.environment, &rule.of_environment]);
    let of_places = snapshot.subjects.iter().filter_map(|subject| subject.environment());
    of_rules.filter_map(Option::as_deref).chain(of_places).collect()
}

/// By what the places of a service are ordered: upstream first, what has no environment last.
fn key<'p>(order: &Order, place: &'p PlaceStatus) -> impl Ord + use<'p> {
    let environment = place.environment.as_deref();
    let rank = environment.map_or(usize::MAX, |name| order.rank(name));
    (rank, environment, place.alias.as_str(), place.application.as_str(), place.file.as_deref(), place.key.as_deref())
}

fn place(
    snapshot: &Snapshot,
    book: &Book<'_>,
    subject: &Subject,
    found: Option<(&Outcome, &Judgement)>,
) -> PlaceStatus {
    let image = &subject.tracked;
    let repository = subject.repository();
    let site = subject.located.as_ref().and_then(|located| located.site.as_ref().ok());
    let stay = book.newest(subject);
    let (state, held) = match found {
        Some((outcome, judgement)) => (State::of(outcome), held_by(outcome, judgement)),
        None => unasked(snapshot, subject),
    };
    let in_file = site.and_then(|site| site.held.digest.clone());
    PlaceStatus {
        environment: subject.environment().map(str::to_owned),
        application: image.application.label(),
        alias: image.alias.clone(),
        repository: repository.to_owned(),
        file: subject.located.as_ref().map(|located| located.file.to_string()),
        key: shown_key(subject),
        image: image.image_text.clone(),
        tag: site.and_then(Site::tag).filter(|tag| !tag.is_empty()).map(str::to_owned),
        digest: in_file.or_else(|| stay.as_ref().and_then(Stay::digest).map(str::to_owned)),
        since: stay.as_ref().map(|stay| since(snapshot, subject, stay)),
        by: stay.as_ref().map(brought_by),
        commit: stay.as_ref().map(|stay| stay.commit.id.to_string()),
        next: found.and_then(|(outcome, judgement)| next(outcome, judgement)),
        held,
        pull_request: found.and_then(|(outcome, _)| outcome.pull_request.clone()),
        window: None,
        state,
    }
}

/// Since when the value stands: the branch's own clock, as a soak counts it.
fn since(snapshot: &Snapshot, subject: &Subject, stay: &Stay) -> Timestamp {
    let standing = subject.timeline.standings.iter().find(|standing| standing.at == stay.at);
    standing.map_or(stay.since, |standing| standing.since).min(snapshot.now)
}

fn brought_by(stay: &Stay) -> String {
    match stay.by {
        By::Repin => "repin".to_owned(),
        By::Tool | By::Person => plain(&stay.commit.author_name),
    }
}

fn held_by(outcome: &Outcome, judgement: &Judgement) -> Option<Held> {
    let is_in_the_way = matches!(outcome.result, OutcomeResult::Held | OutcomeResult::Failed);
    // What is wanted is shown as what is next.
    let message = judgement.waits_for.as_ref().filter(|_| outcome.result == OutcomeResult::Held);
    let message = plain(message.unwrap_or(&outcome.message));
    is_in_the_way.then(|| Held { code: outcome.code.clone(), message, until: outcome.until })
}

/// What Git alone says.
fn unasked(snapshot: &Snapshot, subject: &Subject) -> (State, Option<Held>) {
    let Some(judgement) = before_scan(snapshot, subject) else { return kept(snapshot, subject) };
    let state = match judgement.result {
        OutcomeResult::Failed => State::Failed,
        OutcomeResult::Held => State::Held,
        OutcomeResult::Pending | OutcomeResult::Delivered | OutcomeResult::Current => State::Stands,
    };
    let held = Held { code: judgement.code, message: plain(&judgement.message), until: judgement.until };
    (state, Some(held).filter(|_| !state.is_quiet()))
}

/// What a person holds stays as it is, whatever would come next.
fn kept(snapshot: &Snapshot, subject: &Subject) -> (State, Option<Held>) {
    let wish = subject.terms().hold.as_ref().filter(|wish| wish.until.is_none_or(|until| snapshot.now < until));
    let of_wish = wish.map(|wish| (plain(&wish.reason), wish.until));
    let of_file = hold_of(snapshot, subject).filter(|hold| hold.kind == HoldKind::Hold);
    let of_file = of_file.map(|hold| (plain(&format!("hold by {}: {}", hold.actor, hold.reason)), hold.until));
    match of_wish.or(of_file) {
        Some((message, until)) => (State::Held, Some(Held { code: HOLD.to_owned(), message, until })),
        None => (State::Stands, None),
    }
}

fn next(outcome: &Outcome, judgement: &Judgement) -> Option<Next> {
    let is_there = matches!(outcome.result, OutcomeResult::Current | OutcomeResult::Delivered);
    let to = outcome.to.as_deref().filter(|to| !is_there && Some(*to) != outcome.from.as_deref())?;
    // A digest alone has no tag.
    let tag = Some(tag_of(to)).filter(|tag| !tag.is_empty() && !tag.starts_with("sha256:"));
    let written = to.find("sha256:").and_then(|at| to.get(at..));
    Some(Next { tag: tag.map(str::to_owned), digest: written.map(str::to_owned).or_else(|| judgement.digest.clone()) })
}
