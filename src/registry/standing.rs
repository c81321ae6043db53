//! Whether credentials are worth sending again: some registries lock an account after a few wrong passwords.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::credentials::Credentials;
use crate::model::names::ImageName;
use crate::registry::error::RegistryError;

/// After so many refusals in a row credentials are not sent again in the same cycle.
const MAX_REFUSALS: u32 = 3;

/// How the credentials that are in use were taken so far.
#[derive(Default)]
pub(crate) struct Standing {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    credentials: Option<Credentials>,
    is_accepted: bool,
    refusals: u32,
}

impl Standing {
    /// Begins a cycle: refused credentials get one more try.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.refusals = state.refusals.min(MAX_REFUSALS - 1);
    }

    /// Tells whether nobody has taken the credentials so far.
    pub(crate) fn is_open(&self) -> bool {
        !self.state().is_accepted
    }

    /// Gives the credentials that were used last.
    pub(crate) fn credentials(&self) -> Credentials {
        self.state().credentials.clone().unwrap_or_default()
    }

    /// Begins to use credentials.
    ///
    /// # Errors
    /// `Unauthorized` if nobody took them, as often as they may be tried.
    pub(crate) fn check(&self, image: &ImageName, credentials: &Credentials) -> Result<(), RegistryError> {
        let mut state = self.state();
        if state.credentials.as_ref() != Some(credentials) {
            *state = State { credentials: Some(credentials.clone()), ..State::default() };
        }
        if state.is_accepted || state.refusals < MAX_REFUSALS || *credentials == Credentials::Anonymous {
            return Ok(());
        }
        let detail = format!(" for {MAX_REFUSALS} other images, so they are not sent again in this cycle");
        Err(RegistryError::Unauthorized { image: image.clone(), with_credentials: true, detail })
    }

    /// Notes an answer to credentials, if they were sent.
    pub(crate) fn note_answer(&self, credentials: &Credentials, is_sent: bool) {
        let mut state = self.state();
        if is_sent && state.credentials.as_ref() == Some(credentials) {
            (state.is_accepted, state.refusals) = (true, 0);
        }
    }

    /// Notes that credentials were refused.
    pub(crate) fn note_refusal(&self, credentials: &Credentials) {
        let mut state = self.state();
        if state.credentials.as_ref() == Some(credentials) {
            state.refusals = state.refusals.saturating_add(1);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
