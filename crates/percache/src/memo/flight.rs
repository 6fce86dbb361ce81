//! Single flight within a process: of those who want one key at the same time, one computes and the others wait for it.
//!
//! Waiting must not deadlock. In a program of pure functions it cannot, but for threads that take up other work while theirs waits
//! (rayon does): one may find itself waiting, far up its own stack, for what it is itself computing further down. So threads that
//! wait are recorded, and one whose wait would close a circle computes instead. Tasks of an `async` executor do not take up other
//! work on their stack and are not recorded.
//!
//! Knows keys and finished records, nothing of functions or stores.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::{self, ThreadId};

use crate::digest::Digest;
use crate::memo::hot::{DigestMap, SharedRecord};

const SHARDS: usize = 16;

/// The computations under way.
pub struct Flights {
    shards: [Mutex<DigestMap<Arc<Flight>>>; SHARDS],
}

/// One computation under way.
pub struct Flight {
    state: Mutex<State>,
    landed: Condvar,
    /// The thread that computes, if one thread does from start to end.
    owner: Option<ThreadId>,
}

enum State {
    Flying(Vec<Waker>),
    /// With the record that it brought, if there is one.
    Landed(Option<SharedRecord>),
}

/// Which part one plays.
pub enum Boarding<'a> {
    /// Compute it, then [`Lead::land`].
    Lead(Lead<'a>),
    /// Another one computes it.
    Follow(Arc<Flight>),
}

/// The duty to compute. Dropped without a record (a panic, an error, a cancelled future), it tells those who wait to see for themselves.
pub struct Lead<'a> {
    flights: &'a Flights,
    key: Digest,
    flight: Arc<Flight>,
    record: Option<SharedRecord>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which thread waits for which flight, in all caches of the process.
static WAITING: LazyLock<Mutex<HashMap<ThreadId, Arc<Flight>>>> = LazyLock::new(Mutex::default);

impl Flights {
    /// None.
    pub fn new() -> Flights {
        Flights { shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Takes the lead for `key`, or follows who has it. `owner`: the thread, if the computation stays on it.
    pub fn board(&self, key: Digest, owner: Option<ThreadId>) -> Boarding<'_> {
        let mut flights = lock(self.shard(&key));
        if let Some(flight) = flights.get(&key) {
            return Boarding::Follow(flight.clone());
        }
        let flight = Arc::new(Flight { state: Mutex::new(State::Flying(Vec::new())), landed: Condvar::new(), owner });
        flights.insert(key, flight.clone());
        Boarding::Lead(Lead { flights: self, key, flight, record: None })
    }

    fn shard(&self, key: &Digest) -> &Mutex<DigestMap<Arc<Flight>>> {
        &self.shards[key.0[18] as usize % SHARDS]
    }
}

impl Lead<'_> {
    /// Gives the record to those who wait.
    pub fn land(mut self, record: Option<SharedRecord>) {
        self.record = record;
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        lock(self.flights.shard(&self.key)).remove(&self.key);
        let before = std::mem::replace(&mut *lock(&self.flight.state), State::Landed(self.record.take()));
        self.flight.landed.notify_all();
        if let State::Flying(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl Flight {
    /// Blocks until the computation is over. `None`: it left no record, or waiting for it would never end.
    pub fn wait(self: &Arc<Self>) -> Option<SharedRecord> {
        let me = thread::current().id();
        {
            let mut waiting = lock(&WAITING);
            if self.waits_for(me, &waiting) {
                return None;
            }
            waiting.insert(me, self.clone());
        }
        let mut state = lock(&self.state);
        let record = loop {
            match &*state {
                State::Landed(record) => break record.clone(),
                State::Flying(_) => state = self.landed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        lock(&WAITING).remove(&me);
        record
    }

    /// Whether this computation can only end after something that `thread` computes.
    fn waits_for(&self, thread: ThreadId, waiting: &HashMap<ThreadId, Arc<Flight>>) -> bool {
        let mut owner = self.owner;
        while let Some(busy) = owner {
            if busy == thread {
                return true;
            }
            owner = waiting.get(&busy).and_then(|flight| flight.owner);
        }
        false
    }

    /// Waits until the computation is over, without blocking the thread.
    pub async fn landed(&self) -> Option<SharedRecord> {
        poll_fn(|context| match &mut *lock(&self.state) {
            State::Landed(record) => Poll::Ready(record.clone()),
            State::Flying(wakers) => {
                if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                    wakers.push(context.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead<'a>(flights: &'a Flights, key: &str) -> Lead<'a> {
        match flights.board(Digest::of(key.as_bytes()), Some(thread::current().id())) {
            Boarding::Lead(lead) => lead,
            Boarding::Follow(_) => panic!("somebody computes {key} already"),
        }
    }

    fn follow(flights: &Flights, key: &str) -> Arc<Flight> {
        match flights.board(Digest::of(key.as_bytes()), None) {
            Boarding::Follow(flight) => flight,
            Boarding::Lead(_) => panic!("nobody computes {key}"),
        }
    }

    #[test]
    fn who_follows_gets_the_record() {
        let flights = Flights::new();
        let lead = lead(&flights, "k");
        let flight = follow(&flights, "k");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| flight.wait());
            lead.land(Some(Arc::new(vec![1])));
            assert_eq!(waiter.join().unwrap().as_deref(), Some(&vec![1]));
        });
    }

    #[test]
    fn a_lead_that_is_dropped_frees_the_key() {
        let flights = Flights::new();
        let flight = {
            let _lead = lead(&flights, "k");
            follow(&flights, "k")
        };
        assert_eq!(flight.wait(), None);
        lead(&flights, "k").land(None);
    }

    #[test]
    fn waiting_for_oneself_does_not() {
        let flights = Flights::new();
        let _lead = lead(&flights, "k");
        assert_eq!(follow(&flights, "k").wait(), None);
    }

    #[test]
    fn a_circle_of_threads_is_broken() {
        let flights = &Flights::new();
        let barrier = &std::sync::Barrier::new(3);
        thread::scope(|scope| {
            for (mine, other) in [("a", "b"), ("b", "c"), ("c", "a")] {
                scope.spawn(move || {
                    let lead = lead(flights, mine);
                    barrier.wait();
                    follow_if_there(flights, other);
                    lead.land(None);
                });
            }
        });
    }

    fn follow_if_there(flights: &Flights, key: &str) {
        if let Boarding::Follow(flight) = flights.board(Digest::of(key.as_bytes()), None) {
            flight.wait();
        }
    }
}
