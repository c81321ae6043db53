//! GitHub and GitHub Enterprise Server, API version 2022-11-28, as <https://docs.github.com/rest> has it.
//!
//! Told nowhere but seen: a closed pull request whose branch was pushed anew is not opened again ("state cannot be changed.
//! The … branch was force-pushed or recreated."); `mergeable` is null until somebody has asked; a merged pull request is
//! `closed`; `merge_commit_sha` of an open one names a commit of a trial merge that is on no branch; reviewers who are no
//! collaborators fail the whole request, assignees who are none are left out without a word.

use jiff::{SignedDuration, Timestamp};
use repin::model::forge::{MergeMethod, PullState};
use serde_json::{Map, Value, json};

use super::call::{self, Answer, Call, Caller, extend, number_of, page, page_of, page_with};
use super::graphql;
use super::repository::{Person, Record};
use super::state::{Access, CommentKind, Opening, Project, Pull, Refusal, Review, State, Token, Verdict};

pub fn answer(state: &mut State, call: &Call) -> Answer {
    if call.user_agent.is_none() {
        return refuse(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        );
    }
    if call.has_bad_body {
        return refuse(400, "Problems parsing JSON");
    }
    match (call.method.as_str(), &call.parts()[..]) {
        ("GET", ["app"]) => return signed(state, call, |state, app| Answer::json(200, integration(state, app))),
        ("GET", ["repos", owner, _, "installation"] | ["orgs" | "users", owner, "installation"]) => {
            return signed(state, call, |state, app| installation(state, app, owner));
        }
        ("POST", ["app", "installations", id, "access_tokens"]) => {
            return signed(state, call, |state, app| installation_token(state, app, id));
        }
        _ => {}
    }
    let caller = match call::caller(state, call) {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    match (call.method.as_str(), &call.parts()[..]) {
        // GitHub Enterprise Server has it beside `/api/v3`, github.com at its root.
        ("POST", ["graphql"] | ["api", "graphql"]) => graphql::answer(state, call, &caller),
        ("GET", ["user"]) => own_user(state, &caller),
        ("GET", ["users", login]) if state.accounts.contains(*login) => Answer::json(200, public_user(state, login)),
        (_, ["repos", owner, name, rest @ ..]) => {
            let project = format!("{owner}/{name}");
            if let Some(refused) = gate(state, call, &caller, &project) {
                return refused;
            }
            state.refresh(&project);
            of_project(state, call, &caller, &project, rest)
        }
        _ => refuse(404, "Not Found"),
    }
}

/// What stands before every answer about a project.
fn gate(state: &State, call: &Call, caller: &Caller, project: &str) -> Option<Answer> {
    let is_hidden = caller.access == Access::Nothing
        || caller.owner.as_deref().is_some_and(|owner| !project.starts_with(&format!("{owner}/")));
    let found = state.projects.get(project).filter(|_| !is_hidden);
    let Some(found) = found else { return Some(refuse(404, "Not Found")) };
    if call.method == "GET" {
        return None;
    }
    if caller.is_anonymous {
        return Some(refuse(401, "Requires authentication"));
    }
    if caller.access != Access::Write {
        return Some(refuse(403, "Resource not accessible by personal access token"));
    }
    found.is_archived.then(|| refuse(403, "Repository was archived so is read-only."))
}

fn of_project(state: &mut State, call: &Call, caller: &Caller, project: &str, rest: &[&str]) -> Answer {
    let not_found = || refuse(404, "Not Found");
    if let ["pulls" | "issues", number, ..] = rest
        && number.parse().ok().and_then(|number| state.pull(project, number)).is_none()
    {
        return not_found();
    }
    let number = rest.get(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    match (call.method.as_str(), rest) {
        ("GET", ["pulls"]) => list(state, call, project),
        ("POST", ["pulls"]) => open(state, call, caller, project),
        ("GET", ["pulls", _]) => Answer::json(200, whole(state, project, number)),
        ("PATCH", ["pulls", _]) => update(state, call, caller, project, number),
        ("POST", ["pulls", _, "requested_reviewers"]) => ask_reviewers(state, call, project, number),
        ("GET", ["pulls", _, "requested_reviewers"]) => {
            let pull = simple(state, project, &state.projects[project].pulls[&number]);
            Answer::json(200, json!({"users": pull["requested_reviewers"], "teams": pull["requested_teams"]}))
        }
        ("GET", ["pulls", _, "reviews"]) => {
            let pull = &state.projects[project].pulls[&number];
            let reviews = pull.reviews.iter().map(|one| review(state, project, pull, one)).collect();
            page(state, call, reviews)
        }
        ("GET", ["issues", _]) => Answer::json(200, issue(state, project, number)),
        ("PATCH", ["issues", _]) => {
            let answer = update(state, call, caller, project, number);
            if answer.status == 200 { Answer::json(200, issue(state, project, number)) } else { answer }
        }
        ("GET", ["issues", _, "labels"]) => page(state, call, labels(state, project, number)),
        ("POST", ["issues", _, "labels"]) => {
            for name in call.list("labels") {
                if name.is_empty() || name.chars().count() > 50 {
                    return invalid("Label", "name", "invalid");
                }
                state.label(project, &name);
                state.touch(project, number, |pull| pull.labels.insert(name));
            }
            Answer::json(200, labels(state, project, number).into())
        }
        ("DELETE", ["issues", _, "labels", name]) => {
            if !state.pull_mut(project, number).labels.contains(*name) {
                return refuse(404, "Label does not exist");
            }
            state.touch(project, number, |pull| pull.labels.remove(*name));
            Answer::json(200, labels(state, project, number).into())
        }
        ("GET", ["issues", _, "comments"]) => {
            let said = state.projects[project].pulls[&number].comments.iter();
            let said = said.filter(|one| one.kind == CommentKind::Said);
            let comments = said.map(|one| comment(state, project, number, one)).collect();
            page(state, call, comments)
        }
        ("POST", ["issues", _, "comments"]) => {
            let text = call.text("body").unwrap_or_default().to_owned();
            if text.is_empty() || text.chars().count() > 65_536 {
                return invalid("IssueComment", "body", "invalid");
            }
            state.comment(project, number, &caller.login, &text);
            let last = state.projects[project].pulls[&number].comments.last().unwrap();
            Answer::json(201, comment(state, project, number, last))
        }
        ("POST", ["issues", _, "assignees"]) => {
            // "Assignees are silently ignored" where they may not be assigned.
            let known: Vec<String> =
                call.list("assignees").into_iter().filter(|login| state.accounts.contains(login)).collect();
            state.touch(project, number, |pull| pull.assignees.extend(known));
            Answer::json(201, issue(state, project, number))
        }
        ("GET", ["compare", names @ ..]) => compare(state, call, project, &names.join("/")),
        ("GET", ["commits", id, "pulls"]) => pulls_of(state, call, project, id),
        ("GET", ["commits", id @ ..]) => {
            let id = id.join("/");
            match state.projects[project].repository.resolve(&id) {
                Some(id) => Answer::json(200, commit(state, project, &id, true)),
                None => refuse(422, &format!("No commit found for SHA: {id}")),
            }
        }
        ("GET", ["git", "ref", "heads", branch @ ..]) => {
            let branch = branch.join("/");
            let Some(id) = state.projects[project].repository.head(&branch) else { return not_found() };
            let url = format!("{}/git", api(state, project));
            Answer::json(
                200,
                json!({
                    "ref": format!("refs/heads/{branch}"), "node_id": "REF", "url": format!("{url}/refs/heads/{branch}"),
                    "object": {"type": "commit", "sha": id, "url": format!("{url}/commits/{id}")},
                }),
            )
        }
        ("GET", []) => Answer::json(200, full_repository(state, &state.projects[project])),
        _ => not_found(),
    }
}

fn list(state: &mut State, call: &Call, project: &str) -> Answer {
    let wanted = call.asked("state").unwrap_or("open");
    let owner = project.split('/').next().unwrap_or_default();
    let is_wanted = |pull: &&Pull| {
        let state = wanted == "all" || (wanted == "open") == pull.is_open();
        // "Filter pulls by head user or head organization and branch name"; without the owner it filters nothing.
        let head = call.asked("head").filter(|head| head.contains(':')).is_none_or(|head| {
            let own = pull.fork.as_deref().map_or(owner, |fork| fork.split('/').next().unwrap_or_default());
            head == format!("{own}:{}", pull.head)
        });
        state && head && call.asked("base").is_none_or(|base| base == pull.base)
    };
    let mut pulls: Vec<&Pull> = state.projects[project].pulls.values().filter(is_wanted).collect();
    match call.asked("sort").unwrap_or("created") {
        "updated" => pulls.sort_by_key(|pull| (pull.updated, pull.number)),
        _ => pulls.sort_by_key(|pull| (pull.created, pull.number)),
    }
    // Without a direction: newest first, "when sort is created or sort is not specified", else ascending.
    let usual = if matches!(call.asked("sort"), None | Some("created")) { "desc" } else { "asc" };
    if call.asked("direction").unwrap_or(usual) == "desc" {
        pulls.reverse();
    }
    let numbers: Vec<u64> = pulls.into_iter().map(|pull| pull.number).collect();
    page_with(state, call, numbers, |state, number| simple(state, project, &state.projects[project].pulls[&number]))
}

fn open(state: &mut State, call: &Call, caller: &Caller, project: &str) -> Answer {
    let owner = project.split('/').next().unwrap_or_default().to_owned();
    let text = |name| call.text(name).unwrap_or_default().to_owned();
    let (head, base, title, body) = (text("head"), text("base"), text("title"), text("body"));
    if let Some(refused) = too_long(&title, &body) {
        return refused;
    }
    if title.is_empty() {
        return invalid("Issue", "title", "missing_field");
    }
    let head = head.strip_prefix(&format!("{owner}:")).unwrap_or(&head).to_owned();
    let draft = call.body["draft"].as_bool().unwrap_or_default();
    let (said_head, said_base) = (head.clone(), base.clone());
    match state.open(project, &caller.login, Opening { head, base, title, body, draft }) {
        Ok(number) => Answer::json(201, whole(state, project, number)),
        Err(Refusal::Exists(_)) => custom(&format!("A pull request already exists for {owner}:{said_head}.")),
        Err(Refusal::NoDifference | Refusal::Same) => {
            custom(&format!("No commits between {said_base} and {said_head}"))
        }
        Err(Refusal::NoBase) => invalid("PullRequest", "base", "invalid"),
        Err(_) => invalid("PullRequest", "head", "invalid"),
    }
}

fn update(state: &mut State, call: &Call, caller: &Caller, project: &str, number: u64) -> Answer {
    let (title, body) = (call.text("title").map(str::to_owned), call.text("body").map(str::to_owned));
    if let Some(refused) = too_long(title.as_deref().unwrap_or_default(), body.as_deref().unwrap_or_default()) {
        return refused;
    }
    match call.text("state") {
        Some("open") => {
            let head = state.projects[project].pulls[&number].head.clone();
            let why = match state.reopen(project, number, &caller.login) {
                Ok(()) => None,
                Err(Refusal::ForcePushed) => Some(format!("The {head} branch was force-pushed or recreated.")),
                Err(Refusal::Gone) => Some(format!("The {head} branch has been deleted.")),
                Err(Refusal::Exists(_)) => Some("There is already an open pull request for this branch.".to_owned()),
                Err(Refusal::Merged) => Some("The pull request has been merged.".to_owned()),
                Err(_) => Some(format!("There are no new commits on the {head} branch.")),
            };
            if let Some(why) = why {
                let message = format!("state cannot be changed. {why}");
                return invalid_with("PullRequest", "state", "invalid", Some(&message));
            }
        }
        Some("closed") if state.projects[project].pulls[&number].is_open() => {
            state.close(project, number, &caller.login);
        }
        Some("closed") | None => {}
        Some(_) => return invalid("PullRequest", "state", "invalid"),
    }
    if title.is_some() || body.is_some() {
        state.touch(project, number, |pull| {
            pull.title = title.unwrap_or_else(|| pull.title.clone());
            pull.body = body.unwrap_or_else(|| pull.body.clone());
        });
    }
    Answer::json(200, whole(state, project, number))
}

fn ask_reviewers(state: &mut State, call: &Call, project: &str, number: u64) -> Answer {
    let owner = project.split('/').next().unwrap_or_default();
    let logins = call.list("reviewers");
    let teams: Vec<String> = call.list("team_reviewers").iter().map(|slug| format!("{owner}/{slug}")).collect();
    if logins.contains(&state.projects[project].pulls[&number].author) {
        return refuse(422, "Review cannot be requested from pull request author.");
    }
    let is_known = logins.iter().all(|login| state.accounts.contains(login));
    if !is_known || !teams.iter().all(|team| state.teams.contains(team)) {
        return refuse(
            422,
            &format!(
                "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the {project} repository."
            ),
        );
    }
    state.touch(project, number, |pull| {
        pull.reviewers.extend(logins);
        pull.teams.extend(teams);
    });
    Answer::json(201, simple(state, project, &state.projects[project].pulls[&number]))
}

fn compare(state: &State, call: &Call, project: &str, names: &str) -> Answer {
    let repository = &state.projects[project].repository;
    let Some((old_name, new_name)) = names.split_once("...") else { return refuse(404, "Not Found") };
    let (Some(old), Some(new)) = (repository.resolve(old_name), repository.resolve(new_name)) else {
        return refuse(404, "Not Found");
    };
    let Some(fork) = repository.merge_base(&old, &new) else {
        return refuse(404, &format!("No common ancestor between {old_name} and {new_name}."));
    };
    let (mut ahead, behind) = (repository.between(&old, &new), repository.between(&new, &old));
    let status = match (ahead.is_empty(), behind.is_empty()) {
        (true, true) => "identical",
        (false, true) => "ahead",
        (true, false) => "behind",
        (false, false) => "diverged",
    };
    // Oldest first, and without pages the 250 oldest.
    ahead.reverse();
    let total = ahead.len();
    let url = format!("{}/{project}/compare/{old_name}...{new_name}", state.origin);
    let files: Vec<Value> = repository
        .changed_files(&fork, &new)
        .into_iter()
        .take(300)
        .map(|(how, path)| file(state, project, &new, &how, &path))
        .collect();
    let body = json!({
        "url": format!("{}/compare/{names}", api(state, project)), "html_url": url, "permalink_url": url,
        "diff_url": format!("{url}.diff"), "patch_url": format!("{url}.patch"),
        "base_commit": commit(state, project, &old, false), "merge_base_commit": commit(state, project, &fork, false),
        "status": status, "ahead_by": total, "behind_by": behind.len(), "total_commits": total,
        "commits": [], "files": files,
    });
    let is_paged = call.asked("page").is_some() || call.asked("per_page").is_some();
    let shown = if is_paged { total } else { total.min(250) };
    let commits: Vec<Value> = ahead[..shown].iter().map(|id| commit(state, project, id, false)).collect();
    if is_paged {
        return page_of(state, call, commits, Answer::json(200, body), |answer, items| {
            answer.body.as_mut().unwrap()["commits"] = items.into();
        });
    }
    let mut body = body;
    body["commits"] = commits.into();
    Answer::json(200, body)
}

/// The merged pull request that brought a commit, or the open ones that hold it.
fn pulls_of(state: &State, call: &Call, project: &str, id: &str) -> Answer {
    let found = &state.projects[project];
    let Some(id) = found.repository.resolve(id) else {
        return refuse(422, &format!("No commit found for SHA: {id}"));
    };
    let holds = |pull: &&Pull| match pull.state {
        PullState::Merged => {
            pull.brought.contains(&id) || found.repository.between(&pull.base_commit, &pull.head_commit).contains(&id)
        }
        _ => found.repository.between(&pull.base_commit, &pull.head_commit).contains(&id),
    };
    page(state, call, found.pulls.values().filter(holds).map(|pull| simple(state, project, pull)).collect())
}

// Apps.

fn signed(state: &mut State, call: &Call, then: impl FnOnce(&mut State, &str) -> Answer) -> Answer {
    let token = call.authorization.as_deref().and_then(|header| header.strip_prefix("Bearer ")).unwrap_or_default();
    match state.apps.verify(token, Timestamp::now()) {
        Ok(app) => then(state, &app),
        Err(why) => refuse(401, why),
    }
}

fn integration(state: &State, id: &str) -> Value {
    let slug = &state.apps.apps[id].slug;
    let now = time(Timestamp::UNIX_EPOCH);
    json!({
        "id": number_of(id), "node_id": "APP", "slug": slug, "client_id": id, "owner": user(state, "acme"), "name": slug,
        "description": null, "external_url": state.origin, "html_url": format!("{}/apps/{slug}", state.origin),
        "created_at": now, "updated_at": now,
        "permissions": {"contents": "write", "metadata": "read", "pull_requests": "write"}, "events": [],
    })
}

fn installation(state: &State, app: &str, owner: &str) -> Answer {
    let found = &state.apps.apps[app];
    let Some(id) = found.installations.get(owner) else { return refuse(404, "Not Found") };
    let now = time(Timestamp::UNIX_EPOCH);
    let url = format!("{}/api/v3/app/installations/{id}", state.origin);
    Answer::json(
        200,
        json!({
            "id": id, "account": user(state, owner), "repository_selection": "all",
            "access_tokens_url": format!("{url}/access_tokens"),
            "repositories_url": format!("{}/api/v3/installation/repositories", state.origin),
            "html_url": format!("{}/organizations/{owner}/settings/installations/{id}", state.origin),
            "app_id": number_of(app), "app_slug": found.slug, "target_id": number_of(owner), "target_type": "Organization",
            "permissions": {"contents": "write", "metadata": "read", "pull_requests": "write"}, "events": [],
            "created_at": now, "updated_at": now, "single_file_name": null, "suspended_by": null, "suspended_at": null,
        }),
    )
}

fn installation_token(state: &mut State, app: &str, id: &str) -> Answer {
    let found = &state.apps.apps[app];
    let owner = found.installations.iter().find(|(_, installed)| installed.to_string() == id);
    let Some(owner) = owner.map(|(owner, _)| owner.clone()) else { return refuse(404, "Not Found") };
    let login = format!("{}[bot]", found.slug);
    let expires = Timestamp::now() + SignedDuration::from_secs(state.apps.life.unwrap_or(3_600));
    let token = format!("ghs_canary-{:029x}", u128::from(state.next()) * 0x0dea_dbee_f123_4567_89ab);
    let made = Token { login, access: Access::Write, expires: Some(expires), owner: Some(owner) };
    state.tokens.insert(token.clone(), made);
    let permissions = json!({"contents": "write", "metadata": "read", "pull_requests": "write"});
    let expires = time(expires);
    Answer::json(
        201,
        json!({"token": token, "expires_at": expires, "permissions": permissions, "repository_selection": "all"}),
    )
}

// Objects.

fn refuse(status: u16, message: &str) -> Answer {
    Answer::error(repin::model::forge::ForgeKind::GitHub, status, message)
}

fn validation(errors: Value) -> Answer {
    let mut answer = refuse(422, "Validation Failed");
    answer.body.as_mut().unwrap()["errors"] = errors;
    answer
}

fn invalid(resource: &str, field: &str, code: &str) -> Answer {
    invalid_with(resource, field, code, None)
}

fn invalid_with(resource: &str, field: &str, code: &str, message: Option<&str>) -> Answer {
    let mut error = json!({"resource": resource, "field": field, "code": code});
    if let Some(message) = message {
        error["message"] = message.into();
    }
    validation(json!([error]))
}

fn custom(message: &str) -> Answer {
    validation(json!([{"resource": "PullRequest", "code": "custom", "message": message}]))
}

fn too_long(title: &str, body: &str) -> Option<Answer> {
    let long = |field, most| {
        let message = format!("{field} is too long (maximum is {most} characters)");
        Some(invalid_with("Issue", field, "custom", Some(&message)))
    };
    match (title.chars().count(), body.chars().count()) {
        (257.., _) => long("title", 256),
        (_, 65_537..) => long("body", 65_536),
        _ => None,
    }
}

fn api(state: &State, project: &str) -> String {
    format!("{}/api/v3/repos/{project}", state.origin)
}

pub fn time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The id by which GraphQL names a pull request.
pub fn node_id(pull: &Pull) -> String {
    format!("PR_kw{:08x}", pull.id)
}

pub fn user_id(login: &str) -> u64 {
    number_of(login)
}

pub fn user(state: &State, login: &str) -> Value {
    let url = format!("{}/api/v3/users/{}", state.origin, login.replace('[', "%5B").replace(']', "%5D"));
    json!({
        "login": login, "id": user_id(login), "node_id": format!("U_{login}"),
        "avatar_url": format!("{}/avatars/u/{}", state.origin, user_id(login)), "gravatar_id": "", "url": url,
        "html_url": format!("{}/{}", state.origin, login.replace("[bot]", "")), "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"), "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"), "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"), "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events{{/privacy}}"), "received_events_url": format!("{url}/received_events"),
        "type": if login.ends_with("[bot]") { "Bot" } else { "User" }, "site_admin": false,
    })
}

