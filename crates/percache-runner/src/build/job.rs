//! One task from start to finish: fingerprint, lookup, then up to date, restored, or run and recorded.
//!
//! A job reads what is shared, answers with one message, and never waits for another job.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use percache::store::record::{Content, Entry, ResultKey, StoredResult};
use percache::store::writer::NewResult;
use percache::store::{Store, now};

use crate::build::context::{Context, HitLogs};
use crate::build::execute::{Executed, execute, stamp};
use crate::build::explain::{self, Why};
use crate::build::inputs::{Dependencies, Prepared, Visible, prepare};
use crate::build::lookup::{Hit, lookup};
use crate::build::recheck::{discover, unchanged};
use crate::capture::{CaptureError, Captured, capture, present};
use crate::event::{Failure, LogText, Outcome};
use crate::fingerprint::Discovered;
use crate::intents::Intent;
use crate::journal::TaskRecord;
use crate::model::{Task, TaskId};
use crate::observe::FileState;
use crate::paths::RelPath;
use crate::process::SpooledLog;
use crate::restore::{self, RestoreError};

/// Of a log, this much of the end is kept in memory to be shown.
const SHOWN: u64 = 8 << 20;

/// A task that is done.
pub struct Done {
    /// Which.
    pub task: TaskId,
    /// How it ended.
    pub outcome: Outcome,
    /// Its log, as far as it is to be shown.
    pub log: LogText,
    /// Time spent on it.
    pub took: Duration,
    /// Time that the stored result took.
    pub saved: Duration,
    /// Why it ran.
    pub reason: Option<Why>,
    /// What others see of it.
    pub visible: Arc<Visible>,
    /// What the journal is to say of it from now on; `None`: what it said before.
    pub record: Option<TaskRecord>,
    /// Things that the user should know.
    pub warnings: Vec<String>,
}

/// What a job is about.
pub struct Job<'a> {
    /// Which task.
    pub id: TaskId,
    /// The task.
    pub task: &'a Task,
    /// What it needs is done, and is seen here.
    pub deps: Dependencies,
    /// Whether it is to run whatever the store has.
    pub force: bool,
    /// To be called when the command starts.
    pub started: &'a (dyn Fn() + Sync),
}

impl Done {
    fn new(task: TaskId, outcome: Outcome) -> Done {
        Done {
            task,
            outcome,
            log: LogText::default(),
            took: Duration::ZERO,
            saved: Duration::ZERO,
            reason: None,
            visible: Arc::default(),
            record: None,
            warnings: Vec::new(),
        }
    }

    fn failed(task: TaskId, message: String) -> Done {
        Done::new(task, Outcome::Failed(Failure::Error(message)))
    }
}

/// Does what has to be done for a task.
pub fn run(ctx: &Context<'_>, job: &Job<'_>) -> Done {
    let start = Instant::now();
    let mut done = attempt(ctx, job).unwrap_or_else(|message| Done::failed(job.id, message));
    done.took = start.elapsed();
    done
}

fn attempt(ctx: &Context<'_>, job: &Job<'_>) -> Result<Done, String> {
    let Some(command) = &job.task.command else { return Ok(Done::new(job.id, Outcome::Group)) };
    let prepared = prepare(ctx, job.task, command, &job.deps)?;
    let may_hit = job.task.cache && !job.task.interactive && !job.force;
    let hit = if may_hit { lookup(ctx, job.task, &prepared.fingerprint) } else { None };
    if let Some(hit) = hit {
        match use_hit(ctx, job, &prepared, hit)? {
            Ok(done) => return Ok(done),
            // The store lost what it had promised: nothing was touched, and the command can still run.
            Err(trouble) => ctx.note_trouble(trouble),
        }
    }
    let reason =
        (ctx.options.explain || ctx.options.dry_run).then(|| explain::why(ctx, job.task, &prepared, job.force));
    let mut done =
        if ctx.options.dry_run { Done::new(job.id, Outcome::WouldRun) } else { run_command(ctx, job, &prepared)? };
    done.reason = reason;
    let missing = prepared.missing.iter().map(|path| format!("`{}`: its input `{path}` does not exist", job.task.name));
    done.warnings.extend(missing);
    Ok(done)
}

