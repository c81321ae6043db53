//! The objects of a file: documents of their own and items of a `List`, and what an address means among them.

use std::collections::HashMap;

use crate::manifest::error::EditError;
use crate::manifest::locate::OF_CHARTS;
use crate::manifest::{Found, Source};
use crate::model::address::{Address, ObjectName, Shown};
use crate::model::key_path::KeyPath;
use crate::yaml::{Document, Kind, Node};

/// How alike the names of two objects must be to be worth a hint, of 1.
const ALIKE: f64 = 0.5;

/// The objects of a file, in the order of the text.
#[derive(Clone, Copy)]
pub(crate) struct Objects<'d> {
    documents: &'d [Document],
    known: &'d Known,
}

/// A mapping with `apiVersion` and `kind`.
#[derive(Clone, Copy)]
pub(crate) struct Object<'d> {
    /// The object.
    pub(crate) node: Node<'d>,
    /// Its kind.
    pub(crate) kind: &'d str,
    /// The group of its `apiVersion`, empty for the core.
    pub(crate) group: &'d str,
    /// The number of its document, from 0.
    pub(crate) document: usize,
    /// Where it stands in its document, if it is an item of a list.
    path: Option<&'d KeyPath>,
    /// `metadata.namespace`.
    pub(crate) namespace: Option<&'d str>,
    /// `metadata.name`.
    pub(crate) name: Option<&'d str>,
}

/// What the objects of a file are called and where they stand, read once: a file may have thousands, and thousands of
/// images that are looked for in it.
#[derive(Debug)]
pub(crate) struct Known {
    all: Vec<Called>,
    /// The objects of each name, by their number.
    named: HashMap<String, Vec<usize>>,
    /// The objects of each group, in the same way.
    grouped: HashMap<String, Vec<usize>>,
    /// The file has one document that says anything.
    is_alone: bool,
}

/// What one object is called, and where it stands.
#[derive(Debug)]
struct Called {
    position: usize,
    kind: String,
    group: String,
    document: usize,
    path: Option<KeyPath>,
    namespace: Option<String>,
    name: Option<String>,
}

impl Known {
    /// Reads the objects of documents.
    pub(crate) fn of(documents: &[Document]) -> Self {
        let mut all = Vec::new();
        for (number, root) in documents.iter().map(Document::root).enumerate() {
            collect(number, root, None, &mut all);
        }
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        let mut grouped: HashMap<String, Vec<usize>> = HashMap::new();
        for (number, object) in all.iter().enumerate() {
            grouped.entry(object.group.clone()).or_default().push(number);
            if let Some(name) = &object.name {
                named.entry(name.clone()).or_default().push(number);
            }
        }
        let is_alone = documents.iter().filter(|document| !document.root().is_null()).count() == 1;
        Self { all, named, grouped, is_alone }
    }
}

impl<'d> Objects<'d> {
    /// Finds the objects of a file.
    pub(crate) fn of(source: &'d Source) -> Self {
        let documents = source.documents();
        Self::among(documents, source.objects.get_or_init(|| Known::of(documents)))
    }

    /// Gives the objects that are known of these documents.
    pub(crate) fn among(documents: &'d [Document], known: &'d Known) -> Self {
        Self { documents, known }
    }

