//! Image locations of a file, whatever the image: what the searches for one image go through, for all of them at once.
//!
//! A survey knows one file alone. Which layer of values counts, what a kustomization puts over its base and what is
//! rendered at all is said elsewhere; here stands where a file names images, and what it holds there. The walks are those
//! of the searches for one image ([`manifests::places`], [`Spoken`], [`kustomization::find`]). Left out are charts and
//! artifacts of Flux, marked values, declared fields, and parameters and image strings of Applications.

use std::collections::BTreeSet;

use crate::manifest::helm_values::{Spoken, image_keys_below, walk_to};
use crate::manifest::manifests::Said;
use crate::manifest::objects::{Object, Objects};
use crate::manifest::place::{Held, Place, split_spec};
use crate::manifest::{EditError, Found, Source, kustomization, manifests};
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::model::tracked::{Form, KUSTOMIZATIONS};
use crate::yaml::{Node, scalar};

/// One location of an image.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Surveyed {
    /// The place that says which tag or digest runs.
    pub place: Place,
    /// The image that the file names there, with the registry that stands beside its repository.
    pub image: ImageName,
    /// What stands at the place, or why it cannot be said, such as `edit/template`.
    pub held: Result<Held, EditError>,
}

/// Finds the image locations of a file: entries of `images:` of kustomizations, `image:` fields of objects, Helm values in
/// objects, and the first document as Helm values where it is no object. `file_name` says whether it is a kustomization.
pub fn survey(source: &Source, file_name: &str) -> Vec<Surveyed> {
    let mut survey = Survey { source, seen: BTreeSet::new(), found: Vec::new() };
    let is_kustomization = KUSTOMIZATIONS.contains(&file_name);
    if is_kustomization && let Ok(list) = kustomization::images() {
        survey.entries(&list);
    }
    let objects = Objects::of(source);
    for object in objects.all().filter(manifests::is_searched) {
        survey.object(objects, object);
    }
    let is_object = objects.are_in(0);
    if let Some(first) = source.documents().first().filter(|_| !is_object && !is_kustomization) {
        survey.values(first.root(), &|key| Some(Address::first(key)));
    }
    survey.found
}

struct Survey<'d> {
    source: &'d Source,
    seen: BTreeSet<String>,
    found: Vec<Surveyed>,
}

impl<'d> Survey<'d> {
    fn note(&mut self, place: Place, image: Option<ImageName>) {
        let Some(image) = image else { return };
        if self.seen.insert(place.canonical(self.source)) {
            let held = place.read(self.source, &image);
            self.found.push(Surveyed { place, image, held });
        }
    }

    fn entries(&mut self, list: &Address) {
        // A list that cannot be read has no entries that could be written.
        for (name, image) in kustomization::each(self.source, list).unwrap_or_default() {
            let mut place = Place::Entry { list: list.clone(), name, is_digest: false };
            let image = image.parse::<ImageName>().ok();
            let held = image.as_ref().map(|image| place.read(self.source, image));
            if let (Place::Entry { is_digest, .. }, Some(Ok(held))) = (&mut place, held) {
                *is_digest = held.tag.is_none() && held.digest.is_some();
            }
            self.note(place, image);
        }
    }

    fn object(&mut self, objects: Objects<'d>, object: Object<'d>) {
        let parts = parts_of(&object);
        for part in &parts {
            let Some(node) = walk_to(object.node, part) else { continue };
            let address = |key: KeyPath| Some(objects.address(object, part.join(&key).ok()?));
            self.values(node, &address);
        }
        // Values have rules of their own.
        let is_own = |key: &KeyPath| !parts.iter().any(|part| key.segments().starts_with(part.segments()));
        for (key, said) in manifests::all(object.node).into_iter().filter(|(key, _)| is_own(key)) {
            let address = objects.address(object, key);
            match said {
                Said::Whole(text) => self.note(Place::Spec(address), split_spec(text).0.parse().ok()),
                Said::Split(around) => {
                    self.note(Place::Tag(address), manifests::split(around).into_iter().flatten().next())
                }
            }
        }
        if let Some(list) = images_of(object.kind) {
            self.entries(&objects.address(object, list));
        }
    }

    /// Notes what values below a node say, be it a mapping or a text that holds one.
    fn values(&mut self, node: Node<'d>, address: &dyn Fn(KeyPath) -> Option<Address>) {
        let is_text = node.as_str().is_some();
        let text = |key: &KeyPath| match is_text {
            false => walk_to(node, key)?.as_str().map(str::to_owned),
            true => match self.source.read_at(&address(key.clone())?) {
                Ok(Found::Text { value, .. }) => Some(value),
                Ok(_) | Err(_) => None,
            },
        };
        let keys = image_keys_below(node);
        let mut found = Spoken { text: &text, keys: &keys }.all();
        // `image: true` names nothing.
        found.retain(|(named, _)| text(&named.name).is_some_and(|name| scalar::is_string(&name)));
        for (named, image) in found {
            let Some(address) = address(named.key) else { continue };
            self.note(if named.form == Form::Tag { Place::Tag(address) } else { Place::Spec(address) }, Some(image));
        }
    }
}

/// Gives where an object carries values of a chart.
fn parts_of(object: &Object<'_>) -> Vec<KeyPath> {
    let parse = |texts: Vec<String>| texts.iter().filter_map(|text| text.parse().ok()).collect();
    match object.kind {
        "HelmRelease" => parse(vec!["spec.values".to_owned()]),
        "Application" => {
            let sources = object.node.get_path(&["spec", "sources"]).map(Node::items).unwrap_or_default().len();
            let several = (0..sources).map(|number| format!("spec.sources[{number}]"));
            let all = std::iter::once("spec.source".to_owned()).chain(several);
            parse(all.flat_map(|one| ["valuesObject", "values"].map(|part| format!("{one}.helm.{part}"))).collect())
        }
        _ => Vec::new(),
    }
}

