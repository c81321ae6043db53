//! Where the tag of a tracked image stands today: the file, and what is written there.
//!
//! Pure: files are handed in. Nothing is decided about the value.

use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::manifest::{EditError, Found, Source};
use crate::model::key_path::KeyPath;
use crate::model::names::{ImageName, RepoPath, Tag};
use crate::model::tracked::{Form, Target, TrackedImage};

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

/// What stands at the place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Current {
    /// Nothing, and the key can be inserted there.
    Absent,
    /// A null.
    Null,
    /// A text.
    Text(String),
}

/// The place of a tracked image and what stands there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Site {
    /// What stands at the key.
    pub current: Current,
    /// The tag in it, without a digest.
    pub tag: Option<String>,
    /// A digest pins the image there: `tag@sha256:…`, or a key `digest` beside the tag.
    pub pinned: bool,
    /// For [`Form::Spec`]: the image's name as it is written there.
    pub name: Option<String>,
    /// Where the image's name must be written, for it is absent, and as what: without its registry where the chart keeps
    /// that apart.
    pub write_name: Option<(KeyPath, String)>,
}

/// A located image: the file that counts, and what stands there or why it cannot be said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Located {
    /// The file that would be written.
    pub file: RepoPath,
    /// The key path without predicates, so that two spellings of one scalar are one place.
    pub spot: String,
    /// The place.
    pub site: Result<Site, Failure>,
}

/// Finds the file that holds the key: the last of Helm's order that does, else the target's fallback.
pub fn locate(image: &TrackedImage, target: &Target, read: &dyn Fn(&RepoPath) -> FileState) -> Located {
    for file in target.files.iter().rev() {
        match read(file) {
            FileState::Parsed(source) => match source.read(&target.key) {
                Ok(Found::Absent { .. }) => {}
                _ => return at(target, file, Some(&source), site(image, target, file, &source, read)),
            },
            FileState::Missing => {}
            // A file that cannot be read may hold the key, so no other one may be taken for it.
            broken => return at(target, file, None, Err(unusable(file, &broken))),
        }
    }
    let file = &target.fallback;
    match read(file) {
        FileState::Parsed(source) => at(target, file, Some(&source), site(image, target, file, &source, read)),
        broken => at(target, file, None, Err(unusable(file, &broken))),
    }
}

fn at(target: &Target, file: &RepoPath, source: Option<&Source>, site: Result<Site, Failure>) -> Located {
    let spot = source.map_or_else(|| target.key.to_string(), |source| source.canonical(&target.key));
    Located { file: file.clone(), spot, site }
}

/// Gives the tag of a value as it stands at a place: the text itself, or what follows the name of a spec.
pub fn tag_of(form: Form, image: &ImageName, value: &str) -> Option<String> {
    let text = match form {
        Form::Tag => value,
        Form::Spec => {
            let (name, tag) = split_spec(value);
            name.parse::<ImageName>().ok().filter(|name| name == image)?;
            tag?
        }
    };
    Some(text.split_once('@').map_or(text, |(tag, _)| tag).to_owned())
}

/// Gives the text that stands at the place when `tag` is written.
pub fn value_of(form: Form, site_name: Option<&str>, image: &ImageName, tag: &str) -> String {
    match (form, site_name) {
        (Form::Tag, _) => tag.to_owned(),
        (Form::Spec, Some(name)) => format!("{name}:{tag}"),
        (Form::Spec, None) => format!("{image}:{tag}"),
    }
}

