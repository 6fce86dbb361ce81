//! One task, from start to finish: computes the fingerprint, looks up a result, and then finds the task up to date,
//! restores it, or runs and records it.
//!
//! A job only reads shared state, answers with one message, and never waits for another job.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use percache::base::claim::Claim;
use percache::store::record::{Content, Entry, Node, ResultKey};
use percache::store::{Store, now};

use crate::action::basis::Basis;
use crate::action::check::{self, Verdict};
use crate::action::claim;
use crate::action::context::{Context, HitLogs};
use crate::action::execute::{Before, Executed, execute, outputs_present, stamp};
use crate::action::explain::{self, Why};
use crate::action::inputs::{Dependencies, Prepared, Visible, prepare};
use crate::action::left_alone::strays;
use crate::action::logs::{SHOWN, stored_log};
use crate::action::lookup::{Hit, lookup};
use crate::action::put_back::put_back;
use crate::action::recall::recall;
use crate::action::recheck::remove_depfile;
use crate::action::record::record;
use crate::action::restore::RestoreError;
use crate::action::spoils::spoils;
use crate::config::FILE_NAME;
use crate::environment::unseen::unseen;
use crate::fs::clearing::find_left;
use crate::fs::stat_cache::FileState;
use crate::fs::walk::Found;
use crate::key::fingerprint::Parts;
use crate::model::event::{Failure, LogText, Moved, Outcome};
use crate::model::path::RelPath;
use crate::model::pattern::foreign;
use crate::model::problem::Trouble;
use crate::model::span::{Phase, timed};
use crate::model::{Task, TaskId};
use crate::process::Holder;
use crate::worktree::journal::{Evidence, TaskRecord};

/// The report of a finished task.
pub struct Done {
    /// The task.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// The exit status of the command if it ran now; otherwise 0.
    pub status: i32,
    /// The log, as far as it is shown.
    pub log: LogText,
    /// The time spent on the task.
    pub took: Duration,
    /// How long the command took when the result was stored.
    pub saved: Duration,
    /// Why it ran.
    pub reason: Option<Why>,
    /// For a task that would run, if explanations were requested: the parts of its fingerprint now.
    pub parts: Option<Parts>,
    /// What its dependents see; `None` stands for what the journal says.
    pub visible: Option<Arc<Visible>>,
    /// The new journal entry; `None` keeps the old one.
    pub record: Option<TaskRecord>,
    /// The paths that the outcome rests on.
    pub basis: Option<Basis>,
    /// Whether everything is as the journal says and rests on the same paths, and only outputs had to be put back.
    pub recalled: bool,
    /// The verdict of a check.
    pub verdict: Option<Verdict>,
    /// Warnings for the user.
    pub warnings: Vec<Trouble>,
    /// Information for the user.
    pub notes: Vec<String>,
    /// Files that were displaced meanwhile.
    pub moved: Option<Moved>,
    /// Variables that the command may have missed.
    pub unseen: Vec<String>,
}

/// The work of one job.
pub struct Job<'a> {
    /// The id of the task.
    pub id: TaskId,
    /// The task.
    pub task: &'a Task,
    /// The explicit dependencies, all done, with what they show.
    pub deps: Dependencies,
    /// Whether to run regardless of stored results.
    pub force: bool,
    /// Whether the definition, the environment and the visible outputs of dependencies are as the journal says.
    pub as_before: bool,
    /// Whether to run and compare, if the store has a result.
    pub check: bool,
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
    /// The command has exited, but these processes still hold its output open.
    Background(Vec<Holder>),
}

impl Done {
    /// Creates a report with this outcome and nothing else.
    pub fn new(task: TaskId, outcome: Outcome) -> Done {
        Done {
            task,
            outcome,
            status: 0,
            log: LogText::default(),
            took: Duration::ZERO,
            saved: Duration::ZERO,
            reason: None,
            parts: None,
            visible: None,
            record: None,
            basis: None,
            recalled: false,
            verdict: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            moved: None,
            unseen: Vec::new(),
        }
    }

    /// Creates the report of a task whose stored result is used. `took` is in microseconds.
    pub fn hit(ctx: &Context<'_>, task: TaskId, outcome: Outcome, key: &ResultKey, took: u64) -> Done {
        let mut done = Done::new(task, outcome);
        done.saved = Duration::from_micros(took);
        let wanted = match ctx.options.hit_logs {
            HitLogs::All => true,
            HitLogs::Restored => done.outcome == Outcome::Restored,
            HitLogs::No => false,
        };
        if wanted {
            done.log = stored_log(ctx, key).unwrap_or_default();
        }
        done
    }

    fn failed(task: TaskId, trouble: Trouble) -> Done {
        Done::new(task, Outcome::Failed(Failure::Error(trouble)))
    }

    /// Creates the report of a task on which percache itself failed.
    pub fn panicked(task: TaskId) -> Done {
        let hint = "this is a mistake in percache; please report it with what it said above";
        Done::failed(task, Trouble::new("percache panicked".to_owned(), hint))
    }
}

