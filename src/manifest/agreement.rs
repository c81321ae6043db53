//! Values that anchors, aliases and merge keys share: whether all that show one are places of the same image, and may
//! change together.
//!
//! A tag is that of an image where the image's name stands beside it, by the rule that finds it in Helm values; a whole image says itself which one it is, and where
//! it may stand. Everything else that shows the value would change with it without anybody having asked.

use crate::manifest::edit::Edited;
use crate::manifest::error::EditError;
use crate::manifest::helm_values::{self, Spoken};
use crate::manifest::locate::{OF_CHARTS, Reached, locate};
use crate::manifest::place::clean;
use crate::manifest::{Found, Source};
use crate::model::key_path::{KeyPath, Segment};
use crate::model::names::ImageName;
use crate::model::tracked::Form;
use crate::yaml::{Document, Kind, Node};

/// How many places that are in the way are named.
const SHOWN: usize = 8;

/// A place that shows the value and is none of the image.
struct Stranger {
    key: KeyPath,
    /// Where it meets what is shared.
    met: Met,
    /// What it is instead.
    what: String,
}

/// How a key path comes to what others share.
struct Met {
    line: u64,
    way: Way,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Way {
    /// The value is written there.
    Own,
    /// The value itself is an alias.
    Alias,
    /// Something around the value is an alias.
    Around,
    /// The key comes out of a `<<`.
    Merge,
}

/// Sets a value as [`Source::set`] does, also one that others share if all of them are places of this image.
///
/// # Errors
/// As [`Source::set`]; `edit/shared` names what is no place of the image, with the line to write there.
pub(super) fn set(
    source: &Source,
    (document, key): (usize, &KeyPath),
    new: &str,
    image: &ImageName,
    form: Form,
) -> Result<Edited, EditError> {
    let error = match source.set_in(document, key, new, OF_CHARTS) {
        Err(error @ EditError::Shared { .. }) => error,
        done => return done,
    };
    let Ok(all) = source.sharers(document, key, OF_CHARTS) else { return Err(error) };
    let strangers = strangers(source, document, key, &all, image, form);
    if strangers.is_empty() {
        return source.set_shared_in(document, key, new, OF_CHARTS, &all);
    }
    Err(told(error, source, document, key, &strangers))
}

/// Tells whether a key that is not there may be added although others share the mapping.
pub(super) fn may_add(source: &Source, (document, key): (usize, &KeyPath), image: &ImageName, form: Form) -> bool {
    let all = source.sharers(document, key, OF_CHARTS);
    all.is_ok_and(|all| strangers(source, document, key, &all, image, form).is_empty())
}

impl Source {
    /// Gives a key path of a document as [`Source::canonical`] does: one text for all that lead to a scalar, with the
    /// number of the document unless it is the first.
    pub(crate) fn canonical_of(&self, document: usize, path: &KeyPath) -> String {
        let reached = self.documents.get(document).and_then(|document| locate(document, path, OF_CHARTS).ok());
        let is_shared =
            reached.is_some_and(|reached| matches!(reached, Reached::Within(..)) || reached.shared().is_some());
        let all = if is_shared { self.sharers(document, path, OF_CHARTS).unwrap_or_default() } else { Vec::new() };
        let first = all.iter().map(|path| self.canonical_in(document, path)).min();
        let spelled = first.unwrap_or_else(|| self.canonical_in(document, path));
        match document {
            // The first document is where key paths of annotations look.
            0 => spelled,
            number => format!("{number}#{spelled}"),
        }
    }
}

fn strangers(
    source: &Source,
    document: usize,
    key: &KeyPath,
    all: &[KeyPath],
    image: &ImageName,
    form: Form,
) -> Vec<Stranger> {
    let own = source.canonical_in(document, key);
    let own_name = name_beside(source, document, key);
    let stranger = |other: &KeyPath| {
        if source.canonical_in(document, other) == own {
            return None;
        }
        let what = match form {
            Form::Spec if is_image_field(other) => return None,
            Form::Spec => None,
            Form::Tag if !is_as(other, key) => None,
            Form::Tag => match name_beside(source, document, other) {
                Some(name) if name.contains(image) || own_name.as_ref() == Some(&name) => {
                    if !has_own_digest(source, document, key, other) {
                        return None;
                    }
                    Some("has a `digest` of its own".to_owned())
                }
                Some(name) => name.first().map(|name| format!("stands beside `{}`", clean(&name.to_string()))),
                None => None,
            },
        };
        let what = what.unwrap_or_else(|| "is no place of the image".to_owned());
        Some(Stranger { key: other.clone(), met: met(source.documents.get(document), other), what })
    };
    all.iter().filter_map(stranger).collect()
}

/// Tells whether a key may hold what another one does: it is called the same, or both are those of tags.
fn is_as(key: &KeyPath, other: &KeyPath) -> bool {
    let is_tag = |key: &KeyPath| key.last_key().is_some_and(helm_values::is_tag);
    key.last() == other.last() || (is_tag(key) && is_tag(other))
}

/// Gives the images that the name beside a tag may mean: the one by which a search would find the tag.
fn name_beside(source: &Source, document: usize, key: &KeyPath) -> Option<Vec<ImageName>> {
    let keys = source.keys_beside(document, key);
    let text = |path: &KeyPath| text_at(source, document, path);
    Spoken { text: &text, keys: &keys }.name_beside(key)
}

fn text_at(source: &Source, document: usize, path: &KeyPath) -> Option<String> {
    match source.read_in(document, path, OF_CHARTS) {
        Ok(Found::Text { value, .. }) => Some(value).filter(|value| !value.is_empty()),
        Ok(Found::Null { .. } | Found::Absent { .. }) | Err(_) => None,
    }
}

/// Tells whether a digest stands beside another tag that does not stand beside this one as well: the two would part.
fn has_own_digest(source: &Source, document: usize, key: &KeyPath, other: &KeyPath) -> bool {
    let digests = |tag: &KeyPath| {
        let keys = source.keys_beside(document, tag).into_iter();
        keys.filter(|key| helm_values::is_digest_of(key, tag)).collect::<Vec<_>>()
    };
    let own: Vec<String> = digests(key).iter().map(|key| source.canonical_of(document, key)).collect();
    let is_apart = |digest: &KeyPath| !own.contains(&source.canonical_of(document, digest));
    digests(other).iter().any(|digest| text_at(source, document, digest).is_some() && is_apart(digest))
}

/// Tells whether a whole image may stand at a key path, by the name of its field or list.
fn is_image_field(key: &KeyPath) -> bool {
    let keys = key.segments().iter().rev().find_map(|segment| match segment {
        Segment::Key(key) => Some(key.to_lowercase()),
        Segment::Index(_) | Segment::Where { .. } => None,
    });
    keys.is_some_and(|key| key.ends_with("image") || key.ends_with("images"))
}

/// Says what is in the way, and what to write so that it is not.
fn told(error: EditError, source: &Source, document: usize, key: &KeyPath, strangers: &[Stranger]) -> EditError {
    let EditError::Shared { path, line, places, why, instead } = error else { return error };
    let named = |one: &Stranger| format!("`{}` (line {}) {}", one.key, one.met.line, one.what);
    let mut shown: Vec<String> = strangers.iter().take(SHOWN).map(named).collect();
    if strangers.len() > SHOWN {
        shown.push(format!("{} more", strangers.len() - SHOWN));
    }
    let why = format!("{why}, and not all that share it are the image: {}", shown.join(", "));
    let old = match source.read_in(document, key, OF_CHARTS) {
        Ok(Found::Text { value, .. }) => clean(&value),
        Ok(Found::Null { .. } | Found::Absent { .. }) | Err(_) => "null".to_owned(),
    };
    // What comes to the place through one alias or `<<` alone has a value of its own once it is written there.
    let own = met(source.documents.get(document), key);
    if own.way != Way::Own && own.line == line {
        return EditError::Shared { path, line, places, why, instead };
    }
    // Who shares a value with what is written elsewhere keeps the old one by writing it out.
    let mut parted: Vec<String> = Vec::new();
    for one in strangers.iter().filter(|one| one.met.way != Way::Own).take(SHOWN) {
        let line = one.met.line;
        let entry = one.key.last_key().map_or_else(|| old.clone(), |key| format!("{key}: {old}"));
        let step = match one.met.way {
            Way::Alias => format!("write `{entry}` in place of the alias at line {line}"),
            Way::Around | Way::Own => {
                format!("write the value in place of the alias at line {line}, with `{entry}`")
            }
            Way::Merge => format!("add `{entry}` as a key of its own behind the `<<` at line {line}"),
        };
        if !parted.contains(&step) {
            parted.push(step);
        }
    }
    let instead = if parted.is_empty() { instead } else { parted.join(", and ") };
    EditError::Shared { path, line, places, why, instead }
}

/// Finds where a key path meets what others share: the last alias or `<<` on it, else the value itself.
fn met(document: Option<&Document>, key: &KeyPath) -> Met {
    let Some(mut node) = document.map(Document::root) else { return Met { line: 1, way: Way::Own } };
    let mut met = None;
    let last = key.segments().len().saturating_sub(1);
    for (at, segment) in key.segments().iter().enumerate() {
        let next = match segment {
            Segment::Key(key) => entry(node, key, &mut met),
            Segment::Index(index) => node.items().get(*index).copied(),
            Segment::Where { field, value } => {
                node.items().into_iter().find(|item| item.get(field).and_then(Node::as_str) == Some(value))
            }
        };
        let Some(next) = next else { break };
        if matches!(next.kind(), Kind::Alias(_)) {
            met = Some(Met { line: next.line(), way: if at == last { Way::Alias } else { Way::Around } });
        }
        node = next;
    }
    met.unwrap_or(Met { line: node.line(), way: Way::Own })
}

/// Gives the value of a key as it is written; one that is merged in is noted.
fn entry<'d>(node: Node<'d>, wanted: &str, met: &mut Option<Met>) -> Option<Node<'d>> {
    let entries = node.entries();
    if let Some((_, value)) = entries.iter().rev().find(|(key, _)| key.as_str() == Some(wanted)) {
        return Some(*value);
    }
    let (merge, _) = entries.iter().find(|(key, _)| key.is_merge_key())?;
    let value = node.get(wanted)?;
    *met = Some(Met { line: merge.line(), way: Way::Merge });
    Some(value)
}
