//! A Python mapping as a back-end: `dict`-like objects, `shelve`, and whatever else has `sync` and `close`.
//!
//! The Python half wraps the mapping: it makes text of keys, and lets one thread at a time use it, since few mappings
//! are made for more. The core calls from threads that do not hold the interpreter's lock.

use std::ops::ControlFlow;

use percache::backend::{Table, Visit};
use percache::{Backend, BackendError, Digest};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A mapping, as `percache._mapping.Mapping` wraps it.
pub struct MappingBackend {
    mapping: Py<PyAny>,
}

impl MappingBackend {
    /// Takes the wrapped mapping.
    pub fn new(mapping: Py<PyAny>) -> MappingBackend {
        MappingBackend { mapping }
    }

    fn with<T>(&self, ask: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T, BackendError> {
        let answer = Python::try_attach(|py| ask(self.mapping.bind(py)).map_err(|error| error.to_string()));
        // At the very end of the interpreter nothing of it can be used any more.
        answer.unwrap_or_else(|| Err("Python has ended".into())).map_err(BackendError::new)
    }
}

impl Backend for MappingBackend {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        self.with(|mapping| mapping.call_method1("get", (table.name(), key.to_string()))?.extract())
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        self.with(|mapping| {
            let value = PyBytes::new(mapping.py(), value);
            mapping.call_method1("put", (table.name(), key.to_string(), value)).map(drop)
        })
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        self.with(|mapping| mapping.call_method1("remove", (table.name(), key.to_string())).map(drop))
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        let keys: Vec<String> = self.with(|mapping| mapping.call_method1("keys", (table.name(),))?.extract())?;
        for key in keys.iter().filter_map(|key| key.parse().ok()) {
            // It may have gone meanwhile.
            let Some(value) = self.get(table, &key)? else { continue };
            if visit(&key, &value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    /// Other processes have no part in a mapping.
    fn flush(&self) -> Result<(), BackendError> {
        Ok(())
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.with(|mapping| mapping.call_method0("sync").map(drop))
    }

    fn close(&self) -> Result<(), BackendError> {
        self.with(|mapping| mapping.call_method0("close").map(drop))
    }
}
