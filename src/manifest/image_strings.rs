//! Image strings of Argo CD: items of `kustomize.images`, which it hands to `kustomize edit set image`.
//!
//! Their grammar is `[name=]image[:tag][@digest]`: what the manifests call `name` becomes the image. An item is found by the
//! name that it replaces, and means the image that it gives, compared as registries take them.

use crate::manifest::error::EditError;
use crate::manifest::locate::OF_KUSTOMIZATIONS;
use crate::manifest::place::{Current, Held, Wanted, check_written, clean, split_spec};
use crate::manifest::{Found, Source, guard, objects};
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::yaml::{Document, Node};

/// One item, taken apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ImageString<'a> {
    /// What the manifests call it, if that differs.
    pub renamed: Option<&'a str>,
    /// The image's name.
    pub image: &'a str,
    /// Its tag.
    pub tag: Option<&'a str>,
    /// Its digest.
    pub digest: Option<&'a str>,
}

impl<'a> ImageString<'a> {
    /// Takes an item apart.
    pub fn read(text: &'a str) -> Self {
        let (renamed, spec) = text.split_once('=').map_or((None, text), |(name, spec)| (Some(name), spec));
        let (image, tag, digest) = split_spec(spec);
        Self { renamed, image, tag, digest }
    }

    /// Gives the name that it replaces in the manifests.
    pub fn name(&self) -> &'a str {
        self.renamed.unwrap_or(self.image)
    }

    /// Tells whether it gives an image.
    pub fn is_of(&self, image: &ImageName) -> bool {
        self.image.parse::<ImageName>().is_ok_and(|name| name == *image)
    }
}

/// Finds the items that give an image, by the names that they replace.
///
/// # Errors
/// `edit/duplicate-key` if the file has several of the object.
pub fn find(source: &Source, list: &Address, image: &ImageName) -> Result<Vec<String>, EditError> {
    let mut found: Vec<String> = Vec::new();
    for (_, text) in items(source, list)?.1 {
        let item = ImageString::read(text);
        if item.is_of(image) && !found.iter().any(|name| name == item.name()) {
            found.push(item.name().to_owned());
        }
    }
    Ok(found)
}

/// Gives the address of an item as people read it; one that is not there by the list.
pub(super) fn shown(source: &Source, list: &Address, name: &str) -> Address {
    let path = item(source, list, name).ok().flatten().map(|(_, path)| path);
    list.at(path.unwrap_or_else(|| list.key.clone()))
}

/// Reads what an item holds; one that is not there holds nothing.
pub(super) fn read(source: &Source, list: &Address, image: &ImageName, name: &str) -> Result<Held, EditError> {
    let Some((document, path)) = item(source, list, name)? else {
        return Ok(Held { current: Current::Absent, tag: None, digest: None, name: None, line: None });
    };
    let (text, line) = match source.read_in(document, &path, OF_KUSTOMIZATIONS)? {
        Found::Text { value, line } => (value, line),
        Found::Absent { .. } | Found::Null { .. } => {
            return Ok(Held { current: Current::Absent, tag: None, digest: None, name: None, line: None });
        }
    };
    if guard::is_template(&text) {
        return Err(EditError::Template { path: path.to_string(), line, value: clean(&text) });
    }
    let found = ImageString::read(&text);
    if !found.is_of(image) {
        let (path, value, image) = (path.to_string(), clean(&text), image.to_string());
        return Err(EditError::OtherImage { path, line, value, image, is_spec: true });
    }
    check_written(&path.to_string(), line, &text, found.tag, found.digest, image)?;
    let (tag, digest) = (found.tag.map(str::to_owned), found.digest.map(str::to_owned));
    let name = Some(found.image.to_owned());
    Ok(Held { tag, digest, name, line: Some(line), current: Current::Text(text) })
}

