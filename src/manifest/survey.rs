//! Every image location of a file, whatever the image: what `auto` would find for one image, for all of them at once.
//!
//! A survey knows one file alone. Which layer of values counts, what a kustomization puts over its base and what is
//! rendered at all is said elsewhere; here stands where a file names images, and what it holds there. The walks are those
//! of the searches for one image ([`manifests::places`], [`values::named`], [`kustomization::find`]).

use std::collections::BTreeSet;

use crate::manifest::objects::{Object, Objects};
use crate::manifest::place::{Held, Place, split_spec};
use crate::manifest::values::Named;
use crate::manifest::{EditError, Source, kustomization, manifests, values};
use crate::model::address::Address;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::model::tracked::{Form, KUSTOMIZATIONS};
use crate::yaml::{Kind, Node, Style, scalar};

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
    for object in objects.all().iter().filter(|object| manifests::is_open(&object.kind)) {
        survey.object(&objects, object);
    }
    let is_object = objects.all().iter().any(|object| object.document == 0);
    if let Some(first) = source.documents().first().filter(|_| !is_object && !is_kustomization) {
        survey.values(first.root(), &|named| Some(Address::first(named.key.clone())));
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

    fn object(&mut self, objects: &Objects<'d>, object: &Object<'d>) {
        for (key, text) in manifests::each(object.node) {
            self.note(Place::Spec(objects.address(object, key)), split_spec(text).0.parse().ok());
        }
        // What nobody calls values may hold a `repository` of anything: there a tag stands beside that of an image.
        let has_tag = |around: Node<'_>| around.get("tag").is_some();
        for (around, named) in values::each(object.node) {
            if named.form == Form::Tag && (has_tag(around) || is_of_values(&object.kind, &named.key)) {
                let image = image_of(object.node, around, &named);
                self.note(Place::Tag(objects.address(object, named.key)), image);
            }
        }
        if let Some(list) = images_of(&object.kind) {
            self.entries(&objects.address(object, list));
        }
    }

    fn values(&mut self, root: Node<'d>, address: &dyn Fn(&Named) -> Option<Address>) {
        for (around, named) in values::each(root) {
            let Some(address) = address(&named) else { continue };
            let image = image_of(root, around, &named);
            self.note(if named.form == Form::Tag { Place::Tag(address) } else { Place::Spec(address) }, image);
        }
    }
}

/// Tells whether a key path of an object of this kind leads into values of a chart.
fn is_of_values(kind: &str, key: &KeyPath) -> bool {
    let parts: &[&str] = match kind {
        "HelmRelease" => &["spec.values."],
        "Application" => &["spec.source.helm.valuesObject.", "spec.sources["],
        _ => return false,
    };
    let key = key.to_string();
    parts.iter().any(|part| key.starts_with(part))
}

/// Gives the list of images that objects of this kind hand over to kustomize.
fn images_of(kind: &str) -> Option<KeyPath> {
    (kind == "Kustomization")
        .then(|| KeyPath::of_key("spec").and_then(|path| path.child(kustomization::IMAGES)).ok())?
}

/// Reads the name of an image: with the registry beside it, else with the one for all images of a chart.
fn image_of(root: Node<'_>, around: Node<'_>, named: &Named) -> Option<ImageName> {
    let name = around.get(named.name.last_key()?)?;
    let text = name.as_str().filter(|_| is_text(name))?;
    if named.form == Form::Spec {
        return split_spec(text).0.parse().ok();
    }
    let plain = || text.parse::<ImageName>().ok();
    let has_host = || plain().is_some_and(|image| text.starts_with(&format!("{}/", image.registry())));
    let global = || filled(root.get_path(&["global", "imageRegistry"])).filter(|_| !has_host());
    match filled(around.get("registry")).or_else(global) {
        Some(registry) => format!("{}/{text}", registry.trim_end_matches('/')).parse().ok(),
        None => plain(),
    }
}

fn filled(node: Option<Node<'_>>) -> Option<&str> {
    node.and_then(Node::as_str).filter(|text| !text.is_empty())
}

/// Tells whether a scalar is a text to every reader: `image: true` names nothing.
fn is_text(node: Node<'_>) -> bool {
    match node.resolve().map(Node::kind) {
        Some(Kind::Scalar { value, style: Style::Plain }) => scalar::is_string(value),
        Some(Kind::Scalar { .. }) => true,
        _ => false,
    }
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
                "image.tag reg.example/acme/web 1.2@sha256:ab",
                "proxy.image.tag quay.io/acme/proxy v2",
                "init.image docker.io/library/busybox 1.36",
                "old.tag ghcr.io/acme/old -",
                "jobs[name=a].image ghcr.io/acme/job 3@sha256:cd",
                "jobs[1].image ghcr.io/acme/job -",
                "late.image.tag reg.example/acme/late -",
                "filled.image.tag reg.example/acme/filled edit/template",
            ]
        );
    }

    #[test]
    fn objects_name_images_in_fields_and_in_the_values_that_they_carry() {
        let text = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, image: 'acme/web:1'}]}}}\n\
                    ---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  values:\n    \
                    image: {repository: acme/chart, tag: 2.0.0}\n    late: {repository: acme/late}\n    side: {image: 'acme/side:4'}\n\
                    ---\napiVersion: x.example/v1\nkind: Cluster\nmetadata: {name: db}\nspec: {image: {repository: acme/db, tag: 16}, backup: {repository: s3}}\n\
                    ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {image: 'acme/no:1'}\n\
                    ---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: s}\nspec: {image: {repository: acme/no, tag: 1}}\n";
        assert_eq!(
            listed("all.yaml", text),
            [
                "Deployment/web#spec.template.spec.containers[name=web].image docker.io/acme/web 1",
                "HelmRelease/web#spec.values.side.image docker.io/acme/side 4",
                "HelmRelease/web#spec.values.image.tag docker.io/acme/chart 2.0.0",
                "HelmRelease/web#spec.values.late.tag docker.io/acme/late -",
                "Cluster/db#spec.image.tag docker.io/acme/db 16",
            ]
        );
    }

    #[test]
    fn kustomizations_name_images_in_entries() {
        let text = "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: v1\n- name: ghcr.io/acme/api\n  digest: sha256:ab\n- name: redis\n";
        assert_eq!(
            listed("kustomization.yaml", text),
            [
                "images[name=web].newTag ghcr.io/acme/web v1",
                "images[name=ghcr.io/acme/api].digest ghcr.io/acme/api -@sha256:ab",
                "images[name=redis].newTag docker.io/library/redis -",
            ]
        );
        let flux = "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps}\nspec:\n  images: [{name: acme/web, newTag: v1}]\n";
        assert_eq!(listed("apps.yaml", flux), ["spec.images[name=acme/web].newTag docker.io/acme/web v1"]);
    }
}
