//! The database on RocksDB. Only this module names RocksDB.
//!
//! RocksDB allows one writing process, and opening it to write takes 15 to 30 ms. So a [`RocksEngine`] opens it read-only for
//! views, which takes no lock, and read-write only for the length of a session, behind a lock file of our own that names its holder.
//!
//! Sessions write without a write-ahead log: with `atomic_flush` all columns reach the disk and the manifest together, which is the
//! commit. Contents are written once, to blob files, instead of twice.
//!
//! ```text
//! DIR/db/…         RocksDB's files
//! DIR/writer       lock file of the writing process
//! DIR/generation   counts commits: eight bytes, written after each
//! ```

mod blob_file;
pub mod salvage;

use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB, DBCompressionType,
    FlushOptions, IteratorMode, LogLevel, Options, ReadOptions, WriteBatch,
};

use crate::engine::{Column, Engine, EngineError, Session, SharedView, View, Visit};
use crate::files::{self, Durability, create_private_dir};
use crate::lock::{FileLock, LockError};

/// What is not kept back for the commit is handed to RocksDB in batches of about this many bytes.
const EARLY_BATCH: usize = 4 << 20;
/// What RocksDB holds in memory of one column before it writes it out.
const WRITE_BUFFER: usize = 32 << 20;
/// Values of large columns from this size on go to blob files; smaller ones stay beside their keys.
const BLOB_FLOOR: u64 = 512;
/// How long whoever wants to read waits for a writer that keeps disturbing it.
const READING_PATIENCE: Duration = Duration::from_secs(10);

/// A database in a directory.
pub struct RocksEngine {
    dir: PathBuf,
    columns: &'static [Column],
    holder: String,
    view: Mutex<Option<(u64, SharedView)>>,
}

impl RocksEngine {
    /// The database in `dir`, which need not exist. Nothing is opened yet. `holder` names this process to others that wait for it.
    pub fn new(dir: &Path, columns: &'static [Column], holder: &str) -> RocksEngine {
        RocksEngine { dir: dir.to_owned(), columns, holder: holder.to_owned(), view: Mutex::new(None) }
    }

    fn database(&self) -> PathBuf {
        self.dir.join("db")
    }

    fn lock(&self, patience: Duration) -> Result<FileLock, EngineError> {
        create_private_dir(&self.dir).map_err(io_error)?;
        FileLock::acquire(&self.dir.join("writer"), &self.holder, patience, &mut |_| ()).map_err(|e| match e {
            LockError::Held(holder) => EngineError::Busy { holder },
            LockError::Io(e) => io_error(e),
        })
    }

    fn open_view(&self) -> Result<SharedView, EngineError> {
        let mut pause = Duration::from_millis(1);
        loop {
            match self.try_view() {
                // A session that begins or ends meanwhile replaces files that were about to be opened.
                Err(_) if pause < Duration::from_millis(30) => std::thread::sleep(pause),
                // What fails although nobody writes is damaged. Where the lock cannot be had, the error stands: the directory may be
                // one that cannot be written.
                Err(e) => {
                    return match self.lock(READING_PATIENCE) {
                        Ok(_lock) => self.try_view(),
                        Err(_) => Err(e),
                    };
                }
                view => return view,
            }
            pause *= 2;
        }
    }

    fn try_view(&self) -> Result<SharedView, EngineError> {
        if self.is_unborn()? {
            return Ok(Arc::new(crate::memory::empty_view()));
        }
        match self.open_to_read() {
            // Somebody is just making it, or was killed making it.
            Err(_) if !self.has_data() => Ok(Arc::new(crate::memory::empty_view())),
            view => view,
        }
    }

    fn open_to_read(&self) -> Result<SharedView, EngineError> {
        let options = database_options(Use::Read);
        let columns = self.columns.iter().map(|column| (column.name, column_options(*column, Use::Read)));
        let db = DB::open_cf_with_opts_for_read_only(&options, self.database(), columns, false).map_err(rocks_error)?;
        Ok(Arc::new(RocksView { db }))
    }

