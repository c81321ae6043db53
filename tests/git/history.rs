//! The past of a branch, along first parents.

use repin::git::{History, HistoryLimits, Mirror};
use repin::model::history::CommitId;

use crate::remote::NewCommit;
use crate::{World, commit_one, id, path, time};

/// Gives the versions of a file as `subject: content`, newest first.
fn told(mirror: &Mirror, history: &History, file: &str) -> Vec<String> {
    let versions = history.versions(&path(file)).iter();
    versions
        .map(|version| {
            let content = version.blob.map(|blob| String::from_utf8(mirror.read(&blob, 1_000).unwrap()).unwrap());
            format!("{}: {}", version.commit.subject, content.as_deref().unwrap_or("gone").trim_end())
        })
        .collect()
}

fn all(mirror: &Mirror, head: &CommitId) -> History {
    let mut history = History::new(HistoryLimits::default());
    history.advance(mirror, head, time()).unwrap();
    history
}

#[test]
fn every_version_is_told_with_the_commit_that_brought_it() {
    let world = World::new();
    let author = ("Ada Löwe", "ada@example.com");
    let start = NewCommit {
        date: Some("2025-03-01T12:00:00+02:00".to_owned()),
        author,
        ..NewCommit::new(
            &[("apps/web/values.yaml", "1"), ("other", "x")],
            "start here\n\nWith a body.\n\nRepin-Format: 1\n",
        )
    };
    let first = world.remote.make(&start);
    world.remote.commit(&[("apps/web/values.yaml", "2")], "two");
    world.remote.commit(&[("other", "y")], "unrelated");
    world.remote.commit(&[("apps/web/values.yaml", "1")], "back");
    let (mirror, head) = world.synced();
    let history = all(&mirror, &head.commit);
    assert_eq!(told(&mirror, &history, "apps/web/values.yaml"), ["back: 1", "two: 2", "start here: 1"]);
    assert_eq!(told(&mirror, &history, "other"), ["unrelated: y", "start here: x"]);
    assert!(history.versions(&path("apps/web")).is_empty());
    assert_eq!((history.commits(), history.is_cut(), history.head()), (4, false, Some(&head.commit)));
    let mut paths: Vec<&str> = history.paths().map(|path| path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["apps/web/values.yaml", "other"]);

    let oldest = history.versions(&path("other")).last().unwrap();
    assert_eq!(oldest.commit.id, id(&first));
    assert_eq!(oldest.commit.author_name, "Ada Löwe");
    assert_eq!(oldest.commit.author_email, "ada@example.com");
    assert_eq!(oldest.commit.time.to_string(), "2025-03-01T10:00:00Z");
    assert_eq!(oldest.commit.message, "start here\n\nWith a body.\n\nRepin-Format: 1\n");
}

#[test]
fn a_merge_is_one_commit_with_all_that_it_brought() {
    let world = World::with_files(&[("a", "1"), ("b", "1")]);
    world.remote.checkout("main");
    world.remote.work(&["checkout", "--quiet", "-b", "side"]);
    world.remote.push_work("side");
    for (n, text) in [("side 2", "2"), ("side 3", "3")] {
        world.remote.make(&NewCommit { branch: "side", ..NewCommit::new(&[("a", text)], n) });
    }
    world.remote.commit(&[("b", "2")], "main goes on");
    world.remote.checkout("main");
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "merge side", "side"]);
    world.remote.push_work("main");
    let (mirror, head) = world.synced();
    let history = all(&mirror, &head.commit);
    assert_eq!(told(&mirror, &history, "a"), ["merge side: 3", "start: 1"]);
    assert_eq!(told(&mirror, &history, "b"), ["main goes on: 2", "start: 1"]);
    assert_eq!(history.commits(), 3);
}

#[test]
fn a_file_may_go_and_come_back_and_change_its_kind() {
    let world = World::with_files(&[("a", "1"), ("keep", "x"), ("d", "file")]);
    world.remote.remove(&["a", "d"], "remove");
    world.remote.commit(&[("a", "2"), ("d/e", "below"), ("d.x", "1"), ("d0", "1")], "again");
    world.remote.checkout("main");
    std::fs::remove_file(world.remote.work_tree().join("a")).unwrap();
    std::os::unix::fs::symlink("keep", world.remote.work_tree().join("a")).unwrap();
    world.remote.work(&["add", "--all"]);
    world.remote.work(&["commit", "--quiet", "-m", "link"]);
    world.remote.work(&["update-index", "--chmod=+x", "keep"]);
    world.remote.work(&["commit", "--quiet", "-m", "only the mode"]);
    world.remote.push_work("main");
    world.remote.remove(&["d/e"], "directory gone");
    let (mirror, head) = world.synced();
    let history = all(&mirror, &head.commit);
    assert_eq!(told(&mirror, &history, "a"), ["link: gone", "again: 2", "remove: gone", "start: 1"]);
    assert_eq!(told(&mirror, &history, "d"), ["remove: gone", "start: file"]);
    assert_eq!(told(&mirror, &history, "d/e"), ["directory gone: gone", "again: below"]);
    assert_eq!(told(&mirror, &history, "keep"), ["start: x"]);
    assert_eq!(told(&mirror, &history, "d.x"), ["again: 1"]);
}

