//! A policy on trial, with the answers of the registries: what `tags` shows.
//!
//! Questions are answered as in a cycle, without a cycle's traces: no clock is started, and the cache is read only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::annotations::ArgocdMethod;
use crate::cache::Cache;
use crate::git::Authorship;
use crate::message::Wording;
use crate::model::asking::Asking;
use crate::model::schedule::{Interval, Schedule};
use crate::model::verification::KeyName;
use crate::plan::judge::before_scan;
use crate::plan::trial::Answer;
use crate::plan::{self, Decision, Question, Snapshot};
use crate::reconcile::scan::Answers;
use crate::reconcile::scan::labels::leave_unknown;
use crate::reconcile::{Options, Reconciler};
use crate::registry::{self, PublicKey, RegistryError};

impl Reconciler {
    /// Prepares one that has no repositories and writes nothing. A cache that is there is read.
    ///
    /// # Errors
    /// As [`Reconciler::new`].
    pub fn for_questions(
        registry: registry::Options,
        cosign_keys: BTreeMap<KeyName, Vec<PublicKey>>,
        cache: Option<&Path>,
    ) -> Result<Self, RegistryError> {
        let options = Options {
            repositories: Vec::new(),
            registry,
            rules: Vec::new(),
            windows: Arc::default(),
            max_changes_per_push: None,
            emergency_stop: None,
            observe: true,
            pull_secrets: Vec::new(),
            cosign_keys,
            argocd: ArgocdMethod::Held,
            image_fields: Arc::default(),
            applications: Vec::new(),
            cache: cache.map(Path::to_owned).unwrap_or_default(),
            // It is asked once, and nothing is due later.
            asking: Asking {
                schedule: Schedule::Every(Interval::new(Duration::from_secs(120))),
                registries: BTreeMap::new(),
                shortest_interval: None,
            },
            configuration: String::new(),
            authorship: Authorship::default(),
            own_emails: BTreeSet::new(),
            forges: Vec::new(),
            ignore_closed_by: BTreeSet::new(),
            wording: Arc::new(Wording::default()),
        };
        let opened = cache.map_or_else(Cache::in_memory, Cache::look);
        Self::with_cache(options, opened)
    }

    /// Decides on a snapshot. The tags are listed even where the policy needs no list, and of what is chosen the digest is
    /// asked for.
    pub async fn try_policy(&mut self, mut snapshot: Snapshot) -> (Snapshot, Decision) {
        let mut known = Answers::default();
        for image in snapshot.subjects.iter().filter_map(|subject| subject.tracked.asked.as_ref()) {
            if !self.registries.is_configured(image) {
                snapshot.unconfigured.insert(image.clone());
            }
        }
        let mut questions: Vec<Question> = Vec::new();
        for subject in snapshot.subjects.iter().filter(|subject| before_scan(&snapshot, subject).is_none()) {
            questions.extend(subject.tracked.asked.clone().map(Question::Listing));
        }
        loop {
            self.answer(questions, &mut snapshot, &mut known).await;
            let decision = plan::decide(&snapshot);
            if decision.questions.is_empty() {
                let digest = Answer::of(&snapshot, &decision).and_then(|answer| answer.asks_digest(&snapshot));
                self.answer(digest.into_iter().collect(), &mut snapshot, &mut known).await;
                return (snapshot, decision);
            }
            leave_unknown(&decision.questions, &mut snapshot);
            questions = decision.questions;
        }
    }
}