    /// Gives all of them.
    pub(crate) fn all(self) -> impl Iterator<Item = Object<'d>> {
        self.known.all.iter().filter_map(move |called| self.object(called))
    }

    /// Gives those of one document.
    pub(crate) fn in_document(self, number: usize) -> impl Iterator<Item = Object<'d>> {
        let from = self.known.all.partition_point(|called| called.document < number);
        let own = self.known.all.iter().skip(from).take_while(move |called| called.document == number);
        own.filter_map(move |called| self.object(called))
    }

    /// Tells whether a document has objects.
    pub(crate) fn are_in(self, number: usize) -> bool {
        self.in_document(number).next().is_some()
    }

    /// Gives those of some groups, in the order of the text.
    pub(crate) fn of_groups(self, is_one: impl Fn(&str) -> bool) -> impl Iterator<Item = Object<'d>> {
        let groups = self.known.grouped.iter().filter(|(group, _)| is_one(group));
        let mut numbers: Vec<usize> = groups.flat_map(|(_, numbers)| numbers.iter().copied()).collect();
        numbers.sort_unstable();
        numbers.into_iter().filter_map(move |number| self.object(self.known.all.get(number)?))
    }

    /// Gives those of a kind and name, in whichever namespace.
    pub(crate) fn called(self, kind: &str, name: &str) -> impl Iterator<Item = Object<'d>> {
        let numbers = self.known.named.get(name).map(Vec::as_slice).unwrap_or_default();
        let called = numbers.iter().filter_map(move |number| self.known.all.get(*number));
        called.filter(move |called| called.kind == kind).filter_map(move |called| self.object(called))
    }

    fn object(self, called: &'d Called) -> Option<Object<'d>> {
        Some(Object {
            node: self.documents.get(called.document)?.node(called.position)?,
            kind: &called.kind,
            group: &called.group,
            document: called.document,
            path: called.path.as_ref(),
            namespace: called.namespace.as_deref(),
            name: called.name.as_deref(),
        })
    }

    /// Gives the address of a key path of an object.
    pub(crate) fn address(self, object: Object<'_>, key: KeyPath) -> Address {
        let is_alone = self.known.is_alone;
        let Some(name) = object.named() else {
            // Without a name, an item of a list is found by its number.
            let shown = if is_alone { Shown::Key } else { Shown::Name };
            let key = object.key_of(&key).unwrap_or(key);
            return Address { object: Some(ObjectName::Number(object.document)), shown, key };
        };
        let has_twin = || self.called(object.kind, object.name.unwrap_or_default()).nth(1).is_some();
        let shown = if is_alone && object.path.is_none() {
            Shown::Key
        } else if has_twin() {
            Shown::Namespace
        } else {
            Shown::Name
        };
        Address { object: Some(name), shown, key }
    }

    /// Finds an object by its name; none if there is no such object.
    ///
    /// # Errors
    /// `edit/duplicate-key` if several objects have the name.
    pub(crate) fn named(self, wanted: &ObjectName) -> Result<Option<Object<'d>>, EditError> {
        let ObjectName::Named { kind, namespace, name } = wanted else { return Ok(None) };
        let same: Vec<Object<'d>> = self.called(kind, name).collect();
        let mut exact = same.iter().filter(|object| object.namespace == namespace.as_deref());
        match (exact.next(), exact.next()) {
            (Some(first), Some(second)) => Err(EditError::DuplicateKey {
                path: wanted.to_string(),
                what: format!("the object `{kind}/{name}`"),
                first: first.node.line(),
                second: second.node.line(),
            }),
            (Some(one), None) => Ok(Some(*one)),
            // The namespace may have been written, or left to others, in another version of the file.
            (None, _) => Ok(match same.as_slice() {
                [one] if one.namespace.is_none() || namespace.is_none() => Some(*one),
                _ => None,
            }),
        }
    }
}

impl Object<'_> {
    /// Gives the name, if it has one.
    pub(crate) fn named(&self) -> Option<ObjectName> {
        let Self { kind, namespace, name, .. } = self;
        let (kind, namespace) = ((*kind).to_owned(), namespace.map(str::to_owned));
        Some(ObjectName::Named { kind, namespace, name: (*name)?.to_owned() })
    }

    /// Gives a key path of the object as one of its document.
    pub(crate) fn key_of(&self, inner: &KeyPath) -> Option<KeyPath> {
        self.path.map_or_else(|| Some(inner.clone()), |path| path.join(inner).ok())
    }
}

/// Gives the number of the document that an address means and its key path there; none if the file has no such object.
///
/// # Errors
/// `edit/duplicate-key` if several objects have the name.
pub(crate) fn find(source: &Source, address: &Address) -> Result<Option<(usize, KeyPath)>, EditError> {
    let key = &address.key;
    match &address.object {
        None => Ok(Some((0, key.clone()))),
        Some(ObjectName::Number(number)) => Ok((*number < source.documents().len()).then(|| (*number, key.clone()))),
        Some(wanted) => {
            let objects = Objects::of(source);
            let found = objects.named(wanted)?;
            Ok(found.and_then(|object| Some((object.document, object.key_of(key)?))))
        }
    }
}

/// Gives the address of a key path in every object that has it, and in every document that is no object.
pub(crate) fn holding(source: &Source, key: &KeyPath) -> Vec<Address> {
    let objects = Objects::of(source);
    let has = |document: usize, key: &KeyPath| {
        !matches!(source.read_in(document, key, OF_CHARTS), Ok(Found::Absent { insertable: false }))
    };
    let mut found = Vec::new();
    for object in objects.all() {
        if object.key_of(key).is_some_and(|key| has(object.document, &key)) {
            found.push(objects.address(object, key.clone()));
        }
    }
    for number in (0..source.documents().len()).filter(|number| !objects.are_in(*number) && has(*number, key)) {
        let shown = if objects.known.is_alone { Shown::Key } else { Shown::Name };
        found.push(Address { object: Some(ObjectName::Number(number)), shown, key: key.clone() });
    }
    found
}

