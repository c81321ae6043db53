//! Shapes of annotations that people write, and how each one is read: a row is a shape.
//!
//! Pure: from the manifest to the tracked images and problems. Names are replaced; the prefix is left out.

#![allow(clippy::unwrap_used, clippy::panic)]

use repin::manifest::argocd::{Definitions, read_applications};
use repin::model::forge::PullWishes;
use repin::model::problem::Problem;
use repin::model::rule::{Delivery, Match, PullSecret};
use repin::model::tracked::{Search, TrackedImage};
use repin::resolve::{Configured, KnownRepository, resolve};
use repin::selection;

/// The sources of an Application with one directory.
const ONE: &str = "source: {repoURL: 'https://host/acme/gitops', path: apps/web, targetRevision: main}";
/// A chart from a Helm repository, its values in a second source.
const CHART: &str = "sources: [{repoURL: 'https://charts.example', chart: web, helm: {valueFiles: [$values/envs/dev.yaml]}}, {repoURL: 'git@host:acme/gitops.git', ref: values}]";

/// Reads annotations (whole lines, `key: value`) and gives one line for each tracked image, then each problem as
/// `code: hint`, cut to what the row asks for.
fn read(annotations: &str, spec: &str) -> (Vec<String>, Vec<String>) {
    let (images, problems) = resolved(annotations, spec);
    let problems =
        problems.iter().map(|one| format!("{}: {} | {}", one.code, one.message, one.hint.as_deref().unwrap_or("")));
    (images.iter().map(shown).collect(), problems.collect())
}

fn resolved(annotations: &str, spec: &str) -> (Vec<TrackedImage>, Vec<Problem>) {
    let mut lines = String::new();
    for line in annotations.lines() {
        let is_key = !line.is_empty() && !line.starts_with(' ');
        lines.push_str(&format!("    {}{line}\n", if is_key { "repin.dev/" } else { "" }));
    }
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n{lines}spec:\n  {spec}\n"
    );
    let known = [KnownRepository {
        name: "gitops".into(),
        branch: "main".parse().unwrap(),
        branches: vec!["auto/**".parse().unwrap()],
        default: Some("main".parse().unwrap()),
        urls: vec!["git@host:acme/gitops.git".parse::<repin::model::remote_url::RemoteUrl>().unwrap().normalised()],
    }];
    let secret =
        |name: &str, matches: Match| PullSecret { name: name.into(), registries: vec!["r.io".into()], matches };
    let path = |glob: &str| Match { path: Some(glob.parse().unwrap()), ..Match::default() };
    let pull_secrets = [
        secret("harbor", path("*.yaml")),
        secret("pullsecret:ci/harbor", Match::default()),
        secret("env:TOKEN", path("other/**")),
    ];
    let configured = Configured { repositories: &known, pull_secrets: &pull_secrets, ..Configured::default() };
    let Definitions { applications, mut problems, .. } =
        read_applications("gitops", &"apps.yaml".parse().unwrap(), &text);
    let [application] = applications.as_slice() else { panic!("one Application: {text}\n{problems:#?}") };
    let (images, found) = resolve(application, &configured);
    problems.extend(found);
    (images, problems)
}

