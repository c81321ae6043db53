//! The fields of custom resources that the operator declares: where they are in one object.

use crate::manifest::manifests::{items, names};
use crate::manifest::objects::{Object, Objects};
use crate::manifest::place::{Place, split_spec};
use crate::model::image_field::{FieldPath, FieldPlace, ImageField};
use crate::model::key_path::{KeyPath, Segment};
use crate::model::names::ImageName;
use crate::yaml::{Kind, Node};

/// A value that a declared path leads to: the items that it went through, its key path, and itself.
type Reached<'d> = (Vec<usize>, KeyPath, Node<'d>);

/// What the declared fields of an object say.
#[derive(Default)]
pub(super) struct Declared {
    /// Where the image stands.
    pub(super) places: Vec<Place>,
    /// The fields that are only its name, for its tag stands in one of `places`.
    pub(super) names: Vec<KeyPath>,
}

/// Finds the declared fields of an object that hold an image.
pub(super) fn declared(
    objects: Objects<'_>,
    object: Object<'_>,
    image: &ImageName,
    declared: &[ImageField],
) -> Declared {
    let is_of_group = |field: &ImageField| field.group.as_deref().is_none_or(|group| group == object.group);
    let is_image = |node: &Node<'_>| node.as_str().is_some_and(|text| names(text, image));
    let mut found = Declared::default();
    for field in declared.iter().filter(|field| field.kind == object.kind && is_of_group(field)) {
        match &field.place {
            FieldPlace::Whole(path) => {
                let reached = reached(object.node, path).into_iter().filter(|(_, _, node)| is_image(node));
                found.places.extend(reached.map(|(_, key, _)| Place::Spec(objects.address(object, key))));
            }
            FieldPlace::Parts { name, tag, digest } => {
                let images = reached(object.node, name).into_iter().filter(|(_, _, node)| is_image(node));
                for (through, name, node) in images {
                    let before = found.places.len();
                    for (items, key, _) in
                        reached(object.node, tag).into_iter().filter(|one| one.0.starts_with(&through))
                    {
                        let digest = digest.as_ref().and_then(|digest| expanded(object.node, digest, &items));
                        let digest = digest.map(|key| objects.address(object, key));
                        found.places.push(Place::Parts { tag: objects.address(object, key), digest });
                    }
                    // A name that has a tag in it too is an image by itself.
                    let is_bare = node.as_str().is_some_and(|text| split_spec(text) == (text, None, None));
                    if is_bare && found.places.len() > before {
                        found.names.push(name);
                    }
                }
            }
        }
    }
    found
}

/// Finds the scalars that a declared path leads to. What an alias names is found where it stands.
fn reached<'d>(object: Node<'d>, path: &FieldPath) -> Vec<Reached<'d>> {
    let mut all: Vec<Reached<'d>> = Vec::new();
    if let Some(node) = follow(object, path.first()) {
        all.push((Vec::new(), path.first().clone(), node));
    }
    for part in path.each() {
        let mut next = Vec::new();
        for (through, key, list) in all {
            for (number, (item_key, item)) in items(Some(&key), list).into_iter().enumerate() {
                let through: Vec<usize> = through.iter().copied().chain([number]).collect();
                match part {
                    None => next.push((through, item_key, item)),
                    Some(part) => {
                        let node = follow(item, part);
                        next.extend(node.and_then(|node| Some((through, item_key.join(part).ok()?, node))));
                    }
                }
            }
        }
        all = next;
    }
    all.retain(|(_, _, node)| matches!(node.kind(), Kind::Scalar { .. }));
    all
}

/// Gives the key path that a declared one is in these items, whether or not anything stands there.
fn expanded(object: Node<'_>, path: &FieldPath, through: &[usize]) -> Option<KeyPath> {
    let (mut key, mut node) = (path.first().clone(), follow(object, path.first()));
    for (number, part) in path.each().iter().enumerate() {
        let at = *through.get(number)?;
        let (item_key, item) = items(Some(&key), node?).into_iter().nth(at)?;
        (key, node) = match part {
            None => (item_key, Some(item)),
            Some(part) => (item_key.join(part).ok()?, follow(item, part)),
        };
    }
    Some(key)
}

/// Follows a key path through what is written in place.
fn follow<'d>(node: Node<'d>, path: &KeyPath) -> Option<Node<'d>> {
    path.segments().iter().try_fold(node, |node, segment| match segment {
        Segment::Key(key) => {
            node.entries().into_iter().find(|(name, _)| name.as_str() == Some(key)).map(|(_, value)| value)
        }
        Segment::Index(index) => node.items().get(*index).copied(),
        Segment::Where { field, value } => {
            node.items().into_iter().find(|item| item.get(field).and_then(Node::as_str) == Some(value))
        }
    })
}
