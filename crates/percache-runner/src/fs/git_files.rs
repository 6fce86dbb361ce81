//! The files of the workspace that belong to its source: the inputs of a task that declares none.
//!
//! They are what `git ls-files -co --exclude-standard` lists, with and without a repository: tracked files, and all
//! others that no rule ignores. Left out besides are other systems' directories and the locks of editors, unless git
//! tracks them. Knows nothing of patterns.

mod domain;
mod visit;

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use crate::fs::trail::trail;
use crate::fs::walk::WalkError;
use crate::model::Caller;
use crate::model::path::RelPath;

use visit::{Directory, Found, visit};

/// A directory is listed within microseconds: fewer of them are not worth threads.
const WORTH_THREADS: usize = 32;

/// Where to look.
#[derive(Clone, Copy)]
pub struct Area<'a> {
    /// The workspace, absolute and canonical.
    pub root: &'a Path,
    /// Paths that are not entered: the store.
    pub skip: &'a [RelPath],
    /// The configuration files of the workspace. A repository in which one lies belongs to the workspace.
    pub configuration: &'a [RelPath],
    /// The caller's variables, which say where the user's configuration of git is.
    pub caller: &'a Caller,
}

/// The files of a workspace that belong to its source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTree {
    files: Vec<RelPath>,
    directories: Vec<RelPath>,
    consulted: Vec<PathBuf>,
}

impl SourceTree {
    /// Walks the workspace once, in parallel. Symlinks are not followed; what vanishes meanwhile is not found.
    ///
    /// # Errors
    /// A directory that cannot be read and that git does not ignore, or an index of git that cannot be read.
    pub fn scan(area: Area<'_>) -> Result<Self, WalkError> {
        let mut found = Found::default();
        let mut open = vec![Directory::root(&area, &mut found.consulted)?];
        while !open.is_empty() && open.len() < WORTH_THREADS {
            let Some(directory) = open.pop() else { break };
            visit(&area, directory, &mut found, &mut open)?;
        }
        let mut parts = vec![found];
        if !open.is_empty() {
            parts.extend(on_threads(&area, open)?);
        }
        let mut tree = SourceTree::default();
        for part in parts {
            tree.files.extend(part.files);
            tree.directories.extend(part.directories);
            tree.consulted.extend(part.consulted);
        }
        tree.files.sort_unstable();
        tree.directories.sort_unstable();
        tree.consulted.sort_unstable();
        tree.consulted.dedup();
        Ok(tree)
    }

    /// All files, sorted by bytes.
    pub fn files(&self) -> &[RelPath] {
        &self.files
    }

    /// The directories that were listed, sorted by bytes.
    pub fn directories(&self) -> &[RelPath] {
        &self.directories
    }

    /// The files that say what git ignores and tracks, present or not, sorted.
    pub fn consulted(&self) -> &[PathBuf] {
        &self.consulted
    }

    /// Returns the paths on whose own state the outcome rests, present or not: the directories that were listed, and
    /// what says what git ignores and tracks, with every symlink on the way there. Absolute where they are not in the
    /// workspace at `root`.
    pub fn rests_on(&self, root: &Path) -> Vec<Vec<u8>> {
        use std::os::unix::ffi::OsStringExt;
        let inside = |path: PathBuf| match RelPath::from_native(root, &path) {
            Some(path) => path.as_bytes().to_vec(),
            None => path.into_os_string().into_vec(),
        };
        let mut paths: Vec<_> = self.consulted.iter().flat_map(|path| trail(path)).map(inside).collect();
        paths.extend(self.directories.iter().map(|dir| dir.as_bytes().to_vec()));
        paths.sort_unstable();
        paths.dedup();
        paths
    }
}

/// Directories that wait to be listed.
struct Queue {
    open: Vec<Directory>,
    /// Threads that list one, and may find more.
    busy: usize,
}

/// Visits `open` and all that is below on several threads.
fn on_threads(area: &Area<'_>, open: Vec<Directory>) -> Result<Vec<Found>, WalkError> {
    let (queue, changed) = (Mutex::new(Queue { open, busy: 0 }), Condvar::new());
    let lock = || queue.lock().unwrap_or_else(PoisonError::into_inner);
    let next = || {
        let mut queue = lock();
        loop {
            if let Some(directory) = queue.open.pop() {
                queue.busy += 1;
                return Some(directory);
            }
            if queue.busy == 0 {
                return None;
            }
            queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    };
    let work = || {
        let (mut found, mut deeper) = (Found::default(), Vec::new());
        while let Some(directory) = next() {
            let visited = visit(area, directory, &mut found, &mut deeper);
            let mut queue = lock();
            queue.busy -= 1;
            match &visited {
                Ok(()) => queue.open.append(&mut deeper),
                Err(_) => queue.open.clear(),
            }
            drop(queue);
            changed.notify_all();
            visited?;
        }
        Ok(found)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        others.chain([own]).collect()
    })
}

#[cfg(test)]
mod tests;
