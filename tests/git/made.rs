//! Branches that repin makes: many in one push, read back in one look, and brought by the look at the base.

use std::time::Duration;

use repin::credentials::Credentials;
use repin::diagnostic::{Diagnostic, Retry};
use repin::git::{Access, GitError, Mirror, Options, RefUpdate, traffic};
use repin::model::history::CommitId;
use repin::secret::Secret;

use crate::git_http::{GitHttp, PASSWORD, USER, tls};
use crate::remote::NewCommit;
use crate::{World, bot, branch, commit_one, id, path, time};

fn update(name: &str, expected: Option<CommitId>, new: Option<CommitId>) -> RefUpdate {
    RefUpdate { branch: branch(name), expected, new }
}

fn create(name: &str, new: CommitId) -> RefUpdate {
    update(name, None, Some(new))
}

/// Gives each answer as `ok` or its code.
fn codes(answers: &[Result<(), GitError>]) -> Vec<&'static str> {
    answers.iter().map(|answer| answer.as_ref().err().map_or("ok", Diagnostic::code)).collect()
}

/// Gives every branch of the remote with its commit.
fn branches(world: &World) -> Vec<(String, String)> {
    let text = world.remote.git(&["for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads/"]);
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

fn at(name: &str, commit: CommitId) -> (String, String) {
    (name.to_owned(), commit.to_string())
}

#[test]
fn branches_are_made_replaced_and_deleted_in_one_push() {
    let world = World::with_files(&[("a", "1\n"), ("b", "1\n")]);
    let (mirror, head) = world.synced();
    let made = |content: &str| commit_one(&mirror, &head.commit, "a", content).unwrap();
    let (first, second, third) = (made("2\n"), made("3\n"), made("4\n"));
    let answers = mirror.push_all(&[create("repin/web", first), create("repin/api", second)]).unwrap();
    assert_eq!(codes(&answers), ["ok", "ok"]);

    let pushes = world.remote.scratch().join("pushes");
    world.remote.install_hook("post-receive", &format!("echo push >> {0}\ncat >> {0}", pushes.display()));
    let updates = [
        // Neither is above the other: this is what force is for.
        update("repin/web", Some(first), Some(third)),
        update("repin/api", Some(second), None),
        create("repin/new", second),
    ];
    assert_eq!(codes(&mirror.push_all(&updates).unwrap()), ["ok", "ok", "ok"]);
    assert_eq!(codes(&mirror.read_back_all(&updates).unwrap()), ["ok", "ok", "ok"]);
    assert_eq!(branches(&world), [at("main", head.commit), at("repin/new", second), at("repin/web", third)]);
    let pushed = std::fs::read_to_string(pushes).unwrap();
    assert_eq!(pushed.matches("push\n").count(), 1, "{pushed}");
    assert_eq!(pushed.lines().count(), 4, "{pushed}");
    world.remote.fsck();
}

#[test]
fn a_branch_that_is_elsewhere_keeps_what_it_holds_and_the_others_go_on() {
    let world = World::with_files(&[("a", "1\n"), ("b", "1\n")]);
    let (mirror, head) = world.synced();
    let made = |content: &str| commit_one(&mirror, &head.commit, "a", content).unwrap();
    let (old, new) = (made("2\n"), made("3\n"));
    let names = ["repin/touched", "repin/deleted", "repin/came", "repin/kept", "repin/unwanted"];
    for name in [names[0], names[1], names[3], names[4]] {
        assert_eq!(codes(&mirror.push_all(&[create(name, old)]).unwrap()), ["ok"]);
    }
    let theirs = world.remote.make(&NewCommit { branch: names[0], ..NewCommit::new(&[("b", "2\n")], "a person's") });
    world.remote.git(&["update-ref", "-d", "refs/heads/repin/deleted"]);
    world.remote.git(&["update-ref", "refs/heads/repin/came", &old.to_string()]);
    world.remote.git(&["update-ref", "refs/heads/repin/unwanted", &theirs]);
    let answers = mirror
        .push_all(&[
            update(names[0], Some(old), Some(new)),
            update(names[1], Some(old), Some(new)),
            create(names[2], new),
            update(names[3], Some(old), Some(new)),
            update(names[4], Some(old), None),
        ])
        .unwrap();
    assert_eq!(codes(&answers), ["git/moved", "git/moved", "git/moved", "ok", "git/moved"]);
    let texts: Vec<String> = answers.into_iter().filter_map(|answer| Some(answer.err()?.to_string())).collect();
    let remote = world.remote.url();
    assert_eq!(
        texts,
        [
            format!("branch `repin/touched` of {remote} has moved: planned on {old:.10}, it is at {theirs:.10}"),
            format!("branch `repin/deleted` of {remote} has moved: planned on {old:.10}, it is gone"),
            format!("branch `repin/came` of {remote} has moved: planned as a new branch, it is at {old:.10}"),
            format!("branch `repin/unwanted` of {remote} has moved: planned on {old:.10}, it is at {theirs:.10}"),
        ]
        .map(|text| text.replace(&old.to_string(), &old.short()).replace(&theirs, &theirs[..10]))
    );
    let theirs = id(&theirs);
    assert_eq!(
        branches(&world),
        [at("main", head.commit), at(names[2], old), at(names[3], new), at(names[0], theirs), at(names[4], theirs)]
    );
}

#[test]
fn only_branches_that_repin_makes_are_replaced_or_deleted() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mut mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    world.remote.git(&["branch", "repin/production", "main"]);
    world.remote.git(&["branch", "repinned", "main"]);
    world.remote.git(&["symbolic-ref", "HEAD", "refs/heads/repin/production"]);
    mirror.sync(None).unwrap();
    let before = branches(&world);
    let base = Some(head.commit);
    let answers = mirror
        .push_all(&[
            update("main", base, Some(new)),
            update("main", base, None),
            update("repinned", base, None),
            create("release", new),
            update("repin/production", base, None),
        ])
        .unwrap();
    let texts: Vec<String> = answers.iter().map(|answer| answer.as_ref().unwrap_err().to_string()).collect();
    let remote = world.remote.url();
    for (text, rule) in texts.iter().zip([
        "branch `main` is not one that repin makes",
        "branch `main` is not one that repin makes",
        "branch `repinned` is not one that repin makes",
        "branch `release` is not one that repin makes",
        "branch `repin/production` is the default branch",
    ]) {
        assert_eq!(*text, format!("cannot make a commit for {remote}: {rule}"));
    }
    let answers = mirror.push_all(&[create("repin/a", new), create("repin/a", head.commit)]).unwrap();
    assert_eq!(codes(&answers), ["ok", "git/bad-commit"]);
    assert_eq!(branches(&world).len(), before.len() + 1);
}

