//! Runs the command of one task, as often as `retries` allows, in a tree from which its earlier outputs were removed.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use percache::base::claim::Claim;
use percache::store::record::Node;

use crate::action::added_to::Ends;
use crate::action::context::Context;
use crate::action::directories::output_directories;
use crate::action::inputs::{Prepared, variables};
use crate::action::job::{Say, Word};
use crate::action::shared_log::{Feed, piece};
use crate::environment::colours;
use crate::fs::clearing::{Clearing, Left, find_left};
use crate::fs::outputs::present;
use crate::fs::stamp::{Moment, Stamp};
use crate::fs::walk::{Found, Kind};
use crate::model::event::{Failure, Runner};
use crate::model::path::RelPath;
use crate::model::pattern::PatternSet;
use crate::model::problem::{Trouble, reason, way_out};
use crate::model::{Task, TaskCommand, TaskId};
use crate::process::nesting;
use crate::process::orphans::Trace;
use crate::process::{self, Mark, OnOutput, Spec, SpooledLog, Status, Stdio, Stream};
use crate::worktree::intents::Intent;

/// A finished command.
pub struct Executed {
    /// The failure, if it failed.
    pub failure: Option<Failure>,
    /// The exit status of the last attempt; 0 if it did not exit by itself.
    pub status: i32,
    /// The log of the last attempt.
    pub log: SpooledLog,
    /// The reason why the log is incomplete, if it is.
    pub cut: Option<String>,
    /// How long the last attempt took.
    pub took: Duration,
    /// The stamps under which the inputs were hashed, in the order of [`Prepared::inputs`].
    pub inputs: Vec<Option<Stamp>>,
    /// When the last attempt started.
    pub began: Moment,
    /// What lay at the outputs' places before the command started.
    pub before: Before,
    /// Keeps other processes from running the same action.
    pub claim: Option<Claim>,
}

/// What lies at the places of a task's outputs when its command starts.
pub struct Before {
    /// Files and directories that are not known to be the task's own, and stay; sorted.
    pub others: Vec<Other>,
    /// The stamp of the file at the depfile's path.
    pub depfile: Option<Stamp>,
    /// The outputs, see [`outputs_in_place`].
    pub outputs: PatternSet,
}

/// A file or directory that is not known to be the task's own.
pub struct Other {
    /// Its path.
    pub path: RelPath,
    /// Whether it is a directory.
    pub directory: bool,
    /// Its stamp, if it could be read.
    pub stamp: Option<Stamp>,
    /// The beginning and the end of the file, if git does not track it.
    pub ends: Option<Ends>,
}

impl Before {
    /// Returns what was at `path`, if it is not known to be the task's own.
    pub fn other(&self, path: &RelPath) -> Option<&Other> {
        let at = self.others.binary_search_by(|other| other.path.cmp(path)).ok()?;
        self.others.get(at)
    }
}

/// Runs the command of `task`. Processes that wait for the `claim` receive its output. Calls `say` with progress while
/// the command runs.
pub fn execute(
    ctx: &Context<'_>,
    id: TaskId,
    task: &Task,
    prepared: &Prepared,
    claim: Option<&Claim>,
    say: Say<'_>,
) -> Result<Executed, Trouble> {
    ctx.observer.expect_changes();
    let mut clearing = Clearing::open(&ctx.observer, &ctx.displaced).map_err(|e| e.to_string())?;
    let before = make_room(ctx, &mut clearing, id, task)?;
    // The stamps under which the inputs were hashed a moment ago: a process that writes to one before the command
    // starts may do so afterwards, too.
    let inputs = prepared.inputs.iter().map(|(path, _)| ctx.observer.last_stamp(path.as_bytes())).collect();
    let mut attempt = 0;
    let mut feed = Feed::new(claim);
    loop {
        make_directories(ctx, &mut clearing, task)?;
        let mut told = |stream: Stream, bytes: &[u8]| {
            ctx.listener.wrote(id, Runner::Own, stream, bytes);
            feed.write(stream, bytes);
        };
        let Attempt { failure, status, log, cut, took, began } = run(ctx, task, prepared, say, &mut told)?;
        let final_one = matches!(failure, None | Some(Failure::Interrupted)) || attempt == task.retries;
        if final_one {
            return Ok(Executed { failure, status, log, cut, took, inputs, began, before, claim: None });
        }
        clear_attempt(ctx, &mut clearing, &before)?;
        attempt += 1;
    }
}

/// Returns the current stamp of a path, if it can be read.
pub fn stamp(ctx: &Context<'_>, path: &RelPath) -> Option<Stamp> {
    Stamp::at(&path.to_path(ctx.observer.root())).ok().flatten()
}

/// Returns what lies at the places of a task's outputs.
pub fn outputs_present(ctx: &Context<'_>, outputs: &PatternSet) -> Result<Vec<Found>, String> {
    present(ctx.observer.root(), outputs, &ctx.skip).map_err(|e| format!("{e}: {}", e.source))
}

/// Returns the output patterns, adapted to the tree: `dist` counts as a directory of outputs if somebody has made it a
/// symlink to a directory. A symlink that the task itself made is an output.
pub fn outputs_in_place<'t>(ctx: &Context<'_>, id: TaskId, task: &'t Task) -> Cow<'t, PatternSet> {
    let is_place = |path: &RelPath| {
        let native = path.to_path(ctx.observer.root());
        let held = find_left(ctx.previous(id), path.as_bytes()).and_then(|left| left.held);
        native.is_symlink()
            && match held {
                Some(Node::Symlink(_)) => false,
                Some(Node::Directory) => true,
                _ => native.is_dir(),
            }
    };
    task.outputs.with_directories(&is_place)
}

