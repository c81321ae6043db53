//! Proves that an edit changed one value and nothing else, with two readers.
//!
//! The first is our own parser: every node of every document but the intended one keeps its kind, text, style, tag and
//! anchor. The second is `yaml_serde` (libyaml), over the values it sees. It takes duplicate keys and unknown tags as they
//! come, since they were there before the edit. A file that the second reader cannot read at all is not edited: then
//! nobody has checked the work of the first.

use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::manifest::error::EditError;
use crate::manifest::locate::{Reached, is_text};
use crate::model::key_path::KeyPath;
use crate::yaml::{self, Document, Kind, Node};

/// A piece of what the second reader sees, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Null,
    Bool(bool),
    Int(i128),
    /// The bits, so that `.nan` equals itself.
    Float(u64),
    Text(String),
    /// What is tagged follows.
    Tag(String),
    Open(Container),
    Close,
}

/// What opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Map,
    Seq,
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

/// Reads a text with the second reader; all documents, one after the other.
pub(super) fn read_second(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    // libyaml counts a byte order mark as a column, so that the first key seems to be indented.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for document in serde_yaml::Deserializer::from_str(text) {
        Collector(&mut tokens).deserialize(document).map_err(|error| error.to_string())?;
    }
    Ok(tokens)
}

/// Proves an edit.
pub(super) fn prove(
    before: &[Document],
    second_before: &Result<Vec<Token>, String>,
    after: &str,
    place: &Reached<'_>,
    path: &KeyPath,
    new: &str,
) -> Result<(), EditError> {
    let (steps, line, added) = match place {
        Reached::Value(value) => (&value.steps, value.node.line(), None),
        Reached::Missing(missing) => match (&missing.sibling, path.last_key()) {
            (Some(sibling), Some(key)) => (&sibling.steps, sibling.key.line(), Some((sibling, key))),
            _ => return Err(EditError::unproven(path, None, "there is nothing to prove")),
        },
    };
    let refuse = |why: String| EditError::unproven(path, Some(line), why);
    let second_before = second_before
        .as_ref()
        .map_err(|why| refuse(format!("the second YAML reader does not read the file as it stands: {why}")))?;
    let documents = yaml::parse(after).map_err(|error| refuse(format!("the result would be no YAML: {error}")))?;
    let shift = added.map(|(sibling, _)| Shift {
        map: sibling.map.position(),
        from: sibling.value.position() + 1,
        entry: steps.last().copied().unwrap_or_default(),
    });
    let target = match place {
        Reached::Value(value) => value.node.position(),
        Reached::Missing(_) => shift.as_ref().map_or(0, |shift| shift.from + 1),
    };
    first_agrees(before, &documents, shift.as_ref(), added.map(|(_, key)| key), target, new).map_err(refuse)?;
    let second_after =
        read_second(after).map_err(|why| refuse(format!("the second YAML reader would not read the result: {why}")))?;
    second_agrees(second_before, &second_after, steps, added.map(|(_, key)| key), new).map_err(refuse)
}

/// Two nodes, a key and its value, that are there only after the edit.
struct Shift {
    map: usize,
    from: usize,
    entry: usize,
}

impl Shift {
    fn position(&self, old: usize) -> usize {
        if old < self.from { old } else { old + 2 }
    }

    fn kind(&self, position: usize, kind: &Kind) -> Kind {
        match kind {
            Kind::Alias(target) => Kind::Alias(target.map(|target| self.position(target))),
            Kind::Scalar { .. } => kind.clone(),
            Kind::Seq { flow, items } => {
                Kind::Seq { flow: *flow, items: items.iter().map(|item| self.position(*item)).collect() }
            }
            Kind::Map { flow, entries } => {
                let mut entries: Vec<(usize, usize)> =
                    entries.iter().map(|(key, value)| (self.position(*key), self.position(*value))).collect();
                if position == self.map {
                    entries.insert(self.entry.min(entries.len()), (self.from, self.from + 1));
                }
                Kind::Map { flow: *flow, entries }
            }
        }
    }
}

