//! Where a memo cache keeps its results: the [`Backend`] trait, and the back-ends that come with percache.
//!
//! A back-end is a few small tables from digests to bytes. It knows nothing of what it holds.

pub mod behind;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod database;
pub mod files;
pub mod memory;
mod overlay;

use std::ops::ControlFlow;

use crate::base::digest::Digest;

pub use behind::Behind;
pub use database::DatabaseBackend;
pub use files::FileBackend;
pub use memory::MemoryBackend;

/// A table of a back-end. All three have digests as keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// The results: from a few bytes to many megabytes each.
    Results,
    /// What is known about each result: below a hundred bytes or so.
    Entries,
    /// When each result was last used: 17 bytes.
    Uses,
}

impl Table {
    /// All tables.
    pub const ALL: [Table; 3] = [Table::Results, Table::Entries, Table::Uses];

    /// A short name in lower case, for directories and the like.
    pub fn name(self) -> &'static str {
        match self {
            Table::Results => "results",
            Table::Entries => "entries",
            Table::Uses => "uses",
        }
    }
}

/// Why a back-end could not do what was asked: the error of whatever it is made of.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BackendError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl BackendError {
    /// Wraps an error.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BackendError {
        BackendError(error.into())
    }
}

impl From<std::io::Error> for BackendError {
    fn from(error: std::io::Error) -> BackendError {
        BackendError::new(error)
    }
}

/// What [`Backend::for_each`] calls; it breaks to end the iteration.
pub type Visit<'a> = dyn FnMut(&Digest, &[u8]) -> ControlFlow<()> + 'a;

/// Keeps bytes under digests.
///
/// What must hold, and what `backend::conformance` (feature `conformance`) checks:
///
/// - `get` after `put` gives the bytes that were put, in this process at once. It never gives part of them: what a crash left half
///   written is not there.
/// - `put` and `remove` may be kept back until `sync` or `close` returns; from then on they are permanent, and visible to other
///   processes that share the storage.
/// - After `close`, the storage is released. It is called once, at the end, and includes what `sync` does.
/// - All methods may be called from many threads at the same time.
/// - An error loses nothing but what it is about: percache logs it, and gives its caller the result that was computed.
pub trait Backend: Send + Sync {
    /// The bytes of `key`.
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError>;

    /// Sets the bytes of `key`.
    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError>;

    /// Removes `key`; that it is not there is no error.
    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError>;

    /// Sets a result and what is known of it. A back-end that keeps both in one place can do so in one step.
    fn put_result(&self, key: &Digest, entry: &[u8], result: &[u8]) -> Result<(), BackendError> {
        // The entry first: a result without one would never be collected.
        self.put(Table::Entries, key, entry)?;
        self.put(Table::Results, key, result)
    }

    /// Removes `key` from all tables.
    fn remove_result(&self, key: &Digest) -> Result<(), BackendError> {
        Table::ALL.iter().try_for_each(|table| self.remove(*table, key))
    }

    /// Calls `visit` for every key, in any order. `visit` does not call the back-end.
    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError>;

    /// Forgets what is remembered of the storage: other processes have removed something.
    fn refresh(&self) {}

    /// Makes everything visible to other processes. It need not survive a power failure.
    fn flush(&self) -> Result<(), BackendError> {
        self.sync()
    }

    /// Makes everything permanent.
    fn sync(&self) -> Result<(), BackendError>;

    /// Makes everything permanent and lets go of the storage.
    fn close(&self) -> Result<(), BackendError>;

    /// Called in a child of the process that made this, after a `fork`: returns what the child is to use instead,
    /// with nothing in it that waits to be written. Only the thread that forked goes on in the child; a lock that
    /// another one held stays locked, and must not be waited for. `None`: the child can use this one.
    fn after_fork(&self) -> Option<Box<dyn Backend>> {
        None
    }
}

impl<B: Backend + ?Sized> Backend for std::sync::Arc<B> {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        (**self).get(table, key)
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        (**self).put(table, key, value)
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        (**self).remove(table, key)
    }

    fn put_result(&self, key: &Digest, entry: &[u8], result: &[u8]) -> Result<(), BackendError> {
        (**self).put_result(key, entry, result)
    }

    fn remove_result(&self, key: &Digest) -> Result<(), BackendError> {
        (**self).remove_result(key)
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        (**self).for_each(table, visit)
    }

    fn refresh(&self) {
        (**self).refresh();
    }

    fn flush(&self) -> Result<(), BackendError> {
        (**self).flush()
    }

    fn sync(&self) -> Result<(), BackendError> {
        (**self).sync()
    }

    fn close(&self) -> Result<(), BackendError> {
        (**self).close()
    }

    fn after_fork(&self) -> Option<Box<dyn Backend>> {
        (**self).after_fork()
    }
}
