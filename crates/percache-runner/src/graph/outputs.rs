//! Finds the task that owns a path: through a literal output, a directory that contains it, or a glob.
//!
//! A look-up costs one hash per directory above the path, however many tasks there are, plus one match per glob that
//! begins at one of these directories. Knows nothing of the file system.

use std::collections::HashMap;

use crate::model::path::RelPath;
use crate::model::pattern::{Pattern, PatternSet};
use crate::model::{Task, TaskId};

/// An index of the owners of paths.
#[derive(Clone, Debug, Default)]
pub struct OutputIndex {
    /// The claims at each path; a glob's claim is at the directory where it begins.
    at: HashMap<RelPath, Vec<Claim>>,
    /// The outputs of owners that have globs or exclusions, so that the path alone does not decide.
    sets: Vec<PatternSet>,
}

/// One owner at one path.
#[derive(Clone, Copy, Debug)]
struct Claim {
    owner: TaskId,
    /// The position in `sets`; `None` if everything at and below the path is owned.
    set: Option<u32>,
}

impl OutputIndex {
    /// Indexes the outputs and depfiles of all tasks.
    pub fn new(tasks: &[Task]) -> Self {
        let mut index = OutputIndex::default();
        for (id, task) in (0u32..).map(TaskId).zip(tasks) {
            index.insert(id, &task.outputs);
            index.extend(id, task.discovery.depfile());
        }
        index
    }

    /// Adds the outputs of `owner`.
    pub fn insert(&mut self, owner: TaskId, outputs: &PatternSet) {
        let plain = outputs.patterns().iter().all(|pattern| !pattern.negated && pattern.literal().is_some());
        let set = (!plain).then_some(self.sets.len() as u32);
        if !plain {
            self.sets.push(outputs.clone());
        }
        for pattern in positive(outputs) {
            let claims = self.at.entry(pattern.prefix().clone()).or_default();
            if claims.last().is_none_or(|last| last.owner != owner) {
                claims.push(Claim { owner, set });
            }
        }
    }

    /// Adds single files of `owner`.
    pub fn extend<'p>(&mut self, owner: TaskId, paths: impl IntoIterator<Item = &'p RelPath>) {
        for path in paths {
            self.at.entry(path.clone()).or_default().push(Claim { owner, set: None });
        }
    }

    /// Yields the tasks that own `path`, in no particular order; more than one only in an invalid workspace.
    pub fn owners<'a>(&'a self, path: &'a RelPath) -> impl Iterator<Item = TaskId> + 'a {
        let dirs = std::iter::once(path.as_bytes()).chain(path.ancestors());
        let claims = dirs.filter_map(|dir| self.at.get(dir)).flatten();
        let owning = claims.filter(|claim| claim.set.is_none_or(|set| self.sets[set as usize].matches(path)));
        owning.map(|claim| claim.owner)
    }

    /// Returns whether a task owns something below `path`, which must then be a directory.
    pub fn has_below(&self, path: &RelPath) -> bool {
        self.at.keys().any(|owned| owned != path && owned.starts_with(path))
    }

    /// Returns the task that owns `path`.
    pub fn owner(&self, path: &RelPath) -> Option<TaskId> {
        self.owners(path).next()
    }
}

/// Yields the patterns that are not exclusions.
pub(super) fn positive(set: &PatternSet) -> impl Iterator<Item = &Pattern> {
    set.patterns().iter().filter(|pattern| !pattern.negated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(outputs: &[&[&str]]) -> OutputIndex {
        let mut index = OutputIndex::default();
        for (id, patterns) in (0u32..).map(TaskId).zip(outputs) {
            index.insert(id, &PatternSet::parse(&RelPath::root(), patterns).unwrap());
        }
        index
    }

    fn owners(index: &OutputIndex, path: &str) -> Vec<u32> {
        let mut owners: Vec<u32> = index.owners(&RelPath::new(path).unwrap()).map(|id| id.0).collect();
        owners.sort_unstable();
        owners
    }

    #[test]
    fn a_path_is_owned_through_its_name_its_directories_and_globs() {
        let index = index(&[&["build/a.o"], &["gen/"], &["dist/*.js", "!dist/keep.js"], &["**/*.pyc"]]);
        assert_eq!(owners(&index, "build/a.o"), [0]);
        assert_eq!(owners(&index, "build/b.o"), [0_u32; 0]);
        assert_eq!(owners(&index, "build"), [0_u32; 0]);
        assert_eq!(owners(&index, "gen"), [1]);
        assert_eq!(owners(&index, "gen/x/y.h"), [1]);
        assert_eq!(owners(&index, "gen2"), [0_u32; 0]);
        assert_eq!(owners(&index, "dist/a.js"), [2]);
        assert_eq!(owners(&index, "dist/keep.js"), [0_u32; 0]);
        assert_eq!(owners(&index, "dist/a.js/b"), [2]);
        assert_eq!(owners(&index, "a.pyc"), [3]);
        assert_eq!(owners(&index, "gen/a.pyc"), [1, 3]);
    }
}
