//! 20,000 commits over 3,600 files: what stood at every place, read cold and after ten more commits, beside
//! `git log --raw` of the same range.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use repin::git::{History, HistoryLimits, Mirror, Options};
use repin::manifest::{Found, Source};
use repin::model::history::BlobId;
use repin::model::key_path::KeyPath;
use repin::model::names::{Branch, RepoPath};

use crate::measure::{git, measure, quickest, run};
use crate::report::Report;
use crate::repository::{Stream, values};

const FILES: usize = 3_600;
const COMMITS: usize = 20_000;
const MORE: usize = 10;
/// Each way is run so often, in turns, and the quickest run counts: the first one reads the pack from the disk.
const RUNS: usize = 3;

/// The tags by blob, as a cycle keeps them.
type Known = HashMap<BlobId, String>;

pub fn measure_all(report: &mut Report) {
    report.scenario("20,000 commits over 3,600 files: what stood at every place");
    let place = tempfile::tempdir().unwrap();
    let bare = place.path().join("remote.git");
    let mut stream = Stream::new();
    stream.commit("Add everything");
    for at in 0..FILES {
        stream.file(&path(at), &text(at, 0));
    }
    // A fixed walk that meets the files in no order.
    for round in 1..COMMITS {
        let at = round * 2_749 % FILES;
        stream.commit(&format!(
            "Update s{at}\n\nRepin-Format: 1\nRepin-Change: {}#image.tag acme/s{at} 1.0.0 1.0.{round} -",
            path(at)
        ));
        stream.file(&path(at), &text(at, round));
    }
    let bare = stream.import(&bare);

    let options = Options::new(place.path().join("cache"), format!("file://{}", bare.display()));
    let branch: Branch = "main".parse().unwrap();
    let mut mirror = Mirror::open(&options).unwrap();
    let head = mirror.sync(Some(&branch)).unwrap();
    let directory = mirror.directory().display().to_string();
    let log = || {
        let mut command = std::process::Command::new("git");
        command.args([
            "--git-dir",
            &directory,
            "log",
            "--raw",
            "--first-parent",
            "--format=%H",
            &head.commit.to_string(),
        ]);
        run(&command)
    };
    let key: KeyPath = "image.tag".parse().unwrap();
    let (mut history, mut known) = (History::new(HistoryLimits::default()), Known::new());
    let (mut theirs, mut walk, mut parse) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (printed, cost) = log();
        assert_eq!(printed.lines().filter(|line| line.starts_with(':')).count(), FILES + COMMITS - 1);
        theirs.push(cost);
        (history, known) = (History::new(HistoryLimits::default()), Known::new());
        walk.push(measure(|| history.advance(&mirror, &head.commit, Timestamp::now()).unwrap()).1);
        let (places, cost) = measure(|| mark(&mirror, &history, &key, &mut known));
        parse.push(cost);
        assert_eq!((history.commits(), places, known.len()), (COMMITS, FILES, FILES + COMMITS - 1));
    }
    let [theirs, walk, parse] = [theirs, walk, parse].map(|costs| quickest(&costs));
    let cold = walk + parse;
    report.row("git log --raw --first-parent", theirs, "-", "-");
    report.row("repin, cold: the walk", walk, "-", "-");
    report.row("repin, cold: the versions of every place", parse, "-", "-");
    report.at_most(
        "past read cold, wall, times git log --raw",
        cold.wall.as_secs_f64() / theirs.wall.as_secs_f64(),
        5.0,
        "",
    );
    report.at_most(
        "past read cold, CPU, times git log --raw",
        cold.cpu.as_secs_f64() / theirs.cpu.as_secs_f64(),
        5.0,
        "",
    );

    let mut stream = Stream::new();
    for more in 0..MORE {
        if more == 0 {
            stream.commit_on_top("One more");
        } else {
            stream.commit("One more");
        }
        stream.file(&path(more), &text(more, COMMITS + more));
    }
    stream.append(&bare);
    let newer = mirror.sync(Some(&branch)).unwrap();
    assert_eq!(git(&bare, &["rev-parse", "main"]), newer.commit.to_string());
    let (places, warm) = measure(|| {
        history.advance(&mirror, &newer.commit, Timestamp::now()).unwrap();
        mark(&mirror, &history, &key, &mut known)
    });
    assert_eq!((history.commits(), places, known.len()), (COMMITS + MORE, FILES, FILES + COMMITS - 1 + MORE));
    report.row("repin, warm: ten commits more", warm, "-", "-");
    report.at_most("past read warm, part of cold", warm.wall.as_secs_f64() / cold.wall.as_secs_f64(), 0.05, "");
}

fn path(at: usize) -> String {
    format!("apps/team{}/s{at}/values.yaml", at % 60)
}

fn text(at: usize, round: usize) -> String {
    values(&format!("registry.example.com/acme/s{at}"), &format!("1.0.{round}"))
}

/// Reads the tag of every version of every file that is not known; gives the number of places.
fn mark(mirror: &Mirror, history: &History, key: &KeyPath, known: &mut Known) -> usize {
    let paths: Vec<&RepoPath> = history.paths().collect();
    let mut marks: HashSet<(&RepoPath, usize)> = HashSet::new();
    for path in &paths {
        let versions = history.versions(path);
        for blob in versions.iter().filter_map(|version| version.blob) {
            if known.contains_key(&blob) {
                continue;
            }
            let source = Source::from_bytes(&mirror.read(&blob, 4 << 20).unwrap()).unwrap();
            let Found::Text { value, .. } = source.read(key).unwrap() else { panic!("no tag in {path}") };
            known.insert(blob, value);
        }
        marks.insert((path, versions.len()));
    }
    marks.len()
}
