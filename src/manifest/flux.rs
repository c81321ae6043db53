//! Objects of Flux: what they deploy by a tag, and which objects say what a name in them means.
//!
//! Follows helm.toolkit.fluxcd.io (HelmRelease), kustomize.toolkit.fluxcd.io (Kustomization), source.toolkit.fluxcd.io
//! (OCIRepository, HelmChart, HelmRepository) and image.toolkit.fluxcd.io (ImagePolicy, ImageRepository), of any version.

use crate::manifest::objects::{Object, Objects};
use crate::manifest::place::Place;
use crate::manifest::{EditError, Source};
use crate::model::address::{Address, ObjectName};
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::model::tracked::{Shape, ValuesPart};
use crate::yaml::{Kind, Node};

/// A file without one of these words has no objects that say what names mean: HelmRepositories of an OCI registry, and
/// what Flux knows of images.
pub const WORDS: [&str; 2] = ["oci", IMAGES];
/// The kind whose values are Helm values.
pub const HELM_RELEASE: &str = "HelmRelease";
/// The kind that has images as a kustomization has them; kustomize's own files are of the same kind and another group.
pub const KUSTOMIZATION: &str = "Kustomization";
/// Groups that begin so are those of Flux.
const GROUP_END: &str = ".fluxcd.io";
/// The group of the first Flux, whose HelmRelease has its values at the same place.
const FIRST: &str = "helm.fluxcd.io";
/// The group of what Flux knows of images.
const IMAGES: &str = "image.toolkit.fluxcd.io";
/// The group of the files of kustomize.
const KUSTOMIZE: &str = "kustomize.config.k8s.io";
/// What a URL of an OCI registry begins with.
const OCI: &str = "oci://";

/// A name of an object as another one writes it; without a namespace, that of whoever names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference {
    /// The namespace, as far as it is written.
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

impl Reference {
    /// Tells whether two names may mean one object: a namespace may be left to others, such as a kustomization.
    fn may_be(&self, other: &Self) -> bool {
        let is_same = match (&self.namespace, &other.namespace) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        is_same && self.name == other.name
    }
}

/// The objects around that say what names mean.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    /// HelmRepository: its URL.
    repositories: Vec<(Reference, String)>,
    /// ImageRepository: its image.
    images: Vec<(Reference, String)>,
    /// ImagePolicy: the ImageRepository that it chooses from.
    policies: Vec<(Reference, Reference)>,
}

impl Surroundings {
    /// Takes in the objects of a file.
    pub fn add(&mut self, source: &Source) {
        for object in Objects::of(source).of_groups(is_flux) {
            let Some(own) = object.reference() else { continue };
            let text = |keys: &[&str]| object.node.get_path(keys).and_then(Node::as_str).map(str::to_owned);
            match object.kind {
                "HelmRepository" => self.repositories.extend(text(&["spec", "url"]).map(|url| (own, url))),
                "ImageRepository" => self.images.extend(text(&["spec", "image"]).map(|image| (own, image))),
                "ImagePolicy" => {
                    let namespace = text(&["spec", "imageRepositoryRef", "namespace"]).or(own.namespace.clone());
                    let name = text(&["spec", "imageRepositoryRef", "name"]);
                    self.policies.extend(name.map(|name| (own, Reference { namespace, name })));
                }
                _ => {}
            }
        }
    }

    /// Gives the image that an ImagePolicy chooses for, if that is known and only one.
    pub fn image_of(&self, policy: &Reference) -> Option<ImageName> {
        only(&self.images, only(&self.policies, policy)?)?.parse().ok()
    }

    /// Gives the URL of a HelmRepository, if that is known and only one.
    fn url_of(&self, repository: &Reference) -> Option<&str> {
        only(&self.repositories, repository).map(String::as_str)
    }
}

/// Gives what all the objects of a name say alike.
fn only<'a, T: PartialEq>(all: &'a [(Reference, T)], wanted: &Reference) -> Option<&'a T> {
    let mut found = all.iter().filter(|(name, _)| name.may_be(wanted)).map(|(_, said)| said);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

