//! What takes the place of `Cache::open` in a percache without RocksDB: only a program that calls it does not compile,
//! and the compiler says what to do instead.

use crate::memo::builder::CacheBuilder;
use crate::memo::cache::{Cache, Error};

/// Implemented by nothing.
///
/// ```compile_fail,E0277
/// percache::Cache::open("results.cache");
/// ```
#[diagnostic::on_unimplemented(
    message = "`Cache::open` keeps results in RocksDB, and this percache is built without its feature `rocksdb`",
    label = "there is no database to open here",
    note = "use `Cache::open_files`, which keeps each result in a file and needs no C++ compiler",
    note = "or enable the feature `rocksdb` of percache (it is on by default)"
)]
pub trait OpenedByRocksDb {
    #[doc(hidden)]
    fn opened(self) -> Result<Cache, Error>;
}

impl Cache {
    /// Needs the feature `rocksdb`, which is off: [`Cache::open_files`] is there without it.
    pub fn open<P: OpenedByRocksDb>(path: P) -> Result<Cache, Error> {
        Cache::builder().open(path)
    }
}

impl CacheBuilder {
    /// Needs the feature `rocksdb`, which is off: [`CacheBuilder::open_files`] is there without it.
    pub fn open<P: OpenedByRocksDb>(self, path: P) -> Result<Cache, Error> {
        path.opened()
    }
}
