//! repin: image update automation for GitOps.
//!
//! The modules stand in layers, bottom first; a module imports only from lower layers, and layers 0 to 3 are pure.
//! `ARCHITECTURE.md` has the table, `tests/architecture.rs` holds it.

// Layer 0: what everything may use.
pub mod diagnostic;
pub mod secret;

// Layer 1: plain types.
pub mod model;
pub mod yaml;

// Layer 2: one meaning each, pure.
pub mod annotations;
pub mod manifest;
pub mod message;
pub mod rules;
pub mod selection;

// Layer 3: the decision, pure.
pub mod plan;
pub mod resolve;

// Layer 4: what adapters share.
pub mod cache;
pub mod credentials;
pub mod http;
pub mod telemetry;

// Layer 5: adapters; all I/O lives here.
pub mod demo_registry;
pub mod forge;
pub mod git;
pub mod registry;

// Layer 6: one cycle.
pub mod reconcile;

// Layer 7: settings and the HTTP server.
pub mod config;
pub mod server;

// Layer 8: the process.
pub mod daemon;

// Layer 9: the command line.
pub mod cli;
