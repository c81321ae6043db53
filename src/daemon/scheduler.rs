//! Runs cycles: by the agenda, and when somebody tells of a push.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::options;
use crate::config::settings::Settings;
use crate::daemon::LOOK;
use crate::daemon::again::Again;
use crate::daemon::agenda::Agenda;
use crate::daemon::said::Last;
use crate::model::event::Pushed;
use crate::model::names::ImageName;
use crate::model::outcome::OutcomeResult;
use crate::model::problem::Severity;
use crate::plan::Snapshot;
use crate::reconcile::{CycleReport, Due, Mode, Reconciler};
use crate::server::{Status, Webhooks};
use crate::telemetry::{Counts, CycleFigures, ForgeFigures, GitFigures, RegistryFigures};

/// From the start of a cycle that a push caused to that of the next one; what is pushed in between shares it.
const PACE: Duration = Duration::from_millis(250);

/// Runs a cycle whenever something is due, the first one at once, and when an image was pushed. A cycle that has begun to
/// write finishes.
pub(super) async fn schedule(
    mut reconciler: Reconciler,
    path: PathBuf,
    mut settings: watch::Receiver<Arc<Settings>>,
    status: Arc<Status>,
    webhooks: Arc<Webhooks>,
    cancel: CancellationToken,
) {
    let mut last = Last::default();
    let mut agenda = Agenda::new(&settings.borrow_and_update());
    let (mut pushed, mut paced) = (Pushed::default(), Instant::now());
    let mut again = Again::default();
    loop {
        let (started, now) = (Instant::now(), Timestamp::now());
        if !pushed.is_empty() {
            paced = started + PACE;
        }
        let due = Due { pushed, ..agenda.due(now) };
        let report = reconciler.cycle(now, &Mode::Deliver, &due, &cancel).await;
        if cancel.is_cancelled() && report.outcomes.is_empty() {
            return;
        }
        publish(&report, started.elapsed(), &status);
        last.log(&report);
        again.note(failed(&report, due.pushed), Instant::now());
        agenda.ran(now, report.has_failed(), random);
        agenda.wish(&report.wishes, |image| is_asked(&report.snapshot, image), now, random);
        loop {
            // The clock may be set, and the machine may sleep.
            let rest = agenda.rest(Timestamp::now()).min(again.rest(Instant::now()));
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
                () = arrived(&webhooks, paced) => {}
                () = tokio::time::sleep(rest.min(LOOK)) => {}
            }
            // What is due goes first and takes along what was pushed, so neither waits for the other.
            let is_due = agenda.rest(Timestamp::now()).is_zero();
            pushed = if is_due || Instant::now() >= paced { webhooks.events.take() } else { Pushed::default() };
            pushed.merge(again.take(Instant::now()));
            reconciler.keep_tracked(&mut pushed);
            if is_due || !pushed.is_empty() {
                break;
            }
        }
        if cancel.is_cancelled() {
            return;
        }
    }
}

/// Tells whether a registry was asked for an image, in this cycle or before.
fn is_asked(snapshot: &Snapshot, image: &ImageName) -> bool {
    snapshot.listings.contains_key(image)
        || snapshot.metadata.contains_key(image)
        || snapshot.manifests.keys().any(|(known, _)| known == image)
}

/// Keeps of the images that were pushed those with an outcome that failed.
fn failed(report: &CycleReport, mut pushed: Pushed) -> Pushed {
    if !pushed.is_empty() {
        let all = report.snapshot.subjects.iter().zip(&report.judgements);
        let failed = all.filter(|(_, judgement)| judgement.result == OutcomeResult::Failed);
        let failed: HashSet<ImageName> =
            failed.filter_map(|(subject, _)| Some(subject.tracked.asked.as_ref()?.without_pull_secret())).collect();
        pushed.retain(|image| failed.contains(image));
    }
    pushed
}

/// Waits until something was pushed, and not before the time.
async fn arrived(webhooks: &Webhooks, time: Instant) {
    tokio::time::sleep_until(time).await;
    webhooks.events.arrived().await;
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
    let (git, read) = (crate::git::traffic(), crate::git::reads());
    status.metrics.cycle(&CycleFigures {
        counts,
        problems: report.problems.iter().filter(|problem| problem.severity == Severity::Error).count() as u64,
        unread_repositories: report.unread_repositories as u64,
        registry_requests: report.registry_requests,
        git: GitFigures {
            advertisements: git.advertisements,
            fetches: git.fetches,
            pushes: git.pushes,
            trees: read.trees,
            compared: read.compared,
            blobs: read.blobs,
        },
        duration,
        ended_seconds: Timestamp::now().as_second(),
    });
    let registries = report.registries.iter().map(|(registry, traffic)| RegistryFigures {
        registry: registry.clone(),
        throttled: traffic.throttled,
        backoff: traffic.pause,
    });
    status.metrics.registries(registries);
    let forges = report.snapshot.pulls.iter().filter_map(|(repository, pulls)| {
        let traffic = report.forges.get(repository).copied().unwrap_or_default();
        let open = pulls.as_ref().ok()?.open.len() as u64;
        let repository = repository.clone();
        Some(ForgeFigures {
            repository,
            open,
            requests: traffic.requests,
            not_modified: traffic.not_modified,
            throttled: traffic.throttled,
        })
    });
    status.metrics.forges(forges);
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
