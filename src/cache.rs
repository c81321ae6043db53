//! What is remembered between runs besides Git mirrors, in one redb file. All of it can be deleted.
//!
//! Remembered is which images ever listed tags (guard 2: empty after it was not), what stands behind digests, and when a
//! tag was first seen with a digest. A command beside a running daemon cannot open the file, and then remembers in
//! memory only. Each table has the version of its rows in its name: rows of another version are not read.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use redb::{Database, ReadableDatabase, TableDefinition};
use tracing::debug;

use crate::model::metadata::Metadata;
use crate::model::names::{Digest, ImageName, Tag};

/// Images whose listing once held tags.
const FILLED: TableDefinition<'_, &str, ()> = TableDefinition::new("filled-listings");

type Table = TableDefinition<'static, &'static str, &'static [u8]>;

/// What stands behind a digest, by `registry/repository@digest`, in JSON.
const METADATA: Table = TableDefinition::new("metadata-1");
/// When a tag was first seen with a digest, by `image:tag@digest`, as RFC 3339 writes it.
const FIRST_SEEN: Table = TableDefinition::new("first-seen-1");
/// How many descriptions are kept in memory.
const MAX_DESCRIBED: usize = 50_000;

/// The open cache.
#[derive(Debug)]
pub struct Cache {
    database: Option<Database>,
    filled: HashSet<String>,
    described: Mutex<HashMap<String, Arc<Metadata>>>,
    first_seen: HashMap<String, Timestamp>,
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
        Self { database, filled, described: Mutex::default(), first_seen: HashMap::new() }
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
        let key = format!("{image}:{tag}@{digest}");
        let in_memory = || self.first_seen.get(&key).copied();
        in_memory().or_else(|| std::str::from_utf8(&self.read(FIRST_SEEN, &key)?).ok()?.parse().ok())
    }

    /// Remembers when tags were first seen.
    pub fn remember_first_seen(&mut self, seen: &[(ImageName, Tag, Digest, Timestamp)]) {
        let row = |(image, tag, digest, time): &(ImageName, Tag, Digest, Timestamp)| {
            (format!("{image}:{tag}@{digest}"), time.to_string().into_bytes())
        };
        let rows: Vec<(String, Vec<u8>)> = seen.iter().map(row).collect();
        if !self.write(FIRST_SEEN, &rows) {
            self.first_seen.extend(rows.into_iter().zip(seen).map(|((key, _), (.., time))| (key, *time)));
        }
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
            cache.remember_first_seen(&[(image.clone(), tag.clone(), digest("a"), time)]);
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