    /// Whether nothing was ever committed. RocksDB would take a database without its file `CURRENT` for a new one and throw away what
    /// is there.
    fn is_unborn(&self) -> Result<bool, EngineError> {
        let current = self.database().join("CURRENT");
        match fs::metadata(&current) {
            Ok(_) => Ok(false),
            Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Err(io_error(e)),
            Err(_) if self.has_data() => Err(EngineError::Damaged(format!("`{}` is missing", current.display()))),
            Err(_) => Ok(true),
        }
    }

    /// Whether there are files that hold keys or values.
    fn has_data(&self) -> bool {
        let holds_data = |entry: fs::DirEntry| {
            let path = entry.path();
            path.extension().is_some_and(|extension| extension == "sst" || extension == "blob")
        };
        fs::read_dir(self.database()).into_iter().flatten().flatten().any(holds_data)
    }

    fn open_session(&self, how: Use) -> Result<DB, EngineError> {
        let path = self.database();
        create_private_dir(&path).map_err(io_error)?;
        self.is_unborn()?;
        match self.open_to_write(how) {
            // What was left behind when it was made for the first time: nothing is lost with it.
            Err(EngineError::Damaged(_)) if !self.has_data() => {
                fs::remove_dir_all(&path).and_then(|()| create_private_dir(&path)).map_err(io_error)?;
                self.open_to_write(how)
            }
            db => db,
        }
    }

    fn open_to_write(&self, how: Use) -> Result<DB, EngineError> {
        let columns = self.columns.iter().map(|c| ColumnFamilyDescriptor::new(c.name, column_options(*c, how)));
        DB::open_cf_descriptors(&database_options(how), self.database(), columns).map_err(rocks_error)
    }

    /// Moves the database out of the way, to `DIR/NAME`, so that the next session begins a new one.
    pub fn set_aside(&self, name: &str, patience: Duration) -> Result<PathBuf, EngineError> {
        let _lock = self.lock(patience)?;
        let aside = self.dir.join(name);
        match fs::rename(self.database(), &aside) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(e)),
            _ => self.bump().map(|()| aside),
        }
    }

    /// Called with the lock held.
    fn bump(&self) -> Result<(), EngineError> {
        // RocksDB makes its files with the modes that the umask leaves.
        files::make_private(&self.database());
        let next = (self.generation() + 1).to_le_bytes();
        // In one step: a reader of a file that is just being written would take it for a new database.
        files::replace(&self.dir.join("generation"), &next, Durability::Volatile).map_err(io_error)
    }
}

impl Engine for RocksEngine {
    fn view(&self) -> Result<SharedView, EngineError> {
        // Asked before opening: a commit in between makes the view look older than it is, never newer.
        let generation = self.generation();
        let mut cached = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        match &*cached {
            Some((seen, view)) if *seen == generation => Ok(view.clone()),
            _ => {
                let view = self.open_view()?;
                *cached = Some((generation, view.clone()));
                Ok(view)
            }
        }
    }

    fn forget_view(&self) {
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn undisturbed(
        &self,
        patience: Duration,
        look: &mut dyn FnMut(&dyn View) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let _lock = match self.lock(patience) {
            Err(e @ EngineError::Busy { .. }) => return Err(e),
            lock => lock.ok(),
        };
        look(&*self.try_view()?)
    }

    fn generation(&self) -> u64 {
        let bytes = fs::read(self.dir.join("generation")).unwrap_or_default();
        bytes.try_into().map(u64::from_le_bytes).unwrap_or(0)
    }

    fn session(&self, patience: Duration) -> Result<Box<dyn Session + '_>, EngineError> {
        let lock = self.lock(patience)?;
        let db = self.open_session(Use::Write)?;
        Ok(Box::new(RocksSession {
            engine: self,
            db,
            batch: WriteBatch::default(),
            early: WriteBatch::default(),
            _lock: lock,
        }))
    }
}

struct RocksView {
    db: DB,
}

impl View for RocksView {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        read(&self.db, column, key, found)
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        scan(&self.db, column, prefix, visit)
    }
}

struct RocksSession<'a> {
    engine: &'a RocksEngine,
    db: DB,
    batch: WriteBatch,
    early: WriteBatch,
    // Last: the lock is freed after the database is closed.
    _lock: FileLock,
}

