//! What all handles of one cache share: looking up and storing records. Nothing here fails a caller: what goes wrong with the store is
//! logged, and counts as a miss.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::backend::{Backend, BackendError, Table};
use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::base::exit::Close;
use crate::base::fork;
use crate::memo::cache::Error;
use crate::memo::calls::refresh::Refreshes;
use crate::memo::kept::keep::Keep;
use crate::memo::key::encoding::EncodingError;
use crate::memo::key::function::{Function, Key};
use crate::memo::key::names::Names;
use crate::memo::results::attachments::Attachments;
use crate::memo::results::cleared::Cleared;
use crate::memo::results::clock::{Clock, age, later};
use crate::memo::results::compress;
use crate::memo::results::hot::{Hot, SharedRecord};
use crate::memo::results::record::{self, EntryRecord, Stored, Uses};
use crate::memo::results::room::Room;
use crate::memo::waiting::claim::Claims;
use crate::memo::waiting::flight::{Flights, Outcome};
use crate::memo::waiting::publishing::Publishing;

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
    /// Of a cache with a maximum size.
    pub room: Option<Room>,
    /// Of a cache that other processes share.
    pub cleared: Option<Cleared>,
    /// Of a cache that has a directory.
    pub attachments: Option<Attachments>,
    pub publishing: Arc<Publishing>,
    /// Whether results were removed that other processes may have in memory, and are not told of.
    pub removed: AtomicBool,
    /// Values of at least so many bytes are compressed in the back-end.
    pub compress_above: Option<usize>,
    /// Whether summaries of arguments are kept.
    pub describes: bool,
    pub refreshes: Refreshes,
    pub wait_timeout: Option<Duration>,
    pub close_at_exit: bool,
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
    /// The record's bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Found::Shared(record) => record,
            Found::Own(record) => record,
        }
    }

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
            room: self.room.as_ref().map(Room::renewed),
            cleared: self.cleared.as_ref().map(Cleared::renewed),
            attachments: self.attachments.as_ref().map(Attachments::renewed),
            publishing: Arc::default(),
            removed: AtomicBool::default(),
            compress_above: self.compress_above,
            describes: self.describes,
            refreshes: self.refreshes.renewed(),
            wait_timeout: self.wait_timeout,
            close_at_exit: self.close_at_exit,
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
        self.heed_removals(now);
        if let Some((record, is_fresh)) = self.hot.get(&digest, now, fresh) {
            let value = if is_fresh { self.decode(call, record::open(&record)?, keep, now) } else { None };
            return value.map(|value| (Found::Shared(record), value));
        }
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let record = self.load(call)?;
        let value = self.read(call, &record, keep, now)?;
        self.note(digest, now);
        if !self.hot.takes(record.len()) {
            return Some((Found::Own(record), value));
        }
        let record = Arc::new(record);
        self.hot.insert(digest, record.clone());
        Some((Found::Shared(record), value))
    }

    /// The value of a call, if it is in memory.
    pub fn find_in_memory<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K) -> Option<R> {
        let now = self.clock.now();
        let fresh = |record: &[u8]| record::open(record).is_some_and(|stored| self.is_fresh(call, stored.created, now));
        self.heed_removals(now);
        let (record, is_fresh) = self.hot.get(&call.key.0, now, fresh)?;
        if is_fresh { self.decode(call, record::open(&record)?, keep, now) } else { None }
    }

    /// Forgets what is in memory when another process has removed something.
    #[inline]
    fn heed_removals(&self, now: Time) {
        if self.cleared.as_ref().is_some_and(|cleared| cleared.is_news(now)) {
            self.hot.forget_records();
            self.backend.refresh();
        }
    }

    /// The record of a call in the back-end, as it was before it was compressed.
    pub fn load(&self, call: Call<'_>) -> Option<Vec<u8>> {
        let record = match self.backend.get(Table::Results, &call.key.0) {
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
        compress::unpack(record)
    }

    /// The value of a record that is intact.
    pub fn read<R, K: Keep<R>>(&self, call: Call<'_>, record: &[u8], keep: &K, now: Time) -> Option<R> {
        let stored = record::open(record).filter(|stored| self.is_fresh(call, stored.created, now))?;
        self.decode(call, stored, keep, now)
    }

    #[inline]
    fn decode<R, K: Keep<R>>(&self, call: Call<'_>, stored: Stored<'_>, keep: &K, now: Time) -> Option<R> {
        match keep.decode(stored, age(now, stored.created)) {
            Ok(value) => value,
            Err(error) => {
                log::debug!("percache: a stored result of {} is of another type: {error}", call.name());
                None
            }
        }
    }

    #[inline]
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
        if let Err(error) = self.write(call, &record, keep, cost) {
            self.warn("a result could not be kept", &error);
        }
        Some(Outcome::Record(record))
    }

    /// As [`Shared::store`], for who wants to know what went wrong.
    pub fn put<R, K: Keep<R>>(&self, call: Call<'_>, value: &R, keep: &K) -> Result<(), Error> {
        self.put_at_cost(call, value, keep, Duration::ZERO)
    }

    /// The same for a value that took so long to compute.
    pub fn put_at_cost<R, K: Keep<R>>(&self, call: Call<'_>, value: &R, keep: &K, cost: Duration) -> Result<(), Error> {
        match self.seal(value, keep)? {
            Some(record) => Ok(self.write(call, &record, keep, cost)?),
            None => Ok(()),
        }
    }

    fn seal<R, K: Keep<R>>(&self, value: &R, keep: &K) -> Result<Option<SharedRecord>, EncodingError> {
        Ok(record::seal(self.clock.now(), |bytes| keep.encode(value, bytes))?.map(Arc::new))
    }

    fn write<R, K: Keep<R>>(
        &self,
        call: Call<'_>,
        record: &SharedRecord,
        keep: &K,
        cost: Duration,
    ) -> Result<(), BackendError> {
        let key = &call.key.0;
        let stored = compress::pack(record, self.compress_above);
        let entry = EntryRecord {
            name: call.name().into_owned(),
            code: call.function.code_digest(),
            created: record::open(record).map_or(Time::EPOCH, |stored| stored.created),
            cost: u64::try_from(cost.as_nanos()).unwrap_or(u64::MAX),
            size: stored.len() as u64 + keep.attached(),
            arguments: keep.arguments().map(str::to_owned),
            origin: Some(call.function.origin()),
        };
        self.hot.insert(*key, record.clone());
        if self.closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.backend.put_result(key, &entry.to_bytes(), &stored)?;
        self.make_room(entry.size)?;
        if self.live_sync { self.sync_backend() } else { Ok(()) }
    }

    /// Makes what was stored and removed permanent, and tells other processes what they must not give out from memory
    /// any more.
    pub fn sync_backend(&self) -> Result<(), BackendError> {
        self.backend.sync()?;
        self.tell_removed();
        Ok(())
    }

    fn tell_removed(&self) {
        if self.removed.swap(false, Ordering::Relaxed) {
            self.cleared.iter().for_each(Cleared::tell);
        }
    }

    /// Writes the uses that were counted since the last time.
    pub fn write_uses(&self) {
        let now = self.clock.now();
        let mut all = self.hot.take_uses();
        // In order: a back-end may have the uses of neighbours in one place.
        all.sort_unstable_by_key(|(key, _)| *key);
        for (key, new) in all {
            let written = self.backend.get(Table::Uses, &key).and_then(|before| {
                let before = before.and_then(|bytes| Uses::from_bytes(&bytes).ok()).unwrap_or_default();
                let last = later(now, before.last, new.last);
                self.backend.put(Table::Uses, &key, &Uses { last, ..before.and(new) }.to_bytes())
            });
            if let Err(error) = written {
                return self.warn("times of use could not be kept", &error);
            }
        }
    }

    /// Makes everything permanent.
    pub fn sync(&self) -> Result<(), BackendError> {
        self.write_uses();
        self.say_size()?;
        self.sync_backend()
    }

    /// Makes everything permanent and lets go of the store; the second time, nothing.
    pub fn close(&self) -> Result<(), BackendError> {
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.publishing.wait();
        self.write_uses();
        let evicted = self.say_size();
        self.backend.close()?;
        self.tell_removed();
        evicted
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
