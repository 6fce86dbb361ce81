//! Places of outputs: the directories in which tasks' outputs lie, and those above them. Somebody may have made one a symlink, and keep outputs
//! elsewhere: then an output has two names, and the one that the task states is not the one of the file.

use std::collections::HashSet;

use percache::store::record::Node;

use crate::fs::links;
use crate::fs::stat_cache::Observer;
use crate::graph::TaskGraph;
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::model::{Task, TaskId, Workspace};
use crate::worktree::journal::{Journal, TaskRecord};

/// Whether an output that is named without a slash is a directory that somebody has made a symlink.
fn stands(observer: &Observer<'_>, journal: &Journal, task: &Task, path: &RelPath) -> bool {
    let record = journal.tasks.get(&task.name);
    let at = |record: &TaskRecord| record.outputs.binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes()));
    let made = record.and_then(|record| Some(&record.outputs[at(record).ok()?].node));
    // Most outputs are known as files: those are not looked at.
    matches!(made, None | Some(Node::Directory)) && {
        let native = path.to_path(observer.root());
        native.is_symlink() && native.is_dir()
    }
}

/// The places of a workspace.
#[derive(Debug, Default)]
pub struct Places {
    directories: HashSet<RelPath>,
    /// Of those behind a symlink: where they are inside of the workspace, and how tasks name them. Sorted by name.
    elsewhere: Vec<(RelPath, RelPath)>,
}

impl Places {
    /// Finds them.
    pub fn find(workspace: &Workspace, observer: &Observer<'_>, journal: &Journal) -> Places {
        let mut directories = HashSet::new();
        let mut last: &[u8] = b"/";
        let all = workspace.tasks.iter().flat_map(|task| task.outputs.patterns().iter().map(move |of| (task, of)));
        for (task, pattern) in all {
            let through =
                pattern.directory || pattern.literal().is_none_or(|path| stands(observer, journal, task, path));
            let prefix = pattern.prefix();
            let directory = if through { prefix.as_bytes() } else { links::parent(prefix.as_bytes()) };
            // Tasks of one kind stand together, and mostly have one.
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

    /// Whether outputs of some task lie below this path, be it that the path is an output itself.
    pub fn contains(&self, path: &RelPath) -> bool {
        self.directories.contains(path)
    }

    /// Whether tasks may name this path otherwise, because it lies where a symlink leads.
    pub fn is_behind_a_link(&self, path: &RelPath) -> bool {
        self.elsewhere.iter().any(|(real, _)| path.starts_with(real))
    }

    /// The task that makes what is at a path, under whichever name, and that name.
    pub fn maker(&self, graph: &TaskGraph, path: &RelPath) -> Option<(TaskId, RelPath)> {
        let owner = |path: RelPath| graph.outputs.owner(&path).map(|owner| (owner, path));
        owner(path.clone()).or_else(|| {
            let moved = |real: &RelPath, named: &RelPath| named.join(path.below(real)?).ok();
            self.elsewhere.iter().filter_map(|(real, named)| moved(real, named)).find_map(owner)
        })
    }

    /// Finds an output of a task that is one of another task's under another name.
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
