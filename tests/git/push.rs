//! Own commits, the push, and what servers answer.

use std::path::PathBuf;
use std::time::Duration;

use repin::diagnostic::{Diagnostic, Retry};
use repin::git::{Authorship, GitError, Identity, Mirror, Options};

use crate::{World, bot, branch, commit_one, id, path, read, time};

#[test]
fn a_commit_is_written_pushed_and_read_back() {
    let world = World::with_files(&[("apps/web/values.yaml", "tag: 1\n"), ("other", "x\n")]);
    let (mirror, head) = world.synced();
    let new = mirror
        .commit(
            &head.commit,
            (&[(path("apps/web/values.yaml"), b"tag: 2\n".to_vec())], &[]),
            "web: 1 -> 2\n\nRepin-Format: 1\n",
            &bot(),
            time(),
        )
        .unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    let back = mirror.read_back(&head.branch, &new).unwrap();
    assert_eq!(back.commit, new);
    assert_eq!(world.remote.head(), new.to_string());
    assert_eq!(world.remote.show("apps/web/values.yaml"), "tag: 2\n");
    assert_eq!(world.remote.show("other"), "x\n");
    let raw = world.remote.git(&["cat-file", "commit", "main"]);
    let tree = world.remote.git(&["rev-parse", "main^{tree}"]);
    let person = "Bot <bot@example.com> 1767607200 +0000";
    let expected = format!(
        "tree {tree}\nparent {}\nauthor {person}\ncommitter {person}\n\nweb: 1 -> 2\n\nRepin-Format: 1",
        head.commit
    );
    assert_eq!(raw, expected);
    world.remote.fsck();
}

#[test]
fn modes_are_kept_and_only_existing_regular_files_are_written() {
    let world = World::with_files(&[("run.sh", "1\n"), ("dir/file", "1\n")]);
    world.remote.checkout("main");
    let tree = world.remote.work_tree();
    std::os::unix::fs::symlink("dir/file", tree.join("link")).unwrap();
    std::os::unix::fs::symlink("dir", tree.join("linked")).unwrap();
    world.remote.work(&["add", "--all"]);
    world.remote.work(&["update-index", "--chmod=+x", "run.sh"]);
    world.remote.work(&["commit", "--quiet", "-m", "links"]);
    world.remote.push_work("main");
    let (mirror, head) = world.synced();

    let new = commit_one(&mirror, &head.commit, "run.sh", "2\n").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert!(world.remote.git(&["ls-tree", "main", "run.sh"]).starts_with("100755 blob "));

    for (file, found) in
        [("link", "a symbolic link"), ("linked/file", "a symbolic link"), ("missing", "missing"), ("dir", "missing")]
    {
        match commit_one(&mirror, &head.commit, file, "2\n") {
            Err(error @ GitError::NotRegular { .. }) => {
                assert!(error.to_string().contains(&format!("is {found}, not a regular file")), "{error}");
                assert_eq!(error.code(), "git/not-regular");
            }
            other => panic!("{file}: {other:?}"),
        }
    }
}

#[test]
fn a_new_file_comes_only_where_nothing_stands() {
    let world = World::with_files(&[("apps/web/Chart.yaml", "name: web\n"), ("file", "1\n")]);
    let (mirror, head) = world.synced();
    let add = |name: &str| {
        let changes = [(path(name), b"helm: {}\n".to_vec())];
        mirror.commit(&head.commit, (&changes, &[path(name)]), "Add it", &bot(), time())
    };
    for taken in ["apps/web/Chart.yaml", "apps/web", "apps", "file/below", "file"] {
        match add(taken) {
            Err(error @ (GitError::BadCommit { .. } | GitError::NotRegular { .. })) => {
                assert!(error.to_string().contains(taken), "{error}");
            }
            other => panic!("{taken}: {other:?}"),
        }
    }
    let new = add("apps/web/.argocd-source-web.yaml").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert!(world.remote.git(&["ls-tree", "main", "apps/web/.argocd-source-web.yaml"]).starts_with("100644 blob "));
    assert_eq!(world.remote.show("apps/web/.argocd-source-web.yaml"), "helm: {}\n");
    assert_eq!(world.remote.show("apps/web/Chart.yaml"), "name: web\n");
    world.remote.fsck();
}

#[test]
fn a_commit_that_changes_nothing_or_cannot_be_written_down_is_refused() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let refused = |content: &str, message: &str, name: &str, email: &str| {
        let identity = Identity { name: name.to_owned(), email: email.to_owned() };
        let changes = [(path("a"), content.as_bytes().to_vec())];
        let by = Authorship { author: identity.clone(), ..bot() };
        mirror.commit(&head.commit, (&changes, &[]), message, &by, time()).unwrap_err().to_string()
    };
    for (error, part) in [
        (refused("1\n", "m", "Bot", "b@example.com"), "nothing changes"),
        (refused("2\n", "", "Bot", "b@example.com"), "the message is empty"),
        (refused("2\n", "a\0b", "Bot", "b@example.com"), "holds a NUL"),
        (refused("2\n", "m", "Bot\nparent 0", "b@example.com"), "is no name of an author"),
        (refused("2\n", "m", "Bot", "b@example.com> 1 +0000"), "is no address of an author"),
        (refused("2\n", "m", " ", "b@example.com"), "is no name of an author"),
    ] {
        assert!(error.contains(part), "{error}");
    }
    let twice = [(path("a"), b"2".to_vec()), (path("a"), b"3".to_vec())];
    let error = mirror.commit(&head.commit, (&twice, &[]), "m", &bot(), time()).unwrap_err();
    assert!(error.to_string().ends_with("`a` is written twice"), "{error}");
}

