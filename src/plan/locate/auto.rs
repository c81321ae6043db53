//! Finds an image by its name: in Helm values, in a kustomization, in manifests, or in whatever the source is made of.

use crate::manifest::place::{Held, Place};
use crate::manifest::{EditError, Source, kustomization, manifests};
use crate::model::application::PREFIX;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{AutoSearch, CHART, Form, Tool, TrackedImage, ValuesSearch, kustomizations};
use crate::plan::locate::found::{Found, listed, nowhere, settle};
use crate::plan::locate::values::{Named, Values};
use crate::plan::locate::{Failure, FileState, Files, Located, MAX_LISTED, edit_failure, unusable};

/// The values that a chart has of its own.
const VALUES: &str = "values.yaml";

/// One search for one image.
#[derive(Clone, Copy)]
pub(super) struct Auto<'a> {
    pub(super) image: &'a TrackedImage,
    pub(super) name: &'a ImageName,
    pub(super) files: Files<'a>,
}

/// What was found below a directory.
struct Below {
    places: Vec<Found>,
    /// What is wrong with files that may name the image and cannot be read.
    unread: Vec<String>,
    /// Whether there are files that may be manifests.
    is_there: bool,
}

impl Below {
    /// Says which files could not be looked into.
    fn unread(&self) -> String {
        match self.unread.as_slice() {
            [] => String::new(),
            [one] => format!(", but not into {one}"),
            [first, rest @ ..] => format!(", but not into {first}, and into {} more that cannot be read", rest.len()),
        }
    }
}

/// Places with a tag, and those that name the image without one.
type Places = (Vec<Found>, Vec<Found>);

