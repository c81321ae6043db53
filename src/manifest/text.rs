//! Texts in texts: a scalar that is YAML or JSON itself, and the way from its bytes and lines to those of the file.

use std::collections::hash_map::Entry;
use std::sync::{Arc, PoisonError};

use crate::manifest::edit::Edit;
use crate::manifest::error::EditError;
use crate::manifest::inner::Map;
use crate::manifest::locate::{Part, Reached, locate_part, may_hold};
use crate::manifest::{Source, nearest};
use crate::model::key_path::KeyPath;
use crate::yaml::{Kind, Node};

/// How many texts may stand in each other.
const MAX_DEPTH: usize = 4;

/// What the text of a scalar is.
#[derive(Clone, Debug)]
pub(super) enum Within {
    /// No mapping or sequence.
    Nothing,
    /// It should be one and does not parse.
    Broken(EditError),
    /// A mapping or sequence.
    Yaml(Arc<Source>),
}

/// Where a text stands in the one around.
#[derive(Debug)]
pub(super) struct Outer {
    /// How many texts are around.
    depth: usize,
    /// The line of the scalar.
    line: u64,
    /// None where the bytes of the text are not found in the file: it can be read and not changed.
    map: Option<Map>,
}

impl Source {
    /// Gives the line of the file of a byte of this text, from 1.
    pub(super) fn line_at(&self, offset: usize) -> u64 {
        if let Some(outer) = &self.outer {
            return outer.map.as_ref().and_then(|map| map.line_at(offset)).unwrap_or(outer.line);
        }
        let breaks = self.lines.get_or_init(|| self.text.match_indices('\n').map(|(at, _)| at).collect());
        1 + breaks.partition_point(|at| *at < offset) as u64
    }

    /// Makes edits of this text edits of the one around.
    pub(super) fn edits_of_outer(&self, text: &str, edits: &[Edit]) -> Result<Vec<Edit>, String> {
        let map = self.outer.as_ref().and_then(|outer| outer.map.as_ref());
        map.ok_or("the bytes of the text around it are not found in the file")?.outer(text, edits)
    }

    /// Gives what the text of a scalar is.
    pub(super) fn within(&self, number: usize, node: Node<'_>) -> Within {
        let Some(node) = node.resolve().filter(|node| may_hold(*node)) else { return Within::Nothing };
        let mut known = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match known.entry((number, node.position())) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(free) => free.insert(self.parse_within(node)).clone(),
        }
    }

    fn parse_within(&self, node: Node<'_>) -> Within {
        let Kind::Scalar { value, .. } = node.kind() else { return Within::Nothing };
        let depth = 1 + self.outer.as_ref().map_or(0, |outer| outer.depth);
        // Most texts are plainly none.
        let may_be = value.contains(':') || value.trim_start().starts_with(['-', '[']);
        if !may_be || depth > MAX_DEPTH {
            return Within::Nothing;
        }
        let outer = Outer { depth, line: node.line(), map: Map::of(&self.text, node, |at| self.line_at(at)) };
        // The byte at which a line begins is searched only for texts whose lines are not those of the file.
        let line = |line: u64| match outer.map.as_ref().and_then(Map::first_line) {
            Some(first) => first + line.saturating_sub(1),
            None => {
                let skipped = usize::try_from(line.saturating_sub(2)).unwrap_or(usize::MAX);
                let start = value.match_indices('\n').nth(skipped).filter(|_| line > 1).map_or(0, |(at, _)| at + 1);
                outer.map.as_ref().and_then(|map| map.line_at(start)).unwrap_or(outer.line)
            }
        };
        let mut source = match Self::parse(value) {
            Ok(source) => source,
            Err(EditError::InvalidYaml { line: at, message, template }) => {
                return Within::Broken(EditError::InvalidYaml { line: line(at), message, template });
            }
            Err(EditError::JsonComment { line: at }) => {
                return Within::Broken(EditError::JsonComment { line: line(at) });
            }
            Err(error) => return Within::Broken(error),
        };
        let root = source.documents.first().map(|document| document.root().kind().clone());
        if !matches!(root, Some(Kind::Map { .. } | Kind::Seq { .. })) {
            return Within::Nothing;
        }
        let first = outer.map.as_ref().and_then(Map::first_line);
        for document in &mut source.documents {
            document.map_lines(|line, start| match (first, &outer.map) {
                (Some(first), _) => first + line.saturating_sub(1),
                (None, Some(map)) => map.line_at(start).unwrap_or(outer.line),
                (None, None) => outer.line,
            });
        }
        source.outer = Some(outer);
        Within::Yaml(Arc::new(source))
    }

    /// Says that a key is not there, and which one is most like it: the one thing that is worth looking at every key. A text on
    /// the path that does not parse is what is to be told instead.
    pub(super) fn no_such_key(&self, document: Option<usize>, path: &KeyPath) -> EditError {
        if let Some(error) = document.and_then(|number| self.broken_on(number, Part::whole(path))) {
            return error;
        }
        let nearest = document.and_then(|number| nearest::nearest(self, number, path));
        EditError::NoSuchKey { path: path.to_string(), nearest }
    }

    fn broken_on(&self, number: usize, part: Part<'_>) -> Option<EditError> {
        match locate_part(self.documents.get(number)?, part, &[]).ok()? {
            Reached::Within(value, at) => match self.within(number, value.node) {
                Within::Broken(error) => Some(error),
                Within::Yaml(inner) => inner.broken_on(0, part.split(at).1),
                Within::Nothing => None,
            },
            Reached::Value(_) | Reached::Missing(_) => None,
        }
    }
}
