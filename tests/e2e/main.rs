//! The built binary against a world: a registry behind real HTTP, a real bare repository, an empty cache.
//! One module per user story.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code)]

#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/remote.rs"]
mod remote;
mod world;

mod release;
mod rollback;
