//! Label selectors: `selector` of a generator over the parameters that it gives, and of `clusters` over their labels.

use std::collections::BTreeMap;

use crate::manifest::argocd::value::{Text, Value};

/// Keeps the parameter sets that a selector matches.
pub(super) fn select(selector: &Value, sets: Vec<Value>) -> Result<Vec<Value>, String> {
    let mut kept = Vec::new();
    for set in sets {
        if is_selected(selector, &set.flatten())? {
            kept.push(set);
        }
    }
    Ok(kept)
}

/// Tells whether a selector matches these words; an empty one matches all.
pub(super) fn is_selected(selector: &Value, words: &BTreeMap<String, Text>) -> Result<bool, String> {
    let is_labelled =
        |(key, value): (&String, &Value)| words.get(key).is_some_and(|found| found.as_str() == value.shown().as_str());
    let mut is_match = labels(selector).is_none_or(|labels| labels.iter().all(is_labelled));
    for expression in expressions(selector) {
        is_match &= is_met(expression, words)?;
    }
    Ok(is_match)
}

/// Gives the keys that a selector asks for; one without them is empty.
pub(super) fn keys(selector: &Value) -> impl Iterator<Item = &str> {
    let listed = expressions(selector).iter();
    let of_expressions = listed.map(|one| one.get("key").and_then(Value::as_str).unwrap_or_default());
    labels(selector).into_iter().flat_map(BTreeMap::keys).map(String::as_str).chain(of_expressions)
}

fn labels(selector: &Value) -> Option<&BTreeMap<String, Value>> {
    match selector.get("matchLabels") {
        Some(Value::Map(labels)) => Some(labels),
        _ => None,
    }
}

fn expressions(selector: &Value) -> &[Value] {
    selector.get("matchExpressions").map(Value::items).unwrap_or_default()
}

fn is_met(expression: &Value, flat: &BTreeMap<String, Text>) -> Result<bool, String> {
    let key = expression.get("key").and_then(Value::as_str).unwrap_or_default();
    let found = flat.get(key).map(Text::as_str);
    let is_listed = || {
        let values = expression.get("values").map(Value::items).unwrap_or_default();
        values.iter().any(|value| found == Some(value.shown().as_str()))
    };
    match expression.get("operator").and_then(Value::as_str) {
        Some("In") => Ok(is_listed()),
        Some("NotIn") => Ok(!is_listed()),
        Some("Exists") => Ok(found.is_some()),
        Some("DoesNotExist") => Ok(found.is_none()),
        other => Err(format!(
            "the operator `{}` of `selector` is none of In, NotIn, Exists and DoesNotExist",
            other.unwrap_or_default()
        )),
    }
}
