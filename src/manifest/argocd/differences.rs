//! What an ApplicationSet does not apply to Applications that exist already: a tag that stands in the Application itself would
//! be written, and never arrive.
//!
//! Semantics of argo-cd docs, operator-manual/applicationset/Controlling-Resource-Modification.md.

use crate::manifest::argocd::text;
use crate::model::application::Application;
use crate::yaml::Node;

/// Policies under which a controller leaves Applications as they are once they exist.
const WITHOUT_UPDATES: [&str; 2] = ["create-only", "create-delete"];

/// Why changes to the sources of an Application are not applied.
#[derive(Clone, Debug)]
pub(super) struct NotApplied {
    /// Line of what says so, from 1.
    pub(super) line: u64,
    /// What says so.
    pub(super) what: String,
    /// The Application that it is about; none = all of the set.
    application: Option<String>,
}

impl NotApplied {
    /// Reads what an ApplicationSet leaves alone of the sources of its Applications.
    pub(super) fn read(spec: Node<'_>) -> Vec<Self> {
        let mut found = Vec::new();
        let policy = spec.get_path(&["syncPolicy", "applicationsSync"]);
        if let Some((node, policy)) = policy.and_then(|node| Some((node, node.as_str()?)))
            && WITHOUT_UPDATES.contains(&policy)
        {
            found.push(Self { line: node.line(), what: format!("`applicationsSync: {policy}`"), application: None });
        }
        for ignored in spec.get("ignoreApplicationDifferences").map(Node::items).unwrap_or_default() {
            let paths = |key: &str| ignored.get(key).map(Node::items).unwrap_or_default();
            let all = [paths("jsonPointers"), paths("jqPathExpressions")].concat();
            let of_sources = all.into_iter().filter_map(|node| Some((node, node.as_str()?)));
            for (node, path) in of_sources.filter(|(_, path)| is_of_sources(path)) {
                found.push(Self {
                    line: node.line(),
                    what: format!("`{path}` in `ignoreApplicationDifferences`"),
                    application: text(ignored.get("name")).filter(|name| !name.is_empty()).map(str::to_owned),
                });
            }
        }
        found
    }

    /// Tells whether it is about an Application that holds values of its own.
    pub(super) fn concerns(&self, application: &Application) -> bool {
        let is_meant = self.application.as_ref().is_none_or(|name| *name == application.key.name);
        let holds = application.sources.iter().any(|one| !one.inline.is_empty() || !one.kustomize_images.is_empty());
        is_meant && holds
    }
}

/// Tells whether a JSON pointer or a jq path means the values that stand in sources, or what they stand in.
fn is_of_sources(path: &str) -> bool {
    let parts: Vec<&str> = path.split(['/', '.', '[', '|']).map(str::trim).filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["spec"] => true,
        ["spec", part, rest @ ..] if part.starts_with("source") => {
            let is_index = |part: &&str| !part.starts_with(|c: char| c.is_ascii_alphabetic());
            let of_values = |part: &&str| part.starts_with("helm") || part.starts_with("kustomize");
            rest.iter().all(is_index) || rest.iter().any(of_values)
        }
        _ => false,
    }
}