#[test]
fn a_hook_that_refuses_one_branch_is_quoted_for_that_branch_alone() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let made = |content: &str| commit_one(&mirror, &head.commit, "a", content).unwrap();
    let updates = [create("repin/a", made("2\n")), create("repin/b", made("3\n")), create("repin/b-2", made("4\n"))];
    world.remote.install_hook("update", "case $1 in */b*) echo \"$1: not on Fridays\" >&2; exit 1;; esac");
    let answers = mirror.push_all(&updates).unwrap();
    assert_eq!(codes(&answers), ["ok", "git/push-rejected", "git/push-rejected"]);
    let error = answers[1].as_ref().unwrap_err();
    let remote = world.remote.url();
    assert_eq!(
        error.to_string(),
        format!(
            "{remote} refused the push to `repin/b`: hook declined: refs/heads/repin/b: not on Fridays; \
             error: hook declined to update refs/heads/repin/b"
        )
    );
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(codes(&mirror.read_back_all(&updates).unwrap()), ["ok", "git/not-written", "git/not-written"]);
    world.remote.remove_hook("update");

    world.remote.install_hook("pre-receive", "echo closed >&2\nexit 1");
    let answers = mirror.push_all(&updates[1..]).unwrap();
    assert_eq!(codes(&answers), ["git/push-rejected", "git/push-rejected"]);
    for answer in answers {
        assert!(answer.unwrap_err().to_string().ends_with("pre-receive hook declined: closed"));
    }
    world.remote.remove_hook("pre-receive");
    world.remote.git(&["config", "receive.denyDeletes", "true"]);
    let answers = mirror.push_all(&[update("repin/a", updates[0].new, None), updates[1].clone()]).unwrap();
    assert_eq!(codes(&answers), ["git/push-rejected", "ok"]);
}

