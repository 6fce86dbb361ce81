//! Record: stores what a successful command left, unless something forbids it.

use std::io;

use percache::store::manifest::Manifest;
use percache::store::record::{PathSet, ResultKey, StoredResult};
use percache::store::writer::{Guard, NewResult};
use percache::store::{Store, now};

use crate::action::basis::Basis;
use crate::action::capture::{Captured, capture, missing};
use crate::action::context::Context;
use crate::action::execute::Executed;
use crate::action::inputs::Prepared;
use crate::action::job::{Done, Job, before_that, unmatched_note, visible};
use crate::action::left_alone::{claimed_twice, tell_apart, twice};
use crate::action::recheck::{discover, unchanged};
use crate::fs::outputs::present_with_links;
use crate::fs::walk::Found;
use crate::key::fingerprint::Discovered;
use crate::model::event::{Failure, Outcome};
use crate::model::notice::{NotStored, Warning};
use crate::model::path::RelPath;
use crate::model::pattern::Pattern;
use crate::model::problem::Trouble;
use crate::model::span::{Phase, timed};
use crate::worktree::journal::{Evidence, TaskRecord};

/// What a successful command has left.
pub struct Stock {
    /// The discovered inputs.
    pub discovered: Discovered,
    /// The outputs.
    pub captured: Captured,
    /// Outputs that existed before and may be somebody's own; sorted.
    pub uncertain: Vec<Vec<u8>>,
    /// Files of unknown origin among the outputs that the run left untouched; sorted.
    pub unknown: Vec<RelPath>,
    /// A file that existed before and to which the command only appended.
    pub added_to: Option<RelPath>,
    /// The input that changed since the command started, if one did.
    pub changed: Option<String>,
    /// The warning about a path that the depfile names and that does not exist.
    pub not_there: Option<Vec<u8>>,
}

/// Captures the outputs of a successful run, with their contents for `store`, and reads its discovered inputs.
pub fn take_stock(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    executed: &Executed,
    store: Option<&Store>,
) -> Result<Stock, Failure> {
    let discovered = discover(ctx, job, prepared, executed).map_err(Failure::Error)?;
    let Outputs { captured, unknown, uncertain, added_to } =
        timed(ctx.listener, Phase::Outputs, Some(job.id), || outputs(ctx, job, executed, store))?;
    let recheck = || {
        timed(ctx.listener, Phase::Recheck, Some(job.id), || {
            unchanged(ctx, job, prepared, &discovered, &executed.inputs)
        })
    };
    let changed = if keeps(job) { recheck().err() } else { None };
    let not_there = discovered.not_there;
    let discovered = Discovered(discovered.states);
    Ok(Stock { discovered, captured, uncertain, unknown, added_to, changed, not_there })
}

/// The sorted-out outputs; see [`Stock`].
struct Outputs {
    captured: Captured,
    unknown: Vec<RelPath>,
    uncertain: Vec<Vec<u8>>,
    added_to: Option<RelPath>,
}

/// Captures the files that the run made or changed, and returns the untouched files of unknown origin with them.
fn outputs(ctx: &Context<'_>, job: &Job<'_>, executed: &Executed, store: Option<&Store>) -> Result<Outputs, Failure> {
    let found = present_with_links(ctx.observer.root(), &executed.before.outputs, &ctx.skip)
        .map_err(|e| Failure::Error(format!("{e}: {}", e.source).into()))?;
    let missing = missing(&job.task.outputs, &found);
    if !missing.is_empty() {
        return Err(Failure::MissingOutputs(missing));
    }
    let came = tell_apart(ctx, job.task, &executed.before, found);
    if let Some((other, path)) = claimed_twice(ctx, job.id, &came.made) {
        return Err(Failure::Error(twice(ctx, other, path)));
    }
    let captured = capture(&ctx.observer, store, &came.made, ctx.options.jobs)
        .map_err(|e| Failure::Error(Trouble { hint: e.hint().map(str::to_owned), message: e.to_string() }))?;
    note_directories(ctx, job, executed, &came.made);
    let uncertain = came.uncertain.iter().map(|path| path.as_bytes().to_vec()).collect();
    Ok(Outputs { captured, unknown: came.unknown, uncertain, added_to: came.added_to })
}

