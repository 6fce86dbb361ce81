//! The state that all jobs of a build share, and nothing that only one of them needs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use percache::Digest;
use percache::base::claim::Claimant;
use percache::store::id::WorkspaceId;
use percache::store::interface::Storage;

use crate::action::away::Away;
use crate::action::budget::Budget;
use crate::action::directories::{Directories, needed};
use crate::action::executor::Executor;
use crate::action::further::Documents;
use crate::action::lookup::Hit;
use crate::action::places::Places;
use crate::action::remote::Remote;
use crate::action::servers::Servers;
use crate::fs::beneath::Tree;
use crate::fs::clearing::Left;
use crate::fs::displaced::Displaced;
use crate::fs::git_files::{Area, SourceTree};
use crate::fs::git_index::GitIndex;
use crate::fs::staging::Staging;
use crate::fs::stat_cache::Observer;
use crate::graph::TaskGraph;
use crate::model::Caller;
use crate::model::event::Listener;
use crate::model::notice::StoreTrouble;
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::model::{TaskId, Workspace};
use crate::process::{Spec, Status, Stdio, Stop, run};
use crate::worktree::intents::Intents;
use crate::worktree::journal::Journal;
use crate::worktree::old_contents::Contents;

/// Which logs to return for tasks that did not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitLogs {
    /// None.
    No,
    /// The logs of restored tasks.
    Restored,
    /// The logs of all tasks.
    All,
}

/// Which results to check by running their commands and comparing the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A random sample, with the probability `check_rate`.
    Sample,
    /// The results of the selected tasks; a group stands for its dependencies.
    Selected,
    /// All results.
    All,
}

/// Which tasks run regardless of stored results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// None.
    No,
    /// The selected tasks; a group stands for its dependencies.
    Selected,
    /// All tasks of the build.
    All,
}

/// Which files of unknown origin a build takes for outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// None.
    No,
    /// Those below the output patterns of a task that has run.
    Unknown,
    /// All that lies below the output patterns of the selected tasks, instead of running these. No other task runs.
    InsteadOfRunning,
}

/// Which results of the remote have their outputs brought here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Download {
    /// All that the build finds there.
    All,
    /// Those that are wanted here: of tasks that the caller asks for, and of everything that a command needs which
    /// runs.
    Wanted,
    /// None: whoever only looks takes what was left on the remote as it is.
    AsItIs,
}

/// The options of a build.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether to continue, after a failure, with tasks that do not depend on the failed one.
    pub keep_going: bool,
    /// Which tasks run regardless of stored results.
    pub force: Force,
    /// Which files of unknown origin are accepted as outputs.
    pub accept: Accept,
    /// Which results to check.
    pub check: Check,
    /// Whether to run and change nothing, and only report what would happen.
    pub dry_run: bool,
    /// In a dry run, whether results that the remote has are added to the store.
    pub pull: bool,
    /// Which results of the remote have their outputs brought here.
    pub download: Download,
    /// Whether to find out why tasks run.
    pub explain: bool,
    /// Which logs to fetch.
    pub hit_logs: HitLogs,
}

