//! A tracked image: one image of one Application, what its policy allows and where its tag stands.

mod tool;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::model::address::{Address, ObjectName, Shown};
use crate::model::application::Parameter;
use crate::model::branch_template::BranchTemplate;
use crate::model::forge::PullWishes;
use crate::model::image_field::ImageField;
use crate::model::key_path::KeyPath;
use crate::model::manifest_files::ManifestFiles;
use crate::model::names::{ApplicationKey, Branch, ImageName, RepoPath};
use crate::model::origin::Rendered;
use crate::model::overriding::Overriding;
use crate::model::policy::Policy;
use crate::model::rule::{Delivery, Glob};
pub use crate::model::tracked::tool::{CHART, KUSTOMIZATIONS, Tool, VALUES, kustomizations, may_be_kustomization};
use crate::model::wishes::Wishes;

/// Why an image is held before anything was looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The outcome's code, such as `annotation/invalid`.
    pub code: String,
    /// The outcome's message.
    pub message: String,
}

/// What of the image stands at the place that is written.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// The tag alone (`helm.image-tag`).
    Tag,
    /// The image with its tag (`helm.image-spec`).
    Spec,
}

/// One branch of one configured repository.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RemoteBranch {
    /// Name of the configured repository.
    pub repository: String,
    /// The branch.
    pub branch: Branch,
}

/// Where the tag may stand.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Target {
    /// The branch that is read, and written unless one is made for the change.
    pub base: RemoteBranch,
    /// The branch that is made for the change; none = the base is written.
    pub made: Option<MadeBranch>,
    /// Directories whose files may be written without a rule's `may_write`: the Application's source paths.
    pub own_paths: Vec<RepoPath>,
    /// Value files that the Application's own sources list; they may be written as well.
    pub listed: Vec<RepoPath>,
    /// Where to look.
    pub search: Search,
    /// Where objects of some kinds name an image, as the operator declares it.
    pub declared: Arc<[ImageField]>,
}

/// A branch that is created from the head of the base, once for each change.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct MadeBranch {
    /// What its name is made of.
    pub template: BranchTemplate,
    /// The branches that the operator allows; its name must match one of them.
    pub allowed: Vec<Glob>,
}

impl Target {
    /// Gives the branch that would be written, as rules see it before anything is chosen: the name of the base, or the
    /// text of the template with `*` for what is not known yet.
    pub fn written_branch(&self) -> String {
        self.made.as_ref().map_or_else(|| self.base.branch.to_string(), |made| made.template.pattern())
    }
}

/// Where a tag is looked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Search {
    /// At a key path of Helm values.
    Helm(HelmSearch),
    /// Wherever Helm values name the image.
    Values(ValuesSearch),
    /// In `images:` of the kustomization of a directory.
    Kustomization {
        /// The directory.
        directory: RepoPath,
        /// The `name` of the entry; none = the one that means the image.
        name: Option<String>,
    },
    /// In the `image:` fields of a file, or of the files below a directory.
    Manifests(RepoPath),
    /// Wherever the files of the source name the image.
    Auto(AutoSearch),
    /// In a list of image strings of an object (`kustomize.images` of an Application).
    Images(ImageStrings),
    /// In the file that overrides a source for one Application.
    Overrides(OverrideSearch),
    /// At a key path of a file, in one of its objects.
    Address(AddressSearch),
    /// In the object that carries the annotations.
    Object(ObjectSearch),
    /// In each of several sources of one Application, the home source first.
    Sources(Vec<Search>),
}

/// An entry of the file that overrides a source for one Application.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct OverrideSearch {
    /// What the file may be called: the first that is there, else the first of all.
    pub files: Vec<RepoPath>,
    /// The source, which says what runs as long as the file does not.
    pub source: AutoSearch,
    /// The key path of the tag or the whole image, where the annotations say which one is meant.
    pub key: Option<(KeyPath, Form)>,
    /// The key path of the image's name, where the annotations say which one is meant.
    pub name_key: Option<KeyPath>,
    /// What the manifests call the image, where the annotations say it.
    pub kustomize_name: Option<String>,
    /// The Helm parameters of the Application.
    pub parameters: Vec<Parameter>,
    /// The image strings of the Application.
    pub images: Vec<String>,
}

