//! Scan: answers a decision's questions from the registries, each once a cycle however many images share it, and notes when
//! tags were first seen.

mod images;
pub(super) mod labels;
mod signatures;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::stream::{self, Stream, StreamExt, select_all};
use jiff::Timestamp;

use crate::cache::Looked;
use crate::diagnostic::Diagnostic;
use crate::model::event::Pushed;
use crate::model::metadata::{Described, Labels, Needs};
use crate::model::names::{Digest, ImageName, Tag};
use crate::model::verification::{KeyName, Verification};
use crate::plan::rollback::FirstSeen;
use crate::plan::{Failure, Listed, Question, Snapshot};
use crate::reconcile::scan::images::Images;
use crate::reconcile::scan::turns::Turns;
use crate::reconcile::{Due, Mode, Reconciler};
use crate::registry::RegistryError;

/// After so many requests without an answer a registry is not asked again in the same cycle.
const GIVE_UP_AFTER: u32 = 3;
/// After so many looks at images what they found is remembered, so that a cycle that ends early loses little.
const REMEMBERED_TOGETHER: usize = 256;

/// What the registries answered in this cycle; a second attempt asks nothing again.
#[derive(Debug, Default)]
pub(super) struct Answers {
    listings: BTreeMap<ImageName, Result<Arc<Listed>, Failure>>,
    manifests: BTreeMap<(ImageName, Tag), Result<Option<Digest>, Failure>>,
    metadata: BTreeMap<ImageName, BTreeMap<Tag, Result<Option<Described>, Failure>>>,
    remembered: BTreeMap<ImageName, BTreeMap<Tag, Described>>,
    /// How many tags were looked at again because of their age, by registry.
    looks: BTreeMap<String, usize>,
    verifications: BTreeMap<(ImageName, Digest), BTreeMap<KeyName, Result<Verification, Failure>>>,
    labels: BTreeMap<(ImageName, Digest), Option<Labels>>,
    first_seen: FirstSeen,
    /// Listings of the cycle before. One that did not change is the same value, with all that was made of it.
    before: BTreeMap<ImageName, Arc<Listed>>,
    turns: Turns,
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
        kept.remembered.retain(|image, _| !due.is_image(image));
        kept.looks.clear();
        kept.verifications.retain(|(image, _), _| !due.is_image(image));
        // The cache knows them.
        kept.labels.clear();
        // The cache knows the others, and what a question about another day saw is nothing that was seen.
        kept.first_seen.retain(|(image, ..), _| !due.is_image(image));
        kept.starts_clocks = *mode == Mode::Deliver;
        kept.turns.begin();
        kept
    }

    /// Those that a later cycle may rest on: what failed is asked again.
    pub(super) fn that_are_good(mut self) -> Self {
        self.listings.retain(|_, listed| listed.is_ok());
        self.manifests.retain(|_, digest| digest.is_ok());
        self.metadata.values_mut().for_each(|tags| tags.retain(|_, described| described.is_ok()));
        self.verifications.values_mut().for_each(|keys| keys.retain(|_, answer| answer.is_ok()));
        self
    }

    pub(super) fn fill(&self, snapshot: &mut Snapshot) {
        snapshot.listings.clone_from(&self.listings);
        snapshot.manifests.clone_from(&self.manifests);
        snapshot.metadata.clone_from(&self.metadata);
        snapshot.remembered.clone_from(&self.remembered);
        snapshot.verifications.clone_from(&self.verifications);
        snapshot.labels.clone_from(&self.labels);
        snapshot.first_seen.clone_from(&self.first_seen);
    }
}

enum Answer {
    Listing(ImageName, Result<Listed, Failure>),
    Manifest(ImageName, Tag, Result<Option<Digest>, Failure>),
    Metadata(ImageName, Tag, Result<Option<Looked>, Failure>),
    Verification(ImageName, Digest, signatures::Looked),
}

