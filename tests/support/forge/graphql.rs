//! GitHub's GraphQL API as far as its REST API has no counterpart: auto-merge and commits made by GitHub
//! (<https://docs.github.com/graphql>), and reading pull requests and commits.
//!
//! Queries are parsed, and an unknown field or argument is an error with status 200, as there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use repin::model::forge::{ForgeKind, MergeMethod, PullState};
use serde_json::{Map, Value, json};

use super::call::{self, Answer, Call, Caller};
use super::github::{node_id, time, user_id};
use super::repository::{Change, Person, Signature};
use super::state::{Access, Pull, State, WEB_FLOW};

/// One field that is asked for.
#[derive(Clone, Debug)]
struct Field {
    alias: String,
    name: String,
    arguments: Map<String, Value>,
    fields: Vec<Field>,
}

/// An error as it stands beside the data.
struct Failure {
    kind: &'static str,
    message: String,
}

pub fn answer(state: &mut State, call: &Call, caller: &Caller) -> Answer {
    if caller.is_anonymous {
        return Answer::error(ForgeKind::GitHub, 401, "This endpoint requires you to be authenticated.");
    }
    let variables = call.body["variables"].as_object().cloned().unwrap_or_default();
    let parsed = call.text("query").ok_or_else(|| "A query attribute must be specified".to_owned());
    let (is_mutation, fields) = match parsed.and_then(|text| Parser::read(text, &variables)) {
        Ok(parsed) => parsed,
        Err(message) => return Answer::json(200, json!({"errors": [{"message": message}]})),
    };
    let (mut data, mut errors) = (Map::new(), Vec::new());
    for field in fields {
        let resolved = if is_mutation { mutate(state, caller, &field) } else { query(state, caller, &field) };
        let value = resolved.and_then(|value| select(value, &field));
        if let Err(failure) = &value {
            let Failure { kind, message } = failure;
            let mut error = json!({"message": message, "path": [field.alias], "locations": [{"line": 1, "column": 1}]});
            if !kind.is_empty() {
                error["type"] = (*kind).into();
            }
            errors.push(error);
        }
        data.insert(field.alias, value.unwrap_or(Value::Null));
    }
    if errors.is_empty() {
        return Answer::json(200, json!({"data": data}));
    }
    Answer::json(200, json!({"data": data, "errors": errors}))
}

fn failure(kind: &'static str, message: impl Into<String>) -> Failure {
    Failure { kind, message: message.into() }
}

fn query(state: &mut State, caller: &Caller, field: &Field) -> Result<Value, Failure> {
    match field.name.as_str() {
        "viewer" => Ok(json!({"login": caller.login, "databaseId": user_id(&caller.login)})),
        "repository" => {
            let part = |name: &str| field.arguments.get(name).and_then(Value::as_str).unwrap_or_default();
            let name = format!("{}/{}", part("owner"), part("name"));
            if !is_visible(state, caller, &name) {
                let message = format!("Could not resolve to a Repository with the name '{name}'.");
                return Err(failure("NOT_FOUND", message));
            }
            state.refresh(&name);
            repository(state, &name, field)
        }
        other => Err(failure("", format!("Field '{other}' doesn't exist on type 'Query'"))),
    }
}

