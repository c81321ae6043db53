//! The version of a Helm chart as the place of a tag: in a registry, the `+` of a version is a `_` (Helm, "OCI registries").

use crate::manifest::Source;
use crate::manifest::error::EditError;
use crate::manifest::locate::OF_CHARTS;
use crate::manifest::place::scalars::{At, text_at};
use crate::manifest::place::{Current, Held, Wanted, clean};
use crate::model::names::ImageName;
use crate::model::tracked::Form;
use crate::model::version::Version;

/// Reads the version; a range is none, since whoever deploys the chart chooses from it.
pub(super) fn read(source: &Source, at: &At, image: &ImageName) -> Result<Held, EditError> {
    let (value, line) = match text_at(source, at, image, Form::Tag)? {
        Ok(found) => found,
        Err(held) => return Ok(held),
    };
    if !is_exact(&value) {
        return Err(EditError::Range { path: at.1.to_string(), line, value: clean(&value) });
    }
    let tag = Some(value.replace('+', "_"));
    Ok(Held { current: Current::Text(value), tag, digest: None, name: None, line: Some(line) })
}

/// Writes a tag as a version.
pub(super) fn write(source: &Source, at: &At, image: &ImageName, wanted: &Wanted) -> Result<String, EditError> {
    let held = read(source, at, image)?;
    let refused = |why: String| Err(EditError::unproven(&at.1, held.line, why));
    let version = match (wanted.tag.as_deref(), &wanted.digest) {
        (Some(tag), None) => tag.replace('_', "+"),
        _ => return refused("a chart is chosen by its version, and a digest is none".to_owned()),
    };
    if !is_exact(&version) {
        return refused(format!("the tag `{}` is no version of a chart", clean(&version)));
    }
    Ok(source.set_in(at.0, &at.1, &version, OF_CHARTS)?.text)
}

/// Tells whether a text is one version with all of its three numbers: fewer are a range to Flux and Helm.
fn is_exact(text: &str) -> bool {
    text.parse::<Version>().is_ok_and(|version| version.parts() == 3)
}
