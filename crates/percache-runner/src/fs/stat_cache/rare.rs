//! What is asked for every path and hardly ever there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A collection that mostly stays empty. While it is, threads that ask do not share a lock, which would cost each more than its question.
#[derive(Debug, Default)]
pub struct Rare<T> {
    used: AtomicBool,
    inner: RwLock<T>,
}

impl<T: Default> Rare<T> {
    /// What is in it; `None` when nothing ever was.
    pub fn get(&self) -> Option<RwLockReadGuard<'_, T>> {
        self.used.load(Ordering::Acquire).then(|| self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// To put something in.
    pub fn get_mut(&self) -> RwLockWriteGuard<'_, T> {
        let inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        self.used.store(true, Ordering::Release);
        inner
    }

    /// All of it.
    pub fn into_inner(self) -> T {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
