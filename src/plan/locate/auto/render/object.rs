//! Objects of a kustomization, and by which names patches know them.

use std::sync::Arc;

use crate::manifest::manifests;
use crate::plan::locate::auto::render::tree::{Origin, Tree};

/// One object.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) tree: Tree,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    /// What it was called from its file on; the last one is its name now.
    pub(super) ids: Vec<Id>,
}

/// A name of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Id {
    namespace: Option<String>,
    pub(super) name: String,
}

impl Id {
    /// Gives the namespace, which is `default` where none is named.
    pub(super) fn namespace(&self) -> &str {
        self.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
    }
}

impl Object {
    /// Reads what a tree says of itself.
    pub(super) fn of(tree: Tree) -> Self {
        let text = |keys: &[&str]| tree.text(keys).map(str::to_owned);
        let api = text(&["apiVersion"]).unwrap_or_default();
        let (group, version) = api.split_once('/').unwrap_or(("", &api));
        let name = text(&["metadata", "name"]).unwrap_or_default();
        let ids = vec![Id { namespace: text(&["metadata", "namespace"]), name }];
        let kind = text(&["kind"]).unwrap_or_default();
        Self { group: group.to_owned(), version: version.to_owned(), kind, ids, tree }
    }

    /// Tells whether nothing in it is an image.
    pub(super) fn is_closed(&self) -> bool {
        !manifests::holds_images(&self.kind)
    }

    /// Tells whether a patch without a target is for this object.
    pub(super) fn is_same(&self, object: &Self) -> bool {
        let is_id =
            |id: &Id| object.ids.iter().any(|other| (&other.name, other.namespace()) == (&id.name, id.namespace()));
        self.group == object.group && self.kind == object.kind && self.ids.iter().any(is_id)
    }

    /// Says of the images whose text is meant that nothing can be written where they stand.
    pub(super) fn close(&mut self, why: &str, is_meant: &dyn Fn(&str) -> bool) {
        close(&mut self.tree, why, is_meant);
    }

    /// Notes what a kustomization makes of its name.
    pub(super) fn rename(&mut self, namespace: Option<&str>, prefix: &str, suffix: &str) {
        let Some(last) = self.ids.last() else { return };
        let is_kept = matches!(self.kind.as_str(), "Namespace" | "CustomResourceDefinition" | "APIService");
        let name = if is_kept { last.name.clone() } else { format!("{prefix}{}{suffix}", last.name) };
        let namespace = namespace.map(str::to_owned).or_else(|| last.namespace.clone());
        let id = Id { namespace, name };
        if *last != id {
            self.ids.push(id);
        }
    }
}

fn close(node: &mut Tree, why: &str, is_meant: &dyn Fn(&str) -> bool) {
    match node {
        Tree::Map(entries) => {
            for (key, value) in entries {
                match value {
                    Tree::Text(leaf) if key == "image" && is_meant(&leaf.text) => {
                        leaf.from = Arc::new(Origin::Closed(why.to_owned()));
                    }
                    value => close(value, why, is_meant),
                }
            }
        }
        Tree::List(items) => items.iter_mut().for_each(|item| close(item, why, is_meant)),
        Tree::Text(_) | Tree::Null => {}
    }
}

/// Tells whether a group is one of Kubernetes itself, whose lists kustomize knows.
pub(super) fn is_builtin(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io")
}
