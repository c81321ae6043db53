//! What Helm values say of images: which keys of a layer may name one, and which of the texts that count do.
//!
//! Charts spell an image in many ways: `repository` and `tag`, `registry`, `image` and `tag`, `image: name:tag`, `imageTag`
//! beside `imageRepository`, `webTag` beside `webImage`. One rule reads them all: of the keys of one mapping, a name and a
//! tag belong together if they are called alike but for the word that says which of the two they are.
//! Names of parameters are read as `helm --set` reads them. How layers are laid over each other is for others.

mod meant;

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::manifests::{items, names};
use crate::manifest::place::split_spec;
use crate::manifest::{Source, objects};
use crate::model::address::Address;
use crate::model::application::InlineValue;
use crate::model::key_path::{KeyPath, Segment};
use crate::model::names::ImageName;
use crate::model::tracked::{Form, Shape, ValuesPart};
use crate::yaml::{self, Kind, Node};

use meant::meant;
pub(super) use meant::{is_digest_of, is_tag};

/// Where values name an image.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Named {
    /// The key path of the name.
    pub name: KeyPath,
    /// The key path of what is written, and what of the image stands there.
    pub key: KeyPath,
    /// What of the image stands there.
    pub form: Form,
}

/// What the values that count say of images.
pub struct Spoken<'a> {
    /// Gives the text that counts at a key path.
    pub text: &'a dyn Fn(&KeyPath) -> Option<String>,
    /// The key paths of all layers that may name an image.
    pub keys: &'a BTreeSet<KeyPath>,
}

/// What a key of a mapping says by its last word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Repository,
    Image,
    Name,
    Tag,
    /// It has the word `image` somewhere else: `imageK8S`.
    Other,
}

impl Spoken<'_> {
    /// Finds every key path at which the values name an image.
    pub fn named(&self, image: &ImageName) -> Vec<Named> {
        self.named_if(&|text| names(text, image), &|name, text| self.is_image(name, text, image))
    }

    /// Finds where a text is whole one of the images that are meant, or a name is one of them.
    fn named_if(&self, is_spec: &dyn Fn(&str) -> bool, is_name: &dyn Fn(&KeyPath, &str) -> bool) -> Vec<Named> {
        let mut found = BTreeSet::new();
        for (parent, keys) in self.mappings() {
            for key in &keys {
                let Some((role, stem)) = role(key) else { continue };
                let Some(name) = below(parent.as_ref(), key) else { continue };
                let Some(text) = (self.text)(&name).filter(|text| !text.is_empty()) else { continue };
                if role == Role::Tag {
                    continue;
                }
                let has_version = split_spec(&text) != (text.as_str(), None, None);
                if matches!(role, Role::Image | Role::Other) && (has_version || role == Role::Other) {
                    if has_version && is_spec(&text) {
                        found.insert(Named { name: name.clone(), key: name, form: Form::Spec });
                    }
                    continue;
                }
                if role == Role::Name && !self.is_name_of_image(parent.as_ref(), &keys, key, &text) {
                    continue;
                }
                if !is_name(&name, &text) {
                    continue;
                }
                let tags: Vec<&&str> = keys.iter().filter(|tag| is_tag_of(tag, &stem)).collect();
                for tag in &tags {
                    let Some(key) = below(parent.as_ref(), tag) else { continue };
                    found.insert(Named { name: name.clone(), key, form: Form::Tag });
                }
                let unversioned = match role {
                    _ if !tags.is_empty() => None,
                    Role::Repository => below(parent.as_ref(), &with_word(key, "tag")).map(|key| (key, Form::Tag)),
                    Role::Image => Some((name.clone(), Form::Spec)),
                    Role::Name | Role::Tag | Role::Other => None,
                };
                found.extend(unversioned.map(|(key, form)| Named { name, key, form }));
            }
        }
        found.into_iter().collect()
    }

    /// Finds the tags beside which nothing names an image: the name stands in a chart that is not here.
    pub fn nameless_tags(&self) -> Vec<KeyPath> {
        let mut found = Vec::new();
        for (parent, keys) in self.mappings() {
            let is_said = |path: &KeyPath| (self.text)(path).is_some_and(|text| !text.is_empty());
            for tag in keys.iter().filter(|key| matches!(role(key), Some((Role::Tag, _)))) {
                let names = keys.iter().filter(|key| {
                    role(key).is_some_and(|(role, stem)| {
                        matches!(role, Role::Repository | Role::Image | Role::Name) && is_tag_of(tag, &stem)
                    })
                });
                let is_named = names.filter_map(|key| below(parent.as_ref(), key)).any(|name| is_said(&name));
                found.extend(below(parent.as_ref(), tag).filter(|path| !is_named && is_said(path)));
            }
        }
        found
    }

    /// Tells whether a name is the image: whole, or without its registry where a chart keeps that apart.
    pub fn is_image(&self, key: &KeyPath, value: &str, image: &ImageName) -> bool {
        is_image(key, value, image, self.text)
    }

    /// The keys of each mapping that may name an image.
    fn mappings(&self) -> BTreeMap<Option<KeyPath>, Vec<&str>> {
        let mut mappings: BTreeMap<Option<KeyPath>, Vec<&str>> = BTreeMap::new();
        for path in self.keys {
            if let Some(key) = path.last_key() {
                mappings.entry(path.parent()).or_default().push(key);
            }
        }
        mappings
    }

    /// Many things have a `name`. It is that of an image where nothing else could be, in a mapping that is one of an image.
    fn is_name_of_image(&self, parent: Option<&KeyPath>, keys: &[&str], key: &str, text: &str) -> bool {
        let has_other = keys.iter().any(|other| matches!(role(other), Some((Role::Repository | Role::Image, _))));
        let says_image = |key: &str| words(key).iter().any(|word| word == "image" || word == "images");
        let of_list = |path: &KeyPath| {
            path.segments().iter().rev().find_map(|one| match one {
                Segment::Key(key) => Some(says_image(key)),
                Segment::Index(_) | Segment::Where { .. } => None,
            })
        };
        let has_registry = below(parent, "registry").is_some_and(|path| (self.text)(&path).is_some());
        let is_of_image =
            says_image(key) || has_registry || text.contains('/') || parent.and_then(of_list).unwrap_or(false);
        !has_other && is_of_image
    }
}