/// A list of image strings as Argo CD has them: `[name=]image[:tag][@digest]`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ImageStrings {
    /// The file.
    pub file: RepoPath,
    /// The list.
    pub list: Address,
}

/// One layer of Helm values: a file, or a part of an object of a file.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Layer {
    /// The file.
    pub file: RepoPath,
    /// The part of it that holds values; none = its first document, as Helm reads a file.
    pub part: Option<ValuesPart>,
}

/// The part of an object that holds Helm values.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ValuesPart {
    /// The object.
    pub object: ObjectName,
    /// Where in it.
    pub key: KeyPath,
    /// What stands there.
    pub shape: Shape,
}

/// How values are written.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Shape {
    /// As a mapping, or as a text that holds one.
    Values,
    /// As a list of `name` and `value`, the names in the syntax of `helm --set`.
    Parameters,
}

/// The file, and in brackets the part of it.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.part {
            None => write!(f, "`{}`", self.file),
            Some(part) => write!(f, "`{}` (`{}`)", self.file, part.key),
        }
    }
}

impl Layer {
    /// Makes the layer of a whole file.
    pub fn of(file: RepoPath) -> Self {
        Self { file, part: None }
    }

    /// Gives where the layer begins, and how it is written there; none for a whole file.
    pub fn start(&self) -> Option<(Address, Shape)> {
        let part = self.part.as_ref()?;
        let (object, shown) = (Some(part.object.clone()), Shown::Name);
        Some((Address { object, shown, key: part.key.clone() }, part.shape))
    }
}

/// Layers of values in which the image is looked for by its name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ValuesSearch {
    /// Layers that may hold the tag, in Helm's order.
    pub files: Vec<Layer>,
    /// The layer that is named when nothing is found.
    pub fallback: Layer,
    /// Layers in which the image's name may stand, in Helm's order.
    pub values: Vec<Layer>,
    /// Values that win over them and stand in the Application itself.
    pub overriding: Vec<Overriding>,
    /// The key path of the image's name, where the annotations say which one is meant.
    pub name_key: Option<KeyPath>,
}

/// A source whose own files say where the image stands.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AutoSearch {
    /// The source path.
    pub path: RepoPath,
    /// Its value files.
    pub values: ValuesSearch,
    /// What Argo CD renders it with, where the source says so.
    pub tool: Option<Tool>,
    /// Which files are part of it, where it is a directory of manifests.
    pub manifests: ManifestFiles,
}

/// A key path, and the layers of values that may hold it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct HelmSearch {
    /// Layers that may hold the key, in Helm's order: the last that holds it is the one.
    pub files: Vec<Layer>,
    /// The layer that counts when none holds the key.
    pub fallback: Layer,
    /// Layers in which the image's name may stand, in Helm's order.
    pub values: Vec<Layer>,
    /// Values that win over them and stand in the Application itself.
    pub overriding: Vec<Overriding>,
    /// The key path of the tag or spec.
    pub key: KeyPath,
    /// What stands there.
    pub form: Form,
    /// The key path of the image's name, checked and written only if absent.
    pub name_key: Option<KeyPath>,
}

/// A key path of a file of manifests.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct AddressSearch {
    /// The file.
    pub file: RepoPath,
    /// Where in it; without an object, in whichever has the key path, and only one may.
    pub address: Address,
    /// What stands there.
    pub form: Form,
    /// Where the image's name stands, which is checked.
    pub name: Option<Address>,
}

/// An object that carries its annotations itself and is what they are about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ObjectSearch {
    /// The file that defines it.
    pub file: RepoPath,
    /// The object.
    pub object: ObjectName,
    /// The key path that the annotations name, and what stands there: of the values of a HelmRelease, else of the object.
    pub key: Option<(KeyPath, Form)>,
    /// The key path of the image's name.
    pub name_key: Option<KeyPath>,
    /// The `name` of an entry of `images:`; none = the one that means the image.
    pub entry: Option<String>,
}