/// The fields of a repository that take arguments are resolved here; each stands under its alias.
fn repository(state: &mut State, name: &str, field: &Field) -> Result<Value, Failure> {
    let project = &state.projects[name];
    let mut found = json!({
        "id": format!("R_{}", project.id), "nameWithOwner": name, "autoMergeAllowed": project.allows_auto_merge,
        "isArchived": project.is_archived,
    });
    for one in &field.fields {
        let argument = |name: &str| one.arguments.get(name).cloned().unwrap_or_default();
        let value = match one.name.as_str() {
            "pullRequest" => {
                let number = argument("number").as_u64().unwrap_or_default();
                if state.pull(name, number).is_none() {
                    let message = format!("Could not resolve to a PullRequest with the number of {number}.");
                    return Err(failure("NOT_FOUND", message));
                }
                pull_object(state, name, number)
            }
            "object" => {
                let asked = [argument("oid"), argument("expression")];
                let revision = asked.iter().find_map(Value::as_str).unwrap_or_default();
                match state.projects[name].repository.resolve(revision) {
                    Some(id) => commit_object(state, name, &id),
                    None => Value::Null,
                }
            }
            "ref" => {
                let text = argument("qualifiedName").as_str().unwrap_or_default().to_owned();
                let head = state.projects[name].repository.head(text.trim_start_matches("refs/heads/"));
                head.map_or(Value::Null, |id| json!({"name": text, "target": {"oid": id}}))
            }
            _ => continue,
        };
        found[&one.alias] = value;
        found[&one.name] = found[&one.alias].clone();
    }
    Ok(found)
}

fn pull_object(state: &mut State, project: &str, number: u64) -> Value {
    let conflict = state.pull(project, number).is_some_and(Pull::is_open).then(|| state.conflict(project, number));
    let mergeable = match conflict {
        Some(Some(true)) => "CONFLICTING",
        Some(Some(false)) => "MERGEABLE",
        Some(None) | None => "UNKNOWN",
    };
    let mut body = pull_brief(state, project, &state.projects[project].pulls[&number]);
    body["mergeable"] = mergeable.into();
    body
}

fn pull_brief(state: &State, project: &str, pull: &Pull) -> Value {
    let merged = pull.state == PullState::Merged;
    let labels: Vec<Value> = pull.labels.iter().map(|name| json!({"name": name})).collect();
    let auto = pull.auto_merge.as_ref().map(|(method, by)| {
        json!({"mergeMethod": method_name(*method), "enabledBy": {"login": by}, "enabledAt": time(pull.updated)})
    });
    json!({
        "id": node_id(pull), "number": pull.number, "title": pull.title, "body": pull.body,
        "url": call::pull_url(state, project, pull.number),
        "state": match pull.state {
            PullState::Open => "OPEN",
            PullState::Closed => "CLOSED",
            PullState::Merged => "MERGED",
        },
        "isDraft": pull.draft, "headRefName": pull.head, "headRefOid": pull.head_commit, "baseRefName": pull.base,
        "isCrossRepository": pull.fork.is_some(), "author": {"login": pull.author}, "merged": merged,
        "createdAt": time(pull.created), "updatedAt": time(pull.updated), "closedAt": pull.closed.map(time),
        "mergedAt": pull.closed.filter(|_| merged).map(time),
        "mergeCommit": pull.merge_commit.as_ref().map(|id| json!({"oid": id})),
        "labels": {"nodes": labels, "totalCount": labels.len()}, "autoMergeRequest": auto,
        "baseRepository": {"nameWithOwner": project},
    })
}

fn commit_object(state: &State, project: &str, id: &str) -> Value {
    let found = &state.projects[project];
    let record = found.repository.record(id);
    let holds = |pull: &&Pull| {
        pull.brought.contains(&record.id)
            || found.repository.between(&pull.base_commit, &pull.head_commit).contains(&record.id)
    };
    let pulls: Vec<Value> = found.pulls.values().filter(holds).map(|pull| pull_brief(state, project, pull)).collect();
    json!({
        "oid": record.id, "message": record.message, "messageHeadline": record.subject(),
        "url": format!("{}/{project}/commit/{id}", state.origin), "authoredDate": time(record.authored),
        "committedDate": time(record.committed), "author": {"name": record.author.name, "email": record.author.email},
        "associatedPullRequests": {"nodes": pulls, "totalCount": pulls.len()},
    })
}

