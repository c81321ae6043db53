//! Entries of `images:` of a kustomization: which one means an image, what it holds, writing another tag or digest.
//!
//! Follows kustomize's image transformer: an entry renames the image `name` to `newName` and gives it `newTag` or `digest`,
//! and where both stand the digest decides. Names are compared as registries take them: `docker.io/library/nginx` is `nginx`.

use crate::manifest::error::EditError;
use crate::manifest::locate::{OF_KUSTOMIZATIONS, Reached, locate};
use crate::manifest::place::{Current, Held, Wanted, check_written, clean};
use crate::manifest::proof::{Difference, New, What};
use crate::manifest::{Found, Source, grow, guard, objects};
use crate::model::address::Address;
use crate::model::key_path::{KeyPath, KeyPathError};
use crate::model::names::ImageName;
use crate::yaml::{Document, Kind, Node};

/// How much of a name that cannot stand in a key path is shown.
const SHOWN: usize = 160;
/// The list of images of a kustomization.
pub const IMAGES: &str = "images";

/// Finds the entries that mean an image and gives their `name`s as written; none if there is no such entry.
///
/// `named` says which `name` to look for (`kustomize.image-name`); without it, the entries whose `newName`, or `name` where
/// they rename nothing, is the image.
///
/// # Errors
/// `edit/duplicate-key` for several of one name, `edit/other-image` for one that gives another image in its place.
pub fn find(source: &Source, list: &Address, image: &ImageName, named: Option<&str>) -> Result<Vec<String>, EditError> {
    let list = &Images::of(source, list)?;
    if let Some(named) = named {
        return Ok(entry(source, list, named)?.map(|entry| entry.name).into_iter().collect());
    }
    let entries = entries(source, list)?;
    let means = |entry: &&Entry| is_image(entry.new_name.as_deref().unwrap_or(&entry.name), image);
    let mut found: Vec<String> = Vec::new();
    for one in entries.iter().filter(means) {
        entry(source, list, &one.name)?;
        found.push(one.name.clone());
    }
    match entries.iter().find(|entry| is_image(&entry.name, image)) {
        Some(renamed) if found.is_empty() => Err(renamed.other_image(image)),
        _ => Ok(found),
    }
}

/// Gives every entry: its `name` as written, and what the image is called behind it.
///
/// # Errors
/// `edit/duplicate-key` if the list is there twice.
pub(super) fn each(source: &Source, list: &Address) -> Result<Vec<(String, String)>, EditError> {
    let entries = entries(source, &Images::of(source, list)?)?;
    Ok(entries.into_iter().map(|entry| (entry.name.clone(), entry.new_name.unwrap_or(entry.name))).collect())
}

/// Gives the address of the list of a kustomization.
///
/// # Errors
/// None that can be met: the key is a legal one.
pub fn images() -> Result<Address, EditError> {
    let illegal =
        |error: KeyPathError| EditError::Unproven { path: IMAGES.to_owned(), line: None, why: error.to_string() };
    Ok(Address::first(KeyPath::of_key(IMAGES).map_err(illegal)?))
}

/// Gives the address of a field of an entry as people read it.
pub(super) fn shown(list: &Address, name: &str, field: &str) -> Address {
    let path = |name: &str| list.key.where_is("name", name).and_then(|path| path.child(field));
    let legal = |c: char| if c.is_ascii_alphanumeric() || "-_./:@".contains(c) { c } else { '_' };
    let path = path(name).or_else(|_| path(&name.chars().take(SHOWN).map(legal).collect::<String>()));
    list.at(path.unwrap_or_else(|_| list.key.clone()))
}

/// Gives an entry as a place that other key paths may mean too; one that is not there by its image.
pub(super) fn canonical(source: &Source, list: &Address, name: &str) -> String {
    let there = || {
        let images = Images::of(source, list)?;
        let path = entry(source, &images, name)?.map(|entry| entry.path("newTag")).transpose()?;
        Ok::<_, EditError>(path.map(|path| (images.document, path)))
    };
    let image = || name.parse::<ImageName>().map_or_else(|_| name.to_owned(), |name| name.to_string());
    match there() {
        Ok(Some((number, path))) => source.canonical_of(number, &path),
        Ok(None) | Err(_) => shown(list, &image(), "newTag").to_string(),
    }
}

