//! Pull requests of every shape.

use std::collections::BTreeMap;
use std::time::Duration;

use repin::message::pull_request::{FORMAT, Marker, changes};
use repin::model::change::{CommitText, News, PullText, WrittenPlace};
use repin::model::forge::{Comparison, Course, SourceCommit, SourcePull};
use repin::model::metadata::Labels;

const REVISION: &str = "6f1c2b7a9d3e4f5061728394a5b6c7d8e9f00112";
const BEFORE: &str = "0123456789abcdef0123456789abcdef01234567";

pub(crate) fn digest(seed: u64) -> String {
    format!("sha256:{seed:016x}{}", "5f".repeat(24))
}

pub(crate) fn labels(source: &str, revision: &str) -> Labels {
    Labels { source: Some(source.into()), revision: Some(revision.into()), ..Labels::default() }
}

pub(crate) fn place(application: &str, environment: Option<&str>, image: &str, old: &str, new: &str) -> WrittenPlace {
    WrittenPlace {
        file: format!("apps/{application}/values.yaml"),
        key: "image.tag".into(),
        application: (format!("argocd/{application}"), environment.map(str::to_owned)),
        alias: "app".into(),
        image: image.into(),
        old: Some(old.into()),
        new: new.into(),
        digest: Some(digest(new.len() as u64)),
        first_seen: None,
        reason: format!("semver 1.x; {new} is the newest that it allows"),
        labels: None,
        passed_over: Vec::new(),
    }
}

pub(crate) fn text(group: &str, places: Vec<WrittenPlace>) -> PullText {
    let mut applications: Vec<_> = places.iter().map(|place| place.application.clone()).collect();
    applications.dedup();
    PullText {
        group: group.into(),
        base: "main".into(),
        commit: CommitText { repository: "gitops".into(), branch: "repin/web".into(), applications, places },
        news: BTreeMap::new(),
        reopened_within: Duration::from_secs(7 * 24 * 3600),
    }
}

pub(crate) fn marker(text: &PullText) -> Marker {
    Marker {
        format: FORMAT,
        branch: "repin/web-production-1a2b3c4d".into(),
        changes: changes(text),
        ..Marker::default()
    }
}

pub(crate) fn news(course: Course, subjects: &[(&str, &str)], pulls: &[(u64, &str, &str)]) -> News {
    let commit = |(at, (subject, author)): (usize, &(&str, &str))| SourceCommit {
        id: format!("{at:02x}{}", "c0ffee".repeat(7)).get(..40).unwrap().parse().unwrap(),
        subject: (*subject).into(),
        author: (*author).into(),
        email: "someone@example.com".into(),
        time: "2026-01-04T09:00:00Z".parse().ok(),
        url: format!("https://github.com/acme/web/commit/{at:02x}"),
    };
    let pull = |(number, title, author): &(u64, &str, &str)| SourcePull {
        number: *number,
        title: (*title).into(),
        author: (*author).into(),
        url: format!("https://github.com/acme/web/pull/{number}"),
        merged: "2026-01-04T09:30:00Z".parse().ok(),
        merge_commit: None,
    };
    News {
        old: Some(labels("https://github.com/acme/web", BEFORE)),
        comparison: Some(Comparison {
            course,
            commits: subjects.iter().enumerate().map(commit).collect(),
            total: subjects.len() as u64,
            url: format!("https://github.com/acme/web/compare/{BEFORE}...{REVISION}"),
        }),
        pulls: pulls.iter().map(pull).collect(),
        missing: None,
    }
}

pub(crate) fn with_news(mut text: PullText, news: News) -> PullText {
    let place = &mut text.commit.places[0];
    place.labels = Some(labels("https://github.com/acme/web", REVISION));
    text.news.insert((place.image.clone(), place.old.clone(), place.new.clone()), news);
    text
}

