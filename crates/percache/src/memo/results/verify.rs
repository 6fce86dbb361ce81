//! Checks every record of a cache.

use std::collections::HashSet;
use std::ops::ControlFlow;

use crate::backend::{BackendError, Table};
use crate::base::digest::Digest;
use crate::memo::results::record::{self, EntryRecord};
use crate::memo::shared::Shared;

/// What [`Cache::verify`](crate::Cache::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Number of results that were read and are as they were stored.
    pub intact: u64,
    /// Keys of results whose bytes are not those that were stored, or whose description cannot be read.
    pub damaged: Vec<Digest>,
    /// Keys of descriptions without a result, and of results without a description: traces of a process that was killed.
    pub partial: Vec<Digest>,
}

impl Verified {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damaged.is_empty() && self.partial.is_empty()
    }
}

impl Shared {
    /// Reads everything and checks it; with `repair`, removes what is wrong.
    pub fn verify(&self, repair: bool) -> Result<Verified, BackendError> {
        let mut found = Verified::default();
        let mut described: HashSet<Digest> = HashSet::new();
        let mut damaged: HashSet<Digest> = HashSet::new();
        self.backend.for_each(Table::Entries, &mut |key, bytes| {
            described.insert(*key);
            if EntryRecord::from_bytes(bytes).is_err() {
                damaged.insert(*key);
            }
            ControlFlow::Continue(())
        })?;
        self.backend.for_each(Table::Results, &mut |key, bytes| {
            if !described.remove(key) {
                found.partial.push(*key);
            } else if !record::is_intact(bytes) {
                damaged.insert(*key);
            } else if !damaged.contains(key) {
                found.intact += 1;
            }
            ControlFlow::Continue(())
        })?;
        found.partial.extend(described.difference(&damaged));
        found.damaged.extend(damaged);
        found.partial.sort_unstable();
        found.damaged.sort_unstable();
        if repair {
            found.damaged.iter().chain(&found.partial).try_for_each(|key| self.remove(key))?;
            if !found.is_clean() {
                self.sync_backend()?;
            }
        }
        Ok(found)
    }
}
