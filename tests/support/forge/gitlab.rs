//! GitLab, API version 4, as <https://docs.gitlab.com/api/rest/> has it. There is no description of it that a machine could
//! hold requests against, so each route names what it takes, and anything else fails the test.
//!
//! Told in its code or forums only: a draft is a title that begins with `Draft:`; auto-merge and approvals are taken back when
//! commits are added; opening again looks at no branch; a merge "when the pipeline succeeds" is done at once where nothing
//! runs; whoever may not merge is answered 401; lines of texts that begin with `/` can be commands (quick actions).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use repin::model::forge::{ForgeKind, MergeMethod, PullState};
use serde_json::{Value, json};

use super::call::{self, Answer, Call, Caller, number_of, page, page_with};
use super::repository::{Change, Person, Signature};
use super::state::{Access, CommentKind, Opening, Pull, Refusal, State};

/// What every list takes.
const PAGES: [&str; 2] = ["page", "per_page"];
/// Commands that change something (GitLab, "Quick actions").
const COMMANDS: &[&str] = &[
    "approve",
    "assign",
    "assign_reviewer",
    "close",
    "draft",
    "label",
    "merge",
    "milestone",
    "ready",
    "rebase",
    "relabel",
    "remove_label",
    "reopen",
    "title",
    "unapprove",
    "unlabel",
];

pub fn answer(state: &mut State, call: &Call) -> Answer {
    if call.has_bad_body {
        return Answer::json(400, json!({"error": "The request body is not valid JSON"}));
    }
    let caller = match call::caller(state, call) {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    match (call.method.as_str(), &call.parts()[..]) {
        ("GET", ["user"]) if caller.is_anonymous => refuse(401, "401 Unauthorized"),
        ("GET", ["user"]) => {
            takes(state, call, &[], &[]);
            let mut found = user(state, &caller.login);
            for name in ["email", "commit_email", "public_email"] {
                found[name] = Person::of(&caller.login).email.into();
            }
            Answer::json(200, found)
        }
        ("GET", ["users"]) => {
            takes(state, call, &["username"], &[]);
            let wanted = call.asked("username").unwrap_or_default();
            let found = state.accounts.iter().filter(|login| login.eq_ignore_ascii_case(wanted));
            page(state, call, found.map(|login| user(state, login)).collect())
        }
        (_, ["projects", id, rest @ ..]) => {
            let found = state.projects.values().find(|project| project.name == *id || project.id.to_string() == *id);
            let Some(project) = found.map(|project| project.name.clone()).filter(|_| caller.access != Access::Nothing)
            else {
                return refuse(404, "404 Project Not Found");
            };
            if call.method != "GET" {
                if caller.is_anonymous {
                    return refuse(401, "401 Unauthorized");
                }
                if caller.access != Access::Write {
                    let said = "The request requires higher privileges than provided by the access token.";
                    let body = json!({"error": "insufficient_scope", "error_description": said, "scope": "api"});
                    return Answer::json(403, body);
                }
                if state.projects[&project].is_archived {
                    return refuse(403, "403 Forbidden");
                }
            }
            state.refresh(&project);
            of_project(state, call, &caller, &project, rest)
        }
        _ => Answer::json(404, json!({"error": "404 Not Found"})),
    }
}

/// Notes what a request sends that the route does not take.
fn takes(state: &mut State, call: &Call, query: &[&str], body: &[&str]) {
    let mut unknown: Vec<String> = Vec::new();
    let is_asked = |name: &str| query.contains(&name) || (call.method == "GET" && PAGES.contains(&name));
    unknown.extend(call.query.iter().filter(|(name, _)| !is_asked(name)).map(|(name, _)| format!("query.{name}")));
    let sent = call.body.as_object().into_iter().flatten();
    unknown.extend(sent.filter(|(name, _)| !body.contains(&name.as_str())).map(|(name, _)| format!("body.{name}")));
    if !call.body_text.is_empty() && !call.content_type.as_deref().unwrap_or_default().starts_with("application/json") {
        unknown.push(format!("a body of {:?}", call.content_type));
    }
    for one in unknown {
        state.violations.push(format!("{} {}: {one} is not known", call.method, call.target));
    }
}

/// Notes commands in a text: GitLab would carry them out.
fn commands(state: &mut State, call: &Call, text: &str) {
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        let word = line.strip_prefix('/').and_then(|rest| rest.split_whitespace().next());
        if !is_code && word.is_some_and(|word| COMMANDS.contains(&word)) {
            state.violations.push(format!("{} {}: a command is carried out: {line}", call.method, call.target));
        }
    }
}

