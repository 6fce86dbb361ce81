//! Writing behind: what is added collects in memory, can be found there, and is written later in one short session.
//!
//! A thread writes when as much has collected as is worth a session, or when something has waited long enough. Whoever
//! asks for everything to be written writes it by itself; whoever adds to more than there is room for waits for the
//! session that is under way, or writes. The thread starts with the first addition that must be written in time. It
//! is not there in a forked child: whoever holds a [`WriteBehind`] makes a new one for a child.
//!
//! What is collected and how it is written, the [`Batch`] and the [`Sink`] say; the latter also says what becomes of a
//! batch that cannot be written ([`AfterFailure`]). Knows nothing of what it holds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::db::engine::EngineError;

/// When to write.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So many bytes are worth a session.
    pub enough: usize,
    /// Whoever adds waits while there are more than this many bytes in memory.
    pub too_much: usize,
    /// Nothing that [must be written in time](Batch::is_pressing) waits longer than this: so much is lost at the most
    /// when the process is killed.
    pub oldest: Duration,
}

/// What collects in memory.
pub trait Batch: Default + Send + Sync + 'static {
    /// Returns whether there is nothing to write.
    fn is_empty(&self) -> bool;

    /// Returns roughly how much memory it takes.
    fn bytes(&self) -> usize;

    /// Returns whether it is worth a session, however few bytes there are.
    fn is_enough(&self) -> bool {
        false
    }

    /// Returns whether anything in it must be written in time.
    fn is_pressing(&self) -> bool {
        !self.is_empty()
    }
}

/// What writes batches. Only one is written at a time.
pub trait Sink: Send + Sync + 'static {
    /// What it writes.
    type Batch: Batch;

    /// Writes a batch, all of it or nothing.
    fn write(&self, batch: &Self::Batch) -> Result<(), EngineError>;

    /// Makes what was written visible to readers. Called while it can still be found in memory.
    fn publish(&self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Says what becomes of a batch that could not be written.
    fn after_failure(&self, batch: &Self::Batch, error: &EngineError) -> AfterFailure<Self::Batch>;
}

/// What becomes of a batch that could not be written.
#[derive(Debug)]
pub enum AfterFailure<B> {
    /// Nothing is collected or written any more; everybody who asks is told why.
    End,
    /// The rest waits for the next session, which the next addition brings about, unless there is no room for it.
    TryAgain {
        /// What was not written.
        rest: B,
        /// Adds to the rest what was added since.
        merge: fn(&mut B, B),
    },
}

/// Why something was not written, or cannot be seen.
#[derive(Clone, Debug, thiserror::Error)]
pub enum WriteError {
    /// Nothing is written any more.
    #[error("{0}")]
    Ended(EngineError),
    /// The next session tries it again.
    #[error("results could not be written, it will be tried again: {0}")]
    Waits(EngineError),
    /// There was no room to keep it.
    #[error("results could not be written, what was to be written is dropped: {0}")]
    Dropped(EngineError),
    /// It was written, and could not be made visible.
    #[error("{0}")]
    Unseen(EngineError),
}

impl WriteError {
    /// Returns what the database said.
    pub fn into_cause(self) -> EngineError {
        let (Self::Ended(cause) | Self::Waits(cause) | Self::Dropped(cause) | Self::Unseen(cause)) = self;
        cause
    }
}

