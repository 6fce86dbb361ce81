//! Record: stores what a successful command left, unless something forbids it.

use std::io;

use percache::base::clock::Time;
use percache::store::interface::{Contents, Storage};
use percache::store::manifest::Manifest;
use percache::store::origin::{Origin, Place};
use percache::store::record::{Node, ResultKey, StoredResult};
use percache::store::writer::{Guard, NewResult};

use crate::action::basis::Basis;
use crate::action::before::Before;
use crate::action::capture::{Captured, capture, missing};
use crate::action::context::{Accept, Context};
use crate::action::discover::discover;
use crate::action::done::{Done, before_that, uncertain, visible};
use crate::action::executor::Left;
use crate::action::inputs::Prepared;
use crate::action::job::{Job, unmatched_note};
use crate::action::left_alone::{claimed_twice, strays, tell_apart, twice};
use crate::action::put_back::put_back;
use crate::action::recheck::{Changed, unchanged};
use crate::action::remote;
use crate::action::run_command::Run;
use crate::fs::outputs::present_with_links;
use crate::fs::walk::{Found, Kind};
use crate::key::fingerprint::Discovered;
use crate::model::TaskId;
use crate::model::event::{Failure, Outcome, RemoteRun};
use crate::model::notice::{Exclusion, NotStored, Warning};
use crate::model::path::RelPath;
use crate::model::pattern::Pattern;
use crate::model::problem::Trouble;
use crate::model::span::{Phase, timed};
use crate::syntax::glob::escape;
use crate::syntax::shown::shown_bytes;
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
    /// What dependents see among the outputs besides the outputs themselves; sorted.
    pub further: Vec<RelPath>,
    /// A file that existed before and to which the command only appended.
    pub added_to: Option<RelPath>,
    /// The input that changed since the command started, if one did.
    pub changed: Option<Changed>,
    /// The warning about a path that the depfile names and that does not exist.
    pub not_there: Option<Vec<u8>>,
}

/// Captures the outputs of a successful run, with their contents for `store`, and reads its discovered inputs.
pub fn take_stock(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    run: &Run,
    store: Option<&dyn Contents>,
) -> Result<Stock, Failure> {
    let discovered = discover(ctx, job, prepared, &run.executed).map_err(Failure::Error)?;
    let outputs = timed(ctx.listener, Phase::Outputs, Some(job.id), || match &run.executed.left {
        Left::InTree(before) => outputs_in_tree(ctx, job, before, store),
        Left::Stored(manifest) => outputs_in_store(ctx, job, manifest),
    })?;
    let Outputs { mut captured, unknown, further, mut uncertain, added_to } = outputs;
    if !job.task.store {
        captured.entries.do_not_keep();
        // What was accepted may exist nowhere else: it gives way to a run, but is never removed.
        if ctx.options.accept == Accept::InsteadOfRunning {
            uncertain = captured.entries.iter().map(|entry| entry.path.clone()).collect();
        }
    }
    let recheck = || {
        timed(ctx.listener, Phase::Recheck, Some(job.id), || unchanged(ctx, job, prepared, &discovered, &run.inputs))
    };
    let changed = if keeps(job) { run.changed.clone().or_else(|| recheck().err()) } else { None };
    let not_there = discovered.not_there;
    let discovered = Discovered(discovered.states);
    Ok(Stock { discovered, captured, uncertain, unknown, further, added_to, changed, not_there })
}

/// The sorted-out outputs; see [`Stock`].
struct Outputs {
    captured: Captured,
    unknown: Vec<RelPath>,
    further: Vec<RelPath>,
    uncertain: Vec<Vec<u8>>,
    added_to: Option<RelPath>,
}

/// Captures the files that the run made or changed, and returns the untouched files of unknown origin with them.
fn outputs_in_tree(
    ctx: &Context<'_>,
    job: &Job<'_>,
    before: &Before,
    store: Option<&dyn Contents>,
) -> Result<Outputs, Failure> {
    let found = present_with_links(ctx.observer.root(), &before.outputs, &ctx.skip)
        .map_err(|e| Failure::Error(format!("{e}: {}", e.source).into()))?;
    let missing = missing(&job.task.outputs, &found, |found| found.path.as_bytes());
    if !missing.is_empty() {
        return Err(Failure::MissingOutputs(missing));
    }
    let came = tell_apart(ctx, job.task, before, found);
    if let Some((other, path)) = claimed_twice(ctx, job.id, files_of(&came.made)) {
        return Err(Failure::Error(twice(ctx, other, &path)));
    }
    let captured = capture(&ctx.observer, store, &came.made, ctx.jobs)
        .map_err(|e| Failure::Error(Trouble { hint: e.hint().map(str::to_owned), message: e.to_string() }))?;
    note_directories(ctx, job, before, &came.made);
    let uncertain = came.uncertain.iter().map(|path| path.as_bytes().to_vec()).collect();
    // Dependents see files of unknown origin, too.
    let further = came.unknown.clone();
    Ok(Outputs { captured, unknown: came.unknown, further, uncertain, added_to: came.added_to })
}

