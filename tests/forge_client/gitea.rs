//! Gitea and Forgejo: each thing that is asked, as their documents say, and what becomes of the answer.

use std::collections::BTreeSet;

use repin::diagnostic::Diagnostic;
use repin::model::forge::{
    Approval, Course, ForgeFile, ForgeKind, MergeMethod, NewPullRequest, PullPeople, PullRequest, PullState, PullUpdate,
};
use serde_json::{Value, json};

use crate::{Seen, Server, forge, id, project, reply};

const BASE: &str = "/api/v1/repos/acme/gitops";

fn pull() -> Value {
    json!({
        "number": 7, "state": "open", "title": "web 1.2.0", "body": "a body", "merged": false, "mergeable": true,
        "html_url": "https://git.example.com/acme/gitops/pulls/7", "user": {"id": 5, "login": "repin-bot"},
        "labels": [{"id": 1, "name": "deps"}], "assignees": null,
        "head": {"ref": "repin/web", "sha": id('a'), "repo_id": 42}, "base": {"ref": "main", "sha": id('b'), "repo_id": 42},
        "created_at": "2026-01-02T04:04:05+01:00", "updated_at": "2026-01-03T03:04:05Z",
        "closed_at": null, "merged_at": null, "merge_commit_sha": id('c'),
    })
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut pull = pull();
    for (key, value) in changes {
        pull[*key] = value.clone();
    }
    pull
}

fn expected() -> PullRequest {
    PullRequest {
        number: 7,
        url: "https://git.example.com/acme/gitops/pulls/7".to_owned(),
        title: "web 1.2.0".to_owned(),
        body: "a body".to_owned(),
        state: PullState::Open,
        head: "repin/web".parse().unwrap(),
        head_commit: id('a').parse().ok(),
        base: "main".parse().unwrap(),
        is_draft: false,
        labels: BTreeSet::from(["deps".to_owned()]),
        author: "repin-bot".to_owned(),
        created: "2026-01-02T03:04:05Z".parse().unwrap(),
        updated: "2026-01-03T03:04:05Z".parse().unwrap(),
        closed: None,
        merge_commit: None,
        has_conflict: Some(false),
        is_auto_merged: None,
    }
}