/// Tells whether a name is the image: whole, or without its registry where a chart keeps that apart.
pub fn is_image(key: &KeyPath, value: &str, image: &ImageName, text: &dyn Fn(&KeyPath) -> Option<String>) -> bool {
    meant(key, value, text).contains(image)
}

/// Notes the key paths of a layer that may name an image.
pub fn image_keys(source: &Source, part: Option<&ValuesPart>, found: &mut BTreeSet<KeyPath>) {
    let is_meant = |key: &str| role(key).is_some();
    in_layer(source, part, &mut |steps, key, _| found.extend(is_meant(key).then(|| path_of(steps, key)).flatten()));
}

/// Gives every text of the values in an object, as far as key paths reach.
pub fn inline_values(node: Node<'_>, shape: Shape) -> Vec<InlineValue> {
    let mut found = Vec::new();
    let mut note = |steps: &[Segment], key: &str, text: Option<&str>| {
        if let Some(path) = path_of(steps, key) {
            found.push(InlineValue { path, text: text.map(str::to_owned) });
        }
    };
    in_values(node, shape, &mut note);
    found
}

/// Reads the name of a parameter as `helm --set` does: keys joined by dots, `[0]` for an item, a backslash before a
/// character that is part of a key.
pub fn parameter_path(name: &str) -> Option<KeyPath> {
    let mut steps: Vec<Segment> = Vec::new();
    let mut key = String::new();
    let mut chars = name.chars().peekable();
    let mut is_after_item = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => key.push(chars.next()?),
            '.' if key.is_empty() && is_after_item => is_after_item = false,
            '.' => steps.push(Segment::Key(std::mem::take(&mut key))),
            '[' => {
                if !key.is_empty() {
                    steps.push(Segment::Key(std::mem::take(&mut key)));
                }
                let digits: String = std::iter::from_fn(|| chars.next_if(|c| *c != ']')).collect();
                chars.next()?;
                steps.push(Segment::Index(digits.parse().ok()?));
                is_after_item = true;
            }
            _ => {
                is_after_item = false;
                key.push(c);
            }
        }
    }
    if !key.is_empty() {
        steps.push(Segment::Key(key));
    }
    joined(&steps)
}

/// Takes the steps to a mapping, a key of it, and the text there; none for a null.
type Note<'n> = dyn FnMut(&[Segment], &str, Option<&str>) + 'n;

fn in_layer(source: &Source, part: Option<&ValuesPart>, note: &mut Note<'_>) {
    let Some(part) = part else {
        if let Some(document) = source.documents().first() {
            walk(document.root(), &mut Vec::new(), note);
        }
        return;
    };
    if let Some(node) = node_of(source, part) {
        in_values(node, part.shape, note);
    }
}

