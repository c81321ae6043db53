//! Gates: what keeps a wanted change back for a while. The emergency stop, holds and freezes of people, windows.
//!
//! They come after the decision what is wanted, so that everybody sees what waits. A commit is held; a pull request is
//! neither opened nor changed, and the forge does not merge it by itself. Break-glass lifts them, but for the stop and for what
//! cannot be read. Guards are none of this: nothing lifts a guard.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::hold::{HeldPlace, Hold, HoldKind, Scope};
use crate::model::interval::to_the_minute;
use crate::model::outcome::OutcomeResult;
use crate::model::rule::Delivery;
use crate::model::text::plain;
use crate::model::window::{Window, WindowState, state};
use crate::plan::judge::{Gate, Judgement};
use crate::plan::owners::Shared;
use crate::plan::past::service::service_of;
use crate::plan::{Failure, Snapshot, Subject};
use crate::rules::terms::Terms;

/// The emergency stop.
pub const STOPPED: &str = "gate/stopped";
/// An annotation, or a person for one service or Application.
pub const HOLD: &str = "gate/hold";
/// A person for more than that.
pub const FROZEN: &str = "gate/frozen";
/// Nobody knows what people hold.
pub const UNREADABLE: &str = "gate/holds-unreadable";
/// The windows.
pub const WINDOW: &str = "gate/window";

/// How windows stand, by the sets that a place has.
#[derive(Default)]
pub(super) struct Windows(BTreeMap<Vec<BTreeSet<String>>, WindowState>);

impl Windows {
    /// Gives how the windows of a place stand now; what was found out for another place with the same ones is not found out
    /// again.
    pub(super) fn state(&mut self, snapshot: &Snapshot, terms: &Terms) -> &WindowState {
        self.0.entry(terms.windows.clone()).or_insert_with(|| window_state(snapshot, terms))
    }
}

/// Gives how the windows of a place stand now.
pub fn window_state(snapshot: &Snapshot, terms: &Terms) -> WindowState {
    let known = |name: &String| snapshot.windows.get(name);
    let sets: Vec<Vec<&Window>> = terms.windows.iter().map(|set| set.iter().filter_map(known).collect()).collect();
    // A name that nobody knows opens nothing.
    if let Some(name) = terms.windows.iter().flatten().find(|name| known(name).is_none()) {
        let reason = Some(format!("there is no window `{name}` in `windows:` of repin.yaml"));
        return WindowState { is_open: false, reason, ..WindowState::default() };
    }
    state(&sets, snapshot.now)
}

/// Gives the hold or freeze that is about a place, of all repositories: they only stop. The one that lasts longest.
pub fn hold_of<'s>(snapshot: &'s Snapshot, subject: &Subject) -> Option<&'s Hold> {
    let holds = snapshot.holds.values().filter_map(|holds| holds.as_ref().ok()).flat_map(|holds| holds.iter());
    let mut found: Option<&Hold> = None;
    for hold in holds.filter(|hold| hold.kind != HoldKind::Override && hold.is_in_force(snapshot.now)) {
        let key = |hold: &Hold| (hold.kind == HoldKind::Hold, hold.until.unwrap_or(Timestamp::MAX));
        if is_about(&hold.scope, subject) && found.is_none_or(|other| key(hold) > key(other)) {
            found = Some(hold);
        }
    }
    found
}

/// Gives the break-glass entry that is about a place; only the repository that would be written can have it.
pub fn override_of<'s>(snapshot: &'s Snapshot, subject: &Subject) -> Option<&'s Hold> {
    let repository = &subject.tracked.target.as_ref()?.base.repository;
    let holds = snapshot.holds.get(repository)?.as_ref().ok()?;
    let mut all = holds.iter().filter(|hold| hold.kind == HoldKind::Override && hold.until.is_some());
    all.find(|hold| hold.is_in_force(snapshot.now) && is_about(&hold.scope, subject))
}

