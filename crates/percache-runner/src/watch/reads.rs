//! A snapshot of what the watched tasks read: the files, their contents, and the directories where new ones may appear.
//!
//! Comparing two snapshots shows what has changed between them. Events only say when to look: a file that was written
//! and has the same content has not changed, and a change without an event is found all the same.

mod look;
mod way;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Concern;
use crate::fs::beneath;
use crate::fs::parallel::fan_out;
use crate::fs::stamp::{Stamp, moment};
use crate::fs::stat_cache::{Behind, FileState, Observer};
use crate::fs::stat_table::{Builder, KnownFiles};
use crate::graph::TaskGraph;
use crate::model::Caller;
use crate::model::path::RelPath;
use crate::model::{Task, TaskId, Workspace};
use crate::worktree::journal::Journal;

use look::Look;
use way::way;

/// The watched tasks, and what is known of them.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// The owners of outputs.
    pub graph: &'a TaskGraph,
    /// The watched tasks and their dependencies; sorted.
    pub tasks: &'a [TaskId],
    /// Paths that are never inputs: the store.
    pub skip: &'a [RelPath],
    /// The caller's variables.
    pub caller: &'a Caller,
    /// The discovered inputs.
    pub journal: &'a Journal,
    /// The names of tasks that failed in the last build.
    pub failed: &'a [String],
    /// Paths that builds write besides outputs; see [`abandoned`] and [`own_streams`].
    pub written: &'a HashSet<RelPath>,
}

/// Yields the files in the workspace at `root` that stdout and stderr of this process are redirected to.
pub fn own_streams(root: &Path) -> impl Iterator<Item = RelPath> {
    let targets = ["/proc/self/fd/1", "/proc/self/fd/2"].map(std::fs::read_link);
    targets.into_iter().flatten().filter_map(move |path| RelPath::from_native(root, &path))
}

/// Returns the outputs of earlier builds that no task owns any more: the next build removes them.
pub fn abandoned(graph: &TaskGraph, journal: &Journal) -> HashSet<RelPath> {
    let made =
        journal.tasks.values().flat_map(|record| &record.outputs).filter_map(|entry| RelPath::new(&entry.path).ok());
    made.filter(|path| graph.outputs.owner(path).is_none()).collect()
}

/// A change between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The path, relative to the workspace or absolute.
    pub path: Vec<u8>,
    /// When it happened, by the clock of the file system; for a removal, the moment when it was noticed.
    pub when: i64,
    /// Whether a file was created or removed.
    pub comes_or_goes: bool,
}

/// What the watched tasks read, as it was at one moment.
#[derive(Default)]
pub struct Reads {
    /// Declared inputs, and the places where patterns begin.
    declared: BTreeMap<Vec<u8>, FileState>,
    /// Inputs that tasks discovered only when they ran.
    late: BTreeMap<Vec<u8>, FileState>,
    /// The declared inputs of each task. Tasks with the same patterns share a set.
    inputs: Vec<(TaskId, Vec<Arc<BTreeSet<RelPath>>>)>,
    /// Directories that could not be listed.
    unreadable: BTreeSet<PathBuf>,
    /// Targets of symlinks, and the inputs that are read through them.
    behind: HashMap<PathBuf, BTreeSet<Vec<u8>>>,
    /// Files that contain git's ignore rules.
    rules: HashSet<PathBuf>,
    /// Paths that turned out to be read by no task, because temporary files are created and removed often.
    idle: HashSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
    known: KnownFiles,
}

impl Reads {
    /// Takes a snapshot of everything that the tasks read. What is known of files saves reading them again.
    pub fn look(scope: Scope<'_>, known: &KnownFiles) -> Reads {
        let mut reads = Look::at(scope);
        reads.observe(scope, known);
        reads.find_directories(scope.workspace);
        reads
    }

    /// Returns the directories in which changes may concern the tasks.
    pub fn directories(&self) -> &BTreeSet<PathBuf> {
        &self.directories
    }

    /// Returns what is known of the files that were examined.
    pub fn known(&self) -> &KnownFiles {
        &self.known
    }

    /// Returns the same and discards the rest.
    pub fn into_known(self) -> KnownFiles {
        self.known
    }

    /// Remembers which files no task reads: these, and those of an earlier snapshot. Nothing has changed since that
    /// one.
    pub fn keep_unread(&mut self, before: Reads, unread: Vec<PathBuf>) {
        self.idle.extend(before.idle);
        self.idle.extend(unread);
    }

