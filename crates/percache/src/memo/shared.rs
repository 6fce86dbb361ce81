//! What all handles of one cache share: looking up and storing records. Nothing here fails a caller: what goes wrong with the store is
//! logged, and counts as a miss.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::backend::{Backend, BackendError, Table};
use crate::digest::Digest;
use crate::exit::Close;
use crate::fork;
use crate::memo::cache::Error;
use crate::memo::claim::Claims;
use crate::memo::clock::{Clock, Time, age};
use crate::memo::encoding::EncodingError;
use crate::memo::flight::{Flights, Outcome};
use crate::memo::function::{Function, Key};
use crate::memo::hot::{Hot, SharedRecord};
use crate::memo::keep::Keep;
use crate::memo::names::Names;
use crate::memo::record::{self, EntryRecord, Uses};

/// Uses of results that are not in the hot layer are written after this many at the latest.
const MANY_USES: u64 = 1 << 16;

/// A cache.
pub struct Shared {
    /// Of the process that made it: no other one touches more than what never changes.
    pub generation: usize,
    pub backend: Arc<dyn Backend>,
    pub hot: Hot,
    pub flights: Arc<Flights>,
    pub claims: Option<Claims>,
    pub clock: Clock,
    pub live_sync: bool,
    pub maxage: Option<Duration>,
    pub max_size: Option<u64>,
    pub wait_timeout: Option<Duration>,
    /// Bytes of all results, once that was asked for.
    pub size: Mutex<Option<u64>>,
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub noted: AtomicU64,
    pub warned: AtomicBool,
    pub closed: AtomicBool,
    /// Which callables have which names.
    pub names: Names,
}

/// A record that was found: shared with the hot layer, or not held there.
pub enum Found {
    Shared(SharedRecord),
    Own(Vec<u8>),
}

impl Found {
    /// To be given to others.
    pub fn into_shared(self) -> SharedRecord {
        match self {
            Found::Shared(record) => record,
            Found::Own(record) => Arc::new(record),
        }
    }
}

/// A call, as far as the store needs to know it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    pub function: &'a Function,
    /// Path of the instance that is called, if that says more than the function's name.
    pub path: &'a str,
    pub key: Key,
}

impl Call<'_> {
    /// Name for people.
    pub fn name(&self) -> std::borrow::Cow<'_, str> {
        self.function.name(self.path)
    }
}

impl Shared {
    /// The same cache for a child of the process that made this one. What is in memory, or about to be written, stays
    /// the parent's.
    pub fn renewed(&self) -> Shared {
        Shared {
            generation: fork::generation(),
            backend: self.backend.after_fork().map_or_else(|| self.backend.clone(), Arc::from),
            hot: self.hot.renewed(),
            flights: self.claims.as_ref().map_or_else(Arc::default, |claims| Flights::of(claims.dir())),
            claims: self.claims.as_ref().map(Claims::renewed),
            clock: self.clock.clone(),
            live_sync: self.live_sync,
            maxage: self.maxage,
            max_size: self.max_size,
            wait_timeout: self.wait_timeout,
            size: Mutex::default(),
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            noted: AtomicU64::default(),
            warned: AtomicBool::default(),
            closed: AtomicBool::new(self.closed.load(Ordering::Relaxed)),
            names: self.names.copied(),
        }
    }

