//! What the watched tasks read: which files, what is in them, and in which directories files may come to it.
//!
//! Two looks tell what has changed between them. Events only say when to look: a file that was written and has the same
//! content has not changed, and a change of which nobody told is found all the same.

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
use crate::model::{Inputs, Task, TaskId, Workspace};
use crate::worktree::journal::Journal;

use look::Look;
use way::way;

/// Which tasks are watched, and what is known of them.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// Who owns which output.
    pub graph: &'a TaskGraph,
    /// Those that are watched, with what they need; sorted.
    pub tasks: &'a [TaskId],
    /// What is never an input: the store.
    pub skip: &'a [RelPath],
    /// The caller's variables.
    pub caller: &'a Caller,
    /// Which inputs were discovered.
    pub journal: &'a Journal,
    /// Names of tasks that failed in the last build.
    pub failed: &'a [String],
    /// What builds write besides outputs; see [`abandoned`] and [`own_streams`].
    pub written: &'a HashSet<RelPath>,
}

/// Returns the files in the workspace at `root` to which this process writes what it says.
pub fn own_streams(root: &Path) -> impl Iterator<Item = RelPath> {
    let targets = ["/proc/self/fd/1", "/proc/self/fd/2"].map(std::fs::read_link);
    targets.into_iter().flatten().filter_map(move |path| RelPath::from_native(root, &path))
}

/// Returns what earlier builds have made and no task makes any more: the next build removes it.
pub fn abandoned(graph: &TaskGraph, journal: &Journal) -> HashSet<RelPath> {
    let made =
        journal.tasks.values().flat_map(|record| &record.outputs).filter_map(|entry| RelPath::new(&entry.path).ok());
    made.filter(|path| graph.outputs.owner(path).is_none()).collect()
}

/// A change between two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: relative to the workspace, or absolute.
    pub path: Vec<u8>,
    /// When, by the clock of the file system; of what is gone, the moment at which that was seen.
    pub when: i64,
    /// Whether a file is there now that was not before, or the other way round.
    pub comes_or_goes: bool,
}

/// What the watched tasks read, as it was at one moment.
#[derive(Default)]
pub struct Reads {
    /// Declared inputs, and places where patterns begin.
    declared: BTreeMap<Vec<u8>, FileState>,
    /// What tasks turned out to read only when they ran.
    late: BTreeMap<Vec<u8>, FileState>,
    /// Which declared inputs a task has. Tasks with the same patterns share a set.
    inputs: Vec<(TaskId, Vec<Arc<BTreeSet<RelPath>>>)>,
    /// Directories that could not be listed.
    unreadable: BTreeSet<PathBuf>,
    /// Files that symlinks lead to, and the inputs that they are read by.
    behind: HashMap<PathBuf, BTreeSet<Vec<u8>>>,
    /// Files that say what git ignores.
    rules: HashSet<PathBuf>,
    /// Paths that turned out to be read by no task. Names of temporary files come and go.
    idle: HashSet<PathBuf>,
    directories: BTreeSet<PathBuf>,
    known: KnownFiles,
}

impl Reads {
    /// Looks at everything that the tasks read. What was known of files before saves reading them again.
    pub fn look(scope: Scope<'_>, known: &KnownFiles) -> Reads {
        let mut reads = Look::at(scope);
        reads.observe(scope, known);
        reads.find_directories(scope.workspace);
        reads
    }

    /// The directories in which something may happen that concerns the tasks.
    pub fn directories(&self) -> &BTreeSet<PathBuf> {
        &self.directories
    }

    /// What is known of the files that were looked at.
    pub fn known(&self) -> &KnownFiles {
        &self.known
    }

    /// The same, when nothing else is of interest any more.
    pub fn into_known(self) -> KnownFiles {
        self.known
    }

    /// Keeps in mind which files no task reads: these, and those that an earlier look knew. Nothing has changed since.
    pub fn keep_unread(&mut self, before: Reads, unread: Vec<PathBuf>) {
        self.idle.extend(before.idle);
        self.idle.extend(unread);
    }

    /// Returns what has changed since an earlier look, before which a build may have begun: inputs that were discovered
    /// since then have no other past than their time.
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

    /// Looks again at these files, which are known. Returns which of them have changed, and what they are now.
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

