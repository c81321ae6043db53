//! Reading the value at a key path, through aliases, merge keys and the texts on the way.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::manifest::error::EditError;
use crate::manifest::locate::{Insertable, OF_CHARTS, Part, Reached, STRING_TAG, locate_part};
use crate::manifest::{Found, Source};
use crate::model::key_path::{KeyPath, Segment};
use crate::yaml::{Document, Kind, Node, Style, scalar};

impl Source {
    /// The same for a document by its number.
    pub(crate) fn canonical_in(&self, document: usize, path: &KeyPath) -> String {
        let mut spelled = Vec::new();
        self.spell(document, path.segments(), &mut spelled);
        spelled.join(".")
    }

    fn spell(&self, number: usize, segments: &[Segment], spelled: &mut Vec<String>) {
        let mut node = self.documents.get(number).map(Document::root);
        for (at, segment) in segments.iter().enumerate() {
            if let Some(inner) = node.and_then(|node| self.inner(number, node)) {
                return inner.spell(0, segments.get(at..).unwrap_or_default(), spelled);
            }
            let index = match segment {
                Segment::Where { field, value } => node.and_then(|node| {
                    let matches = |item: &Node<'_>| item.get(field).and_then(Node::as_str) == Some(value);
                    node.items().iter().position(matches)
                }),
                Segment::Index(index) => Some(*index),
                Segment::Key(_) => None,
            };
            spelled.push(match (segment, index) {
                (_, Some(index)) => format!("[{index}]"),
                (Segment::Key(key), None) => format!("{key:?}"),
                (other, None) => format!("{other:?}"),
            });
            node = node.and_then(|node| match (segment, index) {
                (Segment::Key(key), _) => node.get(key),
                (_, Some(index)) => node.items().get(index).copied(),
                (_, None) => None,
            });
        }
    }

    /// Gives the text and the line of a plain scalar, whose type readers tell by its text.
    pub(super) fn typed_in(&self, number: usize, path: &KeyPath) -> Option<(String, u64)> {
        let mut source: Option<Arc<Self>> = None;
        let (mut number, mut part) = (number, Part::whole(path));
        loop {
            let current = source.as_deref().unwrap_or(self);
            let found = locate_part(current.documents.get(number)?, part, OF_CHARTS).ok()?;
            let (value, at) = match found {
                Reached::Value(value) => {
                    let node = value.node.resolve().filter(|node| node.tag().is_none())?;
                    return match node.kind() {
                        Kind::Scalar { value: text, style: Style::Plain } => Some((text.clone(), value.node.line())),
                        _ => None,
                    };
                }
                Reached::Within(value, at) => (value, at),
                Reached::Missing(_) => return None,
            };
            let inner = current.inner(number, value.node)?;
            (number, part, source) = (0, part.split(at).1, Some(inner));
        }
    }

    /// Gives the key paths of the mapping that a key path leads to an entry of, those that are merged in among them.
    pub(super) fn keys_beside(&self, number: usize, path: &KeyPath) -> BTreeSet<KeyPath> {
        let parent = path.parent();
        let keys = self.keys_of(number, parent.as_ref().map(Part::whole)).unwrap_or_default().into_iter();
        let below = |key: &String| parent.as_ref().map_or_else(|| KeyPath::of_key(key), |path| path.child(key)).ok();
        keys.filter_map(|key| below(&key)).collect()
    }

    fn keys_of(&self, number: usize, part: Option<Part<'_>>) -> Option<Vec<String>> {
        let document = self.documents.get(number)?;
        let node = match part.map(|part| locate_part(document, part, OF_CHARTS)) {
            None => document.root(),
            Some(Ok(Reached::Value(value))) => value.node.resolve()?,
            Some(Ok(Reached::Within(value, at))) => {
                return self.inner(number, value.node)?.keys_of(0, part.map(|part| part.split(at).1));
            }
            Some(Ok(Reached::Missing(_)) | Err(_)) => return None,
        };
        if let Some(inner) = self.inner(number, node) {
            return inner.keys_of(0, None);
        }
        let entries = node.inherited_entries().into_iter().chain(node.entries());
        Some(entries.filter_map(|(key, _)| key.as_str().map(str::to_owned)).collect())
    }

    pub(super) fn read_part(
        &self,
        number: usize,
        part: Part<'_>,
        insertable: &'static Insertable,
    ) -> Result<Found, EditError> {
        let Some(document) = self.documents.get(number) else {
            return Ok(Found::Absent { insertable: false });
        };
        let value = match locate_part(document, part, insertable)? {
            Reached::Value(value) => value,
            Reached::Missing(missing) => {
                let insertable = missing.shared.is_none() && missing.sibling.is_some();
                return Ok(Found::Absent { insertable });
            }
            Reached::Within(value, at) => {
                let inner = self.inner(number, value.node);
                let found = inner.map(|inner| inner.read_part(0, part.split(at).1, insertable)).transpose()?;
                return Ok(match found {
                    Some(Found::Absent { insertable }) => {
                        Found::Absent { insertable: insertable && value.shared.is_none() }
                    }
                    Some(found) => found,
                    None => Found::Absent { insertable: false },
                });
            }
        };
        let line = value.node.line();
        let Some(node) = value.node.resolve() else {
            return Err(EditError::unproven(part.path, Some(line), "its alias stands inside of what it names"));
        };
        match node.kind() {
            Kind::Scalar { value, style } => {
                let typed = node.tag() == Some(STRING_TAG);
                let null = *style == Style::Plain && scalar::is_null(value) && (!typed || node.span().is_empty());
                Ok(if null { Found::Null { line } } else { Found::Text { value: value.clone(), line } })
            }
            kind => Err(EditError::not_a_scalar(part.path, line, kind)),
        }
    }
}
