//! What was found of places is kept between runs: the next process reads only what changed, uses only what is as it was
//! written, and sees what a process without a memory sees.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/registry.rs"]
mod registry;
#[path = "support/remote.rs"]
mod remote;
#[path = "support/seen.rs"]
mod seen;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use registry::FakeRegistry;
use remote::BareRemote;
use repin::config;
use repin::git::reads;
use repin::reconcile::{CycleReport, Due, Mode, Reconciler};
use seen::{difference, seen};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const APPS: usize = 12;

/// What is read is counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

struct World {
    registry: FakeRegistry,
    remote: BareRemote,
    directory: TempDir,
    cache: TempDir,
    runtime: Runtime,
    _alone: MutexGuard<'static, ()>,
}

impl World {
    /// Applications of every kind: values at a key path, a kustomization that is searched, manifests that are searched.
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let (registry, runtime) = (FakeRegistry::start(), Runtime::new().unwrap());
        let (directory, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let world = Self { registry, remote: BareRemote::create(), directory, cache, runtime, _alone: alone };
        let mut files = Vec::new();
        for app in 0..APPS {
            world.registry.publish(&format!("acme/a{app}"), &["1.0.0", "1.1.0", "1.2.0"]);
            files.push((format!("argocd/a{app}.yaml"), world.definition(app)));
            files.extend(world.sources(app, "1.1.0"));
        }
        world.commit(&files, "start");
        let newest: Vec<(String, String)> = (0..APPS).flat_map(|app| world.sources(app, "1.2.0")).collect();
        world.commit(&newest, "newest");
        world.configure("rules: [{match: {path: '**'}, delivery: commit}]", "");
        world
    }

    fn commit(&self, files: &[(String, String)], message: &str) {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        self.remote.commit(&files, message);
    }

    fn image(&self, app: usize) -> String {
        format!("{}/acme/a{app}", self.registry.host())
    }

    fn definition(&self, app: usize) -> String {
        let (image, url) = (self.image(app), self.remote.url());
        let more = match app % 3 {
            0 => "    repin.dev/app.helm.image-tag: image.tag\n",
            1 => "",
            _ => "    repin.dev/write-back-target: /apps\n",
        };
        let helm = if app.is_multiple_of(3) { "    helm: {valueFiles: [values.yaml]}\n" } else { "" };
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: a{app}\n  annotations:\n    \
             repin.dev/image-list: \"app={image}:1.x\"\n{more}spec:\n  source:\n    repoURL: {url}\n    path: apps/a{app}\n{helm}"
        )
    }

    fn sources(&self, app: usize, tag: &str) -> Vec<(String, String)> {
        let (path, image) = (|file: &str| format!("apps/a{app}/{file}"), self.image(app));
        let pod = |image: &str| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: a{app}}}\nspec:\n  containers:\n  - name: a\n    image: {image}\n"
            )
        };
        match app % 3 {
            0 => vec![(path("values.yaml"), format!("image:\n  repository: {image}\n  tag: {tag}\n"))],
            1 => vec![
                (path("pod.yaml"), pod(&image)),
                (
                    path("kustomization.yaml"),
                    format!("resources: [pod.yaml]\nimages:\n- name: {image}\n  newTag: {tag}\n"),
                ),
            ],
            _ => vec![(path("pod.yaml"), pod(&format!("{image}:{tag}")))],
        }
    }

    fn configure(&self, more: &str, of_repository: &str) {
        let text = format!(
            "server: null\ncache: {{path: {cache}}}\nrepositories:\n  - {{name: gitops, url: \"{url}\", branch: main{of_repository}}}\n\
             registries:\n  - {{host: \"{host}\", insecure: true}}\n{more}\n",
            cache = self.cache.path().display(),
            url = self.remote.url(),
            host = self.registry.host(),
        );
        std::fs::write(self.directory.path().join("repin.yaml"), text).unwrap();
    }

    fn reconciler(&self, cache: &Path) -> Reconciler {
        let file = self.directory.path().join("repin.yaml");
        let (settings, _) = config::load(&file).unwrap();
        let mut options = config::options::reconcile(&settings, &file);
        options.cache = cache.to_owned();
        options.repositories.iter_mut().for_each(|repository| repository.cache = cache.to_owned());
        Reconciler::new(options).unwrap()
    }

    fn cycle(&self, reconciler: &mut Reconciler, mode: &Mode) -> CycleReport {
        let now = "2026-11-20T10:00:00Z".parse::<Timestamp>().unwrap();
        self.runtime.block_on(reconciler.cycle(now, mode, &Due::everything(), &CancellationToken::new()))
    }

    /// What a process sees that starts anew, and how many files it reads.
    fn anew(&self) -> (String, u64) {
        let before = reads().blobs;
        let text = seen(&self.cycle(&mut self.reconciler(self.cache.path()), &Mode::Plan));
        (text, reads().blobs - before)
    }

    /// What a process sees that has no memory.
    fn cold(&self) -> (String, u64) {
        let (nowhere, before) = (tempfile::tempdir().unwrap(), reads().blobs);
        let text = seen(&self.cycle(&mut self.reconciler(nowhere.path()), &Mode::Plan));
        (text, reads().blobs - before)
    }

    fn mirror(&self) -> PathBuf {
        let entries = std::fs::read_dir(self.cache.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "git")).unwrap()
    }

    fn kept(&self) -> PathBuf {
        self.mirror().join("repin/places")
    }
}

