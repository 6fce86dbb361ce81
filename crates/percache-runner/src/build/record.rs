//! Record: what a command that succeeded left goes to the store, if nothing speaks against it.

use std::io;

use percache::store::manifest::Manifest;
use percache::store::record::{PathSet, ResultKey, StoredResult};
use percache::store::writer::{Guard, NewResult};
use percache::store::{Store, now};

use crate::build::basis::Basis;
use crate::build::context::Context;
use crate::build::execute::{Executed, stamp};
use crate::build::inputs::Prepared;
use crate::build::job::{Done, Job, before_that, visible};
use crate::build::recheck::{discover, unchanged};
use crate::capture::{CaptureError, Captured, capture};
use crate::event::{Failure, Outcome};
use crate::fingerprint::Discovered;
use crate::journal::{Evidence, TaskRecord};
use crate::paths::RelPath;
use crate::span::{Phase, timed};
use crate::trouble::Trouble;

/// What a command that succeeded has left.
pub struct Stock {
    /// The discovered inputs.
    pub discovered: Discovered,
    /// The outputs.
    pub captured: Captured,
    /// Which input is not any more what it was when the command began, if one is not.
    pub changed: Option<String>,
}

/// After success: outputs are captured, their contents for `store`, and discovered inputs read.
pub fn take_stock(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    executed: &Executed,
    store: Option<&Store>,
) -> Result<Stock, Failure> {
    let discovered = discover(ctx, job, prepared, executed.began).map_err(Failure::Error)?;
    let captured = timed(ctx.listener, Phase::Outputs, Some(job.id), || {
        capture(&ctx.observer, store, &job.task.outputs, &ctx.skip, ctx.options.jobs)
    });
    let captured = captured.map_err(|e| match e {
        CaptureError::Missing(paths) => Failure::MissingOutputs(paths),
        CaptureError::Walk(e) => Failure::Error(format!("{e}: {}", e.source).into()),
        e => Failure::Error(Trouble { hint: e.hint().map(str::to_owned), message: e.to_string() }),
    })?;
    let recheck = || {
        timed(ctx.listener, Phase::Recheck, Some(job.id), || {
            unchanged(ctx, job, prepared, &discovered, &executed.inputs)
        })
    };
    let changed = if keeps(job) { recheck().err() } else { None };
    Ok(Stock { discovered: Discovered(discovered.states), captured, changed })
}

/// Whether results of the task are stored at all.
fn keeps(job: &Job<'_>) -> bool {
    job.task.cache && !job.task.interactive
}

/// After success: everything goes to the store if nothing speaks against it.
pub fn record(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared, executed: &mut Executed) -> Result<Done, Failure> {
    let store = ctx.store.filter(|_| keeps(job));
    let Stock { discovered: states, captured, changed } = take_stock(ctx, job, prepared, executed, store)?;
    let mut done = Done::new(job.id, Outcome::Ran);
    done.status = executed.status;
    let mut fit = keeps(job);
    if let Some(cut) = executed.cut.take().filter(|_| fit) {
        let hint = "make room on the disk of the store";
        let message = format!("`{}` is not stored: its log cannot be kept: {cut}", job.task.name);
        done.warnings.push(Trouble::new(message, hint));
        fit = false;
    } else if let Some(changed) = changed {
        let hint = "build again when nobody writes to it; if the task itself does, it is no input";
        done.warnings.push(Trouble::new(format!("`{}` is not stored: {changed} while it ran", job.task.name), hint));
        fit = false;
    }
    let action = states.action(&prepared.fingerprint);
    let key = ResultKey { action, place: captured.tied.then_some(ctx.place) };
    let created = now();
    if let Some(store) = store.filter(|_| fit) {
        let new = new_result(job, prepared, executed, store, &captured, &states, key, created);
        new.map_err(|e| Failure::Error(format!("its log cannot be stored: {e}").into()))?;
    }
    let before = ctx.journal.tasks.get(&job.task.name);
    let mut basis = Basis::new(ctx, job.task, prepared, &states, &captured.entries, created);
    // What is not stored runs again.
    basis.sure &= store.is_some() && fit;
    done.basis = Some(basis);
    done.visible = Some(visible(&captured.entries, action));
    done.record = Some(TaskRecord {
        key: store.filter(|_| fit).map(|_| key),
        fingerprint: prepared.fingerprint,
        created,
        took: executed.took.as_micros() as u64,
        previous: before.and_then(|record| before_that(record, &key)),
        discovered: states.0.into_iter().map(|(path, _)| path).collect(),
        others: untouched(ctx, executed),
        outputs: captured.entries,
        evidence: Evidence::default(),
    });
    Ok(done)
}

/// What lay there before and the command did not touch; sorted.
pub fn untouched(ctx: &Context<'_>, executed: &Executed) -> Vec<Vec<u8>> {
    let same = |(path, before): &&(RelPath, _)| stamp(ctx, path) == *before;
    executed.others.iter().filter(same).map(|(path, _)| path.as_bytes().to_vec()).collect()
}

#[allow(clippy::too_many_arguments, reason = "everything that a result consists of, once")]
fn new_result(
    job: &Job<'_>,
    prepared: &Prepared,
    executed: &mut Executed,
    store: &Store,
    captured: &Captured,
    discovered: &Discovered,
    key: ResultKey,
    created: u64,
) -> io::Result<()> {
    let log = store.add(&mut executed.log.reader()?, &mut |_| ())?;
    let paths = discovered.0.iter().map(|(path, _)| path.clone()).collect();
    let outputs = Manifest::new(captured.entries.clone());
    let outputs = outputs.map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let new = NewResult {
        key,
        result: StoredResult {
            label: job.task.name.clone(),
            fingerprint: prepared.fingerprint,
            created,
            took: executed.took.as_micros() as u64,
            status: executed.status,
            log,
            outputs,
        },
        parts: prepared.parts.record(discovered),
        paths: job.task.depfile.is_some().then_some(PathSet(paths)),
    };
    // Others that wait for this action may go on when they can find its result.
    store.record(new, executed.claim.take().map(|claim| Box::new(claim) as Guard));
    Ok(())
}
