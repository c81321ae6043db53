//! Registries as users run them: real ones where they can be had, and models of the hosted ones, each quirk of which is
//! named with its source (`tests/interop/models`). What was never met is said in the README.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code)]

#[path = "interop/hosted.rs"]
mod hosted;
#[path = "interop/models.rs"]
mod models;
#[path = "interop/subjects.rs"]
mod subjects;

#[path = "interop/conformance.rs"]
mod conformance;
#[path = "interop/quirks.rs"]
mod quirks;
