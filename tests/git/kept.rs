//! What was read of a branch's past is kept between runs, and is used only as it was written.

use std::path::{Path, PathBuf};

use repin::git::{History, HistoryLimits, Mirror};
use repin::model::history::{CommitId, FileVersion};
use repin::model::names::RepoPath;
use sha2::{Digest, Sha256};

use crate::remote::NewCommit;
use crate::{World, branch, time};

fn read_as(mut history: History, mirror: &Mirror, head: &CommitId) -> History {
    history.advance(mirror, head, time()).unwrap();
    history
}

/// As the next process reads it.
pub(crate) fn kept(mirror: &Mirror, head: &CommitId) -> History {
    read_as(History::kept(HistoryLimits::default(), &branch("main")), mirror, head)
}

fn cold(mirror: &Mirror, head: &CommitId) -> History {
    read_as(History::new(HistoryLimits::default()), mirror, head)
}

/// Everything that a history tells.
fn told(mirror: &Mirror, mut history: History) -> String {
    let mut paths: Vec<RepoPath> = history.paths().cloned().collect();
    paths.sort_unstable();
    let mut told = format!("{:?} {} {}\n", history.head(), history.commits(), history.is_cut());
    for path in &paths {
        history.follow(mirror, path).unwrap();
        let stretches: Vec<(&RepoPath, &[FileVersion])> =
            history.stretches(path).iter().map(|stretch| (stretch.path, stretch.versions)).collect();
        let since: Vec<_> = history.versions(path).iter().map(|version| history.since(version.at)).collect();
        told.push_str(&format!("{path}: {stretches:#?} {since:?}\n"));
    }
    let mut noted: Vec<_> = history.noted().iter().map(|(at, commit)| (at, &commit.id, &commit.message)).collect();
    noted.sort_unstable();
    told + &format!("{noted:#?}")
}

/// Commits of every kind: moves, what is taken away, trailers, a merge that brings some, and dates before and after now.
fn fill(world: &World) {
    let remote = &world.remote;
    let long = "one two three four five six\n";
    remote.commit(&[("apps/web/values.yaml", "tag: 1.0.0\n"), ("apps/a \"b\" é.yaml", long)], "start");
    remote.make(&NewCommit {
        date: Some("2027-02-03T04:05:06Z".to_owned()),
        ..NewCommit::new(&[("apps/web/values.yaml", "tag: 1.1.0\n")], "two\n\nRepin-Format: 1\nRepin-Change: x\n")
    });
    remote.checkout("main");
    remote.work(&["checkout", "--quiet", "-b", "side"]);
    std::fs::write(remote.work_tree().join("side"), "x\n").unwrap();
    remote.work(&["add", "--all"]);
    remote.work(&["commit", "--quiet", "-m", "side\n\nRepin-Resume: web\n"]);
    remote.work(&["checkout", "--quiet", "main"]);
    remote.work(&["merge", "--quiet", "--no-ff", "-m", "merge\n\ttab \u{1} and \\ and \"", "side"]);
    remote.push_work("main");
    remote.work(&["mv", "apps/a \"b\" é.yaml", "apps/c.yaml"]);
    remote.work(&["commit", "--quiet", "-m", "move"]);
    remote.work(&["commit", "--quiet", "--allow-empty", "-m", "nothing"]);
    remote.push_work("main");
}

