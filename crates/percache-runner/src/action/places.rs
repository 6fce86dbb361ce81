//! Places of outputs: the directories that contain tasks' outputs, and their ancestors. A user may replace one by a
//! symlink to keep outputs elsewhere. An output then has two names, and the one that the task states is not the real
//! path of the file.

use std::collections::HashSet;

use percache::store::record::Node;

use crate::fs::links;
use crate::fs::stat_cache::Observer;
use crate::graph::TaskGraph;
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::model::{Task, TaskId, Workspace};
use crate::worktree::journal::Journal;

/// Returns whether an output named without a trailing slash is a directory that the user has replaced by a symlink.
fn stands(observer: &Observer<'_>, journal: &Journal, task: &Task, path: &RelPath) -> bool {
    let record = journal.tasks.get(&task.name);
    let made = record.and_then(|record| Some(&record.outputs.get(path.as_bytes())?.node));
    // Most outputs are recorded as files; those need no system call.
    matches!(made, None | Some(Node::Directory)) && {
        let native = path.to_path(observer.root());
        native.is_symlink() && native.is_dir()
    }
}

/// The places of a workspace.
#[derive(Debug, Default)]
pub struct Places {
    directories: HashSet<RelPath>,
    /// For places behind a symlink, the real path inside the workspace and the path by which tasks name it. Sorted by
    /// the latter.
    elsewhere: Vec<(RelPath, RelPath)>,
}

impl Places {
    /// Finds the places of all tasks.
    pub fn find(workspace: &Workspace, observer: &Observer<'_>, journal: &Journal) -> Places {
        let mut directories = HashSet::new();
        let mut last: &[u8] = b"/";
        let all = workspace.tasks.iter().flat_map(|task| task.outputs.patterns().iter().map(move |of| (task, of)));
        for (task, pattern) in all {
            let through =
                pattern.directory || pattern.literal().is_none_or(|path| stands(observer, journal, task, path));
            let prefix = pattern.prefix();
            let directory = if through { prefix.as_bytes() } else { links::parent(prefix.as_bytes()) };
            // Tasks of the same kind are adjacent and usually share a directory.
            if std::mem::replace(&mut last, directory) == directory {
                continue;
            }
            let mut next = if through { Some(prefix.clone()) } else { prefix.parent() };
            while let Some(directory) = next.filter(|directory| directories.insert(directory.clone())) {
                next = directory.parent();
            }
        }
        let behind = |place: &RelPath| Some((observer.way(place.as_bytes())?.end_inside()?, place.clone()));
        let mut elsewhere: Vec<_> = directories.iter().filter_map(behind).collect();
        elsewhere.sort_by(|(_, a), (_, b)| a.cmp(b));
        Places { directories, elsewhere }
    }

    /// Returns whether this path is an output or lies above one.
    pub fn contains(&self, path: &RelPath) -> bool {
        self.directories.contains(path)
    }

    /// Returns whether tasks may name this path differently, because a symlink leads to it.
    pub fn is_behind_a_link(&self, path: &RelPath) -> bool {
        self.elsewhere.iter().any(|(real, _)| path.starts_with(real))
    }

    /// Returns the task that makes the file at `path`, and the name by which that task states it.
    pub fn maker(&self, graph: &TaskGraph, path: &RelPath) -> Option<(TaskId, RelPath)> {
        let owner = |path: RelPath| graph.outputs.owner(&path).map(|owner| (owner, path));
        owner(path.clone()).or_else(|| {
            let moved = |real: &RelPath, named: &RelPath| named.join(path.below(real)?).ok();
            self.elsewhere.iter().filter_map(|(real, named)| moved(real, named)).find_map(owner)
        })
    }

    /// Fails if an output of the task is also an output of another task under another name.
    pub fn check(&self, workspace: &Workspace, graph: &TaskGraph, task: &Task) -> Result<(), Trouble> {
        if self.elsewhere.is_empty() {
            return Ok(());
        }
        let stated = task.outputs.patterns().iter().filter(|pattern| !pattern.negated).map(|pattern| pattern.prefix());
        for path in stated {
            for (real, named) in &self.elsewhere {
                let other = match (path.below(named), path.below(real)) {
                    (Some(rest), _) => real.join(rest),
                    (None, Some(rest)) => named.join(rest),
                    (None, None) => continue,
                };
                let Ok(other) = other else { continue };
                let owner = graph.outputs.owner(&other).map(|owner| &workspace.task(owner).name);
                if let Some(owner) = owner.filter(|owner| **owner != task.name) {
                    let message = format!("its output `{path}` is also `{other}`, which `{owner}` makes");
                    let hint =
                        format!("`{named}` is a symlink to `{real}`: let one task make it, or put a directory there");
                    return Err(Trouble::new(message, hint));
                }
            }
        }
        Ok(())
    }
}