fn assert_same(warm: &str, cold: &str, what: &str) {
    assert!(warm == cold, "{what}:\n{}", difference(warm, cold));
}

#[test]
fn the_next_process_reads_only_what_changed() {
    let world = World::new();
    let (expected, all) = world.cold();
    assert_same(&world.anew().0, &expected, "first");
    let (text, few) = world.anew();
    assert_same(&text, &expected, "second");
    // The definitions, as ever.
    assert_eq!((few, all > 4 * few), (APPS as u64, true), "{all}");

    // One value and one manifest that nobody asks for: the value, and the words of what changed below a searched directory.
    world.commit(&world.sources(3, "1.0.0"), "older");
    world.commit(&[("apps/more/pod.yaml".to_owned(), "kind: Pod\n".to_owned())], "more");
    let (text, count) = world.anew();
    assert_same(&text, &world.cold().0, "after a commit");
    assert!(count < all, "{count} of {all}");
    // That was enough to be kept; two contents that hold nothing are too few for theirs.
    let (text, count) = world.anew();
    assert_same(&text, &world.cold().0, "kept again");
    assert_eq!(count, few + 2);
}

#[test]
fn what_is_kept_of_many_heads_ago_is_as_good() {
    let world = World::new();
    world.anew();
    let written = std::fs::read(world.kept()).unwrap();
    for round in 0..8 {
        match round % 4 {
            0 => world.commit(&world.sources(round, "1.0.0"), "older"),
            1 => drop(world.remote.revert("HEAD")),
            2 => drop(world.remote.remove(&[&world.sources(round, "")[0].0], "gone")),
            _ => world.commit(&world.sources(round + 1, "1.1.0"), "other"),
        }
        // As a process that keeps nothing sees it.
        std::fs::write(world.kept(), &written).unwrap();
        assert_same(&world.anew().0, &world.cold().0, &round.to_string());
    }
}

#[test]
fn what_is_not_as_it_was_written_is_found_anew() {
    let world = World::new();
    let expected = world.cold().0;
    world.anew();
    let whole = std::fs::read_to_string(world.kept()).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    assert_eq!(lines.len(), 1 + APPS, "who wrote it, and a line for each image");
    // What one image is called, with what is known of another one, as if it had been kept so.
    let exchanged = format!("{}{}\n", &lines[1][..16], &lines[2][16..]);
    let (program, _) = lines[0].rsplit_once(' ').unwrap();
    let exchanged = format!("{program} {}\n{exchanged}", hex::encode(Sha256::digest(&exchanged)));
    let mut damages: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\n\n".to_vec(),
        vec![0xff; 64],
        whole.replacen("repin ", "repin 0", 1).into_bytes(),
        exchanged.into_bytes(),
    ];
    for number in 1..lines.len() {
        let mut changed = lines.clone();
        let line = changed[number].replace("1.0.0", "9.9.9").replace("1.1.0", "9.9.9").replace("image", "imagf");
        changed[number] = &line;
        damages.push(changed.join("\n").into_bytes());
        let cut: usize = lines[..number].iter().map(|line| line.len() + 1).sum();
        damages.extend([5, 25, 60].map(|more| whole.as_bytes()[..(cut + more).min(whole.len())].to_vec()));
    }
    for (number, damage) in damages.iter().enumerate() {
        std::fs::write(world.kept(), damage).unwrap();
        assert_same(&world.anew().0, &expected, &number.to_string());
    }
    // A definition that is said to hold nothing, by nobody.
    let nothing = world.mirror().join("repin/nothing");
    let definition = world.remote.git(&["rev-parse", "main:argocd/a0.yaml"]);
    let said = std::fs::read_to_string(&nothing).unwrap();
    std::fs::write(&nothing, format!("{said}\n{definition}")).unwrap();
    assert_same(&world.anew().0, &expected, "nothing");
}

