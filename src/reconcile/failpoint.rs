//! Points at which the kill tests end the process. Without the cargo feature `failpoints` they are nothing.

/// Aborts the process if the environment variable `REPIN_FAILPOINT` names this point.
#[cfg(feature = "failpoints")]
pub fn reach(name: &str) {
    if std::env::var("REPIN_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

/// Does nothing: releases have no failpoints.
#[cfg(not(feature = "failpoints"))]
pub fn reach(_name: &str) {}
