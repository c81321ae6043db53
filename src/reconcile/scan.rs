//! Scan: answers a decision's questions from the registries, each once a cycle however many images share it, and notes when
//! tags were first seen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};

use crate::cache::Cache;
use crate::diagnostic::Diagnostic;
use crate::model::metadata::{Described, Needs};
use crate::model::names::{Digest, ImageName, Tag};
use crate::plan::rollback::FirstSeen;
use crate::plan::{Failure, Listed, Question, Snapshot};
use crate::reconcile::{Due, Mode, Reconciler};
use crate::registry::{Registries, RegistryError};

/// Questions to one registry that are under way at once.
const CONCURRENCY: usize = 8;
/// After so many requests without an answer a registry is not asked again in the same cycle.
const GIVE_UP_AFTER: u32 = 3;

/// What the registries answered in this cycle; a second attempt asks nothing again.
#[derive(Debug, Default)]
pub(super) struct Answers {
    listings: BTreeMap<ImageName, Result<Arc<Listed>, Failure>>,
    manifests: BTreeMap<(ImageName, Tag), Result<Option<Digest>, Failure>>,
    metadata: BTreeMap<ImageName, BTreeMap<Tag, Result<Option<Described>, Failure>>>,
    first_seen: FirstSeen,
    /// Listings of the cycle before. One that did not change is the same value, with all that was made of it.
    before: BTreeMap<ImageName, Arc<Listed>>,
    /// Whether clocks that start now go on in the next cycle. A question about another day must start none.
    starts_clocks: bool,
}

impl Answers {
    /// Those of the images that are not due.
    pub(super) fn of_resting(&mut self, due: &Due, mode: &Mode) -> Self {
        let mut kept = std::mem::take(self);
        let (asked, resting): (BTreeMap<_, _>, BTreeMap<_, _>) =
            kept.listings.into_iter().partition(|(image, _)| due.is_image(image));
        kept.listings = resting;
        kept.before = asked.into_iter().filter_map(|(image, listed)| Some((image, listed.ok()?))).collect();
        kept.manifests.retain(|(image, _), _| !due.is_image(image));
        kept.metadata.retain(|image, _| !due.is_image(image));
        // The cache knows the others, and what a question about another day saw is nothing that was seen.
        kept.first_seen.retain(|(image, ..), _| !due.is_image(image));
        kept.starts_clocks = *mode == Mode::Deliver;
        kept
    }

    /// Those that a later cycle may rest on: what failed is asked again.
    pub(super) fn that_are_good(mut self) -> Self {
        self.listings.retain(|_, listed| listed.is_ok());
        self.manifests.retain(|_, digest| digest.is_ok());
        self.metadata.values_mut().for_each(|tags| tags.retain(|_, described| described.is_ok()));
        self
    }

    pub(super) fn fill(&self, snapshot: &mut Snapshot) {
        snapshot.listings.clone_from(&self.listings);
        snapshot.manifests.clone_from(&self.manifests);
        snapshot.metadata.clone_from(&self.metadata);
        snapshot.first_seen.clone_from(&self.first_seen);
    }
}

enum Answer {
    Listing(ImageName, Result<Listed, Failure>),
    Manifest(ImageName, Tag, Result<Option<Digest>, Failure>),
    Metadata(ImageName, Tag, Result<Option<Described>, Failure>),
}

impl Reconciler {
    /// Answers questions into the snapshot.
    pub(super) async fn answer(&mut self, questions: Vec<Question>, snapshot: &mut Snapshot, known: &mut Answers) {
        let mut by_host: BTreeMap<String, Vec<Question>> = BTreeMap::new();
        let looks_into_images = questions.iter().any(|question| matches!(question, Question::Metadata(..)));
        let needs = if looks_into_images { snapshot.needs() } else { BTreeMap::new() };
        for question in questions {
            match &question {
                Question::Listing(image) | Question::Manifest(image, _) | Question::Metadata(image, _) => {
                    by_host.entry(image.registry().to_owned()).or_default().push(question);
                }
                Question::File(..) => {}
            }
        }
        let (cache, needs) = (&self.cache, &needs);
        let hosts = by_host.into_values().map(|questions| ask_host(self.registries.clone(), cache, needs, questions));
        let answers: Vec<Answer> = join_all(hosts).await.into_iter().flatten().collect();
        let (mut filled, mut described, mut seen) = (Vec::new(), Vec::new(), Vec::new());
        for answer in answers {
            match answer {
                Answer::Listing(image, mut listed) => {
                    if let Ok(listed) = &mut listed {
                        listed.was_filled = self.cache.was_filled(&image);
                        if !listed.tags.is_empty() && !listed.was_filled {
                            filled.push(image.clone());
                        }
                    }
                    let before = known.before.remove(&image);
                    let listed = listed.map(|listed| match before {
                        Some(before) if *before == listed => before,
                        _ => Arc::new(listed),
                    });
                    known.listings.insert(image.clone(), listed.clone());
                    snapshot.listings.insert(image, listed);
                }
                Answer::Manifest(image, tag, digest) => {
                    if let Ok(Some(digest)) = &digest {
                        seen.push((image.clone(), tag.clone(), digest.clone()));
                    }
                    known.manifests.insert((image.clone(), tag.clone()), digest.clone());
                    snapshot.manifests.insert((image, tag), digest);
                }
                Answer::Metadata(image, tag, answer) => {
                    if let Ok(Some(found)) = &answer {
                        described.push((image.clone(), found.digest.clone(), found.metadata.clone()));
                        seen.push((image.clone(), tag.clone(), found.digest.clone()));
                    }
                    known.metadata.entry(image.clone()).or_default().insert(tag.clone(), answer.clone());
                    snapshot.metadata.entry(image).or_default().insert(tag, answer);
                }
            }
        }
        self.cache.remember_filled(&filled);
        self.cache.remember_metadata(&described);
        self.note_first_seen(seen, snapshot, known);
    }

