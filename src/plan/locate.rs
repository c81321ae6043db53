//! Where the tag of a tracked image stands today: the file, and what is written there.
//!
//! Pure: files are handed in. Nothing is decided about the value.

mod auto;
mod found;
mod generated;
mod overriding;
mod values;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::manifest::place::{Current, Held, Place, Wanted};
use crate::manifest::{EditError, Found, Source};
use crate::model::address::Address;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{HelmSearch, Layer, Search, Target, TrackedImage};
use crate::plan::locate::values::Values;

/// How many files below one directory are searched for an image.
pub const MAX_LISTED: usize = 20_000;
/// How many of them are read because they may name it.
pub const MAX_NAMING: usize = 2_000;

/// The files of a branch, as far as they are looked at.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// Gives a file as it was found at the head.
    pub read: &'a dyn Fn(&RepoPath) -> FileState,
    /// Counts the files of a directory that may be manifests, whatever stands in them; with those below it if asked so.
    pub count: &'a dyn Fn(&RepoPath, bool) -> usize,
    /// Gives those of them that may name the image, sorted; others are not worth reading. Templates of a chart are none.
    pub naming: &'a dyn Fn(&RepoPath, bool) -> Vec<RepoPath>,
    /// Gives those of them in which a word stands; it has no capitals, and no character that a name cannot have.
    pub holding: &'a dyn Fn(&RepoPath, bool, &str) -> Vec<RepoPath>,
}

impl Files<'_> {
    /// Tells whether anything stands at a path that is no directory.
    pub fn is_there(&self, file: &RepoPath) -> bool {
        !matches!((self.read)(file), FileState::Missing)
    }
}

/// Tells whether a file may be a manifest, by its name.
pub fn may_be_manifest(file: &str) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| file.ends_with(ending))
}

/// A file of the repository, as it was found at the head.
#[derive(Clone, Debug)]
pub enum FileState {
    /// There is none.
    Missing,
    /// Something that is no regular file: what it is, such as `a symlink`.
    NotRegular(&'static str),
    /// It cannot be read or parsed.
    Unreadable(Arc<EditError>),
    /// A parsed file.
    Parsed(Arc<Source>),
}

/// Why something could not be done, with its code and what to do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// Stable code.
    pub code: String,
    /// What failed, on what.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Line in the file, if one is meant.
    pub line: Option<u64>,
}

/// A located image: the file that counts, the place in it, and what stands there or why it cannot be said.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Located {
    /// The file that would be written.
    pub file: RepoPath,
    /// The place in it; none where it is not known which one.
    pub place: Option<Place>,
    /// The key path as people read it, if there is one.
    pub key: Option<String>,
    /// The place without predicates, so that two spellings of one scalar are one place.
    pub spot: String,
    /// What stands there.
    pub site: Result<Site, Failure>,
}

/// What stands at a located place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Site {
    /// What stands at the place itself.
    pub held: Held,
    /// Where the image's name must be written, for it is absent, and as what: without its registry where the chart keeps
    /// that apart.
    pub write_name: Option<(Address, String)>,
    /// The place of what is held, where it is another one: nothing stands at the place itself, and this counts until
    /// something does.
    pub below: Option<(RepoPath, Place)>,
}

impl Site {
    /// Gives the tag that stands there.
    pub fn tag(&self) -> Option<&str> {
        self.held.tag.as_deref()
    }

    /// Gives the value as outcomes show it: the tag, with its digest if one pins it; none where nothing stands.
    pub fn shown(&self) -> Option<String> {
        match &self.held.current {
            Current::Absent | Current::Null => None,
            Current::Text(_) => Some(shown(self.held.tag.as_deref(), self.held.digest.as_deref())),
        }
    }
}

/// Gives a tag and a digest as one text: `tag`, `tag@sha256:…`, `sha256:…`, or nothing.
pub fn shown(tag: Option<&str>, digest: Option<&str>) -> String {
    match (tag.filter(|tag| !tag.is_empty()), digest) {
        (Some(tag), Some(digest)) => format!("{tag}@{digest}"),
        (None, Some(digest)) => digest.to_owned(),
        (tag, None) => tag.unwrap_or_default().to_owned(),
    }
}

/// Finds the places of an image; several where one image stands at several places that are written together.
pub fn locate(image: &TrackedImage, target: &Target, files: Files<'_>) -> Vec<Located> {
    let Some(name) = &image.image else {
        // Who cannot be read has no place; its refusal says why.
        return Vec::new();
    };
    match &image.rendered {
        Some(rendered) => generated::locate(image, rendered, target, files),
        None => search(&target.search, auto::Auto { image, name, files, declared: &target.declared }),
    }
}

fn search(wanted: &Search, search: auto::Auto<'_>) -> Vec<Located> {
    let auto::Auto { image, name, files, .. } = search;
    match wanted {
        Search::Helm(helm) => vec![helm_values(name, helm, files)],
        Search::Values(values) => search.values(values),
        Search::Kustomization { directory, name } => search.kustomization(directory, name.as_deref()),
        Search::Manifests(path) => search.manifests(path),
        Search::Images(images) => search.image_strings(images),
        Search::Overrides(overrides) => vec![search.overrides(overrides)],
        Search::Auto(auto) => search.anywhere(auto),
        Search::Address(address) => search.address(address),
        Search::Object(object) => search.object(object),
        Search::Sources(all) => found::across(image, all.iter().map(|one| self::search(one, search)).collect()),
    }
}

