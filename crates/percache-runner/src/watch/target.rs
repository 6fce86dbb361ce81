//! The target of watching: the configured tasks, and what they read.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::fs::stamp::Stamp;
use crate::fs::stat_cache::FileState;
use crate::fs::stat_table::KnownFiles;
use crate::model::Caller;
use crate::model::TaskId;
use crate::model::path::RelPath;

use crate::session::Project;
use crate::worktree::journal::Journal;

use super::{Burst, Change, Concern, Events, Reads, Scope, abandoned, own_streams};

/// How often to look again, because files may appear in directories that only the look itself finds.
const LOOKS: usize = 5;

/// Makes every input that was not read before count as changed, whatever its age: nothing has run since.
const ALWAYS: i64 = i64::MIN;

/// Tasks and what they read.
pub struct Target {
    /// The configured workspace.
    pub project: Arc<Project>,
    /// The requested tasks.
    pub selected: Vec<TaskId>,
    /// What they read, as it was at one moment.
    pub reads: Reads,
    /// The same tasks with their dependencies.
    tasks: Vec<TaskId>,
    skip: Vec<RelPath>,
    caller: Caller,
    journal: Journal,
    /// The names of tasks that failed in the last build.
    failed: Vec<String>,
    /// Paths that builds write besides outputs.
    written: HashSet<RelPath>,
}

/// The configured tasks, and the requested ones among them.
pub type Configured = (Arc<Project>, Vec<TaskId>);

/// What happened to a target.
pub enum Happened<E> {
    /// Nothing that matters.
    Nothing,
    /// Inputs of the tasks have changed.
    Inputs(Vec<Change>),
    /// The tasks have changed, and these inputs as well.
    Tasks(Box<Configured>, Vec<Change>),
    /// The configuration has a mistake.
    Mistake(E),
}

impl Target {
    /// Examines what the tasks read, and follows it from then on.
    pub fn new((project, selected): Configured, events: &Events, known: &KnownFiles, failed: Vec<String>) -> Target {
        let store = RelPath::from_native(&project.workspace.root, &project.store_dir);
        let journal = Journal::load(&project.worktree().journal());
        let mut target = Target {
            tasks: project.graph.closure(&selected),
            skip: store.into_iter().collect(),
            caller: std::env::vars_os().collect(),
            written: written(&project, &journal),
            journal,
            reads: Reads::default(),
            failed,
            selected,
            project,
        };
        let known = if known.is_empty() { &target.journal.files } else { known };
        target.reads = Reads::look(target.scope(), known);
        target.follow(events);
        target
    }

    /// Follows what the tasks read. Whatever was not followed before is examined again, because it may have changed in
    /// the meantime.
    fn follow(&mut self, events: &Events) {
        for _ in 0..LOOKS {
            if !events.follow(self.reads.directories()) {
                return;
            }
            self.reads = Reads::look(self.scope(), self.reads.known());
        }
    }

    /// Returns what is known of the files that the tasks read.
    pub fn into_known(self) -> KnownFiles {
        self.reads.into_known()
    }

    /// Returns the absolute path of a change.
    pub fn locate(&self, path: &[u8]) -> PathBuf {
        self.project.workspace.root.join(OsStr::from_bytes(path))
    }

    /// Returns how much a path matters.
    pub fn concern(&self, path: &Path) -> Concern {
        self.reads.concern(self.scope(), path)
    }

    /// Returns what a burst has changed.
    pub fn differs<E>(&self, burst: &Burst, configure: impl Fn() -> Result<Configured, E>) -> Happened<E> {
        let changes: Vec<_> = match self.found(burst) {
            Some(found) => found.into_iter().map(|(change, _)| change).collect(),
            None => {
                let now = Reads::look(self.scope(), self.reads.known());
                let changes = now.changed_since(&self.reads, &self.project.workspace.root, ALWAYS);
                return self.tasks_or(changes, configure);
            }
        };
        if changes.is_empty() { Happened::Nothing } else { Happened::Inputs(changes) }
    }

