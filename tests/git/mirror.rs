//! The kept mirror: what is fetched when, and how it survives kills, damage and neighbours.

use std::fs;
use std::path::{Path, PathBuf};

use repin::diagnostic::{Diagnostic, Retry};
use repin::git::{GitError, History, HistoryLimits, Mirror, Options};

use crate::remote::NewCommit;
use crate::{World, branch, commit_one, id, listing, read, time};

type Damage = fn(&Mirror);

/// Gives all files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

fn packs(mirror: &Mirror) -> Vec<PathBuf> {
    let all = files(&mirror.directory().join("objects"));
    all.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "pack")).collect()
}

/// Puts a script in the place of git.
fn program(world: &World, script: &str) -> PathBuf {
    world.remote.install_hook("program", script);
    world.remote.path().join("hooks/program")
}

#[test]
fn a_server_that_answers_nonsense_is_an_error() {
    let world = World::with_files(&[("a", "1")]);
    let id = "1".repeat(40);
    for (script, code, part) in [
        ("exit 0".to_owned(), "git/unreachable", ""),
        ("echo garbage; echo why >&2; exit 1".to_owned(), "git/unreachable", ""),
        ("echo 'fatal: out of order' >&2; exit 128".to_owned(), "git/unreachable", ": fatal: out of order"),
        ("printf '0017ERR come back later'".to_owned(), "git/unreachable", "come back later"),
        ("printf '\\000\\000\\000\\000'".to_owned(), "git/unreachable", ""),
        ("echo 'fatal: detected dubious ownership' >&2; exit 128".to_owned(), "git/unauthorized", "dubious"),
        ("printf '0000'".to_owned(), "git/empty-repository", ""),
        (
            format!("printf '004a{id} refs/heads/main\\000 ofs-delta\\n0000'; exec cat >/dev/null"),
            "git/unreachable",
            "",
        ),
        ("kill -9 $$".to_owned(), "git/unreachable", ""),
    ] {
        let options = Options { program: program(&world, &script), ..world.options() };
        let error = Mirror::open(&options).unwrap().sync(Some(&branch("main"))).unwrap_err();
        assert_eq!(error.code(), code, "{script}: {error}");
        assert!(error.to_string().contains(part), "{script}: {error}");
    }
}

#[test]
fn objects_are_fetched_only_if_the_head_moved() {
    let world = World::with_files(&[("a", "1")]);
    let log = world.remote.scratch().join("services");
    let program = program(
        &world,
        &format!(
            "echo $1 >> {0}\n[ $1 = upload-pack ] && tee {0}.in | exec git \"$@\" || exec git \"$@\"",
            log.display()
        ),
    );
    let mut mirror = Mirror::open(&Options { program, ..world.options() }).unwrap();
    let asked =
        || (fs::read_to_string(&log).unwrap().lines().count(), fs::read_to_string(log.with_extension("in")).unwrap());

    let first = mirror.sync(None).unwrap();
    assert_eq!(first.commit, id(&world.remote.head()));
    let (services, said) = asked();
    assert_eq!(services, 1, "one connection for looking and fetching");
    assert!(said.contains(&format!("want {}", first.commit)), "{said}");

    assert_eq!(mirror.sync(Some(&branch("main"))).unwrap(), first);
    let (services, said) = asked();
    assert_eq!((services, said.as_str()), (2, "0000"), "a look, and no wish");

    let second = world.remote.commit(&[("a", "2")], "two");
    let head = mirror.sync(None).unwrap();
    assert_eq!(head.commit, id(&second));
    let (services, said) = asked();
    assert_eq!(services, 3);
    assert!(said.contains(&format!("have {}", first.commit)), "{said}");

    // Our own push needs no fetch.
    let new = commit_one(&mirror, &head.commit, "a", "3").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    mirror.read_back(&head.branch, &new).unwrap();
    assert_eq!(mirror.sync(None).unwrap().commit, new);
    assert_eq!(asked().1, "0000");
    world.remote.commit(&[("a", "4")], "four");
    mirror.sync(None).unwrap();
    let said = asked().1;
    assert!(said.contains(&format!("have {new}")), "{said}");
}

#[test]
fn a_kept_mirror_is_used_by_the_next_process() {
    let world = World::with_files(&[("a", "1")]);
    let (mirror, _) = world.synced();
    let directory = mirror.directory();
    drop(mirror);
    world.remote.commit(&[("a", "2")], "two");
    let (mirror, head) = world.synced();
    assert_eq!(mirror.directory(), directory);
    assert_eq!((mirror.is_private(), mirror.was_remade()), (false, false));
    assert_eq!(packs(&mirror).len(), 2);
    assert_eq!(read(&mirror, &head.commit, "a"), "2");
}