/// Gives the text with this in the item.
pub(super) fn write(
    source: &Source,
    list: &Address,
    image: &ImageName,
    name: &str,
    wanted: &Wanted,
) -> Result<String, EditError> {
    let held = read(source, list, image, name)?;
    let (Some((document, path)), Current::Text(text)) = (item(source, list, name)?, &held.current) else {
        return Err(EditError::NoSuchKey { path: list.to_string(), nearest: None });
    };
    let found = ImageString::read(text);
    let text = written(found.renamed, found.image, wanted);
    Ok(source.set_in(document, &path, &text, OF_KUSTOMIZATIONS)?.text)
}

/// Tells whether the list has an item that replaces a name.
pub(super) fn is_there(source: &Source, list: &Address, name: &str) -> Result<bool, EditError> {
    Ok(item(source, list, name)?.is_some())
}

/// Gives an item with a tag, a digest or both.
pub(super) fn written(renamed: Option<&str>, image: &str, wanted: &Wanted) -> String {
    let renamed = renamed.map(|name| format!("{name}=")).unwrap_or_default();
    let tag = wanted.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = wanted.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{renamed}{image}{tag}{digest}")
}

/// Finds the one item that replaces a name: its document and key path there.
fn item(source: &Source, list: &Address, name: &str) -> Result<Option<(usize, KeyPath)>, EditError> {
    let ((document, key), texts) = items(source, list)?;
    let wanted = name.parse::<ImageName>().ok();
    let is_it = |text: &str| {
        let own = ImageString::read(text).name();
        own == name || wanted.is_some() && own.parse::<ImageName>().ok() == wanted
    };
    let mut found = texts.iter().filter(|(_, text)| is_it(text));
    let (first, second) = (found.next(), found.next());
    if let (Some((first, _)), Some((second, _))) = (first, second) {
        let line = |number: usize| -> u64 { line_of(source, document, &key, number).unwrap_or(1) };
        let what = format!("an item for `{name}`");
        let (first, second) = (line(*first), line(*second));
        return Err(EditError::DuplicateKey { path: key.to_string(), what, first, second });
    }
    let path = |number: usize| key.item(number).map_err(|error| EditError::unproven(&key, None, error.to_string()));
    first.map(|(number, _)| Ok((document, path(*number)?))).transpose()
}

/// A document's number and a key path there, and the texts of the list that stands there, by their numbers.
type Items<'s> = ((usize, KeyPath), Vec<(usize, &'s str)>);

fn items<'s>(source: &'s Source, list: &Address) -> Result<Items<'s>, EditError> {
    let at = objects::at(source, list)?;
    let node = node(source, at.0, &at.1);
    let items = node.map(Node::items).unwrap_or_default().into_iter().enumerate();
    let texts = items.filter_map(|(number, item)| Some((number, item.as_str()?))).collect();
    Ok((at, texts))
}

fn line_of(source: &Source, document: usize, list: &KeyPath, number: usize) -> Option<u64> {
    Some(node(source, document, list)?.items().get(number)?.line())
}

fn node<'s>(source: &'s Source, document: usize, key: &KeyPath) -> Option<Node<'s>> {
    let root = source.documents().get(document).map(Document::root)?;
    super::helm_values::walk_to(root, key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_taken_apart_as_kustomize_takes_it() {
        for (text, name, image, tag, digest) in [
            ("nginx", "nginx", "nginx", None, None),
            ("nginx:1.2", "nginx", "nginx", Some("1.2"), None),
            ("nginx@sha256:aa", "nginx", "nginx", None, Some("sha256:aa")),
            ("nginx:1.2@sha256:aa", "nginx", "nginx", Some("1.2"), Some("sha256:aa")),
            ("web=ghcr.io/acme/web:1.2", "web", "ghcr.io/acme/web", Some("1.2"), None),
            ("web=ghcr.io/acme/web", "web", "ghcr.io/acme/web", None, None),
            ("localhost:5000/web:1.2", "localhost:5000/web", "localhost:5000/web", Some("1.2"), None),
            ("a:5/web=b:6/web:1", "a:5/web", "b:6/web", Some("1"), None),
        ] {
            let item = ImageString::read(text);
            assert_eq!((item.name(), item.image, item.tag, item.digest), (name, image, tag, digest), "{text}");
        }
    }
}
