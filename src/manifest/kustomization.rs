//! Entries of `images:` of a kustomization: which one means an image, what it holds, writing another tag or digest.
//!
//! Follows kustomize's image transformer: an entry renames the image `name` to `newName` and gives it `newTag` or `digest`,
//! and where both stand the digest decides. Names are compared as registries take them: `docker.io/library/nginx` is `nginx`.

use crate::manifest::error::EditError;
use crate::manifest::locate::{OF_KUSTOMIZATIONS, Reached, locate};
use crate::manifest::place::{Current, Held, Wanted, check_written, clean};
use crate::manifest::proof::{Difference, New, What};
use crate::manifest::{Found, Source, grow, guard};
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::yaml::{Document, Kind, Node};

/// The list of images.
const IMAGES: &str = "images";

/// Finds the entries that mean an image and gives their `name`s as written; none if there is no such entry.
///
/// `named` says which `name` to look for (`kustomize.image-name`); without it, the entries whose `newName`, or `name` where
/// they rename nothing, is the image.
///
/// # Errors
/// `edit/duplicate-key` for several of one name, `edit/other-image` for one that gives another image in its place.
pub fn find(source: &Source, image: &ImageName, named: Option<&str>) -> Result<Vec<String>, EditError> {
    if let Some(named) = named {
        return Ok(entry(source, named)?.map(|entry| entry.name).into_iter().collect());
    }
    let entries = entries(source)?;
    let means = |entry: &&Entry| is_image(entry.new_name.as_deref().unwrap_or(&entry.name), image);
    let mut found: Vec<String> = Vec::new();
    for one in entries.iter().filter(means) {
        entry(source, &one.name)?;
        found.push(one.name.clone());
    }
    match entries.iter().find(|entry| is_image(&entry.name, image)) {
        Some(renamed) if found.is_empty() => Err(renamed.other_image(image)),
        _ => Ok(found),
    }
}

/// Gives the key path of a field of an entry as people read it.
pub(super) fn shown(name: &str, field: &str) -> String {
    let path = KeyPath::of_key(IMAGES).and_then(|path| path.where_is("name", name)).and_then(|path| path.child(field));
    path.map_or_else(|_| format!("{IMAGES}[name={}].{field}", clean(name)), |path| path.to_string())
}

/// Gives an entry as a place that other key paths may mean too; one that is not there by its image.
pub(super) fn canonical(source: &Source, name: &str) -> String {
    let there = entry(source, name).ok().flatten().and_then(|entry| entry.path("newTag").ok());
    let image = || name.parse::<ImageName>().map_or_else(|_| name.to_owned(), |name| name.to_string());
    there.map_or_else(|| shown(&image(), "newTag"), |path| source.canonical(&path))
}

/// Reads what an entry holds; an entry that is not there holds nothing and can be added.
pub(super) fn read(source: &Source, image: &ImageName, name: &str) -> Result<Held, EditError> {
    let nothing = Held { current: Current::Absent, tag: None, digest: None, name: None, line: None };
    let Some(entry) = entry(source, name)? else { return Ok(nothing) };
    if entry.new_name.as_deref().is_some_and(|new| !is_image(new, image)) {
        return Err(entry.other_image(image));
    }
    let field = |field: &str| match source.read_in(0, &entry.path(field)?, OF_KUSTOMIZATIONS)? {
        Found::Text { value, line } if value.contains("{{") => {
            Err(EditError::Template { path: shown(name, field), line, value: clean(&value) })
        }
        found => Ok(found),
    };
    if let Found::Text { line, value } = field("tagSuffix")?
        && !value.is_empty()
    {
        let why = format!("kustomize appends the `tagSuffix` `{value}` to the tag");
        return Err(EditError::Unproven { path: shown(name, "newTag"), line: Some(line), why });
    }
    let digest = match field("digest")? {
        Found::Text { value, line } if !value.is_empty() => {
            check_written(&shown(name, "digest"), line, &value, None, Some(&value), image)?;
            Some((value, line))
        }
        _ => None,
    };
    let name_line = Some(entry.line);
    let (current, tag, line) = match (field("newTag")?, &digest) {
        (Found::Text { value, line }, _) => {
            check_written(&shown(name, "newTag"), line, &value, Some(&value), None, image)?;
            (Current::Text(value.clone()), Some(value), Some(line))
        }
        (_, Some((digest, line))) => (Current::Text(digest.clone()), None, Some(*line)),
        (Found::Null { line }, None) => (Current::Null, None, Some(line)),
        (Found::Absent { .. }, None) => (Current::Absent, None, name_line),
    };
    Ok(Held { current, tag, digest: digest.map(|(digest, _)| digest), name: Some(entry.name), line })
}

