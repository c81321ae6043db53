//! One place of a file where an image's tag stands: what stands there, and writing another one.
//!
//! Knows files and images; nothing of policies, and nothing is decided here.

mod scalars;
mod version;

use serde::{Deserialize, Serialize};

use crate::manifest::error::EditError;
use crate::manifest::overrides::Override;
use crate::manifest::place::scalars::{
    beside, image_string, parameter, read_parameter, read_spec, read_tag, write_parameter, write_parts, write_spec,
    write_tag,
};
use crate::manifest::{Source, guard, image_strings, kustomization, objects};
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::{ImageName, Tag};
use crate::model::tracked::Form;
use crate::yaml::scalar;

/// How much of a text that is no tag is shown.
const SHOWN: usize = 160;

/// A place, by which it is found again in every version of its file.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Place {
    /// The tag alone; a key `digest` beside it holds the digest.
    Tag(Address),
    /// The image with its tag and digest.
    Spec(Address),
    /// The tag, and the digest at a key of its own; without one there is no place for a digest.
    Parts {
        /// The tag.
        tag: Address,
        /// The digest.
        digest: Option<Address>,
    },
    /// The version of a Helm chart, in which a `+` stands for the `_` of its tag.
    Version(Address),
    /// Tag and digest of an entry of `images:`, as kustomize has them.
    Entry {
        /// The list.
        list: Address,
        /// The entry's `name`.
        name: String,
        /// Whether the digest alone stands there, and no tag.
        is_digest: bool,
    },
    /// The value of a Helm parameter of Argo CD.
    Parameter {
        /// The list of parameters.
        list: Address,
        /// The parameter's `name`, as written.
        name: String,
        /// Whether the value is an image with its tag, and not the tag alone.
        is_spec: bool,
    },
    /// An image string of a list, as Argo CD has them for kustomize.
    Image {
        /// The list.
        list: Address,
        /// The name that it replaces.
        name: String,
    },
    /// An entry of the file that overrides a source for one Application, which may not be there yet.
    Override(Override),
}

/// The text at a place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Current {
    /// Nothing, and the key can be inserted there.
    Absent,
    /// A null.
    Null,
    /// A text.
    Text(String),
}

