//! Wakes tasks after a while: what waits without blocking a thread looks from time to time whether it waits in vain.
//!
//! One thread for the whole process, which is started when it is needed and needs no executor.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use crate::base::fork::PerProcess;

#[derive(Default)]
struct Timer {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    runs: bool,
    next: u64,
    due: BinaryHeap<Reverse<(Instant, u64, Entry)>>,
}

/// What is woken, unless nobody wants that any more. All are equal: what tells them apart stands before.
struct Entry(Weak<Waker>);

impl PartialEq for Entry {
    fn eq(&self, _: &Entry) -> bool {
        true
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, _: &Entry) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

static TIMER: PerProcess<Timer> = PerProcess::new();

/// Dropped, it wakes nobody.
#[derive(Debug)]
pub struct Alarm(#[expect(dead_code, reason = "it is there to be dropped")] Arc<Waker>);

/// Wakes `waker` after `pause`. `None`: no thread can be had for that.
pub fn wake_after(pause: Duration, waker: &Waker) -> Option<Alarm> {
    let timer = TIMER.get();
    let waker = Arc::new(waker.clone());
    let mut state = timer.state();
    if !state.runs {
        thread::Builder::new().name("percache-timer".into()).spawn(|| TIMER.get().run()).ok()?;
        state.runs = true;
    }
    state.next += 1;
    let entry = (Instant::now() + pause, state.next, Entry(Arc::downgrade(&waker)));
    state.due.push(Reverse(entry));
    timer.changed.notify_one();
    Some(Alarm(waker))
}

impl Timer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.state();
        loop {
            let now = Instant::now();
            let first = state.due.peek().map(|Reverse((due, ..))| due.saturating_duration_since(now));
            state = match first {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let entry = state.due.pop();
                    // A waker runs code of others.
                    drop(state);
                    if let Some(waker) = entry.and_then(|Reverse((_, _, Entry(waker)))| waker.upgrade()) {
                        waker.wake_by_ref();
                    }
                    self.state()
                }
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
    use std::task::Wake;

    struct Tell(Mutex<Sender<u8>>, u8);

    impl Wake for Tell {
        fn wake(self: Arc<Self>) {
            self.0.lock().unwrap().send(self.1).unwrap();
        }
    }

    #[test]
    fn wakes_in_order_and_nobody_who_has_gone() {
        let (send, receive) = channel();
        let alarm = |number, pause| {
            wake_after(Duration::from_millis(pause), &Arc::new(Tell(Mutex::new(send.clone()), number)).into()).unwrap()
        };
        let _alarms = (alarm(2, 60), alarm(1, 20));
        drop(alarm(0, 40));
        assert_eq!((receive.recv().unwrap(), receive.recv().unwrap()), (1, 2));
        assert_eq!(receive.recv_timeout(Duration::from_millis(50)), Err(RecvTimeoutError::Timeout));
    }
}
