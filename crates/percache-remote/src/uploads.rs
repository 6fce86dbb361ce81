//! New results on their way to the remote, behind the build's back.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `batch` | the order in which a batch of results is written |
//! | `leftovers` | which results a later run offers again |
//! | `names` | both digests of every content that was ever named |
//!
//! A result is in `leftovers` from the moment it is offered until it is there. So neither an interrupt nor a kill loses
//! it for good.

mod batch;
mod leftovers;
mod names;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use percache::store::interface::Contents;
use percache::store::manifest::PathSet;
use percache::store::record::{ResultKey, StoredResult};

use crate::keys::{ActionKey, FingerprintKey};
use crate::remote::{Remote, Shared};
use leftovers::Leftovers;
use names::Names;

/// Results that are written together.
const TOGETHER: usize = 64;
/// How often whoever waits for the end is told how far it is.
const TELL: Duration = Duration::from_millis(100);

/// A result that others may have.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its local name.
    pub key: ResultKey,
    /// Under which its path set lies on the remote.
    pub fingerprint: FingerprintKey,
    /// Under which it lies itself.
    pub action: ActionKey,
    /// The result. Its contents are in the local store.
    pub result: StoredResult,
    /// Its discovered inputs, if it can have any.
    pub paths: Option<PathSet>,
}

/// How far the uploads are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Results that were offered.
    pub offered: usize,
    /// Results that are there, whoever wrote them.
    pub done: usize,
    /// Results that are not written, because somebody's is there or they are too large; not counted in `done`.
    pub passed_over: usize,
    /// Bytes of contents that were written.
    pub bytes: u64,
}

impl Progress {
    /// Returns how many results are still on their way.
    pub fn left(&self) -> usize {
        self.offered.saturating_sub(self.done + self.passed_over)
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Upload>,
    progress: Progress,
    /// No more will come.
    closing: bool,
    /// The thread has ended.
    ended: bool,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes results in the background.
pub struct Uploads {
    shared: Arc<Shared>,
    local: Arc<dyn Contents>,
    dir: PathBuf,
    queue: Arc<Queue>,
    leftovers: Arc<Leftovers>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Uploads {
    /// Makes ready. What is remembered between runs lies in `dir`, which is made when there is something to remember.
    pub fn new(remote: &Remote, local: Arc<dyn Contents>, dir: PathBuf) -> Uploads {
        let queue = Queue { state: Mutex::default(), changed: Condvar::new() };
        Uploads {
            shared: remote.shared.clone(),
            local,
            leftovers: Arc::new(Leftovers::new(dir.join("not-uploaded"))),
            dir,
            queue: Arc::new(queue),
            thread: Mutex::new(None),
        }
    }

    /// Returns the results that an earlier run offered and could not write.
    pub fn leftovers(&self) -> Vec<ResultKey> {
        self.leftovers.read()
    }

    /// Takes results off the list of those that were not written: they are not there any more.
    pub fn forget(&self, keys: &[ResultKey]) {
        keys.iter().for_each(|key| self.leftovers.done(key));
    }

    /// Takes a result, and returns at once.
    pub fn offer(&self, upload: Upload) {
        if !self.shared.connection.wants_writes() {
            return;
        }
        self.leftovers.add(&upload.key);
        if !self.shared.connection.may_write() {
            return;
        }
        let mut state = self.queue.state();
        state.progress.offered += 1;
        state.waiting.push_back(upload);
        drop(state);
        self.start();
        self.queue.changed.notify_all();
    }

    /// Returns how far the uploads are.
    pub fn progress(&self) -> Progress {
        self.queue.state().progress
    }

    /// Waits for the end of all uploads. `tell` is told how far they are, a few times a second, and may break them off.
    /// A remote that has gone silent does not keep it waiting.
    pub fn finish(&self, tell: &mut dyn FnMut(&Progress) -> ControlFlow<()>) -> Progress {
        self.close();
        let mut state = self.queue.state();
        while !state.ended && self.is_started() {
            let progress = state.progress;
            drop(state);
            if tell(&progress).is_break() {
                self.shared.connection.cancel();
            }
            let timed = self.queue.changed.wait_timeout_while(self.queue.state(), TELL, |state| !state.ended);
            state = timed.unwrap_or_else(PoisonError::into_inner).0;
        }
        let progress = state.progress;
        drop(state);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        thread.into_iter().for_each(|thread| drop(thread.join()));
        self.leftovers.write();
        progress
    }

    fn is_started(&self) -> bool {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn close(&self) {
        self.queue.state().closing = true;
        self.queue.changed.notify_all();
    }

    fn start(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let (shared, local, queue) = (self.shared.clone(), self.local.clone(), self.queue.clone());
            let (leftovers, names) = (self.leftovers.clone(), self.dir.join("names"));
            let work = move || {
                // Said at the end whatever that is, or `finish` would wait for ever.
                let _ended = Ended(&queue);
                let mut names = Names::open(names);
                work(&shared, &*local, &queue, &leftovers, &mut names);
            };
            // Without a thread, the results are offered again by the next run.
            *thread = std::thread::Builder::new().name("percache-upload".into()).spawn(work).ok();
        }
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        self.close();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.shared.connection.cancel();
            drop(thread.join());
            self.leftovers.write();
        }
    }
}

/// Says that the thread has ended.
struct Ended<'a>(&'a Queue);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.changed.notify_all();
    }
}

fn work(shared: &Shared, local: &dyn Contents, queue: &Queue, leftovers: &Leftovers, names: &mut Names) {
    loop {
        let mut state = queue.state();
        while state.waiting.is_empty() && !state.closing {
            state = queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let count = state.waiting.len().min(TOGETHER);
        let uploads: Vec<_> = state.waiting.drain(..count).collect();
        drop(state);
        if uploads.is_empty() || !shared.connection.may_write() || shared.connection.is_cancelled() {
            return;
        }
        let sent = |bytes: u64| {
            shared.connection.note_answer();
            queue.state().progress.bytes += bytes;
        };
        let outcome = batch::write(shared, local, &uploads, names, &sent);
        let mut state = queue.state();
        state.progress.done += outcome.done.len();
        state.progress.passed_over += outcome.passed_over.len();
        drop(state);
        outcome.done.iter().chain(&outcome.passed_over).for_each(|key| leftovers.done(key));
    }
}