/// Makes the tree look as the result says. `Ok(Err)`: the store does not have it whole.
fn use_hit(
    ctx: &Context<'_>,
    job: &Job<'_>,
    prepared: &Prepared,
    hit: Hit,
) -> Result<Result<Done, RestoreError>, String> {
    let previous = ctx.previous(job.id);
    let plan =
        restore::plan(&ctx.observer, &hit.outputs, previous).map_err(|e| format!("cannot look at its outputs: {e}"))?;
    let outcome = match (plan.is_empty(), ctx.options.dry_run) {
        (true, _) => Outcome::UpToDate,
        (false, true) => {
            pretend(ctx, &plan);
            Outcome::WouldRestore
        }
        (false, false) => {
            let Some(store) = ctx.store else { return Ok(Err(missing_store())) };
            note_intent(ctx, job, &plan)?;
            match restore::restore(&ctx.observer, store, &ctx.staging, &plan, ctx.options.jobs) {
                Ok(()) => Outcome::Restored,
                Err(e @ RestoreError::Store(_)) => return Ok(Err(e)),
                Err(e) => return Err(e.to_string()),
            }
        }
    };
    // What was right already and was not known to be ours may be somebody's own.
    let wrong = |path: &[u8]| plan.wrong.iter().any(|(entry, _)| entry.path == path);
    let ours = |path: &[u8]| previous.binary_search_by(|own| own.as_bytes().cmp(path)).is_ok() || wrong(path);
    let others = hit.outputs.iter().filter(|entry| !ours(&entry.path)).map(|entry| entry.path.clone()).collect();
    let mut done = Done::new(job.id, outcome);
    done.visible = visible(&hit.outputs, hit.key.action);
    done.saved = Duration::from_micros(hit.took);
    let wanted = match ctx.options.hit_logs {
        HitLogs::All => true,
        HitLogs::Restored => done.outcome == Outcome::Restored,
        HitLogs::No => false,
    };
    if wanted {
        done.log = stored_log(ctx, &hit.key).unwrap_or_default();
    }
    let before = ctx.journal.tasks.get(&job.task.name);
    done.record = Some(TaskRecord {
        key: Some(hit.key),
        fingerprint: prepared.fingerprint,
        created: hit.created,
        took: hit.took,
        previous: before.and_then(|record| record.previous),
        discovered: hit.discovered.0.into_iter().map(|(path, _)| path).collect(),
        outputs: hit.outputs.clone(),
        others,
    });
    Ok(Ok(done))
}

fn missing_store() -> RestoreError {
    let error = percache::engine::EngineError::Io("there is none".to_owned());
    RestoreError::Store(percache::store::ReadError::Engine(error))
}

/// Restoring needs to be noted when it is killed half way: what it has put there is not somebody's own.
fn note_intent(ctx: &Context<'_>, job: &Job<'_>, plan: &restore::Plan<'_>) -> Result<(), String> {
    let Some(intents) = &ctx.intents else { return Ok(()) };
    let found = present(ctx.observer.root(), &job.task.outputs, &ctx.skip).map_err(|e| e.to_string())?;
    let own = |path: &RelPath| {
        ctx.previous(job.id).binary_search(path).is_ok()
            || plan.wrong.iter().any(|(entry, _)| entry.path == path.as_bytes())
    };
    let others = found.into_iter().map(|found| found.path).filter(|path| !own(path)).collect();
    intents
        .note(&Intent::new(&job.task.outputs, others))
        .map_err(|e| format!("cannot note what it is about to write: {e}"))
}

fn pretend(ctx: &Context<'_>, plan: &restore::Plan<'_>) {
    for (entry, _) in &plan.wrong {
        ctx.observer.pretend(entry.path.clone(), state_of(entry));
    }
    for path in &plan.stale {
        ctx.observer.pretend(path.as_bytes().to_vec(), FileState::Absent);
    }
}

fn state_of(entry: &Entry) -> FileState {
    use percache::store::record::Node;
    match &entry.node {
        Node::File { content, executable } => FileState::File { digest: content.digest, executable: *executable },
        Node::Symlink(target) => FileState::Symlink { target: target.clone(), content: None },
        Node::Directory => FileState::Directory,
    }
}

fn visible(outputs: &[Entry], action: percache::Digest) -> Arc<Visible> {
    let outputs = outputs.iter().filter_map(|entry| RelPath::new(&entry.path).ok()).collect();
    Arc::new(Visible { outputs, action })
}

fn run_command(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared) -> Result<Done, String> {
    (job.started)();
    let mut executed = execute(ctx, job.id, job.task, prepared)?;
    let log = executed.log.tail(SHOWN).map_err(|e| format!("its log cannot be read: {e}"))?;
    let log = LogText { omitted: executed.log.len() - log.len() as u64, bytes: log };
    let mut done = match executed.failure.take() {
        Some(failure) => failed(ctx, job, prepared, failure),
        None => match record(ctx, job, prepared, &mut executed) {
            Ok(done) => done,
            Err(failure) => failed(ctx, job, prepared, failure),
        },
    };
    done.log = log;
    Ok(done)
}

/// What a failed command left is still its own, to be gone before the next attempt.
fn failed(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared, failure: Failure) -> Done {
    let mut done = Done::new(job.id, Outcome::Failed(failure));
    let left = capture_leftovers(ctx, job.task);
    let before = ctx.journal.tasks.get(&job.task.name);
    done.record = Some(TaskRecord {
        key: None,
        fingerprint: prepared.fingerprint,
        created: now(),
        took: before.map_or(0, |record| record.took),
        previous: before.and_then(|record| record.key.or(record.previous)),
        discovered: Vec::new(),
        outputs: left,
        others: Vec::new(),
    });
    done
}

