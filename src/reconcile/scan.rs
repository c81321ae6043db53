//! Scan: answers a decision's questions from the registries, each once a cycle however many images share it.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};

use crate::diagnostic::Diagnostic;
use crate::model::names::{Digest, ImageName, Tag};
use crate::plan::{Failure, Listed, Question, Snapshot};
use crate::reconcile::Reconciler;
use crate::registry::RegistryError;

/// Questions that are under way at once, over all registries.
const CONCURRENCY: usize = 32;

/// What the registries answered in this cycle; a second attempt asks nothing again.
#[derive(Debug, Default)]
pub(super) struct Answers {
    listings: BTreeMap<ImageName, Result<Listed, Failure>>,
    manifests: BTreeMap<(ImageName, Tag), Result<Option<Digest>, Failure>>,
}

impl Answers {
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
        let registries = self.registries.clone();
        let answers: Vec<Answer> = stream::iter(questions)
            .map(|question| {
                let registries = registries.clone();
                async move {
                    match question {
                        Question::Listing(image) => {
                            let listing = registries.list_tags(&image).await.map_err(|error| failure(&error));
                            let listed = listing.map(|listing| Listed {
                                tags: listing.tags,
                                truncated: listing.truncated.map(|cut| cut.reason().to_owned()),
                                was_filled: false,
                            });
                            Answer::Listing(image, listed)
                        }
                        Question::Manifest(image, tag) => {
                            let digest = registries.resolve_tag(&image, &tag).await.map_err(|error| failure(&error));
                            Answer::Manifest(image, tag, digest)
                        }
                    }
                }
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
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

fn failure(error: &RegistryError) -> Failure {
    Failure { code: error.code().to_owned(), message: error.to_string(), hint: error.hint(), line: None }
}
