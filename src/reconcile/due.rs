//! What a cycle looks at, and what it takes from the look before.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::event::{Pushed, PushedTags};
use crate::model::names::ImageName;
use crate::reconcile::Reconciler;

/// What is due in a cycle. What is not rests: repositories are as they were read last, and registries answer what they
/// answered last. What was never looked at, or could not be, is looked at anyway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Due {
    /// The last cycle's clock, for the schedules of rules; none = all of them are due.
    pub since: Option<Timestamp>,
    /// Whether all is due that has no schedule of its own.
    pub others: bool,
    /// Repositories with a schedule of their own, by name.
    pub repositories: BTreeMap<String, bool>,
    /// Registries with a schedule of their own, by host.
    pub registries: BTreeMap<String, bool>,
    /// Images that are looked at as somebody wishes, whether their registry is due or not.
    pub images: BTreeMap<ImageName, bool>,
    /// Images that were pushed: they are due even where their registry rests.
    pub pushed: Pushed,
}

impl Due {
    /// Everything, as a person asks for it.
    pub fn everything() -> Self {
        Self { others: true, ..Self::nothing(None) }
    }

    /// Nothing, after a cycle.
    pub fn nothing(since: Option<Timestamp>) -> Self {
        Self {
            since,
            others: false,
            repositories: BTreeMap::new(),
            registries: BTreeMap::new(),
            images: BTreeMap::new(),
            pushed: Pushed::default(),
        }
    }

    /// Everything that can be looked at, after a cycle.
    pub fn all_since(since: Option<Timestamp>) -> Self {
        Self { since, ..Self::everything() }
    }

    /// Tells whether a repository is due, by its name.
    pub fn is_repository(&self, name: &str) -> bool {
        self.repositories.get(name).copied().unwrap_or(self.others)
    }

    /// Tells whether a registry is due, by its host.
    pub fn is_registry(&self, host: &str) -> bool {
        self.registries.get(host).copied().unwrap_or(self.others)
    }

    /// Tells whether an image is due: by its own interval, else with its registry; or because it was pushed.
    pub fn is_image(&self, image: &ImageName) -> bool {
        let own = self.images.get(image).copied();
        own.unwrap_or_else(|| self.is_registry(image.registry())) || self.pushed.contains(image)
    }

    /// Gives the tags of an image that were pushed; none if it was not. What is known of them is out of date, whatever
    /// their registry's schedule says.
    pub fn pushed_tags(&self, image: &ImageName) -> Option<&PushedTags> {
        self.pushed.tags(image)
    }
}

impl Reconciler {
    /// Keeps what was pushed of images that somebody tracks, as far as was read: a look at any other changes nothing.
    pub fn keep_tracked(&self, pushed: &mut Pushed) {
        if pushed.is_empty() {
            return;
        }
        let tracked: BTreeSet<ImageName> = self
            .gathered
            .resolved
            .values()
            .flat_map(|resolved| &resolved.images)
            .filter(|image| image.refusal.is_none())
            .filter_map(|image| image.asked.as_ref())
            .filter(|asked| pushed.contains(asked))
            .map(ImageName::without_pull_secret)
            .collect();
        pushed.retain(|image| tracked.contains(image));
    }
}
