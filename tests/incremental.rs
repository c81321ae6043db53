//! What is gathered on top of the last cycle equals what is gathered from nothing, whatever happened in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/registry.rs"]
mod registry;
#[path = "support/remote.rs"]
mod remote;

use std::fmt::Write as _;
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use registry::FakeRegistry;
use remote::{BareRemote, NewCommit};
use repin::config;
use repin::plan::locate::FileState;
use repin::reconcile::{CycleReport, Due, Mode, Reconciler};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 3] = ["web", "api", "job"];
const TAGS: [&str; 5] = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"];

/// Something that happens between two cycles.
#[derive(Clone, Debug)]
enum Event {
    /// Somebody writes a tag.
    SetTag(usize, usize),
    /// Somebody reverts the last commit.
    Revert,
    /// An Application with its values comes, or its annotations change.
    Define(usize, usize),
    /// An Application goes.
    RemoveApplication(usize),
    /// Values go.
    RemoveValues(usize),
    /// A second values file comes, which wins, or goes.
    Override(usize, bool),
    /// Values are no YAML any more.
    Break(usize),
    /// Values become a link.
    Link(usize),
    /// A file that concerns nobody changes.
    Unrelated(u8),
    /// A person releases what was taken back.
    Resume(usize),
    /// The branch is set back by force.
    SetBack,
    /// A change comes by a merge.
    Merge(usize, usize),
    /// The cycle writes what it decides.
    Deliver,
    /// The other values of the other branch change.
    SetTagOfRelease(usize),
    /// The configuration is loaded again with other rules.
    Rules(bool),
}

fn event() -> impl Strategy<Value = Event> {
    let (app, tag) = (0..NAMES.len(), 0..TAGS.len());
    prop_oneof![
        4 => (app.clone(), tag.clone()).prop_map(|(app, tag)| Event::SetTag(app, tag)),
        3 => Just(Event::Revert),
        2 => (app.clone(), 0..4_usize).prop_map(|(app, shape)| Event::Define(app, shape)),
        1 => app.clone().prop_map(Event::RemoveApplication),
        1 => app.clone().prop_map(Event::RemoveValues),
        2 => (app.clone(), any::<bool>()).prop_map(|(app, is_there)| Event::Override(app, is_there)),
        1 => app.clone().prop_map(Event::Break),
        1 => app.clone().prop_map(Event::Link),
        1 => any::<u8>().prop_map(Event::Unrelated),
        1 => app.clone().prop_map(Event::Resume),
        1 => Just(Event::SetBack),
        2 => (app, tag.clone()).prop_map(|(app, tag)| Event::Merge(app, tag)),
        3 => Just(Event::Deliver),
        1 => tag.prop_map(Event::SetTagOfRelease),
        1 => any::<bool>().prop_map(Event::Rules),
    ]
}