    /// Returns what has changed since an earlier snapshot, before which a build may have begun at `began`: for inputs
    /// that were discovered since then, only the time of the last change shows whether they changed.
    pub fn changed_since(&self, before: &Reads, root: &Path, began: i64) -> Vec<Change> {
        let mut changed = BTreeSet::new();
        for (path, state) in &self.declared {
            let old = before.declared.get(path).or_else(|| before.late.get(path));
            if content(old) != content(Some(state)) {
                changed.insert(path.clone());
            }
        }
        for (path, state) in &before.declared {
            if content(Some(state)).is_some() && !self.declared.contains_key(path) && !self.late.contains_key(path) {
                changed.insert(path.clone());
            }
        }
        for (path, state) in self.late.iter().filter(|(path, _)| !self.declared.contains_key(*path)) {
            match before.late.get(path).or_else(|| before.declared.get(path)) {
                Some(old) if old == state => {}
                None if changed_at(root, path).is_none_or(|when| when <= began) => {}
                _ => {
                    changed.insert(path.clone());
                }
            }
        }
        let unreadable = self.unreadable.symmetric_difference(&before.unreadable);
        changed.extend(unreadable.map(|path| relative(root, path)));
        let is_there = |reads: &Reads, path: &Vec<u8>| {
            [&reads.declared, &reads.late].iter().any(|read| content(read.get(path)).is_some())
        };
        let change = |path: Vec<u8>| Change {
            when: changed_at(root, &path).unwrap_or_else(moment),
            comes_or_goes: is_there(self, &path) != is_there(before, &path),
            path,
        };
        changed.into_iter().map(change).collect()
    }

    /// Examines these known files again. Returns those that have changed, with their new state.
    pub fn look_again(&self, root: &Path, files: &BTreeSet<PathBuf>) -> Vec<(Change, FileState)> {
        let behind = files.iter().filter_map(|file| self.behind.get(file)).flatten().cloned();
        let paths: BTreeSet<_> = files.iter().map(|file| relative(root, file)).chain(behind).collect();
        let observer = Observer::new(root, &self.known);
        let differing = |path: Vec<u8>| {
            let old = self.declared.get(&path).or_else(|| self.late.get(&path))?;
            let state = state_of(&observer, &path);
            let when = changed_at(root, &path).unwrap_or_else(moment);
            (*old != state).then_some((Change { path, when, comes_or_goes: false }, state))
        };
        paths.into_iter().filter_map(differing).collect()
    }

    /// Adopts changes that were found.
    pub fn update(&mut self, found: Vec<(Change, FileState)>) {
        for (change, state) in found {
            for read in [&mut self.declared, &mut self.late] {
                if let Some(old) = read.get_mut(&change.path) {
                    old.clone_from(&state);
                }
            }
        }
    }

    /// Returns the names of the tasks that declare this path as an input.
    pub fn readers<'a>(&self, workspace: &'a Workspace, path: &[u8]) -> Vec<&'a str> {
        let Ok(path) = RelPath::new(path) else { return Vec::new() };
        let reading = self.inputs.iter().filter(|(_, inputs)| inputs.iter().any(|inputs| inputs.contains(&path)));
        reading.map(|(id, _)| workspace.task(*id).name.as_str()).collect()
    }

    /// Returns how much a path matters.
    pub fn concern(&self, scope: Scope<'_>, native: &Path) -> Concern {
        let root = &scope.workspace.root;
        let key = relative(root, native);
        // A file with ignore rules is an input as well, but it may also change which files are inputs.
        if self.rules.contains(native) {
            return Concern::Structure;
        }
        let declared = self.declared.get(&key);
        if declared.is_some_and(is_file) || self.late.contains_key(&key) || self.behind.contains_key(native) {
            return Concern::File;
        }
        if declared.is_some() {
            return Concern::Structure;
        }
        let Some(path) = RelPath::from_native(root, native).filter(|_| !self.idle.contains(native)) else {
            // Outside the workspace, only paths that lead to a file that is read matter.
            let leads_on = self.directories.contains(native) && !native.starts_with(root);
            return if leads_on { Concern::Structure } else { Concern::Nothing };
        };
        let ignored = beneath::is_temporary(&path) || scope.skip.iter().any(|skip| path.starts_with(skip));
        if !ignored && (self.directories.contains(native) || may_be_read(scope, &path)) {
            return Concern::Structure;
        }
        Concern::Nothing
    }

    /// Determines the state of each path.
    fn observe(&mut self, scope: Scope<'_>, known: &KnownFiles) {
        let root = &scope.workspace.root;
        let observer = Observer::new(root, known);
        let paths: BTreeSet<_> = self.declared.keys().chain(self.late.keys()).cloned().collect();
        let paths: Vec<_> = paths.into_iter().collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let states = fan_out(threads, &paths, |path| Ok::<_, std::convert::Infallible>(state_of(&observer, path)));
        let Ok(states) = states;
        for (path, state) in paths.iter().zip(states) {
            if matches!(state, FileState::Symlink { .. }) {
                for target in way(&observer.locate(path)) {
                    self.behind.entry(target).or_default().insert(path.clone());
                }
            }
            for read in [&mut self.declared, &mut self.late] {
                if let Some(old) = read.get_mut(path) {
                    *old = state.clone();
                }
            }
        }
        self.known = learned(&paths, observer, known);
    }

    /// Finds the directories to follow: those that contain files or may come to contain them, and those that lead
    /// there.
    fn find_directories(&mut self, workspace: &Workspace) {
        let root = &workspace.root;
        let mut within: HashSet<&[u8]> = HashSet::from([&b""[..]]);
        let files = workspace.files.iter().chain(&workspace.listed).map(RelPath::as_bytes);
        let read = self.declared.keys().chain(self.late.keys()).map(Vec::as_slice);
        for mut path in read.chain(files) {
            while !path.starts_with(b"/") && !path.is_empty() {
                path = &path[..memchr::memrchr(b'/', path).unwrap_or(0)];
                if !within.insert(path) {
                    break;
                }
            }
        }
        let within = within.into_iter().map(|path| if path.is_empty() { root.clone() } else { locate(root, path) });
        let mut directories: BTreeSet<PathBuf> = within.collect();
        directories.extend(workspace.listed.iter().map(|path| path.to_path(root)));
        let directory = |state: &FileState| {
            matches!(
                state,
                FileState::Directory | FileState::Symlink { behind: Behind::Nothing | Behind::Directory, .. }
            )
        };
        let places = self.declared.iter().filter(|(_, state)| directory(state));
        directories.extend(places.map(|(path, _)| locate(root, path)));
        let outside = self
            .declared
            .keys()
            .chain(self.late.keys())
            .filter(|path| path.starts_with(b"/"))
            .map(|path| locate(root, path));
        let further = outside.chain(self.behind.keys().cloned()).chain(self.rules.iter().cloned());
        directories.extend(further.filter_map(|path| Some(path.parent()?.to_owned())));
        directories.append(&mut self.directories);
        directories.retain(|directory| !directory.as_os_str().is_empty());
        self.directories = directories;
    }
}