/// Gives the key paths below a node that may name an image, be it a mapping or a text that holds one.
pub(super) fn image_keys_below(node: Node<'_>) -> BTreeSet<KeyPath> {
    let mut found = BTreeSet::new();
    let is_meant = |key: &str| role(key).is_some();
    in_values(node, Shape::Values, &mut |steps, key, _| {
        found.extend(is_meant(key).then(|| path_of(steps, key)).flatten());
    });
    found
}

/// Gives what stands at the part of an object that holds values.
pub(crate) fn node_of<'s>(source: &'s Source, part: &ValuesPart) -> Option<Node<'s>> {
    let address = Address { object: Some(part.object.clone()), ..Address::first(part.key.clone()) };
    let (number, key) = objects::find(source, &address).ok()??;
    let root = source.documents().get(number)?.root();
    walk_to(root, &key)
}

/// Follows a key path from a node, through aliases.
pub(crate) fn walk_to<'s>(root: Node<'s>, key: &KeyPath) -> Option<Node<'s>> {
    key.segments().iter().try_fold(root, |node, step| {
        let next = match step {
            Segment::Key(key) => node.get(key),
            Segment::Index(index) => node.items().get(*index).copied(),
            Segment::Where { field, value } => {
                let is_it = |item: &Node<'_>| item.get(field).and_then(Node::as_str) == Some(value);
                node.items().into_iter().find(is_it)
            }
        };
        next.map(|node| node.resolve().unwrap_or(node))
    })
}

fn in_values(node: Node<'_>, shape: Shape, note: &mut Note<'_>) {
    match (shape, node.kind()) {
        (Shape::Parameters, _) => {
            for item in node.items() {
                let Some(path) = item.get("name").and_then(Node::as_str).and_then(parameter_path) else { continue };
                if let Some((Segment::Key(key), steps)) = path.segments().split_last() {
                    note(steps, key, item.get("value").and_then(Node::as_str));
                }
            }
        }
        (Shape::Values, Kind::Scalar { value, .. }) => {
            // Texts that are no YAML hold nothing for Helm either.
            if let Ok(documents) = yaml::parse(value)
                && let Some(document) = documents.first()
            {
                walk(document.root(), &mut Vec::new(), note);
            }
        }
        (Shape::Values, _) => walk(node, &mut Vec::new(), note),
    }
}

