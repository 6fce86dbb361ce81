//! Running the command of a task: has it executed, keeps its log, and concludes with what it left or why it failed.

use percache::base::claim::Claim;
use percache::base::clock::{Micros, Time};
use percache::store::manifest::Manifest;
use percache::store::record::{Content, Entry, Node};

use crate::action::basis::Basis;
use crate::action::before::{Before, outputs_present, stamp};
use crate::action::context::{Accept, Context};
use crate::action::discover;
use crate::action::done::Done;
use crate::action::executor::{Action, Executed, Left, Output, execute};
use crate::action::inputs::Prepared;
use crate::action::job::{Job, Word};
use crate::action::logs::SHOWN;
use crate::action::recheck::Changed;
use crate::action::serve::{Lease, lease};
use crate::action::spoils::spoils;
use crate::action::undeclared::undeclared;
use crate::environment::unseen::unseen;
use crate::fs::stamp::Stamp;
use crate::fs::stat_cache::FileState;
use crate::fs::walk::Found;
use crate::model::Task;
use crate::model::event::{Failure, LogText, Outcome};
use crate::model::notice::Warning;
use crate::model::path::RelPath;
use crate::model::problem::Trouble;
use crate::model::span::{Phase, timed};
use crate::process::SpooledLog;
use crate::worktree::journal::{Evidence, TaskRecord};

/// A finished run of a command, wherever it was executed.
pub struct Run {
    /// How it ended and what it left.
    pub executed: Executed,
    /// The log of the last attempt.
    pub log: SpooledLog,
    /// The reason why the log is incomplete, if it is.
    pub cut: Option<String>,
    /// The stamps under which the inputs were hashed, in the order of [`Prepared::inputs`].
    pub inputs: Vec<Option<Stamp>>,
    /// What has changed meanwhile of a server that the command used.
    pub changed: Option<Changed>,
    /// Keeps other processes from running the same action.
    pub claim: Option<Claim>,
}

/// Runs the command. If it succeeds, `conclude` makes the report.
pub fn run_command(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    claim: Option<Claim>,
    conclude: impl FnOnce(&mut Run) -> Result<Done, Failure>,
) -> Result<Done, Trouble> {
    let lease = match lease(ctx, job) {
        Ok(lease) => lease,
        Err(done) => return Ok(*done),
    };
    (job.tell)(Word::Started);
    let mut run = timed(ctx.listener, Phase::Command, Some(job.id), || run(ctx, job, prepared, claim, lease.as_ref()))?;
    let log = run.log.tail(SHOWN).map_err(|e| format!("its log cannot be read: {e}"))?;
    let log = LogText { omitted: run.log.len() - log.len() as u64, bytes: log };
    let concluded = match run.executed.failure.take() {
        Some(failure) => Err(failure),
        None => conclude(&mut run),
    };
    let mut done = concluded.unwrap_or_else(|failure| failed(ctx, job, prepared, &run.executed, failure));
    if matches!(done.outcome, Outcome::Failed(Failure::Exit(_) | Failure::Signal(_))) {
        done.unseen = unseen(&prepared.command, &log.bytes, ctx.caller, &prepared.environment.variables);
    }
    if run.executed.remote.is_some() && matches!(done.outcome, Outcome::Failed(Failure::Exit(_))) {
        done.warnings.push(missed_elsewhere(ctx, job.task, prepared, &log.bytes));
    }
    done.remote = run.executed.remote.take();
    done.log = log;
    Ok(done)
}

fn run(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    claim: Option<Claim>,
    lease: Option<&Lease<'_, '_>>,
) -> Result<Run, Trouble> {
    ctx.observer.expect_changes();
    // A process that writes to an input before the command starts may do so afterwards, too: what counts is the stamp
    // under which the input was hashed.
    let inputs = prepared.inputs.iter().map(|(path, _)| ctx.observer.last_stamp(path.as_bytes())).collect();
    let mut output = Output::new(ctx, job.id, claim.as_ref(), job.tell);
    let fresh = job.force || job.check;
    let action = Action { id: job.id, task: job.task, prepared, fresh };
    let stop = (lease.map_or(ctx.stop, Lease::stop), lease.is_some());
    let mut executed = execute(ctx, &action, stop, &mut output)?;
    let (log, cut) = output.into_log();
    let mut changed = None;
    if let Some(lease) = lease.filter(|_| !ctx.stop.requested()) {
        // Whatever the command has made of it.
        executed.failure = lease.lost().map(|name| Failure::Server(name.to_owned())).or(executed.failure);
        changed = if executed.failure.is_none() { lease.changed(job) } else { None };
    }
    Ok(Run { executed, log, cut, inputs, changed, claim })
}

