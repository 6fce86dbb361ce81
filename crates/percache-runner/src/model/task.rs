//! The workspace and its tasks, fully resolved: what `percache.toml` says once names are resolved, placeholders are
//! filled in and `foreach` and `matrix` are expanded. Everything after the configuration reads these types and never
//! the file.
//!
//! Knows nothing of TOML, of the store, or of how a task is run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::package::{Package, PackageDoubt};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::remote::{RemoteSettings, Sharing};
use crate::model::server::Server;

/// The position of a task in [`Workspace::tasks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskId(pub u32);

impl TaskId {
    /// Returns the position as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The position of a pool in [`Workspace::pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PoolId(pub u32);

/// How a command is told about the jobserver (GNU make manual, "Sharing Job Slots with GNU make").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Jobserver {
    /// By the numbers of two inherited descriptors: understood by every make, cargo and gcc.
    Pipe,
    /// By the path of a named pipe: understood by make from 4.4, ninja from 1.13, and cargo.
    Fifo,
}

/// A whole workspace, validated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workspace {
    /// The absolute, canonical directory of the root `percache.toml`.
    pub root: PathBuf,
    /// The configuration files that were read, root first, relative to `root`.
    pub files: Vec<RelPath>,
    /// The other paths whose state the tasks depend on, sorted: directories listed for `foreach` and `members`, the
    /// places where their patterns begin, whether they exist or not, and the manifests of packages.
    pub listed: Vec<RelPath>,
    /// The packages of the ecosystems that `members` names, sorted by directory within each.
    pub packages: Vec<Package>,
    /// What is odd about these.
    pub doubts: Vec<PackageDoubt>,
    /// The location of the store, and its limits of size and age.
    pub cache: CacheSettings,
    /// `[remote]`, as it is written.
    pub remote: RemoteSettings,
    /// The pools: those of the file, and those of the machine.
    pub pools: Vec<Pool>,
    /// `jobserver`: how commands that support it share the budget of parallel work; `None` if they do not.
    pub jobserver: Option<Jobserver>,
    /// `follow`: directories of outputs that may be symlinks out of the workspace.
    pub follow: Vec<RelPath>,
    /// Every concrete task, sorted by name.
    pub tasks: Vec<Task>,
    /// The names of tasks without instances, because their `foreach` matches no file.
    pub empty: Vec<String>,
    /// The templates that no task extends.
    pub unused: Vec<UnusedTemplate>,
    /// The tasks that a bare `percache build` builds, resolved; all tasks if there is no `default`.
    pub default: Vec<TaskId>,
}

/// `[cache]`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CacheSettings {
    /// `dir`, as written; `None` when the default applies.
    pub dir: Option<PathBuf>,
    /// Automatic gc removes results that were not used for this long.
    pub maxage: Option<Duration>,
    /// Automatic gc then removes the least recently used results until the store is below this many bytes.
    pub maxsize: Option<u64>,
    /// The share, from 0 to 1, of tasks with stored results that run anyway, so that their outputs are compared with
    /// the stored ones.
    pub check_rate: f64,
}

/// One of `[pools]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// What its tasks may take of it together.
    pub capacity: Capacity,
}

/// The capacity of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Capacity {
    /// This many, which is at least 1.
    Count(u64),
    /// This many bytes, which is at least 1.
    Bytes(u64),
    /// The processors that this process may use: a number.
    Cpus,
    /// The memory that this process may use: a size.
    Memory,
}

impl Capacity {
    /// Returns whether it is a size, in bytes.
    pub fn is_size(self) -> bool {
        matches!(self, Capacity::Bytes(_) | Capacity::Memory)
    }
}

/// What a task takes of a pool while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Use {
    /// The pool.
    pub pool: PoolId,
    /// How much of it, at least 1: a number or bytes, whichever the pool has.
    pub amount: u64,
}

/// A template that no task extends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusedTemplate {
    /// Its name.
    pub name: String,
    /// The place where it is stated: `percache.toml:14`.
    pub place: String,
}

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// An index into [`Workspace::files`].
    pub file: usize,
    /// The byte range in that file.
    pub span: Range<usize>,
}

