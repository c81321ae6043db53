//! YAML inside of a text that was rendered: its values, each with the pieces that it was made of.

use std::sync::Arc;

use crate::manifest::argocd::value::{At, Text, Value};
use crate::model::origin::Origin;
use crate::yaml::{self, Document, Node};

/// Reads the first document of a text. What stands in a text that is a whole scalar of a file stands there as well, at the
/// key path that leads on into it.
pub(super) fn read(text: &Text) -> Result<Value, String> {
    let documents = yaml::parse(text.as_str()).map_err(|error| error.to_string())?;
    let Some(root) = documents.first().map(Document::root) else { return Ok(Value::Null) };
    let whole = match text.pieces() {
        [piece] if piece.range == (0..text.as_str().len()) => Some(&piece.origin),
        _ => None,
    };
    let at = whole.map_or(At::Root, |origin| At::of(Some(origin.address.key.clone())));
    let mut value = Value::read(root, &at, &|path, _| {
        let origin = whole?;
        Some(Arc::new(Origin { address: origin.address.at(path.clone()), ..(**origin).clone() }))
    });
    mark(root, &mut value, text);
    Ok(value)
}

/// Gives every scalar that was a piece of the text its origin.
fn mark(node: Node<'_>, value: &mut Value, text: &Text) {
    match value {
        Value::Map(map) => {
            for (key, value) in map {
                if let Some(node) = node.get(key) {
                    mark(node, value, text);
                }
            }
        }
        Value::List(items) => items.iter_mut().zip(node.items()).for_each(|(item, node)| mark(node, item, text)),
        Value::Text(own) | Value::Number(_, own) | Value::Bool(_, own) => *own = marked(node, own, text),
        Value::Null => {}
    }
}

fn marked(node: Node<'_>, own: &Text, text: &Text) -> Text {
    let Some(node) = node.resolve() else { return own.clone() };
    let span = node.span();
    let written = text.part(span.clone());
    // Pieces of the text itself know better than the text as a whole.
    if written.as_str() == own.as_str() && !written.pieces().is_empty() {
        return written;
    }
    // In quotes, where nothing is escaped.
    let inner = span.start + 1..span.end.saturating_sub(1);
    let inner = if inner.start <= inner.end { text.part(inner) } else { Text::default() };
    if inner.as_str() == own.as_str() && !inner.pieces().is_empty() { inner } else { own.clone() }
}
