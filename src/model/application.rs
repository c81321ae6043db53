//! An Argo CD Application as far as repin reads it (argoproj.io/v1alpha1), or one of `applications:` of repin.yaml.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::address::ObjectName;
use crate::model::key_path::KeyPath;
use crate::model::manifest_files::ManifestFiles;
use crate::model::names::ApplicationKey;
use crate::model::origin::Rendered;
use crate::model::tracked::{Shape, Tool};

/// The prefix of repin's own annotations.
pub const PREFIX: &str = "repin.dev/";
/// The prefix of argocd-image-updater, read as well.
pub const LEGACY_PREFIX: &str = "argocd-image-updater.argoproj.io/";
/// Namespace of an Application that names none.
pub const DEFAULT_NAMESPACE: &str = "argocd";
/// Namespace of another object that names none, as the API has it.
pub const PLAIN_NAMESPACE: &str = "default";

/// One annotation as written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Annotation {
    /// The key, with its prefix.
    pub key: String,
    /// The value's text; none if it is no text, which whoever read it has reported.
    pub value: Option<String>,
    /// Line of the key in the defining file, from 1.
    pub line: u64,
}

/// One entry of `spec.source` or `spec.sources`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ApplicationSource {
    /// Line of `repoURL`, from 1.
    pub line: u64,
    /// Where it stands in the defining object, such as `spec.source`; none in repin.yaml, and where the defining object is
    /// itself what is deployed.
    pub at: Option<KeyPath>,
    /// `repoURL` as written; empty where [`Self::is_at_home`].
    pub repo_url: String,
    /// `path`, empty where there is none.
    pub path: String,
    /// `targetRevision`; none and `HEAD` mean the remote's default branch.
    pub target_revision: Option<String>,
    /// `ref`: the name by which value files of other sources mean files of this one, as `$<ref>/<path>`.
    pub reference: Option<String>,
    /// `chart`: the source is a Helm repository, not Git.
    pub chart: Option<String>,
    /// `helm.valueFiles`, in Helm's order.
    pub value_files: Vec<String>,
    /// The values that it has in itself, in Helm's order: later ones win over earlier ones, and over its files.
    pub inline: Vec<Inline>,
    /// `kustomize.images`, as written.
    pub kustomize_images: Vec<String>,
    /// What it is rendered with, if one of `helm`, `kustomize` and `directory` says so.
    pub tool: Option<Tool>,
    /// `directory`: which files count where it is a directory of manifests.
    pub manifests: ManifestFiles,
}

impl ApplicationSource {
    /// Tells whether its files are those of the repository that the Application itself belongs to.
    pub fn is_at_home(&self) -> bool {
        self.at.is_none() && self.repo_url.is_empty()
    }
}

impl Application {
    /// Gives the object that the annotations are about, if that is the one that carries them: all but Argo CD's own.
    pub fn own_object(&self) -> Option<&ObjectName> {
        self.object.as_ref().filter(|_| self.sources.iter().any(ApplicationSource::is_at_home))
    }
}

/// Helm values that stand in a source itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inline {
    /// Where they stand in the defining object, such as `spec.source.helm.valuesObject`.
    pub at: KeyPath,
    /// How they are written.
    pub shape: Shape,
    /// What stands in them.
    pub values: Vec<InlineValue>,
    /// The parameters as written, where they are a list of them.
    pub parameters: Vec<Parameter>,
}

/// A Helm parameter.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Parameter {
    /// `name`, in the syntax of `helm --set`.
    pub name: String,
    /// `value`.
    pub value: String,
    /// `forceString`: the value is a text to Helm, whatever it looks like.
    pub is_forced: bool,
}

/// One scalar of the values that a source has in itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InlineValue {
    /// Its key path, as values files have it.
    pub path: KeyPath,
    /// Its text; none for a null.
    pub text: Option<String>,
}

/// An Application with annotations of repin.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Application {
    /// Which one it is.
    pub key: ApplicationKey,
    /// The object that defines it, which is the rendered one for what an ApplicationSet generates; none in repin.yaml.
    pub object: Option<ObjectName>,
    /// What an ApplicationSet made of its template, in the place of what stands in the file.
    pub rendered: Option<Arc<Rendered>>,
    /// Line of its definition, from 1.
    pub line: u64,
    /// `spec.project`, `default` where there is none.
    pub project: String,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// The annotations under one of the two prefixes, in source order.
    pub annotations: Vec<Annotation>,
    /// Its sources.
    pub sources: Vec<ApplicationSource>,
}
