//! The functions of templates: those of text/template, of Sprig as far as ApplicationSets use them, and Argo CD's own.
//!
//! A function that gives an argument back unchanged gives it with its pieces, so that what stands there is still known.
//! Texts are in [`texts`] and [`words`], rarer ones in [`lists`], YAML and JSON in [`emit`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::argocd::gotemplate::{Fault, MissingKey, emit, lists, texts, words};
use crate::manifest::argocd::value::Value;

/// Most items that a function may make.
pub(super) const MAX_ITEMS: usize = 10_000;

/// Calls a function.
pub(super) fn call(name: &str, arguments: &[Value], missing: MissingKey) -> Result<Value, Fault> {
    let name = plain(name);
    let given = Given { name: &name, arguments };
    let name = given.name;
    let found = match name {
        "not" => Some(given.is_full(0).map(|full| Value::bool(!full))),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => Some(compare(&given)),
        "index" => Some(index(&given, missing)),
        "len" => Some(given.get(0).and_then(len)),
        "default" => Some(default(&given)),
        "empty" => Some(given.is_full(0).map(|full| Value::bool(!full))),
        "coalesce" => Some(Ok(arguments.iter().find(|one| one.is_full()).cloned().unwrap_or_default())),
        "ternary" => Some(ternary(&given)),
        "fail" => Some(given.text(0).and_then(|text| Err(Fault::Invalid(format!("it fails by itself: {text}"))))),
        "list" | "tuple" => Some(Ok(Value::List(arguments.to_vec()))),
        "dict" => Some(dict(&given)),
        "dig" => Some(dig(&given)),
        "get" => Some(given.map(0).and_then(|map| Ok(map.get(given.text(1)?).cloned().unwrap_or(Value::text(""))))),
        "hasKey" => Some(given.map(0).and_then(|map| Ok(Value::bool(map.contains_key(given.text(1)?))))),
        "keys" => Some(given.map(0).map(|map| Value::List(map.keys().cloned().map(Value::text).collect()))),
        "values" => Some(given.map(0).map(|map| Value::List(map.values().cloned().collect()))),
        "pick" | "omit" => Some(pick(&given)),
        "merge" | "mergeOverwrite" => Some(merge(&given)),
        "first" | "last" | "rest" | "initial" | "reverse" | "uniq" | "compact" | "sortAlpha" => Some(part_of(&given)),
        "append" | "push" | "prepend" | "concat" | "has" | "without" => Some(lists(&given)),
        "until" => Some(given.count(0).map(|count| Value::List((0..count).map(|n| Value::number(n as f64)).collect()))),
        "add" | "add1" | "sub" | "mul" | "div" | "mod" | "max" | "min" => Some(arithmetic(&given)),
        "int" | "int64" | "float64" | "atoi" => Some(given.get(0).map(|value| Value::number(number_of(value, name)))),
        "kindIs" => Some(given.get(1).and_then(|value| Ok(Value::bool(kind(value) == given.text(0)?)))),
        "kindOf" => Some(given.get(0).map(|value| Value::text(kind(value)))),
        "toYaml" => Some(given.get(0).map(|value| Value::Text(emit::yaml(value)))),
        "toJson" | "toRawJson" | "toPrettyJson" => Some(given.get(0).map(|value| Value::Text(emit::json(value)))),
        "fromYaml" | "fromJson" | "fromYamlArray" => Some(given.get(0).and_then(emit::read)),
        _ => texts::call(&given).or_else(|| words::call(&given)).or_else(|| lists::call(&given)),
    };
    found.unwrap_or_else(|| Err(Fault::Unsupported(format!("the function `{name}` is not evaluated"))))
}

/// Gives the name of a function without `must`: what fails is an error here, however it is called.
fn plain(name: &str) -> Cow<'_, str> {
    match name.strip_prefix("must").and_then(|rest| Some((rest.chars().next()?, rest))) {
        Some((first, rest)) if first.is_ascii_uppercase() => {
            let rest = rest.get(1..).unwrap_or_default();
            Cow::Owned(format!("{}{rest}", first.to_ascii_lowercase()))
        }
        _ => Cow::Borrowed(name),
    }
}

