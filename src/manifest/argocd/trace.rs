//! From a rendered Application back to Git: the scalar from which the tag in one of its texts comes.
//!
//! A text is traced only if the tag, or the whole image, is one scalar that nothing was added to.

use std::sync::Arc;

use crate::manifest::argocd::value::{At, Text, Value};
use crate::manifest::argocd::yaml_text;
use crate::manifest::place::split_spec;
use crate::model::key_path::{KeyPath, Segment};
use crate::model::origin::{Origin, Rendered};
use crate::model::tracked::Form;
use crate::yaml::{self, Document};

/// Where a tag stands, and what of the image stands there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Traced {
    /// The scalar.
    pub origin: Arc<Origin>,
    /// What it holds.
    pub form: Form,
}

/// A rendered Application whose texts can be traced.
#[derive(Debug)]
pub struct Trace {
    object: Value,
}

impl Trace {
    /// Reads a rendered Application.
    pub fn of(rendered: &Rendered) -> Self {
        let documents = yaml::parse(&rendered.text).unwrap_or_default();
        let root = documents.first().map(Document::root);
        let mut object = root.map(|root| Value::read(root, &At::Root, &|_, _| None)).unwrap_or_default();
        for (path, pieces) in &rendered.pieces {
            let found = path.segments().iter().try_fold(&mut object, |value, step| match (value, step) {
                (Value::Map(map), Segment::Key(key)) => map.get_mut(key),
                (Value::List(items), Segment::Index(index)) => items.get_mut(*index),
                _ => None,
            });
            if let Some(Value::Text(text) | Value::Number(_, text) | Value::Bool(_, text)) = found {
                *text = Text::of_pieces(text.as_str(), pieces);
            }
        }
        Self { object }
    }

    /// Finds from where the text at a key path comes, as far as its tag goes. The path may lead into a text that is YAML.
    pub fn at(&self, key: &KeyPath, form: Form) -> Option<Traced> {
        let mut value = self.object.clone();
        for step in key.segments() {
            let inner = match &value {
                Value::Text(text) => Some(yaml_text::read(text).ok()?),
                Value::Null | Value::Bool(..) | Value::Number(..) | Value::List(_) | Value::Map(_) => None,
            };
            let next = match (inner.as_ref().unwrap_or(&value), step) {
                (Value::Map(map), Segment::Key(key)) => map.get(key).cloned(),
                (Value::List(items), Segment::Index(index)) => items.get(*index).cloned(),
                (Value::List(items), Segment::Where { field, value }) => {
                    items.iter().find(|item| item.get(field).is_some_and(|one| one.shown().as_str() == value)).cloned()
                }
                _ => None,
            };
            value = next?;
        }
        traced(&value.shown(), 0, form)
    }

    /// Finds from where the image string of a list comes that replaces this name: `[name=]image[:tag][@digest]`.
    pub fn image_string(&self, list: &KeyPath, name: &str) -> Option<Traced> {
        let keys: Vec<&Segment> = list.segments().iter().collect();
        let value = keys.iter().try_fold(&self.object, |value, step| match (value, step) {
            (Value::Map(map), Segment::Key(key)) => map.get(key),
            (Value::List(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        })?;
        value.items().iter().find_map(|item| {
            let text = item.shown();
            let (replaced, start) = match text.as_str().split_once('=') {
                Some((replaced, _)) => (replaced, replaced.len() + 1),
                None => (split_spec(text.as_str()).0, 0),
            };
            if replaced != name {
                return None;
            }
            traced(&text, start, Form::Spec)
        })
    }
}

/// Traces a text, of which the image begins at a byte.
fn traced(text: &Text, start: usize, form: Form) -> Option<Traced> {
    let piece = |range: std::ops::Range<usize>| {
        let found = text.pieces().iter().find(|piece| piece.range == range && !range.is_empty());
        found.map(|piece| piece.origin.clone())
    };
    let end = text.as_str().len();
    if let Some(origin) = piece(start..end).or_else(|| piece(0..end)) {
        return Some(Traced { origin, form });
    }
    if form == Form::Tag {
        return None;
    }
    let spec = text.as_str().get(start..)?;
    let (name, tag, digest) = split_spec(spec);
    tag?;
    let tag_start = start + name.len() + 1;
    let tag_end = end - digest.map_or(0, |digest| digest.len() + 1);
    let origin = piece(tag_start..end).or_else(|| if digest.is_none() { piece(tag_start..tag_end) } else { None })?;
    Some(Traced { origin, form: Form::Tag })
}
