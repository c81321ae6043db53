//! The built binary against a world: a registry behind real HTTP, a real bare repository, an empty cache.
//! One module per user story. The registry is a fake one that can misbehave, or the real docker-registry of Debian.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code)]

#[path = "../support/docker_registry.rs"]
mod docker_registry;
#[path = "../support/forge.rs"]
mod forge;
#[path = "../support/git_http.rs"]
mod git_http;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/registry.rs"]
mod registry;
#[path = "../support/remote.rs"]
mod remote;
#[path = "../support/signing.rs"]
mod signing;
#[path = "../support/sshd.rs"]
mod sshd;

mod age;
mod annotations;
mod any_registry;
mod applicationsets;
mod argocd;
mod auto;
mod branches;
mod budget;
mod check;
mod commits;
mod contention;
mod contract;
mod daemon;
mod environments;
mod explain;
mod files;
mod flux;
mod git_faults;
mod going_back;
mod history;
mod holds;
mod images;
mod intervals;
mod kill;
mod kustomize;
mod login_check;
mod logins;
mod manifests;
mod moves;
mod orders;
mod overlays;
mod pins;
mod policy_test;
mod pulls;
mod race;
mod reading;
mod real_registry;
mod registry_faults;
mod release;
mod rollback;
mod rules;
mod running;
mod selection;
mod set;
mod settings;
mod settling;
mod signatures;
mod sources;
mod status;
mod table;
mod tags;
mod taken_back;
mod targets;
mod trace;
mod transports;
mod webhooks;
mod world;
