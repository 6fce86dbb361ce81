//! Restore: turns an output manifest into files in the tree.
//!
//! Nothing is removed or replaced before everything is at hand: all contents are fetched into the staging directory and
//! verified, then the outputs of an earlier result are removed, then each file is moved into its place; a directory
//! that is missing is moved with all its files at once. Files that are right already are not touched, and files that
//! percache does not know are handled by [`crate::fs::clearing`].

mod staged;
mod whole;

use std::collections::{HashMap, HashSet};
use std::io;

use percache::store::ReadError;
use percache::store::interface::Contents;
use percache::store::manifest::Manifest;
use percache::store::record::{Entry, Node};

use self::staged::{Staged, Waiting};
use self::whole::Wholes;
use crate::fs::beneath;
use crate::fs::clearing::{Clearing, Left, find_left};
use crate::fs::displaced::Displaced;
use crate::fs::links;
use crate::fs::outputs::is_right;
use crate::fs::staging::{Staging, device};
use crate::fs::stat_cache::{FileState, Observer};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::syntax::shown::shown_bytes;

/// A reason why outputs could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The store does not have all of them. Nothing in the tree was touched.
    #[error("{0}")]
    Store(ReadError),
    /// This output is wrong, and its content was never kept. Nothing in the tree was touched.
    #[error("`{}` is not as it was left, and is not kept", shown_bytes(.0))]
    NotKept(Vec<u8>),
    /// The tree could not be changed at this path.
    #[error("cannot restore `{0}`: {1}")]
    Tree(RelPath, io::Error),
}

/// The steps that make the tree contain a manifest, and nothing else of its task.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan<'a> {
    /// Entries that are wrong in the tree, in the order of the manifest.
    pub wrong: Vec<Wrong<'a>>,
    /// Outputs of an earlier result that this one does not have.
    pub stale: Vec<Left<'a>>,
    /// Whether some files of the manifest are right and stay.
    pub keeps_files: bool,
}

/// An entry that is wrong in the tree.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// What is there instead.
    pub state: FileState,
    /// What percache recorded for the path, if it did.
    pub held: Option<&'a Node>,
}

impl Plan<'_> {
    /// Returns whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.wrong.is_empty() && self.stale.is_empty()
    }

    /// Returns the first wrong file whose content the store does not keep.
    pub fn not_kept(&self) -> Option<&Entry> {
        self.wrong.iter().map(|wrong| wrong.entry).find(|entry| !entry.kept)
    }

    /// Returns whether the file or directory at `path` is replaced or removed, so that nothing was meant to be reached
    /// through it.
    fn replaces(&self, path: &RelPath) -> bool {
        match self.wrong.binary_search_by(|wrong| wrong.entry.path.as_slice().cmp(path.as_bytes())) {
            Ok(at) => self.wrong[at].entry.node != Node::Directory || self.wrong[at].state != FileState::Absent,
            Err(_) => find_left(&self.stale, path.as_bytes()).is_some(),
        }
    }
}

/// Compares a manifest with the tree. `previous`, the outputs of earlier results of the task, are sorted.
///
/// `outputs` tell where a symlink takes the place of a directory: see [`links::stands_in`].
pub fn plan<'a>(
    observer: &Observer<'_>,
    outputs: &PatternSet,
    manifest: &'a Manifest,
    previous: &[Left<'a>],
) -> io::Result<Plan<'a>> {
    // Where the user keeps outputs elsewhere, the symlink's target counts.
    let in_place = |path: &RelPath, state: FileState| match state {
        FileState::Symlink { .. } if outputs.passes(path) => place_behind(observer, outputs, path),
        state => Ok(state),
    };
    let mut plan = Plan::default();
    // Symlinks that are replaced by a directory, or removed: paths seen through one lie elsewhere and are not meant.
    let mut detours: HashSet<&[u8]> = HashSet::new();
    let observe = |detours: &HashSet<&[u8]>, path: &[u8]| {
        if !detours.is_empty() && is_below(path, detours) { Ok(FileState::Absent) } else { observer.observe(path) }
    };
    for left in previous {
        let path = &left.path;
        if manifest.contains(path.as_bytes()) {
            continue;
        }
        let state = observe(&detours, path.as_bytes())?;
        if matches!(state, FileState::Symlink { .. }) && links::stands_in(observer.root(), path, outputs) {
            continue;
        }
        if matches!(state, FileState::Symlink { .. }) {
            detours.insert(path.as_bytes());
        }
        if state != FileState::Absent {
            plan.stale.push(left.clone());
        }
    }
    for entry in manifest {
        let mut state = observe(&detours, &entry.path)?;
        if entry.node == Node::Directory
            && let Ok(path) = RelPath::new(&entry.path)
        {
            state = in_place(&path, state)?;
        }
        if is_right(&entry.node, &state) {
            plan.keeps_files |= matches!(entry.node, Node::File { .. });
            continue;
        }
        if entry.node == Node::Directory && matches!(state, FileState::Symlink { .. }) {
            detours.insert(&entry.path);
        }
        let held = find_left(previous, &entry.path).and_then(|left| left.held);
        plan.wrong.push(Wrong { entry, state, held });
    }
    if !detours.is_empty() {
        plan.stale.retain(|left| !is_below(left.path.as_bytes(), &detours));
    }
    Ok(plan)
}

