//! What all jobs of a build share, and nothing that only one of them needs.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use percache::Digest;
use percache::claim::Claimant;
use percache::store::Store;

use crate::action::budget::Budget;
use crate::action::directories::{Directories, needed};
use crate::action::places::Places;
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
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::model::{TaskId, Workspace};
use crate::process::{Spec, Status, Stdio, Stop, run};
use crate::worktree::intents::Intents;
use crate::worktree::journal::Journal;
use crate::worktree::old_contents::Contents;

/// Which logs of tasks that did not run are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HitLogs {
    /// None.
    No,
    /// Those of restored tasks.
    Restored,
    /// Those of all.
    All,
}

/// Which results to check: their commands run, and what they leave is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// As many as `check_rate` says.
    Sample,
    /// Those of the selected tasks; a group stands for its dependencies.
    Selected,
    /// All.
    All,
}

/// Which tasks run, whatever the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// None.
    No,
    /// The selected ones; a group stands for its dependencies.
    Selected,
    /// All of the build.
    All,
}

/// How to build.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many tasks run at a time.
    pub jobs: usize,
    /// Go on with what does not need what failed.
    pub keep_going: bool,
    /// Which tasks run, whatever the store has.
    pub force: Force,
    /// Take files of unknown origin below the output patterns for outputs.
    pub accept: bool,
    /// Which results to check.
    pub check: Check,
    /// Run nothing and change nothing; tell what would happen.
    pub dry_run: bool,
    /// Find out why tasks run.
    pub explain: bool,
    /// Which logs to fetch.
    pub hit_logs: HitLogs,
}

/// Shared by all jobs.
pub struct Context<'a> {
    /// The tasks.
    pub workspace: &'a Workspace,
    /// Who needs whom.
    pub graph: &'a TaskGraph,
    /// How to build.
    pub options: &'a Options,
    /// What is in the tree.
    pub observer: Observer<'a>,
    /// `None` when there is none to be used.
    pub store: Option<&'a Store>,
    /// What the last build left.
    pub journal: &'a Journal,
    /// Whether what the journal names is still in the store.
    pub trusted: bool,
    /// The worktree's directory in the store.
    pub worktree: &'a Path,
    /// Where files wait on their way into the tree.
    pub staging: Staging,
    /// `None` in a dry run, and when the store's directory cannot be written.
    pub intents: Option<Intents>,
    /// Where actions are claimed; `None` when nothing is stored.
    pub claimant: Option<Arc<Claimant>>,
    /// Names this process to others that wait for it.
    pub holder: &'a str,
    /// The caller's variables.
    pub caller: &'a Caller,
    /// Tells when to stop.
    pub stop: &'a Stop,
    /// Hears what commands write.
    pub listener: &'a dyn Listener,
    /// The directory of the store.
    pub store_dir: &'a Path,
    /// What is never an input or an output: the store.
    pub skip: Vec<RelPath>,
    /// What results are tied to that are tied to this directory.
    pub place: Digest,
    /// What earlier builds left in the tree, by the task that owns the path now; sorted.
    pub previous: HashMap<TaskId, Vec<Left<'a>>>,
    /// Where what percache does not hold goes.
    pub displaced: Displaced,
    /// The directories that percache made.
    pub directories: Directories,
    /// The directories that outputs need, once that was asked.
    pub needed: OnceLock<HashSet<RelPath>>,
    /// What git tracks.
    pub git: GitIndex,
    /// What was an output and is a source now, and has not been told yet.
    pub kept: Mutex<Vec<RelPath>>,
    /// What no task makes any more and could not be removed, because it lies behind a symlink that leads out of the workspace.
    pub stuck: BTreeSet<RelPath>,
    /// Of tasks that ask for tools.
    pub tools: Tools,
    /// What was in files once, for explanations.
    pub contents: Contents<'a>,
    /// The inputs of tasks that declare none: found once.
    pub sources: OnceLock<Result<Arc<Sources>, String>>,
    /// Found once.
    pub places: OnceLock<Places>,
    /// Shared with commands that know how to; `None` when the configuration does not ask for that.
    pub budget: Option<Budget>,
    /// Whether what the journal rests on counts: configuration and environment are as they were.
    pub carries: bool,
    /// Tasks that are up to date if what they need is, by position: nothing on which they rest has changed.
    pub untouched: Vec<bool>,
    /// The first trouble with the store.
    pub trouble: Mutex<Option<String>>,
}

