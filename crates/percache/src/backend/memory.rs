//! A back-end in memory: for tests, and for results that need not outlive the process.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{PoisonError, RwLock, TryLockError};

use super::{Backend, BackendError, Table, Visit};
use crate::base::digest::Digest;

/// Keeps everything in memory. `sync` and `close` have nothing to do.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    tables: RwLock<HashMap<(Table, Digest), Vec<u8>>>,
}

impl MemoryBackend {
    /// An empty one.
    pub fn new() -> MemoryBackend {
        MemoryBackend::default()
    }
}

impl Backend for MemoryBackend {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.get(&(table, *key)).cloned())
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.insert((table, *key), value.to_vec());
        Ok(())
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        tables.remove(&(table, *key));
        Ok(())
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        for ((of, key), value) in tables.iter() {
            if *of == table && visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn close(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn after_fork(&self) -> Option<Box<dyn Backend>> {
        // Unless another thread of the parent was just using it.
        match self.tables.try_write() {
            Err(TryLockError::WouldBlock) => Some(Box::new(MemoryBackend::new())),
            _ => None,
        }
    }
}