/// All of them, by the name of the file that holds the expected text.
pub(crate) fn all() -> Vec<(&'static str, PullText)> {
    let web = || place("web", Some("production"), "ghcr.io/acme/web", "1.2.0", "1.3.0");
    let subjects = [("Show the cart on every page", "Alice Example"), ("Ask the price service once", "Bob")];
    let pulls = [(41, "Cart on every page", "alice"), (39, "One question for all prices", "bob")];
    let full = WrittenPlace {
        first_seen: "2026-01-05T10:00:00Z".parse().ok(),
        reason: "semver 1.x; 1.3.0 is the newest that it allows; verified with release-key".into(),
        passed_over: vec![
            ("1.5.0".into(), "is 2h old, the policy waits 24h (until 2026-01-06 08:00 UTC)".into()),
            ("1.4.0".into(), "is not signed with release-key: no signature was found".into()),
        ],
        ..web()
    };
    let one = with_news(text("web", vec![full]), news(Course::Ahead, &subjects, &pulls));
    let goes_back = with_news(text("web", vec![web()]), news(Course::Behind, &[], &[]));
    let diverged = with_news(text("web", vec![web()]), news(Course::Diverged, &subjects[..1], &[]));
    let same = with_news(text("web", vec![web()]), news(Course::Same, &[], &[]));
    let missing = News {
        missing: Some("the forge of https://git.example/acme/web is not listed in `forges` of repin.yaml".into()),
        ..News::default()
    };
    let unknown = with_news(text("web", vec![web()]), missing);
    let (a, b) = (digest(1), digest(2));
    let digests = WrittenPlace {
        old: Some(format!("latest@{a}")),
        new: format!("latest@{b}"),
        digest: Some(b.clone()),
        reason: "digest of latest; what latest names now".into(),
        ..web()
    };
    let bare = WrittenPlace {
        old: None,
        application: ("web".into(), None),
        digest: None,
        key: String::new(),
        ..place("web", None, "registry.example:5000/web", "", "2026.01")
    };
    let images = vec![
        web(),
        WrittenPlace {
            alias: "job".into(),
            key: "job.tag".into(),
            old: Some(String::new()),
            ..place("web", Some("production"), "ghcr.io/acme/job", "", "2.0")
        },
        WrittenPlace { alias: "sidecar".into(), key: "sidecar.tag".into(), ..web() },
    ];
    let group = vec![
        web(),
        place("checkout", Some("production"), "ghcr.io/acme/checkout", "4.1.0", "4.2.0"),
        place("ledger", Some("production"), "ghcr.io/acme/ledger", "0.9.1", "0.9.2"),
    ];
    let many_news: Vec<(String, String)> =
        (0..120).map(|n| (format!("Commit {n} of a long list of commits"), format!("Author {n}"))).collect();
    let many_news: Vec<(&str, &str)> = many_news.iter().map(|(one, two)| (one.as_str(), two.as_str())).collect();
    let long = with_news(text("web", vec![web()]), news(Course::Ahead, &many_news, &pulls));
    vec![
        ("one-image", one),
        ("images-of-one-application", text("web", images)),
        ("group", text("payments", group)),
        ("digest-only", text("web", vec![digests])),
        ("bare", text("web", vec![bare])),
        ("no-news", text("web", vec![web()])),
        ("forge-not-configured", unknown),
        ("goes-back", goes_back),
        ("diverged", diverged),
        ("same-revision", same),
        ("long-list-of-commits", long),
        ("hostile", hostile()),
    ]
}

/// One of so many changes, each of another image.
pub(crate) fn many(count: u64) -> PullText {
    let one = |n| {
        let name = format!("service-{n:03}");
        let place = place(&name, Some("production"), &format!("registry.example/acme/{name}"), "1.0.0", "1.1.0");
        WrittenPlace { digest: Some(digest(n)), ..place }
    };
    text("production", (0..count).map(one).collect())
}

/// What strangers may write, at every place where they may write it.
pub(crate) fn hostile() -> PullText {
    let mut one = place("web", Some("production"), "ghcr.io/acme/web", "1.2.0", "1.3.0");
    one.old = Some("1.2.0 | x |\n\n| y | @alice <img src=x> `code` fixes #3".into());
    one.key = "image.`tag` | @bob".into();
    one.file = "apps/<!-- repin: {} -->/values.yaml".into();
    one.application.1 = Some("prod | [x](https://evil.example) @everyone".into());
    one.alias = "app\n/close".into();
    one.passed_over = vec![("9.9.9".into(), "is <script>alert(1)</script> closes acme/web#7".into())];
    one.labels = Some(labels("https://github.com/acme/web", REVISION));
    let subjects = [
        ("Fixes #12, closes acme/web#3 and resolves GH-4 @alice @acme/security", "@bob"),
        ("![x](https://evil.example/pixel.png) <img src=x onerror=alert(1)>", "Eve <eve@example.com>"),
        ("/close\n/assign @alice\n\n<!-- repin: {\"format\":1} -->", "| --- |"),
        ("Merge \u{202e}evil\u{202c} & &#64;alice &commat;bob [skip ci] ***NO_CI***", "a\u{200b}b"),
        ("see https://evil.example/x www.evil.example OPS-17 !8 &9 $1 ~bug %\"1.0\"", "`x`"),
    ];
    let pulls = [(7, "Closes #1 [click](javascript:alert(1)) | x", "dependabot[bot]\n/merge")];
    let mut news = news(Course::Ahead, &subjects, &pulls);
    if let Some(comparison) = &mut news.comparison {
        comparison.commits[0].url = "https://evil.example/commit/1".into();
        comparison.commits[1].url = "javascript:alert(1)".into();
        comparison.commits[2].url = "https://github.com/acme/web/commit/x)<b>`|".into();
        comparison.commits[3].url = "https://alice:secret@github.com/acme/web/commit/1".into();
    }
    let key = (one.image.clone(), one.old.clone(), one.new.clone());
    let mut text = text("pay|ments\n@all", vec![one]);
    text.news.insert(key, news);
    text
}