/// What stands at a place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
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
    /// Makes the place of a tag or of a whole image.
    pub fn of(address: Address, form: Form) -> Self {
        match form {
            Form::Tag => Self::Tag(address),
            Form::Spec => Self::Spec(address),
        }
    }

    /// Gives where the tag stands, if it has an address of its own.
    pub fn tag(&self) -> Option<&Address> {
        match self {
            Self::Tag(address) | Self::Spec(address) | Self::Version(address) | Self::Parts { tag: address, .. } => {
                Some(address)
            }
            Self::Entry { .. } | Self::Parameter { .. } | Self::Image { .. } | Self::Override(_) => None,
        }
    }

    /// Gives the key path as people read it.
    pub fn key(&self) -> String {
        match self {
            Self::Tag(address) | Self::Spec(address) | Self::Version(address) | Self::Parts { tag: address, .. } => {
                address.to_string()
            }
            Self::Entry { list, name, is_digest } => {
                kustomization::shown(list, name, if *is_digest { "digest" } else { "newTag" }).to_string()
            }
            Self::Parameter { list, name, .. } => parameter(list, name).to_string(),
            Self::Image { list, name } => image_string(list, name).to_string(),
            Self::Override(entry) => entry.there().map_or_else(|_| String::new(), |place| place.key()),
        }
    }

    /// Gives where the place stands: the value, or the list that it is an item of; none for one that may not be there.
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Tag(address) | Self::Spec(address) | Self::Version(address) | Self::Parts { tag: address, .. } => {
                Some(address)
            }
            Self::Entry { list, .. } | Self::Parameter { list, .. } | Self::Image { list, .. } => Some(list),
            Self::Override(_) => None,
        }
    }

    /// Tells whether the place makes its file where there is none.
    pub fn makes_its_file(&self) -> bool {
        matches!(self, Self::Override(_))
    }

    /// Gives what the place's key is called, as people read it, in this and in other versions of its file: a file may gain or
    /// lose other documents, and an entry a tag.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Tag(address) | Self::Spec(address) | Self::Version(address) | Self::Parts { tag: address, .. } => {
                address.names()
            }
            Self::Entry { list, name, .. } => {
                let of_field = |field: &str| kustomization::shown(list, name, field).names();
                ["newTag", "digest"].into_iter().flat_map(of_field).collect()
            }
            Self::Parameter { list, name, .. } => parameter(list, name).names(),
            Self::Image { list, name } => image_string(list, name).names(),
            Self::Override(entry) => entry.there().map(|place| place.names()).unwrap_or_default(),
        }
    }

    /// Gives the place without predicates and aliases, so that two spellings of one scalar are equal.
    pub fn canonical(&self, source: &Source) -> String {
        match self {
            Self::Tag(address) | Self::Spec(address) | Self::Version(address) | Self::Parts { tag: address, .. } => {
                source.canonical(address)
            }
            Self::Entry { list, name, .. } => kustomization::canonical(source, list, name),
            Self::Parameter { list, name, .. } => source.canonical(&parameter(list, name)),
            Self::Image { list, name } => source.canonical(&image_strings::shown(source, list, name)),
            Self::Override(entry) => match (entry.is_there(source), entry.there()) {
                (Ok(true), Ok(place)) => place.canonical(source),
                // Two that are not there yet are one place if they are called alike.
                _ => self.key(),
            },
        }
    }

    /// Reads what stands there.
    ///
    /// # Errors
    /// As [`Source::read`], and `edit/no-such-key`, `edit/template` and `edit/other-image` for what is no tag of the image.
    pub fn read(&self, source: &Source, image: &ImageName) -> Result<Held, EditError> {
        match self {
            Self::Tag(address) => {
                let at = objects::at(source, address)?;
                read_tag(source, &at, beside(&at).as_ref(), image)
            }
            Self::Parts { tag, digest } => {
                let digest = digest.as_ref().map(|digest| objects::at(source, digest)).transpose()?;
                read_tag(source, &objects::at(source, tag)?, digest.as_ref(), image)
            }
            Self::Version(address) => version::read(source, &objects::at(source, address)?, image),
            Self::Spec(address) => read_spec(source, &objects::at(source, address)?, image),
            Self::Entry { list, name, .. } => kustomization::read(source, list, image, name),
            Self::Parameter { list, name, is_spec: true } => {
                read_spec(source, &objects::at(source, &parameter(list, name))?, image)
            }
            Self::Parameter { list, name, is_spec: false } => read_parameter(source, list, name, image),
            Self::Image { list, name } => image_strings::read(source, list, image, name),
            Self::Override(entry) => entry.read(source, image),
        }
    }

    /// Refuses what is no tag to whoever reads the file, where a person named the place of a tag: a boolean, and an integer at
    /// a key that is not called like a tag.
    ///
    /// # Errors
    /// `edit/other-image`.
    pub fn check_named(&self, source: &Source, image: &ImageName) -> Result<(), EditError> {
        let Self::Tag(address) = self else { return Ok(()) };
        let (document, key) = objects::at(source, address)?;
        let Some((value, line)) = source.typed_in(document, &key) else { return Ok(()) };
        let is_number = || value.bytes().all(|c| c.is_ascii_digit()) && !is_called_like_tag(&key);
        if scalar::is_boolean(&value) || is_number() {
            let (path, image) = (key.to_string(), image.to_string());
            return Err(EditError::OtherImage { path, line, value, image, is_spec: false });
        }
        Ok(())
    }

    /// Gives the file's text with this standing there instead.
    ///
    /// # Errors
    /// As [`Place::read`] and [`Source::set`].
    pub fn write(&self, source: &Source, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
        if let Self::Tag(address) | Self::Spec(address) = self {
            guard::check_label(&address.key, wanted)?;
        }
        match self {
            Self::Tag(address) => write_tag(source, &objects::at(source, address)?, image, wanted),
            Self::Parts { tag, digest } => {
                let digest = digest.as_ref().map(|digest| objects::at(source, digest)).transpose()?;
                write_parts(source, &objects::at(source, tag)?, digest.as_ref(), image, wanted)
            }
            Self::Version(address) => version::write(source, &objects::at(source, address)?, image, wanted),
            Self::Spec(address) => write_spec(source, &objects::at(source, address)?, image, wanted),
            Self::Entry { list, name, .. } => kustomization::write(source, list, image, name, wanted),
            Self::Parameter { list, name, is_spec: true } => {
                write_spec(source, &objects::at(source, &parameter(list, name))?, image, wanted)
            }
            Self::Parameter { list, name, is_spec: false } => write_parameter(source, list, name, image, wanted),
            Self::Image { list, name } => image_strings::write(source, list, image, name, wanted),
            Self::Override(entry) => entry.write(source, image, wanted),
        }
    }
}

/// Tells whether a key says that what stands there is a tag; builds are often numbered.
fn is_called_like_tag(key: &KeyPath) -> bool {
    let called = key.last_key().unwrap_or_default().to_ascii_lowercase();
    ["tag", "version", "build", "revision", "release"].iter().any(|word| called.ends_with(word))
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
    let is_template = guard::is_template(value);
    let (path, value) = (path.to_owned(), clean(value));
    if is_template {
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