fn first_agrees(
    before: &[Document],
    after: &[Document],
    shift: Option<&Shift>,
    key: Option<&str>,
    target: usize,
    new: &str,
) -> Result<(), String> {
    let other = || Err("the result would differ elsewhere too".to_owned());
    if before.len() != after.len() {
        return other();
    }
    for (number, (old, now)) in before.iter().zip(after).enumerate() {
        let shift = shift.filter(|_| number == 0);
        let added = if shift.is_some() { 2 } else { 0 };
        if old.nodes().count() + added != now.nodes().count() {
            return other();
        }
        for node in old.nodes() {
            let position = shift.map_or(node.position(), |shift| shift.position(node.position()));
            let Some(twin) = now.node(position) else { return other() };
            let kind_agrees = match shift {
                None => node.kind() == twin.kind(),
                Some(shift) => shift.kind(node.position(), node.kind()) == *twin.kind(),
            };
            let intended = number == 0 && position == target;
            let same = (node.tag(), node.is_anchored()) == (twin.tag(), twin.is_anchored());
            if !same || !(kind_agrees || intended) {
                return other();
            }
        }
    }
    let Some(document) = after.first() else { return other() };
    match document.node(target).map(|node| (node, node.kind())) {
        Some((node, Kind::Scalar { value, style })) if value == new => {
            if !is_text(node, value, *style) {
                return Err(format!("`{new}` would not be a string to every reader"));
            }
        }
        _ => return Err("the result would not hold the new value".to_owned()),
    }
    match (key, shift) {
        (Some(key), Some(shift)) => match document.node(shift.from).and_then(Node::as_str) {
            Some(found) if found == key => Ok(()),
            _ => Err("the result would not hold the new key".to_owned()),
        },
        _ => Ok(()),
    }
}

fn second_agrees(
    before: &[Token],
    after: &[Token],
    steps: &[usize],
    key: Option<&str>,
    new: &str,
) -> Result<(), String> {
    let at = find(after, steps).ok_or("the second YAML reader would not find the value")?;
    if !matches!(after.get(at), Some(Token::Text(text)) if text == new) {
        return Err("the second YAML reader would read another value".to_owned());
    }
    // A replaced scalar is one token on both sides; an added entry is two tokens that were not there.
    let (front, skipped) = match key {
        None => (at, 1),
        Some(key) if matches!(at.checked_sub(1).and_then(|at| after.get(at)), Some(Token::Text(text)) if text == key) => {
            (at - 1, 0)
        }
        Some(_) => return Err("the second YAML reader would not find the key".to_owned()),
    };
    let scalar =
        skipped == 0 || !matches!(before.get(front), Some(Token::Open(_) | Token::Close | Token::Tag(_)) | None);
    let same_front = before.get(..front).is_some() && before.get(..front) == after.get(..front);
    let rest = before.get(front + skipped..);
    if scalar && same_front && rest.is_some() && rest == after.get(at + 1..) {
        Ok(())
    } else {
        Err("the second YAML reader would see another change too".to_owned())
    }
}

/// Gives the position of the value that is the how-manieth child of the how-manieth child … of the first document.
fn find(tokens: &[Token], steps: &[usize]) -> Option<usize> {
    let mut at = untagged(tokens, 0);
    for step in steps {
        let per_child = match tokens.get(at)? {
            Token::Open(Container::Map) => 2,
            Token::Open(Container::Seq) => 1,
            _ => return None,
        };
        at += 1;
        for _ in 0..step * per_child + (per_child - 1) {
            at = after_node(tokens, at)?;
        }
        at = untagged(tokens, at);
    }
    Some(at)
}

fn untagged(tokens: &[Token], mut at: usize) -> usize {
    while matches!(tokens.get(at), Some(Token::Tag(_))) {
        at += 1;
    }
    at
}

