//! The critical path of a finished build: the chain of tasks, each waiting for the previous one, that ended last. To
//! make the build faster, one of them must become faster.

use std::collections::HashMap;

use percache_runner::tasks::{TaskGraph, TaskId};

/// Returns the critical path, first task first, given the times when tasks ended.
pub fn critical_path<T: Ord + Copy>(graph: &TaskGraph, ends: &HashMap<TaskId, T>) -> Vec<TaskId> {
    let last = |tasks: &mut dyn Iterator<Item = TaskId>| {
        let ended = tasks.filter_map(|task| Some((*ends.get(&task)?, task)));
        ended.max().map(|(_, task)| task)
    };
    let mut path = Vec::new();
    let mut next = last(&mut ends.keys().copied());
    while let Some(task) = next {
        path.push(task);
        next = last(&mut graph.needs[task.index()].iter().copied());
    }
    path.reverse();
    path
}
