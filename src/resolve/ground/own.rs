//! The object that defines an Application, as far as tags may stand in it: values of Helm and image strings of its sources.
//!
//! It stands in the defining repository, on the branch that is configured there, whatever its sources are.

use std::collections::{BTreeMap, BTreeSet};

use crate::annotations::destination::BaseBranch;
use crate::annotations::{ImageRequest, WriteBack};
use crate::manifest::helm_values::Spoken;
use crate::manifest::image_strings::ImageString;
use crate::model::address::{Address, ObjectName, Shown};
use crate::model::application::{Application, ApplicationSource, Inline, InlineValue};
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::overriding::Overriding;
use crate::model::tracked::{ImageStrings, Layer, RemoteBranch, Search, ValuesPart, ValuesSearch};
use crate::resolve::KnownRepository;

/// The object, and where it stands.
#[derive(Clone, Copy)]
pub(in crate::resolve) struct Own<'a> {
    /// The repository.
    pub(in crate::resolve) repository: &'a KnownRepository,
    sources: &'a [ApplicationSource],
    file: &'a RepoPath,
    object: &'a ObjectName,
}

impl<'a> Own<'a> {
    /// Finds it; Applications of repin.yaml have none.
    pub(in crate::resolve) fn of(application: &'a Application, known: &'a [KnownRepository]) -> Option<Self> {
        let (file, object) = (application.key.file.as_ref()?, application.object.as_ref()?);
        let repository = known.iter().find(|one| one.name == application.key.repository)?;
        Some(Self { repository, sources: &application.sources, file, object })
    }

    /// Gives the branch that it is read from.
    pub(in crate::resolve) fn base(&self) -> RemoteBranch {
        RemoteBranch { repository: self.repository.name.clone(), branch: self.repository.branch.clone() }
    }

    /// Tells whether changes may go there: `git-repository` and `git-branch` may say where else they go.
    pub(in crate::resolve) fn is_meant(&self, request: &ImageRequest) -> bool {
        let is_here = match &request.destination.base {
            None | Some(BaseBranch::Default) => true,
            Some(BaseBranch::Named(branch)) => *branch == self.repository.branch,
        };
        request.destination.repository.is_none() && is_here
    }

    /// Gives the layers of values that a source has in itself.
    pub(in crate::resolve) fn layers(&self, source: &ApplicationSource) -> Vec<Layer> {
        let part = |inline: &Inline| Layer {
            file: self.file.clone(),
            part: Some(ValuesPart { object: self.object.clone(), key: inline.at.clone(), shape: inline.shape }),
        };
        source.inline.iter().map(part).collect()
    }

    /// Gives the values that a source has in itself, each with where it stands.
    pub(in crate::resolve) fn overriding(&self, source: &ApplicationSource) -> Vec<Overriding> {
        let layers = self.layers(source);
        let of_layer = |(layer, inline): (Layer, &Inline)| {
            let is_empty_pin = |value: &&InlineValue| {
                value.path.last_key() == Some("digest") && value.text.as_deref().is_none_or(str::is_empty)
            };
            let values = inline.values.iter().filter(|value| !is_empty_pin(value));
            values.map(|value| Overriding { key: value.path.clone(), by: layer.clone() }).collect::<Vec<_>>()
        };
        layers.into_iter().zip(&source.inline).flat_map(of_layer).collect()
    }

    /// Gives where to look if the image strings of a source give the image: they win over its kustomization.
    pub(in crate::resolve) fn image_strings(&self, request: &ImageRequest, target: &WriteBack) -> Vec<Search> {
        let (Some(image), WriteBack::Auto | WriteBack::Kustomization(None)) = (&request.image, target) else {
            return Vec::new();
        };
        let is_of = |source: &&ApplicationSource| {
            source.kustomize_images.iter().map(|text| ImageString::read(text)).any(|item| item.is_of(image))
        };
        let search = |source: &ApplicationSource| {
            let key = source.at.as_ref()?.child("kustomize").and_then(|at| at.child("images")).ok()?;
            let list = Address { object: Some(self.object.clone()), shown: Shown::Name, key };
            Some(Search::Images(ImageStrings { file: self.file.clone(), list }))
        };
        self.sources.iter().filter(is_of).filter_map(search).collect()
    }

    /// Gives the values of each source that says itself where the image stands, or, if nobody else can, of each that has
    /// values at all.
    pub(in crate::resolve) fn values(
        &self,
        request: &ImageRequest,
        target: &WriteBack,
        is_last_resort: bool,
    ) -> Vec<ValuesSearch> {
        if !matches!(target, WriteBack::Auto | WriteBack::HelmValues) {
            return Vec::new();
        }
        let says = |source: &&ApplicationSource| is_last_resort || names(source, request);
        let layers = self.sources.iter().filter(says).map(|source| self.layers(source));
        layers.filter_map(|layers| search_in(layers, request)).collect()
    }
}

/// Makes a search of layers, if there are any.
pub(in crate::resolve) fn search_in(layers: Vec<Layer>, request: &ImageRequest) -> Option<ValuesSearch> {
    let fallback = layers.last()?.clone();
    Some(ValuesSearch {
        values: layers.clone(),
        files: layers,
        fallback,
        overriding: Vec::new(),
        name_key: request.name_key.clone(),
    })
}

/// Tells whether the values in a source say where the image stands: at the key of the annotations, or by its name.
fn names(source: &ApplicationSource, request: &ImageRequest) -> bool {
    let mut texts: BTreeMap<&KeyPath, Option<&str>> = BTreeMap::new();
    for value in source.inline.iter().flat_map(|inline| &inline.values) {
        texts.insert(&value.path, value.text.as_deref());
    }
    if let Some((key, _)) = &request.key {
        return texts.contains_key(key);
    }
    let Some(image) = &request.image else { return false };
    let keys: BTreeSet<KeyPath> = texts.keys().map(|path| (*path).clone()).collect();
    let text = |key: &KeyPath| texts.get(key).copied().flatten().map(str::to_owned);
    let named = Spoken { text: &text, keys: &keys }.named(image);
    let is_meant = |name: &KeyPath| request.name_key.as_ref().is_none_or(|key| key == name);
    named.iter().any(|named| is_meant(&named.name) && texts.contains_key(&named.key))
}
