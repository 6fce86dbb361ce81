//! Removes results: those not used for some time, the least recently used above some size, and what belongs to no result.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::PoisonError;
use std::time::Duration;

use crate::backend::{BackendError, Table};
use crate::digest::Digest;
use crate::memo::clock::age;
use crate::memo::hot::DigestMap;
use crate::memo::record::{EntryRecord, Uses};
use crate::memo::shared::Shared;

/// Which results have to go. By default none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rules {
    /// Those that were neither written nor read for this long.
    pub maxage: Option<Duration>,
    /// The least recently used, until the others take no more than so many bytes.
    pub max_size: Option<u64>,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Number of results.
    pub results: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A result as `collect` and `stats` see it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its key.
    pub key: Digest,
    /// What is known of it.
    pub entry: EntryRecord,
    /// Last use (written or read) and hits.
    pub uses: Uses,
}

impl Shared {
    /// Everything that is known of all results.
    pub fn known(&self) -> Result<Vec<Known>, BackendError> {
        self.write_uses();
        let mut uses: DigestMap<Uses> = DigestMap::default();
        self.backend.for_each(Table::Uses, &mut |key, bytes| {
            uses.insert(*key, Uses::from_bytes(bytes).unwrap_or_default());
            ControlFlow::Continue(())
        })?;
        let mut known = Vec::new();
        self.backend.for_each(Table::Entries, &mut |key, bytes| {
            // A record of another format still has a key, and can be removed.
            let entry = EntryRecord::from_bytes(bytes).unwrap_or_else(|_| EntryRecord::unknown());
            let uses = uses.get(key).copied().unwrap_or_default().and(Uses { last: entry.created, hits: 0 });
            known.push(Known { key: *key, entry, uses });
            ControlFlow::Continue(())
        })?;
        Ok(known)
    }

    /// Removes what `rules` say, and what belongs to no result.
    pub fn collect(&self, rules: &Rules) -> Result<Removed, BackendError> {
        let now = self.clock.now();
        let mut known = self.known()?;
        known.sort_by_key(|known| std::cmp::Reverse(known.uses.last));
        let mut kept = 0u64;
        let (stay, go): (Vec<&Known>, Vec<&Known>) = known.iter().partition(|known| {
            let too_old = rules.maxage.is_some_and(|maxage| age(now, known.uses.last) >= maxage);
            let too_much = rules.max_size.is_some_and(|limit| kept.saturating_add(known.entry.size) > limit);
            let stays = !too_old && !too_much;
            kept += if stays { known.entry.size } else { 0 };
            stays
        });
        let removed = Removed { results: go.len() as u64, bytes: go.iter().map(|known| known.entry.size).sum() };
        if !rules.dry_run {
            go.iter().try_for_each(|known| self.remove(&known.key))?;
            let stay: HashSet<Digest> = stay.iter().map(|known| known.key).collect();
            self.remove_orphans(Table::Uses, &stay)?;
            *self.size.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        }
        Ok(removed)
    }

    /// Removes all results of one function.
    pub fn remove_function(&self, name: &str) -> Result<Removed, BackendError> {
        let mut removed = Removed::default();
        for known in self.known()?.iter().filter(|known| known.entry.name == name) {
            self.remove(&known.key)?;
            removed.results += 1;
            removed.bytes += known.entry.size;
        }
        if let Some(size) = &mut *self.size.lock().unwrap_or_else(PoisonError::into_inner) {
            *size = size.saturating_sub(removed.bytes);
        }
        Ok(removed)
    }

    /// Removes everything.
    pub fn remove_all(&self) -> Result<Removed, BackendError> {
        let removed = self.collect(&Rules { maxage: Some(Duration::ZERO), ..Rules::default() })?;
        self.remove_orphans(Table::Results, &HashSet::new())?;
        self.hot.clear();
        Ok(removed)
    }

    /// Removes what `table` has under other keys than these.
    pub fn remove_orphans(&self, table: Table, owners: &HashSet<Digest>) -> Result<u64, BackendError> {
        let mut orphans = Vec::new();
        self.backend.for_each(table, &mut |key, _| {
            if !owners.contains(key) {
                orphans.push(*key);
            }
            ControlFlow::Continue(())
        })?;
        orphans.iter().try_for_each(|key| self.backend.remove(table, key))?;
        Ok(orphans.len() as u64)
    }

    /// Removes one result and all that is known of it.
    pub fn remove(&self, key: &Digest) -> Result<(), BackendError> {
        self.hot.remove(key);
        Table::ALL.iter().try_for_each(|table| self.backend.remove(*table, key))
    }

    /// Called after `added` bytes were stored: keeps a cache with a maximum size below it.
    pub fn make_room(&self, added: u64) -> Result<(), BackendError> {
        let Some(limit) = self.max_size else { return Ok(()) };
        let now = {
            let mut size = self.size.lock().unwrap_or_else(PoisonError::into_inner);
            let now = match *size {
                Some(before) => before.saturating_add(added),
                None => self.known()?.iter().map(|known| known.entry.size).sum(),
            };
            *size = Some(now);
            now
        };
        if now > limit {
            // A tenth more than necessary, so that the next result does not have to do it again.
            self.collect(&Rules { max_size: Some(limit - limit / 10), ..Rules::default() })?;
        }
        Ok(())
    }
}
