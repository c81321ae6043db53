//! YAML with byte spans: text -> documents whose nodes know their place, style and line.
//!
//! The parser is `granit-parser` (YAML 1.2, events with byte ranges). Nothing here writes. Aliases stay aliases: a
//! [`Node`] resolves them on request, so a bomb costs no more than its bytes. How a plain scalar is read as a value is
//! in [`scalar`].

mod build;
mod json;
pub mod scalar;

use std::ops::Range;

use granit_parser::Parser;

use build::Builder;

/// Largest text that is parsed, in bytes.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// Deepest nesting that is parsed.
pub const MAX_DEPTH: usize = 100;
/// How many aliases a look-up follows from one to the next.
const MAX_ALIAS_HOPS: usize = 32;
/// How many `<<` a look-up follows in all.
const MAX_MERGES: usize = 256;

/// Why a text is not readable as YAML.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct YamlError {
    /// Line, from 1.
    pub line: u64,
    /// What the parser met.
    pub message: String,
}

/// How a scalar is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes.
    Double,
    /// `|` or `>`.
    Block,
}

/// What a node is. Children are positions in the document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `*name`; the position of the anchored node, `None` while that node is still open (a cycle).
    Alias(Option<usize>),
    /// A scalar's text and style. A null without text is an empty span and the text `~`.
    Scalar {
        /// The text after escapes.
        value: String,
        /// How it is written.
        style: Style,
    },
    /// A mapping, in source order, duplicates included.
    Map {
        /// `{…}`.
        flow: bool,
        /// Keys and values.
        entries: Vec<(usize, usize)>,
    },
    /// A sequence.
    Seq {
        /// `[…]`.
        flow: bool,
        /// Items.
        items: Vec<usize>,
    },
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Slot {
    kind: Kind,
    span: Range<usize>,
    line: u64,
    anchored: bool,
    tag: Option<String>,
}

/// One document of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Document {
    slots: Vec<Slot>,
    root: usize,
}

/// A node of a document.
#[derive(Clone, Copy, Debug)]
pub struct Node<'d> {
    document: &'d Document,
    position: usize,
}

/// Reads all documents of a text; empty documents are nulls.
///
/// # Errors
/// The first thing that is not YAML, or a text over [`MAX_BYTES`] or [`MAX_DEPTH`].
pub fn parse(text: &str) -> Result<Vec<Document>, YamlError> {
    let (documents, mut errors) = parse_each(text);
    if errors.is_empty() { Ok(documents) } else { Err(errors.swap_remove(0)) }
}

/// Reads what can be read: the good documents, and the first error of each bad one.
pub fn parse_each(text: &str) -> (Vec<Document>, Vec<YamlError>) {
    if text.len() > MAX_BYTES {
        let message = format!("{} bytes are more than the {MAX_BYTES} that are read", text.len());
        return (Vec::new(), vec![YamlError { line: 1, message }]);
    }
    let mut parser = Parser::new_from_str_with_options(text, granit_parser::options! { emit_comments: false });
    let (mut documents, mut errors) = (Vec::new(), Vec::new());
    let mut builder = Builder::default();
    loop {
        let error = match parser.next_event() {
            None => break,
            Some(Ok((event, span))) => match builder.take(event, &span, &mut documents) {
                Ok(()) => continue,
                Err(error) => error,
            },
            Some(Err(error)) => YamlError { line: error.marker().line() as u64, message: error.info() },
        };
        errors.push(error);
        builder = Builder::default();
        if !matches!(parser.proceed_next_document(), Ok(true)) {
            break;
        }
    }
    (documents, errors)
}