#[test]
fn a_chain_of_300_commits_goes_in_one_push() {
    let files: Vec<(String, String)> =
        (0..30).map(|n| (format!("apps/a{n}/values.yaml"), format!("tag: {n}\n"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let world = World::with_files(&files);
    let pushes = world.remote.scratch().join("pushes");
    world.remote.install_hook("post-receive", &format!("cat >> {}", pushes.display()));
    let (mirror, head) = world.synced();
    let mut parent = head.commit;
    for n in 0..300 {
        parent = commit_one(&mirror, &parent, &format!("apps/a{}/values.yaml", n % 30), &format!("{n}\n")).unwrap();
    }
    mirror.push(&head.branch, &head.commit, &parent).unwrap();
    assert_eq!(mirror.read_back(&head.branch, &parent).unwrap().commit, parent);
    assert_eq!(std::fs::read_to_string(pushes).unwrap(), format!("{} {parent} refs/heads/main\n", head.commit));
    let log = world.remote.log();
    assert_eq!(log.len(), 301);
    assert_eq!(log[0].1, "write 299");
    assert_eq!(world.remote.show("apps/a29/values.yaml"), "299\n");
    world.remote.fsck();
}

#[test]
fn a_hook_that_refuses_is_quoted() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    // Stands for a secret in our environment: a hook must not see it.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    for (hook, verdict, rest) in [
        ("pre-receive", "pre-receive hook declined", ""),
        ("update", "hook declined", "; error: hook declined to update refs/heads/main"),
    ] {
        world.remote.install_hook(
            hook,
            "printf 'only on weekdays\\n\\033[31mask ops\\000\\n' >&2\necho \"secret=$CARGO_MANIFEST_DIR.\"\nexit 1",
        );
        let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
        let remote = world.remote.url();
        assert_eq!(
            error.to_string(),
            format!("{remote} refused the push to `main`: {verdict}: only on weekdays; [31mask ops; secret=.{rest}")
        );
        assert_eq!((error.code(), error.retry()), ("git/push-rejected", Retry::Never));
        world.remote.remove_hook(hook);
    }
    assert_eq!(world.remote.head(), head.commit.to_string());
}

#[test]
fn an_endless_answer_is_cut() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    world.remote.install_hook("pre-receive", "head -c 3000000 /dev/zero | tr '\\000' x >&2\nexit 1");
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!(error.code(), "git/push-rejected");
    let text = error.to_string();
    assert!(text.contains("declined: xxx") && text.len() < 2_500, "{} bytes", text.len());
}

