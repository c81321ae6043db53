//! Requests and answers against the vendor's own description of its API.
//!
//! GitHub's is OpenAPI 3.0, Gitea's is Swagger 2.0; both are too large to stand here, and are found by the environment
//! (`REPIN_GITHUB_OPENAPI`, `REPIN_GITEA_SWAGGER`). What the description does not name fails too: operations, parameters of
//! the query, and fields of bodies in both directions, which the usual readers of these documents let pass.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use jiff::Timestamp;
use repin::model::forge::ForgeKind;
use serde_json::{Map, Value};

use super::call::{Answer, Call};

/// The part of a description that the models answer.
pub struct Contract {
    root: Value,
    /// Everything may be null: Swagger 2.0 cannot say so, and Gitea's fields are.
    is_lax_with_null: bool,
}

/// What GitHub's slice begins with.
const GITHUB: &[&str] = &[
    "/app",
    "/user",
    "/users/{username}",
    "/orgs/{org}/installation",
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/issues/{issue_number}",
    "/repos/{owner}/{repo}/compare/",
    "/repos/{owner}/{repo}/commits",
    "/repos/{owner}/{repo}/git/ref",
    "/repos/{owner}/{repo}/branches",
    "/repos/{owner}/{repo}/labels",
    "/repos/{owner}/{repo}/installation",
];

/// The description of a kind of forge; none, said by name once, where it is not there.
pub fn of(kind: ForgeKind) -> Option<&'static Contract> {
    static GITHUB_DOCUMENT: OnceLock<Option<Contract>> = OnceLock::new();
    static GITEA_DOCUMENT: OnceLock<Option<Contract>> = OnceLock::new();
    match kind {
        ForgeKind::GitHub => GITHUB_DOCUMENT.get_or_init(|| open("REPIN_GITHUB_OPENAPI", GITHUB)).as_ref(),
        ForgeKind::Gitea => GITEA_DOCUMENT
            .get_or_init(|| open("REPIN_GITEA_SWAGGER", &["/repos/{owner}/{repo}", "/orgs/{org}/labels", "/user"]))
            .as_ref(),
        // There is none that describes enough of it; its model refuses what it does not know by itself.
        ForgeKind::GitLab => None,
    }
}

fn open(variable: &str, kept: &[&str]) -> Option<Contract> {
    let Some(path) = std::env::var_os(variable) else {
        super::left_out("requests and answers against the vendor's document", &format!("{variable} is not set"));
        return None;
    };
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{variable}: {error}"));
    let document: Value = serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{variable}: {error}"));
    Some(Contract::new(document, kept))
}

impl Contract {
    /// Takes what is below some paths, and what that refers to, out of a document.
    pub fn new(mut document: Value, kept: &[&str]) -> Self {
        let is_lax_with_null = document["swagger"] == "2.0";
        let is_kept = |path: &str| {
            kept.iter().any(|kept| path == *kept || path.starts_with(&format!("{}/", kept.trim_end_matches('/'))))
        };
        let Value::Object(paths) = document["paths"].take() else { panic!("no paths") };
        let paths: Map<String, Value> = paths.into_iter().filter(|(path, _)| is_kept(path)).collect();
        let mut root = serde_json::json!({
            "openapi": document["openapi"], "info": {"title": "a slice", "version": "1"}, "paths": paths,
        });
        let mut waiting = vec![root["paths"].clone()];
        let mut taken = BTreeSet::new();
        while let Some(value) = waiting.pop() {
            references(&value, &mut |reference| {
                if taken.insert(reference.to_owned()) {
                    let parts = parts(reference);
                    let found = parts.iter().fold(&document, |value, part| &value[part.as_str()]).clone();
                    let mut place = &mut root;
                    for part in &parts {
                        place = place.as_object_mut().unwrap().entry(part.clone()).or_insert_with(|| Map::new().into());
                    }
                    *place = found.clone();
                    waiting.push(found);
                }
            });
        }
        Self { root, is_lax_with_null }
    }

    /// The part as a document of its own, for other readers.
    pub fn text(&self) -> String {
        self.root.to_string()
    }