/// Notes the directories that the command made for its outputs, which are removed with the last output in them.
fn note_directories(ctx: &Context<'_>, job: &Job<'_>, executed: &Executed, made: &[Found]) {
    let globs = || job.task.outputs.patterns().iter().filter(|pattern| !pattern.negated && pattern.literal().is_none());
    let mut last = None;
    for parent in made.iter().filter_map(|found| found.path.parent()) {
        if last.as_ref() == Some(&parent) {
            continue;
        }
        // Directories below the place where a glob begins were made by the command, for its outputs.
        let below = |above: &RelPath| globs().any(|glob| above != glob.prefix() && above.starts_with(glob.prefix()));
        let new = |above: &RelPath| executed.before.other(above).is_none();
        ctx.directories.add(
            std::iter::successors(Some(parent.clone()), RelPath::parent)
                .take_while(|above| below(above))
                .filter(|above| new(above)),
        );
        last = Some(parent);
    }
}

/// Returns whether results of the task are stored at all.
fn keeps(job: &Job<'_>) -> bool {
    job.task.cache && !job.task.interactive
}

/// Records a successful run: stores the result unless something forbids it.
pub fn record(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared, executed: &mut Executed) -> Result<Done, Failure> {
    let store = ctx.store.filter(|_| keeps(job));
    let Stock { discovered: states, captured, uncertain, unknown, added_to, changed, not_there } =
        take_stock(ctx, job, prepared, executed, store)?;
    let mut done = Done::new(job.id, Outcome::Ran);
    done.status = executed.status;
    let mut not_stored = None;
    let fit = keeps(job);
    if let Some(cut) = executed.cut.take().filter(|_| fit) {
        not_stored = Some(NotStored::Log(cut.to_string()));
    } else if let Some(changed) = changed {
        not_stored = Some(NotStored::Changed(changed));
    } else if let Some(not_there) = not_there.filter(|_| fit) {
        not_stored = Some(NotStored::NotThere(not_there));
    } else if !unknown.is_empty() && fit {
        not_stored = Some(NotStored::UnknownOrigin(unknown.clone()));
    } else if let Some(path) = added_to.filter(|_| fit) {
        not_stored = Some(NotStored::AddedTo(path));
    }
    let fit = fit && not_stored.is_none();
    done.warnings.extend(not_stored.map(|why| Warning::NotStored { task: job.task.name.clone(), why }));
    let matched = |pattern: &Pattern| {
        let mut paths = captured.entries.iter().filter_map(|entry| RelPath::new(&entry.path).ok());
        paths.any(|path| pattern.matches(&path))
    };
    let unmatched = job.task.outputs.unmatched(matched);
    done.notes.extend(unmatched.iter().map(|pattern| unmatched_note(job.task, true, pattern)));
    let action = states.action(&prepared.fingerprint);
    let key = ResultKey { action, place: captured.tied.then_some(ctx.place) };
    let created = now();
    if let Some(store) = store.filter(|_| fit) {
        let new = new_result(job, prepared, executed, store, &captured, &states, key, created);
        new.map_err(|e| Failure::Error(format!("its log cannot be stored: {e}").into()))?;
    }
    let before = ctx.journal.tasks.get(&job.task.name);
    let mut basis = Basis::new(ctx, job.task, prepared, &states, &captured.entries, created);
    // A task whose result is not stored runs again.
    basis.sure &= store.is_some() && fit;
    done.basis = Some(basis);
    // Dependents see files of unknown origin, too.
    done.visible = Some(visible(&captured.entries, &unknown, action));
    done.record = Some(TaskRecord {
        key: store.filter(|_| fit).map(|_| key),
        fingerprint: prepared.fingerprint,
        created,
        took: executed.took.as_micros() as u64,
        previous: before.and_then(|record| before_that(record, &key)),
        discovered: states.0.into_iter().map(|(path, _)| path).collect(),
        failed: false,
        uncertain,
        outputs: captured.entries,
        evidence: Evidence::default(),
    });
    Ok(done)
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
    // Processes that wait for this action may continue once they can find its result.
    store.record(new, executed.claim.take().map(|claim| Box::new(claim) as Guard));
    Ok(())
}
