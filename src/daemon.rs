//! The process: named parts under one cancellation token, the schedule, reload and shutdown.
//!
//! A part that ends by itself ends the process with an error that names it. SIGTERM and SIGINT let a push in flight
//! finish, 25 seconds at most.

mod agenda;

use std::collections::HashSet;
use std::future::Future;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::config::settings::Settings;
use crate::config::{self, Fingerprint, options};
use crate::daemon::agenda::Agenda;
use crate::model::outcome::OutcomeResult;
use crate::model::problem::{Problem, Severity};
use crate::reconcile::{CycleReport, Mode, Reconciler};
use crate::server::{self, Status};
use crate::telemetry::{Counts, CycleFigures, GitFigures, RegistryFigures};

/// How long a push in flight may take after SIGTERM.
const GRACE: Duration = Duration::from_secs(25);
/// How often the configuration file is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Why the daemon stopped.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The HTTP server's address cannot be bound.
    #[error("cannot listen on {address}: {source}; change `server.listen`, or set it to null")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A registry's settings cannot be used.
    #[error("{0}")]
    Registry(#[from] crate::registry::RegistryError),
    /// A part that should run for ever came to its end, or panicked.
    #[error("the part `{part}` ended by itself; stopping, so that whoever supervises this process starts it again")]
    PartEnded {
        /// Name of the part.
        part: &'static str,
    },
    /// Work in flight did not finish within the grace period.
    #[error("gave up waiting for {left} part(s) after {grace:?}; the next start continues their work")]
    GraceExceeded {
        /// Parts still running.
        left: usize,
        /// How long we waited.
        grace: Duration,
    },
}

/// Runs the daemon until `signal`; `status` shows what it does, to the HTTP server and to the caller. `known` is the
/// fingerprint of the configuration from before it was loaded: a change since then is taken over.
///
/// # Errors
/// Any [`DaemonError`].
pub async fn run(
    path: PathBuf,
    known: Option<Fingerprint>,
    settings: Settings,
    status: Arc<Status>,
    signal: impl Future<Output = ()>,
) -> Result<(), DaemonError> {
    let cancel = CancellationToken::new();
    let reconciler = Reconciler::new(options::reconcile(&settings, &path))?;
    let mut parts = Parts::default();
    let listener = match settings.server.listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    info!(repositories = settings.repositories.len(), schedule = %settings.schedule, "repin {} runs", env!("CARGO_PKG_VERSION"));
    let (sender, receiver) = watch::channel(Arc::new(settings));
    parts.start("server", serve(listener, receiver.clone(), status.clone(), cancel.clone()));
    parts.start("configuration", watch_configuration(path.clone(), known, sender, status.clone(), cancel.clone()));
    parts.start("scheduler", schedule(reconciler, path, receiver, status, cancel.clone()));
    parts.run(cancel, signal, GRACE).await
}

async fn listen(address: SocketAddr) -> Result<TcpListener, DaemonError> {
    let listener = server::bind(address).await.map_err(|source| DaemonError::Listen { address, source })?;
    let bound = listener.local_addr().unwrap_or(address);
    info!(address = %bound, "listening on http://{bound}");
    Ok(listener)
}

