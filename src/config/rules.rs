//! The entries of `rules` and `environments`: what they match, what they say, and what nothing loosens.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::config::checks::report_double;
use crate::config::cosign_keys::{self, one_or_several};
use crate::config::interval;
use crate::config::keys::{self, Table};
use crate::config::promotion::promotion;
use crate::config::pull_rules::pull_request;
use crate::config::reader::{Fields, Value};
use crate::config::remotes::name;
use crate::config::schedule::ticks;
use crate::model::names::ImageName;
use crate::model::rule::{AtLeast, Delivery, Glob, GlobError, Match, Per, RegistryPrefix, Rule};
use crate::rules;

/// No age and no soak is longer.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// The names that rules may mean; none where an entry could not be read, which may be the one that is meant.
pub(super) struct Known {
    pub(super) windows: Option<Vec<String>>,
    /// Empty = any.
    pub(super) environments: Option<Vec<String>>,
}

/// Reads the names of a list.
pub(super) fn names_of(entries: &[Value<'_>]) -> Option<Vec<String>> {
    entries.iter().map(|entry| entry.peek("name")).collect()
}

/// Reads one rule.
pub(super) fn rule(value: &Value<'_>, known: &Known) -> Rule {
    let fields = value.fields(&keys::RULE);
    let environment = fields.get("environment").and_then(name);
    if let (Some(value), Some(name), Some(known)) =
        (fields.get("environment"), &environment, known.environments.as_ref().filter(|known| !known.is_empty()))
        && !known.contains(name)
    {
        value.invalid("it is no name of `environments`", format!("there are {}", known.join(", ")));
    }
    let rule = settings(value, &fields, known);
    Rule {
        matches: fields.get("match").map(|value| matches(value, &keys::MATCH, Glob::of_captures)).unwrap_or_default(),
        environment,
        service: fields.get("service").and_then(name),
        ..rule
    }
}

/// Reads one environment.
pub(super) fn environment(value: &Value<'_>, known: &Known) -> Option<Rule> {
    let fields = value.fields(&keys::ENVIRONMENT);
    let name = fields.get("name").and_then(name);
    let rule = settings(value, &fields, known);
    Some(Rule { of_environment: Some(name?), ..rule })
}

/// Reads what rules and environments have in common.
fn settings(value: &Value<'_>, fields: &Fields<'_>, known: &Known) -> Rule {
    let mut unsupported = fields.unbuilt.clone();
    let verify = fields.get("verify").map(|value| cosign_keys::verify(value, &mut unsupported)).unwrap_or_default();
    let at_least = fields.get("at_least").map(|value| at_least(value, known, &mut unsupported)).unwrap_or_default();
    rules::in_order(&mut unsupported);
    let per = fields.get("per").and_then(|value| value.word(&Per::ALL.map(Per::as_str)));
    let follow = fields.get("follow_rollback").and_then(|value| value.word(&["pull-request", "none"]));
    Rule {
        delivery: fields.get("delivery").and_then(delivery),
        observe: fields.written("observe").and_then(Value::boolean),
        may_write: fields.get("may_write").map(Value::path_globs).unwrap_or_default(),
        per: per.and_then(|word| Per::ALL.into_iter().find(|per| per.as_str() == word)),
        schedule: fields.get("schedule").and_then(ticks),
        verify,
        pull_request: fields.get("pull_request").map(pull_request).unwrap_or_default(),
        windows: fields.get("windows").map(|value| windows(value, known)),
        min_age: fields.get("min_age").and_then(span),
        promote_from: fields.get("promote_from").and_then(|value| promotion(value, known)),
        soak: fields.get("soak").and_then(span),
        follow_rollback: follow.map(|word| word == "pull-request"),
        registries: fields.get("registries").map(registries),
        max_changes_per_hour: fields.get("max_changes_per_hour").and_then(most),
        max_changes_per_push: fields.get("max_changes_per_push").and_then(most),
        at_least,
        unsupported,
        line: value.line,
        ..Rule::default()
    }
}

fn at_least(value: &Value<'_>, known: &Known, unsupported: &mut Vec<&'static str>) -> AtLeast {
    let fields = value.fields(&keys::LEAST);
    let set = |name: &str| {
        let value = fields.get(name)?;
        if value.is_empty_list() {
            value.error("config/invalid-value", "is empty, and demands nothing", "name one or more, or remove the key");
            return None;
        }
        Some(value)
    };
    AtLeast {
        delivery: fields.get("delivery").and_then(delivery),
        windows: set("windows").map(|value| windows(value, known)).into_iter().collect(),
        min_age: fields.get("min_age").and_then(span),
        promote_from: fields.get("promote_from").and_then(|value| promotion(value, known)),
        soak: fields.get("soak").and_then(span),
        registries: set("registries").map(registries).into_iter().collect(),
        verify: fields.get("verify").map(|value| cosign_keys::verify(value, unsupported)).unwrap_or_default(),
        max_changes_per_hour: fields.get("max_changes_per_hour").and_then(most),
        max_changes_per_push: fields.get("max_changes_per_push").and_then(most),
    }
}

fn delivery(value: &Value<'_>) -> Option<Delivery> {
    let word = value.word(&Delivery::ALL.map(Delivery::as_str))?;
    Delivery::ALL.into_iter().find(|delivery| delivery.as_str() == word)
}

/// Reads names of windows.
fn windows(value: &Value<'_>, known: &Known) -> BTreeSet<String> {
    let items = one_or_several(value);
    let read = |item: &Value<'_>| {
        let name = item.text()?;
        if let Some(known) = known.windows.as_ref().filter(|known| !known.iter().any(|one| one == name)) {
            let there =
                if known.is_empty() { "there are none".to_owned() } else { format!("there are {}", known.join(", ")) };
            item.invalid("it is no name of `windows`", format!("{there}; add an entry to `windows`"));
        }
        Some(name.to_owned())
    };
    items.iter().filter_map(read).collect()
}

