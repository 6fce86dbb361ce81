//! What `percache accept` would take for the result of a task, and why it cannot.

use std::collections::HashSet;
use std::fmt;

use super::{Question, Seen, State, dry_run, state};
use crate::action::capture::missing;
use crate::action::check::meant_by;
use crate::fs::outputs::present;
use crate::fs::walk::{Found, Kind};
use crate::model::event::Outcome;
use crate::model::path::RelPath;
use crate::model::{Task, TaskId};
use crate::session::BuildError;
use crate::syntax::shown::first_few;

/// What lies in the tree at the outputs of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptable {
    /// The task.
    pub task: TaskId,
    /// How many files and symlinks there are.
    pub files: u64,
    /// The length of the files together.
    pub bytes: u64,
    /// The paths that are not below another one, sorted.
    pub tops: Vec<RelPath>,
}

/// A reason why nothing is accepted.
#[derive(Debug)]
pub enum AcceptError {
    /// The task, with what is the matter and what to do about it.
    Refused {
        /// The name of the task.
        task: String,
        /// What is the matter.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The workspace cannot be looked at.
    Build(BuildError),
}

impl fmt::Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcceptError::Refused { task, message, .. } => write!(f, "cannot accept the outputs of `{task}`: {message}"),
            AcceptError::Build(e) => e.fmt(f),
        }
    }
}

/// Returns what would be accepted for each of the tasks, a group standing for its members, except for those that are up
/// to date.
///
/// # Errors
/// Fails if one of them cannot be accepted.
pub fn acceptable(asked: &Question, ids: &[TaskId]) -> Result<Vec<Acceptable>, AcceptError> {
    let workspace = &asked.project.workspace;
    let mut meant: Vec<TaskId> = ids.iter().flat_map(|id| meant_by(workspace, *id)).collect();
    meant.sort_unstable();
    meant.dedup();
    for id in &meant {
        check_definition(workspace.task(*id))?;
    }
    let (seen, _) = dry_run(asked, meant.clone()).map_err(AcceptError::Build)?;
    let wanted: HashSet<TaskId> = meant.iter().copied().collect();
    let mut all = Vec::new();
    for id in meant {
        match state(asked, id, &seen) {
            State::UpToDate => continue,
            State::Broken(message) => {
                return Err(refused(
                    workspace.task(id),
                    message,
                    "mend that first; the build would fail, too".to_owned(),
                ));
            }
            _ => {}
        }
        check_dependencies(asked, id, &wanted, &seen)?;
        all.push(look(asked, id)?);
    }
    Ok(all)
}

fn refused(task: &Task, message: String, hint: String) -> AcceptError {
    AcceptError::Refused { task: task.name.clone(), message, hint }
}

/// Checks that a task can have a result with outputs.
fn check_definition(task: &Task) -> Result<(), AcceptError> {
    let (message, hint) = if !task.cache || task.interactive {
        ("it always runs, and has no result", "only a task without `cache = false` and `interactive` has one")
    } else if task.outputs.is_empty() {
        ("it has no outputs", "state what it makes as `outputs`; what makes nothing has to run")
    } else {
        return Ok(());
    };
    Err(refused(task, message.to_owned(), hint.to_owned()))
}

/// Checks that everything which the task needs is up to date, or is to be accepted, too.
fn check_dependencies(asked: &Question, id: TaskId, wanted: &HashSet<TaskId>, seen: &Seen) -> Result<(), AcceptError> {
    let (workspace, graph) = (&asked.project.workspace, &asked.project.graph);
    let closure = graph.closure(&[id]);
    let is_stale = |need: &TaskId| {
        let fine = matches!(seen.of(*need), Some(Outcome::UpToDate | Outcome::OnRemote | Outcome::Group));
        workspace.task(*need).command.is_some() && !wanted.contains(need) && !fine
    };
    let stale: Vec<TaskId> = closure.into_iter().filter(is_stale).collect();
    let Some(first) = stale.iter().find(|need| graph.needs[need.index()].iter().all(|of| !stale.contains(of))) else {
        return Ok(());
    };
    let (task, need) = (workspace.task(id), workspace.task(*first));
    let (message, hint) = match need.cache && !need.interactive {
        true => ("is not up to date", format!("build or accept it first: `percache build {}`", need.name)),
        false => ("always runs, so that nobody knows what its outputs will be", "run the task instead".to_owned()),
    };
    Err(refused(task, format!("it depends on `{}`, which {message}", need.name), hint))
}

/// Looks at the outputs of a task in the tree.
fn look(asked: &Question, id: TaskId) -> Result<Acceptable, AcceptError> {
    let (workspace, task) = (&asked.project.workspace, asked.project.workspace.task(id));
    let skip: Vec<_> = RelPath::from_native(&workspace.root, &asked.project.store_dir).into_iter().collect();
    let found = present(&workspace.root, &task.outputs, &skip).map_err(|e| {
        refused(task, format!("{e}: {}", e.source), "look at the directory, and at what it belongs to".to_owned())
    })?;
    let missing = missing(&task.outputs, &found, |found| found.path.as_bytes());
    let hint = || "put it there, or run the task".to_owned();
    if !missing.is_empty() {
        return Err(refused(task, format!("its output {} is missing", first_few(&missing)), hint()));
    }
    if let Some(depfile) = task.discovery.depfile().filter(|path| !path.to_path(&workspace.root).exists()) {
        let message = format!("its depfile `{depfile}` is missing, which says what the outputs were made from");
        return Err(refused(task, message, hint()));
    }
    let files = found.iter().filter(|found| found.kind != Kind::Directory);
    let length = |found: &Found| found.path.to_path(&workspace.root).symlink_metadata().map_or(0, |file| file.len());
    let (count, bytes) = files.fold((0, 0), |(count, bytes), found| (count + 1, bytes + length(found)));
    if count == 0 {
        return Err(refused(task, "there is no file at its outputs".to_owned(), hint()));
    }
    Ok(Acceptable { task: id, files: count, bytes, tops: tops(&found) })
}

/// Returns the paths that are not below another one. `found` is sorted by path.
fn tops(found: &[Found]) -> Vec<RelPath> {
    let is_found = |path: &RelPath| found.binary_search_by(|found| found.path.cmp(path)).is_ok();
    let is_top = |path: &RelPath| !std::iter::successors(path.parent(), RelPath::parent).any(|above| is_found(&above));
    found.iter().map(|found| found.path.clone()).filter(is_top).collect()
}
