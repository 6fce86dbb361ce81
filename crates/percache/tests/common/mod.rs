//! What the tests share: a cache on disk, a clock that they set, and functions that count their calls.
#![allow(dead_code, reason = "each test uses a part of it")]

pub mod counted;
pub mod patience;
pub mod tasks;
pub mod workers;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use percache::{Cache, CacheBuilder};

/// How a cache is opened in a directory.
pub type Open = fn(CacheBuilder, &Path) -> Cache;

/// All ways to keep results on disk.
#[cfg(feature = "rocksdb")]
pub const ON_DISK: [(&str, Open); 2] = [("rocksdb", open_database), ("files", open_files)];
#[cfg(not(feature = "rocksdb"))]
pub const ON_DISK: [(&str, Open); 1] = [("files", open_files)];

/// Has the caches of a test, and of the processes that it starts, kept in files.
pub const IN_FILES: &str = "PERCACHE_TEST_IN_FILES";

/// A cache on disk: on RocksDB if it is there, else or when [`IN_FILES`] is set, in files.
pub fn open(dir: &Path) -> Cache {
    open_with(Cache::builder(), dir)
}

pub fn open_with(builder: CacheBuilder, dir: &Path) -> Cache {
    let kind = if std::env::var_os(IN_FILES).is_some() { ON_DISK.len() - 1 } else { 0 };
    ON_DISK[kind].1(builder, dir)
}

#[cfg(feature = "rocksdb")]
fn open_database(builder: CacheBuilder, dir: &Path) -> Cache {
    builder.open(dir).unwrap()
}

fn open_files(builder: CacheBuilder, dir: &Path) -> Cache {
    builder.open_files(dir).unwrap()
}

/// A clock that stands still until it is told to go on.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn pass(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::SeqCst);
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