    /// What is against the description in a request and its answer; an answer of the network's or a test's making is none.
    pub fn check(&self, call: &Call, answer: &Answer) -> Vec<String> {
        let mut found = Vec::new();
        if call.target.starts_with("/graphql") || call.target.starts_with("/api/graphql") {
            return found;
        }
        match self.operation(call) {
            Some((item, operation)) => {
                self.check_query(call, item, operation, &mut found);
                self.check_body(call, operation, &mut found);
                self.check_answer(answer, operation, &mut found);
            }
            None => found.push("there is no such operation".to_owned()),
        }
        found.into_iter().map(|what| format!("{} {}: {what}", call.method, call.target)).collect()
    }

    /// The operation of a request; the last parameter of a path may hold slashes.
    fn operation(&self, call: &Call) -> Option<(&Value, &Value)> {
        let paths = self.root["paths"].as_object()?;
        let asked = call.parts();
        let mut best: Option<(usize, &Value, &Value)> = None;
        for (template, item) in paths {
            let wanted: Vec<&str> = template.trim_start_matches('/').split('/').collect();
            let is_open =
                wanted.last().is_some_and(|last| matches!(*last, "{basehead}" | "{ref}" | "{branch}" | "{filepath}"));
            if asked.len() < wanted.len() || (asked.len() > wanted.len() && !is_open) {
                continue;
            }
            let fits = wanted.iter().zip(&asked).all(|(wanted, part)| wanted.starts_with('{') || wanted == part);
            let fixed = wanted.iter().filter(|part| !part.starts_with('{')).count();
            let operation = item.get(call.method.to_ascii_lowercase());
            if let (true, Some(operation)) = (fits, operation)
                && best.is_none_or(|(most, ..)| fixed > most)
            {
                best = Some((fixed, item, operation));
            }
        }
        best.map(|(_, item, operation)| (item, operation))
    }

