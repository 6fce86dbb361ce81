//! Restore: from an output manifest to files in the tree.
//!
//! Nothing is removed or replaced before everything is in hand: all contents are fetched into the staging directory and verified,
//! then what an earlier result left is taken away, then each file is moved into its place; of a directory that is missing, all files at
//! once. What is right already is not touched.

mod staged;
mod whole;

use std::collections::{HashMap, HashSet};
use std::io;

use percache::store::record::{Entry, Node};
use percache::store::{ReadError, Store};

use self::staged::{Staged, Waiting};
use self::whole::Wholes;
use crate::capture::is_right;
use crate::observe::{FileState, Observer};
use crate::paths::RelPath;
use crate::staging::{Staging, device};
use crate::stamp::moment;
use crate::tree::{self, Tree};

/// Why outputs could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store does not have them whole. Nothing in the tree was touched.
    #[error("{0}")]
    Store(ReadError),
    /// The tree.
    #[error("cannot restore `{0}`: {1}")]
    Tree(RelPath, io::Error),
}

/// What has to happen so that a manifest lies in the tree, and nothing else of its task.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Entries that are not right, and what is there instead.
    pub wrong: Vec<(&'a Entry, FileState)>,
    /// Outputs of an earlier result that this one does not have.
    pub stale: Vec<RelPath>,
}

impl Plan<'_> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.wrong.is_empty() && self.stale.is_empty()
    }

    /// Whether what is at `path` gives way to something else, through which nothing below it can have been meant.
    fn replaces(&self, path: &RelPath) -> bool {
        match self.wrong.binary_search_by(|(entry, _)| entry.path.as_slice().cmp(path.as_bytes())) {
            Ok(at) => self.wrong[at].0.node != Node::Directory || self.wrong[at].1 != FileState::Absent,
            Err(_) => self.stale.binary_search(path).is_ok(),
        }
    }
}

/// Compares a manifest with the tree. Both the manifest and `previous`, what earlier results of the task left, are sorted.
pub fn plan<'a>(observer: &Observer<'_>, manifest: &'a [Entry], previous: &[RelPath]) -> io::Result<Plan<'a>> {
    let mut plan = Plan::default();
    // Symlinks that give way to a directory, or to nothing: what is seen through one is elsewhere, and not what is meant.
    let mut detours: HashSet<&[u8]> = HashSet::new();
    let observe = |detours: &HashSet<&[u8]>, path: &[u8]| {
        if !detours.is_empty() && is_below(path, detours) { Ok(FileState::Absent) } else { observer.observe(path) }
    };
    for path in previous {
        if manifest.binary_search_by(|entry| entry.path.as_slice().cmp(path.as_bytes())).is_ok() {
            continue;
        }
        let state = observe(&detours, path.as_bytes())?;
        if matches!(state, FileState::Symlink { .. }) {
            detours.insert(path.as_bytes());
        }
        if state != FileState::Absent {
            plan.stale.push(path.clone());
        }
    }
    for entry in manifest {
        let state = observe(&detours, &entry.path)?;
        if is_right(&entry.node, &state) {
            continue;
        }
        if entry.node == Node::Directory && matches!(state, FileState::Symlink { .. }) {
            detours.insert(&entry.path);
        }
        plan.wrong.push((entry, state));
    }
    if !detours.is_empty() {
        plan.stale.retain(|path| !is_below(path.as_bytes(), &detours));
    }
    Ok(plan)
}

/// Whether a path is below one of these.
fn is_below(path: &[u8], tops: &HashSet<&[u8]>) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at]).any(|above| tops.contains(above))
}

/// The files that carrying a plan out makes beside the outputs for a moment: where these lie on another file system than what is staged.
/// Sorted.
pub fn temporaries(observer: &Observer<'_>, staging: &Staging, plan: &Plan<'_>) -> Vec<RelPath> {
    let staged = staging.device();
    let mut elsewhere: HashMap<RelPath, bool> = HashMap::new();
    let mut paths = Vec::new();
    for (entry, _) in &plan.wrong {
        let Ok(path) = RelPath::new(&entry.path) else { continue };
        let is_elsewhere = path.parent().is_none_or(|parent| {
            *elsewhere.entry(parent).or_insert_with_key(|parent| {
                // A directory that is not there yet will be on the file system of the one above.
                let there = parent.to_path(observer.root()).ancestors().find_map(device);
                there != staged
            })
        });
        if is_elsewhere && entry.node != Node::Directory {
            paths.extend(tree::temporary(&path));
        }
    }
    paths.sort();
    paths
}

