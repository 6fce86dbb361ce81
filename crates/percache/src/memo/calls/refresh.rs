//! Computing again what is still good, before it is too old, and keeping what cannot be computed again.
//!
//! A function with `refresh_after` returns an older result at once and computes it again for the next call: on a thread of its own,
//! or, if it is `async`, with the cache's spawner; without one, the caller that finds the result that old computes it itself, and the
//! others go on with the old one. A key is refreshed once at a time in a process, and not at all while another process computes it.
//! What is refreshed when the process ends is lost; nothing waits for it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::base::clock::Time;
use crate::base::digest::Digest;
use crate::memo::calls::resolve::entered;
use crate::memo::handle::Handle;
use crate::memo::kept::keep::Keep;
use crate::memo::results::clock::age;
use crate::memo::results::hot::DigestMap;
use crate::memo::results::record;
use crate::memo::shared::Call;
use crate::memo::waiting::claim::Claim;
use crate::memo::waiting::waits::{self, NO_FLIGHT};

/// A future that nobody waits for, as [`CacheBuilder::spawner`](crate::CacheBuilder::spawner) gets it.
pub type Spawned = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Runs a future that nobody waits for.
pub type Spawn = Arc<dyn Fn(Spawned) + Send + Sync>;

/// How many results a process refreshes at the same time. Others stay as they are until a later call.
const MOST: usize = 32;
/// A refresh that gave nothing to keep is tried again after this, or after `refresh_after` if that is less.
const PAUSE: Duration = Duration::from_secs(10);
/// How many failures are remembered.
const MANY_FAILED: usize = 1 << 12;

/// What is being refreshed.
pub struct Refreshes {
    spawn: Option<Spawn>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: DigestMap<()>,
    failed: DigestMap<Time>,
}

/// The sole right in this process to refresh a key.
pub struct Ticket {
    shared: Handle,
    key: Digest,
    began: Time,
}

impl Refreshes {
    /// None yet.
    pub fn new(spawn: Option<Spawn>) -> Refreshes {
        Refreshes { spawn, state: Mutex::default() }
    }

    /// None either in a child of this process, which has none of its parent's threads.
    pub fn renewed(&self) -> Refreshes {
        Refreshes::new(self.spawn.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.shared.refreshes.state();
        state.running.remove(&self.key);
        // A store that was closed is not opened again, which could be while the process ends.
        if self.shared.closed.load(Ordering::Relaxed) {
            return;
        }
        if self.shared.created(&self.key).is_some_and(|created| created >= self.began) {
            state.failed.remove(&self.key);
            return;
        }
        if state.failed.len() >= MANY_FAILED {
            state.failed.clear();
        }
        state.failed.insert(self.key, self.shared.clock.now());
    }
}

impl Ticket {
    /// Runs `task` on a thread of its own; a panic ends that thread and nothing else.
    pub fn run(self, task: impl FnOnce() + Send + 'static) {
        let run = move || {
            let _ticket = self;
            if catch_unwind(AssertUnwindSafe(task)).is_err() {
                log::warn!("percache: refreshing a result panicked; the old one stays");
            }
        };
        // Without a thread, the result stays as it is.
        if let Err(error) = thread::Builder::new().name("percache-refresh".into()).spawn(run) {
            log::debug!("percache: a result is not refreshed: {error}");
        }
    }

    /// Whether the cache has a spawner.
    pub fn can_spawn(&self) -> bool {
        self.shared.refreshes.spawn.is_some()
    }

    /// Gives `task` to the cache's spawner. Without one, it is dropped.
    pub fn spawn(self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(spawn) = self.shared.refreshes.spawn.clone() else { return };
        let future = Box::pin(async move {
            let _ticket = self;
            task.await;
        });
        // A spawner may panic: tokio's does outside of its runtime.
        if catch_unwind(AssertUnwindSafe(|| spawn(future))).is_err() {
            log::warn!("percache: the spawner panicked; a result is not refreshed");
        }
    }
}

impl Handle {
    /// What a call finds, and the ticket to refresh it if it is time to do that.
    pub fn peek<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K) -> Option<(R, Option<Ticket>)> {
        let (found, value) = self.find(call, keep)?;
        self.hits.fetch_add(1, Ordering::Relaxed);
        let Some(after) = call.function.refreshed_after() else { return Some((value, None)) };
        let now = self.clock.now();
        let created = record::open(found.bytes()).map_or(now, |stored| stored.created);
        let ticket = if age(now, created) < after { None } else { self.ticket(call.key.0, now, after) };
        Some((value, ticket))
    }