/// One concrete task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The full name: `app`, `pkgs/app:build`, `objects[src/a.c]`, `test[python=3.11]`.
    pub name: String,
    /// The full name without its instance: `objects` for `objects[src/a.c]`.
    pub template: String,
    /// `description`.
    pub description: Option<String>,
    /// The directory of the file that defines the task.
    pub dir: RelPath,
    /// The directory that the command runs in.
    pub cwd: RelPath,
    /// The command; `None` for a group.
    pub command: Option<TaskCommand>,
    /// The command with placeholders for paths that are known only when the task is about to run, if it has any;
    /// `command` then has them as they are written.
    pub late: Option<LateCommand>,
    /// Whether `{args}` occurs in its command or environment.
    pub takes_args: bool,
    /// The declared inputs.
    pub inputs: Inputs,
    /// Files outside of the workspace whose content matters.
    pub external: Vec<External>,
    /// The declared outputs, including exclusions.
    pub outputs: PatternSet,
    /// How a run reports what it read besides its declared inputs.
    pub discovery: Discovery,
    /// Commands whose output is part of the fingerprint, sorted, without duplicates.
    pub tools: Vec<String>,
    /// The shell that runs them: a program and its arguments. Empty for `sh -e -c`.
    pub tool_shell: Vec<String>,
    /// Variables set for the command: the workspace's, overridden by the task's.
    pub env: BTreeMap<String, String>,
    /// Names of variables, or globs over names, that are taken from the caller and fingerprinted.
    pub env_from: Vec<String>,
    /// Names of variables, or globs over names, that are passed through and not fingerprinted.
    pub env_pass: Vec<String>,
    /// Files of `KEY=value` lines; later files win, and `env` wins over all of them.
    pub env_file: Vec<RelPath>,
    /// The explicit direct dependencies, sorted, without duplicates. Groups are not expanded.
    pub deps: Vec<TaskId>,
    /// Tasks whose declared outputs may match this task's input patterns, without `deps`.
    pub inferred: Vec<TaskId>,
    /// The time after which the command is killed.
    pub timeout: Option<Duration>,
    /// How many times the command is retried before the task counts as failed.
    pub retries: u32,
    /// If `false`, the command always runs and its result is never stored.
    pub cache: bool,
    /// If `false`, the store keeps its results without the contents of their outputs.
    pub store: bool,
    /// What it has to do with a remote.
    pub remote: Sharing,
    /// The age from which on a result is not used.
    pub valid_for: Option<Duration>,
    /// Exit statuses besides 0 that count as a result and not as a failure.
    pub answers: Vec<i32>,
    /// Whether stdout and stderr are kept apart: the log then consists of marked pieces, see [`crate::process::mark`].
    pub apart: bool,
    /// Whether it owns the terminal while it runs; its result is then never stored.
    pub interactive: bool,
    /// What makes it a server, which runs until it is ended and is never stored; `None` for a task that ends by itself.
    pub server: Option<Server>,
    /// What it takes of pools while it runs, sorted, each pool once.
    pub uses: Vec<Use>,
    /// The place where it is defined.
    pub origin: Origin,
}

impl Task {
    /// Returns how a tool is run, as one text: its command alone under `sh -e -c`, or else the words of the shell and
    /// then the command, each ended by a NUL, which no word contains.
    pub fn invocation(&self, tool: &str) -> String {
        let words = self.tool_shell.iter().map(|word| format!("{word}\0"));
        words.chain([tool.to_owned()]).collect()
    }
}

/// How a run of a task reports its discovered inputs.
///
/// Encoded like the optional path of a depfile, which it was once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Discovery {
    /// Not at all: the task has declared inputs only.
    #[default]
    None,
    /// By a make-style depfile that the command writes.
    Depfile(RelPath),
}

impl Discovery {
    /// Returns the path of the depfile, if there is one.
    pub fn depfile(&self) -> Option<&RelPath> {
        match self {
            Discovery::None => None,
            Discovery::Depfile(path) => Some(path),
        }
    }

    /// Returns whether a run may report inputs that were not declared.
    pub fn finds_inputs(&self) -> bool {
        *self != Discovery::None
    }
}

impl From<Option<RelPath>> for Discovery {
    fn from(depfile: Option<RelPath>) -> Discovery {
        depfile.map_or(Discovery::None, Discovery::Depfile)
    }
}

