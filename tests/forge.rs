//! Forges: the models that stories run on, and the adapter on all of them.
//!
//! The models are asked over plain HTTP first, so that a story never passes for a model's mistake; then one table of checks
//! runs the adapter on every kind. Requests and answers are held against the vendors' documents where these are installed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub, dead_code)]

#[path = "support/forge.rs"]
mod fake;
#[path = "support/remote.rs"]
mod remote;

#[path = "forge/adapter.rs"]
mod adapter;
#[path = "forge/contract.rs"]
mod contract;
#[path = "forge/ground.rs"]
mod ground;
#[path = "forge/models.rs"]
mod models;
#[path = "forge/peers.rs"]
mod peers;
#[path = "forge/raw.rs"]
mod raw;
