//! `templatePatch`: a merge patch, or a list of JSON patch operations, over a rendered Application.
//!
//! Specs: RFC 7386, and RFC 6902 as far as `add`, `replace` and `remove` go.

use crate::manifest::argocd::gotemplate::Fault;
use crate::manifest::argocd::value::{Text, Value};
use crate::manifest::argocd::yaml_text;

/// Applies a rendered patch. `spec.project` stays, as Argo CD has it.
pub(super) fn apply(patch: &Text, application: &mut Value) -> Result<(), Fault> {
    let read = yaml_text::read(patch).map_err(|why| Fault::Invalid(format!("`templatePatch` gives no YAML: {why}")))?;
    let project = application.get_path(&["spec", "project"]).cloned();
    match &read {
        Value::Null => {}
        Value::Map(_) => merge(application, &read),
        Value::List(operations) => operations.iter().try_for_each(|operation| operate(application, operation))?,
        other => return Err(Fault::Invalid(format!("`templatePatch` gives {}, and no map or list", other.kind()))),
    }
    if let (Some(project), Value::Map(map)) = (project, application)
        && let Some(Value::Map(spec)) = map.get_mut("spec")
    {
        spec.insert("project".to_owned(), project);
    }
    Ok(())
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Map(over) = patch else {
        *target = patch.clone();
        return;
    };
    if !matches!(target, Value::Map(_)) {
        *target = Value::Map(std::collections::BTreeMap::new());
    }
    let Value::Map(map) = target else { return };
    for (key, value) in over {
        match value {
            Value::Null => drop(map.remove(key)),
            value => merge(map.entry(key.clone()).or_default(), value),
        }
    }
}

fn operate(target: &mut Value, operation: &Value) -> Result<(), Fault> {
    let word = |key: &str| operation.get(key).and_then(Value::as_str).unwrap_or_default();
    let path: Vec<String> =
        word("path").split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let refused = |why: &str| Fault::Invalid(format!("`templatePatch`: `{}` of `{}`: {why}", word("op"), word("path")));
    let Some((last, above)) = path.split_last() else { return Err(refused("the path names nothing")) };
    let parent = above.iter().try_fold(target, |value, part| match value {
        Value::Map(map) => map.get_mut(part),
        Value::List(items) => items.get_mut(part.parse::<usize>().ok()?),
        Value::Null | Value::Bool(..) | Value::Number(..) | Value::Text(_) => None,
    });
    let parent = parent.ok_or_else(|| refused("there is nothing"))?;
    let value = operation.get("value").cloned().unwrap_or_default();
    let (is_add, is_remove) = (word("op") == "add", word("op") == "remove");
    if !(is_add || is_remove || word("op") == "replace") {
        return Err(Fault::Unsupported(format!("`templatePatch` with the operation `{}`", word("op"))));
    }
    match parent {
        Value::Map(map) if is_add || map.contains_key(last) => {
            if is_remove {
                map.remove(last);
            } else {
                map.insert(last.clone(), value);
            }
            Ok(())
        }
        Value::List(items) => {
            let at = if is_add && last == "-" { Some(items.len()) } else { last.parse().ok() };
            let count = items.len();
            match at.filter(|at| *at < count || is_add && *at == count) {
                Some(at) if is_add => items.insert(at, value),
                Some(at) if is_remove => drop(items.remove(at)),
                Some(at) => items.get_mut(at).into_iter().for_each(|item| *item = value.clone()),
                None => return Err(refused("the list has no such item")),
            }
            Ok(())
        }
        _ => Err(refused("there is nothing")),
    }
}