/// Of what lies where the outputs belong, all that can be read: the declared ones need not be there.
fn capture_leftovers(ctx: &Context<'_>, task: &Task) -> Vec<Entry> {
    let found = present(ctx.observer.root(), &task.outputs, &ctx.skip).unwrap_or_default();
    let entry = |path: &RelPath| {
        use percache::store::record::Node;
        let node = match ctx.observer.observe(path.as_bytes()).ok()? {
            FileState::File { digest, executable } => Node::File { content: Content { digest, length: 0 }, executable },
            FileState::Symlink { target, .. } => Node::Symlink(target),
            FileState::Directory => Node::Directory,
            FileState::Absent | FileState::Special => return None,
        };
        Some(Entry { path: path.as_bytes().to_vec(), node })
    };
    found.iter().filter_map(|found| entry(&found.path)).collect()
}

/// After success: outputs are captured, discovered inputs read, and everything goes to the store if nothing speaks against it.
fn record(ctx: &Context<'_>, job: &Job<'_>, prepared: &Prepared, executed: &mut Executed) -> Result<Done, Failure> {
    let keeps = job.task.cache && !job.task.interactive;
    let store = ctx.store.filter(|_| keeps);
    let discovered = discover(ctx, job, prepared, executed.began).map_err(Failure::Error)?;
    let captured =
        capture(&ctx.observer, store, &job.task.outputs, &ctx.skip, ctx.options.jobs).map_err(|e| match e {
            CaptureError::Missing(paths) => Failure::MissingOutputs(paths),
            CaptureError::Walk(e) => Failure::Error(format!("{e}: {}", e.source)),
            e => Failure::Error(e.to_string()),
        })?;
    let mut done = Done::new(job.id, Outcome::Ran);
    let mut fit = keeps;
    if keeps && let Err(changed) = unchanged(ctx, job, prepared, &discovered) {
        done.warnings.push(format!("`{}` is not stored: {changed} while it ran", job.task.name));
        fit = false;
    }
    let states = Discovered(discovered.states);
    let action = states.action(&prepared.fingerprint);
    let key = ResultKey { action, place: captured.tied.then_some(ctx.place) };
    let created = now();
    if let Some(store) = store.filter(|_| fit) {
        let new = new_result(job, prepared, executed, store, &captured, &states, key, created);
        new.map_err(|e| Failure::Error(format!("its log cannot be stored: {e}")))?;
    }
    let before = ctx.journal.tasks.get(&job.task.name);
    done.visible = visible(&captured.entries, action);
    done.record = Some(TaskRecord {
        key: store.filter(|_| fit).map(|_| key),
        fingerprint: prepared.fingerprint,
        created,
        took: executed.took.as_micros() as u64,
        previous: before.and_then(|record| record.key.or(record.previous)),
        discovered: states.0.into_iter().map(|(path, _)| path).collect(),
        others: untouched(ctx, executed),
        outputs: captured.entries,
    });
    Ok(done)
}

/// What lay there before and the command did not touch; sorted.
fn untouched(ctx: &Context<'_>, executed: &Executed) -> Vec<Vec<u8>> {
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
) -> std::io::Result<()> {
    let log = store.add(&mut executed.log.reader()?, &mut |_| ())?;
    let paths = discovered.0.iter().map(|(path, _)| path.clone()).collect();
    store.record(NewResult {
        key,
        result: StoredResult {
            label: job.task.name.clone(),
            fingerprint: prepared.fingerprint,
            created,
            took: executed.took.as_micros() as u64,
            status: 0,
            log,
            outputs: captured.entries.clone(),
        },
        parts: prepared.parts.record(discovered),
        paths: job.task.depfile.is_some().then_some(percache::store::record::PathSet(paths)),
    });
    Ok(())
}

/// The log of a stored result, as far as it is to be shown.
pub fn stored_log(ctx: &Context<'_>, key: &ResultKey) -> Option<LogText> {
    let store = ctx.store?;
    let result = ctx.or_trouble(store.result(key))??;
    ctx.or_trouble(read_log(store, &result.log, &ctx.staging))
}

/// Reads a log out of the store.
pub fn read_log(store: &Store, log: &Content, staging: &Path) -> Result<LogText, percache::store::ReadError> {
    let mut spooled = SpooledLog::new(staging);
    struct Append<'a>(&'a mut SpooledLog);
    impl std::io::Write for Append<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.append(bytes).map(|()| bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    store.read(log, &mut Append(&mut spooled))?;
    let bytes = spooled.tail(SHOWN)?;
    Ok(LogText { omitted: spooled.len() - bytes.len() as u64, bytes })
}
