//! The task graph: which task owns which output, which tasks depend on which, in which order they run, and what a name
//! refers to.
//!
//! Works on resolved tasks (`model`). Knows nothing of configuration files, of the file system, or of how a task is
//! run.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `cycles` | Detection of dependency cycles |
//! | `explicit` | Explicit dependencies, with groups expanded |
//! | `infer` | Dependencies inferred from inputs and outputs |
//! | `names` | Resolution of task names |
//! | `packages` | Packages by name, and which are above another |
//! | `outputs` | An index of which task owns which path |

mod cycles;
mod explicit;
mod infer;
mod names;
mod outputs;
mod packages;

pub use cycles::{components, cycles};
pub use explicit::{explicit, serves};
pub use infer::{feeds, inferred};
pub use names::{Meant, Names, SelectError, full_name, matches, name_from, none_above, select};
pub use outputs::OutputIndex;
pub use packages::is_called;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::{Task, TaskId, Workspace};

/// The dependencies of a validated workspace, explicit and inferred.
#[derive(Clone, Debug)]
pub struct TaskGraph {
    /// The direct dependencies of each task, sorted, without duplicates.
    pub needs: Vec<Vec<TaskId>>,
    /// The direct dependents of each task, sorted, without duplicates.
    pub needed_by: Vec<Vec<TaskId>>,
    /// A topological order: every task comes after its dependencies; among tasks that could come next, the first by
    /// name does.
    pub order: Vec<TaskId>,
    /// Which task owns which path.
    pub outputs: OutputIndex,
}

impl TaskGraph {
    /// Builds the graph of `workspace`, which has no cycles.
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

    /// Returns these tasks and everything that they depend on, sorted.
    pub fn closure(&self, tasks: &[TaskId]) -> Vec<TaskId> {
        reach(&self.needs, tasks)
    }

    /// Returns these tasks and everything that depends on them, sorted.
    pub fn dependents(&self, tasks: &[TaskId]) -> Vec<TaskId> {
        reach(&self.needed_by, tasks)
    }
}

/// Returns the direct dependencies of a task.
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

/// Sorts topologically: Kahn's algorithm with a heap instead of the queue, so that the order is always the same.
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
