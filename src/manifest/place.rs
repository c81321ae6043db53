//! One place of a file where an image's tag stands: what stands there, and writing another one.
//!
//! Knows files and images; nothing of policies, and nothing is decided here.

use crate::manifest::error::EditError;
use crate::manifest::locate::OF_CHARTS;
use crate::manifest::{Found, Source, agreement, kustomization, objects};
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::{ImageName, Tag};
use crate::model::tracked::Form;

/// How much of a text that is no tag is shown.
const SHOWN: usize = 160;

/// A place, by which it is found again in every version of its file.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// The tag alone; a key `digest` beside it holds the digest.
    Tag(Address),
    /// The image with its tag and digest.
    Spec(Address),
    /// Tag and digest of an entry of `images:`, as kustomize has them.
    Entry {
        /// The list.
        list: Address,
        /// The entry's `name`.
        name: String,
        /// Whether the digest alone stands there, and no tag.
        is_digest: bool,
    },
}

/// The text at a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Current {
    /// Nothing, and the key can be inserted there.
    Absent,
    /// A null.
    Null,
    /// A text.
    Text(String),
}

/// What stands at a place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Held {
    /// The text as it stands.
    pub current: Current,
    /// The tag in it.
    pub tag: Option<String>,
    /// The digest that stands with it, in the same text or beside it.
    pub digest: Option<String>,
    /// The image's name as it is written in the same text.
    pub name: Option<String>,
    /// Line, from 1, where something stands.
    pub line: Option<u64>,
}

/// What shall stand at a place; at least one of the two.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// The tag.
    pub tag: Option<String>,
    /// The digest that pins it; without one, none may stand there.
    pub digest: Option<String>,
}

impl Place {
    /// Gives the key path as people read it.
    pub fn key(&self) -> String {
        match self {
            Self::Tag(address) | Self::Spec(address) => address.to_string(),
            Self::Entry { list, name, is_digest } => {
                kustomization::shown(list, name, if *is_digest { "digest" } else { "newTag" }).to_string()
            }
        }
    }

    /// Tells whether this was the place's key, as people read it, in this or another version of its file: a file may gain
    /// or lose other documents, and an entry a tag.
    pub fn was_called(&self, key: &str) -> bool {
        let is_it = |address: &Address| address.names().iter().any(|name| name == key);
        match self {
            Self::Tag(address) | Self::Spec(address) => is_it(address),
            Self::Entry { list, name, .. } => {
                ["newTag", "digest"].iter().any(|field| is_it(&kustomization::shown(list, name, field)))
            }
        }
    }

    /// Gives the place without predicates and aliases, so that two spellings of one scalar are equal.
    pub fn canonical(&self, source: &Source) -> String {
        match self {
            Self::Tag(address) | Self::Spec(address) => source.canonical(address),
            Self::Entry { list, name, .. } => kustomization::canonical(source, list, name),
        }
    }

    /// Reads what stands there.
    ///
    /// # Errors
    /// As [`Source::read`], and `edit/no-such-key`, `edit/template` and `edit/other-image` for what is no tag of the image.
    pub fn read(&self, source: &Source, image: &ImageName) -> Result<Held, EditError> {
        match self {
            Self::Tag(address) => read_tag(source, &objects::at(source, address)?, image),
            Self::Spec(address) => read_spec(source, &objects::at(source, address)?, image),
            Self::Entry { list, name, .. } => kustomization::read(source, list, image, name),
        }
    }

    /// Gives the file's text with this standing there instead.
    ///
    /// # Errors
    /// As [`Place::read`] and [`Source::set`].
    pub fn write(&self, source: &Source, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
        match self {
            Self::Tag(address) => write_tag(source, &objects::at(source, address)?, image, wanted),
            Self::Spec(address) => write_spec(source, &objects::at(source, address)?, image, wanted),
            Self::Entry { list, name, .. } => kustomization::write(source, list, image, name, wanted),
        }
    }
}

/// A key path of a document by its number.
type At = (usize, KeyPath);

fn empty(current: Current, line: Option<u64>) -> Held {
    Held { current, tag: None, digest: None, name: None, line }
}

/// Reads the text at a key path, or gives what stands there instead of one.
fn text_at(
    source: &Source,
    (document, key): &At,
    image: &ImageName,
    form: Form,
) -> Result<Result<(String, u64), Held>, EditError> {
    Ok(match source.read_in(*document, key, OF_CHARTS)? {
        Found::Absent { insertable } if insertable || agreement::may_add(source, (*document, key), image, form) => {
            Err(empty(Current::Absent, None))
        }
        Found::Absent { .. } => return Err(source.no_such_key(Some(*document), key)),
        Found::Null { line } => Err(empty(Current::Null, Some(line))),
        Found::Text { value, line } if value.contains("{{") => {
            return Err(EditError::Template { path: key.to_string(), line, value: clean(&value) });
        }
        Found::Text { value, line } => Ok((value, line)),
    })
}

fn read_tag(source: &Source, at: &At, image: &ImageName) -> Result<Held, EditError> {
    let (value, line) = match text_at(source, at, image, Form::Tag)? {
        Ok(found) => found,
        Err(held) => return Ok(Held { digest: digest_beside(source, at, image)?, ..held }),
    };
    let (tag, digest) = value.split_once('@').map_or((value.as_str(), None), |(tag, digest)| (tag, Some(digest)));
    // A wrong key path must not overwrite what is no tag.
    check_written(&at.1.to_string(), line, &value, Some(tag), digest, image)?;
    let digest = match digest {
        Some(digest) => Some(digest.to_owned()),
        None => digest_beside(source, at, image)?,
    };
    Ok(Held { tag: Some(tag.to_owned()), digest, name: None, line: Some(line), current: Current::Text(value) })
}

