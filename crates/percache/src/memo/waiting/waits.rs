//! Who waits for whom: no computation may wait for one that can only end after itself.
//!
//! Each thread knows which flights are being computed on its stack, be it that a function runs there or that a task
//! is polled there, with all that it awaits. Whoever begins to wait holds up everything on that stack. If what it is
//! about to wait for waits for any of that in turn, the wait would never end. This holds for threads that take up
//! other work while theirs waits, and for tasks, on whatever thread they are polled.
//!
//! What a task awaits that runs in another task, or a thread that it joins, cannot be seen here: see
//! [`patience`](super::patience).

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::marker::PhantomData;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::fork::PerProcess;

/// Names a flight, in all caches of the process.
pub type FlightId = u64;

/// The id of a computation that nobody waits for.
pub const NO_FLIGHT: FlightId = FlightId::MAX;

thread_local! {
    /// The flights that are computed on this thread now, the innermost last.
    static STACK: RefCell<Vec<FlightId>> = const { RefCell::new(Vec::new()) };
}

/// `None`: the thread is ending, and has no stack any more to wait on.
fn on_stack<R>(act: impl FnOnce(&mut Vec<FlightId>) -> R) -> Option<R> {
    STACK.try_with(|stack| act(&mut stack.borrow_mut())).ok()
}

/// While it lives, this thread computes a flight.
pub struct Entered(PhantomData<*const ()>);

/// Notes that this thread computes `flight` from now on.
pub fn enter(flight: FlightId) -> Entered {
    on_stack(|stack| stack.push(flight));
    Entered(PhantomData)
}

impl Drop for Entered {
    fn drop(&mut self) {
        on_stack(Vec::pop);
    }
}

/// Returns whether this thread computes something.
pub fn is_computing() -> bool {
    on_stack(|stack| !stack.is_empty()).unwrap_or(false)
}

#[derive(Default)]
struct Graph {
    /// Of each flight that waits, the waits and what they are for.
    waits: HashMap<FlightId, Vec<(u64, FlightId)>>,
    next: u64,
}

static GRAPH: PerProcess<Mutex<Graph>> = PerProcess::new();

fn graph() -> MutexGuard<'static, Graph> {
    GRAPH.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// While it lives, what was on the thread's stack when it began waits for a flight.
#[derive(Debug)]
pub struct Wait {
    number: u64,
    waiting: Vec<FlightId>,
}

impl Wait {
    /// Begins to wait for `flight`. `None`: that would never end.
    pub fn begin(flight: FlightId) -> Option<Wait> {
        let waiting = on_stack(|stack| stack.clone()).unwrap_or_default();
        if waiting.is_empty() {
            return Some(Wait { number: 0, waiting });
        }
        let mut graph = graph();
        if graph.leads_to(flight, &waiting) {
            return None;
        }
        graph.next += 1;
        let number = graph.next;
        for one in &waiting {
            graph.waits.entry(*one).or_default().push((number, flight));
        }
        Some(Wait { number, waiting })
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut graph = graph();
        for one in &self.waiting {
            if let Some(waits) = graph.waits.get_mut(one) {
                waits.retain(|(number, _)| *number != self.number);
                if waits.is_empty() {
                    graph.waits.remove(one);
                }
            }
        }
    }
}

impl Graph {
    /// Whether `from` is one of `ends`, or waits for one of them by however many others.
    fn leads_to(&self, from: FlightId, ends: &[FlightId]) -> bool {
        let (mut seen, mut next) = (HashSet::new(), vec![from]);
        while let Some(flight) = next.pop() {
            if ends.contains(&flight) {
                return true;
            }
            if seen.insert(flight) {
                next.extend(self.waits.get(&flight).into_iter().flatten().map(|(_, for_whom)| *for_whom));
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    // Flights of other tests have small numbers.
    const A: FlightId = u64::MAX;
    const B: FlightId = A - 1;
    const C: FlightId = A - 2;

    #[test]
    fn what_computes_does_not_wait_for_itself() {
        let _outer = enter(A);
        let _inner = enter(B);
        assert!(Wait::begin(A).is_none());
        assert!(Wait::begin(B).is_none());
        assert!(Wait::begin(C).is_some());
    }

    #[test]
    fn a_circle_is_not_closed_by_however_many() {
        let (d, e, f) = (A - 10, A - 11, A - 12);
        let waits = |me, whom| {
            thread::spawn(move || {
                let _entered = enter(me);
                Wait::begin(whom)
            })
            .join()
            .unwrap()
        };
        let first = waits(d, e).unwrap();
        let second = waits(e, f).unwrap();
        assert!(waits(f, d).is_none());
        drop(first);
        assert!(waits(f, d).is_some());
        drop(second);
    }
}
