//! What is gathered on top of the last cycle equals what is gathered from nothing, whatever happened in between.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/registry.rs"]
mod registry;
#[path = "support/remote.rs"]
mod remote;
#[path = "support/seen.rs"]
mod seen;

use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use registry::FakeRegistry;
use remote::{BareRemote, NewCommit};
use repin::config;
use repin::reconcile::{CycleReport, Due, Mode, Reconciler};
use seen::{difference, seen};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const NAMES: [&str; 3] = ["web", "api", "job"];
const TAGS: [&str; 5] = ["1.0.0", "1.1.0", "1.2.0", "1.3.0", "2.0.0"];

/// What an Application may say: constraint, branch, and further annotations.
const SHAPES: [(&str, &str, &str); 10] = [
    (":1.x", "main", TAG),
    ("", "main", TAG),
    (":~1.1", "main", TAG),
    (":1.x", "release", TAG),
    (":1.x", "main", ""),
    (":1.x", "release", ""),
    (":1.x", "main", "    repin.dev/write-back-target: kustomization\n"),
    ("", "main", "    repin.dev/write-back-target: deploy\n"),
    (":1.x", "main", "    repin.dev/write-back-target: /apps\n"),
    (
        ":1.x",
        "main",
        "    repin.dev/app.helm.image-tag: image.tag\n    repin.dev/git-branch: \":auto/{{range .Images}}{{.Name}}-{{.NewTag}}{{end}}\"\n",
    ),
];
const TAG: &str = "    repin.dev/app.helm.image-tag: image.tag\n";

/// Directories that move, and where to: of Applications, of manifests, and of the templates of a chart.
const MOVES: [(&str, &str); 6] = [
    ("argocd", "clusters/argocd"),
    ("clusters/argocd", "argocd"),
    ("apps/web/deploy", "apps/web/templates"),
    ("apps/web/templates", "apps/web/deploy"),
    ("apps/api/deploy", "apps/web/more/deploy"),
    ("chart/templates", "chart/crds"),
];
/// What an ApplicationSet may say: generator, name, and source.
const SETS: [(&str, &str, &str); 3] = [
    ("git: {repoURL: URL, directories: [{path: apps/*}]}", "set-{{path.basename}}", "path: '{{path}}'"),
    (
        "git: {repoURL: URL, files: [{path: parameters/*.json}]}",
        "set-{{name}}",
        "path: 'apps/{{name}}'\n        helm: {parameters: [{name: image.tag, value: '{{tag}}'}, {name: image.repository, value: IMAGE}]}",
    ),
    (
        "list: {elements: [{name: web, tag: 1.0.0}, {name: api, tag: 1.1.0}]}",
        "set-{{name}}",
        "path: 'apps/{{name}}'\n        helm: {valuesObject: {image: {repository: IMAGE, tag: '{{tag}}'}}}",
    ),
];
const SET: &str = "argocd/set.yaml";

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
    /// The other branch goes.
    RemoveRelease,
    /// The other branch is set to where the first one is, by force.
    ResetRelease,
    /// A kustomization beside the values comes, or changes.
    SetKustomization(usize, usize),
    /// A kustomization goes.
    RemoveKustomization(usize),
    /// A manifest comes, or changes.
    SetManifest(usize, usize),
    /// Manifests go.
    RemoveManifests(usize),
    /// A directory of files moves elsewhere, with the same content.
    Move(usize),
    /// The values of an Application move to its other values file or back, and may get another tag on the way.
    Rename(usize, bool, Option<usize>),
    /// A directory with a template that is no YAML is a chart, or is not.
    SetChart(bool),
    /// An ApplicationSet comes, or another one in its place.
    Generate(usize),
    /// It goes.
    RemoveSet,
    /// A file comes that it may read, or changes.
    SetParameters(usize, usize),
    /// Such a file goes.
    RemoveParameters(usize),
    /// What was made for changes goes.
    RemoveMade,
    /// Somebody merges what was made for a change.
    MergeMade,
    /// The configuration is loaded again, with other rules and other branches that may be reached.
    Rules(bool, bool),
    /// A cycle in which the repository is not due.
    Rest,
    /// A cycle in which the remote is away.
    Away,
    /// Somebody deletes the cache.
    LoseCache,
}

