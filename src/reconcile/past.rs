//! What stood at the places of one repository: timelines for guard 3, from Git's history, memoised by blob.
//!
//! Only commits since the last cycle are walked, and each version of a file is parsed once for all places in it.

mod service;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use crate::git::{GitError, Stretch};
use crate::manifest::place::Place;
use crate::model::history::BlobId;
use crate::model::names::{Branch, ImageName, RepoPath};
use crate::model::rule::Rule;
use crate::model::tracked::{RemoteBranch, TrackedImage};
use crate::plan::Subject;
use crate::plan::locate::Located;
use crate::plan::past::{Notes, Past};
use crate::plan::rollback::{Standing, Stood, Timeline, tag_of};
use crate::reconcile::past::service::is_of_other_service;
use crate::reconcile::repository::files::{parsed, stood};
use crate::reconcile::repository::line::Line;
use crate::reconcile::repository::{Repository, not_open, note_unread};
use crate::reconcile::{Mode, Reconciler};

/// So much of a moved file is read to see which image it names, in bytes.
const COMPARED: u64 = 1 << 20;

/// Leaves out the images of Applications that are not asked for. Where no Application bears the name a service is meant, and
/// to which one a place belongs is known when it is found.
pub(super) fn keep_meant(images: &mut Vec<Arc<TrackedImage>>, mode: &Mode) {
    if let Mode::Past(Some(name)) = mode
        && images.iter().any(|image| image.application.is_named(name))
    {
        images.retain(|image| image.application.is_named(name));
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
            line.said.advance(&line.history);
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
    pub(super) fn timelines(&mut self, subjects: &[&Subject], rules: &[Rule]) -> Result<Vec<Timeline>, GitError> {
        let Some(mirror) = &self.mirror else { return Err(not_open(&self.options.url)) };
        let mut wanted: BTreeMap<(&Branch, &RepoPath), Vec<(&Place, &ImageName)>> = BTreeMap::new();
        let located = subjects.iter().filter_map(|subject| Some((&subject.tracked, subject.located.as_ref()?)));
        for (image, located) in located {
            if let (Some((place, name)), Some(target)) = (place_of(image, located), &image.target) {
                wanted.entry((&target.base.branch, &located.file)).or_default().push((place, name));
                if let Some((file, place)) = below(located) {
                    wanted.entry((&target.base.branch, file)).or_default().push((place, name));
                }
            }
        }
        for ((branch, file), places) in &wanted {
            let Some(line) = self.lines.get_mut(*branch) else { continue };
            line.history.follow(mirror, file)?;
            let stretches = line.history.stretches(file);
            for blob in stretches.iter().flat_map(|stretch| stretch.versions).filter_map(|version| version.blob) {
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
                self.kept.fresh += 1;
                for (place, image) in missing {
                    self.stood.insert((blob, (*place).clone(), (*image).clone()), stood(&state, place, image));
                }
            }
            for (new, old) in stretches.windows(2).filter_map(|pair| contents_of_move(pair.first()?, pair.last()?)) {
                for (_, image) in places {
                    self.turned.entry((new, old, (*image).clone())).or_insert_with(|| {
                        let contents = mirror.read(&new, COMPARED).ok().zip(mirror.read(&old, COMPARED).ok());
                        contents.and_then(|(new, old)| is_of_other(&new, &old, image))
                    });
                }
            }
        }
        Ok(subjects.iter().map(|subject| self.timeline(subject, rules)).collect())
    }

    fn timeline(&self, subject: &Subject, rules: &[Rule]) -> Timeline {
        let (image, Some(located)) = (&subject.tracked, &subject.located) else { return Timeline::default() };
        let line = image.target.as_ref().and_then(|target| self.lines.get(&target.base.branch));
        let (Some((place, name)), Some(line)) = (place_of(image, located), line) else { return Timeline::default() };
        let is_of_other = |new: &RepoPath, old: &RepoPath| is_of_other_service(subject, rules, new, old);
        let (mut standings, moves) = self.standings(line, &located.file, (place, name), &is_of_other);
        if let Some((file, place)) = below(located) {
            standings = laid_over(standings, &self.standings(line, file, (place, name), &is_of_other).0);
        }
        name_digests(&mut standings);
        Timeline {
            standings,
            releases: line.said.releases.clone(),
            first_seen: line.said.first_seen.clone(),
            moves,
            is_cut: line.history.is_cut(),
        }
    }

    /// Gives what stood at a place, newest first, and what its file was called before.
    fn standings(
        &self,
        line: &Line,
        file: &RepoPath,
        (place, image): (&Place, &ImageName),
        is_of_other: &dyn Fn(&RepoPath, &RepoPath) -> bool,
    ) -> (Vec<Standing>, Vec<(u64, RepoPath)>) {
        let (mut standings, mut moves) = (Vec::new(), Vec::new());
        let stretches = self.of_image(line, file, image, is_of_other);
        for (number, stretch) in stretches.iter().enumerate() {
            if let Some(moved) =
                standings.last().filter(|_| stretch.path != moves.last().map_or(file, |(_, path)| path))
            {
                let moved: &Standing = moved;
                moves.push((moved.at, stretch.path.clone()));
            }
            let names = stretches.iter().skip(number).map(|stretch| stretch.path);
            let claims = line.said.of_place(names, place);
            standings.extend(stretch.versions.iter().map(|version| {
                let stood = match version.blob {
                    None => Stood::NoFile,
                    Some(blob) => {
                        self.stood.get(&(blob, place.clone(), image.clone())).cloned().unwrap_or(Stood::Unreadable)
                    }
                };
                Standing {
                    at: version.at,
                    commit: version.commit.clone(),
                    since: line.history.since(version.at).unwrap_or(version.commit.committed),
                    claimed: claims.of(version.at, &stood),
                    stood,
                }
            }));
        }
        (standings, moves)
    }

    /// Gives a file under each of its names, back to where it went over from another image or another service: that is
    /// the start of its place. What the contents say of the image goes before what the names say of the service.
    fn of_image<'l>(
        &self,
        line: &'l Line,
        file: &'l RepoPath,
        image: &ImageName,
        is_of_other: &dyn Fn(&RepoPath, &RepoPath) -> bool,
    ) -> Vec<Stretch<'l>> {
        let mut stretches = line.history.stretches(file);
        let is_turned = |pair: &[Stretch<'_>]| {
            let [new, old] = pair else { return false };
            let contents = contents_of_move(new, old);
            let said = contents.and_then(|(new, old)| self.turned.get(&(new, old, image.clone())).copied().flatten());
            said.unwrap_or_else(|| is_of_other(new.path, old.path))
        };
        if let Some(at) = stretches.windows(2).position(is_turned) {
            stretches.truncate(at + 1);
            // What was called so earlier is no move.
            let oldest = stretches.last().and_then(|stretch| Some((stretch.path, stretch.versions.last()?.at)));
            if let Some((path, at)) = oldest {
                let versions = line.history.versions(path);
                let start = versions.partition_point(|version| version.at >= at);
                stretches.push(Stretch { path, versions: versions.get(start..).unwrap_or_default() });
            }
        }
        stretches
    }
}

