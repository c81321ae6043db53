//! `selector` of a generator: a label selector over the parameters that it gives.

use std::collections::BTreeMap;

use crate::manifest::argocd::value::{Text, Value};

/// Keeps the parameter sets that a selector matches.
pub(super) fn select(selector: &Value, sets: Vec<Value>) -> Result<Vec<Value>, String> {
    let expressions = selector.get("matchExpressions").map(Value::items).unwrap_or_default();
    let labels = match selector.get("matchLabels") {
        Some(Value::Map(labels)) => labels.iter().collect::<Vec<_>>(),
        _ => Vec::new(),
    };
    let mut kept = Vec::new();
    for set in sets {
        let flat = set.flatten();
        let is_labelled = |(key, value): &(&String, &Value)| {
            flat.get(*key).is_some_and(|found| found.as_str() == value.shown().as_str())
        };
        let mut is_match = labels.iter().all(is_labelled);
        for expression in expressions {
            is_match &= is_met(expression, &flat)?;
        }
        if is_match {
            kept.push(set);
        }
    }
    Ok(kept)
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