fn public_user(state: &State, login: &str) -> Value {
    let (mut body, since) = (user(state, login), time(Timestamp::UNIX_EPOCH));
    let more = json!({
        "name": login, "company": null, "blog": "", "location": null, "email": null, "hireable": null, "bio": null,
        "public_repos": 0, "public_gists": 0, "followers": 0, "following": 0, "created_at": since, "updated_at": since,
    });
    extend(&mut body, more);
    body
}

fn own_user(state: &State, caller: &Caller) -> Answer {
    if caller.is_anonymous {
        return refuse(401, "Requires authentication");
    }
    if caller.owner.is_some() {
        return refuse(403, "Resource not accessible by integration");
    }
    let mut body = public_user(state, &caller.login);
    let more = json!({
        "private_gists": 0, "total_private_repos": 0, "owned_private_repos": 0, "disk_usage": 0, "collaborators": 0,
        "two_factor_authentication": true,
    });
    extend(&mut body, more);
    // The address is there only if the account shows it.
    body["email"] = Person::of(&caller.login).email.into();
    Answer::json(200, body)
}

fn repository(state: &State, project: &Project) -> Value {
    let (owner, name) = project.name.split_once('/').unwrap();
    let url = api(state, &project.name);
    let since = time(Timestamp::UNIX_EPOCH);
    let mut body = json!({
        "id": project.id, "node_id": format!("R_{}", project.id), "name": name, "full_name": project.name,
        "owner": user(state, owner), "private": false, "html_url": format!("{}/{}", state.origin, project.name),
        "description": null, "fork": false, "url": url, "license": null, "forks": 0, "forks_count": 0,
        "stargazers_count": 0, "watchers_count": 0, "watchers": 0, "size": 1, "default_branch": "main",
        "open_issues_count": 0, "open_issues": 0, "has_issues": true, "has_projects": true, "has_wiki": true,
        "has_pages": false, "has_downloads": true, "archived": project.is_archived, "disabled": false,
        "pushed_at": since, "created_at": since, "updated_at": since, "homepage": null, "language": null,
        "mirror_url": null, "visibility": "public",
        "git_url": format!("git://forge.example/{}.git", project.name),
        "ssh_url": format!("git@forge.example:{}.git", project.name),
        "clone_url": format!("{}/{}.git", state.origin, project.name),
        "svn_url": format!("{}/{}", state.origin, project.name),
    });
    let places = [
        ("archive_url", "{archive_format}{/ref}"),
        ("assignees_url", "assignees{/user}"),
        ("blobs_url", "git/blobs{/sha}"),
        ("branches_url", "branches{/branch}"),
        ("collaborators_url", "collaborators{/collaborator}"),
        ("comments_url", "comments{/number}"),
        ("commits_url", "commits{/sha}"),
        ("compare_url", "compare/{base}...{head}"),
        ("contents_url", "contents/{+path}"),
        ("contributors_url", "contributors"),
        ("deployments_url", "deployments"),
        ("downloads_url", "downloads"),
        ("events_url", "events"),
        ("forks_url", "forks"),
        ("git_commits_url", "git/commits{/sha}"),
        ("git_refs_url", "git/refs{/sha}"),
        ("git_tags_url", "git/tags{/sha}"),
        ("issue_comment_url", "issues/comments{/number}"),
        ("issue_events_url", "issues/events{/number}"),
        ("issues_url", "issues{/number}"),
        ("keys_url", "keys{/key_id}"),
        ("labels_url", "labels{/name}"),
        ("languages_url", "languages"),
        ("merges_url", "merges"),
        ("milestones_url", "milestones{/number}"),
        ("notifications_url", "notifications{?since,all,participating}"),
        ("pulls_url", "pulls{/number}"),
        ("releases_url", "releases{/id}"),
        ("stargazers_url", "stargazers"),
        ("statuses_url", "statuses/{sha}"),
        ("subscribers_url", "subscribers"),
        ("subscription_url", "subscription"),
        ("tags_url", "tags"),
        ("teams_url", "teams"),
        ("trees_url", "git/trees{/sha}"),
        ("hooks_url", "hooks"),
    ];
    let places: Map<String, Value> =
        places.into_iter().map(|(name, path)| (name.to_owned(), format!("{url}/{path}").into())).collect();
    body.as_object_mut().unwrap().extend(places);
    body
}