#[test]
fn a_branch_in_the_way_of_another_is_a_refusal_and_may_be_deleted_in_the_same_push() {
    let world = World::with_files(&[("a", "1\n")]);
    let (mirror, head) = world.synced();
    let new = commit_one(&mirror, &head.commit, "a", "2\n").unwrap();
    assert_eq!(codes(&mirror.push_all(&[create("repin/web", new)]).unwrap()), ["ok"]);
    let answers = mirror.push_all(&[create("repin/web/production", new), create("repin/api", new)]).unwrap();
    assert_eq!(codes(&answers), ["git/push-rejected", "ok"], "{answers:?}");
    let updates = [create("repin/web/production", new), update("repin/web", Some(new), None)];
    assert_eq!(codes(&mirror.push_all(&updates).unwrap()), ["ok", "ok"]);
    assert_eq!(codes(&mirror.read_back_all(&updates).unwrap()), ["ok", "ok"]);
}

#[test]
fn a_branch_that_moves_during_the_push_keeps_what_it_holds() {
    let world = World::with_files(&[("a", "1\n"), ("b", "1\n")]);
    let (mirror, head) = world.synced();
    let made = |content: &str| commit_one(&mirror, &head.commit, "a", content).unwrap();
    let (old, new) = (made("2\n"), made("3\n"));
    mirror.push_all(&[create("repin/a", old), create("repin/b", old)]).unwrap();
    let theirs = world.remote.commit(&[("b", "2\n")], "theirs");
    // The hook runs when the server has looked at nothing yet, and moves the branch under our feet.
    world.remote.install_hook(
        "update",
        &format!("unset GIT_QUARANTINE_PATH\n[ $1 = refs/heads/repin/a ] && git update-ref $1 {theirs}\nexit 0"),
    );
    let updates = [update("repin/a", Some(old), Some(new)), update("repin/b", Some(old), Some(new))];
    let answers = mirror.push_all(&updates).unwrap();
    assert_eq!(codes(&answers), ["git/moved", "ok"], "{answers:?}");
    assert_eq!(world.remote.git(&["rev-parse", "refs/heads/repin/a"]), theirs);
    assert_eq!(codes(&mirror.read_back_all(&updates).unwrap()), ["git/not-written", "ok"]);
    world.remote.fsck();
}

