//! Execute: the command of one task runs, as often as `retries` allows, in a tree from which its earlier outputs are gone.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use percache::claim::Claim;

use crate::build::context::Context;
use crate::build::feed::{Feed, piece};
use crate::build::inputs::{Prepared, threads, variables};
use crate::capture::present;
use crate::colours;
use crate::event::{Failure, Runner};
use crate::fanout::fan_out;
use crate::intents::Intent;
use crate::model::{Task, TaskCommand, TaskId};
use crate::orphans::Trace;
use crate::paths::RelPath;
use crate::process::{self, Mark, OnOutput, Spec, SpooledLog, Status, Stdio, Stream};
use crate::restore;
use crate::stamp::{Moment, Stamp};
use crate::tree::Tree;
use crate::trouble::{Trouble, reason, way_out};
use crate::walk::Kind;

/// A command that has ended.
pub struct Executed {
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// The exit status of the last attempt; 0 when something else ended it.
    pub status: i32,
    /// What the last attempt wrote.
    pub log: SpooledLog,
    /// Why it is not all of that.
    pub cut: Option<String>,
    /// How long the last attempt took.
    pub took: Duration,
    /// The stamps under which its inputs were hashed, in the order of [`Prepared::inputs`].
    pub inputs: Vec<Option<Stamp>>,
    /// When the last attempt began.
    pub began: Moment,
    /// What lay where its outputs are and was not its own, with stamps; sorted.
    pub others: Vec<(RelPath, Option<Stamp>)>,
    /// Keeps other processes from running the same.
    pub claim: Option<Claim>,
}

/// Runs the command of `task`; who waits for the `claim` hears what it writes.
pub fn execute(
    ctx: &Context<'_>,
    id: TaskId,
    task: &Task,
    prepared: &Prepared,
    claim: Option<&Claim>,
) -> Result<Executed, Trouble> {
    ctx.observer.expect_changes();
    let others = others(ctx, id, task)?;
    if let Some(intents) = &ctx.intents {
        let intent = Intent::new(&task.outputs, others.iter().map(|(path, _)| path.clone()).collect());
        ctx.or_trouble(intents.note(&intent));
    }
    // As they were hashed, a moment ago: who writes to one before the command begins may do so after it, too.
    let inputs = prepared.inputs.iter().map(|(path, _)| ctx.observer.last_stamp(path.as_bytes())).collect();
    let mut attempt = 0;
    let mut feed = Feed::new(claim);
    loop {
        make_room(ctx, task, &others)?;
        let mut told = |stream: Stream, bytes: &[u8]| {
            ctx.listener.wrote(id, Runner::Own, stream, bytes);
            feed.write(stream, bytes);
        };
        let Attempt { failure, status, log, cut, took, began } = run(ctx, task, prepared, &mut told)?;
        let final_one = matches!(failure, None | Some(Failure::Interrupted)) || attempt == task.retries;
        if final_one {
            return Ok(Executed { failure, status, log, cut, took, inputs, began, others, claim: None });
        }
        attempt += 1;
    }
}

/// What the task's patterns mean now, less what earlier results of it left.
fn others(ctx: &Context<'_>, id: TaskId, task: &Task) -> Result<Vec<(RelPath, Option<Stamp>)>, String> {
    let found = present(ctx.observer.root(), &task.outputs, &ctx.skip).map_err(|e| format!("{e}: {}", e.source))?;
    let own = ctx.previous(id);
    let others = found.into_iter().map(|found| found.path).filter(|path| own.binary_search(path).is_err());
    Ok(others.map(|path| (path.clone(), stamp(ctx, &path))).collect())
}

/// The stamps of the inputs now.
pub fn stamps(ctx: &Context<'_>, prepared: &Prepared) -> Vec<Option<Stamp>> {
    let stamp = |(path, _): &(RelPath, _)| Ok::<_, Infallible>(ctx.observer.stamp(path.as_bytes()).ok().flatten());
    let Ok(stamps) = fan_out(threads(ctx, prepared.inputs.len()), &prepared.inputs, stamp);
    stamps
}

/// The stamp of what is at a path, if it can be had.
pub fn stamp(ctx: &Context<'_>, path: &RelPath) -> Option<Stamp> {
    Stamp::at(&path.to_path(ctx.observer.root())).ok().flatten()
}