impl Object<'_> {
    /// Gives where Helm values stand in it.
    pub(crate) fn values_key(&self) -> Option<KeyPath> {
        let is_release = self.kind == HELM_RELEASE && self.is_of_flux();
        is_release.then(|| "spec.values".parse().ok()).flatten()
    }

    /// Tells whether it is of Flux.
    pub(crate) fn is_of_flux(&self) -> bool {
        is_flux(self.group)
    }

    /// Tells whether it says which tags there are, and deploys none.
    pub(crate) fn is_of_image_automation(&self) -> bool {
        self.group == IMAGES
    }

    fn reference(&self) -> Option<Reference> {
        Some(Reference { namespace: self.namespace.map(str::to_owned), name: self.name?.to_owned() })
    }
}

/// Tells whether a group is one of Flux.
fn is_flux(group: &str) -> bool {
    group.ends_with(GROUP_END) || group == FIRST
}

/// A chart that an object names, and the HelmRepository that has it.
struct Chart {
    name: String,
    repository: Reference,
    version: KeyPath,
}

/// Gives the chart of a HelmRelease or HelmChart.
fn chart(object: &Object<'_>) -> Option<Chart> {
    let at: &[&str] = match object.kind {
        HELM_RELEASE => &["spec", "chart", "spec"],
        "HelmChart" => &["spec"],
        _ => return None,
    };
    let spec = object.node.get_path(at)?;
    let text = |keys: &[&str]| spec.get_path(keys).and_then(Node::as_str).map(str::to_owned);
    if text(&["sourceRef", "kind"])? != "HelmRepository" {
        return None;
    }
    let namespace = text(&["sourceRef", "namespace"]).or(object.namespace.map(str::to_owned));
    let repository = Reference { namespace, name: text(&["sourceRef", "name"])? };
    spec.get("version")?;
    Some(Chart { name: text(&["chart"])?, repository, version: format!("{}.version", at.join(".")).parse().ok()? })
}

/// Tells whether the chart may be the image: an image ends with the name of its chart.
fn may_be(chart: &Chart, image: &ImageName) -> bool {
    image.repository() == chart.name || image.repository().ends_with(&format!("/{}", chart.name))
}

/// Tells whether a file names charts that may be the image, from HelmRepositories that are not known yet.
pub fn asks(source: &Source, image: &ImageName, around: &Surroundings) -> bool {
    let objects = Objects::of(source);
    let mut charts = objects.of_groups(is_flux).filter_map(|object| chart(&object));
    charts
        .any(|chart| may_be(&chart, image) && !around.repositories.iter().any(|(one, _)| one.may_be(&chart.repository)))
}

/// Finds where objects of Flux choose an image by its tag: `OCIRepository`, and charts of an OCI registry.
pub fn places(source: &Source, image: &ImageName, around: &Surroundings) -> Vec<Place> {
    let objects = Objects::of(source);
    let mut found = Vec::new();
    for object in objects.of_groups(is_flux) {
        let place = match object.kind {
            "OCIRepository" => artifact(objects, object, image),
            _ => chart(&object).and_then(|chart| {
                let url = around.url_of(&chart.repository).filter(|_| may_be(&chart, image))?;
                let is_it = is_at(&format!("{}/{}", url.trim_end_matches('/'), chart.name), image);
                is_it.then(|| Place::Version(objects.address(object, chart.version)))
            }),
        };
        found.extend(place);
    }
    found
}

/// Gives where an OCIRepository of the image says which artifact: a digest wins over a range, and that over a tag.
fn artifact(objects: Objects<'_>, object: Object<'_>, image: &ImageName) -> Option<Place> {
    let url = object.node.get_path(&["spec", "url"]).and_then(Node::as_str)?;
    let reference = object.node.get_path(&["spec", "ref"]).filter(|_| is_at(url, image))?;
    let address = |key: &str| Some(objects.address(object, format!("spec.ref.{key}").parse().ok()?));
    if reference.get("semver").and_then(Node::as_str).is_some_and(|range| !range.is_empty()) {
        return address("semver").map(Place::Version);
    }
    let has = |key: &str| reference.get(key).is_some_and(|value| matches!(value.kind(), Kind::Scalar { .. }));
    (has("tag") || has("digest")).then(|| Some(Place::Parts { tag: address("tag")?, digest: address("digest") }))?
}

fn is_at(url: &str, image: &ImageName) -> bool {
    url.strip_prefix(OCI).and_then(|name| name.trim_end_matches('/').parse().ok()).as_ref() == Some(image)
}

