//! What became of one tracked image in one cycle: the product's answer, documented in the README and stable.

use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::model::names::ApplicationKey;

/// The result of a cycle for one place.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OutcomeResult {
    /// Git holds what the policy wants.
    Current,
    /// It would be written (`plan`), or is about to be.
    Pending,
    /// It is written and was read back.
    Delivered,
    /// A rule, a guard, an annotation or an unbuilt key decided so.
    Held,
    /// The registry, Git or a file did not allow it.
    Failed,
}

/// One (application, alias, place) of one cycle.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Outcome {
    /// 16 hex digits, the same in every cycle.
    pub id: String,
    /// `namespace/name`.
    pub application: String,
    /// Name of the configured repository that holds the place (where that is unknown: the Application).
    pub repository: String,
    /// Environment that the rules give to the place.
    pub environment: Option<String>,
    /// The alias.
    pub alias: String,
    /// The image without tag.
    pub image: String,
    /// The file that is or would be written.
    pub file: Option<String>,
    /// The key path in it.
    pub key: Option<String>,
    /// The value that stands there.
    pub from: Option<String>,
    /// The value that the policy wants.
    pub to: Option<String>,
    /// What became of it.
    pub result: OutcomeResult,
    /// Stable code; for `current`, `pending` and `delivered` the result's own name.
    pub code: String,
    /// One sentence for people, never empty.
    pub message: String,
    /// When a hold ends, if known.
    pub until: Option<Timestamp>,
    /// The commit that brought it.
    pub commit: Option<String>,
    /// The pull request that brings it.
    pub pull_request: Option<String>,
}

/// Gives the stable identity of an outcome: SHA-256 over repository, defining file, namespace/name, alias, file and
/// key, joined by NUL, absent as empty; 16 hex digits.
pub fn outcome_id(application: &ApplicationKey, alias: &str, file: Option<&str>, key: Option<&str>) -> String {
    let defined_in = application.file.as_ref().map_or("", |file| file.as_str());
    let label = application.label();
    let parts = [&application.repository, defined_in, &label, alias, file.unwrap_or(""), key.unwrap_or("")];
    hex::encode(Sha256::digest(parts.join("\0")).get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_depends_on_every_part_and_on_nothing_else() {
        let key = |repository: &str, file: Option<&str>, name: &str| ApplicationKey {
            kind: "Application".into(),
            repository: repository.into(),
            file: file.map(|f| f.parse().unwrap()),
            namespace: "argocd".into(),
            name: name.into(),
        };
        let base = outcome_id(&key("gitops", Some("a.yaml"), "web"), "app", Some("v.yaml"), Some("image.tag"));
        // printf 'gitops\0a.yaml\0argocd/web\0app\0v.yaml\0image.tag' | sha256sum
        assert_eq!(base, "555bcfad781b7c80");
        for other in [
            outcome_id(&key("gitop", Some("sa.yaml"), "web"), "app", Some("v.yaml"), Some("image.tag")),
            outcome_id(&key("gitops", None, "web"), "app", Some("v.yaml"), Some("image.tag")),
            outcome_id(&key("gitops", Some("a.yaml"), "api"), "app", Some("v.yaml"), Some("image.tag")),
            outcome_id(&key("gitops", Some("a.yaml"), "web"), "app", None, Some("image.tag")),
            outcome_id(&key("gitops", Some("a.yaml"), "web"), "app", Some("v.yaml"), None),
        ] {
            assert_ne!(base, other);
        }
    }
}