    fn check_query(&self, call: &Call, item: &Value, operation: &Value, found: &mut Vec<String>) {
        let listed = [item, operation].into_iter().flat_map(|one| one["parameters"].as_array().into_iter().flatten());
        let known: BTreeMap<&str, &Value> = listed
            .map(|parameter| self.resolve(parameter))
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| (parameter["name"].as_str().unwrap_or_default(), parameter))
            .collect();
        for (name, text) in &call.query {
            let Some(parameter) = known.get(name.as_str()) else {
                found.push(format!("the query has no parameter `{name}`"));
                continue;
            };
            let schema = if parameter["schema"].is_null() { parameter } else { &parameter["schema"] };
            let value = match self.resolve(schema)["type"].as_str() {
                Some("string") => text.clone().into(),
                _ => serde_json::from_str(text).unwrap_or_else(|_| text.clone().into()),
            };
            // Swagger 2.0 keeps a parameter's type beside its name.
            self.check_value(schema, &value, &format!("query.{name}"), &BTreeSet::new(), found);
        }
        let missing =
            known.iter().filter(|(name, parameter)| parameter["required"] == true && call.asked(name).is_none());
        found.extend(missing.map(|(name, _)| format!("the query needs the parameter `{name}`")));
    }

    fn check_body(&self, call: &Call, operation: &Value, found: &mut Vec<String>) {
        let listed = operation["parameters"].as_array().into_iter().flatten().map(|one| self.resolve(one));
        let in_body = listed.into_iter().find(|parameter| parameter["in"] == "body");
        let described = self.resolve(&operation["requestBody"]);
        let schema = in_body.map_or(&described["content"]["application/json"]["schema"], |body| &body["schema"]);
        if call.body_text.is_empty() {
            if described["required"] == true {
                found.push("a body is needed".to_owned());
            }
        } else if call.has_bad_body {
            found.push("the body is no JSON".to_owned());
        } else if schema.is_null() {
            found.push("no body is taken".to_owned());
        } else {
            if !call.content_type.as_deref().unwrap_or_default().starts_with("application/json") {
                found.push(format!("the body is sent as {:?}", call.content_type));
            }
            self.check_value(schema, &call.body, "body", &BTreeSet::new(), found);
        }
    }

    fn check_answer(&self, answer: &Answer, operation: &Value, found: &mut Vec<String>) {
        if answer.is_untold {
            return;
        }
        let status = answer.status.to_string();
        let responses = &operation["responses"];
        let Some(response) = responses.get(&status).or_else(|| responses.get("default")) else {
            // Errors that stand before every operation are described at none of them.
            if answer.status < 300 {
                found.push(format!("the status {status} is not described"));
            }
            return;
        };
        let response = self.resolve(response);
        let content = &response["content"];
        let schema = if response["schema"].is_null() {
            content.get("application/json").map_or(&Value::Null, |json| &json["schema"])
        } else {
            &response["schema"]
        };
        match (&answer.body, schema.is_null()) {
            (Some(body), false) => {
                // GitHub's errors repeat the status in their body, which not all of them are described with.
                let more = if answer.status < 400 { BTreeSet::new() } else { ["status".to_owned()].into() };
                self.check_value(schema, body, "answer", &more, found);
            }
            // GitHub describes some errors in words only, and Gitea its errors by headers.
            (Some(_), true) if answer.status < 300 => found.push("the answer has no body".to_owned()),
            (None, false) if answer.status != 304 && !self.is_lax_with_null => {
                found.push("the answer needs a body".to_owned())
            }
            _ => {}
        }
    }

    fn resolve<'a>(&'a self, mut value: &'a Value) -> &'a Value {
        while let Some(reference) = value["$ref"].as_str() {
            value = parts(reference).iter().fold(&self.root, |value, part| &value[part.as_str()]);
            assert!(!value.is_null(), "{reference} is not in the document");
        }
        value
    }

    /// The names of all properties that a schema knows, in whatever it is composed of.
    fn names(&self, schema: &Value, names: &mut BTreeSet<String>) {
        let schema = self.resolve(schema);
        names.extend(schema["properties"].as_object().into_iter().flat_map(Map::keys).cloned());
        for part in ["allOf", "anyOf", "oneOf"] {
            for one in schema[part].as_array().into_iter().flatten() {
                self.names(one, names);
            }
        }
    }

    /// Checks a value, and that it has nothing that neither the schema nor one that it is part of knows.
    fn check_value(&self, schema: &Value, value: &Value, at: &str, beside: &BTreeSet<String>, found: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if value.is_null() {
            let listed = schema["enum"].as_array().is_some_and(|values| values.contains(value));
            let typed = schema["type"].as_array().is_some_and(|types| types.iter().any(|one| one == "null"));
            let composed = ["anyOf", "oneOf", "allOf"].into_iter().any(|part| {
                schema[part].as_array().into_iter().flatten().any(|one| {
                    let mut refused = Vec::new();
                    self.check_value(one, value, at, beside, &mut refused);
                    refused.is_empty()
                })
            });
            let is_free = schema["type"].is_null() && schema["properties"].is_null() && !is_composed(schema);
            if !(self.is_lax_with_null || schema["nullable"] == true || listed || typed || composed || is_free) {
                found.push(format!("{at} is null"));
            }
            return;
        }
        if let Some(kind) = schema["type"].as_str()
            && !is_of(kind, value)
        {
            found.push(format!("{at} is no {kind}: {}", short(value)));
            return;
        }
        if let Some(values) = schema["enum"].as_array()
            && !values.contains(value)
        {
            found.push(format!("{at} is none of {}: {}", schema["enum"], short(value)));
        }
        self.check_text(schema, value, at, found);
        let mut names = beside.clone();
        self.names(schema, &mut names);
        for one in schema["allOf"].as_array().into_iter().flatten() {
            self.check_value(one, value, at, &names, found);
        }
        for part in ["anyOf", "oneOf"] {
            let Some(choices) = schema[part].as_array() else { continue };
            let tried: Vec<Vec<String>> = choices
                .iter()
                .map(|one| {
                    let mut refused = Vec::new();
                    // Each choice is whole by itself, unless it only adds to what stands beside it.
                    let own = if schema["properties"].is_null() { beside } else { &names };
                    self.check_value(one, value, at, own, &mut refused);
                    refused
                })
                .collect();
            if let Some(closest) = tried.into_iter().min_by_key(Vec::len) {
                found.extend(closest);
            }
        }
        match value {
            Value::Object(object) => self.check_object(schema, object, at, &names, found),
            Value::Array(items) => {
                let count = items.len() as u64;
                let bounds =
                    [schema["minItems"].as_u64().unwrap_or(0), schema["maxItems"].as_u64().unwrap_or(u64::MAX)];
                if count < bounds[0] || count > bounds[1] {
                    found.push(format!("{at} has {count} items"));
                }
                if !schema["items"].is_null() {
                    for (index, item) in items.iter().enumerate() {
                        self.check_value(&schema["items"], item, &format!("{at}[{index}]"), &BTreeSet::new(), found);
                    }
                }
            }
            _ => {}
        }
    }

    fn check_object(
        &self,
        schema: &Value,
        object: &Map<String, Value>,
        at: &str,
        names: &BTreeSet<String>,
        found: &mut Vec<String>,
    ) {
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(required) {
                found.push(format!("{at}.{required} is missing"));
            }
        }
        let properties = schema["properties"].as_object();
        let more = &schema["additionalProperties"];
        for (name, value) in object {
            let place = format!("{at}.{name}");
            if let Some(property) = properties.and_then(|properties| properties.get(name)) {
                self.check_value(property, value, &place, &BTreeSet::new(), found);
            } else if more.is_object() {
                self.check_value(more, value, &place, &BTreeSet::new(), found);
            } else if *more != true && !names.contains(name) && (*more == false || properties.is_some()) {
                found.push(format!("{place} is not known"));
            }
        }
    }

    fn check_text(&self, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
        if let Some(number) = value.as_f64() {
            let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
            if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
                found.push(format!("{at} is out of bounds: {value}"));
            }
        }
        let Some(text) = value.as_str() else { return };
        let is_right = match schema["format"].as_str() {
            Some("date-time") => text.parse::<Timestamp>().is_ok(),
            Some("uri") => url::Url::parse(text).is_ok(),
            _ => true,
        };
        if !is_right {
            found.push(format!("{at} is no {}: {}", schema["format"], short(value)));
        }
        let length = text.chars().count() as u64;
        let least = schema["minLength"].as_u64().unwrap_or(0);
        if length < least || length > schema["maxLength"].as_u64().unwrap_or(u64::MAX) {
            found.push(format!("{at} has {length} characters"));
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && let Ok(pattern) = regex::Regex::new(pattern)
            && !pattern.is_match(text)
        {
            found.push(format!("{at} does not match {pattern}: {}", short(value)));
        }
    }
}