impl Auto<'_> {
    /// Finds the places in value files.
    pub(super) fn values(&self, search: &ValuesSearch) -> Vec<Located> {
        match self.in_values(search) {
            Ok((places, empty)) => settle(self.image, places, &empty, &search.fallback, &list(&search.values)),
            Err(located) => vec![*located],
        }
    }

    /// Finds the entries of a kustomization, or where one is to be added.
    pub(super) fn kustomization(&self, directory: &RepoPath, named: Option<&str>) -> Vec<Located> {
        let (file, source) = match self.kustomization_file(directory) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let message = format!("the directory `{directory}` has no kustomization file");
                let hint = "name the directory that has one in `write-back-target: kustomization:<dir>`".to_owned();
                return vec![nowhere(directory.clone(), "edit/no-such-file", message, hint)];
            }
            Err(located) => return vec![*located],
        };
        let mut names = match kustomization::find(&source, self.name, named) {
            Ok(found) => found,
            Err(error) => return vec![broken(&file, edit_failure(&file, &error))],
        };
        if names.is_empty() {
            names.push(named.map_or_else(|| familiar(self.name), str::to_owned));
        }
        let entries = names.into_iter().map(|name| self.entry(&file, &source, name)).collect();
        settle(self.image, entries, &[], &file, &format!("{file}"))
    }

    /// Finds the `image:` fields of a file, or of the files below a directory.
    pub(super) fn manifests(&self, path: &RepoPath) -> Vec<Located> {
        let annotation = |file: &RepoPath| format!("`{PREFIX}write-back-target: /{file}`");
        match (self.files.read)(path) {
            FileState::Parsed(source) => {
                settle(self.image, self.fields(path, &source, &annotation(path)), &[], path, &format!("`{path}`"))
            }
            state @ (FileState::NotRegular(_) | FileState::Unreadable(_)) => vec![broken(path, unusable(path, &state))],
            FileState::Missing => match self.below(path, true) {
                Ok(below) if below.is_there => {
                    let looked = format!("the manifests below `{path}`{}", below.unread());
                    settle(self.image, below.places, &[], path, &looked)
                }
                Ok(_) => {
                    let message = format!("{path} does not exist, neither as a file nor as a directory of manifests");
                    let hint =
                        "write `helmvalues`, `kustomization` or the path of a manifest; without a leading `/` it \
                                is relative to the source path"
                            .to_owned();
                    vec![nowhere(path.clone(), "edit/no-such-file", message, hint)]
                }
                Err(located) => vec![*located],
            },
        }
    }

    /// Finds the places in whatever the source is made of.
    pub(super) fn anywhere(&self, auto: &AutoSearch) -> Vec<Located> {
        self.try_anywhere(auto).unwrap_or_else(|located| vec![*located])
    }

    fn try_anywhere(&self, auto: &AutoSearch) -> Result<Vec<Located>, Box<Located>> {
        let is_there = |file: &RepoPath| !matches!((self.files.read)(file), FileState::Missing);
        let kustomization = match auto.tool(&is_there) {
            Tool::Helm => return Ok(self.values(&auto.values)),
            Tool::Kustomize => self.kustomization_file(&auto.path)?,
            Tool::Directory => None,
        };
        let shown = if auto.path.as_str().is_empty() { "the repository's root" } else { auto.path.as_str() };
        if let Some((file, source)) = kustomization {
            let names = match kustomization::find(&source, self.name, None) {
                Ok(names) => names,
                Err(error) => return Ok(vec![broken(&file, edit_failure(&file, &error))]),
            };
            let entries = names.into_iter().map(|name| self.entry(&file, &source, name));
            // An entry that only renames leaves the tag to the manifests.
            let is_place = |entry: &Found| entry.held.as_ref().map_or(true, says_what_runs);
            let (mut places, empty): Places = entries.partition(is_place);
            let mut looked = format!("`images:` of {file}");
            if places.is_empty() {
                let below = self.below(&auto.path, true)?;
                looked = format!("{looked} and the manifests below `{shown}`{}", below.unread());
                places = below.places;
            }
            return Ok(settle(self.image, places, &empty, &file, &looked));
        }
        let below = self.below(&auto.path, auto.is_recursive)?;
        let mut values = auto.values.clone();
        if !below.places.is_empty() {
            // Nobody reads the values of a directory of manifests, unless another source lists them.
            let is_listed = |file: &RepoPath| auto.path.join(VALUES).as_ref() != Some(file);
            values.values.retain(is_listed);
            values.files.retain(is_listed);
        }
        let (mut places, empty) = self.in_values(&values)?;
        let looked = format!("{} and the manifests of `{shown}`{}", list(&values.values), below.unread());
        places.extend(below.places);
        Ok(settle(self.image, places, &empty, &values.fallback, &looked))
    }

    fn in_values(&self, search: &ValuesSearch) -> Result<Places, Box<Located>> {
        for file in &search.values {
            let state = (self.files.read)(file);
            // What cannot be read may name the image, so no other file may be taken for it.
            if matches!(state, FileState::NotRegular(_) | FileState::Unreadable(_)) {
                return Err(Box::new(broken(file, unusable(file, &state))));
            }
        }
        let values = Values::new(&search.values, self.files);
        let alias = self.image.alias.replace('/', "_");
        let (mut places, mut empty, mut elsewhere) = (Vec::new(), Vec::new(), Vec::new());
        let is_meant = |named: &Named| search.name_key.as_ref().is_none_or(|key| *key == named.name);
        for named in values.named(self.name).into_iter().filter(is_meant) {
            let (place, word) = match named.form {
                Form::Tag => (Place::Tag(named.key.clone()), "tag"),
                Form::Spec => (Place::Spec(named.key.clone()), "spec"),
            };
            let annotation = format!("`{PREFIX}{alias}.helm.image-{word}: {}`", named.key);
            let Some((file, source)) = values.holder(&named.key).or_else(|| values.holder(&named.name)) else {
                continue;
            };
            let held = place.read(source, self.name);
            let says_what_runs = match &held {
                Ok(held) => says_what_runs(held),
                Err(error) => !matches!(error, EditError::NoSuchKey { .. }),
            };
            let held = held.map_err(|error| edit_failure(file, &error));
            let found = Found::read(file, place, source, held, annotation);
            if !says_what_runs {
                empty.push(found);
            } else if search.files.contains(file) {
                places.push(found);
            } else {
                elsewhere.push(found);
            }
        }
        if places.is_empty() && !elsewhere.is_empty() {
            let (image, target) = (&self.image.image_text, &search.fallback);
            let message = format!("{target} does not set the tag of `{image}`: it stands at {}", listed(&elsewhere));
            let hint = format!("set it in {target} once, or name the file that holds it in `write-back-target`");
            return Err(Box::new(nowhere(target.clone(), "target/not-found", message, hint)));
        }
        Ok((places, empty))
    }

    /// Gives the kustomization file of a directory, if it has one.
    fn kustomization_file(
        &self,
        directory: &RepoPath,
    ) -> Result<Option<(RepoPath, std::sync::Arc<Source>)>, Box<Located>> {
        let states = kustomizations(directory).into_iter().map(|file| ((self.files.read)(&file), file));
        let mut there = states.filter(|(state, _)| !matches!(state, FileState::Missing));
        let first = there.next();
        if let (Some((_, first)), Some((_, second))) = (&first, there.next()) {
            let message = format!("`{directory}` has {first} and {second}, and kustomize refuses more than one");
            let hint = "remove one of them".to_owned();
            return Err(Box::new(nowhere(first.clone(), "edit/duplicate-key", message, hint)));
        }
        match first {
            None => Ok(None),
            Some((FileState::Parsed(source), file)) => Ok(Some((file, source))),
            Some((state, file)) => Err(Box::new(broken(&file, unusable(&file, &state)))),
        }
    }

    fn entry(&self, file: &RepoPath, source: &Source, name: String) -> Found {
        let alias = self.image.alias.replace('/', "_");
        let annotation = format!("`{PREFIX}{alias}.kustomize.image-name: {name}`");
        let place = Place::Entry { name: name.clone(), is_digest: false };
        let held = place.read(source, self.name).map_err(|error| edit_failure(file, &error));
        let is_digest = held.as_ref().is_ok_and(|held| held.tag.is_none() && held.digest.is_some());
        Found::read(file, Place::Entry { name, is_digest }, source, held, annotation)
    }

    /// Finds the fields of the manifests below a directory.
    fn below(&self, directory: &RepoPath, is_recursive: bool) -> Result<Below, Box<Located>> {
        let all = (self.files.list)(directory);
        let is_meant = |file: &&RepoPath| is_recursive || file.parent() == *directory;
        let files: Vec<&RepoPath> = all.iter().filter(is_meant).collect();
        if files.len() > MAX_LISTED {
            let message = format!("more than {MAX_LISTED} files stand below `{directory}`, and none was looked into");
            let hint = format!("name the manifest: `{PREFIX}write-back-target: <path>`");
            return Err(Box::new(nowhere(directory.clone(), "target/not-found", message, hint)));
        }
        let mut below = Below { places: Vec::new(), unread: Vec::new(), is_there: !all.is_empty() };
        for file in files {
            if !(self.files.may_name)(file) || is_template(file, &all) {
                continue;
            }
            match (self.files.read)(file) {
                FileState::Parsed(source) => {
                    let annotation = format!("`{PREFIX}write-back-target: /{file}`");
                    below.places.extend(self.fields(file, &source, &annotation));
                }
                // A broken manifest is nobody's place, and stands in nobody's way.
                state @ FileState::Unreadable(_) => below.unread.push(unusable(file, &state).message),
                FileState::Missing | FileState::NotRegular(_) => {}
            }
        }
        Ok(below)
    }

    fn fields(&self, file: &RepoPath, source: &Source, annotation: &str) -> Vec<Found> {
        let read = |field| {
            let place = Place::Field(field);
            let held = place.read(source, self.name).map_err(|error: EditError| edit_failure(file, &error));
            Found::read(file, place, source, held, annotation.to_owned())
        };
        manifests::fields(source, self.name).into_iter().map(read).collect()
    }
}