impl Document {
    /// Gives the document's root.
    pub fn root(&self) -> Node<'_> {
        Node { document: self, position: self.root }
    }

    /// Gives every node, in the order of the text.
    pub fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.slots.len()).map(|position| Node { document: self, position })
    }

    /// Gives the how-manieth child of the how-manieth child … of the root, aliases not followed: of a mapping the value.
    pub fn below(&self, steps: &[usize]) -> Option<Node<'_>> {
        steps.iter().try_fold(self.root(), |node, step| match node.kind() {
            Kind::Map { entries, .. } => entries.get(*step).and_then(|(_, value)| self.node(*value)),
            Kind::Seq { items, .. } => items.get(*step).and_then(|item| self.node(*item)),
            Kind::Scalar { .. } | Kind::Alias(_) => None,
        })
    }

    /// Says of every node that it stands at the line that `line` gives for its line and first byte.
    pub(crate) fn map_lines(&mut self, line: impl Fn(u64, usize) -> u64) {
        for slot in &mut self.slots {
            slot.line = line(slot.line, slot.span.start);
        }
    }

    /// Gives the node at a position that a [`Kind`] of this document named.
    pub fn node(&self, position: usize) -> Option<Node<'_>> {
        (position < self.slots.len()).then_some(Node { document: self, position })
    }
}