/// Carries a plan out.
pub fn restore(
    observer: &Observer<'_>,
    store: &Store,
    staging: &Staging,
    plan: &Plan<'_>,
    threads: usize,
) -> Result<(), RestoreError> {
    let at_root = |e| RestoreError::Tree(RelPath::root(), e);
    let mut tree = Tree::open(observer.root()).map_err(at_root)?;
    let paths = plan.wrong.iter().map(|(entry, _)| RelPath::new(&entry.path)).collect::<Result<Vec<_>, _>>();
    let paths = paths.map_err(|e| at_root(io::Error::new(io::ErrorKind::InvalidData, e)))?;
    let wholes = Wholes::find(observer, &mut tree, plan, &paths);
    let mut staged = Staged::fetch(store, staging, plan, &wholes, threads).map_err(RestoreError::Store)?;
    let removed = remove(&mut tree, &plan.stale);
    plan.stale.iter().for_each(|path| observer.put_other(path.as_bytes()));
    removed.map_err(|(path, e)| RestoreError::Tree(path, e))?;
    move_in(observer, &mut tree, plan, &paths, &wholes, &mut staged).map_err(|(path, e)| RestoreError::Tree(path, e))
}

/// Moves what waits into its place.
fn move_in(
    observer: &Observer<'_>,
    tree: &mut Tree,
    plan: &Plan<'_>,
    paths: &[RelPath],
    wholes: &Wholes,
    staged: &mut Staged,
) -> Result<(), (RelPath, io::Error)> {
    let mut arrived = Vec::with_capacity(wholes.directories.len());
    for (path, from) in wholes.directories.iter().zip(&mut staged.directories) {
        let moved = tree.move_directory_in(from, path).map_err(|e| (path.clone(), e))?;
        arrived.push(moved);
        if moved {
            // There is nothing to be removed any more.
            from.clear();
        }
    }
    for (index, ((entry, state), path)) in plan.wrong.iter().zip(paths).enumerate() {
        let waiting = staged.entries[index].as_ref();
        match wholes.of_entry[index] {
            // It has arrived with its directory.
            Some(directory) if arrived[directory] => {
                if let (Node::File { content, .. }, Some(waiting)) = (&entry.node, waiting) {
                    observer.put(&entry.path, waiting.stamp, content.digest, waiting.looked);
                }
            }
            _ => put(observer, tree, entry, path, state, waiting).map_err(|e| (path.clone(), e))?,
        }
    }
    Ok(())
}

fn put(
    observer: &Observer<'_>,
    tree: &mut Tree,
    entry: &Entry,
    path: &RelPath,
    state: &FileState,
    waiting: Option<&Waiting>,
) -> io::Result<()> {
    match (&entry.node, state) {
        (Node::Directory, FileState::Absent) => return tree.make_directory_without(path, entry.withheld),
        (Node::Directory, _) => {
            tree.remove_file(path)?;
            return tree.make_directory_without(path, entry.withheld);
        }
        (_, FileState::Directory) => {
            tree.remove_directory(path)?;
        }
        _ => {}
    }
    let Some(waiting) = waiting else { return Ok(()) };
    let looked = moment();
    let stamp = tree.move_in(&waiting.at, path)?;
    if let Node::File { content, .. } = &entry.node {
        observer.put(&entry.path, stamp, content.digest, looked);
    }
    Ok(())
}

/// Removes files and symlinks, and directories that are empty then. What is not there is no matter.
pub fn remove(tree: &mut Tree, paths: &[RelPath]) -> Result<(), (RelPath, io::Error)> {
    // Backwards, so that a directory comes after what is in it.
    for path in paths.iter().rev() {
        let removed = tree.remove_file(path).and_then(|was| if was { Ok(was) } else { tree.remove_directory(path) });
        removed.map_err(|e| (path.clone(), e))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
