//! What was put or removed and is not in the database yet. Knows no database.

use std::collections::HashMap;
use std::sync::Arc;

use super::Table;
use crate::base::digest::Digest;
use crate::db::write_behind::{Batch, Sink, WriteBehind};

/// Bytes of a value, or that it is removed.
pub type Change = Option<Arc<[u8]>>;

/// Roughly what a change takes beside its value.
const OVERHEAD: usize = 96;

/// Changes by table and key.
#[derive(Debug, Default)]
pub struct Changes {
    by_place: HashMap<(Table, Digest), Change>,
    bytes: usize,
}

impl Batch for Changes {
    fn is_empty(&self) -> bool {
        self.by_place.is_empty()
    }

    /// An overwritten value counts until it is written.
    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Changes {
    /// What is known here of `key`: nothing, that it is removed, or its bytes.
    pub fn get(&self, table: Table, key: &Digest) -> Option<&Change> {
        self.by_place.get(&(table, *key))
    }

    /// Adds a change.
    pub fn add(&mut self, table: Table, key: Digest, change: Change) {
        self.bytes += OVERHEAD + change.as_ref().map_or(0, |value| value.len());
        self.by_place.insert((table, key), change);
    }

    /// Adds later changes.
    pub fn merge(&mut self, later: Changes) {
        self.bytes += later.bytes;
        self.by_place.extend(later.by_place);
    }

    /// All changes.
    pub fn all(&self) -> impl Iterator<Item = (&(Table, Digest), &Change)> {
        self.by_place.iter()
    }

    /// The changes to other keys than these.
    pub fn but(&self, is_done: impl Fn(&Digest) -> bool) -> Changes {
        let mut rest = Changes::default();
        for ((table, key), change) in self.all().filter(|((_, key), _)| !is_done(key)) {
            rest.add(*table, *key, change.clone());
        }
        rest
    }
}

/// Returns what is not written yet of one table.
pub fn unwritten<S: Sink<Batch = Changes>>(behind: &WriteBehind<S>, table: Table) -> HashMap<Digest, Change> {
    let mut unwritten = HashMap::new();
    let mut note = |changes: &Changes| {
        for ((_, key), change) in changes.all().filter(|((of, _), _)| *of == table) {
            // The newest comes first.
            unwritten.entry(*key).or_insert_with(|| change.clone());
        }
        None::<()>
    };
    behind.find(&mut note);
    unwritten
}
