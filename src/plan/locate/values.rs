//! Helm values: layers laid over each other, and where they name an image.
//!
//! Mappings are merged key by key and lists are replaced whole, as Helm does. Below the layers of a chart that stands in the
//! repository lie the values of the charts that it depends on, each under its own key.

mod subcharts;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::manifest::helm_values::{Named, Spoken, image_keys, is_image};
use crate::manifest::place::Place;
use crate::manifest::{EditError, Found, Source, objects, parameters};
use crate::model::address::Address;
use crate::model::key_path::{KeyPath, Segment};
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{Form, Layer, Shape};
use crate::plan::locate::{FileState, Files};

/// The values as Helm lays them over each other, as far as they can be read; the last one wins.
pub(super) struct Values {
    levels: Vec<Level>,
}

/// One layer with its file.
struct Level {
    layer: Layer,
    source: Arc<Source>,
    /// The key under which the values of another chart count.
    under: Option<KeyPath>,
}

/// What is known of the text at a key path.
pub(super) struct Text {
    /// The file.
    pub(super) file: RepoPath,
    /// The text.
    pub(super) value: String,
    /// Its line there, from 1.
    pub(super) line: u64,
}

impl Values {
    pub(super) fn new(layers: &[Layer], files: Files<'_>) -> Self {
        let below = subcharts::find(layers, files).into_iter().map(|(key, file)| (Layer::of(file), Some(key)));
        let own = layers.iter().cloned().map(|layer| (layer, None));
        let parsed = |(layer, under): (Layer, Option<KeyPath>)| match (files.read)(&layer.file) {
            FileState::Parsed(source) => Some(Level { layer, source, under }),
            FileState::Missing | FileState::NotRegular(_) | FileState::Unreadable(_) => None,
        };
        Self { levels: below.chain(own).filter_map(parsed).collect() }
    }

    /// Gives the levels in which a key path may count: all, or the last that has the list which the path goes through with
    /// the parameters that lie over it.
    fn holders(&self, key: &KeyPath) -> Vec<&Level> {
        let mut list = Some(key.clone());
        while let Some(path) = list.clone().filter(|path| path.segments().iter().any(|one| !is_key(one))) {
            list = path.parent();
        }
        let goes_through = key.segments().iter().any(|one| !is_key(one));
        let list = list.filter(|path| goes_through && path.segments().len() < key.segments().len());
        let last = list.and_then(|list| self.levels.iter().rposition(|level| level.has(&list)));
        let Some(last) = last else { return self.levels.iter().collect() };
        let counts = |(at, level): &(usize, &Level)| *at == last || (*at > last && level.is_parameters());
        self.levels.iter().enumerate().filter(counts).map(|(_, level)| level).collect()
    }

    /// Gives the text that counts at a key, with its file and line.
    pub(super) fn text(&self, key: &KeyPath) -> Option<Text> {
        self.holders(key).into_iter().rev().find_map(|level| match level.read(key) {
            Ok(Found::Text { value, line }) => Some(Text { file: level.layer.file.clone(), value, line }),
            _ => None,
        })
    }

    /// Gives the layer whose value counts at a key, be it a null, and the key path in it.
    pub(super) fn holder(&self, key: &KeyPath) -> Option<(&Layer, &Source, KeyPath)> {
        let level = self.holders(key).into_iter().rev().find(|level| level.has(key))?;
        Some((&level.layer, &*level.source, level.inner(key)?))
    }

    /// Tells whether the name at `key` is the image: whole, or without its registry where a chart keeps that apart.
    pub(super) fn name_image(&self, key: &KeyPath, value: &str, image: &ImageName) -> bool {
        is_image(key, value, image, &|key| self.text(key).map(|text| text.value))
    }

    /// Finds every key path at which the values that count name an image.
    pub(super) fn named(&self, image: &ImageName) -> Vec<Named> {
        let keys = self.keys();
        Spoken { text: &|key| self.text(key).map(|text| text.value), keys: &keys }.named(image)
    }

    /// Finds the tags beside which nothing names an image.
    pub(super) fn nameless_tags(&self) -> Vec<KeyPath> {
        let keys = self.keys();
        Spoken { text: &|key| self.text(key).map(|text| text.value), keys: &keys }.nameless_tags()
    }

    fn keys(&self) -> BTreeSet<KeyPath> {
        let mut keys = BTreeSet::new();
        for level in &self.levels {
            let mut own = BTreeSet::new();
            image_keys(&level.source, level.layer.part.as_ref(), &mut own);
            match &level.under {
                None => keys.extend(own),
                Some(under) => keys.extend(own.into_iter().filter_map(|key| under.join(&key).ok())),
            }
        }
        keys
    }
}

impl Level {
    /// Gives a key path as the layer has it.
    fn inner(&self, key: &KeyPath) -> Option<KeyPath> {
        self.under.as_ref().map_or_else(|| Some(key.clone()), |under| key.below(under))
    }

    fn read(&self, key: &KeyPath) -> Result<Found, EditError> {
        let Some(key) = self.inner(key) else { return Ok(Found::Absent { insertable: false }) };
        read(&self.layer, &self.source, &key)
    }

    fn has(&self, key: &KeyPath) -> bool {
        !matches!(self.read(key), Ok(Found::Absent { .. }))
    }

    fn is_parameters(&self) -> bool {
        self.layer.part.as_ref().is_some_and(|part| part.shape == Shape::Parameters)
    }
}

/// Gives where the value of a key path stands in a layer; none if the path gets too long for the file.
pub(super) fn address(layer: &Layer, source: &Source, key: &KeyPath) -> Option<Address> {
    match layer.start() {
        None => Some(Address::first(key.clone())),
        Some((start, Shape::Values)) => Some(start.at(start.key.join(key).ok()?)),
        Some((list, Shape::Parameters)) => parameters::value_of(&list, &parameter(source, &list, key)),
    }
}

/// Gives the place of a key path in a layer.
pub(super) fn place(layer: &Layer, source: &Source, key: &KeyPath, form: Form) -> Option<Place> {
    if let Some((list, Shape::Parameters)) = layer.start() {
        let name = parameter(source, &list, key);
        parameters::value_of(&list, &name)?;
        let list = objects::shown(source, list);
        return Some(Place::Parameter { list, name, is_spec: form == Form::Spec });
    }
    let address = objects::shown(source, address(layer, source, key)?);
    Some(match form {
        Form::Tag => Place::Tag(address),
        Form::Spec => Place::Spec(address),
    })
}

/// Gives the name of a parameter as it is written, or would be.
fn parameter(source: &Source, list: &Address, key: &KeyPath) -> String {
    parameters::spelled(source, list, key).unwrap_or_else(|| key.to_string())
}

/// Reads the value of a key path in a layer; an object that is not there has none.
pub(super) fn read(layer: &Layer, source: &Source, key: &KeyPath) -> Result<Found, EditError> {
    let absent = Found::Absent { insertable: false };
    let Some(address) = address(layer, source, key) else { return Ok(absent) };
    match source.read_at(&address) {
        Err(EditError::NoSuchKey { .. }) => Ok(absent),
        found => found,
    }
}

fn is_key(segment: &Segment) -> bool {
    matches!(segment, Segment::Key(_))
}
