//! Tasks as meant: what `percache.toml` says after names are resolved, placeholders filled in and `foreach` and `matrix`
//! expanded. Everything behind the configuration reads these types and never the file.
//!
//! Knows nothing of TOML, of the store, or of how a task is run.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;

/// Position of a task in [`Workspace::tasks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId(pub u32);

impl TaskId {
    /// The position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Position of a pool in [`Workspace::pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PoolId(pub u32);

/// How a command hears of the jobserver (GNU make manual, "Sharing Job Slots with GNU make").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Jobserver {
    /// By the numbers of two inherited descriptors: every make, cargo, gcc.
    Pipe,
    /// By the path of a named pipe: make from 4.4, ninja from 1.13, cargo.
    Fifo,
}

/// A whole workspace, checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// Absolute, canonical directory of the root `percache.toml`.
    pub root: PathBuf,
    /// The configuration files that were read, root first, relative to `root`.
    pub files: Vec<RelPath>,
    /// The paths besides `files` on whose own state the tasks depend, sorted: directories listed for `foreach` and `members`, and the
    /// places where their patterns begin, present or not.
    pub listed: Vec<RelPath>,
    /// Where the store is and how large and old it may grow.
    pub cache: CacheSettings,
    /// The pools by name, with how many of their tasks may run at a time.
    pub pools: Vec<Pool>,
    /// `jobserver`: how commands that know how to share the budget of parallel work, if they do.
    pub jobserver: Option<Jobserver>,
    /// `follow`: directories of outputs that may be symlinks out of the workspace.
    pub follow: Vec<RelPath>,
    /// Every concrete task, sorted by name.
    pub tasks: Vec<Task>,
    /// The names of tasks without instances: a `foreach` that matches no file.
    pub empty: Vec<String>,
    /// What a bare `percache build` builds, resolved; every task without a `default`.
    pub default: Vec<TaskId>,
}

/// `[cache]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CacheSettings {
    /// `dir`, as written; `None` when the default applies.
    pub dir: Option<PathBuf>,
    /// Automatic gc removes results that were not used for this long.
    pub maxage: Option<Duration>,
    /// And then the least recently used above this many bytes.
    pub maxsize: Option<u64>,
    /// Of the tasks whose results are stored, this share runs all the same, to be compared with what is stored: from 0 to 1.
    pub check_rate: f64,
}

/// One of `[pools]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// How many of its tasks may run at a time.
    pub capacity: NonZeroUsize,
}

/// Where in a configuration file something stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Index into [`Workspace::files`].
    pub file: usize,
    /// Byte range in that file.
    pub span: Range<usize>,
}

/// One concrete task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Full name: `app`, `pkgs/app:build`, `objects[src/a.c]`, `test[python=3.11]`.
    pub name: String,
    /// The full name without its instance: `objects` of `objects[src/a.c]`.
    pub template: String,
    /// `description`.
    pub description: Option<String>,
    /// The directory of the file that states the task.
    pub dir: RelPath,
    /// The directory the command runs in.
    pub cwd: RelPath,
    /// What runs; `None` for a group.
    pub command: Option<TaskCommand>,
    /// Whether `{args}` stands in its command or environment.
    pub takes_args: bool,
    /// The declared inputs.
    pub inputs: Inputs,
    /// The declared outputs, exclusions included.
    pub outputs: PatternSet,
    /// A make-style depfile that the command writes.
    pub depfile: Option<RelPath>,
    /// Commands whose output is part of the fingerprint, sorted, without doubles.
    pub tools: Vec<String>,
    /// Variables set for the command: the workspace's, overlaid with the task's.
    pub env: BTreeMap<String, String>,
    /// Names, or globs over names, of variables taken from the caller and fingerprinted.
    pub env_from: Vec<String>,
    /// Names, or globs over names, of variables passed through and not fingerprinted.
    pub env_pass: Vec<String>,
    /// Files of `KEY=value` lines, later ones win; `env` wins over all of them.
    pub env_file: Vec<RelPath>,
    /// Explicit direct dependencies, sorted, without doubles. Groups stand here as themselves.
    pub deps: Vec<TaskId>,
    /// Tasks whose declared outputs this task's input patterns may match, less `deps`.
    pub inferred: Vec<TaskId>,
    /// Killed after this long.
    pub timeout: Option<Duration>,
    /// Tried again this often before it counts as failed.
    pub retries: u32,
    /// `false`: always runs and is never stored.
    pub cache: bool,
    /// A result older than this is not used.
    pub valid_for: Option<Duration>,
    /// Exit statuses besides 0 that are a result like any other, not a failure.
    pub answers: Vec<i32>,
    /// stdout and stderr are kept apart: the log consists of marked pieces, see [`crate::process::mark`].
    pub apart: bool,
    /// Owns the terminal while it runs, never stored.
    pub interactive: bool,
    /// The pool it belongs to.
    pub pool: Option<PoolId>,
    /// The table that states it.
    pub origin: Origin,
}

/// What a task runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskCommand {
    /// Runs under `sh -e -c`; values of placeholders are already quoted for the shell.
    Shell(String),
    /// Executed without a shell; never empty.
    Argv(Vec<String>),
}

/// The declared inputs of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Inputs {
    /// `inputs` left out: every file below `dir` that git would not ignore, less every task's outputs, the store and the
    /// configuration files.
    Default,
    /// Ordered patterns, relative to the workspace. `inputs = []` is the empty set.
    Patterns(PatternSet),
}

impl Workspace {
    /// The task with this id.
    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.index()]
    }

    /// Every id, in order of name.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.tasks.len() as u32).map(TaskId)
    }
}
