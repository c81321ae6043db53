//! What is remembered between runs besides Git mirrors, in one redb file. All of it can be deleted.
//!
//! Remembered is which images ever listed tags (guard 2: empty after it was not), what stands behind digests, and when a
//! tag was first seen with a digest. A command beside a running daemon cannot open the file, and then remembers in
//! memory only. Each table has the version of its rows in its name: rows of another version are not read.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use redb::{Database, ReadableDatabase, TableDefinition};
use tracing::debug;

use crate::model::metadata::Metadata;
use crate::model::names::{Digest, ImageName, Tag};

/// Images whose listing once held tags.
const FILLED: TableDefinition<'_, &str, ()> = TableDefinition::new("filled-listings");

type Table = TableDefinition<'static, &'static str, &'static [u8]>;

/// What stands behind a digest, by `registry/repository@digest`, in JSON.
const METADATA: Table = TableDefinition::new("metadata-1");
/// When a tag was first and last seen with a digest, by `image:tag@digest`: two times as RFC 3339 writes them.
const SEEN: Table = TableDefinition::new("seen-1");
/// How long it is remembered of a tag that is not seen any more. One that comes back later begins anew.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(90 * 24);
/// How old the last sight of a tag may be before it is written again, and how often rows are forgotten.
const NOTED_EVERY: SignedDuration = SignedDuration::from_hours(24);
/// How many descriptions are kept in memory.
const MAX_DESCRIBED: usize = 50_000;

/// The open cache.
#[derive(Debug)]
pub struct Cache {
    database: Option<Database>,
    filled: HashSet<String>,
    described: Mutex<HashMap<String, Arc<Metadata>>>,
    seen: HashMap<String, Seen>,
    /// When rows of tags that are not seen any more were last forgotten.
    swept: Option<Timestamp>,
}

/// When a tag was seen with a digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Seen {
    first: Timestamp,
    last: Timestamp,
}

impl Seen {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (first, last) = std::str::from_utf8(bytes).ok()?.split_once(' ')?;
        Some(Self { first: first.parse().ok()?, last: last.parse().ok()? })
    }

    fn is_forgotten(self, now: Timestamp) -> bool {
        now.duration_since(self.last) > FORGOTTEN_AFTER
    }
}

impl Cache {
    /// Opens the cache below a directory; what stands in the way only costs memory of earlier runs.
    pub fn open(directory: &Path) -> Self {
        let path = directory.join("repin.redb");
        let opened = std::fs::create_dir_all(directory)
            .map_err(redb::DatabaseError::from_io)
            .and_then(|()| Database::create(&path));
        let database = match opened {
            Ok(database) => Some(database),
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => None,
            Err(error) => {
                // A damaged cache is no loss: it is made again.
                debug!(path = %path.display(), "the cache cannot be opened and is made again: {error}");
                std::fs::remove_file(&path).ok().and_then(|()| Database::create(&path).ok())
            }
        };
        let filled = database.as_ref().and_then(|database| load(database).ok()).unwrap_or_default();
        Self { database, filled, described: Mutex::default(), seen: HashMap::new(), swept: None }
    }

    /// Gives what is known of a digest.
    pub fn metadata(&self, image: &ImageName, digest: &Digest) -> Option<Arc<Metadata>> {
        let key = format!("{image}@{digest}");
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = described.get(&key) {
            return Some(known.clone());
        }
        let known: Arc<Metadata> = Arc::new(serde_json::from_slice(&self.read(METADATA, &key)?).ok()?);
        described.insert(key, known.clone());
        Some(known)
    }

    /// Remembers what was read of these digests.
    pub fn remember_metadata(&self, fresh: &[(ImageName, Digest, Arc<Metadata>)]) {
        let mut rows = Vec::new();
        let mut described = self.described.lock().unwrap_or_else(PoisonError::into_inner);
        if described.len() + fresh.len() > MAX_DESCRIBED {
            described.clear();
        }
        for (image, digest, metadata) in fresh {
            let key = format!("{image}@{digest}");
            if described.get(&key) == Some(metadata) {
                continue;
            }
            rows.extend(serde_json::to_vec(&**metadata).map(|bytes| (key.clone(), bytes)));
            described.insert(key, metadata.clone());
        }
        self.write(METADATA, &rows);
    }

