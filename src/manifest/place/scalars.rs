//! Tags and whole images as single texts, and the digest that stands beside a tag.

use crate::manifest::error::EditError;
use crate::manifest::locate::OF_CHARTS;
use crate::manifest::place::{Current, Held, Wanted, check_written, clean, split_spec};
use crate::manifest::{Found, Source, agreement, guard, objects, parameters};
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::model::tracked::Form;

/// Gives the address of a parameter's value; a name that can stand in no key path leaves that of the list.
pub(super) fn parameter(list: &Address, name: &str) -> Address {
    parameters::value_of(list, name).unwrap_or_else(|| list.clone())
}

/// Gives an image string as people read it.
pub(super) fn image_string(list: &Address, name: &str) -> Address {
    list.key.where_is("image", name).map_or_else(|_| list.clone(), |key| list.at(key))
}

/// Reads the tag of a parameter; its digest may stand in another one beside it.
pub(super) fn read_parameter(
    source: &Source,
    list: &Address,
    name: &str,
    image: &ImageName,
) -> Result<Held, EditError> {
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

pub(super) fn write_parameter(
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
        Found::Text { value, line } if guard::is_template(&value) => {
            return Err(EditError::Template { path: key.to_string(), line, value: clean(&value) });
        }
        Found::Text { value, line } => Ok((value, line)),
    })
}

pub(super) fn read_tag(source: &Source, at: &At, digest_at: Option<&At>, image: &ImageName) -> Result<Held, EditError> {
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

pub(super) fn read_spec(source: &Source, at: &At, image: &ImageName) -> Result<Held, EditError> {
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

pub(super) fn write_tag(source: &Source, at: &At, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
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
pub(super) fn write_parts(
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

pub(super) fn write_spec(source: &Source, at: &At, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
    let name = read_spec(source, at, image)?.name.unwrap_or_else(|| image.to_string());
    let tag = wanted.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = wanted.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
    let value = format!("{name}{tag}{digest}");
    Ok(agreement::set(source, (at.0, &at.1), &value, image, Form::Spec)?.text)
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
pub(super) fn beside((document, key): &At) -> Option<At> {
    let key = key.parent().map_or_else(|| KeyPath::of_key("digest"), |parent| parent.child("digest"));
    Some((*document, key.ok()?))
}
