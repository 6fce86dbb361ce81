//! The back-end on a database ([`crate::db::engine`]): reads from a picture of it, writes in short sessions.
//!
//! Opening the database to write takes longer than most lookups and shuts other writers out, so changes are written behind
//! (`db::write_behind`, by [`LIMITS`]). The picture for reading is renewed after each session, and when a key is missing in
//! it while another process has written since.

mod write;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::overlay::{Change, unwritten};
use super::{Backend, BackendError, Table, Visit};
use crate::base::digest::Digest;
#[cfg(feature = "rocksdb")]
use crate::base::lock::this_process;
use crate::db::engine::{Column, Engine, EngineError, SharedView};
use crate::db::write_behind::{Limits, WriteBehind, WriteError};

/// The values. What is large among them lies in files of its own.
const RESULTS: Column = Column { name: "memo-results", large: true, early: false };
/// Small records about them.
const ENTRIES: Column = Column { name: "memo-entries", large: false, early: false };
/// Times of use, rewritten again and again.
const USES: Column = Column { name: "memo-uses", large: false, early: false };
/// The columns that the database must have; RocksDB insists on one that is called `default`.
pub const COLUMNS: &[Column] = &[Column { name: "default", large: false, early: false }, RESULTS, ENTRIES, USES];

/// When changes are written.
const LIMITS: Limits = Limits { enough: 16 << 20, too_much: 128 << 20, oldest: Duration::from_secs(1) };
/// How long a session waits for the session of another process.
const PATIENCE: Duration = Duration::from_secs(60);

/// A back-end on a database.
pub struct DatabaseBackend {
    changes: WriteBehind<Database>,
}

/// The database, and the picture of it that is read from.
struct Database {
    engine: Box<dyn Engine>,
    /// The database is left alone from now on, but for what [`Backend::close`] has to write: it may be that the process
    /// exits.
    closed: AtomicBool,
    /// How many threads go through a picture without a lock.
    scans: AtomicUsize,
    view: RwLock<Option<(u64, SharedView)>>,
    /// Whether something was removed whose space the file system does not have back. Changed by whoever writes.
    removed: AtomicBool,
}

/// For how long whoever closes it waits for those who read from it.
const LONGEST_READ: Duration = Duration::from_secs(10);

impl fmt::Debug for DatabaseBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseBackend")
    }
}

fn column(table: Table) -> Column {
    match table {
        Table::Results => RESULTS,
        Table::Entries => ENTRIES,
        Table::Uses => USES,
    }
}

impl DatabaseBackend {
    /// On `engine`, which has the [`COLUMNS`].
    pub fn new(engine: Box<dyn Engine>) -> DatabaseBackend {
        let database = Database {
            engine,
            closed: AtomicBool::new(false),
            scans: AtomicUsize::new(0),
            view: RwLock::new(None),
            removed: AtomicBool::new(false),
        };
        DatabaseBackend { changes: WriteBehind::new(database, LIMITS) }
    }

    /// On RocksDB in the directory `dir`, which is made if need be. Fails if there is a database that cannot be read.
    #[cfg(feature = "rocksdb")]
    pub fn open(dir: &std::path::Path) -> Result<DatabaseBackend, BackendError> {
        crate::db::rocks::forks::watch();
        let backend = DatabaseBackend::new(Box::new(crate::db::rocks::RocksEngine::new(dir, COLUMNS, &this_process())));
        backend.database().renewed_view()?;
        Ok(backend)
    }

    /// Replaces a database in the directory `dir` that cannot be read by a new one, with everything in it that can. `sound` says whether
    /// a value is one that was put there: not all that is found is.
    #[cfg(feature = "rocksdb")]
    pub fn salvage(dir: &std::path::Path, sound: &dyn Fn(Table, &[u8]) -> bool) -> Result<(), BackendError> {
        let engine = crate::db::rocks::RocksEngine::new(dir, COLUMNS, &this_process());
        let keep = &mut |at: Column, key: &[u8], value: &[u8], session: &mut dyn crate::db::engine::Session| {
            let table = Table::ALL.into_iter().find(|table| column(*table) == at);
            let sound = table.is_some_and(|table| sound(table, value));
            if sound {
                session.put(at, key, value)?;
            }
            Ok(sound)
        };
        engine.salvage(PATIENCE, keep).map_err(BackendError::new)
    }

    fn database(&self) -> &Database {
        self.changes.sink()
    }

