//! Whether credentials are worth sending again: some registries lock an account after a few wrong passwords.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::credentials::Credentials;
use crate::model::names::ImageName;
use crate::registry::error::RegistryError;

/// After so many refusals in a row credentials are not sent again in the same cycle.
const MAX_REFUSALS: u32 = 3;

/// How many credentials are told apart: a docker file may have others for each repository.
const MAX_KEPT: usize = 64;

/// How credentials were taken so far.
#[derive(Default)]
pub(crate) struct Standing {
    /// Last used last.
    state: Mutex<Vec<State>>,
}

struct State {
    credentials: Credentials,
    is_accepted: bool,
    refusals: u32,
}

impl Standing {
    /// Begins a cycle: refused credentials get one more try.
    pub(crate) fn begin(&self) {
        for state in self.state().iter_mut() {
            state.refusals = state.refusals.min(MAX_REFUSALS - 1);
        }
    }

    /// Tells whether nobody has taken these credentials so far.
    pub(crate) fn is_open(&self, credentials: &Credentials) -> bool {
        !self.state().iter().any(|state| state.credentials == *credentials && state.is_accepted)
    }

    /// Gives the credentials that were used last.
    pub(crate) fn credentials(&self) -> Credentials {
        self.state().last().map(|state| state.credentials.clone()).unwrap_or_default()
    }

    /// Begins to use credentials.
    ///
    /// # Errors
    /// `Unauthorized` if nobody took them, as often as they may be tried.
    pub(crate) fn check(&self, image: &ImageName, credentials: &Credentials) -> Result<(), RegistryError> {
        let mut all = self.state();
        let known = all.iter().position(|state| state.credentials == *credentials);
        let state = match known {
            Some(at) => all.remove(at),
            None => State { credentials: credentials.clone(), is_accepted: false, refusals: 0 },
        };
        let is_worth_it = state.is_accepted || state.refusals < MAX_REFUSALS || *credentials == Credentials::Anonymous;
        if all.len() >= MAX_KEPT {
            all.remove(0);
        }
        all.push(state);
        if is_worth_it {
            return Ok(());
        }
        let detail = format!(" for {MAX_REFUSALS} other images, so they are not sent again in this cycle");
        Err(RegistryError::Unauthorized { image: image.clone(), with_credentials: true, detail })
    }

    /// Notes an answer to credentials, if they were sent.
    pub(crate) fn note_answer(&self, credentials: &Credentials, is_sent: bool) {
        let mut all = self.state();
        let known = all.iter_mut().find(|state| state.credentials == *credentials);
        if let Some(state) = known.filter(|_| is_sent) {
            (state.is_accepted, state.refusals) = (true, 0);
        }
    }

    /// Notes that credentials were refused.
    pub(crate) fn note_refusal(&self, credentials: &Credentials) {
        let mut all = self.state();
        if let Some(state) = all.iter_mut().find(|state| state.credentials == *credentials) {
            state.refusals = state.refusals.saturating_add(1);
        }
    }

    fn state(&self) -> MutexGuard<'_, Vec<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::secret::Secret;

    #[test]
    fn each_password_is_tried_three_times_whatever_others_are_used_between() {
        let image: ImageName = "r.example/a".parse().unwrap();
        let token = |text: &str| Credentials::Token(Secret::new(text));
        let (standing, wrong, right) = (Standing::default(), token("wrong"), token("right"));
        for _ in 0..3 {
            standing.check(&image, &wrong).unwrap();
            standing.note_refusal(&wrong);
            standing.check(&image, &right).unwrap();
            standing.note_answer(&right, true);
        }
        assert!(standing.check(&image, &wrong).is_err() && standing.is_open(&wrong));
        standing.note_refusal(&right);
        assert!(standing.check(&image, &right).is_ok() && !standing.is_open(&right));
        standing.begin();
        standing.check(&image, &wrong).unwrap();
        standing.note_refusal(&wrong);
        assert!(standing.check(&image, &wrong).is_err());
        // Nobody is locked out for asking as nobody.
        for _ in 0..9 {
            standing.check(&image, &Credentials::Anonymous).unwrap();
            standing.note_refusal(&Credentials::Anonymous);
        }
    }
}
