//! The back-end on a database ([`crate::db::engine`]): reads from a picture of it, writes in short sessions.
//!
//! Opening the database to write takes longer than most lookups and shuts other writers out, so changes collect in an [`Overlay`] and
//! a thread writes them: within [`MAX_AGE`], or as soon as they are more than [`MANY_BYTES`]. The picture for reading is
//! renewed after each session, and when a key is missing in it while another process has written since.

mod write;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::overlay::{Change, Overlay};
use super::{Backend, BackendError, Table, Visit};
use crate::base::digest::Digest;
use crate::db::engine::{Column, Engine, EngineError, Session, SharedView};

/// The values. What is large among them lies in files of its own.
const RESULTS: Column = Column { name: "memo-results", large: true, early: false };
/// Small records about them.
const ENTRIES: Column = Column { name: "memo-entries", large: false, early: false };
/// Times of use, rewritten again and again.
const USES: Column = Column { name: "memo-uses", large: false, early: false };
/// The columns that the database must have; RocksDB insists on one that is called `default`.
pub const COLUMNS: &[Column] = &[Column { name: "default", large: false, early: false }, RESULTS, ENTRIES, USES];

/// Changes are written when they are this old.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Changes are written when they are more than this.
const MANY_BYTES: usize = 16 << 20;
/// Whoever adds to more than this waits until they are written.
const TOO_MANY_BYTES: usize = 128 << 20;
/// How long a session waits for the session of another process.
const PATIENCE: Duration = Duration::from_secs(60);

/// A back-end on a database.
pub struct DatabaseBackend {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    engine: Box<dyn Engine>,
    overlay: RwLock<Overlay>,
    /// [`OVERLAID`] and [`CLOSED`]: most lookups need nothing but this and the picture.
    state: AtomicU8,
    /// How many threads go through a picture without a lock.
    scans: AtomicUsize,
    view: RwLock<Option<(u64, SharedView)>>,
    /// Held while changes are written: whether something was removed whose space the file system does not have back.
    writing: Mutex<bool>,
    signal: Mutex<Signal>,
    changed: Condvar,
}

/// The overlay has something.
const OVERLAID: u8 = 1;
/// The database is left alone from now on, but for what [`Backend::close`] has to write: it may be that the process exits.
const CLOSED: u8 = 2;
/// For how long whoever closes it waits for those who read from it.
const LONGEST_READ: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Signal {
    waiting: bool,
    urgent: bool,
    closed: bool,
}

impl fmt::Debug for DatabaseBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseBackend")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        let shared = Shared {
            engine,
            overlay: RwLock::default(),
            state: AtomicU8::new(0),
            scans: AtomicUsize::new(0),
            view: RwLock::new(None),
            writing: Mutex::new(false),
            signal: Mutex::default(),
            changed: Condvar::new(),
        };
        DatabaseBackend { shared: Arc::new(shared), writer: Mutex::new(None) }
    }

    /// On RocksDB in the directory `dir`, which is made if need be. Fails if there is a database that cannot be read.
    #[cfg(feature = "rocksdb")]
    pub fn open(dir: &std::path::Path) -> Result<DatabaseBackend, BackendError> {
        crate::db::rocks::forks::watch();
        let holder = format!("process {}", std::process::id());
        let backend = DatabaseBackend::new(Box::new(crate::db::rocks::RocksEngine::new(dir, COLUMNS, &holder)));
        backend.shared.renewed_view()?;
        Ok(backend)
    }

    /// Replaces a database in the directory `dir` that cannot be read by a new one, with everything in it that can. `sound` says whether
    /// a value is one that was put there: not all that is found is.
    #[cfg(feature = "rocksdb")]
    pub fn salvage(dir: &std::path::Path, sound: &dyn Fn(Table, &[u8]) -> bool) -> Result<(), BackendError> {
        let holder = format!("process {}", std::process::id());
        let engine = crate::db::rocks::RocksEngine::new(dir, COLUMNS, &holder);
        let keep = &mut |at: Column, key: &[u8], value: &[u8], session: &mut dyn Session| {
            let table = Table::ALL.into_iter().find(|table| column(*table) == at);
            let sound = table.is_some_and(|table| sound(table, value));
            if sound {
                session.put(at, key, value)?;
            }
            Ok(sound)
        };
        engine.salvage(PATIENCE, keep).map_err(BackendError::new)
    }

    fn add(&self, table: Table, key: &Digest, change: Change) -> Result<(), BackendError> {
        let bytes = {
            let mut overlay = self.shared.overlay.write().unwrap_or_else(PoisonError::into_inner);
            overlay.add(table, *key, change);
            self.shared.state.fetch_or(OVERLAID, Ordering::Release);
            overlay.bytes()
        };
        if bytes > TOO_MANY_BYTES {
            return self.shared.write(false);
        }
        let mut signal = lock(&self.shared.signal);
        let urgent = bytes > MANY_BYTES;
        if !signal.waiting || (urgent && !signal.urgent) {
            signal.waiting = true;
            signal.urgent |= urgent;
            self.shared.changed.notify_one();
            drop(signal);
            self.start_writer()?;
        }
        Ok(())
    }

    fn start_writer(&self) -> Result<(), BackendError> {
        let mut writer = lock(&self.writer);
        if writer.is_none() {
            let shared = self.shared.clone();
            let thread = thread::Builder::new().name("percache-writer".into()).spawn(move || shared.write_in_time())?;
            *writer = Some(thread);
        }
        Ok(())
    }
}

