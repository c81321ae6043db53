//! Named parts that run for ever under one cancellation, and their end.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::daemon::DaemonError;

/// The parts of the process.
#[derive(Debug, Default)]
pub(super) struct Parts {
    parts: JoinSet<()>,
    names: std::collections::HashMap<tokio::task::Id, &'static str>,
}

impl Parts {
    /// Starts a part. It returns soon after its token is cancelled, and not before.
    pub(super) fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let handle = self.parts.spawn(part);
        self.names.insert(handle.id(), name);
    }

    /// Runs until `signal`, or until a part ends by itself; then stops the rest within `grace`.
    pub(super) async fn run(
        mut self,
        cancel: CancellationToken,
        signal: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<(), DaemonError> {
        let ended = tokio::select! {
            () = signal => None,
            Some(part) = self.parts.join_next_with_id() => Some(match part {
                Ok((id, ())) => id,
                Err(failed) => failed.id(),
            }),
        };
        cancel.cancel();
        let stopped = tokio::time::timeout(grace, async { while self.parts.join_next().await.is_some() {} }).await;
        match (ended, stopped) {
            (Some(id), _) => Err(DaemonError::PartEnded { part: self.names.get(&id).copied().unwrap_or("unknown") }),
            (None, Err(_)) => Err(DaemonError::GraceExceeded { left: self.parts.len(), grace }),
            (None, Ok(())) => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::daemon::GRACE;

    #[tokio::test(start_paused = true)]
    async fn work_in_flight_finishes_before_the_process_stops() {
        let cancel = CancellationToken::new();
        let is_pushed = Arc::new(AtomicBool::new(false));
        let mut parts = Parts::default();
        let (token, done) = (cancel.clone(), is_pushed.clone());
        parts.start("scheduler", async move {
            token.cancelled().await;
            tokio::time::sleep(Duration::from_secs(5)).await;
            done.store(true, Ordering::SeqCst);
        });
        parts.run(cancel, async {}, GRACE).await.unwrap();
        assert!(is_pushed.load(Ordering::SeqCst));
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_ends_or_panics_stops_the_process_and_is_named() {
        for panics in [false, true] {
            let cancel = CancellationToken::new();
            let mut parts = Parts::default();
            parts.start("server", async move { assert!(!panics, "on purpose") });
            let token = cancel.clone();
            parts.start("scheduler", async move { token.cancelled().await });
            let error = parts.run(cancel, std::future::pending(), GRACE).await.unwrap_err();
            assert!(error.to_string().contains("`server`"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_stop_in_time_is_left_behind_and_said() {
        let mut parts = Parts::default();
        parts.start("scheduler", std::future::pending());
        let error = parts.run(CancellationToken::new(), async {}, GRACE).await.unwrap_err();
        assert!(error.to_string().contains("1 part(s)"), "{error}");
    }
}
