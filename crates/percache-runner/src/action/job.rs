//! One task, from start to finish: computes the fingerprint, looks up a result, and then finds the task up to date,
//! restores it, or runs and records it.
//!
//! A job reports its progress and ends with one message. It waits for other jobs only for a slot of the job budget, a
//! claim, or the answer of a tool.

use std::sync::PoisonError;
use std::time::Instant;

use crate::action::basis::Basis;
use crate::action::check;
use crate::action::claim;
use crate::action::context::{Context, Download};
use crate::action::done::{Done, before_that, uncertain, visible};
use crate::action::explain;
use crate::action::inputs::{Dependencies, Prepared, prepare};
use crate::action::leave::{Pending, leave, needs_the_tree};
use crate::action::left_alone::strays;
use crate::action::lookup::{Hit, lookup, observe_all};
use crate::action::put_back::put_back;
use crate::action::recall::recall;
use crate::action::record::record;
use crate::action::restore::RestoreError;
use crate::action::run_command::run_command;
use crate::action::serve::{Needed, serve};
use crate::config::FILE_NAME;
use crate::model::event::{Failure, Outcome, RemoteStage};
use crate::model::notice::{Note, Warning, WhyKept};
use crate::model::path::RelPath;
use crate::model::pattern::Pattern;
use crate::model::problem::Trouble;
use crate::model::span::{Phase, timed};
use crate::model::{Task, TaskId};
use crate::process::Holder;
use crate::worktree::journal::{Evidence, TaskRecord};

/// The work of one job.
pub struct Job<'a> {
    /// The id of the task.
    pub id: TaskId,
    /// The task.
    pub task: &'a Task,
    /// The explicit dependencies, all done, with what they show.
    pub deps: Dependencies,
    /// The servers that it needs while its command runs, each after those that it needs itself; a server that is to be
    /// started comes last.
    pub servers: Vec<Needed>,
    /// Whether it is a server that is started even if nothing needs it.
    pub foreground: bool,
    /// Whether to run regardless of stored results.
    pub force: bool,
    /// Whether the definition, the environment and the visible outputs of dependencies are as the journal says.
    pub as_before: bool,
    /// Whether to run and compare, if the store has a result.
    pub check: bool,
    /// Whether the outputs of a result that the remote has may stay there.
    pub leave: bool,
    /// Whether the tree has everything that the task depends on.
    pub complete: bool,
    /// Receives progress while the job runs.
    pub tell: Say<'a>,
}

/// Receives what a job reports before it is done.
pub type Say<'a> = &'a (dyn Fn(Word) + Sync);

/// A report of a job that is not done yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The command starts.
    Started,
    /// The named process runs the same action.
    Waiting(String),
    /// A worker elsewhere is to run the command, or does; or it has come back.
    Remote(RemoteStage),
    /// The command has exited, but these processes still hold its output open.
    Background(Vec<Holder>),
}

/// Why an attempt at a task has ended without a report.
enum Halt {
    Pending(Pending),
    Trouble(Trouble),
}

impl From<Trouble> for Halt {
    fn from(trouble: Trouble) -> Halt {
        Halt::Trouble(trouble)
    }
}

/// Does whatever a task needs.
///
/// # Errors
/// What has to come into the tree before.
pub fn run(ctx: &Context<'_>, job: &Job<'_>) -> Result<Done, Pending> {
    let start = Instant::now();
    let attempt = timed(ctx.listener, Phase::Task, Some(job.id), || attempt(ctx, job));
    let mut done = match attempt {
        Ok(done) => done,
        Err(Halt::Pending(pending)) => return Err(pending),
        // For example, a tool that is being asked ends when the build is stopped; nothing is wrong with it.
        Err(Halt::Trouble(_)) if ctx.stop.requested() => Done::new(job.id, Outcome::Failed(Failure::Interrupted)),
        Err(Halt::Trouble(trouble)) => Done::failed(job.id, trouble),
    };
    done.took = start.elapsed();
    done.moved = ctx.displaced.take_moved();
    let kept = std::mem::take(&mut *ctx.kept.lock().unwrap_or_else(PoisonError::into_inner));
    done.notes.extend(kept.into_iter().map(|path| Note::Kept(vec![path], WhyKept::Tracked)));
    Ok(done)
}

