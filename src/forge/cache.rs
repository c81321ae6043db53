//! Answers that are kept to be asked for conditionally (RFC 9110, section 13).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// The most that all kept answers take.
const MOST_BYTES: usize = 48 * 1024 * 1024;
/// The most answers that are kept.
const MOST_ANSWERS: usize = 1000;

/// An answer that the forge can say is still the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Kept {
    /// What it is asked with: name and value of the header.
    pub(super) validator: Validator,
    /// The body.
    pub(super) body: Bytes,
    /// Target of the link to the next page, as written.
    pub(super) next: Option<String>,
}

/// What tells whether an answer is still the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Validator {
    /// An entity tag, for `If-None-Match`.
    Tag(String),
    /// A date, for `If-Modified-Since`.
    Date(String),
}

/// The answers of one forge by URL, those longest not used given up first.
#[derive(Default)]
pub(super) struct Cache(Mutex<State>);

#[derive(Default)]
struct State {
    kept: HashMap<String, (u64, Kept)>,
    bytes: usize,
    clock: u64,
}

impl Cache {
    /// Gives what is kept for a URL.
    pub(super) fn get(&self, url: &str) -> Option<Kept> {
        let mut state = self.state();
        state.clock += 1;
        let clock = state.clock;
        let (used, kept) = state.kept.get_mut(url)?;
        *used = clock;
        Some(kept.clone())
    }

    /// Keeps an answer; one that is larger than a quarter of the room is not kept.
    pub(super) fn put(&self, url: &str, kept: Kept) {
        let mut state = self.state();
        state.remove(url);
        if kept.body.len() > MOST_BYTES / 4 {
            return;
        }
        state.clock += 1;
        state.bytes += kept.body.len();
        let clock = state.clock;
        state.kept.insert(url.to_owned(), (clock, kept));
        while state.bytes > MOST_BYTES || state.kept.len() > MOST_ANSWERS {
            let oldest = state.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(url, _)| url.clone());
            match oldest {
                Some(oldest) => state.remove(&oldest),
                None => return,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, url: &str) {
        if let Some((_, gone)) = self.kept.remove(url) {
            self.bytes -= gone.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(len: usize) -> Kept {
        Kept { validator: Validator::Tag("\"1\"".to_owned()), body: vec![b' '; len].into(), next: None }
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let cache = Cache::default();
        for at in 0..8 {
            cache.put(&format!("u{at}"), kept(MOST_BYTES / 8));
        }
        assert!(cache.get("u0").is_some());
        cache.put("new", kept(MOST_BYTES / 8));
        let left: Vec<bool> = ["u0", "u1", "u2", "new"].iter().map(|url| cache.get(url).is_some()).collect();
        assert_eq!(left, [true, false, true, true]);
        cache.put("huge", kept(MOST_BYTES / 4 + 1));
        assert!(cache.get("huge").is_none() && cache.get("new").is_some());
        for at in 0..2 * MOST_ANSWERS {
            cache.put(&format!("small{at}"), kept(1));
        }
        assert_eq!(cache.state().kept.len(), MOST_ANSWERS);
        cache.put("small1999", kept(5));
        assert_eq!(cache.state().bytes, MOST_ANSWERS + 4);
    }
}
