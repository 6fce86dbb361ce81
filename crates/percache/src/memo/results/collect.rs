//! Removes results: those not used for some time, the least recently used above some size, and what belongs to no result.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::backend::{BackendError, Table};
use crate::base::digest::Digest;
use crate::memo::key::origin::Origin;
use crate::memo::results::attachments::Attachments;
use crate::memo::results::clock::{age, later};
use crate::memo::results::hot::DigestMap;
use crate::memo::results::record::{EntryRecord, Uses};
use crate::memo::results::room::{Next, Room};
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
        let now = self.clock.now();
        let mut uses: DigestMap<Uses> = DigestMap::default();
        self.backend.for_each(Table::Uses, &mut |key, bytes| {
            uses.insert(*key, Uses::from_bytes(bytes).unwrap_or_default());
            ControlFlow::Continue(())
        })?;
        let mut known = Vec::new();
        self.backend.for_each(Table::Entries, &mut |key, bytes| {
            // A record of another format still has a key, and can be removed.
            let entry = EntryRecord::from_bytes(bytes).unwrap_or_else(|_| EntryRecord::unknown());
            let Uses { last, hits } = uses.get(key).copied().unwrap_or_default();
            let uses = Uses { last: later(now, last, entry.created), hits };
            known.push(Known { key: *key, entry, uses });
            ControlFlow::Continue(())
        })?;
        Ok(known)
    }

    /// Removes what `rules` say, and what belongs to no result.
    pub fn collect(&self, rules: &Rules) -> Result<Removed, BackendError> {
        let now = self.clock.now();
        let before = self.room.as_ref().map(Room::before_count);
        let mut known = self.known()?;
        known.sort_by_key(|known| age(now, known.uses.last));
        let (mut kept, mut is_full) = (0u64, false);
        let (stay, go): (Vec<&Known>, Vec<&Known>) = known.iter().partition(|known| {
            let size = known.entry.size;
            let too_old = rules.maxage.is_some_and(|maxage| age(now, known.uses.last) >= maxage);
            // What is too large by itself takes nothing with it.
            let too_large = rules.max_size.is_some_and(|limit| size > limit);
            if too_old || too_large {
                return false;
            }
            is_full |= rules.max_size.is_some_and(|limit| kept.saturating_add(size) > limit);
            kept += if is_full { 0 } else { size };
            !is_full
        });
        let removed = Removed { results: go.len() as u64, bytes: go.iter().map(|known| known.entry.size).sum() };
        if !rules.dry_run {
            go.iter().try_for_each(|known| self.discard(&known.key))?;
            let stay: HashSet<Digest> = stay.iter().map(|known| known.key).collect();
            self.remove_orphans(Table::Uses, &stay)?;
            if let (Some(room), Some(before)) = (&self.room, before) {
                // Otherwise another process would count what is gone.
                self.backend.flush()?;
                room.counted(kept, before, now);
            }
        }
        Ok(removed)
    }

    /// Removes all results of the functions of this name; with an origin, of the one that has it.
    pub fn remove_function(&self, name: &str, origin: Option<&Origin>) -> Result<Removed, BackendError> {
        let mut removed = Removed::default();
        for known in self.known()?.iter().filter(|known| known.entry.is_of(name, origin)) {
            self.remove(&known.key)?;
            removed.results += 1;
            removed.bytes += known.entry.size;
        }
        Ok(removed)
    }

    /// Removes everything.
    pub fn remove_all(&self) -> Result<Removed, BackendError> {
        self.removed.store(true, Ordering::Relaxed);
        let removed = self.collect(&Rules { maxage: Some(Duration::ZERO), ..Rules::default() })?;
        self.remove_orphans(Table::Results, &HashSet::new())?;
        self.attachments.iter().for_each(Attachments::remove_all);
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

    /// Removes one result and all that is known of it, for other processes too once that is synced.
    pub fn remove(&self, key: &Digest) -> Result<(), BackendError> {
        self.removed.store(true, Ordering::Relaxed);
        self.discard(key)
    }

    /// Removes a result that others may go on using where they have it.
    fn discard(&self, key: &Digest) -> Result<(), BackendError> {
        self.hot.remove(key);
        self.attachments.iter().for_each(|attachments| attachments.remove(key));
        self.backend.remove_result(key)
    }

    /// Called after `added` bytes were stored: keeps a cache with a maximum size below it.
    pub fn make_room(&self, added: u64) -> Result<(), BackendError> {
        let Some(room) = &self.room else { return Ok(()) };
        self.keep_room(room, room.add(added, self.clock.now()))
    }

    /// Adds what was stored since the last time to what all processes have stored.
    pub fn say_size(&self) -> Result<(), BackendError> {
        match &self.room {
            Some(room) if room.has_news() => self.keep_room(room, Next::Say),
            _ => Ok(()),
        }
    }

    fn keep_room(&self, room: &Room, mut next: Next) -> Result<(), BackendError> {
        loop {
            next = match next {
                Next::Nothing => return Ok(()),
                Next::Say => {
                    // Whoever evicts must see what it is about.
                    self.backend.flush()?;
                    room.say(self.clock.now())
                }
                Next::Count => {
                    let before = room.before_count();
                    let bytes = self.known()?.iter().map(|known| known.entry.size).sum();
                    room.counted(bytes, before, self.clock.now())
                }
                Next::Evict => {
                    let Some(_turn) = room.turn() else { return Ok(()) };
                    return self.collect(&Rules { max_size: Some(room.goal()), ..Rules::default() }).map(|_| ());
                }
            };
        }
    }
}
