//! Gitea and Forgejo, API version 1, as their Swagger documents have it.
//!
//! Told in their code only: a draft is a title that begins with `WIP:` (`IsWorkInProgress`), and is never `mergeable`, nor is
//! what the server has not looked at yet (`PullRequest.Mergeable`); the head of a pull request is what its branch is at, also
//! when it is closed, and without the branch `head.ref` says `refs/pull/<number>/head` and only `head.label` the name
//! (`ToAPIPullRequest`); a commit belongs to a pull request only as its merge commit (`GetPullRequestByMergedCommit`); opening
//! again looks at no branch (`closeOrReopenIssue`); a merge "when checks succeed" is done at once where they have, and
//! answered 201 where it waits; comments come all at once, whatever page is asked for; there are no entity tags.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use repin::model::forge::{ForgeKind, MergeMethod, PullState};
use serde_json::{Value, json};

use super::call::{self, Answer, Call, Caller, number_of, page, page_with};
use super::github::time;
use super::repository::{Change, Person, Signature};
use super::state::{Access, CommentKind, Opening, Project, Pull, Refusal, State, Verdict};

pub fn answer(state: &mut State, call: &Call) -> Answer {
    if call.has_bad_body {
        return refuse(422, "invalid json");
    }
    let caller = match call::caller(state, call) {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    match (call.method.as_str(), &call.parts()[..]) {
        ("GET", ["user"]) if caller.is_anonymous => refuse(401, "token is required"),
        ("GET", ["user"]) => Answer::json(200, user(state, &caller.login)),
        ("GET", ["orgs", owner, "labels"])
            if state.projects.keys().any(|name| name.starts_with(&format!("{owner}/"))) =>
        {
            page(state, call, Vec::new())
        }
        (_, ["repos", owner, name, rest @ ..]) => {
            let project = format!("{owner}/{name}");
            if let Some(refused) = gate(state, call, &caller, &project) {
                return refused;
            }
            state.refresh(&project);
            of_project(state, call, &caller, &project, rest)
        }
        _ => refuse(404, "The target couldn't be found."),
    }
}

fn gate(state: &State, call: &Call, caller: &Caller, project: &str) -> Option<Answer> {
    let found = state.projects.get(project).filter(|_| caller.access != Access::Nothing);
    let Some(found) = found else { return Some(refuse(404, "The target couldn't be found.")) };
    if call.method == "GET" {
        return None;
    }
    if caller.is_anonymous {
        return Some(refuse(401, "token is required"));
    }
    if caller.access != Access::Write {
        return Some(refuse(403, "token does not have at least one of required scope(s): [write:repository]"));
    }
    found.is_archived.then(|| refuse(423, &format!("{project} is archived")))
}

fn of_project(state: &mut State, call: &Call, caller: &Caller, project: &str, rest: &[&str]) -> Answer {
    let not_found = || refuse(404, "The target couldn't be found.");
    if let ["pulls" | "issues", number, ..] = rest
        && number.parse().ok().and_then(|number| state.pull(project, number)).is_none()
    {
        return not_found();
    }
    let number = rest.get(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    match (call.method.as_str(), rest) {
        ("GET", []) => Answer::json(200, repository(state, &state.projects[project])),
        ("GET", ["pulls"]) => list(state, call, project),
        ("POST", ["pulls"]) => open(state, call, caller, project),
        ("GET", ["pulls", _]) => Answer::json(200, pull_object(state, project, number)),
        ("PATCH", ["pulls", _]) => update(state, call, caller, project, number),
        ("POST", ["pulls", _, "merge"]) => merge(state, call, caller, project, number),
        ("DELETE", ["pulls", _, "merge"]) => stop_merge(state, caller, project, number),
        ("GET", ["pulls", _, "reviews"]) => page(state, call, reviews(state, project, number)),
        ("POST", ["pulls", _, "requested_reviewers"]) => ask_reviewers(state, call, project, number),
        ("GET", ["issues", _, "labels"]) => Answer::json(200, labels(state, project, number).into()),
        ("POST", ["issues", _, "labels"]) => add_labels(state, call, project, number),
        ("DELETE", ["issues", _, "labels", id]) => {
            let found =
                state.projects[project].labels.iter().find(|(name, known)| known.to_string() == *id || name == id);
            let Some(name) = found.map(|(name, _)| name.clone()) else { return refuse(422, "label does not exist") };
            state.touch(project, number, |pull| pull.labels.remove(&name));
            Answer::empty(204)
        }
        ("GET", ["labels"]) => {
            let known =
                state.projects[project].labels.iter().map(|(name, id)| label(state, project, name, *id)).collect();
            page(state, call, known)
        }
        ("POST", ["labels"]) => {
            let name = call.text("name").unwrap_or_default();
            let colour = call.text("color").unwrap_or_default().trim_start_matches('#');
            if name.is_empty() || name.len() > 50 || colour.len() != 6 {
                return refuse(422, "bad color or name of a label");
            }
            let id = state.label(project, name);
            Answer::json(201, label(state, project, name, id))
        }
        ("GET", ["issues", _, "comments"]) => {
            let said = state.projects[project].pulls[&number].comments.iter();
            let said: Vec<Value> = said
                .filter(|one| one.kind == CommentKind::Said)
                .map(|one| comment(state, project, number, one))
                .collect();
            let count = said.len().to_string();
            Answer::json(200, said.into()).with("x-total-count", &count)
        }
        ("POST", ["issues", _, "comments"]) => {
            let text = call.text("body").unwrap_or_default();
            if text.is_empty() {
                return refuse(422, "[Body]: Required");
            }
            state.comment(project, number, &caller.login, text);
            let last = state.projects[project].pulls[&number].comments.last().unwrap();
            Answer::json(201, comment(state, project, number, last))
        }
        ("GET", ["issues", _, "timeline"]) => page(state, call, timeline(state, project, number)),
        ("GET", ["branches", branch @ ..]) => {
            let branch = branch.join("/");
            match state.projects[project].repository.head(&branch) {
                Some(id) => Answer::json(200, branch_object(state, project, &branch, &id)),
                None => not_found(),
            }
        }
        ("GET", ["commits", name @ .., "status"]) => status(state, project, &name.join("/")),
        ("GET", ["commits", id, "pull"]) => {
            let pulls = state.projects[project].pulls.values();
            match pulls.into_iter().find(|pull| pull.merge_commit.as_deref() == Some(*id)).map(|pull| pull.number) {
                Some(number) => Answer::json(200, pull_object(state, project, number)),
                None => refuse(404, &format!("pull request does not exist [merged_commit: {id}]")),
            }
        }
        ("GET", ["git", "commits", id @ ..]) => match state.projects[project].repository.resolve(&id.join("/")) {
            Some(id) => Answer::json(200, commit(state, project, &id)),
            None => refuse(404, &format!("object does not exist [id: {}, rel_path: ]", id.join("/"))),
        },
        ("GET", ["compare", names @ ..]) => compare(state, project, &names.join("/")),
        ("GET", ["contents", path @ ..]) => {
            let path = path.join("/");
            let revision = call.asked("ref").unwrap_or("main");
            let commit = state.projects[project].repository.resolve(revision);
            match commit.and_then(|commit| contents(state, project, &commit, &path)) {
                Some(found) => Answer::json(200, found),
                None => not_found(),
            }
        }
        ("POST", ["contents"]) => change_files(state, call, caller, project),
        _ => not_found(),
    }
}

fn list(state: &mut State, call: &Call, project: &str) -> Answer {
    let wanted = call.asked("state").unwrap_or("open").to_owned();
    let pulls = state.projects[project].pulls.values();
    let mut pulls: Vec<&Pull> = pulls.filter(|pull| wanted == "all" || (wanted == "open") == pull.is_open()).collect();
    match call.asked("sort") {
        Some("recentupdate") => pulls.sort_by_key(|pull| std::cmp::Reverse((pull.updated, pull.number))),
        Some("leastupdate") => pulls.sort_by_key(|pull| (pull.updated, pull.number)),
        Some("oldest") => pulls.sort_by_key(|pull| (pull.created, pull.number)),
        _ => pulls.sort_by_key(|pull| std::cmp::Reverse((pull.created, pull.number))),
    }
    let numbers: Vec<u64> = pulls.into_iter().map(|pull| pull.number).collect();
    page_with(state, call, numbers, |state, number| pull_object(state, project, number))
}

fn open(state: &mut State, call: &Call, caller: &Caller, project: &str) -> Answer {
    let text = |name| call.text(name).unwrap_or_default().to_owned();
    let (head, base, title, body) = (text("head"), text("base"), text("title"), text("body"));
    if title.is_empty() || title.chars().count() > 255 {
        return refuse(422, "[Title]: MaxSize");
    }
    match state.open(project, &caller.login, Opening { head, base, title, body, draft: false }) {
        Ok(number) => Answer::json(201, pull_object(state, project, number)),
        Err(Refusal::Same) => refuse(422, "Invalid PullRequest: There are no changes between the head and the base"),
        Err(Refusal::Exists(number)) => {
            refuse(409, &format!("pull request already exists for these targets [id: {number}, issue_id: {number}]"))
        }
        Err(_) => refuse(404, "The target couldn't be found."),
    }
}

fn update(state: &mut State, call: &Call, caller: &Caller, project: &str, number: u64) -> Answer {
    if let Some(title) = call.text("title").filter(|title| !title.is_empty()) {
        if title.chars().count() > 255 {
            return refuse(422, "[Title]: MaxSize");
        }
        state.touch(project, number, |pull| pull.retitle(ForgeKind::Gitea, title));
    }
    if let Some(body) = call.text("body") {
        state.touch(project, number, |pull| body.clone_into(&mut pull.body));
    }
    if call.body["assignees"].is_array() {
        let logins = call.list("assignees");
        if let Some(unknown) = logins.iter().find(|login| !state.accounts.contains(*login)) {
            return refuse(422, &format!("Assignee does not exist: [name: {unknown}]"));
        }
        state.touch(project, number, |pull| pull.assignees = logins.into_iter().collect());
    }
    if let Some(wanted) = call.text("state") {
        if state.projects[project].pulls[&number].state == PullState::Merged {
            return refuse(412, "cannot change state of this pull request, it was already merged");
        }
        match wanted {
            "closed" => state.close(project, number, &caller.login),
            "open" => state.reopen(project, number, &caller.login).unwrap(),
            other => return refuse(412, &format!("unknown state: {other}")),
        }
    }
    Answer::json(201, pull_object(state, project, number))
}

fn merge(state: &mut State, call: &Call, caller: &Caller, project: &str, number: u64) -> Answer {
    let method = match call.text("Do") {
        Some("merge") => MergeMethod::Merge,
        Some("squash") => MergeMethod::Squash,
        Some("rebase") => MergeMethod::Rebase,
        _ => return refuse(422, "[Do]: In"),
    };
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let waits = call.body["merge_when_checks_succeed"] == true;
    let is_passed = !found.requires_checks || pull.passed.as_ref() == Some(&pull.head_commit);
    if !pull.is_open() {
        return refuse(404, "The target couldn't be found.");
    }
    if pull.draft {
        return refuse(405, "Work in progress PRs cannot be merged");
    }
    if call.text("head_commit_id").is_some_and(|id| id != pull.head_commit) {
        return refuse(409, "head out of date");
    }
    if found.has_conflict(pull) || !pull.has_branch {
        return refuse(405, "Please try again later");
    }
    if !found.allows_auto_merge {
        return refuse(405, "User not allowed to merge PR");
    }
    if waits && !is_passed {
        if pull.auto_merge.is_some() {
            let message = "pull request is already scheduled to auto merge when checks succeed [pull_id: 1]";
            return refuse(409, message);
        }
        let login = caller.login.clone();
        state.touch(project, number, |pull| pull.auto_merge = Some((method, login)));
        return Answer::empty(201).untold();
    }
    if !is_passed {
        return refuse(405, "Not all required status checks successful");
    }
    state.merge(project, number, method, &caller.login).unwrap();
    Answer::empty(200)
}

/// Who scheduled it may cancel it, and who administers the repository; nobody here does.
fn stop_merge(state: &mut State, caller: &Caller, project: &str, number: u64) -> Answer {
    let pull = &state.projects[project].pulls[&number];
    let Some((_, by)) = pull.auto_merge.as_ref().filter(|_| pull.is_open()) else {
        return refuse(404, "The target couldn't be found.");
    };
    if *by != caller.login {
        return refuse(403, "user has no permission to cancel the scheduled auto merge");
    }
    state.touch(project, number, |pull| pull.auto_merge = None);
    Answer::empty(204)
}

fn ask_reviewers(state: &mut State, call: &Call, project: &str, number: u64) -> Answer {
    let owner = project.split('/').next().unwrap_or_default();
    let logins = call.list("reviewers");
    let teams: Vec<String> = call.list("team_reviewers").iter().map(|slug| format!("{owner}/{slug}")).collect();
    if let Some(unknown) = logins.iter().find(|login| !state.accounts.contains(*login)) {
        return refuse(404, &format!("User '{unknown}' not exist"));
    }
    if let Some(unknown) = teams.iter().find(|team| !state.teams.contains(*team)) {
        return refuse(404, &format!("Team '{unknown}' not exist"));
    }
    if logins.contains(&state.projects[project].pulls[&number].author) {
        return refuse(422, "poster of pr can't be reviewer");
    }
    state.touch(project, number, |pull| {
        pull.reviewers.extend(logins);
        pull.teams.extend(teams);
    });
    let asked = reviews(state, project, number);
    let asked: Vec<Value> = asked.into_iter().filter(|review| review["state"] == "REQUEST_REVIEW").collect();
    Answer::json(201, asked.into())
}

fn add_labels(state: &mut State, call: &Call, project: &str, number: u64) -> Answer {
    for wanted in call.body["labels"].as_array().into_iter().flatten() {
        let found = state.projects[project].labels.iter().find(|(name, id)| *wanted == **id || *wanted == ***name);
        // What is not there is left out without a word.
        let Some(name) = found.map(|(name, _)| name.clone()) else { continue };
        state.touch(project, number, |pull| pull.labels.insert(name));
    }
    Answer::json(200, labels(state, project, number).into())
}

fn status(state: &State, project: &str, name: &str) -> Answer {
    let found = &state.projects[project];
    let Some(id) = found.repository.resolve(name) else { return refuse(404, "The target couldn't be found.") };
    let is_passed = found.pulls.values().any(|pull| pull.passed.as_ref() == Some(&id));
    let state_name = if is_passed { "success" } else { "pending" };
    let url = format!("{}/statuses/{id}", api(state, project));
    let at = time(Timestamp::UNIX_EPOCH);
    let one = json!({
        "id": 1, "status": state_name, "context": "ci", "description": "", "target_url": "", "url": url, "creator": null,
        "created_at": at, "updated_at": at,
    });
    let statuses = if found.requires_checks { vec![one] } else { Vec::new() };
    let has_none = statuses.is_empty();
    let state_name = if has_none { "" } else { state_name };
    let answer = Answer::json(
        200,
        json!({
            "state": state_name, "sha": id, "total_count": statuses.len(), "statuses": statuses,
            "repository": repository(state, found), "commit_url": format!("{}/commits/{id}", api(state, project)),
            "url": format!("{}/commits/{id}/status", api(state, project)),
        }),
    );
    // Without one the state is empty, which is none of those that are described.
    if has_none { answer.untold() } else { answer }
}

/// Newest first, and only what the second has and the first has not.
fn compare(state: &State, project: &str, names: &str) -> Answer {
    let repository = &state.projects[project].repository;
    let ends =
        names.split_once("...").and_then(|(old, new)| Some((repository.resolve(old)?, repository.resolve(new)?)));
    let Some((old, new)) = ends else { return refuse(404, "The target couldn't be found.") };
    let commits: Vec<Value> = repository.between(&old, &new).iter().map(|id| commit(state, project, id)).collect();
    Answer::json(200, json!({"total_commits": commits.len(), "commits": commits, "files": []}))
}

fn change_files(state: &mut State, call: &Call, caller: &Caller, project: &str) -> Answer {
    let branch = call.text("branch").unwrap_or("main").to_owned();
    let repository = state.projects[project].repository.clone();
    let Some(head) = repository.head(&branch) else {
        return refuse(404, &format!("branch does not exist [name: {branch}]"));
    };
    let mut changes: Vec<Change> = Vec::new();
    for file in call.body["files"].as_array().into_iter().flatten() {
        let path = file["path"].as_str().unwrap_or_default().to_owned();
        let there = repository.blob(&head, &path);
        let operation = file["operation"].as_str().unwrap_or_default();
        match (operation, &there) {
            ("create", Some(_)) => return refuse(422, &format!("repository file already exists [path: {path}]")),
            ("create", None) => {}
            (_, None) => return refuse(404, &format!("repository file does not exist [path: {path}]")),
            (_, Some(there)) => {
                let given = file["sha"].as_str().unwrap_or_default();
                if given != there {
                    return refuse(422, &format!("sha does not match [given: {given}, expected: {there}]"));
                }
            }
        }
        let content = STANDARD.decode(file["content"].as_str().unwrap_or_default());
        let Ok(content) = content else { return refuse(422, "illegal base64 data at input byte 0") };
        changes.push((path, (operation != "delete").then_some(content)));
    }
    let person = Person::of(&caller.login);
    let by = Signature { author: &person, committer: &person, time: state.now() };
    let message = call.text("message").unwrap_or("Update files");
    let id = repository.commit(Some(&head), &changes, message, &by);
    if !repository.set(&format!("refs/heads/{branch}"), &id, Some(&head)) {
        return refuse(409, "branch has moved");
    }
    let whole = commit(state, project, &id);
    let files: Vec<Value> =
        changes.iter().map(|(path, _)| contents(state, project, &id, path).unwrap_or(Value::Null)).collect();
    let made = json!({
        "url": whole["url"], "sha": id, "created": whole["created"], "html_url": whole["html_url"],
        "author": whole["commit"]["author"], "committer": whole["commit"]["committer"], "parents": whole["parents"],
        "message": message, "tree": whole["commit"]["tree"],
    });
    let verification = whole["commit"]["verification"].clone();
    Answer::json(201, json!({"files": files, "commit": made, "verification": verification}))
}

// Objects.

fn refuse(status: u16, message: &str) -> Answer {
    Answer::error(ForgeKind::Gitea, status, message)
}

fn api(state: &State, project: &str) -> String {
    format!("{}/api/v1/repos/{project}", state.origin)
}

fn user(state: &State, login: &str) -> Value {
    let since = time(Timestamp::UNIX_EPOCH);
    json!({
        "id": number_of(login), "login": login, "login_name": "", "source_id": 0, "full_name": "",
        "email": Person::of(login).email, "avatar_url": format!("{}/avatars/{login}", state.origin),
        "html_url": format!("{}/{login}", state.origin), "language": "", "is_admin": false, "last_login": since,
        "created": since, "restricted": false, "active": true, "prohibit_login": false, "location": "", "website": "",
        "description": "", "visibility": "public", "followers_count": 0, "following_count": 0, "starred_repos_count": 0,
    })
}

fn repository(state: &State, project: &Project) -> Value {
    let (owner, name) = project.name.split_once('/').unwrap();
    let since = time(Timestamp::UNIX_EPOCH);
    json!({
        "id": project.id, "owner": user(state, owner), "name": name, "full_name": project.name, "description": "",
        "empty": false, "private": false, "fork": false, "template": false, "parent": null, "mirror": false, "size": 1,
        "language": "", "languages_url": format!("{}/languages", api(state, &project.name)),
        "html_url": format!("{}/{}", state.origin, project.name), "url": api(state, &project.name), "link": "",
        "ssh_url": format!("git@forge.example:{}.git", project.name),
        "clone_url": format!("{}/{}.git", state.origin, project.name), "original_url": "", "website": "", "stars_count": 0,
        "forks_count": 0, "watchers_count": 0, "open_issues_count": 0, "open_pr_counter": 0, "release_counter": 0,
        "default_branch": "main", "archived": project.is_archived, "created_at": since, "updated_at": since,
        "permissions": {"admin": false, "push": true, "pull": true}, "has_issues": true, "has_wiki": false,
        "has_pull_requests": true, "allow_merge_commits": true, "allow_rebase": true, "allow_squash_merge": true,
        "default_delete_branch_after_merge": project.deletes_merged_branches, "default_merge_style": "merge",
    })
}

fn label(state: &State, project: &str, name: &str, id: u64) -> Value {
    json!({
        "id": id, "name": name, "exclusive": false, "is_archived": false, "color": "ededed", "description": "",
        "url": format!("{}/labels/{id}", api(state, project)),
    })
}

fn labels(state: &State, project: &str, number: u64) -> Vec<Value> {
    let found = &state.projects[project];
    let names = found.pulls[&number].labels.iter();
    names.map(|name| label(state, project, name, found.labels.get(name).copied().unwrap_or(1))).collect()
}

fn team(name: &str) -> Value {
    let slug = name.split('/').next_back().unwrap_or_default();
    json!({"id": number_of(name), "name": slug, "description": "", "permission": "write", "units": ["repo.pulls"]})
}

fn pull_object(state: &mut State, project: &str, number: u64) -> Value {
    let is_open = state.projects[project].pulls[&number].is_open();
    let conflict = if is_open { state.conflict(project, number) } else { Some(false) };
    let state = &*state;
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let merged = pull.state == PullState::Merged;
    let own = repository(state, found);
    let base = found.head(&pull.base).unwrap_or_default();
    let side = |label: &str, name: &str, id: &str, repository: Value| json!({"label": label, "ref": name, "sha": id, "repo_id": repository["id"], "repo": repository});
    let kept = format!("refs/pull/{number}/head");
    let head = match &pull.fork {
        Some(fork) => {
            let mut forked = own.clone();
            (forked["id"], forked["full_name"], forked["fork"]) =
                (number_of(fork).into(), fork.clone().into(), true.into());
            side(&pull.head, &pull.head, &pull.head_commit, forked)
        }
        None => match found.head(&pull.head) {
            Some(id) => side(&pull.head, &pull.head, &id, own.clone()),
            None => side(&pull.head, &kept, &pull.head_commit, own.clone()),
        },
    };
    let users = |logins: &std::collections::BTreeSet<String>| -> Vec<Value> {
        logins.iter().map(|login| user(state, login)).collect()
    };
    let html = call::pull_url(state, project, number);
    let assignees = users(&pull.assignees);
    let said = pull.comments.iter().filter(|one| one.kind == CommentKind::Said).count();
    let teams: Vec<Value> = pull.teams.iter().map(|name| team(name)).collect();
    json!({
        "id": pull.id, "url": html, "number": number, "user": user(state, &pull.author), "title": pull.title,
        "body": pull.body, "labels": labels(state, project, number), "milestone": null, "assignee": assignees.first(),
        "assignees": if assignees.is_empty() { Value::Null } else { assignees.clone().into() },
        "requested_reviewers": users(&pull.reviewers), "requested_reviewers_teams": teams,
        "state": if pull.is_open() { "open" } else { "closed" }, "draft": pull.draft, "is_locked": false, "comments": said,
        "html_url": html, "diff_url": format!("{html}.diff"), "patch_url": format!("{html}.patch"),
        "mergeable": conflict == Some(false) && !pull.draft && (pull.has_branch || pull.fork.is_some()), "merged": merged,
        "merged_at": pull.closed.filter(|_| merged).map(time),
        "merge_commit_sha": pull.merge_commit.as_ref().filter(|_| merged),
        "merged_by": pull.closed_by.as_ref().filter(|_| merged).map(|login| user(state, login)),
        "allow_maintainer_edit": false, "base": side(&pull.base, &pull.base, &base, own), "head": head,
        "merge_base": pull.base_commit, "due_date": null, "created_at": time(pull.created),
        "updated_at": time(pull.updated), "closed_at": pull.closed.map(time), "pin_order": 0,
    })
}

fn comment(state: &State, project: &str, number: u64, comment: &super::state::Comment) -> Value {
    let html = call::pull_url(state, project, number);
    json!({
        "id": comment.id, "html_url": format!("{html}#issuecomment-{}", comment.id), "pull_request_url": html,
        "issue_url": "", "user": user(state, &comment.author), "original_author": "", "original_author_id": 0,
        "body": comment.body, "assets": [], "created_at": time(comment.time), "updated_at": time(comment.time),
    })
}

fn timeline(state: &State, project: &str, number: u64) -> Vec<Value> {
    let entries = state.projects[project].pulls[&number].comments.iter();
    entries
        .map(|one| {
            let kind = match one.kind {
                CommentKind::Said => "comment",
                CommentKind::Closed => "close",
                CommentKind::Reopened => "reopen",
                CommentKind::Merged => "merge_pull",
                CommentKind::Pushed => "pull_push",
                CommentKind::Other => "label",
            };
            let mut entry = comment(state, project, number, one);
            let object = entry.as_object_mut().unwrap();
            for name in ["original_author", "original_author_id", "assets"] {
                object.remove(name);
            }
            entry["type"] = kind.into();
            entry["body"] = if one.kind == CommentKind::Said { one.body.clone().into() } else { "".into() };
            entry
        })
        .collect()
}

/// Verdicts, and those who are asked for one.
fn reviews(state: &State, project: &str, number: u64) -> Vec<Value> {
    let pull = &state.projects[project].pulls[&number];
    let html = call::pull_url(state, project, number);
    let review = |id: u64, login: Option<&str>, of: Option<&str>, verdict: &str, commit: &str, at: Timestamp| {
        json!({
            "id": id, "user": login.map(|login| user(state, login)), "team": of.map(team), "state": verdict, "body": "",
            "commit_id": commit, "stale": commit != pull.head_commit, "official": true,
            "dismissed": false, "comments_count": 0, "submitted_at": time(at), "updated_at": time(at),
            "html_url": format!("{html}#issuecomment-{id}"), "pull_request_url": html,
        })
    };
    let mut reviews = Vec::new();
    for one in &pull.reviews {
        let verdict = match one.verdict {
            Verdict::Approved | Verdict::Dismissed => "APPROVED",
            Verdict::ChangesRequested => "REQUEST_CHANGES",
            Verdict::Commented => "COMMENT",
        };
        let mut entry = review(one.id, Some(&one.login), None, verdict, &one.commit, one.time);
        entry["dismissed"] = (one.verdict == Verdict::Dismissed).into();
        reviews.push(entry);
    }
    for login in &pull.reviewers {
        reviews.push(review(number_of(login), Some(login), None, "REQUEST_REVIEW", "", pull.updated));
    }
    for name in &pull.teams {
        reviews.push(review(number_of(name), None, Some(name), "REQUEST_REVIEW", "", pull.updated));
    }
    reviews
}

fn branch_object(state: &State, project: &str, branch: &str, id: &str) -> Value {
    let found = &state.projects[project];
    let record = found.repository.record(id);
    let person = |person: &Person| json!({"name": person.name, "email": person.email, "username": ""});
    let is_guarded = found.requires_checks && branch == "main";
    json!({
        "name": branch, "protected": is_guarded, "required_approvals": 0, "enable_status_check": is_guarded,
        "status_check_contexts": if is_guarded { vec!["ci"] } else { Vec::new() }, "user_can_push": true,
        "user_can_merge": true, "effective_branch_protection_name": if is_guarded { branch } else { "" },
        "commit": {
            "id": id, "message": record.message, "url": format!("{}/{project}/commit/{id}", state.origin),
            "author": person(&record.author), "committer": person(&record.committer), "verification": null,
            "timestamp": time(record.committed), "added": null, "removed": null, "modified": null,
        },
    })
}

fn commit(state: &State, project: &str, id: &str) -> Value {
    let record = state.projects[project].repository.record(id);
    let url = |id: &str| format!("{}/git/commits/{id}", api(state, project));
    let person = |person: &Person, at: Timestamp| json!({"name": person.name, "email": person.email, "date": time(at)});
    let created = time(record.committed);
    let parents: Vec<Value> = record
        .parents
        .iter()
        .map(|parent| json!({"sha": parent, "url": url(parent), "created": time(Timestamp::UNIX_EPOCH)}))
        .collect();
    json!({
        "url": url(id), "sha": id, "created": created, "html_url": format!("{}/{project}/commit/{id}", state.origin),
        "commit": {
            "url": url(id), "author": person(&record.author, record.authored),
            "committer": person(&record.committer, record.committed), "message": record.message,
            "tree": {"url": format!("{}/git/trees/{}", api(state, project), record.tree), "sha": record.tree, "created": created},
            "verification": {"verified": false, "reason": "gpg.error.not_signed_commit", "signature": "", "signer": null, "payload": ""},
        },
        "author": null, "committer": null, "parents": parents, "files": null, "stats": null,
    })
}

fn contents(state: &State, project: &str, commit: &str, path: &str) -> Option<Value> {
    let repository = &state.projects[project].repository;
    let (text, blob) = (repository.file(commit, path)?, repository.blob(commit, path)?);
    let url = format!("{}/contents/{path}?ref={commit}", api(state, project));
    let html = format!("{}/{project}/src/commit/{commit}/{path}", state.origin);
    let git = format!("{}/git/blobs/{blob}", api(state, project));
    Some(json!({
        "name": path.split('/').next_back(), "path": path, "sha": blob, "last_commit_sha": commit, "type": "file",
        "size": text.len(), "encoding": "base64", "content": STANDARD.encode(&text), "target": null, "url": url,
        "html_url": html, "git_url": git, "download_url": format!("{}/{project}/raw/commit/{commit}/{path}", state.origin),
        "submodule_git_url": null, "_links": {"self": url, "git": git, "html": html},
    }))
}
