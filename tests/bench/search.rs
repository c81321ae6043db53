//! 10,000 manifests in 1,000 directories, searched for images by their names: once, and later only what changed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon::{Counts, Daemon, configure};
use crate::measure::Cost;
use crate::registry::{Registry, newest};
use crate::report::{Report, mebibytes};
use crate::repository::Stream;

const TAGS: usize = 50;
const SERVICES: usize = 1_000;
/// Manifests in the directory of a service.
const MANIFESTS: usize = 10;
/// Applications with a directory of their own; each looks for one image.
const OWN: usize = 300;
/// Applications that look through everything, each for so many images.
const WIDE: usize = 5;
const IMAGES: usize = 60;
const COMMITS: u32 = 5;

pub fn measure_all(report: &mut Report) {
    report.scenario("10,000 manifests in 1,000 directories, 600 images looked for by name, 300 of them everywhere");
    let place = tempfile::tempdir().unwrap();
    let registry = Registry::start(SERVICES, TAGS);
    let remote = remote(place.path(), registry.host());
    let config = configure(place.path(), &format!("file://{}", remote.display()), registry.host());
    let daemon = Daemon::start(&config);
    let [(first, begin), (quiet, counts)] = daemon.first_and_next(8);
    assert_eq!((counts.trees, counts.compared, counts.blobs), (0, 0, 0), "a quiet cycle reads nothing");
    let (later, read) = after_commits(&daemon, &remote, registry.host(), quiet);
    for (what, cost, read) in [
        ("first cycle, everything cold", first, begin),
        ("a cycle after one commit to one manifest", later, read),
        ("a quiet cycle", quiet, counts),
    ] {
        report.row(&format!("{what}: {} trees, {} blobs", read.trees, read.blobs), cost, "-", read.advertisements);
    }
    let files = (SERVICES * MANIFESTS + OWN + WIDE) as u64;
    let directories = 4 + TEAMS as u64 + SERVICES as u64;
    assert_eq!(begin.delivered, 0);
    report.at_most(
        "search, trees read cold, times those that are there",
        begin.trees as f64 / directories as f64,
        1.0,
        "",
    );
    // Every file is read for discovery and search together; what speaks of an image is read again, to be parsed.
    let parsed = ((OWN + WIDE * IMAGES) * MANIFESTS) as u64;
    report.at_most(
        "search, files read cold, times those that are there",
        (begin.blobs - parsed) as f64 / files as f64,
        1.0,
        "",
    );
    // The root, `apps`, the team and the service.
    report.at_most("search, trees read after a commit", read.trees as f64, 4.0, "");
    report.at_most("search, files read after a commit", read.blobs as f64, 2.0, "");
    report.at_most(
        "search, CPU after a commit, part of cold",
        later.cpu.as_secs_f64() / first.cpu.as_secs_f64(),
        0.33,
        "",
    );
    report.at_most("search, peak memory", mebibytes(later.peak), 160.0, " MiB");
}

/// Commits to one manifest after the other, a cycle for each; gives what a commit costs without the looks at registries,
/// which a quiet cycle has too.
fn after_commits(daemon: &Daemon, remote: &Path, host: &str, quiet: Cost) -> (Cost, Counts) {
    let (from, cpu) = daemon.after(daemon.counts().cycles + 1);
    let mut cycles = from.cycles;
    for round in 0..COMMITS {
        let mut stream = Stream::new();
        stream.commit_on_top("Scale one service");
        // Now one that looks in its own directory, now one that is found in a search of everything.
        let service = if round % 2 == 0 { 7 } else { OWN + 7 };
        stream.file(&manifest_path(service, 0), &manifest(service, 0, host, 3 + round));
        stream.append(remote);
        let trees = daemon.counts().trees;
        loop {
            cycles += 1;
            if daemon.after(cycles).0.trees > trees {
                break;
            }
        }
    }
    let (to, end) = daemon.after(cycles);
    let count = u64::from(COMMITS);
    let all = u32::try_from(to.cycles - from.cycles).unwrap();
    let cpu = (end - cpu).saturating_sub(quiet.cpu * (all - COMMITS));
    let counts = Counts {
        trees: (to.trees - from.trees) / count,
        compared: (to.compared - from.compared) / count,
        blobs: (to.blobs - from.blobs) / count,
        advertisements: (to.advertisements - from.advertisements) / to.cycles.saturating_sub(from.cycles),
        ..to
    };
    (Cost { wall: Duration::ZERO, cpu: cpu / COMMITS, peak: daemon.peak() }, counts)
}

