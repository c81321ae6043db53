//! What tags named when they were looked at last, and what stands behind digests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::cache::store::{Reader, Row, Table};
use crate::cache::{Cache, DAY, FORGOTTEN_AFTER};
use crate::model::event::PushedTags;
use crate::model::metadata::{Described, Metadata};
use crate::model::names::{Digest, ImageName, Tag};

/// What a tag named, by `image:tag`: when it was looked at, the digest, and the `ETag` if there was one.
const TAGS: Table = Table::new("tags-1");
/// What stands behind a digest, by `image@digest`: the day of its last use since 1970, and the description in JSON.
const METADATA: Table = Table::new("metadata-2");

/// How old the note of a look may be before the next one is noted too.
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// What a tag named when it was looked at last.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remembered {
    /// When that was.
    pub checked: Timestamp,
    /// The digest.
    pub digest: Digest,
    /// The `ETag` of its manifest, if the registry gave one.
    pub etag: Option<String>,
    /// What stands behind the digest, if it is known.
    pub metadata: Option<Arc<Metadata>>,
}

/// What a look at a tag found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Looked {
    /// The image.
    pub image: ImageName,
    /// The tag.
    pub tag: Tag,
    /// The `ETag` of its manifest, if the registry gave one.
    pub etag: Option<String>,
    /// The digest, and what stands behind it.
    pub described: Described,
}

impl Cache {
    /// Gives what is known of an image's tags.
    pub fn tags<'t>(
        &self,
        now: Timestamp,
        image: &ImageName,
        tags: impl IntoIterator<Item = &'t Tag>,
    ) -> BTreeMap<&'t Tag, Remembered> {
        let (names, described) = (self.store.reader(TAGS), self.store.reader(METADATA));
        let mut by_digest: HashMap<String, Option<Arc<Metadata>>> = HashMap::new();
        let mut used = Vec::new();
        let mut found = BTreeMap::new();
        for tag in tags {
            let Some(mut one) = names.get(&name(image, tag)).and_then(|row| parse(&row)) else { continue };
            let key = behind(image, &one.digest);
            let mut read = |key: &String| {
                let row = described.get(key)?;
                let (day, json) = stamped(&row)?;
                if day != day_of(now) {
                    used.push(Row { table: METADATA, key: key.clone(), value: Some(stamp(now, json)) });
                }
                Some(Arc::new(serde_json::from_slice(json).ok()?))
            };
            one.metadata = match by_digest.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let read = read(&key);
                    by_digest.insert(key, read.clone());
                    read
                }
            };
            found.insert(tag, one);
        }
        drop((names, described));
        self.store.write(&used);
        found
    }

    /// Gives what is known of a digest.
    pub fn metadata(&self, image: &ImageName, digest: &Digest) -> Option<Arc<Metadata>> {
        let row = self.store.get(METADATA, &behind(image, digest))?;
        Some(Arc::new(serde_json::from_slice(stamped(&row)?.1).ok()?))
    }

    /// Remembers what was found at tags.
    pub fn remember_tags(&self, now: Timestamp, looked: &[Looked]) {
        let (names, described) = (self.store.reader(TAGS), self.store.reader(METADATA));
        let mut rows = Vec::new();
        for Looked { image, tag, etag, described: Described { digest, metadata } } in looked {
            let key = name(image, tag);
            let is_noted = |known: Remembered| {
                let age = now.duration_since(known.checked);
                known.digest == *digest && known.etag == *etag && !age.is_negative() && age < NOTED_EVERY
            };
            if !names.get(&key).and_then(|row| parse(&row)).is_some_and(is_noted) {
                // Most registries give the digest in quotes.
                let etag = etag.as_deref().unwrap_or_default();
                let etag = if etag.trim_matches('"') == digest.as_str() { "=" } else { etag };
                rows.push(Row { table: TAGS, key, value: Some(format!("{now} {digest} {etag}").into_bytes()) });
            }
            rows.extend(described_row(&described, now, image, digest, metadata));
        }
        drop((names, described));
        self.store.write(&rows);
    }

    /// Remembers what stands behind digests.
    pub fn remember_metadata(&self, now: Timestamp, read: &[(ImageName, Digest, Arc<Metadata>)]) {
        let described = self.store.reader(METADATA);
        let row =
            |(image, digest, metadata): &(_, _, Arc<Metadata>)| described_row(&described, now, image, digest, metadata);
        let rows: Vec<Row> = read.iter().filter_map(row).collect();
        drop(described);
        self.store.write(&rows);
    }

    /// Forgets what tags named, with whatever pull secret it was asked for, because they were pushed.
    pub fn forget_tags(&self, image: &ImageName, pushed: &PushedTags) {
        let plain = format!("{}/{}", image.registry(), image.repository());
        let mut keys = self.store.keys(TAGS, &format!("{plain} "));
        match pushed {
            PushedTags::Any => keys.extend(self.store.keys(TAGS, &format!("{plain}:"))),
            PushedTags::These(tags) => {
                keys.retain(|key| tags.iter().any(|tag| key.ends_with(&format!("):{tag}"))));
                keys.extend(tags.iter().map(|tag| format!("{plain}:{tag}")));
            }
        }
        let rows: Vec<Row> = keys.into_iter().map(|key| Row { table: TAGS, key, value: None }).collect();
        self.store.write(&rows);
    }

    pub(super) fn sweep_images(&self, now: Timestamp, rows: usize) {
        let begin = now.checked_sub(FORGOTTEN_AFTER).unwrap_or(Timestamp::MIN);
        self.store.sweep(TAGS, rows, begin.as_second(), |row| Some(parse(row)?.checked.as_second()));
        self.store.sweep(METADATA, rows, day_of(begin), |row| Some(stamped(row)?.0));
    }
}

/// The row of what stands behind a digest, if it is another one than is there.
fn described_row(
    described: &Reader,
    now: Timestamp,
    image: &ImageName,
    digest: &Digest,
    metadata: &Metadata,
) -> Option<Row> {
    let key = behind(image, digest);
    let value = stamp(now, &serde_json::to_vec(metadata).ok()?);
    (described.get(&key).as_ref() != Some(&value)).then_some(Row { table: METADATA, key, value: Some(value) })
}

fn name(image: &ImageName, tag: &Tag) -> String {
    format!("{image}:{tag}")
}

fn behind(image: &ImageName, digest: &Digest) -> String {
    format!("{image}@{digest}")
}

fn parse(row: &[u8]) -> Option<Remembered> {
    let mut parts = std::str::from_utf8(row).ok()?.splitn(3, ' ');
    let (checked, digest, etag) = (parts.next()?.parse().ok()?, parts.next()?.parse::<Digest>().ok()?, parts.next()?);
    let etag = match etag {
        "" => None,
        "=" => Some(format!("\"{digest}\"")),
        other => Some(other.to_owned()),
    };
    Some(Remembered { checked, digest, etag, metadata: None })
}

fn day_of(time: Timestamp) -> i64 {
    time.as_second().div_euclid(DAY)
}

fn stamp(now: Timestamp, json: &[u8]) -> Vec<u8> {
    let mut row = format!("{} ", day_of(now)).into_bytes();
    row.extend(json);
    row
}

fn stamped(row: &[u8]) -> Option<(i64, &[u8])> {
    let at = row.iter().position(|byte| *byte == b' ')?;
    let (day, json) = row.split_at_checked(at)?;
    Some((std::str::from_utf8(day).ok()?.parse().ok()?, json.get(1..)?))
}