    fn add(&self, table: Table, key: &Digest, change: Change) -> Result<(), BackendError> {
        Ok(self.changes.add(|changes| changes.add(table, *key, change))?)
    }
}

impl Database {
    fn renewed_view(&self) -> Result<(u64, SharedView), EngineError> {
        // Asked before: a commit in between makes the picture look older than it is, never newer.
        let generation = self.engine.generation();
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        match &*view {
            Some((seen, current)) if *seen == generation => Ok((*seen, current.clone())),
            _ => {
                let new = (generation, self.engine.view()?);
                *view = Some(new.clone());
                Ok(new)
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    fn check_open(&self) -> Result<(), EngineError> {
        if self.is_closed() { Err(EngineError::Io("it is closed".into())) } else { Ok(()) }
    }

    /// Counts a thread that goes through a picture. Asked before it looks whether the back-end is closed.
    fn scan(&self) -> Scan<'_> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        Scan(&self.scans)
    }

    /// Closes the pictures, once nobody reads from them; nobody begins to any more.
    fn let_go(&self) {
        let begin = Instant::now();
        while begin.elapsed() < LONGEST_READ {
            if self.scans.load(Ordering::SeqCst) == 0 && self.is_view_closed() {
                return self.engine.forget_view();
            }
            thread::sleep(Duration::from_micros(100));
        }
        log::warn!("percache: a cache is closed while a thread still reads from it");
    }

    /// Closes the picture unless a thread reads from it.
    fn is_view_closed(&self) -> bool {
        let mut view = match self.view.try_write() {
            Ok(view) => view,
            Err(TryLockError::Poisoned(view)) => view.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        *view = None;
        true
    }

    /// The value of `key` in the database, of the newest picture if need be.
    fn stored(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        let get = |view: &SharedView| Ok(view.get(column(table), key.as_bytes())?);
        let mut old = None;
        // Read under the lock: sharing the picture would cost more than the lookup keeps others waiting.
        if let Some((generation, view)) = &*self.view.read().unwrap_or_else(PoisonError::into_inner) {
            match get(view) {
                Ok(Some(found)) => return Ok(Some(found)),
                // Also after an error: another process may have removed a file that the picture refers to.
                missing => old = Some((*generation, missing)),
            }
        }
        match old {
            Some((generation, missing)) if generation == self.engine.generation() => missing,
            _ => get(&self.renewed_view()?.1),
        }
    }
}

/// A thread that goes through a picture.
struct Scan<'a>(&'a AtomicUsize);

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Backend for DatabaseBackend {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        if self.database().is_closed() {
            return Ok(None);
        }
        match self.changes.find(|changes| changes.get(table, key).cloned()) {
            Some(change) => Ok(change.map(|value| value.to_vec())),
            None => self.database().stored(table, key),
        }
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        self.add(table, key, Some(value.into()))
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        self.add(table, key, None)
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        // First: what is written in between is then seen here and skipped in the picture.
        let changes = unwritten(&self.changes, table);
        let database = self.database();
        let scan = database.scan();
        let (_, view) = database.renewed_view()?;
        let mut ended = ControlFlow::Continue(());
        let scanned = view.scan(column(table), b"", &mut |key, value| {
            if let Some(key) = Digest::from_slice(key)
                && !changes.contains_key(&key)
            {
                ended = visit(&key, value);
            }
            if database.is_closed() { ControlFlow::Break(()) } else { ended }
        });
        drop(view);
        drop(scan);
        scanned?;
        database.check_open()?;
        for (key, change) in &changes {
            if ended.is_break() {
                break;
            }
            if let Some(value) = change {
                ended = visit(key, value);
            }
        }
        Ok(())
    }

    fn refresh(&self) {
        *self.database().view.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.database().check_open()?;
        Ok(self.changes.flush()?)
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.database().check_open()?;
        Ok(self.changes.flush_by(|changes| self.database().write_and_compact(changes))?)
    }

    fn close(&self) -> Result<(), BackendError> {
        self.database().closed.store(true, Ordering::SeqCst);
        let written = self.changes.close();
        self.database().let_go();
        Ok(written?)
    }

    fn after_fork(&self) -> Option<Box<dyn Backend>> {
        let engine = self.database().engine.after_fork()?;
        Some(Box::new(DatabaseBackend::new(engine)))
    }
}

impl From<EngineError> for BackendError {
    fn from(error: EngineError) -> BackendError {
        BackendError::new(error)
    }
}

impl From<WriteError> for BackendError {
    fn from(error: WriteError) -> BackendError {
        BackendError::new(error)
    }
}
