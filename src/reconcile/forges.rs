//! The forges of a reconciler: each made once, however many repositories and sources are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::forge::{Forge, Traffic};
use crate::model::forge::Project;
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
}

impl Forges {
    /// Makes the clients; nothing is asked yet.
    pub(super) fn new(options: &Options) -> Self {
        let mut repositories = BTreeMap::new();
        for repository in &options.repositories {
            if let Some(target) = &repository.forge {
                let Ok(forge) = Forge::new(target.options.clone()) else { continue };
                let forge = Arc::new(forge);
                repositories.insert(repository.name.clone(), Held { forge, project: target.project.clone() });
            }
        }
        Self { repositories }
    }

    /// Gives the forge of a repository.
    pub(super) fn of_repository(&self, name: &str) -> Option<&Held> {
        self.repositories.get(name)
    }

    /// Gives what the forge of each repository was asked so far.
    pub(super) fn traffic(&self) -> BTreeMap<String, Traffic> {
        self.repositories.iter().map(|(name, held)| (name.clone(), held.forge.traffic())).collect()
    }
}

/// STUB
pub(super) async fn news(
    _forges: &Forges,
    _places: &[crate::model::change::WrittenPlace],
) -> BTreeMap<(String, Option<String>, String), crate::model::change::News> {
    BTreeMap::new()
}