fn shown(image: &TrackedImage) -> String {
    let name = image.asked.as_ref().or(image.image.as_ref()).map_or(image.image_text.clone(), ToString::to_string);
    if let Some(refusal) = &image.refusal {
        return format!("{}={name} held {}", image.alias, refusal.code);
    }
    let target = image.target.as_ref().unwrap();
    let place = match &target.search {
        Search::Sources(all) => format!("{} sources", all.len()),
        Search::Helm(helm) => format!("{}#{}", helm.files.last().unwrap().file, helm.key),
        Search::Values(values) => format!("{} by name", values.files.last().unwrap().file),
        Search::Kustomization { directory, name } => {
            format!(
                "kustomization of {directory}{}",
                name.as_ref().map(|name| format!(" for {name}")).unwrap_or_default()
            )
        }
        Search::Manifests(path) => format!("manifests of {path}"),
        Search::Images(images) => format!("{}#{}", images.file, images.list),
        Search::Overrides(overrides) => format!("{}", overrides.files[0]),
        Search::Auto(auto) => format!("{} by name", auto.path),
        Search::Address(search) => format!("{} at {}", search.file, search.address),
        Search::Object(search) => match &search.key {
            Some((key, _)) => format!("{} of {} at {key}", search.object, search.file),
            None => format!("{} of {}", search.object, search.file),
        },
    };
    let mut policy = selection::describe(&image.policy);
    if let Some(allow) = &image.policy.allow {
        policy.push_str(&format!(" with tags {}", allow.source));
    }
    if !image.policy.ignore.is_empty() {
        let globs: Vec<&str> = image.policy.ignore.iter().map(|glob| glob.source.as_str()).collect();
        policy.push_str(&format!(" without tags {}", globs.join(", ")));
    }
    format!("{}={name} [{policy}] {}:{place}", image.alias, target.written_branch())
}

/// Rows of (annotations, expected images, words of the expected problems in order).
fn check(rows: &[(&str, &[&str], &[&str])], spec: &str) {
    for (annotations, images, problems) in rows {
        let (found, said) = read(annotations, spec);
        assert_eq!(found, *images, "{annotations}\n{said:#?}");
        assert_eq!(said.len(), problems.len(), "{annotations}\n{said:#?}");
        for (said, words) in said.iter().zip(*problems) {
            assert!(words.split(" … ").all(|word| said.contains(word)), "{annotations}\n{said}\nlacks {words}");
        }
    }
}

const TAG: &str = "app.helm.image-tag: image.tag";

#[test]
fn lists_and_aliases() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "image-list: app=acme/app1,nginx=nginx:~1.21\napp.helm.image-tag: a\nnginx.helm.image-tag: b",
            &[
                "app=docker.io/acme/app1 [semver *] main:apps/web/values.yaml#a",
                "nginx=docker.io/library/nginx [semver ~1.21] main:apps/web/values.yaml#b",
            ],
            &[],
        ),
        (
            "image-list: >\n      app=r.io/app,\n      sidecar=r.io/sidecar  \napp.helm.image-tag: a\nsidecar.helm.image-tag: b",
            &[
                "app=r.io/app [semver *] main:apps/web/values.yaml#a",
                "sidecar=r.io/sidecar [semver *] main:apps/web/values.yaml#b",
            ],
            &[],
        ),
        (
            "image-list: |\n      app=r.io/app\n      sidecar=r.io/sidecar\n\napp.helm.image-tag: a\nsidecar.helm.image-tag: b",
            &[
                "app=r.io/app [semver *] main:apps/web/values.yaml#a",
                "sidecar=r.io/sidecar [semver *] main:apps/web/values.yaml#b",
            ],
            &[],
        ),
        (
            "image-list: 1234.dkr.ecr.eu-west-1.amazonaws.com/new-api\nnew-api.helm.image-tag: image.tag",
            &["new-api=1234.dkr.ecr.eu-west-1.amazonaws.com/new-api [semver *] main:apps/web/values.yaml#image.tag"],
            &[],
        ),
        (
            "image-list: org/app=r.io/org/app, myApp=r.io/my\norg_app.helm.image-tag: a\nmyApp.helm.image-tag: b",
            &[
                "org/app=r.io/org/app [semver *] main:apps/web/values.yaml#a",
                "myApp=r.io/my [semver *] main:apps/web/values.yaml#b",
            ],
            &[],
        ),
        (
            "image-list: app=r.io/a, migrator=r.io/a\napp.helm.image-tag: a\nmigrator.helm.image-tag: b\nmigrator.allow-tags: regexp:^m-",
            &[
                "app=r.io/a [semver *] main:apps/web/values.yaml#a",
                "migrator=r.io/a [semver * with tags ^m-] main:apps/web/values.yaml#b",
            ],
            &[],
        ),
        (
            "image-list: app=r.io/a\napp.helm.image-tag: image.tag\nargocd.kustomize.image-name: x",
            &["app=r.io/a [semver *] main:apps/web/values.yaml#image.tag"],
            &["annotation/orphan-key … no alias `argocd` … the aliases are app"],
        ),
    ];
    check(rows, ONE);
}

