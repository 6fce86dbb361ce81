//! Leaving outputs on the remote, while nothing here needs them.
//!
//! A task is judged by the digests of its inputs, so what a dependency has made need not be in the tree for that: its
//! digests are in the record on the remote. A command that runs does need it, so everything that its task depends on
//! comes before. Where digests alone may not tell everything, it comes before the task is judged.

use percache::store::manifest::Manifest;
use percache::store::record::Node;

use crate::action::context::Context;
use crate::action::inputs::Prepared;
use crate::action::job::Job;
use crate::action::put_back::{is_output, places, state_of};
use crate::action::restore::{self, Plan};
use crate::fs::stat_cache::FileState;
use crate::model::Task;
use crate::model::event::Outcome;
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::worktree::journal::TaskRecord;

/// Why a job has ended before its task is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// It cannot be judged by digests alone, or its command has to run: everything that it depends on has to come
    /// before.
    Dependencies,
    /// Its own outputs have to come.
    Outputs,
}

/// Takes a result of the remote without its outputs. Returns `None` if these have to come: the tree has some of them,
/// or something is in their place, or they are more than files and directories.
pub fn leave(ctx: &Context<'_>, job: &Job<'_>, outputs: &Manifest) -> Result<Option<Outcome>, Trouble> {
    if outputs.iter().any(|entry| !is_output(job.task, &entry.path)) {
        return Ok(None);
    }
    let places = places(ctx, job, outputs);
    // What cannot be looked at is told when the outputs come.
    let Ok(plan) = restore::plan(&ctx.observer, &places, outputs, ctx.previous(job.id)) else { return Ok(None) };
    if !may_stay(ctx, &plan) {
        return Ok(None);
    }
    for wrong in &plan.wrong {
        ctx.observer.expect(&wrong.entry.path, state_of(wrong.entry));
    }
    Ok(Some(Outcome::OnRemote))
}

/// Returns whether the tree has nothing of these outputs, and whether their digests say all of what they are.
fn may_stay(ctx: &Context<'_>, plan: &Plan<'_>) -> bool {
    let is_plain = |node: &Node| matches!(node, Node::File { .. } | Node::Directory);
    plan.stale.is_empty()
        && !plan.wrong.is_empty()
        && !plan.keeps_files
        && plan.wrong.iter().all(|wrong| {
            let path = &wrong.entry.path;
            wrong.state == FileState::Absent && is_plain(&wrong.entry.node) && ctx.observer.is_reached_plainly(path)
        })
}

/// Takes the outputs of a task that is unchanged since they were left: nothing is in their place.
pub fn leave_again(ctx: &Context<'_>, record: &TaskRecord) {
    record.outputs.iter().for_each(|entry| ctx.observer.expect(&entry.path, state_of(entry)));
}

/// Returns whether the task can only be judged with everything in the tree that it depends on. That is so where a
/// symlink may lead to an output, or where an external file or a part of a file is missing that may be one.
pub fn needs_the_tree(ctx: &Context<'_>, task: &Task, prepared: &Prepared) -> bool {
    // One that leads to nothing has no files below it that would show it.
    let begins_at_a_link = |path: &RelPath| ctx.observer.way(path.as_bytes()).is_some();
    if task.inputs.patterns.roots().iter().any(begins_at_a_link) {
        return true;
    }
    let is_link = |state: &FileState| matches!(state, FileState::Symlink { .. });
    let inputs = prepared.inputs.iter().map(|(_, state)| state);
    inputs.chain(prepared.further.iter().map(|(_, state)| state)).any(is_link) || !prepared.warnings.is_empty()
}