    /// The record of a call and the value in it, if there is one that is young enough.
    pub fn find<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K) -> Option<(Found, R)> {
        let now = self.clock.now();
        let digest = call.key.0;
        let fresh = |record: &[u8]| record::open(record).is_some_and(|stored| self.is_fresh(call, stored.created, now));
        if let Some(record) = self.hot.get(&digest, now, fresh) {
            return self.read(call, &record, keep, now).map(|value| (Found::Shared(record), value));
        }
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let record = match self.backend.get(Table::Results, &digest) {
            Ok(record) => record?,
            Err(error) => {
                self.warn("a result could not be read", &error);
                return None;
            }
        };
        if !record::is_intact(&record) {
            log::warn!("percache: a stored result of {} is damaged, it is computed again", call.name());
            return None;
        }
        let value = self.read(call, &record, keep, now)?;
        self.note(digest, now);
        if !self.hot.takes(record.len()) {
            return Some((Found::Own(record), value));
        }
        let record = Arc::new(record);
        self.hot.insert(digest, record.clone());
        Some((Found::Shared(record), value))
    }

    /// The value of a record that is intact.
    pub fn read<R, K: Keep<R>>(&self, call: Call<'_>, record: &[u8], keep: &K, now: Time) -> Option<R> {
        let stored = record::open(record).filter(|stored| self.is_fresh(call, stored.created, now))?;
        match keep.decode(stored, age(now, stored.created)) {
            Ok(value) => value,
            Err(error) => {
                log::debug!("percache: a stored result of {} is of another type: {error}", call.name());
                None
            }
        }
    }

    fn is_fresh(&self, call: Call<'_>, created: Time, now: Time) -> bool {
        call.function.oldest().or(self.maxage).is_none_or(|oldest| age(now, created) < oldest)
    }

    /// Counts a use of a result that the hot layer did not have.
    fn note(&self, key: Digest, now: Time) {
        self.hot.note(key, Uses { last: now, hits: 1 });
        if self.noted.fetch_add(1, Ordering::Relaxed) % MANY_USES == MANY_USES - 1 {
            self.write_uses();
        }
    }

    /// Keeps what a function returned. Returns what others who wait for it get, or `None` if it is nothing to be kept.
    pub fn store<R, K: Keep<R>>(&self, call: Call<'_>, value: &R, keep: &K, cost: Duration) -> Option<Outcome> {
        let record = match self.seal(value, keep) {
            Ok(record) => record?,
            Err(error) => {
                log::warn!("percache: a result of {} cannot be kept: {error}", call.name());
                return Some(Outcome::Nothing);
            }
        };
        if let Err(error) = self.write(call, &record, cost) {
            self.warn("a result could not be kept", &error);
        }
        Some(Outcome::Record(record))
    }

    /// As [`Shared::store`], for who wants to know what went wrong.
    pub fn put<R, K: Keep<R>>(&self, call: Call<'_>, value: &R, keep: &K) -> Result<(), Error> {
        match self.seal(value, keep)? {
            Some(record) => Ok(self.write(call, &record, Duration::ZERO)?),
            None => Ok(()),
        }
    }

    fn seal<R, K: Keep<R>>(&self, value: &R, keep: &K) -> Result<Option<SharedRecord>, EncodingError> {
        Ok(record::seal(self.clock.now(), |bytes| keep.encode(value, bytes))?.map(Arc::new))
    }

    fn write(&self, call: Call<'_>, record: &SharedRecord, cost: Duration) -> Result<(), BackendError> {
        let key = &call.key.0;
        let entry = EntryRecord {
            name: call.name().into_owned(),
            code: call.function.code_digest(),
            created: record::open(record).map_or(0, |stored| stored.created),
            cost: u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX),
            size: record.len() as u64,
        };
        self.hot.insert(*key, record.clone());
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        // The entry first: a result without one would never be collected.
        self.backend.put(Table::Entries, key, &entry.to_bytes())?;
        self.backend.put(Table::Results, key, record)?;
        self.make_room(entry.size)?;
        if self.live_sync { self.backend.sync() } else { Ok(()) }
    }

    /// Writes the uses that were counted since the last time.
    pub fn write_uses(&self) {
        for (key, new) in self.hot.take_uses() {
            let written = self.backend.get(Table::Uses, &key).and_then(|before| {
                let before = before.and_then(|bytes| Uses::from_bytes(&bytes).ok()).unwrap_or_default();
                self.backend.put(Table::Uses, &key, &before.and(new).to_bytes())
            });
            if let Err(error) = written {
                return self.warn("times of use could not be kept", &error);
            }
        }
    }

    /// Makes everything permanent.
    pub fn sync(&self) -> Result<(), BackendError> {
        self.write_uses();
        self.backend.sync()
    }

    /// Makes everything permanent and lets go of the store; the second time, nothing.
    pub fn close(&self) -> Result<(), BackendError> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.write_uses();
        self.backend.close()
    }

    /// Logs the first error of the store as a warning, the others quietly.
    pub fn warn(&self, what: &str, error: &BackendError) {
        if self.warned.swap(true, Ordering::Relaxed) {
            log::debug!("percache: {what}: {error}");
        } else {
            log::warn!("percache: {what}: {error}; functions go on without the cache");
        }
    }
}

impl Close for Shared {
    fn close_at_exit(&self) {
        if let Err(error) = self.close() {
            self.warn("results could not be kept", &error);
        }
    }
}

impl Shared {
    /// What is done when the last handle goes.
    pub fn close_by_drop(&self) {
        self.close_at_exit();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.generation == fork::generation() {
            self.close_by_drop();
        }
    }
}
