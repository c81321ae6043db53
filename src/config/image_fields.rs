//! The entries of `image_fields`: where objects of a kind name an image.

use crate::config::keys;
use crate::config::reader::{Fields, Value};
use crate::model::image_field::{FieldPath, FieldPlace, ImageField};

const FORM: &str = "write `image: <key path>`, or `name: <key path>` and `tag: <key path>`";

pub(super) fn entry(value: &Value<'_>) -> Option<ImageField> {
    let fields = value.fields(&keys::IMAGE_FIELD);
    let kind = fields.get("kind").and_then(|value| {
        let kind = value.text()?;
        let is_kind = !kind.is_empty() && kind.bytes().all(|c| c.is_ascii_alphanumeric());
        if !is_kind {
            value.invalid("it is no kind: letters and digits", "write it as `kind` of the objects has it");
        }
        is_kind.then(|| kind.to_owned())
    });
    let group = match fields.get("group").map(group) {
        None => None,
        Some(group) => Some(group?),
    };
    Some(ImageField { place: place(value, &fields)?, kind: kind?, group })
}

fn group(value: &Value<'_>) -> Option<String> {
    let group = value.text()?;
    let legal = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'.');
    if group.bytes().all(legal) {
        return Some(group.to_owned());
    }
    value.invalid("it is no API group", "write what stands before the `/` of `apiVersion`, without the version");
    None
}

fn place(value: &Value<'_>, fields: &Fields<'_>) -> Option<FieldPlace> {
    let path = |name: &str| fields.get(name).map(path);
    let (image, name, tag, digest) = (path("image"), path("name"), path("tag"), path("digest"));
    match (image, name, tag) {
        (Some(image), None, None) if digest.is_none() => Some(FieldPlace::Whole(image?)),
        (None, Some(name), Some(tag)) => {
            let (name, tag) = (name?, tag?);
            let digest = match digest {
                None => None,
                Some(digest) => Some(digest?),
            };
            if !name.is_beside(&tag) {
                let message = format!("has its `tag` in other lists than its `name`: `{tag}` and `{name}`");
                value.error(
                    "config/invalid-value",
                    message,
                    "let both go through the same `[*]`, or `name` through none",
                );
                return None;
            }
            if let Some(digest) = digest.as_ref().filter(|digest| !digest.is_beside(&tag) || !tag.is_beside(digest)) {
                let message = format!("has its `digest` in other lists than its `tag`: `{digest}` and `{tag}`");
                value.error("config/invalid-value", message, "let both go through the same `[*]`");
                return None;
            }
            Some(FieldPlace::Parts { name, tag, digest })
        }
        // A key that could not be read was reported, and may be the one that is missing.
        _ if !fields.is_clean => None,
        (Some(_), _, _) => {
            value.error("config/invalid-value", "has `image`, which is the whole, and a part of it as well", FORM);
            None
        }
        (None, _, _) => {
            value.error("config/missing-key", "does not say where the image stands", FORM);
            None
        }
    }
}

fn path(value: &Value<'_>) -> Option<FieldPath> {
    let text = value.text()?;
    text.parse()
        .map_err(|error| {
            value.invalid(error, "write the keys joined by dots, such as `spec.imageName` or `spec.nodes[*].image`")
        })
        .ok()
}
