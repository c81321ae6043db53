//! 300 services in five environments and two repositories, promoted from one to the next: what `plan` and `status` cost
//! beside parsing every file that they need once, and what a quiet cycle of the daemon costs.
//!
//! Needed is what the definitions, the places and their past are made of: the ApplicationSets, what people hold, the
//! manifests, and every version of a file in which a tag stood. A command that starts anew has none of them in memory; what
//! it has are the mirrors.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use repin::manifest::Source;
use repin::model::forge::ForgeKind;
use repin::model::key_path::KeyPath;

use crate::daemon::{Daemon, repin};
use crate::forge::FakeForge;
use crate::measure::{Cost, measure, quickest, run};
use crate::registry::{Registry, newest};
use crate::remote::BareRemote;
use crate::report::{Report, mebibytes};
use crate::repository::Stream;

const SERVICES: usize = 300;
const TAGS: usize = 50;
/// Upstream first; the last one is in a repository of its own.
const ENVIRONMENTS: [&str; 5] = ["dev", "staging", "eu", "us", PRODUCTION];
const PRODUCTION: &str = "production";
/// Tags that every place went through, up to the newest.
const ROUNDS: usize = 4;
/// So many services stand one behind from each environment on, others for each.
const BEHIND: usize = 10;
/// A Wednesday, some months after the last commit; the windows are open or closed at it for ever.
const NOW: &str = "2026-06-10T12:00:00Z";
/// Each way is run so often, in turns, and the quickest run counts.
const RUNS: usize = 5;
/// How often everything may be parsed in the time.
const LIMIT: f64 = 3.0;

pub fn measure_all(report: &mut Report) {
    report.scenario("300 services in 5 environments of two repositories, promoted along a chain, 50 tags each");
    let landscape = Landscape::create();
    let config = landscape.configure("plan", OFFICE_HOURS);
    let command = |name: &str, more: &[&str]| {
        let mut command = repin(name, &config);
        command.args(["--now", NOW]).args(more);
        run(&command)
    };
    let (said, cold) = command("plan", &["--output", "json"]);
    assert_eq!(count(&said), EXPECTED);
    let (mut parses, mut plans, mut statuses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        parses.push(parse(&landscape.texts));
        let (diff, cost) = command("plan", &[]);
        let is_new = |line: &&str| line.starts_with('+') && line.contains("newTag: ");
        assert_eq!(diff.lines().filter(is_new).count(), EXPECTED.pending);
        plans.push(cost);
        statuses.push(command("status", &["--all"]).1);
    }
    let [parsed, plan, status] = [parses, plans, statuses].map(|costs| quickest(&costs));
    report.row(&format!("every needed version of a file parsed once: {}", landscape.texts.len()), parsed, "-", "-");
    report.row("repin plan, nothing known", cold, "-", "-");
    report.row("repin plan, mirrors warm", plan, "-", "-");
    report.row("repin status --all, mirrors warm", status, "-", "-");
    let times = |cost: Cost| cost.cpu.as_secs_f64() / parsed.cpu.as_secs_f64();
    report.at_most("environments, plan, CPU, times parsing", times(plan), LIMIT, "");
    report.at_most("environments, status, CPU, times parsing", times(status), LIMIT, "");

    let config = landscape.configure("daemon", ALWAYS);
    let daemon = Daemon::start(&config);
    let [(first, begin), (quiet, counts)] = daemon.first_and_next(8);
    report.row("daemon, first cycle, everything cold", first, begin.registry, begin.advertisements);
    report.note(&format!("{} contents of files, {} directories", begin.blobs, begin.trees));
    report.row("daemon, a cycle in which nothing moved", quiet, counts.registry, counts.advertisements);
    assert_eq!((counts.delivered, counts.fetches, counts.pushes), (0, 0, 0));
    report.at_most("environments, quiet cycle, CPU, times parsing", times(quiet), LIMIT, "");
    report.at_most("environments, daemon, peak memory", mebibytes(quiet.peak), 150.0, " MiB");
}

/// What became of the places.
#[derive(Debug, Default, Eq, PartialEq)]
struct Verdicts {
    pending: usize,
    current: usize,
    on_hold: usize,
    frozen: usize,
    closed: usize,
    disagree: usize,
    others: usize,
}

/// Of those that are to move two of dev are on hold, eu is frozen, the window of us is closed, which gets what eu gets too,
/// and production waits for both. What is further down holds what stands upstream.
const EXPECTED: Verdicts = Verdicts {
    pending: 3 * BEHIND - 2,
    current: SERVICES * ENVIRONMENTS.len() - 7 * BEHIND,
    on_hold: 2,
    frozen: BEHIND,
    closed: 2 * BEHIND,
    disagree: BEHIND,
    others: 0,
};

