//! The models by themselves: what the adapter and the stories rely on, asked over plain HTTP.

use repin::model::forge::{ForgeKind, MergeMethod, PullState};
use serde_json::{Value, json};

use crate::fake::{Access, BOT, FakeForge, Trouble};
use crate::raw::Raw;
use crate::remote::{BareRemote, NewCommit};

/// A remote with a base and a branch that changes the tag.
pub fn remote() -> BareRemote {
    let remote = BareRemote::create();
    remote.commit(&[("values.yaml", "tag: 1.0.0\n"), ("other.yaml", "a: 1\n")], "Begin");
    branch(&remote, "repin/web", "tag: 1.1.0\n");
    remote
}

/// Makes a branch anew from the base, with other values; gives its head.
pub fn branch(remote: &BareRemote, name: &str, values: &str) -> String {
    remote.checkout("main");
    remote.work(&["checkout", "--quiet", "-B", name]);
    std::fs::write(remote.work_tree().join("values.yaml"), values).unwrap();
    remote.work(&["commit", "--quiet", "--all", "--message", "Update web\n\nRepin-Format: 1"]);
    remote.push_work(name)
}

fn github() -> (BareRemote, FakeForge, Raw) {
    let remote = remote();
    let forge = FakeForge::start(ForgeKind::GitHub, &remote);
    let raw = Raw::of(&forge);
    (remote, forge, raw)
}

fn open(raw: &Raw, head: &str) -> Value {
    let body = json!({"head": head, "base": "main", "title": "Update web", "body": "text", "draft": false});
    let answered = raw.ask("POST", "/repos/acme/gitops/pulls", Some(body));
    assert_eq!(answered.status, 201, "{answered:#?}");
    answered.body
}

const PULL: &str = "/repos/acme/gitops/pulls/1";

#[test]
fn github_follows_the_branch_and_merges_for_real() {
    let (remote, forge, raw) = github();
    let pull = open(&raw, "repin/web");
    assert_eq!(pull["number"], 1);
    let second = branch(&remote, "repin/web", "tag: 1.2.0\n");
    assert_eq!(raw.get(PULL).body["head"]["sha"], second);
    assert_eq!(remote.git(&["rev-parse", "refs/pull/1/head"]), second);
    assert_eq!(raw.get(PULL).body["mergeable"], true);
    remote.commit(&[("values.yaml", "tag: 9.9.9\n")], "Somebody else");
    assert_eq!(raw.get(PULL).body["mergeable"], false);
    let third = branch(&remote, "repin/web", "tag: 1.3.0\n");
    let merged = forge.merge(1, MergeMethod::Merge, "alice");
    assert_eq!(remote.head(), merged);
    assert_eq!(remote.show("values.yaml"), "tag: 1.3.0\n");
    let pull = raw.get(PULL).body;
    assert_eq!(
        (&pull["state"], &pull["merged"], &pull["merge_commit_sha"]),
        (&json!("closed"), &json!(true), &json!(merged))
    );
    assert_eq!(remote.git(&["rev-parse", "main^2"]), third);
    remote.fsck();
}

#[test]
fn github_refuses_a_second_one_none_and_one_without_commits() {
    let (remote, forge, raw) = github();
    open(&raw, "repin/web");
    remote.git(&["branch", "repin/empty", "main"]);
    for (head, message) in [
        ("repin/web", "A pull request already exists for acme:repin/web."),
        ("repin/empty", "No commits between main and repin/empty"),
        ("main", "No commits between main and main"),
    ] {
        let body = json!({"head": head, "base": "main", "title": "x"});
        let answered = raw.ask("POST", "/repos/acme/gitops/pulls", Some(body));
        assert_eq!((answered.status, &answered.body["errors"][0]["message"]), (422, &json!(message)));
    }
    let absent = json!({"head": "repin/absent", "base": "main", "title": "x"});
    let answered = raw.ask("POST", "/repos/acme/gitops/pulls", Some(absent));
    assert_eq!((answered.status, &answered.body["errors"][0]["field"]), (422, &json!("head")));
    forge.assert_contract();
}