#[test]
fn what_was_pushed_is_read_back_in_one_look() {
    let world = World::with_files(&[("a", "1\n"), ("b", "1\n")]);
    let (mirror, head) = world.synced();
    let made = |content: &str| commit_one(&mirror, &head.commit, "a", content).unwrap();
    let updates =
        ["on-top", "undone", "replaced", "gone", "kept"].map(|name| create(&format!("repin/{name}"), made(name)));
    assert_eq!(codes(&mirror.push_all(&updates).unwrap()), ["ok"; 5]);
    world.remote.make(&NewCommit { branch: "repin/on-top", ..NewCommit::new(&[("b", "2\n")], "a person's") });
    world.remote.git(&["update-ref", "refs/heads/repin/undone", "main"]);
    world.remote.make(&NewCommit { branch: "repin/other", ..NewCommit::new(&[("b", "3\n")], "elsewhere") });
    world.remote.git(&["update-ref", "refs/heads/repin/replaced", "repin/other"]);
    world.remote.git(&["update-ref", "-d", "refs/heads/repin/gone"]);
    let answers = mirror.read_back_all(&updates).unwrap();
    assert_eq!(codes(&answers), ["ok", "git/not-written", "git/not-written", "git/not-written", "ok"]);
    let remote = world.remote.url();
    let commit = updates[3].new.unwrap().short();
    assert_eq!(
        answers[3].as_ref().unwrap_err().to_string(),
        format!("{remote} accepted the push to `repin/gone`, but the branch does not hold commit {commit}")
    );
    let answers = mirror.read_back_all(&[update("repin/kept", updates[4].new, None)]).unwrap();
    assert_eq!(
        answers[0].as_ref().unwrap_err().to_string(),
        format!("{remote} accepted the push to `repin/kept`, but the branch is still there")
    );
}

#[test]
fn heads_of_made_branches_come_with_the_look_at_the_base() {
    let world = World::with_files(&[("a", "1\n")]);
    let start = world.remote.head();
    let ours = world.remote.make(&NewCommit { branch: "repin/web", ..NewCommit::new(&[("a", "2\n")], "ours") });
    world.remote.git(&["branch", "feature", &ours]);
    let mut mirror = world.open();
    let before = mirror.look_at(None, &[]).unwrap();
    assert!(before.made.is_empty());
    assert!(mirror.made_head(&id(&ours)).is_err(), "nobody asked for it");

    let look = mirror.look_with_made(None, &[]).unwrap();
    assert_eq!(look.made.into_iter().collect::<Vec<_>>(), [(branch("repin/web"), id(&ours))]);
    let made = mirror.made_head(&id(&ours)).unwrap();
    assert_eq!(made.parents, [id(&start)]);
    assert_eq!(made.tree, world.remote.git(&["rev-parse", &format!("{ours}^{{tree}}")]));
    assert_eq!((made.subject.as_str(), made.message.trim_end()), ("ours", "ours"));
    assert_eq!(made.committer_email, "person@example.com");

    // One that is replaced is fetched again, with what is new of the base and in the same conversation.
    let theirs = world.remote.make(&NewCommit { branch: "repin/web", ..NewCommit::new(&[("a", "3\n")], "theirs") });
    world.remote.commit(&[("a", "5\n")], "base goes on");
    let (asked, fetched) = (traffic().advertisements, traffic().fetches);
    let look = mirror.look_with_made(None, &[]).unwrap();
    // Other tests count in the same process, so this is at least what it cost.
    assert!(traffic().advertisements > asked && traffic().fetches > fetched);
    assert_eq!(look.made.get(&branch("repin/web")), Some(&id(&theirs)));
    assert_eq!(mirror.made_head(&id(&theirs)).unwrap().parents, [id(&ours)]);

    world.remote.git(&["update-ref", "-d", "refs/heads/repin/web"]);
    assert!(mirror.look_with_made(None, &[]).unwrap().made.is_empty());
    let kept = world.remote.git(&[
        "--git-dir",
        mirror.directory().to_str().unwrap(),
        "for-each-ref",
        "--format=%(refname)",
        "refs/repin/made/",
    ]);
    assert_eq!(kept, "", "the mirror keeps no reference of a branch that is gone");
}

