//! What lies between an old and a new image: their sources by their labels, compared by the forge that hosts them.
//!
//! Nothing is sent to a forge that the operator did not list. It is for texts only: why there is nothing to tell is told.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::model::change::{News, WrittenPlace};
use crate::model::forge::{Comparison, Course, SourcePull};
use crate::model::names::ImageName;
use crate::model::source::Source;
use crate::plan::Snapshot;
use crate::reconcile::Reconciler;
use crate::reconcile::forges::Held;

/// Commits of one comparison that are asked for.
const COMMITS: usize = 100;
/// How long it is waited for one comparison.
const PATIENCE: Duration = Duration::from_secs(20);
/// Comparisons that are kept.
const KEPT: usize = 2_000;

/// By image, old and new value as a written place has them.
pub(super) type AllNews = BTreeMap<(String, Option<String>, String), News>;

/// What was compared since the process began.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// By the new source and the old revision.
    known: BTreeMap<(Source, String), Told>,
    /// Why there is none, in the cycle with this clock.
    failed: BTreeMap<(Source, String), (Timestamp, String)>,
}

/// What a forge told.
#[derive(Clone, Debug)]
struct Told {
    comparison: Comparison,
    pulls: Vec<SourcePull>,
    missing: Option<String>,
}

impl Reconciler {
    /// Gives what lies between the images of written places, each asked once.
    pub(super) async fn news(&mut self, snapshot: &Snapshot, places: &[WrittenPlace]) -> AllNews {
        let mut all = AllNews::new();
        for place in places {
            let key = (place.image.clone(), place.old.clone(), place.new.clone());
            let Some(old) = place.old.as_deref().filter(|old| !old.is_empty()) else { continue };
            if all.contains_key(&key) {
                continue;
            }
            let news = match asked(snapshot, place) {
                Some(image) => self.news_of(snapshot.now, image, old, place).await,
                None => continue,
            };
            all.insert(key, news);
        }
        all
    }

    async fn news_of(&mut self, now: Timestamp, image: &ImageName, old: &str, place: &WrittenPlace) -> News {
        let missing = |missing: String| News { missing: Some(missing), ..News::default() };
        let Some(new) = place.labels.as_ref() else {
            return missing("what the new image says of itself could not be read".to_owned());
        };
        let Some(new) = Source::of(new) else {
            return missing(format!("the new image does not say what it was built from ({LABELS})"));
        };
        let Some(labels) = self.image_labels().labels(image, old).await else {
            return missing("what the old image says of itself could not be read".to_owned());
        };
        let told = match Source::of(&labels) {
            None => Err(format!("the old image does not say what it was built from ({LABELS})")),
            Some(old) if old.url() != new.url() => Err(format!("the old image was built from `{}`", old.url())),
            Some(old) => self.compare(now, &new, old.revision()).await,
        };
        match told {
            Ok(Told { comparison, pulls, missing }) => {
                News { old: Some(labels), comparison: Some(comparison), pulls, missing }
            }
            Err(why) => News { old: Some(labels), ..missing(why) },
        }
    }

    /// Compares two revisions of one source, or says why not.
    async fn compare(&mut self, now: Timestamp, new: &Source, old: &str) -> Result<Told, String> {
        if new.revision() == old {
            let comparison =
                Comparison { course: Course::Same, commits: Vec::new(), total: 0, url: new.url().to_owned() };
            return Ok(Told { comparison, pulls: Vec::new(), missing: None });
        }
        let key = (new.clone(), old.to_owned());
        if let Some(known) = self.compared.known.get(&key) {
            return Ok(known.clone());
        }
        if let Some((_, why)) = self.compared.failed.get(&key).filter(|(time, _)| *time == now) {
            return Err(why.clone());
        }
        let told = match self.forges.of_source(new) {
            None => Err(format!("no entry of `forges` in repin.yaml is for `{}`", new.url())),
            Some(held) => match timeout(PATIENCE, ask(&held, new, old)).await {
                Ok(told) => told,
                Err(_) => Err(format!("{} did not answer in {}s", new.url(), PATIENCE.as_secs())),
            },
        };
        let compared = &mut self.compared;
        match &told {
            Ok(told) => {
                if compared.known.len() >= KEPT {
                    compared.known.clear();
                }
                compared.known.insert(key, told.clone());
            }
            Err(why) => {
                compared.failed.retain(|_, (time, _)| *time == now);
                compared.failed.insert(key, (now, why.clone()));
            }
        }
        told
    }
}

/// The labels by which an image says it.
const LABELS: &str = "labels `org.opencontainers.image.source` and `.revision`";

async fn ask(held: &Held, new: &Source, old: &str) -> Result<Told, String> {
    let Held { forge, project } = held;
    let compared = forge.compare(project, old, new.revision(), COMMITS).await.map_err(|error| error.to_string())?;
    let Some(comparison) = compared else {
        return Err(format!("`{}` does not have both revisions", new.url()));
    };
    let ids: Vec<_> = comparison.commits.iter().map(|commit| commit.id).collect();
    if ids.is_empty() {
        return Ok(Told { comparison, pulls: Vec::new(), missing: None });
    }
    let (pulls, missing) = match forge.pulls_of_commits(project, &ids).await {
        Ok(pulls) => (pulls, None),
        Err(error) => (Vec::new(), Some(format!("pull requests: {error}"))),
    };
    Ok(Told { comparison, pulls, missing })
}

/// Gives the image of a written place as its registry is asked for it.
fn asked<'s>(snapshot: &'s Snapshot, place: &WrittenPlace) -> Option<&'s ImageName> {
    let is_it = |application: &str, alias: &str, image: &str| {
        application == place.application.0 && alias == place.alias && image == place.image
    };
    let mut all = snapshot.subjects.iter().map(|subject| &subject.tracked);
    all.find(|one| is_it(&one.application.label(), &one.alias, &one.image_text))?.asked.as_ref()
}