#[test]
fn github_opens_nothing_again_that_was_pushed_anew_or_has_lost_its_branch() {
    let (remote, forge, raw) = github();
    open(&raw, "repin/web");
    let reopen = || raw.ask("PATCH", PULL, Some(json!({"state": "open"})));
    forge.close(1, "alice");
    assert_eq!(raw.get("/repos/acme/gitops/issues/1").body["closed_by"]["login"], "alice");
    assert_eq!(reopen().status, 200);
    forge.close(1, "alice");
    let head = forge.pull(1).head_commit;
    branch(&remote, "repin/web", "tag: 1.4.0\n");
    let message = "state cannot be changed. The repin/web branch was force-pushed or recreated.";
    assert_eq!(reopen().body["errors"][0]["message"], message);
    // Back at the commit that it was closed with.
    remote.git(&["update-ref", "refs/heads/repin/web", &head]);
    assert_eq!(reopen().status, 200);
    forge.delete_branch("repin/web", "bob");
    let seen = forge.pull(1);
    assert_eq!((seen.state, seen.closed_by.as_deref()), (PullState::Closed, Some("bob")));
    let message = "state cannot be changed. The repin/web branch has been deleted.";
    assert_eq!(reopen().body["errors"][0]["message"], message);
}

#[test]
fn github_squashes_rebases_and_says_what_brought_a_commit() {
    let remote = remote();
    let forge = FakeForge::start(ForgeKind::GitHub, &remote);
    let raw = Raw::of(&forge);
    let source = forge.add_source_project("acme/web");
    let old = source.commit("Begin", "alice");
    let merged = source.merge("Add login", "bob", &["Add a form", "Check it"], MergeMethod::Rebase);
    assert_eq!(merged.brought.len(), 2);
    let squashed = source.merge("Fix login", "carol", &["Fix it"], MergeMethod::Squash);
    let direct = source.commit("Say so", "alice");
    let compared = raw.get(&format!("/repos/acme/web/compare/{old}...{direct}")).body;
    assert_eq!((&compared["status"], &compared["total_commits"]), (&json!("ahead"), &json!(4)));
    let back = raw.get(&format!("/repos/acme/web/compare/{direct}...{old}")).body;
    assert_eq!((&back["status"], &back["behind_by"]), (&json!("behind"), &json!(4)));
    for (commit, number) in [(&merged.brought[1], 1), (&squashed.commit, 2)] {
        let pulls = raw.get(&format!("/repos/acme/web/commits/{commit}/pulls")).body;
        assert_eq!((pulls.as_array().unwrap().len(), &pulls[0]["number"]), (1, &json!(number)));
    }
    assert_eq!(raw.get(&format!("/repos/acme/web/commits/{direct}/pulls")).body, json!([]));
    assert_eq!(raw.get(&format!("/repos/acme/web/compare/{old}...{}", "0".repeat(40))).status, 404);
    assert_eq!(source.remote().git(&["log", "-1", "--format=%B", &squashed.commit]).trim(), "Fix it (#2)");
}

