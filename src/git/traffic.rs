//! How often this process talked to remotes, and what it read from their mirrors.
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

/// Objects that were read from mirrors, by what they were read for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Reads {
    /// Directories of heads.
    pub trees: u64,
    /// Directories of commits that were compared with those before, to tell what came when.
    pub compared: u64,
    /// Contents of files.
    pub blobs: u64,
}

static ADVERTISEMENTS: AtomicU64 = AtomicU64::new(0);
static FETCHES: AtomicU64 = AtomicU64::new(0);
static PUSHES: AtomicU64 = AtomicU64::new(0);
static TREES: AtomicU64 = AtomicU64::new(0);
static COMPARED: AtomicU64 = AtomicU64::new(0);
static BLOBS: AtomicU64 = AtomicU64::new(0);

/// Gives what this process has asked remotes for since it began.
pub fn traffic() -> Traffic {
    Traffic { advertisements: count(&ADVERTISEMENTS), fetches: count(&FETCHES), pushes: count(&PUSHES) }
}

/// Gives what this process has read from mirrors since it began.
pub fn reads() -> Reads {
    Reads { trees: count(&TREES), compared: count(&COMPARED), blobs: count(&BLOBS) }
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
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

pub(in crate::git) fn count_tree() {
    TREES.fetch_add(1, Ordering::Relaxed);
}

pub(in crate::git) fn count_compared() {
    COMPARED.fetch_add(1, Ordering::Relaxed);
}

pub(in crate::git) fn count_blob() {
    BLOBS.fetch_add(1, Ordering::Relaxed);
}