fn full_repository(state: &State, project: &Project) -> Value {
    let mut body = repository(state, project);
    let more = json!({
        "network_count": 0, "subscribers_count": 0, "has_discussions": false, "allow_squash_merge": true,
        "allow_merge_commit": true, "allow_rebase_merge": true, "allow_auto_merge": project.allows_auto_merge,
        "delete_branch_on_merge": project.deletes_merged_branches,
    });
    extend(&mut body, more);
    body
}

fn label_object(state: &State, project: &str, name: &str, id: u64) -> Value {
    json!({
        "id": id, "node_id": format!("LA_{id}"), "url": format!("{}/labels/{}", api(state, project), urlencoded(name)),
        "name": name, "color": "ededed", "default": false, "description": "",
    })
}

fn urlencoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn labels(state: &State, project: &str, number: u64) -> Vec<Value> {
    let found = &state.projects[project];
    let names = found.pulls[&number].labels.iter();
    names.map(|name| label_object(state, project, name, found.labels.get(name).copied().unwrap_or(1))).collect()
}

fn method_name(method: MergeMethod) -> &'static str {
    match method {
        MergeMethod::Merge => "merge",
        MergeMethod::Squash => "squash",
        MergeMethod::Rebase => "rebase",
    }
}

/// A pull request as it stands in lists.
fn simple(state: &State, project: &str, pull: &Pull) -> Value {
    let (url, number) = (format!("{}/pulls/{}", api(state, project), pull.number), pull.number);
    let issue = format!("{}/issues/{number}", api(state, project));
    let html = call::pull_url(state, project, number);
    let owner = project.split('/').next().unwrap();
    let users = |logins: &std::collections::BTreeSet<String>| -> Vec<Value> {
        logins.iter().map(|login| user(state, login)).collect()
    };
    let statuses = format!("{}/statuses/{}", api(state, project), pull.head_commit);
    let side = |branch: &str, commit: &str, owner: &str, repository: Value| {
        json!({
            "label": format!("{owner}:{branch}"), "ref": branch, "sha": commit, "user": user(state, owner), "repo": repository,
        })
    };
    let own = repository(state, &state.projects[project]);
    let head = match &pull.fork {
        None => side(&pull.head, &pull.head_commit, owner, own.clone()),
        Some(fork) => {
            let (from, name) = fork.split_once('/').unwrap();
            let mut forked = own.clone();
            forked["full_name"] = fork.clone().into();
            forked["name"] = name.into();
            forked["fork"] = true.into();
            forked["id"] = number_of(fork).into();
            forked["owner"] = user(state, from);
            side(&pull.head, &pull.head_commit, from, forked)
        }
    };
    let auto_merge = pull.auto_merge.as_ref().map(|(method, by)| {
        json!({
            "enabled_by": user(state, by), "merge_method": method_name(*method), "commit_title": pull.title,
            "commit_message": "",
        })
    });
    // While it is open: a trial merge, which is on no branch.
    let trial = hex::encode(
        &<sha2::Sha256 as sha2::Digest>::digest(format!("{} {}", pull.head_commit, pull.base_commit))[..20],
    );
    let merged = pull.state == PullState::Merged;
    let merge_commit = if merged { pull.merge_commit.clone() } else { Some(trial) };
    let assignees = users(&pull.assignees);
    let teams: Vec<Value> = pull.teams.iter().map(|name| team(state, name)).collect();
    let links = json!({
        "self": {"href": url}, "html": {"href": html}, "issue": {"href": issue},
        "comments": {"href": format!("{issue}/comments")}, "review_comments": {"href": format!("{url}/comments")},
        "review_comment": {"href": format!("{}/pulls/comments{{/number}}", api(state, project))},
        "commits": {"href": format!("{url}/commits")}, "statuses": {"href": statuses},
    });
    json!({
        "url": url, "id": pull.id, "node_id": node_id(pull), "html_url": html, "diff_url": format!("{html}.diff"),
        "patch_url": format!("{html}.patch"), "issue_url": issue, "commits_url": format!("{url}/commits"),
        "review_comments_url": format!("{url}/comments"),
        "review_comment_url": format!("{}/pulls/comments{{/number}}", api(state, project)),
        "comments_url": format!("{issue}/comments"), "statuses_url": statuses, "number": number,
        "state": if pull.is_open() { "open" } else { "closed" }, "locked": false, "title": pull.title,
        "user": user(state, &pull.author), "body": (!pull.body.is_empty()).then_some(&pull.body),
        "labels": labels(state, project, number), "milestone": null, "created_at": time(pull.created),
        "updated_at": time(pull.updated), "closed_at": pull.closed.map(time),
        "merged_at": pull.closed.filter(|_| merged).map(time), "merge_commit_sha": merge_commit,
        "assignee": assignees.first(), "assignees": assignees, "requested_reviewers": users(&pull.reviewers),
        "requested_teams": teams, "head": head, "base": side(&pull.base, &pull.base_commit, owner, own),
        "_links": links, "author_association": "CONTRIBUTOR", "auto_merge": auto_merge, "active_lock_reason": null,
        "draft": pull.draft,
    })
}