    /// Gives when a tag was first seen with this digest.
    pub fn first_seen(&self, image: &ImageName, tag: &Tag, digest: &Digest) -> Option<Timestamp> {
        self.seen(&format!("{image}:{tag}@{digest}")).map(|seen| seen.first)
    }

    /// Remembers of tags that are seen now when they were first seen, and forgets those that were not seen for long.
    pub fn remember_seen(&mut self, now: Timestamp, tags: &[(ImageName, Tag, Digest, Timestamp)]) {
        let mut rows = Vec::new();
        for (image, tag, digest, first) in tags {
            let (key, seen) = (format!("{image}:{tag}@{digest}"), Seen { first: *first, last: now });
            let is_noted = |known: Seen| known.first == *first && now.duration_since(known.last) < NOTED_EVERY;
            if !self.seen(&key).is_some_and(is_noted) {
                rows.push((key, seen));
            }
        }
        let texts: Vec<(String, Vec<u8>)> = rows
            .iter()
            .map(|(key, Seen { first, last })| (key.clone(), format!("{first} {last}").into_bytes()))
            .collect();
        if !self.write(SEEN, &texts) {
            self.seen.extend(rows);
        }
        if self.swept.is_none_or(|swept| now.duration_since(swept) > NOTED_EVERY) {
            self.swept = Some(now);
            self.seen.retain(|_, seen| !seen.is_forgotten(now));
            let swept = self.database.as_ref().map_or(Ok(()), |database| {
                sweep(database, SEEN, |row| Seen::parse(row).is_some_and(|seen| !seen.is_forgotten(now)))
            });
            if let Err(error) = swept {
                debug!("the cache cannot be swept: {error}");
            }
        }
    }

    fn seen(&self, key: &str) -> Option<Seen> {
        let in_memory = self.seen.get(key).copied();
        in_memory.or_else(|| Seen::parse(&self.read(SEEN, key)?))
    }

    /// Writes rows; what stands in the way only costs the next run.
    fn write(&self, table: Table, rows: &[(String, Vec<u8>)]) -> bool {
        let Some(database) = &self.database else { return false };
        let written = if rows.is_empty() { Ok(()) } else { insert(database, table, rows) };
        written.inspect_err(|error| debug!("the cache cannot be written: {error}")).is_ok()
    }

    fn read(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        get(self.database.as_ref()?, table, key).ok()?
    }

    /// Tells whether an earlier listing of this image held tags.
    pub fn was_filled(&self, image: &ImageName) -> bool {
        self.filled.contains(&image.to_string())
    }

    /// Remembers that the listings of these images hold tags.
    pub fn remember_filled(&mut self, images: &[ImageName]) {
        let names: Vec<String> =
            images.iter().map(ToString::to_string).filter(|name| !self.filled.contains(name)).collect();
        if names.is_empty() {
            return;
        }
        if let Some(database) = &self.database
            && let Err(error) = store(database, &names)
        {
            debug!("the cache cannot be written: {error}");
        }
        self.filled.extend(names);
    }
}

trait FromIo {
    fn from_io(error: std::io::Error) -> Self;
}

impl FromIo for redb::DatabaseError {
    fn from_io(error: std::io::Error) -> Self {
        Self::Storage(redb::StorageError::Io(error))
    }
}

fn load(database: &Database) -> Result<HashSet<String>, redb::Error> {
    use redb::ReadableTable;
    let read = database.begin_read()?;
    let table = match read.open_table(FILLED) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(HashSet::new()),
        Err(error) => return Err(error.into()),
    };
    let mut names = HashSet::new();
    for row in table.iter()? {
        names.insert(row?.0.value().to_owned());
    }
    Ok(names)
}

fn get(database: &Database, table: Table, key: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    let read = database.begin_read()?;
    let table = match read.open_table(table) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(table.get(key)?.map(|row| row.value().to_vec()))
}

fn insert(database: &Database, table: Table, rows: &[(String, Vec<u8>)]) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(table)?;
        for (key, value) in rows {
            table.insert(key.as_str(), value.as_slice())?;
        }
    }
    write.commit()?;
    Ok(())
}