#[test]
fn other_branches_and_the_default_branch_are_found() {
    let world = World::with_files(&[("a", "1")]);
    let other = NewCommit { branch: "release/1.x", ..NewCommit::new(&[("a", "r")], "release") };
    let release = world.remote.make(&other);
    world.remote.git(&["symbolic-ref", "HEAD", "refs/heads/release/1.x"]);
    let (mut mirror, head) = world.synced();
    assert_eq!((head.branch, head.commit), (branch("release/1.x"), id(&release)));
    assert_eq!(mirror.sync(Some(&branch("main"))).unwrap().commit, id(&world.remote.head()));

    // A branch may take the place of a directory of branches.
    world.remote.git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    world.remote.git(&["update-ref", "-d", "refs/heads/release/1.x"]);
    world.remote.git(&["branch", "release", &release]);
    let head = mirror.sync(Some(&branch("release"))).unwrap();
    assert_eq!(read(&mirror, &head.commit, "a"), "r");
}

#[test]
fn a_detached_head_means_the_branch_with_its_commit() {
    let world = World::with_files(&[("a", "1")]);
    world.remote.make(&NewCommit { branch: "aaa", ..NewCommit::new(&[("a", "2")], "two") });
    let head = world.remote.head();
    world.remote.git(&["update-ref", "--no-deref", "HEAD", &head]);
    fs::write(world.remote.path().join("HEAD"), format!("{head}\n")).unwrap();
    assert_eq!(world.synced().1.branch, branch("main"));
}

#[test]
fn what_is_not_there_is_named() {
    let world = World::new();
    let error = world.open().sync(None).unwrap_err();
    assert_eq!(error.to_string(), format!("{} has no commits", world.remote.url()));
    assert_eq!((error.code(), error.retry()), ("git/empty-repository", Retry::Never));
    assert_eq!(world.open().sync(Some(&branch("main"))).unwrap_err().code(), "git/empty-repository");

    world.remote.commit(&[("a", "1")], "start");
    for n in 0..11 {
        world.remote.git(&["branch", &format!("b{n:02}"), "main"]);
    }
    let error = world.open().sync(Some(&branch("nope"))).unwrap_err();
    let names: Vec<String> = (0..10).map(|n| format!("`b{n:02}`")).collect();
    assert_eq!(
        error.to_string(),
        format!("{} has no branch `nope`; it has {} and 2 more", world.remote.url(), names.join(", "))
    );
    assert_eq!(error.code(), "git/no-such-branch");

    world.remote.git(&["symbolic-ref", "HEAD", "refs/heads/gone"]);
    let error = world.open().sync(None).unwrap_err();
    assert!(error.to_string().contains("has no default branch"), "{error}");
}

