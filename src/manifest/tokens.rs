//! What readers see of a text, as rows of tokens that can be compared.
//!
//! The first is our own parser: kind, text, style, tag and anchor of every node. The second is `yaml_serde` (libyaml), over
//! the values it sees, and for JSON `serde_json` as well. They take duplicate keys and unknown tags as they come, since they
//! were there before any edit. The texts of a row lie in one string: a row costs two allocations, however long it is.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::yaml::{Document, Kind, Node, Style};

/// How many bytes of text count as much as a value where aliases are written out.
const BYTES_PER_VALUE: usize = 64;

/// A piece of what a reader sees, in the order of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Null,
    Bool(bool),
    Int(i128),
    /// The bits, so that `.nan` equals itself.
    Float(u64),
    Text(Piece),
    /// What the first reader sees of any scalar; a null without text is not written.
    Scalar {
        value: Piece,
        style: Style,
        is_written: bool,
    },
    /// The how-manieth anchor of the document is meant; none in a cycle.
    Alias(Option<usize>),
    /// What has the anchor follows.
    Anchor,
    /// What is tagged follows.
    Tag(Piece),
    Open(Container),
    Close,
}

/// What opens; the first reader tells flow style from block style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Map { flow: Option<bool> },
    Seq { flow: Option<bool> },
}

/// Where a token's text lies in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    start: usize,
    end: usize,
}

/// What one reader sees of one document.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    tokens: Vec<Token>,
    text: String,
}

impl Row {
    /// Gives the token of this number.
    pub(super) fn get(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).copied()
    }

    /// Gives how many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Gives the tokens of these numbers.
    pub(super) fn tokens(&self, range: Range<usize>) -> &[Token] {
        self.tokens.get(range).unwrap_or_default()
    }

    /// Gives the text of one of its tokens.
    pub(super) fn text(&self, piece: Piece) -> &str {
        self.text.get(piece.start..piece.end).unwrap_or_default()
    }

    /// Tells whether so many tokens from here on are those of another row from there on.
    pub(super) fn agrees(&self, from: usize, other: &Self, other_from: usize, count: usize) -> bool {
        let own = self.tokens.get(from..from + count);
        let others = other.tokens.get(other_from..other_from + count);
        let same = |(own, its): (&Token, &Token)| match (*own, *its) {
            (Token::Text(a), Token::Text(b)) | (Token::Tag(a), Token::Tag(b)) => self.text(a) == other.text(b),
            (
                Token::Scalar { value: a, style, is_written },
                Token::Scalar { value: b, style: its_style, is_written: its_written },
            ) => style == its_style && is_written == its_written && self.text(a) == other.text(b),
            (own, its) => own == its,
        };
        match (own, others) {
            (Some(own), Some(others)) => own.iter().zip(others).all(same),
            _ => false,
        }
    }

    fn keep(&mut self, text: &str) -> Piece {
        let start = self.text.len();
        self.text.push_str(text);
        Piece { start, end: self.text.len() }
    }
}

/// Gives every node's result in the order in which nodes are complete: children before their parents, and what an alias
/// names before the alias. `own` is the result of a node alone, and of an alias with that of what it names; `join` adds a
/// child's result to its parent's.
pub(super) fn fold_up<T: Copy>(
    document: &Document,
    own: impl Fn(Node<'_>, Option<T>) -> T,
    join: impl Fn(T, T) -> T,
) -> Vec<Option<T>> {
    let mut results: Vec<Option<T>> = vec![None; document.nodes().count()];
    let mut open: Vec<(usize, usize)> = Vec::new();
    for node in document.nodes() {
        let (named, children) = match node.kind() {
            Kind::Alias(target) => (target.and_then(|at| results.get(at).copied().flatten()), 0),
            Kind::Scalar { .. } => (None, 0),
            Kind::Map { entries, .. } => (None, entries.len() * 2),
            Kind::Seq { items, .. } => (None, items.len()),
        };
        put(&mut results, node.position(), own(node, named));
        open.push((node.position(), children));
        while let Some((position, 0)) = open.last().copied() {
            open.pop();
            if let (Some((parent, left)), Some(result)) = (open.last_mut(), results.get(position).copied().flatten()) {
                *left -= 1;
                let parent = *parent;
                let joined = results.get(parent).copied().flatten().map(|before| join(before, result));
                joined.into_iter().for_each(|joined| put(&mut results, parent, joined));
            }
        }
    }
    results
}

fn put<T>(results: &mut [Option<T>], position: usize, result: T) {
    if let Some(slot) = results.get_mut(position) {
        *slot = Some(result);
    }
}

/// Counts the nodes of a document with every alias written out; a long text counts as several.
pub(super) fn expanded_size(document: &Document) -> usize {
    let own = |node: Node<'_>, named: Option<usize>| match node.kind() {
        Kind::Scalar { value, .. } => 1 + value.len() / BYTES_PER_VALUE,
        Kind::Map { .. } | Kind::Seq { .. } | Kind::Alias(_) => named.unwrap_or(1),
    };
    let sizes = fold_up(document, own, usize::saturating_add);
    sizes.get(document.root().position()).copied().flatten().unwrap_or(1)
}