/// Reads what an entry holds; an entry that is not there holds nothing and can be added.
pub(super) fn read(source: &Source, list: &Address, image: &ImageName, name: &str) -> Result<Held, EditError> {
    let nothing = Held { current: Current::Absent, tag: None, digest: None, name: None, line: None };
    let shown = |field: &str| shown(list, name, field).to_string();
    let list = &Images::of(source, list)?;
    let Some(entry) = entry(source, list, name)? else { return Ok(nothing) };
    if entry.new_name.as_deref().is_some_and(|new| !is_image(new, image)) {
        return Err(entry.other_image(image));
    }
    let field = |field: &str| match source.read_in(list.document, &entry.path(field)?, OF_KUSTOMIZATIONS)? {
        Found::Text { value, line } if guard::is_template(&value) => {
            Err(EditError::Template { path: shown(field), line, value: clean(&value) })
        }
        found => Ok(found),
    };
    if let Found::Text { line, value } = field("tagSuffix")?
        && !value.is_empty()
    {
        let why = format!("kustomize appends the `tagSuffix` `{value}` to the tag");
        return Err(EditError::Unproven { path: shown("newTag"), line: Some(line), why });
    }
    let digest = match field("digest")? {
        Found::Text { value, line } if !value.is_empty() => {
            check_written(&shown("digest"), line, &value, None, Some(&value), image)?;
            Some((value, line))
        }
        _ => None,
    };
    let name_line = Some(entry.line);
    let (current, tag, line) = match (field("newTag")?, &digest) {
        (Found::Text { value, line }, _) => {
            check_written(&shown("newTag"), line, &value, Some(&value), None, image)?;
            (Current::Text(value.clone()), Some(value), Some(line))
        }
        (_, Some((digest, line))) => (Current::Text(digest.clone()), None, Some(*line)),
        (Found::Null { line }, None) => (Current::Null, None, Some(line)),
        (Found::Absent { .. }, None) => (Current::Absent, None, name_line),
    };
    Ok(Held { current, tag, digest: digest.map(|(digest, _)| digest), name: Some(entry.name), line })
}

/// Gives the text with this in the entry, which is added if it is not there.
pub(super) fn write(
    source: &Source,
    list: &Address,
    image: &ImageName,
    name: &str,
    wanted: &Wanted,
) -> Result<String, EditError> {
    // What stands there must be the image's before anything is written.
    read(source, list, image, name)?;
    let list = &Images::of(source, list)?;
    let number = list.document;
    let Some(entry) = entry(source, list, name)? else { return add(source, list, image, name, wanted) };
    let mut latest: Option<Source> = None;
    let mut step = |change: &dyn Fn(&Source) -> Result<Option<String>, EditError>| -> Result<(), EditError> {
        if let Some(text) = change(latest.as_ref().unwrap_or(source))? {
            latest = Some(Source::parse(&text)?);
        }
        Ok(())
    };
    let set = |field: &str, value: &str| {
        let path = entry.path(field);
        let value = value.to_owned();
        move |source: &Source| {
            source.set_in(number, &path.clone()?, &value, OF_KUSTOMIZATIONS).map(|done| Some(done.text))
        }
    };
    if entry.new_name.is_none() && !is_image(&entry.name, image) {
        step(&set("newName", &image.to_string()))?;
    }
    for (field, value) in [("newTag", &wanted.tag), ("digest", &wanted.digest)] {
        if let Some(value) = value {
            step(&set(field, value))?;
        }
    }
    for (field, value) in [("newTag", &wanted.tag), ("digest", &wanted.digest)] {
        if value.is_none() {
            step(&|source| remove(source, number, &entry.path(field)?))?;
        }
    }
    Ok(latest.map_or_else(|| source.text.clone(), |latest| latest.text))
}