/// Reads a span of time that may be none.
fn span(value: &Value<'_>) -> Option<Duration> {
    const HINT: &str = "write such as `3d` or `12h`, or 0 for none";
    let text = value.text()?;
    let read = if text == "0" { Ok(Duration::ZERO) } else { interval::parse(text) };
    match read {
        Ok(span) if span > LONGEST => {
            value.invalid("it is at most 3650d", HINT);
            None
        }
        Ok(span) => Some(span),
        Err(rule) => {
            value.invalid(rule, HINT);
            None
        }
    }
}

/// Reads a limit.
pub(super) fn most(value: &Value<'_>) -> Option<u32> {
    let number = value.count()?;
    if u32::try_from(number).is_err() {
        value.invalid(format!("it is at most {}", u32::MAX), "leave the key out for no limit");
    }
    u32::try_from(number).ok()
}

fn registries(value: &Value<'_>) -> BTreeSet<RegistryPrefix> {
    one_or_several(value).iter().filter_map(prefix).collect()
}

/// Reads a host as image names give it, and the first parts of a path.
fn prefix(value: &Value<'_>) -> Option<RegistryPrefix> {
    const HINT: &str = "write such as `ghcr.io` or `ghcr.io/acme`";
    let text = value.text()?;
    let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
    let host = match format!("{host}/x/x").parse::<ImageName>() {
        Ok(name) if name.repository() == "x/x" => name.registry().to_owned(),
        Ok(_) => {
            value.invalid("in an image name, a first part without `.` or `:` is no host but for localhost", HINT);
            return None;
        }
        Err(error) => {
            value.invalid(error.rule, HINT);
            return None;
        }
    };
    let whole = path.map_or_else(|| host.clone(), |path| format!("{host}/{path}"));
    RegistryPrefix::new(&whole).map_err(|rule| value.invalid(rule, HINT)).ok()
}

/// Reads the conditions of a table, those that it has; `path` reads the glob over paths.
pub(super) fn matches(value: &Value<'_>, table: &'static Table, path: fn(&str) -> Result<Glob, GlobError>) -> Match {
    let fields = value.fields(table);
    let glob = |name: &str| fields.get(name).and_then(|value| value.glob(str::parse));
    let labels = fields.get("label").map(Value::texts_by_key).unwrap_or_default();
    Match {
        repository: glob("repository"),
        branch: glob("branch"),
        path: fields.get("path").and_then(|value| value.glob(path)),
        application: glob("application"),
        namespace: glob("namespace"),
        project: glob("project"),
        labels: labels
            .iter()
            .filter_map(|(key, _, value)| Some(((*key).to_owned(), value.text()?.to_owned())))
            .collect(),
    }
}

/// Reports doubled names of environments, and environments that promote in a circle.
pub(super) fn check_environments(environments: &[(&Value<'_>, Option<Rule>)]) {
    let read = || environments.iter().filter_map(|(value, rule)| Some((*value, rule.as_ref()?)));
    let mut first = HashMap::new();
    let mut upstream: BTreeMap<&str, (&Value<'_>, BTreeSet<&str>)> = BTreeMap::new();
    for (value, rule) in read() {
        let Some(name) = &rule.of_environment else { continue };
        let before = first.insert(name, value.line);
        report_double(value, &format!("has the name `{name}`"), before);
        if before.is_some() {
            continue;
        }
        // What comes from an Application that is named may come from the same environment.
        let promotions = rule.promote_from.iter().chain(&rule.at_least.promote_from);
        let named = promotions.flat_map(|promotion| &promotion.upstreams).filter(|one| one.application.is_none());
        upstream.insert(name, (value, named.map(|one| one.environment.as_str()).collect()));
    }
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for (start, (value, _)) in &upstream {
        let Some(circle) = circle(start, &upstream).filter(|_| !told.contains(start)) else { continue };
        told.extend(&circle);
        let way: Vec<&str> = circle.iter().copied().chain([*start]).collect();
        let message = format!("is promoted in a circle: {}", way.join(" from "));
        value.error("config/invalid-value", message, "take one of these out of `promote_from`");
    }
}

/// Gives the shortest way from an environment to its upstreams and back to it, if there is one.
fn circle<'n>(start: &'n str, upstream: &BTreeMap<&'n str, (&Value<'_>, BTreeSet<&'n str>)>) -> Option<Vec<&'n str>> {
    let mut ways: Vec<Vec<&str>> = vec![vec![start]];
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    while !ways.is_empty() {
        let mut next = Vec::new();
        for way in ways {
            let above = way.last().and_then(|name| upstream.get(name)).map(|(_, names)| names);
            for name in above.into_iter().flatten() {
                if *name == start {
                    return Some(way);
                }
                if seen.insert(name) {
                    next.push(way.iter().copied().chain([*name]).collect());
                }
            }
        }
        ways = next;
    }
    None
}
