//! Finds an image in the entries of `images:` of a kustomization.

use crate::manifest::place::Place;
use crate::manifest::{Source, kustomization};
use crate::model::address::Address;
use crate::model::application::PREFIX;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::kustomizations;
use crate::plan::locate::auto::{Auto, broken};
use crate::plan::locate::found::{Found, nowhere, settle};
use crate::plan::locate::{FileState, Located, edit_failure, unusable};

impl Auto<'_> {
    /// Finds the entries of a kustomization, or where one is to be added.
    pub(in crate::plan::locate) fn kustomization(&self, directory: &RepoPath, named: Option<&str>) -> Vec<Located> {
        let (file, source) = match self.kustomization_file(directory) {
            Ok(Some(found)) => found,
            Ok(None) => {
                let message = format!("the directory `{directory}` has no kustomization file");
                let hint = "name the directory that has one in `write-back-target: kustomization:<dir>`".to_owned();
                return vec![nowhere(directory.clone(), "edit/no-such-file", message, hint)];
            }
            Err(located) => return vec![*located],
        };
        let list = match kustomization::images() {
            Ok(list) => list,
            Err(error) => return vec![broken(&file, edit_failure(&file, &error))],
        };
        let mut names = match kustomization::find(&source, &list, self.name, named) {
            Ok(found) => found,
            Err(error) => return vec![broken(&file, edit_failure(&file, &error))],
        };
        if names.is_empty() {
            names.push(named.map_or_else(|| familiar(self.name), str::to_owned));
        }
        let entries = names.into_iter().map(|name| self.entry(&file, &source, &list, name)).collect();
        settle(self.image, entries, &[], &file, &format!("{file}"))
    }

    /// Gives the kustomization file of a directory, if it has one.
    pub(super) fn kustomization_file(
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

    pub(super) fn entry(&self, file: &RepoPath, source: &Source, list: &Address, name: String) -> Found {
        let alias = self.image.alias.replace('/', "_");
        let annotation = format!("`{PREFIX}{alias}.kustomize.image-name: {name}`");
        let place = Place::Entry { list: list.clone(), name: name.clone(), is_digest: false };
        let held = place.read(source, self.name).map_err(|error| edit_failure(file, &error));
        let is_digest = held.as_ref().is_ok_and(|held| held.tag.is_none() && held.digest.is_some());
        Found::read(file, Place::Entry { list: list.clone(), name, is_digest }, source, held, annotation)
    }
}

/// Gives an image as people write it: kustomize compares names letter by letter, and nobody spells out Docker Hub.
pub(super) fn familiar(image: &ImageName) -> String {
    let full = image.to_string();
    let short = full.strip_prefix("docker.io/").unwrap_or(&full);
    short.strip_prefix("library/").unwrap_or(short).to_owned()
}
