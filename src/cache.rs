//! What is remembered between runs besides Git mirrors, in one redb file. All of it can be deleted.
//!
//! Remembered is which images ever listed tags (guard 2: empty after it was not). A command beside a running daemon
//! cannot open the file, and then remembers in memory only.

use std::collections::HashSet;
use std::path::Path;

use redb::{Database, ReadableDatabase, TableDefinition};
use tracing::debug;

use crate::model::names::ImageName;

/// Images whose listing once held tags.
const FILLED: TableDefinition<'_, &str, ()> = TableDefinition::new("filled-listings");

/// The open cache.
#[derive(Debug)]
pub struct Cache {
    database: Option<Database>,
    filled: HashSet<String>,
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
        Self { database, filled }
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
