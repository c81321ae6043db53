//! What stood at the places of one repository: timelines for guard 3, from Git's history, memoised by blob.
//!
//! Only commits since the last cycle are walked, and each version of a file is parsed once for all places in it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::git::{GitError, History};
use crate::manifest::place::Place;
use crate::message::trailers::{Change, Trailers};
use crate::model::history::{CommitInfo, FileVersion};
use crate::model::names::{Branch, ImageName, RepoPath};
use crate::model::policy::Strategy;
use crate::model::tracked::{RemoteBranch, TrackedImage};
use crate::plan::locate::Located;
use crate::plan::past::service::may_mean;
use crate::plan::past::{Notes, Past};
use crate::plan::rollback::{FirstSeen, Release, Standing, Stood, Timeline, tag_of};
use crate::reconcile::repository::files::{parsed, stood};
use crate::reconcile::repository::{Repository, not_open, note_unread};
use crate::reconcile::{Mode, Reconciler};

/// Leaves out the images of Applications that are not asked for.
pub(super) fn keep_meant(images: &mut Vec<Arc<TrackedImage>>, mode: &Mode) {
    if let Mode::Past(Some(name)) = mode {
        images.retain(|image| may_mean(&image.application, name));
    }
}

impl Reconciler {
    /// Gives what is known of the line of every branch whose past was read.
    pub(super) fn past(&self) -> Past {
        let mut branches = BTreeMap::new();
        for repository in &self.repositories {
            for (branch, line) in &repository.lines {
                let mut notes = Notes::default();
                for (at, commit) in line.history.noted() {
                    notes.noted.entry(*at).or_default().push(commit.clone());
                }
                let versions = line.history.paths().flat_map(|path| line.history.versions(path));
                notes.date(versions.map(|version| (version.at, version.commit.committed)));
                branches.insert(
                    RemoteBranch { repository: repository.options.name.clone(), branch: branch.clone() },
                    notes,
                );
            }
        }
        Past { branches, own_emails: self.options.own_emails.clone() }
    }
}

impl Repository {
    /// Brings the history of every branch in use up to its head.
    ///
    /// # Errors
    /// A commit or tree that the mirror lost.
    pub(super) fn read_past(&mut self, now: Timestamp) -> Result<(), GitError> {
        let Some(mirror) = &self.mirror else { return Err(not_open(&self.options.url)) };
        let primary = self.head.as_ref().map(|head| head.branch.clone());
        let mut lost = Vec::new();
        for (branch, line) in &mut self.lines {
            match line.history.advance(mirror, &line.head, now) {
                Err(error) if Some(branch) != primary.as_ref() => {
                    lost.push((branch.clone(), line.head, error));
                    continue;
                }
                result => result?,
            }
            if line.released_at != Some(line.head) {
                // The same value stays the same, by which others see that nothing came.
                let (released, seen) = (releases(&line.history), first_seen(&line.history));
                if *line.releases != released {
                    line.releases = Arc::new(released);
                }
                if *line.first_seen != seen {
                    line.first_seen = Arc::new(seen);
                }
                line.released_at = Some(line.head);
            }
        }
        for (branch, head, error) in lost {
            self.lines.remove(&branch);
            note_unread(&mut self.unread, &self.options.name, branch, head, error)?;
        }
        Ok(())
    }

    /// Gives what stood at the places of these located images, newest first.
    ///
    /// # Errors
    /// A file that the mirror lost.
    pub(super) fn timelines(&mut self, images: &[(&TrackedImage, &Located)]) -> Result<Vec<Timeline>, GitError> {
        let Some(mirror) = &self.mirror else { return Err(not_open(&self.options.url)) };
        let mut wanted: BTreeMap<(&Branch, &RepoPath), Vec<(&Place, &ImageName)>> = BTreeMap::new();
        for (image, located) in images {
            if let (Some((place, name)), Some(target)) = (place_of(image, located), &image.target) {
                wanted.entry((&target.base.branch, &located.file)).or_default().push((place, name));
                if let Some((file, place)) = below(located) {
                    wanted.entry((&target.base.branch, file)).or_default().push((place, name));
                }
            }
        }
        for ((branch, file), places) in &wanted {
            let Some(line) = self.lines.get(*branch) else { continue };
            for blob in line.history.versions(file).iter().filter_map(|version| version.blob) {
                let missing: Vec<_> = places
                    .iter()
                    .filter(|(place, image)| !self.stood.contains_key(&(blob, (*place).clone(), (*image).clone())))
                    .collect();
                if missing.is_empty() {
                    continue;
                }
                // One parse of a version serves all its places.
                let known = self.sources.borrow().get(&blob).cloned();
                let state = match known {
                    Some(state) => state,
                    None => parsed(mirror, &blob)?,
                };
                for (place, image) in missing {
                    self.stood.insert((blob, (*place).clone(), (*image).clone()), stood(&state, place, image));
                }
            }
        }
        Ok(images.iter().map(|(image, located)| self.timeline(image, located)).collect())
    }

