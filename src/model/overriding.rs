//! Values of Helm that win over the files of a source, and that are no layer of what is searched.

use crate::model::key_path::{KeyPath, Segment};
use crate::model::tracked::Layer;

/// A value that an Application has in itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Overriding {
    /// Its key path, as values files have it.
    pub key: KeyPath,
    /// Where it stands.
    pub by: Layer,
}

impl Overriding {
    /// Tells whether it takes the effect from a text at a key path of a file below: by standing in its place, around it,
    /// within it, or by pinning a digest beside it.
    pub fn is_over(&self, key: &KeyPath) -> bool {
        let is_pin = || self.key.last_key() == Some("digest") && self.key.parent() == key.parent();
        self.key == *key || key.below(&self.key).is_some() || self.key.below(key).is_some() || is_pin() || {
            // A list is replaced as a whole.
            let is_index = |key: &KeyPath| key.last().is_some_and(|last| !matches!(last, Segment::Key(_)));
            let mut around = Some(key.clone());
            std::iter::from_fn(move || {
                let one = around.take()?;
                around = one.parent();
                Some(one)
            })
            .filter(is_index)
            .filter_map(|item| item.parent())
            .any(|list| self.key.below(&list).is_some())
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_value_takes_the_effect_from_what_stands_below_it_in_its_place() {
        let by = Layer::of("web.yaml".parse().unwrap());
        for (over, below, expected) in [
            ("image.tag", "image.tag", true),
            ("image", "image.tag", true),
            ("image.tag", "image", true),
            ("image.digest", "image.tag", true),
            ("jobs[0].name", "jobs[1].image.tag", true),
            ("jobs", "jobs[0].image.tag", true),
            ("image.pullPolicy", "image.tag", false),
            ("digest", "image.tag", false),
            ("other.jobs[0].name", "jobs[0].image.tag", false),
            ("image.tagSuffix", "image.tag", false),
        ] {
            let value = Overriding { key: over.parse().unwrap(), by: by.clone() };
            assert_eq!(value.is_over(&below.parse().unwrap()), expected, "{over} over {below}");
        }
    }
}
