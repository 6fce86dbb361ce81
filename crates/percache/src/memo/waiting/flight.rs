//! Single flight within a process: of those who want one key at the same time, one computes and the others wait for it.
//!
//! When the one who computes fails, exactly one of those who wait goes on, and the next only if that one fails too.
//! An error that can be cloned is given to all who wait. No wait is without an end: see [`waits`](super::waits) and
//! [`patience`](super::patience).
//!
//! Caches on the same directory share their flights. Knows keys and finished records, nothing of functions or stores.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::base::digest::Digest;
use crate::base::fork::{self, PerProcess};
use crate::memo::kept::keep::SharedValue;
use crate::memo::results::hot::{DigestMap, SharedRecord};
use crate::memo::waiting::patience::{Advice, Leader, Watch};
use crate::memo::waiting::timer::{self, Alarm};
use crate::memo::waiting::waits::{self, Entered, FlightId, Wait};

const SHARDS: usize = 16;

/// The computations under way.
#[derive(Default)]
pub struct Flights {
    shards: [Mutex<DigestMap<Arc<Flight>>>; SHARDS],
}

/// One computation under way.
pub struct Flight {
    id: FlightId,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    leader: Leader,
    /// How many wait.
    followers: usize,
    wakers: Vec<Waker>,
    /// When somebody who waits gave up for all the last time.
    relieved: Option<Instant>,
}

enum Phase {
    Flying,
    /// Who computed has failed: the first of those who wait goes on.
    Vacant,
    Landed(Outcome),
}

/// What a computation left for those who wait.
#[derive(Clone)]
pub enum Outcome {
    /// Its record.
    Record(SharedRecord),
    /// A value that is not kept.
    Value(SharedValue),
    /// It went well, but what it returned cannot be passed on: everybody computes.
    Nothing,
}

/// Which part one plays.
pub enum Boarding {
    /// Compute it, then [`Lead::land`].
    Lead(Lead),
    /// Another one computes it.
    Follow(Follow),
}

/// How a wait ended.
pub enum Followed {
    /// The other one is ready.
    Landed(Outcome),
    /// It is on us now: the other one failed, or takes too long.
    Lead(Lead),
    /// Compute without regard to others: waiting would never end.
    Alone,
}

/// The duty to compute. Dropped before it has landed (a panic, an error, a cancelled future), it passes to one of
/// those who wait.
pub struct Lead {
    flights: Arc<Flights>,
    key: Digest,
    flight: Arc<Flight>,
    generation: usize,
    /// Beside another one, who still computes.
    second: bool,
}

/// A place among those who wait.
pub struct Follow {
    flights: Arc<Flights>,
    key: Digest,
    flight: Arc<Flight>,
    generation: usize,
    wait: Option<Wait>,
    watch: Watch,
    alarm: Option<Alarm>,
    begun: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Directory = Mutex<HashMap<PathBuf, Weak<Flights>>>;

impl Flights {
    /// Those of all caches of this process whose claims are in `dir`.
    pub fn of(dir: &PathBuf) -> Arc<Flights> {
        static ALL: PerProcess<Directory> = PerProcess::new();
        let mut all = lock(ALL.get());
        if let Some(flights) = all.get(dir).and_then(Weak::upgrade) {
            return flights;
        }
        all.retain(|_, flights| flights.strong_count() > 0);
        let flights = Arc::<Flights>::default();
        all.insert(dir.clone(), Arc::downgrade(&flights));
        flights
    }

    /// Takes the lead for `key`, or follows who has it. `leader`: who would lead; `timeout`: for how long to follow.
    pub fn board(self: &Arc<Self>, key: Digest, leader: Leader, timeout: Option<Duration>) -> Boarding {
        let mut flights = lock(self.shard(&key));
        let Some(flight) = flights.get(&key).cloned() else {
            let flight = Arc::new(Flight::new(leader));
            flights.insert(key, flight.clone());
            return Boarding::Lead(self.lead(key, flight, false));
        };
        let mut state = lock(&flight.state);
        if matches!(state.phase, Phase::Vacant) {
            (state.phase, state.leader) = (Phase::Flying, leader);
            drop(state);
            return Boarding::Lead(self.lead(key, flight, false));
        }
        state.followers += 1;
        drop(state);
        Boarding::Follow(Follow {
            flights: self.clone(),
            key,
            flight,
            generation: fork::generation(),
            wait: None,
            watch: Watch::new(timeout),
            alarm: None,
            begun: false,
        })
    }

    fn lead(self: &Arc<Self>, key: Digest, flight: Arc<Flight>, second: bool) -> Lead {
        Lead { flights: self.clone(), key, flight, generation: fork::generation(), second }
    }

    fn shard(&self, key: &Digest) -> &Mutex<DigestMap<Arc<Flight>>> {
        &self.shards[key.0[18] as usize % SHARDS]
    }

