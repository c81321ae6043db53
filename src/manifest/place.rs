//! One place of a file where an image's tag stands: what stands there, and writing another one.
//!
//! Knows files and images; nothing of policies, and nothing is decided here.

mod version;

use crate::manifest::error::EditError;
use crate::manifest::locate::OF_CHARTS;
use crate::manifest::overrides::Override;
use crate::manifest::{Found, Source, agreement, image_strings, kustomization, objects, parameters};
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

    /// Tells whether this was the place's key, as people read it, in this or another version of its file: a file may gain
    /// or lose other documents, and an entry a tag.
    pub fn was_called(&self, key: &str) -> bool {
        let is_it = |address: &Address| address.names().iter().any(|name| name == key);
        match self {
            Self::Tag(address) | Self::Spec(address) | Self::Version(address) | Self::Parts { tag: address, .. } => {
                is_it(address)
            }
            Self::Entry { list, name, .. } => {
                ["newTag", "digest"].iter().any(|field| is_it(&kustomization::shown(list, name, field)))
            }
            Self::Parameter { list, name, .. } => is_it(&parameter(list, name)),
            Self::Image { list, name } => is_it(&image_string(list, name)),
            Self::Override(entry) => entry.there().is_ok_and(|place| place.was_called(key)),
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
            // Two that are not there yet are one place if they are called alike.
            Self::Override(_) => self.key(),
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

    /// Gives the file's text with this standing there instead.
    ///
    /// # Errors
    /// As [`Place::read`] and [`Source::set`].
    pub fn write(&self, source: &Source, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
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

/// Gives the address of a parameter's value; a name that can stand in no key path leaves that of the list.
fn parameter(list: &Address, name: &str) -> Address {
    parameters::value_of(list, name).unwrap_or_else(|| list.clone())
}

/// Gives an image string as people read it.
fn image_string(list: &Address, name: &str) -> Address {
    list.key.where_is("image", name).map_or_else(|_| list.clone(), |key| list.at(key))
}

/// Reads the tag of a parameter; its digest may stand in another one beside it.
fn read_parameter(source: &Source, list: &Address, name: &str, image: &ImageName) -> Result<Held, EditError> {
    let held = read_tag(source, &objects::at(source, &parameter(list, name))?, None, image)?;
    let Some(digest) = parameters::digest_of(source, list, name).filter(|_| held.digest.is_none()) else {
        return Ok(held);
    };
    let beside = match source.read_at(&digest)? {
        Found::Text { value, line } if !value.is_empty() => {
            check_written(&digest.to_string(), line, &value, None, Some(&value), image)?;
            Some(value)
        }
        Found::Text { .. } | Found::Null { .. } | Found::Absent { .. } => None,
    };
    Ok(Held { digest: beside, ..held })
}

fn write_parameter(
    source: &Source,
    list: &Address,
    name: &str,
    image: &ImageName,
    wanted: &Wanted,
) -> Result<String, EditError> {
    let at = objects::at(source, &parameter(list, name))?;
    let held = read_parameter(source, list, name, image)?;
    let digest = parameters::digest_of(source, list, name);
    let tag = match (&digest, &wanted.tag) {
        (Some(_), tag) => tag.clone().unwrap_or_default(),
        (None, Some(tag)) => wanted.digest.as_ref().map_or_else(|| tag.clone(), |digest| format!("{tag}@{digest}")),
        (None, None) => {
            let why = "a chart puts a tag there, and a digest alone is none";
            return Err(EditError::unproven(&at.1, held.line, why));
        }
    };
    parameters::check_type(source, list, name, held.tag.as_deref().unwrap_or_default(), &tag)?;
    let text = source.set_in(at.0, &at.1, &tag, OF_CHARTS)?.text;
    let Some(digest) = digest.filter(|_| held.digest != wanted.digest) else { return Ok(text) };
    Ok(Source::parse(&text)?.set_at(&digest, wanted.digest.as_deref().unwrap_or_default())?.text)
}

/// A key path of a document by its number.
pub(super) type At = (usize, KeyPath);

pub(super) fn empty(current: Current, line: Option<u64>) -> Held {
    Held { current, tag: None, digest: None, name: None, line }
}

/// Reads the text at a key path, or gives what stands there instead of one.
pub(super) fn text_at(
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

fn read_tag(source: &Source, at: &At, digest_at: Option<&At>, image: &ImageName) -> Result<Held, EditError> {
    let (value, line) = match text_at(source, at, image, Form::Tag)? {
        Ok(found) => found,
        Err(held) => return Ok(Held { digest: digest_at_key(source, digest_at, image)?, ..held }),
    };
    let (tag, digest) = value.split_once('@').map_or((value.as_str(), None), |(tag, digest)| (tag, Some(digest)));
    // A wrong key path must not overwrite what is no tag.
    check_written(&at.1.to_string(), line, &value, Some(tag), digest, image)?;
    let digest = match digest {
        Some(digest) => Some(digest.to_owned()),
        None => digest_at_key(source, digest_at, image)?,
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
    let beside = beside(at);
    let held = read_tag(source, at, beside.as_ref(), image)?;
    let tag = wanted.tag.as_deref().unwrap_or_default();
    let beside = match beside {
        Some(at) if !matches!(source.read_in(at.0, &at.1, OF_CHARTS)?, Found::Absent { .. }) => Some(at),
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
    write_parts(source, at, Some(&beside), image, wanted)
}

/// Writes tag and digest at keys of their own.
fn write_parts(
    source: &Source,
    at: &At,
    digest_at: Option<&At>,
    image: &ImageName,
    wanted: &Wanted,
) -> Result<String, EditError> {
    let held = read_tag(source, at, digest_at, image)?;
    let tag = wanted.tag.as_deref().unwrap_or_default();
    let Some((document, digest_key)) = digest_at else {
        if wanted.digest.is_some() {
            return Err(EditError::unproven(&at.1, held.line, "there is no field beside it that holds a digest"));
        }
        return Ok(agreement::set(source, (at.0, &at.1), tag, image, Form::Tag)?.text);
    };
    let tagged = agreement::set(source, (at.0, &at.1), tag, image, Form::Tag)?.text;
    // An empty text is no digest to charts and to Flux; a key without a digest stays as it is.
    let digest = match (&wanted.digest, source.read_in(*document, digest_key, OF_CHARTS)?) {
        (Some(digest), _) => digest.as_str(),
        (None, Found::Text { value, .. }) if !value.is_empty() => "",
        (None, _) => return Ok(tagged),
    };
    Ok(agreement::set(&Source::parse(&tagged)?, (*document, digest_key), digest, image, Form::Tag)?.text)
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

/// Reads the digest that stands at its key: who knows it prefers it to the tag.
fn digest_at_key(source: &Source, at: Option<&At>, image: &ImageName) -> Result<Option<String>, EditError> {
    let Some((document, key)) = at else { return Ok(None) };
    match source.read_in(*document, key, OF_CHARTS) {
        Ok(Found::Text { value, line }) if !value.is_empty() => {
            check_written(&key.to_string(), line, &value, None, Some(&value), image)?;
            Ok(Some(value))
        }
        _ => Ok(None),
    }
}

/// Gives where `digest` stands beside a tag.
fn beside((document, key): &At) -> Option<At> {
    let key = key.parent().map_or_else(|| KeyPath::of_key("digest"), |parent| parent.child("digest"));
    Some((*document, key.ok()?))
}
