//! A collection that is asked for every path and is almost always empty.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A collection that mostly stays empty. While it is, threads that ask share no lock, which would cost each more than
/// its question.
#[derive(Debug, Default)]
pub struct Rare<T> {
    used: AtomicBool,
    inner: RwLock<T>,
}

impl<T: Default> Rare<T> {
    /// Returns a read guard; `None` if nothing was ever put in.
    pub fn get(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.used.load(Ordering::Acquire).then(|| self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns a write guard, to put something in.
    pub fn get_mut(&self) -> RwLockWriteGuard<'_, T> {
        let inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        self.used.store(true, Ordering::Release);
        inner
    }
}