    /// Starts the clocks of tags that are seen for the first time, of images for which somebody sets a `min-age`.
    fn note_first_seen(&mut self, seen: Vec<(ImageName, Tag, Digest)>, snapshot: &mut Snapshot, known: &mut Answers) {
        if seen.is_empty() {
            return;
        }
        let aged = snapshot.aged();
        let mut all = Vec::new();
        for (image, tag, digest) in seen.into_iter().filter(|(image, ..)| aged.contains(image)) {
            let cached = self.cache.first_seen(&image, &tag, &digest);
            // A clock that was set ahead, and then right: seen it was by now at the latest.
            let time = cached.map_or(snapshot.now, |time| time.min(snapshot.now));
            all.push((image.clone(), tag.clone(), digest.clone(), time));
            known.first_seen.insert((image, tag, digest), time);
        }
        snapshot.first_seen.clone_from(&known.first_seen);
        if known.starts_clocks && !all.is_empty() {
            self.cache.remember_seen(snapshot.now, &all);
        }
    }
}

/// Asks one registry; the others go on beside it. One that stays silent or asks to wait is given up for this cycle, so
/// that a hundred images of it cost no more time than a few.
async fn ask_host(
    registries: Arc<Registries>,
    cache: &Cache,
    needs: &BTreeMap<&ImageName, Needs>,
    questions: Vec<Question>,
) -> Vec<Answer> {
    let lost: Mutex<(u32, Option<Failure>)> = Mutex::default();
    let (registries, lost) = (&registries, &lost);
    let ask = |question: Question| async move {
        let given_up = {
            let lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
            lost.1.clone().filter(|_| lost.0 >= GIVE_UP_AFTER)
        };
        let note = |error: &RegistryError| {
            if !matches!(error.code(), "registry/unreachable" | "registry/timeout" | "registry/rate-limited") {
                return;
            }
            let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
            *lost = (lost.0 + 1, Some(failure(error)));
        };
        Some(match (question, given_up) {
            // Git answers it.
            (Question::File(..), _) => return None,
            (Question::Listing(image), Some(failure)) => {
                let failure = given_up_for(&image, &failure);
                Answer::Listing(image, Err(failure))
            }
            (Question::Manifest(image, tag), Some(failure)) => {
                let failure = given_up_for(&image, &failure);
                Answer::Manifest(image, tag, Err(failure))
            }
            (Question::Metadata(image, tag), Some(failure)) => {
                let failure = given_up_for(&image, &failure);
                Answer::Metadata(image, tag, Err(failure))
            }
            (Question::Listing(image), None) => {
                let listing = registries.list_tags(&image).await.inspect_err(note).map_err(|error| failure(&error));
                let listed = listing.map(|listing| Listed {
                    tags: listing.tags,
                    truncated: listing.truncated.map(|cut| cut.reason().to_owned()),
                    ..Listed::default()
                });
                Answer::Listing(image, listed)
            }
            (Question::Manifest(image, tag), None) => {
                let digest = registries.resolve_tag(&image, &tag).await.inspect_err(note);
                Answer::Manifest(image, tag, digest.map_err(|error| failure(&error)))
            }
            (Question::Metadata(image, tag), None) => {
                let needs = needs.get(&image).cloned().unwrap_or_default();
                let described = describe(registries, cache, &image, &tag, &needs).await.inspect_err(note);
                Answer::Metadata(image, tag, described.map_err(|error| failure(&error)))
            }
        })
    };
    stream::iter(questions).map(ask).buffer_unordered(CONCURRENCY).filter_map(std::future::ready).collect().await
}

/// Resolves a tag, which may move, and reads what stands behind its digest, which does not change.
async fn describe(
    registries: &Registries,
    cache: &Cache,
    image: &ImageName,
    tag: &Tag,
    needs: &Needs,
) -> Result<Option<Described>, RegistryError> {
    let Some(digest) = registries.resolve_tag(image, tag).await? else { return Ok(None) };
    let known = cache.metadata(image, &digest);
    if let Some(metadata) = known.clone().filter(|known| known.is_enough(needs)) {
        return Ok(Some(Described { digest, metadata }));
    }
    let read = registries.describe(image, &digest, needs, known.as_deref()).await?;
    Ok(read.map(|read| Described { digest, metadata: Arc::new(read) }))
}

fn given_up_for(image: &ImageName, failure: &Failure) -> Failure {
    let message =
        format!("{image} was not asked for: its registry was given up for this cycle after {}", failure.message);
    Failure { message, ..failure.clone() }
}

fn failure(error: &RegistryError) -> Failure {
    Failure { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), line: None }
}