struct World {
    registry: FakeRegistry,
    remote: BareRemote,
    directory: TempDir,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let registry = FakeRegistry::start();
        for name in NAMES {
            registry.publish(&format!("acme/{name}"), &TAGS);
        }
        let world = Self { registry, remote: BareRemote::create(), directory: tempfile::tempdir().unwrap(), runtime };
        for app in 0..NAMES.len() {
            world.define(app, 0);
        }
        world.configure(true);
        world
    }

    fn configure(&self, writes: bool) {
        let text = format!(
            "server: null\ncache: {{path: {cache}}}\nrepositories:\n  - {{name: gitops, url: \"{url}\", branch: main}}\n\
             registries:\n  - {{host: \"{host}\", insecure: true}}\nrules:\n  - {{match: {{path: \"apps/**\"}}, delivery: commit, observe: {observe}}}\n",
            cache = self.directory.path().join("cache").display(),
            url = self.remote.url(),
            host = self.registry.host(),
            observe = !writes,
        );
        std::fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> std::path::PathBuf {
        self.directory.path().join("repin.yaml")
    }

    fn reconciler(&self, cache: &Path) -> Reconciler {
        Reconciler::new(self.options(cache)).unwrap()
    }

    fn options(&self, cache: &Path) -> repin::reconcile::Options {
        let (settings, _) = config::load(&self.config()).unwrap();
        let mut options = config::options::reconcile(&settings, &self.config());
        options.cache = cache.to_owned();
        options.repositories.iter_mut().for_each(|repository| repository.cache = cache.to_owned());
        options
    }

    fn cycle(&self, reconciler: &mut Reconciler, mode: &Mode) -> CycleReport {
        let now = "2026-11-20T10:00:00Z".parse::<Timestamp>().unwrap();
        self.runtime.block_on(reconciler.cycle(now, mode, &Due::everything(), &CancellationToken::new()))
    }

    fn define(&self, app: usize, shape: usize) {
        let name = NAMES[app];
        let image = format!("{}/acme/{name}", self.registry.host());
        let constraint = [":1.x", "", ":~1.1", ":1.x"][shape];
        let branch = ["main", "main", "main", "release"][shape];
        let manifest = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  annotations:\n    \
             repin.dev/image-list: \"app={image}{constraint}\"\n    repin.dev/app.helm.image-tag: image.tag\nspec:\n  source:\n    \
             repoURL: {url}\n    path: apps/{name}\n    targetRevision: {branch}\n    helm: {{valueFiles: [values-over.yaml]}}\n",
            url = self.remote.url()
        );
        self.remote.commit(
            &[(&format!("argocd/{name}.yaml"), &manifest), (&values_path(app), &values("1.0.0"))],
            &format!("Define {name}"),
        );
    }

    /// Makes it happen; what cannot happen now does not.
    fn happen(&self, event: &Event, incremental: &mut Reconciler, cache: &Path) {
        let remote = &self.remote;
        let is_there = |path: &str| !remote.git(&["ls-tree", "main", path]).is_empty();
        match event {
            Event::SetTag(app, tag) => drop(remote.commit(&[(&values_path(*app), &values(TAGS[*tag]))], "Set a tag")),
            Event::Revert if remote.git(&["rev-list", "--count", "--no-merges", "-1", "main"]) == "1" => {
                remote.checkout("main");
                let reverted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| remote.revert("HEAD")));
                if reverted.is_err() {
                    let _ =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| remote.work(&["revert", "--abort"])));
                }
            }
            Event::Define(app, shape) => self.define(*app, *shape),
            Event::RemoveApplication(app) if is_there(&format!("argocd/{}.yaml", NAMES[*app])) => {
                drop(remote.remove(&[&format!("argocd/{}.yaml", NAMES[*app])], "Remove an Application"));
            }
            Event::RemoveValues(app) if is_there(&values_path(*app)) => {
                drop(remote.remove(&[&values_path(*app)], "Remove values"));
            }
            Event::Override(app, true) => {
                let path = format!("apps/{}/values-over.yaml", NAMES[*app]);
                drop(remote.commit(&[(&path, "image:\n  tag: 1.1.0\n")], "Override"));
            }
            Event::Override(app, false) if is_there(&format!("apps/{}/values-over.yaml", NAMES[*app])) => {
                drop(remote.remove(&[&format!("apps/{}/values-over.yaml", NAMES[*app])], "No override"));
            }
            Event::Break(app) => drop(remote.commit(&[(&values_path(*app), "image: [\n")], "Break values")),
            Event::Link(app) => {
                remote.checkout("main");
                let path = remote.work_tree().join(values_path(*app));
                let _ = std::fs::remove_file(&path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
                remote.work(&["add", "--all"]);
                remote.work(&["commit", "--quiet", "--allow-empty", "-m", "Link"]);
                drop(remote.push_work("main"));
            }
            Event::Unrelated(text) => drop(remote.commit(&[("README.md", &text.to_string())], "Write")),
            Event::Resume(app) => {
                let message = format!("Go on\n\nRepin-Resume: {}\n", NAMES[*app]);
                drop(remote.make(&NewCommit::new(&[], &message)));
            }
            Event::SetBack => {
                remote.checkout("main");
                if remote.git(&["rev-list", "--count", "--first-parent", "main"]).parse::<u32>().unwrap() > 4 {
                    remote.work(&["reset", "--quiet", "--hard", "HEAD~2"]);
                    drop(remote.push_work("main"));
                }
            }
            Event::Merge(app, tag) => {
                remote.checkout("main");
                remote.work(&["checkout", "--quiet", "--force", "-B", "side"]);
                let path = remote.work_tree().join(values_path(*app));
                let _ = std::fs::remove_file(&path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(&path, values(TAGS[*tag])).unwrap();
                remote.work(&["add", "--all"]);
                remote.work(&["commit", "--quiet", "--allow-empty", "-m", "On the side"]);
                remote.work(&["checkout", "--quiet", "--force", "main"]);
                remote.work(&["merge", "--quiet", "--no-ff", "--no-edit", "side"]);
                drop(remote.push_work("main"));
            }
            Event::Deliver => drop(self.cycle(incremental, &Mode::Deliver)),
            Event::SetTagOfRelease(tag) => {
                let text = values(TAGS[*tag]);
                let changes = NAMES.map(|name| (format!("apps/{name}/values.yaml"), text.clone()));
                let changes: Vec<(&str, &str)> =
                    changes.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
                drop(remote.make(&NewCommit { branch: "release", ..NewCommit::new(&changes, "On release") }));
            }
            Event::Rules(writes) => {
                self.configure(*writes);
                incremental.replace(self.options(cache)).unwrap();
            }
            Event::Revert | Event::RemoveApplication(_) | Event::RemoveValues(_) | Event::Override(_, false) => {}
        }
    }
}

