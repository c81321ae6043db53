//! 300 Applications in one repository of 3,600 files, all behind: the Git part beside what updaters do that clone for
//! each Application, then the whole program once, and the daemon.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use repin::git::{Authorship, Directory, History, HistoryLimits, Mirror, Node, Options, Trees, traffic};
use repin::manifest::argocd::{may_hold_applications, read_applications};
use repin::manifest::{Found, Source};
use repin::model::history::BlobId;
use repin::model::key_path::KeyPath;
use repin::model::names::{Branch, RepoPath};

use crate::daemon::{Daemon, configure, repin};
use crate::measure::{Cost, git, git_command, measure, run};
use crate::registry::{Registry, newest};
use crate::report::{Report, mebibytes};
use crate::repository::{Stream, application, values};

pub const APPLICATIONS: usize = 300;
const FILES: usize = 3_600;
const TAGS: usize = 50;
const OLD: &str = "1.0.0";
/// So many Applications are measured in today's way, which takes a minute or more for all of them; `REPIN_HEAVY=1`
/// measures all.
const SAMPLE: usize = 10;

pub fn measure_all(report: &mut Report) {
    let place = tempfile::tempdir().unwrap();
    let registry = Registry::start(APPLICATIONS, TAGS);
    report.scenario("300 Applications in one repository of 3,600 files, all behind, over file://");

    let today = remote(place.path(), "today", registry.host());
    let sample = if std::env::var("REPIN_HEAVY").as_deref() == Ok("1") { APPLICATIONS } else { SAMPLE };
    let measured = clone_for_each(place.path(), &today, sample);
    let scale = u32::try_from(APPLICATIONS / sample).unwrap();
    let theirs = Cost { wall: measured.wall * scale, cpu: measured.cpu * scale, peak: 0 };
    report.row(&format!("today: {sample} times clone --depth 1, edit, commit, push"), measured, "-", 2 * sample);
    report.row(&format!("today: the same for {APPLICATIONS}, times {scale}"), theirs, "-", 2 * APPLICATIONS);

    let own = remote(place.path(), "own", registry.host());
    let (ours, trips) = git_part(place.path(), &own);
    report.row("repin: fetch to read-back, 300 commits, one push", ours, "-", trips);
    report.at_least("Git part, wall, times less", theirs.wall.as_secs_f64() / ours.wall.as_secs_f64(), 100.0, "");
    report.at_least(
        "Git part, CPU with children, times less",
        theirs.cpu.as_secs_f64() / ours.cpu.as_secs_f64(),
        100.0,
        "",
    );
    for at in 0..sample {
        let values = |remote: &Path| git(remote, &["rev-parse", &format!("main:apps/s{at}/values.yaml")]);
        assert_eq!(values(&today), values(&own), "both did the same");
    }

    let whole = remote(place.path(), "whole", registry.host());
    let directory = place.path().join("whole");
    let config = configure(&directory, &url(&whole), registry.host());
    run(&repin("plan", &config));
    move_on(&whole);
    let before = registry.requests();
    let (_, cost) = run(&repin("once", &config));
    let after = registry.requests();
    let requests = (after.listings - before.listings, after.manifests - before.manifests);
    report.row("repin once, scan included, mirror warm", cost, requests.0 + requests.1, "-");
    report.at_most("repin once, peak memory", mebibytes(cost.peak), 150.0, " MiB");
    assert_eq!(requests.0, APPLICATIONS as u64, "one listing per image");
    assert_delivered(&whole);

    let watched = remote(place.path(), "watched", registry.host());
    let config = configure(&place.path().join("watched"), &url(&watched), registry.host());
    let daemon = Daemon::start(&config);
    let before = registry.requests();
    let [(first, begin), (next, counts)] = daemon.first_and_next(10);
    let listings = registry.requests().listings - before.listings;
    let trips = |counts: &crate::daemon::Counts| {
        format!("{} asked, {} fetched, {} pushed", counts.advertisements, counts.fetches, counts.pushes)
    };
    report.row("daemon, first cycle, everything cold", first, begin.registry, trips(&begin));
    report.row("daemon, a cycle in which nothing moved", next, counts.registry, trips(&counts));
    assert_delivered(&watched);
    assert_eq!((begin.delivered, counts.delivered), (APPLICATIONS as u64, 0));
    report.at_most(
        "daemon, CPU of such a cycle as part of the first",
        next.cpu.as_secs_f64() / first.cpu.as_secs_f64(),
        0.1,
        "",
    );
    report.at_most(
        "daemon, registry requests of such a cycle per image",
        counts.registry as f64 / APPLICATIONS as f64,
        1.0,
        "",
    );
    report.at_most("daemon, ref advertisements of such a cycle", counts.advertisements as f64, 1.0, "");
    report.at_most("daemon, fetches and pushes of such a cycle", (counts.fetches + counts.pushes) as f64, 0.0, "");
    report.at_most("daemon, peak memory", mebibytes(next.peak), 150.0, " MiB");
    drop(daemon);
    // The registry saw what the daemon counted, in the cycles that were counted and the first two at least.
    assert!(listings >= APPLICATIONS as u64 * (counts.cycles + 2), "{listings} listings");
}

