//! Which image a name in values means, with the registry that a chart keeps apart from it.

use crate::manifest::helm_values::{Named, Spoken, below, with_word};
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
