//! A workspace, with the graph of its tasks and the place of its store: what every command begins with.

use std::path::{Path, PathBuf};

use percache::Digest;
use percache::store::Store;
use percache::store::id::WorkspaceId;

use crate::config::{self, DiscoverError, Location};
use crate::graph::{self, SelectError, TaskGraph};
use crate::model::diagnostic::Diagnostics;
use crate::model::path::RelPath;
use crate::model::{CacheSettings, NoneAbove, PackageDoubt, TaskId, Workspace};
use crate::report::retrospect::{Retrospect, retrospect};
use crate::worktree::{Worktree, ownership};

/// A workspace, its dependency graph, its store, and the caller's place in it.
pub struct Project {
    /// The directory where names are resolved, relative to the root.
    pub cwd: RelPath,
    /// The tasks and settings.
    pub workspace: Workspace,
    /// The dependencies between the tasks.
    pub graph: TaskGraph,
    /// The store's directory.
    pub store_dir: PathBuf,
    /// Why it is perhaps a slip that this is a workspace, and no member of one further up.
    pub(super) doubt: Option<PackageDoubt>,
    /// Tells a single command from others that run in the same directory; `None` when the workspace has a
    /// configuration.
    pub(super) single: Option<Digest>,
}

/// A reason why there is nothing to build.
#[derive(Debug)]
pub enum OpenError {
    /// No workspace was found.
    Discover(DiscoverError),
    /// The configuration has mistakes.
    Config(Diagnostics),
    /// A name refers to no task.
    Select(SelectError),
    /// A name that is to mean a task means none, because its `foreach` matches no file.
    NoInstance(String),
    /// A name that is to mean a task means none, because no package that this one depends on has such a task.
    NoneAbove(NoneAbove),
    /// There are arguments, and no task takes any. Holds the name of the task if only one was requested.
    NoArguments(Option<String>),
}

impl From<DiscoverError> for OpenError {
    fn from(error: DiscoverError) -> OpenError {
        OpenError::Discover(error)
    }
}

impl From<SelectError> for OpenError {
    fn from(error: SelectError) -> OpenError {
        OpenError::Select(error)
    }
}

impl Project {
    /// Loads the workspace at or above the directory `start`. `args` are the arguments that `{args}` stands for.
    ///
    /// # Errors
    /// Fails if there is no workspace, or if its configuration has mistakes.
    pub fn load(start: &Path, args: &[String]) -> Result<Project, OpenError> {
        Project::at(config::discover(start)?, args)
    }

    /// Loads the workspace of a place that was already found.
    pub(super) fn at(place: Location, args: &[String]) -> Result<Project, OpenError> {
        let request = config::Request { args: args.to_vec(), store: None, made: Some(ownership::made) };
        let workspace = config::load(&place.root, &request).map_err(OpenError::Config)?;
        Ok(Project::of(place, workspace))
    }

    /// Completes a workspace that is already loaded.
    pub(super) fn of(place: Location, workspace: Workspace) -> Project {
        let store_dir = config::store_dir(&workspace.root, &workspace.cache);
        let (Location { cwd, doubt, .. }, graph) = (place, TaskGraph::new(&workspace));
        Project { cwd, graph, workspace, store_dir, doubt, single: None }
    }

    /// Returns what the store keeps about this directory.
    pub(crate) fn worktree(&self) -> Worktree {
        match &self.single {
            Some(identity) => Worktree::single(&self.store_dir, &self.workspace.root, identity),
            None => Worktree::new(&self.store_dir, &self.workspace.root),
        }
    }

    /// Returns the tasks that these names mean: sorted, without duplicates.
    ///
    /// # Errors
    /// Returns the first name that refers to no task.
    pub fn select(&self, names: &[String]) -> Result<Vec<TaskId>, OpenError> {
        Ok(graph::select(&self.workspace, &self.cwd, names)?)
    }

    /// Returns the tasks that a name means, at least one: several if it is a template's name or a glob.
    ///
    /// # Errors
    /// Fails if it means none.
    pub fn select_some(&self, name: &str) -> Result<Vec<TaskId>, OpenError> {
        let tasks = self.select(&[name.to_owned()])?;
        if !tasks.is_empty() {
            return Ok(tasks);
        }
        let none_above = graph::none_above(&self.workspace, &self.cwd, &[name.to_owned()]).pop();
        Err(none_above.map_or_else(|| OpenError::NoInstance(name.to_owned()), OpenError::NoneAbove))
    }

    /// Returns the tasks of a request: those named, or else the default ones. Checks that the arguments are used.
    ///
    /// # Errors
    /// Fails if a name refers to no task, or if no task takes the arguments.
    pub fn requested(&self, names: &[String], args: &[String]) -> Result<Vec<TaskId>, OpenError> {
        let selected = if names.is_empty() { self.workspace.default.clone() } else { self.select(names)? };
        self.check_args(&selected, args)?;
        Ok(selected)
    }

    /// Checks that one of these tasks, or of their dependencies, takes the arguments, which would otherwise be ignored.
    ///
    /// # Errors
    /// Fails if there are arguments and no task takes any.
    pub fn check_args(&self, selected: &[TaskId], args: &[String]) -> Result<(), OpenError> {
        let takes = |id: &TaskId| self.workspace.task(*id).takes_args;
        if args.is_empty() || self.graph.closure(selected).iter().any(takes) {
            return Ok(());
        }
        let only = match selected {
            [id] => Some(self.workspace.task(*id).name.clone()),
            _ => None,
        };
        Err(OpenError::NoArguments(only))
    }

    /// Returns what is remembered of the last builds; `None` if nothing is.
    pub fn retrospect(&self, store: &Store) -> Option<Retrospect> {
        retrospect(&self.workspace.root, &self.store_dir, store)
    }

    /// Returns what results are tied to whose outputs contain the path of this directory.
    pub fn place(&self) -> WorkspaceId {
        Worktree::place(&self.workspace.root)
    }

    /// Returns where `percache report` writes its page if no other place is named.
    pub fn report_page(&self) -> PathBuf {
        self.worktree().report()
    }

    /// Returns how a task is named from the caller's place.
    pub fn name_from_here(&self, name: &str) -> String {
        graph::name_from(&self.workspace, &self.cwd, name)
    }
}

/// Returns the place of the store of a workspace whose configuration does not name one.
pub(super) fn usual_store(root: &Path) -> PathBuf {
    config::store_dir(root, &CacheSettings::default())
}
