//! Windows as people read them: whether a place may be written now, and when that changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::model::text::plain;
use crate::plan::gates::window_state;
use crate::plan::status::ServiceStatus;
use crate::plan::{Snapshot, Subject};

/// Whether something may be written at a place now.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct WindowShown {
    /// It may.
    pub open: bool,
    /// Which window closes it, or what none of the windows opens; none while it is open.
    pub reason: Option<String>,
    /// When it opens next, if that is known.
    pub next_open: Option<Timestamp>,
    /// When it closes next, if that is known.
    pub next_close: Option<Timestamp>,
}

/// Windows that are closed, and for which environments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClosedWindow {
    /// Why, and until when.
    pub window: WindowShown,
    /// The environments of the places; none = those without one.
    pub environments: BTreeSet<Option<String>>,
    /// How many places it closes.
    pub places: usize,
}

/// How windows stand, by the sets that a place has: many places have the same ones.
#[derive(Default)]
pub(super) struct Windows(BTreeMap<Vec<BTreeSet<String>>, WindowShown>);

impl Windows {
    /// Gives the state of the windows of a place; none where it has none.
    pub(super) fn state(&mut self, snapshot: &Snapshot, subject: &Subject) -> Option<WindowShown> {
        let terms = subject.terms();
        if terms.windows.is_empty() {
            return None;
        }
        let shown = self.0.entry(terms.windows.clone()).or_insert_with(|| {
            let state = window_state(snapshot, terms);
            WindowShown {
                open: state.is_open,
                reason: state.reason.as_deref().map(plain),
                next_open: state.next_open,
                next_close: state.next_close,
            }
        });
        Some(shown.clone())
    }
}

/// Gives the windows that are closed, each once.
pub(super) fn closed(services: &[ServiceStatus]) -> Vec<ClosedWindow> {
    let mut found: BTreeMap<&WindowShown, (BTreeSet<Option<String>>, usize)> = BTreeMap::new();
    for place in services.iter().flat_map(|service| &service.environments) {
        let Some(window) = place.window.as_ref().filter(|window| !window.open) else { continue };
        let (environments, places) = found.entry(window).or_default();
        environments.insert(place.environment.clone());
        *places += 1;
    }
    let one = |(window, (environments, places)): (&WindowShown, _)| ClosedWindow {
        window: window.clone(),
        environments,
        places,
    };
    found.into_iter().map(one).collect()
}
