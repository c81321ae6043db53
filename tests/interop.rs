//! Registries as users run them: real ones where they can be had, and models of the hosted ones, each quirk of which is
//! named with its source (`tests/interop/models`). What was never met is said in the README.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code)]

#[allow(unused_imports, unused_macros)]
#[path = "e2e/any_registry.rs"]
mod any_registry;
#[path = "support/docker_registry.rs"]
mod docker_registry;
#[path = "support/git_http.rs"]
mod git_http;
#[path = "support/haproxy.rs"]
mod haproxy;
#[path = "support/pulp.rs"]
mod pulp;
#[path = "support/registry.rs"]
mod registry;
#[path = "support/remote.rs"]
mod remote;
#[path = "e2e/running.rs"]
mod running;
#[path = "support/sshd.rs"]
mod sshd;
#[path = "e2e/world.rs"]
mod world;

#[path = "interop/hosted.rs"]
mod hosted;
#[path = "interop/models.rs"]
mod models;
#[path = "interop/subjects.rs"]
mod subjects;

#[path = "interop/bearer.rs"]
mod bearer;
#[path = "interop/conformance.rs"]
mod conformance;
#[path = "interop/faults.rs"]
mod faults;
#[path = "interop/pulp.rs"]
mod on_pulp;
#[path = "interop/quirks.rs"]
mod quirks;