    fn ticket(&self, key: Digest, now: Time, after: Duration) -> Option<Ticket> {
        if self.closed.load(Ordering::Relaxed) {
            return None;
        }
        let mut state = self.refreshes.state();
        let paused = state.failed.get(&key).is_some_and(|then| age(now, *then) < after.min(PAUSE));
        if paused || state.running.len() >= MOST || state.running.contains_key(&key) {
            return None;
        }
        state.running.insert(key, ());
        Some(Ticket { shared: self.clone(), key, began: now })
    }

    /// When the result in memory was computed.
    fn created(&self, key: &Digest) -> Option<Time> {
        let record = self.hot.get(key, Time::EPOCH, |_| false).map(|(record, _)| record);
        match record {
            Some(record) => record::open(&record).map(|stored| stored.created),
            None => {
                let record = self.backend.get(crate::backend::Table::Results, key).ok()??;
                record::created(&record)
            }
        }
    }

    /// Computes the result and keeps it, whatever is there.
    pub fn recompute<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, compute: impl FnOnce() -> R) -> R {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let value = {
            let _entered = waits::enter(NO_FLIGHT);
            compute()
        };
        self.store(call, &value, keep, start.elapsed());
        value
    }

    /// As [`Shared::recompute`], for futures.
    pub async fn recompute_async<R, K: Keep<R>>(
        &self,
        call: Call<'_>,
        keep: &K,
        compute: impl Future<Output = R>,
    ) -> R {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let value = entered(|| waits::enter(NO_FLIGHT), compute).await;
        self.store(call, &value, keep, start.elapsed());
        value
    }

    /// The claim to refresh a result that is still good. `None`: another process computes it, or has.
    pub fn claim_ahead(&self, call: Call<'_>) -> Option<Option<Claim>> {
        let claim = self.try_claim(call).ok()?;
        if self.was_renewed(call) { None } else { Some(claim) }
    }

    /// Whether the store has a younger result than the one in memory: it is taken from there then.
    fn was_renewed(&self, call: Call<'_>) -> bool {
        let after = call.function.refreshed_after().unwrap_or(Duration::MAX);
        if self.closed.load(Ordering::Relaxed) {
            return false;
        }
        let Some(record) = self.load(call) else { return false };
        let now = self.clock.now();
        let young = record::open(&record).is_some_and(|stored| age(now, stored.created) < after);
        if young {
            self.hot.insert(call.key.0, Arc::new(record));
        }
        young
    }

    /// The value of a computation of which nothing is kept; if it is an error, an old result instead, where the function allows that.
    pub fn or_stale<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, value: R) -> R {
        let Some(longer) = call.function.stale_for().filter(|_| keep.is_error(&value)) else { return value };
        match self.stale(call, keep, longer) {
            Some(old) => {
                log::info!("percache: {} has failed; its last result is returned", call.name());
                old
            }
            None => value,
        }
    }

    fn stale<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, longer: Duration) -> Option<R> {
        let record = match self.hot.get(&call.key.0, Time::EPOCH, |_| false).map(|(record, _)| record) {
            Some(record) => record,
            None if self.closed.load(Ordering::Relaxed) => return None,
            None => Arc::new(self.load(call)?),
        };
        let stored = record::open(&record)?;
        let maxage = call.function.oldest().or(self.maxage).unwrap_or(Duration::MAX);
        let age = age(self.clock.now(), stored.created);
        if stored.kind == record::Kind::Error || age >= maxage.saturating_add(longer) {
            return None;
        }
        keep.decode(stored, age).ok()?
    }
}