/// Returns the paths of what was found, without directories.
fn files_of(found: &[Found]) -> impl Iterator<Item = RelPath> {
    found.iter().filter(|found| found.kind != Kind::Directory).map(|found| found.path.clone())
}

/// Puts the outputs of a command that was executed elsewhere into the tree, as if they were those of a hit.
fn outputs_in_store(ctx: &Context<'_>, job: &Job<'_>, manifest: &Manifest) -> Result<Outputs, Failure> {
    let mut entries = manifest.clone();
    // A depfile that is no output was made for percache, and has been read.
    if let Some(depfile) = job.task.discovery.depfile().filter(|path| !job.task.outputs.matches(path)) {
        entries.retain(|entry| entry.path != depfile.as_bytes());
    }
    let missing = missing(&job.task.outputs, &entries, |entry| &entry.path);
    if !missing.is_empty() {
        return Err(Failure::MissingOutputs(missing));
    }
    let files = entries.iter().filter(|entry| entry.node != Node::Directory);
    let files = files.filter_map(|entry| RelPath::new(&entry.path).ok());
    if let Some((other, path)) = claimed_twice(ctx, job.id, files) {
        return Err(Failure::Error(twice(ctx, other, &path)));
    }
    // Before the tree is changed: what is known to be the task's own now.
    let uncertain = uncertain(ctx, job.id, &entries);
    if let Err(e) = put_back(ctx, job, &entries).map_err(Failure::Error)? {
        let hint = "its outputs were not made here, and what made them did not hand them over";
        return Err(Failure::Error(Trouble::new(format!("its outputs cannot be fetched: {e}"), hint)));
    }
    let further = strays(ctx, job.id, job.task, &entries);
    // Where it was executed, this directory has no meaning.
    let captured = Captured { entries, tied: false };
    Ok(Outputs { captured, unknown: Vec::new(), further, uncertain, added_to: None })
}