/// Returns the state behind a symlink in the place of an output directory, see [`links::stands_in`]: the directory that
/// it leads to, or nothing yet.
fn place_behind(observer: &Observer<'_>, outputs: &PatternSet, path: &RelPath) -> io::Result<FileState> {
    if links::stands_in(observer.root(), path, outputs) {
        return Ok(FileState::Directory);
    }
    match links::follow(observer.root(), path.as_bytes()).end_inside() {
        Some(end) if observer.stamp(end.as_bytes())?.is_none() => Ok(FileState::Absent),
        Some(_) => Err(io::Error::new(io::ErrorKind::NotADirectory, format!("`{path}` is not a directory"))),
        None => Err(links::leads_out(observer.root(), path)),
    }
}

/// Returns whether a path is below one of these.
fn is_below(path: &[u8], tops: &HashSet<&[u8]>) -> bool {
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at]).any(|above| tops.contains(above))
}

/// Returns the temporary files that restoring makes beside outputs that are on another file system than the staging
/// directory. Sorted.
pub fn temporaries(observer: &Observer<'_>, staging: &Staging, plan: &Plan<'_>) -> Vec<RelPath> {
    let staged = staging.device();
    let mut elsewhere: HashMap<RelPath, bool> = HashMap::new();
    let mut paths = Vec::new();
    for Wrong { entry, .. } in &plan.wrong {
        let Ok(path) = RelPath::new(&entry.path) else { continue };
        let is_elsewhere = path.parent().is_none_or(|parent| {
            *elsewhere.entry(parent).or_insert_with_key(|parent| {
                // A directory that does not exist yet will be on the file system of its parent.
                let there = parent.to_path(observer.root()).ancestors().find_map(device);
                there != staged
            })
        });
        if is_elsewhere && entry.node != Node::Directory {
            paths.extend(beneath::temporary(&path));
        }
    }
    paths.sort();
    paths
}

/// Carries out a plan. Returns the directories that were made for outputs.
pub fn restore(
    observer: &Observer<'_>,
    store: &dyn Contents,
    staging: &Staging,
    displaced: &Displaced,
    plan: &Plan<'_>,
    threads: usize,
) -> Result<Vec<RelPath>, RestoreError> {
    let at_root = |e| RestoreError::Tree(RelPath::root(), e);
    let mut clearing = Clearing::open(observer, displaced).map_err(at_root)?;
    let paths = plan.wrong.iter().map(|wrong| RelPath::new(&wrong.entry.path)).collect::<Result<Vec<_>, _>>();
    let paths = paths.map_err(|e| at_root(io::Error::new(io::ErrorKind::InvalidData, e)))?;
    let wholes = Wholes::find(observer, clearing.tree(), plan, &paths);
    let mut staged = Staged::fetch(observer, store, staging, plan, &wholes, threads).map_err(RestoreError::Store)?;
    let removed = clearing.take_all(&plan.stale);
    plan.stale.iter().for_each(|left| observer.put_other(left.path.as_bytes()));
    removed.map_err(|(path, e)| RestoreError::Tree(path, e))?;
    let moved = move_in(observer, &mut clearing, plan, &paths, &wholes, &mut staged);
    let arrived = moved.map_err(|(path, e)| RestoreError::Tree(path, e))?;
    Ok(clearing.tree().take_made().into_iter().chain(arrived).collect())
}

/// Moves the staged files into their places. Returns the directories that were moved together with their contents.
fn move_in(
    observer: &Observer<'_>,
    clearing: &mut Clearing<'_, '_>,
    plan: &Plan<'_>,
    paths: &[RelPath],
    wholes: &Wholes,
    staged: &mut Staged,
) -> Result<Vec<RelPath>, (RelPath, io::Error)> {
    let mut arrived = Vec::with_capacity(wholes.directories.len());
    let mut came = Vec::new();
    for (path, from) in wholes.directories.iter().zip(&mut staged.directories) {
        let moved = clearing.tree().move_directory_in(from, path).map_err(|e| (path.clone(), e))?;
        arrived.push(moved);
        if moved {
            // The staging area no longer has it, so there is nothing to clean up.
            from.clear();
            came.push(path.clone());
        }
    }
    for (index, (wrong, path)) in plan.wrong.iter().zip(paths).enumerate() {
        let waiting = staged.entries[index].as_ref();
        match wholes.of_entry[index] {
            // The entry has arrived with its directory.
            Some(directory) if arrived[directory] => {
                if let (Node::File { content, .. }, Some(waiting)) = (&wrong.entry.node, waiting) {
                    observer.put(&wrong.entry.path, waiting.stamp, content.digest, waiting.looked);
                }
                let top = &wholes.directories[directory];
                let parents = std::iter::successors(path.parent(), RelPath::parent);
                let parents = parents.take_while(|parent| parent != top && parent.starts_with(top));
                // Among many files in one directory, the first one reports the directory.
                came.extend(
                    parents.take_while(|parent| !came.ends_with(std::slice::from_ref(parent))).collect::<Vec<_>>(),
                );
            }
            _ => put(observer, clearing, wrong, path, waiting).map_err(|e| (path.clone(), e))?,
        }
    }
    Ok(came)
}

/// Puts one entry in its place, by `Clearing::place`.
fn put(
    observer: &Observer<'_>,
    clearing: &mut Clearing<'_, '_>,
    Wrong { entry, state, held }: &Wrong<'_>,
    path: &RelPath,
    waiting: Option<&Waiting>,
) -> io::Result<()> {
    match (&entry.node, waiting) {
        (Node::Directory, _) | (_, None) => clearing.make_directory(path, *held, entry.withheld),
        (node, Some(waiting)) => {
            let (stamp, looked) = clearing.place(&waiting.at, path, *held, state)?;
            if let Node::File { content, .. } = node {
                observer.put(&entry.path, stamp, content.digest, looked);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