#[test]
fn policies() {
    let app = |list: &str, more: &str| format!("image-list: app=r.io/a{list}\n{TAG}\n{more}");
    let read_as = |policy: &str| format!("app=r.io/a [{policy}] main:apps/web/values.yaml#image.tag");
    let (latest, dev) = (app(":latest", ""), app("", "ignore-tags: latest, dev"));
    let held = "app=r.io/a held annotation/invalid".to_owned();
    let rows: Vec<(String, String, Vec<&str>)> = vec![
        (
            app(":~1.21", "app.update-strategy: name\napp.allow-tags: regexp:^1.21.[0-9]+$"),
            read_as("alphabetical with tags ^1.21.[0-9]+$"),
            vec!["annotation/unused … `~1.21`"],
        ),
        (
            app("", "app.allow-tags: \"~1.0\""),
            held.clone(),
            vec!["annotation/invalid … a version range belongs into `image-list`"],
        ),
        (
            app("", "update-strategy: semver-patch"),
            held.clone(),
            vec!["annotation/invalid … the strategies are semver"],
        ),
        (latest, held, vec!["annotation/invalid … digest … newest-build"]),
        (app(":1.25.x", ""), read_as("semver 1.25.x"), vec![]),
        (app(":~1.x", ""), read_as("semver ~1.x"), vec![]),
        (app(":~0.1", ""), read_as("semver ~0.1"), vec![]),
        (app(":>=1.0 <2.0", ""), read_as("semver >=1.0 <2.0"), vec![]),
        (
            app("", "update-strategy: name\nallow-tags: regexp:^v\nforce-update: \"true\""),
            read_as("alphabetical with tags ^v"),
            vec![],
        ),
        (dev, read_as("semver * without tags latest, dev"), vec![]),
    ];
    for (text, image, problems) in &rows {
        check(&[(text, &[image], problems)], ONE);
    }
    for (key, near) in [
        ("platform", "platforms"),
        ("digest.sort", ""),
        ("git-credentials", ""),
        ("write-back-credentials", "write-back-"),
        ("update-interval", "interval"),
        ("app.update-interval", "app.interval"),
    ] {
        let words = format!("annotation/unknown-key … `{key}` … {near}");
        check(&[(&app("", &format!("{key}: x")), &[&read_as("semver *")], &[&words])], ONE);
    }
}