fn count(said: &str) -> Verdicts {
    let said: serde_json::Value = serde_json::from_str(said).unwrap();
    let mut found = Verdicts::default();
    for outcome in said["outcomes"].as_array().unwrap() {
        let (result, code) = (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap());
        *match (result, code) {
            ("pending", _) => &mut found.pending,
            ("current", _) => &mut found.current,
            (_, "gate/hold") => &mut found.on_hold,
            (_, "gate/frozen") => &mut found.frozen,
            (_, "gate/window") => &mut found.closed,
            (_, "promotion/disagree") => &mut found.disagree,
            _ => &mut found.others,
        } += 1;
    }
    found
}

fn parse(texts: &[String]) -> Cost {
    let key: KeyPath = "images[0].newTag".parse().unwrap();
    let parse = |text: &String| {
        let source = Source::parse(text).unwrap();
        drop(black_box(source.read(&key)));
        black_box(source);
    };
    measure(|| texts.iter().for_each(parse)).1
}

/// When `office` is open.
const OFFICE_HOURS: &str = "cron: \"0 9 * * 1-5\"\n    duration: 8h";
const ALWAYS: &str = "cron: \"0 0 * * *\"\n    duration: 24h";

struct Landscape {
    place: tempfile::TempDir,
    registry: Registry,
    gitops: BareRemote,
    production: BareRemote,
    forge: FakeForge,
    /// Every version of a file that is needed.
    texts: Vec<String>,
}

impl Landscape {
    fn create() -> Self {
        let (gitops, production) = (BareRemote::create(), BareRemote::create());
        let forge = FakeForge::start(ForgeKind::GitHub, &production);
        let (place, registry) = (tempfile::tempdir().unwrap(), Registry::start(SERVICES, TAGS));
        let mut landscape = Self { place, registry, gitops, production, forge, texts: Vec::new() };
        landscape.fill();
        landscape
    }

    fn fill(&mut self) {
        let (mut own, mut locked) = (Stream::new(), Stream::new());
        let mut texts = Vec::new();
        let mut file = |stream: &mut Stream, path: &str, text: String| {
            stream.file(path, &text);
            texts.push(text);
        };
        for stream in [&mut own, &mut locked] {
            stream.commit("Add everything");
        }
        for environment in ENVIRONMENTS {
            let path = format!("argocd/{environment}.yaml");
            file(&mut own, &path, self.set(environment));
        }
        file(&mut own, ".repin/holds.yaml", HOLDS.to_owned());
        for service in 0..SERVICES {
            for environment in ENVIRONMENTS {
                let stream = if environment == PRODUCTION { &mut locked } else { &mut own };
                let directory = directory(environment, service);
                file(stream, &format!("{directory}/deployment.yaml"), self.deployment(service));
                let text = self.kustomization(environment, service, 0);
                file(stream, &format!("{directory}/kustomization.yaml"), text);
            }
        }
        for round in 1..ROUNDS {
            for service in 0..SERVICES {
                for (at, environment) in ENVIRONMENTS.into_iter().enumerate() {
                    let is_behind = service < BEHIND * ENVIRONMENTS.len() && at >= service / BEHIND;
                    if is_behind && round + 1 == ROUNDS {
                        continue;
                    }
                    let path = format!("{}/kustomization.yaml", directory(environment, service));
                    let (old, new) = (tag(round - 1), tag(round));
                    let image = format!("{}/acme/s{service}", self.registry.host());
                    let message = format!(
                        "Update s{service}-{environment} to {new}\n\n{image}: {old} -> {new}\n\nRepin-Format: 1\n\
                         Repin-Change: {path}#images[0].newTag {image} {old} {new} -"
                    );
                    let stream = if environment == PRODUCTION { &mut locked } else { &mut own };
                    stream.commit(&message);
                    file(stream, &path, self.kustomization(environment, service, round));
                }
            }
        }
        own.append(&self.gitops.path());
        locked.append(&self.production.path());
        self.texts = texts;
    }

    fn remote_of(&self, environment: &str) -> &BareRemote {
        if environment == PRODUCTION { &self.production } else { &self.gitops }
    }

