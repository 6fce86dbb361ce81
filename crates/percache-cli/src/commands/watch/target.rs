//! What is watched: the tasks as they are configured, and what they read.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use percache_runner::fs::stamp::Stamp;
use percache_runner::fs::stat_cache::FileState;
use percache_runner::fs::stat_table::KnownFiles;
use percache_runner::model::Caller;
use percache_runner::model::TaskId;
use percache_runner::model::path::RelPath;
use percache_runner::watch::{Burst, Change, Concern, Events, Reads, Scope, abandoned, own_streams};
use percache_runner::worktree::Worktree;
use percache_runner::worktree::journal::Journal;

use crate::error::CliError;
use crate::setup::Setup;

/// Files may come to lie in directories that are found only by a look at them: so often it is done again.
const LOOKS: usize = 5;

/// Nothing has run since: what tasks read now and did not before is a change, whatever its age.
const ALWAYS: i64 = i64::MIN;

/// Tasks and what they read.
pub struct Target {
    pub setup: Setup,
    /// The tasks that are asked for.
    pub selected: Vec<TaskId>,
    /// What they read, as it was at one moment.
    pub reads: Reads,
    /// The same tasks, with what they need.
    tasks: Vec<TaskId>,
    skip: Vec<RelPath>,
    caller: Caller,
    journal: Journal,
    /// Names of tasks that failed in the last build.
    failed: Vec<String>,
    /// What builds write besides outputs.
    written: HashSet<RelPath>,
}

/// The tasks as they are configured, and those of them that are asked for.
pub type Configured = (Setup, Vec<TaskId>);

/// What has happened to a target.
pub enum Happened {
    /// Nothing that counts.
    Nothing,
    /// Something that the tasks read has changed.
    Inputs(Vec<Change>),
    /// There are other tasks, and these changes besides.
    Tasks(Box<Configured>, Vec<Change>),
    /// The configuration has a mistake.
    Mistake(CliError),
}

impl Target {
    /// Looks at what the tasks read, and follows it from then on.
    pub fn new((setup, selected): Configured, events: &Events, known: &KnownFiles, failed: Vec<String>) -> Target {
        let store = RelPath::from_native(&setup.workspace.root, &setup.store_dir);
        let journal = Journal::load(&Worktree::new(&setup.store_dir, &setup.workspace.root).journal());
        let mut target = Target {
            tasks: setup.graph.closure(&selected),
            skip: store.into_iter().collect(),
            caller: std::env::vars_os().collect(),
            written: written(&setup, &journal),
            journal,
            reads: Reads::default(),
            failed,
            selected,
            setup,
        };
        let known = if known.is_empty() { &target.journal.files } else { known };
        target.reads = Reads::look(target.scope(), known);
        target.follow(events);
        target
    }

    /// Follows what the tasks read. What was not followed before is looked at again: meanwhile it may have changed.
    fn follow(&mut self, events: &Events) {
        for _ in 0..LOOKS {
            if !events.follow(self.reads.directories()) {
                return;
            }
            self.reads = Reads::look(self.scope(), self.reads.known());
        }
    }

    /// What is known of the files that the tasks read.
    pub fn into_known(self) -> KnownFiles {
        self.reads.into_known()
    }

    /// Where a path is that was told to have changed.
    pub fn locate(&self, path: &[u8]) -> PathBuf {
        self.setup.workspace.root.join(OsStr::from_bytes(path))
    }

    /// How much a path matters to it.
    pub fn concern(&self, path: &Path) -> Concern {
        self.reads.concern(self.scope(), path)
    }

    /// Returns what a burst has changed.
    pub fn differs(&self, burst: &Burst, configure: impl Fn() -> Result<Configured, CliError>) -> Happened {
        let changes: Vec<_> = match self.found(burst) {
            Some(found) => found.into_iter().map(|(change, _)| change).collect(),
            None => {
                let now = Reads::look(self.scope(), self.reads.known());
                let changes = now.changed_since(&self.reads, &self.setup.workspace.root, ALWAYS);
                return self.tasks_or(changes, configure);
            }
        };
        if changes.is_empty() { Happened::Nothing } else { Happened::Inputs(changes) }
    }

    /// The known files that a burst has changed. `None` when it may have changed more than these: a file that is gone
    /// may take a task with it.
    fn found(&self, burst: &Burst) -> Option<Vec<(Change, FileState)>> {
        if burst.is_structural() {
            return None;
        }
        let found = self.reads.look_again(&self.setup.workspace.root, &burst.files);
        let is_file = |(_, state): &(Change, FileState)| matches!(state, FileState::File { .. });
        found.iter().all(is_file).then_some(found)
    }

    /// The same, and takes note of it.
    pub fn update(
        &mut self,
        burst: Burst,
        events: &Events,
        configure: impl Fn() -> Result<Configured, CliError>,
    ) -> Happened {
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
        let changes = self.reads.changed_since(&before, &self.setup.workspace.root, ALWAYS);
        if changes.is_empty() {
            self.reads.keep_unread(before, unread);
        }
        self.tasks_or(changes, configure)
    }

    /// Returns the target after a build of it, and what has changed since that began.
    pub fn after(
        &mut self,
        failed: Vec<String>,
        began: i64,
        events: &Events,
        configure: impl Fn() -> Result<Configured, CliError>,
    ) -> Happened {
        let root = self.setup.workspace.root.clone();
        self.journal = Journal::load(&Worktree::new(&self.setup.store_dir, &root).journal());
        self.written = written(&self.setup, &self.journal);
        self.failed = failed;
        let before = std::mem::take(&mut self.reads);
        self.reads = Reads::look(self.scope(), before.known());
        self.follow(events);
        let changes = self.reads.changed_since(&before, &root, began);
        self.tasks_or(changes, configure)
    }

    /// Whether a path decides which tasks there are.
    pub fn is_configuration(&self, path: &[u8]) -> bool {
        let workspace = &self.setup.workspace;
        workspace.files.iter().chain(&workspace.listed).any(|other| other.as_bytes() == path)
    }

    /// Returns which part of the configuration was changed since a build began, as far as its time tells.
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

    /// Returns whether there are other tasks by now, or else these changes. Looks at the configuration last: a file that
    /// is gone and the task that was about it are one change.
    fn tasks_or(&self, changes: Vec<Change>, configure: impl Fn() -> Result<Configured, CliError>) -> Happened {
        match configure() {
            Ok(configured) if configured.0.workspace != self.setup.workspace => {
                Happened::Tasks(Box::new(configured), changes)
            }
            Ok(_) if changes.is_empty() => Happened::Nothing,
            Ok(_) => Happened::Inputs(changes),
            Err(error) => Happened::Mistake(error),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            workspace: &self.setup.workspace,
            graph: &self.setup.graph,
            tasks: &self.tasks,
            skip: &self.skip,
            caller: &self.caller,
            journal: &self.journal,
            failed: &self.failed,
            written: &self.written,
        }
    }
}

/// What builds write besides outputs: they remove files that no task makes any more, and say what they do.
fn written(setup: &Setup, journal: &Journal) -> HashSet<RelPath> {
    abandoned(&setup.graph, journal).into_iter().chain(own_streams(&setup.workspace.root)).collect()
}