/// The state shared by all jobs of a build.
pub struct Context<'a> {
    /// The tasks and settings.
    pub workspace: &'a Workspace,
    /// The dependencies between tasks.
    pub graph: &'a TaskGraph,
    /// How to build.
    pub options: &'a Options,
    /// How many tasks run at a time.
    pub jobs: usize,
    /// The observed state of files.
    pub observer: Observer<'a>,
    /// Where results are looked up and recorded; `None` if nothing is.
    pub store: Option<&'a dyn Storage>,
    /// The journal of the last build.
    pub journal: &'a Journal,
    /// Whether the results that the journal names are still in the store.
    pub trusted: bool,
    /// The worktree's directory in the store.
    pub worktree: &'a Path,
    /// Where files are staged on their way into the tree.
    pub staging: Staging,
    /// The intents; `None` in a dry run, and if the store's directory cannot be written.
    pub intents: Option<Intents>,
    /// Makes claims on actions; `None` if nothing is stored.
    pub claimant: Option<Arc<Claimant>>,
    /// The name of this process, shown to others that wait for it.
    pub holder: &'a str,
    /// The caller's environment variables.
    pub caller: &'a Caller,
    /// The request to stop, such as Ctrl-C.
    pub stop: &'a Stop,
    /// Receives the output of commands.
    pub listener: &'a dyn Listener,
    /// The store's directory.
    pub store_dir: &'a Path,
    /// Paths that are never inputs or outputs: the store.
    pub skip: Vec<RelPath>,
    /// Identifies this workspace directory; results that mention its path are stored under it.
    pub place: WorkspaceId,
    /// The outputs that earlier builds left in the tree, by the task that owns the path now; each list is sorted.
    pub previous: HashMap<TaskId, Vec<Left<'a>>>,
    /// Takes files whose content percache does not hold.
    pub displaced: Displaced,
    /// The directories that percache made.
    pub directories: Directories,
    /// The directories that outputs need, computed on first use.
    pub needed: OnceLock<HashSet<RelPath>>,
    /// The files that git tracks.
    pub git: GitIndex,
    /// Former outputs that are sources now, and were not reported yet.
    pub kept: Mutex<Vec<RelPath>>,
    /// Outputs of no task that could not be removed, because they lie behind a symlink that leads out of the workspace.
    pub stuck: BTreeSet<RelPath>,
    /// The answers of tools.
    pub tools: Tools,
    /// The files of which parts count, parsed.
    pub documents: Documents,
    /// Old contents of files, for explanations.
    pub contents: Contents<'a>,
    /// The inputs of tasks that declare none, computed on first use.
    pub sources: OnceLock<Result<Arc<Sources>, String>>,
    /// The places of outputs, computed on first use.
    pub places: OnceLock<Places>,
    /// Where all commands run; `None` means here, or on workers.
    pub executor: Option<&'a dyn Executor>,
    /// Workers elsewhere; `None` if there are none.
    pub away: Option<Away<'a>>,
    /// The remote; `None` if there is none.
    pub remote: Option<&'a dyn Remote>,
    /// In a dry run, the results that the remote has and the store does not.
    pub promised: Mutex<HashMap<TaskId, Hit>>,
    /// The servers that run.
    pub servers: &'a Servers,
    /// The jobserver; `None` if the configuration does not ask for one.
    pub budget: Option<Budget>,
    /// Whether the journal's evidence counts: the configuration and the environment are unchanged.
    pub carries: bool,
    /// Whether each task is up to date if its dependencies are, by position: no path that it rests on has changed.
    pub untouched: Vec<bool>,
    /// The first thing that went wrong with the store.
    pub trouble: Mutex<Option<StoreTrouble>>,
}

impl<'a> Context<'a> {
    /// Returns the outputs that earlier builds left for this task.
    pub fn previous(&self, task: TaskId) -> &[Left<'a>] {
        self.previous.get(&task).map_or(&[], Vec::as_slice)
    }

    /// Removes the directories that percache made and that are empty now that the files at `gone` are removed.
    pub fn prune<'p>(&self, tree: &mut Tree, gone: impl IntoIterator<Item = &'p RelPath>) -> io::Result<()> {
        let mut gone = gone.into_iter().peekable();
        if gone.peek().is_none() {
            return Ok(());
        }
        self.directories.prune(tree, &self.observer, gone, self.needed())
    }

    /// Returns the directories that outputs of any task need.
    pub fn needed(&self) -> &HashSet<RelPath> {
        self.needed.get_or_init(|| needed(&self.workspace.tasks))
    }

    /// Notes, in a dry run, a result that the remote has.
    pub fn promise(&self, task: TaskId, hit: Hit) {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner).insert(task, hit);
    }

    /// Notes trouble with the store; only the first is reported.
    pub fn note_trouble(&self, trouble: impl std::fmt::Display) {
        let mut first = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| StoreTrouble::Database(trouble.to_string()));
    }

    /// Returns whether there is trouble with the store.
    pub fn has_trouble(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Returns the store's answer, or notes the error and returns `None`.
    pub fn or_trouble<T, E: std::fmt::Display>(&self, answer: Result<T, E>) -> Option<T> {
        answer.map_err(|e| self.note_trouble(e)).ok()
    }

    /// Returns the files that tasks without declared inputs depend on, sorted: everything that git does not ignore,
    /// except outputs and configuration files.
    pub fn sources(&self) -> Result<&[RelPath], String> {
        let sources = self.sources.get_or_init(|| {
            let (root, configuration) = (self.observer.root(), &self.workspace.files);
            let area = Area { root, skip: &self.skip, configuration, caller: self.caller };
            let tree = SourceTree::scan(area).map_err(|e| format!("{e}: {}", e.source))?;
            let others = tree.files().iter().filter(|path| !self.workspace.files.contains(*path)).cloned();
            let (files, mut among_outputs): (Vec<_>, Vec<_>) =
                others.partition(|path| self.places().maker(self.graph, path).is_none());
            among_outputs.retain(|path| self.git.tracks_itself(path));
            let mut watched = Vec::new();
            // A path that changed since the walk has a stamp later than the start of the build, which is not settled.
            tree.rests_on(root).iter().for_each(|path| self.observer.watch(path, &mut watched));
            Ok(Arc::new(Sources { files, among_outputs, watched }))
        });
        sources.as_ref().map(|sources| sources.files.as_slice()).map_err(Clone::clone)
    }

    /// Returns the places of outputs.
    pub fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::find(self.workspace, &self.observer, self.journal))
    }

    /// Returns whether this path is an output or lies above one.
    pub fn is_place_of_outputs(&self, path: &RelPath) -> bool {
        self.places().contains(path)
    }

    /// Returns what [`Context::sources`] has found, if it was called.
    pub fn found_sources(&self) -> Option<Arc<Sources>> {
        self.sources.get()?.as_ref().ok().cloned()
    }
}

