//! Scan: answers a decision's questions from the registries, each once a cycle however many images share it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};

use crate::diagnostic::Diagnostic;
use crate::model::names::{Digest, ImageName, Tag};
use crate::plan::{Failure, Listed, Question, Snapshot};
use crate::reconcile::{Due, Reconciler};
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
}

impl Answers {
    /// Those of the registries that are not due.
    pub(super) fn of_resting(&mut self, due: &Due) -> Self {
        let mut kept = std::mem::take(self);
        kept.listings.retain(|image, _| !due.is_registry(image.registry()));
        kept.manifests.retain(|(image, _), _| !due.is_registry(image.registry()));
        kept
    }

    /// Those that a later cycle may rest on: what failed is asked again.
    pub(super) fn that_are_good(mut self) -> Self {
        self.listings.retain(|_, listed| listed.is_ok());
        self.manifests.retain(|_, digest| digest.is_ok());
        self
    }

    pub(super) fn fill(&self, snapshot: &mut Snapshot) {
        snapshot.listings.clone_from(&self.listings);
        snapshot.manifests.clone_from(&self.manifests);
    }
}

enum Answer {
    Listing(ImageName, Result<Listed, Failure>),
    Manifest(ImageName, Tag, Result<Option<Digest>, Failure>),
}

impl Reconciler {
    /// Answers questions into the snapshot.
    pub(super) async fn answer(&mut self, questions: Vec<Question>, snapshot: &mut Snapshot, known: &mut Answers) {
        let mut by_host: BTreeMap<String, Vec<Question>> = BTreeMap::new();
        for question in questions {
            match &question {
                Question::Listing(image) | Question::Manifest(image, _) => {
                    by_host.entry(image.registry().to_owned()).or_default().push(question);
                }
                Question::File(..) => {}
            }
        }
        let hosts = by_host.into_values().map(|questions| ask_host(self.registries.clone(), questions));
        let answers: Vec<Answer> = join_all(hosts).await.into_iter().flatten().collect();
        let mut filled = Vec::new();
        for answer in answers {
            match answer {
                Answer::Listing(image, mut listed) => {
                    if let Ok(listed) = &mut listed {
                        listed.was_filled = self.cache.was_filled(&image);
                        if !listed.tags.is_empty() && !listed.was_filled {
                            filled.push(image.clone());
                        }
                    }
                    let listed = listed.map(Arc::new);
                    known.listings.insert(image.clone(), listed.clone());
                    snapshot.listings.insert(image, listed);
                }
                Answer::Manifest(image, tag, digest) => {
                    known.manifests.insert((image.clone(), tag.clone()), digest.clone());
                    snapshot.manifests.insert((image, tag), digest);
                }
            }
        }
        self.cache.remember_filled(&filled);
    }
}

/// Asks one registry; the others go on beside it. One that stays silent or asks to wait is given up for this cycle, so
/// that a hundred images of it cost no more time than a few.
async fn ask_host(registries: Arc<Registries>, questions: Vec<Question>) -> Vec<Answer> {
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
            (Question::Listing(image), None) => {
                let listing = registries.list_tags(&image).await.inspect_err(note).map_err(|error| failure(&error));
                let listed = listing.map(|listing| Listed {
                    tags: listing.tags,
                    truncated: listing.truncated.map(|cut| cut.reason().to_owned()),
                    was_filled: false,
                });
                Answer::Listing(image, listed)
            }
            (Question::Manifest(image, tag), None) => {
                let digest = registries.resolve_tag(&image, &tag).await.inspect_err(note);
                Answer::Manifest(image, tag, digest.map_err(|error| failure(&error)))
            }
        })
    };
    stream::iter(questions).map(ask).buffer_unordered(CONCURRENCY).filter_map(std::future::ready).collect().await
}

fn given_up_for(image: &ImageName, failure: &Failure) -> Failure {
    let message =
        format!("{image} was not asked for: its registry was given up for this cycle after {}", failure.message);
    Failure { message, ..failure.clone() }
}

fn failure(error: &RegistryError) -> Failure {
    Failure { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), line: None }
}
