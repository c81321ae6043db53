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

/// Gives a file under all its names as `path subject: content`, newest first.
fn followed(mirror: &Mirror, history: &mut History, file: &str) -> Vec<String> {
    let file = path(file);
    history.follow(mirror, &file).unwrap();
    let mut told = Vec::new();
    for stretch in history.stretches(&file) {
        for version in stretch.versions {
            let content = version.blob.map(|blob| String::from_utf8(mirror.read(&blob, 1_000).unwrap()).unwrap());
            let content = content.map_or("gone".to_owned(), |text| text.lines().last().unwrap_or_default().to_owned());
            told.push(format!("{} {}: {content}", stretch.path, version.commit.subject));
        }
    }
    told
}

#[test]
fn a_commit_came_at_the_latest_date_on_the_line_up_to_it_and_never_after_now() {
    let world = World::new();
    let make = |day: &str, content: &str| {
        let commit = NewCommit::new(&[("a", content)], content);
        world.remote.make(&NewCommit { date: Some(format!("{day}T09:00:00Z")), ..commit })
    };
    let at = |history: &History| -> Vec<String> {
        let versions = history.versions(&path("a")).iter();
        versions.map(|version| history.since(version.at).unwrap().to_string()).collect()
    };
    for (day, content) in [("2026-01-02", "1"), ("2026-01-01", "2"), ("2026-01-04", "3"), ("2026-01-03", "4")] {
        make(day, content);
    }
    let (mut mirror, head) = world.synced();
    let mut history = all(&mirror, &head.commit);
    let [second, fourth] = ["2026-01-02T09:00:00Z", "2026-01-04T09:00:00Z"];
    assert_eq!(at(&history), [fourth, fourth, second, second]);
    assert_eq!((history.since(0), history.since(5)), (None, None));

    // What is dated after now came with the next commit that is not, or now; and that is not later than it says, once that
    // is past.
    make("2026-01-20", "5");
    make("2026-01-05", "6");
    make("2026-01-21", "7");
    let head = mirror.sync(None).unwrap();
    for (now, expected) in [
        ("2026-01-10T00:00:00Z", ["2026-01-10T00:00:00Z", "2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z"]),
        ("2026-01-20T12:00:00Z", ["2026-01-20T12:00:00Z", "2026-01-20T09:00:00Z", "2026-01-20T09:00:00Z"]),
        ("2026-01-22T00:00:00Z", ["2026-01-21T09:00:00Z", "2026-01-20T09:00:00Z", "2026-01-20T09:00:00Z"]),
    ] {
        history.advance(&mirror, &head.commit, now.parse().unwrap()).unwrap();
        let mut cold = History::new(HistoryLimits::default());
        cold.advance(&mirror, &head.commit, now.parse().unwrap()).unwrap();
        assert_eq!(at(&history)[..3], expected, "{now}");
        assert_eq!(at(&history)[3..], [fourth, fourth, second, second], "{now}");
        assert_eq!(at(&cold), at(&history), "{now}");
    }
}

#[test]
fn a_file_is_followed_through_its_moves_and_no_further() {
    let text = |number: u32| format!("one\ntwo\nthree\n{number}\n");
    let world = World::with_files(&[("a", &text(1)), ("keep", "x\n")]);
    let mv = |from: &str, to: &str, number: Option<u32>, message: &str| {
        world.remote.checkout("main");
        std::fs::create_dir_all(world.remote.work_tree().join(to).parent().unwrap()).unwrap();
        world.remote.work(&["mv", from, to]);
        if let Some(number) = number {
            std::fs::write(world.remote.work_tree().join(to), text(number)).unwrap();
        }
        world.remote.work(&["commit", "--quiet", "-am", message]);
        world.remote.push_work("main");
    };
    mv("a", "d/b", None, "move");
    mv("d/b", "c", Some(2), "move and write");
    mv("c", "a", None, "and back");
    world.remote.commit(&[("a", &text(3)), ("copy", &text(3))], "write and copy");
    let (mirror, head) = world.synced();
    let mut history = all(&mirror, &head.commit);
    let whole = ["a write and copy: 3", "a and back: 2", "c move and write: 2", "d/b move: 1", "a start: 1"];
    assert_eq!(followed(&mirror, &mut history, "a"), whole);
    assert_eq!(followed(&mirror, &mut history, "copy"), ["copy write and copy: 3"]);
    // Gone in one commit, new elsewhere in the next; and what was there earlier is told as ever.
    world.remote.remove(&["a"], "gone");
    world.remote.commit(&[("a", "something else\n"), ("e", &text(3))], "elsewhere");
    let (mirror, head) = world.synced();
    let mut history = all(&mirror, &head.commit);
    assert_eq!(followed(&mirror, &mut history, "e"), ["e elsewhere: 3"]);
    let again = [&["a elsewhere: something else", "a gone: gone"], &whole[..]].concat();
    assert_eq!(followed(&mirror, &mut history, "a"), again);
}