/// What a function is given.
pub(super) struct Given<'a> {
    pub(super) name: &'a str,
    pub(super) arguments: &'a [Value],
}

impl<'a> Given<'a> {
    pub(super) fn get(&self, at: usize) -> Result<&'a Value, Fault> {
        self.arguments.get(at).ok_or_else(|| {
            Fault::Invalid(format!("`{}` is given {} arguments, too few", self.name, self.arguments.len()))
        })
    }

    pub(super) fn last(&self) -> Result<&'a Value, Fault> {
        self.get(self.arguments.len().saturating_sub(1))
    }

    pub(super) fn wrong(&self, wanted: &str, value: &Value) -> Fault {
        Fault::Invalid(format!("`{}` wants {wanted} and is given {}", self.name, value.kind()))
    }

    pub(super) fn text(&self, at: usize) -> Result<&'a str, Fault> {
        let value = self.get(at)?;
        value.as_str().ok_or_else(|| self.wrong("a text", value))
    }

    fn is_full(&self, at: usize) -> Result<bool, Fault> {
        self.get(at).map(Value::is_full)
    }

    pub(super) fn map(&self, at: usize) -> Result<&'a BTreeMap<String, Value>, Fault> {
        match self.get(at)? {
            Value::Map(map) => Ok(map),
            other => Err(self.wrong("a map", other)),
        }
    }

    pub(super) fn list(&self, at: usize) -> Result<&'a [Value], Fault> {
        match self.get(at)? {
            Value::List(items) => Ok(items),
            other => Err(self.wrong("a list", other)),
        }
    }

    pub(super) fn number(&self, at: usize) -> Result<f64, Fault> {
        match self.get(at)? {
            Value::Number(number, _) => Ok(*number),
            other => Err(self.wrong("a number", other)),
        }
    }

    pub(super) fn count(&self, at: usize) -> Result<usize, Fault> {
        let number = self.number(at)?;
        if (0.0..=MAX_ITEMS as f64).contains(&number) {
            return Ok(number as usize);
        }
        Err(Fault::Unsupported(format!("`{}` is given {number}, and 0 to {MAX_ITEMS} are taken", self.name)))
    }
}

fn compare(given: &Given<'_>) -> Result<Value, Fault> {
    let (first, second) = (given.get(0)?, given.get(1)?);
    let order = |one: &Value, other: &Value| match (one, other) {
        (Value::Text(one), Value::Text(other)) => Ok(one.as_str().partial_cmp(other.as_str())),
        (Value::Number(one, _), Value::Number(other, _)) => Ok(one.partial_cmp(other)),
        (Value::Bool(one, _), Value::Bool(other, _)) => Ok(one.partial_cmp(other)),
        (Value::Null, Value::Null) => Ok(Some(std::cmp::Ordering::Equal)),
        (Value::Null, _) | (_, Value::Null) if matches!(given.name, "eq" | "ne") => Ok(None),
        _ => Err(Fault::Invalid(format!("`{}` cannot compare {} and {}", given.name, one.kind(), other.kind()))),
    };
    if given.name == "eq" {
        for other in given.arguments.get(1..).unwrap_or_default() {
            if order(first, other)?.is_some_and(std::cmp::Ordering::is_eq) {
                return Ok(Value::bool(true));
            }
        }
        return Ok(Value::bool(false));
    }
    let order = order(first, second)?;
    Ok(Value::bool(match given.name {
        "ne" => order.is_none_or(std::cmp::Ordering::is_ne),
        "lt" => order.is_some_and(std::cmp::Ordering::is_lt),
        "le" => order.is_some_and(std::cmp::Ordering::is_le),
        "gt" => order.is_some_and(std::cmp::Ordering::is_gt),
        _ => order.is_some_and(std::cmp::Ordering::is_ge),
    }))
}