#[test]
fn what_is_no_repository_is_said_so() {
    let world = World::new();
    let plain = world.remote.scratch();
    for place in [plain.clone(), plain.join("missing")] {
        let options = Options::new(world.cache.path(), place.display().to_string());
        let error = Mirror::open(&options).unwrap().sync(None).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is no Git repository", place.display()));
        assert_eq!(error.code(), "git/not-a-repository");
    }
    for url in ["https://user:canary@example.com/x", "http://example.com/x", "ext::sh -c x", "relative/path"] {
        let options = Options::new(world.cache.path(), url);
        let error = Mirror::open(&options).err().unwrap();
        assert_eq!(error.code(), "git/transport-unsupported");
        let shown = format!("{error} {error:?} {options:?}");
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn locks_that_a_killed_process_left_do_not_stop_the_next() {
    let world = World::with_files(&[("a", "1")]);
    let (mirror, head) = world.synced();
    let directory = mirror.directory();
    let reference = files(&directory.join("refs")).pop().unwrap();
    drop(mirror);
    let leftovers = [
        PathBuf::from(format!("{}.lock", reference.display())),
        directory.join("HEAD.lock"),
        directory.join("config.lock"),
        directory.join("packed-refs.lock"),
        directory.join("objects/pack/tmp_pack_x"),
    ];
    for path in &leftovers {
        fs::write(path, "").unwrap();
    }
    world.remote.commit(&[("a", "2")], "two");
    let (mirror, new) = world.synced();
    assert_eq!((new.commit != head.commit, mirror.was_remade()), (true, false));
    for path in &leftovers {
        assert!(!path.exists(), "{}", path.display());
    }
}

#[test]
fn a_damaged_mirror_is_made_again() {
    let damages: [(&str, Damage); 5] = [
        ("no HEAD", |mirror| fs::remove_file(mirror.directory().join("HEAD")).unwrap()),
        ("no objects", |mirror| fs::remove_dir_all(mirror.directory().join("objects")).unwrap()),
        ("no packs", |mirror| fs::remove_dir_all(mirror.directory().join("objects/pack")).unwrap()),
        ("a truncated pack", |mirror| {
            let pack = packs(mirror).pop().unwrap();
            fs::remove_file(&pack).unwrap();
            fs::write(&pack, b"PACK").unwrap();
        }),
        ("an unfinished directory", |mirror| {
            fs::remove_dir_all(mirror.directory()).unwrap();
            fs::create_dir(mirror.directory()).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let world = World::with_files(&[("a", "1")]);
        damage(&world.synced().0);
        let (mirror, head) = world.synced();
        assert!(mirror.was_remade(), "{name}");
        assert_eq!(read(&mirror, &head.commit, "a"), "1", "{name}");
        drop(mirror);
        assert!(!world.synced().0.was_remade(), "{name}");
    }
}

#[test]
fn a_missing_object_deeper_down_is_an_error_once() {
    let world = World::with_files(&[("a", "1"), ("dir/b", "1")]);
    let (mut mirror, head) = world.synced();
    // Loose objects can be removed one by one.
    let new = commit_one(&mirror, &head.commit, "dir/b", "2").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    let lost = world.remote.git(&["rev-parse", "main:dir"]);
    fs::remove_file(mirror.directory().join("objects").join(&lost[..2]).join(&lost[2..])).unwrap();
    drop(mirror);

    mirror = world.open();
    assert_eq!(mirror.sync(None).unwrap().commit, new);
    let error = listing(&mirror, &new).unwrap_err();
    assert_eq!((error.code(), error.retry()), ("git/corrupt", Retry::Later));
    assert_eq!(mirror.sync(None).unwrap().commit, new);
    assert!(mirror.was_remade());
    assert_eq!(listing(&mirror, &new).unwrap().0.len(), 2);
}

#[test]
fn damage_that_was_seen_does_not_reach_the_next_process() {
    let world = World::with_files(&[("a", "1"), ("dir/b", "1")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "dir/b", "2").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    let lost = world.remote.git(&["rev-parse", "main:dir"]);
    fs::remove_file(mirror.directory().join("objects").join(&lost[..2]).join(&lost[2..])).unwrap();
    drop(mirror);
    assert_eq!(listing(&world.synced().0, &new).unwrap_err().code(), "git/corrupt");
    assert_eq!(listing(&world.synced().0, &new).unwrap().0.len(), 2);
}

#[test]
fn a_fetch_that_builds_on_a_lost_object_starts_over() {
    let text: String = (0..2_000).map(|n| format!("line {n} {}\n", n * 7919 % 1009)).collect();
    let world = World::with_files(&[("big", &text)]);
    let (mirror, head) = world.synced();
    let ours = text.replace("line 5 ", "line five ");
    let new = commit_one(&mirror, &head.commit, "big", &ours).unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    mirror.read_back(&head.branch, &new).unwrap();
    let lost = world.remote.git(&["rev-parse", "main:big"]);
    fs::remove_file(mirror.directory().join("objects").join(&lost[..2]).join(&lost[2..])).unwrap();
    drop(mirror);
    // The server sends this as a difference to what we have said that we have.
    let theirs = ours.replace("line 9 ", "line nine ");
    world.remote.commit(&[("big", &theirs)], "theirs");
    let (mirror, head) = world.synced();
    assert!(mirror.was_remade());
    assert_eq!(read(&mirror, &head.commit, "big"), theirs);
}

#[test]
fn a_branch_whose_name_is_not_utf_8_does_not_stop_the_others() {
    let world = World::with_files(&[("a", "1")]);
    let line = [b"create refs/heads/latin-\xe9 ", world.remote.head().as_bytes(), b"\n"].concat();
    world.remote.git_with_input(&["update-ref", "--stdin"], &line);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(mirror.read_back(&head.branch, &new).unwrap().commit, new);
}

#[test]
fn a_mirror_can_be_handed_to_another_thread() {
    let world = World::with_files(&[("a", "1")]);
    let (mut mirror, head) = world.synced();
    let again = std::thread::spawn(move || mirror.sync(None).unwrap()).join().unwrap();
    assert_eq!(again, head);
}

#[test]
fn who_finds_the_mirror_taken_works_beside_it() {
    let world = World::with_files(&[("a", "1")]);
    let (mut holder, head) = world.synced();
    let mut beside = world.open();
    assert!(beside.is_private() && !holder.is_private());
    assert_eq!(beside.sync(None).unwrap(), head);
    assert!(packs(&beside).is_empty(), "everything is borrowed");
    assert_eq!(read(&beside, &head.commit, "a"), "1");

    let new = commit_one(&beside, &head.commit, "a", "2").unwrap();
    beside.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(beside.read_back(&head.branch, &new).unwrap().commit, new);
    assert_eq!(holder.sync(None).unwrap().commit, new);

    let place = beside.directory();
    drop(beside);
    assert!(!place.exists());
    drop(holder);
    assert!(!world.open().is_private());
}

#[test]
fn private_mirrors_of_killed_processes_are_removed() {
    let world = World::with_files(&[("a", "1")]);
    let (holder, _) = world.synced();
    let beside = world.open();
    let used = beside.directory().parent().unwrap().to_owned();
    let place = |name: &str| {
        let directory = used.with_file_name(name);
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("repin-owner"), "").unwrap();
        directory
    };
    let (old, young) = (place("mirror-old"), place("mirror-young"));
    let yesterday = std::time::SystemTime::now() - std::time::Duration::from_secs(86_400);
    for directory in [&old, &used] {
        fs::File::open(directory).unwrap().set_modified(yesterday).unwrap();
    }
    drop(holder);
    let holder = world.open();
    assert!(!holder.is_private());
    assert_eq!((old.exists(), young.exists(), used.exists()), (false, true, true));
    drop(beside);
}

#[test]
fn a_private_mirror_survives_the_loss_of_what_it_borrowed() {
    let world = World::with_files(&[("a", "1")]);
    let (holder, _) = world.synced();
    let mut beside = world.open();
    assert!(beside.is_private());
    fs::remove_dir_all(holder.directory()).unwrap();
    let head = beside.sync(None).unwrap();
    assert_eq!(read(&beside, &head.commit, "a"), "1");
}

#[test]
fn another_process_takes_the_lock_too() {
    let world = World::with_files(&[("a", "1")]);
    drop(world.synced());
    let lock =
        files(world.cache.path()).into_iter().find(|path| path.extension().is_some_and(|e| e == "lock")).unwrap();
    let mut child = std::process::Command::new("flock")
        .arg(&lock)
        .args(["sh", "-c", "echo locked; exec cat"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    assert_eq!(line, "locked\n");
    assert!(world.synced().0.is_private());
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!world.synced().0.is_private());
}

#[test]
fn many_own_commits_are_packed_and_nothing_is_lost() {
    let world = World::with_files(&[("a", "0"), ("d/b", "0")]);
    let (mut mirror, head) = world.synced();
    let mut parent = head.commit;
    for n in 0..700 {
        parent = commit_one(&mirror, &parent, "a", &format!("1{n}")).unwrap();
    }
    mirror.push(&head.branch, &head.commit, &parent).unwrap();
    let before = files(&mirror.directory()).len();
    assert!(before > 2_100, "{before}");
    world.remote.commit(&[("d/b", "1")], "theirs");
    let head = mirror.sync(None).unwrap();
    let after = files(&mirror.directory()).len();
    assert!(after < 50, "{after}");
    assert_eq!(packs(&mirror).len(), 1);
    drop(mirror);

    let (mirror, _) = world.synced();
    assert!(!mirror.was_remade());
    let mut history = History::new(HistoryLimits::default());
    history.advance(&mirror, &head.commit, time()).unwrap();
    assert_eq!(history.commits(), 702);
    for version in history.versions(&"a".parse().unwrap()) {
        mirror.read(&version.blob.unwrap(), 100).unwrap();
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let world = World::with_files(&[("a", "1")]);
    let file = world.remote.scratch().join("file");
    fs::write(&file, "").unwrap();
    let error = Mirror::open(&Options::new(file.join("cache"), world.remote.url())).err().unwrap();
    assert!(matches!(&error, GitError::Cache { reason, .. } if reason.contains("scratch/file/cache")), "{error:?}");
    assert_eq!(error.code(), "git/cache");
}
