//! Where changes go: other branches, branches that are made, other repositories, several sources, and what one commit holds.

use serde_json::Value;

use crate::registry::Behaviour;
use crate::remote::BareRemote;
use crate::table::{self, PLAIN, Row, codes, outcome, problems, verdict};
use crate::world::World;

const EACH: &str = "repin.dev/git-branch: \"main:auto/{{range .Images}}{{.Name}}-{{.NewTag}}{{end}}\"";

/// Adds lines to the repository `gitops` of the standard configuration.
fn with_branches(world: &World, globs: &str) -> String {
    world.standard_config().replace("    branch: main\n", &format!("    branch: main\n    branches: {globs}\n"))
}

fn branches(world: &World) -> Vec<String> {
    let all = world.remote.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
    all.lines().map(str::to_owned).collect()
}

fn problem<'v>(said: &'v crate::world::Said, code: &str) -> &'v Value {
    let list = said.json["problems"].as_array().unwrap();
    list.iter().find(|one| one["code"] == code).unwrap_or_else(|| panic!("no {code}: {said:#?}"))
}

#[test]
fn a_branch_is_made_for_a_change_once_and_its_merge_ends_it() {
    let world = table::world(&[Row::new("web", &format!("{PLAIN}\n{EACH}"))]);
    world.configure(&with_branches(&world, "[\"auto/**\"]"));
    let head = world.remote.head();

    let said = world.repin(&["plan"]);
    assert_eq!(verdict(outcome(&said, "web")), "pending pending", "{said:#?}");
    assert_eq!(branches(&world), ["main"]);

    let made = world.once();
    assert_eq!(verdict(&made), "delivered delivered", "{made:#}");
    assert_eq!(world.remote.head(), head, "the base stays");
    assert_eq!(branches(&world), ["auto/acme/web-2.0.0", "main"]);
    let commit = world.remote.git(&["rev-parse", "auto/acme/web-2.0.0"]);
    assert_eq!(made["commit"], commit.as_str());
    assert_eq!(world.remote.git(&["rev-parse", "auto/acme/web-2.0.0^"]), head, "one commit on the base");
    let values = world.remote.show_at("auto/acme/web-2.0.0", "apps/web/values.yaml");
    assert_eq!(values, world.values("web", "2.0.0"));

    // Whatever a process remembers: nothing is made or written again.
    for _ in 0..2 {
        let again = world.once();
        assert_eq!(
            (verdict(&again).as_str(), again["to"].as_str()),
            ("held branch/written", Some("2.0.0")),
            "{again:#}"
        );
        assert!(again["message"].as_str().unwrap().contains("`auto/acme/web-2.0.0`"), "{again:#}");
        world.drop_cache();
    }
    assert_eq!(world.remote.git(&["rev-parse", "auto/acme/web-2.0.0"]), commit);

    // A newer tag is a change of its own, from the base.
    world.registry.publish("acme/web", &["1.0.0", "2.0.0", "2.1.0"]);
    assert_eq!(verdict(&world.once()), "delivered delivered");
    assert_eq!(world.remote.git(&["rev-parse", "auto/acme/web-2.1.0^"]), head);

    world.remote.checkout("main");
    world.remote.work(&["merge", "--quiet", "--no-ff", "-m", "Merge", "origin/auto/acme/web-2.1.0"]);
    world.remote.push_work("main");
    assert_eq!(verdict(&world.once()), "current current");
    assert_eq!(world.tag("web"), "2.1.0");
}

#[test]
fn a_branch_of_somebody_else_is_never_overwritten() {
    let world = table::world(&[Row::new("web", &format!("{PLAIN}\n{EACH}"))]);
    world.configure(&with_branches(&world, "[\"auto/**\"]"));
    world.remote.checkout("main");
    let theirs = world.remote.push_work("auto/acme/web-2.0.0");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "held branch/exists", "{said:#?}");
    let problem = problem(&said, "branch/exists");
    assert!(problem["hint"].as_str().unwrap().contains("delete the branch"), "{problem:#}");
    assert_eq!(world.remote.git(&["rev-parse", "auto/acme/web-2.0.0"]), theirs);
}