/// Tells whether a hold, freeze or override of this scope is about a place.
pub fn is_about(scope: &Scope, subject: &Subject) -> bool {
    let (image, service) = (&subject.tracked, service_of(subject));
    let place = HeldPlace {
        repository: subject.repository(),
        environment: subject.environment(),
        service: &service,
        namespace: &image.application.namespace,
        application: &image.application.name,
        alias: &image.alias,
    };
    scope.is_match(&place)
}

/// Says who lifted what stands in the way of which places, by position.
pub(super) fn let_through(snapshot: &Snapshot) -> BTreeMap<usize, String> {
    let has_any = snapshot
        .holds
        .values()
        .any(|holds| holds.as_ref().is_ok_and(|holds| holds.iter().any(|hold| hold.kind == HoldKind::Override)));
    if !has_any {
        return BTreeMap::new();
    }
    let in_words = |subject: &Subject| override_of(snapshot, subject).map(|hold| by_whom(hold, "break-glass"));
    let all = snapshot.subjects.iter().enumerate();
    all.filter_map(|(index, subject)| Some((index, in_words(subject)?))).collect()
}

/// Says who did it, why and until when: `freeze by paula since … until …: end of quarter`.
fn by_whom(hold: &Hold, what: &str) -> String {
    let until = hold.until.map(|until| format!(" until {}", to_the_minute(until))).unwrap_or_default();
    format!("{what} by {} since {}{until}: {}", plain(&hold.actor), to_the_minute(hold.since), plain(&hold.reason))
}