/// Gives where the HelmReleases of a file have their values.
pub fn values(source: &Source) -> Vec<ValuesPart> {
    let objects = Objects::of(source);
    let values = |object: Object<'_>| {
        let key = object.values_key()?;
        object.node.get_path(&["spec", "values"])?;
        Some(ValuesPart { object: object.named()?, key, shape: Shape::Values })
    };
    objects.of_groups(is_flux).filter_map(values).collect()
}

/// Gives the lists of images of the Kustomizations of a file.
pub fn image_lists(source: &Source) -> Vec<Address> {
    let objects = Objects::of(source);
    let is_it = |object: &Object<'_>| object.kind == KUSTOMIZATION;
    let list = |object: Object<'_>| {
        object.node.get_path(&["spec", "images"])?;
        Some(objects.address(object, images_key()?))
    };
    objects.of_groups(is_flux).filter(is_it).filter_map(list).collect()
}

/// Gives the list of images of one Kustomization, which may not be there yet.
pub fn image_list(source: &Source, wanted: &ObjectName) -> Option<Address> {
    let objects = Objects::of(source);
    let object = objects.named(wanted).ok().flatten()?;
    Some(objects.address(object, images_key()?))
}

fn images_key() -> Option<KeyPath> {
    "spec.images".parse().ok()
}

/// What an object is that its annotations are about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Subject {
    /// A HelmRelease of Flux.
    Release,
    /// A Kustomization of Flux.
    Kustomization,
    /// The file of a kustomization.
    KustomizationFile,
    /// Anything else.
    Other,
}

/// Tells what an object of a file is, and what it is called there; none if it is not there.
///
/// # Errors
/// `edit/duplicate-key` if several objects have the name.
pub fn subject(source: &Source, wanted: &ObjectName) -> Result<Option<(Subject, ObjectName)>, EditError> {
    let objects = Objects::of(source);
    let of = |object: &Object<'_>| match object.kind {
        HELM_RELEASE if object.is_of_flux() => Subject::Release,
        KUSTOMIZATION if object.is_of_flux() => Subject::Kustomization,
        KUSTOMIZATION if object.group == KUSTOMIZE => Subject::KustomizationFile,
        _ => Subject::Other,
    };
    Ok(objects.named(wanted)?.and_then(|object| Some((of(&object), object.named()?))))
}

/// A source of values of a HelmRelease beside its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ValuesFrom {
    /// `ConfigMap` or `Secret`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The key that holds a text with values; none if it holds one value for one key path.
    pub key: Option<KeyPath>,
}

/// Gives where a HelmRelease takes values from, in Helm's order: later ones win, its own over all of them.
pub fn values_from(source: &Source, release: &ObjectName) -> Vec<ValuesFrom> {
    let objects = Objects::of(source);
    let list = objects.named(release).ok().flatten().and_then(|object| object.node.get_path(&["spec", "valuesFrom"]));
    let read = |item: Node<'_>| {
        let text = |key: &str| item.get(key).and_then(Node::as_str);
        let whole = text("targetPath").is_none_or(str::is_empty);
        let data = KeyPath::of_key("data").and_then(|data| data.child(text("valuesKey").unwrap_or("values.yaml")));
        Some(ValuesFrom {
            kind: text("kind")?.to_owned(),
            name: text("name")?.to_owned(),
            key: data.ok().filter(|_| whole),
        })
    };
    list.map(Node::items).unwrap_or_default().into_iter().filter_map(read).collect()
}

/// Finds the ConfigMaps of a name that may be the one which a release means: of its namespace, as far as both say theirs.
pub fn config_maps(source: &Source, name: &str, release: &ObjectName) -> Vec<ObjectName> {
    let of_release = match release {
        ObjectName::Named { namespace, .. } => namespace.as_deref(),
        ObjectName::Number(_) => None,
    };
    let objects = Objects::of(source);
    let is_apart = |object: &ObjectName| match object {
        ObjectName::Named { namespace, .. } => {
            namespace.as_deref().zip(of_release).is_some_and(|(own, wanted)| own != wanted)
        }
        ObjectName::Number(_) => true,
    };
    let all = objects.called("ConfigMap", name).filter_map(|object| object.named());
    all.filter(|object| !is_apart(object)).collect()
}