fn of_project(state: &mut State, call: &Call, caller: &Caller, project: &str, rest: &[&str]) -> Answer {
    if let ["merge_requests", number, ..] = rest
        && number.parse().ok().and_then(|number| state.pull(project, number)).is_none()
    {
        return refuse(404, "404 Not found");
    }
    let number = rest.get(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    match (call.method.as_str(), rest) {
        ("GET", []) => {
            takes(state, call, &["license", "statistics"], &[]);
            Answer::json(200, project_object(state, project))
        }
        ("GET", ["merge_requests"]) => list(state, call, project),
        ("POST", ["merge_requests"]) => open(state, call, caller, project),
        ("GET", ["merge_requests", _]) => {
            takes(state, call, &["include_diverged_commits_count", "include_rebase_in_progress"], &[]);
            Answer::json(200, whole(state, project, number))
        }
        ("PUT", ["merge_requests", _]) => update(state, call, caller, project, number),
        ("PUT", ["merge_requests", _, "merge"]) => merge(state, call, caller, project, number),
        ("POST", ["merge_requests", _, "cancel_merge_when_pipeline_succeeds"]) => {
            stop_merge(state, call, caller, project, number)
        }
        ("GET", ["merge_requests", _, "approvals"]) => {
            takes(state, call, &[], &[]);
            Answer::json(200, approvals(state, project, number))
        }
        ("GET", ["merge_requests", _, "notes"]) => {
            takes(state, call, &["sort", "order_by"], &[]);
            let mut notes: Vec<Value> = state.projects[project].pulls[&number]
                .comments
                .iter()
                .map(|one| note(state, project, number, one))
                .collect();
            if call.asked("sort") != Some("asc") {
                notes.reverse();
            }
            page(state, call, notes)
        }
        ("POST", ["merge_requests", _, "notes"]) => {
            takes(state, call, &[], &["body", "created_at", "internal"]);
            let text = call.text("body").unwrap_or_default().to_owned();
            commands(state, call, &text);
            if text.is_empty() || text.chars().count() > 1_000_000 {
                return Answer::json(400, json!({"error": "body is missing"}));
            }
            state.comment(project, number, &caller.login, &text);
            let last = state.projects[project].pulls[&number].comments.last().unwrap();
            Answer::json(201, note(state, project, number, last))
        }
        ("GET", ["repository", rest @ ..]) => read(state, call, project, rest),
        ("POST", ["repository", "commits"]) => make_commit(state, call, caller, project),
        _ => refuse(404, "404 Not Found"),
    }
}

fn list(state: &mut State, call: &Call, project: &str) -> Answer {
    let taken = [
        "state",
        "order_by",
        "sort",
        "updated_after",
        "updated_before",
        "created_after",
        "source_branch",
        "target_branch",
        "author_username",
        "labels",
        "scope",
        "view",
        "with_merge_status_recheck",
    ];
    takes(state, call, &taken, &[]);
    let since = call.asked("updated_after").map(|text| text.parse::<Timestamp>());
    if let Some(Err(_)) = since {
        return Answer::json(400, json!({"error": "updated_after is invalid"}));
    }
    let since = since.and_then(Result::ok);
    let is_wanted = |pull: &&Pull| {
        let state = match call.asked("state").unwrap_or("all") {
            "opened" => pull.is_open(),
            "closed" => pull.state == PullState::Closed,
            "merged" => pull.state == PullState::Merged,
            _ => true,
        };
        let named = |name, branch: &str| call.asked(name).is_none_or(|asked| asked == branch);
        state
            && named("source_branch", &pull.head)
            && named("target_branch", &pull.base)
            && since.is_none_or(|since| pull.updated >= since)
    };
    let mut pulls: Vec<&Pull> = state.projects[project].pulls.values().filter(is_wanted).collect();
    match call.asked("order_by") {
        Some("updated_at") => pulls.sort_by_key(|pull| (pull.updated, pull.number)),
        _ => pulls.sort_by_key(|pull| (pull.created, pull.number)),
    }
    if call.asked("sort") != Some("asc") {
        pulls.reverse();
    }
    let numbers: Vec<u64> = pulls.into_iter().map(|pull| pull.number).collect();
    page_with(state, call, numbers, |state, number| simple(state, project, number))
}

fn open(state: &mut State, call: &Call, caller: &Caller, project: &str) -> Answer {
    let taken = [
        "source_branch",
        "target_branch",
        "title",
        "description",
        "labels",
        "assignee_ids",
        "reviewer_ids",
        "remove_source_branch",
        "squash",
        "allow_collaboration",
    ];
    takes(state, call, &[], &taken);
    let text = |name| call.text(name).unwrap_or_default().to_owned();
    let (head, base, title, body) = (text("source_branch"), text("target_branch"), text("title"), text("description"));
    commands(state, call, &body);
    for (name, value) in [("source_branch", &head), ("target_branch", &base), ("title", &title)] {
        if value.is_empty() {
            return Answer::json(400, json!({"error": format!("{name} is missing")}));
        }
    }
    if let Some(refused) = too_long(&title, &body) {
        return refused;
    }
    let named = head.clone();
    match state.open(project, &caller.login, Opening { head, base, title, body, draft: false }) {
        Ok(number) => Answer::json(201, whole(state, project, number)),
        Err(Refusal::Exists(number)) => {
            let said = format!("Another open merge request already exists for this source branch: !{number}");
            Answer::json(409, json!({"message": [said]}))
        }
        Err(Refusal::Same) => {
            Answer::json(422, json!({"message": ["You can't use same project/branch for source and target"]}))
        }
        Err(_) => Answer::json(422, json!({"message": [format!("Source branch \"{named}\" does not exist")]})),
    }
}

fn update(state: &mut State, call: &Call, caller: &Caller, project: &str, number: u64) -> Answer {
    let taken = [
        "title",
        "description",
        "state_event",
        "add_labels",
        "remove_labels",
        "labels",
        "assignee_ids",
        "reviewer_ids",
        "target_branch",
        "remove_source_branch",
        "squash",
    ];
    takes(state, call, &[], &taken);
    if call.body.as_object().is_none_or(serde_json::Map::is_empty) {
        return Answer::json(400, json!({"error": "at least one parameter must be provided"}));
    }
    let (title, body) = (call.text("title").unwrap_or_default(), call.text("description").unwrap_or_default());
    commands(state, call, body);
    if let Some(refused) = too_long(title, body) {
        return refused;
    }
    match call.text("state_event") {
        Some("close") => state.close(project, number, &caller.login),
        Some("reopen") => {
            if let Err(Refusal::Exists(other)) = state.reopen(project, number, &caller.login) {
                let said = format!("Another open merge request already exists for this source branch: !{other}");
                return Answer::json(409, json!({"message": [said]}));
            }
        }
        Some(_) => return Answer::json(400, json!({"error": "state_event does not have a valid value"})),
        None => {}
    }
    let names = |key: &str| -> Vec<String> {
        let list = call.text(key).unwrap_or_default().split(',').map(str::trim);
        list.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    for name in names("add_labels") {
        state.label(project, &name);
        state.touch(project, number, |pull| pull.labels.insert(name));
    }
    for name in names("remove_labels") {
        state.touch(project, number, |pull| pull.labels.remove(&name));
    }
    for key in ["assignee_ids", "reviewer_ids"] {
        let Some(ids) = call.body[key].as_array() else { continue };
        let most = if state.projects[project].takes_one_person { 1 } else { usize::MAX };
        let login = |id: &Value| state.accounts.iter().find(|login| *id == number_of(login)).cloned();
        let logins = ids.iter().filter_map(login).take(most).collect();
        state.touch(project, number, |pull| match key {
            "assignee_ids" => pull.assignees = logins,
            _ => pull.reviewers = logins,
        });
    }
    if !title.is_empty() {
        state.touch(project, number, |pull| pull.retitle(ForgeKind::GitLab, title));
    }
    if call.body["description"].is_string() {
        state.touch(project, number, |pull| body.clone_into(&mut pull.body));
    }
    Answer::json(200, whole(state, project, number))
}

fn merge(state: &mut State, call: &Call, caller: &Caller, project: &str, number: u64) -> Answer {
    let taken = [
        "auto_merge",
        "merge_when_pipeline_succeeds",
        "squash",
        "sha",
        "should_remove_source_branch",
        "squash_commit_message",
        "merge_commit_message",
    ];
    takes(state, call, &[], &taken);
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let is_passed = !found.requires_checks || pull.passed.as_ref() == Some(&pull.head_commit);
    let waits = call.body["auto_merge"] == true || call.body["merge_when_pipeline_succeeds"] == true;
    let squashes = call.body["squash"] == true;
    if !found.allows_auto_merge {
        return refuse(401, "401 Unauthorized");
    }
    if !pull.is_open() || pull.draft || !pull.has_branch {
        return refuse(405, "405 Method Not Allowed");
    }
    if call.text("sha").is_some_and(|id| id != pull.head_commit) {
        return refuse(409, &format!("SHA does not match HEAD of source branch: {}", pull.head_commit));
    }
    let method = if squashes { MergeMethod::Squash } else { found.merge_method };
    if waits && !is_passed {
        let login = caller.login.clone();
        state.touch(project, number, |pull| pull.auto_merge = Some((method, login)));
        return Answer::json(200, whole(state, project, number));
    }
    if !is_passed {
        return refuse(405, "405 Method Not Allowed");
    }
    match state.merge(project, number, method, &caller.login) {
        Some(_) => Answer::json(200, whole(state, project, number)),
        None => refuse(422, "Branch cannot be merged"),
    }
}

/// `AutoMergeService#cancel`: what it returns is the body, so its 406 comes with the status of a good answer.
fn stop_merge(state: &mut State, call: &Call, caller: &Caller, project: &str, number: u64) -> Answer {
    takes(state, call, &[], &[]);
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    if !found.allows_auto_merge && pull.author != caller.login {
        return refuse(401, "401 Unauthorized");
    }
    if pull.auto_merge.is_none() {
        let said = "Can't cancel the automatic merge";
        return Answer::json(201, json!({"message": said, "http_status": 406, "status": "error"}));
    }
    state.touch(project, number, |pull| pull.auto_merge = None);
    Answer::json(201, json!({"status": "success"}))
}

fn read(state: &mut State, call: &Call, project: &str, rest: &[&str]) -> Answer {
    let repository = state.projects[project].repository.clone();
    match rest {
        ["branches", branch] => {
            takes(state, call, &[], &[]);
            let Some(id) = repository.head(branch) else { return refuse(404, "404 Branch Not Found") };
            Answer::json(
                200,
                json!({
                    "name": branch, "commit": commit(state, project, &id), "merged": false, "protected": *branch == "main",
                    "developers_can_push": false, "developers_can_merge": false, "can_push": true, "default": *branch == "main",
                    "web_url": format!("{}/{project}/-/tree/{branch}", state.origin),
                }),
            )
        }
        ["files", path] => {
            takes(state, call, &["ref"], &[]);
            let revision = call.asked("ref").unwrap_or_default().to_owned();
            let Some(id) = repository.resolve(&revision) else { return refuse(404, "404 Commit Not Found") };
            let Some(text) = repository.file(&id, path) else { return refuse(404, "404 File Not Found") };
            Answer::json(
                200,
                json!({
                    "file_name": path.split('/').next_back(), "file_path": path, "size": text.len(), "encoding": "base64",
                    "content": STANDARD.encode(&text), "ref": revision, "blob_id": repository.blob(&id, path),
                    "commit_id": id, "last_commit_id": repository.last_change(&id, path), "execute_filemode": false,
                }),
            )
        }
        ["compare"] => {
            takes(state, call, &["from", "to", "straight"], &[]);
            let end = |name| call.asked(name).and_then(|revision| repository.resolve(revision));
            let (Some(old), Some(new)) = (end("from"), end("to")) else { return refuse(404, "404 Ref Not Found") };
            let mut ids = repository.between(&old, &new);
            ids.reverse();
            let commits: Vec<Value> = ids.iter().map(|id| commit(state, project, id)).collect();
            let url = format!("{}/{project}/-/compare/{old}...{new}", state.origin);
            Answer::json(
                200,
                json!({
                    "commit": commits.last(), "commits": commits, "diffs": [], "compare_timeout": false,
                    "compare_same_ref": old == new, "web_url": url,
                }),
            )
        }
        ["merge_base"] => {
            takes(state, call, &["refs[]"], &[]);
            let refs: Vec<_> = call.query.iter().filter(|(name, _)| name == "refs[]").collect();
            let [(_, one), (_, other)] = refs[..] else {
                return refuse(400, "400 Bad request - Provide at least 2 refs");
            };
            let ends = repository.resolve(one).zip(repository.resolve(other));
            let Some((one, other)) = ends else { return refuse(400, "400 Bad request - Could not find ref") };
            match repository.merge_base(&one, &other) {
                Some(id) => Answer::json(200, commit(state, project, &id)),
                None => refuse(404, "404 Merge Base Not Found"),
            }
        }
        ["commits", id] => {
            takes(state, call, &["stats"], &[]);
            match repository.resolve(id) {
                Some(id) => Answer::json(200, commit(state, project, &id)),
                None => refuse(404, "404 Commit Not Found"),
            }
        }
        ["commits", id, "merge_requests"] => {
            takes(state, call, &["state"], &[]);
            let Some(id) = repository.resolve(id) else { return refuse(404, "404 Commit Not Found") };
            let holds = |pull: &&Pull| {
                pull.brought.contains(&id) || repository.between(&pull.base_commit, &pull.head_commit).contains(&id)
            };
            let pulls = state.projects[project].pulls.values();
            let numbers: Vec<u64> = pulls.filter(holds).map(|pull| pull.number).collect();
            page_with(state, call, numbers, |state, number| simple(state, project, number))
        }
        _ => refuse(404, "404 Not Found"),
    }
}

fn make_commit(state: &mut State, call: &Call, caller: &Caller, project: &str) -> Answer {
    let taken = [
        "branch",
        "commit_message",
        "actions",
        "stats",
        "start_sha",
        "start_branch",
        "force",
        "author_email",
        "author_name",
    ];
    takes(state, call, &[], &taken);
    let repository = state.projects[project].repository.clone();
    let branch = call.text("branch").unwrap_or_default().to_owned();
    let Some(head) = repository.head(&branch) else {
        return refuse(400, "You can only create or edit files when you are on a branch");
    };
    let mut changes: Vec<Change> = Vec::new();
    for action in call.body["actions"].as_array().into_iter().flatten() {
        let path = action["file_path"].as_str().unwrap_or_default().to_owned();
        let is_there = repository.blob(&head, &path).is_some();
        let kind = action["action"].as_str().unwrap_or_default();
        match (kind, is_there) {
            ("create", true) => return refuse(400, "A file with this name already exists"),
            ("update" | "delete", false) => return refuse(400, "A file with this name doesn't exist"),
            ("create" | "update" | "delete", _) => {}
            _ => return Answer::json(400, json!({"error": "actions[0][action] does not have a valid value"})),
        }
        let last = action["last_commit_id"].as_str();
        if is_there && last.is_some_and(|last| last != repository.last_change(&head, &path)) {
            let said = format!("The file has changed since you started editing it: {path}");
            return refuse(400, &said);
        }
        let text = action["content"].as_str().unwrap_or_default();
        let content = match action["encoding"].as_str() {
            Some("base64") => STANDARD.decode(text).unwrap_or_default(),
            _ => text.as_bytes().to_vec(),
        };
        changes.push((path, (kind != "delete").then_some(content)));
    }
    let person = Person::of(&caller.login);
    let by = Signature { author: &person, committer: &person, time: state.now() };
    let id = repository.commit(Some(&head), &changes, call.text("commit_message").unwrap_or_default(), &by);
    if !repository.set(&format!("refs/heads/{branch}"), &id, Some(&head)) {
        return refuse(400, "Could not update refs/heads. Please refresh and try again.");
    }
    Answer::json(201, commit(state, project, &id))
}

// Objects.

fn refuse(status: u16, message: &str) -> Answer {
    Answer::error(ForgeKind::GitLab, status, message)
}

fn too_long(title: &str, body: &str) -> Option<Answer> {
    let long = |field: &str, most: usize| {
        let said = format!("is too long (maximum is {most} characters)");
        Some(Answer::json(400, json!({"message": {field: [said]}})))
    };
    match (title.chars().count(), body.chars().count()) {
        (256.., _) => long("title", 255),
        (_, 1_048_577..) => long("description", 1_048_576),
        _ => None,
    }
}

/// GitLab tells milliseconds.
fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

fn user(state: &State, login: &str) -> Value {
    json!({
        "id": number_of(login), "username": login, "name": login, "state": "active", "locked": false,
        "avatar_url": null, "web_url": format!("{}/{login}", state.origin),
    })
}

fn project_object(state: &State, project: &str) -> Value {
    let found = &state.projects[project];
    let method = match found.merge_method {
        MergeMethod::Merge | MergeMethod::Squash => "merge",
        MergeMethod::Rebase => "ff",
    };
    json!({
        "id": found.id, "name": project.split('/').next_back(), "path_with_namespace": project, "default_branch": "main",
        "web_url": format!("{}/{project}", state.origin), "archived": found.is_archived, "merge_method": method,
        "merge_requests_enabled": true, "squash_option": "default_off", "visibility": "private",
        "only_allow_merge_if_pipeline_succeeds": found.requires_checks,
        "remove_source_branch_after_merge": found.deletes_merged_branches,
    })
}

/// A merge request as it stands in lists.
fn simple(state: &mut State, project: &str, number: u64) -> Value {
    let is_open = state.projects[project].pulls[&number].is_open();
    let conflict = if is_open { state.conflict(project, number) } else { Some(false) };
    let state = &*state;
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let is_passed = !found.requires_checks || pull.passed.as_ref() == Some(&pull.head_commit);
    let (merge_status, detailed) = match conflict {
        _ if !is_open => ("can_be_merged", "not_open"),
        None => ("checking", "checking"),
        Some(true) => ("cannot_be_merged", "conflict"),
        Some(false) if pull.draft => ("can_be_merged", "draft_status"),
        Some(false) if !is_passed => ("can_be_merged", "ci_still_running"),
        Some(false) => ("can_be_merged", "mergeable"),
    };
    let users = |logins: &std::collections::BTreeSet<String>| -> Vec<Value> {
        logins.iter().map(|login| user(state, login)).collect()
    };
    let (merged, closed) = (pull.state == PullState::Merged, pull.state == PullState::Closed);
    let by = pull.closed_by.as_ref().map(|login| user(state, login));
    let assignees = users(&pull.assignees);
    let said = pull.comments.iter().filter(|one| one.kind == CommentKind::Said).count();
    let source = pull.fork.as_ref().map_or(found.id, |fork| number_of(fork));
    let mut body = json!({
        "id": pull.id, "iid": number, "project_id": found.id, "title": pull.title, "description": pull.body,
        "state": match pull.state {
            PullState::Open => "opened",
            PullState::Closed => "closed",
            PullState::Merged => "merged",
        },
        "created_at": time(pull.created), "updated_at": time(pull.updated),
        "merged_at": pull.closed.filter(|_| merged).map(time), "closed_at": pull.closed.filter(|_| closed).map(time),
        "merge_user": if merged { by.clone() } else { None }, "merged_by": if merged { by.clone() } else { None },
        "closed_by": if closed { by } else { None }, "target_branch": pull.base, "source_branch": pull.head,
        "user_notes_count": said, "upvotes": 0, "downvotes": 0, "author": user(state, &pull.author),
        "assignee": assignees.first(), "assignees": assignees, "reviewers": users(&pull.reviewers),
    });
    let more = json!({
        "source_project_id": source, "target_project_id": found.id, "labels": pull.labels, "draft": pull.draft,
        "work_in_progress": pull.draft, "milestone": null, "merge_when_pipeline_succeeds": pull.auto_merge.is_some(),
        "merge_status": merge_status, "detailed_merge_status": detailed, "sha": pull.head_commit,
        "merge_commit_sha": pull.merge_commit, "squash_commit_sha": pull.squash_commit, "discussion_locked": null,
        "should_remove_source_branch": null, "force_remove_source_branch": false, "reference": format!("!{number}"),
        "references": {"short": format!("!{number}"), "relative": format!("!{number}"), "full": format!("{project}!{number}")},
        "web_url": call::pull_url(state, project, number), "squash": false, "squash_on_merge": false,
        "has_conflicts": conflict == Some(true), "blocking_discussions_resolved": true,
    });
    call::extend(&mut body, more);
    body
}

/// One merge request with all that is known of it.
fn whole(state: &mut State, project: &str, number: u64) -> Value {
    let mut body = simple(state, project, number);
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let status = if pull.passed.as_ref() == Some(&pull.head_commit) { "success" } else { "running" };
    let pipeline = found.requires_checks.then(
        || json!({"id": number_of(&pull.head_commit), "sha": pull.head_commit, "ref": pull.head, "status": status}),
    );
    body["head_pipeline"] = pipeline.clone().unwrap_or_default();
    body["pipeline"] = pipeline.unwrap_or_default();
    body["diff_refs"] =
        json!({"base_sha": pull.base_commit, "head_sha": pull.head_commit, "start_sha": pull.base_commit});
    body["user"] = json!({"can_merge": true});
    body["merge_error"] = Value::Null;
    body
}

fn approvals(state: &State, project: &str, number: u64) -> Value {
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let given: Vec<Value> = pull
        .approvals(ForgeKind::GitLab)
        .into_iter()
        .map(|review| json!({"user": user(state, &review.login), "approved_at": time(review.time)}))
        .collect();
    json!({
        "id": pull.id, "iid": number, "project_id": found.id, "title": pull.title, "approvals_required": 1,
        "approvals_left": usize::from(given.is_empty()), "approved": !given.is_empty(), "approved_by": given,
    })
}

fn note(state: &State, project: &str, number: u64, comment: &super::state::Comment) -> Value {
    let found = &state.projects[project];
    json!({
        "id": comment.id, "type": null, "body": comment.body, "author": user(state, &comment.author),
        "created_at": time(comment.time), "updated_at": time(comment.time), "system": comment.kind != CommentKind::Said,
        "noteable_id": found.pulls[&number].id, "noteable_type": "MergeRequest", "noteable_iid": number,
        "project_id": found.id, "resolvable": false, "confidential": false, "internal": false,
    })
}

fn commit(state: &State, project: &str, id: &str) -> Value {
    let record = state.projects[project].repository.record(id);
    json!({
        "id": id, "short_id": &id[..8], "created_at": time(record.committed), "parent_ids": record.parents,
        "title": record.subject(), "message": record.message, "author_name": record.author.name,
        "author_email": record.author.email, "authored_date": time(record.authored),
        "committer_name": record.committer.name, "committer_email": record.committer.email,
        "committed_date": time(record.committed), "trailers": {}, "extended_trailers": {},
        "web_url": format!("{}/{project}/-/commit/{id}", state.origin),
    })
}
