//! Outputs that are left on the remote until something needs them, and tasks that wait for such outputs.
//!
//! A task whose outputs are left is done, and its dependents are judged by digests. A job that finds out that digests
//! are not enough ends, and its task waits here until everything that it depends on has come. A result that the remote
//! has lost meanwhile is made again, for which the same holds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::action::context::Download;
use crate::action::done::Done;
use crate::action::inputs::Visible;
use crate::action::leave::{self, Pending};
use crate::model::TaskId;
use crate::schedule::state::TaskState;

use super::Build;

/// What is left on the remote, and who waits for it.
#[derive(Default)]
pub(super) struct OnRemote {
    /// The tasks that are done with their outputs left, and their reports: these are counted and told at the end.
    done: HashMap<TaskId, Done>,
    /// The tasks that were done in this way, and whose outputs come now.
    coming: HashMap<TaskId, Coming>,
    /// The tasks whose outputs must not be left any more.
    needed: HashSet<TaskId>,
    /// The tasks that have waited for everything that they depend on.
    complete: HashSet<TaskId>,
    /// The tasks for which the remote was asked while something was left that they depend on: perhaps under a key that
    /// is not theirs.
    asked_early: HashSet<TaskId>,
}

impl OnRemote {
    /// Returns how many tasks have their outputs left, as it is now.
    pub(super) fn count(&self) -> usize {
        self.done.len()
    }
}

/// Outputs that come.
struct Coming {
    /// Their paths.
    outputs: Vec<Vec<u8>>,
    /// What dependents see of the task meanwhile.
    visible: Option<Arc<Visible>>,
    /// The tasks that wait until everything that they depend on is in the tree.
    waiters: Vec<TaskId>,
}

impl Build<'_, '_> {
    /// Returns whether the outputs of the task may stay on the remote, as far as is known by now.
    pub(super) fn may_leave(&self, id: TaskId) -> bool {
        let may = match self.ctx.options.download {
            Download::All => false,
            Download::Wanted => !self.demands.wanted.contains(&id),
            Download::AsItIs => {
                let record = self.ctx.journal.tasks.get(&self.ctx.workspace.task(id).name);
                record.is_some_and(|record| record.on_remote)
            }
        };
        // One without outputs has nothing to leave, and would be asked for twice.
        may && !self.on_remote.needed.contains(&id) && !self.ctx.workspace.task(id).outputs.is_empty()
    }

    /// Returns what dependents see of a task whose outputs come.
    pub(super) fn visible_meanwhile(&self, id: TaskId) -> Option<Arc<Visible>> {
        self.on_remote.coming.get(&id)?.visible.clone()
    }

    /// Notes that the remote is asked for a task. Returns whether the tree has everything that the task depends on.
    pub(super) fn is_asked(&mut self, id: TaskId) -> bool {
        let complete = self.is_complete(id);
        if complete {
            self.on_remote.asked_early.remove(&id);
        } else {
            self.on_remote.asked_early.insert(id);
        }
        complete
    }

    /// Returns whether the tree has everything that a ready task depends on and had it when the remote was asked, or is
    /// not going to have it.
    pub(super) fn was_complete(&self, id: TaskId) -> bool {
        self.is_complete(id) && !self.on_remote.asked_early.contains(&id)
    }

    fn is_complete(&self, id: TaskId) -> bool {
        let only_looks = self.ctx.options.download == Download::AsItIs;
        let nothing_is_left = self.on_remote.done.is_empty() && self.on_remote.coming.is_empty();
        only_looks || nothing_is_left || self.on_remote.complete.contains(&id)
    }

    /// Notes what inputs are that the tree does not have, because this untouched task has left its outputs.
    pub(super) fn leave_again(&self, done: &Done) {
        let name = &self.ctx.workspace.task(done.task).name;
        if let Some(record) = self.ctx.journal.tasks.get(name).filter(|_| done.on_remote) {
            leave::leave_again(self.ctx, record);
        }
    }

    /// Keeps the report of a task whose outputs are left: they may yet be needed.
    pub(super) fn keep_left(&mut self, done: Done) {
        self.on_remote.done.insert(done.task, done);
    }

    /// Takes in that a job has ended because more has to be in the tree.
    pub(super) fn wait_for_tree(&mut self, id: TaskId, why: Pending) {
        self.queue.ended(id);
        if self.ctx.workspace.task(id).interactive && !self.ctx.options.dry_run {
            self.reporter.yield_terminal(false);
        }
        if why == Pending::Outputs {
            self.on_remote.needed.insert(id);
            self.states.set(id, TaskState::Ready);
            return self.ready(id);
        }
        self.on_remote.complete.insert(id);
        // From now on it is judged anew, whether the remote can still be asked or not.
        self.on_remote.asked_early.remove(&id);
        let below = self.ctx.graph.closure(&self.ctx.graph.needs[id.index()]);
        let (left, others): (Vec<_>, Vec<_>) =
            below.into_iter().partition(|need| self.on_remote.done.contains_key(need));
        left.iter().for_each(|need| self.bring(*need));
        // Some come already. For one that has failed since, the task waits in vain.
        let is_open = |need: &TaskId| !matches!(self.states.get(*need), TaskState::Done { .. });
        let open: Vec<_> = left.into_iter().chain(others).filter(is_open).collect();
        if open.is_empty() {
            self.states.set(id, TaskState::Ready);
            return self.ready(id);
        }
        self.states.set(id, TaskState::Waiting { needs: open.len() });
        for need in open {
            if let Some(coming) = self.on_remote.coming.get_mut(&need) {
                coming.waiters.push(id);
            }
        }
    }

    /// Has the outputs of a task come that were left.
    fn bring(&mut self, id: TaskId) {
        let name = &self.ctx.workspace.task(id).name;
        let record = self.outcomes.records.get(name).or_else(|| self.ctx.journal.tasks.get(name));
        let outputs = record.iter().flat_map(|record| &record.outputs).map(|entry| entry.path.clone()).collect();
        self.on_remote.done.remove(&id);
        self.on_remote.needed.insert(id);
        let visible = self.visible(id);
        self.on_remote.coming.insert(id, Coming { outputs, visible, waiters: Vec::new() });
        self.came.remove(&id);
        self.states.set(id, TaskState::Ready);
        self.ready(id);
    }

    /// Takes in that a task has succeeded. Returns whether that was known before, when its outputs were left.
    pub(super) fn has_come(&mut self, id: TaskId) -> bool {
        let Some(Coming { outputs, waiters, .. }) = self.on_remote.coming.remove(&id) else { return false };
        outputs.iter().for_each(|path| self.ctx.observer.arrived(path));
        // Some of them may be programs, or what these read.
        self.ctx.tools.forget();
        for waiter in waiters {
            if self.states.need_done(waiter) {
                self.ready(waiter);
            }
        }
        true
    }

    /// Counts and tells of the tasks whose outputs were left to the end.
    pub(super) fn tell_of_left(&mut self) {
        let mut left: Vec<_> = std::mem::take(&mut self.on_remote.done).into_values().collect();
        left.sort_by_key(|done| done.task);
        left.into_iter().for_each(|done| self.count_and_tell(done));
    }
}
