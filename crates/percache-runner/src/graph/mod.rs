//! The graph of tasks: who owns which output, who needs whom, in which order, and which tasks a name means.
//!
//! Works on tasks as meant (`model`). Knows nothing of configuration files, of the file system, or of how a task is run.

mod cycles;
mod explicit;
mod infer;
mod names;
mod outputs;

pub use cycles::cycles;
pub use explicit::explicit;
pub use infer::{Feed, feeds, inferred};
pub use names::{Names, SelectError, full_name, name_from, select};
pub use outputs::OutputIndex;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::{Task, TaskId, Workspace};

/// The dependencies of a checked workspace, explicit and inferred.
#[derive(Clone, Debug)]
pub struct TaskGraph {
    /// For each task what it needs directly, sorted, without doubles.
    pub needs: Vec<Vec<TaskId>>,
    /// For each task what needs it directly, sorted, without doubles.
    pub needed_by: Vec<Vec<TaskId>>,
    /// Every task behind what it needs; of those that could come next, the first by name.
    pub order: Vec<TaskId>,
    /// Who owns which path.
    pub outputs: OutputIndex,
}

impl TaskGraph {
    /// The graph of `workspace`, which has no cycles.
    pub fn new(workspace: &Workspace) -> Self {
        let needs: Vec<Vec<TaskId>> = workspace.tasks.iter().map(needs).collect();
        let mut needed_by = vec![Vec::new(); needs.len()];
        for id in workspace.ids() {
            for need in &needs[id.index()] {
                needed_by[need.index()].push(id);
            }
        }
        let order = order(&needs, &needed_by);
        debug_assert_eq!(order.len(), needs.len(), "cycles are found when the configuration is loaded");
        TaskGraph { order, outputs: OutputIndex::new(&workspace.tasks), needs, needed_by }
    }

    /// These tasks and everything that they need, sorted.
    pub fn closure(&self, tasks: &[TaskId]) -> Vec<TaskId> {
        reach(&self.needs, tasks)
    }

    /// These tasks and everything that needs them, sorted.
    pub fn dependents(&self, tasks: &[TaskId]) -> Vec<TaskId> {
        reach(&self.needed_by, tasks)
    }
}

/// What a task needs directly.
pub fn needs(task: &Task) -> Vec<TaskId> {
    let mut needs: Vec<TaskId> = task.deps.iter().chain(&task.inferred).copied().collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

fn reach(edges: &[Vec<TaskId>], from: &[TaskId]) -> Vec<TaskId> {
    let mut reached = vec![false; edges.len()];
    let mut open = from.to_vec();
    while let Some(id) = open.pop() {
        if !std::mem::replace(&mut reached[id.index()], true) {
            open.extend(&edges[id.index()]);
        }
    }
    (0..edges.len() as u32).map(TaskId).filter(|id| reached[id.index()]).collect()
}

/// Kahn's algorithm with a heap in place of the queue, so that the order is one and the same each time.
fn order(needs: &[Vec<TaskId>], needed_by: &[Vec<TaskId>]) -> Vec<TaskId> {
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let ids = (0..needs.len() as u32).map(TaskId);
    let mut ready: BinaryHeap<Reverse<TaskId>> = ids.filter(|id| missing[id.index()] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(Reverse(id)) = ready.pop() {
        order.push(id);
        for dependent in &needed_by[id.index()] {
            missing[dependent.index()] -= 1;
            if missing[dependent.index()] == 0 {
                ready.push(Reverse(*dependent));
            }
        }
    }
    order
}

#[cfg(test)]
mod tests;
