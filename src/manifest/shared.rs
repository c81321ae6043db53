//! Values that anchors, aliases and merge keys share: everywhere one is visible, and changing it where it is written.
//!
//! Knows key paths; whether the places are those of one image is for others to say.

use crate::manifest::edit::Edited;
use crate::manifest::error::EditError;
use crate::manifest::locate::{Insertable, Missing, Part, Reached, Sibling, locate_part, own_place};
use crate::manifest::tokens::fold_up;
use crate::manifest::{Sharing, Source};
use crate::model::key_path::KeyPath;
use crate::yaml::{Document, Kind, Node};

/// How many places may share a value.
const MAX_PLACES: usize = 1_000;
/// How deep aliases are followed that stand in what others name.
const MAX_DEPTH: usize = 200;
/// How many merged mappings are looked at for one mapping.
const MAX_MERGED: usize = 256;

impl Source {
    /// The same for a document by its number, where these keys may be added.
    pub(crate) fn set_shared_in(
        &self,
        number: usize,
        path: &KeyPath,
        new: &str,
        insertable: &'static Insertable,
        agreed: &[KeyPath],
    ) -> Result<Edited, EditError> {
        let part = Part::whole(path);
        let error = match self.set_part(number, part, new, insertable, Sharing::Refused) {
            Err(error @ EditError::Shared { .. }) => error,
            done => return done,
        };
        let agreed: Vec<String> = agreed.iter().map(|path| self.canonical_in(number, path)).collect();
        let is_agreed = |path: &KeyPath| agreed.contains(&self.canonical_in(number, path));
        let others: Vec<KeyPath> =
            self.sharers(number, path, insertable)?.into_iter().filter(|path| !is_agreed(path)).collect();
        if others.is_empty() {
            self.set_part(number, part, new, insertable, Sharing::Agreed)
        } else {
            Err(error.not_agreed(&others))
        }
    }

    /// Gives every key path of a document at which the value of this one is visible, or would be, this one among them.
    ///
    /// # Errors
    /// As [`Source::read`], `edit/no-such-key` for what is not there and cannot be added, and `edit/unproven` for what is
    /// visible in too many places.
    pub(crate) fn sharers(
        &self,
        number: usize,
        path: &KeyPath,
        insertable: &'static Insertable,
    ) -> Result<Vec<KeyPath>, EditError> {
        self.sharers_of_part(number, Part::whole(path), insertable)
    }

    /// Gives every key path at which the value of a part is visible, or would be, in this text.
    fn sharers_of_part(
        &self,
        number: usize,
        part: Part<'_>,
        insertable: &'static Insertable,
    ) -> Result<Vec<KeyPath>, EditError> {
        let missing = || self.no_such_key(Some(number), part.path);
        let document = self.documents.get(number).ok_or_else(missing)?;
        let visible = |node: Node<'_>, key: Option<&str>| {
            let target = node.resolve().and_then(|node| visible(document, node, key));
            let why = "it is visible in more places than are looked at, or in one that no key path can name";
            target.ok_or_else(|| EditError::unproven(part.path, Some(node.line()), why))
        };
        match locate_part(document, part, insertable)? {
            Reached::Value(value) => visible(value.node, None),
            Reached::Missing(missing_key) => match (missing_key.sibling, part.path.last_key()) {
                (Some(_), Some(key)) => visible(missing_key.map, Some(key)),
                _ => Err(missing()),
            },
            Reached::Within(value, at) => {
                let inner = self.inner(number, value.node).ok_or_else(missing)?;
                let below = inner.sharers_of_part(0, part.split(at).1, insertable)?;
                let around = visible(value.node, None)?;
                let joined = around.iter().flat_map(|around| below.iter().map(move |below| joined(around, below)));
                joined.collect::<Option<_>>().ok_or_else(|| {
                    EditError::unproven(part.path, Some(value.node.line()), "a place that shares it has no key path")
                })
            }
        }
    }
}

