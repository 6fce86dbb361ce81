//! The directories of displaced files, and the workspaces they belong to.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::config::likely_stores;
use crate::fs::displaced::Displaced;
use crate::worktree::journal::Journal;
use crate::worktree::neighbours::Neighbours;
use crate::worktree::{self, Worktree};

/// Returns where the displaced files of a worktree go: a directory that is created when it is needed.
pub fn of(worktree: &Worktree) -> Displaced {
    let marked = worktree.clone();
    // The mark helps to find the worktree again after it was moved; without a mark, it is found by its path.
    let displaced = Displaced::at(worktree.displaced(), worktree.root()).after(move || drop(marked.mark()));
    if !worktree.is_single() {
        return displaced;
    }
    let neighbours = Neighbours::of(worktree.store(), worktree);
    displaced.of_single(move |path, state| neighbours.hold(path, state))
}

/// A directory with displaced files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The directory of displaced files.
    pub dir: PathBuf,
    /// Where the workspace was when it was last built; `None` if that cannot be read.
    pub root: Option<PathBuf>,
    /// Whether the files are those of a single command.
    pub single: bool,
    /// Whether the directory belongs to the workspace that was asked for.
    pub own: bool,
}

impl Place {
    /// Describes the directory `dir`, of a workspace that is known to have been at `root`.
    pub fn at(dir: PathBuf, root: Option<PathBuf>) -> Place {
        let worktree = dir.parent().unwrap_or(&dir);
        let root = worktree::root_in(worktree).or(root);
        Place { root, single: worktree::is_single_in(worktree), own: false, dir }
    }

    /// Returns the same, and recognises the workspace at `root` as its owner even if it was moved.
    pub fn seen_from(self, root: &Path) -> Place {
        let is_own = || {
            self.root.as_deref() == Some(root)
                || self.dir.parent().is_some_and(|worktree| worktree::is_marked_in(worktree, root))
        };
        Place { own: self.own || (!self.single && is_own()), ..self }
    }

    /// Returns whether the workspace no longer exists.
    pub fn is_gone(&self) -> bool {
        !self.own && !self.single && self.root.as_ref().is_none_or(|root| !root.is_dir())
    }
}

/// Finds all directories of displaced files in a store, and recognises those of the workspace at `root` even if it was
/// moved.
pub fn in_store(store: &Path, root: Option<&Path>) -> io::Result<Vec<Place>> {
    let entries = match fs::read_dir(store.join("worktrees")) {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries?,
    };
    let own = root.map(|root| Worktree::new(store, root).displaced());
    let mut places = Vec::new();
    for entry in entries {
        let dir = entry?.path().join("displaced");
        // A symlink leads to something that is not percache's.
        if !dir.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            continue;
        }
        let place = Place { own: own.as_ref() == Some(&dir), ..Place::at(dir, None) };
        places.push(match root {
            Some(root) => place.seen_from(root),
            None => place,
        });
    }
    places.sort_by(|a, b| a.dir.cmp(&b.dir));
    Ok(places)
}

/// Returns the paths that were outputs in the last build of the workspace at `root`, in any store that it may use.
pub fn recorded_outputs(root: &Path) -> Vec<PathBuf> {
    let journals = likely_stores(root).into_iter().map(|store| Journal::load(&Worktree::new(&store, root).journal()));
    let records = journals.flat_map(|journal| journal.tasks.into_values());
    let paths = records.flat_map(|record| record.outputs.into_entries());
    paths.map(|entry| root.join(OsStr::from_bytes(&entry.path))).collect()
}