/// Holds what waits for a gate; the gate of one owner of a place is that of all.
pub(super) fn close(
    snapshot: &Snapshot,
    lifted: &BTreeMap<usize, String>,
    shared: &[Shared<'_>],
    judgements: &mut [Judgement],
) {
    let mut windows = Windows::default();
    let is_pending = |judgement: Option<&Judgement>| judgement.is_some_and(|one| one.result == OutcomeResult::Pending);
    let mut gates: BTreeMap<usize, Gate> = BTreeMap::new();
    for (index, subject) in snapshot.subjects.iter().enumerate() {
        let Some(judgement) = judgements.get_mut(index).filter(|one| is_pending(Some(one))) else { continue };
        let (found, lift) = (all_gates(snapshot, subject, &mut windows), lifted.get(&index));
        match (strictest(&found, lift.is_some()), lift) {
            (Some(gate), _) => drop(gates.insert(index, gate.clone())),
            (None, Some(lift)) => found.iter().for_each(|gate| judgement.lift(lift, gate.code)),
            (None, None) => {}
        }
    }
    for Shared { owners, .. } in shared {
        let strictest = owners.iter().filter_map(|index| gates.get(index)).min_by_key(|gate| rank(gate.code)).cloned();
        let Some(strictest) = strictest else { continue };
        for index in owners.iter().filter(|index| is_pending(judgements.get(**index))) {
            gates.insert(*index, strictest.clone());
        }
    }
    for (index, gate) in gates {
        let Some(judgement) = judgements.get_mut(index) else { continue };
        let stays_open =
            judgement.delivery == Delivery::PullRequest && matches!(gate.code, FROZEN | UNREADABLE | WINDOW);
        if stays_open {
            judgement.gate = Some(gate);
        } else {
            judgement.wait(gate);
        }
    }
}

/// Gives the strictest of the gates that a person did not lift. Nobody lifts what stops everything: the operator's stop, and a
/// file of which nobody knows what it holds.
fn strictest(gates: &[Gate], is_lifted: bool) -> Option<&Gate> {
    gates.iter().find(|gate| !is_lifted || matches!(gate.code, STOPPED | UNREADABLE))
}

/// The stricter the earlier.
fn rank(code: &str) -> usize {
    [STOPPED, HOLD, UNREADABLE, FROZEN, WINDOW].iter().position(|one| *one == code).unwrap_or(usize::MAX)
}

impl Judgement {
    /// Lets through what would have waited, and keeps in mind who did that, for the commit and the log.
    pub(super) fn lift(&mut self, lift: &str, code: &str) {
        if self.result != OutcomeResult::Pending {
            return;
        }
        // All that one push brings and what it brings to one environment are one limit.
        if self.let_through.as_ref().is_some_and(|told| told.contains(code)) {
            return;
        }
        self.let_through = Some(match self.let_through.take() {
            Some(told) => format!("{}, {code})", told.strip_suffix(')').unwrap_or(&told)),
            None => {
                self.message = format!("{}; {lift}", self.message);
                format!("{lift} (lifts {code})")
            }
        });
    }

    /// Has a wanted change wait.
    pub(super) fn wait(&mut self, gate: Gate) {
        self.result = OutcomeResult::Held;
        self.code = gate.code.to_owned();
        self.message = format!("{}; {}", self.message, gate.message);
        self.waits_for = Some(gate.message);
        self.until = gate.until;
    }
}

/// Says what keeps a place back now, the strictest first.
fn all_gates(snapshot: &Snapshot, subject: &Subject, windows: &mut Windows) -> Vec<Gate> {
    let (terms, mut gates) = (subject.terms(), Vec::new());
    if let Some(reason) = &snapshot.stop {
        return vec![Gate { code: STOPPED, message: format!("everything is stopped: {}", plain(reason)), until: None }];
    }
    if let Some(hold) = terms.hold.as_ref().filter(|hold| hold.until.is_none_or(|until| snapshot.now < until)) {
        let until = hold.until.map(|until| format!(" until {}", to_the_minute(until)));
        let message = format!("the annotation `hold` holds it{}: {}", until.unwrap_or_default(), plain(&hold.reason));
        gates.push(Gate { code: HOLD, message, until: hold.until });
    }
    let found = hold_of(snapshot, subject);
    if let Some(hold) = found.filter(|hold| hold.kind == HoldKind::Hold) {
        gates.push(Gate { code: HOLD, message: by_whom(hold, "hold"), until: hold.until });
    }
    // Freezes count wherever they stand, so nobody knows what one that cannot be read is about.
    let unreadable = |(repository, holds): (&'_ String, &'_ Result<_, Failure>)| {
        holds.as_ref().err().map(|failure| (repository.clone(), failure.message.clone()))
    };
    if let Some((repository, failure)) = snapshot.holds.iter().find_map(unreadable) {
        let message = format!("what people hold in `{repository}` cannot be read: {failure}");
        gates.push(Gate { code: UNREADABLE, message, until: None });
    }
    if let Some(hold) = found.filter(|hold| hold.kind == HoldKind::Freeze) {
        gates.push(Gate { code: FROZEN, message: by_whom(hold, "freeze"), until: hold.until });
    }
    if !terms.windows.is_empty() {
        let state = windows.state(snapshot, terms);
        if !state.is_open {
            gates.push(Gate { code: WINDOW, message: closed(state), until: state.next_open });
        }
    }
    gates
}

/// Tells whether a gate keeps a place back now, whatever is wanted there.
pub(super) fn is_closed(snapshot: &Snapshot, subject: &Subject) -> bool {
    let gates = all_gates(snapshot, subject, &mut Windows::default());
    strictest(&gates, override_of(snapshot, subject).is_some()).is_some()
}

/// Says of closed windows why, and when they open and close next.
fn closed(state: &WindowState) -> String {
    let time = |time: Option<Timestamp>| time.map(to_the_minute);
    let reason = state.reason.as_deref().unwrap_or("no window is open");
    let open = time(state.next_open)
        .map_or_else(|| "; it does not open within two years".to_owned(), |open| format!("; opens {open}"));
    let close = time(state.next_close).map(|close| format!(", closes {close}")).unwrap_or_default();
    format!("closed: {reason}{open}{close}")
}
