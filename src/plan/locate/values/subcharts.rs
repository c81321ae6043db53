//! The charts that a chart of the repository depends on, as far as they stand there too: below `charts/`, or where a
//! `file://` of Chart.yaml says.

use crate::manifest::Source;
use crate::model::key_path::KeyPath;
use crate::model::names::RepoPath;
use crate::model::tracked::{CHART, Layer, VALUES};
use crate::plan::locate::{FileState, Files};
use crate::yaml::Node;

/// How many charts may stand in each other.
const MAX_DEPTH: usize = 4;
/// How many charts are looked into for one of the repository.
const MAX_CHARTS: usize = 64;

/// Finds the values of charts that others of the layers depend on, the deepest first: who is above wins.
pub(super) fn find(layers: &[Layer], files: Files<'_>) -> Vec<(KeyPath, RepoPath)> {
    let (mut found, mut left) = (Vec::new(), MAX_CHARTS);
    for layer in layers.iter().filter(|layer| layer.part.is_none()) {
        if let Some(directory) =
            layer.file.join("..").filter(|directory| directory.join(VALUES).as_ref() == Some(&layer.file))
        {
            below(&directory, None, 0, files, &mut left, &mut found);
        }
    }
    // A chart lies over those that it brings.
    found.reverse();
    found
}

fn below(
    chart: &RepoPath,
    under: Option<&KeyPath>,
    depth: usize,
    files: Files<'_>,
    left: &mut usize,
    found: &mut Vec<(KeyPath, RepoPath)>,
) {
    let Some(FileState::Parsed(source)) = chart.join(CHART).map(|file| (files.read)(&file)) else { return };
    // One without values of its own may bring many as well.
    let Some(less) = left.checked_sub(1) else { return };
    *left = less;
    for (key, directory) in dependencies(&source, chart) {
        let key = under.map_or_else(|| KeyPath::of_key(&key), |under| under.child(&key));
        let (Ok(key), Some(values)) = (key, directory.join(VALUES)) else { continue };
        if found.len() >= MAX_CHARTS || depth >= MAX_DEPTH || found.iter().any(|(known, _)| *known == key) {
            continue;
        }
        if files.is_there(&values) {
            found.push((key.clone(), values));
        }
        below(&directory, Some(&key), depth + 1, files, left, found);
    }
}

/// Gives the key and the directory of each chart that a Chart.yaml depends on.
fn dependencies(source: &Source, chart: &RepoPath) -> Vec<(String, RepoPath)> {
    let Some(root) = source.documents().first().map(|document| document.root()) else { return Vec::new() };
    let text = |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_str).map(str::to_owned);
    let dependency = |node: Node<'_>| {
        let name = text(node, "name")?;
        let local = text(node, "repository").and_then(|url| url.strip_prefix("file://").map(str::to_owned));
        let directory = chart.join(&local.unwrap_or_else(|| format!("charts/{name}")))?;
        Some((text(node, "alias").unwrap_or(name), directory))
    };
    root.get("dependencies").map(Node::items).unwrap_or_default().into_iter().filter_map(dependency).collect()
}
