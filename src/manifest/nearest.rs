//! The key path of a document that is most like one that is not there, for hints.

use crate::manifest::Source;
use crate::model::key_path::{KeyPath, Segment};
use crate::yaml::{Kind, Node};

/// How many nodes are looked at, and how many wait to be, at most: a hint is not worth more.
const MAX_VISITED: usize = 2000;
/// How alike two paths must be to be worth a hint, of 1.
const ALIKE: f64 = 0.5;

/// Gives the path of the value whose path is most like this one, in the document or in a text of it.
pub(super) fn nearest(source: &Source, document: usize, path: &KeyPath) -> Option<String> {
    let fields = path.segments().iter().filter_map(|segment| match segment {
        Segment::Where { field, .. } => Some(field.as_str()),
        Segment::Key(_) | Segment::Index(_) => None,
    });
    let mut search = Search { wanted: path.to_string(), fields: fields.collect(), left: MAX_VISITED, best: None };
    search.look(source, document, None);
    search.best.map(|(_, path)| path)
}

struct Search<'p> {
    wanted: String,
    /// By which fields the path finds items.
    fields: Vec<&'p str>,
    left: usize,
    best: Option<(f64, String)>,
}

impl Search<'_> {
    fn look(&mut self, source: &Source, number: usize, below: Option<&KeyPath>) {
        let Some(document) = source.documents().get(number) else { return };
        let mut open: Vec<(Option<KeyPath>, Node<'_>)> = vec![(below.cloned(), document.root())];
        while let Some((here, node)) = open.pop() {
            let Some(left) = self.left.checked_sub(1) else { return };
            self.left = left;
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
                        let named = self.fields.iter().find_map(|field| Some((*field, item.get(field)?.as_str()?)));
                        let below = here.as_ref().and_then(|here| match named {
                            Some((field, value)) => here.where_is(field, value).ok(),
                            None => here.item(index).ok(),
                        });
                        open.extend(below.map(|below| (Some(below), item)));
                    }
                }
                Kind::Scalar { .. } | Kind::Alias(_) => {
                    let Some(here) = here else { continue };
                    self.compare(&here);
                    if let Some(inner) = source.inner(number, node) {
                        self.look(&inner, 0, Some(&here));
                    }
                }
            }
        }
    }

    fn compare(&mut self, here: &KeyPath) {
        let here = here.to_string();
        let alike = strsim::normalized_damerau_levenshtein(&self.wanted, &here);
        if alike >= ALIKE && self.best.as_ref().is_none_or(|(most, _)| alike > *most) {
            self.best = Some((alike, here));
        }
    }
}
