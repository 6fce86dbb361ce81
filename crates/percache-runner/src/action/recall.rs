//! Recall: restores the outputs of a task that is otherwise as the journal says.
//!
//! Its inputs, and whatever else its fingerprint consists of, are unchanged. So the result is the one that the journal
//! names, and nothing has to be hashed to find it.

use crate::action::context::Context;
use crate::action::done::Done;
use crate::action::job::Job;
use crate::action::put_back::put_back;
use crate::model::problem::Trouble;
use crate::worktree::journal::TaskRecord;
use percache::base::clock::Time;
use percache::store::record::ResultKey;

/// Puts the outputs back that the journal names, if everything else that the record rests on is unchanged. Returns
/// `None` if the task must be evaluated from scratch.
pub fn recall(ctx: &Context<'_>, job: &Job<'_>) -> Result<Option<Done>, Trouble> {
    let Some(record) = ctx.journal.tasks.get(&job.task.name) else { return Ok(None) };
    let counts =
        |key: &ResultKey| !record.on_remote && key.counts_in(&ctx.place) && may_stand(record) && stands(ctx, record);
    let Some(key) = record.key.filter(counts) else { return Ok(None) };
    let outcome = match put_back(ctx, job, &record.outputs)? {
        Ok(outcome) => outcome,
        // Nothing was touched, so the command can still run.
        Err(e) => {
            e.note(ctx);
            return Ok(None);
        }
    };
    let mut done = Done::hit(ctx, job.id, outcome, &key, (record.created, record.took));
    done.recalled = true;
    Ok(Some(done))
}

/// Returns whether a record has evidence that may be used.
fn may_stand(record: &TaskRecord) -> bool {
    record.evidence.sure && Time::now() < record.evidence.expiry
}

/// Returns whether every path that the record rests on, except outputs, is unchanged.
fn stands(ctx: &Context<'_>, record: &TaskRecord) -> bool {
    let known = &ctx.journal.files;
    let is_output = |path: &[u8]| record.outputs.contains(path);
    let is_input = |path: &[u8]| record.discovered.contains(path);
    let positions = record.evidence.lists.iter().flat_map(|list| ctx.journal.lists.get(*list));
    let mut positions = positions.map(|position| *position as usize);
    positions.all(|position| {
        let path = known.path(position);
        (is_output(path) && !is_input(path)) || ctx.observer.is_as_before(position)
    })
}
