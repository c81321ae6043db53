//! Markers of Flux's image automation: `# {"$imagepolicy": "ns:name[:tag|:name|:digest]"}` behind a scalar says that it
//! holds an image, or a part of one. Whose image it is say the markers around it, or the ImagePolicy itself.

use std::collections::BTreeMap;

use crate::manifest::Source;
use crate::manifest::flux::{Reference, Surroundings};
use crate::manifest::manifests::{is_open, items, names};
use crate::manifest::objects::Objects;
use crate::manifest::place::{Place, split_spec};
use crate::model::address::{Address, ObjectName, Shown};
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::yaml::{Kind, Node, Style};

/// The key of a marker; a text without it has none.
const KEY: &str = "$imagepolicy";

/// A file without this word has none either.
pub const WORD: &str = "imagepolicy";

/// What of an image stands before a marker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    Whole,
    Name,
    Tag,
    Digest,
}

/// A scalar with its marker.
#[derive(Debug)]
pub(super) struct Marked {
    address: Address,
    value: String,
    policy: Reference,
    part: Part,
}

/// Tells whether a file has markers of policies whose images only other files can tell.
pub fn asks(source: &Source, around: &Surroundings) -> bool {
    let all = marked(source);
    let is_named = |policy: &Reference| {
        whole_image(all, policy).is_some() || all.iter().any(|one| one.part == Part::Name && one.policy == *policy)
    };
    all.iter().any(|one| one.part == Part::Tag && !is_named(&one.policy) && around.image_of(&one.policy).is_none())
}

/// Finds the places that markers tell of an image.
pub fn places(source: &Source, image: &ImageName, around: &Surroundings) -> Vec<Place> {
    let all = marked(source);
    let mut found = Vec::new();
    for one in all {
        match one.part {
            Part::Whole if names(&one.value, image) => found.push(Place::Spec(one.address.clone())),
            Part::Tag if image_of(all, one, around).as_ref() == Some(image) => {
                let digest = nearest(all, one, Part::Digest).map(|digest| digest.address.clone());
                found.push(match digest {
                    None => Place::Tag(one.address.clone()),
                    digest => Place::Parts { tag: one.address.clone(), digest },
                });
            }
            Part::Whole | Part::Name | Part::Tag | Part::Digest => {}
        }
    }
    found
}

/// Gives the image of a tag: by the marked name next to it, else by the whole images of its policy, else by the policy itself.
fn image_of(all: &[Marked], tag: &Marked, around: &Surroundings) -> Option<ImageName> {
    match nearest(all, tag, Part::Name) {
        Some(name) => name.value.parse().ok(),
        None if all.iter().any(|one| one.part == Part::Name && one.policy == tag.policy) => None,
        None => whole_image(all, &tag.policy).or_else(|| around.image_of(&tag.policy)),
    }
}

/// Gives the one image that the whole images of a policy are.
fn whole_image(all: &[Marked], policy: &Reference) -> Option<ImageName> {
    let mut images = all
        .iter()
        .filter(|one| one.part == Part::Whole && one.policy == *policy)
        .map(|one| split_spec(&one.value).0.parse::<ImageName>().ok());
    let first = images.next()??;
    images.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// Gives the part of the same policy that belongs to a tag: in the same mapping, else the only one of the file.
fn nearest<'m>(all: &'m [Marked], tag: &Marked, part: Part) -> Option<&'m Marked> {
    let same = || all.iter().filter(|one| one.part == part && one.policy == tag.policy);
    let is_beside = |one: &&Marked| {
        one.address.object == tag.address.object && one.address.key.parent() == tag.address.key.parent()
    };
    let mut all_of_it = same();
    match (same().find(is_beside), all_of_it.next(), all_of_it.next()) {
        (Some(beside), _, _) => Some(beside),
        (None, Some(only), None) => Some(only),
        // Several names of one policy that say the same are one.
        (None, Some(first), Some(_)) if part == Part::Name => {
            same().all(|one| one.value == first.value).then_some(first)
        }
        (None, _, _) => None,
    }
}

/// Gives all marked scalars of a file, looked for once.
fn marked(source: &Source) -> &[Marked] {
    source.marked.get_or_init(|| markers(source))
}

