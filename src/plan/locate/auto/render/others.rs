//! What others than `images:` and patches make of images: replacements, transformers and generators of plugins.
//!
//! None of it is carried out. The images that it may write are closed, since nothing that stands elsewhere sets them.

use std::sync::Arc;

use crate::manifest::Source;
use crate::manifest::place::split_spec;
use crate::model::names::RepoPath;
use crate::model::tracked::kustomizations;
use crate::plan::locate::auto::render::Render;
use crate::plan::locate::auto::render::cost::Cost;
use crate::plan::locate::auto::render::object::Object;
use crate::plan::locate::auto::render::patches::Target;
use crate::yaml::Node;

/// Builtin transformers that leave images alone.
const HARMLESS: [&str; 9] = [
    "AnnotationsTransformer",
    "HashTransformer",
    "LabelTransformer",
    "NamespaceTransformer",
    "PrefixSuffixTransformer",
    "PrefixTransformer",
    "ReplicaCountTransformer",
    "ResourceConfig",
    "SuffixTransformer",
];

impl Render<'_> {
    /// Closes the images that replacements write.
    pub(super) fn replacements(&mut self, from: &RepoPath, root: Node<'_>, objects: &mut [Object]) {
        for item in root.get("replacements").map(Node::items).unwrap_or_default() {
            let why = format!("a replacement of {from} writes it");
            match item.get("path").and_then(Node::as_str) {
                None => close_targets(item, &why, objects, &mut self.cost),
                Some(path) => {
                    let Some((_, source)) = self.file(from, path) else { continue };
                    for root in source.documents().iter().map(|document| document.root()) {
                        close_targets(root, &why, objects, &mut self.cost);
                        for item in root.items() {
                            close_targets(item, &why, objects, &mut self.cost);
                        }
                    }
                }
            }
        }
    }

    /// Closes the images that a transformer of `transformers` may write.
    pub(super) fn transformer(&mut self, from: &RepoPath, text: &str, objects: &mut [Object]) {
        let Some(source) = self.plugin(from, text) else { return };
        for (file, source) in source {
            for root in source.documents().iter().map(|document| document.root()) {
                let Some(kind) = root.get("kind").and_then(Node::as_str) else { continue };
                if HARMLESS.contains(&kind) || self.cost.take(objects.len()).is_none() {
                    continue;
                }
                let name = root.get_path(&["imageTag", "name"]).and_then(Node::as_str);
                let why = format!("the {kind} in {file} may write it");
                for object in objects.iter_mut() {
                    object.close(&why, &|text| {
                        kind != "ImageTagTransformer" || name.is_none_or(|name| split_spec(text).0 == name)
                    });
                }
            }
        }
    }

    /// Reads the files of a generator or transformer: one, or those of a kustomization.
    pub(super) fn plugin(&mut self, from: &RepoPath, text: &str) -> Option<Vec<(RepoPath, Arc<Source>)>> {
        if text.contains('\n') {
            let source = Source::parse(text).ok()?;
            return Some(vec![(from.clone(), Arc::new(source))]);
        }
        let directory = from.parent().join(text)?;
        if !kustomizations(&directory).iter().any(|file| self.auto.files.is_there(file)) {
            return self.file(from, text).map(|found| vec![found]);
        }
        self.unseen.push(format!("what `{text}` of {from} makes"));
        None
    }
}

/// Closes the images that the targets of one replacement name.
fn close_targets(replacement: Node<'_>, why: &str, objects: &mut [Object], cost: &mut Cost) {
    for target in replacement.get("targets").map(Node::items).unwrap_or_default() {
        let paths = target.get("fieldPaths").map(Node::items).unwrap_or_default();
        if !paths.into_iter().filter_map(Node::as_str).any(|path| path.ends_with("image")) {
            continue;
        }
        let selected = target.get("select").map(|target| Target::of(target, cost));
        if cost.take(objects.len()).is_none() {
            return;
        }
        for object in objects.iter_mut() {
            if selected.as_ref().is_none_or(|selected| selected.meets(object)) {
                object.close(why, &|_| true);
            }
        }
    }
}
