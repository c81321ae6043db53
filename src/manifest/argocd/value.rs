//! Parameters and templates as values: each text knows which parts of it stand where.
//!
//! Typed as Argo CD reads YAML and JSON: every number is a float, and printed as Go prints one. Nothing here is rendered.

mod read;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::model::origin::{Origin, Piece};

pub(super) use read::{At, Origins, items};

/// A text, and the parts of it that stand somewhere as scalars of their own.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Text {
    value: String,
    pieces: Vec<Piece>,
}

/// A parameter, or a part of a template.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool, Text),
    Number(f64, Text),
    Text(Text),
    List(Vec<Value>),
    Map(BTreeMap<String, Value>),
}

impl Text {
    pub(super) fn plain(value: impl Into<String>) -> Self {
        Self { value: value.into(), pieces: Vec::new() }
    }

    pub(super) fn whole(value: impl Into<String>, origin: Option<Arc<Origin>>) -> Self {
        let value = value.into();
        let range = 0..value.len();
        Self { pieces: origin.into_iter().map(|origin| Piece { range: range.clone(), origin }).collect(), value }
    }

    pub(super) fn of_pieces(value: &str, pieces: &[Piece]) -> Self {
        Self { value: value.to_owned(), pieces: pieces.to_vec() }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.value
    }

    pub(super) fn is_full(&self) -> bool {
        !self.value.is_empty()
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub(super) fn push_str(&mut self, text: &str) {
        self.value.push_str(text);
    }

    pub(super) fn push(&mut self, text: &Text) {
        let start = self.value.len();
        let moved = |piece: &Piece| Piece {
            range: piece.range.start + start..piece.range.end + start,
            origin: piece.origin.clone(),
        };
        self.pieces.extend(text.pieces.iter().map(moved));
        self.value.push_str(&text.value);
    }

    /// Gives a part of it, with the pieces that are whole there.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        let is_inside = |piece: &&Piece| piece.range.start >= range.start && piece.range.end <= range.end;
        let moved = |piece: &Piece| Piece {
            range: piece.range.start - range.start..piece.range.end - range.start,
            origin: piece.origin.clone(),
        };
        Self {
            value: self.value.get(range.clone()).unwrap_or_default().to_owned(),
            pieces: self.pieces.iter().filter(is_inside).map(moved).collect(),
        }
    }

    /// Gives another text that was made of this one: the same pieces if it is the same.
    pub(super) fn changed(&self, value: String) -> Self {
        if value == self.value { self.clone() } else { Self::plain(value) }
    }
}

impl Value {
    pub(super) fn text(value: impl Into<String>) -> Self {
        Self::Text(Text::plain(value))
    }

    pub(super) fn bool(value: bool) -> Self {
        Self::Bool(value, Text::plain(value.to_string()))
    }

    pub(super) fn number(value: f64) -> Self {
        Self::Number(value, Text::plain(go_float(value)))
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(map) => map.get(key),
            _ => None,
        }
    }

    pub(super) fn get_path(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    pub(super) fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// Gives the text of a text.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true, _))
    }

    /// Counts the values in it, with itself.
    pub(super) fn count(&self) -> usize {
        1 + match self {
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Map(map) => map.values().map(Self::count).sum(),
            Self::Null | Self::Bool(..) | Self::Number(..) | Self::Text(_) => 0,
        }
    }

    /// Says what it is, as messages call it.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(..) => "a boolean",
            Self::Number(..) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Gives it as Go prints it.
    pub(super) fn shown(&self) -> Text {
        match self {
            Self::Null => Text::plain("<no value>"),
            Self::Bool(_, text) | Self::Number(_, text) | Self::Text(text) => text.clone(),
            Self::List(items) => {
                let mut out = Text::plain("[");
                for (index, item) in items.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { " " });
                    out.push(&item.shown());
                }
                out.push_str("]");
                out
            }
            Self::Map(map) => {
                let mut out = Text::plain("map[");
                for (index, (key, value)) in map.iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { " " });
                    out.push_str(key);
                    out.push_str(":");
                    out.push(&value.shown());
                }
                out.push_str("]");
                out
            }
        }
    }

    /// Tells whether Go's templates take it for true: what is not empty.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value, _) => *value,
            Self::Number(value, _) => *value != 0.0,
            Self::Text(text) => !text.as_str().is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.is_empty(),
        }
    }

    /// Lays another value over this one, key by key; whatever is no map is replaced.
    pub(super) fn lay(&mut self, over: &Self) {
        match (self, over) {
            (Self::Map(map), Self::Map(over)) => {
                for (key, value) in over {
                    match map.get_mut(key) {
                        Some(known) => known.lay(value),
                        None => drop(map.insert(key.clone(), value.clone())),
                    }
                }
            }
            (known, over) => *known = over.clone(),
        }
    }

    /// Writes nested keys as one key with dots, as parameters without Go templates are.
    pub(super) fn flatten(&self) -> BTreeMap<String, Text> {
        let mut flat = BTreeMap::new();
        self.flatten_into("", &mut flat);
        flat
    }

    fn flatten_into(&self, prefix: &str, flat: &mut BTreeMap<String, Text>) {
        let below = |key: &str| if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        match self {
            Self::Map(map) if !map.is_empty() => {
                map.iter().for_each(|(key, value)| value.flatten_into(&below(key), flat));
            }
            Self::List(items) if !items.is_empty() => {
                items.iter().enumerate().for_each(|(index, item)| item.flatten_into(&below(&index.to_string()), flat));
            }
            Self::Null if prefix.is_empty() => {}
            Self::Null => drop(flat.insert(prefix.to_owned(), Text::plain("<nil>"))),
            value => drop(flat.insert(prefix.to_owned(), value.shown())),
        }
    }

    /// Gives it as JSON.
    pub(super) fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value, _) => (*value).into(),
            Self::Number(value, _) if value.fract() == 0.0 && value.abs() < 1e15 => (*value as i64).into(),
            Self::Number(value, _) => (*value).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Map(map) => {
                serde_json::Value::Object(map.iter().map(|(key, value)| (key.clone(), value.json())).collect())
            }
        }
    }
}

/// Prints a float as Go's `%v` does.
fn go_float(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}