#[test]
fn files_and_methods() {
    let app = |more: &str| format!("image-list: app=r.io/a\n{TAG}\n{more}");
    let at = |file: &str| format!("app=r.io/a [semver *] main:{file}#image.tag");
    for (more, file, problems) in [
        ("write-back-target: helmvalues", "apps/web/values.yaml", vec![]),
        ("write-back-target: helmvalues:values.yaml", "apps/web/values.yaml", vec![]),
        ("write-back-target: helmvalues:./x.yaml", "apps/web/x.yaml", vec![]),
        ("write-back-target: helmvalues:/abs/values.yaml", "abs/values.yaml", vec![]),
        ("write-back-target: helmvalues:../../values/prod.yaml", "values/prod.yaml", vec![]),
        ("write-back-method: git", "apps/web/values.yaml", vec![]),
        (
            "write-back-method: git:secret:ns/name",
            "apps/web/values.yaml",
            vec!["annotation/unused … the operator's credentials"],
        ),
        (
            "write-back-method: git:repocreds",
            "apps/web/values.yaml",
            vec!["annotation/unused … the operator's credentials"],
        ),
        (
            "write-back-method: argocd\nwrite-back-method: git",
            "apps/web/values.yaml",
            vec!["annotation/duplicate-key … the last one counts"],
        ),
        ("git-repository: git@host:acme/gitops.git", "apps/web/values.yaml", vec![]),
    ] {
        check(&[(&app(more), &[&at(file)], &problems)], ONE);
    }
    for (more, code, words) in [
        ("write-back-target: helmvalues:../../../x.yaml", "target/outside", "leaves the repository"),
        (
            "write-back-target: helmvalues:/{{.path.path}}/values.yaml",
            "annotation/invalid",
            "only an ApplicationSet expands templates",
        ),
        ("write-back-method: argocd", "unsupported/write-back-method", "legacy_argocd_method: as-git"),
        (
            "git-repository: https://elsewhere/acme/gitops",
            "repository/unknown",
            "also: [\"https://elsewhere/acme/gitops\"]",
        ),
    ] {
        check(&[(&app(more), &[&format!("app=r.io/a held {code}")], &[&format!("{code} … {words}")])], ONE);
    }
}

#[test]
fn branches_and_sources() {
    let app = |more: &str| format!("image-list: app=r.io/a\n{TAG}\n{more}");
    let at = |branch: &str, file: &str| format!("app=r.io/a [semver *] {branch}:{file}#image.tag");
    for (more, branch) in [
        ("git-branch: main", "main"),
        ("git-branch: HEAD", "main"),
        ("git-branch: refs/heads/main", "main"),
        ("git-branch: main:auto/{{range .Images}}{{.Name}}-{{.NewTag}}{{end}}", "auto/*"),
        ("git-branch: ':auto/{{ .SHA256 }}'", "auto/*"),
        ("git-branch: auto/base", "auto/base"),
    ] {
        check(&[(&app(more), &[&at(branch, "apps/web/values.yaml")], &[])], ONE);
        check(&[(&app(more), &[&at(branch, "envs/dev.yaml")], &[])], CHART);
    }
    for (more, code, words) in [
        ("git-branch: prod", "target/outside", "only `main`, `auto/**` may be reached … branches: [\"prod\"]"),
        ("git-branch: 'main:auto/{{.Title}}'", "annotation/invalid", "`{{.Title}}` is not carried out, at character 6"),
        ("git-branch: 'a..b'", "annotation/invalid", "git check-ref-format"),
    ] {
        check(&[(&app(more), &[&format!("app=r.io/a held {code}")], &[&format!("{code} … {words}")])], ONE);
    }
    // What the Application says itself is written where it stands, whatever its chart is.
    let own = |helm: &str| {
        format!("source: {{repoURL: 'https://charts.example', chart: web, targetRevision: 1.0.0, {helm}}}")
    };
    let inline = "app=r.io/a [semver *] main:apps.yaml#image.tag";
    for (helm, image) in [
        ("helm: {valuesObject: {image: {tag: 1.0.0}}}", inline),
        ("helm: {values: 'image: {tag: 1.0.0}'}", inline),
        ("helm: {parameters: [{name: image.tag, value: 1.0.0}]}", inline),
        ("helm: {parameters: [{name: image.tag, value: 1.0.0}], values: 'a: 1'}", inline),
    ] {
        check(&[(&app(""), &[image], &[])], &own(helm));
    }
    let strings = "source: {repoURL: 'https://host/acme/gitops', path: a, targetRevision: v1, kustomize: {images: ['web=r.io/a:1']}}";
    check(
        &[(
            "image-list: app=r.io/a",
            &["app=r.io/a [semver *] main:apps.yaml#Application/web#spec.source.kustomize.images"],
            &[],
        )],
        strings,
    );
    // Whoever names another repository or branch means it.
    check(
        &[(
            &app("git-repository: https://elsewhere/acme/gitops"),
            &["app=r.io/a held repository/unknown"],
            &["repository/unknown"],
        )],
        &own("helm: {parameters: [{name: image.tag, value: 1.0.0}]}"),
    );
    for target in [".argocd-source-other.yaml", "/apps/api/.argocd-source-web.yaml"] {
        let refused = format!("target/outside … the target `{target}` overrides another Application");
        check(
            &[(&app(&format!("write-back-target: {target}")), &["app=r.io/a held target/outside"], &[&refused])],
            ONE,
        );
    }
    for target in [".argocd-source-web.yaml", "./.argocd-source-argocd_web.yaml"] {
        let file = format!("app=r.io/a [semver *] main:apps/web/{}", target.trim_start_matches("./"));
        check(&[(&app(&format!("write-back-target: {target}")), &[&file], &[])], ONE);
    }
    let both = "sources: [{repoURL: 'https://host/acme/gitops', path: a, helm: {valueFiles: [x.yaml]}}, {repoURL: 'https://host/acme/gitops', path: b, helm: {valueFiles: [x.yaml]}}]";
    check(
        &[
            (
                &app(""),
                &["app=r.io/a held target/ambiguous"],
                &["target/ambiguous … `a/x.yaml`, `b/x.yaml` … write-back-target: helmvalues:<file>"],
            ),
            (&app("write-back-target: helmvalues:/b/x.yaml"), &[&at("main", "b/x.yaml")], &[]),
        ],
        both,
    );
}