fn url(remote: &Path) -> String {
    format!("file://{}", remote.display())
}

/// Makes the repository, with a commit for each Application behind it.
fn remote(place: &Path, name: &str, host: &str) -> PathBuf {
    let directory = place.join(name);
    fs::create_dir(&directory).unwrap();
    let bare = directory.join("remote.git");
    let mut stream = Stream::new();
    stream.commit("Add everything");
    let mut files = 0;
    let template = "{{- if .Values.enabled }}\napiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n{{- end }}\n".repeat(8);
    for at in 0..APPLICATIONS {
        let (app, image) = (format!("s{at}"), format!("{host}/acme/s{at}"));
        let path = format!("apps/{app}");
        stream.file(&format!("argocd/{app}.yaml"), &application(&app, &image, &url(&bare), &path));
        stream.file(&format!("{path}/values.yaml"), &values(&image, "0.9.0"));
        stream.file(&format!("{path}/values-dev.yaml"), "replicaCount: 1\n");
        stream.file(&format!("{path}/Chart.yaml"), &format!("apiVersion: v2\nname: {app}\nversion: 0.1.0\n"));
        stream.file(&format!("{path}/README.md"), &format!("# {app}\n"));
        for kind in ["deployment", "service", "ingress", "hpa", "account", "configmap", "secret"] {
            stream.file(&format!("{path}/templates/{kind}.yaml"), &format!("# {kind} of {app}\n{template}"));
        }
        files += 12;
    }
    assert_eq!(files, FILES);
    for at in 0..APPLICATIONS {
        stream.commit(&format!("Release s{at} {OLD}"));
        stream.file(&format!("apps/s{at}/values.yaml"), &values(&format!("{host}/acme/s{at}"), OLD));
    }
    stream.import(&bare)
}

/// A person's commit, so that there is something to fetch.
fn move_on(remote: &Path) {
    let mut stream = Stream::new();
    stream.commit_on_top("A note");
    stream.file("NOTES.md", "Read me.\n");
    stream.append(remote);
}

fn assert_delivered(remote: &Path) {
    for at in [0, APPLICATIONS / 2, APPLICATIONS - 1] {
        let text = git(remote, &["show", &format!("main:apps/s{at}/values.yaml")]);
        assert!(text.contains(&format!("tag: \"{}\"", newest(TAGS))), "{text}");
    }
    let count = git(remote, &["rev-list", "--count", "main"]);
    assert!(count.parse::<usize>().unwrap() > 2 * APPLICATIONS, "{count} commits");
}

/// The same work as it is done without a mirror. Taking the clones away is not counted.
fn clone_for_each(place: &Path, remote: &Path, count: usize) -> Cost {
    move_on(remote);
    let clone = place.join("clone");
    let mut total = Cost::default();
    for at in 0..count {
        let name = format!("s{at}");
        let ((), cost) = measure(|| {
            let run = |directory: &Path, arguments: &[&str]| {
                let output = git_command(directory, arguments).output().unwrap();
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            };
            run(place, &["clone", "--quiet", "--depth", "1", &url(remote), &clone.display().to_string()]);
            let file = clone.join(format!("apps/{name}/values.yaml"));
            let text = fs::read_to_string(&file).unwrap();
            fs::write(&file, text.replace(&format!("tag: \"{OLD}\""), &format!("tag: \"{}\"", newest(TAGS)))).unwrap();
            run(&clone, &["commit", "--quiet", "--all", "-m", &format!("Update {name}")]);
            run(&clone, &["push", "--quiet", "origin", "main"]);
        });
        total = total + cost;
        fs::remove_dir_all(&clone).unwrap();
    }
    let pushed = git(remote, &["rev-list", "--count", "--grep=^Update ", "main"]);
    assert_eq!(pushed, count.to_string());
    total
}