fn mutate(state: &mut State, caller: &Caller, field: &Field) -> Result<Value, Failure> {
    let input = field.arguments.get("input").cloned().unwrap_or_default();
    let known: &[&str] = match field.name.as_str() {
        "enablePullRequestAutoMerge" => &[
            "authorEmail",
            "clientMutationId",
            "commitBody",
            "commitHeadline",
            "expectedHeadOid",
            "mergeMethod",
            "pullRequestId",
        ],
        "disablePullRequestAutoMerge" => &["clientMutationId", "pullRequestId"],
        "createCommitOnBranch" => &["branch", "clientMutationId", "expectedHeadOid", "fileChanges", "message"],
        other => return Err(failure("", format!("Field '{other}' doesn't exist on type 'Mutation'"))),
    };
    for name in input.as_object().into_iter().flat_map(Map::keys).filter(|name| !known.contains(&name.as_str())) {
        state.violations.push(format!("GraphQL {}: there is no argument `{name}`", field.name));
    }
    if caller.access != Access::Write {
        return Err(failure("FORBIDDEN", "Resource not accessible by personal access token"));
    }
    if field.name == "createCommitOnBranch" {
        return create_commit(state, caller, &input);
    }
    let id = input["pullRequestId"].as_str().unwrap_or_default();
    let pulls = state.projects.iter().flat_map(|(name, project)| project.pulls.values().map(move |pull| (name, pull)));
    let found = pulls.into_iter().find(|(_, pull)| node_id(pull) == id);
    let found =
        found.map(|(name, pull)| (name.clone(), pull.number)).filter(|(name, _)| is_visible(state, caller, name));
    let Some((project, number)) = found else {
        return Err(failure("NOT_FOUND", format!("Could not resolve to a node with the global id of '{id}'.")));
    };
    state.refresh(&project);
    if field.name == "disablePullRequestAutoMerge" {
        let is_stopped = state.pull(&project, number).is_some_and(|pull| pull.is_open() && pull.auto_merge.is_some());
        if !is_stopped {
            return Err(failure("UNPROCESSABLE", "Pull request Can't disable auto-merge for this pull request"));
        }
        state.touch(&project, number, |pull| pull.auto_merge = None);
    } else {
        enable_auto_merge(state, caller, &project, number, &input)?;
    }
    Ok(json!({
        "clientMutationId": input["clientMutationId"], "actor": {"login": caller.login},
        "pullRequest": pull_object(state, &project, number),
    }))
}

fn enable_auto_merge(
    state: &mut State,
    caller: &Caller,
    project: &str,
    number: u64,
    input: &Value,
) -> Result<(), Failure> {
    let found = &state.projects[project];
    let pull = &found.pulls[&number];
    let method = match input["mergeMethod"].as_str() {
        Some("MERGE") | None => MergeMethod::Merge,
        Some("SQUASH") => MergeMethod::Squash,
        Some("REBASE") => MergeMethod::Rebase,
        Some(other) => return Err(failure("", format!("Argument 'mergeMethod' has an invalid value ({other})"))),
    };
    let is_passed = !found.requires_checks || pull.passed.as_ref() == Some(&pull.head_commit);
    let refused = if input["expectedHeadOid"].as_str().is_some_and(|id| id != pull.head_commit) {
        Some("Head sha didn't match")
    } else if !found.allows_auto_merge {
        Some("Auto merge is not allowed for this repository")
    } else if !pull.is_open() {
        Some("Pull request is closed")
    } else if pull.draft {
        Some("Pull request is in draft status")
    } else if is_passed && !found.has_conflict(pull) {
        Some("Pull request is in clean status")
    } else {
        None
    };
    if let Some(refused) = refused {
        return Err(failure("UNPROCESSABLE", format!("Pull request {refused}")));
    }
    let login = caller.login.clone();
    state.touch(project, number, |pull| pull.auto_merge = Some((method, login)));
    Ok(())
}