/// The file in which the past of the only branch is kept.
fn file(mirror: &Mirror) -> PathBuf {
    let directory = mirror.directory().join("repin");
    let files: Vec<PathBuf> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

/// Has the first part of a file tell something else, as if it had been written so: whoever tells it too has read it there.
fn doctor(file: &Path) {
    let content = std::fs::read_to_string(file).unwrap();
    let (head, rest) = content.split_once('\n').unwrap();
    let mut head: serde_json::Value = serde_json::from_str(head).unwrap();
    let (lines, rest) = rest.split_at(head["bytes"].as_u64().unwrap() as usize);
    let lines = lines.replace("\"start\"", "\"START\"");
    head["sha256"] = hex::encode(Sha256::digest(&lines)).into();
    std::fs::write(file, format!("{head}\n{lines}{rest}")).unwrap();
}

#[test]
fn the_next_process_compares_only_what_is_new() {
    let world = World::new();
    fill(&world);
    let (mirror, head) = world.synced();
    let expected = told(&mirror, cold(&mirror, &head.commit));
    assert_eq!(told(&mirror, kept(&mirror, &head.commit)), expected);
    drop(mirror);

    let (mut mirror, head) = world.synced();
    assert_eq!(told(&mirror, kept(&mirror, &head.commit)), expected);
    doctor(&file(&mirror));
    let doctored = |text: &str| text.replace("subject: \"start\"", "subject: \"START\"");
    assert_ne!(doctored(&expected), expected);
    assert_eq!(told(&mirror, kept(&mirror, &head.commit)), doctored(&expected));

    let before = std::fs::read(file(&mirror)).unwrap();
    world.remote.commit(&[("apps/web/values.yaml", "tag: 1.2.0\n")], "three");
    let head = mirror.sync(None).unwrap();
    let expected = doctored(&told(&mirror, cold(&mirror, &head.commit)));
    for _ in 0..2 {
        assert_eq!(told(&mirror, kept(&mirror, &head.commit)), expected);
    }
    let after = std::fs::read(file(&mirror)).unwrap();
    assert_eq!(after.get(..before.len()), Some(&before[..]), "it only grows");
    assert_eq!(
        after.iter().filter(|byte| **byte == b'\n').count(),
        before.iter().filter(|byte| **byte == b'\n').count() + 2
    );
}

#[test]
fn what_is_not_as_it_was_written_is_read_again() {
    let world = World::new();
    fill(&world);
    let (mut mirror, head) = world.synced();
    kept(&mirror, &head.commit);
    world.remote.commit(&[("apps/web/values.yaml", "tag: 1.2.0\n")], "three");
    let head = mirror.sync(None).unwrap();
    kept(&mirror, &head.commit);
    let file = file(&mirror);
    let whole = std::fs::read(&file).unwrap();
    let expected = told(&mirror, cold(&mirror, &head.commit));
    let mut damages: Vec<Vec<u8>> = Vec::new();
    for at in (0..whole.len()).step_by(61) {
        damages.push(whole[..at].to_vec());
        let mut changed = whole.clone();
        changed[at] ^= 1;
        damages.push(changed);
    }
    // The second part without the first, one twice, and what somebody began to write.
    let second = whole.windows(2).rposition(|two| two == b"\n{" && two.len() == 2).unwrap();
    damages.extend([whole[second + 1..].to_vec(), [&whole[..], &whole[second + 1..]].concat()]);
    damages.extend([[&whole[..], b"{\"program\":\"repin "].concat(), b"\n\n\n".to_vec(), vec![0xff; 100]]);
    for (number, damage) in damages.iter().enumerate() {
        std::fs::write(&file, damage).unwrap();
        assert_eq!(told(&mirror, kept(&mirror, &head.commit)), expected, "{number}");
        // And it is whole again, or stays whole.
        assert_eq!(told(&mirror, kept(&mirror, &head.commit)), expected, "{number}");
        assert!(std::fs::read(&file).unwrap().starts_with(b"{\"program\":\"repin "), "{number}");
    }
}

#[test]
fn a_branch_that_was_moved_elsewhere_is_kept_anew() {
    let world = World::new();
    fill(&world);
    let (mut mirror, head) = world.synced();
    kept(&mirror, &head.commit);
    world.remote.checkout("main");
    world.remote.work(&["reset", "--quiet", "--hard", "HEAD~2"]);
    world.remote.work(&["push", "--quiet", "--force", "origin", "main"]);
    for content in ["tag: 3.0.0\n", "tag: 3.1.0\n"] {
        let head = mirror.sync(None).unwrap();
        let expected = told(&mirror, cold(&mirror, &head.commit));
        assert_eq!(told(&mirror, kept(&mirror, &head.commit)), expected);
        assert_eq!(told(&mirror, kept(&mirror, &head.commit)), expected);
        world.remote.commit(&[("apps/web/values.yaml", content)], content);
    }
}

#[test]
fn beside_another_process_what_that_keeps_is_read_and_left_alone() {
    let world = World::new();
    fill(&world);
    let (mirror, head) = world.synced();
    kept(&mirror, &head.commit);
    let written = std::fs::read(file(&mirror)).unwrap();
    world.remote.commit(&[("apps/web/values.yaml", "tag: 1.2.0\n")], "three");
    let (private, head) = world.synced();
    assert!(private.is_private());
    assert_eq!(told(&private, kept(&private, &head.commit)), told(&private, cold(&private, &head.commit)));
    assert_eq!(std::fs::read(file(&mirror)).unwrap(), written);
    doctor(&file(&mirror));
    assert!(told(&private, kept(&private, &head.commit)).contains("START"));
}

#[test]
fn a_past_with_limits_is_not_kept() {
    let world = World::new();
    fill(&world);
    let (mirror, head) = world.synced();
    for limits in [HistoryLimits { commits: Some(3), days: None }, HistoryLimits { commits: None, days: Some(10_000) }]
    {
        read_as(History::kept(limits, &branch("main")), &mirror, &head.commit);
        assert!(!mirror.directory().join("repin").exists());
    }
}

#[test]
fn what_was_deleted_under_a_process_is_kept_again() {
    let world = World::new();
    fill(&world);
    let (mut mirror, head) = world.synced();
    let mut history = kept(&mirror, &head.commit);
    std::fs::remove_file(file(&mirror)).unwrap();
    for content in ["tag: 1.2.0\n", "tag: 1.3.0\n", "tag: 1.4.0\n"] {
        world.remote.commit(&[("apps/web/values.yaml", content)], content);
        let head = mirror.sync(None).unwrap();
        history.advance(&mirror, &head.commit, time()).unwrap();
        assert_eq!(told(&mirror, history.clone()), told(&mirror, cold(&mirror, &head.commit)), "{content}");
    }
    // The first one met that it is gone, the second one began it anew, and the third one went on.
    let content = std::fs::read_to_string(file(&mirror)).unwrap();
    assert_eq!(content.lines().filter(|line| line.starts_with("{\"program\"")).count(), 2);
    doctor(&file(&mirror));
    assert!(told(&mirror, kept(&mirror, history.head().unwrap())).contains("START"));
}

#[test]
fn what_is_kept_of_a_branch_goes_with_it() {
    let world = World::new();
    fill(&world);
    world.remote.git(&["branch", "feature", "main"]);
    let mut mirror = world.open();
    let look = mirror.look_at(Some(&branch("main")), &[branch("feature")]).unwrap();
    for (name, head) in [("main", look.head.commit), ("feature", look.others[&branch("feature")])] {
        read_as(History::kept(HistoryLimits::default(), &branch(name)), &mirror, &head);
    }
    let files = |mirror: &Mirror| std::fs::read_dir(mirror.directory().join("repin")).unwrap().count();
    assert_eq!(files(&mirror), 2);
    world.remote.git(&["branch", "-D", "feature"]);
    world.remote.commit(&[("other", "y")], "fetch");
    let head = mirror.sync(None).unwrap();
    assert_eq!(files(&mirror), 1);
    assert_eq!(told(&mirror, kept(&mirror, &head.commit)), told(&mirror, cold(&mirror, &head.commit)));
}