#[test]
fn a_made_branch_that_cannot_be_fetched_does_not_stop_the_others() {
    let world = World::with_files(&[("a", "1\n")]);
    for name in ["repin/1", "repin/2", "repin/3", "repin/4", "repin/5"] {
        world.remote.checkout("main");
        world.remote.work(&["checkout", "--quiet", "-B", name]);
        world.remote.push_work(name);
        world.remote.make(&NewCommit { branch: name, ..NewCommit::new(&[("a", name)], name) });
    }
    world.remote.commit(&[("b", "1\n")], "the base goes on");
    let blob = world.remote.git(&["rev-parse", "repin/3:a"]);
    std::fs::remove_file(world.remote.path().join("objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let mut mirror = world.open();
    let look = mirror.look_with_made(None, &[]).unwrap();
    assert_eq!(look.head.commit, id(&world.remote.head()));
    let made: Vec<&str> = look.made.keys().map(|branch| branch.as_str()).collect();
    assert_eq!(made, ["repin/1", "repin/2", "repin/4", "repin/5"]);
    assert!(look.advertised.contains_key(&branch("repin/3")));
    assert!(!mirror.was_remade());
}

#[test]
fn the_tree_that_a_commit_would_have_is_known_before_it_is_made() {
    let world = World::with_files(&[("a", "1\n"), ("dir/b", "1\n")]);
    let (mirror, head) = world.synced();
    let files = [(path("a"), b"2\n".to_vec()), (path("dir/new"), b"x\n".to_vec())];
    let new = [path("dir/new")];
    let tree = mirror.would_be_tree(&head.commit, (&files, &new)).unwrap();
    let commit = mirror.commit(&head.commit, (&files, &new), "m", &bot(), time()).unwrap();
    assert_eq!(mirror.made_head(&commit).unwrap().tree, tree);
    assert_ne!(mirror.made_head(&head.commit).unwrap().tree, tree);
    let unchanged = [(path("a"), b"1\n".to_vec())];
    let same = mirror.would_be_tree(&head.commit, (&unchanged, &[])).unwrap();
    assert_eq!(mirror.made_head(&head.commit).unwrap().tree, same);
    let error = mirror.would_be_tree(&head.commit, (&[(path("nope"), Vec::new())], &[])).unwrap_err();
    assert_eq!(error.code(), "git/not-regular");
}

#[test]
fn the_head_of_a_pull_request_whose_branch_is_gone_can_still_be_fetched() {
    let world = World::with_files(&[("a", "1\n")]);
    let pull = world.remote.make(&NewCommit { branch: "repin/web", ..NewCommit::new(&[("a", "2\n")], "ours") });
    world.remote.git(&["update-ref", "refs/pull/7/head", &pull]);
    world.remote.git(&["update-ref", "-d", "refs/heads/repin/web"]);
    let (mut mirror, head) = world.synced();
    assert!(mirror.made_head(&id(&pull)).is_err());
    assert!(!mirror.fetch_ref("refs/pull/8/head", &id(&pull)).unwrap());
    assert!(!mirror.fetch_ref("refs/pull/7/head", &id(&"1".repeat(40))).unwrap());
    assert!(mirror.fetch_ref("refs/pull/7/head", &id(&pull)).unwrap());
    assert_eq!(mirror.made_head(&id(&pull)).unwrap().parents, [head.commit]);
    std::fs::rename(world.remote.path(), world.remote.path().with_extension("away")).unwrap();
    assert!(mirror.fetch_ref("refs/pull/7/head", &id(&pull)).unwrap(), "what is here is not asked for");
    assert!(mirror.fetch_ref("refs/pull/9/head", &id(&"1".repeat(40))).is_err());
}

#[test]
fn a_push_of_many_that_the_server_cuts_off_leaves_every_branch_whole() {
    let world = World::with_files(&[("a", "1\n")]);
    let short = Options { idle_timeout: Duration::from_millis(700), ..world.options() };
    let mut mirror = Mirror::open(&short).unwrap();
    let head = mirror.sync(None).unwrap();
    let made = |content: &str| commit_one(&mirror, &head.commit, "a", content).unwrap();
    let updates = [create("repin/a", made("2\n")), create("repin/b", made("3\n"))];
    for (hook, code) in [("echo dying >&2\nkill -9 $PPID", "git/unreachable"), ("exec sleep 15", "git/timeout")] {
        world.remote.install_hook("pre-receive", hook);
        let error = mirror.push_all(&updates).unwrap_err();
        assert_eq!((error.code(), error.retry()), (code, Retry::Later), "{error}");
        world.remote.remove_hook("pre-receive");
        assert_eq!(codes(&mirror.read_back_all(&updates).unwrap()), ["git/not-written", "git/not-written"]);
    }
    world.remote.fsck();
    assert_eq!(codes(&mirror.push_all(&updates).unwrap()), ["ok", "ok"]);
}

#[test]
fn two_hundred_branches_go_in_one_push_and_writers_at_once_replace_none_twice() {
    let world = World::with_files(&[("a", "1\n")]);
    let names: Vec<String> = (0..200).map(|n| format!("repin/app-{n}")).collect();
    let mut won = Vec::new();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (world, names) = (&world, &names);
                scope.spawn(move || {
                    let mut mirror = world.open();
                    let head = mirror.sync(Some(&branch("main"))).unwrap();
                    let new = commit_one(&mirror, &head.commit, "a", &format!("by writer {writer}\n")).unwrap();
                    let updates: Vec<RefUpdate> = names.iter().map(|name| create(name, new)).collect();
                    let answers = mirror.push_all(&updates).unwrap();
                    let moved = |code: &&str| !matches!(*code, "ok" | "git/moved");
                    assert_eq!(codes(&answers).iter().find(|code| moved(code)), None);
                    codes(&answers).iter().filter(|code| **code == "ok").count()
                })
            })
            .collect();
        won.extend(writers.into_iter().map(|writer| writer.join().unwrap()));
    });
    assert_eq!(won.iter().sum::<usize>(), 200, "each branch is made by exactly one of them: {won:?}");
    assert_eq!(branches(&world).len(), 201);
    world.remote.fsck();
}