/// The content with which a file came under a new name, and its last one under the old name.
fn contents_of_move(new: &Stretch<'_>, old: &Stretch<'_>) -> Option<(BlobId, BlobId)> {
    Some((new.versions.last()?.blob?, old.versions.first()?.blob?))
}

/// Tells whether a file was of another image before it moved: the new one names this image, and the old one nothing that is
/// called like it. A service that takes the place of another is made from the same template. None where the old one does
/// not tell: it holds the value, and the image is named elsewhere.
fn is_of_other(new: &[u8], old: &[u8], image: &ImageName) -> Option<bool> {
    let names = |content: &[u8], name: &str| {
        let found = content.windows(name.len()).enumerate().filter(|(_, window)| *window == name.as_bytes());
        found.into_iter().any(|(at, _)| {
            let is_part = |c: &u8| c.is_ascii_alphanumeric() || b"._-".contains(c);
            let before = at.checked_sub(1).and_then(|at| content.get(at));
            !before.is_some_and(is_part) && !content.get(at + name.len()).is_some_and(is_part)
        })
    };
    let repository = image.repository();
    let last = repository.rsplit('/').next().unwrap_or(repository);
    match (names(new, repository), names(old, repository)) {
        _ if last.is_empty() => None,
        (_, true) => Some(false),
        (true, false) => Some(!names(old, last)),
        (false, false) => None,
    }
}

/// Gives a digest that stands alone the tag for which a commit says that it was written.
fn name_digests(standings: &mut [Standing]) {
    let of_change = |standing: &Standing| {
        let change = standing.claimed.as_ref()?;
        Some((change.digest.clone()?, tag_of(&change.new).to_owned()))
    };
    let is_bare = |standing: &Standing| matches!(&standing.stood, Stood::Tag { tag, .. } if tag.is_empty());
    if !standings.iter().any(is_bare) {
        return;
    }
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
        let counts = if is_left { below.as_ref() } else { above.as_ref() }.or(above.as_ref())?.clone();
        let claimed = counts.claimed.filter(|_| counts.at == at);
        let here = [above, below].into_iter().flatten().find(|one| one.at == at)?;
        Some(Standing { at, commit: here.commit, since: here.since, stood: counts.stood, claimed })
    };
    times.into_iter().filter_map(counts).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_file_is_of_another_image_if_it_names_this_one_and_never_did() {
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        for (new, old, is_other) in [
            ("repository: ghcr.io/acme/web", "repository: ghcr.io/acme/api", Some(true)),
            ("image: acme/web:1.0.0", "image: acme/webhook:1.0.0", Some(true)),
            ("repository: acme/web", "repository: acme/web", Some(false)),
            ("tag: 1.0.0", "repository: acme/web", Some(false)),
            // Another registry, another owner.
            ("repository: acme/web", "repository: old.example/team/web", Some(false)),
            // Who does not name it may hold it as well as before; then the paths tell.
            ("tag: 1.0.0", "repository: acme/api", None),
            ("web: {tag: 1.0.0}", "web: {tag: 1.0.0}", None),
            ("repository: acme/web", "", Some(true)),
            ("", "", None),
        ] {
            assert_eq!(is_of_other(new.as_bytes(), old.as_bytes(), &image), is_other, "{new} {old}");
        }
    }
}
