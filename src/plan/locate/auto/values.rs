//! Finds an image by its name in Helm values.

use crate::manifest::values::Named;
use crate::manifest::{EditError, objects};
use crate::model::application::PREFIX;
use crate::model::tracked::{Form, Layer, ValuesSearch};
use crate::plan::locate::auto::{Auto, Places, broken, says_what_runs};
use crate::plan::locate::found::{Found, listed, nowhere, settle};
use crate::plan::locate::values::Values;
use crate::plan::locate::{FileState, Located, edit_failure, place_of, unusable};

impl Auto<'_> {
    /// Finds the places in value files.
    pub(in crate::plan::locate) fn values(&self, search: &ValuesSearch) -> Vec<Located> {
        match self.in_values(search) {
            Ok((places, empty)) => settle(self.image, places, &empty, &search.fallback.file, &list(&search.values)),
            Err(located) => vec![*located],
        }
    }

    pub(super) fn in_values(&self, search: &ValuesSearch) -> Result<Places, Box<Located>> {
        for Layer { file, .. } in &search.values {
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
            let word = match named.form {
                Form::Tag => "tag",
                Form::Spec => "spec",
            };
            let annotation = format!("`{PREFIX}{alias}.helm.image-{word}: {}`", named.key);
            let Some((layer, source)) = values.holder(&named.key).or_else(|| values.holder(&named.name)) else {
                continue;
            };
            let Some(address) = layer.address(&named.key) else { continue };
            let (place, file) = (place_of(named.form, objects::shown(source, address)), &layer.file);
            let held = place.read(source, self.name);
            let says_what_runs = match &held {
                Ok(held) => says_what_runs(held),
                Err(error) => !matches!(error, EditError::NoSuchKey { .. }),
            };
            let held = held.map_err(|error| edit_failure(file, &error));
            let found = Found::read(file, place, source, held, annotation);
            if !says_what_runs {
                empty.push(found);
            } else if search.files.contains(layer) {
                places.push(found);
            } else {
                elsewhere.push(found);
            }
        }
        if places.is_empty() && !elsewhere.is_empty() {
            let (image, target) = (&self.image.image_text, &search.fallback.file);
            let message = format!("{target} does not set the tag of `{image}`: it stands at {}", listed(&elsewhere));
            let hint = format!("set it in {target} once, or name the file that holds it in `write-back-target`");
            return Err(Box::new(nowhere(target.clone(), "target/not-found", message, hint)));
        }
        Ok((places, empty))
    }
}

/// Lists the files of layers.
pub(super) fn list(layers: &[Layer]) -> String {
    let mut names: Vec<String> = layers.iter().map(|layer| format!("`{}`", layer.file)).collect();
    names.dedup();
    names.join(", ")
}
