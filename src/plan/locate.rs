//! Where the tag of a tracked image stands today: the file, and what is written there.
//!
//! Pure: files are handed in. Nothing is decided about the value.

mod auto;
mod found;
mod values;

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::manifest::place::{Current, Held, Place, Wanted};
use crate::manifest::{EditError, Found, Source};
use crate::model::key_path::KeyPath;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{Form, HelmSearch, Search, Target, TrackedImage};
use crate::plan::locate::values::Values;

/// How many files below one directory are looked into.
pub const MAX_LISTED: usize = 2_000;

/// The files of a branch, as far as they are looked at.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// Gives a file as it was found at the head.
    pub read: &'a dyn Fn(&RepoPath) -> FileState,
    /// Gives the files below a directory that may be manifests, sorted, whatever stands in them.
    pub list: &'a dyn Fn(&RepoPath) -> Vec<RepoPath>,
    /// Tells whether a listed file may name the image, as [`may_name`] says of its bytes: others are not worth reading.
    pub may_name: &'a dyn Fn(&RepoPath) -> bool,
}

/// Tells whether a file may be a manifest, by its name.
pub fn may_be_manifest(file: &RepoPath) -> bool {
    [".yaml", ".yml", ".json"].iter().any(|ending| file.as_str().ends_with(ending))
}

/// Tells whether a file may name an image, by its bytes alone: what cannot is not worth parsing.
pub fn may_name(bytes: &[u8], image: &ImageName) -> bool {
    let last = image.repository().rsplit('/').next().unwrap_or_default().as_bytes();
    !last.is_empty() && bytes.windows(last.len()).any(|window| window == last)
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
#[derive(Clone, Debug, Eq, PartialEq)]
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
#[derive(Clone, Debug, Eq, PartialEq)]
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    /// What stands at the place itself.
    pub held: Held,
    /// Where the image's name must be written, for it is absent, and as what: without its registry where the chart keeps
    /// that apart.
    pub write_name: Option<(KeyPath, String)>,
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
    search(&target.search, auto::Auto { image, name, files })
}

fn search(wanted: &Search, search: auto::Auto<'_>) -> Vec<Located> {
    let auto::Auto { image, name, files } = search;
    match wanted {
        Search::Helm(helm) => vec![helm_values(name, helm, files)],
        Search::Values(values) => search.values(values),
        Search::Kustomization { directory, name } => search.kustomization(directory, name.as_deref()),
        Search::Manifests(path) => search.manifests(path),
        Search::Auto(auto) => search.anywhere(auto),
        Search::Sources(all) => found::across(image, all.iter().map(|one| self::search(one, search)).collect()),
    }
}

/// Finds the file that holds the key: the last of Helm's order that does, else the fallback.
fn helm_values(image: &ImageName, helm: &HelmSearch, files: Files<'_>) -> Located {
    for file in helm.files.iter().rev() {
        match (files.read)(file) {
            FileState::Parsed(source) => match source.read(&helm.key) {
                Ok(Found::Absent { .. }) => {}
                Ok(_) | Err(_) => return at(helm, file, Some(&source), site(image, helm, file, &source, files)),
            },
            FileState::Missing => {}
            // A file that cannot be read may hold the key, so no other one may be taken for it.
            broken @ (FileState::NotRegular(_) | FileState::Unreadable(_)) => {
                return at(helm, file, None, Err(unusable(file, &broken)));
            }
        }
    }
    let file = &helm.fallback;
    match (files.read)(file) {
        FileState::Parsed(source) => at(helm, file, Some(&source), site(image, helm, file, &source, files)),
        broken => at(helm, file, None, Err(unusable(file, &broken))),
    }
}

fn at(helm: &HelmSearch, file: &RepoPath, source: Option<&Source>, site: Result<Site, Failure>) -> Located {
    let place = place_of(helm);
    let spot = source.map_or_else(|| place.key(), |source| place.canonical(source));
    Located { file: file.clone(), key: Some(place.key()), spot, place: Some(place), site }
}

fn place_of(helm: &HelmSearch) -> Place {
    match helm.form {
        Form::Tag => Place::Tag(helm.key.clone()),
        Form::Spec => Place::Spec(helm.key.clone()),
    }
}

/// Tries an edit of a place without a value to write: says why the editor would refuse any, such as in a SOPS file.
pub fn refused_edit(image: &ImageName, located: &Located, source: &Source) -> Option<Failure> {
    let wanted = Wanted { tag: Some("0.0.0".to_owned()), digest: None };
    let place = located.place.as_ref()?;
    place.write(source, image, &wanted).err().map(|error| edit_failure(&located.file, &error))
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
    file: &RepoPath,
    source: &Source,
    files: Files<'_>,
) -> Result<Site, Failure> {
    let failed = |error: EditError| edit_failure(file, &error);
    let write_name = match &helm.name_key {
        Some(key) => {
            source.read(key).map_err(failed)?;
            let values = Values::new(&helm.values, files);
            match values.text(key) {
                Some((at, value, line)) if !values.name_image(key, &value, name) => {
                    let message =
                        format!("{at}: `{key}` names the image `{value}`, and the annotations track `{name}`");
                    let hint = "correct the image in `image-list` or the key path of the name".to_owned();
                    return Err(Failure {
                        code: "edit/other-image".to_owned(),
                        message,
                        hint: Some(hint),
                        line: Some(line).filter(|_| at == file),
                    });
                }
                Some(_) => None,
                None if values.name_image(key, name.repository(), name) => {
                    Some((key.clone(), name.repository().to_owned()))
                }
                None => Some((key.clone(), name.to_string())),
            }
        }
        None => None,
    };
    let held = place_of(helm).read(source, name).map_err(failed)?;
    Ok(Site { held, write_name })
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