    /// Takes over what was found.
    pub fn update(&mut self, found: Vec<(Change, FileState)>) {
        for (change, state) in found {
            for read in [&mut self.declared, &mut self.late] {
                if let Some(old) = read.get_mut(&change.path) {
                    old.clone_from(&state);
                }
            }
        }
    }

    /// Names of the tasks that declare this as their input.
    pub fn readers<'a>(&self, workspace: &'a Workspace, path: &[u8]) -> Vec<&'a str> {
        let Ok(path) = RelPath::new(path) else { return Vec::new() };
        let reading = self.inputs.iter().filter(|(_, inputs)| inputs.iter().any(|inputs| inputs.contains(&path)));
        reading.map(|(id, _)| workspace.task(*id).name.as_str()).collect()
    }

    /// How much a path matters.
    pub fn concern(&self, scope: Scope<'_>, native: &Path) -> Concern {
        let root = &scope.workspace.root;
        let key = relative(root, native);
        // A file with rules is an input as well, and more than that.
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
            // Elsewhere, only what leads to a file that is read.
            let leads_on = self.directories.contains(native) && !native.starts_with(root);
            return if leads_on { Concern::Structure } else { Concern::Nothing };
        };
        let ignored = beneath::is_temporary(&path) || scope.skip.iter().any(|skip| path.starts_with(skip));
        if !ignored && (self.directories.contains(native) || may_be_read(scope, &path)) {
            return Concern::Structure;
        }
        Concern::Nothing
    }

    /// Finds out what is at each path.
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

    /// Finds the directories to follow: those in which files lie or may come to lie, and those that lead there.
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
        let outside = self.late.keys().filter(|path| path.starts_with(b"/")).map(|path| locate(root, path));
        let further = outside.chain(self.behind.keys().cloned()).chain(self.rules.iter().cloned());
        directories.extend(further.filter_map(|path| Some(path.parent()?.to_owned())));
        directories.append(&mut self.directories);
        directories.retain(|directory| !directory.as_os_str().is_empty());
        self.directories = directories;
    }
}

/// Whether a path is for builds to write, and not for people.
fn is_output(scope: Scope<'_>, path: &RelPath) -> bool {
    scope.graph.outputs.owner(path).is_some() || scope.written.contains(path)
}

/// Whether a new file at or below `path` may be read by one of the tasks, or bring another task.
fn may_be_read(scope: Scope<'_>, path: &RelPath) -> bool {
    let Scope { workspace, tasks, failed, .. } = scope;
    if path.components().any(|name| name == b".git") || is_output(scope, path) {
        return false;
    }
    let listed = || path.parent().is_some_and(|parent| workspace.listed.contains(&parent));
    let by_task = |task: &Task| match &task.inputs {
        Inputs::Patterns(patterns) => patterns.matches(path) || patterns.enters(path),
        Inputs::Default => path.starts_with(&task.dir) || task.dir.starts_with(path),
    };
    let tasks = || tasks.iter().map(|id| workspace.task(*id)).filter(|task| task.command.is_some());
    let anything = || tasks().any(|task| task.depfile.is_some() && failed.contains(&task.name));
    workspace.files.contains(path) || listed() || tasks().any(by_task) || anything()
}

/// What a task can read at a path: of a directory, only the files in it.
fn content(state: Option<&FileState>) -> Option<&FileState> {
    state.filter(|state| !matches!(state, FileState::Absent | FileState::Directory))
}

fn is_file(state: &FileState) -> bool {
    matches!(state, FileState::File { .. } | FileState::Special)
}

/// What is at a path. What cannot be looked at is nothing in particular, until it can.
fn state_of(observer: &Observer<'_>, path: &[u8]) -> FileState {
    observer.observe(path).unwrap_or(FileState::Special)
}

/// When what is at a path was changed last.
fn changed_at(root: &Path, path: &[u8]) -> Option<i64> {
    Stamp::at(&locate(root, path)).ok().flatten().map(|stamp| stamp.ctime)
}

fn locate(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}

/// Like [`RelPath::to_path`], and without a slash behind the root.
fn native(root: &Path, path: &RelPath) -> PathBuf {
    if path.is_root() { root.to_owned() } else { path.to_path(root) }
}

fn relative(root: &Path, path: &Path) -> Vec<u8> {
    path.strip_prefix(root).unwrap_or(path).to_owned().into_os_string().into_vec()
}

/// What is known of these paths, sorted, after a look.
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
