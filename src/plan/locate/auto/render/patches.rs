//! Patches of a kustomization: which objects they meet, and what they make of them.

use crate::manifest::Source;
use crate::manifest::objects::Objects;
use crate::model::address::{Address, ObjectName, Shown};
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::plan::locate::auto::render::cost::Cost;
use crate::plan::locate::auto::render::object::{self, Object};
use crate::plan::locate::auto::render::pattern::{Pattern, Tail};
use crate::plan::locate::auto::render::tree::{Ground, Tree};
use crate::yaml::{Kind, Node};

/// One patch of a file or text.
pub(super) enum Patch {
    /// A strategic merge patch.
    Strategic(Box<Object>),
    /// A JSON patch: its operations.
    Json(Vec<Tree>),
}

/// Which objects a patch is for.
pub(super) struct Target {
    group: Option<Pattern>,
    version: Option<Pattern>,
    kind: Option<Pattern>,
    name: Option<Pattern>,
    namespace: Option<Pattern>,
    labels: Option<String>,
    annotations: Option<String>,
}

impl Target {
    /// Reads a `target`.
    pub(super) fn of(node: Node<'_>, cost: &mut Cost) -> Self {
        let text = |key: &str| node.get(key).and_then(Node::as_str).filter(|text| !text.is_empty());
        let mut pattern = |key: &str| text(key).and_then(|text| Pattern::of(text, Tail::Nothing, cost));
        Self {
            group: pattern("group"),
            version: pattern("version"),
            kind: pattern("kind"),
            name: pattern("name"),
            namespace: pattern("namespace"),
            labels: text("labelSelector").map(str::to_owned),
            annotations: text("annotationSelector").map(str::to_owned),
        }
    }

    /// Tells whether an object is meant, under any name that it has had.
    pub(super) fn meets(&self, object: &Object) -> bool {
        let is = |pattern: &Option<Pattern>, text: &str| pattern.as_ref().is_none_or(|pattern| pattern.is_match(text));
        let is_named = object.ids.iter().any(|id| is(&self.name, &id.name) && is(&self.namespace, id.namespace()));
        let selects = |selector: &Option<String>, key: &str| {
            let labels = object.tree.get("metadata").and_then(|metadata| metadata.get(key));
            selector.as_ref().is_none_or(|selector| selector.split(',').all(|one| is_selected(one, labels)))
        };
        is(&self.group, &object.group)
            && is(&self.version, &object.version)
            && is(&self.kind, &object.kind)
            && is_named
            && selects(&self.labels, "labels")
            && selects(&self.annotations, "annotations")
    }
}

/// Tells whether labels meet one requirement; what is not understood is met.
fn is_selected(requirement: &str, labels: Option<&Tree>) -> bool {
    let label = |key: &str| labels.and_then(|labels| labels.text(&[key.trim()]));
    if requirement.contains(['(', ')', ' ']) && !requirement.contains('=') {
        return true;
    }
    if let Some((key, value)) = requirement.split_once("!=") {
        return label(key) != Some(value.trim());
    }
    if let Some((key, value)) = requirement.split_once('=') {
        return label(key) == Some(value.trim_start_matches('=').trim());
    }
    match requirement.trim().strip_prefix('!') {
        Some(key) => label(key).is_none(),
        None => label(requirement).is_some(),
    }
}

/// Reads the patches of a file.
pub(super) fn of_file(source: &Source, file: &RepoPath, owner: usize) -> Vec<Patch> {
    let Ok(key) = KeyPath::of_key("image") else { return Vec::new() };
    let objects = Objects::of(source);
    let mut patches = Vec::new();
    for (number, document) in source.documents().iter().enumerate() {
        let root = document.root();
        let mut own = objects.in_document(number).peekable();
        let address = |object: Option<ObjectName>| Address { object, shown: Shown::Name, key: key.clone() };
        if own.peek().is_some() {
            for object in own {
                let address = objects.address(object, key.clone());
                let ground = Ground { owner, file, address: &address };
                patches.extend(strategic(ground.tree(object.node, None, true)));
            }
            continue;
        }
        let address = address((number > 0).then_some(ObjectName::Number(number)));
        let ground = Ground { owner, file, address: &address };
        patches.extend(of_tree(root, ground.tree(root, None, true)));
    }
    patches
}

/// Reads the patches of a text that stands in a kustomization at a key path.
pub(super) fn of_text(text: &Source, file: &RepoPath, owner: usize, path: &KeyPath) -> Vec<Patch> {
    let address = Address::first(path.clone());
    let ground = Ground { owner, file, address: &address };
    let roots = text.documents().iter().map(|document| document.root()).enumerate();
    // A key path goes on into the first document of a text.
    let read = |(number, root): (usize, Node<'_>)| of_tree(root, ground.tree(root, Some(path), number == 0));
    roots.filter_map(read).collect()
}

fn of_tree(root: Node<'_>, tree: Tree) -> Option<Patch> {
    match (root.kind(), tree) {
        (Kind::Seq { .. }, Tree::List(operations)) => Some(Patch::Json(operations)),
        (_, tree) => strategic(tree),
    }
}

fn strategic(tree: Tree) -> Option<Patch> {
    matches!(tree, Tree::Map(_)).then(|| Patch::Strategic(Box::new(Object::of(tree))))
}

/// Applies patches to the objects that they are for. A patch that meets none is an object of its own where not all objects
/// are seen: it changes one that is not.
pub(super) fn apply(
    patches: Vec<Patch>,
    target: Option<&Target>,
    objects: &mut Vec<Object>,
    has_schema: bool,
    is_all_seen: bool,
    cost: &mut Cost,
) {
    for patch in patches {
        if cost.take(objects.len()).is_none() {
            return;
        }
        match patch {
            Patch::Strategic(patch) => {
                let is_deleted = patch.tree.text(&["$patch"]) == Some("delete");
                let is_met = |object: &Object| match target {
                    Some(target) => target.meets(object),
                    None => patch.is_same(object),
                };
                if is_deleted {
                    objects.retain(|object| !is_met(object));
                    continue;
                }
                let mut met = 0;
                let size = patch.tree.count();
                for object in objects.iter_mut().filter(|object| is_met(object)) {
                    if cost.take(size).is_none() {
                        return;
                    }
                    let has_schema = has_schema || object::is_builtin(&object.group);
                    object.tree.merge(&patch.tree, "", has_schema);
                    met += 1;
                }
                if met == 0 && !is_all_seen && !patch.is_closed() {
                    objects.push(*patch);
                }
            }
            Patch::Json(operations) => {
                let Some(target) = target else { continue };
                let mut met = 0;
                for object in objects.iter_mut().filter(|object| target.meets(object)) {
                    if operations.iter().try_for_each(|operation| object.tree.operate(operation, cost)).is_none() {
                        return;
                    }
                    met += 1;
                }
                if met == 0 && !is_all_seen {
                    objects.extend(operations.iter().filter_map(unmet));
                }
            }
        }
    }
}

/// Gives what an operation puts into an object that is not seen.
fn unmet(operation: &Tree) -> Option<Object> {
    let path = operation.text(&["path"])?;
    let value = operation.get("value")?.clone();
    let mut steps = path.split('/').skip(1).collect::<Vec<_>>();
    let tree = steps.drain(..).rev().fold(value, |value, step| {
        if step == "-" || step.parse::<usize>().is_ok() {
            Tree::List(vec![value])
        } else {
            Tree::Map(vec![(step.to_owned(), value)])
        }
    });
    Some(Object::of(tree))
}