/// Finds the layer that holds the key: the last of Helm's order that does, else the fallback.
fn helm_values(image: &ImageName, helm: &HelmSearch, files: Files<'_>) -> Located {
    for layer in helm.files.iter().rev() {
        match (files.read)(&layer.file) {
            FileState::Parsed(source) => match values::read(layer, &source, &helm.key) {
                Ok(Found::Absent { .. }) => {}
                Ok(_) | Err(_) => return at(image, helm, layer, &source, files),
            },
            FileState::Missing => {}
            // A file that cannot be read may hold the key, so no other one may be taken for it.
            broken @ (FileState::NotRegular(_) | FileState::Unreadable(_)) => {
                return not_at(helm, layer, unusable(&layer.file, &broken));
            }
        }
    }
    let layer = &helm.fallback;
    match (files.read)(&layer.file) {
        FileState::Parsed(source) => at(image, helm, layer, &source, files),
        broken => not_at(helm, layer, unusable(&layer.file, &broken)),
    }
}

fn at(image: &ImageName, helm: &HelmSearch, layer: &Layer, source: &Source, files: Files<'_>) -> Located {
    let Some(place) = values::place(layer, source, &helm.key, helm.form) else {
        let message = format!("{}: `{}` is too long for a key path there", layer.file, helm.key);
        let failure = Failure { code: "edit/no-such-key".to_owned(), message, hint: None, line: None };
        return not_at(helm, layer, failure);
    };
    let (key, spot) = (Some(place.key()), place.canonical(source));
    let over = overriding::overriding(&helm.overriding, &helm.values, layer, &helm.key);
    let site = match over {
        Some(over) => Err(overriding::overridden(over, &layer.file, &helm.key)),
        None => site(image, helm, layer, &place, source, files),
    };
    // What has no effect is nobody's place.
    let place = Some(place).filter(|_| over.is_none());
    Located { file: layer.file.clone(), key, spot, place, site }
}

fn not_at(helm: &HelmSearch, layer: &Layer, failure: Failure) -> Located {
    let place = layer.part.is_none().then(|| Place::of(Address::first(helm.key.clone()), helm.form));
    let key = Some(place.as_ref().map_or_else(|| helm.key.to_string(), Place::key));
    Located { file: layer.file.clone(), spot: key.clone().unwrap_or_default(), key, place, site: Err(failure) }
}

/// Tries an edit of a place without a value to write: says why the editor would refuse any, such as in a SOPS file.
pub fn refused_edit(image: &ImageName, located: &Located, source: &Source) -> Option<Failure> {
    let wanted = Wanted { tag: Some("0.0.0".to_owned()), digest: None };
    let place = located.place.as_ref()?;
    let edited = source.check_name(located.file.as_str()).and_then(|()| place.write(source, image, &wanted));
    edited.err().map(|error| edit_failure(&located.file, &error))
}

/// Turns an error of the editor into a failure that names the file.
pub fn edit_failure(file: &RepoPath, error: &EditError) -> Failure {
    Failure {
        code: error.code().to_owned(),
        message: format!("{file}: {error}"),
        hint: error.hint(),
        line: error.line(),
    }
}

fn site(
    name: &ImageName,
    helm: &HelmSearch,
    layer: &Layer,
    place: &Place,
    source: &Source,
    files: Files<'_>,
) -> Result<Site, Failure> {
    let file = &layer.file;
    let failed = |error: EditError| edit_failure(file, &error);
    let write_name = match &helm.name_key {
        Some(key) => {
            values::read(layer, source, key).map_err(failed)?;
            let values = Values::new(&helm.values, files);
            let missing = |name: String| values::address(layer, source, key).map(|address| (address, name));
            match values.text(key) {
                Some(text) if !values.name_image(key, &text.value, name) => {
                    let (at, value) = (&text.file, &text.value);
                    let message =
                        format!("{at}: `{key}` names the image `{value}`, and the annotations track `{name}`");
                    let hint = "correct the image in `image-list` or the key path of the name".to_owned();
                    return Err(Failure {
                        code: "edit/other-image".to_owned(),
                        message,
                        hint: Some(hint),
                        line: Some(text.line).filter(|_| at == file),
                    });
                }
                Some(_) => None,
                None if values.name_image(key, name.repository(), name) => missing(name.repository().to_owned()),
                None => missing(name.to_string()),
            }
        }
        None => None,
    };
    let held = place.read(source, name).map_err(failed)?;
    place.check_named(source, name).map_err(failed)?;
    if held.current != Current::Absent {
        return Ok(Site { held, write_name, below: None });
    }
    // Until a tag is added, the one that counts is that of a lower layer.
    Ok(match values::lower(helm, layer, name, files) {
        Some((below, lower)) => {
            let held = Held { current: lower.current, tag: lower.tag, line: None, ..held };
            Site { held, write_name, below: Some(below) }
        }
        None => Site { held, write_name, below: None },
    })
}

/// A file without a place, and why there is none.
fn broken(file: &RepoPath, failure: Failure) -> Located {
    Located { file: file.clone(), place: None, key: None, spot: String::new(), site: Err(failure) }
}

fn unusable(file: &RepoPath, state: &FileState) -> Failure {
    match state {
        FileState::Unreadable(error) => edit_failure(file, error),
        FileState::NotRegular(what) => Failure {
            code: "git/not-regular".to_owned(),
            message: format!("{file} is {what}, and only regular files are read and written"),
            hint: Some("name the file that it points to".to_owned()),
            line: None,
        },
        FileState::Missing | FileState::Parsed(_) => Failure {
            code: "edit/no-such-file".to_owned(),
            message: format!("{file} does not exist"),
            hint: Some("name the file that holds the tag in `write-back-target: helmvalues:<file>`".to_owned()),
            line: None,
        },
    }
}
