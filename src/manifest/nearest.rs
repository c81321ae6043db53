//! The key path of a document that is most like one that is not there, for hints.

use crate::model::key_path::KeyPath;
use crate::yaml::{Document, Kind, Node};

/// How many nodes are looked at, and how many wait to be, at most: a hint is not worth more.
const MAX_VISITED: usize = 2000;
/// How alike two paths must be to be worth a hint, of 1.
const ALIKE: f64 = 0.5;

/// Gives the path of the value whose path is most like this one.
pub(super) fn nearest(document: &Document, path: &KeyPath) -> Option<String> {
    let wanted = path.to_string();
    let mut open: Vec<(Option<KeyPath>, Node<'_>)> = vec![(None, document.root())];
    let mut best: Option<(f64, String)> = None;
    for _ in 0..MAX_VISITED {
        let Some((here, node)) = open.pop() else { break };
        let room = MAX_VISITED.saturating_sub(open.len());
        match node.kind() {
            Kind::Map { .. } => {
                for (key, value) in node.entries().into_iter().take(room).rev() {
                    let Some(key) = key.as_str().filter(|_| !key.is_merge_key()) else { continue };
                    let below = here.as_ref().map_or_else(|| KeyPath::of_key(key), |here| here.child(key));
                    open.extend(below.ok().map(|below| (Some(below), value)));
                }
            }
            Kind::Seq { .. } => {
                for (index, item) in node.items().into_iter().take(room).enumerate().rev() {
                    let below = here.as_ref().and_then(|here| here.item(index).ok());
                    open.extend(below.map(|below| (Some(below), item)));
                }
            }
            Kind::Scalar { .. } | Kind::Alias(_) => {
                let Some(here) = here.map(|here| here.to_string()) else { continue };
                let alike = strsim::normalized_damerau_levenshtein(&wanted, &here);
                if alike >= ALIKE && best.as_ref().is_none_or(|(most, _)| alike > *most) {
                    best = Some((alike, here));
                }
            }
        }
    }
    best.map(|(_, path)| path)
}
