//! Logs and metrics. Every metric label comes from a closed set; log lines go to stderr.

mod figures;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

pub use crate::telemetry::figures::{Counts, CycleFigures, ForgeFigures, GitFigures, RegistryFigures};

/// Starts logging to stderr. `filter` is a level or a `tracing` filter; the environment variable `REPIN_LOG` overrides it.
/// A second call does nothing.
pub fn init(filter: &str, is_json: bool) {
    let filter = std::env::var("REPIN_LOG")
        .ok()
        .and_then(|text| EnvFilter::try_new(text).ok())
        .unwrap_or_else(|| EnvFilter::new(filter));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    // Fails only if logging was started before.
    let _ = if is_json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_target(false).with_ansi(false).try_init()
    };
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByRepository {
    repository: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByRegistry {
    registry: String,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[allow(non_camel_case_types, reason = "the names are the label's values")]
enum ResultLabel {
    current,
    delivered,
    held,
    failed,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByResult {
    result: ResultLabel,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[allow(non_camel_case_types, reason = "the names are the label's values")]
enum KindLabel {
    advertisement,
    fetch,
    push,
    tree,
    compared,
    blob,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByKind {
    kind: KindLabel,
}

#[derive(Clone, Copy, Debug, EncodeLabelValue, Eq, Hash, PartialEq)]
#[allow(non_camel_case_types, reason = "the names are the label's values")]
enum WebhookLabel {
    accepted,
    unauthorized,
    malformed,
    limited,
    ignored,
}

#[derive(Clone, Copy, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ByWebhookResult {
    result: WebhookLabel,
}

/// What came of a request to a webhook.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WebhookResult {
    /// It told of pushes to look at.
    Accepted,
    /// Its secret or signature was missing or wrong.
    Unauthorized,
    /// It could not be read: no such JSON, too large, too slow.
    Malformed,
    /// There were too many.
    Limited,
    /// It told of nothing to look at.
    Ignored,
}

impl WebhookResult {
    const ALL: [Self; 5] = [Self::Accepted, Self::Unauthorized, Self::Malformed, Self::Limited, Self::Ignored];

    fn labels(self) -> ByWebhookResult {
        let result = match self {
            Self::Accepted => WebhookLabel::accepted,
            Self::Unauthorized => WebhookLabel::unauthorized,
            Self::Malformed => WebhookLabel::malformed,
            Self::Limited => WebhookLabel::limited,
            Self::Ignored => WebhookLabel::ignored,
        };
        ByWebhookResult { result }
    }
}

/// The daemon's metrics, in the OpenMetrics text format.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    cycles: Counter,
    duration: Histogram,
    outcomes: Family<ByResult, Gauge>,
    deliveries: Counter,
    problems: Gauge,
    unread: Gauge,
    requests: Counter,
    throttled: Family<ByRegistry, Counter>,
    backoff: Family<ByRegistry, Gauge<f64, AtomicU64>>,
    git: Family<ByKind, Counter>,
    objects: Family<ByKind, Counter>,
    webhooks: Family<ByWebhookResult, Counter>,
    pulls: Family<ByRepository, Gauge>,
    forge_requests: Family<ByRepository, Counter>,
    forge_not_modified: Family<ByRepository, Counter>,
    forge_throttled: Family<ByRepository, Counter>,
    last: Gauge,
    reloads: Counter,
    refused_reloads: Counter,
    configuration_is_current: Gauge<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("repin");
        let buckets = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
        let metrics = Self {
            cycles: Counter::default(),
            duration: Histogram::new(buckets),
            outcomes: Family::default(),
            deliveries: Counter::default(),
            problems: Gauge::default(),
            unread: Gauge::default(),
            requests: Counter::default(),
            throttled: Family::default(),
            backoff: Family::default(),
            git: Family::default(),
            objects: Family::default(),
            webhooks: Family::default(),
            pulls: Family::default(),
            forge_requests: Family::default(),
            forge_not_modified: Family::default(),
            forge_throttled: Family::default(),
            last: Gauge::default(),
            reloads: Counter::default(),
            refused_reloads: Counter::default(),
            configuration_is_current: Gauge::default(),
            registry: Mutex::new(Registry::default()),
        };
        metrics.configuration_is_current.set(1);
        for result in WebhookResult::ALL {
            drop(metrics.webhooks.get_or_create(&result.labels()));
        }
        registry.register("cycles", "Finished cycles", metrics.cycles.clone());
        registry.register(
            "cycle_duration_seconds",
            "Time from the start of a cycle to its report",
            metrics.duration.clone(),
        );
        registry.register("outcomes", "Places by the result of the last cycle", metrics.outcomes.clone());
        registry.register("deliveries", "Places written and read back", metrics.deliveries.clone());
        registry.register(
            "problems",
            "Errors in annotations, files and registries at the last cycle",
            metrics.problems.clone(),
        );
        registry.register(
            "unread_repositories",
            "Repositories that the last cycle could not read",
            metrics.unread.clone(),
        );
        registry.register("registry_requests", "Requests sent to registries", metrics.requests.clone());
        registry.register(
            "registry_throttled",
            "Answers of a registry that asked for a pause (429, 503, an allowance that is used up)",
            metrics.throttled.clone(),
        );
        registry.register(
            "registry_backoff_seconds",
            "How long a registry is left alone, as it was at the end of the last cycle",
            metrics.backoff.clone(),
        );
        registry.register(
            "pull_requests_open",
            "Pull requests of repin that were open at the last cycle",
            metrics.pulls.clone(),
        );
        let requests = metrics.forge_requests.clone();
        registry.register("forge_requests", "Requests to the forge of a repository", requests);
        registry.register(
            "forge_not_modified",
            "Requests to the forge of a repository that were answered with 304",
            metrics.forge_not_modified.clone(),
        );
        registry.register(
            "forge_throttled",
            "Requests to the forge of a repository that were refused for their rate",
            metrics.forge_throttled.clone(),
        );
        registry.register("git_requests", "Conversations with Git remotes by what they were for", metrics.git.clone());
        let objects = metrics.objects.clone();
        registry.register("git_objects_read", "Objects read from Git mirrors by what they are and for what", objects);
        registry.register("webhook_events", "Requests to webhooks by what came of them", metrics.webhooks.clone());
        registry.register(
            "last_cycle_timestamp_seconds",
            "End of the last cycle, seconds since 1970",
            metrics.last.clone(),
        );
        registry.register(
            "configuration_reloads",
            "Changed configurations that were taken over",
            metrics.reloads.clone(),
        );
        registry.register(
            "configuration_reloads_refused",
            "Changed configurations that were refused",
            metrics.refused_reloads.clone(),
        );
        registry.register(
            "configuration_is_current",
            "1 if the file is what runs, 0 if a bad change of it was refused",
            metrics.configuration_is_current.clone(),
        );
        Self { registry: Mutex::new(registry), ..metrics }
    }
}

impl Metrics {
    /// Takes in a finished cycle.
    pub fn cycle(&self, figures: &CycleFigures) {
        self.cycles.inc();
        self.duration.observe(figures.duration.as_secs_f64());
        let counts = figures.counts;
        for (result, count) in [
            (ResultLabel::current, counts.current),
            (ResultLabel::delivered, counts.delivered),
            (ResultLabel::held, counts.held),
            (ResultLabel::failed, counts.failed),
        ] {
            self.outcomes.get_or_create(&ByResult { result }).set(signed(count));
        }
        self.deliveries.inc_by(counts.delivered);
        self.problems.set(signed(figures.problems));
        self.unread.set(signed(figures.unread_repositories));
        self.requests.inc_by(figures.registry_requests);
        for (kind, count) in [
            (KindLabel::advertisement, figures.git.advertisements),
            (KindLabel::fetch, figures.git.fetches),
            (KindLabel::push, figures.git.pushes),
        ] {
            self.git.get_or_create(&ByKind { kind }).inner().store(count, Ordering::Relaxed);
        }
        for (kind, count) in [
            (KindLabel::tree, figures.git.trees),
            (KindLabel::compared, figures.git.compared),
            (KindLabel::blob, figures.git.blobs),
        ] {
            self.objects.get_or_create(&ByKind { kind }).inner().store(count, Ordering::Relaxed);
        }
        self.last.set(figures.ended_seconds);
    }

    /// Takes in what registries want of us.
    pub fn registries(&self, figures: impl Iterator<Item = RegistryFigures>) {
        // A registry that was taken out of the configuration is shown no more.
        self.backoff.clear();
        for RegistryFigures { registry, throttled, backoff } in figures {
            let label = ByRegistry { registry };
            self.throttled.get_or_create(&label).inner().store(throttled, Ordering::Relaxed);
            self.backoff.get_or_create(&label).set(backoff.as_secs_f64());
        }
    }

    /// Takes in what forges were asked, and what is open there.
    pub fn forges(&self, figures: impl Iterator<Item = ForgeFigures>) {
        self.pulls.clear();
        for ForgeFigures { repository, open, requests, not_modified, throttled } in figures {
            let label = ByRepository { repository };
            self.pulls.get_or_create(&label).set(signed(open));
            for (family, count) in [
                (&self.forge_requests, requests),
                (&self.forge_not_modified, not_modified),
                (&self.forge_throttled, throttled),
            ] {
                family.get_or_create(&label).inner().store(count, Ordering::Relaxed);
            }
        }
    }

    /// Takes in a request to a webhook.
    pub fn webhook(&self, result: WebhookResult) {
        self.webhooks.get_or_create(&result.labels()).inc();
    }

    /// Takes in a change of the configuration.
    pub fn reload(&self, is_taken: bool) {
        if is_taken {
            self.reloads.inc()
        } else {
            self.refused_reloads.inc()
        };
        self.configuration_is_current.set(u64::from(is_taken));
    }

    /// Writes all metrics in the text format of Prometheus (0.0.4), for readers that ask for no other. There the name of
    /// a counter's family has its suffix.
    pub fn prometheus_text(&self) -> String {
        let text = self.text();
        let counters: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
        let mut classic = String::with_capacity(text.len());
        for line in text.lines().filter(|line| *line != "# EOF") {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(&name) => {
                    classic.push_str(&format!("# {what} {name}_total {rest}"));
                }
                _ => classic.push_str(line),
            }
            classic.push('\n');
        }
        classic
    }

    /// Writes all metrics as OpenMetrics text (1.0.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    /// Tells how many cycles have ended.
    pub fn cycles(&self) -> u64 {
        let counter: &AtomicU64 = self.cycles.inner();
        counter.load(Ordering::Relaxed)
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_cycle_is_seen_in_the_text() {
        let metrics = Metrics::default();
        let counts = Counts { current: 3, delivered: 2, held: 1, failed: 0 };
        metrics.cycle(&CycleFigures {
            counts,
            problems: 4,
            registry_requests: 7,
            git: GitFigures { advertisements: 5, fetches: 1, pushes: 2, trees: 8, compared: 9, blobs: 10 },
            duration: Duration::from_millis(200),
            ended_seconds: 1_800_000_000,
            ..CycleFigures::default()
        });
        metrics.reload(false);
        let registry = |host: &str, throttled, backoff| RegistryFigures {
            registry: host.to_owned(),
            throttled,
            backoff: Duration::from_millis(backoff),
        };
        metrics.registries([registry("gone.example", 1, 9000)].into_iter());
        metrics.registries([registry("ghcr.io", 3, 1500), registry("quay.io", 0, 0)].into_iter());
        metrics.webhook(WebhookResult::Limited);
        let text = metrics.text();
        assert!(!text.contains("repin_registry_backoff_seconds{registry=\"gone.example\"}"), "{text}");
        for line in [
            "repin_cycles_total 1",
            "repin_outcomes{result=\"held\"} 1",
            "repin_deliveries_total 2",
            "repin_problems 4",
            "repin_registry_requests_total 7",
            "repin_registry_throttled_total{registry=\"ghcr.io\"} 3",
            "repin_registry_backoff_seconds{registry=\"ghcr.io\"} 1.5",
            "repin_registry_backoff_seconds{registry=\"quay.io\"} 0.0",
            "repin_git_requests_total{kind=\"advertisement\"} 5",
            "repin_git_requests_total{kind=\"push\"} 2",
            "repin_git_objects_read_total{kind=\"tree\"} 8",
            "repin_git_objects_read_total{kind=\"compared\"} 9",
            "repin_git_objects_read_total{kind=\"blob\"} 10",
            "repin_webhook_events_total{result=\"limited\"} 1",
            "repin_webhook_events_total{result=\"accepted\"} 0",
            "repin_last_cycle_timestamp_seconds 1800000000",
            "repin_configuration_reloads_refused_total 1",
            "repin_configuration_is_current 0",
            "repin_cycle_duration_seconds_bucket{le=\"0.25\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(metrics.cycles(), 1);
    }

    #[test]
    fn the_older_format_has_the_same_samples_under_full_family_names() {
        let metrics = Metrics::default();
        metrics.reload(true);
        let (open, classic) = (metrics.text(), metrics.prometheus_text());
        let samples = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&open), samples(&classic));
        assert!(open.contains("# TYPE repin_cycles counter\n") && open.ends_with("# EOF\n"), "{open}");
        for line in [
            "# TYPE repin_cycles_total counter",
            "# HELP repin_cycles_total Finished cycles.",
            "# TYPE repin_problems gauge",
        ] {
            assert!(classic.lines().any(|found| found == line), "{line} in\n{classic}");
        }
        assert!(!classic.contains("# EOF"), "{classic}");
    }
}