/// Returns whether a path is written by builds and not by people.
fn is_output(scope: Scope<'_>, path: &RelPath) -> bool {
    scope.graph.outputs.owner(path).is_some() || scope.written.contains(path)
}

/// Returns whether one of the tasks may read a new file at or below `path`, or the file may add a task.
fn may_be_read(scope: Scope<'_>, path: &RelPath) -> bool {
    let Scope { workspace, tasks, failed, .. } = scope;
    if path.components().any(|name| name == b".git") || is_output(scope, path) {
        return false;
    }
    let listed = || path.parent().is_some_and(|parent| workspace.listed.contains(&parent));
    let by_task = |task: &Task| {
        let by_default = || path.starts_with(&task.dir) || task.dir.starts_with(path);
        let patterns = &task.inputs.patterns;
        patterns.matches(path)
            || patterns.enters(path)
            || task.inputs.partial.matches(path)
            || (task.inputs.default && by_default())
    };
    let tasks = || tasks.iter().map(|id| workspace.task(*id)).filter(|task| task.command.is_some());
    let anything = || tasks().any(|task| task.discovery.finds_inputs() && failed.contains(&task.name));
    workspace.files.contains(path) || listed() || tasks().any(by_task) || anything()
}

/// Returns what a task can read at a path; for a directory nothing, because tasks read only the files in it.
fn content(state: Option<&FileState>) -> Option<&FileState> {
    state.filter(|state| !matches!(state, FileState::Absent | FileState::Directory))
}

fn is_file(state: &FileState) -> bool {
    matches!(state, FileState::File { .. } | FileState::Special)
}

/// Returns the state of a path. A path that cannot be examined counts as a special file until it can.
fn state_of(observer: &Observer<'_>, path: &[u8]) -> FileState {
    observer.observe(path).unwrap_or(FileState::Special)
}

/// Returns when the file at a path was last changed.
fn changed_at(root: &Path, path: &[u8]) -> Option<i64> {
    Stamp::at(&locate(root, path)).ok().flatten().map(|stamp| stamp.ctime)
}

fn locate(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}

/// Like [`RelPath::to_path`], but without a slash after the root.
fn native(root: &Path, path: &RelPath) -> PathBuf {
    if path.is_root() { root.to_owned() } else { path.to_path(root) }
}

fn relative(root: &Path, path: &Path) -> Vec<u8> {
    path.strip_prefix(root).unwrap_or(path).to_owned().into_os_string().into_vec()
}

/// Returns what is known of these paths, sorted, after a look.
fn learned(paths: &[Vec<u8>], observer: Observer<'_>, known: &KnownFiles) -> KnownFiles {
    let observed = observer.into_observed();
    let mut builder = Builder::default();
    for path in paths.iter().filter(|path| !path.contains(&0)) {
        let now = observed.now.binary_search_by(|(other, _)| other.cmp(path)).ok().map(|i| observed.now[i].1);
        let before = || known.find(path).filter(|i| observed.confirmed[*i]).map(|i| known.seen(i));
        if let Some(seen) = now.or_else(before) {
            builder.push(path, &seen);
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests;