#[test]
fn many_branches_go_over_https_with_a_token_that_is_replaced_while_the_mirror_is_open() {
    let world = World::with_files(&[("a", "1\n")]);
    let Some(server) = GitHttp::start(world.remote.path().parent().unwrap()) else { return };
    let access = |password: &str| Access {
        credentials: Credentials::Basic { username: USER.to_owned(), password: Secret::new(password) },
        ca: Some(std::fs::read(tls("ca.pem")).unwrap()),
        ..Access::default()
    };
    let options =
        Options { access: access("ran-out"), ..Options::new(world.cache.path(), server.url("git/remote.git")) };
    let mut mirror = Mirror::open(&options).unwrap();
    assert_eq!(mirror.sync(None).unwrap_err().code(), "git/unauthorized");
    mirror.set_access(&access(PASSWORD)).unwrap();
    let head = mirror.sync(None).unwrap();
    let made = |content: &str| commit_one(&mirror, &head.commit, "a", content).unwrap();
    let (first, second) = (made("2\n"), made("3\n"));
    let updates = [create("repin/a", first), create("repin/b", first), update("repin/c", Some(first), None)];
    let before = server.requests().len();
    assert_eq!(codes(&mirror.push_all(&updates).unwrap()), ["ok", "ok", "git/moved"]);
    let requests: Vec<String> = server.requests().split_off(before);
    assert_eq!(requests.len(), 2, "one look, one push: {requests:#?}");
    let updates = [update("repin/a", Some(first), Some(second)), update("repin/b", Some(first), None)];
    assert_eq!(codes(&mirror.push_all(&updates).unwrap()), ["ok", "ok"]);
    assert_eq!(codes(&mirror.read_back_all(&updates).unwrap()), ["ok", "ok"]);
    let only_deleted = [update("repin/a", Some(second), None)];
    assert_eq!(codes(&mirror.push_all(&only_deleted).unwrap()), ["ok"]);
    assert_eq!(branches(&world), [at("main", head.commit)]);
    mirror.set_access(&access("revoked")).unwrap();
    assert_eq!(mirror.push_all(&updates).unwrap_err().code(), "git/unauthorized");
}
