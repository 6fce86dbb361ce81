//! Found, or computed once: what a call of a memoized function does, on a thread and in an `async` task.
//!
//! A computation may fork, and end in the child as well: everything that stands behind one asks its [`Handle`] anew
//! for what belongs to the process.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use crate::memo::handle::Handle;
use crate::memo::kept::keep::Keep;
use crate::memo::results::record::Uses;
use crate::memo::shared::Call;
use crate::memo::waiting::claim::{Attempt, Claim, Standing, Waiting};
use crate::memo::waiting::flight::{Boarding, Follow, Followed, Lead, Outcome};
use crate::memo::waiting::patience::{Leader, Signal, Signs};
use crate::memo::waiting::waits::Entered;
use crate::memo::waiting::{timer, waits};

impl Handle {
    /// The result of `call`: from the cache, from a thread or process that computes it already, or from `compute`.
    pub fn resolve<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, compute: impl FnOnce() -> R) -> R {
        let own = self.own();
        if let Some((_, value)) = own.find(call, keep) {
            own.hits.fetch_add(1, Ordering::Relaxed);
            return value;
        }
        match self.flights.board(call.key.0, Leader::this_thread(), self.wait_timeout) {
            Boarding::Lead(lead) => self.lead(lead, call, keep, compute),
            Boarding::Follow(follow) => match follow.wait() {
                Followed::Lead(lead) => self.lead(lead, call, keep, compute),
                Followed::Landed(outcome) => match self.take(call, keep, &outcome) {
                    Some(value) => value,
                    None => self.compute(call, keep, compute).1,
                },
                Followed::Alone => self.compute(call, keep, compute).1,
            },
        }
    }

    fn lead<R, K: Keep<R>>(&self, lead: Lead, call: Call<'_>, keep: &K, compute: impl FnOnce() -> R) -> R {
        let claim = self.claim(call, &lead);
        // Somebody may have been faster since the first look.
        if let Some((record, value)) = self.find(call, keep) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            lead.land(Outcome::Record(record.into_shared()));
            return value;
        }
        let (outcome, value) = self.compute(call, keep, || {
            let _entered = lead.enter();
            compute()
        });
        if let Some(outcome) = outcome {
            lead.land(outcome);
            self.publish(claim);
        }
        value
    }

    /// Computes, and keeps the result. What others get who wait for it; `None`: nothing.
    fn compute<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, compute: impl FnOnce() -> R) -> (Option<Outcome>, R) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let value = compute();
        self.kept(call, keep, value, start)
    }

    /// Keeps a value that was computed. What others get, and the value, or an old one that stands in for it.
    fn kept<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, value: R, start: Instant) -> (Option<Outcome>, R) {
        match self.store(call, &value, keep, start.elapsed()) {
            Some(outcome) => (Some(outcome), value),
            None => (keep.share(&value).map(Outcome::Value), self.or_stale(call, keep, value)),
        }
    }

    /// The value that another thread or task has computed.
    pub fn take<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, outcome: &Outcome) -> Option<R> {
        match outcome {
            Outcome::Record(record) => {
                let now = self.clock.now();
                let value = self.read(call, record, keep, now)?;
                // It counts as found. It may have come from another cache on the same directory.
                self.hits.fetch_add(1, Ordering::Relaxed);
                if self.hot.get(&call.key.0, now, |_| true).is_none() {
                    self.hot.insert(call.key.0, record.clone());
                    self.hot.note(call.key.0, Uses { last: now, hits: 1 });
                }
                Some(value)
            }
            Outcome::Value(value) => keep.take_shared(value).map(|value| self.or_stale(call, keep, value)),
            Outcome::Nothing => None,
        }
    }

    /// The right to compute, once no other process has it. Without one, computing goes ahead anyway.
    fn claim(&self, call: Call<'_>, lead: &Lead) -> Option<Claim> {
        loop {
            let mut waiting = match self.try_claim(call) {
                Ok(claim) => return claim,
                Err(waiting) => waiting,
            };
            loop {
                match stand(&mut waiting, call, lead) {
                    Standing::Over => break,
                    Standing::Waits(pause) => thread::sleep(pause),
                    Standing::Enough(claim) => return claim,
                }
            }
        }
    }

    /// The right to compute, or a place among those who wait for it.
    pub fn try_claim(&self, call: Call<'_>) -> Result<Option<Claim>, Box<Waiting>> {
        let Some(claims) = &self.claims else { return Ok(None) };
        match claims.attempt(&call.key.0) {
            Ok(Attempt::Mine(claim)) => Ok(Some(claim)),
            Ok(Attempt::Busy(waiting)) => Err(Box::new(waiting)),
            Err(error) => {
                unclaimed(call, &error);
                Ok(None)
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

    /// As [`Handle::resolve`], without ever blocking the thread for longer than the store takes.
    pub async fn resolve_async<R, K: Keep<R>>(&self, call: Call<'_>, keep: &K, compute: impl Future<Output = R>) -> R {
        if let Some((_, value)) = self.find(call, keep) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return value;
        }
        let signs = Signs::new();
        let leader = Leader::Task(signs.clone());
        let boarding = self.flights.board(call.key.0, leader.clone(), self.wait_timeout);
        let lead = match boarding {
            Boarding::Lead(lead) => lead,
            Boarding::Follow(follow) => match followed(follow, &leader).await {
                Followed::Lead(lead) => lead,
                Followed::Landed(outcome) => match self.take(call, keep, &outcome) {
                    Some(value) => return value,
                    None => return self.compute_async(call, keep, compute).await.1,
                },
                Followed::Alone => return self.compute_async(call, keep, compute).await.1,
            },
        };
        watched(&signs, self.lead_async(lead, call, keep, compute)).await
    }

    async fn lead_async<R, K: Keep<R>>(
        &self,
        lead: Lead,
        call: Call<'_>,
        keep: &K,
        compute: impl Future<Output = R>,
    ) -> R {
        let claim = self.claim_async(call, &lead).await;
        if let Some((record, value)) = self.find(call, keep) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            lead.land(Outcome::Record(record.into_shared()));
            return value;
        }
        let (outcome, value) = self.compute_async(call, keep, entered(|| lead.enter(), compute)).await;
        if let Some(outcome) = outcome {
            lead.land(outcome);
            self.publish_aside(claim);
        }
        value
    }

    async fn compute_async<R, K: Keep<R>>(
        &self,
        call: Call<'_>,
        keep: &K,
        compute: impl Future<Output = R>,
    ) -> (Option<Outcome>, R) {
        self.misses.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let value = compute.await;
        self.kept(call, keep, value, start)
    }

    async fn claim_async(&self, call: Call<'_>, lead: &Lead) -> Option<Claim> {
        loop {
            let mut waiting = match self.try_claim(call) {
                Ok(claim) => return claim,
                Err(waiting) => waiting,
            };
            let mut alarm = None;
            let ended = poll_fn(|context| match stand(&mut waiting, call, lead) {
                Standing::Over => Poll::Ready(None),
                Standing::Enough(claim) => Poll::Ready(Some(claim)),
                Standing::Waits(pause) => {
                    alarm = timer::wake_after(pause, context.waker());
                    // Without a timer there is no way to wait.
                    if alarm.is_some() { Poll::Pending } else { Poll::Ready(Some(None)) }
                }
            });
            if let Some(claim) = ended.await {
                return claim;
            }
        }
    }

    /// As [`Handle::publish`], on a thread of its own if that takes long.
    pub fn publish_aside(&self, claim: Option<Claim>) {
        let Some(claim) = claim.filter(Claim::is_wanted) else { return };
        self.aside(move |handle| handle.publish(Some(claim)));
    }

    /// Has other processes see what was stored, and lets go of a claim then. Others may begin to want it at any time.
    pub fn publish_soon(&self, claim: Option<Claim>) {
        let Some(claim) = claim else { return };
        self.aside(move |handle| {
            if let Err(error) = handle.backend.flush() {
                handle.warn("a result could not be passed to other processes", &error);
            }
            drop(claim);
        });
    }

    fn aside(&self, work: impl FnOnce(&Handle) + Send + 'static) {
        let (handle, publisher) = (self.clone(), self.publishing.begin());
        let passed_on = move || {
            work(&handle);
            // Before the handle: if it is the last one, the cache is closed here.
            drop(publisher);
            drop(handle);
        };
        // If no thread can be had, the claim is dropped here, and another process computes for itself.
        let _ = thread::Builder::new().name("percache-publish".into()).spawn(passed_on);
    }
}