/// Tries an edit of a place without a value to write: says why the editor would refuse any, such as in a SOPS file.
pub fn refused_edit(
    target: &Target,
    image: &ImageName,
    file: &RepoPath,
    site: &Site,
    source: &Source,
) -> Option<Failure> {
    let value = value_of(target.form, site.name.as_deref(), image, "0.0.0");
    source.set(&target.key, &value).err().map(|error| edit_failure(file, &error))
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
    target: &Target,
    file: &RepoPath,
    source: &Source,
    files: &dyn Fn(&RepoPath) -> FileState,
) -> Result<Site, Failure> {
    let read = |key: &KeyPath| source.read(key).map_err(|error| edit_failure(file, &error));
    let fail = |code: &str, message: String, hint: &str, line| {
        Err(Failure { code: code.to_owned(), message: format!("{file}: {message}"), hint: Some(hint.to_owned()), line })
    };
    let write_name = match (&target.name_key, &image.image) {
        (Some(key), Some(name)) => {
            read(key)?;
            let values = Values::new(target, files);
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
        _ => None,
    };
    let (current, line) = match read(&target.key)? {
        Found::Absent { insertable: true, .. } => (Current::Absent, None),
        Found::Absent { nearest, .. } => {
            let hint = nearest.map_or_else(
                || "correct the key path in the annotation".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return fail("edit/no-such-key", format!("there is no key `{}`", target.key), &hint, None);
        }
        Found::Null { line } => (Current::Null, Some(line)),
        Found::Text { value, line } => (Current::Text(value), Some(line)),
    };
    let Current::Text(value) = &current else {
        return Ok(Site { current, tag: None, pinned: false, name: None, write_name });
    };
    if value.contains("{{") {
        let message = format!("the value of `{}` is a template: `{value}`", target.key);
        return fail(
            "edit/template",
            message,
            "name the key path of the place where the template takes the tag from",
            line,
        );
    }
    let pinned = value.contains('@') || (target.form == Form::Tag && has_digest_beside(source, &target.key));
    let (name, tag) = match target.form {
        Form::Tag => {
            let tag = value.split_once('@').map_or(value.as_str(), |(tag, _)| tag);
            // A wrong key path must not overwrite what is no tag.
            if !tag.is_empty() && tag.parse::<Tag>().is_err() {
                let message = format!("`{}` holds `{value}`, which is no image tag", target.key);
                let hint =
                    "correct the key path; for a place that holds the whole image with its tag use `helm.image-spec`";
                return fail("edit/other-image", message, hint, line);
            }
            (None, Some(tag.to_owned()))
        }
        Form::Spec => {
            let (name, tag) = split_spec(value);
            let same =
                image.image.as_ref().is_some_and(|image| name.parse::<ImageName>().is_ok_and(|other| other == *image));
            if !value.is_empty() && !same {
                let message =
                    format!("`{}` holds `{value}`, which is not the image `{}`", target.key, image.image_text);
                let hint = "`helm.image-spec` wants the place of the whole image with its tag; for the tag alone use `helm.image-tag`";
                return fail("edit/other-image", message, hint, line);
            }
            let tag = tag.map(|tag| tag.split_once('@').map_or(tag, |(tag, _)| tag).to_owned());
            ((!value.is_empty()).then(|| name.to_owned()), tag)
        }
    };
    Ok(Site { current, tag, pinned, name, write_name })
}

/// Splits `name:tag@digest` into the name and what follows; the `:` of a port is part of the name.
fn split_spec(value: &str) -> (&str, Option<&str>) {
    let (before_digest, _) = value.split_once('@').unwrap_or((value, ""));
    let last = before_digest.rfind('/').map_or(0, |at| at + 1);
    match before_digest.get(last..).and_then(|part| part.find(':')) {
        Some(at) => (value.get(..last + at).unwrap_or(value), value.get(last + at + 1..)),
        None => (before_digest, None),
    }
}

/// The value files as Helm lays them over each other, as far as they can be read; the last one wins.
struct Values<'a> {
    files: Vec<(&'a RepoPath, Arc<Source>)>,
}

impl<'a> Values<'a> {
    fn new(target: &'a Target, read: &dyn Fn(&RepoPath) -> FileState) -> Self {
        let parsed = |file: &'a RepoPath| match read(file) {
            FileState::Parsed(source) => Some((file, source)),
            FileState::Missing | FileState::NotRegular(_) | FileState::Unreadable(_) => None,
        };
        Self { files: target.values.iter().filter_map(parsed).collect() }
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

/// Charts that know `digest` beside `tag` prefer the digest.
fn has_digest_beside(source: &Source, key: &KeyPath) -> bool {
    let beside = key.parent().and_then(|parent| parent.child("digest").ok());
    beside.is_some_and(|key| matches!(source.read(&key), Ok(Found::Text { value, .. }) if !value.is_empty()))
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
