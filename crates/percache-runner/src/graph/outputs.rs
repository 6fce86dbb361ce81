//! Which task owns a path: through a literal output, a directory it lies in, or a glob.
//!
//! A look-up costs one hash per directory above the path, however many tasks there are, plus one match per glob that begins at
//! one of these directories. Knows nothing of the file system.

use std::collections::HashMap;

use crate::model::path::RelPath;
use crate::model::pattern::{Pattern, PatternSet};
use crate::model::{Task, TaskId};

/// Answers who owns a path.
#[derive(Clone, Debug, Default)]
pub struct OutputIndex {
    /// What is owned at or below each path, or directory where globs begin.
    at: HashMap<RelPath, Vec<Claim>>,
    /// The outputs of owners for whom the path alone does not decide: globs, or something is taken away.
    sets: Vec<PatternSet>,
}

/// One owner at one path.
#[derive(Clone, Copy, Debug)]
struct Claim {
    owner: TaskId,
    /// Position in `sets`; `None` when everything at and below the path is owned.
    set: Option<u32>,
}

impl OutputIndex {
    /// The outputs and depfiles of all tasks.
    pub fn new(tasks: &[Task]) -> Self {
        let mut index = OutputIndex::default();
        for (id, task) in (0u32..).map(TaskId).zip(tasks) {
            index.insert(id, &task.outputs);
            index.extend(id, task.depfile.as_ref());
        }
        index
    }

    /// Adds what `owner` owns.
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

    /// Adds single files that `owner` owns.
    pub fn extend<'p>(&mut self, owner: TaskId, paths: impl IntoIterator<Item = &'p RelPath>) {
        for path in paths {
            self.at.entry(path.clone()).or_default().push(Claim { owner, set: None });
        }
    }

    /// The tasks that own `path`, in no order; more than one only in a workspace with a mistake.
    pub fn owners<'a>(&'a self, path: &'a RelPath) -> impl Iterator<Item = TaskId> + 'a {
        let dirs = std::iter::once(path.as_bytes()).chain(path.ancestors());
        let claims = dirs.filter_map(|dir| self.at.get(dir)).flatten();
        let owning = claims.filter(|claim| claim.set.is_none_or(|set| self.sets[set as usize].matches(path)));
        owning.map(|claim| claim.owner)
    }

    /// Whether somebody owns something below `path`, which has to be a directory then.
    pub fn has_below(&self, path: &RelPath) -> bool {
        self.at.keys().any(|owned| owned != path && owned.starts_with(path))
    }

    /// The task that owns `path`.
    pub fn owner(&self, path: &RelPath) -> Option<TaskId> {
        self.owners(path).next()
    }
}

/// The patterns that add.
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
