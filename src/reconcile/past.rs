//! What stood at the places of one repository: timelines for guard 3, from Git's history, memoised by blob.
//!
//! Only commits since the last cycle are walked, and each version of a file is parsed once for all places in it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::git::{GitError, History};
use crate::manifest::place::Place;
use crate::message::trailers::{Change, Trailers};
use crate::model::history::{CommitInfo, FileVersion};
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::TrackedImage;
use crate::plan::locate::Located;
use crate::plan::rollback::{Release, Standing, Stood, Timeline};
use crate::reconcile::repository::files::{parsed, stood};
use crate::reconcile::repository::{Repository, not_open};

impl Repository {
    /// Reads what stood at the places of these located images, newest first.
    pub fn timelines(
        &mut self,
        images: &[(&TrackedImage, Option<&Located>)],
        now: Timestamp,
    ) -> Result<Vec<Timeline>, GitError> {
        let (Some(mirror), Some(head)) = (&self.mirror, &self.head) else {
            return Err(not_open(&self.options.url));
        };
        self.history.advance(mirror, &head.commit, now)?;
        if self.released_at.as_ref() != Some(&head.commit) {
            self.releases = Arc::new(releases(&self.history));
            self.released_at = Some(head.commit);
        }
        let mut wanted: BTreeMap<&RepoPath, Vec<(&Place, &ImageName)>> = BTreeMap::new();
        for (image, located) in images {
            if let Some((located, place, name)) = place_of(image, *located) {
                wanted.entry(&located.file).or_default().push((place, name));
            }
        }
        for (file, places) in &wanted {
            for version in self.history.versions(file) {
                let Some(blob) = version.blob else { continue };
                let missing: Vec<_> = places
                    .iter()
                    .filter(|(place, image)| !self.stood.contains_key(&(blob, (*place).clone(), (*image).clone())))
                    .collect();
                if missing.is_empty() {
                    continue;
                }
                // One parse of a version serves all its places.
                let state = match self.sources.get(&blob) {
                    Some(state) => state.clone(),
                    None => parsed(mirror, &blob)?,
                };
                for (place, image) in missing {
                    self.stood.insert((blob, (*place).clone(), (*image).clone()), stood(&state, place, image));
                }
            }
        }
        Ok(images.iter().map(|(image, located)| self.timeline(image, *located)).collect())
    }

    fn timeline(&self, image: &TrackedImage, located: Option<&Located>) -> Timeline {
        let Some((located, place, name)) = place_of(image, located) else { return Timeline::default() };
        let standing = |version: &FileVersion| {
            let stood = match version.blob {
                None => Stood::NoFile,
                Some(blob) => {
                    self.stood.get(&(blob, place.clone(), name.clone())).cloned().unwrap_or(Stood::Unreadable)
                }
            };
            // Only an own downgrade asks for what the trailers claim.
            let asks = image.policy.allow_downgrade;
            let claimed = asks.then(|| claimed(&version.commit, &located.file, &place.key())).flatten();
            Standing { at: version.at, commit: version.commit.clone(), stood, claimed }
        };
        Timeline {
            standings: self.history.versions(&located.file).iter().map(standing).collect(),
            releases: self.releases.clone(),
            is_cut: self.history.is_cut(),
        }
    }
}

/// The place of an image, if it is known.
fn place_of<'a>(
    image: &'a TrackedImage,
    located: Option<&'a Located>,
) -> Option<(&'a Located, &'a Place, &'a ImageName)> {
    let located = located?;
    Some((located, located.place.as_ref()?, image.image.as_ref()?))
}

fn claimed(commit: &CommitInfo, file: &RepoPath, key: &str) -> Option<Change> {
    if !commit.message.contains("Repin-Change:") {
        return None;
    }
    Trailers::parse(&commit.message)
        .changes
        .into_iter()
        .find(|change| change.file == file.as_str() && change.key == key)
}

fn releases(history: &History) -> Vec<Release> {
    let of_commit = |(at, commit): &(u64, Arc<CommitInfo>)| {
        let at = *at;
        let resumes = if commit.message.to_ascii_lowercase().contains("repin-resume:") {
            Trailers::parse(&commit.message).resumes
        } else {
            Vec::new()
        };
        resumes.into_iter().map(move |resume| Release { at, resume }).collect::<Vec<_>>()
    };
    history.noted().iter().flat_map(of_commit).collect()
}
