//! The shapes in which Helm values name an image, whichever one: `repository` with `tag`, and `image` with or without.
//!
//! One walk for all that look for images in values, so that what is listed and what is found never differ. Which layer
//! counts is not known here.

use crate::manifest::manifests::items;
use crate::manifest::place::split_spec;
use crate::model::key_path::KeyPath;
use crate::model::tracked::Form;
use crate::yaml::{Kind, Node};

/// Where values name an image.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Named {
    /// The key path of the name.
    pub name: KeyPath,
    /// The key path of what is written.
    pub key: KeyPath,
    /// What of the image stands there.
    pub form: Form,
}

/// Gives what may name an image below a node, in the order of the text; what an alias names is given where it stands.
pub fn named(root: Node<'_>) -> Vec<Named> {
    each(root).into_iter().map(|(_, named)| named).collect()
}

/// Gives the same, each with the mapping that it stands in.
pub(super) fn each(root: Node<'_>) -> Vec<(Node<'_>, Named)> {
    let mut found = Vec::new();
    walk(root, None, &mut found);
    found
}

fn walk<'d>(node: Node<'d>, path: Option<&KeyPath>, found: &mut Vec<(Node<'d>, Named)>) {
    let below = |key: &str| path.map_or_else(|| KeyPath::of_key(key), |path| path.child(key)).ok();
    match node.kind() {
        Kind::Map { .. } => {
            let mut note = |name: &str, key: &str, form: Form| {
                if let (Some(name), Some(key)) = (below(name), below(key)) {
                    found.push((node, Named { name, key, form }));
                }
            };
            let text = |key: &str| node.get(key).and_then(Node::as_str);
            let has_tag = node.get("tag").is_some_and(|tag| tag.is_null() || tag.as_str().is_some());
            // A name may stand in one file and its tag in another one.
            if text("repository").is_some() || has_tag && text("image").is_none() {
                note("repository", "tag", Form::Tag);
            }
            if let Some(image) = text("image") {
                match split_spec(image) {
                    (_, None, None) if has_tag => note("image", "tag", Form::Tag),
                    _ => note("image", "image", Form::Spec),
                }
            }
            for (key, value) in node.entries() {
                if let Some(below) = key.as_str().and_then(below) {
                    walk(value, Some(&below), found);
                }
            }
        }
        Kind::Seq { .. } => items(path, node).into_iter().for_each(|(below, item)| walk(item, Some(&below), found)),
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}