/// Removes every output that is the task's own, and makes the directories that its outputs will lie in.
///
/// A command that appends to what is there, or adds to an archive, must find what it finds in a clean tree.
fn make_room(ctx: &Context<'_>, task: &Task, others: &[(RelPath, Option<Stamp>)]) -> Result<(), Trouble> {
    let found = present(ctx.observer.root(), &task.outputs, &ctx.skip).map_err(|e| format!("{e}: {}", e.source))?;
    let is_other = |path: &RelPath| others.binary_search_by(|(other, _)| other.cmp(path)).is_ok();
    // Somebody's own, in the place of a directory: what it leads to is made or found, or it may not lead there.
    let places = found.iter().filter(|found| found.kind == Kind::Symlink && is_other(&found.path));
    let places: Vec<_> = places.map(|found| found.path.clone()).filter(|path| task.outputs.passes(path)).collect();
    let mut own: Vec<_> = found.into_iter().map(|found| found.path).filter(|path| !is_other(path)).collect();
    own.extend(task.depfile.clone());
    own.sort();
    let mut tree = Tree::of(&ctx.observer).map_err(|e| e.to_string())?;
    let told = |what: &str, path: &RelPath, e: &io::Error| Trouble {
        message: format!("cannot {what} `{path}`: {}", reason(e)),
        hint: way_out(e),
    };
    restore::remove(&mut tree, &own).map_err(|(path, e)| told("remove its old output", &path, &e))?;
    let outputs = task.outputs.patterns().iter().filter(|pattern| !pattern.negated);
    let directories = outputs.filter_map(|pattern| match pattern.literal() {
        Some(path) => path.parent(),
        None => Some(pattern.prefix().clone()),
    });
    for directory in directories.chain(task.depfile.as_ref().and_then(RelPath::parent)).chain(places) {
        tree.make_directory(&directory).map_err(|e| told("make the directory", &directory, &e))?;
    }
    Ok(())
}

/// One run of the command; see [`Executed`].
struct Attempt {
    failure: Option<Failure>,
    status: i32,
    log: SpooledLog,
    cut: Option<String>,
    took: Duration,
    began: Moment,
}

fn run(ctx: &Context<'_>, task: &Task, prepared: &Prepared, tell: OnOutput<'_>) -> Result<Attempt, Trouble> {
    let (program, args) = argv(&prepared.command);
    let stdio = match task {
        Task { interactive: true, .. } => Stdio::Inherited,
        Task { apart: true, .. } => Stdio::Apart,
        _ => Stdio::Captured,
    };
    let cwd = task.cwd.to_path(ctx.observer.root());
    let mut env = variables(&prepared.environment);
    let told = colours::told(task, &prepared.command, &prepared.environment);
    env.extend(told.iter().map(|(name, value)| (name.into(), value.into())));
    let slot = match &ctx.budget {
        None => None,
        Some(budget) => {
            let slot = budget.acquire(ctx.stop).map_err(|e| format!("the jobserver fails: {e}"))?;
            if slot.is_none() {
                let (failure, log) = (Some(Failure::Interrupted), SpooledLog::new(ctx.staging.dir()));
                let (took, began) = (Duration::ZERO, Moment::now());
                return Ok(Attempt { failure, status: 0, log, cut: None, took, began });
            }
            env.extend(budget.variables().iter().cloned());
            slot
        }
    };
    let spec = Spec { program, args, cwd, env, timeout: task.timeout, stdio };
    let mut log = SpooledLog::new(ctx.staging.dir());
    let mut cut = None;
    let began = Moment::now();
    let mut on_mark = |mark: &Mark| {
        if let Some((intents, trace)) = ctx.intents.as_ref().zip(Trace::of(mark)) {
            ctx.or_trouble(intents.note_command(&trace));
        }
    };
    let finished = process::run_marked(&spec, ctx.stop, &mut on_mark, &mut |stream, bytes| {
        let mut keep = || if task.apart { log.append(&piece(stream, bytes)) } else { log.append(bytes) };
        if cut.is_none()
            && let Err(e) = keep()
        {
            cut = Some(e.to_string());
        }
        tell(stream, bytes);
    });
    drop(slot);
    let finished = finished.map_err(|e| Trouble { message: e.to_string(), hint: e.hint() })?;
    let failure = match finished.status {
        Status::Exit(code) if code == 0 || task.answers.contains(&code) => None,
        Status::Exit(code) => Some(Failure::Exit(code)),
        Status::Signal(signal) => Some(Failure::Signal(signal)),
        Status::TimedOut => Some(Failure::TimedOut(task.timeout.unwrap_or_default())),
        Status::Interrupted => Some(Failure::Interrupted),
    };
    let status = match finished.status {
        Status::Exit(code) => code,
        _ => 0,
    };
    Ok(Attempt { failure, status, log, cut, took: finished.took, began })
}

fn argv(command: &TaskCommand) -> (OsString, Vec<OsString>) {
    match command {
        TaskCommand::Shell(text) => ("sh".into(), vec!["-e".into(), "-c".into(), text.into()]),
        TaskCommand::Argv(arguments) => {
            let mut arguments = arguments.iter().map(OsString::from);
            (arguments.next().unwrap_or_default(), arguments.collect())
        }
    }
}
