//! Where files are that were moved aside, and what is in them. Knows nothing of what they were.

use std::fs;
use std::path::{Path, PathBuf};

/// The directories of a store's displaced files, those of all its worktrees.
pub fn displaced_in(store: &Path) -> Vec<PathBuf> {
    let worktrees = fs::read_dir(store.join("worktrees")).into_iter().flatten().flatten();
    worktrees.map(|worktree| worktree.path().join("displaced")).filter(|directory| directory.is_dir()).collect()
}

/// What is in the regular files below a directory.
pub fn bytes_in(directory: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let entry = entry.expect("a readable entry");
        let kind = entry.file_type().expect("an entry that stays");
        if kind.is_dir() {
            all.extend(bytes_in(&entry.path()));
        } else if kind.is_file() {
            all.push(fs::read(entry.path()).expect("a readable file"));
        }
    }
    all
}
