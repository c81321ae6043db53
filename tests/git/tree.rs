//! What a commit holds, and what is never read from it (`SECURITY.md`, row 1).

use repin::diagnostic::Diagnostic;
use repin::git::{EntryKind, GitError, History, HistoryLimits};

use crate::{World, id, path, time};

#[test]
fn files_links_and_submodules_are_told_apart() {
    let world = World::with_files(&[("a/run", "1"), ("a/b/c", "deep"), ("z", "last"), ("ä", "utf-8")]);
    world.remote.checkout("main");
    std::os::unix::fs::symlink("/etc/passwd", world.remote.work_tree().join("link")).unwrap();
    std::os::unix::fs::symlink("a", world.remote.work_tree().join("dirlink")).unwrap();
    let sub = format!("160000,{},sub", "1".repeat(40));
    world.remote.work(&["add", "--all"]);
    world.remote.work(&["update-index", "--add", "--cacheinfo", &sub]);
    world.remote.work(&["update-index", "--chmod=+x", "a/run"]);
    world.remote.work(&["commit", "--quiet", "-m", "kinds"]);
    world.remote.push_work("main");
    let (mirror, head) = world.synced();
    let listing = mirror.tree(&head.commit).unwrap();
    let entries: Vec<(&str, EntryKind)> =
        listing.entries.iter().map(|entry| (entry.path.as_str(), entry.kind)).collect();
    assert_eq!(
        entries,
        [
            ("a/b/c", EntryKind::Regular),
            ("a/run", EntryKind::Executable),
            ("dirlink", EntryKind::Symlink),
            ("link", EntryKind::Symlink),
            ("sub", EntryKind::Submodule),
            ("z", EntryKind::Regular),
            ("ä", EntryKind::Regular),
        ]
    );
    assert_eq!(listing.skipped, 0);
    for entry in &listing.entries {
        assert_eq!(mirror.entry(&head.commit, &entry.path).unwrap().as_ref(), Some(entry));
    }
    for missing in ["a", "a/b", "nope", "a/nope/c", "z/below", ""] {
        assert_eq!(mirror.entry(&head.commit, &path(missing)).unwrap(), None, "{missing}");
    }
    for (refused, at) in [("dirlink/run", "dirlink"), ("link/x", "link"), ("sub/x/y", "sub")] {
        match mirror.entry(&head.commit, &path(refused)) {
            Err(GitError::NotRegular { path, .. }) => assert_eq!(path, at),
            other => panic!("{refused}: {other:?}"),
        }
    }
}

/// Makes a commit on `main` from a raw tree, which git's own commands would refuse.
fn commit_raw_tree(world: &World, entries: &[(&str, &[u8], &str)]) -> String {
    let mut raw = Vec::new();
    for (mode, name, id) in entries {
        raw.extend(mode.as_bytes());
        raw.push(b' ');
        raw.extend(*name);
        raw.push(0);
        raw.extend(hex::decode(id).unwrap());
    }
    let tree = world.remote.git_with_input(&["hash-object", "-t", "tree", "-w", "--literally", "--stdin"], &raw);
    let commit = world.remote.git(&["commit-tree", "-m", "raw", &tree]);
    world.remote.git(&["update-ref", "refs/heads/main", &commit]);
    tree
}

#[test]
fn names_that_could_leave_the_repository_are_left_out_and_counted() {
    let world = World::with_files(&[("x", "secret")]);
    let blob = world.remote.git(&["rev-parse", "main:x"]);
    let tree = world.remote.git(&["rev-parse", "main^{tree}"]);
    commit_raw_tree(
        &world,
        &[
            ("40000", b"..", &tree),
            ("40000", b".GIT", &tree),
            ("100644", b".git", &blob),
            ("100644", b"a/b", &blob),
            ("100644", b"back\\slash", &blob),
            ("100644", b"line\nbreak", &blob),
            ("100644", b"not-utf8-\xff", &blob),
            ("100644", b"ok", &blob),
        ],
    );
    let (mirror, head) = world.synced();
    let listing = mirror.tree(&head.commit).unwrap();
    let paths: Vec<&str> = listing.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!((paths, listing.skipped), (vec!["ok"], 7));
    let mut history = History::new(HistoryLimits::default());
    history.advance(&mirror, &head.commit, time()).unwrap();
    assert_eq!(history.paths().map(|path| path.as_str()).collect::<Vec<_>>(), ["ok"]);
}

#[test]
fn a_few_objects_that_unfold_to_endless_names_are_refused() {
    let world = World::with_files(&[("x", "1")]);
    let mut tree = commit_raw_tree(&world, &[("100644", b"x", &world.remote.git(&["rev-parse", "main:x"]))]);
    for _ in 0..10 {
        let names: Vec<Vec<u8>> = (0..10).map(|n| format!("d{n}").into_bytes()).collect();
        let entries: Vec<(&str, &[u8], &str)> =
            names.iter().map(|name| ("40000", name.as_slice(), tree.as_str())).collect();
        tree = commit_raw_tree(&world, &entries);
    }
    let (mirror, head) = world.synced();
    assert_eq!(mirror.tree(&head.commit).unwrap_err().code(), "git/too-large");
    let mut history = History::new(HistoryLimits::default());
    assert_eq!(history.advance(&mirror, &head.commit, time()).unwrap_err().code(), "git/too-large");
    assert_eq!(history.head(), None);
}

#[test]
fn directories_deeper_than_the_limit_are_left_out() {
    let deep = format!("{}deep", "d/".repeat(70));
    let near = format!("{}near", "e/".repeat(60));
    let world = World::with_files(&[(deep.as_str(), "1"), (near.as_str(), "2")]);
    let (mirror, head) = world.synced();
    let listing = mirror.tree(&head.commit).unwrap();
    let paths: Vec<&str> = listing.entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!((paths, listing.skipped), (vec![near.as_str()], 1));
}

#[test]
fn a_content_is_read_up_to_its_limit_only() {
    let world = World::with_files(&[("a", "12345")]);
    let (mirror, head) = world.synced();
    let entry = mirror.entry(&head.commit, &path("a")).unwrap().unwrap();
    assert_eq!(mirror.read(&entry.blob, 5).unwrap(), b"12345");
    let error = mirror.read(&entry.blob, 4).unwrap_err();
    assert_eq!(error.code(), "git/too-large");
    assert!(error.to_string().ends_with("is too large: 5 bytes, the limit is 4 bytes"), "{error}");
    let tree = world.remote.git(&["rev-parse", "main^{tree}"]).parse().unwrap();
    assert_eq!(mirror.read(&tree, 1_000).unwrap_err().code(), "git/not-regular");
    assert_eq!(mirror.read(&"1".repeat(40).parse().unwrap(), 1_000).unwrap_err().code(), "git/corrupt");
}

#[test]
fn an_unknown_commit_is_an_error_and_no_reason_to_make_the_mirror_again() {
    let world = World::with_files(&[("a", "1")]);
    let (mut mirror, head) = world.synced();
    let unknown = id(&"1".repeat(40));
    let error = mirror.tree(&unknown).unwrap_err();
    assert_eq!(error.to_string(), format!("commit {unknown} of {} is not in the mirror", world.remote.url()));
    assert_eq!(error.code(), "git/no-such-commit");
    let mut history = History::new(HistoryLimits::default());
    assert_eq!(history.advance(&mirror, &unknown, time()).unwrap_err().code(), "git/no-such-commit");
    assert_eq!(mirror.sync(None).unwrap(), head);
    assert!(!mirror.was_remade());
}
