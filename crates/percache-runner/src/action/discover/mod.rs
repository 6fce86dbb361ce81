//! Discovery: from a finished run to what it accessed besides its declared inputs.
//!
//! A run reports its accesses in one of the ways of [`Discovery`]; each has a file here, which turns the report into
//! questions about paths. Everything after that is the same for all: the answers are the discovered inputs, and their
//! paths are the path set of the run. Knows nothing about how results are found and stored.
//!
//! | file | its one idea |
//! | --- | --- |
//! | `depfile` | the paths that a make-style depfile names |

mod depfile;

use std::collections::BTreeMap;

use crate::action::before::Before;
use crate::action::context::Context;
use crate::action::executor::Executed;
use crate::action::inputs::Prepared;
use crate::action::job::Job;
use crate::fs::stamp::Stamp;
use crate::fs::stat_cache::FileState;
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::model::{Discovery, Task};
use crate::syntax::shown::shown_bytes;

/// What a run asked about a path. [`FileState`] answers all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// What the path contains, or where the symlink leads.
    Content,
    /// Whether the path is there: it is a directory in which only `..` was looked up, and whose entries may change.
    Exists,
}

/// The paths that a run accessed besides its declared inputs, sorted, each with the strictest question asked about it.
/// Paths inside the workspace are relative to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accesses {
    questions: BTreeMap<Vec<u8>, Question>,
    /// A file that the command wrote for percache alone, with its content.
    report: Option<(RelPath, Vec<u8>)>,
}

impl Accesses {
    fn ask(&mut self, path: Vec<u8>, question: Question) {
        let strictest = self.questions.entry(path).or_insert(question);
        *strictest = question.min(*strictest);
    }
}

/// The discovered inputs of a run.
#[derive(Default)]
pub struct Discoveries {
    /// The discovered inputs, sorted, with their current states.
    pub states: Vec<(Vec<u8>, FileState)>,
    /// The first one that changed after the command started.
    pub changed: Option<Vec<u8>>,
    /// Whether this cannot be told, because the clock was set back.
    pub set_back: bool,
    /// The warning about a path that was reported but does not exist: it was read elsewhere, or is gone.
    pub not_there: Option<Vec<u8>>,
}

/// Returns the paths that a successful run accessed, as the task's discovery reports them.
pub fn accesses(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    executed: &Executed,
) -> Result<Accesses, Trouble> {
    match &job.task.discovery {
        Discovery::None => Ok(Accesses::default()),
        Discovery::Depfile(path) => depfile::accesses(ctx, job, prepared, executed, path),
    }
}

/// Determines the discovered inputs of a successful run.
pub fn discover(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    executed: &Executed,
) -> Result<Discoveries, Trouble> {
    let accesses = accesses(ctx, job, prepared, executed)?;
    let mut found = Discoveries::default();
    for (path, question) in accesses.questions {
        let state = ctx.observer.observe(&path).map_err(|e| format!("`{}`: {e}", shown_bytes(&path)))?;
        if found.changed.is_none()
            && question == Question::Content
            && changed_since(ctx, &path, &state, executed.began.wall)
        {
            found.changed = Some(path.clone());
        }
        if state == FileState::Absent {
            found.not_there.get_or_insert_with(|| path.clone());
        }
        found.states.push((path, state));
    }
    found.set_back = !found.states.is_empty() && executed.began.is_clock_set_back();
    // What was made for percache has been read; if it stayed, it would be a file that a restored tree does not have.
    if let Some((path, content)) = accesses.report {
        let removed = depfile::remove(ctx, &path, &content);
        removed.map_err(|e| format!("its depfile `{path}` cannot be removed: {e}"))?;
    }
    Ok(found)
}

/// Removes what a failed command wrote for percache alone.
pub fn discard(ctx: &Context<'_>, task: &Task, before: &Before) {
    match &task.discovery {
        Discovery::Depfile(path) if !task.outputs.matches(path) => depfile::discard(ctx, path, before),
        Discovery::None | Discovery::Depfile(_) => {}
    }
}

/// Returns whether a file changed after the command started. File systems take times from a clock that may stand still
/// for some milliseconds, or, for a file that is looked at between two changes (Linux 6.13, multigrain timestamps),
/// from the exact clock. So a change before the start never has a later time; a change in the same tick may have an
/// earlier one, and counts as a change before the start.
fn changed_since(ctx: &Context<'_>, path: &[u8], state: &FileState, began: i64) -> bool {
    let changed = |path: &[u8]| {
        let stamp = Stamp::at(&ctx.observer.locate(path)).ok().flatten();
        stamp.is_some_and(|stamp| stamp.ctime > began)
    };
    let is_link = matches!(state, FileState::Symlink { .. });
    let trail = if is_link { ctx.observer.trail(path) } else { None };
    changed(path) || trail.is_some_and(|trail| trail.places().any(|place| changed(place)))
}
