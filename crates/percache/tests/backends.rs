//! Every back-end passes the same tests; and a cache goes on when its back-end does not.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unsafe_code,
    unused_qualifications,
    reason = "a test that cannot go on has failed, and says why"
)]

mod common;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::Calls;
use percache::backend::{
    Backend, BackendError, Behind, DatabaseBackend, FileBackend, MemoryBackend, Table, Visit, conformance,
};
use percache::db::engine::{Engine, EngineError, Session, SharedView};
use percache::db::memory::MemoryEngine;
use percache::{Cache, Digest};

#[test]
fn in_memory() {
    conformance::keeps(&MemoryBackend::new());
    conformance::serves_many_threads(&MemoryBackend::new());
}

#[test]
fn on_files() {
    let dir = tempfile::tempdir().unwrap();
    conformance::keeps(&FileBackend::open(dir.path()).unwrap());
    conformance::serves_many_threads(&FileBackend::open(dir.path()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    conformance::outlives(&|| FileBackend::open(dir.path()).unwrap());
}

#[test]
fn on_files_that_are_written_behind() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Behind::new(FileBackend::open(dir.path()).unwrap());
    conformance::keeps(&open());
    conformance::serves_many_threads(&Behind::new(MemoryBackend::new()));
    let dir = tempfile::tempdir().unwrap();
    conformance::outlives(&|| Behind::new(FileBackend::open(dir.path()).unwrap()));
}

#[test]
fn what_is_written_behind_is_found_at_once_and_seen_by_others_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let behind = Behind::new(FileBackend::open(dir.path()).unwrap());
    let other = FileBackend::open(dir.path()).unwrap();
    let key = Digest::of(b"key");
    let [of_behind, of_other] = [&behind as &dyn Backend, &other]
        .map(|backend| move || backend.get(Table::Results, &key).unwrap().map(|bytes| bytes.len()));
    behind.put_result(&key, b"entry", b"result").unwrap();
    assert_eq!((of_behind(), of_other()), (Some(6), None));
    let begin = Instant::now();
    while of_other().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(30), "nobody writes it");
        thread::sleep(Duration::from_millis(20));
    }
    // An entry that is written again for itself leaves the result alone.
    behind.put(Table::Entries, &key, b"another").unwrap();
    behind.flush().unwrap();
    assert_eq!(other.get(Table::Entries, &key).unwrap().as_deref(), Some(&b"another"[..]));
    behind.remove_result(&key).unwrap();
    assert_eq!((of_behind(), of_other()), (None, Some(6)));
    behind.flush().unwrap();
    assert_eq!(of_other(), None);
    behind.put_result(&key, b"entry", b"longer result").unwrap();
    let child = behind.after_fork().unwrap();
    assert_eq!(child.get(Table::Results, &key).unwrap(), None, "it is the parent's to write");
    child.close().unwrap();
    behind.close().unwrap();
    assert_eq!(of_other(), Some(13));
}

#[test]
fn what_cannot_be_written_behind_waits_and_takes_nothing_else_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let behind = Behind::new(FileBackend::open(dir.path()).unwrap());
    let [good, bad] = [b"good", b"evil"].map(|name| Digest::of(name));
    // A file where the directory of one of them is to be.
    let in_the_way = dir.path().join("files").join(&bad.to_string()[..2]);
    std::fs::write(&in_the_way, "").unwrap();
    for key in [good, bad] {
        behind.put_result(&key, b"entry", b"result").unwrap();
    }
    assert!(behind.flush().is_err());
    let there = |key| FileBackend::open(dir.path()).unwrap().get(Table::Results, &key);
    assert_eq!(there(good).unwrap().as_deref(), Some(&b"result"[..]));
    assert!(behind.get(Table::Results, &bad).unwrap().is_some(), "it waits");
    std::fs::remove_file(&in_the_way).unwrap();
    behind.close().unwrap();
    assert_eq!(there(bad).unwrap().as_deref(), Some(&b"result"[..]));
}

/// A database in memory that several back-ends share, as processes share one on disk.
struct SharedEngine(Arc<MemoryEngine>);

impl Engine for SharedEngine {
    fn view(&self) -> Result<SharedView, EngineError> {
        self.0.view()
    }
    fn generation(&self) -> u64 {
        self.0.generation()
    }
    fn session(&self, patience: std::time::Duration) -> Result<Box<dyn Session + '_>, EngineError> {
        self.0.session(patience)
    }
}

#[test]
fn on_a_database_in_memory() {
    conformance::keeps(&DatabaseBackend::new(Box::new(MemoryEngine::new())));
    conformance::serves_many_threads(&DatabaseBackend::new(Box::new(MemoryEngine::new())));
    let engine = Arc::new(MemoryEngine::new());
    conformance::outlives(&|| DatabaseBackend::new(Box::new(SharedEngine(engine.clone()))));
}