fn values_path(app: usize) -> String {
    format!("apps/{}/values.yaml", NAMES[app])
}

fn values(tag: &str) -> String {
    format!("image:\n  tag: {tag}\n")
}

/// Everything that a decision rests on and what was decided, as text.
fn seen(report: &CycleReport) -> String {
    let snapshot = &report.snapshot;
    let mut text = format!("{:#?}\n{:#?}\n{:#?}\n", snapshot.heads, snapshot.advertised, snapshot.repository_failures);
    for subject in &snapshot.subjects {
        writeln!(text, "{:#?}\n{:#?}\n{:#?}", subject.tracked, subject.located, subject.rule).unwrap();
        writeln!(text, "{:#?}", subject.timeline).unwrap();
    }
    for (place, state) in &snapshot.files {
        let content = match state {
            FileState::Parsed(source) => source.text().to_owned(),
            other => format!("{other:?}"),
        };
        writeln!(text, "{place:?}: {content}").unwrap();
    }
    writeln!(text, "{:#?}\n{:#?}\n{:#?}", report.problems, report.outcomes, report.unparsed_templates).unwrap();
    text
}

#[test]
fn what_is_gathered_on_top_of_the_last_cycle_equals_what_is_gathered_from_nothing() {
    let cases = std::env::var("REPIN_HEAVY").map_or(10, |_| 200);
    let config = Config { cases, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&proptest::collection::vec(event(), 1..10), |events| {
        let world = World::new();
        let cache = tempfile::tempdir().unwrap();
        let mut incremental = world.reconciler(cache.path());
        world.cycle(&mut incremental, &Mode::Plan);
        for (number, event) in events.iter().enumerate() {
            world.happen(event, &mut incremental, cache.path());
            // Several events may come between two cycles.
            if number % 2 == 1 && number + 1 < events.len() {
                continue;
            }
            let warm = seen(&world.cycle(&mut incremental, &Mode::Plan));
            let nowhere = tempfile::tempdir().unwrap();
            let cold = seen(&world.cycle(&mut world.reconciler(nowhere.path()), &Mode::Plan));
            prop_assert!(warm == cold, "after {:?}:\n{}", &events[..=number], difference(&warm, &cold));
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

fn difference(warm: &str, cold: &str) -> String {
    similar::TextDiff::from_lines(warm, cold).unified_diff().context_radius(4).header("warm", "cold").to_string()
}