#[test]
fn pull_secrets() {
    let list =
        |secret: &str| format!("image-list: app=r.io/a,other=evil.example/a\n{TAG}\nother.helm.image-tag: x\n{secret}");
    let plain = "other=evil.example/a [semver *] main:apps/web/values.yaml#x";
    for name in ["harbor", "pullsecret:ci/harbor"] {
        let used = format!("app=r.io/a (pull secret `{name}`) [semver *] main:apps/web/values.yaml#image.tag");
        check(&[(&list(&format!("app.pull-secret: {name}")), &[&used, plain], &[])], ONE);
    }
    let held = ["app=r.io/a held annotation/pull-secret", "other=evil.example/a held annotation/pull-secret"];
    for (name, words) in [
        ("ext:/bin/token", "annotation/pull-secret … `pull_secrets:` of repin.yaml has no such name … nothing is sent"),
        ("secret:ns/name#field", "annotation/pull-secret … has no such name"),
        ("env:TOKEN", "annotation/pull-secret … `match` does not hold for this Application … widen its `match`"),
    ] {
        check(&[(&list(&format!("app.pull-secret: {name}")), &[held[0], plain], &[words])], ONE);
    }
    // For all images, of which one is elsewhere: the operator's credentials do not follow it.
    let words = "annotation/pull-secret … bound to `r.io`, and the image is at `evil.example`";
    let used = "app=r.io/a (pull secret `harbor`) [semver *] main:apps/web/values.yaml#image.tag";
    check(&[(&list("pull-secret: harbor"), &[used, held[1]], &[words])], ONE);
}

#[test]
fn key_paths_of_manifests() {
    let rows: &[(&str, &[&str], &[&str])] = &[
        (
            "image-list: app=r.io/a\nwrite-back-target: site.yaml\napp.helm.image-spec: Site/web#spec.image",
            &["app=r.io/a [semver *] main:apps/web/site.yaml at Site/web#spec.image"],
            &[],
        ),
        (
            "image-list: app=r.io/a\nwrite-back-target: /site.yaml\napp.helm.image-tag: '[1]#spec.tag'\napp.helm.image-name: spec.name",
            &["app=r.io/a [semver *] main:site.yaml at [1]#spec.tag"],
            &[],
        ),
        (
            "image-list: app=r.io/a\napp.helm.image-tag: Site/web#spec.tag",
            &["app=r.io/a held annotation/invalid"],
            &["annotation/invalid … names an object, and only the path of a manifest … write the key path alone"],
        ),
        (
            "image-list: app=r.io/a\nwrite-back-target: kustomization\napp.helm.image-tag: image.tag",
            &["app=r.io/a held annotation/invalid"],
            &["annotation/invalid … where Helm values or a manifest hold the tag … `kustomization` is none of them"],
        ),
    ];
    check(rows, ONE);
}