/// Does whatever a task needs.
pub fn run(ctx: &Context<'_>, job: &Job<'_>) -> Done {
    let start = Instant::now();
    let attempt = timed(ctx.listener, Phase::Task, Some(job.id), || attempt(ctx, job));
    let mut done = attempt.unwrap_or_else(|trouble| match ctx.stop.requested() {
        // For example, a tool that is being asked ends when the build is stopped; nothing is wrong with it.
        true => Done::new(job.id, Outcome::Failed(Failure::Interrupted)),
        false => Done::failed(job.id, trouble),
    });
    done.took = start.elapsed();
    done.moved = ctx.displaced.take_moved();
    let kept = std::mem::take(&mut *ctx.kept.lock().unwrap_or_else(PoisonError::into_inner));
    done.notes.extend(kept.iter().map(|path| format!("kept `{path}`: it is no output any more, and git tracks it")));
    done
}

fn attempt(ctx: &Context<'_>, job: &Job<'_>) -> Result<Done, Trouble> {
    let Some(command) = &job.task.command else { return Ok(Done::new(job.id, Outcome::Group)) };
    if job.as_before
        && let Some(done) = recall(ctx, job)?
    {
        return Ok(done);
    }
    let prepared = timed(ctx.listener, Phase::Inputs, Some(job.id), || prepare(ctx, job.task, command, &job.deps))?;
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
    let may_hit = job.task.cache && !job.task.interactive && !job.force;
    if may_hit && ctx.store.is_some() && !prepared.unknown_tools.is_empty() {
        let mut done = Done::new(job.id, Outcome::MayRun);
        done.reason = Some(explain::unknown_tools(ctx, job.task, &prepared));
        done.parts = ctx.options.explain.then(|| prepared.parts.clone());
        return Ok(done);
    }
    // Read before the lookup: a result that is written after the lookup, by a process that has released its claim by
    // then, gets a second lookup.
    let known = ctx.store.filter(|_| may_hit).map(Store::known_generation);
    if may_hit && let Some(done) = find(ctx, job, &prepared)? {
        return Ok(done);
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
        let mut done = run_command(ctx, job, &prepared, claim, |executed| record(ctx, job, &prepared, executed))?;
        done.notes.extend(unmatched_inputs(job.task, &prepared));
        done
    };
    done.reason = reason;
    done.parts = (ctx.options.dry_run && ctx.options.explain).then(|| prepared.parts.clone());
    done.warnings.extend(missing());
    Ok(done)
}

/// Warns about a declared input that does not exist. It is most likely misspelt, but the command may do without it.
fn missing_input(task: &Task, path: &RelPath) -> Trouble {
    let hint = if let Some(hint) = foreign(&path.to_string()) {
        hint.to_owned()
    } else if task.cwd == task.dir {
        "create it, or correct `inputs`; a glob need not match".to_owned()
    } else {
        format!("paths are relative to {}, not to `cwd`", task.dir.child(FILE_NAME.as_bytes()))
    };
    Trouble::new(format!("`{}`: its input `{path}` does not exist", task.name), hint)
}

/// Returns notes about globs that match no input.
fn unmatched_inputs(task: &Task, prepared: &Prepared) -> Vec<String> {
    let unmatched =
        task.inputs.patterns.unmatched(|pattern| prepared.inputs.iter().any(|(path, _)| pattern.matches(path)));
    unmatched.iter().map(|pattern| unmatched_note(task, "input", pattern)).collect()
}

/// Returns a note that a glob matches nothing, which may be intended or a slip.
pub fn unmatched_note(task: &Task, what: &str, pattern: &str) -> String {
    let hint = foreign(pattern).map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("`{}`: no {what} matches `{pattern}`{hint}", task.name)
}

/// Looks for a result and uses it.
fn find(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared) -> Result<Option<Done>, Trouble> {
    let hit = timed(ctx.listener, Phase::Lookup, Some(job.id), || lookup(ctx, job.task, &prepared.fingerprint));
    let Some(hit) = hit else { return Ok(None) };
    match use_hit(ctx, job, prepared, hit)? {
        Ok(done) => Ok(Some(done)),
        // The store has lost what it promised. Nothing was touched, so the command can still run.
        Err(trouble) => {
            ctx.note_trouble(trouble);
            Ok(None)
        }
    }
}

