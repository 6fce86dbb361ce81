//! A number of slots, of which each is taken by one thread at a time.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::process::Stop;

/// How often whoever waits looks whether the build was stopped.
const LOOK: Duration = Duration::from_millis(100);

/// Slots that threads wait for.
#[derive(Debug)]
pub struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// A slot that is taken until this is dropped.
#[derive(Debug)]
pub struct Slot<'a>(&'a Slots);

impl Slots {
    /// Creates slots that are free.
    pub fn new(count: usize) -> Slots {
        Slots { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Waits for a slot. Returns `None` if the build is stopped before there is one.
    pub fn take(&self, stop: &Stop) -> Option<Slot<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            if stop.requested() {
                return None;
            }
            free = self.freed.wait_timeout(free, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        *free -= 1;
        Some(Slot(self))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn no_more_are_taken_than_there_are() {
        let (slots, stop) = (Slots::new(2), Stop::manual().unwrap());
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _slot = slots.take(&stop).unwrap();
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
        let both = (slots.take(&stop), slots.take(&stop));
        stop.trigger_as(15).unwrap();
        assert!(slots.take(&stop).is_none());
        drop(both);
        assert!(slots.take(&stop).is_some());
    }
}
