//! The results used most recently, in memory: a sharded map that never holds more than so many bytes.
//!
//! What makes room is chosen by CLOCK, the approximation of "least recently used" that needs no list to be rearranged at a hit
//! (Corbató, "A Paging Experiment with the Multics System", 1968): entries form a ring; the hand passes over an entry that was used
//! since it last came by, and takes one that was not. Each entry also counts its own hits, so that a hit touches nothing else.
//! Knows records, not what they mean.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::memo::results::record::Uses;

const SHARDS: usize = 32;
/// Uses that a shard notes before it sums them up.
const MANY_NOTED: usize = 1 << 10;
/// What an entry takes beside its record, roughly.
const OVERHEAD: usize = 160;

/// A record that was checked, shared without copying.
pub type SharedRecord = Arc<Vec<u8>>;

/// A digest is as good a hash as any: its first bytes are taken as they are.
#[derive(Default)]
pub struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // The length that precedes an array's bytes is shorter than a digest.
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _: usize) {}
}

/// A map by digest.
pub type DigestMap<V> = HashMap<Digest, V, BuildHasherDefault<DigestHasher>>;

struct Entry {
    record: SharedRecord,
    used: bool,
    /// Not yet handed out by [`Hot::take_uses`].
    uses: Uses,
}

#[derive(Default)]
struct Shard {
    entries: DigestMap<Entry>,
    ring: VecDeque<Digest>,
    /// Of entries that had to go, and of what was never held.
    uses: DigestMap<Uses>,
    /// Uses that are not in `uses` yet: appending is faster than looking up.
    noted: Vec<(Digest, Uses)>,
}

/// The layer in memory.
pub struct Hot {
    shards: [Mutex<Shard>; SHARDS],
    bytes: AtomicUsize,
    /// Which shard makes room next.
    hand: AtomicUsize,
    /// Bytes that all shards together may hold.
    limit: usize,
}

impl Hot {
    /// Holds up to about `bytes`; with 0, nothing.
    pub fn new(bytes: usize) -> Hot {
        Hot {
            shards: std::array::from_fn(|_| Mutex::default()),
            bytes: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
            limit: bytes,
        }
    }

    /// An empty one of the same size.
    pub fn renewed(&self) -> Hot {
        Hot::new(self.limit)
    }

    fn shard(&self, key: &Digest) -> MutexGuard<'_, Shard> {
        lock(&self.shards[key.0[19] as usize % SHARDS])
    }

    /// The record of `key`, which is used `now`. A hit is counted only when `counts` says so of the record.
    #[inline]
    pub fn get(&self, key: &Digest, now: Time, counts: impl FnOnce(&[u8]) -> bool) -> Option<(SharedRecord, bool)> {
        if self.limit == 0 {
            return None;
        }
        let mut shard = self.shard(key);
        let entry = shard.entries.get_mut(key)?;
        let counted = counts(&entry.record);
        if counted {
            entry.used = true;
            entry.uses = entry.uses.and(Uses { last: now, hits: 1 });
        }
        Some((entry.record.clone(), counted))
    }

    /// Whether a record of this length would be held: one that takes all the room is not worth it.
    pub fn takes(&self, length: usize) -> bool {
        length + OVERHEAD <= self.limit / 4
    }

    /// Keeps a record, if it is not too large to be worth it, and makes room for it.
    pub fn insert(&self, key: Digest, record: SharedRecord) {
        if !self.takes(record.len()) {
            return self.remove(&key);
        }
        let size = record.len() + OVERHEAD;
        self.bytes.fetch_add(size, Ordering::Relaxed);
        {
            let mut shard = self.shard(&key);
            let entry = Entry { record, used: false, uses: Uses::default() };
            if let Some(old) = shard.entries.insert(key, entry) {
                self.bytes.fetch_sub(old.record.len() + OVERHEAD, Ordering::Relaxed);
                shard.keep_uses(key, old.uses);
            } else {
                shard.ring.push_back(key);
            }
        }
        self.make_room();
    }

    /// Lets entries go until the others fit. The hand takes one entry of each shard in turn.
    fn make_room(&self) {
        let mut empty = 0;
        while self.bytes.load(Ordering::Relaxed) > self.limit && empty < SHARDS {
            let next = self.hand.fetch_add(1, Ordering::Relaxed) % SHARDS;
            match lock(&self.shards[next]).turn() {
                Some(freed) => {
                    self.bytes.fetch_sub(freed, Ordering::Relaxed);
                    empty = 0;
                }
                None => empty += 1,
            }
        }
    }

    /// Forgets a record.
    pub fn remove(&self, key: &Digest) {
        let mut shard = self.shard(key);
        if let Some(old) = shard.entries.remove(key) {
            self.bytes.fetch_sub(old.record.len() + OVERHEAD, Ordering::Relaxed);
            shard.ring.retain(|other| other != key);
        }
    }

    /// Forgets all records; when they were used is still known.
    pub fn forget_records(&self) {
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.ring.clear();
            for (key, old) in std::mem::take(&mut shard.entries) {
                self.bytes.fetch_sub(old.record.len() + OVERHEAD, Ordering::Relaxed);
                shard.keep_uses(key, old.uses);
            }
        }
    }

    /// Forgets all of them, and their uses.
    pub fn clear(&self) {
        for shard in &self.shards {
            let old = std::mem::take(&mut *lock(shard));
            let freed = old.entries.values().map(|entry| entry.record.len() + OVERHEAD).sum();
            self.bytes.fetch_sub(freed, Ordering::Relaxed);
        }
    }

    /// Counts a use of what is not held here.
    pub fn note(&self, key: Digest, uses: Uses) {
        let mut shard = self.shard(&key);
        shard.noted.push((key, uses));
        if shard.noted.len() >= MANY_NOTED {
            shard.sum_up();
        }
    }

    /// All uses since this was last asked.
    pub fn take_uses(&self) -> Vec<(Digest, Uses)> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            shard.sum_up();
            let Shard { entries, uses, .. } = &mut *shard;
            for (key, entry) in entries.iter_mut() {
                let new = std::mem::take(&mut entry.uses);
                if new.hits > 0 {
                    let before = uses.entry(*key).or_default();
                    *before = before.and(new);
                }
            }
            all.extend(uses.drain());
        }
        all
    }
}