#[cfg(feature = "rocksdb")]
#[test]
fn on_rocksdb() {
    let dir = tempfile::tempdir().unwrap();
    conformance::keeps(&DatabaseBackend::open(dir.path()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    conformance::serves_many_threads(&DatabaseBackend::open(dir.path()).unwrap());
    let dir = tempfile::tempdir().unwrap();
    conformance::outlives(&|| DatabaseBackend::open(dir.path()).unwrap());
}

/// A back-end that can be told to fail, or to hand out torn or changed records.
#[derive(Default)]
struct Broken {
    memory: MemoryBackend,
    fails: AtomicBool,
    tears: AtomicBool,
    flips: AtomicBool,
}

impl Broken {
    fn check(&self) -> Result<(), BackendError> {
        if self.fails.load(Ordering::SeqCst) { Err(BackendError::new("the disk is on fire")) } else { Ok(()) }
    }
}

impl Backend for Broken {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        self.check()?;
        let mut value = self.memory.get(table, key)?;
        if self.tears.load(Ordering::SeqCst)
            && let Some(value) = &mut value
        {
            value.truncate(value.len() / 2);
        }
        if self.flips.load(Ordering::SeqCst)
            && let Some(last) = value.as_mut().and_then(|value| value.last_mut())
        {
            *last ^= 1;
        }
        Ok(value)
    }
    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        self.check()?;
        self.memory.put(table, key, value)
    }
    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        self.check()?;
        self.memory.remove(table, key)
    }
    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        self.check()?;
        self.memory.for_each(table, &mut |key, value| -> ControlFlow<()> { visit(key, value) })
    }
    fn sync(&self) -> Result<(), BackendError> {
        self.check()
    }
    fn close(&self) -> Result<(), BackendError> {
        self.check()
    }
}

#[test]
fn a_store_that_fails_never_loses_a_computed_value() {
    let backend = Arc::new(Broken::default());
    backend.fails.store(true, Ordering::SeqCst);
    // Without the hot layer, so that every call depends on the store.
    let cache = Cache::builder().hot_bytes(0).live_sync(true).backend(backend.clone());
    let calls = Calls::default();
    let f = cache.wrap("f", |n: u32| {
        calls.one();
        n * 2
    });
    assert_eq!((f.call(1), f.call(1)), (2, 2));
    assert_eq!(calls.since(), 2);
    assert!(cache.stats().is_err() && cache.clear(None).is_err() && cache.sync().is_err());
    backend.fails.store(false, Ordering::SeqCst);
    assert_eq!((f.call(1), f.call(1)), (2, 2));
    assert_eq!(calls.since(), 1, "the store works again");
}

#[test]
fn a_torn_result_is_a_miss_and_is_replaced() {
    let backend = Arc::new(Broken::default());
    let cache = Cache::builder().hot_bytes(0).backend(backend.clone());
    let calls = Calls::default();
    let f = cache.wrap("f", |n: u32| {
        calls.one();
        "x".repeat(n as usize)
    });
    f.call(100);
    backend.tears.store(true, Ordering::SeqCst);
    assert_eq!(f.call(100).len(), 100);
    assert_eq!(calls.since(), 2);
    assert_eq!(cache.verify(false).unwrap().damaged, []);
}

#[test]
fn a_changed_result_is_never_returned() {
    let backend = Arc::new(Broken::default());
    let cache = Cache::builder().hot_bytes(0).backend(backend.clone());
    let f = cache.wrap("f", |n: u32| "x".repeat(n as usize));
    f.call(100);
    backend.flips.store(true, Ordering::SeqCst);
    assert_eq!(f.call(100), "x".repeat(100));
}

#[test]
fn verify_finds_what_is_damaged_and_repairs_it() {
    let backend = Arc::new(MemoryBackend::new());
    let cache = Cache::builder().hot_bytes(0).backend(backend.clone());
    let f = cache.wrap("f", |n: u32| vec![n; 10]);
    for n in 0..10 {
        f.call(n);
    }
    assert_eq!(cache.verify(false).unwrap().intact, 10);

    let key = |n: u32| f.key(&n).unwrap().0;
    let mut record = backend.get(Table::Results, &key(1)).unwrap().unwrap();
    *record.last_mut().unwrap() ^= 1;
    backend.put(Table::Results, &key(1), &record).unwrap();
    backend.put(Table::Entries, &key(2), b"nonsense").unwrap();
    backend.remove(Table::Entries, &key(3)).unwrap();
    backend.remove(Table::Results, &key(4)).unwrap();
    let mut damaged = vec![key(1), key(2)];
    let mut partial = vec![key(3), key(4)];
    damaged.sort();
    partial.sort();

    for repair in [false, true] {
        let found = cache.verify(repair).unwrap();
        assert_eq!((found.intact, &found.damaged, &found.partial), (6, &damaged, &partial));
    }
    let found = cache.verify(false).unwrap();
    assert!(found.is_clean() && found.intact == 6);
    assert_eq!(f.call(1), vec![1; 10]);
}

/// A database whose sessions fail while another writes to it.
struct Busy {
    engine: MemoryEngine,
    busy: Arc<AtomicBool>,
}

impl Engine for Busy {
    fn view(&self) -> Result<SharedView, EngineError> {
        self.engine.view()
    }
    fn generation(&self) -> u64 {
        self.engine.generation()
    }
    fn session(&self, patience: std::time::Duration) -> Result<Box<dyn Session + '_>, EngineError> {
        if self.busy.load(Ordering::SeqCst) {
            return Err(EngineError::Busy { holder: "another".into() });
        }
        self.engine.session(patience)
    }
}

#[test]
fn what_could_not_be_written_is_written_the_next_time() {
    let busy = Arc::new(AtomicBool::new(true));
    let backend = DatabaseBackend::new(Box::new(Busy { engine: MemoryEngine::new(), busy: busy.clone() }));
    let key = Digest::of(b"k");
    backend.put(Table::Results, &key, b"old").unwrap();
    assert!(backend.sync().is_err());
    backend.put(Table::Results, &key, b"new").unwrap();
    assert!(backend.sync().is_err());
    assert_eq!(backend.get(Table::Results, &key).unwrap().as_deref(), Some(&b"new"[..]));
    busy.store(false, Ordering::SeqCst);
    backend.sync().unwrap();
    assert_eq!(backend.get(Table::Results, &key).unwrap().as_deref(), Some(&b"new"[..]));
}