/// Goes through what a node writes itself; what an alias names is noted where it stands.
fn walk(node: Node<'_>, steps: &mut Vec<Segment>, note: &mut Note<'_>) {
    match node.kind() {
        Kind::Map { .. } => {
            // What others merge in is found where it stands, but for the texts beside which others stand here.
            for (key, value) in node.inherited_entries() {
                let scalar = value.resolve().filter(|value| matches!(value.kind(), Kind::Scalar { .. }));
                if let (Some(key), Some(scalar)) = (key.as_str(), scalar) {
                    note(steps, key, scalar.as_str().filter(|_| !scalar.is_null()));
                }
            }
            for (key, value) in node.entries() {
                let Some(key) = key.as_str() else { continue };
                let scalar = value.resolve().filter(|value| matches!(value.kind(), Kind::Scalar { .. }));
                if let Some(scalar) = scalar {
                    note(steps, key, scalar.as_str().filter(|_| !scalar.is_null()));
                } else {
                    steps.push(Segment::Key(key.to_owned()));
                    walk(value, steps, note);
                    steps.pop();
                }
            }
        }
        Kind::Seq { .. } => {
            for (step, item) in items_of(node) {
                steps.push(step);
                walk(item, steps, note);
                steps.pop();
            }
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

/// Gives the items of a list: by name where only one item has it, else by number.
fn items_of(list: Node<'_>) -> Vec<(Segment, Node<'_>)> {
    // The path around is no part of an item's last step.
    let around = KeyPath::of_key("list").ok();
    let last = |(path, item): (KeyPath, _)| Some((path.last()?.clone(), item));
    items(around.as_ref(), list).into_iter().filter_map(last).collect()
}

fn path_of(steps: &[Segment], key: &str) -> Option<KeyPath> {
    let front = if steps.is_empty() { None } else { Some(joined(steps)?) };
    below(front.as_ref(), key)
}

fn joined(steps: &[Segment]) -> Option<KeyPath> {
    let (Segment::Key(first), rest) = steps.split_first()? else { return None };
    rest.iter().try_fold(KeyPath::of_key(first).ok()?, |path, step| match step {
        Segment::Key(key) => path.child(key).ok(),
        Segment::Index(index) => path.item(*index).ok(),
        Segment::Where { field, value } => path.where_is(field, value).ok(),
    })
}

fn below(path: Option<&KeyPath>, key: &str) -> Option<KeyPath> {
    path.map_or_else(|| KeyPath::of_key(key), |path| path.child(key)).ok()
}

/// Gives what a key says, and the words that tell it from others of its mapping.
fn role(key: &str) -> Option<(Role, Vec<String>)> {
    let mut words = words(key);
    let last = words.pop()?;
    let role = match last.as_str() {
        "repository" | "repo" => Role::Repository,
        "image" => Role::Image,
        "name" => Role::Name,
        "tag" => Role::Tag,
        _ if words.iter().any(|word| word == "image") => Role::Other,
        _ => return None,
    };
    if words.last().is_some_and(|word| word == "image") {
        words.pop();
    }
    Some((role, words))
}

fn is_tag_of(key: &str, stem: &[String]) -> bool {
    role(key).is_some_and(|(role, own)| role == Role::Tag && own == stem)
}

/// Splits a key into its words, in lower case: `webImageTag`, `web_image_tag` and `web-image-tag` have the same.
fn words(key: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_open = false;
    let mut was_upper = true;
    for c in key.chars() {
        if matches!(c, '_' | '-' | '.' | '/' | ' ') {
            is_open = false;
            was_upper = true;
            continue;
        }
        let is_new = c.is_uppercase() && !was_upper;
        was_upper = c.is_uppercase();
        match words.last_mut().filter(|_| is_open && !is_new) {
            Some(word) => word.extend(c.to_lowercase()),
            None => words.push(c.to_lowercase().collect()),
        }
        is_open = true;
    }
    words
}

/// Gives a key with another last word, written as that one is.
fn with_word(key: &str, word: &str) -> String {
    let last = words(key).pop().unwrap_or_default();
    let front = key.get(..key.len().saturating_sub(last.len())).unwrap_or_default();
    let old = key.get(front.len()..).unwrap_or_default();
    let mut letters = word.chars();
    let is_upper = old.len() > 1 && old.chars().all(char::is_uppercase);
    match letters.next() {
        Some(_) if is_upper => format!("{front}{}", word.to_uppercase()),
        Some(first) if old.starts_with(char::is_uppercase) => {
            format!("{front}{}{}", first.to_uppercase(), letters.as_str())
        }
        _ => format!("{front}{word}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn spoken(text: &str) -> (Vec<String>, Vec<String>) {
        let source = Source::parse(text).unwrap();
        let mut keys = BTreeSet::new();
        image_keys(&source, None, &mut keys);
        let text = |key: &KeyPath| match source.read(key) {
            Ok(crate::manifest::Found::Text { value, .. }) => Some(value),
            _ => None,
        };
        let spoken = Spoken { text: &text, keys: &keys };
        let shown = |named: Named| match named.form {
            Form::Tag => format!("{} {}", named.name, named.key),
            Form::Spec => format!("{}", named.key),
        };
        let named = spoken.named(&"ghcr.io/acme/web".parse().unwrap()).into_iter().map(shown).collect();
        (named, spoken.nameless_tags().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_spelling_of_an_image_is_read_by_one_rule() {
        for (text, expected) in [
            ("image: {repository: ghcr.io/acme/web, tag: 1.0.0}", "image.repository image.tag"),
            ("image: {registry: ghcr.io, repository: acme/web, tag: 1.0.0}", "image.repository image.tag"),
            ("global: {imageRegistry: ghcr.io}\nimage: {repository: acme/web, tag: 1}", "image.repository image.tag"),
            ("image: {registry: ghcr.io, name: acme/web, tag: 1.0.0}", "image.name image.tag"),
            ("image: {registry: ghcr.io, image: acme/web, tag: 1.0.0}", "image.image image.tag"),
            ("image: {repository: ghcr.io/acme/web}", "image.repository image.tag"),
            ("image: ghcr.io/acme/web:1.0.0", "image"),
            ("image: ghcr.io/acme/web:1.0.0\ntag: x", "image"),
            ("image: ghcr.io/acme/web\ntag: 1.0.0", "image tag"),
            ("image: ghcr.io/acme/web\nimageTag: 1.0.0", "image imageTag"),
            ("image: ghcr.io/acme/web", "image"),
            ("imageRepository: ghcr.io/acme/web\nimageTag: 1.0.0", "imageRepository imageTag"),
            ("image_repo: ghcr.io/acme/web\nimage_tag: 1.0.0", "image_repo image_tag"),
            ("imageRegistry: ghcr.io\nimageRepository: acme/web\nimageTag: 1.0.0", "imageRepository imageTag"),
            ("imageName: ghcr.io/acme/web\nimageTag: 1.0.0", "imageName imageTag"),
            ("webImage: ghcr.io/acme/web\nwebTag: 1\njobTag: 2", "webImage webTag"),
            ("webImage: ghcr.io/acme/web\nwebImageTag: 1\ntag: 2", "webImage webImageTag"),
            ("WEB_IMAGE: ghcr.io/acme/web\nWEB_TAG: '1'", "WEB_IMAGE WEB_TAG"),
            ("imageK8S: ghcr.io/acme/web:1.0.0", "imageK8S"),
            ("web: {name: web, image: {repository: ghcr.io/acme/web, tag: 1}}", "web.image.repository web.image.tag"),
            (
                "images:\n- name: ghcr.io/acme/web\n  tag: 1",
                "images[name=ghcr.io/acme/web].name images[name=ghcr.io/acme/web].tag",
            ),
            ("pods:\n- {name: a, image: ghcr.io/acme/web:1}\n- {name: b, image: x:1}", "pods[name=a].image"),
            // None of these is the image.
            ("image: {repository: ghcr.io/acme/other, tag: 1.0.0}", ""),
            ("name: web\ntag: 1", ""),
            ("imageK8S: ghcr.io/acme/web", ""),
            ("imagePullSecret: ghcr.io/acme/web", ""),
            ("docs: ghcr.io/acme/web:1.0.0", ""),
            ("chart: {name: ghcr.io/acme/web, repository: https://charts.example, tag: 1}", ""),
        ] {
            assert_eq!(spoken(text).0.join("; "), expected, "{text}");
        }
    }

    #[test]
    fn a_registry_beside_its_name_makes_another_image_of_it() {
        let names = |text: &str, image: &str| {
            let source = Source::parse(text).unwrap();
            let text = |key: &KeyPath| match source.read(key) {
                Ok(crate::manifest::Found::Text { value, .. }) => Some(value),
                _ => None,
            };
            let key = "image.repository".parse().unwrap();
            is_image(&key, &text(&key).unwrap(), &image.parse().unwrap(), &text)
        };
        for (text, image, expected) in [
            ("image: {repository: nginx}", "nginx", true),
            ("image: {registry: '', repository: nginx}", "nginx", true),
            ("image: {registry: docker.io, repository: library/nginx}", "nginx", true),
            ("image: {registry: quay.io, repository: nginx}", "nginx", false),
            ("image: {registry: quay.io/, repository: nginx}", "quay.io/nginx", true),
            ("image: {registry: quay.io, repository: ghcr.io/acme/web}", "ghcr.io/acme/web", true),
            (
                "global: {imageRegistry: quay.io}\nimage: {registry: ghcr.io, repository: acme/web}",
                "quay.io/acme/web",
                true,
            ),
            ("global: {imageRegistry: quay.io}\nimage: {repository: acme/web}", "acme/web", false),
        ] {
            assert_eq!(names(text, image), expected, "{text} {image}");
        }
    }

    #[test]
    fn a_tag_without_a_name_is_told_from_others() {
        for (text, expected) in [
            ("image: {tag: 1.0.0}", "image.tag"),
            ("image: {tag: 1.0.0, pullPolicy: Always}\nweb: {imageTag: '2'}", "image.tag; web.imageTag"),
            ("image: {repository: a/b, tag: 1.0.0}", ""),
            ("image: {tag: ''}", ""),
        ] {
            assert_eq!(spoken(text).1.join("; "), expected, "{text}");
        }
    }

    #[test]
    fn names_of_parameters_are_read_as_helm_reads_them() {
        for (name, expected) in [
            ("image.tag", Some("image.tag")),
            (r"node\.selector.tag", Some(r"node\.selector.tag")),
            ("pods[0].image.tag", Some("pods[0].image.tag")),
            ("a[0][1].b", Some("a[0][1].b")),
            (r"a\,b", Some("a,b")),
            ("tag", Some("tag")),
            ("", None),
            ("a..b", None),
            ("a[x].b", None),
            ("a[0", None),
            (r"a\", None),
        ] {
            assert_eq!(parameter_path(name).map(|path| path.to_string()).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_key_keeps_its_writing() {
        for (key, expected) in [
            ("repository", "tag"),
            ("imageRepository", "imageTag"),
            ("image_repo", "image_tag"),
            ("WEB_IMAGE", "WEB_TAG"),
        ] {
            assert_eq!(with_word(key, "tag"), expected);
        }
    }
}
