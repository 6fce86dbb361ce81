//! What lives in statics is never dropped: it is closed when the process exits.
//!
//! The C library calls what was registered with `atexit` in reverse order, among it the destructors of a database's own statics. So whoever
//! uses such a database calls [`renew`] after its first use: then what is closed here is closed before those are destroyed.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, Weak};

use crate::fork::PerProcess;

/// Something to close at exit.
pub trait Close: Send + Sync {
    /// Called when the process exits by returning from `main` or by `exit`. May be called on what is closed already.
    fn close_at_exit(&self);
}

type Open = Mutex<Vec<Weak<dyn Close>>>;

/// A forked child closes what it has opened, and not what its parent has.
static OPEN: PerProcess<Open> = PerProcess::new();

/// Closes `this` at exit, if it still exists then.
pub fn register(this: Weak<dyn Close>) {
    let mut open = OPEN.get().lock().unwrap_or_else(PoisonError::into_inner);
    let is_first = open.is_empty();
    open.retain(|other| other.strong_count() > 0);
    open.push(this);
    drop(open);
    if is_first {
        renew();
    }
}

/// Makes sure that everything is closed before statics are destroyed that exist by now.
pub fn renew() {
    // SAFETY: `close_all` has the signature that `atexit` wants, lives as long as the process, and does not unwind.
    let refused = unsafe { libc::atexit(close_all) };
    if refused != 0 {
        log::warn!("percache: what is in statics must be synced by hand before the process exits");
    }
}

extern "C" fn close_all() {
    // Unwinding must not reach the C library.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let open = std::mem::take(&mut *OPEN.get().lock().unwrap_or_else(PoisonError::into_inner));
        open.iter().filter_map(Weak::upgrade).for_each(|this| this.close_at_exit());
    }));
}