impl Search {
    /// Gives the parts of objects that the search may mean: a file, the object in it, and where in that.
    pub fn parts(&self) -> Vec<(&RepoPath, &ObjectName, &KeyPath)> {
        fn of(layers: &[Layer]) -> Vec<(&RepoPath, &ObjectName, &KeyPath)> {
            let parts = layers.iter().filter_map(|layer| Some((&layer.file, layer.part.as_ref()?)));
            parts.map(|(file, part)| (file, &part.object, &part.key)).collect()
        }
        match self {
            Self::Helm(helm) => of(&helm.files),
            Self::Values(values) => of(&values.files),
            Self::Auto(auto) => of(&auto.values.files),
            Self::Images(images) => {
                let object = images.list.object.as_ref();
                object.map(|object| (&images.file, object, &images.list.key)).into_iter().collect()
            }
            Self::Sources(all) => all.iter().flat_map(Self::parts).collect(),
            Self::Kustomization { .. }
            | Self::Manifests(_)
            | Self::Overrides(_)
            | Self::Address(_)
            | Self::Object(_) => Vec::new(),
        }
    }

    /// Gives every file that the search reads by its name.
    pub fn files(&self) -> Vec<RepoPath> {
        let of_layers = |files: &[Layer], values: &[Layer], fallback: &Layer| -> Vec<RepoPath> {
            files.iter().chain(values).chain([fallback]).map(|layer| layer.file.clone()).collect()
        };
        let of_values = |values: &ValuesSearch| of_layers(&values.files, &values.values, &values.fallback);
        match self {
            Self::Helm(helm) => of_layers(&helm.files, &helm.values, &helm.fallback),
            Self::Values(values) => of_values(values),
            Self::Kustomization { directory, .. } => kustomizations(directory),
            Self::Manifests(path) => vec![path.clone()],
            Self::Images(images) => vec![images.file.clone()],
            Self::Overrides(overrides) => {
                let mut files = overrides.files.clone();
                files.extend(Self::Auto(overrides.source.clone()).files());
                files
            }
            Self::Address(search) => vec![search.file.clone()],
            Self::Object(search) => vec![search.file.clone()],
            Self::Sources(all) => all.iter().flat_map(Self::files).collect(),
            Self::Auto(auto) => {
                let mut files = of_values(&auto.values);
                files.extend(auto.path.join(CHART));
                files.extend(kustomizations(&auto.path));
                files
            }
        }
    }
}

/// One image of one Application.
#[derive(Clone, Debug)]
pub struct TrackedImage {
    /// The Application.
    pub application: ApplicationKey,
    /// What an ApplicationSet made of its template, in the place of what stands in the defining file.
    pub rendered: Option<Arc<Rendered>>,
    /// Line of the annotation that lists the image, in the defining file.
    pub line: u64,
    /// Its Argo CD project.
    pub project: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The alias; an entry that cannot be read has its raw text here.
    pub alias: String,
    /// The image as text; an entry that cannot be read has its raw text here.
    pub image_text: String,
    /// The image, if the entry can be read.
    pub image: Option<ImageName>,
    /// The image as its registry is asked for it: with the pull secret that the annotations name, if one may be used.
    pub asked: Option<ImageName>,
    /// What is allowed.
    pub policy: Policy,
    /// How much time there is between two looks, as far as the operator allows it; none = as the schedules say.
    pub interval: Option<Duration>,
    /// Where the tag may stand, if that could be resolved.
    pub target: Option<Target>,
    /// The Applications with the same text here change together.
    pub group: Option<String>,
    /// How the annotations wish its changes to be delivered; none = as the rules say.
    pub delivery: Option<Delivery>,
    /// What the annotations wish of its pull requests.
    pub pull_request: PullWishes,
    /// What they wish besides.
    pub wishes: Wishes,
    /// The key path that the annotations name, even if no target could be resolved.
    pub key: Option<KeyPath>,
    /// Holds the image before anything was looked at.
    pub refusal: Option<Refusal>,
}

impl TrackedImage {
    /// Gives all that decides where its tag is looked for: two with equal ones are found at the same places of the same files.
    pub fn sought(&self) -> impl Hash + '_ {
        // Whoever adds a field says here whether it is one of them.
        let Self {
            application,
            rendered,
            // Only what is traced through a template names its line.
            line,
            alias,
            image_text,
            image,
            target,
            key,
            project: _,
            labels: _,
            asked: _,
            policy: _,
            interval: _,
            group: _,
            delivery: _,
            pull_request: _,
            wishes: _,
            refusal: _,
        } = self;
        (application, rendered.as_ref().map(|rendered| (rendered, line)), alias, image_text, image, target, key)
    }
}