/// Takes out the rows that are not to be kept; writes nothing if there is none.
fn sweep(database: &Database, table: Table, keep: impl Fn(&[u8]) -> bool) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    let mut is_changed = false;
    write.open_table(table)?.retain(|_, row| {
        let is_kept = keep(row);
        is_changed |= !is_kept;
        is_kept
    })?;
    if is_changed {
        write.commit()?
    } else {
        write.abort()?
    }
    Ok(())
}

fn store(database: &Database, names: &[String]) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    {
        let mut table = write.open_table(FILLED)?;
        for name in names {
            table.insert(name.as_str(), ())?;
        }
    }
    write.commit()?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_listing_is_remembered_by_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        let mut cache = Cache::open(directory.path());
        assert!(!cache.was_filled(&image));
        cache.remember_filled(std::slice::from_ref(&image));
        // Beside an open cache a second one works, and remembers nothing of it.
        assert!(!Cache::open(directory.path()).was_filled(&image));
        drop(cache);
        assert!(Cache::open(directory.path()).was_filled(&image));
    }

    #[test]
    fn what_was_read_of_digests_and_when_tags_were_first_seen_is_remembered_by_the_next_run() {
        let directory = tempfile::tempdir().unwrap();
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        let other: ImageName = "ghcr.io/acme/api".parse().unwrap();
        let tag: Tag = "1.0.0".parse().unwrap();
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64)).parse::<Digest>().unwrap();
        let (time, metadata) = ("2026-01-05T10:00:00.5Z".parse().unwrap(), Arc::new(Metadata::Foreign("x".into())));
        let fill = |cache: &mut Cache| {
            cache.remember_metadata(&[(image.clone(), digest("a"), metadata.clone())]);
            cache.remember_seen(time, &[(image.clone(), tag.clone(), digest("a"), time)]);
        };
        let check = |cache: &Cache| {
            assert_eq!(cache.metadata(&image, &digest("a")), Some(metadata.clone()));
            assert_eq!((cache.metadata(&image, &digest("b")), cache.metadata(&other, &digest("a"))), (None, None));
            assert_eq!(cache.first_seen(&image, &tag, &digest("a")), Some(time));
            assert_eq!(cache.first_seen(&image, &tag, &digest("b")), None);
            assert_eq!(cache.first_seen(&other, &tag, &digest("a")), None);
        };
        let mut cache = Cache::open(directory.path());
        fill(&mut cache);
        check(&cache);
        // Beside an open cache a second one remembers on its own.
        let mut beside = Cache::open(directory.path());
        assert_eq!(beside.first_seen(&image, &tag, &digest("a")), None);
        fill(&mut beside);
        check(&beside);
        drop(cache);
        check(&Cache::open(directory.path()));
    }

    #[test]
    fn a_tag_that_was_not_seen_for_ninety_days_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        let digest: Digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
        let tag = |name: &str| name.parse::<Tag>().unwrap();
        let day = |day: i64| Timestamp::from_second(day * 86_400).unwrap();
        let on_disk = Cache::open(directory.path());
        let in_memory = Cache::open(directory.path());
        for (name, mut cache) in [("on disk", on_disk), ("in memory", in_memory)] {
            let see = |cache: &mut Cache, now: i64, names: &[&str]| {
                let tags: Vec<_> =
                    names.iter().map(|name| (image.clone(), tag(name), digest.clone(), day(1))).collect();
                cache.remember_seen(day(now), &tags);
            };
            see(&mut cache, 1, &["old", "kept"]);
            // That it is still seen is noted once a day, whatever else is.
            (2..=100).for_each(|now| see(&mut cache, now, &["kept"]));
            let first = |cache: &Cache, name| cache.first_seen(&image, &tag(name), &digest);
            assert_eq!((first(&cache, "old"), first(&cache, "kept")), (None, Some(day(1))), "{name}");
            see(&mut cache, 200, &["new"]);
            assert_eq!((first(&cache, "kept"), first(&cache, "new")), (None, Some(day(1))), "{name}");
        }
    }

    #[test]
    fn a_damaged_cache_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("repin.redb"), "not a database").unwrap();
        let mut cache = Cache::open(directory.path());
        let image: ImageName = "ghcr.io/acme/web".parse().unwrap();
        cache.remember_filled(std::slice::from_ref(&image));
        drop(cache);
        assert!(Cache::open(directory.path()).was_filled(&image));
    }
}
