//! A tracked image: one image of one Application, what its policy allows and where its tag stands.

use std::collections::BTreeMap;

use crate::model::branch_template::BranchTemplate;
use crate::model::key_path::KeyPath;
use crate::model::names::{ApplicationKey, Branch, ImageName, RepoPath};
use crate::model::policy::Policy;
use crate::model::rule::Glob;

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
#[derive(Clone, Debug, Eq, PartialEq)]
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
}

/// A branch that is created from the head of the base, once for each change.
#[derive(Clone, Debug, Eq, PartialEq)]
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
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Search {
    /// At a key path of Helm values.
    Helm(HelmSearch),
}

/// A key path, and the value files that may hold it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HelmSearch {
    /// Files that may hold the key, in Helm's order: the last that holds it is the one.
    pub files: Vec<RepoPath>,
    /// The file that counts when none holds the key.
    pub fallback: RepoPath,
    /// Files in which the image's name may stand, in Helm's order.
    pub values: Vec<RepoPath>,
    /// The key path of the tag or spec.
    pub key: KeyPath,
    /// What stands there.
    pub form: Form,
    /// The key path of the image's name, checked and written only if absent.
    pub name_key: Option<KeyPath>,
}

impl Search {
    /// Gives every file that the search reads.
    pub fn files(&self) -> impl Iterator<Item = &RepoPath> {
        match self {
            Self::Helm(helm) => helm.files.iter().chain(&helm.values).chain([&helm.fallback]),
        }
    }
}

/// One image of one Application.
#[derive(Clone, Debug)]
pub struct TrackedImage {
    /// The Application.
    pub application: ApplicationKey,
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
    /// What is allowed.
    pub policy: Policy,
    /// Where the tag may stand, if that could be resolved.
    pub target: Option<Target>,
    /// The Applications with the same text here change together.
    pub group: Option<String>,
    /// The key path that the annotations name, even if no target could be resolved.
    pub key: Option<KeyPath>,
    /// Holds the image before anything was looked at.
    pub refusal: Option<Refusal>,
}