#[test]
fn a_branch_that_moved_since_the_plan_is_not_pushed_to() {
    let world = World::with_files(&[("a", "1\n"), ("b", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    let theirs = world.remote.commit(&[("b", "2\n")], "theirs");
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert!(matches!(error, GitError::Moved { .. }), "{error:?}");
    assert_eq!((error.code(), error.retry()), ("git/moved", Retry::Later));
    assert_eq!(world.remote.head(), theirs);
}

#[test]
fn a_branch_that_went_back_to_an_older_commit_has_moved_too() {
    let world = World::with_files(&[("a", "1\n")]);
    let first = world.remote.head();
    world.remote.commit(&[("a", "2\n")], "second");
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "3\n").unwrap();
    // A fast-forward from here would bring the removed commit back.
    world.remote.git(&["update-ref", "refs/heads/main", &first]);
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert!(matches!(error, GitError::Moved { .. }), "{error:?}");
    assert_eq!(world.remote.head(), first);
}

#[test]
fn a_deleted_branch_has_moved() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    world.remote.git(&["update-ref", "-d", "refs/heads/main"]);
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert!(matches!(&error, GitError::Moved { reason, .. } if reason.contains("it is gone")), "{error:?}");
}

#[test]
fn a_commit_made_during_the_push_wins() {
    let world = World::with_files(&[("a", "1\n")]);
    let theirs = world.remote.commit(&[("a", "theirs\n")], "theirs");
    world.remote.git(&["update-ref", "refs/heads/main", "main~1"]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    // The hook runs after the server compared nothing yet, and moves the branch under our feet.
    world.remote.install_hook("update", &format!("unset GIT_QUARANTINE_PATH\ngit update-ref refs/heads/main {theirs}"));
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert!(matches!(error, GitError::Moved { .. }), "{error:?}");
    assert_eq!(world.remote.head(), theirs);
    world.remote.fsck();
}

#[test]
fn a_server_that_says_ok_and_does_not_do_it_is_found_out() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    world.remote.install_hook("post-receive", &format!("git update-ref refs/heads/main {}", head.commit));
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    let error = mirror.read_back(&head.branch, &new).unwrap_err();
    assert_eq!(error.code(), "git/not-written");
    world.remote.install_hook("post-receive", "git update-ref -d refs/heads/main");
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(mirror.read_back(&head.branch, &new).unwrap_err().code(), "git/not-written");
}

#[test]
fn a_commit_on_top_of_ours_does_not_hide_it() {
    let world = World::with_files(&[("a", "1\n"), ("b", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    let theirs = world.remote.commit(&[("b", "2\n")], "theirs");
    let back = mirror.read_back(&head.branch, &new).unwrap();
    assert_eq!(back.commit, id(&theirs));
    assert_eq!(read(&mirror, &back.commit, "b"), "2\n");
}

#[test]
fn a_hook_that_never_ends_is_a_timeout() {
    let world = World::with_files(&[("a", "1\n")]);
    world.remote.install_hook("pre-receive", "exec sleep 15");
    let short = Duration::from_millis(700);
    for options in
        [Options { idle_timeout: short, ..world.options() }, Options { total_timeout: short, ..world.options() }]
    {
        let mut mirror = Mirror::open(&options).unwrap();
        let head = mirror.sync(None).unwrap();
        let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
        let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
        assert_eq!((error.code(), error.retry()), ("git/timeout", Retry::Later), "{error}");
    }
    assert_eq!(world.remote.show("a"), "1\n");
    world.remote.fsck();
}

#[test]
fn a_server_that_dies_during_the_push_leaves_the_branch_whole() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mut mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    world.remote.install_hook("pre-receive", "echo dying >&2\nkill -9 $PPID");
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!((error.code(), error.retry()), ("git/unreachable", Retry::Later), "{error}");
    assert_eq!(world.remote.head(), head.commit.to_string());
    world.remote.remove_hook("pre-receive");
    world.remote.fsck();
    assert_eq!(mirror.sync(None).unwrap(), head);
    mirror.push(&head.branch, &head.commit, &new).unwrap();
    assert_eq!(mirror.read_back(&head.branch, &new).unwrap().commit, new);
}

#[test]
fn a_server_that_cannot_take_the_objects_is_a_refusal() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", &"x".repeat(20_000)).unwrap();
    world.remote.git(&["config", "receive.maxInputSize", "100"]);
    let error = mirror.push(&head.branch, &head.commit, &new).unwrap_err();
    assert_eq!(error.code(), "git/push-rejected", "{error}");
    assert_eq!(world.remote.head(), head.commit.to_string());
}

#[test]
fn a_missing_git_program_is_said_plainly() {
    let world = World::with_files(&[("a", "1\n")]);
    let options = Options { program: PathBuf::from("/nonexistent/git"), ..world.options() };
    let error = Mirror::open(&options).unwrap().sync(None).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot reach {}: the program `git` is not installed", world.remote.url()));
    assert_eq!(error.hint().unwrap(), "install git, or put it on the PATH of repin");
}

#[test]
fn twenty_writers_at_once_lose_no_commit() {
    let names: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "0\n")).collect();
    let world = World::with_files(&files);
    let shared = &world;
    std::thread::scope(|scope| {
        for name in &names {
            scope.spawn(move || {
                let mut mirror = shared.open();
                for _ in 0..200 {
                    let head = mirror.sync(Some(&branch("main"))).unwrap();
                    let new = commit_one(&mirror, &head.commit, name, "1\n").unwrap();
                    match mirror.push(&head.branch, &head.commit, &new) {
                        Ok(()) => {
                            mirror.read_back(&head.branch, &new).unwrap();
                            return;
                        }
                        Err(GitError::Moved { .. }) => {}
                        Err(other) => panic!("{name}: {other}"),
                    }
                }
                panic!("{name} never came through");
            });
        }
    });
    for name in &names {
        assert_eq!(world.remote.show(name), "1\n", "{name}");
    }
    assert_eq!(world.remote.log().len(), 21);
    world.remote.fsck();
}

#[test]
fn a_branch_is_created_only_where_there_is_none() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    let made = branch("auto/a-2");
    mirror.create_branch(&made, &new).unwrap();
    assert_eq!(mirror.read_back(&made, &new).unwrap().commit, new);
    assert_eq!(world.remote.git(&["rev-parse", "refs/heads/auto/a-2"]), new.to_string());
    assert_eq!(world.remote.head(), head.commit.to_string(), "the base stays");

    let other = commit_one(&mirror, &new, "a", "3\n").unwrap();
    match mirror.create_branch(&made, &other) {
        Err(error @ GitError::Moved { .. }) => {
            assert!(error.to_string().contains("planned as a new branch"), "{error}");
        }
        found => panic!("{found:?}"),
    }
    assert_eq!(world.remote.git(&["rev-parse", "refs/heads/auto/a-2"]), new.to_string());
}