/// One pull request with all that is known of it.
fn whole(state: &mut State, project: &str, number: u64) -> Value {
    let is_open = state.projects[project].pulls[&number].is_open();
    let conflict = if is_open { state.conflict(project, number) } else { Some(false) };
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let passed = pull.passed.as_ref() == Some(&pull.head_commit);
    let mergeable_state = match conflict {
        None => "unknown",
        Some(true) => "dirty",
        Some(false) if pull.draft => "draft",
        Some(false) if found.requires_checks && !passed => "blocked",
        Some(false) => "clean",
    };
    let commits = found.repository.between(&pull.base_commit, &pull.head_commit).len();
    let fork = found.repository.merge_base(&pull.base_commit, &pull.head_commit).unwrap();
    let files = found.repository.changed_files(&fork, &pull.head_commit).len();
    let said = pull.comments.iter().filter(|one| one.kind == CommentKind::Said).count();
    let merged = pull.state == PullState::Merged;
    let merged_by = pull.closed_by.as_ref().filter(|_| merged).map(|login| user(state, login));
    let mut body = simple(state, project, pull);
    // Lists tell the parents of teams, single ones do not.
    for team in body["requested_teams"].as_array_mut().unwrap() {
        team.as_object_mut().unwrap().remove("parent");
    }
    let more = json!({
        "merged": merged, "mergeable": if is_open { conflict.map(|conflict| !conflict) } else { None },
        "rebaseable": if is_open { conflict.map(|conflict| !conflict) } else { None },
        "mergeable_state": mergeable_state, "merged_by": merged_by, "comments": said, "review_comments": 0,
        "maintainer_can_modify": false, "commits": commits, "additions": files, "deletions": files, "changed_files": files,
    });
    extend(&mut body, more);
    body
}

