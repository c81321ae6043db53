//! What images say of themselves: what is remembered of tags, which of them are looked at again, and the look itself.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::OnceCell;

use crate::cache::{Cache, Looked};
use crate::model::metadata::{Described, Metadata, Needs};
use crate::model::names::{Digest, ImageName, Tag};
use crate::reconcile::scan::signatures::Keys;
use crate::registry::{Last, Registries, RegistryError};

/// How long it is believed that a tag names what it named, at most.
const BELIEVED: SignedDuration = SignedDuration::from_hours(24);
/// Tags of one registry that are looked at again in a cycle because of their age, the oldest looks first.
const RECHECKS: usize = 250;

/// What stands behind a digest, read once in a cycle however many tags name it; none if it is gone.
type Behind = Arc<OnceCell<Option<Arc<Metadata>>>>;

/// What is asked of images in one round.
pub(super) struct Images<'a> {
    pub(super) cache: &'a Cache,
    pub(super) registries: &'a Registries,
    /// What is to be known, by image.
    pub(super) needs: &'a BTreeMap<ImageName, Needs>,
    /// The public keys of the operator.
    pub(super) keys: &'a Keys,
    /// The clock of looks.
    pub(super) clock: Timestamp,
    pub(super) behind: Mutex<HashMap<(ImageName, Digest), Behind>>,
}

/// What the cache knows of tags.
#[derive(Default)]
pub(super) struct Recalled {
    pub(super) known: Vec<(ImageName, Tag, Described)>,
    /// Of these nothing is known, or not enough.
    pub(super) unknown: Vec<(ImageName, Tag)>,
    /// Of the known ones, those to be looked at again.
    pub(super) due: Vec<(ImageName, Tag)>,
}

impl Images<'_> {
    /// Recalls what tags of one registry's images named. `looks` is how many were looked at again in this cycle.
    pub(super) fn recall(&self, asked: &BTreeMap<ImageName, Vec<Tag>>, looks: &mut usize) -> Recalled {
        let mut recalled = Recalled::default();
        let mut due = Vec::new();
        for (image, tags) in asked {
            let needs = self.needs.get(image).cloned().unwrap_or_default();
            let mut found = self.cache.tags(self.clock, image, tags);
            for tag in tags {
                let remembered = found.remove(tag);
                let enough = remembered.and_then(|one| Some((one.checked, one.digest, one.metadata?)));
                match enough.filter(|(.., metadata)| metadata.is_enough(&needs)) {
                    None => recalled.unknown.push((image.clone(), tag.clone())),
                    Some((checked, digest, metadata)) => {
                        if self.clock >= due_at(checked, image, tag) || checked > self.clock {
                            due.push((checked, image.clone(), tag.clone()));
                        }
                        recalled.known.push((image.clone(), tag.clone(), Described { digest, metadata }));
                    }
                }
            }
        }
        due.sort();
        due.truncate(RECHECKS.saturating_sub(*looks));
        *looks += due.len();
        recalled.due = due.into_iter().map(|(_, image, tag)| (image, tag)).collect();
        recalled
    }

    /// Looks at a tag, which may move, and reads what stands behind its digest, which does not change.
    pub(super) async fn look(&self, image: &ImageName, tag: &Tag) -> Result<Option<Looked>, RegistryError> {
        let needs = self.needs.get(image).cloned().unwrap_or_default();
        let known = self.cache.tags(self.clock, image, [tag]).into_values().next();
        let last = known.as_ref().map(|known| Last { digest: &known.digest, etag: known.etag.as_deref() });
        let Some(named) = self.registries.open_tag(image, tag, last).await? else { return Ok(None) };
        let behind = {
            let mut behind = self.behind.lock().unwrap_or_else(PoisonError::into_inner);
            behind.entry((image.clone(), named.digest.clone())).or_default().clone()
        };
        let read = || async {
            let known = self.cache.metadata(image, &named.digest);
            if let Some(enough) = known.clone().filter(|known| known.is_enough(&needs)) {
                return Ok(Some(enough));
            }
            let read = self.registries.describe(image, &named, &needs, known.as_deref()).await?;
            Ok::<_, RegistryError>(read.map(Arc::new))
        };
        let Some(metadata) = behind.get_or_try_init(read).await?.clone() else { return Ok(None) };
        let described = Described { digest: named.digest, metadata };
        Ok(Some(Looked { image: image.clone(), tag: tag.clone(), etag: named.etag, described }))
    }
}

/// Gives when a look is too old: after half a day to a whole one, each tag at its own time, so that tags that were read
/// together are not looked at together ever after.
fn due_at(checked: Timestamp, image: &ImageName, tag: &Tag) -> Timestamp {
    let mut hasher = DefaultHasher::new();
    (image, tag).hash(&mut hasher);
    let half = BELIEVED.as_secs() / 2;
    let spread = i64::try_from(hasher.finish() % u64::try_from(half).unwrap_or(1)).unwrap_or(0);
    checked.checked_add(SignedDuration::from_secs(half + spread)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn looks_grow_old_within_a_day_and_not_together() {
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        let begin: Timestamp = "2026-01-05T10:00:00Z".parse().unwrap();
        let mut hours = [0_usize; 24];
        for at in 0..5_000 {
            let tag: Tag = format!("1.{at}.0").parse().unwrap();
            let due = due_at(begin, &image, &tag).duration_since(begin).as_hours();
            hours[usize::try_from(due).unwrap()] += 1;
        }
        assert_eq!(hours[..12].iter().sum::<usize>(), 0);
        assert!(hours[12..].iter().all(|count| (300..550).contains(count)), "{hours:?}");
    }
}