/// Finds all marked scalars of a file.
fn markers(source: &Source) -> Vec<Marked> {
    if !source.text().contains(KEY) {
        return Vec::new();
    }
    let objects = Objects::of(source);
    let mut found = Vec::new();
    for object in objects.all().filter(|object| is_open(object.kind)) {
        let mut marked = BTreeMap::new();
        walk(source.text(), object.node, None, &mut marked);
        found.extend(marked.into_values().map(|(key, value, policy, part)| {
            let address = objects.address(object, key);
            Marked { address, value, policy, part }
        }));
    }
    // Values and the files of kustomize are no objects.
    let is_alone = source.documents().iter().filter(|document| !document.root().is_null()).count() == 1;
    for (number, document) in source.documents().iter().enumerate() {
        if objects.are_in(number) {
            continue;
        }
        let mut marked = BTreeMap::new();
        walk(source.text(), document.root(), None, &mut marked);
        found.extend(marked.into_values().map(|(key, value, policy, part)| {
            let shown = if is_alone { Shown::Key } else { Shown::Name };
            let object = (number > 0).then_some(ObjectName::Number(number));
            Marked { address: Address { object, shown, key }, value, policy, part }
        }));
    }
    found
}

type Found = (KeyPath, String, Reference, Part);

/// Goes through what a node writes itself and notes its marked scalars by where they stand.
fn walk(text: &str, node: Node<'_>, path: Option<&KeyPath>, found: &mut BTreeMap<usize, Found>) {
    match node.kind() {
        Kind::Map { .. } => {
            for (key, value) in node.entries() {
                let key = key.as_str().map(|key| path.map_or_else(|| KeyPath::of_key(key), |path| path.child(key)));
                if let Some(Ok(below)) = key {
                    walk(text, value, Some(&below), found);
                }
            }
        }
        Kind::Seq { .. } => {
            for (below, item) in items(path, node) {
                walk(text, item, Some(&below), found);
            }
        }
        Kind::Scalar { value, style } if *style != Style::Block => {
            let span = node.span();
            let behind = text.get(span.end..).and_then(|rest| rest.lines().next()).unwrap_or_default();
            if let (Some((policy, part)), Some(path)) = (marker(behind), path) {
                found.insert(span.start, (path.clone(), value.clone(), policy, part));
            }
        }
        Kind::Scalar { .. } | Kind::Alias(_) => {}
    }
}

/// Reads what stands behind a scalar on its line, as Flux reads it: a comment that is a JSON mapping and nothing else.
fn marker(behind: &str) -> Option<(Reference, Part)> {
    let comment = behind.trim_start_matches([' ', '\t']);
    let json = comment.strip_prefix('#').filter(|_| comment.len() < behind.len())?;
    let marked: BTreeMap<String, String> = serde_json::from_str(json.trim()).ok()?;
    let mut words = marked.get(KEY)?.split(':');
    let (namespace, name) = (words.next()?, words.next()?);
    let part = match words.next() {
        None => Part::Whole,
        Some("name") => Part::Name,
        Some("tag") => Part::Tag,
        Some("digest") => Part::Digest,
        Some(_) => return None,
    };
    let is_name = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.'))
    };
    let is_whole = words.next().is_none() && is_name(namespace) && is_name(name);
    is_whole.then(|| (Reference { namespace: Some(namespace.to_owned()), name: name.to_owned() }, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_a_comment_that_is_json_and_names_a_policy() {
        for (behind, expected) in [
            (r#" # {"$imagepolicy": "flux-system:web"}"#, Some(Part::Whole)),
            (r#"  #{"$imagepolicy":"flux-system:web:tag"} "#, Some(Part::Tag)),
            ("\t# {\"$imagepolicy\": \"a:b:name\"}", Some(Part::Name)),
            (r#" # {"$imagepolicy": "a:b:digest"}"#, Some(Part::Digest)),
            (r#" # {"$imagepolicy": "a:b:tags"}"#, None),
            (r#" # {"$imagepolicy": "a:b:tag:x"}"#, None),
            (r#" # {"$imagepolicy": "web"}"#, None),
            (r#" # {"$imagepolicy": ":web"}"#, None),
            (r#" # {"$imagepolicy": "a:b"} and more"#, None),
            (r#" # see {"$imagepolicy": "a:b"}"#, None),
            (r#" # {"$imagepolicy": "a:b""#, None),
            (r#"# {"$imagepolicy": "a:b"}"#, None),
            (r#" } # {"$imagepolicy": "a:b"}"#, None),
            ("", None),
        ] {
            assert_eq!(marker(behind).map(|(_, part)| part), expected, "{behind}");
        }
    }
}
