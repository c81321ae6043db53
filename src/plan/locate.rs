//! Where the tag of a tracked image stands today: the file, and what is written there.
//!
//! Pure: files are handed in. Nothing is decided about the value.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::manifest::place::{Current, Held, Place, Wanted};
use crate::manifest::{EditError, Found, Source};
use crate::model::key_path::KeyPath;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{Form, HelmSearch, Search, Target, TrackedImage};

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
pub fn locate(image: &TrackedImage, target: &Target, read: &dyn Fn(&RepoPath) -> FileState) -> Vec<Located> {
    match &target.search {
        Search::Helm(helm) => vec![helm_values(image, helm, read)],
    }
}

/// Finds the file that holds the key: the last of Helm's order that does, else the fallback.
fn helm_values(image: &TrackedImage, helm: &HelmSearch, read: &dyn Fn(&RepoPath) -> FileState) -> Located {
    for file in helm.files.iter().rev() {
        match read(file) {
            FileState::Parsed(source) => match source.read(&helm.key) {
                Ok(Found::Absent { .. }) => {}
                _ => return at(helm, file, Some(&source), site(image, helm, file, &source, read)),
            },
            FileState::Missing => {}
            // A file that cannot be read may hold the key, so no other one may be taken for it.
            broken => return at(helm, file, None, Err(unusable(file, &broken))),
        }
    }
    let file = &helm.fallback;
    match read(file) {
        FileState::Parsed(source) => at(helm, file, Some(&source), site(image, helm, file, &source, read)),
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
    image: &TrackedImage,
    helm: &HelmSearch,
    file: &RepoPath,
    source: &Source,
    files: &dyn Fn(&RepoPath) -> FileState,
) -> Result<Site, Failure> {
    let failed = |error: EditError| edit_failure(file, &error);
    let Some(name) = &image.image else {
        let message = format!("{file}: the image `{}` cannot be read", image.image_text);
        return Err(Failure { code: "annotation/invalid".to_owned(), message, hint: None, line: None });
    };
    let write_name = match &helm.name_key {
        Some(key) => {
            source.read(key).map_err(failed)?;
            let values = Values::new(helm, files);
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

/// The value files as Helm lays them over each other, as far as they can be read; the last one wins.
struct Values<'a> {
    files: Vec<(&'a RepoPath, Arc<Source>)>,
}

impl<'a> Values<'a> {
    fn new(helm: &'a HelmSearch, read: &dyn Fn(&RepoPath) -> FileState) -> Self {
        let parsed = |file: &'a RepoPath| match read(file) {
            FileState::Parsed(source) => Some((file, source)),
            FileState::Missing | FileState::NotRegular(_) | FileState::Unreadable(_) => None,
        };
        Self { files: helm.values.iter().filter_map(parsed).collect() }
    }

    /// Gives the text that counts at a key, with its file and line.
    fn text(&self, key: &KeyPath) -> Option<(&'a RepoPath, String, u64)> {
        self.files.iter().rev().find_map(|(file, source)| match source.read(key) {
            Ok(Found::Text { value, line }) => Some((*file, value, line)),
            _ => None,
        })
    }

    /// Tells whether the name at `key` is the image: whole, or without its registry where a chart keeps that apart.
    fn name_image(&self, key: &KeyPath, value: &str, image: &ImageName) -> bool {
        let is_image = |text: &str| text.parse::<ImageName>().is_ok_and(|name| name == *image);
        let beside = key.parent().and_then(|parent| parent.child("registry").ok()).into_iter();
        let global = ["global.imageRegistry", "global.image.registry"]
            .into_iter()
            .filter_map(|text| text.parse::<KeyPath>().ok());
        let registries = beside.chain(global).filter_map(|key| self.text(&key)).map(|(_, value, _)| value);
        is_image(value)
            || registries
                .filter(|registry| !registry.is_empty())
                .any(|registry| is_image(&format!("{registry}/{value}")))
    }
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