/// A file that cannot be used.
fn broken(file: &RepoPath, failure: Failure) -> Located {
    Located { file: file.clone(), place: None, key: None, spot: String::new(), site: Err(failure) }
}

/// Tells whether what stands there says which image runs: by a tag, or by a digest alone.
fn says_what_runs(held: &Held) -> bool {
    held.digest.is_some() || held.tag.as_deref().is_some_and(|tag| !tag.is_empty())
}

/// Tells whether a file is a template of one of the charts among these files.
fn is_template(file: &RepoPath, all: &[RepoPath]) -> bool {
    let mut directory = file.parent();
    while !directory.as_str().is_empty() {
        let chart = directory.parent().join(CHART);
        let is_templates = directory.parts().last() == Some("templates");
        if is_templates && chart.is_some_and(|chart| all.binary_search(&chart).is_ok()) {
            return true;
        }
        directory = directory.parent();
    }
    false
}

/// Gives an image as people write it: kustomize compares names letter by letter, and nobody spells out Docker Hub.
fn familiar(image: &ImageName) -> String {
    let full = image.to_string();
    let short = full.strip_prefix("docker.io/").unwrap_or(&full);
    short.strip_prefix("library/").unwrap_or(short).to_owned()
}

fn list(files: &[RepoPath]) -> String {
    let names: Vec<String> = files.iter().map(|file| format!("`{file}`")).collect();
    names.join(", ")
}