fn is_composed(schema: &Value) -> bool {
    ["anyOf", "oneOf", "allOf"].into_iter().any(|part| schema[part].is_array())
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

/// The parts of `#/components/schemas/name`.
fn parts(reference: &str) -> Vec<String> {
    let parts = reference.trim_start_matches("#/").split('/');
    parts.map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn references(value: &Value, each: &mut impl FnMut(&str)) {
    match value {
        Value::Object(object) => {
            if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
                each(reference);
            }
            object.values().for_each(|value| references(value, each));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, each)),
        _ => {}
    }
}

/// A request and an answer without a network.
pub struct Sample<'a> {
    pub method: &'a str,
    pub target: &'a str,
    pub body: Option<Value>,
    pub status: u16,
    pub answer: Option<Value>,
}

impl Contract {
    /// Checks a request and an answer that nobody made.
    pub fn check_sample(&self, sample: &Sample<'_>) -> Vec<String> {
        let mut request = axum::http::Request::builder().method(sample.method).uri(sample.target);
        request = request.header("content-type", "application/json");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let body = sample.body.as_ref().map(Value::to_string).unwrap_or_default();
        let answer = Answer { body: sample.answer.clone(), ..Answer::empty(sample.status) };
        self.check(&Call::read(&parts, body.as_bytes()), &answer)
    }
}