fn list(directory: &Directory, path: &RepoPath, files: &mut BTreeMap<RepoPath, BlobId>) {
    for child in directory.children() {
        let path = path.join(&child.name).unwrap();
        match &child.node {
            Node::Entry(entry) => drop(files.insert(path, entry.blob)),
            Node::Directory(below) => list(below, &path, files),
        }
    }
}

/// What a cycle does with Git, in its order, with a warm mirror and nothing in memory.
fn git_part(place: &Path, remote: &Path) -> (Cost, String) {
    let options = Options::new(place.join("own/cache"), url(remote));
    let branch: Branch = "main".parse().unwrap();
    Mirror::open(&options).unwrap().sync(Some(&branch)).unwrap();
    move_on(remote);
    let before = traffic();
    let ((), cost) = measure(|| {
        let mut mirror = Mirror::open(&options).unwrap();
        let head = mirror.sync(Some(&branch)).unwrap();
        let mut entries: BTreeMap<RepoPath, BlobId> = BTreeMap::new();
        list(&Trees::default().read(&mirror, &head.commit).unwrap(), &RepoPath::default(), &mut entries);
        let mut applications = Vec::new();
        for (path, blob) in entries.iter().filter(|(path, _)| path.as_str().ends_with(".yaml")) {
            let bytes = mirror.read(blob, 4 << 20).unwrap();
            if may_hold_applications(&bytes) {
                let text = String::from_utf8_lossy(&bytes);
                applications.extend(read_applications("gitops", path, &text).applications);
            }
        }
        assert_eq!(applications.len(), APPLICATIONS);
        let mut history = History::new(HistoryLimits::default());
        history.advance(&mirror, &head.commit, Timestamp::now()).unwrap();
        let key: KeyPath = "image.tag".parse().unwrap();
        let mut sources: HashMap<RepoPath, Source> = HashMap::new();
        let mut parsed = HashSet::new();
        for application in &applications {
            let directory = &application.sources.first().unwrap().path;
            let file: RepoPath = format!("{directory}/values.yaml").parse().unwrap();
            for version in history.versions(&file) {
                let blob = version.blob.unwrap();
                if !parsed.insert(blob) {
                    continue;
                }
                let source = Source::from_bytes(&mirror.read(&blob, 4 << 20).unwrap()).unwrap();
                assert!(matches!(source.read(&key).unwrap(), Found::Text { .. }));
                if entries.get(&file) == Some(&blob) {
                    sources.insert(file.clone(), source);
                }
            }
        }
        let mut parent = head.commit;
        for application in &applications {
            let name = &application.key.name;
            let file: RepoPath = format!("apps/{name}/values.yaml").parse().unwrap();
            let edited = sources.get(&file).unwrap().set(&key, &newest(TAGS)).unwrap();
            let message = format!(
                "Update {name} to {tag}\n\nacme/{name}: {OLD} -> {tag}\n\nRepin-Format: 1\nRepin-Change: {file}#image.tag acme/{name} {OLD} {tag} -\n",
                tag = newest(TAGS)
            );
            let changes = [(file, edited.text.into_bytes())];
            parent =
                mirror.commit(&parent, (&changes, &[]), &message, &Authorship::default(), Timestamp::now()).unwrap();
        }
        mirror.push(&branch, &head.commit, &parent).unwrap();
        mirror.read_back(&branch, &parent).unwrap();
    });
    assert_delivered(remote);
    let after = traffic();
    let trips = format!(
        "{} asked, {} fetched, {} pushed",
        after.advertisements - before.advertisements,
        after.fetches - before.fetches,
        after.pushes - before.pushes
    );
    (cost, trips)
}
