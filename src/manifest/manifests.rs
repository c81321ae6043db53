//! `image:` fields of Kubernetes manifests: where an image stands in the objects of a file, and which object is meant.
//!
//! Any depth, lists and custom resources included. Not looked into: definitions of custom resources, the data of ConfigMaps
//! and Secrets, sealed objects, and documents that are no objects.

use std::collections::HashMap;
use std::fmt;

use crate::manifest::Source;
use crate::manifest::error::EditError;
use crate::manifest::place::split_spec;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::yaml::{Document, Kind, Node};

/// Kinds whose objects are not looked into.
const CLOSED: [&str; 3] = ["SealedSecret", "ExternalSecret", "CustomResourceDefinition"];
/// What these kinds hold is text of others.
const WITH_DATA: [&str; 2] = ["ConfigMap", "Secret"];
const DATA: [&str; 3] = ["data", "stringData", "binaryData"];

/// One `image:` field, by which it is found again in every version of its file.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ImageField {
    /// What it stands in.
    pub object: ObjectName,
    /// How much of that people need to read.
    pub shown: Shown,
    /// The key path in the object.
    pub key: KeyPath,
}

/// An object of a file: a document of its own, or an item of a `List`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ObjectName {
    /// The object of this kind and name.
    Named {
        /// `kind`.
        kind: String,
        /// `metadata.namespace`.
        namespace: Option<String>,
        /// `metadata.name`.
        name: String,
    },
    /// The document of this number, from 0, where it has no name.
    Number(usize),
}

/// How much of an object's name people need to read.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Shown {
    /// Nothing: the file has no other object.
    Key,
    /// Its kind and name.
    Name,
    /// Its namespace as well: another object of the file has the same kind and name.
    Namespace,
}

impl fmt::Display for ImageField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name(self.shown))
    }
}

impl ImageField {
    /// Gives the key as people read it, with this much of the object's name.
    fn name(&self, shown: Shown) -> String {
        let key = &self.key;
        match (&self.object, shown) {
            (_, Shown::Key) => key.to_string(),
            (ObjectName::Number(number), _) => format!("[{number}]#{key}"),
            (ObjectName::Named { kind, namespace: Some(namespace), name }, Shown::Namespace) => {
                format!("{kind}/{namespace}/{name}#{key}")
            }
            (ObjectName::Named { kind, name, .. }, _) => format!("{kind}/{name}#{key}"),
        }
    }

    /// Gives every key that people may have read, according to what else stood in the file.
    pub(super) fn names(&self) -> [String; 3] {
        [Shown::Key, Shown::Name, Shown::Namespace].map(|shown| self.name(shown))
    }

    /// Gives the number of the field's document and its key path there; none if the file has no such object.
    ///
    /// # Errors
    /// `edit/duplicate-key` if several objects have the name.
    pub(super) fn find(&self, source: &Source) -> Result<Option<(usize, KeyPath)>, EditError> {
        let (kind, namespace, name) = match &self.object {
            ObjectName::Number(number) => {
                return Ok((*number < source.documents().len()).then(|| (*number, self.key.clone())));
            }
            ObjectName::Named { kind, namespace, name } => (kind, namespace, name),
        };
        let objects = objects(source);
        let same: Vec<&Object<'_>> =
            objects.iter().filter(|object| object.kind == *kind && object.name == *name).collect();
        let mut exact = same.iter().filter(|object| object.namespace == *namespace);
        let found = match (exact.next(), exact.next()) {
            (Some(first), Some(second)) => {
                return Err(EditError::DuplicateKey {
                    path: self.to_string(),
                    what: format!("the object `{kind}/{name}`"),
                    first: first.line,
                    second: second.line,
                });
            }
            (Some(one), None) => Some(*one),
            // The namespace may have been written, or left to others, in another version of the file.
            (None, _) => match same.as_slice() {
                [one] if one.namespace.is_none() || namespace.is_none() => Some(*one),
                _ => None,
            },
        };
        Ok(found.and_then(|object| Some((object.document, object.key_of(&self.key)?))))
    }

    /// The same, and an error where there is no such object.
    ///
    /// # Errors
    /// `edit/no-such-key` as well.
    pub(super) fn at(&self, source: &Source) -> Result<(usize, KeyPath), EditError> {
        self.find(source)?.ok_or_else(|| EditError::NoSuchKey { path: self.key.to_string(), nearest: None })
    }
}

