//! GitHub: each thing that is asked, as its documents say, and what becomes of the answer.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use repin::diagnostic::Diagnostic;
use repin::model::forge::{
    Approval, Course, ForgeFile, ForgeKind, MergeMethod, NewPullRequest, PullPeople, PullRequest, PullState, PullUpdate,
};
use serde_json::{Value, json};

use crate::{Seen, Server, forge, id, project, reply};

const PULL: &str = "/api/v3/repos/acme/gitops/pulls/7";

/// A pull request as lists give it.
pub(crate) fn pull(number: u64, head: &str) -> Value {
    json!({
        "number": number, "node_id": "PR_1", "state": "open", "title": "web 1.2.0", "body": "a body", "draft": false,
        "html_url": format!("https://git.example.com/acme/gitops/pull/{number}"),
        "user": {"login": "repin-bot", "type": "User"},
        "labels": [{"id": 1, "name": "deps"}],
        "head": {"ref": head, "sha": id('a'), "repo": {"id": 42, "full_name": "acme/gitops"}},
        "base": {"ref": "main", "sha": id('b'), "repo": {"id": 42, "full_name": "acme/gitops"}},
        "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-03T03:04:05Z",
        "closed_at": null, "merged_at": null, "merge_commit_sha": id('c'), "auto_merge": null,
    })
}

fn expected() -> PullRequest {
    PullRequest {
        number: 7,
        url: "https://git.example.com/acme/gitops/pull/7".to_owned(),
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
        has_conflict: None,
        is_auto_merged: Some(false),
    }
}

fn with(changes: &[(&str, Value)]) -> Value {
    let mut pull = pull(7, "repin/web");
    for (at, value) in changes {
        *pull.pointer_mut(at).unwrap() = value.clone();
    }
    pull
}

async fn server(answer: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> Server {
    Server::start(move |seen| reply(200, answer(seen))).await
}

#[tokio::test]
async fn a_pull_request_is_read_with_what_became_of_it() {
    let merged = "2026-01-04T00:00:00Z".parse().unwrap();
    let merged_one = PullRequest {
        state: PullState::Merged,
        closed: Some(merged),
        merge_commit: id('c').parse().ok(),
        ..expected()
    };
    let closed = json!("closed");
    for (answer, expected) in [
        (with(&[]), Some(expected())),
        (with(&[("/state", closed.clone()), ("/merged_at", json!("2026-01-04T00:00:00Z"))]), Some(merged_one)),
        (
            with(&[("/state", closed), ("/closed_at", json!("2026-01-04T00:00:00Z"))]),
            Some(PullRequest { state: PullState::Closed, closed: Some(merged), ..expected() }),
        ),
        (
            with(&[
                ("/auto_merge", json!({"merge_method": "squash"})),
                ("/draft", json!(true)),
                ("/body", json!(null)),
            ]),
            Some(PullRequest { is_auto_merged: Some(true), is_draft: true, body: String::new(), ..expected() }),
        ),
        (with(&[("/head/repo", json!({"id": 43}))]), None),
        (with(&[("/head/repo", json!(null))]), None),
        (
            with(&[("/html_url", json!("javascript:alert(1)")), ("/head/sha", json!("--upload-pack"))]),
            Some(PullRequest { head_commit: None, ..expected() }),
        ),
    ] {
        let server = server(move |_| answer.clone()).await;
        assert_eq!(forge(ForgeKind::GitHub, &server).pull(&project(), 7).await.unwrap(), expected);
        assert_eq!(server.lines(), [format!("GET {PULL}")]);
        let seen = &server.seen()[0];
        assert_eq!(seen.header("accept"), "application/vnd.github+json");
        assert_eq!(seen.header("x-github-api-version"), "2022-11-28");
    }
    let mergeable = |is_mergeable: Value| {
        let mut one = pull(7, "repin/web");
        one["mergeable"] = is_mergeable;
        one
    };
    for (answer, has_conflict) in
        [(mergeable(json!(true)), Some(false)), (mergeable(json!(false)), Some(true)), (mergeable(json!(null)), None)]
    {
        let server = server(move |_| answer.clone()).await;
        let found = forge(ForgeKind::GitHub, &server).pull(&project(), 7).await.unwrap().unwrap();
        assert_eq!(found.has_conflict, has_conflict);
    }
    let server = Server::start(|_| reply(404, "{}")).await;
    assert_eq!(forge(ForgeKind::GitHub, &server).pull(&project(), 7).await.unwrap(), None);
}

#[tokio::test]
async fn of_a_list_only_own_branches_count_and_none_of_them_is_passed_over() {
    let server = server(|_| {
        let mut fork = pull(2, "repin/web");
        fork["head"]["repo"] = json!({"id": 43, "full_name": "eve/gitops"});
        let broken_stranger = json!({"head": {"ref": "feature"}, "number": "x"});
        json!([pull(1, "repin/web"), fork, pull(3, "feature"), broken_stranger, null])
    })
    .await;
    let found = forge(ForgeKind::GitHub, &server).open_pulls(&project(), "repin/").await.unwrap();
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [1]);
    for broken in [
        with(&[("/number", json!(-1))]),
        with(&[("/base/ref", json!("a..b"))]),
        with(&[("/created_at", json!("soon"))]),
    ] {
        let server = server_of(json!([broken])).await;
        let error = forge(ForgeKind::GitHub, &server).open_pulls(&project(), "repin/").await.unwrap_err();
        assert_eq!(error.code(), "forge/bad-answer");
    }
}