fn event() -> impl Strategy<Value = Event> {
    let (app, tag) = (0..NAMES.len(), 0..TAGS.len());
    prop_oneof![
        4 => (app.clone(), tag.clone()).prop_map(|(app, tag)| Event::SetTag(app, tag)),
        3 => Just(Event::Revert),
        6 => (app.clone(), 0..SHAPES.len()).prop_map(|(app, shape)| Event::Define(app, shape)),
        1 => app.clone().prop_map(Event::RemoveApplication),
        1 => app.clone().prop_map(Event::RemoveValues),
        2 => (app.clone(), any::<bool>()).prop_map(|(app, is_there)| Event::Override(app, is_there)),
        1 => app.clone().prop_map(Event::Break),
        1 => app.clone().prop_map(Event::Link),
        1 => any::<u8>().prop_map(Event::Unrelated),
        1 => app.clone().prop_map(Event::Resume),
        1 => Just(Event::SetBack),
        2 => (app.clone(), tag.clone()).prop_map(|(app, tag)| Event::Merge(app, tag)),
        3 => Just(Event::Deliver),
        3 => tag.clone().prop_map(Event::SetTagOfRelease),
        1 => Just(Event::RemoveRelease),
        1 => Just(Event::ResetRelease),
        2 => (app.clone(), tag.clone()).prop_map(|(app, tag)| Event::SetKustomization(app, tag)),
        1 => app.clone().prop_map(Event::RemoveKustomization),
        2 => (app.clone(), tag.clone()).prop_map(|(app, tag)| Event::SetManifest(app, tag)),
        1 => app.clone().prop_map(Event::RemoveManifests),
        2 => (0..MOVES.len()).prop_map(Event::Move),
        5 => (app.clone(), any::<bool>(), proptest::option::of(tag.clone())).prop_map(|(app, over, tag)| Event::Rename(app, over, tag)),
        2 => any::<bool>().prop_map(Event::SetChart),
        3 => (0..SETS.len()).prop_map(Event::Generate),
        1 => Just(Event::RemoveSet),
        3 => (app.clone(), tag).prop_map(|(app, tag)| Event::SetParameters(app, tag)),
        1 => app.prop_map(Event::RemoveParameters),
        1 => Just(Event::RemoveMade),
        1 => Just(Event::MergeMade),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(writes, reaches)| Event::Rules(writes, reaches)),
        1 => Just(Event::Rest),
        1 => Just(Event::Away),
        1 => Just(Event::LoseCache),
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
        for (app, shape) in [0, 4, 6].into_iter().enumerate() {
            world.define(app, shape);
        }
        world.remote.checkout("main");
        world.remote.push_work("release");
        world.configure(true, true);
        world
    }

    fn configure(&self, writes: bool, reaches: bool) {
        let text = format!(
            "server: null\ncache: {{path: {cache}}}\nrepositories:\n  - {{name: gitops, url: \"{url}\", branch: main, branches: [{branches}]}}\n\
             registries:\n  - {{host: \"{host}\", insecure: true}}\nrules:\n  - {{match: {{path: \"apps/**\"}}, delivery: commit, observe: {observe}}}\n",
            cache = self.directory.path().join("cache").display(),
            url = self.remote.url(),
            host = self.registry.host(),
            observe = !writes,
            branches = if reaches { "release, 'auto/**'" } else { "'auto/**'" },
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
        self.cycle_of(reconciler, mode, &Due::everything())
    }

    fn cycle_of(&self, reconciler: &mut Reconciler, mode: &Mode, due: &Due) -> CycleReport {
        let now = "2026-11-20T10:00:00Z".parse::<Timestamp>().unwrap();
        self.runtime.block_on(reconciler.cycle(now, mode, due, &CancellationToken::new()))
    }

    fn image(&self, app: usize) -> String {
        format!("{}/acme/{}", self.registry.host(), NAMES[app])
    }

    fn kustomization(&self, app: usize, tag: &str) -> String {
        format!("images:\n- name: {}\n  newTag: {tag}\n", self.image(app))
    }

    fn pod(&self, app: usize, tag: &str) -> String {
        format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {}:{tag}\n", self.image(app))
    }

    fn values(&self, app: usize, tag: &str) -> String {
        format!("image:\n  repository: {}\n  tag: {tag}\n", self.image(app))
    }

    fn define(&self, app: usize, shape: usize) {
        let name = NAMES[app];
        let (image, (constraint, branch, more)) = (self.image(app), SHAPES[shape]);
        let helm = if more.contains("write-back-target") { "" } else { "    helm: {valueFiles: [values-over.yaml]}\n" };
        let manifest = format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n  annotations:\n    \
             repin.dev/image-list: \"app={image}{constraint}\"\n{more}spec:\n  source:\n    repoURL: {url}\n    path: apps/{name}\n    \
             targetRevision: {branch}\n{helm}",
            url = self.remote.url()
        );
        let mut files = vec![(format!("argocd/{name}.yaml"), manifest), (values_path(app), self.values(app, "1.0.0"))];
        if more.ends_with("kustomization\n") {
            files.push((in_app(app, "kustomization.yaml"), self.kustomization(app, "1.0.0")));
        } else if more.ends_with("deploy\n") {
            files.push((in_app(app, "deploy/0.yaml"), self.pod(app, "1.0.0")));
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.remote.commit(&files, &format!("Define {name}"));
    }

    /// Makes it happen; what cannot happen now does not.
    fn happen(&self, event: &Event, incremental: &mut Reconciler, cache: &Path) {
        let remote = &self.remote;
        let is_there = |path: &str| !remote.git(&["ls-tree", "main", path]).is_empty();
        match event {
            Event::SetTag(app, tag) => {
                drop(remote.commit(&[(&values_path(*app), &self.values(*app, TAGS[*tag]))], "Set a tag"))
            }
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
                std::fs::write(&path, self.values(*app, TAGS[*tag])).unwrap();
                remote.work(&["add", "--all"]);
                remote.work(&["commit", "--quiet", "--allow-empty", "-m", "On the side"]);
                remote.work(&["checkout", "--quiet", "--force", "main"]);
                remote.work(&["merge", "--quiet", "--no-ff", "--no-edit", "side"]);
                drop(remote.push_work("main"));
            }
            Event::Deliver => drop(self.cycle(incremental, &Mode::Deliver)),
            Event::SetTagOfRelease(tag) => {
                let changes: Vec<(String, String)> =
                    (0..NAMES.len()).map(|app| (values_path(app), self.values(app, TAGS[*tag]))).collect();
                let changes: Vec<(&str, &str)> =
                    changes.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
                drop(remote.make(&NewCommit { branch: "release", ..NewCommit::new(&changes, "On release") }));
            }
            Event::RemoveRelease => drop(remote.git(&["update-ref", "-d", "refs/heads/release"])),
            Event::ResetRelease => drop(remote.git(&["update-ref", "refs/heads/release", "refs/heads/main"])),
            Event::SetKustomization(app, tag) => {
                let text = self.kustomization(*app, TAGS[*tag]);
                drop(remote.commit(&[(&in_app(*app, "kustomization.yaml"), &text)], "Set a kustomization"));
            }
            Event::RemoveKustomization(app) if is_there(&in_app(*app, "kustomization.yaml")) => {
                drop(remote.remove(&[&in_app(*app, "kustomization.yaml")], "No kustomization"));
            }
            Event::SetManifest(app, tag) => {
                let text = self.pod(*app, TAGS[*tag]);
                drop(remote.commit(&[(&in_app(*app, &format!("deploy/{}.yaml", tag % 2)), &text)], "Set a manifest"));
            }
            Event::RemoveManifests(app) if is_there(&in_app(*app, "deploy/0.yaml")) => {
                drop(remote.remove(&[&in_app(*app, "deploy/0.yaml")], "No manifest"));
            }
            Event::Move(number) => {
                let (from, to) = MOVES[*number];
                if is_there(from) && !is_there(to) {
                    remote.checkout("main");
                    std::fs::create_dir_all(remote.work_tree().join(to).parent().unwrap()).unwrap();
                    let _ = std::fs::remove_dir_all(remote.work_tree().join(to));
                    remote.work(&["mv", from, to]);
                    remote.work(&["commit", "--quiet", "-m", "Move"]);
                    drop(remote.push_work("main"));
                }
            }
            Event::Rename(app, over, tag) => {
                let (one, other) = (values_path(*app), in_app(*app, "values-over.yaml"));
                let (from, to) = if *over { (one, other) } else { (other, one) };
                if is_there(&from) && !is_there(&to) {
                    remote.checkout("main");
                    remote.work(&["mv", &from, &to]);
                    if let Some(tag) = tag {
                        std::fs::write(remote.work_tree().join(&to), self.values(*app, TAGS[*tag])).unwrap();
                    }
                    remote.work(&["commit", "--quiet", "-am", "Rename"]);
                    drop(remote.push_work("main"));
                }
            }
            Event::SetChart(true) => {
                let broken = "{{ if .repin }}\nrepin.dev/image-list: [\n{{ end }}\n";
                let chart = ("chart/Chart.yaml", "name: chart\n");
                // Of `web` too, whose manifests may stand in its templates.
                let web = ("apps/web/Chart.yaml", "name: web\n");
                drop(remote.commit(&[chart, web, ("chart/templates/all.yaml", broken)], "A chart"));
            }
            Event::SetChart(false) if is_there("chart/Chart.yaml") => {
                drop(remote.remove(&["chart/Chart.yaml", "apps/web/Chart.yaml"], "No chart"));
            }
            Event::Generate(kind) => {
                let (generator, name, source) = SETS[*kind];
                let text = format!(
                    "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {{name: set}}\nspec:\n  generators:\n  - {generator}\n  \
                     template:\n    metadata:\n      name: '{name}'\n      annotations: {{repin.dev/image-list: app=IMAGE}}\n    spec:\n      \
                     source:\n        repoURL: URL\n        targetRevision: main\n        {source}\n"
                );
                let text =
                    text.replace("URL: URL", &format!("URL: \"{}\"", remote.url())).replace("IMAGE", &self.image(0));
                drop(remote.commit(&[(SET, &text)], "Generate"));
            }
            Event::RemoveSet if is_there(SET) => drop(remote.remove(&[SET], "No set")),
            Event::SetParameters(app, tag) => {
                let text = format!("{{\"name\": \"{}\", \"tag\": \"{}\"}}\n", NAMES[*app], TAGS[*tag]);
                drop(remote.commit(&[(&parameters_path(*app), &text)], "Set parameters"));
            }
            Event::RemoveParameters(app) if is_there(&parameters_path(*app)) => {
                drop(remote.remove(&[&parameters_path(*app)], "No parameters"));
            }
            Event::RemoveMade => {
                for branch in self.made() {
                    remote.git(&["update-ref", "-d", &branch]);
                }
            }
            Event::MergeMade => {
                let Some(branch) = self.made().into_iter().next() else { return };
                let commit = remote.git(&["rev-parse", &branch]);
                remote.checkout("main");
                remote.work(&["fetch", "--quiet", "origin", &branch]);
                let merge = ["merge", "--quiet", "--no-ff", "--strategy-option", "theirs", "-m", "Merge", &commit];
                let merged = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| remote.work(&merge)));
                if merged.is_ok() {
                    drop(remote.push_work("main"));
                } else {
                    remote.work(&["reset", "--quiet", "--hard", "HEAD"]);
                }
            }
            Event::Rest => {
                let due = Due { others: false, ..Due::everything() };
                drop(self.cycle_of(incremental, &Mode::Plan, &due));
            }
            Event::Away => {
                let away = remote.path().with_extension("away");
                std::fs::rename(remote.path(), &away).unwrap();
                let report = self.cycle(incremental, &Mode::Plan);
                std::fs::rename(&away, remote.path()).unwrap();
                assert_eq!(report.unread_repositories, 1, "{:?}", report.problems);
            }
            Event::LoseCache if cache.exists() => std::fs::remove_dir_all(cache).unwrap(),
            Event::Rules(writes, reaches) => {
                self.configure(*writes, *reaches);
                incremental.replace(self.options(cache)).unwrap();
            }
            Event::Revert
            | Event::RemoveApplication(_)
            | Event::RemoveValues(_)
            | Event::Override(_, false)
            | Event::SetChart(false)
            | Event::RemoveKustomization(_)
            | Event::RemoveManifests(_)
            | Event::RemoveSet
            | Event::RemoveParameters(_)
            | Event::LoseCache => {}
        }
    }

    /// The branches that were made for changes.
    fn made(&self) -> Vec<String> {
        let all = self.remote.git(&["for-each-ref", "--format=%(refname)", "refs/heads/auto/"]);
        all.lines().map(str::to_owned).collect()
    }
}

fn values_path(app: usize) -> String {
    in_app(app, "values.yaml")
}

fn parameters_path(app: usize) -> String {
    format!("parameters/{}.json", NAMES[app])
}

fn in_app(app: usize, file: &str) -> String {
    format!("apps/{}/{file}", NAMES[app])
}

#[test]
fn what_is_gathered_on_top_of_the_last_cycle_equals_what_is_gathered_from_nothing() {
    let cases = std::env::var("REPIN_HEAVY").map_or(10, |_| 200);
    let config = Config { cases, max_shrink_iters: 60, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&proptest::collection::vec(event(), 1..10), |events| {
        let world = World::new();
        let (cache, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
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
            // A process that starts anew has what earlier ones kept on disk.
            let anew = seen(&world.cycle(&mut world.reconciler(kept.path()), &Mode::Plan));
            prop_assert!(anew == cold, "after {:?}, anew:\n{}", &events[..=number], difference(&anew, &cold));
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
