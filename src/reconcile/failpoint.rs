//! Points at which the kill tests end the process, or something happens meanwhile. Without the cargo feature `failpoints` they
//! are nothing.

/// Aborts the process if the environment variable `REPIN_FAILPOINT` names this point; where `REPIN_FAILPOINT_FILE` names a
/// file, makes that instead, and with `REPIN_FAILPOINT_WAIT` waits until somebody took it away.
#[cfg(feature = "failpoints")]
pub fn reach(name: &str) {
    if std::env::var("REPIN_FAILPOINT").is_ok_and(|wanted| wanted == name) {
        let Some(file) = std::env::var_os("REPIN_FAILPOINT_FILE") else { std::process::abort() };
        let is_made = std::fs::write(&file, name).is_ok();
        while is_made && std::env::var_os("REPIN_FAILPOINT_WAIT").is_some() && std::path::Path::new(&file).exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// Does nothing: releases have no failpoints.
#[cfg(not(feature = "failpoints"))]
pub fn reach(_name: &str) {}
