//! Which image a name in values means, with the registry that a chart keeps apart from it.

use crate::manifest::helm_values::{Named, Role, Spoken, below, role, with_word, words};
use crate::manifest::place::split_spec;
use crate::model::key_path::KeyPath;
use crate::model::names::ImageName;
use crate::model::tracked::Form;

impl Spoken<'_> {
    /// Finds every key path at which the values name an image, whatever the image, each with the image that is named.
    pub fn all(&self) -> Vec<(Named, ImageName)> {
        let whole = |text: &str| split_spec(text).0.parse::<ImageName>().ok();
        let alone = |name: &KeyPath, text: &str| meant(name, text, self.text).into_iter().next();
        let found = self.named_if(&|text| whole(text).is_some(), &|name, text| alone(name, text).is_some());
        let with_image = |named: Named| {
            let text = (self.text)(&named.name)?;
            let image = match named.form {
                Form::Tag => alone(&named.name, &text),
                Form::Spec => whole(&text),
            };
            Some((named, image?))
        };
        found.into_iter().filter_map(with_image).collect()
    }

    /// Gives the images that the name beside a tag may mean, the likeliest first; the keys are those of the tag's mapping.
    /// Two names that are called alike name none: which one the chart takes is not known.
    pub(in crate::manifest) fn name_beside(&self, tag: &KeyPath) -> Option<Vec<ImageName>> {
        let (parent, stem) = (tag.parent(), stem(tag.last_key()?));
        let keys: Vec<&str> = self.keys.iter().filter_map(KeyPath::last_key).collect();
        let named = |wanted: Role| {
            let own = keys.iter().filter(|key| role(key).is_some_and(|(role, own)| role == wanted && own == stem));
            let named: Vec<(KeyPath, String)> = own
                .filter_map(|key| {
                    let path = below(parent.as_ref(), key)?;
                    let text = (self.text)(&path).filter(|text| !text.is_empty())?;
                    let is_name = wanted != Role::Name || self.is_name_of_image(parent.as_ref(), &keys, key, &text);
                    is_name.then_some((path, text))
                })
                .collect();
            (!named.is_empty()).then_some(named)
        };
        match [Role::Repository, Role::Image, Role::Name].into_iter().find_map(named)?.as_slice() {
            [(name, text)] => Some(meant(name, text, self.text)).filter(|images| !images.is_empty()),
            _ => None,
        }
    }
}

/// Tells whether a key is that of a tag.
pub(in crate::manifest) fn is_tag(key: &str) -> bool {
    matches!(role(key), Some((Role::Tag, _)))
}

/// Tells whether a key of the same mapping may hold the digest of a tag's image: it is `digest`, or called like the tag.
pub(in crate::manifest) fn is_digest_of(key: &KeyPath, tag: &KeyPath) -> bool {
    let (Some(key), Some(tag)) = (key.last_key(), tag.last_key()) else { return false };
    let mut words = words(key);
    words.pop().is_some_and(|last| last == "digest") && {
        words.pop_if(|word| word == "image");
        words.is_empty() || words == stem(tag)
    }
}

/// Gives the words that tell what stands beside a name from others of its mapping.
fn stem(key: &str) -> Vec<String> {
    role(key).map(|(_, stem)| stem).unwrap_or_default()
}

/// Gives the images that a name may mean, the likeliest first. A registry beside it, or one for all images of a chart, is
/// part of the image: `acme/web` beside `registry: quay.io` is not the `acme/web` of another registry.
pub(super) fn meant(key: &KeyPath, value: &str, text: &dyn Fn(&KeyPath) -> Option<String>) -> Vec<ImageName> {
    let parent = key.parent();
    let beside = key.last_key().map(|key| with_word(key, "registry"));
    let beside = beside.iter().map(String::as_str).chain(["registry"]).filter_map(|key| below(parent.as_ref(), key));
    let global = ["global.imageRegistry", "global.image.registry"];
    let global = global.into_iter().filter_map(|text| text.parse::<KeyPath>().ok());
    let registries: Vec<String> =
        beside.chain(global).filter_map(|key| text(&key)).filter(|registry| !registry.is_empty()).collect();
    let plain = value.parse::<ImageName>().ok();
    let plain = plain.filter(|image| registries.is_empty() || value.starts_with(&format!("{}/", image.registry())));
    let of_registries = registries.iter().map(|registry| format!("{}/{value}", registry.trim_end_matches('/')));
    plain.into_iter().chain(of_registries.filter_map(|text| text.parse().ok())).collect()
}
