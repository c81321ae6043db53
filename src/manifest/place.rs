//! One place of a file where an image's tag stands: what stands there, and writing another one.
//!
//! Knows files and images; nothing of policies, and nothing is decided here.

use crate::manifest::error::EditError;
use crate::manifest::{Found, Source};
use crate::model::key_path::KeyPath;
use crate::model::names::{ImageName, Tag};

/// A place, by which it is found again in every version of its file.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Place {
    /// The tag alone, at a key path of the first document; a key `digest` beside it holds the digest.
    Tag(KeyPath),
    /// The image with its tag and digest, at a key path of the first document.
    Spec(KeyPath),
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
            Self::Tag(key) | Self::Spec(key) => key.to_string(),
        }
    }

    /// Gives the place without predicates, so that two spellings of one scalar are equal.
    pub fn canonical(&self, source: &Source) -> String {
        match self {
            Self::Tag(key) | Self::Spec(key) => source.canonical(key),
        }
    }

    /// Reads what stands there.
    ///
    /// # Errors
    /// As [`Source::read`], and `edit/no-such-key`, `edit/template` and `edit/other-image` for what is no tag of the image.
    pub fn read(&self, source: &Source, image: &ImageName) -> Result<Held, EditError> {
        let (Self::Tag(key) | Self::Spec(key)) = self;
        let empty = |current, line| Held { current, tag: None, digest: None, name: None, line };
        let (value, line) = match source.read(key)? {
            Found::Absent { insertable: true, .. } => return Ok(empty(Current::Absent, None)),
            Found::Absent { nearest, .. } => return Err(EditError::NoSuchKey { path: key.to_string(), nearest }),
            Found::Null { line } => return Ok(empty(Current::Null, Some(line))),
            Found::Text { value, line } => (value, line),
        };
        if value.contains("{{") {
            return Err(EditError::Template { path: key.to_string(), line, value });
        }
        let other = |value: &str| EditError::OtherImage {
            path: key.to_string(),
            line,
            value: value.to_owned(),
            image: image.to_string(),
            is_spec: matches!(self, Self::Spec(_)),
        };
        let (name, tag, digest) = match self {
            Self::Tag(_) => {
                let (tag, digest) = value.split_once('@').map_or((value.as_str(), None), |(t, d)| (t, Some(d)));
                // A wrong key path must not overwrite what is no tag.
                if !tag.is_empty() && tag.parse::<Tag>().is_err() {
                    return Err(other(&value));
                }
                (None, Some(tag), digest.map(str::to_owned).or_else(|| digest_beside(source, key)))
            }
            Self::Spec(_) => {
                let (name, tag, digest) = split_spec(&value);
                if !value.is_empty() && name.parse::<ImageName>().ok().as_ref() != Some(image) {
                    return Err(other(&value));
                }
                ((!value.is_empty()).then(|| name.to_owned()), tag, digest.map(str::to_owned))
            }
        };
        let tag = tag.map(str::to_owned);
        Ok(Held { tag, digest, name, line: Some(line), current: Current::Text(value) })
    }

    /// Gives the file's text with this standing there instead.
    ///
    /// # Errors
    /// As [`Place::read`] and [`Source::set`].
    pub fn write(&self, source: &Source, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
        let (Self::Tag(key) | Self::Spec(key)) = self;
        let pinned = wanted.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
        let tag = wanted.tag.as_deref().unwrap_or_default();
        let value = match self {
            Self::Tag(_) => format!("{tag}{pinned}"),
            Self::Spec(_) => {
                let name = self.read(source, image)?.name.unwrap_or_else(|| image.to_string());
                let colon = if wanted.tag.is_some() { ":" } else { "" };
                format!("{name}{colon}{tag}{pinned}")
            }
        };
        Ok(source.set(key, &value)?.text)
    }
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
fn digest_beside(source: &Source, key: &KeyPath) -> Option<String> {
    let beside = key.parent().and_then(|parent| parent.child("digest").ok())?;
    match source.read(&beside) {
        Ok(Found::Text { value, .. }) if !value.is_empty() => Some(value),
        _ => None,
    }
}