#[test]
fn github_pages_filters_and_knows_what_was_asked_before() {
    let (remote, forge, raw) = github();
    forge.at("2026-01-05T10:00:00Z");
    for number in 0..5 {
        branch(&remote, &format!("repin/app-{number}"), &format!("tag: 2.0.{number}\n"));
        open(&raw, &format!("repin/app-{number}"));
        forge.later(jiff::SignedDuration::from_secs(60));
    }
    let fork = forge.open_from_fork("mallory", "repin/app-0", "Take this");
    let numbers = |path: &str| -> Vec<u64> {
        let body = raw.get(path).body;
        body.as_array().unwrap().iter().map(|pull| pull["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers("/repos/acme/gitops/pulls"), [fork, 5, 4, 3, 2, 1]);
    assert_eq!(numbers("/repos/acme/gitops/pulls?per_page=2&page=2"), [4, 3]);
    assert_eq!(numbers("/repos/acme/gitops/pulls?head=acme:repin/app-0"), [1]);
    assert_eq!(numbers("/repos/acme/gitops/pulls?head=mallory:repin/app-0"), [fork]);
    forge.close(2, "alice");
    assert_eq!(numbers("/repos/acme/gitops/pulls?state=closed&sort=updated&direction=desc"), [2]);
    let first = raw.get("/repos/acme/gitops/pulls?per_page=2");
    assert!(first.header("link").contains("per_page=2&page=2>; rel=\"next\""), "{}", first.header("link"));
    let tag = first.header("etag").to_owned();
    let left = first.header("x-ratelimit-remaining").to_owned();
    let path = "/repos/acme/gitops/pulls?per_page=2";
    let again = raw.ask_with("GET", path, None, &[("if-none-match", &tag)]).unwrap();
    assert_eq!((again.status, again.header("x-ratelimit-remaining")), (304, &*left));
    forge.edit_title(5, "Another");
    assert_eq!(raw.ask_with("GET", path, None, &[("if-none-match", &tag)]).unwrap().status, 200);
}

#[test]
fn github_lets_in_whom_it_should() {
    let (_remote, forge, raw) = github();
    open(&raw, "repin/web");
    assert_eq!(Raw::with(&forge, "wrong").get(PULL).status, 401);
    let reader = Raw::with(&forge, &forge.add_token("carol", Access::Read));
    assert_eq!(reader.get(PULL).status, 200);
    assert_eq!(reader.ask("PATCH", PULL, Some(json!({"title": "x"}))).status, 403);
    assert_eq!(Raw::with(&forge, &forge.add_token("dave", Access::Nothing)).get(PULL).status, 404);
    assert_eq!(raw.get("/user").body["login"], BOT);
    forge.leave_requests(1, jiff::Timestamp::now() + jiff::SignedDuration::from_secs(600));
    assert_eq!(raw.get(PULL).status, 200);
    let exhausted = raw.get(PULL);
    assert_eq!((exhausted.status, exhausted.header("x-ratelimit-remaining")), (403, "0"));
}

#[test]
fn troubles_come_when_they_are_asked_for() {
    let (_remote, forge, raw) = github();
    open(&raw, "repin/web");
    forge.fail_next("GET", "/pulls/1", 502);
    assert_eq!((raw.get(PULL).status, raw.get(PULL).status), (502, 200));
    forge.trouble("PATCH", "/pulls/1", 1, Trouble::DropAnswer);
    assert!(raw.ask_with("PATCH", PULL, Some(json!({"title": "done all the same"})), &[]).is_err());
    assert_eq!(forge.pull(1).title, "done all the same");
    forge.trouble("PATCH", "/pulls/1", 1, Trouble::Drop);
    assert!(raw.ask_with("PATCH", PULL, Some(json!({"title": "never"})), &[]).is_err());
    assert_eq!(forge.pull(1).title, "done all the same");
    forge.trouble("POST", "/comments", 1, Trouble::Secondary(7));
    let refused = raw.ask("POST", "/repos/acme/gitops/issues/1/comments", Some(json!({"body": "hello"})));
    assert_eq!((refused.status, refused.header("retry-after")), (403, "7"));
    forge.clear_requests();
    forge.go_after(1);
    assert_eq!(raw.get(PULL).status, 200);
    assert!(raw.ask_with("GET", PULL, None, &[]).is_err());
    forge.no_trouble();
    assert_eq!(raw.get(PULL).status, 200);
    assert_eq!(forge.requests().iter().map(|one| one.status).collect::<Vec<_>>(), [200, 0, 200]);
}

#[test]
fn github_marks_asks_and_hears_people() {
    let (_remote, forge, raw) = github();
    open(&raw, "repin/web");
    let post = |path: &str, body: Value| raw.ask("POST", &format!("/repos/acme/gitops/{path}"), Some(body));
    assert_eq!(post("issues/1/labels", json!({"labels": ["deps", "repin/rebase"]})).status, 200);
    assert_eq!(raw.ask("DELETE", "/repos/acme/gitops/issues/1/labels/repin%2Frebase", None).status, 200);
    assert_eq!(raw.ask("DELETE", "/repos/acme/gitops/issues/1/labels/absent", None).status, 404);
    assert_eq!(post("issues/1/assignees", json!({"assignees": ["bob", "nobody"]})).status, 201);
    assert_eq!(
        post("pulls/1/requested_reviewers", json!({"reviewers": ["alice"], "team_reviewers": ["platform"]})).status,
        201
    );
    assert_eq!(post("pulls/1/requested_reviewers", json!({"reviewers": ["nobody"]})).status, 422);
    assert_eq!(post("issues/1/comments", json!({"body": "from us"})).status, 201);
    forge.comment(1, "alice", "from me");
    forge.approve(1, "alice");
    let seen = forge.pull(1);
    assert_eq!(seen.labels, ["deps"]);
    assert_eq!((seen.assignees, seen.reviewers), (vec!["bob".to_owned()], vec!["acme/platform".to_owned()]));
    assert_eq!(seen.comments, [(BOT.to_owned(), "from us".to_owned()), ("alice".to_owned(), "from me".to_owned())]);
    let reviews = raw.get("/repos/acme/gitops/pulls/1/reviews").body;
    assert_eq!((&reviews[0]["state"], &reviews[0]["user"]["login"]), (&json!("APPROVED"), &json!("alice")));
    assert_eq!(raw.get("/repos/acme/gitops/issues/1/comments").body[1]["body"], "from me");
}

#[test]
fn github_merges_by_itself_and_makes_commits() {
    let (remote, forge, raw) = github();
    let pull = open(&raw, "repin/web");
    let query = "mutation($input: EnablePullRequestAutoMergeInput!) { enablePullRequestAutoMerge(input: $input) \
                 { pullRequest { number autoMergeRequest { mergeMethod } } } }";
    let enable = || {
        let input = json!({"pullRequestId": pull["node_id"], "mergeMethod": "SQUASH"});
        graphql(&forge, &json!({"query": query, "variables": {"input": input}}))
    };
    forge.allow_auto_merge(false);
    let refused = enable();
    assert_eq!(refused["errors"][0]["message"], "Pull request Auto merge is not allowed for this repository");
    forge.allow_auto_merge(true);
    assert_eq!(
        enable()["data"]["enablePullRequestAutoMerge"]["pullRequest"]["autoMergeRequest"]["mergeMethod"],
        "SQUASH"
    );
    assert_eq!(forge.pull(1).auto_merge, Some(MergeMethod::Squash));
    let disable = || {
        let query = "mutation($input: DisablePullRequestAutoMergeInput!) { disablePullRequestAutoMerge(input: $input) \
                     { pullRequest { number autoMergeRequest { mergeMethod } } } }";
        graphql(&forge, &json!({"query": query, "variables": {"input": {"pullRequestId": pull["node_id"]}}}))
    };
    let stopped = disable()["data"]["disablePullRequestAutoMerge"]["pullRequest"].clone();
    assert_eq!(stopped, json!({"number": 1, "autoMergeRequest": null}));
    let refused = disable()["errors"][0]["message"].clone();
    assert_eq!(refused, "Pull request Can't disable auto-merge for this pull request");
    enable();
    forge.checks_pass(1);
    assert_eq!((forge.pull(1).state, remote.show("values.yaml")), (PullState::Merged, "tag: 1.1.0\n".to_owned()));

    let query =
        "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }";
    let commit = |head: &str| {
        let input = json!({
            "branch": {"repositoryNameWithOwner": "acme/gitops", "branchName": "main"}, "expectedHeadOid": head,
            "message": {"headline": "Update web", "body": "Repin-Format: 1"},
            "fileChanges": {"additions": [{"path": "values.yaml", "contents": "dGFnOiAyLjAuMAo="}]},
        });
        graphql(&forge, &json!({"query": query, "variables": {"input": input}}))
    };
    let old = remote.head();
    let made = commit(&old);
    assert_eq!(made["data"]["createCommitOnBranch"]["commit"]["oid"], remote.head());
    assert_eq!(remote.show("values.yaml"), "tag: 2.0.0\n");
    assert_eq!(remote.git(&["log", "-1", "--format=%cn <%ce> %an"]), format!("GitHub <noreply@github.com> {BOT}"));
    assert_eq!(commit(&old)["errors"][0]["type"], "STALE_DATA");
    remote.fsck();
}

fn graphql(forge: &FakeForge, body: &Value) -> Value {
    let raw = Raw::of(forge);
    let answered = raw.ask("POST", "/../graphql", Some(body.clone()));
    assert_eq!(answered.status, 200, "{answered:#?}");
    answered.body
}

#[test]
fn what_is_pushed_to_the_base_by_hand_counts_as_merged() {
    let (remote, forge, raw) = github();
    open(&raw, "repin/web");
    let commit = NewCommit { branch: "repin/web", ..NewCommit::new(&[("other.yaml", "a: 2\n")], "More by a person") };
    let head = remote.make(&commit);
    assert_eq!(raw.get(PULL).body["commits"], 2);
    remote.push_work("main");
    assert_eq!((forge.pull(1).state, remote.head()), (PullState::Merged, head));
}

/// What differs between the other two, asked over plain HTTP.
fn other(kind: ForgeKind) -> (BareRemote, FakeForge, Raw, &'static str) {
    let remote = remote();
    let forge = FakeForge::start(kind, &remote);
    let raw = Raw::of(&forge);
    let (list, body) = match kind {
        ForgeKind::GitLab => (
            "/projects/acme%2Fgitops/merge_requests",
            json!({"source_branch": "repin/web", "target_branch": "main", "title": "Update web", "description": "text"}),
        ),
        _ => (
            "/repos/acme/gitops/pulls",
            json!({"head": "repin/web", "base": "main", "title": "Update web", "body": "text"}),
        ),
    };
    let opened = raw.ask("POST", list, Some(body.clone()));
    assert_eq!(opened.status, 201, "{opened:#?}");
    assert_eq!(raw.ask("POST", list, Some(body)).status, 409);
    (remote, forge, raw, list)
}

#[test]
fn gitlab_closes_without_a_branch_and_opens_again_without_one() {
    let (remote, forge, raw, list) = other(ForgeKind::GitLab);
    let pull = format!("{list}/1");
    remote.git(&["update-ref", "-d", "refs/heads/repin/web"]);
    assert_eq!(raw.get(&pull).body["state"], "closed");
    assert_eq!(raw.get(&pull).body["closed_by"]["username"], BOT);
    let opened = raw.ask("PUT", &pull, Some(json!({"state_event": "reopen"})));
    assert_eq!((opened.status, &opened.body["state"]), (200, &json!("opened")));
    assert_eq!(raw.get(&pull).body["state"], "opened");
    branch(&remote, "repin/web", "tag: 1.2.0\n");
    assert_eq!(raw.get(&pull).body["sha"], forge.pull(1).head_commit);
    assert_eq!(remote.git(&["rev-parse", "refs/merge-requests/1/head"]), forge.pull(1).head_commit);
}

#[test]
fn gitlab_takes_auto_merge_and_approvals_back_when_commits_are_added() {
    let (remote, forge, raw, list) = other(ForgeKind::GitLab);
    let merge = raw.ask("PUT", &format!("{list}/1/merge"), Some(json!({"auto_merge": true, "squash": true})));
    assert_eq!((merge.status, &merge.body["merge_when_pipeline_succeeds"]), (200, &json!(true)));
    forge.approve(1, "alice");
    let approvals = || raw.get(&format!("{list}/1/approvals")).body["approved_by"].as_array().unwrap().len();
    assert_eq!((approvals(), forge.pull(1).auto_merge), (1, Some(MergeMethod::Squash)));
    branch(&remote, "repin/web", "tag: 1.2.0\n");
    assert_eq!((approvals(), forge.pull(1).auto_merge), (0, None));
}

#[test]
fn gitlab_notes_what_it_does_not_know_and_what_it_would_carry_out() {
    let (_remote, forge, raw, list) = other(ForgeKind::GitLab);
    assert_eq!(raw.get(&format!("{list}?state=opened&head=repin/web")).status, 200);
    raw.ask("PUT", &format!("{list}/1"), Some(json!({"titel": "x"})));
    raw.ask("PUT", &format!("{list}/1"), Some(json!({"description": "Harmless\n/merge\n```\n/close\n```\n"})));
    let found = forge.take_violations();
    let ends: Vec<&str> = found.iter().map(|one| one.split(": ").nth(1).unwrap()).collect();
    assert_eq!(ends, ["query.head is not known", "body.titel is not known", "a command is carried out"]);
    assert!(found[2].ends_with("/merge"), "{found:?}");
}

#[test]
fn gitea_forgets_the_name_of_a_deleted_branch_and_moves_what_is_closed() {
    let (remote, forge, raw, list) = other(ForgeKind::Gitea);
    let pull = format!("{list}/1");
    forge.close(1, "alice");
    let kept = forge.pull(1).head_commit;
    let moved = branch(&remote, "repin/web", "tag: 1.2.0\n");
    assert_eq!((&raw.get(&pull).body["head"]["sha"], &raw.get(&pull).body["state"]), (&json!(moved), &json!("closed")));
    forge.delete_branch("repin/web", "alice");
    let head = raw.get(&pull).body["head"].clone();
    assert_eq!(
        (&head["ref"], &head["label"], &head["sha"]),
        (&json!("refs/pull/1/head"), &json!("repin/web"), &json!(kept))
    );
    assert_eq!(raw.ask("PATCH", &pull, Some(json!({"state": "open"}))).body["state"], "open");
    assert_eq!(raw.get(&pull).body["mergeable"], false);
    assert_eq!(raw.get(list).header("etag"), "");
}