/// Notes the directories that the command made for its outputs, which are removed with the last output in them.
fn note_directories(ctx: &Context<'_>, job: &Job<'_>, before: &Before, made: &[Found]) {
    let globs = || job.task.outputs.patterns().iter().filter(|pattern| !pattern.negated && pattern.literal().is_none());
    let mut last = None;
    for parent in made.iter().filter_map(|found| found.path.parent()) {
        if last.as_ref() == Some(&parent) {
            continue;
        }
        // Directories below the place where a glob begins were made by the command, for its outputs.
        let below = |above: &RelPath| globs().any(|glob| above != glob.prefix() && above.starts_with(glob.prefix()));
        let new = |above: &RelPath| before.other(above).is_none();
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
pub fn record(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared, run: &mut Run) -> Result<Done, Failure> {
    let store = ctx.store.filter(|_| keeps(job));
    let contents = store.filter(|_| job.task.store).map(|store| store as &dyn Contents);
    let stock = take_stock(ctx, job, prepared, run, contents)?;
    let obstacle = obstacle(ctx, job, run.cut.take(), &stock);
    let fit = keeps(job) && obstacle.is_none();
    let Stock { discovered: states, captured, uncertain, further, .. } = stock;
    let mut done = Done::new(job.id, Outcome::Ran);
    done.status = run.executed.status;
    done.warnings.extend(obstacle.map(|why| Warning::NotStored { task: job.task.name.clone(), why }));
    let matched = |pattern: &Pattern| {
        let mut paths = captured.entries.iter().filter_map(|entry| RelPath::new(&entry.path).ok());
        paths.any(|path| pattern.matches(&path))
    };
    let unmatched = job.task.outputs.unmatched(matched);
    done.notes.extend(unmatched.iter().map(|pattern| unmatched_note(job.task, true, pattern)));
    let action = states.action(&prepared.fingerprint);
    // Contents that are not kept lie in this directory alone.
    let is_only_here = captured.tied || !captured.entries.is_kept();
    let key = ResultKey { action, place: is_only_here.then_some(ctx.place) };
    let created = Time::now();
    if let Some(store) = store.filter(|_| fit) {
        let new = new_result(ctx, job, prepared, run, store, &captured, &states, key, created);
        new.map_err(|e| Failure::Error(format!("its log cannot be stored: {e}").into()))?;
    }
    let before = ctx.journal.tasks.get(&job.task.name);
    let mut basis = Basis::new(ctx, job.task, prepared, &states, &captured.entries, created);
    // A task whose result is not stored runs again.
    basis.sure &= store.is_some() && fit;
    done.basis = Some(basis);
    done.visible = Some(visible(&captured.entries, &further, action));
    done.record = Some(TaskRecord {
        key: store.filter(|_| fit).map(|_| key),
        fingerprint: prepared.fingerprint,
        created,
        took: run.executed.took.into(),
        previous: before.and_then(|record| before_that(record, &key)),
        discovered: states.paths(),
        failed: false,
        on_remote: false,
        uncertain,
        outputs: captured.entries,
        evidence: Evidence::default(),
    });
    Ok(done)
}

/// Returns the warning about what keeps the result of a successful run from being stored, if anything does. `cut` is the
/// reason why its log is incomplete.
fn obstacle(ctx: &Context<'_>, job: &Job<'_>, cut: Option<String>, stock: &Stock) -> Option<NotStored> {
    if !keeps(job) {
        None
    } else if let Some(cut) = cut {
        Some(NotStored::Log(cut))
    } else if let Some(changed) = &stock.changed {
        let from = changed.path.as_ref().and_then(|path| exclusion(ctx, job, path));
        Some(NotStored::Changed { changed: changed.what.clone(), from })
    } else if let Some(not_there) = &stock.not_there {
        Some(NotStored::NotThere(not_there.clone()))
    } else if !stock.unknown.is_empty() {
        Some(NotStored::UnknownOrigin(stock.unknown.clone()))
    } else {
        stock.added_to.clone().map(NotStored::AddedTo)
    }
}

/// Returns what to exclude from the outputs of which dependency if the command itself writes the input at `path`, which
/// is one of them: the file, or each directory of the name if the file is in one that a tool keeps for itself
/// (`.cache`, `__pycache__`).
fn exclusion(ctx: &Context<'_>, job: &Job<'_>, path: &RelPath) -> Option<Exclusion> {
    let makes = |id: &TaskId| ctx.workspace.task(*id).outputs.matches(path);
    let task = ctx.workspace.task(job.deps.iter().map(|(id, _)| *id).find(makes)?);
    let from = task.outputs.patterns().iter().rev().find(|pattern| pattern.matches(path))?.prefix();
    let above = std::iter::successors(path.parent(), RelPath::parent).take_while(|above| above != from);
    let is_cache = |above: &RelPath| memchr::memmem::find(above.file_name(), b"cache").is_some();
    let cache = above.filter(is_cache).filter(|above| above.starts_with(from)).last();
    let here = |path: &RelPath| Some(shown_bytes(path.below(&task.dir)?).to_string()).map(|here| escape(&here));
    let pattern = match cache {
        None => here(path)?,
        Some(cache) if cache.parent().as_ref() == Some(from) => here(&cache)? + "/",
        Some(cache) => {
            let from = here(from).map(|from| if from.is_empty() { from } else { from + "/" })?;
            format!("{from}**/{}/", escape(&shown_bytes(cache.file_name())))
        }
    };
    Some(Exclusion { task: task.name.clone(), pattern: format!("!{pattern}") })
}

#[allow(clippy::too_many_arguments, reason = "everything that a result consists of, once")]
fn new_result(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    run: &mut Run,
    store: &dyn Storage,
    captured: &Captured,
    discovered: &Discovered,
    key: ResultKey,
    created: Time,
) -> io::Result<()> {
    let log = store.add(&mut run.log.reader()?, &mut |_| ())?;
    let new = NewResult {
        key,
        result: StoredResult {
            label: job.task.name.clone(),
            fingerprint: prepared.fingerprint,
            created,
            took: run.executed.took.into(),
            status: run.executed.status,
            log,
            outputs: captured.entries.clone(),
        },
        parts: prepared.parts.record(discovered),
        paths: job.task.discovery.finds_inputs().then(|| discovered.paths()),
        origin: run.executed.remote.as_ref().map(worker),
    };
    remote::offer(ctx, job.task, &prepared.parts, discovered, &new);
    // Processes that wait for this action may continue once they can find its result.
    store.record(new, run.claim.take().map(|claim| Box::new(claim) as Guard));
    Ok(())
}

/// Returns the origin of a result that was made on a worker.
fn worker(run: &RemoteRun) -> Origin {
    let (server, worker) = (run.server.clone(), run.worker.clone());
    Origin { from: Place::Worker { server, worker }, came: Time::now() }
}
