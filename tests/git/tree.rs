//! What a commit holds, and what is never read from it (`SECURITY.md`, row 1).

use std::sync::Arc;

use repin::diagnostic::Diagnostic;
use repin::git::{Directory, EntryKind, GitError, History, HistoryLimits, Trees};

use crate::{World, commit_one, id, listing, path, time};

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
    let (found, skipped) = listing(&mirror, &head.commit).unwrap();
    let entries: Vec<(&str, EntryKind)> = found.iter().map(|(path, entry)| (path.as_str(), entry.kind)).collect();
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
    assert_eq!(skipped, 0);
    for (path, entry) in found {
        assert_eq!(mirror.entry(&head.commit, &path).unwrap(), Some(entry));
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
    let (found, skipped) = listing(&mirror, &head.commit).unwrap();
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!((paths, skipped), (vec!["ok"], 7));
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
    assert_eq!(listing(&mirror, &head.commit).unwrap_err().code(), "git/too-large");
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
    let (found, skipped) = listing(&mirror, &head.commit).unwrap();
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!((paths, skipped), (vec![near.as_str()], 1));
}

#[test]
fn one_tree_may_be_whole_in_one_place_and_cut_in_another() {
    let world = World::with_files(&[("x", "1")]);
    let blob = world.remote.git(&["rev-parse", "main:x"]);
    // `shared` has a file and three directories below each other; it stands at the root, and where the limit cuts it.
    let nest = |name: &[u8], tree: &str| commit_raw_tree(&world, &[("40000", name, tree)]);
    let mut shared = commit_raw_tree(&world, &[("100644", b"f", &blob)]);
    for _ in 0..3 {
        shared = nest(b"s", &shared);
    }
    let (mut deep, mut long) = (shared.clone(), shared.clone());
    for _ in 0..60 {
        deep = nest(b"d", &deep);
    }
    for _ in 0..16 {
        long = nest(&[b'l'; 255], &long);
    }
    for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "a", "c"]] {
        let mut entries = [(order[0], &shared), (order[1], &deep), (order[2], &long)];
        entries.sort();
        let entries = entries.map(|(name, tree)| ("40000", name.as_bytes(), tree.as_str()));
        commit_raw_tree(&world, &entries);
        let (mirror, head) = world.synced();
        let (found, skipped) = listing(&mirror, &head.commit).unwrap();
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!((paths, skipped), (vec![format!("{}/s/s/s/f", order[0]).as_str()], 2), "{order:?}");
    }
}

#[test]
fn only_trees_on_the_way_to_a_change_are_read_again() {
    let world = World::with_files(&[("a/b/c", "1"), ("a/d/e", "1"), ("f/g", "1"), ("h", "1")]);
    let (mirror, head) = world.synced();
    // What is written here is loose, and can be removed one by one.
    let mut known = commit_one(&mirror, &head.commit, "f/g", "2").unwrap();
    known = commit_one(&mirror, &known, "a/d/e", "2").unwrap();
    let mut trees = Trees::default();
    let old = trees.read(&mirror, &known).unwrap();
    let new = commit_one(&mirror, &known, "a/b/c", "2").unwrap();
    let objects = mirror.directory().join("objects");
    drop(mirror);
    for path in ["f", "a/d"] {
        let git_dir = objects.parent().unwrap().to_str().unwrap();
        let id = world.remote.git(&["--git-dir", git_dir, "rev-parse", &format!("{new}:{path}")]);
        std::fs::remove_file(objects.join(&id[..2]).join(&id[2..])).unwrap();
    }
    let mirror = world.open();
    assert_eq!(listing(&mirror, &new).unwrap_err().code(), "git/corrupt");
    let read = trees.read(&mirror, &new).unwrap();
    assert_ne!(read.id(), old.id());
    let below = |root: &Directory, path: &str| {
        path.split('/')
            .fold(None, |at: Option<Arc<Directory>>, part| at.as_deref().unwrap_or(root).directory(part).cloned())
    };
    for (path, is_same) in [("f", true), ("a/d", true), ("a", false), ("a/b", false)] {
        let (old, new) = (below(&old, path).unwrap(), below(&read, path).unwrap());
        assert_eq!((Arc::ptr_eq(&old, &new), old.id() == new.id()), (is_same, is_same), "{path}");
    }
    // Nobody holds the old directories any more, so they would have to be read.
    drop((old, read));
    assert_eq!(trees.read(&mirror, &new).unwrap_err().code(), "git/corrupt");
}

#[test]
fn a_damaged_tree_is_read_in_order_and_each_name_once() {
    let world = World::with_files(&[("x", "1"), ("y", "2")]);
    let [x, y] = ["main:x", "main:y"].map(|name| world.remote.git(&["rev-parse", name]));
    let tree = commit_raw_tree(&world, &[("100644", b"in", &x)]);
    commit_raw_tree(
        &world,
        &[
            ("100644", b"z", &x),
            ("40000", b"b", &tree),
            ("100644", b"b", &x),
            ("100644", b"b.c", &x),
            ("100644", b"z", &y),
            ("100644", b"a", &x),
        ],
    );
    let (mirror, head) = world.synced();
    let (found, skipped) = listing(&mirror, &head.commit).unwrap();
    let paths: Vec<(&str, bool)> =
        found.iter().map(|(path, entry)| (path.as_str(), entry.blob.to_string() == y)).collect();
    assert_eq!((paths, skipped), (vec![("a", false), ("b", false), ("b.c", false), ("b/in", false), ("z", true)], 1));
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
    let error = listing(&mirror, &unknown).unwrap_err();
    assert_eq!(error.to_string(), format!("commit {unknown} of {} is not in the mirror", world.remote.url()));
    assert_eq!(error.code(), "git/no-such-commit");
    let mut history = History::new(HistoryLimits::default());
    assert_eq!(history.advance(&mirror, &unknown, time()).unwrap_err().code(), "git/no-such-commit");
    assert_eq!(mirror.sync(None).unwrap(), head);
    assert!(!mirror.was_remade());
}
