//! The beginning of most commands: find the workspace, load it, open its store.

use std::path::{Path, PathBuf};

use percache::store::Store;
use percache_runner::config::{self, DiscoverError, Location, Request};
use percache_runner::explain::affected::AffectedError;
use percache_runner::explain::readers::Readers;
use percache_runner::graph::{self, SelectError, TaskGraph};
use percache_runner::maintenance;
use percache_runner::model::path::RelPath;
use percache_runner::model::{CacheSettings, TaskId, Workspace};
use percache_runner::worktree::Worktree;
use percache_runner::worktree::journal::Journal;
use percache_runner::worktree::ownership;

use crate::diagnostic;
use crate::error::CliError;
use crate::terminal::style::{Paint, Style};

/// A workspace and the current directory in it.
pub struct Setup {
    /// The root and the current directory.
    pub location: Location,
    /// The tasks.
    pub workspace: Workspace,
    /// The dependency graph.
    pub graph: TaskGraph,
    /// The store's directory.
    pub store_dir: PathBuf,
}

impl Setup {
    /// Loads the workspace at or above `directory`, or the current one.
    pub fn load(directory: Option<&Path>, args: &[String], paint: Paint) -> Result<Setup, CliError> {
        let start = directory.unwrap_or(Path::new("."));
        let location = discover(start)?;
        let request = Request { args: args.to_vec(), store: None, made: Some(ownership::made) };
        let workspace = config::load(&location.root, &request)
            .map_err(|diagnostics| CliError::rendered(diagnostic::render(&diagnostics, paint.is_on())))?;
        Ok(Setup::of(location, workspace))
    }

    /// Completes the setup of a workspace that is already loaded.
    pub fn of(location: Location, workspace: Workspace) -> Setup {
        let store_dir = config::store_dir(&location.root, &workspace.cache);
        let graph = TaskGraph::new(&workspace);
        Setup { location, workspace, graph, store_dir }
    }

    /// Opens the store, printing its warning if there is one.
    pub fn open_store(&self, paint: Paint) -> Store {
        open_store(&self.store_dir, paint)
    }

    /// Returns the tasks that these names refer to.
    pub fn select(&self, names: &[String]) -> Result<Vec<TaskId>, CliError> {
        graph::select(&self.workspace, &self.location.cwd, names).map_err(|e| {
            let hint = match &e {
                SelectError::Unknown { .. } | SelectError::NoMatch { meant: Some(_), .. } => e.hint(),
                SelectError::NoMatch { .. } => None,
            };
            let hint = hint.unwrap_or_else(|| "`percache list` shows all tasks".to_owned());
            CliError::usage(e).hint(Some(hint))
        })
    }

    /// Keeps those of `tasks` that differ from the git commit `rev`; an empty `rev` stands for the last common ancestor
    /// of HEAD and the default branch.
    pub fn affected(&self, tasks: Vec<TaskId>, rev: &str, args: &[String]) -> Result<Vec<TaskId>, CliError> {
        let skip: Vec<_> = RelPath::from_native(&self.workspace.root, &self.store_dir).into_iter().collect();
        let journal = Journal::load(&Worktree::new(&self.store_dir, &self.workspace.root).journal());
        let caller = std::env::vars_os().collect();
        let (workspace, graph) = (&self.workspace, &self.graph);
        let readers = Readers { workspace, graph, journal: &journal, skip: &skip, caller: &caller };
        let rev = Some(rev).filter(|rev| !rev.is_empty());
        let affected = readers.affected(rev, args).map_err(|e| {
            let hint = match &e {
                AffectedError::Git(e) => Some(e.hint()),
                AffectedError::Walk(_) => None,
            };
            CliError::usage(format!("cannot tell what is affected: {e}")).hint(hint)
        })?;
        Ok(tasks.into_iter().filter(|id| affected.binary_search(id).is_ok()).collect())
    }