/// Serves where the configuration says, also after it changed; an address that cannot be bound leaves the old one.
async fn serve(
    mut listener: Option<TcpListener>,
    mut settings: watch::Receiver<Arc<Settings>>,
    status: Arc<Status>,
    cancel: CancellationToken,
) {
    let mut address = settings.borrow_and_update().server.listen;
    loop {
        let stop = cancel.child_token();
        let (current, status, token) = (listener.take(), status.clone(), stop.clone());
        let served = async move {
            match current {
                Some(listener) => server::serve(listener, status, token).await,
                None => {
                    token.cancelled().await;
                    Ok(())
                }
            }
        };
        tokio::pin!(served);
        let next = loop {
            tokio::select! {
                result = &mut served => {
                    if let Err(error) = result {
                        error!("the server failed: {error}");
                    }
                    return;
                }
                changed = settings.changed() => {
                    let wanted = settings.borrow_and_update().server.listen;
                    if changed.is_err() {
                        // The part that reads the configuration is gone, and the process ends.
                        cancel.cancelled().await;
                    } else if wanted != address {
                        match wanted {
                            None => break None,
                            Some(new) => match listen(new).await {
                                Ok(bound) => break Some((new, bound)),
                                Err(error) => error!("{error}; the server stays where it is"),
                            },
                        }
                    }
                }
            }
        };
        stop.cancel();
        if let Err(error) = served.await {
            error!("the server failed: {error}");
        }
        (address, listener) = next.map_or((None, None), |(new, bound)| (Some(new), Some(bound)));
    }
}

/// The parts of the process.
#[derive(Debug, Default)]
struct Parts {
    parts: JoinSet<()>,
    names: std::collections::HashMap<tokio::task::Id, &'static str>,
}

impl Parts {
    /// Starts a part. It returns soon after its token is cancelled, and not before.
    fn start(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        let handle = self.parts.spawn(part);
        self.names.insert(handle.id(), name);
    }

    /// Runs until `signal`, or until a part ends by itself; then stops the rest within `grace`.
    async fn run(
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

/// Looks at the file and the secrets it names, and takes a good change over; after a bad one the running configuration
/// stays in force.
async fn watch_configuration(
    path: PathBuf,
    mut known: Option<Fingerprint>,
    sender: watch::Sender<Arc<Settings>>,
    status: Arc<Status>,
    cancel: CancellationToken,
) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let found = fingerprint(&path).await;
        if found == known {
            continue;
        }
        known = found;
        let file = path.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&file)).await;
        match loaded {
            Ok(Ok((settings, warnings))) => {
                log_problems(&warnings);
                let log_differs = sender.borrow().log != settings.log;
                if log_differs {
                    warn!("changes of `log` take effect with the next start");
                }
                sender.send_replace(Arc::new(settings));
            }
            Ok(Err(problems)) => {
                log_problems(&problems);
                error!(file = %path.display(), "the changed configuration is refused; the running one stays in force");
                status.metrics.reload(false);
            }
            Err(error) => error!("the configuration could not be read: {error}"),
        }
    }
}

async fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || config::fingerprint(&path)).await.ok().flatten()
}

/// Runs a cycle whenever something is due, the first one at once. A cycle that has begun to write finishes.
async fn schedule(
    mut reconciler: Reconciler,
    path: PathBuf,
    mut settings: watch::Receiver<Arc<Settings>>,
    status: Arc<Status>,
    cancel: CancellationToken,
) {
    let mut last = Last::default();
    let mut agenda = Agenda::new(&settings.borrow_and_update());
    loop {
        let (started, now) = (Instant::now(), Timestamp::now());
        let report = reconciler.cycle(now, &Mode::Deliver, &agenda.due(now), &cancel).await;
        if cancel.is_cancelled() && report.outcomes.is_empty() {
            return;
        }
        publish(&report, started.elapsed(), &status);
        last.log(&report);
        agenda.ran(now, report.has_failed(), random);
        loop {
            // The clock may be set, and the machine may sleep.
            let rest = agenda.rest(Timestamp::now());
            tokio::select! {
                // In this order: cycles that take longer than the schedule must not put a change off.
                biased;
                () = cancel.cancelled() => return,
                changed = settings.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let current = settings.borrow_and_update().clone();
                    match reconciler.replace(options::reconcile(&current, &path)) {
                        Ok(()) => {
                            info!("the configuration changed and is taken over");
                            status.metrics.reload(true);
                            agenda.replace(&current);
                        }
                        Err(error) => {
                            error!("the changed configuration is refused: {error}; the running one stays in force");
                            status.metrics.reload(false);
                        }
                    }
                }
                () = tokio::time::sleep(rest.min(LOOK)) => {}
            }
            if agenda.rest(Timestamp::now()).is_zero() {
                break;
            }
        }
        if cancel.is_cancelled() {
            return;
        }
    }
}

