//! What a source is rendered with, and the files that say so.

use crate::model::names::RepoPath;
use crate::model::tracked::AutoSearch;

/// What a source is rendered with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Tool {
    /// A chart.
    Helm,
    /// A kustomization.
    Kustomize,
    /// Manifests as they are.
    Directory,
}

/// The file that makes a directory a chart.
pub const CHART: &str = "Chart.yaml";
/// The values that a chart has of its own.
pub const VALUES: &str = "values.yaml";
/// What the file of a kustomization may be called.
pub const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

impl AutoSearch {
    /// Tells what the source is rendered with, in Argo CD's order: what it says itself, a chart, a kustomization, manifests.
    pub fn tool(&self, is_there: &dyn Fn(&RepoPath) -> bool) -> Tool {
        let by_files = || {
            if self.path.join(CHART).is_some_and(|chart| is_there(&chart)) {
                Tool::Helm
            } else if kustomizations(&self.path).iter().any(is_there) {
                Tool::Kustomize
            } else {
                Tool::Directory
            }
        };
        self.tool.unwrap_or_else(by_files)
    }
}

/// Gives the files that may be the kustomization of a directory.
pub fn kustomizations(directory: &RepoPath) -> Vec<RepoPath> {
    KUSTOMIZATIONS.iter().filter_map(|name| directory.join(name)).collect()
}

/// Tells whether a file is that of a kustomization, by its name.
pub fn may_be_kustomization(file: &RepoPath) -> bool {
    file.parts().last().is_some_and(|name| KUSTOMIZATIONS.contains(&name))
}