/// What may happen to one of four files.
#[derive(Clone, Debug)]
enum Step {
    Write(usize, u8),
    /// To the n-th name of the directory, with or without another content.
    Move(usize, usize, Option<u8>),
    Remove(usize),
    /// The directory of all files becomes another one.
    MoveAll(u8),
}

#[test]
fn what_is_followed_commit_by_commit_is_what_is_followed_at_once() {
    use proptest::prelude::*;
    let file = || 0_usize..4;
    let step = prop_oneof![
        3 => (file(), any::<u8>()).prop_map(|(file, content)| Step::Write(file, content)),
        5 => (file(), 0_usize..8, proptest::option::of(any::<u8>())).prop_map(|(file, to, content)| Step::Move(file, to, content)),
        1 => file().prop_map(Step::Remove),
        2 => any::<u8>().prop_map(|name| Step::MoveAll(name % 3)),
    ];
    let cases = std::env::var("REPIN_HEAVY").map_or(8, |_| 100);
    let config = proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let result = runner.run(&proptest::collection::vec(step, 4..12), |steps| {
        let world = World::with_files(&[("keep", "x\n")]);
        let remote = &world.remote;
        // The words of a file are its own, so that nobody else is like it.
        let text = |file: usize, content: u8| format!("own{file} words{file} of{file} its{file}\n{file}.{content}\n");
        // Where each file is, and what stood there since it began: newest first.
        let mut files: Vec<Option<String>> = vec![None; 4];
        let mut told: Vec<Vec<String>> = vec![Vec::new(); 4];
        let mut directory = "d0".to_owned();
        let (mut mirror, head) = world.synced();
        let mut warm = all(&mirror, &head.commit);
        for (number, step) in steps.iter().enumerate() {
            remote.checkout("main");
            let tree = remote.work_tree();
            let write = |path: &str, text: &str| {
                std::fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
                std::fs::write(tree.join(path), text).unwrap();
            };
            let read = |path: &str| std::fs::read_to_string(tree.join(path)).unwrap();
            let mut touched = Vec::new();
            match *step {
                Step::Write(file, content) => {
                    let path = files[file].clone().unwrap_or_else(|| format!("{directory}/new{file}-{number}"));
                    let is_same = files[file].is_some() && read(&path) == text(file, content);
                    write(&path, &text(file, content));
                    if files[file].is_none() {
                        told[file].clear();
                    }
                    files[file] = Some(path);
                    touched.extend((!is_same).then_some(file));
                }
                Step::Move(file, to, content) => {
                    let to = format!("{directory}/f{to}");
                    let is_free = !files.iter().flatten().any(|path| *path == to);
                    if let Some(from) = files[file].clone().filter(|_| is_free) {
                        let now = content.map_or_else(|| read(&from), |content| text(file, content));
                        std::fs::remove_file(tree.join(&from)).unwrap();
                        write(&to, &now);
                        files[file] = Some(to);
                        touched.push(file);
                    }
                }
                Step::Remove(file) => {
                    if let Some(path) = files[file].take() {
                        std::fs::remove_file(tree.join(path)).unwrap();
                    }
                }
                Step::MoveAll(name) => {
                    let to = format!("d{name}");
                    if to != directory {
                        for (file, path) in files.iter_mut().enumerate() {
                            let Some(path) = path else { continue };
                            let new = path.replacen(&directory, &to, 1);
                            write(&new, &read(path));
                            std::fs::remove_file(tree.join(&*path)).unwrap();
                            *path = new;
                            touched.push(file);
                        }
                        directory = to;
                    }
                }
            }
            for file in touched {
                let path = files[file].clone().unwrap();
                let content = read(&path).lines().last().unwrap().to_owned();
                told[file].insert(0, format!("{path} step {number}: {content}"));
            }
            remote.work(&["add", "--all"]);
            remote.work(&["commit", "--quiet", "--allow-empty", "-m", &format!("step {number}")]);
            remote.push_work("main");
            if number % 2 == 1 && number + 1 < steps.len() {
                continue;
            }
            let head = mirror.sync(None).unwrap();
            warm.advance(&mirror, &head.commit, time()).unwrap();
            let mut cold = all(&mirror, &head.commit);
            let mut kept = crate::kept::kept(&mirror, &head.commit);
            for (file, path) in files.iter().enumerate() {
                let Some(path) = path else { continue };
                let cold = followed(&mirror, &mut cold, path);
                prop_assert_eq!(&followed(&mirror, &mut warm, path), &cold, "{:?}", &steps[..=number]);
                prop_assert_eq!(&followed(&mirror, &mut kept, path), &cold, "{:?}", &steps[..=number]);
                // A name may have been that of another file, before it was gone.
                prop_assert_eq!(&cold[..told[file].len()], &told[file][..], "{:?}", &steps[..=number]);
            }
        }
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