#[test]
fn another_branch_is_read_and_written_only_if_the_operator_allows_it() {
    let release = format!("{PLAIN}\nrepin.dev/git-branch: release/1");
    let rows = [Row::new("web", &release), Row::new("api", PLAIN), Row::new("main", PLAIN)];
    let world = table::world(&rows);
    let api = rows[1].manifest(&world).replace("targetRevision: main", "targetRevision: refs/heads/release/1");
    world.remote.commit(&[("argocd/api.yaml", &api)], "Follow a release");
    world.remote.checkout("main");
    world.remote.push_work("release/1");
    let head = world.remote.head();

    let said = world.repin(&["plan"]);
    for name in ["web", "api"] {
        assert_eq!(verdict(outcome(&said, name)), "held target/outside", "{said:#?}");
        let found = problems(&said, &format!("argocd/{name}.yaml"));
        assert_eq!(codes(&found), ["target/outside"]);
        assert!(found[0]["hint"].as_str().unwrap().contains("branches: [\"release/1\"]"), "{found:#?}");
    }
    assert_eq!(verdict(outcome(&said, "main")), "pending pending");

    world.configure(&with_branches(&world, "[\"release/*\"]"));
    let said = world.repin(&["once"]);
    for name in ["web", "api", "main"] {
        assert_eq!(verdict(outcome(&said, name)), "delivered delivered", "{said:#?}");
    }
    let at = |branch: &str, name: &str| world.remote.show_at(branch, &format!("apps/{name}/values.yaml"));
    let (old, new) = (world.values("web", "1.0.0"), world.values("web", "2.0.0"));
    for name in ["web", "api"] {
        assert_eq!((at("main", name), at("release/1", name)), (old.clone(), new.clone()), "{name}");
    }
    assert_eq!((at("main", "main"), at("release/1", "main")), (new, old));
    assert_eq!(world.remote.git(&["rev-list", "--count", &format!("{head}..release/1")]), "2");
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "web")), "current current");
}

#[test]
fn what_is_wrong_with_one_branch_stops_nothing_on_the_others() {
    let base = |base: &str| format!("{PLAIN}\nrepin.dev/git-branch: {base}");
    let (made, endless, gone) = (format!("{PLAIN}\n{EACH}"), base("release/endless"), base("release/gone"));
    let commit = base("\"1111111111111111111111111111111111111111\"");
    let rows = [
        Row::new("made", &made),
        Row::new("endless", &endless),
        Row::new("gone", &gone),
        Row::new("commit", &commit),
        Row::new("web", PLAIN),
    ];
    let world = table::world(&rows);
    world.configure(&with_branches(&world, "[\"auto/**\", \"release/*\", \"1*\"]"));
    let remote = &world.remote;
    // The branch that would be made is there, and has a link in the way.
    let link = remote.git_with_input(&["hash-object", "-w", "--stdin"], b"/etc");
    let tree = remote.git_with_input(&["mktree"], format!("120000 blob {link}\tapps\n").as_bytes());
    let linked = remote.git(&["commit-tree", "-m", "A link", &tree]);
    remote.git(&["update-ref", "refs/heads/auto/acme/web-2.0.0", &linked]);
    // A few objects that unfold to endless names.
    let mut tree = remote.git(&["rev-parse", "main^{tree}"]);
    for _ in 0..10 {
        let entries: String = (0..10).map(|n| format!("040000 tree {tree}\td{n}\n")).collect();
        tree = remote.git_with_input(&["mktree"], entries.as_bytes());
    }
    let endless = remote.git(&["commit-tree", "-m", "Endless", &tree]);
    remote.git(&["update-ref", "refs/heads/release/endless", &endless]);

    let said = world.repin(&["once"]);
    for (name, expected) in [
        ("made", "held branch/exists"),
        ("endless", "failed git/too-large"),
        ("gone", "failed git/no-such-branch"),
        ("commit", "held target/outside"),
        ("web", "delivered delivered"),
    ] {
        assert_eq!(verdict(outcome(&said, name)), expected, "{name}: {said:#?}");
    }
    assert!(outcome(&said, "gone")["message"].as_str().unwrap().contains("`release/gone`"), "{said:#?}");
    let found = problem(&said, "git/no-such-branch");
    assert!(found["hint"].as_str().unwrap().contains("a tag or a commit"), "{found:#}");
    assert!(problem(&said, "git/too-large")["message"].as_str().unwrap().contains("`release/endless`"), "{said:#?}");
    let found = problems(&said, "argocd/commit.yaml");
    assert_eq!(codes(&found), ["target/outside"]);
    assert!(found[0]["hint"].as_str().unwrap().contains("name a branch"), "{found:#?}");
}

