//! What lives in statics is never dropped: it is closed when the process exits, while its other threads go on.
//!
//! The C library calls what was registered with `atexit` in reverse order, among it the destructors of a database's own statics. So whoever
//! uses such a database calls [`renew`] after its first use: then what is closed here is closed before those are destroyed.
//!
//! The other threads of the process go on meanwhile. Whatever is closed keeps them out by itself; and once [`is_over`] says so, no
//! database is opened any more. The thread that exits waits, by [`at_last`], for those that are about to open one.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, Weak};

use crate::base::fork::PerProcess;

/// Something to close at exit.
pub trait Close: Send + Sync {
    /// Called when the process exits by returning from `main` or by `exit`. May be called on what is closed already.
    fn close_at_exit(&self);
}

struct Open {
    this: Weak<dyn Close>,
    at_exit: bool,
}

/// A forked child closes what it has opened, and not what its parent has.
static OPEN: PerProcess<Mutex<Vec<Open>>> = PerProcess::new();
/// Whether anything wants to be closed at exit. Children inherit it, and what was registered with the C library.
static HOOKED: AtomicBool = AtomicBool::new(false);
/// Whether everything was closed because the process exits.
static OVER: AtomicBool = AtomicBool::new(false);
/// What waits for those who have asked before it was over.
static LAST: OnceLock<fn()> = OnceLock::new();

thread_local! {
    /// Whether this thread closes what others have opened while it was about to be over.
    static CLOSES: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether the process exits and has closed everything: statics of databases may be gone.
#[cfg(feature = "rocksdb")]
pub fn is_over() -> bool {
    OVER.load(Ordering::SeqCst) && !CLOSES.get()
}

/// Has the thread that exits call `wait` after it has closed everything. Of several, the first one is called.
#[cfg(feature = "rocksdb")]
pub fn at_last(wait: fn()) {
    LAST.get_or_init(|| wait);
}

/// Closes `this` in [`close_all`], if it still exists then; with `at_exit`, when the process exits as well.
pub fn register(this: Weak<dyn Close>, at_exit: bool) {
    let mut open = OPEN.get().lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|other| other.this.strong_count() > 0);
    open.push(Open { this, at_exit });
    drop(open);
    if at_exit && !HOOKED.swap(true, Ordering::Relaxed) {
        renew();
    }
}

/// Makes sure that everything is closed before statics are destroyed that exist by now.
#[allow(unsafe_code, reason = "no crate that is well known registers a function for the end of the process")]
pub fn renew() {
    if !HOOKED.load(Ordering::Relaxed) {
        return;
    }
    // SAFETY: `at_exit` has the signature that `atexit` wants, lives as long as the process, and does not unwind.
    let refused = unsafe { libc::atexit(at_exit) };
    if refused != 0 {
        log::warn!("percache: what is in statics must be synced by hand before the process exits");
    }
}

/// Closes all caches of the process: their results, and when they were used, become permanent. Functions that still use
/// one of them compute what is not in memory.
///
/// For programs that end without `exit`, as `_exit` or `exec` does, and for other languages that have an exit of their
/// own. Caches are otherwise closed by whoever drops them last, and at exit unless
/// [`CacheBuilder::close_at_exit`](crate::CacheBuilder::close_at_exit) says that they are not.
pub fn close_all() {
    close(|_| true);
}

extern "C" fn at_exit() {
    // Registered again and again: of the later calls nobody knows which statics are left.
    if OVER.load(Ordering::SeqCst) {
        return;
    }
    close_to_exit();
    OVER.store(true, Ordering::SeqCst);
    CLOSES.set(true);
    // What another thread has opened meanwhile.
    close_to_exit();
    LAST.get().into_iter().for_each(|wait| wait());
    CLOSES.set(false);
}

fn close_to_exit() {
    // Unwinding must not reach the C library.
    let _ = catch_unwind(AssertUnwindSafe(|| close(|open| open.at_exit)));
}

fn close(meant: impl Fn(&Open) -> bool) {
    let closed: Vec<Open> =
        OPEN.get().lock().unwrap_or_else(PoisonError::into_inner).extract_if(.., |open| meant(open)).collect();
    closed.iter().filter_map(|open| open.this.upgrade()).for_each(|this| this.close_at_exit());
}