impl<'d> Reached<'d> {
    /// Gives the place where it is written itself, which is another one only for what others share.
    pub(super) fn own(self, document: &'d Document) -> Option<Self> {
        if self.shared().is_none() {
            return Some(self);
        }
        Some(match self {
            Self::Value(value) => Self::Value(own_place(document, value.node.resolve()?)?),
            Self::Within(value, at) => Self::Within(own_place(document, value.node.resolve()?)?, at),
            Self::Missing(Missing { map, sibling, shared }) => {
                let mut steps = own_place(document, map)?.steps;
                let sibling = sibling.map(|sibling| {
                    steps.extend(sibling.steps.last());
                    Sibling { steps, ..sibling }
                });
                Self::Missing(Missing { map, sibling, shared })
            }
        })
    }
}

/// Gives every key path at which a node is visible, or at which a new key of a mapping would be; none if there are too many,
/// or one that no key path can name.
///
/// A `<<` behind a key of its own counts as well: yaml.v2 lets it win.
pub(super) fn visible(document: &Document, target: Node<'_>, new_key: Option<&str>) -> Option<Vec<KeyPath>> {
    let is_it = |node: Node<'_>| node.position() == target.position();
    let holds = fold_up(document, |node, named| named.unwrap_or(false) || is_it(node), |one, other| one || other);
    let mut walk = Walk { holds: &holds, target: target.position(), new_key, found: Vec::new() };
    walk.node(document.root(), None, 0)?;
    walk.found.sort();
    walk.found.dedup();
    Some(walk.found)
}

struct Walk<'w> {
    holds: &'w [Option<bool>],
    target: usize,
    new_key: Option<&'w str>,
    found: Vec<KeyPath>,
}

impl Walk<'_> {
    fn node(&mut self, node: Node<'_>, path: Option<&KeyPath>, depth: usize) -> Option<()> {
        if !self.holds(node) {
            return Some(());
        }
        let node = node.resolve().filter(|_| depth < MAX_DEPTH)?;
        if node.position() == self.target {
            let found = match self.new_key {
                None => path?.clone(),
                Some(key) => child(path, key)?,
            };
            self.found.push(found);
            return (self.found.len() <= MAX_PLACES).then_some(());
        }
        match node.kind() {
            Kind::Map { .. } => self.map(node, path, depth),
            Kind::Seq { .. } => {
                for (index, item) in
                    node.items().into_iter().enumerate().filter(|(_, item)| self.holds(*item)).collect::<Vec<_>>()
                {
                    // A list at the root has no path to build on.
                    let below = path.map_or_else(|| format!("[{index}]").parse().ok(), |path| path.item(index).ok())?;
                    self.node(item, Some(&below), depth + 1)?;
                }
                Some(())
            }
            Kind::Scalar { .. } | Kind::Alias(_) => Some(()),
        }
    }

    fn map(&mut self, map: Node<'_>, path: Option<&KeyPath>, depth: usize) -> Option<()> {
        let entries = map.entries();
        // What is a key elsewhere has no key path there.
        if entries.iter().any(|(key, _)| self.holds(*key)) {
            return None;
        }
        for (number, (key, value)) in
            entries.iter().enumerate().filter(|(_, (_, value))| self.holds(*value)).collect::<Vec<_>>()
        {
            if !key.is_merge_key() {
                self.node(*value, Some(&child(path, key.as_str()?)?), depth + 1)?;
                continue;
            }
            let own_wins = |key: &str| {
                entries.iter().position(|(own, _)| own.as_str() == Some(key)).is_some_and(|own| own > number)
            };
            for merged in merged(*value)? {
                for (key, value) in merged.entries() {
                    let inner = key.as_str().filter(|key| !own_wins(key) && *key != "<<");
                    if let Some(key) = inner.filter(|_| self.holds(value)) {
                        self.node(value, Some(&child(path, key)?), depth + 1)?;
                    }
                }
                if let Some(key) = self.new_key.filter(|key| merged.position() == self.target && !own_wins(key)) {
                    self.found.push(child(path, key)?);
                }
            }
        }
        (self.found.len() <= MAX_PLACES).then_some(())
    }

    fn holds(&self, node: Node<'_>) -> bool {
        self.holds.get(node.position()).copied().flatten() == Some(true)
    }
}