#[test]
fn two_entries_of_one_repository_keep_a_mirror_each() {
    let world = table::world(&[Row::new("web", PLAIN)]);
    world.remote.checkout("main");
    world.remote.push_work("live");
    let entry = format!(
        "repositories:\n  - {{name: live, url: \"{}\", branch: live, discover: [\"argocd/*.yaml\"]}}\n",
        world.remote.url()
    );
    world.configure(&world.standard_config().replace("repositories:\n", &entry));
    let mirrors = || -> Vec<String> {
        let names = std::fs::read_dir(world.cache()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.ends_with(".git"));
        names.sort();
        names
    };
    world.repin(&["once"]);
    let kept = mirrors();
    assert_eq!(kept.len(), 2, "{kept:?}");
    let used = |name: &String| {
        world.cache().join(name).join("packed-refs").exists() || world.cache().join(name).join("refs/repin").exists()
    };
    assert!(kept.iter().all(used), "{kept:?}");
    world.repin(&["once"]);
    assert_eq!(mirrors(), kept);
}

#[test]
fn a_source_that_follows_another_branch_of_the_repository_is_another_place() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    let url = world.remote.url();
    let manifest = table::manifest(&world, "web", PLAIN, "path: x");
    let manifest = format!(
        "{}spec:\n  sources:\n  - {{repoURL: '{url}', targetRevision: main, path: apps/one, helm: {{valueFiles: [$values/apps/a.yaml, dev.yaml]}}}}\n  - {{repoURL: '{url}', targetRevision: release/1, ref: values}}\n",
        manifest.split_once("spec:\n").unwrap().0
    );
    let old = world.values("web", "1.0.0");
    world.remote.commit(
        &[("argocd/web.yaml", &manifest), ("apps/a.yaml", &old), ("apps/one/dev.yaml", &old)],
        "Add all on both",
    );
    world.remote.checkout("main");
    world.remote.push_work("release/1");
    world.configure(&with_branches(&world, "[\"release/*\"]"));
    let said = world.repin(&["once"]);
    let one = outcome(&said, "web");
    assert_eq!(
        (verdict(one).as_str(), one["file"].as_str()),
        ("delivered delivered", Some("apps/a.yaml")),
        "{said:#?}"
    );
    let found = problems(&said, "argocd/web.yaml");
    assert_eq!(codes(&found), ["target/outside"], "{said:#?}");
    assert!(found[0]["message"].as_str().unwrap().contains("another branch"), "{found:#?}");
    assert_eq!(world.remote.show_at("release/1", "apps/a.yaml"), world.values("web", "2.0.0"));
    assert_eq!(world.remote.show_at("release/1", "apps/one/dev.yaml"), old);
}