/// Returns the warning that a failed command had its declared inputs and nothing else, and what it may have missed.
fn missed_elsewhere(ctx: &Context<'_>, task: &Task, prepared: &Prepared, log: &[u8]) -> Warning {
    let is_input = |path: &RelPath| prepared.inputs.binary_search_by(|(other, _)| other.cmp(path)).is_ok();
    let is_here = |path: &RelPath| !is_input(path) && path.to_path(ctx.observer.root()).exists();
    let missing = undeclared(log, &task.cwd, &is_here);
    let here = missing.as_ref().is_some_and(|path| RelPath::new(path).is_ok_and(|path| is_here(&path)));
    Warning::FailedElsewhere { task: task.name.clone(), missing, here }
}

/// Reports a failed command.
fn failed(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared, executed: &Executed, failure: Failure) -> Done {
    let mut done = Done::new(job.id, Outcome::Failed(failure));
    if ctx.options.accept == Accept::InsteadOfRunning {
        // Nothing has run: what lies there is what lay there.
        return done;
    }
    let before = ctx.journal.tasks.get(&job.task.name);
    done.record = Some(match (&executed.left, before) {
        (Left::InTree(in_tree), _) => failed_record(before, prepared, leftovers(ctx, job.task, in_tree)),
        // The tree is as the last result left it, and that is what the record says.
        (Left::Stored(_), Some(record)) => TaskRecord { evidence: Evidence::default(), ..record.clone() },
        (Left::Stored(_), None) => failed_record(None, prepared, Manifest::default()),
    });
    if matches!(executed.left, Left::InTree(_)) {
        done.warnings.extend(spoils(ctx, job.task, executed.began.wall));
    }
    done.basis = Some(Basis::unsure(prepared));
    done
}

/// Returns the record of a command that failed here. What it left in the tree is recorded as an output, so that it is
/// removed before the next attempt.
fn failed_record(before: Option<&TaskRecord>, prepared: &Prepared, left: Manifest) -> TaskRecord {
    TaskRecord {
        key: None,
        fingerprint: prepared.fingerprint,
        created: Time::now(),
        took: before.map_or(Micros::ZERO, |record| record.took),
        previous: before.and_then(|record| record.key.or(record.previous)),
        // Once the task is fixed, it will most likely read what the last successful run read.
        discovered: before.map(|record| record.discovered.clone()).unwrap_or_default(),
        failed: true,
        on_remote: false,
        uncertain: Vec::new(),
        outputs: left,
        evidence: Evidence::default(),
    }
}

/// Returns the files at the outputs' places that the command made or changed, as far as they can be read.
fn leftovers(ctx: &Context<'_>, task: &Task, before: &Before) -> Manifest {
    discover::discard(ctx, task, before);
    let found = outputs_present(ctx, &before.outputs).unwrap_or_default();
    let entry = |path: &RelPath| {
        let node = match ctx.observer.observe(path.as_bytes()).ok()? {
            FileState::File { digest, executable } => Node::File { content: Content { digest, length: 0 }, executable },
            FileState::Symlink { target, .. } => Node::Symlink(target),
            FileState::Directory => Node::Directory,
            FileState::Absent | FileState::Special => return None,
        };
        Some(Entry::new(path.as_bytes(), node))
    };
    let is_left = |found: &&Found| {
        before.other(&found.path).is_none_or(|other| !other.directory && stamp(ctx, &found.path) != other.stamp)
    };
    Manifest::from_found(found.iter().filter(is_left).filter_map(|found| entry(&found.path)).collect())
}
