//! What images say of their sources. It is for texts only: whoever does not answer in time, or may not be asked any more in
//! this cycle, has said nothing, and nothing waits or fails for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt, select_all};
use jiff::Timestamp;
use tokio::time::{Instant, timeout, timeout_at};

use crate::cache::Cache;
use crate::model::metadata::{Labels, Metadata};
use crate::model::names::{Digest, ImageName, Tag};
use crate::plan::{Question, Snapshot};
use crate::reconcile::Reconciler;
use crate::reconcile::scan::{Answers, GIVE_UP_AFTER};
use crate::registry::{Named, Registries, RegistryError};

/// How long it is waited for all answers of one round, and for that about an old image.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who knows what images say of themselves.
#[derive(Clone, Copy)]
pub(in crate::reconcile) struct ImageLabels<'a> {
    cache: &'a Cache,
    registries: &'a Registries,
}

impl Reconciler {
    /// Answers [`Question::Labels`] into the snapshot.
    pub(in crate::reconcile) async fn answer_labels(
        &mut self,
        questions: &[Question],
        snapshot: &mut Snapshot,
        known: &mut Answers,
    ) {
        let images = self.image_labels();
        let mut by_host: BTreeMap<&str, Vec<(&ImageName, &Digest)>> = BTreeMap::new();
        let mut answered = BTreeMap::new();
        for (image, digest) in questions.iter().filter_map(asked) {
            answered.insert((image.clone(), digest.clone()), None);
            match images.cache.metadata(image, digest).as_deref().and_then(Metadata::labels) {
                Some(labels) => drop(answered.insert((image.clone(), digest.clone()), Some(labels.clone()))),
                None => by_host.entry(image.registry()).or_default().push((image, digest)),
            }
        }
        let hosts: Vec<_> = by_host.iter().map(|(host, asked)| (*host, asked, AtomicU32::new(0))).collect();
        let mut answers = select_all(hosts.iter().map(|(host, asked, lost)| {
            let answers = asked.iter().map(move |(image, digest)| images.read_unless_lost(image, digest, lost).boxed());
            stream::iter(answers).buffer_unordered(images.registries.concurrency(host)).boxed()
        }));
        let (until, mut read) = (Instant::now() + PATIENCE, Vec::new());
        while let Ok(Some(answer)) = timeout_at(until, answers.next()).await {
            let Some((image, digest, metadata)) = answer else { continue };
            answered.insert((image.clone(), digest.clone()), metadata.labels().cloned());
            read.push((image, digest, Arc::new(metadata)));
        }
        drop(answers);
        images.cache.remember_metadata(snapshot.now.min(Timestamp::now()), &read);
        snapshot.labels.extend(answered.clone());
        known.labels.extend(answered);
    }

    /// Gives access to what images say of themselves.
    pub(in crate::reconcile) fn image_labels(&self) -> ImageLabels<'_> {
        ImageLabels { cache: &self.cache, registries: &self.registries }
    }
}

impl ImageLabels<'_> {
    async fn read_unless_lost(
        self,
        image: &ImageName,
        digest: &Digest,
        lost: &AtomicU32,
    ) -> Option<(ImageName, Digest, Metadata)> {
        if lost.load(Ordering::Relaxed) >= GIVE_UP_AFTER {
            return None;
        }
        match self.read_labels(image, &Named::from(digest.clone())).await {
            Ok(metadata) => Some((image.clone(), digest.clone(), metadata?)),
            Err(_) => {
                lost.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    async fn read_labels(&self, image: &ImageName, named: &Named) -> Result<Option<Metadata>, RegistryError> {
        let known = self.cache.metadata(image, &named.digest);
        match known.as_deref() {
            Some(known) if known.labels().is_some() => Ok(Some(known.clone())),
            known => self.registries.describe_one(image, named, known).await,
        }
    }

    /// Gives what the image of a value, `1.2.0` or `1.2.0@sha256:…`, says of its sources; none if that is not known.
    pub(in crate::reconcile) async fn labels(&self, image: &ImageName, value: &str) -> Option<Labels> {
        let now = Timestamp::now();
        let (tag, digest) = value.split_once('@').map_or((value, None), |(tag, digest)| (tag, Some(digest)));
        let tag: Option<Tag> = tag.parse().ok();
        let remembered = || self.cache.tags(now, image, tag.as_ref()).into_values().next();
        let digest: Option<Digest> = match digest {
            Some(digest) => Some(digest.parse().ok()?),
            // What it named lately is what stood there.
            None => remembered().filter(|one| one.metadata.is_some()).map(|one| one.digest),
        };
        if let Some(labels) = digest.as_ref().and_then(|digest| self.cache.metadata(image, digest)?.labels().cloned()) {
            return Some(labels);
        }
        let read = async {
            let named = match digest {
                Some(digest) => Named::from(digest),
                None => self.registries.open_tag(image, tag.as_ref()?, None).await.ok()??,
            };
            let metadata = Arc::new(self.read_labels(image, &named).await.ok()??);
            Some((named, metadata))
        };
        let (named, metadata) = timeout(PATIENCE, read).await.ok()??;
        let labels = metadata.labels().cloned();
        self.cache.remember_metadata(now, &[(image.clone(), named.digest, metadata)]);
        labels
    }
}

/// Says of all that is asked that it is not known, where nothing is written that could tell it.
pub(in crate::reconcile) fn leave_unknown(questions: &[Question], snapshot: &mut Snapshot) {
    let all = questions.iter().filter_map(asked).map(|(image, digest)| ((image.clone(), digest.clone()), None));
    snapshot.labels.extend(all);
}

fn asked(question: &Question) -> Option<(&ImageName, &Digest)> {
    match question {
        Question::Labels(image, digest) => Some((image, digest)),
        Question::Listing(..)
        | Question::Manifest(..)
        | Question::Metadata(..)
        | Question::Remembered(..)
        | Question::Verification(..)
        | Question::File(..)
        | Question::Closed(..) => None,
    }
}