fn team(state: &State, name: &str) -> Value {
    let (owner, slug) = name.split_once('/').unwrap_or(("", name));
    let url = format!("{}/api/v3/organizations/{}/team/{}", state.origin, number_of(owner), number_of(name));
    json!({
        "id": number_of(name), "node_id": format!("T_{slug}"), "url": url, "name": slug, "slug": slug, "description": null,
        "privacy": "closed", "permission": "push", "members_url": format!("{url}/members{{/member}}"),
        "repositories_url": format!("{url}/repos"), "html_url": format!("{}/orgs/{owner}/teams/{slug}", state.origin),
        "parent": null, "type": "organization",
    })
}

fn issue(state: &State, project: &str, number: u64) -> Value {
    let pull = &state.projects[project].pulls[&number];
    let url = format!("{}/issues/{number}", api(state, project));
    let html = call::pull_url(state, project, number);
    let assignees: Vec<Value> = pull.assignees.iter().map(|login| user(state, login)).collect();
    let said = pull.comments.iter().filter(|one| one.kind == CommentKind::Said).count();
    let merged = pull.state == PullState::Merged;
    json!({
        "id": pull.id + 1_000_000, "node_id": node_id(pull), "url": url, "repository_url": api(state, project),
        "labels_url": format!("{url}/labels{{/name}}"), "comments_url": format!("{url}/comments"),
        "events_url": format!("{url}/events"), "html_url": html, "number": number,
        "state": if pull.is_open() { "open" } else { "closed" }, "state_reason": null, "title": pull.title,
        "user": user(state, &pull.author), "labels": labels(state, project, number), "assignee": assignees.first(),
        "assignees": assignees, "milestone": null, "locked": false, "active_lock_reason": null, "comments": said,
        "closed_at": pull.closed.map(time), "created_at": time(pull.created), "updated_at": time(pull.updated),
        "body": (!pull.body.is_empty()).then_some(&pull.body), "author_association": "CONTRIBUTOR", "draft": pull.draft,
        "closed_by": pull.closed_by.as_ref().map(|login| user(state, login)),
        "pull_request": {
            "url": format!("{}/pulls/{number}", api(state, project)), "html_url": html, "diff_url": format!("{html}.diff"),
            "patch_url": format!("{html}.patch"), "merged_at": pull.closed.filter(|_| merged).map(time),
        },
    })
}

