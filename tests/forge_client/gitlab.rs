//! GitLab: each thing that is asked, as its documents say, and what becomes of the answer.

use std::collections::BTreeSet;

use repin::diagnostic::Diagnostic;
use repin::model::forge::{
    Approval, Course, ForgeFile, ForgeKind, MergeMethod, NewPullRequest, Project, PullPeople, PullRequest, PullState,
    PullUpdate,
};
use serde_json::{Value, json};

use crate::{Seen, Server, forge, id, reply};

const BASE: &str = "/api/v4/projects/acme%2Fplatform%2Fgitops";

fn project() -> Project {
    "acme/platform/gitops".parse().unwrap()
}

fn pull() -> Value {
    json!({
        "iid": 7, "id": 1007, "state": "opened", "title": "web 1.2.0", "description": "a body", "draft": false,
        "web_url": "https://git.example.com/acme/platform/gitops/-/merge_requests/7",
        "author": {"id": 5, "username": "repin-bot"}, "labels": ["deps"],
        "source_branch": "repin/web", "target_branch": "main", "source_project_id": 42, "target_project_id": 42,
        "sha": id('a'), "merge_commit_sha": null, "squash_commit_sha": null,
        "created_at": "2026-01-02T03:04:05.000Z", "updated_at": "2026-01-03T03:04:05.123Z",
        "closed_at": null, "merged_at": null, "has_conflicts": false, "detailed_merge_status": "mergeable",
        "merge_when_pipeline_succeeds": false, "reviewers": [], "assignees": [],
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
        url: "https://git.example.com/acme/platform/gitops/-/merge_requests/7".to_owned(),
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
        updated: "2026-01-03T03:04:05.123Z".parse().unwrap(),
        closed: None,
        merge_commit: None,
        has_conflict: Some(false),
        is_auto_merged: Some(false),
    }
}

async fn server(answer: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> Server {
    Server::start(move |seen| reply(200, answer(seen))).await
}

#[tokio::test]
async fn a_merge_request_is_read_with_what_became_of_it() {
    let time = "2026-01-04T00:00:00Z";
    let merged = |commit: &str| PullRequest {
        state: PullState::Merged,
        closed: time.parse().ok(),
        merge_commit: commit.parse().ok(),
        ..expected()
    };
    let is_merged = [("state", json!("merged")), ("merged_at", json!(time))];
    for (changes, expected) in [
        (vec![], Some(expected())),
        (vec![("state", json!("locked"))], Some(expected())),
        ([is_merged.to_vec(), vec![("merge_commit_sha", json!(id('c')))]].concat(), Some(merged(&id('c')))),
        ([is_merged.to_vec(), vec![("squash_commit_sha", json!(id('d')))]].concat(), Some(merged(&id('d')))),
        // A fast-forward leaves the head itself on the base.
        (is_merged.to_vec(), Some(merged(&id('a')))),
        (
            vec![("state", json!("closed")), ("closed_at", json!(time))],
            Some(PullRequest { state: PullState::Closed, closed: time.parse().ok(), ..expected() }),
        ),
        (
            vec![("title", json!("Draft: web 1.2.0")), ("draft", json!(true)), ("description", json!(null))],
            Some(PullRequest { is_draft: true, body: String::new(), ..expected() }),
        ),
        (vec![("detailed_merge_status", json!("checking"))], Some(PullRequest { has_conflict: None, ..expected() })),
        (vec![("source_project_id", json!(43))], None),
        (vec![("source_project_id", json!(null)), ("target_project_id", json!(null))], None),
    ] {
        let answer = with(&changes);
        let server = server(move |_| answer.clone()).await;
        assert_eq!(forge(ForgeKind::GitLab, &server).pull(&project(), 7).await.unwrap(), expected, "{changes:?}");
        assert_eq!(server.lines(), [format!("GET {BASE}/merge_requests/7")]);
    }
}

#[tokio::test]
async fn lists_are_asked_for_by_state_time_and_branch() {
    let server = server(|seen| {
        let closed = with(&[("iid", json!(3)), ("state", json!("closed"))]);
        let fork = with(&[("iid", json!(9)), ("source_project_id", json!(8))]);
        if seen.target.contains("opened") { json!([pull(), fork]) } else { json!([pull(), closed, fork]) }
    })
    .await;
    let forge = forge(ForgeKind::GitLab, &server);
    let numbers = |found: Vec<PullRequest>| found.iter().map(|pull| pull.number).collect::<Vec<_>>();
    assert_eq!(numbers(forge.open_pulls(&project(), "repin/").await.unwrap()), [7]);
    for since in ["2026-01-03T01:00:00Z", "2026-01-03T02:00:00Z"] {
        assert_eq!(numbers(forge.closed_pulls(&project(), "repin/", since.parse().unwrap()).await.unwrap()), [3]);
    }
    let late = "2026-01-03T04:00:00Z".parse().unwrap();
    assert_eq!(numbers(forge.closed_pulls(&project(), "repin/", late).await.unwrap()), [0; 0]);
    let head = "repin/web".parse().unwrap();
    assert_eq!(numbers(forge.closed_pulls_of(&project(), &head).await.unwrap()), [3]);
    let closed = format!(
        "GET {BASE}/merge_requests?state=all&order_by=updated_at&sort=desc&updated_after=2026-01-02T00%3A00%3A00Z&per_page=100"
    );
    assert_eq!(
        server.lines(),
        [
            format!("GET {BASE}/merge_requests?state=opened&per_page=100"),
            closed.clone(),
            closed.clone(),
            closed,
            format!("GET {BASE}/merge_requests?state=all&source_branch=repin%2Fweb&per_page=100"),
        ]
    );
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
        Server::start(|_| reply(201, with(&[("title", json!("Draft: web 1.2.0")), ("draft", json!(true))]))).await;
    let forge = forge(ForgeKind::GitLab, &server);
    let opened = forge.open(&project(), &new).await.unwrap();
    assert_eq!(opened, PullRequest { is_draft: true, ..expected() });
    assert_eq!(
        server.sent("POST"),
        json!({"source_branch": "repin/web", "target_branch": "main", "title": "Draft: web 1.2.0", "description": "a body"})
    );
    let update = PullUpdate { title: Some("web 1.3.0".to_owned()), body: Some("b".to_owned()), is_open: None };
    forge.update(&project(), 7, &update).await.unwrap();
    assert_eq!(server.sent("PUT"), json!({"title": "Draft: web 1.3.0", "description": "b"}));
    let exists = json!({"message": ["Another open merge request already exists for this source branch: !7"]});
    let server = Server::start(move |_| reply(409, &exists)).await;
    let error = super::forge(ForgeKind::GitLab, &server).open(&project(), &new).await.unwrap_err();
    assert_eq!(error.code(), "forge/exists");
}

#[tokio::test]
async fn the_state_is_changed_by_an_event() {
    for (is_open, event, answer) in [(false, "close", "closed"), (true, "reopen", "opened")] {
        let server = server(move |_| with(&[("state", json!(answer))])).await;
        let update = PullUpdate { is_open: Some(is_open), ..PullUpdate::default() };
        forge(ForgeKind::GitLab, &server).update(&project(), 7, &update).await.unwrap();
        assert_eq!(server.lines(), [format!("PUT {BASE}/merge_requests/7")]);
        assert_eq!(server.sent("PUT"), json!({"state_event": event}));
    }
}

fn people(labels: &[&str], reviewers: &[&str], assignees: &[&str]) -> PullPeople {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    PullPeople { labels: set(labels), reviewers: set(reviewers), assignees: set(assignees) }
}

#[tokio::test]
async fn people_are_found_by_name_and_nobody_is_taken_away() {
    let user = |id: u64, name: &str| json!({"id": id, "username": name, "state": "active"});
    let server = server(move |seen| match (seen.method.as_str(), seen.target.split_once('?')) {
        ("GET", Some(("/api/v4/users", "username=alice"))) => json!([user(11, "Alice")]),
        ("GET", Some(("/api/v4/users", "username=carol"))) => json!([user(13, "carol")]),
        ("GET", Some(("/api/v4/users", "username=gone"))) => {
            json!([{"id": 14, "username": "gone", "state": "blocked"}])
        }
        ("GET", Some(("/api/v4/users", _))) => json!([]),
        ("GET", _) => with(&[("reviewers", json!([user(9, "zoe")]))]),
        // The tier allows one more reviewer only.
        _ => with(&[
            ("reviewers", json!([user(9, "zoe"), user(11, "Alice")])),
            ("assignees", json!([user(13, "carol")])),
        ]),
    })
    .await;
    let asked = people(&["deps", "image", "a,b"], &["alice", "carol", "acme/platform", "nobody", "gone"], &["carol"]);
    let refused = forge(ForgeKind::GitLab, &server).ask(&project(), &expected(), &asked).await.unwrap();
    assert_eq!(refused, ["a,b", "acme/platform", "gone", "nobody", "carol"]);
    assert_eq!(server.sent("PUT"), json!({"add_labels": "image", "reviewer_ids": [9, 11, 13], "assignee_ids": [13]}));
}

#[tokio::test]
async fn a_label_is_taken_away_and_a_comment_written_once() {
    let note = |body: &str, system: bool, author: &str| json!({"body": body, "system": system, "author": {"username": author}});
    let server = server(move |seen| match seen.method.as_str() {
        "GET" => json!([note("mark", true, "alice"), note("hello", false, "project_42_bot_9f")]),
        _ => json!({}),
    })
    .await;
    let forge = forge(ForgeKind::GitLab, &server);
    forge.remove_label(&project(), 7, "repin/rebase").await.unwrap();
    assert_eq!(server.sent("PUT"), json!({"remove_labels": "repin/rebase"}));
    forge.comment_once(&project(), 7, "mark", "text mark").await.unwrap();
    assert_eq!(server.sent("POST"), json!({"body": "text mark"}));
    assert_eq!(
        server.lines()[1..],
        [
            format!("GET {BASE}/merge_requests/7/notes?sort=asc&order_by=created_at&per_page=100"),
            format!("POST {BASE}/merge_requests/7/notes"),
        ]
    );
}

#[tokio::test]
async fn a_note_of_a_person_makes_a_discussion_and_one_of_gitlab_does_not() {
    for (author, system, expected) in
        [("alice", false, true), ("alice", true, false), ("repin-bot", false, false), ("group_1_bot_a", false, false)]
    {
        let server = server(move |seen| {
            if seen.target == "/api/v4/user" {
                return json!({"username": "repin-bot", "id": 5, "commit_email": "bot@acme.test"});
            }
            json!([{"body": "x", "system": system, "author": {"username": author}}])
        })
        .await;
        let forge = forge(ForgeKind::GitLab, &server);
        assert_eq!(forge.is_discussed(&project(), 7).await.unwrap(), expected, "{author} {system}");
        let emails = ["5-repin-bot@users.noreply.git.example.com", "bot@acme.test"].map(str::to_owned);
        assert_eq!(forge.identity(&project()).await.unwrap().emails, BTreeSet::from(emails));
    }
}

#[tokio::test]
async fn who_closed_and_who_approves_is_said() {
    let server = server(|seen| {
        if seen.target.ends_with("/approvals") {
            return json!({"approved_by": [{"user": {"username": "bob"}, "approved_at": "2026-01-02T03:04:05Z"}, {"user": null}]});
        }
        with(&[("closed_by", json!({"username": "alice"}))])
    })
    .await;
    let forge = forge(ForgeKind::GitLab, &server);
    assert_eq!(forge.closed_by(&project(), 7).await.unwrap().as_deref(), Some("alice"));
    let time = "2026-01-02T03:04:05Z".parse().ok();
    assert_eq!(forge.approvals(&project(), 7).await.unwrap(), [Approval { login: "bob".to_owned(), time }]);
}

#[tokio::test]
async fn gitlab_merges_later_and_never_at_once_for_want_of_a_pipeline() {
    let pipeline = ("head_pipeline", json!({"id": 1, "status": "running"}));
    for (changes, method, status, expected) in [
        (vec![pipeline.clone()], MergeMethod::Squash, 200, None),
        (vec![], MergeMethod::Merge, 200, Some("nothing is left to wait for")),
        (vec![("detailed_merge_status", json!("not_approved"))], MergeMethod::Squash, 200, None),
        (vec![("detailed_merge_status", json!("checking"))], MergeMethod::Squash, 200, Some("has not looked yet")),
        (vec![pipeline.clone()], MergeMethod::Rebase, 200, Some("merges with merge commits")),
        (vec![pipeline.clone()], MergeMethod::Squash, 409, Some("has moved")),
        (vec![pipeline.clone()], MergeMethod::Squash, 405, Some("405")),
        (vec![pipeline], MergeMethod::Squash, 401, Some("the account may not merge it")),
    ] {
        let answer = with(&changes);
        let server = Server::start(move |seen| match (seen.method.as_str(), seen.target.contains("merge_requests")) {
            ("GET", true) => reply(200, &answer),
            ("GET", false) => reply(200, r#"{"merge_method":"merge"}"#),
            _ => reply(status, "{}"),
        })
        .await;
        let pull = self::expected();
        let done = forge(ForgeKind::GitLab, &server).auto_merge(&project(), &pull, method).await;
        match expected {
            None => {
                done.unwrap();
                assert_eq!(server.lines().last().unwrap(), &format!("PUT {BASE}/merge_requests/7/merge"));
                assert_eq!(
                    server.sent("PUT"),
                    json!({"auto_merge": true, "merge_when_pipeline_succeeds": true, "squash": true, "sha": id('a')})
                );
            }
            Some(reason) => {
                let error = done.unwrap_err();
                assert!(error.to_string().contains(reason), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn what_merges_by_itself_already_is_not_asked_again() {
    let server = server(|_| with(&[("merge_when_pipeline_succeeds", json!(true))])).await;
    forge(ForgeKind::GitLab, &server).auto_merge(&project(), &expected(), MergeMethod::Merge).await.unwrap();
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn what_gitlab_does_not_stop_is_an_error_only_while_it_would_merge() {
    let declined = r#"{"message":"Can't cancel the automatic merge","http_status":406,"status":"error"}"#;
    let on = || with(&[("merge_when_pipeline_succeeds", json!(true))]);
    let merged = with(&[("merge_when_pipeline_succeeds", json!(true)), ("state", json!("merged"))]);
    for (status, body, after, is_looked_at, expected) in [
        (201, r#"{"status":"success"}"#, on(), false, None),
        // Nothing is made of a good answer but what says that it is none.
        (201, "", on(), false, None),
        (201, r#"{"iid":7,"state":"opened"}"#, on(), false, None),
        (201, declined, pull(), true, None),
        (201, declined, merged.clone(), true, None),
        (201, declined, on(), true, Some("it will still be merged (Can't cancel the automatic merge)")),
        (406, r#"{"message":"406 Not Acceptable"}"#, pull(), true, None),
        (405, r#"{"message":"405 Method Not Allowed"}"#, merged, true, None),
        (406, r#"{"message":"406 Not Acceptable"}"#, on(), true, Some("406")),
        (401, r#"{"message":"401 Unauthorized"}"#, pull(), true, None),
        (401, r#"{"message":"401 Unauthorized"}"#, on(), true, Some("the account may not stop the merge")),
        (404, r#"{"message":"404 Not found"}"#, on(), false, Some("404")),
        (502, "", on(), false, Some("502")),
    ] {
        let server = Server::start(move |seen| match seen.method.as_str() {
            "GET" => reply(200, &after),
            _ => reply(status, body),
        })
        .await;
        let done = forge(ForgeKind::GitLab, &server).stop_auto_merge(&project(), &self::expected()).await;
        match expected {
            None => done.unwrap(),
            Some(reason) => {
                let error = done.unwrap_err();
                assert!(error.to_string().contains(reason), "{error}");
            }
        }
        let lines = [
            format!("POST {BASE}/merge_requests/7/cancel_merge_when_pipeline_succeeds"),
            format!("GET {BASE}/merge_requests/7"),
        ];
        assert_eq!(server.lines(), lines[..if is_looked_at { 2 } else { 1 }], "{status} {body}");
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
        ('a', 'a', 400, Some("forge/moved")),
        ('a', 'a', 403, Some("forge/forbidden")),
    ] {
        let server = Server::start(move |seen| {
            if seen.method == "POST" {
                let message = "You are attempting to update a file that has changed since you started editing it.";
                return reply(status, json!({"id": id('d'), "parent_ids": [id(parent)], "message": message}));
            }
            if seen.target.contains("/files/") {
                return reply(200, json!({"last_commit_id": id('9')}));
            }
            reply(200, json!({"commit": {"id": id(at)}}))
        })
        .await;
        let done = forge(ForgeKind::GitLab, &server).commit(&project(), &branch, &head, "web 1.2.0\n", &files).await;
        match code {
            Some(code) => assert_eq!(done.unwrap_err().code(), code),
            None => {
                assert_eq!(done.unwrap().to_string(), id('d'));
                assert_eq!(
                    server.lines()[..2],
                    [
                        format!("GET {BASE}/repository/branches/repin%2Fweb"),
                        format!("GET {BASE}/repository/files/apps%2Fweb.yaml?ref={}", id('a')),
                    ]
                );
                let file = |action: &str, path: &str, content: &str| json!({"action": action, "file_path": path, "content": content, "encoding": "base64"});
                let mut update = file("update", "apps/web.yaml", "YTogMQo=");
                update["last_commit_id"] = json!(id('9'));
                assert_eq!(
                    server.sent("POST"),
                    json!({
                        "branch": "repin/web", "commit_message": "web 1.2.0\n", "stats": false,
                        "actions": [update, file("create", "new.yaml", "Yg==")],
                    })
                );
            }
        }
        assert_eq!(server.lines().iter().any(|line| line.starts_with("POST")), at == 'a');
    }
}

#[tokio::test]
async fn how_two_revisions_lie_is_told_by_where_they_part() {
    let (old, new) = (id('1'), id('4'));
    for (base, course) in [('1', Course::Ahead), ('4', Course::Behind), ('0', Course::Diverged)] {
        let server = server(move |seen| {
            if seen.target.contains("merge_base") {
                return json!({"id": id(base)});
            }
            let commit =
                |digit: char| json!({"id": id(digit), "title": format!("Change {digit}"), "author_name": "Alice"});
            json!({"commits": [commit('2'), commit('3'), commit('4')], "web_url": "https://git.example.com/c"})
        })
        .await;
        let found = forge(ForgeKind::GitLab, &server).compare(&project(), &old, &new, 2).await.unwrap().unwrap();
        assert_eq!((found.course, found.total, found.url.as_str()), (course, 3, "https://git.example.com/c"));
        assert_eq!(
            found.commits.iter().map(|commit| commit.subject.as_str()).collect::<Vec<_>>(),
            ["Change 4", "Change 3"]
        );
        assert_eq!(server.lines()[0], format!("GET {BASE}/repository/compare?from={old}&to={new}"));
        assert_eq!(server.lines()[1], format!("GET {BASE}/repository/merge_base?refs%5B%5D={old}&refs%5B%5D={new}"));
    }
    let server = Server::start(|_| reply(404, "{}")).await;
    assert_eq!(forge(ForgeKind::GitLab, &server).compare(&project(), &old, &new, 2).await.unwrap(), None);
}

#[tokio::test]
async fn merge_requests_of_a_source_are_found_by_number_and_by_commit() {
    let server = server(|seen| {
        let merged = with(&[
            ("state", json!("merged")),
            ("merged_at", json!("2026-01-02T03:04:05Z")),
            ("source_project_id", json!(9)),
        ]);
        if seen.target.contains("/commits/") { json!([pull(), merged]) } else { merged }
    })
    .await;
    let forge = forge(ForgeKind::GitLab, &server);
    let commits = vec![id('1').parse().unwrap(); 40];
    let found = forge.pulls_of_commits(&project(), &commits).await.unwrap();
    assert_eq!((found.len(), server.lines().len()), (1, 30));
    assert_eq!(server.lines()[0], format!("GET {BASE}/repository/commits/{}/merge_requests", id('1')));
    assert_eq!(forge.source_pull(&project(), 7).await.unwrap().as_ref(), found.first());
}