/// Gives the names of the objects of a file.
pub(crate) fn names(source: &Source) -> Vec<ObjectName> {
    Objects::of(source).all().filter_map(|object| object.named()).collect()
}

/// Gives an address of an object with as much of its name as people need to read beside the other objects of its file.
pub(crate) fn shown(source: &Source, address: Address) -> Address {
    let Some(wanted) = &address.object else { return address };
    let objects = Objects::of(source);
    match objects.named(wanted) {
        Ok(Some(object)) => Address { shown: objects.address(object, address.key.clone()).shown, ..address },
        Ok(None) | Err(_) => address,
    }
}

/// Finds what an address means as [`find`] does, with an error where there is no such object.
///
/// # Errors
/// `edit/no-such-key` as well.
pub(crate) fn at(source: &Source, address: &Address) -> Result<(usize, KeyPath), EditError> {
    find(source, address)?.ok_or_else(|| absent(source, address))
}

/// Says that nothing stands at an address, and which one is most like it: in the same object, or the same key path in
/// another one.
pub(super) fn absent(source: &Source, address: &Address) -> EditError {
    let path = address.to_string();
    let (number, key) = match find(source, address) {
        Ok(Some(found)) => found,
        Ok(None) => return EditError::NoSuchKey { path, nearest: nearest_object(source, address) },
        Err(error) => return error,
    };
    match source.no_such_key(Some(number), &key) {
        EditError::NoSuchKey { nearest, .. } => {
            let nearest = nearest.and_then(|nearest| {
                // What stands before the key path of the address is its object's place in a list.
                let front = key.to_string().strip_suffix(&address.key.to_string())?.to_owned();
                Some(address.at(nearest.strip_prefix(&front)?.parse().ok()?).to_string())
            });
            EditError::NoSuchKey { path, nearest }
        }
        error => error,
    }
}

/// Gives the key path in the object whose name is most like the one of the address, as far as they are alike at all.
fn nearest_object(source: &Source, address: &Address) -> Option<String> {
    if let Some(ObjectName::Number(_)) = address.object {
        return holding(source, &address.key).first().map(Address::to_string);
    }
    let wanted = address.object.as_ref()?.to_string();
    let objects = Objects::of(source);
    let alike = |object: &ObjectName| strsim::normalized_damerau_levenshtein(&wanted, &object.to_string());
    let names = objects.all().filter_map(|object| object.named()).map(|name| (alike(&name), name));
    let best = names.filter(|(alike, _)| *alike >= ALIKE);
    let (_, name) = best.reduce(|best, other| if other.0 > best.0 { other } else { best })?;
    let found = objects.named(&name).ok().flatten()?;
    let found = objects.address(found, address.key.clone());
    // An object that is alone in its file has a name all the same.
    Some(Address { shown: found.shown.max(Shown::Name), ..found }.to_string())
}

/// Finds the object that a node is, or those of the list that it is; lists may hold lists.
fn collect<'d>(document: usize, node: Node<'d>, list: Option<(Node<'d>, KeyPath)>, all: &mut Vec<Called>) {
    match listed(node) {
        None => all.extend(called(document, node, list)),
        Some(items) => {
            for (path, item) in items {
                let whole = match &list {
                    None => Ok(path),
                    Some((_, outer)) => outer.join(&path),
                };
                if let Ok(path) = whole {
                    collect(document, item, Some((node, path)), all);
                }
            }
        }
    }
}

/// Reads what an object is called; an item takes what it does not say of itself from its list, as the API leaves it out there.
fn called<'d>(document: usize, node: Node<'d>, list: Option<(Node<'d>, KeyPath)>) -> Option<Called> {
    let text = |node: Node<'_>, keys: &[&str]| node.get_path(keys).and_then(Node::as_str).map(str::to_owned);
    let of_list = |key: &str| text(list.as_ref()?.0, &[key]);
    let listed_kind = || of_list("kind")?.strip_suffix("List").filter(|kind| !kind.is_empty()).map(str::to_owned);
    let kind = text(node, &["kind"]).or_else(listed_kind)?;
    let version = text(node, &["apiVersion"]).or_else(|| of_list("apiVersion"))?;
    let group = version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    let (name, namespace) = (text(node, &["metadata", "name"]), text(node, &["metadata", "namespace"]));
    let path = list.map(|(_, path)| path);
    Some(Called { position: node.position(), kind, group, document, path, namespace, name })
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