fn remote(place: &Path, host: &str) -> PathBuf {
    let bare = place.join("remote.git");
    let mut stream = Stream::new();
    stream.commit("Add everything");
    let url = format!("file://{}", bare.display());
    for service in 0..SERVICES {
        for number in 0..MANIFESTS {
            stream.file(&manifest_path(service, number), &manifest(service, number, host, 2));
        }
        if service < OWN {
            let images = format!("app={host}/acme/s{service}:1.x");
            stream.file(
                &format!("argocd/s{service}.yaml"),
                &application(&format!("s{service}"), &images, "", &url, &directory(service)),
            );
        }
    }
    for wide in 0..WIDE {
        let first = OWN + wide * IMAGES;
        let mut images = String::new();
        for service in first..first + IMAGES {
            let _ =
                write!(images, "{}i{service}={host}/acme/s{service}:1.x", if images.is_empty() { "" } else { ", " });
        }
        let target = "    repin.dev/write-back-target: /apps\n";
        stream.file(
            &format!("argocd/wide{wide}.yaml"),
            &application(&format!("wide{wide}"), &images, target, &url, "apps"),
        );
    }
    stream.import(&bare)
}

const TEAMS: usize = 40;

fn directory(service: usize) -> String {
    format!("apps/team{}/s{service}", service % TEAMS)
}

fn manifest_path(service: usize, number: usize) -> String {
    format!("{}/{}.yaml", directory(service), KINDS[number].to_ascii_lowercase())
}

fn application(name: &str, images: &str, target: &str, url: &str, path: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  namespace: argocd\n  annotations:\n    \
         repin.dev/image-list: \"{images}\"\n{target}spec:\n  project: default\n  source:\n    repoURL: {url}\n    path: {path}\n    \
         targetRevision: main\n  destination:\n    server: https://kubernetes.default.svc\n    namespace: {name}\n"
    )
}

const KINDS: [&str; MANIFESTS] = [
    "Deployment",
    "Service",
    "ConfigMap",
    "Ingress",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "ServiceAccount",
    "ServiceMonitor",
    "PrometheusRule",
];

/// A manifest of a usual size; the first of a service has its image, and the configuration speaks of two others.
fn manifest(service: usize, number: usize, host: &str, replicas: u32) -> String {
    let kind = KINDS[number];
    let (name, tag) = (format!("s{service}"), newest(TAGS));
    let head = format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  namespace: team{team}\n  labels:\n    app.kubernetes.io/name: {name}\n    \
         app.kubernetes.io/part-of: shop\n    app.kubernetes.io/managed-by: argocd\n",
        version = if number == 0 { "apps/v1" } else { "v1" },
        team = service % TEAMS,
    );
    let body = match number {
        0 => format!(
            "spec:\n  replicas: {replicas}\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    \
             spec:\n      containers:\n        - name: {name}\n          image: {host}/acme/{name}:{tag}\n          ports: [{{containerPort: 8080}}]\n          \
             resources:\n            requests: {{cpu: 100m, memory: 128Mi}}\n            limits: {{memory: 256Mi}}\n          \
             readinessProbe: {{httpGet: {{path: /ready, port: 8080}}, periodSeconds: 5}}\n          envFrom: [{{configMapRef: {{name: {name}}}}}]\n"
        ),
        2 => {
            let mut data = String::from("data:\n");
            for line in 0..30 {
                let _ = writeln!(data, "  setting-{line}: \"value-{}-of-{name}.example.com\"", line * 31 + service);
            }
            let _ = writeln!(data, "  peers: \"acme/s{} s{}\"", (service + 1) % SERVICES, (service + 2) % SERVICES);
            data
        }
        _ => format!(
            "spec:\n  # Written for {name}, number {number}.\n  selector: {{matchLabels: {{app: {name}}}}}\n  minAvailable: 1\n  ports:\n    - name: http\n      \
             port: 80\n      targetPort: 8080\n      protocol: TCP\n  rules:\n    - host: {name}.example.com\n      http: {{paths: [{{path: /, pathType: Prefix}}]}}\n  \
             interval: 30s\n"
        ),
    };
    head + &body
}