#[test]
fn values_of_a_chart_may_stand_in_a_source_of_their_own() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    let url = world.remote.url();
    let make = |name: &str, annotations: &str, sources: &str| {
        let text = table::manifest(&world, name, annotations, "path: x");
        format!("{}spec:\n  sources:\n{sources}", text.split_once("spec:\n").unwrap().0)
    };
    let chart =
        |files: &str| format!("  - {{repoURL: https://charts.example, chart: web, helm: {{valueFiles: [{files}]}}}}\n");
    let values = format!("  - {{repoURL: '{url}', targetRevision: main, ref: values}}\n");
    let local = |path: &str| {
        format!("  - {{repoURL: '{url}', targetRevision: main, path: {path}, helm: {{valueFiles: [dev.yaml]}}}}\n")
    };
    let elsewhere = "  - {repoURL: 'https://git.example/other', ref: other}\n";
    let dev = world.values("web", "1.0.0");
    let rows: Vec<(&str, String, String, &str, &[&str])> = vec![
        ("last", PLAIN.into(), chart("$values/apps/a.yaml, $values/apps/b.yaml") + &values, "pending apps/b.yaml", &[]),
        (
            "named",
            format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:$values/apps/a.yaml"),
            chart("$values/apps/a.yaml, $values/apps/b.yaml") + &values,
            "pending apps/a.yaml",
            &[],
        ),
        (
            "elsewhere",
            PLAIN.into(),
            chart("$other/x.yaml, $values/apps/a.yaml") + &values + elsewhere,
            "pending apps/a.yaml",
            &["target/outside"],
        ),
        (
            "unknown-last",
            PLAIN.into(),
            chart("$values/apps/a.yaml, $other/x.yaml") + &values + elsewhere,
            "held repository/unknown -",
            &["repository/unknown"],
        ),
        (
            "no-such-ref",
            PLAIN.into(),
            chart("$typo/apps/a.yaml, $values/apps/a.yaml") + &values,
            "pending apps/a.yaml",
            &["target/outside"],
        ),
        (
            "lent",
            format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:/secrets/x.yaml"),
            chart("$values/apps/a.yaml") + &values,
            "held target/outside secrets/x.yaml",
            &[],
        ),
        ("two", PLAIN.into(), local("apps/one") + &local("apps/two"), "held target/ambiguous -", &["target/ambiguous"]),
        (
            "two-named",
            format!("{PLAIN}\nrepin.dev/write-back-target: helmvalues:/apps/two/dev.yaml"),
            local("apps/one") + &local("apps/two"),
            "pending apps/two/dev.yaml",
            &[],
        ),
        (
            "one-of-two",
            PLAIN.into(),
            local("apps/one") + "  - {repoURL: https://charts.example, chart: x}\n",
            "pending apps/one/dev.yaml",
            &[],
        ),
    ];
    let mut files: Vec<(String, String)> = rows
        .iter()
        .map(|(name, text, sources, ..)| (format!("argocd/{name}.yaml"), make(name, text, sources)))
        .collect();
    for path in ["apps/a.yaml", "apps/b.yaml", "apps/one/dev.yaml", "apps/two/dev.yaml", "secrets/x.yaml"] {
        files.push((path.to_owned(), dev.clone()));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    world.remote.commit(&files, "Add all");
    let said = world.repin(&["plan"]);
    for (name, _, _, expected, problem_codes) in &rows {
        let one = outcome(&said, name);
        let code = verdict(one).replace("pending pending", "pending");
        assert_eq!(format!("{code} {}", one["file"].as_str().unwrap_or("-")), *expected, "{name}: {said:#?}");
        assert_eq!(codes(&problems(&said, &format!("argocd/{name}.yaml"))), *problem_codes, "{name}: {said:#?}");
    }
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "last")), "delivered delivered", "{said:#?}");
    assert_eq!(world.remote.show("apps/b.yaml"), world.values("web", "2.0.0"));
}

