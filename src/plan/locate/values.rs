//! Helm values: files laid over each other, and where they name an image.
//!
//! Mappings are merged key by key and lists are replaced whole, as Helm does.

use std::sync::Arc;

use crate::manifest::manifests::names;
use crate::manifest::values::{Named, named};
use crate::manifest::{EditError, Found, Source};
use crate::model::key_path::{KeyPath, Segment};
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{Form, Layer};
use crate::plan::locate::{FileState, Files};

/// The values as Helm lays them over each other, as far as they can be read; the last one wins.
pub(super) struct Values<'a> {
    layers: Vec<(&'a Layer, Arc<Source>)>,
}

impl<'a> Values<'a> {
    pub(super) fn new(values: &'a [Layer], files: Files<'_>) -> Self {
        let parsed = |layer: &'a Layer| match (files.read)(&layer.file) {
            FileState::Parsed(source) => Some((layer, source)),
            FileState::Missing | FileState::NotRegular(_) | FileState::Unreadable(_) => None,
        };
        Self { layers: values.iter().filter_map(parsed).collect() }
    }

    /// Gives the layers in which a key path may count: all, or the last that has the list which the path goes through.
    fn holders(&self, key: &KeyPath) -> &[(&'a Layer, Arc<Source>)] {
        let mut list = Some(key.clone());
        while let Some(path) = list.clone().filter(|path| path.segments().iter().any(|one| !is_key(one))) {
            list = path.parent();
        }
        let is_own = |path: &KeyPath| path.segments().len() < key.segments().len();
        let Some(list) = list.filter(is_own).filter(|_| key.segments().iter().any(|one| !is_key(one))) else {
            return &self.layers;
        };
        let has = |layer: &Layer, source: &Source| !matches!(read(layer, source, &list), Ok(Found::Absent { .. }));
        let last = self.layers.iter().rposition(|(layer, source)| has(layer, source));
        last.and_then(|at| self.layers.get(at..=at)).unwrap_or(&self.layers)
    }

    /// Gives the text that counts at a key, with its file and line.
    pub(super) fn text(&self, key: &KeyPath) -> Option<(&'a RepoPath, String, u64)> {
        self.holders(key).iter().rev().find_map(|(layer, source)| match read(layer, source, key) {
            Ok(Found::Text { value, line }) => Some((&layer.file, value, line)),
            _ => None,
        })
    }

    /// Gives the layer whose value counts at a key, be it a null.
    pub(super) fn holder(&self, key: &KeyPath) -> Option<(&'a Layer, &Source)> {
        let has = |layer: &Layer, source: &Source| !matches!(read(layer, source, key), Ok(Found::Absent { .. }));
        let found = self.holders(key).iter().rev().find(|(layer, source)| has(layer, source));
        found.map(|(layer, source)| (*layer, &**source))
    }

    /// Tells whether the name at `key` is the image: whole, or without its registry where a chart keeps that apart.
    pub(super) fn name_image(&self, key: &KeyPath, value: &str, image: &ImageName) -> bool {
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

    /// Finds every key path at which the values that count name an image.
    pub(super) fn named(&self, image: &ImageName) -> Vec<Named> {
        let mut found = Vec::new();
        for (layer, source) in &self.layers {
            if let (None, Some(document)) = (&layer.part, source.documents().first()) {
                found.extend(named(document.root()));
            }
        }
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|named| seen.insert(named.clone()) && self.names(named, image));
        found
    }

    fn names(&self, named: &Named, image: &ImageName) -> bool {
        let Some((_, text, _)) = self.text(&named.name) else { return false };
        match named.form {
            Form::Tag => self.name_image(&named.name, &text, image),
            Form::Spec => names(&text, image),
        }
    }
}

/// Reads the value of a key path in a layer; an object that is not there has none.
pub(super) fn read(layer: &Layer, source: &Source, key: &KeyPath) -> Result<Found, EditError> {
    let absent = Found::Absent { insertable: false };
    let Some(address) = layer.address(key) else { return Ok(absent) };
    match source.read_at(&address) {
        Err(EditError::NoSuchKey { .. }) => Ok(absent),
        found => found,
    }
}

fn is_key(segment: &Segment) -> bool {
    matches!(segment, Segment::Key(_))
}
