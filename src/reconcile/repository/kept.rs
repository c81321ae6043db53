//! What was found of places and of what stood there, kept in the mirror between runs: a command that starts anew searches only
//! what changed since. All of it was made of contents that are named by their hash.
//!
//! One file has a line for each image: a number for all that decides where it is looked for, and what is known of it as JSON.
//! Another one names the contents that hold nothing to discover.

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use tracing::debug;

use crate::git::{Directory, GitError, Mirror, Node};
use crate::manifest::place::Place;
use crate::model::history::BlobId;
use crate::model::names::{ImageName, RepoPath};
use crate::model::tracked::TrackedImage;
use crate::plan::Subject;
use crate::plan::locate::Located;
use crate::plan::rollback::Stood;
use crate::reconcile::past::below;
use crate::reconcile::repository::line::{Line, Met};
use crate::reconcile::repository::places::Placed;
use crate::reconcile::repository::{Repository, StoodKey};

/// The files in the mirror.
const PLACES: &str = "places";
const NOTHING: &str = "nothing";
/// Digits of a number.
const DIGITS: usize = 16;
/// A file is written again once so much had to be found anew that it is a part of it: one of so many.
const SHARE: usize = 8;
/// So many contents that hold nothing are never worth forgetting.
const FEW: usize = 10_000;

/// What is kept, and how much of what is in use is not.
#[derive(Default)]
pub(in crate::reconcile) struct Kept {
    text: String,
    /// Where the line of an image is.
    lines: HashMap<u64, Range<usize>>,
    is_read: bool,
    /// Contents that hold nothing to discover, wherever they stand.
    nothing: HashSet<BlobId>,
    /// How many of them there were when those were forgotten that are no more.
    alive: usize,
    /// How many of them are not kept yet.
    fresh_nothing: usize,
    /// Images that were searched and contents that were read, and are not kept yet.
    pub(in crate::reconcile) fresh: usize,
    /// What is in use was read as a whole.
    pub(super) is_whole: bool,
}

/// What is known of one image.
#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    application: String,
    alias: String,
    met: Vec<(RepoPath, Met)>,
    located: Vec<Located>,
    /// What stood there, for each of them, and where what counts stands below it.
    stood: Vec<[Vec<(BlobId, Stood)>; 2]>,
}

/// What a search found, and what it met.
pub(super) struct Recalled {
    pub(super) met: Vec<(RepoPath, Met)>,
    pub(super) located: Vec<Located>,
}

impl Kept {
    /// Reads what was kept, once.
    pub(super) fn read(&mut self, mirror: &Mirror) {
        if std::mem::replace(&mut self.is_read, true) {
            return;
        }
        let blobs = mirror.recall(NOTHING).unwrap_or_default();
        self.nothing = blobs.split_whitespace().filter_map(|blob| blob.parse().ok()).collect();
        self.text = mirror.recall(PLACES).unwrap_or_default();
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            if let Some(number) = line.get(..DIGITS).and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
                self.lines.insert(number, start + DIGITS..start + line.len());
            }
            start += line.len();
        }
    }

    /// Tells whether a content is known to hold nothing to discover.
    pub(super) fn is_nothing(&self, blob: &BlobId) -> bool {
        self.nothing.contains(blob)
    }

    /// Notes a content that holds nothing to discover.
    pub(super) fn note_nothing(&mut self, blob: BlobId) {
        self.fresh_nothing += usize::from(self.nothing.insert(blob));
    }

    /// Forgets such contents that stand nowhere any more, once there are many.
    pub(super) fn forget_nothing(&mut self, root: &Directory) {
        if self.nothing.len() > 2 * self.alive + FEW {
            self.keep_nothing_of([root].into_iter());
        }
    }

    fn keep_nothing_of<'d>(&mut self, roots: impl Iterator<Item = &'d Directory>) {
        let mut there = HashSet::new();
        roots.for_each(|root| contents_of(root, &mut there));
        self.nothing.retain(|blob| there.contains(blob));
        self.alive = self.nothing.len();
    }

    fn entry(&self, image: &TrackedImage) -> Option<Entry> {
        if self.lines.is_empty() {
            return None;
        }
        let json = self.text.get(self.lines.get(&number(image.sought()))?.clone())?;
        let entry: Entry = serde_json::from_str(json).ok()?;
        let is_of = entry.application == image.application.label() && entry.alias == image.alias;
        is_of.then_some(entry)
    }

    /// Lets go of what was read: nobody asks for it twice.
    pub(super) fn release(&mut self) {
        (self.text, self.lines) = (String::new(), HashMap::new());
    }
}