/// Gives the list of images that objects of this kind hand over to kustomize.
fn images_of(kind: &str) -> Option<KeyPath> {
    (kind == "Kustomization")
        .then(|| KeyPath::of_key("spec").and_then(|path| path.child(kustomization::IMAGES)).ok())?
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// One line for each location: place, image, what stands there.
    fn listed(file_name: &str, text: &str) -> Vec<String> {
        let shown = |one: Surveyed| {
            let held = match &one.held {
                Ok(held) => {
                    let tag = held.tag.as_deref().unwrap_or("-");
                    held.digest.as_ref().map_or_else(|| tag.to_owned(), |digest| format!("{tag}@{digest}"))
                }
                Err(error) => crate::diagnostic::Diagnostic::code(error).to_owned(),
            };
            format!("{} {} {held}", one.place.key(), one.image)
        };
        survey(&Source::parse(text).unwrap(), file_name).into_iter().map(shown).collect()
    }

    #[test]
    fn values_name_images_in_several_shapes() {
        let text = "global: {imageRegistry: reg.example}\nimage:\n  repository: acme/web\n  tag: \"1.2\"\n  digest: sha256:ab\n\
                    proxy:\n  image: {registry: quay.io, repository: acme/proxy, tag: v2}\n\
                    init: {image: 'busybox:1.36', pullPolicy: Always}\nold: {image: ghcr.io/acme/old, tag: }\n\
                    jobs:\n- name: a\n  image: ghcr.io/acme/job:3@sha256:cd\n- image: ghcr.io/acme/job\n\
                    off: {image: true, tag: 1}\nlate: {image: {repository: acme/late}}\ntag: only\n\
                    filled: {image: {repository: acme/filled, tag: '${TAG}'}}\n";
        assert_eq!(
            listed("values.yaml", text),
            [
                "filled.image.tag reg.example/acme/filled edit/template",
                "image.tag reg.example/acme/web 1.2@sha256:ab",
                "init.image docker.io/library/busybox 1.36",
                "jobs[1].image ghcr.io/acme/job -",
                "jobs[name=a].image ghcr.io/acme/job 3@sha256:cd",
                "late.image.tag reg.example/acme/late -",
                "old.tag ghcr.io/acme/old -",
                "proxy.image.tag quay.io/acme/proxy v2",
            ]
        );
    }

    #[test]
    fn objects_name_images_in_fields_and_in_the_values_that_they_carry() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, image: 'acme/web:1'}]}}}\n\
                    ---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  values:\n    \
                    image: {repository: acme/chart, tag: 2.0.0}\n    old: {image: acme/old, tag: v3}\n    late: {repository: acme/late}\n    side: {image: 'acme/side:4'}\n\
                    ---\napiVersion: x.example/v1\nkind: Cluster\nmetadata: {name: db}\nspec: {image: {repository: acme/db, tag: 16}, backup: {repository: s3}}\n\
                    ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {image: 'acme/no:1'}\n\
                    ---\napiVersion: x.example/v1\nkind: Flat\nmetadata: {name: f}\nrepository: acme/flat\ntag: 5\n\
                    ---\napiVersion: x.example/v1\nkind: Both\nmetadata: {name: b}\nspec: {image: 'acme/both:6', tag: x}\n\
                    ---\napiVersion: image.toolkit.fluxcd.io/v1beta2\nkind: ImageRepository\nmetadata: {name: r}\nspec: {image: acme/no}\n\
                    ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {repository: acme/no, tag: 1.0.0}\n\
                    ---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: s}\nspec: {image: {repository: acme/no, tag: 1}}\n";
        assert_eq!(
            listed("all.yaml", text),
            [
                "Deployment/web#spec.template.spec.containers[name=web].image docker.io/acme/web 1",
                "HelmRelease/web#spec.values.image.tag docker.io/acme/chart 2.0.0",
                "HelmRelease/web#spec.values.late.tag docker.io/acme/late -",
                "HelmRelease/web#spec.values.old.tag docker.io/acme/old v3",
                "HelmRelease/web#spec.values.side.image docker.io/acme/side 4",
                "Cluster/db#spec.image.tag docker.io/acme/db 16",
                "Flat/f#tag docker.io/acme/flat 5",
                "Both/b#spec.image docker.io/acme/both 6",
            ]
        );
    }

    #[test]
    fn kustomizations_and_applications_name_images_too() {
        let text = "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: v1\n- name: ghcr.io/acme/api\n  digest: sha256:ab\n- name: redis\n";
        assert_eq!(
            listed("kustomization.yaml", text),
            [
                "images[name=web].newTag ghcr.io/acme/web v1",
                "images[name=ghcr.io/acme/api].digest ghcr.io/acme/api -@sha256:ab",
                "images[name=redis].newTag docker.io/library/redis -",
            ]
        );
        let texts = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web}\nspec:\n  sources:\n  - helm:\n      \
                     values: |\n        image: {repository: acme/web, tag: v1}\n  - helm: {valuesObject: {image: {name: acme/api, tag: v2}}}\n";
        assert_eq!(
            listed("app.yaml", texts),
            [
                "spec.sources[0].helm.values.image.tag docker.io/acme/web v1",
                "spec.sources[1].helm.valuesObject.image.tag docker.io/acme/api v2",
            ]
        );
        let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec:\n  images: [{name: acme/web, newTag: v1}]\n";
        assert_eq!(listed("apps.yaml", flux), ["spec.images[name=acme/web].newTag docker.io/acme/web v1"]);
    }
}
