//! Sessions: brief ones, which end as a record in the tail, and full ones, which open the database to write.

use std::cell::OnceCell;
use std::time::Duration;

use rocksdb::{BottommostLevelCompaction, CompactOptions, FlushOptions, WriteBatch};

use super::forks::{Database, is_orphaned};
use super::options::{Use, io_error, rocks_error};
use super::{ORPHANED, RocksEngine, handle, number, read, scan};
use crate::base::lock::FileLock;
use crate::db::engine::{Column, EngineError, Session, SharedView, View, Visit};
use crate::db::tail::{self, Changes, Tail};

/// What is not kept back for the commit is handed to RocksDB in batches of about this many bytes.
const EARLY_BATCH: usize = 4 << 20;
/// More than this is written to the database at once.
const BRIEF: usize = 256 << 10;
/// A tail longer than this is taken into the database: every reader reads all of it.
const LONG_TAIL: usize = 512 << 10;
/// A tail never gets longer than this, though nobody may take it into the database: every reader holds it in memory.
const LONGEST_TAIL: usize = 256 << 20;
/// A column has at most this many tables, and one more for each so many bytes: the larger it is, the longer it takes to join them.
const TABLES: usize = 40;
const WORTH_A_TABLE: usize = 1 << 20;
/// The same for files of contents.
const BLOB_FILES: u64 = 256;
const WORTH_A_BLOB_FILE: u64 = 1 << 20;

/// A session that opens the database to write. What is in the tail goes into the database first.
pub struct FullSession<'a> {
    engine: &'a RocksEngine,
    db: Database,
    batch: WriteBatch,
    early: WriteBatch,
    deletes: bool,
    // Last: the lock is freed after the database is closed.
    _lock: FileLock,
}

impl<'a> FullSession<'a> {
    pub(super) fn begin(engine: &'a RocksEngine, lock: FileLock) -> Result<FullSession<'a>, EngineError> {
        let tail = engine.read_tail()?;
        let db = engine.open_session(Use::Write)?;
        let (batch, early) = (WriteBatch::default(), WriteBatch::default());
        let mut session = FullSession { engine, db, batch, early, deletes: false, _lock: lock };
        // These are committed already, and stay in the tail until this commit: it does not matter what of them is written when.
        for (column, key, value) in tail.iter() {
            let Some(column) = engine.columns.get(usize::from(column)) else { continue };
            match value {
                Some(value) => session.early.put_cf(handle(&session.db, *column)?, key, value),
                None => session.early.delete_cf(handle(&session.db, *column)?, key),
            }
        }
        session.write_early()?;
        Ok(session)
    }

    fn take_over(&mut self, changes: &Changes) -> Result<(), EngineError> {
        for (column, key, value) in changes.iter() {
            let column = self.engine.columns[usize::from(column)];
            match value {
                Some(value) => self.put(column, key, value)?,
                None => self.delete(column, key)?,
            }
        }
        Ok(())
    }

    fn write_early(&mut self) -> Result<(), EngineError> {
        self.db.write_without_wal(std::mem::take(&mut self.early)).map_err(rocks_error)
    }

    fn write_all(&mut self) -> Result<(), EngineError> {
        if self.deletes {
            // Of somebody who is killed between what follows and the last line, others must not go on with a picture of what is gone.
            self.engine.bump(true)?;
        }
        self.write_early()?;
        self.db.write_without_wal(std::mem::take(&mut self.batch)).map_err(rocks_error)?;
        let columns = self.engine.columns.iter().map(|c| handle(&self.db, *c)).collect::<Result<Vec<_>, _>>()?;
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_cfs_opt(&columns, &options).map_err(rocks_error)?;
        // In this order: who has asked for the number of commits before it grows must not find the tail empty.
        self.engine.bump(true)?;
        tail::clear(&self.engine.tail()).map_err(io_error)
    }
}

impl View for FullSession<'_> {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        read(&self.db, column, key, found)
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        scan(&self.db, column, prefix, visit)
    }
}

impl Session for FullSession<'_> {
    fn put(&mut self, column: Column, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        let family = handle(&self.db, column)?;
        if !column.early {
            self.batch.put_cf(family, key, value);
            return Ok(());
        }
        self.early.put_cf(family, key, value);
        if self.early.size_in_bytes() >= EARLY_BATCH { self.write_early() } else { Ok(()) }
    }

    fn delete(&mut self, column: Column, key: &[u8]) -> Result<(), EngineError> {
        self.deletes = true;
        self.batch.delete_cf(handle(&self.db, column)?, key);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), EngineError> {
        self.write_all()?;
        if self.has_too_many_blob_files()? {
            return (*self).compact();
        }
        self.join_tables()
    }

    fn commit_and_compact(mut self: Box<Self>) -> Result<(), EngineError> {
        self.write_all()?;
        (*self).compact()
    }
}

