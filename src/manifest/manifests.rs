//! Images in Kubernetes manifests: where an image stands in the objects of a file, and which object is meant.
//!
//! Any depth, lists and custom resources included. Not looked into: definitions of custom resources, the data of ConfigMaps
//! and Secrets, sealed objects, values of a HelmRelease, and documents that are no objects.

mod fields;

use std::collections::HashMap;

use crate::manifest::Source;
use crate::manifest::objects::{Object, Objects};
use crate::manifest::place::{Place, split_spec};
use crate::model::image_field::ImageField;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::yaml::{Kind, Node};

/// Kinds whose objects are not looked into.
const CLOSED: [&str; 3] = ["SealedSecret", "ExternalSecret", "CustomResourceDefinition"];
/// What these kinds hold is text of others.
const WITH_DATA: [&str; 2] = ["ConfigMap", "Secret"];
const DATA: [&str; 3] = ["data", "stringData", "binaryData"];

/// Where the objects of a file name images, each with the number of its object. Read once, since a file may have thousands
/// of objects, and thousands of images that are looked for in it.
pub(super) type Images = HashMap<ImageName, Vec<(usize, Place)>>;

/// Finds what names an image: `image:` fields, a `repository` with its `tag`, and the fields that the operator declares.
pub fn places(source: &Source, image: &ImageName, declared: &[ImageField]) -> Vec<Place> {
    let objects = Objects::of(source);
    let mut found = source.images.get_or_init(|| images(objects)).get(image).cloned().unwrap_or_default();
    if !declared.is_empty() {
        for (number, object) in objects.all().enumerate().filter(|(_, object)| is_searched(object)) {
            let declared = fields::declared(objects, object, image, declared);
            for name in declared.names.into_iter().map(|key| Place::Spec(objects.address(object, key))) {
                found.retain(|(other, known)| *other != number || *known != name);
            }
            for place in declared.places {
                // A field that is known anyway may be declared as well.
                if !found.iter().any(|(other, known)| *other == number && known.tag() == place.tag()) {
                    found.push((number, place));
                }
            }
        }
        found.sort_by_key(|(number, _)| *number);
    }
    found.into_iter().map(|(_, place)| place).collect()
}

/// Reads what names which image in all objects.
fn images(objects: Objects<'_>) -> Images {
    let mut images = Images::new();
    for (number, object) in objects.all().enumerate().filter(|(_, object)| is_searched(object)) {
        let mut note = |image: Option<ImageName>, place: &dyn Fn() -> Place| {
            if let Some(image) = image {
                images.entry(image).or_default().push((number, place()));
            }
        };
        // Helm values have rules of their own.
        let values = object.values_key();
        let is_own =
            |key: &KeyPath| values.as_ref().is_none_or(|values| !key.segments().starts_with(values.segments()));
        for (key, said) in all(object.node).into_iter().filter(|(key, _)| is_own(key)) {
            match said {
                Said::Whole(text) => {
                    note(split_spec(text).0.parse().ok(), &|| Place::Spec(objects.address(object, key.clone())));
                }
                Said::Split(around) => split(around)
                    .into_iter()
                    .for_each(|image| note(image, &|| Place::Tag(objects.address(object, key.clone())))),
            }
        }
    }
    images
}

/// Tells whether an object is looked into.
pub(super) fn is_searched(object: &Object<'_>) -> bool {
    is_open(object.kind) && !object.is_of_image_automation()
}

