//! What two readers see of a text, as rows of tokens that can be compared.
//!
//! The first is our own parser: kind, text, style, tag and anchor of every node. The second is `yaml_serde` (libyaml), over
//! the values it sees. It takes duplicate keys and unknown tags as they come, since they were there before any edit.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::yaml::{Document, Kind, Node, Style};

/// A piece of what a reader sees, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Null,
    Bool(bool),
    Int(i128),
    /// The bits, so that `.nan` equals itself.
    Float(u64),
    Text(String),
    /// What the first reader sees of any scalar; a null without text is not written.
    Scalar {
        value: String,
        style: Style,
        is_written: bool,
    },
    /// The how-manieth anchor of the document is meant; none in a cycle.
    Alias(Option<usize>),
    /// What has the anchor follows.
    Anchor,
    /// What is tagged follows.
    Tag(String),
    Open(Container),
    Close,
}

/// What opens; the first reader tells flow style from block style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Map { flow: Option<bool> },
    Seq { flow: Option<bool> },
}

/// Counts the nodes of a document with every alias written out.
pub(super) fn expanded_size(document: &Document) -> usize {
    let nodes: Vec<Node<'_>> = document.nodes().collect();
    let mut sizes = vec![1_usize; nodes.len()];
    // In the order of the text, what an alias names is complete before the alias, or it is a cycle.
    let mut open: Vec<(usize, usize)> = Vec::new();
    for node in &nodes {
        let (own, children) = match node.kind() {
            Kind::Alias(target) => (target.and_then(|at| sizes.get(at).copied()).unwrap_or(1), 0),
            Kind::Scalar { .. } => (1, 0),
            Kind::Map { entries, .. } => (1, entries.len() * 2),
            Kind::Seq { items, .. } => (1, items.len()),
        };
        set(&mut sizes, node.position(), own);
        open.push((node.position(), children));
        while let Some((position, 0)) = open.last().copied() {
            open.pop();
            let size = sizes.get(position).copied().unwrap_or(1);
            if let Some((parent, left)) = open.last_mut() {
                *left -= 1;
                let sum = sizes.get(*parent).copied().unwrap_or(1).saturating_add(size);
                let parent = *parent;
                set(&mut sizes, parent, sum);
            }
        }
    }
    sizes.get(document.root().position()).copied().unwrap_or(1)
}

fn set(sizes: &mut [usize], position: usize, size: usize) {
    if let Some(slot) = sizes.get_mut(position) {
        *slot = size;
    }
}

/// Reads a text with the second reader, document by document.
pub(super) fn read_second(text: &str) -> Result<Vec<Vec<Token>>, String> {
    let mut documents = Vec::new();
    // libyaml counts a byte order mark as a column, so that the first key seems to be indented.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for document in serde_yaml::Deserializer::from_str(text) {
        let mut tokens = Vec::new();
        Collector(&mut tokens).deserialize(document).map_err(|error| error.to_string())?;
        documents.push(tokens);
    }
    Ok(documents)
}

/// Gives what the first reader saw of each document.
pub(super) fn read_first(documents: &[Document]) -> Vec<Vec<Token>> {
    documents
        .iter()
        .map(|document| {
            let anchored = document.nodes().filter(|node| node.is_anchored()).map(Node::position);
            let anchors: HashMap<usize, usize> = anchored.enumerate().map(|(number, at)| (at, number)).collect();
            let mut tokens = Vec::new();
            collect(document, document.root(), &anchors, &mut tokens);
            tokens
        })
        .collect()
}

fn collect(document: &Document, node: Node<'_>, anchors: &HashMap<usize, usize>, tokens: &mut Vec<Token>) {
    if node.is_anchored() {
        tokens.push(Token::Anchor);
    }
    tokens.extend(node.tag().map(|tag| Token::Tag(tag.to_owned())));
    let child = |position: usize, tokens: &mut Vec<Token>| {
        if let Some(child) = document.node(position) {
            collect(document, child, anchors, tokens);
        }
    };
    match node.kind() {
        Kind::Alias(target) => tokens.push(Token::Alias(target.and_then(|at| anchors.get(&at).copied()))),
        Kind::Scalar { value, style } => {
            let is_written = !node.span().is_empty();
            tokens.push(Token::Scalar { value: value.clone(), style: *style, is_written });
        }
        Kind::Map { flow, entries } => {
            tokens.push(Token::Open(Container::Map { flow: Some(*flow) }));
            for (key, value) in entries {
                child(*key, tokens);
                child(*value, tokens);
            }
            tokens.push(Token::Close);
        }
        Kind::Seq { flow, items } => {
            tokens.push(Token::Open(Container::Seq { flow: Some(*flow) }));
            for item in items {
                child(*item, tokens);
            }
            tokens.push(Token::Close);
        }
    }
}

/// Takes values as they come: duplicate keys, any tag, aliases written out.
struct Collector<'t>(&'t mut Vec<Token>);

impl<'de> DeserializeSeed<'de> for Collector<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Collector<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.0.push(Token::Null);
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.0.push(Token::Null);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.0.push(Token::Bool(value));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.0.push(Token::Int(value.into()));
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.0.push(Token::Int(value.into()));
        Ok(())
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        self.0.push(Token::Int(value));
        Ok(())
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        // Two numbers over `i128` count as one only if both are: they differ as text for the first reader.
        self.0.push(Token::Int(i128::try_from(value).unwrap_or(i128::MAX)));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.0.push(Token::Float(value.to_bits()));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.0.push(Token::Text(value.to_owned()));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push(Token::Open(Container::Seq { flow: None }));
        while items.next_element_seed(Collector(self.0))?.is_some() {}
        self.0.push(Token::Close);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.push(Token::Open(Container::Map { flow: None }));
        while entries.next_key_seed(Collector(self.0))?.is_some() {
            entries.next_value_seed(Collector(self.0))?;
        }
        self.0.push(Token::Close);
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (tag, value) = tagged.variant_seed(std::marker::PhantomData::<Name>)?;
        self.0.push(Token::Tag(tag.0));
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
        let bomb: String = (1..90).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
        assert_eq!(size(&format!("a0: &a0 x\n{bomb}")), usize::MAX);
    }
}