impl Answer {
    fn image(&self) -> &ImageName {
        match self {
            Self::Listing(image, _)
            | Self::Manifest(image, ..)
            | Self::Metadata(image, ..)
            | Self::Verification(image, ..) => image,
        }
    }

    fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Listing(_, answer) => answer.as_ref().err(),
            Self::Manifest(_, _, answer) => answer.as_ref().err(),
            Self::Metadata(_, _, answer) => answer.as_ref().err(),
            Self::Verification(_, _, looked) => looked.answers.values().find_map(|answer| answer.as_ref().err()),
        }
    }
}

/// What is asked of one registry.
#[derive(Default)]
struct Asked {
    questions: Vec<Question>,
    /// Tags of which an answer is remembered.
    remembered: BTreeMap<ImageName, Vec<Tag>>,
    /// Those of them that are looked at again, last. If that fails, what is remembered counts on.
    looks: Vec<(ImageName, Tag)>,
    /// How many questions are under way at once.
    concurrency: usize,
}

impl Reconciler {
    /// Answers questions into the snapshot.
    pub(super) async fn answer(&mut self, questions: Vec<Question>, snapshot: &mut Snapshot, known: &mut Answers) {
        let mut by_host: BTreeMap<String, Asked> = BTreeMap::new();
        let looks_into_images =
            questions.iter().any(|question| matches!(question, Question::Metadata(..) | Question::Remembered(..)));
        let needs: BTreeMap<ImageName, Needs> = if looks_into_images {
            snapshot.needs().into_iter().map(|(image, needs)| (image.clone(), needs)).collect()
        } else {
            BTreeMap::new()
        };
        for question in questions {
            match question {
                Question::Listing(ref image)
                | Question::Manifest(ref image, _)
                | Question::Metadata(ref image, _)
                | Question::Verification(ref image, ..) => {
                    by_host.entry(image.registry().to_owned()).or_default().questions.push(question);
                }
                Question::Remembered(image, tag) => {
                    let asked = by_host.entry(image.registry().to_owned()).or_default();
                    asked.remembered.entry(image).or_default().push(tag);
                }
                // Answered elsewhere.
                Question::File(..) | Question::Closed(..) | Question::Labels(..) => {}
            }
        }
        // A question about another day changes no time of a look.
        let clock = if known.starts_clocks { snapshot.now } else { snapshot.now.min(Timestamp::now()) };
        let (cache, registries) = (&self.cache, &*self.registries);
        let images = Images {
            cache,
            registries,
            needs: &needs,
            keys: &self.options.cosign_keys,
            clock,
            behind: Mutex::default(),
        };
        let aged: BTreeSet<ImageName> = snapshot.aged().into_iter().cloned().collect();
        let mut seen = Vec::new();
        for (host, asked) in &mut by_host {
            let recalled = images.recall(&asked.remembered, known.looks.entry(host.clone()).or_default());
            let ask_now = |(image, tag)| Question::Metadata(image, tag);
            asked.questions.extend(recalled.unknown.into_iter().map(ask_now));
            asked.looks = recalled.due;
            asked.concurrency = registries.concurrency(host);
            if registries.is_rationed(host) {
                let seed = snapshot.now.as_second();
                asked.questions = known.turns.order(std::mem::take(&mut asked.questions), seed);
            }
            for (image, tag, described) in recalled.known {
                if aged.contains(&image) {
                    seen.push((image.clone(), tag.clone(), described.digest.clone()));
                }
                known.remembered.entry(image.clone()).or_default().insert(tag.clone(), described.clone());
                snapshot.remembered.entry(image).or_default().insert(tag, described);
            }
        }
        let mut note = |image: &ImageName, tag: &Tag, digest: &Digest| {
            if aged.contains(image) {
                seen.push((image.clone(), tag.clone(), digest.clone()));
            }
        };
        let hosts: Vec<(Asked, Lost)> = by_host.into_values().map(|asked| (asked, Lost::default())).collect();
        // One answer after the other, so that not all listings of a cycle are there twice.
        let mut answers = select_all(hosts.iter().map(|(asked, lost)| ask_host(&images, asked, lost).boxed()));
        let (mut filled, mut looked, mut signed) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(answer) = answers.next().await {
            let is_served = || answer.failure().is_none_or(|failure| !is_over_budget(failure));
            if registries.is_rationed(answer.image().registry()) && is_served() {
                known.turns.served(answer.image());
            }
            match answer {
                Answer::Listing(image, mut listed) => {
                    if let Ok(listed) = &mut listed {
                        listed.was_filled = cache.was_filled(&image);
                        if !listed.tags.is_empty() && !listed.was_filled {
                            filled.push(image.clone());
                        }
                    }
                    let before = known.before.remove(&image);
                    let listed = match (listed, before) {
                        (Ok(listed), Some(before)) if *before == listed => Ok(before),
                        (Ok(listed), _) => Ok(Arc::new(listed)),
                        // Its turn comes in another cycle; until then it is as it was.
                        (Err(failure), Some(before)) if is_over_budget(&failure) => Ok(before),
                        (Err(failure), _) => Err(failure),
                    };
                    known.listings.insert(image.clone(), listed.clone());
                    snapshot.listings.insert(image, listed);
                }
                Answer::Manifest(image, tag, digest) => {
                    if let Ok(Some(digest)) = &digest {
                        note(&image, &tag, digest);
                    }
                    known.manifests.insert((image.clone(), tag.clone()), digest.clone());
                    snapshot.manifests.insert((image, tag), digest);
                }
                Answer::Metadata(image, tag, answer) => {
                    let answer = answer.map(|found| {
                        let described = found.as_ref().map(|found| found.described.clone());
                        looked.extend(found);
                        described
                    });
                    if let Ok(Some(described)) = &answer {
                        note(&image, &tag, &described.digest);
                    }
                    known.metadata.entry(image.clone()).or_default().insert(tag.clone(), answer.clone());
                    snapshot.metadata.entry(image).or_default().insert(tag, answer);
                }
                Answer::Verification(image, digest, looked) => {
                    let key = (image, digest);
                    signed.extend(looked.signed.into_iter().map(|by| (key.0.clone(), key.1.clone(), by)));
                    known.verifications.entry(key.clone()).or_default().extend(looked.answers.clone());
                    snapshot.verifications.entry(key).or_default().extend(looked.answers);
                }
            }
            if looked.len() >= REMEMBERED_TOGETHER {
                cache.remember_tags(clock, &looked);
                looked.clear();
            }
        }
        cache.remember_tags(clock, &looked);
        cache.remember_verified(clock, &signed);
        drop(answers);
        self.cache.remember_filled(&filled);
        self.note_first_seen(seen, snapshot, known);
    }