    /// Returns the known files that a burst has changed. `None` if it may have changed more: the removal of a file may
    /// remove a task.
    fn found(&self, burst: &Burst) -> Option<Vec<(Change, FileState)>> {
        if burst.is_structural() {
            return None;
        }
        let found = self.reads.look_again(&self.project.workspace.root, &burst.files);
        let is_file = |(_, state): &(Change, FileState)| matches!(state, FileState::File { .. });
        found.iter().all(is_file).then_some(found)
    }

    /// Does the same, and updates the target.
    pub fn update<E>(
        &mut self,
        burst: Burst,
        events: &Events,
        configure: impl Fn() -> Result<Configured, E>,
    ) -> Happened<E> {
        if let Some(found) = self.found(&burst) {
            let changes: Vec<_> = found.iter().map(|(change, _)| change.clone()).collect();
            self.reads.update(found);
            return if changes.is_empty() { Happened::Nothing } else { Happened::Inputs(changes) };
        }
        let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir());
        let unread: Vec<_> = burst.structure.into_iter().filter(is_file).collect();
        let before = std::mem::take(&mut self.reads);
        self.reads = Reads::look(self.scope(), before.known());
        self.follow(events);
        let changes = self.reads.changed_since(&before, &self.project.workspace.root, ALWAYS);
        if changes.is_empty() {
            self.reads.keep_unread(before, unread);
        }
        self.tasks_or(changes, configure)
    }

    /// Updates the target after a build of it, and returns what has changed since that began.
    pub fn after<E>(
        &mut self,
        failed: Vec<String>,
        began: i64,
        events: &Events,
        configure: impl Fn() -> Result<Configured, E>,
    ) -> Happened<E> {
        let root = self.project.workspace.root.clone();
        self.journal = Journal::load(&self.project.worktree().journal());
        self.written = written(&self.project, &self.journal);
        self.failed = failed;
        let before = std::mem::take(&mut self.reads);
        self.reads = Reads::look(self.scope(), before.known());
        self.follow(events);
        let changes = self.reads.changed_since(&before, &root, began);
        self.tasks_or(changes, configure)
    }

    /// Returns whether a path decides which tasks exist.
    pub fn is_configuration(&self, path: &[u8]) -> bool {
        let workspace = &self.project.workspace;
        workspace.files.iter().chain(&workspace.listed).any(|other| other.as_bytes() == path)
    }

    /// Returns the part of the configuration that was changed since a build began, as far as its times show.
    pub fn changed_configuration(configured: &Configured, began: i64) -> Vec<Change> {
        let workspace = &configured.0.workspace;
        let paths = workspace.files.iter().chain(&workspace.listed);
        let changed = paths.filter_map(|path| {
            let stamp = Stamp::at(&path.to_path(&workspace.root)).ok()??;
            let change = || Change { path: path.as_bytes().to_vec(), when: stamp.ctime, comes_or_goes: false };
            (stamp.ctime > began).then(change)
        });
        changed.collect()
    }

    /// Returns whether the tasks have changed by now, or else these changes. Examines the configuration last, because
    /// the removal of a file and of the task about it are one change.
    fn tasks_or<E>(&self, changes: Vec<Change>, configure: impl Fn() -> Result<Configured, E>) -> Happened<E> {
        match configure() {
            Ok(configured) if configured.0.workspace != self.project.workspace => {
                Happened::Tasks(Box::new(configured), changes)
            }
            Ok(_) if changes.is_empty() => Happened::Nothing,
            Ok(_) => Happened::Inputs(changes),
            Err(error) => Happened::Mistake(error),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            workspace: &self.project.workspace,
            graph: &self.project.graph,
            tasks: &self.tasks,
            skip: &self.skip,
            caller: &self.caller,
            journal: &self.journal,
            failed: &self.failed,
            written: &self.written,
        }
    }
}

/// Returns the paths that builds write besides outputs: they remove files that no task makes any more, and print to
/// their output.
fn written(project: &Project, journal: &Journal) -> HashSet<RelPath> {
    abandoned(&project.graph, journal).into_iter().chain(own_streams(&project.workspace.root)).collect()
}