impl FullSession<'_> {
    /// Joins the tables of columns that have too many. Each session adds one to each column that it writes to, and RocksDB moves those of
    /// few keys from level to level as they are: after some hundred small builds, opening them all would take longer than a build and more
    /// files than a process may have. Contents in blob files stay where they are.
    fn join_tables(&self) -> Result<(), EngineError> {
        let tables = self.db.live_files().map_err(rocks_error)?;
        for column in self.engine.columns {
            let own = tables.iter().filter(|table| table.column_family_name == column.name);
            let (count, bytes) = own.fold((0, 0), |(count, bytes), table| (count + 1, bytes + table.size));
            if count > TABLES + bytes / WORTH_A_TABLE {
                let family = handle(&self.db, *column)?;
                self.db.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &whole_compaction());
            }
        }
        Ok(())
    }

    /// The same for the files of contents: each session makes one, and only a compaction of everything joins them.
    fn has_too_many_blob_files(&self) -> Result<bool, EngineError> {
        let (mut count, mut bytes) = (0, 0);
        for column in self.engine.columns.iter().filter(|column| column.large) {
            let family = handle(&self.db, *column)?;
            let number = |name: &str| self.db.property_int_value_cf(family, name).map_err(rocks_error);
            count += number("rocksdb.num-blob-files")?.unwrap_or(0);
            bytes += number("rocksdb.live-blob-file-size")?.unwrap_or(0);
        }
        Ok(count > BLOB_FILES + bytes / WORTH_A_BLOB_FILE)
    }

    /// Writes everything anew, contents too.
    fn compact(self) -> Result<(), EngineError> {
        let FullSession { engine, db, _lock, .. } = self;
        drop(db);
        // Opened again with blob garbage collection on: in ordinary sessions it would rewrite contents while somebody waits.
        let db = engine.open_session(Use::Compact)?;
        for column in engine.columns {
            db.compact_range_cf_opt(handle(&db, *column)?, None::<&[u8]>, None::<&[u8]>, &whole_compaction());
        }
        drop(db);
        engine.bump(true)
    }
}

/// Everything is written anew.
fn whole_compaction() -> CompactOptions {
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    options
}

/// A session that collects changes, and appends them to the tail if they are few. As soon as they are many, it is a full one.
pub struct BriefSession<'a> {
    engine: &'a RocksEngine,
    lock: Option<FileLock>,
    tail: Tail,
    base: OnceCell<SharedView>,
    changes: Changes,
    full: Option<FullSession<'a>>,
}

impl<'a> BriefSession<'a> {
    pub(super) fn begin(engine: &'a RocksEngine, patience: Duration) -> Result<BriefSession<'a>, EngineError> {
        let lock = Some(engine.lock(patience)?);
        let tail = engine.read_tail()?;
        Ok(BriefSession { engine, lock, tail, base: OnceCell::new(), changes: Changes::default(), full: None })
    }

    /// The database as it is below the tail: nobody changes it meanwhile.
    fn base(&self) -> Result<&SharedView, EngineError> {
        if let Some(base) = self.base.get() {
            return Ok(base);
        }
        let base = self.engine.base(self.engine.commits(), true)?;
        Ok(self.base.get_or_init(|| base))
    }

    fn added(&mut self) -> Result<(), EngineError> {
        let many = self.changes.size() > BRIEF || self.tail.size() + self.changes.size() > LONG_TAIL;
        if is_orphaned() {
            // What is too much for a tail has to wait for a process that can write to the database.
            let too_many = self.tail.size() + self.changes.size() > LONGEST_TAIL;
            return if too_many { Err(EngineError::Io(ORPHANED.into())) } else { Ok(()) };
        }
        let Some(lock) = self.lock.take_if(|_| many) else { return Ok(()) };
        let mut full = FullSession::begin(self.engine, lock)?;
        full.take_over(&std::mem::take(&mut self.changes))?;
        self.full = Some(full);
        Ok(())
    }
}

impl View for BriefSession<'_> {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        if let Some(full) = &self.full {
            return full.read(column, key, found);
        }
        match self.tail.get(number(self.engine.columns, column)?, key) {
            Some(value) => Ok(value.map(found).is_some()),
            None => self.base()?.read(column, key, found),
        }
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        if let Some(full) = &self.full {
            return full.scan(column, prefix, visit);
        }
        let base = self.base()?;
        let number = number(self.engine.columns, column)?;
        self.tail.scan_over(number, prefix, |visit| base.scan(column, prefix, visit), visit)
    }
}

impl Session for BriefSession<'_> {
    fn put(&mut self, column: Column, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        if let Some(full) = &mut self.full {
            return full.put(column, key, value);
        }
        self.changes.put(number(self.engine.columns, column)?, key, value);
        self.added()
    }

    fn delete(&mut self, column: Column, key: &[u8]) -> Result<(), EngineError> {
        if let Some(full) = &mut self.full {
            return full.delete(column, key);
        }
        self.changes.delete(number(self.engine.columns, column)?, key);
        self.added()
    }

    fn commit(mut self: Box<Self>) -> Result<(), EngineError> {
        if let Some(full) = self.full.take() {
            return Box::new(full).commit();
        }
        if self.lock.is_none() {
            return Err(failed_before());
        }
        if self.changes.is_empty() {
            return Ok(());
        }
        self.tail.append(&self.engine.tail(), &self.changes).map_err(io_error)?;
        self.engine.bump(false)
    }

    fn commit_and_compact(mut self: Box<Self>) -> Result<(), EngineError> {
        if is_orphaned() {
            return self.commit();
        }
        let mut full = match (self.full.take(), self.lock.take()) {
            (Some(full), _) => full,
            (None, Some(lock)) => FullSession::begin(self.engine, lock)?,
            (None, None) => return Err(failed_before()),
        };
        full.take_over(&self.changes)?;
        Box::new(full).commit_and_compact()
    }
}

fn failed_before() -> EngineError {
    EngineError::Io("the session has failed before".into())
}