/// A list of images, where it stands in this text.
struct Images {
    document: usize,
    key: KeyPath,
}

impl Images {
    fn of(source: &Source, list: &Address) -> Result<Self, EditError> {
        let (document, key) = objects::at(source, list)?;
        Ok(Self { document, key })
    }

    /// Finds the mapping around, and the key and value of the list in it.
    fn find<'d>(&self, document: &'d Document) -> Result<(Node<'d>, Option<(Node<'d>, Node<'d>)>), EditError> {
        let name = self.name()?;
        let around = match self.key.parent() {
            None => document.root(),
            Some(parent) => match locate(document, &parent, OF_KUSTOMIZATIONS)? {
                Reached::Value(value) => value.node.resolve().unwrap_or(value.node),
                Reached::Missing(_) | Reached::Within(..) => {
                    return Err(EditError::NoSuchKey { path: parent.to_string(), nearest: None });
                }
            },
        };
        let entries = around.entries();
        let mut found = entries.iter().filter(|(key, _)| key.as_str() == Some(name));
        match (found.next(), found.next()) {
            (Some((first, _)), Some((second, _))) => Err(EditError::DuplicateKey {
                path: self.key.to_string(),
                what: format!("the key `{name}`"),
                first: first.line(),
                second: second.line(),
            }),
            (None, _) if around.get(name).is_some() => {
                let why = "a `<<` brings the list, and one beside it would take the place of all its entries";
                Err(EditError::unproven(&self.key, Some(around.line()), why))
            }
            (first, _) => Ok((around, first.copied())),
        }
    }

    fn name(&self) -> Result<&str, EditError> {
        self.key.last_key().ok_or_else(|| EditError::unproven(&self.key, None, "it is no key of a mapping"))
    }
}

/// One entry.
struct Entry {
    key: KeyPath,
    name: String,
    new_name: Option<String>,
    line: u64,
}

impl Entry {
    fn path(&self, field: &str) -> Result<KeyPath, EditError> {
        self.key.child(field).map_err(|error| EditError::unproven(&self.key, Some(self.line), error.to_string()))
    }

    fn other_image(&self, image: &ImageName) -> EditError {
        EditError::OtherImage {
            path: format!("{}.newName", self.key),
            line: self.line,
            value: self.new_name.clone().unwrap_or_default(),
            image: image.to_string(),
            is_spec: true,
        }
    }
}