/// The command of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskCommand {
    /// Runs under `sh -e -c`; the values of placeholders are already quoted for the shell.
    Shell(String),
    /// Runs without a shell; never empty.
    Argv(Vec<String>),
}

/// A command with `{inputs}`, `{outputs}` or `{deps}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateCommand {
    /// The program and its arguments, or one script.
    pub words: Vec<LateWord>,
    /// Whether the script runs under `sh -e -c`.
    pub shell: bool,
}

/// A part of a command's argument list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LateWord {
    /// One element, or as many as the list has if it is nothing but a list.
    Word(Vec<LatePiece>),
    /// A script for a shell, in which values are quoted.
    Script(Vec<LatePiece>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LatePiece {
    /// What the user wrote.
    Written(String),
    /// A value, which is data.
    Value(String),
    /// Paths.
    List(List),
}

/// Paths that are known only when the task is about to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum List {
    /// The files that the patterns of `inputs` match.
    Inputs,
    /// The outputs that are named without wildcards.
    Outputs,
    /// The outputs of the tasks in `deps`.
    Deps,
}

impl List {
    /// Returns the placeholder's name.
    pub fn name(self) -> &'static str {
        match self {
            List::Inputs => "inputs",
            List::Outputs => "outputs",
            List::Deps => "deps",
        }
    }
}

/// The declared inputs of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Whether every file below `dir` that git would not ignore is an input, without any task's outputs, the store and
    /// the configuration files: `inputs` is absent or names `@default`.
    pub default: bool,
    /// Ordered patterns, relative to the workspace. They come after the default: an exclusion takes away from it.
    pub patterns: PatternSet,
    /// The files of which only a part counts, one pattern without wildcards for each of `parts`. `patterns` excludes
    /// them.
    pub partial: PatternSet,
    /// The keys of the parts: `train.lr`, `/dependencies`.
    pub parts: Vec<String>,
    /// How many of the first patterns are those of `[workspace]`, as positions among the patterns as written.
    pub shared: usize,
}

/// A file outside of the workspace: an absolute path, or one that begins with `..` at the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct External(pub String);

impl External {
    /// Returns the path in the file system, without `..`.
    pub fn location(&self, root: &Path) -> PathBuf {
        let up = self.0.split('/').take_while(|name| *name == "..").count();
        let base = root.ancestors().nth(up).unwrap_or(Path::new("/"));
        // An absolute path replaces the base.
        base.join(self.0.get(up * 3..).unwrap_or_default())
    }
}

impl Inputs {
    /// Returns the inputs that only patterns name.
    pub fn patterns(patterns: PatternSet) -> Inputs {
        Inputs { patterns, ..Inputs::default() }
    }

    /// Yields the files of which only a part counts, each with the key of the part.
    pub fn by_key(&self) -> impl Iterator<Item = (&RelPath, &str)> {
        let files = self.partial.patterns().iter().filter_map(|pattern| pattern.literal());
        files.zip(self.parts.iter().map(String::as_str))
    }

    /// Returns whether a path belongs to the inputs, given whether it belongs to the default ones.
    pub fn count(&self, path: &RelPath, among_default: bool) -> bool {
        self.patterns.decision(path).unwrap_or(self.default && among_default)
    }
}

impl Workspace {
    /// Returns the task with this id.
    pub fn task(&self, id: TaskId) -> &Task {
        &self.tasks[id.index()]
    }

    /// Yields every id, ordered by the tasks' names.
    pub fn ids(&self) -> impl Iterator<Item = TaskId> + use<> {
        (0..self.tasks.len() as u32).map(TaskId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_discovery_is_encoded_like_the_optional_path_of_a_depfile() {
        let path = RelPath::new("build/a.d").unwrap();
        for depfile in [None, Some(path)] {
            let discovery = Discovery::from(depfile.clone());
            assert_eq!(discovery.depfile(), depfile.as_ref());
            assert_eq!(discovery.finds_inputs(), depfile.is_some());
            assert_eq!(postcard::to_allocvec(&discovery).unwrap(), postcard::to_allocvec(&depfile).unwrap());
        }
    }
}