/// How a wait for another process stands; if nobody can tell, it is over and nothing is claimed.
pub fn stand(waiting: &mut Waiting, call: Call<'_>, lead: &Lead) -> Standing {
    let nested = waits::is_computing() || lead.has_followers();
    waiting.look(nested, &|| call.name().into_owned()).unwrap_or_else(|error| {
        unclaimed(call, &error);
        Standing::Enough(None)
    })
}

fn unclaimed(call: Call<'_>, error: &io::Error) {
    log::debug!("percache: {} is computed without regard to other processes: {error}", call.name());
}

/// The end of a wait.
async fn followed(mut follow: Follow, leader: &Leader) -> Followed {
    poll_fn(|context| follow.poll(context, || leader.clone())).await
}

/// Computes a flight, which `enter` notes: whatever is awaited inside is known to be, on whatever thread it is polled.
pub async fn entered<R>(enter: impl Fn() -> Entered, compute: impl Future<Output = R>) -> R {
    let mut compute = pin!(compute);
    poll_fn(|context| {
        let _entered = enter();
        compute.as_mut().poll(context)
    })
    .await
}

/// Has a future show whether it is polled when it can go on.
async fn watched<R>(signs: &Arc<Signs>, future: impl Future<Output = R>) -> R {
    let mut future = pin!(future);
    let mut signal: Option<(Waker, Waker)> = None;
    poll_fn(|context| {
        signs.polled();
        let known = signal.take_if(|(inner, _)| inner.will_wake(context.waker()));
        let (inner, outer) = known.unwrap_or_else(|| {
            let inner = context.waker().clone();
            (inner.clone(), Arc::new(Signal { signs: signs.clone(), inner }).into())
        });
        let polled = future.as_mut().poll(&mut Context::from_waker(&outer));
        signal = Some((inner, outer));
        polled
    })
    .await
}