#[test]
fn values_may_stand_in_another_configured_repository() {
    let other = BareRemote::create();
    let place = |url: &str| format!("{PLAIN}\nrepin.dev/git-repository: {url}");
    let texts = [
        ("web", place(&other.url())),
        ("spelled", place(other.url().trim_end_matches(".git"))),
        ("also", place("git@git.internal:acme/values.git")),
        ("stranger", place("https://git.example/acme/x.git")),
        ("empty", place("\"\"")),
    ];
    let rows: Vec<Row<'_>> = texts.iter().map(|(name, text)| Row::new(name, text)).collect();
    let world = table::world(&rows);
    let values: Vec<(String, String)> =
        rows.iter().map(|row| (format!("apps/{}/values.yaml", row.name), world.values("web", "1.0.0"))).collect();
    let values: Vec<(&str, &str)> = values.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    other.commit(&values, "Add values");
    let entry = format!(
        "repositories:\n  - name: values\n    url: {}\n    also: [\"ssh://git@git.internal/acme/values\"]\n",
        other.url()
    );
    world.configure(&world.standard_config().replace("repositories:\n", &entry));
    let head = world.remote.head();
    let said = world.repin(&["once"]);
    for (name, expected) in [
        ("web", "delivered delivered"),
        ("spelled", "delivered delivered"),
        ("also", "delivered delivered"),
        ("stranger", "held repository/unknown"),
        ("empty", "held annotation/invalid"),
    ] {
        assert_eq!(verdict(outcome(&said, name)), expected, "{name}: {said:#?}");
    }
    assert_eq!(outcome(&said, "web")["repository"], "values");
    let hint = problem(&said, "repository/unknown")["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("`also: [\"https://git.example/acme/x.git\"]`"), "{hint}");
    assert_eq!(world.remote.head(), head);
    assert_eq!(other.show("apps/web/values.yaml"), world.values("web", "2.0.0"));
    assert_eq!(other.show("apps/stranger/values.yaml"), world.values("web", "1.0.0"));
}

#[test]
fn one_commit_holds_what_belongs_together_and_one_push_all_commits() {
    let shop = format!("{PLAIN}\nrepin.dev/group: shop");
    let world = table::world(&[Row::new("a", &shop), Row::new("b", PLAIN), Row::new("c", &shop), Row::new("d", PLAIN)]);
    let count = world.remote.scratch().join("pushes");
    world.remote.install_hook("post-receive", &format!("echo push >> {}\n", count.display()));
    let more = "  - match: {path: \"apps/{b,d}/**\"}\n    per: environment\n";
    world.configure(&format!("{}{more}", world.standard_config()));
    let said = world.repin(&["once"]);
    assert!(["a", "b", "c", "d"].iter().all(|name| outcome(&said, name)["result"] == "delivered"), "{said:#?}");
    assert_eq!(outcome(&said, "a")["commit"], outcome(&said, "c")["commit"]);
    assert_eq!(outcome(&said, "b")["commit"], outcome(&said, "d")["commit"]);
    assert_ne!(outcome(&said, "a")["commit"], outcome(&said, "b")["commit"]);
    assert_eq!(std::fs::read_to_string(count).unwrap(), "push\n");
    let log = world.remote.log();
    for (at, names) in [(0, ["b", "d"]), (1, ["a", "c"])] {
        let (_, subject, body) = &log[at];
        assert_eq!(*subject, format!("Update 2 applications: {} app 2.0.0, {} app 2.0.0", names[0], names[1]));
        assert!(names.iter().all(|name| body.contains(&format!("Repin-Application: argocd/{name} (dev)"))), "{body}");
    }
    assert_eq!(verdict(outcome(&world.repin(&["once"]), "a")), "current current");
}

#[test]
fn what_argocd_image_updater_writes_elsewhere_is_said_or_left_to_the_operator() {
    let method = |method: &str| format!("{PLAIN}\nrepin.dev/write-back-method: {method}");
    let legacy = PLAIN.replace("repin.dev/", "argocd-image-updater.argoproj.io/");
    let rows = [
        ("secret", method("git:secret:argocd/creds"), "pending pending", "pending pending", Some("annotation/unused")),
        ("short", method("git:secret:creds"), "pending pending", "pending pending", Some("annotation/unused")),
        ("repocreds", method("git:repocreds"), "pending pending", "pending pending", Some("annotation/unused")),
        (
            "wrong",
            method("git:creds"),
            "held annotation/invalid",
            "held annotation/invalid",
            Some("annotation/invalid"),
        ),
        ("argocd", method("argocd"), "held unsupported/write-back-method", "pending pending", None),
        (
            "legacy",
            format!("{legacy}\nrepin.dev/write-back-target: helmvalues"),
            "held unsupported/write-back-method",
            "pending pending",
            None,
        ),
    ];
    let applications: Vec<Row<'_>> = rows.iter().map(|(name, text, ..)| Row::new(name, text)).collect();
    let world = table::world(&applications);
    for is_git in [false, true] {
        let more = if is_git { "legacy_argocd_method: as-git\n" } else { "" };
        world.configure(&format!("{more}{}", world.standard_config()));
        let said = world.repin(&["plan"]);
        for (name, _, held, taken, problem) in &rows {
            assert_eq!(verdict(outcome(&said, name)), if is_git { *taken } else { *held }, "{name}: {said:#?}");
            let found = codes(&problems(&said, &format!("argocd/{name}.yaml")));
            let expected = problem.or((!is_git).then_some("unsupported/write-back-method"));
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{name}: {said:#?}");
        }
    }
}

#[test]
fn a_pull_secret_is_used_by_whom_it_is_for_and_one_listing_is_not_another() {
    let secret = format!("{PLAIN}\nrepin.dev/pull-secret: \"pullsecret:ci/harbor\"");
    let world = table::world(&[Row::new("web", &secret), Row::new("api", PLAIN), Row::new("stranger", &secret)]);
    world.registry.set("acme/web", Behaviour::Basic("puller".into(), "hunter2".into()));
    let configure = |password: &str| {
        let file = world.config().with_file_name("password");
        std::fs::write(&file, password).unwrap();
        world.configure(&format!(
            "{}pull_secrets:\n  - name: pullsecret:ci/harbor\n    registries: [\"{}\"]\n    credentials: {{username: puller, password: {{file: {}}}}}\n    \
             match: {{path: argocd/web.yaml}}\n",
            world.standard_config(),
            world.registry.host(),
            file.display(),
        ));
    };
    configure("hunter2");
    let said = world.repin(&["once"]);
    assert_eq!(verdict(outcome(&said, "web")), "delivered delivered", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "api")), "failed registry/unauthorized", "{said:#?}");
    assert_eq!(verdict(outcome(&said, "stranger")), "held annotation/pull-secret", "{said:#?}");
    assert_eq!(outcome(&said, "web")["image"], world.image("web"));
    assert_eq!(codes(&problems(&said, "argocd/stranger.yaml")), ["annotation/pull-secret"]);
    assert_eq!((world.tag("web"), world.tag("stranger")), ("2.0.0".into(), "1.0.0".into()));
    assert!(!said.talk.contains("hunter2"));
    let with = world.registry.requests().iter().filter(|request| request.authorization.is_some()).count();
    assert!(with > 0 && with < world.registry.requests().len());

    configure("wrong");
    let said = world.repin(&["once"]);
    let one = outcome(&said, "web");
    assert_eq!(verdict(one), "failed registry/unauthorized", "{said:#?}");
    let hints: Vec<&str> =
        said.json["problems"].as_array().unwrap().iter().filter_map(|one| one["hint"].as_str()).collect();
    assert!(hints.iter().any(|hint| hint.contains("correct the pull secret `pullsecret:ci/harbor`")), "{hints:#?}");
}