fn comment(state: &State, project: &str, number: u64, comment: &super::state::Comment) -> Value {
    let url = format!("{}/issues/comments/{}", api(state, project), comment.id);
    json!({
        "id": comment.id, "node_id": format!("IC_{}", comment.id), "url": url,
        "html_url": format!("{}#issuecomment-{}", call::pull_url(state, project, number), comment.id),
        "issue_url": format!("{}/issues/{number}", api(state, project)), "user": user(state, &comment.author),
        "created_at": time(comment.time), "updated_at": time(comment.time), "author_association": "CONTRIBUTOR",
        "body": comment.body,
    })
}

fn review(state: &State, project: &str, pull: &Pull, review: &Review) -> Value {
    let html = format!("{}#pullrequestreview-{}", call::pull_url(state, project, pull.number), review.id);
    let url = format!("{}/pulls/{}", api(state, project), pull.number);
    let verdict = match review.verdict {
        Verdict::Approved => "APPROVED",
        Verdict::ChangesRequested => "CHANGES_REQUESTED",
        Verdict::Commented => "COMMENTED",
        Verdict::Dismissed => "DISMISSED",
    };
    json!({
        "id": review.id, "node_id": format!("PRR_{}", review.id), "user": user(state, &review.login), "body": "",
        "state": verdict, "html_url": html, "pull_request_url": url, "commit_id": review.commit,
        "_links": {"html": {"href": html}, "pull_request": {"href": url}}, "submitted_at": time(review.time),
        "author_association": "MEMBER",
    })
}

