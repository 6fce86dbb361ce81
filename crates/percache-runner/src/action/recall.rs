//! Recall: a task that is as the journal says but for its outputs, which have to be put back.
//!
//! Its inputs, and whatever else its fingerprint is made of, are where they were and as they were; so the result is the one that the
//! journal names, and nothing is hashed to find it.

use percache::store::now;

use crate::action::context::Context;
use crate::action::job::{Done, Job};
use crate::action::put_back::put_back;
use crate::model::problem::Trouble;
use crate::worktree::journal::TaskRecord;

/// Puts the outputs back that the journal names, if all else on which it rests that they are right is as it was. `None`: find out
/// everything anew.
pub fn recall(ctx: &Context<'_>, job: &Job<'_>) -> Result<Option<Done>, Trouble> {
    let Some(record) = ctx.journal.tasks.get(&job.task.name) else { return Ok(None) };
    let Some(key) = record.key.filter(|_| may_stand(record) && stands(ctx, record)) else { return Ok(None) };
    let outcome = match put_back(ctx, job, &record.outputs)? {
        Ok(outcome) => outcome,
        // The store lost what it had promised: nothing was touched, and the command can still run.
        Err(trouble) => {
            ctx.note_trouble(trouble);
            return Ok(None);
        }
    };
    let mut done = Done::hit(ctx, job.id, outcome, &key, record.took);
    done.recalled = true;
    Ok(Some(done))
}

/// Whether a record has evidence to go by.
fn may_stand(record: &TaskRecord) -> bool {
    record.evidence.sure && now() < record.evidence.expiry
}

/// Whether everything on which it rests, outputs left out, is as it was.
fn stands(ctx: &Context<'_>, record: &TaskRecord) -> bool {
    let known = &ctx.journal.files;
    let is_output = |path: &[u8]| record.outputs.binary_search_by(|entry| entry.path.as_slice().cmp(path)).is_ok();
    let is_input = |path: &[u8]| record.discovered.iter().any(|input| input == path);
    let positions = record.evidence.lists.iter().flat_map(|list| ctx.journal.lists.get(*list));
    let mut positions = positions.map(|position| *position as usize);
    positions.all(|position| {
        let path = known.path(position);
        (is_output(path) && !is_input(path)) || ctx.observer.is_as_before(position)
    })
}