    /// Forgets what tags named that were pushed, with whatever pull secret: they are asked for anew.
    pub(super) fn forget_pushed(&self, pushed: &Pushed) {
        for (image, tags) in pushed.iter() {
            self.cache.forget_tags(image, tags);
        }
    }

    /// Starts the clocks of tags that are seen for the first time; they are of images for which somebody sets a `min-age`.
    fn note_first_seen(&mut self, seen: Vec<(ImageName, Tag, Digest)>, snapshot: &mut Snapshot, known: &mut Answers) {
        if seen.is_empty() {
            return;
        }
        let mut all = Vec::new();
        for (image, tag, digest) in seen {
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

/// How often a registry gave no answer, and why last.
type Lost = Mutex<(u32, Option<Failure>)>;

/// Asks one registry; the others go on beside it. One that stays silent or asks to wait is given up for this cycle, so
/// that a hundred images of it cost no more time than a few.
fn ask_host<'a>(images: &'a Images<'a>, asked: &'a Asked, lost: &'a Lost) -> impl Stream<Item = Answer> + 'a {
    let given_up = || {
        let lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.1.clone().filter(|_| lost.0 >= GIVE_UP_AFTER)
    };
    let note = |error: &RegistryError| {
        if matches!(error.code(), "registry/unreachable" | "registry/timeout" | "registry/rate-limited") {
            let mut lost = lost.lock().unwrap_or_else(PoisonError::into_inner);
            *lost = (lost.0 + 1, Some(failure(error)));
        }
    };
    let questions = asked.questions.iter().map(move |question| {
        let work = async move {
            match given_up() {
                None => answer_to(images, question, note).await,
                Some(failure) => without_asking(question, &failure),
            }
        };
        work.boxed()
    });
    let looks = asked.looks.iter().map(move |(image, tag)| {
        let work = async move {
            let found = if given_up().is_none() { images.look(image, tag).await.inspect_err(note).ok() } else { None };
            found.map(|found| Answer::Metadata(image.clone(), tag.clone(), Ok(found)))
        };
        work.boxed()
    });
    stream::iter(questions.chain(looks)).buffer_unordered(asked.concurrency).filter_map(std::future::ready)
}

async fn answer_to(images: &Images<'_>, question: &Question, note: impl Fn(&RegistryError)) -> Option<Answer> {
    Some(match question {
        Question::Listing(image) => {
            let listing = images.registries.list_tags(image).await.inspect_err(note).map_err(|error| failure(&error));
            let listed = listing.map(|listing| Listed {
                tags: listing.tags,
                dropped: listing.dropped,
                truncated: listing.truncated.map(|cut| cut.reason().to_owned()),
                ..Listed::default()
            });
            Answer::Listing(image.clone(), listed)
        }
        Question::Manifest(image, tag) => {
            let digest = images.registries.resolve_tag(image, tag).await.inspect_err(note);
            Answer::Manifest(image.clone(), tag.clone(), digest.map_err(|error| failure(&error)))
        }
        Question::Metadata(image, tag) | Question::Remembered(image, tag) => {
            let looked = images.look(image, tag).await.inspect_err(note);
            Answer::Metadata(image.clone(), tag.clone(), looked.map_err(|error| failure(&error)))
        }
        Question::Verification(image, digest, names) => {
            let looked = signatures::look(images, image, digest, names).await.inspect_err(note);
            let looked = looked.unwrap_or_else(|error| signatures::unknown(names, &failure(&error)));
            Answer::Verification(image.clone(), digest.clone(), looked)
        }
        Question::File(..) | Question::Closed(..) | Question::Labels(..) => return None,
    })
}

fn without_asking(question: &Question, failure: &Failure) -> Option<Answer> {
    Some(match question {
        Question::Listing(image) => Answer::Listing(image.clone(), Err(given_up_for(image, failure))),
        Question::Manifest(image, tag) => {
            Answer::Manifest(image.clone(), tag.clone(), Err(given_up_for(image, failure)))
        }
        Question::Metadata(image, tag) | Question::Remembered(image, tag) => {
            Answer::Metadata(image.clone(), tag.clone(), Err(given_up_for(image, failure)))
        }
        Question::Verification(image, digest, names) => {
            let failure = given_up_for(image, failure);
            Answer::Verification(image.clone(), digest.clone(), signatures::unknown(names, &failure))
        }
        Question::File(..) | Question::Closed(..) | Question::Labels(..) => return None,
    })
}

fn is_over_budget(failure: &Failure) -> bool {
    failure.code == "registry/over-budget"
}

fn given_up_for(image: &ImageName, failure: &Failure) -> Failure {
    let message =
        format!("{image} was not asked for: its registry was given up for this cycle after {}", failure.message);
    Failure { message, ..failure.clone() }
}

fn failure(error: &RegistryError) -> Failure {
    Failure { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), line: None }
}