impl Repository {
    /// Gives what a search for an image would find, if an earlier process searched it and nothing changed since that it met;
    /// and takes over what stood there in any version of its files.
    ///
    /// # Errors
    /// A file that the mirror lost.
    pub(super) fn recalled(&mut self, image: &TrackedImage) -> Result<Option<Recalled>, GitError> {
        let (Some(entry), Some(name)) = (self.kept.entry(image), &image.image) else { return Ok(None) };
        let Entry { mut met, located, stood, .. } = entry;
        for (located, [own, lower]) in located.iter().zip(stood) {
            let places = [located.place.as_ref(), below(located).map(|(_, place)| place)];
            for (place, stood) in places.into_iter().zip([own, lower]) {
                let Some(place) = place else { continue };
                let row = |(blob, stood): (BlobId, Stood)| ((blob, place.clone(), name.clone()), stood);
                self.stood.extend(stood.into_iter().map(row));
            }
        }
        let line = image.target.as_ref().and_then(|target| self.lines.get(&target.base.branch));
        let Some(line) = line.filter(|_| !located.is_empty()) else { return Ok(None) };
        for (path, met) in &mut met {
            if !self.is_same(line, path, met)? {
                return Ok(None);
            }
        }
        Ok(Some(Recalled { met, located }))
    }

    /// Tells whether so much of what is in use is new that it is worth keeping.
    pub(in crate::reconcile) fn is_worth_keeping(&self) -> bool {
        let is_new = self.kept.is_whole && (self.has_new_places() || self.has_new_nothing());
        is_new && self.mirror.as_ref().is_some_and(Mirror::keeps)
    }

    fn has_new_places(&self) -> bool {
        is_part(self.kept.fresh + self.index.borrow().read, self.placed.len() + self.stood.len())
    }

    fn has_new_nothing(&self) -> bool {
        is_part(self.kept.fresh_nothing, self.kept.nothing.len())
    }

    /// Keeps what is in use for the next process. If that fails it is tried again once as much is new again.
    pub(in crate::reconcile) fn remember(&mut self) {
        let (has_new_places, has_new_nothing) = (self.has_new_places(), self.has_new_nothing());
        if has_new_nothing {
            self.kept.keep_nothing_of(self.lines.values().map(|line| &*line.root));
        }
        let Some(mirror) = self.mirror.as_ref().filter(|mirror| mirror.keeps()) else { return };
        let kept = |result: std::io::Result<()>| {
            if let Err(error) = result {
                debug!(repository = self.options.name, "what was found cannot be kept: {error}");
            }
        };
        if has_new_nothing {
            let blobs: Vec<String> = self.kept.nothing.iter().map(ToString::to_string).collect();
            kept(mirror.keep(NOTHING, &blobs.join("\n")));
            self.kept.fresh_nothing = 0;
        }
        if has_new_places {
            let mut text = String::new();
            for placed in self.placed.values() {
                // What cannot be written down is searched again.
                let json = self.entry(placed).and_then(|entry| serde_json::to_string(&entry).ok());
                let _ = json.map(|json| writeln!(text, "{:0DIGITS$x}{json}", number(placed.image.sought())));
            }
            kept(mirror.keep(PLACES, &text));
            (self.kept.fresh, self.index.get_mut().read) = (0, 0);
        }
    }

    fn entry(&self, placed: &Placed) -> Option<Entry> {
        let image = &placed.image;
        let line = self.lines.get(&image.target.as_ref()?.base.branch)?;
        let subjects: Vec<&Subject> = placed.subjects.iter().map(AsRef::as_ref).collect();
        let located: Vec<Located> = subjects.iter().map(|subject| subject.located.clone()).collect::<Option<_>>()?;
        let name = image.image.as_ref().filter(|_| !located.is_empty())?;
        let stood = located.iter().map(|located| {
            let own = located.place.as_ref().map(|place| self.stood_at(line, &located.file, place, name));
            let lower = below(located).map(|(file, place)| self.stood_at(line, file, place, name));
            [own.unwrap_or_default(), lower.unwrap_or_default()]
        });
        let stood = stood.collect();
        Some(Entry {
            application: image.application.label(),
            alias: image.alias.clone(),
            met: placed.met.clone(),
            located,
            stood,
        })
    }

    /// Gives what is known to have stood at a place in the versions of its file.
    fn stood_at(&self, line: &Line, file: &RepoPath, place: &Place, image: &ImageName) -> Vec<(BlobId, Stood)> {
        let stretches = line.history.stretches(file);
        let blobs = stretches.iter().flat_map(|stretch| stretch.versions).filter_map(|version| version.blob);
        let known = |blob: BlobId| {
            let key: StoodKey = (blob, place.clone(), image.clone());
            Some((blob, self.stood.get(&key)?.clone()))
        };
        blobs.filter_map(known).collect()
    }
}

/// Collects the contents of all files below a directory.
fn contents_of(directory: &Directory, found: &mut HashSet<BlobId>) {
    for child in directory.children() {
        match &child.node {
            Node::Entry(entry) => drop(found.insert(entry.blob)),
            Node::Directory(below) => contents_of(below, found),
        }
    }
}

/// Gives a number for a value, the same in every process of one program.
fn number(value: impl Hash) -> u64 {
    let mut hash = DefaultHasher::new();
    value.hash(&mut hash);
    hash.finish()
}

/// Tells whether what is new is a part of all that is worth writing it.
fn is_part(fresh: usize, all: usize) -> bool {
    fresh > 0 && fresh.saturating_mul(SHARE) >= all
}
