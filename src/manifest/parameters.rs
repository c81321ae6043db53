//! Helm parameters of Argo CD: a list of `name` and `value`, handed to Helm one by one with `--set` or `--set-string`.
//!
//! The names have the syntax of `helm --set`. Without `forceString: true` Helm reads the value as a type of its own: `true`,
//! `null` and whole numbers are no texts then, and charts that print them break.

use crate::manifest::error::EditError;
use crate::manifest::helm_values::{parameter_path, walk_to};
use crate::manifest::{Source, objects};
use crate::model::address::Address;
use crate::model::application::Parameter;
use crate::model::key_path::KeyPath;
use crate::yaml::{Document, Node};

/// Reads the items of a list.
pub(crate) fn read(list: Node<'_>) -> Vec<Parameter> {
    let text = |item: Node<'_>, key: &str| item.get(key).and_then(Node::as_str).map(str::to_owned);
    let item = |item: Node<'_>| {
        let value = text(item, "value").unwrap_or_default();
        Some(Parameter { name: text(item, "name")?, value, is_forced: is_forced(item) })
    };
    list.items().into_iter().filter_map(item).collect()
}

/// Gives the name that a parameter is written with, found by the key path that it means.
pub(crate) fn spelled(source: &Source, list: &Address, key: &KeyPath) -> Option<String> {
    let (number, path) = objects::find(source, list).ok()??;
    let names = items(source, number, &path)?.into_iter().filter_map(|item| item.get("name")?.as_str());
    let mut meant = names.filter(|name| parameter_path(name).as_ref() == Some(key));
    meant.next().map(str::to_owned)
}

/// Gives the address of a parameter's value; none if the name can stand in no key path.
pub(crate) fn value_of(list: &Address, name: &str) -> Option<Address> {
    let key = list.key.where_is("name", name).and_then(|item| item.child("value")).ok()?;
    Some(list.at(key))
}

/// Gives the address of the parameter that holds the digest beside a tag.
pub(crate) fn digest_of(source: &Source, list: &Address, name: &str) -> Option<Address> {
    let key = parameter_path(name)?;
    let digest = key.parent().map_or_else(|| KeyPath::of_key("digest"), |parent| parent.child("digest")).ok()?;
    value_of(list, &spelled(source, list, &digest)?)
}

/// Tells whether a parameter is a text to Helm, whatever it looks like.
pub(crate) fn is_forced(item: Node<'_>) -> bool {
    let is_key = |key: &str| key.eq_ignore_ascii_case("forceString");
    item.entries().iter().any(|(key, value)| key.as_str().is_some_and(is_key) && value.as_str() == Some("true"))
}

/// Refuses a value that Helm would read as another type than the one that stands there.
pub(crate) fn check_type(source: &Source, list: &Address, name: &str, old: &str, new: &str) -> Result<(), EditError> {
    let Some(now) = type_of(new) else { return Ok(()) };
    // A chart that lives with numbers goes on to do so.
    if now == NUMBER && type_of(old) == Some(NUMBER) {
        return Ok(());
    }
    let (number, path) = objects::at(source, list)?;
    let mut items = items(source, number, &path).unwrap_or_default().into_iter();
    let item = items.rfind(|item| item.get("name").and_then(Node::as_str) == Some(name));
    if item.is_some_and(is_forced) {
        return Ok(());
    }
    let why = format!("Helm reads the parameter `{new}` as {now}, not as a text: add `forceString: true` to it");
    let path = value_of(list, name).map_or_else(|| name.to_owned(), |address| address.to_string());
    Err(EditError::Unproven { path, line: item.map(Node::line), why })
}

const NUMBER: &str = "a number";

/// Says what `helm --set` makes of a value, if it is no text.
fn type_of(value: &str) -> Option<&'static str> {
    match value {
        "true" | "false" => Some("a boolean"),
        "null" => Some("nothing at all"),
        "0" => Some(NUMBER),
        _ if value.starts_with('0') => None,
        _ => value.parse::<i64>().is_ok().then_some(NUMBER),
    }
}

fn items<'s>(source: &'s Source, number: usize, path: &KeyPath) -> Option<Vec<Node<'s>>> {
    let root = source.documents().get(number).map(Document::root)?;
    Some(walk_to(root, path)?.items())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_helm_set() {
        for (value, expected) in [
            ("1.2.3", None),
            ("1.20", None),
            ("1e3", None),
            ("0123", None),
            ("0x1f", None),
            ("True", None),
            ("20240115", Some(NUMBER)),
            ("0", Some(NUMBER)),
            ("99999999999999999999", None),
            ("true", Some("a boolean")),
            ("null", Some("nothing at all")),
        ] {
            assert_eq!(type_of(value), expected, "{value}");
        }
    }
}