fn index(given: &Given<'_>, missing: MissingKey) -> Result<Value, Fault> {
    let mut value = given.get(0)?;
    for key in given.arguments.iter().skip(1) {
        value = match (value, key) {
            (Value::Map(map), Value::Text(key)) => match map.get(key.as_str()) {
                Some(found) => found,
                // `index` gives nothing for a key that is not there, whatever the options say.
                None => &Value::Null,
            },
            (Value::List(items), Value::Number(at, _)) => {
                let found = (*at >= 0.0).then(|| items.get(*at as usize)).flatten();
                found.ok_or_else(|| Fault::Invalid(format!("the index {at} is beyond the {} items", items.len())))?
            }
            (Value::Null, _) if missing == MissingKey::Null => {
                return Err(Fault::Invalid("`index` is given nothing to look into".to_owned()));
            }
            (other, key) => {
                return Err(Fault::Invalid(format!("`index` cannot look up {} in {}", key.kind(), other.kind())));
            }
        };
    }
    Ok(value.clone())
}

fn len(value: &Value) -> Result<Value, Fault> {
    let count = match value {
        Value::Text(text) => text.as_str().len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Err(Fault::Invalid(format!("`len` is given {}", other.kind()))),
    };
    Ok(Value::number(count as f64))
}

fn default(given: &Given<'_>) -> Result<Value, Fault> {
    // `default "x"` with nothing behind it gives "x".
    let value = given.arguments.get(1).filter(|value| value.is_full());
    value.map_or_else(|| given.get(0), Ok).cloned()
}

fn ternary(given: &Given<'_>) -> Result<Value, Fault> {
    match given.get(2)? {
        Value::Bool(is_met, _) => given.get(usize::from(!is_met)).cloned(),
        other => Err(given.wrong("a boolean at last", other)),
    }
}

fn dict(given: &Given<'_>) -> Result<Value, Fault> {
    let mut map = BTreeMap::new();
    for pair in given.arguments.chunks(2) {
        let [key, rest @ ..] = pair else { continue };
        let key = key.as_str().ok_or_else(|| given.wrong("texts as keys", key))?;
        map.insert(key.to_owned(), rest.first().cloned().unwrap_or(Value::text("")));
    }
    Ok(Value::Map(map))
}

/// `dig "a" "b" <default> <map>`.
fn dig(given: &Given<'_>) -> Result<Value, Fault> {
    let [keys @ .., default, map] = given.arguments else {
        return Err(given.wrong("keys, a default and a map", &Value::Null));
    };
    if !matches!(map, Value::Map(_)) {
        return Err(given.wrong("a map at last", map));
    }
    let mut value = map;
    for key in keys {
        let key = key.as_str().ok_or_else(|| given.wrong("texts as keys", key))?;
        match value {
            Value::Map(map) => match map.get(key) {
                Some(found) => value = found,
                None => return Ok(default.clone()),
            },
            other => return Err(given.wrong("maps on the way", other)),
        }
    }
    Ok(value.clone())
}

fn pick(given: &Given<'_>) -> Result<Value, Fault> {
    let map = given.map(0)?;
    let keys: Vec<&str> = given.arguments.iter().skip(1).filter_map(Value::as_str).collect();
    let is_kept = |key: &&String| keys.contains(&key.as_str()) == (given.name == "pick");
    let kept = map.keys().filter(is_kept).filter_map(|key| Some((key.clone(), map.get(key)?.clone())));
    Ok(Value::Map(kept.collect()))
}

/// What comes first wins in `merge`, what comes last in `mergeOverwrite`.
fn merge(given: &Given<'_>) -> Result<Value, Fault> {
    let mut merged = Value::Map(BTreeMap::new());
    let lay = |merged: &mut Value, at: usize| given.map(at).map(|map| merged.lay(&Value::Map(map.clone())));
    let order: Vec<usize> = (0..given.arguments.len()).collect();
    let order = if given.name == "merge" { order.into_iter().rev().collect() } else { order };
    order.into_iter().try_for_each(|at| lay(&mut merged, at))?;
    Ok(merged)
}

