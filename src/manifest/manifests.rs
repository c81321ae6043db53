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
use crate::yaml::{Kind, Node};

/// Kinds whose objects are not looked into.
const CLOSED: [&str; 3] = ["SealedSecret", "ExternalSecret", "CustomResourceDefinition"];
/// What these kinds hold is text of others.
const WITH_DATA: [&str; 2] = ["ConfigMap", "Secret"];
const DATA: [&str; 3] = ["data", "stringData", "binaryData"];

/// One `image:` field, by which it is found again in every version of its file.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ImageField {
    /// The document it stands in.
    pub document: DocumentName,
    /// Whether the file has no other document, so that the key path says it all.
    pub is_alone: bool,
    /// The key path in the document.
    pub key: KeyPath,
}

/// A document of a file.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DocumentName {
    /// The object of this kind and name.
    Object {
        /// `kind`.
        kind: String,
        /// `metadata.namespace`, where another object of the file has the same kind and name.
        namespace: Option<String>,
        /// `metadata.name`.
        name: String,
    },
    /// The document of this number, from 0, where it has no name.
    Number(usize),
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object { kind, namespace: Some(namespace), name } => write!(f, "{kind}/{namespace}/{name}"),
            Self::Object { kind, namespace: None, name } => write!(f, "{kind}/{name}"),
            Self::Number(number) => write!(f, "[{number}]"),
        }
    }
}

impl fmt::Display for ImageField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_alone { write!(f, "{}", self.key) } else { write!(f, "{}#{}", self.document, self.key) }
    }
}

impl ImageField {
    /// Gives the number of the field's document; none if the file has no such document.
    ///
    /// # Errors
    /// `edit/duplicate-key` if several objects have the name.
    pub(super) fn document_number(&self, source: &Source) -> Result<Option<usize>, EditError> {
        let (kind, namespace, name) = match &self.document {
            DocumentName::Number(number) => return Ok(Some(*number).filter(|at| *at < source.documents().len())),
            DocumentName::Object { kind, namespace, name } => (kind, namespace, name),
        };
        let is_it = |object: &Object| {
            object.kind == *kind && object.name == *name && (namespace.is_none() || object.namespace == *namespace)
        };
        let objects = objects(source);
        let mut found = objects.iter().filter(|object| is_it(object));
        match (found.next(), found.next()) {
            (Some(first), Some(second)) => Err(EditError::DuplicateKey {
                path: self.to_string(),
                what: format!("the object `{}`", self.document),
                first: first.line,
                second: second.line,
            }),
            (first, _) => Ok(first.map(|object| object.number)),
        }
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
        let named = objects.iter().find(|object| object.number == number).map(|object| {
            let is_twin = |other: &&Object| other.kind == object.kind && other.name == object.name;
            let is_unique = objects.iter().filter(is_twin).count() == 1;
            let namespace = object.namespace.clone().filter(|_| !is_unique);
            DocumentName::Object { kind: object.kind.clone(), namespace, name: object.name.clone() }
        });
        let document = named.unwrap_or(DocumentName::Number(number));
        let mut keys = Vec::new();
        walk(root, None, image, &mut keys);
        found.extend(keys.into_iter().map(|key| ImageField { document: document.clone(), is_alone, key }));
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

struct Object {
    number: usize,
    kind: String,
    namespace: Option<String>,
    name: String,
    line: u64,
}

fn objects(source: &Source) -> Vec<Object> {
    let read = |(number, document): (usize, &crate::yaml::Document)| {
        let text = |keys: &[&str]| document.root().get_path(keys).and_then(Node::as_str).map(str::to_owned);
        let (kind, name) = (text(&["kind"])?, text(&["metadata", "name"])?);
        let namespace = text(&["metadata", "namespace"]);
        Some(Object { number, kind, namespace, name, line: document.root().line() })
    };
    source.documents().iter().enumerate().filter_map(read).collect()
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