impl<'d> Node<'d> {
    fn slot(self) -> &'d Slot {
        &self.document.slots[self.position]
    }

    fn at(self, position: usize) -> Self {
        Node { position, ..self }
    }

    /// Gives the position in the document.
    pub fn position(self) -> usize {
        self.position
    }

    /// Gives what the node is, aliases not followed.
    pub fn kind(self) -> &'d Kind {
        &self.slot().kind
    }

    /// Gives the node's bytes; a block scalar's are its content, without the header.
    pub fn span(self) -> Range<usize> {
        self.slot().span.clone()
    }

    /// Gives the line it starts at, from 1.
    pub fn line(self) -> u64 {
        self.slot().line
    }

    /// Tells whether it carries `&name`.
    pub fn is_anchored(self) -> bool {
        self.slot().anchored
    }

    /// Gives its explicit tag, such as `tag:yaml.org,2002:str`.
    pub fn tag(self) -> Option<&'d str> {
        self.slot().tag.as_deref()
    }

    /// Follows aliases to the node they stand for; `None` in a cycle.
    pub fn resolve(self) -> Option<Self> {
        let mut node = self;
        for _ in 0..MAX_ALIAS_HOPS {
            match node.kind() {
                Kind::Alias(target) => node = self.at((*target)?),
                _ => return Some(node),
            }
        }
        None
    }

    /// Gives the text of a scalar that is not null.
    pub fn as_str(self) -> Option<&'d str> {
        match self.resolve()?.kind() {
            Kind::Scalar { value, style } if *style != Style::Plain || !scalar::is_null(value) => Some(value),
            _ => None,
        }
    }

    /// Tells whether it is a null.
    pub fn is_null(self) -> bool {
        self.resolve().is_some_and(
            |node| matches!(node.kind(), Kind::Scalar { value, style: Style::Plain } if scalar::is_null(value)),
        )
    }

    /// Gives the keys and values of a mapping as written; empty for anything else.
    pub fn entries(self) -> Vec<(Self, Self)> {
        match self.resolve().map(|node| node.kind()) {
            Some(Kind::Map { entries, .. }) => {
                entries.iter().map(|(key, value)| (self.at(*key), self.at(*value))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Gives the items of a sequence; empty for anything else.
    pub fn items(self) -> Vec<Self> {
        match self.resolve().map(|node| node.kind()) {
            Some(Kind::Seq { items, .. }) => items.iter().map(|item| self.at(*item)).collect(),
            _ => Vec::new(),
        }
    }

    /// Looks a key up as YAML readers do: the last of duplicates wins, own keys win over merged ones (`<<`).
    pub fn get(self, key: &str) -> Option<Self> {
        self.get_within(key, &mut { MAX_MERGES })
    }

    /// `left` counts over the whole look-up: merge lists of merge lists would double it at every level.
    fn get_within(self, key: &str, left: &mut usize) -> Option<Self> {
        let entries = self.entries();
        let own = entries.iter().rev().find(|(name, _)| name.as_str() == Some(key));
        if let Some((_, value)) = own {
            return value.resolve();
        }
        *left = left.checked_sub(1)?;
        let (_, merged) = entries.iter().rev().find(|(name, _)| name.is_merge_key())?;
        match merged.resolve()?.kind() {
            Kind::Map { .. } => merged.get_within(key, left),
            Kind::Seq { .. } => merged.items().into_iter().find_map(|item| item.get_within(key, left)),
            _ => None,
        }
    }

    /// Gives the entries that a mapping inherits by merge keys (`<<`), without those that it has itself.
    pub fn inherited_entries(self) -> Vec<(Self, Self)> {
        let (mut queue, mut found): (Vec<Self>, Vec<(Self, Self)>) = (vec![self], Vec::new());
        for _ in 0..MAX_MERGES {
            let Some(map) = queue.pop() else { break };
            let (merges, entries): (Vec<_>, Vec<_>) =
                map.entries().into_iter().partition(|(key, _)| key.is_merge_key());
            // What comes first wins: own keys, then the merged mappings in their order, each with its own merges.
            found.extend(
                entries
                    .into_iter()
                    .filter(|(key, _)| !found.iter().any(|(known, _)| known.as_str() == key.as_str()))
                    .collect::<Vec<_>>(),
            );
            for (_, merged) in merges {
                let items = merged.items();
                queue.extend(if items.is_empty() { vec![merged] } else { items.into_iter().rev().collect() });
            }
        }
        let own: Vec<_> = self.entries().into_iter().map(|(key, _)| key.as_str()).collect();
        found.into_iter().filter(|(key, _)| !own.contains(&key.as_str())).collect()
    }

    /// Tells whether this key is a plain `<<`.
    pub fn is_merge_key(self) -> bool {
        matches!(self.kind(), Kind::Scalar { value, style: Style::Plain } if value == "<<")
    }

    /// Looks up `a`, then `b` in it, and so on.
    pub fn get_path(self, keys: &[&str]) -> Option<Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }
}

/// Gives the line of a byte offset, from 1.
pub fn line_of(text: &str, offset: usize) -> u64 {
    1 + text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_know_their_bytes_and_lines() {
        let text = "# c\nimage:\n  tag: '1.0' # x\n  list: [a, b]\n";
        let documents = parse(text).unwrap();
        let tag = documents[0].root().get_path(&["image", "tag"]).unwrap();
        assert_eq!((&text[tag.span()], tag.line(), tag.as_str()), ("'1.0'", 3, Some("1.0")));
        let list = documents[0].root().get_path(&["image", "list"]).unwrap();
        assert_eq!(&text[list.span()], "[a, b]");
    }

    #[test]
    fn the_last_duplicate_and_the_own_key_win() {
        let documents = parse("base: &b {x: 1, y: 2}\na: {<<: *b, y: 3, z: 1, z: 2}\n").unwrap();
        let a = documents[0].root().get("a").unwrap();
        let texts = ["x", "y", "z", "w"].map(|key| a.get(key).and_then(Node::as_str));
        assert_eq!(texts, [Some("1"), Some("3"), Some("2"), None]);
    }

    #[test]
    fn a_bad_document_does_not_hide_the_next() {
        let (documents, errors) = parse_each("a: 1\n---\nb: [\n---\nc: 3\n");
        let keys: Vec<_> =
            documents.iter().filter_map(|d| d.root().entries().first().and_then(|(k, _)| k.as_str())).collect();
        assert_eq!((keys, errors.len()), (vec!["a", "c"], 1));
    }

    #[test]
    fn depth_and_size_are_capped() {
        assert!(parse(&"[".repeat(5000)).is_err());
        assert!(parse(&" ".repeat(MAX_BYTES + 1)).is_err());
        let bomb: String = (1..40).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
        assert!(parse(&format!("a0: &a0 x\n{bomb}")).is_ok());
    }
    #[test]
    fn merge_keys_that_multiply_cost_no_more_than_their_bytes() {
        let bomb: String = (1..60).map(|n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}]}}\n", n - 1)).collect();
        let documents = parse(&format!("a0: &a0 {{x: 1}}\n{bomb}<<: [*a59, *a59]\n")).unwrap();
        assert!(documents[0].root().get("missing").is_none());
        assert_eq!(documents[0].root().get("x").and_then(Node::as_str), Some("1"));
    }
}