fn attempt(ctx: &Context<'_>, job: &Job<'_>) -> Result<Done, Halt> {
    let Some(command) = &job.task.command else { return Ok(Done::new(job.id, Outcome::Group)) };
    if job.as_before
        && job.task.server.is_none()
        && let Some(done) = recall(ctx, job)?
    {
        return Ok(done);
    }
    let prepared = timed(ctx.listener, Phase::Inputs, Some(job.id), || prepare(ctx, job.task, command, &job.deps));
    let prepared = match prepared {
        Ok(prepared) if job.complete || !needs_the_tree(ctx, job.task, &prepared) => prepared,
        Err(trouble) if job.complete => return Err(trouble.into()),
        Ok(_) | Err(_) => return Err(Halt::Pending(Pending::Dependencies)),
    };
    let may_hit = job.task.cache && !job.task.interactive && !job.force;
    if !job.complete && (job.check || job.foreground || (!may_hit && job.task.server.is_none())) {
        return Err(Halt::Pending(Pending::Dependencies));
    }
    if job.task.server.is_some() {
        return Ok(serve(ctx, job, &prepared));
    }
    let missing = || {
        let missing = prepared.missing.iter().map(|path| missing_input(job.task, path));
        missing.chain(prepared.warnings.iter().cloned())
    };
    if job.check
        && let Some(mut done) = check::check(ctx, job, &prepared)?
    {
        done.warnings.extend(missing());
        return Ok(done);
    }
    if may_hit && ctx.store.is_some() && !prepared.unknown_tools.is_empty() {
        let mut done = Done::new(job.id, Outcome::MayRun);
        done.reason = Some(explain::unknown_tools(ctx, job.task, &prepared));
        done.parts = ctx.options.explain.then(|| prepared.parts.clone());
        return Ok(done);
    }
    // Read before the lookup: a result that is written after the lookup, by a process that has released its claim by
    // then, gets a second lookup.
    let known = ctx.store.filter(|_| may_hit).map(|store| store.known_generation());
    if may_hit && let Some(done) = find(ctx, job, &prepared)? {
        return Ok(done);
    }
    if !job.complete {
        return Err(Halt::Pending(Pending::Dependencies));
    }
    let mut claim = None;
    if may_hit && !ctx.options.dry_run {
        let waiting = |holder: &str| (job.tell)(Word::Waiting(holder.to_owned()));
        claim = timed(ctx.listener, Phase::Wait, Some(job.id), || {
            claim::acquire(ctx, job.id, &prepared.fingerprint, &waiting)
        });
        // Another process may have stored the result since the database was opened.
        if let Some(store) = ctx.store.filter(|store| Some(store.generation()) != known) {
            store.renew();
            if let Some(done) = find(ctx, job, &prepared)? {
                return Ok(done);
            }
        }
    }
    let reason =
        (ctx.options.explain || ctx.options.dry_run).then(|| explain::why(ctx, job.task, &prepared, job.force));
    let mut done = if ctx.options.dry_run {
        Done::new(job.id, Outcome::WouldRun)
    } else {
        let mut done = run_command(ctx, job, &prepared, claim, |run| record(ctx, job, &prepared, run))?;
        done.notes.extend(unmatched_inputs(job.task, &prepared));
        done
    };
    done.reason = reason;
    done.parts = (ctx.options.dry_run && ctx.options.explain).then(|| prepared.parts.clone());
    done.warnings.extend(missing());
    Ok(done)
}

