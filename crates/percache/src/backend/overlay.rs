//! What was put or removed and is not in the database yet. Knows no database.

use std::collections::HashMap;
use std::sync::Arc;

use super::Table;
use crate::base::digest::Digest;

/// Bytes of a value, or that it is removed.
pub type Change = Option<Arc<[u8]>>;
/// Changes by table and key.
pub type Changes = HashMap<(Table, Digest), Change>;

/// Roughly what a change takes beside its value.
const OVERHEAD: usize = 96;

/// The changes that wait, and those that are being written.
#[derive(Default)]
pub struct Overlay {
    waiting: Changes,
    writing: Arc<Changes>,
    bytes: usize,
}

impl Overlay {
    /// What is known here of `key`: nothing, that it is removed, or its bytes.
    pub fn get(&self, table: Table, key: &Digest) -> Option<&Change> {
        let key = (table, *key);
        self.waiting.get(&key).or_else(|| self.writing.get(&key))
    }

    /// Adds a change.
    pub fn add(&mut self, table: Table, key: Digest, change: Change) {
        self.bytes += OVERHEAD + change.as_ref().map_or(0, |value| value.len());
        self.waiting.insert((table, key), change);
    }

    /// Whether nothing is known here.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.writing.is_empty()
    }

    /// Bytes that wait; an overwritten value counts until they are written.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All changes to one table.
    pub fn of_table(&self, table: Table) -> HashMap<Digest, Change> {
        let both = self.writing.iter().chain(&self.waiting);
        both.filter(|((of, _), _)| *of == table).map(|((_, key), change)| (*key, change.clone())).collect()
    }

    /// Takes what waits, to be written; it stays visible until [`Overlay::written`] or [`Overlay::failed`].
    pub fn take(&mut self) -> Arc<Changes> {
        self.writing = Arc::new(std::mem::take(&mut self.waiting));
        self.bytes = 0;
        self.writing.clone()
    }

    /// What was taken is in the database.
    pub fn written(&mut self) {
        self.writing = Arc::default();
    }

    /// What was taken is not in the database but for these `written` keys: it waits again, unless that would be more
    /// than `limit` bytes. Says whether it does.
    pub fn failed(&mut self, limit: usize, written: impl Fn(&Digest) -> bool) -> bool {
        let changes = std::mem::take(&mut self.writing);
        let failed = || changes.iter().filter(|((_, key), _)| !written(key));
        let size = |change: &Change| OVERHEAD + change.as_ref().map_or(0, |value| value.len());
        let total: usize = failed().map(|(_, change)| size(change)).sum();
        if self.bytes + total > limit {
            return false;
        }
        for (key, change) in failed() {
            self.waiting.entry(*key).or_insert_with(|| change.clone());
        }
        self.bytes += total;
        true
    }
}