/// Gives the text with this in the entry, which is added if it is not there.
pub(super) fn write(source: &Source, image: &ImageName, name: &str, wanted: &Wanted) -> Result<String, EditError> {
    // What stands there must be the image's before anything is written.
    read(source, image, name)?;
    let Some(entry) = entry(source, name)? else { return add(source, image, name, wanted) };
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
        move |source: &Source| source.set_in(0, &path.clone()?, &value, OF_KUSTOMIZATIONS).map(|done| Some(done.text))
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
            step(&|source| remove(source, &entry.path(field)?))?;
        }
    }
    Ok(latest.map_or_else(|| source.text.clone(), |latest| latest.text))
}

/// One entry.
struct Entry {
    number: usize,
    name: String,
    new_name: Option<String>,
    line: u64,
}

impl Entry {
    fn path(&self, field: &str) -> Result<KeyPath, EditError> {
        let path = KeyPath::of_key(IMAGES).and_then(|path| path.item(self.number)).and_then(|path| path.child(field));
        path.map_err(|error| EditError::Unproven {
            path: shown(&self.name, field),
            line: Some(self.line),
            why: error.to_string(),
        })
    }

    fn other_image(&self, image: &ImageName) -> EditError {
        EditError::OtherImage {
            path: shown(&self.name, "newName"),
            line: self.line,
            value: self.new_name.clone().unwrap_or_default(),
            image: image.to_string(),
            is_spec: true,
        }
    }
}

/// Reads the entries that have a name.
fn entries(source: &Source) -> Result<Vec<Entry>, EditError> {
    let Some((_, list)) = source.documents.first().map(images).transpose()?.flatten() else { return Ok(Vec::new()) };
    let text = |item: Node<'_>, key: &str| item.get(key).and_then(Node::as_str).map(str::to_owned);
    let read = |(number, item): (usize, Node<'_>)| {
        let new_name = text(item, "newName").filter(|name| !name.is_empty());
        Some(Entry { number, name: text(item, "name")?, new_name, line: item.line() })
    };
    Ok(list.items().into_iter().enumerate().filter_map(read).collect())
}

/// Finds the one entry of a name.
fn entry(source: &Source, name: &str) -> Result<Option<Entry>, EditError> {
    let is_it = |entry: &Entry| entry.name == name || name.parse().is_ok_and(|name| is_image(&entry.name, &name));
    let mut found = entries(source)?.into_iter().filter(is_it);
    match (found.next(), found.next()) {
        (Some(first), Some(second)) => Err(duplicate(name, &first, &second)),
        (first, _) => Ok(first),
    }
}

/// Finds the key and value of `images:`.
fn images(document: &Document) -> Result<Option<(Node<'_>, Node<'_>)>, EditError> {
    let entries = document.root().entries();
    let mut found = entries.iter().filter(|(key, _)| key.as_str() == Some(IMAGES));
    match (found.next(), found.next()) {
        (Some((first, _)), Some((second, _))) => Err(EditError::DuplicateKey {
            path: IMAGES.to_owned(),
            what: format!("the key `{IMAGES}`"),
            first: first.line(),
            second: second.line(),
        }),
        (first, _) => Ok(first.copied()),
    }
}