/// Returns the warning about a declared input that does not exist.
fn missing_input(task: &Task, path: &RelPath) -> Warning {
    let relative_to = (task.cwd != task.dir).then(|| task.dir.child(FILE_NAME.as_bytes()));
    Warning::MissingInput { task: task.name.clone(), path: path.clone(), relative_to }
}

/// Returns notes about globs that match no input.
fn unmatched_inputs(task: &Task, prepared: &Prepared) -> Vec<Note> {
    // Those of the whole workspace need not match in every task.
    let shared = |pattern: &Pattern| pattern.index < task.inputs.shared;
    let unmatched = task
        .inputs
        .patterns
        .unmatched(|pattern| shared(pattern) || prepared.inputs.iter().any(|(path, _)| pattern.matches(path)));
    unmatched.iter().map(|pattern| unmatched_note(task, false, pattern)).collect()
}

/// Returns a note that a glob matches nothing, which may be intended or a slip.
pub fn unmatched_note(task: &Task, output: bool, pattern: &str) -> Note {
    Note::Unmatched { task: task.name.clone(), output, pattern: pattern.to_owned() }
}

/// Looks for a result and uses it.
fn find(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared) -> Result<Option<Done>, Halt> {
    let hit =
        timed(ctx.listener, Phase::Lookup, Some(job.id), || lookup(ctx, job.task, &prepared.fingerprint, job.leave));
    let promised = || ctx.promised.lock().unwrap_or_else(PoisonError::into_inner).remove(&job.id);
    // It may have been promised before something changed.
    let is_meant = |hit: &Hit| {
        let now = observe_all(ctx, hit.discovered.paths());
        now.is_some_and(|now| now.action(&prepared.fingerprint) == hit.key.action)
    };
    let promised = || promised().filter(|_| job.leave || ctx.options.dry_run).filter(is_meant);
    let Some(hit) = hit.or_else(promised) else { return Ok(None) };
    match use_hit(ctx, job, prepared, hit)? {
        Ok(done) => Ok(Some(done)),
        // Nothing was touched, so the command can still run.
        Err(e) => {
            e.note(ctx);
            Ok(None)
        }
    }
}

/// Makes the tree match the result, unless its outputs stay on the remote, and prepares the journal entry. `Ok(Err)`
/// means that the store does not have all of the result.
fn use_hit(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    hit: Hit,
) -> Result<Result<Done, RestoreError>, Halt> {
    let stays = hit.on_remote && job.leave;
    let mut outcome = if stays {
        leave(ctx, job, &hit.outputs)?.ok_or(Halt::Pending(Pending::Outputs))?
    } else {
        match put_back(ctx, job, &hit.outputs)? {
            Ok(outcome) => outcome,
            Err(e) => return Ok(Err(e)),
        }
    };
    let before = ctx.journal.tasks.get(&job.task.name);
    let was_left = |before: &TaskRecord| before.on_remote && before.key == Some(hit.key);
    if stays && ctx.options.download == Download::Wanted && before.is_some_and(was_left) {
        outcome = Outcome::UpToDate;
    }
    let mut done = Done::hit(ctx, job.id, outcome, &hit.key, (hit.created, hit.took));
    let strays = strays(ctx, job.id, job.task, &hit.outputs);
    done.visible = Some(visible(&hit.outputs, &strays, hit.key.action));
    done.basis = Some(Basis::new(ctx, job.task, prepared, &hit.discovered, &hit.outputs, hit.created));
    let previous = before.and_then(|before| before_that(before, &hit.key));
    let uncertain = uncertain(ctx, job.id, &hit.outputs);
    done.on_remote = stays;
    done.record = Some(TaskRecord {
        key: Some(hit.key),
        fingerprint: prepared.fingerprint,
        created: hit.created,
        took: hit.took,
        previous,
        discovered: hit.discovered.paths(),
        failed: false,
        on_remote: hit.on_remote,
        uncertain,
        outputs: hit.outputs,
        evidence: Evidence::default(),
    });
    Ok(Ok(done))
}
