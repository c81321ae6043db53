//! Finds an image by its name: in Helm values, in a kustomization, in manifests, or in whatever the source is made of.

mod directories;
mod image_strings;
mod kustomizations;
mod objects;
mod overrides;
mod render;
mod values;

use crate::manifest::place::Held;
use crate::model::image_field::ImageField;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::{AutoSearch, Tool, TrackedImage, VALUES};
use crate::plan::locate::auto::values::list;
use crate::plan::locate::found::{Found, settle};
use crate::plan::locate::{Files, Located};

/// One search for one image.
#[derive(Clone, Copy)]
pub(super) struct Auto<'a> {
    pub(super) image: &'a TrackedImage,
    pub(super) name: &'a ImageName,
    pub(super) files: Files<'a>,
    /// Where objects of some kinds name an image, as the operator declares it.
    pub(super) declared: &'a [ImageField],
}

/// Places with a tag, and those that name the image without one.
type Places = (Vec<Found>, Vec<Found>);

impl Auto<'_> {
    /// Finds the places in whatever the source is made of.
    pub(super) fn anywhere(&self, auto: &AutoSearch) -> Vec<Located> {
        self.try_anywhere(auto).unwrap_or_else(|located| vec![*located])
    }

    fn try_anywhere(&self, auto: &AutoSearch) -> Result<Vec<Located>, Box<Located>> {
        let is_there = |file: &RepoPath| self.files.is_there(file);
        let kustomization = match auto.tool(&is_there) {
            Tool::Helm => return Ok(self.values(&auto.values)),
            Tool::Kustomize => self.kustomization_file(&auto.path)?,
            Tool::Directory => None,
        };
        if let Some((file, source)) = kustomization {
            return self.rendered(&file, &source);
        }
        let shown = if auto.path.as_str().is_empty() { "the repository's root" } else { auto.path.as_str() };
        let below = self.below(&auto.path, &auto.manifests)?;
        let mut values = auto.values.clone();
        if !below.places.is_empty() {
            // Nobody reads the values of a directory of manifests, unless another source lists them.
            let is_listed = |file: &RepoPath| auto.path.join(VALUES).as_ref() != Some(file);
            values.values.retain(|layer| is_listed(&layer.file));
            values.files.retain(|layer| is_listed(&layer.file));
        }
        let (mut places, mut empty) = self.in_values(&values)?;
        let looked = format!("{} and the manifests of `{shown}`{}", list(&values.values), below.unread());
        places.extend(below.places);
        let (places, mut untagged) = asked(places);
        empty.append(&mut untagged);
        Ok(settle(self.image, places, &empty, &values.fallback.file, &looked))
    }
}

/// A tag for what has none is asked for; beside others that have one it makes a difference.
fn asked(places: Vec<Found>) -> Places {
    if places.iter().any(Found::says_what_runs) { (places, Vec::new()) } else { (Vec::new(), places) }
}

/// Tells whether what stands there says which image runs: by a tag, or by a digest alone.
pub(super) fn says_what_runs(held: &Held) -> bool {
    held.digest.is_some() || held.tag.as_deref().is_some_and(|tag| !tag.is_empty())
}