    /// Ends a flight, with the shard locked: whoever comes next begins another one.
    fn end(flights: &mut DigestMap<Arc<Flight>>, key: &Digest, flight: &Arc<Flight>) {
        if flights.get(key).is_some_and(|there| Arc::ptr_eq(there, flight)) {
            flights.remove(key);
        }
    }
}

impl Flight {
    fn new(leader: Leader) -> Flight {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let state = State { phase: Phase::Flying, leader, followers: 0, wakers: Vec::new(), relieved: None };
        Flight { id: NEXT.fetch_add(1, Ordering::Relaxed), state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Has all who wait look at what has changed.
    fn wake_all(&self, mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Lead {
    /// Gives what came of it to those who wait.
    pub fn land(self, outcome: Outcome) {
        if self.generation != fork::generation() {
            return;
        }
        let mut flights = lock(self.flights.shard(&self.key));
        let mut state = lock(&self.flight.state);
        Flights::end(&mut flights, &self.key, &self.flight);
        if !matches!(state.phase, Phase::Landed(_)) {
            state.phase = Phase::Landed(outcome);
        }
        drop(flights);
        self.flight.wake_all(state);
    }

    /// Notes that this thread computes it, until what is returned is dropped.
    pub fn enter(&self) -> Entered {
        waits::enter(self.flight.id)
    }

    /// Says who computes.
    pub fn led_by(&self, leader: Leader) {
        if !self.second {
            lock(&self.flight.state).leader = leader;
        }
    }

    /// Whether somebody waits.
    pub fn has_followers(&self) -> bool {
        lock(&self.flight.state).followers > 0
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // What the parent of this process had locked may be locked for ever.
        if self.second || self.generation != fork::generation() {
            return;
        }
        let mut flights = lock(self.flights.shard(&self.key));
        let mut state = lock(&self.flight.state);
        if !matches!(state.phase, Phase::Flying) {
            return;
        }
        if state.followers > 0 {
            state.phase = Phase::Vacant;
        } else {
            state.phase = Phase::Landed(Outcome::Nothing);
            Flights::end(&mut flights, &self.key, &self.flight);
        }
        drop(flights);
        self.flight.wake_all(state);
    }
}

impl Follow {
    /// Blocks until the computation is over or falls to us.
    pub fn wait(mut self) -> Followed {
        let Some(_wait) = Wait::begin(self.flight.id) else { return Followed::Alone };
        let flight = self.flight.clone();
        let mut state = lock(&flight.state);
        loop {
            let pause = match self.look(&mut state, Leader::this_thread) {
                Ok(pause) => pause,
                Err(followed) => return followed,
            };
            state = flight.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The same for a task: has it woken when there is something new. `leader`: who would lead.
    pub fn poll(&mut self, context: &mut Context<'_>, leader: impl FnOnce() -> Leader) -> Poll<Followed> {
        if !std::mem::replace(&mut self.begun, true) {
            self.wait = Wait::begin(self.flight.id);
            if self.wait.is_none() {
                return Poll::Ready(Followed::Alone);
            }
        }
        let flight = self.flight.clone();
        let mut state = lock(&flight.state);
        let pause = match self.look(&mut state, leader) {
            Ok(pause) => pause,
            Err(followed) => return Poll::Ready(followed),
        };
        if !state.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            state.wakers.push(context.waker().clone());
        }
        drop(state);
        self.alarm = timer::wake_after(pause, context.waker());
        Poll::Pending
    }

    /// Looks what to do: for how long to wait, or how the wait ended.
    fn look(&mut self, state: &mut State, leader: impl FnOnce() -> Leader) -> Result<Duration, Followed> {
        let second = match &state.phase {
            Phase::Landed(outcome) => return Err(Followed::Landed(outcome.clone())),
            Phase::Vacant => {
                (state.phase, state.leader, state.relieved) = (Phase::Flying, leader(), None);
                false
            }
            Phase::Flying => match self.watch.advise(&state.leader, state.relieved) {
                Advice::Wait(pause) => return Ok(pause),
                Advice::Compute => true,
                Advice::ComputeForAll => {
                    state.relieved = Some(Instant::now());
                    true
                }
            },
        };
        if second {
            log::debug!("percache: computed by another as well, after {:?} of waiting for it", self.watch.lasted());
        }
        Err(Followed::Lead(self.flights.lead(self.key, self.flight.clone(), second)))
    }
}

impl Drop for Follow {
    fn drop(&mut self) {
        if self.generation != fork::generation() {
            // Not even what is dropped after this may be touched.
            std::mem::forget(self.wait.take());
            std::mem::forget(self.alarm.take());
            return;
        }
        let mut flights = lock(self.flights.shard(&self.key));
        let mut state = lock(&self.flight.state);
        state.followers -= 1;
        if state.followers == 0 && matches!(state.phase, Phase::Vacant) {
            state.phase = Phase::Landed(Outcome::Nothing);
            Flights::end(&mut flights, &self.key, &self.flight);
        }
    }
}

#[cfg(test)]
#[path = "flight/tests.rs"]
mod tests;