/// Finds the `image:` fields that hold an image, in the order of the text.
pub fn fields(source: &Source, image: &ImageName) -> Vec<ImageField> {
    let objects = objects(source);
    let is_alone = source.documents().iter().filter(|document| !document.root().is_null()).count() == 1;
    let mut found = Vec::new();
    for (number, document) in source.documents().iter().enumerate() {
        let root = document.root();
        if root.get("kind").and_then(Node::as_str).is_none() || root.get("apiVersion").and_then(Node::as_str).is_none()
        {
            continue;
        }
        let mut note = |node: Node<'_>, path: Option<&KeyPath>| {
            let mut keys = Vec::new();
            walk(node, path, image, &mut keys);
            let object =
                objects.iter().find(|object| object.node.position() == node.position() && object.document == number);
            let shown = |object: &Object<'_>| {
                let is_twin = |other: &&Object<'_>| other.kind == object.kind && other.name == object.name;
                if is_alone && path.is_none() {
                    Shown::Key
                } else if objects.iter().filter(is_twin).count() == 1 {
                    Shown::Name
                } else {
                    Shown::Namespace
                }
            };
            for key in keys {
                let inner = object.and_then(|object| Some((object, object.inner(&key)?)));
                found.push(match inner {
                    Some((object, key)) => ImageField { object: object.named(), shown: shown(object), key },
                    None => ImageField {
                        object: ObjectName::Number(number),
                        shown: if is_alone { Shown::Key } else { Shown::Name },
                        key,
                    },
                });
            }
        };
        match listed(root) {
            Some(items) => items.iter().for_each(|(path, item)| note(*item, Some(path))),
            None => note(root, None),
        }
    }
    found
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

/// An object that has a name.
struct Object<'d> {
    document: usize,
    node: Node<'d>,
    /// Where it stands in its document, if it is an item of a list.
    path: Option<KeyPath>,
    kind: String,
    namespace: Option<String>,
    name: String,
    line: u64,
}

impl Object<'_> {
    fn named(&self) -> ObjectName {
        let Self { kind, namespace, name, .. } = self;
        ObjectName::Named { kind: kind.clone(), namespace: namespace.clone(), name: name.clone() }
    }

    /// Gives a key path of the object as one of its document.
    fn key_of(&self, inner: &KeyPath) -> Option<KeyPath> {
        self.path.as_ref().map_or_else(|| Some(inner.clone()), |path| format!("{path}.{inner}").parse().ok())
    }

    /// Gives a key path of the document as one of the object.
    fn inner(&self, key: &KeyPath) -> Option<KeyPath> {
        let Some(path) = &self.path else { return Some(key.clone()) };
        key.to_string().strip_prefix(&format!("{path}."))?.parse().ok()
    }
}

fn objects(source: &Source) -> Vec<Object<'_>> {
    let mut found = Vec::new();
    for (document, root) in source.documents().iter().map(Document::root).enumerate() {
        match listed(root) {
            Some(items) => {
                found.extend(items.into_iter().filter_map(|(path, item)| object(document, item, Some(path))))
            }
            None => found.extend(object(document, root, None)),
        }
    }
    found
}

fn object(document: usize, node: Node<'_>, path: Option<KeyPath>) -> Option<Object<'_>> {
    let text = |keys: &[&str]| node.get_path(keys).and_then(Node::as_str).map(str::to_owned);
    let (kind, name, namespace) = (text(&["kind"])?, text(&["metadata", "name"])?, text(&["metadata", "namespace"]));
    Some(Object { document, node, path, kind, namespace, name, line: node.line() })
}

/// Gives the objects that a list of Kubernetes writes itself, with their paths; none if it is no such list.
fn listed(root: Node<'_>) -> Option<Vec<(KeyPath, Node<'_>)>> {
    root.get("kind").and_then(Node::as_str).filter(|kind| kind.ends_with("List"))?;
    let (_, list) = root.entries().into_iter().find(|(key, _)| key.as_str() == Some("items"))?;
    let path = KeyPath::of_key("items").ok()?;
    let Kind::Seq { .. } = list.kind() else { return None };
    let items = list.items().into_iter().enumerate();
    let items = items.filter(|(_, item)| matches!(item.kind(), Kind::Map { .. }));
    Some(items.filter_map(|(number, item)| Some((path.item(number).ok()?, item))).collect())
}

/// Goes through what a node writes itself; what an alias names is found where it stands.
fn walk(node: Node<'_>, path: Option<&KeyPath>, image: &ImageName, found: &mut Vec<KeyPath>) {
    match node.kind() {
        Kind::Map { .. } => {
            let kind = node.get("kind").and_then(Node::as_str).filter(|_| node.get("apiVersion").is_some());
            if kind.is_some_and(|kind| CLOSED.contains(&kind)) {
                return;
            }
            let holds_data = kind.is_some_and(|kind| WITH_DATA.contains(&kind));
            for (key, value) in node.entries() {
                let Some(key) = key.as_str().filter(|key| !(holds_data && DATA.contains(key))) else { continue };
                let Ok(below) = path.map_or_else(|| KeyPath::of_key(key), |path| path.child(key)) else { continue };
                let is_field = key == "image" && matches!(value.kind(), Kind::Scalar { .. });
                if is_field && value.as_str().is_some_and(|text| names(text, image)) {
                    found.push(below);
                } else {
                    walk(value, Some(&below), image, found);
                }
            }
        }
        Kind::Seq { .. } => {
            for (below, item) in items(path, node) {
                walk(item, Some(&below), image, found);
            }
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

/// Tells whether a text is this image, with or without a tag.
pub fn names(text: &str, image: &ImageName) -> bool {
    split_spec(text).0.parse::<ImageName>().is_ok_and(|name| name == *image)
}
