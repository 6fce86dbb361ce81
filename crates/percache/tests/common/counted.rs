//! Functions that count their calls, for tests that call them on their own thread, and futures that never wait.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

use super::tasks::poll;

thread_local! {
    /// Calls of functions of this test: each test has a thread of its own.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Counts a call.
pub fn called() {
    CALLS.set(CALLS.get() + 1);
}

/// The calls since [`calls`] was last asked.
pub fn calls_so_far() -> u32 {
    CALLS.get()
}

/// The calls since this was last asked.
pub fn calls() -> u32 {
    CALLS.take()
}

/// What a future gives that has nothing to wait for.
pub fn ready<F: Future>(future: F) -> F::Output {
    match poll(&mut pin!(future)) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}