/// Collects, and writes in the background.
pub struct WriteBehind<S: Sink> {
    shared: Arc<Shared<S>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared<S: Sink> {
    sink: S,
    limits: Limits,
    /// Whether anything is in memory: most lookups need nothing but this.
    is_empty: AtomicBool,
    state: Mutex<State<S::Batch>>,
    /// There is something to do for the thread.
    wake: Condvar,
    /// A session has ended.
    room: Condvar,
    /// Held while a batch is written.
    turn: Mutex<()>,
}

#[derive(Default)]
struct State<B> {
    waiting: B,
    /// Found until it is written.
    writing: Arc<B>,
    /// When the first of what waits was added that must be written in time. Not when the rest of a failure was.
    since: Option<Instant>,
    /// Whether what waits is to be written at once.
    urgent: bool,
    busy: bool,
    closed: bool,
    ended: Option<EngineError>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<S: Sink> WriteBehind<S> {
    /// Nothing collected; no thread yet.
    pub fn new(sink: S, limits: Limits) -> WriteBehind<S> {
        let shared = Shared {
            sink,
            limits,
            is_empty: AtomicBool::new(true),
            state: Mutex::default(),
            wake: Condvar::new(),
            room: Condvar::new(),
            turn: Mutex::new(()),
        };
        WriteBehind { shared: Arc::new(shared), thread: Mutex::new(None) }
    }

    /// Returns what writes.
    pub fn sink(&self) -> &S {
        &self.shared.sink
    }

    /// Has `add` add something, once there is room. An error says that something else was not written, unless
    /// writing has ended.
    pub fn add(&self, add: impl FnOnce(&mut S::Batch)) -> Result<(), WriteError> {
        let (mut state, made) = self.shared.with_room();
        if let Some(error) = &state.ended {
            return Err(WriteError::Ended(error.clone()));
        }
        if state.closed {
            return made;
        }
        add(&mut state.waiting);
        self.shared.is_empty.store(false, Ordering::Release);
        if state.is_news(&self.shared.limits) {
            drop(state);
            self.shared.wake.notify_one();
            if !self.is_started() {
                return self.flush();
            }
        }
        made
    }

    /// Looks something up in what is not written yet, the newest first.
    pub fn find<T>(&self, mut look: impl FnMut(&S::Batch) -> Option<T>) -> Option<T> {
        if self.shared.is_empty.load(Ordering::Acquire) {
            return None;
        }
        let state = self.shared.state();
        look(&state.waiting).or_else(|| look(&state.writing))
    }

    /// Returns the error that ended all writing.
    pub fn ended(&self) -> Option<EngineError> {
        self.shared.state().ended.clone()
    }

    /// Has everything that has collected written, without waiting for it.
    pub fn begin_flush(&self) {
        let mut state = self.shared.state();
        if state.waiting.is_empty() {
            return;
        }
        state.urgent = true;
        drop(state);
        self.shared.wake.notify_one();
        // Without a thread, whoever waits for it writes.
        self.is_started();
    }

    /// Writes everything that has collected. `Ok` means that all that was added before the call is permanent.
    pub fn flush(&self) -> Result<(), WriteError> {
        self.shared.flush()
    }

    /// The same, by `write`, which is called even if nothing has collected, and says whether it wrote anything.
    pub fn flush_by(&self, write: impl FnOnce(&S::Batch) -> Result<bool, EngineError>) -> Result<(), WriteError> {
        self.shared.write(write)
    }

    /// Ends the thread, then writes everything that has collected. What is added later is dropped.
    pub fn close(&self) -> Result<(), WriteError> {
        self.shared.close();
        let thread = lock(&self.thread).take();
        thread.into_iter().for_each(|thread| drop(thread.join()));
        self.flush()
    }

    /// Starts the thread if need be.
    fn is_started(&self) -> bool {
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let shared = self.shared.clone();
            let body = move || shared.write_in_time();
            *thread = thread::Builder::new().name("percache-writer".into()).spawn(body).ok();
        }
        thread.is_some()
    }
}

/// Whoever has not closed it loses what has collected.
impl<S: Sink> Drop for WriteBehind<S> {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl<B: Batch> State<B> {
    fn bytes(&self) -> usize {
        self.waiting.bytes() + self.writing.bytes()
    }

    /// Notes that something was added. Returns whether the thread is to know.
    fn is_news(&mut self, limits: &Limits) -> bool {
        let is_first = self.since.is_none() && self.waiting.is_pressing();
        if is_first {
            self.since = Some(Instant::now());
        }
        let is_enough = self.waiting.bytes() >= limits.enough || self.waiting.is_enough();
        is_first || (is_enough && !std::mem::replace(&mut self.urgent, true))
    }

    fn take(&mut self) -> Arc<B> {
        self.writing = Arc::new(std::mem::take(&mut self.waiting));
        (self.since, self.urgent, self.busy) = (None, false, true);
        self.writing.clone()
    }

