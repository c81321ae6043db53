//! Follows a key path through a document and tells what is in the way of changing what it finds.

use crate::manifest::error::EditError;
use crate::model::key_path::{KeyPath, Segment};
use crate::yaml::{Document, Kind, Node, Style, scalar};

/// The tag `!!str`.
pub(super) const STRING_TAG: &str = "tag:yaml.org,2002:str";
/// Keys that may be added, each with the keys it is added behind, best first.
pub(super) type Insertable = [(&'static str, &'static [&'static str])];
/// What may be added to the values of a chart.
pub(super) const OF_CHARTS: &Insertable = &[
    ("tag", &["repository", "registry", "digest"]),
    ("digest", &["tag", "repository", "registry"]),
    ("repository", &["registry", "tag", "digest"]),
    ("registry", &["repository", "tag", "digest"]),
];
/// What may be added to an entry of `images:` of a kustomization.
pub(super) const OF_KUSTOMIZATIONS: &Insertable =
    &[("newName", &["name"]), ("newTag", &["newName", "name"]), ("digest", &["newTag", "newName", "name"])];

/// A key path from one of its steps on: the part that lies in one text.
#[derive(Clone, Copy)]
pub(super) struct Part<'p> {
    /// The whole path, which is what people are told.
    pub(super) path: &'p KeyPath,
    from: usize,
    to: usize,
}

impl<'p> Part<'p> {
    pub(super) fn whole(path: &'p KeyPath) -> Self {
        Self { path, from: 0, to: path.segments().len() }
    }

    pub(super) fn segments(self) -> &'p [Segment] {
        self.path.segments().get(self.from..self.to).unwrap_or_default()
    }

    /// Gives the part up to a step of it, and the part behind.
    pub(super) fn split(self, at: usize) -> (Self, Self) {
        let at = (self.from + at).min(self.to);
        (Self { to: at, ..self }, Self { from: at, ..self })
    }
}

/// Where a key path ends.
pub(super) enum Reached<'d> {
    Value(Value<'d>),
    Missing(Missing<'d>),
    /// The path goes on in the text of this scalar, from this step on.
    Within(Value<'d>, usize),
}

impl<'d> Reached<'d> {
    /// Gives why a change would change other places as well, if it would.
    pub(super) fn shared(&self) -> Option<Shared<'d>> {
        match self {
            Self::Value(value) | Self::Within(value, _) => value.shared,
            Self::Missing(missing) => missing.shared.filter(|_| missing.sibling.is_some()),
        }
    }
}

/// A value that is there.
pub(super) struct Value<'d> {
    /// The value as written: an alias stays an alias.
    pub(super) node: Node<'d>,
    /// Its key; none for an item of a sequence.
    pub(super) key: Option<Node<'d>>,
    /// Whether it stands in `{…}`.
    pub(super) in_flow: bool,
    /// The how-manieth child it and its parents are, from the root.
    pub(super) steps: Vec<usize>,
    pub(super) shared: Option<Shared<'d>>,
}

/// A key that is not there.
pub(super) struct Missing<'d> {
    /// What it is missing in.
    pub(super) map: Node<'d>,
    /// What the key may be added behind.
    pub(super) sibling: Option<Sibling<'d>>,
    pub(super) shared: Option<Shared<'d>>,
}

/// The entry that a new one is added behind.
pub(super) struct Sibling<'d> {
    pub(super) key: Node<'d>,
    pub(super) value: Node<'d>,
    pub(super) in_flow: bool,
    /// Where the new entry's value will be, as in [`Value::steps`].
    pub(super) steps: Vec<usize>,
}

/// Why a change would change other places as well.
#[derive(Clone, Copy)]
pub(super) enum Shared<'d> {
    /// The path goes through this alias.
    Alias(Node<'d>),
    /// The path goes through this anchored node, and there are aliases to it.
    Anchor(Node<'d>),
    /// The key comes out of this `<<` with this value.
    Merge(Node<'d>, Node<'d>),
    /// The key is here, and this later `<<` with this value brings it too.
    MergedAfter(Node<'d>, Node<'d>),
}

impl Value<'_> {
    /// Tells whether it is this string to every reader.
    pub(super) fn is_already(&self, new: &str) -> bool {
        match self.node.kind() {
            Kind::Scalar { value, style } => {
                let is_bare = *style == Style::Plain && self.node.span().is_empty();
                value == new && !is_bare && is_text(self.node.tag(), value, *style)
            }
            _ => false,
        }
    }
}

/// Tells whether every reader sees a scalar that is written out as a string.
pub(super) fn is_text(tag: Option<&str>, value: &str, style: Style) -> bool {
    match tag {
        Some(STRING_TAG) => true,
        Some(_) => false,
        None => style != Style::Plain || scalar::is_string(value),
    }
}

