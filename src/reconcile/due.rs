//! What a cycle looks at, and what it takes from the look before.

use std::collections::BTreeMap;

use jiff::Timestamp;

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
}

impl Due {
    /// Everything, as a person asks for it.
    pub fn everything() -> Self {
        Self { since: None, others: true, repositories: BTreeMap::new(), registries: BTreeMap::new() }
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
}