async fn server(answer: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> Server {
    Server::start(move |seen| reply(200, answer(seen))).await
}

#[tokio::test]
async fn a_pull_request_is_read_with_what_became_of_it() {
    let time = "2026-01-04T00:00:00Z";
    let closed = PullRequest { state: PullState::Closed, closed: time.parse().ok(), has_conflict: None, ..expected() };
    let merged = PullRequest { state: PullState::Merged, merge_commit: id('c').parse().ok(), ..closed.clone() };
    for (changes, expected) in [
        (vec![], Some(expected())),
        (vec![("state", json!("closed")), ("closed_at", json!(time))], Some(closed)),
        (vec![("state", json!("closed")), ("merged", json!(true)), ("merged_at", json!(time))], Some(merged)),
        (vec![("mergeable", json!(false))], Some(PullRequest { has_conflict: Some(true), ..expected() })),
        (
            vec![("title", json!("WIP: web 1.2.0")), ("mergeable", json!(false))],
            Some(PullRequest { is_draft: true, has_conflict: None, ..expected() }),
        ),
        (vec![("head", json!({"ref": "repin/web", "sha": id('a'), "repo_id": 43}))], None),
    ] {
        let answer = with(&changes);
        let server = server(move |_| answer.clone()).await;
        assert_eq!(forge(ForgeKind::Gitea, &server).pull(&project(), 7).await.unwrap(), expected, "{changes:?}");
        assert_eq!(server.lines(), [format!("GET {BASE}/pulls/7")]);
    }
}

#[tokio::test]
async fn the_closed_ones_of_a_branch_are_found_in_the_list_of_all() {
    let server = server(|seen| {
        if seen.target.contains("state=open") {
            return json!([pull(), with(&[("number", json!(8)), ("head", json!({"ref": "x", "repo_id": 42}))])]);
        }
        let other = json!({"ref": "repin/db", "sha": id('a'), "repo_id": 42});
        let closed = ("state", json!("closed"));
        json!([with(&[("number", json!(3)), closed.clone()]), with(&[("number", json!(4)), closed, ("head", other)])])
    })
    .await;
    let forge = forge(ForgeKind::Gitea, &server);
    let numbers = |found: Vec<PullRequest>| found.iter().map(|pull| pull.number).collect::<Vec<_>>();
    assert_eq!(numbers(forge.open_pulls(&project(), "repin/").await.unwrap()), [7]);
    let since = "2026-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(numbers(forge.closed_pulls(&project(), "repin/", since).await.unwrap()), [4, 3]);
    assert_eq!(numbers(forge.closed_pulls_of(&project(), &"repin/web".parse().unwrap()).await.unwrap()), [3]);
    let closed = format!("GET {BASE}/pulls?state=closed&sort=recentupdate&limit=50");
    assert_eq!(server.lines(), [format!("GET {BASE}/pulls?state=open&limit=50"), closed.clone(), closed]);
}

#[tokio::test]
async fn one_is_opened_and_changed_and_a_draft_stays_one() {
    let new = NewPullRequest {
        head: "repin/web".parse().unwrap(),
        base: "main".parse().unwrap(),
        title: "web 1.2.0".to_owned(),
        body: "a body".to_owned(),
        is_draft: true,
    };
    let server =
        Server::start(|_| reply(201, with(&[("title", json!("WIP: web 1.2.0")), ("state", json!("closed"))]))).await;
    let forge = forge(ForgeKind::Gitea, &server);
    let opened = forge.open(&project(), &new).await.unwrap();
    assert_eq!((opened.title.as_str(), opened.is_draft), ("web 1.2.0", true));
    assert_eq!(
        server.sent("POST"),
        json!({"title": "WIP: web 1.2.0", "head": "repin/web", "base": "main", "body": "a body"})
    );
    let update = PullUpdate { title: Some("web 1.3.0".to_owned()), body: Some("b".to_owned()), is_open: Some(false) };
    forge.update(&project(), 7, &update).await.unwrap();
    assert_eq!(server.sent("PATCH"), json!({"title": "WIP: web 1.3.0", "body": "b", "state": "closed"}));
    let server = Server::start(|_| reply(409, r#"{"message":"pull request already exists for these targets"}"#)).await;
    let error = super::forge(ForgeKind::Gitea, &server).open(&project(), &new).await.unwrap_err();
    assert_eq!(error.code(), "forge/exists");
}

fn people(labels: &[&str], reviewers: &[&str], assignees: &[&str]) -> PullPeople {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    PullPeople { labels: set(labels), reviewers: set(reviewers), assignees: set(assignees) }
}

#[tokio::test]
async fn labels_are_made_and_whom_gitea_does_not_take_is_named() {
    let server = Server::start(|seen| {
        let sent = seen.body.to_string();
        match (seen.method.as_str(), seen.target.split('?').next().unwrap()) {
            ("GET", "/api/v1/orgs/acme/labels") => reply(200, r#"[{"id":31,"name":"team"}]"#),
            ("GET", path) if path.ends_with("/labels") => {
                reply(200, r#"[{"id":1,"name":"deps"},{"id":2,"name":"image"}]"#)
            }
            ("POST", path) if path.ends_with("/issues/7/labels") => reply(200, "[]"),
            ("POST", path) if path.ends_with("/labels") => reply(201, r#"{"id":77,"name":"new"}"#),
            ("GET", _) => reply(200, with(&[("assignees", json!([{"login": "zoe"}]))])),
            ("PATCH", _) if sent.contains("nobody") => {
                reply(422, r#"{"message":"Assignee does not exist: [name: nobody]"}"#)
            }
            ("PATCH", _) => reply(201, pull()),
            ("POST", _) if sent.contains("mallory") => reply(404, "{}"),
            _ => reply(201, "[]"),
        }
    })
    .await;
    let asked = people(
        &["deps", "image", "team", "new"],
        &["alice", "mallory", "acme/platform", "zoo/keepers"],
        &["Zoe", "bob", "nobody"],
    );
    let refused = forge(ForgeKind::Gitea, &server).ask(&project(), &expected(), &asked).await.unwrap();
    assert_eq!(refused, ["nobody", "zoo/keepers", "mallory"]);
    let writes: Vec<(String, Value)> = server
        .seen()
        .into_iter()
        .filter(|seen| seen.method != "GET")
        .map(|seen| (seen.target.strip_prefix(BASE).unwrap().to_owned(), seen.body))
        .collect();
    let patch = |logins: &[&str]| ("/pulls/7".to_owned(), json!({"assignees": logins}));
    let review = |people: &[&str], teams: &[&str]| {
        ("/pulls/7/requested_reviewers".to_owned(), json!({"reviewers": people, "team_reviewers": teams}))
    };
    assert_eq!(
        writes,
        [
            ("/labels".to_owned(), json!({"name": "new", "color": "#ededed"})),
            ("/issues/7/labels".to_owned(), json!({"labels": [2, 77, 31]})),
            patch(&["zoe", "bob", "nobody"]),
            patch(&["zoe", "bob"]),
            patch(&["zoe", "bob", "nobody"]),
            review(&["alice", "mallory"], &["platform"]),
            review(&[], &["platform"]),
            review(&["alice"], &[]),
            review(&["mallory"], &[]),
        ]
    );
}

#[tokio::test]
async fn a_label_is_taken_away_by_its_number() {
    let server = Server::start(|seen| match seen.method.as_str() {
        "GET" => reply(200, r#"[{"id":4,"name":"repin/rebase"}]"#),
        _ => reply(204, ""),
    })
    .await;
    let forge = forge(ForgeKind::Gitea, &server);
    forge.remove_label(&project(), 7, "repin/rebase").await.unwrap();
    forge.remove_label(&project(), 7, "repin/retry").await.unwrap();
    let list = format!("GET {BASE}/issues/7/labels");
    assert_eq!(server.lines(), [list.clone(), format!("DELETE {BASE}/issues/7/labels/4"), list]);
}

#[tokio::test]
async fn what_people_say_and_decide_is_read() {
    let server = server(|seen| match seen.target.split('?').next().unwrap().rsplit('/').next().unwrap() {
        "user" => json!({"id": 5, "login": "repin-bot", "email": "bot@acme.test"}),
        "comments" => json!([{"user": {"id": 5, "login": "repin-bot"}, "body": "mark"}, {"user": {"id": -2, "login": "gitea-actions"}, "body": "x"}]),
        "timeline" => json!([
            {"type": "close", "user": {"login": "bob"}}, {"type": "reopen", "user": {"login": "bob"}},
            {"type": "close", "user": {"login": "alice"}}, {"type": "comment", "user": {"login": "carol"}},
        ]),
        _ => json!([
            {"user": {"id": 6, "login": "dave"}, "state": "REQUEST_REVIEW"},
            {"user": {"id": 7, "login": "alice"}, "state": "APPROVED", "submitted_at": "2026-01-02T03:04:05Z"},
            {"user": {"id": 8, "login": "bob"}, "state": "APPROVED", "dismissed": true},
        ]),
    })
    .await;
    let forge = forge(ForgeKind::Gitea, &server);
    forge.comment_once(&project(), 7, "mark", "text").await.unwrap();
    assert_eq!(server.lines(), [format!("GET {BASE}/issues/7/comments")]);
    assert_eq!(forge.closed_by(&project(), 7).await.unwrap().as_deref(), Some("alice"));
    let time = "2026-01-02T03:04:05Z".parse().ok();
    assert_eq!(forge.approvals(&project(), 7).await.unwrap(), [Approval { login: "alice".to_owned(), time }]);
    assert!(forge.is_discussed(&project(), 7).await.unwrap());
    let emails = ["bot@acme.test", "repin-bot@noreply.git.example.com"].map(str::to_owned);
    assert_eq!(forge.identity(&project()).await.unwrap().emails, BTreeSet::from(emails));
}

#[tokio::test]
async fn gitea_merges_later_and_never_at_once_for_want_of_checks() {
    let free = json!({"enable_status_check": false, "required_approvals": 0});
    let guarded = json!({"enable_status_check": true, "required_approvals": 0});
    for (checks, base, status, message, expected) in [
        (1, free.clone(), 201, "", None),
        (0, guarded, 201, "", None),
        (0, free.clone(), 201, "", Some("nothing is left to wait for")),
        (1, free.clone(), 409, "The auto merge is already scheduled", None),
        (1, free.clone(), 409, "head out of date", Some("has moved")),
        (1, free, 405, "Please try again later", Some("405")),
    ] {
        let server = Server::start(move |seen| match (seen.method.as_str(), seen.target.contains("/branches/")) {
            ("GET", true) => reply(200, &base),
            ("GET", false) => reply(200, json!({"total_count": checks, "state": "pending"})),
            _ => reply(status, json!({"message": message})),
        })
        .await;
        let pull = self::expected();
        let done = forge(ForgeKind::Gitea, &server).auto_merge(&project(), &pull, MergeMethod::Rebase).await;
        match expected {
            Some(reason) => assert!(done.as_ref().unwrap_err().to_string().contains(reason), "{done:?}"),
            None => {
                done.unwrap();
                assert_eq!(server.lines()[0], format!("GET {BASE}/commits/{}/status", id('a')));
                assert_eq!(server.lines().last().unwrap(), &format!("POST {BASE}/pulls/7/merge"));
                assert_eq!(
                    server.sent("POST"),
                    json!({"Do": "rebase", "merge_when_checks_succeed": true, "head_commit_id": id('a')})
                );
            }
        }
    }
}

#[tokio::test]
async fn gitea_takes_back_what_is_scheduled() {
    for (status, code) in [
        (204, None),
        // Nothing is scheduled.
        (404, None),
        (403, Some("forge/forbidden")),
        (423, Some("forge/refused")),
        (500, Some("forge/failed")),
    ] {
        let server = Server::start(move |_| reply(status, "")).await;
        let done = forge(ForgeKind::Gitea, &server).stop_auto_merge(&project(), &expected()).await;
        assert_eq!(done.err().map(|error| error.code()), code);
        assert_eq!(server.lines(), [format!("DELETE {BASE}/pulls/7/merge")]);
        assert_eq!(server.sent("DELETE"), json!(null));
    }
}

#[tokio::test]
async fn a_commit_follows_the_head_that_was_planned_on() {
    let (head, branch) = (id('a').parse().unwrap(), "repin/web".parse().unwrap());
    let files = [
        ForgeFile { path: "apps/web.yaml".to_owned(), content: b"a: 1\n".to_vec(), is_new: false },
        ForgeFile { path: "new.yaml".to_owned(), content: b"b".to_vec(), is_new: true },
    ];
    for (at, parent, status, code) in [
        ('a', 'a', 201, None),
        ('b', 'a', 201, Some("forge/moved")),
        ('a', 'b', 201, Some("forge/moved")),
        ('a', 'a', 409, Some("forge/moved")),
        ('a', 'a', 403, Some("forge/forbidden")),
    ] {
        let server = Server::start(move |seen| {
            if seen.method == "POST" {
                return reply(status, json!({"commit": {"sha": id('d'), "parents": [{"sha": id(parent)}]}}));
            }
            if seen.target.contains("/contents/") {
                return reply(200, json!({"sha": id('9')}));
            }
            reply(200, json!({"commit": {"id": id(at)}}))
        })
        .await;
        let done = forge(ForgeKind::Gitea, &server).commit(&project(), &branch, &head, "web 1.2.0\n", &files).await;
        match code {
            Some(code) => assert_eq!(done.unwrap_err().code(), code),
            None => {
                assert_eq!(done.unwrap().to_string(), id('d'));
                assert_eq!(
                    server.lines(),
                    [
                        format!("GET {BASE}/branches/repin%2Fweb"),
                        format!("GET {BASE}/contents/apps/web.yaml?ref={}", id('a')),
                        format!("POST {BASE}/contents"),
                    ]
                );
                assert_eq!(
                    server.sent("POST"),
                    json!({
                        "branch": "repin/web", "message": "web 1.2.0\n",
                        "files": [
                            {"operation": "update", "path": "apps/web.yaml", "content": "YTogMQo=", "sha": id('9')},
                            {"operation": "create", "path": "new.yaml", "content": "Yg=="},
                        ],
                    })
                );
            }
        }
    }
}

#[tokio::test]
async fn how_two_revisions_lie_is_told_by_asking_both_ways() {
    for (forth, back, course) in
        [(0, 0, Course::Same), (3, 0, Course::Ahead), (0, 3, Course::Behind), (2, 1, Course::Diverged)]
    {
        let server = server(move |seen| {
            let commit = |digit: char| json!({"sha": id(digit), "commit": {"message": format!("Change {digit}\n")}});
            let is_forth = seen.target.ends_with("v1.0.0...v1.1.0");
            json!({"total_commits": if is_forth { forth } else { back }, "commits": [commit('3'), commit('2')]})
        })
        .await;
        let found = forge(ForgeKind::Gitea, &server).compare(&project(), "v1.0.0", "v1.1.0", 1).await.unwrap().unwrap();
        assert_eq!((found.course, found.total), (course, forth));
        assert_eq!(found.commits.iter().map(|commit| commit.subject.as_str()).collect::<Vec<_>>(), ["Change 3"]);
        assert_eq!(server.lines()[1], format!("GET {BASE}/compare/v1.1.0...v1.0.0"));
    }
    let server = Server::start(|_| reply(404, "{}")).await;
    assert_eq!(forge(ForgeKind::Gitea, &server).compare(&project(), "a1", "b2", 1).await.unwrap(), None);
}

#[tokio::test]
async fn pull_requests_of_a_source_are_found_by_number_and_by_commit() {
    let server = server(|seen| {
        let merged = ("merged", json!(true));
        let time = ("merged_at", json!("2026-01-02T03:04:05Z"));
        let number = if seen.target.contains(&id('2')) { 8 } else { 7 };
        with(&[("number", json!(number)), ("state", json!("closed")), merged, time])
    })
    .await;
    let forge = forge(ForgeKind::Gitea, &server);
    let commits: Vec<_> = ['1', '1', '2'].map(|digit| id(digit).parse().unwrap()).to_vec();
    let found = forge.pulls_of_commits(&project(), &commits).await.unwrap();
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [7, 8]);
    assert_eq!(server.lines()[0], format!("GET {BASE}/commits/{}/pull", id('1')));
    assert_eq!(forge.source_pull(&project(), 7).await.unwrap().as_ref(), found.first());
}