/// Tells whether the text of a scalar may be read as a document of its own.
pub(super) fn may_hold(node: Node<'_>) -> bool {
    let is_text = node.tag().is_none_or(|tag| tag == STRING_TAG);
    matches!(node.kind(), Kind::Scalar { style: Style::Single | Style::Double | Style::Block, .. } if is_text)
}

/// Finds the place of a key path.
///
/// # Errors
/// `edit/duplicate-key` on the path, `edit/unproven` for an alias inside of what it names.
pub(super) fn locate<'d>(
    document: &'d Document,
    path: &KeyPath,
    insertable: &'static Insertable,
) -> Result<Reached<'d>, EditError> {
    locate_part(document, Part::whole(path), insertable)
}

/// The same for the part of a path that lies in this text.
pub(super) fn locate_part<'d>(
    document: &'d Document,
    part: Part<'_>,
    insertable: &'static Insertable,
) -> Result<Reached<'d>, EditError> {
    let node = document.root();
    let (path, steps) = (part.path, Vec::new());
    let mut walk = Walk { document, path, insertable, node, key: None, in_flow: false, steps, shared: None };
    let last = part.segments().len().saturating_sub(1);
    for (number, segment) in part.segments().iter().enumerate() {
        let written = walk.node;
        walk.enter()?;
        if may_hold(walk.node) {
            let Walk { key, in_flow, steps, shared, .. } = walk;
            return Ok(Reached::Within(Value { node: written, key, in_flow, steps, shared }, number));
        }
        let found = match segment {
            Segment::Key(key) => walk.key(key)?,
            Segment::Index(index) => walk.item(*index),
            Segment::Where { field, value } => walk.item_where(field, value)?,
        };
        if !found {
            let sibling = match segment {
                Segment::Key(key) if number == last => walk.sibling(key)?,
                _ => None,
            };
            return Ok(Reached::Missing(Missing { map: walk.node, sibling, shared: walk.shared }));
        }
    }
    if matches!(walk.node.kind(), Kind::Alias(_)) {
        walk.shared.get_or_insert(Shared::Alias(walk.node));
    } else if walk.has_aliases(walk.node) {
        walk.shared.get_or_insert(Shared::Anchor(walk.node));
    }
    let Walk { node, key, in_flow, steps, shared, .. } = walk;
    Ok(Reached::Value(Value { node, key, in_flow, steps, shared }))
}

/// Gives a value where it is written itself, whatever the path was that led to it.
pub(super) fn own_place<'d>(document: &'d Document, target: Node<'d>) -> Option<Value<'d>> {
    let mut place = Value { node: document.root(), key: None, in_flow: false, steps: Vec::new(), shared: None };
    while place.node.position() != target.position() {
        // Nodes stand in the order of the text, so the last child that begins before the target holds it.
        let is_before = |node: &Node<'_>| node.position() <= target.position();
        let (step, key, node) = match place.node.kind() {
            Kind::Map { .. } => {
                let entries = place.node.entries();
                let step = entries.iter().rposition(|(_, value)| is_before(value))?;
                entries.get(step).map(|(key, value)| (step, Some(*key), *value))?
            }
            Kind::Seq { .. } => {
                let items = place.node.items();
                let step = items.iter().rposition(is_before)?;
                items.get(step).map(|item| (step, None, *item))?
            }
            Kind::Scalar { .. } | Kind::Alias(_) => return None,
        };
        place.in_flow = matches!(place.node.kind(), Kind::Map { flow: true, .. } | Kind::Seq { flow: true, .. });
        place.steps.push(step);
        (place.key, place.node) = (key, node);
    }
    Some(place)
}

/// Gives the lines of all aliases to a node.
pub(super) fn alias_lines(document: &Document, anchored: Node<'_>) -> Vec<u64> {
    let aliases = document.nodes().filter(|node| *node.kind() == Kind::Alias(Some(anchored.position())));
    aliases.map(Node::line).collect()
}

struct Walk<'d, 'p> {
    document: &'d Document,
    path: &'p KeyPath,
    insertable: &'static Insertable,
    node: Node<'d>,
    key: Option<Node<'d>>,
    in_flow: bool,
    steps: Vec<usize>,
    shared: Option<Shared<'d>>,
}