/// Makes the tree match the result, and prepares the journal entry. `Ok(Err)` means that the store does not have all of
/// the result.
fn use_hit(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    hit: Hit,
) -> Result<Result<Done, RestoreError>, Trouble> {
    let outcome = match put_back(ctx, job, &hit.outputs)? {
        Ok(outcome) => outcome,
        Err(e) => return Ok(Err(e)),
    };
    let mut done = Done::hit(ctx, job.id, outcome, &hit.key, hit.took);
    let strays = strays(ctx, job.id, job.task, &hit.outputs);
    done.visible = Some(visible(&hit.outputs, &strays, hit.key.action));
    done.basis = Some(Basis::new(ctx, job.task, prepared, &hit.discovered, &hit.outputs, hit.created));
    let previous = ctx.journal.tasks.get(&job.task.name).and_then(|before| before_that(before, &hit.key));
    let is_uncertain = |path: &[u8]| find_left(ctx.previous(job.id), path).is_some_and(|left| left.held.is_none());
    let uncertain = hit.outputs.iter().map(|entry| &entry.path).filter(|path| is_uncertain(path)).cloned().collect();
    done.record = Some(TaskRecord {
        key: Some(hit.key),
        fingerprint: prepared.fingerprint,
        created: hit.created,
        took: hit.took,
        previous,
        discovered: hit.discovered.0.into_iter().map(|(path, _)| path).collect(),
        failed: false,
        uncertain,
        outputs: hit.outputs,
        evidence: Evidence::default(),
    });
    Ok(Ok(done))
}

/// Returns the last result that the task had here other than `key`.
pub fn before_that(before: &TaskRecord, key: &ResultKey) -> Option<ResultKey> {
    let other = |old: &ResultKey| old != key;
    before.key.filter(other).or(before.previous.filter(other))
}

/// Returns what dependents see of a task with these outputs, among which lie further files.
pub fn visible(outputs: &[Entry], further: &[RelPath], action: percache::Digest) -> Arc<Visible> {
    let outputs = outputs.iter().filter_map(|entry| RelPath::new(&entry.path).ok());
    let mut outputs: Vec<_> = outputs.chain(further.iter().cloned()).collect();
    outputs.sort();
    Arc::new(Visible { outputs, action })
}

/// Runs the command. If it succeeds, `conclude` makes the report.
pub fn run_command(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    claim: Option<Claim>,
    conclude: impl FnOnce(&mut Executed) -> Result<Done, Failure>,
) -> Result<Done, Trouble> {
    (job.tell)(Word::Started);
    let mut executed = timed(ctx.listener, Phase::Command, Some(job.id), || {
        execute(ctx, job.id, job.task, prepared, claim.as_ref(), job.tell)
    })?;
    executed.claim = claim;
    let log = executed.log.tail(SHOWN).map_err(|e| format!("its log cannot be read: {e}"))?;
    let log = LogText { omitted: executed.log.len() - log.len() as u64, bytes: log };
    let mut done = match executed.failure.take() {
        Some(failure) => failed(ctx, job, prepared, &executed, failure),
        None => match conclude(&mut executed) {
            Ok(done) => done,
            Err(failure) => failed(ctx, job, prepared, &executed, failure),
        },
    };
    if matches!(done.outcome, Outcome::Failed(Failure::Exit(_) | Failure::Signal(_))) {
        done.unseen = unseen(&prepared.command, &log.bytes, ctx.caller, &prepared.environment.variables);
    }
    done.log = log;
    Ok(done)
}

/// Reports a failed command. What it left in the tree is recorded as an output, so that it is removed before the next
/// attempt.
fn failed(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared, executed: &Executed, failure: Failure) -> Done {
    let mut done = Done::new(job.id, Outcome::Failed(failure));
    let left = leftovers(ctx, job.task, &executed.before);
    done.warnings.extend(spoils(ctx, job.task, executed.began.wall));
    done.basis = Some(Basis::unsure(prepared));
    let before = ctx.journal.tasks.get(&job.task.name);
    done.record = Some(TaskRecord {
        key: None,
        fingerprint: prepared.fingerprint,
        created: now(),
        took: before.map_or(0, |record| record.took),
        previous: before.and_then(|record| record.key.or(record.previous)),
        // Once the task is fixed, it will most likely read what the last successful run read.
        discovered: before.map(|record| record.discovered.clone()).unwrap_or_default(),
        failed: true,
        uncertain: Vec::new(),
        outputs: left,
        evidence: Evidence::default(),
    });
    done
}

/// Returns the files at the outputs' places that the command made or changed, as far as they can be read.
fn leftovers(ctx: &Context<'_>, task: &Task, before: &Before) -> Vec<Entry> {
    if let Some(depfile) = task.depfile.as_ref().filter(|path| !task.outputs.matches(path)) {
        drop_depfile(ctx, depfile, before);
    }
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
    found.iter().filter(is_left).filter_map(|found| entry(&found.path)).collect()
}

/// Removes the depfile of a failed command: it is worth nothing, and a clean tree does not have it. One that was there
/// before is not the command's.
fn drop_depfile(ctx: &Context<'_>, path: &RelPath, before: &Before) {
    if before.depfile.is_some() {
        return;
    }
    if let Ok(text) = std::fs::read(path.to_path(ctx.observer.root())) {
        remove_depfile(ctx, path, &text).unwrap_or_else(|e| log::info!("`{path}` stays: {e}"));
    }
}