fn read_spec(source: &Source, at: &At, image: &ImageName) -> Result<Held, EditError> {
    let key = &at.1;
    let (value, line) = match text_at(source, at, image, Form::Spec)? {
        Ok(found) => found,
        Err(held) => return Ok(held),
    };
    let (name, tag, digest) = split_spec(&value);
    if !value.is_empty() && name.parse::<ImageName>().ok().as_ref() != Some(image) {
        let (path, image) = (key.to_string(), image.to_string());
        return Err(EditError::OtherImage { path, line, value, image, is_spec: true });
    }
    check_written(&key.to_string(), line, &value, tag, digest, image)?;
    let name = (!value.is_empty()).then(|| name.to_owned());
    let (tag, digest) = (tag.map(str::to_owned), digest.map(str::to_owned));
    Ok(Held { tag, digest, name, line: Some(line), current: Current::Text(value) })
}

fn write_tag(source: &Source, at: &At, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
    let (document, key) = (at.0, &at.1);
    let held = read_tag(source, at, image)?;
    let tag = wanted.tag.as_deref().unwrap_or_default();
    let beside = match beside(key) {
        Some(path) if !matches!(source.read_in(document, &path, OF_CHARTS)?, Found::Absent { .. }) => Some(path),
        _ => None,
    };
    let Some(beside) = beside else {
        let value = match &wanted.digest {
            Some(_) if tag.is_empty() => {
                let why = "a chart puts a tag there, and a digest alone is none";
                return Err(EditError::unproven(key, held.line, why));
            }
            Some(digest) => format!("{tag}@{digest}"),
            None => tag.to_owned(),
        };
        return Ok(agreement::set(source, (document, key), &value, image, Form::Tag)?.text);
    };
    let tagged = agreement::set(source, (document, key), tag, image, Form::Tag)?.text;
    // Charts take an empty text for no digest; a key without a digest stays as it is.
    let digest = match (&wanted.digest, source.read_in(document, &beside, OF_CHARTS)?) {
        (Some(digest), _) => digest.as_str(),
        (None, Found::Text { value, .. }) if !value.is_empty() => "",
        (None, _) => return Ok(tagged),
    };
    Ok(agreement::set(&Source::parse(&tagged)?, (document, &beside), digest, image, Form::Tag)?.text)
}

fn write_spec(source: &Source, at: &At, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
    let name = read_spec(source, at, image)?.name.unwrap_or_else(|| image.to_string());
    let tag = wanted.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = wanted.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    let value = format!("{name}{tag}{digest}");
    Ok(agreement::set(source, (at.0, &at.1), &value, image, Form::Spec)?.text)
}

/// Refuses what is neither empty nor a tag with or without its digest, such as `${TAG}`, which others fill in.
pub(super) fn check_written(
    path: &str,
    line: u64,
    value: &str,
    tag: Option<&str>,
    digest: Option<&str>,
    image: &ImageName,
) -> Result<(), EditError> {
    let is_tag = tag.is_none_or(|tag| tag.is_empty() || tag.parse::<Tag>().is_ok());
    let is_digest =
        digest.is_none_or(|digest| digest.bytes().all(|c| c.is_ascii_alphanumeric() || b":+._-".contains(&c)));
    if is_tag && is_digest {
        return Ok(());
    }
    let (path, value) = (path.to_owned(), clean(value));
    if value.contains("${") {
        return Err(EditError::Template { path, line, value });
    }
    Err(EditError::OtherImage { path, line, value, image: image.to_string(), is_spec: false })
}

/// Gives a text for messages: of one line, and not endless.
pub(super) fn clean(value: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().collect() } else { String::from(c) };
    value.chars().take(SHOWN).map(shown).collect()
}

/// Splits `name:tag@digest`; the `:` of a port is part of the name.
pub fn split_spec(value: &str) -> (&str, Option<&str>, Option<&str>) {
    let (before, digest) = value.split_once('@').map_or((value, None), |(before, digest)| (before, Some(digest)));
    let last = before.rfind('/').map_or(0, |at| at + 1);
    match before.get(last..).and_then(|part| part.find(':')) {
        Some(at) => (before.get(..last + at).unwrap_or(before), before.get(last + at + 1..), digest),
        None => (before, None, digest),
    }
}

/// Charts that know `digest` beside `tag` prefer the digest.
fn digest_beside(source: &Source, at: &At, image: &ImageName) -> Result<Option<String>, EditError> {
    let Some(key) = beside(&at.1) else { return Ok(None) };
    match source.read_in(at.0, &key, OF_CHARTS) {
        Ok(Found::Text { value, line }) if !value.is_empty() => {
            check_written(&key.to_string(), line, &value, None, Some(&value), image)?;
            Ok(Some(value))
        }
        _ => Ok(None),
    }
}

/// Gives the key path of `digest` beside a tag.
fn beside(key: &KeyPath) -> Option<KeyPath> {
    key.parent().map_or_else(|| KeyPath::of_key("digest"), |parent| parent.child("digest")).ok()
}