impl<'d> Walk<'d, '_> {
    /// Goes through an alias to what it names, and notes what is shared.
    fn enter(&mut self) -> Result<(), EditError> {
        if matches!(self.node.kind(), Kind::Alias(_)) {
            self.shared.get_or_insert(Shared::Alias(self.node));
            let line = self.node.line();
            self.node = self.node.resolve().ok_or_else(|| {
                EditError::unproven(self.path, Some(line), "the alias stands inside of what it names")
            })?;
        } else if self.has_aliases(self.node) {
            self.shared.get_or_insert(Shared::Anchor(self.node));
        }
        Ok(())
    }

    fn has_aliases(&self, node: Node<'_>) -> bool {
        node.is_anchored() && self.document.nodes().any(|other| *other.kind() == Kind::Alias(Some(node.position())))
    }

    fn step(&mut self, number: usize, key: Option<Node<'d>>, node: Node<'d>) {
        self.in_flow = matches!(self.node.kind(), Kind::Map { flow: true, .. } | Kind::Seq { flow: true, .. });
        self.steps.push(number);
        self.key = key;
        self.node = node;
    }

    fn key(&mut self, wanted: &str) -> Result<bool, EditError> {
        let entries = self.node.entries();
        let mut own = entries.iter().enumerate().filter(|(_, (key, _))| key.as_str() == Some(wanted));
        let found = own.next();
        if let (Some((_, (first, _))), Some((_, (second, _)))) = (found, own.next()) {
            return Err(self.duplicate(format!("the key `{wanted}`"), *first, *second));
        }
        let mut merges = entries.iter().enumerate().filter(|(_, (key, _))| key.is_merge_key());
        let merge = merges.next();
        if let (None, Some((_, (first, _))), Some((_, (second, _)))) = (found, merge, merges.next()) {
            return Err(self.duplicate("the key `<<`".to_owned(), *first, *second));
        }
        if let Some((number, (key, value))) = found {
            // yaml.v2, which Helm reads with, lets a `<<` behind the key win; YAML lets the key win.
            let after = merge.filter(|(at, (_, merged))| *at > number && brings(*merged, wanted));
            if let Some((_, (merge, merged))) = after {
                // Nobody can agree to what readers see differently.
                self.shared = Some(Shared::MergedAfter(*merge, *merged));
            }
            self.step(number, Some(*key), *value);
            return Ok(true);
        }
        let Some((number, (merge, merged))) = merge else { return Ok(false) };
        let Some(value) = self.node.get(wanted) else { return Ok(false) };
        self.shared.get_or_insert(Shared::Merge(*merge, *merged));
        self.step(number, None, value);
        Ok(true)
    }

    fn item(&mut self, index: usize) -> bool {
        let Some(item) = self.node.items().get(index).copied() else { return false };
        self.step(index, None, item);
        true
    }

    fn item_where(&mut self, field: &str, value: &str) -> Result<bool, EditError> {
        let items = self.node.items();
        let named = |item: &Node<'d>| item.get(field).and_then(Node::as_str) == Some(value);
        let mut matches = items.iter().enumerate().filter(|(_, item)| named(item));
        match (matches.next(), matches.next()) {
            (Some((_, first)), Some((_, second))) => {
                Err(self.duplicate(format!("an item with `{field}: {value}`"), *first, *second))
            }
            (Some((index, item)), None) => {
                self.step(index, None, *item);
                Ok(true)
            }
            (None, _) => Ok(false),
        }
    }

    fn sibling(&self, key: &str) -> Result<Option<Sibling<'d>>, EditError> {
        let Kind::Map { flow, .. } = self.node.kind() else { return Ok(None) };
        let Some((_, siblings)) = self.insertable.iter().find(|(insertable, _)| *insertable == key) else {
            return Ok(None);
        };
        let entries = self.node.entries();
        for wanted in *siblings {
            let mut own = entries.iter().enumerate().filter(|(_, (key, _))| key.as_str() == Some(wanted));
            let Some((number, (key, value))) = own.next() else { continue };
            if let Some((_, (second, _))) = own.next() {
                return Err(self.duplicate(format!("the key `{wanted}`"), *key, *second));
            }
            if matches!(value.kind(), Kind::Map { .. } | Kind::Seq { .. }) {
                continue;
            }
            let mut steps = self.steps.clone();
            steps.push(number + 1);
            return Ok(Some(Sibling { key: *key, value: *value, in_flow: *flow, steps }));
        }
        Ok(None)
    }

    fn duplicate(&self, what: String, first: Node<'_>, second: Node<'_>) -> EditError {
        EditError::DuplicateKey { path: self.path.to_string(), what, first: first.line(), second: second.line() }
    }
}

/// Tells whether a merged value, one mapping or a list of them, has the key.
fn brings(merged: Node<'_>, key: &str) -> bool {
    merged.get(key).is_some() || merged.items().iter().any(|item| item.get(key).is_some())
}
