//! Finds an image in the image strings of an Argo CD Application.

use crate::manifest::image_strings;
use crate::manifest::objects;
use crate::manifest::place::Place;
use crate::model::tracked::ImageStrings;
use crate::plan::locate::auto::Auto;
use crate::plan::locate::found::{Found, settle};
use crate::plan::locate::{FileState, Located, broken, edit_failure, unusable};

impl Auto<'_> {
    /// Finds the image strings of a list that give the image.
    pub(in crate::plan::locate) fn image_strings(&self, images: &ImageStrings) -> Vec<Located> {
        let ImageStrings { file, list } = images;
        let source = match (self.files.read)(file) {
            FileState::Parsed(source) => source,
            state => return vec![broken(file, unusable(file, &state))],
        };
        let names = match image_strings::find(&source, list, self.name) {
            Ok(names) => names,
            Err(error) => return vec![broken(file, edit_failure(file, &error))],
        };
        let list = objects::shown(&source, list.clone());
        let string = |name: String| {
            let place = Place::Image { list: list.clone(), name };
            let held = place.read(&source, self.name).map_err(|error| edit_failure(file, &error));
            let annotation = "a tag to it once".to_owned();
            Found::read(file, place, &source, held, annotation)
        };
        let (places, empty): (Vec<_>, Vec<_>) = names.into_iter().map(string).partition(Found::says_what_runs);
        settle(self.image, places, &empty, file, &format!("`{}` of {file}", list.key))
    }
}