impl RocksSession<'_> {
    fn write_early(&mut self) -> Result<(), EngineError> {
        self.db.write_without_wal(std::mem::take(&mut self.early)).map_err(rocks_error)
    }

    fn write_all(&mut self) -> Result<(), EngineError> {
        self.write_early()?;
        self.db.write_without_wal(std::mem::take(&mut self.batch)).map_err(rocks_error)?;
        let columns = self.engine.columns.iter().map(|c| handle(&self.db, *c)).collect::<Result<Vec<_>, _>>()?;
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_cfs_opt(&columns, &options).map_err(rocks_error)?;
        self.engine.bump()
    }
}

impl View for RocksSession<'_> {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        read(&self.db, column, key, found)
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        scan(&self.db, column, prefix, visit)
    }
}

impl Session for RocksSession<'_> {
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
        self.batch.delete_cf(handle(&self.db, column)?, key);
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), EngineError> {
        self.write_all()
    }

    fn commit_and_compact(mut self: Box<Self>) -> Result<(), EngineError> {
        self.write_all()?;
        let RocksSession { engine, db, _lock, .. } = *self;
        drop(db);
        // Opened again with blob garbage collection on: in ordinary sessions it would rewrite contents while somebody waits.
        let db = engine.open_session(Use::Compact)?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        for column in engine.columns {
            db.compact_range_cf_opt(handle(&db, *column)?, None::<&[u8]>, None::<&[u8]>, &options);
        }
        drop(db);
        engine.bump()
    }
}

fn read(db: &DB, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
    let value = db.get_pinned_cf(handle(db, column)?, key).map_err(rocks_error)?;
    Ok(value.map(|value| found(&value)).is_some())
}

fn scan(db: &DB, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
    let mut options = ReadOptions::default();
    options.set_iterate_range(rocksdb::PrefixRange(prefix));
    options.fill_cache(false);
    for entry in db.iterator_cf_opt(handle(db, column)?, options, IteratorMode::Start) {
        let (key, value) = entry.map_err(rocks_error)?;
        if visit(&key, &value) == ControlFlow::Break(()) {
            break;
        }
    }
    Ok(())
}

fn handle(db: &DB, column: Column) -> Result<&ColumnFamily, EngineError> {
    db.cf_handle(column.name).ok_or_else(|| EngineError::Damaged(format!("column family `{}` is missing", column.name)))
}

/// What the database is opened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Read,
    Write,
    Compact,
}

fn database_options(how: Use) -> Options {
    let mut options = Options::default();
    options.create_if_missing(how != Use::Read);
    options.create_missing_column_families(how != Use::Read);
    options.set_atomic_flush(true);
    options.set_max_background_jobs(2);
    options.set_max_file_opening_threads(2);
    options.set_skip_stats_update_on_db_open(true);
    options.set_stats_dump_period_sec(0);
    // RocksDB's own log would be a file written at every opening, read-only ones included.
    options.set_info_logger(rocksdb::InfoLogger::new_callback_logger(LogLevel::Fatal, |_, _| ()));
    options
}

fn column_options(column: Column, how: Use) -> Options {
    let mut options = Options::default();
    options.set_write_buffer_size(WRITE_BUFFER);
    options.set_compression_type(if column.large { DBCompressionType::None } else { DBCompressionType::Zstd });
    if column.large {
        // Contents arrive compressed.
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_FLOOR);
        options.set_blob_file_size(256 << 20);
        options.set_blob_compression_type(DBCompressionType::None);
        options.set_enable_blob_gc(how == Use::Compact);
        options.set_blob_gc_age_cutoff(1.0);
    }
    options
}

fn rocks_error(error: rocksdb::Error) -> EngineError {
    let text = error.to_string();
    match error.kind() {
        // A damaged table takes the keys of many values with it; a damaged blob file values.
        rocksdb::ErrorKind::Corruption | rocksdb::ErrorKind::IOError if text.contains(".sst") => {
            EngineError::Astray(text)
        }
        rocksdb::ErrorKind::Corruption => EngineError::Damaged(text),
        rocksdb::ErrorKind::InvalidArgument => EngineError::Damaged(text),
        _ if text.contains("Permission denied") || text.contains("Read-only") => EngineError::ReadOnly(text),
        _ => EngineError::Io(text),
    }
}

fn io_error(error: io::Error) -> EngineError {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => EngineError::ReadOnly(error.to_string()),
        _ => EngineError::Io(error.to_string()),
    }
}