fn after_node(tokens: &[Token], at: usize) -> Option<usize> {
    let mut at = untagged(tokens, at);
    let mut depth = 0_usize;
    loop {
        match tokens.get(at)? {
            Token::Open(_) => depth += 1,
            Token::Close => depth = depth.checked_sub(1)?,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
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
        self.0.push(Token::Open(Container::Seq));
        while items.next_element_seed(Collector(self.0))?.is_some() {}
        self.0.push(Token::Close);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.push(Token::Open(Container::Map));
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
    use crate::manifest::locate::locate;

    const BEFORE: &str = "a: &x 1.20\nimage:\n  repository: web\n  tag: 1.2.3 # c\n  n: [1, *x]\n---\nz: 1\n";

    /// Proves `new` at a path, and checks each of the two readers alone as well.
    fn verdicts(path: &str, new: &str, after: &str) -> (bool, bool, bool) {
        let before = yaml::parse(BEFORE).unwrap();
        let path: KeyPath = path.parse().unwrap();
        let place = locate(&before[0], &path).unwrap();
        let second = read_second(BEFORE);
        let whole = prove(&before, &second, after, &place, &path, new).is_ok();
        let (steps, target, shift) = match &place {
            Reached::Value(value) => (value.steps.clone(), value.node.position(), None),
            Reached::Missing(missing) => {
                let sibling = missing.sibling.as_ref().unwrap();
                let (map, from) = (sibling.map.position(), sibling.value.position() + 1);
                (sibling.steps.clone(), from + 1, Some(Shift { map, from, entry: *sibling.steps.last().unwrap() }))
            }
        };
        let key = shift.as_ref().and(path.last_key());
        let first = yaml::parse(after)
            .is_ok_and(|after| first_agrees(&before, &after, shift.as_ref(), key, target, new).is_ok());
        let second =
            read_second(after).is_ok_and(|after| second_agrees(&second.unwrap(), &after, &steps, key, new).is_ok());
        (whole, first, second)
    }

    #[test]
    fn the_intended_change_is_proven() {
        let after = BEFORE.replace("1.2.3", "1.3.0");
        assert_eq!(verdicts("image.tag", "1.3.0", &after), (true, true, true));
        let after = BEFORE.replace("1.2.3", "\"1.3\"");
        assert_eq!(verdicts("image.tag", "1.3", &after), (true, true, true));
        let after = BEFORE.replace("1.2.3 # c\n", "1.2.3 # c\n  digest: sha256:aa\n");
        assert_eq!(verdicts("image.digest", "sha256:aa", &after), (true, true, true));
    }

    #[test]
    fn any_other_change_is_found_by_both_readers() {
        for (old, new) in [
            ("web", "\"wet\""),
            ("1.20", "1.21"),
            ("  n: [1, *x]\n", ""),
            ("*x", "1"),
            ("[1, *x]", "[*x, 1]"),
            ("z: 1", "z: 2"),
            ("---\nz: 1\n", ""),
            ("z: 1\n", "z: 1\n---\n"),
            ("repository", "repo"),
            ("image", "images"),
            ("tag: 1.3.0", "tag: [1.3.0]"),
            ("tag: 1.3.0", "tag: 1.3.1"),
            ("tag: 1.3.0", "tag: !x 1.3.0"),
            ("tag: 1.3.0", "tags: 1.3.0"),
            ("tag: 1.3.0", "x: y\n  tag: 1.3.0"),
        ] {
            let after = BEFORE.replace("1.2.3", "1.3.0").replace(old, new);
            assert_eq!(verdicts("image.tag", "1.3.0", &after), (false, false, false), "{old} {new}");
        }
        for added in ["digest: b", "tag: a", "x: 1\n  digest: a", "digest: a\n  x: 1", "digest: [a]"] {
            let after = BEFORE.replace("1.2.3 # c\n", &format!("1.2.3 # c\n  {added}\n"));
            assert_eq!(verdicts("image.digest", "a", &after), (false, false, false), "{added}");
        }
    }

    #[test]
    fn what_only_one_reader_can_see_is_refused_too() {
        // The second reader sees neither anchors, quotes nor the words of YAML 1.1.
        for (old, new, tag) in [
            ("&x 1.20", "&y &x 1.20", "1.3.0"),
            ("web", "'web'", "1.3.0"),
            ("*x", "1.20", "1.3.0"),
            ("1.3.0", "&t 1.3.0", "1.3.0"),
            ("1.3.0", "on", "on"),
            ("1.3.0", "12:30", "12:30"),
            ("1.3.0", "2024-01-15", "2024-01-15"),
        ] {
            let after = BEFORE.replace("1.2.3", "1.3.0").replace(old, new);
            let (whole, first, _) = verdicts("image.tag", tag, &after);
            assert_eq!((whole, first), (false, false), "{old} {new}");
        }
        assert!(verdicts("image.tag", "on", &BEFORE.replace("1.2.3", "on")).2);
    }

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
