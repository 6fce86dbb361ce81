//! Writing behind, for a back-end that writes at once: whoever puts a result does not wait for the file system.
//!
//! What is put and removed collects in memory, can be found there, and is written by a thread within a second. So a
//! process that is killed loses the last second, as it does with a database.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::overlay::{Change, Changes, unwritten};
use super::{Backend, BackendError, Table, Visit};
use crate::base::digest::Digest;
use crate::db::engine::EngineError;
use crate::db::write_behind::{AfterFailure, Limits, Sink, WriteBehind};

/// When changes are written.
const LIMITS: Limits = Limits { enough: 16 << 20, too_much: 128 << 20, oldest: Duration::from_secs(1) };

/// A back-end whose changes are written behind.
pub struct Behind {
    changes: WriteBehind<Inner>,
}

struct Inner(Arc<dyn Backend>);

impl fmt::Debug for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Behind")
    }
}

impl Behind {
    /// Has `backend` write behind.
    pub fn new(backend: impl Backend + 'static) -> Behind {
        Behind::on(Arc::new(backend))
    }

    fn on(backend: Arc<dyn Backend>) -> Behind {
        Behind { changes: WriteBehind::new(Inner(backend), LIMITS) }
    }

    fn inner(&self) -> &dyn Backend {
        &*self.changes.sink().0
    }

    fn add(&self, changes: &[(Table, Option<&[u8]>)], key: &Digest) -> Result<(), BackendError> {
        // Made before anything is locked.
        let changes: Vec<(Table, Change)> =
            changes.iter().map(|(table, value)| (*table, value.map(Arc::from))).collect();
        Ok(self.changes.add(|all| changes.into_iter().for_each(|(table, change)| all.add(table, *key, change)))?)
    }
}

/// What becomes of one key.
#[derive(Default)]
struct OfKey<'a> {
    tables: HashMap<Table, &'a Change>,
}

impl OfKey<'_> {
    fn write(&self, key: &Digest, to: &dyn Backend) -> Result<(), BackendError> {
        let change = |table| self.tables.get(&table).map(|change| change.as_deref());
        match (change(Table::Entries), change(Table::Results), change(Table::Uses)) {
            (Some(None), Some(None), Some(None)) => to.remove_result(key),
            (Some(Some(entry)), Some(Some(result)), uses) => {
                to.put_result(key, entry, result)?;
                uses.map_or(Ok(()), |uses| write_one(Table::Uses, key, uses, to))
            }
            _ => self.tables.iter().try_for_each(|(table, change)| write_one(*table, key, change.as_deref(), to)),
        }
    }
}

fn write_one(table: Table, key: &Digest, value: Option<&[u8]>, to: &dyn Backend) -> Result<(), BackendError> {
    match value {
        Some(value) => to.put(table, key, value),
        None => to.remove(table, key),
    }
}

impl Inner {
    /// Writes all that can be written. Returns the keys that were, and the first error.
    fn write_each(&self, changes: &Changes) -> (HashSet<Digest>, Result<(), BackendError>) {
        let mut by_key: HashMap<Digest, OfKey<'_>> = HashMap::new();
        for ((table, key), change) in changes.all() {
            by_key.entry(*key).or_default().tables.insert(*table, change);
        }
        let (mut written, mut outcome) = (HashSet::new(), Ok(()));
        for (key, of_key) in &by_key {
            match of_key.write(key, &*self.0) {
                Ok(()) => drop(written.insert(*key)),
                Err(error) => outcome = outcome.and(Err(error)),
            }
        }
        (written, outcome)
    }
}

impl Sink for Inner {
    type Batch = Changes;

    fn write(&self, changes: &Changes) -> Result<(), EngineError> {
        self.write_each(changes).1.map_err(|error| EngineError::Io(error.to_string()))
    }

    /// What does not fit today may fit tomorrow, and is not lost until then.
    fn after_failure(&self, changes: &Changes, _: &EngineError) -> AfterFailure<Changes> {
        let (written, _) = self.write_each(changes);
        AfterFailure::TryAgain { rest: changes.but(|key| written.contains(key)), merge: Changes::merge }
    }
}

impl Backend for Behind {
    fn get(&self, table: Table, key: &Digest) -> Result<Option<Vec<u8>>, BackendError> {
        match self.changes.find(|changes| changes.get(table, key).cloned()) {
            Some(change) => Ok(change.map(|value| value.to_vec())),
            None => self.inner().get(table, key),
        }
    }

    fn put(&self, table: Table, key: &Digest, value: &[u8]) -> Result<(), BackendError> {
        self.add(&[(table, Some(value))], key)
    }

    fn remove(&self, table: Table, key: &Digest) -> Result<(), BackendError> {
        self.add(&[(table, None)], key)
    }

    fn put_result(&self, key: &Digest, entry: &[u8], result: &[u8]) -> Result<(), BackendError> {
        self.add(&[(Table::Entries, Some(entry)), (Table::Results, Some(result))], key)
    }

    fn remove_result(&self, key: &Digest) -> Result<(), BackendError> {
        self.add(&Table::ALL.map(|table| (table, None)), key)
    }

    fn for_each(&self, table: Table, visit: &mut Visit<'_>) -> Result<(), BackendError> {
        // First: what is written in between is then seen here and skipped there.
        let changes = unwritten(&self.changes, table);
        let mut ended = ControlFlow::Continue(());
        self.inner().for_each(table, &mut |key, value| {
            if !changes.contains_key(key) {
                ended = visit(key, value);
            }
            ended
        })?;
        for (key, change) in &changes {
            if ended.is_break() {
                break;
            }
            if let Some(value) = change {
                ended = visit(key, value);
            }
        }
        Ok(())
    }

    fn refresh(&self) {
        self.inner().refresh();
    }

    fn flush(&self) -> Result<(), BackendError> {
        self.changes.flush()?;
        self.inner().flush()
    }

    fn sync(&self) -> Result<(), BackendError> {
        self.changes.flush()?;
        self.inner().sync()
    }

    fn close(&self) -> Result<(), BackendError> {
        let written = self.changes.close();
        self.inner().close()?;
        Ok(written?)
    }

    fn after_fork(&self) -> Option<Box<dyn Backend>> {
        // What waits to be written is the parent's to write.
        let inner = &self.changes.sink().0;
        Some(Box::new(Behind::on(inner.after_fork().map_or_else(|| inner.clone(), Arc::from))))
    }
}