    fn timeline(&self, image: &TrackedImage, located: &Located) -> Timeline {
        let line = image.target.as_ref().and_then(|target| self.lines.get(&target.base.branch));
        let (Some((place, name)), Some(line)) = (place_of(image, located), line) else { return Timeline::default() };
        let of_place = |file: &RepoPath, place: &Place| -> Vec<Standing> {
            let stood = |version: &FileVersion| match version.blob {
                None => Stood::NoFile,
                Some(blob) => {
                    self.stood.get(&(blob, place.clone(), name.clone())).cloned().unwrap_or(Stood::Unreadable)
                }
            };
            let standing = |version: &FileVersion| Standing {
                at: version.at,
                commit: version.commit.clone(),
                stood: stood(version),
                claimed: None,
            };
            line.history.versions(file).iter().map(standing).collect()
        };
        let mut standings = of_place(&located.file, place);
        if let Some((file, place)) = below(located) {
            standings = laid_over(standings, &of_place(file, place));
        }
        // An own downgrade, a value without an order and a digest without its tag ask for what the trailers claim.
        let is_bare = |standing: &Standing| matches!(&standing.stood, Stood::Tag { tag, .. } if tag.is_empty());
        let asks = image.policy.allow_downgrade || image.policy.strategy == Strategy::Digest;
        if asks || standings.iter().any(is_bare) {
            standings.iter_mut().for_each(|one| one.claimed = claimed(&one.commit, &located.file, place));
            name_digests(&mut standings);
        }
        Timeline {
            standings,
            releases: line.releases.clone(),
            first_seen: line.first_seen.clone(),
            is_cut: line.history.is_cut(),
        }
    }
}

/// Gives a digest that stands alone the tag for which a commit says that it was written.
fn name_digests(standings: &mut [Standing]) {
    let of_change = |standing: &Standing| {
        let change = standing.claimed.as_ref()?;
        Some((change.digest.clone()?, tag_of(&change.new).to_owned()))
    };
    let tags: HashMap<String, String> = standings.iter().filter_map(of_change).collect();
    for standing in standings {
        if let Stood::Tag { tag, digest: Some(digest) } = &mut standing.stood
            && tag.is_empty()
        {
            tags.get(digest).cloned().unwrap_or_default().clone_into(tag);
        }
    }
}

/// The place of an image, if it is known.
fn place_of<'a>(image: &'a TrackedImage, located: &'a Located) -> Option<(&'a Place, &'a ImageName)> {
    Some((located.place.as_ref()?, image.image.as_ref()?))
}

/// The place of what counts while nothing stands at the place of an image, if there is one.
pub(super) fn below(located: &Located) -> Option<(&RepoPath, &Place)> {
    let (file, place) = located.site.as_ref().ok()?.below.as_ref()?;
    Some((file, place))
}

/// Gives what counted at a place that leaves it to a lower one while nothing stands there.
fn laid_over(upper: Vec<Standing>, lower: &[Standing]) -> Vec<Standing> {
    let at_time = |standings: &[Standing], at: u64| -> Option<Standing> {
        standings.iter().find(|standing| standing.at <= at).cloned()
    };
    let mut times: Vec<u64> = upper.iter().chain(lower).map(|standing| standing.at).collect();
    times.sort_unstable_by(|one, other| other.cmp(one));
    times.dedup();
    let counts = |at: u64| {
        let (above, below) = (at_time(&upper, at), at_time(lower, at));
        let is_left = above.as_ref().is_none_or(|one| matches!(one.stood, Stood::NoKey | Stood::NoFile));
        let stood = if is_left { below.as_ref() } else { above.as_ref() }.or(above.as_ref())?.stood.clone();
        let commit = [above, below].into_iter().flatten().find(|one| one.at == at)?.commit;
        Some(Standing { at, commit, stood, claimed: None })
    };
    times.into_iter().filter_map(counts).collect()
}

fn claimed(commit: &CommitInfo, file: &RepoPath, place: &Place) -> Option<Change> {
    if !commit.message.contains("Repin-Change:") {
        return None;
    }
    Trailers::parse(&commit.message)
        .changes
        .into_iter()
        .find(|change| change.file == file.as_str() && place.was_called(&change.key))
}

/// When repin first saw tags, as commits with trailers say. The earliest of several counts.
fn first_seen(history: &History) -> FirstSeen {
    let mut found = FirstSeen::new();
    for (_, commit) in history.noted().iter().filter(|(_, commit)| commit.message.contains("Repin-First-Seen:")) {
        for seen in Trailers::parse(&commit.message).first_seen {
            let key = (seen.image, seen.tag, seen.digest);
            let earliest = found.entry(key).or_insert(seen.time);
            *earliest = (*earliest).min(seen.time);
        }
    }
    found
}

fn releases(history: &History) -> Vec<Release> {
    let of_commit = |(at, commit): &(u64, Arc<CommitInfo>)| {
        let (at, time) = (*at, commit.time);
        let resumes = if commit.message.to_ascii_lowercase().contains("repin-resume:") {
            Trailers::parse(&commit.message).resumes
        } else {
            Vec::new()
        };
        resumes.into_iter().map(move |resume| Release { at, time, resume }).collect::<Vec<_>>()
    };
    // `noted` is in no order, and the same releases must be the same value.
    let mut found: Vec<Release> = history.noted().iter().flat_map(of_commit).collect();
    found.sort_by(|one, other| (one.at, &one.resume).cmp(&(other.at, &other.resume)));
    found
}
