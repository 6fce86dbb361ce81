//! The database in memory: for tests, and for caches that need not outlive the process.
//!
//! Knows nothing of files.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::db::engine::{Column, Engine, EngineError, Session, SharedView, View, Visit};

type Table = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Clone, Default)]
struct Tables(HashMap<&'static str, Table>);

/// A database in memory.
#[derive(Default)]
pub struct MemoryEngine {
    committed: Mutex<(u64, Arc<Tables>)>,
    writing: Mutex<()>,
}

impl MemoryEngine {
    /// An empty one.
    pub fn new() -> MemoryEngine {
        MemoryEngine::default()
    }

    fn committed(&self) -> MutexGuard<'_, (u64, Arc<Tables>)> {
        self.committed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A view of a database in which nothing was ever written.
pub fn empty_view() -> impl View + Send + Sync {
    Tables::default()
}

impl Engine for MemoryEngine {
    fn view(&self) -> Result<SharedView, EngineError> {
        let tables: Arc<Tables> = self.committed().1.clone();
        Ok(tables)
    }

    fn generation(&self) -> u64 {
        self.committed().0
    }

    fn session(&self, _patience: Duration) -> Result<Box<dyn Session + '_>, EngineError> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.committed().1.clone();
        Ok(Box::new(MemorySession { engine: self, after: Tables::clone(&before), before, _writing: writing }))
    }
}

impl View for Tables {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        let value = self.0.get(column.name).and_then(|table| table.get(key));
        if let Some(value) = value {
            found(value);
        }
        Ok(value.is_some())
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        let Some(table) = self.0.get(column.name) else { return Ok(()) };
        for (key, value) in table.range(prefix.to_vec()..) {
            if !key.starts_with(prefix) || visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }
}

struct MemorySession<'a> {
    engine: &'a MemoryEngine,
    before: Arc<Tables>,
    after: Tables,
    _writing: MutexGuard<'a, ()>,
}

impl View for MemorySession<'_> {
    fn read(&self, column: Column, key: &[u8], found: &mut dyn FnMut(&[u8])) -> Result<bool, EngineError> {
        self.before.read(column, key, found)
    }

    fn scan(&self, column: Column, prefix: &[u8], visit: &mut Visit<'_>) -> Result<(), EngineError> {
        self.before.scan(column, prefix, visit)
    }
}

impl Session for MemorySession<'_> {
    fn put(&mut self, column: Column, key: &[u8], value: &[u8]) -> Result<(), EngineError> {
        self.after.0.entry(column.name).or_default().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn delete(&mut self, column: Column, key: &[u8]) -> Result<(), EngineError> {
        self.after.0.entry(column.name).or_default().remove(key);
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), EngineError> {
        let mut committed = self.engine.committed();
        *committed = (committed.0 + 1, Arc::new(self.after));
        Ok(())
    }

    fn commit_and_compact(self: Box<Self>) -> Result<(), EngineError> {
        self.commit()
    }
}
