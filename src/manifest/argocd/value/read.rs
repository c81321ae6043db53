//! YAML and JSON as values: typed as Argo CD's reader types them, and each scalar with where it stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::manifest::argocd::value::{Text, Value, go_float};
use crate::model::key_path::KeyPath;
use crate::model::origin::Origin;
use crate::yaml::{Kind, Node, Style};

/// Fields that tell the items of a list apart, and that nobody changes with a tag.
const NAMES: [&str; 18] = [
    "name",
    "app",
    "appName",
    "application",
    "service",
    "component",
    "cluster",
    "clusterName",
    "env",
    "environment",
    "stage",
    "namespace",
    "region",
    "tenant",
    "team",
    "url",
    "server",
    "id",
];

/// Where a value stands in its document.
#[derive(Clone, Debug)]
pub(in crate::manifest::argocd) enum At {
    /// It is the document.
    Root,
    /// At a key path.
    Path(KeyPath),
    /// Nowhere: no key path leads there.
    Nowhere,
}

impl At {
    /// Gives the place that a key path names; none is nowhere.
    pub(in crate::manifest::argocd) fn of(path: Option<KeyPath>) -> Self {
        path.map_or(Self::Nowhere, Self::Path)
    }

    pub(in crate::manifest::argocd) fn child(&self, key: &str) -> Self {
        match self {
            Self::Root => Self::of(KeyPath::of_key(key).ok()),
            Self::Path(path) => Self::of(path.child(key).ok()),
            Self::Nowhere => Self::Nowhere,
        }
    }

    pub(in crate::manifest::argocd) fn item(&self, number: usize) -> Self {
        match self {
            Self::Root => Self::of(format!("[{number}]").parse().ok()),
            Self::Path(path) => Self::of(path.item(number).ok()),
            Self::Nowhere => Self::Nowhere,
        }
    }

    fn where_is(&self, field: &str, value: &str) -> Option<Self> {
        match self {
            Self::Path(path) => path.where_is(field, value).ok().map(Self::Path),
            Self::Root | Self::Nowhere => None,
        }
    }
}

/// Gives the origin of what stands at a key path and line; none where nothing may be written.
pub(in crate::manifest::argocd) type Origins<'a> = &'a dyn Fn(&KeyPath, u64) -> Option<Arc<Origin>>;

impl Value {
    /// Reads a node. What an alias or a merge key brings in has the key path that leads to it: who writes there is told what
    /// shares it.
    pub(in crate::manifest::argocd) fn read(node: Node<'_>, at: &At, origins: Origins<'_>) -> Self {
        let Some(node) = node.resolve() else { return Self::Null };
        match node.kind() {
            Kind::Map { .. } => {
                let mut map = BTreeMap::new();
                for (key, value) in node.inherited_entries() {
                    if let Some(key) = key_text(key) {
                        let value = Self::read(value, &at.child(&key), origins);
                        map.insert(key, value);
                    }
                }
                for (key, value) in node.entries().into_iter().filter(|(key, _)| !key.is_merge_key()) {
                    let Some(key) = key_text(key) else { continue };
                    let value = Self::read(value, &at.child(&key), origins);
                    map.insert(key, value);
                }
                Self::Map(map)
            }
            Kind::Seq { .. } => {
                Self::List(items(at, node).into_iter().map(|(at, item)| Self::read(item, &at, origins)).collect())
            }
            Kind::Scalar { value, style } => {
                let origin = match at {
                    At::Path(path) => origins(path, node.line()),
                    At::Root | At::Nowhere => None,
                };
                scalar(value, *style, node.tag().is_some(), origin)
            }
            Kind::Alias(_) => Self::Null,
        }
    }
}

fn key_text(key: Node<'_>) -> Option<String> {
    match key.resolve()?.kind() {
        Kind::Scalar { value, .. } => Some(value.clone()),
        _ => None,
    }
}

/// Gives the items of a list with their paths: by a name that only one of them has, else by number.
pub(in crate::manifest::argocd) fn items<'d>(at: &At, list: Node<'d>) -> Vec<(At, Node<'d>)> {
    let items = list.items();
    let name_of = |item: &Node<'d>, field: &str| item.get(field).and_then(Node::as_str).map(str::to_owned);
    let is_name = |field: &&&str| {
        let names: Option<Vec<String>> = items.iter().map(|item| name_of(item, field)).collect();
        names.is_some_and(|mut names| {
            names.sort_unstable();
            !names.is_empty() && names.windows(2).all(|pair| pair.first() != pair.last())
        })
    };
    let field = NAMES.iter().find(is_name).copied();
    let place = |(number, item): (usize, Node<'d>)| {
        let by_name = field.and_then(|field| at.where_is(field, &name_of(&item, field)?));
        (by_name.unwrap_or_else(|| at.item(number)), item)
    };
    items.iter().copied().enumerate().map(place).collect()
}

/// Types a scalar as Argo CD's YAML reader does.
fn scalar(value: &str, style: Style, is_tagged: bool, origin: Option<Arc<Origin>>) -> Value {
    if style != Style::Plain || is_tagged {
        return Value::Text(Text::whole(value, origin));
    }
    match value {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            Value::Bool(true, Text::whole("true", origin))
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            Value::Bool(false, Text::whole("false", origin))
        }
        _ => match number(value) {
            Some(number) => Value::Number(number, Text::whole(go_float(number), origin)),
            None => Value::Text(Text::whole(value, origin)),
        },
    }
}

/// Reads a number as YAML 1.1 of Go does; base 60 and dates stay texts.
fn number(text: &str) -> Option<f64> {
    let plain = text.replace('_', "");
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let sign = if plain.starts_with('-') { -1.0 } else { 1.0 };
    let based = |digits: &str, base| i64::from_str_radix(digits, base).ok().map(|value| sign * value as f64);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
    match unsigned.get(..2) {
        Some("0x") => return based(unsigned.get(2..)?, 16),
        Some("0b") => return based(unsigned.get(2..)?, 2),
        Some("0o") => return based(unsigned.get(2..)?, 8),
        _ => {}
    }
    if unsigned.len() > 1 && unsigned.starts_with('0') && is_digits(unsigned) {
        // An octal number; with an 8 or 9 it is a float to Go.
        return based(unsigned, 8).or_else(|| unsigned.parse().ok());
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let is_float = unsigned.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E' | b'+' | b'-'));
    let has_digit = unsigned.bytes().any(|c| c.is_ascii_digit());
    if is_float && has_digit { plain.trim_start_matches('+').parse().ok() } else { None }
}