fn create_commit(state: &mut State, caller: &Caller, input: &Value) -> Result<Value, Failure> {
    let name = input["branch"]["repositoryNameWithOwner"].as_str().unwrap_or_default().to_owned();
    let branch =
        input["branch"]["branchName"].as_str().unwrap_or_default().trim_start_matches("refs/heads/").to_owned();
    if !is_visible(state, caller, &name) {
        return Err(failure("NOT_FOUND", format!("Could not resolve to a Repository with the name '{name}'.")));
    }
    let repository = state.projects[&name].repository.clone();
    let expected = input["expectedHeadOid"].as_str().unwrap_or_default().to_owned();
    let Some(head) = repository.head(&branch) else {
        return Err(failure("NOT_FOUND", format!("A branch named '{branch}' was not found.")));
    };
    if head != expected {
        let message = format!("Expected branch to point to \"{expected}\" but it did not. Pull and try again.");
        return Err(failure("STALE_DATA", message));
    }
    let mut changes: Vec<Change> = Vec::new();
    for one in input["fileChanges"]["additions"].as_array().into_iter().flatten() {
        let path = one["path"].as_str().unwrap_or_default().to_owned();
        let content = STANDARD.decode(one["contents"].as_str().unwrap_or("?"));
        let content = content.map_err(|_| failure("UNPROCESSABLE", "contents is not valid base64"))?;
        changes.push((path, Some(content)));
    }
    for one in input["fileChanges"]["deletions"].as_array().into_iter().flatten() {
        changes.push((one["path"].as_str().unwrap_or_default().to_owned(), None));
    }
    let headline = input["message"]["headline"].as_str().unwrap_or_default();
    if headline.is_empty() {
        return Err(failure("UNPROCESSABLE", "A message headline is required"));
    }
    let body = input["message"]["body"].as_str().filter(|body| !body.is_empty());
    let message = body.map_or(headline.to_owned(), |body| format!("{headline}\n\n{body}"));
    let host = url::Url::parse(&state.origin).unwrap().host_str().unwrap().to_owned();
    let address = format!("{}+{}@users.noreply.{host}", user_id(&caller.login), caller.login);
    let author = Person::new(&caller.login, &address);
    let committer = Person::new(WEB_FLOW.0, WEB_FLOW.1);
    let by = Signature { author: &author, committer: &committer, time: state.now() };
    let id = repository.commit(Some(&head), &changes, &message, &by);
    if !repository.set(&format!("refs/heads/{branch}"), &id, Some(&head)) {
        let message = format!("Expected branch to point to \"{expected}\" but it did not. Pull and try again.");
        return Err(failure("STALE_DATA", message));
    }
    let url = format!("{}/{name}/commit/{id}", state.origin);
    Ok(json!({
        "clientMutationId": input["clientMutationId"], "commit": {"oid": id, "url": url},
        "ref": {"name": branch, "target": {"oid": id}},
    }))
}

fn is_visible(state: &State, caller: &Caller, name: &str) -> bool {
    let is_own = caller.owner.as_deref().is_none_or(|owner| name.starts_with(&format!("{owner}/")));
    state.projects.contains_key(name) && caller.access != Access::Nothing && is_own
}

fn method_name(method: MergeMethod) -> &'static str {
    match method {
        MergeMethod::Merge => "MERGE",
        MergeMethod::Squash => "SQUASH",
        MergeMethod::Rebase => "REBASE",
    }
}

/// What was asked for of a value.
fn select(value: Value, field: &Field) -> Result<Value, Failure> {
    if field.fields.is_empty() {
        return Ok(value);
    }
    match value {
        Value::Array(items) => {
            Ok(Value::Array(items.into_iter().map(|item| select(item, field)).collect::<Result<_, _>>()?))
        }
        Value::Object(object) => {
            let mut chosen = Map::new();
            for one in &field.fields {
                let found = object.get(&one.alias).or_else(|| object.get(&one.name));
                let found = found.ok_or_else(|| {
                    failure("", format!("Field '{}' doesn't exist on what '{}' gives", one.name, field.name))
                })?;
                chosen.insert(one.alias.clone(), select(found.clone(), one)?);
            }
            Ok(Value::Object(chosen))
        }
        other => Ok(other),
    }
}

