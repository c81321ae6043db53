//! What a remote may do wrong: named, hinted, nothing claimed that was not done, and no reason to stop for others.

use std::path::PathBuf;

use serde_json::Value;

use crate::any_registry::AnyRegistry;
use crate::remote::BareRemote;
use crate::world::{App, Said, World};

const APP: App<'_> = App { name: "web", constraint: "", annotations: &[] };

fn outcomes(said: &Said) -> &Vec<Value> {
    said.json["outcomes"].as_array().unwrap()
}

/// The only problem, with severity error.
fn problem(said: &Said) -> &Value {
    let problems = said.json["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{said:#?}");
    assert_eq!(problems[0]["severity"], "error");
    &problems[0]
}

/// The remote is elsewhere while the closure runs.
fn while_away<T>(remote: &BareRemote, run: impl FnOnce() -> T) -> T {
    let away: PathBuf = remote.scratch().join("away");
    std::fs::rename(remote.path(), &away).unwrap();
    let result = run();
    std::fs::rename(&away, remote.path()).unwrap();
    result
}

/// The configuration with a second repository, `second`, at this address.
fn with_second(world: &World, url: &str) -> String {
    world
        .standard_config()
        .replace("registries:\n", &format!("  - name: second\n    url: {url}\n    branch: main\nregistries:\n"))
}

/// Commits an Application and its values to another remote.
fn add_to(remote: &BareRemote, registry: &AnyRegistry, world: &World, name: &str) {
    registry.publish(&format!("acme/{name}"), &["1.0.0", "1.1.0"]);
    let manifest = world.application(&App { name, ..APP }).replace(&world.remote.url(), &remote.url());
    remote.commit(
        &[
            (&format!("argocd/{name}.yaml"), &manifest),
            (&format!("apps/{name}/values.yaml"), &world.values(name, "1.0.0")),
        ],
        "Add",
    );
}

fn updates(remote: &BareRemote) -> usize {
    remote.log().iter().filter(|(_, subject, _)| subject.starts_with("Update ")).count()
}

#[test]
fn what_is_no_usable_repository_is_one_problem_and_exit_1() {
    let empty = BareRemote::create();
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("not-there.git");
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let own = world.remote.url();
    for (url, branch, codes, words, hint) in [
        (
            format!("file://{}", nowhere.display()),
            "main",
            &["git/not-a-repository", "git/unreachable"][..],
            "not-there",
            "address",
        ),
        (nowhere.display().to_string(), "main", &["git/not-a-repository", "git/unreachable"], "not-there", "address"),
        (
            format!("file://{}", folder.path().display()),
            "main",
            &["git/not-a-repository"],
            "is no Git repository",
            "address",
        ),
        (empty.url(), "main", &["git/empty-repository"], "has no commits", "first commit"),
        (own.clone(), "release", &["git/no-such-branch"], "`release`; it has `main`", "branch"),
    ] {
        let config = world.standard_config().replace(&own, &url).replace("branch: main", &format!("branch: {branch}"));
        world.configure(&config);
        for command in ["once", "plan"] {
            let said = world.repin(&[command]);
            assert_eq!((said.code, outcomes(&said).len()), (1, 0), "{url}: {said:#?}");
            let problem = problem(&said);
            assert!(codes.contains(&problem["code"].as_str().unwrap()), "{url}: {problem:#}");
            assert_eq!(problem["repository"], "gitops");
            let text = problem["message"].as_str().unwrap();
            assert!(text.contains("`gitops`") && text.contains(words), "{url}: {text}");
            assert!(problem["hint"].as_str().unwrap().contains(hint), "{problem:#}");
        }
        let said = world.repin(&["check"]);
        assert_eq!(said.code, 1, "{url}: {said:#?}");
    }
}

#[test]
fn a_bad_repository_does_not_stop_a_good_one() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let second = BareRemote::create();
    add_to(&second, &world.registry, &world, "api");
    world.configure(&with_second(&world, &second.url()));
    let said = while_away(&world.remote, || world.repin(&["once"]));
    assert_eq!((said.code, outcomes(&said).len()), (1, 1), "{said:#?}");
    assert_eq!(
        (&outcomes(&said)[0]["application"], &outcomes(&said)[0]["result"]),
        (&"argocd/api".into(), &"delivered".into())
    );
    assert_eq!(problem(&said)["repository"], "gitops");
    assert_eq!(updates(&second), 1);
    // Back again, everything goes on.
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert_eq!(world.tag("web"), "1.1.0");
}

