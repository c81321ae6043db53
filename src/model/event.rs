//! What happens outside between two cycles, and may cause one.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::names::{ImageName, Tag};

/// Most tags of one image that are kept apart; beyond that any of them may have been pushed.
const MAX_TAGS: usize = 64;

/// Something that happened outside. It says where to look, and never what is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// An image was pushed.
    RegistryPush {
        /// The image, without a pull secret.
        image: ImageName,
        /// The tag, if the sender says it.
        tag: Option<Tag>,
    },
}

/// Which tags of an image were pushed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PushedTags {
    /// Any may have been.
    Any,
    /// These, at least one.
    These(BTreeSet<Tag>),
}

impl PushedTags {
    /// Tells whether this tag may have been pushed.
    pub fn contains(&self, tag: &Tag) -> bool {
        match self {
            Self::Any => true,
            Self::These(tags) => tags.contains(tag),
        }
    }
}

/// The images that were pushed, each once.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pushed(BTreeMap<ImageName, PushedTags>);

impl Pushed {
    /// Adds what an event says.
    pub fn add(&mut self, event: Event) {
        let Event::RegistryPush { image, tag } = event;
        let known = self.0.entry(image.without_pull_secret()).or_insert_with(|| PushedTags::These(BTreeSet::new()));
        match (known, tag) {
            (PushedTags::These(tags), Some(tag)) if tags.len() < MAX_TAGS || tags.contains(&tag) => {
                tags.insert(tag);
            }
            (known, _) => *known = PushedTags::Any,
        }
    }

    /// Adds what another one holds.
    pub fn merge(&mut self, other: Self) {
        for (image, tags) in other.0 {
            match tags {
                PushedTags::Any => drop(self.0.insert(image, PushedTags::Any)),
                PushedTags::These(tags) => {
                    let event = |tag| Event::RegistryPush { image: image.clone(), tag: Some(tag) };
                    tags.into_iter().map(event).for_each(|event| self.add(event));
                }
            }
        }
    }

    /// Gives how many images it holds.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells whether the image was pushed, whatever pull secret it is asked for with.
    pub fn contains(&self, image: &ImageName) -> bool {
        self.tags(image).is_some()
    }

    /// Gives the tags that were pushed of an image, whatever pull secret it is asked for with; none if it was not pushed.
    pub fn tags(&self, image: &ImageName) -> Option<&PushedTags> {
        if self.is_empty() {
            return None;
        }
        self.0.get(&image.without_pull_secret())
    }

    /// Gives the images, without pull secrets, and the tags that were pushed of each.
    pub fn iter(&self) -> impl Iterator<Item = (&ImageName, &PushedTags)> {
        self.0.iter()
    }

    /// Keeps the images for which this holds.
    pub fn retain(&mut self, mut is_kept: impl FnMut(&ImageName) -> bool) {
        self.0.retain(|image, _| is_kept(image));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn push(image: &str, tag: &str) -> Event {
        Event::RegistryPush { image: image.parse().unwrap(), tag: tag.parse().ok() }
    }

    #[test]
    fn an_image_is_pushed_once_whatever_its_tags_and_pull_secret() {
        let mut pushed = Pushed::default();
        let web: ImageName = "r.example/acme/web".parse().unwrap();
        assert!(!pushed.contains(&web));
        for tag in ["1.0.0", "1.1.0", "1.0.0"] {
            pushed.add(push("r.example/acme/web", tag));
        }
        let secret = web.with_pull_secret("team");
        pushed.add(Event::RegistryPush { image: secret.clone(), tag: "1.2.0".parse().ok() });
        assert_eq!(pushed.len(), 1);
        for image in [&web, &secret] {
            let tags = pushed.tags(image).unwrap();
            for (tag, expected) in [("1.0.0", true), ("1.2.0", true), ("1.3.0", false)] {
                assert_eq!(tags.contains(&tag.parse().unwrap()), expected, "{image} {tag}");
            }
        }
        for other in ["r.example/acme/api", "other.example/acme/web"] {
            assert!(!pushed.contains(&other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn a_push_without_a_tag_or_with_too_many_is_one_of_any_tag() {
        let many: Vec<String> = (0..=MAX_TAGS).map(|n| format!("1.0.{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for tags in [&["1.0.0", "", "1.1.0"][..], &many[..]] {
            let mut pushed = Pushed::default();
            for tag in tags {
                pushed.add(push("acme/web", tag));
            }
            assert_eq!(pushed.tags(&"acme/web".parse().unwrap()), Some(&PushedTags::Any));
        }
    }
}
