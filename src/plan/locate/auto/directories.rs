//! Finds an image in manifests: in fields of objects, in the charts and artifacts of Flux, in marked scalars.

use crate::manifest::flux::Surroundings;
use crate::manifest::place::Place;
use crate::manifest::{EditError, Source, flux, kustomization, manifests, marker};
use crate::model::application::PREFIX;
use crate::model::manifest_files::ManifestFiles;
use crate::model::names::RepoPath;
use crate::model::tracked::{Layer, ValuesSearch};
use crate::plan::locate::auto::Auto;
use crate::plan::locate::found::{Found, nowhere, of_manifests, settle};
use crate::plan::locate::{FileState, Located, MAX_LISTED, MAX_NAMING, broken, edit_failure, unusable};

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
    /// Finds what names the image in a file, or in the files below a directory.
    pub(in crate::plan::locate) fn manifests(&self, path: &RepoPath) -> Vec<Located> {
        match (self.files.read)(path) {
            FileState::Parsed(source) => {
                let around = self.around(&[&source]);
                let (places, empty) = self.fields(path, &source, &of_manifests(path), &around);
                settle(self.image, places, &empty, path, &format!("`{path}`"))
            }
            state @ (FileState::NotRegular(_) | FileState::Unreadable(_)) => vec![broken(path, unusable(path, &state))],
            FileState::Missing => match self.below(path, &ManifestFiles::all()) {
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

    /// Finds what names the image in the manifests below a directory.
    pub(super) fn below(&self, directory: &RepoPath, counts: &ManifestFiles) -> Result<Below, Box<Located>> {
        let is_recursive = counts.is_recursive;
        let refused = |what: String| {
            let message = format!("{what}, and none was looked into");
            let hint = format!("name the manifest: `{PREFIX}write-back-target: <path>`");
            Box::new(nowhere(directory.clone(), "target/not-found", message, hint))
        };
        let count = (self.files.count)(directory, is_recursive);
        if count > MAX_LISTED {
            return Err(refused(format!("more than {MAX_LISTED} files stand below `{directory}`")));
        }
        let mut files = (self.files.naming)(directory, is_recursive);
        counts.retain(directory, &mut files);
        if files.len() > MAX_NAMING {
            let image = &self.image.image_text;
            return Err(refused(format!("more than {MAX_NAMING} files below `{directory}` may name `{image}`")));
        }
        files.extend((self.files.holding)(directory, is_recursive, marker::WORD));
        counts.retain(directory, &mut files);
        files.sort();
        files.dedup();
        let (mut sources, mut unread) = (Vec::new(), Vec::new());
        for file in &files {
            match (self.files.read)(file) {
                FileState::Parsed(source) => sources.push((file, source)),
                // A broken manifest is nobody's place, and stands in nobody's way.
                state @ FileState::Unreadable(_) => unread.push(unusable(file, &state).message),
                FileState::Missing | FileState::NotRegular(_) => {}
            }
        }
        let around = self.around(&sources.iter().map(|(_, source)| &**source).collect::<Vec<_>>());
        let mut places = Vec::new();
        for (file, source) in sources {
            places.append(&mut self.fields(file, &source, &of_manifests(file), &around).0);
        }
        Ok(Below { places, unread, is_there: count > 0 })
    }

    /// Finds everything in a file of manifests that names the image.
    pub(super) fn fields(
        &self,
        file: &RepoPath,
        source: &Source,
        annotation: &str,
        around: &Surroundings,
    ) -> (Vec<Found>, Vec<Found>) {
        let mut found = self.outside_values(file, source, annotation, around);
        let mut empty = Vec::new();
        for layer in flux::values(source).into_iter().map(|part| Layer { file: file.clone(), part: Some(part) }) {
            let (name_key, values) = (None, vec![layer.clone()]);
            let search =
                ValuesSearch { files: values.clone(), fallback: layer, values, overriding: Vec::new(), name_key };
            if let Ok((places, mut without)) = self.in_values(&search) {
                // The key path alone would be read as one of the file's first document.
                found.extend(places.into_iter().map(|place| Found { annotation: annotation.to_owned(), ..place }));
                empty.append(&mut without);
            }
        }
        self.add_marked(file, source, annotation, around, &mut found);
        (found, empty)
    }

    /// Finds what names the image in the objects of a file, but for the values of a HelmRelease.
    pub(super) fn outside_values(
        &self,
        file: &RepoPath,
        source: &Source,
        annotation: &str,
        around: &Surroundings,
    ) -> Vec<Found> {
        let places = manifests::places(source, self.name, self.declared).into_iter();
        let places = places.chain(flux::places(source, self.name, around));
        let mut found: Vec<Found> = places.map(|place| self.found(file, source, place, annotation)).collect();
        for list in flux::image_lists(source) {
            // An entry that means another image is nobody's place here.
            let names = kustomization::find(source, &list, self.name, None).unwrap_or_default();
            let entries = names.into_iter().map(|name| self.entry(file, source, &list, name));
            found.extend(
                entries.filter(Found::says_what_runs).map(|entry| Found { annotation: annotation.to_owned(), ..entry }),
            );
        }
        found
    }

    /// Adds what only markers tell.
    pub(super) fn add_marked(
        &self,
        file: &RepoPath,
        source: &Source,
        annotation: &str,
        around: &Surroundings,
        found: &mut Vec<Found>,
    ) {
        for place in marker::places(source, self.name, around) {
            let marked = self.found(file, source, place, annotation);
            if !found.iter().any(|known| (&known.file, &known.spot) == (&marked.file, &marked.spot)) {
                found.push(marked);
            }
        }
    }

    fn found(&self, file: &RepoPath, source: &Source, place: Place, annotation: &str) -> Found {
        let held = place.read(source, self.name).map_err(|error: EditError| edit_failure(file, &error));
        Found::read(file, place, source, held, annotation.to_owned())
    }

    /// Learns what names mean in these files: from the files themselves, else from all of the repository.
    pub(super) fn around(&self, sources: &[&Source]) -> Surroundings {
        let mut around = Surroundings::default();
        sources.iter().for_each(|source| around.add(source));
        if !sources.iter().any(|source| flux::asks(source, self.name, &around) || marker::asks(source, &around)) {
            return around;
        }
        let mut all = Surroundings::default();
        for word in flux::WORDS {
            for file in (self.files.holding)(&RepoPath::default(), true, word) {
                if let FileState::Parsed(source) = (self.files.read)(&file) {
                    all.add(&source);
                }
            }
        }
        all
    }
}
