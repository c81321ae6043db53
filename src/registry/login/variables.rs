//! What the environment says of clouds, taken once: the environment of a process does not change.

use std::collections::HashMap;

use crate::secret::Secret;

/// Names of the variables by which clouds and their tools say who a process is.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// Environment variables of clouds. `Debug` shows no value.
#[derive(Clone, Debug, Default)]
pub struct Variables(HashMap<String, Secret>);

impl Variables {
    /// Takes those of this process.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// Gives the value of one, if it is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose().trim()).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let of_clouds = |name: &str| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let kept = pairs.into_iter().filter(|(name, _)| of_clouds(name));
        Self(kept.map(|(name, value)| (name, Secret::new(value))).collect())
    }
}