#[test]
fn another_configuration_finds_what_it_finds_without_a_memory() {
    let world = World::new();
    let rules = "rules: [{match: {path: '**'}, delivery: commit}]";
    let variants = [
        (rules, ""),
        ("rules: [{match: {path: 'apps/a1/**'}, delivery: pull-request}]", ""),
        (rules, ", discover: ['argocd/a[0-5].yaml']"),
        (rules, ", discover: ['**/*.yaml'], may_write: ['apps/**']"),
        (rules, ", history: {commits: 2}"),
        ("rules: []\nimage_fields: [{kind: Pod, image: 'spec.containers[*].image'}]", ""),
        ("observe: true\nrules: [{match: {path: '**'}, delivery: commit}]", ""),
    ];
    for round in 0..2 {
        for (more, of_repository) in variants {
            world.configure(more, of_repository);
            let expected = world.cold().0;
            for _ in 0..2 {
                assert_same(&world.anew().0, &expected, &format!("{round} {more}{of_repository}"));
            }
        }
    }
}

#[test]
fn beside_another_process_what_that_keeps_is_read_and_left_alone() {
    let world = World::new();
    let mut first = world.reconciler(world.cache.path());
    let expected = seen(&world.cycle(&mut first, &Mode::Plan));
    let written = std::fs::read(world.kept()).unwrap();
    let (text, few) = world.anew();
    assert_same(&text, &expected, "beside");
    assert_eq!(few, APPS as u64);
    for app in 0..APPS {
        world.commit(&world.sources(app, "1.1.0"), "older");
    }
    assert_same(&world.anew().0, &world.cold().0, "beside, later");
    assert_eq!(std::fs::read(world.kept()).unwrap(), written);
    // Who holds it keeps it, once so much is new.
    assert_same(&seen(&world.cycle(&mut first, &Mode::Plan)), &world.cold().0, "the holder");
    assert_ne!(std::fs::read(world.kept()).unwrap(), written);
}

#[test]
fn a_file_that_the_mirror_lost_is_missed_by_whoever_remembers_it() {
    let world = World::new();
    world.anew();
    let mirror = world.mirror();
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new(remote::git_program())
            .arg("--git-dir")
            .arg(&mirror)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let lost = world.remote.git(&["rev-parse", "main:apps/a6/values.yaml"]);
    let packs: Vec<PathBuf> =
        std::fs::read_dir(mirror.join("objects/pack")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for pack in packs.iter().filter(|path| path.extension().is_some_and(|ending| ending == "pack")) {
        let outside = world.directory.path().join("outside.pack");
        std::fs::rename(pack, &outside).unwrap();
        let unpack = std::process::Command::new("sh")
            .args(["-c", "exec git --git-dir \"$1\" unpack-objects -q < \"$2\"", "sh"])
            .args([mirror.as_path(), &outside])
            .status();
        assert!(unpack.unwrap().success());
    }
    packs.iter().for_each(|path| drop(std::fs::remove_file(path)));
    assert_eq!(git(&["cat-file", "-t", &lost]), "blob");
    std::fs::remove_file(mirror.join("objects").join(&lost[..2]).join(&lost[2..])).unwrap();

    let says = |cache: &Path| {
        let report = world.cycle(&mut world.reconciler(cache), &Mode::Check);
        report.problems.iter().map(|problem| format!("{} {}", problem.code, problem.message)).collect::<Vec<_>>()
    };
    let without = world.directory.path().join("without");
    let copied = std::process::Command::new("cp").arg("-a").args([world.cache.path(), &without]).status();
    assert!(copied.unwrap().success());
    std::fs::remove_dir_all(without.join(mirror.file_name().unwrap()).join("repin")).unwrap();
    let (with, without) = (says(world.cache.path()), says(&without));
    assert!(with.iter().any(|problem| problem.starts_with("git/corrupt")), "{with:#?}");
    assert!(without.iter().any(|problem| problem.starts_with("git/corrupt")), "{without:#?}");
    // And it heals.
    assert_eq!(says(world.cache.path()), Vec::<String>::new());
    assert_same(&world.anew().0, &world.cold().0, "healed");
}