    fn set(&self, environment: &str) -> String {
        let (url, host) = (self.remote_of(environment).url(), self.registry.host());
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata:\n  name: {environment}\n  namespace: argocd\nspec:\n  goTemplate: true\n  \
             goTemplateOptions: [missingkey=error]\n  generators:\n    - git:\n        repoURL: {url}\n        revision: HEAD\n        \
             directories: [{{path: 'clusters/{environment}/apps/*'}}]\n  template:\n    metadata:\n      name: '{{{{ .path.basename }}}}-{environment}'\n      \
             annotations:\n        repin.dev/image-list: 'app={host}/acme/{{{{ .path.basename }}}}:1.x'\n    spec:\n      project: default\n      \
             source: {{repoURL: {url}, targetRevision: main, path: '{{{{ .path.path }}}}'}}\n      destination:\n        \
             server: https://kubernetes.default.svc\n        namespace: '{{{{ .path.basename }}}}'\n"
        )
    }

    fn deployment(&self, service: usize) -> String {
        let (name, host) = (format!("s{service}"), self.registry.host());
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\n  labels:\n    app.kubernetes.io/name: {name}\nspec:\n  replicas: 2\n  \
             selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n        \
             - name: {name}\n          image: {host}/acme/{name}\n          ports: [{{containerPort: 8080}}]\n          resources:\n            \
             requests: {{cpu: 100m, memory: 128Mi}}\n            limits: {{memory: 256Mi}}\n          \
             readinessProbe: {{httpGet: {{path: /ready, port: 8080}}, periodSeconds: 5}}\n"
        )
    }

    fn kustomization(&self, environment: &str, service: usize, round: usize) -> String {
        format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: s{service}\nresources:\n  - deployment.yaml\n\
             images:\n  - name: {host}/acme/s{service} # the only one\n    newTag: \"{tag}\"\npatches:\n  - target: {{kind: Deployment}}\n    \
             patch: |\n      - {{op: replace, path: /spec/replicas, value: 3}}\nconfigMapGenerator:\n  - name: settings\n    \
             literals: [ENVIRONMENT={environment}]\n",
            host = self.registry.host(),
            tag = tag(round),
        )
    }

    /// Writes a configuration with a cache of its own.
    fn configure(&self, name: &str, office: &str) -> PathBuf {
        let directory = self.place.path().join(name);
        std::fs::create_dir(&directory).unwrap();
        let file = directory.join("repin.yaml");
        std::fs::write(&file, self.configuration(&directory, office)).unwrap();
        file
    }

    fn configuration(&self, directory: &Path, office: &str) -> String {
        format!(
            "schedule: 1s\nserver: {{listen: \"127.0.0.1:0\"}}\ncache: {{path: {cache}}}\nrepositories:\n  - name: gitops\n    url: {gitops}\n    \
             branch: main\n  - name: {PRODUCTION}\n    url: {production}\n    branch: main\n{forge}registries:\n  - host: \"{host}\"\n    insecure: true\n\
             windows:\n  - name: office\n    kind: allow\n    {office}\n    time_zone: Europe/Berlin\n    reason: people are there\n  \
             - name: night\n    kind: allow\n    cron: \"0 1 * * 1-5\"\n    duration: 1h\n    time_zone: America/New_York\n  \
             - name: new-year\n    kind: deny\n    cron: \"0 0 1 1 *\"\n    duration: 1h\n{RULES}",
            cache = directory.join("cache").display(),
            gitops = self.gitops.url(),
            production = self.production.url(),
            forge = self.forge.settings(),
            host = self.registry.host(),
        )
    }
}

fn directory(environment: &str, service: usize) -> String {
    format!("clusters/{environment}/apps/s{service}")
}

fn tag(round: usize) -> String {
    newest(TAGS + 1 + round - ROUNDS)
}

const HOLDS: &str = "holds:
  - kind: freeze
    environment: eu
    reason: end of quarter
    by: Paula <paula@example.com>
    since: 2026-03-30T08:00:00Z
    until: 2099-04-02T08:00:00Z
  - kind: hold
    service: s0
    environment: dev
    reason: \"#214\"
    by: Paula <paula@example.com>
    since: 2026-03-30T08:00:00Z
  - kind: hold
    application: argocd/s1-dev
    reason: \"#215\"
    by: Paula <paula@example.com>
    since: 2026-03-30T08:00:00Z
";

const RULES: &str = "environments:
  - name: dev
    delivery: commit
  - name: staging
    delivery: commit
    promote_from: dev
    soak: 1h
    max_changes_per_hour: 100
  - name: eu
    delivery: commit
    promote_from: staging
    soak: 24h
    windows: [office]
    max_changes_per_hour: 100
  - name: us
    delivery: commit
    promote_from: staging
    soak: 24h
    windows: [night]
    max_changes_per_hour: 100
  - name: production
    delivery: pull-request
    promote_from: {all: [eu, us]}
    soak: 48h
    windows: [office]
    at_least: {delivery: pull-request, windows: [new-year], soak: 24h, max_changes_per_hour: 50, max_changes_per_push: 200}
rules:
  - match: {path: \"clusters/{environment}/apps/{service}/**\"}
  - match: {application: \"s7-*\", project: default}
    per: application
  - match: {path: \"clusters/production/**\", label: {tier: critical}}
    soak: 7d
";
