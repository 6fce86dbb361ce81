//! Explicit dependencies (`deps`), with groups expanded to their members.

use std::collections::HashSet;

use crate::model::{TaskId, Workspace};

/// Returns the explicit direct dependencies of a task, with every group expanded to its members; sorted.
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

/// Returns the servers that a task stands for: itself, or the members of a group.
pub fn serves(workspace: &Workspace, id: TaskId) -> Vec<TaskId> {
    let meant = if workspace.task(id).command.is_some() { vec![id] } else { explicit(workspace, id) };
    meant.into_iter().filter(|id| workspace.task(*id).server.is_some()).collect()
}
