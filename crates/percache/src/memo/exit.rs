//! Caches that live in statics are never dropped: what they have not written yet is written when the process exits.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use crate::memo::shared::Shared;

static OPEN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
static REGISTERED: Once = Once::new();

/// Writes what is left in this cache when the process exits by returning from `main` or by `exit`.
pub fn close_at_exit(cache: &Arc<Shared>) {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|cache| cache.strong_count() > 0);
    open.push(Arc::downgrade(cache));
    REGISTERED.call_once(|| {
        // SAFETY: `close_all` has the signature that `atexit` wants, lives as long as the process, and does not unwind.
        let refused = unsafe { libc::atexit(close_all) };
        if refused != 0 {
            log::warn!("percache: results must be synced by hand before the process exits");
        }
    });
}

extern "C" fn close_all() {
    // Unwinding must not reach the C library.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let open = std::mem::take(&mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner));
        for cache in open.iter().filter_map(Weak::upgrade) {
            if let Err(error) = cache.close() {
                cache.warn("results could not be kept", &error);
            }
        }
    }));
}
