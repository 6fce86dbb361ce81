//! What the tests share: a cache on disk, a clock that they set, and functions that count their calls.
#![allow(dead_code)]

#[path = "../../examples/file_backend.rs"]
pub mod file_backend;
pub mod tasks;
pub mod workers;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percache::{Cache, CacheBuilder};

/// A cache on disk: on RocksDB, or without it on the back-end of the examples.
pub fn open(dir: &Path) -> Cache {
    open_with(Cache::builder(), dir)
}

#[cfg(feature = "rocksdb")]
pub fn open_with(builder: CacheBuilder, dir: &Path) -> Cache {
    builder.open(dir).unwrap()
}

#[cfg(not(feature = "rocksdb"))]
pub fn open_with(builder: CacheBuilder, dir: &Path) -> Cache {
    let backend = file_backend::FileBackend::open(dir).unwrap();
    builder.claims(dir.join("claims")).backend(backend)
}

/// A clock that stands still until it is told to go on.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn builder(&self) -> CacheBuilder {
        let seconds = self.0.clone();
        Cache::builder().clock(move || -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds.load(Ordering::SeqCst))
        })
    }
}

/// Counts calls.
#[derive(Clone, Default)]
pub struct Calls(Arc<AtomicU64>);

impl Calls {
    pub fn one(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// The calls since this was last asked.
    pub fn since(&self) -> u64 {
        self.0.swap(0, Ordering::SeqCst)
    }
}
