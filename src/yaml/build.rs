//! Builds documents from the events of the parser.

use std::collections::HashMap;

use granit_parser::{Event, ScalarStyle, StructureStyle};

use crate::yaml::{Document, Kind, MAX_DEPTH, Slot, Style, YamlError};

enum Open {
    Map { position: usize, key: Option<usize> },
    Seq { position: usize },
}

/// The document whose events come.
#[derive(Default)]
pub(super) struct Builder {
    slots: Vec<Slot>,
    open: Vec<Open>,
    anchors: HashMap<usize, usize>,
    root: Option<usize>,
}

impl Builder {
    /// Takes an event; the end of a document makes one.
    ///
    /// # Errors
    /// A document nested deeper than [`MAX_DEPTH`].
    pub(super) fn take(
        &mut self,
        event: Event<'_>,
        span: &granit_parser::Span,
        documents: &mut Vec<Document>,
    ) -> Result<(), YamlError> {
        let line = span.start.line() as u64;
        let bytes = span.byte_range().unwrap_or(0..0);
        let tag_text = |tag: Option<std::borrow::Cow<'_, granit_parser::Tag>>| {
            tag.map(|t| format!("{}{}", t.handle(), t.suffix()))
        };
        match event {
            Event::DocumentStart(..) => *self = Self::default(),
            Event::DocumentEnd => {
                let built = std::mem::take(self);
                if let Some(root) = built.root {
                    documents.push(Document { slots: built.slots, root });
                }
            }
            Event::Alias(anchor) => {
                let target = self.anchors.get(&anchor).copied().filter(|target| !self.is_open(*target));
                self.add(Slot { kind: Kind::Alias(target), span: bytes, line, anchored: false, tag: None });
            }
            Event::Scalar(value, style, anchor, tag) => {
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal | ScalarStyle::Folded => Style::Block,
                };
                let kind = Kind::Scalar { value: value.into_owned(), style };
                let position = self.add(Slot { kind, span: bytes, line, anchored: anchor != 0, tag: tag_text(tag) });
                self.anchors.insert(anchor, position);
            }
            Event::MappingStart(style, anchor, tag) => {
                let kind = Kind::Map { flow: style == StructureStyle::Flow, entries: Vec::new() };
                let position = self.add(Slot { kind, span: bytes, line, anchored: anchor != 0, tag: tag_text(tag) });
                self.anchors.insert(anchor, position);
                self.open(Open::Map { position, key: None }, line)?;
            }
            Event::SequenceStart(style, anchor, tag) => {
                let kind = Kind::Seq { flow: style == StructureStyle::Flow, items: Vec::new() };
                let position = self.add(Slot { kind, span: bytes, line, anchored: anchor != 0, tag: tag_text(tag) });
                self.anchors.insert(anchor, position);
                self.open(Open::Seq { position }, line)?;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                if let Some(Open::Map { position, .. } | Open::Seq { position }) = self.open.pop() {
                    self.slots[position].span.end = bytes.end;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn is_open(&self, target: usize) -> bool {
        self.open
            .iter()
            .any(|open| matches!(open, Open::Map { position, .. } | Open::Seq { position } if *position == target))
    }

    fn open(&mut self, open: Open, line: u64) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError { line, message: format!("nested deeper than {MAX_DEPTH} levels") });
        }
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, slot: Slot) -> usize {
        let position = self.slots.len();
        self.slots.push(slot);
        match self.open.last_mut() {
            None => self.root = Some(position),
            Some(Open::Seq { position: parent }) => {
                if let Kind::Seq { items, .. } = &mut self.slots[*parent].kind {
                    items.push(position);
                }
            }
            Some(Open::Map { position: parent, key }) => match key.take() {
                None => *key = Some(position),
                Some(name) => {
                    if let Kind::Map { entries, .. } = &mut self.slots[*parent].kind {
                        entries.push((name, position));
                    }
                }
            },
        }
        position
    }
}
