//! Forks, and the exit of the process, while RocksDB is in use.
//!
//! RocksDB keeps threads for what is done in the background, and takes it for granted that they are there: a child
//! would wait for them for ever, and be aborted at exit, when they are joined. It also has locks that all databases
//! share. So a fork waits until nobody opens, writes to or closes a database, and nobody begins to until it is over;
//! and it has those threads end, which begin anew when a database is opened. If that takes too long, the child leaves
//! RocksDB alone but for reading, and writes to the tail only.
//!
//! The exit of a process destroys statics that RocksDB needs, while other threads go on. So nobody opens or closes a
//! database from then on, and the thread that exits waits for those who have begun to.

use std::fs;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rocksdb::{DB, Env};

use crate::base::exit;
use crate::base::fork::{self, Hooks};
use crate::db::engine::EngineError;

/// Whether RocksDB was opened: it has started threads then, even to read.
static HAS_THREADS: AtomicBool = AtomicBool::new(false);
/// Whether they are gone, while a process forks.
static QUIET: AtomicBool = AtomicBool::new(false);
/// Whether this process believes to have threads that only its parent has.
static ORPHANED: AtomicBool = AtomicBool::new(false);

/// How many threads are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);
/// How many threads use what all databases share.
static BUSY: AtomicUsize = AtomicUsize::new(0);

/// For how long a fork waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many lists of tasks in a row have to be without one of RocksDB's.
const SCANS: usize = 4;
const PAUSE: Duration = Duration::from_micros(100);

/// While it lives, no other thread forks; unless that would take too long.
#[derive(Debug)]
pub struct Busy {
    generation: usize,
}

impl Busy {
    /// Waits until nobody forks. `None`: the process exits.
    pub fn begin() -> Option<Busy> {
        loop {
            BUSY.fetch_add(1, Ordering::SeqCst);
            if FORKING.load(Ordering::SeqCst) == 0 {
                let busy = Busy { generation: fork::generation() };
                return (!exit::is_over()).then_some(busy);
            }
            BUSY.fetch_sub(1, Ordering::SeqCst);
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.generation == fork::generation() {
            BUSY.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Has forks of this process be such that RocksDB can be used in the child.
pub fn watch() {
    fork::watch(Some(Hooks { before, in_parent, in_child }));
}

/// Waits for those who open, write to or close a database. Nobody begins to any more.
fn wait_until_idle() {
    let begin = Instant::now();
    while BUSY.load(Ordering::SeqCst) > 0 {
        if begin.elapsed() >= PATIENCE {
            return log::warn!("percache: the process exits while a thread of it is busy with a database");
        }
        thread::sleep(PAUSE);
    }
}

fn over() -> EngineError {
    EngineError::Io("the process exits".into())
}

/// Notes that RocksDB is about to start threads. They end with its environment, for which somebody who has just begun to write would
/// wait for ever: what is closed at exit is closed before that, even if the process exits before the first database is open.
fn prepare() {
    static FIRST: Once = Once::new();
    HAS_THREADS.store(true, Ordering::SeqCst);
    FIRST.call_once(|| {
        drop(Env::new());
        renew();
    });
}

/// Whether only the tail can be written to.
pub fn is_orphaned() -> bool {
    ORPHANED.load(Ordering::SeqCst)
}

fn before() {
    FORKING.fetch_add(1, Ordering::SeqCst);
    if is_orphaned() {
        return;
    }
    let begin = Instant::now();
    let awaited = |busy: fn() -> bool| {
        // Seen once is enough: whoever wants to begin meanwhile counts for a moment, and goes back.
        while busy() {
            if begin.elapsed() >= PATIENCE {
                return false;
            }
            thread::sleep(PAUSE);
        }
        true
    };
    let mut quiet = awaited(|| BUSY.load(Ordering::SeqCst) > 0);
    // The one environment of the process: what is made here refers to it. Whoever is busy still needs its threads.
    // Asked when nobody is about to open the first database.
    if quiet
        && HAS_THREADS.load(Ordering::SeqCst)
        && let Ok(mut env) = Env::new()
    {
        env.set_background_threads(0);
        env.set_high_priority_background_threads(0);
        quiet = awaited(has_live_threads);
    }
    QUIET.store(quiet, Ordering::SeqCst);
}

fn in_parent() {
    // One that opens a database meanwhile has its threads begin again.
    FORKING.fetch_sub(1, Ordering::SeqCst);
}

fn in_child() {
    FORKING.store(0, Ordering::SeqCst);
    BUSY.store(0, Ordering::SeqCst);
    // The next one to open a database starts some.
    HAS_THREADS.store(false, Ordering::SeqCst);
    if !QUIET.load(Ordering::SeqCst) {
        ORPHANED.store(true, Ordering::SeqCst);
    }
}

/// Whether there are threads in this process that RocksDB has named.
fn has_live_threads() -> bool {
    let named = |task: fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name.starts_with("rocksdb:"))
    };
    // A list of tasks that is read while one of them ends may leave out another one (proc(5) promises nothing), and a child that is
    // made while a thread takes itself off RocksDB's list can neither join it nor take the lock on that list.
    (0..SCANS).any(|_| fs::read_dir("/proc/self/task").into_iter().flatten().flatten().any(named))
}

/// A database that is open.
pub struct Database {
    /// Open for ever if it is still open when the process exits.
    db: ManuallyDrop<DB>,
    /// While it is open to write. Dropped after it.
    busy: Option<Busy>,
}

impl Database {
    /// Opens it to read. What closes it, and what opens it, must not be disturbed by a fork.
    pub fn to_read(open: impl FnOnce() -> Result<DB, EngineError>) -> Result<Database, EngineError> {
        static FIRST: Once = Once::new();
        let _busy = Busy::begin().ok_or_else(over)?;
        prepare();
        let db = open()?;
        FIRST.call_once(renew);
        Ok(Database { db: ManuallyDrop::new(db), busy: None })
    }

    /// Opens it to write. What writes needs threads, and must not be disturbed by a fork either.
    pub fn to_write(open: impl FnOnce() -> Result<DB, EngineError>) -> Result<Database, EngineError> {
        static FIRST: Once = Once::new();
        let busy = Busy::begin().ok_or_else(over)?;
        prepare();
        let db = open()?;
        // By now RocksDB has all statics that it needs to write: what is closed at exit is closed before they are gone.
        FIRST.call_once(renew);
        Ok(Database { db: ManuallyDrop::new(db), busy: Some(busy) })
    }
}

fn renew() {
    exit::at_last(wait_until_idle);
    exit::renew();
}

impl Deref for Database {
    type Target = DB;

    fn deref(&self) -> &DB {
        &self.db
    }
}

impl Drop for Database {
    #[allow(unsafe_code, reason = "whether it is dropped at all is known only now")]
    fn drop(&mut self) {
        self.busy = self.busy.take().or_else(Busy::begin);
        if self.busy.is_some() {
            // SAFETY: it is dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.db) };
        }
    }
}
