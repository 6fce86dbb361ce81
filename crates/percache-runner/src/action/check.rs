//! Checks: runs a command although its result is stored, and compares its outputs with the result.
//!
//! If both are the same, the stored result stays as it is. If not, it is refuted, and the build removes it. The new
//! outputs stay in the tree and are not stored either, because nobody knows which of the two is right. The log is not
//! compared, because it contains times and progress.

use std::collections::HashSet;
use std::sync::Arc;

use percache::store::record::StoredResult;

use crate::action::basis::Basis;
use crate::action::context::{Check, Context};
use crate::action::done::{Done, before_that, visible};
use crate::action::inputs::Prepared;
use crate::action::job::Job;
use crate::action::lookup::{Hit, lookup};
use crate::action::output_diff::{Places, deviations};
use crate::action::record::{Stock, take_stock};
use crate::action::run_command::{Run, run_command};
use crate::graph::explicit;
use crate::model::event::{Failure, Outcome};
use crate::model::notice::{NotStored, Warning};
use crate::model::problem::Trouble;
use crate::model::span::{Phase, timed};
use crate::model::{Task, TaskId, Workspace};
use crate::worktree::journal::{Evidence, TaskRecord};

/// Chooses the tasks to check if their results are stored.
pub fn choose(workspace: &Workspace, check: Check, selected: &[TaskId], tasks: &[TaskId]) -> HashSet<TaskId> {
    let rate = workspace.cache.check_rate;
    let chosen: Vec<TaskId> = match check {
        Check::All => tasks.to_vec(),
        Check::Selected => selected.iter().flat_map(|id| meant_by(workspace, *id)).collect(),
        Check::Sample if rate > 0.0 => tasks.iter().copied().filter(|_| fastrand::f64() < rate).collect(),
        Check::Sample => Vec::new(),
    };
    chosen.into_iter().filter(|id| is_checkable(workspace.task(*id))).collect()
}

/// Returns the task itself, or the members of a group.
pub fn meant_by(workspace: &Workspace, id: TaskId) -> Vec<TaskId> {
    if workspace.task(id).command.is_some() { vec![id] } else { explicit(workspace, id) }
}

/// A task with `valid_for` reads the outside world, so it may come out differently.
fn is_checkable(task: &Task) -> bool {
    task.command.is_some() && task.cache && !task.interactive && task.valid_for.is_none()
}

/// Checks a task. Returns `None` if there is no result to compare with.
pub fn check(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared) -> Result<Option<Done>, Trouble> {
    let hit = timed(ctx.listener, Phase::Lookup, Some(job.id), || lookup(ctx, job.task, &prepared.fingerprint, false));
    let stored = |hit: &Hit| ctx.or_trouble(ctx.store?.result(&hit.key))?;
    let Some((hit, stored)) = hit.and_then(|hit| stored(&hit).map(|stored| (hit, stored))) else { return Ok(None) };
    let mut done = run_command(ctx, job, prepared, None, |run| compare(ctx, job, prepared, run, &hit, &stored))?;
    match &done.outcome {
        Outcome::Checked => done.verdict = Some(Verdict::Stable),
        Outcome::Unstable(_) => done.verdict = Some(Verdict::Refuted(hit.key)),
        // The command succeeded before with the same inputs. A failure of any other kind says nothing about what it
        // does.
        Outcome::Failed(Failure::Exit(_) | Failure::MissingOutputs(_)) => {
            done.verdict = Some(Verdict::Refuted(hit.key));
            done.warnings.push(Warning::Refuted { task: job.task.name.clone() });
        }
        _ => {}
    }
    Ok(Some(done))
}

/// The verdict of a check on a stored result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The command did the same again.
    Stable,
    /// The command did something else: this result must not be used any more.
    Refuted(percache::store::record::ResultKey),
}

fn compare(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    run: &mut Run,
    hit: &Hit,
    stored: &StoredResult,
) -> Result<Done, Failure> {
    let Stock { mut captured, changed, uncertain, unknown, further, .. } = take_stock(ctx, job, prepared, run, None)?;
    let outcome = match &changed {
        Some(_) => Outcome::Ran,
        // Files that the run left untouched may be missing elsewhere, or may not belong there.
        None if !unknown.is_empty() => Outcome::Ran,
        None => {
            let places = Places { contents: &ctx.contents, store: ctx.store, root: ctx.observer.root() };
            let deviations = deviations(&places, &stored.outputs, &captured.entries);
            if deviations.is_empty() { Outcome::Checked } else { Outcome::Unstable(Arc::new(deviations)) }
        }
    };
    let holds = outcome == Outcome::Checked;
    if holds {
        // The result stays as it is, whether its contents are kept or not.
        captured.entries = hit.outputs.clone();
    }
    let mut done = Done::new(job.id, outcome);
    done.status = run.executed.status;
    if let Some(changed) = changed {
        done.warnings.push(Warning::NotChecked { task: job.task.name.clone(), changed: changed.what });
    }
    if !unknown.is_empty() {
        let why = NotStored::UnknownOrigin(unknown.clone());
        done.warnings.push(Warning::NotStored { task: job.task.name.clone(), why });
    }
    let mut basis = Basis::new(ctx, job.task, prepared, &hit.discovered, &captured.entries, hit.created);
    basis.sure &= holds;
    done.basis = Some(basis);
    done.visible = Some(visible(&captured.entries, &further, hit.key.action));
    let before = ctx.journal.tasks.get(&job.task.name);
    done.record = Some(TaskRecord {
        key: holds.then_some(hit.key),
        fingerprint: prepared.fingerprint,
        created: hit.created,
        took: hit.took,
        previous: if holds { before.and_then(|record| before_that(record, &hit.key)) } else { Some(hit.key) },
        discovered: hit.discovered.paths(),
        failed: false,
        on_remote: false,
        uncertain,
        outputs: captured.entries,
        evidence: Evidence::default(),
    });
    Ok(done)
}