fn duplicate(name: &str, first: &Entry, second: &Entry) -> EditError {
    EditError::DuplicateKey {
        path: IMAGES.to_owned(),
        what: format!("an entry for `{name}`"),
        first: first.line,
        second: second.line,
    }
}

fn is_image(text: &str, image: &ImageName) -> bool {
    text.parse::<ImageName>().is_ok_and(|name| name == *image)
}

/// Adds an entry: to the list, to an empty one, or with the list.
fn add(source: &Source, image: &ImageName, name: &str, wanted: &Wanted) -> Result<String, EditError> {
    let path = KeyPath::of_key(IMAGES).map_err(|error| EditError::Unproven {
        path: IMAGES.to_owned(),
        line: None,
        why: error.to_string(),
    })?;
    let document = source.editable(0, &path)?;
    let full_name = image.to_string();
    let mut entry = vec![("name", name)];
    entry.extend((!is_image(name, image)).then_some(("newName", full_name.as_str())));
    entry.extend(wanted.tag.as_deref().map(|tag| ("newTag", tag)));
    entry.extend(wanted.digest.as_deref().map(|digest| ("digest", digest)));
    let new = New::Map(entry.iter().map(|(key, value)| ((*key).to_owned(), New::Text((*value).to_owned()))).collect());
    let root = document.root();
    let number_of = |key: Node<'_>| root.entries().iter().position(|(other, _)| other.position() == key.position());
    let (edit, steps, what, line) = match images(document)? {
        Some((key, list)) => {
            let steps = number_of(key).into_iter().collect();
            let items = list.items().len();
            match list.kind() {
                Kind::Seq { .. } if items > 0 => {
                    (grow::append(&source.text, list, &entry), steps, What::ItemAdded(items, new), list.line())
                }
                Kind::Seq { .. } => {
                    let filled = What::Replaced(New::Seq(vec![new]));
                    (grow::fill(&source.text, document, key, list, &entry), steps, filled, list.line())
                }
                Kind::Scalar { .. } if list.is_null() => {
                    let filled = What::Replaced(New::Seq(vec![new]));
                    (grow::fill(&source.text, document, key, list, &entry), steps, filled, list.line())
                }
                Kind::Scalar { .. } | Kind::Map { .. } | Kind::Alias(_) => {
                    return Err(EditError::unproven(&path, Some(key.line()), "it is no list of its own"));
                }
            }
        }
        None => {
            let count = root.entries().len();
            let what = What::EntryAdded(count, IMAGES.to_owned(), New::Seq(vec![new]));
            (grow::add_list(&source.text, document, IMAGES, &entry), Vec::new(), what, root.line())
        }
    };
    let refused = || EditError::unproven(&path, Some(line), "the place of a new entry is not found");
    let difference = Difference { document: 0, steps, what };
    Ok(source.proven(vec![edit.ok_or_else(refused)?], &difference, &path, line)?.text)
}

/// Takes a scalar entry away; none if it is not there.
fn remove(source: &Source, path: &KeyPath) -> Result<Option<String>, EditError> {
    let document = source.editable(0, path)?;
    let place = locate(document, path, OF_KUSTOMIZATIONS)?;
    let Reached::Value(value) = &place else { return Ok(None) };
    guard::check_place(document, &source.text, &place, path, "")?;
    let refused = || EditError::unproven(path, Some(value.node.line()), "its entry cannot be taken away alone");
    let (number, steps) = value.steps.split_last().ok_or_else(refused)?;
    let around = steps.iter().try_fold(document.root(), |node, step| {
        node.entries().get(*step).map(|(_, value)| *value).or_else(|| node.items().get(*step).copied())
    });
    let edit = around.and_then(|map| grow::remove(&source.text, map, *number)).ok_or_else(refused)?;
    let difference = Difference { document: 0, steps: steps.to_vec(), what: What::EntryRemoved(*number) };
    Ok(Some(source.proven(vec![edit], &difference, path, value.node.line())?.text))
}
