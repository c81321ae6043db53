//! Helm values: layers laid over each other, and where they name an image.
//!
//! Mappings are merged key by key and lists are replaced whole, as Helm does. Below the layers of a chart that stands in the
//! repository lie the values of the charts that it depends on, each under its own key.

mod subcharts;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::manifest::helm_values::{Named, Spoken, image_keys, is_image};
use crate::manifest::place::{Current, Held, Place};
use crate::manifest::{EditError, Found, Source, objects, parameters};
use crate::model::address::Address;
use crate::model::key_path::{KeyPath, Segment};
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{Form, HelmSearch, Layer, Shape};
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

    /// Tells whether a mapping on the way to a key path says `enabled: false`, as charts have it for what is not rendered.
    pub(super) fn is_switched_off(&self, key: &KeyPath) -> bool {
        let mut around = key.parent();
        while let Some(path) = around {
            let switch = path.child("enabled").ok().and_then(|switch| self.text(&switch));
            if switch.is_some_and(|text| text.value.eq_ignore_ascii_case("false")) {
                return true;
            }
            around = path.parent();
        }
        false
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
    Some(Place::of(objects::shown(source, address(layer, source, key)?), form))
}

/// Finds what counts at the key below a layer that leaves it out, and the place of that.
pub(super) fn lower(
    helm: &HelmSearch,
    layer: &Layer,
    image: &ImageName,
    files: Files<'_>,
) -> Option<((RepoPath, Place), Held)> {
    let upper = helm.values.iter().position(|other| other == layer)?;
    let values = Values::new(helm.values.get(..=upper)?, files);
    let (below, source, key) = values.holder(&helm.key)?;
    let place = place(below, source, &key, helm.form)?;
    let held = place.read(source, image).ok().filter(|held| matches!(held.current, Current::Text(_)))?;
    Some(((below.file.clone(), place), held))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn with<T>(texts: &[&str], ask: impl FnOnce(&Values) -> T) -> T {
        let sources: Vec<Arc<Source>> = texts.iter().map(|text| Arc::new(Source::parse(text).unwrap())).collect();
        let layers: Vec<Layer> =
            (0..sources.len()).map(|number| Layer::of(format!("{number}.yaml").parse().unwrap())).collect();
        let number = |file: &RepoPath| layers.iter().position(|layer| layer.file == *file);
        let read = |file: &RepoPath| {
            number(file).map_or(FileState::Missing, |number| FileState::Parsed(sources[number].clone()))
        };
        ask(&Values::new(
            &layers,
            Files { read: &read, count: &|_, _| 0, naming: &|_, _| Vec::new(), holding: &|_, _, _| Vec::new() },
        ))
    }

    fn key_paths(values: &str, image: &str) -> Vec<String> {
        let found = with(&[values], |values| values.named(&image.parse().unwrap()));
        found.into_iter().map(|named| named.key.to_string()).collect()
    }

    #[test]
    fn what_stands_below_enabled_false_is_switched_off_until_a_later_file_switches_it_on() {
        let chart = "cloud: {enabled: false, images: {proxy: {image: web, tag: v1}}}\nimage: {repository: web, tag: v1}\n\
                     jobs: [{name: a, enabled: False, image: {repository: web, tag: v1}}]\nside: {enabled: true, image: {tag: v1}}\n";
        let off = |texts: &[&str], key: &str| with(texts, |values| values.is_switched_off(&key.parse().unwrap()));
        for (key, expected) in [
            ("cloud.images.proxy.tag", true),
            ("image.tag", false),
            ("jobs[name=a].image.tag", true),
            ("side.image.tag", false),
        ] {
            assert_eq!(off(&[chart], key), expected, "{key}");
        }
        assert!(!off(&[chart, "cloud: {enabled: true}\n"], "cloud.images.proxy.tag"));
        assert!(off(&[chart, "side: {enabled: false}\n"], "side.image.tag"));
    }

    #[test]
    fn a_registry_that_stands_beside_a_repository_is_part_of_the_image() {
        let values = "reload: {registry: ghcr.io, repository: acme/reload, tag: v1}\n\
                      web: {registry: docker.io, repository: acme/web, tag: v2}\n\
                      api: {registry: '', repository: acme/api, tag: v3}\n\
                      job: {registry: quay.io/, repository: acme/job, tag: v4}\n\
                      old: {registry: mirror.example, repository: ghcr.io/acme/old, tag: v5}\n";
        for (image, expected) in [
            ("ghcr.io/acme/reload", vec!["reload.tag"]),
            ("acme/reload", vec![]),
            ("quay.io/acme/reload", vec![]),
            ("acme/web", vec!["web.tag"]),
            ("docker.io/acme/api", vec!["api.tag"]),
            ("quay.io/acme/job", vec!["job.tag"]),
            ("ghcr.io/acme/old", vec!["old.tag"]),
        ] {
            assert_eq!(key_paths(values, image), expected, "{image}");
        }
    }

    #[test]
    fn a_registry_for_all_images_names_them_too() {
        let values =
            "global: {imageRegistry: mirror.example}\nimage: {registry: quay.io, repository: acme/web, tag: v1}\n";
        for image in ["mirror.example/acme/web", "quay.io/acme/web"] {
            assert_eq!(key_paths(values, image), ["image.tag"], "{image}");
        }
        assert!(key_paths(values, "acme/web").is_empty());
        let plain = "global: {image: {registry: registry.example}}\nimage: {image: acme/web, tag: v1}\n";
        assert_eq!(key_paths(plain, "registry.example/acme/web"), ["image.tag"]);
        assert!(key_paths(plain, "acme/web").is_empty());
    }
}