#[test]
fn the_tag_may_stand_in_any_source_that_owns_a_path() {
    let world = World::create();
    world.registry.publish("acme/web", &["1.0.0", "2.0.0"]);
    let (url, image) = (world.remote.url(), world.image("web"));
    let manifest = |name: &str, annotations: &str, paths: &[&str]| {
        let text = table::manifest(&world, name, annotations, "path: x");
        let source = |path: &&str| format!("  - {{repoURL: '{url}', targetRevision: main, path: apps/{path}}}\n");
        let sources: String = paths.iter().map(source).collect();
        format!("{}spec:\n  sources:\n{sources}", text.split_once("spec:\n").unwrap().0)
    };
    let by_name = format!("repin.dev/image-list: app={image}");
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  containers:\n  - name: app\n    image: {image}:"
    );
    let values = world.values("web", "1.0.0");
    let rows: [(&str, &str, &[&str], &str); 7] = [
        ("manifest", &by_name, &["none", "pod"], "pending apps/pod/pod.yaml"),
        ("chart", &by_name, &["none", "chart"], "pending apps/chart/values.yaml"),
        ("key", PLAIN, &["none", "chart"], "pending apps/chart/values.yaml"),
        ("agree", &by_name, &["pod", "chart"], "pending apps/pod/pod.yaml"),
        ("differ", &by_name, &["other", "chart"], "held target/ambiguous apps/other/pod.yaml"),
        ("differ-key", PLAIN, &["older", "chart"], "held target/ambiguous apps/older/values.yaml"),
        ("nowhere", &by_name, &["none", "none2"], "held target/not-found apps/none/values.yaml"),
    ];
    let manifests: Vec<(String, String)> = rows
        .iter()
        .map(|(name, annotations, paths, _)| (format!("argocd/{name}.yaml"), manifest(name, annotations, paths)))
        .collect();
    let mut files: Vec<(&str, &str)> = manifests.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let (same, other, older) = (format!("{pod}1.0.0\n"), format!("{pod}2.0.0\n"), world.values("web", "0.9.0"));
    files.extend([
        ("apps/pod/pod.yaml", same.as_str()),
        ("apps/other/pod.yaml", other.as_str()),
        ("apps/chart/Chart.yaml", "name: web\n"),
        ("apps/chart/values.yaml", values.as_str()),
        ("apps/older/Chart.yaml", "name: web\n"),
        ("apps/older/values.yaml", older.as_str()),
        ("apps/none/README.md", "nothing\n"),
    ]);
    world.remote.commit(&files, "Add all");
    let said = world.repin(&["plan"]);
    let found = |name: &str| -> Vec<String> {
        let outcomes = said.json["outcomes"].as_array().unwrap();
        let mine = outcomes.iter().filter(|one| one["application"] == format!("argocd/{name}"));
        mine.map(|one| {
            let code =
                if one["result"] == "pending" { String::new() } else { format!("{} ", one["code"].as_str().unwrap()) };
            format!("{} {code}{}", one["result"].as_str().unwrap(), one["file"].as_str().unwrap_or("-"))
        })
        .collect()
    };
    for (name, _, _, expected) in rows {
        assert_eq!(found(name).first().map(String::as_str), Some(expected), "{name}: {said:#?}");
    }
    assert_eq!(found("agree"), ["pending apps/pod/pod.yaml", "pending apps/chart/values.yaml"]);
}
