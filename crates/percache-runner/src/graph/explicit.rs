//! What a task names in `deps`, with groups of tasks replaced by their members.

use std::collections::HashSet;

use crate::model::{TaskId, Workspace};

/// Returns the explicit direct dependencies of a task, each group replaced by what it stands for; sorted.
pub fn explicit(workspace: &Workspace, id: TaskId) -> Vec<TaskId> {
    let (mut pending, mut seen, mut ids) = (workspace.task(id).deps.clone(), HashSet::new(), Vec::new());
    while let Some(id) = pending.pop() {
        if !seen.insert(id) {
            continue;
        }
        match workspace.task(id).command {
            Some(_) => ids.push(id),
            None => pending.extend(&workspace.task(id).deps),
        }
    }
    ids.sort_unstable();
    ids
}
