//! What `images:` of a kustomization makes of the images of objects.
//!
//! Follows kustomize's image transformer: it reaches `image` in the items of `containers` and `initContainers` at any depth,
//! and the fields that `configurations` name; names are compared letter by letter, as regular expressions.

use std::sync::Arc;

use crate::manifest::place::split_spec;
use crate::plan::locate::auto::render::cost::Cost;
use crate::plan::locate::auto::render::pattern::{Pattern, Tail};
use crate::plan::locate::auto::render::tree::{Leaf, Origin, Reached, Tree};
use crate::yaml::Node;

/// One entry of `images:`.
pub(super) struct Entry {
    pub(super) name: String,
    new_name: Option<String>,
    new_tag: Option<String>,
    digest: Option<String>,
    tag_suffix: Option<String>,
    pattern: Option<Pattern>,
    /// Where the tag stands that it sets.
    from: Arc<Origin>,
}

/// A field of `configurations` that holds an image.
pub(super) struct Field {
    kind: Option<String>,
    path: Vec<String>,
}

impl Entry {
    /// Reads an entry; `place` gives the place of the entry of a name.
    pub(super) fn of(node: Node<'_>, place: &dyn Fn(&str) -> Origin, cost: &mut Cost) -> Option<Self> {
        let text = |key: &str| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
        let name = text("name")?;
        let pattern = Pattern::of(&name, Tail::Version, cost);
        let from = Arc::new(place(&name));
        let (new_name, new_tag, digest) = (text("newName"), text("newTag"), text("digest"));
        Some(Self { new_name, new_tag, digest, tag_suffix: text("tagSuffix"), pattern, from, name })
    }

    fn matches(&self, text: &str) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
    }

    fn apply(&self, leaf: &mut Leaf) {
        let text = leaf.text.clone();
        let (name, tag, digest) = split_spec(&text);
        let name = self.new_name.as_deref().unwrap_or(name);
        let suffixed = self.tag_suffix.as_ref().map(|suffix| format!("{}{suffix}", tag.unwrap_or_default()));
        let (tag, digest) = match (&self.new_tag, &self.digest, &suffixed) {
            (None, None, None) => (tag, digest),
            (None, None, Some(suffixed)) => (Some(suffixed.as_str()), None),
            (tag, digest, _) => (tag.as_deref(), digest.as_deref()),
        };
        if self.new_tag.is_some() || self.digest.is_some() || suffixed.is_some() {
            leaf.from = self.from.clone();
        }
        let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        leaf.text = format!("{name}{tag}{digest}");
    }
}

impl Field {
    /// Reads a field of `configurations`.
    pub(super) fn of(node: Node<'_>) -> Option<Self> {
        let text = |key: &str| node.get(key).and_then(Node::as_str);
        let path = text("path")?.split('/').map(|step| step.trim_end_matches("[]").to_owned()).collect();
        Some(Self { kind: text("kind").map(str::to_owned), path })
    }
}

/// Has the entries of a kustomization change the images of an object; `is_outermost` notes how they reach it.
pub(super) fn transform(object: &mut Tree, entries: &[Entry], fields: &[Field], is_outermost: bool) {
    if object.text(&["kind"]) == Some("CustomResourceDefinition") {
        return;
    }
    let kind = object.text(&["kind"]).map(str::to_owned);
    let mut change = |leaf: &mut Leaf| {
        if is_outermost && leaf.reached.is_none() {
            leaf.reached = Some(Reached { name: split_spec(&leaf.text).0.to_owned(), entry: None });
        }
        for entry in entries {
            if entry.matches(&leaf.text) {
                entry.apply(leaf);
                if let Some(reached) = leaf.reached.as_mut().filter(|reached| reached.entry.is_none()) {
                    reached.entry = Some(entry.name.clone());
                }
            }
        }
    };
    in_containers(object, &mut change);
    for field in fields.iter().filter(|field| field.kind.is_none() || field.kind == kind) {
        at_path(object, &field.path, &mut change);
    }
}

fn in_containers(node: &mut Tree, change: &mut dyn FnMut(&mut Leaf)) {
    match node {
        Tree::Map(entries) => {
            for (key, value) in entries {
                match value {
                    Tree::List(items) if key == "containers" || key == "initContainers" => {
                        for item in items {
                            at_path(item, &["image".to_owned()], change);
                        }
                    }
                    value => in_containers(value, change),
                }
            }
        }
        Tree::List(items) => items.iter_mut().for_each(|item| in_containers(item, change)),
        Tree::Text(_) | Tree::Null => {}
    }
}

fn at_path(node: &mut Tree, path: &[String], change: &mut dyn FnMut(&mut Leaf)) {
    match (node, path.split_first()) {
        (Tree::Text(leaf), None) => change(leaf),
        (Tree::List(items), _) => items.iter_mut().for_each(|item| at_path(item, path, change)),
        (Tree::Map(entries), Some((first, rest))) => {
            if let Some((_, value)) = entries.iter_mut().find(|(key, _)| key == first) {
                at_path(value, rest, change);
            }
        }
        (Tree::Map(_) | Tree::Text(_) | Tree::Null, _) => {}
    }
}

/// Collects the image fields of an object.
pub(super) fn fields<'t>(node: &'t Tree, found: &mut Vec<&'t Leaf>) {
    match node {
        Tree::Map(entries) => {
            for (key, value) in entries {
                match value {
                    Tree::Text(leaf) if key == "image" || leaf.reached.is_some() => found.push(leaf),
                    value => fields(value, found),
                }
            }
        }
        Tree::List(items) => items.iter().for_each(|item| fields(item, found)),
        Tree::Text(_) | Tree::Null => {}
    }
}
