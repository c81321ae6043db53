//! What people read in Git and on forges: pull requests in full text, texts of strangers in them, and what is read back of
//! trailers and hidden markers whatever became of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "texts/attacks.rs"]
mod attacks;
#[path = "texts/mutate.rs"]
mod mutate;
#[path = "texts/samples.rs"]
mod samples;
#[path = "texts/snapshots.rs"]
mod snapshots;
