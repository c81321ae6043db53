//! Rows on disk, and in memory where that is in the way: locked by a daemon, damaged, full.
//!
//! Every failure costs what it would have saved, and no more.

use std::path::Path;
use std::sync::OnceLock;

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};
use tracing::debug;

/// Rows of text, with their version in the name: rows of another version are not read.
pub(super) type Table = TableDefinition<'static, &'static str, &'static [u8]>;

/// What redb keeps of its file in memory.
const PAGES_IN_MEMORY: usize = 8 * 1024 * 1024;

/// A row that is written, or taken out.
pub(super) struct Row {
    pub(super) table: Table,
    pub(super) key: String,
    pub(super) value: Option<Vec<u8>>,
}

/// The rows, wherever they are.
#[derive(Default)]
pub(super) struct Store {
    disk: Option<Database>,
    /// The disk where it is only looked at.
    looked_at: Option<ReadOnlyDatabase>,
    /// Where rows go once the disk took one no more. They hide those on disk.
    memory: OnceLock<Option<Database>>,
}

impl Store {
    pub(super) fn open(directory: &Path) -> Self {
        let path = directory.join("repin.redb");
        let create = || builder().create(&path);
        let opened = std::fs::create_dir_all(directory)
            .map_err(|error| redb::DatabaseError::Storage(redb::StorageError::Io(error)))
            .and_then(|()| create());
        let disk = match opened {
            Ok(database) => Some(database),
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => None,
            Err(error) => {
                // A damaged cache is no loss: it is made again.
                debug!(path = %path.display(), "the cache cannot be opened and is made again: {error}");
                std::fs::remove_file(&path).ok().and_then(|()| create().ok())
            }
        };
        Self { disk, ..Self::default() }
    }

    /// Looks at the rows on disk, if there are any and nobody writes them. What is written goes to memory.
    pub(super) fn look(directory: &Path) -> Self {
        let looked_at = builder().open_read_only(directory.join("repin.redb")).ok();
        Self { looked_at, ..Self::default() }
    }

    /// Tells whether rows are written to disk, where they live longer than the process.
    pub(super) fn is_on_disk(&self) -> bool {
        self.disk.is_some() && self.memory.get().is_none()
    }

    pub(super) fn get(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        self.reader(table).get(key)
    }

    /// Opens a table for many rows.
    pub(super) fn reader(&self, table: Table) -> Reader {
        let own = self.databases().filter_map(|database| readable(database, table).unwrap_or_default());
        let looked_at = self.looked_at.iter().filter_map(|database| readable(database, table).unwrap_or_default());
        Reader(own.chain(looked_at).collect())
    }

    /// Gives the keys with this beginning.
    pub(super) fn keys(&self, table: Table, beginning: &str) -> Vec<String> {
        let mut keys = Vec::new();
        for table in self.reader(table).0 {
            let Ok(rows) = table.range(beginning..) else { continue };
            let names = rows.map_while(Result::ok).map(|(key, _)| key.value().to_owned());
            keys.extend(names.take_while(|key| key.starts_with(beginning)));
        }
        keys
    }

    /// Writes rows together.
    pub(super) fn write(&self, rows: &[Row]) {
        if rows.is_empty() {
            return;
        }
        if let Some(disk) = self.disk.as_ref().filter(|_| self.memory.get().is_none()) {
            match write(disk, rows) {
                Ok(()) => return,
                Err(error) => debug!("the cache cannot be written, and goes on in memory: {error}"),
            }
        }
        let memory = self.memory.get_or_init(|| builder().create_with_backend(InMemoryBackend::new()).ok());
        if let Some(Err(error)) = memory.as_ref().map(|memory| write(memory, rows)) {
            debug!("the cache cannot be written: {error}");
        }
    }

    /// Takes out the rows that were not used for long, and then the oldest ones until so many are left. The time of its
    /// last use comes from the row; a row that tells none goes. Nothing is written if all rows stay.
    pub(super) fn sweep(&self, table: Table, rows: usize, begin: i64, used: impl Fn(&[u8]) -> Option<i64>) {
        for database in self.databases() {
            if let Err(error) = sweep(database, table, rows, begin, &used) {
                debug!("the cache cannot be swept: {error}");
            }
        }
    }

    /// The one that hides the other first.
    fn databases(&self) -> impl Iterator<Item = &Database> {
        self.memory.get().and_then(Option::as_ref).into_iter().chain(&self.disk)
    }
}

/// A table at one moment.
pub(super) struct Reader(Vec<ReadOnlyTable<&'static str, &'static [u8]>>);

impl Reader {
    pub(super) fn get(&self, key: &str) -> Option<Vec<u8>> {
        self.0.iter().find_map(|table| Some(table.get(key).ok()??.value().to_vec()))
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(PAGES_IN_MEMORY);
    builder
}

fn readable(
    database: &impl ReadableDatabase,
    table: Table,
) -> Result<Option<ReadOnlyTable<&'static str, &'static [u8]>>, redb::Error> {
    match database.begin_read()?.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn write(database: &Database, rows: &[Row]) -> Result<(), redb::Error> {
    let write = database.begin_write()?;
    for row in rows {
        let mut table = write.open_table(row.table)?;
        match &row.value {
            Some(value) => drop(table.insert(row.key.as_str(), value.as_slice())?),
            None => drop(table.remove(row.key.as_str())?),
        }
    }
    write.commit()?;
    Ok(())
}

fn sweep(
    database: &Database,
    table: Table,
    rows: usize,
    begin: i64,
    used: impl Fn(&[u8]) -> Option<i64>,
) -> Result<(), redb::Error> {
    let Some(readable) = readable(database, table)? else { return Ok(()) };
    let mut times = Vec::new();
    let mut count = 0;
    for row in readable.iter()? {
        count += 1;
        times.extend(used(row?.1.value()).filter(|time| *time >= begin));
    }
    drop(readable);
    times.sort_unstable();
    // Of those that were used when the first kept one was, as many go as are too many.
    let first = times.len().saturating_sub(rows);
    let limit = times.get(first).copied().unwrap_or(i64::MAX);
    let mut too_many = times.get(..first).unwrap_or_default().iter().filter(|time| **time == limit).count();
    if count == times.len() && first == 0 {
        return Ok(());
    }
    let write = database.begin_write()?;
    write.open_table(table)?.retain(|_, row| match used(row) {
        Some(time) if time >= begin && time == limit && too_many > 0 => {
            too_many -= 1;
            false
        }
        Some(time) => time >= begin && time >= limit,
        None => false,
    })?;
    write.commit()?;
    Ok(())
}
