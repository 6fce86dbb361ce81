//! The outputs of other single commands: two of them may name the same output, and each must be able to remove the
//! other's.
//!
//! percache holds what any of them has recorded. Their journals are read only when something is about to be displaced.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use percache::store::record::Node;

use crate::fs::outputs::is_right;
use crate::fs::stat_cache::FileState;
use crate::model::path::RelPath;
use crate::worktree::Worktree;
use crate::worktree::journal::Journal;

/// The outputs of all other single commands of a store, by absolute path.
#[derive(Debug)]
pub struct Neighbours {
    store: PathBuf,
    own: Worktree,
    made: OnceLock<HashMap<PathBuf, Vec<Node>>>,
}

impl Neighbours {
    /// Creates the set for the single command whose worktree is `own`, unread.
    pub fn of(store: &Path, own: &Worktree) -> Neighbours {
        Neighbours { store: store.to_owned(), own: own.clone(), made: OnceLock::new() }
    }

    /// Returns whether one of them has recorded what is now at a path.
    pub fn hold(&self, path: &RelPath, state: &FileState) -> bool {
        let made = self.made.get_or_init(|| self.read());
        let nodes = made.get(&path.to_path(self.own.root()));
        nodes.is_some_and(|nodes| nodes.iter().any(|node| is_right(node, state)))
    }

    fn read(&self) -> HashMap<PathBuf, Vec<Node>> {
        let mut made: HashMap<PathBuf, Vec<Node>> = HashMap::new();
        let all = Worktree::all(&self.store).unwrap_or_default();
        for worktree in all.iter().filter(|worktree| worktree.is_single() && worktree.dir() != self.own.dir()) {
            let journal = Journal::load(&worktree.journal());
            for (entry, held) in journal.tasks.values().flat_map(|record| record.left()) {
                if let (Ok(path), Some(node)) = (RelPath::new(&entry.path), held) {
                    made.entry(path.to_path(worktree.root())).or_default().push(node.clone());
                }
            }
        }
        made
    }
}