#[test]
fn only_commits_since_the_known_head_are_read() {
    let world = World::with_files(&[("a", "1"), ("b", "1")]);
    let (mut mirror, head) = world.synced();
    let mut history = all(&mirror, &head.commit);
    world.remote.commit(&[("a", "2")], "two");
    world.remote.commit(&[("a", "3"), ("c", "1")], "three");
    let head = mirror.sync(None).unwrap();
    history.advance(&mirror, &head.commit, time()).unwrap();
    let whole = all(&mirror, &head.commit);
    for file in ["a", "b", "c"] {
        assert_eq!(history.versions(&path(file)), whole.versions(&path(file)), "{file}");
    }
    assert_eq!(told(&mirror, &history, "a"), ["three: 3", "two: 2", "start: 1"]);
    assert_eq!((history.commits(), history.is_cut()), (3, false));

    // Known commits are not read again: even a limit of none but the new one keeps what is known.
    let mut limited = History::new(HistoryLimits { commits: Some(1), days: None });
    limited.advance(&mirror, &head.commit, time()).unwrap();
    world.remote.commit(&[("a", "4")], "four");
    let head = mirror.sync(None).unwrap();
    limited.advance(&mirror, &head.commit, time()).unwrap();
    assert_eq!(told(&mirror, &limited, "a"), ["four: 4", "three: 3"]);
    assert_eq!((limited.commits(), limited.is_cut()), (2, true));
}

#[test]
fn own_commits_are_history_before_they_are_fetched_back() {
    let world = World::with_files(&[("a", "1")]);
    let (mirror, head) = world.synced();
    let mut history = all(&mirror, &head.commit);
    let new = commit_one(&mirror, &head.commit, "a", "2").unwrap();
    history.advance(&mirror, &new, time()).unwrap();
    assert_eq!(told(&mirror, &history, "a"), ["write 2: 2", "start: 1"]);
}

#[test]
fn a_rewritten_branch_is_read_from_the_start() {
    let world = World::with_files(&[("a", "1")]);
    let first = world.remote.head();
    world.remote.commit(&[("a", "2")], "dropped");
    let (mut mirror, head) = world.synced();
    let mut history = all(&mirror, &head.commit);
    world.remote.git(&["update-ref", "refs/heads/main", &first]);
    world.remote.commit(&[("a", "3")], "instead");
    let head = mirror.sync(None).unwrap();
    history.advance(&mirror, &head.commit, time()).unwrap();
    assert_eq!(told(&mirror, &history, "a"), ["instead: 3", "start: 1"]);
    assert_eq!(history.commits(), 2);
}

#[test]
fn a_head_that_was_merged_from_the_side_is_not_below_by_first_parents() {
    let world = World::with_files(&[("a", "1"), ("b", "1")]);
    let (mut mirror, _) = world.synced();
    world.remote.checkout("main");
    world.remote.work(&["checkout", "--quiet", "-b", "side"]);
    world.remote.push_work("side");
    world.remote.make(&NewCommit { branch: "side", ..NewCommit::new(&[("a", "2")], "on the side") });
    let side = mirror.sync(Some(&crate::branch("side"))).unwrap();
    let mut history = all(&mirror, &side.commit);
    world.remote.commit(&[("b", "2")], "main goes on");
    world.remote.checkout("main");
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "merge side", "side"]);
    world.remote.push_work("main");
    let head = mirror.sync(None).unwrap();
    history.advance(&mirror, &head.commit, time()).unwrap();
    assert_eq!(told(&mirror, &history, "a"), ["merge side: 2", "start: 1"]);
}

#[test]
fn limits_cut_history_and_say_so() {
    let world = World::new();
    for day in 1..=5 {
        let content = day.to_string();
        world.remote.make(&NewCommit {
            date: Some(format!("2026-01-0{day}T09:00:00Z")),
            ..NewCommit::new(&[("a", content.as_str())], &format!("day {day}"))
        });
    }
    let (mirror, head) = world.synced();
    for (commits, days, expected, cut) in [
        (Some(2), None, vec!["day 5: 5", "day 4: 4"], true),
        (None, Some(3), vec!["day 5: 5", "day 4: 4", "day 3: 3"], true),
        (Some(1), Some(3), vec!["day 5: 5"], true),
        (Some(0), None, vec![], true),
        (Some(5), Some(30), vec!["day 5: 5", "day 4: 4", "day 3: 3", "day 2: 2", "day 1: 1"], false),
    ] {
        let mut history = History::new(HistoryLimits { commits, days });
        history.advance(&mirror, &head.commit, time()).unwrap();
        assert_eq!(told(&mirror, &history, "a"), expected, "{commits:?} {days:?}");
        assert_eq!(history.is_cut(), cut, "{commits:?} {days:?}");
    }
}