/// The inputs of tasks that declare none.
pub struct Sources {
    /// The files, sorted.
    pub files: Vec<RelPath>,
    /// Files that git tracks and that an output pattern matches, sorted. Each is a source unless a task makes it.
    pub among_outputs: Vec<RelPath>,
    /// The paths whose stamps determine this list: directories, and the files that say what git ignores and tracks.
    pub watched: Vec<Vec<u8>>,
}

type ToolKey = (String, PathBuf, Vec<(OsString, OsString)>);
type ToolAnswer = Arc<OnceLock<Result<Digest, Trouble>>>;

/// The outputs of tools, each run once per build. A tool that failed is run again by whoever asks next.
#[derive(Default)]
pub struct Tools {
    answers: Mutex<HashMap<ToolKey, ToolAnswer>>,
    /// In a dry run, the tools that were not run because their last answers are known.
    remembered: Mutex<BTreeSet<String>>,
}

impl Tools {
    /// Notes that a tool was not run.
    pub fn remember(&self, command: &str) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if !remembered.contains(command) {
            remembered.insert(command.to_owned());
        }
    }

    /// Forgets all answers.
    pub fn forget(&self) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the tools that were not run, sorted.
    pub fn remembered(&self) -> Vec<String> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Returns the digest of what a tool prints, run with this environment; or what is wrong with it. See
    /// [`Task::invocation`](crate::model::Task::invocation).
    pub fn version(
        &self,
        invocation: &str,
        cwd: PathBuf,
        env: Vec<(OsString, OsString)>,
        stop: &Stop,
    ) -> Result<Digest, Trouble> {
        let key = (invocation.to_owned(), cwd, env);
        let answer =
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone();
        let said = answer.get_or_init(|| ask(key.clone(), stop)).clone();
        if said.is_err() {
            // Before the build, a tool or its directory may be missing because it is an output that was deleted.
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
        said
    }
}

fn ask((invocation, cwd, env): ToolKey, stop: &Stop) -> Result<Digest, Trouble> {
    let mut words: Vec<&str> = invocation.split('\0').collect();
    let command = words.pop().unwrap_or_default();
    let shell = if words.is_empty() { &["sh", "-e", "-c"] } else { &words[..] };
    let args = shell[1..].iter().copied().chain([command]).map(OsString::from).collect();
    let spec = Spec { program: shell[0].into(), args, cwd, env, timeout: None, stdio: Stdio::Captured };
    let mut output = Vec::new();
    let finished = run(&spec, stop, &mut |_, bytes| output.extend_from_slice(bytes))
        .map_err(|e| Trouble { message: e.to_string(), hint: e.hint() })?;
    match finished.status {
        Status::Exit(0) => Ok(Digest::of(&output)),
        _ => {
            let said = String::from_utf8_lossy(&output);
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it printed nothing").trim();
            let hint = "a command in `tools` prints a version and succeeds; try it in a shell";
            Err(Trouble::new(format!("its tool `{command}` failed: {last}"), hint))
        }
    }
}