/// How a place of an object names an image.
pub(super) enum Said<'d> {
    /// By this text of an `image:` field.
    Whole(&'d str),
    /// By what stands in this mapping beside the `tag`.
    Split(Node<'d>),
}

/// Gives everything in an object that may name an image, in the order of the text, with the key path of what is written.
pub(super) fn all(object: Node<'_>) -> Vec<(KeyPath, Said<'_>)> {
    let mut found = Vec::new();
    walk(object, None, &mut found);
    found
}

/// Tells whether objects of a kind are looked into.
pub(super) fn is_open(kind: &str) -> bool {
    !CLOSED.contains(&kind)
}

/// Tells whether fields of an object of a kind can be images: neither sealed, nor a definition, nor text of others.
pub fn holds_images(kind: &str) -> bool {
    is_open(kind) && !WITH_DATA.contains(&kind)
}

/// Gives the items of a list with their paths: by name where only one item has it, else by number.
pub fn items<'d>(path: Option<&KeyPath>, list: Node<'d>) -> Vec<(KeyPath, Node<'d>)> {
    let items = list.items();
    let name_of = |item: Node<'d>| item.get("name").and_then(Node::as_str);
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for name in items.iter().filter_map(|item| name_of(*item)) {
        *counts.entry(name).or_default() += 1;
    }
    let path_of = |(number, item): (usize, Node<'d>)| {
        let name = name_of(item).filter(|name| counts.get(name) == Some(&1));
        let by_name = name.and_then(|name| path?.where_is("name", name).ok());
        Some((by_name.or_else(|| path?.item(number).ok())?, item))
    };
    items.into_iter().enumerate().filter_map(path_of).collect()
}

/// Goes through what a node writes itself; what an alias names is found where it stands.
fn walk<'d>(node: Node<'d>, path: Option<&KeyPath>, found: &mut Vec<(KeyPath, Said<'d>)>) {
    match node.kind() {
        Kind::Map { .. } => {
            let kind = node.get("kind").and_then(Node::as_str).filter(|_| node.get("apiVersion").is_some());
            if !kind.is_none_or(is_open) {
                return;
            }
            let holds_data = kind.is_some_and(|kind| WITH_DATA.contains(&kind));
            let tag = || path.map_or_else(|| KeyPath::of_key("tag"), |path| path.child("tag")).ok();
            found.extend(is_split(node).then(tag).flatten().map(|tag| (tag, Said::Split(node))));
            for (key, value) in node.entries() {
                let Some(key) = key.as_str().filter(|key| !(holds_data && DATA.contains(key))) else { continue };
                let Ok(below) = path.map_or_else(|| KeyPath::of_key(key), |path| path.child(key)) else { continue };
                match value.kind() {
                    Kind::Scalar { .. } if key == "image" => {
                        found.extend(value.as_str().map(|text| (below, Said::Whole(text))));
                    }
                    _ => walk(value, Some(&below), found),
                }
            }
        }
        Kind::Seq { .. } => {
            for (below, item) in items(path, node) {
                walk(item, Some(&below), found);
            }
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

/// Tells whether a mapping has a `repository` with its `tag`, be that a null, and writes one of them itself: what it has by
/// a merge alone is found where that stands.
fn is_split(node: Node<'_>) -> bool {
    let has_tag = node.get("tag").is_some_and(|tag| tag.is_null() || tag.as_str().is_some());
    let is_written = || node.entries().iter().any(|(key, _)| matches!(key.as_str(), Some("repository" | "tag")));
    has_tag && node.get("repository").and_then(Node::as_str).is_some() && is_written()
}

/// Gives the images that such a mapping names, with or without its `registry`.
pub(super) fn split(node: Node<'_>) -> [Option<ImageName>; 2] {
    let text = |key: &str| node.get(key).and_then(Node::as_str);
    let Some(repository) = text("repository") else { return [None, None] };
    let plain = repository.parse::<ImageName>().ok();
    match text("registry").filter(|registry| !registry.is_empty()) {
        // Beside a registry, a name without one is none of the default registry.
        Some(registry) => {
            let has_host = |name: &ImageName| repository.starts_with(&format!("{}/", name.registry()));
            let plain = plain.filter(has_host);
            let whole = format!("{}/{repository}", registry.trim_end_matches('/')).parse().ok();
            [whole.filter(|whole| plain.as_ref() != Some(whole)), plain]
        }
        None => [plain, None],
    }
}

/// Tells whether a text is this image, with or without a tag.
pub fn names(text: &str, image: &ImageName) -> bool {
    split_spec(text).0.parse::<ImageName>().is_ok_and(|name| name == *image)
}
