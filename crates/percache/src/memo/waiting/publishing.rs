//! Threads that pass results to other processes, aside from who computed them: a cache is not closed before they are
//! done. Otherwise they would find it closed and let go of their claims, while the results are not written yet.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// For how long a cache waits at the most before it closes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The threads of a cache that pass results on.
#[derive(Default)]
pub struct Publishing {
    count: Mutex<usize>,
    changed: Condvar,
}

/// One of them, until this is dropped.
pub struct Publisher(Arc<Publishing>);

impl Publishing {
    /// Counts one.
    pub fn begin(self: &Arc<Self>) -> Publisher {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Publisher(self.clone())
    }

    /// Waits until there is none left.
    pub fn wait(&self) {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(count, PATIENCE, |count| *count > 0);
        if waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            log::warn!("percache: a cache is closed while results are passed to other processes");
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        *self.0.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    #[test]
    fn who_closes_waits_for_those_who_publish() {
        let publishing = Arc::<Publishing>::default();
        publishing.wait();
        let done = AtomicBool::new(false);
        let publisher = publishing.begin();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                done.store(true, Ordering::SeqCst);
                drop(publisher);
            });
            publishing.wait();
            assert!(done.load(Ordering::SeqCst));
        });
    }
}