/// Reads a text with the second reader, document by document.
pub(super) fn read_second(text: &str) -> Result<Vec<Row>, String> {
    let mut documents = Vec::new();
    // libyaml counts a byte order mark as a column, so that the first key seems to be indented.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for document in serde_yaml::Deserializer::from_str(text) {
        let mut row = Row::default();
        Collector(&mut row).deserialize(document).map_err(|error| error.to_string())?;
        documents.push(row);
    }
    Ok(documents)
}

/// Reads a text as JSON: one object or array, by the letter of RFC 8259.
pub(super) fn read_json(text: &str) -> Result<Vec<Row>, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut row = Row::default();
    Collector(&mut row).deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(vec![row])
}

/// Gives what the first reader saw of each document.
pub(super) fn read_first(documents: &[Document]) -> Vec<Row> {
    documents
        .iter()
        .map(|document| {
            let anchored = document.nodes().filter(|node| node.is_anchored()).map(Node::position);
            let anchors: HashMap<usize, usize> = anchored.enumerate().map(|(number, at)| (at, number)).collect();
            let mut row = Row::default();
            collect(document, document.root(), &anchors, &mut row);
            row
        })
        .collect()
}

fn collect(document: &Document, node: Node<'_>, anchors: &HashMap<usize, usize>, row: &mut Row) {
    if node.is_anchored() {
        row.tokens.push(Token::Anchor);
    }
    if let Some(tag) = node.tag() {
        let tag = row.keep(tag);
        row.tokens.push(Token::Tag(tag));
    }
    let child = |position: usize, row: &mut Row| {
        if let Some(child) = document.node(position) {
            collect(document, child, anchors, row);
        }
    };
    match node.kind() {
        Kind::Alias(target) => row.tokens.push(Token::Alias(target.and_then(|at| anchors.get(&at).copied()))),
        Kind::Scalar { value, style } => {
            let is_written = !node.span().is_empty();
            let value = row.keep(value);
            row.tokens.push(Token::Scalar { value, style: *style, is_written });
        }
        Kind::Map { flow, entries } => {
            row.tokens.push(Token::Open(Container::Map { flow: Some(*flow) }));
            for (key, value) in entries {
                child(*key, row);
                child(*value, row);
            }
            row.tokens.push(Token::Close);
        }
        Kind::Seq { flow, items } => {
            row.tokens.push(Token::Open(Container::Seq { flow: Some(*flow) }));
            for item in items {
                child(*item, row);
            }
            row.tokens.push(Token::Close);
        }
    }
}

/// Takes values as they come: duplicate keys, any tag, aliases written out.
struct Collector<'t>(&'t mut Row);

impl Collector<'_> {
    fn push<E>(self, token: Token) -> Result<(), E> {
        self.0.tokens.push(token);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Collector<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Collector<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Token::Null)
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.push(Token::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.push(Token::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.push(Token::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.push(Token::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        self.push(Token::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        // Two numbers over `i128` count as one only if both are: they differ as text for the first reader.
        self.push(Token::Int(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.push(Token::Float(value.to_bits()))
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        let value = self.0.keep(value);
        self.push(Token::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.tokens.push(Token::Open(Container::Seq { flow: None }));
        while items.next_element_seed(Collector(self.0))?.is_some() {}
        self.push(Token::Close)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.tokens.push(Token::Open(Container::Map { flow: None }));
        while entries.next_key_seed(Collector(self.0))?.is_some() {
            entries.next_value_seed(Collector(self.0))?;
        }
        self.push(Token::Close)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (tag, value) = tagged.variant_seed(std::marker::PhantomData::<Name>)?;
        let tag = self.0.keep(&tag.0);
        self.0.tokens.push(Token::Tag(tag));
        value.newtype_variant_seed(Collector(self.0))
    }
}

struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn aliases_count_with_all_that_they_stand_for() {
        let size = |text: &str| expanded_size(&yaml::parse(text).unwrap()[0]);
        assert_eq!(size("a: 1\nb: [x, y]\n"), 7);
        assert_eq!(size("a: &a [x, y]\nb: [*a, *a]\nc: *a\n"), 1 + 1 + 3 + 1 + 7 + 1 + 3);
        assert_eq!(size("a: &a [*a]\n"), 4);
        let long = "x".repeat(6400);
        assert_eq!(size(&format!("a: &a {long}\nb: [*a, *a]\n")), 1 + 1 + 101 + 1 + 1 + 202);
        let bomb: String = (1..90).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
        assert_eq!(size(&format!("a0: &a0 x\n{bomb}")), usize::MAX);
    }
}