async fn server_of(answer: Value) -> Server {
    server(move |_| answer.clone()).await
}

#[tokio::test]
async fn the_closed_ones_of_a_branch_are_asked_for_by_owner_and_branch() {
    let server = server(|_| {
        let closed = |number| {
            let mut one = pull(number, "repin/web");
            one["state"] = json!("closed");
            one
        };
        let mut other = closed(9);
        other["head"]["ref"] = json!("repin/web2");
        json!([closed(3), closed(5), other])
    })
    .await;
    let head = "repin/web".parse().unwrap();
    let found = forge(ForgeKind::GitHub, &server).closed_pulls_of(&project(), &head).await.unwrap();
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [5, 3]);
    assert_eq!(
        server.lines(),
        ["GET /api/v3/repos/acme/gitops/pulls?state=closed&head=acme%3Arepin%2Fweb&per_page=100"]
    );
}

#[tokio::test]
async fn one_is_opened_unless_one_is_open() {
    let new = NewPullRequest {
        head: "repin/web".parse().unwrap(),
        base: "main".parse().unwrap(),
        title: "web 1.2.0".to_owned(),
        body: "a body".to_owned(),
        is_draft: true,
    };
    let opened = Server::start(|_| reply(201, pull(7, "repin/web"))).await;
    assert_eq!(forge(ForgeKind::GitHub, &opened).open(&project(), &new).await.unwrap(), expected());
    assert_eq!(opened.lines(), ["POST /api/v3/repos/acme/gitops/pulls"]);
    assert_eq!(
        opened.sent("POST"),
        json!({"title": "web 1.2.0", "head": "repin/web", "base": "main", "body": "a body", "draft": true})
    );
    for (message, code) in [
        ("A pull request already exists for acme:repin/web.", "forge/exists"),
        ("No commits between main and repin/web", "forge/refused"),
    ] {
        let body = json!({"message": "Validation Failed", "errors": [{"resource": "PullRequest", "message": message}]});
        let server = Server::start(move |_| reply(422, &body)).await;
        let error = forge(ForgeKind::GitHub, &server).open(&project(), &new).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
    }
}