/// Gives the key path in the file of one in a text.
fn joined(around: &KeyPath, below: &KeyPath) -> Option<KeyPath> {
    let below = below.to_string();
    let dot = if below.starts_with('[') { "" } else { "." };
    format!("{around}{dot}{below}").parse().ok()
}

fn child(path: Option<&KeyPath>, key: &str) -> Option<KeyPath> {
    path.map_or_else(|| KeyPath::of_key(key), |path| path.child(key)).ok()
}

/// Gives the mappings that a `<<` brings, with those that they merge themselves.
fn merged(value: Node<'_>) -> Option<Vec<Node<'_>>> {
    let (mut open, mut found) = (vec![value.resolve()?], Vec::new());
    while let Some(node) = open.pop() {
        let is_map = matches!(node.kind(), Kind::Map { .. });
        let merges = node.entries().into_iter().filter(|(key, _)| key.is_merge_key()).map(|(_, value)| value);
        let below: Vec<Node<'_>> = if is_map { merges.collect() } else { node.items() };
        open.extend(below.into_iter().filter_map(Node::resolve));
        if is_map {
            found.push(node);
        }
        if found.len() + open.len() > MAX_MERGED {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::yaml;

    fn check(text: &str, target: &[usize], key: Option<&str>, expected: &[&str]) {
        let documents = yaml::parse(text).unwrap();
        let node = documents[0].below(target).unwrap();
        let found = visible(&documents[0], node, key).unwrap();
        assert_eq!(found.iter().map(KeyPath::to_string).collect::<Vec<_>>(), expected, "{text}");
    }

    #[test]
    fn aliases_and_merges_show_a_value_in_other_places() {
        check("a: {tag: v1}\nb: v1\n", &[0, 0], None, &["a.tag"]);
        check("a: {tag: &t v1}\nb: *t\nc: [x, *t]\n", &[0, 0], None, &["a.tag", "b", "c[1]"]);
        check("a: &a {tag: v1}\nb: *a\nc: {d: *a}\n", &[0, 0], None, &["a.tag", "b.tag", "c.d.tag"]);
        check(
            "a: &a {tag: v1}\nb: {<<: *a}\nc: {<<: *a, tag: x}\nd: {tag: x, <<: *a}\n",
            &[0, 0],
            None,
            &["a.tag", "b.tag", "d.tag"],
        );
        check("- &a {tag: v1}\n- {<<: [*a, {x: 1}]}\n", &[0, 0], None, &["[0].tag", "[1].tag"]);
        check(
            "a: &a {tag: v1}\nb: &b {<<: *a}\nc: {<<: *b}\nd: *b\n",
            &[0, 0],
            None,
            &["a.tag", "b.tag", "c.tag", "d.tag"],
        );
    }

    #[test]
    fn a_new_key_of_a_shared_mapping_shows_in_other_places() {
        check("a: &a {tag: v1}\nb: *a\n", &[0], Some("digest"), &["a.digest", "b.digest"]);
        check(
            "a: &a {tag: v1}\nb: {<<: *a}\nc: {<<: *a, digest: x}\n",
            &[0],
            Some("digest"),
            &["a.digest", "b.digest"],
        );
        check(
            "a: &a {tag: v1}\nb: &b {<<: *a}\nc: {<<: [*b]}\n",
            &[0],
            Some("digest"),
            &["a.digest", "b.digest", "c.digest"],
        );
    }

    #[test]
    fn what_is_shared_too_often_is_not_listed() {
        let doubled: String = (1..12).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}]\n", n - 1)).collect();
        let documents = yaml::parse(&format!("a0: &a0 {{tag: v1}}\n{doubled}")).unwrap();
        assert_eq!(visible(&documents[0], documents[0].below(&[0, 0]).unwrap(), None), None);
        let documents = yaml::parse("a: &a v1\n? *a\n: x\n").unwrap();
        assert_eq!(visible(&documents[0], documents[0].below(&[0]).unwrap(), None), None);
    }
}