fn part_of(given: &Given<'_>) -> Result<Value, Fault> {
    let items = given.list(0)?;
    Ok(match given.name {
        "first" => items.first().cloned().unwrap_or_default(),
        "last" => items.last().cloned().unwrap_or_default(),
        "rest" => Value::List(items.iter().skip(1).cloned().collect()),
        "initial" => Value::List(items.split_last().map(|(_, rest)| rest.to_vec()).unwrap_or_default()),
        "reverse" => Value::List(items.iter().rev().cloned().collect()),
        "compact" => Value::List(items.iter().filter(|item| item.is_full()).cloned().collect()),
        "sortAlpha" => {
            let mut sorted = items.to_vec();
            sorted.sort_by_key(|item| item.shown().as_str().to_owned());
            Value::List(sorted)
        }
        _ => {
            let mut known = BTreeSet::new();
            Value::List(items.iter().filter(|item| known.insert(item.json().to_string())).cloned().collect())
        }
    })
}

fn lists(given: &Given<'_>) -> Result<Value, Fault> {
    let rest = given.arguments.get(1..).unwrap_or_default();
    Ok(match given.name {
        "append" | "push" => Value::List(given.list(0)?.iter().chain(rest.first()).cloned().collect()),
        "prepend" => Value::List(rest.iter().take(1).chain(given.list(0)?).cloned().collect()),
        "has" => {
            let item = given.get(0)?;
            Value::bool(given.list(1)?.iter().any(|known| is_same(known, item)))
        }
        "without" => {
            let gone: BTreeSet<String> = rest.iter().map(|gone| gone.json().to_string()).collect();
            let is_kept = |item: &&Value| !gone.contains(&item.json().to_string());
            Value::List(given.list(0)?.iter().filter(is_kept).cloned().collect())
        }
        _ => {
            let mut all = Vec::new();
            for at in 0..given.arguments.len() {
                all.extend_from_slice(given.list(at)?);
            }
            Value::List(all)
        }
    })
}

/// Compares values without where they stand.
fn is_same(one: &Value, other: &Value) -> bool {
    one.json() == other.json()
}

fn arithmetic(given: &Given<'_>) -> Result<Value, Fault> {
    let numbers: Vec<f64> = given.arguments.iter().map(|value| number_of(value, "int64")).collect();
    let Some((first, rest)) = numbers.split_first() else { return Err(given.wrong("numbers", &Value::Null)) };
    let fold = |combine: fn(f64, f64) -> f64| rest.iter().fold(*first, |sum, number| combine(sum, *number));
    if matches!(given.name, "div" | "mod") && rest.contains(&0.0) {
        return Err(Fault::Invalid(format!("`{}` is given 0", given.name)));
    }
    Ok(Value::number(match given.name {
        "add1" => first + 1.0,
        "add" => fold(|a, b| a + b),
        "sub" => fold(|a, b| a - b),
        "mul" => fold(|a, b| a * b),
        "div" => fold(|a, b| (a / b).trunc()),
        "mod" => fold(|a, b| a % b),
        "max" => fold(f64::max),
        _ => fold(f64::min),
    }))
}

/// Gives the number in a value, 0 where there is none, as Sprig casts it.
fn number_of(value: &Value, name: &str) -> f64 {
    let number = match value {
        Value::Number(number, _) => *number,
        Value::Text(text) => text.as_str().parse().unwrap_or_default(),
        Value::Bool(true, _) => 1.0,
        Value::Null | Value::Bool(..) | Value::List(_) | Value::Map(_) => 0.0,
    };
    if name == "float64" { number } else { number.trunc() }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(..) => "bool",
        Value::Number(..) => "float64",
        Value::Text(_) => "string",
        Value::List(_) => "slice",
        Value::Map(_) => "map",
    }
}