/// Removes the task's own files: those that earlier builds left, and those at outputs that are named without a
/// wildcard.
///
/// A command that appends to a file, or adds to an archive, must find what it would find in a clean tree.
fn make_room(ctx: &Context<'_>, clearing: &mut Clearing<'_, '_>, id: TaskId, task: &Task) -> Result<Before, Trouble> {
    let previous = ctx.previous(id);
    let outputs = outputs_in_place(ctx, id, task);
    let mut own = Vec::new();
    let (mut others, mut places) = (Vec::new(), Vec::new());
    for Found { path, kind } in outputs_present(ctx, &outputs)? {
        let directory = kind == Kind::Directory;
        // A user's symlink in place of an output directory: its target is used or created, or the symlink is an error.
        let is_place = kind == Kind::Symlink && outputs.passes(&path);
        let named = !directory && !is_place && is_named(task, &path);
        match find_left(previous, path.as_bytes()) {
            // A file that git tracks belongs to the user, unless the task names exactly this output.
            Some(left) if named || directory || !ctx.git.tracks_itself(&path) => own.push(left.clone()),
            // A clean tree has the files that git tracks, too. Edits to them exist nowhere else.
            None if named && !is_committed(ctx, &path) => own.push(Left { path, held: None }),
            _ => {
                places.extend(Some(path.clone()).filter(|_| is_place));
                let stamp = stamp(ctx, &path);
                let is_theirs = kind == Kind::File && !ctx.git.tracks(&path);
                let ends = if is_theirs { Ends::read(&path.to_path(ctx.observer.root())) } else { None };
                others.push(Other { path, directory, stamp, ends });
            }
        }
    }
    if let Some(intents) = &ctx.intents {
        let others = others.iter().map(|other| other.path.clone()).collect();
        ctx.or_trouble(intents.note(&Intent::new(&outputs, others)));
    }
    clearing.take_all(&own).map_err(|(path, e)| told("remove its old output", &path, &e))?;
    let taken: Vec<_> = own.into_iter().map(|left| left.path).collect();
    for place in places {
        clearing.tree().make_directory(&place).map_err(|e| told("make the directory", &place, &e))?;
    }
    // A directory made for an earlier output may be in the way of a new one.
    ctx.prune(clearing.tree(), &taken).map_err(|e| format!("cannot remove the directories of old outputs: {e}"))?;
    let depfile = task.depfile.as_ref().and_then(|path| stamp(ctx, path));
    Ok(Before { others, depfile, outputs: outputs.into_owned() })
}

/// Returns whether git tracks a file and it is as committed.
fn is_committed(ctx: &Context<'_>, path: &RelPath) -> bool {
    ctx.git.tracks_itself(path) && stamp(ctx, path).is_some_and(|stamp| ctx.git.is_clean(path, stamp.size, stamp.mtime))
}

/// Returns whether the task names this output without a wildcard.
pub fn is_named(task: &Task, path: &RelPath) -> bool {
    let mut patterns = task.outputs.patterns().iter().filter(|pattern| !pattern.negated && !pattern.directory);
    patterns.any(|pattern| pattern.literal() == Some(path))
}

/// Makes the directories for the task's outputs.
fn make_directories(ctx: &Context<'_>, clearing: &mut Clearing<'_, '_>, task: &Task) -> Result<(), Trouble> {
    for directory in output_directories(task) {
        clearing.tree().make_directory(&directory).map_err(|e| told("make the directory", &directory, &e))?;
    }
    ctx.directories.add(clearing.tree().take_made());
    Ok(())
}

/// Removes the outputs that a failed attempt has left.
fn clear_attempt(ctx: &Context<'_>, clearing: &mut Clearing<'_, '_>, before: &Before) -> Result<(), Trouble> {
    let found = outputs_present(ctx, &before.outputs)?.into_iter().map(|found| found.path);
    let left: Vec<_> =
        found.filter(|path| before.other(path).is_none()).map(|path| Left { path, held: None }).collect();
    clearing.take_all(&left).map_err(|(path, e)| told("move aside", &path, &e))
}

fn told(what: &str, path: &RelPath, error: &io::Error) -> Trouble {
    Trouble { message: format!("cannot {what} `{path}`: {}", reason(error)), hint: way_out(error) }
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

fn run(
    ctx: &Context<'_>,
    task: &Task,
    prepared: &Prepared,
    say: Say<'_>,
    tell: OnOutput<'_>,
) -> Result<Attempt, Trouble> {
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
    env.push((process::MARK.into(), nesting::mark(ctx.worktree, &task.name).into()));
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
        if let Mark::Background(holders) = mark {
            say(Word::Background(holders.clone()));
        }
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
    let (failure, status) = outcome(task, finished.status);
    Ok(Attempt { failure, status, log, cut, took: finished.took, began })
}

/// Returns the failure, if the run failed, and the exit status.
fn outcome(task: &Task, status: Status) -> (Option<Failure>, i32) {
    let failure = match status {
        Status::Exit(code) if code == 0 || task.answers.contains(&code) => None,
        Status::Exit(code) => Some(Failure::Exit(code)),
        Status::Signal(signal) => Some(Failure::Signal(signal)),
        Status::TimedOut => Some(Failure::TimedOut(task.timeout.unwrap_or_default())),
        Status::Interrupted => Some(Failure::Interrupted),
    };
    let code = if let Status::Exit(code) = status { code } else { 0 };
    (failure, code)
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
