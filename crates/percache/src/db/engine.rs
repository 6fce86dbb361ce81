//! What percache asks of a database: pictures to read from, and short sessions to write in.
//!
//! There is one writer at a time, and it is brief: a session opens, writes, commits and closes. Readers take no lock and work beside
//! a writer. A commit is all or nothing. Implemented on RocksDB ([`crate::db::rocks`]) and in memory ([`crate::db::memory`]).
//! Knows nothing of what the keys and values mean.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// The name of the database's directory, in that of the store or the cache.
pub const DATABASE: &str = "db";

/// A family of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Column {
    /// Its name in the database.
    pub name: &'static str,
    /// Its values are contents, kept apart from the keys.
    pub large: bool,
    /// What is put goes to the disk in good time instead of with the commit, all columns of this kind together. What a session
    /// leaves behind without a commit is garbage that nothing names yet.
    pub early: bool,
}

/// Why the database could not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum EngineError {
    /// Another process is writing and did not finish in time.
    #[error("{holder} is writing to it")]
    Busy {
        /// Process id and command of the writer.
        holder: String,
    },
    /// What is stored is damaged.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// What leads to what is stored is damaged: much that is whole cannot be reached.
    #[error("it is damaged: {0}")]
    Astray(String),
    /// The directory can be read but not written.
    #[error("it cannot be written: {0}")]
    ReadOnly(String),
    /// The disk, its permissions or its space.
    #[error("{0}")]
    Io(String),
}

/// What [`View::scan`] calls for each key and value; it breaks to end the scan.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> ControlFlow<()> + 'a;

/// A picture of the database to read from.
pub trait View {
    /// Calls `found` with the value of `key`; whether there is one.
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError>;

    /// Calls `visit` for every key that starts with `prefix`, in order.
    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError>;

    /// The value of `key`.
    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        let mut value = None;
        self.read(column, key, &mut |bytes| value = Some(bytes.to_vec()))?;
        Ok(value)
    }

    /// Whether there is a value. Not for large columns, whose values it would read.
    fn contains(&self, column: Column, key: &[u8]) -> Result<bool, EngineError> {
        self.read(column, key, &mut |_| ())
    }
}

/// A picture that several threads read from.
pub type SharedView = Arc<dyn View + Send + Sync>;

/// The one writer. Dropped without a commit, it leaves what was there before.
///
/// Reading from it shows what was there when it began, not what it has put.
pub trait Session: View {
    /// Sets the value of `key`.
    fn put(&mut self, column: Column, key: &[u8], value: &[u8]) -> Result<(), EngineError>;

    /// Removes `key`.
    fn delete(&mut self, column: Column, key: &[u8]) -> Result<(), EngineError>;

    /// Makes everything put and deleted permanent and visible, together.
    fn commit(self: Box<Self>) -> Result<(), EngineError>;

    /// Commits, then gives the space of what is deleted back to the file system.
    fn commit_and_compact(self: Box<Self>) -> Result<(), EngineError>;
}

/// A database in a directory, or in memory.
pub trait Engine: Send + Sync {
    /// The newest committed state. Empty when nothing was ever written.
    fn view(&self) -> Result<SharedView, EngineError>;

    /// Has the next [`Engine::view`] look anew, although nothing was committed since: what the last one refers to may be gone, because
    /// another process gives space back.
    fn forget_view(&self) {}

    /// Shows `look` the newest committed state while nobody writes; waits at most `patience` for a writer to finish. Where nobody can be
    /// kept from writing, nobody is.
    fn undisturbed(
        &self,
        _patience: Duration,
        look: &mut dyn FnMut(&dyn View) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        look(&*self.view()?)
    }

    /// Grows with every commit of any process; cheap to ask.
    fn generation(&self) -> u64;

    /// Begins to write; waits at most `patience` for another writer to finish.
    fn session(&self, patience: Duration) -> Result<Box<dyn Session + '_>, EngineError>;

    /// The same, where little is to be written: that may cost less. What it reads may be a little old where another process was killed
    /// while it wrote.
    fn brief_session(&self, patience: Duration) -> Result<Box<dyn Session + '_>, EngineError> {
        self.session(patience)
    }

    /// Called in a child of the process that made this, after a `fork`: the same database for the child. `None`: the
    /// child can use this one.
    fn after_fork(&self) -> Option<Box<dyn Engine>> {
        None
    }

    /// How many commits there are at the least that damage has taken away, and that nothing else tells of.
    fn lost(&self) -> Result<usize, EngineError> {
        Ok(0)
    }
}
