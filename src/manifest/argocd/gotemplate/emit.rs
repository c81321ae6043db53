//! Values as YAML and JSON, each scalar with its pieces, and back.

use crate::manifest::argocd::gotemplate::Fault;
use crate::manifest::argocd::value::{Text, Value};
use crate::manifest::argocd::yaml_text;
use crate::yaml::scalar::plain_is_string;

/// Writes a value as YAML, without a line break at the end.
pub(super) fn yaml(value: &Value) -> Text {
    let mut out = Text::default();
    block(value, 0, &mut out);
    out
}

fn block(value: &Value, depth: usize, out: &mut Text) {
    let line = |out: &mut Text, is_first: bool| {
        if !is_first {
            out.push_str("\n");
            out.push_str(&"  ".repeat(depth));
        }
    };
    match value {
        Value::Map(map) if !map.is_empty() => {
            for (at, (key, value)) in map.iter().enumerate() {
                line(out, at == 0);
                out.push(&scalar(&Text::plain(key.clone())));
                out.push_str(":");
                below(value, depth, out);
            }
        }
        Value::List(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                line(out, at == 0);
                out.push_str("- ");
                block(item, depth + 1, out);
            }
        }
        Value::Text(text) => out.push(&scalar(text)),
        other => out.push(&json(other)),
    }
}

fn below(value: &Value, depth: usize, out: &mut Text) {
    let is_nested = match value {
        Value::Map(map) => !map.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Null | Value::Bool(..) | Value::Number(..) | Value::Text(_) => false,
    };
    if is_nested {
        out.push_str("\n");
        out.push_str(&"  ".repeat(depth + 1));
        block(value, depth + 1, out);
    } else {
        out.push_str(" ");
        block(value, depth, out);
    }
}

fn scalar(text: &Text) -> Text {
    if plain_is_string(text.as_str()) { text.clone() } else { quoted(text) }
}

/// Writes a value as JSON.
pub(super) fn json(value: &Value) -> Text {
    let mut out = Text::default();
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(_, text) => out.push(text),
        Value::Number(..) => out.push_str(&value.json().to_string()),
        Value::Text(text) => out.push(&quoted(text)),
        Value::List(items) => {
            out.push_str("[");
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push(&json(item));
            }
            out.push_str("]");
        }
        Value::Map(map) => {
            out.push_str("{");
            for (at, (key, value)) in map.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { "," });
                out.push(&quoted(&Text::plain(key.clone())));
                out.push_str(":");
                out.push(&json(value));
            }
            out.push_str("}");
        }
    }
    out
}

/// Writes a text in double quotes; its pieces stay where nothing had to be escaped.
pub(super) fn quoted(text: &Text) -> Text {
    let inner = serde_json::Value::from(text.as_str()).to_string();
    let inner = inner.get(1..inner.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let mut out = Text::plain("\"");
    out.push(&text.changed(inner));
    out.push_str("\"");
    out
}

/// Reads a text as YAML, of which JSON is a part.
pub(super) fn read(value: &Value) -> Result<Value, Fault> {
    let Value::Text(text) = value else {
        return Err(Fault::Invalid(format!("{} is read as YAML", value.kind())));
    };
    yaml_text::read(text).map_err(|why| Fault::Invalid(format!("a text is read as YAML and is none: {why}")))
}
