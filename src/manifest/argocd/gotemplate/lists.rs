//! Rarer functions over lists, maps and numbers.

use crate::manifest::argocd::gotemplate::Fault;
use crate::manifest::argocd::gotemplate::functions::{Given, MAX_ITEMS};
use crate::manifest::argocd::value::Value;

/// Calls a function; none if there is no such one.
pub(super) fn call(given: &Given<'_>) -> Option<Result<Value, Fault>> {
    Some(match given.name {
        "all" => Ok(Value::bool(given.arguments.iter().all(Value::is_full))),
        "any" => Ok(Value::bool(given.arguments.iter().any(Value::is_full))),
        "ceil" => given.number(0).map(|number| Value::number(number.ceil())),
        "floor" => given.number(0).map(|number| Value::number(number.floor())),
        "chunk" => chunk(given),
        "deepCopy" => given.get(0).cloned(),
        "pluck" => pluck(given),
        "slice" => slice(given),
        "untilStep" => until_step(given),
        _ => return None,
    })
}

/// `chunk <n> <list>`: lists of n items.
fn chunk(given: &Given<'_>) -> Result<Value, Fault> {
    let (count, items) = (given.count(0)?, given.list(1)?);
    if count == 0 {
        return Err(Fault::Invalid("`chunk` is given 0".to_owned()));
    }
    Ok(Value::List(items.chunks(count).map(|part| Value::List(part.to_vec())).collect()))
}

/// `pluck <key> <map> …`: what stands at a key of these maps, as far as it does.
fn pluck(given: &Given<'_>) -> Result<Value, Fault> {
    let key = given.text(0)?;
    let mut found = Vec::new();
    for at in 1..given.arguments.len() {
        found.extend(given.map(at)?.get(key).cloned());
    }
    Ok(Value::List(found))
}

/// `slice <list> [from [to]]`.
fn slice(given: &Given<'_>) -> Result<Value, Fault> {
    let items = given.list(0)?;
    let bound = |at: usize, other: usize| if given.arguments.len() > at { given.count(at) } else { Ok(other) };
    let (from, to) = (bound(1, 0)?, bound(2, items.len())?);
    let part = items
        .get(from..to)
        .ok_or_else(|| Fault::Invalid(format!("`slice` is asked for {from} to {to} of {} items", items.len())))?;
    Ok(Value::List(part.to_vec()))
}

/// `untilStep <start> <stop> <step>`.
fn until_step(given: &Given<'_>) -> Result<Value, Fault> {
    let (start, stop, step) = (given.number(0)?, given.number(1)?, given.number(2)?);
    let count = if step == 0.0 { 0.0 } else { ((stop - start) / step).ceil().max(0.0) };
    if count > MAX_ITEMS as f64 {
        return Err(Fault::Unsupported(format!("`untilStep` gives {count} items, and {MAX_ITEMS} are the most")));
    }
    Ok(Value::List((0..count as usize).map(|at| Value::number(start + step * at as f64)).collect()))
}