#[test]
fn an_application_whose_values_are_in_an_unreachable_repository_fails_for_that_reason() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let values = BareRemote::create();
    for (at, revision) in ["HEAD", "main", "trunk"].into_iter().enumerate() {
        let name = format!("far{at}");
        let manifest = world
            .application(&App { name: &name, ..APP })
            .replace(&world.remote.url(), &values.url())
            .replace("targetRevision: main", &format!("targetRevision: {revision}"));
        world.remote.commit(&[(&format!("argocd/{name}.yaml"), &manifest)], "Far");
    }
    // Its default branch is not known, and it has none yet.
    world.configure(&with_second(&world, &values.url()).replace("    branch: main\nregistries", "registries"));
    let said = while_away(&values, || world.repin(&["once"]));
    assert_eq!((said.code, outcomes(&said).len()), (1, 4), "{said:#?}");
    for outcome in outcomes(&said) {
        let (result, code) = (outcome["result"].as_str().unwrap(), outcome["code"].as_str().unwrap());
        if outcome["application"] == "argocd/web" {
            assert_eq!(result, "delivered", "{outcome:#}");
        } else {
            assert!(result == "failed" && code.starts_with("git/"), "{outcome:#}");
            assert_eq!(outcome["repository"], "second");
        }
    }
    assert_eq!(problem(&said)["repository"], "second");
}

#[test]
fn an_unreachable_repository_fails_every_application_that_is_known_from_the_mirror() {
    // With the branch named, and with the remote's default branch.
    for branch in ["    branch: main\n", ""] {
        let world = World::with_web(&["1.0.0"]);
        world.registry.publish("acme/api", &["1.0.0"]);
        world.add_app(&App { name: "api", ..APP }, "1.0.0");
        world.configure(&world.standard_config().replace("    branch: main\n", branch));
        let before = world.repin(&["once"]);
        assert_eq!((before.code, outcomes(&before).len()), (0, 2));
        for command in ["once", "plan"] {
            let said = while_away(&world.remote, || world.repin(&[command]));
            assert_eq!((said.code, outcomes(&said).len()), (1, 2), "{said:#?}");
            for (outcome, earlier) in outcomes(&said).iter().zip(outcomes(&before)) {
                assert_eq!(outcome["result"], "failed", "{said:#?}");
                assert!(outcome["code"].as_str().unwrap().starts_with("git/"), "{said:#?}");
                assert!(outcome["message"].as_str().unwrap().contains("gitops"), "{said:#?}");
                for same in ["id", "application", "repository", "environment", "alias", "image", "file", "key", "from"]
                {
                    assert_eq!(outcome[same], earlier[same], "the place is known: {same}");
                }
            }
            assert_eq!(problem(&said)["code"], outcomes(&said)[0]["code"]);
        }
        world.registry.publish("acme/web", &["1.1.0"]);
        assert_eq!(world.repin(&["once"]).code, 0);
        assert_eq!(world.tag("web"), "1.1.0");
    }
}

#[test]
fn a_hook_that_refuses_is_quoted_and_nothing_is_called_delivered() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let second = BareRemote::create();
    add_to(&second, &world.registry, &world, "api");
    world.configure(&with_second(&world, &second.url()));
    let head = world.remote.head();
    for hook in ["pre-receive", "update"] {
        world.remote.install_hook(hook, "cat >/dev/null\necho 'this repository is read-only until Monday' >&2\nexit 1");
        let said = world.repin(&["once"]);
        assert_eq!(said.code, 1, "{said:#?}");
        let outcome = outcomes(&said).iter().find(|one| one["application"] == "argocd/web").unwrap();
        assert_eq!(
            (&outcome["result"], &outcome["code"]),
            (&"failed".into(), &"git/push-rejected".into()),
            "{said:#?}"
        );
        assert!(
            outcome["message"].as_str().unwrap().contains("this repository is read-only until Monday"),
            "{outcome:#}"
        );
        assert_eq!((&outcome["commit"], &outcome["to"]), (&Value::Null, &"1.1.0".into()));
        assert!(problem(&said)["hint"].as_str().unwrap().contains("push"), "{said:#?}");
        assert_eq!(world.remote.head(), head);
        world.remote.remove_hook(hook);
    }
    assert_eq!(updates(&second), 1, "the other repository was written");
    assert_eq!(world.repin(&["once"]).code, 0);
    assert_eq!(world.tag("web"), "1.1.0");
}