impl Shared {
    fn renewed_view(&self) -> Result<(u64, SharedView), BackendError> {
        // Asked before: a commit in between makes the picture look older than it is, never newer.
        let generation = self.engine.generation();
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        self.check_open()?;
        match &*view {
            Some((seen, current)) if *seen == generation => Ok((*seen, current.clone())),
            _ => {
                let new = (generation, self.engine.view().map_err(BackendError::new)?);
                *view = Some(new.clone());
                Ok(new)
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.state.load(Ordering::SeqCst) & CLOSED != 0
    }

    fn check_open(&self) -> Result<(), BackendError> {
        if self.is_closed() { Err(BackendError::new("it is closed")) } else { Ok(()) }
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
            if self.scans.load(Ordering::SeqCst) == 0
                && let Ok(mut view) = self.view.try_write()
            {
                *view = None;
                drop(view);
                return self.engine.forget_view();
            }
            thread::sleep(Duration::from_micros(100));
        }
        log::warn!("percache: a cache is closed while a thread still reads from it");
    }

    /// The value of `key` in the database, of the newest picture if need be.
    fn stored(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        let get = |view: &SharedView| view.get(column(table), key.as_bytes()).map_err(BackendError::new);
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
        let state = self.shared.state.load(Ordering::Acquire);
        if state & CLOSED != 0 {
            return Ok(None);
        }
        if state & OVERLAID != 0 {
            let overlay = self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(change) = overlay.get(table, key) {
                return Ok(change.as_ref().map(|value| value.to_vec()));
            }
        }
        self.shared.stored(table, key)
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        self.add(table, key, Some(value.into()))
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        self.add(table, key, None)
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        // The overlay first: what is written in between is then seen in it and skipped in the picture.
        let changes = self.shared.overlay.read().unwrap_or_else(PoisonError::into_inner).of_table(table);
        let scan = self.shared.scan();
        let (_, view) = self.shared.renewed_view()?;
        let mut ended = ControlFlow::Continue(());
        let scanned = view.scan(column(table), b"", &mut |key, value| {
            if let Some(key) = Digest::from_slice(key)
                && !changes.contains_key(&key)
            {
                ended = visit(&key, value);
            }
            if self.shared.is_closed() { ControlFlow::Break(()) } else { ended }
        });
        drop(view);
        drop(scan);
        scanned.map_err(BackendError::new)?;
        self.shared.check_open()?;
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
        *self.shared.view.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.shared.write(false)
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.shared.write(true)
    }

    fn close(&self) -> Result<(), BackendError> {
        self.shared.state.fetch_or(CLOSED, Ordering::SeqCst);
        lock(&self.shared.signal).closed = true;
        self.shared.changed.notify_all();
        if let Some(writer) = lock(&self.writer).take()
            && writer.join().is_err()
        {
            log::warn!("percache: the writing thread has panicked");
        }
        let written = self.shared.write_now(false);
        self.shared.let_go();
        written
    }

    fn after_fork(&self) -> Option<Box<dyn Backend>> {
        let engine = self.shared.engine.after_fork()?;
        Some(Box::new(DatabaseBackend::new(engine)))
    }
}

impl Drop for DatabaseBackend {
    fn drop(&mut self) {
        lock(&self.shared.signal).closed = true;
        self.shared.changed.notify_all();
    }
}

impl From<EngineError> for BackendError {
    fn from(error: EngineError) -> BackendError {
        BackendError::new(error)
    }
}
