//! Finds an image in the `image:` fields of manifests.

use crate::manifest::place::Place;
use crate::manifest::{EditError, Source, manifests};
use crate::model::application::PREFIX;
use crate::model::names::RepoPath;
use crate::plan::locate::auto::{Auto, broken};
use crate::plan::locate::found::{Found, nowhere, settle};
use crate::plan::locate::{FileState, Located, MAX_LISTED, MAX_NAMING, edit_failure, unusable};

/// What was found below a directory.
pub(super) struct Below {
    pub(super) places: Vec<Found>,
    /// What is wrong with files that may name the image and cannot be read.
    pub(super) unread: Vec<String>,
    /// Whether there are files that may be manifests.
    pub(super) is_there: bool,
}

impl Below {
    /// Says which files could not be looked into.
    pub(super) fn unread(&self) -> String {
        match self.unread.as_slice() {
            [] => String::new(),
            [one] => format!(", but not into {one}"),
            [first, rest @ ..] => format!(", but not into {first}, and into {} more that cannot be read", rest.len()),
        }
    }
}

impl Auto<'_> {
    /// Finds the `image:` fields of a file, or of the files below a directory.
    pub(in crate::plan::locate) fn manifests(&self, path: &RepoPath) -> Vec<Located> {
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

    /// Finds the fields of the manifests below a directory.
    pub(super) fn below(&self, directory: &RepoPath, is_recursive: bool) -> Result<Below, Box<Located>> {
        let refused = |what: String| {
            let message = format!("{what}, and none was looked into");
            let hint = format!("name the manifest: `{PREFIX}write-back-target: <path>`");
            Box::new(nowhere(directory.clone(), "target/not-found", message, hint))
        };
        let count = (self.files.count)(directory, is_recursive);
        if count > MAX_LISTED {
            return Err(refused(format!("more than {MAX_LISTED} files stand below `{directory}`")));
        }
        let files = (self.files.naming)(directory, is_recursive);
        if files.len() > MAX_NAMING {
            let image = &self.image.image_text;
            return Err(refused(format!("more than {MAX_NAMING} files below `{directory}` may name `{image}`")));
        }
        let mut below = Below { places: Vec::new(), unread: Vec::new(), is_there: count > 0 };
        for file in &files {
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
            let place = Place::Spec(field);
            let held = place.read(source, self.name).map_err(|error: EditError| edit_failure(file, &error));
            Found::read(file, place, source, held, annotation.to_owned())
        };
        manifests::fields(source, self.name).into_iter().map(read).collect()
    }
}
