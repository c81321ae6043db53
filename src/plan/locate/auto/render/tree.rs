//! Objects as trees whose texts know where they stand, and what patches make of them.
//!
//! Follows kustomize: strategic merge patches merge mappings key by key, and lists by `name` where the schema of the kind
//! says so, else they replace them; JSON patches are RFC 6902.

use std::sync::Arc;

use crate::manifest::manifests::items;
use crate::manifest::place::Place;
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::plan::locate::auto::render::cost::Cost;
use crate::yaml::{Kind, Node};

/// Lists that kinds of Kubernetes merge by `name`, as far as they hold images.
const NAMED: [&str; 4] = ["containers", "initContainers", "ephemeralContainers", "volumes"];

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Tree {
    Map(Vec<(String, Tree)>),
    List(Vec<Tree>),
    Text(Leaf),
    Null,
}

/// A text.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) text: String,
    /// Where it stands, or what it was set by.
    pub(super) from: Arc<Origin>,
    /// What it is to the images of the outermost kustomization.
    pub(super) reached: Option<Reached>,
}

/// How a text reaches `images:` of the outermost kustomization.
#[derive(Clone, Debug)]
pub(super) struct Reached {
    /// The image's name as it is written there.
    pub(super) name: String,
    /// The `name` of the first entry that it matches.
    pub(super) entry: Option<String>,
}

/// Where a text stands.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// At a place of a file that this kustomization, by its number, names itself.
    Place { owner: usize, file: RepoPath, place: Box<Place> },
    /// Where nothing can be written, and why.
    Closed(String),
}

/// Where trees are read from.
pub(super) struct Ground<'a> {
    /// The number of the kustomization that names the file.
    pub(super) owner: usize,
    pub(super) file: &'a RepoPath,
    /// The address of the root of what is read, and where in its object that is.
    pub(super) address: &'a Address,
}

impl Ground<'_> {
    fn origin(&self, path: Option<&KeyPath>) -> Origin {
        let Some(path) = path else {
            return Origin::Closed(format!("{} holds it at a key that no key path can name", self.file));
        };
        let place = Place::Spec(self.address.at(path.clone()));
        Origin::Place { owner: self.owner, file: self.file.clone(), place: Box::new(place) }
    }

    /// Reads a node that stands at a key path; none is the root. What is not nameable stands where no key path leads.
    pub(super) fn tree(&self, node: Node<'_>, path: Option<&KeyPath>, is_nameable: bool) -> Tree {
        let Some(node) = node.resolve() else { return Tree::Null };
        match node.kind() {
            Kind::Map { .. } => {
                let entries = node.entries().into_iter().chain(node.inherited_entries());
                let own = entries.filter(|(key, _)| !key.is_merge_key());
                let read = |(key, value): (Node<'_>, Node<'_>)| {
                    let key = key.as_str()?;
                    let below = path.map_or_else(|| KeyPath::of_key(key), |path| path.child(key)).ok();
                    let below = below.filter(|_| is_nameable);
                    Some((key.to_owned(), self.tree(value, below.as_ref(), below.is_some())))
                };
                Tree::Map(own.filter_map(read).collect())
            }
            Kind::Seq { .. } if is_nameable && path.is_some() => {
                let named = items(path, node);
                if named.len() == node.items().len() {
                    return Tree::List(named.iter().map(|(below, item)| self.tree(*item, Some(below), true)).collect());
                }
                Tree::List(node.items().into_iter().map(|item| self.tree(item, None, false)).collect())
            }
            Kind::Seq { .. } => {
                let read = |(number, item): (usize, Node<'_>)| {
                    let below = format!("[{number}]").parse::<KeyPath>().ok().filter(|_| is_nameable);
                    self.tree(item, below.as_ref(), below.is_some())
                };
                Tree::List(node.items().into_iter().enumerate().map(read).collect())
            }
            Kind::Scalar { .. } | Kind::Alias(_) => node.as_str().map_or(Tree::Null, |text| {
                let from = Arc::new(self.origin(path.filter(|_| is_nameable)));
                Tree::Text(Leaf { text: text.to_owned(), from, reached: None })
            }),
        }
    }
}

