//! Finds the tasks that read a path, which a change to it may cause to run.
//!
//! Uses the declared inputs, and those that the last builds of the worktree discovered. Looks at no file contents.
//! Knows nothing of how the answer is shown.

use std::collections::HashSet;

use crate::fs::git_files::{Area, SourceTree};
use crate::fs::walk::WalkError;
use crate::graph::TaskGraph;
use crate::graph::explicit;
use crate::model::Caller;
use crate::model::path::RelPath;
use crate::model::{Task, TaskId, Workspace};
use crate::worktree::journal::Journal;

/// The subject of the question.
pub struct Readers<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// The dependency graph.
    pub graph: &'a TaskGraph,
    /// The discovered inputs.
    pub journal: &'a Journal,
    /// Paths that are never inputs: the store.
    pub skip: &'a [RelPath],
    /// The caller's variables.
    pub caller: &'a Caller,
}

impl Readers<'_> {
    /// Returns the tasks that directly read one of `paths`, sorted.
    ///
    /// # Errors
    /// Fails if a task without declared inputs depends on the files of the tree, and these cannot be listed.
    pub fn of(&self, paths: &[RelPath]) -> Result<Vec<TaskId>, WalkError> {
        let sources = self.sources(paths)?;
        let mut readers = HashSet::new();
        for path in paths {
            let owner = self.graph.outputs.owner(path);
            // A pattern does not include the outputs of tasks that its own task does not depend on.
            let after_owner: Option<HashSet<TaskId>> =
                owner.map(|owner| self.graph.dependents(&[owner]).into_iter().filter(|id| *id != owner).collect());
            let may_match = |id: &TaskId| after_owner.as_ref().is_none_or(|after| after.contains(id));
            for id in self.workspace.ids().filter(|id| self.workspace.task(*id).command.is_some()) {
                let task = self.workspace.task(id);
                let by_default = || owner.is_none() && sources.contains(path) && path.starts_with(&task.dir);
                let declared = match task.inputs.patterns.decision(path) {
                    Some(included) => included && may_match(&id),
                    None => task.inputs.default && by_default(),
                };
                let by_content = || owner.is_some_and(|owner| explicit(self.workspace, id).contains(&owner));
                let reads = declared
                    || task.inputs.partial.matches(path)
                    || task.env_file.contains(path)
                    || self.states(task, path)
                    || self.discovered(task, path)
                    || by_content();
                if reads {
                    readers.insert(id);
                }
            }
        }
        let mut readers: Vec<_> = readers.into_iter().collect();
        readers.sort_unstable();
        Ok(readers)
    }

    /// Returns whether `path` is the configuration file that defines the task.
    fn states(&self, task: &Task, path: &RelPath) -> bool {
        self.workspace.files.get(task.origin.file) == Some(path)
    }

    fn discovered(&self, task: &Task, path: &RelPath) -> bool {
        let record = self.journal.tasks.get(&task.name);
        record.is_some_and(|record| record.discovered.contains(path.as_bytes()))
    }

    /// Returns those of `paths` that tasks without declared inputs depend on.
    fn sources(&self, paths: &[RelPath]) -> Result<HashSet<RelPath>, WalkError> {
        if !self.workspace.tasks.iter().any(|task| task.inputs.default && task.command.is_some()) {
            return Ok(HashSet::new());
        }
        let Readers { workspace, skip, caller, .. } = self;
        let tree = SourceTree::scan(Area { root: &workspace.root, skip, configuration: &workspace.files, caller })?;
        let counts = |path: &&RelPath| !self.workspace.files.contains(path) && tree.files().binary_search(path).is_ok();
        Ok(paths.iter().filter(counts).cloned().collect())
    }
}