/// Reads one operation (GraphQL, section 2) without directives and named fragments.
struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    variables: &'a Map<String, Value>,
}

impl Parser<'_> {
    fn read(text: &str, variables: &Map<String, Value>) -> Result<(bool, Vec<Field>), String> {
        let mut parser = Parser { tokens: tokens(text), at: 0, variables };
        let is_mutation = parser.peek() == "mutation";
        if parser.peek() != "{" {
            parser.take();
            if parser.peek() != "(" && parser.peek() != "{" {
                parser.take();
            }
            if parser.peek() == "(" {
                // Types of variables are not looked at.
                while !matches!(parser.take().as_str(), ")" | "") {}
            }
        }
        let fields = parser.selection()?;
        if parser.at < parser.tokens.len() {
            return Err(format!("Expected one operation, actual: `{}`", parser.peek()));
        }
        Ok((is_mutation, fields))
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", String::as_str)
    }

    fn take(&mut self) -> String {
        self.at += 1;
        self.tokens.get(self.at - 1).cloned().unwrap_or_default()
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        let found = self.take();
        if found == token { Ok(()) } else { Err(format!("Expected `{token}`, actual: `{found}`")) }
    }

    fn selection(&mut self) -> Result<Vec<Field>, String> {
        self.expect("{")?;
        let mut fields = Vec::new();
        while self.peek() != "}" {
            if self.peek() == "..." {
                // `... on Type { … }`
                self.take();
                self.expect("on")?;
                self.take();
                fields.extend(self.selection()?);
                continue;
            }
            let mut name = self.take();
            if name.is_empty() {
                return Err("Unexpected end of document".to_owned());
            }
            let mut alias = name.clone();
            if self.peek() == ":" {
                self.take();
                alias = std::mem::replace(&mut name, self.take());
            }
            let arguments = if self.peek() == "(" {
                self.take();
                self.entries(")")?
            } else {
                Map::new()
            };
            let nested = if self.peek() == "{" { self.selection()? } else { Vec::new() };
            fields.push(Field { alias, name, arguments, fields: nested });
        }
        self.expect("}")?;
        Ok(fields)
    }

    fn entries(&mut self, end: &str) -> Result<Map<String, Value>, String> {
        let mut entries = Map::new();
        while self.peek() != end {
            let name = self.take();
            self.expect(":")?;
            let value = self.value()?;
            entries.insert(name, value);
        }
        self.expect(end)?;
        Ok(entries)
    }

    fn value(&mut self) -> Result<Value, String> {
        let token = self.take();
        match token.as_str() {
            "$" => {
                let name = self.take();
                self.variables.get(&name).cloned().ok_or_else(|| format!("Variable ${name} was not provided"))
            }
            "{" => Ok(Value::Object(self.entries("}")?)),
            "[" => {
                let mut items = Vec::new();
                while self.peek() != "]" {
                    items.push(self.value()?);
                }
                self.expect("]")?;
                Ok(items.into())
            }
            "" => Err("Unexpected end of document".to_owned()),
            // What is no JSON is an enum value.
            other => Ok(serde_json::from_str(other).unwrap_or_else(|_| other.into())),
        }
    }
}

fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            ' ' | '\n' | '\t' | '\r' | ',' => {
                rest = &rest[1..];
                continue;
            }
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|c| {
                    let is_end = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    is_end
                });
                end.map_or(rest.len(), |end| end + 2)
            }
            '.' if rest.starts_with("...") => 3,
            c if c.is_alphanumeric() || c == '_' || c == '-' => {
                rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))).unwrap_or(rest.len())
            }
            other => other.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = &rest[length..];
    }
    tokens
}
