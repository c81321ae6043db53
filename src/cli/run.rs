//! `repin run`: the daemon.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{CONFIGURATION, FAILED, FINE, Global, render, usage_problem};
use crate::config;
use crate::daemon::{self, DaemonError};
use crate::diagnostic::Diagnostic;

/// Exit 0 after SIGTERM or SIGINT, 1 if a part ended by itself, 3 if the configuration cannot be used.
pub(super) async fn run(global: &Global, emergency: Option<String>) -> u8 {
    let path = config::locate(global.config.as_deref());
    let known = config::fingerprint(&path);
    let settings = match global.settings("run") {
        Ok((settings, warnings)) => {
            daemon::log_problems(&warnings);
            settings
        }
        Err(code) => return code,
    };
    let (mut term, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(term), Ok(interrupt)) => (term, interrupt),
        (Err(error), _) | (_, Err(error)) => {
            render::talk(&format!("error: signals cannot be received: {error}\n"));
            return FAILED;
        }
    };
    let stop = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what has begun to write finishes");
    };
    match daemon::run(path, known, settings, emergency, Arc::default(), stop).await {
        Ok(()) => FINE,
        Err(DaemonError::Registry(error)) => {
            global.refuse("run", &[usage_problem(error.code(), error.to_string(), error.hint())]);
            CONFIGURATION
        }
        Err(error) => {
            tracing::error!("{error}");
            FAILED
        }
    }
}