    /// What was taken is dealt with: written, or [`AfterFailure`] says what becomes of it. Returns what is to be
    /// dropped without the lock.
    fn settle(&mut self, failed: Option<(EngineError, AfterFailure<B>)>, room: usize) -> (B, Result<(), WriteError>) {
        self.busy = false;
        self.writing = Arc::default();
        match failed {
            None => (B::default(), Ok(())),
            Some((error, AfterFailure::End)) => {
                self.ended = Some(error.clone());
                (std::mem::take(&mut self.waiting), Err(WriteError::Ended(error)))
            }
            Some((error, AfterFailure::TryAgain { mut rest, merge })) => {
                if self.waiting.bytes() + rest.bytes() > room {
                    return (rest, Err(WriteError::Dropped(error)));
                }
                let newer = std::mem::take(&mut self.waiting);
                merge(&mut rest, newer);
                self.waiting = rest;
                (B::default(), Err(WriteError::Waits(error)))
            }
        }
    }
}

impl<S: Sink> Shared<S> {
    fn state(&self) -> MutexGuard<'_, State<S::Batch>> {
        lock(&self.state)
    }

    /// Waits until there is room; writes if nobody does. Says whether that went well.
    fn with_room(&self) -> (MutexGuard<'_, State<S::Batch>>, Result<(), WriteError>) {
        let (mut state, mut made) = (self.state(), Ok(()));
        while made.is_ok() && state.ended.is_none() && !state.closed && state.bytes() > self.limits.too_much {
            if state.busy {
                state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                drop(state);
                made = self.flush();
                state = self.state();
            }
        }
        (state, made)
    }

    fn flush(&self) -> Result<(), WriteError> {
        self.write(|batch| if batch.is_empty() { Ok(false) } else { self.sink.write(batch).map(|()| true) })
    }

    fn write(&self, write: impl FnOnce(&S::Batch) -> Result<bool, EngineError>) -> Result<(), WriteError> {
        let _turn = lock(&self.turn);
        let mut state = self.state();
        if let Some(error) = &state.ended {
            return Err(WriteError::Ended(error.clone()));
        }
        let batch = state.take();
        drop(state);
        let written = attempt(|| write(&batch));
        let failed = written.as_ref().err().map(|error| {
            let after = catch_unwind(AssertUnwindSafe(|| self.sink.after_failure(&batch, error)));
            (error.clone(), after.unwrap_or(AfterFailure::End))
        });
        let is_news = match &failed {
            None => matches!(written, Ok(true)),
            Some((_, after)) => matches!(after, AfterFailure::TryAgain { .. }),
        };
        let published = if is_news { attempt(|| self.sink.publish()) } else { Ok(()) };
        let mut state = self.state();
        let (dropped, written) = state.settle(failed, self.limits.too_much);
        self.is_empty.store(state.waiting.is_empty(), Ordering::Release);
        drop(state);
        self.room.notify_all();
        // Before the turn ends: whoever flushes next may rely on it that everything beside the batch is let go.
        drop((batch, dropped));
        written.and_then(|()| published.map_err(WriteError::Unseen))
    }

    /// What the thread does until it is closed.
    fn write_in_time(&self) {
        let mut state = self.state();
        while !state.closed && state.ended.is_none() {
            let left = state.since.map(|since| self.limits.oldest.saturating_sub(since.elapsed()));
            if state.urgent || left == Some(Duration::ZERO) {
                drop(state);
                match self.flush() {
                    Ok(()) | Err(WriteError::Ended(_)) => {}
                    Err(error) => log::warn!("percache: {error}"),
                }
                state = self.state();
                continue;
            }
            state = match left {
                None => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    fn close(&self) {
        self.state().closed = true;
        self.wake.notify_all();
        self.room.notify_all();
    }
}

/// A panic must not leave those who wait for a session waiting for ever.
fn attempt<T>(act: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| Err(EngineError::Io("the writing thread panicked".into())))
}

#[cfg(test)]
mod tests;
