//! What a build spends its time on: spans of time, for whoever wants to draw them.
//!
//! Costs nothing when nobody does.

use std::time::Instant;

use crate::model::TaskId;
use crate::model::event::Listener;

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A task, from its start to its end; the next ones are parts of it.
    Task,
    /// Its inputs are hashed.
    Inputs,
    /// A result is looked for.
    Lookup,
    /// Another process runs the same action.
    Wait,
    /// Outputs are put back.
    Restore,
    /// Its command runs.
    Command,
    /// Its outputs are hashed, packed and handed to the store.
    Outputs,
    /// Its inputs are looked at again.
    Recheck,
    /// The build waits for its turn in the worktree, and reads what the last one left.
    Begin,
    /// What earlier builds left in the tree is looked at.
    Survey,
    /// The build waits until all results are in the store.
    Flush,
    /// The journal is written, and with it what the next build goes by.
    Journal,
}

/// From when to when.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// What was done.
    pub phase: Phase,
    /// For which task; `None` for the build as a whole.
    pub task: Option<TaskId>,
    /// On which of the build's threads; `None` on the coordinating one.
    pub worker: Option<usize>,
    /// When it began.
    pub begin: Instant,
    /// When it ended.
    pub end: Instant,
}

/// Does the work, and tells how long it took.
pub fn timed<T>(listener: &dyn Listener, phase: Phase, task: Option<TaskId>, work: impl FnOnce() -> T) -> T {
    if !listener.wants_spans() {
        return work();
    }
    let begin = Instant::now();
    let result = work();
    listener.span(Span { phase, task, worker: rayon::current_thread_index(), begin, end: Instant::now() });
    result
}