impl Shard {
    fn sum_up(&mut self) {
        for (key, uses) in std::mem::take(&mut self.noted) {
            self.keep_uses(key, uses);
        }
    }

    fn keep_uses(&mut self, key: Digest, uses: Uses) {
        if uses.hits > 0 {
            let before = self.uses.entry(key).or_default();
            *before = before.and(uses);
        }
    }

    /// The hand moves by one entry; how many bytes that freed. `None` when there is no entry.
    fn turn(&mut self) -> Option<usize> {
        let key = self.ring.pop_front()?;
        if self.entries.get_mut(&key).is_some_and(|entry| std::mem::take(&mut entry.used)) {
            self.ring.push_back(key);
            return Some(0);
        }
        let Some(old) = self.entries.remove(&key) else { return Some(0) };
        self.keep_uses(key, old.uses);
        Some(old.record.len() + OVERHEAD)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Digest {
        Digest::of(&n.to_le_bytes())
    }

    fn get(hot: &Hot, n: u32) -> bool {
        hot.get(&key(n), Time::from_millis(1), |_| true).is_some()
    }

    #[test]
    fn never_holds_more_than_it_may() {
        let hot = Hot::new(100_000);
        (0..1000).for_each(|n| hot.insert(key(n), Arc::new(vec![0; 1000])));
        let held = (0..1000).filter(|n| get(&hot, *n)).count();
        assert!((50..=100).contains(&held), "{held}");
        assert!(hot.bytes.load(Ordering::Relaxed) <= 100_000);
    }

    #[test]
    fn what_is_used_stays() {
        let hot = Hot::new(100_000);
        for n in 0..1000 {
            hot.insert(key(n), Arc::new(vec![0; 1000]));
            assert!(get(&hot, 0), "after {n}");
        }
    }

    #[test]
    fn uses_survive_that_an_entry_has_to_go() {
        let hot = Hot::new(10_000);
        hot.insert(key(0), Arc::new(vec![0; 1000]));
        assert!(get(&hot, 0) && get(&hot, 0));
        (1..100).for_each(|n| hot.insert(key(n), Arc::new(vec![0; 1000])));
        assert!(!get(&hot, 0));
        assert_eq!(hot.take_uses(), [(key(0), Uses { last: Time::from_millis(1), hits: 2 })]);
        assert_eq!(hot.take_uses(), []);
    }

    #[test]
    fn uses_survive_that_all_records_are_forgotten() {
        let hot = Hot::new(10_000);
        hot.insert(key(0), Arc::new(vec![0; 1000]));
        assert!(get(&hot, 0));
        hot.forget_records();
        assert!(!get(&hot, 0));
        assert_eq!(hot.bytes.load(Ordering::Relaxed), 0);
        assert_eq!(hot.take_uses(), [(key(0), Uses { last: Time::from_millis(1), hits: 1 })]);
    }

    #[test]
    fn the_large_and_the_removed_are_not_held() {
        let hot = Hot::new(10_000);
        hot.insert(key(1), Arc::new(vec![0; 3000]));
        assert!(!get(&hot, 1));
        hot.insert(key(2), Arc::new(vec![0; 10]));
        hot.remove(&key(2));
        assert!(!get(&hot, 2));
        // Removed and inserted again, many times over, the ring must not keep growing.
        for _ in 0..1000 {
            hot.insert(key(3), Arc::new(vec![0; 10]));
            hot.remove(&key(3));
        }
        assert!(hot.shards.iter().all(|shard| shard.lock().unwrap().ring.len() < 100));
    }
}