/// Any number: the keys of a hash map are random.
fn random() -> u32 {
    u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default()
}

fn publish(report: &CycleReport, duration: Duration, status: &Status) {
    let count = |result| report.outcomes.iter().filter(|outcome| outcome.result == result).count() as u64;
    let counts = Counts {
        current: count(OutcomeResult::Current),
        delivered: count(OutcomeResult::Delivered),
        held: count(OutcomeResult::Held),
        failed: count(OutcomeResult::Failed),
    };
    let git = crate::git::traffic();
    status.metrics.cycle(&CycleFigures {
        counts,
        problems: report.problems.iter().filter(|problem| problem.severity == Severity::Error).count() as u64,
        unread_repositories: report.unread_repositories as u64,
        registry_requests: report.registry_requests,
        git: GitFigures { advertisements: git.advertisements, fetches: git.fetches, pushes: git.pushes },
        duration,
        ended_seconds: Timestamp::now().as_second(),
    });
    let registries = report.registries.iter().map(|(registry, traffic)| RegistryFigures {
        registry: registry.clone(),
        throttled: traffic.throttled,
        backoff: traffic.pause,
    });
    status.metrics.registries(registries);
    status.is_ready.store(true, Ordering::Relaxed);
    info!(
        current = counts.current,
        delivered = counts.delivered,
        held = counts.held,
        failed = counts.failed,
        problems = report.problems.len(),
        unparsed_templates = report.unparsed_templates,
        duration_seconds = duration.as_secs_f64(),
        "cycle ended"
    );
}

/// What was last said of each place and problem, so that a line is logged when something changes, not in every cycle.
#[derive(Debug, Default)]
struct Last {
    said: std::collections::HashMap<String, (String, String)>,
    problems: Vec<Problem>,
}

impl Last {
    fn log(&mut self, report: &CycleReport) {
        for outcome in &report.outcomes {
            let said = self.said.get(&outcome.id);
            if said.is_some_and(|(code, message)| *code == outcome.code && *message == outcome.message) {
                continue;
            }
            let (application, image) = (&outcome.application, &outcome.image);
            match outcome.result {
                OutcomeResult::Failed => {
                    warn!(application, image, code = outcome.code, "{application} failed: {}", outcome.message)
                }
                OutcomeResult::Held => {
                    info!(application, image, code = outcome.code, "{application} is held: {}", outcome.message)
                }
                _ => debug!(application, image, code = outcome.code, "{application}: {}", outcome.message),
            }
            self.said.insert(outcome.id.clone(), (outcome.code.clone(), outcome.message.clone()));
        }
        let fresh: Vec<Problem> =
            report.problems.iter().filter(|problem| self.problems.binary_search(problem).is_err()).cloned().collect();
        log_problems(&fresh);
        self.problems.clone_from(&report.problems);
        if self.said.len() > report.outcomes.len() {
            let known: HashSet<&str> = report.outcomes.iter().map(|outcome| outcome.id.as_str()).collect();
            self.said.retain(|id, _| known.contains(id.as_str()));
        }
    }
}

/// Logs problems, each with its place and hint.
pub fn log_problems(problems: &[Problem]) {
    for problem in problems {
        let (repository, file) = (problem.repository.as_deref().unwrap_or(""), problem.file.as_deref().unwrap_or(""));
        let (code, line) = (&problem.code, problem.line.unwrap_or(0));
        let hint = problem.hint.as_deref().unwrap_or("");
        match problem.severity {
            Severity::Error => warn!(repository, file, line, code, hint, "{}", problem.message),
            Severity::Warning => info!(repository, file, line, code, hint, "{}", problem.message),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

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
