//! Found, or computed once: what a call of a memoized function does, on a thread and in an `async` task.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Instant;

use crate::memo::claim::{Attempt, Claim, Computing, Waiting};
use crate::memo::flight::Boarding;
use crate::memo::keep::Keep;
use crate::memo::shared::{Call, Shared};

impl Shared {
    /// The result of `call`: from the cache, from a thread or process that computes it already, or from `compute`.
    pub fn resolve<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, compute: impl FnOnce() -> R) -> R {
        if let Some((_, value)) = self.find(call, keep) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return value;
        }
        let lead = match self.flights.board(call.key.0, Some(thread::current().id())) {
            Boarding::Lead(lead) => lead,
            Boarding::Follow(flight) => {
                let record = flight.wait();
                return match record.and_then(|record| self.read(call, &record, keep, self.clock.now())) {
                    Some(value) => self.followed(call, value),
                    None => self.compute(call, keep, compute).1,
                };
            }
        };
        let claim = self.claim(call);
        // Somebody may have been faster since the first look.
        if let Some((record, value)) = self.find(call, keep) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            lead.land(Some(record.into_shared()));
            return value;
        }
        let (record, value) = self.compute(call, keep, compute);
        lead.land(record);
        self.publish(claim);
        value
    }

    fn compute<R, K: Keep<R>>(
        &self,
        call: Call<'_>,
        keep: &K,
        compute: impl FnOnce() -> R,
    ) -> (Option<Arc<Vec<u8>>>, R) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let value = {
            let _computing = Computing::begin();
            compute()
        };
        let record = self.store(call, &value, keep, start.elapsed());
        let value = if record.is_none() { self.or_stale(call, keep, value) } else { value };
        (record, value)
    }

    /// What another thread has computed counts as found.
    fn followed<R>(&self, call: Call<'_>, value: R) -> R {
        self.hits.fetch_add(1, Ordering::Relaxed);
        self.hot.note(call.key.0, crate::memo::record::Uses { last: self.clock.now(), hits: 1 });
        value
    }

    /// The right to compute, once no other process has it. Without one, computing goes ahead anyway.
    fn claim(&self, call: Call<'_>) -> Option<Claim> {
        let claims = self.claims.as_ref()?;
        loop {
            let waited = match claims.attempt(&call.key.0) {
                Ok(Attempt::Mine(claim)) => return Some(claim),
                Ok(Attempt::Busy(waiting)) => waiting.wait(),
                Err(error) => Err(error),
            };
            if let Err(error) = waited {
                return unclaimed(call, &error);
            }
        }
    }

    /// Lets go of a claim; a process that waits for it must find the result in the store.
    pub fn publish(&self, claim: Option<Claim>) {
        if claim.as_ref().is_some_and(Claim::is_wanted)
            && let Err(error) = self.backend.sync()
        {
            self.warn("a result could not be passed to another process", &error);
        }
    }

    /// As [`Shared::resolve`], without ever blocking the thread for longer than the store takes.
    pub async fn resolve_async<R, K: Keep<R>>(
        self: &Arc<Self>,
        call: Call<'_>,
        keep: &K,
        compute: impl Future<Output = R>,
    ) -> R {
        if let Some((_, value)) = self.find(call, keep) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return value;
        }
        let lead = match self.flights.board(call.key.0, None) {
            Boarding::Lead(lead) => lead,
            Boarding::Follow(flight) => {
                let record = flight.landed().await;
                return match record.and_then(|record| self.read(call, &record, keep, self.clock.now())) {
                    Some(value) => self.followed(call, value),
                    None => self.compute_async(call, keep, compute).await.1,
                };
            }
        };
        let claim = self.claim_async(call).await;
        if let Some((record, value)) = self.find(call, keep) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            lead.land(Some(record.into_shared()));
            return value;
        }
        let (record, value) = self.compute_async(call, keep, compute).await;
        lead.land(record);
        self.publish_aside(claim);
        value
    }

    async fn compute_async<R, K: Keep<R>>(
        &self,
        call: Call<'_>,
        keep: &K,
        compute: impl Future<Output = R>,
    ) -> (Option<Arc<Vec<u8>>>, R) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let value = compute.await;
        let record = self.store(call, &value, keep, start.elapsed());
        let value = if record.is_none() { self.or_stale(call, keep, value) } else { value };
        (record, value)
    }

    async fn claim_async(&self, call: Call<'_>) -> Option<Claim> {
        let claims = self.claims.as_ref()?;
        loop {
            let waited = match claims.attempt(&call.key.0) {
                Ok(Attempt::Mine(claim)) => return Some(claim),
                Ok(Attempt::Busy(waiting)) => wait_aside(waiting).await,
                Err(error) => Err(error),
            };
            if let Err(error) = waited {
                return unclaimed(call, &error);
            }
        }
    }

    pub fn publish_aside(self: &Arc<Self>, claim: Option<Claim>) {
        let Some(claim) = claim.filter(Claim::is_wanted) else { return };
        let shared = self.clone();
        // If no thread can be had, the claim is dropped here, and the other process computes for itself.
        let _ = thread::Builder::new().name("percache-publish".into()).spawn(move || shared.publish(Some(claim)));
    }
}

fn unclaimed(call: Call<'_>, error: &io::Error) -> Option<Claim> {
    log::debug!("percache: {} is computed without regard to other processes: {error}", call.name());
    None
}

/// Waits for another process on a thread of its own: there is no way to be woken by `flock`.
async fn wait_aside(waiting: Waiting) -> io::Result<()> {
    type Slot = (Option<io::Result<()>>, Option<Waker>);
    let slot: Arc<Mutex<Slot>> = Arc::default();
    let answer = slot.clone();
    thread::Builder::new().name("percache-wait".into()).spawn(move || {
        let waited = waiting.wait();
        let mut slot = answer.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = Some(waited);
        if let Some(waker) = slot.1.take() {
            waker.wake();
        }
    })?;
    poll_fn(|context| {
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.0.take() {
            Some(waited) => Poll::Ready(waited),
            None => {
                slot.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    })
    .await
}