    /// Checks that one of these tasks, or of their dependencies, takes the arguments of the command line, which would
    /// otherwise be ignored.
    pub fn check_args(&self, selected: &[TaskId], args: &[String]) -> Result<(), CliError> {
        let takes = |id: &TaskId| self.workspace.task(*id).takes_args;
        if args.is_empty() || self.graph.closure(selected).iter().any(takes) {
            return Ok(());
        }
        let message = match selected {
            [id] => format!("`{}` takes no arguments", self.workspace.task(*id).name),
            _ => "none of these tasks takes arguments".to_owned(),
        };
        let hint = "put `{args}` into its `command` where they are to stand, or leave out `--` and what follows it";
        Err(CliError::usage(message).hint(Some(hint)))
    }

    /// Returns how a task is named from the current directory.
    pub fn name_from_here(&self, name: &str) -> String {
        graph::name_from(&self.workspace, &self.location.cwd, name)
    }

    /// Returns the single task that a name refers to.
    pub fn select_one(&self, name: &str) -> Result<TaskId, CliError> {
        match self.select(&[name.to_owned()])?.as_slice() {
            [id] => Ok(*id),
            [] => {
                let hint = "create a file that it matches, or correct `foreach`";
                Err(CliError::usage(format!("`{name}` has no instances: its `foreach` matches no file"))
                    .hint(Some(hint)))
            }
            [first, ..] => {
                let first = &self.workspace.task(*first).name;
                let hint = format!("name one of them, for example `{}`", self.name_from_here(first));
                Err(CliError::usage(format!("`{name}` means several tasks")).hint(Some(hint)))
            }
        }
    }
}

/// Finds the workspace of a directory.
pub fn discover(start: &Path) -> Result<Location, CliError> {
    config::discover(start).map_err(|e| match e {
        DiscoverError::Unreadable { path, source } => CliError::directory(&path, &source),
        DiscoverError::NotFound(_) => CliError::usage(&e).hint(e.hint()),
    })
}

/// Opens the store in `dir`, printing its warning if there is one.
pub fn open_store(dir: &Path, paint: Paint) -> Store {
    let (store, warning) = percache::store::open::open(dir, &holder());
    if let Some(warning) = warning {
        crate::aside!("{} {warning}", paint.apply(Style::Warning, "warning:"));
        crate::aside!(
            "{} delete it, unless another version of percache still needs it",
            paint.apply(Style::Hint, "hint:")
        );
        // The journals name results that are gone. If this fails, failing lookups will reveal it.
        let _ = maintenance::advance_epoch(dir);
    }
    store
}

/// A store alone, for maintenance.
pub struct Keeping {
    /// Its directory.
    pub dir: PathBuf,
    /// The limits of its size and age.
    pub settings: CacheSettings,
}

impl Keeping {
    /// Finds the store of the workspace, or that of `percache exec`.
    pub fn load(directory: Option<&Path>, exec: bool, paint: Paint) -> Result<Keeping, CliError> {
        if exec {
            let settings = CacheSettings::default();
            return Ok(Keeping { dir: exec_store_dir()?, settings });
        }
        let setup = Setup::load(directory, &[], paint)?;
        Ok(Keeping { dir: setup.store_dir, settings: setup.workspace.cache })
    }
}

/// Returns the store of `percache exec`, in the system's directory for a user's caches.
pub fn exec_store_dir() -> Result<PathBuf, CliError> {
    let strategy = etcetera::choose_base_strategy().map_err(|e| {
        let hint = "set HOME or XDG_CACHE_HOME".to_owned();
        CliError::usage(format!("there is no directory for caches: {e}")).hint(Some(hint))
    })?;
    Ok(etcetera::BaseStrategy::cache_dir(&strategy).join("percache").join("exec"))
}

/// Describes this process to others that wait for it.
pub fn holder() -> String {
    let command: Vec<_> = std::env::args().skip(1).take(4).collect();
    format!("process {} (percache {})", std::process::id(), command.join(" "))
}