#[test]
fn a_directory_that_cannot_be_written_is_a_failure() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    // Root may write everywhere: what stands in the way is a file in the place of a directory.
    let head = world.remote.head();
    world.remote.git(&["pack-refs", "--all"]);
    let heads = world.remote.path().join("refs/heads");
    std::fs::remove_dir(&heads).unwrap();
    std::fs::write(&heads, "in the way").unwrap();
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 1, "{said:#?}");
    assert!(outcomes(&said).iter().all(|one| one["result"] == "failed"), "{said:#?}");
    assert!(said.json["problems"][0]["hint"].is_string());
    std::fs::remove_file(&heads).unwrap();
    std::fs::create_dir(&heads).unwrap();
    assert_eq!(world.remote.head(), head);
    assert_eq!(world.once()["result"], "delivered");
}

#[test]
fn a_server_that_says_ok_and_takes_it_back_is_found_out() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let head = world.remote.head();
    for script in [format!("git update-ref refs/heads/main {head}"), "git update-ref -d refs/heads/main".to_owned()] {
        world.remote.install_hook("post-receive", &format!("cat >/dev/null\n{script}"));
        let said = world.repin(&["once"]);
        let outcome = &outcomes(&said)[0];
        assert_eq!(
            (said.code, &outcome["code"], &outcome["result"]),
            (1, &"git/not-written".into(), &"failed".into()),
            "{said:#?}"
        );
        assert_eq!(outcome["commit"], Value::Null);
        assert!(problem(&said)["hint"].as_str().unwrap().contains("hooks"), "{said:#?}");
        world.remote.git(&["update-ref", "refs/heads/main", &head]);
    }
    world.remote.remove_hook("post-receive");
    assert_eq!(world.once()["result"], "delivered");
    assert_eq!(updates(&world.remote), 1);
}

/// A hook that commits as somebody else while our push is under way: `times` times, then never again.
fn racing_hook(world: &World, times: usize) {
    let script = format!(
        "cat >/dev/null\nunset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n\
         n=$(cat raced 2>/dev/null || echo 0)\n[ \"$n\" -ge {times} ] && exit 0\necho $((n+1)) > raced\n\
         export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.com GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.com\n\
         export GIT_INDEX_FILE=race.index\ngit read-tree main\nblob=$(echo \"theirs $n\" | git hash-object -w --stdin)\n\
         git update-index --add --cacheinfo 100644,$blob,theirs-$n.txt\ntree=$(git write-tree)\n\
         git update-ref refs/heads/main $(git commit-tree $tree -p main -m \"theirs $n\")\nrm -f race.index\nexit 0"
    );
    world.remote.install_hook("pre-receive", &script);
}

#[test]
fn a_head_that_moves_during_the_push_means_planning_again_on_it() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.registry.publish("acme/api", &["1.0.0", "1.1.0"]);
    world.add_app(&App { name: "api", ..APP }, "1.0.0");
    racing_hook(&world, 2);
    world.registry.forget_requests();
    let said = world.repin(&["once"]);
    assert_eq!(said.code, 0, "{said:#?}");
    assert!(outcomes(&said).iter().all(|one| one["result"] == "delivered"), "{said:#?}");
    assert_eq!(said.json["problems"], serde_json::json!([]));
    let log = world.remote.log();
    let subjects: Vec<&str> = log.iter().map(|(_, subject, _)| subject.as_str()).take(4).collect();
    assert_eq!((subjects[2], subjects[3]), ("theirs 1", "theirs 0"), "{subjects:?}");
    assert_eq!(updates(&world.remote), 2);
    assert!(outcomes(&said).iter().all(|one| log[..2].iter().any(|(id, ..)| one["commit"] == *id)), "{said:#?}");
    assert_eq!(world.remote.show("theirs-0.txt"), "theirs 0\n");
    let listings = world.registry.requests().iter().filter(|seen| seen.path.contains("/acme/web/tags/list")).count();
    assert_eq!(listings, 1, "planned again on the same answers");
    world.remote.fsck();
}