impl<'a> Context<'a> {
    /// What earlier builds left of this task.
    pub fn previous(&self, task: TaskId) -> &[Left<'a>] {
        self.previous.get(&task).map_or(&[], Vec::as_slice)
    }

    /// Removes the directories that percache made and that are empty without the files at `gone`.
    pub fn prune<'p>(&self, tree: &mut Tree, gone: impl IntoIterator<Item = &'p RelPath>) -> io::Result<()> {
        let mut gone = gone.into_iter().peekable();
        if gone.peek().is_none() {
            return Ok(());
        }
        self.directories.prune(tree, &self.observer, gone, self.needed())
    }

    /// The directories that outputs of any task need.
    pub fn needed(&self) -> &HashSet<RelPath> {
        self.needed.get_or_init(|| needed(&self.workspace.tasks))
    }

    /// Notes trouble with the store; the first one is told.
    pub fn note_trouble(&self, trouble: impl std::fmt::Display) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| trouble.to_string());
    }

    /// Returns whether there is trouble with the store.
    pub fn has_trouble(&self) -> bool {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The answer of the store, or none and a note.
    pub fn or_trouble<T, E: std::fmt::Display>(&self, answer: Result<T, E>) -> Option<T> {
        answer.map_err(|e| self.note_trouble(e)).ok()
    }

    /// The files that tasks without declared inputs depend on, sorted: all that git would not ignore, less all outputs and
    /// configuration files.
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
            // What changed since the walk has a stamp from after the beginning of the build, which is not settled.
            tree.rests_on(root).iter().for_each(|path| self.observer.watch(path, &mut watched));
            Ok(Arc::new(Sources { files, among_outputs, watched }))
        });
        sources.as_ref().map(|sources| sources.files.as_slice()).map_err(Clone::clone)
    }

    /// The places of outputs.
    pub fn places(&self) -> &Places {
        self.places.get_or_init(|| Places::find(self.workspace, &self.observer, self.journal))
    }

    /// Whether outputs of some task lie below this path, be it that the path is an output itself.
    pub fn is_place_of_outputs(&self, path: &RelPath) -> bool {
        self.places().contains(path)
    }

    /// What [`Context::sources`] has found, if it was asked for.
    pub fn found_sources(&self) -> Option<Arc<Sources>> {
        self.sources.get()?.as_ref().ok().cloned()
    }
}

/// The inputs of tasks that declare none.
pub struct Sources {
    /// The files, sorted.
    pub files: Vec<RelPath>,
    /// What git tracks and an output pattern matches, sorted: a source as far as no task makes it.
    pub among_outputs: Vec<RelPath>,
    /// The paths on whose stamps it rests that these are the files: directories, and what says what git ignores and tracks.
    pub watched: Vec<Vec<u8>>,
}

type ToolKey = (String, PathBuf, Vec<(OsString, OsString)>);
type ToolAnswer = Arc<OnceLock<Result<Digest, Trouble>>>;

/// The outputs of tools, each run once per build.
#[derive(Default)]
pub struct Tools {
    answers: Mutex<HashMap<ToolKey, ToolAnswer>>,
    /// In a dry run: those that were not run, because what they said the last time is known.
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

    /// The tools that were not run, sorted.
    pub fn remembered(&self) -> Vec<String> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// The digest of what `command` prints, run by the shell with this environment; or what is wrong with it.
    pub fn version(
        &self,
        command: &str,
        cwd: PathBuf,
        env: Vec<(OsString, OsString)>,
        stop: &Stop,
    ) -> Result<Digest, Trouble> {
        let key = (command.to_owned(), cwd, env);
        let answer =
            self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default().clone();
        answer.get_or_init(|| ask(key, stop)).clone()
    }
}

fn ask((command, cwd, env): ToolKey, stop: &Stop) -> Result<Digest, Trouble> {
    let args = vec!["-e".into(), "-c".into(), OsString::from(&command)];
    let spec = Spec { program: "sh".into(), args, cwd, env, timeout: None, stdio: Stdio::Captured };
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