fn file(state: &State, project: &str, commit: &str, how: &str, path: &str) -> Value {
    let status = match how {
        "A" => "added",
        "D" => "removed",
        _ => "modified",
    };
    let sha = state.projects[project].repository.blob(commit, path);
    let html = format!("{}/{project}", state.origin);
    json!({
        "sha": sha, "filename": path, "status": status, "additions": 1, "deletions": 1, "changes": 2,
        "blob_url": format!("{html}/blob/{commit}/{path}"), "raw_url": format!("{html}/raw/{commit}/{path}"),
        "contents_url": format!("{}/contents/{path}?ref={commit}", api(state, project)),
    })
}

fn commit(state: &State, project: &str, id: &str, with_files: bool) -> Value {
    let repository = &state.projects[project].repository;
    let record: Record = repository.record(id);
    let (url, html) = (format!("{}/commits/{id}", api(state, project)), format!("{}/{project}/commit", state.origin));
    let git = format!("{}/git", api(state, project));
    let person = |person: &Person, at: Timestamp| json!({"name": person.name, "email": person.email, "date": time(at)});
    // An account is named where the address belongs to one.
    let account = |person: &Person| {
        let login = state.accounts.iter().find(|login| Person::of(login).email == person.email);
        login.map_or(Value::Null, |login| user(state, login))
    };
    let parents: Vec<Value> = record
        .parents
        .iter()
        .map(|parent| json!({"sha": parent, "url": format!("{}/commits/{parent}", api(state, project)), "html_url": format!("{html}/{parent}")}))
        .collect();
    let is_verified = record.committer.email == super::state::WEB_FLOW.1;
    let mut body = json!({
        "url": url, "sha": id, "node_id": format!("C_{id}"), "html_url": format!("{html}/{id}"),
        "comments_url": format!("{url}/comments"),
        "commit": {
            "url": format!("{git}/commits/{id}"), "author": person(&record.author, record.authored),
            "committer": person(&record.committer, record.committed), "message": record.message, "comment_count": 0,
            "tree": {"sha": record.tree, "url": format!("{git}/trees/{}", record.tree)},
            "verification": {
                "verified": is_verified, "reason": if is_verified { "valid" } else { "unsigned" }, "signature": null,
                "payload": null, "verified_at": null,
            },
        },
        "author": account(&record.author), "committer": account(&record.committer), "parents": parents,
    });
    if with_files {
        let parent = record.parents.first();
        let changed = parent.map(|parent| repository.changed_files(parent, id)).unwrap_or_default();
        let files: Vec<Value> = changed.iter().map(|(how, path)| file(state, project, id, how, path)).collect();
        let count = files.len();
        let more = json!({"files": files, "stats": {"additions": count, "deletions": count, "total": 2 * count}});
        extend(&mut body, more);
    }
    body
}