#[test]
fn a_head_that_always_moves_is_a_failure_after_bounded_tries() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    racing_hook(&world, 1_000);
    let said = world.repin(&["once"]);
    let outcome = &outcomes(&said)[0];
    assert_eq!(
        (said.code, &outcome["result"], &outcome["code"]),
        (1, &"failed".into(), &"git/moved".into()),
        "{said:#?}"
    );
    assert!(outcome["message"].as_str().unwrap().contains("moved"), "{outcome:#}");
    let raced: usize = std::fs::read_to_string(world.remote.path().join("raced")).unwrap().trim().parse().unwrap();
    assert!((2..=10).contains(&raced), "{raced} tries");
    assert_eq!(updates(&world.remote), 0);
    assert_eq!(world.remote.log().iter().filter(|(_, subject, _)| subject.starts_with("theirs")).count(), raced);
}

#[test]
fn a_persons_change_to_the_same_value_during_the_push_is_kept() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let theirs = world.remote.commit(&[("apps/web/values.yaml", &world.values("web", "1.1.0"))], "By hand");
    world.remote.git(&["update-ref", "refs/heads/main", "main~1"]);
    world.remote.install_hook(
        "pre-receive",
        &format!("cat >/dev/null\nunset GIT_QUARANTINE_PATH\n[ -e raced ] || git update-ref refs/heads/main {theirs}\ntouch raced"),
    );
    let outcome = world.once();
    assert_eq!((&outcome["result"], &outcome["commit"]), (&"current".into(), &Value::Null), "{outcome:#}");
    assert_eq!(world.remote.head(), theirs);
}

#[test]
fn without_a_branch_the_remotes_default_branch_is_read_and_written() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    world.remote.git(&["branch", "-m", "main", "trunk"]);
    world.remote.git(&["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    let applications = world.remote.show_at("trunk", "argocd/web.yaml");
    world.configure(&world.standard_config().replace("    branch: main\n", ""));
    // `targetRevision: main` names another branch now.
    let said = world.repin(&["once"]);
    assert_eq!(outcomes(&said)[0]["result"], "held", "{said:#?}");
    for revision in ["trunk", "HEAD"] {
        let text = applications.replace("targetRevision: main", &format!("targetRevision: {revision}"));
        world.remote.make(&crate::remote::NewCommit {
            branch: "trunk",
            ..crate::remote::NewCommit::new(&[("argocd/web.yaml", &text)], "Follow")
        });
        let outcome = world.once();
        assert!(["delivered", "current"].contains(&outcome["result"].as_str().unwrap()), "{outcome:#}");
    }
    assert!(world.remote.show_at("trunk", "apps/web/values.yaml").contains("1.1.0"));
}

#[test]
fn a_history_that_was_rewritten_is_followed() {
    let world = World::with_web(&["1.0.0", "1.1.0"]);
    let first = world.remote.head();
    assert_eq!(world.once()["result"], "delivered");
    // Somebody throws our commit away by force, and goes on from there.
    world.remote.git(&["update-ref", "refs/heads/main", &first]);
    world.remote.commit(&[("README.md", "rewritten\n")], "Rewritten");
    let outcome = world.once();
    assert_eq!(outcome["result"], "delivered", "no commit on the branch took it back: {outcome:#}");
    assert_eq!(world.remote.show("README.md"), "rewritten\n");
    // A history without anything in common.
    let tree = world.remote.git(&["rev-parse", &format!("{first}^{{tree}}")]);
    let orphan = world.remote.git(&[
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.com",
        "commit-tree",
        &tree,
        "-m",
        "New start",
    ]);
    world.remote.git(&["update-ref", "refs/heads/main", &orphan]);
    assert_eq!(world.once()["result"], "delivered");
    assert_eq!(world.remote.log().len(), 2);
    world.remote.fsck();
}

#[test]
fn a_cache_that_cannot_be_used_is_named_and_a_damaged_one_is_made_again() {
    let world = World::with_web(&["1.0.0"]);
    assert_eq!(world.once()["result"], "current");
    world.registry.publish("acme/web", &["1.1.0"]);
    for entry in std::fs::read_dir(world.cache()).unwrap().flatten() {
        let objects = entry.path().join("objects");
        if objects.is_dir() {
            std::fs::remove_dir_all(&objects).unwrap();
        }
        if entry.path().extension().is_some_and(|kind| kind == "redb") {
            std::fs::write(entry.path(), "damaged").unwrap();
        }
    }
    assert_eq!(world.once()["result"], "delivered");
    world.drop_cache();
    std::fs::write(world.cache(), "a file").unwrap();
    let said = world.repin(&["once"]);
    assert_eq!((said.code, &problem(&said)["code"]), (1, &"git/cache".into()), "{said:#?}");
    assert!(problem(&said)["hint"].as_str().unwrap().contains("cache directory"));
}