/// Reads the entries that have a name.
fn entries(source: &Source, list: &Images) -> Result<Vec<Entry>, EditError> {
    let Some(document) = source.documents.get(list.document) else { return Ok(Vec::new()) };
    let nodes = match list.find(document) {
        Ok((_, Some((_, list)))) => list,
        Ok((_, None)) | Err(EditError::NoSuchKey { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let text = |item: Node<'_>, key: &str| item.get(key).and_then(Node::as_str).map(str::to_owned);
    let read = |(number, item): (usize, Node<'_>)| {
        let new_name = text(item, "newName").filter(|name| !name.is_empty());
        Some(Entry { key: list.key.item(number).ok()?, name: text(item, "name")?, new_name, line: item.line() })
    };
    Ok(nodes.items().into_iter().enumerate().filter_map(read).collect())
}

/// Finds the one entry of a name.
fn entry(source: &Source, list: &Images, name: &str) -> Result<Option<Entry>, EditError> {
    let is_it = |entry: &Entry| entry.name == name || name.parse().is_ok_and(|name| is_image(&entry.name, &name));
    let mut found = entries(source, list)?.into_iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(EditError::DuplicateKey {
            path: list.key.to_string(),
            what: format!("an entry for `{name}`"),
            first: first.line,
            second: second.line,
        }),
        (first, _) => Ok(first),
    }
}

fn is_image(text: &str, image: &ImageName) -> bool {
    text.parse::<ImageName>().is_ok_and(|name| name == *image)
}

/// Adds an entry: to the list, to an empty one, or with the list.
fn add(source: &Source, list: &Images, image: &ImageName, name: &str, wanted: &Wanted) -> Result<String, EditError> {
    let path = &list.key;
    let document = source.editable(list.document, path)?;
    let full_name = image.to_string();
    let mut entry = vec![("name", name)];
    entry.extend((!is_image(name, image)).then_some(("newName", full_name.as_str())));
    entry.extend(wanted.tag.as_deref().map(|tag| ("newTag", tag)));
    entry.extend(wanted.digest.as_deref().map(|digest| ("digest", digest)));
    let new = New::Map(entry.iter().map(|(key, value)| ((*key).to_owned(), New::Text((*value).to_owned()))).collect());
    let (around, found) = list.find(document)?;
    let parent = list.key.parent();
    let mut steps = match parent.as_ref().map(|parent| locate(document, parent, OF_KUSTOMIZATIONS)).transpose()? {
        Some(Reached::Value(value)) if value.shared.is_none() => value.steps,
        Some(_) => return Err(EditError::unproven(path, None, "what holds it is shared with others")),
        None => Vec::new(),
    };
    let number_of = |key: Node<'_>| around.entries().iter().position(|(other, _)| other.position() == key.position());
    let (edits, steps, what, line) = match found {
        Some((key, list)) => {
            steps.extend(number_of(key));
            let items = list.items().len();
            match list.kind() {
                Kind::Seq { .. } if items > 0 => {
                    (grow::append(&source.text, list, &entry), steps, What::ItemAdded(items, new), list.line())
                }
                Kind::Seq { .. } => {
                    let filled = What::Replaced(New::Seq(vec![new]));
                    (grow::fill(&source.text, document, around, (key, list), &entry), steps, filled, list.line())
                }
                Kind::Scalar { .. } if list.is_null() => {
                    let filled = What::Replaced(New::Seq(vec![new]));
                    (grow::fill(&source.text, document, around, (key, list), &entry), steps, filled, list.line())
                }
                Kind::Scalar { .. } | Kind::Map { .. } | Kind::Alias(_) => {
                    return Err(EditError::unproven(path, Some(key.line()), "it is no list of its own"));
                }
            }
        }
        None => {
            let Kind::Map { .. } = around.kind() else {
                let (path, nearest) = (path.to_string(), None);
                return Err(EditError::NoSuchKey { path, nearest });
            };
            let (count, key) = (around.entries().len(), list.name()?);
            let what = What::EntryAdded(count, key.to_owned(), New::Seq(vec![new]));
            (grow::add_list(&source.text, document, around, key, &entry), steps, what, around.line())
        }
    };
    let refused = || EditError::unproven(path, Some(line), "the place of a new entry is not found");
    let difference = Difference { document: list.document, steps, what };
    Ok(source.proven(edits.ok_or_else(refused)?, &difference, path, line)?.text)
}

/// Takes a scalar entry away; none if it is not there.
fn remove(source: &Source, number: usize, path: &KeyPath) -> Result<Option<String>, EditError> {
    let document = source.editable(number, path)?;
    let place = locate(document, path, OF_KUSTOMIZATIONS)?;
    let Reached::Value(value) = &place else { return Ok(None) };
    guard::check_place(document, &source.text, &place, path, "")?;
    let refused = || EditError::unproven(path, Some(value.node.line()), "its entry cannot be taken away alone");
    let (child, steps) = value.steps.split_last().ok_or_else(refused)?;
    let around = steps.iter().try_fold(document.root(), |node, step| {
        node.entries().get(*step).map(|(_, value)| *value).or_else(|| node.items().get(*step).copied())
    });
    let edit = around.and_then(|map| grow::remove(&source.text, map, *child)).ok_or_else(refused)?;
    let difference = Difference { document: number, steps: steps.to_vec(), what: What::EntryRemoved(*child) };
    Ok(Some(source.proven(vec![edit], &difference, path, value.node.line())?.text))
}
