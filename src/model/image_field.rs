//! Where objects of a kind name an image, as the operator declares it for custom resources. Nothing here looks into one.

use std::fmt;
use std::str::FromStr;

use crate::model::key_path::{KeyPath, KeyPathError};

/// What stands for every item of a list in a path.
const EACH: &str = "[*]";

/// A field of a kind that holds an image.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ImageField {
    /// `kind` of the objects.
    pub kind: String,
    /// Group of their `apiVersion`, empty for the core; none = whichever.
    pub group: Option<String>,
    /// Where in them.
    pub place: FieldPlace,
}

/// How an image stands in an object.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum FieldPlace {
    /// As one text, with tag and digest.
    Whole(FieldPath),
    /// In fields of their own.
    Parts {
        /// The image without tag.
        name: FieldPath,
        /// The tag.
        tag: FieldPath,
        /// The digest.
        digest: Option<FieldPath>,
    },
}

/// A key path in which `[*]` stands for every item of a list.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FieldPath {
    first: KeyPath,
    each: Vec<Option<KeyPath>>,
}

impl FieldPath {
    /// Gives what stands before the first `[*]`.
    pub fn first(&self) -> &KeyPath {
        &self.first
    }

    /// Gives what follows each `[*]`; only the last may have nothing behind it.
    pub fn each(&self) -> &[Option<KeyPath>] {
        &self.each
    }

    /// Tells whether two paths go through the items of the same lists, as far as this one does.
    pub fn is_beside(&self, other: &Self) -> bool {
        let lists = |path: &Self| {
            let between = path.each.iter().take(path.each.len().saturating_sub(1)).cloned();
            std::iter::once(Some(path.first.clone())).chain(between).collect::<Vec<_>>()
        };
        self.each.is_empty() || (self.each.len() == other.each.len() && lists(self) == lists(other))
    }
}

impl FromStr for FieldPath {
    type Err = KeyPathError;

    fn from_str(text: &str) -> Result<Self, KeyPathError> {
        let mut parts = text.split(EACH);
        let first = parts.next().unwrap_or_default().parse()?;
        let rest: Vec<&str> = parts.collect();
        let last = rest.len().saturating_sub(1);
        let further = |(number, part): (usize, &str)| match part.strip_prefix('.') {
            Some(part) => Ok(Some(part.parse()?)),
            None if part.is_empty() && number == last => Ok(None),
            None => Ok(Some(part.parse()?)),
        };
        Ok(Self { first, each: rest.into_iter().enumerate().map(further).collect::<Result<_, KeyPathError>>()? })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first)?;
        for part in &self.each {
            f.write_str(EACH)?;
            if let Some(part) = part {
                let text = part.to_string();
                write!(f, "{}{text}", if text.starts_with('[') { "" } else { "." })?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_through_every_item_of_its_lists() {
        for text in ["spec.imageName", "spec.instances[*].image", "spec.images[*]", "a[*].b[*].c", "a[*][0].b"] {
            assert_eq!(text.parse::<FieldPath>().unwrap().to_string(), text);
        }
        for text in ["", "[*].image", "spec[*]image.", "spec.[*]", "a[*][*]", "a[*]..b"] {
            assert!(text.parse::<FieldPath>().is_err(), "{text}");
        }
    }

    #[test]
    fn fields_of_one_image_stand_in_the_same_items() {
        for (name, tag, expected) in [
            ("spec.name", "spec.tag", true),
            ("spec.name", "spec.nodes[*].tag", true),
            ("spec.nodes[*].name", "spec.nodes[*].tag", true),
            ("spec.nodes[*].name", "spec.tag", false),
            ("spec.nodes[*].name", "spec.peers[*].tag", false),
        ] {
            let (name, tag): (FieldPath, FieldPath) = (name.parse().unwrap(), tag.parse().unwrap());
            assert_eq!(name.is_beside(&tag), expected, "{name} {tag}");
        }
    }
}
