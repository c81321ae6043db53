//! The forges of a reconciler: each made once, however many repositories and sources are there.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use crate::forge::{self, Forge, Traffic};
use crate::model::forge::Project;
use crate::model::source::Source;
use crate::reconcile::Options;

/// A project on its forge.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The forge.
    pub(super) forge: Arc<Forge>,
    /// The project.
    pub(super) project: Project,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Forges {
    repositories: BTreeMap<String, Held>,
    /// Those below whose URLs sources are looked for.
    places: Vec<(Url, Arc<Forge>)>,
}

impl Forges {
    /// Makes the clients; nothing is asked yet. Two with the same settings are one: what an account may ask is counted
    /// once. Those that are there already are kept, with what they know.
    pub(super) fn renewed(&self, options: &Options) -> Self {
        let mut made: Vec<Arc<Forge>> = self.all().cloned().collect();
        let mut make = |options: &forge::Options| {
            if let Some(known) = made.iter().find(|known| known.options() == options) {
                return Some(known.clone());
            }
            let forge = Arc::new(Forge::new(options.clone()).ok()?);
            made.push(forge.clone());
            Some(forge)
        };
        let mut forges = Self::default();
        for repository in &options.repositories {
            let Some(target) = &repository.forge else { continue };
            let Some(forge) = make(&target.options) else { continue };
            forges.repositories.insert(repository.name.clone(), Held { forge, project: target.project.clone() });
        }
        for (url, options) in &options.forges {
            forges.places.extend(make(options).map(|forge| (url.clone(), forge)));
        }
        let own = forges.repositories.values().map(|held| (held.forge.options().web_url.clone(), held.forge.clone()));
        let own: Vec<_> = own.collect();
        forges.places.extend(own);
        forges
    }

    /// Gives the forge of a repository.
    pub(super) fn of_repository(&self, name: &str) -> Option<&Held> {
        self.repositories.get(name)
    }

    /// Tells whether another repository has its pull requests in the same project.
    pub(super) fn is_shared(&self, name: &str) -> bool {
        let place = |held: &Held| (held.forge.options().api_url.clone(), held.project.clone());
        let Some(own) = self.repositories.get(name).map(place) else { return false };
        self.repositories.values().filter(|held| place(held) == own).count() > 1
    }

    /// Gives the project of a source on the forge that is meant for its URL: that with the longest one. None where none is
    /// meant for it.
    pub(super) fn of_source(&self, source: &Source) -> Option<Held> {
        let fitting = self.places.iter().filter_map(|(url, forge)| Some((source.depth_below(url)?, forge)));
        // Of equal ones the first, which is an entry of its own.
        let (_, forge) = fitting.min_by_key(|(depth, _)| Reverse(*depth))?;
        let options = forge.options();
        let project = source.project(options.kind, &options.web_url)?;
        Some(Held { forge: forge.clone(), project })
    }

    /// Gives what the forge of each repository was asked so far.
    pub(super) fn traffic(&self) -> BTreeMap<String, Traffic> {
        self.repositories.iter().map(|(name, held)| (name.clone(), held.forge.traffic())).collect()
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Forge>> {
        self.repositories.values().map(|held| &held.forge).chain(self.places.iter().map(|(_, forge)| forge))
    }
}