const LISTED: &str = "image-list: app=r.io/a/web\napp.helm.image-tag: image.tag";

#[test]
fn how_changes_are_delivered_is_wished_for_the_whole_application() {
    for (value, expected) in [
        ("commit", Some(Delivery::Commit)),
        ("pull-request", Some(Delivery::PullRequest)),
        ("none", Some(Delivery::None)),
    ] {
        let (images, problems) = resolved(&format!("{LISTED}\ndelivery: {value}"), ONE);
        assert_eq!((images[0].delivery, problems), (expected, Vec::new()), "{value}");
        let refusal = images[0].refusal.as_ref().map(|refusal| refusal.code.as_str());
        assert_eq!(refusal, (value == "none").then_some("rule/none"), "{value}");
    }
    let (images, _) = resolved(LISTED, ONE);
    assert_eq!((images[0].delivery, &images[0].pull_request), (None, &PullWishes::default()));
    let set = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let wishes = "pull-request.labels: \"deps, kind/update\"\npull-request.reviewers: |\n      @alice\n      acme/web\n      \
                  codeowners\npull-request.assignees: bob,bob\npull-request.auto-merge: \"false\"";
    let (images, problems) = resolved(&format!("{LISTED}\n{wishes}"), ONE);
    assert_eq!(problems, Vec::new());
    let expected = PullWishes {
        labels: set(&["deps", "kind/update"]),
        reviewers: set(&["alice", "acme/web", "codeowners"]),
        assignees: set(&["bob"]),
        auto_merge: Some(false),
    };
    assert_eq!(images[0].pull_request, expected);
}

#[test]
fn a_wish_that_no_forge_could_fulfil_holds_the_image_and_says_what_is_allowed() {
    const LABEL: &str = "a label is 1 to 50 characters, without commas, control characters and blanks at its ends";
    for (wish, rule) in [
        ("delivery: pr", "`delivery: pr` is no way of delivery"),
        ("pull-request.labels: \"\"", "`pull-request.labels: ` names nobody and nothing"),
        ("pull-request.labels: repin/retry", "repin/rebase and repin/retry are for people"),
        (&format!("pull-request.labels: {}", "x".repeat(51)), LABEL),
        ("pull-request.reviewers: a b", "holds `a b`: a login is up to 100 letters"),
        ("pull-request.reviewers: acme/a b", "holds `acme/a b`: a team is organisation/team"),
        ("pull-request.assignees: acme/web", "holds `acme/web`: a login is up to 100 letters"),
        ("pull-request.auto-merge: \"yes\"", "is neither `true` nor `false`"),
    ] {
        let (images, problems) = resolved(&format!("{LISTED}\n{wish}"), ONE);
        assert_eq!(images[0].refusal.as_ref().unwrap().code, "annotation/invalid", "{wish}");
        assert_eq!(problems.len(), 1, "{wish}: {problems:#?}");
        assert!(problems[0].message.contains(rule), "{wish}: {problems:#?}");
        assert!(problems[0].hint.as_ref().is_some_and(|hint| hint.contains("write")), "{wish}: {problems:#?}");
    }
    // They are of the whole Application: one image of it has no pull request of its own.
    let (_, problems) = resolved(&format!("{LISTED}\napp.pull-request.labels: deps"), ONE);
    assert_eq!(problems[0].code, "annotation/unknown-key");
}
