//! The tasks that a range of git history affects: those whose inputs or definition differ between a commit and the
//! tree, and everything that depends on them. Nothing is built, and no output is looked at.
//!
//! Definitions are compared as the configuration means them: the configuration of the commit is loaded from a copy of
//! its files, of which only those that may belong to the configuration have contents.

use std::collections::{HashMap, HashSet};

use crate::config::{self, Request};
use crate::explain::readers::Readers;
use crate::fs::git_changes::{Changes, Git, GitError};
use crate::fs::walk::{self, Want};
use crate::graph::TaskGraph;
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::{Caller, Origin, Task, TaskId, Workspace};
use crate::packages;
use crate::session::Project;
use crate::syntax::glob::escape;
use crate::worktree::journal::Journal;

/// A reason why it is not known what is affected.
#[derive(Debug, thiserror::Error)]
pub enum AffectedError {
    /// The tree cannot be compared with the commit.
    #[error("{0}")]
    Git(#[from] GitError),
    /// The files of the workspace cannot be listed.
    #[error("{0}")]
    Walk(#[from] walk::WalkError),
}

/// Keeps those of `tasks` that differ from the git commit `rev`; an empty `rev` stands for the last common ancestor of
/// HEAD and the default branch. `args` are the arguments that `{args}` stands for.
///
/// # Errors
/// Fails if git cannot compare the tree, or if the tree cannot be listed.
pub fn affected(
    project: &Project,
    tasks: Vec<TaskId>,
    rev: &str,
    args: &[String],
    caller: &Caller,
) -> Result<Vec<TaskId>, AffectedError> {
    let changed = changed(project, rev, args, caller)?;
    let affected = project.graph.dependents(&changed.tasks);
    Ok(tasks.into_iter().filter(|id| affected.binary_search(id).is_ok()).collect())
}

/// What differs from a commit.
pub(super) struct Changed {
    /// The tasks whose own inputs or definition differ.
    pub tasks: Vec<TaskId>,
    /// The paths of the workspace that differ.
    pub paths: Vec<RelPath>,
}

/// Returns what differs from the git commit `rev`, as [`affected`] means it.
///
/// # Errors
/// Fails if git cannot compare the tree, or if the tree cannot be listed.
pub(super) fn changed(
    project: &Project,
    rev: &str,
    args: &[String],
    caller: &Caller,
) -> Result<Changed, AffectedError> {
    let Project { workspace, graph, store_dir, .. } = project;
    let skip: Vec<_> = RelPath::from_native(&workspace.root, store_dir).into_iter().collect();
    let journal = Journal::load(&project.worktree().journal());
    let readers = Readers { workspace, graph, journal: &journal, skip: &skip, caller };
    readers.changed(Some(rev).filter(|rev| !rev.is_empty()), args)
}

impl Readers<'_> {
    /// Returns what differs between the tree and `rev`. Without `rev`, the tree is compared with the last common ancestor
    /// of HEAD and the default branch.
    ///
    /// # Errors
    /// Fails if git cannot compare the tree, or if the tree cannot be listed.
    fn changed(&self, rev: Option<&str>, args: &[String]) -> Result<Changed, AffectedError> {
        let git = Git::at(&self.workspace.root)?;
        let commit = git.base(rev)?;
        let changes = git.changes(&commit)?;
        let mut affected: HashSet<TaskId> = self.of(&self.changed_inputs(&changes)?)?.into_iter().collect();
        affected.extend(self.reads_configuration(&changes));
        if changes.names_differ || changes.paths.iter().any(may_be_configuration) {
            match before(&git, &commit, args)? {
                Some(before) => affected.extend(self.differs_from(&before)),
                // A configuration that was broken or absent says nothing about what it would have built.
                None => affected.extend(self.workspace.ids()),
            }
        }
        Ok(Changed { tasks: affected.into_iter().collect(), paths: changes.paths })
    }

    /// Returns the paths that differ, without the configuration. A submodule stands for all files in it.
    fn changed_inputs(&self, changes: &Changes) -> Result<Vec<RelPath>, walk::WalkError> {
        let root = &self.workspace.root;
        let mut paths = Vec::new();
        for path in changes.paths.iter().filter(|path| !self.workspace.files.contains(path)) {
            paths.push(path.clone());
            if path.to_path(root).symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
                let Ok(below) = PatternSet::parse(&RelPath::root(), &[escape(&path.to_text())]) else { continue };
                let found = walk::expand(root, &below, self.skip, Want::Files)?;
                paths.extend(found.into_iter().map(|found| found.path));
            }
        }
        Ok(paths)
    }

    /// Yields the tasks that name a changed file of the configuration as an input.
    fn reads_configuration(&self, changes: &Changes) -> impl Iterator<Item = TaskId> {
        let changed: Vec<_> = changes.paths.iter().filter(|path| self.workspace.files.contains(path)).collect();
        let named = move |id: &TaskId| {
            let inputs = &self.workspace.task(*id).inputs;
            changed.iter().any(|path| inputs.patterns.matches(path))
        };
        self.workspace.ids().filter(named)
    }

    /// Returns the tasks that `before` does not have or defines otherwise, and those that depended on a task that is
    /// gone.
    fn differs_from(&self, before: &Workspace) -> Vec<TaskId> {
        let then: HashMap<&str, TaskId> = before.ids().map(|id| (before.task(id).name.as_str(), id)).collect();
        let now: HashSet<&str> = self.workspace.tasks.iter().map(|task| task.name.as_str()).collect();
        let gone: Vec<TaskId> = before.ids().filter(|id| !now.contains(before.task(*id).name.as_str())).collect();
        let orphaned = if gone.is_empty() { Vec::new() } else { TaskGraph::new(before).dependents(&gone) };
        let orphaned: HashSet<&str> = orphaned.into_iter().map(|id| before.task(id).name.as_str()).collect();
        let differs = |id: &TaskId| {
            let task = self.workspace.task(*id);
            let same = then
                .get(task.name.as_str())
                .is_some_and(|old| definition(self.workspace, task) == definition(before, before.task(*old)));
            !same || orphaned.contains(task.name.as_str())
        };
        self.workspace.ids().filter(differs).collect()
    }
}

/// Returns the part of a task that its result depends on, and the names of its dependencies.
fn definition<'a>(workspace: &'a Workspace, task: &Task) -> (Task, Vec<&'a str>) {
    let own = Task {
        description: None,
        deps: Vec::new(),
        inferred: Vec::new(),
        env_pass: Vec::new(),
        timeout: None,
        retries: 0,
        valid_for: None,
        store: true,
        uses: Vec::new(),
        origin: Origin { file: 0, span: 0..0 },
        ..task.clone()
    };
    let names = task.deps.iter().map(|id| workspace.task(*id).name.as_str());
    (own, names.collect())
}

/// Loads the configuration of a commit. Returns `None` if it has none, or one with mistakes.
fn before(git: &Git<'_>, commit: &str, args: &[String]) -> Result<Option<Workspace>, GitError> {
    let copy = tempfile::Builder::new().prefix("percache-").tempdir()?;
    let root = copy.path().canonicalize()?;
    git.copy_names(commit, &root, &may_be_configuration)?;
    let request = Request { args: args.to_vec(), store: Some(root.join(".percache")), made: None };
    Ok(config::load(&root, &request).ok())
}

/// Returns whether the configuration may consist of the file, or be derived from it.
fn may_be_configuration(path: &RelPath) -> bool {
    path.extension() == b"toml" || packages::is_manifest(path.file_name())
}
