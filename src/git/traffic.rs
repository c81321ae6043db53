//! How often this process talked to remotes.
//!
//! One number for all mirrors, as a metric wants it; a mirror that is made again loses nothing of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Conversations with remotes, by what they were for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Traffic {
    /// Connections that asked where branches are; each fetch begins with one.
    pub advertisements: u64,
    /// Packs that were fetched.
    pub fetches: u64,
    /// Connections that sent commits, successful or not.
    pub pushes: u64,
}

static ADVERTISEMENTS: AtomicU64 = AtomicU64::new(0);
static FETCHES: AtomicU64 = AtomicU64::new(0);
static PUSHES: AtomicU64 = AtomicU64::new(0);

/// Gives what this process has asked remotes for since it began.
pub fn traffic() -> Traffic {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Traffic { advertisements: read(&ADVERTISEMENTS), fetches: read(&FETCHES), pushes: read(&PUSHES) }
}

pub(in crate::git) fn count_advertisement() {
    ADVERTISEMENTS.fetch_add(1, Ordering::Relaxed);
}

pub(in crate::git) fn count_fetch() {
    FETCHES.fetch_add(1, Ordering::Relaxed);
}

pub(in crate::git) fn count_push() {
    PUSHES.fetch_add(1, Ordering::Relaxed);
}
