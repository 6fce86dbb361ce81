//! Forks: a child process begins with state of its own.
//!
//! A child has a copy of its parent's memory but only one of its threads. What another thread had locked stays locked
//! in the child for ever, threads that the parent had started are not there, and what waits to be written is the
//! parent's to write. So the child never touches what its parent has made: it makes everything anew when it needs it,
//! and leaves what it inherited to lie there until it ends.
//!
//! Knows nothing of what is made anew.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many forks lie between this process and the one that was started with the program.
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// Returns the number of this process in the line of its ancestors that have used this library. Costs one load.
#[inline]
pub fn generation() -> usize {
    GENERATION.load(Ordering::Relaxed)
}

/// What else is done at a fork, in the thread that forks.
#[derive(Clone, Copy, Debug)]
pub struct Hooks {
    /// Before it.
    pub before: fn(),
    /// After it, in the process that there was before.
    pub in_parent: fn(),
    /// In the new process. May set atomic numbers, and nothing else.
    pub in_child: fn(),
}

static HOOKS: OnceLock<Hooks> = OnceLock::new();

/// Has [`generation`] grow in children from now on. Called before anything is made that a child must not use. Of all
/// `hooks`, the first ones are used.
#[cfg(unix)]
#[allow(unsafe_code, reason = "the C library alone tells of a fork")]
pub fn watch(hooks: Option<Hooks>) {
    static WATCHED: std::sync::Once = std::sync::Once::new();
    if let Some(hooks) = hooks {
        HOOKS.get_or_init(|| hooks);
    }
    WATCHED.call_once(|| {
        // SAFETY: the functions have the signature that is wanted, live as long as the process, and do not unwind.
        let refused = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
        if refused != 0 {
            log::warn!("percache: a forked child of this process must not use the caches that were opened before");
        }
    });
}

/// There are no forks here.
#[cfg(not(unix))]
pub fn watch(_hooks: Option<Hooks>) {}

#[cfg(unix)]
extern "C" fn before() {
    HOOKS.get().into_iter().for_each(|hooks| run(hooks.before));
}

#[cfg(unix)]
extern "C" fn in_parent() {
    HOOKS.get().into_iter().for_each(|hooks| run(hooks.in_parent));
}

#[cfg(unix)]
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    HOOKS.get().into_iter().for_each(|hooks| run(hooks.in_child));
}

/// Unwinding must not reach the C library.
#[cfg(unix)]
fn run(hook: fn()) {
    let _ = std::panic::catch_unwind(hook);
}

/// A value that every process has for itself.
///
/// It replaces a `OnceLock` wherever another thread may be making the value while this one forks: the child would wait for that thread
/// for ever. A list with a link for each generation: no process writes to a link that another one has begun to write to, so
/// none can be left half made.
pub struct PerProcess<T> {
    first: Link<T>,
}

struct Link<T> {
    value: OnceLock<T>,
    next: OnceLock<Box<Link<T>>>,
}

impl<T> Link<T> {
    const fn new() -> Link<T> {
        Link { value: OnceLock::new(), next: OnceLock::new() }
    }
}

impl<T> fmt::Debug for PerProcess<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerProcess")
    }
}

/// A clone has nothing yet.
impl<T> Clone for PerProcess<T> {
    fn clone(&self) -> PerProcess<T> {
        PerProcess::new()
    }
}

impl<T> Default for PerProcess<T> {
    fn default() -> PerProcess<T> {
        PerProcess::new()
    }
}

impl<T> PerProcess<T> {
    /// Nothing yet.
    pub const fn new() -> PerProcess<T> {
        PerProcess { first: Link::new() }
    }

    /// Returns the value of this process; the first time, what `init` makes.
    #[inline]
    pub fn get_or_init(&self, init: impl FnOnce() -> T) -> &T {
        self.link().value.get_or_init(init)
    }

    /// Returns the value of this process if there is one.
    pub fn if_made(&self) -> Option<&T> {
        self.link().value.get()
    }

    #[inline]
    fn link(&self) -> &Link<T> {
        match generation() {
            0 => &self.first,
            generation => self.later_link(generation),
        }
    }

    #[cold]
    fn later_link(&self, generation: usize) -> &Link<T> {
        (0..generation).fold(&self.first, |link, _| link.next.get_or_init(|| Box::new(Link::new())))
    }
}

impl<T: Default> PerProcess<T> {
    /// Returns the value of this process; the first time, the default.
    pub fn get(&self) -> &T {
        self.get_or_init(T::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once() {
        let value = PerProcess::new();
        assert_eq!(value.get_or_init(|| 1), &1);
        assert_eq!(value.get_or_init(|| 2), &1);
    }
}
