//! Timed spans of a build's work, for profiles.
//!
//! They cost nothing if nobody asks for them.

use std::time::Instant;

use crate::model::TaskId;
use crate::model::event::Listener;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A task, from start to end; the phases up to `Recheck` are parts of it.
    Task,
    /// Hashing the inputs.
    Inputs,
    /// Looking for a result.
    Lookup,
    /// Waiting while another process runs the same action.
    Wait,
    /// Restoring the outputs.
    Restore,
    /// Running the command.
    Command,
    /// Hashing, packing and storing the outputs.
    Outputs,
    /// Checking whether the inputs have changed in the meantime.
    Recheck,
    /// Waiting for the lock of the worktree, and reading the last build's journal.
    Begin,
    /// Examining what earlier builds left in the tree.
    Survey,
    /// Waiting until all results are in the store.
    Flush,
    /// Writing the journal and the related files that the next build relies on.
    Journal,
}

/// One piece of work, with its start and end.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The kind of work.
    pub phase: Phase,
    /// The task; `None` for the build as a whole.
    pub task: Option<TaskId>,
    /// The number of the build's worker thread; `None` for the coordinating thread.
    pub worker: Option<usize>,
    /// When it began.
    pub begin: Instant,
    /// When it ended.
    pub end: Instant,
}

/// Does the work, and reports to `listener` how long it took.
pub fn timed<T>(listener: &dyn Listener, phase: Phase, task: Option<TaskId>, work: impl FnOnce() -> T) -> T {
    if !listener.wants_spans() {
        return work();
    }
    let begin = Instant::now();
    let result = work();
    listener.span(Span { phase, task, worker: rayon::current_thread_index(), begin, end: Instant::now() });
    result
}