#[tokio::test]
async fn title_body_and_state_leave_in_one_request() {
    let server = server(|_| with(&[("/state", json!("closed"))])).await;
    let update = PullUpdate { title: Some("t".to_owned()), body: Some("b".to_owned()), is_open: Some(false) };
    let forge = forge(ForgeKind::GitHub, &server);
    assert_eq!(forge.update(&project(), 7, &update).await.unwrap().state, PullState::Closed);
    assert_eq!(server.lines(), [format!("PATCH {PULL}")]);
    assert_eq!(server.sent("PATCH"), json!({"title": "t", "body": "b", "state": "closed"}));
    // It says yes, and the pull request is as closed as before.
    let error =
        forge.update(&project(), 7, &PullUpdate { is_open: Some(true), ..PullUpdate::default() }).await.unwrap_err();
    assert_eq!(error.code(), "forge/refused");
    assert_eq!(server.seen()[1].body, json!({"state": "open"}));
}

fn people(labels: &[&str], reviewers: &[&str], assignees: &[&str]) -> PullPeople {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    PullPeople { labels: set(labels), reviewers: set(reviewers), assignees: set(assignees) }
}

#[tokio::test]
async fn whom_github_does_not_take_is_named_and_the_others_are_asked() {
    let server = Server::start(|seen| {
        let is_refused = seen.body.to_string().contains("mallory");
        match seen.target.rsplit('/').next().unwrap() {
            "labels" => reply(200, "[]"),
            "assignees" => reply(201, r#"{"assignees":[{"login":"Bob"}]}"#),
            _ if is_refused => reply(422, r#"{"message":"Reviews may only be requested from collaborators."}"#),
            _ => reply(201, pull(7, "repin/web")),
        }
    })
    .await;
    let asked = people(&["deps", "image"], &["alice", "mallory", "acme/platform", "zoo/keepers"], &["bob", "nobody"]);
    let refused = forge(ForgeKind::GitHub, &server).ask(&project(), &expected(), &asked).await.unwrap();
    assert_eq!(refused, ["nobody", "zoo/keepers", "mallory"]);
    let bodies: Vec<(String, Value)> =
        server.seen().into_iter().map(|seen| (seen.target.rsplit('/').next().unwrap().to_owned(), seen.body)).collect();
    let reviewers = |people: &[&str], teams: &[&str]| {
        ("requested_reviewers".to_owned(), json!({"reviewers": people, "team_reviewers": teams}))
    };
    assert_eq!(
        bodies,
        [
            ("labels".to_owned(), json!({"labels": ["image"]})),
            ("assignees".to_owned(), json!({"assignees": ["bob", "nobody"]})),
            reviewers(&["alice", "mallory"], &["platform"]),
            reviewers(&[], &["platform"]),
            reviewers(&["alice"], &[]),
            reviewers(&["mallory"], &[]),
        ]
    );
}

#[tokio::test]
async fn reviewers_without_end_are_not_asked_without_end() {
    let server = Server::start(|_| reply(422, "{}")).await;
    let names: Vec<String> = (0..50).map(|at| format!("user{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let refused =
        forge(ForgeKind::GitHub, &server).ask(&project(), &expected(), &people(&[], &names, &[])).await.unwrap();
    assert_eq!((refused.len(), server.lines().len()), (50, 21));
}

#[tokio::test]
async fn nobody_to_ask_is_no_request() {
    let server = server_of(json!({})).await;
    let forge = forge(ForgeKind::GitHub, &server);
    for people in [people(&[], &[], &[]), people(&["deps"], &[], &[])] {
        assert_eq!(forge.ask(&project(), &expected(), &people).await.unwrap(), [""; 0]);
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn a_label_that_is_gone_is_no_error() {
    for status in [200, 404] {
        let server = Server::start(move |_| reply(status, "[]")).await;
        forge(ForgeKind::GitHub, &server).remove_label(&project(), 7, "repin/rebase").await.unwrap();
        assert_eq!(server.lines(), ["DELETE /api/v3/repos/acme/gitops/issues/7/labels/repin%2Frebase"]);
    }
}

#[tokio::test]
async fn what_is_no_label_takes_no_label_away() {
    let server = Server::start(|_| reply(200, "[]")).await;
    for label in ["", ".", ".."] {
        forge(ForgeKind::GitHub, &server).remove_label(&project(), 7, label).await.unwrap();
    }
    assert_eq!(server.lines(), [""; 0]);
}

#[tokio::test]
async fn a_comment_is_written_once() {
    for (there, expected) in [("hello <!-- mark -->", 1), ("hello", 2)] {
        let said = json!([{"user": {"login": "repin-bot", "type": "User"}, "body": there}]);
        let server = Server::start(move |seen| reply(if seen.method == "GET" { 200 } else { 201 }, &said)).await;
        let forge = forge(ForgeKind::GitHub, &server);
        forge.comment_once(&project(), 7, "<!-- mark -->", "text <!-- mark -->").await.unwrap();
        assert_eq!(server.lines().len(), expected);
        assert_eq!(server.lines()[0], "GET /api/v3/repos/acme/gitops/issues/7/comments?per_page=100");
        if expected == 2 {
            assert_eq!(server.lines()[1], "POST /api/v3/repos/acme/gitops/issues/7/comments");
            assert_eq!(server.sent("POST"), json!({"body": "text <!-- mark -->"}));
        }
    }
}

#[tokio::test]
async fn only_a_person_other_than_us_makes_a_discussion() {
    let user = |login: &str, kind: &str| json!({"user": {"login": login, "type": kind}, "body": "x"});
    for (comments, reviews, expected) in [
        (json!([]), json!([]), false),
        (json!([user("Repin-Bot", "User"), user("ci[bot]", "Bot")]), json!([user("ci[bot]", "Bot")]), false),
        (json!([user("alice", "User")]), json!([]), true),
        (json!([]), json!([user("alice", "User")]), true),
    ] {
        let server = server(move |seen| match seen.target.split('?').next().unwrap() {
            "/api/v3/user" => json!({"login": "repin-bot", "id": 5}),
            path if path.ends_with("/reviews") => reviews.clone(),
            _ => comments.clone(),
        })
        .await;
        assert_eq!(forge(ForgeKind::GitHub, &server).is_discussed(&project(), 7).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn who_closed_and_who_approves_is_said() {
    let server = server(|seen| {
        if seen.target.contains("/issues/") {
            return json!({"closed_by": {"login": "alice"}});
        }
        json!([{"user": {"login": "bob"}, "state": "APPROVED", "submitted_at": "2026-01-02T03:04:05Z"}])
    })
    .await;
    let forge = forge(ForgeKind::GitHub, &server);
    assert_eq!(forge.closed_by(&project(), 7).await.unwrap().as_deref(), Some("alice"));
    let time = "2026-01-02T03:04:05Z".parse().ok();
    assert_eq!(forge.approvals(&project(), 7).await.unwrap(), [Approval { login: "bob".to_owned(), time }]);
    assert_eq!(server.lines()[1], format!("GET {PULL}/reviews?per_page=100"));
}

#[tokio::test]
async fn merging_by_the_forge_is_asked_for_by_graphql_and_once() {
    let clean =
        json!({"data": null, "errors": [{"type": "UNPROCESSABLE", "message": "Pull request is in clean status"}]});
    for (is_on, answer, expected) in [
        (false, json!({"data": {"enablePullRequestAutoMerge": {}}}), Ok(2)),
        (true, json!(null), Ok(1)),
        (false, clean, Err("nothing is left to wait for")),
    ] {
        let server = server(move |seen| {
            if seen.method == "POST" {
                return answer.clone();
            }
            with(&[("/auto_merge", if is_on { json!({}) } else { json!(null) })])
        })
        .await;
        let done = forge(ForgeKind::GitHub, &server)
            .auto_merge(&project(), &super::github::expected(), MergeMethod::Squash)
            .await;
        match expected {
            Ok(count) => {
                done.unwrap();
                assert_eq!(server.lines().len(), count);
            }
            Err(reason) => {
                let error = done.unwrap_err();
                assert!(error.code() == "forge/refused" && error.to_string().contains(reason), "{error}");
            }
        }
        if !is_on {
            assert_eq!(server.lines()[1], "POST /api/graphql");
            assert_eq!(
                server.sent("POST")["variables"],
                json!({"input": {"pullRequestId": "PR_1", "mergeMethod": "SQUASH", "expectedHeadOid": id('a')}})
            );
        }
    }
}

#[tokio::test]
async fn merging_by_the_forge_is_stopped_where_it_is_on() {
    let done = || json!({"data": {"disablePullRequestAutoMerge": {}}});
    let refused = || {
        let message = "Pull request Can't disable auto-merge for this pull request";
        json!({"data": null, "errors": [{"type": "UNPROCESSABLE", "message": message}]})
    };
    let forbidden = json!({"data": null, "errors": [{"type": "FORBIDDEN", "message": "Resource not accessible"}]});
    let on = || with(&[("/auto_merge", json!({"merge_method": "squash"}))]);
    let merged = with(&[("/auto_merge", json!({"merge_method": "squash"})), ("/state", json!("closed"))]);
    for (before, answer, after, count, code) in [
        (on(), done(), on(), 2, None),
        (with(&[]), json!(null), with(&[]), 1, None),
        (merged.clone(), json!(null), merged.clone(), 1, None),
        // It was stopped or merged between the look and the word.
        (on(), refused(), with(&[]), 3, None),
        (on(), refused(), merged, 3, None),
        (on(), refused(), on(), 3, Some("forge/refused")),
        (on(), forbidden, on(), 2, Some("forge/forbidden")),
    ] {
        let is_told = AtomicBool::new(false);
        let server = server(move |seen| match (seen.method.as_str(), is_told.load(Ordering::SeqCst)) {
            ("POST", _) => {
                is_told.store(true, Ordering::SeqCst);
                answer.clone()
            }
            (_, false) => before.clone(),
            (_, true) => after.clone(),
        })
        .await;
        let done = forge(ForgeKind::GitHub, &server).stop_auto_merge(&project(), &expected()).await;
        assert_eq!(done.err().map(|error| error.code()), code);
        let lines = [format!("GET {PULL}"), "POST /api/graphql".to_owned(), format!("GET {PULL}")];
        assert_eq!(server.lines(), lines[..count]);
        if count > 1 {
            let sent = server.sent("POST");
            assert!(sent["query"].as_str().unwrap().contains("disablePullRequestAutoMerge(input: $input)"), "{sent}");
            assert_eq!(sent["variables"], json!({"input": {"pullRequestId": "PR_1"}}));
        }
    }
}

#[tokio::test]
async fn a_commit_of_the_forge_names_the_head_it_is_made_on() {
    let (expected, made) = (id('a').parse().unwrap(), id('d'));
    let answer = json!({"data": {"createCommitOnBranch": {"commit": {"oid": made}}}});
    let server = server_of(answer).await;
    let files = [ForgeFile { path: "apps/web.yaml".to_owned(), content: b"a: 1\n".to_vec(), is_new: false }];
    let branch = "repin/web".parse().unwrap();
    let message = "web 1.2.0\n\nbody\n\nRepin-Format: 1\n";
    let commit =
        forge(ForgeKind::GitHub, &server).commit(&project(), &branch, &expected, message, &files).await.unwrap();
    assert_eq!(commit.to_string(), id('d'));
    assert_eq!(
        server.sent("POST")["variables"]["input"],
        json!({
            "branch": {"repositoryNameWithOwner": "acme/gitops", "branchName": "repin/web"},
            "expectedHeadOid": id('a'),
            "message": {"headline": "web 1.2.0", "body": "body\n\nRepin-Format: 1\n"},
            "fileChanges": {"additions": [{"path": "apps/web.yaml", "contents": "YTogMQo="}]},
        })
    );
    let stale =
        json!({"data": null, "errors": [{"type": "STALE_DATA", "message": "Expected branch to point to \"a\""}]});
    let server = server_of(stale).await;
    let error =
        forge(ForgeKind::GitHub, &server).commit(&project(), &branch, &expected, message, &files).await.unwrap_err();
    assert_eq!(error.code(), "forge/moved");
}

fn source(digit: char) -> Value {
    let author = json!({"name": "Alice", "email": "alice@acme.test", "date": "2026-01-02T03:04:05Z"});
    json!({"sha": id(digit), "commit": {"message": format!("Change {digit}\n\nmore"), "author": author}})
}

#[tokio::test]
async fn the_newest_commits_of_a_long_comparison_are_read_from_its_end() {
    let server = server(|seen| {
        let page = seen.target.rsplit('=').next().unwrap().parse::<usize>().unwrap();
        let digits = ["123", "456", "78"][page - 1];
        let commits: Vec<Value> = digits.chars().map(source).collect();
        json!({"status": "ahead", "total_commits": 250, "commits": commits})
    })
    .await;
    let forge = forge(ForgeKind::GitHub, &server);
    let found = forge.compare(&project(), "v1.1.0", "v1.2.0", 4).await.unwrap().unwrap();
    assert_eq!((found.course, found.total), (Course::Ahead, 250));
    assert_eq!(
        found.commits.iter().map(|commit| commit.subject.as_str()).collect::<Vec<_>>(),
        ["Change 8", "Change 7", "Change 6", "Change 5"]
    );
    assert_eq!(found.url, "https://git.example.com/acme/gitops/compare/v1.1.0...v1.2.0");
    assert_eq!(found.commits[0].author, "Alice");
    assert_eq!(
        server.lines(),
        [1, 3, 2].map(|page| format!("GET /api/v3/repos/acme/gitops/compare/v1.1.0...v1.2.0?per_page=100&page={page}"))
    );
}

#[tokio::test]
async fn how_two_revisions_lie_is_told() {
    for (status, course) in [
        ("identical", Course::Same),
        ("ahead", Course::Ahead),
        ("behind", Course::Behind),
        ("diverged", Course::Diverged),
    ] {
        let server = server_of(json!({"status": status, "total_commits": 0, "commits": []})).await;
        let found = forge(ForgeKind::GitHub, &server).compare(&project(), "a1", "b2", 10).await.unwrap().unwrap();
        assert_eq!((found.course, found.commits.len()), (course, 0));
    }
    let server = Server::start(|_| reply(404, "{}")).await;
    assert_eq!(forge(ForgeKind::GitHub, &server).compare(&project(), "a1", "b2", 10).await.unwrap(), None);
    let server = Server::start(|seen| reply(if seen.target.contains("short") { 422 } else { 200 }, source('1'))).await;
    let forge = forge(ForgeKind::GitHub, &server);
    assert_eq!(forge.source_commit(&project(), "short").await.unwrap(), None);
    assert_eq!(forge.source_commit(&project(), "v1.0.0").await.unwrap().unwrap().id.to_string(), id('1'));
}

#[tokio::test]
async fn the_pull_requests_of_many_commits_are_asked_for_together() {
    let server = server(|seen| {
        let query = seen.body["query"].as_str().unwrap();
        assert!(query.contains(&format!("c0: object(oid: \"{}\")", if query.contains("c49") { id('1') } else { id('2') })));
        let node = |number: u64, merged: Value, base: &str| {
            json!({
                "number": number, "title": "Add", "url": "https://git.example.com/acme/gitops/pull/9", "mergedAt": merged,
                "mergeCommit": {"oid": id('e')}, "author": {"login": "alice"}, "baseRepository": {"nameWithOwner": base},
            })
        };
        let merged = json!("2026-01-02T03:04:05Z");
        let nodes = [node(9, merged.clone(), "Acme/GitOps"), node(8, json!(null), "acme/gitops"), node(6, merged, "eve/gitops")];
        json!({"data": {"repository": {"c0": {"associatedPullRequests": {"nodes": nodes}}, "c1": null, "c2": {}}}})
    })
    .await;
    let commits: Vec<_> = std::iter::repeat_n(id('1'), 50).chain([id('2')]).map(|id| id.parse().unwrap()).collect();
    let found = forge(ForgeKind::GitHub, &server).pulls_of_commits(&project(), &commits).await.unwrap();
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [9]);
    assert_eq!(found[0].merge_commit.unwrap().to_string(), id('e'));
    assert_eq!(server.lines(), ["POST /api/graphql", "POST /api/graphql"]);
}

#[tokio::test]
async fn without_credentials_each_commit_is_asked_for_apart_and_not_too_many() {
    use repin::credentials::Credentials;
    use repin::forge::{Forge, ForgeLogin, Options};

    let server = server(|_| {
        let mut merged = pull(9, "feature");
        merged["merged_at"] = json!("2026-01-02T03:04:05Z");
        json!([pull(8, "feature"), merged])
    })
    .await;
    let login = ForgeLogin::Fixed(Credentials::Anonymous);
    let forge = Forge::new(Options { login, ..crate::options(ForgeKind::GitHub, &server) }).unwrap();
    let commits = vec![id('1').parse().unwrap(); 100];
    let found = forge.pulls_of_commits(&project(), &commits).await.unwrap();
    assert_eq!(found.iter().map(|pull| pull.number).collect::<Vec<_>>(), [9]);
    assert_eq!(server.lines().len(), 30);
    assert_eq!(server.lines()[0], format!("GET /api/v3/repos/acme/gitops/commits/{}/pulls", id('1')));
    assert_eq!(forge.identity(&project()).await.unwrap().login, "");
}

#[tokio::test]
async fn a_pull_request_of_a_source_is_open_or_merged_and_may_come_from_a_fork() {
    let merged = with(&[
        ("/state", json!("closed")),
        ("/merged_at", json!("2026-01-02T03:04:05Z")),
        ("/head/repo", json!(null)),
    ]);
    for (answer, is_there) in [(with(&[]), true), (merged, true), (with(&[("/state", json!("closed"))]), false)] {
        let server = server_of(answer).await;
        let found = forge(ForgeKind::GitHub, &server).source_pull(&project(), 7).await.unwrap();
        assert_eq!(found.is_some(), is_there);
    }
}

#[tokio::test]
async fn the_account_is_named_with_the_addresses_of_its_commits() {
    let server = server_of(json!({"login": "repin-bot", "id": 5, "email": "bot@acme.test"})).await;
    let identity = forge(ForgeKind::GitHub, &server).identity(&project()).await.unwrap();
    let emails =
        ["5+repin-bot@users.noreply.git.example.com", "bot@acme.test", "repin-bot@users.noreply.git.example.com"];
    assert_eq!(
        (identity.login.as_str(), identity.emails.into_iter().collect::<Vec<_>>()),
        ("repin-bot", emails.map(str::to_owned).to_vec())
    );
    let server = Server::start(|seen| {
        if seen.method == "GET" {
            return reply(403, r#"{"message":"Resource not accessible by integration"}"#);
        }
        reply(200, r#"{"data":{"viewer":{"login":"github-actions[bot]","databaseId":41898282}}}"#)
    })
    .await;
    let identity = forge(ForgeKind::GitHub, &server).identity(&project()).await.unwrap();
    assert_eq!(identity.login, "github-actions[bot]");
    assert!(identity.emails.contains("41898282+github-actions[bot]@users.noreply.git.example.com"));
}