impl Tree {
    /// Gives the value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(other, _)| other == key).map(|(_, value)| value),
            Self::List(_) | Self::Text(_) | Self::Null => None,
        }
    }

    /// Gives the text at some keys.
    pub(super) fn text(&self, keys: &[&str]) -> Option<&str> {
        match keys.iter().try_fold(self, |node, key| node.get(key))? {
            Self::Text(leaf) => Some(&leaf.text),
            Self::Map(_) | Self::List(_) | Self::Null => None,
        }
    }

    /// Counts the values in it, with itself.
    pub(super) fn count(&self) -> usize {
        1 + match self {
            Self::Map(entries) => entries.iter().map(|(_, value)| value.count()).sum(),
            Self::List(items) => items.iter().map(Self::count).sum(),
            Self::Text(_) | Self::Null => 0,
        }
    }

    /// Merges a strategic merge patch; `has_schema` says whether lists are merged by name.
    pub(super) fn merge(&mut self, patch: &Self, key: &str, has_schema: bool) {
        match (&mut *self, patch) {
            (Self::Map(entries), Self::Map(_)) if patch.text(&["$patch"]) != Some("replace") => {
                let Self::Map(changes) = patch else { return };
                for (key, change) in changes.iter().filter(|(key, _)| !key.starts_with('$')) {
                    match (entries.iter().position(|(other, _)| other == key), change) {
                        (Some(at), Self::Null) => {
                            entries.remove(at);
                        }
                        (None, Self::Null) => {}
                        (Some(at), change) => {
                            if let Some((key, value)) = entries.get_mut(at) {
                                value.merge(change, key, has_schema);
                            }
                        }
                        (None, change) => entries.push((key.clone(), change.plain())),
                    }
                }
            }
            (Self::List(items), Self::List(changes)) if has_schema && NAMED.contains(&key) => {
                let is = |item: &Self, word: &str| item.text(&["$patch"]) == Some(word);
                if changes.iter().any(|item| is(item, "replace")) {
                    *items = changes.iter().filter(|item| !is(item, "replace")).map(Self::plain).collect();
                    return;
                }
                let mut added = Vec::new();
                for change in changes {
                    let name = change.text(&["name"]);
                    let at = items.iter().position(|item| name.is_some() && item.text(&["name"]) == name);
                    match at {
                        Some(at) if is(change, "delete") => {
                            items.remove(at);
                        }
                        None if is(change, "delete") => {}
                        Some(at) => {
                            if let Some(item) = items.get_mut(at) {
                                item.merge(change, "", has_schema);
                            }
                        }
                        None => added.push(change.plain()),
                    }
                }
                items.splice(0..0, added);
            }
            (old, patch) => *old = patch.plain(),
        }
    }

    /// Gives a patch's value without the directives and nulls of patches.
    fn plain(&self) -> Self {
        match self {
            Self::Map(entries) => {
                let kept = entries.iter().filter(|(key, value)| !key.starts_with('$') && !matches!(value, Self::Null));
                Self::Map(kept.map(|(key, value)| (key.clone(), value.plain())).collect())
            }
            Self::List(items) => Self::List(items.iter().map(Self::plain).collect()),
            Self::Text(_) | Self::Null => self.clone(),
        }
    }

    /// Carries out one operation of a JSON patch; what does not fit is left out, as kustomize will refuse it. Gives none
    /// where it costs too much.
    pub(super) fn operate(&mut self, operation: &Self, cost: &mut Cost) -> Option<()> {
        let (Some(word), Some(path)) = (operation.text(&["op"]), operation.text(&["path"])) else { return Some(()) };
        cost.take(operation.count())?;
        let value = || operation.get("value").cloned().unwrap_or(Self::Null);
        let from = || pointer(operation.text(&["from"]).unwrap_or_default());
        let path = pointer(path);
        match word {
            "replace" => {
                if let Some(place) = self.at_mut(&path) {
                    *place = value();
                }
            }
            "remove" => drop(self.take(&path)),
            "add" => self.add(&path, value()),
            "copy" => {
                // What is copied into itself grows to twice its size.
                if let Some(from) = self.at_mut(&from()) {
                    cost.take(from.count())?;
                    let copy = from.clone();
                    self.add(&path, copy);
                }
            }
            "move" => {
                if let Some(moved) = self.take(&from()) {
                    self.add(&path, moved);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn at_mut(&mut self, path: &[String]) -> Option<&mut Self> {
        path.iter().try_fold(self, |node, step| match node {
            Self::Map(entries) => entries.iter_mut().find(|(key, _)| key == step).map(|(_, value)| value),
            Self::List(items) => items.get_mut(step.parse::<usize>().ok()?),
            Self::Text(_) | Self::Null => None,
        })
    }

    fn take(&mut self, path: &[String]) -> Option<Self> {
        let (last, around) = path.split_last()?;
        match self.at_mut(around)? {
            Self::Map(entries) => {
                let at = entries.iter().position(|(key, _)| key == last)?;
                Some(entries.remove(at).1)
            }
            Self::List(items) => {
                let at = last.parse::<usize>().ok().filter(|at| *at < items.len())?;
                Some(items.remove(at))
            }
            Self::Text(_) | Self::Null => None,
        }
    }

    fn add(&mut self, path: &[String], value: Self) {
        let Some((last, around)) = path.split_last() else { return };
        match self.at_mut(around) {
            Some(Self::Map(entries)) => match entries.iter_mut().find(|(key, _)| key == last) {
                Some((_, old)) => *old = value,
                None => entries.push((last.clone(), value)),
            },
            Some(Self::List(items)) if last == "-" => items.push(value),
            Some(Self::List(items)) => {
                if let Some(at) = last.parse::<usize>().ok().filter(|at| *at <= items.len()) {
                    items.insert(at, value);
                }
            }
            Some(Self::Text(_) | Self::Null) | None => {}
        }
    }
}

/// Reads a JSON pointer (RFC 6901).
fn pointer(text: &str) -> Vec<String> {
    text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
}
