//! Directories that percache made for outputs. They are removed with the last output in them, because a build from
//! scratch would not have them.
//!
//! Nothing can be lost: only empty directories are removed, and only those that percache made.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::{Mutex, PoisonError};

use crate::fs::beneath::Tree;
use crate::fs::stat_cache::Observer;
use crate::model::Task;
use crate::model::path::RelPath;

/// The directories that percache made in a worktree.
#[derive(Debug, Default)]
pub struct Directories {
    made: Mutex<BTreeSet<RelPath>>,
}

impl Directories {
    /// Starts with the directories that earlier builds made.
    pub fn new(made: &[Vec<u8>]) -> Directories {
        Directories { made: Mutex::new(made.iter().filter_map(|path| RelPath::new(path).ok()).collect()) }
    }

    /// Adds directories that were made.
    pub fn add(&self, made: impl IntoIterator<Item = RelPath>) {
        let mut made = made.into_iter().peekable();
        if made.peek().is_some() {
            self.made.lock().unwrap_or_else(PoisonError::into_inner).extend(made);
        }
    }

    /// Removes the directories that are empty now that the files at `gone` are removed, except those that are `needed`.
    pub fn prune<'p>(
        &self,
        tree: &mut Tree,
        observer: &Observer<'_>,
        gone: impl IntoIterator<Item = &'p RelPath>,
        needed: &HashSet<RelPath>,
    ) -> io::Result<()> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        for path in gone {
            for above in std::iter::successors(path.parent(), RelPath::parent) {
                if needed.contains(&above) || !made.contains(&above) || !tree.remove_directory(&above)? {
                    break;
                }
                observer.put_other(above.as_bytes());
                made.remove(&above);
            }
        }
        Ok(())
    }

    /// Returns all directories, sorted.
    pub fn into_list(self) -> Vec<Vec<u8>> {
        let made = self.made.into_inner().unwrap_or_else(PoisonError::into_inner);
        made.into_iter().map(|path| path.as_bytes().to_vec()).collect()
    }
}

/// Returns the directories that must exist for a task's outputs when its command starts.
pub fn output_directories(task: &Task) -> impl Iterator<Item = RelPath> + '_ {
    let outputs = task.outputs.patterns().iter().filter(|pattern| !pattern.negated);
    let directories = outputs.filter_map(|pattern| match pattern.literal() {
        Some(path) => path.parent(),
        None => Some(pattern.prefix().clone()),
    });
    directories.chain(task.discovery.depfile().and_then(RelPath::parent))
}

/// Returns the directories that some task needs, and their ancestors.
pub fn needed(tasks: &[Task]) -> HashSet<RelPath> {
    let mut needed = HashSet::new();
    for directory in tasks.iter().flat_map(output_directories) {
        for above in std::iter::successors(Some(directory), RelPath::parent) {
            if !needed.insert(above) {
                break;
            }
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::stat_table::KnownFiles;
    use std::fs;

    #[test]
    fn what_percache_made_goes_when_it_is_empty_and_nobody_needs_it() {
        let dir = tempfile::tempdir().unwrap();
        let (root, known) = (dir.path(), KnownFiles::new());
        let path = |text: &str| RelPath::new(text).unwrap();
        for directory in ["out/a/b", "out/c", "out/theirs", "full"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("full/file"), "").unwrap();
        let directories = Directories::new(&[]);
        directories.add(["out", "out/a", "out/a/b", "out/c", "full"].map(path));
        let needed = HashSet::from([path("out/c"), path("out")]);
        let gone = ["out/a/b/x", "out/c/x", "out/theirs/x", "full/x"].map(path);
        let observer = Observer::new(root, &known);
        directories.prune(&mut Tree::open(root).unwrap(), &observer, &gone, &needed).unwrap();
        assert!(!root.join("out/a").exists());
        assert!(root.join("out/c").exists() && root.join("out/theirs").exists() && root.join("full").exists());
        assert_eq!(directories.into_list(), ["full", "out", "out/c"].map(|path| path.as_bytes().to_vec()));
    }
}
